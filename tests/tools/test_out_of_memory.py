"""Memory runs out at any allocation of a command: it fails and says so, or what it wrote is whole, or tells what it lacks.

tests/preload/failing_malloc.c makes one allocation fail, or all from one on. Each command is run for some of its allocations;
for all of them with ETWCAP_ALL_ALLOCATIONS=1 (some minutes).
"""
import contextlib
import os
import random
import shutil
import sqlite3
import subprocess

import pytest
from conftest import MODE
from etlwriter import Trace, field
from test_state import DC_START, Host

ALL = os.environ.get("ETWCAP_ALL_ALLOCATIONS")
TRIED = 24
MANIFEST = """<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"><instrumentation><events>
<provider name="P" guid="{11111111-2222-3333-4444-555555555555}" symbol="P"><templates><template tid="t">
<data name="A" inType="win:UInt32"/></template></templates><events><event value="1" template="t"/></events></provider>
</events></instrumentation></instrumentationManifest>"""

READING = [["cat", "TRACE"], ["cat", "FILE"], ["cat", "TRACE", "-m", "MANIFESTS"], ["cat", "FILE", "--where", "Who contains 'a'"],
           ["cat", "FILE", "--format", "text"], ["cat", "FILE", "--format", "xml"], ["cat", "FILE", "--format", "csv"], ["cat", "FILE", "--threads", "2"], ["cat", "TRACE", "--threads", "2"],
           ["info", "TRACE"], ["info", "FILE"], ["schemas", "FILE"], ["schemas", "TRACE", "-m", "MANIFESTS"],
           ["verify", "FILE"], ["stats", "FILE"], ["ps", "TRACE"], ["ps", "PROCESSES"], ["diff", "TRACE", "FILE"], ["diff", "EVENTS", "FILE"], ["expect", "FILE", "EXPECTED"]]
EXPORTING = [["schemas", "--export", "OUT", "-m", "MANIFESTS"], ["schemas", "--export", "OUT", "-m", "FILE"]]
WRITING = [["cut", "FILE"], ["cut", "FILE", "--drop-strings"], ["cut", "TRACE", "--where", "Size > 1"], ["merge", "TRACE", "FILE"],
           ["repack", "FILE"], ["recover", "FILE"]]
EXPORTS = ["parquet", "db", "html", "folded", "speedscope.json", "trace.json", "perfetto-trace", "etl", "csv", "json", "txt", "xml",
           "pcapng", "per-event"]
RECORDING = {"record": ["--input", "TRACE"], "from-json": ["--from-json", "LINES"]}


@pytest.fixture(scope="module")
def inputs(native_tool, tmp_path_factory):
    if MODE not in ("release", "debug"):
        pytest.skip("sanitizers have an allocator of their own")
    folder = tmp_path_factory.mktemp("memory")
    trace = Trace()
    for number in range(20):
        trace.tracelogging("Shop", "Sold%d" % (number % 3), [field("Size", "u32", number), field("Who", "utf8z", "ab"),
                                                         field("Big", "u64", 2**64 - 1)],
                           id=1, time=trace.at(number))
    trace.write(folder / "a.etl")
    host = Host(buffer_size=0x10000)
    for number in range(40):  # each text in a block of memory of its own
        host.process(DC_START, 100 + number, "p%d.exe" % number, 1, command="%d %s" % (number, "x" * 6000))
    host.write(folder / "processes.etl")
    (folder / "manifests").mkdir()
    (folder / "manifests/a.man").write_text(MANIFEST)
    native_tool("etw-record", "--input", folder / "a.etl", "-o", folder / "a.etwcap", "-q")
    (folder / "events.ndjson").write_bytes(native_tool("etw-replay", "cat", folder / "a.etwcap").stdout)
    (folder / "a.ndjson").write_bytes(native_tool("etw-replay", "schemas", "--json", folder / "a.etwcap").stdout +
                                       native_tool("etw-replay", "cat", "--schema-hash", folder / "a.etwcap").stdout)
    native_tool("etw-replay", "expect", "--update", folder / "a.etwcap", folder / "expected", "-q")
    return {"TRACE": folder / "a.etl", "PROCESSES": folder / "processes.etl", "FILE": folder / "a.etwcap", "MANIFESTS": folder / "manifests",
            "EVENTS": folder / "events.ndjson", "LINES": folder / "a.ndjson", "EXPECTED": folder / "expected"}


class Preloaded:
    """Runs a command where allocations fail, and counts them."""

    def __init__(self, tool, words):
        self.words = tool.words(*words)
        self.object = str(tool.folder / "tests/failing_malloc.so")

    def __call__(self, **settings):
        environment = dict(os.environ, LD_PRELOAD=self.object)
        environment.update({"ETW_TEST_" + name: str(value) for name, value in settings.items()})
        return subprocess.run(self.words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)

    def failures(self, folder):
        """(which allocation fails, how many from there on: 0 for all): a sample, the same in each run."""
        self(COUNT_FILE=folder / "count")
        total = int((folder / "count").read_text())
        chosen = range(1, total + 1) if ALL or total <= TRIED else sorted(random.Random(total).sample(range(1, total + 1), TRIED))
        return [(number, length) for number in chosen for length in (1, 0)]


