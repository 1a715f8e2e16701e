/* peer_lmdb_commit.c - the workload commit with LMDB, as durable as it comes
 *
 * Keys are the numbers of the objects, as MDB_INTEGERKEY wants them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <lmdb.h>

#include "commit.h"

static MDB_env *env;
static MDB_dbi table;
static MDB_txn *reading;

static void begin(MDB_txn **transaction, unsigned flags)
{
    bench_require(mdb_txn_begin(env, NULL, flags, transaction) == 0);
}

static void put(MDB_txn *transaction, uint32_t i, uint32_t version,
                unsigned flags)
{
    struct commit_object object;
    MDB_val key = {.mv_size = sizeof(i), .mv_data = &i};
    MDB_val value = {.mv_size = sizeof(object), .mv_data = &object};

    commit_fill(&object, i, version);
    bench_require(mdb_put(transaction, table, &key, &value, flags) == 0);
}

static void commit_open(const char *path)
{
    MDB_txn *transaction;

    bench_require(mdb_env_create(&env) == 0);
    bench_require(mdb_env_set_mapsize(env, (size_t)8 << 30) == 0);
    bench_require(mdb_env_open(env, path, MDB_NOSUBDIR, 0600) == 0);
    begin(&transaction, 0);
    bench_require(mdb_dbi_open(transaction, NULL, MDB_INTEGERKEY | MDB_CREATE,
                               &table) == 0);
    bench_require(mdb_txn_commit(transaction) == 0);
}

/* A reader holds old pages, so none is left open beside writers. */
static void stop_reading(void)
{
    if (reading != NULL)
        mdb_txn_abort(reading);
    reading = NULL;
}

static void commit_close(void)
{
    stop_reading();
    mdb_env_close(env);
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
    char lock[4200];

    snprintf(lock, sizeof(lock), "%s-lock", path);
    unlink(path);
    unlink(lock);
}

static void commit_make(const char *path, uint32_t n)
{
    MDB_txn *transaction;

    commit_open(path);
    begin(&transaction, 0);
    for (uint32_t i = 0; i < n; i++)
        put(transaction, i, 0, MDB_APPEND);
    bench_require(mdb_txn_commit(transaction) == 0);
    commit_close();
}

static void commit_change(const struct commit_change *change)
{
    MDB_txn *transaction;

    stop_reading();
    begin(&transaction, 0);
    for (uint32_t k = 0; k < change->count; k++)
        put(transaction, change->which[k], change->version, 0);
    bench_require(mdb_txn_commit(transaction) == 0);
}

static bool commit_read(uint32_t i, struct commit_object *out)
{
    MDB_val key = {.mv_size = sizeof(i), .mv_data = &i}, value;

    if (reading == NULL)
        begin(&reading, MDB_RDONLY);
    bench_require(mdb_get(reading, table, &key, &value) == 0);
    bench_require(value.mv_size == sizeof(*out));
    memcpy(out, value.mv_data, sizeof(*out));
    return true;
}

int main(int argc, char **argv)
{
    return commit_main(argc, argv);
}
