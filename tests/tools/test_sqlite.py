"""Databases of SQLite: the same events as NDJSON, read by Python's sqlite3."""
import json
import os
import random
import sqlite3
import subprocess

import pytest
from conftest import missing
from etlwriter import Trace, field, structure
from random_traces import random_trace
from test_parquet import nanoseconds, whole


def export(native_tool, trace, out, *options):
    done = native_tool("etw-replay", "export", trace, "-q", "-f", "-o", out, *options, status=None)
    if b"built without SQLite" in done.stderr:
        missing("libsqlite3-dev is not installed")
    assert done.returncode in (0, 3), done.stderr
    database = sqlite3.connect(out)
    database.row_factory = sqlite3.Row
    assert database.execute("pragma integrity_check").fetchone()[0] == "ok"
    return database


def check(native_tool, trace, out):
    """Each event's row, and what its view shows of its properties."""
    database = export(native_tool, trace, out)
    lines = native_tool("etw-replay", trace, status=None).stdout.decode().splitlines()
    expected = [json.loads(line) for line in lines]
    losses = [event for event in expected if "Loss" in event]
    events = [event for event in expected if "Loss" not in event]
    rows = database.execute("select e.*, k.*, p.name as provider_name, e.id as number from events e join kinds k on k.id = e.kind "
                            "join providers p on p.guid = k.provider order by e.id").fetchall()
    assert len(rows) == len(events)
    assert [row["cause"] for row in database.execute("select cause from losses")] == [event["Loss"]["Cause"] for event in losses]
    for row, event in zip(rows, events):
        if row["time"] is not None:  # nanoseconds in 64 bits end in 2262
            assert row["time"] == nanoseconds(event["TimeStamp"])
        for column, name in (("event_id", "Id"), ("process_id", "ProcessId"), ("thread_id", "ThreadId"), ("opcode", "Opcode"),
                             ("processor", "ProcessorIndex"), ("activity_id", "ActivityId"), ("error", "EventPropertiesError"),
                             ("process_name", "ProcessName"), ("name", "EventName"), ("keyword", "Keyword")):
            assert row[column] == event.get(name), (column, event)
        assert (row["user_data"] or b"") == bytes.fromhex(event.get("UserData", ""))
        assert json.loads(row["extended_info"] or "{}") == event.get("ExtendedInfo", {})
        assert (row["table_name"] is not None) == ("EventProperties" in event)
    return database, rows, events


def same(value, text):
    """A column's value and the text of NDJSON."""
    if isinstance(text, (list, dict)):
        return json.loads(value) == text
    if isinstance(value, bytes):
        return ("0x" + value.hex().upper() if value else "") == text
    if isinstance(value, int):
        return str(value) == text or hex(value).upper() == text.upper() or text in ("true", "false") or not text.lstrip("-").isdigit()
    return value == whole(text) or isinstance(value, float) or value.isdigit()


@pytest.mark.parametrize("seed", range(8))
def test_every_event_has_its_row(native_tool, tmp_path, seed):
    trace, _ = random_trace(random.Random(seed))
    trace.write(tmp_path / "a.etl")
    check(native_tool, tmp_path / "a.etl", tmp_path / "a.db")


def test_real_traces_have_their_rows_and_values(native_tool, corpus, tmp_path):
    compared = 0
    for name in ("hw3d__trace.etl", "WsRm01.etl", "primitive-types.etl", "demikernel__PktMon.etl"):
        database, rows, events = check(native_tool, corpus(name), tmp_path / "a.db")
        for row, event in list(zip(rows, events))[::7]:
            if row["table_name"] is None:
                continue
            view = '"%s"' % row["table_name"].replace('"', '""')
            values = dict(database.execute("select * from %s where event = ?" % view, (row["number"],)).fetchone())
            for property, text in event["EventProperties"].items():
                if property in values and "#" not in property:
                    assert same(values[property], text), (property, values[property], text)
                    compared += 1
    assert compared > 100


