"""--boot: the sessions that Windows starts itself. Wine's registry takes them; no session is started from it."""
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest
import wine
from etlwriter import Trace

from conftest import missing

GUID = "{11223344-5566-7788-0102-030405060708}"
KEYS = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\WMI"
FOLDER = pathlib.Path(wine.PREFIX, "drive_c/windows/System32/LogFiles/WMI")
WORDS = ["--provider", GUID + ":4:0x10", "--kernel", "PROCESS,POWER", "--max-total", "32M", "--enable", "stack"]
PLAN = rf"""{KEYS}\GlobalLogger: EnableKernelFlags = 00000001 00000000 00000000 00000000 00008000 00000000 00000000 00000000
{KEYS}\GlobalLogger: FileName = WINDOWS\System32\LogFiles\WMI\EtwcapBootKernel.etl
{KEYS}\GlobalLogger: LogFileMode = 1
{KEYS}\GlobalLogger: MaxFileSize = 32
{KEYS}\GlobalLogger: ClockType = 1
{KEYS}\GlobalLogger: Start = 1
{KEYS}\Autologger\EtwcapBoot\{GUID}: EnableLevel = 4
{KEYS}\Autologger\EtwcapBoot\{GUID}: MatchAnyKeyword = 0x10
{KEYS}\Autologger\EtwcapBoot\{GUID}: EnableProperty = 4
{KEYS}\Autologger\EtwcapBoot\{GUID}: Enabled = 1
{KEYS}\Autologger\EtwcapBoot: Guid = {{ee9d9177-3675-59ba-01e1-b9c6336fb5f1}}
{KEYS}\Autologger\EtwcapBoot: FileName = WINDOWS\System32\LogFiles\WMI\EtwcapBoot.etl
{KEYS}\Autologger\EtwcapBoot: LogFileMode = 1
{KEYS}\Autologger\EtwcapBoot: MaxFileSize = 32
{KEYS}\Autologger\EtwcapBoot: ClockType = 1
{KEYS}\Autologger\EtwcapBoot: Start = 1
"""


def reg(*words):
    before = wine.command() or missing("Wine is not installed")
    return subprocess.run([*before, "reg", *words], env=wine.environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60)


@pytest.fixture
def boot(win64_tool):
    """Runs the recorder that is linked with the drop-in API; what it left in the registry is taken out at the end."""
    yield lambda *words, status=0: win64_tool("tests/etw-record-dropin", "--boot", *words, status=status)
    for key in ("GlobalLogger", r"Autologger\EtwcapBoot", r"Autologger\Theirs"):
        reg("delete", KEYS + "\\" + key, "/f")
    shutil.rmtree(FOLDER, ignore_errors=True)


def test_the_plan_is_told_before_it_is_written(native_tool, boot):
    assert native_tool("etw-record", "--boot", "install", "--dry-run", *WORDS).stdout.decode() == PLAN.replace("WINDOWS", "%SystemRoot%")
    told = boot("install", "--dry-run", *WORDS).stdout.decode().replace("\r", "")
    assert told == PLAN.replace("WINDOWS", r"C:\windows")
    assert reg("query", KEYS + r"\Autologger\EtwcapBoot").returncode == 1
    assert told in boot("install", *WORDS).stderr.decode().replace("\r", "")


def test_what_is_written_is_found_and_taken_out(boot):
    boot("install", *WORDS)
    session = reg("query", KEYS + r"\Autologger\EtwcapBoot", "/s").stdout.decode()
    for line in (r"FileName\s+REG_SZ\s+C:\\windows\\System32\\LogFiles\\WMI\\EtwcapBoot.etl", r"Start\s+REG_DWORD\s+0x1", r"Enabled\s+REG_DWORD\s+0x1",
                 r"MatchAnyKeyword\s+REG_QWORD"):
        assert re.search(line, session), line
    kernel = reg("query", KEYS + r"\GlobalLogger").stdout.decode()
    assert "REG_BINARY" in kernel and "01000000" + 3 * "00000000" + "00800000" in kernel
    boot("install", "--provider", GUID.replace("1122", "2211"))  # a provider that is no longer wanted does not stay
    assert GUID not in reg("query", KEYS + r"\Autologger\EtwcapBoot", "/s").stdout.decode()
    told = boot("remove", "--dry-run").stdout.decode().split()
    assert told == [KEYS + r"\GlobalLogger", KEYS + r"\Autologger\EtwcapBoot"]
    boot("remove")
    assert reg("query", KEYS + r"\Autologger\EtwcapBoot").returncode == 1
    assert b"no boot trace named 'EtwcapBoot' is installed" in boot("remove", status=1).stderr


