"""WPP messages of Windows 11 with their TMF files, whose texts tracefmt gave (corpus/tmf): when printed, and from an
.etwcap that was recorded with the TMF files and is replayed without."""
import json

import pytest

TEXTS = {
    "wppstr-sample.etl": {
        "strtrace name=alpha id=0 tag=END", "strtrace name=bravo id=1 tag=END", "strtrace name=charlie id=2 tag=END",
        "widetrace user=root role=admin"},
    "wpptypes-sample.etl": {
        "sint i=42 neg=-1000 i64=-5000000000", "uint u=4000000000 hex=0xabcdef x64=0xdeadbeefcafe",
        "ptr p=00007FF012345678 null=0000000000000000", "widths z=00042 h=0000beef",
        "hr=0x80070005(ERROR_ACCESS_DENIED) st=0xc0000022(STATUS_ACCESS_DENIED) "
        "guid=11223344-5566-7788-99aa-bbccddeeff00"},
    "wppenum-sample.etl": {"b=0x00000001(true) irql=0x00000002(DPC)", "set=[1,3]"},
    "wppmisc-sample.etl": {"dbl=3.14062 delta=5.000s", "raw a=RawAnsi w=RawWide"},
}


def messages(replay, *arguments):
    lines = replay("etw-replay", "--message", *arguments).stdout.decode().splitlines()
    return [event for event in map(json.loads, lines) if event["Flags"] & 8]


@pytest.fixture
def folder(corpus):
    return corpus().parent / "tmf"


@pytest.mark.parametrize("trace", sorted(TEXTS))
def test_messages_read_as_tracefmt_prints_them(native_tool, folder, trace):
    found = messages(native_tool, "-m", folder, folder / trace)
    assert {event["Message"] for event in found} == TEXTS[trace]
    assert all("EventPropertiesError" not in event for event in found)


def test_a_record_keeps_what_its_messages_need(native_tool, folder, tmp_path):
    trace = folder / "wppemitter-sample.etl"
    native_tool("etw-record", "-q", "-m", folder, "--input", trace, "-o", tmp_path / "a.etwcap")
    found = messages(native_tool, tmp_path / "a.etwcap")
    assert [sum(event["Id"] == number for event in found) for number in (10, 11)] == [30, 15]
    assert found[0]["Message"] == "WppEmitter work item id=0 status=0x0 phase=startup provider=WppEmitter"
    assert found[0]["EventProperties"] == {"i": "0", "(unsigned)(i & 0xff)": "0x0"}
    assert "EventPropertiesError" in messages(native_tool, trace)[0]


def test_of_a_folder_only_the_files_of_the_messages_are_read(native_tool, folder, tmp_path):
    """A file that is named after a message GUID waits until a message asks for it; a pack needs all of them."""
    (tmp_path / "tmf").mkdir()
    for path in folder.rglob("*.tmf"):
        (tmp_path / "tmf" / path.name).write_bytes(path.read_bytes())
    with open(tmp_path / "tmf" / "11111111-2222-3333-4444-555555555555.tmf", "wb") as large:
        large.truncate(600 << 20)  # above the limit: it would be told
    done = native_tool("etw-replay", "-q", "--message", "-m", tmp_path / "tmf", folder / "wppstr-sample.etl")
    assert b"widetrace user=root role=admin" in done.stdout and done.stderr == b""
    packed = native_tool("etw-replay", "schemas", "--export", tmp_path / "p.etwcap", "-m", tmp_path / "tmf", status=3)
    assert b"11111111-2222-3333-4444-555555555555.tmf" in packed.stderr
    found = native_tool("etw-replay", "-q", "--message", "-m", tmp_path / "p.etwcap", folder / "wppstr-sample.etl")
    assert b"widetrace user=root role=admin" in found.stdout
