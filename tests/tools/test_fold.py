"""Folded files, format 2.0: chapter 13 of FORMAT.md, and what the tools do with them."""
import re
import struct

import pytest

import demo
import etwcap_blocks
import etwcap_fold
import etwcap_reader
from conftest import ROOT
from etlwriter import Trace, field

TEN = 10


def ten_events():
    trace = Trace()
    for number in range(TEN):
        trace.tracelogging("My.Provider", "Started", [field("Count", "u32", number), field("Name", "utf16z", "abc")],
                           time=trace.at(number))
    return trace


@pytest.fixture
def files(tool, tmp_path):
    """The same trace as .etl, as format 1.0 and as 2.0."""
    ten_events().write(tmp_path / "a.etl")
    for version in ("1.0", "2.0"):
        tool("etw-record", "--input", tmp_path / "a.etl", "-o", tmp_path / (version + ".etwcap"), "-q", "--format", version)
    return tmp_path / "a.etl", tmp_path / "1.0.etwcap", tmp_path / "2.0.etwcap"


def version_of(path):
    return "%d.%d" % struct.unpack_from("<HH", path.read_bytes(), 12)


def test_a_small_trace_is_small(files):
    _, blocks, folded = files
    assert (version_of(blocks), version_of(folded)) == ("1.0", "2.0")
    assert folded.stat().st_size < 400 < 2000 < blocks.stat().st_size


def test_the_same_is_seen_by_all_verbs(tool, files):
    etl, blocks, folded = files
    assert tool.events(folded) == tool.events(blocks) == tool.events(etl)
    assert tool("etw-replay", "schemas", folded).stdout == tool("etw-replay", "schemas", blocks).stdout
    tool("etw-replay", "diff", blocks, folded)
    assert b"good: 11 events" in tool("etw-replay", "verify", folded).stdout
    assert re.search(rb"etwcap 2\.0", tool("etw-replay", "info", folded).stdout)


def test_repack_converts_both_ways(tool, files, tmp_path):
    _, blocks, folded = files
    back, again = tmp_path / "back.etwcap", tmp_path / "again.etwcap"
    tool("etw-replay", "repack", folded, "-o", back, "--format", "1.0")
    tool("etw-replay", "repack", back, "-o", again)
    assert (version_of(back), version_of(again)) == ("1.0", "2.0")
    assert tool.events(again) == tool.events(blocks)
    tool("etw-replay", "repack", folded, "-o", tmp_path / "c", "--format", "3.0", status=2)


def test_pipes_take_and_give_folded_files(tool, files, tmp_path):
    _, blocks, folded = files
    assert tool.events("-", input=folded.read_bytes()) == tool.events(blocks)
    assert tool("etw-record", "--input", files[0], "-o", "-", "-q").stdout == folded.read_bytes()


def test_a_folded_file_that_is_cut_off_says_so_and_is_recovered(tool, files, tmp_path):
    cut, out = tmp_path / "cut.etwcap", tmp_path / "out.etwcap"
    for size in (24, 30, 36, 100, files[2].stat().st_size - 1):
        cut.write_bytes(files[2].read_bytes()[:size])
        assert tool.events(cut, status=3)[-1]["Loss"]["Cause"] == "cut off", size
        tool("etw-replay", "verify", cut, status=3)
        tool("etw-replay", "recover", cut, "-o", out, "-f", status=3)
        tool("etw-replay", "verify", out, status=3)


def test_a_folded_file_with_a_wrong_byte_is_a_loss(tool, files, tmp_path):
    bad, out = tmp_path / "bad.etwcap", tmp_path / "out.etwcap"
    content = bytearray(files[2].read_bytes())
    content[len(content) // 2] ^= 1
    bad.write_bytes(content)
    loss, = (event["Loss"] for event in tool.events(bad, status=3))
    assert loss["Cause"] == "damaged" and "checksum" in loss["Detail"]
    tool("etw-replay", "recover", bad, "-o", out, status=3)
    with pytest.raises(etwcap_reader.Damaged):
        list(etwcap_fold.blocks(bytes(content)))


def test_bytes_behind_a_folded_file_are_reported(tool, files, tmp_path):
    longer = tmp_path / "longer.etwcap"
    longer.write_bytes(files[2].read_bytes() + b"more")
    assert b"4 bytes behind the end" in tool("etw-replay", "verify", longer, status=3).stdout
    assert tool.events(longer) == tool.events(files[2])


def test_another_dictionary_is_named(tool, files, tmp_path):
    other = tmp_path / "other.etwcap"
    content = bytearray(files[2].read_bytes())
    content[27] = 9
    other.write_bytes(content)
    assert "dictionary 9" in tool.events(other, status=3)[0]["Loss"]["Detail"]


def test_what_is_in_a_folded_file_is_what_is_in_its_blocks(native_tool, tmp_path):
    """By the independent reader: every body, but for what closes a file."""
    demo.make(tmp_path / "demo.etl")
    for version in ("1.0", "2.0"):
        native_tool("etw-record", "--input", tmp_path / "demo.etl", "-o", tmp_path / version, "--format", version)
    folded = list(etwcap_fold.blocks((tmp_path / "2.0").read_bytes()))
    of_blocks = [(header, header.body(stored)) for _, header, stored in
                 etwcap_reader.File((tmp_path / "1.0").read_bytes()).blocks()]
    of_blocks = [(header, body) for header, body in of_blocks if header.kind not in (etwcap_reader.INDEX, etwcap_reader.SUMMARY)]
    for block, (header, body) in zip(folded, of_blocks):
        assert (block.kind, block.count, block.raw_size, block.head_size, block.first_time, block.last_time) == (
            header.kind, header.count, header.raw_size, header.head_size, header.first_time, header.last_time)
        assert body.startswith(block.body) and (block.sections or body == block.body)
    assert {header.kind for header, _ in of_blocks[len(folded):]} == {etwcap_reader.TRACE}


def test_the_dictionary_of_the_page_is_that_of_the_tools():
    table = (ROOT / "format" / "etwcap" / "fold_dictionary.inc").read_text().split("*/")[1]
    assert bytes(int(byte, 16) for byte in table.replace("\n", "").split(",") if byte.strip()) == etwcap_fold.dictionary(1)


def test_blocks_of_small_files_are_still_there_for_those_who_ask(files):
    assert etwcap_blocks.blocks_of(files[1].read_bytes())[-1][0] == etwcap_reader.END
