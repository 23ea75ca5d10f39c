"""How the tests run Windows programs: Wine, with a prefix of its own below build/."""
import atexit
import contextlib
import fcntl
import functools
import os
import shutil
import subprocess
import threading

PREFIX = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "build", "wine"))
IN_USE = PREFIX + ".lock"  # locked by each process that uses the prefix: tests run in several processes, which share it
SERVER_SECONDS = 60  # how long the server outlives its last client; should a test run be killed, it ends by itself
_lock = threading.Lock()
_started = []  # the program that waits, and the locked file


@functools.lru_cache(maxsize=None)
def _loader():
    """Debian's `wine` is a script that asks for the 32-bit Wine; the loader behind it does not."""
    for candidate in ("/usr/lib/wine/wine64", shutil.which("wine64"), shutil.which("wine")):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    return None


def is_installed():
    return _loader() is not None


def environment(extra=None):
    """The variables a Windows program runs with: quiet, no desktop, no downloads of Mono or Gecko."""
    values = dict(os.environ, WINEPREFIX=PREFIX, WINEDEBUG="-all", WINEDLLOVERRIDES="mscoree=;mshtml=", DISPLAY="")
    values.update(extra or {})
    return values


def _server():
    return shutil.which("wineserver") or os.path.join(os.path.dirname(_loader()), "wineserver")


def _quietly(words, values=None):
    subprocess.run(words, env=values or environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=300)


def _lock_alone(file):
    """Whether no other process uses the prefix."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
            in_use = open(IN_USE, "w")
            if _lock_alone(in_use):
                _quietly([_server(), "--persistent=%d" % SERVER_SECONDS])
                # Any program makes the prefix. wineboot as the first would be a second one, beside that which Wine
                # starts itself, and start a second service manager.
                _quietly([loader, "cmd.exe", "/c", "exit"])
            fcntl.flock(in_use, fcntl.LOCK_SH)  # waits while another process starts the server
            # Its input ends with this process, however that ends, and so does it.
            resident = subprocess.Popen([loader, "cmd.exe"], env=environment(), stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _started.extend((resident, in_use))
            atexit.register(stop)
    return [loader]


def runs_32_bit_programs():
    """Whether Debian's wine32 was there when the prefix was made."""
    return bool(command()) and os.path.exists(os.path.join(PREFIX, "drive_c", "windows", "syswow64", "kernel32.dll"))


def stop():
    """Ends what was started here, and the server of this prefix unless another process uses it."""
    if not _started:
        return
    resident, in_use = _started
    _started.clear()
    resident.stdin.close()
    with in_use:
        if _lock_alone(in_use):
            _quietly([_server(), "--kill"])
    resident.wait()


@contextlib.contextmanager
def new_prefix(folder):
    """Variables for programs in a prefix that has nothing of another; what runs in it ends with it."""
    values = environment({"WINEPREFIX": str(folder)})
    try:
        _quietly([_loader(), "wineboot", "--init"], values)
        yield values
    finally:
        _quietly([_server(), "--kill"], values)
