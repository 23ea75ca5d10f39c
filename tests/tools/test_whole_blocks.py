"""A cut by time or place, and a split, copy events blocks of which they keep all as they are, and decode those at their borders:
the events are those of one that decodes each."""
import json
import random
import resource
import subprocess

import pytest
from etlwriter import Trace, field
from etwcap_blocks import EVENTS, blocks_of
from etwcap_reader import HEADER_SIZE

COUNT, A_SECOND, NAMED = 1000, 125, "11111111-2222-3333-4444-555555555555"
MANIFEST = """<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"><instrumentation><events>
<provider name="P" guid="{%s}" symbol="P"><templates><template tid="t"><data name="A" inType="win:UInt32"/></template></templates>
<events><event value="1" template="t"/></events></provider></events></instrumentation></instrumentationManifest>""" % NAMED


@pytest.fixture(scope="module")
def recorded(native_tool, tmp_path_factory):
    """Of 8 seconds, in several blocks; the middle seconds have a kind of event of their own."""
    path, trace, chance = tmp_path_factory.mktemp("blocks") / "a", Trace(buffer_size=65536), random.Random(7)
    for number in range(COUNT):
        kind = "Middle" if COUNT // 3 < number < COUNT // 2 else "E%d" % (number % 3)
        trace.tracelogging("Shop", kind, [field("Number", "u32", number), field("Text", "utf8", "%x" % chance.getrandbits(80000))],
                           id=1, time=trace.at(number / A_SECOND), pid=number % 5)
        if number % 50 == 0:
            trace.event("{%s}" % NAMED, id=1, data=number.to_bytes(4, "little"), time=trace.at(number / A_SECOND))
    trace.write(path.with_suffix(".etl"))
    native_tool("etw-record", "--input", path.with_suffix(".etl"), "-o", path.with_suffix(".etwcap"), "-q")
    return path.with_suffix(".etwcap")


def bodies(path):
    content = path.read_bytes()
    return [bytes(byte ^ content[begin + 7] for byte in content[begin + HEADER_SIZE:end])
            for kind, begin, end in blocks_of(content) if kind == EVENTS]


def cut(tool, source, out, *words):
    tool("etw-replay", "cut", source, "-o", out, "-f", *words)
    return out


def lines(tool, path, *words):
    return tool("etw-replay", path, *words).stdout.splitlines()


def test_the_trace_has_blocks_enough(recorded):
    assert len(bodies(recorded)) >= 3


@pytest.mark.parametrize("words", [["--since", "+2s", "--until", "+7.5s"], ["--since", "+3.004s"], ["--until", "+6s"], [],
                                   ["--head", "900"], ["--tail", "901"], ["--tail", "700", "--head", "500"], ["--tail", "5000"],
                                   ["--tail", "900", "--since", "+1s"]], ids=" ".join)
def test_the_events_are_those_of_a_cut_that_decodes_them(native_tool, recorded, tmp_path, words):
    copied = cut(native_tool, recorded, tmp_path / "copied.etwcap", *words)
    decoded = cut(native_tool, recorded, tmp_path / "decoded.etwcap", "--compression", "3", *words)
    assert lines(native_tool, copied) == lines(native_tool, decoded) and len(lines(native_tool, copied)) > 300
    assert native_tool("etw-replay", "diff", copied, decoded).returncode == 0
    native_tool("etw-replay", "verify", copied)
    native_tool("etw-replay", "recover", copied, "-o", tmp_path / "again.etwcap")
    told = [json.loads(native_tool("etw-replay", "info", "--json", path).stdout) for path in (copied, decoded)]
    for key in ("Events", "Received", "Schemas", "FirstTime", "LastTime", "RawBytes", "Providers", "Losses"):
        assert told[0][key] == told[1][key], key


