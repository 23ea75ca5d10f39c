"""Reads .etwcap files. Written from format/etwcap/FORMAT.md alone, so that the C reader has somebody to disagree with.

    python3 tests/readers/etwcap_reader.py [--blocks] FILE.etwcap

prints the file block by block, in the words of tests/tools/etwcap_dump.c; with --blocks, without the events. Nothing here is fast: hashes and zstd frames are
left to the system's libraries, the rest is slices and struct.
"""
import ctypes
import ctypes.util
import struct
import sys

HEAD_SIZE = 24
HEADER_SIZE = 64
TAIL_SIZE = 96
MAGIC = bytes.fromhex("89455457434150 0D0A1A0A00")
MARKER = bytes.fromhex("F56542A7")
CLOSING_MAGIC = bytes.fromhex("504143575445 0A89")
MAX_STORED = 10 << 20
MAX_RAW = 8 << 20
MAX_EVENTS_RAW = 16 << 20

FILE_INFO, TRACE, SCHEMAS, EVENTS, LOSS, ANCHORS, ORACLE, INDEX, SUMMARY, END = range(1, 11)

_xxhash = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
_xxhash.XXH3_64bits.restype = ctypes.c_uint64
_xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_xxhash.XXH3_64bits_withSeed.restype = ctypes.c_uint64
_xxhash.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
_zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
_zstd.ZSTD_decompress.restype = ctypes.c_size_t
_zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]


class Damaged(Exception):
    """The bytes are not what FORMAT.md says."""


def xxh3(data, seed=None):
    data = bytes(data)
    if seed is None:
        return _xxhash.XXH3_64bits(data, len(data))
    return _xxhash.XXH3_64bits_withSeed(data, len(data), seed)


def expand(frame, size):
    """The bytes of one zstd frame, of which the format says how many they are."""
    into = ctypes.create_string_buffer(max(size, 1))
    got = _zstd.ZSTD_decompress(into, size, bytes(frame), len(frame))
    if got != size:
        raise Damaged("a frame does not expand to %d bytes" % size)
    return into.raw[:size]


def guid_text(data):
    a, b, c = struct.unpack_from("<IHH", data)
    return "{%08x-%04x-%04x-%s-%s}" % (a, b, c, data[8:10].hex(), data[10:16].hex())


