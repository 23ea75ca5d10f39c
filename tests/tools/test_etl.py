"""The reader of .etl files, through etl_dump: the corpus, files cut off and damaged, and what no trace holds."""
import json
import os
import re
import struct
import subprocess

import pytest

import etl_oracle
import etlwriter
from whole import NOT_CLOSED

TYPES = {"SYSTEM32": 1, "SYSTEM64": 2, "FULL_HEADER32": 10, "MESSAGE(WPP)": 15, "PERFINFO32": 16, "PERFINFO64": 17,
         "EVENT_HEADER32": 18, "EVENT_HEADER64": 19, "FULL_HEADER64": 20}


class Dump:
    """What etl_dump prints, taken apart."""

    def __init__(self, done):
        self.status, self.errors = done.returncode, done.stderr.decode()
        lines = done.stdout.decode().splitlines()
        self.events = [line for line in lines if line.startswith("event ")]
        self.losses = [line[5:] for line in lines if line.startswith("loss ")]
        self.types = {int(kind): int(count) for kind, count in
                      (line.split()[1:] for line in lines if line.startswith("type "))}
        self.counts = {name: int(value) for line in lines if line.startswith("records ")
                       for name, value in zip(line.split()[::2], line.split()[1::2])}


@pytest.fixture
def dump(tool):
    return lambda path, *options: Dump(tool("tests/etl_dump", path, *options, status=None))


