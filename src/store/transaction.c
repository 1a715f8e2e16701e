/* transaction.c - begin and roll back
 *
 *               begin                          commit (commit.c)
 *     idle  ------------->  open: W is being  ------------------->  idle
 *       ^                   stored to
 *       |                        |  rollback: W's private pages are dropped
 *       +------------------------+
 *
 * An open transaction holds the turn and WL (turn.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "base/rule.h"
#include "os/clock.h"
#include "os/process.h"
#include "store/durable.h"

#include <string.h>

tn_status durable_usable(const tn_store *store)
{
    if (store->durable == NULL || store->access != TN_DURABLE)
        return error_set(TN_EINVAL,
                         "%s: the store was not opened for "
                         "transactions (TN_DURABLE)",
                         store->path);
    if (store->opener != process_generation())
        return error_set(TN_EINVAL,
                         "%s: the store was opened before a fork; "
                         "the child must open it itself",
                         store->path);
    if (is_poisoned(store->durable))
        return error_set(TN_EIO,
                         "%s: writing failed before; open the store "
                         "again",
                         store->path);
    return TN_OK;
}

/* --- Begin ---------------------------------------------------------------- */

/* The journal may have been removed by hand, or replaced. */
static tn_status check_journal(const tn_store *store)
{
    const struct durable *d = store->durable;

    if (mark_load(&d->marks->journal) == journal_identity(&d->journal) &&
        file_has_name(&d->journal.file))
        return TN_OK;
    return error_set(TN_EJOURNAL,
                     "%s: the journal was removed or replaced "
                     "while the store was open",
                     d->journal.file.path);
}

tn_status transaction_pages(const tn_store *store, uint64_t *pages)
{
    uint64_t size;
    tn_status status = file_size(&store->file, &size);

    if (status == TN_OK)
        *pages = (size < store->region.size ? size : store->region.size) /
                 STORE_PAGE;
    return status;
}

tn_status transaction_refresh(tn_store *store)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    struct journal_place place;
    uint64_t pages;
    tn_status status = transaction_pages(store, &pages);

    d->fresh_sums = false;
    d->blank.count = 0;
    if (status == TN_OK)
        status = dirty_reset(&d->dirty, pages);
    if (status == TN_OK)
        status = overlay_find_place(j, &d->settled,
                                    mark_load(&d->marks->applied), &place);
    if (status == TN_OK && RULE(RBOVERLAY))
        status = overlay_lay(store, &store->region, j, &place, j->end.number);
    if (status != TN_OK)
        return status;
    memcpy(&d->committed, store->region.base, sizeof(d->committed));
    status = store_check_header(store, &store->segment);
    if (status != TN_OK)
        return status;
    d->stands_for = (struct commit_id){j->end.number, j->end.nonce};
    return TN_OK;
}

/* B4: is W still the image of the last commit? */
static bool is_current(const struct durable *d)
{
    if (!RULE(DONTNEED) && d->stands_for.number != 0)
        return true;
    return d->stands_for.number == d->journal.end.number &&
           d->stands_for.nonce == d->journal.end.nonce &&
           (mark_load(&d->marks->applied) != APPLIED_NONE || !RULE(FELLVIEW));
}

/* Has no other handle written since this one did?  WL is held: it was kept, or
 * each handle that had it meanwhile would stand in the marks. */
static bool wrote_last(const struct durable *d)
{
    return d->kept_wl || mark_load(&d->marks->writer) == d->self ||
           !RULE(WRITER);
}

/* Killed or refused in the middle, no handle is known to have been the last. */
static tn_status settle_and_sign(tn_store *store)
{
    struct durable *d = store->durable;
    tn_status status;

    d->alone = 0;
    mark_store(&d->marks->writer, 0);
    status = apply_settle(store);
    if (status == TN_OK)
        mark_store(&d->marks->writer, d->self);
    return status;
}

/* B2. */
tn_status transaction_settle(tn_store *store)
{
    struct durable *d = store->durable;

    if (!wrote_last(d))
        return settle_and_sign(store);
    if (mark_load(&d->marks->synced) >= d->journal.end.number)
        d->own_tail = false;
    return TN_OK;
}

/* B2 to B4, with WL held. */
static tn_status make_current(tn_store *store)
{
    struct durable *d = store->durable;
    tn_status status = check_journal(store);

    if (status == TN_OK)
        status = transaction_settle(store);
    if (status != TN_OK)
        return status;
    if (apply_is_pending(store) && (!d->own_tail || !RULE(WAHEAD))) { /* B3 */
        if (is_current(d))
            commit_apply(store);
        else
            apply_pending(store, -1); /* a later one tries again (A4) */
    }
    return is_current(d) ? TN_OK : transaction_refresh(store); /* B4 */
}

tn_status transaction_guard(tn_store *store, bool writable)
{
    if ((store->durable->debug & TN_DEBUG_GUARD) == 0)
        return TN_OK;
    return region_protect(&store->region, 0, store->region.size, writable);
}

static tn_status begin(tn_store *store, bool wait, const struct timespec *until,
                       bool hinted, tn_segment **view)
{
    tn_status status = durable_usable(store);

    if (status == TN_OK)
        status = turn_take(store, wait, until);
    if (status != TN_OK)
        return status;
    status = durable_usable(store); /* poisoned while we waited? */
    if (status == TN_OK)
        status = transaction_guard(store, true);
    if (status == TN_OK)
        status = make_current(store);
    if (status != TN_OK) {
        turn_give(store);
        return status;
    }
    hints_begin(store->durable, hinted);
    store->durable->open = true;
    *view = &store->segment;
    return TN_OK;
}

TN_API tn_status tn_begin(tn_store *store, tn_segment **view)
{
    return begin(store, true, NULL, false, view);
}

TN_API tn_status tn_try_begin(tn_store *store, tn_segment **view)
{
    return begin(store, false, NULL, false, view);
}

TN_API tn_status tn_begin_timed(tn_store *store,
                                const struct timespec *deadline,
                                tn_segment **view)
{
    return begin(store, true, deadline, false, view);
}

TN_API tn_status tn_begin_with(tn_store *store, unsigned flags,
                               tn_segment **view)
{
    if ((flags & ~(unsigned)TN_HINTED) != 0)
        return error_set(TN_EINVAL, "%s: flags %#x are not known", store->path,
                         flags);
    return begin(store, true, NULL, (flags & TN_HINTED) != 0, view);
}

/* --- Roll back ------------------------------------------------------------ */

TN_API tn_status tn_rollback(tn_store *store)
{
    struct durable *d = store->durable;
    tn_status status;

    if (d == NULL || !d->open || store->opener != process_generation())
        return error_set(TN_EINVAL, "%s: no transaction is open", store->path);
    status = transaction_refresh(store); /* R1 */
    if (status != TN_OK)
        d->stands_for = (struct commit_id){0}; /* the next begin tries again */
    (void)transaction_guard(store, false);
    d->open = false;
    turn_give(store);
    return status;
}
