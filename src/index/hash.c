/* hash.c - the index that is fastest to find in: a directory of small tables
 *
 *     words[0]      directory              page: 1 to 64 lines of 8 slots
 *        |         +--------+             +-------+----+----+-- ... --+----+
 *        +-------> | ..00   | ----------> | count | s0 | s1 |         | s7 |
 *     words[1]     | ..01   | --+         | depth | s8 | ...                |
 *     bits         | ..10   | --|-> page  +-------+------------------------+
 *     words[2]     | ..11   | --+-> page
 *     lines_log2   +--------+
 *
 * The low bits of a name's hash choose the directory's entry, the highest the
 * line, a cache line long, in which the search begins.  A slot is one word:
 *
 *     63      48 47                            4 3        0
 *     +---------+-------------------------------+----------+
 *     |   tag   |  record's offset (its bits)    | distance |    0: empty
 *     +---------+-------------------------------+----------+
 *
 * where the tag is sixteen other bits of the hash, and distance tells how many
 * lines after its own, in circles, the name found room.  So finding costs one
 * line of slots and the record itself.
 *
 * A full page splits in two by one more bit of the hash (its depth), and only
 * when that is more bits than the directory has does the directory double.  So
 * growing never moves more than one page of 512 slots, and the directory, a
 * word a page.  While there is one page only, it begins with one line and
 * doubles.  Pages that are empty go; entries of the directory may be 0.
 *
 * Names chosen so that their hashes agree would split pages for ever; when the
 * directory would be much too large for the names there are, a full page gets
 * another one behind it instead (next).
 *
 * Beside I1 to I4 of index.c:
 *
 *   I5  All entries of the directory that agree in the low depth bits lead to
 *       the same page, and no others do.
 *   I6  Every slot is where the hash of its name says, distance lines further
 *       on, with its tag.
 *   I7  All lines from a slot's own to the one before it are full.
 *   I8  page.count is the number of its slots in use.
 *   I9  Finding a record's name finds that record.
 *
 * Why distances: I7 ends a search at the first line with an empty slot.  When
 * a name goes from a full line, a slot from further on takes its place, and
 * distance tells which may, without looking at names and leaving no tombs.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index/hash.h"

static void hash_clear(struct heap *h, const struct scope *s, struct index *ix);
static void hash_shrink(struct heap *h, const struct scope *s,
                        struct index *ix);

/* --- Finding ------------------------------------------------------------- */

/* Whatever is not in the first slot of its tag in its own line. */
static __attribute__((noinline)) uint64_t
find_further(const struct heap *h, const struct index *ix, uint64_t hash,
             const char *bytes, size_t length)
{
    struct scope s = scope_of(h, TN_INDEX_HASH);
    struct name name = {bytes, length};
    struct directory d;
    uint64_t page;

    if (!directory_read(&s, ix, &d))
        return 0;
    page = load64(&d.pages[hash & d.mask]);
    for (int i = 0; i < CHAIN_MAX && page_valid(&s, page, d.lines_log2); i++) {
        const uint64_t *slot =
            slot_find(&s, page, d.lines_log2, hash, &name, 0);

        if (slot != NULL)
            return load64(slot) & SLOT_OFF;
        page = load64(&page_at(&s, page)->next);
    }
    return 0;
}

/* Nearly every search ends here, having waited for a line and a record.  It is
 * short so that a processor can begin the next one meanwhile, and has nothing
 * in memory that could be in registers. */
static inline __attribute__((always_inline)) uint64_t
find_hashed(const struct heap *h, const struct index *ix, uint64_t hash,
            const char *bytes, size_t length)
{
    struct scope s = scope_of(h, TN_INDEX_HASH);
    struct name name = {bytes, length};
    uint64_t page, record;
    const uint64_t *line;
    struct directory d;
    unsigned hits;

    if (unlikely(!directory_read(&s, ix, &d)))
        return 0;
    page = load64(&d.pages[hash & d.mask]);
    if (unlikely(!page_valid(&s, page, d.lines_log2)))
        return 0;
    line = page_at(&s, page)->slots + home_of(hash, d.lines_log2) * LINE_SLOTS;
    hits = tag_matches(line, tag_of(hash));
    if (unlikely(hits == 0))
        return empties(line) != 0 && load64(&page_at(&s, page)->next) == 0
                   ? 0
                   : find_further(h, ix, hash, bytes, length);
    record = load64(line + __builtin_ctz(hits)) & SLOT_OFF;
    return likely(name_is(&s, record, &name, TN_INDEX_HASH))
               ? record
               : find_further(h, ix, hash, bytes, length);
}

