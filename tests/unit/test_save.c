/* test_save.c - a segment as it is now becomes a store of its own
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/faults.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"
#include "store/store.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

static void make_store(void)
{
    tmpdir_enter();
    stores_make("s", TN_INDEX_ISET);
}

TestSuite(save, .init = make_store, .fini = tmpdir_leave, .timeout = 30);

static tn_store *open_as(unsigned flags)
{
    tn_store *store;

    OK(tn_store_open(&store, "s", flags, &stores_options));
    return store;
}

Test(save, gives_another_store_with_the_same_objects)
{
    struct superblock from, to;

    for (unsigned access = TN_READ_ONLY; access <= TN_SHARED; access++) {
        tn_store *store = open_as(access);

        OK(tn_store_save(store, "t", NULL));
        OK(tn_store_close(store));
        stores_superblock("s", &from);
        stores_superblock("t", &to);
        cr_expect(ne(int, memcmp(from.uuid, to.uuid, 16), 0));
        cr_expect(eq(u64, to.max_size, from.max_size));
        cr_expect(eq(u64, to.file_size, stores_length("t")));
        cr_expect(eq(u64, stores_state("t"), STORE_CLEAN));
        OK(tn_check_file("t", NULL, NULL, NULL));
        cr_expect(stores_sound("t", 0));
        cr_assert(eq(int, unlink("t"), 0));
    }
}

/* A large shared store that is full here and there: what is in the file, what
 * was stored to a moment ago, and what was never written between. */
Test(save, reads_what_is_there_and_misses_none_of_it)
{
    enum { LARGE = 5 << 20, SMALL = 20000, PIECES = 5 };
    tn_options options = {.size = 64 << 20};
    char name[32], *bytes;
    tn_store *store;
    size_t n;

    OK(tn_store_open(&store, "large", TN_SHARED | TN_CREATE, &options));
    for (int i = 0; i < PIECES; i++) {
        tn_segment *seg = tn_store_segment(store);

        if (i == PIECES / 2)
            OK(tn_flush(store));
        snprintf(name, sizeof(name), "piece%d", i);
        cr_assert(ne(ptr, tn_alloc(seg, LARGE), NULL));
        OK(tn_construct(seg, name, TN_BYTES, SMALL, NULL, (void **)&bytes));
        memset(bytes, 'a' + i, SMALL);
    }
    OK(tn_store_save(store, "t", NULL));
    OK(tn_store_close(store));
    OK(tn_check_file("t", NULL, NULL, NULL));
    OK(tn_store_open(&store, "t", TN_READ_ONLY, NULL));
    for (int i = 0; i < PIECES; i++) {
        snprintf(name, sizeof(name), "piece%d", i);
        OK(tn_find(tn_store_segment(store), name, TN_BYTES, (void **)&bytes,
                   &n));
        for (size_t k = 0; k < n; k++)
            cr_assert(eq(chr, bytes[k], (char)('a' + i)));
    }
    OK(tn_store_close(store));
}

Test(save, keeps_what_a_private_view_became)
{
    tn_store *store = open_as(TN_PRIVATE);

    OK(tn_construct(tn_store_segment(store), "mine", &stores_item, 40000, NULL,
                    NULL));
    OK(tn_store_save(store, "t", NULL));
    OK(tn_store_close(store));
    cr_expect(stores_sound("t", 0));
    OK(tn_store_open(&store, "t", TN_READ_ONLY, NULL));
    OK(tn_find(tn_store_segment(store), "mine", &stores_item, NULL, NULL));
    OK(tn_store_close(store));
    cr_expect(stores_sound("s", 0));
}

Test(save, never_replaces_a_file)
{
    tn_store *store = open_as(TN_PRIVATE);
    char text[4];

    stores_put("t", "abc", 4);
    FAILS(tn_store_save(store, "t", NULL), TN_EEXIST);
    FAILS(tn_store_save(store, "s", NULL), TN_EEXIST);
    stores_read("t", text, 4, 0);
    cr_expect(eq(str, text, "abc"));
    FAILS(tn_store_save(store, "none/t", NULL), TN_ENOENT);
    OK(tn_store_close(store));
    cr_expect(eq(int, tmpdir_names(), 2));
}

