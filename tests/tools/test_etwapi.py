"""The drop-in ETW API as a consumer sees it: a program written against Windows' documentation (tests/etwapi), under Wine."""
import datetime
import json
import uuid

import pytest
from etlwriter import Trace, field, process_start_key, provider_guid, sid, structure

from conftest import CORPUS

PROVIDER = "Tests.Etwapi"
PROVIDER_ID = "{%s}" % uuid.UUID(bytes_le=provider_guid(PROVIDER))
MANIFESTS = CORPUS / "manifests"
EVENTS = 600


def run_to_its_end(tool, name, *arguments, status=0, env):
    """Runs a program again whose exit status was lost: Wine 8's loader now and then fails an assertion of its own
    (dl-fini.c) after the program has ended, about once in 250 runs on a busy machine."""
    for _ in range(3):
        done = tool(name, *arguments, status=None, env=env)
        if not (done.returncode == 127 and b"dl-fini.c" in done.stderr):
            break
    assert done.returncode == status, done.stderr.decode(errors="replace")
    return done


@pytest.fixture
def consumer(windows_tool):
    """Runs the consumer; gives the events it printed and, last, how it ended."""
    def run(*arguments, status=0, **env):
        done = run_to_its_end(windows_tool, "tests/etwapi_consumer", *arguments, status=status, env=env)
        *events, end = [json.loads(line) for line in done.stdout.splitlines()]
        return events, end

    return run


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A trace with two levels, three keywords, and two kinds of extended items in turn."""
    trace = Trace()
    for i in range(EVENTS):
        trace.tracelogging(PROVIDER, "Counted", [field("Count", "u32", i)], level=2 + 2 * (i % 2), keyword=1 << i % 3,
                           items=[sid("S-1-5-18"), process_start_key(i)])
    path = tmp_path_factory.mktemp("etwapi") / "small.etl"
    trace.write(path)
    return path


def filetime(text):
    """An etw-replay time as 100 ns since 1601."""
    whole, fraction = text.rstrip("Z").split(".")
    seconds = datetime.datetime.fromisoformat(whole) - datetime.datetime(1601, 1, 1)
    return int(seconds.total_seconds()) * 10**7 + int(fraction)


HEADER = ["ProviderId", "Id", "Version", "Channel", "Level", "Opcode", "Task", "Keyword", "ProcessId", "ThreadId", "Flags"]


def as_seen(event):
    """What etw-replay prints, as the consumer prints it."""
    seen = {key: event[key] for key in HEADER}
    seen["TimeStamp"] = filetime(event["TimeStamp"])
    if "EventPropertiesError" not in event:
        seen["EventProperties"] = event.get("EventProperties", {})
    return seen


def compare(got, expected):
    assert len(got) == len(expected)
    for event, wanted in zip(got, map(as_seen, expected)):
        assert {key: event.get(key) for key in wanted} == wanted


def counts(events):
    """The Count of each event of the small trace; the header of the trace left out."""
    return [int(e["EventProperties"]["Count"]) for e in events if e["ProviderId"] == PROVIDER_ID]


# --- files ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, manifest", [
    ("BondEtwSample.etl", None), ("HTTP_Server.etl", "Tx-HTTP_Server.man"), ("JohnLudlow__PerfViewData.etl", None),
    ("Process.etl", "Tx-SystemEvents.man"), ("SelfDescribingSingleEvent.etl", None), ("gcevents.etl", "ClrEtwAll.man"),
    ("SIH.20230422.034724.362.1.etl", None), ("image_data_64_v1.etl", None), ("lxcore_kernel.etl", None),
    ("primitive-types.etl", None), ("process_data_32_v3.etl", None), ("waasmedic.20251005_113019_195.etl", None)])
def test_a_consumer_sees_what_replay_prints(consumer, native_tool, corpus, name, manifest):
    options = ["--manifest", MANIFESTS / manifest] if manifest else []
    words = ["manifest=%s" % (MANIFESTS / manifest)] if manifest else []
    got, end = consumer("file", corpus(name), *words)
    assert end == {"ProcessTrace": 0, "CloseTraceInCallback": 0, "CloseTrace": 0, "EventsLost": 0}
    compare(got, [e for e in native_tool.events(corpus(name), "--exact", *options, status=None) if "ProviderId" in e])


def test_nested_properties_arrive(consumer, native_tool, tmp_path):
    trace = Trace()
    trace.tracelogging(PROVIDER, "Nested", [
        structure("Outer", field("Name", "utf16z", "a\u20acb"), structure("Inner", field("Port", "u16", 443))),
        field("List", "u32", [1, 2, 3]), field("Text", "utf16", "counted"), field("Raw", "binary", b"\x01\x02")])
    trace.write(tmp_path / "nested.etl")
    got, _ = consumer("file", tmp_path / "nested.etl")
    compare(got, native_tool.events(tmp_path / "nested.etl", "--exact"))
    assert got[-1]["EventProperties"]["List"] == ["1", "2", "3"]


def test_a_recorded_file_is_opened_as_well(consumer, native_tool, small, tmp_path):
    native_tool("etw-record", "--input", small, "-o", tmp_path / "small.etwcap")
    assert consumer("file", tmp_path / "small.etwcap") == consumer("file", small)


def test_ansi_and_wide_forms_are_alike(consumer, small):
    assert consumer("file", small, "ansi") == consumer("file", small)


def test_raw_time_stamps_are_ticks(consumer, small):
    # The made-up clock runs at 10 MHz from 0: one tick is 100 ns.
    cooked, _ = consumer("file", small)
    raw, _ = consumer("file", small, "raw")
    assert len({c["TimeStamp"] - r["TimeStamp"] for c, r in zip(cooked, raw)}) == 1
    assert raw[0]["TimeStamp"] < cooked[0]["TimeStamp"]


def test_start_and_end_time_choose_events(consumer, small):
    times = [e["TimeStamp"] for e in consumer("file", small)[0]]
    got, _ = consumer("file", small, "from=%d" % times[10], "to=%d" % times[20])
    assert [e["TimeStamp"] for e in got] == times[10:21]


def test_the_classic_callback_gets_each_event(consumer, native_tool, corpus):
    trace = corpus("process_data_32_v3.etl")
    got, _ = consumer("file", trace, "classic")
    expected = native_tool.events(trace)
    keys = ["ProviderId", "Version", "Level", "Opcode", "ProcessId", "ThreadId"]
    assert [[e[k] for k in keys] for e in got] == [[e[k] for k in keys] for e in expected]
    assert all(e["MofLength"] > 0 for e in got)


def test_a_missing_file_is_told(consumer):
    assert consumer("file", "no-such.etl", status=1) == ([], {"OpenTrace": 2})


# --- sessions ------------------------------------------------------------------------------------

@pytest.fixture
def live(consumer, small):
    """Runs the consumer on a session over the small trace; the session ends with the trace."""
    def run(*, level=0, any=0, all=0, properties=0, words=(), trace=small, **env):
        return consumer("live", PROVIDER_ID, level, any, all, properties, *words, ETWAPI_TRACE=str(trace), **env)

    return run


@pytest.mark.parametrize("choice, wanted", [
    ({}, lambda i: True),
    ({"level": 3}, lambda i: i % 2 == 0),
    ({"level": 1}, lambda i: False),
    ({"any": 0b011}, lambda i: i % 3 != 2),
    ({"any": 0b111, "all": 0b100}, lambda i: i % 3 == 2),
    ({"all": 0b100}, lambda i: True),  # MatchAllKeyword is not used without MatchAnyKeyword
    ({"level": 2, "any": 0b001}, lambda i: i % 6 == 0)])
def test_level_and_keywords_choose_events(live, choice, wanted):
    events, end = live(**choice)
    assert counts(events) == [i for i in range(EVENTS) if wanted(i)]
    assert end["ProcessTrace"] == 0


def test_an_expression_chooses_what_sessions_deliver(live):
    assert counts(live(ETWAPI_WHERE="Count in (1, 3..4) and ProcessId > 0")[0]) == [1, 3, 4]
    assert counts(live(level=3, ETWAPI_WHERE="Count < 6")[0]) == [0, 2, 4]


def test_filter_off_delivers_everything(live):
    assert counts(live(level=1, ETWAPI_FILTER="off")[0]) == list(range(EVENTS))


SID, PROCESS_START_KEY = 2, 13  # EVENT_HEADER_EXT_TYPE_...


@pytest.mark.parametrize("properties, items", [(0, set()), (0x1, {SID}), (0x80, {PROCESS_START_KEY}),
                                               (0x81, {SID, PROCESS_START_KEY})])
def test_enable_properties_choose_extended_items(live, properties, items):
    events, _ = live(properties=properties)
    for event in events:
        assert set(event["Items"]) & {SID, PROCESS_START_KEY} == items


def test_lost_events_are_counted_and_not_delivered(live):
    events, end = live(ETWAPI_LOSE="10")
    assert end["EventsLost"] == EVENTS // 10
    assert len(events) == EVENTS - end["EventsLost"]


def test_lost_buffers_hold_no_events(live):
    assert live(ETWAPI_LOSE_BUFFERS="1")[0] == []


def test_a_session_has_the_header_event_on_demand_alone(live):
    assert len(live()[0]) == EVENTS
    assert len(live(ETWAPI_HEADER_EVENT="on")[0]) == EVENTS + 1


def test_a_stop_from_another_thread_ends_processing(live):
    events, end = live(words=["stop-after=%d" % EVENTS], ETWAPI_AT_END="wait")
    assert counts(events) == list(range(EVENTS))
    assert end["ProcessTrace"] == 0


def test_closing_in_the_callback_ends_processing_with_what_is_buffered(live):
    events, end = live(words=["close-after=5"], ETWAPI_AT_END="wait")
    assert 5 < len(events) < EVENTS  # what is in the buffer, of 256 events with the header
    assert (end["CloseTraceInCallback"], end["ProcessTrace"], end["CloseTrace"]) == (7007, 0, 6)


def test_a_paced_session_can_be_stopped_while_it_waits(live, tmp_path):
    trace = Trace()
    for second in (1, 1_000_000):
        trace.tracelogging(PROVIDER, "Counted", [field("Count", "u32", second)], time=trace.at(second))
    trace.write(tmp_path / "slow.etl")
    # At this pace the second event is due after 1000 seconds; the first one after a millisecond.
    events, end = live(words=["stop-after=1"], trace=tmp_path / "slow.etl", ETWAPI_SPEED="1000")
    assert counts(events) == [1]
    assert end["ProcessTrace"] == 0
    events, _ = live(trace=tmp_path / "slow.etl", ETWAPI_SPEED="1e9")
    assert counts(events) == [1, 1_000_000]


def test_ansi_names_open_the_session(live):
    assert counts(live(words=["ansi"])[0]) == list(range(EVENTS))


def test_the_classic_callback_works_live(live):
    assert len(live(words=["classic"])[0]) == EVENTS


def test_a_session_over_no_trace_is_told(consumer):
    assert consumer("live", PROVIDER_ID, 0, 0, 0, 0, status=1, ETWAPI_TRACE="no-such.etl")[1] == {"OpenTrace": 2}


def test_denied_sessions_are_refused(consumer, small):
    _, end = consumer("live", PROVIDER_ID, 0, 0, 0, 0, status=1, ETWAPI_TRACE=str(small), ETWAPI_DENY="start")
    assert end == {"OpenTrace": 5}


# --- result codes --------------------------------------------------------------------------------

def test_results_are_those_of_the_documentation(windows_tool, small):
    for program in ("checks", "tdh_results"):
        run_to_its_end(windows_tool, "tests/etwapi_" + program, env={"ETWAPI_TRACE": str(small)})


@pytest.mark.parametrize("checks", ["consumer", "query", "tdh"])
def test_consumers_of_others_are_served_as_documented(windows_tool, small, checks):
    run_to_its_end(windows_tool, "tests/etwapi_%s_checks" % checks, env={"ETWAPI_TRACE": str(small)})


@pytest.mark.parametrize("checks", ["classic", "provider"])
def test_providers_are_told_and_answered_as_documented(windows_tool, checks):
    run_to_its_end(windows_tool, "tests/etwapi_%s_checks" % checks, env={})
