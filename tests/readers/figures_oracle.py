"""What an analyst's questions rest on, counted in the raw payloads of an .etl file: written from the documents alone.

    figures_oracle.of(path)   # a dictionary: processes, threads, images, stacks, samples, pauses of .NET
"""
import bisect
import collections
import struct

import etl_oracle

PROCESS, THREAD, IMAGE = ("{3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c}", "{3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c}",
                          "{2cb15d1d-5fc1-11d2-abe1-00a0c911f518}")
PERF_INFO, STACK_WALK = "{ce1dbfb4-137e-4da6-87b0-3f59aa102cbc}", "{def2fe46-7bd6-4b80-bd94-f57fe20d0ce3}"
PAGE_FAULT, DISK = "{3d6fa8d3-fe05-11d0-9dda-00c04fd7ba7c}", "{3d6fa8d4-fe05-11d0-9dda-00c04fd7ba7c}"
NEVER_WITH_STACK = (STACK_WALK, "{b3e675d7-2554-4f18-830b-2762732560de}", "{01853a65-418f-4f36-aefc-dc0f1d2fd235}")
CLR, CLR_PRIVATE = "{e13c0d23-ccbc-4e12-931b-d9cc2eee27e4}", "{763fd754-7086-4dfe-95eb-c01a46faf4ca}"
CLR_RUNDOWN = "{a669021c-c450-4609-a035-5af59af4df18}"
START, END, DC_START, DC_END, LOAD, DEFUNCT = 1, 2, 3, 4, 10, 39
SAMPLE, DPC, ISR = 46, 1, 2


class Event:
    def __init__(self, raw):
        self.provider, self.id, self.version, self.opcode = raw.fields[:4]
        self.process, self.thread = raw.fields[8:10]
        self.ticks, self.cpu, self.data, self.items = raw.ticks, raw.cpu, raw.payload, raw.items
        self.is_classic = bool(raw.flags & 0x100)
        self.pointer = 4 if raw.flags & 0x20 else 8

    def number(self, at, form="I"):
        return struct.unpack_from("<" + form, self.data, at)[0]

    def address(self, at):
        return self.number(at, "Q" if self.pointer == 8 else "I")

    def addresses(self, at):
        count = (len(self.data) - at) // self.pointer
        return struct.unpack_from("<%d%s" % (count, "Q" if self.pointer == 8 else "I"), self.data, at)


def lives(steps, begin, end):
    """How many lives the opcodes of one id tell of, in the order of time."""
    count, is_alive = 0, False
    for opcode in steps:
        count += opcode == begin or not is_alive
        is_alive = opcode != end
    return count


def counted(events, provider, opcodes, key, begin, end):
    steps = collections.defaultdict(list)
    for event in events:
        if event.is_classic and event.provider == provider and event.opcode in opcodes:
            steps[key(event)].append(event.opcode)
    return {name: lives(list_, begin, end) for name, list_ in steps.items()}


def image_key(event):
    return (event.number(2 * event.pointer) if event.version else event.process), event.address(0)


class Code:
    """Which addresses lie in images, and in methods of .NET, at whatever time."""

    def __init__(self, events):
        images, methods = collections.defaultdict(set), collections.defaultdict(set)
        for event in events:
            if event.is_classic and event.provider == IMAGE and event.opcode in (END, DC_START, DC_END, LOAD):
                images[image_key(event)[0]].add((event.address(0), event.address(event.pointer)))
            elif event.provider in (CLR, CLR_RUNDOWN) and event.id in (143, 144) and not event.is_classic:
                methods[event.process].add((event.number(16, "Q"), event.number(24)))
        self.images = {pid: sorted(ranges) for pid, ranges in images.items()}
        self.methods = {pid: sorted(ranges) for pid, ranges in methods.items()}
        self.known = {}

    @staticmethod
    def _has(ranges, address):
        at = bisect.bisect_right(ranges, (address, 1 << 64))
        return any(address - start < size for start, size in ranges[max(0, at - 64):at])

    def has(self, pid, address):
        if (pid, address) not in self.known:
            self.known[pid, address] = any(self._has(table.get(of, ()), address) for table, of in (
                (self.images, pid), (self.images, 0), (self.methods, pid)))
        return self.known[pid, address]


class Stack:
    def __init__(self, pid):
        self.pid, self.kernel, self.user = pid, (), ()

    def frames(self):
        return self.kernel + self.user


def without_zeros(frames):
    while frames and frames[-1] == 0:
        frames = frames[:-1]
    return frames


def is_kernel(frames, pointer):
    return frames[-1] >= (0x800000000000 if pointer == 8 else 0x80000000)


def fragments(events):
    """(event, time and thread it belongs to, pid, frames) of each StackWalk event whose frames are known."""
    waiting, out = collections.defaultdict(list), []
    for event in events:
        if event.provider != STACK_WALK or not event.is_classic:
            continue
        if event.opcode in (32, 37, 38):
            ticks, pid, tid = struct.unpack_from("<qII", event.data)
            entry = [event, (ticks, tid, event.cpu if tid == 0 else 0), pid, None]
            out.append(entry)
            if event.opcode == 32:
                entry[3] = without_zeros(event.addresses(16))
            else:
                waiting[event.address(16), event.opcode == 37].append(entry)
        elif event.opcode in (35, 36):
            frames = without_zeros(event.addresses(event.pointer))
            for entry in waiting.pop((event.address(0), is_kernel(frames, event.pointer)), ()) if frames else ():
                entry[3] = frames
    return out


