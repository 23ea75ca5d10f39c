"""How the tests run Windows programs: Wine, with a prefix of its own below build/."""
import atexit
import functools
import os
import shutil
import subprocess
import threading

PREFIX = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "build", "wine"))
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


def command():
    """What stands before a Windows program on a command line; [] where Wine is not installed.

    The first call makes the prefix and leaves Wine's server running, which makes each later start ten times faster.
    """
    loader = _loader()
    if loader is None:
        return []
    with _lock:
        if not _started:
            os.makedirs(os.path.dirname(PREFIX), exist_ok=True)
            subprocess.run([loader, "wineboot", "--init"], env=environment(), stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
            _started.append(True)
            atexit.register(stop)
    return [loader]


def stop():
    """Ends the server of this prefix, if it was started here."""
    if _started:
        _started.clear()
        subprocess.run([shutil.which("wineserver") or "wineserver", "-k"], env=environment(),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
