"""Writes small .etl files, Windows' own trace format, for the tests and the demo.

    from etlwriter import Trace, field, related_activity

    trace = Trace(processors=2)
    trace.event("{11111111-2222-3333-4444-555555555555}", id=7, data=b"abc", items=[related_activity(GUID)], cpu=1)
    trace.tracelogging("My.Provider", "Started", [field("Count", "u32", 3), field("Name", "utf16z", "abc")])
    trace.write("small.etl")

A Trace is a session: what it says of itself goes into the log-file header, which is the first record. Each method that
adds a record takes `cpu` (0), `time` (raw ticks of the session's clock; 1000 more than the last record's when left
out; Trace.at gives those of a moment) and, where the record has them, `pid`, `tid`, `kernel_time`, `user_time` and
`pointer_size` (the session's when left out). Records go into their processor's buffer; a full buffer is flushed, and
Trace.flush flushes by hand. Equal calls give equal bytes. What is in a file:

    system, compact, perfinfo         kernel records with a hook id (group, type), PEBS and PMC words on request
    full, instance                    classic events with a class GUID
    event, tracelogging, manifest     EVENT_HEADER records with extended items; TraceLogging; EventSource manifests
    message                           WPP messages
    error, raw                        the "error while logging" marker; any bytes at all

Layouts: EVENT_TRACE_HEADER, EVENT_HEADER and TRACE_LOGFILE_HEADER are documented by Microsoft, buffers and the other
headers in ntwmi.h of the System Informer project, compressed buffers in [MS-XCA] 2.3 (plain LZ77).
"""
import hashlib
import struct
import uuid

CLOCK_QPC, CLOCK_SYSTEM, CLOCK_CYCLES = 1, 2, 3
START = 133590384000000000  # 2024-05-01T12:00:00Z as a FILETIME
MODE_SEQUENTIAL, MODE_COMPRESSED = 0x1, 0x04000000

BUFFER_HEADER_SIZE = 72
BUFFER_GENERIC, BUFFER_HEADER = 0, 4
FLAG_FLUSH, FLAG_EVENTS_LOST, FLAG_BUFFER_LOST, FLAG_PROCESSOR_INDEX, FLAG_COMPRESSED = 0x01, 0x02, 0x04, 0x20, 0x40

# header types: (32 bit, 64 bit)
SYSTEM, COMPACT, PERFINFO, FULL, INSTANCE, EVENT = (1, 2), (3, 4), (16, 17), (10, 20), (11, 21), (18, 19)
ERROR = 13
NO_ID = 0xFFFFFFFF

EVENT_METADATA = "{bbccf6c1-6cd1-48c4-80ff-839482e37671}"  # class of records that carry schemas
EVENT_METADATA_TEI, EVENT_METADATA_MAP = 32, 33


def guid(value):
    """The 16 bytes of a GUID given as text, uuid.UUID or bytes."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, uuid.UUID) else uuid.UUID(value)).bytes_le


def utf16z(text):
    return text.encode("utf-16-le") + b"\0\0"


def sid_bytes(text):
    """The bytes of a SID given as "S-1-5-18"."""
    _, revision, authority, *parts = text.split("-")
    return struct.pack("<BB", int(revision), len(parts)) + int(authority).to_bytes(6, "big") + b"".join(
        struct.pack("<I", int(part)) for part in parts)


def provider_guid(name):
    """The GUID that EventSource and TraceLogging derive from a provider's name."""
    space = bytes.fromhex("482C2DB2C39047C887F81A15BFC130FB")
    digest = bytearray(hashlib.sha1(space + name.upper().encode("utf-16-be")).digest()[:16])
    digest[7] = (digest[7] & 0x0F) | 0x50
    return bytes(digest)


# Extended items: (type, data) pairs for the `items` of an event.

def related_activity(value):
    return 0x01, guid(value)


def sid(text):
    return 0x02, sid_bytes(text)


def session_id(number):
    return 0x03, struct.pack("<I", number)


def instance_info(instance, parent, parent_guid):
    return 0x04, struct.pack("<II", instance, parent) + guid(parent_guid)


