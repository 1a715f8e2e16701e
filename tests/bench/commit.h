/* commit.h - the workload commit: small transactions, each one on disk
 *
 *     PROGRAM commit OBJECTS EACH TRANSACTIONS [more, for the program]
 *     PROGRAM group THREADS TRANSACTIONS [more]
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
 * group: so many threads commit, each to objects of its own, until there were
 * TRANSACTIONS in all.  "time" is that of all together over their number, by
 * the clock on the wall.
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
#include "workers.h"

/* Objects of version 0 are zero: for stores that would take long to fill. */
static bool commit_blank;

enum {
    COMMIT_WARM = 200, /* transactions before the clock starts */
    COMMIT_APART = 41, /* objects this far apart lie in two pages */
    COMMIT_GROUP = 64 * COMMIT_APART, /* objects of group */
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
/* What a thread of group does before its first commit, and after its last. */
static void commit_join(const char *path);
static void commit_leave(void);
static void commit_remove(const char *path);

static inline void commit_fill(struct commit_object *object, uint32_t i,
                               uint32_t version)
{
    uint64_t random = (uint64_t)i << 32 | version;

    if (commit_blank && version == 0) {
        memset(object, 0, sizeof(*object));
        return;
    }
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

/* --- group ---------------------------------------------------------------- */

static const char *commit_group_path;
static uint32_t *commit_group_versions, commit_group_each;

/* Each thread's objects lie in pages of its own. */
static inline void commit_group_work(struct worker *me)
{
    uint32_t which;
    struct commit_change change = {0, 1, &which};

    commit_join(commit_group_path);
    worker_start(me);
    for (uint32_t i = 0; i < commit_group_each; i++) {
        which = me->number * COMMIT_APART + i % COMMIT_APART;
        change.version++;
        commit_change(&change);
        commit_group_versions[which] = change.version;
    }
    worker_end(me);
    commit_leave();
}

static inline void commit_group(uint32_t threads, uint32_t transactions)
{
    const char *path = bench_path("group");
    double time;

    commit_group_path = path;
    commit_group_each = transactions / threads;
    commit_group_versions =
        (uint32_t *)calloc(COMMIT_GROUP, sizeof(*commit_group_versions));
    bench_require(commit_group_versions != NULL);
    commit_make(path, COMMIT_GROUP);
    commit_open(path);
    time = workers_run(threads, false, commit_group_work);
    bench_print("time", time / threads / commit_group_each);
    commit_verify(commit_group_versions, COMMIT_GROUP);
    commit_close();
    commit_open(path);
    commit_verify(commit_group_versions, COMMIT_GROUP);
    commit_close();
    commit_remove(path);
    free(commit_group_versions);
}

/* -------------------------------------------------------------------------- */

static inline int commit_main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "commit") == 0)
        commit_run(bench_number(argv[2]), bench_number(argv[3]),
                   bench_number(argv[4]));
    else if (argc >= 4 && strcmp(argv[1], "group") == 0)
        commit_group(bench_number(argv[2]), bench_number(argv[3]));
    else
        return BENCH_NOT_OFFERED;
    return 0;
}

#endif
