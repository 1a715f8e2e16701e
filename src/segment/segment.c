/* segment.c - make, attach and let go of segments; handles
 *
 *     0              +--------------------------+
 *                    | struct heap              |  struct segment (layout.h):
 *                    | magic, version           |  what the heap calls reserved
 *                    | sequences, roots         |
 *                    | two index roots          |
 *                    | two locks                |
 *     heap's first   +--------------------------+
 *                    | blocks ...               |
 *                    |                          |
 *     size           +--------------------------+
 *
 *   S1  magic and version are ours.
 *   S2  Both indexes are of the same kind, one of enum tn_index.
 *   S3  The sequences are even and building is 0 unless somebody is inside, or
 *       was killed there.
 *
 * Nothing in a segment depends on where it is mapped: a copy of its bytes is
 * another segment with the same objects.  Copied locks may be locked, so they
 * are never used in a segment that was attached.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "segment/segment.h"
#include "base/bytes.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SIZE = 1 << 20 };

static tn_status check_options(const tn_options *options)
{
    if (options == NULL)
        return TN_OK;
    if (options->index > TN_INDEX_NULL)
        return error_set(TN_EINVAL, "there is no index kind %u",
                         (unsigned)options->index);
    if (options->fit > TN_FIT_SEQ)
        return error_set(TN_EINVAL, "there is no fit %u",
                         (unsigned)options->fit);
    return TN_OK;
}

tn_status segment_format(struct segment *base, size_t size,
                         const tn_options *options)
{
    tn_index kind = TN_INDEX_DEFAULT;
    tn_fit fit = TN_FIT_BEST;
    tn_status status = check_options(options);

    if (status != TN_OK)
        return status;
    if (options != NULL) {
        kind = options->index;
        fit = options->fit;
    }
    if (kind == TN_INDEX_DEFAULT)
        kind = TN_INDEX_MAP;
    if (size < tn_segment_min_size(options))
        return error_set(TN_ESIZE,
                         "%zu bytes are too few for a segment; it needs %zu",
                         size, tn_segment_min_size(options));
    memset(base, 0, sizeof(*base));
    status = heap_init(&base->heap, size, sizeof(*base), fit);
    if (status != TN_OK)
        return error_set(status, "%zu bytes are too many for a segment", size);
    base->magic = SEGMENT_MAGIC;
    base->version = SEGMENT_VERSION;
    index_init(&base->named, kind);
    index_init(&base->unique, kind);
    return TN_OK;
}

tn_status segment_verify(const struct segment *base, size_t available)
{
    if (available < sizeof(*base))
        return error_set(TN_ESIZE, "%zu bytes are too few for a segment",
                         available);
    if (base->magic != SEGMENT_MAGIC)
        return error_set(TN_ENOTSTORE, "there is no segment here");
    if (base->version != SEGMENT_VERSION)
        return error_set(TN_EVERSION,
                         "the segment is of version %" PRIu32
                         "; this library knows version %d",
                         base->version, SEGMENT_VERSION);
    if (base->named.kind < TN_INDEX_ISET || base->named.kind > TN_INDEX_NULL ||
        base->unique.kind != base->named.kind)
        return error_set(TN_ECORRUPT, "the kind of the index is damaged");
    if (base->heap.size > available)
        return error_set(TN_ESIZE,
                         "the segment has %" PRIu64
                         " bytes, of which only %zu are here",
                         base->heap.size, available);
    if (base->heap.reserved != sizeof(*base) ||
        heap_verify_header(&base->heap, available) != TN_OK)
        return error_set(TN_ECORRUPT, "the heap's header is damaged");
    return TN_OK;
}

tn_status segment_reset_locks(struct segment *base)
{
    tn_status status;

    memset(&base->names_lock, 0, sizeof(base->names_lock));
    memset(&base->heap_lock, 0, sizeof(base->heap_lock));
    base->sections = 0;
    base->magazines = 0;
    status = mutex_init(&base->names_lock, true);
    return status == TN_OK ? mutex_init(&base->heap_lock, false) : status;
}

tn_status segment_writable(const tn_segment *seg)
{
    if (!seg->read_only)
        return TN_OK;
    return error_set(TN_EROFS, "the segment was opened only for reading");
}

TN_API size_t tn_segment_min_size(const tn_options *options)
{
    (void)options;
    return heap_min_size(sizeof(struct segment));
}

/* --- Segments without a file --------------------------------------------- */

