# lib.sh - what the tests of the command find there
#
# $TENON is the command, the current directory is the test's own.
#
# SPDX-License-Identifier: BSD-2-Clause

# Run tenon, showing the call before and a status other than 0 behind.
t()
{
    printf '$ tenon %s\n' "$*" | cat -v
    "$TENON" "$@"
    status=$?
    [ $status -eq 0 ] || echo "[$status]"
}

# The same where the library chooses the words: only who complains about what.
t_refused()
{
    printf '$ tenon %s\n' "$*" | cat -v
    "$TENON" "$@" 2>err
    status=$?
    sed 's/^\(tenon: [^:]*\): .*/\1: REASON/' err
    rm -f err
    echo "[$status]"
}

# Fail the test at once, whatever else it prints.
die()
{
    echo "$*"
    exit 1
}

# End the test without a verdict.
skip()
{
    echo "$*"
    exit 77
}

# n bytes that look random and are always the same.
noise()
{
    awk -v n="$1" -v seed="${2:-1}" 'BEGIN {
        for (i = 0; i < n; i += 8) {
            seed = (seed * 16807) % 2147483647
            printf "%08x", seed
        }
    }' | head -c "$1"
}

# Is what the file holds what tenon get gives?
same()
{
    "$TENON" get "$1" "$2" | cmp - "$3" && echo "$2 is the same as $3"
}
