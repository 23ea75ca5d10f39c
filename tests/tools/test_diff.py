"""diff and expect: what differs between two traces, by event and property."""
import json
import random
import xml.etree.ElementTree as ElementTree

import pytest

from etlwriter import Trace, field, stack64

PROVIDER = "My.Provider"


def trace_of(events, **more):
    """events: (name, count) pairs."""
    trace = Trace()
    for name, count in events:
        trace.tracelogging(PROVIDER, "Query", [field("QueryName", "utf16z", name), field("Count", "u32", count)], **more)
    return trace


@pytest.fixture
def written(tmp_path):
    def write(trace, name):
        trace.write(str(tmp_path / name))
        return tmp_path / name
    return write


def changes(tool, left, right, *options, status=1):
    done = tool("etw-replay", "diff", left, right, "--json", "--count", "1000000", *options, status=status)
    *lines, summary = [json.loads(line) for line in done.stdout.splitlines()]
    return lines, summary["Summary"]


def test_an_expectation_from_standard_input_is_refused(native_tool, tmp_path):
    """It is read twice; the second time its first lines would be gone, and their events told as additional."""
    Trace().write(tmp_path / "a.etl")
    native_tool("etw-replay", "expect", tmp_path / "a.etl", tmp_path / "a.ndjson", "--update")
    done = native_tool("etw-replay", "expect", tmp_path / "a.etl", "-", input=(tmp_path / "a.ndjson").read_bytes(), status=1)
    assert b"stdin: an expectation is read twice: name a file" in done.stderr


def test_colours_are_for_terminals_unless_they_are_wanted(native_tool, written):
    a, b = written(trace_of([("a", 1)]), "a.etl"), written(trace_of([("b", 1)]), "b.etl")
    assert b"\x1b" not in native_tool("etw-replay", "diff", a, b, status=1).stdout
    assert b'\x1b[31m"a"\x1b[0m -> \x1b[32m"b"' in native_tool("etw-replay", "diff", a, b, "--color", "always", status=1).stdout


def test_a_changed_property_is_shown_by_name(tool, written):
    a = written(trace_of([("a", 1), ("b", 2)]), "a.etl")
    b = written(trace_of([("a", 1), ("c", 2)]), "b.etl")
    lines = tool("etw-replay", "diff", a, b, status=1).stdout.decode().splitlines()
    assert lines[0].startswith("--- ") and lines[1].startswith("+++ ")
    assert lines[2].startswith("@@ -3 +3 @@ changed: ") and lines[2].endswith("My.Provider/Query id 0 version 0")
    assert lines[3:] == ['    QueryName: "b" -> "c"']


@pytest.mark.parametrize("left, right, expected", [
    ([1, 2, 3], [1, 2, 3], []),
    ([1, 2, 3], [2, 3], [("removed", 1, None)]),
    ([2, 3], [1, 2, 3], [("added", None, 1)]),
    ([1, 2, 3, 4], [2, 3, 4, 1], [("moved", 1, 4)]),
    ([1, 2, 3, 4], [4, 1, 2, 3], [("moved", 4, 1)]),
    ([1, 2, 3], [1, 9, 3], [("changed", 2, 2)]),
    ([1, 2, 3], [1, 9, 2, 8], [("added", None, 2), ("changed", 3, 4)]),
    ([], [1], [("added", None, 1)]),
])
def test_equal_events_are_found_before_pairs_of_one_kind(native_tool, tmp_path, left, right, expected):
    files = []
    for name, counts in (("a", left), ("b", right)):
        files.append(tmp_path / (name + ".ndjson"))
        lines = [json.dumps({"ProviderId": "{p}", "Id": 7, "Version": 0, "EventProperties": {"Count": count}}) for count in counts]
        files[-1].write_text("{}\n" + "".join(line + "\n" for line in lines))
    found, _ = changes(native_tool, *files, status=1 if expected else 0)
    assert [(c["Change"], c.get("Left"), c.get("Right")) for c in found] == \
        [(kind, l and l + 1, r and r + 1) for kind, l, r in expected]


