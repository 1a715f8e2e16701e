/* test_journal_check.c - each rule of a journal, broken
 *
 * The journal is that of a store which a process left that died, with commits
 * that the file does not hold yet.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "lib/child.h"
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
