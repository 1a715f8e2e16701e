/* snapshot_in_use.c - snapshots of a store that is written to meanwhile
 *
 * A process commits as fast as it can; in each of its commits all objects have
 * the number of the round, objects come and go, and the store grows.  Another
 * one writes snapshots of it.  Each holds one round and no part of another, is
 * of a later round than the one before, and checks as sound.  The writer goes
 * on while a snapshot is read slowly.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/child.h"
#include "lib/tmpdir.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { OBJECTS = 30, SNAPSHOTS = 8, LONG_ENOUGH = 20 };

static const char path[] = "used.tn";

/* What the two processes tell each other: the last round that was committed. */
static const tn_type board = {.name = "round", .size = 4, .align = 4};

static const char *name_of(int i)
{
    static char name[32];

    snprintf(name, sizeof(name), "object/%d", i);
    return name;
}

/* Objects are of very different sizes; each int in them is the round. */
static void write_round(tn_segment *seg, int round)
{
    void *found;
    size_t count;

    (void)tn_destroy(seg, name_of(round % OBJECTS), TN_TYPE(int));
    OK(tn_construct(seg, name_of(round % OBJECTS), TN_TYPE(int),
                    (size_t)1 << round % 15, NULL, NULL));
    for (int i = 0; i < OBJECTS; i++)
        if (tn_find(seg, name_of(i), TN_TYPE(int), &found, &count) == TN_OK)
            for (size_t n = 0; n < count; n++)
                ((int *)found)[n] = round;
    OK(tn_find_or_construct(seg, TN_UNIQUE, &board, 1, NULL, &found, NULL));
    *(int *)found = round;
}

static int commit_rounds(struct child *parent, void *arg)
{
    tn_store *store;
    tn_segment *seg;

    (void)arg;
    OK(tn_store_open(&store, path, TN_DURABLE, NULL));
    for (int round = 1;; round++) {
        OK(tn_begin(store, &seg));
        write_round(seg, round);
        OK(tn_commit(store));
        if (round == 1)
            child_tell(parent);
    }
}

static int round_of(const tn_segment *seg)
{
    void *found;

    OK(tn_find(seg, TN_UNIQUE, &board, &found, NULL));
    return *(int *)found;
}

/* The last round that the writer has committed by now. */
static int current_round(void)
{
    tn_store *store;
    int round;

    OK(tn_store_open(&store, path, TN_READ_ONLY, NULL));
    round = round_of(tn_store_segment(store));
    OK(tn_store_close(store));
    return round;
}

/* Every int of every object is the round; returns it. */
static int look(const tn_segment *seg)
{
    int round = round_of(seg), objects = 0;
    tn_object object;
    tn_iter *iter;

    OK(tn_iter_open(seg, TN_KIND_NAMED, NULL, &iter));
    for (; tn_iter_next(iter, &object); objects++)
        for (size_t n = 0; n < object.count; n++)
            CLAIM(((int *)object.address)[n] == round);
    tn_iter_close(iter);
    CLAIM(objects == (round < OBJECTS ? round : OBJECTS));
    return round;
}

static int examine(const char *snapshot)
{
    tn_store *store;
    int round;

    OK(tn_snapshot_verify(snapshot, NULL, NULL));
    OK(tn_snapshot_restore(snapshot, "again.tn", NULL, NULL));
    OK(tn_check_file("again.tn", NULL, print_finding, NULL));
    OK(tn_store_open(&store, "again.tn", TN_READ_ONLY, NULL));
    round = look(tn_store_segment(store));
    OK(tn_store_close(store));
    CLAIM(unlink("again.tn") == 0);
    return round;
}

static void take_one_after_the_other(void)
{
    int before = 0, round;

    for (int i = 0; i < SNAPSHOTS; i++) {
        tn_snapshot_options options = {.threads = 1 + (unsigned)i % 3};
        tn_store *store;

        OK(tn_store_open(&store, path, i % 2 != 0 ? TN_DURABLE : TN_READ_ONLY,
                         NULL));
        OK(tn_snapshot_write(store, "s.lz4", &options, NULL));
        OK(tn_store_close(store));
        round = examine("s.lz4");
        CLAIM(round >= before);
        before = round;
        CLAIM(unlink("s.lz4") == 0);
    }
}

/* A reader of the snapshot that does not go on before the writer has. */
static tn_status take_slowly(void *arg, const void *bytes, size_t size)
{
    FILE *f = arg;

    for (int round = current_round(); current_round() < round + LONG_ENOUGH;)
        continue;
    CLAIM(fwrite(bytes, size, 1, f) == 1);
    return TN_OK;
}

static void take_while_the_writer_goes_on(void)
{
    FILE *f = fopen("slow.lz4", "wb");
    tn_store *store;

    CLAIM(f != NULL);
    OK(tn_store_open(&store, path, TN_READ_ONLY, NULL));
    OK(tn_snapshot_write_to(store, take_slowly, f, NULL, NULL));
    OK(tn_store_close(store));
    CLAIM(fclose(f) == 0);
    examine("slow.lz4");
}

int main(void)
{
    tn_options options = {.size = 1 << 20};
    struct child writer;
    tn_store *store;

    tmpdir_enter();
    OK(tn_store_open(&store, path, TN_DURABLE | TN_CREATE, &options));
    OK(tn_store_close(store));
    child_start(&writer, commit_rounds, NULL);
    CLAIM(child_await(&writer));
    take_one_after_the_other();
    take_while_the_writer_goes_on();
    CLAIM(child_kill(&writer) < 0);
    tmpdir_leave();
    return 0;
}
