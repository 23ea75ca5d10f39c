"""Who an event is about: processes, threads and images from the trace itself."""
import json
import struct

import etlwriter
import pytest
import state_oracle
from etlwriter import Trace, utf16z

PROCESS, THREAD, IMAGE = 0x03, 0x05, 0x14
PROCESS_CLASS, THREAD_CLASS = "{3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c}", "{3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c}"
IMAGE_CLASS, DISK_CLASS = "{2cb15d1d-5fc1-11d2-abe1-00a0c911f518}", "{3d6fa8d4-fe05-11d0-9dda-00c04fd7ba7c}"
IMAGE_ID_CLASS = "{b3e675d7-2554-4f18-830b-2762732560de}"
PERF_CLASS, KERNEL_PROCESS = "{ce1dbfb4-137e-4da6-87b0-3f59aa102cbc}", "{22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716}"
START, END, DC_START, DC_END = 1, 2, 3, 4
NOBODY = 0xFFFFFFFF


class Host(Trace):
    """A trace with the kernel's events on processes."""

    def process(self, opcode, pid, name, seconds, parent=4, command="", user="S-1-5-18", header=(NOBODY, NOBODY)):
        data = struct.pack("<QIIIIQI", pid, pid, parent, 1, 259, 0, 0)
        data += struct.pack("<QQ", 1, 0) + etlwriter.sid_bytes(user) + name.encode() + b"\0" + utf16z(command)
        self.full(PROCESS_CLASS, opcode, data + utf16z("") * 2, version=4, time=self.at(seconds), pid=header[0], tid=header[1])

    def thread(self, opcode, pid, tid, seconds):
        self.full(THREAD_CLASS, opcode, struct.pack("<II7QIBBBB", pid, tid, *[0] * 7, 0, 8, 5, 2, 0) + utf16z(""), version=3,
                  time=self.at(seconds), pid=pid, tid=tid)

    def image(self, opcode, pid, base, size, path, seconds):
        data = struct.pack("<QQIIIIQIIII", base, size, pid, 1, 2, 0, 0, 0, 0, 0, 0) + utf16z(path)
        self.full(IMAGE_CLASS, opcode, data, version=3, time=self.at(seconds), pid=NOBODY, tid=NOBODY)

    def about(self, event_class, opcode, version, data, seconds, pid=NOBODY, tid=NOBODY):
        self.full(event_class, opcode, data, version=version, time=self.at(seconds), pid=pid, tid=tid)


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """Process 100 is a.exe, then b.exe; 200 is known from the rundown at the end alone; 300's end was lost."""
    path = tmp_path_factory.mktemp("state") / "a.etl"
    out = Host()
    out.process(DC_START, 4, "System", 0.1, parent=0)
    out.process(START, 100, "a.exe", 1, command="a.exe -x", header=(4, 8))
    out.thread(START, 100, 40, 1.1)
    out.tracelogging("Shop", "FromA", pid=100, tid=40, time=out.at(1.5))
    out.tracelogging("Shop", "FromRundown", pid=200, tid=60, time=out.at(1.6))
    out.about(THREAD_CLASS, 36, 2, struct.pack("<II4b4bII", 40, 0, *[0] * 8, 0, 0), 1.7)
    out.about(PERF_CLASS, 46, 2, struct.pack("<QIHH", 0x1000, 40, 1, 0), 1.8)
    out.about(DISK_CLASS, 14, 3, struct.pack("<IIQQI", 0, 0, 60, 0, 40), 1.9)
    out.thread(END, 100, 40, 2)
    out.process(END, 100, "a.exe", 2.1, command="a.exe -x")
    out.process(START, 100, "b.exe", 3, parent=200)
    out.thread(START, 100, 40, 3)
    out.about(PERF_CLASS, 46, 2, struct.pack("<QIHH", 0x1000, 40, 1, 0), 3.1)
    out.thread(END, 100, 40, 3.2)
    out.thread(START, 200, 40, 3.3)
    out.about(PERF_CLASS, 46, 2, struct.pack("<QIHH", 0x1000, 40, 1, 0), 3.4)
    out.process(START, 300, "first.exe", 4)
    out.process(START, 300, "second.exe", 5)
    out.tracelogging("Shop", "FromFirst", pid=300, time=out.at(4.5))
    out.about(IMAGE_ID_CLASS, 0, 2, struct.pack("<QQII", 0x1000, 0x2000, 300, 0) + utf16z("a.dll"), 4.6, pid=4)
    out.tracelogging("Shop", "FromSecond", pid=300, time=out.at(5.5))
    out.tracelogging("Shop", "FromNobody", pid=999, time=out.at(5.6))
    out.process(DC_END, 200, "late.exe", 6, command="late.exe", parent=4)
    out.thread(DC_END, 200, 60, 6)
    out.write(path)
    return path


