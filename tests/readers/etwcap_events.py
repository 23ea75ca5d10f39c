"""Decodes the codec's part of events blocks. Written from chapter 12 of format/etwcap/FORMAT.md, for etwcap_reader.py."""
import struct
from collections import namedtuple

from etwcap_reader import Cursor, Damaged, expand

Item = namedtuple("Item", "reserved1 ext_type linkage data")
Event = namedtuple("Event", "trace_index schema_id header buffer_context items user_data")

PLAIN, DELTA, FIRST_GUESS, SHIFTED = 0, 1, 2, 8
CONSTANT, PLANES, DICTIONARY, SPARSE, ROWS, BUCKETS = range(6)
BY_REFERENCE, BY_FIELD, BY_FIELD2, BY_THREAD, BY_PROCESS, BY_TIME = range(2, 8)
NONE, WIDE, ANSI, BYTES, WORDS4, WORDS8 = range(6)
MORE = 0x80
WORD = {BYTES: 1, WORDS4: 4, WORDS8: 8}


class Reader(Cursor):
    """A section, with the two things that the rest is made of: varints and columns."""

    def varint(self):
        value = shift = 0
        while True:
            byte = self.number("B")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def integer(self, width):
        return int.from_bytes(self.take(width), "little")

    def column(self, count, width):
        """The values, and how they are told: PLAIN where they are complete."""
        if count == 0:
            return [], PLAIN
        mask = (1 << 8 * width) - 1
        head = self.number("B")
        mode, form = head >> 4, head & 15
        shift = self.number("B") if mode & SHIFTED else 0
        mode &= 7
        if mode != DELTA:
            values = self.form(form, count, width)
            return (values, PLAIN) if mode == PLAIN else ([unfold(v, mask, shift) for v in values], mode)
        values = [self.integer(width)]
        if count > 1:
            for folded in self.form(form, count - 1, width):
                values.append((values[-1] + unfold(folded, mask, shift)) & mask)
        return values, PLAIN

    def plain(self, count, width):
        values, mode = self.column(count, width)
        if mode != PLAIN:
            raise Damaged("a guess where none is allowed")
        return values

    def form(self, form, count, width):
        if form == CONSTANT:
            return [self.integer(width)] * count
        if form == PLANES:
            return self.planes(count, width)
        if form == DICTIONARY:
            return self.dictionary(count, width)
        if form == SPARSE:
            bits = int.from_bytes(self.take((count + 7) // 8), "little")
            places = [i for i in range(count) if bits >> i & 1]
            values = [0] * count
            if places:
                for place, value in zip(places, self.form(self.number("B"), len(places), width)):
                    values[place] = value
            return values
        if form == ROWS:
            return [self.integer(width) for _ in range(count)]
        if form == BUCKETS:
            return self.buckets(count)
        raise Damaged("an unknown form")

    def planes(self, count, width):
        head = self.number("B")
        low, planes = head >> 4, head & 15
        base = self.integer(width) if planes < width else 0
        data = self.take(planes * count)
        return [base | int.from_bytes(bytes(data[i::count]), "little") << 8 * low for i in range(count)]

    def dictionary(self, count, width):
        distinct = self.varint()
        entries = self.form(self.number("B"), distinct, width)
        for i in range(1, distinct):
            entries[i] = (entries[i] + entries[i - 1]) & ((1 << 8 * width) - 1)
        indexes = self.take(count) if distinct <= 256 else self.unpack("%dH" % count)
        return [entries[i] for i in indexes]

    def buckets(self, count):
        buckets = self.take(count)
        more = [0 if b < 8 else (b - 8) // 4 + 1 for b in buckets]
        packed = int.from_bytes(self.take((sum(more) + 7) // 8), "little")
        values, at = [], 0
        chunk = 0
        for i, (bucket, bits) in enumerate(zip(buckets, more)):
            if i % 512 == 0:  # keep the number that is shifted small
                packed >>= at
                at = 0
                chunk = packed & ((1 << 512 * 64) - 1)
            base = bucket if bucket < 8 else (4 | bucket & 3) << bits
            values.append(base | (chunk >> at & ((1 << bits) - 1)))
            at += bits
        return values

    def blobs(self, count, word):
        """Byte strings: for each row, one of the distinct ones."""
        numbers = self.plain(count, 4)
        distinct = max(numbers) + 1 if numbers else 0
        sizes = self.plain(distinct, 4)
        if word == 1:
            contents = [bytes(self.take(size)) for size in sizes]
        else:
            words, mode = self.column(sum(sizes), word)
            if mode == FIRST_GUESS:
                tell_words(words, sizes, (1 << 8 * word) - 1)
            packed = struct.pack("<%d%s" % (len(words), "I" if word == 4 else "Q"), *words)
            contents, at = [], 0
            for size in sizes:
                contents.append(packed[at:at + size * word])
                at += size * word
        return [contents[number] for number in numbers]


def unfold(folded, mask, shift):
    return ((folded >> 1 ^ -(folded & 1)) << shift) & mask


def tell_words(words, sizes, mask):
    landmarks, at = {}, 0
    for size in sizes:
        for i in range(size):
            landmark = "first" if i == 0 else "middle" if 2 * i == size else None
            told = landmarks.get(landmark, 0) if landmark else words[at - 1]
            words[at] = (words[at] + told) & mask
            if landmark:
                landmarks[landmark] = words[at]
            at += 1


class Kind:
    def __init__(self, section):
        self.common = bytes(section.take(32))
        self.header_type, self.flags, self.property, self.logger, self.trace, self.excess = section.unpack("6H")
        self.schema = section.varint()
        self.items = [section.unpack("3H") for _ in range(section.varint())]
        self.events = []


class Headers:
    """The first section: kinds, and the header fields of all events."""

    def __init__(self, section, count):
        self.kinds = [Kind(section) for _ in range(section.varint())]
        self.kind = section.plain(count, 2)
        for i, number in enumerate(self.kind):
            self.kinds[number].events.append(i)
        order = [i for kind in self.kinds for i in kind.events]
        now = section.number("q")
        steps = [0] * count
        for i, folded in zip(order, section.plain(count, 8)):
            steps[i] = folded >> 1 ^ -(folded & 1)
        self.time = []
        for step in steps:
            now = (now + step + (1 << 63)) % (1 << 64) - (1 << 63)
            self.time.append(now)
        self.processor = section.plain(count, 2)
        self.read_threads(section, count)
        self.kernel_time = self.by_thread(section, count)
        self.user_time = self.by_thread(section, count)
        distinct = section.varint()
        halves = [section.plain(distinct, 8) for _ in range(2)]
        activities = [struct.pack("<QQ", *pair) for pair in zip(*halves)]
        self.activity = [activities[number] for number in self.by_thread(section, count)]
        self.excess = section.plain(count, 2)
        if section.left():
            raise Damaged("bytes behind the headers")

    def read_threads(self, section, count):
        distinct = section.varint()
        self.pairs = list(zip(section.plain(distinct, 4), section.plain(distinct, 4)))
        self.thread, last, fresh = [], {}, 0
        for processor, code in zip(self.processor, section.plain(count, 4)):
            slot = processor % 4096
            if code == 1:
                last[slot] = self.thread[-1]
            elif code == 2:
                last[slot] = fresh
                fresh += 1
            elif code >= 3:
                last[slot] = code - 3
            self.thread.append(last[slot])

    def by_thread(self, section, count):
        values, mode = section.column(count, 4)
        if mode == FIRST_GUESS:
            last = {}
            for i, thread in enumerate(self.thread):
                values[i] = last[thread] = (values[i] + last.get(thread, 0)) & 0xFFFFFFFF
        return values


class Field:
    def __init__(self, region, offset, width):
        self.region, self.offset, self.width = region, offset, width


class Row:
    """A payload while it is put together: its regions, and the number of the text behind each."""

    def __init__(self, event, regions):
        self.event = event
        self.regions = [bytearray(size) for size in regions]
        self.texts = [0] * len(regions)
        self.tails = [b""] * len(regions)

    def whole(self):
        return b"".join(bytes(part) for pair in zip(self.regions, self.tails) for part in pair)

    def at(self, field):
        """What the row holds where another kind has a field; None where it has no such place."""
        if field.region >= len(self.regions):
            return None
        if field.width == 0:
            return self.texts[field.region]
        rest = b"".join(bytes(part) for pair in zip(self.regions[field.region:], self.tails[field.region:])
                        for part in pair)
        if field.offset + field.width > len(rest):
            return None
        return int.from_bytes(rest[field.offset:field.offset + field.width], "little")


class Payloads:
    def __init__(self, section, texts, headers):
        self.section, self.headers = section, headers
        count = texts.varint()
        parts = bytes(texts.take(texts.left())).split(b"\0")
        if len(parts) != count + 1 or parts[-1]:
            raise Damaged("the texts are not as many as they say")
        self.texts = parts[:-1]
        self.rows = {}  # by realm and key: the last row
        self.data = [b""] * len(headers.time)
        for kind in headers.kinds:
            self.read_kind(kind)
        if section.left():
            raise Damaged("bytes behind the payload")

    def read_kind(self, kind):
        section = self.section
        odd = section.varint()
        places = section.plain(odd, 4)
        for place, data in zip(places, section.blobs(odd, 1) if odd else []):
            self.data[kind.events[place]] = data
        left_out = set(places)
        events = [event for place, event in enumerate(kind.events) if place not in left_out]
        if events:
            for row in self.read_rows(kind, events):
                self.data[row.event] = row.whole()

    def read_layout(self):
        regions, tails, pieces, more = [], [], [], True
        while more:
            size, at, list_ = self.section.varint(), 0, []
            while at < size:
                width = self.section.number("B")
                if width:
                    list_.append((at, width, None))
                    at += width
                else:
                    constant = bytes(self.section.take(self.section.varint()))
                    list_.append((at, 0, constant))
                    at += len(constant)
            tail = self.section.number("B")
            more = tail & MORE
            regions.append(size)
            tails.append(tail & ~MORE)
            pieces.append(list_)
        return regions, tails, pieces

    def read_rows(self, kind, events):
        section = self.section
        regions, tails, pieces = self.read_layout()
        rows = [Row(event, regions) for event in events]
        for region, tail in enumerate(tails):
            if tail in WORD:
                for row, blob in zip(rows, section.blobs(len(rows), WORD[tail])):
                    row.tails[region] = blob
        fields = [Field(r, 0, 0) for r, tail in enumerate(tails) if tail in (WIDE, ANSI)]
        fields += [Field(r, at, width) for r, list_ in enumerate(pieces) for at, width, _ in list_ if width]
        key, also = section.varint() - 1, section.varint() - 1
        for region, list_ in enumerate(pieces):
            for at, width, constant in list_:
                for row in rows if width == 0 else []:
                    row.regions[region][at:at + len(constant)] = constant
        self.realm = struct.unpack_from("<I", kind.common)[0]
        self.found = [None] * len(rows)
        if key >= 0:
            values = section.plain(len(rows), fields[key].width or 4)
            self.link(rows, fields[key], values)
            self.store(rows, tails, fields[key], values)
        for number, field in enumerate(fields):
            if number != key:
                values, mode = section.column(len(rows), field.width or 4)
                if mode == PLAIN:
                    self.store(rows, tails, field, values)
                elif field.width == 0:
                    self.tell_texts(rows, tails, field, values)
                else:
                    self.tell(rows, tails, fields, number, values, mode)
        if also >= 0:
            self.link(rows, fields[also], [row.at(fields[also]) for row in rows])
        return rows

    def link(self, rows, field, values):
        realm = (self.realm + (field.width == 0)) & 0xFFFFFFFF
        for i, (row, value) in enumerate(zip(rows, values)):
            tag = ((realm << 32 | value & 0xFFFFFFFF) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 32
            self.found[i] = self.rows.get(tag)
            self.rows[tag] = row

    def store(self, rows, tails, field, values):
        for row, value in zip(rows, values):
            self.store_one(row, tails, field, value)

    def store_one(self, row, tails, field, value):
        if field.width:
            row.regions[field.region][field.offset:field.offset + field.width] = value.to_bytes(field.width, "little")
            return
        row.texts[field.region] = value
        text = self.texts[value]
        if tails[field.region] == WIDE:
            row.tails[field.region] = text.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass") + b"\0\0"
        else:
            row.tails[field.region] = text + b"\0"

    def tell_texts(self, rows, tails, field, values):
        fresh = 0
        for row, reference, value in zip(rows, self.found, values):
            told = reference.at(field) if reference else None
            number = (value + (fresh if told is None else told)) & 0xFFFFFFFF
            fresh = max(fresh, number + 1)
            self.store_one(row, tails, field, number)

    def tell(self, rows, tails, fields, number, values, mode):
        field = fields[number]
        before = number - (1 if mode == BY_FIELD else 2)
        for i, (row, value) in enumerate(zip(rows, values)):
            told = None
            if mode == BY_REFERENCE:
                told = self.found[i].at(field) if self.found[i] else None
            elif mode in (BY_FIELD, BY_FIELD2):
                told = row.at(fields[before]) if before >= 0 and fields[before].width else None
            elif mode == BY_THREAD:
                told = self.headers.pairs[self.headers.thread[row.event]][0]
            elif mode == BY_PROCESS:
                told = self.headers.pairs[self.headers.thread[row.event]][1]
            elif mode == BY_TIME:
                told = self.headers.time[row.event]
            else:
                raise Damaged("an unknown guess")
            mask = (1 << 8 * field.width) - 1
            self.store_one(row, tails, field, (value + (told or 0)) & mask)


def read_items(section, headers):
    items = [[] for _ in headers.time]
    for kind in headers.kinds:
        for reserved1, ext_type, linkage in kind.items:
            count, form = len(kind.events), section.number("B")
            fronts = [b""] * count
            if form:
                width = min(form, 8)
                fronts = [value.to_bytes(width, "little") for value in section.plain(count, width)]
            word = {0: 1, 9: 4, 10: 8}.get(form)
            rests = section.blobs(count, word) if word else [b""] * count
            for event, front, rest in zip(kind.events, fronts, rests):
                items[event].append(Item(reserved1, ext_type, linkage, front + rest))
    if section.left():
        raise Damaged("bytes behind the items")
    return items


def decode(body):
    """The events of a block, in order."""
    cursor = Cursor(body)
    count = cursor.number("I")
    if count == 0:
        return
    sections = []
    for _ in range(4):
        raw, stored = cursor.unpack("II")
        sections.append(expand(cursor.take(stored), raw))
    yield from decode_sections(count, sections)


def decode_sections(count, sections):
    """The events of four expanded sections."""
    sections = list(map(Reader, sections))
    headers = Headers(sections[0], count)
    items = read_items(sections[1], headers)
    data = Payloads(sections[3], sections[2], headers).data
    for i in range(count):
        kind = headers.kinds[headers.kind[i]]
        explained = len(data[i]) + sum(8 + (len(item.data) + 7 & ~7) for item in items[i])
        size = (kind.excess + headers.excess[i] + explained) & 0xFFFF
        header = struct.pack("<4HIIq", size, kind.header_type, kind.flags, kind.property,
                             *headers.pairs[headers.thread[i]], headers.time[i])
        header += kind.common + struct.pack("<II", headers.kernel_time[i], headers.user_time[i]) + headers.activity[i]
        context = struct.pack("<HH", headers.processor[i], kind.logger)
        yield Event(kind.trace, kind.schema, header, context, items[i], data[i])
