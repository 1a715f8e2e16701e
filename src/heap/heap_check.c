/* heap_check.c - are the bytes of a heap what heap.c says they are?
 *
 * Tests H1 to H8 (see heap.c) on a heap whose bytes may be anything, as long as
 * heap_verify_header() accepted it: nothing is followed that has not been
 * checked, and every walk ends.
 *
 * The chain is walked first; if it holds, it says what must be elsewhere.  To
 * compare the two without memory of its own, the checker adds up a hash of each
 * free block, on the chain by what the block is, and in bins, tree and quick
 * lists by where it was met.  Where every block is once and nothing else is,
 * count and sum agree.  That they agree otherwise is a matter of 2^-64, and
 * nobody can prepare a file for it: the hash has a secret of the process.
 *
 * While others hold blocks of the heap (magazine.c) its own quick lists do not
 * have all that wait, and the checker does not ask for them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "heap/block.h"
#include "link/rbtree.h"

#include <inttypes.h>
#include <string.h>
#include <sys/auxv.h>

/* Blocks of one sort: how many, and the sum of their hashes. */
struct census {
    uint64_t count, sum;
};

enum sort { SORT_BIN, SORT_TREE, SORT_QUICK, SORTS };

static const char *const sort_rule[SORTS] = {"H4", "H5", "H6"};
static const char *const sort_name[SORTS] = {"bins", "tree", "quick lists"};

/* A check under way. */
struct check {
    const struct heap *h;
    struct report *report;
    uint64_t secret[2];
    struct census chain[SORTS], met[SORTS];
    uint64_t taken, waiting, fixed, tables;
    uint64_t last_off, last_size; /* in the tree */
    uint64_t list_next;           /* the list's block to be met next */
    uint64_t list_last;
    bool list_broken;
};

/* --- Hashing ------------------------------------------------------------- */