def names(events):
    return [(event["EventName"].split("/")[-1], event.get("ProcessName")) for event in events
            if event.get("ProviderName") == "Shop" or event["EventName"].split("/")[-1] in ("CSwitch", "SampleProf", "FlushBuffers", "ImageID")]


EXPECTED = [("FromA", "a.exe"), ("FromRundown", "late.exe"), ("CSwitch", "a.exe"), ("SampleProf", "a.exe"),
            ("FlushBuffers", "a.exe"), ("SampleProf", "b.exe"), ("SampleProf", "late.exe"), ("FromFirst", "first.exe"),
            ("ImageID", "first.exe"), ("FromSecond", "second.exe"), ("FromNobody", None)]


def test_each_event_names_the_process_it_is_about(tool, trace):
    assert names(tool.events(trace)) == EXPECTED


def test_a_saved_trace_names_the_same(native_tool, trace, tmp_path):
    saved = tmp_path / "a.etwcap"
    native_tool("etw-record", "--input", trace, "-o", saved)
    assert names(native_tool.events(saved)) == EXPECTED
    assert native_tool("etw-replay", saved, "--threads", 3).stdout == native_tool("etw-replay", saved, "--threads", 0).stdout


def test_a_pipe_names_what_came_before(native_tool, trace, tmp_path):
    saved = tmp_path / "a.etwcap"
    native_tool("etw-record", "--input", trace, "-o", saved)
    found = names(native_tool.events("-", input=saved.read_bytes()))
    assert found == [(event, None if name == "late.exe" else name) for event, name in EXPECTED]


def test_names_stand_behind_the_thread(native_tool, trace):
    line = native_tool("etw-replay", trace, "--where", "EventName == FromA").stdout.decode()
    assert '"ProcessId":100,"ThreadId":40,"ProcessName":"a.exe","ProcessorIndex"' in line
    assert "ProcessName" not in native_tool("etw-replay", trace, "--no-process-names").stdout.decode()
    assert " 100.40 a.exe [0] " in native_tool("etw-replay", trace, "--format", "text").stdout.decode()
    rows = native_tool("etw-replay", trace, "--format", "csv").stdout.decode().splitlines()
    assert rows[0].endswith(",ProcessName") and sum(row.endswith('"a.exe"') for row in rows) >= 4


def test_what_is_known_of_the_process_on_request(native_tool, trace):
    event, = native_tool.events(trace, "--where", "EventName == FromA", "--process-info")
    assert event["Process"] == {
        "ProcessId": 100, "ParentId": 4, "ParentName": "System", "SessionId": 1, "Start": "2024-05-01T12:00:01.0000000Z",
        "End": "2024-05-01T12:00:02.1000000Z", "User": "S-1-5-18", "CommandLine": "a.exe -x"}


@pytest.mark.parametrize("text, expected", [
    ("ProcessName == A.EXE and ProviderName == Shop", ["FromA"]), ("ProcessName startswith se", ["Process/Start", "FromSecond"]),
    ("ParentName == late.exe and EventName endswith SampleProf", ["PerfInfo/SampleProf"]),
    ("not has ProcessName and ProviderName == Shop", ["FromNobody"])])
