"""Measures sizes and speeds side by side with zstd and xxhsum, prints a table, writes build/bench.json.

    python3 tests/bench/bench.py [--quick] [--runs N]

Each figure is the median of the runs; CPU is user plus system time of the whole process. --quick leaves the large trace out. The
traces are those of ETWCAP_CORPUS (default ../shared/corpus); without them there is nothing to measure. The large trace, at
least 1 GiB and 8 million events, is made from one of them by make_trace.py, once, in build/bench/.
"""
import argparse
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NATIVE = ROOT / "build/native"
RECORD, REPLAY, PASSES = NATIVE / "etw-record", NATIVE / "etw-replay", NATIVE / "tests/passes"
CORPUS = pathlib.Path(os.environ.get("ETWCAP_CORPUS", ROOT / "../shared/corpus")).resolve()
WORK = ROOT / "build/bench"
LARGE_FROM, LARGE_ROUNDS = "net.4.5.x86.old.etl", 44
MIB = 1 << 20
ALONE = ("--threads", "0")  # CPU is compared in one thread


class Cost:
    """What one command took: seconds of CPU and of the clock, peak memory in MiB, what it printed."""

    def __init__(self, cpu, wall, memory, output):
        self.cpu, self.wall, self.memory, self.output = cpu, wall, memory, output


INCOMPLETE = 3 << 8  # wait status of a tool that finished, but something is missing
NOTHING_FOUND = 1 << 8  # of rg


def run_twice(*command):
    """Wall time of two processes at once: all that two threads of one could hope for is half of it."""
    start = time.monotonic()
    for process in [subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    for _ in range(2)]:
        process.wait()
    return time.monotonic() - start


def run(*command, stdout=subprocess.DEVNULL):
    start = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], stdout=stdout, stderr=subprocess.DEVNULL)
    output = process.stdout.read() if stdout == subprocess.PIPE else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    if status not in (0, INCOMPLETE) and not (command[0] == "rg" and status == NOTHING_FOUND):
        sys.exit("failed with status %d: %s" % (status, " ".join(map(str, command))))
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, output)


class Rounds:
    """What one command took, run by run."""

    def __init__(self):
        self.costs = []

    def median(self, what):
        return statistics.median(getattr(cost, what) for cost in self.costs)

    def over(self, other, what):
        """The median of this command's cost by the other's in the same round: noise that lasts meets both alike."""
        return statistics.median(getattr(mine, what) / getattr(its, what)
                                 for mine, its in zip(self.costs, other.costs))

    @property
    def memory(self):
        return max(cost.memory for cost in self.costs)


def side_by_side(runs, *commands):
    """The commands take turns."""
    rounds = [Rounds() for _ in commands]
    for _ in range(runs):
        for command, of in zip(commands, rounds):
            of.costs.append(run(*command))
    return rounds


def settle(path):
    """Puts the file into the system's cache as reading it puts it there, not as it was written: in pieces of other sizes,
    which cost every reader half as much again."""
    with open(path, "rb", buffering=0) as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while file.read(MIB):
            pass


def geometric_mean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values))


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, value, reach=None, note="", at_least=False):
        met = None if reach is None else (value >= reach if at_least else value <= reach)
        self.rows.append({"what": what, "value": round(value, 4), "reach": reach, "met": met, "note": note})
        print("%-58s %10.3f %8s %4s  %s" % (what, value, "" if reach is None else reach,
                                            "" if met is None else "yes" if met else "NO", note), flush=True)


def zstd_size(path, level):
    return int(run("sh", "-c", "zstd -q -%d -c '%s' | wc -c" % (level, path), stdout=subprocess.PIPE).output)


def file_sizes(etl):
    """Sizes for one trace: records, zstd -3 and -19 of them, .etwcap, .etwcap repacked at level 19."""
    records, saved, packed = WORK / "records.bin", WORK / "a.etwcap", WORK / "b.etwcap"
    run(PASSES, "records", etl, records)
    size = records.stat().st_size
    if size < MIB:
        return None
    run(RECORD, "--input", etl, "--force", "-o", saved)
    run(REPLAY, "repack", "--compression", "19", saved, "--force", "-o", packed)
    sizes = {"records": size, "zstd3": zstd_size(records, 3), "zstd19": zstd_size(records, 19),
             "etwcap": saved.stat().st_size, "etwcap19": packed.stat().st_size}
    for path in (records, saved, packed):
        path.unlink()
    return sizes


