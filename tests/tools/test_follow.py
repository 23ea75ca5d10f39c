"""cat --follow: what is written into a trace while it is read, as tail -F shows it."""
import json
import queue
import signal
import subprocess
import threading

import pytest

from etlwriter import Trace

ONE = "{11111111-2222-3333-4444-555555555555}"
SECONDS = 20  # for what must come at once: the machine may be busy


def trace_of(numbers, **more):
    """One event a second with each number as its id; buffers of a few events."""
    made = Trace(buffer_size=1024, **more)
    for number in numbers:
        made.event(ONE, id=number, data=bytes(200), time=made.at(number))
        if number % 4 == 0:
            made.flush()  # a longer trace begins with the same buffers
    return made


class Follower:
    """A tool that runs on; its lines as they come."""

    def __init__(self, tool, *arguments):
        self.child = subprocess.Popen(tool.words("etw-replay", "cat", "--follow", *arguments), stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, env=tool.environment())
        self.lines = queue.Queue()
        self.reading = threading.Thread(target=self._read, daemon=True)
        self.reading.start()

    def _read(self):
        for line in self.child.stdout:
            self.lines.put(line)

    def ids(self, count):
        return [json.loads(self.lines.get(timeout=SECONDS))["Id"] for _ in range(count)]

    def end(self, status=0):
        """Its exit, and what is left of its lines and messages, but for those on schemas."""
        said = "".join(line.decode() for line in self.child.stderr if b" no schema" not in line)
        assert self.child.wait(SECONDS) == status, said
        self.reading.join(SECONDS)
        left = []
        while not self.lines.empty():
            left.append(self.lines.get())
        return left, said


@pytest.fixture
def follow(tool):
    started = []

    def start(*arguments):
        started.append(Follower(tool, *arguments))
        return started[-1]

    start.tool = tool
    yield start
    for follower in started:
        follower.child.kill()
        follower.child.wait()
        follower.child.stdout.close()
        follower.child.stderr.close()


def append(path, data):
    with open(path, "ab") as file:
        file.write(data)


def overwrite(path, data):
    """As a session writes: the file never becomes shorter."""
    with open(path, "r+b" if path.exists() else "wb") as file:
        file.write(data)


@pytest.fixture
def capture(native_tool, tmp_path):
    """Bytes of a recording of events 1 to 8, in blocks as a live one."""
    trace_of(range(1, 9)).write(tmp_path / "source.etl")
    native_tool("etw-record", "-q", "--format", "1.0", "--input", tmp_path / "source.etl", "-o", tmp_path / "whole.etwcap")
    return (tmp_path / "whole.etwcap").read_bytes()


# Events of the header record have id 0.
ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_a_growing_recording_is_printed_until_its_end(follow, capture, tmp_path):
    path = tmp_path / "a.etwcap"
    path.write_bytes(capture[:-200])
    follower = follow(path)
    assert follower.ids(9) == ALL
    append(path, capture[-200:-90])
    append(path, capture[-90:])
    assert follower.end() == ([], "")


def test_a_block_that_is_half_there_is_waited_for(follow, capture, tmp_path):
    path = tmp_path / "a.etwcap"
    path.write_bytes(capture[:300])
    follower = follow(path)
    append(path, capture[300:1000])
    append(path, capture[1000:])
    assert follower.ids(9) == ALL
    assert follower.end() == ([], "")


def test_a_growing_etl_is_printed_until_its_session_closes_it(follow, tmp_path):
    path = tmp_path / "a.etl"
    first, more = trace_of(range(1, 4), closed=False), trace_of(range(1, 9), closed=False)
    path.write_bytes(first.bytes())
    follower = follow(path)
    assert follower.ids(4) == [0, 1, 2, 3]
    # A buffer that is laid out, then one that is on its way, then whole ones.
    overwrite(path, more.bytes()[:len(first.bytes())] + bytes(3000))
    overwrite(path, more.bytes())
    assert follower.ids(5) == [4, 5, 6, 7, 8]
    more.closed = True
    overwrite(path, more.bytes())
    assert follower.end() == ([], "")


def test_what_a_session_lost_is_told_when_it_closes_its_file(follow, tmp_path):
    path = tmp_path / "a.etl"
    trace = trace_of([1], closed=False)
    path.write_bytes(trace.bytes())
    follower = follow(path)
    assert follower.ids(2) == [0, 1]
    trace.closed, trace.events_lost = True, 7
    overwrite(path, trace.bytes())
    assert "7 events known to be lost" in follower.end(status=3)[1]


