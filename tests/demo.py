"""The main job, shown: makes a small .etl trace, records it into an .etwcap file and replays that.

    tests/demo.py FOLDER-OF-THE-TOOLS FOLDER-FOR-THE-FILES
"""
import os
import shlex
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from etlwriter import Trace, field, related_activity, stack64, utf16z  # noqa: E402

LOOKUPS = [("example.com", 1, ["93.184.215.14"], 0), ("debian.org", 28, ["2603:400a:ffff:bb8::801f:3e"], 0),
           ("no-such-name.example", 1, [], 9003)]
REQUEST = "{5e3c1f5a-7d1e-4a58-9d1f-6a7b8c9d0e1f}"
KERNEL_PROCESS, PROCESS_START = 3, 1  # hook id of the kernel's process records


def process_start(pid, image, command_line):
    """The data of a kernel record of the class Process_V3_TypeGroup1, 64 bit, without a SID."""
    still_active = 259
    return struct.pack("<QIIIiQI", 0xFFFFA00000000000 + pid, pid, 4, 1, still_active, 0x1AB000, 0) \
        + image.encode() + b"\0" + utf16z(command_line)


def make(path):
    """A process starts and looks up names, on two processors; the provider describes itself (TraceLogging)."""
    trace = Trace(processors=2, session="demo")
    trace.system(KERNEL_PROCESS, PROCESS_START, process_start(1234, "resolver.exe", "resolver.exe /demo"), version=3)
    for number, (name, kind, answers, status) in enumerate(LOOKUPS):
        activity = "{00000000-0000-4000-8000-%012x}" % number
        common = {"pid": 1234, "tid": 5678, "activity": activity, "cpu": number % 2}
        trace.tracelogging("Demo-Resolver", "QueryStart", [
            field("QueryName", "utf16z", name), field("QueryType", "u16", kind)], opcode=1, keyword=1,
            time=trace.at(number * 0.5 + 0.001), items=[related_activity(REQUEST)], **common)
        trace.tracelogging("Demo-Resolver", "QueryStop", [
            field("QueryName", "utf16z", name), field("Status", "u32", status, out="win32error"),
            field("Answers", "utf8", answers)], opcode=2, keyword=1, level=4 if status == 0 else 2,
            time=trace.at(number * 0.5 + 0.0133456), items=[stack64(0, [0x7FF812340000, 0x7FF812345678])], **common)
    trace.write(path)


def show(*words):
    """Prints a command as one would type it, runs it, and fails when it fails."""
    print("\n$ " + " ".join(map(shlex.quote, words)), flush=True)
    subprocess.run(words, check=True)


def main(tools, folder):
    os.makedirs(folder, exist_ok=True)
    etl, etwcap = os.path.join(folder, "demo.etl"), os.path.join(folder, "demo.etwcap")
    make(etl)
    if os.path.exists(etwcap):
        os.remove(etwcap)
    print("%s: %d bytes, made by tests/support/etlwriter.py" % (etl, os.path.getsize(etl)))
    show(os.path.join(tools, "etw-record"), "--input", etl, "-o", etwcap)
    show(os.path.join(tools, "etw-replay"), "info", etwcap)
    show(os.path.join(tools, "etw-replay"), "--format", "text", etwcap)
    show(os.path.join(tools, "etw-replay"), "--provider", "Demo-Resolver", "--level", "2", etwcap)


if __name__ == "__main__":
    main(*sys.argv[1:])
