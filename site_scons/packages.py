"""Makes what is handed out: a source archive, Debian packages, a zip for Windows.

    packages.py dist  FOLDER           etwcap-VERSION.tar.gz of the commit that is checked out
    packages.py deb   STAGE FOLDER     etwcap, libetwcap1, libetwcap-dev, python3-etwcap from an installation below STAGE
    packages.py zip   STAGE FOLDER     etwcap-VERSION-win64.zip from one for Windows
    packages.py sbom  FILE PACKAGE...  what is linked in, by Debian's packages, as SPDX

Equal commits give equal files: times are the commit's, names are sorted. SConstruct calls it: `scons dist deb zip`.
"""
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PREFIX = "usr/local"  # of the installation
MAINTAINER = "%s <%s>" % (os.environ.get("DEBFULLNAME", "The etwcap authors"),
                          os.environ.get("DEBEMAIL", "etwcap@users.noreply.github.com"))
ABOUT = {
    "etwcap": ("utils", "record and replay Windows event traces (ETW)",
               "etw-record writes Windows event traces, from .etl files or live sessions, into\n"
               " compact .etwcap files; etw-replay prints, filters, searches, counts, compares\n"
               " and exports them, on any system."),
    "libetwcap1": ("libs", "library that reads and writes Windows event traces",
                   "Reads .etwcap and .etl files through the event API of a live session, renders\n"
                   " properties as Windows does, and writes .etwcap files."),
    "libetwcap-dev": ("libdevel", "library that reads and writes Windows event traces (development)",
                      "Headers, the static library and the manual page of libetwcap."),
    "python3-etwcap": ("python", "read Windows event traces (Python 3)",
                       "A module over libetwcap, with a plugin for pytest that gives traces to tests."),
}
# Where a path below the prefix goes: (pattern, package, folder).
PLACES = [(r"bin/.*", "etwcap", "usr/bin"), (r"share/man/man[157]/.*", "etwcap", None),
          (r"share/zsh/site-functions/.*", "etwcap", "usr/share/zsh/vendor-completions"),
          (r"share/(bash-completion|fish|misc|mime|doc)/.*", "etwcap", None),
          (r"lib/libetwcap\.so\.\d+", "libetwcap1", "usr/lib"), (r"include/.*", "libetwcap-dev", None),
          (r"lib/.*", "libetwcap-dev", None), (r"share/man/man3/.*", "libetwcap-dev", None),
          (r"share/python/etwcap/.*", "python3-etwcap", "usr/lib/python3/dist-packages/etwcap")]
LOADED = ["libsqlite3.so.0", "libarchive.so.13"]  # by format/output/sqlite and format/input
# Licences of what is linked into the programs for Windows, from the packages that it is built of.
WINDOWS_LICENCES = ["libzstd-dev", "libexpat1-dev", "libz-mingw-w64-dev", "libpcre2-dev", "libsqlite3-dev",
                    "mingw-w64-x86-64-dev", "gcc-mingw-w64-x86-64", "mingw-w64-i686-dev", "gcc-mingw-w64-i686"]


def output_of(*words):
    return subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode()


def version():
    with open(os.path.join(ROOT, "format/base/version.h"), encoding="utf-8") as header:
        return re.search(r'ETW_VERSION\s+"([^"]+)"', header.read()).group(1)