def index(corpus):
    """{file name: ({header type: records}, buffers)} as the corpus' own list has them."""
    rows = {}
    for line in corpus().with_name("INDEX.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0].endswith(".etl") and len(cells) > 6:
            counts = re.findall(r"([A-Z]\S*) ([\d,]+)", cells[4].split(":", 1)[1])
            buffers = int(re.search(r"buf [\d,]+×([\d,]+)", cells[3]).group(1).replace(",", ""))
            rows[cells[0]] = {TYPES[name]: int(count.replace(",", "")) for name, count in counts}, buffers
    return rows


def test_every_trace_has_the_records_its_list_says(dump, corpus):
    expected = index(corpus)
    assert sorted(expected) == sorted(path.name for path in corpus().glob("*.etl"))
    for name, (types, buffers) in expected.items():
        found = dump(corpus(name))
        assert (found.types, found.counts["buffers"]) == (types, buffers), name
        if name in NOT_CLOSED:
            assert found.status == 3 and len(found.losses) == 1 and "not closed by its session" in found.losses[0], name
        else:
            assert (found.status, found.losses) == (0, []), name


def test_every_record_is_what_a_second_reader_reads(native_tool, corpus):
    for path in sorted(corpus().glob("*.etl")):
        found = Dump(native_tool("tests/etl_dump", path, "--records", status=None))
        assert found.events == etl_oracle.lines(path), path.name


CLASS = "{11111111-2222-3333-4444-555555555555}"
OTHER = "{aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee}"


def trace_of_all_kinds(**options):
    """A trace with each kind of record and extended item, on three processors, flushed in no good order."""
    trace = etlwriter.Trace(processors=3, **options)
    for width in (4, 8):
        many = dict(pebs=7, pmc=(1, 2, 3), pointer_size=width)
        for group, kind in ((3, 1), (3, 0x0A), (0x0F, 0x2E), (0x1E, 1), (0x55, 9)):
            trace.system(group, kind, b"system", kernel_time=3, user_time=4, cpu=1, **many)
            trace.compact(group, kind, b"compact", cpu=2, **many)
            trace.perfinfo(group, kind, b"perfinfo", cpu=0, **many)
        trace.full(CLASS, 7, b"full", version=3, level=4, pointer_size=width, cpu=1)
        trace.instance(CLASS, 8, b"instance", instance_id=5, parent_id=6, parent_class=OTHER, pointer_size=width)
        trace.message(11, b"abc", sequence=1, message_guid=OTHER, pid=1, tid=2, pointer_size=width, cpu=1)
        trace.message(12, b"", component=9, pointer_size=width, cpu=2)
        trace.event(CLASS, 1, b"", pointer_size=width, cpu=2)
        trace.flush(2)
        trace.event(CLASS, 2, b"x" * 4000, pointer_size=width, event_property=8, flags=0x10, items=[
            etlwriter.related_activity(OTHER), etlwriter.sid("S-1-5-18"), etlwriter.session_id(3),
            etlwriter.instance_info(1, 2, OTHER), etlwriter.stack32(1, [2, 3]), etlwriter.stack64(1, [4, 5]),
            etlwriter.pebs_index(6), etlwriter.pmc_counters([7, 8]), etlwriter.psm_key(9), etlwriter.event_key(10),
            etlwriter.process_start_key(11), etlwriter.control_guid(OTHER), etlwriter.qpc_delta(12),
            etlwriter.container_id(OTHER), etlwriter.stack_key32(1, 2), etlwriter.stack_key64(3, 4)])
        trace.tracelogging("A.Provider", "Name", [etlwriter.field("Count", "u32", 1)], cpu=1, pointer_size=width)
        trace.error(CLASS, data=b"error", cpu=1)
        trace.event(CLASS, 3, b"late", time=trace.start_ticks - 5, cpu=2)
    return trace


@pytest.mark.parametrize("options", [
    {}, {"compressed": True}, {"pointer_size": 4}, {"processor_index": False}, {"clock": etlwriter.CLOCK_SYSTEM},
    {"clock": etlwriter.CLOCK_CYCLES}, {"padding": 0xFF}, {"buffer_size": 1 << 20},
], ids=str)
def test_every_kind_of_record_is_read(dump, tmp_path, options):
    path = tmp_path / "all.etl"
    trace_of_all_kinds(**options).write(path)
    found = dump(path, "--records")
    assert (found.status, found.losses) == (0, [])
    assert found.events == etl_oracle.lines(path)
    assert sorted(found.types) == [1, 2, 3, 4, 10, 11, 13, 15, 16, 17, 18, 19, 20, 21]


def test_a_trace_can_come_through_a_pipe(tool, dump, tmp_path):
    path = tmp_path / "a.etl"
    trace_of_all_kinds().write(path)
    piped = Dump(tool("tests/etl_dump", "-", "--records", status=None, input=path.read_bytes()))
    assert piped.status == 0
    assert piped.events == dump(path, "--records").events


def test_a_cut_file_is_told_with_buffer_and_offset(dump, tmp_path):
    path = tmp_path / "a.etl"
    data = trace_of_all_kinds().bytes()
    path.write_bytes(data[:3 * 8192 + 500])
    found = dump(path, "--records")
    assert found.status == 3
    assert any(re.search(r"^cut off: buffer 3 at 0x6000: at 0x[0-9a-f]+: ", loss) for loss in found.losses)


def test_what_is_no_trace_is_an_error(dump, tmp_path):
    path = tmp_path / "a.etl"
    path.write_bytes(b"MZ" + bytes(1000))
    found = dump(path)
    assert found.status == 1
    assert "not a Windows event trace" in found.errors
    assert dump(tmp_path / "none.etl").status == 1


def test_a_file_that_was_not_closed_is_told_by_every_tool(tool, tmp_path):
    path, copy = tmp_path / "open.etl", tmp_path / "open.etwcap"
    trace = etlwriter.Trace(closed=False)
    for number in range(3):
        trace.event(CLASS, number)
        trace.flush()
    data = trace.bytes()
    path.write_bytes(data[:2 * 8192] + data[3 * 8192:])  # number 2 of the sequence is missing
    done = tool("etw-record", "--input", path, "-o", copy, status=3)
    for verb, file in (("verify", path), ("info", path), ("info", copy)):
        said = tool("etw-replay", verb, file, status=3).stdout.decode()
        assert "not closed by its session" in said and "; 1 missing in" in said, (verb, file)
    tool("etw-replay", "verify", copy, status=3)
    for file in (path, copy):
        assert len(tool.events(file, status=3)) == 4  # the log-file header event, two of the three, the loss
    assert b"missing; " in done.stderr


def test_losses_of_a_rotated_session_are_counted_once(tool, tmp_path):
    paths = []
    for number, lost in enumerate((0, 4, 4, 16)):
        trace = etlwriter.Trace(mode=8, events_lost=lost, session="rotated")
        trace.event(CLASS, number, time=trace.at(10 * number + 1))
        paths.append(tmp_path / ("trace_%d.etl" % number))
        trace.write(paths[-1])
    copy = tmp_path / "all.etwcap"
    # by time, whatever the order in which they are given
    tool("etw-record", *(word for path in (paths[2], paths[0], paths[3], paths[1]) for word in ("--input", path)),
         "-o", copy, status=3)
    info = json.loads(tool("etw-replay", "info", "--json", copy, status=3).stdout)
    assert (info["LostEvents"], info["LostUnknown"]) == (16, False)
    alone = tool("etw-replay", "verify", paths[3], status=3).stdout.decode()
    assert "up to 16 since the session began" in alone


def test_private_sessions_have_processor_time(tool, tmp_path):
    path = tmp_path / "private.etl"
    trace = etlwriter.Trace(mode=0x800)
    trace.event(CLASS, 1, kernel_time=1, user_time=2)
    trace.write(path)
    event = tool.events(path)[-1]
    assert event["ProcessorTime"] == 2 << 32 | 1 and "KernelTime" not in event


def run_limited(words, megabytes):
    """Runs a native program that may have so much address space and 60 seconds."""
    import resource  # not there on Windows
    limit = (megabytes << 20, megabytes << 20)
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit))


