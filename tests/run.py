"""Runs the unit tests (cmocka programs), the tests of the tools (pytest) and the fuzzers, and counts them all.

    tests/run.py [--mode MODE] [--tools FOLDER] [--unit PROGRAM...] [--fuzz PROGRAM... [--seconds N]] [--mutator FOLDER...]

Programs ending in .exe run under Wine. A fuzzer is one test: it runs for the given time over what it found before
(build/fuzz), seeds made from small traces (build/fuzz-seeds) and the inputs that once failed (tests/fuzz/regressions).
The last line is the sum over all runners; the exit status is 1 when a test failed or, with CI set in the environment, when
something a test needs is missing.
"""
import argparse
import concurrent.futures
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
import wine  # noqa: E402

REPORT = "build/tests/pytest.xml"
UNIT_SECONDS = 300
LOCALES, LOCALE = "build/locale", "de_DE.UTF-8"
SLOW_MODES = {"tsan": 12}  # how much more a program may take

FUZZ_FOLDER = "build/fuzz"
FUZZ_SEEDS = "build/fuzz-seeds"
FUZZ_MEMORY_MB = 1024
IN_CI = bool(os.environ.get("CI"))  # there nothing may be missing: what would be skipped fails
TAP = re.compile(r"(not ok|ok) \d+ .*")


def unit_seconds():
    return UNIT_SECONDS * SLOW_MODES.get(os.environ.get("ETWCAP_MODE"), 1)


class Counts:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0

    def line(self):
        skipped = ", %d skipped" % self.skipped if self.skipped else ""
        return "%d passed, %d failed%s" % (self.passed, self.failed, skipped)


def run_unit(program):
    """Runs one cmocka program: (exit status, output). Its results come as lines in the form of TAP."""
    words = (wine.command() if program.endswith(".exe") else []) + [program]
    environment = dict(wine.environment() if program.endswith(".exe") else os.environ, CMOCKA_MESSAGE_OUTPUT="TAP",
                       LOCPATH=os.path.abspath(LOCALES))
    try:
        done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=unit_seconds())
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode(errors="replace")
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")  # apart, lest they cut each other's lines


def make_locale():
    """A locale whose decimal point is a comma, for the test that no number depends on it; the machine's own may lack one."""
    place = os.path.join(LOCALES, LOCALE)
    if not os.path.isdir(place) and shutil.which("localedef") and os.path.exists("/usr/share/i18n/locales/de_DE"):
        os.makedirs(LOCALES, exist_ok=True)
        subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", "./" + place], check=False)


def count_unit(program, status, output, counts):
    """Adds a program's results. One that dies fails the tests it did not get to, and at least one."""
    planned = re.search(r"^1\.\.(\d+)", output, re.MULTILINE)
    results = [match for match in map(TAP.match, output.splitlines()) if match]
    skipped = sum("# SKIP" in result.group(0) for result in results)  # cmocka says "not ok 2 # SKIP name"
    passed = sum(result.group(1) == "ok" and "# SKIP" not in result.group(0) for result in results)
    failed = max(int(planned.group(1)) if planned else 1, len(results)) - passed - skipped
    if status != 0:
        failed = max(failed, 1)
    if IN_CI:
        failed, skipped = failed + skipped, 0
    counts.passed += passed
    counts.failed += failed
    counts.skipped += skipped
    if failed:
        how = "timed out after %d s" % unit_seconds() if status is None else "exit status %d" % status
        print("FAILED %s (%s)\n%s" % (program, how, output))


def run_units(programs, counts):
    """Native programs and, where Wine is there, win64 ones; as many at once as there are processors."""
    make_locale()
    windows = [program for program in programs if program.endswith(".exe")]
    if windows and not wine.is_installed():
        programs = [program for program in programs if program not in windows]
        leave_out(len(windows), "win64 unit test programs: Wine is not installed", counts)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        if windows:
            pool.submit(wine.command)  # a new prefix takes seconds: it is made beside the first native programs
        for program, (status, output) in zip(programs, pool.map(run_unit, programs)):
            count_unit(program, status, output, counts)
    print("unit tests: " + counts.line())


def one_for_each_processor_and_one_more():
    """pytest's options for that, where python3-pytest-xdist is installed: tests of live sessions wait for most of their time,
    and one process has them all. conftest.py says what stays together."""
    found = importlib.util.find_spec("xdist") is not None and os.cpu_count() > 1
    return ["-n", str(os.cpu_count() + 1), "--dist=loadgroup"] if found else []


