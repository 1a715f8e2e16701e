/* peer_sqlite.c - the workload commit with SQLite: WAL, synchronous=FULL
 *
 * Objects are rows by rowid; every statement is prepared once.  One UPDATE is
 * a transaction of its own, several are put between BEGIN and COMMIT.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <sqlite3.h>

#include "commit.h"

/* A thread's own, as SQLite advises. */
static __thread sqlite3 *db;
static __thread sqlite3_stmt *update, *find, *begin, *commit;

static void execute(const char *sql)
{
    bench_require(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *statement;

    bench_require(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                     &statement, NULL) == SQLITE_OK);
    return statement;
}

static void finish(sqlite3_stmt *statement)
{
    bench_require(sqlite3_step(statement) == SQLITE_DONE);
    bench_require(sqlite3_reset(statement) == SQLITE_OK);
}

static void put(sqlite3_stmt *statement, uint32_t i, uint32_t version)
{
    struct commit_object object;

    commit_fill(&object, i, version);
    bench_require(sqlite3_bind_blob(statement, 1, &object, sizeof(object),
                                    SQLITE_STATIC) == SQLITE_OK);
    bench_require(sqlite3_bind_int64(statement, 2, i) == SQLITE_OK);
    finish(statement);
}

static void commit_open(const char *path)
{
    bench_require(sqlite3_open(path, &db) == SQLITE_OK);
    bench_require(sqlite3_busy_timeout(db, 60000) == SQLITE_OK);
    execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "PRAGMA cache_size=-262144;"
            "CREATE TABLE IF NOT EXISTS object"
            "(i INTEGER PRIMARY KEY, bytes BLOB NOT NULL)");
    update = prepare("UPDATE object SET bytes = ?1 WHERE i = ?2");
    find = prepare("SELECT bytes FROM object WHERE i = ?1");
    begin = prepare("BEGIN");
    commit = prepare("COMMIT");
}

static void commit_close(void)
{
    sqlite3_finalize(update);
    sqlite3_finalize(find);
    sqlite3_finalize(begin);
    sqlite3_finalize(commit);
    bench_require(sqlite3_close(db) == SQLITE_OK);
}

static void commit_join(const char *path)
{
    if (db == NULL)
        commit_open(path);
}

static void commit_leave(void)
{
    commit_close();
    db = NULL;
}

static void commit_remove(const char *path)
{
    char other[4200];

    unlink(path);
    snprintf(other, sizeof(other), "%s-wal", path);
    unlink(other);
    snprintf(other, sizeof(other), "%s-shm", path);
    unlink(other);
}

static void commit_make(const char *path, uint32_t n)
{
    sqlite3_stmt *insert;

    commit_open(path);
    insert = prepare("INSERT INTO object (bytes, i) VALUES (?1, ?2)");
    finish(begin);
    for (uint32_t i = 0; i < n; i++)
        put(insert, i, 0);
    finish(commit);
    sqlite3_finalize(insert);
    commit_close();
}

static void commit_change(const struct commit_change *change)
{
    if (change->count > 1)
        finish(begin);
    for (uint32_t k = 0; k < change->count; k++)
        put(update, change->which[k], change->version);
    if (change->count > 1)
        finish(commit);
}

static bool commit_read(uint32_t i, struct commit_object *out)
{
    bench_require(sqlite3_bind_int64(find, 1, i) == SQLITE_OK);
    bench_require(sqlite3_step(find) == SQLITE_ROW);
    bench_require(sqlite3_column_bytes(find, 0) == sizeof(*out));
    memcpy(out, sqlite3_column_blob(find, 0), sizeof(*out));
    bench_require(sqlite3_reset(find) == SQLITE_OK);
    return true;
}

int main(int argc, char **argv)
{
    return commit_main(argc, argv);
}
