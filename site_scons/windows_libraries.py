"""The libraries that the builds for Windows need and Debian has no mingw package of.

Each is taken from the mingw installation where that has one (MSYS2), and else compiled from the distribution's own
source package into build/deps/win64 or build/deps/win32. Nothing of them is kept in this repository.
"""
import glob
import os
import shutil
import subprocess
import threading

from SCons.Script import Action

import debian_source

ROOT = "build/deps/"
SOURCES = ROOT + "source"  # of all targets

# name of the library: what is compiled of which source package, and what it installs
LIBRARIES = {
    "zstd": {
        "package": "libzstd",
        "sources": ["lib/common/*.c", "lib/compress/*.c", "lib/decompress/*.c"],
        "headers": ["lib/zstd.h", "lib/zstd_errors.h"],
        "flags": ["-DZSTD_DISABLE_ASM", "-DXXH_NAMESPACE=ZSTD_"],
    },
    "expat": {
        "package": "expat",
        "sources": ["expat/lib/xmlparse.c", "expat/lib/xmlrole.c", "expat/lib/xmltok.c"],
        "headers": ["expat/lib/expat.h", "expat/lib/expat_external.h"],
        "flags": ["-DXML_STATIC", "-DXML_NS", "-DXML_DTD", "-DXML_CONTEXT_BYTES=1024"],
        "generated": {"expat_config.h": "#define BYTEORDER 1234\n"},
    },
    "pcre2-8": {
        "package": "pcre2",
        "sources": ["src/pcre2_%s.c" % name for name in (
            "auto_possess compile config context error extuni find_bracket jit_compile maketables match match_data newline "
            "ord2utf pattern_info script_run string_utils study tables ucd valid_utf xclass").split()] + ["src/pcre2_chartables.c"],
        "headers": ["src/pcre2.h"],
        "flags": ["-DHAVE_CONFIG_H", "-DPCRE2_CODE_UNIT_WIDTH=8", "-DPCRE2_STATIC", "-Isrc"],
        "copied": {"src/pcre2.h.generic": "src/pcre2.h", "src/pcre2_chartables.c.dist": "src/pcre2_chartables.c"},
        "generated": {"src/config.h": "#define SUPPORT_PCRE2_8 1\n#define SUPPORT_UNICODE 1\n#define LINK_SIZE 2\n"
                                      "#define HEAP_LIMIT 20000000\n#define MATCH_LIMIT 10000000\n"
                                      "#define MATCH_LIMIT_DEPTH MATCH_LIMIT\n#define MAX_NAME_COUNT 10000\n"
                                      "#define MAX_NAME_SIZE 32\n#define NEWLINE_DEFAULT 2\n#define PARENS_NEST_LIMIT 250\n"
                                      "#define HAVE_STDINT_H 1\n#define HAVE_INTTYPES_H 1\n#define HAVE_MEMMOVE 1\n"
                                      "#define HAVE_STRERROR 1\n#define PCRE2_EXPORT\n"},
    },
    "sqlite3": {  # its one file is made by its own scripts in Tcl
        "package": "sqlite3",
        "target": "win64",  # alone: the box writes no databases
        "commands": [["make", "-s", "-f", "main.mk", "TOP=.", "BCC=gcc", "OPTS=", "sqlite3.c", "sqlite3.h"]],
        "sources": ["sqlite3.c"],
        "headers": ["sqlite3.h"],
        "flags": ["-DSQLITE_THREADSAFE=2", "-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_OMIT_SHARED_CACHE", "-DSQLITE_DQS=0",
                  "-DSQLITE_DEFAULT_MEMSTATUS=0"],
    },
    "cmocka": {
        "package": "cmocka",
        "sources": ["src/cmocka.c"],
        "headers": ["include/cmocka.h"],
        "flags": ["-Iinclude", "-DHAVE_INTTYPES_H", "-DHAVE_MALLOC_H", "-DHAVE_SIGNAL_H", "-DHAVE_STRINGS_H",
                  "-DHAVE_GCC_THREAD_LOCAL_STORAGE", "-DHAVE_STRUCT_TIMESPEC"],
    },
}


