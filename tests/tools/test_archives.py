"""Archives and compressions that libarchive reads, and files of other kinds, which are named."""
import bz2
import gzip
import io
import lzma
import random
import struct
import subprocess
import tarfile
import zlib

import pytest

from conftest import need_program
from test_inputs import small, zipped

BLOCK = 32768  # a cab's data comes in such


def data_block(piece, history, compress):
    if not compress:
        return struct.pack("<IHH", 0, len(piece), len(piece)) + piece  # a checksum of 0 is not looked at
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=history) if history else zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"CK" + packer.compress(piece) + packer.flush()
    return struct.pack("<IHH", 0, len(packed), len(piece)) + packed


def cab(files, compress):
    """Microsoft's cabinet of one folder, after MS-CAB."""
    stream = b"".join(data for _, data in files)
    blocks, history = [], b""
    for at in range(0, len(stream), BLOCK):
        blocks.append(data_block(stream[at:at + BLOCK], history, compress))
        history = stream[at:at + BLOCK]
    entries, at = b"", 0
    for name, data in files:
        entries += struct.pack("<IIHHHH", len(data), at, 0, 0x5A21, 0x6000, 0x20) + name.encode() + b"\0"
        at += len(data)
    files_at = 36 + 8
    data_at = files_at + len(entries)
    size = data_at + sum(map(len, blocks))
    header = b"MSCF" + struct.pack("<IIIIIBBHHHHH", 0, size, 0, files_at, 0, 3, 1, 1, len(files), 0, 1, 0)
    return header + struct.pack("<IHH", data_at, len(blocks), 1 if compress else 0) + entries + b"".join(blocks)


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def seven_zip(folder, files):
    for name, data in files:
        (folder / name).write_bytes(data)
    out = folder / "made.7z"
    subprocess.run([need_program("bsdtar"), "-cf", str(out), "--format", "7zip", "-C", str(folder)] + [name for name, _ in files],
                   check=True)
    return out.read_bytes()


@pytest.fixture
def etl(native_tool, tmp_path):
    path = tmp_path / "a.etl"
    small(300).write(path)
    if b"which this build cannot read" in native_tool("etw-replay", "-", input=lzma.compress(b"x"), status=1).stderr:
        pytest.skip("built without libarchive")
    return path


