/* describe.c - what is known of an open store
 *
 *     superblock    of the commit that the handle looks at
 *     state word    of the file, now
 *     journal       header and records, read through a descriptor of its own
 *     tracker       the durable handle's, or one that is tried out and dropped
 *
 * A writer may be at work: the journal is read without a lock, and read again
 * if it was begun anew meanwhile.  The numbers are for people to look at, no
 * decision hangs on them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "store/durable.h"
#include "store/store.h"
#include "store/superblock.h"

#include <stdio.h>
#include <string.h>

enum { LOOKS = 3 };

static tn_state public_state(uint64_t state)
{
    if (state == STORE_CLEAN)
        return TN_STATE_CLEAN;
    return state == STORE_SHARED ? TN_STATE_SHARED : TN_STATE_LIVE;
}

/* --- The commit ----------------------------------------------------------- */

/* A view begins with the superblock of its commit.  The first page of a private
 * copy of a store at work is empty, and that of a live view is in motion. */
static void note_view(const tn_store *store, const tn_segment *view,
                      tn_store_info *out)
{
    struct superblock sb;

    memcpy(&sb, (const char *)view->base - STORE_SEGMENT_OFF, sizeof(sb));
    if (!superblock_is_sealed(&sb) ||
        memcmp(sb.uuid, store->superblock.uuid, sizeof(sb.uuid)) != 0)
        sb = store->superblock;
    out->commit = sb.commit_number;
    out->segment_size = tn_segment_size(view);
}

static tn_status describe_commit(tn_store *store, tn_store_info *out)
{
    const tn_segment *view;
    tn_status status;

    if (store->access != TN_DURABLE) {
        note_view(store, &store->segment, out);
        return TN_OK;
    }
    status = tn_read_begin(store, &view);
    if (status != TN_OK)
        return status;
    note_view(store, view, out);
    return tn_read_end(store, view);
}

/* --- The journal ---------------------------------------------------------- */

/* How many of the records from base to end are not in the file?  As for views
 * (read.c). */
static tn_status count_pending(const tn_store *store, uint64_t state,
                               uint64_t base, uint64_t end, uint64_t *out)
{
    struct marks marks;
    uint64_t boot = superblock_boot(&store->file);
    tn_status status =
        file_read(&store->file, &marks, sizeof(marks), STORE_MARKS_OFF);

    if (status != TN_OK)
        return status;
    if (marks.synced != 0 && marks.boot == mark_seal(boot) &&
        boot != STORE_BOOT_UNKNOWN) {
        base =
            mark_value(marks.applied) > base ? mark_value(marks.applied) : base;
        end = mark_value(marks.synced);
    } else if (state == STORE_CLEAN) {
        end = base;
    }
    *out = end > base ? end - base : 0;
    return TN_OK;
}

static tn_status read_journal(const tn_store *store, uint64_t state,
                              struct journal *j, tn_store_info *out)
{
    tn_status status = TN_OK;
    bool again = true;

    for (int look = 0; status == TN_OK && again && look < LOOKS; look++) {
        status = journal_read_header(j, store->superblock.uuid);
        if (status == TN_OK)
            status = journal_advance(j);
        again = journal_generation(j) != j->header.generation;
    }
    if (status != TN_OK)
        return status;
    out->journal = TN_JOURNAL_OURS;
    out->journal_commits = j->end.number - j->header.base_number;
    return count_pending(store, state, j->header.base_number, j->end.number,
                         &out->journal_pending);
}

static tn_status describe_journal(const tn_store *store, uint64_t state,
                                  tn_store_info *out)
{
    struct journal j = JOURNAL_CLOSED;
    tn_status status;

    out->journal_path = store->journal_path;
    out->journal = TN_JOURNAL_NONE;
    if (store->journal_path == NULL)
        return TN_OK;
    status = journal_open(&j, store->journal_path, false);
    if (status == TN_ENOENT)
        return TN_OK;
    out->journal = TN_JOURNAL_CLOSED;
    if (status == TN_EACCES)
        return TN_OK;
    if (status == TN_OK)
        status = file_size(&j.file, &out->journal_size);
    if (status == TN_OK)
        status = read_journal(store, state, &j, out);
    journal_close(&j);
    if (status == TN_EJOURNAL)
        out->journal = TN_JOURNAL_FOREIGN;
    else if (status == TN_ENOENT || status == TN_ECORRUPT)
        out->journal = TN_JOURNAL_DAMAGED;
    else
        return status;
    return TN_OK;
}

/* --- The tracker ---------------------------------------------------------- */

static void note_tracker(const struct dirty *d, tn_store_info *out)
{
    out->tracker = d->way;
    snprintf(out->tracker_reason, sizeof(out->tracker_reason), "%s", d->reason);
}

/* Try the ways out on two pages, as opening does on the whole mapping. */
static tn_status try_trackers(const tn_store *store, tn_store_info *out)
{
    size_t size = 2 * region_page_size();
    struct region w = {0}, r = {0};
    struct dirty d;
    tn_status status = region_map(&w, &store->file, REGION_PRIVATE, size, NULL);

    if (status == TN_OK)
        status = region_map(&r, &store->file, REGION_READ, size, NULL);
    if (status == TN_OK)
        status = dirty_open(&d, &w, &r, TN_TRACKER_AUTO);
    if (status == TN_OK) {
        note_tracker(&d, out);
        dirty_close(&d);
    }
    region_unmap(&w);
    region_unmap(&r);
    return status;
}

/* -------------------------------------------------------------------------- */

static void note_identity(const tn_store *store, tn_store_info *out)
{
    const struct superblock *sb = &store->superblock;

    *out = (tn_store_info){.format = sb->format,
                           .compat = sb->compat,
                           .ro_compat = sb->ro_compat,
                           .incompat = sb->incompat,
                           .page_size = sb->page_size,
                           .max_size = sb->max_size,
                           .index = (tn_index)sb->index,
                           .fit = (tn_fit)sb->fit};
    memcpy(out->uuid, sb->uuid, sizeof(out->uuid));
}

static tn_status describe(tn_store *store, tn_store_info *out)
{
    uint64_t state, size;
    tn_status status = superblock_read_state(&store->file, &state);

    if (status == TN_OK)
        status = file_size(&store->file, &size);
    if (status != TN_OK)
        return status;
    note_identity(store, out);
    out->state = public_state(state);
    out->file_size = size;
    status = describe_commit(store, out);
    if (status == TN_OK)
        status = describe_journal(store, state, out);
    if (status != TN_OK)
        return status;
    if (store->access != TN_DURABLE)
        return try_trackers(store, out);
    note_tracker(&store->durable->dirty, out);
    return TN_OK;
}

TN_API tn_status tn_store_describe(const tn_store *store, tn_store_info *out)
{
    tn_store_info info;
    tn_status status = store_usable(store);

    if (status == TN_OK && out == NULL)
        status = error_set(TN_EINVAL, "there is no place for the result");
    if (status == TN_OK) /* a view begins and ends, nothing else changes */
        status = describe((tn_store *)store, &info);
    if (status == TN_OK)
        *out = info;
    return status;
}
