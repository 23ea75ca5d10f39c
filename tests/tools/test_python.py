"""The Python module: what it gives is what `etw-replay` prints."""
import datetime
import json
import os
import subprocess
import sys
import uuid

import pytest
from conftest import MODE, ROOT
from etlwriter import Trace, field

MODULE = ROOT / "replay/python"


@pytest.fixture(scope="module")
def etwcap(native_tool):
    if MODE not in ("release", "debug"):
        pytest.skip("a sanitizer must be there before Python is")
    os.environ["ETWCAP_LIBRARY"] = str(native_tool.folder / "libetwcap.so.1")
    sys.path.insert(0, str(MODULE))
    import etwcap as module
    return module


@pytest.fixture
def path(tmp_path):
    trace = Trace()
    for number in range(5000):
        trace.tracelogging("Shop", "Sold" if number % 2 else "Seen", [
            field("Size", "u32", number), field("Who", "utf8z", "ann"), field("Ratio", "f64", 0.5), field("Left", "i32", -number)],
            id=number % 7, level=4, pid=40 + number, time=trace.at(number), activity="{11223344-5566-7788-0102-000000000005}")
    trace.write(tmp_path / "a.etl")
    return tmp_path / "a.etl"


def test_events_have_header_and_typed_properties(etwcap, path):
    with etwcap.open(path, where="EventName == 'Sold'") as trace:
        events = [(event.id, event.process_id, event.name, event["Size"], event["Left"], event["Ratio"], event["Who"]) for event in trace]
    assert events == [(number % 7, 40 + number, "Sold", number, -number, 0.5, "ann") for number in range(1, 5000, 2)]


def test_an_event_tells_all_that_json_does(etwcap, native_tool, path):
    lines = native_tool("etw-replay", path).stdout.splitlines()
    with etwcap.open(path) as trace:
        for event, line in zip(trace, lines):
            assert event.to_json(typed=False) == line.decode()
        second = next(iter(etwcap.open(path, where="Size == 3")))
    assert second.activity_id == uuid.UUID("11223344-5566-7788-0102-000000000005")
    assert (second.time, second.level) == (datetime.datetime(2024, 5, 1, 12, 0, 3, tzinfo=datetime.timezone.utc), 4)
    assert second.properties == {"Size": 3, "Who": "ann", "Ratio": 0.5, "Left": -3} and second.user_data[:4] == b"\3\0\0\0"
    assert (second.get("Nope"), second.get("Nope", 7)) == (None, 7)
    with pytest.raises(KeyError):
        second["Nope"]


def test_every_event_of_the_corpus_is_the_same(etwcap, native_tool, corpus):
    for name in ("HTTP_Server.etl", "Process.etl", "KernelNetwork.etl"):
        lines = native_tool("etw-replay", corpus(name), "--no-process-names", "--stacks", "addresses", status=None).stdout.decode().splitlines()
        with etwcap.open(corpus(name)) as trace:
            found = [event.to_json(typed=False) for event in trace]
        assert found == [line for line in lines if not line.startswith('{"Loss"')], name


def test_an_event_of_an_earlier_batch_is_refused_unless_kept(etwcap, path):
    with etwcap.open(path, where="has Size") as trace:
        events = iter(trace)
        first = next(events).keep()
        lost = next(events)
        assert len(list(events)) > 4096
    assert first.properties["Size"] == 0
    with pytest.raises(etwcap.EtwcapError, match="keep"):
        lost["Size"]


def test_errors_and_losses_are_told(etwcap, path, tmp_path):
    with pytest.raises(etwcap.EtwcapError, match="cannot open|No such file"):
        etwcap.open(tmp_path / "none.etl")
    with pytest.raises(etwcap.EtwcapError, match="Id =="):
        etwcap.open(path, where="Id ==")
    cut = tmp_path / "cut.etl"
    cut.write_bytes(path.read_bytes()[:-3000])
    with etwcap.open(cut) as trace:
        assert len(list(trace)) < 5001 and trace.losses and trace.losses[0]["Cause"]


def test_schemas_are_told(etwcap, path):
    with etwcap.open(path, where="has Size") as trace:
        first, second = (event.keep().schema for event, _ in zip(trace, range(2)))
        assert (first["EventName"], second["EventName"]) == ("Seen", "Sold")
        assert [each["Name"] for each in second["Properties"]] == ["Size", "Who", "Ratio", "Left"]
        list(trace)
        assert {each["SchemaHash"] for each in trace.schemas} >= {first["SchemaHash"], second["SchemaHash"]}


