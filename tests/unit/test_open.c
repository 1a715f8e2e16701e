/* test_open.c - whatever lies under the name, opening answers
 *
 * What is opened here is cut off at every sector, overwritten, no file at all,
 * or has single bits flipped; all accesses must answer with a status that the
 * header lists and a text that names the file, and must not crash or hang.
 * What a damaged store does once it was let in is tried in children.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/faults.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"
#include "segment/layout.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

static void make_store(void)
{
    tmpdir_enter();
    stores_make("s", TN_INDEX_DEFAULT);
}

TestSuite(open, .init = make_store, .fini = tmpdir_leave, .timeout = 60);

static const unsigned ways[] = {TN_READ_ONLY,
                                TN_PRIVATE,
                                TN_SHARED,
                                TN_READ_ONLY | TN_VERIFY,
                                TN_PRIVATE | TN_VERIFY,
                                TN_SHARED | TN_VERIFY,
                                TN_SHARED | TN_RECOVER,
                                TN_SHARED | TN_CREATE};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static bool names_the_file(const char *path)
{
    size_t length = strlen(path);
    const char *found = strstr(tn_errmsg(), path);

    return found != NULL && found[length] == ':';
}

static tn_status open_by(const char *path, unsigned flags)
{
    tn_store *store = (void *)&store;
    tn_status status = tn_store_open(&store, path, flags, &stores_options);

    if (status == TN_OK)
        return tn_store_close(store);
    cr_expect(store == (void *)&store, "the result was written to");
    cr_expect(names_the_file(path), "%s", tn_errmsg());
    return status;
}

/* --- Arguments ------------------------------------------------------------ */

Test(open, refuses_arguments_that_make_no_sense)
{
    tn_options odd = {.address = (void *)0x10001};
    tn_store *store;

    FAILS(tn_store_open(NULL, "s", TN_SHARED, NULL), TN_EINVAL);
    FAILS(tn_store_open(&store, NULL, TN_SHARED, NULL), TN_EINVAL);
    FAILS(tn_store_open(&store, "", TN_SHARED, NULL), TN_EINVAL);
    FAILS(open_by("s", TN_SHARED | 0x1000), TN_EINVAL);
    FAILS(open_by("s", TN_SHARED | TN_EXCLUSIVE), TN_EINVAL);
    FAILS(open_by("s", TN_READ_ONLY | TN_CREATE), TN_EINVAL);
    FAILS(open_by("s", TN_PRIVATE | TN_CREATE), TN_EINVAL);
    FAILS(tn_store_open(&store, "s", TN_SHARED, &odd), TN_EINVAL);
}

Test(open, without_a_store_or_a_place_says_so)
{
    tn_store_info info;
    tn_store *store;

    OK(tn_store_close(NULL));
    cr_expect(tn_store_segment(NULL) == NULL);
    FAILS(tn_flush(NULL), TN_EINVAL);
    FAILS(tn_store_describe(NULL, &info), TN_EINVAL);
    FAILS(tn_store_save(NULL, "t", NULL), TN_EINVAL);
    OK(tn_store_open(&store, "s", TN_PRIVATE, NULL));
    FAILS(tn_store_describe(store, NULL), TN_EINVAL);
    FAILS(tn_store_save(store, NULL, NULL), TN_EINVAL);
    FAILS(tn_store_save(store, "", NULL), TN_EINVAL);
    FAILS(tn_flush(store), TN_EINVAL);
    OK(tn_store_close(store));
}

/* --- Creating ------------------------------------------------------------- */

Test(open, makes_the_file_only_if_asked)
{
    for (int i = 0; i < WAYS - 1; i++)
        FAILS(open_by("t", ways[i]), TN_ENOENT);
    cr_expect(eq(int, tmpdir_names(), 1));
    OK(open_by("t", TN_SHARED | TN_CREATE));
    OK(open_by("t", TN_SHARED | TN_CREATE));
    FAILS(open_by("t", TN_SHARED | TN_CREATE | TN_EXCLUSIVE), TN_EEXIST);
    FAILS(open_by("none/t", TN_SHARED | TN_CREATE), TN_ENOENT);
    OK(open_by("u", TN_SHARED | TN_CREATE | TN_EXCLUSIVE));
}

