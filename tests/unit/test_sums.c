/* test_sums.c - every page of a durable store is guarded
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tenon.h>

#include "lib/arena.h"
#include "lib/child.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"
#include "segment/segment.h"
#include "store/layout.h"

static void enter(void)
{
    tmpdir_enter();
}

TestSuite(sums, .init = enter, .fini = tmpdir_leave, .timeout = 30);

/* A store with objects of all sizes, after several commits, closed. */
static void make_store(const tn_options *options)
{
    tn_store *store;
    tn_segment *w;
    char name[32];

    cr_assert(eq(int,
                 tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, options),
                 TN_OK));
    for (int commit = 0; commit < 5; commit++) {
        cr_assert(eq(int, tn_begin(store, &w), TN_OK));
        for (int i = 0; i < 40; i++) {
            snprintf(name, sizeof(name), "%d.%d", commit, i);
            cr_assert(eq(int,
                         tn_construct(w, name, TN_BYTES, (size_t)(i * i * 9),
                                      NULL, NULL),
                         TN_OK));
        }
        cr_assert(eq(int, tn_commit(store), TN_OK));
    }
    cr_assert(eq(int, tn_store_close(store), TN_OK));
}

static off_t size_of_store(void)
{
    struct stat st;

    cr_assert(eq(int, stat("s", &st), 0));
    return st.st_size;
}

