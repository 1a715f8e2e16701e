#!/bin/sh
# run.sh - run the fuzzers, with the address and undefined-behaviour sanitizers
#
# usage: fuzz/run.sh SECONDS [TARGET...]     TARGET: open, ops, ... ; default all
#
# Builds the targets with clang and libFuzzer below $B/fuzzer (B: build) and
# lets each look for that many seconds, beginning with what it found before
# ($B/fuzzer/corpus) and with fuzz/corpus.  What stops a target is kept in
# $B/fuzzer/found.  Prints a line a target; the status is 1 if one was stopped.
#
# Under AFL++ the same targets build with
#
#     make B=build/afl CC=afl-clang-fast FUZZER=-fsanitize=fuzzer fuzzers
#     afl-fuzz -i fuzz/corpus/open -o out build/afl/fuzz/fuzz_open
#
# which needs no mutator of ours: targets put checksums right by themselves
# where an input asks for it.
#
# SPDX-License-Identifier: BSD-2-Clause

seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- $(ls fuzz/fuzz_*.c | sed 's/.*fuzz_//; s/\.c//')
CLANG=${CLANG:-clang}
build=${B:-build}/fuzzer
status=0

if ! echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' |
    $CLANG -fsanitize=fuzzer,address -x c - -o /dev/null 2>/dev/null; then
    echo 'the fuzzers need clang and its runtime libraries: make deps-fuzz' >&2
    exit 2
fi
flags='-g -O2 -fno-omit-frame-pointer -fno-sanitize-recover=all'
make -s -j2 fuzzers B="$build" CC="$CLANG" FUZZER=-fsanitize=fuzzer \
    CFLAGS="$flags -fsanitize=fuzzer-no-link,address,undefined" \
    UNWATCHED=-fno-sanitize=fuzzer-no-link || exit 2

# The longest inputs that are of use.
longest()
{
    case $1 in
    ops | tool) echo 400 ;;
    *)   echo 32768 ;;
    esac
}

mkdir -p "$build/found"
TMPDIR=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || exit 2
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 2' INT TERM
UBSAN_OPTIONS=print_stacktrace=1
export UBSAN_OPTIONS

for target in "$@"; do
    corpus=$build/corpus/$target log=$build/$target.log
    mkdir -p "$corpus"
    "$build/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=20 \
        -rss_limit_mb=1024 -max_len="$(longest "$target")" -entropic=0 -len_control=0 \
        -print_final_stats=1 -artifact_prefix="$build/found/$target-" \
        "$corpus" "fuzz/corpus/$target" >"$log" 2>&1
    result=$?
    awk -v name="$target" -v result=$result '
        /cov: / { sub(/.*cov: /, ""); cov = $1 }
        /stat::number_of_executed_units/ { runs = $2 }
        /stat::average_exec_per_sec/ { rate = $2 }
        /stat::peak_rss_mb/ { memory = $2 }
        /^SUMMARY: / { what = $0 }
        END {
            printf "%-10s %9d inputs  %6d a second  %6d places  %5d MB  %s\n",
                   name, runs, rate, cov, memory,
                   result == 0 ? "nothing found" : "STOPPED: " what
        }' "$log"
    [ $result = 0 ] || status=1
    rm -rf "${TMPDIR:?}"/*
done
[ $status = 0 ] || ls -t "$build/found"
exit $status
