/* test_durable.c - open and close for transactions
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tenon.h>

#include "base/digest.h"
#include "lib/child.h"
#include "lib/faults.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"

#define OK(call)         cr_assert(eq(int, call, TN_OK), "%s", tn_errmsg())
#define IS(call, status) cr_assert(eq(int, call, status), "%s", tn_errmsg())

static const tn_options small = {.size = 65536, .journal_size = 65536};

static void enter(void)
{
    tmpdir_enter();
}

TestSuite(durable, .init = enter, .fini = tmpdir_leave, .timeout = 30);

static tn_store *open_with(unsigned flags, const tn_options *options)
{
    tn_store *store;

    OK(tn_store_open(&store, "s", TN_DURABLE | flags, options));
    return store;
}

static void commit_one(tn_store *store, const char *name)
{
    tn_segment *w;

    OK(tn_begin(store, &w));
    OK(tn_construct(w, name, TN_BYTES, 10, NULL, NULL));
    OK(tn_commit(store));
}

static tn_state state_of(tn_store *store)
{
    tn_store_info info;

    OK(tn_store_describe(store, &info));
    return info.state;
}

Test(durable, stores_are_live_from_their_first_commit_to_their_last_close)
{
    tn_store *a = open_with(TN_CREATE, &small), *b;

    cr_expect(eq(int, (int)state_of(a), TN_STATE_CLEAN));
    commit_one(a, "a");
    cr_expect(eq(int, (int)state_of(a), TN_STATE_LIVE));
    b = open_with(0, NULL);
    OK(tn_store_close(a));
    cr_expect(eq(int, (int)state_of(b), TN_STATE_LIVE));
    commit_one(b, "b");
    OK(tn_store_close(b));
    OK(tn_store_open(&a, "s", TN_READ_ONLY, NULL));
    cr_expect(eq(int, (int)state_of(a), TN_STATE_CLEAN));
    OK(tn_find(tn_store_segment(a), "b", TN_BYTES, NULL, NULL));
    OK(tn_store_close(a));
}

Test(durable, stores_have_no_view_outside_of_transactions)
{
    tn_store *store = open_with(TN_CREATE, &small);

    cr_expect(tn_store_segment(store) == NULL);
    IS(tn_flush(store), TN_EINVAL);
    OK(tn_store_close(store));
}

Test(durable, journals_have_the_size_that_was_asked_for)
{
    struct stat st;
    tn_options options = small;

    options.journal_size = 300000;
    OK(tn_store_close(open_with(TN_CREATE, &options)));
    cr_assert(eq(int, stat("s-journal", &st), 0));
    cr_expect(ge(long, (long)st.st_size, 300000));
    cr_expect(lt(long, (long)st.st_size, 300000 + 4096));
}

static long journal_bytes(void)
{
    struct stat st;

    cr_assert(eq(int, stat("s-journal", &st), 0));
    return (long)st.st_size;
}

static void commit_much(tn_store *store, const char *name)
{
    enum { MUCH = 1 << 20 };
    tn_segment *w;
    void *bytes;

    OK(tn_begin(store, &w));
    OK(tn_construct(w, name, TN_BYTES, MUCH, NULL, &bytes));
    memset(bytes, 1, MUCH);
    OK(tn_commit(store));
}

Test(durable, journals_are_short_again_when_the_last_handle_is_closed)
{
    tn_store *a = open_with(TN_CREATE, &small), *b = open_with(0, &small);

    commit_much(a, "a");
    cr_expect(gt(long, journal_bytes(), 1 << 20));
    OK(tn_store_close(a));
    cr_expect(gt(long, journal_bytes(), 1 << 20));
    OK(tn_store_close(b));
    cr_expect(eq(long, journal_bytes(), 65536));
    a = open_with(0, &small);
    commit_much(a, "b");
    faults_refuse_all(FAULT_TRUNCATE, EIO);
    OK(tn_store_close(a));
    faults_end();
    cr_expect(gt(long, journal_bytes(), 1 << 20));
    OK(tn_store_close(open_with(0, &small)));
    cr_expect(eq(long, journal_bytes(), 65536));
    OK(tn_check_file("s", NULL, NULL, NULL));
}

/* It is left LIVE, with a record that only the journal has. */
Test(durable, journals_that_are_needed_stay_long)
{
    tn_store *a = open_with(TN_CREATE, &small), *reader;

    OK(tn_store_open(&reader, "s", TN_READ_ONLY, NULL));
    commit_much(a, "a");
    OK(tn_store_close(a));
    cr_expect(gt(long, journal_bytes(), 1 << 20));
    OK(tn_store_close(reader));
    a = open_with(0, &small);
    OK(tn_store_close(a));
    cr_expect(eq(long, journal_bytes(), 65536));
    OK(tn_store_open(&a, "s", TN_READ_ONLY, NULL));
    OK(tn_find(tn_store_segment(a), "a", TN_BYTES, NULL, NULL));
    OK(tn_store_close(a));
}

