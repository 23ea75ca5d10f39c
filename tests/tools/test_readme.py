"""The consumer in README.md: it compiles as it stands, and does what the text says."""
import re
import subprocess

import etlwriter
import wine
from conftest import MODE, ROOT, need_program

DNS_CLIENT = "{1c95126e-7eea-49a9-a3fe-a378b03ddb4d}"
LIBRARIES = ["libetwreplay.a", "libetwrecorder.a", "libetwformat.a"]


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
    sanitizers = ["-fsanitize=address,undefined"] if MODE == "asan" else []
    subprocess.run(["cc", "-I", str(ROOT), "dns.c"] + [str(native_tool.folder / name) for name in LIBRARIES] + sanitizers
                   + ["-lzstd", "-lexpat", "-lpthread", "-lm", "-o", "dns"], cwd=tmp_path, check=True)
    for name in ("dns.etl", "dns.etwcap"):
        done = subprocess.run(["./dns", name], cwd=tmp_path, stdout=subprocess.PIPE, check=True)
        assert done.stdout.decode().splitlines() == ["42 asks for example.com", "42 asks for etwcap.org"]


def test_the_consumer_builds_with_the_line_for_a_live_session(tmp_path, win64_tool):
    saved = re.search(r"^ *(etw_status status = etw_replay_consumer.*)$", example(), re.MULTILINE).group(1)
    live = re.search(r"/\* live: (.*) \*/", example()).group(1)
    (tmp_path / "dns.c").write_text(example().replace(saved, live))
    subprocess.run([need_program("x86_64-w64-mingw32-gcc"), "-I", str(ROOT), "-c", "dns.c"], cwd=tmp_path, check=True)
    # With Wine's ETW the session is refused; that it says so shows that the call is the live one.
    libraries = [str(win64_tool.folder / name) for name in LIBRARIES]
    dependencies = [str(path) for path in sorted((ROOT / "build/deps/win64").rglob("lib*.a"))
                    if path.name in ("libzstd.a", "libexpat.a")]
    subprocess.run(["x86_64-w64-mingw32-gcc", "-static", "dns.o"] + libraries + dependencies
                   + ["-ltdh", "-ladvapi32", "-lole32", "-lpthread", "-o", "dns.exe"], cwd=tmp_path, check=True)
    done = subprocess.run(wine.command() + ["dns.exe"], cwd=tmp_path, env=wine.environment(), stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"Wine has no event tracing" in done.stderr
