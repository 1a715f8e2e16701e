/* test_turn.c - threads that commit while others sync
 *
 * A hook stops the thread that syncs the journal until another thread has got
 * as far as the test wants, so that no outcome depends on time.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <tenon.h>

#include "lib/tmpdir.h"
#include "os/fault.h"
#include "store/durable.h"

#define OK(call) cr_assert(eq(int, call, TN_OK), "%s", tn_errmsg())

enum { NUMBERS = 64, THREADS = 8, EACH = 60 };

static tn_store *store;
static struct durable *d;

static void make_store(void)
{
    const tn_options options = {.size = 65536, .journal_size = 65536};
    tn_segment *w;

    tmpdir_enter();
    OK(tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, &options));
    OK(tn_begin(store, &w));
    OK(tn_construct(w, "numbers", TN_TYPE(uint64_t), NUMBERS, NULL, NULL));
    OK(tn_commit(store));
    d = store->durable;
}

static void drop_store(void)
{
    fault_set_hook(NULL, NULL);
    if (store != NULL)
        OK(tn_store_close(store));
    tmpdir_leave();
}

TestSuite(turn, .init = make_store, .fini = drop_store, .timeout = 60);

static uint64_t *numbers_of(const tn_segment *view)
{
    void *found;

    OK(tn_find(view, "numbers", TN_TYPE(uint64_t), &found, NULL));
    return found;
}

static uint64_t committed(int i)
{
    const tn_segment *view;
    uint64_t number;

    OK(tn_read_begin(store, &view));
    number = numbers_of(view)[i];
    OK(tn_segment_check(view, NULL, NULL));
    OK(tn_read_end(store, view));
    return number;
}

/* --- Two threads ---------------------------------------------------------- */

static unsigned look(const unsigned *count)
{
    unsigned value;

    pthread_mutex_lock(&d->turn_lock);
    value = *count;
    pthread_mutex_unlock(&d->turn_lock);
    return value;
}

static void await(const unsigned *count, unsigned least)
{
    while (look(count) < least)
        usleep(100);
}

/* What the second thread does; it begins while the first has the turn. */
static struct second {
    pthread_t thread;
    unsigned flags;
    bool roll_back;
    tn_status status;
    unsigned done;
} second;

static void *begin_second(void *unused)
{
    tn_segment *w;
    tn_status status = tn_begin(store, &w);

    (void)unused;
    if (status == TN_OK) {
        numbers_of(w)[1] = numbers_of(w)[0] + 1;
        status = second.roll_back ? tn_rollback(store)
                                  : tn_commit_with(store, second.flags);
    }
    second.status = status;
    pthread_mutex_lock(&d->turn_lock);
    second.done = 1;
    pthread_mutex_unlock(&d->turn_lock);
    return NULL;
}

static struct {
    int syncs;    /* of the journal */
    int refused;  /* which of them fails; -1: none */
    bool held;    /* the first one has waited for the second thread */
    bool free;    /* which waited for that without having the turn */
    uint64_t was; /* the mark when the second sync began */
} hooked;

/* The first sync of the journal waits until the second thread does or is done.
 */
static int hold(void *unused, const struct fault_event *event)
{
    (void)unused;
    if (event->op != FAULT_SYNC || event->inode != d->journal.file.inode)
        return 0;
    if (!hooked.held) {
        hooked.held = true;
        while (look(&d->sync_queue.count) == 0 && look(&second.done) == 0)
            usleep(100);
        pthread_mutex_lock(&d->turn_lock);
        hooked.free = d->sync_queue.count > 0 && !d->turn_taken;
        pthread_mutex_unlock(&d->turn_lock);
    }
    if (hooked.syncs == 1)
        hooked.was = mark_load(&d->marks->synced);
    return hooked.syncs++ == hooked.refused ? EIO : 0;
}

/* Commit number 0 while the second thread waits; returns the first's status. */
static tn_status commit_both(void)
{
    tn_segment *w;
    tn_status status;

    OK(tn_begin(store, &w));
    cr_assert(
        eq(int, pthread_create(&second.thread, NULL, begin_second, NULL), 0));
    await(&d->turn_queue.count, 1);
    numbers_of(w)[0] = 7;
    fault_set_hook(hold, NULL);
    status = tn_commit(store);
    cr_assert(eq(int, pthread_join(second.thread, NULL), 0));
    fault_set_hook(NULL, NULL);
    return status;
}

