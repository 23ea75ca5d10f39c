"""The schemas made from manifests equal, field by field, those that Windows made and a merge stored in traces.

Run with -s for the table. What may differ is listed below with its reason; offsets of strings and BinaryXML, which
decoders do not need and we do not make, are not compared.
"""
import collections

import pytest

TRACES = ["JohnLudlow__PerfViewData", "demikernel__PktMon", "diaghub", "dotnet-performance__vs-gconly", "net.4.5.2.x64",
          "net.4.5.x86.old"]
ALSO = {"diaghub": "diaghub.user_paged.1"}  # its EventSources' manifests stand in another file of the same recording
MANIFESTS = ["ClrEtwAll.man", "Tx-SystemEvents.man"]

# Windows described the runtime's native events from clretwrc.dll's manifest. The EventSource's own, in the trace, knows
# neither their tasks nor opcodes nor maps nor messages, and not all properties: another document, nothing to compare.
OTHER_DOCUMENT = ("Microsoft-Windows-DotNETRuntime", "EventSource manifest")
NO_MANIFEST = {"Microsoft-Windows-PktMon", "Microsoft-Windows-DNS-Client", "Microsoft-Windows-Immersive-Shell"}
NOT_IN_MANIFEST = {("Microsoft-Windows-DotNETRuntime", "205", "2")}  # ClrEtwAll.man is of another version of the runtime
# Sent with task 0, which has no name; Windows leaves the event without one, we take its symbol.
NAMED_BY_SYMBOL = {("JohnLudlow.TerrainGeneration2D.Performance", "0", "0"): " name=EventSourceMessage"}
# Stored by Windows 8, whose TDH did not pass on that a count is fixed; that of Windows 10 does.
WITHOUT_FIXED_FLAGS = {("Microsoft-Windows-DotNETRuntime", "82", "0"): " flags=0x20"}


def lines(native_tool, corpus, trace):
    folder = corpus().parent / "manifests"
    words = [corpus(trace + ".etl")]
    if trace in ALSO:
        words += ["--also", corpus(ALSO[trace] + ".etl")]
    for name in MANIFESTS:
        words += ["--manifest", folder / name]
    done = native_tool("tests/schema_compare", *words)
    return [line.split("\t") for line in done.stdout.decode().splitlines()]


@pytest.fixture(scope="module")
def compared(native_tool, corpus):
    return [line for trace in TRACES for line in lines(native_tool, corpus, trace)]


def test_events_equal_those_of_windows(compared):
    table = collections.Counter()
    for provider, origin, number, version, windows, ours in (line[1:] for line in compared if line[0] == "event"):
        key = provider, number, version
        if origin == "none":
            assert provider in NO_MANIFEST or key in NOT_IN_MANIFEST, key
            continue
        if (provider, origin) == OTHER_DOCUMENT:
            table[provider, origin, "of another document"] += 1
            continue
        if key in NAMED_BY_SYMBOL:
            assert ours == windows.replace(" | ", NAMED_BY_SYMBOL[key] + " | ", 1)
            table[provider, origin, "equal but for a name"] += 1
            continue
        assert ours.replace(WITHOUT_FIXED_FLAGS.get(key, "\0"), "") == windows, key
        table[provider, origin, "equal"] += 1
    for row, count in sorted(table.items()):
        print("%4d %-45s %-22s %s" % (count, *row))
    assert sum(count for row, count in table.items() if row[2] == "equal") == 121


def test_maps_equal_those_of_windows(compared):
    table = collections.Counter()
    for provider, origin, windows, ours in (line[1:] for line in compared if line[0] == "map"):
        if (provider, origin) != OTHER_DOCUMENT:
            assert ours == windows
            table[provider, origin] += 1
    for row, count in sorted(table.items()):
        print("%4d %-45s %s" % (count, *row))
    assert sum(table.values()) == 64