uint64_t hash_find(const struct heap *h, const struct index *ix,
                   const char *name, size_t length)
{
    return find_hashed(h, ix, digest64(name, length), name, length);
}

/* --- Growing ------------------------------------------------------------- */

static uint64_t *directory_at(const struct scope *s, const struct index *ix)
{
    return heap_at(s->h, ix->words[DIRECTORY]);
}

static uint64_t directory_make(struct heap *h, unsigned bits)
{
    void *p = heap_alloc(h, sizeof(uint64_t) << bits, BLOCK_INDEX);

    if (p == NULL)
        return 0;
    memset(p, 0, sizeof(uint64_t) << bits);
    return heap_off(h, p);
}

/* Let all entries that agree with hash in depth bits lead to page. */
static void directory_set(uint64_t *pages, unsigned bits, uint64_t hash,
                          unsigned depth, uint64_t page)
{
    uint64_t step = UINT64_C(1) << depth;

    for (uint64_t i = hash & (step - 1); i < UINT64_C(1) << bits; i += step)
        pages[i] = page;
}

/* Is there a page that may be changed, and what it says of itself true? */
static bool page_sound(const struct scope *s, const struct directory *d,
                       uint64_t off)
{
    const struct index_page *page = page_at(s, off);

    return block_is_index(s, off, page_bytes(d->lines_log2)) &&
           page->lines_log2 == d->lines_log2 && page->depth <= d->bits;
}

/* The directory, if it may be changed. */
static bool directory_sound(const struct scope *s, const struct index *ix,
                            struct directory *out)
{
    return directory_read(s, ix, out) &&
           block_is_index(s, ix->words[DIRECTORY],
                          sizeof(uint64_t) << out->bits);
}

/* Put the only page's names into one with another number of lines. */
static tn_status resize_only_page(struct heap *h, const struct scope *s,
                                  struct index *ix, unsigned lines_log2)
{
    uint64_t *directory = directory_at(s, ix);
    struct index_page *old = page_at(s, directory[0]);
    struct contents c;
    uint64_t fresh;

    if (old->next != 0)
        return TN_EBUSY;
    if (!contents_read(s, old, &c))
        return TN_ECORRUPT;
    fresh = page_make(h, lines_log2, 0);
    if (fresh == 0)
        return TN_ENOMEM;
    if (!contents_write(&c, page_at(s, fresh), page_at(s, fresh), 0)) {
        (void)heap_free(h, page_at(s, fresh));
        return TN_EBUSY; /* too small, whatever the count says */
    }
    directory[0] = fresh;
    ix->words[LINES] = lines_log2;
    (void)heap_free(h, old);
    return TN_OK;
}

/* Double the directory. */
static tn_status directory_double(struct heap *h, const struct scope *s,
                                  struct index *ix)
{
    unsigned bits = (unsigned)ix->words[BITS];
    uint64_t *old = directory_at(s, ix), *pages;
    uint64_t fresh = directory_make(h, bits + 1);

    if (fresh == 0)
        return TN_ENOMEM;
    pages = heap_at(h, fresh);
    memcpy(pages, old, sizeof(uint64_t) << bits);
    memcpy(pages + (UINT64_C(1) << bits), old, sizeof(uint64_t) << bits);
    ix->words[DIRECTORY] = fresh;
    ix->words[BITS] = bits + 1;
    (void)heap_free(h, old);
    return TN_OK;
}

/* Would a larger directory still be in proportion to the names? */
static bool may_double(const struct index *ix)
{
    return ix->words[BITS] < BITS_MAX &&
           UINT64_C(1) << ix->words[BITS] <= 32 * (ix->count / 256 + 1);
}

/* Split the page that hash leads to.  TN_EBUSY: its names cannot be told apart
 * so far, and nothing has changed. */
static tn_status split_page(struct heap *h, const struct scope *s,
                            struct index *ix, uint64_t hash)
{
    uint64_t mask = (UINT64_C(1) << ix->words[BITS]) - 1;
    struct index_page *page = page_at(s, directory_at(s, ix)[hash & mask]);
    unsigned depth = page->depth;
    struct page_copy before;
    struct contents c;
    uint64_t fresh;
    tn_status status = TN_OK;

