/* walk.c - visit every block of a segment
 *
 *     0            first        ...                       end        size
 *     +------------+-----------+-----------+-----+--------+----------+
 *     | headers    | block     | block     | ... | block  | the end  |
 *     +------------+-----------+-----------+-----+--------+----------+
 *
 *   W1  The pieces visited tile the segment, whatever the blocks are.
 *
 * Under the locks a walk is one pass over the chain of blocks.  A live view has
 * none: the chain is noted first, and again if the heap has changed meanwhile;
 * then the blocks of that moment are visited.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "segment/segment.h"
#include "sync/sequence.h"

#include <inttypes.h>
#include <stdlib.h>

enum { LOOKS = 100 }; /* at a heap that others change meanwhile */

/* A block as its header tells. */
struct piece {
    uint64_t off; /* of the payload */
    uint64_t bytes;
    enum block_state state;
};

/* The block behind piece, or with off 0 the first one. */
static bool next_piece(const struct heap *h, struct piece *piece)
{
    size_t usable;
    void *payload;

    piece->off =
        heap_next_block(h, piece->off, &payload, &piece->state, &usable);
    piece->bytes = usable + HEAP_OVERHEAD;
    return piece->off != 0;
}

/* --- Visiting ------------------------------------------------------------- */

static tn_use use_of(const tn_segment *seg, const struct piece *piece)
{
    static const tn_use uses[] = {
        [BLOCK_FREE] = TN_USE_FREE,         [BLOCK_QUICK] = TN_USE_WAITING,
        [BLOCK_RAW] = TN_USE_RAW,           [BLOCK_OBJECT] = TN_USE_OBJECT,
        [BLOCK_BUILDING] = TN_USE_BUILDING, [BLOCK_INDEX] = TN_USE_INDEX,
        [BLOCK_TYPE] = TN_USE_TYPE,         [BLOCK_FIXED] = TN_USE_OWN,
    };

    if (piece->state == BLOCK_INDEX && piece->off == seg->base->sums)
        return TN_USE_SUMS;
    if (piece->state == BLOCK_INDEX && piece->off == seg->base->magazines)
        return TN_USE_OWN;
    return uses[piece->state];
}

static tn_status visit_piece(const tn_segment *seg, const struct piece *piece,
                             tn_visit_fn *visit, void *arg)
{
    const struct heap *h = segment_heap(seg);
    tn_block block = {.offset = piece->off - HEAP_OVERHEAD,
                      .bytes = piece->bytes,
                      .handle = piece->off,
                      .use = use_of(seg, piece)};
    uint64_t record;

    if (block.use == TN_USE_OBJECT) {
        record =
            record_in_block(h, segment_index_kind(seg), heap_at(h, piece->off));
        if (record != 0)
            segment_fill_object(seg, record, &block.object);
    }
    return visit(arg, &block);
}

/* What is in front of the first block, and from the end block on. */
static tn_status visit_own(uint64_t offset, uint64_t end, tn_visit_fn *visit,
                           void *arg)
{
    tn_block block = {
        .offset = offset, .bytes = end - offset, .use = TN_USE_OWN};

    return visit(arg, &block);
}

static tn_status visit_end(const struct heap *h, const struct piece *last,
                           tn_visit_fn *visit, void *arg)
{
    uint64_t off = last->off == 0 ? h->first : last->off + last->bytes;

    if (off != h->end)
        return error_set(TN_ECORRUPT,
                         "the chain of blocks is broken at %" PRIu64, off);
    return visit_own(off - HEAP_OVERHEAD, heap_size(h), visit, arg);
}

/* The caller has both locks, or the only handle. */
static tn_status walk(const tn_segment *seg, tn_visit_fn *visit, void *arg)
{
    const struct heap *h = segment_heap(seg);
    struct piece piece = {0}, last = {0};
    tn_status status = visit_own(0, h->first - HEAP_OVERHEAD, visit, arg);

    while (status == TN_OK && next_piece(h, &piece)) {
        status = visit_piece(seg, &piece, visit, arg);
        last = piece;
    }
    return status == TN_OK ? visit_end(h, &last, visit, arg) : status;
}

static tn_status walk_locked(const tn_segment *seg, tn_visit_fn *visit,
                             void *arg)
{
    tn_status status = segment_lock_names(seg);

    if (status != TN_OK)
        return status;
    status = segment_stop(seg); /* those too who need no heap lock */
    if (status == TN_OK) {
        status = walk(seg, visit, arg);
        segment_go(seg);
    }
    segment_unlock_names(seg);
    return status;
}

/* --- Live views ----------------------------------------------------------- */

/* The chain at one moment. */
struct chain {
    struct piece *pieces;
    size_t count, capacity;
    struct heap heap; /* its header then */
};

static bool chain_add(struct chain *chain, const struct piece *piece)
{
    struct piece *pieces = chain->pieces;
    size_t capacity = chain->capacity, bytes;

    if (chain->count == capacity) {
        capacity = capacity == 0 ? 1024 : 2 * capacity;
        if (!bytes_mul(capacity, sizeof(*pieces), &bytes))
            return false;
        pieces = realloc(pieces, bytes);
        if (pieces == NULL)
            return false;
        chain->pieces = pieces;
        chain->capacity = capacity;
    }
    pieces[chain->count++] = *piece;
    return true;
}

/* Note the chain; *still: nobody has changed it meanwhile. */
static tn_status note(const tn_segment *seg, struct chain *chain, bool *still)
{
    const struct heap *h = segment_heap(seg);
    struct piece piece = {0};
    uint64_t seen;

    *still = false;
    if (!sequence_begin(&h->sequence, &seen))
        return error_set(TN_EBUSY, "whoever changes the heap is dead or "
                                   "stopped");
    chain->heap = *h;
    chain->count = 0;
    while (segment_within_reach(seg) == TN_OK && next_piece(h, &piece))
        if (!chain_add(chain, &piece))
            return error_set(TN_ENOMEM, "no memory to note %zu blocks",
                             chain->count);
    *still = sequence_same(&h->sequence, seen);
    return TN_OK;
}

static tn_status visit_noted(const tn_segment *seg, const struct chain *chain,
                             tn_visit_fn *visit, void *arg)
{
    struct piece last = {0};
    tn_status status =
        visit_own(0, chain->heap.first - HEAP_OVERHEAD, visit, arg);

    for (size_t i = 0; status == TN_OK && i < chain->count; i++) {
        last = chain->pieces[i];
        status = visit_piece(seg, &last, visit, arg);
    }
    if (status != TN_OK)
        return status;
    return visit_end(&chain->heap, &last, visit, arg);
}

static tn_status walk_live(const tn_segment *seg, tn_visit_fn *visit, void *arg)
{
    struct chain chain = {0};
    bool still = false;
    tn_status status = segment_within_reach(seg);

    for (int look = 0; status == TN_OK && !still && look < LOOKS; look++)
        status = note(seg, &chain, &still);
    if (status == TN_OK && !still)
        status = error_set(TN_EBUSY, "a view for reading only cannot hold a "
                                     "store still that others change");
    if (status == TN_OK)
        status = visit_noted(seg, &chain, visit, arg);
    free(chain.pieces);
    return status;
}

TN_API tn_status tn_walk(const tn_segment *seg, tn_visit_fn *visit, void *arg)
{
    if (seg == NULL || visit == NULL)
        return error_set(TN_EINVAL, "a walk needs a segment and a function");
    return seg->live ? walk_live(seg, visit, arg)
                     : walk_locked(seg, visit, arg);
}
