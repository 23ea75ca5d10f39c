"""Parquet: the same events as NDJSON, for a reader of the tests' own and, where Node.js is there, for DuckDB."""
import datetime
import json
import random
import re

import parquet_reader
import pytest
from consumers import duckdb, hyparquet
from random_traces import random_trace

EPOCH = datetime.datetime(1970, 1, 1)
SAME = ["ProviderName", "ProviderId", "EventName", "Id", "Version", "Channel", "Level", "Opcode", "Task", "ProcessId", "ThreadId", "ProcessName",
        "ProcessorIndex", "ActivityId", "Flags", "EventProperty", "KernelTime", "UserTime", "EventPropertiesError", "Trace"]


def nanoseconds(text):
    seconds, fraction = text.rstrip("Z").split(".")
    delta = datetime.datetime.fromisoformat(seconds) - EPOCH
    return (delta.days * 86400 + delta.seconds) * 10**9 + int(fraction.ljust(9, "0"))


def flat(value, path=None):
    """Properties as the map has them: Peer.Port, Tags[0]."""
    if isinstance(value, dict):
        return {key: text for name, inner in value.items()
                for key, text in flat(inner, name if path is None else path + "." + name).items()}
    if isinstance(value, list):
        return {key: text for index, inner in enumerate(value) for key, text in flat(inner, "%s[%d]" % (path, index)).items()}
    return {path: whole(value)}


def whole(text):
    """Parquet's text is UTF-8, which has no lone surrogates: each is U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def expected_row(event):
    if "Loss" in event:
        return {"Loss": event["Loss"]["Cause"]}
    row = {name: event.get(name) for name in SAME}
    row["TimeStamp"] = nanoseconds(event["TimeStamp"])
    row["Keyword"] = int(event["Keyword"], 16)
    row["UserData"] = bytes.fromhex(event["UserData"]) if "UserData" in event else None
    row["ExtendedInfo"] = event.get("ExtendedInfo")
    row["EventProperties"] = flat(event["EventProperties"]) if "EventProperties" in event else None
    return row


def found_row(row):
    if row["Loss"] is not None:
        return {"Loss": row["Loss"]}
    assert row["TraceFile"]
    row = {name: value for name, value in row.items() if name not in ("Loss", "Message", "TraceFile")}
    row["ExtendedInfo"] = json.loads(row["ExtendedInfo"]) if row["ExtendedInfo"] else None
    return {name: row[name] for name in SAME + ["TimeStamp", "Keyword", "UserData", "ExtendedInfo", "EventProperties"]}


def check(native_tool, trace, out):
    lines = native_tool("etw-replay", trace, status=None).stdout.decode().splitlines()
    native_tool("etw-replay", "export", trace, "-q", "-f", "-o", out, status=None)
    expected, found = [expected_row(json.loads(line)) for line in lines], list(map(found_row, parquet_reader.rows(out)))
    assert len(found) == len(expected)
    for one, other in zip(expected, found):
        assert one == other
    return expected


@pytest.mark.parametrize("seed", range(12))
def test_every_event_has_its_row(native_tool, tmp_path, seed):
    trace, _ = random_trace(random.Random(seed))
    trace.write(tmp_path / "a.etl")
    check(native_tool, tmp_path / "a.etl", tmp_path / "a.parquet")
    native_tool("etw-record", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap", "-q")
    check(native_tool, tmp_path / "a.etwcap", tmp_path / "b.parquet")
    native_tool("etw-replay", "export", tmp_path / "a.etwcap", "-q", "-f", "--threads", 2, "-o", tmp_path / "c.parquet")
    assert (tmp_path / "b.parquet").read_bytes() == (tmp_path / "c.parquet").read_bytes()


def test_real_traces_have_their_rows(native_tool, corpus, tmp_path):
    for name in ("gcevents.etl", "WsRm01.etl", "CldFlt0-2025-12-21-121418.etl", "primitive-types.etl", "hw3d__trace.etl",
                 "OneDrive__TraceCurrent.6799.0327.etl"):
        check(native_tool, corpus(name), tmp_path / "a.parquet")


def test_the_bytes_do_not_depend_on_the_threads(native_tool, corpus, tmp_path):
    for threads in (0, 1, 3):
        native_tool("etw-replay", "export", corpus("net.4.5.2.x64.etl"), "-q", "-f", "--threads", threads, "-o",
                    tmp_path / ("%d.parquet" % threads))
    contents = [(tmp_path / ("%d.parquet" % threads)).read_bytes() for threads in (0, 1, 3)]
    assert contents[0] == contents[1] == contents[2]
    assert len(parquet_reader.footer(tmp_path / "0.parquet")[1][4]) > 1  # several row groups


def test_bounds_let_engines_skip(native_tool, corpus, tmp_path):
    native_tool("etw-replay", "export", corpus("gcevents.etl"), "-q", "-o", tmp_path / "a.parquet")
    rows = parquet_reader.rows(tmp_path / "a.parquet")
    _, about = parquet_reader.footer(tmp_path / "a.parquet")
    chunk = about[4][0][1][0][3]
    least, most = (int.from_bytes(chunk[12][field], "little", signed=True) for field in (6, 5))
    assert (least, most) == (min(row["TimeStamp"] for row in rows), max(row["TimeStamp"] for row in rows))


def test_an_empty_trace_is_an_empty_table(native_tool, tmp_path):
    trace, _ = random_trace(random.Random(1))
    trace.write(tmp_path / "a.etl")
    native_tool("etw-replay", "export", tmp_path / "a.etl", "-q", "--where", "Id == 1 and Id == 2", "-o", tmp_path / "a.parquet")
    assert parquet_reader.rows(tmp_path / "a.parquet") == []


def test_duckdb_gives_the_same_sums(native_tool, corpus, tmp_path):
    events = check(native_tool, corpus("gcevents.etl"), tmp_path / "a.parquet")
    sums, properties = duckdb(  # whose times with a zone are microseconds
        "select count(*), sum(ProcessId), sum(Id), count(ActivityId), epoch_us(min(TimeStamp)) from '%s'"
        % (tmp_path / "a.parquet"),
        "select sum(len(map_keys(EventProperties))) from '%s'" % (tmp_path / "a.parquet"))
    assert list(map(int, sums[0])) == [
        len(events), sum(event["ProcessId"] for event in events), sum(event["Id"] for event in events),
        sum(event["ActivityId"] is not None for event in events), min(event["TimeStamp"] for event in events) // 1000]
    assert int(properties[0][0]) == sum(len(event["EventProperties"] or {}) for event in events)


@pytest.mark.parametrize("name", ["gcevents.etl", "WsRm01.etl", "primitive-types.etl"])
def test_hyparquet_gives_the_same_rows(native_tool, corpus, tmp_path, name):
    check(native_tool, corpus(name), tmp_path / "a.parquet")
    assert hyparquet(tmp_path / "a.parquet") == parquet_reader.rows(tmp_path / "a.parquet")
