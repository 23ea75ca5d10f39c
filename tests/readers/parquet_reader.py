"""Reads Parquet files as far as the tests need: written from the format's specification, so that the C writer has somebody to
disagree with. Structs, lists and maps, nested as they like; pages of version 1, zstd or plain; PLAIN and RLE_DICTIONARY.

    rows(path)          a list of dictionaries; None where a value is not there, a dictionary for a struct or a map
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


class Node:
    """An element of the schema with those in it; leaves: the numbers of the leaves below it."""

    def __init__(self, elements, leaf_count=0, path=(), definition=0, repetition=0):
        self.element = next(elements)
        self.name = self.element[4].decode()
        self.kind = self.element.get(6)
        self.repeat = self.element.get(3, 0)
        self.definition, self.repetition = definition + (self.repeat != 0), repetition + (self.repeat == 2)
        self.path = path + (self.name,)
        self.children = []
        self.first = leaf_count
        for _ in range(self.element.get(5, 0)):
            self.children.append(Node(elements, leaf_count, self.path, self.definition, self.repetition))
            leaf_count = self.children[-1].end
        self.end = leaf_count if self.children else leaf_count + 1

    def leaves(self):
        return [leaf for child in self.children for leaf in child.leaves()] if self.children else [self]


LIST, MAP = 3, 1


def elements_of(entries, repetition):
    """Each leaf's entries, cut where a level repeats: a list of such for each element."""
    cuts = [[index for index, entry in enumerate(leaf) if index == 0 or entry[0] <= repetition] + [len(leaf)] for leaf in entries]
    assert len({len(cut) for cut in cuts}) == 1, "leaves of one list differ in its length"
    return [[leaf[cut[number]:cut[number + 1]] for leaf, cut in zip(entries, cuts)] for number in range(len(cuts[0]) - 1)]


def assemble(node, entries):
    """entries: of each leaf below the node, those of one value of it."""
    if any(leaf[0][1] < node.definition for leaf in entries):
        assert all(len(leaf) == 1 and leaf[0][1] == entries[0][0][1] for leaf in entries), "leaves differ in what is there"
        return [] if node.repeat == 2 else None
    if node.repeat == 2:
        return [value_of(node, element) for element in elements_of(entries, node.repetition)]
    return value_of(node, entries)


def value_of(node, entries):
    if not node.children:
        assert len(entries[0]) == 1
        return entries[0][0][2]
    value = {child.name: assemble(child, entries[child.first - node.first:child.end - node.first]) for child in node.children}
    if node.kind == LIST:
        return [element["element"] for element in value["list"]]
    if node.kind == MAP:
        pairs = [(pair["key"], pair["value"]) for pair in value["key_value"]]
        assert len(dict(pairs)) == len(pairs), "a key stands twice in a map"
        return dict(pairs)
    return value


def rows(path):
    data, about = footer(path)
    elements = iter(about[2])
    root = Node(iter([{**next(elements), 3: 0}] + list(elements)))
    out = []
    for group in about[4]:
        columns = []
        for leaf, chunk in zip(root.leaves(), group[1]):
            assert tuple(part.decode() for part in chunk[3][3]) == leaf.path[1:]
            columns.append(elements_of([leaf_entries(data, chunk[3], leaf.element, leaf.definition, leaf.repetition)], 0))
        assert all(len(column) == group[3] for column in columns)
        out += [value_of(root, [column[number][0] for column in columns]) for number in range(group[3])]
    assert len(out) == about[3]
    return out
