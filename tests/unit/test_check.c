/* test_check.c - what is wrong with a file, told and not touched
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
#include "segment/layout.h"
#include "store/superblock.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

static void make_store(void)
{
    tmpdir_enter();
    stores_make("s", TN_INDEX_DEFAULT);
}

TestSuite(check, .init = make_store, .fini = tmpdir_leave, .timeout = 30);

/* What was reported: how often, and the first of it. */
struct heard {
    size_t findings;
    char rule[8], layer[16], what[512];
    uint64_t offset;
    bool explained;
};

static void hear(void *arg, const tn_finding *finding)
{
    struct heard *heard = arg;

    if (heard->findings++ > 0)
        return;
    snprintf(heard->rule, sizeof(heard->rule), "%s", finding->rule);
    snprintf(heard->layer, sizeof(heard->layer), "%s", finding->layer);
    snprintf(heard->what, sizeof(heard->what), "%s", finding->what);
    heard->offset = finding->offset;
    heard->explained = finding->meaning != NULL && finding->help != NULL;
}

/* Check it; it must not change. */
static tn_status check(const char *path, struct heard *heard)
{
    static char before[2 * STORES_SIZE], after[2 * STORES_SIZE];
    size_t size = stores_length(path);
    tn_status status;

    memset(heard, 0, sizeof(*heard));
    stores_read(path, before, size, 0);
    status = tn_check_file(path, NULL, hear, heard);
    stores_read(path, after, size, 0);
    cr_expect(eq(int, memcmp(before, after, size), 0));
    cr_expect(eq(sz, stores_length(path), size));
    cr_expect(eq(int, tn_check_file(path, NULL, NULL, NULL), status));
    return status;
}

Test(check, finds_nothing_in_a_sound_store)
{
    struct heard heard;

    OK(check("s", &heard));
    cr_expect(eq(sz, heard.findings, 0));
    stores_abandon("s");
    OK(check("s", &heard));
    cr_expect(eq(sz, heard.findings, 0), "as a reader would see it");
}

Test(check, tells_where_the_heap_is_damaged)
{
    uint64_t word = 0x12345678, at = 5000 - 5000 % 16 - 8;
    struct heard heard;

    for (int i = 0; i < 40; i++)
        stores_write("s", &word, 8, STORE_SEGMENT_OFF + at + (uint64_t)i * 16);
    FAILS(check("s", &heard), TN_ECORRUPT);
    cr_expect(ge(sz, heard.findings, 1));
    cr_expect(eq(str, heard.layer, "heap"));
    cr_expect(ne(str, heard.what, ""));
    cr_expect(eq(int, strncmp(tn_errmsg(), "s: ", 3), 0), "%s", tn_errmsg());
}

static uint64_t place_of(const char *name)
{
    tn_store *store;
    tn_handle place;
    void *p;

    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    OK(tn_find(tn_store_segment(store), name, NULL, &p, NULL));
    place = tn_handle_of(tn_store_segment(store), p);
    OK(tn_store_close(store));
    return STORE_SEGMENT_OFF + place;
}

Test(check, tells_of_an_object_whose_description_is_damaged)
{
    uint64_t at = place_of("item/004") - 8, word;
    struct heard heard;

    stores_read("s", &word, 8, at);
    word ^= 1;
    stores_write("s", &word, 8, at);
    FAILS(check("s", &heard), TN_ECORRUPT);
    cr_expect(ge(sz, heard.findings, 1));
}

Test(check, does_not_judge_the_contents_of_objects)
{
    uint64_t junk = 99;
    struct heard heard;

    stores_write("s", &junk, 8, place_of("item/004"));
    OK(check("s", &heard));
}

Test(check, tells_of_a_change_that_was_cut_short)
{
    uint64_t one = 1;
    struct heard heard;

    stores_write("s", &one, 8,
                 STORE_SEGMENT_OFF + offsetof(struct segment, building));
    FAILS(check("s", &heard), TN_ECORRUPT);
    cr_expect(eq(str, heard.rule, "S3"));
}

static void expect_refusal(tn_status expected)
{
    struct heard heard;

    FAILS(check("s", &heard), expected);
    cr_expect(eq(sz, heard.findings, 1));
    cr_expect(eq(str, heard.layer, "superblock"));
    cr_expect(eq(int, strncmp(heard.what, "s: ", 3), 0), "%s", heard.what);
    cr_expect(eq(int, strncmp(tn_errmsg(), "s: ", 3), 0), "%s", tn_errmsg());
}

Test(check, reports_what_keeps_a_store_from_being_opened)
{
    static char bytes[STORES_SIZE];
    struct superblock sb;
    uint64_t boot = mark_seal(77);

    stores_read("s", bytes, sizeof(bytes), 0);
    stores_put("s", bytes, sizeof(bytes) - 512);
    expect_refusal(TN_ESIZE);
    stores_put("s", "no store at all", 15);
    expect_refusal(TN_ENOTSTORE);
    stores_put("s", bytes, sizeof(bytes));
    stores_superblock("s", &sb);
    sb.incompat = 4;
    stores_reseal("s", &sb);
    expect_refusal(TN_EVERSION);
    stores_put("s", bytes, sizeof(bytes));
    stores_write("s", "x", 1, 300);
    expect_refusal(TN_ECORRUPT);
    stores_put("s", bytes, sizeof(bytes));
    stores_set_state("s", STORE_SHARED);
    stores_write("s", &boot, 8, STORE_MARKS_OFF);
    expect_refusal(TN_EDIRTY);
}

/* Whether a reader gets by without the journal depends on what the last writer
 * came to; the finding does not. */
