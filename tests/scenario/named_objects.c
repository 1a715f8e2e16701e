/* named_objects.c - objects that another process finds by name and destroys
 *
 * A parent constructs objects in every way there is; a child finds each of them
 * with the right number of elements and destroys them; the parent finds none.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/again.h"
#include "lib/tmpdir.h"

#include <inttypes.h>
#include <string.h>

static const char path[] = "objects.tn";

struct pair {
    double x;
    int n;
};

/* A constructor gets the index of its element: here the squares of a start. */
static tn_status make_square(tn_segment *seg, void *element, size_t index,
                             void *arg)
{
    struct pair *pair = element;
    int n = *(int *)arg + (int)index;

    (void)seg;
    *pair = (struct pair){.x = (double)n * n, .n = n};
    return TN_OK;
}

static const tn_type square = {.name = "struct pair",
                               .size = sizeof(struct pair),
                               .align = _Alignof(struct pair),
                               .init = make_square};

static struct pair *find(tn_segment *seg, const char *name, size_t expected)
{
    struct pair *pair;
    size_t count;

    OK(tn_find(seg, name, TN_TYPE(struct pair), (void **)&pair, &count));
    CLAIM(count == expected);
    return pair;
}

static void construct_all(tn_segment *seg)
{
    struct pair value = {.x = 0.5, .n = 7};
    const struct pair three[] = {{0.0, 0}, {1.0, 1}, {2.0, 2}};
    int start = 10;

    OK(tn_construct(seg, "single", TN_TYPE(struct pair), 1, &value, NULL));
    OK(tn_construct(seg, "array", TN_TYPE(struct pair), 10, &value, NULL));
    OK(tn_construct_from(seg, "from array", TN_TYPE(struct pair), 3, three,
                         sizeof(three[0]), NULL));
    OK(tn_construct(seg, "squares", &square, 4, &start, NULL));
    OK(tn_construct(seg, TN_UNIQUE, TN_TYPE(struct pair), 2, NULL, NULL));
}

/* Every way to ask for what is there, and for what cannot be. */
static void query_all(tn_segment *seg, struct pair *anonymous)
{
    struct pair *single = find(seg, "single", 1);
    struct pair *unique = find(seg, TN_UNIQUE, 2);
    tn_object known;

    CLAIM(strcmp(tn_name_of(seg, single), "single") == 0);
    CLAIM(tn_kind_of(seg, single) == TN_KIND_NAMED);
    CLAIM(tn_count_of(seg, single) == 1);
    CLAIM(strcmp(tn_type_of(seg, single), "struct pair") == 0);

    CLAIM(strcmp(tn_name_of(seg, unique), "struct pair") == 0);
    CLAIM(tn_kind_of(seg, unique) == TN_KIND_UNIQUE);
    CLAIM(tn_count_of(seg, unique) == 2);

    CLAIM(tn_name_of(seg, anonymous) == NULL);
    CLAIM(tn_kind_of(seg, anonymous) == TN_KIND_ANONYMOUS);
    CLAIM(tn_count_of(seg, anonymous) == 3);

    OK(tn_describe(seg, single, &known));
    CLAIM(known.address == single && known.size == sizeof(struct pair));
    CLAIM(known.handle == tn_handle_of(seg, single));
    ANSWERS(tn_describe(seg, single + 1, &known), TN_EINVAL);

    CLAIM(tn_named_count(seg) == 4 && tn_unique_count(seg) == 1);
    ANSWERS(tn_find(seg, "nothing", NULL, NULL, NULL), TN_ENOENT);
    ANSWERS(tn_find(seg, "single", TN_TYPE(int), NULL, NULL), TN_ETYPE);
    ANSWERS(tn_destroy(seg, "single", TN_TYPE(int)), TN_ETYPE);
    ANSWERS(tn_construct(seg, "single", TN_TYPE(int), 1, NULL, NULL),
            TN_EEXIST);
    ANSWERS(tn_construct(seg, TN_UNIQUE, TN_TYPE(struct pair), 1, NULL, NULL),
            TN_EEXIST);
    ANSWERS(tn_free(seg, single), TN_EINVAL);
}