    if (page->next != 0 || (depth == ix->words[BITS] && !may_double(ix)))
        return TN_EBUSY;
    if (!contents_read(s, page, &c))
        return TN_ECORRUPT;
    fresh = page_make(h, page->lines_log2, depth + 1);
    if (fresh == 0)
        return TN_ENOMEM;
    if (depth == ix->words[BITS])
        status = directory_double(h, s, ix);
    if (status != TN_OK) {
        (void)heap_free(h, page_at(s, fresh));
        return status;
    }
    page_save(&before, page);
    memset(page->slots, 0, before.bytes - sizeof(*page));
    page->count = 0;
    page->depth = (uint8_t)(depth + 1);
    if (!contents_write(&c, page, page_at(s, fresh), depth)) {
        page_restore(page, &before);
        (void)heap_free(h, page_at(s, fresh));
        return TN_EBUSY;
    }
    directory_set(directory_at(s, ix), (unsigned)ix->words[BITS],
                  hash | UINT64_C(1) << depth, depth + 1, fresh);
    return TN_OK;
}

/* --- Inserting ----------------------------------------------------------- */

/* A directory of one entry, which leads nowhere yet. */
static tn_status directory_begin(struct heap *h, struct index *ix)
{
    uint64_t fresh = directory_make(h, 0);

    if (fresh == 0)
        return TN_ENOMEM;
    memset(ix->words, 0, sizeof(ix->words));
    ix->words[DIRECTORY] = fresh;
    return TN_OK;
}

/* Put a record into the page that its hash leads to, or one behind it.
 * TN_EBUSY: all are full. */
static tn_status put(struct heap *h, const struct scope *s, struct index *ix,
                     uint64_t hash, uint64_t record)
{
    struct directory d;
    uint64_t *entry, page;

    if (!directory_read(s, ix, &d))
        return TN_ECORRUPT;
    entry = directory_at(s, ix) + (hash & d.mask);
    if (unlikely(*entry == 0)) {
        if (!directory_sound(s, ix, &d))
            return TN_ECORRUPT;
        *entry = page_make(h, d.lines_log2, d.bits);
        if (*entry == 0)
            return TN_ENOMEM;
    }
    page = *entry;
    for (int i = 0; i < CHAIN_MAX && page != 0; i++) {
        if (!page_sound(s, &d, page))
            return TN_ECORRUPT;
        if (page_put(page_at(s, page), home_of(hash, d.lines_log2),
                     tag_of(hash), record))
            return TN_OK;
        page = page_at(s, page)->next;
    }
    return TN_EBUSY;
}

/* Make room where hash leads, by more lines or another page.  TN_EBUSY: that
 * cannot be. */
static tn_status make_room(struct heap *h, const struct scope *s,
                           struct index *ix, uint64_t hash)
{
    unsigned lines_log2 = (unsigned)ix->words[LINES];

    if (lines_log2 == LINES_LOG2_MAX)
        return split_page(h, s, ix, hash);
    return resize_only_page(h, s, ix, lines_log2 + 1);
}

/* Put a page behind the one that is full. */
static tn_status add_page_behind(struct heap *h, const struct scope *s,
                                 struct index *ix, uint64_t hash)
{
    uint64_t mask = (UINT64_C(1) << ix->words[BITS]) - 1;
    struct index_page *first = page_at(s, directory_at(s, ix)[hash & mask]);
    uint64_t fresh = page_make(h, first->lines_log2, first->depth);

    if (fresh == 0)
        return TN_ENOMEM;
    page_at(s, fresh)->next = first->next;
    first->next = fresh;
    return TN_OK;
}

static tn_status hash_place(const struct scope *s, const struct index *ix,
                            const struct name *name, struct index_place *place)
{
    place->hash = hash_of(name);
    place->record =
        find_hashed(s->h, ix, place->hash, name->bytes, name->length);
    return TN_OK;
}

static tn_status hash_insert(struct heap *h, const struct scope *s,
                             struct index *ix, uint64_t record,
                             const struct name *name,
                             const struct index_place *place)
{
    uint64_t hash = place->hash;
    tn_status status = TN_OK;

    (void)name;
    if (ix->words[DIRECTORY] == 0)
        status = directory_begin(h, ix);
    while (status == TN_OK) {
        status = put(h, s, ix, hash, record);
        if (status != TN_EBUSY)
            break;
        status = make_room(h, s, ix, hash);
        if (status == TN_EBUSY)
            status = add_page_behind(h, s, ix, hash);
    }
    if (ix->count == 0 && status != TN_OK)
        hash_clear(h, s, ix);
    return status;
}

/* --- Removing ------------------------------------------------------------ */

/* Take an empty page out; before is the one before it, 0: the directory. */
static void drop_page(struct heap *h, const struct scope *s, struct index *ix,
                      uint64_t hash, uint64_t before, uint64_t off)
{
    const struct index_page *page = page_at(s, off);

    if (before != 0)
        page_at(s, before)->next = page->next;
    else
        directory_set(directory_at(s, ix), (unsigned)ix->words[BITS], hash,
                      page->depth, page->next);
    (void)heap_free(h, page_at(s, off));
}

