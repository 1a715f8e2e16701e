/* allocator_patterns.c - fill a segment and empty it, in every way and order
 *
 * What the users of any allocator take for granted, claimed of each kind of
 * segment with each way to fit: whatever was allocated until nothing more could
 * be is usable to its last byte, and whatever the order in which it is given
 * back, all memory is free afterwards, to the byte and in one piece.
 */
#include "scenario.h"

#include "lib/tmpdir.h"

#include <string.h>

enum { MOST = 16384, ORDERS = 3 };

static tn_segment *seg;
static size_t free_at_start, largest_at_start;

/* The blocks that are held, and how many. */
static unsigned char *held[MOST];
static size_t count;

static size_t largest(void)
{
    tn_stats stats;

    OK(tn_segment_stats(seg, &stats));
    return stats.largest_free;
}

static void claim_all_free(void)
{
    CLAIM(count == 0);
    CLAIM(tn_all_free(seg));
    CLAIM(tn_free_bytes(seg) == free_at_start);
    CLAIM(largest() == largest_at_start);
    SOUND(seg);
}

/* --- Filling and emptying ------------------------------------------------- */

static void hold(void *p)
{
    CLAIM(p != NULL && count < MOST);
    held[count++] = p;
}

static void mark(size_t i)
{
    memset(held[i], (int)(i % 251 + 1), tn_usable_size(seg, held[i]));
}

static void mark_all(void)
{
    for (size_t i = 0; i < count; i++)
        mark(i);
}

static void claim_mark(size_t i, size_t bytes)
{
    for (size_t k = 0; k < bytes; k++)
        CLAIM(held[i][k] == i % 251 + 1);
}

/* Blocks of i times factor bytes, i from 0 up, until there is no room. */
static void fill(size_t factor)
{
    for (size_t i = 0;; i++) {
        void *p = tn_alloc(seg, i * factor);

        if (p == NULL)
            break;
        CLAIM((uintptr_t)p % 16 == 0);
        CLAIM(tn_usable_size(seg, p) >= i * factor);
        hold(p);
        mark(count - 1);
    }
    CLAIM(count > 10);
}

static void give_back(size_t i)
{
    OK(tn_free(seg, held[i]));
    held[i] = NULL;
}

/* Those that are still held: first come first, last come first, or from the
 * middle out, one from each end. */
static void empty(int order)
{
    for (size_t k = 0; k < count; k++) {
        size_t i = order == 0   ? k
                   : order == 1 ? count - 1 - k
                   : k % 2 == 0 ? count / 2 + k / 2
                                : count / 2 - 1 - k / 2;

        i %= count;
        if (held[i] != NULL)
            give_back(i);
    }
    for (size_t i = 0; i < count; i++)
        CLAIM(held[i] == NULL);
    count = 0;
    claim_all_free();
}

static void fills_and_empties(void)
{
    for (int order = 0; order < ORDERS; order++) {
        fill(1);
        for (size_t i = 0; i < count; i++)
            claim_mark(i, tn_usable_size(seg, held[i]));
        SOUND(seg);
        empty(order);
    }
}

static void more_than_half_in_one(void)
{
    void *p = tn_alloc(seg, tn_free_bytes(seg) / 2 + 64);

    CLAIM(p != NULL);
    OK(tn_free(seg, p));
    p = tn_alloc(seg, largest_at_start);
    CLAIM(p != NULL);
    CLAIM(tn_alloc(seg, largest_at_start) == NULL);
    CLAIM(tn_alloc(seg, SIZE_MAX) == NULL);
    CLAIM(tn_alloc(seg, SIZE_MAX - 15) == NULL);
    OK(tn_free(seg, p));
    claim_all_free();
}

/* --- Resizing in place ---------------------------------------------------- */

static void *resize(unsigned command, size_t i, size_t limit, size_t *size)
{
    void *reuse = held[i];
    void *p = tn_realloc_cmd(seg, command, limit, size, &reuse, 1);

    if (p != NULL && (command & TN_NEW) == 0)
        CLAIM(reuse == held[i]);
    return p;
}

static void shrinks_by_half(void)
{
    fill(2);
    for (size_t i = 0; i < count; i++) {
        size_t size = i;

        if (resize(TN_SHRINK, i, 2 * i, &size) == NULL)
            continue;
        CLAIM(size >= i && size <= 2 * i);
        CLAIM(tn_usable_size(seg, held[i]) >= size);
        claim_mark(i, size);
        mark(i);
    }
    empty(0);
}

static void takes_back_what_it_shrank(void)
{
    static size_t had[MOST];

    fill(2);
    for (size_t i = 0; i < count; i++) {
        size_t size = i;

        had[i] = tn_usable_size(seg, held[i]);
        if (resize(TN_SHRINK, i, had[i], &size) != NULL)
            CLAIM(size >= i && size <= had[i]);
    }
    SOUND(seg);
    for (size_t i = count; i-- > 0;) {
        size_t size = had[i];

        CLAIM(resize(TN_EXPAND_FWD, i, had[i], &size) == held[i]);
        CLAIM(size == had[i]);
        mark(i);
    }
    for (size_t i = 0; i < count; i++)
        claim_mark(i, had[i]);
    empty(1);
}

