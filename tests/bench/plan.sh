# plan.sh - what 'make bench' runs and compares; part of run.sh
#
# plan prints lines of two kinds:
#
#   run WORKLOAD WHO PROGRAM ARGUMENTS...     in each round
#   once WORKLOAD WHO PROGRAM ARGUMENTS...    what comes out the same each time
#   row WORKLOAD METRIC WHO PEER GOAL         of the table
#
# PEER is who the row compares with: WHO of the same workload, WORKLOAD:WHO of
# another, or "-".  GOAL is ">=N", the least times as much as WHO that the peer
# should take; "<=N", the most times as much as the peer that WHO should (alone:
# the most that the figure should be); or "-".
#
# SPDX-License-Identifier: BSD-2-Clause

plan()
{
    plan_churn
    plan_names 1k 1000 200 - - - - - 1
    plan_names 100k 100000 1 - - - - - 30
    #          size    n     LMDB: ordered hash  Boost: iset ordered hash
    plan_names 1M 1000000 1 3 6 1.4 4.5 4 -
    plan_many_names
    plan_events
    plan_memory
    plan_shared
    plan_open
    plan_commit
    plan_group
    plan_snapshot
    plan_check
    plan_trim
}

plan_churn()
{
    echo "run churn tenon tenon churn private
          run churn tenon-shared tenon churn shared
          run churn mimalloc mimalloc churn
          run churn glibc glibc churn
          run churn jemalloc jemalloc churn
          run churn boost boost_iset churn
          run churn boost-shared boost_shared churn
          run churn pmemobj pmemobj churn 1000000
          row churn time tenon mimalloc <=1.1
          row churn time tenon glibc -
          row churn time tenon jemalloc -
          row churn time tenon boost >=10
          row churn time tenon pmemobj -
          row churn time tenon-shared tenon <=2.5
          row churn time tenon-shared boost-shared -"
}

# plan_names SIZE N ROUNDS GOALS...; the last is that of inserting to flat_map.
# Boost's flat_map takes an hour to make 1 M names in random order.
plan_names()
{
    echo "run names-$1 lmdb lmdb names $2 $3"
    for index in iset flat_map map hash; do
        workload=names-$1-$index
        case $index in
        iset) lmdb=- boost=$6 ;;
        hash) lmdb=$5 boost=$8 ;;
        flat_map) lmdb=$4 boost=- ;;
        *) lmdb=$4 boost=$7 ;;
        esac
        echo "run $workload tenon tenon names private $index $2 $3
              run $workload boost boost_$index names $2 $3
              row $workload find tenon boost $(at_least $boost)
              row $workload find tenon names-$1:lmdb $(at_least $lmdb)"
        [ $index != flat_map ] ||
            echo "row $workload find tenon names-$1-map:boost $(at_least $7)"
        case $1-$index in
        1M-flat_map) metrics= ;;
        *-flat_map) metrics="create:$9 destroy:1" ;;
        *) metrics="create:1 destroy:1" ;;
        esac
        for metric in $metrics; do
            echo "row $workload ${metric%:*} tenon boost >=${metric#*:}
                  row $workload ${metric%:*} tenon names-$1:lmdb -"
        done
        echo "row $workload bytes tenon boost -"
    done
    echo "run names-$1-shared tenon tenon names shared iset $2 $3
          run names-$1-shared boost boost_shared names $2 $3"
    for metric in find create destroy; do
        echo "row names-$1-shared $metric tenon boost -"
    done
}

# What is resident does not depend on how busy the machine is, so once is enough.
plan_memory()
{
    for trace in gcc git perl python sqlite; do
        memory "memory-$trace" peak "<=1" replay "$programs/traces/$trace.trace"
    done
    for size in 8 24 64 100 1000; do
        memory "memory-object-$size" bytes - object $size
    done
    memory memory-fragment peak - fragment
    echo "row memory-fragment file tenon boost -
          row memory-fragment split tenon boost -"
}