_one_at_a_time = threading.Lock()  # scons -j runs actions in threads; two targets have one source


def _put(path, content):
    """Leaves a file alone that is right already: the other target may be reading it."""
    if not os.path.exists(path) or open(path, "rb").read() != content:
        with open(path, "wb") as file:
            file.write(content)


def _prepare(recipe):
    """Unpacks a source package and makes what is not in it; gives its folder."""
    with _one_at_a_time:
        folder = debian_source.fetch(recipe["package"], SOURCES)
        for command in recipe.get("commands", []):
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        for source_name, name in recipe.get("copied", {}).items():
            with open(os.path.join(folder, source_name), "rb") as file:
                _put(os.path.join(folder, name), file.read())
        for name, text in recipe.get("generated", {}).items():
            _put(os.path.join(folder, name), text.encode())
    return folder


def _compile(target, source, env):
    """SCons action: compiles the library env["WINDOWS_LIBRARY"] and puts archive and headers in their places."""
    library, system = env["WINDOWS_LIBRARY"], env["TARGET_SYSTEM"]
    recipe = LIBRARIES[library]
    folder = _prepare(recipe)
    for header in recipe["headers"]:
        shutil.copy(os.path.join(folder, header), os.path.join(ROOT, system, "include"))
    files = sorted(path for pattern in recipe["sources"] for path in glob.glob(os.path.join(folder, pattern)))
    objects = [os.path.splitext(path)[0] + ".%s.o" % system for path in files]
    for path, result in zip(files, objects):
        subprocess.run([env["CC"], "-c", "-O2", "-w", "-ffile-prefix-map=" + folder + "=.", "-I" + folder]
                       + recipe["flags"] + ["-o", result, path], cwd=folder, check=True)
    archive = os.path.abspath(_archive(library, system))
    if os.path.exists(archive):
        os.remove(archive)
    subprocess.run([env["AR"], "rcsD", archive] + objects, check=True)


def _archive(library, system):
    return os.path.join(ROOT, system, "lib", "lib" + library + ".a")


def _installed(library, env):
    """Whether the mingw installation has the static library: gcc prints a path only for one it finds."""
    name = "lib" + library + ".a"
    answer = subprocess.run([env["CC"], "-print-file-name=" + name], stdout=subprocess.PIPE, text=True, check=True)
    return answer.stdout.strip() != name


def _xxhash_header():
    """xxhash.h is used as a header only and knows no system: the native one serves, without its folder."""
    for folder in ("/usr/include", "/usr/local/include"):
        if os.path.exists(os.path.join(folder, "xxhash.h")):
            return os.path.join(folder, "xxhash.h")
    return None


def _copy(target, source, env):
    shutil.copy(str(source[0]), str(target[0]))


def provide(env):
    """Makes the libraries known to an environment for Windows."""
    root = "#" + ROOT + env["TARGET_SYSTEM"]
    header = _xxhash_header()
    if header:
        env.Command(root + "/include/xxhash.h", header, Action(_copy, "copy $TARGET"))
    for library, recipe in LIBRARIES.items():
        if recipe.get("target", env["TARGET_SYSTEM"]) != env["TARGET_SYSTEM"] or _installed(library, env):
            continue
        headers = ["%s/include/%s" % (root, os.path.basename(name)) for name in recipe["headers"]]
        env.Command(["#" + _archive(library, env["TARGET_SYSTEM"])] + headers, [],
                    Action(_compile, "build $TARGET from Debian's source package $WINDOWS_PACKAGE",
                               varlist=["WINDOWS_RECIPE"]),
                    WINDOWS_LIBRARY=library, WINDOWS_PACKAGE=recipe["package"], WINDOWS_RECIPE=recipe)
    env.Append(CPPPATH=[root + "/include"], LIBPATH=[root + "/lib"], CPPDEFINES=["XML_STATIC", "PCRE2_STATIC"])
