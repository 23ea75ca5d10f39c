"""The verbs that look at traces as a whole, and those that write new ones."""
import hashlib
import json
import re
import struct
import subprocess

import conftest
import etlwriter
import pytest

from etlwriter import START, Trace, field, sid, structure
from etwcap_blocks import block, blocks_of, everything_in
from whole import status_of

ONE, TWO = "{11111111-2222-3333-4444-555555555555}", "{aaaaaaaa-2222-3333-4444-555555555555}"


def small(**options):
    trace = Trace(**options)
    for number in range(50):
        trace.event(TWO if number % 3 == 0 else ONE, id=number, data=b"x" * number, level=number % 6,
                    time=trace.at(number))
        trace.tracelogging("Named.Provider", "Hello", [
            field("User", "utf16z", "alice"), field("Size", "u32", number), field("Path", "utf8", "C:\\Users\\alice"),
            field("Who", "sid", "S-1-5-21-1-2-3-1001"), structure("Peer", field("Port", "u16", 0xBB01, out="port"))],
            items=[sid("S-1-5-21-1-2-3-1001")], time=trace.at(number) + 5)
    return trace


@pytest.fixture
def recorded(tool, tmp_path):
    """A function that writes a trace as .etl and .etwcap and gives both paths."""
    def write(trace, *options, name="a"):
        etl, etwcap = tmp_path / (name + ".etl"), tmp_path / (name + ".etwcap")
        trace.write(etl)
        tool("etw-record", "--input", etl, "-o", etwcap, "-q", *options)
        return etl, etwcap
    return write


def test_info_tells_provenance_host_time_and_coverage(tool, recorded):
    etl, etwcap = recorded(small(session="my session", processors=4, build=19045))
    said = json.loads(tool("etw-replay", "info", "--json", etwcap).stdout)
    assert (said["Format"], said["Events"], said["Complete"], said["LostEvents"]) == ("etwcap", 101, True, 0)
    trace, = said["Traces"]
    assert (trace["SessionName"], trace["ProcessorCount"], trace["OsBuild"], trace["Source"]) == (
        "my session", 4, 19045, "a.etl")
    assert (said["FirstTime"], said["LastTime"]) == ("2024-05-01T12:00:00.0000000Z", "2024-05-01T12:00:49.0000005Z")
    providers = {provider["ProviderId"]: provider for provider in said["Providers"]}
    assert (providers[ONE]["Events"], providers[TWO]["Events"]) == (33, 17)
    assert {p.get("ProviderName"): p["Events"] for p in said["Providers"]}["Named.Provider"] == 50
    other = json.loads(tool("etw-replay", "info", "--json", etl).stdout)
    assert (other["Format"], other["Events"], other["Traces"]) == ("etl", 101, said["Traces"])
    text = tool("etw-replay", "info", etl, etwcap).stdout.decode()
    assert text.count("complete: nothing is known to be missing") == 2 and "my session" in text


