/* durable_readers.c - a view holds still, however long and whatever is written
 *
 * A reader begins, and then the store is changed a hundred times: objects come,
 * go and change, the store grows, by this process and by another.  No commit
 * waits for the reader, whose view stays as it was; each reader that begins
 * later sees the commit of its time.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/child.h"
#include "lib/tmpdir.h"

#include <stdint.h>

enum { COMMITS = 100, OBJECTS = 20, GROWING = 50 * 1024 };

static const char path[] = "readers.tn";

static const char *name_of(int i)
{
    static char name[32];

    snprintf(name, sizeof(name), "object/%d", i);
    return name;
}

/* Number round is in every object there is; one of them is made, one grows, one
 * goes. */
static void change(tn_store *store, int round)
{
    tn_segment *seg;
    void *found;

    OK(tn_begin(store, &seg));
    for (int i = 0; i < OBJECTS; i++)
        if (tn_find(seg, name_of(i), TN_TYPE(int), &found, NULL) == TN_OK)
            *(int *)found = round;
    (void)tn_destroy(seg, name_of((round + 7) % OBJECTS), TN_TYPE(int));
    OK(tn_find_or_construct(seg, name_of(round % OBJECTS), TN_TYPE(int), 1,
                            &round, &found, NULL));
    CLAIM(tn_alloc(seg, GROWING) != NULL);
    OK(tn_commit(store));
}

/* Every object has the number of the round; returns it. */
static int look(const tn_segment *seg)
{
    int round = -1;
    tn_object object;
    tn_iter *iter;

    OK(tn_iter_open(seg, TN_KIND_NAMED, "object/", &iter));
    while (tn_iter_next(iter, &object)) {
        CLAIM(round == -1 || round == *(int *)object.address);
        round = *(int *)object.address;
    }
    tn_iter_close(iter);
    return round;
}

/* All bytes of a view as one number, which no change leaves as it is. */
static uint64_t sum_of(const tn_segment *seg)
{
    const uint64_t *words = tn_segment_base(seg);
    uint64_t sum = 0;

    for (size_t i = 0; i < tn_segment_size(seg) / sizeof(*words); i++)
        sum = sum * 31 + words[i];
    return sum;
}

static int change_often(struct child *parent, void *arg)
{
    tn_store *store;

    (void)parent;
    (void)arg;
    OK(tn_store_open(&store, path, TN_DURABLE, NULL));
    for (int round = COMMITS / 2; round < COMMITS; round++)
        change(store, round);
    OK(tn_store_close(store));
    return 0;
}

static void read_while_others_write(tn_store *store)
{
    const tn_segment *old, *now;
    struct child writer;
    uint64_t sum;
    size_t size;
    int round;

    OK(tn_read_begin(store, &old));
    round = look(old);
    sum = sum_of(old);
    size = tn_segment_size(old);

    for (int i = 1; i < COMMITS / 2; i++) {
        change(store, i);
        OK(tn_read_begin(store, &now));
        CLAIM(look(now) == i);
        CLAIM(look(old) == round);
        OK(tn_read_end(store, now));
    }
    child_start(&writer, change_often, NULL);
    CLAIM(child_wait(&writer) == 0);

    CLAIM(look(old) == round && sum_of(old) == sum);
    CLAIM(tn_segment_size(old) == size);
    SOUND(old);
    OK(tn_read_begin(store, &now));
    CLAIM(look(now) == COMMITS - 1);
    CLAIM(tn_segment_size(now) > size);
    OK(tn_read_end(store, now));
    OK(tn_read_end(store, old));
}

/* What cannot be done in a view, and with one. */
static void refusals(tn_store *store)
{
    const tn_segment *view;

    OK(tn_read_begin(store, &view));
    ANSWERS(tn_construct((tn_segment *)view, "x", TN_TYPE(int), 1, NULL, NULL),
            TN_EROFS);
    CLAIM(tn_alloc((tn_segment *)view, 1) == NULL);
    ANSWERS(tn_store_close(store), TN_EBUSY);
    OK(tn_read_end(store, view));
    ANSWERS(tn_read_end(store, view), TN_EINVAL);
}

int main(void)
{
    tn_store *store, *reader;

    tmpdir_enter();
    OK(tn_store_open(&store, path, TN_DURABLE | TN_CREATE, NULL));
    change(store, 0);

    /* A handle that only reads has one view, of its opening. */
    OK(tn_store_open(&reader, path, TN_READ_ONLY, NULL));
    read_while_others_write(store);
    CLAIM(look(tn_store_segment(reader)) == 0);
    OK(tn_store_close(reader));
    refusals(store);
    OK(tn_store_close(store));

    OK(tn_store_open(&reader, path, TN_READ_ONLY | TN_VERIFY, NULL));
    CLAIM(look(tn_store_segment(reader)) == COMMITS - 1);
    OK(tn_store_close(reader));
    tmpdir_leave();
    return 0;
}
