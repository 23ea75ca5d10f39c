"""A second reader of .etl files, for tests: short, slow, in memory, and written from the layout alone.

    for line in etl_oracle.lines(path): ...   # what tests/tools/etl_dump.c prints, event for event
    for r in etl_oracle.records(path): ...    # the same, as tuples with the payload's bytes

It reads only whole and healthy files. Order: the log-file header event, then all others merged by raw time stamp, ties
by their place in the file; records of one buffer keep their order, and, where the clock is the system's time, those of
one processor (a circular file's excepted).
"""
import collections
import struct
import zlib

KERNEL, INSTANCE, EVENT = (1, 2, 3, 4, 16, 17), (11, 21), (13, 18, 19)
ERROR, MESSAGE = 13, 15
BITS32 = (1, 3, 10, 11, 16, 18)
CLASSES = """
68fdd9004a3e11d184f40000f80464e3 3d6fa8d4fe0511d09dda00c04fd7ba7c 3d6fa8d3fe0511d09dda00c04fd7ba7c
3d6fa8d0fe0511d09dda00c04fd7ba7c 90cbdc394a3e11d184f40000f80464e3 3d6fa8d1fe0511d09dda00c04fd7ba7c
9a280ac0c8e011d184e200c04fb998a2 3282fc76feed498e8aa7e70f459d430e bf3a50c5a9c94988a0052df0b7c80f80
ae53722ec86311d2865900c04fa321a1 13976d09a327438c950b7f03192815c7 01853a65418f4f36aefcdc0f1d2fd235
99134383524843fc834b529454e75df3 42695762ea50497a90685cbbb35e0b95 0268a8b674fd43029dd06e8f1795c0cf
ce1dbfb4137e4da687b03f59aa102cbc 222962ab61804b88a825346b75f2a24a 89497f50effe44408cf2ce6b1cdcaca7
e43445e0090348c3b878ff0fccebdd04 a9152f003f584bee92a170c7d079d5dd 2cb15d1d5fc111d2abe100a0c911f518
b2d148727c5b463d8419ee9bf7d23e04 7687a439f75245b8b741321aec0f8df9 3ac66736cc594cff81158df50e39816b
def2fe467bd64b80bd94f57fe20d0ce3 9aec974b5b8e41189b923186d8002ce5 45d8cccd539f4b72a8b75c683142609a
d837ca9212b944a5ad6a3a65b3578aa8 c861d0e2a2c14d369f9c970bab943a12 7f2a405c69b54bf9a1f530e8f1afab5e
2ce9a149effe42f0a635a1d39e26c8f2
"""
CLASSES = "".join(CLASSES.split())
CLASSES = ["{%s-%s-%s-%s-%s}" % (c[:8], c[8:12], c[12:16], c[16:20], c[20:])
           for c in (CLASSES[i:i + 32] for i in range(0, len(CLASSES), 32))]
NO_CLASS = "{00000000-0000-0000-0000-000000000000}"


def guid_text(data, at):
    a, b, c = struct.unpack_from("<IHH", data, at)
    tail = data[at + 8:at + 16].hex()
    return "{%08x-%04x-%04x-%s-%s}" % (a, b, c, tail[:4], tail[4:])


