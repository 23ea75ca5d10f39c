"""Several traces read as one: the order of time, files of which there are more than can be open, bounded memory."""
import json
import resource
import signal
import struct
import subprocess
import time

import pytest

from conftest import MODE
from etlwriter import Trace
from test_record_limits import heed_signals

ONE = "{11111111-2222-3333-4444-555555555555}"


@pytest.fixture
def write(tool, tmp_path):
    """A function that writes events with these seconds as their ids and times, as .etl or .etwcap."""
    def written(name, seconds, **options):
        trace, etl = Trace(**options), tmp_path / (name + ".etl")
        for second in seconds:
            trace.event(ONE, id=second, data=struct.pack("<I", second), time=trace.at(second))
        trace.write(etl)
        if name.endswith("c"):
            tool("etw-record", "--input", etl, "-o", tmp_path / (name + ".etwcap"), "-q", "--format", "1.0")
            return tmp_path / (name + ".etwcap")
        return etl
    return written


def ids(tool, *arguments, **more):
    return [event["Id"] for event in tool.events(*arguments, "--provider", ONE, **more)]


@pytest.mark.parametrize("names", [("a", "b"), ("ac", "bc"), ("a", "bc")])
def test_a_merge_is_in_the_order_of_time_though_its_inputs_are_not(tool, write, tmp_path, names):
    first, second = write(names[0], [3, 1, 5]), write(names[1], [2, 4])
    out = tmp_path / "out.etwcap"
    tool("etw-replay", "merge", first, second, "-o", out, "-q")
    assert ids(tool, out) == [1, 2, 3, 4, 5]
    assert ids(tool, first) == [3, 1, 5]
    for verb, expected in (("merge", [1, 3, 5]), ("cut", [3, 1, 5]), ("repack", [3, 1, 5])):
        tool("etw-replay", verb, first, "-o", out, "-q", "-f")
        assert ids(tool, out) == expected, verb
    tool("etw-replay", "merge", "-", second, "-o", out, "-q", "-f", input=first.read_bytes())
    assert ids(tool, out) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("names", [("a", "b"), ("ac", "bc"), ("a", "bc")])
def test_a_recording_of_several_inputs_is_in_the_order_of_time_though_they_are_not(tool, write, tmp_path, names):
    first, second = write(names[0], [3, 1, 5]), write(names[1], [2, 4])
    out = tmp_path / "out.etwcap"
    for words, given in (([first, "--input", second], None), ([second, "--input", "-"], first.read_bytes())):
        tool("etw-record", "--input", *words, "-o", out, "-q", "-f", input=given)
        assert ids(tool, out) == [1, 2, 3, 4, 5]
    tool("etw-record", "--input", first, "-o", out, "-q", "-f")
    assert ids(tool, out) == [3, 1, 5]


def test_an_input_that_fails_half_way_is_recorded_up_to_there(tool, write, tmp_path):
    """What it gave is in order; that the rest is missing is a record."""
    first, second = write("ac", [3, 1, 5]), write("b", [2, 4])
    whole = first.read_bytes()
    first.write_bytes(whole[:-150])
    tool("etw-record", "--input", first, "--input", second, "-o", tmp_path / "out.etwcap", "-q", status=3)
    found = tool.events(tmp_path / "out.etwcap", status=3)
    assert [event["Id"] for event in found if event.get("ProviderId") == ONE] == [1, 2, 3, 4, 5]
    assert [event["Loss"]["Cause"] for event in found if "Loss" in event] == ["cut off"]


