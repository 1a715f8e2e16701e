/* test_snapshot.c - what a snapshot holds, and how it is written
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/faults.h"
#include "lib/snapshots.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"
#include "store/store.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

TestSuite(snapshot, .init = (void (*)(void))tmpdir_enter, .fini = tmpdir_leave,
          .timeout = 60);

static char *contents(const char *path, size_t *size)
{
    char *bytes;

    *size = stores_length(path);
    bytes = malloc(*size);
    stores_read(path, bytes, *size, 0);
    return bytes;
}

static void expect_same_files(const char *a, const char *b)
{
    size_t size, other;
    char *left = contents(a, &size), *right = contents(b, &other);

    cr_assert(eq(sz, size, other));
    cr_expect(eq(int, memcmp(left, right, size), 0), "%s is not %s", a, b);
    free(left);
    free(right);
}

static void expect_sound(const char *path)
{
    cr_expect(eq(int, tn_check_file(path, NULL, NULL, NULL), TN_OK));
    cr_expect(stores_sound(path, 0));
}

static void expect_no_secret(const char *path)
{
    size_t size;
    char *bytes = contents(path, &size);

    cr_expect(not(snapshots_shows(bytes, size)), "%s", path);
    free(bytes);
}

/* The sums of the pages that were wiped in part are right, the blocks that
 * wait are still linked, and what was freed is gone. */
Test(snapshot, is_a_sound_store_without_what_was_freed)
{
    for (int index = TN_INDEX_ISET; index <= TN_INDEX_HASH; index++) {
        char path[16];
        struct memory m;
        size_t size;
        char *bytes;

        snprintf(path, sizeof(path), "s%d", index);
        snapshots_make(path, index);
        bytes = contents(path, &size);
        cr_expect(snapshots_shows(bytes, size), "the test tests something");
        m = snapshots_take(path, NULL);
        OK(snapshots_restore(&m, "r"));
        cr_expect(eq(sz, stores_length("r"), size));
        expect_no_secret("r");
        expect_sound("r");
        cr_assert(eq(int, unlink("r"), 0));
        unlink("r-journal");
        memory_free(&m);
        free(bytes);
    }
}

Test(snapshot, leaves_the_store_as_it_was)
{
    size_t size, after;
    char *before, *now;
    struct memory m;

    snapshots_make("s", TN_INDEX_MAP);
    before = contents("s", &size);
    m = snapshots_take("s", NULL);
    now = contents("s", &after);
    cr_expect(eq(sz, size, after));
    cr_expect(eq(int, memcmp(before, now, size), 0));
    memory_free(&m);
    free(before);
    free(now);
}

Test(snapshot, is_the_same_with_any_number_of_threads_and_each_time)
{
    struct memory first;

    snapshots_make("s", TN_INDEX_HASH);
    OK(tn_store_grow("s", 3 * IMAGE_CHUNK));
    first = snapshots_take("s", NULL);
    for (unsigned threads = 1; threads <= 32; threads *= 2) {
        tn_snapshot_options options = {.threads = threads};
        struct memory m = snapshots_take("s", &options);

        cr_assert(eq(sz, m.size, first.size));
        cr_expect(eq(int, memcmp(m.bytes, first.bytes, m.size), 0));
        memory_free(&m);
    }
    memory_free(&first);
}

Test(snapshot, shows_the_same_store_at_every_level)
{
    snapshots_make("s", TN_INDEX_MAP);
    for (int level = 1; level <= 12; level++) {
        tn_snapshot_options options = {.level = level};
        struct memory m = snapshots_take("s", &options);

        OK(snapshots_restore(&m, level == 1 ? "first" : "r"));
        if (level > 1) {
            expect_same_files("r", "first");
            cr_assert(eq(int, unlink("r"), 0));
        }
        memory_free(&m);
    }
}

/* Of a store that is the same, whoever has it open in whatever way. */
Test(snapshot, is_taken_through_every_kind_of_handle)
{
    for (unsigned access = TN_DURABLE; access <= TN_SHARED; access++) {
        tn_snapshot_info info;
        struct memory m = {0};
        tn_store *store;

        snapshots_make("s", TN_INDEX_MAP);
        OK(tn_store_open(&store, "s", access, &stores_options));
        OK(tn_snapshot_write_to(store, memory_write, &m, NULL, &info));
        OK(tn_store_close(store));
        cr_expect(eq(u64, info.snapshot_size, m.size));
        cr_expect(eq(u64, info.image_size, stores_length("s")));
        OK(snapshots_restore(&m, "r"));
        expect_sound("r");
        expect_no_secret("r");
        memory_free(&m);
        cr_assert(eq(int, unlink("s"), 0));
        cr_assert(eq(int, unlink("r"), 0));
        unlink("s-journal");
        unlink("r-journal");
    }
    cr_expect(eq(int, tmpdir_names(), 0));
}

