#!/usr/bin/env python3
"""Makes the dictionary of folded files (format/etwcap/FORMAT.md, 13): its C table, and its text in FORMAT.md.

    python3 tests/support/fold_dictionary.py BUILD-FOLDER [--check]

It is made of facts of our own: the built-in classic classes, and what etw-record makes of traces by etlwriter. Nothing of a real
trace is in it. The same tools and the same zstd give the same bytes. A dictionary that files were written with is never
changed: a new one gets a new number, and stays beside the old ones.
"""
import base64
import ctypes
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "readers"), str(ROOT / "tests" / "support")]

import etlwriter as etl
import etwcap_fold
import etwcap_reader as reader
import random_traces
from etlwriter import Trace, field

ETWCAP = ROOT / "format" / "etwcap"
NUMBER = 1
LEVEL = 19
# Classes of the classic table whose every layout is in it, the least common first.
CLASSES = ("DiskIo", "ImageID", "Image", "Process", "EventTrace")
ZONES = ("@tzres.dll,-212", "@tzres.dll,-211"), ("@tzres.dll,-112", "@tzres.dll,-111"), ("@tzres.dll,-322", "@tzres.dll,-321")
FOLDER = r"C:\Windows\System32\LogFiles\WMI" + "\\"
MANIFEST = """<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events">
 <instrumentation xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xmlns:win="http://manifests.microsoft.com/win/2004/08/windows/events">
  <events xmlns="http://schemas.microsoft.com/win/2004/08/events">
<provider name="Company-Product" guid="{1a2b3c4d-0000-0000-0000-000000000000}" resourceFileName="Company-Product.dll" \
messageFileName="Company-Product.dll" symbol="CompanyProduct">
 <tasks>
  <task name="EventSourceMessage" message="$(string.task_EventSourceMessage)" value="65534"/>
  <task name="Started" message="$(string.task_Started)" value="65533"/>
 </tasks>
 <opcodes>
 </opcodes>
 <keywords>
  <keyword name="Session3" message="$(string.keyword_Session3)" mask="0x100000000000"/>
 </keywords>
 <events>
  <event value="0" version="0" level="win:LogAlways" symbol="EventSourceMessage" task="EventSourceMessage" \
template="EventSourceMessageArgs"/>
  <event value="1" version="0" level="win:Informational" symbol="Started" task="Started" template="StartedArgs"/>
 </events>
 <templates>
  <template tid="EventSourceMessageArgs">
   <data name="message" inType="win:UnicodeString"/>
  </template>
  <template tid="StartedArgs">
   <data name="count" inType="win:Int32"/>
   <data name="id" inType="win:Int64"/>
  </template>
 </templates>
</provider>
</events>
</instrumentation>
<localization>
 <resources culture="en-US">
  <stringTable>
   <string id="keyword_Session3" value="Session3"/>
   <string id="task_EventSourceMessage" value="EventSourceMessage"/>
  </stringTable>
 </resources>
</localization>
</instrumentationManifest>
"""


