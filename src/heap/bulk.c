/* bulk.c - many blocks in one call
 *
 *     one free block      +---------------------------------------------+
 *                         |                                             |
 *     becomes             +-------+-------+-------+------ ... ----------+
 *                         | used  | used  | used  |        free         |
 *                         +-------+-------+-------+------ ... ----------+
 *
 * A bulk is cut from as few free blocks as may be: from one that holds all of
 * it if there is one, else by halves.  The blocks lie side by side, in the
 * order of the request, and each is freed by itself.
 *
 * Crashes: all headers inside the free block are written before its own, whose
 * store makes them all part of the chain at once.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"

/* What is wanted: count times size bytes, or each of sizes times element. */
struct bulk {
    const size_t *sizes; /* NULL: all alike */
    size_t size, element, count;
};

/* The block size of piece i, which is known not to overflow. */
static uint64_t piece_size(const struct bulk *b, size_t i)
{
    return block_size_for(b->sizes != NULL ? b->sizes[i] * b->element
                                           : b->size);
}

static uint64_t sum_of(const struct bulk *b, size_t first, size_t count)
{
    uint64_t sum = 0;

    if (b->sizes == NULL)
        return piece_size(b, 0) * count;
    for (size_t i = first; i < first + count; i++)
        sum += piece_size(b, i);
    return sum;
}

/* Does the request make sense?  What makes sense and is too large is TN_ENOMEM,
 * before anything is tried. */
static tn_status bulk_verify(const struct heap *h, const struct bulk *b)
{
    size_t sum = 0, bytes;

    if (b->sizes == NULL) {
        if (!bytes_mul(b->size, b->count, &bytes))
            return TN_EINVAL;
        if (b->size > HEAP_MAX_SIZE || b->count > HEAP_MAX_SIZE)
            return TN_ENOMEM;
        if (!bytes_mul(block_size_for(b->size), b->count, &sum))
            return TN_ENOMEM;
        return sum <= heap_free_bytes(h) ? TN_OK : TN_ENOMEM;
    }
    for (size_t i = 0; i < b->count; i++)
        if (!bytes_mul(b->sizes[i], b->element, &bytes) ||
            !bytes_add(sum, bytes, &sum))
            return TN_EINVAL;
    if (sum > HEAP_MAX_SIZE || b->count > HEAP_MAX_SIZE / HEAP_MIN_BLOCK)
        return TN_ENOMEM;
    return sum_of(b, 0, b->count) <= heap_free_bytes(h) ? TN_OK : TN_ENOMEM;
}

/* Append the block at off. */
static void append(struct heap *h, tn_chain *chain, uint64_t off)
{
    void *p = heap_at(h, off);

    *(void **)p = NULL;
    if (chain->count == 0)
        chain->first = p;
    else
        *(void **)chain->last = p;
    chain->last = p;
    chain->count++;
}

/* Cut the pieces from first on out of the free block at off, which is in no
 * bin and holds sum bytes, theirs, or more. */
static void carve(struct heap *h, const struct bulk *b, size_t first,
                  size_t count, uint64_t off, uint64_t sum, tn_chain *chain)
{
    uint64_t word = word_load(h, off), has = word_size(word), at, size;
    uint64_t rest = has - sum < HEAP_MIN_BLOCK ? 0 : has - sum;
    uint64_t end = off + has - rest, head = piece_size(b, first);

    if (rest != 0)
        block_write_free(h, end, rest, HEAP_PREV_USED);
    else
        block_mark_prev(h, end, HEAP_PREV_USED);
    append(h, chain, off);
    at = off + head;
    for (size_t i = 1; i < count; i++, at += size) {
        size = i == count - 1 ? end - at : piece_size(b, first + i);
        word_store(h, at, word_make(at, size, HEAP_PREV_USED, BLOCK_RAW));
        append(h, chain, at);
    }
    if (count == 1)
        head = end - off;
    word_store(h, off, word_make(off, head, word & HEAP_PREV_USED, BLOCK_RAW));
    h->taken += end - off;
    if (rest != 0 && !fit_insert(h, end, rest))
        chain_rebuild(h);
}

/* Take as many of the count pieces from first on as one free block gives, by
 * halves.  0: not even one. */
static size_t take_some(struct heap *h, const struct bulk *b, size_t first,
                        size_t count, tn_chain *chain)
{
    for (;; count = (count + 1) / 2) {
        uint64_t sum = sum_of(b, first, count), off = fit_find(h, sum);

        if (off == FIT_BROKEN ||
            (off != 0 && !fit_remove(h, off, word_size(word_load(h, off))))) {
            chain_rebuild(h);
            return 0;
        }
        if (off != 0) {
            carve(h, b, first, count, off, sum, chain);
            return count;
        }
        if (count == 1)
            return 0;
    }
}

static tn_status alloc_bulk(struct heap *h, const struct bulk *b,
                            tn_chain *chain)
{
    tn_chain taken = TN_CHAIN_INIT;
    tn_status status = bulk_verify(h, b);
    uint64_t sequence;
    size_t some = 1;

    if (status != TN_OK || b->count == 0)
        return status;
    sequence = change_begin(h);
    if (fit_find(h, sum_of(b, 0, b->count)) == 0)
        chain_flush(h);
    while (taken.count < b->count && some != 0)
        some = take_some(h, b, taken.count, b->count - taken.count, &taken);
    change_end(h, sequence);

    if (some == 0) {
        heap_free_many(h, &taken);
        return TN_ENOMEM;
    }
    if (chain->count == 0)
        chain->first = taken.first;
    else
        *(void **)chain->last = taken.first;
    chain->last = taken.last;
    chain->count += taken.count;
    HEAP_DEEP_CHECK(h);
    return TN_OK;
}

tn_status heap_alloc_many(struct heap *h, size_t size, size_t count,
                          tn_chain *chain)
{
    struct bulk b = {.size = size, .count = count};

    return alloc_bulk(h, &b, chain);
}

tn_status heap_alloc_many_sizes(struct heap *h, const size_t *sizes,
                                size_t count, size_t element, tn_chain *chain)
{
    struct bulk b = {.sizes = sizes, .element = element, .count = count};

    return alloc_bulk(h, &b, chain);
}

/* The links lie in memory that was the caller's: what is no allocation ends the
 * list. */
void heap_free_many(struct heap *h, tn_chain *chain)
{
    void *p = chain->first, *next;

    for (; chain->count != 0 && heap_owns(h, p); chain->count--, p = next) {
        next = *(void **)p;
        heap_free(h, p);
    }
    *chain = (tn_chain)TN_CHAIN_INIT;
}
