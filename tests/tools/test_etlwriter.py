"""The tests' own .etl writer: its files are what the format says, byte by byte where it matters."""
import struct

import pytest

import etlwriter

GUID = "{11111111-2222-3333-4444-555555555555}"


def expand(data, size):
    """[MS-XCA] 2.4: plain LZ77 decompression."""
    out, at, flags, flag_count, nibble_at = bytearray(), 0, 0, 0, None
    while len(out) < size:
        if flag_count == 0:
            flags, at, flag_count = struct.unpack_from("<I", data, at)[0], at + 4, 32
        flag_count -= 1
        if not flags >> flag_count & 1:
            out.append(data[at])
            at += 1
            continue
        word, at = struct.unpack_from("<H", data, at)[0], at + 2
        length, distance = word & 7, (word >> 3) + 1
        if length == 7:
            if nibble_at is None:
                nibble_at, nibble, at = at, data[at] & 15, at + 1
            else:
                nibble, nibble_at = data[nibble_at] >> 4, None
            length = nibble + 7
            if nibble == 15:
                length, at = data[at] + 22, at + 1
                if length == 255 + 22:
                    length, at = struct.unpack_from("<H", data, at)[0], at + 2
                    if length == 0:
                        length, at = struct.unpack_from("<I", data, at)[0], at + 4
        for _ in range(length + 3):
            out.append(out[-distance])
    return bytes(out)


@pytest.mark.parametrize("data", [
    b"", b"a", b"abc" * 3, b"a" * 10, b"a" * 24, b"a" * 25, b"a" * 280, b"a" * 281, b"a" * 70000,
    bytes(range(256)) * 3, b"".join(struct.pack("<I", n * n) for n in range(500)), b"abcdefghijkl" * 9 + b"xyz" * 40,
], ids=lambda data: str(len(data)))
def test_compressed_data_expands_to_itself(data):
    assert expand(etlwriter.compress(data), len(data)) == data


def records(trace):
    """(header type, record) of each record of an uncompressed file, found by walking its buffers."""
    data, found, at = trace.bytes(), [], 0
    while at < len(data):
        size, used = struct.unpack_from("<I", data, at)[0], struct.unpack_from("<I", data, at + 0x30)[0]
        position = at + 72
        while position < at + used:
            kind, marker = data[position + 2], data[position + 3]
            hook = marker == 0xC0 and kind in (1, 2, 3, 4, 16, 17)
            length = struct.unpack_from("<H", data, position + (4 if hook else 0))[0]
            found.append((kind, data[position:position + length]))
            position += (length + 7) & ~7
        assert position - at >= used and used <= size
        at += size
    return found


@pytest.mark.parametrize("pointer_size, types", [(4, [1, 3, 16, 10, 11, 18, 0, 13]), (8, [2, 4, 17, 20, 21, 19, 0, 13])])
def test_each_kind_of_record_has_its_header_type(pointer_size, types):
    trace = etlwriter.Trace(pointer_size=pointer_size)
    trace.system(3, 1, b"data", pebs=1, pmc=(2, 3))
    trace.compact(3, 1)
    trace.perfinfo(15, 46)
    trace.full(GUID, 1)
    trace.instance(GUID, 1)
    trace.event(GUID)
    trace.message(7, message_guid=GUID)
    trace.error(GUID)
    found = records(trace)
    assert [kind for kind, _ in found[1:]] == types
    version = struct.unpack_from("<H", found[1][1])[0]
    assert (version, found[1][1][32:]) == (0x8202, struct.pack("<QQQ", 1, 2, 3) + b"data")


def test_buffers_fill_up_and_belong_to_one_processor():
    trace = etlwriter.Trace(processors=2, buffer_size=512)
    for number in range(20):
        trace.event(GUID, id=number, data=b"x" * 33, cpu=number % 2)
    data = trace.bytes()
    cpus = [struct.unpack_from("<H", data, at + 0x28)[0] for at in range(0, len(data), 512)]
    assert cpus == [0] + [0, 1] * (len(cpus) // 2) and len(cpus) == 9
    assert struct.unpack_from("<I", data, 72 + 32 + 0x24)[0] == len(cpus)
    assert sorted(struct.unpack_from("<H", record, 0x28)[0] for kind, record in records(trace)[1:]) == list(range(20))


def test_a_record_that_fits_no_buffer_is_refused():
    with pytest.raises(ValueError):
        etlwriter.Trace(buffer_size=512).event(GUID, data=b"x" * 500)


def test_equal_calls_give_equal_bytes():
    def make():
        trace = etlwriter.Trace(compressed=True)
        trace.tracelogging("P", "E", [etlwriter.field("A", "u32", [1, 2]), etlwriter.field("B", "utf8", "x")])
        return trace.bytes()
    assert make() == make()


@pytest.mark.parametrize("name, expected", [  # as found in public traces
    ("PerfView", "a8a71ac1-040f-54a2-07ca-00a89b5ab761"),
    ("Microsoft-Diagnostics-DiagnosticSource", "adb401e1-5296-51f8-c125-5fda75826144"),
])
def test_a_provider_without_a_guid_gets_the_one_made_of_its_name(name, expected):
    assert etlwriter.provider_guid(name) == etlwriter.guid(expected)
