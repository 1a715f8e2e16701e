/* tenon.c - churn, names and shared with Tenon
 *
 *     tenon churn private|shared [OPERATIONS]
 *     tenon names private|shared INDEX N [ROUNDS]
 *
 * Private is a segment in plain memory, without locks; shared is a TN_SHARED
 * store in a file, with them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <tenon.h>

#include "bench.h"

static tn_segment *segment;
static tn_store *store;

static void succeed(tn_status status)
{
    if (status == TN_OK)
        return;
    fprintf(stderr, "tenon: %s: %s\n", tn_strerror(status), tn_errmsg());
    exit(2);
}

static inline void *churn_alloc(size_t size)
{
    return tn_alloc(segment, size);
}

static inline void churn_free(void *p)
{
    bench_require(tn_free(segment, p) == TN_OK);
}

#include "churn.h"

static inline void names_create(const char *name, uint64_t i);
static inline uint64_t names_find(const char *name);
static inline void names_destroy(const char *name);
static inline double names_bytes(void);

#include "names.h"

static inline void names_create(const char *name, uint64_t i)
{
    void *object;

    bench_require(tn_construct(segment, name, TN_TYPE(struct names_object), 1,
                               NULL, &object) == TN_OK);
    ((struct names_object *)object)->i = i;
}

static inline uint64_t names_find(const char *name)
{
    void *object;

    bench_require(tn_find(segment, name, TN_TYPE(struct names_object), &object,
                          NULL) == TN_OK);
    return ((struct names_object *)object)->i;
}

static inline void names_destroy(const char *name)
{
    bench_require(tn_destroy(segment, name, TN_TYPE(struct names_object)) ==
                  TN_OK);
}

static inline double names_bytes(void)
{
    return (double)(tn_segment_size(segment) - tn_free_bytes(segment));
}

static void shared_open(const char *path, bool create)
{
    tn_options options = {.size = (size_t)256 << 20};

    succeed(tn_store_open(&store, path, TN_SHARED | (create ? TN_CREATE : 0),
                          &options));
    segment = tn_store_segment(store);
}

#include "shared.h"

static void make_segment(bool shared, size_t size, tn_index index)
{
    tn_options options = {.size = size, .index = index};
    const char *path = bench_path("store");

    if (shared) {
        succeed(tn_store_open(&store, path, TN_SHARED | TN_CREATE, &options));
        unlink(path);
        segment = tn_store_segment(store);
    } else {
        succeed(
            tn_segment_create(&segment, bench_memory(size), size, &options));
    }
}

static tn_index index_named(const char *name)
{
    static const char *const names[] = {
        [TN_INDEX_ISET] = "iset",
        [TN_INDEX_FLAT_MAP] = "flat_map",
        [TN_INDEX_MAP] = "map",
        [TN_INDEX_HASH] = "hash",
    };

    for (int i = TN_INDEX_ISET; i <= TN_INDEX_HASH; i++)
        if (strcmp(name, names[i]) == 0)
            return (tn_index)i;
    return TN_INDEX_NULL;
}

int main(int argc, char **argv)
{
    bool shared = argc > 2 && strcmp(argv[2], "shared") == 0;

    if (argc >= 3 && strcmp(argv[1], "churn") == 0) {
        make_segment(shared, (size_t)256 << 20, TN_INDEX_DEFAULT);
        churn_run(argv[3]);
    } else if (argc >= 5 && strcmp(argv[1], "names") == 0) {
        uint32_t n = bench_number(argv[4]);

        make_segment(shared, n * (size_t)256 + ((size_t)4 << 20),
                     index_named(argv[3]));
        names_run(n, argv[5], false);
    } else {
        int status = shared_run(argc, argv);

        if (status != 0)
            return status;
    }
    return tn_store_close(store) != TN_OK;
}
