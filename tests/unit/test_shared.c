/* test_shared.c - one store, many processes, and those who are killed
 *
 * Processes are killed before each of their file operations, alone and beside
 * others; operations are refused; machines go down, as far as the file can
 * tell.  After all of that the next opener must find everything that was
 * completed, or be told why not.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/faults.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"
#include "store/store.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

static const tn_options hasty = {.lock_timeout_ms = 50};

static void make_store(void)
{
    tmpdir_enter();
    stores_make("s", TN_INDEX_DEFAULT);
}

TestSuite(shared, .init = make_store, .fini = tmpdir_leave, .timeout = 60);

static tn_store *open_shared(const char *path)
{
    tn_store *store;

    OK(tn_store_open(&store, path, TN_SHARED, &stores_options));
    return store;
}

static uint64_t commit_number(void)
{
    struct superblock sb;

    stores_superblock("s", &sb);
    return sb.commit_number;
}

/* --- From clean to shared and back ---------------------------------------- */

Test(shared, is_clean_again_when_the_last_has_closed)
{
    uint64_t before = commit_number();
    tn_store *a = open_shared("s"), *b = open_shared("s");

    cr_expect(eq(u64, stores_state("s"), STORE_SHARED));
    OK(tn_store_close(a));
    cr_expect(eq(u64, stores_state("s"), STORE_SHARED));
    OK(tn_store_close(b));
    cr_expect(eq(u64, stores_state("s"), STORE_CLEAN));
    cr_expect(eq(u64, commit_number(), before + 1));
}

static int construct_one(struct child *parent, void *arg)
{
    struct stores_item item = {7, 14};
    tn_store *store;

    (void)parent;
    if (tn_store_open(&store, "s", TN_SHARED, NULL) != TN_OK)
        return 1;
    if (tn_construct(tn_store_segment(store), arg, &stores_item, 1, &item,
                     NULL) != TN_OK)
        return 2;
    return tn_store_close(store) == TN_OK ? 0 : 3;
}

Test(shared, shows_everyone_what_one_does)
{
    tn_store *store = open_shared("s");
    struct child c;
    void *found;

    child_start(&c, construct_one, "new");
    cr_assert(eq(int, child_wait(&c), 0));
    OK(tn_find(tn_store_segment(store), "new", &stores_item, &found, NULL));
    cr_expect(eq(u64, ((struct stores_item *)found)->twice, 14));
    OK(tn_store_close(store));
}

/* Allocate and free bytes that are not zero, make them zero, and look at them
 * through another handle.  What is beside them stays. */
static void wipe_and_look(bool refuse)
{
    enum { BYTES = 20000 };
    tn_store *a = open_shared("s"), *b = open_shared("s");
    tn_segment *seg = tn_store_segment(a);
    char *p = tn_alloc(seg, BYTES), *kept = tn_alloc(seg, BYTES);
    const char *seen =
        p - (char *)seg->base + (char *)tn_store_segment(b)->base;

    memset(p, 'x', BYTES);
    memset(kept, 'k', BYTES);
    OK(tn_free(seg, p));
    if (refuse)
        faults_refuse_op(FAULT_MAP, 0, ENOMEM);
    OK(tn_zero_free(seg));
    if (refuse)
        cr_expect(faults_end(), "it is to be seen elsewhere too");
    for (int i = 64; i < BYTES - 64; i++) /* between the links and the end */
        cr_assert(eq(chr, seen[i], 0), "byte %d", i);
    for (int i = 0; i < BYTES; i++)
        cr_assert(eq(chr, kept[i], 'k'), "byte %d", i);
    OK(tn_free(seg, kept));
    OK(tn_store_close(b));
    OK(tn_store_close(a));
}

Test(shared, makes_free_memory_zero_also_without_addresses_to_spare)
{
    wipe_and_look(false);
    wipe_and_look(true);
    cr_expect(stores_sound("s", 0));
}

Test(shared, has_no_two_who_are_the_first)
{
    tn_store *a, *b;

    for (int i = 0; i < 10; i++) {
        a = open_shared("s");
        b = open_shared("s");
        cr_expect(eq(u64, tn_store_segment(a)->base->sharers, 2));
        OK(tn_store_close(b));
        OK(tn_store_close(a));
    }
}

Test(shared, cannot_be_joined_when_its_state_is_lost)
{
    tn_store *a = open_shared("s"), *b;

    stores_set_state("s", STORE_CLEAN);
    FAILS(tn_store_open(&b, "s", TN_SHARED, &hasty), TN_ECORRUPT);
    stores_set_state("s", STORE_SHARED);
    OK(tn_store_open(&b, "s", TN_SHARED, &hasty));
    OK(tn_store_close(b));
    OK(tn_store_close(a));
}

