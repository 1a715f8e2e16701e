/* hash.h - slots, lines and pages of a hash, as its three files see them
 *
 * hash.c tells what they are.  page.c works inside one page, hash.c with all
 * of them, hash_list.c reads them all, to list the names and to check.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef INDEX_HASH_H
#define INDEX_HASH_H

#include "base/digest.h"
#include "index/kind.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    LINE_SLOTS = 8,
    LINES_LOG2_MAX = 6,
    PAGE_SLOTS_MAX = LINE_SLOTS << LINES_LOG2_MAX,
    DISTANCES = 16,
    BITS_MAX = 36,
    CHAIN_MAX = 1 << 16, /* pages behind one another */
};
enum { DIRECTORY, BITS, LINES }; /* index.words */

#define SLOT_OFF      UINT64_C(0x0000fffffffffff0)
#define SLOT_DISTANCE UINT64_C(15)
#define SLOT_TAG      UINT64_C(0xffff000000000000)

/* --- Slots and lines ----------------------------------------------------- */

static inline uint64_t hash_of(const struct name *name)
{
    return digest64(name->bytes, name->length);
}

/* Bits 42 to 57 of the hash, where the tag is in a slot. */
static inline uint64_t tag_of(uint64_t hash)
{
    return hash << 6 & SLOT_TAG;
}

static inline uint32_t home_of(uint64_t hash, unsigned lines_log2)
{
    return (uint32_t)(hash >> 58 >> (LINES_LOG2_MAX - lines_log2));
}

/* Which of a line's slots agree with want under mask, as bits. */
static inline unsigned matches(const uint64_t *line, uint64_t mask,
                               uint64_t want)
{
    unsigned bits = 0;

#pragma GCC unroll 8
    for (unsigned i = 0; i < LINE_SLOTS; i++)
        bits |= (unsigned)((load64(&line[i]) & mask) == want) << i;
    return bits;
}

/* Which of a line's slots have this tag, as bits; for the line searched first,
 * where it counts. */
static inline unsigned tag_matches(const uint64_t *line, uint64_t tag)
{
#ifdef __SSE2__
    const __m128i *words = (const __m128i *)line;
    __m128i mask = _mm_set1_epi32((int)(SLOT_TAG >> 32));
    __m128i wanted = _mm_set1_epi32((int)(tag >> 32));
    __m128i highs[2];

    /* The upper halves of two times four words. */
    for (int i = 0; i < 2; i++) {
        __m128 a = _mm_castsi128_ps(_mm_loadu_si128(words + 2 * i));
        __m128 b = _mm_castsi128_ps(_mm_loadu_si128(words + 2 * i + 1));

        highs[i] = _mm_castps_si128(_mm_shuffle_ps(a, b, 0xdd));
        highs[i] = _mm_cmpeq_epi32(_mm_and_si128(highs[i], mask), wanted);
    }
    return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(
        _mm_packs_epi32(highs[0], highs[1]), _mm_setzero_si128()));
#else
    return matches(line, SLOT_TAG, tag);
#endif
}

static inline unsigned empties(const uint64_t *line)
{
    return matches(line, SLOT_OFF, 0);
}

/* The first of a line's slots that is empty, LINE_SLOTS: none; for whoever
 * changes it. */
static inline unsigned first_empty(const uint64_t *line)
{
#ifdef __SSE2__
    __m128i mask = _mm_set1_epi64x((long long)SLOT_OFF);
    unsigned halves = 1U << 2 * LINE_SLOTS;

    /* Two bits a slot, one for each half of it that is zero. */
    for (unsigned i = 0; i < LINE_SLOTS / 2; i++) {
        __m128i slots = _mm_loadu_si128((const __m128i *)line + i);
        __m128i zero =
            _mm_cmpeq_epi32(_mm_and_si128(slots, mask), _mm_setzero_si128());

        halves |= (unsigned)_mm_movemask_ps(_mm_castsi128_ps(zero)) << 4 * i;
    }
    halves &= halves >> 1 | 1U << 2 * LINE_SLOTS;
    return (unsigned)__builtin_ctz(halves & 0x15555) / 2;
#else
    return (unsigned)__builtin_ctz(empties(line) | 1U << LINE_SLOTS);
#endif
}

