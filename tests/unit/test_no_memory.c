/* test_no_memory.c - a call for which there is no memory does no harm
 *
 * Each call is made again and again, and each time one allocation later is
 * refused: that one, or all from then on.  Until it gets by, it must answer
 * TN_ENOMEM or do without, leave no descriptor open and no file behind; and
 * when there is memory again, do what it does.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <lz4frame.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/faults.h"
#include "lib/snapshots.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"

#define OK(call) cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())

/* --- Refusing ------------------------------------------------------------- */

static struct {
    bool on, refused;
    bool persists; /* all that come after, too */
    int before;    /* allocations still to pass */
} plan;

static bool is_refused(void)
{
    if (!plan.on || __atomic_fetch_sub(&plan.before, 1, __ATOMIC_RELAXED) > 0)
        return false;
    if (plan.refused && !plan.persists)
        return false;
    plan.refused = true;
    return true;
}

/* The linker puts these in front of the library's calls (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
    return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return is_refused() ? NULL : __real_realloc(p, size);
}

/* What LZ4 allocates for itself it says in these. */
enum { NO_MEMORY = -9 };

size_t __real_LZ4F_compressBegin(LZ4F_cctx *c, void *to, size_t room,
                                 const LZ4F_preferences_t *wanted);
size_t __wrap_LZ4F_compressBegin(LZ4F_cctx *c, void *to, size_t room,
                                 const LZ4F_preferences_t *wanted);
size_t __real_LZ4F_compressUpdate(LZ4F_cctx *c, void *to, size_t room,
                                  const void *from, size_t size,
                                  const LZ4F_compressOptions_t *options);
size_t __wrap_LZ4F_compressUpdate(LZ4F_cctx *c, void *to, size_t room,
                                  const void *from, size_t size,
                                  const LZ4F_compressOptions_t *options);
size_t __real_LZ4F_compressEnd(LZ4F_cctx *c, void *to, size_t room,
                               const LZ4F_compressOptions_t *options);
size_t __wrap_LZ4F_compressEnd(LZ4F_cctx *c, void *to, size_t room,
                               const LZ4F_compressOptions_t *options);
size_t __real_LZ4F_createCompressionContext(LZ4F_cctx **out, unsigned version);
size_t __wrap_LZ4F_createCompressionContext(LZ4F_cctx **out, unsigned version);

size_t __wrap_LZ4F_compressBegin(LZ4F_cctx *c, void *to, size_t room,
                                 const LZ4F_preferences_t *wanted)
{
    return is_refused() ? (size_t)NO_MEMORY
                        : __real_LZ4F_compressBegin(c, to, room, wanted);
}

size_t __wrap_LZ4F_compressUpdate(LZ4F_cctx *c, void *to, size_t room,
                                  const void *from, size_t size,
                                  const LZ4F_compressOptions_t *options)
{
    return is_refused()
               ? (size_t)NO_MEMORY
               : __real_LZ4F_compressUpdate(c, to, room, from, size, options);
}

size_t __wrap_LZ4F_compressEnd(LZ4F_cctx *c, void *to, size_t room,
                               const LZ4F_compressOptions_t *options)
{
    return is_refused() ? (size_t)NO_MEMORY
                        : __real_LZ4F_compressEnd(c, to, room, options);
}

size_t __wrap_LZ4F_createCompressionContext(LZ4F_cctx **out, unsigned version)
{
    return is_refused() ? (size_t)NO_MEMORY
                        : __real_LZ4F_createCompressionContext(out, version);
}

/* --- Calls ---------------------------------------------------------------- */

static struct memory snapshot, since;
static const tn_snapshot_options plain = {.threads = 1},
                                 on_base = {.threads = 1, .base = "base"};

static void copy(const char *from, const char *to)
{
    size_t size = stores_length(from);
    char *bytes = malloc(size);

    stores_read(from, bytes, size, 0);
    stores_put(to, bytes, size);
    free(bytes);
}

/* A durable store whose commits are still in its journal, as "live". */
static void make_live(void)
{
    tn_store *store;
    tn_segment *seg;

    OK(tn_store_open(&store, "s", TN_DURABLE, &stores_options));
    for (int i = 0; i < 3; i++) {
        OK(tn_begin(store, &seg));
        OK(tn_construct(seg, TN_ANONYMOUS, &stores_item, 1, NULL, NULL));
        OK(tn_commit(store));
    }
    copy("s", "live");
    copy("s-journal", "live-journal");
    OK(tn_store_close(store));
}

static void make_all(void)
{
    tmpdir_enter();
    snapshots_make("s", TN_INDEX_HASH);
    snapshot = snapshots_take("s", NULL);
    stores_put("base", snapshot.bytes, snapshot.size);
    make_live();
    since = snapshots_take("s", &on_base);
}

static void release(void)
{
    memory_free(&snapshot);
    memory_free(&since);
    tmpdir_leave();
}

TestSuite(no_memory, .init = make_all, .fini = release, .timeout = 60);

static tn_status without(tn_status (*call)(void), int n, bool persists)
{
    tn_status status;

    plan.refused = false;
    plan.persists = persists;
    plan.before = n;
    plan.on = true;
    status = call();
    plan.on = false;
    return status;
}