def test_filters_know_processes(native_tool, trace, tmp_path, text, expected):
    assert [event["EventName"] for event in native_tool.events(trace, "--where", text)] == expected
    saved = tmp_path / "cut.etwcap"
    native_tool("etw-replay", "cut", trace, "-o", saved, "--where", text)
    assert [event["EventName"] for event in native_tool.events(saved)] == expected


def ps(tool, path, *options):
    return [json.loads(line) for line in tool("etw-replay", "ps", path, "--json", *options, status=None).stdout.splitlines()]


def test_ps_lists_lives(tool, trace):
    found = [(row["ProcessId"], row["ProcessName"], row.get("Start", "")[17:19], row.get("End", "")[17:21])
             for row in ps(tool, trace)]
    assert found == [(4, "System", "", ""), (100, "a.exe", "01", "02.1"), (100, "b.exe", "03", ""),
                     (300, "first.exe", "04", "04.9"), (300, "second.exe", "05", ""), (200, "late.exe", "", "")]


def test_ps_at_a_time(native_tool, trace):
    assert {row["ProcessName"] for row in ps(native_tool, trace, "--at", "+2s")} == {"System", "a.exe", "late.exe"}
    assert native_tool("etw-replay", "ps", trace, "--at", "noon", status=2).stderr


def test_ps_counts_what_is_about_a_process(native_tool, trace):
    a = next(row for row in ps(native_tool, trace) if row["ProcessName"] == "a.exe")
    assert a["Events"] == 8  # start and end, of the process and of the thread, and the four


def test_ps_draws_the_tree(native_tool, trace):
    lines = native_tool("etw-replay", "ps", trace, "--tree").stdout.decode().splitlines()[1:-1]
    tree = [(len(line) - len(line[:91].rstrip()), line[91:].split()[0]) for line in lines]
    indent = {line.split("S-1-5")[0].split()[-1]: len(line.split("S-1-5")[0].rstrip()) - len(line.split("S-1-5")[0].split()[-1])
              for line in lines}
    assert indent["System"] < indent["late.exe"] < indent["b.exe"] and indent["a.exe"] == indent["late.exe"], tree


def test_two_providers_tell_of_one_process_once(native_tool, tmp_path):
    out, path = Host(), tmp_path / "a.etl"
    start = struct.pack("<IQIII", 100, 0, 4, 1, 0) + utf16z(r"\Device\HarddiskVolume1\folder\longer-than-14.exe")
    out.event(KERNEL_PROCESS, id=1, data=start, version=1, time=out.at(1), opcode=1)
    out.process(START, 100, "longer-than-14.exe", 1.000001, command="x")
    out.process(END, 100, "longer-than-14.exe", 2)
    out.event(KERNEL_PROCESS, id=2, data=struct.pack("<I", 100) + bytes(60), time=out.at(2.000001), opcode=2)
    out.write(path)
    row, = ps(native_tool, path)
    assert (row["ProcessName"], row["CommandLine"], row["Image"][-10:]) == ("longer-than-14.exe", "x", "han-14.exe")


def test_parents_in_a_circle_end(native_tool, tmp_path):
    out, path = Host(), tmp_path / "a.etl"
    for pid, parent in ((8, 12), (12, 16), (16, 8), (20, 20)):
        out.process(DC_START, pid, "%d.exe" % pid, 1, parent=parent)
    out.write(path)
    assert native_tool("etw-replay", "ps", "--tree", path).stdout.decode().count(".exe") == 4


def test_hosts_are_kept_apart(native_tool, tmp_path):
    paths = []
    for number in (1, 2):
        out, path = Host(start=etlwriter.START + number * 10**12), tmp_path / ("%d.etl" % number)
        out.process(DC_START, 100, "host%d.exe" % number, 1)
        out.tracelogging("Shop", "Here", pid=100, time=out.at(2))
        out.write(path)
        paths.append(path)
    merged = tmp_path / "m.etwcap"
    native_tool("etw-replay", "merge", *paths, "-o", merged)
    found = [event["ProcessName"] for event in native_tool.events(merged) if event["EventName"] == "Here"]
    assert found == ["host1.exe", "host2.exe"]


