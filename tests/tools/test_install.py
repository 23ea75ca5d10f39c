"""What `scons install` lays out, in build/stage: programs can be built against it and nothing else."""
import re
import subprocess

import etlwriter
from conftest import ROOT, missing, need_program

CONSUMER = r"""
#include "replay/replay.h"
#include <stdio.h>

static etw_status on_event(const etw_event *event, void *context)
{
    (void)event;
    ++*(int *)context;
    return ETW_OK;
}

int main(int count, char **arguments)
{
    etw_replay *replay;
    etw_error error;
    int events = 0;
    if (count != 2 || etw_replay_open(arguments[1], NULL, &replay, &error) != ETW_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    const etw_status status = etw_replay_process(replay, on_event, &events, &error);
    etw_replay_close(replay);
    printf("%d\n", events);
    return etw_failed(status) ? 1 : 0;
}
"""


def installed():
    """The folder that stands for the prefix, and what pkg-config would say of it."""
    description = next((ROOT / "build" / "stage").rglob("etwcap.pc"), None)
    if description is None:
        missing("build/stage is not there: scons stage")
    text = description.read_text()
    prefix = re.search("^prefix=(.*)$", text, re.MULTILINE).group(1)
    stage = description.parent.parent.parent
    flags = {name: value.replace(prefix + "/", str(stage) + "/").split()
             for name, value in re.findall(r"^(\w+): (.*)$", text, re.MULTILINE)}
    return stage, flags


def test_a_consumer_builds_against_the_installation_and_replays(tmp_path):
    _, flags = installed()
    trace = etlwriter.Trace()
    for number in range(5):
        trace.event("{11111111-2222-3333-4444-555555555555}", id=number)
    trace.write(tmp_path / "a.etl")
    (tmp_path / "consumer.c").write_text(CONSUMER)
    subprocess.run([need_program("gcc"), "-std=c11", "-Wall", "-Werror", "-o", "consumer", "consumer.c"]
                   + flags["Cflags"] + flags["Libs"], cwd=tmp_path, check=True)
    done = subprocess.run([str(tmp_path / "consumer"), str(tmp_path / "a.etl")], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"6\n"  # the log-file header is the first event, as with ProcessTrace


def test_tools_and_man_pages_are_installed():
    stage, _ = installed()
    assert sorted(path.name for path in (stage / "bin").iterdir()) == ["etw-record", "etw-replay"]
    assert sorted(path.name for path in (stage / "share" / "man" / "man1").iterdir()) \
        == ["etw-record.1", "etw-replay.1"]
