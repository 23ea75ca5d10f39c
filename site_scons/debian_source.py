"""Fetches source packages of the distribution, without touching the machine's own apt configuration.

A list of source repositories is made beside the build from the binary ones the machine already uses, so that
mirrors, proxies and keys stay those of the machine. Works for any user; needs apt and dpkg-dev.
"""
import functools
import glob
import os
import shutil
import subprocess
import sys
import threading

ORIGINS = ("Debian", "Ubuntu")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
FALLBACK = """\
deb-src [signed-by={0}] http://deb.debian.org/debian bookworm main
deb-src [signed-by={0}] http://deb.debian.org/debian-security bookworm-security main
""".format(KEYRING)

_one_at_a_time = threading.Lock()  # scons -j runs actions in threads; apt locks its lists


def _repositories():
    """The machine's own repositories as deb-src lines; those of Debian 12 where apt has no lists yet."""
    form = "$(ORIGIN)|deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)"
    listed = subprocess.run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = sorted({line.split("|", 1)[1] for line in listed.splitlines() if line.split("|", 1)[0] in ORIGINS})
    return "\n".join(lines) + "\n" if lines else FALLBACK


def _apt(folder):
    """Options that keep lists, caches and sources of apt inside folder."""
    return ["apt-get", "-q", "-o", "Dir::Etc::SourceList=" + os.path.join(folder, "deb-src.list"),
            "-o", "Dir::Etc::SourceParts=/dev/null", "-o", "Dir::State::Lists=" + os.path.join(folder, "lists"),
            "-o", "Dir::Cache=" + os.path.join(folder, "cache"), "-o", "APT::Sandbox::User="]


def _update(folder):
    marker = os.path.join(folder, "deb-src.list")
    if os.path.exists(marker):
        return
    for name in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    with open(marker + ".new", "w") as file:
        file.write(_repositories())
    command = _apt(folder)
    command[command.index("Dir::Etc::SourceList=" + marker)] += ".new"
    subprocess.run(command + ["update"], check=True, stdout=subprocess.DEVNULL)
    os.rename(marker + ".new", marker)


def _download(apt, package, into):
    """Downloads the newest version that can be had: mirrors exist that list a security update's source but lack it."""
    shown = subprocess.run(["apt-cache"] + apt[2:] + ["--only-source", "showsrc", package],
                           stdout=subprocess.PIPE, text=True, check=True).stdout
    versions = [line.split()[1] for line in shown.splitlines() if line.startswith("Version: ")]
    versions.sort(key=functools.cmp_to_key(_compare_versions), reverse=True)
    for version in dict.fromkeys(versions):
        shutil.rmtree(into, ignore_errors=True)
        os.makedirs(into)
        done = subprocess.run(apt + ["--download-only", "--only-source", "source", package + "=" + version],
                              cwd=into, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode == 0:
            return
        print("source package %s %s: %s" % (package, version, done.stderr.strip()), file=sys.stderr)
    raise RuntimeError("no source of %s could be downloaded; see the messages above" % package)


def _compare_versions(a, b):
    if a == b:
        return 0
    return 1 if subprocess.run(["dpkg", "--compare-versions", a, "gt", b]).returncode == 0 else -1


def fetch(package, folder):
    """Unpacks the newest version of a source package, patches applied; returns the folder it is in."""
    folder = os.path.abspath(folder)
    into = os.path.join(folder, package)
    with _one_at_a_time:
        if os.path.isdir(into):
            return into
        _update(os.path.join(folder, "apt"))
        download = os.path.join(folder, "download", package)
        _download(_apt(os.path.join(folder, "apt")), package, download)
        [description] = glob.glob(os.path.join(download, "*.dsc"))
        subprocess.run(["dpkg-source", "--no-check", "-x", description, into + ".new"],
                       check=True, stdout=subprocess.DEVNULL)
        os.rename(into + ".new", into)
    return into