static tn_status hash_remove(struct heap *h, const struct scope *s,
                             struct index *ix, uint64_t record,
                             const struct name *name)
{
    uint64_t hash = hash_of(name), page, before = 0;
    struct directory d;

    if (!directory_sound(s, ix, &d))
        return TN_ECORRUPT;
    page = d.pages[hash & d.mask];
    for (int i = 0; i < CHAIN_MAX && page_sound(s, &d, page); i++) {
        uint64_t *slot = slot_find(s, page, d.lines_log2, hash, name, record);

        if (slot != NULL) {
            page_take(page_at(s, page), slot);
            if (page_at(s, page)->count == 0)
                drop_page(h, s, ix, hash, before, page);
            if (ix->count == 1)
                hash_clear(h, s, ix);
            return TN_OK;
        }
        before = page;
        page = page_at(s, page)->next;
    }
    return TN_ECORRUPT;
}

/* --- Memory -------------------------------------------------------------- */

/* Give back all pages from one on, and those behind them.  A page met again,
 * which only damage brings about, is free then. */
static void free_pages(struct heap *h, const struct scope *s, uint64_t page)
{
    while (block_is_index(s, page, sizeof(struct index_page))) {
        uint64_t next = page_at(s, page)->next;

        (void)heap_free(h, page_at(s, page));
        page = next;
    }
}

static void hash_clear(struct heap *h, const struct scope *s, struct index *ix)
{
    uint64_t *directory = directory_at(s, ix);
    struct directory d;

    if (directory_sound(s, ix, &d)) {
        for (uint64_t i = 0; i <= d.mask; i++)
            free_pages(h, s, directory[i]);
        (void)heap_free(h, directory);
    }
    memset(ix->words, 0, sizeof(ix->words));
}

/* Bits of the directory, or lines of the only page, for this many names: pages
 * about two thirds full. */
static unsigned bits_for(size_t count)
{
    unsigned bits = 0;

    while (bits < BITS_MAX && count >> bits > PAGE_SLOTS_MAX / 3 * 2)
        bits++;
    return bits;
}

static unsigned lines_log2_for(size_t count)
{
    unsigned lines_log2 = 0;

    while (lines_log2 < LINES_LOG2_MAX && count > page_limit(lines_log2))
        lines_log2++;
    return lines_log2;
}

/* Let the only page have at least this many lines. */
static tn_status reserve_lines(struct heap *h, const struct scope *s,
                               struct index *ix, unsigned lines_log2)
{
    uint64_t *directory = directory_at(s, ix);

    if (lines_log2 <= ix->words[LINES] && directory[0] != 0)
        return TN_OK;
    if (directory[0] != 0)
        return resize_only_page(h, s, ix, lines_log2);
    directory[0] = page_make(h, lines_log2, 0);
    ix->words[LINES] = lines_log2;
    return directory[0] != 0 ? TN_OK : TN_ENOMEM;
}

/* Split every page that is known by less bits than these. */
static tn_status reserve_bits(struct heap *h, const struct scope *s,
                              struct index *ix, unsigned bits)
{
    tn_status status = TN_OK;

    while (status == TN_OK && ix->words[BITS] < bits)
        status = directory_double(h, s, ix);
    for (uint64_t i = 0; status == TN_OK && i >> ix->words[BITS] == 0; i++) {
        uint64_t *entry = directory_at(s, ix) + i;

        if (*entry == 0)
            *entry = page_make(h, LINES_LOG2_MAX, (unsigned)ix->words[BITS]);
        if (*entry == 0)
            return TN_ENOMEM;
        while (status == TN_OK && page_at(s, *entry)->depth < bits)
            status = split_page(h, s, ix, i);
        if (status == TN_EBUSY) /* full of names alike: leave it */
            status = TN_OK;
    }
    return status;
}

/* Are all pages such that they can be changed? */
static bool all_sound(const struct scope *s, const struct index *ix)
{
    struct directory d;

    if (!directory_sound(s, ix, &d))
        return false;
    for (uint64_t i = 0; i <= d.mask; i++) {
        uint64_t page = d.pages[i];

        for (int j = 0; page != 0; j++) {
            if (j == CHAIN_MAX || !page_sound(s, &d, page))
                return false;
            page = page_at(s, page)->next;
        }
    }
    return true;
}

