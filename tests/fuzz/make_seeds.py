"""Makes the fuzzers' first inputs from small traces: OUT/NAME-OF-THE-TARGET/...

    tests/fuzz/make_seeds.py FOLDER-OF-THE-TOOLS OUT

What each target expects as input stands at the top of its source.
"""
import os
import shutil
import struct
import subprocess
import sys
import uuid

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TESTS, folder) for folder in ("support", "readers")]
import etlwriter as etl  # noqa: E402
import etwcap_fold  # noqa: E402
import etwcap_reader  # noqa: E402
import pewriter  # noqa: E402
from etlwriter import Trace, field, structure, utf16z  # noqa: E402

PROVIDER = "{11223344-5566-7788-0102-030405060708}"
KERNEL_GROUPS = [(3, 1), (3, 39), (5, 1), (6, 2), (1, 10), (10, 64), (12, 10), (20, 10), (32, 0), (0, 32)]

MANIFEST = """<?xml version='1.0'?><instrumentationManifest xmlns='urn:m'><instrumentation xmlns:win='urn:w'><events>
<provider name='Prov' guid='%s' symbol='P' message='$(string.P)'>
<channels><importChannel chid='S' name='System'/><channel chid='A' name='Prov/Analytic' type='Analytic'/></channels>
<levels><level name='Mine' value='16'/></levels>
<keywords><keyword name='K1' mask='0x1'/><keyword name='K2' mask='0x2'/></keywords>
<tasks><task name='T' value='7'><opcodes><opcode name='OfT' value='20'/></opcodes></task></tasks>
<opcodes><opcode name='Any' value='21'/></opcodes>
<maps><valueMap name='V'><map value='1' message='$(string.One)'/><map value='0x2' message='$(string.Two)'/></valueMap>
<bitMap name='B'><map value='0x10' message='$(string.One)'/></bitMap></maps>
<templates><template tid='T1'><data name='n' inType='win:UInt8'/><data name='a' inType='win:UInt32' map='V'/>
<data name='b' inType='win:Binary' length='n'/><data name='c' inType='win:UnicodeString' count='n'/>
<struct name='s' count='n'><data name='p' inType='win:Pointer'/><data name='x' inType='win:HexInt32' map='B'/></struct>
<data name='f' inType='win:AnsiString' length='4'/><data name='t' inType='win:FILETIME' outType='xs:dateTime'/>
<UserData><E><v>%%1</v></E></UserData></template></templates>
<events><event value='1' version='0' level='win:Error' task='T' opcode='OfT' keywords='K1 K2' channel='A' template='T1'
 message='$(string.E)' symbol='E1' name='N'/><event value='2' level='Mine' opcode='win:Start'/></events></provider>
</events></instrumentation><localization><resources culture='en-US'><stringTable><string id='P' value='The provider'/>
<string id='E' value='It is %%1 and %%2%%n %%%%!s!'/><string id='One' value='one'/><string id='Two' value='two'/>
</stringTable></resources></localization></instrumentationManifest>""" % PROVIDER
EVENT_SOURCE = """<instrumentationManifest xmlns="urn:e"><instrumentation xmlns:win="urn:w"><events>
<provider name="Source" guid="%s" resourceFileName="Source" messageFileName="Source" symbol="S"><tasks>
<task name="One" value="65533"/></tasks><opcodes></opcodes><keywords><keyword name="K" mask="0x1"/></keywords>
<events><event value="1" version="0" level="win:Informational" keywords="K" task="One" template="OneArgs"/></events>
<templates><template tid="OneArgs"><data name="x" inType="win:Int32"/><data name="y" inType="win:UnicodeString"/>
</template></templates></provider></events></instrumentation></instrumentationManifest>""" % PROVIDER

