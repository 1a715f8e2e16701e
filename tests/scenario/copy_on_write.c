/* copy_on_write.c - a private view of a store, and one that may only be read
 *
 * What is done to the private view nobody else sees, unless it is saved as a
 * store of its own.  The view for reading answers everything that would change
 * it with TN_EROFS.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/again.h"
#include "lib/tmpdir.h"

#include <sys/stat.h>

static const char original[] = "original.tn", copy[] = "copy.tn";

static tn_store *open_store(const char *path, unsigned flags)
{
    tn_store *store;

    OK(tn_store_open(&store, path, flags, NULL));
    return store;
}

/* The value under a name, or -1. */
static int value_of(const tn_store *store, const char *name)
{
    tn_segment *seg = tn_store_segment((tn_store *)store);
    int *value;
    tn_status status = tn_find(seg, name, TN_TYPE(int), (void **)&value, NULL);

    CLAIM(status == TN_OK || status == TN_ENOENT);
    return status == TN_OK ? *value : -1;
}

/* Destroy one, make another, use much memory: all in private. */
static void change(tn_store *view)
{
    tn_segment *seg = tn_store_segment(view);
    int value = 2;
    void *large;

    OK(tn_destroy(seg, "MyInt", TN_TYPE(int)));
    OK(tn_construct(seg, "MyInt2", TN_TYPE(int), 1, &value, NULL));
    large = tn_alloc(seg, 8 << 20); /* more than the file has */
    CLAIM(large != NULL);
    OK(tn_free(seg, large));
    CLAIM(value_of(view, "MyInt") == -1);
    CLAIM(value_of(view, "MyInt2") == 2);
    SOUND(seg);
}

static void is_changed(tn_store *store)
{
    CLAIM(value_of(store, "MyInt") == -1);
    CLAIM(value_of(store, "MyInt2") == 2);
    SOUND(tn_store_segment(store));
}

static void is_original(tn_store *store)
{
    CLAIM(value_of(store, "MyInt") == 1);
    CLAIM(value_of(store, "MyInt2") == -1);
    SOUND(tn_store_segment(store));
}

/* Alone with the file. */
static void keep_private(void)
{
    tn_store *view = open_store(original, TN_PRIVATE), *saved;

    change(view);
    OK(tn_store_save(view, copy, NULL));
    ANSWERS(tn_store_save(view, copy, NULL), TN_EEXIST);
    OK(tn_store_close(view));

    saved = open_store(copy, TN_SHARED | TN_VERIFY);
    is_changed(saved);
    OK(tn_construct(tn_store_segment(saved), "MyInt", TN_TYPE(int), 1, NULL,
                    NULL));
    OK(tn_store_close(saved));
    saved = open_store(original, TN_READ_ONLY | TN_VERIFY);
    is_original(saved);
    OK(tn_store_close(saved));
}

/* Beside others who go on with it: the view is the state of its opening. */
static void keep_private_beside_others(void)
{
    tn_store *shared = open_store(original, TN_SHARED);
    tn_store *view = open_store(original, TN_PRIVATE);
    int value = 3;

    change(view);
    is_original(shared);
    OK(tn_construct(tn_store_segment(shared), "later", TN_TYPE(int), 1, &value,
                    NULL));
    CLAIM(value_of(view, "later") == -1);
    is_changed(view);
    remove(copy);
    OK(tn_store_save(view, copy, NULL));
    OK(tn_store_close(view));
    OK(tn_destroy(tn_store_segment(shared), "later", NULL));
    OK(tn_store_close(shared));

    view = open_store(copy, TN_READ_ONLY | TN_VERIFY);
    is_changed(view);
    OK(tn_store_close(view));
}

static tn_status never(tn_segment *seg, void *arg)
{
    (void)seg;
    (void)arg;
    CLAIM(false);
    return TN_OK;
}

static tn_status never_filled(tn_segment *seg, void *p, size_t n, void *arg)
{
    (void)p;
    (void)n;
    return never(seg, arg);
}

