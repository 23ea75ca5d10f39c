"""etwbox: programs that know nothing of this project run with event tracing replaced, under Wine."""
import json
import pathlib
import re
import shutil
import subprocess
import time
import uuid

import pytest
import wine
from conftest import ROOT, Tool
from etlwriter import Trace, field, provider_guid
from pereader import PE

PROVIDER = "Tests.Etwbox"
PROVIDER_ID = "{%s}" % uuid.UUID(bytes_le=provider_guid(PROVIDER))
LIVE = ["live", PROVIDER_ID, 0, 0, 0, 0]
EVENTS = 20


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    trace = Trace()
    for i in range(EVENTS):
        trace.tracelogging(PROVIDER, "Counted", [field("Count", "u32", i)], level=2 + i % 2)
    path = tmp_path_factory.mktemp("etwbox") / "small.etl"
    trace.write(path)
    return path


@pytest.fixture
def box(win64_tool):
    """Runs etwbox: its options, and the program with its arguments."""
    def run(options, *program, status=0, **env):
        return win64_tool("etwbox", *options, "--", *program, status=status, env=env)

    return run


MANIFEST = """<?xml version="1.0"?>
<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"><instrumentation><events>
<provider name="Tests.Etwbox.Manifest" guid="{b0c5e001-1111-4222-8333-444455556666}" symbol="T" resourceFileName="t"
 messageFileName="t">
 <templates><template tid="t"><data name="Number" inType="win:UInt32"/><data name="Text" inType="win:UnicodeString"/>
 </template></templates>
 <keywords><keyword name="k" mask="0x1"/></keywords>
 <events><event value="1" version="0" level="win:Informational" keywords="k" template="t"/></events>
</provider></events></instrumentation></instrumentationManifest>"""


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def windows_path(path):
    return "z:" + str(path).replace("/", "\\")


@pytest.fixture
def programs(windows_tool):
    """A function from the name of a program to run in the box to its path, for both widths."""
    windows_tool.words("tests/etwbox_consumer")  # skips where it cannot run
    return lambda name: windows_tool.path("tests/" + name)


def test_a_program_in_the_box_gets_the_trace(box, win64_tool, programs, small):
    expected = win64_tool("tests/etwapi_consumer", *LIVE, env={"ETWAPI_TRACE": str(small)})
    assert lines(box([small], programs("etwbox_consumer"), *LIVE)) == lines(expected)
    assert len(lines(expected)) > EVENTS


def test_a_dll_that_is_loaded_late_is_redirected(box, programs, small):
    every, none = (int(box(trace, programs("etwbox_by_name")).stdout) for trace in ([small], []))
    assert every == none + 2 > 500  # the provider and the header event's, beside those of every Windows


def test_functions_that_are_imported_by_ordinal_are_redirected(box, windows_tool, programs, small, tmp_path):
    folder = pathlib.Path(wine.PREFIX, "drive_c", "windows", "syswow64" if windows_tool.target == "win32" else "system32")
    program = PE(programs("etwbox_consumer").read_bytes())
    assert program.import_by_ordinal("advapi32.dll", PE((folder / "advapi32.dll").read_bytes()).exports()) >= 8
    (tmp_path / "ordinals.exe").write_bytes(program.bytes)
    assert len(lines(box([small], tmp_path / "ordinals.exe", *LIVE))) > EVENTS


def test_children_are_in_the_box_too(box, programs, small):
    done = box([small], "cmd.exe", "/c", windows_path(programs("etwbox_consumer")), *LIVE)
    assert len(lines(done)) > EVENTS


@pytest.mark.parametrize("box_name", ["etwbox", "etwbox32"])
def test_children_of_32_bit_programs_are_in_the_box_too(win64_tool, programs, small, box_name):
    """Of both widths, whichever box started the first program."""
    Tool("win32").words("etwbox32")  # skips where it cannot run
    program = windows_path(programs("etwbox_consumer"))
    done = win64_tool(box_name, small, "--", "c:\\windows\\syswow64\\cmd.exe", "/c", program, *LIVE)
    assert len(lines(done)) > EVENTS


def test_a_session_outlives_the_program_that_started_it(box, programs, small):
    """As on Windows: a script of a controller's calls finds its session each time."""
    words = " ".join(map(str, [windows_path(programs("etwbox_consumer")), *LIVE]))
    done = box([small], "cmd.exe", "/c", "%s leave & %s" % (words, words), status=None)
    assert lines(done) == [{"OpenTrace": 183}]  # ERROR_ALREADY_EXISTS


