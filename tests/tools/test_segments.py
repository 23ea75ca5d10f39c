"""Files of a recording for a fleet: their names, a command for each, their age, and who may write them."""
import re
import socket
import subprocess
import sys

import pytest

from etlwriter import Trace

ONE = "{11111111-2222-3333-4444-555555555555}"


@pytest.fixture
def trace(tmp_path):
    """A minute of events that do not compress, some of them each second."""
    made = Trace()
    state = 1
    for number in range(600):
        words = []
        for _ in range(64):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            words.append(state.to_bytes(8, "little"))
        made.event(ONE, id=1, data=b"".join(words), time=made.at(number / 10))
    made.write(tmp_path / "a.etl")
    return tmp_path / "a.etl"


@pytest.fixture
def seen(tmp_path):
    """A command that notes its arguments, one line a call, and fails for a name with "-0002" in it."""
    script = tmp_path / "note.py"
    script.write_text("import sys\nwith open(%r, 'a') as notes:\n    print(*sys.argv[1:], file=notes)\n"
                      "sys.exit('-0002' in sys.argv[-1])\n" % str(tmp_path / "notes"))
    return {"command": "%s %s extra" % (sys.executable, script), "notes": tmp_path / "notes"}


def rotate(native_tool, trace, output, *options, status=0):
    return native_tool("etw-record", "--input", trace, "-o", output, "--rotate-time", "15s", *options, status=status)


def test_each_segment_is_given_to_the_command_once_it_is_whole(native_tool, trace, tmp_path, seen):
    done = rotate(native_tool, trace, tmp_path / "a.etwcap", "--on-segment", seen["command"], status=1)
    segments = sorted(map(str, tmp_path.glob("a-*.etwcap")))
    assert len(segments) >= 4
    assert seen["notes"].read_text().splitlines() == ["extra " + segment for segment in segments]
    assert b"--on-segment for %s: exit status 1" % segments[1].encode() in done.stderr
    assert done.stderr.count(b"--on-segment") == 1


def test_a_single_file_is_given_to_the_command_too(native_tool, trace, tmp_path, seen):
    native_tool("etw-record", "--input", trace, "-o", tmp_path / "with space.etwcap", "--on-segment", seen["command"])
    assert seen["notes"].read_text() == "extra %s\n" % (tmp_path / "with space.etwcap")


def test_a_command_that_is_not_there_is_told(native_tool, trace, tmp_path):
    done = native_tool("etw-record", "--input", trace, "-o", tmp_path / "a.etwcap", "--on-segment", "/no/such/program",
                       status=1)
    assert b"--on-segment for " in done.stderr
    native_tool("etw-replay", "verify", tmp_path / "a.etwcap")


def test_names_tell_host_and_start(tool, trace, tmp_path):
    tool("etw-record", "--input", trace, "-o", tmp_path / "100%%-%h-%Y%m%dT%H%M%SZ.etwcap", "--rotate-time", "30s")
    names = sorted(path.name for path in tmp_path.glob("*.etwcap"))
    host = socket.gethostname().split(".")[0]
    assert len(names) == 2
    for number, name in enumerate(names, 1):
        told = re.fullmatch(r"100%%-(.+)-20\d\d[01]\d[0-3]\dT[0-2]\d[0-5]\d[0-6]\dZ-000%d\.etwcap" % number, name)
        assert told and told.group(1).lower().startswith(host.lower()[:15])


def test_an_unknown_code_in_a_name_is_refused(tool, trace, tmp_path):
    done = tool("etw-record", "--input", trace, "-o", tmp_path / "a%q.etwcap", status=1)
    assert b"names may have %h" in done.stderr
    assert not list(tmp_path.glob("*.etwcap*"))


def test_segments_that_are_too_old_are_removed(native_tool, trace, tmp_path):
    rotate(native_tool, trace, tmp_path / "a.etwcap", "--max-age", "20s")
    names = sorted(path.name for path in tmp_path.glob("a-*.etwcap"))
    assert "a-0001.etwcap" not in names and names[-1] == "a-0004.etwcap"


def test_two_recorders_do_not_share_a_name(native_tool, trace, tmp_path):
    """The first is held up by its command, which does not end before its input does."""
    words = native_tool.words("etw-record", "--input", trace, "-o", tmp_path / "a.etwcap", "--rotate-time", "15s",
                              "--on-segment", "read line <&3 || true; echo", "-q")
    with subprocess.Popen(["sh", "-c", 'exec 3<&0; exec "$@"', "sh", *words], stdin=subprocess.PIPE,
                          stderr=subprocess.PIPE) as first:
        while not (tmp_path / "a-0002.etwcap").exists():
            assert first.poll() is None
        done = rotate(native_tool, trace, tmp_path / "a.etwcap", "--force", status=1)
        assert b"another recorder writes" in done.stderr
        first.stdin.close()
        assert first.wait() == 0
    assert not (tmp_path / "a.etwcap.lock").exists()
    rotate(native_tool, trace, tmp_path / "a.etwcap", "--force")


@pytest.mark.parametrize("options, told", [
    (["--on-segment", "echo", "-o", "-"], b"--on-segment needs a file"),
    (["--max-age", "1h", "-o", "x.etwcap"], b"--max-age needs")])
def test_what_cannot_be_is_refused(native_tool, options, told):
    assert told in native_tool("etw-record", "--input", "a.etl", *options, status=2).stderr