static void prepare(int refused)
{
    hooked.refused = refused;
    second = (struct second){0};
}

Test(turn, is_given_on_while_the_disk_is_waited_for)
{
    uint64_t before = mark_load(&d->marks->synced);

    prepare(-1);
    OK(commit_both());
    OK(second.status);
    cr_expect(hooked.held, "the second thread got to its own sync");
    cr_expect(hooked.free, "nor does the second one keep the turn for that");
    cr_expect(eq(int, hooked.syncs, 2));
    cr_expect(eq(u64, hooked.was, before + 1), "its record was not covered");
    cr_expect(eq(u64, mark_load(&d->marks->synced), before + 2));
    cr_expect(committed(0) == 7 && committed(1) == 8);
    cr_expect(eq(u64, mark_load(&d->marks->applied), before + 2));
    cr_expect(not(d->has_wl), "others can write");
}

Test(turn, when_the_sync_fails_all_have_failed)
{
    prepare(0);
    cr_expect(eq(int, commit_both(), TN_EIO));
    cr_expect(eq(int, second.status, TN_EIO));
    cr_expect(eq(int, hooked.syncs, 1), "nobody syncs after that");
    cr_expect(committed(0) == 0 && committed(1) == 0);
    cr_expect(not(d->has_wl));
    OK(tn_store_close(store));
    OK(tn_store_open(&store, "s", TN_DURABLE, NULL)); /* it adopts both */
    d = store->durable;
    cr_expect(committed(0) == 7 && committed(1) == 8);
}

Test(turn, when_only_the_later_sync_fails_the_first_is_there)
{
    prepare(1);
    OK(commit_both());
    cr_expect(eq(int, second.status, TN_EIO));
    cr_expect(committed(0) == 7 && committed(1) == 0);
}

Test(turn, a_rollback_meanwhile_keeps_the_commit_before)
{
    tn_segment *w;

    prepare(-1);
    second.roll_back = true;
    OK(commit_both());
    OK(second.status);
    cr_expect(committed(0) == 7 && committed(1) == 0);
    OK(tn_begin(store, &w));
    cr_expect(numbers_of(w)[0] == 7 && numbers_of(w)[1] == 0);
    OK(tn_rollback(store));
}

Test(turn, a_commit_without_a_sync_meanwhile_is_not_shown)
{
    prepare(-1);
    second.flags = TN_NO_SYNC;
    OK(commit_both());
    OK(second.status);
    cr_expect(eq(int, hooked.syncs, 1));
    cr_expect(committed(0) == 7 && committed(1) == 0);
    OK(tn_sync(store));
    cr_expect(committed(1) == 8);
}

Test(turn, a_handle_is_not_closed_while_it_syncs)
{
    pthread_mutex_lock(&d->turn_lock);
    d->promises = 1;
    pthread_mutex_unlock(&d->turn_lock);
    cr_expect(eq(int, tn_store_close(store), TN_EBUSY));
    d->promises = 0;
}

/* --- Many ----------------------------------------------------------------- */

static void *commit_often(void *arg)
{
    int me = (int)(intptr_t)arg;

    for (uint64_t i = 1; i <= EACH; i++) {
        tn_segment *w;

        OK(tn_begin_with(store, i % 2 == 0 ? TN_HINTED : 0, &w));
        OK(tn_touch(w, &numbers_of(w)[me], sizeof(uint64_t)));
        numbers_of(w)[me] = i;
        if (i % 16 == 0)
            OK(tn_construct(w, TN_ANONYMOUS, TN_BYTES, 3000, NULL, NULL));
        OK(tn_commit_with(store, i % 5 == 0 ? TN_NO_SYNC : 0));
        if (i % 5 == 0)
            OK(tn_sync(store));
        cr_assert(committed(me) == i);
        if (i % 20 == 0)
            cr_assert(tn_checkpoint(store) != TN_EIO);
    }
    return NULL;
}

Test(turn, many_threads_each_see_what_they_committed)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        cr_assert(eq(int,
                     pthread_create(&threads[i], NULL, commit_often,
                                    (void *)(intptr_t)i),
                     0));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    OK(tn_store_close(store));
    OK(tn_store_open(&store, "s", TN_DURABLE | TN_VERIFY, NULL));
    d = store->durable;
    for (int i = 0; i < THREADS; i++)
        cr_expect(eq(u64, committed(i), EACH));
}
