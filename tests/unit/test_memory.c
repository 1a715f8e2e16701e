/* test_memory.c - raw memory of a segment, and what is refused
 *
 * The heap has tests of its own; here is what the segment adds: growth, states
 * of blocks, commands that make no sense, views for reading only.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "segment/segment.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

enum { SIZE = 64 * 1024 };

static _Alignas(4096) char buffer[SIZE];
static tn_segment *seg;
static size_t all; /* free bytes at first */

static void make(void)
{
    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, NULL), TN_OK));
    all = tn_free_bytes(seg);
}

static void expect_all_free(void)
{
    cr_expect(model_sound(seg));
    cr_expect(tn_all_free(seg));
    cr_expect(eq(sz, tn_free_bytes(seg), all));
}

TestSuite(memory, .init = make, .timeout = 20);

Test(memory, comes_back_exactly)
{
    for (size_t size = 0; size < 3000; size += 7) {
        void *p = tn_alloc(seg, size);

        cr_assert(ne(ptr, p, NULL));
        cr_assert(zero(u64, (uintptr_t)p % 16));
        cr_assert(ge(sz, tn_usable_size(seg, p), size));
        cr_assert(eq(
            sz, tn_free_bytes(seg) + tn_usable_size(seg, p) + TN_ALLOC_OVERHEAD,
            all));
        cr_assert(eq(int, tn_free(seg, p), TN_OK));
        cr_assert(eq(sz, tn_free_bytes(seg), all));
    }
    expect_all_free();
}

Test(memory, is_aligned_as_asked)
{
    for (size_t align = 1; align <= 16384; align *= 2) {
        void *p = tn_alloc_aligned(seg, 100, align);

        cr_assert(ne(ptr, p, NULL));
        cr_assert(zero(u64, (uintptr_t)p % align));
        cr_assert(eq(int, tn_free(seg, p), TN_OK));
    }
    cr_expect(eq(ptr, tn_alloc_aligned(seg, 1, 0), NULL));
    cr_expect(eq(ptr, tn_alloc_aligned(seg, 1, 3), NULL));
    cr_expect(eq(ptr, tn_alloc_aligned(seg, 1, (size_t)4 << 20), NULL));
    cr_expect(eq(ptr, tn_alloc_aligned(seg, SIZE_MAX, 16), NULL));
    expect_all_free();
}

Test(memory, is_refused_where_there_is_none)
{
    static const size_t sizes[] = {SIZE, SIZE_MAX, SIZE_MAX - 7,
                                   (size_t)1 << 48};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *p = tn_alloc(seg, 10);

        cr_expect(eq(ptr, tn_alloc(seg, sizes[i]), NULL));
        cr_expect(eq(ptr, tn_realloc(seg, p, sizes[i]), NULL));
        cr_expect(eq(int, tn_free(seg, p), TN_OK), "p is as it was");
    }
    expect_all_free();
}

Test(memory, is_not_freed_twice_nor_by_a_wrong_address)
{
    char *p = tn_alloc(seg, 100);

    memset(p, 0, 100);
    for (int i = -40; i < 100; i++)
        if (i != 0)
            cr_assert(ne(int, tn_free(seg, p + i), TN_OK));
    cr_expect(eq(int, tn_free(seg, &p), TN_EINVAL));
    cr_expect(eq(int, tn_free(seg, buffer), TN_EINVAL));
    cr_expect(eq(int, tn_free(seg, NULL), TN_OK));
    cr_expect(eq(ptr, tn_realloc(seg, p + 16, 1), NULL));
    cr_expect(zero(sz, tn_usable_size(seg, p + 16)));
    cr_expect(zero(sz, tn_usable_size(seg, NULL)));
    cr_assert(eq(int, tn_free(seg, p), TN_OK));
    cr_expect(eq(int, tn_free(seg, p), TN_EINVAL));
    cr_expect(zero(sz, tn_usable_size(seg, p)));
    expect_all_free();
}

Test(memory, of_objects_is_not_to_be_freed)
{
    void *object, *nameless;
    tn_chain chain = TN_CHAIN_INIT;

    tn_construct(seg, "a", TN_BYTES, 100, NULL, &object);
    tn_construct(seg, NULL, TN_BYTES, 100, NULL, &nameless);
    for (tn_handle at = 0; at < SIZE; at += 16) {
        void *p = tn_at(seg, at);

        cr_assert(p == NULL || tn_free(seg, p) != TN_OK);
        cr_assert(eq(ptr, p == NULL ? p : tn_realloc(seg, p, 10), NULL));
        cr_assert(zero(sz, tn_usable_size(seg, p)));
    }
    cr_expect(eq(int, tn_free_many(seg, &chain), TN_OK));
    cr_expect(model_sound(seg));
    cr_expect(eq(int, tn_destroy_ptr(seg, nameless, NULL), TN_OK));
    cr_expect(eq(int, tn_destroy_ptr(seg, object, NULL), TN_OK));
}