static void refuses_changes(tn_segment *seg)
{
    const tn_type *type = TN_TYPE(int);
    tn_chain chain = TN_CHAIN_INIT;
    size_t length = 10;
    int value = 5, *my_int;

    OK(tn_find(seg, "MyInt", type, (void **)&my_int, NULL));
    ANSWERS(tn_construct(seg, "n", type, 1, NULL, NULL), TN_EROFS);
    ANSWERS(tn_construct(seg, TN_UNIQUE, type, 1, NULL, NULL), TN_EROFS);
    ANSWERS(tn_construct(seg, TN_ANONYMOUS, type, 1, NULL, NULL), TN_EROFS);
    ANSWERS(tn_construct_from(seg, "n", type, 1, &value, 4, NULL), TN_EROFS);
    ANSWERS(tn_construct_with(seg, "n", type, 1, never_filled, NULL, NULL),
            TN_EROFS);
    ANSWERS(tn_find_or_construct(seg, "n", type, 1, NULL, NULL, NULL),
            TN_EROFS);
    ANSWERS(tn_destroy(seg, "MyInt", type), TN_EROFS);
    ANSWERS(tn_destroy_ptr(seg, my_int, type), TN_EROFS);
    ANSWERS(tn_atomic(seg, never, NULL), TN_EROFS);
    ANSWERS(tn_try_atomic(seg, never, NULL), TN_EROFS);
    ANSWERS(tn_free(seg, my_int), TN_EROFS);
    ANSWERS(tn_alloc_many(seg, 10, 10, &chain), TN_EROFS);
    ANSWERS(tn_alloc_many_v(seg, &length, 1, 1, &chain), TN_EROFS);
    ANSWERS(tn_free_many(seg, &chain), TN_EROFS);
    ANSWERS(tn_zero_free(seg), TN_EROFS);
    ANSWERS(tn_segment_grow(seg, 4096), TN_EROFS);
    ANSWERS(tn_reserve_named(seg, 100), TN_EROFS);
    ANSWERS(tn_reserve_unique(seg, 100), TN_EROFS);
    ANSWERS(tn_shrink_indexes(seg), TN_EROFS);
    CLAIM(tn_alloc(seg, 10) == NULL);
    CLAIM(tn_alloc_aligned(seg, 10, 64) == NULL);
    CLAIM(tn_realloc(seg, NULL, 10) == NULL);
    CLAIM(tn_realloc_cmd(seg, TN_NEW, 1, &length, NULL, 1) == NULL);
}

static int read_only(const char *path)
{
    tn_store *view = open_store(path, TN_READ_ONLY);
    tn_segment *seg = tn_store_segment(view);
    size_t walked = 0;
    tn_object object;
    tn_iter *iter;

    is_original(view);
    CLAIM(tn_named_count(seg) == 1 && tn_unique_count(seg) == 0);
    CLAIM(tn_free_bytes(seg) > 0 && !tn_all_free(seg));
    OK(tn_iter_open(seg, TN_KIND_NAMED, NULL, &iter));
    while (tn_iter_next(iter, &object))
        walked++;
    tn_iter_close(iter);
    CLAIM(walked == 1);
    refuses_changes(seg);
    is_original(view);
    OK(tn_store_close(view));
    return 0;
}

int main(int argc, char **argv)
{
    tn_store *store;
    struct stat before, after;
    int value = 1;

    if (argc == 2)
        return read_only(argv[1]);

    tmpdir_enter();
    store = open_store(original, TN_SHARED | TN_CREATE);
    OK(tn_construct(tn_store_segment(store), "MyInt", TN_TYPE(int), 1, &value,
                    NULL));
    CLAIM(again(original, NULL) == 0); /* the store is at work */
    OK(tn_store_close(store));
    CLAIM(again(original, NULL) == 0); /* nobody else has it open */

    CLAIM(stat(original, &before) == 0);
    keep_private();
    CLAIM(stat(original, &after) == 0);
    CLAIM(before.st_size == after.st_size);
    CLAIM(before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
          before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
    keep_private_beside_others();
    tmpdir_leave();
    return 0;
}
