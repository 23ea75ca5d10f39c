"""Makes the import library of a 32-bit DLL: compilers look for functions by names that end with the size of their
arguments (_StartTraceW@12), while the DLL, as Windows' own, has them without.

    import_library.py NM DLLTOOL DEF DLL LIBRARY OBJECT...
"""
import re
import subprocess
import sys
import tempfile


def decorated_names(nm, objects):
    """Names without and with what the compiler added, of all functions there are."""
    listed = subprocess.run([nm, "-g", "--defined-only"] + objects, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {name.split("@")[0]: name for name in re.findall(r" T _(\S+)", listed)}


def main(nm, dlltool, definition, dll, library, *objects):
    names = decorated_names(nm, list(objects))
    with open(definition) as file:
        exported = file.read().split()[1:]
    with tempfile.NamedTemporaryFile("w", suffix=".def") as file:
        file.write("EXPORTS\n" + "".join("    %s\n" % names[name] for name in exported))
        file.flush()
        subprocess.run([dlltool, "--deterministic-libraries", "--kill-at", "--input-def", file.name, "--dllname", dll,
                        "--output-lib", library], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