def test_images_have_lives(tool, tmp_path):
    out, path = Host(), tmp_path / "a.etl"
    out.process(DC_START, 100, "a.exe", 0.1)
    out.image(DC_START, 0, 0xFFFFF80000000000, 0x1000, r"\SystemRoot\ntoskrnl.exe", 0.2)
    out.image(10, 100, 0x10000, 0x1000, r"\Windows\one.dll", 1)
    out.image(END, 100, 0x10000, 0x1000, r"\Device\HarddiskVolume1\Windows\one.dll", 2)
    out.image(10, 100, 0x10000, 0x1000, r"\Windows\two.dll", 3)
    out.image(END, 100, 0x20000, 0x1000, r"\Windows\before.dll", 3.5)
    out.write(path)
    rows = [json.loads(line) for line in tool("etw-replay", "images", path, "--json", "--process", "A.EXE").stdout.splitlines()]
    assert [(row["Image"].split("\\")[-1], row.get("Load", "")[17:19], row.get("Unload", "")[17:21]) for row in rows] == [
        ("one.dll", "01", "02.0"), ("two.dll", "03", ""), ("before.dll", "", "03.5")]
    assert rows[0]["Image"].startswith("\\Device")
    assert b"ntoskrnl.exe" in tool("etw-replay", "images", path).stdout


def ms(time):
    """Kernel-Process tells of the same moments 1 us before."""
    return time and time[:23]


FIGURES = {"net.4.5.2.x64": (33, 2, 672, 1798, 141), "net.4.5.x86.old": (48, 0, 652, 2805, 141),
           "dotnet-performance__vs-gconly": (520, 361, 25049, 0, 0), "diaghub.kernel.1": (241, 9, 0, 15160, 187),
           "ShutdownPerfDiagLogger": (97, 5, 1532, 6936, 196)}


@pytest.mark.parametrize("name", FIGURES)
def test_real_traces_give_what_others_found_in_them(native_tool, corpus, name):
    last = native_tool("etw-replay", "ps", corpus(name + ".etl"), status=None).stdout.decode().splitlines()[-1]
    assert tuple(int(word) for word in last.replace(",", "").split() if word.isdigit()) == FIGURES[name]


@pytest.mark.parametrize("name", FIGURES)
def test_real_traces_give_what_a_second_program_finds(native_tool, corpus, name):
    path = corpus(name + ".etl")
    where = "EventName startswith Process/ or EventName startswith Thread/ or EventName startswith Image/"
    events = native_tool.events(path, "--no-process-names", "--where", where, status=None)
    found = sorted((row["ProcessId"], row["ProcessName"], ms(row.get("Start")), ms(row.get("End")))
                   for row in ps(native_tool, path))
    assert found == [(pid, name, ms(start), ms(end)) for pid, name, start, end in state_oracle.processes(events)]
    lines = native_tool("etw-replay", "images", path, "--json", status=None).stdout.splitlines()
    rows = map(json.loads, lines)
    assert sorted((row["ProcessId"], int(row["Base"], 0), row.get("Load", ""), row.get("Unload", ""))
                  for row in rows) == state_oracle.images(events)
    assert state_oracle.threads(events) == FIGURES[name][2]


# Stacks.

STACK_CLASS = "{def2fe46-7bd6-4b80-bd94-f57fe20d0ce3}"
KERNEL_ADDRESS, USER_ADDRESS = 0xFFFFF80000000010, 0x10010
CLR = "{e13c0d23-ccbc-4e12-931b-d9cc2eee27e4}"


def stacks_of(events, name):
    found = [event.get("ExtendedInfo", {}).get("StackTrace") for event in events
             if event.get("EventName", "").split("/")[-1] == name or event.get("Id") == name]
    return [stack and [int(address, 0) for address in stack["Addresses"]] for stack in found]


