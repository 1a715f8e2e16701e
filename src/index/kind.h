/* kind.h - what the kinds of index share; private to this layer
 *
 * Names are read out of records without trust: whatever the bytes are, no place
 * outside the heap is looked at.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef INDEX_KIND_H
#define INDEX_KIND_H

#include "base/assert.h"
#include "base/bytes.h"
#include "index/index.h"

#include <string.h>

/* --- Words of a record --------------------------------------------------- */

enum {
    RECORD_NAME_SHIFT = 48, /* in record.type */
    RECORD_KIND_SHIFT = 61,
    RECORD_CHECK_SHIFT = 48, /* in record.count */
    RECORD_ALIGN = 16,       /* of records, links and names */
    RECORD_MIN_BLOCK = 32,   /* no object's block is smaller */
};
#define RECORD_NAME_MASK UINT64_C(0x1fff)

enum { TYPE_NAME_MAX = 255, TYPE_ALIGN_LOG2_MAX = 21 };

/* Bytes of a named object's name, with its NUL and zeros. */
static inline size_t record_name_room(size_t length)
{
    return round_up(length + 1, RECORD_ALIGN);
}

/* Bytes of the link before the record, if there is one. */
static inline size_t record_link_room(tn_index index, tn_kind kind)
{
    return index == TN_INDEX_ISET && kind != TN_KIND_ANONYMOUS
               ? sizeof(struct record_link)
               : 0;
}

/* The check bits of a record at off, from its words (record.c). */
uint64_t record_check_bits(uint64_t off, uint64_t type, uint64_t count);

/* Bytes from the start of the block to the first element, by the first word of
 * a record, which may be anything; 0: it can be none. */
size_t record_front(tn_index index, uint64_t word);

/* R3 of the name at p, which has room for it. */
bool record_name_is_sound(const char *p, size_t length);

/* --- Looking without trust ----------------------------------------------- */

/* One call's view of a heap: the size is asked once. */
struct scope {
    const struct heap *h;
    uint64_t size;
    tn_index index;
};

static inline struct scope scope_of(const struct heap *h, tn_index index)
{
    return (struct scope){h, heap_size(h), index};
}

/* May something of n bytes, 16-aligned, lie at off? */
static inline bool scope_has(const struct scope *s, uint64_t off, uint64_t n)
{
    return off % RECORD_ALIGN == 0 && off != 0 && off <= s->size &&
           s->size - off >= n;
}

/* Is the block at off one of BLOCK_INDEX with room for n bytes?  What changes
 * an index asks this before it stores anything, so that damage does not
 * spread. */
static inline bool block_is_index(const struct scope *s, uint64_t off,
                                  uint64_t n)
{
    enum block_state state;
    size_t usable;

    return scope_has(s, off, n) &&
           heap_describe(s->h, heap_at(s->h, off), &state, &usable) &&
           state == BLOCK_INDEX && usable >= n;
}

/* Read a word that others may be changing: once, so that what was checked is
 * what is used. */
static inline uint64_t load64(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* A walk over all blocks: start with a zeroed one. */
struct block_walk {
    uint64_t off;
    void *p;
    enum block_state state;
    size_t usable;
};

static inline bool block_walk_next(const struct heap *h,
                                   struct block_walk *walk)
{
    walk->off =
        heap_next_block(h, walk->off, &walk->p, &walk->state, &walk->usable);
    return walk->off != 0;
}

/* Is the descriptor at off a sound one in use?  Safe for any off. */
bool type_verify(const struct heap *h, uint64_t off);

/* The type of the record at off.  Who reads without a lock may meet a word that
 * is no longer a record's, and only finds out afterwards. */
static inline const struct type_descriptor *type_of_record(const struct heap *h,
                                                           uint64_t off)
{
    static const struct type_descriptor nothing = {.name = ""};
    const struct record *record = heap_at(h, off);
    uint64_t type = load64(&record->type) & RECORD_OFF_MASK;
    struct scope s = scope_of(h, TN_INDEX_NULL);
    const struct type_descriptor *t = heap_at(h, type);

    if (unlikely(!scope_has(&s, type, sizeof(*t)) ||
                 s.size - type - sizeof(*t) <= t->name_length))
        return &nothing;
    return t;
}

/* --- Names --------------------------------------------------------------- */

struct name {
    const char *bytes;
    size_t length;
};

/* Order by unsigned bytes; of two names one of which begins with the other, the
 * shorter is less. */
static inline int name_compare(const struct name *a, const struct name *b)
{
    size_t n = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->bytes, b->bytes, n);

    return order != 0 ? order
                      : (a->length > b->length) - (a->length < b->length);
}

static inline uint64_t big_endian(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return __builtin_bswap64(word);
}

/* The eight bytes of a name from byte skip on, zeros behind its end, as a
 * number that orders as they do.  Since names hold no NUL, a slice that ends
 * with a zero byte holds all that is left of the name.
 *
 * Searches ask for this with a skip that has just come from far away, so no
 * branch may depend on it: a wrong guess would cost another such wait. */