FIELDS = [field("u", "u8", 3), field("w", "utf16z", "text"), field("a", "u16", [1, 2, 3]), field("ip", "u32", 1, "ipv4"),
          field("c", "i64", [-1, 2], constant=True), field("bin", "binary", b"\1\2"), field("err", "u32", 5, "win32error"),
          field("t", "filetime", etl.START, "datetime"), field("sid", "sid", "S-1-5-18"), field("d", "f64", 1.5, tags=9),
          structure("S", field("x", "hex32", 1), field("y", "utf8", "zz")),
          structure("L", [field("p", "u16", 80, "port")], [field("p", "u16", 443, "port")], array=True)]


TMF = """744151fd-b3f4-32e6-38eb-0fd11e3fb62d driver // SRC=a.c MJ= MN=
#typev a_c7 10 "%0 [%!FUNC!] s=%10!s! n=%11!08x! l=%12!s! e=%13!s! %3!04X!" //   LEVEL=L FLAGS=F FUNC=main
{
name, ItemString -- 10
n, ItemLong -- 11
kind, ItemListByte(Low,APC=5,DPC) -- 12
access, ItemFlagsEnum(Access) -- 13
}
#enumv Access
{
FlagRead,0x1
FlagWrite,0x2
}
"""

MOF = """#pragma autorecover
[Guid("{22223344-5566-7788-99aa-bbccddeeff00}")] class Ours : EventTrace { };
[Guid("{11223344-5566-7788-99aa-bbccddeeff00}"), DisplayName("Disk") : amended, EventVersion(2)] class Disk : Ours { };
[EventType{10, 11}, EventTypeName{"Read", "Write"} : amended] class Disk_Rw : Disk {
  [WmiDataId(1), format("x"), Values{"a"}, ValueMap{"0x1"}] uint32 Flags;
  [WmiDataId(2)] uint16 N;
  [WmiDataId(3), WmiSizeIs("N")] uint8 Bytes[];
  [WmiDataId(4), StringTermination("Counted"), format("w")] string Name;
  [WmiDataId(5), extension("Sid")] object User;
};
"""


def piece(data):
    return struct.pack("<H", len(data)) + data


def tei(properties, top_level, source=0):
    """A TRACE_EVENT_INFO: properties are (name, flags, in, out, map name, count, length)."""
    at = 112 + 24 * len(properties)
    rows, texts = b"", b""

    def text(value):
        nonlocal texts
        start = at + len(texts)
        texts += utf16z(value)
        return start

    for name, flags, in_type, out_type, map_name, count, length in properties:
        rows += struct.pack("<IIHHIHHI", flags, text(name), in_type, out_type, text(map_name) if map_name else 0,
                            count, length, 0)
    names = {key: text(value) for key, value in (("provider", "Prov"), ("level", "Info "), ("channel", "Chan"),
                                                 ("keywords", "K1\0K2\0"), ("task", "Task"), ("opcode", "Start"),
                                                 ("message", "Of %1 and %2 "), ("event", "Event"))}
    header = etl.guid(PROVIDER) + bytes(16) + struct.pack("<HBBBBHQ", 1, 0, 0, 4, 1, 7, 3)
    header += struct.pack("<I", source) + struct.pack(
        "<7I", names["provider"], names["level"], names["channel"], names["keywords"], names["task"], names["opcode"],
        names["message"])
    header += struct.pack("<IIIIIIII", 0, 0, 0, names["event"], 0, len(properties), top_level, 1)
    return header + rows + texts


def value_map(name, flag, entries):
    at, rows, texts = 16 + 8 * len(entries), b"", b""
    for value, text in entries:
        rows += struct.pack("<II", at + len(texts), value)
        texts += utf16z(text)
    return struct.pack("<IIII", at + len(texts), flag, len(entries), 0) + rows + texts + utf16z(name)