/* Copies often have holes; a store into one can fail when the disk is full. */
Test(shared, has_a_block_under_every_byte)
{
    static char bytes[STORES_SIZE];
    struct stat st;

    stores_read("s", bytes, sizeof(bytes), 0);
    stores_put("t", bytes, 0);
    cr_assert(eq(int, truncate("t", sizeof(bytes)), 0));
    for (size_t at = 0; at < sizeof(bytes); at += 4096)
        for (size_t i = 0; i < 4096; i++)
            if (bytes[at + i] != 0) {
                stores_write("t", bytes + at, 4096, at);
                break;
            }
    cr_assert(eq(int, stat("t", &st), 0));
    cr_assert(lt(sz, (size_t)st.st_blocks * 512, sizeof(bytes)));
    faults_refuse_all(FAULT_ALLOCATE, ENOSPC);
    FAILS(tn_store_grow("t", 0), TN_ENOSPC);
    cr_expect(faults_end());
    cr_expect(eq(u64, stores_state("t"), STORE_CLEAN));
    cr_expect(stores_sound("t", 0));
    cr_assert(eq(int, stat("t", &st), 0));
    cr_expect(ge(sz, (size_t)st.st_blocks * 512, sizeof(bytes)));
}

/* --- Power cuts and copies ------------------------------------------------ */

static void another_boot(const char *path)
{
    uint64_t boot;

    stores_read(path, &boot, sizeof(boot), STORE_MARKS_OFF);
    boot += 2;
    stores_write(path, &boot, sizeof(boot), STORE_MARKS_OFF);
}

static void every_access_answers(const char *path, tn_status expected)
{
    static const unsigned ways[] = {TN_READ_ONLY, TN_PRIVATE, TN_SHARED,
                                    TN_SHARED | TN_VERIFY};
    tn_store *store;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        FAILS(tn_store_open(&store, path, ways[i], &hasty), expected);
    FAILS(tn_check_file(path, NULL, NULL, NULL), expected);
}

Test(shared, after_a_power_cut_is_refused_until_taken_over)
{
    static char before[STORES_SIZE], after[STORES_SIZE];
    static const unsigned views[] = {TN_READ_ONLY, TN_PRIVATE};
    tn_store *store;

    stores_abandon("s");
    another_boot("s");
    stores_read("s", before, sizeof(before), 0);
    every_access_answers("s", TN_EDIRTY);
    for (int i = 0; i < 2; i++) {
        OK(tn_store_open(&store, "s", views[i] | TN_RECOVER, NULL));
        cr_expect(stores_holds(tn_store_segment(store)));
        OK(tn_store_close(store));
    }
    stores_read("s", after, sizeof(after), 0);
    cr_expect(eq(int, memcmp(before, after, sizeof(after)), 0));
    cr_expect(stores_sound("s", TN_RECOVER));
    cr_expect(stores_sound("s", 0), "and it is clean now");
}

/* A killed owner of locks leaves numbers odd; the power cut comes on top. */
Test(shared, is_taken_over_also_from_the_middle_of_a_change)
{
    size_t at = STORE_SEGMENT_OFF + offsetof(struct segment, names_sequence);
    uint64_t odd = 12345, one = 1;

    stores_abandon("s");
    another_boot("s");
    stores_write("s", &odd, 8, at);
    stores_write("s", &one, 8,
                 STORE_SEGMENT_OFF + offsetof(struct segment, building));
    cr_expect(stores_sound("s", TN_RECOVER));
}

Test(shared, is_not_taken_over_when_it_is_not_sound)
{
    static char before[STORES_SIZE], after[STORES_SIZE];
    char junk[3000];
    tn_store *store;

    memset(junk, 0x5a, sizeof(junk));
    stores_abandon("s");
    another_boot("s");
    stores_write("s", junk, sizeof(junk), 8000);
    stores_read("s", before, sizeof(before), 0);
    for (unsigned access = TN_READ_ONLY; access <= TN_SHARED; access++)
        FAILS(tn_store_open(&store, "s", access | TN_RECOVER, &hasty),
              TN_ECORRUPT);
    stores_read("s", after, sizeof(after), 0);
    cr_expect(eq(int, memcmp(before, after, sizeof(after)), 0));
}

