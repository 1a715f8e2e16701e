/* names.h - the workload names: create, find and destroy objects by name
 *
 * n objects of 64 bytes are named "user/%08x" of i times 2654435761, made in
 * the order of i, found in random order, and destroyed in another.  Names and
 * orders are prepared beforehand.  Each object holds its i, which is checked
 * when it is found.  The metrics "create", "find" and "destroy" are the mean
 * times of a call in nanoseconds; few names are gone through many times.
 * "bytes" is what a name and its object take, where the program can tell.
 * "faults" counts page faults for 1,000 names, from creating to destroying.
 *
 * The program defines, before including this,
 *     static inline void names_create(const char *name, uint64_t i);
 *     static inline uint64_t names_find(const char *name);    the object's i
 *     static inline void names_destroy(const char *name);
 *     static inline double names_bytes(void);            in use; 0: not known
 * where a failure ends the program, and may define names_phase(), called before
 * each phase, where work is done in transactions.
 *
 * Making 1 M names in random order takes an hour with an index that moves half
 * of itself each time: such a program says in_order, is given them in the order
 * of names, and reports no more than "find".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BENCH_NAMES_H
#define BENCH_NAMES_H

#include <stdbool.h>

#include "bench.h"

enum { NAMES_LENGTH = 16, NAMES_LEAST_CALLS = 200000 };

struct names_object {
    uint64_t i, rest[7];
};

struct names_work {
    uint32_t n;
    char (*names)[NAMES_LENGTH];
    uint32_t *find, *destroy; /* orders */
};

static inline int names_compare(const void *a, const void *b)
{
    return memcmp(a, b, NAMES_LENGTH);
}

static inline struct names_work names_prepare(uint32_t n, bool in_order)
{
    struct names_work work;

    work.n = n;
    work.names = (char(*)[NAMES_LENGTH])malloc((size_t)n * NAMES_LENGTH);
    bench_require(work.names != NULL);
    for (uint32_t i = 0; i < n; i++)
        snprintf(work.names[i], NAMES_LENGTH, "user/%08x",
                 (unsigned)(i * 2654435761u));
    if (in_order)
        qsort(work.names, n, NAMES_LENGTH, names_compare);

    work.find = bench_shuffled(n, 2);
    work.destroy = bench_shuffled(n, 3);
    return work;
}

static inline void names_finish(struct names_work *work)
{
    free(work->names);
    free(work->find);
    free(work->destroy);
}

#ifndef NAMES_PHASE
static inline void names_phase(const char *phase)
{
    (void)phase;
}
#endif

static inline double names_create_all(const struct names_work *work)
{
    double start = bench_cpu();

    names_phase("create");
    for (uint32_t i = 0; i < work->n; i++)
        names_create(work->names[i], i);
    return bench_cpu() - start;
}

static inline double names_find_all(const struct names_work *work)
{
    double start = bench_cpu();

    names_phase("find");
    for (uint32_t k = 0; k < work->n; k++) {
        uint32_t i = work->find[k];

        bench_require(names_find(work->names[i]) == i);
    }
    return bench_cpu() - start;
}

static inline double names_destroy_all(const struct names_work *work)
{
    double start = bench_cpu();

    names_phase("destroy");
    for (uint32_t k = 0; k < work->n; k++)
        names_destroy(work->names[work->destroy[k]]);
    names_phase("end");
    return bench_cpu() - start;
}

struct names_took { /* sums of nanoseconds, and bytes a name */
    double create, find, destroy, bytes;
};

static inline void names_round(const struct names_work *work, bool in_order,
                               struct names_took *took)
{
    double empty = names_bytes();

    took->create += names_create_all(work);
    took->bytes = (names_bytes() - empty) / work->n;
    took->find += names_find_all(work);
    if (!in_order)
        took->destroy += names_destroy_all(work);
}

/* rounds NULL: as many as it takes. */
static inline int names_run(uint32_t n, const char *rounds, bool in_order)
{
    struct names_work work = names_prepare(n, in_order);
    uint32_t times = n < NAMES_LEAST_CALLS ? NAMES_LEAST_CALLS / n : 1;
    struct names_took took = {0, 0, 0, 0};
    double faults = bench_faults();

    if (in_order)
        times = 1;
    else if (rounds != NULL)
        times = bench_number(rounds);
    for (uint32_t round = 0; round < times; round++)
        names_round(&work, in_order, &took);
    bench_print("find", took.find / times / n);
    if (!in_order) {
        bench_print("create", took.create / times / n);
        bench_print("destroy", took.destroy / times / n);
    }
    if (took.bytes > 0)
        bench_print_in("B", "bytes", took.bytes);
    bench_print_in("/1000", "faults",
                   (bench_faults() - faults) / times / n * 1000);
    names_finish(&work);
    return 0;
}

#endif
