/* test_restore.c - a store from a snapshot, in its place or not at all
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/faults.h"
#include "lib/snapshots.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

static const tn_snapshot_options force = {.force = true, .threads = 1};

/* The store s, and its snapshot in the file z. */
static void make_snapshot(void)
{
    struct memory m;

    tmpdir_enter();
    snapshots_make("s", TN_INDEX_MAP);
    m = snapshots_take("s", NULL);
    stores_put("z", m.bytes, m.size);
    memory_free(&m);
    unlink("s-journal");
}

TestSuite(restore, .init = make_snapshot, .fini = tmpdir_leave, .timeout = 60);

static bool is_there(const char *path)
{
    return euidaccess(path, F_OK) == 0;
}

/* Put an object into the store, so that it differs from what is restored. */
static void mark(const char *path)
{
    tn_store *store;
    tn_segment *seg;

    OK(tn_store_open(&store, path, TN_DURABLE, &stores_options));
    OK(tn_begin(store, &seg));
    OK(tn_construct(seg, "mark", TN_TYPE(int), 1, NULL, NULL));
    OK(tn_commit(store));
    OK(tn_store_close(store));
}

static bool is_marked(const char *path)
{
    tn_store *store;
    tn_status status;

    OK(tn_store_open(&store, path, TN_READ_ONLY, &stores_options));
    status = tn_find(tn_store_segment(store), "mark", NULL, NULL, NULL);
    OK(tn_store_close(store));
    return status == TN_OK;
}

/* --- The place ------------------------------------------------------------ */

Test(restore, replaces_only_what_it_is_told_to)
{
    OK(tn_snapshot_restore("z", "r", NULL, NULL));
    mark("r");
    FAILS(tn_snapshot_restore("z", "r", NULL, NULL), TN_EEXIST);
    cr_expect(is_marked("r"));
    OK(tn_snapshot_restore("z", "r", &force, NULL));
    cr_expect(not(is_marked("r")));
    cr_expect(not(is_there("r-journal")));
    FAILS(tn_snapshot_restore("z", "z", &force, NULL), TN_EINVAL);
    FAILS(tn_snapshot_restore("z", ".", &force, NULL), TN_EINVAL);
    FAILS(tn_snapshot_restore("z", "", &force, NULL), TN_EINVAL);
    FAILS(tn_snapshot_restore("z", NULL, &force, NULL), TN_EINVAL);
    FAILS(tn_snapshot_restore(NULL, "q", &force, NULL), TN_EINVAL);
    FAILS(tn_snapshot_restore_from(NULL, NULL, "q", &force, NULL), TN_EINVAL);
    FAILS(tn_snapshot_restore("z", "none/q", NULL, NULL), TN_ENOENT);
    FAILS(tn_snapshot_restore("none", "q", NULL, NULL), TN_ENOENT);
    FAILS(tn_snapshot_restore("s", "q", NULL, NULL), TN_ENOTSTORE);
    cr_expect(stores_sound("r", 0));
}

Test(restore, never_replaces_a_store_that_is_open)
{
    for (unsigned access = TN_DURABLE; access <= TN_SHARED; access++) {
        tn_store *store;

        OK(tn_store_open(&store, "s", access, &stores_options));
        FAILS(tn_snapshot_restore("z", "s", &force, NULL), TN_EBUSY);
        OK(tn_store_close(store));
    }
    mark("s");
    OK(tn_snapshot_restore("z", "s", &force, NULL));
    cr_expect(not(is_marked("s")));
}

/* Also when it was opened only while the snapshot was read. */
static bool open_meanwhile(void *arg, uint64_t done, uint64_t total)
{
    tn_store **store = arg;

    (void)done;
    (void)total;
    if (*store == NULL)
        OK(tn_store_open(store, "s", TN_DURABLE, &stores_options));
    return false;
}

Test(restore, never_replaces_a_store_that_was_opened_meanwhile)
{
    tn_store *store = NULL;
    tn_snapshot_options options = {
        .force = true, .progress = open_meanwhile, .arg = &store};

    FAILS(tn_snapshot_restore("z", "s", &options, NULL), TN_EBUSY);
    OK(tn_store_close(store));
    cr_expect(stores_sound("s", 0));
}

