"""etw-record --input takes whatever holds a trace, and records the same events from it."""
import gzip
import os
import signal
import subprocess
import threading
import time
import zipfile

import pytest

from etlwriter import Trace, field
from test_inputs import small, through_fifo, traces, zipped, zstd  # noqa: F401 (traces is a fixture)


def test_an_etwcap_is_recorded_again_byte_for_byte(tool, traces, tmp_path):
    tool("etw-record", "--input", traces[1], "-o", tmp_path / "b.etwcap", "-q")
    assert (tmp_path / "b.etwcap").read_bytes() == traces[1].read_bytes()
    tool("etw-record", "--input", traces[1], "-o", tmp_path / "c.etwcap", "-q", "--compression", "19")
    assert tool("etw-replay", tmp_path / "c.etwcap").stdout == tool("etw-replay", traces[1]).stdout


def test_wrapped_traces_and_standard_input_give_the_files_events(tool, traces, tmp_path):
    out = tmp_path / "out.etwcap"
    expected = tool("etw-replay", traces[1]).stdout
    for path in traces:
        data = path.read_bytes()
        (tmp_path / "x.gz").write_bytes(gzip.compress(data))
        (tmp_path / "x.zst").write_bytes(zstd(data))
        zipped(tmp_path / "x.zip", [("readme.txt", b"x"), (path.name, data)])
        for name in ("x.gz", "x.zst", "x.zip"):
            tool("etw-record", "--input", tmp_path / name, "-o", out, "-f", "-q")
            assert tool("etw-replay", out).stdout == expected, name
        tool("etw-record", "--input", "-", "-o", out, "-f", "-q", input=data)
        assert tool("etw-replay", out).stdout == expected


@pytest.mark.parametrize("ending", ["etl", "etwcap"])
def test_fifos_and_dev_stdin_are_recorded(native_tool, tmp_path, ending):
    etl, etwcap, out = tmp_path / "a.etl", tmp_path / "a.etwcap", tmp_path / "out.etwcap"
    small().write(etl)
    native_tool("etw-record", "--input", etl, "-o", etwcap, "-q")
    data = (tmp_path / ("a." + ending)).read_bytes()
    expected = native_tool("etw-replay", etl).stdout
    writer = through_fifo(tmp_path / "fifo", data)
    native_tool("etw-record", "--input", tmp_path / "fifo", "-o", out, "-q")
    writer.join(10)
    assert native_tool("etw-replay", out).stdout == expected
    native_tool("etw-record", "--input", "/dev/stdin", "-o", out, "-f", "-q", input=data)
    assert native_tool("etw-replay", out).stdout == expected


def test_folders_patterns_and_archives_are_merged(tool, traces, tmp_path):
    out = tmp_path / "out.etwcap"
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, data in (("b.etwcap", traces[1].read_bytes()), ("a.etl", traces[0].read_bytes()), ("notes.txt", b"no trace")):
        (folder / name).write_bytes(data)
    archive = zipped(tmp_path / "both.zip", [("a.etl", traces[0].read_bytes()), ("b.etwcap", traces[1].read_bytes())])
    for path in (folder, folder / "*.e*", archive):
        tool("etw-record", "--input", path, "-o", out, "-f", "-q")
        assert len(tool.events(out)) == 162
    tool("etw-record", "--input", archive, "--member", "b.etwcap", "-o", out, "-f", "-q")
    assert out.read_bytes() == traces[1].read_bytes()
    assert b"no file in it is named" in tool("etw-record", "--input", archive, "--member", "c", "-o", out, "-f", status=1).stderr


def test_an_input_within_a_folder_is_not_written_over(tool, traces, tmp_path):
    before = traces[1].read_bytes()
    said = tool("etw-record", "--input", tmp_path, "-o", traces[1], "-f", status=2).stderr
    assert b"is an input and cannot be the output" in said and traces[1].read_bytes() == before


def test_losses_of_an_etwcap_are_kept(tool, traces, tmp_path):
    """A file that was cut off, and one with a damaged block, say so again in what is made of them."""
    whole = traces[1].read_bytes()
    (tmp_path / "cut.etwcap").write_bytes(whole[:len(whole) * 2 // 3])
    said = tool("etw-record", "--input", tmp_path / "cut.etwcap", "-o", tmp_path / "b.etwcap", status=3).stderr
    assert b"missing" in said
    with_loss = [event for event in tool.events(tmp_path / "b.etwcap", status=3) if "Loss" in event]
    assert with_loss == [event for event in tool.events(tmp_path / "cut.etwcap", status=3) if "Loss" in event]


def test_what_was_taken_out_is_named_again(tool, traces, tmp_path):
    redacted = tmp_path / "r.etwcap"
    tool("etw-replay", "cut", traces[1], "--redact", "Size", "-o", redacted, "-q")
    tool("etw-record", "--input", redacted, "-o", tmp_path / "b.etwcap", "-q")
    info = tool("etw-replay", "info", "--json", tmp_path / "b.etwcap").stdout
    assert b"Size" in info and info.count(b"Redacted") == tool("etw-replay", "info", "--json", redacted).stdout.count(b"Redacted") == 1


def test_limits_hold_for_an_etwcap(tool, traces, tmp_path):
    tool("etw-record", "--input", traces[1], "-o", tmp_path / "b.etwcap", "--max-events", "10", "-q")
    found = tool.events(tmp_path / "b.etwcap")
    assert len([event for event in found if "Loss" not in event]) == 10


def test_an_interrupted_pipe_leaves_a_file_that_says_so(native_tool, tmp_path):
    """The writer of the pipe stands still; what came is kept, and the file is closed."""
    etl, etwcap, out = tmp_path / "a.etl", tmp_path / "a.etwcap", tmp_path / "out.etwcap"
    trace = Trace()
    for number in range(20000):
        trace.tracelogging("Named.Provider", "Hello", [field("Size", "u32", number)], time=trace.at(number))
    trace.write(etl)
    native_tool("etw-record", "--input", etl, "-o", etwcap, "-q", "--format", "1.0")
    read_end, write_end = os.pipe()
    process = subprocess.Popen([str(native_tool.path("etw-record")), "--input", "-", "-o", str(out), "-q"], stdin=read_end,
                               stderr=subprocess.PIPE)
    os.close(read_end)
    data = etwcap.read_bytes()
    feeder = threading.Thread(target=lambda: os.write(write_end, data[:len(data) * 3 // 4]), daemon=True)
    feeder.start()
    feeder.join(30)
    for _ in range(300):
        if out.exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    os.close(write_end)
    process.communicate(timeout=30)
    assert process.returncode == 3
    assert any("Loss" in event for event in native_tool.events(out, status=3))


def test_a_zip_of_many_members_is_one_trace_of_many(tool, traces, tmp_path):
    with zipfile.ZipFile(tmp_path / "many.etl.zip", "w") as archive:
        for number in range(5):
            archive.writestr("%d.etl" % number, traces[0].read_bytes())
    tool("etw-record", "--input", tmp_path / "many.etl.zip", "-o", tmp_path / "b.etwcap", "-q")
    assert len(tool.events(tmp_path / "b.etwcap")) == 5 * 81
