"""Filters over real traces: the tool's counts are those that tests/readers/where_oracle.py takes from the JSON of all events."""
import json
import os
import pathlib
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "readers"))
import where_oracle  # noqa: E402

CORPUS = pathlib.Path(os.environ.get("ETWCAP_CORPUS", ROOT / "../shared/corpus"))

HEADERS = """
Id == 0 | Id != 0 | Id > 10 | Id in (1..3, 9) | Id not in (0, 11) | not Id == 1 | Version >= 2 | Level == 0 | Level <= 4 | Level == info
Level < verbose | Opcode == 1 | Opcode == start | Opcode in (1, 2, 12..20) | Task > 0 | Keyword & 0x10 | Keyword & 0x12 == 0x10
Keyword == 0 | not Keyword & 0xFFFFFFFF | ProcessId == 4 | ProcessId in (0..100) | ProcessId > 0xFFFF | ThreadId != 0 | ProcessorIndex == 0
ProcessorIndex & 1 | Flags & 0x40 | has ActivityId | has ProcessName | ProviderName contains 'windows' | ProviderName like '*e?n*'
ProviderName startswith micro | ProviderName endswith trace | ProviderName ~ '[A-Z]{2}' | not has EventName | EventName like '*/D*'
EventName contains start or EventName contains stop | TimeStamp >= +1s | TimeStamp < +100ms | TimeStamp > -250ms
TimeStamp >= +1s and TimeStamp < +2s or Level == 0 | (Id == 1 or Id == 2) and not Opcode == 11 | * contains 'win' | * contains '0x'
* ~ '^[0-9]+$' | ProviderId == {9e814aad-3204-11d2-9a82-006008a86939} | ExtendedInfo.RelatedActivityId contains '-' | NotThere == 1
"""

