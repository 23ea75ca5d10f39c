"""Chosen columns, forms of time, and what is different on a terminal."""
import csv
import io
import json
import os
import re
import subprocess

import pytest
from etlwriter import Trace, field, structure

PROVIDER = "{11223344-5566-7788-0102-030405060708}"


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    path = tmp_path_factory.mktemp("columns") / "a.etl"
    out = Trace()
    for number in range(1, 6):
        out.tracelogging("Shop", "Asked", [field("Query", "utf16z", 'a "b", %d\tx' % number), field("Type", "u16", 27 + number),
                                           structure("At", field("Port", "u16", 0x5000, "port"))],
                         id=number, level=number, keyword=0x10, pid=100, time=out.at(number / 4))
    out.event(PROVIDER, id=9, data=b"x", level=4, time=out.at(9))
    out.write(path)
    return path


COLUMNS = "TimeStamp,Id,Level,Keyword,ProviderName,Query,Type,At.Port,ActivityId"


def rows_of(native_tool, path):
    """What the columns are in the whole JSON."""
    for line in native_tool.events(path):
        properties = line.get("EventProperties", {})
        yield {"TimeStamp": line["TimeStamp"], "Id": line["Id"], "Level": line["Level"], "Keyword": line["Keyword"],
               "ProviderName": line.get("ProviderName"), "Query": properties.get("Query"), "Type": properties.get("Type"),
               "At.Port": properties.get("At", {}).get("Port"), "ActivityId": line.get("ActivityId")}


def test_columns_are_parts_of_the_whole(native_tool, trace):
    expected = list(rows_of(native_tool, trace))
    lines = native_tool("etw-replay", trace, "--columns", COLUMNS).stdout.decode().splitlines()
    assert [json.loads(line) for line in lines] == [{name: value for name, value in row.items() if value is not None} for row in expected]
    table = list(csv.DictReader(io.StringIO(native_tool("etw-replay", trace, "--columns", COLUMNS, "--format", "csv").stdout.decode(), newline="")))
    assert table == [{name: "" if value is None else str(value) for name, value in row.items()} for row in expected]
    lines = native_tool("etw-replay", trace, "--columns", COLUMNS, "--format", "text").stdout.decode().splitlines()
    assert [line.split("\t") for line in lines] == [
        ["" if value is None else str(value).replace("\t", "\\t") for value in row.values()] for row in expected]


def test_columns_of_whole_objects_and_typed_values(native_tool, trace):
    whole = native_tool.events(trace, "--typed")
    lines = native_tool.events(trace, "--typed", "--columns", "EventProperties,Type")
    for line, event in zip(lines, whole):
        assert line.get("EventProperties") == event.get("EventProperties")
        assert line.get("Type") == event.get("EventProperties", {}).get("Type")
    assert lines[-2]["Type"] == 32


def test_any_number_of_threads_gives_the_same(tool, trace):
    options = [trace, "--columns", COLUMNS, "--format", "csv"]
    assert tool("etw-replay", *options, "--threads", 3).stdout == tool("etw-replay", *options).stdout


@pytest.mark.parametrize("options, said", [(["--columns", "Id or"], b"--columns"), (["--columns", "Id,"], b"list"), (["--time", "noon"], b"relative"),
                                           (["--columns", "Id", "--format", "xml"], b"text, csv, json and json-array")])
def test_what_is_no_column(native_tool, trace, options, said):
    assert said in native_tool("etw-replay", trace, *options, status=2).stderr


@pytest.mark.parametrize("options", [[], ["--format", "text"], ["--format", "csv"], ["--columns", "TimeStamp,Id"]])
def test_forms_of_time(native_tool, trace, options):
    utc = native_tool("etw-replay", trace, *options).stdout
    local = native_tool("etw-replay", trace, *options, "--time", "local", env={"TZ": "XYZ-5:30"}).stdout
    west = native_tool("etw-replay", trace, *options, "--time", "local", env={"TZ": "XYZ+3:00"}).stdout
    relative = native_tool("etw-replay", trace, *options, "--time", "relative").stdout
    assert b"2024-05-01T12:00:00.2500000Z" in utc and b"2024-05-01T17:30:00.2500000+05:30" in local
    assert b"2024-05-01T09:00:00.2500000-03:00" in west
    stamp = rb'"?2024-05-01T12:00:(\d\d\.\d{7})Z"?'
    assert re.sub(stamp, lambda found: b"%.7f" % float(found.group(1)), utc) == relative


def test_windows_knows_local_time(win64_tool, trace):
    stamps = [line["TimeStamp"] for line in win64_tool.events(trace, "--time", "local")]
    assert all(re.fullmatch(r"2024-0[45]-\d\dT\d\d:\d\d:\d\d\.\d{7}[+-]\d\d:\d\d", stamp) for stamp in stamps)


def test_width_and_colors(native_tool, trace):
    plain = native_tool("etw-replay", trace, "--format", "text", "--id", "1-5").stdout.decode().splitlines()
    cut = native_tool("etw-replay", trace, "--format", "text", "--id", "1-5", "--width", 40).stdout.decode().splitlines()
    assert cut == [line[:39] + "\u2026" for line in plain]
    colored = native_tool("etw-replay", trace, "--format", "text", "--id", "1-5", "--color", "always").stdout.decode().splitlines()
    codes = ["1;31", "31", "33", None, "2"]
    assert colored == [line if code is None else "\x1b[%sm%s\x1b[0m" % (code, line) for line, code in zip(plain, codes)]


def on_terminal(native_tool, *arguments, columns=60, **environment):
    """What a terminal of that width is sent."""
    pty = pytest.importorskip("pty")
    import fcntl
    import struct
    import termios
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given = {**os.environ, "TERM": "xterm", "PAGER": "", **environment}
    with subprocess.Popen(native_tool.words("etw-replay", *arguments), stdin=subprocess.DEVNULL, stdout=slave, env=given) as process:
        os.close(slave)
        sent = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                break
            if not part:
                break
            sent += part
        assert process.wait() == 0
    os.close(master)
    return sent.decode().replace("\r\n", "\n")


def test_a_terminal_gets_lines_of_its_width_in_colors(native_tool, trace):
    options = [trace, "--format", "text", "--id", "2"]
    assert re.fullmatch("\x1b\\[31m.{59}\u2026\x1b\\[0m\n", on_terminal(native_tool, *options))
    assert "\x1b" not in on_terminal(native_tool, *options, NO_COLOR="1")
    assert len(on_terminal(native_tool, *options, "--width", "0", NO_COLOR="1")) > 80


def test_a_terminal_gets_a_pager(native_tool, trace):
    options = [trace, "--format", "text"]
    paged = on_terminal(native_tool, *options, PAGER="sed 's/^/> /;q'")
    assert paged.startswith("> 2024") and paged.count("\n") == 1 and "\u2026" not in paged
    assert ">" not in on_terminal(native_tool, *options, "--no-pager", PAGER="sed 's/^/> /'")