def narrow(wide):
    """13.2 of FORMAT.md the other way."""
    out, done, at = bytearray(), 0, 0

    def number(value):
        while value >= 0x80:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)

    while at < len(wide):
        end, may_end = at, False
        while wide[end + 1:end + 2] == bytes(1) and (0x20 <= wide[end] < 0x7F or wide[end] == 0 and may_end):
            may_end = wide[end] != 0
            end += 2
        if end - at < 8:
            at += 1
            continue
        number(at - done)
        out += wide[done:at]
        number((end - at) // 2)
        out += wide[at:end:2]
        at = done = end
    if done < len(wide):
        number(len(wide) - done)
        out += wide[done:] + bytes(1)
    return bytes(out)


class Recorder:
    def __init__(self, build, folder):
        self.tool, self.folder = build / "etw-record", pathlib.Path(folder)

    def plain(self, trace):
        """What etw-record folds of a trace."""
        source, target = self.folder / "Trace.etl", self.folder / "Trace.etwcap"
        trace.write(source)
        subprocess.run([self.tool, "--input", source, "-o", target, "-f", "-q"], stderr=subprocess.DEVNULL, check=False)
        return etwcap_fold.plain(target.read_bytes())


def slices(plain):
    """By kind, the blocks of a folded file as they stand in it."""
    cursor, found = reader.Cursor(plain), {}
    while cursor.left():
        start = cursor.at
        kind = etwcap_fold.varint(cursor)
        etwcap_fold.varint(cursor)
        if kind & 1:
            cursor.take(8)
            etwcap_fold.varint(cursor)
        cursor.take(etwcap_fold.varint(cursor))
        found.setdefault(kind >> 1, []).append(bytes(plain[start:cursor.at]))
    return found


def classic_kinds():
    """(class, its name, version, opcode) of the built-in table."""
    source = (ROOT / "format" / "schema" / "classic_table.inc").read_text()
    owner = None
    for match in re.finditer(r'^CLASS\("([^"]+)", "([^"]+)"\)|^EVENTS\((\d+),\s*((?:"[^"]*"\s*)+)', source,
                             re.M):
        if match[1]:
            owner = match[1], match[2]
            continue
        for event in "".join(re.findall(r'"([^"]*)"', match[4])).split(","):
            yield *owner, int(match[3]), int(event.split()[0])


def layouts(recorder):
    """The newest TRACE_EVENT_INFOs of the chosen classes, one for each list of properties; the most common last."""
    newest, found = {}, {}
    for event_class, name, version, opcode in classic_kinds():
        newest[name, opcode] = max(newest.get((name, opcode), ()), (version, event_class))
    for chosen in CLASSES:
        trace = Trace()
        for (name, opcode), (version, event_class) in newest.items():
            if name == chosen:
                trace.full(event_class, opcode, version=version)
        cursor = reader.Cursor(b"".join(slices(recorder.plain(trace)).get(reader.SCHEMAS, [])))
        etwcap_fold.varint(cursor), etwcap_fold.varint(cursor), etwcap_fold.varint(cursor)
        while cursor.left():
            entry = cursor.number("B")
            if entry == 1:
                info = bytes(cursor.take(cursor.number("I")))
                count = struct.unpack_from("<I", info, 100)[0]
                found.setdefault(info[112:112 + 24 * count], info)
            elif entry == 2:
                cursor.take(12)
                cursor.take(4 * cursor.number("I"))
            else:
                cursor.take(16)
                cursor.take(cursor.number("H"))
    return list(found.values())


def session(number, **more):
    """Sessions of several kinds, in turn."""
    clock = (etl.CLOCK_SYSTEM, etl.CLOCK_QPC)[number % 2]
    return Trace(clock=clock, zone_names=ZONES[number % 3], utc_bias_minutes=(480, 300, -60)[number % 3], buffer_size=65536,
                 session=("Trace Session", "Logger", "Diagnostics")[number % 3], file_name=FOLDER + "Trace.%d.etl" % number,
                 timer_resolution=156250, **more)


def tracelogging(number):
    trace = session(number)
    for count in range(1 + number % 4):
        trace.tracelogging("Microsoft.Windows.Component", "Operation", [
            field("Message", "utf16z", "text %d" % count), field("Count", "u32", count), field("Name", "utf8z", "name"),
            field("Status", "hex32", 0, out="hresult"), field("Id", "guid", bytes(16)), field("Flag", "bool32", count % 2),
            field("PartA_PrivTags", "u64", 0x2000000)][:3 + number % 5], keyword=0x400000000000, channel=11)
    return trace


def messages(number):
    trace = session(number)
    for count in range(2 + number % 7):
        trace.message(10 + count % 3, struct.pack("<II", count, 0xC0000034) + etl.utf16z("text"), sequence=count + 1,
                      message_guid="{9b1dc5a1-3c3d-4f1e-8a9a-01020304050%d}" % (count % 2), pid=1000 + number, tid=2000 + count)
    return trace


def events(number):
    trace = session(number)
    for count in range(1 + number % 9):
        trace.event("{22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716}", id=1 + count % 3, version=1, opcode=count % 3, task=1,
                    keyword=0x8000000000000010, data=struct.pack("<IIQ", count, 4, 0xFFFFF80000000000) + etl.utf16z("text"),
                    activity=None if count % 2 else bytes(range(16)))
    return trace


def event_source(number):
    trace = session(number)
    trace.manifest("{1a2b3c4d-0000-0000-0000-000000000000}", MANIFEST)
    for count in range(number % 5):
        trace.event("{1a2b3c4d-0000-0000-0000-000000000000}", id=1, task=65533, data=struct.pack("<iq", count, count),
                    keyword=0x100000000000)
    return trace


def system(number):
    trace = session(number)
    trace.full("{68fdd900-4a3e-11d1-84f4-0000f80464e3}", 66, b"19041.1.amd64fre.vb_release.191206-1406\0",
               version=2)
    trace.full("{68fdd900-4a3e-11d1-84f4-0000f80464e3}", 64, bytes(16) + struct.pack("<I", 1) + b"component.pdb" + bytes(1), version=2)
    for count in range(1 + number % 4):
        trace.system(3, 1 + count % 4, struct.pack("<QIIIIiQ", 0xFFFF80000000, 4 * count, 4, 0, 1, 0, 0) + bytes(28)
                     + b"process.exe" + bytes(1) + etl.utf16z(""), version=4)
    return trace


def not_closed(number):
    return session(number, closed=False, events_lost=number % 2)


MAKERS = (tracelogging, messages, events, event_source, system, not_closed)


def content(recorder):
    wide = b"".join(layouts(recorder))
    for maker in (event_source, system, events, messages, tracelogging):
        parts = slices(recorder.plain(maker(4)))
        wide += b"".join(b"".join(parts.get(kind, [])) for kind in (reader.LOSS, reader.SCHEMAS, reader.EVENTS))
    parts = slices(recorder.plain(not_closed(3)))
    return narrow(wide + b"".join(b"".join(parts.get(kind, [])) for kind in (reader.LOSS, reader.TRACE, reader.FILE_INFO)))


def samples(recorder):
    """What the entropy tables are taken from."""
    made = [maker(number) for maker in MAKERS for number in range(10)]
    made += [random_traces.random_trace(random.Random(seed))[0] for seed in range(6)]
    return [narrow(recorder.plain(trace)) for trace in made]


class Parameters(ctypes.Structure):
    _fields_ = [("level", ctypes.c_int), ("notifications", ctypes.c_uint), ("id", ctypes.c_uint)]


def finish(text, examples):
    """zstd's header of entropy tables before the text."""
    make = reader._zstd.ZDICT_finalizeDictionary
    make.restype = ctypes.c_size_t
    make.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p,
                     ctypes.c_uint, Parameters]
    into = ctypes.create_string_buffer(len(text) + 4096)
    sizes = (ctypes.c_size_t * len(examples))(*map(len, examples))
    size = make(into, len(into), text, len(text), b"".join(examples), sizes, len(examples), Parameters(LEVEL, 0, NUMBER))
    if size > len(into):
        raise SystemExit("zstd cannot make a dictionary of it")
    return into.raw[:size]


