"""A folder with a table for each kind of event, Parquet or CSV; the JSON array."""
import collections
import csv
import json
import random
import struct

import parquet_reader
import pytest
from conftest import ROOT
from consumers import duckdb, hyparquet
from etlwriter import Trace, field, structure
from random_traces import random_trace
from test_parquet import expected_row, nanoseconds, whole


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
                          "When": 1714564800 * 10**9, "Bytes": b"\1\2", "Peer": {"Port": 443}}
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
        "any_value(EventProperties.Peer.Port) from "
        "read_parquet('%s/provider=My.Provider/*/*.parquet', hive_partitioning=true)" % (tmp_path / "d"),
        "select typeof(EventProperties) from read_parquet('%s/provider=My.Provider/date=2024-05-01/*.parquet') limit 1" % (tmp_path / "d"))
    assert [str(each) for each in sums[0]] == ["3", "-18", "2024-05-01", "My.Provider", "443"]
    assert "DOUBLE" in kinds[0][0] and "UBIGINT" in kinds[0][0]


@pytest.mark.parametrize("options", [[], ["--threads", "2"], ["--where", "Id == 1 and Id == 2"]])
def test_a_json_array_holds_the_objects_of_the_lines(tool, tmp_path, options):
    trace = made(tmp_path)
    lines = [json.loads(line) for line in tool("etw-replay", trace, *options).stdout.splitlines()]
    assert json.loads(tool("etw-replay", trace, "--format", "json-array", *options).stdout) == lines


@pytest.mark.parametrize("case", ["text-amplification.etwcap", "plan-memory.etwcap", "schema-cpu.etwcap"])
@pytest.mark.parametrize("form", [[], ["--format", "csv"]])
def test_hostile_schemas_and_texts_become_tables(native_tool, tmp_path, case, form):
    """Rows of several MiB; thousands of columns of one long name."""
    path = ROOT / "tests" / "cases" / case
    native_tool("etw-replay", "export", path, "--per-event", "-q", "-o", tmp_path / "d", *form, status=None)
    if not form:
        count = len(native_tool("etw-replay", path, "--columns", "Id", status=None).stdout.splitlines())
        assert sum(parquet_reader.footer(file)[1][3] for file in (tmp_path / "d").rglob("*.parquet")) == count


# Lists and structs.

COLOURS = """<instrumentationManifest><instrumentation><events>
<provider name="My-Lists" guid="{22222222-2222-3333-4444-555555555555}" symbol="P">
<maps><valueMap name="Colors"><map value="1" message="$(string.red)"/><map value="2" message="$(string.blue)"/></valueMap></maps>
<templates><template tid="T"><data name="Count" inType="win:UInt16"/>
<data name="Colors" inType="win:UInt32" map="Colors" count="Count"/>
<struct name="Peers" count="Count"><data name="Port" inType="win:UInt16"/><data name="Colour" inType="win:UInt32" map="Colors"/></struct>
<data name="Last" inType="win:UnicodeString"/></template></templates>
<events><event value="1" version="0" level="win:Informational" template="T"/></events></provider></events></instrumentation>
<localization><resources culture="en-US"><stringTable><string id="red" value="Red"/><string id="blue" value="Blue"/></stringTable>
</resources></localization></instrumentationManifest>"""


def colours(count, whole_payload=True):
    data = struct.pack("<H", count) + struct.pack("<%dI" % count, *range(count))
    data += b"".join(struct.pack("<HI", 80 + number, number) for number in range(count))
    return data + "end".encode("utf-16-le") + b"\0\0" if whole_payload else data[:-3]


def test_lists_and_structs_are_columns(tool, tmp_path):
    """Levels of repetition and definition: lists of none, one and three, structs in lists, mapped values in both; a payload
    that ends in the middle of a list."""
    trace = Trace()
    guid = "{22222222-2222-3333-4444-555555555555}"
    for count in (0, 1, 3):
        trace.event(guid, id=1, data=colours(count))
    trace.event(guid, id=1, data=colours(2, False))
    trace.write(tmp_path / "a.etl")
    (tmp_path / "m.man").write_text(COLOURS)
    tool("etw-replay", "export", "--per-event", tmp_path / "a.etl", "--schemas", tmp_path / "m.man", "-o", tmp_path / "d")
    (path,) = (tmp_path / "d").glob("My-Lists*.parquet")
    rows = parquet_reader.rows(path)
    assert duckdb("select sum(p.Port), count(p.Colour) from (select unnest(EventProperties.Peers) p from '%s')" % path) == [[["484", "5"]]]
    peers = [{"Port": 80, "Colour": "0", "Colour #": 0}, {"Port": 81, "Colour": "Red", "Colour #": 1},
             {"Port": 82, "Colour": "Blue", "Colour #": 2}]
    texts = ["0", "Red", "Blue"]
    assert [row["EventProperties"] for row in rows[:3]] == [
        {"Count": count, "Colors": texts[:count], "Colors #": list(range(count)), "Peers": peers[:count], "Last": "end"}
        for count in (0, 1, 3)]
    cut = rows[3]["EventProperties"]
    assert (cut["Peers"], cut["Last"]) == ([peers[0], {"Port": 81, "Colour": None, "Colour #": None}], None)
    assert rows[3]["EventPropertiesError"] and rows[3]["UserData"]


