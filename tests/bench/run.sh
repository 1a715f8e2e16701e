#!/bin/sh
# run.sh - run each workload with Tenon and its peers in turn, and compare
#
# usage: run.sh [--json|--doc] [--rounds N] [WORKLOAD...]
#
# plan.sh says what is run and what is compared; the programs are those in
# $B/tests/bench.  In every round each of them runs once, one after the other,
# so that what else the machine does falls on all of them; a figure is the
# median of its rounds.  WORKLOAD is the beginning of a workload's name: churn,
# names, names-1M, commit, commit-recover.  --doc also writes the table into
# docs/BENCH.md.  Interrupted (^C), it makes do with what was measured so far.
#
# Files lie in $TMPDIR, or beside the programs: what commits take depends on
# the disk.
#
# SPDX-License-Identifier: BSD-2-Clause

here=$(dirname "$0")
format=text rounds=5 wanted=
while [ $# -gt 0 ]; do
    case $1 in
    --json) format=json ;;
    --doc) format=doc ;;
    --rounds) rounds=$2; shift ;;
    -*) sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2 ;;
    *) wanted="$wanted $1" ;;
    esac
    shift
done
programs=${B:-build}/tests/bench
export TMPDIR="${TMPDIR:-$programs}"
results=$(mktemp) || exit 2
trap 'rm -f "$results" "$results".*' EXIT
trap 'exit 2' HUP TERM
enough=no
trap 'enough=yes' INT
LC_ALL=C
export LC_ALL
. "$here/plan.sh"

# The rows that are wanted, and the runs that these need, in the plan's order.
choose()
{
    plan >"$results.all"
    awk -v wanted="$wanted" '
        function is_wanted(workload,    i)
        {
            for (i = 1; i <= words; i++)
                if (index(workload, word[i]) == 1)
                    return 1
            return words == 0
        }
        BEGIN { words = split(wanted, word) }
        FNR == NR && $1 == "row" && is_wanted($2) {
            needed[$2 ":" $4]
            needed[$5 ~ /:/ ? $5 : $2 ":" $5]
        }
        FNR == NR { next }
        $1 == "row" ? is_wanted($2) : ($2 ":" $3) in needed
    ' "$results.all" "$results.all"
}

# What took some seconds has removed large files, which keeps a disk busy that is
# told of free blocks: the next one shall not pay for it.
rest()
{
    [ "$1" -lt 4 ] || { sync; sleep 2; }
}

# run_one WORKLOAD WHO PROGRAM ARGUMENTS...: append
# "WORKLOAD WHO METRIC FIGURE UNIT".  77 as its status says that the program
# cannot do this here.
run_one()
{
    label="$1 $2"
    program=$programs/$3
    [ -x "$program" ] || program=$here/$3
    shift 3
    [ -x "$program" ] || return 0
    started=$(date +%s)
    timeout 600 "$program" "$@" >"$results.out" </dev/null
    case $? in
    0) rest $(($(date +%s) - started)) ;;
    77) return 0 ;;
    *) [ $enough = no ] || return 0
        echo "$label: $program $* failed" >&2; return 1 ;;
    esac
    sed "s/^/$label /" "$results.out" >>"$results"
}

# What gives the same figure each time is run once.
run_round()
{
    while [ $enough = no ] && read -r kind arguments; do
        case $kind-$1 in
        run-*|once-1) run_one $arguments || status=2 ;;
        esac
    done <"$results.plan"
}

medians()
{
    sort -k1,3 -k4,4n "$results" | awk '
        function done() { if (n > 0) print last, v[int((n + 1) / 2)], unit }
        { key = $1 " " $2 " " $3 }
        key != last { done(); n = 0; last = key }
        { v[++n] = $4; unit = $5 == "" ? "ns" : $5 }
        END { done() }'
}

table()
{
    awk -v format="$1" -f "$here/table.awk" "$results.medians" "$results.plan"
}

machine()
{
    echo "$((round - 1)) rounds, medians; $(date -u +%Y-%m-%d), $(uname -sr)," \
        "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)," \
        "$(nproc) processors," \
        "$(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1048576))" \
        "GiB, $(stat -f -c %T "$TMPDIR"), $(cc --version | head -n 1)," \
        "load $(cut -d' ' -f1 /proc/loadavg) at the end"
}

# Put what the function $2 prints between the marks of $1 in docs/BENCH.md.
rewrite()
{
    "$2" "$1" >"$results.part"
    sed -e "/^<!-- $1 -->/r $results.part" \
        -e "/^<!-- $1 -->/,/^<!-- end -->/{/^<!--/!d}" \
        docs/BENCH.md >"$results.page" && cp "$results.page" docs/BENCH.md
}

choose >"$results.plan"
[ -s "$results.plan" ] || { echo "no such workload:$wanted" >&2; exit 2; }

status=0 round=1
while [ $enough = no ] && [ "$round" -le "$rounds" ]; do
    [ ! -t 2 ] || echo "round $round of $rounds" >&2
    run_round $round
    [ $enough = yes ] || round=$((round + 1))
done

medians >"$results.medians"
if [ $format = json ]; then
    table json
else
    machine
    table text
fi
if [ $format = doc ]; then
    rewrite machine machine
    rewrite table table
    rewrite behind table
fi
exit $status