# memory WORKLOAD METRIC GOAL ARGUMENTS...; the goal is that against Boost.
memory()
{
    workload=$1 metric=$2 goal=$3
    shift 3
    echo "once $workload tenon tenon_memory $*
          once $workload boost boost_memory $*
          row $workload $metric tenon boost $goal"
    for peer in mimalloc jemalloc glibc; do
        echo "once $workload $peer $peer $*
              row $workload $metric tenon $peer -"
    done
}

# 10 M names take minutes to make, so this is run once.
plan_many_names()
{
    for index in iset map hash; do
        workload=names-10M-$index
        echo "once $workload tenon tenon names private $index 10000000 1
              once $workload boost boost_$index names 10000000 1"
        for metric in find create destroy; do
            echo "row $workload $metric tenon boost -"
        done
    done
}

# What does not depend on how fast the machine is, or how busy.
plan_events()
{
    echo "once events-churn tenon events.sh 1000000 1 tenon churn private"
    for peer in mimalloc jemalloc glibc boost:boost_iset; do
        echo "once events-churn ${peer%:*} events.sh 1000000 1 ${peer#*:} churn
              row events-churn instructions tenon ${peer%:*} -
              row events-churn faults tenon ${peer%:*} -"
    done
    for index in iset flat_map map hash; do
        workload=events-names-$index
        echo "once $workload tenon events.sh 5 1000 tenon names private $index 1000
              once $workload boost events.sh 5 1000 boost_$index names 1000
              row $workload instructions tenon boost -
              row $workload faults tenon boost -"
    done
}

# Run once: making the large store takes long, opening it is done many times.
plan_open()
{
    for size in 1M:1 10G:10240; do
        workload=open-${size%:*}
        echo "once $workload tenon tenon_open open ${size#*:} read-only
              once $workload tenon-durable tenon_open open ${size#*:} durable
              once $workload boost boost_open open ${size#*:}"
    done
    echo "row open-10G open tenon - <=1000000
          row open-10G open tenon open-1M:tenon <=2
          row open-10G open tenon boost -
          row open-10G open tenon-durable - <=1000000
          row open-10G open tenon-durable open-1M:tenon-durable <=2"
}

# Two that do not hinder each other take half the time for as much.
plan_shared()
{
    for work in churn find; do
        workload=shared-$work
        [ $work = churn ] && goal=">=1.5" || goal=-
        echo "run $workload tenon-1 tenon shared $work 1 threads
              run $workload boost-1 boost_shared shared $work 1 threads
              row $workload time tenon-1 boost-1 -"
        for many in threads processes; do
            echo "run $workload tenon-2-$many tenon shared $work 2 $many
                  run $workload boost-2-$many boost_shared shared $work 2 $many
                  row $workload time tenon-2-$many tenon-1 $goal
                  row $workload time tenon-2-$many boost-2-$many -
                  row $workload time boost-2-$many boost-1 -"
        done
    done
}

plan_group()
{
    for threads in 1 2 4 8; do
        echo "run group-$threads bare bare group $threads 1000
              run group-$threads tenon tenon_commit group $threads 1000
              run group-$threads lmdb lmdb_commit group $threads 500
              run group-$threads sqlite sqlite group $threads 500"
        for peer in bare lmdb sqlite; do
            echo "row group-$threads time tenon $peer -"
        done
        [ $threads = 8 ] && goal=">=3" || goal=-
        [ $threads = 1 ] || echo "row group-$threads time tenon group-1:tenon $goal"
    done
}

at_least()
{
    case $1 in
    -) echo - ;;
    *) echo ">=$1" ;;
    esac
}

