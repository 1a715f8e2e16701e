/* test_heap_check.c - the checker finds what is wrong, and survives it
 *
 * The heap lies between two pages that may not be touched, so that a checker
 * that believes a broken heap dies.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"
#include "heap/heap.h"
#include "lib/arena.h"
#include "link/rbtree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

enum { SIZE = 65536, PAGE = 4096, HELD = 40 };

static struct heap *heap;
static unsigned char saved[SIZE];
static unsigned char *held[HELD];

/* Make a heap with blocks of all kinds: every third of them is free, some of
 * those wait, and some are large. */
static void populate(size_t size, tn_fit fit)
{
    cr_assert(eq(int, heap_init(heap, size, ARENA_RESERVED, fit), TN_OK));
    for (size_t i = 0; i < HELD; i++)
        held[i] = heap_alloc(heap, i % 7 == 0 ? 3000 : 20 + i % 5 * 60,
                             (enum block_state)(BLOCK_RAW + i % 5));
    for (int i = 0; i < HELD; i += 3)
        if (held[i] != NULL)
            heap_free(heap, held[i]);
    if (heap->tables != 0) {
        heap_flush(heap);
        for (int i = 1; i < HELD; i += 6)
            heap_free(heap, held[i]); /* these wait */
    }
    memcpy(saved, heap, SIZE);
}

