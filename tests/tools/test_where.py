"""The filter language, over events made for it: which pass, and what is said of a text that is wrong."""
import etlwriter
import pytest
from etlwriter import Trace, field, related_activity, sid, structure

ACTIVITY = "{11223344-5566-7788-0102-030405060708}"


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """Ids 1 to 6 a second apart, and 9, which nothing explains."""
    path = tmp_path_factory.mktemp("where") / "a.etl"
    out = Trace()

    def event(number, name, fields, **more):
        out.tracelogging("Shop", name, fields, id=number, time=out.at(number), **more)

    event(1, "Asked", [field("Query", "utf16z", "Example.com"), field("Type", "u16", 28), field("Took", "f64", 1.5)],
          level=2, pid=100, keyword=0x11)
    event(2, "Asked", [field("Query", "utf16z", "debian.org"), field("Type", "u16", 1), field("Took", "f64", 0.25)],
          level=3, pid=100, keyword=0x10, activity=ACTIVITY)
    event(3, "Answered", [field("Peer", "u32", 0x0100000A, "ipv4"), structure("At", field("Port", "u16", 0x5000, "port")),
                          field("Tags", "utf8z", ["red", "Green"]), field("Left", "i32", -7)], opcode=2, task=7,
          items=[related_activity(ACTIVITY), sid("S-1-5-18")])
    event(4, "Answered", [field("Peer", "u32", 0x0101A8C0, "ipv4"), structure("At", field("Port", "u16", 0xBB01, "port")),
                          field("Tags", "utf8z", []), field("Left", "i32", 7)], opcode=1)
    event(5, "Stopped", [field("When", "filetime", etlwriter.START), field("Ok", "bool32", 1),
                         field("Key", "guid", ACTIVITY), field("Id", "u32", 77), field("Id", "u32", 78)])
    event(6, "Odd", [field("a.b", "utf8z", "dotted"), field("big", "u64", 2**64 - 1), field("hex", "hex32", 255),
                     field("num", "utf8z", "42"), field("\u00c4", "utf16z", "\u00c4RGER")])
    out.event("{00000000-0000-0000-0000-00000000ff01}", id=9, data=b"x", time=out.at(9))
    out.write(path)
    return path


ALL = [1, 2, 3, 4, 5, 6, 9]
PASSES = [
    ("Id == 1", [1]), ("id = 0x1", [1]), ("Id in (1, 3..5, 9)", [1, 3, 4, 5, 9]), ("Id not in (1..6)", [9]),
    ("Id != 1", ALL[1:]), ("Id<3", [1, 2]), ("Id >= 5", [5, 6, 9]), ("2 < 3", None),
    ("Level <= error", [1]), ("Level < warning", [1]), ("Opcode > start", [3]), ("Keyword > Nothing", []),
    ("Level == error", [1]), ("Level == 'warning'", [2]), ("Level <= 3", [1, 2]), ("Level != error", ALL[1:]),
    ("Opcode == stop", [3]), ("Opcode == 1", [4]), ("Task == 7", [3]),
    ("Keyword & 0x1", [1]), ("Keyword & 0x11 == 0x10", [2]), ("Keyword & 0x10", [1, 2]), ("not Keyword & 0x10", ALL[2:]),
    ("ProcessId == 100", [1, 2]), ("ProcessId in (4, 100) and Id < 3", [1, 2]),
    ("ProviderName == shop", ALL[:-1]), ("ProviderName like 'S?op'", ALL[:-1]), ("not has ProviderName", [9]),
    ("EventName == 'asked'", [1, 2]), ("EventName startswith A", [1, 2, 3, 4]), ("EventName endswith ED", [1, 2, 3, 4, 5]),
    ("Query == example.COM", [1]), ("Query contains 'AMPLE'", [1]), ("Query like '*.org'", [2]), ("Query like '*m'", [1]),
    ("Query ~ '^[a-z.]+$'", [2]), ("Query ~ '(?i)^EX'", [1]), ("has Query", [1, 2]), ("Query != debian.org", [1]),
    ("Type == 28", [1]), ("Type > 0x1B", [1]), ("Type == '28'", [1]), ("Type in (1..28)", [1, 2]),
    ("Took > 1", [1]), ("Took == 0.25", [2]), ("Took < 1e1 and Took >= 1.5", [1]),
    ("Peer == 10.0.0.1", [3]), ("Peer in 10.0.0.0/8", [3]), ("Peer in (10.0.0.0/8, 192.168.0.0/16)", [3, 4]),
    ("Peer > 11.0.0.0", [4]), ("Peer contains '168'", [4]),
    ("At.Port == 80", [3]), ("At.Port > 80", [4]), ("has At", [3, 4]), ("at.port in (80, 443)", [3, 4]),
    ("Tags == green", [3]), ("Tags[0] == green", []), ("Tags[1] == green", [3]), ("has Tags", [3]), ("Tags != red", []),
    ("Left < 0", [3]), ("Left == -7", [3]), ("Left in (-10..-1)", [3]), ("Left == 7", [4]),
    ("When == 2024-05-01T12:00:00Z", [5]), ("When < 2024-05-01", []), ("Ok", [5]), ("Ok == true", [5]), ("Ok == false", []),
    ("Key == " + ACTIVITY, [5]), ("Key == '" + ACTIVITY.upper() + "'", [5]),
    ("EventProperties.Id == 77", [5]), ("EventProperties.Id#2 == 78", [5]), ("Id == 77", []),
    ("'a.b' == dotted", [6]), ("big == 0xFFFFFFFFFFFFFFFF", [6]), ("big > 9223372036854775807", [6]), ("big == -1", []),
    ("hex == 255", [6]), ("hex == 0xff", [6]), ("num > 41", [6]), ("\u00c4 == '\u00e4rger'", [6]),
    ("ActivityId == " + ACTIVITY, [2]), ("has ActivityId", [2]), ("ExtendedInfo.RelatedActivityId == " + ACTIVITY, [3]),
    ("ExtendedInfo.UserSID == S-1-5-18", [3]), ("extendedinfo.usersid startswith 'S-1-5'", [3]),
    ("TimeStamp >= 2024-05-01T12:00:05Z", [5, 6, 9]), ("TimeStamp in (2024-05-01T12:00:02Z..2024-05-01T12:00:03Z)", [2, 3]),
    ("Id == 1 or Id == 2 and Level == error", [1]), ("(Id == 1 or Id == 2) and not Level == error", [2]),
    ("!(Id < 6)", [6, 9]), ("Id==1||Id==9", [1, 9]), ("Id > 4 && Id < 9", [5, 6]), ("NotThere == 1", []),
    ("not NotThere == 1", ALL), ("Query contains '\\x2e'", [1, 2]),
    ("Query ~ '^\\w+\\.org$'", [2]), ("Query ~ '\\x2eorg'", [2]), ("Query ~ '\\\\'", []), ("Query ~ '[\\']|debian'", [2]),
    ("Query contains '\\c'", []), ("Query == 'Example\\.com'", []), ("Query == 'Example\\x2ecom'", [1]),
]