static inline uint64_t name_slice(const struct name *name, size_t skip)
{
    uint64_t word = 0;
    size_t last, at, bits;

    if (unlikely(name->length < 8)) {
        for (size_t i = skip; i < name->length; i++)
            word |= (uint64_t)(unsigned char)name->bytes[i]
                    << (56 - 8 * (i - skip));
        return word;
    }
    last = name->length - 8;
    at = skip < last ? skip : last;
    bits = 8 * (skip - at);
    word = big_endian(name->bytes + at) << (bits & 63);
    return word & -(uint64_t)(bits < 64);
}

/* How many bytes two names begin with alike. */
size_t name_common(const struct name *a, const struct name *b);

/* The name of the type at off, which may be anything; false: there is none. */
bool name_of_type(const struct scope *s, uint64_t off, struct name *out);

/* The name of the record at off, which may be anything; false: there can be no
 * named or unique record.  A unique object's name is its type's. */
static inline bool name_read(const struct scope *s, uint64_t off,
                             struct name *out)
{
    const struct record *record = heap_at(s->h, off);
    uint64_t word, kind, room;

    if (unlikely(!scope_has(s, off, sizeof(*record))))
        return false;
    word = load64(&record->type);
    kind = word >> RECORD_KIND_SHIFT;
    if (unlikely(kind != TN_KIND_NAMED))
        return kind == TN_KIND_UNIQUE &&
               name_of_type(s, word & RECORD_OFF_MASK, out);
    out->length = word >> RECORD_NAME_SHIFT & RECORD_NAME_MASK;
    room = record_name_room(out->length) +
           record_link_room(s->index, TN_KIND_NAMED);
    out->bytes = heap_at(s->h, off - room);
    return out->length <= TN_NAME_MAX && room <= off;
}

/* In how many bits do the eight bytes at a and b differ? */
static inline uint64_t words_differ(const char *a, const char *b)
{
    return big_endian(a) ^ big_endian(b);
}

/* Are n bytes alike?  Inline for as many as names mostly are. */
static inline bool bytes_alike(const char *a, const char *b, size_t n)
{
    uint64_t differ;

    if (unlikely(n < 8 || n > 32))
        return memcmp(a, b, n) == 0;
    differ = words_differ(a, b) | words_differ(a + n - 8, b + n - 8);
    if (n > 16)
        differ |=
            words_differ(a + 8, b + 8) | words_differ(a + n - 16, b + n - 16);
    return differ == 0;
}

/* Is this the name of the unique object's record at off, which may be
 * anything? */
bool unique_name_is(const struct heap *h, uint64_t off, const char *bytes,
                    size_t length);

/* Is this the name of the record at off, which may be anything?  A named
 * object's is compared without waiting for the record's own length.  index is
 * s->index, known better. */
static inline __attribute__((always_inline)) bool
name_is(const struct scope *s, uint64_t off, const struct name *name,
        tn_index index)
{
    const struct record *record = heap_at(s->h, off);
    uint64_t room =
        record_name_room(name->length) + record_link_room(index, TN_KIND_NAMED);

    if (unlikely(!scope_has(s, off, sizeof(*record))))
        return false;
    if (likely(load64(&record->type) >> RECORD_NAME_SHIFT == name->length &&
               room <= off))
        return bytes_alike(heap_at(s->h, off - room), name->bytes,
                           name->length);
    return unique_name_is(s->h, off, name->bytes, name->length);
}

/* --- The kinds ----------------------------------------------------------- */

struct index_checker;

/* What each kind does for index.c, which has checked the name's length, keeps
 * index.count and ends walks that go in circles.  insert gets the record's
 * name and its place, where there is none. */
struct index_kind {
    uint64_t (*find)(const struct heap *h, const struct index *ix,
                     const char *name, size_t length);
    tn_status (*place)(const struct scope *s, const struct index *ix,
                       const struct name *name, struct index_place *place);
    tn_status (*insert)(struct heap *h, const struct scope *s, struct index *ix,
                        uint64_t record, const struct name *name,
                        const struct index_place *place);
    tn_status (*remove)(struct heap *h, const struct scope *s, struct index *ix,
                        uint64_t record, const struct name *name);
    tn_status (*reserve)(struct heap *h, const struct scope *s,
                         struct index *ix, size_t count);
    void (*shrink)(struct heap *h, const struct scope *s, struct index *ix);
    void (*clear)(struct heap *h, const struct scope *s, struct index *ix);
    tn_status (*seek)(const struct scope *s, const struct index *ix,
                      struct index_cursor *cursor, const struct name *name,
                      bool after);
    uint64_t (*next)(const struct scope *s, const struct index *ix,
                     struct index_cursor *cursor);
    void (*check)(struct index_checker *checker);
};

extern const struct index_kind index_iset, index_map, index_flat, index_hash;

/* --- Checking ------------------------------------------------------------ */

/* A running check of one index.  check functions hand every record met to
 * index_check_record(), which tests I1 to I3 of index.c. */
struct index_checker {
    struct scope s;
    const struct index *ix;
    tn_kind kind;
    struct report *report;
    uint64_t records; /* met so far */
    size_t blocks;    /* of BLOCK_INDEX, met so far */
    bool sorted;      /* do they come in order? */
    struct name last; /* name of the one before */
};

void index_check_record(struct index_checker *checker, uint64_t record);

/* Is there a block of BLOCK_INDEX of at least n bytes at off?  Counts it, and
 * reports it as I4 if not. */
bool index_check_block(struct index_checker *checker, uint64_t off, uint64_t n);

#endif
