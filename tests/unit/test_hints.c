/* test_hints.c - transactions that name what they store to
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon.h>

#include "lib/faults.h"
#include "lib/tmpdir.h"
#include "store/durable.h"
#include "store/sums.h"

#define OK(call)         cr_assert(eq(int, call, TN_OK), "%s", tn_errmsg())
#define IS(call, status) cr_assert(eq(int, call, status), "%s", tn_errmsg())

enum { NUMBERS = 20000, STEPS = 400, NAMES = 40 };

static tn_store *store;
static tn_segment *w;
static const tn_segment *view;
static uint64_t *numbers; /* in w */

/* A store of NUMBERS numbers, all 0, in one object. */
static void make_store(void)
{
    const tn_options options = {.debug = TN_DEBUG_HINTS};
    void *found;

    tmpdir_enter();
    OK(tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, &options));
    OK(tn_begin(store, &w));
    OK(tn_construct(w, "numbers", TN_TYPE(uint64_t), NUMBERS, NULL, &found));
    OK(tn_commit(store));
    numbers = found;
}

static void drop_store(void)
{
    faults_end();
    OK(tn_store_close(store));
    tmpdir_leave();
}

TestSuite(hints, .init = make_store, .fini = drop_store, .timeout = 60);

static uint64_t committed(size_t i)
{
    void *found;
    uint64_t number;

    OK(tn_read_begin(store, &view));
    OK(tn_find(view, "numbers", TN_TYPE(uint64_t), &found, NULL));
    number = ((uint64_t *)found)[i];
    OK(tn_segment_check(view, NULL, NULL));
    OK(tn_read_end(store, view));
    return number;
}

static void set(size_t i, uint64_t value)
{
    OK(tn_touch(w, &numbers[i], sizeof(numbers[i])));
    numbers[i] = value;
}

Test(hints, what_was_named_is_committed_without_a_search)
{
    OK(tn_begin_with(store, TN_HINTED, &w));
    set(10, 1);
    set(15000, 2);
    set(11, 3);
    faults_refuse_op(FAULT_PAGEMAP, -1, 0);
    OK(tn_commit(store));
    cr_expect(eq(int, faults_seen(FAULT_PAGEMAP), 0));
    faults_end();
    cr_expect(committed(10) == 1 && committed(11) == 3);
    cr_expect(committed(15000) == 2);

    OK(tn_begin_with(store, TN_HINTED, &w)); /* nothing */
    OK(tn_commit(store));
    OK(tn_begin(store, &w));
    cr_expect(numbers[10] == 1 && numbers[15000] == 2);
    OK(tn_rollback(store));
}

Test(hints, a_reader_does_not_confuse_them)
{
    const tn_segment *old;

    OK(tn_read_begin(store, &old));
    for (uint64_t i = 1; i <= 20; i++) {
        OK(tn_begin_with(store, TN_HINTED, &w));
        set(i * 900, i);
        set(5, i);
        OK(tn_commit(store));
        cr_assert(committed(5) == i && committed(i * 900) == i);
    }
    OK(tn_read_end(store, old));
    OK(tn_begin_with(store, TN_HINTED, &w));
    set(6, 7);
    OK(tn_commit(store));
    for (uint64_t i = 1; i <= 20; i++)
        cr_expect(committed(i * 900) == i);
    OK(tn_begin(store, &w)); /* nothing is left that a search would find */
    faults_refuse_op(FAULT_SYNC, -1, 0);
    OK(tn_commit(store));
    cr_expect(eq(int, faults_seen(FAULT_SYNC), 0));
    faults_end();
}

Test(hints, what_was_not_named_is_reported_with_its_object)
{
    OK(tn_begin_with(store, TN_HINTED, &w));
    set(10, 1);
    numbers[19000] = 2;
    IS(tn_commit(store), TN_EINVAL);
    cr_expect(strstr(tn_errmsg(), "byte 152000 of object \"numbers\"") != NULL,
              "%s", tn_errmsg());
    cr_expect(committed(10) == 0, "nothing of it is there");
    OK(tn_touch(w, &numbers[19000], sizeof(numbers[0])));
    OK(tn_commit(store));
    cr_expect(committed(10) == 1 && committed(19000) == 2);

    OK(tn_begin_with(store, TN_HINTED, &w));
    numbers[0] = 9;
    IS(tn_commit(store), TN_EINVAL);
    OK(tn_rollback(store));
    cr_expect(committed(0) == 0);
}

Test(hints, a_range_over_many_pages)
{
    OK(tn_begin_with(store, TN_HINTED, &w));
    OK(tn_touch(w, numbers, NUMBERS * sizeof(numbers[0])));
    for (size_t i = 0; i < NUMBERS; i++)
        numbers[i] = i;
    OK(tn_commit(store));
    for (size_t i = 0; i < NUMBERS; i += 777)
        cr_expect(committed(i) == i);
}