def test_structs_nest(tool, tmp_path):
    trace = Trace()
    for depth in (1, 2, 12):
        inner = field("V", "u16", depth)
        inner = structure("L", [inner], [field("V", "u16", 99)], array=True)
        for level in range(depth):
            inner = structure("S%d" % level, inner)
        trace.tracelogging("Deep", "E%d" % depth, [inner, field("After", "utf16z", ["a", "", "b"])])
    trace.write(tmp_path / "a.etl")
    tool("etw-replay", "export", "--per-event", tmp_path / "a.etl", "-o", tmp_path / "d")
    for depth in (1, 2, 12):
        (row,) = parquet_reader.rows(tmp_path / "d" / ("Deep.E%d.parquet" % depth))
        found = row["EventProperties"]
        assert found["After"] == ["a", "", "b"]
        for level in reversed(range(depth)):
            found = found["S%d" % level]
        assert found == {"L.Count": 2, "L": [{"V": depth}, {"V": 99}]}
        assert row["EventPropertiesError"] is None


def test_values_beyond_the_columns_of_a_table_are_told(tool, tmp_path):
    """4096 nodes of the schema: 66 structs of 20 lists; the others are told in the row, and none is lost."""
    trace = Trace(buffer_size=65536)
    members = [field("m%d" % n, "u8", [n, n + 1], constant=True) for n in range(20)]
    trace.tracelogging("Wide", "E", [structure("S%d" % at, *members) for at in range(90)])
    trace.write(tmp_path / "a.etl")
    tool("etw-replay", "export", "--per-event", tmp_path / "a.etl", "-o", tmp_path / "d")
    (row,) = parquet_reader.rows(tmp_path / "d" / "Wide.E.parquet")
    assert row["EventProperties"] == {"S%d" % at: {"m%d" % n: [n, n + 1] for n in range(20)} for at in range(66)}
    left = [value for n in range(20) for value in (n, n + 1)] * 24
    assert row["EventPropertiesError"] == ",".join(map(str, left)) + " fit no column"


def same(typed, found):
    """Whether a value of --typed JSON is that of Parquet: text beside the number where a map gives one."""
    if isinstance(typed, dict):
        names = [name for name in found if not name.endswith(" #")]
        values = [found.get(name + " #") if isinstance(one, int) and name + " #" in found else found[name]
                  for one, name in zip(typed.values(), names)]
        return len(typed) <= len(names) and all(map(same, typed.values(), values))
    if isinstance(typed, list):
        return len(typed) == len(found) and all(map(same, typed, found))
    if isinstance(typed, str) and isinstance(found, bytes):
        return typed.lower() in (found.hex(), "0x" + found.hex())
    if isinstance(typed, str) and isinstance(found, int):
        return nanoseconds(typed) == found if "T" in typed else int(typed, 0) == found
    return found is None if typed is None else found == (whole(typed) if isinstance(typed, str) else typed)


def rows_by_event(rows):
    out = collections.defaultdict(list)
    for row in rows:
        out[tuple(row[name] for name in ("TimeStamp", "ProviderId", "Id", "Opcode", "Version", "ThreadId", "EventName"))].append(row)
    return out


def compare_typed(native_tool, folder, *traces):
    """Every row against the line of its event; the rows of all tables."""
    lines = native_tool("etw-replay", *traces, "--typed", status=None).stdout.decode().splitlines()
    events = [dict(expected_row({**event, "EventProperties": {}}), Typed=event.get("EventProperties"))
              for event in map(json.loads, lines) if "Loss" not in event]
    found = [row for _, row in read(folder, ".parquet") if row["Loss"] is None]
    tables = rows_by_event(found)
    assert len(events) == len(found)
    for key, group in rows_by_event(events).items():
        for event, row in zip(group, tables[key]):
            if event["Typed"]:
                assert same(event["Typed"], row["EventProperties"]), (event["Typed"], row["EventProperties"])
            assert event["ProcessName"] == row["ProcessName"] and event["Trace"] == row["Trace"]
            assert event["ExtendedInfo"] == (json.loads(row["ExtendedInfo"]) if row["ExtendedInfo"] else None)
    return found