Test(snapshot, of_a_private_view_has_what_was_changed_there)
{
    struct memory m = {0};
    tn_store *store;
    void *found;

    snapshots_make("s", TN_INDEX_MAP);
    OK(tn_store_open(&store, "s", TN_PRIVATE, &stores_options));
    OK(tn_construct(tn_store_segment(store), "mine", TN_TYPE(long), 5000, NULL,
                    NULL));
    OK(tn_snapshot_write_to(store, memory_write, &m, NULL, NULL));
    OK(tn_store_close(store));
    OK(snapshots_restore(&m, "r"));
    expect_sound("r");
    OK(tn_store_open(&store, "r", TN_READ_ONLY, NULL));
    OK(tn_find(tn_store_segment(store), "mine", TN_TYPE(long), &found, NULL));
    OK(tn_store_close(store));
    memory_free(&m);
}

/* The one who shares it is in the middle of making objects. */
static tn_status take_inside(tn_segment *seg, void *element, size_t index,
                             void *arg)
{
    struct memory m = {0};

    (void)seg;
    (void)element;
    if (index != 1)
        return TN_OK;
    OK(tn_snapshot_write_to(arg, memory_write, &m, NULL, NULL));
    OK(snapshots_restore(&m, "r"));
    memory_free(&m);
    return TN_OK;
}

Test(snapshot, of_a_store_at_shared_work_is_whole)
{
    tn_type type = {.name = "half", .size = 64, .align = 8};
    tn_store *store, *reader;

    type.init = take_inside;
    snapshots_make("s", TN_INDEX_MAP);
    OK(tn_store_open(&store, "s", TN_SHARED, &stores_options));
    OK(tn_store_open(&reader, "s", TN_READ_ONLY, &stores_options));
    FAILS(tn_snapshot_write(reader, "x", NULL, NULL), TN_EBUSY);
    OK(tn_store_close(reader));
    OK(tn_construct(tn_store_segment(store), "half", &type, 2, store, NULL));
    OK(tn_store_close(store));
    OK(tn_check_file("r", NULL, NULL, NULL));
    cr_expect(stores_sound("r", 0));
    OK(tn_store_open(&store, "r", TN_READ_ONLY, NULL));
    FAILS(tn_find(tn_store_segment(store), "half", NULL, NULL, NULL),
          TN_ENOENT);
    OK(tn_store_close(store));
}

Test(snapshot, has_the_last_commit_and_not_the_open_transaction)
{
    struct memory m = {0};
    tn_store *store;
    tn_segment *seg;

    snapshots_make("s", TN_INDEX_MAP);
    OK(tn_store_open(&store, "s", TN_DURABLE, &stores_options));
    OK(tn_begin(store, &seg));
    OK(tn_construct(seg, "committed", TN_TYPE(int), 1, NULL, NULL));
    OK(tn_commit(store));
    OK(tn_begin(store, &seg));
    OK(tn_construct(seg, "not yet", TN_TYPE(int), 1, NULL, NULL));
    OK(tn_snapshot_write_to(store, memory_write, &m, NULL, NULL));
    OK(tn_rollback(store));
    OK(snapshots_restore(&m, "r"));
    OK(tn_store_close(store));
    OK(tn_store_open(&store, "r", TN_READ_ONLY, NULL));
    seg = tn_store_segment(store);
    OK(tn_find(seg, "committed", NULL, NULL, NULL));
    FAILS(tn_find(seg, "not yet", NULL, NULL, NULL), TN_ENOENT);
    OK(tn_store_close(store));
    memory_free(&m);
}

/* Its last commits are in the journal alone; nobody has recovered it. */
static int commit_and_die(void *arg)
{
    tn_store *store;
    tn_segment *seg;
    const tn_segment *view;

    (void)arg;
    return tn_store_open(&store, "s", TN_DURABLE, &stores_options) != TN_OK ||
           tn_read_begin(store, &view) != TN_OK ||
           tn_begin(store, &seg) != TN_OK ||
           tn_construct(seg, "late", TN_TYPE(int), 9, NULL, NULL) != TN_OK ||
           tn_commit(store) != TN_OK;
}

