"""Inputs that once failed a fuzzer, replayed through its target; see tests/fuzz/README.md."""
import pathlib

import pytest

FUZZ = pathlib.Path(__file__).resolve().parent.parent / "fuzz"
TARGETS = sorted(source.stem for source in FUZZ.glob("fuzz_*.c"))


@pytest.mark.parametrize("target", TARGETS)
def test_inputs_that_failed_once_do_no_more(native_tool, target):
    inputs = sorted((FUZZ / "regressions" / target).glob("*"))
    native_tool("tests/replay_" + target, *inputs)


def test_each_kept_input_belongs_to_a_target():
    folders = {folder.name for folder in (FUZZ / "regressions").iterdir()}
    assert folders and folders <= set(TARGETS)
