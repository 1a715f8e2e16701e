/* commit.c - from stores in memory to a record on disk
 *
 *     C1   the file has the size that this commit needs, on disk; and blocks
 *          where it stores into holes (holes.c; found out in C3)
 *     C2   state LIVE, on disk, once a handle
 *     C3   compare W with the image of the last commit: the bytes that differ,
 *          the sums of their pages and the superblock make a record (changes.c)
 *     C4   room in the journal: checkpoint, extend, or wait for readers
 *     C5   write the record
 *     C6   TN_NO_SYNC: that is all
 *     C7   fdatasync the journal; or both in one step, past the page cache, if
 *          nobody else has to do with it                           <- durable
 *     C8   synced := this commit                                   <- shown
 *     C9   RL exclusive at once?  If not the apply is deferred
 *     C10  apply   C11  give W's private pages back   C12  release WL
 *
 * Killed before C7 is complete: the commit took place if the whole record is on
 * disk, and nobody was told either way.  Killed after: it did.
 *
 * Up to C5 a failure changes nothing and the transaction stays open.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "base/rule.h"
#include "os/process.h"
#include "store/durable.h"
#include "store/sums.h"
#include "store/superblock.h"

#include <string.h>

/* Commits whose pages pile up while the turn is given on early (G5). */
enum { PILE = 32 };

/* So many commits in a row that were nobody else's business, and the next one
 * is written past the page cache, from which others would have read it. */
enum { ALONE = 2 };

/* --- C1, C2 --------------------------------------------------------------- */

uint64_t commit_file_size(const tn_store *store)
{
    uint64_t size =
        round_up(STORE_SEGMENT_OFF + tn_segment_size(&store->segment),
                 region_page_size());

    return size > store->durable->committed.file_size
               ? size
               : store->durable->committed.file_size;
}

static tn_status secure_size(tn_store *store, uint64_t size)
{
    uint64_t actual;
    tn_status status;

    if (size <= store->durable->committed.file_size)
        return TN_OK;
    if (!RULE(GROWCOMMIT) && file_size(&store->file, &actual) == TN_OK &&
        actual >= size)
        return TN_OK;
    status = file_extend_from(&store->file, store->durable->committed.file_size,
                              size);
    if (status != TN_OK)
        return status;
    if (RULE(GROWSYNC))
        status = file_sync(&store->file);
    return status == TN_OK ? TN_OK : apply_poison(store, true, status);
}

static bool is_live(const tn_store *store)
{
    struct superblock sb;
    uint64_t state;

    return superblock_read(&store->file, true, &sb, &state) == TN_OK &&
           state == STORE_LIVE;
}

static tn_status secure_live(tn_store *store)
{
    tn_status status;

    if (store->durable->live || !RULE(LIVE) ||
        (!RULE(LIVEHANDLE) && is_live(store)))
        return TN_OK;
    status = superblock_set_state(&store->file, STORE_LIVE);
    if (status != TN_OK)
        return apply_poison(store, true, status);
    store->durable->live = true;
    return TN_OK;
}

/* A store gets its sums with its first commit of anything, and a larger block
 * when it has outgrown this one; making it may let the segment grow. */
static tn_status secure_sums(tn_store *store)
{
    struct durable *d = store->durable;
    tn_segment *seg = &store->segment;
    bool any = false;
    tn_status status = TN_OK;

    if (d->no_sums) {
        if (seg->base->sums != 0)
            sums_drop(seg);
        return TN_OK;
    }
    while (status == TN_OK &&
           !sums_suffice(seg, commit_file_size(store) / STORE_PAGE)) {
        status = changes_any(store, &any);
        if (status != TN_OK || !any)
            return status;
        d->fresh_sums = true;
        status = sums_make(seg, commit_file_size(store) / STORE_PAGE);
    }
    return status;
}

/* --- C4 ------------------------------------------------------------------- */

static tn_status sync_tail(tn_store *store)
{
    struct durable *d = store->durable;

    if (mark_load(&d->marks->synced) >= d->journal.end.number)
        return TN_OK;
    if (!RULE(MARKORDER)) {
        mark_store(&d->marks->synced, d->journal.end.number);
        return journal_sync(&d->journal);
    }
    return turn_sync(store);
}

