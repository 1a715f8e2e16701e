/* test_index_damage.c - whatever the bytes of an index are, nothing is led out
 * of the heap by them, and the checker says so
 *
 * Each round damages some bytes of what the index consists of, does everything
 * that can be done, and puts the whole heap back as it was.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/world.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 512 << 10, NAMES = 700, ROUNDS = 1200 };

struct setting {
    tn_index index;
    tn_kind kind;
    uint64_t seed;
};

/* A world, what it was, and the places where damage may be done. */
struct patient {
    struct world w, before;
    char *copy;
    uint64_t random;
    uint64_t records[NAMES];
    size_t count;
};

static void fill(struct patient *p)
{
    char name[TN_NAME_MAX + 1];

    for (int i = 0; i < NAMES * 3 && p->count < NAMES; i++) {
        size_t length = world_random_name(&p->random, true, name);

        if (index_find(p->w.h, &p->w.ix, name, length) == 0 &&
            world_add(&p->w, name, length, &p->records[p->count]) == TN_OK)
            p->count++;
    }
    p->before = p->w;
    p->copy = malloc(SIZE);
    memcpy(p->copy, p->w.h, SIZE);
}

/* The index's own blocks or, of an iset, what stands before elements; of any
 * kind now and then the root. */
static unsigned char *some_place(struct patient *p, size_t *size)
{
    enum block_state state, wanted = BLOCK_INDEX;
    size_t blocks = world_blocks(&p->w, BLOCK_INDEX), usable;
    uint64_t off = 0, n;
    void *payload;

    if (world_random(&p->random, 12) == 0) {
        *size = sizeof(p->w.ix.words);
        return (unsigned char *)p->w.ix.words;
    }
    if (blocks == 0 || world_random(&p->random, 6) == 0)
        wanted = BLOCK_OBJECT;
    n = world_random(&p->random, world_blocks(&p->w, wanted));
    while ((off = heap_next_block(p->w.h, off, &payload, &state, &usable)) != 0)
        if (state == wanted && n-- == 0)
            break;
    *size = usable;
    return payload;
}

/* One bit, one byte, or a word that could well be an offset. */
static void damage(struct patient *p)
{
    size_t size;
    unsigned char *place = some_place(p, &size);
    uint64_t at, word;

    if (size < 8)
        return;
    at = world_random(&p->random, size / 8) * 8;
    switch (world_random(&p->random, 4)) {
    case 0:
        place[at + world_random(&p->random, 8)] ^=
            (unsigned char)(1 << world_random(&p->random, 8));
        break;
    case 1:
        place[world_random(&p->random, size < 32 ? size : 32)] =
            (unsigned char)world_random(&p->random, 256);
        break;
    case 2: /* another place in the heap, or beyond */
        word = world_random(&p->random, SIZE + 4096) & ~UINT64_C(15);
        memcpy(place + at, &word, 8);
        break;
    case 3: /* the start of another block of the index, if any */
        place = some_place(p, &size);
        word = heap_off(p->w.h, place);
        if (word < SIZE)
            memcpy(some_place(p, &size), &word, 8);
        break;
    }
}

static void look_at_everything(struct patient *p)
{
    char name[TN_NAME_MAX + 1];
    struct index_cursor cursor;
    struct report report = {0};
    uint64_t record = 0;
    size_t length, met = 0;

    for (int i = 0; i < 20; i++) {
        length = world_random_name(&p->random, false, name);
        (void)index_find(p->w.h, &p->w.ix, name, length);
    }
    length = world_random_name(&p->random, false, name);
    if (world_random(&p->random, 2))
        length = 0;
    if (index_seek(p->w.h, &p->w.ix, &cursor, name, length, false, &record) ==
        TN_OK) {
        while (record != 0) {
            (void)record_name(p->w.h, p->w.ix.kind, record, &length);
            record = index_next(p->w.h, &p->w.ix, &cursor);
            cr_assert(le(sz, ++met, SIZE / 16), "a walk goes on for ever");
        }
        index_cursor_fini(&cursor);
    }
    (void)index_check(p->w.h, &p->w.ix, p->w.kind, &report);
}

static void restore(struct patient *p)
{
    memcpy(p->w.h, p->copy, SIZE);
    p->w = p->before;
}

static struct patient *admit(const struct setting *setting)
{
    struct patient *p = calloc(1, sizeof(*p));

    cr_log_info("index %d, seed %lu", setting->index, setting->seed);
    p->random = setting->seed * 0x9e3779b97f4a7c15;
    world_init(&p->w, SIZE, setting->index, setting->kind);
    fill(p);
    cr_assert(eq(sz, world_check(&p->w), 0));
    return p;
}

static void discharge(struct patient *p)
{
    restore(p);
    cr_expect(eq(sz, world_check(&p->w), 0));
    world_fini(&p->w);
    free(p->copy);
    free(p);
}

static struct setting settings[] = {
    {TN_INDEX_ISET, TN_KIND_NAMED, 1},     {TN_INDEX_ISET, TN_KIND_UNIQUE, 2},
    {TN_INDEX_FLAT_MAP, TN_KIND_NAMED, 3}, {TN_INDEX_MAP, TN_KIND_NAMED, 4},
    {TN_INDEX_MAP, TN_KIND_UNIQUE, 5},     {TN_INDEX_HASH, TN_KIND_NAMED, 6},
    {TN_INDEX_HASH, TN_KIND_UNIQUE, 7},
};

ParameterizedTestParameters(index_damage, leads_no_search_astray)
{
    return cr_make_param_array(struct setting, settings,
                               sizeof(settings) / sizeof(settings[0]));
}

ParameterizedTest(struct setting *setting, index_damage, leads_no_search_astray,
                  .timeout = 60)
{
    struct patient *p = admit(setting);

    for (int i = 0; i < ROUNDS; i++) {
        for (uint64_t n = 1 + world_random(&p->random, 4); n > 0; n--)
            damage(p);
        look_at_everything(p);
        restore(p);
    }
    discharge(p);
}

ParameterizedTestParameters(index_damage, leads_no_change_astray)
{
    /* An iset's nodes lie in objects: it trusts them to be told apart. */
    return cr_make_param_array(struct setting, settings + 2,
                               sizeof(settings) / sizeof(settings[0]) - 2);
}

ParameterizedTest(struct setting *setting, index_damage, leads_no_change_astray,
                  .timeout = 60)
{
    struct patient *p = admit(setting);
    char name[TN_NAME_MAX + 1];
    uint64_t record;

    for (int i = 0; i < ROUNDS; i++) {
        for (uint64_t n = 1 + world_random(&p->random, 2); n > 0; n--)
            damage(p);
        for (int j = 0; j < 20; j++) {
            size_t length = world_random_name(&p->random, true, name);

            (void)world_add(&p->w, name, length, &record);
            record = p->records[world_random(&p->random, p->count)];
            (void)index_remove(p->w.h, &p->w.ix, record);
        }
        if (i % 3 == 0)
            index_shrink(p->w.h, &p->w.ix);
        if (i % 3 == 1)
            (void)index_reserve(p->w.h, &p->w.ix, 2000);
        look_at_everything(p);
        if (i % 4 == 0)
            index_clear(p->w.h, &p->w.ix);
        restore(p);
    }
    discharge(p);
}
