/* test_magazines.c - allocating in a shared segment without meeting others
 *
 * What happens when a user of magazines is killed is in test_locking.c, for
 * every store it makes, and in tests/scenario/kill_survivors.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "segment/segment.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <string.h>

enum { SIZE = 1 << 20, THREADS = 6, ROUNDS = 30000, SLOTS = 300 };

static _Alignas(4096) char buffer[SIZE];
static tn_segment *seg;
static size_t free_at_start;

static void make(void)
{
    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, NULL), TN_OK));
    cr_assert(eq(int, segment_reset_locks(seg->base), TN_OK));
    seg->locking = seg->reaches_all = true;
    seg->memory = SEGMENT_STORE;
    cr_assert(magazines_make(seg));
    free_at_start = tn_free_bytes(seg);
}

TestSuite(magazines, .init = make, .timeout = 60);

/* Allocate, mark, compare and free; from small to some that no magazine has. */
static void *work(void *arg)
{
    unsigned char *held[SLOTS] = {NULL};
    uint64_t random = (uintptr_t)arg;
    unsigned char mark = (unsigned char)random;

    for (int i = 0; i < ROUNDS; i++) {
        size_t slot, n;

        random = random * UINT64_C(6364136223846793005) + 1;
        slot = (random >> 33) % SLOTS;
        n = 1 + (random >> 43) % 1500;
        if (held[slot] == NULL) {
            held[slot] = tn_alloc(seg, n);
            if (held[slot] != NULL)
                memset(held[slot], mark, tn_usable_size(seg, held[slot]));
            continue;
        }
        n = tn_usable_size(seg, held[slot]);
        for (size_t k = 0; k < n; k++)
            if (held[slot][k] != mark)
                return NULL;
        if (tn_free(seg, held[slot]) != TN_OK)
            return NULL;
        held[slot] = NULL;
    }
    for (size_t slot = 0; slot < SLOTS; slot++)
        if (tn_free(seg, held[slot]) != TN_OK)
            return NULL;
    return buffer;
}

/* Nearly full, too, so that each needs what waits with the others. */
Test(magazines, serve_many_threads)
{
    pthread_t threads[THREADS];
    void *done;

    for (uintptr_t i = 0; i < THREADS; i++)
        cr_assert(zero(
            int, pthread_create(&threads[i], NULL, work, (void *)(i + 1))));
    for (int i = 0; i < 20; i++)
        cr_expect(eq(int, tn_segment_check(seg, NULL, NULL), TN_OK));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &done);
        cr_expect(ne(ptr, done, NULL), "thread %d", i);
    }
    cr_expect(eq(sz, tn_free_bytes(seg), free_at_start));
    cr_expect(tn_all_free(seg));
    cr_expect(model_sound(seg));
}

Test(magazines, count_what_waits_as_free)
{
    size_t before = tn_free_bytes(seg);
    void *p = tn_alloc(seg, 100), *q = tn_alloc(seg, 100);
    size_t with_both = tn_free_bytes(seg);
    tn_stats stats;

    cr_expect(lt(sz, with_both, before - 200));
    cr_expect(not(tn_all_free(seg)));
    cr_expect(eq(int, tn_free(seg, p), TN_OK));
    cr_expect(gt(sz, magazines_waiting(seg), 0));
    cr_expect(eq(int, tn_free(seg, q), TN_OK));
    cr_expect(eq(sz, tn_free_bytes(seg), before));
    cr_expect(tn_all_free(seg));
    cr_assert(eq(int, tn_segment_stats(seg, &stats), TN_OK));
    cr_expect(eq(sz, stats.free_bytes, before));
    cr_expect(zero(sz, stats.used_bytes));
    cr_expect(zero(sz, stats.index_bytes));
}

static void *fill_and_free(void *arg)
{
    void *held[500];

    for (int i = 0; i < 500; i++)
        held[i] = tn_alloc(seg, 1000);
    for (int i = 0; i < 500; i++)
        if (held[i] == NULL || tn_free(seg, held[i]) != TN_OK)
            return NULL;
    return arg;
}

/* What another thread freed, and keeps to itself, is there for all. */
Test(magazines, give_up_what_waits_when_memory_is_short)
{
    pthread_t thread;
    tn_stats stats;
    void *done;

    pthread_create(&thread, NULL, fill_and_free, seg);
    pthread_join(thread, &done);
    cr_assert(ne(ptr, done, NULL));
    cr_expect(gt(sz, magazines_waiting(seg), 0));
    cr_assert(eq(int, tn_segment_stats(seg, &stats), TN_OK));
    done = tn_alloc(seg, stats.largest_free);
    cr_expect(ne(ptr, done, NULL), "all of it in one");
    cr_expect(zero(sz, magazines_waiting(seg)));
    cr_expect(eq(int, tn_free(seg, done), TN_OK));
    cr_expect(model_sound(seg));
}