Test(shared, copied_while_in_use_is_refused_until_taken_over)
{
    static char bytes[STORES_SIZE];
    tn_store *store = open_shared("s");

    stores_read("s", bytes, sizeof(bytes), 0);
    stores_put("copy", bytes, sizeof(bytes));
    OK(tn_store_close(store));
    every_access_answers("copy", TN_EDIRTY);
    cr_expect(stores_sound("copy", TN_RECOVER));
    cr_expect(stores_sound("s", 0));
}

/* --- First openers who fail ----------------------------------------------- */

static int expect_dirty(struct child *parent, void *arg)
{
    tn_store *store;

    (void)arg;
    child_tell(parent);
    child_await(parent);
    for (int i = 0; i < 30; i++)
        if (tn_store_open(&store, "s", TN_SHARED, NULL) != TN_EDIRTY)
            return 1;
    return 0;
}

/* Those who waited while the first one found out do not get in behind it. */
Test(shared, that_is_refused_is_refused_to_all_who_come_at_once)
{
    enum { RACERS = 6 };
    struct child racers[RACERS];

    stores_abandon("s");
    another_boot("s");
    for (int i = 0; i < RACERS; i++) {
        child_start(&racers[i], expect_dirty, NULL);
        cr_assert(child_await(&racers[i]));
    }
    for (int i = 0; i < RACERS; i++)
        child_tell(&racers[i]);
    for (int i = 0; i < RACERS; i++)
        cr_expect(eq(int, child_wait(&racers[i]), 0));
}

/* The same without a race: SHR is free when the answer is there. */
Test(shared, that_was_refused_is_held_by_nobody)
{
    tn_store store = {.path = "s",
                      .access = TN_SHARED,
                      .file = FILE_CLOSED,
                      .locks = FLOCK_CLOSED};
    struct flock_handle other = FLOCK_CLOSED;

    stores_abandon("s");
    another_boot("s");
    OK(file_open(&store.file, "s", true));
    OK(flock_open(&store.locks, "s"));
    OK(flock_open(&other, "s"));
    FAILS(shared_open(&store, TN_SHARED, &hasty, NULL), TN_EDIRTY);
    for (uint64_t byte = STORE_LOCK_INIT; byte <= STORE_LOCK_VIEW; byte++)
        cr_expect(not(flock_taken(&other, byte, true)), "%d",
                  (int)(byte - STORE_LOCK_INIT));
    flock_close(&other);
    flock_close(&store.locks);
    file_close(&store.file);
}

Test(shared, is_clean_as_before_if_it_could_not_be_begun)
{
    tn_store *store;

    faults_refuse_op(FAULT_SYNC, 0, EIO);
    FAILS(tn_store_open(&store, "s", TN_SHARED, &hasty), TN_EIO);
    cr_expect(faults_end());
    cr_expect(eq(u64, stores_state("s"), STORE_CLEAN));
    cr_expect(stores_sound("s", 0));
}

/* --- Growth --------------------------------------------------------------- */

static int grow_by_turns(struct child *parent, void *arg)
{
    struct stores_item item = {0, 0};
    tn_options options = stores_options;
    tn_store *store;
    char name[32];

    options.lock_timeout_ms = -1; /* a busy machine turns nobody away either */
    child_tell(parent);
    child_await(parent);
    for (unsigned round = 0; round < 12; round++) {
        if (tn_store_open(&store, "s", TN_SHARED, &options) != TN_OK) {
            fprintf(stderr, "%s\n", tn_errmsg());
            return 1;
        }
        for (unsigned i = 0; i < 10; i++) {
            snprintf(name, sizeof(name), "%s/%u/%u", (char *)arg, round, i);
            if (tn_construct(tn_store_segment(store), name, &stores_item, 90,
                             NULL, NULL) != TN_OK ||
                tn_construct(tn_store_segment(store), TN_ANONYMOUS,
                             &stores_item, 1, &item, NULL) != TN_OK)
                return 2;
        }
        if (tn_store_close(store) != TN_OK)
            return 3;
    }
    return 0;
}

/* Many grow it while others come and go; nobody is turned away. */
Test(shared, grows_under_many_hands)
{
    enum { GROWERS = 4 };
    static char *const names[GROWERS] = {"a", "b", "c", "d"};
    struct child growers[GROWERS];
    tn_store *store;

    for (int i = 0; i < GROWERS; i++) {
        child_start(&growers[i], grow_by_turns, names[i]);
        cr_assert(child_await(&growers[i]));
    }
    for (int i = 0; i < GROWERS; i++)
        child_tell(&growers[i]);
    for (int i = 0; i < GROWERS; i++)
        cr_assert(eq(int, child_wait(&growers[i]), 0));
    cr_expect(gt(sz, stores_length("s"), 10 * STORES_SIZE));
    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    cr_expect(eq(sz, tn_named_count(tn_store_segment(store)),
                 STORES_OBJECTS + GROWERS * 120));
    OK(tn_store_close(store));
    cr_expect(stores_sound("s", 0));
}