def measure_sizes(table, traces):
    sizes = {path.name: found for path in traces for found in [file_sizes(path)] if found}
    print("\n%-34s %10s %9s %9s %9s %9s  of -3  of -19  19:19" % (
        "trace", "records", "zstd -3", "zstd -19", "etwcap", "level 19"))
    for name, s in sizes.items():
        print("%-34s %10d %9d %9d %9d %9d  %.3f  %.3f  %.3f" % (
            name, s["records"], s["zstd3"], s["zstd19"], s["etwcap"], s["etwcap19"], s["etwcap"] / s["zstd3"],
            s["etwcap"] / s["zstd19"], s["etwcap19"] / s["zstd19"]))
    print()
    ratios = [s["etwcap"] / s["zstd3"] for s in sizes.values()]
    table.add("size / zstd -3 of the records, geometric mean", geometric_mean(ratios), 0.45)
    table.add("size / zstd -3 of the records, largest", max(ratios), 0.80)
    table.add("size / zstd -19, geometric mean",
              geometric_mean(s["etwcap"] / s["zstd19"] for s in sizes.values()), 0.70)
    table.add("size repacked at level 19 / zstd -19, geometric mean",
              geometric_mean(s["etwcap19"] / s["zstd19"] for s in sizes.values()), 0.46)
    return sizes


def measure_corpus_speed(table, plain, runs):
    """CPU ratios on the uncompressed traces of at least 1 MiB; these runs are short, so they are many."""
    ratios = {"record": [], "headers": [], "all": []}
    saved, packed = WORK / "a.etwcap", WORK / "a.zst"
    for etl in plain:
        settle(etl)
        zstd, record = side_by_side(5 * runs, ("zstd", "-q", "-3", "-T1", "--single-thread", "-f", etl, "-o", packed),
                                    (RECORD, "--input", etl, "--threads", "0", "--force", "-o", saved))
        back, headers, records = side_by_side(5 * runs, ("zstd", "-q", "-d", "-f", packed, "-o", WORK / "a.etl"),
                                              (PASSES, "headers", saved), (PASSES, "all", saved))
        for key, value in (("record", record.over(zstd, "cpu")), ("headers", headers.over(back, "cpu")),
                           ("all", records.over(back, "cpu"))):
            ratios[key].append(value)
    table.add("CPU of etw-record / zstd -3 on the same .etl", geometric_mean(ratios["record"]), 0.85, "corpus")
    table.add("CPU of all headers / zstd -d", geometric_mean(ratios["headers"]), 0.5, "corpus")
    table.add("CPU of all records / zstd -d", geometric_mean(ratios["all"]), 0.65, "corpus")


def measure_callback(table, etl):
    words = run(PASSES, "append", etl, stdout=subprocess.PIPE).output.split()
    table.add("copy in the callback / memcpy of the same bytes", int(words[3]) / int(words[6]), 1.5,
              "%.1f ns an event" % (int(words[3]) / int(words[0])))


def measure_threads(table, corpus_file, saved, runs):
    """What more threads give, on the two cores of the machine."""
    one, two = side_by_side(2 * runs, *[(PASSES, "write", corpus_file, threads, WORK / "again.etwcap") for threads in (1, 2)])
    table.add("wall time with 2 encoder threads / 1, events from memory", two.over(one, "wall"), 0.6)
    text = (REPLAY, saved, "--head", "2000000", "--threads", "0")
    both = [run_twice(*text) / run(*text).wall for _ in range(3 * runs)]
    table.add("machine: wall time of two processes at once / one", statistics.median(both))
    alone, helped = side_by_side(runs, *[(REPLAY, saved, "--threads", threads) for threads in (0, 1)])
    table.add("NDJSON events a second, 2 threads / 1", alone.over(helped, "wall"), 1.85,
              "%.2f is what two processes reach" % (2 / statistics.median(both)), at_least=True)
    table.add("peak memory of NDJSON with 2 threads, MiB", helped.memory, 48)


