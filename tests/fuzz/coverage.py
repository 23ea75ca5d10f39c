"""How much of the code each fuzz target reaches: lines of the files that it is about.

    scons mode=coverage target=native
    tests/fuzz/coverage.py [FOLDER-OF-INPUTS]

Runs each target over its seeds (build/fuzz-seeds), what fuzzing found (build/fuzz, or FOLDER/TARGET) and the kept
regressions. Needs llvm-profdata and llvm-cov of clang's version.
"""
import glob
import json
import os
import subprocess
import sys

BUILD = "build/native-coverage/tests"
ABOUT = {  # what a target is there for: parts of the paths
    "etl": "format/etl/", "xpress": "format/etl/xpress.c", "etwcap": "format/etwcap/", "events": "format/etwcap/codec/decoder.c",
    "roundtrip": "format/etwcap/codec/encoder.c", "plan": "format/event/", "tracelogging": "format/schema/tracelogging.c",
    "manifest": "format/schema/manifest", "wevt": "format/schema/wevt", "resolver": "format/schema/", "profile": "recorder/command/profile.c",
    "record_words": "recorder/command/arguments.c, option", "replay_words": "replay/command/arguments.c", "texts": "format/base/guid.c",
}
TOOL_SUFFIX = os.environ.get("LLVM_SUFFIX", "-14")


def inputs(target, found):
    places = ["build/fuzz-seeds/fuzz_" + target, "tests/fuzz/regressions/fuzz_" + target,
              os.path.join(found, target), os.path.join(found, "fuzz_" + target)]
    return [path for place in places for path in glob.glob(place + "/*")]


def measure(target, found):
    """(inputs, lines reached, lines) of the files the target is about."""
    program, raw = "%s/replay_fuzz_%s" % (BUILD, target), "build/coverage-%s" % target
    files = inputs(target, found)
    profiles = []
    for start in range(0, len(files), 2000):  # a command line holds so many
        profiles.append("%s-%d.profraw" % (raw, start))
        subprocess.run([program] + files[start:start + 2000], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, env=dict(os.environ, LLVM_PROFILE_FILE=profiles[-1]))
    subprocess.run(["llvm-profdata" + TOOL_SUFFIX, "merge", "-o", raw + ".profdata"] + profiles, check=True)
    report = subprocess.run(["llvm-cov" + TOOL_SUFFIX, "export", "-summary-only", "-instr-profile", raw + ".profdata",
                             program], check=True, stdout=subprocess.PIPE).stdout
    reached = lines = 0
    for file in json.loads(report)["data"][0]["files"]:
        name = file["filename"]
        if name.endswith(".c") and any(part in name for part in ABOUT[target].split(", ")):
            reached += file["summary"]["lines"]["covered"]
            lines += file["summary"]["lines"]["count"]
    return len(files), reached, lines


def main(found="build/fuzz"):
    print("| target | inputs | code | lines reached |\n|---|---|---|---|")
    for target in sorted(ABOUT):
        count, reached, lines = measure(target, found)
        print("| fuzz_%s | %d | %s | %d of %d (%.0f %%) |" % (target, count, ABOUT[target], reached, lines,
                                                           100 * reached / max(lines, 1)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
