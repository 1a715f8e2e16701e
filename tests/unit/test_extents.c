/* test_extents.c - which bytes of a file have blocks
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <sys/statvfs.h>

#include "lib/faults.h"
#include "lib/tmpdir.h"
#include "os/extents.h"

#define OK(call) cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())

static void enter(void)
{
    tmpdir_enter();
}

TestSuite(extents, .init = enter, .fini = tmpdir_leave, .timeout = 60);

Test(extents, of_blocks_never_written_to_are_there_and_blank)
{
    enum { SIZE = 1 << 20, BLOCK = 4096 };
    uint64_t start, end;
    struct statvfs disk;
    struct file f;

    cr_assert(eq(int, statvfs(".", &disk), 0));
    if (disk.f_bsize != BLOCK)
        cr_skip_test("the blocks of this file system are not of 4 KiB");
    OK(file_create_unnamed(&f, "f", 0600));
    cr_expect(extents_cover(&f, 0));
    OK(file_extend(&f, SIZE));
    if (!extents_cover(&f, SIZE))
        cr_skip_test("this file system does not tell its blocks");
    cr_expect(not(extents_cover(&f, SIZE + 1)));
    OK(file_write(&f, "x", 1, 0));
    OK(file_write(&f, "x", 1, SIZE / 4));
    OK(file_write(&f, "x", 1, SIZE - 1));
    OK(file_sync(&f));
    OK(extents_find_blank(&f, &start, &end));
    cr_expect(eq(u64, start, SIZE / 4 + BLOCK));
    cr_expect(eq(u64, end, SIZE - BLOCK));

    OK(file_truncate(&f, 4 * SIZE));
    cr_expect(extents_cover(&f, SIZE));
    cr_expect(not(extents_cover(&f, 4 * SIZE)));
    OK(extents_find_blank(&f, &start, &end));
    cr_expect(eq(u64, start, SIZE));
    cr_expect(eq(u64, end, 4 * SIZE));
    faults_refuse_all(FAULT_STAT, EIO);
    cr_expect(not(extents_cover(&f, SIZE)));
    faults_end();
    file_close(&f);
}

/* It is a help to be fast, so it must not take long. */
Test(extents, are_not_looked_at_for_ever)
{
    enum { PAGES = 2500 }; /* every second one is an extent */
    uint64_t start, end;
    struct statvfs disk;
    struct file f;

    cr_assert(eq(int, statvfs(".", &disk), 0));
    OK(file_create_unnamed(&f, "f", 0600));
    for (uint64_t page = 0; page < PAGES; page += 2)
        OK(file_write(&f, "x", 1, page * 8192));
    OK(file_truncate(&f, 100 << 20));
    OK(file_sync(&f));
    OK(extents_find_blank(&f, &start, &end));
    if (start == end)
        cr_skip_test("this file system does not tell its blocks");
    cr_expect(eq(u64, start, disk.f_bsize));
    cr_expect(eq(u64, end, 16384), "what is behind them all is not seen");
    file_close(&f);
}