def test_segments_follow_each_other(follow, native_tool, tmp_path):
    trace_of(range(1, 40)).write(tmp_path / "source.etl")
    native_tool("etw-record", "-q", "--input", tmp_path / "source.etl", "-o", tmp_path / "a.etwcap", "--rotate-time",
                "15s")
    segments = sorted(tmp_path.glob("a-*.etwcap"))
    assert len(segments) == 3
    third = segments[2].read_bytes()
    segments[2].unlink()
    (tmp_path / "a.etwcap.lock").touch()
    follower = follow(segments[0])
    first = follower.ids(30)
    append(segments[2], bytes(200))  # laid out, and not yet written
    assert follower.child.poll() is None
    overwrite(segments[2], third)
    assert first + follower.ids(10) == list(range(40))
    (tmp_path / "a.etwcap.lock").unlink()
    assert follower.end() == ([], "")


@pytest.mark.parametrize("change, said", [("replace", "was replaced"), ("cut", "was cut")])
def test_another_file_of_the_name_is_said_and_read(follow, capture, tmp_path, change, said):
    path = tmp_path / "a.etwcap"
    path.write_bytes(capture[:-90])
    follower = follow(path)
    assert follower.ids(9) == ALL
    if change == "replace":
        path.rename(tmp_path / "old.etwcap")
    path.write_bytes(capture[:200])
    assert said in follower.child.stderr.readline().decode()
    append(path, capture[200:])
    assert follower.ids(9) == ALL
    assert "something is missing in 1 place" in follower.end(status=3)[1]


@pytest.mark.parametrize("options, ids", [
    (["--tail", "2"], [7, 8, 9, 10, 11, 12]),
    (["--tail", "2", "--where", "Id < 5 or Id == 12"], [3, 4, 12]),
    (["--where", "Id in (2, 11)"], [2, 11]),
    (["--id", "8-10"], [8, 9, 10]),
])
@pytest.mark.parametrize("ending", ["etwcap", "etl"])
def test_options_choose_from_what_is_there_and_what_comes(follow, native_tool, tmp_path, ending, options, ids):
    """The file grows from 8 events to 12."""
    start, whole = trace_of(range(1, 9), closed=False), trace_of(range(1, 13))
    path, more = tmp_path / "a.etl", tmp_path / "a.etl"
    start.write(path)
    if ending == "etwcap":  # the rest is the next segment
        whole.write(tmp_path / "whole.etl")
        native_tool("etw-record", "-q", "--input", tmp_path / "whole.etl", "-o", tmp_path / "a.etwcap",
                    "--rotate-time", "8500ms")
        path, more = tmp_path / "a-0001.etwcap", tmp_path / "a-0002.etwcap"
        second = more.read_bytes()
        more.unlink()
        (tmp_path / "a.etwcap.lock").touch()
    before = [number for number in ids if number <= 8]
    follower = follow(path, *options)
    assert follower.ids(len(before)) == before
    overwrite(more, second if ending == "etwcap" else whole.bytes())
    assert follower.ids(len(ids) - len(before)) == ids[len(before):]
    (tmp_path / "a.etwcap.lock").unlink(missing_ok=True)
    assert follower.end() == ([], "")


def test_head_ends_it(follow, capture, tmp_path):
    path = tmp_path / "a.etwcap"
    path.write_bytes(capture[:-90])
    left, said = follow(path, "--head", "3", "--format", "csv").end()
    assert len(left) == 4 and said == ""


def test_an_interrupt_ends_it_cleanly(native_tool, capture, tmp_path):
    path = tmp_path / "a.etwcap"
    path.write_bytes(capture[:-90])
    for number in (signal.SIGINT, signal.SIGTERM):
        follower = Follower(native_tool, path)
        assert follower.ids(9) == ALL
        follower.child.send_signal(number)
        assert follower.end() == ([], "")


@pytest.mark.parametrize("words, reason", [
    (["--format", "parquet", "-o", "x.parquet"], b"when all events are known"),
    (["--since", "+5s"], b"one that is whole"),
    (["--where", "TimeStamp > -5s"], b"one that is whole"),
    (["-C", "2"], b"around events"),
])
def test_what_cannot_be_followed_is_refused(tool, capture, tmp_path, words, reason):
    done = tool("etw-replay", "cat", "--follow", tmp_path / "whole.etwcap", *words, status=2, cwd=tmp_path)
    assert reason in done.stderr and not (tmp_path / "x.parquet").exists()


def test_other_verbs_and_several_files_are_refused(tool, capture, tmp_path):
    whole = tmp_path / "whole.etwcap"
    assert b"--follow" in tool("etw-replay", "stats", "--follow", whole, status=2).stderr
    assert b"only one trace" in tool("etw-replay", "cat", "--follow", whole, whole, status=1).stderr
