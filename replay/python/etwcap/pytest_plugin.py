"""For pytest: traces as fixtures. Found by itself where the package is installed; else `pytest_plugins = ["etwcap.pytest_plugin"]`.

    @pytest.mark.trace("login.etwcap", where="EventName == 'Login'")
    def test_logins(trace):
        assert [event["User"] for event in trace] == ["ann", "bob"]

    def test_all_of_it(assert_matches):
        assert_matches("login.etwcap", "expected.ndjson", ignore=["TimeStamp"])
"""
import fnmatch
import json
import os

import pytest

import etwcap


def pytest_configure(config):
    config.addinivalue_line("markers", "trace(path, where=None, schemas=()): the file of the fixture `trace`, beside the test")


def beside(request, path):
    return os.path.join(os.path.dirname(str(request.node.fspath)), os.fspath(path))


@pytest.fixture
def trace(request):
    """The trace that the test's mark names, opened; closed at its end."""
    mark = request.node.get_closest_marker("trace")
    if mark is None:
        pytest.fail('the fixture trace needs @pytest.mark.trace("file.etwcap")')
    with etwcap.open(beside(request, mark.args[0]), *mark.args[1:], **mark.kwargs) as opened:
        yield opened


def without(value, ignored):
    """A copy of JSON values without the members of these names (with * and ?)."""
    if isinstance(value, dict):
        return {name: without(inner, ignored) for name, inner in value.items()
                if not any(fnmatch.fnmatch(name, pattern) for pattern in ignored)}
    return [without(inner, ignored) for inner in value] if isinstance(value, list) else value


def expectation_of(place):
    """What the first line of a file says that `etw-replay expect --update` wrote; {} where it is no such line."""
    if not os.path.exists(place):
        return {}
    with open(place, encoding="utf-8") as file:
        head = json.loads(file.readline() or "{}").get("Expectation", {})
    if head.get("Normalize") or head.get("Key"):
        pytest.fail("%s numbers values: `etw-replay expect` compares such files" % place, pytrace=False)
    return head


@pytest.fixture
def assert_matches(request):
    """assert_matches(trace, expected, ignore=(), where=None): the events are those of a file of JSON lines.

    With the environment variable ETWCAP_UPDATE=1 the file is written instead. What `etw-replay expect --update` wrote is
    taken with the options at its head, but for losses, which are passed over, and values that are numbered.
    """
    def check(path, expected, ignore=(), where=None):
        head = expectation_of(beside(request, expected))
        ignore, where = [*ignore, *head.get("Ignore", [])], where or head.get("Where")
        with etwcap.open(beside(request, path), where=where) as opened:
            found = [without(json.loads(event.to_json(typed=False)), ignore) for event in opened]
        place = beside(request, expected)
        if os.environ.get("ETWCAP_UPDATE"):
            with open(place, "w", encoding="utf-8") as file:
                file.writelines(json.dumps(event, ensure_ascii=False) + "\n" for event in found)
        with open(place, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        wanted = [without(line, ignore) for line in lines if not {"Expectation", "Loss"} & line.keys()]
        for number, (one, other) in enumerate(zip(found, wanted), 1):
            assert one == other, "event %d of %s differs from %s" % (number, path, expected)
        assert len(found) == len(wanted), "%s has %d events, %s expects %d" % (path, len(found), expected, len(wanted))
    return check