Test(hints, arguments_that_make_no_sense)
{
    IS(tn_begin_with(store, 4, &w), TN_EINVAL);
    OK(tn_begin_with(store, TN_HINTED, &w));
    IS(tn_touch(w, (char *)numbers + (1 << 24), 1), TN_EINVAL);
    IS(tn_touch(w, &numbers, sizeof(numbers)), TN_EINVAL);
    IS(tn_touch(w, numbers, SIZE_MAX), TN_EINVAL);
    OK(tn_touch(w, numbers, 0));
    OK(tn_rollback(store));
    OK(tn_begin(store, &w));
    OK(tn_touch(w, numbers, 8)); /* no promise, no harm */
    OK(tn_rollback(store));
    OK(tn_read_begin(store, &view));
    OK(tn_touch((tn_segment *)view, tn_at(view, tn_handle_of(w, numbers)), 8));
    OK(tn_read_end(store, view));
}

/* --- What the library stores ---------------------------------------------- */

static uint64_t random_state = 7;

static size_t below(size_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state % n);
}

static void *pieces[NAMES];

/* Something of the library's that changes the segment; the program itself
 * stores nothing. */
static void change(void)
{
    static char bytes[5000];
    size_t i = below(NAMES), size = 1 + below(below(4) == 0 ? 5000 : 200);
    char name[16];

    memset(bytes, (int)below(256), sizeof(bytes));
    snprintf(name, sizeof(name), "n%zu", i);
    switch (below(8)) {
    case 0:
        (void)tn_construct(w, name, TN_BYTES, size, bytes, NULL);
        break;
    case 1:
        (void)tn_destroy(w, name, TN_BYTES);
        break;
    case 2:
        if (pieces[i] != NULL)
            pieces[i] = tn_realloc(w, pieces[i], size);
        break;
    case 3:
        OK(tn_zero_free(w));
        break;
    case 4:
        OK(tn_construct(w, TN_ANONYMOUS, TN_TYPE(int), 1, &i, NULL));
        break;
    default:
        if (pieces[i] != NULL)
            OK(tn_free(w, pieces[i]));
        pieces[i] = pieces[i] != NULL ? NULL : tn_alloc(w, size);
    }
}

/* Does the write view show what the file has?  The page sums are renewed past
 * it, and so is the first page. */
static bool is_committed(void)
{
    const char *now = store->region.base, *file = store->durable->read.base;
    size_t pages = (tn_segment_size(w) + STORE_SEGMENT_OFF) / STORE_PAGE;

    for (size_t page = 1; page < pages; page++)
        if (!sums_are_on(&store->segment, page) &&
            memcmp(now + page * STORE_PAGE, file + page * STORE_PAGE,
                   STORE_PAGE) != 0)
            return false;
    return true;
}

Test(hints, the_library_names_what_it_stores)
{
    for (int step = 0; step < STEPS; step++) {
        OK(tn_begin_with(store, TN_HINTED, &w));
        for (size_t n = 1 + below(3); n > 0; n--)
            change();
        if (step % 7 == 0) {
            OK(tn_rollback(store));
            memset(pieces, 0, sizeof(pieces));
            continue;
        }
        OK(tn_commit(store));
        cr_assert(is_committed(), "step %d", step);
        cr_assert(committed(0) == 0);
    }
}

/* --- The guard ------------------------------------------------------------ */

static void open_guarded(void)
{
    const tn_options options = {.debug = TN_DEBUG_GUARD};

    OK(tn_store_close(store));
    OK(tn_store_open(&store, "s", TN_DURABLE, &options));
    OK(tn_begin(store, &w));
    OK(tn_find(w, "numbers", TN_TYPE(uint64_t), (void **)&numbers, NULL));
    numbers[3] = 4;
    OK(tn_commit(store));
}

Test(hints, a_guarded_view_can_be_used_in_transactions)
{
    open_guarded();
    for (uint64_t i = 1; i < 10; i++) {
        OK(tn_begin(store, &w));
        numbers[3] = i;
        OK(tn_construct(w, TN_ANONYMOUS, TN_BYTES, 100000, NULL, NULL));
        if (i % 3 == 0)
            OK(tn_rollback(store));
        else
            OK(tn_commit(store));
        cr_expect(committed(3) == (i % 3 == 0 ? i - 1 : i));
    }
}

/* A sanitizer's handler would make another end of it. */
static void open_to_fault(void)
{
    open_guarded();
    signal(SIGSEGV, SIG_DFL);
}

Test(hints, a_guarded_view_faults_after_the_commit, .signal = SIGSEGV)
{
    open_to_fault();
    numbers[3] = 5;
}

Test(hints, a_guarded_view_faults_after_a_rollback, .signal = SIGSEGV)
{
    open_to_fault();
    OK(tn_begin(store, &w));
    numbers[3] = 5;
    OK(tn_rollback(store));
    numbers[3] = 6;
}
