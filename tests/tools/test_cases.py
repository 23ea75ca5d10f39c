"""Small inputs that once went wrong: memory, time, text and names out of bounds, and reading that recovery refused.

The .etwcap files of tests/cases were made by hand for this project; the others are made here. Memory and processor time are
bounded by the system, so a test fails by the tool's own end.
"""
import csv
import json
import pathlib
import resource
import subprocess

import conftest
import pytest
from etlwriter import Trace, field, structure

CASES = pathlib.Path(__file__).resolve().parent.parent / "cases"
CPU_SECONDS = 5
needs_plain_memory = pytest.mark.skipif(conftest.MODE not in ("release", "debug"), reason="sanitizers reserve terabytes")


def run(native_tool, *words, memory=None):
    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    return subprocess.run(native_tool.words(*words), preexec_fn=limit, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)


def unique(pairs):
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), names
    return dict(pairs)


def objects(out):
    return [json.loads(line, object_pairs_hook=unique) for line in out.decode().splitlines()]


@needs_plain_memory
def test_schemas_that_are_costly_to_prepare_stay_in_their_budget(native_tool):
    done = run(native_tool, "etw-replay", CASES / "plan-memory.etwcap", memory=100 << 20)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 121
    assert b"damaged" not in done.stdout


@needs_plain_memory
@pytest.mark.parametrize("memory", [18 << 20, 24 << 20, 30 << 20, 36 << 20])
def test_out_of_memory_is_never_called_damage(native_tool, memory):
    done = run(native_tool, "etw-replay", CASES / "plan-memory.etwcap", memory=memory)
    if done.returncode != 0:
        assert done.returncode == 1 and b"memory" in done.stderr
    assert b"damaged" not in done.stdout + done.stderr and b"no schema" not in done.stdout


@needs_plain_memory
def test_many_small_schemas_stay_in_their_budget(native_tool, tmp_path):
    trace = Trace(buffer_size=65536)
    for number in range(40000):
        trace.tracelogging("P", "E%d" % number, [field("F%d" % number, "u32", number)])
    trace.write(tmp_path / "many.etl")
    done = run(native_tool, "etw-replay", tmp_path / "many.etl", memory=160 << 20)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 40001, done.stderr


def test_siblings_of_one_name_cost_little(native_tool):
    done = run(native_tool, "etw-replay", CASES / "schema-cpu.etwcap")
    assert done.returncode == 3 and len(done.stdout.splitlines()) == 42


def test_one_event_never_becomes_much_text(native_tool):
    done = run(native_tool, "etw-replay", CASES / "text-amplification.etwcap")
    assert done.returncode == 3 and len(done.stdout) < 5 << 20
    assert any("cut" in event.get("EventPropertiesError", "") for event in objects(done.stdout))


def test_an_event_of_too_much_text_is_cut_alone_whatever_the_threads(native_tool, tmp_path):
    trace = Trace(buffer_size=65536)
    rows = [[field("name" * 75, "u8", 1)]] * 20000
    for number in range(9):
        trace.tracelogging("P", "Small", [field("n", "u32", number)])
        if number == 4:
            trace.tracelogging("P", "Large", [structure("s", *rows, array=True)])
    trace.write(tmp_path / "large.etl")
    expected = run(native_tool, "etw-replay", tmp_path / "large.etl")
    events = objects(expected.stdout)
    assert expected.returncode == 0 and len(events) == 11
    assert [event.get("EventName") for event in events if "EventPropertiesError" in event] == ["Large"]
    for threads in (1, 2, 4):
        assert run(native_tool, "etw-replay", tmp_path / "large.etl", "--threads", threads).stdout == expected.stdout


@pytest.mark.parametrize("fields", [
    [field("A", "u8", 1), field("A", "u8", 2), field("A#2", "u8", 3), field("A#2", "u8", 4), field("A", "u8", 5)],
    [field("X#2", "u8", 1), structure("X", field("Y", "u8", 2)), structure("X", field("Y", "u8", 3), field("Y", "u8", 4))]])
def test_names_within_an_object_are_unique(native_tool, tmp_path, fields):
    trace = Trace()
    trace.tracelogging("P", "E", fields)
    trace.write(tmp_path / "names.etl")
    event = objects(run(native_tool, "etw-replay", tmp_path / "names.etl").stdout)[-1]
    assert len(event["EventProperties"]) == len(fields)
    run(native_tool, "etw-replay", "export", tmp_path / "names.etl", "-o", tmp_path / "names.csv", "-q")
    with open(tmp_path / "names.csv", newline="") as file:
        row = list(csv.DictReader(file))[-1]
    assert json.loads(row["EventProperties"], object_pairs_hook=unique) == event["EventProperties"]


def test_times_beyond_all_clocks_give_no_nonsense(native_tool):
    done = run(native_tool, "etw-replay", "info", "--json", CASES / "time-overflow.etwcap")
    assert done.returncode == 0 and objects(done.stdout)
    text = run(native_tool, "etw-replay", "info", CASES / "time-overflow.etwcap").stdout.decode()
    assert "(of unknown length)" in text


def test_recovery_takes_what_can_be_read(native_tool, tmp_path):
    done = run(native_tool, "etw-replay", "recover", CASES / "recover-refuses.etwcap", "-o", tmp_path / "out.etwcap")
    assert done.returncode == 3
    said = json.loads(run(native_tool, "etw-replay", "verify", "--json", tmp_path / "out.etwcap").stdout)
    assert said["Good"] and said["Events"] == 21


def test_a_provider_named_late_has_its_name_from_the_start(native_tool, tmp_path):
    """In the trace file, its recording, and copies of that."""
    provider = "{11223344-5566-7788-0102-0304050607ff}"
    trace = Trace(buffer_size=65536)
    trace.event(provider, id=1, data=b"no schema")
    trace.tracelogging("", "Unnamed", [field("n", "u8", 1)], provider_id=provider)
    trace.tracelogging("Late.Name", "Named", [field("n", "u8", 2)], provider_id=provider)
    trace.tracelogging("Second.Name", "Renamed", [field("n", "u8", 3)], provider_id=provider)
    trace.write(tmp_path / "a.etl")
    native_tool("etw-record", "-q", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap")
    native_tool("etw-replay", "repack", tmp_path / "a.etwcap", "-q", "-o", tmp_path / "b.etwcap")
    native_tool("etw-replay", "cut", tmp_path / "b.etwcap", "-q", "--head", "4", "-o", tmp_path / "c.etwcap")
    for name in ("a.etl", "a.etwcap", "b.etwcap", "c.etwcap"):
        events = objects(run(native_tool, "etw-replay", tmp_path / name).stdout)
        names = [event.get("ProviderName") for event in events if event.get("ProviderId") == provider]
        assert names == ["Late.Name", "Late.Name", "Late.Name", "Second.Name"][:len(names)] and len(names) >= 3, name
