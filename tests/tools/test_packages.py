"""What is handed out: the source archive, the Debian packages, the zip for Windows."""
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import demo
import pytest
import wine
from conftest import MODE, ROOT, missing, need_program
from test_install import PLAIN_C, WARNINGS

MAKE = [sys.executable, str(ROOT / "site_scons/packages.py")]
STAGES = {"deb": ROOT / "build/stage/native", "zip": ROOT / "build/stage/win64"}


def make(kind, folder):
    if kind != "dist" and (MODE != "release" or not (STAGES[kind] / "usr/local/include/etwcap.h").exists()):
        pytest.skip("no installation below build/stage/: scons stage")
    if subprocess.run(["git", "rev-parse"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("not a checkout")
    subprocess.run(MAKE + [kind] + ([] if kind == "dist" else [str(STAGES[kind])]) + [str(folder)], check=True)
    return {path.name: path for path in folder.iterdir()}


def test_the_source_archive_has_what_the_commit_has_and_is_the_same_twice(tmp_path):
    one, = make("dist", tmp_path / "a").values()
    other, = make("dist", tmp_path / "b").values()
    assert one.read_bytes() == other.read_bytes()
    with tarfile.open(one) as archive:
        names = archive.getnames()
    assert all(name.startswith("etwcap-") for name in names) and any(name.endswith("/SConstruct") for name in names)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    need_program("dpkg-deb")
    return make("deb", tmp_path_factory.mktemp("deb"))


def test_debian_packages_hold_tools_library_headers_and_module(packages, tmp_path):
    made = packages
    again = make("deb", tmp_path / "b")
    assert {name.split("_")[0] for name in made} == {"etwcap", "libetwcap1", "libetwcap-dev", "python3-etwcap"}
    assert all(made[name].read_bytes() == again[name].read_bytes() for name in made)
    root = tmp_path / "root"
    for package in made.values():
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
    for path in ("usr/bin/etw-record", "usr/bin/etw-replay", "usr/lib/libetwcap.so.1", "usr/lib/libetwcap.so", "usr/include/etwcap.h",
                 "usr/share/man/man1/etw-replay.1.gz", "usr/lib/python3/dist-packages/etwcap/__init__.py",
                 "usr/share/doc/libetwcap1/copyright", "usr/share/man/man5/etwcap.5.gz", "usr/share/man/man7/etwcap-filters.7.gz",
                 "usr/share/bash-completion/completions/etw-replay", "usr/share/zsh/vendor-completions/_etw-replay",
                 "usr/share/fish/vendor_completions.d/etw-record.fish", "usr/share/misc/etwcap.magic",
                 "usr/share/mime/packages/etwcap.xml", "usr/share/doc/etwcap/etwcap.spdx.json"):
        assert (root / path).exists(), path
    assert b"etw-replay" in subprocess.run([str(root / "usr/bin/etw-replay"), "--version"], stdout=subprocess.PIPE, check=True).stdout
    described = (root / "usr/lib/pkgconfig/etwcap.pc").read_text()
    assert "/usr/local" not in described
    needs = subprocess.run(["dpkg-deb", "--field", str(next(path for name, path in made.items() if name.startswith("libetwcap-dev"))),
                            "Depends"], stdout=subprocess.PIPE, text=True, check=True).stdout
    packages = {"libzstd": "libzstd-dev", "expat": "libexpat1-dev", "-lz": "zlib1g-dev", "-lpcre2-8": "libpcre2-dev"}
    required = " ".join(re.findall(r"(?:Requires|Libs)\.private: (.*)", described)).split()
    assert required and all(packages[name] in needs for name in required if name not in ("-lpthread", "-lm"))


def test_what_is_loaded_when_it_is_needed_is_recommended(packages):
    library, = [path for name, path in packages.items() if name.startswith("libetwcap1_")]
    said = subprocess.run(["dpkg-deb", "--field", str(library), "Depends", "Recommends"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.splitlines()
    depends, recommends = (next((line for line in said if line.startswith(field)), "") for field in ("Depends", "Recommends"))
    assert "sqlite" not in depends and "libarchive" not in depends
    for library in ("libsqlite3-0", "libarchive13"):
        if subprocess.run(["dpkg-query", "-W", library], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            assert library in recommends


def test_lintian_finds_no_error(packages):
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed")
    said = subprocess.run(["lintian", "--fail-on", "error"] + [str(path) for path in packages.values()], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert said.returncode == 0, said.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    made, = make("zip", tmp_path_factory.mktemp("zip")).values()
    return zipfile.ZipFile(made)


def test_the_zip_holds_programs_libraries_and_licences(archive):
    names = {name.split("/", 1)[1] for name in archive.namelist()}
    assert {"bin/etw-record.exe", "bin/etw-replay.exe", "bin/etwcap.dll", "lib/libetwcap.dll.a", "include/etwcap.h",
            "doc/etw-replay.1.txt", "LICENSE", "README.md"} <= names


def test_the_zip_is_all_that_tools_and_programs_need(archive, tmp_path):
    """In an empty folder, under a Wine that has seen nothing of ours: a trace is recorded, replayed, and read by a program
    that mingw builds from the zip's header and import library."""
    if not wine.command():
        missing("Wine is not installed")
    archive.extractall(tmp_path)
    folder, = tmp_path.iterdir()
    demo.make(tmp_path / "demo.etl")
    (tmp_path / "consumer.c").write_text(PLAIN_C)
    subprocess.run([need_program("x86_64-w64-mingw32-gcc"), "-std=c11", *WARNINGS, "-o", "consumer.exe", "consumer.c",
                    "-I%s/include" % folder.name, "-L%s/lib" % folder.name, "-letwcap"], cwd=tmp_path, check=True)
    shutil.copy(folder / "bin/etwcap.dll", tmp_path)
    with wine.new_prefix(tmp_path / "prefix") as environment:
        def run(program, *arguments):
            done = subprocess.run(wine.command() + [str(program), *arguments], cwd=tmp_path, env=environment,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
            return done.stdout.decode().splitlines()
        run(folder / "bin/etw-record.exe", "-q", "--input", "demo.etl", "-o", "demo.etwcap")
        replayed = [json.loads(line) for line in run(folder / "bin/etw-replay.exe", "demo.etwcap")]
        assert [event["ProcessName"] for event in replayed[2:]] == ["resolver.exe"] * 6
        *read, count = [json.loads(line) for line in run("consumer.exe", "demo.etwcap")]
        assert count == 0 and [event["EventProperties"] for event in read] == [event["EventProperties"] for event in replayed]


def test_file_names_the_format(tmp_path):
    magic = str(ROOT / "format/etwcap/etwcap.magic")
    (tmp_path / "text").write_bytes(b"\x89ETWCAP\n\x1a\n and so on")
    whole = sorted((ROOT / "tests/golden").glob("*.etwcap"))[0]
    said = subprocess.run([need_program("file"), "-m", magic, "--brief", str(whole), str(tmp_path / "text")], stdout=subprocess.PIPE,
                          text=True, check=True).stdout.splitlines()
    assert said == ["Windows event trace recording (etwcap), version 1.0", "etwcap recording, damaged by a transfer as text"]
    kind = subprocess.run(["file", "-m", magic, "--brief", "--mime-type", str(whole)], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert kind == "application/vnd.etwcap\n"


def test_what_is_linked_in_is_listed(tmp_path):
    subprocess.run(MAKE + ["sbom", str(tmp_path / "a.json"), "libzstd-dev", "no-such-package"], check=True)
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["spdxVersion"] == "SPDX-2.3" and {each["name"] for each in found["packages"]} >= {"etwcap"}
    assert "no-such-package" not in {each["name"] for each in found["packages"]}
    assert len(found["relationships"]) == len(found["packages"])
