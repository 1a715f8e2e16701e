/* record.c - an object, its name and what is known of it, in one block
 *
 *     payload                                record's offset
 *     |                                      |
 *     | name, NUL, zeros | link              | type, count | elements ...
 *       round16(n + 1)     32, of an iset      16
 *
 * Anonymous objects have only the record before the elements; unique ones the
 * link too, in an iset.  All parts are multiples of 16, so that from the kind,
 * the name's length and the kind of index every place follows, and elements
 * are 16-aligned; a larger alignment is got by choosing the block.
 *
 * These hold of every object in state BLOCK_OBJECT, and record_verify() tests
 * them:
 *
 *   R1  The check in record.count fits the other bits and the offset.
 *   R2  The record lies where its kind and name length say, seen from the start
 *       of a block in use.
 *   R3  The name is 1 to 4096 bytes without NUL, then zeros.
 *   R4  record.type is the offset of a sound descriptor, a block of BLOCK_TYPE.
 *   R5  All elements lie inside the block.
 *
 * Which record is in this block?  The three kinds put it in different places,
 * and nothing before them says which it is.  But one try each tells: where an
 * anonymous or unique record would be, the bytes that give kind and name length
 * are never the same in a named object, since there they belong to a name and
 * its zeros (no zero byte is followed by another than zero), or to a link
 * (an offset: no kind).
 *
 * Crashes: a block is BLOCK_BUILDING until its owner says otherwise, and what
 * is found in that state after a crash is given back.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index/kind.h"

/* No record's first word.  It stays behind in freed memory, so that a block
 * taken from there, by somebody who is killed before he writes a record, does
 * not seem to have one. */
#define NO_RECORD UINT64_MAX

static struct record *record_at(const struct heap *h, uint64_t off)
{
    return heap_at(h, off);
}

uint64_t record_check_bits(uint64_t off, uint64_t type, uint64_t count)
{
    uint64_t x = (type ^ off << 13) * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 29 ^ count) * UINT64_C(0xbf58476d1ce4e5b9);
    return x >> RECORD_CHECK_SHIFT;
}

/* Bytes from the start of the block to the first element. */
static size_t front_of(tn_index index, tn_kind kind, size_t name_length)
{
    size_t name = kind == TN_KIND_NAMED ? record_name_room(name_length) : 0;

    return name + record_link_room(index, kind) + sizeof(struct record);
}

/* The same, of a record's first word, which may be anything; 0: no such. */
size_t record_front(tn_index index, uint64_t word)
{
    uint64_t kind = word >> RECORD_KIND_SHIFT;
    uint64_t length = word >> RECORD_NAME_SHIFT & RECORD_NAME_MASK;

    if (kind > TN_KIND_ANONYMOUS)
        return 0;
    if (kind == TN_KIND_NAMED ? length < 1 || length > TN_NAME_MAX
                              : length != 0)
        return 0;
    return front_of(index, (tn_kind)kind, length);
}

/* --- Making and unmaking ------------------------------------------------ */

/* Bytes of the block; false when that overflows or cannot be recorded. */
static bool block_bytes(const struct record_spec *spec, size_t element,
                        size_t front, size_t *bytes)
{
    size_t all;

    return spec->count <= RECORD_COUNT_MASK &&
           bytes_mul(spec->count, element, &all) &&
           bytes_add(all, front, bytes) && *bytes <= RECORD_OFF_MASK;
}

static bool name_is_legal(const struct record_spec *spec)
{
    return spec->kind != TN_KIND_NAMED ||
           (spec->name_length >= 1 && spec->name_length <= TN_NAME_MAX &&
            memchr(spec->name, '\0', spec->name_length) == NULL);
}

static void write_record(struct heap *h, uint64_t off,
                         const struct record_spec *spec)
{
    struct record *record = record_at(h, off);
    uint64_t length = spec->kind == TN_KIND_NAMED ? spec->name_length : 0;

    record->type = spec->type | length << RECORD_NAME_SHIFT |
                   (uint64_t)spec->kind << RECORD_KIND_SHIFT;
    record->count =
        spec->count | record_check_bits(off, record->type, spec->count)
                          << RECORD_CHECK_SHIFT;
}

