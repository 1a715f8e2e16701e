/* page.c - one page of a hash: lines of slots
 *
 * What a page and its slots are, and the invariants I6 to I8 that are kept
 * here, hash.c tells.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index/hash.h"

uint64_t page_make(struct heap *h, unsigned lines_log2, unsigned depth)
{
    uint64_t bytes = page_bytes(lines_log2);
    struct index_page *page;

    if (lines_log2 < 3)
        page = heap_alloc(h, bytes, BLOCK_INDEX);
    else
        page = heap_alloc_aligned(h, bytes, 64, sizeof(*page), BLOCK_INDEX);
    if (page == NULL)
        return 0;
    memset(page, 0, bytes);
    page->lines_log2 = (uint8_t)lines_log2;
    page->depth = (uint8_t)depth;
    return heap_off(h, page);
}

uint64_t *slot_find(const struct scope *s, uint64_t page, unsigned lines_log2,
                    uint64_t hash, const struct name *name, uint64_t record)
{
    uint64_t *slots = page_at(s, page)->slots;
    uint32_t mask = ((uint32_t)1 << lines_log2) - 1;
    uint32_t home = home_of(hash, lines_log2);

    for (uint32_t distance = 0; distance <= mask && distance < DISTANCES;
         distance++) {
        uint64_t *line = slots + ((home + distance) & mask) * LINE_SLOTS;
        unsigned hits =
            matches(line, SLOT_TAG | SLOT_DISTANCE, tag_of(hash) | distance);

        for (; hits != 0; hits &= hits - 1) {
            uint64_t *slot = line + __builtin_ctz(hits);
            uint64_t off = load64(slot) & SLOT_OFF;

            if (record != 0 ? off == record
                            : name_is(s, off, name, TN_INDEX_HASH))
                return slot;
        }
        if (empties(line) != 0)
            break;
    }
    return NULL;
}

/* --- Putting and taking -------------------------------------------------- */

bool page_put(struct index_page *page, uint32_t home, uint64_t tag,
              uint64_t record)
{
    uint32_t mask = ((uint32_t)1 << page->lines_log2) - 1;

    if (page->count >= page_limit(page->lines_log2))
        return false;
    for (uint32_t distance = 0; distance <= mask && distance < DISTANCES;
         distance++) {
        uint64_t *line = page->slots + ((home + distance) & mask) * LINE_SLOTS;
        unsigned empty = first_empty(line);

        if (likely(empty < LINE_SLOTS)) {
            line[empty] = tag | record | distance;
            page->count++;
            return true;
        }
    }
    return false;
}

/* The slot that may move back into a hole in a full line: in a line further on,
 * but at home no later than here.  NULL: I7 holds without. */
static uint64_t *find_filler(struct index_page *page, uint32_t line,
                             uint32_t *back)
{
    uint32_t mask = ((uint32_t)1 << page->lines_log2) - 1;

    for (uint32_t i = 1; i <= mask && i < DISTANCES; i++) {
        uint64_t *slots = page->slots + ((line + i) & mask) * LINE_SLOTS;

        for (unsigned j = 0; j < LINE_SLOTS; j++) {
            if (slots[j] != 0 && (slots[j] & SLOT_DISTANCE) >= i) {
                *back = i;
                return &slots[j];
            }
        }
        if (empties(slots) != 0)
            break;
    }
    return NULL;
}

/* Each filler comes from a later line, so this ends. */
void page_take(struct index_page *page, uint64_t *slot)
{
    uint64_t *filler;
    uint32_t back = 0, line;

    page->count--;
    for (uint32_t i = 0; i <= (uint32_t)1 << page->lines_log2; i++) {
        line = (uint32_t)(slot - page->slots) / LINE_SLOTS;
        if (empties(page->slots + line * LINE_SLOTS) != 0)
            break;
        filler = find_filler(page, line, &back);
        if (filler == NULL)
            break;
        *slot = *filler - back;
        slot = filler;
    }
    *slot = 0;
}

/* --- All of a page ------------------------------------------------------- */

void page_save(struct page_copy *copy, const struct index_page *page)
{
    copy->bytes = sizeof(*page) +
                  (LINE_SLOTS * sizeof(page->slots[0]) << page->lines_log2);
    memcpy(copy->words, page, copy->bytes);
}

void page_restore(struct index_page *page, const struct page_copy *copy)
{
    memcpy(page, copy->words, copy->bytes);
}

/* The names are far apart in memory, so they are called for before they are
 * read. */
bool contents_read(const struct scope *s, const struct index_page *page,
                   struct contents *c)
{
    uint32_t slots = (uint32_t)LINE_SLOTS << page->lines_log2;
    struct name name;

    c->count = 0;
    for (uint32_t i = 0; i < slots; i++) {
        uint64_t record = page->slots[i] & SLOT_OFF;

        if (record == 0)
            continue;
        c->records[c->count++] = record;
        __builtin_prefetch(heap_at(s->h, record));
        __builtin_prefetch(heap_at(s->h, record - 16));
    }
    for (uint32_t i = 0; i < c->count; i++) {
        if (!name_read(s, c->records[i], &name))
            return false;
        c->hashes[i] = hash_of(&name);
    }
    return true;
}

/* As page_put(), where it is known how many slots of each line are in use. */
static inline bool append(struct index_page *page, uint8_t *used, uint64_t hash,
                          uint64_t record)
{
    uint32_t mask = ((uint32_t)1 << page->lines_log2) - 1;
    uint32_t home = home_of(hash, page->lines_log2);

    if (page->count >= page_limit(page->lines_log2))
        return false;
    for (uint32_t distance = 0; distance <= mask && distance < DISTANCES;
         distance++) {
        uint32_t line = (home + distance) & mask;

        if (used[line] < LINE_SLOTS) {
            page->slots[line * LINE_SLOTS + used[line]++] =
                tag_of(hash) | record | distance;
            page->count++;
            return true;
        }
    }
    return false;
}

bool contents_write(const struct contents *c, struct index_page *zero,
                    struct index_page *one, unsigned bit)
{
    uint8_t used[2][1 << LINES_LOG2_MAX] = {{0}};

    for (uint32_t i = 0; i < c->count; i++) {
        bool other = zero != one && (c->hashes[i] >> bit & 1) != 0;

        if (!append(other ? one : zero, used[other], c->hashes[i],
                    c->records[i]))
            return false;
    }
    return true;
}
