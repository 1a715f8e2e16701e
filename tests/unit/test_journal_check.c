/* test_journal_check.c - each rule of a journal, broken
 *
 * The journal is that of a store which a process left that died, with commits
 * that the file does not hold yet.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "lib/child.h"
#include "lib/faults.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"
#include "store/journal.h"
#include "tenon.h"

#define OK(call) cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())

enum { RECORDS = 3, SLOT = STORE_SECTOR };

static void add(tn_store *store, int i)
{
    tn_segment *w;
    char name[32];
    void *p;

    snprintf(name, sizeof(name), "item/%d", i);
    if (tn_begin(store, &w) != TN_OK ||
        tn_construct(w, name, tn_bytes_type(), 700, NULL, &p) != TN_OK ||
        tn_commit(store) != TN_OK)
        _exit(1);
}

/* A view keeps commits from being applied. */
static int leave_commits(struct child *parent, void *arg)
{
    tn_options options = {.size = 128 * 1024, .journal_size = 64 * 1024};
    const tn_segment *view;
    tn_store *store;

    (void)parent;
    (void)arg;
    if (tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, &options) != TN_OK)
        return 1;
    add(store, 100);
    if (tn_checkpoint(store) != TN_OK || tn_read_begin(store, &view) != TN_OK)
        return 1;
    for (int i = 0; i < RECORDS; i++)
        add(store, i);
    _exit(0);
}

static void leave_store(void)
{
    struct child c;

    tmpdir_enter();
    child_start(&c, leave_commits, NULL);
    cr_assert(eq(int, child_wait(&c), 0));
}

TestSuite(journal_check, .init = leave_store, .fini = tmpdir_leave,
          .timeout = 30);

struct heard {
    size_t findings;
    char rules[256];
};

static void hear(void *arg, const tn_finding *finding)
{
    struct heard *heard = arg;
    size_t used = strlen(heard->rules);

    heard->findings++;
    snprintf(heard->rules + used, sizeof(heard->rules) - used, "%s ",
             finding->rule);
}

static char *broken_rules(void)
{
    static struct heard heard;
    tn_status status;

    heard = (struct heard){0};
    status = tn_check_file("s", NULL, hear, &heard);
    cr_expect(eq(int, status != TN_OK, heard.findings != 0));
    return heard.rules;
}

static void flip(uint64_t at)
{
    unsigned char byte;

    stores_read("s-journal", &byte, 1, at);
    byte ^= 16;
    stores_write("s-journal", &byte, 1, at);
}

static struct journal_header slots[2];

/* Which of them is in use? */
static int newest(void)
{
    stores_read("s-journal", slots, sizeof(slots), 0);
    return slots[1].generation > slots[0].generation;
}

static void reseal(int slot)
{
    slots[slot].digest =
        digest64(&slots[slot], offsetof(struct journal_header, digest));
    stores_write("s-journal", &slots[slot], SLOT, (uint64_t)slot * SLOT);
}

static uint64_t place_of_record(int number)
{
    struct journal_record record;
    uint64_t off = JOURNAL_RECORDS_OFF;

    for (int i = 0; i < number; i++) {
        stores_read("s-journal", &record, sizeof(record), off);
        off += (record.bytes + SLOT - 1) / SLOT * SLOT;
    }
    return off;
}

Test(journal_check, finds_nothing_in_what_a_death_leaves)
{
    cr_expect(eq(str, broken_rules(), ""));
}

Test(journal_check, knows_a_damaged_header_from_an_empty_one)
{
    char zeros[SLOT] = {0};
    int old = 1 - newest();

    flip((uint64_t)old * SLOT + 40);
    cr_expect(eq(str, broken_rules(), "J1 "));
    stores_write("s-journal", zeros, SLOT, (uint64_t)old * SLOT);
    cr_expect(eq(str, broken_rules(), ""));
}

Test(journal_check, wants_headers_of_generations_that_follow_each_other)
{
    int old = 1 - newest();

    slots[old].generation += 4;
    reseal(old);
    cr_expect(ne(ptr, strstr(broken_rules(), "J1"), NULL));
}

Test(journal_check, wants_both_headers_to_be_this_stores)
{
    int old = 1 - newest();

    slots[old].uuid[3] ^= 1;
    reseal(old);
    cr_expect(eq(str, broken_rules(), "J1 "));
}

Test(journal_check, finds_a_damaged_record_that_others_follow)
{
    flip(place_of_record(1) + 100);
    cr_expect(ne(ptr, strstr(broken_rules(), "J3"), NULL));
}

Test(journal_check, finds_the_last_record_missing_in_the_same_boot)
{
    flip(place_of_record(RECORDS - 1) + 100);
    cr_expect(ne(ptr, strstr(broken_rules(), "J3"), NULL));
}

Test(journal_check, knows_what_must_be_zero)
{
    flip(2000);
    cr_expect(eq(str, broken_rules(), "J5 "));
    flip(2000);
    flip(place_of_record(1) - 1);
    cr_expect(eq(str, broken_rules(), "J5 "));
}

Test(journal_check, knows_a_journal_that_was_cut)
{
    size_t size = stores_length("s-journal");

    cr_assert(eq(int, truncate("s-journal", (off_t)size - 512), 0));
    cr_expect(eq(str, broken_rules(), "J6 "));
}

Test(journal_check, says_nothing_of_what_nobody_reads)
{
    flip(place_of_record(RECORDS) + 600);
    cr_expect(eq(str, broken_rules(), ""));
}

/* --- The store beside it -------------------------------------------------- */