uint64_t record_create(struct heap *h, const struct record_spec *spec,
                       tn_status *why)
{
    const struct type_descriptor *type = heap_at(h, spec->type);
    size_t front = front_of(spec->index, spec->kind, spec->name_length);
    size_t align = (size_t)1 << type->align_log2;
    size_t bytes;
    char *p;

    *why = TN_EINVAL;
    if (!name_is_legal(spec) || !block_bytes(spec, type->size, front, &bytes))
        return 0;
    *why = TN_ENOMEM;
    if (align <= RECORD_ALIGN)
        p = heap_alloc(h, bytes, BLOCK_BUILDING);
    else
        p = heap_alloc_aligned(h, bytes, align, front, BLOCK_BUILDING);
    if (p == NULL)
        return 0;
    memset(p, 0, front);
    if (spec->kind == TN_KIND_NAMED)
        memcpy(p, spec->name, spec->name_length);
    *why = TN_OK;
    write_record(h, heap_off(h, p) + front - sizeof(struct record), spec);
    return heap_off(h, p) + front - sizeof(struct record);
}

void record_destroy(struct heap *h, tn_index index, uint64_t off)
{
    void *p = record_block(h, index, off);

    if (p == NULL || !heap_owns(h, p))
        return; /* a damaged block is left alone */
    record_at(h, off)->type = NO_RECORD;
    (void)heap_free(h, p);
}

/* --- Finding the way ---------------------------------------------------- */

void *record_block(const struct heap *h, tn_index index, uint64_t off)
{
    size_t front = record_front(index, record_at(h, off)->type);

    if (front == 0 || off + sizeof(struct record) < front)
        return NULL;
    return heap_at(h, off + sizeof(struct record) - front);
}

tn_kind record_kind(const struct heap *h, uint64_t off)
{
    return (tn_kind)(record_at(h, off)->type >> RECORD_KIND_SHIFT & 3);
}

const struct type_descriptor *record_type(const struct heap *h, uint64_t off)
{
    return type_of_record(h, off);
}

const char *record_name(const struct heap *h, tn_index index, uint64_t off,
                        size_t *length)
{
    struct scope s = scope_of(h, index);
    struct name name;

    if (!name_read(&s, off, &name)) { /* anonymous */
        *length = 0;
        return NULL;
    }
    *length = name.length;
    return name.bytes;
}

/* --- Soundness ---------------------------------------------------------- */

/* R3 */
bool record_name_is_sound(const char *p, size_t length)
{
    if (memchr(p, '\0', length) != NULL)
        return false;
    for (size_t i = length; i < record_name_room(length); i++) {
        if (p[i] != '\0')
            return false;
    }
    return true;
}

/* Is a sound record at off, in a block in use at p?  R1 to R5. */
static bool is_sound(const struct heap *h, tn_index index, const char *p,
                     size_t usable, uint64_t off)
{
    const struct record *record = record_at(h, off);
    uint64_t type = load64(&record->type), word = load64(&record->count);
    uint64_t count = word & RECORD_COUNT_MASK;
    size_t front = record_front(index, type);
    size_t bytes;

    if (front == 0 || front > usable || heap_off(h, p) + front != off + 16)
        return false;
    if (word >> RECORD_CHECK_SHIFT != record_check_bits(off, type, count))
        return false;
    if (type >> RECORD_KIND_SHIFT == TN_KIND_NAMED &&
        !record_name_is_sound(p, type >> RECORD_NAME_SHIFT & RECORD_NAME_MASK))
        return false;
    if (!type_verify(h, type & RECORD_OFF_MASK))
        return false;
    return bytes_mul(count, record_type(h, off)->size, &bytes) &&
           bytes <= usable - front;
}

bool record_verify(const struct heap *h, tn_index index, uint64_t off)
{
    struct scope s = scope_of(h, index);
    enum block_state state;
    size_t usable;
    const void *p;

    if (!scope_has(&s, off, sizeof(struct record)))
        return false;
    p = record_block(h, index, off);
    return p != NULL && heap_describe(h, p, &state, &usable) &&
           state == BLOCK_OBJECT && is_sound(h, index, p, usable, off);
}

/* The usable bytes of a block, whose header may be changing, in the heap. */
static size_t record_room(const struct heap *h, const void *payload)
{
    size_t usable = heap_usable_size(h, payload);
    size_t most = heap_size(h) - heap_off(h, payload);

    return usable < most ? usable : most;
}

uint64_t record_in_block(const struct heap *h, tn_index index,
                         const void *payload)
{
    uint64_t start = heap_off(h, payload), off;
    size_t usable = record_room(h, payload);
    size_t link = record_link_room(index, TN_KIND_NAMED);
    size_t most = usable < TN_NAME_MAX + 1 ? usable : TN_NAME_MAX + 1;
    size_t fronts[3] = {0, link, 0};

    fronts[2] = record_name_room(strnlen(payload, most)) + link;
    for (int i = 0; i < 3; i++) {
        off = start + fronts[i];
        if (fronts[i] + sizeof(struct record) <= usable &&
            is_sound(h, index, payload, usable, off))
            return off;
    }
    return 0;
}
