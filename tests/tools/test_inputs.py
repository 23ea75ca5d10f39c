"""A trace gives the same events however it comes: as a file, through a pipe, wrapped, in a folder."""
import gzip
import json
import os
import pty
import re
import struct
import subprocess
import threading
import time
import zipfile

import pytest

from conftest import missing, need_program
from etlwriter import Trace, field

ONE = "{11111111-2222-3333-4444-555555555555}"


def small(count=40):
    trace = Trace()
    for number in range(count):
        trace.event(ONE, id=number, data=b"x" * number, time=trace.at(number))
        trace.tracelogging("Named.Provider", "Hello", [field("Size", "u32", number)], time=trace.at(number) + 5)
    return trace


@pytest.fixture
def traces(tool, tmp_path):
    """The same trace as .etl and .etwcap."""
    etl, etwcap = tmp_path / "a.etl", tmp_path / "a.etwcap"
    small().write(etl)
    tool("etw-record", "--input", etl, "-o", etwcap, "-q")
    return etl, etwcap


def zstd(data):
    return subprocess.run([need_program("zstd"), "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def zipped(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return path


def test_wrapped_traces_give_the_files_events(tool, traces, tmp_path):
    for path in traces:
        data, expected = path.read_bytes(), tool("etw-replay", path).stdout
        assert expected.count(b"\n") == 81
        wrapped = {"gz": gzip.compress(data), "gz2": gzip.compress(data[:100]) + gzip.compress(data[100:]),
                   "zst": zstd(data), "zst.gz": gzip.compress(zstd(data))}
        for ending, content in wrapped.items():
            other = tmp_path / (path.name + "." + ending)
            other.write_bytes(content)
            assert tool("etw-replay", other).stdout == expected, ending
            assert tool("etw-replay", "-", input=content).stdout == expected, ending
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            archive = zipped(tmp_path / (path.name + ".zip"), [("readme.txt", b"x"), (path.name, data)], method)
            assert tool("etw-replay", archive).stdout == expected
            assert tool("etw-replay", "-", input=archive.read_bytes()).stdout == expected


def through_fifo(path, data):
    """A FIFO that gives data to whoever opens it, once."""
    os.mkfifo(path)

    def write():
        with open(path, "wb") as fifo:
            try:
                fifo.write(data)
            except BrokenPipeError:
                pass
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    return writer


@pytest.mark.parametrize("words", [["cat"], ["cat", "--provider", "Named.Provider"], ["cat", "--since", "+10s"], ["info"],
                                   ["info", "--json"], ["verify"], ["schemas"], ["export", "-o", "-"]])
def test_every_verb_reads_a_fifo_once(native_tool, tmp_path, words):
    etl, etwcap = tmp_path / "a.etl", tmp_path / "a.etwcap"
    small().write(etl)
    native_tool("etw-record", "--input", etl, "-o", etwcap, "-q")
    for path in (etl, etwcap):
        fifo = tmp_path / ("fifo" + path.suffix)
        writer = through_fifo(fifo, path.read_bytes())
        by_fifo = native_tool("etw-replay", *words, fifo).stdout
        by_name = native_tool("etw-replay", *words, path).stdout
        writer.join(10)
        fifo.unlink()
        assert by_fifo.replace(fifo.name.encode(), path.name.encode()) == by_name


@pytest.mark.parametrize("verb", ["cut", "merge", "repack", "recover"])
def test_copies_of_a_fifo_hold_the_files_events(native_tool, tmp_path, verb):
    etl, etwcap = tmp_path / "a.etl", tmp_path / "a.etwcap"
    small().write(etl)
    native_tool("etw-record", "--input", etl, "-o", etwcap, "-q")
    for path in (etl, etwcap):
        fifo, out = tmp_path / ("fifo" + path.suffix), tmp_path / (path.suffix[1:] + ".out.etwcap")
        through_fifo(fifo, path.read_bytes())
        native_tool("etw-replay", verb, fifo, "-o", out, "-q")
        assert native_tool("etw-replay", out).stdout == native_tool("etw-replay", path).stdout


def test_a_bomb_ends_with_a_message(native_tool, tmp_path):
    need_program("zstd")
    frame = zstd(bytes(64 << 20))
    (tmp_path / "a.etl.zst").write_bytes(frame * 8)
    assert b"256 MiB and 250 times" in native_tool("etw-replay", tmp_path / "a.etl.zst", status=1).stderr


def test_nested_wrapping_is_bounded(tool, tmp_path):
    data = b"x" * 100
    for _ in range(5):
        data = gzip.compress(data)
    (tmp_path / "a.gz").write_bytes(data)
    assert b"wrapped more than 3 times" in tool("etw-replay", tmp_path / "a.gz", status=1).stderr


def test_damaged_wrappings_are_told(tool, traces, tmp_path):
    data = gzip.compress(traces[0].read_bytes())
    stored = bytearray(zipped(tmp_path / "a.zip", [("a.etl", traces[0].read_bytes())], zipfile.ZIP_STORED).read_bytes())
    stored[2000] ^= 1
    directory = bytearray(stored)
    struct.pack_into("<I", directory, directory.rindex(b"PK\5\6") + 16, 0xFFFFFF0)
    for content, text in ((data[:len(data) // 2], b"ends early"), (data[:30] + b"\xFF" * 30 + data[60:], b"damaged"),
                          (stored, b"CRC"), (directory, b"ends early"), (stored[:100], b"no directory")):
        assert text in tool("etw-replay", "-", input=bytes(content), status=1).stderr


def test_an_empty_file_is_empty(tool, tmp_path):
    (tmp_path / "a.etl").write_bytes(b"")
    for verb in ("cat", "info", "verify", "schemas"):
        assert b"the file is empty" in tool("etw-replay", verb, tmp_path / "a.etl", status=1).stderr


def test_archives_of_several_traces_and_folders(tool, traces, tmp_path):
    etl, etwcap = traces
    archive = zipped(tmp_path / "several.zip", [("x/one.etl", etl.read_bytes()), ("two.etwcap", etwcap.read_bytes())])
    one, two = (json.loads(line) for line in tool("etw-replay", "info", "--json", archive).stdout.splitlines())
    assert (one["Format"], two["Format"], one["Events"], two["Events"]) == ("etl", "etwcap", 81, 81)
    assert b"not the only trace" in tool("etw-replay", "diff", archive, etl, status=1).stderr
    picked = json.loads(tool("etw-replay", "info", "--json", archive, "--member", "one.etl").stdout)
    assert picked["Format"] == "etl"
    assert b"no file in it is named" in tool("etw-replay", "info", archive, "--member", "three", status=1).stderr
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, data in (("b.etwcap", etwcap.read_bytes()), ("a.etl", etl.read_bytes()), ("notes.txt", b"no trace")):
        (folder / name).write_bytes(data)
    for path in (folder, folder / "*.e*"):
        said = tool("etw-replay", "verify", path).stdout.decode().splitlines()
        assert len(said) == 2 and "a.etl: nothing" in said[0] and "b.etwcap: good" in said[1]
        for verb in ("merge", "cut"):
            out = tmp_path / ("%s.etwcap" % verb)
            tool("etw-replay", verb, path, "-o", out, "-f", "-q")
            assert len(tool.events(out)) == 162
    assert b"no trace is there" in tool("etw-replay", "info", folder / "*.txt2", status=1).stderr


@pytest.mark.parametrize("ending, begin", [("JSON", b"{"), ("Jsonl", b"{"), ("TXT", b"2024-"), ("XML", b"<"), ("csv", b"")])
def test_the_ending_names_the_format_in_any_case(tool, traces, tmp_path, ending, begin):
    out = tmp_path / ("out." + ending)
    tool("etw-replay", "export", traces[0], "-o", out)
    assert out.read_bytes().lstrip(b"\xEF\xBB\xBF").startswith(begin)


@pytest.mark.parametrize("words", [["export", "out.docx"], ["export", "out"], ["cat", "out.docx"], ["cut", "y.etl"],
                                   ["merge", "y.JSON"], ["repack", "y.etwcap.gz"], ["recover", "y.csv"]])
def test_names_that_promise_another_format_are_refused(tool, traces, tmp_path, words):
    verb, name = words
    said = tool("etw-replay", verb, traces[1], "-o", tmp_path / name, status=2).stderr
    assert b".json .ndjson" in said or b"end the name in .etwcap" in said
    assert not (tmp_path / name).exists()


def test_two_writers_of_one_output_do_not_mix(native_tool, tmp_path):
    """The second is stopped while it writes; the first ends; the second is killed."""
    etl, out = tmp_path / "a.etl", tmp_path / "out.json"
    small(2000).write(etl)
    (tmp_path / "out.json.part").write_bytes(b"another writer's")
    native_tool("etw-replay", "export", etl, "-o", out)
    assert out.read_bytes() == native_tool("etw-replay", etl).stdout
    assert (tmp_path / "out.json.part").read_bytes() == b"another writer's"
    assert not (tmp_path / "out.json.2.part").exists()


class SlowTrace:
    """A trace that comes through a FIFO in two halves; what happens between them is the caller's."""

    def __init__(self, native_tool, tmp_path, between):
        self.path, self.between = tmp_path / "slow.fifo", between
        os.mkfifo(self.path)
        small(2000).write(tmp_path / "slow.etl")
        native_tool("etw-record", "--input", tmp_path / "slow.etl", "-o", tmp_path / "slow.etwcap", "-q")
        self.data = (tmp_path / "slow.etwcap").read_bytes()
        self.thread = threading.Thread(target=self._write, daemon=True)
        self.thread.start()

    def _write(self):
        with open(self.path, "wb", buffering=0) as fifo:
            fifo.write(self.data[:len(self.data) // 2])
            self.between()
            fifo.write(self.data[len(self.data) // 2:])


@pytest.mark.parametrize("verb, name", [("export", "out.json"), ("cut", "out.etwcap"), ("merge", "out.etwcap")])
def test_a_part_that_is_another_file_by_now_is_not_renamed(native_tool, tmp_path, verb, name):
    part, out = tmp_path / (name + ".part"), tmp_path / name

    def swap():
        for _ in range(1000):
            if not part.exists():
                time.sleep(0.01)
        part.unlink()
        part.write_bytes(b"another program's")
    done = native_tool("etw-replay", verb, SlowTrace(native_tool, tmp_path, swap).path, "-o", out, status=1)
    assert b"another file" in done.stderr and not out.exists()
    assert part.read_bytes() == b"another program's"


@pytest.mark.parametrize("verb", ["cat", "export", "cut", "merge"])
def test_a_terminal_is_shown_how_far_long_work_is(native_tool, tmp_path, verb):
    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        missing("no pseudo-terminal: %s" % error)
    slow = SlowTrace(native_tool, tmp_path, lambda: time.sleep(0.7))
    out = tmp_path / ("out.json" if verb in ("cat", "export") else "out.etwcap")
    child = subprocess.Popen(native_tool.words("etw-replay", verb, slow.path, "-o", out), stderr=theirs)
    assert child.wait(60) == 0
    os.close(theirs)
    said = os.read(ours, 4096).decode()
    os.close(ours)
    assert re.search(r"(cat|export|cutting|merging|scanning).* [kM]?B", said), said


@pytest.mark.parametrize("words", [["cat"], ["export", "--format", "json"], ["cut"], ["merge"], ["repack"]])
def test_streams_are_written_without_force(native_tool, tmp_path, words):
    etl, fifo = tmp_path / "a.etl", tmp_path / "fifo"
    small().write(etl)
    got = {}

    def read():
        got["fifo"] = fifo.read_bytes()
    os.mkfifo(fifo)
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    native_tool("etw-replay", *words, etl, "-o", fifo, "-q")
    reader.join(10)
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        got[name] = native_tool("etw-replay", *words, etl, "-o", name, "-q").stdout
    expected = native_tool("etw-replay", etl).stdout
    for name, data in got.items():
        assert native_tool("etw-replay", "-", input=data).stdout == expected if words[0] not in ("cat", "export") \
            else data == expected, name