OWN = {
    "ShutdownPerfDiagLogger": """
ImageSize > 1M | ImageSize <= 0x18000 | ImageSize in (64k..128k) | ImageBase >= 0x7FF600000000 | ImageBase & 0xFFF
FileName endswith '.dll' | FileName contains 'SYSTEM32' and not FileName contains 'winsxs' | FileName like '*\\\\n?dll.dll'
FileName ~ '(?i)\\.exe$' | FileName ~ '\\d{2}' | EventProperties.ProcessId == 4 | EventProperties.ProcessId in (4, 100..2000)
SignatureLevel == 12 and SignatureType != 2 | SignatureLevel | TimeDateStamp == 0 | TimeDateStamp > 1000000000 | ImageChecksum < 100k
TThreadId == 0x1E98 | TThreadId > 0x1000 and TThreadId < 0x2000 | StackBase > 0xFFFFF80000000000 | UserStackBase != 0 | BasePriority > 8
BasePriority in (8..10, 13) | Affinity & 2 | has TThreadId and not has FileName | SubProcessTag | UserSID == S-1-5-18
UserSID startswith 'S-1-5-21-' | ImageFileName == svchost.exe | ImageFileName == 'SVCHOST.EXE' | ImageFileName ~ '^[A-Z]'
CommandLine contains '-k ' | CommandLine == '' and has CommandLine | ExitStatus == 0 | ExitStatus not in (0, 259) | SessionId == 0xFFFFFFFF
SessionId < 2 and ParentId == 0x258 | PackageFullName ~ '.' | ProcessName == svchost.exe | ProcessName like 's*.exe' and EventName like 'Image/*'
not ProcessName == system | DefaultBase > 0x7FFF0000000000 | Reserved0 == 0 and Reserved4 == 0
""",
    "ebpforwindows": """
Entry == ebpf_object_open | Entry contains 'OBJECT' | Entry startswith ebpf and not Entry endswith open | Error == 14 | Error > 10
Error in (1..13) | ErrorMessage contains 'returned error' | map > 0x211F4FA0000 | map & 0xF0 | Message ~ 'initiate.*success'
Message like '*returned success' | has Enter | InterfaceIndex >= 6 | InterfaceGuid == {581ccae5-8a8f-11ef-be95-806e6f6e6963}
Alias contains 'debugger' | InterfaceLuid == 0x6000000000000 | DosPath == '' | NtPath like '*Volume?*' | ProductName endswith Enterprise
* contains 'enterprise' | UAPInfo > 1000000000000 | PartitionId == {00000000-0000-0000-0000-000000000000} | 'Entry' == ebpf_object_open
""",
    "BondEtwSample": """
eventPayloadSize == 26 | eventPayloadLength > 26 | source == tx.bond | manifestId like 'b2*' | inputProtocol in (BOND_V1, other)
occurenceFileTimeUtc > 130901521022992016 | eventPayload contains '746572' | Magic == 91 | Data contains 'InstrumentationManifest'
""",
    "primitive-types": """
string_type == MERCURY | boolean_type | boolean_type == true | not boolean_type == true | char_type == m | int16_type < 0 | int16_type in (-60..-50)
int32_type <= -102 | uint16_type > 50 | uint32_type == 0x66 | uint64_type < 1k | guid_type == {0ad614c4-0ef4-4225-8013-f44f37cb0397}
file_time_type >= 2021-09-09T14:59:00 | file_time_type < 2021-09-09 | has file_time_type | guid_type contains '0AD6'
""",
    "dotnet-performance__vs-gconly": """
Reason == SuspendForGC | Reason == 1 | Reason != 1 and EventName contains Suspend | Type == NonConcurrentGC | Type in (0, 1) and has Depth
Depth == 2 | Count > 100 and Depth > 0 | GenerationSize2 > 200M | ThreadName contains 'tiered' | ClrInstanceID == 8 and Id == 1
StartupFlags == SERVER_GC | Bytes > 1M | HeapNum in (0..1) and Bytes
""",
    "KernelNetwork": "", "HTTP_Server": "", "waasmedic.20251005_113019_195": "m contains 'impersonat' | m startswith '**' | m == ''",
}
ONLY_OWN = {"dotnet-performance__vs-gconly", "ShutdownPerfDiagLogger", "ebpforwindows"}  # too long for all of HEADERS
# The numbers of map values are not in the JSON; these are those of the CLR's documentation (ETW events of garbage collection).
BY_NUMBER = {"Reason == 1": "Reason in (SuspendForGC, Induced) or Reason == 1", "Type in (0, 1) and has Depth":
             "Type in (NonConcurrentGC, BackgroundGC) and has Depth", "Reason != 1 and EventName contains Suspend":
             "Reason != SuspendForGC and EventName contains Suspend"}


def rows(text):
    return [row.strip() for row in text.replace("\n", "|").split("|") if row.strip()]


def table(name):
    return rows(OWN[name]) + ([] if name in ONLY_OWN else rows(HEADERS))


def test_the_table_is_long_enough():
    assert len({row for name in OWN for row in table(name)}) >= 150


@pytest.mark.parametrize("name", sorted(OWN))
def test_counts_over_the_corpus(native_tool, tmp_path, name):
    source = CORPUS / "etl" / (name + ".etl")
    if not source.exists():
        pytest.skip("needs the trace corpus: %s" % source)
    path = tmp_path / "a.etwcap"
    most = ["--where", "ProviderName like '*DotNETRuntime*'", "--max-events", "6000"] if "gconly" in name else []
    native_tool("etw-record", "-q", "--input", source, "-o", path, *most, status=None)
    shown, typed = ([json.loads(line) for line in native_tool("etw-replay", path, "--stacks", "none", *options, status=None).stdout.splitlines()]
                    for options in (["--names"], ["--typed", "--typed-hex"]))
    events = [pair for pair in zip(shown, typed) if "TimeStamp" in pair[0]]
    times = [where_oracle.ticks(event["TimeStamp"]) for event, _ in events]
    wrong = []
    for row in table(name):
        wanted = where_oracle.Filter(BY_NUMBER.get(row, row), min(times), max(times)).passes
        expected = sum(1 for event in events if wanted(event))
        lines = native_tool("etw-replay", path, "--stacks", "none", "-q", "--columns", "Id", "--where", row, status=None).stdout
        if lines.count(b"\n") - lines.count(b'{"Loss"') != expected:
            wrong.append((row, lines.count(b"\n"), expected))
    assert wrong == []
