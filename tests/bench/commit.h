/* commit.h - the workload commit: small transactions, each one on disk
 *
 *     PROGRAM commit OBJECTS EACH TRANSACTIONS [more, for the program]
 *
 * OBJECTS objects of 100 bytes are made.  Each transaction rewrites EACH of
 * them: one at random, or several that lie in as many pages.  When it returns
 * it is on disk.  Before the clock starts everything has been read once, and
 * some transactions were made.  At the end the store is closed, opened, and
 * every object compared with what was written last.
 *
 * Printed are the mean time of a transaction and what half, 99 % and 99.9 % of
 * them stay below, in nanoseconds.
 *
 * A program includes this and defines the functions declared here, which end it
 * when they fail.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BENCH_COMMIT_H
#define BENCH_COMMIT_H

#include <stdbool.h>

#include "bench.h"

enum {
    COMMIT_WARM = 200, /* transactions before the clock starts */
    COMMIT_APART = 41, /* objects this far apart lie in two pages */
};

struct commit_object {
    uint32_t i, version, rest[23];
};

/* What one transaction does: count objects get this version. */
struct commit_change {
    uint32_t version, count, *which;
};

/* Make n objects of version 0, and leave the store closed. */
static void commit_make(const char *path, uint32_t n);
static void commit_open(const char *path);
static void commit_change(const struct commit_change *change);
/* false: this program does not keep objects, and has not written this one
 * last. */
static bool commit_read(uint32_t i, struct commit_object *out);
static void commit_close(void);
static void commit_remove(const char *path);

static inline void commit_fill(struct commit_object *object, uint32_t i,
                               uint32_t version)
{
    uint64_t random = (uint64_t)i << 32 | version;

    object->i = i;
    object->version = version;
    for (int k = 0; k < 23; k++)
        object->rest[k] = (uint32_t)bench_random(&random);
}

static inline int commit_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static inline void commit_report(double *times, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += times[i];
    qsort(times, n, sizeof(*times), commit_compare);
    bench_print("mean", sum / (double)n);
    bench_print("p50", times[n / 2]);
    bench_print("p99", times[n - 1 - n / 100]);
    bench_print("p99.9", times[n - 1 - n / 1000]);
}

/* Choose which objects transaction number version rewrites. */
static inline void commit_choose(struct commit_change *change, uint32_t n,
                                 uint64_t *random)
{
    uint32_t groups = n / COMMIT_APART;
    uint32_t first = bench_below((uint32_t)bench_random(random), n);

    if (change->count == 1) {
        change->which[0] = first;
        return;
    }
    for (uint32_t k = 0; k < change->count; k++)
        change->which[k] = (first % groups + k * (groups / change->count)) %
                           groups * COMMIT_APART;
}

static inline void commit_step(struct commit_change *change, uint32_t *versions,
                               uint32_t n, uint64_t *random)
{
    change->version++;
    commit_choose(change, n, random);
    for (uint32_t k = 0; k < change->count; k++)
        versions[change->which[k]] = change->version;
}

static inline void commit_verify(const uint32_t *versions, uint32_t n)
{
    struct commit_object is, should;

    for (uint32_t i = 0; i < n; i++) {
        if (!commit_read(i, &is))
            continue;
        commit_fill(&should, i, versions[i]);
        bench_require(memcmp(&is, &should, sizeof(is)) == 0);
    }
}

static inline void commit_run(uint32_t n, uint32_t each, uint32_t transactions)
{
    const char *path = bench_path("commit");
    uint32_t *versions = (uint32_t *)calloc(n, sizeof(*versions));
    double *times = (double *)malloc(transactions * sizeof(*times));
    struct commit_change change = {0, each, NULL};
    uint64_t random = 5;

    change.which = (uint32_t *)malloc(each * sizeof(*change.which));
    bench_require(versions != NULL && times != NULL && change.which != NULL);
    bench_require(each > 0 && each <= n / COMMIT_APART);

    commit_make(path, n);
    commit_open(path);
    commit_verify(versions, n);
    for (uint32_t i = 0; i < COMMIT_WARM && i < transactions; i++) {
        commit_step(&change, versions, n, &random);
        commit_change(&change);
    }
    for (uint32_t i = 0; i < transactions; i++) {
        double start;

        commit_step(&change, versions, n, &random);
        start = bench_now();
        commit_change(&change);
        times[i] = bench_now() - start;
    }
    commit_close();
    commit_report(times, transactions);

    commit_open(path);
    commit_verify(versions, n);
    commit_close();
    commit_remove(path);
    free(change.which);
    free(versions);
    free(times);
}

#endif
