/* shared.h - the workload shared: several at work on one store
 *
 *     PROGRAM shared churn|find WORKERS threads|processes
 *
 * churn: each has 100 000 slots of its own and does with them what churn.h
 * does.  find: 100 000 names are there as in names.h, and each looks up all of
 * them five times, in an order of its own.  "time" is that of all together over
 * the operations of all: half of it for two that do not hinder each other.
 *
 * Threads share a handle; each process opens the store itself.  A program
 * defines, before including this, what churn.h and names.h ask for, and
 *     static void shared_open(const char *path, bool create);
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BENCH_SHARED_H
#define BENCH_SHARED_H

#include "churn.h"
#include "names.h"
#include "workers.h"

enum { SHARED_CHURNS = 1000000, SHARED_NAMES = 100000, SHARED_ROUNDS = 5 };

static const char *shared_path; /* NULL: no need to open it again */
static struct names_work shared_names;

static inline void shared_churn(struct worker *me)
{
    void **slots = churn_begin();
    uint64_t random = me->number + 1;

    if (shared_path != NULL)
        shared_open(shared_path, false);
    for (int i = 0; i < SHARED_CHURNS / 10; i++)
        churn_step(slots, bench_random(&random));
    worker_start(me);
    for (int i = 0; i < SHARED_CHURNS; i++)
        churn_step(slots, bench_random(&random));
    worker_end(me);
    churn_end(slots);
}

static inline void shared_find(struct worker *me)
{
    uint32_t *order = bench_shuffled(SHARED_NAMES, me->number + 10);

    if (shared_path != NULL)
        shared_open(shared_path, false);
    worker_start(me);
    for (int round = 0; round < SHARED_ROUNDS; round++)
        for (uint32_t k = 0; k < SHARED_NAMES; k++)
            bench_require(names_find(shared_names.names[order[k]]) == order[k]);
    worker_end(me);
    free(order);
}

static inline int shared_run(int argc, char **argv)
{
    const char *path = bench_path("shared");
    bool find, processes;
    uint32_t workers;
    double time;

    if (argc != 5 || strcmp(argv[1], "shared") != 0)
        return BENCH_NOT_OFFERED;
    find = strcmp(argv[2], "find") == 0;
    workers = bench_number(argv[3]);
    processes = strcmp(argv[4], "processes") == 0;
    shared_open(path, true);
    if (find) {
        shared_names = names_prepare(SHARED_NAMES, false);
        names_create_all(&shared_names);
    }
    shared_path = processes ? path : NULL;
    time = workers_run(workers, processes, find ? shared_find : shared_churn);
    bench_print("time",
                time / workers /
                    (find ? SHARED_NAMES * SHARED_ROUNDS : SHARED_CHURNS));
    unlink(path);
    return 0;
}

#endif