def run_tools(folder, counts):
    """pytest in processes of its own; its report tells the numbers."""
    if os.path.exists(REPORT):
        os.remove(REPORT)
    os.makedirs(os.path.dirname(REPORT), exist_ok=True)
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rs", "--durations=10", "-p", "no:cacheprovider",
                           "--junitxml=" + REPORT, *one_for_each_processor_and_one_more(), folder], stdin=subprocess.DEVNULL)
    if not os.path.exists(REPORT):
        print("FAILED pytest: no report, exit status %d" % done.returncode)
        counts.failed += 1
        return
    suite = xml.etree.ElementTree.parse(REPORT).getroot().find("testsuite")
    tests, bad, skipped = (int(suite.get(name)) for name in ("tests", "failures", "skipped"))
    bad += int(suite.get("errors"))
    counts.passed += tests - bad - skipped
    counts.skipped += skipped
    counts.failed += bad if bad or done.returncode == 0 else 1


def run_fuzzer(program, seconds):
    """(exit status, output) of one fuzzer."""
    name = os.path.basename(program)
    found = os.path.join(FUZZ_FOLDER, name)
    os.makedirs(found, exist_ok=True)
    given = [folder for folder in (os.path.join(FUZZ_SEEDS, name), "tests/fuzz/regressions/" + name)
             if os.path.isdir(folder)]
    luck = ["-seed=1"] if IN_CI else []  # CI judges the change; longer runs elsewhere look for new inputs
    words = [program, *luck, "-max_total_time=%d" % seconds, "-timeout=10", "-rss_limit_mb=%d" % FUZZ_MEMORY_MB,
             "-print_final_stats=1", "-close_fd_mask=1", "-artifact_prefix=%s/failed-%s-" % (FUZZ_FOLDER, name),
             found, *given]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode(errors="replace")


def run_fuzzers(programs, seconds, counts):
    if not all(map(os.path.exists, programs)):
        leave_out(len(programs), "fuzzers: clang is not installed", counts)
        return
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda program: run_fuzzer(program, seconds), programs)
        for program, (status, output) in zip(programs, results):
            runs = re.search(r"number_of_executed_units: (\d+)", output)
            print("%s: %s runs" % (program, runs.group(1) if runs else "unknown"))
            counts.passed += status == 0
            counts.failed += status != 0
            if status != 0:
                print("FAILED %s (exit status %d)\n%s" % (program, status, output))


def run_mutators(folders, seconds, counts):
    """The adversary (tests/fuzz/mutator.py) with the tools of each folder, half as long again as a fuzzer."""
    for folder in folders:
        first = [] if IN_CI else ["--first", str(int(time.time()))]  # CI judges the change; elsewhere new traces are tried
        done = subprocess.run([sys.executable, "tests/fuzz/mutator.py", folder, "--seconds", str(seconds * 1.5)] + first,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print("%s: %s" % (folder, done.stdout.splitlines()[-1] if done.stdout else "no output"))
        counts.passed += done.returncode == 0
        counts.failed += done.returncode != 0
        if done.returncode != 0:
            print("FAILED mutator with %s\n%s" % (folder, done.stdout))


def leave_out(number, why, counts):
    print("%s: %d %s" % ("FAILED" if IN_CI else "skipped", number, why))
    if IN_CI:
        counts.failed += number
    else:
        counts.skipped += number


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tools", help="a folder of pytest tests")
    parser.add_argument("--mode", default="release", help="the build to test, as scons names it")
    parser.add_argument("--unit", nargs="*", default=[], help="cmocka programs")
    parser.add_argument("--fuzz", nargs="*", default=[], help="libFuzzer programs")
    parser.add_argument("--mutator", nargs="*", default=[], help="folders of tools that the mutator runs")
    parser.add_argument("--seconds", type=int, default=6, help="how long each fuzzer runs")
    arguments = parser.parse_args()
    os.environ["ETWCAP_MODE"] = arguments.mode
    sys.stdout.reconfigure(line_buffering=True)  # pytest writes to the same place
    counts = Counts()
    try:
        if arguments.unit:
            run_units(arguments.unit, counts)
        if arguments.tools:
            run_tools(arguments.tools, counts)
        run_fuzzers(arguments.fuzz, arguments.seconds, counts)
        run_mutators(arguments.mutator, arguments.seconds, counts)
    finally:
        wine.stop()
    print(counts.line())
    return 1 if counts.failed or counts.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
