/* test_dirty.c - four ways to find changed pages, against comparing all bytes
 *
 * The model of a store here is two arrays of a byte a page: what the file has,
 * and what the mapping must show.  After each search, every page that differs
 * from the file must have been found; pages that do not may have been.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/child.h"
#include "lib/faults.h"
#include "lib/tmpdir.h"
#include "os/pagemap.h"
#include "store/dirty.h"
#include "store/layout.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

enum { PAGES = 48, MANY = 1024, MOST = 4096, PAGE = STORE_PAGE };

static struct file file = FILE_CLOSED;
static struct region w, r;
static struct dirty d;
static uint64_t pages;                         /* that the file has */
static unsigned char in_file[MOST], now[MOST]; /* the model */

static void make_store(void)
{
    tmpdir_enter();
    OK(file_create_unnamed(&file, "a", 0600));
    pages = PAGES;
    OK(file_extend(&file, pages * PAGE));
    OK(region_map(&w, &file, REGION_PRIVATE, MOST * PAGE, NULL));
    OK(region_map(&r, &file, REGION_READ, MOST * PAGE, NULL));
    d = (struct dirty){.pagemap = -1, .uffd = -1};
    memset(in_file, 0, sizeof(in_file));
    memset(now, 0, sizeof(now));
}

static void drop_store(void)
{
    faults_end();
    dirty_close(&d);
    region_unmap(&w);
    region_unmap(&r);
    file_close(&file);
    tmpdir_leave();
}

TestSuite(dirty, .init = make_store, .fini = drop_store, .timeout = 60);

static const tn_tracker ways[] = {TN_TRACKER_SCAN, TN_TRACKER_PAGEMAP,
                                  TN_TRACKER_COMPARE, TN_TRACKER_TRACK};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

/* Begin anew with this way; false, with the reason printed, if it is not to be
 * had on this machine. */
static bool begin(tn_tracker way)
{
    dirty_close(&d);
    if (dirty_open(&d, &w, &r, way) != TN_OK) {
        fprintf(stderr, "not tested: %s\n", tn_errmsg());
        return false;
    }
    cr_assert(eq(int, d.way, way));
    OK(dirty_reset(&d, pages));
    memcpy(now, in_file, sizeof(now));
    return true;
}

/* --- What is done to a store ---------------------------------------------- */

static volatile char *byte_of(uint64_t page)
{
    return w.base + page * PAGE + page % PAGE;
}

static void store(uint64_t page, unsigned char value)
{
    *byte_of(page) = (char)value;
    now[page] = value;
}

/* By the kernel, for the program. */
static void store_by_read(uint64_t page, unsigned char value)
{
    int ends[2];

    cr_assert(eq(int, pipe(ends), 0));
    cr_assert(eq(sz, (size_t)write(ends[1], &value, 1), 1));
    cr_assert(eq(sz, (size_t)read(ends[0], (char *)byte_of(page), 1), 1));
    close(ends[0]);
    close(ends[1]);
    now[page] = value;
}

static void write_file(uint64_t page, unsigned char value)
{
    OK(file_write(&file, &value, 1, page * PAGE + page % PAGE));
    in_file[page] = value;
}

static void grow(uint64_t more)
{
    cr_assert(le(u64, pages + more, MOST));
    OK(file_extend(&file, (pages + more) * PAGE));
    pages += more;
}

static int store_and_leave(struct child *parent, void *arg)
{
    (void)arg;
    for (uint64_t page = 0; page < pages; page += 3)
        *byte_of(page) = 'c';
    dirty_close(&d);
    child_tell(parent);
    return child_await(parent) ? 0 : 1;
}

/* A child stores to its own memory, and so do we while the pages are shared. */
static void fork_and_store(uint64_t page, unsigned char value)
{
    struct child child;

    child_start(&child, store_and_leave, NULL);
    store(page, value);
    cr_assert(child_await(&child));
    store(page / 2, value);
    child_tell(&child);
    cr_assert(eq(int, child_wait(&child), 0));
}

/* --- What must hold ------------------------------------------------------- */

static bool is_found(uint64_t page)
{
    for (size_t i = 0; i < d.count; i++)
        if (page >= d.runs[i].first && page - d.runs[i].first < d.runs[i].count)
            return true;
    return false;
}

