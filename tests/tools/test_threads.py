"""Threads where they pay, chosen by the tools: as many as processors, at most 4; none for a small trace; fewer, without a word,
where they cannot be started; and the same bytes whatever came of it.

tests/preload/failing_threads.c counts the threads of a program, or has it start no more.
"""
import os
import subprocess

import pytest
from conftest import MODE
from etlwriter import Trace, field

CORES = min(len(os.sched_getaffinity(0)), 4) if hasattr(os, "sched_getaffinity") else 1


@pytest.fixture(scope="module")
def traces(native_tool, tmp_path_factory):
    """Of 20 events, and of 8,000 in some batches of the recorder; both as .etl and .etwcap."""
    if MODE not in ("release", "debug"):
        pytest.skip("sanitizers start threads of their own")
    folder = tmp_path_factory.mktemp("threads")
    for name, count in (("small", 20), ("large", 8000)):
        trace = Trace(buffer_size=65536)
        for number in range(count):
            trace.tracelogging("P", "E%d" % (number % 3), [field("Number", "u32", number), field("Text", "utf8", "x" * (number % 999 + 1000))])
        trace.write(folder / (name + ".etl"))
        native_tool("etw-record", "--input", folder / (name + ".etl"), "-o", folder / (name + ".etwcap"), "-q")
    return folder


class Counted:
    """Runs a tool, and counts the threads that it starts; on so many processors, and so that the N-th cannot be started."""

    def __init__(self, tool, folder):
        self.tool, self.count = tool, folder / "count"

    def __call__(self, *words, processors=None, fails_from=None):
        environment = dict(os.environ, LD_PRELOAD=str(self.tool.folder / "tests/failing_threads.so"), ETW_TEST_COUNT_FILE=str(self.count))
        if fails_from is not None:
            environment["ETW_TEST_FAIL_THREAD"] = str(fails_from)
        chosen = sorted(os.sched_getaffinity(0))[:processors]
        done = subprocess.run(self.tool.words(*words), env=environment, preexec_fn=lambda: os.sched_setaffinity(0, chosen),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout, int(self.count.read_text())


@pytest.fixture
def counted(native_tool, traces, tmp_path):
    return Counted(native_tool, tmp_path)


@pytest.mark.parametrize("kind", ["etl", "etwcap"])
def test_what_renders_is_as_many_threads_as_processors(counted, traces, kind):
    assert counted("etw-replay", traces / ("large." + kind), "-q")[1] == CORES - 1
    assert counted("etw-replay", traces / ("large." + kind), "-q", processors=1)[1] == 0
    assert counted("etw-replay", traces / ("large." + kind), "-q", "--threads", 3)[1] == 3
    assert counted("etw-replay", traces / ("large." + kind), "-q", "--threads", 0)[1] == 0


@pytest.mark.parametrize("words", [["etw-record", "-q", "--input", "{}.etl"], ["etw-replay", "repack", "-q", "{}.etwcap"],
                                   ["etw-replay", "merge", "-q", "{0}.etwcap", "{0}.etl"]], ids=" ".join)
def test_what_writes_is_as_many_threads_as_processors_and_one_that_writes(counted, traces, tmp_path, words):
    command = [word.format(traces / "large") for word in words] + ["-f", "-o", tmp_path / "out.etwcap"]
    assert counted(*command)[1] == (CORES if CORES > 1 else 0)
    assert counted(*command, processors=1)[1] == 0
    assert counted(*command, "--threads", 3)[1] == 4


def test_a_small_trace_gets_no_thread(counted, traces, tmp_path):
    for path in (traces / "small.etl", traces / "small.etwcap"):
        assert counted("etw-replay", path)[1] == 0
        assert counted("etw-replay", "export", path, "-q", "-o", tmp_path / "a.parquet", "-f")[1] == 0
        assert counted("etw-replay", "repack", path, "-q", "-o", tmp_path / "a.etwcap", "-f")[1] == 0
        assert counted("etw-replay", "info", path)[1] == 0
    assert counted("etw-record", "--input", traces / "small.etl", "-q", "-o", tmp_path / "a.etwcap", "-f")[1] == 0


@pytest.mark.parametrize("form", ["json", "text", "csv", "xml", "json-array", "pcapng", "parquet", "sqlite", "html"])
def test_threads_that_cannot_be_started_are_done_without(counted, traces, tmp_path, form):
    command = ["etw-replay", "export", traces / "large.etwcap", "-q", "-f", "-o", tmp_path / "out", "--format", form]
    counted(*command, "--threads", 0)
    alone = (tmp_path / "out").read_bytes()
    counted(*command)
    assert (tmp_path / "out").read_bytes() == alone
    for first in (1, 2, 3):
        assert counted(*command, "--threads", 3, fails_from=first)[1] == first - 1
        assert (tmp_path / "out").read_bytes() == alone


@pytest.mark.parametrize("words", [["etw-record", "-q", "--input", "{}.etl"], ["etw-replay", "repack", "-q", "{}.etwcap"]], ids=" ".join)
def test_the_file_is_the_same_where_threads_cannot_be_started(counted, traces, tmp_path, words):
    command = [word.format(traces / "large") for word in words] + ["-f", "-o", tmp_path / "out.etwcap"]
    counted(*command, "--threads", 0)
    alone = (tmp_path / "out.etwcap").read_bytes()
    for first, expected in ((1, 0), (2, 1), (3, 2), (5, 4)):  # one that writes is of no use without another
        assert counted(*command, "--threads", 3, fails_from=first)[1] == expected
        assert (tmp_path / "out.etwcap").read_bytes() == alone
