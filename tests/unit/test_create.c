/* test_create.c - a new store appears whole, or not at all
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
#include "os/region.h"
#include "store/store.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

static void enter(void)
{
    tmpdir_enter();
}

TestSuite(create, .init = enter, .fini = tmpdir_leave, .timeout = 60);

static tn_status create(const char *path, size_t size, size_t max_size)
{
    tn_options options = {.size = size, .max_size = max_size};

    return store_create(path, &options);
}

static void describe(const char *path, tn_store_info *info)
{
    tn_store *store;

    OK(tn_store_open(&store, path, TN_READ_ONLY, NULL));
    OK(tn_store_describe(store, info));
    OK(tn_store_close(store));
}

Test(create, without_options_has_the_documented_defaults)
{
    tn_store_info info;
    struct stat st;

    OK(store_create("s", NULL));
    describe("s", &info);
    cr_expect(eq(sz, info.file_size, 1 << 20));
    cr_expect(eq(sz, info.segment_size, (1 << 20) - STORE_SEGMENT_OFF));
    cr_expect(eq(sz, info.max_size, (size_t)1 << 40));
    cr_expect(eq(int, info.index, TN_INDEX_MAP));
    cr_expect(eq(int, info.fit, TN_FIT_BEST));
    cr_expect(eq(int, info.state, TN_STATE_CLEAN));
    cr_assert(eq(int, stat("s", &st), 0));
    cr_expect(eq(int, st.st_mode & 07777, 0644));
    OK(tn_check_file("s", NULL, NULL, NULL));
}

Test(create, rounds_sizes_up_to_pages)
{
    size_t page = region_page_size();
    tn_store_info info;

    OK(create("s", 20 * page + 1, 30 * page + 1));
    describe("s", &info);
    cr_expect(eq(sz, info.file_size, 21 * page));
    cr_expect(eq(sz, info.max_size, 31 * page));
    cr_expect(eq(sz, stores_length("s"), 21 * page));
}

Test(create, refuses_sizes_that_cannot_be)
{
    size_t least = STORE_SEGMENT_OFF + tn_segment_min_size(NULL);

    FAILS(create("s", 1, 0), TN_ESIZE);
    FAILS(create("s", SIZE_MAX, 0), TN_ESIZE);
    FAILS(create("s", 1 << 20, SIZE_MAX), TN_ESIZE);
    FAILS(create("s", 1 << 20, 1 << 19), TN_ESIZE);
    cr_expect(eq(int, tmpdir_names(), 0));
    OK(create("s", least, 0));
    OK(tn_check_file("s", NULL, NULL, NULL));
}

Test(create, refuses_an_index_or_a_fit_that_is_none)
{
    tn_options options = {.index = (tn_index)17};

    FAILS(store_create("s", &options), TN_EINVAL);
    options = (tn_options){.fit = (tn_fit)2};
    FAILS(store_create("s", &options), TN_EINVAL);
    cr_expect(eq(int, tmpdir_names(), 0));
}

Test(create, records_index_and_fit)
{
    tn_store_info info;
    char name[] = "s0";

    for (int index = TN_INDEX_ISET; index <= TN_INDEX_NULL; index++) {
        tn_options options = {.index = (tn_index)index, .fit = TN_FIT_SEQ};

        name[1] = (char)('0' + index);
        OK(store_create(name, &options));
        describe(name, &info);
        cr_expect(eq(int, info.index, index));
        cr_expect(eq(int, info.fit, TN_FIT_SEQ));
        OK(tn_check_file(name, NULL, NULL, NULL));
    }
}

Test(create, gives_the_mode_asked_for_whatever_the_umask)
{
    tn_options options = {.mode = 0666};
    struct stat st;

    umask(077);
    OK(store_create("s", &options));
    cr_assert(eq(int, stat("s", &st), 0));
    cr_expect(eq(int, st.st_mode & 07777, 0666));
}

/* Every byte has a block on disk, so that no store into it can fail. */
Test(create, leaves_no_hole)
{
    struct stat st;

    OK(create("s", 5 << 20, 0));
    cr_assert(eq(int, stat("s", &st), 0));
    cr_expect(ge(sz, (size_t)st.st_blocks * 512, 5 << 20));
}

