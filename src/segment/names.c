/* names.c - what a name stands for, and what is known of an object
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/error.h"
#include "segment/segment.h"

#include <string.h>

TN_API const char tn_unique_name[] = "unique";

TN_API const tn_type *tn_bytes_type(void)
{
    static const tn_type bytes = {.name = "bytes", .size = 1, .align = 1};

    return &bytes;
}

tn_status segment_check_type(const tn_type *type)
{
    if (type == NULL || type->name != NULL)
        return TN_OK;
    return error_set(TN_EINVAL, "a type needs a name");
}

tn_status segment_resolve_any_name(const tn_segment *seg, const char *name,
                                   const tn_type *type,
                                   struct segment_name *out)
{
    tn_status status = segment_check_type(type);

    if (status != TN_OK)
        return status;
    out->bytes = NULL;
    out->length = 0;
    if (name == TN_ANONYMOUS) {
        out->kind = TN_KIND_ANONYMOUS;
        return TN_OK;
    }
    if (segment_index_kind(seg) == TN_INDEX_NULL)
        return error_set(TN_ENOTSUP, "the segment was made without names");
    out->kind = name == TN_UNIQUE ? TN_KIND_UNIQUE : TN_KIND_NAMED;
    if (name == TN_UNIQUE && type == NULL)
        return error_set(TN_EINVAL, "a unique object is told by its type");
    out->bytes = name == TN_UNIQUE ? type->name : name;
    out->length = strnlen(out->bytes, TN_NAME_MAX + 1);
    if (out->length == 0 || out->length > TN_NAME_MAX)
        return error_set(TN_EINVAL, "a name is 1 to %d bytes long",
                         TN_NAME_MAX);
    return TN_OK;
}

void segment_fill_object(const tn_segment *seg, uint64_t record, tn_object *out)
{
    const struct heap *h = segment_heap(seg);
    const struct type_descriptor *type = record_type(h, record);

    *out = (tn_object){.kind = record_kind(h, record),
                       .address = record_elements(h, record),
                       .count = record_count(h, record),
                       .size = type->size,
                       .align = (size_t)1 << (type->align_log2 & 63),
                       .type = type->name};
    out->handle = heap_off(h, out->address);
    if (out->kind != TN_KIND_ANONYMOUS)
        out->name =
            record_name(h, segment_index_kind(seg), record, &out->name_length);
}

uint64_t segment_record_of(const tn_segment *seg, const void *object)
{
    const struct heap *h = segment_heap(seg);
    uint64_t place = tn_handle_of(seg, object), record;

    if (place <= sizeof(struct record))
        return 0;
    record = place - sizeof(struct record);
    return record_verify(h, segment_index_kind(seg), record) ? record : 0;
}

TN_API tn_status tn_describe(const tn_segment *seg, const void *object,
                             tn_object *out)
{
    tn_status status = segment_lock_heap(seg);
    uint64_t record;

    if (status != TN_OK)
        return status;
    record = segment_record_of(seg, object);
    if (record != 0)
        segment_fill_object(seg, record, out);
    segment_unlock_heap(seg);
    return record != 0
               ? TN_OK
               : error_set(TN_EINVAL, "there is no object at %p", object);
}

TN_API const char *tn_name_of(const tn_segment *seg, const void *object)
{
    tn_object known;

    return tn_describe(seg, object, &known) == TN_OK ? known.name : NULL;
}

TN_API size_t tn_count_of(const tn_segment *seg, const void *object)
{
    tn_object known;

    return tn_describe(seg, object, &known) == TN_OK ? known.count : 0;
}

TN_API tn_kind tn_kind_of(const tn_segment *seg, const void *object)
{
    tn_object known;

    return tn_describe(seg, object, &known) == TN_OK ? known.kind
                                                     : TN_KIND_ANONYMOUS;
}

TN_API const char *tn_type_of(const tn_segment *seg, const void *object)
{
    tn_object known;

    return tn_describe(seg, object, &known) == TN_OK ? known.type : NULL;
}
