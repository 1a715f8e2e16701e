/* peer_pmemobj.c - churn and commit with libpmemobj
 *
 * churn: its atomic allocations, in a pool in memory (/dev/shm) with
 * PMEM_IS_PMEM_FORCE=1, so that nothing is synced.  Each of them is failure-
 * atomic even so, which the other allocators are not.
 *
 * commit: the objects are an array in the root; a transaction snapshots what it
 * changes (pmemobj_tx_add_range_direct), in a pool on the disk, where the
 * library makes things last by msync.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <libpmemobj.h>

#include "commit.h"

#define LAYOUT "bench"

static PMEMobjpool *pool;
static struct commit_object *array;

/* --- churn ---------------------------------------------------------------- */

static inline void *churn_alloc(size_t size)
{
    PMEMoid oid;

    bench_require(pmemobj_alloc(pool, &oid, size, 0, NULL, NULL) == 0);
    return pmemobj_direct(oid);
}

static inline void churn_free(void *p)
{
    PMEMoid oid = pmemobj_oid(p);

    pmemobj_free(&oid);
}

#include "churn.h"

static int churn(const char *operations)
{
    char path[64];
    int status;

    snprintf(path, sizeof(path), "/dev/shm/tenon-bench-%d", (int)getpid());
    setenv("PMEM_IS_PMEM_FORCE", "1", 1);
    pool = pmemobj_create(path, LAYOUT, (size_t)256 << 20, 0600);
    if (pool == NULL)
        return BENCH_NOT_OFFERED;
    unlink(path);
    status = churn_run(operations);
    pmemobj_close(pool);
    return status;
}

/* --- commit --------------------------------------------------------------- */

static void commit_open(const char *path)
{
    PMEMoid root;

    pool = pmemobj_open(path, LAYOUT);
    bench_require(pool != NULL);
    root = pmemobj_root(pool, pmemobj_root_size(pool));
    array = (struct commit_object *)pmemobj_direct(root);
    bench_require(array != NULL);
}

static void commit_close(void)
{
    pmemobj_close(pool);
}

static void commit_join(const char *path)
{
    (void)path;
}

static void commit_leave(void)
{
}

static void commit_remove(const char *path)
{
    unlink(path);
}

static void commit_make(const char *path, uint32_t n)
{
    size_t size = n * sizeof(*array);

    pool =
        pmemobj_create(path, LAYOUT, size + size / 4 + PMEMOBJ_MIN_POOL, 0600);
    bench_require(pool != NULL);
    array = (struct commit_object *)pmemobj_direct(pmemobj_root(pool, size));
    bench_require(array != NULL);
    for (uint32_t i = 0; i < n; i++)
        commit_fill(&array[i], i, 0);
    pmemobj_persist(pool, array, size);
    pmemobj_close(pool);
}

static void commit_change(const struct commit_change *change)
{
    bench_require(pmemobj_tx_begin(pool, NULL, TX_PARAM_NONE) == 0);
    for (uint32_t k = 0; k < change->count; k++) {
        struct commit_object *object = &array[change->which[k]];

        bench_require(pmemobj_tx_add_range_direct(object, sizeof(*object)) ==
                      0);
        commit_fill(object, change->which[k], change->version);
    }
    pmemobj_tx_commit();
    bench_require(pmemobj_tx_end() == 0);
}

static bool commit_read(uint32_t i, struct commit_object *out)
{
    memcpy(out, &array[i], sizeof(*out));
    return true;
}

/* -------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "churn") == 0)
        return churn(argv[2]);
    return commit_main(argc, argv);
}