Test(durable, journals_become_as_long_as_the_first_handle_wants_them)
{
    tn_options options = small;
    tn_store *store;

    OK(tn_store_close(open_with(TN_CREATE, &small)));
    options.journal_size = 1 << 20;
    store = open_with(0, &options);
    cr_expect(eq(long, journal_bytes(), 1 << 20));
    OK(tn_store_close(store));
    cr_expect(eq(long, journal_bytes(), 1 << 20));
    OK(tn_store_close(open_with(0, &small)));
    faults_refuse_all(FAULT_ALLOCATE, ENOSPC);
    store = open_with(0, &options);
    faults_end();
    cr_expect(eq(long, journal_bytes(), 65536));
    OK(tn_store_close(store));
}

Test(durable, journals_without_room_say_so)
{
    tn_store *store;

    OK(tn_store_close(open_with(TN_CREATE, &small)));
    cr_assert(eq(int, unlink("s-journal"), 0));
    faults_refuse_all(FAULT_ALLOCATE, ENOSPC);
    IS(tn_store_open(&store, "s", TN_DURABLE, NULL), TN_ENOSPC);
    faults_end();
    cr_expect(
        ne(ptr, strstr(tn_errmsg(), "4194304 bytes of its journal"), NULL));
    OK(tn_store_close(open_with(0, &small)));
}

Test(durable, journals_have_the_permissions_of_their_store)
{
    struct stat st;
    tn_options options = small;

    options.mode = 0600;
    OK(tn_store_close(open_with(TN_CREATE, &options)));
    cr_assert(eq(int, stat("s-journal", &st), 0));
    cr_expect(eq(int, (int)(st.st_mode & 0777), 0600));
}

Test(durable, journals_lie_beside_the_store_and_not_beside_a_link_to_it)
{
    tn_store *store;

    cr_assert(eq(int, mkdir("there", 0700), 0));
    cr_assert(eq(int, symlink("there/real", "s"), 0));
    OK(tn_store_open(&store, "there/real", TN_DURABLE | TN_CREATE, &small));
    OK(tn_store_close(store));
    store = open_with(0, NULL);
    commit_one(store, "a");
    OK(tn_store_close(store));
    cr_expect(eq(int, access("there/real-journal", F_OK), 0));
    cr_expect(eq(int, access("s-journal", F_OK), -1));
    unlink("there/real-journal");
    unlink("there/real");
    unlink("s");
    rmdir("there");
}

Test(durable, every_tracker_that_works_here_may_be_asked_for)
{
    int works = 0;

    OK(tn_store_close(open_with(TN_CREATE, &small)));
    for (int way = TN_TRACKER_AUTO; way <= TN_TRACKER_TRACK; way++) {
        tn_options options = {.tracker = (tn_tracker)way};
        tn_store *store;
        tn_status status = tn_store_open(&store, "s", TN_DURABLE, &options);
        char name[16];

        if (status == TN_ENOTSUP)
            continue;
        OK(status);
        snprintf(name, sizeof(name), "way%d", way);
        commit_one(store, name);
        OK(tn_store_close(store));
        works++;
    }
    cr_assert(ge(int, works, 2)); /* comparing works anywhere */
}

/* Kibibytes that this process keeps locked in memory. */
static long locked(void)
{
    char line[128];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "VmLck: %ld", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kib;
}

/* A sanitizer turns locking into nothing, a limit may forbid it. */
static bool can_lock(void)
{
    char page[4096];
    long before = locked();
    bool can = mlock(page, sizeof(page)) == 0 && locked() > before;

    munlock(page, sizeof(page));
    return can;
}

/* The disk's may be older (docs/CRASH.md, "Failures"). */
Test(durable, the_page_with_the_marks_stays_in_memory)
{
    long before = locked();
    tn_store *store;

    if (!can_lock())
        cr_skip_test("memory cannot be locked here");
    store = open_with(TN_CREATE, &small);
    cr_expect(locked() > before);
    OK(tn_store_close(store));
    cr_expect(eq(long, locked(), before));
}

Test(durable, opens_that_are_refused_leave_nothing_open)
{
    int before = faults_descriptors();
    bool refused = true;

    OK(tn_store_close(open_with(TN_CREATE, &small)));
    for (int n = 0; refused; n++) {
        tn_store *store = NULL;
        tn_status status;

        faults_refuse(n, ENOMEM);
        status = tn_store_open(&store, "s", TN_DURABLE | TN_VERIFY, NULL);
        refused = faults_end();
        if (status == TN_OK)
            OK(tn_store_close(store));
        else
            cr_assert(store == NULL);
        cr_assert(eq(int, faults_descriptors(), before), "operation %d", n);
    }
}