static void find_or_construct(tn_segment *seg)
{
    struct pair *there = find(seg, "single", 1), *found;
    int *fresh;
    bool created;

    OK(tn_find_or_construct(seg, "single", TN_TYPE(struct pair), 5, NULL,
                            (void **)&found, &created));
    CLAIM(!created && found == there && there->n == 7);
    OK(tn_find_or_construct(seg, "fresh", TN_TYPE(int), 1, NULL,
                            (void **)&fresh, &created));
    CLAIM(created && *fresh == 0);
    OK(tn_destroy_ptr(seg, fresh, TN_TYPE(int)));
    ANSWERS(tn_find(seg, "fresh", NULL, NULL, NULL), TN_ENOENT);
}

static int destroy_all(const char *anonymous)
{
    tn_store *store;
    tn_segment *seg;
    struct pair *p;

    OK(tn_store_open(&store, path, TN_SHARED, NULL));
    seg = tn_store_segment(store);
    CLAIM(find(seg, "single", 1)->x == 0.5);
    p = find(seg, "array", 10);
    for (int i = 0; i < 10; i++)
        CLAIM(p[i].x == 0.5 && p[i].n == 7);
    p = find(seg, "from array", 3);
    for (int i = 0; i < 3; i++)
        CLAIM(p[i].x == i && p[i].n == i);
    p = find(seg, "squares", 4);
    for (int i = 0; i < 4; i++)
        CLAIM(p[i].n == 10 + i && p[i].x == p[i].n * p[i].n);

    OK(tn_destroy(seg, "single", TN_TYPE(struct pair)));
    OK(tn_destroy(seg, "array", TN_TYPE(struct pair)));
    OK(tn_destroy(seg, "from array", NULL));
    OK(tn_destroy_ptr(seg, p, TN_TYPE(struct pair)));
    OK(tn_destroy(seg, TN_UNIQUE, TN_TYPE(struct pair)));
    OK(tn_destroy_ptr(seg, tn_at(seg, strtoull(anonymous, NULL, 10)),
                      TN_TYPE(struct pair)));
    ANSWERS(tn_destroy(seg, "single", TN_TYPE(struct pair)), TN_ENOENT);
    OK(tn_store_close(store));
    return 0;
}

int main(int argc, char **argv)
{
    size_t free_before;
    tn_store *store;
    tn_segment *seg;
    struct pair *anonymous;
    char handle[32];

    if (argc == 2)
        return destroy_all(argv[1]);

    tmpdir_enter();
    OK(tn_store_open(&store, path, TN_SHARED | TN_CREATE, NULL));
    seg = tn_store_segment(store);
    free_before = tn_free_bytes(seg);
    construct_all(seg);
    OK(tn_construct(seg, TN_ANONYMOUS, TN_TYPE(struct pair), 3, NULL,
                    (void **)&anonymous));
    query_all(seg, anonymous);
    find_or_construct(seg);
    SOUND(seg);

    snprintf(handle, sizeof(handle), "%" PRIu64, tn_handle_of(seg, anonymous));
    CLAIM(again(handle, NULL) == 0);

    ANSWERS(tn_find(seg, "single", NULL, NULL, NULL), TN_ENOENT);
    ANSWERS(tn_find(seg, "array", NULL, NULL, NULL), TN_ENOENT);
    ANSWERS(tn_find(seg, "from array", NULL, NULL, NULL), TN_ENOENT);
    ANSWERS(tn_find(seg, "squares", NULL, NULL, NULL), TN_ENOENT);
    ANSWERS(tn_find(seg, TN_UNIQUE, TN_TYPE(struct pair), NULL, NULL),
            TN_ENOENT);
    CLAIM(tn_named_count(seg) == 0 && tn_unique_count(seg) == 0);
    OK(tn_shrink_indexes(seg));
    CLAIM(tn_free_bytes(seg) == free_before && tn_all_free(seg));
    SOUND(seg);
    OK(tn_store_close(store));
    tmpdir_leave();
    return 0;
}