@pytest.mark.parametrize("name", ["HTTP_Server.etl", "MIDI__TraceCaptureFile.etl", "primitive-types.etl", "WsRm01.etl",
                                  "JohnLudlow__PerfViewData.etl"])
def test_real_values_are_those_of_typed_json(native_tool, corpus, tmp_path, name):
    export(native_tool, corpus(name), tmp_path / "d")
    found = compare_typed(native_tool, tmp_path / "d", corpus(name))
    assert {row["TraceFile"] for row in found} == {name}


def test_hyparquet_reads_lists_and_structs(native_tool, corpus, tmp_path):
    for name in ("HTTP_Server.etl", "primitive-types.etl"):
        export(native_tool, corpus(name), tmp_path / name)
        paths = sorted((tmp_path / name).rglob("*.parquet"))
        assert hyparquet(*paths) == [row for _, row in read(tmp_path / name, ".parquet")]


def test_several_traces_are_one_data_set(native_tool, corpus, tmp_path):
    """Partitions, threads, and where each row is from."""
    names = ["gcevents.etl", "gcrundownevents.etl", "Process.etl", "HTTP_Server.etl"]
    traces = [corpus(name) for name in names]
    for threads in (0, 2):
        native_tool("etw-replay", "export", *traces, "--partition", "provider,date", "--threads", threads, "-q", "-o",
                    tmp_path / str(threads), status=None)
    files = [sorted(path.relative_to(tmp_path / folder) for path in (tmp_path / folder).rglob("*.parquet")) for folder in "02"]
    assert files[0] == files[1]
    assert all((tmp_path / "0" / path).read_bytes() == (tmp_path / "2" / path).read_bytes() for path in files[0])
    found = compare_typed(native_tool, tmp_path / "0", *traces)
    assert {(row["Trace"], row["TraceFile"]) for row in found} == set(enumerate(names, 1))
    sums = duckdb("select TraceFile, count(*), sum(ProcessId), count(distinct provider) from read_parquet('%s/**/*.parquet', "
                  "hive_partitioning=true, union_by_name=true) group by 1 order by 1" % (tmp_path / "0"))
    expected = {name: [row for row in found if row["TraceFile"] == name] for name in names}
    assert [[name, int(count), int(processes)] for name, count, processes, _ in sums[0]] == [
        [name, len(expected[name]), sum(row["ProcessId"] for row in expected[name])] for name in sorted(names)]


def test_csv_and_json_of_several_traces(native_tool, corpus, tmp_path):
    """Files by kind, columns, an array: each says which trace an event is from."""
    names = ["gcevents.etl", "HTTP_Server.etl"]
    traces = [corpus(name) for name in names]
    events = [json.loads(line) for line in native_tool("etw-replay", *traces).stdout.splitlines()]
    files = [names[event["Trace"] - 1] for event in events]
    native_tool("etw-replay", "export", *traces, "--per-event", "--format", "csv", "-q", "-o", tmp_path / "d")
    rows = [row for _, row in read(tmp_path / "d", ".csv")]
    assert collections.Counter((row["Trace"], row["TraceFile"], row["Id"]) for row in rows) == collections.Counter(
        (str(event["Trace"]), file, str(event["Id"])) for event, file in zip(events, files))
    columns = "TimeStamp,Trace,TraceFile,ProviderName,Id"
    native_tool("etw-replay", "export", *traces, "--columns", columns, "-q", "-o", tmp_path / "a.csv")
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [
            {"TimeStamp": event["TimeStamp"], "Trace": str(event["Trace"]), "TraceFile": file, "ProviderName": event["ProviderName"],
             "Id": str(event["Id"])} for event, file in zip(events, files)]
    array = json.loads(native_tool("etw-replay", *traces, "--columns", columns, "--format", "json-array").stdout)
    assert array == [{"TimeStamp": event["TimeStamp"], "Trace": event["Trace"], "TraceFile": file, "ProviderName": event["ProviderName"],
                      "Id": event["Id"]} for event, file in zip(events, files)]
    assert json.loads(native_tool("etw-replay", *traces, "--format", "json-array").stdout) == events
