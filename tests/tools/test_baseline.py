"""Values of events with a described schema (TraceLogging, manifests, metadata events) against those that TraceEvent, an
independent reader, printed (corpus/baseline). Its spelling is not TDH's: see `equal`. Fields that it computes, or names
as no schema does, have nothing to be compared with."""
import collections
import datetime
import json
import re
import subprocess

import pytest

LINE = re.compile(r"EVENT ([\d,.]+): ([^/]+)/.*? PID=-?\d+; TID=(-?\d+); PName=.*?; ProceNum=\d+; DataLen=[\d,]+; (.*)")
HEAD = re.compile(rb'\{"TimeStamp":"([^"]+)","ProviderName":"([^"]*)".*?"ThreadId":(\d+)')
HALF_DIGIT_MS = 0.00105  # its times have three decimals of a millisecond, ours four

# What differs by design: its own names for bits and values, where the trace's schema has no map or an older one; paths
# in DOS form.
NAMED_BY_TRACEEVENT = {"AssemblyFlags", "ModuleFlags", "AppDomainFlags", "MethodFlags", "StartupFlags", "StartupMode",
                       "Reason", "GlobalMechanisms", "ReasonCode", "Flags", "keywords", "stacks", "CreateOptions",
                       "ShareAccess", "Type"}
DOS_PATHS = {("Microsoft-Windows-Kernel-File", "FileName")}


def number(text):
    if re.fullmatch(r"-?\d[\d,]*", text):
        return int(text.replace(",", ""))
    if re.fullmatch(r"0x[0-9a-fA-F]+", text):
        return int(text, 16)
    if re.fullmatch(r"-?[\d,]*\.\d+", text):
        return float(text.replace(",", ""))
    return None


def equal_numbers(expected, found):
    if isinstance(expected, float) or isinstance(found, float):
        return abs(expected - found) <= 0.001 * max(1, abs(expected))  # it prints three decimals
    return (expected - found) % 2**32 == 0 or (expected - found) % 2**64 == 0  # it prints all as signed


def equal(expected, found):
    """TraceEvent: thousands separators, hex in any case, text cut at 20 characters, GUIDs without braces, characters as
    numbers, port 0 behind addresses, local date forms cut behind the seconds."""
    left, right = number(expected), number(found)
    if left is not None and right is not None:
        return equal_numbers(left, right)
    if left is not None and len(found) == 1:
        return left == ord(found)
    date = re.fullmatch(r"(\d\d)/(\d\d)/(\d\d) (\d\d:\d\d:\d\d)\..*", expected)
    if date:
        return found.startswith("20%s-%s-%sT%s" % date.groups())
    plain, wanted = found.strip("{}").lower(), expected.lstrip("[").lower()
    if wanted.endswith("..."):
        return plain.startswith(wanted[:-3].strip("{"))
    return wanted in (plain, plain + ":0", plain + "]:0", found.lower())


def ticks(text):
    whole, fraction = text[:-1].split(".")
    since = datetime.datetime.fromisoformat(whole) - datetime.datetime(1601, 1, 1)
    return since // datetime.timedelta(seconds=1) * 10**7 + int(fraction)


class Expected:
    def __init__(self, match):
        self.time_ms = float(match.group(1).replace(",", ""))
        self.provider = match.group(2)
        self.thread = int(match.group(3)) % 2**32
        self.fields = re.findall(r"(\w+)=(.*?); ", match.group(4) + " ")
        self.candidates = []


def baseline(corpus, name):
    text = (corpus().parent / "baseline" / name).read_text(errors="replace")
    found = (LINE.match(line) for line in text.splitlines())
    return [Expected(match) for match in found if match and match.group(2) != "Windows Kernel"]


def fill_in(expected, words):
    """Our events of the same provider, thread and time for each expected one; the output is read as it comes."""
    by_thread = collections.defaultdict(list)
    for event in expected:
        by_thread[event.thread].append(event)
    with subprocess.Popen(words, stdout=subprocess.PIPE) as replay:
        first = None
        for line in replay.stdout:
            head = HEAD.match(line)
            if head is None:
                continue  # an event whose provider has no name
            time, provider, thread = head.group(1).decode(), head.group(2).decode(), int(head.group(3))
            first = ticks(time) if first is None else first
            time_ms = (ticks(time) - first) / 10000 if thread in by_thread else 0
            for event in by_thread.get(thread, ()):
                if event.provider == provider and abs(event.time_ms - time_ms) < HALF_DIGIT_MS:
                    event.candidates.append(line)
        assert replay.wait() in (0, 3)


def compare(event, ours):
    """How many fields could be compared, and which differ: {field: (expected, found)}."""
    compared, different = 0, {}
    for name, text in event.fields:
        found = ours.get(name)
        if not isinstance(found, str) or name in NAMED_BY_TRACEEVENT or (event.provider, name) in DOS_PATHS:
            continue
        compared += 1
        if not equal(text, found):
            different[name] = (text, found)
    return compared, different


@pytest.mark.parametrize("name, lines, fields", [
    ("primitive-types", 5, 60), ("gcevents", 20, 60), ("gcrundownevents", 15, 100), ("net.4.5.2.x64", 200, 900),
    ("net.4.5.x86.old", 250, 1400)])
def test_values_are_those_of_traceevent(native_tool, corpus, tmp_path, name, lines, fields):
    saved = tmp_path / "a.etwcap"
    manifest = corpus().parent / "manifests" / "ClrEtwAll.man"
    native_tool("etw-record", "--manifest", manifest, "--input", corpus(name + ".etl"), "-o", saved, status=None)
    expected = baseline(corpus, name + ".baseline.txt")
    fill_in(expected, native_tool.words("etw-replay", saved))
    lines_compared = fields_compared = 0
    for event in expected:
        ours = [json.loads(line).get("EventProperties", {}) for line in event.candidates]
        outcomes = [compare(event, properties) for properties in ours]
        if outcomes:
            compared, different = min(outcomes, key=lambda outcome: (len(outcome[1]), -outcome[0]))
            assert not different, (name, event.time_ms, event.provider, different)
            lines_compared += compared > 0
            fields_compared += compared
    assert lines_compared >= lines and fields_compared >= fields, (lines_compared, fields_compared)
