"""Names of native code from symbol files: Breakpad's .sym, the linker's .map."""
import json
import struct
import uuid

import pytest

from etlwriter import stack64
from test_state import DC_START, Stacked

IMAGE_ID = "{b3e675d7-2554-4f18-830b-2762732560de}"
ID = uuid.UUID("{5a9832e5-2872-41c1-838e-d98914e9b7ff}")
OTHER = uuid.UUID("{00000000-2872-41c1-838e-d98914e9b7ff}")
ONE, TWO = 0x10000, 0x20000  # one.dll has a PDB, two.dll none
FRAMES = [ONE + 0x8, ONE + 0x24, ONE + 0x31, ONE + 0x900, TWO + 0x15, 0x7FF000000000]

ONE_SYM = """MODULE windows x86_64 %s one.pdb
INFO CODE_ID 5A9832E51000 one.dll
FILE 1 c:\\one.c
FUNC 10 10 0 Run(int, char const*)
10 4 7 1
FUNC m 20 8 0 Walk;about
PUBLIC 5 0 Early
PUBLIC 24 0 in_walk
PUBLIC 30 0 Later
STACK CFI INIT 10 10 .cfa: $rsp 8 +
"""
TWO_MAP = """ two

 Timestamp is 00000002 (Thu Jan  1 00:00:02 1970)

 Preferred load address is 0000000180000000

 Start         Length     Name                   Class
 0001:00000000 00000100H .text                   CODE

  Address         Publics by Value              Rva+Base               Lib:Object

 0000:00000000       __ImageBase                0000000180000000     <linker-defined>
 0001:00000010       ?Sit@@YAXXZ                0000000180000010 f   two.obj

 entry point at        0001:00000010

 Static symbols

 0001:00000014       Rest                       0000000180000014 f   two.obj
"""


def debug_id(guid, age):
    return "%s%X" % (guid.hex.upper(), age)


@pytest.fixture
def trace(tmp_path):
    out, path = Stacked(), tmp_path / "a.etl"
    rsds = struct.pack("<QI", ONE, 100) + ID.bytes_le + struct.pack("<I", 0x1F) + b"one.pdb\0"
    out.about(IMAGE_ID, 36, 2, rsds, 0.2)
    out.image(DC_START, 100, ONE, 0x1000, r"\Windows\one.dll", 0.2)
    out.image(DC_START, 100, TWO, 0x1000, r"\Windows\Two.dll", 0.3)
    out.thread(DC_START, 100, 40, 0.4)
    out.sample(1)
    out.walk(1, 1.1, FRAMES)
    out.write(path)
    return path


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "symbols"
    made.mkdir()
    return made


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def frames(tool, trace, *options, said=b""):
    done = tool("etw-replay", trace, *options)
    assert said in done.stderr and (said or not done.stderr)
    events = map(json.loads, done.stdout.splitlines())
    return next(event for event in events if event.get("EventName") == "PerfInfo/SampleProf")["ExtendedInfo"]["StackTrace"]["Modules"]


ALONE = ["one.dll+0x8", "one.dll+0x24", "one.dll+0x31", "one.dll+0x900", "Two.dll+0x15", "?"]
NAMED = ["one.dll!Early+0x3", "one.dll!Walk;about+0x4", "one.dll!Later+0x1", "one.dll!Later+0x8D0"]


@pytest.mark.parametrize("path", ["one.sym", "other name.sym", "one.pdb/%s/one.sym" % debug_id(ID, 0x1F)])
def test_a_sym_file_is_found_by_the_id_of_the_pdb(tool, trace, folder, path):
    write(folder / path, ONE_SYM % debug_id(ID, 0x1F))
    assert frames(tool, trace, "--symbols", folder) == NAMED + ALONE[4:]
    assert frames(tool, trace, "--symbols", folder / path, "--threads", "2") == NAMED + ALONE[4:]
    assert frames(tool, trace, "--symbols", folder, "--stacks", "modules") == ALONE


