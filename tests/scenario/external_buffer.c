/* external_buffer.c - a segment in memory of the program's own
 *
 * A copy of the bytes is another segment with the same objects, which live
 * their own lives from then on.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include <string.h>

enum { SIZE = 64 * 1024, ITEMS = 100 };

struct item {
    TN_PTR(struct item) next;
    int value;
};

struct list {
    TN_PTR(struct item) first;
    size_t length;
};

static _Alignas(16) char first_buffer[SIZE], second_buffer[2 * SIZE];

static tn_status push(tn_segment *seg, struct list *list, int value)
{
    struct item *item;
    tn_status status = tn_construct(seg, TN_ANONYMOUS, TN_TYPE(struct item), 1,
                                    NULL, (void **)&item);

    if (status != TN_OK)
        return status;
    item->value = value;
    tn_set(&item->next, tn_get(&list->first));
    tn_set(&list->first, item);
    list->length++;
    return TN_OK;
}

static tn_status make_list(tn_segment *seg, void *element, size_t index,
                           void *arg)
{
    struct list *list = element;
    tn_status status = TN_OK;

    (void)index;
    tn_set(&list->first, NULL);
    list->length = 0;
    for (int i = 0; i < *(int *)arg && status == TN_OK; i++)
        status = push(seg, list, i);
    return status;
}

static void drop_list(tn_segment *seg, void *element)
{
    struct list *list = element;
    struct item *item = tn_get(&list->first), *next;

    for (; item != NULL; item = next) {
        next = tn_get(&item->next);
        OK(tn_destroy_ptr(seg, item, TN_TYPE(struct item)));
    }
}

static const tn_type list_type = {.name = "list of int",
                                  .size = sizeof(struct list),
                                  .align = _Alignof(struct list),
                                  .init = make_list,
                                  .fini = drop_list};

static struct list *find_list(tn_segment *seg, size_t expected)
{
    struct list *list;
    size_t met = 0;

    OK(tn_find(seg, "MyList", &list_type, (void **)&list, NULL));
    for (struct item *i = tn_get(&list->first); i; i = tn_get(&i->next)) {
        CLAIM(tn_handle_of(seg, i) != 0); /* it is in this buffer */
        CLAIM(i->value == (int)(expected - ++met));
    }
    CLAIM(met == expected && list->length == expected);
    return list;
}

static void use_two_buffers(tn_index index)
{
    const tn_options options = {.index = index};
    int items = ITEMS;
    tn_segment *first, *second;
    size_t free_bytes;

    memset(first_buffer, 0xee, SIZE);
    memset(second_buffer, 0xdd, sizeof(second_buffer));
    OK(tn_segment_create(&first, first_buffer, SIZE, &options));
    CLAIM(tn_segment_size(first) == SIZE);
    CLAIM(tn_segment_base(first) == first_buffer);
    free_bytes = tn_free_bytes(first);
    OK(tn_reserve_named(first, 100));
    OK(tn_construct(first, "MyList", &list_type, 1, &items, NULL));

    memcpy(second_buffer, first_buffer, SIZE);
    OK(tn_segment_attach(&second, second_buffer, sizeof(second_buffer)));
    SOUND(second);
    OK(push(second, find_list(second, ITEMS), ITEMS));
    find_list(second, ITEMS + 1);
    find_list(first, ITEMS);

    OK(tn_destroy(first, "MyList", &list_type));
    find_list(second, ITEMS + 1);
    OK(tn_destroy(second, "MyList", &list_type));
    OK(tn_shrink_indexes(first));
    OK(tn_shrink_indexes(second));
    CLAIM(tn_all_free(first) && tn_all_free(second));
    CLAIM(tn_free_bytes(first) == free_bytes);
    CLAIM(tn_free_bytes(second) == free_bytes);
    SOUND(first);
    SOUND(second);
    OK(tn_segment_detach(first));
    OK(tn_segment_detach(second));
}

/* What is no buffer, or no segment. */
static void refusals(void)
{
    size_t least = tn_segment_min_size(NULL);
    tn_segment *seg;

    ANSWERS(tn_segment_create(&seg, NULL, SIZE, NULL), TN_EINVAL);
    ANSWERS(tn_segment_create(&seg, first_buffer + 8, 1024, NULL), TN_EINVAL);
    ANSWERS(tn_segment_create(&seg, first_buffer, least - 1, NULL), TN_ESIZE);
    OK(tn_segment_create(&seg, first_buffer, least, NULL));
    OK(tn_segment_detach(seg));
    ANSWERS(tn_segment_attach(&seg, first_buffer, 10), TN_ESIZE);
    ANSWERS(tn_segment_attach(&seg, first_buffer + 1, least), TN_EINVAL);
    memset(second_buffer, 0, SIZE);
    ANSWERS(tn_segment_attach(&seg, second_buffer, SIZE), TN_ENOTSTORE);
}

int main(void)
{
    for (tn_index index = TN_INDEX_ISET; index <= TN_INDEX_HASH; index++)
        use_two_buffers(index);
    refusals();
    return 0;
}
