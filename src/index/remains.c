/* remains.c - what can still be read of an object that is damaged
 *
 *     payload            front
 *     | name, NUL, zeros | link | type, count | elements ...
 *                               ^
 *                               where a record can be: at 16 bytes less than
 *                               each front that its own first word agrees with
 *
 * A record says where it lies, and its check covers that; so one whose check
 * fits is found for certain, whatever became of the name before it or of the
 * descriptor that it points to.  If the check itself is hurt, the record counts
 * only when all the rest is as it should be: a sound name, a sound type, and a
 * block of just the size that its elements need.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index/remains.h"
#include "index/kind.h"

enum { SLACK = HEAP_GRANULE }; /* what a block may have more than it needs */

static struct record *record_at(const struct heap *h, uint64_t off)
{
    return heap_at(h, off);
}

size_t remains_front(tn_index index, const struct record *record)
{
    return record_front(index, record->type);
}

/* --- Finding -------------------------------------------------------------- */

static void read_fields(const struct heap *h, const char *payload, size_t front,
                        struct remains *out)
{
    uint64_t off = heap_off(h, payload) + front - sizeof(struct record);
    const struct record *record = record_at(h, off);
    uint64_t count = record->count & RECORD_COUNT_MASK;

    *out = (struct remains){
        .record = off,
        .front = front,
        .kind = (tn_kind)(record->type >> RECORD_KIND_SHIFT),
        .name_length = record->type >> RECORD_NAME_SHIFT & RECORD_NAME_MASK,
        .type = record->type & RECORD_OFF_MASK,
        .count = count,
        .name_sound = true,
    };
    out->check_fits = record->count >> RECORD_CHECK_SHIFT ==
                      record_check_bits(off, record->type, count);
    out->type_sound = type_verify(h, out->type);
    if (out->kind == TN_KIND_NAMED)
        out->name_sound = record_name_is_sound(payload, out->name_length);
}

size_t remains_extent(const struct heap *h, const struct remains *remains)
{
    size_t bytes, all;

    if (!remains->type_sound)
        return remains->front;
    if (!bytes_mul(remains->count, record_type(h, remains->record)->size,
                   &bytes) ||
        !bytes_add(remains->front, bytes, &all))
        return SIZE_MAX;
    return all;
}

/* Does the block have just the size that the object needs? */
static bool fits_exactly(const struct heap *h, size_t usable,
                         const struct remains *remains)
{
    size_t extent = remains_extent(h, remains), has = usable + HEAP_OVERHEAD;
    size_t needed = round_up(extent + HEAP_OVERHEAD, HEAP_GRANULE);

    if (extent > usable)
        return false;
    if (needed < HEAP_MIN_BLOCK)
        needed = HEAP_MIN_BLOCK;
    return needed == has || needed + SLACK == has;
}

static bool try_front(const struct heap *h, tn_index index, const char *payload,
                      size_t usable, size_t front, struct remains *out)
{
    uint64_t off = heap_off(h, payload) + front - sizeof(struct record);

    if (front > usable || record_front(index, record_at(h, off)->type) != front)
        return false;
    read_fields(h, payload, front, out);
    if (out->check_fits) { /* if it is too large, its type is not sound */
        out->type_sound = out->type_sound && remains_extent(h, out) <= usable;
        return true;
    }
    return out->name_sound && out->type_sound && fits_exactly(h, usable, out);
}

bool remains_find(const struct heap *h, tn_index index, const void *payload,
                  size_t usable, struct remains *out)
{
    size_t link = record_link_room(index, TN_KIND_NAMED);
    size_t most = record_name_room(TN_NAME_MAX), room;
    bool found = false;

    for (room = 0; room <= most && !(found && out->check_fits);
         room += RECORD_ALIGN) {
        struct remains here;

        if ((room == 0 && link != 0 &&
             try_front(h, index, payload, usable, sizeof(struct record),
                       &here)) ||
            try_front(h, index, payload, usable,
                      room + link + sizeof(struct record), &here)) {
            if (!found || here.check_fits)
                *out = here;
            found = true;
        }
    }
    return found;
}

/* --- Writing -------------------------------------------------------------- */

void remains_write(struct heap *h, const struct remains *remains)
{
    struct record *record = record_at(h, remains->record);

    record->type = remains->type |
                   (uint64_t)remains->name_length << RECORD_NAME_SHIFT |
                   (uint64_t)remains->kind << RECORD_KIND_SHIFT;
    record->count =
        remains->count |
        record_check_bits(remains->record, record->type, remains->count)
            << RECORD_CHECK_SHIFT;
}

static bool is_legible(char c)
{
    return c >= ' ' && c <= '~';
}

/* The new name has the same room, since everything else would have to move:
 * prefix, and where more than that is needed the old name behind it. */
void remains_rename(struct heap *h, tn_index index, struct remains *remains,
                    const char *prefix)
{
    size_t link = record_link_room(index, TN_KIND_NAMED);
    size_t room = remains->front - sizeof(struct record) - link;
    char *name = heap_at(h, remains->record - link - room);
    size_t least = strlen(prefix);
    size_t length = least + 1 + strnlen(name, room);

    if (length > room - 1)
        length = room - 1;
    if (length < room - RECORD_ALIGN)
        length = room - RECORD_ALIGN;
    memmove(name + least, name, length - least);
    memcpy(name, prefix, least);
    if (length > least)
        name[least] = '-';
    for (size_t i = least + 1; i < length; i++)
        if (!is_legible(name[i]))
            name[i] = '_';
    memset(name + length, 0, room - length);
    remains->name_length = length;
    remains->name_sound = true;
}

/* --- Types ---------------------------------------------------------------- */

bool remains_type(const struct heap *h, const void *payload, size_t usable)
{
    const struct type_descriptor *t = payload;
    size_t length;

    (void)h;
    if (usable < sizeof(*t) + 2)
        return false;
    length = t->name_length;
    return usable >= sizeof(*t) + length + 1 && length >= 1 &&
           strnlen(t->name, length + 1) == length && t->size != 0 &&
           t->align_log2 <= TYPE_ALIGN_LOG2_MAX && t->reserved == 0;
}

bool remains_element(const struct remains *remains, size_t usable,
                     uint64_t *least, uint64_t *most)
{
    size_t bytes = usable - remains->front;
    size_t waste = HEAP_GRANULE + SLACK - 1;

    if (remains->count == 0)
        return false;
    *most = bytes / remains->count;
    *least = bytes > waste
                 ? (bytes - waste + remains->count - 1) / remains->count
                 : 1;
    return *most != 0;
}
