"""Makes a wheel of the Python module with the library in it: python3 wheel.py PLATFORM VERSION LIBRARY OUT.

A wheel is a zip file (PEP 427). Equal input gives equal bytes: files in a fixed order, with a fixed time.
"""
import base64
import hashlib
import pathlib
import sys
import zipfile

MODULE = pathlib.Path(__file__).resolve().parent.parent / "replay" / "python" / "etwcap"
TIME = (1980, 1, 1, 0, 0, 0)
METADATA = """\
Metadata-Version: 2.1
Name: etwcap
Version: %s
Summary: Read Windows event traces (.etwcap, .etl) on any system
Requires-Python: >=3.8
"""
WHEEL = """\
Wheel-Version: 1.0
Generator: etwcap
Root-Is-Purelib: false
Tag: py3-none-%s
"""
ENTRY_POINTS = """\
[pytest11]
etwcap = etwcap.pytest_plugin
"""


def contents(platform, version, library):
    """(name, bytes) of all files but RECORD."""
    info = "etwcap-%s.dist-info/" % version
    files = [("etwcap/" + path.name, path.read_bytes()) for path in sorted(MODULE.glob("*.py"))]
    files.append(("etwcap/" + library.name, library.read_bytes()))
    return files + [(info + "METADATA", (METADATA % version).encode()), (info + "WHEEL", (WHEEL % platform).encode()),
                    (info + "entry_points.txt", ENTRY_POINTS.encode())]


def record_line(name, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return "%s,sha256=%s,%d\n" % (name, digest, len(data))


def make(platform, version, library, out):
    files = contents(platform, version, library)
    record = "etwcap-%s.dist-info/RECORD" % version
    lines = "".join(record_line(name, data) for name, data in files) + record + ",,\n"
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files + [(record, lines.encode())]:
            entry = zipfile.ZipInfo(name, TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, data)


if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4])
