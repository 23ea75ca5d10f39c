"""An adversary who knows the formats: random valid traces, and damage that mends its checksums, through the tools.

    tests/fuzz/mutator.py FOLDER-OF-TOOLS [--seconds N | --traces N] [--first SEED] [--jobs N] [--win64 FOLDER]

For each seed a trace of random shape (tests/support/random_traces.py) is written, recorded and replayed; then it is damaged,
as .etl and as .etwcap, where the damaged block gets right checksums half of the time. Checked of every run:

    exit status 0, 1 or 3, in bounded time and memory; a sanitizer's report is a failure
    a whole trace gives exit status 0 and every event; .etl, .etwcap, its copies and any --threads give the same bytes
    a trace cut short never gives exit status 0; damage without right checksums never invents an event
    JSON is UTF-8 with unique names in each object, XML is well formed, CSV rows have equal columns, pcapng adds up
    with --win64: the same bytes from the Windows build

A failure is kept in build/fuzz/mutator-SEED/ and its commands are printed. The last line has the counts; exit status 1 where
anything failed.
"""
import argparse
import csv
import io
import json
import multiprocessing
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), folder) for folder in ("support", "readers")]
import etwcap_reader  # noqa: E402
import wine  # noqa: E402
from etwcap_blocks import blocks_of  # noqa: E402
from random_traces import random_trace  # noqa: E402

KEPT = "build/fuzz"
CPU_SECONDS = 60
MEMORY_KB = 256 << 10  # of one run; SECURITY.md promises less for each single thing
BLOCK_HEADER = etwcap_reader.HEADER_SIZE
HEADER = ("ProviderId", "Id", "Version", "Opcode", "Task", "Keyword", "ProcessId", "ThreadId", "ProcessorIndex",
          "ActivityId", "Flags")
csv.field_size_limit(1 << 30)


class Failed(Exception):
    """What was promised does not hold; the text says which promise."""


class Tools:
    """Runs the tools of one build within limits, and counts."""

    def __init__(self, folder, memory_kb):
        self.folder, self.memory_kb, self.runs = folder, memory_kb, 0
        self.windows = os.path.exists(os.path.join(folder, "etw-replay.exe"))

    def __call__(self, name, *arguments, allowed=(0, 1, 3)):
        words = (wine.command() if self.windows else []) + [
            os.path.join(self.folder, name + (".exe" if self.windows else ""))] + [str(word) for word in arguments]
        self.runs += 1
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=limit_time, env=wine.environment() if self.windows else None)
        out, err = process.communicate()
        if process.returncode not in allowed or b"Sanitizer" in err or b"runtime error" in err:
            raise Failed("%s\nexit status %d, expected %s\n%s" % (" ".join(words), process.returncode, allowed,
                                                                  err.decode(errors="replace")[:4000]))
        return process.returncode, out


def limit_time():
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def expect(holds, *what):
    if not holds:
        raise Failed(" ".join(str(part) for part in what))


def unique(pairs):
    names = [name for name, _ in pairs]
    expect(len(set(names)) == len(names), "a name stands twice in an object:", names)
    return dict(pairs)


def lines_of_json(out):
    return [json.loads(line, object_pairs_hook=unique) for line in out.decode().split("\n")[:-1]]


def events_of(out):
    return [line for line in lines_of_json(out) if "Loss" not in line]


def header_of(event):
    return tuple(event.get(name) for name in HEADER)


def check_xml(out):
    xml.etree.ElementTree.fromstring(out)


def check_csv(out):
    rows = list(csv.reader(io.StringIO(out.decode(), newline="")))
    expect(rows and len({len(row) for row in rows}) == 1, "CSV rows have different numbers of columns")


def check_pcapng(out):
    at = 0
    while at < len(out):
        _, size = struct.unpack_from("<II", out, at)
        expect(size >= 12 and size % 4 == 0 and at + size <= len(out), "a pcapng block of", size, "bytes at", at)
        expect(struct.unpack_from("<I", out, at + size - 4)[0] == size, "a pcapng block ends with another size at", at)
        at += size


FORMATS = {"text": bytes.decode, "xml": check_xml, "csv": check_csv, "pcapng": check_pcapng}


def check_outputs(tools, path, allowed):
    for name, check in FORMATS.items():
        status, out = tools("etw-replay", path, "--format", name, allowed=allowed)
        if status != 1:
            check(out)


