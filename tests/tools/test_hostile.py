"""Files made to harm their reader: it must say what is wrong, at bounded cost, and keep its terminal clean.

Native tools run with limits on memory and processor time here; the fuzzers (tests/fuzz) look for what nobody thought of.
"""
import json
import os
import re
import resource
import struct
import subprocess

import conftest
import etlwriter
import etwcap_reader
import pytest
from etlwriter import Trace, field, structure
from etwcap_blocks import EVENTS, block, blocks_of, head

PROVIDER = "{11223344-5566-7788-0102-030405060708}"
MEMORY = 700 << 20  # threads' stacks included
CPU_SECONDS = 30
MAX_BODY = 8 << 20
SCHEMAS, UNKNOWN, PRIVATE = 3, 77, 0x8123


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    if conftest.MODE in ("release", "debug"):  # sanitizers reserve terabytes of addresses
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(native_tool, *words, status):
    done = subprocess.run(native_tool.words(*words), preexec_fn=limit, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == status, (words, done.returncode, done.stderr)
    return done


# .etwcap files made by hand: FORMAT.md.

def zeros_frame(size):
    """A zstd frame of a few bytes that expands to so many zeros: RFC 8878, RLE blocks."""
    out, left = struct.pack("<IBB", 0xFD2FB528, 0, 0x70), size  # no content size; a window of 16 MiB
    while left:
        step = min(left, 128 << 10)
        left -= step
        out += struct.pack("<I", step << 3 | 1 << 1 | (left == 0))[:3] + b"\0"
    return out


def write(path, *parts):
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("expands_to", [MAX_BODY, 64 << 20])
def test_frames_that_expand_to_much_cost_one_block(native_tool, tmp_path, expands_to):
    frame = zeros_frame(expands_to)
    bombs = [block(SCHEMAS, frame, number, flags=1, raw_size=MAX_BODY) for number in range(100)]
    path = write(tmp_path / "bomb.etwcap", head(), *bombs)
    run(native_tool, "etw-replay", path, status=3)
    run(native_tool, "etw-replay", "verify", path, status=3)
    run(native_tool, "etw-replay", "info", path, status=3)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_a_pipe_that_never_ends_is_looked_at_before_it_is_kept(native_tool, tmp_path, device):
    """Its copy may take a megabyte."""
    def little():
        limit()
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    for words in (["etw-record", "--input", "-", "-o", tmp_path / "out"], ["etw-replay", "-"], ["etw-replay", "info", "-"]):
        with open(device, "rb") as endless:
            done = subprocess.run(native_tool.words(*words), preexec_fn=little, stdin=endless, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        assert done.returncode == 1 and b"not a Windows event trace" in done.stderr + done.stdout or (
            b"neither" in done.stderr), (words, done.stderr)


def events_body(count, raw, stored):
    sections = b"".join(struct.pack("<II", raw, len(stored)) + stored for _ in range(4))
    return struct.pack("<I", count) + sections


@pytest.mark.parametrize("count, raw", [(65536, 16 << 20), (0xFFFFFFFF, 0xFFFFFFFF), (1, 0)])
def test_counts_that_nothing_stands_behind(native_tool, tmp_path, count, raw):
    stored = zeros_frame(min(raw, 16 << 20)) if raw else b""
    blocks = [block(EVENTS, events_body(count, raw, stored), number, raw_size=16 << 20, count=count)
              for number in range(20)]
    path = write(tmp_path / "counts.etwcap", head(), *blocks)
    done = run(native_tool, "etw-replay", path, status=3)
    assert not any("TimeStamp" in line for line in map(json.loads, done.stdout.splitlines()))


@pytest.mark.parametrize("size", [(1 << 32) - 1, (16 << 20)])
def test_a_compressed_buffer_that_expands_to_much(native_tool, tmp_path, size):
    """One literal and one match of four billion bytes, in a buffer that says it holds as many."""
    trace = Trace(buffer_size=1024, compressed=True)
    trace.event(PROVIDER, id=1)
    data = bytearray(trace.bytes())
    packed = struct.pack("<I", 0x7FFFFFFF) + b"\0" + struct.pack("<HBBHI", 7, 0xFF, 0xFF, 0, size - 1)
    buffer = struct.pack("<IIIiqqQHHIIHH", 72 + len(packed), size, size, 0, trace.now, 0, 0, 0, 1, 0, size,
                         etlwriter.FLAG_PROCESSOR_INDEX | etlwriter.FLAG_COMPRESSED, 0) + packed
    path = write(tmp_path / "bomb.etl", bytes(data), *[buffer.ljust(512, b"\0")] * 8)
    run(native_tool, "etw-record", "-q", "--input", path, "-o", tmp_path / "bomb.etwcap", status=3)


def test_newer_files(native_tool, tmp_path):
    minor = write(tmp_path / "minor.etwcap", head(minor=99), block(UNKNOWN, b"new", 0), block(PRIVATE, b"own", 1))
    assert native_tool.events(minor, status=3)[-1]["Loss"]["Cause"] == "cut off"  # and nothing worse
    major = write(tmp_path / "major.etwcap", head(major=3), block(UNKNOWN, b"new", 0))
    for verb in ("cat", "info", "verify", "recover"):
        out = ["-o", tmp_path / "out.etwcap"] if verb == "recover" else []
        said = run(native_tool, "etw-replay", verb, major, *out, status=1).stderr
        assert re.search(rb"version 3", said), said


@pytest.mark.parametrize("kind, body, count", [
    (6, b"cut", 1), (7, b"x" * 24, 1), (7, struct.pack("<I", 1000), 1), (11, b"x" * 24, 1),
    (11, b"", 1)])
def test_a_side_block_that_breaks_its_own_sizes_costs_that_block(native_tool, tmp_path, kind, body, count):
    Trace().write(tmp_path / "a.etl")
    native_tool("etw-record", "-q", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap", "--format", "1.0")
    content = (tmp_path / "a.etwcap").read_bytes()
    blocks = blocks_of(content)
    last = next(index for index, (of, _, _) in enumerate(blocks) if of == EVENTS)
    bad, out = tmp_path / "bad.etwcap", tmp_path / "out.etwcap"
    write(bad, content[:blocks[last][2]], block(kind, body, last + 1, count=count))
    said = json.loads(native_tool("etw-replay", "verify", "--json", bad, status=3).stdout)
    assert said["DamagedBlocks"] == 1 and said["Problems"][0]["BlockKind"] == kind
    for verb in ("recover", "repack"):
        native_tool("etw-replay", verb, bad, "-f", "-o", out, status=3)
        said = json.loads(native_tool("etw-replay", "verify", "--json", out, status=3).stdout)
        assert (said["Good"], said["Events"], said["LossRecords"]) == (True, 1, 2)


def test_recovery_keeps_blocks_with_flags_of_a_newer_version(native_tool, tmp_path):
    path, out = tmp_path / "newer.etwcap", tmp_path / "out.etwcap"
    write(path, head(minor=99), block(UNKNOWN, b"new", 0, flags=2), block(UNKNOWN, b"newer", 1))
    native_tool("etw-replay", "recover", path, "-o", out, status=3)
    assert [kind for kind, _, _ in blocks_of(out.read_bytes())].count(UNKNOWN) == 2
    said = json.loads(native_tool("etw-replay", "verify", "--json", out, status=3).stdout)
    assert said["Complete"] and "newer version" in said["Problems"][0]["Text"]


def test_recovery_believes_events_and_not_their_header(native_tool, tmp_path):
    """A size and times that are wrong are made anew, as what cat reads must be recovered."""
    Trace().write(tmp_path / "a.etl")
    native_tool("etw-record", "-q", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap", "--format", "1.0")
    content, bad = bytearray((tmp_path / "a.etwcap").read_bytes()), tmp_path / "bad.etwcap"
    at = next(begin for kind, begin, _ in blocks_of(bytes(content)) if kind == EVENTS)
    struct.pack_into("<I", content, at + 12, 5)
    struct.pack_into("<qq", content, at + 24, 7, 8)
    struct.pack_into("<Q", content, at + 56, etwcap_reader.xxh3(bytes(content[at:at + 56])))
    bad.write_bytes(content)
    native_tool("etw-replay", "recover", bad, "-o", tmp_path / "out.etwcap")
    said = json.loads(native_tool("etw-replay", "verify", "--json", tmp_path / "out.etwcap").stdout)
    assert (said["Good"], said["Events"], said["LossRecords"]) == (True, 1, 0)


# Events made by hand.

def text_of_everything(native_tool, path):
    """All that the tools print of a file: pairs of what was run, and the bytes."""
    for words in [["--format", form, "--message"] for form in ("json", "text", "xml", "csv")] + [
            ["info"], ["info", "--json"], ["schemas"], ["schemas", "--json"], ["verify"], ["verify", "--json"]]:
        done = native_tool("etw-replay", *words, path, status=None)
        assert done.returncode in (0, 3), done.stderr
        yield words, done.stdout + done.stderr


EVIL = "a\x1b[2Jb\x9b31mc\x07\x08\x7f\x00d"  # moves the cursor, colours, rings, deletes
MANIFEST = """<m><provider name="P\x9b31m" guid="%s"><events><event value="1" version="0" template="T" task="K"
message="$(string.M)"/></events><tasks><task name="K\x7f" value="1"/></tasks><templates><template tid="T">
<data name="n\x9bame" inType="win:UnicodeString"/></template></templates></provider><localization>
<resources culture="en-US"><stringTable><string id="M" value="m\x9b2J %%1"/></stringTable></resources></localization>
</m>""" % PROVIDER


def evil_trace():
    trace = Trace(session=EVIL.replace("\0", ""), file_name=EVIL.replace("\0", ""))
    name = EVIL.replace("\0", "")
    trace.tracelogging(name, name, [field(name, "utf16", EVIL), field("u", "utf8", EVIL), field("b", "binary", b"\x1b["),
                                    structure(name, field("x", "utf16z", name))])
    trace.manifest(PROVIDER, MANIFEST)
    trace.event(PROVIDER, id=1, task=1, data=etlwriter.utf16z(name))
    return trace


def test_no_byte_of_a_trace_steers_the_terminal(native_tool, tmp_path):
    path, recorded = tmp_path / "evil.etl", tmp_path / "evil.etwcap"
    evil_trace().write(path)
    native_tool("etw-record", "-q", "--input", path, "-o", recorded)
    cut = write(tmp_path / "cut.etwcap", recorded.read_bytes()[:-200])
    for file in (path, recorded, cut):
        for words, said in text_of_everything(native_tool, file):
            said = said.decode("utf-8")  # valid UTF-8
            bad = re.findall("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", said)
            assert not bad, (words, bad, said)


def test_no_name_of_a_file_steers_the_terminal(native_tool, tmp_path):
    done = native_tool("etw-replay", tmp_path / "a\x1b[2Jb", status=1)
    assert b"\x1b" not in done.stderr
    done = native_tool("etw-record", "--input", tmp_path / "a\x1b[2Jb", "-o", tmp_path / "out", status=1)
    assert b"\x1b" not in done.stderr
    done = native_tool("etw-record", "--\x1b[2J", status=2)
    assert b"\x1b" not in done.stderr


def test_no_summary_steers_the_terminal(native_tool, tmp_path):
    """The status line: tests/unit/test_options.c."""
    path = tmp_path / "a\x1b[2Jb.etl"
    trace = Trace()
    trace.event(PROVIDER, id=1)
    trace.write(path)
    done = native_tool("etw-record", "--input", path, "-o", tmp_path / "o\x1b[2Jut")
    assert b"\\x1b[2J" in done.stderr and b"\x1b" not in done.stderr


def test_broken_utf16_and_utf8_come_out_as_valid_json(native_tool, tmp_path):
    trace = Trace()
    broken = [b"\x3d\xd8", b"\x00\xdc\x3d\xd8a\0", b"\xff\xff\xfe\xff", b"a"]
    for data in broken:
        metadata = etlwriter.tracelogging_metadata("E", [field("w", "utf16", "")])
        trace.event(etlwriter.provider_guid("P"), channel=11, data=struct.pack("<H", len(data)) + data,
                    items=[etlwriter.provider_traits("P"), etlwriter.tracelogging_schema(metadata)])
        metadata = etlwriter.tracelogging_metadata("E", [field("u", "utf8", "")])
        trace.event(etlwriter.provider_guid("P"), channel=11, data=struct.pack("<H", 4) + b"\xc0\xaf\xed\xa0",
                    items=[etlwriter.provider_traits("P"), etlwriter.tracelogging_schema(metadata)])
    trace.write(tmp_path / "a.etl")
    events = native_tool.events(tmp_path / "a.etl")[1:]
    assert len(events) == 2 * len(broken)
    assert events[0]["EventProperties"] == {"w": "\ud83d"}


def nested(depth):
    inner = field("x", "u8", 1)
    for _ in range(depth):
        inner = structure("s", inner)
    return inner


def test_structs_nested_too_deeply_are_an_event_without_properties(native_tool, tmp_path):
    trace = Trace()
    for depth in (3, 31, 33, 500):
        trace.tracelogging("P", "E", [nested(depth)])
    trace.write(tmp_path / "a.etl")
    shallow, fits, deep, deeper = native_tool.events(tmp_path / "a.etl")[1:]
    assert "EventPropertiesError" not in shallow and "EventPropertiesError" not in fits
    assert deep["EventPropertiesError"] and deep["UserData"] == "01"
    assert deeper["EventPropertiesError"] and deeper["UserData"] == "01"


def test_arrays_of_nothing_are_bounded(native_tool, tmp_path):
    """Arrays in arrays, each of 65535 elements that take no byte."""
    rows = field("none", "utf8", "")
    metadata = rows[0]
    for _ in range(8):
        metadata = b"s\0" + bytes([24 | 0x20 | 0x80, 1]) + struct.pack("<H", 0xFFFF) + metadata
    body = b"\0E\0" + metadata.replace(b"none\0\x17", b"none\0\x37\xff\xff")
    schema = struct.pack("<H", 2 + len(body)) + body
    trace = Trace()
    for _ in range(10):
        trace.event(etlwriter.provider_guid("P"), channel=11, data=b"",
                    items=[etlwriter.provider_traits("P"), etlwriter.tracelogging_schema(schema)])
    trace.write(tmp_path / "a.etl")
    done = run(native_tool, "etw-replay", tmp_path / "a.etl", status=0)
    assert len(done.stdout.splitlines()) == 11
    assert len(done.stdout) < 100 << 20


def test_a_trace_that_says_nothing_true_about_itself(native_tool, tmp_path):
    """Every 32-bit word of the first buffer in turn becomes the largest number."""
    path = tmp_path / "a.etl"
    trace = Trace(buffer_size=1024)
    for number in range(5):
        trace.event(PROVIDER, id=number, data=b"x" * number)
    whole = trace.bytes()
    for at in range(0, 512, 4):
        write(path, whole[:at], b"\xff\xff\xff\xff", whole[at + 4:])
        done = native_tool("etw-replay", path, status=None)
        assert done.returncode in (0, 1, 3), (at, done.returncode, done.stderr)
        assert done.returncode == 0 or done.stderr or os.path.getsize(path) == 0


# Text and schemas.

def no_duplicates(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), names
    return dict(pairs)


def events_of(text):
    events = [json.loads(line, object_pairs_hook=no_duplicates) for line in text.splitlines()]
    return [event for event in events if event.get("ProviderName") == "P"]


def test_text_above_the_limit_is_cut_off_and_marked(native_tool, tmp_path):
    """In the event that it is in, and nowhere else; the same bytes for any number of threads."""
    path, trace = tmp_path / "long.etl", Trace(buffer_size=65536)
    for i in range(6):
        rows = [[field("N" * 300, "u8", i)]] * (1 if i % 2 else 20000)
        trace.tracelogging("P", "E", [structure("S", *rows, array=True), field("last", "u8", i)])
    trace.write(path)
    texts = {run(native_tool, "etw-replay", "cat", path, "--threads", threads, status=0).stdout for threads in "013"}
    assert len(texts) == 1
    events = events_of(texts.pop())
    assert len(events) == 6
    for i, event in enumerate(events):
        properties = event["EventProperties"]
        if i % 2:
            assert (len(properties["S"]), properties["last"]) == (1, str(i))
            continue
        assert 4 << 20 <= len(json.dumps(properties)) <= 5 << 20
        assert "cut off" in event["EventPropertiesError"] and event["UserData"]


def test_names_in_an_object_are_unique(native_tool, tmp_path):
    path, trace = tmp_path / "names.etl", Trace()
    trace.tracelogging("P", "E", [field(name, "u8", i) for i, name in enumerate(["A", "A", "A#2", "A"])])
    trace.write(path)
    event, = events_of(run(native_tool, "etw-replay", "cat", path, status=0).stdout)
    assert event["EventProperties"] == {"A": "0", "A#3": "1", "A#2": "2", "A#4": "3"}


@pytest.mark.skipif(conftest.MODE not in ("release", "debug"), reason="sanitizers reserve terabytes of addresses")
def test_two_hundred_thousand_schemas_stay_within_the_stated_memory(native_tool, tmp_path):
    """SECURITY.md, Cost: 256 MiB for all schemas, 32 MiB for the prepared ones, 48 MiB for reading. Innocent, but many."""
    trace = Trace(buffer_size=65536)
    for number in range(200_000):
        trace.tracelogging("P", "E%d" % number, [field("F%d" % (number % 1000), "u8", 1)], time=trace.at(number / 1000))
    trace.write(tmp_path / "a.etl")
    def stated():  # of addresses, which is more than memory; each thread reserves 72 MiB of them for its stack and its heap
        resource.setrlimit(resource.RLIMIT_AS, ((256 + 32 + 48) << 20, (256 + 32 + 48) << 20))

    for words in (["merge", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap", "-q"], ["cat", tmp_path / "a.etl", "-q"],
                  ["cat", tmp_path / "a.etwcap", "-q"]):
        with open(tmp_path / "out", "wb") as out:
            done = subprocess.run(native_tool.words("etw-replay", *words, "--threads", "0"), preexec_fn=stated, stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=subprocess.PIPE)
        assert done.returncode == 0, (words[0], done)
    assert (tmp_path / "out").read_bytes().count(b"\n") == 200_001
