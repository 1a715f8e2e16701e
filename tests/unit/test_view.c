/* test_view.c - looking at a store and changing nothing
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/faults.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"
#include "store/store.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

static const tn_options hasty = {.lock_timeout_ms = 50};
static char before[STORES_SIZE], after[STORES_SIZE];

static void make_store(void)
{
    tmpdir_enter();
    stores_make("s", TN_INDEX_DEFAULT);
    stores_read("s", before, sizeof(before), 0);
}

TestSuite(view, .init = make_store, .fini = tmpdir_leave, .timeout = 30);

static tn_store *open_as(unsigned flags)
{
    tn_store *store;

    OK(tn_store_open(&store, "s", flags, &stores_options));
    return store;
}

static void expect_untouched(void)
{
    cr_expect(eq(sz, stores_length("s"), sizeof(after)));
    stores_read("s", after, sizeof(after), 0);
    cr_expect(eq(int, memcmp(before, after, sizeof(after)), 0));
}

/* --- Only for reading ----------------------------------------------------- */

static void expect_read_only(tn_segment *seg)
{
    void *p;

    cr_expect(stores_holds(seg));
    cr_expect(tn_alloc(seg, 1) == NULL);
    FAILS(tn_construct(seg, "x", &stores_item, 1, NULL, NULL), TN_EROFS);
    OK(tn_find(seg, "item/001", NULL, &p, NULL));
    FAILS(tn_destroy(seg, "item/001", NULL), TN_EROFS);
    FAILS(tn_destroy_ptr(seg, p, NULL), TN_EROFS);
    FAILS(tn_segment_grow(seg, 4096), TN_EROFS);
    FAILS(tn_zero_free(seg), TN_EROFS);
}

Test(view, read_only_answers_so_to_whatever_would_change_it)
{
    tn_store *view = open_as(TN_READ_ONLY);

    expect_read_only(tn_store_segment(view));
    FAILS(tn_flush(view), TN_EINVAL);
    OK(tn_store_close(view));
    expect_untouched();
}

static int scribble(struct child *parent, void *arg)
{
    (void)parent;
    *(volatile char *)arg = 1;
    return 0;
}

static void expect_writes_fault(unsigned flags)
{
    tn_store *view = open_as(flags);
    struct child c;
    void *p;

    OK(tn_find(tn_store_segment(view), "item/003", NULL, &p, NULL));
    child_start(&c, scribble, p);
    cr_expect(eq(int, child_wait(&c), -SIGSEGV));
    OK(tn_store_close(view));
}

Test(view, read_only_faults_on_writes)
{
    tn_store *store;

    expect_writes_fault(TN_READ_ONLY);
    store = open_as(TN_SHARED);
    expect_writes_fault(TN_READ_ONLY);
    OK(tn_store_close(store));
    stores_abandon("s");
    expect_writes_fault(TN_READ_ONLY);
    stores_read("s", before, sizeof(before), 0);
}

Test(view, read_only_of_a_store_at_work_follows_it)
{
    struct stores_item item = {5, 10};
    tn_store *store = open_as(TN_SHARED), *view = open_as(TN_READ_ONLY);
    tn_segment *seg = tn_store_segment(store);
    void *found;

    expect_read_only(tn_store_segment(view));
    OK(tn_construct(seg, "new", &stores_item, 1, &item, NULL));
    OK(tn_find(tn_store_segment(view), "new", &stores_item, &found, NULL));
    cr_expect(eq(u64, ((struct stores_item *)found)->twice, 10));
    OK(tn_construct(seg, "large", &stores_item, 10000, NULL, NULL));
    OK(tn_find(tn_store_segment(view), "large", &stores_item, NULL, NULL));
    OK(tn_destroy(seg, "new", NULL));
    FAILS(tn_find(tn_store_segment(view), "new", NULL, NULL, NULL), TN_ENOENT);
    FAILS(tn_store_save(view, "t", NULL), TN_EBUSY);
    OK(tn_store_close(store));
    OK(tn_store_close(view));
    cr_expect(stores_sound("s", 0));
}

Test(view, can_be_had_by_many_at_once)
{
    tn_store *views[6];

    for (unsigned i = 0; i < 6; i++)
        views[i] = open_as(TN_READ_ONLY + i % 2);
    for (int i = 0; i < 6; i++)
        cr_expect(stores_holds(tn_store_segment(views[i])));
    for (int i = 0; i < 6; i++)
        OK(tn_store_close(views[i]));
    expect_untouched();
}

/* --- Copy on write -------------------------------------------------------- */

