"""Valid traces of random shape: what an adversary who knows the format would log.

    from random_traces import random_trace

    trace, events = random_trace(random.Random(seed))

Every trace is whole and closed: each of the `events` records that were written must come out, and nothing is missing.
What is random: the session (clock, pointer size, processors, compression, sizes of buffers), kinds and order of records,
the shape of schemas (TraceLogging, metadata events, EventSource manifests), names, values, extended items. Payloads may
be longer or shorter than their schema says, which is a fault of the event, not of the trace. Equal seeds give equal bytes.
"""
import struct
from xml.sax.saxutils import quoteattr

import etlwriter as etl
from etlwriter import Trace, field, structure

MAX_RECORDS = 60
MAX_DEPTH = 3
MAX_ELEMENTS = 5

# Names that some output has to quote, escape, shorten or tell apart.
NAMES = ["A", "a", "A#2", "", " ", "TimeStamp", "Name", "x" * 300, "q\"uote", "a'b", "<tag>", "]]>", "&amp;", "a,b", "a\nb",
         "a\tb", "\x1b[31m", "\u202e", "\u00e9\u4e2d", "\U0001f600", "=1+1", "$(x)", "%1", "..", "a.b", "a[2]", "__proto__"]
TEXTS = NAMES + ["</script>", "C:\\path\\file", "\u0000inside", "line\r\nline", "\u200e7\u200e/1", "-->", "\ufffe", "~" * 4000]
PROVIDERS = ["{11223344-5566-7788-0102-0304050607%02x}" % number for number in range(6)]

SCALARS = {  # in type: how a value is drawn
    "i8": (-128, 127), "u8": (0, 255), "i16": (-32768, 32767), "u16": (0, 65535), "i32": (-2**31, 2**31 - 1),
    "u32": (0, 2**32 - 1), "i64": (-2**63, 2**63 - 1), "u64": (0, 2**64 - 1), "hex32": (0, 2**32 - 1),
    "hex64": (0, 2**64 - 1), "bool32": (0, 2), "filetime": (-2**63, 2**63 - 1),
}
STRINGS = ["utf16z", "utf8z", "utf16", "utf8"]
OTHERS = ["f32", "f64", "guid", "sid", "binary", "binary_counted", "systemtime"]
FLOATS = [0.0, -0.0, 1.5, 1e300, 5e-324, float("inf"), float("-inf"), float("nan"), 1 / 3]
SIDS = ["S-1-5-18", "S-1-1-0", "S-1-5-21-1-2-3-1001"]
KERNEL = [(3, 1), (3, 2), (3, 3), (3, 4), (3, 39), (5, 1), (5, 2), (5, 36), (6, 2), (6, 32), (1, 10), (1, 11), (10, 64), (10, 10),
          (12, 10), (13, 10), (15, 46), (15, 51), (20, 2), (20, 10), (24, 32), (32, 0), (0, 32), (0, 8), (200, 200)]


def boundary(random, low, high):
    """A number of a range, its ends more often than not."""
    return random.choice([low, high, 0 if low <= 0 <= high else low, random.randint(low, high)])


def text(random):
    return random.choice(TEXTS) if random.random() < 0.7 else "".join(
        chr(random.choice([random.randint(32, 126), random.randint(0xA0, 0xD7FF)])) for _ in range(random.randint(0, 40)))


def random_bytes(random, most):
    return bytes(random.getrandbits(8) for _ in range(random.randint(0, most)))


def name(random):
    return random.choice(NAMES).replace("\0", "")


def value(random, kind):
    if kind in SCALARS:
        return boundary(random, *SCALARS[kind])
    if kind in STRINGS:
        return text(random).replace("\0", "") if kind.endswith("z") else text(random)
    return {"f32": lambda: random.choice(FLOATS[:3] + FLOATS[5:]), "f64": lambda: random.choice(FLOATS),
            "guid": lambda: random.choice(PROVIDERS), "sid": lambda: random.choice(SIDS),
            "binary": lambda: random_bytes(random, 40), "binary_counted": lambda: random_bytes(random, 40),
            "systemtime": lambda: tuple(boundary(random, 0, 65535) for _ in range(8))}[kind]()


