/* segment.h - a heap, two indexes, two locks and one header
 *
 * What store/ and check/ need of a segment beyond <tenon/segment.h>.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef SEGMENT_SEGMENT_H
#define SEGMENT_SEGMENT_H

#include "base/assert.h"
#include "base/report.h"
#include "heap/heap.h"
#include "index/index.h"
#include "segment/layout.h"
#include "tenon/segment.h"

#include <string.h>

/* Where more bytes come from: make size bytes from the segment's start usable
 * and zero, at the same addresses.  The caller holds the heap lock. */
typedef tn_status segment_extend_fn(void *arg, size_t size);

/* How else free memory is made zero than by heap_zero_free().  The caller has
 * stopped all users. */
typedef void segment_wipe_fn(void *arg);

enum segment_memory {
    SEGMENT_BUFFER, /* the caller's bytes */
    SEGMENT_HEAP,   /* from malloc(), may move */
    SEGMENT_STORE,  /* a store's mapping */
};

/* A process's handle of a segment. */
struct tn_segment {
    struct segment *base;
    size_t reach;    /* bytes of addresses behind base that are the segment's */
    size_t max_size; /* bytes it may grow to */
    size_t grow_step; /* 0: an eighth of the size; TN_NO_GROWTH: never */
    bool locking;     /* others use it too: take the locks */
    bool reaches_all; /* nobody can make it larger than reach */
    bool read_only;
    bool live;                   /* read-only, while others may write */
    struct magazines *magazines; /* NULL: none */
    enum segment_memory memory;
    segment_extend_fn *extend; /* NULL: cannot grow by itself */
    void *extend_arg;
    segment_wipe_fn *wipe; /* NULL: as the heap does it */
    void *wipe_arg;
};

static inline struct heap *segment_heap(const tn_segment *seg)
{
    return &seg->base->heap;
}

/* --- segment.c ----------------------------------------------------------- */

/* Make an empty segment of size bytes at base.  TN_ESIZE, TN_EINVAL. */
tn_status segment_format(struct segment *base, size_t size,
                         const tn_options *options);

/* Do the bytes at base look like a segment that available bytes can hold?
 * TN_ENOTSTORE, TN_EVERSION, TN_ESIZE, TN_ECORRUPT. */
tn_status segment_verify(const struct segment *base, size_t available);

/* Make unlocked locks; nobody else uses the segment. */
tn_status segment_reset_locks(struct segment *base);

static inline tn_index segment_index_kind(const tn_segment *seg)
{
    return (tn_index)seg->base->named.kind;
}

static inline struct index *segment_index(const tn_segment *seg, tn_kind kind)
{
    return kind == TN_KIND_UNIQUE ? &seg->base->unique : &seg->base->named;
}

/* TN_EROFS for a segment that may only be read. */
tn_status segment_writable(const tn_segment *seg);

/* --- locking.c ------------------------------------------------------------
 *
 * Nothing happens for a segment without locking.  The lock of names is
 * recursive and comes first.  A result other than TN_OK means not locked. */
tn_status segment_lock_names(const tn_segment *seg);
tn_status segment_try_lock_names(const tn_segment *seg);
void segment_unlock_names(const tn_segment *seg);
tn_status segment_lock_shared_heap(const tn_segment *seg);

static inline tn_status segment_lock_heap(const tn_segment *seg)
{
    return seg->locking ? segment_lock_shared_heap(seg) : TN_OK;
}

static inline void segment_unlock_heap(const tn_segment *seg)
{
    if (seg->locking)
        mutex_unlock(&seg->base->heap_lock);
}

/* TN_ENOMEM: another process has made the segment larger than what this one
 * has addresses for. */
tn_status segment_within_reach(const tn_segment *seg);

/* Was somebody killed in the middle of a change, or without having dropped the
 * magazines?  Nobody else uses it. */
bool segment_is_torn(const struct segment *base);

/* --- magazines.c --------------------------------------------------------- */

/* Allocate n bytes, or take back p, without the heap lock.  NULL or false: this
 * cannot be done so. */
void *magazines_alloc(const tn_segment *seg, size_t n);
bool magazines_free(const tn_segment *seg, void *p);

/* The caller of the next four holds the heap lock.  Allocate by fetching more;
 * take back p by making room; free all that waits, as memory is needed (is
 * there more now?); rebuild the heap. */
