"""Writes small Windows files with resources: PE files of both byte widths, and compiled manifests for them.

A resource is (type, language, bytes); a type is a number or a name. The layout is that of the PE/COFF specification.
"""
import struct

MESSAGES, VERSION = 11, 16


def resources(items, rva):
    """The resource directory and its data, as they lie at the address rva."""
    names = {kind: kind for kind, _, _ in items if isinstance(kind, str)}
    ordered = sorted(items, key=lambda item: (not isinstance(item[0], str), item[0]))
    at = {"dirs": 16 + 8 * len(ordered)}
    dirs_size = at["dirs"] + len(ordered) * 2 * 24
    texts, text_at = b"", {}
    for name in names:
        text_at[name] = dirs_size + 16 * len(ordered) + len(texts)
        texts += struct.pack("<H", len(name)) + name.encode("utf-16le")
    data_at = (dirs_size + 16 * len(ordered) + len(texts) + 7) & ~7
    root = struct.pack("<IIHHHH", 0, 0, 0, 0, len(names), len(ordered) - len(names))
    dirs, entries, data = b"", b"", b""
    for index, (kind, language, content) in enumerate(ordered):
        first = 16 + 8 * len(ordered) + 48 * index
        number = 0x80000000 | text_at[kind] if isinstance(kind, str) else kind
        root += struct.pack("<II", number, 0x80000000 | first)
        one = struct.pack("<IIHHHH", 0, 0, 0, 0, 0, 1)
        dirs += one + struct.pack("<II", 1, 0x80000000 | (first + 24))
        dirs += one + struct.pack("<II", language, dirs_size + 16 * index)
        entries += struct.pack("<IIII", rva + data_at + len(data), len(content), 0, 0)
        data += content + b"\0" * (-len(content) % 8)
    return (root + dirs + entries + texts).ljust(data_at, b"\0") + data


def pe(items, wide=True):
    """A PE file whose only section is its resources; wide: of 64 bits."""
    rva, at = 0x1000, 0x400
    section = resources(items, rva)
    optional_size = (112 if wide else 96) + 16 * 8
    optional = bytearray(optional_size)
    struct.pack_into("<H", optional, 0, 0x20B if wide else 0x10B)
    struct.pack_into("<I", optional, 108 if wide else 92, 16)
    struct.pack_into("<II", optional, (112 if wide else 96) + 2 * 8, rva, len(section))
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    head += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664 if wide else 0x14C, 1, 0, 0, 0, optional_size, 0x2102)
    head += bytes(optional) + b".rsrc\0\0\0" + struct.pack("<IIII", len(section), rva, len(section), at) + bytes(16)
    return head.ljust(at, b"\0") + section


def version(build):
    """The fixed part of a version resource."""
    head = struct.pack("<HHH", 92, 52, 0) + "VS_VERSION_INFO\0".encode("utf-16le")
    return head.ljust(40, b"\0") + struct.pack("<IIIIII", 0xFEEF04BD, 0x10000, 10 << 16, build << 16, 0, 0) + bytes(28)


def counted(text):
    data = text.encode("utf-16le") + b"\0\0"
    return struct.pack("<I", 4 + (len(data) + 3 & ~3)) + data.ljust(len(data) + 3 & ~3, b"\0")


def compiled(provider, events, major=5, name="Compiled", message=0xFFFFFFFF):
    """A compiled manifest. provider: GUID bytes; events: (id, version, ((field, in type, out type), ...)); message: id of the
    text of all of them."""
    body = bytearray(b"CRIM" + struct.pack("<IHHI", 0, major, 1, 1) + provider + struct.pack("<I", 36))
    body += b"WEVT" + struct.pack("<IIIIIII", 0, 0xFFFFFFFF, 2, 4, 0, 13, 0)
    temps = []
    for _, _, fields in events:
        temps.append(len(body))
        first = len(body) + 40
        names_at = first + 20 * len(fields)
        rows, names = b"", b""
        for field, in_type, out_type in fields:
            rows += struct.pack("<IBBHIHHI", 0, in_type, out_type, 0, 0, 1, 0, names_at + len(names))
            names += counted(field)
        body += b"TEMP" + struct.pack("<IIIII", 40 + len(rows + names), len(fields), len(fields), first, 1) + bytes(16)
        body += rows + names
    struct.pack_into("<I", body, 36 + 16 + 4, len(body))
    body += b"EVNT" + struct.pack("<III", 16 + 48 * len(events), len(events), 0)
    for (number, of_version, _), temp in zip(events, temps):
        body += struct.pack("<HBBBBHQ", number, of_version, 0, 4, 0, 0, 0)
        body += struct.pack("<IIIIIIII", message, temp, 0, 0, 0, 0, 0, 0)
    struct.pack_into("<I", body, 36 + 16 + 12, len(body))
    body += b"PRVA" + struct.pack("<IIII", 20, 1, 0x10000001, len(body) + 20) + (name + "\0").encode("utf-16le")
    struct.pack_into("<I", body, 4, len(body))
    return bytes(body) + b"\0\0"


def res(items):
    """A .res file, as rc.exe writes it; items as those of pe."""
    def name(kind):
        return struct.pack("<HH", 0xFFFF, kind) if isinstance(kind, int) else kind.encode("utf-16le") + b"\0\0"

    out = struct.pack("<II", 0, 32) + name(0) + name(0) + bytes(16)
    for kind, language, content in items:
        names = name(kind) + name(1)
        names += b"\0" * (-len(names) % 4)
        out += struct.pack("<II", len(content), 24 + len(names)) + names + struct.pack("<IHHII", 0, 0x30, language, 0, 0)
        out += content + b"\0" * (-len(content) % 4)
    return out


def messages(texts, ansi=False):
    """A message table; texts: {id: text}."""
    blocks, entries, at = b"", b"", 4 + 12 * len(texts)
    for number, text in sorted(texts.items()):
        data = text.encode("cp1252") + b"\0" if ansi else text.encode("utf-16le") + b"\0\0"
        data += b"\0" * (-len(data) % 4)
        blocks += struct.pack("<III", number, number, at + len(entries))
        entries += struct.pack("<HH", 4 + len(data), 0 if ansi else 1) + data
    return struct.pack("<I", len(texts)) + blocks + entries
