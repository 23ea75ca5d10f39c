"""The guides in replay/: their commands run as they stand there, and print what stands behind them."""
import os
import re
import subprocess
import sys

import pytest
from conftest import MODE, ROOT

GUIDES = ["TESTING-PARSERS.md", "FROM-BUG-TO-FIXTURE.md"]


def steps_of(guide):
    """(commands, what they print) pairs."""
    text = (ROOT / "replay" / guide).read_text()
    return re.findall(r"^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def shell(native_tool, tmp_path):
    """Runs commands where the tools and the module are found; what they say and print, in its order."""
    if MODE not in ("release", "debug"):
        pytest.skip("a sanitizer must be there before Python is")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("etw-record", "etw-replay"):
        (programs / name).symlink_to(native_tool.path(name))
    (programs / "python3").symlink_to(sys.executable)
    work = tmp_path / "work"
    work.mkdir()
    environment = dict(os.environ, PATH="%s:%s" % (programs, os.environ["PATH"]), PYTHONPATH=str(ROOT / "replay/python"),
                       ETWCAP_LIBRARY=str(native_tool.folder / "libetwcap.so.1"), PYTHONDONTWRITEBYTECODE="1")

    def run(commands):
        done = subprocess.run(["sh", "-e"], input=commands.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=work,
                              env=environment, timeout=300)
        return done.returncode, done.stdout.decode()
    return run


@pytest.mark.parametrize("guide", GUIDES)
def test_the_guide_does_what_it_says(shell, guide):
    steps = steps_of(guide)
    assert len(steps) >= 5
    for commands, printed in steps:
        assert shell(commands) == (0, printed), commands
