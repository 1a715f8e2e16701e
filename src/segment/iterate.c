/* iterate.c - walk over objects while others come and go
 *
 * A walk keeps no lock between two steps.  What it keeps is the name (or for
 * anonymous objects the address) it met last, and a cursor into the index that
 * is good as long as names_sequence has not moved.  If it has, the walk looks
 * up the first name behind the last one again.  So an object that is there all
 * the time is met exactly once.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "segment/segment.h"
#include "sync/sequence.h"

#include <stdlib.h>
#include <string.h>

enum { LOOKS = 100 }; /* at a heap that changes meanwhile */

struct tn_iter {
    const tn_segment *seg;
    tn_kind kind;
    bool ended;
    bool started;
    uint64_t sequence; /* at which cursor or block was good */
    struct index_cursor cursor;
    uint64_t block; /* anonymous: the block met last */
    size_t prefix_length, last_length;
    char *prefix;
    char last[TN_NAME_MAX + 1];
};

TN_API tn_status tn_iter_open(const tn_segment *seg, tn_kind kind,
                              const char *prefix, tn_iter **out)
{
    tn_iter *iter = calloc(1, sizeof(*iter));

    if (iter == NULL)
        return error_set(TN_ENOMEM, "no memory for a walk");
    iter->seg = seg;
    iter->kind = kind;
    iter->prefix = strdup(prefix != NULL ? prefix : "");
    if (iter->prefix == NULL) {
        free(iter);
        return error_set(TN_ENOMEM, "no memory for a walk");
    }
    iter->prefix_length = strlen(iter->prefix);
    *out = iter;
    return TN_OK;
}

TN_API void tn_iter_close(tn_iter *iter)
{
    if (iter == NULL)
        return;
    index_cursor_fini(&iter->cursor);
    free(iter->prefix);
    free(iter);
}

/* --- Named and unique objects --------------------------------------------- */

static uint64_t next_record(tn_iter *iter)
{
    const struct segment *base = iter->seg->base;
    const struct index *ix = segment_index(iter->seg, iter->kind);
    uint64_t record = 0;
    tn_status status;

    if (iter->started && iter->sequence == base->names_sequence)
        return index_next(&base->heap, ix, &iter->cursor);
    index_cursor_fini(&iter->cursor);
    memset(&iter->cursor, 0, sizeof(iter->cursor));
    if (iter->started)
        status = index_seek(&base->heap, ix, &iter->cursor, iter->last,
                            iter->last_length, true, &record);
    else
        status = index_seek(&base->heap, ix, &iter->cursor, iter->prefix,
                            iter->prefix_length, false, &record);
    iter->sequence = base->names_sequence;
    return status == TN_OK ? record : 0;
}

static bool next_by_name(tn_iter *iter, tn_object *out)
{
    const struct heap *h = segment_heap(iter->seg);
    tn_index kind = segment_index_kind(iter->seg);
    uint64_t record = next_record(iter);

    if (record == 0 || !record_verify(h, kind, record))
        return false;
    segment_fill_object(iter->seg, record, out);
    if (out->name == NULL || out->name_length < iter->prefix_length ||
        memcmp(out->name, iter->prefix, iter->prefix_length) != 0)
        return false;
    iter->started = true;
    iter->last_length = out->name_length;
    memcpy(iter->last, out->name, out->name_length + 1);
    return true;
}

/* A live view has no lock: what was read counts only if nothing moved. */
static bool next_live(tn_iter *iter, tn_object *out)
{
    const uint64_t *sequence = &iter->seg->base->names_sequence;
    tn_iter before;
    uint64_t seen;
    bool more;

    for (;;) {
        if (segment_within_reach(iter->seg) != TN_OK)
            return false;
        if (!sequence_begin(sequence, &seen)) {
            error_set(TN_EBUSY, "whoever changes the names is dead or stopped");
            return false;
        }
        before = *iter;
        more = next_by_name(iter, out);
        if (sequence_same(sequence, seen))
            return more;
        before.cursor = iter->cursor; /* its memory may be another now */
        before.sequence = seen - 1;   /* and is no longer good */
        *iter = before;
    }
}

static bool next_locked(tn_iter *iter, tn_object *out)
{
    bool more;

    if (segment_lock_names(iter->seg) != TN_OK)
        return false;
    more = next_by_name(iter, out);
    segment_unlock_names(iter->seg);
    return more;
}

/* --- Anonymous objects ---------------------------------------------------- */

/* The first block behind the one met last.  When the heap has changed that one
 * may have merged into another, so the walk starts over from the front. */
static uint64_t next_block(tn_iter *iter, void **payload,
                           enum block_state *state)
{
    const struct heap *h = segment_heap(iter->seg);
    uint64_t block = iter->block;
    size_t usable;

    if (iter->sequence == heap_sequence(h))
        return heap_next_block(h, block, payload, state, &usable);
    iter->sequence = heap_sequence(h);
    block = 0;
    do
        block = heap_next_block(h, block, payload, state, &usable);
    while (block != 0 && block <= iter->block);
    return block;
}

static bool next_anonymous(tn_iter *iter, tn_object *out)
{
    const struct heap *h = segment_heap(iter->seg);
    enum block_state state;
    uint64_t record;
    void *payload;

    while ((iter->block = next_block(iter, &payload, &state)) != 0) {
        if (state != BLOCK_OBJECT)
            continue;
        record = record_in_block(h, segment_index_kind(iter->seg), payload);
        if (record == 0 || record_kind(h, record) != TN_KIND_ANONYMOUS)
            continue;
        segment_fill_object(iter->seg, record, out);
        return true;
    }
    return false;
}

/* As next_live(), by the sequence of the heap.  One that never stands still is
 * believed as it is: its chain can be walked at any moment. */
static bool next_anonymous_live(tn_iter *iter, tn_object *out)
{
    const uint64_t *sequence = &segment_heap(iter->seg)->sequence;
    uint64_t seen, block = iter->block;
    bool more = false;

    for (int look = 0; look < LOOKS; look++) {
        if (segment_within_reach(iter->seg) != TN_OK ||
            !sequence_begin(sequence, &seen))
            return false;
        iter->block = block;
        more = next_anonymous(iter, out);
        if (sequence_same(sequence, seen))
            break;
        iter->sequence = seen - 1; /* never the heap's: start over */
    }
    return more;
}

static bool next_anonymous_locked(tn_iter *iter, tn_object *out)
{
    bool more;

    if (segment_lock_heap(iter->seg) != TN_OK)
        return false;
    more = next_anonymous(iter, out);
    segment_unlock_heap(iter->seg);
    return more;
}

TN_API bool tn_iter_next(tn_iter *iter, tn_object *out)
{
    bool more;

    if (iter->ended)
        return false;
    if (iter->kind == TN_KIND_ANONYMOUS && iter->seg->live)
        more = next_anonymous_live(iter, out);
    else if (iter->kind == TN_KIND_ANONYMOUS)
        more = next_anonymous_locked(iter, out);
    else if (iter->seg->live)
        more = next_live(iter, out);
    else
        more = next_locked(iter, out);
    iter->ended = !more;
    return more;
}
