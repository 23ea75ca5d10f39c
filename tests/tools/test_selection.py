"""The last events, those around others, and searches in all texts: against what Python takes from the whole trace."""
import re

import pytest
from etlwriter import Trace, field, sid

PROVIDER = "{11223344-5566-7788-0102-030405060708}"
EVENTS = 12000  # more than one block


@pytest.fixture(scope="module")
def paths(native_tool, tmp_path_factory):
    """Events of five threads, 0.3 to 3 ms apart; those of id 7 are rare. The same as .etl and .etwcap."""
    folder = tmp_path_factory.mktemp("selection")
    out, state, time = Trace(), 1, 1.0
    for number in range(EVENTS):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        time += (3 + (state >> 40) % 27) / 10000
        out.event(PROVIDER, id=7 if (state >> 33) % 400 == 0 else 1 + (state >> 50) % 3, time=out.at(time),
                  tid=100 + (state >> 28) % 5, data=number.to_bytes(4, "little") + state.to_bytes(8, "little") * 12)
    out.write(folder / "a.etl")
    native_tool("etw-record", "-q", "--input", folder / "a.etl", "-o", folder / "a.etwcap")
    return [folder / "a.etl", folder / "a.etwcap"]


@pytest.fixture(scope="module")
def whole(native_tool, paths):
    return [(line["Id"], line["ThreadId"], line["TimeStamp"]) for line in native_tool.events(paths[0])]