def stack32(match_id, addresses):
    return 0x05, struct.pack("<Q%dI" % len(addresses), match_id, *addresses)


def stack64(match_id, addresses):
    return 0x06, struct.pack("<Q%dQ" % len(addresses), match_id, *addresses)


def pebs_index(number):
    return 0x07, struct.pack("<Q", number)


def pmc_counters(counters):
    return 0x08, struct.pack("<%dQ" % len(counters), *counters)


def psm_key(number):
    return 0x09, struct.pack("<Q", number)


def event_key(number):
    return 0x0A, struct.pack("<Q", number)


def tracelogging_schema(metadata):
    return 0x0B, metadata


def provider_traits(name, group=None):
    traits = b"" if group is None else struct.pack("<HB", 19, 1) + guid(group)
    body = name.encode() + b"\0" + traits
    return 0x0C, struct.pack("<H", 2 + len(body)) + body


def process_start_key(number):
    return 0x0D, struct.pack("<Q", number)


def control_guid(value):
    return 0x0E, guid(value)


def qpc_delta(number):
    return 0x0F, struct.pack("<Q", number)


def container_id(value):
    return 0x10, guid(value)


def stack_key32(match_id, key):
    return 0x11, struct.pack("<QII", match_id, key, 0)


def stack_key64(match_id, key):
    return 0x12, struct.pack("<QQ", match_id, key)


# TraceLogging fields: metadata and value of each.

def _scalar(form):
    return lambda value: struct.pack("<" + form, value)


def _counted(encode):
    def write(value):
        data = encode(value)
        return struct.pack("<H", len(data)) + data
    return write


def _utf16(text):
    return text.encode("utf-16-le")


IN_TYPES = {
    "utf16z": (1, utf16z), "utf8z": (2, lambda text: text.encode() + b"\0"),
    "i8": (3, _scalar("b")), "u8": (4, _scalar("B")), "i16": (5, _scalar("h")), "u16": (6, _scalar("H")),
    "i32": (7, _scalar("i")), "u32": (8, _scalar("I")), "i64": (9, _scalar("q")), "u64": (10, _scalar("Q")),
    "f32": (11, _scalar("f")), "f64": (12, _scalar("d")), "bool32": (13, _scalar("I")),
    "binary": (14, _counted(bytes)), "guid": (15, guid), "filetime": (17, _scalar("q")),
    "systemtime": (18, lambda parts: struct.pack("<8H", *parts)), "sid": (19, sid_bytes),
    "hex32": (20, _scalar("I")), "hex64": (21, _scalar("Q")), "utf16": (22, _counted(_utf16)),
    "utf8": (23, _counted(str.encode)), "binary_counted": (25, _counted(bytes)),
}
OUT_TYPES = {
    None: 0, "noprint": 1, "string": 2, "boolean": 3, "hex": 4, "pid": 5, "tid": 6, "port": 7, "ipv4": 8, "ipv6": 9,
    "socketaddress": 10, "xml": 11, "json": 12, "win32error": 13, "ntstatus": 14, "hresult": 15, "datetime": 16,
    "signed": 17, "unsigned": 18, "culture_insensitive_datetime": 33, "utf8": 35, "pkcs7": 36, "code_pointer": 37,
    "datetime_utc": 38,
}
IN_STRUCT, ARRAY_CONSTANT, ARRAY_VARIABLE, HAS_OUT, HAS_TAGS = 24, 0x20, 0x40, 0x80, 0x80


def _tags(value):
    """1 to 4 bytes of 7 bits each, the first holding bits 27 to 21."""
    groups = [(value >> shift) & 0x7F for shift in (21, 14, 7, 0)]
    while len(groups) > 1 and groups[-1] == 0:
        groups.pop()
    return bytes([group | 0x80 for group in groups[:-1]] + [groups[-1]])


def _field(name, kind, out, data, array, count, tags):
    out |= HAS_TAGS if tags else 0
    metadata = name.encode() + b"\0" + bytes([kind | array | (HAS_OUT if out else 0)])
    metadata += bytes([out]) if out else b""
    metadata += _tags(tags) if tags else b""
    if array == ARRAY_CONSTANT:
        metadata += struct.pack("<H", count)
    elif array == ARRAY_VARIABLE:
        data = struct.pack("<H", count) + data
    return metadata, data


