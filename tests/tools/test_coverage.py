"""schemas --coverage: events with a schema, and those that it shows whole, by where the schemas came from."""
import json
import struct

from etlwriter import Trace, field
from test_schema_packs import GUID, UINT32, dll

STRING_ONLY = 0x0004


def write(path):
    trace = Trace()
    trace.event(GUID, 1, struct.pack("<I", 7))
    trace.event(GUID, 1, struct.pack("<IH", 7, 8))  # more than the schema explains
    trace.event(GUID, 2, b"\1")  # without a schema
    trace.event(GUID, 3, "text\0".encode("utf-16le"), flags=STRING_ONLY)
    trace.tracelogging("Named.Provider", "Hello", [field("Size", "u32", 3)])
    trace.write(path)


def test_events_are_counted_by_what_explains_them(tool, tmp_path):
    write(tmp_path / "a.etl")
    dll(tmp_path / "a.dll", 1, ("a", *UINT32))
    words = ["schemas", "--coverage", "--no-default-schemas", tmp_path / "a.etl"]

    def rows(*more):
        (found,) = [json.loads(line) for line in tool("etw-replay", *words, "--json", *more).stdout.splitlines()]
        sources = {row["Source"]: (row["Explained"], row["Whole"]) for row in found["Sources"]}
        return (found["Events"], found["NeedNone"], found["Explained"], found["Whole"]), sources

    assert rows() == ((6, 1, 2, 2), {"TraceLogging": (1, 1), "classic": (1, 1)})  # the log-file header is an event
    explained = ((6, 1, 4, 3), {"TraceLogging": (1, 1), "classic": (1, 1), "manifest": (2, 1)})
    assert rows("--schemas", tmp_path / "a.dll") == explained
    tool("etw-record", "--input", tmp_path / "a.etl", "--schemas", tmp_path / "a.dll", "-o", tmp_path / "a.etwcap", "-q")
    words[-1] = tmp_path / "a.etwcap"
    assert rows() == explained
    said = tool("etw-replay", *words, tmp_path / "a.etl").stdout.decode().splitlines()
    assert said[0].split() == ["events", "explained", "to", "last", "byte"]
    assert said[1].split() == ["6", "4", "3", str(tmp_path / "a.etwcap")]
    assert "           1                              need none" in said
    assert [line.split() for line in said if line.endswith(" all")] == [["12", "6", "5", "all"]]
