"""Chapter 12 of FORMAT.md against the codec: the Python decoder, written from it, must see every byte that the C decoder sees."""
import pytest

import demo
import etwcap_reader
from whole import status_of


def assert_same_events(tool, path):
    expected = tool("tests/etwcap_dump", path).stdout.decode("utf-8", "surrogateescape").splitlines()
    found = list(etwcap_reader.dump(path.read_bytes()))
    assert found == expected, path.name
    assert any(line.startswith(" event ") for line in found), path.name


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_both_decoders_see_the_same_events_in_a_small_recording(tool, native_tool, tmp_path, version):
    demo.make(tmp_path / "demo.etl")
    native_tool("etw-record", "--input", tmp_path / "demo.etl", "-o", tmp_path / "demo.etwcap", "--format", version)
    assert etwcap_reader.File((tmp_path / "demo.etwcap").read_bytes()).major == int(version[0])
    assert_same_events(tool, tmp_path / "demo.etwcap")


def test_both_decoders_see_the_same_events_in_every_trace(native_tool, corpus, tmp_path):
    for path in sorted(corpus().glob("*.etl")):
        saved = tmp_path / (path.name + ".etwcap")
        native_tool("etw-record", "--input", path, "-o", saved, status=status_of(path))
        assert_same_events(native_tool, saved)
