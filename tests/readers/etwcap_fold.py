"""Unfolds folded .etwcap files: chapter 13 of format/etwcap/FORMAT.md, from that page alone. The dictionary is in it, too."""
import base64
import ctypes
import functools
import pathlib
import struct

import etwcap_reader as reader

FORMAT = pathlib.Path(__file__).parents[2] / "format" / "etwcap" / "FORMAT.md"
HEAD_SIZE = 36
FRAME_MAGIC = bytes.fromhex("28B52FFD")
FIXED = 136
AS_IN_HEADER = 0xFFFF

_zstd = reader._zstd
_zstd.ZSTD_createDCtx.restype = ctypes.c_void_p
_zstd.ZSTD_freeDCtx.argtypes = [ctypes.c_void_p]
_zstd.ZSTD_getFrameContentSize.restype = ctypes.c_uint64
_zstd.ZSTD_getFrameContentSize.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_zstd.ZSTD_decompress_usingDict.restype = ctypes.c_size_t
_zstd.ZSTD_decompress_usingDict.argtypes = [ctypes.c_void_p] + 3 * [ctypes.c_char_p, ctypes.c_size_t]


@functools.lru_cache
def dictionary(number):
    """Its bytes: base64 of a zstd frame, in the appendix."""
    if number != 1:
        raise reader.Damaged("an unknown dictionary")
    page = FORMAT.read_text(encoding="utf-8").split("### Dictionary %d\n" % number)[1]
    size = int(page.split(" bytes", 1)[0].rsplit(" ", 1)[1].replace(",", ""))
    return reader.expand(base64.b64decode(page.split("```")[1]), size)


def plain(data):
    """What a folded file's blocks are, one behind the other."""
    return widen(text_of(data))


def text_of(data):
    """What its frame expands to."""
    if len(data) < HEAD_SIZE:
        raise reader.Damaged("cut off")
    word, said = struct.unpack_from("<IQ", data, 24)
    stored = data[HEAD_SIZE:HEAD_SIZE + (word & 0xFFFFFF)]
    if len(stored) < word & 0xFFFFFF or reader.xxh3(stored) != said:
        raise reader.Damaged("cut off, or the checksum is wrong")
    return expand(FRAME_MAGIC + stored, dictionary(word >> 24))


def expand(frame, with_dictionary):
    size = _zstd.ZSTD_getFrameContentSize(frame, len(frame))
    if size > reader.MAX_RAW:
        raise reader.Damaged("no size, or one above the limit")
    into = ctypes.create_string_buffer(max(size, 1))
    state = _zstd.ZSTD_createDCtx()
    got = _zstd.ZSTD_decompress_usingDict(state, into, size, frame, len(frame), with_dictionary, len(with_dictionary))
    _zstd.ZSTD_freeDCtx(state)
    if got != size:
        raise reader.Damaged("the frame does not expand")
    return into.raw[:size]


def varint(cursor):
    value = shift = 0
    while True:
        byte = cursor.number("B")
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value


def widen(text):
    cursor, out = reader.Cursor(text), []
    while cursor.left():
        out.append(cursor.take(varint(cursor)))
        out.append(b"".join(bytes((unit, 0)) for unit in cursor.take(varint(cursor))))
    return b"".join(out)


class Block:
    """One block: its header's facts, and its body; of an events block the head, and the four sections."""
    sections = None


def blocks(data):
    cursor = reader.Cursor(plain(data))
    while cursor.left():
        block = Block()
        kind = varint(cursor)
        block.kind, block.count = kind >> 1, varint(cursor)
        block.first_time = block.last_time = 0
        if kind & 1:
            block.first_time = cursor.number("q")
            block.last_time = block.first_time + varint(cursor)
        part = bytes(cursor.take(varint(cursor)))
        if block.kind == reader.EVENTS:
            unfold_events(block, reader.Cursor(part))
        else:
            unfold = {reader.TRACE: unfold_trace, reader.SCHEMAS: unfold_schemas}.get(block.kind, bytes)
            block.body = unfold(part)
            block.raw_size, block.head_size = len(block.body), 0
        yield block


def unfold_events(block, cursor):
    block.raw_size = varint(cursor)
    head = bytes(cursor.take(varint(cursor)))
    block.body = head + struct.pack("<Q", reader.xxh3(head))
    block.head_size = len(block.body)
    block.sections = [bytes(cursor.take(varint(cursor))) for _ in range(4)]


def unfold_schemas(part):
    cursor, out, blobs = reader.Cursor(part), [], []
    while cursor.left():
        entry = cursor.number("B")
        out.append(struct.pack("<B", entry))
        if entry == 1:
            blobs.append(bytes(cursor.take(cursor.number("I"))))
            out.append(struct.pack("<I", len(blobs[-1])) + blobs[-1])
        elif entry == 2:
            number, origin, blob, maps = cursor.unpack("4I")
            numbers = cursor.unpack("%dI" % maps)
            found = reader.xxh3(blobs[blob])
            for each in numbers:
                found = reader.xxh3(blobs[each], found)
            out.append(struct.pack("<IIQII", number, origin, found, blob, maps) + struct.pack("<%dI" % maps, *numbers))
        else:
            guid, size = cursor.take(16), cursor.number("H")
            out.append(guid + struct.pack("<H", size) + cursor.take(size))
    return b"".join(out)


# Place in the trace's body, place in the log-file header of a 32-bit and of a 64-bit system, size.
FIELDS = ((4, 264, 272, 4), (8, 52, 52, 4), (16, 248, 256, 8), (24, 256, 264, 8), (32, 256, 264, 8), (40, 12, 12, 4),
          (44, 4, 4, 4), (48, 8, 8, 4), (52, 24, 24, 4), (56, 52, 52, 4), (60, 32, 32, 4), (64, 0, 0, 4),
          (68, 36, 36, 4), (72, 40, 40, 4), (76, 28, 28, 4), (80, 48, 48, 4), (84, 268, 276, 4), (88, 64, 72, 4),
          (96, 240, 248, 8), (104, 256, 264, 8), (112, 16, 16, 8), (120, 40, 40, 16))


def unfold_trace(part):
    if part[0] == 0:
        return part[1:]
    cursor = reader.Cursor(part[1:])
    fixed = bytearray(cursor.take(FIXED))
    texts = []
    for _ in range(4):
        size = cursor.number("H")
        texts.append(None if size == AS_IN_HEADER else bytes(cursor.take(size)))
    header = bytes(cursor.take(cursor.number("I")))
    is_wide = struct.unpack_from("<I", fixed, 12)[0] == 8
    for place, narrow, wide, size in FIELDS:
        for at in range(size):
            fixed[place + at] ^= header[(wide if is_wide else narrow) + at]
    names = header[280 if is_wide else 272:].decode("utf-16-le", "surrogatepass").split("\0")
    texts = [names[number].encode() if text is None else text for number, text in enumerate(texts)]
    return (bytes(fixed) + b"".join(struct.pack("<H", len(text)) + text for text in texts)
            + struct.pack("<I", len(header)) + header + bytes(cursor.take(cursor.left())))