def ids(tool, path, *options):
    lines = tool.events(path, *options)
    return [line["Id"] for line in lines if line.get("ProviderId") != "{68fdd900-4a3e-11d1-84f4-0000f80464e3}"]


@pytest.mark.parametrize("text, expected", [row for row in PASSES if row[1] is not None])
def test_events_that_pass(native_tool, trace, text, expected):
    assert ids(native_tool, trace, "--where", text) == [number for number in expected]


def test_windows_gives_the_same(win64_tool, trace):
    text = "Query ~ '(?i)^EX' or At.Port > 80 or \u00c4 == '\u00e4rger'"
    assert ids(win64_tool, trace, "--where", text) == [1, 4, 6]


def test_several_are_joined_by_and(native_tool, trace):
    assert ids(native_tool, trace, "--where", "Id == 1 or Id == 2", "--where", "Level == error") == [1]


def test_a_recording_gives_the_same(native_tool, trace, tmp_path):
    native_tool("etw-record", "-q", "--input", trace, "-o", tmp_path / "a.etwcap")
    for text, expected in PASSES[::5]:
        if expected is not None:
            assert ids(native_tool, tmp_path / "a.etwcap", "--where", text) == expected, text


@pytest.mark.parametrize("text, message, caret", [
    ("Id ==", "expected a value", 5), ("Id === 3", "expected a value", 5), ("", "expected the name of a field", 0),
    ("Id == 1 and", "expected the name of a field", 11), ("foo contans 3", "did you mean 'contains'", 4),
    ("(Id == 1", "the parenthesis that begins here does not end", 0), ("Id == 1)", "did not begin", 7),
    ("Query == 'x", "the quote that begins here does not end", 9), ("Query ~ '('", "missing closing parenthesis", 8),
    ("Id in (1, )", "expected a value", 10), ("Id in (1 2)", "expected , or )", 9), ("Id & x == 1", "expected a number", 5),
    ("a..b == 1", "a part of it is empty", 4), ("Tags[x] == 1", "expected a number in brackets", 7),
    ("Id not 5", "behind not", 3), ("Query == '\\x2", "does not end", 9), ("a.b.c.d.e.f.g.h.i == 1", "more than 8 parts", 17)])
def test_what_is_wrong_is_shown_with_its_place(native_tool, trace, text, message, caret):
    said = native_tool("etw-replay", trace, "--where", text, status=2).stderr.decode().splitlines()
    assert message in said[0]
    assert said[-1].index("^") == said[-2].index(text, len("etw-replay: ")) + caret + (0 if text else 2), said


