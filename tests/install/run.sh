#!/bin/sh
# run.sh - what is installed is what a program needs, and goes away again
#
# Installs into a directory of its own and works only from there: the program
# of the README is compiled with what pkg-config says, against the shared
# library and against the archive, and run twice.  The directory is empty after
# uninstall.
#
# SPDX-License-Identifier: BSD-2-Clause

top=$PWD
b=${B:-build}
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0
# What a make around this one said is not for the one below.
unset MAKEFLAGS MFLAGS MAKELEVEL

claim()
{
    what=$1
    shift
    if "$@" >"$dir/output" 2>&1; then
        passed=$((passed + 1))
    else
        echo "not so: $what"
        sed 's/^/    /' "$dir/output"
        failed=$((failed + 1))
    fi
}

same()
{
    [ "$1" = "$2" ] || { printf '%s\nis not\n%s\n' "$1" "$2"; false; }
}

# The first C program of the README.
readme_program()
{
    sed -n '/^```c$/,/^```$/{/^```/!p}' "$top/README.md" >"$dir/program.c"
    [ -s "$dir/program.c" ]
}

compile()
{
    "${CC:-cc}" -Wall -Wextra -Werror "$dir/program.c" -o "$1" $2
}

runs_twice()
{
    (cd "$dir" && rm -f ./*.tn && "$@") >"$dir/first" &&
        (cd "$dir" && "$@") >"$dir/second" &&
        same "$(cat "$dir/first")" 'run number 1' &&
        same "$(cat "$dir/second")" 'run number 2'
}

files_below()
{
    (cd "$1" && find . -type f -o -type l | sort)
}

usr=$dir/usr
claim 'it installs' make -s -C "$top" B="$b" CC="${CC:-cc}" install prefix="$usr"
PKG_CONFIG_LIBDIR=$usr/lib/pkgconfig
LD_LIBRARY_PATH=$usr/lib
export PKG_CONFIG_LIBDIR LD_LIBRARY_PATH

version=$(sed -n 's/^.define TN_VERSION "\(.*\)"/\1/p' include/tenon.h)
claim 'pkg-config knows the version' \
    same "$(pkg-config --modversion tenon)" "$version"
claim 'the command knows the version' \
    same "$("$usr/bin/tenon" --version)" "tenon $version"

claim 'the README has a program' readme_program
claim 'it compiles' compile "$dir/shared" "$(pkg-config --cflags --libs tenon)"
claim 'it counts its runs' runs_twice "$dir/shared"
claim 'it uses the shared library by its short name' sh -c \
    "readelf -d '$dir/shared' | grep -qF 'NEEDED' &&
     readelf -d '$dir/shared' | grep -qF '[libtenon.so.${version%%.*}]'"

claim 'it compiles with the archive' compile "$dir/static" \
    "$(pkg-config --static --cflags --libs tenon |
        sed 's/-ltenon/-l:libtenon.a/')"
unset LD_LIBRARY_PATH
claim 'it counts its runs without the library' runs_twice "$dir/static"

mkdir "$dir/root"
claim 'it installs below DESTDIR' make -s -C "$top" B="$b" CC="${CC:-cc}" \
    install DESTDIR="$dir/root" prefix=/usr
claim 'the same files are there' \
    same "$(files_below "$dir/root/usr")" "$(files_below "$usr")"
claim 'DESTDIR is not written down' \
    same "$(grep -rlF "$dir/root" "$dir/root/usr/lib/pkgconfig")" ''
claim 'everybody may read it' \
    same "$(find "$dir/root/usr" ! -type l ! -perm -444)" ''
claim 'it uninstalls' make -s -C "$top" uninstall prefix="$usr"
claim 'nothing is left' same "$(files_below "$usr")" ''

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