Test(memory, tells_of_a_header_that_was_overrun)
{
    char *p = tn_alloc(seg, 24), *q = tn_alloc(seg, 24);
    uint64_t header;

    cr_assert(lt(ptr, p, q));
    memcpy(&header, q - 8, 8);
    memset(p, 'x', (size_t)(q - p)); /* over the header of q */
    cr_expect(eq(int, tn_free(seg, q), TN_ECORRUPT));
    memcpy(q - 8, &header, 8);
    cr_expect(eq(int, tn_free(seg, q), TN_OK));
    cr_expect(eq(int, tn_free(seg, p), TN_OK));
    expect_all_free();
}

Test(memory, keeps_its_contents_when_resized)
{
    char *p = tn_realloc(seg, NULL, 10);

    memset(p, 'a', 10);
    for (size_t size = 20; size < 20000; size *= 2) {
        void *fence = tn_alloc(seg, 1);

        p = tn_realloc(seg, p, size);
        cr_assert(ne(ptr, p, NULL));
        for (int i = 0; i < 10; i++)
            cr_assert(eq(chr, p[i], 'a'));
        cr_assert(eq(int, tn_free(seg, fence), TN_OK));
    }
    p = tn_realloc(seg, p, 0);
    cr_assert(ne(ptr, p, NULL));
    cr_assert(eq(int, tn_free(seg, p), TN_OK));
    expect_all_free();
}

/* --- Many at once --------------------------------------------------------- */

Test(memory, comes_in_chains)
{
    static const size_t lengths[] = {0, 1, 300, 20, 0, 5};
    tn_chain chain = TN_CHAIN_INIT;
    void *p;
    size_t n = 0;

    cr_assert(eq(int, tn_alloc_many(seg, 40, 10, &chain), TN_OK));
    cr_assert(eq(int, tn_alloc_many_v(seg, lengths, 6, 8, &chain), TN_OK));
    cr_expect(eq(sz, chain.count, 16));
    while (n < 8 && (p = tn_chain_pop(&chain)) != NULL) {
        cr_assert(ge(sz, tn_usable_size(seg, p), 40));
        cr_assert(eq(int, tn_free(seg, p), TN_OK));
        n++;
    }
    cr_expect(eq(sz, chain.count, 8));
    cr_expect(eq(int, tn_free_many(seg, &chain), TN_OK));
    cr_expect(tn_chain_empty(&chain));
    cr_expect(eq(ptr, tn_chain_pop(&chain), NULL));
    expect_all_free();
}

Test(memory, comes_in_chains_all_or_none)
{
    size_t lengths[] = {100, SIZE_MAX / 8};
    tn_chain chain = TN_CHAIN_INIT;

    cr_expect(eq(int, tn_alloc_many(seg, 1000, 1000, &chain), TN_ENOMEM));
    cr_expect(eq(int, tn_alloc_many(seg, SIZE_MAX, 2, &chain), TN_EINVAL));
    cr_expect(eq(int, tn_alloc_many(seg, 8, SIZE_MAX, &chain), TN_EINVAL));
    cr_expect(eq(int, tn_alloc_many_v(seg, lengths, 2, 8, &chain), TN_EINVAL));
    lengths[1] = SIZE;
    cr_expect(eq(int, tn_alloc_many_v(seg, lengths, 2, 8, &chain), TN_ENOMEM));
    cr_expect(tn_chain_empty(&chain));
    expect_all_free();
}

/* --- Commands ------------------------------------------------------------- */

static void *command(unsigned what, size_t limit, size_t preferred,
                     void **reuse)
{
    size_t received = preferred;

    return tn_realloc_cmd(seg, what, limit, &received, reuse, 8);
}

