#!/bin/sh
# run.sh - run one test or rule with a time limit and keep what it says
#
# usage: run.sh NAME SECONDS COMMAND...
#
# The output goes to NAME.log, and is shown only if the test fails.  NAME.ran
# is there if it passed, so that make runs it again only when it changed.  A
# command that exits with 77 was skipped, and its last line says why.  Failing
# is not the end of the run: summary.sh counts, and fails, when all are done.
#
# SPDX-License-Identifier: BSD-2-Clause

name=$1 limit=$2
shift 2

mkdir -p "$(dirname "$name")"
rm -f "$name.ran" "$name.skipped"
# What the test library itself forgets is not the library's.
LSAN_OPTIONS="suppressions=$PWD/tests/leaks.supp:print_suppressions=0"
export LSAN_OPTIONS
timeout -k 5 "$limit" "$@" >"$name.log" 2>&1 </dev/null
status=$?

case $status in
0)
    echo "pass  $name"
    touch "$name.ran"
    ;;
77)
    echo "skip  $name: $(tail -n 1 "$name.log")"
    touch "$name.skipped"
    ;;
*)
    [ $status -ne 124 ] || echo "stopped after $limit seconds" >>"$name.log"
    [ $status -ne 137 ] || echo "killed after $limit seconds" >>"$name.log"
    # One write, so that tests that run at the same time do not mix.
    text=$(sed "s|^|    |" "$name.log")
    printf 'FAIL  %s (status %d)\n%s\n' "$name" $status "$text"
    ;;
esac