static tn_status hash_reserve(struct heap *h, const struct scope *s,
                              struct index *ix, size_t count)
{
    unsigned bits = bits_for(count);
    tn_status status = TN_OK;

    if (count <= ix->count)
        return TN_OK;
    if (ix->words[DIRECTORY] == 0)
        status = directory_begin(h, ix);
    if (status == TN_OK && !all_sound(s, ix))
        return TN_ECORRUPT;
    if (status == TN_OK && ix->words[BITS] == 0)
        status = reserve_lines(
            h, s, ix, bits > 0 ? LINES_LOG2_MAX : lines_log2_for(count));
    if (status == TN_OK && bits > 0)
        status = reserve_bits(h, s, ix, bits);
    if (status != TN_OK)
        hash_shrink(h, s, ix);
    return status == TN_EBUSY ? TN_OK : status;
}

/* Put all names of one page into another of the same home lines. */
static bool merge_pages(struct index_page *to, const struct index_page *from)
{
    uint32_t mask = ((uint32_t)1 << from->lines_log2) - 1;
    struct page_copy before;

    if (to->next != 0 || from->next != 0 ||
        to->count + from->count > page_limit(from->lines_log2) / 4 * 3)
        return false;
    page_save(&before, to);
    for (uint32_t i = 0; i < LINE_SLOTS * (mask + 1); i++) {
        uint64_t slot = from->slots[i];
        uint32_t home = (i / LINE_SLOTS - (uint32_t)(slot & SLOT_DISTANCE));

        if (slot != 0 &&
            !page_put(to, home & mask, slot & SLOT_TAG, slot & SLOT_OFF)) {
            page_restore(to, &before);
            return false;
        }
    }
    return true;
}

/* Let entries i and i + half of the directory lead to one page, if they may. */
static bool merge_entries(struct heap *h, const struct scope *s,
                          struct index *ix, uint64_t i, uint64_t half)
{
    uint64_t *low = directory_at(s, ix) + i, *high = low + half;
    uint64_t lost = *high;

    if (*low == *high)
        return true;
    if ((*low != 0 && !block_is_index(s, *low, sizeof(struct index_page))) ||
        (*high != 0 && !block_is_index(s, *high, sizeof(struct index_page))))
        return false; /* given back as another's: damage */
    if ((*low != 0 && page_at(s, *low)->depth != ix->words[BITS]) ||
        (*high != 0 && page_at(s, *high)->depth != ix->words[BITS]))
        return false;
    if (*low == 0) {
        *low = *high;
        lost = 0;
    } else if (*high != 0 &&
               !merge_pages(page_at(s, *low), page_at(s, *high))) {
        return false;
    }
    page_at(s, *low)->depth--;
    for (uint64_t page = page_at(s, *low)->next; page != 0;
         page = page_at(s, page)->next)
        page_at(s, page)->depth--;
    *high = *low;
    if (lost != 0)
        (void)heap_free(h, page_at(s, lost));
    return true;
}

/* Merge pages that differ in the last bit only; true: the directory could do
 * without that bit, and does. */
static bool halve(struct heap *h, const struct scope *s, struct index *ix)
{
    unsigned bits = (unsigned)ix->words[BITS] - 1;
    uint64_t *old = directory_at(s, ix), fresh;
    bool all = true;

    for (uint64_t i = 0; i >> bits == 0; i++)
        all = merge_entries(h, s, ix, i, UINT64_C(1) << bits) && all;
    if (!all)
        return false;
    fresh = directory_make(h, bits);
    if (fresh == 0)
        return false;
    memcpy(heap_at(h, fresh), old, sizeof(uint64_t) << bits);
    ix->words[DIRECTORY] = fresh;
    ix->words[BITS] = bits;
    (void)heap_free(h, old);
    return true;
}

static void hash_shrink(struct heap *h, const struct scope *s, struct index *ix)
{
    unsigned lines_log2 = lines_log2_for(ix->count);

    if (ix->count == 0) {
        hash_clear(h, s, ix);
        return;
    }
    if (!all_sound(s, ix))
        return;
    while (ix->words[BITS] > 0 && halve(h, s, ix))
        continue;
    while (ix->words[BITS] == 0 && lines_log2 < ix->words[LINES] &&
           resize_only_page(h, s, ix, lines_log2) == TN_EBUSY)
        lines_log2++;
}

const struct index_kind index_hash = {
    .find = hash_find,
    .place = hash_place,
    .insert = hash_insert,
    .remove = hash_remove,
    .reserve = hash_reserve,
    .shrink = hash_shrink,
    .clear = hash_clear,
    .seek = hash_seek,
    .next = hash_next,
    .check = hash_check,
};
