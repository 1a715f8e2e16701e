/* test_rbtree.c - the tree against an array of flags
 *
 * Node i lies in cell i and has key keys[i]; the model only knows which cells
 * are in the tree.  After every step the tree's own checker must find nothing,
 * and a walk in order must meet exactly the cells of the model, in order.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "link/rbtree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <string.h>

enum { CELLS = 300 };

struct cell {
    uint64_t key;
    struct rb_node node;
};

/* Cell 0 is not used: offset 0 is "none". */
struct forest {
    struct cell cells[CELLS];
    bool in[CELLS];
    uint64_t root;
    size_t count;
};

/* What a check has met so far. */
struct meeting {
    struct forest *f;
    size_t met;
    uint64_t last_key;
    bool ordered;
};

static uint64_t off_of(int i)
{
    return (uint64_t)i * sizeof(struct cell) + offsetof(struct cell, node);
}

static int cell_of(uint64_t off)
{
    return (int)(off / sizeof(struct cell));
}

static bool valid(void *arg, uint64_t off)
{
    (void)arg;
    return off >= off_of(1) && off <= off_of(CELLS - 1) &&
           off % sizeof(struct cell) == offsetof(struct cell, node);
}

static void meet(void *arg, uint64_t off)
{
    struct meeting *m = arg;
    int i = cell_of(off);

    if (!m->f->in[i] || m->f->cells[i].key < m->last_key)
        m->ordered = false;
    m->last_key = m->f->cells[i].key;
    m->met++;
}

/* NULL, or what is wrong. */
static const char *check(struct forest *f)
{
    struct meeting m = {.f = f, .ordered = true};
    uint64_t where;
    const char *wrong = rb_check(f, f->root, CELLS, valid, meet, &m, &where);

    if (wrong != NULL)
        return wrong;
    if (!m.ordered)
        return "a node is out of order or not in the model";
    return m.met == f->count ? NULL : "nodes of the model are missing";
}

static void insert(struct forest *f, int i, uint64_t key)
{
    uint64_t parent = 0, *link = &f->root;

    f->cells[i].key = key;
    while (*link != 0) {
        parent = *link;
        link = key < f->cells[cell_of(parent)].key ? &rb_at(f, parent)->left
                                                   : &rb_at(f, parent)->right;
    }
    rb_insert(f, &f->root, parent, link, off_of(i));
    f->in[i] = true;
    f->count++;
}

static void erase(struct forest *f, int i)
{
    rb_erase(f, &f->root, off_of(i));
    memset(&f->cells[i].node, 0xee, sizeof(struct rb_node));
    f->in[i] = false;
    f->count--;
}

static void replace(struct forest *f, int i, int fresh)
{
    f->cells[fresh].key = f->cells[i].key;
    rb_replace(f, &f->root, off_of(i), off_of(fresh));
    memset(&f->cells[i].node, 0xee, sizeof(struct rb_node));
    f->in[i] = false;
    f->in[fresh] = true;
}

static uint64_t random_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *state >> 33;
}

TestSuite(rbtree, .timeout = 30);

ParameterizedTestParameters(rbtree, agrees_with_the_model)
{
    static uint64_t seeds[] = {1, 2, 3, 4};

    return cr_make_param_array(uint64_t, seeds, 4);
}

/* Keys come from few or from many values, so that equals are met too. */
ParameterizedTest(uint64_t *seed, rbtree, agrees_with_the_model)
{
    static struct forest f;
    uint64_t random = *seed, keys = *seed % 2 ? 40 : 1000000;

    for (int step = 0; step < 20000; step++) {
        int i = 1 + (int)(random_next(&random) % (CELLS - 1));
        int other = 1 + (int)(random_next(&random) % (CELLS - 1));
        const char *wrong;

        if (!f.in[i])
            insert(&f, i, random_next(&random) % keys);
        else if (!f.in[other] && step % 3 == 0)
            replace(&f, i, other);
        else
            erase(&f, i);
        wrong = check(&f);
        cr_assert(zero(ptr, (void *)wrong), "seed %lu, step %d: %s", *seed,
                  step, wrong);
    }
}

