"""Schemas from other traces and from schema packs; what a pack holds, read by an independent reader too."""
import gzip
import json
import struct

import etwcap_reader
import pack_reader
import pewriter
import pytest
from etlwriter import Trace

ONE = b"\x44\x33\x22\x11\x66\x55\x88\x77\1\2\3\4\5\6\7\x08"  # the provider below
GUID = "{11223344-5566-7788-0102-030405060708}"
UINT32, UINT64 = (8, 8), (10, 10)
XML = """<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"><instrumentation><events>
<provider name="Own" guid="%s"><events>%s</events><templates>%s</templates></provider>
</events></instrumentation></instrumentationManifest>"""


def dll(path, build, *fields, number=1):
    block = pewriter.compiled(ONE, [(number, 0, fields)])
    path.write_bytes(pewriter.pe([("WEVT_TEMPLATE", 0x409, block), (pewriter.VERSION, 0x409, pewriter.version(build))]))


def trace_of(path, *payloads, number=1):
    trace = Trace()
    for payload in payloads:
        trace.event(GUID, number, payload)
    trace.write(path)
    return trace.build


def properties(tool, *arguments):
    return [event.get("EventProperties") for event in tool.events(*arguments) if event["Id"] == 1]


def export(tool, pack, *arguments, **more):
    return tool("etw-replay", "schemas", "--export", pack, *arguments, **more)


def test_a_trace_gives_its_schemas_to_another(tool, tmp_path):
    dll(tmp_path / "a.dll", 1, ("a", *UINT32))
    trace_of(tmp_path / "x.etl", struct.pack("<I", 5))
    trace_of(tmp_path / "y.etl", struct.pack("<I", 6))
    tool("etw-record", "--schemas", tmp_path / "a.dll", "--input", tmp_path / "x.etl", "-o", tmp_path / "x.etwcap", "-q")
    assert properties(tool, tmp_path / "y.etl") == [None]
    found = [event for event in tool.events("--schemas", tmp_path / "x.etwcap", tmp_path / "y.etl") if event["Id"] == 1]
    assert [(event["ProviderName"], event["EventProperties"]) for event in found] == [("Compiled", {"a": "6"})]


def test_an_event_source_explains_another_trace_but_not_against_its_own_manifest(native_tool, tmp_path):
    def manifest(field):
        return XML % (GUID, '<event value="1" version="0" template="T" symbol="E"/><event value="2" version="0" '
                      'template="T" symbol="F"/>', '<template tid="T"><data name="%s" inType="win:UInt32"/></template>' % field)

    def write(path, field):
        trace = Trace()
        if field:
            trace.manifest(GUID, manifest(field))
        trace.event(GUID, 1, struct.pack("<I", 7))
        trace.write(path)

    write(tmp_path / "donor.etl", "given")
    write(tmp_path / "without.etl", None)
    write(tmp_path / "with.etl", "own")
    given = ("--schemas", tmp_path / "donor.etl")
    assert properties(native_tool, *given, tmp_path / "without.etl") == [{"given": "7"}]
    assert properties(native_tool, *given, tmp_path / "with.etl") == [{"own": "7"}]
    # Also events that the donor did not have, and through an .etwcap and a pack.
    trace_of(tmp_path / "second.etl", struct.pack("<I", 8), number=2)
    native_tool("etw-record", "--input", tmp_path / "donor.etl", "-o", tmp_path / "donor.etwcap", "-q")
    export(native_tool, tmp_path / "p.etwcap", tmp_path / "donor.etl")
    for source in ("donor.etl", "donor.etwcap", "p.etwcap"):
        found = native_tool("etw-replay", "--schemas", tmp_path / source, tmp_path / "second.etl").stdout
        assert b'{"given":"8"}' in found


