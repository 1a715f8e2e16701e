/* bench.h - what the programs that measure have in common: time and chance
 *
 * Each program is one way to do the work, Tenon's or a peer's, and is called
 * with the workload's name and its arguments.  It prints a line "METRIC NUMBER
 * [UNIT]" for each figure, the unit being ns where none is said; 77 as exit
 * status says that it does not offer this workload.  The same seeds give every
 * program the same work.  run.sh calls them in turn and compares.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BENCH_NOT_OFFERED 77

/* What was measured is worth nothing if the results are wrong. */
#define bench_require(what)                                                    \
    ((what) ? (void)0 : bench_stop(#what, __FILE__, __LINE__))

static inline void bench_stop(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: this must hold: %s\n", file, line, what);
    exit(2);
}

static inline double bench_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline double bench_now(void) /* nanoseconds */
{
    return bench_clock(CLOCK_MONOTONIC);
}

/* Nanoseconds that this process has had a processor: the measure for work of
 * one thread that never waits, whoever else the machine works for. */
static inline double bench_cpu(void)
{
    return bench_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static inline uint64_t bench_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* A number below n from 32 random bits. */
static inline uint32_t bench_below(uint32_t random, uint32_t n)
{
    return (uint32_t)(((uint64_t)random * n) >> 32);
}

/* 0 to n - 1 in random order; the caller frees it. */
static inline uint32_t *bench_shuffled(uint32_t n, uint64_t seed)
{
    uint32_t *order = (uint32_t *)malloc(n * sizeof(*order));

    bench_require(order != NULL);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = bench_below((uint32_t)bench_random(&seed), i);
        uint32_t swap = order[i - 1];

        order[i - 1] = order[j];
        order[j] = swap;
    }
    return order;
}

/* size bytes of memory.  Every page of it is there already, unless
 * BENCH_FAULT_IN is set, for those who count faults. */
static inline void *bench_memory(size_t size)
{
    int populate = getenv("BENCH_FAULT_IN") == NULL ? MAP_POPULATE : 0;
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | populate, -1, 0);

    bench_require(p != MAP_FAILED);
    return p;
}

/* Pages that this process has had brought in so far. */
static inline double bench_faults(void)
{
    struct rusage usage;

    bench_require(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_minflt + usage.ru_majflt);
}

/* A path for a file of this process below $TMPDIR. */
static inline const char *bench_path(const char *name)
{
    static char path[4096];
    const char *directory = getenv("TMPDIR");

    snprintf(path, sizeof(path), "%s/tenon-bench-%d-%s",
             directory == NULL ? "/tmp" : directory, (int)getpid(), name);
    return path;
}

static inline void bench_print(const char *metric, double figure)
{
    printf("%s %.2f\n", metric, figure);
}

static inline void bench_print_in(const char *unit, const char *metric,
                                  double figure)
{
    printf("%s %.4f %s\n", metric, figure, unit);
}

static inline uint32_t bench_number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

#endif