/* Up to 16 nodes, entering and leaving in every order that a stride gives:
 * small trees meet all cases at their edges. */
Test(rbtree, survives_every_small_tree)
{
    static struct forest f;

    for (int n = 1; n <= 16; n++)
        for (int stride = 1; stride < 17; stride++)
            for (int out = 1; out < 17; out++) {
                memset(&f, 0, sizeof(f));
                for (int k = 0; k < n; k++) {
                    int i = 1 + k * stride % 17;

                    insert(&f, i, (uint64_t)i);
                    cr_assert(zero(ptr, (void *)check(&f)));
                }
                for (int k = 0; k < 17; k++) {
                    int i = 1 + k * out % 17;

                    if (f.in[i])
                        erase(&f, i);
                    cr_assert(zero(ptr, (void *)check(&f)));
                }
                cr_assert(eq(u64, f.root, 0));
            }
}

Test(rbtree, walks_both_ways_and_knows_its_ends)
{
    static struct forest f;
    uint64_t off;

    cr_expect(eq(u64, rb_first(&f, f.root), 0));
    cr_expect(eq(u64, rb_last(&f, f.root), 0));
    for (int k = 0; k < 100; k++)
        insert(&f, 1 + k * 37 % 101, (uint64_t)(1 + k * 37 % 101));

    off = rb_first(&f, f.root);
    for (int i = 1; i <= 101; i++)
        if (f.in[i]) {
            cr_assert(eq(u64, off, off_of(i)));
            off = rb_next(&f, off);
        }
    cr_expect(eq(u64, off, 0));
    off = rb_last(&f, f.root);
    for (int i = 101; i >= 1; i--)
        if (f.in[i]) {
            cr_assert(eq(u64, off, off_of(i)));
            off = rb_prev(&f, off);
        }
    cr_expect(eq(u64, off, 0));
}

/* A flip turns a colour, and so a black height, or leads a link astray, from
 * where no parent word leads back. */
Test(rbtree, finds_every_flipped_bit)
{
    static struct forest f;
    unsigned char *bytes;

    for (int i = 1; i <= 60; i++)
        insert(&f, i, (uint64_t)(i * 7 % 61));
    for (int i = 1; i <= 60; i++)
        for (size_t bit = 0; bit < sizeof(struct rb_node) * 8; bit++) {
            bytes = (unsigned char *)&f.cells[i].node;
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            cr_assert(not(zero(ptr, (void *)check(&f))), "cell %d, bit %zu", i,
                      bit);
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
    cr_expect(zero(ptr, (void *)check(&f)), "and nothing once it is undone");
}

Test(rbtree, check_of_garbage_ends)
{
    static struct forest f;
    uint64_t random = 99;

    for (int round = 0; round < 2000; round++) {
        for (int i = 1; i < CELLS; i++)
            f.cells[i].node =
                (struct rb_node){off_of(1 + (int)(random_next(&random) % 20)) |
                                     (random_next(&random) & 1),
                                 off_of(1 + (int)(random_next(&random) % 20)),
                                 off_of(1 + (int)(random_next(&random) % 20))};
        f.root = off_of(1);
        f.cells[1].node.parent = 1;
        cr_assert(not(zero(ptr, (void *)check(&f))));
    }
}

Test(rbtree, check_stops_at_the_limit)
{
    static struct forest f;
    struct meeting m = {.f = &f, .ordered = true};
    uint64_t where = 0;

    for (int i = 1; i <= 10; i++)
        insert(&f, i, (uint64_t)i);
    cr_expect(not(
        zero(ptr, (void *)rb_check(&f, f.root, 9, valid, meet, &m, &where))));
    cr_expect(valid(NULL, where));
    cr_expect(
        zero(ptr, (void *)rb_check(&f, f.root, 10, valid, meet, &m, &where)));
}