/* A link to nothing has a name that cannot be made and no file to open. */
Test(open, of_a_link_to_nothing_ends)
{
    cr_assert(eq(int, symlink("nothing", "t"), 0));
    FAILS(open_by("t", TN_SHARED), TN_ENOENT);
    FAILS(open_by("t", TN_SHARED | TN_CREATE), TN_EBUSY);
    FAILS(open_by("t", TN_SHARED | TN_CREATE | TN_EXCLUSIVE), TN_EEXIST);
    cr_expect(eq(int, tmpdir_names(), 2));
}

Test(open, through_a_link_is_the_same_store)
{
    tn_store *store;

    cr_assert(eq(int, symlink("s", "t"), 0));
    OK(tn_store_open(&store, "s", TN_SHARED, NULL));
    FAILS(tn_store_shrink("t"), TN_EBUSY);
    OK(open_by("t", TN_SHARED));
    OK(tn_store_close(store));
    cr_expect(stores_sound("t", 0));
}

/* --- What is no store ----------------------------------------------------- */

Test(open, of_what_is_no_file_says_what_it_is)
{
    cr_assert(eq(int, mkdir("d", 0700), 0));
    cr_assert(eq(int, mkfifo("f", 0600), 0));
    for (int i = 0; i < WAYS; i++) {
        FAILS(open_by("d", ways[i]), TN_EINVAL);
        FAILS(open_by("f", ways[i]), TN_EINVAL);
        FAILS(open_by("/dev/zero", ways[i]), TN_EINVAL);
    }
}

Test(open, of_another_file_changes_nothing_in_it)
{
    static const size_t sizes[] = {0,    1,    511,  512,  513,
                                   4095, 4096, 4097, 8192, 100000};
    static unsigned char bytes[100000], now[100000];
    uint64_t random = 42;

    for (size_t i = 0; i < sizeof(bytes); i++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        bytes[i] = (unsigned char)(random >> 56);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int text = 0; text < 2; text++) {
            stores_put("t", text ? memset(bytes, 'a', sizes[i]) : bytes,
                       sizes[i]);
            for (int w = 0; w < WAYS; w++)
                FAILS(open_by("t", ways[w]), TN_ENOTSTORE);
            FAILS(tn_check_file("t", NULL, NULL, NULL), TN_ENOTSTORE);
            stores_read("t", now, sizes[i], 0);
            cr_expect(eq(int, memcmp(now, bytes, sizes[i]), 0));
        }
    }
}

Test(open, of_a_store_that_was_cut_off_says_so)
{
    static char bytes[STORES_SIZE];
    tn_status status;

    stores_read("s", bytes, sizeof(bytes), 0);
    for (size_t size = 0; size < sizeof(bytes); size += 512) {
        stores_put("t", bytes, size);
        for (int w = 0; w < WAYS; w++) {
            status = open_by("t", ways[w]);
            cr_assert(eq(int, status, size < 512 ? TN_ENOTSTORE : TN_ESIZE),
                      "%zu", size);
        }
        cr_assert(eq(int, (int)stores_length("t"), (int)size));
    }
}

Test(open, of_a_store_with_more_behind_it_goes_on)
{
    static char more[10000];
    size_t size = stores_length("s");

    memset(more, 0xee, sizeof(more));
    cr_assert(eq(int, truncate("s", (off_t)(size + sizeof(more))), 0));
    stores_write("s", more, sizeof(more), size);
    for (int w = 0; w < WAYS; w++)
        OK(open_by("s", ways[w]));
    cr_expect(stores_sound("s", 0));
}

