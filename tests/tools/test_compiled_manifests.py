"""Compiled manifests give what their XML gives: pairs of what Microsoft's message compiler read and wrote."""
import json
import struct
import uuid

import pewriter
import pytest
from etlwriter import Trace

PAIRS = ["EventAttributes", "ImportChannels", "Large", "ProviderTraits", "TaskOpcodes", "wpf-etw"]


def event_places(block):
    """(provider, offset) of each event in a CRIM block."""
    for number in range(struct.unpack_from("<I", block, 12)[0]):
        at = 16 + 20 * number
        provider = str(uuid.UUID(bytes_le=block[at:at + 16]))
        wevt = struct.unpack_from("<I", block, at + 16)[0]
        for index in range(struct.unpack_from("<I", block, wevt + 12)[0]):
            offset = struct.unpack_from("<I", block, wevt + 16 + 8 * index + 4)[0]
            if block[offset:offset + 4] == b"EVNT":
                for event in range(struct.unpack_from("<I", block, offset + 8)[0]):
                    yield provider, offset + 16 + 48 * event


def events(block):
    """(provider, id, version, channel, level, opcode, task, keyword) of each event in a CRIM block."""
    for provider, at in event_places(block):
        yield (provider, *struct.unpack_from("<HBBBBHQ", block, at))


def property_count(block, at):
    """Of the template of the event there, members of structs among them."""
    template = struct.unpack_from("<I", block, at + 20)[0]
    return struct.unpack_from("<I", block, template + 12)[0] if template != 0 else 0


def trace_of(block, path):
    """A trace with each event once, without a payload."""
    trace = Trace()
    for provider, number, version, channel, level, opcode, task, keyword in events(block):
        trace.event("{%s}" % provider, number, version=version, channel=channel, level=level, opcode=opcode, task=task,
                    keyword=keyword)
    trace.write(path)
    return path


def schemas(tool, source, trace):
    """What the source makes of the trace, but for the names of its providers and what they change."""
    done = tool("etw-replay", "schemas", "--json", "--schemas", source, trace)
    found = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return [{key: value for key, value in schema.items() if key not in ("ProviderName", "SchemaHash", "Source")} for schema in found]


@pytest.mark.parametrize("version", [3, 5])
@pytest.mark.parametrize("name", PAIRS)
def test_xml_and_what_the_compiler_makes_of_it_give_equal_schemas(native_tool, corpus, tmp_path, name, version):
    folder = corpus().parent / "wevt"
    compiled = folder / ("%s.wevt.v%d.bin" % (name, version))
    if not compiled.exists():
        pytest.skip("there is no such pair")
    trace = trace_of(compiled.read_bytes(), tmp_path / "all.etl")
    manifest = folder / (name + ".man")
    found = schemas(native_tool, manifest, trace)
    assert found and found == schemas(native_tool, compiled, trace)
    if version == 3:
        return  # has no names of providers
    saved = [tmp_path / (source.name + ".etwcap") for source in (manifest, compiled)]
    for source, path in zip((manifest, compiled), saved):
        native_tool("etw-record", "--schemas", source, "--input", trace, "-o", path, "-q")
    assert saved[0].read_bytes() == saved[1].read_bytes()


def names_in(properties):
    return sum(1 + names_in(one.get("Members", [])) for one in properties)


