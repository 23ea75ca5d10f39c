"""The reader of .etl files, through etl_dump: the corpus, files cut off and damaged, and what no trace holds."""
import os
import random
import re
import struct

import pytest

import etl_oracle
import etlwriter

TYPES = {"SYSTEM32": 1, "SYSTEM64": 2, "FULL_HEADER32": 10, "MESSAGE(WPP)": 15, "PERFINFO32": 16, "PERFINFO64": 17,
         "EVENT_HEADER32": 18, "EVENT_HEADER64": 19, "FULL_HEADER64": 20}


class Dump:
    """What etl_dump prints, taken apart."""

    def __init__(self, done):
        self.status, self.errors = done.returncode, done.stderr.decode()
        lines = done.stdout.decode().splitlines()
        self.events = [line for line in lines if line.startswith("event ")]
        self.losses = [line[5:] for line in lines if line.startswith("loss ")]
        self.types = {int(kind): int(count) for kind, count in
                      (line.split()[1:] for line in lines if line.startswith("type "))}
        self.counts = {name: int(value) for line in lines if line.startswith("records ")
                       for name, value in zip(line.split()[::2], line.split()[1::2])}


@pytest.fixture
def dump(tool):
    return lambda path, *options: Dump(tool("tests/etl_dump", path, *options, status=None))


def index(corpus):
    """{file name: ({header type: records}, buffers)} as the corpus' own list has them."""
    rows = {}
    for line in corpus().with_name("INDEX.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0].endswith(".etl") and len(cells) > 6:
            counts = re.findall(r"([A-Z]\S*) ([\d,]+)", cells[4].split(":", 1)[1])
            buffers = int(re.search(r"buf [\d,]+×([\d,]+)", cells[3]).group(1).replace(",", ""))
            rows[cells[0]] = {TYPES[name]: int(count.replace(",", "")) for name, count in counts}, buffers
    return rows


def test_every_trace_has_the_records_its_list_says(dump, corpus):
    expected = index(corpus)
    assert sorted(expected) == sorted(path.name for path in corpus().glob("*.etl"))
    for name, (types, buffers) in expected.items():
        found = dump(corpus(name))
        assert (found.status, found.types, found.counts["buffers"], found.losses) == (0, types, buffers, []), name


def test_every_record_is_what_a_second_reader_reads(native_tool, corpus):
    for path in sorted(corpus().glob("*.etl")):
        found = Dump(native_tool("tests/etl_dump", path, "--records"))
        assert found.events == etl_oracle.lines(path), path.name