/* Each by itself is sound, and still one of them is not this store's. */
Test(open, verified_a_superblock_and_a_segment_of_two_kinds_are_refused)
{
    static const unsigned access[] = {TN_READ_ONLY, TN_PRIVATE, TN_DURABLE,
                                      TN_SHARED};
    struct superblock sb;
    tn_store *store;

    stores_make("two", TN_INDEX_MAP);
    stores_superblock("two", &sb);
    sb.index = TN_INDEX_HASH;
    stores_reseal("two", &sb);
    for (int i = 0; i < 4; i++)
        cr_expect(eq(int,
                     tn_store_open(&store, "two", access[i] | TN_VERIFY,
                                   &stores_options),
                     TN_ECORRUPT),
                  "access %u", access[i]);
}

/* --- Damage --------------------------------------------------------------- */

/* A child's: 0, it was refused; 1, it was let in and did not crash. */
static int use(struct child *parent, void *arg)
{
    const unsigned *flags = arg;
    tn_store *store;
    tn_status status;

    (void)parent;
    status = tn_store_open(&store, "t", *flags, &stores_options);
    if (status != TN_OK)
        return stores_documented(status) && names_the_file("t") ? 0 : 2;
    stores_use(tn_store_segment(store));
    status = tn_store_close(store);
    return stores_documented(status) ? 1 : 3;
}

static int use_as(unsigned flags)
{
    struct child c;

    child_start(&c, use, &flags);
    return child_wait(&c);
}

/* Every word of the segment's header, the heap's included, gets values that
 * are absurd: too large, not aligned, or of another time. */
Test(open, verified_headers_of_segments_are_refused_or_safe)
{
    static const uint64_t values[] = {0, 1, 8, 0x1000, 0xfff8, UINT64_MAX};
    static char bytes[STORES_SIZE];
    size_t header = offsetof(struct segment, names_lock);
    int how;

    stores_read("s", bytes, sizeof(bytes), 0);
    for (size_t at = 0; at < header; at += 8) {
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            stores_put("t", bytes, sizeof(bytes));
            stores_write("t", &values[v], 8, STORE_SEGMENT_OFF + at);
            how = use_as(v % 2 == 0 ? TN_PRIVATE | TN_VERIFY
                                    : TN_SHARED | TN_VERIFY);
            cr_assert(how == 0 || how == 1, "offset %zu, value %zu: %d", at, v,
                      how);
        }
    }
}

static const uint64_t seed = 20240229;

static void flip(char *bytes, size_t bit)
{
    bytes[bit / 8] ^= (char)(1 << (bit % 8));
}

/* A bit in what is in use is found; one in free memory or in an object's own
 * bytes does no harm. */
static void flip_bits_of(tn_index index)
{
    static char bytes[STORES_SIZE];
    uint64_t random = seed;
    int refused = 0, how;

    stores_make("i", index);
    stores_read("i", bytes, sizeof(bytes), 0);
    cr_assert(eq(int, unlink("i"), 0));
    for (int i = 0; i < 50; i++) {
        size_t range = i % 3 == 0 ? sizeof(bytes) : 12000, bit;

        random = random * UINT64_C(6364136223846793005) + 1;
        bit = 8 * STORE_SEGMENT_OFF +
              (random >> 20) % (8 * (range - STORE_SEGMENT_OFF));
        flip(bytes, bit);
        stores_put("t", bytes, sizeof(bytes));
        flip(bytes, bit);
        how =
            use_as(i % 2 == 0 ? TN_PRIVATE | TN_VERIFY : TN_SHARED | TN_VERIFY);
        cr_assert(how == 0 || how == 1, "index %d, bit %zu: %d", (int)index,
                  bit, how);
        refused += how == 0;
    }
    cr_expect(gt(int, refused, 5), "index %d", (int)index);
}

Test(open, a_flipped_bit_is_refused_or_safe)
{
    for (int index = TN_INDEX_ISET; index < TN_INDEX_NULL; index++)
        flip_bits_of((tn_index)index);
}