def test_blocks_within_are_the_same_bytes_and_others_are_not(native_tool, recorded, tmp_path):
    whole = bodies(recorded)
    assert bodies(cut(native_tool, recorded, tmp_path / "all.etwcap")) == whole
    for words in (["--since", "+0.5s"], ["--tail", "980"]):
        some = bodies(cut(native_tool, recorded, tmp_path / "some.etwcap", *words))
        assert some[0] != whole[0] and some[1:] == whole[1:]
    some = bodies(cut(native_tool, recorded, tmp_path / "some.etwcap", "--head", "1010"))
    assert some[-1] != whole[-1] and some[:-1] == whole[:-1]
    for words in (["--compression", "5"], ["--pid", "3"], ["--where", "Id == 1"], ["--redact", "Number"]):
        assert not set(bodies(cut(native_tool, recorded, tmp_path / "changed.etwcap", *words))) & set(whole), words


def test_only_schemas_of_its_events_are_in_the_copy(native_tool, recorded, tmp_path):
    said = native_tool("etw-replay", "cut", recorded, "-o", tmp_path / "end.etwcap", "--since", "+4.5s").stderr
    assert b" 3 schemas" in said and b"Middle" not in native_tool("etw-replay", "schemas", tmp_path / "end.etwcap").stdout
    again = cut(native_tool, tmp_path / "end.etwcap", tmp_path / "again.etwcap", "--since", "+5.5s")  # whose numbers have gaps
    assert lines(native_tool, again) == lines(native_tool, recorded, "--since", "+5.5s")


def test_what_is_explained_only_now_is_explained_in_the_copy(native_tool, recorded, tmp_path):
    (tmp_path / "a.man").write_text(MANIFEST)
    explained = cut(native_tool, recorded, tmp_path / "explained.etwcap", "--manifest", tmp_path / "a.man")
    assert b'"A":"950"' in native_tool("etw-replay", explained).stdout