Test(check, misses_the_journal_of_a_live_store_in_the_same_words)
{
    struct marks none = {0}, here = {.synced = mark_seal(5)};
    struct heard open, closed;
    struct file f;

    stores_set_state("s", STORE_LIVE);
    stores_write("s", &none, sizeof(none), STORE_MARKS_OFF);
    FAILS(check("s", &open), TN_EJOURNAL);
    OK(file_open(&f, "s", false));
    here.boot = mark_seal(superblock_boot(&f));
    here.applied = mark_seal(4);
    here.generation = here.journal = mark_seal(1);
    file_close(&f);
    stores_write("s", &here, sizeof(here), STORE_MARKS_OFF);
    FAILS(check("s", &closed), TN_EJOURNAL);
    here.applied = here.synced;
    stores_write("s", &here, sizeof(here), STORE_MARKS_OFF);
    FAILS(check("s", &open), TN_EJOURNAL);
    cr_expect(eq(str, open.layer, "journal"));
    cr_expect(eq(str, open.rule, "O3"));
    cr_expect(eq(sz, open.findings, 1));
    cr_expect(eq(int, memcmp(&open, &closed, sizeof(open)), 0), "%s / %s",
              open.what, closed.what);
}

/* Each byte, and the rule that it breaks. */
Test(check, knows_every_byte_of_the_first_page)
{
    static const struct {
        uint64_t offset;
        const char *rule;
    } bytes[] = {{600, "B3"},  {1023, "B3"}, {1064, "B3"},
                 {2000, "B3"}, {4095, "B3"}, {1040, "B4"}};
    struct heard heard;
    char byte;

    for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        stores_read("s", &byte, 1, bytes[i].offset);
        byte ^= 4;
        stores_write("s", &byte, 1, bytes[i].offset);
        FAILS(check("s", &heard), TN_ECORRUPT);
        cr_expect(eq(str, heard.rule, (char *)bytes[i].rule));
        byte ^= 4;
        stores_write("s", &byte, 1, bytes[i].offset);
    }
    OK(check("s", &heard));
}

Test(check, knows_no_other_state_than_the_three)
{
    struct heard heard;

    stores_set_state("s", STORE_CLEAN ^ 1);
    FAILS(check("s", &heard), TN_EJOURNAL);
    cr_expect(eq(str, heard.rule, "B2"));
    cr_expect(eq(sz, heard.findings, 2), "and the journal is missing");
}

Test(check, looks_behind_the_end_of_the_store_when_it_is_to_look_everywhere)
{
    tn_check_options full = {.depth = TN_CHECK_FULL};
    size_t end = stores_length("s");
    struct heard heard = {0};

    stores_write("s", "", 1, end + 4095);
    OK(tn_check_file("s", &full, hear, &heard));
    stores_write("s", "x", 1, end + 77);
    OK(tn_check_file("s", NULL, hear, &heard));
    FAILS(tn_check_file("s", &full, hear, &heard), TN_ECORRUPT);
    cr_expect(eq(str, heard.rule, "B5"));
    cr_expect(eq(u64, heard.offset, end + 77));
}

Test(check, says_what_a_finding_means_and_what_to_do)
{
    struct heard heard;

    stores_write("s", "x", 1, 600);
    FAILS(check("s", &heard), TN_ECORRUPT);
    cr_expect(heard.explained);
}

Test(check, reports_no_more_than_it_is_asked_for)
{
    tn_check_options options = {.max_findings = 2};
    struct heard heard = {0};

    for (uint64_t at = 600; at < 4096; at += 500)
        stores_write("s", "x", 1, at);
    stores_set_state("s", STORE_CLEAN ^ 1);
    tn_check_file("s", &options, hear, &heard);
    cr_expect(eq(sz, heard.findings, 2));
}

Test(check, refuses_a_depth_that_there_is_not)
{
    tn_check_options options = {.depth = (tn_check_depth)7};

    FAILS(tn_check_file("s", &options, NULL, NULL), TN_EINVAL);
}

Test(check, does_not_report_what_is_not_the_files_fault)
{
    struct heard heard = {0};

    FAILS(tn_check_file("none", NULL, hear, &heard), TN_ENOENT);
    FAILS(tn_check_file(".", NULL, hear, &heard), TN_EINVAL);
    FAILS(tn_check_file(NULL, NULL, hear, &heard), TN_EINVAL);
    cr_expect(eq(sz, heard.findings, 0));
}

Test(check, of_a_store_at_work_holds_its_locks)
{
    struct heard heard = {0};
    tn_store *store;
    void *p;

    OK(tn_store_open(&store, "s", TN_SHARED, NULL));
    OK(tn_check_file("s", NULL, hear, &heard));
    cr_expect(eq(sz, heard.findings, 0));
    OK(tn_find(tn_store_segment(store), "item/004", NULL, &p, NULL));
    ((uint64_t *)p)[-1] ^= 1;
    FAILS(tn_check_file("s", NULL, hear, &heard), TN_ECORRUPT);
    cr_expect(ge(sz, heard.findings, 1));
    cr_expect(eq(int, strncmp(tn_errmsg(), "s: ", 3), 0), "%s", tn_errmsg());
    ((uint64_t *)p)[-1] ^= 1;
    OK(tn_store_close(store));
    cr_expect(stores_sound("s", 0));
}

static const int numbers[] = {EIO, ENOMEM, EACCES};

Test(check, survives_every_refusal)
{
    int descriptors = faults_descriptors();
    bool more = true;
    tn_status status;

    for (int n = 0; more; n++) {
        faults_refuse(n, numbers[n % 3]);
        status = tn_check_file("s", NULL, NULL, NULL);
        more = faults_end();
        cr_assert(stores_documented(status), "op %d: %d", n, status);
        cr_assert(eq(int, faults_descriptors(), descriptors), "op %d", n);
    }
    OK(status);
    cr_expect(stores_sound("s", 0));
}