def test_a_pack_explains_what_its_sources_explain(tool, tmp_path):
    dll(tmp_path / "a.dll", 17763, ("a", *UINT32))
    dll(tmp_path / "b.dll", 19041, ("a", *UINT32), ("b", *UINT64))
    pack = tmp_path / "p.etwcap"
    done = export(tool, pack, "--schemas", tmp_path / "a.dll", "--schemas", tmp_path / "b.dll")
    assert b"schemas of 1 events of 1 providers, 2 definitions" in done.stderr
    trace_of(tmp_path / "x.etl", struct.pack("<I", 5), struct.pack("<IQ", 6, 7))
    assert properties(tool, "--schemas", pack, tmp_path / "x.etl") == [{"a": "5"}, {"a": "6", "b": "7"}]
    listed = [json.loads(line) for line in tool("etw-replay", "schemas", "--json", pack).stdout.splitlines()]
    assert [one["Source"] for one in listed] == [{"File": "a.dll", "Build": 17763}, {"File": "b.dll", "Build": 19041}]
    found = tool("etw-replay", "schemas", "--json", "--schemas", pack, tmp_path / "x.etl").stdout.splitlines()
    both = [json.loads(line) for line in found if GUID.encode() in line]
    assert [(one["Source"], one["Alternatives"]) for one in both] == [
        ({"File": "a.dll", "Build": 17763}, [{"File": "b.dll", "Build": 19041}]),
        ({"File": "b.dll", "Build": 19041}, [{"File": "a.dll", "Build": 17763}])]
    export(tool, pack, "--schemas", tmp_path / "a.dll", status=1)  # exists
    tool("etw-replay", "verify", pack)
    again = tmp_path / "again.etwcap"
    export(tool, again, "--schemas", pack)
    assert again.read_bytes() == pack.read_bytes()


def test_a_copy_of_packs_is_a_pack(tool, tmp_path):
    """It has no events to copy: its schemas are what it is for."""
    dll(tmp_path / "a.dll", 17763, ("a", *UINT32))
    dll(tmp_path / "b.dll", 19041, ("a", *UINT32), ("b", *UINT64))
    for name in ("a", "b"):
        export(tool, tmp_path / (name + ".etwcap"), "--schemas", tmp_path / (name + ".dll"))
    whole, out = (tmp_path / "a.etwcap").read_bytes(), tmp_path / "out.etwcap"
    for verb in ("repack", "merge", "cut"):
        tool("etw-replay", verb, tmp_path / "a.etwcap", "-o", out, "-f")
        assert out.read_bytes() == whole, verb
    tool("etw-replay", "repack", tmp_path / "a.etwcap", "-o", out, status=1)  # exists
    export(tool, tmp_path / "both.etwcap", "--schemas", tmp_path / "a.dll", "--schemas", tmp_path / "b.dll")
    for words in (["merge", tmp_path / "a.etwcap", tmp_path / "b.etwcap"],
                  ["repack", tmp_path / "b.etwcap", "--schemas", tmp_path / "a.dll"]):
        tool("etw-replay", *words, "-o", out, "-f")
        assert out.read_bytes() == (tmp_path / "both.etwcap").read_bytes(), words


def test_a_pack_in_a_folder_serves_but_a_trace_does_not(native_tool, tmp_path):
    dll(tmp_path / "a.dll", 1, ("a", *UINT32))
    trace_of(tmp_path / "x.etl", struct.pack("<I", 5))
    for name, make in (("traces", lambda path: native_tool("etw-record", "--schemas", tmp_path / "a.dll", "--input",
                                                            tmp_path / "x.etl", "-o", path, "-q")),
                       ("packs", lambda path: export(native_tool, path, "--schemas", tmp_path / "a.dll"))):
        (tmp_path / name).mkdir()
        make(tmp_path / name / "some.etwcap")
        done = native_tool("etw-replay", "--schemas", tmp_path / name, tmp_path / "x.etl")
        assert (b'{"a":"5"}' in done.stdout) == (name == "packs")


def test_a_wrapped_pack_serves(tool, tmp_path):
    dll(tmp_path / "a.dll", 17763, ("a", *UINT32))
    export(tool, tmp_path / "p.etwcap", "--schemas", tmp_path / "a.dll")
    (tmp_path / "p.etwcap.gz").write_bytes(gzip.compress((tmp_path / "p.etwcap").read_bytes()))
    trace_of(tmp_path / "x.etl", struct.pack("<I", 5))
    assert properties(tool, "--schemas", tmp_path / "p.etwcap.gz", tmp_path / "x.etl") == [{"a": "5"}]


