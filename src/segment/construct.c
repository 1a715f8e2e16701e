/* construct.c - make objects, and undo what cannot be finished
 *
 * A block goes through these states, each change one store (heap/layout.h):
 *
 *     free --create()--> BLOCK_BUILDING --publish()--> BLOCK_OBJECT
 *      ^                       |  ^                         |
 *      +------discard()--------+  +-------retire()----------+   (destroy.c)
 *
 * and a named object is in its index exactly while it is a BLOCK_OBJECT, apart
 * from the moments between the two stores of publish() and retire(), which
 * happen while names_sequence is odd.
 *
 * The constructor runs between create() and publish(), under the lock of names
 * and without the heap's.  It may construct other objects, also under a name;
 * only when it is through is the name taken, where it was found to belong or,
 * if names have changed since, where it belongs by then.
 *
 * Killed before publish(): recovery finds BLOCK_BUILDING and frees it.  In
 * publish(): the index is rebuilt, with the object if its last store was made.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/assert.h"
#include "base/error.h"
#include "segment/construct.h"
#include "segment/segment.h"
#include "sync/sequence.h"

#include <string.h>

/* How the elements of a new object come to be. */
struct maker {
    void *arg;          /* for init, or a value to copy, or NULL: zero */
    const char *source; /* an array to copy from */
    size_t stride;
    tn_fill_fn *fill;
};

/* One construction under way. */
struct construction {
    tn_segment *seg;
    const tn_type *type;
    size_t count;
    struct segment_name name;
    struct maker maker;
    uint64_t record;
    struct index_place *place; /* of the name */
    uint64_t placed;           /* names_sequence when it was found */
};

/* --- The block ------------------------------------------------------------ */

static tn_status create_in_heap(struct construction *c)
{
    struct heap *h = segment_heap(c->seg);
    struct segment *base = c->seg->base;
    struct record_spec spec = {.kind = c->name.kind,
                               .index = segment_index_kind(c->seg),
                               .count = c->count};
    tn_status status;

    if (c->name.kind == TN_KIND_NAMED) {
        spec.name = c->name.bytes;
        spec.name_length = c->name.length;
    }
    sequence_open(&base->types_sequence);
    status = type_ref(h, &base->types, c->type, &spec.type);
    if (status == TN_OK) {
        c->record = record_create(h, &spec, &status);
        if (c->record == 0)
            type_unref(h, &base->types, spec.type);
        else
            status = TN_OK;
    }
    sequence_close(&base->types_sequence);
    return status;
}

/* More than an object of this type and name can need, or SIZE_MAX. */
static size_t room_for(const struct construction *c)
{
    size_t bytes;

    if (__builtin_mul_overflow(c->type->size, c->count, &bytes) ||
        __builtin_add_overflow(bytes, 2 * TN_NAME_MAX + c->type->align, &bytes))
        return SIZE_MAX;
    return bytes;
}

/* Say what heap and index, which know nothing of calls, only number. */
static tn_status explain(const struct construction *c, tn_status status)
{
    switch (status) {
    case TN_ENOMEM:
        return error_set(status, "there is no room for %zu times %zu bytes",
                         c->count, c->type->size);
    case TN_EINVAL:
        return error_set(status,
                         "there can be no %zu objects of type %s, of %zu bytes "
                         "aligned to %zu",
                         c->count, c->type->name, c->type->size,
                         c->type->align);
    case TN_ETYPE:
        return error_set(status,
                         "the type %s has another size or alignment here",
                         c->type->name);
    case TN_ECORRUPT:
        return error_set(status, "the names or types in the segment are "
                                 "damaged");
    default:
        return status;
    }
}

static tn_status create(struct construction *c)
{
    tn_status status = segment_lock_heap(c->seg);

    if (status != TN_OK)
        return status;
    status = create_in_heap(c);
    if (status != TN_ENOMEM) {
        status = explain(c, status);
    } else {
        status = segment_make_room(c->seg, room_for(c));
        if (status == TN_OK)
            status = explain(c, create_in_heap(c));
    }
    segment_unlock_heap(c->seg);
    return status;
}

tn_status segment_discard(tn_segment *seg, uint64_t record)
{
    struct heap *h = segment_heap(seg);
    tn_status status = segment_lock_heap(seg);
    uint64_t type;

    if (status != TN_OK)
        return status;
    type = heap_off(h, record_type(h, record));
    sequence_open(&seg->base->types_sequence);
    record_destroy(h, segment_index_kind(seg), record);
    type_unref(h, &seg->base->types, type);
    sequence_close(&seg->base->types_sequence);
    segment_unlock_heap(seg);
    return TN_OK;
}