void *magazines_fetch(const tn_segment *seg, size_t n);
bool magazines_keep(const tn_segment *seg, void *p);
bool magazines_reclaim(const tn_segment *seg);
tn_status magazines_rebuild_heap(const tn_segment *seg);

/* Take the heap lock and stop all who allocate without it, and let them go.
 * Between the two, magazines_flush() frees all that waits: then the heap is as
 * if there were no magazines. */
tn_status segment_stop(const tn_segment *seg);
void segment_go(const tn_segment *seg);
void magazines_flush(const tn_segment *seg);

/* Make or drop them, while nobody else uses the segment; use those that others
 * made.  False: there is no room, and it goes without. */
bool magazines_make(tn_segment *seg);
void magazines_drop(tn_segment *seg);
void magazines_join(tn_segment *seg);

/* Bytes of the block that they are in, and of those that wait in them. */
size_t magazines_bytes(const tn_segment *seg);
size_t magazines_waiting(const tn_segment *seg);

/* --- rebuild.c ----------------------------------------------------------- */

/* Build heap, types and indexes anew from the chain of blocks, and take back
 * every object that was being made or destroyed.  Nobody else uses the
 * segment.  TN_ECORRUPT, TN_ENOMEM. */
tn_status segment_rebuild(tn_segment *seg);

/* The parts that a dead owner of one lock leaves to do; the caller holds the
 * heap lock, and for the second that of names. */
tn_status rebuild_heap(const tn_segment *seg);
tn_status rebuild_names(const tn_segment *seg);

/* --- extend.c ------------------------------------------------------------ */

/* Make room for an allocation of n bytes.  The caller holds the heap lock.
 * TN_ENOMEM: the segment may not grow, or not so far; TN_ENOSPC ... */
tn_status segment_make_room(const tn_segment *seg, size_t n);

/* --- names.c ------------------------------------------------------------- */

/* Which index and which key a name stands for. */
struct segment_name {
    tn_kind kind;
    const char *bytes;
    size_t length;
};

/* TN_EINVAL: a type without a name.  NULL is TN_OK. */
tn_status segment_check_type(const tn_type *type);

/* TN_EINVAL: no possible name or type.  TN_ENOTSUP: the segment keeps none. */
tn_status segment_resolve_any_name(const tn_segment *seg, const char *name,
                                   const tn_type *type,
                                   struct segment_name *out);

/* The same, quick for the names of named objects. */
static inline tn_status segment_resolve_name(const tn_segment *seg,
                                             const char *name,
                                             const tn_type *type,
                                             struct segment_name *out)
{
    if (likely(name != TN_ANONYMOUS && name != TN_UNIQUE &&
               (type == NULL || type->name != NULL) &&
               segment_index_kind(seg) != TN_INDEX_NULL)) {
        out->kind = TN_KIND_NAMED;
        out->bytes = name;
        out->length = strnlen(name, TN_NAME_MAX + 1);
        if (likely(out->length - 1 < TN_NAME_MAX))
            return TN_OK;
    }
    return segment_resolve_any_name(seg, name, type, out);
}

/* Put what is known of a sound record into out.  Where others change it
 * meanwhile, out holds nonsense, but nothing worse happens. */
void segment_fill_object(const tn_segment *seg, uint64_t record,
                         tn_object *out);

/* The record of the object whose first element is at object, 0: none there. */
uint64_t segment_record_of(const tn_segment *seg, const void *object);

/* --- segment_check.c ----------------------------------------------------- */

/* Report every broken invariant of all layers; takes no lock.  Or only those of
 * header and heap, which takes no look at any object. */
typedef void segment_check_fn(const tn_segment *seg, struct report *report);
segment_check_fn segment_check, segment_check_chain;

/* Run one of these while the segment holds still: under its locks, or, of a
 * live view, so often until nobody changed it meanwhile (TN_EBUSY: there was
 * none such).  TN_ECORRUPT: there were findings. */
tn_status segment_check_still(const tn_segment *seg, segment_check_fn *check,
                              struct report *report);

/* The first named object that reaches into the bytes from off to end, in a heap
 * that may be damaged: its name into buffer, or false; and how many objects are
 * there behind it.  *block, 0 at first, is where to go on for higher bytes. */
bool segment_name_at(const tn_segment *seg, uint64_t off, uint64_t end,
                     uint64_t *block, char *buffer, size_t size,
                     size_t *others);

#endif
