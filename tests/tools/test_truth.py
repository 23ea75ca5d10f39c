"""What Windows says, and who says it: names, texts and schemas where several could be meant."""
import re

import pytest

import etlwriter

CLASS = "{11111111-2222-3333-4444-555555555555}"
PROVIDER = "{aaaaaaaa-0000-0000-0000-000000000001}"


def manifest(fields, task="Main", name="Shared"):
    """An EventSource manifest of one event with these fields: (name, type) pairs."""
    data = "".join('<data name="%s" inType="win:%s"/>' % field for field in fields)
    return """<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events">
 <instrumentation xmlns:win="http://manifests.microsoft.com/win/2004/08/windows/events">
  <events xmlns="http://schemas.microsoft.com/win/2004/08/events">
<provider name="%s" guid="%s" resourceFileName="S" messageFileName="S" symbol="S">
 <tasks><task name="%s" value="65533"/></tasks>
 <events><event value="1" version="0" level="win:Informational" symbol="A" template="A"/></events>
 <templates><template tid="A">%s</template></templates>
</provider></events></instrumentation></instrumentationManifest>""" % (name, PROVIDER, task, data)


def two_processes():
    """Processes 100 and 200 send different manifests of one provider; process 200 changes its mind later."""
    trace = etlwriter.Trace()
    trace.manifest(PROVIDER, manifest([("a", "Int32"), ("b", "Int32")]), pid=100)
    trace.manifest(PROVIDER, manifest([("b", "Int32"), ("a", "Int32"), ("secret", "UnicodeString")]), pid=200)
    trace.event(PROVIDER, 1, b"\1\0\0\0\2\0\0\0", pid=100)
    trace.event(PROVIDER, 1, b"\2\0\0\0\1\0\0\0" + etlwriter.utf16z("bob"), pid=200)
    trace.event(PROVIDER, 1, b"\1\0\0\0\2\0\0\0" + etlwriter.utf16z("eve"), pid=300)
    trace.manifest(PROVIDER, manifest([("c", "Int32")]), pid=200)
    trace.event(PROVIDER, 1, b"\7\0\0\0", pid=200)
    return trace


def test_an_event_is_read_by_the_manifest_of_its_own_process(tool, tmp_path):
    path, copy, cut = tmp_path / "a.etl", tmp_path / "a.etwcap", tmp_path / "cut.etwcap"
    two_processes().write(path)
    tool("etw-record", "--input", path, "-o", copy)
    for file in (path, copy):
        found = [(event["ProcessId"], event["EventProperties"]) for event in tool.events(file) if event["Id"] == 1]
        assert found == [(100, {"a": "1", "b": "2"}), (200, {"b": "2", "a": "1", "secret": "bob"}),
                         (300, {"b": "1", "a": "2", "secret": "eve"}), (200, {"c": "7"})]
    tool("etw-replay", "cut", "--redact", "secret", copy, "-o", cut)
    texts = [event["EventProperties"].get("secret") for event in tool.events(cut) if event["Id"] == 1]
    assert "bob" not in texts and "eve" not in texts


def test_a_manifest_that_is_no_xml_is_told_and_mended(tool, tmp_path):
    path = tmp_path / "a.etl"
    trace = etlwriter.Trace()
    trace.manifest(PROVIDER, manifest([("x", "Int32")], task="<Main>b__0"))
    trace.event(PROVIDER, 1, b"\5\0\0\0")
    trace.write(path)
    done = tool("etw-replay", path)
    assert b'"EventProperties":{"x":"5"}' in done.stdout
    assert b"sent by process 4 for provider " + PROVIDER.encode() in done.stderr
    assert re.search(rb"1 schema of the trace could not be read; .*line 5: not well-formed", done.stderr)