def tracelogging_field(random, depth=0):
    if depth < MAX_DEPTH and random.random() < 0.15:
        elements = [tracelogging_field(random, depth + 1) for _ in range(random.randint(1, 4))]
        if random.random() < 0.5:
            return structure(name(random), *elements)
        return structure(name(random), *[elements] * random.randint(1, MAX_ELEMENTS), array=True)
    kind = random.choice(list(SCALARS) + STRINGS + OTHERS)
    out = random.choice(list(etl.OUT_TYPES)) if random.random() < 0.4 else None
    tags = random.getrandbits(28) if random.random() < 0.1 else 0
    if random.random() < 0.2:
        values = [value(random, kind) for _ in range(random.randint(0, MAX_ELEMENTS))]
        return field(name(random), kind, values, out, constant=bool(values) and random.random() < 0.5, tags=tags)
    return field(name(random), kind, value(random, kind), out, tags=tags)


def extended_items(random):
    makers = [lambda: etl.related_activity(random.choice(PROVIDERS)), lambda: etl.sid(random.choice(SIDS)),
              lambda: etl.session_id(random.getrandbits(32)), lambda: etl.instance_info(1, 2, PROVIDERS[0]),
              lambda: etl.stack64(random.getrandbits(64), [random.getrandbits(64) for _ in range(random.randint(0, 20))]),
              lambda: etl.stack32(random.getrandbits(64), [random.getrandbits(32) for _ in range(random.randint(0, 20))]),
              lambda: etl.pebs_index(random.getrandbits(64)), lambda: etl.pmc_counters([random.getrandbits(64)] * 2),
              lambda: etl.psm_key(random.getrandbits(64)), lambda: etl.event_key(random.getrandbits(64)),
              lambda: etl.process_start_key(random.getrandbits(64)), lambda: etl.control_guid(PROVIDERS[1]),
              lambda: etl.qpc_delta(random.getrandbits(64)), lambda: etl.container_id(PROVIDERS[2]),
              lambda: etl.stack_key64(1, random.getrandbits(64)), lambda: (random.randint(0x20, 0x30), random_bytes(random, 30))]
    return [random.choice(makers)() for _ in range(random.choice([0, 0, 0, 1, 1, 2, 5]))]


def header(random, **fixed):
    out = {"id": random.getrandbits(16), "version": random.getrandbits(8), "level": random.randint(0, 6),
           "opcode": random.choice([0, 1, 2, 10, 255]), "task": random.getrandbits(4),
           "keyword": random.choice([0, 1, 2**63, random.getrandbits(64)]), "pid": random.choice([0, 4, 1234, 2**32 - 1]),
           "tid": random.choice([0, 8, 2**32 - 1]), "activity": random.choice([None, PROVIDERS[3]])}
    out.update(fixed)
    return out


# A TRACE_EVENT_INFO as merged traces carry it: header of 112 bytes, properties of 24 bytes, texts.

FIXED_SIZES = {3: 1, 4: 1, 5: 2, 6: 2, 7: 4, 8: 4, 9: 8, 10: 8, 11: 4, 12: 8, 13: 4, 15: 16, 16: 8, 17: 8, 18: 16, 20: 4, 21: 8}
PARAM_LENGTH, PARAM_COUNT = 0x02, 0x04


