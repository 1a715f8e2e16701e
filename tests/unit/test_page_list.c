/* test_page_list.c - lists of pages against an array of bools
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "lib/arena.h"
#include "store/page_list.h"

enum { PAGES = 2000 };

static struct page_list list;

static void leave(void)
{
    page_list_free(&list);
    cr_assert(eq(sz, list.count, 0));
}

TestSuite(page_list, .fini = leave);

Test(page_list, has_nothing_at_first)
{
    cr_expect(not(page_list_has(&list, 0)));
    cr_expect(not(page_list_finds(&list, 0)));
}

Test(page_list, joins_what_follows)
{
    cr_assert(page_list_add(&list, 7, 1));
    cr_assert(page_list_add(&list, 8, 3));
    cr_assert(page_list_add(&list, 12, 1));
    cr_expect(eq(sz, list.count, 2));
    cr_expect(eq(u64, list.runs[0].first, 7));
    cr_expect(eq(u64, list.runs[0].count, 4));
}

Test(page_list, has_what_was_added_in_any_order)
{
    static bool model[PAGES];
    uint64_t random = 5;

    for (int i = 0; i < 300; i++) {
        uint64_t first = arena_random(&random, PAGES - 8);
        uint64_t count = 1 + arena_random(&random, 8);

        cr_assert(page_list_add(&list, first, count));
        memset(model + first, true, count);
    }
    for (uint64_t page = 0; page < PAGES; page++)
        cr_assert(eq(int, page_list_has(&list, page), model[page]));
}

Test(page_list, finds_what_was_added_in_order)
{
    static bool model[PAGES];
    uint64_t random = 6;

    for (uint64_t page = 3; page < PAGES - 8;
         page += arena_random(&random, 5)) {
        uint64_t count = 1 + arena_random(&random, 4);

        cr_assert(page_list_add(&list, page, count));
        memset(model + page, true, count);
        page += count;
    }
    for (uint64_t page = 0; page < PAGES; page++) {
        cr_assert(eq(int, page_list_finds(&list, page), model[page]));
        cr_assert(eq(int, page_list_has(&list, page), model[page]));
    }
}