def measure_queries(table, saved, runs):
    """Filters, searches and counts over the large trace, in one thread."""
    events = int(run(PASSES, "headers", saved, stdout=subprocess.PIPE).output.split()[0])
    bare = ("--no-process-names", "--stacks", "none", "-q", *ALONE)
    whole, header, value, counts, names, stacks, info, tail = side_by_side(
        runs, (REPLAY, saved, *bare), (REPLAY, saved, *bare, "--where", "Id in (8, 9)"),
        (REPLAY, saved, *bare, "--where", "Count == 77"), (REPLAY, "stats", saved), (REPLAY, saved, "--stacks", "none", "-q", *ALONE),
        (REPLAY, saved, "-q", *ALONE), (REPLAY, "info", saved), (REPLAY, saved, *bare, "--tail", "100"))
    table.add("million NDJSON events a CPU second", events / whole.median("cpu") / 1e6, 5, "babeltrace2's text: 0.4",
              at_least=True)
    table.add("million NDJSON events a CPU second, with stacks and names", events / stacks.median("cpu") / 1e6)
    table.add("peak memory of that, MiB", stacks.memory)
    table.add("CPU of a header filter of about 2 % / NDJSON of all", header.over(whole, "cpu"), 0.4)
    table.add("million events a CPU second, a filter by a number in them", events / value.median("cpu") / 1e6, 8, at_least=True)
    table.add("million events a CPU second, stats", events / counts.median("cpu") / 1e6, 10, at_least=True)
    table.add("CPU of NDJSON with names of processes / without", names.over(whole, "cpu"), 1.15)
    table.add("wall time of --tail 100 / info", tail.over(info, "wall"), 3.0)
    if shutil.which("rg") is None:
        return
    # With --head, events that do not match would not count: both get the same million.
    text, part = WORK / "part.json", WORK / "part.etwcap"
    run(REPLAY, "cut", saved, "--head", str(min(events, 1000000)), "-o", part, "-q", "-f")
    with open(text, "wb") as out:
        run(REPLAY, part, *bare, stdout=out)
    settle(text)
    ours, ripgrep = side_by_side(runs, (REPLAY, part, *bare, "--grep", "QvZw"), ("rg", "-c", "-i", "--no-config", "-F", "QvZw", text))
    table.add("CPU of --grep / rg -i on the NDJSON", ours.over(ripgrep, "cpu"), 2.0)
    text.unlink()


def measure_large(table, corpus_file, runs):
    large, saved, two, packed = (WORK / name for name in ("large.etl", "large.etwcap", "two.etwcap", "large.zst"))
    if not large.exists():
        run(sys.executable, pathlib.Path(__file__).with_name("make_trace.py"), corpus_file, large, LARGE_ROUNDS)
    settle(large)
    zstd, one, more, none, scan = side_by_side(
        runs, ("zstd", "-q", "-3", "-T1", "--single-thread", "-f", large, "-o", packed),
        (RECORD, "--input", large, "--threads", "1", "--force", "-o", saved),
        (RECORD, "--input", large, "--threads", "2", "--force", "-o", two),
        (RECORD, "--input", large, "--threads", "0", "--force", "-o", WORK / "zero.etwcap"),
        (RECORD, "--input", large, "--threads", "0", "--max-events", "1", "--force", "-o", WORK / "scan.etwcap"))
    run("cmp", saved, two)  # not here: what this process holds would count as the children's peak memory
    events = int(run(PASSES, "headers", saved, stdout=subprocess.PIPE).output.split()[0])
    note = "large: %d events, %.2f GiB, %.1f bytes an event" % (
        events, large.stat().st_size / (1 << 30), saved.stat().st_size / events)
    table.add("CPU of etw-record / zstd -3, large trace", none.over(zstd, "cpu"), 1.0, note)
    table.add("wall time, .etl read and encoded by 2 threads / 1", one.over(none, "wall"), 0.6,
              "%.2f is possible: the scan is one thread's" % ((1 + scan.over(none, "wall")) / 2))
    table.add("wall time of --threads 2 / --threads 1, .etl", more.over(one, "wall"))
    table.add("peak memory of etw-record, MiB", one.memory, 64)
    reading, back, headers, records = side_by_side(
        runs, (PASSES, "etl", large), ("zstd", "-q", "-d", "-f", packed, "-o", WORK / "back.etl"),
        (PASSES, "headers", saved), (PASSES, "all", saved))
    table.add("million events a CPU second, .etl to records", events / reading.median("cpu") / 1e6, 14, "peer: 14 to 23",
              at_least=True)
    table.add("CPU of all headers / zstd -d, large trace", headers.over(back, "cpu"), 0.5)
    table.add("CPU of all records / zstd -d, large trace", records.over(back, "cpu"), 0.65)
    table.add("peak memory of a full pass, MiB", records.memory, 48)
    measure_threads(table, corpus_file, saved, runs)
    measure_info(table, corpus_file, saved, runs)
    measure_exports(table, corpus_file, runs)
    measure_queries(table, saved, runs)
    words = run(PASSES, "query", saved, 1000, stdout=subprocess.PIPE).output.split()
    table.add("bytes read by a query of 1,000 events / all", int(words[10]) / int(words[13]), 0.01,
              "%s events, %s blocks read of %s" % (words[0].decode(), words[2].decode(), words[5].decode()))
    measure_cut(table, saved, runs)
    cut = WORK / "cut.etwcap"
    run("sh", "-c", "head -c %d '%s' > '%s'" % (saved.stat().st_size - 40, saved, cut))
    scan, xxhsum = side_by_side(runs, (REPLAY, "info", cut), ("xxhsum", "-q", cut))
    table.add("CPU of info without index / xxhsum", scan.over(xxhsum, "cpu"), 1.5)


