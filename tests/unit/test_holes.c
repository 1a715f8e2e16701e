/* test_holes.c - what a trim gives back, and that nothing is lost by it
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tenon.h>

#include "lib/faults.h"
#include "lib/tmpdir.h"
#include "os/extents.h"

#define OK(call)         cr_assert(eq(int, call, TN_OK), "%s", tn_errmsg())
#define IS(call, status) cr_assert(eq(int, call, status), "%s", tn_errmsg())

enum { LARGE = 1 << 20, ROOM = 16 << 20 };

static const tn_options options = {.size = ROOM, .lock_timeout_ms = 10};
static tn_store *store;
static tn_segment *w;
static uint64_t given;

static void open_durable(void)
{
    OK(tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, &options));
}

static void enter(void)
{
    tmpdir_enter();
    open_durable();
}

static void leave(void)
{
    faults_end();
    OK(tn_store_close(store));
    OK(tn_check_file("s", NULL, NULL, NULL));
    tmpdir_leave();
}

TestSuite(holes, .init = enter, .fini = leave, .timeout = 60);

static size_t blocks(void)
{
    struct stat st;

    cr_assert(eq(int, stat("s", &st), 0));
    return (size_t)st.st_blocks * 512;
}

static void put(int number, size_t size)
{
    char name[32];
    void *bytes;

    snprintf(name, sizeof(name), "object%d", number);
    OK(tn_begin(store, &w));
    OK(tn_construct(w, name, TN_BYTES, size, NULL, &bytes));
    memset(bytes, number, size);
    OK(tn_commit(store));
}

static void drop(int number)
{
    char name[32];

    snprintf(name, sizeof(name), "object%d", number);
    OK(tn_begin(store, &w));
    OK(tn_destroy(w, name, TN_BYTES));
    OK(tn_commit(store));
}

static void expect(int number, size_t size)
{
    const tn_segment *view;
    unsigned char *bytes;
    char name[32];
    size_t count;

    snprintf(name, sizeof(name), "object%d", number);
    OK(tn_read_begin(store, &view));
    OK(tn_find(view, name, TN_BYTES, (void **)&bytes, &count));
    cr_assert(eq(sz, count, size));
    for (size_t i = 0; i < size; i++)
        cr_assert(eq(u8, bytes[i], (unsigned char)number), "byte %zu", i);
    OK(tn_read_end(store, view));
}

/* Where an object lies in the write view. */
static char *find_in_view(int number)
{
    char name[32];
    void *bytes;

    snprintf(name, sizeof(name), "object%d", number);
    OK(tn_begin(store, &w));
    OK(tn_find(w, name, TN_BYTES, &bytes, NULL));
    OK(tn_rollback(store));
    return bytes;
}

/* Every second of ten large objects is gone. */
static void make_gaps(void)
{
    for (int i = 1; i <= 10; i++)
        put(i, LARGE);
    for (int i = 1; i <= 10; i += 2)
        drop(i);
}

static void expect_the_rest(void)
{
    for (int i = 2; i <= 10; i += 2)
        expect(i, LARGE);
}

Test(holes, a_trim_gives_back_what_is_free)
{
    size_t before, after;

    make_gaps();
    OK(tn_checkpoint(store));
    before = blocks();
    OK(tn_trim(store, &given));
    after = blocks();
    cr_expect(eq(u64, given, before - after));
    cr_expect(ge(u64, given, ROOM - 5 * LARGE - 10 * 8192 - 200000));
    expect_the_rest();
    OK(tn_trim(store, &given));
    cr_expect(eq(u64, given, 0));
    OK(tn_trim(store, NULL));
}

Test(holes, they_are_filled_where_something_is_stored)
{
    size_t trimmed;

    make_gaps();
    OK(tn_trim(store, NULL));
    trimmed = blocks();
    for (int i = 1; i <= 10; i += 2)
        put(i, LARGE);
    cr_expect(ge(sz, blocks(), trimmed + 5 * (LARGE - 8192)));
    for (int i = 1; i <= 10; i++)
        expect(i, LARGE);
}

Test(holes, survive_closing_and_opening)
{
    make_gaps();
    OK(tn_trim(store, NULL));
    OK(tn_store_close(store));
    OK(tn_check_file("s", NULL, NULL, NULL));
    open_durable();
    expect_the_rest();
    put(1, LARGE);
    faults_refuse_all(FAULT_ALLOCATE, ENOSPC);
    OK(tn_begin(store, &w));
    cr_assert(ne(ptr, tn_alloc(w, LARGE), NULL));
    memset(tn_alloc(w, LARGE), 7, LARGE);
    IS(tn_commit(store), TN_ENOSPC);
    faults_end();
    OK(tn_commit(store));
    expect(1, LARGE);
}