def test_events_are_built_saved_and_read_back(etwcap, tmp_path):
    builder = etwcap.Builder()
    builder.schema("My.Shop", 1, {"Price": "UINT32", "Name": "UNICODESTRING"}, EventName="Sold")
    builder.event("My.Shop", 1, {"Price": 5, "Name": "tea \u00e9"}, TimeStamp="2024-05-01T12:00:00Z", ProcessId=7)
    builder.loss(3)
    builder.save(tmp_path / "a.etwcap")
    with etwcap.open(tmp_path / "a.etwcap") as trace:
        assert [(event.name, event["Price"], event["Name"], event.process_id) for event in trace] == [("Sold", 5, "tea \u00e9", 7)]
        assert trace.losses[0]["Events"] == 3
    with pytest.raises(etwcap.EtwcapError, match="exists"):
        builder.save(tmp_path / "a.etwcap")
    builder.save(tmp_path / "a.etwcap", replace=True)
    builder.event("My.Shop", 1, {"Price": "much", "Name": ""})
    with pytest.raises(etwcap.EtwcapError, match="line 4: column"):
        builder.save(tmp_path / "b.etwcap")
    assert not (tmp_path / "b.etwcap").exists()


def test_events_are_taken_over_byte_for_byte(etwcap, corpus, path, tmp_path):
    for name in ("HTTP_Server.etl", "KernelNetwork.etl"):
        with etwcap.open(corpus(name)) as trace:
            etwcap.write(tmp_path / "a.etwcap", trace, replace=True)
        with etwcap.open(corpus(name)) as one, etwcap.open(tmp_path / "a.etwcap") as other:
            count = 0
            for event, copy in zip(one, other):
                assert (event.user_data, event.name, event.id, event.properties) == (copy.user_data, copy.name, copy.id, copy.properties)
                count += 1
            assert count > 100


def test_a_wheel_has_the_library_in_it(etwcap, native_tool, path, tmp_path):
    import zipfile
    for name in ("a.whl", "b.whl"):
        subprocess.run([sys.executable, str(ROOT / "site_scons/wheel.py"), "linux_x86_64", "1.0.0",
                        str(native_tool.folder / "libetwcap.so.1"), str(tmp_path / name)], check=True)
    assert (tmp_path / "a.whl").read_bytes() == (tmp_path / "b.whl").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.whl") as archive:
        names = archive.namelist()
        record = archive.read("etwcap-1.0.0.dist-info/RECORD").decode().splitlines()
        archive.extractall(tmp_path / "site")
    assert [line.split(",")[0] for line in record] == names and "etwcap/libetwcap.so.1" in names
    environment = {name: value for name, value in os.environ.items() if name != "ETWCAP_LIBRARY"}
    code = "import etwcap; print(etwcap.library_path, len(list(etwcap.open(%r))))" % str(path)
    said = subprocess.run([sys.executable, "-c", code], env=dict(environment, PYTHONPATH=str(tmp_path / "site")),
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    assert said == "%s 5001\n" % (tmp_path / "site/etwcap/libetwcap.so.1")


TEST = '''
import pytest
pytest_plugins = ["etwcap.pytest_plugin"]

@pytest.mark.trace("a.etl", where="Size < 3 and EventName == 'Sold'")
def test_sold(trace):
    assert [event["Size"] for event in trace] == [1]

def test_all(assert_matches):
    assert_matches("a.etl", "expected.ndjson", ignore=["TimeStamp", "Processor*"], where="Size < %d")
'''


def test_the_pytest_plugin_gives_traces_and_compares(etwcap, path):
    def run(most, **more):
        (path.parent / "test_shop.py").write_text(TEST % most)
        environment = dict(os.environ, PYTHONPATH=str(MODULE), **more)
        return subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path.parent / "test_shop.py")],
                              env=environment, cwd=path.parent, stdout=subprocess.PIPE, text=True, check=False)
    assert "2 passed" in run(20, ETWCAP_UPDATE="1").stdout
    assert len((path.parent / "expected.ndjson").read_text().splitlines()) == 20
    assert "TimeStamp" not in json.loads((path.parent / "expected.ndjson").read_text().splitlines()[0])
    assert "2 passed" in run(20).stdout
    assert "expects 20" in run(21).stdout


def test_the_pytest_plugin_reads_what_expect_wrote(etwcap, native_tool, path):
    native_tool("etw-replay", "expect", path, path.parent / "expected.ndjson", "--update", "--ignore", "TimeStamp,ProcessName",
                "--where", "Size < 20")
    (path.parent / "test_shop.py").write_text(TEST.replace(', ignore=["TimeStamp", "Processor*"], where="Size < %d"', ""))
    environment = dict(os.environ, PYTHONPATH=str(MODULE))
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path.parent / "test_shop.py")],
                          env=environment, cwd=path.parent, stdout=subprocess.PIPE, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout
