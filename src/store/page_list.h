/* page_list.h - pages that somebody has named, in the order of naming
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef STORE_PAGE_LIST_H
#define STORE_PAGE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pages side by side, counted from the start of the mapping. */
struct page_run {
    uint64_t first, count;
};

/* Empty when all of it is 0. */
struct page_list {
    struct page_run *runs;
    size_t count, capacity;
};

/* Add these pages, to the run before if they follow on it.  false: there is no
 * memory, and nothing was added. */
bool page_list_add(struct page_list *list, uint64_t first, uint64_t count);

/* Is this page one of them?  The second is faster, for a list to which pages
 * were added in ascending order only. */
bool page_list_has(const struct page_list *list, uint64_t page);
bool page_list_finds(const struct page_list *list, uint64_t page);

/* Give its memory back; the list is empty then. */
void page_list_free(struct page_list *list);

#endif