class Cursor:
    """Takes fields off a body, and says so when it ends too early."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            raise Damaged("the body ends inside a field")
        self.at += size
        return self.data[self.at - size:self.at]

    def unpack(self, layout):
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def number(self, letter):
        return self.unpack(letter)[0]

    def text16(self):
        return bytes(self.take(self.number("H"))).decode("utf-8", "surrogateescape")

    def left(self):
        return len(self.data) - self.at


class Header:
    FIELDS = "kind flags stored_size raw_size sequence first_time last_time count head_size body_hash".split()

    def __init__(self, data):
        if data[:4] != MARKER or struct.unpack_from("<Q", data, 56)[0] != xxh3(data[:56]):
            raise Damaged("no block header")
        for name, value in zip(self.FIELDS, struct.unpack("<HHIIQqqIIQ", data[4:56])):
            setattr(self, name, value)
        if not (0 < self.kind and self.stored_size <= MAX_STORED and self.head_size <= self.stored_size
                and self.raw_size <= (MAX_EVENTS_RAW if self.kind == EVENTS else MAX_RAW)):
            raise Damaged("a header beyond the limits")

    def body(self, stored):
        """The body as its writer had it."""
        if len(stored) != self.stored_size or xxh3(stored) != self.body_hash:
            raise Damaged("the body's hash is wrong")
        if self.flags & 0xFE:
            raise Damaged("flags of a newer version")
        mask = self.flags >> 8
        if mask:
            stored = bytes(byte ^ mask for byte in stored)
        if self.flags & 1:
            return expand(stored, self.raw_size)
        if self.kind != EVENTS and self.raw_size != self.stored_size:
            raise Damaged("the raw size is wrong")
        return stored


class Gap:
    """Bytes without a block, or numbers without blocks."""

    def __init__(self, offset, first_missing, missing):
        self.offset, self.first_missing, self.missing = offset, first_missing, missing


class File:
    """The bytes of a file. blocks() gives (offset, header, stored body) and gaps; afterwards, complete and end."""

    def __init__(self, data):
        self.data = data
        if data[:7] != MAGIC[:7] or len(data) < 7:
            raise Damaged("not an .etwcap file")
        self.major = self.minor = 0
        self.complete = False
        self.end = len(data)
        if len(data) < HEAD_SIZE:
            return
        if data[:12] != MAGIC or struct.unpack_from("<Q", data, 16)[0] != xxh3(data[:16]):
            raise Damaged("the head is damaged")
        self.major, self.minor = struct.unpack_from("<HH", data, 12)
        if self.major > 2:
            raise Damaged("a newer major version")

    def header_at(self, offset):
        if offset + HEADER_SIZE > len(self.data):
            return None
        try:
            return Header(self.data[offset:offset + HEADER_SIZE])
        except Damaged:
            return None

    def find(self, offset, sequence):
        """Where the next good header is whose number is not lower than expected, or None."""
        while True:
            offset = self.data.find(MARKER, offset)
            if offset < 0:
                return None
            header = self.header_at(offset)
            if header and header.sequence >= sequence:
                return offset
            offset += 1

    def stored(self, offset, header):
        start = offset + HEADER_SIZE
        return self.data[start:start + header.stored_size]

    def blocks(self):
        at, sequence = HEAD_SIZE, 0
        while True:
            self.end = at
            header = self.header_at(at)
            if header is None:
                found = self.find(at, sequence)
                if found is None:
                    if len(self.data) - at >= HEADER_SIZE and any(self.data[at:]):
                        yield Gap(at, sequence, 0)
                        self.end = len(self.data)
                    return
                missing = self.header_at(found).sequence - sequence
                yield Gap(at, sequence, missing)
                at, sequence = found, sequence + missing
                continue
            past = at + HEADER_SIZE + header.stored_size
            if header.sequence != sequence:
                lower = header.sequence < sequence
                yield Gap(at, sequence, 0 if lower else header.sequence - sequence)
                at, sequence = (past, sequence) if lower else (at, header.sequence)
                continue
            if past > len(self.data):
                found = self.find(at + HEADER_SIZE, sequence)
                if found is None:
                    return
                yield Gap(at, sequence, self.header_at(found).sequence - sequence)
                at, sequence = found, self.header_at(found).sequence
                continue
            stored = self.stored(at, header)
            if header.kind == END:
                self.complete = self.check_end(header, stored)
                self.end = past
                if self.complete:
                    return
            else:
                yield at, header, stored
            sequence += 1
            found = None
            if xxh3(stored) != header.body_hash and self.header_at(past) is None:
                found = self.find(at + HEADER_SIZE, sequence)
            if found is not None:
                missing = self.header_at(found).sequence - sequence
                yield Gap(past, sequence, missing)
                sequence += missing
            at = past if found is None else found

    @staticmethod
    def check_end(header, stored):
        try:
            return header.body(stored)[24:32] == CLOSING_MAGIC
        except Damaged:
            return False

    def summary_by_tail(self):
        """The summary's body, as a reader finds it that starts at the end of the file."""
        tail = len(self.data) - TAIL_SIZE
        header = self.header_at(tail)
        if header is None or header.kind != END:
            return None
        offset, size, _ = struct.unpack_from("<QQQ", header.body(self.stored(tail, header)))
        if size != len(self.data):
            return None
        header = self.header_at(offset)
        if header is None or header.kind != SUMMARY:
            return None
        return header.body(self.stored(offset, header))


