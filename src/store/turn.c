/* turn.c - whose turn it is to write, and who syncs for whom
 *
 * A transaction holds the turn (L1, among the threads of this handle) and WL
 * (among handles).  Neither is bound to a thread.
 *
 * While one thread commits, others may wait for the turn, or for the disk, and
 * want the turn next.  Then it does not keep them waiting for the disk once
 * more: when its record is written (C5) it gives the turn on, and syncs without
 * it.
 *
 *     thread 1   begin  stores  record 1 | sync ............ | returns
 *     thread 2               waits       begin  stores  record 2 | waits |
 *     thread 3                              waits          begin  record 3 |
 *     the disk                           |=== covers 1 ======|=== 2, 3 =======|
 *
 *   G1  WL is kept until all records are on disk that a thread waits for, so
 *       nobody else writes J meanwhile, and a mark that moves is ours to move.
 *   G2  At most one thread syncs J; a sync covers the records that were whole
 *       when it began, and no later ones.
 *   G3  When it fails, all commits that are not on disk have failed, also those
 *       whose records came later: the handle is poisoned, and no sync follows.
 *   G4  A commit returns when synced has reached its number.  Of a later commit
 *       nothing is acknowledged or shown before that, for it has a higher one.
 *   G5  Nothing is applied from a record that is not on disk.  Until then W's
 *       private pages stay and the image has the records laid over, as if
 *       readers held the file.  After PILE commits the turn is kept through a
 *       sync, so that the file can catch up and others can write.
 *
 * A handle with one thread never gives the turn on early.  Threads get the turn
 * in order of coming; it is handed over, so that nobody is woken for nothing.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "base/rule.h"
#include "os/park.h"
#include "store/durable.h"

/* --- Waiting -------------------------------------------------------------- */

/* A thread that waits, on its own stack. */
struct waiter {
    pthread_t thread;
    uint64_t number; /* of the record that is to be on disk */
    uint32_t woken;
    struct waiter *next;
};

static void take_out(struct waiter_queue *queue, struct waiter **place)
{
    *place = (*place)->next;
    queue->count--;
}

/* Until another thread has taken it out of the queue and woken it, which is in
 * order of coming.  False: the time was over before.  With turn_lock held
 * before and after. */
static bool wait_in(struct durable *d, struct waiter_queue *queue,
                    struct waiter *me, const struct timespec *until)
{
    struct waiter **place = &queue->first;
    bool woken;

    me->thread = pthread_self();
    while (*place != NULL)
        place = &(*place)->next;
    *place = me;
    queue->count++;
    pthread_mutex_unlock(&d->turn_lock);
    woken = park(&me->woken, until);
    pthread_mutex_lock(&d->turn_lock);
    if (woken)
        return true;
    for (place = &queue->first; *place != NULL; place = &(*place)->next)
        if (*place == me) {
            take_out(queue, place);
            return false;
        }
    return park(&me->woken, NULL); /* it is about to be woken */
}

/* All of a list that was taken out, without turn_lock, which they want. */
static void wake(struct waiter *waiter)
{
    while (waiter != NULL) {
        struct waiter *next = waiter->next;

        park_end(&waiter->woken); /* it may be gone now */
        waiter = next;
    }
}

/* --- The turn ------------------------------------------------------------- */

static tn_status wait_for_turn(struct durable *d, bool wait,
                               const struct timespec *until)
{
    struct waiter me = {0};

    if (d->turn_taken && pthread_equal(d->turn_owner, pthread_self()))
        return error_set(TN_EDEADLK, "this thread has a transaction open");
    if (d->turn_taken && !wait)
        return error_set(TN_EBUSY, "another thread is writing");
    if (d->turn_taken)
        return wait_in(d, &d->turn_queue, &me, until)
                   ? TN_OK
                   : error_set(TN_ETIMEDOUT, "another thread is writing");
    d->turn_taken = true;
    d->turn_owner = pthread_self();
    return TN_OK;
}

/* The turn is the first one's who waits, or free; with turn_lock held.  Returns
 * whom to wake. */
static struct waiter *pass_on(struct durable *d)
{
    struct waiter *first = d->turn_queue.first;

    d->turn_taken = first != NULL;
    if (first == NULL)
        return NULL;
    take_out(&d->turn_queue, &d->turn_queue.first);
    d->turn_owner = first->thread;
    first->next = NULL;
    return first;
}

/* Is any record not on disk that a thread waits for? */
static bool owes_sync(const struct durable *d)
{
    return d->promised > mark_load(&d->marks->synced) && !is_poisoned(d);
}

/* G1, with turn_lock held and the turn free. */
static void leave(tn_store *store)
{
    struct durable *d = store->durable;

    if (!d->has_wl || owes_sync(d))
        return;
    flock_release(&store->locks, STORE_LOCK_WL);
    d->has_wl = false;
}

tn_status turn_take(tn_store *store, bool wait, const struct timespec *until)
{
    struct durable *d = store->durable;
    tn_status status;

    pthread_mutex_lock(&d->turn_lock);
    status = wait_for_turn(d, wait, until);
    pthread_mutex_unlock(&d->turn_lock);
    if (status != TN_OK)
        return status;
    d->kept_wl = d->has_wl;
    if (!d->has_wl)
        status = wait ? flock_wait(&store->locks, STORE_LOCK_WL, true, until)
                      : flock_try(&store->locks, STORE_LOCK_WL, true);
    if (status == TN_OK) {
        d->has_wl = true;
        return TN_OK;
    }
    turn_give(store);
    if (status == TN_EBUSY || status == TN_ETIMEDOUT)
        return error_set(status, "%s: another process is writing", store->path);
    return status;
}

