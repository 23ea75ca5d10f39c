"""Crashes, damage, growing files and long runs, in small numbers; tests/README.md has the commands for large ones.

etwcap_torture checks each event that is read against the one that was written.
"""
import os
import re
import resource
import signal
import subprocess

import etlwriter
import pytest

from conftest import MODE

PROVIDER = "{11223344-5566-7788-0102-030405060708}"


def events_of(native_tool, path):
    """The events of a file in which something is missing, without what tells of that."""
    return [line for line in native_tool.events(path, status=3) if "Loss" not in line]


def torture(native_tool, *arguments):
    return native_tool("tests/etwcap_torture_posix", *arguments).stdout.decode()


def test_a_killed_recorder_leaves_what_it_flushed(native_tool, tmp_path):
    flushed = 0
    for seed in range(10):  # on a machine that is busy, recorders may all be killed before they flush
        said = torture(native_tool, "crash", 60, tmp_path, seed)
        flushed, read = map(int, re.search(r"(\d+) events were flushed, (\d+) read", said).groups())
        if flushed:
            break
    assert 0 < flushed <= read


def test_the_tools_read_recover_and_verify_what_a_killed_recorder_left(native_tool, tmp_path):
    for seed in range(10):
        torture(native_tool, "crash", 1, tmp_path, seed)
        crashed, recovered = tmp_path / "crashed.etwcap", tmp_path / ("recovered-%d.etwcap" % seed)
        if not crashed.exists() or crashed.stat().st_size < 24:  # killed before its head was written
            continue
        before = events_of(native_tool, crashed)
        native_tool("etw-replay", "verify", crashed, status=3)
        native_tool("etw-replay", "recover", crashed, "-o", recovered, status=3)
        verdict = native_tool("etw-replay", "verify", recovered, status=3).stdout  # 3: it says what was lost
        assert b": good: " in verdict, verdict
        assert events_of(native_tool, recovered) == before


def test_damage_costs_the_damaged_blocks_alone(native_tool):
    said = torture(native_tool, "damage", 300, 7)
    assert int(re.search(r"(\d+) said that something is missing", said).group(1)) > 200


def test_a_growing_file_can_be_followed(native_tool, tmp_path):
    assert "30000 events read" in torture(native_tool, "follow", 30000, tmp_path)


def test_events_pass_through_all_of_it(native_tool, tmp_path):
    assert re.search(r"^200000 events in [2-9] segments", torture(native_tool, "soak", 200000, tmp_path))


def large_trace(path, events=20000):
    trace = etlwriter.Trace(buffer_size=65536)
    for number in range(events):
        trace.event(PROVIDER, id=number % 7, data=b"%032x" % (number * 0x9E3779B97F4A7C15 % (1 << 128)))
    trace.write(path)
    return events


def limited(words, size, what=resource.RLIMIT_FSIZE):
    """Runs a command that may write files of so many bytes; beyond it writing fails with EFBIG, as on a full disk."""
    def limit():
        resource.setrlimit(what, (size, size))
    return subprocess.run(words, preexec_fn=limit, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)


