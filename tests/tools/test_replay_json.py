"""The JSON object of an event: its fields, their order, what is absent, and what happens to what cannot be shown."""
import json
import struct

import pytest

from etlwriter import (Trace, container_id, control_guid, event_key, field, instance_info, pebs_index, pmc_counters,
                       process_start_key, psm_key, qpc_delta, related_activity, session_id, sid, stack32, stack64,
                       stack_key64, structure, utf16z)
from whole import status_of

PROVIDER = "{11111111-2222-3333-4444-555555555555}"
ACTIVITY = "{00000000-0000-4000-8000-000000000001}"
HEADER = ["TimeStamp", "ProviderName", "ProviderId", "EventName", "Id", "Version", "Channel", "Level", "Opcode", "Task",
          "Keyword", "ProcessId", "ThreadId", "ProcessorIndex", "ActivityId", "Flags", "EventProperty", "KernelTime",
          "UserTime", "EventProperties", "ExtendedInfo"]


@pytest.fixture
def replayed(tool, tmp_path):
    """The events of a trace without its log-file header, from the .etl and from the .etwcap: both must agree."""
    def run(trace, *options, status=0):
        etl, etwcap = tmp_path / "a.etl", tmp_path / "a.etwcap"
        trace.write(etl)
        tool("etw-record", "--input", etl, "-o", etwcap, "--force", "-q", status=status)
        lines = [tool("etw-replay", path, *options, status=status).stdout for path in (etl, etwcap)]
        assert lines[0] == lines[1]
        return [json.loads(line) for line in lines[0].splitlines()][1:]
    return run


def test_an_event_has_all_fields_in_their_order(replayed):
    trace = Trace()
    trace.tracelogging("My.Provider", "Started", [
        field("QueryName", "utf16z", "example.com"), field("QueryType", "u16", 1), field("Tags", "utf16", ["a", "b"]),
        structure("Peer", field("Port", "u16", 0xBB01, out="port"))], keyword=0x8000000000000001, level=4,
        activity=ACTIVITY, items=[sid("S-1-5-18")], kernel_time=3, user_time=2, pid=1234, tid=5678,
        time=trace.at(0.6912345))
    event, = replayed(trace)
    assert list(event) == HEADER
    assert event["TimeStamp"] == "2024-05-01T12:00:00.6912345Z"
    assert (event["ProviderName"], event["EventName"], event["Keyword"]) == ("My.Provider", "Started",
                                                                             "0x8000000000000001")
    assert (event["ProcessId"], event["ThreadId"], event["ActivityId"]) == (1234, 5678, ACTIVITY)
    assert (event["KernelTime"], event["UserTime"], event["Channel"]) == (3, 2, 11)
    assert event["EventProperties"] == {"QueryName": "example.com", "QueryType": "1", "Tags.Count": "2",
                                        "Tags": ["a", "b"], "Peer": {"Port": "443"}}
    assert event["ExtendedInfo"] == {"UserSID": "S-1-5-18"}


def test_absent_things_are_absent(replayed):
    trace = Trace()
    trace.event(PROVIDER, id=5)
    event, = replayed(trace)
    assert not {"ProviderName", "EventName", "ActivityId", "EventProperties", "EventPropertiesError", "UserData",
                "ExtendedInfo"} & set(event)


def test_typed_values_are_numbers_and_booleans(replayed):
    trace = Trace()
    trace.tracelogging("P", "E", [field("N", "i64", -5), field("B", "bool32", 1), field("S", "utf16z", "1"),
                                  field("L", "u64", [2 ** 64 - 1])])
    event, = replayed(trace, "--typed")
    assert event["EventProperties"] == {"N": -5, "B": True, "S": "1", "L.Count": 1,
                                        "L": [2 ** 64 - 1]}


def test_an_event_without_a_schema_keeps_its_bytes(replayed):
    trace = Trace()
    trace.event(PROVIDER, id=5, data=b"\x00\xffA")
    event, = replayed(trace)
    assert (event["EventPropertiesError"], event["UserData"]) == ("no schema", "00FF41")


@pytest.mark.parametrize("change, shown, undecoded", [
    (lambda data: data[:-2], {"A": "1"}, "0200"),
    (lambda data: data + b"\xaa\xbb", {"A": "1", "B": "2"}, "AABB"),
])
def test_what_does_not_fit_the_schema_is_kept(replayed, change, shown, undecoded):
    trace = Trace()
    (a, first), (b, second) = field("A", "u32", 1), field("B", "u32", 2)
    trace.tracelogging("P", "E", [(a, b""), (b, change(first + second))])
    event, = replayed(trace)
    assert event["EventProperties"] == shown
    assert event["UserData"] == undecoded and event["EventPropertiesError"]


def test_properties_of_one_name_are_told_apart(replayed):
    trace = Trace()
    trace.tracelogging("P", "E", [field("A", "u8", 1), field("A", "u8", 2), structure("A", field("A", "u8", 3))])
    event, = replayed(trace)
    assert event["EventProperties"] == {"A": "1", "A#2": "2", "A#3": {"A": "3"}}


def test_extended_items_all_show(replayed):
    trace = Trace()
    trace.event(PROVIDER, items=[
        related_activity(ACTIVITY), session_id(3), instance_info(1, 2, ACTIVITY), stack64(7, [0x7FF812340000, 1]),
        pebs_index(9), pmc_counters([1, 2 ** 64 - 1]), psm_key(4), event_key(5), process_start_key(6),
        control_guid(ACTIVITY), qpc_delta(8), container_id(ACTIVITY), stack_key64(7, 0xABC), (0x77, b"\x01\x02"),
        (0x02, b"bad")])
    event, = replayed(trace)
    assert event["ExtendedInfo"] == {
        "RelatedActivityId": ACTIVITY, "SessionID": 3,
        "InstanceInfo": {"InstanceId": 1, "ParentInstanceId": 2, "ParentGuid": ACTIVITY},
        "StackTrace": {"MatchId": 7, "Addresses": ["0x7FF812340000", "0x1"]},
        "PEBSIndex": 9, "PMCCounters": [1, 2 ** 64 - 1], "PSMKey": 4, "EventKey": 5, "ProcessStartKey": 6,
        "ControlGuid": ACTIVITY, "QpcDelta": 8, "ContainerId": ACTIVITY,
        "StackKey": {"MatchId": 7, "StackKey": "0xABC"}, "ExtType119": "0102", "ExtType2": "626164"}


