"""What the tests of the tools share: running native and win64 tools, the trace corpus, and when to skip.

    def test_it(tool, tmp_path):                    # runs twice: native, and win64 under Wine
        tool("etw-record", "--input", trace, "-o", tmp_path / "a.etwcap")
        events = tool.events(tmp_path / "a.etwcap")  # the lines of etw-replay, parsed

    def test_other(native_tool, corpus): ...         # native only; corpus("HTTP_Server.etl") is a path

ETWCAP_CORPUS names the corpus (default: ../shared/corpus beside the checkout), ETWCAP_MODE the build to test (release).
What a test needs and the machine lacks skips it with the reason; with CI set in the environment it fails it.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("", "support", "readers")]
import wine  # noqa: E402

CORPUS = pathlib.Path(os.environ.get("ETWCAP_CORPUS", ROOT.parent / "shared" / "corpus"))
MODE = os.environ.get("ETWCAP_MODE", "release")
CACHE = tempfile.TemporaryDirectory(prefix="etwcap-cache-")  # nothing goes into the user's own
TOOL_SECONDS = 300


def missing(reason):
    """Skips the running test because the machine lacks something; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail("missing in CI: " + reason, pytrace=False)
    pytest.skip(reason)


def optional(reason):
    """Skips the running test because the machine lacks something that CI may lack too: tests/install-deps.sh does not
    install it."""
    pytest.skip(reason)


def need_program(name):
    """The path of a program of another package, such as tshark."""
    return shutil.which(name) or missing(name + " is not installed")


def new_output(arguments):
    """The file that -o names, where there is none yet."""
    given = list(map(str, arguments))
    path = pathlib.Path(given[given.index("-o") + 1]) if "-o" in given[:-1] else None
    return path if path is not None and not path.exists() else None


def is_wines_own_end(done, expected):
    """On a busy machine Wine 8 ends one of some thousand processes without a word: by SIGQUIT, its way to end threads, or
    with status 1. The tools say why they fail; a run that ended so is repeated once, so that one of theirs still shows.
    expected: None: any."""
    return done.returncode != expected and done.returncode in (1, -3) and not done.stdout and not done.stderr


class Tool:
    """Runs the tools of one target; see the top of this file."""

    def __init__(self, target):
        self.target = target
        self.folder = ROOT / "build" / (target + ("" if MODE == "release" else "-" + MODE))

    def path(self, name):
        program = self.folder / (name + ("" if self.target == "native" else ".exe"))
        return program if program.exists() else missing("%s is not built" % program.relative_to(ROOT))

    def words(self, name, *arguments):
        """The command line that starts a tool, for subprocess."""
        program = self.path(name)
        before = []
        if self.target != "native":
            before = wine.command() or missing("Wine is not installed")
        if self.target == "win32" and not wine.runs_32_bit_programs():
            optional("wine32 is not installed, or build/wine is older than it")
        return before + [str(program)] + [str(argument) for argument in arguments]

    def environment(self, **extra):
        if self.target != "native":
            return wine.environment(extra)
        return dict(os.environ, **dict({"XDG_CACHE_HOME": CACHE.name}, **extra))

    def __call__(self, name, *arguments, status=0, input=None, env=None, cwd=None):
        """Runs a tool to its end and checks its exit status (None: any). stdout and stderr are bytes."""
        words = self.words(name, *arguments)
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        given.update(stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TOOL_SECONDS, cwd=cwd,
                     env=self.environment(**(env or {})))
        made = new_output(arguments)
        done = subprocess.run(words, **given)
        if self.target != "native" and is_wines_own_end(done, status):
            if made is not None:
                made.unlink(missing_ok=True)
            done = subprocess.run(words, **given)
        assert status is None or done.returncode == status, "%s\nexit status %d, expected %s\n%s" % (
            " ".join(words), done.returncode, status, done.stderr.decode(errors="replace"))
        return done

    def events(self, *arguments, status=0, **more):
        """The events etw-replay prints, as dictionaries."""
        return [json.loads(line) for line in self("etw-replay", *arguments, status=status, **more).stdout.splitlines()]


@pytest.fixture(scope="session", params=["native", "win64"])
def tool(request):
    if request.param == "win64" and MODE not in ("release", "debug"):
        pytest.skip("mode %s is native only" % MODE)
    return Tool(request.param)


@pytest.fixture(scope="session")
def native_tool():
    return Tool("native")


@pytest.fixture(scope="session")
def win64_tool():
    return Tool("win64")


@pytest.fixture(scope="session", params=["win64", "win32"])
def windows_tool(request):
    """What there is for programs of both widths: the box, the drop-in API, and the tests' programs for them."""
    return Tool(request.param)


@pytest.fixture
def live(win64_tool):
    """Runs the recorder that is linked with the drop-in API, without the events of its rundown unless these are wanted."""
    def run(*arguments, status=0, rundown=False, **env):
        return win64_tool("tests/etw-record-dropin", *arguments, *([] if rundown else ["--no-rundown"]), status=status, env=env)

    run.words = lambda *arguments: win64_tool.words("tests/etw-record-dropin", "--no-rundown", *arguments)
    run.environment = win64_tool.environment
    return run


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own
def pytest_collection_modifyitems(config, items):
    """Tests of a file run in one process, with what they share; so do all files that start sessions, as the drop-in API has
    one table of them for all, with one NT Kernel Logger. These are the most by far, and wait more than they work: they come
    first, beside the others."""
    live_files = {item.path for item in items if {"live", "boot", "service", "console", "box"} & set(item.fixturenames)}
    if config.pluginmanager.hasplugin("xdist"):
        items.sort(key=lambda item: item.path not in live_files)
        for item in items:
            item.add_marker(pytest.mark.xdist_group("sessions" if item.path in live_files else item.path.name))


@pytest.fixture(scope="session")
def corpus():
    """A function from a name below the corpus' etl folder to its path; without a name, that folder."""
    if not CORPUS.is_dir():
        missing("the trace corpus is not at %s (see ETWCAP_CORPUS)" % CORPUS)
    return lambda name="": CORPUS / "etl" / name


@pytest.fixture(scope="session", autouse=True)
def _stop_wine():
    yield
    wine.stop()
