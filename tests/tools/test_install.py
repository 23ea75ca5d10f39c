"""What `scons install` lays out, in build/stage: programs are built against it and nothing else, and run."""
import lzma
import os
import re
import shutil
import subprocess

import etlwriter
import pytest
import wine
from conftest import MODE, ROOT, missing, need_program

PLAIN_C = r"""
#include <etwcap.h>
#include <stdio.h>

/* Prints each event as JSON, then how many have a property called Text. */
int main(int count, char **arguments)
{
    etw_replay *replay = NULL;
    const etw_event *event = NULL;
    etw_error error;
    etw_text text = {0};
    etw_typed_value value;
    int found = 0;
    etw_status status = count == 2 ? etw_replay_open(arguments[1], NULL, &replay, &error) : ETW_ERROR_NOT_FOUND;
    while (status == ETW_OK && (status = etw_replay_next(replay, &event, &error)) == ETW_OK) {
        etw_text_clear(&text);
        if (etw_event_json(event, NULL, &text) != ETW_OK)
            return 2;
        puts(etw_text_z(&text));
        if (etw_event_property_value(event, "Text", &value) == ETW_OK && value.kind == ETW_VALUE_UTF16)
            found++;
    }
    etw_text_free(&text);
    etw_replay_close(replay);
    printf("%d\n", found);
    return etw_failed(status) ? 1 : 0;
}
"""

CPP17 = r"""
#include <etwcap.h>
#include <cstdio>
#include <memory>
#include <string_view>

static_assert(__cplusplus >= 201703L);

int main(int count, char **arguments)
{
    etw_error error{};
    etw_replay *opened = nullptr;
    etw_replay_options options{};
    options.head = 100;
    if (count != 2 || etw_failed(etw_replay_open(arguments[1], &options, &opened, &error))) {
        std::fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    const std::unique_ptr<etw_replay, decltype(&etw_replay_close)> replay(opened, etw_replay_close);
    int found = 0;
    etw_text text{};
    const etw_status status = etw_replay_process(replay.get(), [](const etw_event *event, void *context) {
        etw_property_iterator iterator;
        etw_part part;
        if (etw_event_properties(event, &iterator) == ETW_OK) {
            while (etw_property_iterator_next(&iterator, &part)) {
                const etw_name *name = etw_property_name(part.value.property);
                *static_cast<int *>(context) += std::string_view(name->utf8, name->utf8_size) == "Text";
            }
        }
        return ETW_OK;
    }, &found, &error);
    etw_text_append_u64(&text, static_cast<uint64_t>(found));
    std::printf("%s\n", etw_text_z(&text));
    etw_text_free(&text);
    return etw_failed(status) || std::string_view(etw_version()) != ETW_VERSION;
}
"""

LANGUAGES = {
    "c": ("gcc", "-std=c11", "consumer.c", PLAIN_C),
    "c++": ("g++", "-std=c++17", "consumer.cpp", CPP17),
}
WARNINGS = ["-Wall", "-Wextra", "-Werror"]


def stage_of(target):
    """The folder that stands for the prefix."""
    found = next((ROOT / "build" / "stage" / target).rglob("etwcap.pc"), None)
    return found.parent.parent.parent if found else missing("build/stage/%s is not there: scons stage" % target)


def flags(stage, *options, of="etwcap"):
    """What pkg-config says, with the prefix moved to where the stage is."""
    words = [need_program("pkg-config"), "--define-variable=prefix=%s" % stage, *options, "--cflags", "--libs", of]
    path = {"PKG_CONFIG_PATH": str(stage / "lib" / "pkgconfig")}
    return subprocess.run(words, env=dict(os.environ, **path), stdout=subprocess.PIPE, check=True,
                          text=True).stdout.split()


@pytest.fixture
def trace(tmp_path):
    made = etlwriter.Trace()
    for number in range(5):
        made.tracelogging("A.Provider", "Said", [etlwriter.field("Text", "utf16z", "number %d" % number)], id=number)
    made.write(tmp_path / "a.etl")
    return tmp_path / "a.etl"


def build(tmp_path, stage, language, link, prefix=""):
    compiler, standard, name, text = LANGUAGES[language]
    (tmp_path / name).write_text(text)
    program = tmp_path / ("consumer.exe" if prefix else "consumer")
    subprocess.run([need_program(prefix + compiler), standard, *WARNINGS, "-o", str(program), name, *link],
                   cwd=tmp_path, check=True)
    return program


def check_output(output, language, trace, native_tool):
    lines = output.decode().replace("\r\n", "\n").splitlines()
    assert lines.pop() == "5"
    if language == "c":
        assert lines == native_tool("etw-replay", trace).stdout.decode().splitlines()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["shared", "static"])
