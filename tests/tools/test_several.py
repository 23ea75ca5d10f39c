"""Several traces read as one: the order of time, files of which there are more than can be open, bounded memory."""
import json
import os
import resource
import struct
import subprocess

import pytest

from etlwriter import Trace

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
            tool("etw-record", "--input", etl, "-o", tmp_path / (name + ".etwcap"), "-q")
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


def test_events_of_one_time_keep_the_order_of_inputs_and_within_each(tool, tmp_path):
    paths = []
    for number in range(2):
        trace = Trace(buffer_size=65536)
        for at in range(200):
            trace.event(ONE, id=number * 1000 + at, time=trace.at(at * 7 % 5))
        paths.append(trace.write(tmp_path / ("%d.etl" % number)) or tmp_path / ("%d.etl" % number))
    tool("etw-replay", "merge", *paths, "-o", tmp_path / "out.etwcap", "-q")
    expected = sorted(range(200), key=lambda at: at * 7 % 5)
    assert ids(tool, tmp_path / "out.etwcap") == [
        number * 1000 + at for second in range(5) for number in range(2) for at in expected if at * 7 % 5 == second]


def limited(native_tool, files, *arguments):
    """Runs etw-replay with so few files; gives its peak memory in KiB."""
    child = subprocess.Popen(native_tool.words("etw-replay", *arguments), stderr=subprocess.PIPE,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)))
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, said
    return usage.ru_maxrss


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
    for words in (["merge"], ["cut"]):
        out = tmp_path / "out.etwcap"
        assert limited(native_tool, 24, *words, folder, "-o", out, "-q", "-f") < 160 << 10
        assert ids(native_tool, out) == [at for at in range(50) for number in range(200)]
    assert json.loads(native_tool("etw-replay", "info", "--json", tmp_path / "out.etwcap").stdout)["Events"] == 200 * 51