static uint64_t found(void)
{
    uint64_t n = 0;

    for (size_t i = 0; i < d.count; i++)
        n += d.runs[i].count;
    return n;
}

/* D1 and D2, and that w shows what was stored. */
static void check_found(const char *when)
{
    for (uint64_t page = 0; page < pages; page++) {
        cr_assert(eq(u8, (unsigned char)*byte_of(page), now[page]), "%s: %s",
                  dirty_name(d.way), when);
        if (memcmp(w.base + page * PAGE, r.base + page * PAGE, PAGE) != 0)
            cr_assert(is_found(page), "%s misses page %" PRIu64 ": %s",
                      dirty_name(d.way), page, when);
    }
    for (size_t i = 0; i < d.count; i++) {
        cr_assert(gt(u64, d.runs[i].count, 0));
        if (i > 0)
            cr_assert(gt(u64, d.runs[i].first,
                         d.runs[i - 1].first + d.runs[i - 1].count));
    }
}

static void find(const char *when)
{
    OK(dirty_find(&d, pages, &r));
    check_found(when);
}

/* A commit: what was found goes into the file. */
static void apply(void)
{
    for (size_t i = 0; i < d.count; i++)
        for (uint64_t k = 0; k < d.runs[i].count; k++) {
            uint64_t page = d.runs[i].first + k;

            if (in_file[page] != now[page])
                write_file(page, now[page]);
        }
    cr_assert(eq(int, memcmp(in_file, now, sizeof(now)), 0), "all were found");
}

static void show(const char *when)
{
    for (uint64_t page = 0; page < pages; page++)
        cr_assert(eq(u8, (unsigned char)*byte_of(page), now[page]),
                  "%s, page %" PRIu64 ": %s", dirty_name(d.way), page, when);
}

/* when NULL: without looking at the pages, which brings them in. */
static void commit(const char *when)
{
    if (when != NULL)
        find(when);
    else
        OK(dirty_find(&d, pages, &r));
    apply();
    OK(dirty_settle(&d));
    cr_assert(eq(sz, d.count, 0));
}

/* A commit of a transaction that has named what it stored to. */
static void commit_named(uint64_t first, uint64_t count)
{
    struct page_run run = {first, count};
    struct page_list named = {&run, 1, 1};

    OK(dirty_take_named(&d, pages, &named));
    apply();
    OK(dirty_settle(&d));
    cr_assert(eq(sz, d.count, 0));
}

static void reset(void)
{
    OK(dirty_reset(&d, pages));
    cr_assert(eq(sz, d.count, 0));
    memcpy(now, in_file, sizeof(now));
}

/* --- One page, everything that can happen to it --------------------------- */

enum { STEPS = 8, LONGEST = 5 };

static void step(int which, unsigned char value)
{
    switch (which) {
    case 0:
        (void)*byte_of(5);
        break;
    case 1:
        store(5, value);
        break;
    case 2:
        store(5, in_file[5]);
        break;
    case 3:
        OK(dirty_find(&d, pages, &r)); /* and the commit fails */
        break;
    case 4:
        commit(NULL);
        break;
    case 5:
        reset();
        break;
    case 6: /* somebody else commits, and we learn it */
        write_file(5, value);
        reset();
        break;
    case 7:
        commit_named(5, 1);
        break;
    }
}

/* All sequences of five steps.  The last step must be seen by a search. */
Test(dirty, no_sequence_of_steps_loses_a_store)
{
    for (size_t i = 0; i < WAYS; i++)
        for (int kept = 0; kept < 2; kept++) {
            int count = 1;

            if (!begin(ways[i]))
                break;
            d.kept_limit = kept;
            if (kept > 0 && ways[i] != TN_TRACKER_TRACK)
                break;
            pages = 8;
            for (int k = 0; k < LONGEST; k++)
                count *= STEPS;
            for (int sequence = 0; sequence < count; sequence++) {
                int rest = sequence;

                for (int k = 0; k < LONGEST; k++, rest /= STEPS)
                    step(rest % STEPS, (unsigned char)(sequence + k));
                OK(dirty_find(&d, pages, &r));
                if (now[5] != in_file[5])
                    cr_assert(is_found(5), "%s, sequence %d, %d kept",
                              dirty_name(ways[i]), sequence, kept);
                cr_assert(eq(u8, (unsigned char)*byte_of(5), now[5]));
            }
            pages = PAGES;
        }
}

