#!/bin/sh
# etwbox: runs a Windows program under Wine with event tracing replaced: etwbox --help.
# etwbox.exe and etwapi.dll lie beside this script, in ../lib/etwcap/, or in $ETWBOX_DIR.
here=$(dirname "$(readlink -f "$0")")
for folder in "${ETWBOX_DIR:-}" "$here" "$here/../lib/etwcap" "$here/../win64" "$here/../win64-debug"; do
    if [ -n "$folder" ] && [ -f "$folder/etwbox.exe" ]; then
        box=$folder/etwbox.exe
        break
    fi
done
if [ -z "${box:-}" ]; then
    echo "etwbox: etwbox.exe is not beside this script; set ETWBOX_DIR to its folder" >&2
    exit 125
fi
for wine in "${WINE:-}" /usr/lib/wine/wine64 "$(command -v wine64)" "$(command -v wine)"; do
    if [ -n "$wine" ] && [ -x "$wine" ]; then
        # Wine's own messages would mix with the program's.
        WINEDEBUG=${WINEDEBUG:--all} exec "$wine" "$box" "$@"
    fi
done
echo "etwbox: Wine is not installed (Debian: apt install wine64)" >&2
exit 125
