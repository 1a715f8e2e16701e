/* durable.c - open and close a durable store
 *
 * The first handle of a store finds out what the last one left: it adopts the
 * journal's records, puts them into the file and begins a new generation.  The
 * others join.  Steps O1 to O12 and X1 to X6 are those of docs/CRASH.md.
 *
 *     state on disk   journal    the first opener
 *     CLEAN           none       makes one (O4)
 *     CLEAN           empty      uses it; with another base after a shared
 *                                session, begins a new generation (O5)
 *     CLEAN           records    TN_EJOURNAL: one of the two was replaced
 *     CLEAN           empty, of  makes one: the file that it belonged to was
 *                     another    removed, and it holds nothing of it
 *     LIVE            none       TN_EJOURNAL: commits may have been in it
 *     LIVE            any        recovers: O6 to O11
 *     SHARED          any        lets a shared opener settle it first
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "base/rule.h"
#include "os/clock.h"
#include "os/extents.h"
#include "os/process.h"
#include "os/random.h"
#include "store/durable.h"
#include "store/sums.h"
#include "store/superblock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_JOURNAL_SIZE  ((uint64_t)4 << 20)
#define DEFAULT_JOURNAL_LIMIT ((uint64_t)256 << 20)

enum { DEFAULT_PATIENCE_MS = 10000, PAGE = 4096 };

/* --- The handle ----------------------------------------------------------- */

tn_status durable_make_handle(tn_store *store, const tn_options *options)
{
    struct durable *d = calloc(1, sizeof(*d));
    tn_status status;

    if (d == NULL)
        return error_set(TN_ENOMEM, "%s: no memory for a handle", store->path);
    pthread_mutex_init(&d->turn_lock, NULL);
    pthread_mutex_init(&d->gate_lock, NULL);
    pthread_mutex_init(&d->read_lock, NULL);
    d->journal = d->reader = (struct journal)JOURNAL_CLOSED;
    d->journal_size = options != NULL && options->journal_size != 0
                          ? options->journal_size
                          : DEFAULT_JOURNAL_SIZE;
    d->journal_limit = DEFAULT_JOURNAL_LIMIT;
    d->patience_ms = options != NULL && options->lock_timeout_ms > 0
                         ? options->lock_timeout_ms
                         : DEFAULT_PATIENCE_MS;
    d->debug = options != NULL ? options->debug : 0;
    d->no_sums = options != NULL && options->page_sums == TN_SUMS_OFF;
    d->boot = superblock_boot(&store->file);
    store->durable = d;
    store->held_commit = true;
    status = random_bytes(&d->self, sizeof(d->self));
    d->self = mark_value(d->self | 1); /* 0 is nobody */
    return status;
}

/* In a forked child they may be locked, and waited for, by threads that it does
 * not have. */
static void destroy_locks(tn_store *store)
{
    struct durable *d = store->durable;

    if (store->opener != process_generation())
        return;
    pthread_mutex_destroy(&d->turn_lock);
    pthread_mutex_destroy(&d->gate_lock);
    pthread_mutex_destroy(&d->read_lock);
}

void durable_free_handle(tn_store *store)
{
    struct durable *d = store->durable;

    if (d == NULL)
        return;
    dirty_close(&d->dirty);
    holes_close(d);
    free(d->changed);
    page_list_free(&d->hints.pages);
    page_list_free(&d->blank);
    overlay_free(d->image);
    journal_close(&d->journal);
    journal_close(&d->reader);
    region_unmap(&d->read);
    region_unmap(&d->marks_region);
    for (struct overlay *next; d->overlays != NULL; d->overlays = next) {
        next = d->overlays->next;
        overlay_free(d->overlays);
    }
    destroy_locks(store);
    free(d);
    store->durable = NULL;
}

/* The file is extended before the memory is handed out; the size becomes part
 * of the store with the commit. */
static tn_status extend_durable(void *arg, size_t size)
{
    tn_store *store = arg;

    if (!store->durable->open)
        return error_set(TN_EINVAL, "%s: no transaction is open", store->path);
    return file_extend_from(
        &store->file, store->durable->committed.file_size,
        round_up(STORE_SEGMENT_OFF + size, region_page_size()));
}