def expand(data, size):
    """Plain LZ77 as MS-XCA 2.4 has it, literals taken in runs."""
    out, at, flags, bits, half = bytearray(), 0, 0, 0, None
    while len(out) < size:
        if bits == 0:
            flags, at, bits = int.from_bytes(data[at:at + 4], "little"), at + 4, 32
        run = bits - flags.bit_length()
        if run:
            run = min(run, size - len(out))
            out += data[at:at + run]
            at, bits = at + run, bits - run
            continue
        bits -= 1
        flags ^= 1 << bits
        word = data[at] | data[at + 1] << 8
        at += 2
        length, distance = word & 7, (word >> 3) + 1
        if length == 7:
            if half is None:
                nibble, half, at = data[at] & 15, data[at] >> 4, at + 1
            else:
                nibble, half = half, None
            length += nibble
            if nibble == 15:
                length, at = length + data[at], at + 1
                if length == 7 + 15 + 255:
                    length, at = int.from_bytes(data[at:at + 2], "little"), at + 2
                    if length == 0:
                        length, at = int.from_bytes(data[at:at + 4], "little"), at + 4
        length += 3
        start = len(out) - distance
        if distance >= length:
            out += out[start:start + length]
        else:
            pattern = bytes(out[start:])
            out += (pattern * (length // distance + 1))[:length]
    return bytes(out[:size])


def buffers(data):
    """(processor, wide processor index, bytes of the records) of each buffer."""
    at = 0
    while at < len(data):
        size, = struct.unpack_from("<I", data, at)
        used, flags = struct.unpack_from("<IH", data, at + 0x30)
        wide = bool(flags & 0x20)
        cpu = struct.unpack_from("<H", data, at + 0x28)[0] & 0x7FF if wide else data[at + 0x28]
        body = data[at + 72:at + size]
        yield cpu, wide, expand(body, used - 72) if flags & 0x40 else body[:used - 72]
        at += size


def items_of(record):
    """The extended items and the place behind them."""
    items, at, linked = [], 80, struct.unpack_from("<H", record, 4)[0] & 1
    while linked:
        size, kind, linked, used = struct.unpack_from("<HHHH", record, at)
        items.append((kind, record[at + 8:at + 8 + used]))
        at, linked = at + size, linked & 1
    return items, at


def message(record):
    number, options = struct.unpack_from("<HH", record, 4)
    at, provider, ticks, thread, process = 8, NO_CLASS, None, 0, 0
    if options & 1:
        at += 4
    if options & 2:
        provider, at = guid_text(record, at), at + 16
    elif options & 4:
        provider, at = "{%08x%s" % (struct.unpack_from("<I", record, at)[0], NO_CLASS[9:]), at + 4
    if options & 0x18:
        ticks, at = struct.unpack_from("<q", record, at)[0], at + 8
    if options & 0x20:
        thread, process = struct.unpack_from("<II", record, at)
        at += 8
    flags = 8 | (0x20 if options & 0x40 else 0) | (0x40 if options & 0x80 else 0)
    return ticks, (provider, number, 0, 0, 0, 0, 0, 0, process, thread), flags, [], at


def kernel(record, kind):
    version, = struct.unpack_from("<H", record, 0)
    opcode, group = record[6], record[7]
    at = {1: 32, 2: 32, 3: 24, 4: 24}.get(kind, 16)
    ticks, = struct.unpack_from("<q", record, 8 if at == 16 else 16)
    thread, process = (0xFFFFFFFF, 0xFFFFFFFF) if at == 16 else struct.unpack_from("<II", record, 8)
    items = []
    for present, item, count in ((version & 0x8000, 7, 1), (version & 0x700, 8, version >> 8 & 7)):
        if present:
            items.append((item, record[at:at + 8 * count]))
            at += 8 * count
    group = 0x14 if (group, opcode) == (3, 0x0A) else group
    provider = CLASSES[group] if group < len(CLASSES) else NO_CLASS
    return ticks, (provider, 0, version & 0xFF, opcode, 0, 0, 0, 0, process, thread), 0x100, items, at


def classic(record, kind):
    opcode, level, version, thread, process, ticks = struct.unpack_from("<BBHIIq", record, 4)
    items, at = [], 48
    if kind in INSTANCE:
        items, at = [(4, record[48:72])], 72
    return ticks, (guid_text(record, 24), 0, version & 0xFF, opcode, level, 0, 0, 0, process, thread), 0x100, items, at


def modern(record):
    flags, _, thread, process, ticks = struct.unpack_from("<HHIIq", record, 4)
    number, version, channel, level, opcode, task, keyword = struct.unpack_from("<HBBBBHQ", record, 40)
    items, at = items_of(record)
    fields = (guid_text(record, 24), number, version, opcode, level, task, channel, keyword, process, thread)
    return ticks, fields, flags, items, at


def decode(record, kind):
    if kind == MESSAGE:
        return message(record)
    if kind in KERNEL:
        return kernel(record, kind)
    return modern(record) if kind in EVENT else classic(record, kind)


def clock_and_mode(data):
    """ReservedFlags and LogFileMode of the log-file header, in a file that starts with one."""
    pointer = 8 if data[74] == 2 else 4
    return (struct.unpack_from("<I", data, 72 + 32 + 56 + 2 * pointer + 200)[0],
            struct.unpack_from("<I", data, 72 + 32 + 32)[0])


Raw = collections.namedtuple("Raw", "buffer cpu wide kind size ticks fields flags items payload")


def raw(data):
    """Each record in file order. fields: provider, id, version, opcode, level, task, channel, keyword, process, thread."""
    for number, (cpu, wide, body) in enumerate(buffers(data)):
        at, before = 0, 0
        while at + 8 <= len(body):
            kind = MESSAGE if body[at + 3] == 0x90 else body[at + 2]
            size, = struct.unpack_from("<H", body, at + 4 if kind in KERNEL else at)
            record = body[at:at + size]
            ticks, fields, flags, items, start = decode(record, kind)
            before = before if ticks is None else ticks
            if kind not in (MESSAGE, ERROR):
                flags |= 0x20 if kind in BITS32 else 0x40
            flags |= (0x200 if wide else 0) | (1 if items else 0)
            yield Raw(number, cpu, wide, kind, size, before, fields, flags, items, record[start:])
            at += (size + 7) & ~7


def keyed(data):
    """(key, record) in file order; sorted by key, they are in the order of delivery."""
    clock, mode = clock_and_mode(data)
    ordered, keys, key, buffer = clock == 2 and not mode & 0x10000002, {}, None, -1
    for record in raw(data):
        if record.buffer != buffer:
            buffer, key = record.buffer, keys.get(record.cpu) if ordered and record.buffer else None
        key = record.ticks if key is None else max(key, record.ticks)
        keys[record.cpu] = key
        yield key, record


def records(path):
    """All of a file in the order of delivery: the log-file header event, then by time."""
    with open(path, "rb") as file:
        header, *others = keyed(file.read())
    others.sort(key=lambda pair: pair[0])
    return [header[1]] + [record for _, record in others]


def line(r):
    checksum = 0
    for number, content in r.items:
        checksum = zlib.crc32(content, zlib.crc32(struct.pack("<H", number), checksum))
    return "event %d %s %d %d %d %d %d %d %d pid %d tid %d cpu %d flags %x size %d items %d %08x data %d %08x" % (
        r.ticks, *r.fields, r.cpu, r.flags, r.size, len(r.items), checksum, len(r.payload), zlib.crc32(r.payload))


def lines(path):
    return [line(record) for record in records(path)]
