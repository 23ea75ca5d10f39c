"""Stacks with weights: folded lines, and speedscope's JSON."""
import json
import struct

import pytest
from consumers import speedscope
from etlwriter import Trace, field, stack64


def perf(tool, trace, out, *options, **more):
    done = tool("etw-replay", "export", trace, "-f", "-q", "-o", out, *options, **more)
    return done, out.read_text()


def folded(text):
    return {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in text.splitlines()}


def check_speedscope(text, sums):
    """As https://www.speedscope.app/file-format-schema.json has it, and the same sums as the folded lines."""
    whole = json.loads(text)
    assert whole["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    names = [frame["name"] for frame in whole["shared"]["frames"]]
    assert len(set(names)) == len(names)
    found = {}
    for profile in whole["profiles"]:
        assert set(profile) == {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
        assert profile["type"] == "sampled" and profile["startValue"] == 0 and profile["endValue"] == sum(profile["weights"])
        assert len(profile["samples"]) == len(profile["weights"])
        for sample, weight in zip(profile["samples"], profile["weights"]):
            assert names[sample[0]] == profile["name"]
            found[";".join(names[frame] for frame in sample)] = weight
    assert found == sums
    return whole


@pytest.fixture
def trace(tmp_path):
    made = Trace()
    for pid, size, addresses in ((7, 100, [0x30, 0x20, 0x10]), (7, 50, [0x30, 0x20, 0x10]), (8, 9, [0x40, 0x10])):
        made.tracelogging("My.Heap", "Alloc", [field("Size", "u64", size)], items=[stack64(0, addresses)], pid=pid)
    made.tracelogging("My.Heap", "Alloc", [field("Size", "u64", 3)], pid=9)
    made.tracelogging("My.Heap", "Free", [field("Size", "utf16z", "x")], items=[stack64(0, [0x10])], pid=7)
    made.write(tmp_path / "a.etl")
    return tmp_path / "a.etl"


def test_a_filter_chooses_whose_stacks_are_summed(tool, trace, tmp_path):
    _, text = perf(tool, trace, tmp_path / "a.folded", "--where", 'EventName == "Alloc"')
    assert folded(text) == {"process 7;0x10;0x20;0x30": 2, "process 8;0x10;0x40": 1, "process 9": 1}
    done, text = perf(tool, trace, tmp_path / "b.FOLDED", "--provider", "My.Heap", "--weight", "Size")
    assert folded(text) == {"process 7;0x10;0x20;0x30": 150, "process 8;0x10;0x40": 9, "process 9": 3}
    assert b"1 event left out: without such a number" in done.stderr
    check_speedscope(perf(tool, trace, tmp_path / "a.speedscope.json", "--provider", "My.Heap", "--weight", "Size")[1], folded(text))


def test_without_samples_there_is_advice(tool, trace, tmp_path):
    done, text = perf(tool, trace, tmp_path / "a.folded")
    assert text == "" and b"no CPU samples" in done.stderr
    assert check_speedscope(perf(tool, trace, tmp_path / "a.speedscope.json")[1], {})["profiles"] == []


def sample(trace, tid, address, *, stack=(), count=1, flags=0):
    time = trace.at(tid)
    trace.perfinfo(15, 46, struct.pack("<QIHH", address, tid, count, flags), time=time)
    if stack:
        trace.system(24, 32, struct.pack("<QII", time, 5, tid) + b"".join(struct.pack("<Q", each) for each in stack), time=time + 1)


def test_samples_count_and_idle_ones_do_not(tool, tmp_path):
    made = Trace()
    made.system(3, 3, struct.pack("<II", 5, 11) + bytes(80), version=3)  # thread 11 of process 5
    sample(made, 11, 0x77, stack=[0x77, 0x66], count=2)
    sample(made, 12, 0x55)
    sample(made, 0, 0x44)
    sample(made, 0, 0x33, flags=1)  # a DPC
    made.write(tmp_path / "a.etl")
    _, text = perf(tool, tmp_path / "a.etl", tmp_path / "a.folded")
    stacks = folded(text)
    assert sorted(stacks.values()) == [1, 1, 1] and any(line.endswith(";0x33") for line in stacks) and "process 5;0x66;0x77" in stacks
    assert [line for line in stacks if line.endswith(";0x55")] and not [line for line in stacks if "0x44" in line]
    _, text = perf(tool, tmp_path / "a.etl", tmp_path / "a.folded", "--weight", "time")
    assert folded(text)["process 5;0x66;0x77"] == 2 * 1000000


def test_samples_of_a_real_trace_have_their_stacks(native_tool, corpus, tmp_path):
    texts = [perf(native_tool, corpus("net.4.5.2.x64.etl"), tmp_path / "a.folded", "--threads", threads)[1] for threads in (0, 3)]
    assert texts[0] == texts[1]
    sums = folded(texts[0])
    assert sum(sums.values()) == 6320  # of 79,528 samples: 6,215 that are not of the idle thread, 105 of what interrupted it
    assert any(";Test.Program.Main;" in line for line in sums)
    check_speedscope(perf(native_tool, corpus("net.4.5.2.x64.etl"), tmp_path / "a.speedscope.json")[1], sums)


def test_speedscope_shows_it(native_tool, corpus, tmp_path):
    """Its own code, in Chromium: a profile for each process; the folded lines are one."""
    for name in ("a.speedscope.json", "a.folded"):
        perf(native_tool, corpus("net.4.5.2.x64.etl"), tmp_path / name)
        page = speedscope(tmp_path / name, tmp_path)
        assert page["problems"] == []
        assert ("Idle (0) (1/20)" if name.endswith("json") else "a.folded") in page["result"]


@pytest.mark.parametrize("name", ["a;b", "a\nb", "a b 3"])
def test_names_cannot_end_a_frame_or_a_line(native_tool, tmp_path, name):
    made = Trace()
    made.system(3, 1, struct.pack("<QIIIi", 1, 5, 1, 0, 0) + struct.pack("<QI", 0, 0) + bytes(4) + b"\1\1\0\0\0\0\0\5\x12\0\0\0" +
                name.encode() + b".exe\0" + "c\0".encode("utf-16-le") + bytes(8), version=3)
    made.tracelogging("P", "E", items=[stack64(0, [1])], pid=5)
    made.write(tmp_path / "a.etl")
    _, text = perf(native_tool, tmp_path / "a.etl", tmp_path / "a.folded", "--event", "E")
    assert len(text.splitlines()) == 1 and text.count(";") == 1 and text.endswith(";0x1 1\n")