/* How often anything was synced for a commit that stores to these bytes. */
static int syncs_for(char *bytes, size_t size, int value)
{
    int syncs;

    OK(tn_begin(store, &w));
    memset(bytes, value, size);
    faults_refuse_op(FAULT_SYNC, 100, EIO);
    OK(tn_commit(store));
    syncs = faults_seen(FAULT_SYNC) + faults_seen(FAULT_SYNC_RANGE);
    faults_end();
    return syncs;
}

static bool has_blocks(void)
{
    struct file f;
    bool has;

    OK(file_open(&f, "s", false));
    has = extents_cover(&f, ROOM);
    file_close(&f);
    return has;
}

/* A new store has blocks that were never written to, but who allocated them may
 * have been killed before they were on disk. */
Test(holes, blocks_that_are_there_are_synced_once)
{
    char *bytes;
    void *p;

    if (!has_blocks())
        cr_skip_test("this file system does not tell its blocks");
    OK(tn_begin(store, &w));
    OK(tn_construct(w, "object1", TN_BYTES, 4 * LARGE, NULL, &p));
    OK(tn_commit(store));
    for (int round = 1; round < 4; round++) {
        OK(tn_store_close(store));
        open_durable();
        bytes = find_in_view(1);
        syncs_for(bytes, 1, round); /* there were bytes; and C2 */
        cr_expect(eq(int, syncs_for(bytes + 1, 1, round), 1));
        cr_expect(eq(int, syncs_for(bytes + round * LARGE, 1, round), 2));
        cr_expect(eq(int, faults_seen(FAULT_ALLOCATE), 0));
        cr_expect(eq(int, syncs_for(bytes + round * LARGE + 99999, 1, 1), 1));
    }
    cr_expect(has_blocks());
}

/* One handle trims, the other stores where it knew of blocks. */
Test(holes, of_another_handle_are_noticed)
{
    tn_store *other;
    void *bytes;

    OK(tn_store_open(&other, "s", TN_DURABLE, &options));
    for (int round = 0; round < 3; round++) {
        put(1, LARGE);
        drop(1);
        OK(tn_trim(other, &given));
        cr_expect(ge(u64, given, LARGE));
        OK(tn_begin(store, &w));
        bytes = tn_alloc(w, LARGE);
        memset(bytes, 1, LARGE);
        faults_refuse_all(FAULT_ALLOCATE, ENOSPC);
        IS(tn_commit(store), TN_ENOSPC);
        faults_end();
        OK(tn_rollback(store));
    }
    OK(tn_store_close(other));
}

Test(holes, are_not_made_while_a_reader_holds_the_file)
{
    const tn_segment *view;
    tn_store *reader;

    make_gaps();
    OK(tn_store_open(&reader, "s", TN_READ_ONLY, NULL));
    view = tn_store_segment(reader);
    IS(tn_trim(store, &given), TN_EBUSY);
    OK(tn_segment_check(view, NULL, NULL));
    OK(tn_store_close(reader));
    OK(tn_trim(store, &given));
    cr_expect(ge(u64, given, 5 * LARGE - 5 * 8192));
    expect_the_rest();
}

/* The records make pages zero that the view was not stored to. */
Test(holes, what_a_trim_made_zero_is_zero_in_all_views)
{
    static const char zeros[LARGE / 2];
    const tn_segment *view;
    tn_store *reader;
    char *gap;

    put(1, LARGE);
    gap = find_in_view(1) + LARGE / 4;
    for (int round = 0; round < 2; round++) {
        if (round == 1)
            put(1, LARGE);
        cr_assert(eq(ptr, find_in_view(1) + LARGE / 4, gap));
        drop(1);
        OK(tn_store_open(&reader, "s", TN_READ_ONLY, NULL));
        if (round == 0) /* the reader of the last state keeps it from F */
            IS(tn_trim(store, NULL), TN_EBUSY);
        OK(tn_begin(store, &w));
        if (round == 0)
            cr_expect(eq(int, memcmp(gap, zeros, sizeof(zeros)), 0));
        cr_expect(eq(int, tn_segment_check(w, NULL, NULL), TN_OK));
        gap[0] = 1;
        OK(tn_commit(store));
        cr_expect(eq(int, gap[0], 1));
        OK(tn_read_begin(store, &view));
        cr_expect(eq(int, tn_segment_check(view, NULL, NULL), TN_OK));
        OK(tn_read_end(store, view));
        OK(tn_store_close(reader));
        OK(tn_trim(store, NULL));
        OK(tn_begin(store, &w));
        cr_expect(eq(int, memcmp(gap, zeros, sizeof(zeros)), 0));
        OK(tn_rollback(store));
    }
}

