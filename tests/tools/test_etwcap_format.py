"""FORMAT.md against the C code: the Python reader, written from the page alone, must see what the C reader sees."""
import random

import pytest

import demo
import etwcap_reader
from whole import status_of


@pytest.fixture(scope="module")
def recorded(native_tool, tmp_path_factory):
    """A small recording: {"bytes": ..., "folder": ...}."""
    folder = tmp_path_factory.mktemp("recorded")
    demo.make(folder / "demo.etl")
    native_tool("etw-record", "--input", folder / "demo.etl", "-o", folder / "demo.etwcap", "--format", "1.0")
    return folder / "demo.etwcap"


def c_lines(tool, path):
    """What the C code sees; the last line tells whether it went through."""
    return tool("tests/etwcap_dump", "--blocks", path).stdout.decode().splitlines()


def python_lines(data):
    return list(etwcap_reader.dump(data, with_events=False))


def test_both_readers_see_the_same_in_every_trace(native_tool, corpus, tmp_path):
    for path in sorted(corpus().glob("*.etl")):
        saved = tmp_path / (path.name + ".etwcap")
        native_tool("etw-record", "--input", path, "-o", saved, status=status_of(path))
        assert python_lines(saved.read_bytes()) == c_lines(native_tool, saved), path.name


def test_both_readers_see_the_same_in_a_small_recording(tool, recorded):
    lines = python_lines(recorded.read_bytes())
    assert lines == c_lines(tool, recorded)
    assert lines[0] == "etwcap 1.0" and lines[-1] == "complete %d" % recorded.stat().st_size


def test_summary_is_found_from_the_end(recorded):
    data = recorded.read_bytes()
    body = etwcap_reader.File(data).summary_by_tail()
    found = [line.strip() for line in etwcap_reader.summary_lines(body)]
    all_lines = [line.strip() for line in python_lines(data)]
    at = all_lines.index(found[0])
    assert all_lines[at:at + len(found)] == found
    assert etwcap_reader.File(data[:-1]).summary_by_tail() is None


def test_both_readers_see_the_same_in_cut_off_files(native_tool, recorded, tmp_path):
    data, cut = recorded.read_bytes(), tmp_path / "cut.etwcap"
    for size in range(24, len(data), 1 + len(data) // 60):
        cut.write_bytes(data[:size])
        lines = python_lines(data[:size])
        assert lines == c_lines(native_tool, cut), size
        assert lines[-1].startswith("incomplete "), size


def test_both_readers_see_the_same_past_damage(native_tool, recorded, tmp_path):
    data, damaged = recorded.read_bytes(), tmp_path / "damaged.etwcap"
    chance = random.Random(7)
    seen_damage = 0
    for _ in range(60):
        changed = bytearray(data)
        at = chance.randrange(24, len(data))
        for place in range(at, min(len(data), at + chance.randrange(1, 100))):
            changed[place] = chance.randrange(256)
        damaged.write_bytes(changed)
        lines = python_lines(bytes(changed))
        assert lines == c_lines(native_tool, damaged), at
        seen_damage += any(line == " damaged" or line.startswith("gap ") for line in lines)
    assert seen_damage > 40


@pytest.mark.parametrize("where, what", [(0, "not an .etwcap file"), (7, "the head is damaged"), (13, "the head is damaged")])
def test_other_files_are_refused(recorded, where, what):
    data = bytearray(recorded.read_bytes())
    data[where] ^= 0x20
    with pytest.raises(etwcap_reader.Damaged, match=what):
        etwcap_reader.File(bytes(data))