void turn_give(tn_store *store)
{
    struct durable *d = store->durable;
    struct waiter *next;

    pthread_mutex_lock(&d->turn_lock);
    leave(store);
    next = pass_on(d);
    pthread_mutex_unlock(&d->turn_lock);
    wake(next);
}

bool turn_has_company(tn_store *store)
{
    struct durable *d = store->durable;
    bool has;

    pthread_mutex_lock(&d->turn_lock);
    has = d->turn_queue.count > 0 || d->promises > 0;
    pthread_mutex_unlock(&d->turn_lock);
    return has;
}

bool turn_has_promises(tn_store *store)
{
    struct durable *d = store->durable;
    bool has;

    pthread_mutex_lock(&d->turn_lock);
    has = d->promises > 0;
    pthread_mutex_unlock(&d->turn_lock);
    return has;
}

/* --- Syncing -------------------------------------------------------------- */

/* Out of the queue: those whose records are on disk, or all if they will never
 * be; and the first of the others, to sync next. */
static struct waiter *take_synced(struct durable *d)
{
    uint64_t synced = mark_load(&d->marks->synced);
    struct waiter **place = &d->sync_queue.first, *taken = NULL, *waiter;
    bool has_next = false;

    while ((waiter = *place) != NULL) {
        bool over = waiter->number <= synced || is_poisoned(d);

        if (over || !has_next) {
            has_next = has_next || !over;
            take_out(&d->sync_queue, place);
            waiter->next = taken;
            taken = waiter;
        } else {
            place = &waiter->next;
        }
    }
    return taken;
}

/* Sync for everybody (G2, G3); turn_lock is held, but not meanwhile.  Only then
 * is next woken: what it writes is not covered. */
static tn_status sync_once(tn_store *store, struct waiter *next)
{
    struct durable *d = store->durable;
    uint64_t covered = d->written;
    struct waiter *synced;
    tn_status status;

    d->syncing = true;
    pthread_mutex_unlock(&d->turn_lock);
    wake(next);
    status = journal_sync(&d->journal); /* C7 */
    pthread_mutex_lock(&d->turn_lock);
    d->syncing = false;
    if (!RULE(SYNCCOVERS))
        covered = d->written;
    if (status != TN_OK && RULE(FAILTOGETHER))
        status = apply_poison(store, false, status);
    else if (status == TN_OK && covered > mark_load(&d->marks->synced))
        mark_store(&d->marks->synced, covered); /* C8 */
    synced = take_synced(d);
    pthread_mutex_unlock(&d->turn_lock);
    wake(synced);
    pthread_mutex_lock(&d->turn_lock);
    return status;
}

/* With turn_lock held; next is woken on the way. */
static tn_status sync_through(tn_store *store, uint64_t number,
                              struct waiter *next)
{
    struct durable *d = store->durable;
    tn_status status = TN_OK;

    if (!d->syncing && !is_poisoned(d)) {
        status = sync_once(store, next);
    } else {
        pthread_mutex_unlock(&d->turn_lock);
        wake(next);
        pthread_mutex_lock(&d->turn_lock);
    }
    while (status == TN_OK && mark_load(&d->marks->synced) < number) {
        struct waiter me = {.number = number};

        if (d->syncing)
            wait_in(d, &d->sync_queue, &me, NULL);
        else if (is_poisoned(d))
            status = error_set(TN_EIO, "%s: a sync of the journal failed",
                               store->path);
        else
            status = sync_once(store, NULL);
    }
    return status;
}

tn_status turn_sync(tn_store *store)
{
    struct durable *d = store->durable;
    tn_status status;

    pthread_mutex_lock(&d->turn_lock);
    d->written = d->journal.end.number;
    status = mark_load(&d->marks->synced) < d->written
                 ? sync_through(store, d->written, NULL)
                 : TN_OK;
    pthread_mutex_unlock(&d->turn_lock);
    if (status == TN_OK)
        d->own_tail = false;
    return status;
}

void turn_note_synced(tn_store *store)
{
    struct durable *d = store->durable;

    pthread_mutex_lock(&d->turn_lock);
    d->written = d->journal.end.number;
    mark_store(&d->marks->synced, d->written); /* C8 */
    pthread_mutex_unlock(&d->turn_lock);
}

tn_status turn_give_and_sync(tn_store *store, bool *again)
{
    struct durable *d = store->durable;
    uint64_t number = d->journal.end.number;
    tn_status status;

    pthread_mutex_lock(&d->turn_lock);
    d->written = d->promised = number;
    d->promises++;
    status = sync_through(store, number, pass_on(d));
    d->promises--;
    *again = !d->turn_taken && d->promises == 0;
    if (*again) {
        d->turn_taken = true;
        d->turn_owner = pthread_self();
    } else if (!d->turn_taken) {
        leave(store);
    }
    pthread_mutex_unlock(&d->turn_lock);
    return status;
}
