/* test_pagemap.c - what the kernel says of pages, against what was done to them
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/faults.h"
#include "lib/tmpdir.h"
#include "os/pagemap.h"
#include "os/uffd.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

enum { PAGES = 64, RESERVED = 4096 };

typedef tn_status question(int fd, uint64_t start, uint64_t end,
                           struct pagemap_range *ranges, size_t count,
                           size_t *found, uint64_t *next);

static struct file file = FILE_CLOSED;
static struct region w;
static int map, watch;
static size_t page;

/* A file of PAGES pages, each full of its number, behind many addresses. */
static void make_mapping(void)
{
    char bytes[65536];

    tmpdir_enter();
    page = region_page_size();
    cr_assert(le(sz, page, sizeof(bytes)));
    OK(file_create_unnamed(&file, "a", 0600));
    for (size_t i = 0; i < PAGES; i++) {
        memset(bytes, (int)i, page);
        OK(file_write(&file, bytes, page, i * page));
    }
    OK(region_map(&w, &file, REGION_PRIVATE, RESERVED * page, NULL));
    map = watch = -1;
}

static void drop_mapping(void)
{
    uffd_close(watch);
    pagemap_close(map);
    region_unmap(&w);
    file_close(&file);
    tmpdir_leave();
}

TestSuite(pagemap, .init = make_mapping, .fini = drop_mapping, .timeout = 30);

/* --- Questions ------------------------------------------------------------ */

/* Ask for the first pages of w, some ranges at a time.  Each page's answer into
 * set, 0 or 1; how many are 1. */
static size_t ask(question *ask_kernel, size_t pages, size_t at_once, char *set)
{
    uint64_t base = (uintptr_t)w.base, start = base, end = base + pages * page;
    struct pagemap_range ranges[RESERVED];
    size_t found, all = 0;

    memset(set, 0, pages);
    while (start < end) {
        uint64_t next = 0, last = start;

        OK(ask_kernel(map, start, end, ranges, at_once, &found, &next));
        cr_assert(le(sz, found, at_once));
        cr_assert(gt(u64, next, start));
        for (size_t i = 0; i < found; i++) {
            cr_assert(ge(u64, ranges[i].start, last), "they ascend");
            cr_assert(gt(u64, ranges[i].end, ranges[i].start));
            cr_assert(le(u64, ranges[i].end, next));
            last = ranges[i].end;
            memset(set + (ranges[i].start - base) / page, 1,
                   (ranges[i].end - ranges[i].start) / page);
            all += (ranges[i].end - ranges[i].start) / page;
        }
        start = next;
    }
    return all;
}

/* May this question be asked here?  If not, say why not. */
static bool can(question *ask_kernel)
{
    struct pagemap_range range;
    uint64_t base = (uintptr_t)w.base, next;
    size_t found;
    tn_status status = map < 0 ? pagemap_open(&map) : TN_OK;

    if (status == TN_OK && ask_kernel == pagemap_take && watch < 0)
        status = uffd_open(&watch, &w);
    if (status == TN_OK)
        status = ask_kernel(map, base, base + page, &range, 1, &found, &next);
    if (status != TN_OK)
        cr_skip_test("not here: %s", tn_errmsg());
    return status == TN_OK;
}

/* Is just this page found among all?  -1: none. */
static bool only(question *ask_kernel, int which)
{
    char set[PAGES];
    size_t n = ask(ask_kernel, PAGES, PAGES, set);

    return which < 0 ? n == 0 : n == 1 && set[which] == 1;
}

static char touch(int which)
{
    return *(volatile char *)(w.base + (size_t)which * page);
}

static void store(int which)
{
    volatile char *byte = w.base + (size_t)which * page;

    *byte = *byte; /* the same value */
}

/* --- Copies --------------------------------------------------------------- */