/* The same where somebody was killed: what is damaged is found before anything
 * is put right in the file. */
Test(open, a_flipped_bit_in_what_killed_processes_left_is_refused_or_safe)
{
    static char bytes[STORES_SIZE], now[STORES_SIZE];
    uint64_t random = seed;
    int how;

    stores_set_state("s", STORE_SHARED);
    stores_read("s", bytes, sizeof(bytes), 0);
    for (int i = 0; i < 100; i++) {
        size_t bit;

        random = random * UINT64_C(6364136223846793005) + 1;
        bit = 8 * STORE_SEGMENT_OFF +
              (random >> 20) % (8 * (size_t)(12000 - STORE_SEGMENT_OFF));
        flip(bytes, bit);
        stores_put("t", bytes, sizeof(bytes));
        how = use_as(TN_SHARED | TN_VERIFY | TN_RECOVER);
        cr_assert(how == 0 || how == 1, "bit %zu: %d", bit, how);
        stores_read("t", now, sizeof(now), 0);
        if (how == 0)
            cr_assert(eq(int, memcmp(now, bytes, sizeof(now)), 0), "bit %zu",
                      bit);
        flip(bytes, bit);
    }
}

/* --- Addresses ------------------------------------------------------------ */

static void *free_address(size_t size)
{
    void *p = mmap(NULL, size, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    cr_assert(p != MAP_FAILED);
    munmap(p, size);
    return p;
}

Test(open, maps_at_the_address_asked_for_or_fails)
{
    tn_options options = stores_options;
    tn_store *store, *other;

    options.address = free_address(STORES_MAX);
    OK(tn_store_open(&store, "s", TN_SHARED, &options));
    cr_expect(eq(ptr, tn_segment_base(tn_store_segment(store)),
                 (char *)options.address + STORE_SEGMENT_OFF));
    for (int i = 0; i < 3; i++) {
        FAILS(tn_store_open(&other, "s", ways[i], &options), TN_EBUSY);
        cr_expect(names_the_file("s"));
    }
    OK(tn_store_close(store));
    for (int i = 0; i < 3; i++) {
        OK(tn_store_open(&other, "s", ways[i], &options));
        cr_expect(stores_holds(tn_store_segment(other)));
        OK(tn_store_close(other));
    }
}

static void limit_addresses(size_t more)
{
    struct rlimit limit;
    FILE *f = fopen("/proc/self/statm", "r");
    size_t pages;

    cr_assert(f != NULL && fscanf(f, "%zu", &pages) == 1);
    fclose(f);
    limit.rlim_cur = limit.rlim_max = pages * 4096 + more;
    cr_assert(eq(int, setrlimit(RLIMIT_AS, &limit), 0));
}

Test(open, takes_fewer_addresses_where_there_are_fewer)
{
    tn_options options = {.size = 1 << 20};
    tn_store *store;

    OK(tn_store_open(&store, "t", TN_SHARED | TN_CREATE, &options));
    OK(tn_store_close(store));
    limit_addresses((size_t)64 << 20);
    for (int i = 0; i < 3; i++) {
        OK(tn_store_open(&store, "t", ways[i], NULL));
        cr_expect(tn_alloc(tn_store_segment(store), 100) != NULL ||
                  ways[i] == TN_READ_ONLY);
        OK(tn_store_close(store));
    }
}

Test(open, without_addresses_for_the_file_says_so)
{
    tn_options options = {.size = 256 << 20};
    tn_store *store;

    OK(tn_store_open(&store, "t", TN_SHARED | TN_CREATE, &options));
    OK(tn_store_close(store));
    limit_addresses((size_t)128 << 20);
    for (int i = 0; i < 3; i++)
        FAILS(open_by("t", ways[i]), TN_ENOMEM);
}

/* --- Permissions ---------------------------------------------------------- */

/* Can this process become one that may not do everything? */
static bool drop_privileges(void)
{
    return getuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0);
}

