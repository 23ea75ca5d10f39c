#!/usr/bin/env python3
"""Other tools beside ours on the same traces, one table each way of use, in Markdown: PEERS.md has what it printed.

    python3 tests/bench/peers.py [--runs N] [--python-path FOLDER]

Build first (`scons`), and have the corpus at ETWCAP_CORPUS. CPU is user plus system time, the median of the runs, which take
turns. What is not installed is named below its table. dissect.etl is no package of Debian's: --python-path is where it and what
it needs can be imported from.
"""
import argparse
import os
import shlex
import subprocess
import sys

from bench import CORPUS, PASSES, RECORD, REPLAY, WORK, run, settle, side_by_side

TRACES = "net.4.5.2.x64", "net.4.5.x86.old"
LINES = 200_000  # of NDJSON: what one trace has, at most

# What to keep a trace in: how it is written, and how all of it is read again. {records}: the bytes of all records, unpacked.
KEEPERS = [
    ("zstd -1", "zstd -q -f -1 --single-thread {records} -o {kept}", "zstd -q -d -c {kept}"),
    ("zstd -3", "zstd -q -f -3 --single-thread {records} -o {kept}", "zstd -q -d -c {kept}"),
    ("zstd -9", "zstd -q -f -9 --single-thread {records} -o {kept}", "zstd -q -d -c {kept}"),
    ("zstd -19", "zstd -q -f -19 --single-thread {records} -o {kept}", "zstd -q -d -c {kept}"),
    ("zstd -19 --long=27", "zstd -q -f -19 --long=27 --single-thread {records} -o {kept}", "zstd -q -d --long=27 -c {kept}"),
    ("xz -6", "sh -c 'xz -6 -T1 -c {records} > {kept}'", "xz -d -T1 -c {kept}"),
    ("lz4 -1", "lz4 -q -f -1 {records} {kept}", "lz4 -q -d -c {kept}"),
    (".etwcap", "{record} --input {etl} --threads 0 -q -f -o {kept}", "{passes} all {kept}"),
    (".etwcap, level 19", "{record} --input {etl} --threads 0 --compression 19 -q -f -o {kept}", "{passes} all {kept}"),
    ("NDJSON, zstd -3", "sh -c '{replay} {etl} --threads 0 -q | zstd -q -f -3 --single-thread -o {kept}'", "zstd -q -d -c {kept}"),
    ("Parquet", "{replay} export {etl} --format parquet --threads 0 -q -f -o {kept}", None),
]

DISSECT = "import sys; from dissect.etl.etl import ETL; print(sum(1 for _ in ETL(open(sys.argv[1], 'rb'))))"

# What reads a trace file off Windows: how many events a CPU second, counted only.
READERS = [
    ("etwcap: an .etl", "{passes} etl {etl}"),
    ("etwcap: an .etwcap", "{passes} all {kept}"),
    ("dissect.etl", "/usr/bin/python3 -c \"" + DISSECT + "\" {etl}"),
]

# What takes events as text: how many lines a CPU second.
CONSUMERS = [
    ("wc -l", "wc -l {text}"),
    ("rg -c", "rg -c --no-config xyzzy {text}"),
    ("jq -c .", "jq -c . {text}"),
    ("Python's json", "/usr/bin/python3 -c \"import sys, json; [json.loads(line) for line in open(sys.argv[1])]\" {text}"),
    ("node's JSON.parse",
     "node -e \"for (const line of require('fs').readFileSync(process.argv[1], 'utf8').split('\\n')) if (line) JSON.parse(line)\" {text}"),
    ("etw-replay, to write it", "{replay} {kept} --threads 0 -q"),
]


def table(title, heads):
    print("\n%s\n\n| %s |\n|%s" % (title, " | ".join(heads), "---|" * len(heads)), flush=True)


def row(*cells):
    print("| %s |" % " | ".join(str(cell) for cell in cells), flush=True)