class Stacked(Host):
    def walk(self, of, seconds, addresses, tid=40, pid=100, opcode=32, cpu=0):
        """of: seconds of the event that the stack belongs to."""
        data = struct.pack("<qII", self.at(of), pid, tid) + struct.pack("<%dQ" % len(addresses), *addresses)
        self.full(STACK_CLASS, opcode, data, version=2, time=self.at(seconds), pid=NOBODY, tid=NOBODY, cpu=cpu)

    def define(self, key, seconds, addresses, opcode=35):
        self.full(STACK_CLASS, opcode, struct.pack("<%dQ" % (1 + len(addresses)), key, *addresses), version=2,
                  time=self.at(seconds), pid=NOBODY, tid=NOBODY)

    def sample(self, seconds, tid=40, cpu=0):
        self.full(PERF_CLASS, 46, struct.pack("<QIHH", KERNEL_ADDRESS, tid, 1, 0), version=2, time=self.at(seconds),
                  pid=NOBODY, tid=NOBODY, cpu=cpu)


def stacked(tmp_path, *steps):
    out, path = Stacked(processors=2), tmp_path / "a.etl"
    out.process(DC_START, 100, "a.exe", 0.1)
    out.image(DC_START, 0, 0xFFFFF80000000000, 0x1000, r"\SystemRoot\ntoskrnl.exe", 0.2)
    out.image(DC_START, 100, 0x10000, 0x1000, r"\Windows\one.dll", 0.3)
    out.thread(DC_START, 100, 40, 0.4)
    for name, *arguments in steps:
        getattr(out, name)(*arguments)
    out.write(path)
    return path


def test_a_stack_is_joined_to_its_event(tool, tmp_path):
    path = stacked(tmp_path, ("sample", 1), ("walk", 1, 1.1, [KERNEL_ADDRESS]), ("walk", 1, 1.2, [USER_ADDRESS, 0x7FF000000000, 0]))
    event = next(event for event in tool.events(path) if event.get("EventName") == "PerfInfo/SampleProf")
    assert event["ExtendedInfo"] == {"StackTrace": {
        "Addresses": ["0xFFFFF80000000010", "0x10010", "0x7FF000000000"], "Modules": ["ntoskrnl.exe+0x10", "one.dll+0x10", "?"]}}


def test_one_user_part_serves_a_stay_in_the_kernel(native_tool, tmp_path):
    path = stacked(tmp_path, ("sample", 0.9), ("walk", 0.9, 0.95, [KERNEL_ADDRESS + 9]), ("sample", 1),
                   ("walk", 1, 1.1, [KERNEL_ADDRESS]), ("sample", 2), ("walk", 2, 2.1, [KERNEL_ADDRESS + 1]),
                   ("walk", 1, 2.2, [USER_ADDRESS]), ("sample", 3), ("walk", 3, 3.1, [KERNEL_ADDRESS + 2]))
    assert stacks_of(native_tool.events(path), "SampleProf") == [
        [KERNEL_ADDRESS + 9], [KERNEL_ADDRESS, USER_ADDRESS], [KERNEL_ADDRESS + 1, USER_ADDRESS], [KERNEL_ADDRESS + 2]]
    last = native_tool.events(path)[-2]
    assert last["ExtendedInfo"]["StackTrace"]["Missing"] == "the process' part"


def test_the_idle_thread_of_each_processor_has_its_own(native_tool, tmp_path):
    path = stacked(tmp_path, ("sample", 1, 0, 0), ("sample", 1, 0, 1), ("walk", 1, 1.1, [KERNEL_ADDRESS], 0, 0, 32, 0),
                   ("walk", 1, 1.1, [KERNEL_ADDRESS + 1], 0, 0, 32, 1))
    assert sorted(stacks_of(native_tool.events(path), "SampleProf")) == [[KERNEL_ADDRESS], [KERNEL_ADDRESS + 1]]