/* 16 bytes that the kernel gave this process at random. */
static void take_secret(uint64_t secret[2])
{
    const void *random = (const void *)(uintptr_t)getauxval(AT_RANDOM);

    if (random != NULL)
        memcpy(secret, random, 16);
    else
        secret[0] = secret[1] = (uintptr_t)secret;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static void count_block(const struct check *c, struct census *census,
                        uint64_t off, uint64_t size)
{
    census->count++;
    census->sum += mix(mix(off ^ c->secret[0]) ^ size ^ c->secret[1]);
}

/* --- The chain: H1, H2, H3, H8 ------------------------------------------- */

static void check_free(struct check *c, uint64_t off, uint64_t size)
{
    const struct heap *h = c->h;

    if (*footer_before(h, off + size) != size)
        report_add(c->report, "H3", off, NULL,
                   "the last word of a free block is not its size, %" PRIu64,
                   size);
    if (h->tables != 0) {
        count_block(c, &c->chain[size < HEAP_BINNED ? SORT_BIN : SORT_TREE],
                    off, size);
        return;
    }
    if (c->list_broken)
        return;
    if (off != c->list_next || links_at(h, off)->prev != c->list_last) {
        report_add(c->report, "H7", off, NULL,
                   "the list of free blocks does not go on to this one");
        c->list_broken = true;
        return;
    }
    c->list_last = off;
    c->list_next = links_at(h, off)->next;
}

static void check_block(struct check *c, uint64_t off, uint64_t size,
                        enum block_state state)
{
    switch (state) {
    case BLOCK_FREE:
        check_free(c, off, size);
        break;
    case BLOCK_QUICK:
        c->taken += size;
        c->waiting += size;
        count_block(c, &c->chain[SORT_QUICK], off, size);
        if (c->h->tables == 0 ||
            (size >= HEAP_QUICK && c->h->held == HEAP_HELD_NOT))
            report_add(c->report, c->h->tables == 0 ? "H7" : "H6", off, NULL,
                       "a block waits for which there is no quick list");
        break;
    case BLOCK_FIXED:
        c->fixed += size;
        if (c->tables != 0)
            report_add(c->report, "H8", off, NULL,
                       "there is a second block for tables");
        c->tables = off;
        break;
    default:
        c->taken += size;
    }
}

/* P of the block at off, by the state of the one before. */
static void check_prev(struct check *c, uint64_t off, uint64_t word,
                       bool before_is_free)
{
    if (((word & HEAP_PREV_USED) == 0) != before_is_free)
        report_add(c->report, "H3", off, NULL,
                   "the block says that the one before is %s, and it is not",
                   before_is_free ? "in use" : "free");
}

static bool check_chain(struct check *c)
{
    const struct heap *h = c->h;
    uint64_t off = h->first, word = word_load(h, off), size;
    bool free_before = false, is_free;

    for (; off != h->end; off += size, word = word_load(h, off)) {
        if (!block_is_sound(h, off, word)) {
            report_add(c->report, "H1", off, NULL,
                       "the block's header is damaged: %016" PRIx64, word);
            return false;
        }
        size = word_size(word);
        is_free = word_state(word) == BLOCK_FREE;
        check_prev(c, off, word, free_before);
        if (is_free && free_before)
            report_add(c->report, "H2", off, NULL,
                       "two free blocks in a row are not merged");
        check_block(c, off, size, word_state(word));
        free_before = is_free;
    }
    if (!block_is_sound(h, off, word)) {
        report_add(c->report, "H1", off, NULL, "the end block is damaged");
        return false;
    }
    check_prev(c, off, word, free_before);
    if (h->tables == 0 && !c->list_broken && c->list_next != 0)
        report_add(c->report, "H7", c->list_next, NULL,
                   "the list of free blocks goes on behind the last one");
    return true;
}

static void check_sum(struct check *c, const char *what, uint64_t says,
                      uint64_t is)
{
    if (says != is)
        report_add(c->report, "H8", 0, NULL,
                   "the heap counts %" PRIu64 " bytes %s, its blocks have "
                   "%" PRIu64,
                   says, what, is);
}

/* Blocks that others hold are not the heap's to count. */
static void check_figures(struct check *c)
{
    check_sum(c, "taken", c->h->taken, c->taken);
    if (c->h->held == HEAP_HELD_NOT || c->h->waiting > c->waiting)
        check_sum(c, "waiting", c->h->waiting, c->waiting);
    check_sum(c, "of its own", c->h->fixed, c->fixed);
    if (round_down(c->h->size, HEAP_GRANULE) - c->h->end >= HEAP_MIN_BLOCK)
        report_add(c->report, "H8", c->h->end, NULL,
                   "there is room for a block behind the end");
    if (c->h->tables != c->tables)
        report_add(c->report, "H8", c->tables, NULL,
                   "the heap does not use its block for tables");
}

/* --- Bins and quick lists: H4, H6 ---------------------------------------- */

/* Is there a block of the list's size and state?  The count of blocks on the
 * chain bounds every walk. */
static bool meet(struct check *c, enum sort sort, uint64_t off, uint64_t size)
{
    enum block_state state = sort == SORT_QUICK ? BLOCK_QUICK : BLOCK_FREE;

    if (!block_is(c->h, off, size, state)) {
        report_add(c->report, sort_rule[sort], off, NULL,
                   "the %s lead to where no block of their size is",
                   sort_name[sort]);
        return false;
    }
    if (c->met[sort].count >= c->chain[sort].count) {
        report_add(c->report, sort_rule[sort], off, NULL,
                   "the %s have more blocks than there are", sort_name[sort]);
        return false;
    }
    count_block(c, &c->met[sort], off, size);
    return true;
}

static void check_bin(struct check *c, uint64_t bin)
{
    uint64_t off = tables_of(c->h)->bins[bin], prev = 0;

    if ((tables_of(c->h)->map >> bin & 1) != (off != 0))
        report_add(c->report, "H4", c->h->tables, NULL,
                   "the map is wrong about the bin of %" PRIu64 " bytes",
                   bin_size(bin));
    for (; off != 0; prev = off, off = links_at(c->h, off)->next) {
        if (!meet(c, SORT_BIN, off, bin_size(bin)))
            return;
        if (links_at(c->h, off)->prev != prev) {
            report_add(c->report, "H4", off, NULL,
                       "the link back does not lead back");
            return;
        }
    }
}

static void check_quick(struct check *c, uint64_t bin)
{
    uint64_t list = tables_of(c->h)->quick[bin], off;

    for (; (off = list & QUICK_OFF) != 0; list = links_at(c->h, off)->next) {
        if (!meet(c, SORT_QUICK, off, bin_size(bin)))
            return;
        if (links_at(c->h, off)->next >> QUICK_COUNT_SHIFT !=
            (list >> QUICK_COUNT_SHIFT) - 1)
            break;
    }
    if (list != 0)
        report_add(c->report, "H6", off, NULL,
                   "the quick list of %" PRIu64 " bytes counts wrongly",
                   bin_size(bin));
}

/* --- The tree: H5 -------------------------------------------------------- */

static bool node_valid(void *arg, uint64_t off)
{
    const struct check *c = arg;

    return block_may_be_at(c->h, off);
}

static void node_visit(void *arg, uint64_t off)
{
    struct check *c = arg;
    uint64_t size = word_size(word_load(c->h, off));

    if (!meet(c, SORT_TREE, off, size))
        return;
    if (size < c->last_size || (size == c->last_size && off <= c->last_off))
        report_add(c->report, "H5", off, NULL,
                   "the tree is not ordered by size and address");
    c->last_size = size;
    c->last_off = off;
}

static void check_tree(struct check *c)
{
    uint64_t where = 0;
    const char *wrong = rb_check(c->h, c->h->tree, c->chain[SORT_TREE].count,
                                 node_valid, node_visit, c, &where);

    if (wrong != NULL)
        report_add(c->report, "H5", where, NULL, "%s", wrong);
}

/* --- All ----------------------------------------------------------------- */

static void compare(struct check *c, enum sort sort)
{
    const struct census *chain = &c->chain[sort], *met = &c->met[sort];

    if (sort == SORT_QUICK && c->h->held != HEAP_HELD_NOT)
        return; /* meet() has seen that there are not too many */
    if (chain->count != met->count || chain->sum != met->sum)
        report_add(c->report, sort_rule[sort], 0, NULL,
                   "the %s hold %" PRIu64 " blocks and not just the %" PRIu64
                   " that should be there",
                   sort_name[sort], met->count, chain->count);
}

void heap_check(const struct heap *h, struct report *report)
{
    struct check c = {.h = h, .report = report, .list_next = h->list};

    if (heap_verify_header(h, h->size) != TN_OK) {
        report_add(report, "H8", 0, NULL,
                   "the fields of the heap do not agree with each other");
        return;
    }
    take_secret(c.secret);
    if (!check_chain(&c))
        return;
    check_figures(&c);
    if (h->tables == 0)
        return;

    if (tables_of(h)->map >> HEAP_BINS != 0)
        report_add(report, "H4", h->tables, NULL, "the map has bits too many");
    for (uint64_t bin = 0; bin < HEAP_BINS; bin++)
        check_bin(&c, bin);
    for (uint64_t bin = 0; bin < HEAP_QUICKS; bin++)
        check_quick(&c, bin);
    check_tree(&c);
    for (enum sort sort = 0; sort < SORTS; sort++)
        compare(&c, sort);
}

#ifdef TN_DEEP_CHECK
#include <stdio.h>

static void print_finding(void *arg, const tn_finding *finding)
{
    (void)arg;
    fprintf(stderr, "%s at %" PRIu64 ": %s\n", finding->rule, finding->offset,
            finding->what);
}

void heap_deep_check(const struct heap *h)
{
    struct report report = {.fn = print_finding, .layer = "heap"};

    heap_check(h, &report);
    TN_ASSERT(report.findings == 0);
}
#endif
