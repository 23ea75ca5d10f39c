"""A verb that writes may be ended at any moment: under its name the output is whole, as it was, or not there.

ETWCAP_SIGNALS says how often each verb is ended, at moments spread over its run (4; some hundreds for a night)."""
import os
import random
import signal
import subprocess
import time

import pytest

from test_torture import large_trace

TIMES = int(os.environ.get("ETWCAP_SIGNALS", "4"))
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL]

VERBS = [
    ("cut", ["etw-replay", "cut", "{etwcap}", "--where", "Id >= 0"], "out.etwcap"),
    ("cut by time", ["etw-replay", "cut", "{etwcap}", "--since", "+1ms"], "out.etwcap"),
    ("redact", ["etw-replay", "cut", "{etwcap}", "--drop-strings"], "out.etwcap"),
    ("merge", ["etw-replay", "merge", "{etl}", "{etwcap}"], "out.etwcap"),
    ("repack", ["etw-replay", "repack", "{etwcap}", "--compression", "9"], "out.etwcap"),
    ("recover", ["etw-replay", "recover", "{etwcap}"], "out.etwcap"),
    ("recover etl", ["etw-replay", "recover", "{etl}"], "out.etwcap"),
    ("cat", ["etw-replay", "cat", "{etwcap}", "--format", "text"], "out"),
    ("json", ["etw-replay", "export", "{etl}"], "out.json"),
    ("csv", ["etw-replay", "export", "{etwcap}", "--threads", "2"], "out.csv"),
    ("parquet", ["etw-replay", "export", "{etwcap}"], "out.parquet"),
]


@pytest.fixture(scope="module")
def traces(native_tool, tmp_path_factory):
    folder = tmp_path_factory.mktemp("traces")
    large_trace(folder / "a.etl", 20000)
    native_tool("etw-record", "-q", "--input", folder / "a.etl", "-o", folder / "a.etwcap")
    return {"etl": str(folder / "a.etl"), "etwcap": str(folder / "a.etwcap")}


def words_for(native_tool, words, traces, out):
    return native_tool.words(*[word.format(**traces) for word in words], "-q", "-o", out)


def end_at_moments(words, seconds, check):
    """Runs the command and ends it, by one signal after another, at moments spread over what it takes."""
    chance = random.Random(1)
    for number in range(TIMES):
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds * (number + chance.random()) / TIMES)
        child.send_signal(SIGNALS[number % len(SIGNALS)])
        try:
            child.wait(60)
        finally:
            child.kill()
        check(child.returncode)


def timed(words):
    begun = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - begun


@pytest.mark.parametrize("words, name", [row[1:] for row in VERBS], ids=[row[0] for row in VERBS])
def test_an_output_is_whole_or_not_there(native_tool, traces, tmp_path, words, name):
    reference, out = tmp_path / "reference" / name, tmp_path / name
    reference.parent.mkdir()
    seconds = timed(words_for(native_tool, words, traces, reference))
    whole = reference.read_bytes()

    def check(status):
        assert not out.exists() or out.read_bytes() == whole
        assert status != 0 or out.exists()
        for path in tmp_path.glob(name + "*"):
            path.unlink()
    end_at_moments(words_for(native_tool, words, traces, out), seconds, check)

    def check_replaced(status):
        assert out.read_bytes() == (whole if status == 0 else b"old") or (status != 0 and out.read_bytes() == whole)
        out.write_bytes(b"old")
    out.write_bytes(b"old")
    end_at_moments(words_for(native_tool, words + ["--force"], traces, out), seconds, check_replaced)


def test_the_files_of_a_split_are_whole(native_tool, traces, tmp_path):
    words = ["etw-replay", "split", "{etwcap}", "--every", "3k events"]
    reference, folder = tmp_path / "reference", tmp_path / "parts"
    reference.mkdir()
    folder.mkdir()
    seconds = timed(words_for(native_tool, words, traces, reference / "p-%n.etwcap"))

    def check(status):
        for path in folder.glob("*.etwcap"):
            assert path.read_bytes() == (reference / path.name).read_bytes()
        for path in folder.iterdir():
            path.unlink()
    end_at_moments(words_for(native_tool, words, traces, folder / "p-%n.etwcap"), seconds, check)


def test_an_interrupted_conversion_says_so_itself(native_tool, traces, tmp_path):
    words, out = ["etw-record", "--input", "{etl}"], tmp_path / "out.etwcap"
    seconds = timed(words_for(native_tool, words, traces, tmp_path / "reference.etwcap"))
    whole = (tmp_path / "reference.etwcap").read_bytes()

    def check(status):
        if out.exists() and out.read_bytes() != whole:
            assert status != 0
            assert native_tool("etw-replay", "info", out, status=None).returncode != 0
        for path in tmp_path.glob("out*"):
            path.unlink()
    end_at_moments(words_for(native_tool, words, traces, out), seconds, check)
