"""reduce: the smallest trace on which a command still fails."""
import pytest

from etlwriter import Trace, field


@pytest.fixture
def hundred(tmp_path):
    trace = Trace()
    for number in range(100):
        trace.tracelogging("P", "Q", [field("Size", "u32", number), field("Name", "utf16z", "n%d" % number)], pid=number)
    trace.write(tmp_path / "a.etl")
    return tmp_path / "a.etl"


def reduce(tool, path, check, out, *options, status=0):
    return tool("etw-replay", "reduce", path, "--check", check, "-o", out, *options, status=status)


def fails_with(tool, *wanted):
    """A command that fails with 7 where all of these sizes are there."""
    tests = " && ".join("grep -q '\"Size\":\"%d\"' {}.txt" % number for number in wanted)
    return "%s {} > {}.txt; %s && rm {}.txt && exit 7; rm -f {}.txt" % (tool.path("etw-replay"), tests)


@pytest.mark.parametrize("wanted", [(0,), (3, 77)])
def test_only_the_events_that_matter_stay(native_tool, hundred, tmp_path, wanted):
    check = fails_with(native_tool, *wanted).replace("{}.txt", str(tmp_path / "out.txt"))
    done = reduce(native_tool, hundred, check, tmp_path / "small.etwcap")
    found = native_tool.events(tmp_path / "small.etwcap")
    assert [event["EventProperties"]["Size"] for event in found] == [str(number) for number in wanted]
    assert {event["EventProperties"]["Name"] for event in found} <= {"xx", "xxx"}
    assert b"%d of 101 events, on which the command still fails with 7" % len(wanted) in done.stderr
    assert [path.name for path in tmp_path.iterdir() if "small" in path.name] == ["small.etwcap"]
    native_tool("etw-replay", "verify", tmp_path / "small.etwcap")


def test_values_stay_where_that_is_wanted(native_tool, hundred, tmp_path):
    check = fails_with(native_tool, 5).replace("{}.txt", str(tmp_path / "out.txt"))
    reduce(native_tool, hundred, check, tmp_path / "small.etwcap", "--keep-values")
    assert native_tool.events(tmp_path / "small.etwcap")[0]["EventProperties"] == {"Size": "5", "Name": "n5"}


def test_the_name_comes_last_where_it_has_no_place(native_tool, hundred, tmp_path):
    reduce(native_tool, hundred, "test ! -e", tmp_path / "small.etwcap")
    assert native_tool("etw-replay", tmp_path / "small.etwcap").stdout == b""


def test_runs_are_bounded(native_tool, hundred, tmp_path):
    check = fails_with(native_tool, 5).replace("{}.txt", str(tmp_path / "out.txt"))
    done = reduce(native_tool, hundred, check, tmp_path / "small.etwcap", "--max-runs", "4")
    assert b"after 4 runs; more may make it smaller" in done.stderr
    assert "5" in [e["EventProperties"].get("Size") for e in native_tool.events(tmp_path / "small.etwcap") if "EventProperties" in e]


def test_nothing_is_written_where_the_command_does_not_fail(native_tool, hundred, tmp_path):
    assert b"does not fail on" in reduce(native_tool, hundred, "true", tmp_path / "small.etwcap", status=1).stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.etl"]


def test_a_command_that_is_not_there_is_no_failure_of_it(native_tool, hundred, tmp_path):
    said = reduce(native_tool, hundred, "no-such-program {}", tmp_path / "small.etwcap", status=1).stderr
    assert b"the shell cannot run the command: exit status 127" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.etl"]


def test_a_command_is_needed_and_a_file_is_not_replaced(native_tool, hundred, tmp_path):
    native_tool("etw-replay", "reduce", hundred, "-o", tmp_path / "b.etwcap", status=2)
    (tmp_path / "c.etwcap").write_bytes(b"mine")
    reduce(native_tool, hundred, "false", tmp_path / "c.etwcap", status=1)
    assert (tmp_path / "c.etwcap").read_bytes() == b"mine"
