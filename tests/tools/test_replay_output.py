"""The formats besides JSON, and how the tool behaves: filters, pipes, exit statuses, wrong usage."""
import csv
import io
import json
import re
import struct
import subprocess
import xml.etree.ElementTree

import pcapng_reader
import pytest

from conftest import ROOT, need_program
from etlwriter import Trace, field, related_activity, session_id, sid, structure

ONE, TWO = "{11111111-2222-3333-4444-555555555555}", "{aaaaaaaa-2222-3333-4444-555555555555}"
TRACES = "{http://schemas.microsoft.com/win/2004/08/events/trace}"
EVENTS = "{http://schemas.microsoft.com/win/2004/08/events/event}"


@pytest.fixture
def trace(tmp_path):
    """Ten events of two providers, a second apart, and a self-describing one at the end."""
    made = Trace()
    for number in range(10):
        made.event(TWO if number % 3 == 0 else ONE, id=number, data=b"x", level=number % 6, pid=100 + number % 2,
                   time=made.at(number))
    made.tracelogging("Named.Provider", "Hello", [
        field("Text", "utf16z", "a \"b\" <c> & \u00e9\x1b[31m\n"), structure("Peer", field("Port", "u16", 0xBB01, out="port")),
        field("List", "u32", [1, 2])], items=[related_activity(ONE), session_id(2)], level=5, pid=7, time=made.at(20))
    made.write(tmp_path / "a.etl")
    return tmp_path / "a.etl"


@pytest.fixture
def recorded(native_tool, trace, tmp_path):
    native_tool("etw-record", "--input", trace, "-o", tmp_path / "a.etwcap", "-q", "--format", "1.0")
    return tmp_path / "a.etwcap"


@pytest.mark.parametrize("options, ids", [
    (["--provider", ONE], [1, 2, 4, 5, 7, 8]),
    (["--provider", ONE.upper().strip("{}")], [1, 2, 4, 5, 7, 8]),
    (["--provider", "named.PROVIDER", "--provider", TWO], [0, 3, 6, 9, 0]),
    (["--provider", "No.Such"], []),
    (["--id", "3,4", "--id", "8"], [3, 4, 8]),
    (["--level", "1", "--provider", ONE], [1, 7]),
    (["--level", "error", "--provider", ONE], [1, 2, 7, 8]),
    (["--pid", "101"], [1, 3, 5, 7, 9]),
    (["--since", "2024-05-01T12:00:08Z", "--provider", ONE], [8]),
    (["--until", "2024-05-01 12:00:02", "--provider", ONE], [1]),
    (["--since", "+4s", "--until", "+5.5", "--pid", "100,101"], [4, 5]),
    (["--provider", ONE, "--head", "2"], [1, 2]),
])
def test_filters_choose_events(tool, trace, recorded, options, ids):
    for path in (trace, recorded):
        assert [event["Id"] for event in tool.events(path, *options)] == ids


def test_text_is_one_safe_line_per_event(tool, trace):
    lines = tool("etw-replay", trace, "--format", "text").stdout.decode().splitlines()
    assert len(lines) == 12
    assert lines[-1].startswith("2024-05-01T12:00:20.0000000Z 7.8 [0] Verbose Named.Provider/Hello ")
    assert "\\x1b[31m\\n" in lines[-1] and "\x1b" not in lines[-1]
    assert "Peer={Port=443}" in lines[-1] and "List=[1 2]" in lines[-1] and "SessionID=2" in lines[-1]


def test_csv_has_the_same_columns_in_each_row(tool, trace):
    rows = list(csv.DictReader(io.StringIO(tool("etw-replay", trace, "--format", "csv").stdout.decode(), newline="")))
    assert len(rows) == 12 and all(None not in row and None not in row.values() for row in rows)
    last = rows[-1]
    assert (last["ProviderName"], last["EventName"], last["ProcessId"]) == ("Named.Provider", "Hello", "7")
    assert json.loads(last["EventProperties"])["Peer"] == {"Port": "443"}
    assert json.loads(last["ExtendedInfo"])["SessionID"] == 2
    assert rows[1]["UserData"] == "78" and rows[1]["EventPropertiesError"] == "no schema"