/* Empty the journal if all of it is applied, or can be after waiting. */
tn_status commit_empty_journal(tn_store *store)
{
    tn_status status = TN_OK;

    if (apply_is_pending(store) && RULE(CKPTAPPLIED)) {
        if (RULE(WAHEAD))
            status = sync_tail(store);
        if (status == TN_OK)
            status = apply_pending(store, store->durable->patience_ms);
    }
    return status == TN_OK ? apply_checkpoint(store) : status;
}

static bool fits(const struct journal *j, size_t bytes)
{
    return bytes <= journal_room(j);
}

/* After commits that gave the turn on early, the file is behind for no other
 * reason than that. */
static tn_status end_pile(tn_store *store)
{
    tn_status status = sync_tail(store);

    store->durable->piled = 0;
    if (status == TN_OK && apply_is_pending(store))
        apply_pending(store, -1);
    return status;
}

/* Generously, or if the disk is nearly full, by what is needed. */
static tn_status extend_journal(struct journal *j, uint64_t needed)
{
    tn_status status =
        journal_extend(j, needed > 2 * j->size ? needed : 2 * j->size);

    return status == TN_ENOSPC ? journal_extend(j, needed) : status;
}

static tn_status secure_room(tn_store *store, size_t bytes, bool *rebuild)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    tn_status status = TN_OK;

    *rebuild = false;
    if (fits(j, bytes))
        return TN_OK;
    if (d->piled > 0) {
        status = end_pile(store);
        *rebuild = true;
    }
    if (status == TN_OK && apply_is_pending(store) &&
        j->end.off + bytes <= d->journal_limit)
        return extend_journal(j, j->end.off + bytes);
    if (status == TN_OK)
        status = commit_empty_journal(store);
    *rebuild = *rebuild || status == TN_OK;
    if (status == TN_OK && !fits(j, bytes))
        status = journal_extend(j, j->end.off + bytes);
    return status;
}

/* --- The commit ----------------------------------------------------------- */

/* C5 and C7 in one step need all records before this one on disk, for no other
 * is then; and who waits for the turn would wait for the disk. */
static bool may_write_through(tn_store *store)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;

    return d->alone >= ALONE && journal_can_write_through(j) &&
           (mark_load(&d->marks->synced) >= j->end.number || !RULE(THROUGH)) &&
           !turn_has_company(store);
}

static tn_status put_record(tn_store *store, const struct superblock *sb,
                            uint64_t size, bool sync)
{
    struct durable *d = store->durable;
    struct commit_id id = {sb->commit_number, sb->commit_nonce};
    uint64_t synced = mark_load(&d->marks->synced);
    tn_status status;

    if (!sync || !may_write_through(store))
        return journal_write(&d->journal, id, synced, size);
    status = journal_write_through(&d->journal, id, synced, size);
    if (status == TN_OK)
        turn_note_synced(store);
    return status;
}

/* C3 to C5.  Applying uses the journal's buffer and may change the image, so
 * the record is then built once more. */
static tn_status write_record(tn_store *store, uint64_t size, bool sync,
                              struct superblock *sb, bool *any)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    bool rebuild = true;
    tn_status status = TN_OK;

    for (int round = 0; status == TN_OK && rebuild && round < 2; round++) {
        status = changes_add(store, size, sb, any);
        if (status != TN_OK || !*any)
            return status;
        status = secure_room(store, journal_record_size(j), &rebuild);
    }
    if (status == TN_OK && RULE(HOLES))
        status = holes_fill(store);
    if (status != TN_OK)
        return status;
    status = put_record(store, sb, size, sync);
    if (status == TN_OK)
        d->fresh_sums = false;
    return status == TN_OK || status == TN_ENOSPC
               ? status
               : apply_poison(store, false, status);
}

/* C11.  Of a commit that made pages zero past W, all of W goes; F is it. */
static tn_status settle_view(tn_store *store)
{
    struct durable *d = store->durable;
    const struct superblock *sb = &d->committed;
    uint64_t pages;
    tn_status status;

    if (d->stands_for.number != 0)
        return dirty_settle(&d->dirty);
    status = transaction_pages(store, &pages);
    if (status == TN_OK)
        status = dirty_reset(&d->dirty, pages);
    if (status == TN_OK && sb->commit_nonce == d->journal.end.nonce)
        d->stands_for = (struct commit_id){sb->commit_number, sb->commit_nonce};
    return status;
}

/* C9 to C11.  A failure to apply is not one of the commit: the records stay
 * pending, and the next one tries again. */
