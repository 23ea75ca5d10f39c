#!/bin/sh
# Installs what is missing of the Debian 12 packages this project needs: "demo" to build and run the native tools,
# "test" to run all tests, "develop" also to format and lint. Does nothing where all are installed.
set -eu

demo="gcc libc6-dev scons libzstd-dev libxxhash-dev libexpat1-dev zlib1g-dev"
# dpkg-dev, xz-utils, make and tcl unpack and prepare the sources of the libraries that the win64 build compiles.
# clang builds the fuzzers. g++, pkg-config and cmake are for programs that use the library. zstd and xxhash are what the
# bench compares with. libpcre2-dev gives filters their regular expressions, libsqlite3-dev lets etw-replay write databases,
# libarchive-dev reads .cab, .7z, .tar, .xz and .bz2; the build does without them. libarchive-tools makes archives for tests.
# Not installed: wine32, of another architecture; the tests of 32-bit programs run where it is.
# python3-pytest-xdist lets the tests of the tools run on all processors; without it they run on one.
# file, abigail-tools, lintian and groff-base judge the packages, yamllint and shellcheck the workflow, chromium the report.
test="$demo libpcre2-dev libsqlite3-dev libarchive-dev libarchive-tools gcc-mingw-w64-x86-64-win32 g++-mingw-w64-x86-64-win32
gcc-mingw-w64-i686-win32
libz-mingw-w64-dev dpkg-dev xz-utils make tcl
file abigail-tools lintian groff-base libcmocka-dev python3-pytest python3-pytest-xdist python3-yaml yamllint shellcheck wine wine64 tshark clang libclang-rt-14-dev zstd xxhash ripgrep zsh fish g++ pkg-config cmake locales chromium"
develop="$test clang-format clang-tidy git"

case "${1-}" in
demo) packages=$demo ;;
test) packages=$test ;;
develop) packages=$develop ;;
*)
    echo "usage: $0 demo|test|develop" >&2
    exit 2
    ;;
esac

missing=
for package in $packages; do
    state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root apt-get update || echo "apt-get update failed: trying with the package lists there are" >&2
# shellcheck disable=SC2086 # the list is meant to be split
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $missing