tn_store *durable_store_of(const tn_segment *view)
{
    return view->extend == extend_durable ? view->extend_arg : NULL;
}

/* W and R take equally many addresses; where all there are went to W, R gets
 * none, and half as many for each are tried. */
static tn_status map_both(tn_store *store, const tn_options *options)
{
    struct region *w = &store->region, *r = &store->durable->read;
    uint64_t most = UINT64_MAX;
    tn_status status;

    for (;;) {
        status = store_map_only(store, REGION_PRIVATE, options, most);
        if (status != TN_OK)
            return status;
        status = region_map(r, &store->file, REGION_READ, w->size, NULL);
        if (status != TN_ENOMEM || w->size / 2 < store->backed)
            return status;
        most = w->size / 2;
        region_unmap(w);
    }
}

static tn_status map_views(tn_store *store, const tn_options *options)
{
    struct durable *d = store->durable;
    tn_segment *seg = &d->read_segment;
    uint64_t start, end;
    tn_status status = map_both(store, options);

    if (status == TN_OK)
        status = extents_find_blank(&store->file, &start, &end);
    if (status == TN_OK)
        status = region_map(&d->marks_region, &store->file, REGION_SHARED, PAGE,
                            NULL);
    if (status != TN_OK)
        return status;
    region_expect_blank(&store->region, start, end - start);
    region_expect_blank(&store->region, store->backed,
                        store->region.size - store->backed);
    (void)region_pin(&d->marks_region); /* some may lock no memory: so be it */
    d->marks = (struct marks *)(d->marks_region.base + STORE_MARKS_OFF);
    *seg = store->segment;
    seg->base = (struct segment *)(d->read.base + STORE_SEGMENT_OFF);
    seg->read_only = true;
    store->segment.extend = extend_durable;
    store->segment.extend_arg = store;
    return TN_OK;
}

/* --- The journal ---------------------------------------------------------- */

static tn_status make_journal(tn_store *store, const char *path)
{
    struct durable *d = store->durable;
    mode_t mode;
    tn_status status = file_mode(&store->file, &mode);

    if (status == TN_OK)
        status = journal_create(&d->journal, path, &store->superblock,
                                d->journal_size, mode);
    if (status != TN_ENOSPC)
        return status;
    return error_set(TN_ENOSPC,
                     "%s: the disk has no room for the %" PRIu64
                     " bytes of its journal, %s",
                     store->path, d->journal_size, path);
}

/* Another handle may have left it shorter than this one wants it.  A short one
 * will do as well.  What was cut off it must not come to be a record by that:
 * in another generation it cannot. */
static tn_status lengthen_journal(tn_store *store, const tn_options *options)
{
    struct durable *d = store->durable;
    tn_status status = TN_OK;

    if (options == NULL || options->journal_size <= d->journal.size)
        return TN_OK;
    if (journal_has_rest(&d->journal)) {
        if (apply_is_pending(store))
            return TN_OK;
        status = apply_checkpoint(store);
    }
    if (status == TN_OK)
        status = journal_extend(&d->journal, d->journal_size);
    return status == TN_ENOSPC ? TN_OK : status;
}

/* O3, O4: open J, or make it if it cannot be missed. */
static tn_status get_journal(tn_store *store, uint64_t state, const char *path)
{
    struct durable *d = store->durable;
    tn_status status = journal_open(&d->journal, path, true);

    if (status == TN_ENOENT && (state == STORE_CLEAN || !RULE(PAIR)))
        status = make_journal(store, path);
    else if (status == TN_ENOENT)
        status = error_set(TN_EJOURNAL,
                           "%s: the journal %s is missing, and it may hold "
                           "the last commits; put it back beside the store",
                           store->path, path);
    if (status == TN_OK)
        status = journal_open(&d->reader, path, false);
    return status;
}

/* O5: does the commit that F shows lie on J's path? */
static tn_status match(tn_store *store)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    const struct superblock *sb = &store->superblock;
    bool passes;
    tn_status status = journal_passes(
        j, (struct commit_id){sb->commit_number, sb->commit_nonce}, &passes);

    if (status != TN_OK || passes)
        return status;
    return error_set(TN_EJOURNAL,
                     "%s: the store and its journal do not belong together: "
                     "the store is at commit %" PRIu64
                     ", the journal goes from %" PRIu64 " to %" PRIu64,
                     store->path, sb->commit_number, j->header.base_number,
                     j->end.number);
}