def check_whole(tools, folder, count):
    """A valid trace loses nothing on any way; gives what cat prints."""
    etl, cap, folded = folder + "/whole.etl", folder + "/whole.etwcap", folder + "/folded.etwcap"
    _, out = tools("etw-replay", etl, allowed=(0,))
    expect(len(events_of(out)) == count + 1, "cat printed", len(events_of(out)), "events of", count + 1)
    tools("etw-record", "-q", "-f", "--input", etl, "-o", cap, "--format", "1.0", allowed=(0,))
    tools("etw-record", "-q", "-f", "--input", etl, "-o", folded, allowed=(0,))
    for path in (cap, folded):
        expect(tools("etw-replay", path, allowed=(0,))[1] == out, "the .etwcap file gives another output than the .etl file")
    for threads in (1, 3):
        for path in (etl, cap):
            expect(tools("etw-replay", path, "--threads", threads, allowed=(0,))[1] == out, "--threads", threads, path)
    for path in (cap, folded):
        tools("etw-replay", "verify", path, allowed=(0,))
    for verb, more in (("repack", []), ("cut", []), ("recover", [])):
        copy = folder + "/" + verb + ".etwcap"
        tools("etw-replay", verb, cap, "-f", "-o", copy, *more, allowed=(0,))
        expect(tools("etw-replay", copy, allowed=(0,))[1] == out, verb, "gives another output")
    check_outputs(tools, etl, (0,))
    lines_of_json(tools("etw-replay", etl, "--typed", "--message", allowed=(0,))[1])
    json.loads(tools("etw-replay", "info", "--json", cap, allowed=(0,))[1], object_pairs_hook=unique)
    return out


def check_windows(windows, folder, out):
    cap = folder + "/win64.etwcap"
    windows("etw-record", "-q", "-f", "--input", folder + "/whole.etl", "-o", cap, "--format", "1.0", allowed=(0,))
    with open(cap, "rb") as one, open(folder + "/whole.etwcap", "rb") as other:
        expect(one.read() == other.read(), "the Windows build writes other bytes")
    expect(windows("etw-replay", cap, allowed=(0,))[1].replace(b"\r\n", b"\n") == out, "the Windows build prints other text")


def damage(content, luck, begin=0):
    """One to three changes anywhere behind a place."""
    data = bytearray(content)
    for _ in range(luck.randint(1, 3)):
        at = luck.randrange(begin, len(data))
        size = min(luck.choice([1, 1, 2, 4, 8, 64]), len(data) - at)
        data[at:at + size] = luck.choice([
            bytes(size), b"\xff" * size, bytes(luck.getrandbits(8) for _ in range(size)),
            bytes([data[at] ^ 1 << luck.randrange(8)]) + bytes(data[at + 1:at + size])])
    return bytes(data)


def by_position(events):
    """Without the names of events that damage left without a schema: a name that the trace tells later is known from the start
    of a recording, which has an index of them."""
    return [{key: value for key, value in event.items() if key != "ProviderName" or "EventProperties" in event}
            for event in events]


def check_damaged_etl(tools, folder, content, luck):
    path, cap = folder + "/bad.etl", folder + "/bad.etwcap"
    short = luck.random() < 0.3
    with open(path, "wb") as file:
        file.write(content[:luck.randrange(len(content) - 1)] if short else damage(content, luck))
    status, out = tools("etw-replay", path)
    expect(not (short and status == 0), "a trace cut short gives exit status 0")
    events = events_of(out)
    check_outputs(tools, path, (0, 1, 3))
    recorded, _ = tools("etw-record", "-q", "-f", "--input", path, "-o", cap)
    expect(recorded == status, "cat gives exit status", status, "and recording", recorded)
    if recorded != 1:
        again, same = tools("etw-replay", cap)
        expect(by_position(events_of(same)) == by_position(events), "the .etwcap file has other events than the damaged .etl file")
        expect(again == recorded, "the recording's own exit status is", again, "not", recorded)
        tools("etw-replay", "verify", cap)


def mended(content, luck):
    """A file whose damaged block says that all is well."""
    blocks = blocks_of(content)[:-1] or blocks_of(content)
    _, begin, end = luck.choice(blocks)
    head, body = bytearray(content[begin:begin + BLOCK_HEADER]), content[begin + BLOCK_HEADER:end]
    if body and luck.random() < 0.8:
        body = damage(body, luck)
        struct.pack_into("<Q", head, BLOCK_HEADER - 16, etwcap_reader.xxh3(body))
    else:
        head[4:BLOCK_HEADER - 16] = damage(head[4:BLOCK_HEADER - 16], luck)
    struct.pack_into("<Q", head, BLOCK_HEADER - 8, etwcap_reader.xxh3(head[:BLOCK_HEADER - 8]))
    return content[:begin] + bytes(head) + body + content[end:]