def join(events):
    """The stacks of classic events by (ticks, thread, processor of the idle thread): a user part serves all that the
    thread logged in its stay in the kernel, from the part's own time until it was logged."""
    stacks, entered = {}, collections.defaultdict(list)
    for event, key, pid, frames in fragments(events):
        if not frames:
            continue
        stack = stacks.setdefault(key, Stack(pid))
        if is_kernel(frames, event.pointer):
            stack.kernel = frames
            if pid not in (0, 4):
                entered[key[1]].append((key[0], stack))
            continue
        stack.user = frames
        begins_in_kernel = is_kernel(frames[:1], event.pointer)
        for ticks, other in entered.pop(key[1], ()):
            if ticks >= key[0] and not other.user and not begins_in_kernel:
                other.user = frames
    return stacks


def payload_thread(event):
    if event.provider == PERF_INFO and event.opcode in (46, 47):
        return event.number(event.pointer)
    if event.provider == THREAD and event.opcode in (START, END, DC_START, DC_END):
        return event.number(4)
    if event.provider == PAGE_FAULT and event.opcode == 32:
        return event.number(16 + 2 * event.pointer)
    return None


def stack_of(event, stacks):
    if event.provider in NEVER_WITH_STACK or (event.provider == DISK and event.opcode in (10, 11, 14)):
        return None
    for tid in (event.thread, payload_thread(event)):
        if tid is not None:
            found = stacks.get((event.ticks, tid, event.cpu if tid == 0 else 0))
            if found and found.frames():
                return found
    return None


def of_stacks(events, code):
    stacks = join(events)
    figures = collections.Counter(fragments=sum(event.provider == STACK_WALK and event.opcode in (32, 37, 38)
                                                for event in events if event.is_classic))
    for event in events:
        if not event.is_classic:
            continue
        stack = stack_of(event, stacks)
        if stack:
            figures["stacks"] += 1
            figures["frames"] += len(stack.frames())
            figures["resolved"] += sum(code.has(stack.pid, address) for address in stack.frames())
        if event.provider == PERF_INFO and event.opcode == SAMPLE:
            flags = event.data[event.pointer + 6] if len(event.data) > event.pointer + 6 else 0
            is_idle = event.number(event.pointer) == 0
            figures["samples"] += 1
            figures["idle samples"] += is_idle
            figures["samples with stack"] += bool(stack)
            figures["folded"] += not is_idle or bool(flags & (DPC | ISR))
    return figures


def of_items(events, code):
    figures = collections.Counter()
    for event in events:
        for kind, data in event.items:
            if kind in (5, 6):
                form = "I" if kind == 5 else "Q"
                frames = struct.unpack("<%d%s" % ((len(data) - 8) // struct.calcsize(form), form), data[8:])
                figures["item frames"] += len(frames)
                figures["item frames resolved"] += sum(code.has(event.process, address) for address in frames)
    return figures


def of_clr(events, code):
    """CLRStackWalk belongs to the runtime's last event on its thread; a pause is from SuspendEEBegin to RestartEEEnd."""
    figures, last, halted, collections_ = collections.Counter(), {}, set(), set()
    for event in events:
        if event.is_classic or event.provider not in (CLR, CLR_PRIVATE):
            continue
        if event.id == (82 if event.provider == CLR else 151):
            figures["clr stacks"] += last.pop((event.process, event.thread), None) is not None
            frames = without_zeros(event.addresses(8))
            figures["clr frames"] += len(frames)
            figures["clr frames resolved"] += sum(code.has(event.process, address) for address in frames)
            continue
        last[event.process, event.thread] = event
        if event.provider != CLR:
            continue
        if event.id == 9:
            halted.add(event.process)
        elif event.id == 3 and event.process in halted:
            halted.remove(event.process)
            figures["pauses"] += 1
        elif event.id == 1:
            collections_.add((event.process, event.number(0)))
    figures["collections"] = len(collections_)
    return figures


def of(path):
    events = [Event(raw) for raw in etl_oracle.records(path)]
    lasting = (START, END, DC_START, DC_END)
    processes = counted(events, PROCESS, lasting, lambda e: e.number(e.pointer if e.version else 0), START, END)
    threads = counted(events, THREAD, lasting, lambda e: e.number(4 if e.version else 0), START, END)
    images = counted(events, IMAGE, (END, DC_START, DC_END, LOAD), image_key, LOAD, END)
    code = Code(events)
    figures = collections.Counter({
        "events": len(events),
        "processes": sum(processes.values()),
        "defunct": sum(e.is_classic and e.provider == PROCESS and e.opcode == DEFUNCT for e in events),
        "threads": sum(1 if tid == 0 else count for tid, count in threads.items()),
        "images": sum(images.values()),
        "kernel images": sum(count for (pid, _), count in images.items() if pid == 0)})
    for part in (of_stacks(events, code), of_items(events, code), of_clr(events, code)):
        figures.update(part)
    return figures


if __name__ == "__main__":
    import sys
    for name, figure in of(sys.argv[1]).items():
        print("%-22s %d" % (name, figure))
