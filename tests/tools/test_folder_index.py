"""What was found in a folder of schemas is kept in the user's cache folder; what is there never changes what is printed."""
import os
import struct
import subprocess
import time

import pytest
from etlwriter import Trace

from test_manifest_dialects import XML
from test_schema_packs import UINT32, dll, trace_of


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Seventy files, one with a manifest, one that is bad and one to be mended, and a folder with few. The system tells of each when anything
    of it changed, so that they are left alone for a moment."""
    top = tmp_path_factory.mktemp("folders")
    for name, count in (("many", 68), ("few", 50)):
        files = top / name
        files.mkdir()
        for number in range(count):
            (files / ("%02d.txt" % number)).write_bytes(b"no schemas")
        dll(files / "a.dll", 1, ("a", *UINT32))
        (files / "bad.man").write_bytes(b"<broken")
        (files / "unescaped.man").write_text(XML.replace("11223344", "99223344") % ("utf-8", "c", "a & b"))
        for path in files.iterdir():
            os.utime(path, (time.time() - 3600,) * 2)
    trace_of(top / "x.etl", struct.pack("<I", 5))
    other = Trace()
    other.event("{99223344-5566-7788-0102-030405060708}", 1, struct.pack("<I", 7))
    other.write(top / "y.etl")
    time.sleep(3.1)
    return top


def words(folders, name, trace="x.etl"):
    return ["etw-replay", "--schemas", folders / name, "--no-default-schemas", folders / trace]


def test_programs_that_search_at_once_leave_a_whole_index(native_tool, folders, tmp_path):
    environment = dict(os.environ, XDG_CACHE_HOME=str(tmp_path))
    running = [subprocess.Popen(native_tool.words(*words(folders, "many")), env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE) for _ in range(8)]
    said = [child.communicate(timeout=60) for child in running]
    assert len(set(said)) == 1 and b"index" not in said[0][1]
    assert [path.suffix for path in (tmp_path / "etwcap").iterdir()] == [".index"]


def test_a_small_folder_leaves_nothing_in_the_cache(native_tool, folders, tmp_path):
    assert b'{"a":"5"}' in native_tool(*words(folders, "few"), env={"XDG_CACHE_HOME": str(tmp_path)}).stdout
    assert not (tmp_path / "etwcap").exists()


def test_a_manifest_that_is_mended_is_found_again(tool, folders, tmp_path):
    for _ in range(2):
        assert b'{"c":"7"}' in tool(*words(folders, "many", "y.etl"), env={"XDG_CACHE_HOME": str(tmp_path)}).stdout


def test_a_second_search_finds_the_same_and_changes_are_seen(native_tool, folders, tmp_path):
    folder, cache = folders / "many", {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    (tmp_path / "cache").mkdir()

    def search():
        done = native_tool(*words(folders, "many"), env=cache)
        assert done.stderr.count(b"bad.man: line 1") == 1
        return done.stdout

    first = search()
    assert b'{"a":"5"}' in first
    (index,) = (tmp_path / "cache/etwcap").iterdir()
    kept = index.read_bytes()
    assert search() == first and index.read_bytes() == kept
    dll(folder / "a.dll", 1, ("b", *UINT32))
    assert b'{"b":"5"}' in search()
    (folder / "a.dll").unlink()
    assert b'"a"' not in search() and b'"b"' not in search()
    index.write_bytes(kept[:-1])
    said = native_tool(*words(folders, "many"), env=cache).stderr
    assert b"without the index of a folder of schemas" in said and b"is damaged" in said