static int grow_by_pages(struct child *parent, void *arg)
{
    tn_options options = {.max_size = 1 << 30};
    tn_store *store;

    (void)arg;
    if (tn_store_open(&store, "t", TN_SHARED | TN_CREATE, &options) != TN_OK)
        return 1;
    child_tell(parent);
    for (int i = 0; i < 4000 && access("enough", F_OK) != 0; i++)
        if (tn_segment_grow(tn_store_segment(store), 4096) != TN_OK)
            return 2;
    return tn_store_close(store) == TN_OK ? 0 : 3;
}

Test(shared, can_be_joined_and_looked_at_while_it_grows)
{
    static const unsigned ways[] = {TN_SHARED, TN_READ_ONLY, TN_PRIVATE};
    struct child c;

    child_start(&c, grow_by_pages, NULL);
    cr_assert(child_await(&c));
    for (int i = 0; i < 400; i++) {
        tn_store *store;

        OK(tn_store_open(&store, "t", ways[i % 16 == 0 ? 2 : i % 2], NULL));
        OK(tn_store_close(store));
    }
    stores_put("enough", "", 0);
    cr_expect(eq(int, child_wait(&c), 0));
    OK(tn_check_file("t", NULL, NULL, NULL));
}

/* The same without a race: when an opener has asked for the file's size, the
 * segment is larger than that; asked again, it is not. */
struct moment {
    struct heap *heap;
    int looks; /* since it was mapped; -1: not mapped yet */
};

static int grow_between(void *arg, const struct fault_event *event)
{
    struct moment *m = arg;

    if (event->op == FAULT_MAP)
        m->looks = 0;
    if (event->op != FAULT_STAT || m->looks < 0)
        return 0;
    m->looks++;
    if (m->looks == 1)
        m->heap->size += 1 << 20;
    if (m->looks == 2)
        m->heap->size -= 1 << 20;
    return 0;
}

Test(shared, is_looked_at_twice_where_it_may_be_growing)
{
    tn_store *store = open_shared("s"), *other;
    struct moment m = {&tn_store_segment(store)->base->heap, -1};

    for (unsigned access = TN_READ_ONLY; access <= TN_SHARED; access++) {
        tn_status status;

        if (access == TN_PRIVATE)
            continue; /* joins like TN_SHARED */
        m.looks = -1;
        fault_set_hook(grow_between, &m);
        status = tn_store_open(&other, "s", access, &hasty);
        fault_set_hook(NULL, NULL);
        OK(status);
        cr_expect(eq(int, m.looks, 2));
        OK(tn_store_close(other));
    }
    OK(tn_store_close(store));
    cr_expect(stores_sound("s", 0));
}

/* Refuse all addresses but for the file as it is, and make it larger then. */
static int outgrow(void *arg, const struct fault_event *event)
{
    tn_store *store = arg;
    size_t size = tn_segment_size(tn_store_segment(store)) + STORE_SEGMENT_OFF;

    if (event->op != FAULT_MAP || event->path == NULL)
        return 0;
    if (event->size > size)
        return ENOMEM;
    return tn_segment_grow(tn_store_segment(store), 4096) == TN_OK ? 0 : EIO;
}

Test(shared, that_outgrows_an_opener_tells_it_so)
{
    tn_store *store = open_shared("s"), *other;

    for (unsigned access = TN_READ_ONLY; access <= TN_SHARED; access++) {
        fault_set_hook(outgrow, store);
        FAILS(tn_store_open(&other, "s", access, &hasty), TN_ENOMEM);
        fault_set_hook(NULL, NULL);
        cr_expect(strstr(tn_errmsg(), "addresses") != NULL, "%s", tn_errmsg());
    }
    OK(tn_store_close(store));
    cr_expect(stores_sound("s", 0));
}

