"""The command line of both tools: what a wrong word gets as an answer, and where help is found."""
import re
import subprocess

import pytest

from etlwriter import Trace

PROVIDER = "{11111111-2222-3333-4444-555555555555}"
MANIFEST = """<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"><instrumentation><events>
<provider name="P" guid="%s"><events><event value="1" symbol="E"/></events></provider>
</events></instrumentation></instrumentationManifest>""" % PROVIDER

VERBS = ["cat", "export", "info", "schemas", "verify", "recover", "cut", "merge", "split", "repack", "diff", "expect", "reduce"]


@pytest.mark.parametrize("words, message", [
    (["cat", "-zq", "a"], "cat has no option '-z'"),
    (["cat", "-qz", "a"], "cat has no option '-z'"),
    (["cat", "--fromat", "json", "a"], "cat has no option '--fromat'; did you mean '--format'?"),
    (["cat", "a", "--fromat=json"], "cat has no option '--fromat'; did you mean '--format'?"),
    (["cat", "--zzzzzz"], "cat has no option '--zzzzzz'; `etw-replay help cat` lists them"),
    (["cat", "a", "-o"], "'--output' needs a value"),
    (["cat", "a", "--he"], "'--he' is short for more than one option: --head, --help"),
    (["info", "a", "--quiet=5"], "'--quiet' takes no value"),
    (["info", "a", "--head", "5"], "info has no option '--head'"),
    (["inof", "a.etl"], "no verb 'inof'; did you mean 'info'?"),
    (["-q", "inof", "a.etl"], "no verb 'inof'; did you mean 'info'?"),
    (["help", "inof"], "no verb 'inof'; did you mean 'info'?"),
    (["help", "zzzzzzzz"], "no verb 'zzzzzzzz'"),
    (["diff", "a"], "diff: too few traces; usage: etw-replay diff FILE FILE"),
])
def test_a_wrong_word_is_named_with_the_nearest_right_one(tool, words, message):
    done = tool("etw-replay", *words, status=2)
    said = done.stderr.decode()
    assert said.startswith("etw-replay: ") and message in said and said.count("\n") == 1
    assert done.stdout == b""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trace a.etl and a manifest m.man."""
    place = tmp_path_factory.mktemp("advice")
    trace = Trace()
    trace.event(PROVIDER, data=b"abc")
    trace.write(place / "a.etl")
    (place / "m.man").write_text(MANIFEST)
    return place


@pytest.mark.parametrize("words, advice", [
    (["a.etl", "-f", "text"], "a format is chosen by --format text; -f is --force"),
    (["a.etl", "csv"], "a format is chosen by --format csv\n"),
    (["a.etl", "b.csv"], "an output is given by -o b.csv"),
    (["a.etl", "Level==4"], "a filter is given by --where 'Level==4'"),
    (["--", "a.etl", "--json"], "behind -- there are only FILEs"),
    (["show", "a.etl"], "there is no verb 'show' either"),
    (["info", "m.man"], "schemas are given by --schemas m.man"),
    (["info", "nothing"], "nothing: cannot open: No such file or directory\n"),
    (["my ~ trace.etl"], "my ~ trace.etl: cannot open: No such file or directory\n"),
    (["expect", "a.etl", "new.ndjson"], "new.ndjson: not there yet; --update writes it\n"),
])
def test_a_file_that_cannot_be_read_gets_the_advice_that_fits(native_tool, folder, words, advice):
    said = native_tool("etw-replay", *words, status=1, cwd=folder).stderr.decode()
    assert said.endswith(advice) if advice.endswith("\n") else advice in said


def test_a_schema_pack_without_events_is_told(native_tool, folder):
    native_tool("etw-replay", "schemas", "--schemas", folder / "m.man", "--export", folder / "p.etwcap")
    assert b"p.etwcap is a schema pack" in native_tool("etw-replay", folder / "p.etwcap").stderr


def test_a_recording_that_is_named_as_another_format_is_told(native_tool, folder):
    done = native_tool("etw-record", "--input", folder / "a.etl", "-o", folder / "b.json")
    assert b"b.json: this will be an .etwcap file" in done.stderr


@pytest.mark.parametrize("words, message", [
    (["info", "a.etl"], "unexpected argument 'info': a trace is named by --input"),
    (["-i", "a", "-o", "b", "--roate-size", "1M"], "no option '--roate-size'; did you mean '--rotate-size'?"),
    (["a.etl"], "unexpected argument 'a.etl'; use --input a.etl"),
    (["-xi", "a"], "no option '-x'"),
])
def test_a_wrong_word_of_etw_record(tool, words, message):
    assert message in tool("etw-record", *words, status=2).stderr.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_is_found_by_any_way(native_tool, verb):
    ways = [["help", verb], [verb, "--help"], [verb, "-h"], ["--help", verb], ["-q", verb, "a.etl", "--help"]]
    texts = {native_tool("etw-replay", *way).stdout for way in ways}
    assert len(texts) == 1 and texts.pop().decode().startswith("Usage: etw-replay %s " % verb)


def test_help_without_a_verb_lists_all_verbs(native_tool):
    texts = {native_tool("etw-replay", *words).stdout.decode() for words in (["--help"], ["help"], ["-h"])}
    assert len(texts) == 1
    text = texts.pop()
    assert all(re.search(r"^  %s " % verb, text, re.M) for verb in VERBS)


@pytest.mark.parametrize("name", ["etw-record", "etw-replay"])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_text_that_cannot_be_written_fails(native_tool, name, option):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(native_tool.words(name, option), stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr


@pytest.mark.parametrize("name", ["etw-record", "etw-replay"])
def test_help_fits_a_terminal(native_tool, name):
    text = native_tool(name, "--help").stdout.decode()
    assert [line for line in text.splitlines() if len(line) > 90] == []


def test_the_verb_stands_anywhere(tool, tmp_path):
    for words in (["info", "{}", "--json"], ["--json", "info", "{}"], ["{}", "info", "--json"], ["{}", "--json", "info"]):
        done = tool("etw-replay", *[word.format(tmp_path / "none.etl") for word in words], status=1)
        assert b"none.etl" in done.stderr


def test_values_and_words_behind_two_dashes_are_no_verbs(tool, tmp_path):
    assert b"info: " in tool("etw-replay", "--", "info", status=1, cwd=tmp_path).stderr
    assert b"a.etl" in tool("etw-replay", "--provider", "info", "a.etl", status=1, cwd=tmp_path).stderr


def test_messages_go_to_a_log_with_their_time(tool, tmp_path):
    """So does what is wrong with other words, and a profile may name the log as well."""
    log, profile = tmp_path / "log.txt", tmp_path / "a.profile"
    profile.write_text("log = %s\n" % str(log).replace("\\", "/"))
    missing = tmp_path / "missing.etl"
    for words, status in ((["--log", log, "--input", missing, "-o", tmp_path / "a.etwcap"], 1), (["--log", log, "--nonsense"], 2),
                          (["--profile", profile, "--input", missing, "-o", tmp_path / "a.etwcap"], 1)):
        before = log.read_text() if log.exists() else ""
        assert tool("etw-record", *words, status=status).stderr == b""
        said = log.read_text()
        assert said.startswith(before)
        assert re.match(r"etw-record: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z .*(missing\.etl|nonsense)", said[len(before):])
    assert b"cannot write" in tool("etw-record", "--log", tmp_path, "--input", missing, "-o", "-", status=1).stderr


def test_a_service_connects_before_it_looks_at_its_options(win64_tool, tmp_path):
    """A profile that cannot be read must reach the manager as this service's failure."""
    said = win64_tool("etw-record", "--service", "--profile", tmp_path / "missing", status=None).stderr
    # Where Wine's own manager runs, it lets any program in, which is then a service.
    assert (b"service manager" in said) != (b"missing" in said)
    (tmp_path / "a.profile").write_text("service\n")
    assert b"not allowed in a profile" in win64_tool("etw-record", "--profile", tmp_path / "a.profile", status=2).stderr


@pytest.mark.parametrize("verb, option", [("merge", "--update"), ("merge", "--junit"), ("expect", "--offset"), ("split", "--check"),
                                          ("split", "--max-runs"), ("reduce", "--every"), ("diff", "--per-event"), ("info", "--tree")])
def test_a_verb_takes_no_option_of_another(native_tool, verb, option):
    assert option not in native_tool("etw-replay", "help", verb).stdout.decode()
    said = native_tool("etw-replay", verb, "a", "b", "-o", "c", option + "=1", status=2).stderr.decode()
    assert "has no option" in said or "does not take" in said, said


def test_names_of_formats_stand_apart_from_what_they_are(native_tool):
    listed = native_tool("etw-replay", "--help").stdout.decode().split("\nFormats\n")[1].split("\n\n")[0].splitlines()
    assert len(listed) > 10 and all(re.match(r"  \S+  +\S", line) for line in listed), listed
