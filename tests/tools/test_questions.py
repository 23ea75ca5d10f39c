"""The commands of replay/QUESTIONS.md, on real traces: each answers its question."""
import json
import os
import pathlib
import re
import shlex

import pytest
from conftest import ROOT
from etlwriter import Trace, field

CORPUS = pathlib.Path(os.environ.get("ETWCAP_CORPUS", ROOT / "../shared/corpus"))
TRACES = {"kernel.etl": "ShutdownPerfDiagLogger.etl", "dotnet.etl": "dotnet-performance__vs-gconly.etl", "cpu.etl": "net.4.5.2.x64.etl",
          "http.etl": "HTTP_Server.etl", "pktmon.etl": "demikernel__PktMon.etl"}
COMMANDS = re.findall(r"^    (etw-replay .*)$", (ROOT / "replay" / "QUESTIONS.md").read_text(), re.M)
NUMBERS = [int(number) for number in re.findall(r"^\*\*(\d+)\. ", (ROOT / "replay" / "QUESTIONS.md").read_text(), re.M)]


@pytest.fixture(scope="module")
def folder(native_tool, tmp_path_factory):
    path = tmp_path_factory.mktemp("questions")
    for name, source in TRACES.items():
        if not (CORPUS / "etl" / source).exists():
            pytest.skip("needs the trace corpus: %s" % (CORPUS / "etl" / source))
        (path / name).symlink_to((CORPUS / "etl" / source).resolve())
    native_tool("etw-record", "-q", "--input", path / "kernel.etl", "-o", path / "kernel.etwcap")
    out = Trace()
    for number, name in enumerate(["example.com", "debian.org"]):
        out.tracelogging("Names", "Asked", [field("QueryName", "utf16z", name)], id=3006, time=out.at(number))
    out.write(path / "dns.etl")
    return path


def lines(text):
    return text.decode().splitlines()


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


ANSWERS = {  # what the output must have; of files: (name, what)
    1: lambda out: any("   services.exe" in line for line in lines(out)) and len(lines(out)) > 90,
    2: lambda out: [line.split("\t")[2] for line in lines(out)] == ["example.com", "debian.org"],
    3: lambda out: any(re.match(r"Idle +73313 ", line) for line in lines(out)),
    4: lambda out: sum("others" in line for line in lines(out)) > 3,
    5: lambda out: len(rows(out)) > 60 and any(row.get("EventName") == "Process/End" for row in rows(out)),
    6: lambda out: len(rows(out)) == 100,
    7: lambda out: {row["EventProperties"]["FileName"].split("\\")[-1] for row in rows(out)} >= {"ndis.sys", "ntoskrnl.exe"},
    8: lambda out: {row["Id"] for row in rows(out)} == {1, 2, 3, 4, 6, 7, 8, 9} - {6} | {row["Id"] for row in rows(out) if row["Id"] == 6},
    9: lambda out: len(lines(out)) == 12 and "others" in lines(out)[-1],
    10: lambda out: sum("SuspendEEBegin" in line for line in lines(out)) == 750 == sum("RestartEEEnd" in line for line in lines(out)),
    11: lambda out: any("GarbageCollection/Stop" in line and "dotnet.exe" in line for line in lines(out)),
    12: lambda out: len({row["ThreadId"] for row in rows(out)}) > 5 and any(row["EventName"] == "Process/End" for row in rows(out)),
    13: lambda out: all("ProviderId" in row for row in rows(out)),
    14: lambda out: len(lines(out)) > 30 and all(line.endswith("\\combase.dll") for line in lines(out)),
    15: ("processes.csv", lambda data: data.startswith(b"TimeStamp,ImageFileName,") and data.count(b"\r\n") == 95),
    16: ("kernel.parquet", lambda data: data[:4] == b"PAR1" == data[-4:]),
    17: ("packets.pcapng", lambda data: data[:4] == b"\x0a\x0d\x0d\x0a"),
    18: lambda out: len(rows(out)) == 100 and any("Test.Program.Main" in name for row in rows(out) for name in
                                                  row.get("ExtendedInfo", {}).get("StackTrace", {}).get("Modules", [])),
    19: ("share.etwcap", lambda data: b"svchost" not in data),
    20: lambda out: b"17,078" in out,
}


def test_every_question_has_one_command():
    assert NUMBERS == list(range(1, 21)) and len(COMMANDS) == 20 and set(ANSWERS) == set(NUMBERS)


@pytest.mark.parametrize("number", range(1, 21))
def test_the_command_answers(native_tool, folder, number):
    words = shlex.split(COMMANDS[number - 1])
    done = native_tool(words[0], *words[1:], cwd=folder, status=None)
    assert done.returncode in (0, 3), done.stderr.decode()
    answer = ANSWERS[number]
    if isinstance(answer, tuple):
        assert answer[1]((folder / answer[0]).read_bytes())
    else:
        assert answer(done.stdout), done.stdout[:2000].decode(errors="replace")
