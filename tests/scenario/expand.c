/* expand.c - make a block larger or smaller where it is, by every rule
 *
 * tn_realloc_cmd() is told which ways it may go, how much is wanted and how
 * much is enough.  Three blocks side by side, of which some are freed, show
 * each way: X is the block that is asked for more.
 *
 *     +-------+-------+-------+--------+
 *     | left  |   X   | right | a wall |
 *     +-------+-------+-------+--------+
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include <stdint.h>
#include <string.h>

enum { BLOCK = 4000, ELEMENT = 8, SPACE = 256 * 1024 };

static _Alignas(16) char space[SPACE];

/* Four blocks side by side, in order of address. */
struct row {
    tn_segment *seg;
    char *left, *x, *right, *wall;
    size_t usable; /* bytes in each */
};

static struct row make_row(tn_fit fit)
{
    const tn_options options = {.fit = fit};
    struct row r;

    OK(tn_segment_create(&r.seg, space, SPACE, &options));
    r.left = tn_alloc(r.seg, BLOCK);
    r.x = tn_alloc(r.seg, BLOCK);
    r.right = tn_alloc(r.seg, BLOCK);
    r.wall = tn_alloc(r.seg, BLOCK);
    CLAIM(r.wall != NULL);
    r.usable = tn_usable_size(r.seg, r.x);
    CLAIM(r.x == r.left + r.usable + TN_ALLOC_OVERHEAD);
    CLAIM(r.right == r.x + r.usable + TN_ALLOC_OVERHEAD);
    CLAIM(r.wall == r.right + r.usable + TN_ALLOC_OVERHEAD);
    memset(r.x, 'x', r.usable);
    return r;
}

static void end_row(struct row *r)
{
    SOUND(r->seg);
    OK(tn_segment_detach(r->seg));
}

/* The elements that the block at p can hold. */
static size_t elements(const struct row *r, const void *p)
{
    return tn_usable_size(r->seg, p) / ELEMENT;
}

static void still_x(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CLAIM(p[i] == 'x');
}

/* The worked example: a new block, twice as large, then small again. */
static void up_and_down(tn_fit fit)
{
    const tn_options options = {.fit = fit};
    size_t got = 1000, first, free_bytes;
    void *reuse = NULL;
    tn_segment *seg;
    char *p, *same;

    OK(tn_segment_create(&seg, space, SPACE, &options));
    free_bytes = tn_free_bytes(seg);
    p = tn_realloc_cmd(seg, TN_NEW, 100, &got, &reuse, ELEMENT);
    CLAIM(p != NULL && got >= 1000 && reuse == NULL);
    CLAIM(tn_usable_size(seg, p) / ELEMENT == got);
    CLAIM(tn_free_bytes(seg) < free_bytes);
    first = got;
    free_bytes = tn_free_bytes(seg);

    got = first * 3;
    reuse = p;
    same = tn_realloc_cmd(seg, TN_EXPAND_FWD, first * 2, &got, &reuse, ELEMENT);
    CLAIM(same == p && reuse == p && got >= first * 3);
    CLAIM(tn_free_bytes(seg) < free_bytes);
    free_bytes = tn_free_bytes(seg);

    got = first;
    same = tn_realloc_cmd(seg, TN_SHRINK, first * 2, &got, &reuse, ELEMENT);
    CLAIM(same == p && got >= first && got <= first * 2);
    CLAIM(tn_free_bytes(seg) > free_bytes);
    OK(tn_free(seg, p));
    CLAIM(tn_all_free(seg));
    SOUND(seg);
    OK(tn_segment_detach(seg));
}

static void refuse(struct row *r, unsigned command, size_t limit,
                   size_t preferred, void *reuse)
{
    size_t free_bytes = tn_free_bytes(r->seg), got = preferred;
    void *block = reuse;

    CLAIM(!tn_realloc_cmd(r->seg, command, limit, &got, &block, ELEMENT));
    CLAIM(block == reuse);
    CLAIM(tn_free_bytes(r->seg) == free_bytes);
}

/* What makes no sense is refused, and nothing has changed. */
static void preconditions(tn_fit fit)
{
    struct row r = make_row(fit);
    size_t n = elements(&r, r.x);

    refuse(&r, TN_SHRINK | TN_EXPAND_FWD, n, n, r.x);
    refuse(&r, TN_SHRINK | TN_EXPAND_BWD, n, n, r.x);
    refuse(&r, TN_EXPAND_FWD, n, n + 1, NULL);
    refuse(&r, TN_EXPAND_BWD, n, n + 1, NULL);
    refuse(&r, TN_EXPAND_FWD, n + 2, n + 1, r.x);
    refuse(&r, TN_SHRINK, n / 4, n / 2, r.x);
    refuse(&r, TN_NEW, 2, 1, NULL);
    refuse(&r, 0, n, n, r.x);
    refuse(&r, TN_NEW, SIZE_MAX / 2, SIZE_MAX / 2, NULL);
    still_x(r.x, r.usable);
    end_row(&r);
}

