#!/bin/sh
# run.sh - run each workload with Tenon and its peers in turn, and compare
#
# usage: run.sh [--json] [--rounds N] [WORKLOAD...]
#
# The programs are those in $B/tests/bench.  In every round each of them runs
# once, one after the other, so that what else the machine does falls on all of
# them; a figure is the median of its rounds.  "times" is how many times as
# long as Tenon the peer takes, and the goal is the least it should be.
# A goal of "<=1.4" is the most it should be instead.  WORKLOAD is the beginning
# of a workload's name: churn, names, names-1M, commit, commit-recover.
#
# Figures are nanoseconds, but for those whose metric ends in -kB.  Files lie in
# $TMPDIR, or beside the programs: what commits take depends on the disk.
#
# SPDX-License-Identifier: BSD-2-Clause

json=no rounds=5 wanted=
while [ $# -gt 0 ]; do
    case $1 in
    --json) json=yes ;;
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

# What is run:      run WORKLOAD WHO PROGRAM ARGUMENTS...
# What is compared: row WORKLOAD METRIC WHO PEER GOAL
plan()
{
    echo "run churn tenon tenon churn private
          run churn tenon-shared tenon churn shared
          run churn mimalloc mimalloc churn
          run churn glibc glibc churn
          run churn jemalloc jemalloc churn
          run churn boost boost_iset churn
          run churn boost-shared boost_shared churn
          row churn churn tenon mimalloc 0.91
          row churn churn tenon glibc -
          row churn churn tenon jemalloc -
          row churn churn tenon boost 10
          row churn churn tenon-shared boost-shared 10"
    plan_names 1k 1000 - - - - -
    plan_names 100k 100000 - - - - -
    #          size    n  LMDB: map hash  Boost: iset ordered hash
    plan_names 1M 1000000 3 6 1.4 4.5 4
    plan_commit
}

plan_names()
{
    for index in iset flat_map map hash; do
        workload=names-$1-$index
        goal_lmdb=- goal_boost=-
        case $index in
        iset) goal_boost=$5 ;;
        hash) goal_boost=$7 goal_lmdb=$4 ;;
        *) goal_boost=$6 goal_lmdb=$3 ;;
        esac
        echo "run $workload tenon tenon names $2 $index private
              run $workload boost boost_$index names $2
              run $workload lmdb lmdb names $2"
        for metric in find create destroy; do
            echo "row $workload $metric tenon boost $goal_boost
                  row $workload $metric tenon lmdb $goal_lmdb"
            goal_boost=- goal_lmdb=-
        done
    done
    echo "run names-$1-shared tenon tenon names $2 iset shared
          run names-$1-shared boost boost_shared names $2"
    for metric in find create destroy; do
        echo "row names-$1-shared $metric tenon boost -"
    done
}

# "bare" is what the disk takes for the same number of bytes in whole pages.
plan_commit()
{
    with_peers commit 100000 1 2000 names
    for metric in p50 mean p99 p99.9; do
        [ $metric = p50 ] && bare="<=1.4" lmdb=1.5 sqlite=1 ||
            bare=- lmdb=- sqlite=-
        echo "row commit $metric bare tenon $bare
              row commit $metric tenon lmdb $lmdb
              row commit $metric tenon sqlite $sqlite"
    done
    with_peers commit-pages 160000 1000 50 array
    echo "run commit-pages tenon-nosums tenon_commit commit 160000 1000 50 nosums
          row commit-pages p50 bare tenon -
          row commit-pages p50 tenon lmdb -
          row commit-pages p50 tenon sqlite -
          row commit-pages p50 tenon-nosums tenon -
          run commit-sums tenon tenon_commit commit 160000 1 1000 array
          run commit-sums tenon-nosums tenon_commit commit 160000 1 1000 nosums
          row commit-sums p50 tenon-nosums tenon -"
    # Working sets of so many MB, of which each transaction changes 100 bytes.
    for mb in 1 16 64 256 1024; do
        echo "run commit-set-${mb}MB bare bare commit 5000 1 500
              run commit-set-${mb}MB tenon tenon_commit commit \
                  $((mb * 10486)) 1 500 array
              row commit-set-${mb}MB p50 bare tenon -"
    done
    for mb in 1 4 16 64; do
        echo "run commit-recover-${mb}MB tenon tenon_commit recover $mb
              row commit-recover-${mb}MB open tenon - -"
    done
    echo "run commit-memory tenon tenon_commit memory
          row commit-memory open-kB tenon - -
          row commit-memory after-kB tenon - -"
}

