/* grow_in_use.c - a store grows while two processes use it
 *
 * Nothing moves: plain pointers that either process holds stay good, and what
 * one allocates in the new part the other one finds there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/child.h"
#include "lib/tmpdir.h"

#include <stdint.h>
#include <string.h>

enum { LARGE = 256 * 1024, MANY = 16 * 1024 * 1024 };

/* This one never grows by itself. */
static tn_store *open_store(unsigned flags)
{
    const tn_options options = {
        .size = 64 * 1024, .max_size = 64 << 20, .grow_step = TN_NO_GROWTH};
    tn_store *store;

    OK(tn_store_open(&store, "grow.tn", TN_SHARED | flags, &options));
    return store;
}

static char *construct_large(tn_segment *seg, const char *name, int fill)
{
    char *large;

    OK(tn_construct(seg, name, TN_TYPE(char), LARGE, NULL, (void **)&large));
    memset(large, fill, LARGE);
    return large;
}

static char *find_large(tn_segment *seg, const char *name, int fill)
{
    char *large;
    size_t count;

    OK(tn_find(seg, name, TN_TYPE(char), (void **)&large, &count));
    CLAIM(count == LARGE && large[0] == fill && large[LARGE - 1] == fill);
    return large;
}

/* The other process grows the store for both, then sees it grown in turn. */
static int grow_and_look(struct child *parent, void *arg)
{
    tn_store *store = open_store(0);
    tn_segment *seg = tn_store_segment(store);
    size_t size = tn_segment_size(seg);
    int *early;

    (void)arg;
    OK(tn_find(seg, "early", TN_TYPE(int), (void **)&early, NULL));
    ANSWERS(tn_construct(seg, "b", TN_TYPE(char), LARGE, NULL, NULL),
            TN_ENOMEM);
    OK(tn_segment_grow(seg, LARGE * 2));
    CLAIM(tn_segment_size(seg) == size + LARGE * 2);
    CLAIM((size_t)(construct_large(seg, "b", 'b') -
                   (char *)tn_segment_base(seg)) < size + LARGE * 2);
    *early = 2;

    child_tell(parent);
    CLAIM(child_await(parent));
    CLAIM(tn_segment_size(seg) == size + LARGE * 4);
    find_large(seg, "c", 'c');
    find_large(seg, "d", 'd');
    CLAIM(*early == 3);
    SOUND(seg);
    OK(tn_store_close(store));
    return 0;
}

static void grow_by_call(void)
{
    tn_store *store = open_store(TN_CREATE);
    tn_segment *seg = tn_store_segment(store);
    size_t size = tn_segment_size(seg);
    struct child c;
    int *early;
    char *b;

    OK(tn_construct(seg, "early", TN_TYPE(int), 1, NULL, (void **)&early));
    child_start(&c, grow_and_look, NULL);
    CLAIM(child_await(&c));

    CLAIM(tn_segment_size(seg) == size + LARGE * 2);
    CLAIM(*early == 2);
    b = find_large(seg, "b", 'b');
    CLAIM(b + LARGE > (char *)tn_segment_base(seg) + size);
    construct_large(seg, "c", 'c');
    OK(tn_segment_grow(seg, LARGE * 2));
    construct_large(seg, "d", 'd');
    *early = 3;

    child_tell(&c);
    CLAIM(child_wait(&c) == 0);
    SOUND(seg);
    OK(tn_store_close(store));

    OK(tn_store_open(&store, "grow.tn", TN_READ_ONLY | TN_VERIFY, NULL));
    find_large(tn_store_segment(store), "d", 'd');
    OK(tn_store_close(store));
}

/* Both allocate until the store is as large as it may become. */
static int fill(struct child *parent, void *arg)
{
    tn_store *store;
    tn_segment *seg;
    size_t in_vain = 0;

    OK(tn_store_open(&store, "auto.tn", TN_SHARED, NULL));
    seg = tn_store_segment(store);
    child_tell(parent);
    CLAIM(child_await(parent));
    while (in_vain < 2) { /* the second time it is really full */
        char *p = tn_alloc(seg, 5000);

        in_vain += p == NULL;
        if (p != NULL)
            memset(p, *(char *)arg, 5000);
    }
    OK(tn_store_close(store));
    return 0;
}

static void grow_by_itself(void)
{
    const tn_options options = {.size = 64 * 1024, .max_size = MANY};
    tn_store_info info;
    tn_store *store;
    tn_stats stats;
    struct child c[2];

    OK(tn_store_open(&store, "auto.tn", TN_SHARED | TN_CREATE, &options));
    for (int i = 0; i < 2; i++)
        child_start(&c[i], fill, &"12"[i]);
    for (int i = 0; i < 2; i++)
        CLAIM(child_await(&c[i]));
    for (int i = 0; i < 2; i++)
        child_tell(&c[i]);
    for (int i = 0; i < 2; i++)
        CLAIM(child_wait(&c[i]) == 0);

    OK(tn_segment_stats(tn_store_segment(store), &stats));
    CLAIM(stats.raw * 5000 > MANY / 10 * 9);
    CLAIM(stats.largest_free < 5000);
    OK(tn_store_describe(store, &info));
    CLAIM(info.file_size <= MANY && info.max_size == MANY);
    CLAIM(info.segment_size == stats.size);
    ANSWERS(tn_segment_grow(tn_store_segment(store), MANY), TN_ESIZE);
    SOUND(tn_store_segment(store));
    OK(tn_store_close(store));
}

int main(void)
{
    tmpdir_enter();
    grow_by_call();
    grow_by_itself();
    tmpdir_leave();
    return 0;
}
