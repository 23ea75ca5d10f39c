"""Live recording under Wine: etw-record linked with the drop-in ETW API records what that API plays."""
import collections
import json
import re
import subprocess
import time

import pytest
from etlwriter import Trace, field, stack64

from conftest import ROOT
from whole import status_of

# Everything is delivered, whatever was enabled; the session stays open at the trace's end, as a live one does.
ALL = {"ETWAPI_FILTER": "off", "ETWAPI_AT_END": "wait", "ETWAPI_HEADER_EVENT": "on"}


def count_of(native_tool, path):
    """Events of a file; what was lost stands between them in lines of its own."""
    return sum("ProviderId" in line for line in native_tool.events(path, status=None))


def record(native_tool, trace, output):
    native_tool("etw-record", "--input", trace, "-o", output, status=None)
    return output


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT.parent / "shared/corpus/etl").glob("*.etl"))
                         or ["HTTP_Server.etl"])
def test_a_live_recording_holds_the_events_of_the_trace(live, native_tool, corpus, tmp_path, name):
    from_file = record(native_tool, corpus(name), tmp_path / "file.etwcap")
    events = count_of(native_tool, from_file)
    live("--provider", "*Any", "-o", tmp_path / "live.etwcap", "--max-events", events, "--on-overload", "wait",
         ETWAPI_TRACE=str(corpus(name)), **ALL)
    native_tool("etw-replay", "diff", from_file, tmp_path / "live.etwcap", status=status_of(corpus(name)))


HEADER = "{68fdd900-4a3e-11d1-84f4-0000f80464e3}"  # the class of the event that opens every trace
OF_THE_FILE = (0, 5, 80)  # opcodes of that class which a session does not deliver: header, extension, partition
HTTP = "dd5ef90a-6398-47a4-ad34-4dcecdef795f"


def test_level_and_keywords_choose_events(live, native_tool, corpus, tmp_path):
    trace = corpus("HTTP_Server.etl")
    wanted = [e for e in native_tool.events(trace)
              if e["ProviderId"] == "{%s}" % HTTP and e["Level"] <= 4 and int(e["Keyword"], 16) & 0x2]
    assert wanted
    live("--provider", HTTP + ":4:0x2", "-o", tmp_path / "a.etwcap", "--max-events", len(wanted),
         ETWAPI_TRACE=str(trace), ETWAPI_AT_END="wait")
    got = native_tool.events(tmp_path / "a.etwcap")
    assert [(e["ThreadId"], e["Id"]) for e in got] == [(e["ThreadId"], e["Id"]) for e in wanted]


def test_a_live_recording_knows_its_host(live, native_tool, corpus, tmp_path):
    """No header event comes in a session: Windows' version and the boot are in OpenTrace's LogfileHeader."""
    trace = corpus("HTTP_Server.etl")
    live("--provider", HTTP, "-o", tmp_path / "a.etwcap", "--max-events", 10, ETWAPI_TRACE=str(trace), ETWAPI_AT_END="wait")
    saved = json.loads(native_tool("etw-replay", "info", "--json", trace).stdout)["Traces"][0]
    got = json.loads(native_tool("etw-replay", "info", "--json", tmp_path / "a.etwcap").stdout)["Traces"][0]
    for key in ("OsVersion", "OsBuild", "CpuMhz", "TimerResolution", "UtcBiasMinutes", "BootTime"):
        assert got[key] == saved[key], key
    assert got["PointerSize"] == 8 and got["SessionName"].startswith("etwcap-") and got["StartTime"] > saved["StartTime"]


def test_a_provider_that_does_not_answer_costs_nothing(live, native_tool, corpus, tmp_path):
    """One suspended process that holds the provider: whoever waits for it gets ERROR_TIMEOUT."""
    live("--provider", HTTP, "--capture-state", "-o", tmp_path / "a.etwcap", "--max-events", 10,
         ETWAPI_TRACE=str(corpus("HTTP_Server.etl")), ETWAPI_AT_END="wait", ETWAPI_PROVIDERS="slow")
    assert count_of(native_tool, tmp_path / "a.etwcap") == 10