Test(view, private_changes_reach_no_file)
{
    tn_store *view = open_as(TN_PRIVATE), *other = open_as(TN_PRIVATE);
    tn_segment *seg = tn_store_segment(view);

    stores_use(seg);
    OK(tn_construct(seg, "mine", &stores_item, 1, NULL, NULL));
    OK(tn_segment_check(seg, NULL, NULL));
    FAILS(tn_find(tn_store_segment(other), "mine", NULL, NULL, NULL),
          TN_ENOENT);
    cr_expect(stores_holds(tn_store_segment(other)));
    OK(tn_store_close(view));
    OK(tn_store_close(other));
    expect_untouched();
}

Test(view, private_grows_where_no_file_is)
{
    tn_store *view = open_as(TN_PRIVATE);
    tn_segment *seg = tn_store_segment(view);
    char *p = tn_alloc(seg, STORES_MAX / 2);

    cr_assert(p != NULL, "%s", tn_errmsg());
    memset(p, 1, STORES_MAX / 2);
    OK(tn_segment_grow(seg, 100000));
    cr_expect(tn_alloc(seg, STORES_MAX) == NULL);
    FAILS(tn_segment_grow(seg, STORES_MAX), TN_ESIZE);
    OK(tn_segment_check(seg, NULL, NULL));
    cr_expect(stores_holds(seg));
    OK(tn_store_close(view));
    expect_untouched();
}

Test(view, private_goes_on_after_memory_was_refused)
{
    tn_store *view = open_as(TN_PRIVATE);
    tn_segment *seg = tn_store_segment(view);

    faults_refuse_all(FAULT_MAP, ENOMEM);
    cr_expect(tn_alloc(seg, 500000) == NULL);
    cr_expect(faults_end());
    cr_expect(tn_alloc(seg, 500000) != NULL);
    OK(tn_segment_check(seg, NULL, NULL));
    OK(tn_store_close(view));
    expect_untouched();
}

/* --- Of a store at work --------------------------------------------------- */

Test(view, private_of_a_store_at_work_is_its_state_at_that_moment)
{
    tn_store *store = open_as(TN_SHARED), *view;
    tn_segment *seg = tn_store_segment(store);

    OK(tn_construct(seg, "early", &stores_item, 5000, NULL, NULL));
    view = open_as(TN_PRIVATE | TN_VERIFY);
    OK(tn_construct(seg, "late", &stores_item, 1, NULL, NULL));
    OK(tn_destroy(seg, "early", NULL));
    OK(tn_find(tn_store_segment(view), "early", NULL, NULL, NULL));
    FAILS(tn_find(tn_store_segment(view), "late", NULL, NULL, NULL), TN_ENOENT);
    cr_expect(stores_holds(tn_store_segment(view)));
    stores_use(tn_store_segment(view));
    OK(tn_segment_check(tn_store_segment(view), NULL, NULL));
    cr_expect(stores_holds(seg));
    OK(tn_store_close(store));
    OK(tn_store_close(view));
    cr_expect(stores_sound("s", 0));
}

/* Waits while it is half made; whoever wants to copy has to wait for names, but
 * not for anonymous objects. */
static tn_status build_slowly(tn_segment *seg, void *element, size_t index,
                              void *arg)
{
    (void)seg;
    (void)element;
    if (index == 1) {
        child_tell(arg);
        child_await(arg);
    }
    return TN_OK;
}

static int build(struct child *parent, void *arg)
{
    tn_type type = stores_item;
    tn_store *store;

    (void)arg;
    type.init = build_slowly;
    if (tn_store_open(&store, "s", TN_SHARED, NULL) != TN_OK ||
        tn_construct(tn_store_segment(store), TN_ANONYMOUS, &type, 3, parent,
                     NULL) != TN_OK)
        return 1;
    return tn_store_close(store) == TN_OK ? 0 : 2;
}

Test(view, private_has_no_object_that_was_half_made)
{
    tn_store *view, *store = open_as(TN_SHARED);
    struct child c;

    child_start(&c, build, NULL);
    cr_assert(child_await(&c));
    view = open_as(TN_PRIVATE | TN_VERIFY);
    OK(tn_segment_check(tn_store_segment(view), NULL, NULL));
    OK(tn_store_save(store, "t", NULL));
    cr_expect(stores_sound("t", 0), "nor has what is saved");
    child_tell(&c);
    cr_expect(eq(int, child_wait(&c), 0));
    OK(tn_store_close(view));
    OK(tn_store_close(store));
    cr_expect(stores_sound("s", 0));
}

