"""The classic kernel classes on the trace corpus: how many records are shown to their last byte, and whether their
values are those that TraceEvent, an independent reader, printed (corpus/baseline)."""
import collections
import re

import pytest

# Classes that carry no kernel event: schemas for other events, and compressed WinSAT reports.
NOT_KERNEL = ("{bbccf6c1-6cd1-48c4-80ff-839482e37671}", "{ed54dff8-c409-4cf6-bf83-05e1e61a09c4}")

# TraceEvent's names of classes and event types, where they are not the MOF's.
TASKS = {"DiskIO": "DiskIo", "FileIO": "FileIo", "Memory": "PageFault"}
TYPES = {"Stop": "End", "DCStop": "DCEnd", "Unload": "UnLoad", "RundownComplete": "RDComplete", "Sample": "SampleProf"}
NAMES = {"PageDirectoryBase": "DirectoryTableBase", "StartAddr": "Affinity", "ThreadID": "TThreadId",
         "MemoryCount": "PageFaultCount", "SampleSource": "Source", "SessionName": "SessionNameString",
         "LogFileName": "LogFileNameString"}
# What TraceEvent computes instead of reading: file names in DOS form from volume maps, process names from process
# events; the rest it reads at the offsets of an older version.
COMPUTED = {("Image", "FileName"), ("DiskIo", "FileName"), ("PageFault", "FileName"), ("SystemConfig", "ProcessName"),
            ("SystemConfig", "PdoName"), ("SystemConfig", "IRQNum"), ("SystemConfig", "DeviceDescription")}


class Record:
    def __init__(self, line):
        head, event, *values = line.split("\t")
        (self.guid, self.opcode, self.version, self.pointer_size, self.ticks, self.size, self.consumed,
         self.state) = head.split(" ")
        self.event = event
        self.values = collections.OrderedDict()
        for value in values:
            name, _, text = value.partition("=")
            self.values.setdefault(name.lower(), text)


def records(native_tool, path):
    lines = native_tool("tests/classic_dump", path).stdout.decode().split("\n")
    return [Record(line) for line in lines if line and not line.startswith(NOT_KERNEL)]


@pytest.fixture(scope="module")
def traces(native_tool, corpus):
    return {path.name: records(native_tool, path) for path in sorted(corpus().glob("*.etl"))}


def test_99_percent_of_the_kernel_records_are_shown_to_the_last_byte(traces):
    kinds = collections.defaultdict(collections.Counter)
    for found in traces.values():
        for record in found:
            kinds[record.event, record.guid, int(record.opcode), int(record.version), record.pointer_size][record.state] += 1
    print("\n%-32s %6s %3s %3s %8s %8s %8s %8s" % ("event", "opcode", "ver", "ptr", "ok", "left", "short", "none"))
    for (event, guid, opcode, version, pointer_size), states in sorted(kinds.items(), key=lambda kind: kind[0][1:]):
        print("%-32s %6d %3d %3s %8d %8d %8d %8d" % ((event or guid, opcode, version, pointer_size) + tuple(
            states[state] for state in ("ok", "left", "short", "none"))))
    total = sum(kinds.values(), collections.Counter())
    print("all", dict(total))
    assert sum(total.values()) > 300000
    assert total["ok"] >= 0.99 * sum(total.values())
    # What is left over: traces whose writer put 64-bit structures, and SIDs without their pointer, below 32-bit headers.
    for name, found in traces.items():
        bad = [record for record in found if record.state != "ok"]
        assert not bad or re.match(r"image_data_64_v\d|process_data_\d\d_v\d", name), (name, bad[0].__dict__)


def number(text):
    text = text.replace(",", "")
    if re.fullmatch(r"0x[0-9a-fA-F]+|-?\d+", text):
        return int(text, 0)
    return None


def equal(expected, found):
    """Whether TraceEvent's text, cut at 20 characters, can be that of the value; None where it is of another kind."""
    start = expected[:-3] if expected.endswith("...") else None
    if re.fullmatch(r"\{[0-9a-f-]{36}\}", found):
        found = found[1:-1]
    if re.match(r"\d{4}-\d\d-\d\dT", found):
        found = found[2:].replace("-", "/").replace("T", " ")
    if expected == found or start is not None and found.lower().startswith(start.lower()):
        return True
    left, right = number(expected), number(found)
    if left is not None and right is not None:
        return any((left - right) % (1 << bits) == 0 for bits in (32, 64))
    if expected in ("True", "False"):
        return (expected == "True") == (right != 0)
    if start is not None and number(start) is not None and right is not None:
        return any(format(value, form).startswith(start.replace(",", "").replace("0x", ""))
                   for value in (right, right - (1 << 64)) for form in "dx")
    return None if right is not None or not found else False


def baseline(corpus, name):
    """(event, {field: text}) of each line of a baseline about a kernel event."""
    text = (corpus().parent / "baseline" / name).read_text(errors="replace")
    for line in text.splitlines():
        match = re.match(r"EVENT [\d,.]+: (?:Windows Kernel|KernelTraceControl)/([^/ ]+)/(\S+) PID=", line)
        if match:
            fields = re.findall(r"(\w+)=(.*?); ", line[match.end():] + " ")
            yield "%s/%s" % (TASKS.get(match.group(1), match.group(1)), TYPES.get(match.group(2), match.group(2))), fields


def fields_that_differ(event, fields, record):
    """How many fields could be compared, and which of them differ."""
    task, compared, different = event.split("/")[0], 0, []
    for name, expected in fields:
        for candidate in (NAMES.get(name, name), name):
            found = record.values.get(candidate.lower())
            if found is not None and (task, candidate) not in COMPUTED:
                verdict = equal(expected, found)
                compared += verdict is not None
                different += [] if verdict or verdict is None else [(name, expected, found)]
                break
    return compared, different


@pytest.mark.parametrize("name, files", [
    ("net.4.5.2.x64.baseline.txt", ["net.4.5.2.x64.etl"]),
    ("net.4.5.x86.old.baseline.txt", ["net.4.5.x86.old.etl"]),
])
def test_values_are_those_of_traceevent(traces, corpus, name, files):
    by_event = collections.defaultdict(list)
    for record in (record for file in files for record in traces[file]):
        by_event[record.event.lower(), record.size].append(record)
    lines = fields_compared = 0
    for event, fields in baseline(corpus, name):
        size = dict(fields)["DataLen"].replace(",", "")
        candidates = [record for key in {event, event + "IPV4"} for record in by_event.get((key.lower(), size), ())]
        if not candidates:
            continue
        payload = fields[[field for field, _ in fields].index("DataLen") + 1:]
        outcomes = (fields_that_differ(event, payload, record) for record in candidates)
        compared, different = min(outcomes, key=lambda outcome: len(outcome[1]))
        assert not different, (event, different)
        lines += 1
        fields_compared += compared
    print("%s: %d events, %d fields equal" % (name, lines, fields_compared))
    assert lines > 20 and fields_compared > 100
