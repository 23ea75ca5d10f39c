"""SCons tool: compiles for 64-bit Windows with mingw-w64, into files that need no DLL but Windows' own."""
import shutil

PREFIX = "x86_64-w64-mingw32-"


def generate(env):
    env.Replace(
        CC=PREFIX + "gcc",
        AR=PREFIX + "ar",
        RANLIB=PREFIX + "ranlib",
        PROGSUFFIX=".exe",
        LIBPREFIX="lib",
        LIBSUFFIX=".a",
    )
    env.Append(
        # C99's printf instead of msvcrt's, for %zu and PRIu64; the newest Windows' declarations.
        CPPDEFINES=[("__USE_MINGW_ANSI_STDIO", 1), ("_WIN32_WINNT", "0x0A00")],
        LINKFLAGS=["-static", "-Wl,--no-insert-timestamp"],
    )


def exists(env=None):
    return shutil.which(PREFIX + "gcc") is not None