/* O5 for a store that was closed in order. */
static tn_status match_clean(tn_store *store)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    const struct superblock *sb = &store->superblock;

    if (j->end.number != j->header.base_number)
        return error_set(TN_EJOURNAL,
                         "%s: the store was closed in order, but its journal "
                         "has commits: one of the two was replaced; remove "
                         "the journal if the store is the right one",
                         store->path);
    if (j->header.base_number == sb->commit_number &&
        j->header.base_nonce == sb->commit_nonce)
        return TN_OK;
    if (!RULE(REINIT))
        return match(store);
    return journal_next_generation(
        j, (struct commit_id){sb->commit_number, sb->commit_nonce});
}

/* O5: in the boot that a writer died in, the marks still tell how far J was on
 * disk.  What is missing of it was damaged, and not cut off by the death. */
static tn_status match_marks(const tn_store *store)
{
    const struct durable *d = store->durable;
    const struct marks *m = d->marks;
    uint64_t synced = mark_load(&m->synced), boot = mark_load(&m->boot);

    if (synced <= d->journal.end.number || boot != d->boot ||
        boot == STORE_BOOT_UNKNOWN || !marks_are_whole(m) ||
        mark_load(&m->journal) != journal_identity(&d->journal))
        return TN_OK;
    return error_set(TN_ECORRUPT,
                     "%s: the journal ends with commit %" PRIu64
                     ", and commit %" PRIu64 " had been on disk",
                     store->path, d->journal.end.number, synced);
}

static tn_status make_anew(tn_store *store, const char *path)
{
    struct durable *d = store->durable;
    tn_status status;

    journal_close(&d->journal);
    journal_close(&d->reader);
    status = file_unlink(path);
    if (status == TN_OK)
        status = make_journal(store, path);
    return status == TN_OK ? journal_open(&d->reader, path, false) : status;
}

/* The journal belongs to another store: does it hold nothing at all? */
static bool is_left_over(struct journal *j)
{
    return journal_read_header(j, NULL) == TN_OK &&
           journal_find_end(j) == TN_OK &&
           j->end.number == j->header.base_number;
}

/* P12: the size was on disk before the record. */
static tn_status check_length(const tn_store *store)
{
    uint64_t wanted = store->durable->journal.end.file_size, size;
    tn_status status = file_size(&store->file, &size);

    if (status != TN_OK || size >= wanted)
        return status;
    return error_set(TN_ESIZE,
                     "%s: the store has %" PRIu64 " bytes, and its last commit "
                     "has %" PRIu64 ": it has been cut off",
                     store->path, size, wanted);
}

/* O5 and O6. */
static tn_status understand_journal(tn_store *store, uint64_t state,
                                    const char *path)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    tn_status status = journal_read_header(j, store->superblock.uuid);

    if (state == STORE_CLEAN &&
        (status == TN_ENOENT || (status == TN_EJOURNAL && is_left_over(j))))
        return make_anew(store, path);
    if (status == TN_EJOURNAL)
        return error_set(TN_EJOURNAL,
                         "%s: the journal belongs to another store, whose last "
                         "commits it may hold; put it beside that one, or "
                         "remove it",
                         path);
    if (status == TN_ENOENT)
        return error_set(TN_ECORRUPT, "%s: the journal's headers are damaged",
                         path);
    if (status == TN_OK) /* LIVE comes before the first record */
        status =
            state == STORE_CLEAN ? journal_advance(j) : journal_find_end(j);
    if (status == TN_OK)
        status = check_length(store);
    if (status != TN_OK)
        return status;
    if (state == STORE_CLEAN)
        return match_clean(store);
    status = match(store);
    return status == TN_OK ? match_marks(store) : status;
}

/* --- Opening -------------------------------------------------------------- */

/* O8, boot last and first: nobody believes the marks in between. */
static void set_marks(tn_store *store)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    bool records = j->end.number != j->header.base_number;

    mark_store(&d->marks->boot, 0);
    mark_store(&d->marks->synced, j->end.number);
    mark_store(&d->marks->applied,
               records ? j->header.base_number - 1 : j->end.number);
    mark_store(&d->marks->generation, j->header.generation);
    mark_store(&d->marks->journal, journal_identity(j));
    mark_store(&d->marks->writer, 0);
    mark_store(&d->marks->boot, d->boot);
}