static void flip(off_t at, unsigned char bit)
{
    int fd = open("s", O_RDWR);
    unsigned char byte;

    cr_assert(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= bit;
    cr_assert(eq(int, (int)pwrite(fd, &byte, 1, at), 1));
    close(fd);
}

static tn_status check(void)
{
    return tn_check_file("s", NULL, NULL, NULL);
}

Test(sums, find_a_flipped_bit_in_any_page)
{
    unsigned seed = 7;

    make_store(NULL);
    cr_assert(eq(int, check(), TN_OK));
    for (off_t page = STORE_SEGMENT_OFF; page < size_of_store();
         page += STORE_PAGE) {
        off_t at = page + rand_r(&seed) % STORE_PAGE;
        unsigned char bit = (unsigned char)(1 << rand_r(&seed) % 8);

        flip(at, bit);
        cr_assert(ne(int, check(), TN_OK), "byte %ld", (long)at);
        flip(at, bit);
    }
    cr_assert(eq(int, check(), TN_OK));
}

/* The last one to close a shared store makes its sums anew, so what they tell
 * would be lost. */
Test(sums, that_do_not_fit_keep_every_verified_opener_out)
{
    static const unsigned access[] = {TN_READ_ONLY, TN_PRIVATE, TN_DURABLE,
                                      TN_SHARED};
    off_t inside_an_object = STORE_SEGMENT_OFF + 30000;
    tn_store *store;

    make_store(NULL);
    flip(inside_an_object, 4);
    for (int i = 0; i < 4; i++)
        cr_expect(eq(int,
                     tn_store_open(&store, "s", access[i] | TN_VERIFY, NULL),
                     TN_ECORRUPT),
                  "access %u", access[i]);
    cr_expect(eq(int, check(), TN_ECORRUPT));
}

Test(sums, survive_a_shared_session)
{
    tn_store *store;

    make_store(NULL);
    cr_assert(eq(int, tn_store_open(&store, "s", TN_SHARED, NULL), TN_OK));
    cr_assert(tn_alloc(tn_store_segment(store), 5000) != NULL);
    cr_assert(eq(int, tn_store_close(store), TN_OK));
    cr_assert(eq(int, check(), TN_OK));
    flip(size_of_store() - 100, 1);
    cr_assert(ne(int, check(), TN_OK));
}

Test(sums, follow_a_growing_store)
{
    tn_options options = {.size = 65536};

    make_store(&options);
    cr_assert(size_of_store() > 10 * 65536);
    cr_assert(eq(int, check(), TN_OK));
    flip(size_of_store() - 1, 0x80);
    cr_assert(ne(int, check(), TN_OK));
}

/* The view of a transaction is then behind with the sums of earlier commits,
 * also where a block of sums was given up for a larger one. */
Test(sums, stay_right_while_a_reader_holds_the_file)
{
    const tn_options options = {.size = 65536};
    tn_store *store, *reader;
    tn_segment *w;
    char name[32];

    make_store(&options);
    cr_assert(eq(int, tn_store_open(&reader, "s", TN_READ_ONLY, NULL), TN_OK));
    cr_assert(eq(int, tn_store_open(&store, "s", TN_DURABLE, NULL), TN_OK));
    for (int commit = 0; commit < 60; commit++) {
        snprintf(name, sizeof(name), "more/%d", commit);
        cr_assert(eq(int, tn_begin(store, &w), TN_OK));
        cr_assert(
            eq(int, tn_construct(w, name, TN_BYTES, 50000, NULL, NULL), TN_OK));
        cr_assert(eq(int, tn_commit(store), TN_OK));
        cr_assert(eq(int, check(), TN_OK), "commit %d", commit);
    }
    cr_assert(eq(int, tn_store_close(reader), TN_OK));
    cr_assert(eq(int, tn_store_close(store), TN_OK));
    cr_assert(eq(int, check(), TN_OK));
}

/* Change pages at all distances from one another, near and far, and let the
 * store grow in some of these commits. */
static void change_here_and_there(tn_store *store, uint64_t *seed)
{
    enum { PAGES = 3000 };
    tn_segment *w;
    void *found;

    cr_assert(eq(int, tn_begin(store, &w), TN_OK));
    cr_assert(
        eq(int,
           tn_find_or_construct(w, "pages", TN_BYTES,
                                (size_t)PAGES * STORE_PAGE, NULL, &found, NULL),
           TN_OK));
    for (size_t page = arena_random(seed, 200); page < PAGES;
         page += 1 + arena_random(seed, 1 + arena_random(seed, 200)))
        ((char *)found)[page * STORE_PAGE] += 1;
    if (arena_random(seed, 3) == 0) {
        found = tn_alloc(w, 100 * STORE_PAGE);
        cr_assert(found != NULL);
        for (size_t page = arena_random(seed, 3); page < 99; page += 7)
            ((char *)found)[page * STORE_PAGE] = 1;
    }
    cr_assert(eq(int, tn_commit(store), TN_OK));
}

Test(sums, are_right_between_changed_pages_too)
{
    uint64_t seed = 3;
    tn_store *store, *reader = NULL;

    cr_assert(eq(int, tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, NULL),
                 TN_OK));
    for (int commit = 0; commit < 30; commit++) {
        if (commit == 10)
            cr_assert(eq(int, tn_store_open(&reader, "s", TN_READ_ONLY, NULL),
                         TN_OK));
        if (commit == 20)
            cr_assert(eq(int, tn_store_close(reader), TN_OK));
        change_here_and_there(store, &seed);
        cr_assert(eq(int, check(), TN_OK), "commit %d", commit);
    }
    cr_assert(eq(int, tn_store_close(store), TN_OK));
    cr_assert(eq(int, check(), TN_OK));
}

Test(sums, are_kept_in_a_saved_store)
{
    tn_store *store;

    make_store(NULL);
    cr_assert(eq(int, tn_store_open(&store, "s", TN_PRIVATE, NULL), TN_OK));
    cr_assert(tn_alloc(tn_store_segment(store), 5000) != NULL);
    cr_assert(eq(int, tn_store_save(store, "saved", NULL), TN_OK));
    cr_assert(eq(int, tn_store_close(store), TN_OK));
    cr_assert(eq(int, tn_check_file("saved", NULL, NULL, NULL), TN_OK));
}

