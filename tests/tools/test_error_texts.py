"""What error codes say where Windows' own message tables are among the schemas."""
import struct

import pytest

import pewriter
from test_schema_packs import dll, properties, trace_of

CODES = [0xC0000022, 0xC0FFEE00, 5, 0xFFFE, 0x80070005, 0x80071234, 0x800700C1]
NTDLL = {0xC0000022: "{Zugriff}\r\nverweigert\r\n", 0xC0FFEE00: "Only ntdll has it.\r\n"}
KERNEL32 = {5: "Own access text.\r\n", 0xFFFE: "Only kernel32 has it.\r\n", 0x1234: "A Win32 text.\r\n",
            0xC1: "%1 is not valid.\r\n"}
OWN = ["{Zugriff}\r\nverweigert", "Only ntdll has it.", "Own access text.", "Only kernel32 has it.", "Own access text.",
       "A Win32 text.", "Unknown HResult Error code: 0x800700c1"]
BUILT_IN = ["{Access Denied}\r\nA process has requested access to an object, but has not been granted those access rights.",
            "Unknown NTSTATUS Error code: 0xc0ffee00", "Access is denied.", "Unknown Win32 Error code: 0xfffe",
            "Access is denied.", "Unknown HResult Error code: 0x80071234", "Unknown HResult Error code: 0x800700c1"]


def system_file(texts, inside):
    """A library with its table, or one whose texts are in a .mui file."""
    return pewriter.pe([(pewriter.MESSAGES, 0x409, pewriter.messages(texts))] if inside else [("MUI", 0x409, bytes(200))])


@pytest.fixture
def system(tmp_path):
    """A folder with schemas of the trace beside it, and with ntdll.dll and kernel32.dll."""
    folder = tmp_path / "System32"
    (folder / "en-US").mkdir(parents=True)
    (folder / "de-DE").mkdir()
    ntstatus, win32, hresult = (8, 31), (8, 30), (7, 32)
    fields = [ntstatus, ntstatus, win32, win32, hresult, hresult, hresult]
    dll(tmp_path / "a.dll", 1, *[("f%d" % index, *types) for index, types in enumerate(fields)])
    trace_of(tmp_path / "x.etl", struct.pack("<7I", *CODES))
    (folder / "NTDLL.DLL").write_bytes(system_file(NTDLL, True))
    (folder / "kernel32.dll").write_bytes(system_file(KERNEL32, False))
    (folder / "en-US/kernel32.dll.mui").write_bytes(system_file(KERNEL32, True))
    (folder / "de-DE/kernel32.dll.mui").write_bytes(system_file({5: "Zugriff verweigert.\r\n"}, True))
    return folder


def texts(tool, system, *more):
    (found,) = properties(tool, system.parent / "x.etl", "--no-default-schemas", "--schemas", system.parent / "a.dll", *more)
    return list(found.values())


def test_texts_are_those_of_the_given_tables(tool, system):
    assert texts(tool, system) == BUILT_IN
    assert texts(tool, system, "--schemas", system) == OWN
    assert texts(tool, system, "--schemas", system / "NTDLL.DLL") == OWN[:2] + BUILT_IN[2:]
    for name in ("kernel32.dll", "en-US/kernel32.dll.mui"):
        assert texts(tool, system, "--schemas", system / name) == BUILT_IN[:2] + OWN[2:], name
    german = texts(tool, system, "--schemas", system / "kernel32.dll", "--language", "de-DE")
    assert german[2] == german[4] == "Zugriff verweigert." and german[3] == BUILT_IN[3]


def test_a_recording_is_rendered_with_them_too(tool, system):
    recorded = system.parent / "x.etwcap"
    tool("etw-record", "--input", system.parent / "x.etl", "--schemas", system.parent / "a.dll", "--schemas", system, "-o", recorded, "-q")
    (found,) = properties(tool, recorded, "--no-default-schemas", "--schemas", system)
    assert list(found.values()) == OWN
    (found,) = properties(tool, recorded, "--no-default-schemas")
    assert list(found.values()) == BUILT_IN


def test_a_damaged_table_leaves_the_built_in_texts(tool, system):
    whole = (system / "NTDLL.DLL").read_bytes()
    for size in (0, 70, len(whole) // 2, len(whole) - 90):
        (system / "NTDLL.DLL").write_bytes(whole[:size])
        assert texts(tool, system, "--schemas", system)[2:] == OWN[2:]