def test_key_keeps_events_apart(native_tool, written):
    a = written(trace_of([("a", 1)]), "a.etl")
    b = written(trace_of([("b", 1)]), "b.etl")
    assert [c["Change"] for c in changes(native_tool, a, b)[0]] == ["changed"]
    assert sorted(c["Change"] for c in changes(native_tool, a, b, "--key", "QueryName")[0]) == ["added", "removed"]


@pytest.mark.parametrize("ignored, differs", [("Count", False), ("count", False), ("C*t", False), ("EventProperties", False),
                                              ("EventProperties.Count", False), ("QueryName", True), ("oun", True)])
def test_ignored_fields_may_differ(native_tool, written, ignored, differs):
    a = written(trace_of([("a", 1)]), "a.etl")
    b = written(trace_of([("a", 2)]), "b.etl")
    native_tool("etw-replay", "diff", a, b, "--ignore", ignored, status=1 if differs else 0)


def test_normalized_values_need_only_be_the_same_among_themselves(tool, written):
    def with_pids(*pids):
        trace = Trace()
        for pid in pids:
            trace.tracelogging(PROVIDER, "E", [field("HandlerPID", "u32", pid + 1)], pid=pid, tid=pid + 2,
                               items=[stack64(1, [0x7FF800000000 + pid])])
        return trace
    a, b, c = (written(with_pids(*pids), name) for name, pids in (("a.etl", (100, 200, 100)), ("b.etl", (200, 300, 200)),
                                                                  ("c.etl", (100, 200, 200))))
    native = ["--normalize", "pid,tid,address"]
    tool("etw-replay", "diff", a, b, status=1)
    tool("etw-replay", "diff", a, b, *native)
    found = changes(tool, a, c, *native)[0]
    assert {f["Name"]: (f["Left"], f["Right"]) for f in found[0]["Fields"]}["ProcessId"] == ("<pid 1>", "<pid 3>")
    said = tool("etw-replay", "diff", a, b, "--normalize", "pids", status=1).stderr
    assert b"cannot normalize 'pids': time, pid, tid, guid, address or handle" in said


def test_what_cat_printed_stands_on_either_side(tool, written, tmp_path):
    etl, text = written(trace_of([("\u00e9\U0001f600", 1), ('"\\', 2)]), "a.etl"), tmp_path / "a.ndjson"
    text.write_bytes(tool("etw-replay", etl).stdout)
    tool("etw-replay", "diff", etl, text)
    tool("etw-replay", "diff", text, etl)
    tool("etw-replay", "diff", text, text)
    text.write_bytes(tool("etw-replay", etl, "--typed").stdout.replace(b'"Count":2', b'"Count":3').replace(b",", b" , "))
    assert b"Count: 2 -> 3" in tool("etw-replay", "diff", etl, text, status=1).stdout.replace(b'"', b"")
    text.write_text('{"A":1}\n{"A":1,}\n')
    assert b"a.ndjson: line 2: column 8: the name of a member is expected" in \
        tool("etw-replay", "diff", etl, text, status=1).stderr


def test_bytes_that_no_field_shows_count_unless_something_is_ignored(tool, tmp_path):
    """An 8-bit string reads the same in two encodings."""
    for name, data in (("a", b"\xe9\0"), ("b", "\u00e9".encode() + b"\0")):
        trace = Trace()
        metadata, _ = field("Name", "utf8z", "x")
        trace.tracelogging(PROVIDER, "E", [(metadata, data)], time=trace.at(1))
        trace.write(tmp_path / (name + ".etl"))
    a, b = tmp_path / "a.etl", tmp_path / "b.etl"
    assert b"    user data: bytes differ that no field shows" in tool("etw-replay", "diff", a, b, status=1).stdout
    assert "user data" in changes(tool, a, b)[0][0]["Bytes"]
    tool("etw-replay", "diff", a, b, "--ignore", "ThreadId")