/* --- The directory and its pages ----------------------------------------- */

static inline struct index_page *page_at(const struct scope *s, uint64_t off)
{
    return heap_at(s->h, off);
}

static inline uint64_t page_bytes(unsigned lines_log2)
{
    return sizeof(struct index_page) +
           (LINE_SLOTS * sizeof(uint64_t) << lines_log2);
}

/* The directory as an index tells; false: there is none, or it cannot be. */
struct directory {
    const uint64_t *pages;
    uint64_t mask;
    unsigned bits, lines_log2;
};

static inline bool directory_read(const struct scope *s, const struct index *ix,
                                  struct directory *out)
{
    uint64_t off = load64(&ix->words[DIRECTORY]);
    uint64_t bits = load64(&ix->words[BITS]), lines = load64(&ix->words[LINES]);

    if (bits > BITS_MAX || lines > LINES_LOG2_MAX ||
        !scope_has(s, off, sizeof(uint64_t) << bits))
        return false;
    out->pages = heap_at(s->h, off);
    out->mask = (UINT64_C(1) << bits) - 1;
    out->bits = (unsigned)bits;
    out->lines_log2 = (unsigned)lines;
    return true;
}

/* Can a page of as many lines as all have lie there? */
static inline bool page_valid(const struct scope *s, uint64_t off,
                              unsigned lines_log2)
{
    return scope_has(s, off, page_bytes(lines_log2));
}

/* How many names a page takes before it counts as full. */
static inline uint32_t page_limit(unsigned lines_log2)
{
    uint32_t slots = (uint32_t)LINE_SLOTS << lines_log2;

    return slots - slots / 8;
}

/* --- One page (page.c) --------------------------------------------------- */

/* A new empty page, 0: no room. */
uint64_t page_make(struct heap *h, unsigned lines_log2, unsigned depth);

/* The slot of a name in a page that is page_valid(); NULL: none.  With a record
 * (not 0) the slot of that, whatever its name. */
uint64_t *slot_find(const struct scope *s, uint64_t page, unsigned lines_log2,
                    uint64_t hash, const struct name *name, uint64_t record);

/* Put a record into the first line with room; false: there is none. */
bool page_put(struct index_page *page, uint32_t home, uint64_t tag,
              uint64_t record);

/* Empty a slot. */
void page_take(struct index_page *page, uint64_t *slot);

/* A page as it was, to go back to. */
struct page_copy {
    size_t bytes;
    uint64_t
        words[sizeof(struct index_page) / sizeof(uint64_t) + PAGE_SLOTS_MAX];
};

void page_save(struct page_copy *copy, const struct index_page *page);
void page_restore(struct index_page *page, const struct page_copy *copy);

/* The slots of a page with their hashes, outside it. */
struct contents {
    uint32_t count;
    uint64_t records[PAGE_SLOTS_MAX];
    uint64_t hashes[PAGE_SLOTS_MAX];
};

/* Take note of what is in a page.  False: damaged. */
bool contents_read(const struct scope *s, const struct index_page *page,
                   struct contents *c);

/* Put what was noted into empty pages by one bit of the hash; zero and one may
 * be the same.  False: there is no room. */
bool contents_write(const struct contents *c, struct index_page *zero,
                    struct index_page *one, unsigned bit);

/* --- All of them (hash.c, hash_list.c) ----------------------------------- */

uint64_t hash_find(const struct heap *h, const struct index *ix,
                   const char *name, size_t length);
tn_status hash_seek(const struct scope *s, const struct index *ix,
                    struct index_cursor *cursor, const struct name *name,
                    bool after);
uint64_t hash_next(const struct scope *s, const struct index *ix,
                   struct index_cursor *cursor);
void hash_check(struct index_checker *checker);

#endif
