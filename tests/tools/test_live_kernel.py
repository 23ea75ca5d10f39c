"""Kernel events beyond the flags: groups, and the processor's counters, as the drop-in API checks them."""
import pytest
from etlwriter import Trace

PROCESS = "{3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c}"
POWER = "{e43445e0-0903-48c3-b878-ff0fccebdd04}"
OBJECT = "{89497f50-effe-4440-8cf2-ce6b1cdcaca7}"


@pytest.fixture
def env(tmp_path):
    """Classes that a flag, and that groups alone ask for."""
    trace = Trace()
    for event_class in (PROCESS, POWER, OBJECT):
        for _ in range(2):
            trace.full(event_class, 99, b"\0" * 8)
    trace.write(tmp_path / "kernel.etl")
    return {"ETWAPI_TRACE": str(tmp_path / "kernel.etl"), "ETWAPI_AT_END": "stop"}


def classes(native_tool, path):
    return [e["ProviderId"] for e in native_tool.events(path, status=None) if "ProviderId" in e]


@pytest.mark.parametrize("words, wanted", [
    (["--kernel", "PROCESS"], [PROCESS]), (["--kernel", "POWER"], [POWER]), (["--kernel", "PROCESS,OB_HANDLE"], [PROCESS, OBJECT]),
    (["--kernel", "ResumeTrace"], [PROCESS, POWER]), (["--system", "PROCESS,POWER"], [PROCESS, POWER])])
def test_groups_choose_kernel_classes(live, native_tool, env, tmp_path, words, wanted):
    live(*words, "-o", tmp_path / "a.etwcap", status=None, **env)
    assert classes(native_tool, tmp_path / "a.etwcap") == [one for one in wanted for _ in range(2)]


def test_the_processors_counters_are_listed(live):
    lines = live("--list-counters").stdout.decode().splitlines()
    assert "TotalCycles\t65536\t4096 to 2147483647" in lines and lines[0].startswith("Timer\t10000\t")


@pytest.mark.parametrize("words", [
    ["--pmc", "TotalCycles=100000,cachemisses"], ["--kernel", "CSWITCH", "--counters", "TotalCycles,TotalIssues"],
    ["--kernel", "PROCESS", "--counters", "TotalCycles", "--count-at", PROCESS + ":1"]])
def test_counters_are_found_by_name(live, native_tool, env, tmp_path, words):
    """The right to profile is switched on for each call that takes it; without it the drop-in API refuses them."""
    live("--kernel", "PROCESS", *words, "-o", tmp_path / "a.etwcap", status=None, **env)
    assert classes(native_tool, tmp_path / "a.etwcap")[:2] == [PROCESS] * 2


@pytest.mark.parametrize("words, told", [
    (["--pmc", "Nothing"], b"this processor has no counter 'Nothing'"),
    (["--pmc", "TotalCycles=1"], b"counter 'TotalCycles' takes intervals from 4096 to 2147483647, not 1"),
    (["--kernel", "CSWITCH", "--counters", "Timer,TotalIssues,BranchInstructions,CacheMisses,TotalCycles"],
     b"5 counters are more than the 4 that this processor counts at a time"),
    (["--provider", PROCESS, "--counters", "TotalCycles"], b"counters come with kernel events, of which none are wanted")])
def test_counters_that_cannot_be_had_are_told(live, env, tmp_path, words, told):
    assert told in live(*words, "-o", tmp_path / "a.etwcap", status=1, **env).stderr


@pytest.mark.parametrize("words", [["--kernel", "NOTHING"], ["--pmc", "TotalCycles=x"], ["--pmc", "=5"], ["--count-at", "x:1"],
                                   ["--counters", ",".join(["TotalCycles"] * 17)]])
def test_wrong_words_are_refused(native_tool, tmp_path, words):
    native_tool("etw-record", *words, "-o", tmp_path / "a.etwcap", status=2)
