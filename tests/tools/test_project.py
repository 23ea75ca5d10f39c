"""What the project says of itself is so."""
import pathlib
import re
import struct
import subprocess

import pytest

from conftest import MODE, ROOT, Tool, missing, need_program


def commands_of_readme():
    return re.findall(r"^    (sh tests/install-deps.sh .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_ci_runs_the_second_command_of_the_readme():
    assert commands_of_readme()[1] in (ROOT / ".ci" / "run").read_text().splitlines()


WINDOWS_DLLS = {"kernel32.dll", "msvcrt.dll", "advapi32.dll", "ntdll.dll", "ole32.dll", "tdh.dll"}


@pytest.mark.parametrize("target, names", [("win64", ("etw-record.exe", "etw-replay.exe", "etwapi.dll", "etwcap.dll")),
                                           ("win32", ("etwapi32.dll",)), ("win32", ("etwbox32.exe",))])
def test_windows_programs_load_no_dll_but_windows_own(target, names):
    own = WINDOWS_DLLS | ({"etwapi32.dll", "shell32.dll"} if names == ("etwbox32.exe",) else set())
    for name in names:
        program = Tool(target).folder / name
        if not program.exists():
            missing("%s is not built" % name)
        listed = subprocess.run([need_program("x86_64-w64-mingw32-objdump"), "-p", str(program)],
                                stdout=subprocess.PIPE, text=True, check=True).stdout
        loaded = set(re.findall(r"DLL Name: (\S+)", listed))
        assert loaded and {dll.lower() for dll in loaded} <= own


def test_binaries_name_neither_this_folder_nor_the_time(tool):
    for name in ("etw-record", "etw-replay"):
        program = tool.path(name).read_bytes()
        assert str(ROOT).encode() not in program
        if tool.target == "win64":
            pe = struct.unpack_from("<I", program, 0x3C)[0]
            time_stamp = struct.unpack_from("<I", program, pe + 8)[0]
            assert (program[pe:pe + 4], time_stamp) == (b"PE\0\0", 0)


ROOMS = {  # a room, and the rooms it may know besides those within itself
    "format/base": (),
    "format/event": ("format/base",),
    "format/schema": ("format/base", "format/event"),
    "format/etl": ("format/base", "format/event"),
    "format/etwcap": ("format/base", "format/event"),
    "format/output/etl": ("format/base", "format/event", "format/etl", "format/output"),
    "format/output": ("format/base", "format/event", "format/query"),
    "format/query": ("format/base", "format/event"),
    "format/fixture": ("format/base", "format/event"),
    "format/input": ("format/base", "format/event", "format/schema", "format/etl", "format/etwcap"),
    "recorder": ("format",),
    "replay/etwbox": ("format", "recorder", "replay"),  # a tool over both
    "replay": ("format",),
}
CODEC = "format/etwcap/codec"
CODEC_ENTRANCES = ("reader", "events_block", "write_job")  # what may include its headers, besides itself
UMBRELLA = "replay/etwcap.h"  # the library's public face: includes all public headers, and no file here includes it
WINDOWS_IN_FORMAT = ["format/base/%s_windows.c" % name for name in ("os", "process", "wide_path")]


def includes_of(path):
    return re.findall(r'^\s*#\s*include\s+["<]([^">]+)', path.read_text(), re.MULTILINE)


def is_in(path, room):
    return path.startswith(room + "/")


def wrong_arrow(path, included):
    """Why a file at a path (from the root) may not include another, or None."""
    if included.lower() == "windows.h":
        return "windows.h" if is_in(path, "format") and path not in WINDOWS_IN_FORMAT else None
    if is_in(included, CODEC) and not is_in(path, CODEC) and pathlib.PurePath(path).stem not in CODEC_ENTRANCES:
        return "the codec's inside"
    if not included.startswith(("format/", "recorder/", "replay/")):
        return None
    if path == UMBRELLA or included == UMBRELLA:
        return None if path == UMBRELLA else "the library's users' header"
    room = next(room for room in ROOMS if is_in(path, room))
    return None if any(is_in(included, known) for known in (room, *ROOMS[room])) else "a room it must not know"


@pytest.mark.parametrize("path, included", [
    ("format/base/text.c", "format/event/record.h"), ("format/event/clock.c", "format/schema/resolver.h"),
    ("format/etl/etl.c", "format/etwcap/reader.h"), ("format/schema/mof.c", "format/input/input.h"),
    ("recorder/command/main.c", "replay/replay.h"), ("replay/replay.c", "recorder/session/session.h"),
    ("format/etwcap/verify.c", "format/etwcap/codec/kinds.h"), ("format/etl/etl.c", "windows.h")])
def test_a_turned_arrow_is_found(path, included):
    assert wrong_arrow(path, included)


def test_rooms_know_only_the_rooms_below_them():
    for top in ("format", "recorder", "replay"):
        for file in sorted((ROOT / top).rglob("*.[ch]")):
            path = file.relative_to(ROOT).as_posix()
            for included in includes_of(file):
                why = wrong_arrow(path, included)
                assert not why, "%s includes %s: %s" % (path, included, why)


@pytest.mark.parametrize("library", ["libetwcap.a", "command/librecorder.a", "command/libreplay.a"])
def test_visible_symbols_have_the_prefix(native_tool, library):
    if MODE not in ("release", "debug"):
        pytest.skip("sanitizers and coverage add symbols of their own")
    listed = subprocess.run([need_program("nm"), "-g", "--defined-only", str(native_tool.folder / library)],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    names = re.findall(r"^[0-9a-f]+ [A-Z] (\S+)$", listed, re.M)
    assert len(names) > 10 and [name for name in names if not name.startswith("etw_")] == []


def test_no_two_headers_of_one_name():
    """record.h of the event and record.h of a command, say: an include line should say what it means."""
    names = [path.name for room in ("format", "recorder", "replay") for path in (ROOT / room).rglob("*.h")]
    twice = {name for name in names if names.count(name) > 1}
    assert twice <= {"arguments.h", "options.h"}


def test_the_library_names_no_options_in_its_messages():
    """Whoever links it has options of his own: advice with their names is the command's (recorder/command/report.c)."""
    found = []
    for room in ("format/event", "format/schema", "format/etl", "format/etwcap", "recorder/capture", "recorder/session",
                 "recorder/rundown", "replay/query", "replay/output", "replay/etwapi"):
        for path in (ROOT / room).rglob("*.c"):
            text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
            found += ["%s: %s" % (path.name, literal) for literal in re.findall(r'"(?:[^"\\\n]|\\.)*"', text)
                      if re.search(r"(^|[ '(])(--[a-z]+|-[a-z])[ ;,')]|etw-re(cord|play) ", literal[1:-1] + " ")]
    assert found == []


def test_no_function_takes_more_than_six_parameters():
    """What belongs together is one parameter. Windows' own functions take what they take."""
    declared = re.compile(r"^(?:[A-Za-z_][\w \*]*?)\b(\w+)\(([^(){};]*(?:\([^()]*\)[^(){};]*)*)\)\s*[{;]", re.M)
    found = []
    for top in ("format", "recorder", "replay"):
        for path in sorted((ROOT / top).rglob("*.[ch]")):
            text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
            for name, parameters in declared.findall(text):
                count = re.sub(r"\([^()]*\)", "", parameters).count(",") + 1
                if count > 6 and not re.match(r"(Tdh|Event|Enable|QueryTrace|Register|Control|Trace)", name):
                    found.append("%s: %s takes %d" % (path.name, name, count))
    assert found == []


def test_groups_of_options_are_a_bit_each():
    """Two that share one give a verb the options of another."""
    text = (ROOT / "replay/command/options.h").read_text()
    bits = re.findall(r"^    ETW_TAKES_\w+ = 1 << (\d+)", text, re.M)
    assert len(bits) == text.count("    ETW_TAKES_") > 20 and len(set(bits)) == len(bits)
