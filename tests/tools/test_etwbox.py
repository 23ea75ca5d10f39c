"""etwbox: programs that know nothing of this project run with event tracing replaced, under Wine."""
import json
import uuid

import pytest
from etlwriter import Trace, field, provider_guid

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


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_program_in_the_box_gets_the_trace(box, win64_tool, small):
    expected = win64_tool("tests/etwapi_consumer", *LIVE, env={"ETWAPI_TRACE": str(small)})
    assert lines(box([small], win64_tool.path("tests/etwbox_consumer"), *LIVE)) == lines(expected)
    assert len(lines(expected)) > EVENTS


def test_children_are_in_the_box_too(box, win64_tool, small):
    program = "z:" + str(win64_tool.path("tests/etwbox_consumer")).replace("/", "\\")
    done = box([small], "cmd.exe", "/c", program, *LIVE)
    assert len(lines(done)) > EVENTS


def test_options_reach_the_program(box, win64_tool, small):
    program = win64_tool.path("tests/etwbox_consumer")
    assert lines(box(["--drop", 10, small], program, *LIVE))[-1]["EventsLost"] == (EVENTS + 1) // 10
    assert lines(box(["--deny-start", small], program, *LIVE, status=1)) == [{"OpenTrace": 5}]


@pytest.mark.parametrize("code", [0, 7])
def test_the_exit_status_is_the_programs(box, code):
    assert box([], "cmd.exe", "/c", "exit %d" % code, status=code).stderr == b""


@pytest.mark.parametrize("options, program, text", [
    ([], ["no-such-program.exe"], b"cannot be started"), ([], [], b"no program given"),
    (["no-such.etl"], ["cmd.exe"], b"there is no such trace"), (["--nonsense"], ["cmd.exe"], b"unknown option")])
def test_what_cannot_be_run_is_told(box, options, program, text):
    assert text in box(options, *program, status=125).stderr