Test(shared, goes_on_after_the_disk_was_full)
{
    tn_store *store = open_shared("s");
    tn_segment *seg = tn_store_segment(store);
    size_t free_bytes = tn_free_bytes(seg), size = tn_segment_size(seg);

    faults_refuse_all(FAULT_ALLOCATE, ENOSPC);
    cr_expect(tn_alloc(seg, 200000) == NULL);
    cr_expect(strstr(tn_errmsg(), "No space left") != NULL, "%s", tn_errmsg());
    FAILS(tn_construct(seg, "big", &stores_item, 20000, NULL, NULL), TN_ENOSPC);
    FAILS(tn_segment_grow(seg, 100000), TN_ENOSPC);
    cr_expect(faults_end());
    cr_expect(eq(sz, tn_free_bytes(seg), free_bytes));
    cr_expect(eq(sz, tn_segment_size(seg), size));
    cr_expect(eq(sz, stores_length("s"), STORES_SIZE));
    OK(tn_segment_check(seg, NULL, NULL));

    cr_expect(tn_alloc(seg, 200000) != NULL);
    OK(tn_construct(seg, "big", &stores_item, 20000, NULL, NULL));
    OK(tn_segment_grow(seg, 100000));
    OK(tn_store_close(store));
    cr_expect(stores_sound("s", 0));
}

/* What the kernel itself refuses, by a signal if one lets it. */
Test(shared, stops_at_the_limit_of_file_sizes)
{
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY};
    tn_store *store = open_shared("s");
    tn_segment *seg = tn_store_segment(store);

    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
    cr_expect(tn_alloc(seg, 2 << 20) == NULL);
    FAILS(tn_segment_grow(seg, 2 << 20), TN_ENOSPC);
    cr_expect(tn_alloc(seg, 300000) != NULL, "so much is allowed");
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
    OK(tn_segment_grow(seg, 2 << 20));
    OK(tn_store_close(store));
    cr_expect(stores_sound("s", 0));
}

Test(shared, grows_to_its_maximum_and_no_further)
{
    tn_options options = stores_options;
    tn_store *store = open_shared("s");
    tn_segment *seg = tn_store_segment(store);

    cr_expect(tn_alloc(seg, STORES_MAX) == NULL);
    FAILS(tn_segment_grow(seg, STORES_MAX), TN_ESIZE);
    FAILS(tn_segment_grow(seg, SIZE_MAX), TN_ESIZE);
    OK(tn_segment_grow(seg,
                       STORES_MAX - STORE_SEGMENT_OFF - tn_segment_size(seg)));
    cr_expect(eq(sz, stores_length("s"), STORES_MAX));
    FAILS(tn_segment_grow(seg, 16), TN_ESIZE);
    OK(tn_store_close(store));

    stores_make("t", TN_INDEX_DEFAULT);
    options.grow_step = TN_NO_GROWTH;
    OK(tn_store_open(&store, "t", TN_SHARED, &options));
    cr_expect(tn_alloc(tn_store_segment(store), STORES_SIZE) == NULL);
    OK(tn_segment_grow(tn_store_segment(store), STORES_SIZE));
    cr_expect(tn_alloc(tn_store_segment(store), STORES_SIZE / 2) != NULL);
    OK(tn_store_close(store));
}

static bool limit_addresses(size_t more)
{
    struct rlimit limit;
    FILE *f = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    bool read = f != NULL && fscanf(f, "%zu", &pages) == 1;

    if (f != NULL)
        fclose(f);
    limit.rlim_cur = limit.rlim_max = pages * 4096 + more;
    return read && setrlimit(RLIMIT_AS, &limit) == 0;
}

/* One who has addresses for 8 MiB only; the others grow to 16. */
static int stay_small(struct child *parent, void *arg)
{
    tn_store *store;
    tn_segment *seg;

    (void)arg;
    if (!limit_addresses(12 << 20))
        return 77;
    if (tn_store_open(&store, "t", TN_SHARED, NULL) != TN_OK)
        return 1;
    seg = tn_store_segment(store);
    if (tn_alloc(seg, 100) == NULL)
        return 2;
    child_tell(parent);
    child_await(parent);
    if (tn_alloc(seg, 100) != NULL ||
        strstr(tn_errmsg(), "open it again") == NULL)
        return 3;
    if (tn_find(seg, "x", NULL, NULL, NULL) != TN_ENOMEM)
        return 4;
    if (tn_store_save(store, "copy", NULL) != TN_ENOMEM)
        return 5;
    if (tn_flush(store) != TN_OK)
        return 6;
    child_tell(parent);
    child_await(parent);
    return tn_store_close(store) == TN_OK ? 0 : 7;
}