static bool make_meanwhile(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    (void)done;
    (void)total;
    if (!is_there("r"))
        stores_put("r", "mine", 4);
    return false;
}

Test(restore, never_replaces_a_file_that_was_made_meanwhile)
{
    tn_snapshot_options options = {.progress = make_meanwhile};

    FAILS(tn_snapshot_restore("z", "r", &options, NULL), TN_EEXIST);
    cr_expect(eq(sz, stores_length("r"), 4));
}

Test(restore, follows_a_link_to_where_the_store_is)
{
    struct stat st;

    cr_assert(eq(int, mkdir("d", 0777), 0));
    cr_assert(eq(int, rename("s", "d/s"), 0));
    mark("d/s");
    cr_assert(eq(int, symlink("d/s", "link"), 0));
    FAILS(tn_snapshot_restore("z", "link", NULL, NULL), TN_EEXIST);
    OK(tn_snapshot_restore("z", "link", &force, NULL));
    cr_assert(eq(int, lstat("link", &st), 0));
    cr_expect(eq(uint, st.st_mode & S_IFMT, S_IFLNK));
    cr_expect(not(is_marked("d/s")));
    cr_expect(not(is_there("d/s-journal")));
}

/* --- Journals ------------------------------------------------------------- */

/* As a killed writer leaves it: the last commits are in the journal only. */
static int commit_and_die(void *arg)
{
    tn_store *store;
    tn_segment *seg;
    const tn_segment *view;

    (void)arg;
    if (tn_store_open(&store, "s", TN_DURABLE, &stores_options) != TN_OK ||
        tn_read_begin(store, &view) != TN_OK ||
        tn_begin(store, &seg) != TN_OK ||
        tn_construct(seg, "mark", TN_TYPE(int), 1, NULL, NULL) != TN_OK ||
        tn_commit(store) != TN_OK)
        return 1;
    return 0; /* exits without closing */
}

static void leave_a_journal(void)
{
    cr_assert(not(stores_killed_at(1000000, commit_and_die, NULL)));
    cr_assert(eq(u64, stores_state("s"), STORE_LIVE));
}

Test(restore, removes_the_journal_of_what_it_replaces)
{
    leave_a_journal();
    cr_assert(is_marked("s"));
    OK(tn_snapshot_restore("z", "s", &force, NULL));
    cr_expect(not(is_there("s-journal")));
    cr_expect(not(is_marked("s")));
    cr_expect(stores_sound("s", 0));
}

/* It may hold the only copy of a commit of a store that was moved away. */
Test(restore, does_not_take_over_a_journal_with_commits)
{
    leave_a_journal();
    cr_assert(eq(int, rename("s", "moved"), 0));
    FAILS(tn_snapshot_restore("z", "s", NULL, NULL), TN_EEXIST);
    cr_expect(not(is_there("s")));
    cr_assert(eq(int, rename("s-journal", "moved-journal"), 0));
    cr_expect(is_marked("moved"), "nothing was lost");
    OK(tn_snapshot_restore("z", "s", NULL, NULL));
    cr_expect(stores_sound("s", 0));
}

Test(restore, does_not_mind_a_journal_that_holds_nothing)
{
    mark("s");
    cr_assert(is_there("s-journal"));
    cr_assert(eq(int, unlink("s"), 0));
    OK(tn_snapshot_restore("z", "s", NULL, NULL));
    mark("s");
    cr_expect(stores_sound("s", 0));
}

/* --- The file ------------------------------------------------------------- */

Test(restore, leaves_holes_for_what_is_zero)
{
    struct stat st;
    tn_store *store;

    OK(tn_store_grow("s", 3 << 20));
    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    OK(tn_snapshot_write(store, "large", NULL, NULL));
    OK(tn_store_close(store));
    OK(tn_snapshot_restore("large", "r", NULL, NULL));
    cr_assert(eq(int, stat("r", &st), 0));
    cr_expect(gt(i64, st.st_size, 3 << 20));
    cr_expect(lt(i64, st.st_blocks * 512, 1 << 19));
    cr_assert(eq(int, stat("large", &st), 0));
    cr_expect(lt(i64, st.st_size, 1 << 18));
    mark("r");
    cr_expect(stores_sound("r", 0));
}