def shown(pattern):
    """The command as a reader would type it, in a cell of a table."""
    return pattern.format(etl="TRACE.etl", record="etw-record", replay="etw-replay", passes="build/native/tests/passes",
                          kept="kept", text="text", records="records").replace("|", "\\|")


def can_run(words):
    probe = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return probe.returncode in (0, 1, 3)  # rg finds nothing: 1; a tool of ours that something is missing: 3


def possible(ways, commands, missing):
    """Those of the ways whose command runs, with it; the others' names go to missing."""
    found = []
    for way, command in zip(ways, commands):
        try:
            works = can_run(command)
        except FileNotFoundError:
            works = False
        if works:
            found.append((way, command))
        else:
            missing.append(way[0])
    return found


def keep(paths, runs, missing):
    size = paths["records"].stat().st_size
    table("%s: %s bytes of records" % (paths["etl"].stem, format(size, ",")),
          ("kept as", "bytes", "CPU to write, ms", "CPU to read all, ms", "command"))
    row("the .etl", format(paths["etl"].stat().st_size, ","), "", "", "")
    for name, write, read in KEEPERS:
        written = possible([(name,)], [shlex.split(write.format(**paths))], missing)
        if not written:
            continue
        writing, = side_by_side(runs, written[0][1])
        reading = side_by_side(runs, shlex.split(read.format(**paths)))[0] if read else None
        row(name, format(paths["kept"].stat().st_size, ","), "%.0f" % (1e3 * writing.median("cpu")),
            "%.0f" % (1e3 * reading.median("cpu")) if reading else "", "`%s`" % shown(write))


def rates(title, unit, ways, paths, count, runs, missing):
    table(title, ("program", unit, "peak memory, MiB", "command"))
    chosen = possible(ways, [shlex.split(command.format(**paths)) for _, command in ways], missing)
    for (way, _), costs in zip(chosen, side_by_side(runs, *(command for _, command in chosen))):
        row(way[0], "%.2f" % (count / costs.median("cpu") / 1e6), "%.0f" % costs.memory, "`%s`" % shown(way[1]))


def events_of(path):
    return int(run(PASSES, "headers", path, stdout=subprocess.PIPE).output.split()[0])


def measure(name, runs, missing):
    paths = {"etl": CORPUS / "etl" / (name + ".etl"), "records": WORK / "records.bin", "kept": WORK / "peer.kept",
             "text": WORK / "peer.json", "record": RECORD, "replay": REPLAY, "passes": PASSES}
    run(PASSES, "records", paths["etl"], paths["records"])
    settle(paths["etl"])
    keep(paths, runs, missing)
    run(RECORD, "--input", paths["etl"], "-q", "-f", "-o", paths["kept"])
    count = events_of(paths["kept"])
    rates("%s: %s events, counted only" % (name, format(count, ",")), "million events a CPU second", READERS, paths, count, runs,
          missing)
    with open(paths["text"], "wb") as out:
        run(REPLAY, paths["kept"], "-q", "--head", str(LINES), stdout=out)
    settle(paths["text"])
    rates("%s: its NDJSON, %s bytes" % (name, format(paths["text"].stat().st_size, ",")), "million lines a CPU second", CONSUMERS,
          paths, min(count, LINES), runs, missing)
    for left in ("records", "kept", "text"):
        paths[left].unlink()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--python-path", default="")
    options = parser.parse_args()
    if not (CORPUS / "etl").is_dir():
        sys.exit("there are no traces in %s (ETWCAP_CORPUS)" % CORPUS)
    os.environ["PYTHONPATH"] = options.python_path
    WORK.mkdir(parents=True, exist_ok=True)
    missing = []
    for name in TRACES:
        measure(name, options.runs, missing)
    if missing:
        print("\nNot there, and left out: %s." % ", ".join(sorted(set(missing))))


if __name__ == "__main__":
    main()