@pytest.mark.parametrize("guid, age", [(OTHER, 0x1F), (ID, 0x1E)])
def test_one_of_another_build_is_said_and_not_used(native_tool, trace, folder, guid, age):
    write(folder / "one.sym", ONE_SYM % debug_id(guid, age))
    assert frames(native_tool, trace, "--symbols", folder, said=b"one.sym is of another build of one.dll") == ALONE


def test_where_the_trace_tells_no_pdb_the_name_decides(native_tool, trace, folder):
    write(folder / "any.sym", (ONE_SYM % debug_id(OTHER, 1)).replace("one.pdb", "TWO.pdb"))
    assert frames(native_tool, trace, "--symbols", folder) == ALONE[:4] + ["Two.dll!Run(int, char const*)+0x5", "?"]


def test_a_map_file_is_found_by_name_and_time_stamp(tool, trace, folder):
    write(folder / "two.map", TWO_MAP)
    assert frames(tool, trace, "--symbols", folder) == ALONE[:4] + ["Two.dll!Rest+0x1", "?"]
    write(folder / "two.map", TWO_MAP.replace("00000002", "00000003"))
    assert frames(tool, trace, "--symbols", folder, said=b"another build") == ALONE


def test_names_are_in_folded_lines(native_tool, trace, folder, tmp_path):
    write(folder / "one.sym", ONE_SYM % debug_id(ID, 0x1F))
    native_tool("etw-replay", "export", trace, "--symbols", folder, "-o", tmp_path / "a.folded")
    assert (tmp_path / "a.folded").read_text() == (
        "process 100;0x7FF000000000;Two.dll;one.dll!Later;one.dll!Later;one.dll!Walk:about;one.dll!Early 1\n")
    native_tool("etw-replay", "export", trace, "--symbols", folder, "-o", tmp_path / "a.speedscope.json")
    assert '"one.dll!Walk:about"' in (tmp_path / "a.speedscope.json").read_text()


@pytest.mark.parametrize("name, text, said", [
    ("bad.sym", "", b"bad.sym"),
    ("bad.sym", "MODULE windows x86_64 12 one.pdb\n", b"an id of 33 digits"),
    ("bad.sym", "MZ\0\0" * 999, b"does not begin with MODULE"),
    ("bad.sym", ONE_SYM % debug_id(ID, 0x1F) + "FUNC 40 zz 0 Broken\n", b"bad.sym: line 11: no address or size"),
    ("bad.map", "hello\n" * 99, b"no 'Preferred load address'"),
])
def test_a_bad_file_is_named_and_passed_over(native_tool, trace, folder, name, text, said):
    write(folder / name, text)
    assert frames(native_tool, trace, "--symbols", folder, said=said) == ALONE
    write(folder / "one.sym", ONE_SYM % debug_id(ID, 0x1F))
    assert frames(native_tool, trace, "--symbols", folder, said=said) == NAMED + ALONE[4:]


def test_a_folder_that_is_not_there_is_an_error(native_tool, trace, folder):
    assert b"nowhere" in native_tool("etw-replay", trace, "--symbols", folder / "nowhere", status=1).stderr


def test_a_pipe_names_what_came_before(native_tool, folder, tmp_path):
    out, path, saved = Stacked(), tmp_path / "a.etl", tmp_path / "a.etwcap"
    stack = [stack64(0, [TWO + 0x15, ONE + 0x24])]
    out.tracelogging("Shop", "Early", pid=100, time=out.at(0.1), items=stack)
    out.image(DC_START, 100, TWO, 0x1000, r"\Windows\Two.dll", 0.2)
    out.tracelogging("Shop", "Late", pid=100, time=out.at(1), items=stack)
    out.write(path)
    write(folder / "two.map", TWO_MAP.replace("00000002", "00000000"))
    native_tool("etw-record", "--input", path, "-o", saved)
    for how, late in (([], "Two.dll+0x15"), (["--symbols", folder], "Two.dll!Rest+0x1")):
        for threads in (0, 3):
            events = native_tool.events("-", "--threads", threads, *how, input=saved.read_bytes())
            found = {event["EventName"]: event["ExtendedInfo"]["StackTrace"].get("Modules")
                     for event in events if event["ProviderName"] == "Shop"}
            assert found == {"Early": None, "Late": [late, "?"]}
