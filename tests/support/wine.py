"""How the tests run Windows programs: Wine, with a prefix of its own below build/."""
import atexit
import functools
import os
import shutil
import subprocess
import threading

PREFIX = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "build", "wine"))
SERVER_SECONDS = 60  # how long the server outlives its last client; should a test run be killed, it ends by itself
_lock = threading.Lock()
_started = []


@functools.lru_cache(maxsize=None)
def _loader():
    """Debian's `wine` is a script that asks for the 32-bit Wine; the loader behind it does not."""
    for candidate in ("/usr/lib/wine/wine64", shutil.which("wine64"), shutil.which("wine")):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    return None


def environment(extra=None):
    """The variables a Windows program runs with: quiet, no desktop, no downloads of Mono or Gecko."""
    values = dict(os.environ, WINEPREFIX=PREFIX, WINEDEBUG="-all", WINEDLLOVERRIDES="mscoree=;mshtml=", DISPLAY="")
    values.update(extra or {})
    return values


def _server():
    return shutil.which("wineserver") or os.path.join(os.path.dirname(_loader()), "wineserver")


def _quietly(words):
    subprocess.run(words, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=300)


def command():
    """What stands before a Windows program on a command line; [] where Wine is not installed.

    The first call makes the prefix, starts Wine's server and one program that waits for the end of the tests. While that
    runs a program starts ten times faster, and is never the one that starts Wine's services: they would keep its pipes
    open and whoever reads them to their end waiting.
    """
    loader = _loader()
    if loader is None:
        return []
    with _lock:
        if not _started:
            os.makedirs(os.path.dirname(PREFIX), exist_ok=True)
            _quietly([_server(), "--persistent=%d" % SERVER_SECONDS])
            _quietly([loader, "wineboot", "--init"])
            # Its input ends with this process, however that ends, and so does it.
            _started.append(subprocess.Popen([loader, "cmd.exe"], env=environment(), stdin=subprocess.PIPE,
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            atexit.register(stop)
    return [loader]


def runs_32_bit_programs():
    """Whether Debian's wine32 was there when the prefix was made."""
    return bool(command()) and os.path.exists(os.path.join(PREFIX, "drive_c", "windows", "syswow64", "kernel32.dll"))


def stop():
    """Ends the server of this prefix, if it was started here."""
    if _started:
        resident = _started.pop()
        resident.stdin.close()
        _quietly([_server(), "--kill"])
        resident.wait()