def test_two_items_of_a_kind_both_show(replayed):
    trace = Trace()
    trace.event(PROVIDER, items=[stack32(0, [0x10]), stack64(0, [0x20]), (0x77, b"\1"), (0x77, b"\2")])
    event, = replayed(trace)
    assert event["ExtendedInfo"] == {
        "StackTrace": {"MatchId": 0, "Addresses": ["0x10"]}, "StackTrace#2": {"MatchId": 0, "Addresses": ["0x20"]},
        "ExtType119": "01", "ExtType119#2": "02"}


@pytest.mark.parametrize("text", ["\u0001\u001f\"\\\n\r\t\x7f\x9b", "\u2028 \u2029", "\U0001F600", "\ud800x",
                                  "x\udfff", "\udc00\ud800"])
def test_text_survives_json(replayed, text):
    trace = Trace()
    data = text.encode("utf-16-le", "surrogatepass")
    metadata, _ = field("S", "utf16", "")
    trace.tracelogging("P", "E", [(metadata, struct.pack("<H", len(data)) + data)])
    event, = replayed(trace)
    assert event["EventProperties"]["S"] == text


def test_output_is_utf8_whatever_the_bytes_are(tool, tmp_path):
    trace = Trace()
    metadata, _ = field("S", "utf8", "")
    trace.tracelogging("P", "E", [(metadata, struct.pack("<H", 4) + b"a\xff\xc0b")])
    trace.write(tmp_path / "a.etl")
    for form in ("json", "text", "xml", "csv"):
        tool("etw-replay", tmp_path / "a.etl", "--format", form).stdout.decode()


def test_string_only_events_show_their_text(replayed):
    trace = Trace()
    trace.event(PROVIDER, data=utf16z("hello"), flags=4)
    event, = replayed(trace)
    assert list(event["EventProperties"].values()) == ["hello"]


def test_wpp_messages_show_guid_number_and_arguments(replayed):
    trace = Trace()
    trace.message(17, b"\x01\x00\x00\x00", message_guid=PROVIDER, pid=3, tid=4)
    event, = replayed(trace)
    assert (event["ProviderId"], event["Id"], event["UserData"]) == (PROVIDER, 17, "01000000")
    assert "WPP" in event["EventPropertiesError"]
    assert (event["ProcessId"], event["ThreadId"]) == (3, 4)


def test_cpu_times_are_not_invented(replayed):
    trace = Trace()
    trace.event(PROVIDER, flags=2, kernel_time=7, user_time=1)
    trace.event(PROVIDER, flags=0x10)
    private, without = replayed(trace)
    assert private["ProcessorTime"] == 1 << 32 | 7 and "KernelTime" not in private
    assert not {"KernelTime", "UserTime", "ProcessorTime"} & set(without)


def test_times_keep_100_ns_and_raw_ticks_stay_raw(replayed):
    trace = Trace(frequency=3_000_000)
    trace.event(PROVIDER, time=trace.at(1) + 1)
    event, = replayed(trace)
    assert event["TimeStamp"] == "2024-05-01T12:00:01.0000003Z"
    event, = replayed(trace, "--raw-time")
    assert event["TimeStamp"] == trace.at(1) + 1


def test_an_event_can_be_traced_to_its_schema(tool, tmp_path):
    trace = Trace()
    trace.tracelogging("P", "E", [field("A", "u32", 1)])
    trace.write(tmp_path / "a.etl")
    event = tool.events(tmp_path / "a.etl", "--schema-hash", "--provider", "P")[0]
    listed = tool("etw-replay", "schemas", "--json", tmp_path / "a.etl").stdout.splitlines()
    schemas = {schema["SchemaHash"]: schema for schema in map(json.loads, listed)}
    assert schemas[event["SchemaHash"]]["EventName"] == "E"
    assert [p["Name"] for p in schemas[event["SchemaHash"]]["Properties"]] == ["A"]


def test_losses_stand_in_the_stream(tool, tmp_path):
    trace = Trace(processors=1, buffer_size=512)
    for number in range(30):
        trace.event(PROVIDER, id=number, data=bytes(100))
    damaged = bytearray(trace.bytes())
    damaged[512 * 3 + 72:512 * 4] = b"\xee" * (512 - 72)
    (tmp_path / "a.etl").write_bytes(damaged)
    done = tool("etw-replay", tmp_path / "a.etl", status=3)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    loss, = [line["Loss"] for line in lines if "Loss" in line]
    assert loss["Cause"] == "damaged" and "0x600" in loss["Detail"]
    assert b"missing" in done.stderr


def test_every_event_of_the_corpus_is_valid_json(native_tool, corpus):
    for path in sorted(corpus().glob("*.etl")):
        for threads in ("0", "2"):
            output = native_tool("etw-replay", path, "--threads", threads, status=status_of(path)).stdout
            count = 0
            for line in output.decode("utf-8").splitlines():
                event = json.loads(line)
                assert "Loss" in event or list(event)[0] == "TimeStamp"
                count += 1
            if threads == "0":
                expected, first = count, output
        assert (count, output) == (expected, first), path.name
