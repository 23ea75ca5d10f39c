#!/bin/sh
# Tries what is handed out on a bare Debian 12, as somebody does who has nothing of this project:
#
#     tests/install/bare-debian.sh FOLDER [TARBALL]
#
# FOLDER has the packages of `scons deb`: they are installed, tools and module run, and README's consumer is built from
# the installed files alone. Then, where TARBALL is given, the source archive of `scons dist`, README's first command
# runs on it, in another bare Debian. Needs root and debootstrap; DEBIAN_MIRROR names another mirror.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
packages=$(cd "$1" && pwd)
tarball=${2:+$(realpath "$2")}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Nothing is mounted there, so that it can be removed whatever happened.
inside() { chroot "$work/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -euc "$1"; }

echo "== a bare Debian"
debootstrap --variant=minbase bookworm "$work/bare" "${DEBIAN_MIRROR-http://deb.debian.org/debian}" > "$work/log" ||
    { tail -n 20 "$work/log"; exit 1; }
cp -a "$work/bare" "$work/root"

echo "== the packages"
mkdir "$work/root/try"
cp "$packages"/*.deb "$top/tests/golden/plain.etwcap" "$top/tests/golden/plain.ndjson" "$work/root/try/"
# shellcheck disable=SC2016 # it is expanded inside
inside 'cd /try
apt-get -q update > log
apt-get -q -o Dpkg::Use-Pty=0 install --yes --no-install-recommends ./*.deb python3 >> log || { tail -n 20 log; exit 1; }
etw-record --version
etw-replay --version
etw-replay --typed --schema-hash --no-process-names plain.etwcap > found.ndjson
cmp found.ndjson plain.ndjson
etw-replay verify plain.etwcap
etw-record --input plain.etwcap -o again.etwcap
etw-replay diff plain.etwcap again.etwcap
python3 -c "import etwcap; print(sum(1 for event in etwcap.open(\"plain.etwcap\")), \"events by the module\")"'

echo "== the README's consumer"
# shellcheck disable=SC2016 # a block of C, not of the shell
sed -n '/^```c$/,/^```$/p' "$top/README.md" | sed '/^```/d' > "$work/root/try/dns.c"
# shellcheck disable=SC2016 # it is expanded inside
inside 'cd /try
apt-get -q -o Dpkg::Use-Pty=0 install --yes --no-install-recommends gcc libc6-dev pkg-config >> log || { tail -n 20 log; exit 1; }
cc dns.c $(pkg-config --cflags --libs etwcap) -o dns
./dns plain.etwcap
cc dns.c -static $(pkg-config --static --cflags --libs etwcap) -o dns-static
./dns-static plain.etwcap'

[ -n "$tarball" ] || exit 0
echo "== the README's first command"
rm -rf "$work/root"
mv "$work/bare" "$work/root"
mkdir "$work/root/source"
tar -x -f "$tarball" -C "$work/root/source" --strip-components=1
command=$(grep -m 1 '^    sh tests/install-deps.sh demo' "$top/README.md")
inside "cd /source; $command"