static void copies_are_what_was_stored_to(question *ask_kernel)
{
    char set[PAGES];

    if (!can(ask_kernel))
        return;
    cr_expect(only(ask_kernel, -1), "nothing was touched");
    for (int i = 0; i < PAGES; i++)
        touch(i);
    cr_expect(only(ask_kernel, -1), "everything was read");
    store(5);
    cr_expect(only(ask_kernel, 5));
    cr_expect(only(ask_kernel, 5), "asking changes nothing");
    w.base[PAGES * page - 1] = 1;
    cr_expect(eq(sz, ask(ask_kernel, PAGES, PAGES, set), 2));
    cr_expect(eq(sz, ask(ask_kernel, PAGES - 1, PAGES, set), 1));
    OK(region_discard(&w, 5 * page, page));
    cr_expect(only(ask_kernel, PAGES - 1), "5 was given back");
}

Test(pagemap, a_scan_finds_the_pages_that_were_stored_to)
{
    copies_are_what_was_stored_to(pagemap_scan);
}

Test(pagemap, reading_the_map_finds_the_pages_that_were_stored_to)
{
    copies_are_what_was_stored_to(pagemap_read);
}

/* Every second page, so that there are as many ranges as can be. */
Test(pagemap, both_give_the_same_answer_whatever_fits_at_once)
{
    static const size_t sizes[] = {1, 2, 31, 32, 33, RESERVED};
    char scanned[PAGES], read_[PAGES];

    if (!can(pagemap_scan) || !can(pagemap_read))
        return;
    for (int i = 0; i < PAGES; i += 2)
        store(i);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        cr_expect(eq(sz, ask(pagemap_scan, PAGES, sizes[i], scanned), 32));
        cr_expect(eq(sz, ask(pagemap_read, PAGES, sizes[i], read_), 32));
        cr_expect(eq(int, memcmp(scanned, read_, PAGES), 0));
    }
}

/* Far more pages than one call looks at, most without page tables. */
Test(pagemap, addresses_that_nobody_touched_hold_no_copies)
{
    char set[RESERVED];

    if (!can(pagemap_scan) || !can(pagemap_read))
        return;
    OK(file_extend(&file, RESERVED * page));
    cr_expect(eq(sz, ask(pagemap_scan, RESERVED, 1, set), 0));
    cr_expect(eq(sz, ask(pagemap_read, RESERVED, 1, set), 0));
    store(RESERVED - 1);
    cr_expect(eq(sz, ask(pagemap_scan, RESERVED, 1, set), 1));
    cr_expect(eq(chr, set[RESERVED - 1], 1));
    cr_expect(eq(sz, ask(pagemap_read, RESERVED, 1, set), 1));
    cr_expect(eq(chr, set[RESERVED - 1], 1));
}

/* Too much may be found, as the page of zeros that all processes share. */
Test(pagemap, memory_of_no_file_counts_as_copies)
{
    char set[PAGES];

    if (!can(pagemap_scan) || !can(pagemap_read))
        return;
    OK(region_map_zero(&w, 0, 4 * page));
    for (int i = 0; i < 4; i++)
        touch(i);
    store(2);
    ask(pagemap_scan, PAGES, PAGES, set);
    cr_expect(eq(chr, set[2], 1));
    ask(pagemap_read, PAGES, PAGES, set);
    cr_expect(eq(chr, set[2], 1));
}

/* --- Writes --------------------------------------------------------------- */

/* Take all there is to take, so that every page that is there is protected. */
static void take_all(void)
{
    char set[PAGES];

    for (int i = 0; i < PAGES; i++)
        touch(i);
    ask(pagemap_take, PAGES, PAGES, set);
    cr_assert(only(pagemap_take, -1), "all were taken");
}

Test(pagemap, a_write_is_told_once)
{
    if (!can(pagemap_take))
        return;
    take_all();
    for (int round = 0; round < 3; round++) {
        store(7);
        cr_expect(only(pagemap_take, 7));
        cr_expect(only(pagemap_take, -1));
        touch(8);
        cr_expect(only(pagemap_take, -1), "reading is not writing");
    }
}