def ticks(time):
    """100 ns units since midnight."""
    hours, minutes, seconds, rest = re.fullmatch(r".*T(\d+):(\d+):(\d+)\.(\d{7})Z", time).groups()
    return (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * 10**7 + int(rest)


def chosen(whole, wants, *, tail=0, before=0, after=0, before_ticks=0, after_ticks=0, same_thread=False):
    """The indexes of the events that are wanted, straight from what the options promise."""
    matches = [index for index, event in enumerate(whole) if wants(event)]
    matches = matches[-tail:] if tail else matches
    found = set(matches)
    for match in matches:
        thread, time = whole[match][1], ticks(whole[match][2])
        for step, count, most in ((-1, before, before_ticks), (1, after, after_ticks)):
            index, seen = match + step, 0
            while 0 <= index < len(whole):
                apart = abs(ticks(whole[index][2]) - time)
                is_own = not same_thread or whole[index][1] == thread
                seen += is_own
                if is_own and (seen <= count or apart <= most):
                    found.add(index)
                if seen >= count and apart > most:
                    break
                index += step
    return sorted(found)


ROWS = [
    (["--tail", 1], None, {"tail": 1}), (["--tail", 5000], None, {"tail": 5000}), (["--tail", 999999], None, {"tail": 999999}),
    (["--tail", 3], 7, {"tail": 3}), (["--tail", 25], 7, {"tail": 25}), (["--tail", 10000], 7, {"tail": 10000}),
    (["-C", 2], 7, {"before": 2, "after": 2}), (["-A", 3, "-B", 1], 7, {"before": 1, "after": 3}),
    (["-B", 40, "--tail", 2], 7, {"before": 40, "tail": 2}), (["-A", "50ms"], 7, {"after_ticks": 500000}),
    (["-C", "10ms", "--tail", 1], 7, {"before_ticks": 100000, "after_ticks": 100000, "tail": 1}),
    (["-A", 2, "-B", "5ms"], 7, {"after": 2, "before_ticks": 50000}),
    (["-C", 4, "--same-thread"], 7, {"before": 4, "after": 4, "same_thread": True}),
    (["-C", 4, "--same-thread", "--tail", 2], 7, {"before": 4, "after": 4, "same_thread": True, "tail": 2}),
    (["-B", "20ms", "--same-thread"], 7, {"before_ticks": 200000, "same_thread": True}),
    (["-A", "20ms", "-B", 1, "--same-thread"], 7, {"after_ticks": 200000, "before": 1, "same_thread": True}),
    (["--tail", 4, "-C", "3ms"], None, {"tail": 4, "before_ticks": 30000, "after_ticks": 30000}),
    (["-C", 3], 99, {"before": 3, "after": 3}),
]


@pytest.mark.parametrize("kind", [0, 1], ids=["etl", "etwcap"])
@pytest.mark.parametrize("options, number, how", ROWS, ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "")
def test_what_is_chosen(native_tool, paths, whole, options, number, how, kind):
    where = [] if number is None else ["--where", "Id == %d" % number]
    events = native_tool.events(paths[kind], *where, *options)
    expected = chosen(whole, lambda event: number is None or event[0] == number, **how)
    assert [(line["Id"], line["ThreadId"], line["TimeStamp"]) for line in events] == [whole[index] for index in expected]


def test_a_time_and_what_is_around_it(tool, paths, whole):
    middle = whole[EVENTS // 2][2]
    for text, around in (("", 10**7), ("+-20ms", 200000), ("\u00b11.5s", 15000000), ("+/-0ms", 0)):
        expected = [event[2] for event in whole if abs(ticks(event[2]) - ticks(middle)) <= around]
        assert [line["TimeStamp"] for line in tool.events(paths[1], "--around", middle + text)] == expected


def test_around_narrows_since_and_counts_from_the_start(native_tool, paths, whole):
    start = ticks(whole[0][2])
    expected = [event[2] for event in whole if 25 * 10**5 <= ticks(event[2]) - start <= 3 * 10**7]
    assert [line["TimeStamp"] for line in native_tool.events(paths[0], "--around", "+2s", "--since", "+250ms")] == [
        time for time in expected if ticks(time) - start >= 10**7]


def test_a_pipe_is_kept_to_be_read_twice(native_tool, paths, whole):
    for path in paths:
        done = native_tool("etw-replay", "cat", "-", "--tail", 2, input=path.read_bytes())
        assert [line.count(b'"Id"') for line in done.stdout.splitlines()] == [1, 1]
        assert whole[-1][2].encode() in done.stdout


def test_the_other_verbs_choose_alike(native_tool, paths, tmp_path):
    native_tool("etw-replay", "cut", paths[1], "--where", "Id == 7", "-C", 1, "--tail", 3, "-o", tmp_path / "b.etwcap", "-q")
    expected = native_tool.events(paths[1], "--where", "Id == 7", "-C", 1, "--tail", 3)
    assert native_tool.events(tmp_path / "b.etwcap") == expected
    native_tool("etw-replay", "export", paths[1], "--tail", 3, "-o", tmp_path / "b.json")
    assert (tmp_path / "b.json").read_bytes().count(b"\n") == 3
    counted = native_tool("etw-replay", "stats", paths[1], "--tail", 40, "--by", "ProviderId", "--csv").stdout
    assert b",40," in counted


@pytest.mark.parametrize("options, said", [(["--tail", "0"], b"1 to"), (["-C", "x"], b"2s"), (["-A", "-1"], b"2s"),
                                           (["--around", "noon"], b"+10m"), (["--around", "+1s+-"], b"+10m"), (["--grep", ""], b"a value"),
                                           (["--grep", "/(/"], b"regular"), (["--where", "* > 5"], b"texts"), (["--where", "has *"], b"texts")])
def test_what_cannot_be_meant_is_refused(native_tool, paths, options, said):
    done = native_tool("etw-replay", "cat", paths[0], *options, status=2)
    assert said in done.stderr


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "a.etl"
    out = Trace()
    out.tracelogging("Shop", "Asked", [field("Query", "utf16z", "Example.com"), field("Type", "u16", 28)], id=1, time=out.at(1))
    out.tracelogging("Shop", "Asked", [field("Tags", "utf8z", ["red", "Gr\u00fcn"]), field("Blob", "binary", b"..d\0e\0e\0p\0")],
                     id=2, time=out.at(2), items=[sid("S-1-5-18")])
    out.event(PROVIDER, id=3, data=b"\x01\x02narrow\x00\xff", time=out.at(3))
    out.event(PROVIDER, id=4, data=b"\x01" + "W\u00efde".encode("utf-16-le") + b"\x02", time=out.at(4))
    out.event(PROVIDER, id=5, time=out.at(5))
    out.write(path)
    return path


@pytest.mark.parametrize("text, expected", [
    ("EXAMPLE", [1]), ("28", [1]), ("/^Ex/", [1]), ("/^ex/", []), ("/^ex/i", [1]), ("/om$/", [1]), ("gr\u00dcn", [2]), ("deep", [2]),
    ("s-1-5-1", [2]), ("NARROW", [3]), ("/narr.w/", [3]), ("w\u00cfDE", [4]), ("shop", [1, 2]), ("asked", [1, 2]), ("it's", []),
    ("Query", []), ("/\\d{2}/", [1, 2]), ("\\", []), ("!", [])])
def test_search_in_all_texts(native_tool, texts, text, expected):
    found = [line["Id"] for line in native_tool.events(texts, "--grep", text, "--where", "ProviderId != {68fdd900-4a3e-11d1-84f4-0000f80464e3}")]
    assert found == expected


def test_several_searches_and_a_filter(tool, texts):
    assert [line["Id"] for line in tool.events(texts, "--grep", "narrow", "--grep", "example", "--id", "1")] == [1]
    assert [line["Id"] for line in tool.events(texts, "--where", "* startswith 'exa' or * in (28, red)")] == [1, 2]