Test(snapshot, of_a_store_whose_users_were_killed_has_the_last_commit)
{
    struct memory m;
    tn_store *store;

    snapshots_make("s", TN_INDEX_MAP);
    cr_assert(not(stores_killed_at(1000000, commit_and_die, NULL)));
    cr_assert(eq(u64, stores_state("s"), STORE_LIVE));
    m = snapshots_take("s", NULL);
    OK(snapshots_restore(&m, "r"));
    expect_sound("r");
    OK(tn_store_open(&store, "r", TN_READ_ONLY, NULL));
    OK(tn_find(tn_store_segment(store), "late", TN_TYPE(int), NULL, NULL));
    OK(tn_store_close(store));
    memory_free(&m);

    stores_abandon("r");
    m = snapshots_take("r", NULL);
    OK(snapshots_restore(&m, "q"));
    expect_sound("q");
    memory_free(&m);
}

/* --- Damage in the store -------------------------------------------------- */

/* Flip one bit of each page, wherever it lies: a snapshot is refused, or what
 * is restored from it is as damaged as the store was, or the byte was free. */
Test(snapshot, never_vouches_for_damage)
{
    size_t size;
    char *good;
    int refused = 0, kept = 0;

    snapshots_make("s", TN_INDEX_MAP);
    unlink("s-journal");
    good = contents("s", &size);
    for (size_t at = 4096 + 17; at < size; at += 509) {
        char *bad = malloc(size);
        struct memory m = {0};
        tn_store *store;
        tn_status status;

        memcpy(bad, good, size);
        bad[at] ^= 4;
        stores_put("s", bad, size);
        status = tn_store_open(&store, "s", TN_READ_ONLY, NULL);
        if (status == TN_OK) {
            status = tn_snapshot_write_to(store, memory_write, &m, NULL, NULL);
            tn_store_close(store);
        }
        refused += status == TN_ECORRUPT;
        cr_assert(status == TN_OK || stores_documented(status));
        if (status == TN_OK) {
            OK(snapshots_restore(&m, "r"));
            if (tn_check_file("r", NULL, NULL, NULL) == TN_OK)
                cr_expect(stores_sound("r", 0), "at %zu", at);
            else
                kept++;
            unlink("r");
            unlink("r-journal");
        }
        memory_free(&m);
        free(bad);
    }
    cr_expect(gt(int, refused, 0));
    cr_expect(gt(int, kept, 0));
    free(good);
}

/* --- The file ------------------------------------------------------------- */

Test(snapshot, never_replaces_a_file_unless_told_to)
{
    tn_snapshot_options force = {.force = true};
    tn_store *store;
    char text[4];

    snapshots_make("s", TN_INDEX_MAP);
    stores_put("t", "abc", 4);
    OK(tn_store_open(&store, "s", TN_DURABLE, NULL));
    FAILS(tn_snapshot_write(store, "t", NULL, NULL), TN_EEXIST);
    stores_read("t", text, 4, 0);
    cr_expect(eq(str, text, "abc"));
    FAILS(tn_snapshot_write(store, "s", &force, NULL), TN_EINVAL);
    FAILS(tn_snapshot_write(store, "s-journal", &force, NULL), TN_EINVAL);
    cr_assert(eq(int, symlink("s", "link"), 0));
    FAILS(tn_snapshot_write(store, "link", &force, NULL), TN_EINVAL);
    OK(tn_snapshot_write(store, "t", &force, NULL));
    OK(tn_snapshot_verify("t", NULL, NULL));
    FAILS(tn_snapshot_write(store, "none/t", NULL, NULL), TN_ENOENT);
    FAILS(tn_snapshot_write(store, "", NULL, NULL), TN_EINVAL);
    FAILS(tn_snapshot_write(store, NULL, NULL, NULL), TN_EINVAL);
    FAILS(tn_snapshot_write(NULL, "u", NULL, NULL), TN_EINVAL);
    FAILS(tn_snapshot_write_to(store, NULL, NULL, NULL, NULL), TN_EINVAL);
    OK(tn_store_close(store));
    expect_sound("s");
}

