#!/bin/sh
# run.sh - run the tests of the command
#
# usage: TENON=build/tenon run.sh [-u] [TEST...]
#
# A test is NAME.sh beside this file.  It runs in a temporary directory of its
# own, and all that it prints must be NAME.out; -u writes NAME.out anew, to be
# looked at before it is believed.  A test that exits with 77 is skipped, for
# the reason in its last line.  lib.sh says what a test finds there.
#
# SPDX-License-Identifier: BSD-2-Clause

here=$(cd "$(dirname "$0")" && pwd) || exit 2
TENON=${TENON:-${B:-build}/tenon}
case $TENON in
/*) ;;
*) TENON=$PWD/$TENON ;;
esac
[ -x "$TENON" ] || { echo "$TENON is not there"; exit 2; }
export TENON here

update=
[ "$1" != -u ] || { update=yes; shift; }
if [ $# -eq 0 ]; then
    for test in "$here"/*.sh; do
        test=$(basename "$test" .sh)
        case $test in run | lib) ;; *) set -- "$@" "$test" ;; esac
    done
fi

scratch=$(mktemp -d) || exit 2
trap 'chmod -R u+rwx "$scratch"; rm -rf "$scratch"' EXIT
trap 'exit 2' HUP INT TERM

# The same output everywhere: messages in English, files for all to read.
LC_ALL=C.UTF-8
export LC_ALL
umask 022
passed=0 failed=0

for test in "$@"; do
    mkdir "$scratch/$test" "$scratch/$test/in"
    (
        cd "$scratch/$test/in" || exit 2
        . "$here/lib.sh"
        . "$here/$test.sh"
        exit 0
    ) >"$scratch/$test/out" 2>&1 </dev/null
    status=$?
    [ -z "$update" ] || [ $status -ne 0 ] ||
        cp "$scratch/$test/out" "$here/$test.out"
    if [ $status -eq 77 ]; then
        echo "skip  $test: $(tail -n 1 "$scratch/$test/out")"
    elif [ $status -eq 0 ] &&
        diff -u "$here/$test.out" "$scratch/$test/out" >"$scratch/diff"; then
        echo "pass  $test"
        passed=$((passed + 1))
    else
        echo "FAIL  $test (status $status)"
        cat "$scratch/diff"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
