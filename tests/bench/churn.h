/* churn.h - the workload churn: what an allocator does all day
 *
 * 100 000 slots and 10 million operations, each on a random slot: free what it
 * holds, or else allocate.  Sizes are log-uniform from 8 to 2047 bytes: a power
 * of two from 8 to 1024 and a random remainder below it.  The first word is
 * written, and must be the same when the slot is freed.  "time" is the mean
 * time of an operation in nanoseconds, after a tenth as many that fill the
 * slots; "faults" counts page faults in 1,000 operations.
 *
 * The program defines, before including this,
 *     static inline void *churn_alloc(size_t size);
 *     static inline void churn_free(void *p);
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BENCH_CHURN_H
#define BENCH_CHURN_H

#include "bench.h"

enum { CHURN_SLOTS = 100000, CHURN_OPERATIONS = 10000000 };

static inline uint64_t churn_mark(uint32_t slot)
{
    return slot * UINT64_C(0x9e3779b97f4a7c15);
}

static inline void churn_step(void **slots, uint64_t random)
{
    uint32_t slot = bench_below((uint32_t)random, CHURN_SLOTS);
    uint64_t mark = churn_mark(slot);
    uint64_t *p = (uint64_t *)slots[slot];

    if (p != NULL) {
        bench_require(*p == mark);
        churn_free(p);
        slots[slot] = NULL;
    } else {
        size_t base = (size_t)8 << ((random >> 32) & 7);

        p = (uint64_t *)churn_alloc(base + ((random >> 40) & (base - 1)));
        bench_require(p != NULL);
        *p = mark;
        slots[slot] = p;
    }
}

static inline double churn_time(void **slots, uint64_t *random,
                                uint32_t operations)
{
    double start = bench_cpu();

    for (uint32_t i = 0; i < operations; i++)
        churn_step(slots, bench_random(random));
    return bench_cpu() - start;
}

static inline void **churn_begin(void)
{
    void **slots = (void **)calloc(CHURN_SLOTS, sizeof(*slots));

    bench_require(slots != NULL);
    memset((void *)slots, 0, CHURN_SLOTS * sizeof(*slots));
    return slots;
}

static inline void churn_end(void **slots)
{
    for (uint32_t slot = 0; slot < CHURN_SLOTS; slot++)
        if (slots[slot] != NULL) {
            bench_require(*(uint64_t *)slots[slot] == churn_mark(slot));
            churn_free(slots[slot]);
        }
    free((void *)slots);
}

/* operations: NULL for as many as the workload has. */
static inline int churn_run(const char *operations)
{
    uint32_t n =
        operations == NULL ? CHURN_OPERATIONS : bench_number(operations);
    void **slots = churn_begin();
    uint64_t random = 1;
    double faults = bench_faults();

    churn_time(slots, &random, n / 10);
    bench_print("time", churn_time(slots, &random, n) / n);
    bench_print_in("/1000", "faults", (bench_faults() - faults) / n * 1000);
    churn_end(slots);
    return 0;
}

#endif
