/* workers.h - the same work done by several threads or processes at once
 *
 * All of them get ready, then start together; what counts is the time from the
 * first start to the last end, by the clock on the wall.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BENCH_WORKERS_H
#define BENCH_WORKERS_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "bench.h"

enum { WORKERS_MOST = 64 };

struct workers {
    uint32_t count, ready; /* ready: how many are, so far */
    double start[WORKERS_MOST], end[WORKERS_MOST];
};

struct worker {
    struct workers *all; /* seen by every process */
    uint32_t number;     /* from 0 */
    void (*work)(struct worker *me);
};

/* Called by the work when it is ready, and when it is done. */
static inline void worker_start(struct worker *me)
{
    __atomic_add_fetch(&me->all->ready, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&me->all->ready, __ATOMIC_SEQ_CST) < me->all->count)
        sched_yield();
    me->all->start[me->number] = bench_now();
}

static inline void worker_end(struct worker *me)
{
    me->all->end[me->number] = bench_now();
}

static inline void *worker_thread(void *arg)
{
    struct worker *me = (struct worker *)arg;

    me->work(me);
    return NULL;
}

static inline void workers_fork(struct worker *workers, uint32_t count)
{
    int status;

    for (uint32_t i = 0; i < count; i++)
        if (fork() == 0) {
            workers[i].work(&workers[i]);
            _exit(0);
        }
    for (uint32_t i = 0; i < count; i++)
        bench_require(wait(&status) > 0 && WIFEXITED(status) &&
                      WEXITSTATUS(status) == 0);
}

static inline void workers_thread(struct worker *workers, uint32_t count)
{
    pthread_t threads[WORKERS_MOST];

    for (uint32_t i = 0; i < count; i++)
        bench_require(
            pthread_create(&threads[i], NULL, worker_thread, &workers[i]) == 0);
    for (uint32_t i = 0; i < count; i++)
        bench_require(pthread_join(threads[i], NULL) == 0);
}

/* Returns nanoseconds. */
static inline double workers_run(uint32_t count, bool processes,
                                 void (*work)(struct worker *me))
{
    struct worker workers[WORKERS_MOST];
    struct workers *all =
        (struct workers *)mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double start, end;

    bench_require(all != MAP_FAILED && count > 0 && count <= WORKERS_MOST);
    all->count = count;
    for (uint32_t i = 0; i < count; i++) {
        workers[i].all = all;
        workers[i].number = i;
        workers[i].work = work;
    }
    (processes ? workers_fork : workers_thread)(workers, count);
    start = all->start[0];
    end = all->end[0];
    for (uint32_t i = 1; i < count; i++) {
        start = all->start[i] < start ? all->start[i] : start;
        end = all->end[i] > end ? all->end[i] : end;
    }
    munmap(all, sizeof(*all));
    return end - start;
}

#endif
