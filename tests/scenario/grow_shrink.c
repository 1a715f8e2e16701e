/* grow_shrink.c - segments and files made larger, and as small as can be
 *
 * Objects stay where they are.  What was made small is full, until it grows.
 * Files are treated so off line, while nobody has them open.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/tmpdir.h"

#include <sys/stat.h>

struct thing {
    int value;
};

static void make_thing(tn_segment *seg)
{
    struct thing thing = {.value = 42};

    OK(tn_construct(seg, "thing", TN_TYPE(struct thing), 1, &thing, NULL));
}

static void thing_is_there(tn_segment *seg)
{
    struct thing *thing;
    size_t count;

    OK(tn_find(seg, "thing", TN_TYPE(struct thing), (void **)&thing, &count));
    CLAIM(count == 1 && thing->value == 42);
    SOUND(seg);
}

static size_t file_size(const char *path)
{
    struct stat st;

    CLAIM(stat(path, &st) == 0);
    return (size_t)st.st_size;
}

/* In memory sizes are exact, to the byte. */
static void in_memory(tn_index index)
{
    const tn_options options = {.index = index};
    size_t least = tn_segment_min_size(&options);
    size_t size = least < 1000 ? 1000 : least + 1000;
    tn_segment *seg;

    ANSWERS(tn_segment_create_heap(&seg, least - 1, &options), TN_ESIZE);
    OK(tn_segment_create_heap(&seg, size, &options));
    CLAIM(tn_segment_size(seg) == size);
    make_thing(seg);
    OK(tn_segment_grow(seg, 500));
    CLAIM(tn_segment_size(seg) == size + 500);
    thing_is_there(seg);

    OK(tn_segment_shrink(seg));
    CLAIM(tn_segment_size(seg) < size);
    thing_is_there(seg);
    CLAIM(tn_alloc(seg, 400) == NULL);
    ANSWERS(tn_construct(seg, "more", TN_TYPE(struct thing), 100, NULL, NULL),
            TN_ENOMEM);
    thing_is_there(seg);

    OK(tn_segment_grow(seg, 1000));
    CLAIM(tn_alloc(seg, 400) != NULL);
    thing_is_there(seg);
    OK(tn_destroy(seg, "thing", TN_TYPE(struct thing)));
    OK(tn_segment_detach(seg));
}

/* Open the store, look for the thing, allocate n bytes for good or fail to. */
static void open_and_allocate(const char *path, size_t n, bool room)
{
    const tn_options options = {.grow_step = TN_NO_GROWTH};
    tn_store *store;
    tn_segment *seg;

    OK(tn_store_open(&store, path, TN_SHARED | TN_VERIFY, &options));
    seg = tn_store_segment(store);
    thing_is_there(seg);
    CLAIM((tn_alloc(seg, n) != NULL) == room);
    OK(tn_store_close(store));
}

static void off_line(tn_index index)
{
    const char *path = "grow.tn";
    const tn_options options = {
        .size = 256 * 1024, .index = index, .grow_step = TN_NO_GROWTH};
    size_t size;
    tn_store *store;

    remove(path);
    OK(tn_store_open(&store, path, TN_SHARED | TN_CREATE, &options));
    make_thing(tn_store_segment(store));
    OK(tn_store_close(store));
    size = file_size(path);
    CLAIM(size >= options.size);
    open_and_allocate(path, 300 * 1024, false);

    OK(tn_store_grow(path, 400 * 1024));
    CLAIM(file_size(path) >= size + 400 * 1024);
    open_and_allocate(path, 300 * 1024, true);
    OK(tn_store_shrink(path)); /* what was allocated stays */
    CLAIM(file_size(path) >= 300 * 1024);

    remove(path);
    OK(tn_store_open(&store, path, TN_SHARED | TN_CREATE, &options));
    make_thing(tn_store_segment(store));
    OK(tn_store_close(store));
    OK(tn_store_shrink(path));
    CLAIM(file_size(path) < size / 4);
    open_and_allocate(path, 64 * 1024, false);
    OK(tn_store_grow(path, 128 * 1024));
    open_and_allocate(path, 64 * 1024, true);
    OK(tn_check_file(path, NULL, print_finding, NULL));
}

/* Nobody's file is made shorter under him. */
static void refused_while_open(void)
{
    const char *path = "open.tn";
    tn_store *store, *view;

    OK(tn_store_open(&store, path, TN_SHARED | TN_CREATE, NULL));
    make_thing(tn_store_segment(store));
    OK(tn_store_open(&view, path, TN_READ_ONLY, NULL));
    ANSWERS(tn_store_shrink(path), TN_EBUSY);
    thing_is_there(tn_store_segment(store));
    OK(tn_store_close(store));
    ANSWERS(tn_store_shrink(path), TN_EBUSY);
    thing_is_there(tn_store_segment(view));
    OK(tn_store_close(view));

    OK(tn_store_shrink(path));
    ANSWERS(tn_store_shrink("nowhere.tn"), TN_ENOENT);
    ANSWERS(tn_store_grow("nowhere.tn", 4096), TN_ENOENT);
}

int main(void)
{
    tmpdir_enter();
    for (tn_index index = TN_INDEX_ISET; index <= TN_INDEX_HASH; index++) {
        in_memory(index);
        off_line(index);
    }
    refused_while_open();
    tmpdir_leave();
    return 0;
}
