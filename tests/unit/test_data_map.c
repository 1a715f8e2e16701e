/* test_data_map.c - where a file has bytes, against what was written to it
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/tmpdir.h"
#include "store/data_map.h"

#define OK(call) cr_assert(eq(int, call, TN_OK), "%s", tn_errmsg())

enum { PAGE = 4096, PAGES = 4000 };

static struct file f = FILE_CLOSED;
static bool written[PAGES];

static void enter(void)
{
    tmpdir_enter();
    OK(file_create_unnamed(&f, "f", 0600));
    OK(file_truncate(&f, (uint64_t)PAGES * PAGE));
}

static void leave(void)
{
    file_close(&f);
    tmpdir_leave();
}

TestSuite(data_map, .init = enter, .fini = leave, .timeout = 30);

static void write_page(uint64_t page)
{
    static char bytes[PAGE];

    memset(bytes, 'x', sizeof(bytes));
    OK(file_write(&f, bytes, sizeof(bytes), page * PAGE));
    written[page] = true;
}

Test(data_map, of_nothing_is_everything)
{
    struct data_map map;

    data_map_start(&map, NULL);
    cr_expect(eq(u64, data_map_next(&map, 0), 0));
    cr_expect(eq(u64, data_map_next(&map, 5000), 5000));
}

Test(data_map, of_an_empty_file_is_nothing)
{
    struct data_map map;

    data_map_start(&map, &f);
    cr_expect(eq(u64, data_map_next(&map, 0), UINT64_MAX));
    cr_expect(eq(u64, data_map_next(&map, 5000), UINT64_MAX));
}

/* More ranges than are found at a time; asked for page by page, or by jumps. */
Test(data_map, misses_no_page)
{
    uint64_t random = 4, skipped = 0;
    struct data_map map;

    for (uint64_t page = 2; page < PAGES; page += 2 + arena_random(&random, 6))
        write_page(page);
    for (size_t step = 1; step < 200; step = 3 * step + 1) {
        data_map_start(&map, &f);
        for (uint64_t page = 0; page < PAGES;
             page += 1 + arena_random(&random, step)) {
            uint64_t next = data_map_next(&map, page * PAGE);

            cr_assert(ge(u64, next, page * PAGE));
            for (uint64_t i = page; i < PAGES && (i + 1) * PAGE <= next; i++) {
                cr_assert(not(written[i]), "page %zu", (size_t)i);
                skipped++;
            }
        }
    }
    cr_expect(gt(u64, skipped, 0));
}

Test(data_map, goes_on_after_the_last_page)
{
    struct data_map map;

    write_page(PAGES - 1);
    data_map_start(&map, &f);
    cr_expect(eq(u64, data_map_next(&map, 0), (uint64_t)(PAGES - 1) * PAGE));
    cr_expect(eq(u64, data_map_next(&map, (uint64_t)PAGES * PAGE), UINT64_MAX));
}
