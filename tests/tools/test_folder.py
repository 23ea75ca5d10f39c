"""A folder with a table for each kind of event, Parquet or CSV; the JSON array."""
import collections
import csv
import json
import random

import parquet_reader
import pytest
from etlwriter import Trace, field, structure
from random_traces import random_trace
from test_parquet import duckdb, expected_row


def read(folder, ending):
    """The rows of all files, with their file."""
    for path in sorted(folder.rglob("*" + ending)):
        if ending == ".parquet":
            yield from ((path, row) for row in parquet_reader.rows(path))
        else:
            with open(path, newline="", encoding="utf-8") as file:
                yield from ((path, row) for row in csv.DictReader(file))


def export(native_tool, trace, folder, *options):
    lines = native_tool("etw-replay", trace, status=None).stdout.decode().splitlines()
    native_tool("etw-replay", "export", "--per-event", trace, "-q", "-o", folder, *options, status=None)
    assert not list(folder.rglob("*.part"))
    return [json.loads(line) for line in lines]


def counts_of(events):
    return collections.Counter("losses" if "Loss" in event else (event["ProviderId"], event["Id"], event["Opcode"], event["ProcessId"])
                               for event in events)


@pytest.mark.parametrize("seed", range(8))
def test_every_event_is_in_the_table_of_its_kind(native_tool, tmp_path, seed):
    trace, _ = random_trace(random.Random(seed))
    trace.write(tmp_path / "a.etl")
    events = export(native_tool, tmp_path / "a.etl", tmp_path / "p")
    found = [row for _, row in read(tmp_path / "p", ".parquet")]
    assert counts_of(events) == collections.Counter(
        "losses" if row["Loss"] else (row["ProviderId"], row["Id"], row["Opcode"], row["ProcessId"]) for row in found)
    expected = sorted((expected_row(event) for event in events if "Loss" not in event), key=lambda row: (row["TimeStamp"] is None, str(row)))
    names = ("TimeStamp", "EventName", "ThreadId", "Keyword", "UserData", "ActivityId")
    key = lambda row: str([row[name] for name in names])
    assert sorted(map(key, expected)) == sorted(key(row) for row in found if not row["Loss"])
    export(native_tool, tmp_path / "a.etl", tmp_path / "c", "--format", "csv")
    assert sum(1 for _ in read(tmp_path / "c", ".csv")) == len(events)


def made(tmp_path):
    trace = Trace()
    for number in range(3):
        trace.tracelogging("My.Provider", "E/1", [
            field("Name", "utf16z", "n\u00e9"), field("name", "i32", -5 - number), field("Big", "u64", 2**64 - 1), field("Real", "f64", 1.5),
            field("Yes", "bool32", 1), field("When", "filetime", 133590384000000000), field("Bytes", "binary", b"\1\2"),
            structure("Peer", field("Port", "u16", 443))], pid=7, time=trace.at(number * 86400))
    trace.event("{11111111-2222-3333-4444-555555555555}", id=9, data=b"xy")
    trace.write(tmp_path / "a.etl")
    return tmp_path / "a.etl"


def test_columns_have_types(tool, tmp_path):
    tool("etw-replay", "export", "--per-event", made(tmp_path), "-o", tmp_path / "d")
    rows = parquet_reader.rows(tmp_path / "d" / "My.Provider.E_1.parquet")
    properties = dict(rows[1]["EventProperties"], **{"Bytes.Length": None})
    assert properties == {"Name": "n\u00e9", "name #2": -6, "Big": 2**64 - 1, "Real": 1.5, "Yes": True, "Bytes.Length": None,
                          "When": 1714564800 * 10**9, "Bytes": b"\1\2", "Peer": '{"Port":"443"}'}
    assert rows[1]["ProcessId"] == 7 and rows[1]["EventName"] == "E/1"
    (unexplained,) = parquet_reader.rows(tmp_path / "d" / "unexplained.parquet")
    assert unexplained["UserData"] == b"xy" and unexplained["EventPropertiesError"] == "no schema"