# "bare" is what the disk takes for the same number of bytes in whole pages.
plan_commit()
{
    with_peers commit 100000 1 2000 names
    for metric in p50 mean p99 p99.9; do
        [ $metric = p50 ] && bare="<=1.4" lmdb=">=1.5" || bare=- lmdb=-
        echo "row commit $metric tenon bare $bare
              row commit $metric tenon lmdb $lmdb
              row commit $metric tenon sqlite -"
    done
    echo "run commit pmemobj pmemobj commit 100000 1 500
          run commit tenon-hints tenon_commit commit 100000 1 2000 names hints
          row commit p50 tenon pmemobj -
          row commit p50 tenon-hints bare <=1.15
          row commit p50 tenon-hints sqlite >=1"
    # So many pages are changed, 100 bytes in each.
    for pages in 1:1000 10:300 100:100 1000:40 10000:10; do
        workload=commit-pages-${pages%:*}
        with_peers $workload $((${pages%:*} > 999 ? ${pages%:*} * 41 : 41000)) \
            ${pages%:*} ${pages#*:} array
        for peer in bare lmdb sqlite; do
            echo "row $workload p50 tenon $peer -"
        done
    done
    echo "run commit-sums tenon tenon_commit commit 160000 1 1000 array
          run commit-sums tenon-nosums tenon_commit commit 160000 1 1000 nosums
          row commit-sums p50 tenon tenon-nosums -
          run commit-sums-1000 tenon tenon_commit commit 41000 1000 40 array
          run commit-sums-1000 tenon-nosums tenon_commit \
              commit 41000 1000 40 nosums
          row commit-sums-1000 p50 tenon tenon-nosums -"
    # Working sets of so many MB, of which each transaction changes 100 bytes.
    for mb in 1 16 64 256 1024 4096; do
        [ $mb = 4096 ] && kind=once || kind=run
        echo "$kind commit-set-${mb}MB bare bare commit 5000 1 500
              $kind commit-set-${mb}MB tenon tenon_commit commit \
                  $((mb * 10486)) 1 500 blank
              $kind commit-set-${mb}MB tenon-hints tenon_commit commit \
                  $((mb * 10486)) 1 500 blank hints
              row commit-set-${mb}MB p50 tenon bare -
              row commit-set-${mb}MB p50 tenon-hints bare <=1.15"
    done
    for mb in 1 4 16 64; do
        echo "run commit-recover-${mb}MB tenon tenon_commit recover $mb
              row commit-recover-${mb}MB open tenon - -"
    done
    echo "run commit-memory tenon tenon_commit memory
          row commit-memory open tenon - -
          row commit-memory after tenon - -"
}

# "xxh3" is hashing alone, with as many threads, over as large a file.
plan_check()
{
    echo "once check tenon tenon_check 2048
          once check xxh3 xxh3 2048
          row check normal tenon xxh3 <=2
          row check speed tenon - -
          row check speed xxh3 - -
          row check quick tenon - -
          row check full tenon - -
          row check memory tenon - <=64"
}

# "memset" is storing zeros to as much of a mapped file, and syncing it.
plan_trim()
{
    for who in tenon memset; do
        echo "run trim $who tenon_trim $who 512"
    done
    echo "row trim zero tenon memset <=1.5
          row trim trim tenon memset <=2"
}

# with_peers WORKLOAD OBJECTS EACH TRANSACTIONS KEPT
with_peers()
{
    echo "run $1 bare bare commit $2 $3 $4
          run $1 tenon tenon_commit commit $2 $3 $4 $5
          run $1 lmdb lmdb_commit commit $2 $3 $4
          run $1 sqlite sqlite commit $2 $3 $4"
}

# Half of the store is free, and what is free is not zero.
plan_snapshot()
{
    for who in tenon lz4 cp; do
        echo "run snapshot $who tenon_image snapshot $who 2048"
    done
    for who in tenon lz4; do
        echo "run restore $who tenon_image restore $who 2048"
    done
    echo "row snapshot time tenon lz4 >=1
          row snapshot synced tenon lz4 >=1
          row snapshot bytes tenon lz4 >=1
          row snapshot time tenon cp -
          row restore time tenon lz4 >=1
          row restore synced tenon lz4 >=1"
}
