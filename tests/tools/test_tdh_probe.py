"""The program that asks Windows' own TdhFormatProperty; here it can only be shown to refuse Wine's."""
import subprocess

import wine

from conftest import ROOT, missing


def test_it_says_that_wine_is_not_windows():
    program = ROOT / "build" / "win64" / "tests" / "tdh_probe_windows.exe"
    if not program.exists():
        missing("%s is not built" % program.relative_to(ROOT))
    words = wine.command() or missing("Wine is not installed")
    done = subprocess.run(words + [str(program)], env=wine.environment(), capture_output=True, text=True,
                          timeout=120)
    assert (done.returncode, done.stdout) == (1, "")
    assert "tdh_probe: this is Wine" in done.stderr
