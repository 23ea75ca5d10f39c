"""Draws what the tools print on a terminal, for README.md: replay/picture.svg.

    tests/picture.py FOLDER-OF-THE-TOOLS > replay/picture.svg

The trace is that of demo.py. A test runs this and compares.
"""
import fcntl
import html
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import demo  # noqa: E402

COLUMNS = 104
COMMANDS = [
    "etw-record -q --input dns.etl -o dns.etwcap",
    "etw-replay dns.etwcap --provider Demo-Resolver --format text --time relative \\\n"
    "    --columns TimeStamp,ProcessName,EventName,QueryName,Status",
    "etw-replay dns.etwcap --where 'Status != 0'",
]
# Colours of its own, so that pages may be dark or light.
BACKGROUND, TEXT, PROMPT, COLOURS = "#1e2228", "#d7dae0", "#7fb8ff", {"31": "#ff7b72", "33": "#e3b341", "32": "#7ee787"}
FONT_SIZE, LINE, CELL, MARGIN = 13, 18, 7.9, 14


def on_terminal(command, folder, tools):
    """What a terminal of COLUMNS gets from a command of the shell."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    given = dict(os.environ, PATH="%s:%s" % (os.path.abspath(tools), os.environ["PATH"]), TERM="xterm", PAGER="", LC_ALL="C.UTF-8")
    given.pop("NO_COLOR", None)
    with subprocess.Popen(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=folder, env=given) as process:
        os.close(theirs)
        sent = b""
        try:
            while part := os.read(ours, 65536):
                sent += part
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    if process.returncode != 0:
        sys.exit("%s\n%s" % (command, sent.decode()))
    return sent.decode().replace("\r\n", "\n")


def rows(text):
    """(colour, text) of the rows of the screen: tabs are spaces, what is longer than a row goes on in the next."""
    for line in text.splitlines():
        code = re.match("\x1b\\[(\\d+)m", line)
        line = re.sub("\x1b\\[\\d*m", "", line).expandtabs(8)
        for at in range(0, max(len(line), 1), COLUMNS):
            yield COLOURS[code.group(1)] if code else TEXT, line[at:at + COLUMNS]


def screen(tools):
    with tempfile.TemporaryDirectory() as folder:
        demo.make(os.path.join(folder, "dns.etl"))
        for command in COMMANDS:
            for row in ("$ " + command).splitlines():
                yield PROMPT, row
            yield from rows(on_terminal(command, folder, tools))


def picture(tools):
    shown = list(screen(tools))
    width, height = round(COLUMNS * CELL) + 2 * MARGIN, len(shown) * LINE + 2 * MARGIN
    lines = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d">' % (width, height, width, height),
             "<title>What etw-replay prints on a terminal</title>",
             '<rect width="100%%" height="100%%" rx="8" fill="%s"/>' % BACKGROUND,
             '<g font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="%d">' % FONT_SIZE]
    # Spaces that do not break, which all that draw SVG keep.
    lines += ['<text x="%d" y="%d" fill="%s">%s</text>' % (MARGIN, MARGIN + LINE * number + FONT_SIZE, colour, html.escape(row.replace(" ", "\u00a0"), quote=False))
              for number, (colour, row) in enumerate(shown)]
    return "\n".join(lines + ["</g>", "</svg>", ""])


if __name__ == "__main__":
    sys.stdout.write(picture(*sys.argv[1:]))
