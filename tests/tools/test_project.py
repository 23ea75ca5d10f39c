"""What the project says of itself is so."""
import re
import struct
import subprocess

from conftest import ROOT, need_program


def commands_of_readme():
    return re.findall(r"^    (sh tests/install-deps.sh .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_ci_runs_the_second_command_of_the_readme():
    assert commands_of_readme()[1] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_windows_programs_load_no_dll_but_windows_own(win64_tool):
    own = {"KERNEL32.dll", "msvcrt.dll", "ADVAPI32.dll", "ole32.dll", "tdh.dll"}
    programs = [win64_tool.path("etw-record"), win64_tool.path("etw-replay"), win64_tool.folder / "etwapi.dll"]
    for program in programs:
        listed = subprocess.run([need_program("x86_64-w64-mingw32-objdump"), "-p", str(program)],
                                stdout=subprocess.PIPE, text=True, check=True).stdout
        loaded = set(re.findall(r"DLL Name: (\S+)", listed))
        assert loaded and {dll.lower() for dll in loaded} <= {dll.lower() for dll in own}


def test_binaries_name_neither_this_folder_nor_the_time(tool):
    for name in ("etw-record", "etw-replay"):
        program = tool.path(name).read_bytes()
        assert str(ROOT).encode() not in program
        if tool.target == "win64":
            pe = struct.unpack_from("<I", program, 0x3C)[0]
            time_stamp = struct.unpack_from("<I", program, pe + 8)[0]
            assert (program[pe:pe + 4], time_stamp) == (b"PE\0\0", 0)


def test_portable_code_includes_no_windows_header_and_knows_no_tool():
    for path in sorted((ROOT / "format").rglob("*.[ch]")):
        included = re.findall(r'^\s*#\s*include\s+["<]([^">]+)', path.read_text(), re.MULTILINE)
        bad = [name for name in included if name.lower() == "windows.h" or name.startswith(("recorder/", "replay/"))]
        assert not bad, "%s includes %s" % (path.relative_to(ROOT), bad)
