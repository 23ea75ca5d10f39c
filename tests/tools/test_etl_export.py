"""Traces written as .etl: read by the tests' own second reader, and checked as files that Windows' relogger writes."""
import random
import struct

import etl_oracle
import pytest
from etlwriter import CLOCK_CYCLES, CLOCK_QPC, CLOCK_SYSTEM, MODE_COMPRESSED, Trace, field, guid, session_id
from random_traces import random_trace

MANIFEST = """<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"><instrumentation><events>
<provider name="Made-By-Manifest" guid="{11112222-3333-4444-5555-666677778888}" symbol="P" messageFileName="x" resourceFileName="x">
<templates><template tid="T"><data name="Color" inType="win:UInt32" map="Colors"/><data name="Text" inType="win:UnicodeString"/></template></templates>
<maps><valueMap name="Colors"><map value="1" message="$(string.red)"/><map value="2" message="$(string.blue)"/></valueMap></maps>
<events><event value="7" symbol="E" template="T"/></events>
</provider></events></instrumentation>
<localization><resources culture="en-US"><stringTable><string id="red" value="Red"/><string id="blue" value="Blue"/></stringTable>
</resources></localization></instrumentationManifest>"""


def export(tool, trace, out, *options, status=0):
    done = tool("etw-replay", "export", trace, "-f", "-q", "-o", out, *options, status=status)
    if status in (0, 3):
        check_form(out)
    return done.stderr.decode()


def check_form(path):
    """What all files of Windows' relogger have in common: those of one buffer size, and those of compressed buffers."""
    data = path.read_bytes()
    size, = struct.unpack_from("<I", data, 0x68)
    layout, = struct.unpack_from("<I", data, 0x68 + 4)
    end, mode, written = (struct.unpack_from(form, data, 0x68 + at)[0] for form, at in (("<q", 16), ("<I", 32), ("<I", 36)))
    compressed = mode & MODE_COMPRESSED != 0
    assert size % 1024 == 0 and layout >> 16 == (0x0002 if compressed else 0x0501) and mode & 0x00010001 == 0x00010001 and end > 0
    at = 0
    for index in range(written):
        stored, saved, current = struct.unpack_from("<III", data, at)
        sequence, = struct.unpack_from("<q", data, at + 0x18)
        used, flags, kind = struct.unpack_from("<IHH", data, at + 0x30)
        assert saved == used <= size and used % 8 == 0 and sequence == index
        assert (kind, current) == ((4, 0) if index == 0 else (0, used + stored))
        assert flags & 1 == (index in (0, written - 1))
        if not compressed:
            assert stored == size
        elif index == 0:
            assert stored % 0x200 == 0 and flags & 0x40 == 0
        else:
            assert stored < used if flags & 0x40 else stored == used
        assert flags & 0x40 or set(data[at + used:at + stored]) <= {0xFF}
        at += stored
    assert at == len(data)


def same_records(source, copy):
    """All but the log-file header, which tells of the new file."""
    before, after = list(etl_oracle.lines(source)), list(etl_oracle.lines(copy))
    assert len(before) == len(after) > 0
    for one, other in zip(before[1:], after[1:]):
        assert one == other


@pytest.mark.parametrize("seed", range(16))
def test_records_are_the_same_in_the_same_order(native_tool, tmp_path, seed):
    trace, _ = random_trace(random.Random(seed))
    trace.write(tmp_path / "a.etl")
    for options in ([], ["--compressed-buffers"]):
        export(native_tool, tmp_path / "a.etl", tmp_path / "b.etl", *options)
        same_records(tmp_path / "a.etl", tmp_path / "b.etl")