/* Every other block goes; the ones that stay grow over their neighbours until
 * nothing is left there. */
static void expands(unsigned command)
{
    fill(1);
    for (size_t i = 0; i < count; i += 2)
        give_back(i);
    for (size_t i = 1; i < count; i += 2)
        for (;;) {
            size_t had = tn_usable_size(seg, held[i]), size = 2 * had + 1;
            void *p = resize(command, i, had + 1, &size);

            if (p == NULL)
                break;
            CLAIM((command & TN_EXPAND_BWD) != 0 || p == held[i]);
            CLAIM((unsigned char *)p <= held[i] && size > had);
            held[i] = p;
            CLAIM(tn_usable_size(seg, p) >= size);
            mark(i);
        }
    for (size_t i = 1; i < count; i += 2)
        claim_mark(i, tn_usable_size(seg, held[i]));
    SOUND(seg);
    empty(1);
}

/* The last block of a full segment takes in, backward, all that was before. */
static void reuses_what_is_before(size_t element)
{
    unsigned char *last;
    size_t n;

    fill(element);
    last = held[count - 1];
    n = count - 1;
    for (size_t i = 0; i < n; i++)
        give_back(i);
    for (size_t i = 0;; i++) {
        size_t size = tn_usable_size(seg, last) / element + i + 1;
        size_t had = tn_usable_size(seg, last);
        void *reuse = last;
        unsigned char *p = tn_realloc_cmd(seg, TN_EXPAND_BWD, had / element + 1,
                                          &size, &reuse, element);

        if (p == NULL)
            break;
        CLAIM(p < last && (size_t)(last - p) % element == 0);
        CLAIM(size > had / element);
        memset(p, 7, tn_usable_size(seg, p));
        last = p;
    }
    held[n] = last;
    empty(0);
}

static void new_blocks_by_command(void)
{
    for (size_t i = 1;; i++) {
        size_t size = 2 * i;
        void *reuse = NULL;
        void *p = tn_realloc_cmd(seg, TN_NEW, i, &size, &reuse, 3);

        if (p == NULL)
            break;
        CLAIM(size >= i && tn_usable_size(seg, p) >= 3 * size);
        hold(p);
        mark(count - 1);
    }
    empty(2);
}

static void reallocates(void)
{
    fill(8);
    for (size_t i = 0; i < count; i += 3)
        give_back(i);
    for (size_t i = 1; i < count; i++) {
        size_t had;
        void *p;

        if (held[i] == NULL)
            continue;
        had = tn_usable_size(seg, held[i]);
        p = tn_realloc(seg, held[i], i % 2 == 0 ? had + 40 : had / 2);
        if (p == NULL)
            continue;
        held[i] = p;
        claim_mark(i, had / 2);
        mark(i);
    }
    SOUND(seg);
    empty(2);
}

/* --- Alignment ------------------------------------------------------------ */

static void aligns(void)
{
    size_t most = tn_segment_size(seg) / 4;

    for (size_t alignment = 1; alignment <= most; alignment *= 2) {
        for (size_t i = 0;; i++) {
            size_t before = tn_free_bytes(seg);
            void *p = tn_alloc_aligned(seg, i, alignment);

            if (p == NULL)
                break;
            CLAIM((uintptr_t)p % alignment == 0);
            CLAIM(tn_usable_size(seg, p) >= i);
            CLAIM(before - tn_free_bytes(seg) <=
                  i + i / 16 + TN_ALLOC_OVERHEAD + 32 + 16);
            hold(p);
            mark(count - 1);
        }
        CLAIM(count > 1);
        empty((int)(alignment % ORDERS));
    }
    CLAIM(tn_alloc_aligned(seg, 1, 3) == NULL);
    CLAIM(tn_alloc_aligned(seg, 1, 0) == NULL);
}

/* --- Many ----------------------------------------------------------------- */

static void hold_chain(tn_chain *chain)
{
    while (!tn_chain_empty(chain)) {
        hold(tn_chain_pop(chain));
        mark(count - 1);
    }
    CLAIM(tn_chain_pop(chain) == NULL);
}

static void many_equal(bool by_chain)
{
    for (size_t i = 0; i < 40; i++) {
        tn_chain chain = TN_CHAIN_INIT;
        tn_status status = tn_alloc_many(seg, i + 1, (i + 1) * 2, &chain);

        CLAIM(chain.count == (status == TN_OK ? (i + 1) * 2 : 0));
        if (status != TN_OK)
            break;
        if (by_chain && i % 2 == 0) {
            OK(tn_free_many(seg, &chain));
            CLAIM(tn_chain_empty(&chain));
        } else {
            hold_chain(&chain);
        }
    }
    for (size_t i = 0; i < count; i++)
        claim_mark(i, tn_usable_size(seg, held[i]));
    empty(2);
}

