"""Packets of a pcapng file, and those of LINKTYPE_ETW in the layout that Wireshark's main branch has since 2026: as its
epan/dissectors/packet-etw.c reads them. What no offset leads to, or two do, is an error.

    packets(path)    the bytes of each packet
    event(packet)    {"provider": ..., "message": ..., "properties": {...}, "items": [(type, bytes)], "data": ..., "id": ...}
"""
import struct

HEADER = 0x5C


def packets(path):
    data, at = path.read_bytes(), 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert size % 4 == 0 and struct.unpack_from("<I", data, at + size - 4)[0] == size
        if kind == 6:
            captured, original = struct.unpack_from("<II", data, at + 20)
            assert captured == original
            yield data[at + 28:at + 28 + captured]
        at += size


def event(packet):
    used = []

    def piece(offset, size):
        assert HEADER <= offset <= offset + size <= len(packet)
        used.append((offset, offset + size))
        return packet[offset:offset + size]

    def text(offset, size):
        return piece(offset, size).decode("utf-16-le").rstrip("\0")

    item_count, part_count, property_count = struct.unpack_from("<HHI", packet, HEADER - 8)
    at = HEADER
    items, parts, properties = [], {}, {}
    for _ in range(item_count):
        _, kind, _, size, offset = struct.unpack_from("<HHHHQ", packet, at)
        items.append((kind, piece(offset, size)))
        at += 16
    for _ in range(part_count):
        kind, offset, size = struct.unpack_from("<III", packet, at)
        assert kind not in parts
        parts[kind] = (offset, size)
        at += 12
    for _ in range(property_count):
        offset, name_size, size = struct.unpack_from("<IHH", packet, at)
        properties[text(offset, name_size)] = text(offset + name_size, size)
        at += 8
    used.append((HEADER, at))
    told = {"id": struct.unpack_from("<H", packet, 40)[0], "time": struct.unpack_from("<q", packet, 16)[0], "items": items,
            "properties": properties, "data": piece(*parts[0]), "message": text(*parts[1]), "provider": text(*parts[2])}
    place = HEADER
    for start, end in sorted(used):
        assert start == place or start == end, "a gap, or two that share bytes"
        place = max(place, end)
    assert place == len(packet)
    return told
