"""What the documents say: files that exist, options that the tools have."""
import re
import shlex

import pytest
from conftest import ROOT

PAGES = sorted(path for folder in ("format", "recorder", "replay", "tests") for path in (ROOT / folder).rglob("*.md")) \
    + [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]


@pytest.fixture(scope="module")
def known(native_tool):
    """All long options of each tool."""
    listed = native_tool("etw-replay", "--help").stdout.decode().split("Verbs\n")[1].split("\n\n")[0]
    verbs = re.findall(r"^  ([a-z]+) [A-Z]", listed, re.MULTILINE)
    replay = "".join(native_tool("etw-replay", verb, "--help").stdout.decode() for verb in verbs)
    record = native_tool("etw-record", "--help").stdout.decode()
    return {"etw-replay": set(re.findall(r"--[a-z][a-z0-9-]+", replay)) | {"--help", "--version"},
            "etw-record": set(re.findall(r"--[a-z][a-z0-9-]+", record))}


def commands(text):
    """(tool, rest of the line) of the commands in code."""
    code = re.findall(r"^(?:    |\t)(.*)$", text, re.MULTILINE) + re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for part in code:
        for line in part.splitlines():
            for tool, rest in re.findall(r"\b(etw-record|etw-replay)(?:\.exe)? ([^|;&)]*)", line):
                yield tool, rest


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_have_options_that_exist(page, known):
    for tool, rest in commands(page.read_text()):
        rest = re.sub(r"'[^']*'|\"[^\"]*\"", "''", re.split(r"  +", rest)[0])
        used = {word.split("=")[0].split("[")[0] for word in rest.split() if re.match(r"--[a-z]", word)}
        # An old spelling, and what another program behind "--" or a shell gets.
        assert used <= known[tool] | {"--manifest"}, "%s %s" % (tool, rest)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_files_that_are_named_exist():
    for name in ("README.md", "CONTRIBUTING.md"):
        named = re.findall(r"`((?:format|recorder|replay|tests|site_scons)/[A-Za-z0-9_./-]*)`", (ROOT / name).read_text())
        assert len(named) > 10
        for path in named:
            assert (ROOT / path).exists(), path


def test_the_version_is_the_same_everywhere():
    """That of the newest part of the CHANGELOG; pages of the tools and of the library have it, too."""
    version = re.search(r'ETW_VERSION +"(.*)"', (ROOT / "format/base/version.h").read_text()).group(1)
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE).group(1) == version
    for page in ("recorder/command/etw-record.1", "replay/command/etw-replay.1", "replay/etwcap.3"):
        assert re.match(r'\.TH \S+ \d "" "etwcap (.*?)"', (ROOT / page).read_text()).group(1) == version


def without_layout(text):
    return re.sub(r"\s*([*,;()])\s*", r"\1", re.sub(r"\s+", " ", text)).strip()


def test_the_library_page_has_functions_and_headers_as_they_are():
    page = (ROOT / "replay/etwcap.3").read_text()
    lines = re.findall(r"^\.BI (.*)$", page[page.index(".SH SYNOPSIS"):page.index(".SH DESCRIPTION")], re.MULTILINE)
    shown = [without_layout(one) for one in "".join("".join(shlex.split(line)) for line in lines).split(";") if one]
    headers = without_layout("".join(path.read_text() for top in ("format", "recorder", "replay") for path in (ROOT / top).rglob("*.h")))
    assert len(shown) > 6
    for one in shown:
        assert re.search(r"ETW_API(_CHECKED)? ?" + re.escape(one) + ";", headers), one
    for path in re.findall(r"etwcap/((?:format|recorder|replay)/[\w/]+\.h)", page):
        assert (ROOT / path).exists(), path
