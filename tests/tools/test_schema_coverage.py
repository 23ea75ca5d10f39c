"""Every event of the corpus that has a schema is explained to its last byte, but for kinds whose schema is known not to
say all that is sent. Run with -s for the table: trace, events, explained and not, by the source of the schema."""
import collections

import pytest

ORIGINS = ["TraceLogging", "metadata event", "manifest", "EventSource manifest", "classic"]

# (provider, id, version) whose own description leaves out what the provider sends; the bytes are kept and shown.
LIES = {
    ("Microsoft-Windows-DotNETRuntime", 82, 0): "the manifest has one stack slot, any number is sent",
    ("Microsoft-Windows-DotNETRuntimePrivate", 4, 2): "the manifest's template is empty",
    ("Microsoft-Windows-DotNETRuntime", 205, 4): "EventSource's manifest leaves out the array of structs",
    ("Microsoft-Windows-DotNETRuntime", 204, 3): "only EventSource's manifest has it; it leaves out what is at the end",
    ("Microsoft-Windows-DotNETRuntime", 208, 0): "as 204",
    ("Microsoft-Windows-DotNETRuntime", 209, 0): "as 204",
    ("PerfView", 13, 0): "4 bytes more are sent than declared",
}
# The manifest has connid as UINT32; 8 bytes are sent.
LYING_PROVIDERS = {"Microsoft-Windows-Kernel-Network"}


@pytest.fixture(scope="module")
def kinds(native_tool, corpus):
    found = {}
    for path in sorted(corpus().glob("*.etl")):
        done = native_tool("tests/schema_coverage", path, "--manifest", corpus().parent / "manifests")
        assert done.stderr.decode().startswith("0 errors"), (path.name, done.stderr)
        rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
        found[path.name] = [(int(count), origin, state, (provider, int(number), int(version)))
                            for count, origin, state, provider, number, version, _ in rows]
    return found


def test_events_with_a_schema_are_explained_to_the_last_byte(kinds):
    print("\n%-42s %8s %8s %8s  %s" % ("trace", "events", "whole", "raw", ", ".join(ORIGINS)))
    for trace, rows in kinds.items():
        whole, by_origin = collections.Counter(), collections.Counter()
        for count, origin, state, kind in rows:
            whole[state == "whole"] += count
            by_origin[origin] += count
            if origin not in ("none", "classic") and state != "whole":  # classic: test_classic_corpus.py
                assert kind in LIES or kind[0] in LYING_PROVIDERS, (trace, origin, state, kind)
        print("%-42s %8d %8d %8d  %s" % (trace, sum(whole.values()), whole[True], whole[False],
                                         " ".join("%d" % by_origin[origin] for origin in ORIGINS)))


def test_tracelogging_and_stored_schemas_never_fail(kinds):
    counts = collections.Counter()
    for rows in kinds.values():
        for count, origin, state, kind in rows:
            if origin in ("TraceLogging", "metadata event") and kind not in LIES:
                counts[origin, state] += count
    assert set(counts) == {("TraceLogging", "whole"), ("metadata event", "whole")}
    assert counts["TraceLogging", "whole"] == 14148 and counts["metadata event", "whole"] > 70000