def test_schemas_alone_are_compared_in_any_order(tool, tmp_path, written):
    def with_types(*types):
        trace = Trace()
        for number, kind in types:
            trace.tracelogging(PROVIDER, "E%d" % number, [field("Count", kind, 1)])
        return trace
    a = written(with_types((1, "u32"), (2, "u16"), (3, "u8")), "a.etl")
    b = written(with_types((3, "u8"), (2, "u32"), (1, "u32"), (4, "u8")), "b.etl")
    found = changes(tool, a, b, "--only-schemas")[0]
    assert [(c["Change"], c["EventName"]) for c in found] == [("changed", "E2"), ("added", "E4")]
    assert {"Name": "Properties[0].InType", "Left": "UINT16", "Right": "UINT32"} in found[0]["Fields"]
    c = written(with_types((3, "u8"), (3, "u8"), (1, "u32"), (2, "u16")), "c.etl")
    tool("etw-replay", "diff", a, c, "--only-schemas")
    text = tmp_path / "a.ndjson"
    lines = tool("etw-replay", "schemas", "--json", a).stdout.splitlines()
    text.write_bytes(b"\n".join(lines[:2] + [b'{"Schema":' + line + b"}" for line in lines[2:]]) + b'\n{"ProviderId":"x"}\n')
    tool("etw-replay", "diff", a, text, "--only-schemas")


def python_lcs(a, b):
    rows = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            rows[i][j] = rows[i + 1][j + 1] + 1 if a[i] == b[j] else max(rows[i + 1][j], rows[i][j + 1])
    return rows[0][0]


@pytest.mark.parametrize("seed", range(200))
def test_an_independent_diff_agrees(native_tool, tmp_path, seed):
    """The differences lead from the left to the right, and as many events stay as an LCS in Python leaves."""
    dice = random.Random(seed)
    left = [(dice.randrange(3), dice.randrange(6)) for _ in range(dice.randrange(60))]
    right = list(left)
    for _ in range(dice.randrange(12)):
        at = dice.randrange(len(right) + 1)
        what = dice.randrange(3)
        if what == 0:
            right.insert(at, (dice.randrange(3), dice.randrange(9)))
        elif right and what == 1:
            del right[at % len(right)]
        elif right:
            right[at % len(right)] = (right[at % len(right)][0], 99)
    for name, events in (("a", left), ("b", right)):
        (tmp_path / name).write_text("{}\n" + "".join(
            json.dumps({"ProviderId": "p", "Id": id, "EventProperties": {"V": str(value)}}) + "\n" for id, value in events))
    found, summary = changes(native_tool, tmp_path / "a", tmp_path / "b", status=None)
    assert summary["Same"] - 1 == python_lcs(left, right)
    gone = {c["Left"] - 2 for c in found if "Left" in c}
    come = {c["Right"] - 2 for c in found if "Right" in c}
    assert [e for i, e in enumerate(left) if i not in gone] == [e for i, e in enumerate(right) if i not in come]
    for change in found:
        if change["Change"] == "changed":
            l, r = left[change["Left"] - 2], right[change["Right"] - 2]
            assert l[0] == r[0] and change["Fields"] == [{"Name": "V", "Left": str(l[1]), "Right": str(r[1])}]
        if change["Change"] == "moved":
            assert left[change["Left"] - 2] == right[change["Right"] - 2] and change["Fields"] == []


def test_long_traces_are_aligned_window_by_window(native_tool, tmp_path):
    def lines(numbers):
        return "{}\n" + "".join(json.dumps({"ProviderId": "p", "Id": 1, "N": n}) + "\n" for n in numbers)
    (tmp_path / "a").write_text(lines(range(9000)))
    (tmp_path / "b").write_text(lines([n for n in range(9000) if n % 100 != 7] + [-1]))
    _, summary = changes(native_tool, tmp_path / "a", tmp_path / "b")
    assert (summary["Same"], summary["Removed"], summary["Added"], summary["Changed"]) == (8911, 90, 1, 0)


# expect