def check_damaged_etwcap(tools, folder, out, luck):
    path = folder + "/bad.etwcap"
    is_folded = luck.random() < 0.3
    with open(folder + ("/folded.etwcap" if is_folded else "/whole.etwcap"), "rb") as file:
        content = file.read()
    mend = not is_folded and luck.random() < 0.6
    with open(path, "wb") as file:
        file.write(mended(content, luck) if mend else damage(content, luck, 1))
    status, bad = tools("etw-replay", path)
    events = events_of(bad)
    if not mend:
        known = set(map(header_of, events_of(out)))  # names and properties go with a lost schema, times with a lost trace
        invented = [event for event in events if header_of(event) not in known]
        expect(not invented, "an event that nobody wrote:", invented[:1])
        expect(status != 0 or len(events) == out.count(b"\n"), "exit status 0 with", len(events), "events of", out.count(b"\n"))
    check_outputs(tools, path, (0, 1, 3))
    expect(tools("etw-replay", path, "--threads", 3)[1] == bad, "--threads 3 gives another output of a damaged file")
    for words in (["info", "--json"], ["verify", "--json"], ["schemas"]):
        tools("etw-replay", *words, path)
    for verb in ("recover", "repack", "cut"):
        copy = folder + "/copy.etwcap"
        if os.path.exists(copy):
            os.remove(copy)
        copied, _ = tools("etw-replay", verb, path, "-f", "-o", copy)
        expect((copied != 1) == os.path.exists(copy), verb, "gives exit status", copied, "and",
               "an" if os.path.exists(copy) else "no", "output")
        if copied != 1:
            events_of(tools("etw-replay", copy)[1])


def one_seed(work):
    """(seed, runs, what failed or None)"""
    seed, folder, windows_folder, memory_kb = work
    luck = random.Random(seed)
    place = os.path.join(KEPT, "mutator-%d" % seed)
    os.makedirs(place, exist_ok=True)
    tools = Tools(folder, memory_kb)
    try:
        trace, count = random_trace(luck)
        content = trace.bytes()
        with open(place + "/whole.etl", "wb") as file:
            file.write(content)
        out = check_whole(tools, place, count)
        if windows_folder:
            check_windows(Tools(windows_folder, memory_kb), place, out)
        for _ in range(2):
            check_damaged_etl(tools, place, content, luck)
            check_damaged_etwcap(tools, place, out, luck)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        expect(not memory_kb or peak <= memory_kb, "a run took", peak, "KB of memory")
    except Exception as failure:  # whatever it is, it belongs to this seed
        return seed, tools.runs, "%s: %s" % (type(failure).__name__, failure)
    shutil.rmtree(place)
    return seed, tools.runs, None


def seeds(arguments, room):
    """What there is to do, no faster than it is done: the pool takes all that it can get."""
    seed, started = arguments.first, time.time()
    while (seed - arguments.first < arguments.traces if arguments.traces else time.time() - started < arguments.seconds):
        room.acquire()
        yield seed, arguments.folder, arguments.win64, arguments.memory
        seed += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="where the tools are: build/native, build/native-asan")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--traces", type=int, default=0, help="this many traces instead of a time")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--win64", help="the folder of a Windows build to compare with, under Wine")
    parser.add_argument("--memory", type=int, default=MEMORY_KB, help="KB that a run may take; 0 for sanitizers")
    arguments = parser.parse_args()
    if os.path.basename(os.path.normpath(arguments.folder)).endswith(("san", "fuzz")):
        arguments.memory = 0
    traces = runs = 0
    failures = []
    room = threading.Semaphore(2 * arguments.jobs)
    with multiprocessing.Pool(arguments.jobs) as pool:
        for seed, ran, failure in pool.imap(one_seed, seeds(arguments, room)):
            room.release()
            traces, runs = traces + 1, runs + ran
            if failure:
                failures.append(seed)
                print("FAILED seed %d (kept in %s/mutator-%d)\n%s" % (seed, KEPT, seed, failure), flush=True)
    wine.stop()
    print("mutator: %d traces, %d runs of the tools, %d failed%s" % (
        traces, runs, len(failures), ": " + " ".join(map(str, failures)) if failures else ""))
    return 1 if failures or not traces else 0


if __name__ == "__main__":
    sys.exit(main())