Test(magazines, keep_the_answers_to_mistakes)
{
    char *p = tn_alloc(seg, 100);
    void *object;

    cr_expect(eq(int, tn_free(seg, p + 16), TN_EINVAL));
    cr_expect(eq(int, tn_free(seg, &object), TN_EINVAL));
    cr_expect(eq(int, tn_free(seg, p), TN_OK));
    cr_expect(eq(int, tn_free(seg, p), TN_EINVAL), "twice");
    cr_expect(zero(sz, tn_usable_size(seg, p)));
    cr_assert(
        eq(int, tn_construct(seg, "a", TN_BYTES, 10, NULL, &object), TN_OK));
    cr_expect(eq(int, tn_free(seg, object), TN_EINVAL));
    p = tn_alloc(seg, 100);
    memset(p - 8, 0x77, 8);
    cr_expect(eq(int, tn_free(seg, p), TN_ECORRUPT));
}

/* A block grows over a neighbour that waits in a magazine. */
Test(magazines, let_neighbours_grow)
{
    void *p = tn_alloc(seg, 100), *q = tn_alloc(seg, 100), *reuse, *least;
    size_t size = 180;

    least = p < q ? p : q;
    cr_assert(eq(int, tn_free(seg, p < q ? q : p), TN_OK));
    reuse = least;
    cr_expect(eq(ptr, tn_realloc_cmd(seg, TN_EXPAND_FWD, 180, &size, &reuse, 1),
                 least));
    cr_expect(eq(int, tn_free(seg, least), TN_OK));
    cr_expect(model_sound(seg));
}

/* One who writes where a block waits breaks a list, and the next who finds it
 * so rebuilds the heap: no allocation is lost. */
Test(magazines, are_rebuilt_with_the_heap)
{
    void *p = tn_alloc(seg, 100), *q = tn_alloc(seg, 100);
    void *keep = tn_alloc(seg, 200);

    cr_assert(eq(int, tn_free(seg, p), TN_OK));
    cr_assert(eq(int, tn_free(seg, q), TN_OK));
    memset(q, 0x55, 8);
    for (int i = 0; i < 50; i++)
        cr_expect(ne(ptr, tn_alloc(seg, 100), NULL));
    cr_expect(not(heap_is_broken(segment_heap(seg))));
    cr_expect(model_sound(seg));
    cr_expect(ge(sz, tn_usable_size(seg, keep), 200));
}

/* A copy of the bytes at work has all blocks that were in use, and no more. */
Test(magazines, are_dropped_in_copies)
{
    static _Alignas(4096) char copy[SIZE];
    void *p = tn_alloc(seg, 100), *q = tn_alloc(seg, 100);
    size_t usable = tn_usable_size(seg, p);
    tn_segment *other;

    cr_assert(eq(int, tn_free(seg, q), TN_OK));
    memcpy(copy, buffer, SIZE);
    cr_assert(eq(int, tn_segment_attach(&other, copy, SIZE), TN_OK));
    cr_expect(model_sound(other));
    cr_expect(zero(u64, other->base->magazines));
    p = tn_at(other, tn_handle_of(seg, p));
    cr_expect(eq(sz, tn_usable_size(other, p), usable));
    cr_expect(eq(int, tn_free(other, p), TN_OK));
    cr_expect(tn_all_free(other));
    cr_expect(eq(int, tn_segment_detach(other), TN_OK));
}

Test(magazines, leave_nothing_when_they_are_dropped)
{
    size_t before = tn_free_bytes(seg), own = magazines_bytes(seg);

    cr_expect(eq(int, tn_free(seg, tn_alloc(seg, 300)), TN_OK));
    magazines_drop(seg);
    seg->locking = false;
    cr_expect(zero(u64, seg->base->magazines));
    cr_expect(not(segment_is_torn(seg->base)));
    cr_expect(eq(sz, tn_free_bytes(seg), before + own));
    cr_expect(model_sound(seg));
}

/* A header that names something else is not believed. */
Test(magazines, are_not_joined_where_none_are)
{
    tn_segment joiner = *seg;
    void *p = tn_alloc(seg, 20000);

    magazines_join(&joiner);
    cr_expect(eq(ptr, joiner.magazines, seg->magazines));
    seg->base->magazines = tn_handle_of(seg, p);
    magazines_join(&joiner);
    cr_expect(eq(ptr, joiner.magazines, NULL));
    seg->base->magazines = SIZE * 2;
    magazines_join(&joiner);
    cr_expect(eq(ptr, joiner.magazines, NULL));
}
