/* test_read.c - views of a durable store: theirs to look at, not to change
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include <tenon.h>

#include "lib/faults.h"
#include "lib/tmpdir.h"

#define OK(call)         cr_assert(eq(int, call, TN_OK), "%s", tn_errmsg())
#define IS(call, status) cr_assert(eq(int, call, status), "%s", tn_errmsg())

static tn_store *store;
static tn_segment *w;
static const tn_segment *view;

static void enter(void)
{
    tn_options options = {.size = 65536, .journal_size = 65536};

    tmpdir_enter();
    OK(tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, &options));
    OK(tn_begin(store, &w));
    OK(tn_construct(w, "a", TN_BYTES, 10, NULL, NULL));
    OK(tn_commit(store));
}

TestSuite(read, .init = enter, .fini = tmpdir_leave, .timeout = 30);

static char *bytes_in(const tn_segment *seg)
{
    char *bytes;

    OK(tn_find(seg, "a", TN_BYTES, (void **)&bytes, NULL));
    return bytes;
}

Test(read, gives_a_view_that_refuses_changes)
{
    OK(tn_read_begin(store, &view));
    IS(tn_construct((tn_segment *)view, "b", TN_BYTES, 1, NULL, NULL),
       TN_EROFS);
    IS(tn_destroy((tn_segment *)view, "a", TN_BYTES), TN_EROFS);
    cr_assert(tn_alloc((tn_segment *)view, 10) == NULL);
    OK(tn_read_end(store, view));
}

/* A sanitizer's handler would make another end of it. */
static void store_to(char *byte)
{
    signal(SIGSEGV, SIG_DFL);
    *(volatile char *)byte = 1;
}

Test(read, gives_a_view_that_cannot_be_stored_to, .signal = SIGSEGV)
{
    OK(tn_read_begin(store, &view));
    store_to(bytes_in(view));
}

/* With a record that is pending, so that it is made of memory. */
Test(read, gives_an_overlay_that_cannot_be_stored_to, .signal = SIGSEGV)
{
    const tn_segment *first;

    OK(tn_read_begin(store, &first));
    OK(tn_begin(store, &w));
    *bytes_in(w) = 2;
    OK(tn_commit(store));
    OK(tn_read_begin(store, &view));
    cr_assert(eq(int, *bytes_in(view), 2));
    cr_assert(eq(int, *bytes_in(first), 0));
    store_to(bytes_in(view));
}

Test(read, ends_once)
{
    const tn_segment *other;

    OK(tn_read_begin(store, &view));
    OK(tn_read_begin(store, &other));
    OK(tn_read_end(store, view));
    OK(tn_read_end(store, other));
    IS(tn_read_end(store, view), TN_EINVAL);
    IS(tn_read_end(store, NULL), TN_EINVAL);
    OK(tn_begin(store, &w));
    IS(tn_read_end(store, w), TN_EINVAL);
    OK(tn_rollback(store));
    OK(tn_store_close(store));
}

static void *end_it(void *arg)
{
    OK(tn_read_end(store, arg));
    return NULL;
}

Test(read, may_end_in_another_thread)
{
    pthread_t thread;

    OK(tn_read_begin(store, &view));
    cr_assert(pthread_create(&thread, NULL, end_it, (void *)view) == 0);
    cr_assert(pthread_join(thread, NULL) == 0);
    OK(tn_store_close(store));
}

Test(read, of_one_state_shares_one_overlay)
{
    const tn_segment *first, *other;

    OK(tn_read_begin(store, &first));
    OK(tn_begin(store, &w));
    *bytes_in(w) = 2;
    OK(tn_commit(store));
    OK(tn_read_begin(store, &view));
    OK(tn_read_begin(store, &other));
    cr_expect(view == other && view != first);
    OK(tn_read_end(store, view));
    cr_expect(eq(int, *bytes_in(other), 2));
    OK(tn_read_end(store, other));
    OK(tn_read_end(store, first));
    OK(tn_store_close(store));
}

Test(read, inside_a_transaction_shows_what_was_committed)
{
    OK(tn_begin(store, &w));
    *bytes_in(w) = 3;
    OK(tn_read_begin(store, &view));
    cr_expect(eq(int, *bytes_in(view), 0));
    OK(tn_commit(store));
    cr_expect(eq(int, *bytes_in(view), 0));
    OK(tn_read_end(store, view));
    OK(tn_store_close(store));
}

Test(read, that_is_refused_leaves_nothing_open)
{
    const tn_segment *first;
    int before;
    bool refused = true;

    OK(tn_read_begin(store, &first));
    OK(tn_begin(store, &w));
    *bytes_in(w) = 2;
    OK(tn_commit(store));
    before = faults_descriptors();
    for (int n = 0; refused; n++) {
        tn_status status;

        faults_refuse(n, ENOMEM);
        status = tn_read_begin(store, &view);
        refused = faults_end();
        if (status == TN_OK)
            OK(tn_read_end(store, view));
        cr_assert(eq(int, faults_descriptors(), before));
    }
    OK(tn_read_end(store, first));
    OK(tn_store_close(store));
}

Test(read, only_handles_that_are_refused_leave_nothing_open)
{
    const tn_segment *first;
    int before;
    bool refused = true;

    OK(tn_read_begin(store, &first)); /* so that the journal is needed */
    OK(tn_begin(store, &w));
    *bytes_in(w) = 2;
    OK(tn_commit(store));
    before = faults_descriptors();
    for (int n = 0; refused; n++) {
        tn_store *other;
        tn_status status;

        faults_refuse(n, ENOMEM);
        status = tn_store_open(&other, "s", TN_READ_ONLY, NULL);
        refused = faults_end();
        if (status == TN_OK)
            OK(tn_store_close(other));
        cr_assert(eq(int, faults_descriptors(), before), "operation %d", n);
    }
    OK(tn_read_end(store, first));
    OK(tn_store_close(store));
}

Test(read, is_not_for_shared_stores)
{
    tn_store *other;

    OK(tn_store_close(store));
    OK(tn_store_open(&other, "s", TN_SHARED, NULL));
    IS(tn_read_begin(other, &view), TN_EINVAL);
    OK(tn_store_close(other));
}