def test_every_event_of_every_resource_has_all_of_its_properties(native_tool, corpus, tmp_path):
    resources = sorted((corpus().parent / "wevt").glob("*.wevt.*.bin"))
    if not resources:
        pytest.skip("there are no resources")
    for resource in resources:
        block = resource.read_bytes()
        wanted = {("{%s}" % provider, *struct.unpack_from("<HB", block, at)): property_count(block, at)
                  for provider, at in event_places(block)}
        done = native_tool("etw-replay", "schemas", "--json", "--schemas", resource, trace_of(block, tmp_path / "all.etl"))
        lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
        found = {(one["ProviderId"], one["Id"], one["Version"]): names_in(one["Properties"]) for one in lines
                 if one["Origin"] == "manifest"}
        assert found == wanted and done.stderr == b"", resource


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("place", ["inside", "en-US", "EN-us"])
def test_texts_come_from_the_file_or_its_mui(native_tool, corpus, tmp_path, wide, place):
    folder = corpus().parent / "wevt"
    block = (folder / "wpf-etw.wevt.v5.bin").read_bytes()
    messages = (pewriter.MESSAGES, 0x409, (folder / "wpf-etw.msg.bin").read_bytes())
    items = [("WEVT_TEMPLATE", 0x409, block)]
    items.append(messages if place == "inside" else ("MUI", 0x409, bytes(200)))
    (tmp_path / "Wpf.dll").write_bytes(pewriter.pe(items, wide))
    if place != "inside":
        (tmp_path / place).mkdir()
        (tmp_path / place / "WPF.DLL.mui").write_bytes(pewriter.pe([messages], wide))
    trace = trace_of(block, tmp_path / "all.etl")
    expected = schemas(native_tool, folder / "wpf-etw.man", trace)
    assert schemas(native_tool, tmp_path / "Wpf.dll", trace) == expected
    assert schemas(native_tool, tmp_path, trace) == expected


ONE = b"\x44\x33\x22\x11\x66\x55\x88\x77\1\2\3\4\5\6\7\x08"  # the provider below
GUID = "{11223344-5566-7788-0102-030405060708}"
UINT32, UINT64 = (8, 8), (10, 10)


def dll(path, build, *fields):
    block = pewriter.compiled(ONE, [(1, 0, fields)])
    path.write_bytes(pewriter.pe([("WEVT_TEMPLATE", 0x409, block), (pewriter.VERSION, 0x409, pewriter.version(build))]))


def test_the_definition_that_fits_is_taken(tool, tmp_path):
    trace = Trace()
    for number in range(3):
        trace.event(GUID, 1, struct.pack("<IQ", number, number))
    trace.write(tmp_path / "x.etl")
    wrong, right, longer = tmp_path / "1.dll", tmp_path / "2.dll", tmp_path / "3.dll"
    dll(wrong, 1, ("a", *UINT32))
    dll(right, 2, ("a", *UINT32), ("b", *UINT64))
    dll(longer, 3, ("a", *UINT64), ("b", *UINT64))
    for order in ([wrong, right, longer], [longer, wrong, right], [right, longer, wrong]):
        words = [word for path in order for word in ("--schemas", path)]
        found = [event["EventProperties"] for event in tool.events(*words, tmp_path / "x.etl") if event["Id"] == 1]
        assert found == [{"a": str(number), "b": str(number)} for number in range(3)]


def test_of_definitions_that_fit_that_of_the_traces_build_is_taken(tool, tmp_path):
    trace = Trace()
    trace.event(GUID, 1, struct.pack("<Q", 7))
    trace.write(tmp_path / "x.etl")
    dll(tmp_path / "1.dll", trace.build + 1, ("other", *UINT64))
    dll(tmp_path / "2.dll", trace.build, ("own", *UINT64))
    events = tool.events("--schemas", tmp_path / "1.dll", "--schemas", tmp_path / "2.dll", tmp_path / "x.etl")
    assert [event["EventProperties"] for event in events if event["Id"] == 1 and "ProviderName" in event] == [{"own": "7"}]


def test_four_builds_in_any_order_explain_every_event_however_many_there_are(native_tool, tmp_path):
    forms = {"a": (("a", *UINT32),), "b": (("a", *UINT32), ("b", *UINT64)), "c": (("a", *UINT64), ("b", *UINT64)),
             "d": (("s", 1, 1),)}
    payloads = [struct.pack("<I", 1)] * 80 + [struct.pack("<IQ", 1, 2), struct.pack("<QQ", 1, 2)] * 40 + \
        ["abcdef\0".encode("utf-16le")] * 40
    trace = Trace()
    for payload in payloads:
        trace.event(GUID, 1, payload)
    trace.write(tmp_path / "x.etl")
    for build, (name, fields) in enumerate(forms.items()):
        dll(tmp_path / (name + ".dll"), 100 + build, *fields)
    for order in ("abcd", "dcba", "bdac", "cadb"):
        words = [word for name in order for word in ("--schemas", tmp_path / (name + ".dll"))]
        events = [event for event in native_tool.events(*words, tmp_path / "x.etl") if event["Id"] == 1]
        assert not [event for event in events if "EventPropertiesError" in event]