def trace_lines(body):
    cursor = Cursor(body)
    number, _, clock_type, clock_mhz, pointer, frequency, ticks, time = cursor.unpack("HHIIIQqq")
    numbers = cursor.unpack("12IiI")
    boot, start, end = cursor.unpack("qqq")
    instance = guid_text(cursor.take(16))
    names = [cursor.text16() for _ in range(4)]
    header = cursor.take(cursor.number("I"))
    yield "trace %d clock %d %d %d %d %d" % (number, clock_type, clock_mhz, frequency, ticks, time)
    yield "host %d %d %d %d %d %d" % ((pointer,) + numbers[:5])
    yield "session %d %d %d %d %d %d %d %d" % numbers[5:13]
    yield "times %d %d %d %s" % (boot, start, end, instance)
    yield "names [%s] [%s] [%s] [%s]" % tuple(names)
    yield "header %d %016x" % (len(header), xxh3(header))


def schemas_lines(body):
    cursor, blobs = Cursor(body), []
    while cursor.left():
        entry = cursor.number("B")
        if entry == 1:
            blobs.append(cursor.take(cursor.number("I")))
        elif entry == 2:
            number, origin, said, tei, maps = cursor.unpack("IIQII")
            if not 1 <= number <= 1 << 20 or maps > 256:
                raise Damaged("a schema beyond the limits")
            maps = [blobs[cursor.number("I")] for _ in range(maps)]
            found = xxh3(blobs[tei])
            for each in maps:
                found = xxh3(each, found)
            if found != said:
                raise Damaged("a schema's hash is wrong")
            yield "schema %d %d %016x %d" % (number, origin, said, len(blobs[tei])) + "".join(
                " %d:%016x" % (len(each), xxh3(each)) for each in maps)
        elif entry == 3:
            yield "provider %s [%s]" % (guid_text(cursor.take(16)), cursor.text16())
        else:
            raise Damaged("an unknown entry")


def events_lines(header, body, with_events, sections=None):
    head = body[:header.head_size]
    if len(head) < 24 or struct.unpack_from("<Q", head, len(head) - 8)[0] != xxh3(head[:-8]):
        raise Damaged("the events head's hash is wrong")
    cursor = Cursor(head)
    providers, traces, _ = cursor.unpack("IIQ")
    for _ in range(providers):
        yield "of %s %d" % (guid_text(cursor.take(16)), cursor.number("I"))
    for _ in range(traces):
        trace, _, events = cursor.unpack("HHI")
        yield "of trace %d %d" % (trace, events)
    if not with_events:
        return
    import etwcap_events
    raw_size = 0
    events = (etwcap_events.decode(body[header.head_size:]) if sections is None
              else etwcap_events.decode_sections(header.count, sections))
    for event in events:
        raw_size += 84 + len(event.user_data) + sum(8 + len(item.data) for item in event.items)
        yield "event %d %d %016x %08x %d:%016x" % (
            event.trace_index, event.schema_id, xxh3(event.header),
            struct.unpack("<I", event.buffer_context)[0], len(event.user_data), xxh3(event.user_data)
        ) + "".join(" %d,%d,%d,%d:%016x" % (item.reserved1, item.ext_type, item.linkage, len(item.data),
                                            xxh3(item.data)) for item in event.items)
    if raw_size != header.raw_size:
        raise Damaged("the events are %d bytes, not the %d that the header says" % (raw_size, header.raw_size))


def loss_lines(header, body):
    cursor = Cursor(body)
    for _ in range(header.count):
        cause, trace, flags, events, buffers, size, since, until = cursor.unpack("IHHQQQqq")
        yield "loss %d %d %d %d %d %d %d %d [%s]" % (
            cause, trace, flags & 1, events, buffers, size, since, until, cursor.text16())


def anchor_lines(header, body):
    cursor = Cursor(body)
    for _ in range(header.count):
        trace, _, _, ticks, time = cursor.unpack("HHIqq")
        yield "anchor %d %d %d" % (trace, ticks, time)


