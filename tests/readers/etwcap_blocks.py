"""Blocks of .etwcap files made and taken apart by hand: format/etwcap/FORMAT.md."""
import struct

import etwcap_fold
import etwcap_reader

EVENTS = 4


def head(major=1, minor=0):
    data = etwcap_reader.MAGIC + struct.pack("<HH", major, minor)
    return data + struct.pack("<Q", etwcap_reader.xxh3(data))


def block(kind, body, sequence, *, flags=0, raw_size=None, count=1, head_size=0):
    header = etwcap_reader.MARKER + struct.pack("<HHIIQqqIIQ", kind, flags, len(body),
                                                len(body) if raw_size is None else raw_size, sequence, 0, 0, count,
                                                head_size, etwcap_reader.xxh3(body))
    return header + struct.pack("<Q", etwcap_reader.xxh3(header)) + body


def blocks_of(content):
    """Kind, begin and end of each block of a file that is good."""
    at, blocks = etwcap_reader.HEAD_SIZE, []
    while at < len(content):
        kind, size = struct.unpack_from("<4xH2xI", content, at)
        blocks.append((kind, at, at + etwcap_reader.HEADER_SIZE + size))
        at = blocks[-1][2]
    return blocks


def everything_in(path):
    """The file, and all that is compressed in it, one behind the other."""
    content = path.read_bytes()
    out = [content]
    if etwcap_reader.File(content).major == 2:
        return content + etwcap_fold.plain(content)
    for kind, begin, end in blocks_of(content):
        flags, raw_size, head_size = struct.unpack_from("<6xH4xI28xI", content, begin)
        body = bytes(byte ^ flags >> 8 for byte in content[begin + etwcap_reader.HEADER_SIZE:end])
        if kind != EVENTS:
            out.append(etwcap_reader.expand(body, raw_size) if flags & 1 else body)
            continue
        at = head_size + 4
        while at < len(body):
            expanded, stored = struct.unpack_from("<II", body, at)
            out.append(etwcap_reader.expand(body[at + 8:at + 8 + stored], expanded))
            at += 8 + stored
    return b"".join(out)