def test_xml_is_well_formed_and_holds_the_values(tool, trace):
    root = xml.etree.ElementTree.fromstring(tool("etw-replay", trace, "--format", "xml").stdout)
    events = root.findall(EVENTS + "Event")
    assert len(events) == 12
    system, data = events[-1].find(EVENTS + "System"), events[-1].find(EVENTS + "EventData")
    assert system.find(EVENTS + "Provider").get("Name") == "Named.Provider"
    assert system.find(EVENTS + "Correlation").get("RelatedActivityID") == ONE
    values = {value.get("Name"): value.text for value in data.findall(EVENTS + "Data")}
    assert values["Text"] == "a \"b\" <c> & \u00e9\ufffd[31m\n"
    assert data.find(EVENTS + "ComplexData").find(EVENTS + "Data").text == "443"
    assert [value.text for value in data.findall(EVENTS + "Data") if value.get("Name") == "List"] == ["1", "2"]


def test_xml_is_tracerpts_and_eventviewer_is_raw(native_tool, tmp_path):
    """The rules of TEXT.md, \"XML of Windows' tools\"."""
    out = Trace(utc_bias_minutes=-120, timer_resolution=156250)
    image_unload = struct.pack("<QQIIIBBHQIIII", 1 << 40, 4096, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) + "a.dll\0".encode("utf-16-le")
    out.system(20, 2, image_unload, version=3, pid=7, kernel_time=1, time=out.at(1))
    out.tracelogging("P", "E", [field("Status", "u32", 0xC0000022, "ntstatus"), field("Hex", "hex32", 0xABC),
                                field("When", "filetime", 133590384000000001), field("Hidden", "u32", 5, "noprint")],
                     items=[sid("S-1-5-18")], time=out.at(2))
    out.write(tmp_path / "a.etl")

    def events(form):
        root = xml.etree.ElementTree.fromstring(native_tool("etw-replay", tmp_path / "a.etl", "--format", form).stdout)
        return root.findall(EVENTS + "Event")[1:]

    image, logged = events("xml")
    system = image.find(EVENTS + "System")
    assert system.find(EVENTS + "Provider").attrib == {"Guid": "{9e814aad-3204-11d2-9a82-006008a86939}"}
    assert system.find(EVENTS + "TimeCreated").get("SystemTime") == "2024-05-01T14:00:01.000000000+02:00"
    assert system.find(EVENTS + "Correlation").get("ActivityID") == "{00000000-0000-0000-0000-000000000000}"
    assert system.find(EVENTS + "Execution").get("KernelTime") == "15"
    assert system.find(EVENTS + "Channel").text is None and system.find(EVENTS + "Computer").text is None
    info = image.find(EVENTS + "RenderingInfo")
    assert info.find(EVENTS + "Provider").text == "MSNT_SystemTrace" and info.find(TRACES + "EventName").text == "Image"
    guid = image.find(TRACES + "ExtendedTracingInfo").find(TRACES + "EventGuid")
    assert guid.text == "{2cb15d1d-5fc1-11d2-abe1-00a0c911f518}"
    texts = {data.get("Name"): data.text for data in logged.find(EVENTS + "EventData")}
    assert set(texts) == {"Status", "Hex", "When"} and texts["Hex"] == "0xABC" and not texts["Status"].isdigit()

    _, logged = events("eventviewer")
    system = logged.find(EVENTS + "System")
    assert system.find(EVENTS + "TimeCreated").get("SystemTime") == "2024-05-01T12:00:02.0000000Z"
    assert system.find(EVENTS + "Correlation").attrib == {}
    assert system.find(EVENTS + "Security").get("UserID") == "S-1-5-18"
    texts = {data.get("Name"): data.text for data in logged.find(EVENTS + "EventData")}
    assert texts == {"Status": "3221225506", "Hex": "0xabc", "When": "2024-05-01T12:00:00.0000001Z", "Hidden": "5"}


def test_tshark_reads_the_pcapng(tool, trace, tmp_path):
    tshark = need_program("tshark")
    tool("etw-replay", "export", trace, "-o", tmp_path / "a.pcapng", "--provider", "Named.Provider", "--provider", ONE)
    done = subprocess.run([tshark, "-r", tmp_path / "a.pcapng", "-T", "json"], stdout=subprocess.PIPE, check=True)
    packets = [packet["_source"]["layers"] for packet in json.loads(done.stdout)]
    assert len(packets) == 7
    header = packets[-1]["ETW Header"]
    assert header["etw.provider_name"] == "Named.Provider"
    assert header["etw.message"].startswith("Hello {\"Text\":\"a ") and "\"Peer\":{\"Port\":\"443\"}" in header["etw.message"]
    assert packets[-1]["frame"]["frame.time_epoch"].startswith("1714564820.0000000")
    assert packets[-1]["frame"]["frame.interface_id_tree"]["frame.interface_name"] == "ETW"


