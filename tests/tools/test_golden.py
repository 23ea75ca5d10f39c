"""Files of formats 1.0 and 2.0 are read as they were when it was fixed: by the C reader, the Python reader and etw-replay."""
import json

import pytest

import etwcap_reader
from conftest import ROOT

FOLDER = ROOT / "tests" / "golden"
GOLDEN = sorted(FOLDER.glob("*.etwcap"))


def expected(path, suffix):
    return path.with_suffix(suffix).read_bytes().decode("utf-8", "surrogateescape").splitlines()


def test_the_files_are_there():
    assert len(GOLDEN) >= 21
    assert all(path.stat().st_size < 20_000 and path.with_suffix(".dump").exists() for path in GOLDEN)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_c_reader_sees_what_it_saw(tool, path):
    found = tool("tests/etwcap_dump", path, status=None).stdout
    assert found.decode("utf-8", "surrogateescape").splitlines() == expected(path, ".dump")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_python_reader_sees_what_the_c_reader_saw(path):
    assert list(etwcap_reader.dump(path.read_bytes())) == expected(path, ".dump")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("folded-*.ndjson")), ids=lambda path: path.stem)
def test_folded_files_hold_what_they_were_made_of(path):
    of = path.with_name(path.name.replace("folded-", ""))
    assert list(map(without_words, expected(path, ".ndjson"))) == list(map(without_words, expected(of, ".ndjson")))


def without_words(line):
    """An event or loss without the sentences in it, which may be put better."""
    thing = json.loads(line)
    thing.pop("EventPropertiesError", None)
    thing.get("Loss", {}).pop("Detail", None)
    return thing


@pytest.mark.parametrize("path", [path for path in GOLDEN if path.with_suffix(".ndjson").exists()],
                         ids=lambda path: path.stem)
def test_events_are_shown_as_they_were(tool, path):
    done = tool("etw-replay", "--typed", "--schema-hash", "--no-process-names", path, status=None)
    found = done.stdout.decode().splitlines()
    assert list(map(without_words, found)) == list(map(without_words, expected(path, ".ndjson")))
    is_missing = any('"Loss"' in line for line in found)
    assert done.returncode == (3 if is_missing else 0)