# with_peers WORKLOAD OBJECTS EACH TRANSACTIONS KEPT
with_peers()
{
    echo "run $1 bare bare commit $2 $3 $4
          run $1 tenon tenon_commit commit $2 $3 $4 $5
          run $1 lmdb lmdb_commit commit $2 $3 $4
          run $1 sqlite sqlite commit $2 $3 $4"
}

is_wanted()
{
    [ -n "$wanted" ] || return 0
    for word in $wanted; do
        case $1 in
        "$word"*) return 0 ;;
        esac
    done
    return 1
}

# run_one WORKLOAD WHO PROGRAM ARGUMENTS...: append "WORKLOAD WHO METRIC FIGURE"
run_one()
{
    label="$1 $2"
    program=$programs/$3
    shift 3
    [ -x "$program" ] || return 0
    timeout 600 "$program" "$@" >"$results.out" </dev/null || {
        echo "$label: $program $* failed" >&2
        return 1
    }
    sed "s/^/$label /" "$results.out" >>"$results"
}

medians()
{
    sort -k1,3 -k4,4n "$1" | awk '
        function done() { if (n > 0) print last, v[int((n + 1) / 2)] }
        { key = $1 " " $2 " " $3 }
        key != last { done(); n = 0; last = key }
        { v[++n] = $4 }
        END { done() }'
}

table()
{
    awk -v json=$json '
        FNR == NR { figure[$1, $2, $3] = $4; next }
        $1 != "row" || !(($2, $4, $3) in figure) { next }
        {
            workload = $2; metric = $3; who = $4; peer = $5; goal = $6
            own = figure[workload, who, metric]
            there = (workload, peer, metric) in figure
            its = figure[workload, peer, metric]
            times = there && own > 0 ? its / own : 0
            most = sub(/^<=/, "", goal)
            good = most ? times <= goal : times >= goal
            reached = !there || goal == "-" ? "" : good ? "yes" : "NO"
        }
        json == "yes" {
            printf "%s\n  {\"workload\": \"%s\", \"metric\": \"%s\", " \
                "\"who\": \"%s\", \"ns\": %s, \"peer\": \"%s\", ",
                rows++ ? "," : "[", workload, metric, who, own, peer
            printf "\"peer_ns\": %s, \"times\": %s, \"goal\": %s, " \
                "\"reached\": %s}",
                there ? its : "null", there ? sprintf("%.2f", times) : "null",
                goal == "-" ? "null" : most ? "-" goal : goal,
                reached == "" ? "null" : reached == "yes" ? "true" : "false"
            next
        }
        !there && (workload metric) ~ /1M-flat_map(create|destroy)/ { next }
        {
            if (!rows++)
                printf "%-20s %-8s %-13s %9s  %-13s %9s %7s %6s  %s\n",
                    "workload", "metric", "who", "ns", "peer", "its ns",
                    "times", "goal", "reached"
            if (peer == "-")
                its_text = ""
            else
                its_text = there ? sprintf("%.1f", its) : "not there"
            printf "%-20s %-8s %-13s %9.1f  %-13s %9s %7s %6s  %s\n",
                workload, metric, who, own, peer, its_text,
                there ? sprintf("%.2f", times) : "",
                (most ? "<=" : "") goal, reached
        }
        { missed += reached == "NO"; met += reached == "yes" }
        END {
            if (json == "yes")
                print rows ? "\n]" : "[]"
            else
                printf "%d goals reached, %d missed\n", met, missed
        }
    ' "$1" "$2"
}

plan | while read -r kind workload rest; do
    is_wanted "$workload" && echo "$kind $workload $rest"
done >"$results.plan"
[ -s "$results.plan" ] || { echo "no such workload:$wanted" >&2; exit 2; }

status=0
round=1
while [ "$round" -le "$rounds" ]; do
    [ ! -t 2 ] || echo "round $round of $rounds" >&2
    grep '^run' "$results.plan" >"$results.run"
    while read -r _ arguments; do
        run_one $arguments || status=2
    done <"$results.run"
    round=$((round + 1))
done

[ $json = yes ] || echo "$rounds rounds, medians; $(uname -sr)," \
    "$(nproc) processors, $(cc --version | head -n 1)"
medians "$results" >"$results.medians"
table "$results.medians" "$results.plan"
exit $status
