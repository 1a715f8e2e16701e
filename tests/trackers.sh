#!/bin/sh
# trackers.sh - run the tests of durable stores with one way to find changed pages
#
# usage: trackers.sh WAY...      (scan, pagemap, compare or track)
#
# TENON_TRACKER forces the way on every store that a test opens without asking
# for one.  Tests of crashes run in a shorter form than alone.  Where the
# machine does not have the way, the test is skipped and says why.
#
# SPDX-License-Identifier: BSD-2-Clause

B=${B:-build}
passed=0 failed=0

# run COMMAND...
run()
{
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "with $TENON_TRACKER: $*"
        sed 's/^/    /' "$work/log"
    fi
}

# Can a store be opened so?  Prints why not.
is_offered()
{
    rm -f "$work/s.tn"
    "$B/tenon" create "$work/s.tn" 2>/dev/null &&
        "$B/tenon" put "$work/s.tn" name <"$0" 2>"$work/why" && return
    cat "$work/why"
    return 1
}

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM

for TENON_TRACKER in "$@"; do
    export TENON_TRACKER
    is_offered || continue
    used=$("$B/tenon" info "$work/s.tn" | sed -n 's/^tracker *\([a-z]*\).*/\1/p')
    run test "$used" = "$TENON_TRACKER"
    run "$B/tests/crash/living"
    run "$B/tests/crash/order"
    run "$B/tests/crash/power" --images 2000
    run "$B/tests/crash/kill" --points 60
    run "$B/tests/crash/bank" --kills 100
    run "$B/tests/crash/refuse" --runs 150
    for name in durable commit transaction turn hints read durable_journal; do
        run "$B/tests/unit/test_$name"
    done
    for source in tests/scenario/durable_*.c; do
        run "$B/tests/scenario/$(basename "$source" .c)"
    done
    run env TENON="$B/tenon" tests/cli/run.sh durable killed full load
done
[ $((passed + failed)) -gt 0 ] || exit 77
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