def metadata_event(random, provider, ident):
    """A schema of random properties, wrong ones among them: (blob, payload)."""
    properties, payload = [], b""
    for index in range(random.randint(0, 8)):
        in_type = random.choice(list(FIXED_SIZES) + [1, 2, 14, 300, 301, 305, 306, 999])
        flags, count, length = 0, 1, FIXED_SIZES.get(in_type, 0)
        if index and random.random() < 0.2:
            flags, count = PARAM_COUNT, random.randint(0, index)
        if in_type in (1, 2, 14) and index and random.random() < 0.3:
            flags, length = flags | PARAM_LENGTH, random.randint(0, index)
        properties.append((name(random), flags, in_type, random.choice([0, 1, 8, 15, 18, 24, 31, 37, 500]), count, length))
        payload += etl.utf16z(text(random).replace("\0", "")) if in_type == 1 else bytes(
            random.getrandbits(8) if random.random() < 0.5 else 1 for _ in range(FIXED_SIZES.get(in_type, 6)))
    at, rows, texts = 112 + 24 * len(properties), b"", b""
    for title, flags, in_type, out_type, count, length in properties:
        rows += struct.pack("<IIHHIHHI", flags, at + len(texts), in_type, out_type, 0, count, length, 0)
        texts += etl.utf16z(title)
    names = []
    for _ in range(5):  # provider, task, opcode, message, event
        names.append(at + len(texts))
        texts += etl.utf16z(name(random))
    head = etl.guid(provider) + bytes(16) + struct.pack("<HBBBBHQ", ident, 0, 0, 4, 0, 0, 0)
    head += struct.pack("<I7I", random.choice([0, 0, 1]), names[0], 0, 0, 0, names[1], names[2], names[3])
    head += struct.pack("<8I", 0, 0, 0, names[4], 0, len(properties), len(properties), 1)
    return head + rows + texts, payload[:random.choice([len(payload), len(payload), len(payload) // 2])]


def event_source(random, provider):
    """The manifest of an EventSource with one event: (xml, payload)."""
    kinds = {"win:Int32": b"\x05\0\0\0", "win:UnicodeString": etl.utf16z("text"), "win:Boolean": b"\1\0\0\0",
             "win:UInt8": b"\7", "win:GUID": bytes(range(16)), "win:Double": struct.pack("<d", 2.5)}
    chosen = [random.choice(list(kinds)) for _ in range(random.randint(0, 6))]
    names = [quoteattr(random.choice(["a", "b", "q\"uote", "<x>", "\u00e9", "a"])) for _ in chosen]
    data = "".join("<data name=%s inType='%s'/>" % pair for pair in zip(names, chosen))
    xml = ("<instrumentationManifest xmlns='urn:e'><instrumentation xmlns:win='urn:w'><events><provider name='S' guid='%s' "
           "symbol='S'><tasks><task name='T' value='1'/></tasks><events><event value='1' version='0' level='win:Error' "
           "task='T' template='A'/></events><templates><template tid='A'>%s</template></templates></provider></events>"
           "</instrumentation></instrumentationManifest>" % (provider, data))
    return xml, b"".join(kinds[kind] for kind in chosen)


def random_session(random):
    size = random.choice([8192, 16384, 65536])
    return dict(pointer_size=random.choice([4, 8]), clock=random.choice([1, 2, 3]), processors=random.randint(1, 4),
                compressed=random.random() < 0.3, processor_index=random.random() < 0.8, buffer_size=size,
                session=name(random) or "s", build=random.choice([7601, 9600, 17763, 19041, 26100]))


def records_of(random, schemas):
    """What to write next: (method of Trace, arguments, keywords) each, a schema before its event."""
    kind = random.choice(["plain", "logging", "logging", "logging", "again", "metadata", "source", "hook", "classic", "wpp"])
    if kind == "logging" or (kind == "again" and not schemas):
        schemas.append((random.choice(["P", "Q", name(random) or "R"]), name(random),
                        [tracelogging_field(random) for _ in range(random.randint(0, 6))]))
    if kind in ("logging", "again"):
        return [("tracelogging", random.choice(schemas), dict(header(random, id=0), items=extended_items(random)))]
    if kind == "plain":
        return [("event", (random.choice(PROVIDERS),),
                 dict(header(random), data=random_bytes(random, 200), items=extended_items(random)))]
    if kind == "metadata":
        ident = random.randint(100, 105)
        blob, payload = metadata_event(random, PROVIDERS[4], ident)
        return [("full", (etl.EVENT_METADATA, etl.EVENT_METADATA_TEI, blob), {}),
                ("event", (PROVIDERS[4],), {"id": ident, "data": payload})]
    if kind == "source":
        xml, payload = event_source(random, PROVIDERS[5])
        return [("manifest", (PROVIDERS[5], xml), {}), ("event", (PROVIDERS[5],), {"id": 1, "task": 1, "data": payload})]
    if kind == "hook":
        group, opcode = random.choice(KERNEL)
        return [(random.choice(["system", "compact", "perfinfo"]), (group, opcode, random_bytes(random, 120)),
                 {"version": random.randint(0, 5)})]
    if kind == "classic":
        return [(random.choice(["full", "instance"]),
                 (random.choice(PROVIDERS), random.getrandbits(8), random_bytes(random, 100)), {})]
    return [("message", (random.getrandbits(16), random_bytes(random, 60)),
             {"message_guid": random.choice(PROVIDERS + [None]), "sequence": random.choice([None, 1]),
              "pid": random.choice([None, 4])})]


def random_trace(random):
    """(Trace, number of records in it besides the header's own)."""
    trace, schemas, written = Trace(**random_session(random)), [], 0
    for _ in range(random.randint(1, MAX_RECORDS)):
        for method, arguments, keywords in records_of(random, schemas):
            try:
                getattr(trace, method)(*arguments, cpu=random.randrange(trace.processors), **keywords)
            except (ValueError, struct.error):  # more than a record or a buffer of this session can hold: nothing was written
                continue
            written += 1
    return trace, written
