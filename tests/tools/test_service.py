"""--service under Wine's service manager, with the drop-in API in the place of Windows' own."""
import os
import re
import shutil
import subprocess
import time

import pytest
import wine

from conftest import missing

NAME = "etwcap-test-%d" % os.getpid()  # others may test beside


def sc(*words):
    before = wine.command() or missing("Wine is not installed")
    return subprocess.run([*before, "sc.exe", *words], env=wine.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          check=False, timeout=60).stdout.decode()


def state():
    """The service's state, and the codes with which it ended."""
    return [re.search(r"%s\s*: (\d+)" % name, sc("query", NAME)).group(1) for name in ("STATE", "WIN32_EXIT_CODE", "SERVICE_EXIT_CODE")]


def wait_for(found, wanted):
    end = time.monotonic() + 60
    while found() != wanted:
        assert time.monotonic() < end, found()
        time.sleep(0.1)


@pytest.fixture
def service(win64_tool, tmp_path):
    """Starts a service that records by a profile, whose lines are given. The program is alone in its folder, tmp_path."""
    for name in ("etw-record-dropin.exe", "etwapi.dll"):
        shutil.copy(win64_tool.path("tests/etw-record-dropin").parent / name, tmp_path)

    def start(*lines):
        (tmp_path / "a.profile").write_text("\n".join(lines) + "\n")
        program = "Z:%s\\etw-record-dropin.exe" % str(tmp_path).replace("/", "\\")
        sc("create", NAME, "binPath=", '"%s" --service --profile a.profile --log log.txt' % program)
        sc("start", NAME)

    yield start
    sc("stop", NAME)
    sc("delete", NAME)


def test_a_stop_ends_a_service_with_a_whole_file(service, native_tool, tmp_path):
    """Its relative paths are those of its program's folder; its log has what was recorded and no status line."""
    service("provider = *Any", "output = a.etwcap")
    wait_for(lambda: state()[0], "4")
    wait_for((tmp_path / "a.etwcap").exists, True)
    sc("stop", NAME)
    wait_for(state, ["1", "0", "0"])
    native_tool("etw-replay", "verify", tmp_path / "a.etwcap")
    assert b"services.exe" in native_tool("etw-replay", "ps", tmp_path / "a.etwcap").stdout
    log = (tmp_path / "log.txt").read_text()
    assert re.search(r"^etw-record: \d{4}-\d\d-\d\dT\S+Z a.etwcap: \d+ events", log, re.M) and "queued" not in log


@pytest.mark.parametrize("lines, code, told", [(["provider = No-Such-Provider", "output = a.etwcap"], "1", "no registered provider is named"),
                                               (["nonsense = 1"], "2", "nonsense")])
def test_a_service_that_fails_says_so_to_its_manager(service, tmp_path, lines, code, told):
    service(*lines)
    wait_for(state, ["1", "1066", code])  # ERROR_SERVICE_SPECIFIC_ERROR
    assert told in (tmp_path / "log.txt").read_text()
