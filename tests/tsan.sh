#!/bin/sh
# tsan.sh - run the tests in which threads meet, built with ThreadSanitizer
#
# usage: B=build/tsan tsan.sh PROGRAM...       below $B/tests
#
# The programs have been built (make tsan does both); Criterion's own do not run
# under this sanitizer.  A report is a failure.
#
# SPDX-License-Identifier: BSD-2-Clause

B=${B:-build/tsan}
TSAN_OPTIONS="exitcode=66 die_after_fork=0 suppressions=$PWD/tests/tsan.supp"
export TSAN_OPTIONS
passed=0 failed=0
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
trap 'exit 2' INT TERM

# Addresses that are chosen at random may be where this sanitizer has its own.
still=
if setarch -R true 2>/dev/null; then
    still="setarch -R"
fi

for program in "$@"; do
    if $still "$B/tests/$program" >"$log" 2>&1 &&
        ! grep -q 'WARNING: ThreadSanitizer' "$log"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $program"
        sed 's/^/    /' "$log"
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
