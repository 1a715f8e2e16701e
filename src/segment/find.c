/* find.c - look up objects, with or without the lock; destroy them
 *
 * Whoever looks reads names_sequence, looks, and reads it again: had anything
 * moved meanwhile, it looks once more.  The indexes check every offset they
 * follow, so that even a look at a half-changed one does no harm.  Finders so
 * write nothing that others read, and do not hold each other up.
 *
 * Where names change all the time, or an atomic section is open whose names are
 * to appear at once, a finder takes the lock of names instead.  A view for
 * reading only cannot, and waits.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/assert.h"
#include "base/error.h"
#include "segment/construct.h"
#include "segment/segment.h"
#include "sync/sequence.h"

enum { FREE_LOOKS = 4 }; /* without the lock of names */

/* Under the lock of names, or between two looks at names_sequence. */
static inline __attribute__((always_inline)) void
look_up(const tn_segment *seg, const struct segment_name *name,
        const tn_type *type, struct found *found)
{
    const struct heap *h = segment_heap(seg);

    found->record = index_find(h, segment_index(seg, name->kind), name->bytes,
                               name->length);
    if (found->record == 0)
        return;
    found->type_matches = type_matches(h, found->record, type);
    found->elements = record_elements(h, found->record);
    found->count = record_count(h, found->record);
}

static tn_status look_up_live(const tn_segment *seg,
                              const struct segment_name *name,
                              const tn_type *type, struct found *found)
{
    const uint64_t *sequence = &seg->base->names_sequence;
    uint64_t seen;

    do {
        tn_status status = segment_within_reach(seg);

        if (status != TN_OK)
            return status;
        if (!sequence_begin(sequence, &seen))
            return error_set(TN_EBUSY, "whoever changes the names is dead or "
                                       "stopped; the next shared opener will "
                                       "put them right");
        look_up(seg, name, type, found);
    } while (!sequence_same(sequence, seen));
    return TN_OK;
}

bool segment_look_up_freely(const tn_segment *seg,
                            const struct segment_name *name,
                            const tn_type *type, struct found *found)
{
    const struct segment *base = seg->base;
    uint64_t sections, seen;

    if (!seg->locking) {
        look_up(seg, name, type, found);
        return true;
    }
    if (!seg->reaches_all)
        return false;
    for (int look = 0; look < FREE_LOOKS; look++) {
        sections = __atomic_load_n(&base->sections, __ATOMIC_ACQUIRE);
        seen = __atomic_load_n(&base->names_sequence, __ATOMIC_ACQUIRE);
        if ((uint32_t)sections != 0 || (seen & 1) != 0)
            return false;
        look_up(seg, name, type, found);
        if (sequence_same(&base->names_sequence, seen) &&
            sequence_same(&base->sections, sections))
            return true;
    }
    return false;
}

static tn_status look_up_shared(const tn_segment *seg,
                                const struct segment_name *name,
                                const tn_type *type, struct found *found)
{
    tn_status status;

    if (segment_look_up_freely(seg, name, type, found))
        return TN_OK;
    status = segment_lock_names(seg);
    if (status == TN_OK) {
        look_up(seg, name, type, found);
        segment_unlock_names(seg);
    }
    return status;
}

/* What was found, if it is what was asked for. */
static inline __attribute__((always_inline)) tn_status
hand_over(const struct found *found, const struct segment_name *name,
          const tn_type *type, void **out, size_t *count)
{
    if (unlikely(found->record == 0))
        return error_set(TN_ENOENT, "%s: there is no such object", name->bytes);
    if (unlikely(!found->type_matches))
        return error_set(TN_ETYPE, "%s is not a %s", name->bytes, type->name);
    if (out != NULL)
        *out = found->elements;
    if (count != NULL)
        *count = found->count;
    return TN_OK;
}

/* Where others use the segment too. */
static __attribute__((noinline)) tn_status
find_among_others(const tn_segment *seg, const struct segment_name *name,
                  const tn_type *type, void **out, size_t *count)
{
    struct found found;
    tn_status status = seg->live ? look_up_live(seg, name, type, &found)
                                 : look_up_shared(seg, name, type, &found);

    return status == TN_OK ? hand_over(&found, name, type, out, count) : status;
}

TN_API tn_status tn_find(const tn_segment *seg, const char *name,
                         const tn_type *type, void **out, size_t *count)
{
    struct segment_name key;
    struct found found;
    tn_status status = segment_resolve_name(seg, name, type, &key);

    if (unlikely(status != TN_OK))
        return status;
    if (unlikely(key.kind == TN_KIND_ANONYMOUS))
        return error_set(TN_EINVAL, "an anonymous object cannot be found");
    if (seg->locking || seg->live)
        return find_among_others(seg, &key, type, out, count);
    look_up(seg, &key, type, &found);
    return hand_over(&found, &key, type, out, count);
}