def test_a_file_that_may_not_grow_is_a_prefix_and_the_status_tells(native_tool, tmp_path):
    trace, out = tmp_path / "a.etl", tmp_path / "a.etwcap"
    events = large_trace(trace)
    native_tool("etw-record", "-q", "--input", trace, "-o", out)
    whole = out.stat().st_size
    for size in (100, whole // 3, whole // 2):
        done = limited(native_tool.words("etw-record", "--force", "--input", trace, "-o", out), size)
        assert done.returncode == 1 and b"File too large" in done.stderr, done.stderr
        if not out.exists():  # there was no room for its first blocks
            assert size == 100
            continue
        assert out.stat().st_size <= size
        left = events_of(native_tool, out)
        assert len(left) < events
        assert [event["Id"] for event in left[1:]] == [number % 7 for number in range(len(left) - 1)]
    whole = tmp_path / "whole.etwcap"
    native_tool("etw-record", "-q", "--input", trace, "-o", whole)
    for words in (RECOVER, CUT):
        done = limited(native_tool.words(*words, whole, "-o", tmp_path / "out"), 1000)
        assert done.returncode == 1 and b"File too large" in done.stderr, (words, done.stderr)
        assert not (tmp_path / "out").exists()
        assert words == CUT or not (tmp_path / "out.part").exists()


def test_an_export_that_fails_does_not_look_whole(native_tool, tmp_path):
    trace, out = tmp_path / "a.etl", tmp_path / "out.json"
    part = out.with_name("out.json.part")
    large_trace(trace, 5000)
    done = limited(native_tool.words(*EXPORT, trace, "-o", out), 300000)
    assert done.returncode == 1 and b"File too large" in done.stderr
    assert b"partial output is in %s" % bytes(part) in done.stderr
    assert not out.exists() and part.stat().st_size == 300000
    native_tool(*EXPORT, trace, "-o", out)
    whole = out.read_bytes()
    assert whole.count(b"\n") == 5001 and part.stat().st_size == 300000  # it is nobody's to remove
    done = limited(native_tool.words(*EXPORT, trace, "--force", "-o", out), 300000)
    assert done.returncode == 1 and out.read_bytes() == whole


@pytest.mark.parametrize("verb", ["cut", "merge", "repack", "recover"])
def test_a_copy_that_fails_tells_what_it_wrote_and_where(native_tool, tmp_path, verb):
    trace, recorded, out = tmp_path / "a.etl", tmp_path / "a.etwcap", tmp_path / "out.etwcap"
    large_trace(trace)
    native_tool("etw-record", "-q", "--input", trace, "-o", recorded)
    inputs = [recorded, recorded] if verb == "merge" else [recorded]
    done = limited(native_tool.words("etw-replay", verb, *inputs, "-o", out), recorded.stat().st_size // 2)
    assert done.returncode == 1
    assert re.search(rb"^etw-replay: %s(\.part)?: block at" % re.escape(bytes(out)), done.stderr, re.M), done.stderr
    if verb != "recover":
        said = int(re.search(rb": (\d+) events, \d+ schemas", done.stderr).group(1))
        part = out.with_name("out.etwcap.part")
        assert said == len(events_of(native_tool, part)) and b"is in " + bytes(part) in done.stderr
    assert not out.exists()
    out.touch()
    assert b"--force replaces it" in native_tool("etw-replay", verb, *inputs, "-o", out, status=1).stderr


def test_a_recording_that_fails_tells_how_much_is_missing(native_tool, tmp_path):
    trace, out = tmp_path / "a.etl", tmp_path / "a.etwcap"
    large_trace(trace)
    done = limited(native_tool.words("etw-record", "--input", trace, "-o", out), 20000)
    assert done.returncode == 1
    assert done.stderr.count(b"File too large") == 1
    assert re.search(rb"\d+ events were received but not written", done.stderr)


@pytest.mark.skipif(MODE not in ("release", "debug"), reason="sanitizers need address space of their own")
def test_too_little_memory_is_not_taken_for_damage(native_tool, tmp_path):
    trace, recorded, out = tmp_path / "a.etl", tmp_path / "a.etwcap", tmp_path / "out.etwcap"
    large_trace(trace)
    native_tool("etw-record", "-q", "--input", trace, "-o", recorded)
    failed = 0
    for megabytes in range(16, 112, 6):
        for words in (["verify"], ["cat"], ["info"], ["recover", "-o", out]):
            done = limited(native_tool.words("etw-replay", *words, recorded), megabytes << 20, resource.RLIMIT_AS)
            assert done.returncode == 0 or (done.returncode == 1 and b"memory" in done.stderr), (
                megabytes, words, done.returncode, done.stderr)
            failed += done.returncode
            out.unlink(missing_ok=True)
    assert failed > 0


def test_a_full_device_is_told(native_tool, tmp_path):
    trace = tmp_path / "a.etl"
    large_trace(trace, 2000)
    with open("/dev/full", "wb") as full:
        for words in (("etw-record", "--input", trace, "-o", "-"), ("etw-replay", trace)):
            done = subprocess.run(native_tool.words(*words), stdout=full, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL)
            assert done.returncode == 1 and b"No space left on device" in done.stderr, done.stderr


def on_a_disk_of(folder, size, native_tool):
    """Variables for programs, of Windows too, that find no room for more bytes below a folder."""
    return {"LD_PRELOAD": str(native_tool.folder / "tests/full_disk.so"), "ETW_TEST_DISK": str(folder), "ETW_TEST_DISK_BYTES": str(size)}


@pytest.mark.skipif(MODE not in ("release", "debug"), reason="a sanitizer must be there before what is preloaded")
def test_a_full_disk_is_told(tool, native_tool, tmp_path):
    trace, disk = tmp_path / "a.etl", tmp_path / "disk"
    out = disk / "a.etwcap"
    disk.mkdir()
    events = large_trace(trace)
    said = tool("etw-record", "--input", trace, "-o", out, status=1, env=on_a_disk_of(disk, 20000, native_tool)).stderr
    assert b"No space left on device" in said and re.search(rb"\d+ events were received but not written", said), said
    left = events_of(native_tool, out)
    assert out.stat().st_size == 20000 and len(left) < events
    tool("etw-record", "-q", "--input", trace, "-o", tmp_path / "whole.etwcap")
    for words in (RECOVER, CUT, EXPORT):
        said = tool(*words, tmp_path / "whole.etwcap", "-o", disk / "out", status=1, env=on_a_disk_of(disk, 1000, native_tool)).stderr
        assert b"No space left on device" in said and not (disk / "out").exists()


@pytest.mark.skipif(MODE not in ("release", "debug"), reason="a sanitizer must be there before what is preloaded")
@pytest.mark.parametrize("words", [["recover"], ["cut", "--head", "9"], ["repack"], ["export", "--format", "json"], ["export", "--format", "parquet"],
                                   ["report"]], ids=lambda words: words[-1])
def test_a_renamed_output_survives_a_power_failure(native_tool, tmp_path, words):
    """Its bytes are on the disk before it gets its name, its name is when the tool ends."""
    trace, recorded, log = tmp_path / "a.etl", tmp_path / "a.etwcap", tmp_path / "log"
    out = tmp_path / "folder" / "out.etwcap"
    out.parent.mkdir()
    large_trace(trace, 10)
    native_tool("etw-record", "-q", "--input", trace, "-o", recorded)
    preload = {"LD_PRELOAD": str(native_tool.folder / "tests/synced_names.so"), "ETW_TEST_SYNC_LOG": str(log)}
    native_tool("etw-replay", *words, recorded, "-o", out, env=preload)
    assert log.read_text().splitlines()[-3:] == ["sync %s.part" % out, "rename %s" % out, "sync %s" % out.parent]


def test_new_files_are_private(native_tool, tmp_path):
    trace, out = tmp_path / "a.etl", tmp_path / "a.etwcap"
    large_trace(trace, 10)
    old = os.umask(0)
    try:
        native_tool("etw-record", "-q", "--input", trace, "-o", out)
        native_tool("etw-replay", "recover", out, "-o", tmp_path / "r.etwcap")
        native_tool("etw-replay", out, "-o", tmp_path / "a.json")
    finally:
        os.umask(old)
    for name in ("a.etwcap", "r.etwcap", "a.json"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600, name


def test_a_part_file_left_behind_lends_nobody_its_access(native_tool, tmp_path):
    trace, out, part = tmp_path / "a.etl", tmp_path / "a.etwcap", tmp_path / "r.etwcap.part"
    large_trace(trace, 10)
    native_tool("etw-record", "-q", "--input", trace, "-o", out)
    part.write_bytes(b"left behind")
    part.chmod(0o666)
    native_tool("etw-replay", "recover", out, "-o", tmp_path / "r.etwcap")
    assert (tmp_path / "r.etwcap").stat().st_mode & 0o777 == 0o600


RECORD, CUT, RECOVER, EXPORT = (["etw-record", "--input"], ["etw-replay", "cut"], ["etw-replay", "recover"],
                                ["etw-replay", "export", "--format", "json"])
COPIES = [CUT, ["etw-replay", "merge"], ["etw-replay", "repack"], RECOVER, EXPORT, ["etw-replay"]]


@pytest.mark.parametrize("words", [RECORD] + COPIES, ids=" ".join)
@pytest.mark.parametrize("target", ["native", "win64"])
def test_what_is_read_is_not_written_over_by_any_of_its_names(request, tmp_path, target, words):
    tool = request.getfixturevalue(target + "_tool")
    folder, trace = tmp_path / "folder", tmp_path / "folder" / "a.etl"
    folder.mkdir()
    large_trace(trace, 10)
    if words != RECORD:
        tool("etw-record", "-q", "--input", trace, "-o", folder / "a.etwcap")
        trace = folder / "a.etwcap"
    (tmp_path / "hard").hardlink_to(trace)
    (tmp_path / "other").symlink_to(folder)  # what a junction is on Windows; Wine 8 cannot make one
    names = [trace, str(folder / ".." / "folder" / trace.name), tmp_path / "hard", tmp_path / "other" / trace.name]
    before = trace.read_bytes()
    for name in names:
        said = tool(*words, trace, "-o", name, "--force", status=2).stderr
        assert b"is an input and cannot be the output" in said
        assert trace.read_bytes() == before


def test_recovery_spares_an_input_that_has_the_name_it_writes_under(native_tool, tmp_path):
    trace, part = tmp_path / "a.etl", tmp_path / "out.etwcap.part"
    large_trace(trace, 10)
    native_tool("etw-record", "-q", "--input", trace, "-o", part)
    before = part.read_bytes()
    native_tool("etw-replay", "recover", part, "-o", tmp_path / "out.etwcap")
    assert part.read_bytes() == before


def test_recovery_replaces_nothing_but_a_regular_file(native_tool, tmp_path):
    trace, recorded = tmp_path / "a.etl", tmp_path / "a.etwcap"
    large_trace(trace, 10)
    native_tool("etw-record", "-q", "--input", trace, "-o", recorded)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(recorded.name)
    (tmp_path / "loose").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "link", "loose", "folder"):
        before = os.lstat(tmp_path / name)
        for extra in ([], ["--force"]):
            # "link" leads to the input, which another check finds first.
            native_tool("etw-replay", "recover", recorded, "-o", tmp_path / name, *extra,
                        status=2 if name == "link" else 1)
        assert os.lstat(tmp_path / name)[:2] == before[:2], name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.etl", "a.etwcap", "folder", "link", "loose", "pipe"]


def test_a_recorder_that_still_waits_for_its_input_ends_at_the_first_signal(native_tool, tmp_path):
    recorder = subprocess.Popen(native_tool.words("etw-record", "--input", "-", "-o", tmp_path / "out"),
                                stdin=subprocess.PIPE)
    large_trace(tmp_path / "a.etl", 3000)
    recorder.stdin.write((tmp_path / "a.etl").read_bytes()[:200 << 10])  # more than a pipe holds: it has begun to read
    recorder.stdin.flush()
    recorder.send_signal(signal.SIGTERM)
    try:
        assert recorder.wait(20) == -signal.SIGTERM
    finally:
        recorder.kill()
        recorder.stdin.close()
    assert not (tmp_path / "out").exists()


def test_recovery_of_an_etl_file_gives_a_verified_file_or_none(native_tool, tmp_path):
    trace, out = tmp_path / "a.etl", tmp_path / "out.etwcap"
    large_trace(trace)
    trace.write_bytes(trace.read_bytes()[:-70000])
    out.write_bytes(b"old")
    words = native_tool.words("etw-replay", "recover", trace, "-o", out)
    assert limited(words, 1 << 30).returncode == 1 and out.read_bytes() == b"old"
    failed = limited(words + ["-f"], 20000)
    assert failed.returncode == 1 and b" events, " not in failed.stderr
    assert out.read_bytes() == b"old" and not (tmp_path / "out.etwcap.part").exists()
    native_tool("etw-replay", "recover", trace, "-o", out, "-f", status=3)
    assert b": good: " in native_tool("etw-replay", "verify", out, status=3).stdout
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.etl", "out.etwcap"]


def test_recovery_wants_a_file_to_write(native_tool, tmp_path):
    trace = tmp_path / "a.etl"
    large_trace(trace, 10)
    said = native_tool("etw-replay", "recover", trace, "-o", "-", status=2, cwd=tmp_path).stderr
    assert b"which must be a file" in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.etl"]


def test_a_pipe_with_a_name_is_waited_for(native_tool, tmp_path):
    """Nothing that was written to it is thrown away before somebody reads."""
    trace, pipe = tmp_path / "a.etl", tmp_path / "pipe"
    large_trace(trace, 10)
    os.mkfifo(pipe)
    recorder = subprocess.Popen(native_tool.words("etw-record", "-q", "--force", "--input", trace, "-o", pipe))
    with pytest.raises(subprocess.TimeoutExpired):
        recorder.wait(1)
    (tmp_path / "a.etwcap").write_bytes(pipe.read_bytes())
    assert recorder.wait() == 0
    native_tool("etw-replay", "verify", tmp_path / "a.etwcap")


def test_links_are_not_followed(native_tool, tmp_path):
    trace, victim, link = tmp_path / "a.etl", tmp_path / "victim", tmp_path / "out.etwcap"
    large_trace(trace, 10)
    victim.write_bytes(b"precious")
    link.symlink_to(victim)
    for extra in ([], ["--force"]):
        done = native_tool("etw-record", *extra, "--input", trace, "-o", link, status=1)
        assert str(link).encode() in done.stderr
        assert victim.read_bytes() == b"precious"