def measure_cut(table, saved, runs):
    """By time: blocks of which all is kept are copied."""
    part = ("--since", "+1m", "-q", "-f", "-o", WORK / "part.etwcap")
    copied, encoded = side_by_side(runs, (REPLAY, "cut", saved, *part), (REPLAY, "cut", saved, "--compression", "3", *part))
    table.add("CPU of a cut by time / one that encodes all", copied.over(encoded, "cpu"))


def measure_exports(table, corpus_file, runs):
    """Rates of exports by that of NDJSON, in one thread."""
    saved, folder = WORK / "exported.etwcap", WORK / "exported"
    run(RECORD, "--input", corpus_file, "--force", "-o", saved)
    events = int(run(PASSES, "headers", saved, stdout=subprocess.PIPE).output.split()[0])
    export = (REPLAY, "export", saved, "-q", "-f", *ALONE, "-o")
    # A folder must be new: a shell removes the one of the round before.
    per_event = ("sh", "-c", 'rm -rf "$1"; exec "$0" export "$2" -q --threads 0 --per-event -o "$1"', REPLAY, folder, saved)
    text, columns, tables, database, folded = side_by_side(
        runs, (REPLAY, saved, "-q", *ALONE), (*export, WORK / "exported.parquet"), per_event, (*export, WORK / "exported.db"),
        (*export, WORK / "exported.folded"))
    table.add("events a CPU second, Parquet / NDJSON", text.over(columns, "cpu"))
    table.add("events a CPU second, Parquet per event / NDJSON", text.over(tables, "cpu"), 0.5, at_least=True)
    table.add("events a CPU second, SQLite / NDJSON", text.over(database, "cpu"), 0.15, at_least=True)
    table.add("thousand events a CPU second, SQLite", events / database.median("cpu") / 1e3, 300, at_least=True)
    table.add("events a CPU second, folded stacks / NDJSON", text.over(folded, "cpu"), 1.0, at_least=True)


def measure_info(table, corpus_file, large, runs):
    small, tiny = WORK / "small.etwcap", WORK / "tiny.zst"
    run(RECORD, "--input", corpus_file, "--force", "-o", small)
    run("zstd", "-q", "-f", corpus_file, "-o", tiny)
    many = max(runs, 15)
    of_large, of_small, listing = side_by_side(many, (REPLAY, "info", large), (REPLAY, "info", small),
                                               ("zstd", "-l", tiny))
    table.add("wall time of info, large / small", of_large.over(of_small, "wall"), 1.5)
    table.add("wall time of info, small / zstd -l", of_small.over(listing, "wall"), 2.0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    traces = sorted(CORPUS.glob("etl/*.etl"))
    if not traces:
        print("skipped: no traces in %s (ETWCAP_CORPUS)" % CORPUS)
        return
    WORK.mkdir(parents=True, exist_ok=True)
    table = Table()
    sizes = measure_sizes(table, traces)
    plain = [path for path in traces if path.name in sizes and path.stat().st_size >= sizes[path.name]["records"]]
    measure_corpus_speed(table, plain, options.runs)
    measure_callback(table, CORPUS / "etl" / LARGE_FROM)
    if not options.quick:
        measure_large(table, CORPUS / "etl" / LARGE_FROM, options.runs)
    (ROOT / "build/bench.json").write_text(json.dumps({"sizes": sizes, "table": table.rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
