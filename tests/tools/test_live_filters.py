"""What EnableTraceEx2 filters by, from the recorder's options to the events that come: the drop-in API keeps each filter."""
import re
import struct

import pytest
from etlwriter import Trace, field, stack64

GUID = "{11223344-5566-7788-0102-030405060708}"
MANIFEST = """<?xml version="1.0" encoding="utf-8"?>
<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"><instrumentation><events>
<provider name="Tests-Filters" guid="{11223344-5566-7788-0102-030405060708}"><templates><template tid="T">
<data name="Size" inType="win:Int32"/><data name="Name" inType="win:UnicodeString"/><data name="Who" inType="win:GUID"/>
</template></templates><events><event value="1" version="0" template="T"/><event value="2" version="0" template="T"/></events>
</provider></events></instrumentation></instrumentationManifest>"""
WHO = bytes(range(16))
NAMES = ["read", "Write", "rewrite", ""]


@pytest.fixture
def saved(native_tool, tmp_path):
    """Events of id 1 with Size -4 to 3 and a name; each is followed by one of id 2, which no filter here is about."""
    trace = Trace()
    for size in range(-4, 4):
        body = struct.pack("<i", size) + NAMES[size % 4].encode("utf-16-le") + b"\0\0" + WHO
        for number in (1, 2):
            trace.event(GUID, number, body)
    trace.write(tmp_path / "x.etl")
    (tmp_path / "m.man").write_text(MANIFEST)
    native_tool("etw-record", "--input", tmp_path / "x.etl", "--manifest", tmp_path / "m.man", "-o", tmp_path / "x.etwcap")
    return tmp_path / "x.etwcap"


def recorded(live, native_tool, trace, output, *words):
    """The trace ends its session: what came until then is whole, and said to have been stopped."""
    live(*words, "-o", output, ETWAPI_TRACE=str(trace), ETWAPI_AT_END="stop", status=None)
    return [e for e in native_tool.events(output, status=None) if "ProviderId" in e]


@pytest.mark.parametrize("expression, sizes", [
    ("Size>1", [2, 3]), ("Size<=-3", [-4, -3]), ("Size!=0", [-4, -3, -2, -1, 1, 2, 3]), ("Size=-1", [-1]),
    ("Name=WRITE", [-3, 1]), ("Name!=write", [-4, -2, -1, 0, 2, 3]), ("Name~WRI", [-3, -2, 1, 2]),
    ("Name!~wri", [-4, -1, 0, 3]), ("Name~write, Size>0", [1, 2]),
    ("Who={03020100-0504-0706-0809-0A0B0C0D0E0F}", list(range(-4, 4))),
    ("Who!={03020100-0504-0706-0809-0A0B0C0D0E0F}", [])])
def test_payloads_choose_among_events_of_their_id(live, native_tool, saved, tmp_path, expression, sizes):
    got = recorded(live, native_tool, saved, tmp_path / "a.etwcap", "--provider", GUID, "--payload", "1: " + expression)
    assert [int(e["EventProperties"]["Size"]) for e in got if e["Id"] == 1] == sizes
    assert sum(e["Id"] == 2 for e in got) == 8


def test_a_provider_is_listed_with_its_events(live, native_tool, saved):
    listed = live("--list-provider", GUID, ETWAPI_TRACE=str(saved)).stdout.decode().replace("\r", "")
    assert re.findall(r"^Tests-Filters.* id (\d+) version 0 ", listed, re.MULTILINE) == ["1", "2"]
    assert listed.count("    Size: INT32") == 2 and listed.count("    Name: UNICODESTRING") == 2
    assert b"need Windows" in native_tool("etw-record", "--list-provider", GUID, status=1).stderr


def named(tmp_path):
    trace = Trace()
    for name, level, keyword in (("Start", 4, 1), ("Stop", 4, 2), ("Warn", 3, 2), ("Start", 4, 1)):
        trace.tracelogging("Tests.Named", name, [field("Count", "u32", 1)], level=level, keyword=keyword,
                           items=[stack64(0, [0x1000, 0x2000])])
    trace.write(tmp_path / "named.etl")
    return tmp_path / "named.etl"


@pytest.mark.parametrize("names, wanted", [("Start", ["Start", "Start"]), ("Stop,Warn", ["Stop", "Warn"]),
                                           ("!Start", ["Stop", "Warn"]), ("Other", [])])
def test_names_choose_tracelogging_events(live, native_tool, tmp_path, names, wanted):
    got = recorded(live, native_tool, named(tmp_path), tmp_path / "a.etwcap", "--provider", "*Tests.Named", "--event-names", names)
    assert [e["EventName"] for e in got] == wanted


@pytest.mark.parametrize("words, wanted", [
    (["--enable", "stack"], [0, 1, 2, 3]), (["--stack-names", "Start"], [0, 3]), (["--stack-names", "!Start"], [1, 2]),
    (["--stack-level", "warning"], [2]), (["--stack-level", "5:1"], [0, 3]), (["--stack-level", "!5:1"], [1, 2]),
    (["--stack-level", "4:2:2", "--stack-names", "Stop"], [1]), ([], [])])
def test_names_levels_and_keywords_choose_stacks(live, native_tool, tmp_path, words, wanted):
    got = recorded(live, native_tool, named(tmp_path), tmp_path / "a.etwcap", "--provider", "*Tests.Named", *words)
    assert [i for i, e in enumerate(got) if "StackTrace" in e.get("ExtendedInfo", {})] == wanted
    assert len(got) == 4


@pytest.mark.parametrize("text", ["", "!", "9x", "5:Name", "256"])
def test_what_is_no_level_is_refused(native_tool, tmp_path, text):
    done = native_tool("etw-record", "--provider", GUID, "--stack-level", text, "-o", tmp_path / "a.etwcap", status=2)
    assert b"LEVEL[:ANY[:ALL]]" in done.stderr
