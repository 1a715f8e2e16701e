/* read_while_write.c - one process only reads, while another changes everything
 *
 * The reader cannot take a lock.  It never crashes, and whatever it finds is
 * what goes by that name: steady objects always, with their contents, others
 * now and then, with the number of elements that only they have.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/child.h"
#include "lib/tmpdir.h"

#include <signal.h>
#include <unistd.h>

enum { STEADY = 50, FLEETING = 50, WALKS = 40, FINDS = 20000 };

static const char path[] = "read.tn";

static const char *name_of(const char *kind, int i)
{
    static char name[32];

    snprintf(name, sizeof(name), "%s/%d", kind, i);
    return name;
}

static void make_steady(tn_segment *seg)
{
    for (int i = 0; i < STEADY; i++)
        OK(tn_construct(seg, name_of("steady", i), TN_TYPE(int), (size_t)i + 1,
                        &i, NULL));
}

/* Objects come and go, and the store grows. */
static int change(struct child *parent, void *arg)
{
    const tn_type *type = TN_TYPE(long);
    tn_store *store;
    tn_segment *seg;

    (void)arg;
    alarm(60);
    OK(tn_store_open(&store, path, TN_SHARED, NULL));
    seg = tn_store_segment(store);
    child_tell(parent);
    for (unsigned i = 0;; i++) {
        const char *name = name_of("fleeting", (int)(i * 7 % FLEETING));
        tn_status status = tn_destroy(seg, name, type);

        if (status == TN_ENOENT)
            OK(tn_construct(seg, name, type, 100 + i * 7 % FLEETING, NULL,
                            NULL));
        else
            OK(status);
        if (i % 5000 == 0 && i < 50000)
            OK(tn_segment_grow(seg, 64 * 1024));
    }
}

static void find_steady(tn_segment *seg, int i)
{
    int *found;
    size_t count;

    OK(tn_find(seg, name_of("steady", i), TN_TYPE(int), (void **)&found,
               &count));
    CLAIM(count == (size_t)i + 1);
    for (size_t j = 0; j < count; j++)
        CLAIM(found[j] == i);
}

/* Returns whether it was there. */
static bool find_fleeting(tn_segment *seg, int i)
{
    size_t count;
    void *found;
    tn_status status =
        tn_find(seg, name_of("fleeting", i), TN_TYPE(long), &found, &count);

    if (status == TN_ENOENT)
        return false;
    OK(status);
    CLAIM(count == 100 + (size_t)i);
    CLAIM(tn_handle_of(seg, found) != 0);
    return true;
}

static void find_all(tn_segment *seg)
{
    int there = 0, gone = 0;

    /* Until something of both was met; the alarm ends what never is. */
    for (int i = 0; i < FINDS || there == 0 || gone == 0; i++) {
        find_steady(seg, i % STEADY);
        if (find_fleeting(seg, i % FLEETING))
            there++;
        else
            gone++;
        ANSWERS(tn_find(seg, "never", NULL, NULL, NULL), TN_ENOENT);
    }
}

/* An object may go while it is looked at, so only what cannot is examined. */
static void walk(tn_segment *seg)
{
    bool met[STEADY] = {false};
    tn_object object;
    tn_iter *iter;

    OK(tn_iter_open(seg, TN_KIND_NAMED, NULL, &iter));
    while (tn_iter_next(iter, &object)) {
        CLAIM(object.kind == TN_KIND_NAMED);
        if (object.size != sizeof(int)) {
            CLAIM(object.size == sizeof(long));
            CLAIM(object.count >= 100 && object.count < 100 + FLEETING);
            continue;
        }
        CLAIM(object.count >= 1 && object.count <= STEADY);
        CLAIM(!met[object.count - 1]);
        met[object.count - 1] = true;
        CLAIM(*(int *)object.address == (int)object.count - 1);
    }
    tn_iter_close(iter);
    for (int i = 0; i < STEADY; i++)
        CLAIM(met[i]);
}

static int read_all(struct child *parent, void *arg)
{
    tn_store *store;
    tn_segment *seg;

    (void)parent;
    (void)arg;
    alarm(60);
    OK(tn_store_open(&store, path, TN_READ_ONLY, NULL));
    seg = tn_store_segment(store);
    ANSWERS(tn_construct(seg, "mine", TN_TYPE(int), 1, NULL, NULL), TN_EROFS);
    find_all(seg);
    for (int i = 0; i < WALKS; i++)
        walk(seg);
    OK(tn_store_close(store));
    return 0;
}

static void with_index(tn_index index)
{
    const tn_options options = {.size = 128 * 1024, .index = index};
    struct child writer, readers[2];
    tn_store *store;

    remove(path);
    OK(tn_store_open(&store, path, TN_SHARED | TN_CREATE, &options));
    make_steady(tn_store_segment(store));
    OK(tn_store_close(store));

    child_start(&writer, change, NULL);
    CLAIM(child_await(&writer));
    for (int i = 0; i < 2; i++)
        child_start(&readers[i], read_all, NULL);
    for (int i = 0; i < 2; i++)
        CLAIM(child_wait(&readers[i]) == 0);
    CLAIM(child_kill(&writer) == -SIGKILL);

    /* Nobody has it open now, and nobody closed it. */
    OK(tn_store_open(&store, path, TN_READ_ONLY | TN_VERIFY, NULL));
    for (int i = 0; i < STEADY; i++)
        find_steady(tn_store_segment(store), i);
    OK(tn_store_close(store));
}

int main(void)
{
    tmpdir_enter();
    for (tn_index index = TN_INDEX_ISET; index <= TN_INDEX_HASH; index++)
        with_index(index);
    tmpdir_leave();
    return 0;
}