def bomb(buffers):
    """Compressed buffers of some 240 bytes that expand to 16 MiB of events each; all overlap in time."""
    trace = etlwriter.Trace(compressed=True)
    trace.event(CLASS, 1)
    data = trace.bytes()
    first, = struct.unpack_from("<I", data)
    events = [struct.pack("<HBBHHIIq", 8192, 19, 0xC0, 0, 0, 8, 4, time) + bytes(56) for time in (1, 2)]
    packed = b"".join(bytes(4) + event[at:at + 32] for event in events[:1] for at in (0, 32))
    # an event, zeros up to 8192 bytes (a match of distance 1), another one alike, and that again to the end
    fill, again = 8192 - 80, 2045 * 8192
    packed += struct.pack("<I", 0x00008000) + events[0][64:] + struct.pack("<HBBH", 7, 0xFF, 0xFF, fill - 3)
    packed += events[1][:15] + b"".join(bytes(4) + events[1][at:at + 32] for at in (15, 47))
    packed += struct.pack("<I", 0x60000000) + events[1][79:] + struct.pack("<HBH", 7, 0xFF, fill - 3)
    packed += struct.pack("<HBBHI", 8191 << 3 | 7, 0x0F, 0xFF, 0, again - 3)
    header = bytearray(data[first:first + 72])
    struct.pack_into("<I", header, 0x30, 72 + 2047 * 8192)
    struct.pack_into("<I", header, 0, 72 + len(packed))
    return data[:first] + (bytes(header) + packed) * buffers


def test_memory_is_bounded_whatever_the_file(native_tool, tmp_path):
    if os.environ.get("ETWCAP_MODE", "release") == "asan":
        pytest.skip("address sanitizer needs all address space")
    path = tmp_path / "bomb.etl"
    buffers = 300
    path.write_bytes(bomb(buffers))
    done = Dump(run_limited(native_tool.words("tests/etl_dump", path), 64))
    assert (done.status, done.losses, done.counts["records"]) == (0, [], 1 + buffers * 2047)


def test_reading_survives_cuts_and_damage(native_tool, corpus, tmp_path):
    made = tmp_path / "made.etl"
    trace_of_all_kinds(compressed=True).write(made)
    few = ["SIH.20230422.034724.362.1.etl", "SelfDescribingSingleEvent.etl", "smallEtlFile.etl", "lxcore_kernel.etl",
           "OneDrive__TraceCurrent.6799.0327.etl", "HTTP_Server.etl"]
    for path, step, cuts, flips in [(made, 1, 200, 2000)] + [(corpus(name), 1, 200, 2000) for name in few] + [
            (corpus("dotnet-performance__vs-gconly.etl"), 1009, 5, 20), (corpus("net.4.5.x86.old.etl"), 1009, 5, 20)]:
        native_tool("tests/etl_torture", path, step, cuts, flips)