def test_a_key_stands_for_its_next_definition_of_its_kind(native_tool, tmp_path):
    path = stacked(tmp_path, ("sample", 1), ("walk", 1, 1.1, [77], 40, 100, 37), ("walk", 1, 1.2, [77], 40, 100, 38),
                   ("define", 77, 1.3, [USER_ADDRESS]), ("define", 77, 1.4, [KERNEL_ADDRESS]),
                   ("sample", 2), ("walk", 2, 2.1, [77], 40, 100, 38), ("define", 77, 2.2, [USER_ADDRESS + 4], 36),
                   ("sample", 3), ("walk", 3, 3.1, [78], 40, 100, 38))
    assert stacks_of(native_tool.events(path), "SampleProf") == [[KERNEL_ADDRESS, USER_ADDRESS], [USER_ADDRESS + 4], None]


def test_a_stack_of_the_clr_belongs_to_the_event_before(native_tool, tmp_path):
    out, path = Stacked(), tmp_path / "a.etl"
    frames = [USER_ADDRESS + index for index in range(5)]
    for tid in (40, 44):
        out.event(CLR, id=10, data=bytes(20), pid=100, tid=tid, time=out.at(tid / 40))
    for second, (tid, addresses) in enumerate(((40, frames), (44, frames[:2]), (44, frames[:1]))):
        data = struct.pack("<HBBI", 1, 0, 0, len(addresses)) + struct.pack("<%dQ" % len(addresses), *addresses)
        out.event(CLR, id=82, data=data, pid=100, tid=tid, time=out.at(2 + second))
    out.write(path)
    events = native_tool.events(path)
    assert stacks_of(events, 10) == [frames, frames[:2]]
    assert stacks_of(events, 82) == [frames, frames[:2], frames[:1]]


def test_how_much_of_stacks_is_shown(native_tool, tmp_path):
    path = stacked(tmp_path, ("sample", 1), ("walk", 1, 1.1, [KERNEL_ADDRESS]))
    show = lambda how: native_tool("etw-replay", path, "--stacks", how).stdout.decode()  # noqa: E731
    assert "StackTrace" not in show("none") and '"Modules"' not in show("addresses") and '"Addresses"' in show("addresses")
    assert show("modules") == native_tool("etw-replay", path).stdout.decode()
    assert native_tool("etw-replay", path, "--threads", 0).stdout == native_tool("etw-replay", path, "--threads", 3).stdout
    saved = tmp_path / "a.etwcap"
    native_tool("etw-record", "--input", path, "-o", saved)
    assert native_tool("etw-replay", saved).stdout.decode() == show("modules")


def test_methods_of_net_are_named(native_tool, tmp_path):
    out, path = Stacked(), tmp_path / "a.etl"
    rundown = "{a669021c-c450-4609-a035-5af59af4df18}"

    def method(provider, id, start, name, seconds):
        data = struct.pack("<QQQIII", 1, 2, start, 0x20, 3, 8) + utf16z("Shop.Till") + utf16z(name) + utf16z("void  ()")
        out.event(provider, id=id, data=data + bytes(10), version=2, pid=100, time=out.at(seconds))

    out.image(DC_START, 100, 0x90000, 0x1000, r"\Windows\till.ni.dll", 0.1)
    method(CLR, 143, 0x5000, "Open", 1)
    method(CLR, 144, 0x5000, "Open", 2)
    method(CLR, 143, 0x5000, "Close", 3)
    method(rundown, 144, 0x90100, "Ring", 9)
    method(rundown, 143, 0x6000, "Start", 0.2)
    method(CLR, 140, 0x6100, "EndV2", 9)
    entry_points = [("Bound", 0x90200), ("Inner", 0x90108)]
    for name, start in entry_points:  # of precompiled code: no size is known
        out.event(CLR, id=159, data=struct.pack("<Q", 1) + utf16z("Shop") + utf16z(name) + utf16z("void ()") + struct.pack("<QH", start, 1),
                  pid=100, time=out.at(5))
    for seconds in (1.5, 3.5):
        out.sample(seconds)
        out.walk(seconds, seconds + 0.1, [0x5004, 0x90110, 0x6001, 0x6102, 0x90200, 0x90201, 0x8000])
    out.write(path)
    names = [event["ExtendedInfo"]["StackTrace"]["Modules"] for event in native_tool.events(path, "--stacks", "names")
             if event.get("EventName") == "PerfInfo/SampleProf"]
    assert names == [["Shop.Till.%s+0x4" % name, "till.ni.dll!Shop.Till.Ring+0x10", "Shop.Till.Start+0x1", "Shop.Till.EndV2+0x2",
                      "till.ni.dll!Shop.Bound+0x0", "till.ni.dll+0x201", "?"] for name in ("Open", "Close")]


