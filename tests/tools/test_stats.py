"""`stats`: what it counts equals what is counted of the NDJSON, and its three forms say the same."""
import collections
import csv
import io
import json

import pytest
from etlwriter import Trace, field

CORPUS = ["net.4.5.2.x64.etl", "HTTP_Server.etl", "KernelNetwork.etl", "Process.etl"]
ACTIVITY = "{11223344-5566-7788-0102-%012d}"


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """Six sizes, and pairs of Start and Stop: two within each other on one thread, one by activity, one start alone."""
    path = tmp_path_factory.mktemp("stats") / "a.etl"
    out = Trace()
    for number, size in enumerate((5, 1, 100, 7, 7, 1000)):
        out.tracelogging("Shop", "Sold", [field("Size", "u32", size), field("Who", "utf8z", "ab,\"c"[number % 3:])],
                         id=1, time=out.at(number), pid=100 + number % 2)
    for second, name, opcode, more in ((10, "Outer", 1, {}), (11, "Outer", 1, {}), (12, "Outer", 2, {}), (15, "Outer", 2, {}),
                                       (10, "Far", 1, {"activity": ACTIVITY % 1, "tid": 1}), (16, "Lone", 1, {}),
                                       (18, "Far", 2, {"activity": ACTIVITY % 1, "tid": 2}), (19, "Other", 2, {}),
                                       (20, "JobStart", 0, {}), (20.25, "JobStop", 0, {})):
        out.tracelogging("Shop", name, [], id=2, opcode=opcode, time=out.at(second), **more)
    out.write(path)
    return path


def rows(tool, *arguments, status=0):
    done = tool("etw-replay", "stats", *arguments, "--json", status=status)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_sums_and_percentiles_of_a_field(native_tool, trace):
    row, = rows(native_tool, trace, "--where", "has Size", "--by", "EventName", "--sum", "Size", "--min", "Size", "--max", "Size",
                "--avg", "Size", "--p50", "Size", "--p99", "Size")
    assert (row["EventName"], row["Events"]) == ("Sold", 6)
    assert (row["sum(Size)"], row["min(Size)"], row["max(Size)"]) == (1120, 1, 1000)
    assert abs(row["avg(Size)"] - 1120 / 6) < 0.001 and abs(row["p50(Size)"] - 7) <= 0.07 and abs(row["p99(Size)"] - 1000) <= 10


@pytest.mark.parametrize("way, expected", [
    ("--pairs", {"Outer": (2, 1000, 5000), "Far": (1, 8000, 8000), "Job": (1, 250, 250)}),
    ("--pairs=activity", {"Far": (1, 8000, 8000)}),
    ("--pairs=thread", {"Outer": (2, 1000, 5000), "Job": (1, 250, 250)})])
def test_pairs_last_from_start_to_stop(native_tool, trace, way, expected):
    found = {row["EventName"]: (row["Pairs"], row["min(ms)"], row["max(ms)"]) for row in rows(native_tool, trace, way)}
    assert found == expected


def test_lone_starts_and_stops_are_said(native_tool, trace):
    said = native_tool("etw-replay", "stats", trace, "--pairs").stderr
    assert b"4 pairs; 1 starts without a stop, 1 stops without a start" in said


def test_top_sums_the_others(native_tool, trace):
    found = rows(native_tool, trace, "--by", "Size", "--where", "has Size", "--top", "1")
    assert [(row.get("Size"), row.get("Others"), row["Events"]) for row in found] == [(7, None, 2), (None, True, 4)]


def test_intervals_begin_at_whole_multiples(native_tool, trace):
    found = rows(native_tool, trace, "--interval", "2s", "--by", "Id", "--where", "has Size")
    assert [(row["Time"][17:], row["Events"], row["Rate"]) for row in found] == [
        ("00.0000000Z", 2, 1), ("02.0000000Z", 2, 1), ("04.0000000Z", 2, 1)]


