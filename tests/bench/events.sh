#!/bin/sh
# events.sh - count the instructions that a workload takes
#
# usage: events.sh N EACH PROGRAM ARGUMENTS...
#
# The program runs with N as its last argument, and again with twice as many:
# the difference, over N times EACH, is what one operation takes.  Counted by
# perf where the processor's counters may be had, else by callgrind.  Page
# faults, here of memory that is not brought in beforehand, are what the program
# prints itself.
#
# SPDX-License-Identifier: BSD-2-Clause

programs=${B:-build}/tests/bench
n=$1 each=$2 program=$programs/$3
shift 3
[ -x "$program" ] || exit 77
out=$(mktemp) || exit 2
trap 'rm -f "$out"' EXIT

can_perf()
{
    perf stat -x, -e instructions:u true 2>&1 | grep -q '^[0-9]'
}

# instructions COUNT ARGUMENTS...: of one run
instructions()
{
    if can_perf; then
        perf stat -x, -o "$out" -e instructions:u "$program" "$@" >/dev/null
        sed -n 's/^\([0-9][0-9]*\),.*instructions.*/\1/p' "$out"
    else
        valgrind --tool=callgrind --callgrind-out-file="$out" "$program" "$@" \
            >/dev/null 2>&1
        sed -n 's/^\(summary\|totals\): \([0-9]*\).*/\2/p' "$out" | tail -n 1
    fi
}

can_perf || command -v valgrind >/dev/null || exit 77
once=$(instructions "$@" "$n")
twice=$(instructions "$@" $((2 * n)))
[ -n "$once" ] && [ -n "$twice" ] || exit 2
awk -v a="$once" -v b="$twice" -v n=$((n * each)) 'BEGIN {
    printf "instructions %.1f instr\n", (b - a) / n
}'
BENCH_FAULT_IN=1 "$program" "$@" $((2 * n)) | grep '^faults'
