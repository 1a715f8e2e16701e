/* repair_image.c - the bytes of a damaged store, as well as they can be had
 *
 *     file      copied; what cannot be read is zero, and a bad page
 *     journal   its records laid over the copy, if it is this store's
 *     first page
 *               the superblock if its digest is right; else as the journal's
 *               last record has it; else made of what the segment says and
 *               of defaults
 *
 * A journal fits if its header has the store's UUID and the commit that the
 * file shows is one of those that it goes through; a file whose superblock is
 * damaged cannot be asked, and then the journal beside it is taken at its word.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "check/repair.h"
#include "os/region.h"
#include "store/durable.h"
#include "store/sums.h"
#include "store/superblock.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 1 << 18,        /* bytes read at a time */
    CUT_OFF_MOST = 64 << 20 /* added to a file that was cut off, at most, beyond
                               its own size */
};
#define DEFAULT_MAX_SIZE (UINT64_C(1) << 40)

/* --- The superblock ------------------------------------------------------- */

static bool is_sealed(const struct superblock *sb)
{
    return superblock_is_sealed(sb) &&
           memcmp(sb->magic, STORE_MAGIC, sizeof(sb->magic)) == 0;
}

/* Of a store that is sound but not for us nothing would come out right. */
static tn_status require_known(const struct repair *r,
                               const struct superblock *sb)
{
    if (!is_sealed(sb) ||
        (sb->format == STORE_FORMAT && sb->byte_order == STORE_BYTE_ORDER &&
         (sb->incompat & ~STORE_KNOWN_INCOMPAT) == 0 &&
         (sb->ro_compat & ~STORE_KNOWN_RO_COMPAT) == 0 &&
         sb->page_size == region_page_size()))
        return TN_OK;
    return error_set(TN_EVERSION,
                     "%s: the store is of another version or machine", r->path);
}

static void default_identity(struct superblock *sb)
{
    memcpy(sb->magic, STORE_MAGIC, sizeof(sb->magic));
    sb->format = STORE_FORMAT;
    sb->byte_order = STORE_BYTE_ORDER;
    sb->compat = sb->ro_compat = sb->incompat = 0;
    sb->page_size = region_page_size();
}

/* What a record wrote is the second half; the first is known. */
static bool complete_superblock(struct superblock *sb, const uint8_t uuid[16])
{
    default_identity(sb);
    memcpy(sb->uuid, uuid, sizeof(sb->uuid));
    return superblock_is_sealed(sb);
}

/* --- Copying -------------------------------------------------------------- */

/* A page at a time: what cannot be read stays zero. */
static tn_status copy_pages(struct repair *r, char *buffer, uint64_t from,
                            size_t size)
{
    tn_status status = TN_OK;

    for (size_t n, at = 0; status == TN_OK && at < size; at += n) {
        n = size - at < STORE_PAGE ? size - at : STORE_PAGE;
        if (file_read(&r->in, buffer, n, from + at) != TN_OK)
            repair_note_bad(r, (from + at) / STORE_PAGE);
        else if (!bytes_are_zero(buffer, n))
            status = file_write(&r->made.file, buffer, n, from + at);
    }
    return status;
}

/* Copy a chunk, or what is left, and move behind it. */
static tn_status copy_piece(struct repair *r, char *buffer, uint64_t *at,
                            uint64_t size)
{
    size_t n = size - *at < CHUNK ? (size_t)(size - *at) : CHUNK;
    tn_status status = TN_OK;

    if (file_read(&r->in, buffer, n, *at) != TN_OK)
        status = copy_pages(r, buffer, *at, n);
    else if (!bytes_are_zero(buffer, n))
        status = file_write(&r->made.file, buffer, n, *at);
    *at += n;
    return status;
}

/* Holes stay what they are. */
static tn_status copy_file(struct repair *r, uint64_t size)
{
    char *buffer = malloc(CHUNK);
    uint64_t at = 0, start, end;
    tn_status status = TN_OK;

    if (buffer == NULL)
        return error_set(TN_ENOMEM, "no memory to copy a file");
    while (status == TN_OK && at < size) {
        status = file_find_data(&r->in, at, &start, &end);
        if (status == TN_OK && start > at)
            at = start < size ? round_down(start, STORE_PAGE) : size;
        if (status == TN_OK && at < size)
            status = copy_piece(r, buffer, &at, size);
    }
    free(buffer);
    return status;
}