Test(restore, reads_from_a_descriptor)
{
    int fd = open("z", O_RDONLY);
    tn_snapshot_info info, same;

    OK(tn_snapshot_verify_fd(fd, NULL, &info));
    cr_assert(eq(i64, lseek(fd, 0, SEEK_SET), 0));
    OK(tn_snapshot_restore_fd(fd, "r", NULL, &same));
    cr_expect(eq(int, memcmp(info.digest, same.digest, 16), 0));
    cr_expect(eq(u64, same.image_size, stores_length("r")));
    cr_expect(eq(u64, same.snapshot_size, stores_length("z")));
    close(fd);
    cr_expect(stores_sound("r", 0));
}

Test(restore, opens_a_snapshot_without_a_name)
{
    int descriptors = faults_descriptors();
    tn_store *store;

    OK(tn_snapshot_open(&store, "z", ".", NULL));
    cr_expect(stores_holds(tn_store_segment(store)));
    cr_expect(eq(int, tmpdir_names(), 2));
    OK(tn_store_close(store));
    FAILS(tn_snapshot_open(&store, "s", ".", NULL), TN_ENOTSTORE);
    FAILS(tn_snapshot_open(&store, "z", "none", NULL), TN_ENOENT);
    FAILS(tn_snapshot_open(&store, "z", NULL, NULL), TN_EINVAL);
    cr_expect(eq(int, faults_descriptors(), descriptors));
}

/* --- Since ---------------------------------------------------------------- */

static void take_since(const char *path, const char *base,
                       tn_snapshot_info *info)
{
    tn_snapshot_options options = {.base = base};
    tn_store *store;

    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    OK(tn_snapshot_write(store, path, &options, info));
    OK(tn_store_close(store));
}

Test(restore, puts_base_and_changes_together)
{
    tn_snapshot_options with_base = {.base = "large"};
    tn_snapshot_info info, whole;
    tn_store *store;

    OK(tn_store_grow("s", 3 << 20));
    take_since("large", NULL, NULL);
    mark("s");
    take_since("since", "large", &info);
    cr_expect(info.incremental);
    cr_expect(lt(u64, info.chunks_held, info.chunks / 2));
    take_since("all", NULL, &whole);
    cr_expect(not(whole.incremental));
    cr_expect(eq(int, memcmp(whole.digest, info.digest, 16), 0));

    FAILS(tn_snapshot_restore("since", "r", NULL, NULL), TN_EINVAL);
    FAILS(tn_snapshot_verify("all", &with_base, NULL), TN_EINVAL);
    OK(tn_snapshot_verify("since", NULL, NULL));
    OK(tn_snapshot_verify("since", &with_base, NULL));
    OK(tn_snapshot_restore("since", "r", &with_base, NULL));
    cr_expect(is_marked("r"));
    cr_expect(stores_sound("r", 0));
    with_base.base = "all";
    FAILS(tn_snapshot_restore("since", "q", &with_base, NULL), TN_EINVAL);
    with_base.base = "since";
    FAILS(tn_snapshot_restore("since", "q", &with_base, NULL), TN_ENOTSUP);
    with_base.base = "s";
    FAILS(tn_snapshot_restore("since", "q", &with_base, NULL), TN_ENOTSTORE);
    with_base.base = "none";
    FAILS(tn_snapshot_restore("since", "q", &with_base, NULL), TN_ENOENT);
    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    FAILS(tn_snapshot_write(
              store, "since",
              &(tn_snapshot_options){.base = "large", .force = true},
              NULL) == TN_OK
              ? TN_OK
              : TN_EIO,
          TN_OK);
    FAILS(tn_snapshot_write(
              store, "large",
              &(tn_snapshot_options){.base = "large", .force = true}, NULL),
          TN_EINVAL);
    OK(tn_store_close(store));
}

/* The store has grown and shrunk since. */
Test(restore, follows_the_size_of_the_store)
{
    tn_snapshot_options options = {.base = "base"};

    OK(tn_store_grow("s", 2 << 20));
    take_since("base", NULL, NULL);
    OK(tn_store_grow("s", 1 << 20));
    take_since("more", "base", NULL);
    OK(tn_snapshot_restore("more", "r", &options, NULL));
    cr_expect(eq(sz, stores_length("r"), stores_length("s")));
    OK(tn_store_shrink("s"));
    take_since("less", "base", NULL);
    OK(tn_snapshot_restore("less", "q", &options, NULL));
    cr_expect(eq(sz, stores_length("q"), stores_length("s")));
    cr_expect(stores_sound("r", 0));
    cr_expect(stores_sound("q", 0));
}

