#!/bin/sh
# summary.sh - count what the tests that run.sh ran have said
#
# usage: summary.sh NAME...
#
# A Criterion program counts as many tests as it has, a script as many as its
# own last line "N passed, N failed" says, anything else as one.  The last line
# is of the same form and holds for all of them; the status is 1 if any failed.
#
# SPDX-License-Identifier: BSD-2-Clause

# Print "passed failed" for one log.
count()
{
    awk '
        /Synthesis: Tested: [0-9]+ \| Passing: [0-9]+/ {
            match($0, /Tested: [0-9]+/)
            tested = substr($0, RSTART + 8, RLENGTH - 8)
            match($0, /Passing: [0-9]+/)
            passed = substr($0, RSTART + 9, RLENGTH - 9)
            failed = tested - passed
            found = 1
        }
        /^[0-9]+ passed, [0-9]+ failed/ { passed = $1; failed = $3; found = 1 }
        END { if (found) print passed, failed + 0; else print "1 0" }
    ' "$1"
}

passed=0 failed=0 skipped=0 broken=
for name in "$@"; do
    if [ -e "$name.skipped" ]; then
        skipped=$((skipped + 1))
        continue
    fi
    set -- $(count "$name.log" 2>/dev/null || echo 1 0)
    passed=$((passed + $1)) failed=$((failed + $2))
    [ -e "$name.ran" ] && continue
    broken="$broken $name"
    # Without a word about a failure, the program itself is the failure.
    [ "$2" -gt 0 ] || { failed=$((failed + 1)); passed=$((passed - ($1 == 1))); }
done

for name in $broken; do
    echo "failed: $name, see $name.log"
done
[ $skipped -eq 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
