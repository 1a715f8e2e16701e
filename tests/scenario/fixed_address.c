/* fixed_address.c - a store that every process maps at the same address
 *
 * Its objects may then refer to each other by plain pointers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/again.h"
#include "lib/tmpdir.h"

#include <sys/mman.h>

enum { NODES = 100 };

/* Any address that is free in every program that uses the store. */
#define ADDRESS ((void *)0x200000000000)

static const tn_options options = {
    .size = 64 * 1024, .max_size = 16 << 20, .address = ADDRESS};

struct node {
    struct node *next;
    int key;
};

static void walk(tn_store *store)
{
    const struct node *n;
    int met = 0;

    OK(tn_find(tn_store_segment(store), "first", TN_TYPE(struct node),
               (void **)&n, NULL));
    for (; n != NULL; n = n->next)
        CLAIM(n->key == NODES - ++met);
    CLAIM(met == NODES);
}

static int open_and_walk(const char *path)
{
    static const unsigned ways[] = {TN_SHARED, TN_READ_ONLY, TN_PRIVATE};
    tn_store *store;

    for (int i = 0; i < 3; i++) {
        OK(tn_store_open(&store, path, ways[i], &options));
        walk(store);
        OK(tn_store_close(store));
    }
    return 0;
}

static void make_nodes(tn_segment *seg)
{
    struct node *last = NULL, *node;

    for (int i = 0; i < NODES - 1; i++) {
        node = tn_alloc(seg, 5000); /* so many that the store grows */
        CLAIM(node != NULL);
        *node = (struct node){.next = last, .key = i};
        last = node;
    }
    OK(tn_construct(seg, "first", TN_TYPE(struct node), 1, NULL,
                    (void **)&node));
    *node = (struct node){.next = last, .key = NODES - 1};
}

static void refuse_what_is_taken(const char *path)
{
    tn_options elsewhere = options;
    tn_store *store;
    void *taken =
        mmap(ADDRESS, 4096, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    CLAIM(taken == ADDRESS);
    ANSWERS(tn_store_open(&store, path, TN_SHARED, &options), TN_EBUSY);
    ANSWERS(tn_store_open(&store, path, TN_READ_ONLY, &options), TN_EBUSY);
    munmap(taken, 4096);
    elsewhere.address = (char *)ADDRESS + 100;
    ANSWERS(tn_store_open(&store, path, TN_SHARED, &elsewhere), TN_EINVAL);
    OK(tn_store_open(&store, path, TN_SHARED, &options));
    walk(store);
    OK(tn_store_close(store));
}

int main(int argc, char **argv)
{
    tn_store *store, *second;

    if (argc == 2)
        return open_and_walk(argv[1]);

    tmpdir_enter();
    OK(tn_store_open(&store, "fixed.tn", TN_SHARED | TN_CREATE, &options));
    make_nodes(tn_store_segment(store));
    ANSWERS(tn_store_open(&second, "fixed.tn", TN_SHARED, &options), TN_EBUSY);
    walk(store);
    CLAIM(again("fixed.tn", NULL) == 0);
    OK(tn_store_close(store));
    refuse_what_is_taken("fixed.tn");
    tmpdir_leave();
    return 0;
}