Test(shared, that_outgrows_a_process_tells_it_so)
{
    tn_options options = {.size = 1 << 20};
    tn_store *store;
    struct child c;

    OK(tn_store_open(&store, "t", TN_SHARED | TN_CREATE, &options));
    child_start(&c, stay_small, NULL);
    cr_assert(child_await(&c));
    OK(tn_segment_grow(tn_store_segment(store), 30 << 20));
    child_tell(&c);
    cr_expect(child_await(&c));
    OK(tn_store_close(store));
    child_tell(&c);
    cr_expect(eq(int, child_wait(&c), 0));
    cr_expect(eq(u64, stores_state("t"), STORE_CLEAN));
    OK(tn_check_file("t", NULL, NULL, NULL));
}

/* What waits where the last one to close has no addresses. */
Test(shared, that_outgrew_its_last_process_is_put_right_by_the_next)
{
    tn_options options = {.size = 1 << 20};
    tn_store *store;
    struct child c;
    tn_segment *seg;

    OK(tn_store_open(&store, "t", TN_SHARED | TN_CREATE, &options));
    seg = tn_store_segment(store);
    child_start(&c, stay_small, NULL);
    cr_assert(child_await(&c));
    OK(tn_segment_grow(seg, 30 << 20));
    cr_expect(tn_alloc(seg, 20 << 20) != NULL);
    OK(tn_free(seg, tn_alloc(seg, 1000)));
    child_tell(&c);
    cr_expect(child_await(&c));
    OK(tn_store_close(store));
    child_tell(&c);
    cr_expect(eq(int, child_wait(&c), 7), "it cannot end the shared use");
    OK(tn_store_open(&store, "t", TN_SHARED, NULL));
    OK(tn_store_close(store));
    cr_expect(eq(u64, stores_state("t"), STORE_CLEAN));
    OK(tn_check_file("t", NULL, NULL, NULL));
}

/* --- Failed syncs --------------------------------------------------------- */

Test(shared, is_in_doubt_after_a_failed_sync)
{
    static const enum fault_op ops[] = {FAULT_FLUSH, FAULT_SYNC};
    tn_store *a, *b, *c;

    for (int i = 0; i < 2; i++) {
        a = open_shared("s");
        b = open_shared("s");
        faults_refuse_op(ops[i], 0, EIO);
        FAILS(tn_flush(a), TN_EIO);
        cr_expect(faults_end());
        cr_expect(strstr(tn_errmsg(), "Input/output error") != NULL);
        FAILS(tn_flush(a), TN_EIO);
        FAILS(tn_flush(b), TN_EIO);
        FAILS(tn_store_open(&c, "s", TN_SHARED, &hasty), TN_EIO);
        cr_expect(stores_holds(tn_store_segment(b)), "reading goes on");
        OK(tn_store_close(b));
        FAILS(tn_store_close(a), TN_EIO);
        every_access_answers("s", TN_EDIRTY);
        cr_expect(stores_sound("s", TN_RECOVER));
        cr_expect(stores_sound("s", 0));
    }
}

/* --- Killed processes ----------------------------------------------------- */

static tn_status build_for_ever(tn_segment *seg, void *element, size_t index,
                                void *arg)
{
    (void)seg;
    (void)element;
    if (index < 2)
        return TN_OK;
    child_tell(arg);
    child_await(arg);
    return TN_EINVAL;
}

static int die_building(struct child *parent, void *name)
{
    tn_type type = stores_item;
    tn_store *store;

    type.init = build_for_ever;
    if (tn_store_open(&store, "s", TN_SHARED, NULL) == TN_OK)
        tn_construct(tn_store_segment(store), name, &type, 5, parent, NULL);
    return 1;
}

static void kill_one_building(const char *name)
{
    struct child c;

    child_start(&c, die_building, (void *)name);
    cr_assert(child_await(&c));
    cr_assert(eq(int, child_kill(&c), -SIGKILL));
}

Test(shared, takes_back_what_killed_processes_were_building)
{
    static const char *const names[] = {"half", TN_ANONYMOUS};

    for (int i = 0; i < 2; i++) {
        tn_store *store = open_shared("s");
        tn_segment *seg = tn_store_segment(store);
        size_t free_bytes = tn_free_bytes(seg);

        kill_one_building(names[i]);
        kill_one_building(names[i]);
        FAILS(tn_find(seg, "half", NULL, NULL, NULL), TN_ENOENT);
        cr_expect(tn_alloc(seg, 100) != NULL);
        OK(tn_store_close(store));
        cr_expect(eq(u64, stores_state("s"), STORE_CLEAN));
        OK(tn_check_file("s", NULL, NULL, NULL));
        store = open_shared("s");
        cr_expect(
            eq(sz, tn_free_bytes(tn_store_segment(store)), free_bytes - 112));
        OK(tn_store_close(store));
        cr_expect(stores_sound("s", 0));
    }
}