def test_table_and_csv_say_what_json_says(native_tool, trace):
    arguments = [trace, "--by", "Who,ProcessId", "--sum", "Size"]
    expected = [(row.get("Who", ""), str(row["ProcessId"]), str(row["Events"]), str(row.get("sum(Size)", "")))
                for row in rows(native_tool, *arguments)]
    text = native_tool("etw-replay", "stats", *arguments, "--csv").stdout.decode()
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [(row["Who"], row["ProcessId"], row["Events"], row["sum(Size)"]) for row in table] == expected
    lines = native_tool("etw-replay", "stats", *arguments).stdout.decode().splitlines()
    assert len(lines) == 1 + len(expected) and len({line.index("2024-05") for line in lines[1:]}) == 1


def test_several_files_have_a_row_each(native_tool, trace, tmp_path):
    native_tool("etw-record", "-q", "--input", trace, "-o", tmp_path / "b.etwcap")
    found = rows(native_tool, trace, tmp_path / "b.etwcap")
    assert sorted(row["File"] for row in found) == sorted([str(trace), str(tmp_path / "b.etwcap")])
    assert len({(row["Events"], row["Bytes"], row["First"], row["Last"], row["Rate"]) for row in found}) == 1
    assert len(rows(native_tool, trace, tmp_path / "b.etwcap", "--by", "EventName")) == 2 * len(rows(native_tool, trace, "--by", "EventName"))


def test_groups_beyond_the_limit_are_others(native_tool, tmp_path):
    out = Trace()
    for number in range(1100):
        out.tracelogging("P", "E", [field("N", "u32", number)], id=1, time=out.at(number / 1000))
    out.write(tmp_path / "many.etl")
    done = native_tool("etw-replay", "stats", tmp_path / "many.etl", "--by", "N", "--where", "has N", "--p50", "N", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == 1001 and found[-1]["Others"] and found[-1]["Events"] == 100
    assert b"more than 1000 groups: 100 events are summed as others" in done.stderr


def test_what_cannot_be_counted_is_said(native_tool, trace):
    assert b"no event has a number in 'Who'" in native_tool("etw-replay", "stats", trace, "--sum", "Who").stderr
    assert b"--by" in native_tool("etw-replay", "stats", trace, "--by", "Id == 3", status=2).stderr
    assert b"8 fields" in native_tool("etw-replay", "stats", trace, "--by", "a,b,c,d,e,f,g,h,i", status=2).stderr
    assert b"--pairs" in native_tool("etw-replay", "stats", trace, "--pairs", "--sum", "Size", status=2).stderr


@pytest.mark.parametrize("name", CORPUS)
def test_counts_equal_those_of_the_ndjson(native_tool, corpus, name):
    path = corpus(name)
    events = native_tool.events(path, status=None)
    count, first = collections.Counter(), {}
    processes, names, sizes = collections.Counter(), collections.Counter(), collections.Counter()
    for event in events:
        key = event.get("ProviderName", event["ProviderId"].lower()), event.get("EventName"), event["Id"]
        count[key] += 1
        first[key] = min(first.get(key, event["TimeStamp"]), event["TimeStamp"])
        processes[event["ProcessId"]] += 1
        names[event.get("ProcessName")] += 1
        size = [value for key, value in event.get("EventProperties", {}).items() if key.lower() == "size"]
        sizes[event["ProcessId"]] += int(size[0], 0) if size else 0
    found = rows(native_tool, path, status=None)
    keys = [((row["ProviderName"].lower() if row["ProviderName"][0] == "{" else row["ProviderName"]), row.get("EventName"), row["Id"])
            for row in found]
    assert {key: row["Events"] for key, row in zip(keys, found)} == dict(count)
    assert {key: row["First"] for key, row in zip(keys, found)} == first
    found = rows(native_tool, path, "--by", "ProcessId", "--sum", "size", status=None)
    assert {row["ProcessId"]: row["Events"] for row in found} == dict(processes)
    assert {row["ProcessId"]: row.get("sum(size)", 0) for row in found} == dict(sizes)
    assert {row.get("ProcessName"): row["Events"] for row in rows(native_tool, path, "--by", "ProcessName", status=None)} == dict(names)