/* --- Destroying ----------------------------------------------------------- */

/* May the object be destroyed as this?  The caller holds the heap lock; no lock
 * guards an anonymous object until now, so another may have taken it. */
static tn_status check_victim(const tn_segment *seg, uint64_t record,
                              tn_kind kind, const tn_type *type)
{
    const struct heap *h = segment_heap(seg);

    if (!record_verify(h, segment_index_kind(seg), record) ||
        record_kind(h, record) != kind)
        return error_set(TN_EINVAL,
                         "the object at %#lx is damaged, or being "
                         "destroyed by another",
                         (unsigned long)record);
    if (!type_matches(h, record, type))
        return error_set(TN_ETYPE, "the object is a %s, not a %s",
                         record_type(h, record)->name, type->name);
    return TN_OK;
}

/* Take the name out of its index; from here on the object is nobody's but
 * ours, and recovery's if we die. */
static tn_status retire(tn_segment *seg, uint64_t record, tn_kind kind,
                        const tn_type *type)
{
    struct heap *h = segment_heap(seg);
    struct segment *base = seg->base;
    tn_status status = segment_lock_heap(seg);

    if (status != TN_OK)
        return status;
    status = check_victim(seg, record, kind, type);
    if (status == TN_OK && kind != TN_KIND_ANONYMOUS) {
        sequence_open(&base->names_sequence);
        status = index_remove(h, segment_index(seg, kind), record);
        if (status != TN_OK)
            error_set(status, "the names in the segment are damaged");
    }
    if (status == TN_OK)
        heap_set_state(h, record_block(h, segment_index_kind(seg), record),
                       BLOCK_BUILDING);
    if (kind != TN_KIND_ANONYMOUS)
        sequence_close(&base->names_sequence);
    segment_unlock_heap(seg);
    return status;
}

/* The caller holds the lock of names, unless the object is anonymous. */
static tn_status destroy(tn_segment *seg, uint64_t record, tn_kind kind,
                         const tn_type *type)
{
    struct heap *h = segment_heap(seg);
    tn_status status;

    segment_count_building(seg, kind, 1);
    status = retire(seg, record, kind, type);
    if (status == TN_OK) {
        segment_finish_elements(seg, type, record_elements(h, record),
                                record_count(h, record));
        status = segment_discard(seg, record);
        if (status != TN_OK)
            return status; /* still counted: for the next rebuild to take */
    }
    segment_count_building(seg, kind, -1);
    return status;
}

TN_API tn_status tn_destroy(tn_segment *seg, const char *name,
                            const tn_type *type)
{
    struct segment_name key;
    uint64_t record;
    tn_status status = segment_writable(seg);

    if (status == TN_OK)
        status = segment_resolve_name(seg, name, type, &key);
    if (status == TN_OK && key.kind == TN_KIND_ANONYMOUS)
        status = error_set(TN_EINVAL, "an anonymous object is destroyed by "
                                      "its address");
    if (status == TN_OK)
        status = segment_lock_names(seg);
    if (status != TN_OK)
        return status;
    record = index_find(segment_heap(seg), segment_index(seg, key.kind),
                        key.bytes, key.length);
    status = record != 0 ? destroy(seg, record, key.kind, type)
                         : error_set(TN_ENOENT, "%s: there is no such object",
                                     key.bytes);
    segment_unlock_names(seg);
    return status;
}

/* The record of an object somebody may just be destroying is told apart from
 * a sound one only under the lock. */
static tn_status find_by_address(tn_segment *seg, const void *object,
                                 uint64_t *record, tn_kind *kind)
{
    tn_status status = segment_lock_heap(seg);

    if (status != TN_OK)
        return status;
    *record = segment_record_of(seg, object);
    if (*record != 0)
        *kind = record_kind(segment_heap(seg), *record);
    segment_unlock_heap(seg);
    return *record != 0
               ? TN_OK
               : error_set(TN_EINVAL, "there is no object at %p", object);
}

TN_API tn_status tn_destroy_ptr(tn_segment *seg, void *object,
                                const tn_type *type)
{
    uint64_t record;
    tn_kind kind;
    tn_status status = segment_writable(seg);

    if (status == TN_OK)
        status = segment_check_type(type);
    if (status == TN_OK)
        status = find_by_address(seg, object, &record, &kind);
    if (status != TN_OK)
        return status;
    if (kind == TN_KIND_ANONYMOUS)
        return destroy(seg, record, kind, type);
    status = segment_lock_names(seg);
    if (status != TN_OK)
        return status;
    status = find_by_address(seg, object, &record, &kind); /* it may be gone */
    if (status == TN_OK)
        status = destroy(seg, record, kind, type);
    segment_unlock_names(seg);
    return status;
}