/* How large the new file is to be.  One that was cut off gets back what the
 * superblock says, within reason: its last object may lie across the cut. */
static uint64_t size_for(const struct superblock *sb, uint64_t size)
{
    uint64_t most = 2 * size + CUT_OFF_MOST;
    uint64_t wanted = size;

    if (is_sealed(sb) && sb->file_size > size)
        wanted = sb->file_size < most ? sb->file_size : most;
    return round_up(wanted, region_page_size());
}

static tn_status make_room(struct repair *r, uint64_t size, uint64_t total)
{
    r->pages = total / STORE_PAGE;
    r->digests = calloc(r->pages, sizeof(*r->digests));
    r->bad = calloc(r->pages / 8 + 1, 1);
    if (r->digests == NULL || r->bad == NULL)
        return error_set(TN_ENOMEM, "%s: no memory for its page sums", r->path);
    for (uint64_t page = size / STORE_PAGE; page < r->pages; page++)
        if (page * STORE_PAGE >= size || size % STORE_PAGE != 0)
            repair_note_bad(r, page);
    return file_extend(&r->made.file, total);
}

/* --- The journal ---------------------------------------------------------- */

/* Does the chain go through this commit? */
static bool goes_through(struct journal *j, const struct superblock *sb)
{
    struct journal_place place = journal_start(j);

    for (;;) {
        if (place.number == sb->commit_number &&
            place.nonce == sb->commit_nonce)
            return true;
        if (place.number >= j->end.number || journal_read(j, &place) != TN_OK)
            return false;
    }
}

/* Find the valid records of this store's journal; false: nothing to lay. */
static bool read_journal(struct repair *r, struct journal *j,
                         const struct superblock *sb)
{
    char *path = journal_path(r->path);
    bool sealed = is_sealed(sb), good;

    good = path != NULL && journal_open(j, path, false) == TN_OK &&
           journal_read_header(j, sealed ? sb->uuid : NULL) == TN_OK &&
           journal_advance(j) == TN_OK && (!sealed || goes_through(j, sb));
    free(path);
    return good;
}

/* The state word has no checksum: if it is none of the three it counts as
 * LIVE, which only says that the journal is looked at. */
static tn_status lay_journal(struct repair *r, uint64_t state)
{
    struct superblock *sb = (struct superblock *)r->made.region.base;
    struct journal j = JOURNAL_CLOSED;
    struct journal_place place;
    tn_status status = TN_OK;

    if (state == STORE_SHARED || (state == STORE_CLEAN && is_sealed(sb)))
        return TN_OK;
    if (!read_journal(r, &j, sb)) {
        r->result.journal_missing = state != STORE_CLEAN;
    } else {
        place = journal_start(&j);
        status =
            overlay_lay(&r->made, &r->made.region, &j, &place, j.end.number);
        if (status == TN_ECORRUPT) { /* of a longer store: up to there */
            r->result.journal_missing = true;
            status = TN_OK;
        }
        r->result.journal_commits = place.number - j.header.base_number;
        if (!is_sealed(sb))
            complete_superblock(sb, j.header.uuid);
        if (journal_find_end(&j) != TN_OK || j.size < JOURNAL_LEAST_SIZE)
            r->result.journal_missing = true;
    }
    journal_close(&j);
    return status;
}

/* --- All of it ------------------------------------------------------------ */

/* Is there anything in the first pages that is a store's?  If not, objects may
 * still be found behind them. */
