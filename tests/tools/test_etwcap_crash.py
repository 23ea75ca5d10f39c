"""A recorder that is killed loses nothing that it flushed, and what is left can be made a whole file.

ETWCAP_KILLS is how often it is killed (default 8; 1000 is the full proof).
"""
import os
import random
import subprocess
import time

import etwcap_reader

KILLS = int(os.environ.get("ETWCAP_KILLS", "8"))


def events_of(data):
    """Events in good blocks, by the headers."""
    count = 0
    for block in etwcap_reader.File(data).blocks():
        assert not isinstance(block, etwcap_reader.Gap)
        _, header, stored = block
        header.body(stored)
        count += header.count if header.kind == etwcap_reader.EVENTS else 0
    return count


def kill_while_recording(native_tool, path, seconds):
    """The number of events that were flushed when it was killed."""
    words = native_tool.words("tests/etwcap_endless", path)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as recorder:
        recorder.stdout.readline()
        time.sleep(seconds)
        recorder.kill()
        rest = recorder.stdout.read().decode().split("\n")
    # The last line may be cut off.
    return int(rest[-2]) if len(rest) > 1 else 0


def test_killed_recorder_loses_nothing_it_flushed(native_tool, tmp_path):
    chance = random.Random(11)
    for number in range(KILLS):
        path, whole = tmp_path / "killed.etwcap", tmp_path / "whole.etwcap"
        flushed = kill_while_recording(native_tool, path, chance.uniform(0, 0.1))
        found = events_of(path.read_bytes())
        assert found >= flushed, number
        native_tool("etw-replay", "verify", path, status=3)
        native_tool("etw-replay", "recover", path, "-o", whole, status=3)
        native_tool("etw-replay", "verify", whole, status=3)
        recovered = whole.read_bytes()
        assert etwcap_reader.File(recovered).summary_by_tail() is not None
        assert events_of(recovered) == found
        whole.unlink()