def test_csv_has_a_column_for_each_property(tool, tmp_path):
    tool("etw-replay", "export", "--per-event", "--format", "csv", made(tmp_path), "-o", tmp_path / "d")
    row = list(read(tmp_path / "d", "E_1.csv"))[0][1]
    assert {name: row[name] for name in ("Name", "name", "Big", "Real", "Yes", "Bytes", "Peer", "ProcessId")} == {
        "Name": "n\u00e9", "name": "-5", "Big": str(2**64 - 1), "Real": "1.5", "Yes": "true", "Bytes": "0x0102", "Peer": '{"Port":"443"}',
        "ProcessId": "7"}


def test_partitions_are_folders(tool, tmp_path):
    tool("etw-replay", "export", "--partition", "provider,date", made(tmp_path), "-o", tmp_path / "d")
    names = {path.relative_to(tmp_path / "d").as_posix() for path in (tmp_path / "d").rglob("*.parquet")}
    assert {"provider=My.Provider/date=2024-05-0%d/My.Provider.E_1.parquet" % day for day in (1, 2, 3)} < names
    assert [path for path in names if path.endswith("unexplained.parquet")]


def test_what_is_in_a_folder_already_is_not_mixed_with_it(tool, tmp_path):
    trace = made(tmp_path)
    tool("etw-replay", "export", "--per-event", trace, "-o", tmp_path / "d")
    assert b"is not empty" in tool("etw-replay", "export", "--per-event", trace, "-f", "-o", tmp_path / "d", status=1).stderr
    assert b"parquet or csv" in tool("etw-replay", "export", "--per-event", "--format", "xml", trace, "-o", tmp_path / "e", status=2).stderr
    assert b"needs a folder" in tool("etw-replay", "--per-event", trace, status=1).stderr


def test_real_traces_of_many_kinds(native_tool, corpus, tmp_path):
    """More kinds than are written at one time; the same bytes for any number of threads."""
    export(native_tool, corpus("dotnet-performance__vs-gconly.etl"), tmp_path / "p")
    events = export(native_tool, corpus("dotnet-performance__vs-gconly.etl"), tmp_path / "q", "--threads", "2")
    files = sorted((tmp_path / "p").iterdir())
    assert len(files) > 64 and [path.name for path in files] == sorted(path.name for path in (tmp_path / "q").iterdir())
    assert all(path.read_bytes() == (tmp_path / "q" / path.name).read_bytes() for path in files)
    assert sum(parquet_reader.footer(path)[1][3] for path in files) == len(events)


def test_duckdb_reads_types_and_partitions(native_tool, tmp_path):
    native_tool("etw-replay", "export", "--partition", "provider,date", made(tmp_path), "-q", "-o", tmp_path / "d")
    sums, kinds = duckdb(
        "select count(*), sum(struct_extract(EventProperties, 'name #2')), min(date)::varchar, max(provider), "
        "any_value(json_extract_string(struct_extract(EventProperties, 'Peer'), '$.Port')) from "
        "read_parquet('%s/provider=My.Provider/*/*.parquet', hive_partitioning=true)" % (tmp_path / "d"),
        "select typeof(EventProperties) from read_parquet('%s/provider=My.Provider/date=2024-05-01/*.parquet') limit 1" % (tmp_path / "d"))
    assert [str(each) for each in sums[0]] == ["3", "-18", "2024-05-01", "My.Provider", "443"]
    assert "DOUBLE" in kinds[0][0] and "UBIGINT" in kinds[0][0]


@pytest.mark.parametrize("options", [[], ["--threads", "2"], ["--where", "Id == 1 and Id == 2"]])
def test_a_json_array_holds_the_objects_of_the_lines(tool, tmp_path, options):
    trace = made(tmp_path)
    lines = [json.loads(line) for line in tool("etw-replay", trace, *options).stdout.splitlines()]
    assert json.loads(tool("etw-replay", trace, "--format", "json-array", *options).stdout) == lines