static void make_fence(void)
{
    unsigned char *all = mmap(NULL, SIZE + 2 * PAGE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    cr_assert(ne(ptr, all, MAP_FAILED));
    mprotect(all, PAGE, PROT_NONE);
    mprotect(all + PAGE + SIZE, PAGE, PROT_NONE);
    heap = (struct heap *)(all + PAGE);
    populate(SIZE, TN_FIT_BEST);
}

TestSuite(heap_check, .init = make_fence, .timeout = 60);

/* --- Each rule by itself -------------------------------------------------- */

struct expectation {
    const char *rule;
    bool found;
};

static void look_for(void *arg, const tn_finding *finding)
{
    struct expectation *e = arg;

    cr_expect(eq(str, (char *)finding->layer, "heap"));
    cr_expect(gt(sz, strlen(finding->what), 10));
    if (strcmp(finding->rule, e->rule) == 0)
        e->found = true;
}

/* Does the checker report this rule?  The heap is then put right again. */
static bool breaks(const char *rule)
{
    struct expectation e = {.rule = rule};
    struct report report = {.fn = look_for, .arg = &e, .layer = "heap"};

    heap_check(heap, &report);
    memcpy(heap, saved, SIZE);
    cr_assert(arena_check(heap, true), "it was sound before");
    return e.found;
}

/* The first block of this state, of at least this size and below most. */
static uint64_t some_block(enum block_state state, size_t least, size_t most)
{
    enum block_state found;
    uint64_t off = 0;
    size_t usable;
    void *p;

    while ((off = heap_next_block(heap, off, &p, &found, &usable)) != 0)
        if (found == state && usable + 8 >= least && usable + 8 < most)
            return off;
    cr_assert(false, "there is no such block");
    return 0;
}

static void set_word(uint64_t off, uint64_t size, uint64_t prev_used,
                     enum block_state state)
{
    *word_at(heap, off) = word_make(off, size, prev_used, state);
}

Test(heap_check, accepts_a_sound_heap)
{
    cr_expect(arena_check(heap, true));
    cr_expect(eq(int, heap_verify_header(heap, SIZE), TN_OK));
    cr_expect(eq(int, heap_verify_header(heap, SIZE - 1), TN_ECORRUPT));
}

Test(heap_check, finds_broken_chains)
{
    uint64_t off = some_block(BLOCK_RAW, 0, SIZE);
    uint64_t word = *word_at(heap, off), size = word_size(word);

    *word_at(heap, off) ^= 1 << 5;
    cr_expect(breaks("H1"));
    *word_at(heap, off) = 0;
    cr_expect(breaks("H1"));
    set_word(off, 16, HEAP_PREV_USED, BLOCK_RAW);
    cr_expect(breaks("H1"));
    set_word(off, size + 16, word & HEAP_PREV_USED, BLOCK_RAW);
    cr_expect(breaks("H1"));
    set_word(off, SIZE, word & HEAP_PREV_USED, BLOCK_RAW);
    cr_expect(breaks("H1"));
    set_word(off, 0, word & HEAP_PREV_USED, BLOCK_FIXED);
    cr_expect(breaks("H1"));
    set_word(heap->end, 32, 0, BLOCK_FIXED);
    cr_expect(breaks("H8"), "the end block is the header's concern");
}

Test(heap_check, finds_free_neighbours)
{
    uint64_t off = some_block(BLOCK_FREE, 100, SIZE);
    uint64_t size = word_size(*word_at(heap, off));

    set_word(off + 32, size - 32, 0, BLOCK_FREE);
    set_word(off, 32, HEAP_PREV_USED, BLOCK_FREE);
    *footer_before(heap, off + 32) = 32;
    *footer_before(heap, off + size) = size - 32;
    cr_expect(breaks("H2"));
}

Test(heap_check, finds_wrong_bits_and_footers)
{
    uint64_t off = some_block(BLOCK_FREE, 0, SIZE);
    uint64_t next = off + word_size(*word_at(heap, off));

    *word_at(heap, next) |= HEAP_PREV_USED;
    cr_expect(breaks("H3"));
    *word_at(heap, some_block(BLOCK_INDEX, 0, SIZE)) ^= HEAP_PREV_USED;
    cr_expect(breaks("H3"));
    *footer_before(heap, next) += 16;
    cr_expect(breaks("H3"));
}

Test(heap_check, finds_wrong_bins)
{
    struct heap_tables *t = tables_of(heap);
    uint64_t off = some_block(BLOCK_FREE, 0, HEAP_BINNED);
    unsigned bin = bin_of(word_size(*word_at(heap, off)));

    t->map ^= UINT64_C(1) << bin;
    cr_expect(breaks("H4"));
    t->map |= UINT64_C(1) << 63;
    cr_expect(breaks("H4"));
    t->bins[bin] = 0;
    t->map &= ~(UINT64_C(1) << bin);
    cr_expect(breaks("H4"), "the blocks are nowhere");
    t->bins[bin] = heap_off(heap, held[5]);
    cr_expect(breaks("H4"));
    t->bins[bin] += 8;
    cr_expect(breaks("H4"));
    t->bins[bin] = UINT64_MAX - 15;
    cr_expect(breaks("H4"));
    links_at(heap, t->bins[bin])->prev = off;
    cr_expect(breaks("H4"));
    links_at(heap, t->bins[bin])->next = t->bins[bin];
    cr_expect(breaks("H4"), "a ring");
}

/* Bytes of a caller's that look like a free block, hung in a bin in place of
 * the true one: count and links are right. */
Test(heap_check, finds_a_forged_block)
{
    struct heap_tables *t = tables_of(heap);
    unsigned bin = (unsigned)__builtin_ctzll(t->map);
    uint64_t true_one = t->bins[bin], size = bin_size(bin);
    uint64_t fake = heap_off(heap, held[7]) + 512;

    *links_at(heap, fake) = *links_at(heap, true_one);
    if (links_at(heap, fake)->next != 0)
        links_at(heap, links_at(heap, fake)->next)->prev = fake;
    set_word(fake, size, HEAP_PREV_USED, BLOCK_FREE);
    *footer_before(heap, fake + size) = size;
    t->bins[bin] = fake;
    cr_expect(breaks("H4"));

    fake = heap_off(heap, held[7]) + 512;
    bin = bin_of(heap_usable_size(heap, held[1]) + 8);
    true_one = t->quick[bin] & QUICK_OFF;
    cr_assert(ne(u64, true_one, 0));
    set_word(fake, bin_size(bin), HEAP_PREV_USED, BLOCK_QUICK);
    links_at(heap, fake)->next = links_at(heap, true_one)->next;
    t->quick[bin] += fake - true_one;
    cr_expect(breaks("H6"));
}

Test(heap_check, finds_wrong_trees)
{
    uint64_t off = some_block(BLOCK_FREE, HEAP_BINNED, SIZE);
    struct rb_node *n = rb_at(heap, off);

    heap->tree = 0;
    cr_expect(breaks("H5"));
    heap->tree = heap_off(heap, held[7]);
    cr_expect(breaks("H5"));
    n->parent ^= 1;
    cr_expect(breaks("H5"));
    n->left = off;
    cr_expect(breaks("H5"));
    n->right = UINT64_MAX;
    cr_expect(breaks("H5"));
}

Test(heap_check, finds_wrong_quick_lists)
{
    struct heap_tables *t = tables_of(heap);
    uint64_t off = some_block(BLOCK_QUICK, 0, SIZE);
    unsigned bin = bin_of(word_size(*word_at(heap, off)));

    t->quick[bin] += QUICK_ONE;
    cr_expect(breaks("H6"));
    t->quick[bin] = 0;
    cr_expect(breaks("H6"));
    links_at(heap, off)->next = off + QUICK_ONE;
    cr_expect(breaks("H6"));
    t->quick[bin + 1] = t->quick[bin];
    cr_expect(breaks("H6"));
    t->quick[HEAP_QUICKS - 1] = UINT64_MAX;
    cr_expect(breaks("H6"));
    *word_at(heap, off) += BLOCK_RAW - BLOCK_QUICK;
    cr_expect(breaks("H6"));
}

Test(heap_check, finds_wrong_lists)
{
    struct block_links *links;

    populate(10000, TN_FIT_BEST);
    links = links_at(heap, heap->list);
    links->prev = links->next;
    cr_expect(breaks("H7"));
    links->next = links_at(heap, links->next)->next;
    cr_expect(breaks("H7"), "one is left out");
    links->next = UINT64_MAX - 15;
    cr_expect(breaks("H7"));
    heap->list = links->next;
    cr_expect(breaks("H7"));
    heap->list = 0;
    cr_expect(breaks("H7"));
    *word_at(heap, heap->list) |= BLOCK_QUICK;
    cr_expect(breaks("H7"));
}

Test(heap_check, finds_wrong_figures)
{
    uint64_t *words = (uint64_t *)heap;

    for (size_t i = 0; i < sizeof(*heap) / 8; i++) {
        /* The sequence may have any value, and so what may wait. */
        if (i == offsetof(struct heap, sequence) / 8 ||
            i == offsetof(struct heap, room) / 8 ||
            i == offsetof(struct heap, tree) / 8)
            continue;
        words[i] += 48;
        cr_expect(breaks("H8"), "word %zu", i);
        words[i] += UINT64_C(1) << 50;
        cr_expect(breaks("H8"), "word %zu", i);
        words[i] = UINT64_MAX;
        cr_expect(breaks("H8"), "word %zu", i);
    }
    heap->tables = 0;
    cr_expect(breaks("H8"));
    heap->fit = 2;
    cr_expect(breaks("H8"));
}

/* --- Garbage -------------------------------------------------------------- */

/* Use a heap that the checker accepted as hard as can be. */
static void use(uint64_t *random)
{
    void *p[30] = {0};

    for (int step = 0; step < 60; step++) {
        size_t i = arena_random(random, 30);

        if (p[i] != NULL)
            cr_assert(eq(int, heap_free(heap, p[i]), TN_OK));
        p[i] = p[i] != NULL
                   ? NULL
                   : heap_alloc(heap, arena_random_size(random, 12), BLOCK_RAW);
    }
    heap_flush(heap);
    cr_assert(arena_check(heap, true));
}

/* Words of the heap's own are overwritten by what is most likely to be
 * believed: other words of the heap, a little changed. */
Test(heap_check, what_it_accepts_is_safe_to_use)
{
    uint64_t random = 4, *words = (uint64_t *)heap;
    size_t accepted = 0;
    uint64_t offs[] = {some_block(BLOCK_FREE, 0, HEAP_BINNED),
                       some_block(BLOCK_FREE, HEAP_BINNED, SIZE),
                       some_block(BLOCK_QUICK, 0, SIZE), heap->tables};

    for (int round = 0; round < 20000; round++) {
        for (size_t n = 1 + arena_random(&random, 3); n > 0; n--) {
            uint64_t *word = &words[arena_random(&random, SIZE / 8)];
            uint64_t off = offs[round % 4];

            switch (arena_random(&random, 5)) {
            case 0:
                *word ^= UINT64_C(1) << arena_random(&random, 64);
                break;
            case 1:
                *word = words[arena_random(&random, SIZE / 8)];
                break;
            case 2:
                word = &words[arena_random(&random, 250)];
                *word += 16 * arena_random(&random, 9) - 64;
                break;
            case 3:
                word = word_at(heap, off) + arena_random(&random, 4);
                *word ^= UINT64_C(1) << arena_random(&random, 64);
                break;
            default:
                word = word_at(heap, off) + arena_random(&random, 4);
                *word = words[arena_random(&random, 250)];
            }
        }
        if (heap_verify_header(heap, SIZE) == TN_OK &&
            arena_check(heap, false)) {
            accepted++;
            if (accepted % 8 == 0)
                use(&random);
        }
        memcpy(heap, saved, SIZE);
    }
    cr_expect(gt(sz, accepted, 100), "many words are the callers' own");
    cr_expect(lt(sz, accepted, 19000));
}

/* Walking, asking and freeing do not need a checked heap to be harmless. */
Test(heap_check, walks_over_garbage_end)
{
    uint64_t random = 5, *words = (uint64_t *)heap;

    for (int round = 0; round < 3000; round++) {
        uint64_t off = 0;
        enum block_state state;
        size_t usable, steps = 0;
        void *p;

        for (int n = 0; n < 20; n++) {
            size_t at = heap->first / 8 + arena_random(&random, 1500);

            words[at] ^= UINT64_C(1) << arena_random(&random, 64);
        }
        if (heap_verify_header(heap, SIZE) == TN_OK) {
            while ((off = heap_next_block(heap, off, &p, &state, &usable)))
                cr_assert(lt(sz, steps++, SIZE / 32));
            for (int i = 0; i < HELD; i++)
                if (held[i] != NULL && heap_owns(heap, held[i]))
                    cr_assert(lt(sz, heap_usable_size(heap, held[i]), SIZE));
        }
        heap_rebuild(heap);
        memcpy(heap, saved, SIZE);
    }
}
