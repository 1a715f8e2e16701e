/* magazines.c - allocating in a shared segment without meeting others
 *
 * A segment in shared use has some magazines (heap/magazine.c), each with a
 * lock of its own.  A thread goes to the one it used last, and to the next if
 * somebody is there; so threads that allocate at the same time soon have one
 * each, and the heap lock is left for what magazines cannot do.
 *
 *   L4  heap_lock is taken before the lock of a magazine, never after; who has
 *       several of those took them in order.  So nobody who has one waits for
 *       anything but, having all before it, the next.
 *   L5  While a magazine changes, its sequence is odd.
 *
 * A magazine belongs to nobody: when its user is killed, the next one goes on
 * with what is in it.  If the sequence is odd the heap counts as broken, and
 * whoever has heap_lock next stops all users, by taking all locks, and rebuilds
 * it from the chain of blocks, in which what waits is free.
 *
 * What must be exact, or needs all memory, stops the users likewise.  Memory
 * that waits in magazines is used up before a segment grows.
 *
 * The magazines lie in a block of state BLOCK_INDEX.  The first opener makes
 * them and the last one to close frees it, so that a store at rest has none.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/assert.h"
#include "segment/segment.h"

#include <string.h>

enum { CACHE_LINE = 64 };

/* 1 more than the number of the magazine that this thread used last. */
static _Thread_local unsigned mine __attribute__((tls_model("initial-exec")));

static struct segment_magazine *magazine(const tn_segment *seg, unsigned i)
{
    return &seg->magazines->all[i % SEGMENT_MAGAZINES];
}

static bool is_odd(const struct segment_magazine *m)
{
    return (m->magazine.sequence & 1) != 0;
}

/* Where its variables lie tells a thread from most others, in any process. */
static unsigned my_number(void)
{
    uint64_t place = (uintptr_t)&mine * UINT64_C(0x9e3779b97f4a7c15);

    if (unlikely(mine == 0))
        mine = 1 + (unsigned)(place >> 32) % SEGMENT_MAGAZINES;
    return mine - 1;
}

/* The lock of m is ours.  False: its last user was killed in a change, and it
 * was let go of again. */
static bool is_whole(const tn_segment *seg, struct segment_magazine *m,
                     bool owner_died)
{
    if (unlikely(owner_died))
        mutex_consistent(&m->lock);
    if (likely(!is_odd(m)))
        return true;
    heap_break(segment_heap(seg));
    mutex_unlock(&m->lock);
    return false;
}

/* Lock a magazine that is free.  NULL: none is, or all is not well. */
static inline struct segment_magazine *enter(const tn_segment *seg)
{
    unsigned first = my_number();
    bool owner_died;

    if (unlikely(heap_size(segment_heap(seg)) > seg->reach))
        return NULL;
    for (unsigned i = first; i < first + SEGMENT_MAGAZINES; i++) {
        struct segment_magazine *m = magazine(seg, i);

        if (unlikely(!mutex_take(&m->lock, &owner_died)))
            continue;
        if (unlikely(i != first))
            mine = 1 + i % SEGMENT_MAGAZINES;
        return is_whole(seg, m, owner_died) ? m : NULL;
    }
    return NULL;
}

void *magazines_alloc(const tn_segment *seg, size_t n)
{
    struct segment_magazine *m;
    void *p;

    if (n > MAGAZINE_MOST)
        return NULL;
    m = enter(seg);
    if (unlikely(m == NULL))
        return NULL;
    p = magazine_pop(segment_heap(seg), &m->magazine, n);
    mutex_release(&m->lock);
    return p;
}

bool magazines_free(const tn_segment *seg, void *p)
{
    struct segment_magazine *m = enter(seg);
    bool done;

    if (unlikely(m == NULL))
        return false;
    done = magazine_push(segment_heap(seg), &m->magazine, p);
    mutex_release(&m->lock);
    return done;
}

/* --- With the heap lock ---------------------------------------------------*/

/* Lock this thread's magazine, waiting.  NULL: it cannot be had. */
static struct segment_magazine *wait_for_mine(const tn_segment *seg)
{
    struct segment_magazine *m = magazine(seg, my_number());
    bool owner_died;

    for (int i = 0; i < 2; i++) {
        if (mutex_lock(&m->lock, &owner_died) != TN_OK)
            return NULL;
        if (is_whole(seg, m, owner_died))
            return m;
        if (rebuild_heap(seg) != TN_OK)
            return NULL;
    }
    return NULL;
}

void *magazines_fetch(const tn_segment *seg, size_t n)
{
    struct segment_magazine *m = n <= MAGAZINE_MOST ? wait_for_mine(seg) : NULL;
    void *p;

    if (m == NULL)
        return NULL;
    magazine_fill(segment_heap(seg), &m->magazine, n);
    p = magazine_pop(segment_heap(seg), &m->magazine, n);
    mutex_unlock(&m->lock);
    return p;
}

bool magazines_keep(const tn_segment *seg, void *p)
{
    struct heap *h = segment_heap(seg);
    struct segment_magazine *m;
    size_t usable;
    bool done;

    if (!heap_owns(h, p) || heap_state(h, p) != BLOCK_RAW)
        return false;
    usable = heap_usable_size(h, p);
    m = usable <= MAGAZINE_MOST ? wait_for_mine(seg) : NULL;
    if (m == NULL)
        return false;
    magazine_make_room(h, &m->magazine, usable + TN_ALLOC_OVERHEAD);
    done = magazine_push(h, &m->magazine, p);
    mutex_unlock(&m->lock);
    return done;
}

