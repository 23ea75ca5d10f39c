"""Timelines: Chrome's trace events by their rules, and Perfetto's packets by a decoder of the tests' own."""
import collections
import json
import struct

import perfetto_reader
import pytest
from etlwriter import Trace, field

ACTIVITY = ["{00000000-0000-0000-0000-00000000000%d}" % number for number in range(4)]
THREAD = "{3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c}"


def chrome(tool, trace, tmp_path, *options):
    """The events, after a check by what Perfetto's importer wants of them."""
    tool("etw-replay", "export", trace, "-f", "-q", *options, "-o", tmp_path / "a.trace.json", status=None)
    events = json.loads((tmp_path / "a.trace.json").read_text())["traceEvents"]
    threads = collections.defaultdict(list)
    lanes = collections.Counter()
    for event in events:
        assert isinstance(event["pid"], int) and isinstance(event["tid"], int)
        if event["ph"] == "X":
            assert event["dur"] >= 0
            threads[event["pid"], event["tid"]].append((round(event["ts"] * 10), round((event["ts"] + event["dur"]) * 10)))
        elif event["ph"] in "be":
            lanes[event["id2"]["local"], event["name"], event["pid"]] += 1 if event["ph"] == "b" else -1
        else:
            assert event["ph"] in ("M", "i", "C", "T")
    assert not any(lanes.values())
    for slices in threads.values():  # one that begins within another ends within it
        ends = []
        for start, end in sorted(slices, key=lambda slice: (slice[0], -slice[1])):
            while ends and ends[-1] <= start:
                ends.pop()
            assert not ends or end <= ends[-1], slices
            ends.append(end)
    return events


def perfetto(tool, trace, tmp_path, *options):
    """The packets, after the same check: on each track begins and ends are balanced."""
    tool("etw-replay", "export", trace, "-f", "-q", *options, "-o", tmp_path / "a.perfetto-trace", status=None)
    packets = perfetto_reader.packets(tmp_path / "a.perfetto-trace")
    assert packets[0]["sequence_flags"] == 1 and all(packet["sequence"] == 1 for packet in packets)
    tracks, depth = {}, collections.Counter()
    for packet in packets:
        if "track_descriptor" in packet:
            tracks[packet["track_descriptor"]["uuid"]] = packet["track_descriptor"]
        if "track_event" in packet:
            event = packet["track_event"]
            assert event["track_uuid"] in tracks
            depth[event["track_uuid"]] += {1: 1, 2: -1}.get(event["type"], 0)
            assert depth[event["track_uuid"]] >= 0
    assert not any(depth.values())
    return packets


def slices(events):
    return [(event["name"], event["ph"], event["tid"]) for event in events if event["ph"] in "Xb"]


def trace_of_pairs():
    trace = Trace()

    def log(name, opcode, at, tid=1, activity=0, task=1):
        trace.tracelogging("My.Provider", name, [field("N", "u32", at)], opcode=opcode, tid=tid, pid=9, activity=ACTIVITY[activity],
                           task=task, time=trace.at(at))
    log("OuterStart", 1, 1)
    log("InnerStart", 1, 2, task=2)
    log("InnerStop", 2, 3, task=2)
    log("OuterStop", 2, 4)
    log("A", 1, 5, activity=1)        # A and B cross each other
    log("B", 1, 6, activity=2)
    log("AStop", 2, 7, activity=1)
    log("BStop", 2, 8, tid=2, activity=2)  # and B ends on another thread
    log("Never", 1, 9, tid=3)
    log("AloneStop", 2, 10, tid=4)
    log("Plain", 0, 11)
    return trace


def test_pairs_are_slices_and_the_rest_instants(tool, tmp_path):
    trace_of_pairs().write(tmp_path / "a.etl")
    events = chrome(tool, tmp_path / "a.etl", tmp_path)
    assert slices(events) == [("Inner", "X", 1), ("Outer", "X", 1), ("A", "b", 1), ("B", "b", 1)]
    outer = next(event for event in events if event["name"] == "Outer")
    assert outer["dur"] == 3000000 and outer["args"] == {"properties": {"N": "1"}} and outer["cat"] == "My.Provider"
    instants = {event["name"]: event for event in events if event["ph"] == "i"}
    assert set(instants) >= {"Never", "Alone", "Plain"} and instants["Never"]["args"]["unfinished"] is True
    done = tool("etw-replay", "export", tmp_path / "a.etl", "-f", "-o", tmp_path / "b.TRACE.JSON")
    assert b"1 starts without a stop and 1 stops without a start" in done.stderr


def test_perfetto_says_the_same(tool, tmp_path):
    trace_of_pairs().write(tmp_path / "a.etl")
    packets = perfetto(tool, tmp_path / "a.etl", tmp_path, "--counter", "N")
    events = [(packet["timestamp"], packet["track_event"]) for packet in packets if "track_event" in packet]
    assert [event["name"] for _, event in events if event["type"] == 1] == ["Inner", "Outer", "A", "B"]
    begin = next(time for time, event in events if event.get("name") == "Outer")
    assert begin == 1714564801 * 10**9
    assert [event["value"] for _, event in events if event["type"] == 4] == list(range(1, 12))
    names = [packet["track_descriptor"].get("process", {}).get("process_name") for packet in packets if "track_descriptor" in packet]
    assert "process 9" in names


def switch(trace, at, new, old, state, cpu=0):
    trace.full(THREAD, 36, struct.pack("<IIbbBbBBBBII", new, old, 8, 8, 0, 0, 6, 0, state, 0, 0, 0), version=2, cpu=cpu,
               time=trace.at(at))


def test_context_switches_are_states(tool, tmp_path):
    trace = Trace()
    for at, new, old, state in ((1, 11, 0, 2), (2, 12, 11, 5), (3, 11, 12, 1), (4, 12, 11, 5)):
        switch(trace, at, new, old, state)
    trace.write(tmp_path / "a.etl")
    events = chrome(tool, tmp_path / "a.etl", tmp_path)
    states = [(event["tid"], event["name"], event["dur"], event.get("args", {}).get("cpu")) for event in events if event["ph"] == "T"]
    assert states == [(11, "Running", 1000000, 0), (12, "Running", 1000000, 0), (11, "Sleeping", 1000000, None),
                      (11, "Running", 1000000, 0), (12, "Runnable", 1000000, None)]
    packets = perfetto(tool, tmp_path / "a.etl", tmp_path)
    switches = [event["c_switch"] for packet in packets for event in packet.get("etw_events", {}).get("event", [])]
    assert switches[1] == {"new_tid": 12, "old_tid": 11, "reason": 6, "state": 5}


@pytest.mark.parametrize("name, pairs", [("net.4.5.x86.old.etl", {"GC": 1050, "GC pause": 1052, "Disk write": 471}),
                                         ("net.4.5.2.x64.etl", {"GC": 264, "JIT": 290})])
def test_pairs_of_real_traces_find_each_other(native_tool, corpus, tmp_path, name, pairs):
    events = chrome(native_tool, corpus(name), tmp_path, "--threads", "2")
    found = collections.Counter(event["name"] for event in events if event["ph"] in "Xb")
    assert {key: found[key] for key in pairs} == pairs
    count = len(native_tool("etw-replay", corpus(name), status=None).stdout.splitlines())
    assert sum(2 if event["ph"] in "Xb" else event["ph"] == "i" for event in events) == count
    same = (tmp_path / "a.trace.json").read_bytes()
    chrome(native_tool, corpus(name), tmp_path)
    assert same == (tmp_path / "a.trace.json").read_bytes()