/* O7 to O11. */
static tn_status recover(tn_store *store)
{
    struct durable *d = store->durable;
    struct journal *j = &d->journal;
    struct journal_place start = journal_start(j);
    tn_status status = TN_OK;

    if (RULE(TAILREWRITE)) /* O7 */
        status = journal_rewrite(j, start);
    if (status == TN_OK && RULE(TAILSYNC))
        status = journal_sync(j);
    if (status == TN_OK && RULE(DIRADOPT))
        status = file_sync_directory(&j->file);
    if (status != TN_OK)
        return status;
    set_marks(store); /* O8 */
    d->settled = start;
    if (j->end.number == j->header.base_number)
        return TN_OK;
    status = apply_pending(store, -1); /* O9 */
    if (status == TN_EBUSY)
        return TN_OK; /* a reader looks at the old state: pending */
    if (status == TN_OK)
        status = apply_checkpoint(store); /* O10, O11 */
    return status;
}

static tn_status open_first(tn_store *store, uint64_t state,
                            const tn_options *options, const char *path)
{
    tn_status status = get_journal(store, state, path);

    if (status == TN_OK)
        status = understand_journal(store, state, path);
    if (status == TN_OK)
        status = recover(store);
    return status == TN_OK ? lengthen_journal(store, options) : status;
}

/* O2, O12 of those who come later. */
static tn_status join(tn_store *store, const char *path)
{
    struct durable *d = store->durable;
    tn_status status = journal_open(&d->journal, path, true);

    if (status == TN_OK)
        status = journal_open(&d->reader, path, false);
    if (status == TN_OK)
        status = journal_read_header(&d->journal, store->superblock.uuid);
    if (status == TN_OK &&
        mark_load(&d->marks->journal) != journal_identity(&d->journal))
        status = TN_ENOENT;
    if (status == TN_ENOENT)
        return error_set(TN_EJOURNAL,
                         "%s: the journal was removed or replaced while the "
                         "store is in use",
                         store->path);
    if (status != TN_OK)
        return status;
    d->joined = d->journal.header.generation;
    d->settled = journal_start(&d->journal);
    return TN_OK;
}

/* O1, O2. */
static tn_status enter(tn_store *store, const struct timespec *until,
                       bool *first)
{
    tn_status status;

    status = flock_wait(&store->locks, STORE_LOCK_INIT, true, until);
    if (status == TN_OK && RULE(MODELOCK) &&
        flock_taken(&store->locks, STORE_LOCK_SHR, true))
        return error_set(TN_EBUSY,
                         "%s: the store is open elsewhere for "
                         "shared use",
                         store->path);
    if (status == TN_OK) {
        status = flock_try(&store->locks, STORE_LOCK_DUR, true);
        *first = status == TN_OK;
        if (status == TN_EBUSY)
            status = flock_wait(&store->locks, STORE_LOCK_DUR, false, until);
    }
    if (status == TN_EBUSY || status == TN_ETIMEDOUT)
        return error_set(TN_EBUSY,
                         "%s: the store is being opened or closed "
                         "by another process",
                         store->path);
    return status;
}

/* The sums are put into records past W. */
static bool has_sums(const void *store, uint64_t page)
{
    return sums_are_on(&((const tn_store *)store)->segment, page);
}

static tn_status open_tracker(tn_store *store, const tn_options *options)
{
    struct durable *d = store->durable;
    tn_status status =
        dirty_open(&d->dirty, &store->region, &d->read,
                   options != NULL ? options->tracker : TN_TRACKER_AUTO);

    d->dirty.aside = has_sums;
    d->dirty.aside_arg = store;
    return status;
}