def says_memory(done):
    return done.returncode == 1 and (b"memory" in done.stderr or b"Resource temporarily unavailable" in done.stderr)


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_command_that_reads_fails_or_prints_all(native_tool, inputs, tmp_path, words):
    run = Preloaded(native_tool, ["etw-replay"] + [inputs.get(word, word) for word in words])
    whole = run()
    assert whole.returncode == 0
    for number, length in run.failures(tmp_path):
        done = run(FAIL_ALLOCATION=number, FAIL_FOR=length)
        assert says_memory(done) or (done.returncode, done.stdout) == (0, whole.stdout), (number, length, done)


def content(tool, path):
    """The events of a file, whether they are all, and whether the file is well."""
    said = tool("etw-replay", "cat", "--schema-hash", path, status=None)
    return said.stdout, said.returncode, tool("etw-replay", "verify", path, status=None).returncode


@pytest.mark.parametrize("words", WRITING + [[name] for name in RECORDING], ids=" ".join)
def test_a_command_that_writes_fails_or_writes_all_or_tells_what_is_missing(native_tool, inputs, tmp_path, words):
    out = tmp_path / "out.etwcap"
    start = ["etw-record"] + RECORDING[words[0]] if words[0] in RECORDING else ["etw-replay"] + words
    run = Preloaded(native_tool, [inputs.get(word, word) for word in start] + ["-o", out, "-f"])
    assert run().returncode == 0
    whole = content(native_tool, out)
    for number, length in run.failures(tmp_path):
        for left in tmp_path.glob("out.etwcap*"):
            left.unlink()
        done = run(FAIL_ALLOCATION=number, FAIL_FOR=length)
        wrote = content(native_tool, out) if out.exists() else None
        if done.returncode == 0:
            assert wrote == whole, (number, length, done)
        elif done.returncode == 3:
            assert wrote[1] == 3 and b'"Loss"' in wrote[0] and b"Damage" not in wrote[0], (number, length, done)
        else:
            assert says_memory(done) and (wrote is None or wrote[1:] != (0, 0)), (number, length, done)


def test_reduce_fails_or_gives_a_trace_that_lacks_nothing(native_tool, inputs, tmp_path):
    """The command must not be made to fail by what a copy lost."""
    out = tmp_path / "out.etwcap"
    check = "%s {} -q > %s; grep -q '\"Size\":\"7\"' %s && exit 7; true" % (native_tool.path("etw-replay"), *[tmp_path / "said"] * 2)
    run = Preloaded(native_tool, ["etw-replay", "reduce", inputs["FILE"], "--check", check, "-o", out, "-f", "--keep-values", "--max-runs", "12"])
    assert run().returncode == 0
    whole = content(native_tool, out)
    for number, length in run.failures(tmp_path):
        for left in tmp_path.glob("out.etwcap*"):
            left.unlink()
        done = run(FAIL_ALLOCATION=number, FAIL_FOR=length)
        if done.returncode == 0:
            assert content(native_tool, out) == whole, (number, length, done)
        else:
            assert says_memory(done) and not list(tmp_path.glob("out.etwcap*")), (number, length, done)


@pytest.mark.parametrize("words", EXPORTING, ids=" ".join)
def test_a_pack_is_whole_or_not_there(native_tool, inputs, tmp_path, words):
    out = tmp_path / "out.etwcap"
    run = Preloaded(native_tool, ["etw-replay"] + [dict(inputs, OUT=out).get(word, word) for word in words])
    assert run().returncode == 0
    whole = out.read_bytes()
    for number, length in run.failures(tmp_path):
        for left in tmp_path.glob("out.etwcap*"):
            left.unlink()
        done = run(FAIL_ALLOCATION=number, FAIL_FOR=length)
        assert says_memory(done) and not out.exists() or done.returncode == 0 and out.read_bytes() == whole, (number, length, done)


def inside(path):
    """A file's bytes; of a database what is in it, as its pages may lie otherwise where SQLite's cache was smaller."""
    if path.suffix != ".db":
        return path.read_bytes()
    with contextlib.closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())


def files(folder, out):
    """The finished files below a folder, with what is inside: out, or the files in it."""
    return {str(path.relative_to(folder)): inside(path) for path in [out, *out.rglob("*")]
            if path.is_file() and not path.name.endswith(".part")}


def clear(folder):
    for left in folder.glob("out.*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()


@pytest.mark.parametrize("ending", EXPORTS)
def test_an_export_fails_or_is_whole(native_tool, inputs, tmp_path, ending):
    out = tmp_path / ("out." + ending)
    words = ["etw-replay", "export", inputs["FILE"], "--where", "Size >= 0", "-o", out]
    run = Preloaded(native_tool, words + (["--per-event"] if ending == "per-event" else ["-f"]))
    done = run()
    if b"built without" in done.stderr:
        pytest.skip("this build has no " + ending)
    assert done.returncode == 0
    whole = files(tmp_path, out)
    assert whole
    for number, length in run.failures(tmp_path):
        clear(tmp_path)
        done = run(FAIL_ALLOCATION=number, FAIL_FOR=length)
        wrote = files(tmp_path, out)
        if done.returncode == 0:
            assert wrote == whole, (number, length, done)
        else:
            assert says_memory(done) and wrote.items() <= whole.items(), (number, length, done)