def test_every_trace_of_the_corpus_is_a_valid_pcapng(native_tool, corpus, tmp_path):
    tshark = need_program("tshark")
    for name in ("demikernel__PktMon.etl", "ebpforwindows.etl", "net.4.5.2.x64.etl", "MIDI__TraceCaptureFile.etl"):
        native_tool("etw-replay", "export", corpus(name), "-f", "-o", tmp_path / "a.pcapng", "--head", "3000", "-q")
        done = subprocess.run([tshark, "-r", tmp_path / "a.pcapng", "-T", "fields", "-e", "frame.number", "-e", "_ws.malformed"],
                              stdout=subprocess.PIPE, check=True)
        lines = done.stdout.decode().splitlines()
        count = len(native_tool("etw-replay", corpus(name), "--head", "3000").stdout.splitlines())
        assert len(lines) == count and not any(line.split("\t")[1:] not in ([], [""]) for line in lines), name


def test_the_layout_of_2026_has_items_and_properties(tool, trace, tmp_path):
    tool("etw-replay", "export", trace, "-o", tmp_path / "a.pcapng", "--pcapng-layout", "2026")
    found = [pcapng_reader.event(packet) for packet in pcapng_reader.packets(tmp_path / "a.pcapng")]
    assert [event["id"] for event in found[1:]] == list(range(10)) + [0]
    last = found[-1]
    assert last["provider"] == "Named.Provider" and last["message"].startswith("Hello {")
    assert last["properties"] == {"Text": "a \"b\" <c> & \u00e9\x1b[31m\n", "Peer.Port": "443", "List.Count": "2", "List[0]": "1", "List[1]": "2"}
    assert {kind for kind, _ in last["items"]} == {1, 3, 11, 12} and last["time"] == 133590384200000000
    assert found[1]["data"] == b"x" and found[1]["properties"] == {}


def test_the_layout_of_2026_holds_all_events_of_real_traces(native_tool, corpus, tmp_path):
    for name in ("demikernel__PktMon.etl", "MIDI__TraceCaptureFile.etl", "net.4.5.2.x64.etl"):
        native_tool("etw-replay", "export", corpus(name), "-f", "-q", "--head", "3000", "--pcapng-layout", "2026", "-o", tmp_path / "a.pcapng")
        lines = [json.loads(line) for line in native_tool("etw-replay", corpus(name), "--head", "3000").stdout.splitlines()]
        found = [pcapng_reader.event(packet) for packet in pcapng_reader.packets(tmp_path / "a.pcapng")]
        assert [event["Id"] for event in lines] == [event["id"] for event in found]
        for event, other in zip(lines, found):
            for property, value in event.get("EventProperties", {}).items():
                if isinstance(value, str) and len(value) < 1000 and property in other["properties"] and not re.search("[\ud800-\udfff]", value):
                    assert other["properties"][property] == value.rstrip("\0")