static int look_without_permission(struct child *parent, void *arg)
{
    tn_store *store;

    (void)arg;
    if (!drop_privileges())
        return 77;
    if (tn_store_open(&store, "s", TN_SHARED, &stores_options) != TN_EACCES)
        return 1;
    if (tn_store_open(&store, "t", TN_SHARED | TN_CREATE, NULL) != TN_EACCES)
        return 2;
    for (unsigned access = TN_READ_ONLY; access <= TN_PRIVATE; access++) {
        if (tn_store_open(&store, "s", access | TN_VERIFY, &stores_options) !=
            TN_OK)
            return 3;
        if (!stores_holds(tn_store_segment(store)))
            return 4;
        child_tell(parent);
        child_await(parent);
        if (tn_store_close(store) != TN_OK)
            return 5;
    }
    if (tn_check_file("s", NULL, NULL, NULL) != TN_OK)
        return 6;
    return 0;
}

static void require_unprivileged(int how)
{
    if (how == 77)
        cr_skip("cannot drop privileges here");
    cr_expect(eq(int, how, 0));
}

/* It can look at the store, and while it does nobody gets to change it. */
Test(open, for_reading_needs_permission_to_read_only)
{
    struct child c;

    cr_assert(eq(int, chmod(".", 0755), 0));
    cr_assert(eq(int, chmod("s", 0444), 0));
    child_start(&c, look_without_permission, NULL);
    for (int i = 0; i < 2 && child_await(&c); i++) {
        tn_options hasty = {.lock_timeout_ms = 50};
        tn_store *store;

        FAILS(tn_store_open(&store, "s", TN_SHARED, &hasty), TN_EBUSY);
        child_tell(&c);
    }
    require_unprivileged(child_wait(&c));
    cr_expect(stores_sound("s", 0));
}

static int look_at_what_is_not_mine(struct child *parent, void *arg)
{
    tn_store *store;

    (void)parent;
    (void)arg;
    if (!drop_privileges())
        return 77;
    if (tn_store_open(&store, "s", TN_READ_ONLY, NULL) != TN_EACCES)
        return 1;
    return tn_check_file("s", NULL, NULL, NULL) == TN_EACCES ? 0 : 2;
}

Test(open, without_permission_says_so)
{
    struct child c;

    cr_assert(eq(int, chmod(".", 0755), 0));
    cr_assert(eq(int, chmod("s", 0), 0));
    child_start(&c, look_at_what_is_not_mine, NULL);
    require_unprivileged(child_wait(&c));
}

static int look_at_what_was_left(struct child *parent, void *arg)
{
    tn_store *store;
    tn_segment *seg;

    (void)parent;
    (void)arg;
    if (!drop_privileges())
        return 77;
    if (tn_store_open(&store, "s", TN_READ_ONLY | TN_VERIFY, NULL) != TN_OK)
        return 1;
    if (!stores_holds(tn_store_segment(store)))
        return 2;
    if (tn_alloc(tn_store_segment(store), 1) != NULL)
        return 3;
    tn_store_close(store);
    if (tn_store_open(&store, "s", TN_PRIVATE | TN_VERIFY, NULL) != TN_OK)
        return 4;
    seg = tn_store_segment(store);
    if (!stores_holds(seg) || tn_alloc(seg, 500000) == NULL)
        return 5;
    return tn_store_close(store) == TN_OK ? 0 : 6;
}

/* It is put right in memory. */
Test(open, of_what_killed_processes_left_needs_no_permission_to_write)
{
    struct child c;

    stores_abandon("s");
    cr_assert(eq(int, chmod(".", 0755), 0));
    cr_assert(eq(int, chmod("s", 0444), 0));
    child_start(&c, look_at_what_was_left, NULL);
    require_unprivileged(child_wait(&c));
    cr_expect(eq(u64, stores_state("s"), STORE_SHARED));
    cr_expect(stores_sound("s", 0));
}