Test(sums, can_be_turned_off)
{
    tn_options options = {.page_sums = TN_SUMS_OFF};
    tn_store *store;
    tn_segment *w;

    make_store(&options);
    cr_assert(eq(int, check(), TN_OK));
    flip(size_of_store() - 100, 1); /* free memory, which nothing guards */
    cr_assert(eq(int, check(), TN_OK));
    cr_assert(eq(int, tn_store_open(&store, "s", TN_DURABLE, NULL), TN_OK));
    cr_assert(eq(int, tn_begin(store, &w), TN_OK));
    cr_assert(tn_alloc(w, 10) != NULL);
    cr_assert(eq(int, tn_commit(store), TN_OK));
    cr_assert(eq(int, tn_store_close(store), TN_OK));
    flip(size_of_store() - 100, 1);
    cr_assert(ne(int, check(), TN_OK), "the next commit made them");
}

static void make_bytes(tn_segment *w, int number, size_t size)
{
    char name[32];
    void *bytes;

    snprintf(name, sizeof(name), "bytes%d", number);
    cr_assert(
        eq(int, tn_construct(w, name, TN_BYTES, size, NULL, &bytes), TN_OK));
    memset(bytes, 1 + number, size);
}

static void put_bytes(tn_store *store, int number, size_t size)
{
    tn_segment *w;

    cr_assert(eq(int, tn_begin(store, &w), TN_OK));
    make_bytes(w, number, size);
    cr_assert(eq(int, tn_commit(store), TN_OK));
}

static const tn_options holes_without = {.page_sums = TN_SUMS_OFF,
                                         .size = 16 << 20};

/* A store without sums, with one hole after the other. */
static tn_store *make_holes(void)
{
    tn_store *store;
    tn_segment *w;
    char name[32];

    cr_assert(eq(
        int, tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, &holes_without),
        TN_OK));
    cr_assert(eq(int, tn_begin(store, &w), TN_OK));
    for (int i = 0; i < 700; i++)
        make_bytes(w, i, 12000);
    cr_assert(eq(int, tn_commit(store), TN_OK));
    cr_assert(eq(int, tn_begin(store, &w), TN_OK));
    for (int i = 0; i < 700; i += 2) {
        snprintf(name, sizeof(name), "bytes%d", i);
        cr_assert(eq(int, tn_destroy(w, name, TN_BYTES), TN_OK));
    }
    cr_assert(eq(int, tn_commit(store), TN_OK));
    cr_assert(eq(int, tn_trim(store, NULL), TN_OK));
    return store;
}

/* The first commit that keeps sums makes all of them, and looks at holes no
 * more than at what it changed. */
Test(sums, are_made_at_once_for_a_file_with_holes)
{
    tn_store *store;

    cr_assert(eq(int, tn_store_close(make_holes()), TN_OK));
    cr_assert(eq(int, tn_store_open(&store, "s", TN_DURABLE, NULL), TN_OK));
    put_bytes(store, 1000, 30000);
    cr_assert(eq(int, tn_store_close(store), TN_OK));
    cr_assert(eq(int, check(), TN_OK));
    flip(size_of_store() - 100, 1);
    cr_assert(ne(int, check(), TN_OK));
}

/* Commit what the reader keeps out of the file, and die. */
static int commit_into_holes(struct child *parent, void *arg)
{
    tn_store *store;

    (void)arg;
    if (tn_store_open(&store, "s", TN_DURABLE, &holes_without) != TN_OK)
        return 1;
    put_bytes(store, 1000, 8000);
    put_bytes(store, 1001, 3000000);
    child_tell(parent);
    child_await(parent);
    return 0;
}

/* Forget the file's bytes in memory, so that blocks without any show. */
static void drop_from_memory(void)
{
    int fd = open("s", O_RDONLY);

    cr_assert(fd >= 0 && fsync(fd) == 0);
    cr_assert(eq(int, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0));
    close(fd);
}

/* The last commit has bytes where the file has blocks that were never written
 * to. */