# TRACE_EVENT_INFO, its maps, a payload that fits.
SCHEMAS = [
    (tei([("Count", 0, 6, 6, "", 1, 2), ("Name", 0, 1, 1, "", 1, 0), ("Kind", 0, 8, 8, "V", 1, 4),
          ("Bits", 0, 8, 8, "B", 1, 4), ("Data", 2, 14, 15, "", 1, 0), ("Rows", 5, 7, 2, "", 0, 0),
          ("Id", 0, 15, 14, "", 1, 16), ("x", 0, 20, 18, "", 1, 4), ("y", 0, 13, 13, "", 1, 4)], 7),
     [value_map("V", 1, [(1, "one "), (2, "two ")]), value_map("B", 2, [(1, "A "), (4, "B ")])],
     struct.pack("<H", 2) + utf16z("name") + struct.pack("<II", 2, 5) + b"\1\2" + bytes(range(16)) + bytes(range(16))),
    (tei([("t", 0, 17, 2, "", 1, 8), ("s", 0, 18, 2, "", 1, 16), ("u", 0, 19, 1, "", 1, 0), ("p", 0, 16, 37, "", 1, 0),
          ("f", 0, 12, 12, "", 1, 8), ("a", 0, 14, 25, "", 1, 16), ("c", 0, 300, 1, "", 1, 0), ("w", 0, 310, 1, "", 1, 0),
          ("r", 0, 305, 1, "", 1, 0)], 9, source=1), [],
     struct.pack("<q8H", etl.START, 2024, 5, 0, 1, 12, 0, 0, 0) + etl.sid_bytes("S-1-5-18") + bytes(8)
     + struct.pack("<d", 2.5) + struct.pack("<HHI", 2, 80, 1) + bytes(8) + struct.pack("<H", 4) + b"a\0b\0"
     + bytes(16) + etl.sid_bytes("S-1-1-0") + b"rest\x1b[31m"),
]


def records(trace):
    """One of everything that a trace can hold."""
    trace.event(PROVIDER, id=7, data=b"payload", items=[etl.related_activity(PROVIDER), etl.sid("S-1-5-18"),
                                                        etl.stack64(1, [1 << 40, 2])], activity=PROVIDER)
    trace.tracelogging("Demo", "Started", FIELDS, items=[etl.session_id(1)])
    trace.tracelogging("Demo", "Started", FIELDS, cpu=1)
    for group, kind in KERNEL_GROUPS:
        trace.system(group, kind, bytes(range(64)))
    trace.perfinfo(15, 46, struct.pack("<QII", 1 << 40, 8, 1))
    trace.compact(5, 36, bytes(24), pmc=(1, 2))
    trace.full(PROVIDER, 1, b"classic")
    trace.instance(PROVIDER, 2, b"instance", instance_id=1, parent_id=2)
    trace.message(10, b"wpp", sequence=1, message_guid=PROVIDER, pid=4, tid=8)
    trace.manifest(PROVIDER, EVENT_SOURCE, chunk_size=500)
    trace.event(PROVIDER, id=1, data=struct.pack("<i", 5) + utf16z("y"))
    trace.error(PROVIDER)
    for blob, maps, payload in SCHEMAS:
        trace.full(etl.EVENT_METADATA, etl.EVENT_METADATA_TEI, blob)
        for one in maps:
            trace.full(etl.EVENT_METADATA, etl.EVENT_METADATA_MAP, etl.guid(PROVIDER) + one)
        trace.event(PROVIDER, id=1, level=4, opcode=1, task=7, keyword=3, data=payload)
    trace.flush(flags=etl.FLAG_EVENTS_LOST)
    for number in range(6):
        trace.event(PROVIDER, id=2, data=b"%d" % number, cpu=number % 2)
    return trace


TRACES = [("plain", {"processors": 2, "events_lost": 3}), ("compressed", {"processors": 2, "compressed": True}),
          ("narrow", {"pointer_size": 4, "clock": etl.CLOCK_SYSTEM, "closed": False}),
          ("cycles", {"clock": etl.CLOCK_CYCLES, "processor_index": False, "buffers_lost": 1})]


class Seeds:
    def __init__(self, out):
        self.out = out

    def add(self, target, name, data):
        folder = os.path.join(self.out, "fuzz_" + target)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path