def commit_time():
    """Of the commit that is checked out; 0 in an unpacked source archive."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    asked = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return int(asked.stdout.strip() or 0)


def files_below(folder):
    """Paths relative to it, sorted."""
    return sorted(os.path.relpath(os.path.join(where, name), folder) for where, _, names in os.walk(folder) for name in names)


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def packed(content):
    return gzip.compress(content if isinstance(content, bytes) else content.encode(), 9, mtime=0)


# ---- dist ----

def dist(folder):
    name = "etwcap-" + version()
    archive = subprocess.run(["git", "archive", "--format=tar", "--prefix=%s/" % name, "HEAD"], cwd=ROOT,
                             stdout=subprocess.PIPE, check=True).stdout
    write(os.path.join(folder, name + ".tar.gz"), packed(archive))


# ---- deb ----

def copyright_text():
    with open(os.path.join(ROOT, "LICENSE"), encoding="utf-8") as file:
        return "Upstream-Name: etwcap\n\n" + file.read()


def changelog(name):
    when = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(commit_time()))
    return "%s (%s-1) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- %s  %s\n" % (name, version(), MAINTAINER, when)


def packages_of_libraries(programs):
    """The packages of the shared libraries that these load."""
    found = set()
    for program in programs:
        for line in output_of("ldd", program).splitlines():
            path = re.search(r"=> (/\S+)", line)
            if path:
                real = os.path.realpath(path.group(1))
                for candidate in (path.group(1), real, real.replace("/usr/lib", "/lib", 1), "/usr" + path.group(1)):
                    asked = subprocess.run(["dpkg-query", "-S", candidate], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
                    if asked.returncode == 0:
                        found.add(asked.stdout.decode().split(":")[0])
                        break
    return sorted(found)


def packages_of_loaded(name):
    """The packages of what the programs load when it is needed: without it they say what is missing."""
    found = set()
    for library in LOADED if name == "libetwcap1" else []:
        asked = subprocess.run(["dpkg-query", "-S", "*/" + library], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        found.update(asked.stdout.decode().split(":")[:1] if asked.returncode == 0 else [])
    return ", ".join(sorted(found))


# What a program needs that is linked with the static library, by the names that etwcap.pc has for it.
DEVELOPMENT = {"libzstd": "libzstd-dev", "expat": "libexpat1-dev", "-lz": "zlib1g-dev", "-lpcre2-8": "libpcre2-dev"}
PART_OF_C = {"-lpthread", "-lm", "-ldl"}


def linked_by(described):
    """The packages for what an etwcap.pc names as private; one that is not known ends the making."""
    with open(described, encoding="utf-8") as file:
        names = " ".join(re.findall(r"^(?:Requires|Libs)\.private: (.*)$", file.read(), re.MULTILINE)).split()
    return [DEVELOPMENT[name] for name in names if name not in PART_OF_C]


def dependencies(name, root, paths):
    own = "libetwcap1 (= %s-1)" % version()
    if name == "libetwcap-dev":
        return [own, *linked_by(os.path.join(root, "usr/lib/pkgconfig/etwcap.pc"))]
    if name == "python3-etwcap":
        return ["python3 (>= 3.8)", own]
    return packages_of_libraries([os.path.join(root, path) for path in paths if re.search(r"bin/etw-|\.so\.", path)])


def place_files(stage, roots):
    """Copies the installation into a tree for each package."""
    start = os.path.join(stage, PREFIX)
    for path in files_below(start):
        source = os.path.join(start, path)
        package, folder = next((package, folder) for pattern, package, folder in PLACES if re.fullmatch(pattern, path))
        target = os.path.join(folder or "usr/" + os.path.dirname(path), os.path.basename(path))
        if os.path.islink(source):
            os.makedirs(os.path.join(roots[package], os.path.dirname(target)), exist_ok=True)
            os.symlink(os.path.basename(os.readlink(source)), os.path.join(roots[package], target))
            continue
        with open(source, "rb") as file:
            content = file.read()
        if "/man/" in path:
            target, content = target + ".gz", packed(content)
        elif path.endswith((".pc", ".cmake")):
            content = content.replace(b"/" + PREFIX.encode(), b"/usr")
        write(os.path.join(roots[package], target), content)
        place = os.path.join(roots[package], target)
        os.chmod(place, 0o755 if target.startswith("usr/bin/") else 0o644)
        if content[:4] == b"\x7fELF":
            subprocess.run(["strip", "--strip-unneeded", "--remove-section=.comment", place], check=True)
        elif target.endswith(".a"):
            subprocess.run(["strip", "--strip-debug", "-D", place], check=True)


def control(name, root):
    section, short, long = ABOUT[name]
    paths = files_below(root)
    size = sum(os.lstat(os.path.join(root, path)).st_size for path in paths) // 1024 + 1
    fields = [("Package", name), ("Source", "etwcap"), ("Version", version() + "-1"),
              ("Architecture", "all" if name == "python3-etwcap" else output_of("dpkg", "--print-architecture").strip()),
              ("Maintainer", MAINTAINER), ("Installed-Size", str(size)), ("Depends", ", ".join(dependencies(name, root, paths))),
              ("Recommends", packages_of_loaded(name)), ("Section", section), ("Priority", "optional"), ("Description", short + "\n " + long)]
    if name == "etwcap":
        fields = [field for field in fields if field[0] != "Source"]
    return "".join("%s: %s\n" % field for field in fields if field[1])


def finish(name, root):
    """The documents and what dpkg wants to know."""
    write(os.path.join(root, "usr/share/doc", name, "copyright"), copyright_text())
    write(os.path.join(root, "usr/share/doc", name, "changelog.Debian.gz"), packed(changelog(name)))
    about = control(name, root)
    sums = "".join("%s  %s\n" % (hashlib.md5(open(os.path.join(root, path), "rb").read()).hexdigest(), path)
                   for path in files_below(root) if not os.path.islink(os.path.join(root, path)))
    write(os.path.join(root, "DEBIAN/control"), about)
    write(os.path.join(root, "DEBIAN/md5sums"), sums)
    if name == "libetwcap1":
        write(os.path.join(root, "DEBIAN/shlibs"), "libetwcap 1 libetwcap1 (>= %s)\n" % version())
        write(os.path.join(root, "DEBIAN/triggers"), "activate-noawait ldconfig\n")
    for where, folders, names in os.walk(root):
        for entry in folders:
            os.chmod(os.path.join(where, entry), 0o755)
        for entry in names:
            place = os.path.join(where, entry)
            if not os.path.islink(place) and "/bin" not in where:
                os.chmod(place, 0o644)
    os.chmod(root, 0o755)


def deb(stage, folder):
    os.makedirs(folder, exist_ok=True)
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(commit_time()))
    with tempfile.TemporaryDirectory() as work:
        roots = {name: os.path.join(work, name) for name in ABOUT}
        place_files(stage, roots)
        for name, root in roots.items():
            finish(name, root)
            subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, folder], env=environment,
                           stdout=subprocess.DEVNULL, check=True)


# ---- zip ----

def as_text(page):
    """A manual page as plain text; as it is where there is no groff."""
    if shutil.which("groff") is None:
        return page
    shown = subprocess.run(["groff", "-man", "-Tascii", "-P-cbou"], input=page, stdout=subprocess.PIPE, check=True).stdout
    return shown.replace(b"\n", b"\r\n")


def contents_of_zip(stage):
    start = os.path.join(stage, PREFIX)
    for path in files_below(start):
        with open(os.path.join(start, path), "rb") as file:
            content = file.read()
        if path.startswith("share/man/"):
            yield "doc/%s.txt" % os.path.basename(path), as_text(content)
        else:
            yield path.replace("share/python", "python", 1), content
    for name in ("README.md", "LICENSE", "CHANGELOG.md"):
        with open(os.path.join(ROOT, name), "rb") as file:
            yield name, file.read()
    for package in WINDOWS_LICENCES:
        place = "/usr/share/doc/%s/copyright" % package
        if os.path.exists(place):
            with open(place, "rb") as file:
                yield "doc/licences/%s.txt" % package, file.read()


def make_zip(stage, folder):
    name = "etwcap-%s-win64" % version()
    when = max(time.gmtime(commit_time())[:6], (1980, 1, 1, 0, 0, 0))
    os.makedirs(folder, exist_ok=True)
    with zipfile.ZipFile(os.path.join(folder, name + ".zip"), "w", zipfile.ZIP_DEFLATED) as out:
        for path, content in sorted(contents_of_zip(stage)):
            entry = zipfile.ZipInfo("%s/%s" % (name, path), when)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            out.writestr(entry, content)


# ---- sbom ----

LICENCES = {"libzstd-dev": "BSD-3-Clause", "libexpat1-dev": "MIT", "libxxhash-dev": "BSD-2-Clause", "zlib1g-dev": "Zlib",
            "libz-mingw-w64-dev": "Zlib", "libpcre2-dev": "BSD-3-Clause", "libsqlite3-dev": "blessing", "libarchive-dev": "BSD-2-Clause",
            "mingw-w64-x86-64-dev": "ZPL-2.1", "mingw-w64-i686-dev": "ZPL-2.1"}


def sbom_package(name, release, licence):
    return {"SPDXID": "SPDXRef-" + name, "name": name, "versionInfo": release, "downloadLocation": "NOASSERTION",
            "licenseConcluded": licence, "licenseDeclared": licence, "copyrightText": "NOASSERTION", "filesAnalyzed": False}


def sbom(path, *packages):
    """SPDX 2.3, https://spdx.github.io/spdx-spec/v2.3/. Packages that are not installed were not used."""
    used = [sbom_package("etwcap", version(), "MIT")]
    for name in packages:
        asked = subprocess.run(["dpkg-query", "--show", "--showformat=${Version}", name], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, check=False) if shutil.which("dpkg-query") else None
        if asked is not None and asked.returncode == 0 and asked.stdout:
            used.append(sbom_package(name, asked.stdout.decode(), LICENCES.get(name, "NOASSERTION")))
    document = {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "etwcap-" + version(),
                "documentNamespace": "https://spdx.org/spdxdocs/etwcap-%s-%d" % (version(), commit_time()),
                "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(commit_time())),
                                 "creators": ["Tool: site_scons/packages.py"]},
                "packages": used,
                "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-etwcap"}]
                + [{"spdxElementId": "SPDXRef-etwcap", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": each["SPDXID"]}
                   for each in used[1:]]}
    write(os.path.abspath(path), json.dumps(document, indent=1) + "\n")


def main():
    kinds = {"dist": (dist, 1), "deb": (deb, 2), "zip": (make_zip, 2), "sbom": (sbom, 1)}
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what not in kinds or len(sys.argv) < 2 + kinds[what][1] or (what != "sbom" and len(sys.argv) > 2 + kinds[what][1]):
        print(__doc__, file=sys.stderr)
        return 2
    kinds[what][0](*sys.argv[2:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