/* --- Forks ---------------------------------------------------------------- */

static int close_after_fork(struct child *parent, void *arg)
{
    tn_store *store = arg;
    tn_store_info info;

    (void)parent;
    if (tn_flush(store) != TN_EINVAL ||
        tn_store_describe(store, &info) != TN_EINVAL ||
        tn_store_save(store, "t", NULL) != TN_EINVAL)
        return 1;
    return tn_store_close(store) == TN_OK ? 0 : 2;
}

/* The child's end of a handle marks nothing clean and drops no lock. */
Test(open, in_the_parent_ends_with_the_parent)
{
    tn_store *store;
    struct child c;

    for (int i = 0; i < 3; i++) {
        tn_options hasty = {.lock_timeout_ms = 20};
        tn_store *other;

        OK(tn_store_open(&store, "s", ways[i], NULL));
        child_start(&c, close_after_fork, store);
        cr_expect(eq(int, child_wait(&c), 0));
        cr_expect(stores_holds(tn_store_segment(store)));
        if (ways[i] == TN_SHARED) {
            cr_expect(eq(u64, stores_state("s"), STORE_SHARED));
            FAILS(tn_store_shrink("s"), TN_EBUSY);
        } else {
            FAILS(tn_store_open(&other, "s", TN_SHARED, &hasty), TN_EBUSY);
        }
        OK(tn_store_close(store));
        cr_expect(eq(u64, stores_state("s"), STORE_CLEAN));
    }
    cr_expect(eq(int, tmpdir_names(), 1));
    cr_expect(stores_sound("s", 0));
}

static int outlive(struct child *parent, void *arg)
{
    (void)arg;
    child_tell(parent);
    return child_await(parent) ? 0 : 1;
}

/* A child that lives on keeps no lock of its parent's. */
Test(open, leaves_no_lock_in_a_child_that_lives_longer)
{
    tn_store *store;
    struct child c;

    OK(tn_store_open(&store, "s", TN_SHARED, NULL));
    child_start(&c, outlive, NULL);
    cr_assert(child_await(&c));
    OK(tn_store_close(store));
    cr_expect(eq(u64, stores_state("s"), STORE_CLEAN));
    OK(tn_store_shrink("s"));
    child_tell(&c);
    cr_expect(eq(int, child_wait(&c), 0));
}

/* --- Refusals ------------------------------------------------------------- */

static const int numbers[] = {EIO, ENOSPC, ENOMEM, EACCES};

/* Every operation of opening and closing fails once, for each reason.  Nothing
 * stays open, and the store is as good as before; only after a failed sync it
 * has to be taken over. */
static void fail_everywhere(unsigned flags)
{
    int before = faults_descriptors();
    bool more = true;

    for (int n = 0; more; n++) {
        for (size_t e = 0; e < sizeof(numbers) / sizeof(numbers[0]); e++) {
            enum fault_op last;
            tn_store *store;
            tn_status status;
            bool synced;

            faults_refuse(n, numbers[e]);
            status = tn_store_open(&store, "s", flags, &stores_options);
            if (status == TN_OK)
                status = tn_store_close(store);
            more = faults_end();
            last = faults_last();
            synced = !more || (last != FAULT_SYNC && last != FAULT_FLUSH);
            cr_assert(stores_documented(status), "op %d: %d", n, status);
            cr_expect(status == TN_OK || names_the_file("s"), "%s",
                      tn_errmsg());
            cr_assert(eq(int, faults_descriptors(), before), "op %d", n);
            cr_assert(stores_sound("s", synced ? 0 : TN_RECOVER), "op %d", n);
        }
    }
    cr_expect(eq(int, tmpdir_names(), 1));
}

Test(open, read_only_survives_every_refusal)
{
    fail_everywhere(TN_READ_ONLY);
}

