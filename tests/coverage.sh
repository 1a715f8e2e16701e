#!/bin/sh
# coverage.sh - how many lines of the files that parse have the tests run?
#
# usage: tests/coverage.sh PROGRAM...
#
# Runs the programs, which were built in $B with --coverage, one a processor at
# a time, and those of fuzz/ over their corpus.  Then prints lines and how many
# of them ran, for each file that reads bytes which may be anything, and for all
# of them; the status is 1 if a file has less than the goal.  Lines that did not
# run stand in $B/src/LAYER/NAME.c.gcov, marked #####.
#
# SPDX-License-Identifier: BSD-2-Clause

goal=95
files='src/store/superblock.c src/store/map.c src/store/journal.c
    src/store/journal_check.c src/store/overlay.c src/store/read.c
    src/store/sums.c src/segment/segment_check.c src/segment/walk.c
    src/heap/heap_check.c src/heap/salvage.c src/index/record.c
    src/index/types.c src/index/index.c src/index/remains.c
    src/index/btree_check.c src/index/hash_list.c'
files="$files $(ls src/image/*.c src/check/*.c)"

if ! command -v gcov >/dev/null; then
    echo 'gcov is not there' >&2
    exit 2
fi

find "$B" -name '*.gcda' -delete
for program in "$@"; do
    case $program in
    */fuzz/fuzz_*) corpus=fuzz/corpus/${program##*/fuzz_} ;;
    *)             corpus= ;;
    esac
    echo "$program" $corpus
done | xargs -L 1 -P "$(getconf _NPROCESSORS_ONLN)" sh -c '
    timeout 600 "$@" >"$1.log" 2>&1 </dev/null ||
        echo "$1: status $?, see $1.log"' sh

for file in $files; do
    data=$B/${file%.c}.gcda
    if [ -e "$data" ]; then
        gcov "$data" 2>/dev/null | awk -v file="$file" '
            /^File / { mine = index($0, file) }
            /^Lines executed/ && mine {
                split($0, part, /[:% ]+/)
                print file, part[3], part[5]
                mine = 0
            }'
        mv -f "$(basename "$file").gcov" "$B/$file.gcov"
        rm -f ./*.h.gcov
    else
        echo "$file 0 $(grep -c ';$' "$file")"
    fi
done | awk -v goal=$goal '
    {
        printf "%-30s %5d lines %6.1f %%%s\n", $1, $3, $2,
               $2 < goal ? ", too few" : ""
        few += $2 < goal
        lines += $3
        all += $3 * $2 / 100
    }
    END {
        printf "%-30s %5d lines %6.1f %%, goal of each %d %%\n", "all of them",
               lines, 100 * all / lines, goal
        exit few != 0
    }'