static tn_status open_entered(tn_store *store, bool first,
                              const tn_options *options)
{
    uint64_t state;
    char *path = journal_path(store->path);
    tn_status status =
        path != NULL
            ? superblock_read(&store->file, true, &store->superblock, &state)
            : error_set(TN_ENOMEM, "%s: no memory for a path", store->path);

    if (status == TN_OK)
        status = durable_make_handle(store, options);
    if (status == TN_OK)
        status = map_views(store, options);
    if (status == TN_OK)
        status =
            first ? open_first(store, state, options, path) : join(store, path);
    if (status == TN_OK)
        status = open_tracker(store, options);
    if (status == TN_OK)
        status = transaction_guard(store, false);
    if (status == TN_OK)
        holes_open(store);
    free(path);
    return status;
}

static tn_status verify_view(tn_store *store)
{
    const tn_segment *view;
    tn_status status = tn_read_begin(store, &view);

    if (status != TN_OK)
        return status;
    status = store_verify_view(store, view);
    tn_read_end(store, view);
    return status;
}

/* What processes that shared the store left is a shared opener's to settle. */
static tn_status settle_shared(tn_store *store, unsigned flags)
{
    tn_store *shared;
    tn_status status;

    flock_release(&store->locks, STORE_LOCK_DUR);
    flock_release(&store->locks, STORE_LOCK_INIT);
    status = tn_store_open(&shared, store->path,
                           TN_SHARED | (flags & TN_RECOVER), NULL);
    return status == TN_OK ? tn_store_close(shared) : status;
}

tn_status durable_open(tn_store *store, unsigned flags,
                       const tn_options *options, const struct timespec *until)
{
    struct superblock sb;
    uint64_t state;
    bool first = false;
    tn_status status = enter(store, until, &first);

    if (status == TN_OK && first) {
        status = superblock_read(&store->file, true, &sb, &state);
        if (status == TN_OK && state == STORE_SHARED) {
            status = settle_shared(store, flags);
            if (status == TN_OK)
                status = enter(store, until, &first);
        }
    }
    if (status == TN_OK)
        status = open_entered(store, first, options);
    if (status == TN_OK && first)
        status = flock_try(&store->locks, STORE_LOCK_DUR, false); /* O12 */
    flock_release(&store->locks, STORE_LOCK_INIT);
    if (status == TN_OK && (flags & TN_VERIFY) != 0)
        status = verify_view(store);
    if (status != TN_OK)
        durable_free_handle(store);
    return status;
}

/* --- Closing -------------------------------------------------------------- */

/* X2 to X5, with INIT and DUR exclusive. */
static tn_status close_last(tn_store *store)
{
    struct durable *d = store->durable;
    struct superblock sb;
    uint64_t state;
    tn_status status = turn_take(store, true, NULL);

    if (status != TN_OK)
        return status;
    d->own_tail = false; /* it is nobody's from now on: settle it as well */
    status = apply_settle(store);
    if (status == TN_OK && apply_is_pending(store))
        status = apply_pending(store, -1);
    if (status == TN_OK &&
        d->journal.end.number != d->journal.header.base_number)
        status = apply_checkpoint(store);
    if (status == TN_OK)
        status = superblock_read(&store->file, true, &sb, &state);
    if (status == TN_OK && state != STORE_CLEAN)
        status = superblock_set_state(&store->file, STORE_CLEAN);
    if (status == TN_OK) /* before a cut or after one, it is nobody's loss */
        (void)journal_shorten(&d->journal, d->journal_size);
    turn_give(store);
    return status == TN_EBUSY ? TN_OK : status; /* X3: left LIVE */
}

bool durable_has_views(tn_store *store)
{
    struct durable *d = store->durable;
    bool has;

    if (d == NULL || !RULE(CLOSEWAIT))
        return false;
    pthread_mutex_lock(&d->read_lock);
    has = d->open || d->readers > (d->pinned != NULL ? 1u : 0u);
    pthread_mutex_unlock(&d->read_lock);
    return has || turn_has_promises(store);
}

tn_status durable_close(tn_store *store)
{
    struct durable *d = store->durable;
    tn_status status;

    status = flock_wait(&store->locks, STORE_LOCK_INIT, true, NULL);
    if (status == TN_OK && !is_poisoned(d) &&
        flock_try(&store->locks, STORE_LOCK_DUR, true) == TN_OK)
        status = close_last(store);
    else if (status == TN_OK && is_poisoned(d))
        status = TN_OK; /* the next opener recovers */
    durable_free_handle(store);
    return status;
}