Test(pagemap, what_is_not_told_at_once_is_told_later)
{
    char set[PAGES];

    if (!can(pagemap_take))
        return;
    for (size_t at_once = 1; at_once <= 33; at_once += 8) {
        take_all();
        for (int i = 0; i < PAGES; i += 2)
            store(i);
        cr_expect(eq(sz, ask(pagemap_take, PAGES, at_once, set), 32));
        for (int i = 0; i < PAGES; i++)
            cr_expect(eq(int, set[i], i % 2 == 0));
    }
}

/* A page that was not there when others were protected. */
Test(pagemap, writes_to_pages_that_come_later_are_told)
{
    if (!can(pagemap_take))
        return;
    cr_expect(only(pagemap_take, -1), "no page is there");
    store(9);
    cr_expect(only(pagemap_take, 9));
    touch(10);
    store(10);
    cr_expect(only(pagemap_take, 10));
    OK(file_extend(&file, RESERVED * page));
    cr_expect(only(pagemap_take, -1));
    OK(file_truncate(&file, PAGES * page));
}

/* In each state: copied or the file's, written or not, read again or not. */
Test(pagemap, writes_to_pages_that_were_given_back_are_told)
{
    char set[PAGES];

    if (!can(pagemap_take))
        return;
    for (int state = 0; state < 16; state++) {
        take_all();
        if (state & 1)
            store(7);
        if (state & 2)
            ask(pagemap_take, PAGES, PAGES, set);
        OK(region_discard(&w, 7 * page, page));
        if (state & 4)
            touch(7);
        if (state & 8)
            ask(pagemap_take, PAGES, PAGES, set);
        store(7);
        ask(pagemap_take, PAGES, PAGES, set);
        cr_expect(eq(chr, set[7], 1), "state %d", state);
    }
}

/* What the kernel takes back it brings in again; where there is swap, the copy
 * goes there. */
Test(pagemap, writes_to_pages_that_were_paged_out_are_told)
{
    char set[PAGES];

    if (!can(pagemap_take))
        return;
    for (int state = 0; state < 8; state++) {
        take_all();
        if (state & 1)
            store(7);
        if (state & 2)
            ask(pagemap_take, PAGES, PAGES, set);
        if (state & 4)
            store(7);
        madvise(w.base, PAGES * page, MADV_PAGEOUT);
        ask(pagemap_take, PAGES, PAGES, set);
        if (state == 1 || (state & 4) != 0)
            cr_expect(eq(chr, set[7], 1), "state %d", state);
        madvise(w.base, PAGES * page, MADV_PAGEOUT);
        store(7);
        ask(pagemap_take, PAGES, PAGES, set);
        cr_expect(eq(chr, set[7], 1), "state %d", state);
    }
}

Test(pagemap, what_the_kernel_writes_is_told)
{
    int pipe_ends[2];
    char byte = 'x';
    struct iovec from = {&byte, 1}, to = {w.base + 12 * page, 1};

    if (!can(pagemap_take))
        return;
    take_all();
    cr_assert(eq(int, pipe(pipe_ends), 0));
    cr_assert(eq(sz, (size_t)write(pipe_ends[1], "hello", 5), 5));
    cr_assert(eq(sz, (size_t)read(pipe_ends[0], w.base + 12 * page - 2, 5), 5));
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    cr_expect(eq(int, memcmp(w.base + 12 * page - 2, "hello", 5), 0));
    {
        char set[PAGES];

        cr_expect(eq(sz, ask(pagemap_take, PAGES, PAGES, set), 2));
        cr_expect(set[11] == 1 && set[12] == 1);
    }
    if (process_vm_writev(getpid(), &from, 1, &to, 1, 0) == 1)
        cr_expect(only(pagemap_take, 12));
}