def test_a_provider_has_the_name_in_its_event(tool, tmp_path):
    path, copy, repacked = tmp_path / "a.etl", tmp_path / "a.etwcap", tmp_path / "b.etwcap"
    trace = etlwriter.Trace()
    for name in ("First", "Second", "First"):
        trace.tracelogging(name, "E", [etlwriter.field("Count", "u32", 3)], provider_id=CLASS)
    trace.write(path)
    tool("etw-record", "--input", path, "-o", copy)
    tool("etw-replay", "repack", copy, "-o", repacked)
    for file in (path, copy, repacked):
        assert [event["ProviderName"] for event in tool.events(file)][1:] == ["First", "Second", "First"]
    assert [event["ProviderName"] for event in tool.events(copy, "--provider", "Second")] == ["Second"]
    tool("etw-replay", "diff", path, repacked)


def test_a_filter_that_nothing_matches_is_told(tool, tmp_path):
    path, copy = tmp_path / "a.etl", tmp_path / "a.etwcap"
    trace = etlwriter.Trace()
    trace.tracelogging("My.Provider", "E", [])
    trace.write(path)
    tool("etw-record", "--input", path, "-o", copy)
    for file in (path, copy):
        done = tool("etw-replay", file, "--provider", "My.Povider")
        assert done.stdout == b"" and b"no event of provider 'My.Povider'; did you mean 'My.Provider'?" in done.stderr
        assert b"no event matches" in tool("etw-replay", file, "--id", "99").stderr
        assert tool("etw-replay", file).stderr == b""


def test_level_0_passes_unless_told_otherwise(tool, tmp_path):
    path = tmp_path / "a.etl"
    trace = etlwriter.Trace()
    for level in (0, 2, 4):
        trace.event(CLASS, level, level=level)
    trace.write(path)
    ids = [event["Id"] for event in tool.events(path, "--level", "error")]
    assert ids == [0, 0, 2]  # the first is the log-file header event
    assert [event["Id"] for event in tool.events(path, "--level", "error", "--no-level-0")] == [2]


@pytest.mark.parametrize("words, expected", [
    ((), '"H":"0xFF","N":"1"'),
    (("--typed",), '"H":"0xFF","N":1'),
    (("--typed", "--typed-hex"), '"H":255,"N":1'),
])
def test_hexadecimal_numbers_are_numbers_on_request(tool, tmp_path, words, expected):
    path = tmp_path / "a.etl"
    trace = etlwriter.Trace()
    trace.tracelogging("P", "E", [etlwriter.field("H", "hex32", 255), etlwriter.field("N", "u32", 1)])
    trace.write(path)
    assert expected in tool("etw-replay", path, *words).stdout.decode()


def test_names_are_added_on_request(tool, tmp_path):
    path = tmp_path / "a.etl"
    trace = etlwriter.Trace()
    trace.manifest(PROVIDER, manifest([("x", "Int32")]))
    trace.event(PROVIDER, 1, b"\5\0\0\0", task=65533)
    trace.write(path)
    assert "TaskName" not in tool.events(path)[-1]
    assert tool.events(path, "--names")[-1]["TaskName"] == "Main"


def test_quotes_in_text_are_escaped(tool, tmp_path):
    path = tmp_path / "a.etl"
    trace = etlwriter.Trace()
    trace.tracelogging("P", "E", [etlwriter.field("S", "utf16z", 'say "hi" x=1'), etlwriter.field("T", "utf16z", 'a"b')])
    trace.write(path)
    line = tool("etw-replay", path, "--format", "text").stdout.decode().splitlines()[-1]
    assert r'S="say \"hi\" x=1" T="a\"b"' in line


def test_counted_strings_keep_their_nuls(tool, tmp_path):
    path = tmp_path / "a.etl"
    trace = etlwriter.Trace()
    trace.tracelogging("P", "E", [etlwriter.field("S", "utf16", "a\0bcd")])
    trace.write(path)
    assert tool.events(path)[-1]["EventProperties"]["S"] == "a\0bcd"
    assert tool.events(path, "--exact")[-1]["EventProperties"]["S"] == "a"