/* --- Many pages, at random ------------------------------------------------ */

static void random_stores(uint64_t *seed)
{
    for (size_t n = arena_random(seed, 12); n > 0; n--) {
        uint64_t page = arena_random(seed, pages);
        unsigned char value = (unsigned char)arena_random(seed, 256);

        switch (arena_random(seed, 8)) {
        case 0:
            store(page, in_file[page]);
            break;
        case 1:
            store(page, now[page]);
            break;
        case 2:
            store_by_read(page, value);
            break;
        case 3: /* a stretch, as the library lays records over the view */
            for (uint64_t k = page; k < page + 6 && k < pages; k++)
                store(k, value);
            break;
        case 4:
            (void)*byte_of(page);
            break;
        default:
            store(page, value);
        }
    }
}

static void random_event(uint64_t *seed)
{
    switch (arena_random(seed, 12)) {
    case 0:
        reset();
        show("after a rollback");
        break;
    case 1:
        write_file(arena_random(seed, pages), (unsigned char)*seed);
        reset();
        show("after a commit by others");
        break;
    case 2:
        if (pages < MANY)
            grow(arena_random(seed, 40));
        break;
    case 3:
        for (uint64_t page = 0; page < pages; page++)
            (void)*byte_of(page);
        break;
    case 4:
        find("a commit that fails");
        break;
    case 5: /* the kernel wants memory */
        madvise(w.base, pages * PAGE, 21 /* MADV_PAGEOUT */);
        break;
    default:
        commit("a commit");
        show("after a commit");
    }
}

Test(dirty, all_ways_agree_with_comparing)
{
    for (uint64_t seed = 1; seed <= 3; seed++)
        for (size_t i = 0; i < WAYS; i++) {
            uint64_t state = seed * 7919;

            if (!begin(ways[i]))
                continue;
            d.kept_limit = seed * 8;
            for (int round = 0; round < 400; round++) {
                random_stores(&state);
                random_event(&state);
                if (d.way == TN_TRACKER_SCAN && round % 50 == 0)
                    d.spent_ns = d.last_ns = UINT64_MAX / 8;
                if (d.way == TN_TRACKER_SCAN && round % 50 == 1)
                    d.last_ns = UINT64_MAX / 64; /* all are given back */
            }
            commit("at the end");
        }
}

/* The hook of the rounds above is the child's too, so forks are rare. */
Test(dirty, forks_do_not_confuse_it)
{
    uint64_t state = 4711;

    for (size_t i = 0; i < WAYS; i++) {
        if (!begin(ways[i]))
            continue;
        for (int round = 0; round < 12; round++) {
            random_stores(&state);
            fork_and_store(arena_random(&state, pages),
                           (unsigned char)(round + 1));
            if (round % 3 == 0)
                find("a commit that fails after a fork");
            random_stores(&state);
            commit("after a fork");
            show("after a fork");
        }
    }
}

Test(dirty, locked_pages_are_found_and_dropped)
{
    uint64_t state = 99;

    if (mlock(w.base, 16 * PAGE) != 0 ||
        region_discard(&w, 0, 16 * PAGE) != TN_OK)
        cr_skip_test("locked pages cannot be dropped here: %s", tn_errmsg());
    for (size_t i = 0; i < WAYS; i++) {
        if (!begin(ways[i]))
            continue;
        d.kept_limit = 4;
        for (int round = 0; round < 60; round++) {
            random_stores(&state);
            random_event(&state);
        }
        commit("of locked pages");
    }
}

/* --- Exactness ------------------------------------------------------------ */

Test(dirty, what_was_not_stored_to_is_not_found)
{
    for (size_t i = 0; i < WAYS; i++) {
        if (!begin(ways[i]))
            continue;
        for (uint64_t page = 0; page < pages; page++)
            (void)*byte_of(page);
        commit("after reading"); /* a page read first may count */
        find("nothing was stored");
        cr_expect(eq(u64, found(), 0), "%s", dirty_name(d.way));
        store(7, (unsigned char)(i + 1));
        store(9, (unsigned char)(i + 1));
        store(10, (unsigned char)(i + 1));
        find("three pages");
        cr_expect(eq(u64, found(), 3), "%s", dirty_name(d.way));
        cr_expect(eq(sz, d.count, 2));
        commit("three pages");
        find("nothing was stored since");
        cr_expect(eq(u64, found(), 0), "%s", dirty_name(d.way));
    }
}