Test(sums, are_made_at_once_while_a_reader_holds_the_file)
{
    tn_store *store = make_holes(), *reader;
    struct child c;

    cr_assert(eq(int, tn_store_close(store), TN_OK));
    cr_assert(eq(int, tn_store_open(&reader, "s", TN_READ_ONLY, NULL), TN_OK));
    child_start(&c, commit_into_holes, NULL);
    cr_assert(child_await(&c));
    cr_assert(eq(int, child_kill(&c), -SIGKILL));
    drop_from_memory();
    cr_assert(eq(int, tn_store_open(&store, "s", TN_DURABLE, NULL), TN_OK));
    put_bytes(store, 1002, 8000);
    cr_expect(eq(int, check(), TN_OK));
    cr_assert(eq(int, tn_store_close(reader), TN_OK));
    cr_assert(eq(int, tn_store_close(store), TN_OK));
    cr_expect(eq(int, check(), TN_OK));
    flip(size_of_store() - 100, 1);
    cr_assert(ne(int, check(), TN_OK));
}

#ifndef TN_DEEP_CHECK /* which compares all pages */
static long faults_so_far(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

/* The kernel maps 16 pages a fault, or fewer. */
Test(sums, of_what_was_never_written_are_known)
{
    tn_options large = {.size = (size_t)512 << 20};
    tn_store *store;
    long before;

    cr_assert(eq(int,
                 tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, &large),
                 TN_OK));
    before = faults_so_far();
    put_bytes(store, 1, 12000);
    cr_expect(lt(long, faults_so_far() - before, 4000));
    cr_assert(eq(int, tn_store_close(store), TN_OK));
    cr_assert(eq(int, check(), TN_OK));
}
#endif

Test(sums, without_room_for_them_leave_the_transaction_open)
{
    tn_options full = {.size = 65536, .max_size = 65536};
    tn_store *store;
    tn_segment *w;
    void *piece;

    cr_assert(eq(int, tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, &full),
                 TN_OK));
    cr_assert(eq(int, tn_begin(store, &w), TN_OK));
    piece = tn_alloc(w, 16384);
    for (size_t size = 16384; size >= 16; size /= 2)
        while (tn_alloc(w, size) != NULL)
            ;
    cr_expect(eq(int, tn_commit(store), TN_ENOMEM));
    cr_assert(eq(int, tn_free(w, piece), TN_OK));
    cr_expect(eq(int, tn_commit(store), TN_OK));
    cr_assert(eq(int, tn_store_close(store), TN_OK));
    cr_expect(eq(int, check(), TN_OK));
}

Test(sums, leave_no_memory_in_use)
{
    tn_store *store;
    tn_segment *w;

    cr_assert(eq(int, tn_store_open(&store, "s", TN_CREATE, NULL), TN_OK));
    cr_assert(eq(int, tn_begin(store, &w), TN_OK));
    cr_assert(eq(int, tn_construct(w, "x", TN_BYTES, 9, NULL, NULL), TN_OK));
    cr_assert(eq(int, tn_commit(store), TN_OK));
    cr_assert(eq(int, tn_begin(store, &w), TN_OK));
    cr_assert(eq(int, tn_destroy(w, "x", NULL), TN_OK));
    cr_assert(eq(int, tn_shrink_indexes(w), TN_OK));
    cr_assert(tn_all_free(w));
    cr_assert(eq(int, tn_commit(store), TN_OK));
    cr_assert(eq(int, tn_store_close(store), TN_OK));
}

/* --- More damage than is kept --------------------------------------------- */

enum { LARGE = 20 * 1024 * 1024, DAMAGED = 4700, THREADS = 3 };

