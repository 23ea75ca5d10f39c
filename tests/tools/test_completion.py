"""What shells complete, made from the table of options."""
import re
import shutil
import subprocess

import pytest

TOOLS = ["etw-replay", "etw-record"]


def script(native_tool, name, shell):
    return native_tool(name, "completion", shell).stdout.decode()


def complete(native_tool, name, line, folder):
    """The words that bash offers behind a line."""
    words = line.split(" ")
    code = script(native_tool, name, "bash") + 'COMP_WORDS=(%s); COMP_CWORD=%d; _%s; printf "%%s\\n" "${COMPREPLY[@]}"' % (
        " ".join("'%s'" % word for word in words), len(words) - 1, name.replace("-", "_"))
    done = subprocess.run(["bash", "-c", code], stdout=subprocess.PIPE, check=True, cwd=folder)
    return set(done.stdout.decode().split())


def options_of(native_tool, name, *verb):
    return set(re.findall(r"^  (?:-\w, |    )(--[a-z0-9-]+)", native_tool(name, *verb, "--help").stdout.decode(), re.M))


@pytest.mark.parametrize("verb", ["cat", "export", "info", "stats", "cut", "ps", "diff"])
def test_options_are_those_of_the_verb(native_tool, tmp_path, verb):
    assert complete(native_tool, "etw-replay", "etw-replay %s --" % verb, tmp_path) == options_of(native_tool, "etw-replay", verb)


def test_options_of_a_tool_without_verbs(native_tool, tmp_path):
    assert complete(native_tool, "etw-record", "etw-record --", tmp_path) == options_of(native_tool, "etw-record")
    assert complete(native_tool, "etw-record", "etw-record --sync b", tmp_path) == {"block"}


def test_verbs_values_and_files(native_tool, tmp_path):
    (tmp_path / "trace.etl").touch()
    (tmp_path / "stash").mkdir()
    assert complete(native_tool, "etw-replay", "etw-replay st", tmp_path) == {"stats", "stash"}
    assert complete(native_tool, "etw-replay", "etw-replay cat tr", tmp_path) == {"trace.etl"}
    assert complete(native_tool, "etw-replay", "etw-replay --time ", tmp_path) == {"utc", "local", "relative"}
    assert complete(native_tool, "etw-replay", "etw-replay --format pc", tmp_path) == {"pcapng"}
    assert complete(native_tool, "etw-replay", "etw-replay cut -o tr", tmp_path) == {"trace.etl"}
    assert complete(native_tool, "etw-replay", "etw-replay --head ", tmp_path) == set()


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_without_fault(native_tool, tmp_path, name, shell):
    if shutil.which(shell) is None:
        pytest.skip("%s is not installed" % shell)
    path = tmp_path / "script"
    path.write_text(script(native_tool, name, shell))
    done = subprocess.run([shell, "-n", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("shell", ["zsh", "fish", "powershell"])
def test_all_shells_know_all_options(native_tool, name, shell):
    text = script(native_tool, name, shell)
    marks = {"zsh": r"'\*(--[a-z0-9-]+)\[", "fish": r" -l ([a-z0-9-]+)", "powershell": r"(--[a-z0-9-]+)"}
    found = {mark if mark.startswith("--") else "--" + mark for mark in re.findall(marks[shell], text)}
    assert options_of(native_tool, name) <= found
    assert text.count("'") % 2 == 0 and text.count("{") == text.count("}")


@pytest.mark.parametrize("name", TOOLS)
def test_another_shell_is_refused(tool, name):
    for words in (["completion"], ["completion", "csh"]):
        assert b"powershell" in tool(name, *words, status=2).stderr