def test_deep_and_long_filters_meet_their_limits(native_tool, trace):
    assert b"parentheses" in native_tool("etw-replay", trace, "--where", "(" * 100 + "Id" + ")" * 100, status=2).stderr
    assert b"parts" in native_tool("etw-replay", trace, "--where", " or ".join(["Id == 1"] * 3000), status=2).stderr
    assert b"more than" in native_tool("etw-replay", trace, "--where", "x" * 70000, status=1).stderr
    assert ids(native_tool, trace, "--where", " or ".join(["Id == 1"] * 1000)) == [1]


def test_a_regular_expression_that_needs_too_long_ends(native_tool, tmp_path):
    out = Trace()
    out.tracelogging("P", "E", [field("Text", "utf8z", "a" * 5000)])
    out.write(tmp_path / "slow.etl")
    done = native_tool("etw-replay", tmp_path / "slow.etl", "--where", "Text ~ '(a+)+$b'", status=None)
    assert done.returncode in (0, 1) and (done.returncode == 0 or b"too many steps" in done.stderr)


def test_times_count_from_the_first_and_the_last_event(native_tool, trace, tmp_path):
    native_tool("etw-record", "-q", "--input", trace, "-o", tmp_path / "a.etwcap")
    for path in trace, tmp_path / "a.etwcap":
        assert ids(native_tool, path, "--where", "TimeStamp >= -3s") == [6, 9]
        assert ids(native_tool, path, "--where", "TimeStamp <= +2s and Id") == [1, 2]
        done = native_tool("etw-replay", "-", "--where", "TimeStamp >= -3s", input=path.read_bytes())
        assert len(done.stdout.splitlines()) == 2


def test_each_trace_has_its_own_times_and_schemas(native_tool, tmp_path):
    for name, place in ("a", "first"), ("b", "second"):
        out = Trace()
        fields = [field("Pad", "utf8z", "x"), field("Value", "u32", 7)]
        out.tracelogging("P", place, fields if name == "a" else fields[::-1], time=out.at(1 if name == "a" else 100))
        out.write(tmp_path / f"{name}.etl")
    native_tool("etw-replay", "cut", tmp_path / "a.etl", tmp_path / "b.etl", "--where", "Value == 7 and TimeStamp >= -0s", "-o",
                tmp_path / "c.etwcap")
    assert [e["EventName"] for e in native_tool.events(tmp_path / "c.etwcap")] == ["first", "second"]


@pytest.mark.parametrize("verb", [["cat"], ["cut", "-o", "-"]])
def test_a_name_that_no_schema_has_is_said(native_tool, trace, verb):
    said = native_tool("etw-replay", *verb, trace, "--where", "Querry == 1 or Id == 1").stderr.decode()
    assert "no schema of these events has a property 'Querry'; did you mean 'Query'?" in said
    said = native_tool("etw-replay", *verb, trace, "--where", "Query == 1 or At.Port == 1 or Id == 1").stderr.decode()
    assert "no schema" not in said


def test_what_a_cut_leaves_out_is_told_with_the_filter(native_tool, trace, tmp_path):
    native_tool("etw-replay", "cut", trace, "--where", "Id in (1, 2)", "-o", tmp_path / "c.etwcap")
    assert ids(native_tool, tmp_path / "c.etwcap") == [1, 2]
    assert b"Id in (1, 2)" in native_tool("etw-replay", "info", tmp_path / "c.etwcap").stdout


@pytest.mark.parametrize("options, expected", [
    (["--provider", "Sh*"], ALL[:-1]), (["--provider", "!shop"], [9]), (["--provider", "sho?", "--provider", "{00000000-0000-0000-0000-00000000ff01}"], ALL),
    (["--provider", "Shop", "--provider", "!S*"], []), (["--provider", "Shop"], ALL[:-1]),
    (["--event", "asked"], [1, 2]), (["--event", "A*", "--event", "!Asked"], [3, 4]), (["--event", "it's"], []),
    (["--id", "1-3,9"], [1, 2, 3, 9]), (["--id", "!3,!5"], [1, 2, 4, 6, 9]), (["--id", "1-5,!2", "--id", "9"], [1, 3, 4, 5, 9]),
    (["--id", "2,0x3"], [2, 3]), (["--id", "1-4", "--where", "Opcode == stop or Level == error"], [1, 3]),
    (["--pid", "99-100"], [1, 2]), (["--pid", "!100"], ALL[2:]), (["--tid", "0-4294967295"], ALL), (["--tid", "7777"], []),
    (["--keyword", "1"], [1]), (["--keyword", "!0x10"], ALL[2:]), (["--opcode", "stop"], [3]), (["--opcode", "start,2"], [3, 4]),
    (["--activity", ACTIVITY], [2, 3]), (["--activity", "!" + ACTIVITY], [1, 4, 5, 6, 9]), (["--process", "x"], [])])