/* A heap writes what was there before, too. */
Test(dirty, a_page_stored_with_the_same_value_does_not_stay_for_ever)
{
    for (size_t i = 0; i < WAYS; i++) {
        if (!begin(ways[i]) || ways[i] == TN_TRACKER_COMPARE)
            continue;
        store(7, in_file[7]);
        find("the same value");
        cr_expect(is_found(7), "%s", dirty_name(d.way));
        commit("the same value");
        find("nothing since");
        cr_expect(not(is_found(7)), "%s", dirty_name(d.way));
    }
}

Test(dirty, only_the_pages_asked_for_are_looked_at)
{
    for (size_t i = 0; i < WAYS; i++) {
        if (!begin(ways[i]))
            continue;
        OK(file_extend(&file, MOST * PAGE));
        store(PAGES + 100, 1);
        find("beyond the limit");
        cr_expect(not(is_found(PAGES + 100)));
        pages = PAGES + 101;
        find("below the limit");
        cr_expect(is_found(PAGES + 100), "%s", dirty_name(d.way));
        pages = MOST;
        reset();
        pages = PAGES;
    }
}

/* What a pending record changed, a transaction changes back: the page is what
 * the file has, and not what the last commit says. */
Test(dirty, a_page_like_the_files_is_found_if_the_commit_differs)
{
    struct region commit;

    OK(region_map(&commit, &file, REGION_PRIVATE, MOST * PAGE, NULL));
    for (size_t i = 0; i < WAYS; i++) {
        if (!begin(ways[i]))
            continue;
        commit.base[5 * PAGE + 5] = 99;
        store(5, 99); /* as the records are laid over w */
        store(5, in_file[5]);
        OK(dirty_find(&d, pages, &commit));
        cr_expect(is_found(5), "%s", dirty_name(d.way));
        store(6, 1);
        reset();
    }
    region_unmap(&commit);
}

/* More runs than are asked of the kernel at once. */
Test(dirty, a_thousand_runs_are_found)
{
    for (size_t i = 0; i < WAYS; i++) {
        grow(MANY - pages);
        if (!begin(ways[i]))
            continue;
        for (int round = 0; round < 3; round++) {
            for (uint64_t page = 1; page < pages; page += 2)
                store(page, (unsigned char)(i * 3 + round + 1));
            find("every second page");
            cr_expect(eq(u64, found(), pages / 2));
            cr_expect(eq(sz, d.count, pages / 2));
            commit("every second page");
        }
    }
}

/* So far apart that each is given back alone. */
Test(dirty, hundreds_of_single_pages_are_given_back)
{
    size_t before;

    grow(MOST - pages);
    for (size_t i = 0; i < WAYS; i++) {
        if (!begin(ways[i]))
            continue;
        for (uint64_t page = 3; page < pages; page += 11)
            store(page, (unsigned char)(i + 1));
        OK(dirty_find(&d, pages, &r));
        before = d.count;
        cr_expect(eq(sz, before, (pages - 3 + 10) / 11));
        reset();
        show("after a rollback");
    }
}

/* --- Memory --------------------------------------------------------------- */

static size_t private_kib(void)
{
    FILE *rollup = fopen("/proc/self/smaps_rollup", "r");
    char line[200];
    size_t kib = 0;

    if (rollup == NULL)
        cr_skip_test("there is no smaps_rollup: %s", strerror(errno));
    while (fgets(line, sizeof(line), rollup) != NULL)
        sscanf(line, "Anonymous: %zu kB", &kib);
    fclose(rollup);
    return kib;
}

Test(dirty, copies_do_not_fill_memory)
{
    for (size_t i = 0; i < WAYS; i++) {
        size_t before;

        grow(MANY - pages);
        if (!begin(ways[i]))
            continue;
        d.kept_limit = 32;
        before = private_kib();
        for (int round = 0; round < 20; round++) {
            for (uint64_t page = (uint64_t)round * 50; page < pages; page += 3)
                store(page, (unsigned char)(i * 20 + round + 1));
            commit("many pages");
            cr_expect(le(u64, d.kept_pages, 32));
        }
        cr_expect(lt(sz, private_kib(), before + 32 * PAGE / 1024 + 1024), "%s",
                  dirty_name(d.way));
    }
}