def test_a_classic_provider_is_asked_for_all_its_events(live, native_tool, corpus, tmp_path):
    """MOF and WPP providers take MatchAnyKeyword 0 for no events."""
    live("--provider", HTTP, "-o", tmp_path / "a.etwcap", "--max-events", 10,
         ETWAPI_TRACE=str(corpus("HTTP_Server.etl")), ETWAPI_AT_END="stop", ETWAPI_PROVIDERS="classic", status=None)
    assert count_of(native_tool, tmp_path / "a.etwcap") == 10


def test_profiling_switches_its_privilege_on(live, native_tool, corpus, tmp_path):
    live("--kernel", "IMAGE_LOAD,PROFILE", "-o", tmp_path / "a.etwcap", "--max-events", 10,
         ETWAPI_TRACE=str(corpus("ShutdownPerfDiagLogger.etl")), ETWAPI_AT_END="wait")
    assert count_of(native_tool, tmp_path / "a.etwcap") == 10


def test_ids_of_stacks_ask_for_stacks(live, native_tool, tmp_path):
    """The filter chooses among stacks that the enable property asks for; alone it gives none."""
    trace = Trace()
    for number in range(4):
        trace.tracelogging("Tests.Stacks", "Counted", [field("Count", "u32", number)], items=[stack64(0, [0x1000, 0x2000])])
    trace.write(tmp_path / "stacks.etl")
    live("--provider", "*Tests.Stacks", "--stack-ids", "0", "-o", tmp_path / "a.etwcap", "--max-events", 4,
         ETWAPI_TRACE=str(tmp_path / "stacks.etl"), ETWAPI_AT_END="wait")
    got = native_tool("etw-replay", tmp_path / "a.etwcap").stdout
    assert got.count(b'"0x2000"') == 4


def test_the_kernel_logger_can_be_replaced(live, corpus, tmp_path):
    env = dict(ETWAPI_TRACE=str(corpus("ShutdownPerfDiagLogger.etl")), ETWAPI_AT_END="wait")
    first = start(live, "--kernel", "IMAGE_LOAD", "-o", tmp_path / "a.etwcap", **env)
    try:
        wait_for_session(live, "NT Kernel Logger")
        live("--kernel", "IMAGE_LOAD", "--replace-session", "-o", tmp_path / "b.etwcap", "--max-events", 10, **env)
        _, talk = first.communicate(timeout=60)
        assert first.returncode == 3 and b"stopped from outside" in talk
    finally:
        first.kill()


def test_system_events_come_by_flags_where_there_are_no_system_providers(live, native_tool, corpus, tmp_path):
    """Wine's version is below 20348. The session is a system logger of its own, which takes providers too."""
    trace = corpus("ShutdownPerfDiagLogger.etl")
    live("--system", "SysProf", "--sample-interval", "1000", "--provider", HTTP, "-o", tmp_path / "a.etwcap", "--max-events", 10,
         ETWAPI_TRACE=str(trace), ETWAPI_AT_END="wait")
    assert count_of(native_tool, tmp_path / "a.etwcap") == 10
    info = json.loads(native_tool("etw-replay", "info", "--json", tmp_path / "a.etwcap").stdout)
    assert info["Traces"][0]["SessionName"].startswith("etwcap-")


def test_another_session_is_read_and_goes_on(live, native_tool, corpus, tmp_path):
    env = dict(ETWAPI_TRACE=str(corpus("HTTP_Server.etl")), ETWAPI_AT_END="wait")
    owner = start(live, "--session", "Shared", "--provider", HTTP, "-o", tmp_path / "a.etwcap", **env)
    try:
        wait_for_session(live, "Shared")
        live("--attach", "Shared", "-o", tmp_path / "b.etwcap", "--max-events", 10, **env)
        assert count_of(native_tool, tmp_path / "b.etwcap") == 10
        assert owner.poll() is None and "Shared" in live("--list-sessions").stdout.decode()
        live("--kill", "Shared")
        owner.communicate(timeout=60)
    finally:
        owner.kill()
    said = live("--attach", "Shared", "-o", tmp_path / "c.etwcap", status=1).stderr
    assert b"no session named 'Shared'" in said and not (tmp_path / "c.etwcap").exists()
    said = live("--attach", "Shared", "--provider", HTTP, "-o", tmp_path / "c.etwcap", status=2).stderr
    assert b"--attach takes a session as it is" in said