/* --- The elements --------------------------------------------------------- */

void segment_finish_elements(tn_segment *seg, const tn_type *type,
                             void *elements, size_t count)
{
    if (type == NULL || type->fini == NULL)
        return;
    while (count > 0)
        type->fini(seg, (char *)elements + --count * type->size);
}

static void copy_elements(const struct construction *c, char *elements)
{
    const struct maker *m = &c->maker;
    size_t size = c->type->size;

    if (m->stride == size)
        memcpy(elements, m->source, size * c->count);
    else
        for (size_t i = 0; i < c->count; i++)
            memcpy(elements + i * size, m->source + i * m->stride, size);
}

static tn_status initialise_elements(const struct construction *c,
                                     char *elements)
{
    size_t size = c->type->size;
    tn_status status = TN_OK;
    size_t made;

    memset(elements, 0, size * c->count);
    for (made = 0; made < c->count; made++) {
        status =
            c->type->init(c->seg, elements + made * size, made, c->maker.arg);
        if (status != TN_OK)
            break;
    }
    if (status != TN_OK)
        segment_finish_elements(c->seg, c->type, elements, made);
    return status;
}

static tn_status make_elements(const struct construction *c)
{
    char *elements = record_elements(segment_heap(c->seg), c->record);
    const struct maker *m = &c->maker;

    if (m->fill != NULL)
        return m->fill(c->seg, elements, c->count, m->arg);
    if (c->count == 0)
        return TN_OK;
    if (m->source != NULL)
        copy_elements(c, elements);
    else if (c->type->init != NULL)
        return initialise_elements(c, elements);
    else if (m->arg == NULL)
        memset(elements, 0, c->type->size * c->count);
    else
        for (size_t i = 0; i < c->count; i++)
            memcpy(elements + i * c->type->size, m->arg, c->type->size);
    return TN_OK;
}

/* --- The name ------------------------------------------------------------- */

static tn_status find_place(struct construction *c)
{
    tn_status status = index_find_place(
        segment_heap(c->seg), segment_index(c->seg, c->name.kind),
        c->name.bytes, c->name.length, c->place);

    c->placed = c->seg->base->names_sequence;
    return status == TN_OK ? TN_OK : explain(c, status);
}

/* Constructors, which have run meanwhile, may have changed the names. */
static tn_status find_place_again(struct construction *c)
{
    tn_status status = TN_OK;

    if (unlikely(c->placed != c->seg->base->names_sequence))
        status = find_place(c);
    if (status != TN_OK || likely(c->place->record == 0))
        return status;
    return error_set(TN_EEXIST, "%s: its constructor took the name itself",
                     c->name.bytes);
}

static tn_status insert_name(const struct construction *c)
{
    struct heap *h = segment_heap(c->seg);
    struct index *ix = segment_index(c->seg, c->name.kind);
    tn_status status;

    sequence_open(&c->seg->base->names_sequence);
    status = index_insert_at(h, ix, c->record, c->place);
    if (status == TN_ENOMEM) {
        status = segment_make_room(c->seg, TN_NAME_MAX);
        if (status == TN_OK)
            status = index_insert_at(h, ix, c->record, c->place);
    }
    if (status == TN_OK)
        heap_set_state(h,
                       record_block(h, segment_index_kind(c->seg), c->record),
                       BLOCK_OBJECT);
    sequence_close(&c->seg->base->names_sequence);
    return status;
}

static tn_status publish(struct construction *c)
{
    struct heap *h = segment_heap(c->seg);
    tn_status status = TN_OK;

    if (c->name.kind != TN_KIND_ANONYMOUS)
        status = find_place_again(c);
    if (status == TN_OK)
        status = segment_lock_heap(c->seg);
    if (status != TN_OK)
        return status;
    if (c->name.kind != TN_KIND_ANONYMOUS)
        status = insert_name(c);
    else
        heap_set_state(h,
                       record_block(h, segment_index_kind(c->seg), c->record),
                       BLOCK_OBJECT);
    segment_unlock_heap(c->seg);
    return status != TN_ECORRUPT ? status : explain(c, status);
}

/* --- All of it ------------------------------------------------------------ */

/* From nothing to an object that all can see; the caller holds the lock of
 * names, unless the object is anonymous. */
