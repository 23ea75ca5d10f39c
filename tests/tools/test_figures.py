"""Processes, threads, images, stacks and pauses of real traces: what etw-replay tells equals what a second program counts in
the raw payloads (tests/readers/figures_oracle.py)."""
import collections
import json

import figures_oracle
import pytest

# What other programs had found in them before either was written.
KNOWN = {
    "net.4.5.2.x64": {"fragments": 9359, "clr stacks": 14983, "samples": 79528, "idle samples": 73313,
                      "samples with stack": 6318, "pauses": 265, "collections": 264},
    "net.4.5.x86.old": {"fragments": 18532, "clr stacks": 54165, "samples": 16865, "idle samples": 12201,
                        "samples with stack": 16684, "pauses": 1052, "collections": 1050},
    "dotnet-performance__vs-gconly": {"pauses": 750, "collections": 742},
    "ShutdownPerfDiagLogger": {},
    "diaghub.kernel.1": {},
}


@pytest.fixture(scope="module", params=KNOWN)
def trace(request, corpus):
    path = corpus(request.param + ".etl")
    return path, request.param, figures_oracle.of(path)


def test_the_second_program_finds_what_others_found(trace):
    _, name, figures = trace
    assert {key: figures[key] for key in KNOWN[name]} == KNOWN[name]


def test_lives(native_tool, trace):
    path, _, figures = trace
    last = native_tool("etw-replay", "ps", path, status=None).stdout.decode().splitlines()[-1]
    numbers = [int(word) for word in last.replace(",", "").split() if word.isdigit()]
    assert numbers == [figures[key] for key in ("processes", "defunct", "threads", "images", "kernel images")]


def take_stack(found, prefix, stack):
    modules = stack.get("Modules", ["?"] * len(stack["Addresses"]))
    found[prefix + "frames"] += len(modules)
    found[prefix + "resolved"] += sum(name != "?" for name in modules)


def stacks_in(lines):
    """The same figures, of the JSON of etw-replay."""
    found = collections.Counter()
    for line in lines:
        event = json.loads(line)
        provider, extended = event.get("ProviderName"), event.get("ExtendedInfo", {})
        stacks = [extended[key] for key in extended if key.startswith("StackTrace")]
        for stack in stacks:
            if "MatchId" in stack:
                take_stack(found, "item ", stack)
            elif provider == "Microsoft-Windows-DotNETRuntime" and event["Id"] == 82:
                take_stack(found, "clr ", stack)
            elif provider == "Microsoft-Windows-DotNETRuntime":
                found["clr stacks"] += 1
            else:
                found["stacks"] += 1
                take_stack(found, "", stack)
        if event.get("EventName") == "PerfInfo/SampleProf":
            found["samples"] += 1
            found["idle samples"] += int(event["EventProperties"]["ThreadId"], 0) == 0
            found["samples with stack"] += any("MatchId" not in stack for stack in stacks)
    return found


def test_stacks(native_tool, trace, tmp_path):
    path, _, figures = trace
    found = stacks_in(native_tool("etw-replay", path, "--stacks", "names", status=None).stdout.splitlines())
    names = {"clr resolved": "clr frames resolved", "item resolved": "item frames resolved"}
    assert found == {key: figures[names.get(key, key)] for key in found}
    assert figures["stacks"] == found["stacks"] and figures["item frames"] == found["item frames"]
    native_tool("etw-replay", "export", path, "-o", tmp_path / "a.folded", status=None)
    lines = (tmp_path / "a.folded").read_text().splitlines()
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == figures["folded"]


def test_pauses(native_tool, trace, tmp_path):
    path, _, figures = trace
    native_tool("etw-replay", "export", path, "-o", tmp_path / "a.trace.json", status=None)
    found = collections.Counter(event["name"] for event in json.loads((tmp_path / "a.trace.json").read_text())["traceEvents"]
                                if event["ph"] in "Xb")
    assert (found["GC pause"], found["GC"]) == (figures["pauses"], figures["collections"])