/* Those that were named are given back together, some time. */
Test(dirty, named_pages_do_not_fill_memory)
{
    for (size_t i = 0; i < WAYS; i++) {
        size_t before;

        grow(MANY - pages);
        if (!begin(ways[i]))
            continue;
        d.kept_limit = 32;
        before = private_kib();
        for (uint64_t page = 1; page + 8 < pages; page += 4) {
            uint64_t count = page % 40 == 1 ? 8 : 1;

            for (uint64_t k = 0; k < count; k++)
                store(page + k, (unsigned char)(page + i + 1));
            commit_named(page, count);
            cr_expect(le(u64, d.held_pages, 32));
        }
        show("named page by page");
        cr_expect(lt(sz, private_kib(), before + 32 * PAGE / 1024 + 1024), "%s",
                  dirty_name(d.way));
        write_file(1, 99);
        reset();
        cr_expect(eq(u64, d.held_pages, 0));
        show("others have committed");
    }
}

static bool is_eight(const void *arg, uint64_t page)
{
    return page == *(const uint64_t *)arg;
}

/* Commits write its sums into the file only. */
Test(dirty, pages_set_aside_are_never_kept)
{
    static const uint64_t eight = 8;

    for (size_t i = 0; i < WAYS; i++) {
        if (!begin(ways[i]))
            continue;
        d.aside = is_eight;
        d.aside_arg = &eight;
        for (int round = 0; round < 4; round++) {
            for (uint64_t page = 7; page < 10; page++)
                store(page, (unsigned char)(20 * i + round + 1));
            OK(dirty_find(&d, pages, &r));
            apply();
            write_file(8, 77);
            OK(dirty_settle(&d));
            now[8] = 77;
            show("the file's page, and others");
            write_file(8, 78);
            now[8] = 78;
            show("the file's page, and others");
            store(9, (unsigned char)(20 * i + round + 5));
            store(8, 1);
            OK(dirty_take_named(
                &d, pages,
                &(struct page_list){&(struct page_run){8, 2}, 1, 1}));
            write_file(9, now[9]);
            OK(dirty_settle(&d));
            now[8] = 78;
            show("the file's page, though it was named");
        }
        cr_expect(le(u64, d.kept_pages, 3));
    }
}

/* The superblock in the file changes with each commit, and w must follow. */
Test(dirty, page_0_is_never_kept)
{
    for (size_t i = 0; i < WAYS; i++) {
        if (!begin(ways[i]))
            continue;
        for (int round = 0; round < 4; round++) {
            store(0, (unsigned char)(round + 1));
            store(1, (unsigned char)(round + 1));
            find("page 0");
            for (uint64_t page = 0; page < 2; page++)
                write_file(page, now[page]);
            write_file(0, 77);
            /* page 0 differs: the file's is right */
            OK(dirty_settle(&d));
            cr_expect(eq(chr, *byte_of(0), 77), "%s", dirty_name(d.way));
            now[0] = 77;
        }
    }
}

/* --- Choosing, and refusals ----------------------------------------------- */

Test(dirty, nothing_is_left_behind_by_trying)
{
    for (size_t i = 0; i < WAYS; i++) {
        int descriptors = faults_descriptors();

        if (!begin(ways[i]))
            continue;
        show("after opening");
        dirty_close(&d);
        cr_expect(eq(int, faults_descriptors(), descriptors));
        dirty_close(&d); /* twice does no harm */
    }
}

static void open_auto(tn_tracker way, const char *why)
{
    int descriptors = faults_descriptors();

    OK(dirty_open(&d, &w, &r, TN_TRACKER_AUTO));
    faults_end();
    cr_expect(eq(int, d.way, way), "%s: %s", dirty_name(d.way), d.reason);
    cr_expect(strstr(d.reason, why) != NULL, "%s", d.reason);
    OK(dirty_reset(&d, pages));
    memcpy(now, in_file, sizeof(now));
    store(3, (unsigned char)(in_file[3] + 1));
    commit("with what there is");
    dirty_close(&d);
    cr_expect(eq(int, faults_descriptors(), descriptors));
}