def test_columns_have_types(tool, tmp_path):
    trace = Trace()
    trace.tracelogging("P", "E", [
        field("Name", "utf16z", "x"), field("name", "i32", -5), field("Big", "u64", 2**64 - 1), field("Small", "u64", 7),
        field("Real", "f64", 1.5), field("Yes", "bool32", 1), field("Bytes", "binary", b"\1\2"), field("List", "u32", [1, 2]),
        structure("Peer", field("Port", "u16", 443)), field("event", "u8", 9), field("", "u8", 1)])
    trace.write(tmp_path / "a.etl")
    database = export(tool, tmp_path / "a.etl", tmp_path / "a.db")
    row = dict(database.execute('select * from "data:P/E"').fetchone())
    assert row == {"event": row["event"], "Name": "x", "name #2": -5, "List.Count": 2, "Bytes.Length": 2, "Big": str(2**64 - 1), "Small": 7, "Real": 1.5, "Yes": 1,
                   "Bytes": b"\1\2", "List": '["1","2"]', "Peer": '{"Port":"443"}', "event #2": 9, "_": 1}
    (stamp,) = database.execute('select event_time from "P/E"').fetchone()
    assert stamp.startswith("2024-05-01T12:00:00.")
    plan = str([tuple(row) for row in database.execute("explain query plan select * from event_list where event in "
                                                       "(select id from events where time between 1 and 2)")])
    assert "events_time" in plan


def test_more_properties_than_sqlite_has_columns_for(native_tool, tmp_path):
    trace = Trace(buffer_size=65536)
    trace.tracelogging("P", "E", [field("F%d" % number, "u8", number % 256) for number in range(120)])
    manifest_like = [field("G%d" % number, "u8", 1) for number in range(1000)]
    trace.tracelogging("P", "Wide", manifest_like)
    trace.write(tmp_path / "a.etl")
    database = export(native_tool, tmp_path / "a.etl", tmp_path / "a.db")
    row = database.execute('select * from "data:P/Wide"').fetchone()
    assert len(row) == 902 and json.loads(row["more"]) == [1] * 100


def test_the_bytes_do_not_depend_on_the_threads(native_tool, corpus, tmp_path):
    for threads in (0, 3):
        export(native_tool, corpus("net.4.5.2.x64.etl"), tmp_path / ("%d.db" % threads), "--threads", threads).close()
    assert (tmp_path / "0.db").read_bytes() == (tmp_path / "3.db").read_bytes()


def test_a_database_needs_a_file(tool, tmp_path):
    trace, _ = random_trace(random.Random(1))
    trace.write(tmp_path / "a.etl")
    done = tool("etw-replay", tmp_path / "a.etl", "--format", "sqlite", status=1)
    assert b"needs a file" in done.stderr or b"built without" in done.stderr


def test_the_program_for_windows_writes_the_same(native_tool, win64_tool, tmp_path):
    trace, _ = random_trace(random.Random(2))
    trace.write(tmp_path / "a.etl")
    dumps = [list(export(tool, tmp_path / "a.etl", tmp_path / name).iterdump())
             for tool, name in ((native_tool, "n\u00e9.db"), (win64_tool, "w\u00e9.db"))]
    assert dumps[0] == dumps[1] and len(dumps[0]) > 10


def test_the_library_is_loaded_for_a_database_alone(native_tool, tmp_path):
    """At the start it would take the linker more than all others together."""
    trace = Trace()
    trace.tracelogging("P", "E", [field("A", "u32", 1)])
    trace.write(tmp_path / "a.etl")
    export(native_tool, tmp_path / "a.etl", tmp_path / "a.db").close()
    (tmp_path / "libsqlite3.so.0").write_bytes(b"")  # stands before the system's
    environment = dict(os.environ, LD_LIBRARY_PATH=str(tmp_path))
    def run(*words):
        return subprocess.run(native_tool.words("etw-replay", *words), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert run("info", tmp_path / "a.etl").returncode == 0
    done = run("export", tmp_path / "a.etl", "-o", tmp_path / "b.db")
    assert done.returncode == 1 and b"it takes SQLite, which cannot be loaded: " in done.stderr and not list(tmp_path.glob("b.db*"))