Test(memory, refuses_commands_that_make_no_sense)
{
    void *p = tn_alloc(seg, 800), *q = p, *null = NULL, *object, *local = &q;

    tn_construct(seg, "a", TN_BYTES, 100, NULL, &object);
    cr_expect(eq(ptr, command(0, 1, 1, &q), NULL));
    cr_expect(eq(ptr, command(64, 1, 1, &q), NULL));
    cr_expect(eq(ptr, command(TN_ZERO, 1, 1, &q), NULL));
    cr_expect(eq(ptr, command(TN_SHRINK | TN_EXPAND_FWD, 1, 1, &q), NULL));
    cr_expect(eq(ptr, command(TN_SHRINK | TN_NEW, 1, 1, &q), NULL));
    cr_expect(eq(ptr, command(TN_SHRINK, 10, 20, &q), NULL));
    cr_expect(eq(ptr, command(TN_EXPAND_FWD, 20, 10, &q), NULL));
    cr_expect(eq(ptr, command(TN_EXPAND_FWD, 1, 1, NULL), NULL));
    cr_expect(eq(ptr, command(TN_EXPAND_FWD, 1, 1, &null), NULL));
    cr_expect(eq(ptr, command(TN_SHRINK, 10, 10, &object), NULL));
    cr_expect(eq(ptr, command(TN_SHRINK, 10, 10, &local), NULL));
    cr_expect(eq(ptr, command(TN_NEW, 1, SIZE_MAX / 4, &q), NULL));
    cr_expect(eq(ptr, q, p));
    cr_expect(eq(int, tn_free(seg, p), TN_OK));
    cr_expect(model_sound(seg));
}

Test(memory, does_what_a_command_says)
{
    void *p = NULL, *q;
    size_t received = 10;

    p = tn_realloc_cmd(seg, TN_NEW | TN_ZERO, 10, &received, NULL, 8);
    cr_assert(ne(ptr, p, NULL));
    cr_expect(ge(sz, received, 10));
    received = 100;
    q = p;
    cr_expect(
        eq(ptr, tn_realloc_cmd(seg, TN_EXPAND_FWD, 50, &received, &q, 8), p));
    cr_expect(ge(sz, received, 100));
    received = 20;
    cr_expect(eq(ptr, tn_realloc_cmd(seg, TN_SHRINK, 30, &received, &q, 8), p));
    cr_expect(le(sz, received, 30));
    cr_expect(eq(int, tn_free(seg, p), TN_OK));
    expect_all_free();
}

/* --- Clearing, and only reading ------------------------------------------- */

static bool has(const char *bytes, size_t length)
{
    return memmem(buffer, SIZE, bytes, length) != NULL;
}

Test(memory, keeps_no_secret_when_cleared)
{
    char secret[] = "fedcba9876543210", *p = tn_alloc(seg, 500), *kept;
    size_t free_bytes;

    kept = tn_alloc(seg, 100);
    strcpy(kept, "kept");
    for (int i = 0; i + 17 < 500; i += 17)
        strcpy(p + i, secret);
    tn_free(seg, p);
    cr_expect(has(secret, 16));
    free_bytes = tn_free_bytes(seg);
    cr_assert(eq(int, tn_zero_free(seg), TN_OK));
    cr_expect(not(has(secret, 16)));
    cr_expect(eq(str, kept, "kept"));
    cr_expect(eq(sz, tn_free_bytes(seg), free_bytes));
    cr_expect(model_sound(seg));
}

Test(memory, is_not_changed_by_those_who_only_read)
{
    static char before[SIZE];
    void *p = tn_alloc(seg, 100), *q = p;
    tn_chain chain = TN_CHAIN_INIT;
    size_t length = 1, received = 10;

    seg->read_only = true;
    memcpy(before, buffer, SIZE);
    cr_expect(eq(ptr, tn_alloc(seg, 1), NULL));
    cr_expect(eq(ptr, tn_alloc_aligned(seg, 1, 64), NULL));
    cr_expect(eq(ptr, tn_realloc(seg, p, 10), NULL));
    cr_expect(eq(ptr, tn_realloc(seg, NULL, 10), NULL));
    cr_expect(eq(ptr, tn_realloc_cmd(seg, TN_NEW, 1, &received, &q, 1), NULL));
    cr_expect(eq(int, tn_free(seg, p), TN_EROFS));
    cr_expect(eq(int, tn_alloc_many(seg, 1, 1, &chain), TN_EROFS));
    cr_expect(eq(int, tn_alloc_many_v(seg, &length, 1, 1, &chain), TN_EROFS));
    cr_expect(eq(int, tn_free_many(seg, &chain), TN_EROFS));
    cr_expect(eq(int, tn_zero_free(seg), TN_EROFS));
    cr_expect(eq(int, tn_segment_grow(seg, 1), TN_EROFS));
    cr_expect(eq(int, tn_segment_shrink(seg), TN_EROFS));
    cr_expect(eq(int, tn_reserve_named(seg, 10), TN_EROFS));
    cr_expect(eq(int, tn_reserve_unique(seg, 10), TN_EROFS));
    cr_expect(eq(int, tn_shrink_indexes(seg), TN_EROFS));
    cr_expect(ge(sz, tn_usable_size(seg, p), 100));
    cr_expect(model_sound(seg));
    cr_expect(zero(int, memcmp(before, buffer, SIZE)));
}