def test_a_native_consumer_builds_against_the_installation_alone(tmp_path, native_tool, trace, language, kind):
    stage = stage_of("native")
    link = flags(stage) if kind == "shared" else ["-static"] + flags(stage, "--static")
    program = build(tmp_path, stage, language, link)
    environment = dict(os.environ, LD_LIBRARY_PATH=str(stage / "lib") if kind == "shared" else "")
    done = subprocess.run([str(program), str(trace)], env=environment, stdout=subprocess.PIPE, check=True)
    check_output(done.stdout, language, trace, native_tool)
    needed = subprocess.run(["objdump", "-p", str(program)], stdout=subprocess.PIPE, check=True, text=True).stdout
    assert ("libetwcap.so.1" in needed) == (kind == "shared")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["shared", "static"])
def test_a_win64_consumer_builds_against_the_installation_alone(tmp_path, native_tool, trace, language, kind):
    stage = stage_of("win64")
    if not wine.command():
        missing("Wine is not installed")
    cross = "x86_64-w64-mingw32-"
    include, library = "-I%s" % (stage / "include"), stage / "lib"
    if kind == "shared":
        link = [include, "-L%s" % library, "-static-libgcc", "-letwcap"] + ["-static-libstdc++"] * (language == "c++")
        shutil.copy(stage / "bin" / "etwcap.dll", tmp_path)
    else:
        # What Requires.private names comes from wherever the user has it.
        dependencies = sorted((ROOT / "build/deps/win64").rglob("lib*.a"))
        private = re.search("^Libs.private: (.*)$", (library / "pkgconfig" / "etwcap.pc").read_text(), re.MULTILINE)
        link = [include, "-static", str(library / "libetwcap.a")] \
            + [str(path) for path in dependencies if path.name in ("libzstd.a", "libexpat.a")] \
            + private.group(1).split() + ["-L%s" % path.parent for path in dependencies if path.name == "libpcre2-8.a"]
    program = build(tmp_path, stage, language, link, cross)
    done = subprocess.run(wine.command() + [str(program), str(trace)], env=wine.environment(), cwd=tmp_path,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    check_output(done.stdout, language, trace, native_tool)


@pytest.mark.parametrize("library", ["etwcap::etwcap", "etwcap::static"])
def test_cmake_finds_the_package(tmp_path, trace, library):
    stage = stage_of("native")
    (tmp_path / "consumer.c").write_text(PLAIN_C)
    (tmp_path / "CMakeLists.txt").write_text("""\
cmake_minimum_required(VERSION 3.13)
project(consumer C)
find_package(etwcap 1.0 REQUIRED)
add_executable(consumer consumer.c)
target_link_libraries(consumer %s)
""" % library)
    cmake = need_program("cmake")
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([cmake, "-S", str(tmp_path), "-B", str(tmp_path / "b"), "-DCMAKE_PREFIX_PATH=%s" % stage], **quiet)
    subprocess.run([cmake, "--build", str(tmp_path / "b")], **quiet)
    done = subprocess.run([str(tmp_path / "b" / "consumer"), str(trace)], stdout=subprocess.PIPE, check=True)
    assert done.stdout.splitlines()[-1] == b"5"


def symbols(*words):
    """Names of global symbols that a library defines."""
    listed = subprocess.run([need_program(words[0]), *map(str, words[1:])], stdout=subprocess.PIPE, check=True, text=True)
    return {fields[-1] for fields in map(str.split, listed.stdout.splitlines())
            if len(fields) == 3 and fields[1].isupper()}


def marked():
    """What the installed headers say is exported."""
    text = "".join(path.read_text() for path in (stage_of("native") / "include").rglob("*.h"))
    return set(re.findall(r"^ETW_API(?:_CHECKED)? [^;(]*?\b(etw_\w+)(?=[;(])", text, re.MULTILINE))


def test_the_shared_library_exports_what_the_headers_mark():
    exported = symbols("nm", "-D", "--defined-only", stage_of("native") / "lib" / "libetwcap.so.1")
    assert exported == marked()


def test_the_dll_exports_what_the_headers_mark():
    dll = stage_of("win64") / "bin" / "etwcap.dll"
    dump = subprocess.run([need_program("x86_64-w64-mingw32-objdump"), "-p", str(dll)], stdout=subprocess.PIPE,
                          check=True, text=True).stdout
    table = dump[dump.index("[Ordinal/Name Pointer] Table"):]
    assert set(re.findall(r"^\s*\[\s*\d+\](?: \+base\[\s*\d+\]\s+\w+)? (\w+)$", table, re.MULTILINE)) == marked()


# What both tools share that is of no use without them: options, the terminal, names of files, how JSON is put down.
OF_THE_TOOLS = ["format/base/*.c", "format/output/json_writer.c"]


@pytest.mark.parametrize("command", ["recorder", "replay"])
def test_a_tool_uses_nothing_that_a_user_of_the_library_cannot(native_tool, command):
    if MODE not in ("release", "debug"):
        pytest.skip("sanitizers and coverage add symbols of their own")
    archive = native_tool.folder / "command" / ("lib%s.a" % command)
    listed = subprocess.run([need_program("nm"), "-u", str(archive)], stdout=subprocess.PIPE, check=True, text=True).stdout
    used = {line.split()[-1] for line in listed.splitlines() if re.match(r" +U etw_", line)}
    tools = symbols("nm", "--defined-only", archive)
    for source in (source for pattern in OF_THE_TOOLS for source in ROOT.glob(pattern)):
        found = native_tool.folder / "obj" / source.relative_to(ROOT).with_suffix(".o")
        tools |= symbols("nm", "--defined-only", found) if found.exists() else set()
    assert len(used) > 100 and sorted(used - tools - marked()) == []


def test_all_functions_of_a_public_header_are_exported():
    function = re.compile(r"^(?!typedef)(?:const )?(?:struct )?[a-z]\w*(?: \w+)*[ *]+(etw_\w+)\([^;{]*\);", re.MULTILINE)
    for header in (stage_of("native") / "include").rglob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.DOTALL)
        assert [name for name in function.findall(text)] == [], header


