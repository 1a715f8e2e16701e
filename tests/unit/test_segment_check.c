/* test_segment_check.c - the checker finds what is wrong, and damage does no
 * harm
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/child.h"
#include "lib/model.h"
#include "segment/segment.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 64 * 1024 };

static _Alignas(4096) char buffer[SIZE], copy[SIZE];
static struct segment *const base = (struct segment *)buffer;
static tn_segment *seg;
static struct model m;

static void make(tn_index index, tn_fit fit, uint64_t seed)
{
    tn_options options = {.index = index, .fit = fit};

    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, &options), TN_OK));
    model_init(&m, seg, seed, 300);
    for (int i = 0; i < 100; i++)
        cr_assert(model_step(&m));
    cr_assert(model_holds(&m));
}

static void make_map(void)
{
    make(TN_INDEX_MAP, TN_FIT_BEST, 11);
}

/* --- Each rule ------------------------------------------------------------ */

static char rules[256];

static void note(void *arg, const tn_finding *finding)
{
    (void)arg;
    cr_assert(ne(ptr, (char *)finding->what, NULL));
    if (strlen(rules) < sizeof(rules) - 8)
        strcat(strcat(rules, finding->rule), " ");
}

static void expect_finding(const char *rule)
{
    rules[0] = 0;
    cr_assert(eq(int, tn_segment_check(seg, note, NULL), TN_ECORRUPT));
    cr_expect(ne(ptr, strstr(rules, rule), NULL), "%s, not %s", rules, rule);
    cr_expect(eq(int, tn_segment_check(seg, NULL, NULL), TN_ECORRUPT));
}

TestSuite(segment_check, .timeout = 30);

Test(segment_check, knows_its_magic_and_version, .init = make_map)
{
    base->magic++;
    expect_finding("S1");
    base->magic--;
    base->version = 9;
    expect_finding("S1");
}

Test(segment_check, wants_two_indexes_of_one_kind, .init = make_map)
{
    base->unique.kind = TN_INDEX_HASH;
    expect_finding("S2");
}

Test(segment_check, finds_changes_that_were_cut_short, .init = make_map)
{
    uint64_t *const counts[] = {&base->names_sequence, &base->types_sequence,
                                &base->heap.sequence, &base->building,
                                &base->building_alone};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        *counts[i] += 1;
        expect_finding("S3");
        *counts[i] -= 1;
        cr_assert(model_sound(seg));
    }
}

static uint64_t *construct(const char *name)
{
    uint64_t *p;

    cr_assert(eq(int, tn_construct(seg, name, TN_BYTES, 100, NULL, (void **)&p),
                 TN_OK));
    return p;
}

Test(segment_check, finds_objects_whose_description_is_damaged,
     .init = make_map)
{
    construct("mine")[-2] ^= 2;
    expect_finding("S4");
}

Test(segment_check, finds_objects_that_are_in_no_index, .init = make_map)
{
    uint64_t *p = construct("mine");

    index_remove(&base->heap, &base->named, tn_handle_of(seg, p) - 16);
    expect_finding("S5");
}

Test(segment_check, finds_objects_that_were_never_completed, .init = make_map)
{
    void *p = tn_alloc(seg, 100);

    heap_set_state(&base->heap, p, BLOCK_BUILDING);
    expect_finding("S6");
    seg->locking = true; /* somebody may be at it */
    cr_assert(eq(int, segment_reset_locks(base), TN_OK));
    cr_expect(model_sound(seg));
}

Test(segment_check, finds_blocks_that_no_index_knows, .init = make_map)
{
    void *p = tn_alloc(seg, 100);

    heap_set_state(&base->heap, p, BLOCK_INDEX);
    expect_finding("S7");
}

Test(segment_check, passes_on_what_the_heap_finds, .init = make_map)
{
    ((uint64_t *)tn_alloc(seg, 100))[-1] ^= 1 << 20;
    expect_finding("H1");
}

/* --- While others are at work --------------------------------------------- */

Test(segment_check, looks_at_a_live_view_only_while_it_stands_still,
     .init = make_map)
{
    seg->read_only = seg->live = true;
    cr_expect(model_sound(seg));
    base->building = 1; /* by somebody else */
    cr_expect(model_sound(seg));
    base->named.count++;
    expect_finding("I3");
    base->heap.sequence |= 1;
    cr_expect(eq(int, tn_segment_check(seg, note, NULL), TN_EBUSY));
}

/* --- Damage --------------------------------------------------------------- */