Test(pagemap, pages_locked_into_memory_are_told_too)
{
    char set[PAGES];

    if (!can(pagemap_take))
        return;
    if (mlock(w.base, 16 * page) != 0)
        cr_skip_test("no memory may be locked: %s", strerror(errno));
    take_all();
    store(3);
    cr_expect(only(pagemap_take, 3));
    if (region_discard(&w, 3 * page, page) == TN_OK)
        cr_expect(eq(chr, touch(3), 3), "the file's byte");
    ask(pagemap_take, PAGES, PAGES, set);
    store(3);
    cr_expect(only(pagemap_take, 3));
}

static int child_stores(struct child *parent, void *arg)
{
    (void)arg;
    for (int i = 20; i < 30; i++)
        w.base[(size_t)i * page] = 'c';
    child_tell(parent);
    child_await(parent);
    for (int i = 20; i < 30; i++)
        if (w.base[(size_t)i * page] != 'c')
            return 1;
    uffd_close(watch); /* does the parent no harm */
    return 0;
}

Test(pagemap, a_child_has_pages_of_its_own)
{
    char set[PAGES];
    struct child child;

    if (!can(pagemap_take))
        return;
    take_all();
    store(1);
    child_start(&child, child_stores, NULL);
    cr_assert(child_await(&child));
    store(2); /* shared with the child until now */
    cr_expect(eq(sz, ask(pagemap_take, PAGES, PAGES, set), 2));
    cr_expect(set[1] == 1 && set[2] == 1);
    store(1);
    cr_expect(only(pagemap_take, 1));
    child_tell(&child);
    cr_assert(eq(int, child_wait(&child), 0));
    store(25);
    cr_expect(only(pagemap_take, 25));
    cr_expect(eq(chr, touch(25), 25));
}

Test(pagemap, memory_that_is_not_watched_cannot_be_taken_from)
{
    struct region other;
    struct pagemap_range range;
    uint64_t next = 1;
    size_t found = 77;

    if (!can(pagemap_take))
        return;
    OK(region_map(&other, &file, REGION_PRIVATE, page, NULL));
    other.base[0] = 1;
    cr_expect(
        ne(int,
           pagemap_take(map, (uintptr_t)other.base,
                        (uintptr_t)other.base + page, &range, 1, &found, &next),
           TN_OK));
    cr_expect(eq(sz, found, 77));
    cr_expect(eq(u64, next, 1));
    region_unmap(&other);
}

/* The pages are in the file's state, and one is written again. */
Test(pagemap, nothing_is_watched_when_it_is_closed)
{
    if (!can(pagemap_take))
        return;
    take_all();
    uffd_close(watch);
    watch = -1;
    store(3);
    cr_expect(eq(chr, touch(3), 3));
    cr_expect(only(pagemap_scan, 3));
}

/* --- Refusals ------------------------------------------------------------- */

static tn_status first_page(question *ask_kernel)
{
    struct pagemap_range range;
    uint64_t next;
    size_t found;

    return ask_kernel(map, (uintptr_t)w.base, (uintptr_t)w.base + page, &range,
                      1, &found, &next);
}

Test(pagemap, old_kernels_are_told_from_other_refusals)
{
    static const int too_old[] = {ENOTTY, EINVAL};

    map = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < 2; i++) {
        faults_refuse_all(FAULT_PAGEMAP, too_old[i]);
        FAILS(first_page(pagemap_scan), TN_ENOTSUP);
        cr_expect(strstr(tn_errmsg(), "6.7") != NULL, "%s", tn_errmsg());
        FAILS(first_page(pagemap_take), TN_ENOTSUP);
    }
    faults_refuse_all(FAULT_PAGEMAP, EPERM);
    FAILS(first_page(pagemap_scan), TN_EACCES);
    FAILS(first_page(pagemap_take), TN_EACCES);
    FAILS(first_page(pagemap_read), TN_EACCES);
    faults_end();
    FAILS(first_page(pagemap_scan), TN_ENOTSUP); /* /dev/null has none */
    FAILS(first_page(pagemap_read), TN_EIO);     /* and is empty */
}