static void many_different(void)
{
    enum { KINDS = 10 };
    size_t lengths[KINDS];
    tn_chain chain = TN_CHAIN_INIT;

    for (size_t i = 0; i < KINDS; i++)
        lengths[i] = i * 3;
    while (tn_alloc_many_v(seg, lengths, KINDS, 4, &chain) == TN_OK)
        ;
    CLAIM(chain.count != 0 && chain.count % KINDS == 0);
    for (size_t i = 0; !tn_chain_empty(&chain); i++) {
        hold(tn_chain_pop(&chain));
        CLAIM(tn_usable_size(seg, held[i]) >= lengths[i % KINDS] * 4);
        mark(i);
    }
    empty(1);
    lengths[3] = SIZE_MAX / 2;
    ANSWERS(tn_alloc_many_v(seg, lengths, KINDS, 4, &chain), TN_EINVAL);
    CLAIM(tn_chain_empty(&chain));
}

/* --- Wiping --------------------------------------------------------------- */

/* What is allocated from memory that was wiped is zero to its last byte. */
static void wipes(void)
{
    fill(1);
    empty(1);
    OK(tn_zero_free(seg));
    claim_all_free();
    for (size_t i = 0; count < MOST; i++) {
        unsigned char *p =
            i % 5 == 4 ? tn_alloc_aligned(seg, i, 64) : tn_alloc(seg, i);

        if (p == NULL)
            break;
        for (size_t k = 0; k < tn_usable_size(seg, p); k++)
            CLAIM(p[k] == 0);
        hold(p);
    }
    mark_all();
    for (size_t i = 0; i < count; i += 3)
        give_back(i);
    OK(tn_zero_free(seg));
    for (size_t i = 1; i < count; i++)
        if (held[i] != NULL)
            claim_mark(i, tn_usable_size(seg, held[i]));
    empty(0);
}

/* --- Growing -------------------------------------------------------------- */

/* Full means full: no allocation makes the segment any larger. */
static void does_not_grow_by_itself(void)
{
    size_t size = tn_segment_size(seg);

    fill(16);
    CLAIM(tn_alloc(seg, size) == NULL);
    CLAIM(tn_segment_size(seg) == size);
    empty(0);
}

static void all_patterns(void)
{
    free_at_start = tn_free_bytes(seg);
    largest_at_start = largest();
    claim_all_free();
    fills_and_empties();
    more_than_half_in_one();
    shrinks_by_half();
    takes_back_what_it_shrank();
    expands(TN_EXPAND_FWD);
    expands(TN_EXPAND_BWD);
    expands(TN_EXPAND_FWD | TN_EXPAND_BWD);
    for (size_t element = 1; element < 20; element++)
        reuses_what_is_before(element);
    new_blocks_by_command();
    reallocates();
    aligns();
    many_equal(false);
    many_equal(true);
    many_different();
    wipes();
    does_not_grow_by_itself();
}

/* --- Every kind of segment ------------------------------------------------ */

static void in_memory(size_t size, tn_fit fit)
{
    const tn_options options = {.fit = fit};
    void *buffer;

    CLAIM(posix_memalign(&buffer, 16, size) == 0);
    memset(buffer, 0xa5, size);
    OK(tn_segment_create(&seg, buffer, size, &options));
    all_patterns();
    OK(tn_segment_detach(seg));
    free(buffer);

    OK(tn_segment_create_heap(&seg, size, &options));
    all_patterns();
    OK(tn_segment_grow(seg, size));
    all_patterns();
    OK(tn_segment_detach(seg));
}

static void in_a_file(unsigned access, size_t size, tn_fit fit)
{
    const tn_options options = {
        .size = size, .fit = fit, .grow_step = TN_NO_GROWTH};
    tn_store *store;

    OK(tn_store_open(&store, "patterns.tn", TN_SHARED | TN_CREATE, &options));
    OK(tn_store_close(store));
    OK(tn_store_open(&store, "patterns.tn", access, &options));
    if (access == TN_DURABLE)
        OK(tn_begin(store, &seg));
    else
        seg = tn_store_segment(store);
    all_patterns();
    if (access == TN_DURABLE)
        OK(tn_commit(store));
    OK(tn_store_close(store));
    OK(tn_store_open(&store, "patterns.tn", TN_READ_ONLY | TN_VERIFY, NULL));
    CLAIM(tn_all_free(tn_store_segment(store)));
    OK(tn_store_close(store));
    CLAIM(remove("patterns.tn") == 0);
    remove("patterns.tn-journal");
}

int main(void)
{
    tmpdir_enter();
    for (tn_fit fit = TN_FIT_BEST; fit <= TN_FIT_SEQ; fit++) {
        in_memory(32 * 1024, fit); /* with and without tables */
        in_memory(12 * 1024 + 8, fit);
        in_a_file(TN_SHARED, 96 * 1024, fit);
        in_a_file(TN_SHARED, 384 * 1024, fit); /* with magazines */
        in_a_file(TN_PRIVATE, 96 * 1024, fit);
        in_a_file(TN_DURABLE, 96 * 1024, fit);
    }
    tmpdir_leave();
    return 0;
}
