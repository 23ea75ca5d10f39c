"""What is handed out: the source archive, the Debian packages, the zip for Windows."""
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from conftest import MODE, ROOT, need_program

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


def test_debian_packages_hold_tools_library_headers_and_module(tmp_path):
    need_program("dpkg-deb")
    made = make("deb", tmp_path / "a")
    again = make("deb", tmp_path / "b")
    assert {name.split("_")[0] for name in made} == {"etwcap", "libetwcap1", "libetwcap-dev", "python3-etwcap"}
    assert all(made[name].read_bytes() == again[name].read_bytes() for name in made)
    root = tmp_path / "root"
    for package in made.values():
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
    for path in ("usr/bin/etw-record", "usr/bin/etw-replay", "usr/lib/libetwcap.so.1", "usr/lib/libetwcap.so", "usr/include/etwcap.h",
                 "usr/share/man/man1/etw-replay.1.gz", "usr/lib/python3/dist-packages/etwcap/__init__.py",
                 "usr/share/doc/libetwcap1/copyright"):
        assert (root / path).exists(), path
    assert b"etw-replay" in subprocess.run([str(root / "usr/bin/etw-replay"), "--version"], stdout=subprocess.PIPE, check=True).stdout
    assert "/usr/local" not in (root / "usr/lib/pkgconfig/etwcap.pc").read_text()


def test_lintian_finds_no_error(tmp_path):
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed")
    made = make("deb", tmp_path / "a")
    said = subprocess.run(["lintian", "--fail-on", "error"] + [str(path) for path in made.values()], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert said.returncode == 0, said.stdout


def test_the_zip_holds_programs_libraries_and_licences(tmp_path):
    made, = make("zip", tmp_path).values()
    names = {name.split("/", 1)[1] for name in zipfile.ZipFile(made).namelist()}
    assert {"bin/etw-record.exe", "bin/etw-replay.exe", "bin/etwcap.dll", "lib/libetwcap.dll.a", "include/etwcap.h",
            "doc/etw-replay.1.txt", "LICENSE", "README.md"} <= names