def test_compressions_are_taken_off(native_tool, etl, tmp_path):
    data, expected = etl.read_bytes(), native_tool("etw-replay", etl).stdout
    lz4 = subprocess.run([need_program("lz4"), "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    for ending, content in (("xz", lzma.compress(data)), ("bz2", bz2.compress(data)), ("lz4", lz4),
                            ("gz.xz", lzma.compress(gzip.compress(data)))):
        (tmp_path / ("a.etl." + ending)).write_bytes(content)
        assert native_tool("etw-replay", tmp_path / ("a.etl." + ending)).stdout == expected, ending
        assert native_tool("etw-replay", "-", input=content).stdout == expected, ending


def test_archives_give_the_traces_in_them(native_tool, etl, tmp_path):
    data, expected = etl.read_bytes(), native_tool("etw-replay", etl).stdout
    files = [("readme.txt", b"nothing" * 9999), ("a.etl", data)]
    (tmp_path / "pack").mkdir()
    made = {"cab": cab(files, False), "mszip.cab": cab(files, True), "tar": tar(files), "tar.gz": gzip.compress(tar(files)),
            "tar.xz": lzma.compress(tar(files)), "tar.bz2": bz2.compress(tar(files)), "7z": seven_zip(tmp_path / "pack", files)}
    for ending, content in made.items():
        path = tmp_path / ("x." + ending)
        path.write_bytes(content)
        assert native_tool("etw-replay", path).stdout == expected, ending
        assert native_tool("etw-replay", "-", input=content).stdout == expected, ending
        native_tool("etw-record", "--input", path, "-o", tmp_path / "x.etwcap", "-f", "-q")
        assert native_tool("etw-replay", tmp_path / "x.etwcap").stdout == expected, ending
        said = native_tool("etw-replay", path, "--member", "b.etl", status=1).stderr
        assert b"no file in it is named b.etl" in said


def test_several_traces_of_a_cab_are_merged(native_tool, etl, tmp_path):
    (tmp_path / "x.cab").write_bytes(cab([("a.etl", etl.read_bytes()), ("b.etl", etl.read_bytes())], True))
    native_tool("etw-record", "--input", tmp_path / "x.cab", "-o", tmp_path / "x.etwcap", "-q")
    assert len(native_tool.events(tmp_path / "x.etwcap")) == 2 * 601


def test_bombs_end_with_a_message(native_tool, etl, tmp_path):
    """300 MiB of zeros: as what is wanted, as what is passed over, and spread over files."""
    zeros = bytes(300 << 20)
    bombs = {"wanted.xz": lzma.compress(zeros, preset=0), "passed.tar.xz": lzma.compress(tar([("x.txt", zeros)]), preset=0),
             "many.tar.bz2": bz2.compress(tar([("%d.etl" % n, etl.read_bytes() + bytes(99 << 20)) for n in range(3)]))}
    for name, content in bombs.items():
        (tmp_path / name).write_bytes(content)
        assert b"256 MiB and 250 times" in native_tool("etw-replay", "info", tmp_path / name, status=1).stderr, name


def test_damage_within_archives_is_told(native_tool, etl, tmp_path):
    whole = cab([("a.etl", etl.read_bytes())], True)
    for name, content in (("a.xz", lzma.compress(etl.read_bytes())[:-40]), ("a.cab", whole[:len(whole) // 2]),
                          ("a.bz2", bz2.compress(etl.read_bytes())[:200]), ("a.7z", b"7z\xBC\xAF\x27\x1C" + b"\xFF" * 200)):
        (tmp_path / name).write_bytes(content)
        assert b"cannot be unwrapped" in native_tool("etw-replay", tmp_path / name, status=1).stderr, name


def test_flipped_bytes_end_well(native_tool, etl, tmp_path):
    """Whatever comes out, or nothing: the tool ends by itself, and says what is wrong."""
    files = [("a.etl", etl.read_bytes()), ("b.txt", b"x" * 1000)]
    (tmp_path / "pack").mkdir()
    seeds = {"cab": cab(files, True), "tar": tar(files), "7z": seven_zip(tmp_path / "pack", files), "xz": lzma.compress(files[0][1])}
    random_ = random.Random(5)
    for name, data in seeds.items():
        for _ in range(12):
            broken = bytearray(data)
            for _ in range(random_.choice((1, 2, 8))):
                broken[random_.randrange(min(len(broken), 600))] ^= random_.randrange(1, 256)
            done = native_tool("etw-replay", "info", "-", input=bytes(broken), status=None)
            assert done.returncode in (0, 3) or (done.returncode == 1 and done.stderr), name


def test_what_a_build_cannot_read_is_named(win64_tool, tmp_path):
    for content, name in ((lzma.compress(b"x"), b"an xz file"), (bz2.compress(b"x"), b"a bzip2 file"),
                          (cab([("a.etl", b"x")], False), b"a cab archive"), (tar([("a.etl", b"x")]), b"a tar archive")):
        said = win64_tool("etw-replay", "-", input=content, status=1).stderr
        assert name in said and b"which this build cannot read: unwrap it first" in said


OTHERS = [
    (b"ElfFile\0" + bytes(200), b"an .evtx event log, not an ETW trace; Event Viewer and wevtutil read it"),
    (b"\x0A\x0D\x0D\x0A" + bytes(30), b"a pcapng capture"), (b"\xD4\xC3\xB2\xA1" + bytes(30), b"a pcap capture"),
    (b"SQLite format 3\0", b"an SQLite database"), (b"MZ\x90\0" + bytes(60), b"a Windows program or library"),
    (b"Microsoft C/C++ MSF 7.00\r\n\x1ADS\0\0\0", b"a program database (.pdb)"),
    (b"<?xml version='1.0'?><instrumentationManifest/>", b"an XML document"),
    (b"\xEF\xBB\xBF<instrumentationManifest/>", b"an XML document"), (b"Rar!\x1A\7\1\0", b"a RAR archive"),
    (b"\x89LZO\0\r\n\x1A\n" + bytes(60), b"this is an lzop file, which this build cannot read: unwrap it first"),
    (b"Nettrace\x14\0\0\0", b"a .NET EventPipe trace"), (b"\x14\0\0\0!FastSerialization.1", b"a PerfView .etlx file"),
    (b"MDMP" + bytes(60), b"a crash dump"), (b"PAGEDU64" + bytes(60), b"!wmitrace.logsave"),
    (b"version https://git-lfs.github.com/spec/v1\n", b"git lfs pull"), (b"<!DOCTYPE html><html>", b"an HTML page"),
    (b'{"TimeStamp":"2020"}\n', b"JSON text"), (b"", b"the file is empty"), (b"hello", b"neither an .etwcap nor an .etl file"),
]


@pytest.mark.parametrize("content, text", OTHERS, ids=[text.decode() for _, text in OTHERS])
def test_files_of_other_kinds_are_named(tool, tmp_path, content, text):
    path = tmp_path / "x.etl"
    path.write_bytes(content)
    zipped(tmp_path / "x.zip", [("x.etl", content)])
    for words in (["etw-replay", "info", path], ["etw-record", "--input", path, "-o", tmp_path / "o.etwcap"],
                  ["etw-replay", "info", tmp_path / "x.zip"]):
        assert text in tool(*words, status=1).stderr, words
    assert not (tmp_path / "o.etwcap").exists()


def test_a_trace_is_no_other_kind_whatever_else_its_bytes_say(native_tool, tmp_path):
    """A tar's magic stands at 257: within a trace's first record it means nothing."""
    data = bytearray(small(5).bytes())
    data[257:262] = b"ustar"
    (tmp_path / "a.etl").write_bytes(data)
    assert len(native_tool.events(tmp_path / "a.etl")) == 11