def test_a_damaged_block_is_told(native_tool, recorded, tmp_path):
    content = bytearray(recorded.read_bytes())
    _, begin, end = [block for block in blocks_of(content) if block[0] == EVENTS][1]
    content[(begin + end) // 2] ^= 1
    (tmp_path / "damaged.etwcap").write_bytes(content)
    native_tool("etw-replay", "cut", tmp_path / "damaged.etwcap", "-o", tmp_path / "copy.etwcap", status=3)
    copied = lines_of_status_3(native_tool, tmp_path / "copy.etwcap")
    assert copied == lines_of_status_3(native_tool, tmp_path / "damaged.etwcap") and any(b'"Loss"' in line for line in copied)


def lines_of_status_3(tool, path):
    return tool("etw-replay", path, status=3).stdout.splitlines()


def test_a_pipe_is_cut_as_a_file(native_tool, recorded, tmp_path):
    done = native_tool("etw-replay", "cut", "-", "-o", "-", "--since", "2024-01-01", input=recorded.read_bytes())
    (tmp_path / "piped.etwcap").write_bytes(done.stdout)
    assert lines(native_tool, tmp_path / "piped.etwcap") == lines(native_tool, recorded, "--since", "2024-01-01")


@pytest.mark.parametrize("size", [100_000, 1_000_000, 3_000_000])
def test_a_file_that_may_not_grow_holds_blocks_that_are_whole(native_tool, recorded, tmp_path, size):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    done = subprocess.run(native_tool.words("etw-replay", "cut", recorded, "-o", tmp_path / "out.etwcap"), preexec_fn=limit,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and not (tmp_path / "out.etwcap").exists()
    part, = tmp_path.glob("out.etwcap*.part")
    kept = lines_of_status_3(native_tool, part)
    events = [line for line in kept if b'"Loss"' not in line]
    assert events == lines(native_tool, recorded)[:len(events)] and len(events) < COUNT


@pytest.mark.parametrize("every", ["7s", "500ms", "1000 events", "37 events", "100M", "2500k", "100k"])
def test_parts_of_a_split_have_the_events_of_one_that_decodes_them(native_tool, recorded, tmp_path, every):
    """By size they need not be the same parts, as these hold whole blocks; each ends with the block that makes it too large."""
    parts = {}
    for name, words in (("copied", []), ("threads", ["--threads", "2"]), ("decoded", ["--compression", "3"])):
        (tmp_path / name).mkdir()
        native_tool("etw-replay", "split", recorded, "-o", tmp_path / name / "%n.etwcap", "--every", every, "-q", *words)
        parts[name] = sorted((tmp_path / name).iterdir())
    contents = {name: [native_tool("etw-replay", path).stdout for path in parts[name][:40]] for name in ("copied", "decoded")}
    assert [path.read_bytes() for path in parts["copied"]] == [path.read_bytes() for path in parts["threads"]]
    if every[-1] in "kM":
        size = int(every[:-1]) << {"k": 10, "M": 20}[every[-1]]
        assert all(path.stat().st_size >= size for path in parts["copied"][:-1])
        assert b"".join(contents["copied"]) == native_tool("etw-replay", recorded).stdout
        assert sum((bodies(path) for path in parts["copied"]), []) == bodies(recorded)
    else:
        assert contents["copied"] == contents["decoded"]
    for path in parts["copied"][:40]:
        native_tool("etw-replay", "verify", "-q", path)


def test_blocks_within_a_part_are_the_same_bytes(native_tool, recorded, tmp_path):
    whole = bodies(recorded)
    native_tool("etw-replay", "split", recorded, "-o", tmp_path / "%n.etwcap", "--every", "1000 events", "-q")
    first, *_, last = sorted(tmp_path.iterdir())
    assert bodies(first)[:-1] == whole[:-1] and not set(bodies(last)) & set(whole)
    native_tool("etw-replay", "split", recorded, "-o", tmp_path / "time%n.etwcap", "--every", "100s", "-q")
    assert bodies(tmp_path / "time00001.etwcap")[1:] == whole[1:]


def merge(tool, out, *words):
    tool("etw-replay", "merge", *words, "-o", out, "-f", "-q")
    return out


@pytest.mark.parametrize("words", [["--until", "+4s"], ["--since", "+2s", "--until", "+4s"], ["--since", "+7.9s"], ["--tail", "1"], []],
                         ids=" ".join)
@pytest.mark.parametrize("order", [1, -1])
def test_a_merge_has_the_events_of_one_that_decodes_them(native_tool, recorded, tmp_path, words, order):
    """Of traces one behind the other, that overlap, and of equal times."""
    other = cut(native_tool, recorded, tmp_path / "other.etwcap", "--since", "+4s")
    inputs = [cut(native_tool, recorded, tmp_path / "one.etwcap", *words), other][::order]
    copied = merge(native_tool, tmp_path / "copied.etwcap", *inputs)
    decoded = merge(native_tool, tmp_path / "decoded.etwcap", *inputs, "--compression", "3")
    assert lines(native_tool, copied) == lines(native_tool, decoded) and len(lines(native_tool, copied)) > 400
    native_tool("etw-replay", "verify", "-q", copied)
    for threads in ("0", "2"):
        assert merge(native_tool, tmp_path / "again.etwcap", *inputs, "--threads", threads).read_bytes() == copied.read_bytes()


def test_a_merge_copies_blocks_of_its_first_trace_that_no_other_trace_meets(native_tool, recorded, tmp_path):
    packed, late = tmp_path / "packed.etwcap", cut(native_tool, recorded, tmp_path / "late.etwcap", "--tail", "1")
    native_tool("etw-replay", "repack", recorded, "-o", packed, "--compression", "9", "-q")
    whole = bodies(packed)

    def copied(*words):
        return [body for body in bodies(merge(native_tool, tmp_path / "out.etwcap", *words)) if body in whole]
    assert copied(packed) == whole
    assert copied(packed, late) == whole[1:]  # to know its first event the first block was decoded
    assert copied(packed, late, "--offset", "late.etwcap=-1s") == whole[1:-1]
    assert not copied(packed, late, "--offset", "packed.etwcap=-1s")
    assert not copied(late, packed)  # whose events are of the second trace there
    assert not copied(packed, packed)
