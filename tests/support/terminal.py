"""A program on a terminal of its own, as a person starts it: its messages as they come, and keys."""
import fcntl
import os
import pty
import subprocess
import termios
import threading
import time

CTRL_C = b"\x03"


class Terminal:
    """stdin and stderr are the terminal; stdout too, unless it is given as for Popen."""

    def __init__(self, words, env, stdout=None):
        self._ours, theirs = pty.openpty()
        try:
            self.child = subprocess.Popen(words, env=env, stdin=theirs, stderr=theirs, stdout=theirs if stdout is None else stdout,
                                          start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        finally:
            os.close(theirs)
        self.shown = b""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self):
        try:
            for got in iter(lambda: os.read(self._ours, 65536), b""):
                self.shown += got
        except OSError:  # the last program has left it
            pass

    def press(self, keys):
        os.write(self._ours, keys)

    def wait_for(self, text, seconds=60):
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < end and self.child.poll() is None, self.shown
            time.sleep(0.05)

    def end(self, seconds=60):
        """The exit status; what was shown is then whole."""
        status = self.child.wait(seconds)
        self._reading.join(5)
        return status

    def close(self):
        self.child.kill()
        self.child.wait()
        if self.child.stdout is not None:
            self.child.stdout.close()
        self._reading.join(5)
        os.close(self._ours)