Test(pagemap, a_map_that_cannot_be_opened_is_no_descriptor)
{
    static const struct {
        int number;
        tn_status status;
    } refusals[] = {{ENOENT, TN_ENOENT}, {EACCES, TN_EACCES}};

    for (size_t i = 0; i < 2; i++) {
        int fd = 77;

        faults_refuse_op(FAULT_OPEN, 0, refusals[i].number);
        FAILS(pagemap_open(&fd), refusals[i].status);
        cr_expect(faults_end());
        cr_expect(eq(int, fd, -1));
        cr_expect(strstr(tn_errmsg(), "/proc/self/pagemap") != NULL);
    }
}

Test(pagemap, a_watch_that_is_refused_leaves_nothing_open)
{
    static const struct {
        int before, number;
        tn_status status;
        const char *why;
    } refusals[] = {
        {0, ENOSYS, TN_ENOTSUP, "5.11"},  {0, EINVAL, TN_ENOTSUP, "5.11"},
        {0, EPERM, TN_EACCES, "seccomp"}, {1, EINVAL, TN_ENOTSUP, "6.7"},
        {2, EBUSY, TN_EBUSY, "watch"},    {2, ENOMEM, TN_ENOMEM, "watch"},
    };
    int descriptors = faults_descriptors(), fd = 77;

    if (!can(pagemap_take))
        return;
    uffd_close(watch);
    watch = -1;
    descriptors = faults_descriptors();
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        faults_refuse_op(FAULT_TRACK, refusals[i].before, refusals[i].number);
        FAILS(uffd_open(&fd, &w), refusals[i].status);
        cr_expect(faults_end());
        cr_expect(eq(int, fd, -1));
        cr_expect(strstr(tn_errmsg(), refusals[i].why) != NULL, "%s",
                  tn_errmsg());
        cr_expect(eq(int, faults_descriptors(), descriptors));
    }
    OK(uffd_open(&watch, &w));
}

/* --- Giving pages back ---------------------------------------------------- */

Test(pagemap, many_pieces_are_given_back_like_one)
{
    static struct region_piece pieces[RESERVED / 2];
    size_t n = RESERVED / 2;

    OK(file_extend(&file, RESERVED * page));
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < n; i++)
            pieces[i] = (struct region_piece){2 * i * page, page};
        for (size_t i = 0; i < RESERVED; i++)
            w.base[i * page] = 'x';
        if (round == 1) /* no vectors: one by one */
            faults_refuse_op(FAULT_DISCARD, 0, ENOSYS);
        if (round == 2)
            n = 1;
        if (round == 3)
            n = 129;
        OK(region_discard_all(&w, pieces, n));
        faults_end();
        for (size_t i = 0; i < RESERVED; i++)
            cr_assert(eq(chr, w.base[i * page],
                         i % 2 != 0 || i >= 2 * n ? 'x'
                         : i < PAGES              ? (char)i
                                                  : 0));
    }
}

Test(pagemap, locked_pieces_are_given_back_too)
{
    struct region_piece pieces[4];

    if (mlock(w.base, 16 * page) != 0)
        cr_skip_test("no memory may be locked: %s", strerror(errno));
    for (size_t i = 0; i < 4; i++) {
        pieces[i] = (struct region_piece){(2 * i + 1) * page, page};
        w.base[(2 * i + 1) * page] = 'x';
    }
    if (region_discard_all(&w, pieces, 4) != TN_OK)
        cr_skip_test("not by this kernel: %s", tn_errmsg());
    for (size_t i = 0; i < 4; i++)
        cr_expect(eq(chr, w.base[(2 * i + 1) * page], (char)(2 * i + 1)));
}

Test(pagemap, a_refusal_to_give_back_is_told)
{
    struct region_piece pieces[] = {{0, page}, {2 * page, page}};

    faults_refuse_all(FAULT_DISCARD, ENOMEM);
    FAILS(region_discard_all(&w, pieces, 2), TN_ENOMEM);
    FAILS(region_discard(&w, 0, page), TN_ENOMEM);
    faults_end();
    OK(region_discard_all(&w, pieces, 0));
}
