#!/usr/bin/env python3
"""Sizes of small traces, as FORMAT 1.0 and as 2.0, against `zstd -19` of the .etl; a table in Markdown.

    python3 tests/bench/small_traces.py BUILD-FOLDER CORPUS-FOLDER

All traces below 100 KB; the first events of the larger ones, exported to an .etl of their own, which keeps the session's large
buffers, nearly empty; and ten events of one kind.
"""
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from etlwriter import Trace, field

LIMIT = 100_000
PIECES = 30, 300, 1500  # events


def run(*words):
    return subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)


def ten_events(path):
    trace = Trace()
    for number in range(10):
        trace.tracelogging("My.Provider", "Started", [field("Count", "u32", number), field("Name", "utf16z", "abc")],
                           time=trace.at(number))
    trace.write(path)


def pieces(build, corpus, folder):
    """Each only once: a trace may have fewer events than a piece."""
    for path in sorted(corpus.glob("*.etl")):
        seen = set()
        for count in PIECES if path.stat().st_size >= LIMIT else ():
            piece = folder / ("%s, %d events.etl" % (path.stem, count))
            run(build / "etw-replay", "export", path, "--head", count, "-o", piece)
            content = piece.read_bytes()
            if content not in seen:
                yield piece
            seen.add(content)


def sizes(build, path, folder):
    out = folder / "out.etwcap"
    found = [path.stat().st_size, len(run("zstd", "-19", "-c", path).stdout)]
    for version in ("1.0", "2.0"):
        run(build / "etw-record", "--input", path, "-o", out, "-f", "-q", "--format", version)
        found.append(out.stat().st_size)
    return found


def table(name, rows):
    print("\n| %s | .etl | zstd -19 | 1.0 | 2.0 | 2.0 / zstd -19 |\n|---|---|---|---|---|---|" % name)
    for path, (etl, zstd, first, second) in sorted(rows.items(), key=lambda row: row[1]):
        print("| %s | %s | %s | %s | %s | %.2f |" % (path.stem, *("{:,}".format(size) for size in (etl, zstd, first, second)),
                                                 second / zstd))


def summary(name, rows):
    for version, at in (("1.0", 2), ("2.0", 3)):
        ratios = [row[at] / row[1] for row in rows.values()]
        print("%s, %s: %d traces, median %.2f, least %.2f, largest %.2f" % (
            name, version, len(ratios), statistics.median(ratios), min(ratios), max(ratios)))


def main(build, corpus):
    build, corpus = pathlib.Path(build), pathlib.Path(corpus)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        ten_events(folder / "ten.etl")
        whole = {path: sizes(build, path, folder) for path in corpus.glob("*.etl") if path.stat().st_size < LIMIT}
        parts = {path: sizes(build, path, folder) for path in pieces(build, corpus, folder)}
        table("trace", whole)
        table("piece", parts)
        table("made", {folder / "ten.etl": sizes(build, folder / "ten.etl", folder)})
        print()
        summary("traces", whole)
        summary("pieces", parts)
        summary("all", {**whole, **parts})


if __name__ == "__main__":
    main(*sys.argv[1:])