def test_a_signal_ends_the_reading_ahead(native_tool, write, tmp_path):
    """The pipe stands still while all of it is to be read; what the recording lacks is a record in it."""
    first, second, out = write("ac", range(20000, 0, -1)), write("b", [1]), tmp_path / "out.etwcap"
    process = subprocess.Popen(native_tool.words("etw-record", "--input", "-", "--input", second, "-o", out, "-q"),
                               stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed_signals)
    data = first.read_bytes()
    process.stdin.write(data[:len(data) * 3 // 4])
    process.stdin.flush()
    for _ in range(300):
        if list(tmp_path.glob("out.etwcap*")):
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    process.stdin.close()
    process.wait(30)
    assert process.returncode == 3, process.stderr.read()
    found = [event["Loss"]["Detail"] for event in native_tool.events(out, status=3) if "Loss" in event]
    assert any("interrupted" in detail for detail in found), found


def test_events_of_one_time_keep_the_order_of_inputs_and_within_each(tool, tmp_path):
    paths = []
    for number in range(2):
        trace = Trace(buffer_size=65536)
        for at in range(200):
            trace.event(ONE, id=number * 1000 + at, time=trace.at(at * 7 % 5))
        paths.append(trace.write(tmp_path / ("%d.etl" % number)) or tmp_path / ("%d.etl" % number))
    tool("etw-replay", "merge", *paths, "-o", tmp_path / "out.etwcap", "-q")
    tool("etw-record", "--input", paths[0], "--input", paths[1], "-o", tmp_path / "recorded.etwcap", "-q")
    expected = sorted(range(200), key=lambda at: at * 7 % 5)
    for name in ("out.etwcap", "recorded.etwcap"):
        assert ids(tool, tmp_path / name) == [
            number * 1000 + at for second in range(5) for number in range(2) for at in expected if at * 7 % 5 == second]


def limited(native_tool, files, memory, *arguments):
    """Runs a tool with so few files and so many bytes of address space."""
    if MODE not in ("release", "debug"):
        pytest.skip("sanitizers need more address space than any limit leaves")

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    done = subprocess.run(native_tool.words(*arguments), stderr=subprocess.PIPE, preexec_fn=limit)
    assert done.returncode == 0, done.stderr


def test_two_hundred_files_need_few_open_files_and_little_memory(native_tool, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(200):
        trace = Trace(buffer_size=65536)
        for at in range(50):
            trace.event(ONE, id=at, data=b"x" * 1000, time=trace.at(at))
        trace.write(folder / ("%03d.etl" % number))
        if number % 2:
            native_tool("etw-record", "--input", folder / ("%03d.etl" % number), "-o", folder / ("%03d.etwcap" % number),
                        "-q")
            (folder / ("%03d.etl" % number)).unlink()
    for words in (["etw-replay", "merge"], ["etw-replay", "cut"], ["etw-record", "--threads", "0", "--input"]):
        out = tmp_path / "out.etwcap"
        limited(native_tool, 24, 512 << 20, *words, folder, "-o", out, "-q", "-f")
        assert ids(native_tool, out) == [at for at in range(50) for number in range(200)]
    assert json.loads(native_tool("etw-replay", "info", "--json", tmp_path / "out.etwcap").stdout)["Events"] == 200 * 51


@pytest.mark.parametrize("names", [("a", "b"), ("ac", "bc"), ("a", "bc")])
def test_events_of_several_inputs_come_by_time_or_one_file_after_the_other(tool, write, tmp_path, names):
    first, second = write(names[0], [3, 1, 5]), write(names[1], [2, 4])
    for words in ([first, second], [tmp_path / (names[0][0] + "*" + first.suffix), second], ["-", second]):
        given = first.read_bytes() if words[0] == "-" else None
        assert ids(tool, *words, input=given) == [1, 2, 3, 4, 5]
        assert ids(tool, *words, "--in-order", input=given) == [3, 1, 5, 2, 4]
        assert ids(tool, *words, "--head", 3, input=given) == [1, 2, 3]
        assert ids(tool, *words, "--head", 4, "--in-order", input=given) == [3, 1, 5, 2]
    for words, expected in (([], [1, 2, 3, 4, 5]), (["--in-order"], [3, 1, 5, 2, 4])):
        tool("etw-replay", "export", first, second, "-o", tmp_path / "out.json", "-f", "--provider", ONE, *words)
        assert [json.loads(line)["Id"] for line in (tmp_path / "out.json").read_text().splitlines()] == expected
        tool("etw-replay", "cut", first, second, "-o", tmp_path / "out.etwcap", "-f", "-q", *words)
        assert ids(tool, tmp_path / "out.etwcap") == expected
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (first, second):
        (folder / path.name).write_bytes(path.read_bytes())
    assert ids(tool, folder) == [1, 2, 3, 4, 5]
    expected = tool("etw-replay", folder, "--with-file").stdout
    assert tool("etw-replay", folder, "--with-file", "--threads", 2).stdout == expected
    assert {json.loads(line)["Trace"] for line in expected.splitlines()} == {1, 2}


def test_each_event_can_name_its_file(tool, write):
    first, second = write("a", [1, 3]), write("b", [2])
    files = [str(first), str(second)]
    by_id = {1: files[0], 2: files[1], 3: files[0]}
    assert {event["Id"]: event["File"] for event in tool.events(first, second, "--with-file", "--provider", ONE)} == by_id
    assert "File" not in tool.events(first, second)[0]
    words = [first, second, "--with-file", "--provider", ONE, "--format"]
    assert [line.split(": 2024")[0] for line in tool("etw-replay", *words, "text").stdout.decode().splitlines()] == [
        by_id[number] for number in (1, 2, 3)]
    rows = tool("etw-replay", *words, "csv").stdout.decode().splitlines()
    assert rows[0].endswith(",File") and [row.split(",")[-1].strip('"') for row in rows[1:]] == [by_id[n] for n in (1, 2, 3)]
    xml = tool("etw-replay", *words, "xml").stdout.decode()
    assert xml.count("<File>%s</File>" % files[0]) == 2 and xml.count("<File>%s</File>" % files[1]) == 1
    assert b"has no place for it" in tool("etw-replay", *words, "pcapng", "-o", first.with_suffix(".pcapng"), status=2).stderr


def test_what_one_trace_alone_can_do_is_refused_for_several(tool, write):
    assert b"only one trace" in tool("etw-replay", write("a", [1]), write("b", [2]), "--speed", 1, status=1).stderr


def test_a_filter_is_in_doubt_only_where_no_trace_has_a_match(tool, write):
    first, second = write("a", [1]), write("b", [2])
    assert b"no event matches" not in tool("etw-replay", first, second, "--where", "Id == 2 and Level == 4").stderr
    assert b"no event matches" in tool("etw-replay", first, second, "--where", "Id == 7").stderr


@pytest.mark.parametrize("clock", [1, 2])
@pytest.mark.parametrize("names", [("a", "b"), ("ac", "bc")])
def test_a_merge_can_correct_the_clocks_of_hosts(tool, write, tmp_path, names, clock):
    first, second = write(names[0], [1, 3, 5], clock=clock), write(names[1], [2, 4], clock=clock)
    out = tmp_path / "out.etwcap"
    for offset, expected in (("+3s", [1, 3, 5, 2, 4]), ("-1500ms", [2, 1, 4, 3, 5]), ("+0.0001s", [1, 2, 3, 4, 5])):
        tool("etw-replay", "merge", first, second, "-o", out, "-f", "-q", "--offset", second.name + "=" + offset)
        assert ids(tool, out) == expected
        times = [event["TimeStamp"] for event in tool.events(out)]
        assert times == sorted(times)
    assert b"2024-05-01T12:00:02.0001" in tool("etw-replay", out, "--id", 2).stdout
    assert b"no input is named so" in tool("etw-replay", "merge", first, "-o", out, "-f", "--offset", "x=+3s", status=1).stderr
    assert b"expected FILE=" in tool("etw-replay", "merge", first, "-o", out, "-f", "--offset", "3s", status=2).stderr


def parts_of(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def split(tool, tmp_path):
    """A function that splits a trace into a folder of its own and gives the ids in each file, by its name."""
    def done(path, *words, pattern="p.etwcap"):
        folder = tmp_path / "parts"
        if folder.exists():
            for old in folder.iterdir():
                old.unlink()
        folder.mkdir(exist_ok=True)
        tool("etw-replay", "split", path, "-o", folder / pattern, *words)
        for name in parts_of(folder):
            tool("etw-replay", "verify", folder / name)
        return {name: ids(tool, folder / name) for name in parts_of(folder)}
    return done


@pytest.mark.parametrize("name", ["a", "ac"])
def test_a_trace_is_split_by_time_number_and_size(write, split, name):
    path = write(name, [0, 1, 2, 3, 10, 11, 30])
    assert split(path, "--every", "3s") == {
        "p-00001.etwcap": [0, 1, 2], "p-00002.etwcap": [3], "p-00003.etwcap": [10, 11], "p-00004.etwcap": [30]}
    assert list(split(path, "--every", "3 events", pattern="%n of 100%%.etwcap").items()) == [
        ("00001 of 100%.etwcap", [0, 1]), ("00002 of 100%.etwcap", [2, 3, 10]), ("00003 of 100%.etwcap", [11, 30])]
    assert split(path, "--every", "1h", "--where", "Id > 2") == {"p-00001.etwcap": [3, 10, 11, 30]}
    assert sum(split(path, "--every", "1k").values(), []) == [0, 1, 2, 3, 10, 11, 30]


def test_a_trace_is_split_by_provider_and_process(tool, split, tmp_path):
    trace = Trace()
    for number in range(6):
        trace.event(ONE, id=number, pid=100 + number % 2)
        trace.tracelogging("Named/Provider", "Hello", pid=7)
    trace.write(tmp_path / "a.etl")
    by_provider = split(tmp_path / "a.etl", "--by", "provider", pattern="by-%n.etwcap")
    assert set(by_provider) == {"by-EventTrace.etwcap", "by-Named_Provider.etwcap", "by-_%s_.etwcap" % ONE[1:-1]}
    assert by_provider["by-_%s_.etwcap" % ONE[1:-1]] == [0, 1, 2, 3, 4, 5]
    by_process = split(tmp_path / "a.etl", "--by", "process")
    assert {name: found for name, found in by_process.items() if found} == {
        "p-100.etwcap": [0, 2, 4], "p-101.etwcap": [1, 3, 5]}
    assert {"p-4.etwcap", "p-7.etwcap"} <= set(by_process)


@pytest.mark.parametrize("words", [[], ["--every", "3"], ["--every", "x"], ["--by", "x"], ["--every", "3s", "--by", "process"],
                                   ["--every", "3s", "-o", "a%x.etwcap"], ["--every", "3s", "-o", "-"],
                                   ["--every", "3s", "-o", "a.etl"]])
def test_a_split_that_is_not_clear_is_refused(tool, write, tmp_path, words):
    tool("etw-replay", "split", write("a", [1]), *(words if "-o" in words else ["-o", tmp_path / "p.etwcap", *words]), status=2)
    assert not list(tmp_path.glob("p*"))