/* A store of one large object, DAMAGED pages of which have changed. */
static void make_damaged(void)
{
    tn_options options = {.size = LARGE + LARGE / 8};
    unsigned char byte = 1;
    tn_store *store;
    tn_segment *w;
    int fd;

    cr_assert(eq(int,
                 tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, &options),
                 TN_OK));
    cr_assert(eq(int, tn_begin(store, &w), TN_OK));
    cr_assert(
        eq(int, tn_construct(w, "large", TN_BYTES, LARGE, NULL, NULL), TN_OK));
    cr_assert(eq(int, tn_commit(store), TN_OK));
    cr_assert(eq(int, tn_store_close(store), TN_OK));
    fd = open("s", O_RDWR);
    for (off_t i = 0; i < DAMAGED; i++)
        cr_assert(
            eq(int, (int)pwrite(fd, &byte, 1, (100 + i) * STORE_PAGE), 1));
    close(fd);
}

/* Findings, and whether their places ascend without a gap. */
struct places {
    size_t count;
    uint64_t next;
    bool ascend;
};

static void note_place(void *arg, const tn_finding *finding)
{
    struct places *places = arg;

    places->ascend &= places->count == 0 || finding->offset == places->next;
    places->next = finding->offset + STORE_PAGE;
    places->count++;
}

Test(sums, are_all_counted_and_the_first_are_told)
{
    tn_check_options options = {.threads = THREADS, .max_findings = 10000};
    struct places places = {.ascend = true};
    char number[16];

    make_damaged();
    cr_expect(eq(int, tn_check_file("s", &options, note_place, &places),
                 TN_ECORRUPT));
    snprintf(number, sizeof(number), " %d things", DAMAGED);
    cr_expect(strstr(tn_errmsg(), number) != NULL, "%s", tn_errmsg());
    cr_expect(lt(sz, places.count, DAMAGED));
    cr_expect(ge(sz, places.count, 4096));
    cr_expect(places.ascend);
}

static bool stop(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    (void)done;
    (void)total;
    return false;
}

Test(sums, are_looked_at_no_more_when_the_check_is_canceled)
{
    tn_check_options options = {.threads = THREADS, .progress = stop};
    struct places places = {.ascend = true};

    make_damaged();
    cr_expect(eq(int, tn_check_file("s", &options, note_place, &places),
                 TN_ECANCELED));
    cr_expect(eq(sz, places.count, 0));
}

/* --- A block of sums that fits nothing ------------------------------------ */

enum { HUGE = 300 * 1024 * 1024 };

/* Sums of zero for each page of a store that has none, and it was closed so. */
static int forge_sums(struct child *parent, void *arg)
{
    tn_options options = {.size = HUGE, .page_sums = TN_SUMS_OFF};
    struct heap *h;
    tn_store *store;
    void *block;

    (void)parent;
    (void)arg;
    if (tn_store_open(&store, "s", TN_SHARED | TN_CREATE, &options) != TN_OK)
        return 1;
    h = segment_heap(tn_store_segment(store));
    block = heap_alloc_aligned(h, HUGE / STORE_PAGE * 3 * sizeof(uint64_t),
                               STORE_PAGE, 0, BLOCK_INDEX);
    if (block == NULL)
        return 2;
    tn_store_segment(store)->base->sums = heap_off(h, block);
    stores_set_state("s", STORE_CLEAN);
    stores_write("s", &(struct marks){0}, sizeof(struct marks),
                 STORE_MARKS_OFF);
    _exit(0);
}

/* Is it said that there are more? */
static void listen(void *arg, const tn_finding *finding)
{
    if (strstr(finding->what, "so many more") != NULL)
        *(bool *)arg = true;
}

Test(sums, are_given_up_where_nothing_fits)
{
    bool said = false;
    struct child c;
    tn_store *store;

    child_start(&c, forge_sums, NULL);
    cr_assert(eq(int, child_wait(&c), 0));
    cr_expect(eq(int, tn_check_file("s", NULL, listen, &said), TN_ECORRUPT));
    cr_expect(said);
    cr_expect(eq(int,
                 tn_store_open(&store, "s", TN_READ_ONLY | TN_VERIFY, NULL),
                 TN_ECORRUPT));
}
