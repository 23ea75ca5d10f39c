"""What shells complete, made from the table of options."""
import os
import re
import select
import shutil
import subprocess

import pytest
from conftest import need_program

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


# What is typed, up to the Tab key, and the words that the tool is started with.
TYPED = [("etw-replay stat", "stats"), ("etw-replay cat --no-pag", "cat --no-pager"), ("etw-replay --time rel", "--time relative"),
         ("etw-replay cat tra", "cat trace.etl"), ("etw-record --sync bl", "--sync block")]
TOLD = "%s() { printf '%%s\\n' \"$*\" > told; exit; }\n"  # stands for a tool: writes down its words and ends the shell


def read_until(terminal, shown):
    """Reads what appears on a terminal until that is among it."""
    seen = b""
    while shown not in seen and select.select([terminal], [], [], 30)[0]:
        seen += os.read(terminal, 4096)


def at_a_terminal(shell, typed, folder):
    """The words that a tool is started with when Tab and Enter are pressed, at a shell's prompt, behind what is typed."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    given = dict(os.environ, HOME=str(folder), ZDOTDIR=str(folder), INPUTRC=os.devnull, TERM="dumb", PS1="")
    child = subprocess.Popen(shell, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=given, start_new_session=True)
    try:
        read_until(ours, b"ready> ")
        os.write(ours, typed.encode() + b"\t\n")
        child.wait(30)
    finally:
        child.kill()
        os.close(theirs)
        os.close(ours)
    return (folder / "told").read_text().strip()


@pytest.fixture
def installed(native_tool, tmp_path):
    """A folder with the scripts by their names in an installation, what starts bash and zsh with them, and a trace."""
    for name in TOOLS:
        for shell, place in (("bash", "%s"), ("zsh", "_%s"), ("fish", "%s.fish")):
            (tmp_path / (place % name)).write_text(script(native_tool, name, shell))
    stands = "".join(TOLD % name for name in TOOLS) + "PS1='ready> '\n"
    (tmp_path / "bashrc").write_text("".join("source ./%s\n" % name for name in TOOLS) + stands)
    (tmp_path / ".zshrc").write_text("fpath=($PWD $fpath)\nautoload -Uz compinit\ncompinit -u -d ./compdump\n" + stands)
    (tmp_path / "trace.etl").touch()
    return tmp_path


@pytest.mark.parametrize("typed, words", TYPED)
@pytest.mark.parametrize("shell", [["bash", "--rcfile", "bashrc", "-i"], ["zsh", "-i"]], ids=lambda words: words[0])
def test_the_tab_key_completes(installed, shell, typed, words):
    need_program(shell[0])
    assert at_a_terminal(shell, typed, installed) == words


def test_the_tab_key_completes_after_a_script_was_sourced(installed):
    need_program("zsh")
    (installed / ".zshrc").write_text((installed / ".zshrc").read_text().replace("fpath=($PWD $fpath)\n", "") + "source ./_etw-replay\n")
    assert at_a_terminal(["zsh", "-i"], "etw-replay stat", installed) == "stats"


def test_fish_completes(native_tool, installed):
    need_program("fish")
    path = dict(os.environ, PATH="%s:%s" % (native_tool.folder, os.environ["PATH"]))  # it loads scripts of programs that exist
    asked = "set fish_complete_path .\n" + "".join("complete -C '%s'\n" % typed for typed, _ in TYPED)
    done = subprocess.run(["fish", "--no-config", "-c", asked], stdout=subprocess.PIPE, check=True, cwd=installed, env=path)
    offered = [line.split("\t")[0] for line in done.stdout.decode().splitlines()]
    assert offered == [words.split()[-1] for _, words in TYPED]


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