/* What any program might do with a segment that it believes in. */
static void use(tn_segment *s)
{
    tn_object object;
    tn_iter *iter;
    tn_stats stats;
    void *p;

    for (unsigned slot = 0; slot < MODEL_SLOTS; slot++) {
        tn_find(s, model_name(slot), model_type(slot), &p, NULL);
        tn_find(s, TN_UNIQUE, model_unique_type(slot), &p, NULL);
        tn_describe(s, tn_at(s, m.slots[slot].place), &object);
        tn_usable_size(s, tn_at(s, m.slots[slot].place));
    }
    for (int kind = TN_KIND_NAMED; kind <= TN_KIND_ANONYMOUS; kind++) {
        if (tn_iter_open(s, (tn_kind)kind, NULL, &iter) != TN_OK)
            continue;
        while (tn_iter_next(iter, &object))
            ;
        tn_iter_close(iter);
    }
    tn_segment_stats(s, &stats);
}

/* Change it as well. */
static void abuse(tn_segment *s)
{
    void *p = tn_alloc(s, 100), *q = tn_alloc(s, 2000);

    for (unsigned slot = 0; slot < MODEL_SLOTS; slot++) {
        p = tn_at(s, m.slots[slot].place);
        if (slot % 3 == 0)
            tn_destroy(s, model_name(slot), NULL);
        else if (slot % 3 == 1)
            tn_construct(s, model_name(slot), model_type(slot), 3, NULL, NULL);
        else if (m.slots[slot].what == MODEL_RAW)
            tn_free(s, p);
        else
            tn_destroy_ptr(s, p, NULL);
    }
    tn_free(s, q);
    tn_shrink_indexes(s);
    tn_zero_free(s);
}

struct damage {
    uint64_t seed;
    int bytes; /* that are overwritten */
    bool torn; /* so that it is rebuilt */
};

enum { SPECIAL = 6 };

/* Half of it in the headers and near them, half anywhere; half of the values
 * are such as might be mistaken for something. */
static void inflict(const struct damage *d, uint64_t seed)
{
    static const uint64_t special[SPECIAL] = {
        0, 1, UINT64_MAX, SIZE, SIZE - 8, (uint64_t)1 << 47};
    struct model random = {.random = seed * 2 + 1};

    memcpy(copy, buffer, SIZE);
    if (d->torn)
        ((struct segment *)copy)->names_sequence |= 1;
    for (int i = 0; i < d->bytes; i++) {
        size_t limit = model_random(&random, 2) == 0 ? 4096 : SIZE;
        size_t at = model_random(&random, limit / 8) * 8;
        uint64_t word;

        if (model_random(&random, 2) == 0) {
            word = special[model_random(&random, SPECIAL)];
            memcpy(copy + at, &word, 8);
        } else if (model_random(&random, 2) == 0) {
            word = model_random(&random, SIZE / 16) * 16;
            memcpy(copy + at, &word, 8);
        } else {
            copy[at + model_random(&random, 8)] ^=
                (char)(1 << model_random(&random, 8));
        }
    }
}

enum { TRIES = 150 };

static unsigned attached, sound;

/* In a process of its own: the test is that this ends, in good time. */
static int suffer(struct child *parent, void *arg)
{
    const struct damage *d = arg;

    for (uint64_t i = 0; i < TRIES; i++) {
        tn_segment *s;

        alarm(5);
        inflict(d, d->seed * TRIES + i);
        if (tn_segment_attach(&s, copy, SIZE) == TN_OK) {
            attached++;
            use(s);
            if (tn_segment_check(s, NULL, NULL) == TN_OK) {
                sound++;
                abuse(s);
                if (tn_segment_check(s, NULL, NULL) != TN_OK)
                    return 1; /* what was sound was not */
            }
            tn_segment_detach(s);
        }
    }
    (void)parent;
    return attached == 0 ? 2 : 0;
}

ParameterizedTestParameters(segment_check, survives_damage)
{
    static struct damage damages[] = {{1, 1, false},  {2, 1, true},
                                      {3, 3, false},  {4, 3, true},
                                      {5, 20, false}, {6, 20, true}};

    return cr_make_param_array(struct damage, damages,
                               sizeof(damages) / sizeof(damages[0]));
}

ParameterizedTest(struct damage *d, segment_check, survives_damage,
                  .timeout = 60)
{
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++) {
        struct child child;

        make((tn_index)kind, kind % 2 ? TN_FIT_BEST : TN_FIT_SEQ, d->seed);
        child_start(&child, suffer, d);
        cr_expect(eq(int, child_wait(&child), 0),
                  "index %d, seed %d: 1: what was sound was not; 2: damage "
                  "was never attached; negative: a signal",
                  kind, (int)d->seed);
        if (kind != TN_INDEX_HASH) /* the last one is the suite's to end */
            tn_segment_detach(seg);
    }
}