static int open_use_close(void *arg)
{
    tn_store *store;

    (void)arg;
    if (tn_store_open(&store, "s", TN_SHARED, &stores_options) != TN_OK)
        return 1;
    if (tn_free(tn_store_segment(store),
                tn_alloc(tn_store_segment(store), 500)) != TN_OK)
        return 2;
    if (tn_flush(store) != TN_OK)
        return 3;
    return tn_store_close(store) == TN_OK ? 0 : 4;
}

static int grow_it(void *arg)
{
    (void)arg;
    return tn_store_grow("s", 20000) == TN_OK ? 0 : 1;
}

/* There is always something to give up. */
static int grow_and_shrink_it(void *arg)
{
    return grow_it(arg) == 0 && tn_store_shrink("s") == TN_OK ? 0 : 1;
}

static int save_it(void *arg)
{
    tn_store *store;

    (void)arg;
    if (tn_store_open(&store, "s", TN_SHARED, &stores_options) != TN_OK)
        return 1;
    if (tn_store_save(store, "saved", NULL) != TN_OK)
        return 2;
    return tn_store_close(store) == TN_OK ? 0 : 3;
}

static int look_at_it(void *arg)
{
    tn_store *store;

    (void)arg;
    if (tn_store_open(&store, "s", TN_PRIVATE, &stores_options) != TN_OK)
        return 1;
    return tn_store_close(store) == TN_OK ? 0 : 2;
}

static int (*const works[])(void *arg) = {
    open_use_close, grow_it, grow_and_shrink_it, save_it, look_at_it};
enum { WORKS = sizeof(works) / sizeof(works[0]) };

static void settle_saved(int n)
{
    if (access("saved", F_OK) != 0)
        return;
    cr_expect(stores_sound("saved", 0), "op %d", n);
    cr_assert(eq(int, unlink("saved"), 0));
}

Test(shared, is_sound_wherever_a_process_was_killed)
{
    for (int w = 0; w < WORKS; w++) {
        for (int n = 0; stores_killed_at(n, works[w], NULL); n++) {
            cr_assert(stores_sound("s", 0), "work %d, op %d", w, n);
            settle_saved(n);
            cr_assert(eq(int, tmpdir_names(), 1), "work %d, op %d", w, n);
        }
        unlink("saved");
    }
}

/* Killed again and again before anybody puts it right. */
Test(shared, is_sound_after_many_were_killed_in_turn)
{
    for (int n = 1; n < 60; n++)
        stores_killed_at((n * 7) % 31, works[n % 3], NULL);
    cr_expect(stores_sound("s", 0));
}

/* Several at once, each at a moment of its own, so that they meet in all phases
 * of opening and closing; the last may be killed too, or close in order. */
Test(shared, is_sound_after_many_were_killed_at_once)
{
    enum { VICTIMS = 4, ROUNDS = 40 };
    struct stores_victim victims[VICTIMS];
    struct child children[VICTIMS];
    uint64_t random = 4711;
    int killed = 0;

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < VICTIMS; i++) {
            random = random * UINT64_C(6364136223846793005) + 1;
            victims[i] = (struct stores_victim){
                .n = (int)((random >> 33) % 45),
                .work = (random >> 20) % 4 == 0 ? grow_it : open_use_close};
            stores_start_victim(&children[i], &victims[i]);
        }
        for (int i = 0; i < VICTIMS; i++) {
            int how = child_wait(&children[i]);

            cr_assert(how == 0 || how == -SIGKILL, "round %d: %d", round, how);
            killed += how == -SIGKILL;
        }
        if (round % 4 == 3)
            cr_assert(stores_sound("s", 0), "round %d", round);
    }
    cr_expect(gt(int, killed, ROUNDS));
}

Test(shared, goes_on_for_others_wherever_a_process_was_killed)
{
    for (int w = 0; w < WORKS; w++) {
        tn_store *store = open_shared("s");
        tn_segment *seg = tn_store_segment(store);

        if (works[w] == grow_and_shrink_it) {
            OK(tn_store_close(store));
            continue; /* it may not, beside others */
        }
        for (int n = 0; stores_killed_at(n, works[w], NULL); n++) {
            cr_assert(stores_holds(seg), "work %d, op %d", w, n);
            cr_assert(tn_free(seg, tn_alloc(seg, 1000)) == TN_OK);
            OK(tn_flush(store));
            settle_saved(n);
        }
        unlink("saved");
        OK(tn_store_close(store));
        cr_expect(eq(u64, stores_state("s"), STORE_CLEAN));
        cr_assert(stores_sound("s", 0), "work %d", w);
    }
}

