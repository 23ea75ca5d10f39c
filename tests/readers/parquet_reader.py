"""Reads Parquet files as far as the tests need: written from the format's specification, so that the C writer has somebody to
disagree with. Flat columns, structs of such, and maps; pages of version 1, zstd or plain; PLAIN and RLE_DICTIONARY.

    rows(path)          a list of dictionaries; None where a value is not there, a dictionary for a map
    footer(path)        what the file says of itself, as nested dictionaries by field number
"""
import struct

import etwcap_reader

BOOLEAN, INT32, INT64, DOUBLE, BYTE_ARRAY = 0, 1, 2, 5, 6
UNSIGNED, STRINGS, NANOS = (11, 12, 13, 14), (0,), 3


class Thrift:
    """The compact protocol: a struct becomes a dictionary by field number."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def value(self, kind):
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return struct.unpack("<b", bytes([self.byte()]))[0]
        if kind in (4, 5, 6):
            return self.signed()
        if kind == 7:
            self.at += 8
            return struct.unpack_from("<d", self.data, self.at - 8)[0]
        if kind == 8:
            size = self.varint()
            self.at += size
            return self.data[self.at - size:self.at]
        if kind == 9:
            head = self.byte()
            count = self.varint() if head >> 4 == 15 else head >> 4
            return [self.value(head & 15) for _ in range(count)]
        assert kind == 12, kind
        return self.struct()

    def struct(self):
        fields, last = {}, 0
        while True:
            head = self.byte()
            if head == 0:
                return fields
            last = last + (head >> 4) if head >> 4 else self.signed()
            fields[last] = self.value(head & 15)


def hybrid(data, at, end, bits, count):
    """Runs and packed bits."""
    values = []
    while len(values) < count:
        assert at < end, "levels end too early"
        cursor = Thrift(data, at)
        head = cursor.varint()
        at = cursor.at
        if head & 1:
            size = (head >> 1) * bits
            packed = int.from_bytes(data[at:at + size], "little")
            values += [packed >> bits * index & (1 << bits) - 1 for index in range((head >> 1) * 8)]
        else:
            size = (bits + 7) // 8
            values += [int.from_bytes(data[at:at + size], "little")] * (head >> 1)
        at += size
    return values[:count]


def plain(data, at, kind, count, column):
    if kind == BYTE_ARRAY:
        out = []
        for _ in range(count):
            size, = struct.unpack_from("<I", data, at)
            out.append(bytes(data[at + 4:at + 4 + size]))
            at += 4 + size
        return [value.decode() for value in out] if column.get(6) in STRINGS else out
    if kind == BOOLEAN:
        return [bool(data[at + index // 8] >> index % 8 & 1) for index in range(count)]
    form = {INT32: "I" if column.get(6) in UNSIGNED else "i", INT64: "Q" if column.get(6) in UNSIGNED else "q", DOUBLE: "d"}
    return list(struct.unpack_from("<%d%s" % (count, form[kind]), data, at))


def page(data, at, codec):
    cursor = Thrift(data, at)
    head = cursor.struct()
    body = data[cursor.at:cursor.at + head[3]]
    return head, etwcap_reader.expand(body, head[2]) if codec == 6 else body, cursor.at + head[3]


def leaf_entries(data, meta, column, max_definition, max_repetition):
    """(repetition, definition, value) of each entry of a column chunk."""
    at, dictionary = meta.get(11) or meta[9], None
    while True:
        head, body, at = page(data, at, meta[4])
        if head[1] != 2:
            break
        dictionary = plain(body, 0, meta[1], head[7][1], column)
    count, start = head[5][1], 0
    levels = []
    for most in (max_repetition, max_definition):
        if most == 0:
            levels.append([0] * count)
            continue
        size, = struct.unpack_from("<I", body, start)
        levels.append(hybrid(body, start + 4, start + 4 + size, most.bit_length(), count))
        start += 4 + size
    present = sum(level == max_definition for level in levels[1])
    if head[5][2] == 8:
        indexes = hybrid(body, start + 1, len(body), body[start], present)
        values = iter([dictionary[index] for index in indexes])
    else:
        values = iter(plain(body, start, meta[1], present, column))
    return [(repetition, definition, next(values) if definition == max_definition else None)
            for repetition, definition in zip(*levels)]


def footer(path):
    data = path.read_bytes()
    assert data[:4] == data[-4:] == b"PAR1"
    size, = struct.unpack_from("<I", data, len(data) - 8)
    return data, Thrift(data, len(data) - 8 - size).struct()


def leaves(schema):
    """(path, element, maximum definition, maximum repetition) of each leaf."""
    elements, out = iter(schema[1:]), []

    def below(count, path, definition, repetition):
        for _ in range(count):
            element = next(elements)
            defined, repeated = definition + (element[3] != 0), repetition + (element[3] == 2)
            name = path + (element[4].decode(),)
            if element.get(5):
                below(element[5], name, defined, repeated)
            else:
                out.append((name, element, defined, repeated))
    below(schema[0][5], (), 0, 0)
    return out


def records(entries):
    """Entries of a repeated leaf, a list for each row."""
    out = []
    for repetition, definition, value in entries:
        if repetition == 0:
            out.append([])
        out[-1].append((definition, value))
    return out


def rows(path):
    data, about = footer(path)
    out = []
    for group in about[4]:
        group_rows = [{} for _ in range(group[3])]
        maps = {}
        for (name, element, definition, repetition), chunk in zip(leaves(about[2]), group[1]):
            assert tuple(part.decode() for part in chunk[3][3]) == name
            entries = leaf_entries(data, chunk[3], element, definition, repetition)
            if repetition:
                maps.setdefault(name[0], []).append(records(entries))
                continue
            assert len(entries) == len(group_rows)
            for row, (_, _, value) in zip(group_rows, entries):
                if len(name) == 1:
                    row[name[0]] = value
                else:
                    row.setdefault(name[0], {})[name[1]] = value
        for name, (keys, values) in maps.items():
            for row, key_list, value_list in zip(group_rows, keys, values):
                pairs = [(key, value) for (level, key), (_, value) in zip(key_list, value_list) if level == 2]
                row[name] = None if key_list[0][0] == 0 else dict(pairs)
                assert len(pairs) == len(row[name] or {}), "a key stands twice in a map"
        out += group_rows
    assert len(out) == about[3]
    return out