@pytest.mark.parametrize("threads", ["0", "1", "3"])
@pytest.mark.parametrize("form", ["json", "text", "xml", "csv", "pcapng"])
def test_the_bytes_do_not_depend_on_the_threads(tool, trace, form, threads, tmp_path):
    alone = tool("etw-replay", trace, "--format", form, "-o", tmp_path / "a", "-f")
    tool("etw-replay", trace, "--format", form, "-o", tmp_path / "b", "-f", "--threads", threads)
    assert alone.stdout == b"" and (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_bytes_do_not_depend_on_the_threads_for_many_blocks_either(native_tool, tmp_path):
    trace = Trace(buffer_size=65536)
    for number in range(20000):
        trace.tracelogging("P", "E", [field("Number", "u32", number), field("Text", "utf8", "x" * (number % 200))],
                           pid=number % 7)
    trace.write(tmp_path / "a.etl")
    native_tool("etw-record", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap", "-q")
    for options in ([], ["--pid", "3"], ["--head", "12345"], ["--provider", "P", "--format", "csv"]):
        for path in (tmp_path / "a.etl", tmp_path / "a.etwcap"):
            alone = native_tool("etw-replay", path, *options).stdout
            assert native_tool("etw-replay", path, *options, "--threads", "3").stdout == alone


def test_a_reader_that_goes_away_is_no_failure(native_tool, tmp_path):
    trace = Trace(buffer_size=65536)
    for number in range(60000):
        trace.event(ONE, id=1, data=bytes(40))
    trace.write(tmp_path / "a.etl")
    process = subprocess.Popen(native_tool.words("etw-replay", tmp_path / "a.etl"), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    assert (process.wait(), errors) == (0, b"")


@pytest.mark.parametrize("threads", [0, 1])
def test_what_a_pipe_gave_is_printed_before_more_comes(tool, recorded, threads):
    """A recorder's stream: what it sent is seen, though its end, or more events, may be long in coming."""
    with subprocess.Popen(tool.words("etw-replay", "--threads", threads, "-"), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, env=tool.environment()) as replay:
        replay.stdin.write(recorded.read_bytes()[:-1])
        replay.stdin.flush()
        lines = [replay.stdout.readline() for _ in range(12)]
        replay.stdin.close()
        assert [json.loads(line)["Id"] for line in lines] == [0, *range(10), 0]


def test_stdin_can_be_either_kind_of_file(tool, trace, recorded):
    for path in (trace, recorded):
        assert tool("etw-replay", "-", input=path.read_bytes()).stdout == tool("etw-replay", path).stdout


@pytest.mark.parametrize("arguments, words", [
    ([], b"no trace given"),
    (["--no-such-option", "a.etl"], b"--no-such-option"),
    (["--id", "x", "a.etl"], b"--id 'x'"),
    (["--id", "65536", "a.etl"], b"65535"),
    (["--since", "yesterday", "a.etl"], b"--since 'yesterday'"),
    (["--format", "yaml", "a.etl"], b"yaml"),
    (["repack", "a.etl", "b.etl", "-o", "c.etwcap"], b"b.etl"),
    (["cut", "a.etl"], b"-o"),
    (["repack", "a.etl", "-o", "b", "--compression", "20"], b"19"),
    (["info", "--provider", "x", "a.etl"], b"--provider"),
])
def test_wrong_usage_is_status_2_and_says_which_option(tool, arguments, words):
    done = tool("etw-replay", *arguments, status=2)
    assert words in done.stderr and done.stdout == b""


def test_failures_are_status_1_and_name_the_file(tool, tmp_path):
    (tmp_path / "text.etl").write_bytes(b"this is no trace at all" * 100)
    (tmp_path / "empty.etl").write_bytes(b"")
    for name in ("missing.etl", "text.etl", "empty.etl"):
        done = tool("etw-replay", tmp_path / name, status=1)
        assert name.encode() in done.stderr and done.stdout == b""


def test_an_existing_file_is_not_replaced_unasked(tool, trace, tmp_path):
    (tmp_path / "out.json").write_bytes(b"precious")
    done = tool("etw-replay", trace, "-o", tmp_path / "out.json", status=1)
    assert b"--force" in done.stderr and (tmp_path / "out.json").read_bytes() == b"precious"
    tool("etw-replay", trace, "-o", tmp_path / "out.json", "--force")
    assert json.loads((tmp_path / "out.json").read_bytes().splitlines()[0])


@pytest.mark.parametrize("verb", ["cat", "export", "info", "schemas", "verify", "recover", "cut", "merge", "repack", "diff"])
def test_each_verb_has_help(native_tool, verb):
    text = native_tool("etw-replay", verb, "--help").stdout.decode()
    assert text.startswith("Usage: etw-replay " + verb) and "Exit status" in text
    assert max(map(len, text.splitlines())) <= 120


def test_the_man_page_tells_every_verb_and_option(native_tool):
    page = (ROOT / "replay" / "command" / "etw-replay.1").read_text().replace("\\-", "-")
    for verb in ("cat", "export", "info", "schemas", "verify", "recover", "cut", "merge", "repack", "diff"):
        assert re.search(r"^\.BI %s " % verb, page, re.M), verb
        for option in re.findall(r"--[a-z-]+", native_tool("etw-replay", verb, "--help").stdout.decode()):
            assert option in page, option
