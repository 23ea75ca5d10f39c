"""Reports: one HTML file, whose data no text of a trace can break out of."""
import html.parser
import json
import random
import re
import shutil
import struct
import subprocess

import pytest
from consumers import browser
from etlwriter import Trace, field
from random_traces import random_trace
from test_state import START, Host

HOSTILE = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<!--", "\u2028", "]]>", "&lt;", "\\u003c", "'\"`${x}"]


class Page(html.parser.HTMLParser):
    """The tags, the attributes and the scripts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.attributes = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script" and self.scripts:
            self.scripts[-1] += data


def report(tool, trace, out, *options, status=0):
    tool("etw-replay", "report", trace, "-q", "-f", "-o", out, *options, status=status)
    text = out.read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.scripts) == 2 and "img" not in page.tags and "iframe" not in page.tags
    assert not [name for name, _ in page.attributes if name in ("src", "href") or name.startswith("on")]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|https?:", page.scripts[1])
    return json.loads(page.scripts[0]), text


def hostile_trace(tmp_path):
    trace = Trace()
    for text in HOSTILE:
        trace.tracelogging(text.replace("\0", ""), text, [field(text, "utf16z", text)], level=2)
    trace.system(3, 1, struct.pack("<QIIIi", 1, 4, 1, 0, 0) + struct.pack("<QI", 0, 0) + bytes(4) + b"\1\1\0\0\0\0\0\5\x12\0\0\0" +
                 b"<script>.exe\0" + "c\0".encode("utf-16-le") + bytes(8), version=3)
    trace.write(tmp_path / "a.etl")
    return tmp_path / "a.etl"


def test_no_text_of_a_trace_becomes_markup(tool, tmp_path):
    data, text = report(tool, hostile_trace(tmp_path), tmp_path / "a.html")
    plain, _ = report(tool, hostile_trace(tmp_path), tmp_path / "b.html", "--head", "1")
    assert text.lower().count("<script") == (tmp_path / "b.html").read_text().lower().count("<script") == 2
    assert [error[2] for error in data["errors"]] == HOSTILE and data["errorCount"] == len(HOSTILE)
    assert any(kind[:2] == [HOSTILE[0], HOSTILE[0]] for kind in data["kinds"]) and len(plain["sample"]) == 1


def test_a_report_counts_what_the_trace_has(native_tool, corpus, tmp_path):
    data, text = report(native_tool, corpus("net.4.5.2.x64.etl"), tmp_path / "a.html", "--threads", "2")
    assert data["events"] == 179474 == sum(kind[3] for kind in data["kinds"]) == sum(data["bins"])
    assert sum(weight for _, weight in data["stacks"]) + data["otherStacks"] == 6320
    assert data["step"] > 1 and len(data["sample"]) > 1000 and len(text) < 5 << 20
    assert data["pairs"] == sorted(data["pairs"], key=lambda pair: -pair[1]) and len(data["pairs"]) == 100


def test_losses_come_first(tool, tmp_path):
    trace = Trace(events_lost=17)
    trace.event("{11111111-2222-3333-4444-555555555555}")
    trace.write(tmp_path / "a.etl")
    data, _ = report(tool, tmp_path / "a.etl", tmp_path / "a.html", status=3)
    assert data["lossCount"] == 1 and data["losses"][0][0] == "events lost by ETW" and "17" in data["losses"][0][1]


@pytest.mark.parametrize("seed", range(6))
def test_reports_of_random_traces_hold_all_events(native_tool, tmp_path, seed):
    trace, events = random_trace(random.Random(seed))
    trace.write(tmp_path / "a.etl")
    data, _ = report(native_tool, tmp_path / "a.etl", tmp_path / "a.html", status=None)
    assert data["events"] == len(native_tool.events(tmp_path / "a.etl", status=None)) - data["lossCount"]
    assert len(data["sample"]) == data["events"] or data["step"] > 1


def test_a_report_says_what_it_is_of(tool, tmp_path):
    trace = Trace(session="My session", processors=3)
    trace.event("{11111111-2222-3333-4444-555555555555}")
    trace.write(tmp_path / "a.etl")
    data, _ = report(tool, tmp_path / "a.etl", tmp_path / "a.html")
    assert data["traces"] == [["a.etl", "My session", "", "Windows 10.0 build 19041, 64 bit, 3 processors"]] and data["unexplained"] == 1


PAGE = """
    await page.emulateMedia({ colorScheme: argument[1] });
    await page.goto('file://' + argument[0]);
    const rows = await page.evaluate(title => {
        const head = [...document.querySelectorAll('h2')].find(each => each.textContent === title);
        return [...head.parentNode.querySelectorAll('h2 ~ .scroll')].filter(each => head.compareDocumentPosition(each) & 4)[0].innerText;
    }, 'Processes');
    await page.keyboard.press('/');
    await page.keyboard.type('c.exe');
    const found = await page.evaluate(() => document.querySelector('input').nextSibling.textContent);
    await page.pdf({ path: argument[0] + '.pdf' });
    return [rows, found, await page.evaluate(() => getComputedStyle(document.body).backgroundColor)];
"""


@pytest.mark.parametrize("scheme, background", [("light", "rgb(255, 255, 255)"), ("dark", "rgb(21, 24, 28)")])
def test_processes_stand_below_those_that_started_them(native_tool, tmp_path, scheme, background):
    """In Chromium; a process that started itself, and two that started each other, are listed once."""
    trace = Host()
    for pid, parent, name in ((10, 5, "a.exe"), (11, 10, "b.exe"), (12, 11, "c.exe"), (13, 10, "d.exe"), (20, 20, "self.exe"),
                              (31, 32, "x.exe"), (32, 31, "y.exe")):
        trace.process(START, pid, name, 1, parent)
    trace.write(tmp_path / "a.etl")
    report(native_tool, tmp_path / "a.etl", tmp_path / "a.html")
    page = browser("report.mjs", PAGE, tmp_path / "a.html", scheme)
    rows, found, colour = page["result"]
    lines = [line.split("\t")[0].replace("\u00a0", " ") for line in rows.splitlines()[1:]]
    assert [line for line in lines if ".exe" in line] == ["a.exe", "   b.exe", "      c.exe", "   d.exe", "self.exe", "x.exe", "   y.exe"]
    assert (found, colour, page["problems"]) == ("1 found", background, [])
    assert (tmp_path / "a.html.pdf").stat().st_size > 1000


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_chromium_shows_it_and_runs_nothing_of_the_trace(native_tool, tmp_path):
    report(native_tool, hostile_trace(tmp_path), tmp_path / "a.html")
    done = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=2000",
                           (tmp_path / "a.html").as_uri()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    page = done.stdout.decode()
    assert "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<img" not in page
    assert page.count("<script") == 2 and "Errors" in page and "found" in page
