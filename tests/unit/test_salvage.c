/* test_salvage.c - a chain of blocks with broken headers goes on behind them
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>
#include <sys/mman.h>

#include "heap/block.h"
#include "heap/salvage.h"
#include "lib/arena.h"

enum { SIZE = 64 * 1024, BLOCKS = 60 };

static _Alignas(4096) unsigned char memory[SIZE];
static struct heap *const heap = (struct heap *)memory;
static unsigned char *held[BLOCKS];
static uint64_t mended_off, mended_size;
static size_t mended_count;

static size_t size_of(int i)
{
    return (size_t)(i * 37 % 900 + 20);
}

/* Blocks of many sizes with a mark in each, and gaps between them. */
static void make_heap(void)
{
    cr_assert(eq(int, heap_init(heap, SIZE, sizeof(struct heap), TN_FIT_BEST),
                 TN_OK));
    for (int i = 0; i < BLOCKS; i++) {
        held[i] = heap_alloc(heap, size_of(i), BLOCK_RAW);
        cr_assert(ne(ptr, held[i], NULL));
        memset(held[i], i + 1, size_of(i));
    }
    for (int i = 0; i < BLOCKS; i += 3) {
        cr_assert(eq(int, heap_free(heap, held[i]), TN_OK));
        held[i] = NULL;
    }
    heap_flush(heap);
}

TestSuite(salvage, .init = make_heap, .timeout = 30);

static size_t know_nothing(void *arg, const struct heap *h, uint64_t off,
                           size_t room, enum block_state *state)
{
    (void)arg;
    (void)h;
    (void)off;
    (void)room;
    (void)state;
    return 0;
}

static void note(void *arg, uint64_t off, uint64_t size, enum block_state state)
{
    (void)arg;
    (void)state;
    mended_off = off;
    mended_size = size;
    mended_count++;
}

static const struct heap_witness witness = {know_nothing, note, NULL, NULL};

static void salvage(void)
{
    struct report report = {.layer = "heap"};

    mended_count = 0;
    cr_assert(eq(int, heap_frame(heap, SIZE, sizeof(struct heap), TN_FIT_BEST),
                 TN_OK));
    heap->tables = heap->tree = heap->list = 0;
    heap_salvage(heap, &witness);
    cr_assert(eq(int, heap_rebuild(heap), TN_OK));
    heap_check(heap, &report);
    cr_assert(eq(sz, report.findings, 0));
}

static void expect_marks(void)
{
    for (int i = 0; i < BLOCKS; i++)
        for (size_t k = 0; held[i] != NULL && k < size_of(i); k++)
            cr_assert(eq(int, held[i][k], i + 1), "block %d", i);
}

static void expect_held(int but)
{
    for (int i = 0; i < BLOCKS; i++)
        if (held[i] != NULL && i != but)
            cr_assert(heap_owns(heap, held[i]), "block %d", i);
}

Test(salvage, changes_nothing_of_a_sound_chain)
{
    salvage();
    cr_expect(eq(sz, mended_count, 0));
    expect_held(-1);
    expect_marks();
}

/* Whatever becomes of a header, its block and all others are where they were,
 * with what was in them, and still in use. */
Test(salvage, finds_the_end_of_any_block)
{
    static unsigned char whole[SIZE];
    uint64_t random = 3;

    memcpy(whole, memory, SIZE);
    for (int i = 0; i < BLOCKS; i++) {
        uint64_t off, size;

        if (held[i] == NULL)
            continue;
        memcpy(memory, whole, SIZE);
        off = heap_off(heap, held[i]);
        size = word_size(word_load(heap, off));
        *word_at(heap, off) = i % 2 == 0 ? 0 : arena_random(&random, SIZE_MAX);
        salvage();
        cr_expect(eq(sz, mended_count, 1));
        cr_expect(eq(u64, mended_off, off));
        cr_expect(eq(u64, mended_size, size), "block %d", i);
        expect_held(-1);
        expect_marks();
    }
}

/* A free block is known by its footer, and is free again. */
Test(salvage, knows_a_free_block_by_the_one_behind)
{
    size_t free_bytes = heap_free_bytes(heap);
    uint64_t before = 0;

    for (int i = 1; i + 1 < BLOCKS; i++)
        if (held[i] != NULL && held[i + 1] == NULL) {
            before = heap_off(heap, held[i]) +
                     word_size(word_load(heap, heap_off(heap, held[i])));
            break;
        }
    *word_at(heap, before) = 0;
    salvage();
    cr_expect(eq(sz, heap_free_bytes(heap), free_bytes));
    expect_held(-1);
}

Test(salvage, ends_a_heap_whose_end_is_broken)
{
    *word_at(heap, heap->end) = 77;
    salvage();
    expect_held(-1);
    expect_marks();
}

/* All that is left of nothing is one block. */
Test(salvage, of_noise_is_one_block_or_more)
{
    uint64_t random = 5;

    for (int round = 0; round < 50; round++) {
        for (size_t i = sizeof(struct heap); i < SIZE; i++)
            memory[i] = (unsigned char)arena_random(&random, 256);
        salvage();
        cr_expect(ge(sz, mended_count, 1));
    }
}

Test(salvage, of_a_frame_that_is_too_small_is_refused)
{
    cr_expect(eq(int, heap_frame(heap, 50, sizeof(struct heap), TN_FIT_BEST),
                 TN_ESIZE));
    cr_expect(eq(
        int,
        heap_frame(heap, HEAP_MAX_SIZE + 1, sizeof(struct heap), TN_FIT_BEST),
        TN_ESIZE));
}

/* --- Heaps that are mostly holes ------------------------------------------ */

enum { LARGE = 1 << 30 };
static struct {
    uint64_t start, end; /* of what is zero */
    size_t asked;
} hole;

static uint64_t skip_zeros(void *arg, uint64_t off)
{
    (void)arg;
    hole.asked++;
    return off >= hole.start && off < hole.end ? hole.end : off;
}

/* A block whose header is broken reaches over the hole to the next one. */
Test(salvage, looks_at_no_zeros_that_it_is_told_of)
{
    static const struct heap_witness told = {know_nothing, note, skip_zeros,
                                             NULL};
    struct heap *h = mmap(NULL, LARGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    unsigned char *large, *behind;
    unsigned char in_core[1];

    cr_assert(h != MAP_FAILED);
    cr_assert(eq(int, heap_init(h, LARGE, sizeof(*h), TN_FIT_BEST), TN_OK));
    large = heap_alloc(h, LARGE - (1 << 20), BLOCK_RAW);
    behind = heap_alloc(h, 100, BLOCK_RAW);
    for (int i = 0; i < 4; i++)
        cr_assert(heap_alloc(h, 100, BLOCK_RAW) != NULL);
    hole.start = heap_off(h, large) + 4096;
    hole.end = hole.start + LARGE - (1 << 20) - 8192;
    *word_at(h, heap_off(h, large)) = 0;
    mended_count = 0;
    heap_salvage(h, &told);
    cr_expect(eq(sz, mended_count, 1));
    cr_expect(eq(u64, mended_off + mended_size, heap_off(h, behind)));
    cr_expect(lt(sz, hole.asked, 40));
    cr_assert(
        eq(int,
           mincore((void *)((uintptr_t)(large + LARGE / 4) & ~(uintptr_t)4095),
                   1, in_core),
           0));
    cr_expect(eq(int, in_core[0] & 1, 0), "nobody was there");
    munmap(h, LARGE);
}