bool magazines_reclaim(const tn_segment *seg)
{
    struct heap *h = segment_heap(seg);
    bool any = false, owner_died;

    if (seg->magazines == NULL)
        return false;
    for (unsigned i = 0; i < SEGMENT_MAGAZINES; i++) {
        struct segment_magazine *m = magazine(seg, i);

        if (mutex_lock(&m->lock, &owner_died) != TN_OK ||
            !is_whole(seg, m, owner_died))
            continue;
        if (m->magazine.waiting != 0) {
            magazine_empty(h, &m->magazine);
            any = true;
        }
        mutex_unlock(&m->lock);
    }
    if (heap_is_broken(h))
        any = rebuild_heap(seg) == TN_OK;
    return any;
}

/* --- Everybody stops ------------------------------------------------------*/

static void unlock_first(const tn_segment *seg, unsigned count)
{
    while (count > 0)
        mutex_unlock(&magazine(seg, --count)->lock);
}

/* Lock all of them, whole or not. */
static tn_status lock_all(const tn_segment *seg)
{
    bool owner_died;

    for (unsigned i = 0; i < SEGMENT_MAGAZINES; i++) {
        struct segment_magazine *m = magazine(seg, i);
        tn_status status = mutex_lock(&m->lock, &owner_died);

        if (status != TN_OK) {
            unlock_first(seg, i);
            return status;
        }
        if (owner_died)
            mutex_consistent(&m->lock);
    }
    return TN_OK;
}

static bool all_whole(const tn_segment *seg)
{
    for (unsigned i = 0; i < SEGMENT_MAGAZINES; i++)
        if (is_odd(magazine(seg, i)))
            return false;
    return true;
}

tn_status magazines_rebuild_heap(const tn_segment *seg)
{
    struct heap *h = segment_heap(seg);
    tn_status status;

    if (seg->magazines == NULL)
        return heap_rebuild(h);
    status = lock_all(seg);
    if (status != TN_OK)
        return status;
    status = heap_rebuild(h);
    for (unsigned i = 0; status == TN_OK && i < SEGMENT_MAGAZINES; i++)
        magazine_reset(&magazine(seg, i)->magazine);
    heap_hold(h, true);
    if (status != TN_OK)
        heap_break(h);
    unlock_first(seg, SEGMENT_MAGAZINES);
    return status;
}

tn_status segment_stop(const tn_segment *seg)
{
    tn_status status = segment_lock_heap(seg);

    if (status != TN_OK || seg->magazines == NULL)
        return status;
    status = lock_all(seg);
    if (status == TN_OK && !all_whole(seg)) {
        unlock_first(seg, SEGMENT_MAGAZINES);
        status = rebuild_heap(seg);
        if (status == TN_OK)
            status = lock_all(seg);
    }
    if (status != TN_OK)
        segment_unlock_heap(seg);
    return status;
}

void segment_go(const tn_segment *seg)
{
    if (seg->magazines != NULL) {
        heap_hold(segment_heap(seg), true);
        unlock_first(seg, SEGMENT_MAGAZINES);
    }
    segment_unlock_heap(seg);
}

void magazines_flush(const tn_segment *seg)
{
    struct heap *h = segment_heap(seg);

    if (seg->magazines == NULL)
        return;
    for (unsigned i = 0; i < SEGMENT_MAGAZINES; i++)
        magazine_empty(h, &magazine(seg, i)->magazine);
    heap_hold(h, false);
}

/* --- Made and dropped -----------------------------------------------------*/

/* The magazines that the segment's header names, if that can be. */
static struct magazines *find(const tn_segment *seg)
{
    const struct heap *h = segment_heap(seg);
    void *p = heap_at(h, seg->base->magazines);

    if (seg->base->magazines == 0 || !heap_owns(h, p) ||
        heap_state(h, p) != BLOCK_INDEX ||
        heap_usable_size(h, p) < sizeof(struct magazines))
        return NULL;
    return p;
}

size_t magazines_bytes(const tn_segment *seg)
{
    const struct magazines *all = find(seg);

    return all == NULL
               ? 0
               : heap_usable_size(segment_heap(seg), all) + TN_ALLOC_OVERHEAD;
}

size_t magazines_waiting(const tn_segment *seg)
{
    const struct magazines *all = find(seg);
    size_t bytes = 0;

    for (unsigned i = 0; all != NULL && i < SEGMENT_MAGAZINES; i++)
        bytes += all->all[i].magazine.waiting;
    return bytes;
}

bool magazines_make(tn_segment *seg)
{
    struct heap *h = segment_heap(seg);
    struct magazines *all;

    if (h->tables == 0)
        return false;
    all = heap_alloc_aligned(h, sizeof(*all), CACHE_LINE, 0, BLOCK_INDEX);
    if (all == NULL)
        return false;
    memset(all, 0, sizeof(*all));
    for (unsigned i = 0; i < SEGMENT_MAGAZINES; i++) {
        magazine_reset(&all->all[i].magazine);
        if (mutex_init(&all->all[i].lock, false) != TN_OK) {
            heap_free(h, all);
            return false;
        }
    }
    seg->base->magazines = heap_off(h, all);
    heap_hold(h, true);
    seg->magazines = all;
    return true;
}

void magazines_join(tn_segment *seg)
{
    seg->magazines = find(seg);
}

void magazines_drop(tn_segment *seg)
{
    struct heap *h = segment_heap(seg);
    struct magazines *all = seg->magazines;

    seg->magazines = NULL;
    if (all == NULL)
        return;
    for (unsigned i = 0; i < SEGMENT_MAGAZINES; i++)
        magazine_empty(h, &all->all[i].magazine);
    seg->base->magazines = 0;
    heap_free(h, all);
    if (!heap_is_broken(h))
        heap_hold(h, false);
}