/* Only the end moves: as far as wanted, or as far as there is room. */
static void forward(tn_fit fit)
{
    struct row r = make_row(fit);
    size_t n = elements(&r, r.x), got = n + 1;
    void *reuse = r.x;

    CLAIM(!tn_realloc_cmd(r.seg, TN_EXPAND_FWD, n + 1, &got, &reuse, ELEMENT));
    CLAIM(got <= n && reuse == r.x); /* no room: X ends at another block */

    OK(tn_free(r.seg, r.right));
    got = 10 * n;
    CLAIM(!tn_realloc_cmd(r.seg, TN_EXPAND_FWD, 5 * n, &got, &reuse, ELEMENT));
    CLAIM(got >= 2 * n && got < 5 * n); /* this much could be had */

    CLAIM(tn_realloc_cmd(r.seg, TN_EXPAND_FWD, got, &got, &reuse, ELEMENT) ==
          r.x);
    CLAIM(got >= 2 * n && elements(&r, r.x) == got);
    still_x(r.x, r.usable);
    end_row(&r);
}

/* Only the start moves, by whole elements; the contents stay where they are. */
static void backward(tn_fit fit)
{
    enum { WIDE = 24 };
    struct row r = make_row(fit);
    size_t got = 2 * r.usable / WIDE;
    void *reuse = r.x;
    char *p;

    OK(tn_free(r.seg, r.right));
    CLAIM(!tn_realloc_cmd(r.seg, TN_EXPAND_BWD, got, &got, &reuse, WIDE));
    OK(tn_free(r.seg, r.left));
    got = (2 * r.usable - WIDE) / WIDE;
    p = tn_realloc_cmd(r.seg, TN_EXPAND_BWD, got - 2, &got, &reuse, WIDE);
    CLAIM(p != NULL && p < r.x && p >= r.left);
    CLAIM((r.x - p) % WIDE == 0 && reuse == r.x);
    still_x(r.x, r.usable);
    ANSWERS(tn_free(r.seg, r.x), TN_EINVAL); /* it begins at p now */
    OK(tn_free(r.seg, p));
    end_row(&r);
}

/* Forward first, whatever else is allowed. */
static void forward_goes_first(tn_fit fit)
{
    static const unsigned commands[] = {TN_EXPAND_FWD | TN_NEW,
                                        TN_EXPAND_FWD | TN_EXPAND_BWD,
                                        TN_EXPAND_FWD | TN_EXPAND_BWD | TN_NEW};

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct row r = make_row(fit);
        size_t n = elements(&r, r.x), got = n + n / 2;
        void *reuse = r.x;

        OK(tn_free(r.seg, r.left));
        OK(tn_free(r.seg, r.right));
        CLAIM(tn_realloc_cmd(r.seg, commands[i], n + 1, &got, &reuse,
                             ELEMENT) == r.x);
        CLAIM(got >= n + n / 2 && reuse == r.x);
        end_row(&r);
    }
}

/* Where neither side alone has enough, both together may. */
static void both_ways(tn_fit fit)
{
    struct row r = make_row(fit);
    size_t n = elements(&r, r.x), got = 3 * n;
    void *reuse = r.x;
    char *p;

    OK(tn_free(r.seg, r.left));
    OK(tn_free(r.seg, r.right));
    p = tn_realloc_cmd(r.seg, TN_EXPAND_FWD | TN_EXPAND_BWD, 3 * n, &got,
                       &reuse, ELEMENT);
    CLAIM(p != NULL && p < r.x && got >= 3 * n && reuse == r.x);
    CLAIM((r.x - p) % ELEMENT == 0);
    still_x(r.x, r.usable);
    end_row(&r);
}

/* A new block is the last resort; the old one is then still there. */
static void elsewhere(tn_fit fit)
{
    static const unsigned commands[] = {TN_EXPAND_FWD | TN_NEW,
                                        TN_EXPAND_BWD | TN_NEW,
                                        TN_EXPAND_FWD | TN_EXPAND_BWD | TN_NEW};

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct row r = make_row(fit);
        size_t n = elements(&r, r.x), got = 2 * n;
        void *reuse = r.x;
        char *p =
            tn_realloc_cmd(r.seg, commands[i], n + 1, &got, &reuse, ELEMENT);

        CLAIM(p != NULL && p != r.x && reuse == NULL && got >= 2 * n);
        still_x(r.x, r.usable);
        OK(tn_free(r.seg, r.x));
        OK(tn_free(r.seg, p));
        end_row(&r);
    }
}

/* Trying to shrink never fails; cleared bytes are only the new ones. */
static void leniently(tn_fit fit)
{
    struct row r = make_row(fit);
    size_t n = elements(&r, r.x), got = n, old = r.usable;
    void *reuse = r.x;

    CLAIM(tn_realloc_cmd(r.seg, TN_TRY_SHRINK, n, &got, &reuse, ELEMENT) ==
          r.x);
    CLAIM(got == n);
    got = n / 2;
    CLAIM(tn_realloc_cmd(r.seg, TN_TRY_SHRINK, n, &got, &reuse, ELEMENT) ==
          r.x);
    CLAIM(got >= n / 2 && got < n);

    memset(r.right, '?', r.usable);
    OK(tn_free(r.seg, r.right));
    got = 2 * n;
    old = tn_usable_size(r.seg, r.x);
    CLAIM(tn_realloc_cmd(r.seg, TN_EXPAND_FWD | TN_ZERO, 2 * n, &got, &reuse,
                         ELEMENT) == r.x);
    still_x(r.x, old);
    for (size_t i = old; i < got * ELEMENT; i++)
        CLAIM(r.x[i] == 0);
    end_row(&r);
}

int main(void)
{
    for (tn_fit fit = TN_FIT_BEST; fit <= TN_FIT_SEQ; fit++) {
        up_and_down(fit);
        preconditions(fit);
        forward(fit);
        backward(fit);
        forward_goes_first(fit);
        both_ways(fit);
        elsewhere(fit);
        leniently(fit);
    }
    return 0;
}