/* A fresh segment is written only where it has bytes. */
Test(create, of_any_size_is_sound)
{
    for (size_t size = 8192; size < 600000; size += 31 * 4096) {
        OK(create("s", size, 0));
        cr_expect(eq(int, tn_check_file("s", NULL, NULL, NULL), TN_OK), "%zu",
                  size);
        cr_assert(eq(int, unlink("s"), 0));
    }
}

Test(create, takes_no_name_from_another_file)
{
    char bytes[6];

    stores_put("s", "hello", 6);
    FAILS(store_create("s", NULL), TN_EEXIST);
    cr_expect(eq(int, strncmp(tn_errmsg(), "s: ", 3), 0));
    stores_read("s", bytes, 6, 0);
    cr_expect(eq(str, bytes, "hello"));
    cr_expect(eq(int, tmpdir_names(), 1));
}

Test(create, in_no_directory_says_so)
{
    FAILS(store_create("none/s", NULL), TN_ENOENT);
    FAILS(store_create("none/", NULL), TN_EINVAL);
}

Test(create, beyond_the_limit_of_file_sizes_is_no_space)
{
    struct rlimit limit = {.rlim_cur = 1 << 19, .rlim_max = 1 << 19};

    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
    FAILS(create("s", 1 << 20, 0), TN_ENOSPC);
    cr_expect(eq(int, tmpdir_names(), 0));
}

/* --- Refusals and deaths -------------------------------------------------- */

static const int numbers[] = {EIO, ENOSPC, ENOMEM, EACCES};

/* Whichever operation fails: nothing stays open, and the name is that of a
 * whole store or of nothing.  After the name is given only the directory's sync
 * can fail, and that is told. */
Test(create, that_fails_leaves_nothing)
{
    int before = faults_descriptors();
    bool more = true;

    for (int n = 0; more; n++) {
        for (size_t e = 0; e < sizeof(numbers) / sizeof(numbers[0]); e++) {
            tn_status status;

            faults_refuse(n, numbers[e]);
            status = create("s", STORES_SIZE, 0);
            more = faults_end();
            cr_expect(stores_documented(status));
            cr_assert(eq(int, faults_descriptors(), before), "op %d", n);
            cr_assert(le(int, tmpdir_names(), 1), "op %d", n);
            if (access("s", F_OK) != 0) {
                cr_assert(ne(int, status, TN_OK), "op %d", n);
                cr_assert(eq(int, tmpdir_names(), 0), "op %d", n);
                continue;
            }
            cr_expect(status == TN_OK || status == TN_EIO, "op %d: %d", n,
                      status);
            OK(tn_check_file("s", NULL, NULL, NULL));
            cr_assert(eq(int, unlink("s"), 0));
        }
    }
}

static int create_s(void *arg)
{
    (void)arg;
    return create("s", STORES_SIZE, 0) == TN_OK ? 0 : 1;
}

Test(create, that_is_killed_leaves_nothing_or_all)
{
    for (int n = 0; stores_killed_at(n, create_s, NULL); n++) {
        cr_assert(le(int, tmpdir_names(), 1), "op %d", n);
        if (access("s", F_OK) != 0)
            continue;
        OK(tn_check_file("s", NULL, NULL, NULL));
        cr_assert(eq(int, unlink("s"), 0));
    }
    OK(tn_check_file("s", NULL, NULL, NULL));
}

/* --- Races ---------------------------------------------------------------- */

static int create_when_told(struct child *parent, void *arg)
{
    tn_status status;

    (void)arg;
    child_tell(parent);
    child_await(parent);
    status = create("s", STORES_SIZE, 0);
    return status == TN_OK ? 0 : status == TN_EEXIST ? 1 : 2;
}

Test(create, has_one_winner)
{
    enum { RACERS = 6 };
    struct child racers[RACERS];
    int results[3] = {0};

    for (int i = 0; i < RACERS; i++) {
        child_start(&racers[i], create_when_told, NULL);
        cr_assert(child_await(&racers[i]));
    }
    for (int i = 0; i < RACERS; i++)
        child_tell(&racers[i]);
    for (int i = 0; i < RACERS; i++)
        results[child_wait(&racers[i])]++;
    cr_expect(eq(int, results[0], 1));
    cr_expect(eq(int, results[1], RACERS - 1));
    cr_expect(eq(int, tmpdir_names(), 1));
    OK(tn_check_file("s", NULL, NULL, NULL));
}