def test_options_reach_the_program(box, win64_tool, small):
    program = win64_tool.path("tests/etwbox_consumer")
    assert lines(box(["--drop", 10, small], program, *LIVE))[-1]["EventsLost"] == (EVENTS + 1) // 10
    assert lines(box(["--lose", "3@+0s", "--seed", 4, small], program, *LIVE))[-1]["EventsLost"] == 3
    assert lines(box(["--drop", "100%", small], program, *LIVE))[-1]["EventsLost"] == 0
    assert b"0 to 1" in box(["--duplicate", 3, small], program, *LIVE, status=125).stderr
    assert lines(box(["--deny-start", small], program, *LIVE, status=1)) == [{"OpenTrace": 5}]


def test_several_traces_come_by_time(box, win64_tool, tmp_path):
    for name, first in (("b.etl", 1), ("a.etl", 0)):
        trace = Trace()
        for i in range(first, EVENTS, 2):
            trace.tracelogging(PROVIDER, "Counted", [field("Count", "u32", i)], time=trace.at(i))
        trace.write(tmp_path / name)
    done = box([tmp_path / "b.etl", tmp_path / "a.etl"], win64_tool.path("tests/etwbox_consumer"), *LIVE)
    assert [int(e["EventProperties"]["Count"]) for e in lines(done) if "EventProperties" in e] == list(range(EVENTS))
    (tmp_path / "a.etl").write_bytes(b"no trace")
    done = box([tmp_path / "b.etl", tmp_path / "a.etl"], win64_tool.path("tests/etwbox_consumer"), *LIVE, status=125)
    assert b"a.etl" in done.stderr and done.stdout == b""


def test_a_trace_can_begin_again(box, win64_tool, small):
    done = box(["--loop", small], win64_tool.path("tests/etwbox_consumer"), *LIVE, "close-after=%d" % (3 * EVENTS),
               status=None)
    counts = [int(e["EventProperties"]["Count"]) for e in lines(done)[:-1]]
    assert counts[:3 * EVENTS] == 3 * list(range(EVENTS))


def test_times_can_be_moved_to_now(box, win64_tool, small):
    program = win64_tool.path("tests/etwbox_consumer")
    recorded, moved = (lines(box([*options, small], program, *LIVE))[:-1] for options in ([], ["--rebase"]))
    shifts = {m["TimeStamp"] - r["TimeStamp"] for m, r in zip(moved, recorded)}
    assert len(shifts) == 1 and len(moved) == len(recorded)
    now = int((time.time() + 11644473600) * 10**7)
    assert 0 < now - moved[0]["TimeStamp"] < 600 * 10**7


@pytest.mark.parametrize("only, count", [(PROVIDER_ID, EVENTS), ("{00000000-0000-0000-0000-000000000001}", 0)])
def test_one_provider_can_be_chosen(box, win64_tool, small, only, count):
    done = box(["--only-provider", only, small], win64_tool.path("tests/etwbox_consumer"), *LIVE)
    assert len(lines(done)[:-1]) == count


@pytest.mark.parametrize("code", [0, 7])
def test_the_exit_status_is_the_programs(box, code):
    assert box([], "cmd.exe", "/c", "exit %d" % code, status=code).stderr == b""


@pytest.mark.parametrize("options, program, text", [
    ([], ["no-such-program.exe"], b"cannot be started"), ([], [], b"no program given"),
    (["no-such.etl"], ["cmd.exe"], b"there is no such trace"), (["--nonsense"], ["cmd.exe"], b"unknown option"),
    (["--join", "me"], ["cmd.exe"], b"expected the id of a process")])
def test_what_cannot_be_run_is_told(box, options, program, text):
    assert text in box(options, *program, status=125).stderr