def index_lines(body):
    cursor = Cursor(body)
    entries, providers, previous, first, refs, _ = cursor.unpack("IIQQII")
    guids = [guid_text(cursor.take(16)) for _ in range(providers)]
    rows = [cursor.unpack("QIHHqqIIII") for _ in range(entries)]
    numbers = iter(cursor.unpack("%dI" % refs))
    yield "index %d %d" % (previous, first)
    for offset, stored, kind, flags, since, until, count, raw, of, _ in rows:
        line = "entry %d %d %d %d %d %d %d %d" % (offset, stored, kind, flags, since, until, count, raw)
        if of == 0xFFFFFFFF:
            yield line + " any"
        else:
            yield line + "".join(" " + guids[next(numbers)] for _ in range(of))


def summary_lines(body):
    cursor = Cursor(body)
    flags, providers, traces, index_blocks, index_offset = cursor.unpack("IIIIQ")
    yield "summary %d %d %d %d" % (flags & 1, flags >> 1 & 1, index_blocks, index_offset)
    yield "totals " + " ".join(map(str, cursor.unpack("10QqqQ")))
    for _ in range(traces):
        yield "trace at %d" % cursor.number("Q")
    for _ in range(providers):
        yield "counted %s %d [%s]" % (guid_text(cursor.take(16)), cursor.number("Q"), cursor.text16())


def file_info_lines(body):
    cursor = Cursor(body)
    pairs = [(cursor.text16(), cursor.text16()) for _ in range(cursor.number("I"))]
    yield "application [%s]" % dict(pairs).get("application", "")


def body_lines(header, body, with_events):
    if header.kind == FILE_INFO:
        return file_info_lines(body)
    if header.kind == TRACE:
        return trace_lines(body)
    if header.kind == SCHEMAS:
        return schemas_lines(body)
    if header.kind == EVENTS:
        return events_lines(header, body, with_events)
    if header.kind == LOSS:
        return loss_lines(header, body)
    if header.kind == ANCHORS:
        return anchor_lines(header, body)
    if header.kind == INDEX:
        return index_lines(body)
    if header.kind == SUMMARY:
        return summary_lines(body)
    return iter(["bytes %d %016x" % (len(body), xxh3(body))])


def folded_lines(data, with_events):
    import etwcap_fold
    for block in etwcap_fold.blocks(data):
        yield "folded block kind %d raw %d times %d %d count %d" % (
            block.kind, block.raw_size, block.first_time, block.last_time, block.count)
        if block.kind == EVENTS:
            lines = events_lines(block, block.body, with_events, block.sections)
        else:
            lines = body_lines(block, block.body, with_events)
        for line in lines:
            yield " " + line
    yield "folded %d" % len(data)


def dump(data, with_events=True):
    """Lines that say what the file holds."""
    file = File(data)
    yield "etwcap %d.%d" % (file.major, file.minor)
    if file.major == 2:
        yield from folded_lines(data, with_events)
        return
    for block in file.blocks():
        if isinstance(block, Gap):
            yield "gap %d missing %d %d" % (block.offset, block.first_missing, block.missing)
            continue
        offset, header, stored = block
        yield "block %d at %d kind %d flags %d size %d raw %d times %d %d count %d" % (
            header.sequence, offset, header.kind, header.flags, header.stored_size, header.raw_size,
            header.first_time, header.last_time, header.count)
        try:
            body = header.body(stored)
        except Damaged:
            yield " damaged"
            continue
        for line in body_lines(header, body, with_events):
            yield " " + line
    yield "%s %d" % ("complete" if file.complete else "incomplete", file.end)


def main():
    with open(sys.argv[-1], "rb") as source:
        data = source.read()
    for line in dump(data, "--blocks" not in sys.argv):
        sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")


if __name__ == "__main__":
    main()
