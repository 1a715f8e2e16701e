/* heap_memory.c - a segment in memory from malloc(), which may move as it grows
 *
 * Pointers into it are then stale, and handles are not; pointers of its objects
 * to each other hold distances, and so move along.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

struct item {
    TN_PTR(struct item) next;
    size_t number;
};

struct list {
    TN_PTR(struct item) first;
    size_t length;
};

static void fill(tn_segment *seg, struct list *list)
{
    struct item *item;

    while ((item = tn_alloc(seg, sizeof(*item))) != NULL) {
        item->number = list->length++;
        tn_set(&item->next, tn_get(&list->first));
        tn_set(&list->first, item);
    }
}

static void walk(const struct list *list)
{
    size_t left = list->length;

    for (const struct item *i = tn_get(&list->first); i; i = tn_get(&i->next))
        CLAIM(i->number == --left);
    CLAIM(left == 0);
}

static void drain(tn_segment *seg, struct list *list)
{
    struct item *item = tn_get(&list->first), *next;

    for (; item != NULL; item = next) {
        next = tn_get(&item->next);
        OK(tn_free(seg, item));
    }
}

int main(void)
{
    size_t least = tn_segment_min_size(NULL), size, length;
    tn_handle handle;
    tn_segment *seg;
    struct list *list;

    size = least + 1000;
    OK(tn_segment_create_heap(&seg, size, NULL));
    CLAIM(tn_segment_size(seg) == size && tn_all_free(seg));
    OK(tn_construct(seg, "MyList", TN_TYPE(struct list), 1, NULL,
                    (void **)&list));
    tn_set(&list->first, NULL);
    handle = tn_handle_of(seg, list);

    for (int round = 0; round < 20; round++) {
        length = list->length;
        fill(seg, list);
        walk(list);
        CLAIM(list->length > length);
        OK(tn_segment_grow(seg, 1000 << round / 2));
        list = tn_at(seg, handle);
        CLAIM(list != NULL);
    }
    SOUND(seg);
    drain(seg, list);
    OK(tn_destroy_ptr(seg, list, TN_TYPE(struct list)));
    OK(tn_shrink_indexes(seg));
    CLAIM(tn_all_free(seg));
    SOUND(seg);
    OK(tn_segment_detach(seg));
    return 0;
}
