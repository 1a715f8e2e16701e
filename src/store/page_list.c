/* page_list.c - pages that somebody has named, in the order of naming
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "store/page_list.h"

#include <stdlib.h>

static bool make_room(struct page_list *list)
{
    size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
    struct page_run *runs;

    if (list->count < list->capacity)
        return true;
    runs = realloc(list->runs, capacity * sizeof(*runs));
    if (runs == NULL)
        return false;
    list->runs = runs;
    list->capacity = capacity;
    return true;
}

bool page_list_add(struct page_list *list, uint64_t first, uint64_t count)
{
    struct page_run *last =
        list->count > 0 ? &list->runs[list->count - 1] : NULL;

    if (last != NULL && last->first + last->count == first) {
        last->count += count;
        return true;
    }
    if (!make_room(list))
        return false;
    list->runs[list->count++] = (struct page_run){first, count};
    return true;
}

bool page_list_has(const struct page_list *list, uint64_t page)
{
    for (size_t i = 0; i < list->count; i++)
        if (page - list->runs[i].first < list->runs[i].count)
            return true;
    return false;
}

bool page_list_finds(const struct page_list *list, uint64_t page)
{
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct page_run *run = &list->runs[middle];

        if (page - run->first < run->count)
            return true;
        if (page < run->first)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

void page_list_free(struct page_list *list)
{
    free(list->runs);
    *list = (struct page_list){0};
}
