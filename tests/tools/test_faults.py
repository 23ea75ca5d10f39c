"""A bad day: events that are lost, come twice, out of order or with broken data."""
import json
import re
import time
import uuid

import pytest

from etlwriter import Trace, field, provider_guid


@pytest.fixture
def traces(tool, tmp_path):
    trace = Trace()
    for number in range(1000):
        trace.tracelogging("P", "Q", [field("Size", "u32", number), field("Name", "utf16z", "n")])
    trace.write(tmp_path / "a.etl")
    tool("etw-record", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap", "-q")
    return tmp_path / "a.etl", tmp_path / "a.etwcap"


def sizes(tool, path, *options):
    return [int(event["EventProperties"]["Size"]) for event in tool.events(path, "--where", "ProviderName == P", *options)]


@pytest.mark.parametrize("options", [["--drop", "0.2"], ["--duplicate", "20%"], ["--reorder", "7"], ["--corrupt", "0.3"],
                                     ["--drop", "0.1", "--duplicate", "0.1", "--reorder", "3", "--corrupt", "0.1"]])
def test_the_same_seed_gives_the_same_day(tool, traces, options):
    etl, etwcap = traces
    first = tool("etw-replay", etl, *options, "--seed", "5").stdout
    assert tool("etw-replay", etwcap, *options, "--seed", "5").stdout == first
    assert tool("etw-replay", etwcap, *options, "--seed", "5", "--threads", "2").stdout == first
    assert tool("etw-replay", etl, *options, "--seed", "6").stdout != first


def test_events_are_dropped(native_tool, traces):
    found = sizes(native_tool, traces[0], "--drop", "20%")
    assert found == sorted(set(found)) and 700 < len(found) < 900


def test_events_come_twice(native_tool, traces):
    found = sizes(native_tool, traces[1], "--duplicate", "20%")
    assert sorted(set(found)) == list(range(1000)) and found == sorted(found) and 1100 < len(found) < 1300
    assert sizes(native_tool, traces[1], "--duplicate", "1") == [number // 2 for number in range(2000)]


def test_events_come_early_but_not_too_early(native_tool, traces):
    found = sizes(native_tool, traces[1], "--reorder", "7")
    assert sorted(found) == list(range(1000)) and found != sorted(found)
    assert min(place - number for place, number in enumerate(found)) >= -7


def test_data_is_broken(native_tool, traces):
    shown = native_tool("etw-replay", traces[1], "--corrupt", "1").stdout
    assert shown.count(b"\n") == 1001 and b"EventPropertiesError" in shown


def test_head_counts_what_is_given_and_the_day_is_told(native_tool, traces):
    done = native_tool("etw-replay", traces[1], "--duplicate", "1", "--head", "3", "--seed", "9")
    assert done.stdout.count(b"\n") == 3
    assert b"a bad day, seed 9: events 1 given twice" in done.stderr


def test_the_first_event_is_of_the_time_that_is_asked_for(tool, traces):
    for path in traces:
        before, after = tool.events(path), tool.events(path, "--rebase", "2030-01-01T00:00:00Z")
        assert after[0]["TimeStamp"] == "2030-01-01T00:00:00.0000000Z" and len(before) == len(after)
        assert [e["TimeStamp"][16:] for e in before] == [e["TimeStamp"][16:] for e in after]
        assert [e.get("EventProperties") for e in before[1:]] == [e.get("EventProperties") for e in after[1:]]
    assert tool.events(traces[0], "--rebase", "now", "--head", "1")[0]["TimeStamp"] > "2025"
    assert b"now, or a time such as" in tool("etw-replay", traces[0], "--rebase", "noon", status=2).stderr


@pytest.mark.parametrize("value", ["2", "-1", "x", "101%", ""])
def test_a_probability_is_one(native_tool, traces, value):
    assert b"0 to 1, or 0% to 100%" in native_tool("etw-replay", traces[0], "--drop", value, status=2).stderr


def test_lost_events_are_told_where_they_are_missing(tool, traces):
    for path in traces:
        lines = [json.loads(line) for line in tool("etw-replay", path, "--lose", "3@+0s", "--lose", "4@+0s", status=3).stdout.splitlines()]
        assert [line["Loss"]["Events"] for line in lines if "Loss" in line] == [3, 4]
        assert "Loss" in lines[0] and len(lines) == 1001 - 7 + 2


def test_a_loss_that_the_trace_ends_is_told(native_tool, traces):
    lines = native_tool("etw-replay", traces[1], "--lose", "5000@+0s", status=3).stdout.splitlines()
    assert [json.loads(line)["Loss"]["Events"] for line in lines] == [1001]


def test_a_stall_lasts_as_long_as_it_says(native_tool, traces):
    began = time.monotonic()
    assert len(sizes(native_tool, traces[1], "--stall", "300ms@+0s")) == 1000
    assert time.monotonic() - began >= 0.3


def test_the_trace_comes_again(tool, traces):
    for path in traces:
        assert sizes(tool, path, "--loop", "3") == 3 * list(range(1000))
    assert len(sizes(tool, traces[1], "--loop", "3", "--head", "2500")) == 2500


def test_names_of_providers_come_again(tool, tmp_path):
    """Events that no schema explains have theirs from the file."""
    trace, provider = Trace(), "{%s}" % uuid.UUID(bytes_le=provider_guid("Some.Provider"))
    for number in range(3):
        trace.event(provider, id=500 + number, data=b"x")
    trace.tracelogging("Some.Provider", "Q", [field("Size", "u32", 1)])
    trace.write(tmp_path / "a.etl")
    tool("etw-record", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap", "-q")
    for path in (tmp_path / "a.etl", tmp_path / "a.etwcap"):
        for options in ([], ["--threads", "2"], ["--provider", "Some*"], ["--provider", "Some*", "--threads", "2"]):
            once = tool("etw-replay", path, "-q", *options).stdout
            assert once.count(b"Some.Provider") == 4 and tool("etw-replay", path, "-q", "--loop", "5", *options).stdout == 5 * once


def test_times_of_the_next_round_go_on_where_they_are_rebased(native_tool, traces):
    times = [event["TimeStamp"] for event in
             native_tool.events(traces[1], "--loop", "3", "--rebase", "2020-01-01T00:00:00Z")]
    assert times == sorted(times) and len(times) == 3003 and times[0].startswith("2020-01-01T00:00:00")


def test_a_pipe_can_come_again(native_tool, traces):
    assert native_tool("etw-replay", "-", "--loop", "2", input=traces[1].read_bytes()).stdout.count(b"\n") == 2002


@pytest.mark.parametrize("words, said", [
    (["--lose", "5"], b"an amount, @ and a time"), (["--stall", "x@+1s"], b"an amount, @ and a time"),
    (["--lose", "5@never"], b"an amount, @ and a time"), (["--loop", "0"], b"a number from 1"),
    (["--loop", "2", "--tail", "3"], b"a selection of events comes once"),
    (["--loop", "2", "--format", "etl"], b"outlive their round"),
    (["--loop", "2", "--format", "parquet"], b"outlive their round")])
def test_what_cannot_be_is_an_error(native_tool, traces, words, said):
    assert said in native_tool("etw-replay", traces[0], *words, status=None).stderr


def test_a_random_seed_is_told_so_that_its_day_can_be_had_again(native_tool, traces):
    done = native_tool("etw-replay", traces[1], "-q", "--drop", "50%", "--seed", "random", "--print-seed")
    seed = re.search(rb"seed (\d+)", done.stderr).group(1).decode()
    assert native_tool("etw-replay", traces[1], "-q", "--drop", "50%", "--seed", seed).stdout == done.stdout
    assert native_tool("etw-replay", traces[1], "-q", "--print-seed").stderr == b"etw-replay: seed 0\n"