def test_an_expectation_holds_its_own_options(tool, written, tmp_path):
    a = written(trace_of([("a", 1), ("b", 2)], pid=77), "a.etl")
    b = written(trace_of([("a", 1), ("b", 2)], pid=78), "b.etl")
    c = written(trace_of([("a", 1), ("x", 2)], pid=78), "c.etl")
    expected = tmp_path / "expected.ndjson"
    tool("etw-replay", "expect", a, expected, "--update", "--ignore", "TimeStamp", "--normalize", "pid",
         "--where", "ProviderName == 'My.Provider'")
    head, *events = [json.loads(line) for line in expected.read_text().splitlines()]
    assert head == {"Expectation": {"Ignore": ["TimeStamp"], "Normalize": ["pid"], "Where": "(ProviderName == 'My.Provider')"}}
    assert [e["ProcessId"] for e in events] == ["<pid 1>"] * 2 and "TimeStamp" not in events[0]
    for trace in (a, b):
        assert tool("etw-replay", "expect", trace, expected).stdout == b""
    done = tool("etw-replay", "expect", c, expected, "--junit", tmp_path / "j.xml", status=1)
    assert b'    QueryName: "b" -> "x"' in done.stdout
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert 'QueryName: "b" -> "x"' in suite.find("testcase/failure").text
    before = expected.read_bytes()
    tool("etw-replay", "expect", b, expected, "--update")
    assert expected.read_bytes() == before
    tool("etw-replay", "expect", c, expected, "--update")
    tool("etw-replay", "expect", c, expected, "--junit", tmp_path / "j.xml")
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("failures") == "0"


@pytest.mark.parametrize("head, options", [
    ("QueryName == a or QueryName == b", ["--where", "Count == 2"]),
    (["QueryName == a or QueryName == b", "Count == 2"], []),
    ("QueryName == a", ["--where", "Count == 1 or Count == 2", "--where", "Count == 2"]),
])
def test_conditions_of_an_expectation_hold_all(native_tool, written, tmp_path, head, options):
    path, expected = written(trace_of([("a", 1), ("b", 2), ("c", 2), ("a", 2)]), "a.etl"), tmp_path / "e.ndjson"
    expected.write_text(json.dumps({"Expectation": {"Where": head}}) + "\n")
    native_tool("etw-replay", "expect", path, expected, "--update", *options)
    found = [json.loads(line)["EventProperties"] for line in expected.read_text().splitlines()[1:]]
    names = ["a"] if head == "QueryName == a" else ["b", "a"]
    assert [event["QueryName"] for event in found] == names
    native_tool("etw-replay", "expect", path, expected)


def test_losses_are_expected_events_too(tool, written, tmp_path):
    trace = trace_of([("a", 1)])
    trace.events_lost = 5
    path, expected = written(trace, "a.etl"), tmp_path / "e.ndjson"
    tool("etw-replay", "expect", path, expected, "--update")
    has_loss = "Loss" in expected.read_text()
    assert has_loss == (b'"Loss"' in tool("etw-replay", path, status=None).stdout)
    tool("etw-replay", "expect", path, expected)


@pytest.mark.parametrize("head, said", [
    ('{"Expectation":{"Ignroe":["a"]}}', b"line 1: 'Ignroe' is not known: Ignore, Normalize, Key, Where"),
    ('{"Expectation":{"Ignore":[1]}}', b"line 1: column 27: a string is expected"),
    ('{"Expectation":{"Normalize":["x"]}}', b"line 1: cannot normalize 'x'"),
])
def test_a_wrong_head_is_told(native_tool, written, tmp_path, head, said):
    path, expected = written(trace_of([("a", 1)]), "a.etl"), tmp_path / "e.ndjson"
    expected.write_text(head + "\n")
    assert said in native_tool("etw-replay", "expect", path, expected, status=1).stderr


def test_an_expectation_that_is_not_there_is_told(native_tool, written, tmp_path):
    path = written(trace_of([("a", 1)]), "a.etl")
    assert b"none.ndjson" in native_tool("etw-replay", "expect", path, tmp_path / "none.ndjson", status=1).stderr


def test_the_corpus_equals_what_cat_prints_of_it(native_tool, corpus, tmp_path):
    for path in sorted(corpus().glob("*.etl")):
        if path.stat().st_size < 1 << 20:
            (tmp_path / "a.ndjson").write_bytes(native_tool("etw-replay", path, "-q", status=None).stdout)
            done = native_tool("etw-replay", "diff", path, tmp_path / "a.ndjson", "-q", status=None)
            assert (done.returncode in (0, 3), done.stdout) == (True, b""), path