/* --- Beside others -------------------------------------------------------- */

/* RL: what is being looked at does not change. */
Test(view, of_a_store_at_rest_keeps_sharers_out)
{
    tn_store *view, *store;

    for (unsigned access = TN_READ_ONLY; access <= TN_PRIVATE; access++) {
        view = open_as(access);
        FAILS(tn_store_open(&store, "s", TN_SHARED, &hasty), TN_EBUSY);
        cr_expect(strstr(tn_errmsg(), "reading") != NULL, "%s", tn_errmsg());
        OK(tn_store_open(&store, "s", TN_READ_ONLY, &hasty));
        OK(tn_store_close(store));
        OK(tn_store_close(view));
    }
    expect_untouched();
}

static int wait_for_sharing(struct child *parent, void *arg)
{
    tn_store *store;

    (void)arg;
    child_tell(parent);
    if (tn_store_open(&store, "s", TN_SHARED, NULL) != TN_OK)
        return 1;
    return tn_store_close(store) == TN_OK ? 0 : 2;
}

Test(view, that_is_closed_lets_a_waiting_sharer_in)
{
    tn_store *view = open_as(TN_READ_ONLY);
    struct child c;

    child_start(&c, wait_for_sharing, NULL);
    cr_assert(child_await(&c));
    OK(tn_store_close(view));
    cr_expect(eq(int, child_wait(&c), 0));
}

/* --- Refused -------------------------------------------------------------- */

Test(view, of_a_damaged_store_at_work_is_refused_if_verified)
{
    tn_store *store = open_as(TN_SHARED), *view;
    void *p;

    OK(tn_find(tn_store_segment(store), "item/007", NULL, &p, NULL));
    ((uint64_t *)p)[-1] ^= UINT64_C(1) << 40;
    FAILS(tn_store_open(&view, "s", TN_READ_ONLY | TN_VERIFY, &hasty),
          TN_ECORRUPT);
    FAILS(tn_store_open(&view, "s", TN_PRIVATE | TN_VERIFY, &hasty),
          TN_ECORRUPT);
    FAILS(tn_store_open(&view, "s", TN_SHARED | TN_VERIFY, &hasty),
          TN_ECORRUPT);
    ((uint64_t *)p)[-1] ^= UINT64_C(1) << 40;
    OK(tn_store_open(&view, "s", TN_READ_ONLY | TN_VERIFY, &hasty));
    OK(tn_store_close(view));
    OK(tn_store_close(store));
    cr_expect(stores_sound("s", 0));
}

static bool limit_addresses(size_t more)
{
    struct rlimit limit;
    FILE *f = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    bool read = f != NULL && fscanf(f, "%zu", &pages) == 1;

    if (f != NULL)
        fclose(f);
    limit.rlim_max = RLIM_INFINITY;
    limit.rlim_cur = pages * 4096 + more;
    return read && setrlimit(RLIMIT_AS, &limit) == 0;
}

/* A copy takes the addresses of two: there is room for the file, but not for
 * what it may become. */
Test(view, private_without_addresses_for_the_copy_says_so)
{
    tn_options options = {.size = 20 << 20};
    tn_store *store, *view;

    OK(tn_store_open(&store, "t", TN_SHARED | TN_CREATE, &options));
    for (size_t more = 10; more < 80; more += 5) {
        tn_status status;

        cr_assert(limit_addresses(more << 20));
        status = tn_store_open(&view, "t", TN_PRIVATE, NULL);
        cr_assert(status == TN_OK || status == TN_ENOMEM, "%zu: %d %s", more,
                  status, tn_errmsg());
        if (status == TN_OK)
            OK(tn_store_close(view));
    }
    OK(tn_store_close(store));
}

static const int numbers[] = {EIO, ENOMEM};

Test(view, of_a_store_at_work_survives_every_refusal)
{
    tn_store *store = open_as(TN_SHARED), *view;
    int descriptors = faults_descriptors();

    for (unsigned access = TN_READ_ONLY; access <= TN_PRIVATE; access++) {
        bool more = true;

        for (int n = 0; more; n++) {
            tn_status status;

            faults_refuse(n, numbers[n % 2]);
            status = tn_store_open(&view, "s", access | TN_VERIFY, &hasty);
            if (status == TN_OK)
                status = tn_store_close(view);
            more = faults_end();
            cr_assert(stores_documented(status), "op %d: %d", n, status);
            cr_assert(eq(int, faults_descriptors(), descriptors), "op %d", n);
        }
    }
    OK(tn_store_close(store));
    cr_expect(stores_sound("s", 0));
}