@pytest.mark.parametrize("clock", [CLOCK_QPC, CLOCK_SYSTEM, CLOCK_CYCLES])
@pytest.mark.parametrize("pointer_size", [4, 8])
def test_equal_times_of_several_processors_keep_their_order(tool, tmp_path, clock, pointer_size):
    trace = Trace(processors=3, clock=clock, pointer_size=pointer_size)
    for number in range(60):
        trace.event(guid("{11111111-2222-3333-4444-555555555555}"), id=number, cpu=number * 7 % 3, time=trace.at(number // 20))
        if number % 5 == 0:
            trace.flush()
    trace.write(tmp_path / "a.etl")
    export(tool, tmp_path / "a.etl", tmp_path / "b.etl")
    same_records(tmp_path / "a.etl", tmp_path / "b.etl")


@pytest.mark.parametrize("clock", [CLOCK_QPC, CLOCK_SYSTEM])
def test_sessions_appended_to_a_file_keep_their_order(tool, tmp_path, clock):
    trace = Trace(processors=2, clock=clock)
    for number in range(24):
        trace.logger_id = (34, 38, 25)[number // 3 % 3]
        trace.event(guid("{11111111-2222-3333-4444-555555555555}"), id=number, cpu=number % 2, time=trace.at(number))
        if number % 3 == 2:
            trace.flush()
    trace.write(tmp_path / "a.etl")
    export(tool, tmp_path / "a.etl", tmp_path / "b.etl")
    same_records(tmp_path / "a.etl", tmp_path / "b.etl")
    assert [event["Id"] for event in tool.events(tmp_path / "b.etl")[1:]] == list(range(24))


def test_traces_of_the_corpus_are_the_same(native_tool, corpus, tmp_path):
    for name in ("gcevents.etl", "HTTP_Server.etl", "image_data_32_v1.etl", "waasmedic.20251005_113019_195.etl", "WsRm01.etl",
                 "JohnLudlow__PerfViewData.etl", "demikernel__PktMon.etl"):
        for options in ([], ["--compressed-buffers"]):
            export(native_tool, corpus(name), tmp_path / "b.etl", "--threads", "2", *options)
            same_records(corpus(name), tmp_path / "b.etl")


def test_an_etwcap_gives_the_etl_that_its_source_gives(tool, tmp_path):
    trace, _ = random_trace(random.Random(5))
    trace.write(tmp_path / "a.etl")
    tool("etw-record", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap", "-q")
    export(tool, tmp_path / "a.etl", tmp_path / "b.etl")
    export(tool, tmp_path / "a.etwcap", tmp_path / "c.ETL")
    assert (tmp_path / "b.etl").read_bytes() == (tmp_path / "c.ETL").read_bytes()


def test_a_cut_takes_the_schemas_along_that_came_from_elsewhere(tool, tmp_path):
    (tmp_path / "m.man").write_text(MANIFEST)
    trace = Trace()
    for number in range(6):
        trace.event("{11112222-3333-4444-5555-666677778888}", id=7, tid=number,
                    data=struct.pack("<I", 1 + number % 2) + "text\0".encode("utf-16-le"))
    trace.tracelogging("P", "E", [field("A", "u32", 1)])
    trace.write(tmp_path / "a.etl")
    export(tool, tmp_path / "a.etl", tmp_path / "b.etl", "--schemas", tmp_path / "m.man", "--where", "Id == 7 and ThreadId >= 2")
    events = tool.events(tmp_path / "b.etl", "--id", "7")
    assert [event["EventProperties"] for event in events] == [
        {"Color": "Red" if tid % 2 == 0 else "Blue", "Text": "text"} for tid in range(2, 6)]
    assert tool.events(tmp_path / "b.etl")[0]["EventName"] == "EventTrace/Header"


def test_records_that_fill_a_buffer_get_wider_ones(tool, tmp_path):
    trace = Trace(buffer_size=1 << 17)
    for size in (0xFFFF - 80, 65536 - 72 - 80, 1):
        trace.event(guid("{11111111-2222-3333-4444-555555555555}"), id=1, data=bytes(size))
    trace.write(tmp_path / "a.etl")
    export(tool, tmp_path / "a.etl", tmp_path / "b.etl")
    assert struct.unpack_from("<I", (tmp_path / "b.etl").read_bytes())[0] == 66560
    same_records(tmp_path / "a.etl", tmp_path / "b.etl")


def test_buffers_are_compressed(tool, tmp_path):
    """Matches of every form of length, at every distance; and bytes that no compression makes smaller."""
    chance = random.Random(1)
    trace = Trace(buffer_size=1 << 17)
    for length in (3, 9, 10, 11, 24, 25, 26, 279, 280, 281, 500, 20000):
        for distance in (1, 2, 3, 7, 8, 100, 8191, 8192, 8193):
            once = chance.randbytes(distance)
            trace.event(guid("{11111111-2222-3333-4444-555555555555}"), id=length, data=(once * (length // distance + 2))[:distance + length])
    for _ in range(4):
        trace.event(guid("{11111111-2222-3333-4444-555555555555}"), id=2, data=chance.randbytes(60000))
    trace.write(tmp_path / "a.etl")
    export(tool, tmp_path / "a.etl", tmp_path / "b.etl")
    export(tool, tmp_path / "a.etl", tmp_path / "c.etl", "--compressed-buffers")
    same_records(tmp_path / "a.etl", tmp_path / "c.etl")
    assert (tmp_path / "c.etl").stat().st_size < (tmp_path / "b.etl").stat().st_size


def test_sessions_of_several_numbers_are_compressed_into_one_file(native_tool, tmp_path):
    for number in (3, 40):
        trace = Trace(logger_id=number)
        for event in range(300):
            trace.event(guid("{11111111-2222-3333-4444-555555555555}"), id=number, time=trace.at(event), data=bytes(500))
        trace.write(tmp_path / ("%d.etl" % number))
    native_tool("etw-record", "--input", tmp_path / "3.etl", "--input", tmp_path / "40.etl", "-o", tmp_path / "a.etwcap", "-q")
    export(native_tool, tmp_path / "a.etwcap", tmp_path / "b.etl", "--compressed-buffers")
    ids = [event["Id"] for event in native_tool.events(tmp_path / "b.etl")]
    assert (ids.count(3), ids.count(40)) == (300, 300)


def test_losses_are_a_number_and_said(tool, tmp_path):
    trace = Trace(events_lost=17)
    trace.event(guid("{11111111-2222-3333-4444-555555555555}"))
    trace.write(tmp_path / "a.etl")
    told = export(tool, tmp_path / "a.etl", tmp_path / "b.etl", status=3)
    assert "1 loss told as a number in the header" in told
    assert struct.unpack_from("<I", (tmp_path / "b.etl").read_bytes(), 0x68 + 48)[0] == 17
    assert tool("etw-replay", tmp_path / "b.etl", status=3).stderr == tool("etw-replay", tmp_path / "a.etl", status=3).stderr


def test_traces_of_two_clocks_do_not_fit_into_one_file(tool, tmp_path):
    for name, frequency in (("a", 10_000_000), ("b", 3_000_000)):
        trace = Trace(frequency=frequency)
        trace.event(guid("{11111111-2222-3333-4444-555555555555}"), items=[session_id(1)])
        trace.write(tmp_path / (name + ".etl"))
    tool("etw-record", "--input", tmp_path / "a.etl", "--input", tmp_path / "b.etl", "-o", tmp_path / "both.etwcap", "-q")
    assert "one clock" in export(tool, tmp_path / "both.etwcap", tmp_path / "c.etl", status=1)
    assert not list(tmp_path.glob("c.etl*"))


def test_a_file_of_no_events_is_refused(tool, tmp_path):
    trace = Trace()
    trace.event(guid("{11111111-2222-3333-4444-555555555555}"))
    trace.write(tmp_path / "a.etl")
    assert "no event passed" in export(tool, tmp_path / "a.etl", tmp_path / "b.etl", "--where", "Id == 1 and Id == 2", status=1)
    assert not list(tmp_path.glob("b.etl*"))
