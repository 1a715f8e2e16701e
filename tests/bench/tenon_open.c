/* tenon_open.c - how long opening takes
 *
 *     tenon_open open MB [read-only|private|durable]
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <tenon.h>

#include "bench.h"

static tn_store *store;
static unsigned access_flags = TN_READ_ONLY;

static void succeed(tn_status status)
{
    if (status == TN_OK)
        return;
    fprintf(stderr, "tenon: %s: %s\n", tn_strerror(status), tn_errmsg());
    exit(2);
}

static void open_make(const char *path, size_t size);
static uint64_t open_find(const char *path, const char *name);
static void open_close(void);
static void open_remove(const char *path);

#include "open.h"

static void open_make(const char *path, size_t size)
{
    tn_options options = {.size = size};
    tn_segment *segment;
    void *object, *rest;
    char name[16];

    succeed(tn_store_open(&store, path, TN_DURABLE | TN_CREATE, &options));
    succeed(tn_begin(store, &segment));
    for (uint32_t i = 0; i < OPEN_NAMES; i++) {
        open_name(name, i);
        succeed(
            tn_construct(segment, name, TN_TYPE(uint64_t), 1, NULL, &object));
        *(uint64_t *)object = i;
    }
    rest = tn_alloc(segment, tn_free_bytes(segment) - (size / 64));
    bench_require(rest != NULL);
    succeed(tn_commit(store));
    succeed(tn_store_close(store));
}

static uint64_t open_find(const char *path, const char *name)
{
    const tn_segment *segment;
    void *object;
    uint64_t i;

    succeed(tn_store_open(&store, path, access_flags, NULL));
    if (access_flags == TN_PRIVATE)
        segment = tn_store_segment(store);
    else
        succeed(tn_read_begin(store, &segment));
    succeed(tn_find(segment, name, TN_TYPE(uint64_t), &object, NULL));
    i = *(uint64_t *)object;
    if (access_flags != TN_PRIVATE)
        succeed(tn_read_end(store, segment));
    return i;
}

static void open_close(void)
{
    succeed(tn_store_close(store));
}

static void open_remove(const char *path)
{
    char journal[4200];

    snprintf(journal, sizeof(journal), "%s-journal", path);
    unlink(path);
    unlink(journal);
}

int main(int argc, char **argv)
{
    if (argc < 3 || strcmp(argv[1], "open") != 0)
        return BENCH_NOT_OFFERED;
    if (argc > 3 && strcmp(argv[3], "durable") == 0)
        access_flags = TN_DURABLE;
    if (argc > 3 && strcmp(argv[3], "private") == 0)
        access_flags = TN_PRIVATE;
    return open_run(argv[2]);
}
