"""The consumer in README.md: it compiles as it stands, and does what the text says."""
import os
import re
import shutil
import subprocess

import etlwriter
import wine
from conftest import ROOT, need_program
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