/* On a kernel before 6.7 itself, these hold just as well. */
Test(dirty, a_better_way_that_is_refused_is_told_with_its_reason)
{
    bool map;

    if (!begin(TN_TRACKER_PAGEMAP))
        cr_skip_test("there is no page map");
    map = begin(TN_TRACKER_SCAN);
    dirty_close(&d);
    if (map)
        open_auto(TN_TRACKER_SCAN, "");

    faults_refuse_op(FAULT_PAGEMAP, 0, ENOTTY);
    open_auto(TN_TRACKER_PAGEMAP, "no scan: the kernel has no PAGEMAP_SCAN");
    faults_refuse_op(FAULT_PAGEMAP, 0, EPERM);
    open_auto(TN_TRACKER_PAGEMAP, "no scan: ");
    faults_refuse_all(FAULT_PAGEMAP, EPERM);
    open_auto(TN_TRACKER_COMPARE, "; no pagemap: ");
    faults_refuse_all(FAULT_OPEN, ENOENT); /* no /proc */
    open_auto(TN_TRACKER_COMPARE, "no scan: cannot open /proc/self/pagemap");
    faults_refuse_all(FAULT_OPEN, EACCES);
    open_auto(TN_TRACKER_COMPARE, "; no pagemap: cannot open");
}

Test(dirty, a_way_that_was_asked_for_and_refused_is_an_error)
{
    int descriptors = faults_descriptors();

    faults_refuse_all(FAULT_PAGEMAP, ENOTTY);
    FAILS(dirty_open(&d, &w, &r, TN_TRACKER_SCAN), TN_ENOTSUP);
    cr_expect(strncmp(tn_errmsg(), "no scan: the kernel has no", 26) == 0, "%s",
              tn_errmsg());
    dirty_close(&d);
    faults_refuse_all(FAULT_TRACK, EPERM);
    FAILS(dirty_open(&d, &w, &r, TN_TRACKER_TRACK), TN_ENOTSUP);
    cr_expect(strstr(tn_errmsg(), "seccomp") != NULL, "%s", tn_errmsg());
    dirty_close(&d);
    faults_refuse_all(FAULT_OPEN, ENOENT);
    FAILS(dirty_open(&d, &w, &r, TN_TRACKER_PAGEMAP), TN_ENOTSUP);
    dirty_close(&d);
    faults_refuse_all(FAULT_PAGEMAP, EIO); /* it may work another time */
    FAILS(dirty_open(&d, &w, &r, TN_TRACKER_SCAN), TN_EIO);
    dirty_close(&d);
    faults_end();
    cr_expect(eq(int, faults_descriptors(), descriptors));
}

Test(dirty, the_environment_chooses_for_who_did_not)
{
    cr_assert(eq(int, setenv("TENON_TRACKER", "compare", 1), 0));
    OK(dirty_open(&d, &w, &r, TN_TRACKER_AUTO));
    cr_expect(eq(int, d.way, TN_TRACKER_COMPARE));
    cr_expect(eq(str, d.reason, ""), "no other way was refused");
    dirty_close(&d);
    if (begin(TN_TRACKER_PAGEMAP))
        cr_expect(eq(int, d.way, TN_TRACKER_PAGEMAP));
    dirty_close(&d);
    cr_assert(eq(int, setenv("TENON_TRACKER", "guess", 1), 0));
    FAILS(dirty_open(&d, &w, &r, TN_TRACKER_AUTO), TN_EINVAL);
    cr_expect(strstr(tn_errmsg(), "guess") != NULL, "%s", tn_errmsg());
    dirty_close(&d);
    cr_assert(eq(int, setenv("TENON_TRACKER", "", 1), 0));
    OK(dirty_open(&d, &w, &r, TN_TRACKER_AUTO));
    dirty_close(&d);
    cr_assert(eq(int, unsetenv("TENON_TRACKER"), 0));
}

/* The mapping is of anonymous memory, where each page is a copy. */
Test(dirty, a_way_that_gives_wrong_answers_is_not_taken)
{
    OK(region_map_zero(&w, 0, PAGES * PAGE));
    w.base[PAGE] = 0;
    OK(dirty_open(&d, &w, &r, TN_TRACKER_AUTO));
    cr_expect(eq(int, d.way, TN_TRACKER_COMPARE));
    if (strstr(d.reason, "no pagemap: it gives wrong answers") == NULL)
        cr_expect(strstr(d.reason, "cannot open") != NULL, "%s", d.reason);
}

