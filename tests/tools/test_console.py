"""The programs for Windows on a console: Wine makes one of a terminal, and Ctrl+C of its interrupt key."""
import fcntl
import random
import struct
import subprocess
import termios
import time

import pytest
import terminal
from etlwriter import Trace

PROVIDER = "{11111111-2222-3333-4444-555555555555}"


@pytest.fixture
def console(win64_tool):
    """Starts a program on a console of its own."""
    started = []

    def start(tool, *arguments, stdout=None, **env):
        env = dict({"LC_ALL": "C.UTF-8"}, **env)
        started.append(terminal.Terminal(win64_tool.words(tool, *arguments), win64_tool.environment(**env), stdout))
        return started[-1]

    yield start
    for one in started:
        one.close()


def trace_at(path, count):
    trace, luck = Trace(buffer_size=65536), random.Random(1)
    for number in range(count):
        trace.event(PROVIDER, id=number, data=luck.randbytes(1000))
    trace.write(path)
    return path


def sessions(live):
    return live("--list-sessions").stdout.decode()


def is_full(pipe):
    """Of the 64 KiB that a pipe holds its writer has written what fits."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0"))[0] > 60000


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_ctrl_c_ends_a_recording_with_a_whole_file(console, native_tool, tmp_path):
    trace = trace_at(tmp_path / "a.etl", 10)
    recorder = console("tests/etw-record-dropin", "--provider", PROVIDER, "--no-rundown", "-o", tmp_path / "a.etwcap",
                       ETWAPI_TRACE=str(trace), ETWAPI_AT_END="wait")
    recorder.wait_for(b"queued")  # the status line, once half a second has passed
    recorder.press(terminal.CTRL_C)
    assert recorder.end() == 0
    assert [e["Id"] for e in native_tool.events(tmp_path / "a.etwcap")] == list(range(10))


def test_a_second_ctrl_c_ends_a_recorder_that_hangs_and_its_session(console, live, tmp_path):
    """Its output is a pipe that nobody reads: it cannot stop the session itself."""
    trace = trace_at(tmp_path / "a.etl", 2000)
    env = dict(ETWAPI_TRACE=str(trace), ETWAPI_AT_END="loop")
    # A process that holds the drop-in API's table of sessions, as the system does on Windows.
    keeper = console("tests/etw-record-dropin", "--session", "keeper", "--provider", "*None", "--no-rundown", "-o",
                     tmp_path / "k.etwcap", **env)
    recorder = console("tests/etw-record-dropin", "--session", "hangs", "--provider", PROVIDER, "--no-rundown", "-o", "-", "--threads", 0,
                       "--on-overload", "wait", stdout=subprocess.PIPE, **env)
    wait_until(lambda: is_full(recorder.child.stdout) and "keeper" in sessions(live))
    recorder.press(terminal.CTRL_C)
    time.sleep(1)
    assert recorder.child.poll() is None and "hangs" in sessions(live)
    recorder.press(terminal.CTRL_C)
    recorder.end()  # Windows tells 0xC000013A, Wine 0
    assert "hangs" not in sessions(live) and "keeper" in sessions(live)
    keeper.press(terminal.CTRL_C)
    assert keeper.end() == 0


def test_ctrl_c_ends_a_replay_that_follows(console, tmp_path, native_tool):
    trace = trace_at(tmp_path / "a.etl", 10)
    native_tool("etw-record", "--format", "1.0", "--input", trace, "-o", tmp_path / "whole.etwcap")
    (tmp_path / "a.etwcap").write_bytes((tmp_path / "whole.etwcap").read_bytes()[:-90])
    follower = console("etw-replay", "cat", "--follow", tmp_path / "a.etwcap", stdout=subprocess.PIPE)
    lines = [follower.child.stdout.readline() for _ in range(10)]
    assert all(b'"ProviderId"' in line for line in lines)
    follower.press(terminal.CTRL_C)
    assert follower.end() == 0


def test_messages_are_shown_as_they_are_spelt(console):
    """The console's code page is UTF-8 meanwhile, and no character reaches it in parts."""
    recorder = console("tests/etw-record-dropin", "--kill", "sch\u00f6n")
    assert recorder.end() == 1
    assert "named 'sch\u00f6n'".encode() in recorder.shown
