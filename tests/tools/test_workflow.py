"""The workflow that runs on Windows, and its script: what can be checked of them here."""
import re
import subprocess

import pytest

from conftest import ROOT, need_program

yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed")

SCRIPT = (ROOT / "tests/windows/live.ps1").read_text()
ZIP_SCRIPT = (ROOT / "tests/install/zip.ps1").read_text()
PAGE = (ROOT / "recorder/RUN-ON-WINDOWS.md").read_text()


@pytest.fixture
def jobs():
    return yaml.safe_load((ROOT / ".github/workflows/windows.yml").read_text())["jobs"]


def cases():
    listed = re.search(r"\$cases = (.*?)\n\n", SCRIPT, re.DOTALL).group(1)
    return re.findall(r"'(\w+)'", listed)


def test_each_job_has_what_a_job_needs(jobs):
    for name, job in jobs.items():
        assert job["runs-on"] and job["timeout-minutes"] and job["steps"], name
        assert set([job["needs"]] if "needs" in job else []) <= set(jobs)
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert "run" in step or re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])


def shell_steps(jobs):
    return [step["run"] for job in jobs.values() if job["runs-on"] == "ubuntu-latest" for step in job["steps"] if "run" in step]


def test_shell_steps_are_shell(jobs):
    for step in shell_steps(jobs):
        subprocess.run(["sh", "-n"], input=step.encode(), check=True)


def test_linters_find_nothing(jobs):
    shellcheck, yamllint = need_program("shellcheck"), need_program("yamllint")
    for step in shell_steps(jobs):
        subprocess.run([shellcheck, "-s", "sh", "-"], input=step.encode(), check=True)
    for script in (".ci/run", "tests/install-deps.sh", "tests/install/bare-debian.sh", "replay/etwbox/etwbox.sh"):
        subprocess.run([shellcheck, "-s", "sh", ROOT / script], check=True)
    # "on" is a word of YAML 1.1 for true, and of the service for when.
    rules = "{extends: default, rules: {document-start: disable, truthy: {check-keys: false}, line-length: {max: 130}}}"
    subprocess.run([yamllint, "-s", "-d", rules, ROOT / ".github/workflows/windows.yml"], check=True)


def test_what_is_downloaded_was_uploaded(jobs):
    def names(action):
        return [step["with"]["name"] for job in jobs.values() for step in job["steps"] if action in step.get("uses", "")]
    assert set(names("download-artifact")) <= set(names("upload-artifact"))


def test_it_runs_on_the_systems_that_the_page_speaks_of(jobs):
    assert jobs["live"]["strategy"]["matrix"]["system"] == ["windows-2022", "windows-2025", "windows-11-arm"]
    assert ".github/workflows/windows.yml" in PAGE


def test_it_runs_scripts_that_exist(jobs):
    steps = [step["run"].replace("\\", "/") for job in jobs.values() for step in job["steps"] if "run" in step]
    named = {name for step in steps for name in re.findall(r"tests/[\w./-]+\.(?:sh|ps1)", step)}
    assert {"tests/install/bare-debian.sh", "tests/install/zip.ps1"} <= named and all((ROOT / name).exists() for name in named)


def test_it_runs_what_ci_runs(jobs):
    assert (ROOT / ".ci/run").exists() and any(step.get("run") == "sh .ci/run" for step in jobs["build"]["steps"])


def test_each_case_is_defined_and_explained():
    assert sorted(re.findall(r"^function Case-(\w+)", SCRIPT, re.MULTILINE)) == sorted(cases())
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == cases()


@pytest.mark.parametrize("script", [SCRIPT, ZIP_SCRIPT], ids=["live", "zip"])
def test_the_scripts_name_options_and_programs_that_exist(win64_tool, native_tool, script):
    known = native_tool("etw-record", "--help").stdout.decode() + native_tool("etw-replay", "--help").stdout.decode()
    known_options = set(re.findall(r"--[a-z-]+", known)) | {"--version"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", script)) <= known_options
    for program in re.findall(r"'(\w+_windows)\.exe'", script):
        assert win64_tool.path("tests/" + program).exists()


def without_quotes(line):
    """Of PowerShell: a quote in a quoted text is doubled, # begins a comment."""
    return re.sub(r"'(?:[^']|'')*'|\"(?:[^\"`]|`.|\"\")*\"|#.*", "", line)


@pytest.mark.parametrize("script", [SCRIPT, ZIP_SCRIPT], ids=["live", "zip"])
def test_brackets_of_the_script_match(script):
    open_ = []
    for line in script.splitlines():
        for bracket in re.findall(r"[(){}\[\]]", without_quotes(line)):
            if bracket in "({[":
                open_.append({"(": ")", "{": "}", "[": "]"}[bracket])
            else:
                assert open_ and open_.pop() == bracket, line
    assert open_ == []