/* A store that never had a commit gets its sums with the one that zeroes. */
Test(holes, a_trim_can_be_the_first_commit)
{
    tn_options small = {.size = 4 << 20};
    tn_store *fresh;
    tn_segment *seg;
    void *bytes;

    OK(tn_store_open(&fresh, "fresh", TN_SHARED | TN_CREATE, &small));
    seg = tn_store_segment(fresh);
    bytes = tn_alloc(seg, LARGE);
    memset(bytes, 1, LARGE);
    OK(tn_free(seg, bytes));
    OK(tn_store_close(fresh));
    OK(tn_store_open(&fresh, "fresh", TN_DURABLE, NULL));
    OK(tn_trim(fresh, &given));
    cr_expect(ge(u64, given, LARGE - 4 * 4096));
    OK(tn_store_close(fresh));
    OK(tn_check_file("fresh", NULL, NULL, NULL));
}

Test(holes, zeros_are_written_where_there_is_no_other_way)
{
    make_gaps();
    faults_refuse_all(FAULT_ZERO, EOPNOTSUPP);
    OK(tn_trim(store, &given));
    cr_expect(ge(u64, given, 5 * LARGE - 5 * 8192));
    faults_end();
    expect_the_rest();
    OK(tn_check_file("s", NULL, NULL, NULL));
}

Test(holes, a_file_system_without_them_gives_nothing)
{
    make_gaps();
    faults_refuse_all(FAULT_PUNCH, EOPNOTSUPP);
    given = 1;
    OK(tn_trim(store, &given));
    cr_expect(eq(u64, given, 0));
    expect_the_rest();
}

Test(holes, a_punch_that_fails_harms_nothing)
{
    make_gaps();
    for (int n = 0; n < 3; n++) {
        faults_refuse_op(FAULT_PUNCH, n, EIO);
        given = 1;
        IS(tn_trim(store, &given), TN_EIO);
        cr_expect(eq(u64, given, 1));
        faults_end();
        expect_the_rest();
    }
    OK(tn_trim(store, &given));
}

Test(holes, a_growing_store_keeps_them)
{
    size_t trimmed;

    make_gaps();
    OK(tn_trim(store, NULL));
    trimmed = blocks();
    OK(tn_begin(store, &w));
    OK(tn_segment_grow(w, LARGE));
    OK(tn_commit(store));
    cr_expect(ge(sz, blocks(), trimmed + LARGE));
    cr_expect(lt(sz, blocks(), trimmed + 4 * LARGE));
    expect_the_rest();
}

/* Everything is zeroed in a record of a few sectors. */
Test(holes, zeros_are_small_in_the_journal)
{
    tn_store_info info;
    size_t before;

    for (int i = 1; i <= 10; i++)
        put(i, LARGE);
    for (int i = 1; i <= 10; i++)
        drop(i);
    OK(tn_checkpoint(store));
    OK(tn_store_describe(store, &info));
    before = info.journal_size;
    OK(tn_trim(store, &given));
    OK(tn_store_describe(store, &info));
    cr_expect(eq(u64, info.journal_size, before));
    cr_expect(ge(u64, given, 10 * LARGE));
}

Test(holes, are_filled_for_shared_use)
{
    make_gaps();
    OK(tn_trim(store, NULL));
    OK(tn_store_close(store));
    OK(tn_store_open(&store, "s", TN_SHARED, NULL));
    cr_expect(ge(sz, blocks(), ROOM));
    given = 1;
    OK(tn_trim(store, &given));
    cr_expect(eq(u64, given, 0));
    OK(tn_store_close(store));
    open_durable();
    expect_the_rest();
}

Test(holes, are_for_those_who_may_write)
{
    tn_store *other;

    OK(tn_store_open(&other, "s", TN_READ_ONLY, NULL));
    IS(tn_trim(other, &given), TN_EROFS);
    OK(tn_store_close(other));
    OK(tn_store_open(&other, "s", TN_PRIVATE, NULL));
    IS(tn_trim(other, &given), TN_EINVAL);
    OK(tn_store_close(other));
    IS(tn_trim(NULL, &given), TN_EINVAL);
    OK(tn_begin(store, &w));
    IS(tn_trim(store, &given), TN_EDEADLK);
    OK(tn_rollback(store));
}