def test_names_and_arguments_reach_the_provider_whole(live, native_tool, corpus, tmp_path):
    """The drop-in API refuses lists whose count does not fit their bytes, as Windows does."""
    env = dict(ETWAPI_TRACE=str(corpus("HTTP_Server.etl")), ETWAPI_AT_END="wait")
    live("--provider", HTTP, "--event-names", "Start,Stop", "--stack-names", "!Other", "--args", "Key=a,Other=b=c",
         "-o", tmp_path / "a.etwcap", "--max-events", 10, **env)
    assert count_of(native_tool, tmp_path / "a.etwcap") == 10
    for words, text in ((["--event-names", "a,,b"], b"names of events"), (["--args", "key"], b"expected key=value"),
                        (["--args", "=v"], b"expected key=value"), (["--event-names", "x" * 5000], b"above ETW's limit")):
        assert text in live("--provider", HTTP, *words, "-o", tmp_path / "b.etwcap", status=1, **env).stderr


def test_event_id_filter_lets_only_these_through(live, native_tool, corpus, tmp_path):
    trace = corpus("HTTP_Server.etl")
    ids = sorted({e["Id"] for e in native_tool.events(trace) if e["ProviderId"] == "{%s}" % HTTP})[:2]
    wanted = [e["Id"] for e in native_tool.events(trace) if e["ProviderId"] == "{%s}" % HTTP and e["Id"] in ids]
    live("--provider", HTTP, "--event-ids", "%d,%d" % tuple(ids), "-o", tmp_path / "a.etwcap",
         "--max-events", len(wanted), ETWAPI_TRACE=str(trace), ETWAPI_AT_END="wait")
    assert [e["Id"] for e in native_tool.events(tmp_path / "a.etwcap")] == wanted


def test_kernel_flags_choose_kernel_classes(live, native_tool, corpus, tmp_path):
    trace = corpus("ShutdownPerfDiagLogger.etl")
    image = "{2cb15d1d-5fc1-11d2-abe1-00a0c911f518}"
    wanted = sum(e["ProviderId"] == image for e in native_tool.events(trace))
    live("--kernel", "IMAGE_LOAD", "-o", tmp_path / "a.etwcap", "--max-events", wanted, "--on-overload", "wait",
         ETWAPI_TRACE=str(trace), ETWAPI_AT_END="wait")
    # Others among them are of the header class and the classes that every flag lets through.
    got = native_tool.events(tmp_path / "a.etwcap")
    assert len(got) == wanted
    assert not [e for e in got if e["ProviderId"] == "{3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c}"]


def test_a_stop_from_outside_is_noticed(live, native_tool, corpus, tmp_path):
    done = live("--provider", "*Any", "-o", tmp_path / "a.etwcap", status=3,
                ETWAPI_TRACE=str(corpus("HTTP_Server.etl")), ETWAPI_FILTER="off", ETWAPI_AT_END="stop",
                ETWAPI_HEADER_EVENT="on")
    assert b"was stopped from outside" in done.stderr
    assert count_of(native_tool, tmp_path / "a.etwcap") == 2042
    assert b"stopped from outside" in native_tool("etw-replay", tmp_path / "a.etwcap", status=3).stdout