def test_short_forms(native_tool, trace, options, expected):
    assert ids(native_tool, trace, *options) == expected


@pytest.mark.parametrize("options, said", [
    (["--id", "5-1"], "ranges"), (["--id", "65536"], "up to 65535"), (["--id", "!"], "behind the !"), (["--id", "1-x"], "ranges"),
    (["--activity", "x"], "a GUID"), (["--opcode", "256"], "up to 255"), (["--where", "Id ==", "--id", "1-2"], "expected a value")])
def test_short_forms_that_are_wrong(native_tool, trace, options, said):
    assert said in native_tool("etw-replay", trace, *options, status=2).stderr.decode()


def test_a_cut_by_short_forms_tells_them(native_tool, trace, tmp_path):
    native_tool("etw-replay", "cut", trace, "--id", "1-2", "-o", tmp_path / "c.etwcap")
    assert b"Id in (1..2)" in native_tool("etw-replay", "info", tmp_path / "c.etwcap").stdout


MANIFEST = """<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"><instrumentation><events>
<provider name="Maps" guid="{11223344-5566-7788-0102-030405060709}" symbol="Maps" resourceFileName="Maps" messageFileName="Maps">
<maps><bitMap name="Bits"><map value="0x1" message="$(string.One)"/><map value="0x2" message="$(string.Two)"/></bitMap></maps>
<templates><template tid="T"><data name="Set" inType="win:UInt32" map="Bits"/></template></templates>
<events><event value="1" version="0" level="win:Informational" symbol="E" template="T"/></events></provider></events></instrumentation>
<localization><resources culture="en-US"><stringTable><string id="One" value="Server"/><string id="Two" value="Concurrent"/>
</stringTable></resources></localization></instrumentationManifest>"""


@pytest.mark.parametrize("text, expected", [("Set == server", [1, 3]), ("Set == Concurrent", [2, 3]), ("Set in (Server, Nothing)", [1, 3]),
                                            ("Set == 'Server,Concurrent'", [3]), ("Set != Server", [2, 4]), ("Set & 2", [2, 3]),
                                            ("Set == 3", [3]), ("Set == Serv", []), ("Set contains serv", [1, 3])])
def test_names_of_bits(native_tool, tmp_path, text, expected):
    out = Trace()
    provider = "{11223344-5566-7788-0102-030405060709}"
    out.manifest(provider, MANIFEST, time=out.at(0))
    for flags in range(1, 5):
        out.event(provider, id=1, level=4, pid=flags, data=flags.to_bytes(4, "little"), time=out.at(flags))
    out.write(tmp_path / "a.etl")
    assert [line["ProcessId"] for line in native_tool.events(tmp_path / "a.etl", "--where", text)] == expected


@pytest.mark.parametrize("text, passes", [("At == 2024-02-29T13:14:15.016Z", True), ("At > 2024-02-29", True), ("At < 2024-02-29T13:14:15.017", True),
                                          ("At >= 2024-03-01", False), ("At contains '13:14'", True)])
def test_a_systemtime_is_a_time(native_tool, tmp_path, text, passes):
    out = Trace()
    out.tracelogging("Shop", "When", [field("At", "systemtime", (2024, 2, 4, 29, 13, 14, 15, 16))], id=1, time=out.at(1))
    out.write(tmp_path / "a.etl")
    assert (len(native_tool.events(tmp_path / "a.etl", "--where", text)) == 1) is passes


@pytest.mark.parametrize("part, expected", [("aaab", True), ("AAB", True), ("abx", False), ("\u00c4rg", True), ("rgERZ", True), ("x", False), ("", True)])
def test_a_part_of_a_text(native_tool, tmp_path, part, expected):
    out = Trace()
    out.tracelogging("Shop", "Text", [field("Text", "utf16z", "aAaAaAb \u00e4rgerz")], id=1, time=out.at(1))
    out.write(tmp_path / "a.etl")
    assert (len(native_tool.events(tmp_path / "a.etl", "--where", "Text contains '%s'" % part)) == 1) is expected


def test_the_manual_pages_expressions_are_understood(native_tool, tmp_path):
    from conftest import ROOT
    Trace().write(tmp_path / "a.etl")
    page = (ROOT / "format/query/etwcap-filters.7").read_text()
    lines = [line.replace("\\-", "-").replace("\\e", "\\") for block in page.split("\n.nf\n")[1:] for line in block.split("\n.fi")[0].splitlines()]
    assert len(lines) > 10
    for line in lines:
        native_tool("etw-replay", tmp_path / "a.etl", "-q", "--where", line)