def c_table(data):
    lines = (", ".join("0x%02x" % byte for byte in data[at:at + 16]) + ",\n" for at in range(0, len(data), 16))
    return "/* Made by tests/support/fold_dictionary.py; included by fold_dictionary.c alone. */\n" + "".join(lines)


def packed(data):
    return subprocess.run(["zstd", "-19", "-q", "--no-check"], input=data, stdout=subprocess.PIPE, check=True).stdout


def page_text(data):
    text = base64.b64encode(packed(data)).decode()
    lines = "\n".join(text[at:at + 120] for at in range(0, len(text), 120))
    return "### Dictionary %d\nThe base64 of a zstd frame that expands to its %s bytes (hash %016x):\n```\n%s\n```\n" % (
        NUMBER, format(len(data), ","), reader.xxh3(data), lines)


def replace(path, pattern, text):
    old = path.read_text(encoding="utf-8")
    path.write_text(re.sub(pattern, lambda _: text, old, count=1, flags=re.S), encoding="utf-8")


def main(build, *options):
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(pathlib.Path(build), folder)
        data = finish(content(recorder), samples(recorder))
    if "--check" in options:
        raise SystemExit(0 if data == etwcap_fold.dictionary(NUMBER) else "another dictionary: %d bytes" % len(data))
    (ETWCAP / "fold_dictionary.inc").write_text(c_table(data))
    replace(ETWCAP / "fold_dictionary.h", r"SIZE \w+u?\n", "SIZE %du\n" % len(data))
    replace(ETWCAP / "FORMAT.md", r"### Dictionary 1\n.*", page_text(data))


if __name__ == "__main__":
    main(*sys.argv[1:])