Test(journal_check, refuses_a_pair_of_which_one_was_replaced)
{
    struct superblock sb;
    tn_store *store;

    stores_superblock("s", &sb);
    sb.commit_nonce ^= 1;
    stores_reseal("s", &sb);
    cr_expect(eq(str, broken_rules(), "O5 "));
    cr_expect(
        eq(int, tn_store_open(&store, "s", TN_DURABLE, NULL), TN_EJOURNAL));
}

Test(journal_check, refuses_records_beside_a_store_closed_in_order)
{
    stores_set_state("s", STORE_CLEAN);
    cr_expect(ne(ptr, strstr(broken_rules(), "O5"), NULL));
}

Test(journal_check, does_not_believe_marks_that_say_more_than_there_is)
{
    struct marks marks;

    stores_read("s", &marks, sizeof(marks), STORE_MARKS_OFF);
    marks.synced = mark_seal(mark_value(marks.synced) + 1);
    stores_write("s", &marks, sizeof(marks), STORE_MARKS_OFF);
    cr_expect(ne(ptr, strstr(broken_rules(), "J3"), NULL));
}

/* Marks that are not whole are as good as none: every record counts. */
Test(journal_check, readers_do_without_marks_that_are_not_whole)
{
    struct marks marks;
    tn_store *store;
    void *p;

    stores_read("s", &marks, sizeof(marks), STORE_MARKS_OFF);
    marks.synced ^= 1;
    stores_write("s", &marks, sizeof(marks), STORE_MARKS_OFF);
    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    OK(tn_find(tn_store_segment(store), "item/2", NULL, &p, NULL));
    OK(tn_store_close(store));
    cr_expect(eq(str, broken_rules(), "B4 "));
}

/* --- A journal of another store ------------------------------------------- */

static void copy(const char *from, const char *to)
{
    size_t size = stores_length(from);
    char *bytes = malloc(size);

    stores_read(from, bytes, size, 0);
    stores_put(to, bytes, size);
    free(bytes);
}

/* A store that was closed in order, with its journal. */
static void make_other(void)
{
    tn_store *store;

    OK(tn_store_open(&store, "other", TN_DURABLE | TN_CREATE, &stores_options));
    add(store, 1);
    OK(tn_store_close(store));
}

static void expect_of_other(const char *rule, tn_status status)
{
    char rules[256] = "";
    struct heard heard = {0};

    cr_expect(eq(int, tn_check_file("other", NULL, hear, &heard), status), "%s",
              tn_errmsg());
    snprintf(rules, sizeof(rules), "%s", heard.rules);
    cr_expect(eq(str, rules, (char *)rule));
}

Test(journal_check, minds_a_foreign_journal_only_if_it_has_commits)
{
    char zeros[2 * SLOT] = {0};
    tn_store *store;

    make_other();
    expect_of_other("", TN_OK);
    copy("s-journal", "other-journal");
    expect_of_other("O5 ", TN_EJOURNAL);
    stores_write("other-journal", zeros, sizeof(zeros), 0);
    expect_of_other("", TN_OK);
    OK(tn_store_open(&store, "s", TN_DURABLE, NULL));
    OK(tn_store_close(store));
    copy("s-journal", "other-journal");
    expect_of_other("", TN_OK);
    OK(tn_store_open(&store, "other", TN_DURABLE, NULL));
    OK(tn_store_close(store));
}

/* Whose records cannot be told: they may be commits. */
Test(journal_check, minds_a_foreign_journal_that_is_damaged)
{
    make_other();
    copy("s-journal", "other-journal");
    flip(place_of_record(0) + 100);
    copy("s-journal", "other-journal");
    expect_of_other("O5 ", TN_EJOURNAL);
}

Test(journal_check, says_so_when_a_foreign_journal_cannot_be_read)
{
    tn_status status;
    bool failed = true;

    make_other();
    copy("s-journal", "other-journal");
    for (int n = 0; failed; n++) {
        faults_refuse_op(FAULT_READ, n, EIO);
        status = tn_check_file("other", NULL, NULL, NULL);
        failed = faults_end();
        cr_assert(eq(int, status, failed ? TN_EIO : TN_EJOURNAL), "%d", n);
    }
}

/* --- A journal in use ----------------------------------------------------- */

/* There is time for a writer to put it right, and then it is damage. */
Test(journal_check, finds_damage_though_a_writer_is_there)
{
    tn_store *store;

    OK(tn_store_open(&store, "s", TN_DURABLE, NULL));
    cr_expect(eq(str, broken_rules(), ""));
    flip(2000);
    cr_expect(eq(str, broken_rules(), "J5 "));
    flip(2000);
    cr_expect(eq(str, broken_rules(), ""));
    OK(tn_store_close(store));
}

/* The first record becomes damaged just before the n-th read. */
static struct {
    int before;
    uint64_t at;
} fate;

static int damage_in_time(void *arg, const struct fault_event *event)
{
    (void)arg;
    if (event->op == FAULT_READ && fate.before-- == 0)
        flip(fate.at);
    return 0;
}

Test(journal_check, finds_a_record_that_is_damaged_meanwhile)
{
    size_t found = 0, missed = 0;

    for (int n = 0; n < 40; n++) {
        struct heard heard = {0};
        tn_status status;

        fate.before = n;
        fate.at = place_of_record(0) + 100;
        fault_set_hook(damage_in_time, NULL);
        status = tn_check_file("s", NULL, hear, &heard);
        fault_set_hook(NULL, NULL);
        if (fate.before < 0)
            flip(fate.at);
        cr_assert(status == TN_OK || status == TN_ECORRUPT, "%d: %d, %s", n,
                  status, tn_errmsg());
        cr_assert(eq(int, status != TN_OK, heard.findings != 0), "%d", n);
        found += status != TN_OK;
        missed += status == TN_OK;
    }
    cr_expect(gt(sz, found, 5));
    cr_expect(gt(sz, missed, 0), "it was read for the last time before");
}