def test_the_traces_own_build_keeps_an_event_that_it_once_explained(native_tool, tmp_path):
    """A payload that another definition fits by accident does not change what the event means."""
    trace = Trace()
    for payload in (struct.pack("<I", 1), struct.pack("<IQ", 2, 3)):
        trace.event(GUID, 1, payload)
    trace.write(tmp_path / "x.etl")
    dll(tmp_path / "own.dll", trace.build, ("own", *UINT32))
    dll(tmp_path / "other.dll", trace.build + 1, ("other", *UINT32), ("more", *UINT64))
    words = ("--schemas", tmp_path / "other.dll", "--schemas", tmp_path / "own.dll")
    events = [event for event in native_tool.events(*words, tmp_path / "x.etl") if event["Id"] == 1]
    assert [event["EventProperties"]["own"] for event in events] == ["1", "2"]


def test_bad_files_in_a_folder_are_named_and_passed_over(tool, tmp_path):
    folder = tmp_path / "all"
    (folder / "deep").mkdir(parents=True)
    good = pewriter.pe([("WEVT_TEMPLATE", 0x409, pewriter.compiled(ONE, [(1, 0, (("a", *UINT32),))]))])
    (folder / "deep" / "good.exe").write_bytes(good)
    (folder / "cut.dll").write_bytes(good[:0x90])
    (folder / "bad.MAN").write_bytes(b"<instrumentationManifest><")
    (folder / "old.dll").write_bytes(pewriter.pe([("WEVT_TEMPLATE", 0x409, pewriter.compiled(ONE, [], major=9))]))
    (folder / "notes.txt").write_bytes(b"nothing")
    trace = Trace()
    trace.event(GUID, 1, struct.pack("<I", 5))
    trace.write(tmp_path / "x.etl")
    done = tool("etw-replay", "--schemas", folder, tmp_path / "x.etl")
    assert b'"EventProperties":{"a":"5"}' in done.stdout
    lines = done.stderr.decode().splitlines()
    assert [name for line in lines for name in ("cut.dll", "bad.MAN", "old.dll") if name in line] == \
        ["bad.MAN", "cut.dll", "old.dll"] and len(lines) == 3
    tool("etw-replay", "--schemas", folder / "bad.MAN", tmp_path / "x.etl", status=1)


@pytest.mark.parametrize("ansi", [False, True])
@pytest.mark.parametrize("form", ["dll", "res"])
def test_messages_of_both_widths_in_both_kinds_of_file(tool, tmp_path, form, ansi):
    block = pewriter.compiled(ONE, [(1, 0, (("a", *UINT32),))], message=7)
    items = [("WEVT_TEMPLATE", 0x409, block), (pewriter.MESSAGES, 0x409, pewriter.messages({3: "no", 7: "Größe %1\r\n"}, ansi))]
    path = tmp_path / ("x." + form)
    path.write_bytes((pewriter.pe if form == "dll" else pewriter.res)(items))
    trace = Trace()
    trace.event(GUID, 1, struct.pack("<I", 5))
    trace.write(tmp_path / "x.etl")
    assert '"Message":"Größe 5' in tool("etw-replay", "--message", "--schemas", path, tmp_path / "x.etl").stdout.decode()


def test_the_environment_names_schemas(native_tool, tmp_path):
    dll(tmp_path / "1.dll", 1, ("a", *UINT32))
    trace = Trace()
    trace.event(GUID, 1, struct.pack("<I", 5))
    trace.write(tmp_path / "x.etl")
    env = {"ETWCAP_SCHEMAS": "%s:%s" % (tmp_path / "missing", tmp_path / "1.dll")}
    assert b'{"a":"5"}' in native_tool("etw-replay", tmp_path / "x.etl", env=env).stdout
    assert b'{"a":"5"}' not in native_tool("etw-replay", "--no-default-schemas", tmp_path / "x.etl", env=env).stdout