def test_a_damaged_pack_is_no_crash(native_tool, tmp_path):
    dll(tmp_path / "a.dll", 1, ("a", *UINT32))
    pack = tmp_path / "p.etwcap"
    export(native_tool, pack, "--schemas", tmp_path / "a.dll")
    trace_of(tmp_path / "x.etl", struct.pack("<I", 5))
    whole = pack.read_bytes()
    for at in range(24, len(whole), 37):
        pack.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1:])
        native_tool("etw-replay", "--schemas", pack, tmp_path / "x.etl", status=None)
    for size in range(0, len(whole), 61):
        pack.write_bytes(whole[:size])
        native_tool("etw-replay", "--schemas", pack, tmp_path / "x.etl", status=None)


def blocks(path):
    for _, header, stored in etwcap_reader.File(path.read_bytes()).blocks():
        yield header.kind, header.body(stored)


@pytest.fixture(scope="module")
def manifests_pack(native_tool, corpus, tmp_path_factory):
    pack = tmp_path_factory.mktemp("pack") / "manifests.etwcap"
    export(native_tool, pack, "--schemas", corpus().parent / "manifests")
    return pack


def test_the_catalog_and_the_schemas_are_as_the_specification_says(native_tool, manifests_pack):
    found, places, names = next(pack_reader.catalog(body) for kind, body in blocks(manifests_pack) if kind == 12)
    read = {}
    for kind, body in blocks(manifests_pack):
        if kind == 13:
            read.update(pack_reader.schemas(body))
    assert len(places) == sum(kind == 13 for kind, _ in blocks(manifests_pack)) and any(names.values())
    listed = native_tool("etw-replay", "schemas", "--json", manifests_pack).stdout.splitlines()
    hashes = [json.loads(line)["SchemaHash"] for line in listed]

    def hash_of(number):
        _, tei, maps = read[number]
        value = etwcap_reader.xxh3(tei)
        for one in maps:
            value = etwcap_reader.xxh3(one, value)
        return "%016x" % value

    assert hashes == [hash_of(number) for rows in found.values() for _, _, number in rows]


def test_a_pack_of_the_corpus_manifests_is_small(native_tool, manifests_pack):
    events = len(next(pack_reader.catalog(body) for kind, body in blocks(manifests_pack) if kind == 12)[0])
    assert manifests_pack.stat().st_size / events * 34000 < 2_000_000


@pytest.mark.parametrize("name", ["WsRm01", "KernelNetwork", "HTTP_Server", "Process"])
def test_a_pack_gives_the_schemas_of_its_sources(native_tool, corpus, manifests_pack, name):
    def schemas(source):
        done = native_tool("etw-replay", "schemas", "--json", "--no-default-schemas", "--schemas", source, corpus(name + ".etl"))
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return [{key: value for key, value in one.items() if key not in ("Source", "Alternatives")} for one in found]

    assert schemas(manifests_pack) == schemas(corpus().parent / "manifests")


@pytest.mark.parametrize("kind", ["manifest", "pack", "trace"])
def test_schemas_are_added_later(native_tool, tmp_path, kind):
    """repack --schemas stores what the recording did not have, whatever the source."""
    dll(tmp_path / "a.dll", 1, ("a", *UINT32))
    trace_of(tmp_path / "x.etl", struct.pack("<I", 5))
    native_tool("etw-record", "--input", tmp_path / "x.etl", "-o", tmp_path / "bare.etwcap", "-q")
    source = tmp_path / "a.dll"
    if kind == "pack":
        export(native_tool, tmp_path / "p.etwcap", "--schemas", source)
        source = tmp_path / "p.etwcap"
    elif kind == "trace":
        native_tool("etw-record", "--schemas", source, "--input", tmp_path / "x.etl", "-o", tmp_path / "d.etwcap", "-q")
        source = tmp_path / "d.etwcap"
    native_tool("etw-replay", "repack", tmp_path / "bare.etwcap", "-o", tmp_path / "full.etwcap", "--schemas", source, "-q")
    found = [event for event in native_tool.events(tmp_path / "full.etwcap") if event["Id"] == 1]
    assert [(event["ProviderName"], event["EventProperties"]) for event in found] == [("Compiled", {"a": "5"})]