Test(snapshot, takes_only_options_that_make_sense)
{
    static const tn_snapshot_options wrong[] = {
        {.level = 13}, {.level = -1}, {.mode = 010000}};
    tn_store *store;

    snapshots_make("s", TN_INDEX_MAP);
    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    for (int i = 0; i < 3; i++)
        FAILS(tn_snapshot_write(store, "t", &wrong[i], NULL), TN_EINVAL);
    OK(tn_store_close(store));
    cr_expect(ne(int, access("t", F_OK), 0));
}

Test(snapshot, and_what_is_restored_have_the_mode_of_the_store)
{
    tn_snapshot_options options = {.mode = 0640};
    tn_store *store;
    struct stat st;

    umask(0);
    snapshots_make("s", TN_INDEX_MAP);
    cr_assert(eq(int, chmod("s", 0600), 0));
    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    OK(tn_snapshot_write(store, "t", NULL, NULL));
    OK(tn_snapshot_write(store, "u", &options, NULL));
    OK(tn_store_close(store));
    OK(tn_snapshot_restore("u", "r", NULL, NULL));
    cr_assert(eq(int, stat("t", &st), 0));
    cr_expect(eq(int, st.st_mode & 07777, 0600));
    cr_assert(eq(int, stat("u", &st), 0));
    cr_expect(eq(int, st.st_mode & 07777, 0640));
    cr_assert(eq(int, stat("r", &st), 0));
    cr_expect(eq(int, st.st_mode & 07777, 0600));
}

/* --- Stopped -------------------------------------------------------------- */

static bool stop_at_three(void *arg, uint64_t done, uint64_t total)
{
    int *calls = arg;

    cr_assert(le(u64, done, total));
    return ++*calls == 3;
}

Test(snapshot, stops_when_it_is_told_to)
{
    tn_snapshot_options options = {.progress = stop_at_three};
    tn_store *store;
    int calls = 0;

    snapshots_make("s", TN_INDEX_MAP);
    OK(tn_store_grow("s", 8 * IMAGE_CHUNK));
    options.arg = &calls;
    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    FAILS(tn_snapshot_write(store, "t", &options, NULL), TN_ECANCELED);
    cr_expect(eq(int, calls, 3));
    cr_expect(ne(int, access("t", F_OK), 0));
    OK(tn_snapshot_write(store, "t", NULL, NULL));
    OK(tn_store_close(store));
    calls = 0;
    FAILS(tn_snapshot_restore("t", "r", &options, NULL), TN_ECANCELED);
    cr_expect(ne(int, access("r", F_OK), 0));
    calls = 0;
    FAILS(tn_snapshot_verify("t", &options, NULL), TN_ECANCELED);
}

static tn_status refuse_to_write(void *arg, const void *bytes, size_t size)
{
    (void)arg;
    (void)bytes;
    (void)size;
    return TN_ETIMEDOUT;
}

Test(snapshot, passes_on_what_the_function_answers)
{
    tn_store *store;

    snapshots_make("s", TN_INDEX_MAP);
    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    FAILS(tn_snapshot_write_to(store, refuse_to_write, NULL, NULL, NULL),
          TN_ETIMEDOUT);
    OK(tn_store_close(store));
}

/* --- Refusals of the system ----------------------------------------------- */

static const int numbers[] = {EIO, ENOSPC, ENOMEM};

Test(snapshot, that_fails_leaves_nothing)
{
    tn_snapshot_options options = {.threads = 1};

    snapshots_make("s", TN_INDEX_MAP);
    unlink("s-journal");
    for (unsigned access = TN_READ_ONLY; access <= TN_SHARED; access++) {
        int descriptors;
        bool more = true;
        tn_store *store;

        OK(tn_store_open(&store, "s", access, &stores_options));
        descriptors = faults_descriptors();
        for (int n = 0; more; n++) {
            tn_status status;

            faults_refuse(n, numbers[n % 3]);
            status = tn_snapshot_write(store, "t", &options, NULL);
            more = faults_end();
            cr_assert(stores_documented(status), "op %d: %d", n, status);
            cr_assert(eq(int, faults_descriptors(), descriptors), "op %d", n);
            if (euidaccess("t", F_OK) == 0) {
                OK(tn_snapshot_verify("t", &options, NULL));
                cr_assert(eq(int, unlink("t"), 0));
            } else {
                cr_assert(ne(int, status, TN_OK), "op %d", n);
            }
            cr_assert(eq(int, tmpdir_names(), 1), "op %d", n);
        }
        OK(tn_store_close(store));
    }
    expect_sound("s");
}