Test(save, gives_the_mode_asked_for)
{
    tn_options options = {.mode = 0600};
    tn_store *store = open_as(TN_READ_ONLY);
    struct stat st;

    umask(0);
    OK(tn_store_save(store, "t", &options));
    cr_assert(eq(int, stat("t", &st), 0));
    cr_expect(eq(int, st.st_mode & 07777, 0600));
    OK(tn_store_save(store, "u", NULL));
    cr_assert(eq(int, stat("u", &st), 0));
    cr_expect(eq(int, st.st_mode & 07777, 0644));
    OK(tn_store_close(store));
}

static tn_status save_inside(tn_segment *seg, void *element, size_t index,
                             void *arg)
{
    (void)seg;
    (void)element;
    return index == 1 ? tn_store_save(arg, "t", NULL) : TN_OK;
}

/* Whoever saves in the middle of making an object has it, but not the copy. */
Test(save, leaves_out_what_is_half_made)
{
    static const char *const names[] = {"half", TN_ANONYMOUS, TN_UNIQUE};
    tn_type type = {.name = "half", .size = 64, .align = 8};

    type.init = save_inside;
    for (unsigned access = TN_PRIVATE; access <= TN_SHARED; access++) {
        for (int i = 0; i < 3; i++) {
            tn_store *store = open_as(access);

            OK(tn_construct(tn_store_segment(store), names[i], &type, 2, store,
                            NULL));
            OK(tn_store_close(store));
            OK(tn_check_file("t", NULL, NULL, NULL));
            cr_expect(stores_sound("t", 0));
            OK(tn_store_open(&store, "t", TN_READ_ONLY, NULL));
            if (names[i] != TN_ANONYMOUS)
                FAILS(tn_find(tn_store_segment(store), names[i], &type, NULL,
                              NULL),
                      TN_ENOENT);
            OK(tn_store_close(store));
            cr_assert(eq(int, unlink("t"), 0));
        }
    }
}

/* The index that is built anew may need more room than there was. */
Test(save, of_a_full_store_grows_the_copy_if_need_be)
{
    tn_options options = {
        .size = STORES_SIZE, .max_size = STORES_MAX, .index = TN_INDEX_MAP};
    tn_store *store;
    char name[16];

    OK(tn_store_open(&store, "full", TN_SHARED | TN_CREATE, &options));
    for (int i = 1999; i >= 0; i--) {
        snprintf(name, sizeof(name), "n%07d", (i * 7919) % 2000);
        OK(tn_construct(tn_store_segment(store), name, &stores_item, 1, NULL,
                        NULL));
    }
    while (tn_free_bytes(tn_store_segment(store)) > 64)
        tn_alloc(tn_store_segment(store), 24);
    OK(tn_store_save(store, "t", NULL));
    OK(tn_store_close(store));
    OK(tn_check_file("t", NULL, NULL, NULL));
}

static const int numbers[] = {EIO, ENOSPC, ENOMEM};

Test(save, that_fails_leaves_nothing_and_harms_nothing)
{
    for (unsigned access = TN_PRIVATE; access <= TN_SHARED; access++) {
        tn_store *store = open_as(access);
        int descriptors = faults_descriptors();
        bool more = true;

        for (int n = 0; more; n++) {
            tn_status status;

            faults_refuse(n, numbers[n % 3]);
            status = tn_store_save(store, "t", NULL);
            more = faults_end();
            cr_assert(stores_documented(status), "op %d: %d", n, status);
            cr_assert(eq(int, faults_descriptors(), descriptors), "op %d", n);
            cr_expect(stores_holds(tn_store_segment(store)));
            if (euidaccess("t", F_OK) != 0) {
                cr_assert(ne(int, status, TN_OK), "op %d", n);
            } else {
                cr_expect(stores_sound("t", 0), "op %d", n);
                cr_assert(eq(int, unlink("t"), 0));
            }
            cr_assert(eq(int, tmpdir_names(), 1), "op %d", n);
        }
        OK(tn_store_close(store));
    }
    cr_expect(stores_sound("s", 0));
}
