/* peer_lmdb.c - names as keys of LMDB, each phase in one transaction
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <lmdb.h>
#include <stdbool.h>

#include "bench.h"

#define NAMES_PHASE
static MDB_env *env;
static MDB_txn *transaction;
static MDB_dbi table;

static void names_phase(const char *phase)
{
    if (transaction != NULL)
        bench_require(mdb_txn_commit(transaction) == 0);
    transaction = NULL;
    if (strcmp(phase, "end") == 0)
        return;
    bench_require(mdb_txn_begin(env, NULL,
                                strcmp(phase, "find") == 0 ? MDB_RDONLY : 0,
                                &transaction) == 0);
    bench_require(mdb_dbi_open(transaction, NULL, 0, &table) == 0);
}

static MDB_val key_of(const char *name)
{
    MDB_val key = {.mv_size = strlen(name), .mv_data = (void *)name};

    return key;
}

static inline void names_create(const char *name, uint64_t i)
{
    uint64_t object[8] = {i};
    MDB_val key = key_of(name);
    MDB_val value = {.mv_size = sizeof(object), .mv_data = object};

    bench_require(mdb_put(transaction, table, &key, &value, MDB_NOOVERWRITE) ==
                  0);
}

static inline uint64_t names_find(const char *name)
{
    MDB_val key = key_of(name), value;
    uint64_t i;

    bench_require(mdb_get(transaction, table, &key, &value) == 0);
    memcpy(&i, value.mv_data, sizeof(i));
    return i;
}

static inline void names_destroy(const char *name)
{
    MDB_val key = key_of(name);

    bench_require(mdb_del(transaction, table, &key, NULL) == 0);
}

/* Pages are taken and given back whole, so what is used is known at commit. */
static inline double names_bytes(void)
{
    MDB_stat stat;

    if (transaction == NULL)
        return 0;
    bench_require(mdb_stat(transaction, table, &stat) == 0);
    return (double)(stat.ms_branch_pages + stat.ms_leaf_pages +
                    stat.ms_overflow_pages) *
           stat.ms_psize;
}

#include "names.h"

int main(int argc, char **argv)
{
    const char *path = bench_path("lmdb");
    char lock[4200];
    int status;

    if (argc < 3 || strcmp(argv[1], "names") != 0)
        return BENCH_NOT_OFFERED;
    snprintf(lock, sizeof(lock), "%s-lock", path);
    bench_require(mdb_env_create(&env) == 0);
    bench_require(mdb_env_set_mapsize(env, (size_t)4 << 30) == 0);
    bench_require(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600) ==
                  0);
    unlink(path);
    unlink(lock);
    status = names_run(bench_number(argv[2]), argv[3], false);
    mdb_env_close(env);
    return status;
}