/* --- Refused operations --------------------------------------------------- */

static const int numbers[] = {EIO, ENOSPC, ENOMEM};

static tn_status use_under_faults(int w)
{
    tn_store *store;
    tn_status status, closed;

    if (w == 0)
        return tn_store_grow("s", 20000);
    if (w == 1)
        return tn_store_shrink("s");
    status = tn_store_open(&store, "s", TN_SHARED, &stores_options);
    if (status != TN_OK)
        return status;
    status = w == 2 ? tn_store_save(store, "saved", NULL) : tn_flush(store);
    closed = tn_store_close(store);
    return status != TN_OK ? status : closed;
}

Test(shared, is_sound_whatever_was_refused)
{
    int before = faults_descriptors();

    for (int w = 0; w < 4; w++) {
        bool more = true;

        for (int n = 0; more; n++) {
            enum fault_op last;
            tn_status status;
            bool synced;

            faults_refuse(n, numbers[n % 3]);
            status = use_under_faults(w);
            more = faults_end();
            last = faults_last();
            synced = !more || (last != FAULT_SYNC && last != FAULT_FLUSH);
            cr_assert(stores_documented(status), "work %d, op %d: %d", w, n,
                      status);
            cr_assert(eq(int, faults_descriptors(), before), "op %d", n);
            cr_assert(stores_sound("s", synced ? 0 : TN_RECOVER),
                      "work %d, op %d", w, n);
            settle_saved(n);
            cr_assert(eq(int, tmpdir_names(), 1), "work %d, op %d", w, n);
        }
    }
}

/* --- Off line ------------------------------------------------------------- */

Test(shared, grows_and_shrinks_off_line)
{
    OK(tn_store_grow("s", 500001));
    cr_expect(eq(sz, stores_length("s"), STORES_SIZE + 503808));
    OK(tn_store_shrink("s"));
    cr_expect(lt(sz, stores_length("s"), STORES_SIZE));
    cr_expect(stores_sound("s", 0));
    OK(tn_store_shrink("s"));
    cr_expect(stores_sound("s", 0));
    OK(tn_store_grow("s", 0));
    FAILS(tn_store_grow("s", SIZE_MAX), TN_ESIZE);
    FAILS(tn_store_grow("s", STORES_MAX), TN_ESIZE);
    cr_expect(eq(int, strncmp(tn_errmsg(), "s: ", 3), 0), "%s", tn_errmsg());
    FAILS(tn_store_grow("none", 1), TN_ENOENT);
    FAILS(tn_store_shrink(NULL), TN_EINVAL);
    cr_expect(stores_sound("s", 0));
}

Test(shared, shrinks_only_when_nobody_has_it)
{
    tn_store *store = open_shared("s"), *view;

    FAILS(tn_store_shrink("s"), TN_EBUSY);
    OK(tn_store_open(&view, "s", TN_READ_ONLY, NULL));
    OK(tn_store_close(store));
    FAILS(tn_store_shrink("s"), TN_EBUSY);
    cr_expect(eq(sz, stores_length("s"), STORES_SIZE));
    cr_expect(stores_holds(tn_store_segment(view)));
    OK(tn_store_close(view));
    OK(tn_store_shrink("s"));
}

/* What was added to the file does not become the store's. */
Test(shared, sessions_leave_what_is_behind_the_largest_store_alone)
{
    static const char more[2500] = "not the store's";
    tn_options full = {.size = STORES_SIZE, .max_size = STORES_SIZE};
    tn_store *store;

    cr_assert(eq(int,
                 tn_store_open(&store, "full", TN_SHARED | TN_CREATE, &full),
                 TN_OK));
    cr_assert(eq(int, tn_store_close(store), TN_OK));
    stores_write("full", more, sizeof(more), STORES_SIZE);
    for (int i = 0; i < 2; i++) {
        cr_assert(
            eq(int, tn_store_open(&store, "full", TN_SHARED, NULL), TN_OK));
        cr_assert(eq(int, tn_store_close(store), TN_OK));
    }
    cr_expect(eq(int, tn_check_file("full", NULL, NULL, NULL), TN_OK));
}
