"""The main job: a trace is recorded and replayed, on both systems, and nothing of it is lost or changed."""
import hashlib

import pytest

import etlwriter
from etlwriter import Trace, field, structure
from whole import NOT_CLOSED, status_of

PROVIDER = "{11111111-2222-3333-4444-555555555555}"
GUID = "{01234567-89ab-cdef-0123-456789abcdef}"

# how etw-replay shows each extended item
ITEMS = [
    (etlwriter.related_activity(GUID), "RelatedActivityId", GUID),
    (etlwriter.sid("S-1-5-21-1-2-3-1001"), "UserSID", "S-1-5-21-1-2-3-1001"),
    (etlwriter.session_id(7), "SessionID", 7),
    (etlwriter.stack32(5, [0x1000, 0xFFFFFFFF]), "StackTrace", {"MatchId": 5, "Addresses": ["0x1000", "0xFFFFFFFF"]}),
    (etlwriter.stack64(0, [0x7FF812345678]), "StackTrace", {"MatchId": 0, "Addresses": ["0x7FF812345678"]}),
    (etlwriter.instance_info(1, 2, GUID), "InstanceInfo", {"InstanceId": 1, "ParentInstanceId": 2, "ParentGuid": GUID}),
    (etlwriter.pebs_index(9), "PEBSIndex", 9),
    (etlwriter.pmc_counters([1, 1 << 63]), "PMCCounters", [1, 1 << 63]),
    (etlwriter.psm_key(3), "PSMKey", 3),
    (etlwriter.event_key(4), "EventKey", 4),
    (etlwriter.process_start_key(1 << 40), "ProcessStartKey", 1 << 40),
    (etlwriter.control_guid(GUID), "ControlGuid", GUID),
    (etlwriter.qpc_delta(5), "QpcDelta", 5),
    (etlwriter.container_id(GUID), "ContainerId", GUID),
    (etlwriter.stack_key32(1, 2), "StackKey", {"MatchId": 1, "StackKey": "0x2"}),
    (etlwriter.stack_key64(1, 1 << 40), "StackKey", {"MatchId": 1, "StackKey": "0x10000000000"}),
    (etlwriter.provider_traits("Name", GUID), "ProviderGroup", GUID),
    ((0x77, b"\1\2\3"), "ExtType119", "010203"),  # unknown kinds are shown as bytes
]
SESSIONS = {
    "64 bit": {},
    "32 bit, before Windows 8": {"pointer_size": 4, "processor_index": False, "version": (6, 1), "build": 7601},
    "compressed": {"compressed": True},
    "system time": {"clock": etlwriter.CLOCK_SYSTEM},
    "cycle counter": {"clock": etlwriter.CLOCK_CYCLES},
    "never closed": {"closed": False},
}


def one_of_each(**session):
    """A trace with every kind of record, one second apart, on two processors."""
    trace = Trace(processors=2, **session)
    steps = [
        lambda more: trace.event(PROVIDER, id=7, data=b"abc", version=1, keyword=1 << 63, activity=GUID, **more),
        lambda more: trace.tracelogging("Some.Provider", "Started", [
            field("Count", "u32", 3), field("Name", "utf16z", "n\u00e4me"), field("Codes", "u16", [1, 2]),
            structure("Peer", field("Port", "u16", 443), field("Host", "utf8", "a.example"))], **more),
        lambda more: trace.system(3, 39, b"\1\2\3\4", pebs=5, pmc=(6, 7), **more),
        lambda more: trace.compact(3, 39, b"\1\2\3\4", **more),
        lambda more: trace.perfinfo(15, 250, bytes(16), **more),
        lambda more: trace.full(GUID, 1, b"classic", version=2, level=3, **more),
        lambda more: trace.instance(GUID, 2, b"i", instance_id=8, parent_id=9, parent_class=PROVIDER, **more),
        lambda more: trace.message(10, b"arguments", message_guid=GUID, pid=4, tid=8, sequence=1, **more),
        lambda more: trace.error(PROVIDER, **more),
    ]
    for second, step in enumerate(steps, 1):
        step({"time": trace.at(second), "cpu": second % 2})
    return trace


@pytest.fixture(params=list(SESSIONS))
def trace(request, tmp_path):
    path = tmp_path / (NOT_CLOSED[0] if request.param == "never closed" else "a.etl")
    one_of_each(**SESSIONS[request.param]).write(path)
    return path


def test_every_record_comes_back_in_time_order(tool, trace, tmp_path):
    status = status_of(trace)
    tool("etw-record", "--input", trace, "-o", tmp_path / "a.etwcap", status=status)
    found = tool.events(tmp_path / "a.etwcap", status=status)
    events = [event for event in found if "Loss" not in event]
    assert [event["TimeStamp"][17:] for event in events] == ["%02d.0000000Z" % second for second in range(10)]
    assert [event["ProcessorIndex"] for event in events] == [0] + [second % 2 for second in range(1, 10)]
    assert found == tool.events(trace, status=status)


def test_properties_are_those_that_were_written(tool, trace, tmp_path):
    status = status_of(trace)
    tool("etw-record", "--input", trace, "-o", tmp_path / "a.etwcap", status=status)
    event = tool.events("--provider", "Some.Provider", tmp_path / "a.etwcap", status=status)[0]
    assert event["EventName"] == "Started"
    assert event["EventProperties"] == {"Count": "3", "Name": "n\u00e4me", "Codes.Count": "2", "Codes": ["1", "2"],
                                        "Peer": {"Port": "443", "Host": "a.example"}}


@pytest.mark.parametrize("item, name, shown", ITEMS, ids=[name for _, name, _ in ITEMS])
def test_extended_items_are_shown(native_tool, tmp_path, item, name, shown):
    trace = Trace()
    trace.event(PROVIDER, items=[item])
    trace.write(tmp_path / "a.etl")
    native_tool("etw-record", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap")
    [event] = native_tool.events("--provider", PROVIDER, tmp_path / "a.etwcap")
    assert event["ExtendedInfo"] == {name: shown}


def test_both_systems_make_the_same_file_and_the_same_text(native_tool, win64_tool, trace, tmp_path):
    made = {}
    for tool in (native_tool, win64_tool):
        file = tmp_path / (tool.target + ".etwcap")
        tool("etw-record", "--input", trace, "-o", file, status=status_of(trace))
        made[tool.target] = file.read_bytes(), tool("etw-replay", file, status=status_of(trace)).stdout
    assert made["native"] == made["win64"]


def test_a_corpus_trace_gives_the_same_everywhere_and_each_time(native_tool, win64_tool, corpus, tmp_path):
    for trace in sorted(corpus().glob("*.etl")):
        is_small = trace.stat().st_size < 2 << 20  # the text of a large one costs Wine minutes on a busy machine
        made = []
        for tool, name in ((native_tool, "first"), (native_tool, "second"), (win64_tool, "third")):
            file = tmp_path / name
            tool("etw-record", "--input", trace, "-o", file, status=status_of(trace))
            text = tool("etw-replay", file, status=status_of(trace)).stdout if is_small else b""
            made.append((hashlib.sha256(file.read_bytes()).hexdigest(), hashlib.sha256(text).hexdigest()))
            file.unlink()
        assert made[0] == made[1] == made[2], trace.name