static tn_status build(struct construction *c)
{
    tn_status status;

    segment_count_building(c->seg, c->name.kind, 1);
    status = create(c);
    if (status == TN_OK) {
        status = make_elements(c);
        if (status == TN_OK) {
            status = publish(c);
            if (status != TN_OK)
                segment_finish_elements(
                    c->seg, c->type,
                    record_elements(segment_heap(c->seg), c->record), c->count);
        }
        if (status != TN_OK && segment_discard(c->seg, c->record) != TN_OK)
            return status; /* still counted: for the next rebuild to take */
    }
    segment_count_building(c->seg, c->name.kind, -1);
    return status;
}

static tn_status take_found(const struct construction *c, uint64_t record,
                            bool may_exist, void **out)
{
    const struct heap *h = segment_heap(c->seg);

    if (!may_exist)
        return error_set(TN_EEXIST, "%s: there is an object of this name",
                         c->name.bytes);
    if (!type_matches(h, record, c->type))
        return error_set(TN_ETYPE, "%s is a %s, not a %s", c->name.bytes,
                         record_type(h, record)->name, c->type->name);
    if (out != NULL)
        *out = record_elements(h, record);
    return TN_OK;
}

/* Is the object there, so that nothing needs to be made or locked? */
static bool take_freely(const struct construction *c, void **out)
{
    struct found found;

    if (!segment_look_up_freely(c->seg, &c->name, c->type, &found) ||
        found.record == 0 || !found.type_matches)
        return false;
    if (out != NULL)
        *out = found.elements;
    return true;
}

static tn_status build_under_name(struct construction *c, bool may_exist,
                                  void **out, bool *created)
{
    tn_status status = segment_lock_names(c->seg);
    struct index_place place;
    uint64_t found = 0;

    if (status != TN_OK)
        return status;
    c->place = &place;
    status = find_place(c);
    if (status == TN_OK) {
        found = place.record;
        status = found != 0 ? take_found(c, found, may_exist, out) : build(c);
    }
    if (status == TN_OK && found == 0 && out != NULL)
        *out = record_elements(segment_heap(c->seg), c->record);
    if (status == TN_OK && created != NULL)
        *created = found == 0;
    segment_unlock_names(c->seg);
    return status;
}

static tn_status construct(struct construction *c, const char *name,
                           bool may_exist, void **out, bool *created)
{
    tn_status status = segment_writable(c->seg);

    if (status == TN_OK && c->type == NULL)
        status = error_set(TN_EINVAL, "an object needs a type");
    if (status == TN_OK)
        status = segment_resolve_name(c->seg, name, c->type, &c->name);
    if (status != TN_OK)
        return status;
    if (may_exist && c->name.kind != TN_KIND_ANONYMOUS && take_freely(c, out)) {
        if (created != NULL)
            *created = false;
        return TN_OK;
    }
    if (c->name.kind != TN_KIND_ANONYMOUS)
        return build_under_name(c, may_exist, out, created);
    status = build(c);
    if (status == TN_OK && out != NULL)
        *out = record_elements(segment_heap(c->seg), c->record);
    if (status == TN_OK && created != NULL)
        *created = true;
    return status;
}

TN_API tn_status tn_construct(tn_segment *seg, const char *name,
                              const tn_type *type, size_t count, void *arg,
                              void **out)
{
    struct construction c = {
        .seg = seg, .type = type, .count = count, .maker = {.arg = arg}};

    return construct(&c, name, false, out, NULL);
}

TN_API tn_status tn_construct_from(tn_segment *seg, const char *name,
                                   const tn_type *type, size_t count,
                                   const void *source, size_t stride,
                                   void **out)
{
    struct construction c = {.seg = seg,
                             .type = type,
                             .count = count,
                             .maker = {.source = source, .stride = stride}};

    if (source == NULL && count != 0)
        return error_set(TN_EINVAL, "there is nothing to copy from");
    return construct(&c, name, false, out, NULL);
}

TN_API tn_status tn_construct_with(tn_segment *seg, const char *name,
                                   const tn_type *type, size_t count,
                                   tn_fill_fn *fill, void *arg, void **out)
{
    struct construction c = {.seg = seg,
                             .type = type,
                             .count = count,
                             .maker = {.fill = fill, .arg = arg}};

    if (fill == NULL)
        return error_set(TN_EINVAL, "there is nothing to fill the object");
    return construct(&c, name, false, out, NULL);
}

TN_API tn_status tn_find_or_construct(tn_segment *seg, const char *name,
                                      const tn_type *type, size_t count,
                                      void *arg, void **out, bool *created)
{
    struct construction c = {
        .seg = seg, .type = type, .count = count, .maker = {.arg = arg}};

    return construct(&c, name, true, out, created);
}
