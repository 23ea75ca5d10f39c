"""SCons tool: compiles for Windows with mingw-w64, into files that need no DLL but Windows' own."""
import shutil

PREFIXES = {"win64": "x86_64-w64-mingw32-", "win32": "i686-w64-mingw32-"}


def generate(env):
    prefix = PREFIXES[env["TARGET_SYSTEM"]]
    env.Replace(
        CC=prefix + "gcc",
        AR=prefix + "ar",
        RANLIB=prefix + "ranlib",
        NM=prefix + "nm",
        DLLTOOL=prefix + "dlltool",
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
    return has_compiler("win64")


def has_compiler(target):
    return shutil.which(PREFIXES[target] + "gcc") is not None