def test_info_says_what_is_missing(tool, tmp_path):
    small(events_lost=7).write(tmp_path / "a.etl")
    tool("etw-record", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap", "-q", status=3)
    for name in ("a.etl", "a.etwcap"):
        done = tool("etw-replay", "info", tmp_path / name, status=3)
        assert b"7 events known to be lost" in done.stdout


def test_info_of_a_pipe_tells_what_info_of_the_file_does(tool, tmp_path):
    """All but the name, and the name of the source, which a pipe does not have."""
    for name, options, status in (("whole", {}, 0), ("lossy", {"events_lost": 7}, 3)):
        small(**options).write(tmp_path / (name + ".etl"))
        tool("etw-record", "--input", tmp_path / (name + ".etl"), "-o", tmp_path / (name + ".etwcap"), "-q",
             status=status)
        for kind in ("etl", "etwcap"):
            path = tmp_path / ("%s.%s" % (name, kind))
            by_name, by_pipe = (json.loads(done.stdout) for done in (
                tool("etw-replay", "info", "--json", path, status=status),
                tool("etw-replay", "info", "--json", "-", input=path.read_bytes(), status=status)))
            for said in (by_name, by_pipe):
                del said["File"], said["Traces"][0]["Source"]
                said.pop("HasIndex", None)
            assert by_pipe == by_name


def test_blocks_that_are_gone_without_a_trace_are_missing_for_all_verbs(tool, recorded, tmp_path):
    _, etwcap = recorded(small(), "--format", "1.0")
    whole, gap = etwcap.read_bytes(), tmp_path / "gap.etwcap"
    begin, end = next((begin, end) for kind, begin, end in blocks_of(whole) if kind == 4)
    more = tmp_path / "more.etwcap"
    for content in (whole[:begin] + whole[end:],  # a block cut out
                    whole[:end] + whole[begin:],  # a block twice
                    b"garbage" * 100 + whole):
        gap.write_bytes(content)
        seen = 1 if content.startswith(b"garbage") else 3
        for verb in ("cat", "info", "verify"):
            tool("etw-replay", verb, gap, status=seen)
        tool("etw-replay", "recover", gap, "-o", more, "-f", status=3)
        for verb in ("cat", "info", "verify"):
            tool("etw-replay", verb, more, status=3)


def test_schemas_lists_members_arrays_and_origin(tool, recorded):
    trace = Trace()
    trace.tracelogging("P", "E", [field("A", "u32", [1, 2]), structure("S", field("B", "utf16z", "x"))])
    for path in recorded(trace):
        listed = [json.loads(line) for line in tool("etw-replay", "schemas", "--json", path).stdout.splitlines()]
        schema, = [schema for schema in listed if schema["ProviderName"] == "P"]
        assert (schema["Origin"], schema["EventName"]) == ("TraceLogging", "E")
        count, array, struct_ = schema["Properties"]
        assert (count["Name"], array["CountProperty"], array["InType"]) == ("A.Count", "A.Count", "UINT32")
        assert (struct_["Name"], [member["Name"] for member in struct_["Members"]]) == ("S", ["B"])
        text = tool("etw-replay", "schemas", path).stdout.decode()
        assert "A: UINT32 [A.Count]" in text and "B: UNICODESTRING" in text


def test_cut_keeps_the_wanted_events_with_their_schemas_and_says_what_it_left_out(tool, recorded, tmp_path):
    for path in recorded(small()):
        tool("etw-replay", "cut", path, "-o", tmp_path / "cut.etwcap", "-f", "--provider", "Named.Provider",
             "--since", "+10s", "--until", "+20s")
        wanted = tool("etw-replay", path, "--provider", "Named.Provider", "--since", "+10s", "--until", "+20s").stdout
        assert tool("etw-replay", tmp_path / "cut.etwcap").stdout == wanted and wanted.count(b"\n") == 10
        said = json.loads(tool("etw-replay", "info", "--json", tmp_path / "cut.etwcap").stdout)
        assert (said["Events"], said["LossRecords"], said["LostEvents"]) == (10, 1, 0)
        tool("etw-replay", "verify", tmp_path / "cut.etwcap")


def test_cut_counts_what_it_left_out_also_in_blocks_it_did_not_read(tool, tmp_path):
    trace = Trace(buffer_size=65536)
    for number in range(4000):
        trace.event(ONE, id=number % 1000, data=struct.pack("<I", number * 2654435761 % 2 ** 32) * 200,
                    time=trace.at(number))
    trace.write(tmp_path / "a.etl")
    tool("etw-record", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap", "-q")
    for options, kept in ((["--until", "+10s"], 11), (["--head", "100"], 100), (["--id", "7"], 4)):
        tool("etw-replay", "cut", tmp_path / "a.etwcap", "-o", tmp_path / "b.etwcap", "-f", *options)
        *events, left_out = tool("etw-replay", tmp_path / "b.etwcap", "--format", "text").stdout.decode().splitlines()
        assert len(events) == kept
        assert left_out.startswith("-- %d left out on request: cut, kept only: %s=" % (4001 - kept, options[0][2:]))


def test_cut_redacts_properties_and_keeps_the_others(tool, recorded, tmp_path):
    etl, etwcap = recorded(small())
    tool("etw-replay", "cut", etwcap, "-o", tmp_path / "cut.etwcap", "--redact", "User", "--redact", "Who",
         "--redact", "Port", "--redact", "UserSID")
    before, after = tool.events(etwcap), tool.events(tmp_path / "cut.etwcap")
    assert len(before) == len(after)
    for old, new in zip(before, after):
        if old.get("ProviderName") != "Named.Provider":
            continue
        assert new["EventProperties"] == dict(old["EventProperties"], User="xxxxx", Who="S-1-0-0-0-0-0-0",
                                              Peer={"Port": "0"})
        assert "UserSID" in old["ExtendedInfo"] and "ExtendedInfo" not in new


def test_no_string_survives_drop_strings(tool, recorded, tmp_path):
    trace = small(session="secret session", file_name="C:\\Users\\alice\\a.etl")
    trace.event(ONE, data="alice".encode("utf-16-le"))
    etl, etwcap = recorded(trace)
    tool("etw-replay", "cut", etwcap, "-o", tmp_path / "cut.etwcap", "--drop-strings")
    for event in tool.events(tmp_path / "cut.etwcap"):
        text = json.dumps(event)
        assert "alice" not in text and "secret" not in text and "61006C006900" not in text
    said = tool("etw-replay", "info", "--json", tmp_path / "cut.etwcap").stdout
    assert b"alice" not in said and b"secret" not in said
    sizes = [event["EventProperties"]["Size"] for event in tool.events(tmp_path / "cut.etwcap")
             if event.get("ProviderName") == "Named.Provider"]
    assert sizes == [str(number) for number in range(50)]


SECRET = "alice"


@pytest.mark.parametrize("words", [
    ["--drop-strings"],
    ["--redact", "who", "--redact", "Raw", "--redact", "COUNTED", "--redact", "Short", "--redact", "Group"]])
@pytest.mark.parametrize("kind", ["etl", "etwcap"])
def test_what_was_redacted_is_nowhere_in_the_file(native_tool, recorded, tmp_path, words, kind):
    trace = Trace(session="of " + SECRET, file_name="C:\\Users\\%s\\a.etl" % SECRET)
    for number in range(5):
        trace.tracelogging("P", "E", [
            field("Size", "u32", number), field("Who", "utf16z", SECRET), field("Raw", "binary", SECRET.encode("utf-16-le")),
            field("Counted", "utf16", "all\0" + SECRET), field("Short", "utf8", "\0" + SECRET),
            structure("Group", field("Inner", "utf8z", SECRET), field("Number", "u32", 5))],
            items=[(0x60, SECRET.encode())] if words == ["--drop-strings"] else [])
    source = recorded(trace)[0 if kind == "etl" else 1]
    out = tmp_path / "out.etwcap"
    native_tool("etw-replay", "cut", source, "-o", out, *words)
    content = everything_in(out).lower()
    for text in (SECRET.encode(), SECRET.encode("utf-16-le")):
        assert text not in content
    sizes = [event["EventProperties"]["Size"] for event in native_tool.events(out, "--provider", "P")]
    assert sizes == ["0", "1", "2", "3", "4"]
    native_tool("etw-replay", "verify", out)


def test_a_name_that_no_event_has_writes_nothing(native_tool, recorded, tmp_path):
    _, etwcap = recorded(small())
    words = ["cut", etwcap, "-o", tmp_path / "cut.etwcap", "--redact", "user", "--redact", "Usr", "--redact", "UserSID"]
    said = native_tool("etw-replay", *words, status=1).stderr
    assert said.count(b"has a property of that name") == 1 and b"--redact Usr" in said
    assert not list(tmp_path.glob("cut*"))
    said = native_tool("etw-replay", *words, "--allow-missing").stderr
    assert said.count(b"no property is named") == 1 and b"no property is named Usr" in said
    assert b"49 events have no schema: what they say was taken out" in said


def test_a_redaction_leaves_nothing_that_it_did_not_understand(native_tool, recorded, tmp_path):
    """An event without a schema, bytes behind the last property, an item of an unknown kind, a damaged schema."""
    secret = "alice".encode("utf-16-le")
    trace = Trace()
    trace.event(ONE, id=1, data=secret)
    tlg_provider = "{11223344-5566-7788-0102-0304050607ff}"
    trace.event(tlg_provider, id=2, items=[(0x61, secret)])
    trace.tracelogging("P", "E", [field("Who", "utf16z", "alice")])
    metadata = etlwriter.tracelogging_metadata("E", [field("Who", "u32", 1)])
    trace.event(tlg_provider, channel=11, data=struct.pack("<I", 1) + secret,
                items=[etlwriter.tracelogging_schema(metadata)])
    trace.event(tlg_provider, channel=11, data=secret, items=[etlwriter.tracelogging_schema(metadata[:5])])
    _, etwcap = recorded(trace)
    native_tool("etw-replay", "cut", etwcap, "-o", tmp_path / "safe.etwcap", "--redact", "who")
    assert secret not in everything_in(tmp_path / "safe.etwcap")
    assert json.loads(native_tool("etw-replay", "info", "--json", tmp_path / "safe.etwcap").stdout)["Redacted"] == "who"
    assert re.search(rb"redacted +who", native_tool("etw-replay", "info", tmp_path / "safe.etwcap").stdout)
    native_tool("etw-replay", "cut", etwcap, "-o", tmp_path / "kept.etwcap", "--redact", "who", "--keep-unexplained")
    assert secret in everything_in(tmp_path / "kept.etwcap")
    native_tool("etw-replay", "cut", tmp_path / "safe.etwcap", "-o", tmp_path / "twice.etwcap", "--drop-strings")
    said = json.loads(native_tool("etw-replay", "info", "--json", tmp_path / "twice.etwcap").stdout)
    assert said["Redacted"] == "who, all strings"
    native_tool("etw-replay", "verify", tmp_path / "twice.etwcap")


@pytest.mark.skipif(conftest.MODE not in ("release", "debug"), reason="sanitizers reserve terabytes")
def test_out_of_memory_redacts_nothing_and_leaves_nothing(native_tool, tmp_path):
    """Many costly schemas under a limit of memory: the copy is whole and redacted, or is not there."""
    import resource  # not there on Windows
    trace = Trace(buffer_size=65536)
    for number in range(300):
        trace.tracelogging("P", "E%d" % number, [field("F%d" % index, "u8", 1) for index in range(200)]
                           + [field("Secret", "utf16z", "alice")])
    trace.write(tmp_path / "a.etl")
    native_tool("etw-record", "-q", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap")
    for megabytes in (16, 20, 24, 28, 32, 40, 48, 64, 96):
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        out = tmp_path / ("%d.etwcap" % megabytes)
        done = subprocess.run(native_tool.words("etw-replay", "cut", tmp_path / "a.etwcap", "-o", out, "--redact", "Secret"),
                              preexec_fn=limit, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert (done.returncode == 0) == out.exists(), done.stderr
        assert not list(tmp_path.glob("*.part*"))
        assert not out.exists() or "alice".encode("utf-16-le") not in everything_in(out)


def test_redacting_what_the_layout_hangs_on_empties_the_event(tool, recorded, tmp_path):
    trace = Trace()
    trace.tracelogging("P", "E", [field("L", "u32", [1, 2]), field("After", "u32", 3)])
    etl, etwcap = recorded(trace)
    done = tool("etw-replay", "cut", etwcap, "-o", tmp_path / "cut.etwcap", "--redact", "L.Count")
    event = tool.events(tmp_path / "cut.etwcap", "--provider", "P")[0]
    assert "3" not in json.dumps(event.get("EventProperties", {})) and "UserData" not in event
    assert b"1 of these" in done.stderr


def test_merge_orders_by_time_and_keeps_each_trace(tool, recorded, tmp_path):
    first, second = Trace(session="one", frequency=10_000_000), Trace(session="two", frequency=3_000_000)
    for number in range(20):
        first.event(ONE, id=number, time=first.at(2 * number))
        second.event(TWO, id=number, time=second.at(2 * number + 1))
    paths = [recorded(first, name="one")[1], recorded(second, name="two")[0]]
    tool("etw-replay", "merge", *paths, "-o", tmp_path / "both.etwcap")
    events = tool.events(tmp_path / "both.etwcap", "--provider", ONE, "--provider", TWO)
    assert [event["TimeStamp"] for event in events] == sorted(event["TimeStamp"] for event in events)
    assert [(event["ProviderId"], event["Id"]) for event in events] == [
        (provider, number) for number in range(20) for provider in (ONE, TWO)]
    said = json.loads(tool("etw-replay", "info", "--json", tmp_path / "both.etwcap").stdout)
    assert [(trace["Trace"], trace["SessionName"]) for trace in said["Traces"]] == [(1, "one"), (2, "two")]
    assert said["Events"] == 42
    assert {(event["ProviderId"], event["Trace"]) for event in events} == {(ONE, 1), (TWO, 2)}
    assert events == tool.events(tmp_path / "both.etwcap", "--provider", ONE, "--provider", TWO, "--threads", "2")
    assert "Trace" not in tool.events(paths[0])[0]
    tool("etw-replay", "verify", tmp_path / "both.etwcap")


RUNDOWN, UNKNOWN, PRIVATE, PRIVATE_COUNT = 11, 77, 0x8123, 5


@pytest.fixture
def recorded_live(native_tool, tmp_path):
    """A function that makes a recording with a list of processes, a private block and one that nobody knows."""
    def make(name, process_id, **options):
        etl, cut_off, whole = (tmp_path / (name + suffix) for suffix in (".etl", ".cut-off", ".etwcap"))
        small(**options).write(etl)
        native_tool("etw-record", "-q", "--input", etl, "-o", whole, "--format", "1.0")
        content = whole.read_bytes()
        blocks = blocks_of(content)
        last = next(index for index, (kind, _, _) in enumerate(blocks) if kind == 4)
        process = struct.pack("<IIIqH", 1, process_id, 4, 0, 5) + b"a.exe" + struct.pack("<I", 0)
        more = [block(kind, body, last + 1 + at, count=count) for at, (kind, body, count) in
                enumerate([(RUNDOWN, process, 1), (PRIVATE, b"own", PRIVATE_COUNT), (UNKNOWN, b"new", 1)])]
        cut_off.write_bytes(content[:blocks[last][2]] + b"".join(more))
        native_tool("etw-replay", "recover", cut_off, "-o", whole, "-f", status=3)
        return whole
    return make


def processes(native_tool, path):
    said = json.loads(native_tool("etw-replay", "info", "--json", "--processes", path, status=3).stdout)
    return [process["process_id"] for process in said.get("processes", [])]


@pytest.mark.parametrize("words, kinds, piped", [
    (words, kinds, piped) for piped in (False, True) for words, kinds in [
        (["repack"], {RUNDOWN, PRIVATE}), (["cut"], {RUNDOWN}), (["cut", "--provider", ONE], {RUNDOWN}),
        (["merge"], {RUNDOWN}), (["cut", "--redact", "User"], set()), (["cut", "--drop-strings"], set())]] + [
    (["cut", "--head", "1"], {RUNDOWN}, False)])  # a pipe cannot be read ahead
def test_copies_keep_the_processes_and_say_what_they_cannot_keep(native_tool, recorded_live, tmp_path, words, kinds, piped):
    trace, out = recorded_live("a", 77), tmp_path / "out.etwcap"
    said = native_tool("etw-replay", *words, "-" if piped else trace, "-o", out, "--format", "1.0", status=None,
                       input=trace.read_bytes() if piped else None)
    assert said.returncode in (0, 3), said.stderr
    added = {RUNDOWN, PRIVATE, UNKNOWN}
    content = out.read_bytes()
    counts = {kind: struct.unpack_from("<I", content, begin + 40)[0] for kind, begin, _ in blocks_of(content)}
    assert counts.keys() & added == kinds
    assert counts.get(PRIVATE, PRIVATE_COUNT) == PRIVATE_COUNT
    assert (b"dropped the list of processes" in said.stderr) == (RUNDOWN not in kinds)
    assert b"dropped %d blocks" % (1 if PRIVATE in kinds else 2) in said.stderr or "--head" in words


def test_a_merge_keeps_processes_of_one_boot_alone(native_tool, recorded_live, tmp_path):
    first, second, other = recorded_live("a", 77), recorded_live("b", 78), recorded_live("c", 79, start=START + 36_000_000_000)
    out = tmp_path / "out.etwcap"
    native_tool("etw-replay", "merge", first, second, "-o", out, status=3)
    assert processes(native_tool, out) == [77, 78]
    said = native_tool("etw-replay", "merge", first, other, "-o", out, "-f", status=3).stderr
    assert processes(native_tool, out) == [] and b"not all of one boot of one host" in said


@pytest.mark.parametrize("level", ["1", "19"])
def test_repack_changes_nothing_but_the_size(tool, recorded, tmp_path, level):
    etl, etwcap = recorded(small())
    tool("etw-replay", "repack", etwcap, "-o", tmp_path / "b.etwcap", "--level", level)
    tool("etw-replay", "repack", etl, "-o", tmp_path / "c.etwcap", "--level", level, "--threads", "2")
    done = tool("etw-replay", "diff", etl, tmp_path / "b.etwcap")
    assert (done.stdout, b"101 events compared, 0 differ" in done.stderr) == (b"", True)
    assert (tmp_path / "b.etwcap").read_bytes() == (tmp_path / "c.etwcap").read_bytes()


def test_diff_tells_the_first_differences_and_fails(tool, recorded):
    def one(change):
        trace = Trace()
        for number in range(10):
            trace.event(ONE, id=number, data=b"y" if number in change else b"x")
        return trace
    _, a = recorded(one(()), name="a")
    b, _ = recorded(one((3, 7)), name="b")
    done = tool("etw-replay", "diff", a, b, status=1)
    lines = done.stdout.decode().splitlines()
    assert [line.split(" @@")[0] for line in lines if line.startswith("@@")] == ["@@ -5 +5", "@@ -9 +9"]
    assert lines.count('    UserData: "78" -> "79"') == 2
    assert b"2 differ" in done.stderr
    assert tool("etw-replay", "diff", a, b, "--count", "1", status=1).stdout.count(b"@@ -") == 1
    tool("etw-replay", "diff", a, b, "--id", "1,2")


def test_diff_sees_a_missing_event(tool, recorded):
    longer, shorter = Trace(), Trace()
    for number in range(5):
        longer.event(ONE, id=number)
    for number in range(4):
        shorter.event(ONE, id=number)
    done = tool("etw-replay", "diff", recorded(longer, name="a")[1], recorded(shorter, name="b")[1], status=1)
    assert b"@@ -6 @@ removed" in done.stdout and b", 1 removed" in done.stderr


def test_a_damaged_file_is_verified_shown_and_recovered(tool, recorded, tmp_path):
    trace = Trace(buffer_size=65536)
    for number in range(3000):
        trace.event(ONE, id=number % 1000, data=struct.pack("<I", number * 2654435761 % 2 ** 32) * 200)
    _, etwcap = recorded(trace)
    good = etwcap.read_bytes()
    whole = tool("etw-replay", etwcap).stdout.splitlines()
    bad, out = tmp_path / "bad.etwcap", tmp_path / "out.etwcap"
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 1
    bad.write_bytes(damaged)
    done = tool("etw-replay", "verify", bad, status=3)
    assert b"bad.etwcap: at 0x" in done.stdout and b"events" in done.stdout
    said = json.loads(tool("etw-replay", "verify", "--json", bad, status=3).stdout)
    assert not said["Good"] and said["DamagedBlocks"] == 1 and said["Problems"][0]["Offset"] > 0
    shown = tool("etw-replay", bad, status=3).stdout.splitlines()
    events = [line for line in shown if not line.startswith(b'{"Loss"')]
    losses = [json.loads(line)["Loss"] for line in shown if line.startswith(b'{"Loss"')]
    assert len(losses) == 1 and losses[0]["Events"] == len(whole) - len(events) > 0
    assert set(events) <= set(whole)
    tool("etw-replay", "recover", bad, "-o", out, status=3)
    assert [line for line in tool("etw-replay", out, status=3).stdout.splitlines()
            if not line.startswith(b'{"Loss"')] == events
    assert json.loads(tool("etw-replay", "verify", "--json", out, status=3).stdout)["Good"]


def test_a_file_that_was_cut_off_gives_what_it_has(tool, recorded, tmp_path):
    etl, etwcap = recorded(small(), "--format", "1.0")
    cut = tmp_path / "cut-off.etwcap"
    cut.write_bytes(etwcap.read_bytes()[:-40])
    assert tool.events(cut, status=3)[:101] == tool.events(etwcap)
    tool("etw-replay", "recover", cut, "-o", tmp_path / "out.etwcap", status=3)
    assert len([e for e in tool.events(tmp_path / "out.etwcap", status=None) if "Loss" not in e]) == 101
    assert b"incomplete" in tool("etw-replay", "info", cut, status=3).stdout


def test_a_trace_is_not_written_over_itself(tool, recorded):
    _, etwcap = recorded(small())
    before = etwcap.read_bytes()
    tool("etw-replay", "cut", etwcap, "-o", etwcap, "-f", status=2)
    assert etwcap.read_bytes() == before


def test_the_corpus_survives_repacking_and_merging(native_tool, corpus, tmp_path):
    paths = sorted(corpus().glob("*.etl"))
    for path in paths:
        native_tool("etw-replay", "repack", path, "-o", tmp_path / "a.etwcap", "-f", "-q", status=status_of(path))
        native_tool("etw-replay", "diff", path, tmp_path / "a.etwcap", status=status_of(path))
        native_tool("etw-replay", "verify", tmp_path / "a.etwcap", status=status_of(path))
    native_tool("etw-replay", "merge", *paths, "-o", tmp_path / "all.etwcap", "-q", status=3)
    said = json.loads(native_tool("etw-replay", "info", "--json", tmp_path / "all.etwcap", status=3).stdout)
    assert (len(said["Traces"]), said["Events"]) == (len(paths), said["Received"])
    native_tool("etw-replay", "verify", tmp_path / "all.etwcap", status=3)


def test_info_counts_providers_and_kinds_of_events_alike_in_etl_and_etwcap(tool, recorded):
    etl, etwcap = recorded(small())
    by_count = {}
    for path in (etl, etwcap):
        said = json.loads(tool("etw-replay", "info", "--json", "--events", path).stdout)
        counts = [provider["Events"] for provider in said["Providers"]]
        assert counts == sorted(counts, reverse=True) and sum(counts) == said["Events"]
        names = {provider["ProviderId"]: provider.get("ProviderName") for provider in said["Providers"]}
        assert names["{68fdd900-4a3e-11d1-84f4-0000f80464e3}"] == "MSNT_SystemTrace/EventTrace"
        assert "Named.Provider" in names.values()
        kinds = {(kind["ProviderId"], kind.get("Id"), kind.get("EventName")): kind["Events"] for kind in said["Kinds"]}
        assert kinds[ONE, 1, None] == 1 and sum(kinds.values()) == said["Events"]
        assert [kind["Events"] for kind in said["Kinds"] if kind.get("EventName") == "Hello"] == [50]
        by_count[path] = said["Providers"], said["Kinds"]
    assert by_count[etl] == by_count[etwcap]
    assert "Kinds" not in json.loads(tool("etw-replay", "info", "--json", etl).stdout)


def test_info_lists_the_first_or_all_in_lines_or_one_line(tool, tmp_path):
    trace = Trace()
    for number in range(30):
        trace.event("{%08x-2222-3333-4444-555555555555}" % number, id=1)
    trace.write(tmp_path / "a.etl")
    tool("etw-record", "--input", tmp_path / "a.etl", "-o", tmp_path / "a.etwcap", "-q")
    for name in ("a.etl", "a.etwcap"):
        path = tmp_path / name
        text = tool("etw-replay", "info", path).stdout.decode()
        text = "".join(line + "\n" for line in text.splitlines() if "schema" not in line)
        assert text.count("-2222-3333-") == 19 and "11 more, --all lists them" in text
        every = tool("etw-replay", "info", "--all", path).stdout.decode()
        every = "".join(line + "\n" for line in every.splitlines() if "schema" not in line)
        assert every.count("-2222-3333-") == 30 and "more" not in every
        digest = hashlib.sha1(path.read_bytes()).hexdigest()
        assert "sha1          " + digest in tool("etw-replay", "info", "--hash", path).stdout.decode()
        assert json.loads(tool("etw-replay", "info", "--hash", "--json", path).stdout)["Sha1"] == digest
        line, = tool("etw-replay", "info", "--brief", "--hash", path).stdout.decode().splitlines()
        assert line.endswith(", complete, sha1 " + digest) and "31 events of 31 providers" in line
