/* turn.c - whose turn it is to write, and who syncs for whom
 *
 * A transaction holds the turn (L1, among the threads of this handle) and WL
 * (among handles).  Neither is bound to a thread.
 *
 * While one thread commits, others may wait for the turn.  Then it does not
 * keep them waiting for the disk: once its record is written (C5) it gives the
 * turn on, and syncs without it.
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
 * A handle with one thread never gives the turn on early.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "base/rule.h"
#include "store/durable.h"

#include <errno.h>

/* --- The turn ------------------------------------------------------------- */

/* Once; with turn_lock held. */
static tn_status wait_once(struct durable *d, const struct timespec *until)
{
    int number;

    d->turn_waiters++;
    number = until == NULL
                 ? pthread_cond_wait(&d->turn_free, &d->turn_lock)
                 : pthread_cond_timedwait(&d->turn_free, &d->turn_lock, until);
    d->turn_waiters--;
    return number == ETIMEDOUT && d->turn_taken
               ? error_set(TN_ETIMEDOUT, "another thread is writing")
               : TN_OK;
}

static tn_status wait_for_turn(struct durable *d, bool wait,
                               const struct timespec *until)
{
    tn_status status = TN_OK;

    while (status == TN_OK && d->turn_taken) {
        if (pthread_equal(d->turn_owner, pthread_self()))
            return error_set(TN_EDEADLK, "this thread has a transaction open");
        if (!wait)
            return error_set(TN_EBUSY, "another thread is writing");
        status = wait_once(d, until);
    }
    if (status != TN_OK)
        return status;
    d->turn_taken = true;
    d->turn_owner = pthread_self();
    return TN_OK;
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

    pthread_mutex_lock(&d->turn_lock);
    d->turn_taken = false;
    leave(store);
    pthread_cond_signal(&d->turn_free);
    pthread_mutex_unlock(&d->turn_lock);
}

bool turn_is_wanted(tn_store *store)
{
    struct durable *d = store->durable;
    bool wanted;

    pthread_mutex_lock(&d->turn_lock);
    wanted = d->turn_waiters > 0;
    pthread_mutex_unlock(&d->turn_lock);
    return wanted;
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

/* Sync for everybody (G2, G3); turn_lock is held, but not meanwhile. */
static tn_status sync_once(tn_store *store)
{
    struct durable *d = store->durable;
    uint64_t covered = d->written;
    tn_status status;

    d->syncing = true;
    pthread_mutex_unlock(&d->turn_lock);
    status = journal_sync(&d->journal); /* C7 */
    pthread_mutex_lock(&d->turn_lock);
    d->syncing = false;
    if (!RULE(SYNCCOVERS))
        covered = d->written;
    if (status != TN_OK && RULE(FAILTOGETHER))
        status = apply_poison(store, false, status);
    else if (status == TN_OK && covered > mark_load(&d->marks->synced))
        mark_store(&d->marks->synced, covered); /* C8 */
    pthread_cond_broadcast(&d->sync_done);
    return status;
}

/* With turn_lock held. */
static tn_status sync_through(tn_store *store, uint64_t number)
{
    struct durable *d = store->durable;
    tn_status status = TN_OK;

    while (status == TN_OK && mark_load(&d->marks->synced) < number) {
        if (d->syncing) {
            d->sync_waiters++;
            pthread_cond_wait(&d->sync_done, &d->turn_lock);
            d->sync_waiters--;
        } else if (is_poisoned(d)) {
            status = error_set(TN_EIO, "%s: a sync of the journal failed",
                               store->path);
        } else {
            status = sync_once(store);
        }
    }
    return status;
}

tn_status turn_sync(tn_store *store)
{
    struct durable *d = store->durable;
    tn_status status;

    pthread_mutex_lock(&d->turn_lock);
    d->written = d->journal.end.number;
    status = sync_through(store, d->written);
    pthread_mutex_unlock(&d->turn_lock);
    if (status == TN_OK)
        d->own_tail = false;
    return status;
}

tn_status turn_give_and_sync(tn_store *store, bool *again)
{
    struct durable *d = store->durable;
    uint64_t number = d->journal.end.number;
    tn_status status;

    pthread_mutex_lock(&d->turn_lock);
    d->written = d->promised = number;
    d->promises++;
    d->turn_taken = false;
    pthread_cond_signal(&d->turn_free);
    status = sync_through(store, number);
    d->promises--;
    *again = !d->turn_taken && d->turn_waiters == 0;
    if (*again) {
        d->turn_taken = true;
        d->turn_owner = pthread_self();
    } else if (!d->turn_taken) {
        leave(store);
    }
    pthread_mutex_unlock(&d->turn_lock);
    return status;
}