void commit_apply(tn_store *store)
{
    struct durable *d = store->durable;

    if (!apply_is_pending(store) || apply_pending(store, -1) == TN_OK)
        if (settle_view(store) != TN_OK)
            d->stands_for = (struct commit_id){0};
}

/* C7 and on: with the turn; or (*given) without it, since others want it. */
static tn_status make_durable(tn_store *store, bool *given)
{
    struct durable *d = store->durable;
    bool again;
    tn_status status;

    d->alone++;
    if (mark_load(&d->marks->synced) < d->journal.end.number &&
        d->piled < PILE && turn_has_company(store)) {
        d->alone = 0;
        d->piled++;
        d->own_tail = true;
        status = turn_give_and_sync(store, &again);
        *given = !again;
        if (status != TN_OK || !again)
            return status;
    } else {
        d->piled = 0;
        status = sync_tail(store);
    }
    if (mark_load(&d->marks->synced) >= d->journal.end.number)
        d->own_tail = false;
    if (status == TN_OK && !d->own_tail)
        commit_apply(store);
    if (apply_is_pending(store))
        d->alone = 0; /* readers hold the file: they read J */
    return status;
}

static tn_status commit(tn_store *store, unsigned flags, bool *given)
{
    struct durable *d = store->durable;
    struct superblock sb;
    bool any = false;
    uint64_t size;
    tn_status status = secure_sums(store);

    size = commit_file_size(store);
    if (status == TN_OK)
        status = secure_size(store, size);
    if (status == TN_OK)
        status = secure_live(store);
    if (status == TN_OK)
        status = transaction_guard(store, false);
    if (status == TN_OK)
        status =
            write_record(store, size, (flags & TN_NO_SYNC) == 0, &sb, &any);
    if (status != TN_OK)
        return status;
    if (any) {
        d->committed = sb;
        d->stands_for = (struct commit_id){sb.commit_number, sb.commit_nonce};
    }
    if (d->blank.count != 0) { /* W is not what was committed */
        d->stands_for = (struct commit_id){0};
        d->blank.count = 0;
    }
    if ((flags & TN_NO_SYNC) != 0) {
        d->own_tail = d->own_tail || any;
        return TN_OK;
    }
    d->open = false;
    return make_durable(store, given);
}

/* After a failure that poisons, W shows nothing that was not committed. */
static void end(tn_store *store)
{
    struct durable *d = store->durable;
    uint64_t pages;

    if (is_poisoned(d) && transaction_pages(store, &pages) == TN_OK)
        dirty_reset(&d->dirty, pages);
    d->open = false;
    turn_give(store);
}

TN_API tn_status tn_commit_with(tn_store *store, unsigned flags)
{
    struct durable *d = store->durable;
    bool given = false;
    tn_status status;

    if (d == NULL || !d->open || store->opener != process_generation())
        return error_set(TN_EINVAL, "%s: no transaction is open", store->path);
    if ((flags & ~(unsigned)TN_NO_SYNC) != 0)
        return error_set(TN_EINVAL, "%s: flags %#x are not known", store->path,
                         flags);
    status = durable_usable(store); /* another thread's sync may have failed */
    if (status == TN_OK)
        status = commit(store, flags, &given);
    if (given)
        return status;
    if (status == TN_EIO &&
        !is_poisoned(d)) /* the same, wherever it came from */
        apply_poison(store, false, status);
    if (status == TN_OK || is_poisoned(d))
        end(store);
    else
        (void)transaction_guard(store, true);
    return status;
}

TN_API tn_status tn_commit(tn_store *store)
{
    return tn_commit_with(store, 0);
}

TN_API tn_status tn_sync(tn_store *store)
{
    bool given = false;
    tn_status status = durable_usable(store);

    if (status == TN_OK)
        status = turn_take(store, true, NULL);
    if (status != TN_OK)
        return status;
    status = transaction_settle(store);
    if (status == TN_OK)
        status = make_durable(store, &given);
    if (!given)
        turn_give(store);
    return status;
}

TN_API tn_status tn_checkpoint(tn_store *store)
{
    tn_status status = durable_usable(store);

    if (status == TN_OK)
        status = turn_take(store, true, NULL);
    if (status != TN_OK)
        return status;
    status = transaction_settle(store);
    if (status == TN_OK)
        status = commit_empty_journal(store);
    turn_give(store);
    return status == TN_EBUSY
               ? error_set(TN_EBUSY, "%s: readers hold the file still",
                           store->path)
               : status;
}
