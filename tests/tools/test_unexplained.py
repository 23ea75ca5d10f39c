"""Events that no schema explains are summed up, with what could be done; the strings in them are shown."""
import json
import struct

from etlwriter import Trace

MANIFEST = "; --schemas takes a manifest, a Windows folder or a pack"


def guid(number):
    return "{11223344-5566-7788-0102-%012d}" % number


def summary(tool, *arguments, name="etw-replay"):
    return tool(name, *arguments).stderr.decode().splitlines()


def test_they_are_summed_up_by_provider_with_advice(tool, tmp_path):
    trace = Trace()
    for number in range(1, 8):
        for _ in range(number):
            trace.event(guid(number), 1, b"?")
    trace.full(guid(99), 200, b"??")
    for number in range(3):
        trace.message(10, b"", message_guid=guid(number))
    trace.write(tmp_path / "x.etl")
    expected = ["7 events of %s have no schema%s" % (guid(7), MANIFEST)]
    expected += ["%d events of %s have no schema" % (number, guid(number)) for number in (6, 5, 4, 3)]
    expected += ["4 events of 3 more providers have no schema either",
                 "3 WPP messages have no format; --schemas takes their TMF files, or the program's PDB"]
    assert summary(tool, tmp_path / "x.etl") == ["etw-replay: " + line for line in expected]
    assert summary(tool, "-q", tmp_path / "x.etl") == []
    assert summary(tool, "export", tmp_path / "x.etl", "-o", tmp_path / "x.csv")[0] == "etw-replay: " + expected[0]
    recorded = summary(tool, "--input", tmp_path / "x.etl", "-o", tmp_path / "x.etwcap", name="etw-record")
    assert recorded[1:] == ["etw-record: " + line for line in expected]
    for path in ("x.etl", "x.etwcap"):
        text = tool("etw-replay", "info", tmp_path / path).stdout.decode()
        assert all("  %s\n" % line in text for line in expected)
        told = json.loads(tool("etw-replay", "info", "--json", tmp_path / path).stdout)["Unexplained"]
        assert sorted((one["Kind"], one["Events"]) for one in told) == sorted(
            [("event", number) for number in range(1, 8)] + [("classic", 1)] + [("WPP", 1)] * 3)
        assert told[0] == {"ProviderId": guid(7), "Kind": "event", "Events": 7}


def test_known_names_are_told_and_what_is_explained_is_not(native_tool, tmp_path):
    trace = Trace()
    trace.event("{a0c1853b-5c40-4b15-8766-3cf1c58f985a}", 4103, b"")
    trace.tracelogging("Own", "Explained")
    trace.event(guid(1), 1, "text\0".encode("utf-16le"), flags=4)  # string only: needs none
    trace.write(tmp_path / "x.etl")
    assert summary(native_tool, tmp_path / "x.etl") == [
        "etw-replay: 1 event of Microsoft-Windows-PowerShell has no schema" + MANIFEST]


def test_only_wanted_events_are_counted(native_tool, tmp_path):
    trace = Trace()
    for number in (1, 2, 2):
        trace.event(guid(1), number, b"?")
    trace.write(tmp_path / "x.etl")
    assert summary(native_tool, "--id", "2", tmp_path / "x.etl")[0].startswith("etw-replay: 2 events of")


STRINGS = [
    (b"\x01\x02" + "Wide text\0".encode("utf-16le") + b"\xff" + b"narrow\0" + b"abc\0", ["Wide text", "narrow"]),
    (b"\xff" + "odd\tplace\0".encode("utf-16le"), ["odd\tplace"]),
    ("C:\\日本語\0".encode("utf-16le") + b"\x01", ["C:\\日本語"]),
    ("日本語で\0".encode("utf-16le"), []),  # any bytes could be this
    ("Привет\0".encode("utf-16le"), ["Привет"]),
    (b"\0" + "Ship\0".encode("utf-16le"), ["Ship"]),
    ("Größe und mehr".encode("utf-16le"), ["Größe und mehr"]),
    (bytes(range(0, 32)) * 4, []),
]


def test_strings_are_found_in_data_that_no_schema_explains(tool, tmp_path):
    trace = Trace()
    for data, _ in STRINGS:
        trace.event(guid(1), 1, data)
    trace.write(tmp_path / "x.etl")
    events = [event for event in tool.events("-q", "--strings", tmp_path / "x.etl") if event["Id"] == 1]
    assert [event.get("Strings", []) for event in events] == [found for _, found in STRINGS]
    assert events[0]["UserData"] == STRINGS[0][0].hex().upper()
    assert not any("Strings" in event for event in tool.events("-q", tmp_path / "x.etl"))
    lines = tool("etw-replay", "-q", "--format", "text", tmp_path / "x.etl").stdout.decode().splitlines()
    assert lines[1].endswith(' UserData=%s Strings=["Wide text" narrow]' % STRINGS[0][0].hex().upper())


def test_a_payload_made_to_be_slow_is_not(native_tool, tmp_path):
    trace = Trace(buffer_size=65536)
    for _ in range(40):
        trace.event(guid(1), 1, "ж".encode("utf-16le") * 30000 + b"\x01\0")
    trace.write(tmp_path / "x.etl")
    assert b'"Strings"' not in native_tool("etw-replay", "-q", "--strings", tmp_path / "x.etl").stdout