/* --- Failures ------------------------------------------------------------- */

/* Refuse the n-th call of a kind in every place; whatever happens, a later
 * search finds everything and a reset drops everything. */
static void fail_everywhere(enum fault_op op, uint64_t *state)
{
    bool happened = true;

    for (int n = 0; happened && n < 200; n++) {
        tn_status status;

        reset();
        for (int k = 0; k < 3; k++)
            random_stores(state);
        commit("before a failure"); /* leaves kept pages */
        for (uint64_t page = n % 2; page < pages; page += 2)
            store(page, (unsigned char)arena_random(state, 256));
        faults_refuse_op(op, n, ENOMEM);
        status = dirty_find(&d, pages, &r);
        if (status == TN_OK) {
            check_found("before the failure");
            apply();
            status = dirty_settle(&d);
        } else {
            faults_end();
            random_stores(state);
            commit("after a search that failed");
        }
        happened = faults_end();
        if (status != TN_OK)
            reset();
        show("after a failure");
        write_file(7, (unsigned char)n);
        reset();
        show("after a failure and a commit by others");
    }
    cr_expect(not(happened));
}

Test(dirty, a_refused_system_call_loses_nothing)
{
    uint64_t state = 2024;

    grow(MANY - pages);
    for (size_t i = 0; i < WAYS; i++) {
        if (!begin(ways[i]))
            continue;
        d.kept_limit = 16;
        fail_everywhere(FAULT_PAGEMAP, &state);
        fail_everywhere(FAULT_DISCARD, &state);
    }
}

/* The kernel has cleared its notes, and then something goes wrong. */
static int take_and_refuse(void *arg, const struct fault_event *event)
{
    struct pagemap_range ranges[256];
    uint64_t next;
    size_t n;

    (void)arg;
    if (event->op != FAULT_PAGEMAP)
        return 0;
    pagemap_take(d.pagemap, event->offset, event->offset + event->size, ranges,
                 256, &n, &next);
    return ENOMEM;
}

Test(dirty, pages_that_a_failed_search_took_are_found_by_the_next)
{
    if (!begin(TN_TRACKER_TRACK))
        cr_skip_test("it is not to be had");
    for (int round = 0; round < 4; round++) {
        store(5, (unsigned char)(round + 1));
        store(20, (unsigned char)(round + 1));
        fault_set_hook(take_and_refuse, NULL);
        FAILS(dirty_find(&d, pages, &r), TN_ENOMEM);
        if (round % 2 != 0)
            FAILS(dirty_reset(&d, pages), TN_ENOMEM);
        fault_set_hook(NULL, NULL);
        store(30, (unsigned char)(round + 1));
        commit(NULL);
        show("after a search that failed");
    }
}

/* A rollback that fails half-way is made once more. */
Test(dirty, a_reset_that_failed_can_be_repeated)
{
    for (size_t i = 0; i < WAYS; i++)
        for (int n = 0; n < 6; n++) {
            if (!begin(ways[i]))
                break;
            for (uint64_t page = 0; page < 40; page++)
                store(page, (unsigned char)(page + n));
            commit("pages that may be kept");
            for (uint64_t page = 30; page < pages; page++)
                store(page, 200);
            for (uint64_t page = 5; page < 15; page++)
                write_file(page, 201); /* by others */
            faults_refuse(n, ENOMEM);
            if (dirty_reset(&d, pages) != TN_OK) {
                faults_end();
                OK(dirty_reset(&d, pages));
            }
            faults_end();
            memcpy(now, in_file, sizeof(now));
            show("after a reset that failed");
            find("after a reset that failed");
        }
}

Test(dirty, each_way_has_a_name)
{
    cr_expect(eq(str, (char *)dirty_name(TN_TRACKER_AUTO), "auto"));
    cr_expect(eq(str, (char *)dirty_name(TN_TRACKER_SCAN), "scan"));
    cr_expect(eq(str, (char *)dirty_name(TN_TRACKER_PAGEMAP), "pagemap"));
    cr_expect(eq(str, (char *)dirty_name(TN_TRACKER_COMPARE), "compare"));
    cr_expect(eq(str, (char *)dirty_name(TN_TRACKER_TRACK), "track"));
    cr_expect(eq(str, (char *)dirty_name((tn_tracker)5), "?"));
}
