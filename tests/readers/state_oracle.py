"""Processes, threads and images from events as etw-replay prints them: written from the rules alone, for tests.

    state_oracle.processes(events)   # [(pid, name, start or None, end or None)], sorted
    state_oracle.threads(events)     # how many there were; the idle thread is one
    state_oracle.images(events)      # [(pid, base, load or None, unload or None)], sorted

Traces of one host without Kernel-Process events alone; times are texts, which sort as times do.
"""
import collections

SYSTEM = "MSNT_SystemTrace"


def _told(events, group):
    for event in events:
        name = event.get("EventName", "")
        if event.get("ProviderName") == SYSTEM and name.startswith(group + "/"):
            yield name[len(group) + 1:], event["TimeStamp"], event["EventProperties"]


def _lives(steps, begin, finish):
    """steps: (kind, time, what is told), in the order of time, of one id. Gives [start, end, told]."""
    lives = []
    for kind, time, told in steps:
        open_ = lives[-1] if lives and lives[-1][1] is None else None
        if kind == begin:
            if open_:
                open_[1] = time
            lives.append([time, None, told])
        elif kind == finish:
            if not open_:
                lives.append([None, time, told])
            else:
                open_[1] = time
        elif not open_:
            lives.append([None, None, told])
    return lives


def processes(events):
    steps = collections.defaultdict(list)
    for kind, time, told in _told(events, "Process"):
        if kind in ("Start", "End", "DCStart", "DCEnd"):
            steps[int(told["ProcessId"], 0)].append((kind, time, told))
    return sorted((pid, told["ImageFileName"], start, end) for pid, list_ in steps.items()
                  for start, end, told in _lives(list_, "Start", "End"))


def threads(events):
    steps = collections.defaultdict(list)
    for kind, time, told in _told(events, "Thread"):
        if kind in ("Start", "End", "DCStart", "DCEnd"):
            steps[int(told["TThreadId"], 0)].append((kind, time, told))
    return sum(1 if tid == 0 else len(_lives(list_, "Start", "End")) for tid, list_ in steps.items())


def images(events):
    steps = collections.defaultdict(list)
    for kind, time, told in _told(events, "Image"):
        if kind in ("Load", "UnLoad", "DCStart", "DCEnd"):
            steps[int(told["ProcessId"], 0), int(told["ImageBase"], 0)].append((kind, time, told))
    return sorted((pid, base, start or "", end or "") for (pid, base), list_ in steps.items()
                  for start, end, told in _lives(list_, "Load", "UnLoad"))