static tn_status make_handle(tn_segment **out, void *base,
                             enum segment_memory memory)
{
    tn_segment *seg = calloc(1, sizeof(*seg));

    if (seg == NULL)
        return error_set(TN_ENOMEM, "no memory for a segment's handle");
    seg->base = base;
    seg->memory = memory;
    seg->reach = seg->max_size = heap_size(segment_heap(seg));
    seg->grow_step = TN_NO_GROWTH;
    *out = seg;
    return TN_OK;
}

static tn_status check_buffer(tn_segment **out, const void *buffer)
{
    if (out == NULL)
        return error_set(TN_EINVAL, "there is no place for the result");
    if (buffer != NULL && (uintptr_t)buffer % HEAP_GRANULE == 0)
        return TN_OK;
    return error_set(TN_EINVAL, "a segment's memory must be aligned to %d",
                     HEAP_GRANULE);
}

TN_API tn_status tn_segment_create(tn_segment **out, void *buffer, size_t size,
                                   const tn_options *options)
{
    tn_status status = check_buffer(out, buffer);

    if (status == TN_OK)
        status = segment_format(buffer, size, options);
    return status == TN_OK ? make_handle(out, buffer, SEGMENT_BUFFER) : status;
}

TN_API tn_status tn_segment_attach(tn_segment **out, void *buffer, size_t size)
{
    tn_status status = check_buffer(out, buffer);
    tn_segment *seg = NULL;

    if (status == TN_OK)
        status = segment_verify(buffer, size);
    if (status == TN_OK)
        status = make_handle(&seg, buffer, SEGMENT_BUFFER);
    if (status != TN_OK)
        return status;
    if (segment_is_torn(seg->base))
        status = segment_rebuild(seg); /* copied in the middle of a change */
    if (status == TN_OK)
        *out = seg;
    else
        free(seg);
    return status;
}

TN_API tn_status tn_segment_create_heap(tn_segment **out, size_t size,
                                        const tn_options *options)
{
    tn_status status;
    void *memory;

    if (out == NULL)
        return error_set(TN_EINVAL, "there is no place for the result");
    if (size == 0)
        size = options != NULL && options->size != 0 ? options->size
                                                     : DEFAULT_SIZE;
    memory = calloc(1, size);
    if (memory == NULL)
        return error_set(TN_ENOMEM, "no memory for %zu bytes", size);
    status = segment_format(memory, size, options);
    if (status == TN_OK)
        status = make_handle(out, memory, SEGMENT_HEAP);
    if (status != TN_OK)
        free(memory);
    return status;
}

TN_API tn_status tn_segment_detach(tn_segment *seg)
{
    if (seg == NULL)
        return TN_OK;
    if (seg->memory == SEGMENT_STORE)
        return error_set(TN_EINVAL, "a store's segment ends with the store");
    if (seg->memory == SEGMENT_HEAP)
        free(seg->base);
    free(seg);
    return TN_OK;
}

/* --- Places --------------------------------------------------------------- */

TN_API tn_handle tn_handle_of(const tn_segment *seg, const void *p)
{
    uintptr_t base = (uintptr_t)seg->base, place = (uintptr_t)p;

    if (place <= base || place - base >= heap_size(segment_heap(seg)))
        return 0;
    return place - base;
}

TN_API void *tn_at(const tn_segment *seg, tn_handle handle)
{
    size_t size = heap_size(segment_heap(seg));

    if (handle == 0 || handle >= size || handle >= seg->reach)
        return NULL;
    return (char *)seg->base + handle;
}

TN_API void *tn_segment_base(const tn_segment *seg)
{
    return seg->base;
}

TN_API size_t tn_segment_size(const tn_segment *seg)
{
    return heap_size(segment_heap(seg));
}
