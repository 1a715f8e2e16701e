/* raw_memory.c - allocations without a name: plain, aligned, many at once
 *
 * In a store, and seen from a second view of it at another address: handles
 * mean the same place in both.  At the end all of it is free again.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/tmpdir.h"

#include <stdint.h>
#include <string.h>

static bool is_aligned(const void *p, size_t alignment)
{
    return (uintptr_t)p % alignment == 0;
}

static void allocate(tn_segment *seg)
{
    size_t before = tn_free_bytes(seg);
    char *p = tn_alloc(seg, 100), *empty = tn_alloc(seg, 0);
    int local;

    CLAIM(p != NULL && is_aligned(p, 16) && tn_usable_size(seg, p) >= 100);
    memset(p, 1, tn_usable_size(seg, p));
    CLAIM(empty != NULL && empty != p);

    strcpy(p, "it moves or it stays");
    p = tn_realloc(seg, p, 10000);
    CLAIM(p != NULL && strcmp(p, "it moves or it stays") == 0);

    OK(tn_free(seg, empty));
    OK(tn_free(seg, p));
    OK(tn_free(seg, NULL));
    ANSWERS(tn_free(seg, p), TN_EINVAL);
    ANSWERS(tn_free(seg, &local), TN_EINVAL);
    CLAIM(tn_alloc(seg, SIZE_MAX) == NULL);
    CLAIM(tn_free_bytes(seg) == before);
}

/* What one view calls by a handle, the other one finds by it. */
static void hand_over(tn_segment *a, tn_segment *b)
{
    int *in_a = tn_alloc(a, sizeof(*in_a)), *in_b;
    tn_handle handle = tn_handle_of(a, in_a);
    int local;

    *in_a = 4711;
    in_b = tn_at(b, handle);
    CLAIM(in_b != NULL && in_b != in_a && *in_b == 4711);
    CLAIM(tn_handle_of(b, in_b) == handle);

    CLAIM(tn_handle_of(a, NULL) == 0 && tn_handle_of(a, &local) == 0);
    CLAIM(tn_at(a, 0) == NULL);
    CLAIM(tn_at(a, tn_segment_size(a)) == NULL);
    CLAIM(tn_at(a, UINT64_MAX) == NULL);
    OK(tn_free(b, in_b));
    ANSWERS(tn_free(a, in_a), TN_EINVAL);
}

static void allocate_aligned(tn_segment *seg, tn_segment *other)
{
    static const size_t none[] = {0, 3, 100, SIZE_MAX, (size_t)4 << 20};
    size_t before = tn_free_bytes(seg);
    char *p = tn_alloc_aligned(seg, 100, 128), *q;

    CLAIM(p != NULL && is_aligned(p, 128));
    CLAIM(is_aligned(tn_at(other, tn_handle_of(seg, p)), 128));
    CLAIM(before - tn_free_bytes(seg) < 100 + TN_ALLOC_OVERHEAD + 128);

    /* Sizes that leave the next block aligned as well. */
    q = tn_alloc_aligned(seg, 3 * 128 - TN_ALLOC_OVERHEAD, 128);
    CLAIM(q != NULL && is_aligned(q, 128));
    OK(tn_free(seg, q));
    OK(tn_free(seg, p));

    for (size_t alignment = 1; alignment <= 64 * 1024; alignment *= 2) {
        p = tn_alloc_aligned(seg, 40, alignment);
        CLAIM(p != NULL && is_aligned(p, alignment));
        memset(p, 2, 40);
        OK(tn_free(seg, p));
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        CLAIM(tn_alloc_aligned(seg, 100, none[i]) == NULL);
    CLAIM(tn_free_bytes(seg) == before);
}

static void allocate_many(tn_segment *seg)
{
    tn_chain chain = TN_CHAIN_INIT;
    size_t before = tn_free_bytes(seg);
    char *buffers[16];

    OK(tn_alloc_many(seg, 100, 16, &chain));
    for (int i = 0; i < 16; i++) {
        buffers[i] = tn_chain_pop(&chain);
        CLAIM(tn_usable_size(seg, buffers[i]) >= 100);
        memset(buffers[i], i, 100);
    }
    CLAIM(tn_chain_empty(&chain) && tn_chain_pop(&chain) == NULL);
    for (int i = 0; i < 16; i++) {
        for (int j = 0; j < 100; j++)
            CLAIM(buffers[i][j] == i);
        OK(tn_free(seg, buffers[i]));
    }
    CLAIM(tn_free_bytes(seg) == before);
}

static void allocate_many_sizes(tn_segment *seg)
{
    static const size_t too_much[] = {1, SIZE_MAX / 2, SIZE_MAX / 2};
    tn_chain chain = TN_CHAIN_INIT, old;
    size_t before = tn_free_bytes(seg);
    tn_handle kept[10];
    size_t lengths[10];
    char *p;

    for (size_t i = 0; i < 10; i++)
        lengths[i] = i * 3; /* none, to begin with */
    OK(tn_alloc_many_v(seg, lengths, 10, 1, &chain));
    CLAIM(chain.count == 10);

    /* What cannot be had leaves the chain as it is. */
    old = chain;
    ANSWERS(tn_alloc_many(seg, 1024, 1024 * 1024, &chain), TN_ENOMEM);
    ANSWERS(tn_alloc_many(seg, SIZE_MAX / 2, 3, &chain), TN_EINVAL);
    ANSWERS(tn_alloc_many_v(seg, too_much, 3, 2, &chain), TN_EINVAL);
    CLAIM(memcmp(&old, &chain, sizeof(chain)) == 0);

    OK(tn_alloc_many_v(seg, lengths, 10, 8, &chain));
    CLAIM(chain.count == 20);
    for (size_t i = 0; i < 20; i++) {
        size_t size = i < 10 ? i * 3 : (i - 10) * 3 * 8;

        p = tn_chain_pop(&chain);
        CLAIM(tn_usable_size(seg, p) >= size);
        if (i % 2 == 0)
            OK(tn_free(seg, p));
        else
            kept[i / 2] = tn_handle_of(seg, p);
    }
    for (size_t i = 0; i < 10; i++)
        OK(tn_free(seg, tn_at(seg, kept[i])));

    OK(tn_alloc_many(seg, 0, 5, &chain));
    OK(tn_free_many(seg, &chain));
    CLAIM(tn_chain_empty(&chain));
    CLAIM(tn_free_bytes(seg) == before);
}

int main(void)
{
    tn_options options = {.size = 1 << 20, .max_size = 16 << 20};
    tn_store *store, *second;
    tn_segment *seg, *other;

    tmpdir_enter();
    for (options.fit = TN_FIT_BEST; options.fit <= TN_FIT_SEQ; options.fit++) {
        remove("raw.tn");
        OK(tn_store_open(&store, "raw.tn", TN_SHARED | TN_CREATE, &options));
        OK(tn_store_open(&second, "raw.tn", TN_SHARED, NULL));
        seg = tn_store_segment(store);
        other = tn_store_segment(second);
        allocate(seg);
        hand_over(seg, other);
        allocate_aligned(seg, other);
        allocate_many(seg);
        allocate_many_sizes(seg);
        CLAIM(tn_all_free(seg));
        SOUND(seg);
        OK(tn_store_close(second));
        OK(tn_store_close(store));
    }
    tmpdir_leave();
    return 0;
}
