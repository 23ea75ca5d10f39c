"""What is read before the first event, names of processes and stacks, is read by threads, too: the same output, and the same
words on what is wrong, for any number of them; where they cannot be started, and where memory runs out.
"""
import os
import random
import struct
import subprocess

import etwcap_reader
import pytest
from conftest import MODE
from etlwriter import field
from etwcap_blocks import EVENTS, blocks_of
from test_out_of_memory import Preloaded, says_memory
from test_state import DC_END, DC_START, END, KERNEL_ADDRESS, START, USER_ADDRESS, Stacked

ROUNDS = 130
COUNTS = (0, 1, 2, 4)


@pytest.fixture(scope="module")
def saved(native_tool, tmp_path_factory):
    """Of some blocks: in each some threads that come and go, and samples with stacks. Process 200 has its name behind all."""
    folder = tmp_path_factory.mktemp("ahead")
    out, noise = Stacked(buffer_size=65536), random.Random(19)
    out.process(DC_START, 100, "a.exe", 0.01)
    out.thread(DC_START, 100, 40, 0.02)
    for index in range(ROUNDS):
        second = 0.1 + index / 10
        out.thread(START, 100, 44 + 4 * (index % 5), second)
        out.sample(second + 0.01)
        out.walk(second + 0.01, second + 0.02, [KERNEL_ADDRESS + index % 7])
        out.walk(second + 0.01, second + 0.03, [USER_ADDRESS + index % 9, USER_ADDRESS])
        for number in range(20):
            out.tracelogging("Shop", "Sold", [field("Number", "u32", number), field("Text", "utf8", noise.randbytes(4500).hex())],
                             pid=200 if number % 2 else 100, tid=60, time=out.at(second + 0.04 + number / 1000))
        out.thread(END, 100, 44 + 4 * (index % 5), second + 0.08)
    out.process(DC_END, 200, "late.exe", ROUNDS)
    out.write(folder / "a.etl")
    native_tool("etw-record", "--input", folder / "a.etl", "-o", folder / "a.etwcap", "-q")
    return folder / "a.etwcap"


def events_blocks(content):
    return [(begin, end) for kind, begin, end in blocks_of(content) if kind == EVENTS]


def results(tool, path, *options, status=0):
    """What each number of threads gives: output, and what is said."""
    done = [tool("etw-replay", path, *options, "--threads", count, status=status) for count in COUNTS]
    return {(one.stdout, one.stderr) for one in done}


@pytest.mark.parametrize("options", [[], ["--stacks", "none"], ["--no-process-names"], ["--where", "ProcessName == 'late.exe'"],
                                     ["--provider", "Shop"], ["--tail", "30"], ["--head", "1"]], ids=" ".join)
def test_the_output_is_the_same_for_any_number_of_threads(native_tool, saved, options):
    assert len(events_blocks(saved.read_bytes())) >= 4
    assert len(results(native_tool, saved, *options)) == 1


def test_names_that_come_behind_and_stacks_are_there(native_tool, saved):
    events = native_tool.events(saved, "--threads", 2)
    assert {event["ProcessId"]: event["ProcessName"] for event in events if event["ProviderName"] == "Shop"} == {100: "a.exe", 200: "late.exe"}
    samples = [event for event in events if event["EventName"] == "PerfInfo/SampleProf"]
    assert len(samples) == ROUNDS and all(len(event["ExtendedInfo"]["StackTrace"]["Addresses"]) == 3 for event in samples)


def broken(content, what):
    """Copies of a file: bytes of a block's body or header are wrong, a block is missing, the file ends early."""
    begin, end = events_blocks(content)[2]
    if what == "cut off":
        return content[:(begin + end) // 2]
    if what == "a block is missing":
        return content[:begin] + content[end:]
    at = begin + 4 if what == "a header" else (begin + end) // 2
    return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1:]


@pytest.mark.parametrize("what", ["a body", "a header", "a block is missing", "cut off"])
def test_damage_is_told_as_with_one_thread(native_tool, saved, tmp_path, what):
    path = tmp_path / "broken.etwcap"
    path.write_bytes(broken(saved.read_bytes(), what))
    for options in ([], ["--stacks", "none"]):
        (output, words), = results(native_tool, path, *options, status=3)
        assert b"late.exe" in output or what == "cut off"
        assert words


def test_columns_that_are_malformed_are_told_as_with_one_thread(native_tool, saved, tmp_path):
    """The hash is right: only who decodes finds out."""
    content = bytearray(saved.read_bytes())
    begin, end = events_blocks(bytes(content))[2]
    head = etwcap_reader.HEADER_SIZE
    for at in range(begin + head + (end - begin - head) // 2, end, 997):
        content[at] ^= 0x55
    struct.pack_into("<Q", content, begin + head - 16, etwcap_reader.xxh3(bytes(content[begin + head:end])))
    struct.pack_into("<Q", content, begin + head - 8, etwcap_reader.xxh3(bytes(content[begin:begin + head - 8])))
    path = tmp_path / "broken.etwcap"
    path.write_bytes(content)
    (output, words), = results(native_tool, path, status=3)
    assert b"late.exe" in output and words


@pytest.mark.skipif(MODE not in ("release", "debug"), reason="sanitizers start threads, and allocate, on their own")
class TestFailing:
    def test_threads_that_cannot_be_started_are_done_without(self, native_tool, saved):
        alone = native_tool("etw-replay", saved, "--threads", 0).stdout
        for first in (1, 2, 3, 4):
            environment = dict(os.environ, LD_PRELOAD=str(native_tool.folder / "tests/failing_threads.so"), ETW_TEST_FAIL_THREAD=str(first))
            done = subprocess.run(native_tool.words("etw-replay", saved, "--threads", 2), env=environment, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=60, check=False)
            assert (done.returncode, done.stderr, done.stdout) == (0, b"", alone)

    def test_memory_that_runs_out_is_told_or_done_without(self, native_tool, saved, tmp_path):
        words = ["etw-replay", saved, "--head", "100", "--threads", "2"]
        run = Preloaded(native_tool, words)
        whole = native_tool(*words).stdout
        for number, length in run.failures(tmp_path):
            done = run(FAIL_ALLOCATION=number, FAIL_FOR=length)
            assert says_memory(done) or done.returncode == 0 and done.stdout == whole, (number, length, done.stderr)
