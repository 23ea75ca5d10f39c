"""Reads schema packs, written from FORMAT.md alone: chapters 6.9 and 6.10."""
import struct

import etwcap_reader

HEAD_WORDS, PROPERTY_WORDS = 28, 6
STRINGS = [13, 14, 15, 16, 17, 18, 19, 20, 23, 24]
KEYWORDS, PROPERTY_COUNT = 16, 25


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        self.at += size
        assert self.at <= len(self.data)
        return self.data[self.at - size:self.at]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u16(self):
        return struct.unpack("<H", self.take(2))[0]

    def text(self):
        return self.take(self.u16()).decode()

    def column(self, form, count):
        return struct.unpack("<%d%s" % (count, form), self.take(count * struct.calcsize("<" + form)))


def catalog(body):
    """{(guid bytes, id, version, form): [(source name, build, schema id), ...]}, blocks, {guid bytes: name}."""
    r = Reader(body)
    sources, providers, blocks, rows = (r.u32() for _ in range(4))
    sources = [(r.u32(), r.text()) for _ in range(sources)]
    providers = [(r.take(16), r.text()) for _ in range(providers)]
    blocks = [struct.unpack("<QI", r.take(12)) for _ in range(blocks)]
    columns = [r.column(form, rows) for form in "HHBBHI"]
    found, schema_id = {}, 0
    for provider, number, version, form, source, step in zip(*columns):
        schema_id = schema_id + step & 0xFFFFFFFF
        key = (providers[provider][0], number, version, form)
        found.setdefault(key, []).append((sources[source][1], sources[source][0], schema_id))
    assert r.at == len(body)
    return found, blocks, dict(providers)


def halves(low, high, size):
    out = bytearray(size)
    out[0::2] = low.take((size + 1) // 2)
    out[1::2] = high.take(size // 2)
    return out


def end_of_string(tei, at):
    while tei[at:at + 2] != b"\0\0":
        at += 2
    return at + 2


def restore(tei):
    """Distances become offsets again."""
    properties = struct.unpack_from("<I", tei, 4 * PROPERTY_COUNT)[0]
    following = 4 * (HEAD_WORDS + PROPERTY_WORDS * properties)

    def offset(place):
        distance = struct.unpack_from("<I", tei, place)[0]
        if distance:
            struct.pack_into("<I", tei, place, following + distance - 1 & 0xFFFFFFFF)
        return following + distance - 1 & 0xFFFFFFFF if distance else 0

    for word in STRINGS:
        at = offset(4 * word)
        while at:
            following = end_of_string(tei, at)
            at = following if word == KEYWORDS and following - at > 2 else 0
    for number in range(properties):
        place = 4 * (HEAD_WORDS + PROPERTY_WORDS * number)
        flags = struct.unpack_from("<I", tei, place)[0]
        name = offset(place + 4)
        following = end_of_string(tei, name) if name else following
        if not flags & 0x81:
            before, at = following, offset(place + 12)
            following = end_of_string(tei, at) if at and at == before else following
    return bytes(tei)


def schemas(body):
    """{id: (origin, TRACE_EVENT_INFO, [EVENT_MAP_INFO, ...])}"""
    r = Reader(body)
    first, count, map_count = r.u32(), r.u32(), r.u32()
    streams = [Reader(r.take(r.u32())) for _ in range(9 + HEAD_WORDS + PROPERTY_WORDS)]
    origins, forms, map_counts, sizes, refs, map_sizes, map_bytes, low, high = streams[:9]
    head, row = streams[9:9 + HEAD_WORDS], streams[9 + HEAD_WORDS:]
    maps = [map_bytes.take(map_sizes.u32()) for _ in range(map_count)]
    found = {}
    for number in range(count):
        own = [maps[refs.u32()] for _ in range(map_counts.u16())]
        size = sizes.u32()
        if forms.take(1) == b"\0":
            tei = bytes(halves(low, high, size))
        else:
            tei = b"".join(column.take(4) for column in head)
            for _ in range(struct.unpack_from("<I", tei, 4 * PROPERTY_COUNT)[0]):
                tei += b"".join(column.take(4) for column in row)
            tei = restore(bytearray(tei + halves(low, high, size - len(tei))))
        found[first + number] = (origins.take(1)[0], tei, own)
    assert all(stream.at == len(stream.data) for stream in streams) and r.at == len(body)
    return found