def blocks(file):
    """(kind, flags, head size, body) of an .etwcap file, bodies without their mask: see FORMAT.md, "Blocks"."""
    at = 24
    while at + 64 <= len(file):
        kind, flags, stored = struct.unpack_from("<HHI", file, at + 4)
        head, = struct.unpack_from("<I", file, at + 44)
        body = bytes(byte ^ flags >> 8 for byte in file[at + 64:at + 64 + stored])
        yield kind, flags & 0xFF, head, body
        at += 64 + stored


def recording(seeds, tools, etl_path, version):
    path = os.path.join(seeds.out, "recording.etwcap")
    done = subprocess.run([os.path.join(tools, "etw-record"), "--quiet", "--force", "--input", etl_path, "-o", path, "--format",
                           version], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode not in (0, 3):  # 3: the trace itself lost events
        sys.exit("etw-record: exit status %d\n%s" % (done.returncode, done.stderr.decode()))
    with open(path, "rb") as file:
        data = file.read()
    os.remove(path)
    return data


def add_recording(seeds, tools, name, etl_path):
    data = recording(seeds, tools, etl_path, "1.0")
    folded = recording(seeds, tools, etl_path, "2.0")
    seeds.add("etwcap", name, data)
    seeds.add("etwcap", name + "-folded", folded)
    seeds.add("fold", name, etwcap_fold.text_of(folded))
    seeds.add("etwcap", name + "-cut", data[:len(data) * 2 // 3])
    for index, (kind, flags, head, body) in enumerate(blocks(data)):
        if kind == 4 and flags == 0:
            seeds.add("events", "%s-%d" % (name, index), body[head:])


def add_traces(seeds, tools):
    for name, options in TRACES:
        trace = records(Trace(buffer_size=4096, **options))
        path = seeds.add("etl", name, trace.bytes())
        add_recording(seeds, tools, name, path)
        add_text_forms(seeds, tools, name, path)
    few = Trace(buffer_size=1024)
    few.event(PROVIDER, id=1, data=b"abc")
    few.event(PROVIDER, id=2, data=b"\0" * 9)
    add_recording(seeds, tools, "few", seeds.add("etl", "few", few.bytes()))


def add_text_forms(seeds, tools, name, path):
    """The trace as text, with its schemas, and each part alone."""
    def output_of(*words):
        return subprocess.run([os.path.join(tools, "etw-replay"), "-q", *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE).stdout.splitlines(True)

    schemas = output_of("schemas", "--json", path)
    for options in ([], ["--typed"]):
        events = output_of("cat", path, "--schema-hash", *options)
        seeds.add("fixture", name + "".join(options), b"".join(schemas + events[:20]))
    for index, line in enumerate(events[:20]):
        seeds.add("fixture", "%s-%d" % (name, index), b"".join(schemas) + line)


def add_schemas(seeds):
    for index, (blob, maps, payload) in enumerate(SCHEMAS):
        pieces = piece(blob) + bytes([len(maps)]) + b"".join(map(piece, maps)) + payload
        for options, flags in ((0x03, 0x40), (0x0C, 0x20), (0x17, 0x100)):
            seeds.add("plan", "%d-%d" % (index, options), bytes([options]) + struct.pack("<H", flags) + pieces)
        header = struct.pack("<HHHHIIq", 96, 0, 0x40, 0, 8, 4, 1000) + etl.guid(PROVIDER) + bytes(40)
        rows = b"".join((bytes([3]) + header if i == 0 else bytes([6 + 8 * i]))
                        + b"\1\2\4abcd" + piece(payload) for i in range(8))
        seeds.add("roundtrip", str(index), b"\2" + piece(blob) + rows)
        seeds.add("resolver", "metadata-%d" % index, b"\1\0" + piece(blob) + b"".join(
            b"\2\0" + piece(etl.guid(PROVIDER) + one) for one in maps) + b"\4\4" + piece(payload))
    chunks = [EVENT_SOURCE.encode()[at:at + 500] for at in range(0, len(EVENT_SOURCE), 500)]
    seeds.add("resolver", "chunks", b"".join(
        b"\0\0" + piece(struct.pack("<BBBBHH", 1, 1, 0, 0x5B, len(chunks), i) + chunk)
        for i, chunk in enumerate(chunks)) + b"\4\4" + piece(struct.pack("<i", 5) + utf16z("y")))
    metadata = etl.tracelogging_metadata("Started", FIELDS)
    traits = etl.provider_traits("Demo", PROVIDER)[1]
    payload = b"".join(data for _, data in FIELDS)
    seeds.add("tracelogging", "all", piece(traits) + piece(metadata) + payload)
    seeds.add("tracelogging", "inline", piece(b"") + piece(b"") + traits + metadata + payload)
    seeds.add("resolver", "tracelogging", b"\3\0" + piece(traits + metadata + payload))
    block = pewriter.compiled(uuid.UUID(PROVIDER).bytes_le, [(1, 0, (("a", 8, 8), ("b", 1, 1)))])
    for name, data in (("raw", block), ("pe", pewriter.pe([("WEVT_TEMPLATE", 1033, block)])),
                       ("pe32", pewriter.pe([("WEVT_TEMPLATE", 1033, block)], wide=False))):
        seeds.add("wevt", name, data)
    for name, xml in (("manifest", MANIFEST), ("eventsource", EVENT_SOURCE)):
        seeds.add("manifest", name, xml.encode())
        seeds.add("manifest", name + "-wide", xml.encode("utf-16"))
    seeds.add("tmf", "tmf", TMF.encode())
    seeds.add("mof", "mof", MOF.encode())


def add_pack(seeds, tools):
    """The bodies of a pack's catalog and schemas, as they are when expanded."""
    source, pack = (os.path.join(seeds.out, name) for name in ("pack.man", "pack.etwcap"))
    with open(source, "w") as file:
        file.write(MANIFEST)
    done = subprocess.run([os.path.join(tools, "etw-replay"), "schemas", "--export", pack, "--schemas", source],
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit("etw-replay: exit status %d\n%s" % (done.returncode, done.stderr.decode()))
    with open(pack, "rb") as file:
        for _, header, stored in etwcap_reader.File(file.read()).blocks():
            if header.kind in (12, 13):
                seeds.add("pack", str(header.kind), bytes([header.kind - 12]) + header.body(stored))
    os.remove(source)
    os.remove(pack)


WHERE = ["Id in (3, 5..9) and a == 7", "b contains 'B.c' or not (c > 2.4)", "b ~ '^a.*$' and Level <= error", "has d",
         "d == {00000000-0000-0000-0000-000000000000}", "TimeStamp >= +5s or TimeStamp < -1ms", "ProviderName like 'S?o*'",
         "Keyword & 0x10 == 0x10", "b startswith a and b endswith '\xc4'", "x.y[2]#3 != 10.0.0.0/8", "!a&&b||c", "a in -1..1k"]


def add_texts(seeds):
    for index, data in enumerate([b"abcabcabcabcabc" * 9, bytes(300), bytes(range(256)) * 3, b"x" * 70000]):
        for step in (1, 255):
            seeds.add("xpress", "%d-%d" % (index, step), bytes([step]) + etl.compress(data))
    for index, text in enumerate(["2020-07-29T00:07:10.6912345Z", "2020-07-29 00:07:10+02:00", "2020-07-29", "+1.5s",
                                  "+20ms", PROVIDER, "10k", "4M", "0x10", "30s", "2h", "18446744073709551615"]):
        seeds.add("texts", str(index), b"\0" + text.encode())
    for index, text in enumerate(WHERE):
        seeds.add("where", str(index), text.encode())
    record = [["--input", "a.etl", "-i", "b.etl", "-o", "c.etwcap", "--level", "19", "--threads", "4", "--sync", "block",
               "--interval", "1s", "--on-overload", "drop", "--manifest", "m", "--force", "-q"],
              ["-p", "Prov:5:0xFF:0x1", "--event-ids", "1,2,!3", "--stack-ids", "7", "--pids", "4", "--enable", "stack",
               "--payload", "x", "--capture-state", "-o", "-", "--max-events", "10", "--max-duration", "5m",
               "--rotate-size", "10M", "--ring", "3", "--max-total", "1G", "--min-free", "1G", "--rotate-time", "1h"],
              ["-k", "process,thread", "--kernel-stack", "process", "--system-logger", "--session", "s", "--clock", "qpc",
               "--buffer-size", "64k", "--min-buffers", "4", "--flight", "64M", "--trigger", PROVIDER + ":7", "-o", "x"]]
    replay = [["cat", "a", "--since", "+1s", "--until", "2020-01-01", "--provider", PROVIDER, "--provider", "Name", "--id",
               "1,2-5", "--pid", "4", "--level", "3", "--format", "text", "--message", "--exact", "--typed", "-o", "b"],
              ["cut", "a", "-o", "b", "--redact", "UserName", "--drop-strings", "--force", "--compression", "5"],
              ["merge", "a", "b", "-o", "c", "--threads", "4"], ["diff", "a", "b", "--count", "5"], ["info", "a", "--json"],
              ["schemas", "a"], ["verify", "a", "-q"], ["recover", "a", "-o", "b"], ["repack", "a", "-o", "b"],
              ["a", "--head", "10", "--speed", "1.5", "--raw-time", "--schema-hash", "--manifest", "m"]]
    for name, lines in (("record_words", record), ("replay_words", replay)):
        for index, words in enumerate(lines):
            seeds.add(name, str(index), "\n".join(words).encode())
    seeds.add("profile", "0", b"# comment\nprovider = Microsoft-Windows-DNS-Client:4\nevent-ids = 3006,3008\n"
                              b"max-duration=10m\r\n\ncapture-state\n")


def add_state(seeds):
    """Processes, threads, images, methods and stacks that belong to each other, then again with a process id used twice."""
    def event(provider, opcode, version, payload, pid=8, tid=12, later=1, how=1):
        return piece(struct.pack("<BBBBBBH", provider, opcode, version, how, pid, tid, later) + payload)

    user = struct.pack("<QII", 1, 0, 0) + etl.sid_bytes("S-1-5-18")
    process = struct.pack("<QIIIiQI", 9, 8, 4, 0, 259, 1, 0) + user + b"a.exe\0" + utf16z("a.exe -x") + utf16z("") + utf16z("")
    thread = struct.pack("<IIQQQQQQQIBBBB", 8, 12, 1, 2, 3, 4, 5, 6, 7, 0, 8, 5, 2, 0) + utf16z("main")
    image = struct.pack("<QQIIIIQIIII", 0x10000, 0x1000, 8, 1, 2, 0, 0x10000, 0, 0, 0, 0) + utf16z("\\Windows\\a.exe")
    walk = struct.pack("<qII3Q", 132000000000000002, 8, 12, 0xFFFFF80000000001, 0x10004, 0x10008)
    method = struct.pack("<QQQIII", 1, 2, 0x10000, 0x100, 3, 4) + utf16z("N.C") + utf16z("M") + utf16z("void") + struct.pack("<H", 1)
    for provider in range(11):
        events = [event(provider, opcode, version, payload) for version in (2, 3, 4) for opcode, payload in
                  ((1, process), (1, thread), (10, image), (32, walk), (37, walk[:24]), (143, method), (82, walk), (2, process), (2, image))]
        seeds.add("state", "one-%d" % provider, b"".join(events))
    seeds.add("state", "all", b"".join(event(provider, opcode, 3, payload, how=provider % 4) for _ in range(2) for provider in range(11)
                                       for opcode, payload in ((1, process), (3, thread), (10, image), (32, walk), (36, walk), (2, process))))


def main(tools, out):
    shutil.rmtree(out, ignore_errors=True)
    seeds = Seeds(out)
    os.makedirs(out)
    add_traces(seeds, tools)
    add_schemas(seeds)
    add_pack(seeds, tools)
    add_texts(seeds)
    add_state(seeds)


if __name__ == "__main__":
    main(*sys.argv[1:])