def test_a_program_whose_box_is_missing_is_told(win64_tool, tmp_path):
    Tool("win32").words("etwbox32")  # skips where it cannot run
    for name in ("etwbox.exe", "etwapi.dll"):
        shutil.copy(win64_tool.folder / name, tmp_path)
    words = wine.command() + [tmp_path / "etwbox.exe", "--", Tool("win32").path("tests/etwbox_by_name")]
    done = subprocess.run(words, env=wine.environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.returncode == 125 and b"it is a 32-bit program, and etwbox32.exe is not beside" in done.stderr


# --- providers -----------------------------------------------------------------------------------

@pytest.fixture
def record(box, windows_tool, programs, native_tool, tmp_path):
    """Records the provider program of either width; gives what it printed and the events of the recording."""
    def run(*arguments, options=(), status=0):
        manifest = tmp_path / "manifest.man"
        manifest.write_text(MANIFEST)
        output = tmp_path / "box.etwcap"
        done = box(["--record", output, "--schemas", manifest, *options],
                   programs("etwbox_provider"), *arguments, status=status)
        assert b"good" in native_tool("etw-replay", "verify", output).stdout
        return done, native_tool.events(output)

    run.target = windows_tool.target
    return run


def summary(event):
    """What tells the three kinds of the provider program's events apart, and what they say."""
    return (event["ProviderId"][:9], event["Id"], event["Version"], event["Opcode"], event["Level"], event["Keyword"],
            event["Channel"], event.get("EventProperties", event.get("UserData")))


def written(i):
    return [("{b0c5e001", 1, 0, 0, 4, "0x1", 0, {"Number": str(i), "Text": "caf\u00e9"}),
            ("{b0c5e002", 0, 0, 0, 5, "0x2", 11, {"Count": str(i)}),
            ("{b0c5e004", 0, 3, 7, 0, "0x0", 0, "%02x000000" % i)]


def test_what_a_program_and_its_child_write_is_recorded(record):
    done, events = record(3, "again")
    assert done.stdout.split() == [b"0", b"level", b"255"] * 2
    assert [summary(e) for e in events] == 2 * [one for i in range(3) for one in written(i)]
    assert [len(set(e["ProcessId"] for e in half)) for half in (events[:9], events[9:], events)] == [1, 1, 2]
    width = {"win64": 0x40, "win32": 0x20}[record.target]
    assert {e["Flags"] for e in events} == {0x200 | width, 0x201 | width, 0x300 | width}
    assert all(e["ExtendedInfo"] == {"RelatedActivityId": "{b0c5e004-1111-4222-8333-444455556666}"}
               for e in events if e["Flags"] == 0x201 | width)
    assert [e["TimeStamp"] for e in events] == sorted(e["TimeStamp"] for e in events)


@pytest.mark.parametrize("box_name", ["etwbox", "etwbox32"])
def test_programs_of_both_widths_write_into_one_recording(win64_tool, native_tool, tmp_path, box_name):
    Tool("win32").words("etwbox32")  # skips where it cannot run
    (tmp_path / "manifest.man").write_text(MANIFEST)
    line = " & ".join("%s 2" % windows_path(Tool(target).path("tests/etwbox_provider")) for target in ("win32", "win64"))
    win64_tool(box_name, "--record", tmp_path / "box.etwcap", "--schemas", tmp_path / "manifest.man", "--",
               "cmd.exe", "/c", line)
    assert b"good" in native_tool("etw-replay", "verify", tmp_path / "box.etwcap").stdout
    events = native_tool.events(tmp_path / "box.etwcap")
    assert [summary(e) for e in events] == 2 * (written(0) + written(1))
    assert [e["Flags"] & 0x60 for e in events] == 6 * [0x20] + 6 * [0x40]


@pytest.mark.parametrize("provider, level, kinds", [
    ("*Tests.Etwbox.Nobody", 0, set()), ("{b0c5e001-1111-4222-8333-444455556666}:4", 4, {"{b0c5e001"}),
    ("{b0c5e001-1111-4222-8333-444455556666}:3", 3, set()), ("{b0c5e001-1111-4222-8333-444455556666}:0", 255,
                                                            {"{b0c5e001"})])
def test_only_the_providers_that_are_asked_for_are_recorded(record, provider, level, kinds):
    # Without a session the classic provider has no handle, and says so: 6.
    done, events = record(1, options=["--provider", provider], status=6)
    assert done.stdout.split() == [b"6", b"level", b"%d" % level]
    assert {summary(e)[0] for e in events} == kinds


def test_a_crash_leaves_a_readable_recording(record):
    _, events = record(2, "crash", status=5)
    assert [summary(e) for e in events] == written(0) + written(1)


def test_no_event_of_a_busy_program_is_lost(record):
    """tests/README.md has the command for many; what waits for the recorder fits into its memory here."""
    done, events = record(10000, "paced")
    assert done.stdout.split()[0] == b"0" and len(events) == 30000
    assert [int(e["EventProperties"]["Number"]) for e in events[::3]] == list(range(10000))


def test_the_manual_page_has_the_options_of_the_help(win64_tool):
    shown = set(re.findall(r"--[a-z][a-z-]+", win64_tool("etwbox", "--help").stdout.decode()))
    page = (ROOT / "replay/etwbox/etwbox.1").read_text().replace("\\-", "-")
    assert shown <= set(re.findall(r"--[a-z][a-z-]+", page)) and len(shown) > 10
