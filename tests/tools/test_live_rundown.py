"""The rundown from the kernel's own events: what the drop-in API serves to a short system-logger session."""
import json
import uuid

import etwcap_reader
import pytest
from etlwriter import CLOCK_SYSTEM, field, provider_guid
from test_state import DC_END, DC_START, START, Host

MADE, KERNELS = 0xFFFF, 0xFFFE  # LoggerId: the recorder's own, and the kernel's
NTDLL = "\\??\\C:\\windows\\system32\\ntdll.dll"


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """A protected process and the kernel, and what a session of the kernel begins and ends with beside its rundown."""
    path = tmp_path_factory.mktemp("rundown") / "a.etl"
    host = Host(clock=CLOCK_SYSTEM)
    host.process(DC_START, 0, "Idle", 0, parent=0)
    host.image(DC_START, 0, 0xFFFFF80000000000, 0x900000, "\\SystemRoot\\system32\\nowhere.exe", 0)
    host.process(DC_START, 70000, "guarded.exe", 0.1, command="guarded.exe -x", user="S-1-5-19")
    host.image(DC_START, 70000, 0x7FF000000000, 0x3000, "\\Device\\HarddiskVolume3\\guarded.exe", 0.1)
    host.image(DC_START, 70000, 0x7FF100000000, 0x190000, NTDLL, 0.1)
    host.process(START, 70004, "later.exe", 0.2)
    for number in range(4):
        host.tracelogging("Tests.Rundown", "Counted", [field("Count", "u32", number)], time=host.at(0.3))
    host.process(DC_END, 70000, "guarded.exe", 0.4)
    host.write(path)
    return path


def record(live, trace, output, *words, events=4, status=0, **env):
    return live("--provider", "*Tests.Rundown", "-o", output, "--max-events", events, *words, rundown=True, status=status,
                **dict(dict(ETWAPI_TRACE=str(trace), ETWAPI_AT_END="wait"), **env)).stderr.decode()


def lines(path):
    """Of each event: LoggerId, and the hash of its header with what stands for its data."""
    words = [line.split() for line in etwcap_reader.dump(path.read_bytes()) if line.startswith(" event ")]
    return [(int(word[4], 16) >> 16, word[3], word[5]) for word in words]


def of_process(native_tool, path, pid):
    """Events of the rundown about a process: their names, and those of files."""
    found = []
    for event in native_tool.events(path):
        properties = event.get("EventProperties", {})
        if event.get("EventName", "").startswith(("Process/", "Image/", "ImageID/")) and int(properties.get("ProcessId", "-1"), 0) == pid:
            found.append((event["EventName"], properties.get("FileName") or properties.get("ImageFileName")))
    return found


def test_the_kernels_events_are_kept_as_they_came(live, native_tool, trace, tmp_path):
    """Bytes and times, but for the LoggerId; and nothing else of the session, which begins and ends with more."""
    said = record(live, trace, tmp_path / "a.etwcap", "--clock", "system")
    assert "snapshots" not in said
    native_tool("etw-record", "--input", trace, "-o", tmp_path / "file.etwcap")
    kept = [line[1:] for line in lines(tmp_path / "a.etwcap") if line[0] == KERNELS]
    assert len(kept) == 5 and kept == [line[1:] for line in lines(tmp_path / "file.etwcap")[1:6]]


def test_a_protected_process_has_its_images_once(live, native_tool, trace, tmp_path):
    """And the kernel; what it did not tell of, here all processes of this machine, is asked for by snapshots."""
    saved = tmp_path / "a.etwcap"
    record(live, trace, saved)
    assert of_process(native_tool, saved, 70000) == [("Process/DCStart", "guarded.exe"), ("Image/DCStart", "\\Device\\HarddiskVolume3\\guarded.exe"),
                                                     ("Image/DCStart", NTDLL)]
    assert of_process(native_tool, saved, 70004) == []
    assert [name for name, _ in of_process(native_tool, saved, 0)] == ["Process/DCStart", "Image/DCStart"]
    info = json.loads(native_tool("etw-replay", "info", "--json", "--processes", saved).stdout)
    told = {process["process_id"]: process for process in info["processes"]}
    assert told[70000]["path"] == "guarded.exe" and told[70000]["image_count"] == 2 and told[70000]["user"] == "S-1-5-19"
    [recorder] = [process for process in info["processes"] if process["path"].endswith("etw-record-dropin.exe")]
    assert recorder["image_count"] > 1
    events = [name for name, _ in of_process(native_tool, saved, recorder["process_id"])]
    assert events.count("Process/DCStart") == 1 and events.count("Image/DCStart") == recorder["image_count"]
    versions = [e["EventProperties"]["OrigFileName"] for e in native_tool.events(saved) if e.get("EventName") == "ImageID/FileVersion"]
    assert "ntdll.dll" in versions


@pytest.mark.parametrize("env, told", [
    ({"ETWAPI_AT_END": "stop"}, "was stopped from outside"), ({"ETWAPI_DENY": "kernel"}, "denied: it needs an elevated administrator"), ({"ETWAPI_LOSE": "3"}, "events of the session were lost"),
    ({"ETWAPI_ONLY": str(uuid.UUID(bytes_le=provider_guid("Tests.Rundown")))}, "the session told nothing")])
def test_without_the_kernels_session_there_are_snapshots(live, native_tool, trace, tmp_path, env, told):
    """It is no failure of the recording, and said in a line."""
    saved = tmp_path / "a.etwcap"
    said = record(live, trace, saved, events=2, status=None, **env)
    [line] = [line for line in said.splitlines() if "snapshots" in line]
    assert told in line
    loggers = {line[0] for line in lines(saved)}
    assert KERNELS not in loggers and MADE in loggers
    assert b"etw-record-dropin.exe" in native_tool("etw-replay", "ps", saved, status=None).stdout


def test_each_segment_has_the_kernels_events(live, native_tool, trace, tmp_path):
    record(live, trace, tmp_path / "a.etwcap", "--rotate-time", "1d")
    assert [name for name, _ in of_process(native_tool, tmp_path / "a-0001.etwcap", 70000)] == ["Process/DCStart", "Image/DCStart", "Image/DCStart"]


def test_the_session_of_the_rundown_is_gone_when_events_come(live, trace, tmp_path):
    record(live, trace, tmp_path / "a.etwcap")
    assert "etwcap-" not in live("--list-sessions").stdout.decode()


def test_images_that_a_session_of_the_kernel_tells_itself_are_not_told_again(live, native_tool, trace, tmp_path):
    saved = tmp_path / "a.etwcap"
    live("--kernel", "PROCESS,IMAGE_LOAD", "-o", saved, "--max-events", 7, rundown=True, ETWAPI_TRACE=str(trace), ETWAPI_AT_END="wait")
    found = [name for name, _ in of_process(native_tool, saved, 70000)]
    assert found == ["Process/DCStart", "Process/DCStart", "Image/DCStart", "Image/DCStart", "Process/DCEnd"]