def test_programs_that_were_linked_before_still_run(tmp_path):
    """Functions and structures are as tests/abi has them, or more; `scons abi` renews it after a change that is wanted."""
    stage = stage_of("native")
    with lzma.open(ROOT / "tests/abi/libetwcap.so.1.abi.xz") as packed:
        (tmp_path / "before.abi").write_bytes(packed.read())
    words = ["--headers-dir2", str(stage / "include"), "--drop-private-types", str(tmp_path / "before.abi"),
             str(stage / "lib/libetwcap.so.1")]
    if shutil.which("abidiff") is None:
        pytest.skip("abidiff is not installed")
    done = subprocess.run(["abidiff", *words], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode & 0b1011 == 0, done.stdout  # 1, 2: an error; 8: an incompatible change; 4: additions


def test_headers_need_the_installation_alone_each_by_itself(tmp_path):
    include = stage_of("native") / "include"
    for header in sorted(include.rglob("*.h")):
        text = header.read_text()
        assert not re.search(r'#include "|windows\.h', text), header
        subprocess.run([need_program("gcc"), "-std=c11", *WARNINGS, "-I%s" % include, "-fsyntax-only", "-x", "c",
                        str(header)], cwd=tmp_path, check=True)


def test_a_result_must_be_looked_at(tmp_path):
    (tmp_path / "a.c").write_text("#include <etwcap.h>\nvoid f(void) { etw_replay *r; etw_replay_open(0, 0, &r, 0); }")
    done = subprocess.run([need_program("gcc"), "-I%s" % (stage_of("native") / "include"), "-Wall", "-c", "a.c"],
                          cwd=tmp_path, stderr=subprocess.PIPE)
    assert b"unused-result" in done.stderr


# `scons check` builds it where it can.
BOX_OF_32_BITS = ["bin/etwapi32.dll", "bin/etwbox32.exe"] if shutil.which("i686-w64-mingw32-gcc") else []


@pytest.mark.parametrize("target", ["native", "win64"])
def test_all_that_is_promised_is_installed(target):
    stage = stage_of(target)
    suffix, libraries = ("", ["lib/libetwcap.so", "lib/libetwcap.so.1"]) if target == "native" \
        else (".exe", ["bin/etwcap.dll", "bin/etwapi.dll", "lib/libetwcap.dll.a"] + BOX_OF_32_BITS)
    promised = ["bin/etw-record" + suffix, "bin/etw-replay" + suffix, "bin/etwbox" + suffix, "include/etwcap.h", "lib/libetwcap.a",
                "lib/cmake/etwcap/etwcapConfig.cmake", "lib/cmake/etwcap/etwcapConfigVersion.cmake",
                "lib/pkgconfig/etwcap.pc", "share/man/man1/etw-record.1", "share/man/man1/etw-replay.1", "share/man/man1/etwbox.1",
                "share/man/man3/etwcap.3", "share/man/man5/etwcap.5", "share/man/man7/etwcap-filters.7", "share/misc/etwcap.magic",
                "share/mime/packages/etwcap.xml", "share/doc/etwcap/etwcap.spdx.json"] + libraries \
        + ([] if target == "win64" else [folder % name for name in ("etw-record", "etw-replay") for folder in
                                         ("share/bash-completion/completions/%s", "share/zsh/site-functions/_%s",
                                          "share/fish/vendor_completions.d/%s.fish")]) \
        + ["share/python/etwcap/%s.py" % name for name in ("__init__", "_builder", "_library", "_trace", "pytest_plugin")]
    found = [path.relative_to(stage).as_posix() for path in stage.rglob("*") if not path.is_dir()]
    assert sorted(path for path in found if not path.startswith("include/etwcap/")) == sorted(promised)


def test_the_manual_pages_example_compiles(tmp_path):
    page = (stage_of("native") / "share/man/man3/etwcap.3").read_text()
    example = page[page.index(".SH EXAMPLE\n.nf\n"):].split(".nf\n")[1].split(".fi\n")[0].replace("\\e", "\\")
    (tmp_path / "example.c").write_text(example)
    subprocess.run([need_program("gcc"), "-std=c11", *WARNINGS, "-o", "example", "example.c"]
                   + flags(stage_of("native")), cwd=tmp_path, check=True)
