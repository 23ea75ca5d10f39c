"""Manifests as people have them: in other encodings, badly escaped, dumped by other tools, among thousands of files."""
import struct

import pewriter
import pytest
from etlwriter import Trace

GUID = "{11223344-5566-7788-0102-030405060708}"
ONE = b"\x44\x33\x22\x11\x66\x55\x88\x77\1\2\3\4\5\6\7\x08"
XML = """<?xml version="1.0" encoding="%s"?>
<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"><instrumentation><events>
<provider name="Own" guid="{11223344-5566-7788-0102-030405060708}"><templates><template tid="T"><data name="%s" inType="win:UInt32"/>
</template></templates><events><event value="1" version="0" template="T" message="%s"/></events></provider>
</events></instrumentation></instrumentationManifest>"""


@pytest.fixture
def trace(tmp_path):
    made = Trace()
    made.event(GUID, 1, struct.pack("<I", 5))
    made.write(tmp_path / "x.etl")
    return tmp_path / "x.etl"


def seen(tool, source, trace):
    done = tool("etw-replay", "--schemas", source, trace, "--message", "-q")
    return done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("name, encoding", [("windows-1252", "cp1252"), ("Windows-1252", "cp1252"), ("utf-8", "utf-8"),
                                            ("utf-16", "utf-16"), ("iso-8859-1", "latin-1")])
def test_encodings(tool, tmp_path, trace, name, encoding):
    field = "Größe" if encoding == "latin-1" else "Größe€"
    if name != "utf-8" and encoding != "latin-1" and encoding != "utf-16":
        assert "€".encode(encoding) == b"\x80"
    (tmp_path / "m.MAN").write_bytes((XML % (name, field, "")).encode(encoding))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "M.MAN").write_bytes((tmp_path / "m.MAN").read_bytes())
    for source in (tmp_path / "m.MAN", folder):
        assert '{"%s":"5"}' % field in seen(tool, source, trace)[0]


def test_unescaped_attributes_are_mended_and_told(tool, tmp_path, trace):
    (tmp_path / "m.man").write_text(XML % ("utf-8", "a", 'say "hello" & <go>, "x" = %1'))
    out, told = seen(tool, tmp_path / "m.man", trace)
    assert '{"a":"5"}' in out and 'say \\"hello\\" & <go>, \\"x\\" = 5' in out
    assert "m.man: read with 6 unescaped characters in attributes mended" in told


def test_what_cannot_be_mended_keeps_its_error(native_tool, tmp_path, trace):
    (tmp_path / "m.man").write_text((XML % ("utf-8", "a", 'say "hello"'))[:-40])
    assert "m.man: line " in native_tool("etw-replay", "--schemas", tmp_path / "m.man", trace, status=1).stderr.decode()


WEP = """<?xml version="1.0" encoding="UTF-8"?>
<Providers>
    <Provider>
        <Name>Dumped-Provider</Name>
        <Metadata><Guid>{11223344-5566-7788-0102-030405060708}</Guid><Channels><Channel><Name>Other</Name></Channel></Channels></Metadata>
        <EventMetadata>
            <Event><Id>1</Id><Version>0</Version><Level>Information</Level><Message><![CDATA[
It is %1, "so" & <so>.]]></Message><Template><![CDATA[
<template xmlns="http://schemas.microsoft.com/win/2004/08/events">
  <data name="Count" inType="win:UInt32" outType="xs:unsignedInt"/>
</template>
]]></Template></Event>
            <Event><Id>2</Id><Version>0</Version><Template><![CDATA[]]></Template></Event>
        </EventMetadata>
    </Provider>
    <Provider><Name>Second</Name><Metadata><Guid>{11223344-5566-7788-0102-000000000000}</Guid></Metadata></Provider>
</Providers>
"""


def test_dumps_of_wep_explorer_are_read(tool, tmp_path, trace):
    (tmp_path / "dump.xml").write_text(WEP)
    out, _ = seen(tool, tmp_path / "dump.xml", trace)
    assert '"ProviderName":"Dumped-Provider"' in out and '{"Count":"5"}' in out
    assert 'It is 5, \\"so\\" & <so>.' in out
    (tmp_path / "dump.xml").write_text(WEP.replace("<Providers>", "<!DOCTYPE a [<!ENTITY b 'c'>]><Providers>", 1))
    native = tool("etw-replay", "--schemas", tmp_path / "dump.xml", trace, status=1)
    assert b"dump.xml" in native.stderr


def test_a_folder_of_thousands_of_files_with_bad_ones(native_tool, tmp_path, trace):
    """Bad files are named, one line each; those that hold no schemas are not, however large."""
    folder = tmp_path / "System32"
    folder.mkdir()
    plain = pewriter.pe([(pewriter.VERSION, 0x409, pewriter.version(1))])
    for number in range(1995):
        (folder / ("%04d.dll" % number)).write_bytes(plain)
    good = pewriter.pe([("WEVT_TEMPLATE", 0x409, pewriter.compiled(ONE, [(1, 0, (("a", 8, 8),))]))])
    (folder / "own.dll").write_bytes(good)
    for number in range(4):
        (folder / ("bad%d.dll" % number)).write_bytes(good[:0x90])
    with open(folder / "large.dll", "wb") as large:
        large.truncate(300 << 20)
    done = native_tool("etw-replay", "--schemas", folder, trace)
    assert b'{"a":"5"}' in done.stdout
    assert [line.count("bad") for line in done.stderr.decode().splitlines()] == [1] * 4