/* At least least allocations are ones that it cannot do without. */
static void try_without(tn_status (*call)(void), int least)
{
    int descriptors = faults_descriptors(), names = tmpdir_names();
    int failures = 0, n = 0;
    tn_status status;

    do {
        for (int persists = 0; persists < 2; persists++) {
            status = without(call, n, persists);
            cr_assert(status == TN_OK || (plan.refused && status == TN_ENOMEM),
                      "%d before it, %d: %d, %s", n, persists, status,
                      tn_errmsg());
            cr_assert(eq(int, faults_descriptors(), descriptors), "%d", n);
            cr_assert(eq(int, tmpdir_names(), names), "%d", n);
            failures += status != TN_OK;
        }
        n++;
    } while (plan.refused);
    cr_expect(ge(int, failures, 2 * least));
    OK(call());
}

static tn_status check_closed(void)
{
    return tn_check_file("s", NULL, NULL, NULL);
}

static tn_status check_live(void)
{
    return tn_check_file("live", NULL, NULL, NULL);
}

Test(no_memory, for_a_check)
{
    try_without(check_closed, 3);
    try_without(check_live, 5);
}

static tn_status open_as(const char *path, unsigned flags)
{
    tn_store *store;
    tn_status status = tn_store_open(&store, path, flags, &stores_options);

    return status == TN_OK ? tn_store_close(store) : status;
}

static tn_status open_verified(void)
{
    return open_as("s", TN_SHARED | TN_VERIFY);
}

static tn_status open_read_only(void)
{
    return open_as("live", TN_READ_ONLY | TN_VERIFY);
}

static tn_status open_private(void)
{
    return open_as("live", TN_PRIVATE);
}

Test(no_memory, for_opening)
{
    try_without(open_verified, 2);
    try_without(open_read_only, 4);
    try_without(open_private, 4);
}

static tn_status write_with(const tn_snapshot_options *options)
{
    tn_store *store;
    tn_status status = tn_store_open(&store, "s", TN_READ_ONLY, NULL);

    if (status != TN_OK)
        return status;
    status = tn_snapshot_write(store, "shot", options, NULL);
    tn_store_close(store);
    unlink("shot");
    return status;
}

static tn_status write_plain(void)
{
    return write_with(&plain);
}

static tn_status write_since(void)
{
    return write_with(&on_base);
}

Test(no_memory, for_writing_a_snapshot)
{
    try_without(write_plain, 10);
    try_without(write_since, 14);
}

static tn_status verify(void)
{
    return snapshots_verify(&snapshot);
}

static tn_status restore(void)
{
    tn_status status = snapshots_restore(&snapshot, "r");

    unlink("r");
    return status;
}

static tn_status restore_since(void)
{
    tn_status status;

    since.at = 0;
    status = tn_snapshot_restore_from(memory_read, &since, "r", &on_base, NULL);
    unlink("r");
    return status;
}

Test(no_memory, for_reading_a_snapshot)
{
    try_without(verify, 8);
    try_without(restore, 8);
    try_without(restore_since, 12);
}

static bool hear(void *arg, const tn_difference *difference)
{
    (void)arg;
    (void)difference;
    return false;
}

static tn_status compare(void)
{
    tn_store *a, *b;
    tn_status status = tn_store_open(&a, "s", TN_READ_ONLY, NULL);

    if (status != TN_OK)
        return status;
    status = tn_store_open(&b, "live", TN_PRIVATE, NULL);
    if (status == TN_OK) {
        status = tn_contents_compare(tn_store_segment(a), tn_store_segment(b),
                                     hear, NULL);
        tn_store_close(b);
    }
    tn_store_close(a);
    return status;
}

static tn_status digest(void)
{
    unsigned char bytes[16];
    tn_store *store;
    tn_status status = tn_store_open(&store, "s", TN_READ_ONLY, NULL);

    if (status != TN_OK)
        return status;
    status = tn_contents_digest(tn_store_segment(store), bytes);
    tn_store_close(store);
    return status;
}

Test(no_memory, for_comparing_contents)
{
    try_without(digest, 4);
    try_without(compare, 8);
}

static tn_status look(void *arg, const tn_block *block)
{
    (void)arg;
    (void)block;
    return TN_OK;
}

static tn_status walk_of(const char *path)
{
    tn_store *store;
    tn_status status = tn_store_open(&store, path, TN_READ_ONLY, NULL);

    if (status != TN_OK)
        return status;
    status = tn_walk(tn_store_segment(store), look, NULL);
    tn_store_close(store);
    return status;
}

static tn_status walk_live(void)
{
    return walk_of("live");
}

static tn_status walk_in_use(void)
{
    tn_store *writer;
    tn_status status = tn_store_open(&writer, "s", TN_SHARED, NULL);

    if (status != TN_OK)
        return status;
    status = walk_of("s");
    tn_store_close(writer);
    return status;
}

Test(no_memory, for_a_walk)
{
    try_without(walk_live, 4);
    try_without(walk_in_use, 3);
}

static tn_status repair(void)
{
    tn_repaired result;
    tn_status status = tn_repair("live", "new", NULL, NULL, &result);

    unlink("new");
    return status;
}

Test(no_memory, for_a_repair)
{
    try_without(repair, 6);
}

static tn_status dump(void)
{
    FILE *f = fopen("/dev/null", "w");
    tn_status status;

    cr_assert(f != NULL);
    status = tn_dump_file("live", 0, f);
    fclose(f);
    return status;
}

Test(no_memory, for_a_dump)
{
    try_without(dump, 4);
}