def field(name, in_type, value, out=None, constant=False, tags=0):
    """A field; a list as value makes an array, of constant size if so wanted."""
    kind, encode = IN_TYPES[in_type]
    values = value if isinstance(value, list) else [value]
    array = 0 if not isinstance(value, list) else ARRAY_CONSTANT if constant else ARRAY_VARIABLE
    return _field(name, kind, OUT_TYPES[out], b"".join(map(encode, values)), array, len(values), tags)


def structure(name, *elements, array=False, constant=False, tags=0):
    """A struct of fields; with array, each of elements is the list of fields of one element."""
    rows = list(elements) if array or constant else [list(elements)]
    kind = ARRAY_CONSTANT if constant else ARRAY_VARIABLE if array else 0
    metadata, data = _field(name, IN_STRUCT, len(rows[0]), b"".join(value for row in rows for _, value in row),
                            kind, len(rows), tags)
    return metadata + b"".join(inner for inner, _ in rows[0]), data


def tracelogging_metadata(name, fields, tags=0):
    body = _tags(tags) + name.encode() + b"\0" + b"".join(metadata for metadata, _ in fields)
    return struct.pack("<H", 2 + len(body)) + body


def compress(data):
    """[MS-XCA] 2.3, plain LZ77: the latest match of at least three bytes, else a literal."""
    out, at, seen = bytearray(4), 0, {}
    flags_at, flags, flag_count, nibble_at = 0, 0, 0, None
    while at < len(data):
        match = seen.get(data[at:at + 3], at)
        length = 0
        if 0 < at - match <= 8192:
            while at + length < len(data) and data[match + length] == data[at + length]:
                length += 1
        if length < 3:
            length = 1
            out.append(data[at])
        else:
            rest = length - 3
            out += struct.pack("<H", (at - match - 1) << 3 | min(rest, 7))
            if rest >= 7:
                nibble = min(rest - 7, 15)
                if nibble_at is None:
                    nibble_at = len(out)
                    out.append(nibble)
                else:
                    out[nibble_at] |= nibble << 4
                    nibble_at = None
                out += _long_length(rest) if nibble == 15 else b""
        for position in range(at, min(at + length, len(data) - 2)):
            seen[data[position:position + 3]] = position
        at += length
        flags, flag_count = flags << 1 | (length > 1), flag_count + 1
        if flag_count == 32:
            struct.pack_into("<I", out, flags_at, flags)
            flags_at, flags, flag_count = len(out), 0, 0
            out += bytes(4)
    # What is left of the flags says "match", which ends the data for a reader that was not told its size.
    struct.pack_into("<I", out, flags_at, flags << (32 - flag_count) | (1 << (32 - flag_count)) - 1)
    return bytes(out)


def _long_length(rest):
    """A match's length less 3, where two bytes and a nibble do not hold it."""
    if rest - 22 < 255:
        return bytes([rest - 22])
    return b"\xff" + (struct.pack("<H", rest) if rest < 0x10000 else struct.pack("<HI", 0, rest))


def _items(items):
    """Extended items as a file has them: each padded to 8 bytes, all but the last linked to the next."""
    out = b""
    for index, (kind, data) in enumerate(items):
        size = 8 + (len(data) + 7 & ~7)
        linked = index + 1 < len(items)
        out += struct.pack("<HHHH", size, kind, linked, len(data)) + data.ljust(size - 8, b"\0")
    return out


