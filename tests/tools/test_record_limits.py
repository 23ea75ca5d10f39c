"""What ends a conversion early is in the file, in its place; limits count by the trace's own time and hold to the byte."""
import json
import random
import signal
import subprocess
import time

import pytest
from etlwriter import Trace

PROVIDER = "{11223344-5566-7788-0102-030405060708}"
EVENTS = 1000


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """Ids 0 to 999, ten a second; payloads that do not compress."""
    path = tmp_path_factory.mktemp("limits") / "a.etl"
    out = Trace()
    state = 1
    for number in range(EVENTS):
        data = b""
        for _ in range(40):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            data += (state >> 32).to_bytes(4, "little")
        out.event(PROVIDER, id=number, data=data, time=out.at(1 + number / 10))
    out.write(path)
    return path


def record(tool, trace, out, *options, status=0):
    tool("etw-record", "-q", "-f", "--input", trace, "-o", out, *options, status=status)
    return out


def contents(tool, path, status=0):
    """(ids, losses)"""
    lines = tool.events(path, status=status)
    return ([line["Id"] for line in lines if line.get("ProviderId") == PROVIDER],
            [line["Loss"] for line in lines if "Loss" in line])


@pytest.mark.parametrize("options, last, reason", [
    (["--max-events", "100"], 98, "number of events reached"), (["--max-duration", "10s"], 89, "duration reached")])
def test_a_limit_of_the_user_is_told_and_nothing_counts_as_missing(tool, trace, tmp_path, options, last, reason):
    ids, _ = contents(tool, record(tool, trace, tmp_path / "a.etwcap", *options))
    assert ids == list(range(last + 1))
    said = json.loads(tool("etw-replay", "info", "--json", tmp_path / "a.etwcap").stdout)
    [loss] = said["Losses"]
    assert loss["Cause"] == "left out on request" and loss["Detail"].startswith(reason + ": the rest of the input")


def test_a_limit_that_the_trace_just_reaches_leaves_nothing_out(tool, trace, tmp_path):
    ids, losses = contents(tool, record(tool, trace, tmp_path / "a.etwcap", "--max-events", EVENTS + 1))
    assert len(ids) == EVENTS and losses == []


@pytest.mark.parametrize("limit", [20_000, 50_000, 100_000])
def test_the_total_size_holds_to_the_byte(native_tool, trace, tmp_path, limit):
    path = record(native_tool, trace, tmp_path / "a.etwcap", "--max-total", limit)
    assert limit // 2 < path.stat().st_size <= limit
    ids, _ = contents(native_tool, path)
    assert ids == list(range(len(ids))) and 0 < len(ids) < EVENTS


def test_segments_are_cut_by_the_time_of_the_trace(tool, trace, tmp_path):
    record(tool, trace, tmp_path / "a.etwcap", "--rotate-time", "30s")
    segments = [contents(tool, path)[0] for path in sorted(tmp_path.glob("a-*.etwcap"))]
    assert [segment[0] for segment in segments] == [0, 290, 590, 890] and sum(segments, []) == list(range(EVENTS))


@pytest.mark.parametrize("text, kept", [("Id < 10", 10), ("TimeStamp < +9.96s", 90), ("Nothing == 1", 0)])
def test_what_the_expression_leaves_out_is_counted(native_tool, trace, tmp_path, text, kept):
    path = record(native_tool, trace, tmp_path / "a.etwcap", "--where", "Id > 0 or Id == 0", "--where", text)
    ids, losses = contents(native_tool, path)
    assert len(ids) == kept and losses == []
    info = json.loads(native_tool("etw-replay", "info", "--json", path).stdout)
    [loss] = info["Losses"]
    assert loss["Cause"] == "left out on request" and loss["Events"] + info["Events"] == EVENTS + 1
    assert loss["Detail"] == "recorded only: where=(Id > 0 or Id == 0) and (%s)" % text


def test_a_recorded_choice_is_the_choice_of_a_replay(native_tool, trace, tmp_path):
    text = "Id in (5, 7..9) or Level == 0 and Id > 990"
    whole = contents(native_tool, record(native_tool, trace, tmp_path / "a.etwcap"))
    part = contents(native_tool, record(native_tool, trace, tmp_path / "b.etwcap", "--where", text))
    replayed = native_tool.events(tmp_path / "a.etwcap", "--where", text)
    assert part[0] == [line["Id"] for line in replayed if line["ProviderId"] == PROVIDER] != whole[0]


def test_each_segment_counts_its_own(native_tool, trace, tmp_path):
    record(native_tool, trace, tmp_path / "a.etwcap", "--rotate-time", "30s", "--where", "Id & 1")
    infos = [json.loads(native_tool("etw-replay", "info", "--json", path).stdout) for path in sorted(tmp_path.glob("a-*"))]
    assert [info["Losses"][0]["Events"] for info in infos] == [146, 150, 150, 55]
    assert sum(info["Events"] for info in infos) == 500


@pytest.mark.parametrize("text, said", [("ProcessName == a.exe", b"ProcessId"), ("TimeStamp > -5s", b"last event"), ("Id ==", b"^")])
def test_an_expression_that_a_recording_cannot_answer_is_refused(tool, trace, tmp_path, text, said):
    done = tool("etw-record", "--input", trace, "-o", tmp_path / "a.etwcap", "--where", text, status=2)
    assert b"--where" in done.stderr and said in done.stderr and not (tmp_path / "a.etwcap").exists()


def test_a_flight_recorder_is_for_live_sessions(native_tool, trace, tmp_path):
    done = native_tool("etw-record", "--input", trace, "-o", tmp_path / "a.etwcap", "--flight", "1M", status=2)
    assert b"--flight" in done.stderr and b"live" in done.stderr and not (tmp_path / "a.etwcap").exists()


def heed_signals():
    """Who runs the tests in the background may have them ignored, and children inherit that."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_conversion_says_so(native_tool, tmp_path, number):
    """The output is a pipe that nobody reads until the signal was sent: the recorder is then in the middle."""
    out, luck = Trace(buffer_size=65536), random.Random(1)
    for event in range(20000):
        out.event(PROVIDER, id=event, data=luck.randbytes(1000))
    out.write(tmp_path / "big.etl")
    process = subprocess.Popen(native_tool.words("etw-record", "-q", "--threads", "0", "--input", tmp_path / "big.etl",
                                                 "-o", "-"),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, preexec_fn=heed_signals)
    first = process.stdout.read(1)  # the scan is over, and the first blocks fill the pipe
    process.send_signal(number)
    time.sleep(0.2)
    rest, _ = process.communicate()
    assert process.returncode == 3
    (tmp_path / "a.etwcap").write_bytes(first + rest)
    ids, losses = contents(native_tool, tmp_path / "a.etwcap", status=3)
    assert losses[-1]["Cause"] != "left out on request" and "interrupted" in losses[-1]["Detail"]
    assert 0 < len(ids) < 20000
    assert b"interrupted" in native_tool("etw-replay", "info", tmp_path / "a.etwcap", status=3).stdout