def start(live, *arguments, **env):
    return subprocess.Popen(live.words(*arguments), env=live.environment(**env), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(condition, otherwise):
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end:
            pytest.fail(otherwise)
        time.sleep(0.1)


def wait_for_session(live, name):
    wait_for(lambda: name.encode() in live("--list-sessions").stdout, "session %s did not start" % name)


def test_a_taken_name_is_told_and_can_be_replaced(live, corpus, tmp_path):
    env = dict(ALL, ETWAPI_TRACE=str(corpus("HTTP_Server.etl")))
    first = start(live, "--provider", "*Any", "--session", "taken", "-o", tmp_path / "a.etwcap", **env)
    try:
        wait_for_session(live, "taken")
        refused = live("--provider", "*Any", "--session", "taken", "-o", tmp_path / "b.etwcap", status=1, **env)
        assert b"a session named 'taken' already exists" in refused.stderr
        assert not (tmp_path / "b.etwcap").exists()
        live("--provider", "*Any", "--session", "taken", "--replace-session", "-o", tmp_path / "b.etwcap",
             "--max-events", 2042, "--on-overload", "wait", **env)
        _, talk = first.communicate(timeout=60)
        assert first.returncode == 3 and b"stopped from outside" in talk
    finally:
        first.kill()


def test_a_killed_recorder_leaves_a_session_that_reclaim_stops(live, native_tool, corpus, tmp_path):
    env = dict(ALL, ETWAPI_TRACE=str(corpus("HTTP_Server.etl")))
    # A process that holds the shared table open, as the system does on Windows.
    keeper = start(live, "--provider", "*Any", "--session", "keeper", "-o", tmp_path / "k.etwcap", **env)
    victim = start(live, "--provider", "*Any", "-o", tmp_path / "a.etwcap", **env)
    try:
        wait_for_session(live, "keeper")
        wait_for_session(live, "etwcap-")
        wait_for(lambda: (tmp_path / "a.etwcap").exists() and count_of(native_tool, tmp_path / "a.etwcap") == 2042,
                 "not all events reached the file")
        victim.kill()
        victim.wait()
        # A recording that begins stops what was left behind, unasked.
        live("--provider", "*Any", "-o", tmp_path / "b.etwcap", "--max-events", 10, **env)
        assert b"etwcap-" not in live("--list-sessions").stdout
        native_tool("etw-replay", tmp_path / "a.etwcap", status=3)
        assert count_of(native_tool, tmp_path / "a.etwcap") == 2042
        live("--kill", "keeper")
        keeper.wait(timeout=60)
    finally:
        keeper.kill()
        victim.kill()


def test_access_denied_names_what_is_missing(live, tmp_path):
    done = live("--provider", "*Any", "-o", tmp_path / "a.etwcap", status=1, ETWAPI_DENY="start")
    assert b"Performance Log Users" in done.stderr
    done = live("--kernel", "PROCESS", "-o", tmp_path / "a.etwcap", status=1, ETWAPI_DENY="start")
    assert b"SeSystemProfilePrivilege" in done.stderr
    assert not (tmp_path / "a.etwcap").exists()


def test_the_ledger_sums_injected_losses_exactly(live, native_tool, corpus, tmp_path):
    trace = corpus("KernelNetwork.etl")
    all_events = count_of(native_tool, trace)
    lost = all_events // 100
    done = live("--provider", "*Any", "-o", tmp_path / "a.etwcap", "--on-overload", "wait", "--max-events",
                all_events - lost, status=3, ETWAPI_TRACE=str(trace), ETWAPI_LOSE="100", **ALL)
    assert b"%d events were lost" % lost in done.stderr
    assert sum(loss["Events"] for loss in losses_of(native_tool, tmp_path / "a.etwcap")) == lost


def losses_of(native_tool, path):
    return [line["Loss"] for line in native_tool.events(path, status=None) if "Loss" in line]


def test_a_full_queue_drops_and_counts_exactly(live, native_tool, corpus, tmp_path):
    """zstd's highest level on one thread is slower than the trace: received is what was written and what was dropped."""
    trace = corpus("net.4.5.2.x64.etl")
    asked = 100000
    done = live("--provider", "*Any", "-o", tmp_path / "a.etwcap", "--max-events", asked, "--level", 19,
                "--interval", "1ms", status=None, ETWAPI_TRACE=str(trace), **ALL)
    written = count_of(native_tool, tmp_path / "a.etwcap")
    losses = losses_of(native_tool, tmp_path / "a.etwcap")
    dropped = sum(loss["Events"] for loss in losses)
    received = written + dropped
    assert received == asked or received > asked and dropped  # what ends it may be a drop of several
    assert done.returncode == (3 if losses else 0)
    assert (b"%d events were received but not written" % (received - written) in done.stderr) == bool(losses)
    native_tool("etw-replay", "verify", tmp_path / "a.etwcap", status=3 if losses else 0)


def test_several_providers_each_by_its_own_options(live, native_tool, corpus, tmp_path):
    trace = corpus("net.4.5.2.x64.etl")
    everything = [e for e in native_tool.events(trace) if "ProviderId" in e]
    counts = collections.Counter(e["ProviderId"] for e in everything if e["ProviderId"] != HEADER)
    (first, _), (second, _) = counts.most_common(2)
    wanted = [(e["ProviderId"], e["Id"]) for e in everything
              if e["ProviderId"] == first and e["Level"] <= 4 or e["ProviderId"] in (second, HEADER)
              and not (e["ProviderId"] == HEADER and e["Opcode"] in OF_THE_FILE)]
    live("--provider", first + ":4", "--provider", second + ":255", "-o", tmp_path / "a.etwcap", "--on-overload", "wait",
         "--max-events", len(wanted), ETWAPI_TRACE=str(trace), ETWAPI_AT_END="wait")
    got = native_tool.events(tmp_path / "a.etwcap")
    assert [(e["ProviderId"], e["Id"]) for e in got] == wanted


def test_the_rundown_lists_the_recorder_itself(live, native_tool, corpus, tmp_path):
    live("--provider", "*Any", "-o", tmp_path / "a.etwcap", "--max-events", 10, rundown=True,
         ETWAPI_TRACE=str(corpus("HTTP_Server.etl")), **ALL)
    info = json.loads(native_tool("etw-replay", "info", "--json", "--processes", tmp_path / "a.etwcap").stdout)
    recorder = [p for p in info["processes"] if p["path"].endswith("etw-record-dropin.exe")]
    assert recorder and recorder[0]["image_count"] > 1
    assert recorder[0]["user"].startswith("S-1-5-") and "session_id" in recorder[0]


def test_the_rundown_is_events_that_every_reader_knows(live, native_tool, corpus, tmp_path):
    """With the user and what symbols are looked up by; they are none of --max-events, and each segment has them."""
    live("--provider", "*Any", "-o", tmp_path / "a.etwcap", "--max-events", 10, "--rotate-time", "1d", rundown=True,
         ETWAPI_TRACE=str(corpus("HTTP_Server.etl")), **ALL)
    events = native_tool.events(tmp_path / "a-0001.etwcap")
    made = [e for e in events if e["ProcessId"] == 0xFFFFFFFF and e.get("EventName", "").split("/")[0] in \
        ("Process", "Image", "ImageID", "SystemConfig")]
    assert len(events) - len(made) == 10
    [process] = [e["EventProperties"] for e in made if e["EventProperties"].get("ImageFileName") == "etw-record-dropin.exe"]
    assert process["UserSID"].startswith("S-1-5-") and int(process["SessionId"]) < 100
    images = [e["EventProperties"] for e in made if e["EventName"] == "Image/DCStart" and e["EventProperties"]["ProcessId"] == str(int(process["ProcessId"], 16))]
    ntdll = [image for image in images if image["FileName"].lower().endswith("ntdll.dll")][0]
    assert int(ntdll["ImageSize"], 16) > 0x10000 and int(ntdll["TimeDateStamp"]) > 0
    versions = [e["EventProperties"] for e in made if e["EventName"] == "ImageID/FileVersion"]
    assert [v for v in versions if v["OrigFileName"] == "ntdll.dll" and v["TimeDateStamp"] == ntdll["TimeDateStamp"]
            and re.fullmatch(r"\d+\.\d+\.\d+\.\d+", v["FileVersion"])]
    services = [e["EventProperties"] for e in events if e.get("EventName") == "SystemConfig/Services"]
    assert services and all(s["ServiceName"] and int(s["ProcessId"], 16) for s in services)  # Wine's own run always
    [services_exe] = [p for p in map(json.loads, native_tool("etw-replay", "ps", "--json", tmp_path / "a-0001.etwcap").stdout.splitlines())
                      if p["ProcessId"] == int(services[0]["ProcessId"], 16)]
    assert services[0]["ServiceName"] in services_exe["Services"].split(",")
    assert b"etw-record-dropin.exe S-1-5-" in native_tool("etw-replay", "ps", tmp_path / "a-0001.etwcap").stdout


@pytest.mark.parametrize("form, keep", [("json", True), ("text", True), ("xml", False)])
def test_events_are_printed_as_they_are_replayed(live, native_tool, corpus, tmp_path, form, keep):
    trace = corpus("HTTP_Server.etl")
    record(native_tool, trace, tmp_path / "file.etwcap")
    out = ["-o", tmp_path / "a.etwcap"] if keep else []
    printed = live("--provider", "*Any", "--print=" + form, *out, "--max-events", 2042, "--on-overload", "wait",
                   ETWAPI_TRACE=str(trace), **ALL).stdout
    recorded = tmp_path / ("a.etwcap" if keep else "file.etwcap")
    assert printed.decode() == native_tool("etw-replay", "--format", form, recorded).stdout.decode()


@pytest.mark.parametrize("words, told", [
    (["--input", "a.etl", "--print"], b"etw-replay prints files"),
    (["--provider", "*Any", "--print", "-o", "-"], b"both want stdout"),
    (["--provider", "*Any", "--print", "--rotate-size", "1M"], b"needs a file"),
    (["--provider", "*Any", "--print=pcapng"], b"a format of text")])
def test_what_cannot_be_printed_is_refused(native_tool, words, told):
    assert told in native_tool("etw-record", *words, status=2).stderr


@pytest.mark.parametrize("options", [["--rotate-size", "100k"], ["--rotate-size", "100k", "--ring", "2"]])
def test_segments_stand_alone(live, native_tool, corpus, tmp_path, options):
    trace = corpus("net.4.5.2.x64.etl")
    live("--provider", "*Any", "-o", tmp_path / "a.etwcap", "--max-events", 100000, "--on-overload", "wait",
         "--threads", 0, *options, ETWAPI_TRACE=str(trace), **ALL)
    segments = sorted(tmp_path.glob("a-*.etwcap"))
    assert len(segments) >= 2
    for segment in segments:
        native_tool("etw-replay", "verify", segment)
    alone = ["--no-process-names", "--stacks", "none"]  # another segment may tell of them
    whole = native_tool("etw-replay", "--head", "100000", trace, *alone).stdout.splitlines()
    got = [line for segment in segments for line in native_tool("etw-replay", segment, *alone).stdout.splitlines()]
    if "--ring" in options:
        assert len(segments) == 2
        assert got == whole[-len(got):]
    else:
        assert got == whole


def test_flight_recorder_keeps_the_newest_events(live, native_tool, corpus, tmp_path):
    trace = corpus("KernelNetwork.etl")
    live("--provider", "*Any", "-o", tmp_path / "a.etwcap", "--flight", "1M", "--max-events", 8924,
         "--on-overload", "wait", ETWAPI_TRACE=str(trace), **ALL)
    assert native_tool.events(tmp_path / "a-0001.etwcap") == native_tool.events(trace)
    native_tool("etw-replay", "verify", tmp_path / "a-0001.etwcap")


def test_a_profile_says_the_same_as_the_command_line(live, native_tool, corpus, tmp_path):
    profile = tmp_path / "http.profile"
    profile.write_text("# what to record\nprovider = *Any\noutput = %s\nmax-events = 2042\non-overload = wait\n"
                       % (tmp_path / "a.etwcap"))
    live("--profile", profile, ETWAPI_TRACE=str(corpus("HTTP_Server.etl")), **ALL)
    assert count_of(native_tool, tmp_path / "a.etwcap") == 2042


def test_the_real_recorder_starts_under_wine_and_says_what_is_missing(win64_tool, tmp_path):
    assert b"--provider" in win64_tool("etw-record", "--help").stdout
    done = win64_tool("etw-record", "--provider", "*Any", "-o", tmp_path / "a.etwcap", status=1)
    assert b"Wine has no event tracing" in done.stderr
    assert not (tmp_path / "a.etwcap").exists()


WINDOWS_DLLS = {"advapi32.dll", "kernel32.dll", "msvcrt.dll", "ole32.dll", "tdh.dll", "shell32.dll", "user32.dll"}


@pytest.mark.parametrize("name", ["etw-record", "etw-replay"])
def test_the_tools_import_only_windows_own_dlls(win64_tool, name):
    listing = subprocess.run(["x86_64-w64-mingw32-objdump", "-p", win64_tool.path(name)], stdout=subprocess.PIPE,
                             check=True).stdout.decode()
    imports = {line.split()[-1].lower() for line in listing.splitlines() if "DLL Name:" in line}
    assert imports and imports <= WINDOWS_DLLS


@pytest.mark.parametrize("name", ["etw-record", "etw-replay"])
def test_the_tools_import_only_what_windows_8_1_has(win64_tool, name):
    """The committed list is of functions whose pages name Windows 8.1 or earlier; look up what is added to it."""
    known = set((ROOT / "tests/tools/windows-8.1-imports.txt").read_text().split("\n"))
    listing = subprocess.run(["x86_64-w64-mingw32-objdump", "-p", win64_tool.path(name)], stdout=subprocess.PIPE,
                             check=True).stdout.decode()
    dll, imports = None, set()
    for line in listing.splitlines():
        words = line.split()
        if "DLL Name:" in line:
            dll = words[-1].lower()
        elif dll and re.fullmatch(r"\t[0-9a-f]+\s+\d+\s+\S+", line):
            imports.add("%s %s" % (dll, words[-1]))
    assert imports and not imports - known


def test_a_catalog_has_the_schemas_of_the_registered_providers(live, native_tool, corpus, tmp_path):
    """The drop-in API knows as many providers as the trace it plays."""
    name = next(name for name in ("net.4.5.2.x64", "net.4.5.x86.old") if corpus(name + ".etl"))
    pack = tmp_path / "windows.etwcap"
    done = live("--catalog", "-o", pack, ETWAPI_TRACE=str(corpus(name + ".etl")))
    assert b"windows.etwcap: schemas of " in done.stderr
    listed = [json.loads(line) for line in native_tool("etw-replay", "schemas", "--json", pack).stdout.splitlines()]
    assert listed and {one["Origin"] for one in listed} == {"TDH"} and all("Build" in one["Source"] for one in listed)
    schemas = native_tool("etw-replay", "schemas", "--json", corpus(name + ".etl")).stdout.splitlines()
    wanted = {(one["ProviderId"], one["Id"], one["Version"]): one for one in map(json.loads, schemas)
              if one["Origin"] in ("manifest", "metadata event")}
    found = {(one["ProviderId"], one["Id"], one["Version"]): one for one in listed}
    assert wanted and set(wanted) <= set(found)
    for key, one in wanted.items():
        # The drop-in tells maps by pointer size, too, which a catalog cannot know.
        assert found[key]["Properties"] == one["Properties"] and found[key]["Maps"] in (one["Maps"], [])
    assert any(found[key]["Maps"] for key in wanted)
    live("--catalog", "-o", pack, status=1, ETWAPI_TRACE=str(corpus(name + ".etl")))  # exists
    live("--catalog", status=2)