Test(open, private_survives_every_refusal)
{
    fail_everywhere(TN_PRIVATE | TN_VERIFY);
}

Test(open, shared_survives_every_refusal)
{
    fail_everywhere(TN_SHARED);
}

Test(open, of_what_killed_processes_left_survives_every_refusal)
{
    bool more = true;

    for (int n = 0; more; n++) {
        tn_store *store;
        tn_status status;

        stores_abandon("s");
        faults_refuse(n, EIO);
        status =
            tn_store_open(&store, "s", TN_SHARED | TN_VERIFY, &stores_options);
        more = faults_end();
        cr_assert(stores_documented(status), "op %d: %d", n, status);
        if (status == TN_OK)
            OK(tn_store_close(store));
        cr_assert(stores_sound("s", 0), "op %d", n);
    }
}

/* Between the two descriptors the name becomes another store's, and then the
 * first one's again. */
static int swap_names(void *arg, const struct fault_event *event)
{
    int *opens = arg;

    if (event->op != FAULT_OPEN)
        return 0;
    if (++*opens == 2)
        return rename("s", "kept") == 0 && rename("other", "s") == 0 ? 0 : EIO;
    return 0;
}

Test(open, locks_the_file_that_it_maps)
{
    tn_store *store;
    int opens = 0;

    stores_make("other", TN_INDEX_ISET);
    fault_set_hook(swap_names, &opens);
    OK(tn_store_open(&store, "s", TN_SHARED, &stores_options));
    fault_set_hook(NULL, NULL);
    cr_expect(eq(int, opens, 4), "both opened again");
    FAILS(tn_store_shrink("s"), TN_EBUSY);
    OK(tn_store_shrink("kept"));
    OK(tn_store_close(store));
    cr_expect(stores_sound("s", 0));
    cr_expect(stores_sound("kept", 0));
}

/* --- Races ---------------------------------------------------------------- */

enum { ROUNDS = 25 };

/* Open or make it, use it, and sometimes take it away, or put another in its
 * place. */
static int come_and_go(struct child *parent, void *arg)
{
    unsigned number = *(unsigned *)arg;
    tn_store *store;
    char mine[16];

    snprintf(mine, sizeof(mine), "mine%u", number);
    child_tell(parent);
    child_await(parent);
    for (unsigned i = 0; i < ROUNDS; i++) {
        tn_status status;

        if (tn_store_open(&store, "r", TN_SHARED | TN_CREATE,
                          &stores_options) != TN_OK)
            return 1;
        if (tn_alloc(tn_store_segment(store), 5000) == NULL)
            return 2;
        status = tn_store_close(store);
        if (status != TN_OK)
            return 3;
        if ((i + number) % 5 == 0)
            unlink("r");
        if ((i + number) % 7 == 0) {
            if (tn_store_open(&store, "s", TN_PRIVATE, NULL) != TN_OK ||
                tn_store_save(store, mine, NULL) != TN_OK ||
                tn_store_close(store) != TN_OK || rename(mine, "r") != 0)
                return 4;
        }
    }
    return 0;
}

Test(open, by_many_who_make_remove_and_replace_it_is_always_of_a_whole_file)
{
    enum { RACERS = 4 };
    struct child racers[RACERS];
    unsigned seeds[RACERS];

    for (unsigned i = 0; i < RACERS; i++) {
        seeds[i] = i;
        child_start(&racers[i], come_and_go, &seeds[i]);
        cr_assert(child_await(&racers[i]));
    }
    for (int i = 0; i < RACERS; i++)
        child_tell(&racers[i]);
    for (int i = 0; i < RACERS; i++)
        cr_expect(eq(int, child_wait(&racers[i]), 0));
    if (access("r", F_OK) == 0) {
        cr_expect(eq(u64, stores_state("r"), STORE_CLEAN));
        OK(tn_check_file("r", NULL, NULL, NULL));
    }
    cr_expect(stores_sound("s", 0));
}
