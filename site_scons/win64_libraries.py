"""The libraries that the win64 build needs and Debian has no mingw package of.

Each is taken from the mingw installation where that has one (MSYS2), and else compiled from the distribution's own
source package into build/deps/win64. Nothing of them is kept in this repository.
"""
import glob
import os
import shutil
import subprocess

from SCons.Script import Action

import debian_source

ROOT = "build/deps/win64"

# name of the library: what is compiled of which source package, and what it installs
LIBRARIES = {
    "zstd": {
        "package": "libzstd",
        "sources": ["lib/common/*.c", "lib/compress/*.c", "lib/decompress/*.c", "lib/dictBuilder/*.c"],
        "headers": ["lib/zstd.h", "lib/zstd_errors.h", "lib/zdict.h"],
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
            "auto_possess compile config context convert dfa_match error extuni find_bracket "
            "jit_compile maketables match match_data newline ord2utf pattern_info script_run serialize string_utils study "
            "substitute substring tables ucd valid_utf xclass").split()] + ["src/pcre2_chartables.c"],
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
        "commands": [["./configure", "--quiet", "--disable-tcl", "--disable-readline"], ["make", "-s", "sqlite3.c", "sqlite3.h"]],
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


def _compile(target, source, env):
    """SCons action: compiles the library env["WIN64_LIBRARY"] and puts archive and headers in their places."""
    library = env["WIN64_LIBRARY"]
    recipe = LIBRARIES[library]
    folder = debian_source.fetch(recipe["package"], os.path.join(ROOT, "source"))
    for command in recipe.get("commands", []):
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for source_name, name in recipe.get("copied", {}).items():
        shutil.copy(os.path.join(folder, source_name), os.path.join(folder, name))
    for header in recipe["headers"]:
        shutil.copy(os.path.join(folder, header), os.path.join(ROOT, "include"))
    for name, text in recipe.get("generated", {}).items():
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    files = sorted(path for pattern in recipe["sources"] for path in glob.glob(os.path.join(folder, pattern)))
    objects = [os.path.splitext(path)[0] + ".win64.o" for path in files]
    for path, result in zip(files, objects):
        subprocess.run([env["CC"], "-c", "-O2", "-w", "-ffile-prefix-map=" + folder + "=.", "-I" + folder]
                       + recipe["flags"] + ["-o", result, path], cwd=folder, check=True)
    archive = os.path.abspath(_archive(library))
    if os.path.exists(archive):
        os.remove(archive)
    subprocess.run([env["AR"], "rcsD", archive] + objects, check=True)


def _archive(library):
    return os.path.join(ROOT, "lib", "lib" + library + ".a")


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
    """Makes the libraries known to a win64 environment."""
    header = _xxhash_header()
    if header:
        env.Command("#" + ROOT + "/include/xxhash.h", header, Action(_copy, "copy $TARGET"))
    for library, recipe in LIBRARIES.items():
        if _installed(library, env):
            continue
        headers = ["#%s/include/%s" % (ROOT, os.path.basename(name)) for name in recipe["headers"]]
        env.Command(["#" + _archive(library)] + headers, [],
                    Action(_compile, "build $TARGET from Debian's source package $WIN64_PACKAGE",
                               varlist=["WIN64_RECIPE"]),
                    WIN64_LIBRARY=library, WIN64_PACKAGE=recipe["package"], WIN64_RECIPE=recipe)
    env.Append(CPPPATH=["#" + ROOT + "/include"], LIBPATH=["#" + ROOT + "/lib"], CPPDEFINES=["XML_STATIC", "PCRE2_STATIC"])