class Trace:
    """A session's trace. Keyword arguments become what the log-file header says."""

    def __init__(self, *, pointer_size=8, clock=CLOCK_QPC, frequency=10_000_000, cpu_mhz=3000, buffer_size=8192,
                 processors=1, compressed=False, processor_index=True, start=START, start_ticks=1_000_000_000,
                 session="etwcap", file_name="", mode=MODE_SEQUENTIAL, version=(10, 0), build=19041, closed=True,
                 events_lost=0, buffers_lost=0, timer_resolution=156250, utc_bias_minutes=0, logger_id=1,
                 padding=0xAA, zone_names=("", "")):
        self.pointer_size, self.clock, self.frequency, self.cpu_mhz = pointer_size, clock, frequency, cpu_mhz
        self.buffer_size, self.processors, self.compressed = buffer_size, processors, compressed
        self.processor_index, self.start, self.session, self.file_name = processor_index, start, session, file_name
        self.mode, self.version, self.build, self.closed = mode, version, build, closed
        self.events_lost, self.buffers_lost, self.timer_resolution = events_lost, buffers_lost, timer_resolution
        self.utc_bias_minutes, self.logger_id = utc_bias_minutes, logger_id
        self.zone_names = zone_names  # of standard and of daylight time: where given, with Europe's days of change
        self.padding = bytes([padding])  # what stands between records and after the last: garbage in real files
        self.start_ticks = start if clock == CLOCK_SYSTEM else start_ticks
        self.now = self.start_ticks
        self.header_records = []  # follow the log-file header in its buffer
        self._open = {}
        self._flushed = []  # (processor, flags, bytes of records, logger id)

    def at(self, seconds):
        """Raw ticks of the moment so many seconds after the start."""
        per_second = {CLOCK_QPC: self.frequency, CLOCK_SYSTEM: 10_000_000, CLOCK_CYCLES: self.cpu_mhz * 1_000_000}
        return self.start_ticks + round(seconds * per_second[self.clock])

    def filetime(self, ticks):
        """System time of raw ticks, in 100 ns."""
        passed = ticks - self.start_ticks
        if self.clock == CLOCK_SYSTEM:
            return ticks
        if self.clock == CLOCK_CYCLES:
            return self.start + passed * 10 // self.cpu_mhz
        return self.start + passed * 10_000_000 // self.frequency

    # Records.

    def event(self, provider, id=0, data=b"", *, version=0, channel=0, level=4, opcode=0, task=0, keyword=0,
              activity=None, items=(), flags=0, event_property=0, pid=4, tid=8, kernel_time=0, user_time=0, time=None,
              cpu=0, pointer_size=None, header_type=None):
        """An EVENT_HEADER record; items come from related_activity and its like, or are (type, data)."""
        extended = _items(items)
        body = struct.pack("<II", tid, pid) + struct.pack("<q", self._tick(time)) + guid(provider)
        body += struct.pack("<HBBBBHQ", id, version, channel, level, opcode, task, keyword)
        body += struct.pack("<II", kernel_time, user_time) + (guid(activity) if activity else bytes(16))
        body += extended + data
        kind = header_type if header_type is not None else self._kind(EVENT, pointer_size)
        return self.raw(struct.pack("<HBBHH", 8 + len(body), kind, 0xC0, flags | bool(items), event_property) + body,
                        cpu)

    def error(self, provider, **more):
        """The marker that stands for an event that could not be logged."""
        return self.event(provider, header_type=ERROR, **more)

    def tracelogging(self, provider, name, fields=(), *, provider_id=None, group=None, tags=0, items=(), **more):
        """A TraceLogging event: fields come from field and structure."""
        metadata = tracelogging_metadata(name, fields, tags)
        return self.event(provider_id or provider_guid(provider), data=b"".join(data for _, data in fields),
                          channel=more.pop("channel", 11),
                          items=[*items, provider_traits(provider, group), tracelogging_schema(metadata)], **more)

    def manifest(self, provider, xml, *, chunk_size=0xFF00, **more):
        """The events in which an EventSource sends its manifest."""
        text = xml.encode()
        chunks = [text[at:at + chunk_size] for at in range(0, len(text), chunk_size)]
        for index, chunk in enumerate(chunks):
            envelope = struct.pack("<BBBBHH", 1, 1, 0, 0x5B, len(chunks), index)
            self.event(provider, id=0xFFFE, data=envelope + chunk, **dict({"opcode": 0xFE, "task": 0xFFFE}, **more))

    def system(self, group, type, data=b"", *, version=2, pid=4, tid=8, kernel_time=0, user_time=0, time=None, cpu=0,
               pointer_size=None, pebs=None, pmc=()):
        return self.raw(self._hook(SYSTEM, group, type, data, version, pointer_size, pebs, pmc, struct.pack(
            "<IIqII", tid, pid, self._tick(time), kernel_time, user_time)), cpu)

    def compact(self, group, type, data=b"", *, version=2, pid=4, tid=8, time=None, cpu=0, pointer_size=None,
                pebs=None, pmc=()):
        return self.raw(self._hook(COMPACT, group, type, data, version, pointer_size, pebs, pmc, struct.pack(
            "<IIq", tid, pid, self._tick(time))), cpu)

    def perfinfo(self, group, type, data=b"", *, version=2, time=None, cpu=0, pointer_size=None, pebs=None, pmc=()):
        return self.raw(self._hook(PERFINFO, group, type, data, version, pointer_size, pebs, pmc,
                                   struct.pack("<q", self._tick(time))), cpu)

    def full(self, event_class, opcode, data=b"", *, version=0, level=0, pid=4, tid=8, kernel_time=0, user_time=0,
             time=None, cpu=0, pointer_size=None):
        body = self._classic(opcode, level, version, tid, pid, time, event_class, kernel_time, user_time) + data
        return self.raw(struct.pack("<HBB", 4 + len(body), self._kind(FULL, pointer_size), 0xC0) + body, cpu)

    def instance(self, event_class, opcode, data=b"", *, instance_id=0, parent_id=0, parent_class=None, version=0,
                 level=0, pid=4, tid=8, kernel_time=0, user_time=0, time=None, cpu=0, pointer_size=None):
        body = self._classic(opcode, level, version, tid, pid, time, event_class, kernel_time, user_time)
        body += struct.pack("<II", instance_id, parent_id) + (guid(parent_class) if parent_class else bytes(16)) + data
        return self.raw(struct.pack("<HBB", 4 + len(body), self._kind(INSTANCE, pointer_size), 0xC0) + body, cpu)

    def message(self, number, data=b"", *, sequence=None, message_guid=None, component=None, timed=True, pid=None,
                tid=None, time=None, cpu=0, pointer_size=None):
        """A WPP message; parts left out (None, timed=False) are not in the record."""
        flags = {4: 0x40, 8: 0x80}[pointer_size or self.pointer_size]
        body = b""
        for bit, there, part in (
                (0x01, sequence is not None, lambda: struct.pack("<I", sequence)),
                (0x02, message_guid is not None, lambda: guid(message_guid)),
                (0x04, component is not None, lambda: struct.pack("<I", component)),
                (0x10 if self.clock != CLOCK_SYSTEM else 0x08, timed, lambda: struct.pack("<q", self._tick(time))),
                (0x20, pid is not None or tid is not None, lambda: struct.pack("<II", tid or 0, pid or 0))):
            if there:
                flags |= bit
                body += part()
        return self.raw(struct.pack("<HBBHH", 8 + len(body) + len(data), 0, 0x90, number, flags) + body + data, cpu)

    def raw(self, record, cpu=0):
        """Any bytes as a record; padded to 8 like the others. Returns them."""
        if len(record) > 0xFFFF or len(record) > self.buffer_size - BUFFER_HEADER_SIZE:
            raise ValueError("record of %d bytes: more than a record or a buffer can hold" % len(record))
        body = self._open.setdefault(cpu, bytearray())
        at = len(body) + 7 & ~7
        if BUFFER_HEADER_SIZE + at + len(record) > self.buffer_size:
            self.flush(cpu)
            return self.raw(record, cpu)
        body += self.padding * (at - len(body)) + record
        return record

    def flush(self, cpu=None, flags=0):
        """Ends the open buffer of one processor, or of all in their order; they get the logger_id of now."""
        for processor in sorted(self._open) if cpu is None else [cpu]:
            self._flushed.append((processor, flags, bytes(self._open.pop(processor, b"")), self.logger_id))

    # The file.

    def bytes(self):
        """The whole file; flushes what is open."""
        self.flush()
        buffers = [self._buffer(processor, flags, records, sequence=sequence, logger_id=logger_id)
                   for sequence, (processor, flags, records, logger_id) in enumerate(self._flushed, 1)]
        header = self._logfile_header(1 + len(buffers))
        for record in self.header_records:
            header += self.padding * (-len(header) % 8) + record
        return self._buffer(0, FLAG_FLUSH, header, BUFFER_HEADER) + b"".join(buffers)

    def write(self, path):
        with open(path, "wb") as file:
            file.write(self.bytes())

    def _tick(self, time):
        if time is None:
            time = self.now + 1000
        self.now = time
        return time

    def _kind(self, kinds, pointer_size):
        return kinds[(pointer_size or self.pointer_size) == 8]

    def _hook(self, kinds, group, type, data, version, pointer_size, pebs, pmc, rest):
        """Kernel records differ only in what stands between the hook id and the counters."""
        counters = (b"" if pebs is None else struct.pack("<Q", pebs)) + struct.pack("<%dQ" % len(pmc), *pmc)
        version |= (0 if pebs is None else 0x8000) | len(pmc) << 8
        size = 8 + len(rest) + len(counters) + len(data)
        return struct.pack("<HBBHBB", version, self._kind(kinds, pointer_size), 0xC0, size, type, group) + rest             + counters + data

    def _classic(self, opcode, level, version, tid, pid, time, event_class, kernel_time, user_time):
        return struct.pack("<BBHIIq", opcode, level, version, tid, pid, self._tick(time)) + guid(event_class)             + struct.pack("<II", kernel_time, user_time)

    def _buffer(self, processor, flags, records, kind=BUFFER_GENERIC, sequence=0, logger_id=None):
        used = BUFFER_HEADER_SIZE + len(records)
        flags |= FLAG_PROCESSOR_INDEX if self.processor_index else 0
        if self.compressed and kind != BUFFER_HEADER:
            flags |= FLAG_COMPRESSED
            body = compress(records)
            size = BUFFER_HEADER_SIZE + len(body)
        else:
            size = (used + 0x1FF & ~0x1FF) if self.compressed else self.buffer_size
            body = records.ljust(size - BUFFER_HEADER_SIZE, b"\xff")
        cpu = processor if self.processor_index else processor | 8 << 8
        header = struct.pack("<IIIiqqQHHIIHH", size, used, used, 0, self.now, sequence, 0, cpu,
                             self.logger_id if logger_id is None else logger_id, 0, used, flags, kind)
        return header.ljust(BUFFER_HEADER_SIZE, b"\0") + body

    def _half_zone(self, number, month, hour, bias):
        """A TIME_ZONE_INFORMATION's name, SYSTEMTIME and bias of standard or daylight time."""
        if not self.zone_names[number]:
            return bytes(84)
        return (self.zone_names[number].encode("utf-16-le").ljust(64, b"\0")
                + struct.pack("<8Hi", 0, month, 0, 5, hour, 0, 0, 0, bias))

    def _logfile_header(self, buffer_count):
        mode = self.mode | (MODE_COMPRESSED if self.compressed else 0)
        layout = (2, 0) if self.compressed else (1, 5)
        zone = struct.pack("<i", self.utc_bias_minutes) + self._half_zone(0, 10, 3, 0) + self._half_zone(1, 3, 2, -60)
        out = struct.pack("<IBBBBII", self.buffer_size, *self.version, *layout, self.build, self.processors)
        out += struct.pack("<qIIII", self.filetime(self.now) if self.closed else 0, self.timer_resolution, 0, mode,
                           buffer_count)
        out += struct.pack("<IIII", 1, self.pointer_size, self.events_lost, self.cpu_mhz)
        out += bytes(2 * self.pointer_size) + zone + bytes(4)
        out += struct.pack("<qqqII", self.start - 36_000_000_000, self.frequency, self.start, self.clock,
                           self.buffers_lost)
        out += utf16z(self.session) + utf16z(self.file_name)
        return self._hook(SYSTEM, 0, 0, out, 2, None, None, (),
                          struct.pack("<IIqII", 8, 4, self.start_ticks, 0, 0))