def test_what_is_somebody_elses_stays(boot):
    """Windows has sessions of its own there."""
    reg("add", KEYS + r"\Autologger\Theirs", "/v", "FileName", "/t", "REG_SZ", "/d", "x.etl", "/f")
    words = ["--session", "Theirs"]
    assert b"and not ours" in boot("install", *words, "--provider", GUID, status=1).stderr
    boot("remove", *words, status=1)
    assert reg("query", KEYS + r"\Autologger\Theirs").returncode == 0


def test_what_the_boot_left_becomes_a_recording(boot, native_tool, tmp_path):
    boot("install", "--provider", GUID, "--kernel", "PROCESS")
    missing_file = boot("collect", "-o", tmp_path / "a.etwcap", status=1).stderr
    assert b"EtwcapBootKernel.etl" in missing_file
    os.makedirs(FOLDER)
    for name, count, lost in (("EtwcapBootKernel.etl", 2, 0), ("EtwcapBoot.etl", 3, 7)):
        trace = Trace(events_lost=lost)
        for number in range(count):
            trace.event(GUID, number)
        trace.write(FOLDER / name)
    done = boot("collect", "-o", tmp_path / "b.etwcap", status=3)
    assert b"7 " in done.stderr and b"lost" in done.stderr
    assert sum(e.get("ProviderId") == GUID for e in native_tool.events(tmp_path / "b.etwcap", status=None)) == 5
    reg("add", KEYS + r"\GlobalLogger", "/v", "Status", "/t", "REG_DWORD", "/d", "5", "/f")
    assert b"Windows could not start session 'NT Kernel Logger': error 5" in boot("collect", "-o", tmp_path / "c.etwcap", status=3).stderr


def test_a_session_of_somebody_else_is_not_stopped(boot, live, tmp_path):
    """The NT Kernel Logger is whoever's started it: ours writes to our file."""
    boot("install", "--kernel", "PROCESS")
    theirs = subprocess.Popen(live.words("--kernel", "PROCESS", "-o", tmp_path / "theirs.etwcap"), env=live.environment(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for _ in range(100):
            if b"NT Kernel Logger" in live("--list-sessions").stdout:
                break
            time.sleep(0.1)
        said = boot("collect", "-o", tmp_path / "a.etwcap", status=1).stderr
        assert b"session 'NT Kernel Logger' is somebody else's and runs on: it writes to no file" in said
        assert b"NT Kernel Logger" in live("--list-sessions").stdout and theirs.poll() is None
        live("--kill", "NT Kernel Logger")
        theirs.communicate(timeout=60)
    finally:
        theirs.kill()


@pytest.mark.parametrize("words, told", [
    (["install"], b"a boot trace needs a provider or kernel events"), (["install", "--provider", GUID, "--pids", "5"], b"no filters"),
    (["install", "--provider", GUID, "--session", r"a\b"], b"is no name for a session of the boot"),
    (["install", "--kernel", "CSWITCH", "--counters", "TotalCycles"], b"no counters")])
def test_what_a_boot_cannot_have_is_refused(native_tool, words, told):
    assert told in native_tool("etw-record", "--boot", *words, "--dry-run", status=1).stderr


@pytest.mark.parametrize("words", [["x"], ["collect"], ["remove", "--provider", GUID], ["install", "--provider", GUID, "-o", "a"]])
def test_wrong_words_are_refused(native_tool, words):
    native_tool("etw-record", "--boot", *words, status=2)


def test_elsewhere_than_on_windows_it_says_so(native_tool, tmp_path):
    for words in (["install", "--provider", GUID], ["remove"], ["collect", "-o", tmp_path / "a"]):
        assert b"in the registry of Windows" in native_tool("etw-record", "--boot", *words, status=1).stderr
