"""README.md: its commands run, its picture is what the tools print, its consumer compiles and does what the text says."""
import os
import re
import shutil
import subprocess
import sys

import etlwriter
import pytest
import wine
from conftest import MODE, ROOT, need_program
from test_install import flags, stage_of

DNS_CLIENT = "{1c95126e-7eea-49a9-a3fe-a378b03ddb4d}"


def example():
    return re.search("```c\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)


def test_the_consumer_prints_the_names_of_a_saved_trace(tmp_path, native_tool):
    (tmp_path / "dns.c").write_text(example())
    trace = etlwriter.Trace()
    for number, name in ((3006, "example.com"), (3006, "etwcap.org"), (3008, "not.this")):
        trace.tracelogging("Microsoft-Windows-DNS-Client", "Query", [etlwriter.field("QueryName", "utf16z", name)],
                           provider_id=DNS_CLIENT, id=number, pid=42)
    trace.write(tmp_path / "dns.etl")
    native_tool("etw-record", "--input", tmp_path / "dns.etl", "-o", tmp_path / "dns.etwcap")
    stage = stage_of("native")
    subprocess.run(["cc", "dns.c"] + flags(stage) + ["-o", "dns"], cwd=tmp_path, check=True)
    environment = dict(os.environ, LD_LIBRARY_PATH=str(stage / "lib"))
    for name in ("dns.etl", "dns.etwcap"):
        done = subprocess.run(["./dns", name], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, check=True)
        assert done.stdout.decode().splitlines() == ["42 asks for example.com", "42 asks for etwcap.org"]


def test_the_consumer_builds_with_the_line_for_a_live_session(tmp_path, win64_tool):
    saved = re.search(r"^ *(etw_status status = etw_replay_consumer.*)$", example(), re.MULTILINE).group(1)
    live = re.search(r"/\* live: (.*) \*/", example()).group(1)
    (tmp_path / "dns.c").write_text(example().replace(saved, live))
    stage = stage_of("win64")
    subprocess.run([need_program("x86_64-w64-mingw32-gcc"), "dns.c", "-I", str(stage / "include"), "-L",
                    str(stage / "lib"), "-letwcap", "-o", "dns.exe"], cwd=tmp_path, check=True)
    shutil.copy(stage / "bin" / "etwcap.dll", tmp_path)
    # With Wine's ETW the session is refused; that it says so shows that the call is the live one.
    done = subprocess.run(wine.command() + ["dns.exe"], cwd=tmp_path, env=wine.environment(), stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"Wine has no event tracing" in done.stderr


COMMANDS = [re.split(r" {2,}", line)[0] for line in re.findall(r"^    (\(?etw-(?:record|replay) .*)$", (ROOT / "README.md").read_text(), re.M)]
MANIFEST = """<assembly><instrumentation><events>
<provider name="A" guid="{11111111-2222-3333-4444-555555555555}" symbol="A"><events><event value="1"/></events></provider>
</events></instrumentation></assembly>"""


@pytest.fixture(scope="module")
def folder(native_tool, tmp_path_factory):
    """What the commands name: traces, a Windows' folder, a profile, the parser that fails."""
    path = tmp_path_factory.mktemp("readme")
    trace = etlwriter.Trace()
    for minute in range(10):
        trace.tracelogging("Demo-Minutes", "Query", [etlwriter.field("QueryName", "utf16z", "%d.example.com" % minute)], id=minute,
                           level=2 + minute % 3, time=trace.at(60 * minute))
    trace.write(path / "trace.etl")
    (path / "logs").mkdir()
    shutil.copy(path / "trace.etl", path / "logs")
    for name in ("trace", "second", "dns", "before", "after", "run", "report"):
        native_tool("etw-record", "-q", "--input", path / "trace.etl", "-o", path / (name + ".etwcap"))
    windows = path / "windows/System32"
    windows.mkdir(parents=True)
    (windows / "a.man").write_text(MANIFEST)
    (path / "symbols").mkdir()
    (path / "dns.profile").write_text("provider = %s\n" % DNS_CLIENT)
    (path / "parser").write_text("#!/bin/sh\nexit 1\n")
    (path / "parser").chmod(0o755)
    return path


def test_there_are_commands():
    assert len(COMMANDS) > 45


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_runs(native_tool, folder, command):
    """Those for a live session are understood, and say here that they need Windows."""
    path = "%s:%s:%s" % (native_tool.folder, folder, os.environ["PATH"])
    if command.endswith("-o trace.etwcap"):
        (folder / "trace.etwcap").unlink()
    done = subprocess.run(["sh", "-c", command.replace("/mnt/c/Windows", "windows")], cwd=folder, env=native_tool.environment(PATH=path),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    live = command.startswith("etw-record") and not re.search("--input|--from-json", command)
    assert done.returncode == (1 if live else 0), done.stderr.decode()
    assert not live or b"Windows" in done.stderr


def test_the_picture_is_what_the_tools_print(native_tool):
    if MODE not in ("release", "debug"):
        pytest.skip("sanitizers say things of their own")
    drawn = subprocess.run([sys.executable, str(ROOT / "tests/picture.py"), str(native_tool.folder)], stdout=subprocess.PIPE, check=True)
    assert drawn.stdout == (ROOT / "replay/picture.svg").read_bytes()