Test(durable, any_number_of_handles_in_one_process)
{
    enum { COUNT = 20 };
    tn_store *stores[COUNT];
    char name[16];

    for (int i = 0; i < COUNT; i++) {
        stores[i] = open_with(TN_CREATE, &small);
        snprintf(name, sizeof(name), "n%d", i);
        commit_one(stores[i], name);
    }
    for (int i = 0; i < COUNT; i++) {
        const tn_segment *view;

        OK(tn_read_begin(stores[i], &view));
        OK(tn_find(view, "n19", TN_BYTES, NULL, NULL));
        OK(tn_read_end(stores[i], view));
        OK(tn_store_close(stores[i]));
    }
}

/* The reader keeps the commits out of the file. */
static int commit_behind_a_reader(struct child *parent, void *arg)
{
    const tn_segment *view;
    tn_store *store;

    (void)arg;
    if (tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, &small) != TN_OK ||
        tn_read_begin(store, &view) != TN_OK)
        return 1;
    commit_one(store, "first");
    commit_one(store, "second");
    child_tell(parent);
    child_await(parent);
    return 0;
}

/* The offset of the last record, which is the second. */
static uint64_t last_record(void)
{
    struct journal_record first;
    uint64_t end;

    stores_read("s-journal", &first, sizeof(first), JOURNAL_RECORDS_OFF);
    end = JOURNAL_RECORDS_OFF + first.bytes;
    return (end + STORE_SECTOR - 1) / STORE_SECTOR * STORE_SECTOR;
}

/* After another boot nobody could tell it from a commit that never was. */
Test(durable, commits_damaged_in_the_journal_of_a_killed_writer_are_missed)
{
    struct child c;
    tn_store *store;
    uint64_t at;
    char byte;

    child_start(&c, commit_behind_a_reader, NULL);
    cr_assert(child_await(&c));
    child_kill(&c);
    at = last_record() + 100;
    stores_read("s-journal", &byte, 1, at);
    byte ^= 4;
    stores_write("s-journal", &byte, 1, at);
    IS(tn_store_open(&store, "s", TN_DURABLE, &small), TN_ECORRUPT);

    byte ^= 4;
    stores_write("s-journal", &byte, 1, at);
    store = open_with(0, &small);
    OK(tn_store_close(store));
    IS(tn_check_file("s", NULL, NULL, NULL), TN_OK);
}

/* The run of the record that the superblock's last bytes are in. */
static const struct journal_run *superblock_run(const char *record)
{
    const struct journal_record *head = (const void *)record;
    const struct journal_run *run = (const void *)(head + 1);

    while (run->offset + run->length != sizeof(struct superblock)) {
        run =
            (const void *)((const char *)(run + 1) + (run->length + 7) / 8 * 8);
        cr_assert(lt(ptr, (void *)run, (void *)(record + head->bytes)));
    }
    return run;
}

/* Let the superblock that a record holds claim a file of this size. */
static void forge_size(uint64_t off, uint64_t size)
{
    static char record[65536];
    struct journal_record *head = (struct journal_record *)record;
    const struct journal_run *run;
    struct superblock sb;

    stores_read("s-journal", record, sizeof(*head), off);
    stores_read("s-journal", record, head->bytes, off);
    run = superblock_run(record);
    stores_superblock("s", &sb);
    memcpy((char *)&sb + run->offset, run + 1, run->length);
    sb.file_size = size;
    sb.digest = digest64(&sb, offsetof(struct superblock, digest));
    memcpy((void *)(run + 1), (char *)&sb + run->offset, run->length);
    head->digest = digest64(&head->salt, head->bytes - sizeof(head->digest));
    stores_write("s-journal", record, head->bytes, off);
}

/* Behind the end of the file there is no memory to look at. */
Test(durable, views_of_a_journal_that_claims_a_longer_file_are_refused)
{
    struct child c;
    tn_store *store;

    child_start(&c, commit_behind_a_reader, NULL);
    cr_assert(child_await(&c));
    child_kill(&c);
    forge_size(last_record(), UINT64_C(1) << 30);
    IS(tn_check_file("s", NULL, NULL, NULL), TN_ESIZE);
    IS(tn_store_open(&store, "s", TN_READ_ONLY, NULL), TN_ESIZE);
    IS(tn_store_open(&store, "s", TN_PRIVATE, NULL), TN_ESIZE);
}