/* Bits of the base and of what is since; the whole is verified at the end. */
Test(restore, notices_damage_in_either)
{
    static const char *const files[] = {"base", "since"};
    tn_snapshot_options options = {.base = "base", .threads = 1};

    OK(tn_store_grow("s", 1 << 20));
    take_since("base", NULL, NULL);
    mark("s");
    take_since("since", "base", NULL);
    for (int i = 0; i < 2; i++)
        for (size_t at = 0; at < stores_length(files[i]); at += 61) {
            unsigned char byte;
            tn_status status;

            stores_read(files[i], &byte, 1, at);
            byte ^= 32;
            stores_write(files[i], &byte, 1, at);
            status = tn_snapshot_restore("since", "r", &options, NULL);
            if (status == TN_OK) { /* a chunk of the base that is not used */
                cr_assert(eq(int, i, 0));
                cr_assert(stores_sound("r", 0), "at %zu", at);
                cr_assert(eq(int, unlink("r"), 0));
                unlink("r-journal");
            }
            byte ^= 32;
            stores_write(files[i], &byte, 1, at);
        }
    OK(tn_snapshot_restore("since", "r", &options, NULL));
}

/* --- Refusals of the system ----------------------------------------------- */

static const int numbers[] = {EIO, ENOSPC, ENOMEM};

/* What is replaced is whole, or the new one is. */
Test(restore, that_fails_leaves_what_was_there)
{
    int descriptors = faults_descriptors();
    bool more = true;

    mark("s");
    for (int n = 0; more; n++) {
        tn_status status;

        faults_refuse(n, numbers[n % 3]);
        status = tn_snapshot_restore("z", "s", &force, NULL);
        more = faults_end();
        cr_assert(stores_documented(status), "op %d: %d", n, status);
        cr_assert(eq(int, faults_descriptors(), descriptors), "op %d", n);
        cr_assert(stores_sound("s", 0), "op %d", n);
        if (!is_marked("s"))
            mark("s");
        else
            cr_assert(ne(int, status, TN_OK), "op %d", n);
        cr_assert(le(int, tmpdir_names(), 3), "op %d", n);
    }
}

Test(restore, that_fails_leaves_nothing)
{
    bool more = true;

    for (int n = 0; more; n++) {
        tn_status status;

        faults_refuse(n, numbers[n % 3]);
        status = tn_snapshot_restore("z", "r", &force, NULL);
        more = faults_end();
        cr_assert(stores_documented(status), "op %d: %d", n, status);
        if (!is_there("r"))
            cr_assert(ne(int, status, TN_OK), "op %d", n);
        else
            cr_assert(stores_sound("r", 0), "op %d", n);
        unlink("r");
        unlink("r-journal");
        cr_assert(eq(int, tmpdir_names(), 2), "op %d", n);
    }
}

static int restore_over(void *arg)
{
    (void)arg;
    return tn_snapshot_restore("z", "s", &force, NULL) == TN_OK ? 0 : 1;
}

/* Killed before its n-th operation.  Between the name and the journal there is
 * an old journal beside the new store: refused, and the message says what to
 * remove. */
Test(restore, that_is_killed_leaves_one_or_the_other)
{
    bool killed = true;

    for (int n = 0; killed; n++) {
        tn_store *store;
        tn_status status;

        leave_a_journal();
        killed = stores_killed_at(n, restore_over, NULL);
        status = tn_store_open(&store, "s", TN_DURABLE, &stores_options);
        if (status == TN_EJOURNAL) {
            cr_assert(eq(u64, stores_state("s"), STORE_CLEAN), "op %d", n);
            cr_assert(eq(int, unlink("s-journal"), 0));
        } else {
            cr_assert(eq(int, status, TN_OK), "op %d: %s", n, tn_errmsg());
            OK(tn_store_close(store));
        }
        cr_assert(stores_sound("s", 0), "op %d", n);
        OK(tn_snapshot_restore("z", "s", &force, NULL));
    }
}
