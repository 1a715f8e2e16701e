/* rebuild.c - everything that can be derived, built anew from the chain
 *
 * The chain of blocks says of every block what it is used for (block_state in
 * heap/layout.h), and the record of every object says its kind, type and name.
 * So bins and trees of the heap, the descriptors' tree and counts, and both
 * name indexes are caches, and this file makes them again:
 *
 *     heap_rebuild()        free blocks into their places, sums
 *     sweep                 BLOCK_INDEX blocks are freed, and those in state
 *                           BLOCK_BUILDING whose builder is dead
 *     type_rebuild()        descriptors and how many objects refer to each
 *     index_insert()        each named and unique object
 *
 * Which builders are dead?  A named or unique object is built under the lock of
 * names, which the caller now has: all of those.  An anonymous one may be some
 * living process's, unless nobody else uses the segment (everyone_is_dead).  A
 * block without a sound record was cut short inside record_create(), which
 * runs under the heap lock: dead.
 *
 * Killed anywhere in here, the next one starts again: freed blocks are free,
 * and what was not swept yet is swept then.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "segment/segment.h"
#include "sync/sequence.h"

#include <stdlib.h>
#include <string.h>

static tn_status rebuild_types(const tn_segment *seg)
{
    sequence_open(&seg->base->types_sequence);
    type_rebuild(segment_heap(seg), segment_index_kind(seg), &seg->base->types);
    sequence_close(&seg->base->types_sequence);
    return TN_OK;
}

tn_status rebuild_heap(const tn_segment *seg)
{
    tn_status status = magazines_rebuild_heap(seg);

    return status == TN_OK ? rebuild_types(seg) : status;
}

/* Is the block at payload garbage now? */
static bool is_garbage(const tn_segment *seg, const void *payload,
                       enum block_state state, bool everyone_is_dead)
{
    const struct heap *h = segment_heap(seg);
    uint64_t record;

    if (state == BLOCK_INDEX)
        return seg->magazines == NULL || payload != seg->magazines;
    if (state != BLOCK_BUILDING)
        return false;
    record = record_in_block(h, segment_index_kind(seg), payload);
    return everyone_is_dead || record == 0 ||
           record_kind(h, record) != TN_KIND_ANONYMOUS;
}

/* Freeing merges a block with its neighbours, so the walk goes on from the last
 * block that stayed. */
static tn_status sweep(const tn_segment *seg, bool everyone_is_dead)
{
    struct heap *h = segment_heap(seg);
    enum block_state state;
    uint64_t stayed = 0, block;
    size_t usable;
    void *payload;

    while ((block = heap_next_block(h, stayed, &payload, &state, &usable)) !=
           0) {
        /* A free block may merge with the next garbage: do not stay there. */
        while (block != 0 && (state == BLOCK_FREE || state == BLOCK_QUICK))
            block = heap_next_block(h, block, &payload, &state, &usable);
        if (block == 0)
            break;
        if (!is_garbage(seg, payload, state, everyone_is_dead))
            stayed = block;
        else if (heap_free(h, payload) != TN_OK)
            return error_set(TN_ECORRUPT, "the block at %#lx cannot be freed",
                             (unsigned long)block);
    }
    return TN_OK;
}

/* --- Names ---------------------------------------------------------------- */

/* An object that has a name. */
struct found {
    uint64_t record;
    const char *name;
    size_t length;
};

/* All of them, or as many as there is room for. */
struct census {
    struct found *found;
    size_t count, room;
};

static int by_name(const void *one, const void *other)
{
    const struct found *a = one, *b = other;
    int order =
        memcmp(a->name, b->name, a->length < b->length ? a->length : b->length);

    return order != 0 ? order
                      : (a->length > b->length) - (a->length < b->length);
}

static tn_status insert_anew(const tn_segment *seg, const struct found *object)
{
    struct heap *h = segment_heap(seg);
    struct index *ix = segment_index(seg, record_kind(h, object->record));
    tn_status status;

    if (index_find(h, ix, object->name, object->length) != 0)
        return error_set(TN_ECORRUPT, "two objects are named %s", object->name);
    status = index_insert(h, ix, object->record);
    if (status == TN_ENOMEM && segment_make_room(seg, 0) == TN_OK)
        status = index_insert(h, ix, object->record);
    return status;
}

/* Count the objects that have a name, and note those that there is room for. */
static tn_status take_census(const tn_segment *seg, struct census *census)
{
    struct heap *h = segment_heap(seg);
    tn_index kind = segment_index_kind(seg);
    enum block_state state;
    uint64_t block = 0, record;
    size_t usable;
    void *payload;

    census->count = 0;
    while ((block = heap_next_block(h, block, &payload, &state, &usable)) !=
           0) {
        struct found object;

        if (state != BLOCK_OBJECT)
            continue;
        record = record_in_block(h, kind, payload);
        if (record == 0)
            return error_set(TN_ECORRUPT, "the object at %#lx is damaged",
                             (unsigned long)block);
        if (record_kind(h, record) == TN_KIND_ANONYMOUS)
            continue;
        object.record = record;
        object.name = record_name(h, kind, record, &object.length);
        if (census->count < census->room)
            census->found[census->count] = object;
        census->count++;
    }
    return TN_OK;
}

/* In the order of names, for then all kinds of index come out dense: a segment
 * that is full has room for the names that it had. */
static tn_status index_all_objects(const tn_segment *seg)
{
    struct census census = {.room = 0};
    tn_status status = take_census(seg, &census);

    if (status != TN_OK || census.count == 0)
        return status;
    census.room = census.count;
    census.found = malloc(census.room * sizeof(*census.found));
    if (census.found == NULL)
        return error_set(TN_ENOMEM, "no memory to sort %zu names", census.room);
    status = take_census(seg, &census);
    qsort(census.found, census.count, sizeof(*census.found), by_name);
    for (size_t i = 0; status == TN_OK && i < census.count; i++)
        status = insert_anew(seg, &census.found[i]);
    free(census.found);
    return status;
}

/* --- All of it ------------------------------------------------------------ */

static tn_status rebuild_indexes(const tn_segment *seg, bool everyone_is_dead)
{
    struct segment *base = seg->base;
    tn_index kind = segment_index_kind(seg);
    tn_status status;

    sequence_open(&base->names_sequence);
    base->sums = 0; /* swept like all of the indexes' memory */
    status = sweep(seg, everyone_is_dead);
    if (status == TN_OK)
        status = rebuild_types(seg);
    if (status != TN_OK)
        return status;
    index_init(&base->named, kind);
    index_init(&base->unique, kind);
    status = index_all_objects(seg);
    if (status != TN_OK)
        return status;
    base->building = 0;
    if (everyone_is_dead)
        base->building_alone = 0;
    sequence_close(&base->names_sequence);
    return TN_OK;
}

tn_status rebuild_names(const tn_segment *seg)
{
    return rebuild_indexes(seg, false);
}

tn_status segment_rebuild(tn_segment *seg)
{
    tn_status status = heap_rebuild(segment_heap(seg));

    seg->magazines = NULL; /* swept with the memory of the indexes */
    if (status == TN_OK)
        seg->base->magazines = 0;
    return status == TN_OK ? rebuild_indexes(seg, true) : status;
}