def resolved(events, wanted):
    modules = [name for event in events if wanted(event) for name in event["ExtendedInfo"]["StackTrace"].get("Modules", ["?"])]
    return sum(name != "?" for name in modules) / len(modules)


@pytest.mark.parametrize("name, samples, least, least_items", [("net.4.5.2.x64", 6318, 0.998, 0.997),
                                                               ("net.4.5.x86.old", 16684, 0.998, 0.942)])
def test_real_traces_have_all_their_stacks(native_tool, corpus, name, samples, least, least_items):
    """The figures were found by other programs; each StackWalk event must have reached an event of its time and thread."""
    events = native_tool.events(corpus(name + ".etl"), "--raw-time", status=None)
    kernel = [event for event in events if event.get("ProviderName") == "MSNT_SystemTrace" and "StackTrace" in event.get("ExtendedInfo", {})]
    times = {event["TimeStamp"] for event in kernel}
    walks = [int(event["EventProperties"]["EventTimeStamp"]) for event in events
             if event.get("EventName") in ("StackWalk/Stack", "StackWalk/StackKeyKernel", "StackWalk/StackKeyUser")]
    assert len(walks) == {"net.4.5.2.x64": 9359, "net.4.5.x86.old": 18532}[name] and set(walks) <= times
    assert sum(event["EventName"] == "PerfInfo/SampleProf" for event in kernel) == samples
    assert resolved(kernel, lambda event: True) >= least
    items = [event for event in events if "MatchId" in event.get("ExtendedInfo", {}).get("StackTrace", {})]
    assert resolved(items, lambda event: True) >= least_items
    clr = [event for event in events if event.get("ProviderName") == "Microsoft-Windows-DotNETRuntime"
           and event["Id"] != 82 and "StackTrace" in event.get("ExtendedInfo", {})]
    assert len(clr) == {"net.4.5.2.x64": 14983, "net.4.5.x86.old": 54165}[name]


def the_end_of(native_tool, path, count):
    """The last lines, as --tail gives them, and as the whole has them."""
    words = ("etw-replay", path, "--stacks", "names", "-q")
    return (native_tool(*words, "--tail", count, status=None).stdout.splitlines(),
            native_tool(*words, status=None).stdout.splitlines()[-count:])


def test_the_last_events_have_their_names_and_stacks(native_tool, tmp_path):
    steps = [step for second in range(1, 9) for step in (("sample", second), ("walk", second, second + 0.1, [KERNEL_ADDRESS]),
                                                         ("walk", second, second + 0.2, [USER_ADDRESS + second]))]
    native_tool("etw-record", "--input", stacked(tmp_path, *steps), "-o", tmp_path / "a.etwcap")
    tail, whole = the_end_of(native_tool, tmp_path / "a.etwcap", 4)
    assert tail == whole and b"one.dll+0x18" in tail[1]


@pytest.mark.parametrize("name", ["net.4.5.2.x64", "net.4.5.x86.old"])
def test_the_last_events_of_real_traces_have_them(native_tool, corpus, tmp_path, name):
    native_tool("etw-record", "-q", "--input", corpus(name + ".etl"), "-o", tmp_path / "a.etwcap")
    tail, whole = the_end_of(native_tool, tmp_path / "a.etwcap", 60000)
    assert tail == whole and sum(b"StackTrace" in line for line in tail) > 800