static tn_status recognise(struct repair *r, uint64_t size)
{
    char page[STORE_SEGMENT_OFF + sizeof(struct segment)] = {0};
    const struct segment *base =
        (const struct segment *)(page + STORE_SEGMENT_OFF);
    size_t n = size < sizeof(page) ? (size_t)size : sizeof(page);

    if (size < STORE_SEGMENT_OFF + heap_min_size(sizeof(struct segment)) ||
        size > HEAP_MAX_SIZE)
        return error_set(TN_ENOTSTORE, "%s: it is too %s for a store", r->path,
                         size > HEAP_MAX_SIZE ? "large" : "small");
    r->unknown = file_read(&r->in, page, n, 0) == TN_OK &&
                 base->magic != SEGMENT_MAGIC &&
                 memcmp(page, STORE_MAGIC, 8) != 0 &&
                 !is_sealed((const struct superblock *)page);
    return TN_OK;
}

static tn_status read_superblock(const struct repair *r, struct superblock *sb,
                                 uint64_t *state)
{
    if (file_read(&r->in, sb, sizeof(*sb), 0) != TN_OK)
        memset(sb, 0, sizeof(*sb));
    if (file_read(&r->in, state, sizeof(*state), STORE_STATE_OFF) != TN_OK)
        *state = STORE_LIVE;
    return require_known(r, sb);
}

/* Its commits go on from what was there, unless their numbers are nearly used
 * up. */
static void take_superblock(struct repair *r)
{
    struct superblock *sb = &r->made.superblock;
    bool sealed;

    memcpy(sb, r->made.region.base, sizeof(*sb));
    sealed = is_sealed(sb);
    memset(r->made.region.base, 0, STORE_SEGMENT_OFF);
    sb->zeroed = 0;
    if (sb->commit_number >= STORE_MOST_NUMBERS / 2)
        sb->commit_number = 0;
    if (sealed && sb->max_size >= sb->file_size &&
        sb->max_size % STORE_PAGE == 0 && sb->max_size <= HEAP_MAX_SIZE)
        return;
    r->result.superblock_lost = true;
    memset(sb, 0, sizeof(*sb));
    default_identity(sb);
    sb->max_size = DEFAULT_MAX_SIZE;
    sb->index = sb->fit = UINT32_MAX; /* salvage.c finds out */
}

/* Of what is no hole. */
static tn_status take_digests(struct repair *r)
{
    uint64_t page = 0, start, end;
    tn_status status = TN_OK;

    while (status == TN_OK && page < r->pages) {
        status = file_find_data(&r->made.file, page * STORE_PAGE, &start, &end);
        if (status != TN_OK)
            break;
        for (page = start / STORE_PAGE;
             page < r->pages && page * STORE_PAGE < end; page++)
            r->digests[page] = sums_of(r->made.region.base + page * STORE_PAGE);
    }
    return status;
}

tn_status repair_copy(struct repair *r, const char *new_path)
{
    tn_store *made = &r->made;
    struct superblock sb;
    uint64_t size, state, total;
    bool dense;
    mode_t mode;
    tn_status status = file_size(&r->in, &size);

    if (status == TN_OK)
        status = recognise(r, size);
    if (status == TN_OK)
        status = file_is_dense(&r->in, 0, size, &dense);
    if (status == TN_OK)
        status = read_superblock(r, &sb, &state);
    if (status == TN_OK)
        status = file_mode(&r->in, &mode);
    if (status != TN_OK)
        return status;
    r->sparse = !dense;
    total = size_for(&sb, size);
    made->path = (char *)new_path;
    made->access = TN_SHARED;
    made->superblock.max_size =
        total > DEFAULT_MAX_SIZE ? total : DEFAULT_MAX_SIZE;
    status = file_create_unnamed(&made->file, new_path, mode);
    if (status == TN_OK)
        status = make_room(r, size, total);
    if (status == TN_OK)
        status = copy_file(r, size);
    if (status == TN_OK)
        status = store_map_only(made, REGION_SHARED, NULL, UINT64_MAX);
    if (status == TN_OK)
        status = lay_journal(r, state);
    if (status != TN_OK)
        return status;
    take_superblock(r);
    status = take_digests(r);
    if (status != TN_OK)
        return status;
    if (state == STORE_SHARED)
        r->result.sums_used = false;
    else
        r->result.sums_used = true; /* if there are any: salvage.c */
    status = superblock_new_uuid(&made->superblock);
    return status == TN_OK ? superblock_new_commit(&made->superblock) : status;
}
