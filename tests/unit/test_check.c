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
    char rule[8], layer[16], what[512], object[64];
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
    snprintf(heard->object, sizeof(heard->object), "%s",
             finding->object != NULL ? finding->object : "");
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

/* A durable store of a few objects and with page sums, closed in order. */
static void make_durable(void)
{
    tn_options options = {.size = 1024 * 1024, .journal_size = 64 * 1024};
    tn_store *store;
    tn_segment *w;
    char name[32];
    void *p;

    tmpdir_enter();
    OK(tn_store_open(&store, "d", TN_DURABLE | TN_CREATE, &options));
    OK(tn_begin(store, &w));
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "page/%02d", i);
        OK(tn_construct(w, name, tn_bytes_type(), 20000, NULL, &p));
        memset(p, i, 20000);
    }
    OK(tn_commit(store));
    OK(tn_store_close(store));
}

/* The middle of an object, in the file. */
static uint64_t middle_of(const char *name)
{
    tn_store *store;
    uint64_t place;
    void *p;

    OK(tn_store_open(&store, "d", TN_READ_ONLY, NULL));
    OK(tn_find(tn_store_segment(store), name, NULL, &p, NULL));
    place = tn_handle_of(tn_store_segment(store), p) + 10000;
    OK(tn_store_close(store));
    return STORE_SEGMENT_OFF + place;
}

Test(check, names_the_object_whose_page_has_changed, .init = make_durable)
{
    static const char *const names[] = {"page/03", "page/04", "page/17"};
    struct heard heard = {0};
    size_t before = 0;

    for (int i = 0; i < 3; i++) {
        stores_write("d", "x", 1, middle_of(names[i]));
        memset(&heard, 0, sizeof(heard));
        FAILS(tn_check_file("d", NULL, hear, &heard), TN_ECORRUPT);
        cr_expect(eq(str, heard.rule, "P1"));
        cr_expect(eq(str, heard.layer, "page sums"));
        cr_expect(eq(str, heard.object, "page/03"), "the first of them");
        cr_expect(gt(sz, heard.findings, before));
        before = heard.findings;
    }
}

Test(check, knows_an_old_superblock, .init = make_durable)
{
    struct heard heard = {0};
    struct superblock old;
    tn_segment *w;
    tn_store *store;
    void *p;

    stores_superblock("d", &old);
    OK(tn_store_open(&store, "d", TN_DURABLE, NULL));
    OK(tn_begin(store, &w));
    OK(tn_construct(w, "new", tn_bytes_type(), 1, NULL, &p));
    OK(tn_commit(store));
    OK(tn_store_close(store));
    OK(tn_check_file("d", NULL, hear, &heard));
    stores_write("d", &old, sizeof(old), 0);
    FAILS(tn_check_file("d", NULL, hear, &heard), TN_ECORRUPT);
    cr_expect(eq(str, heard.rule, "P3"));
}

Test(check, looks_at_no_page_when_it_is_to_be_quick, .init = make_durable)
{
    tn_check_options quick = {.depth = TN_CHECK_QUICK};
    struct heard heard = {0};
    uint64_t at = middle_of("page/05") - 10000, word;

    stores_write("d", "x", 1, at + 100);
    OK(tn_check_file("d", &quick, hear, &heard));
    stores_read("d", &word, 8, at - 40); /* the header of its block */
    word ^= 0x100;
    stores_write("d", &word, 8, at - 40);
    FAILS(tn_check_file("d", &quick, hear, &heard), TN_ECORRUPT);
    cr_expect(eq(str, heard.rule, "H1"));
}

/* Sums off, so that nothing else sees it. */
Test(check, holds_trim_to_what_it_promised)
{
    tn_options options = {.size = 256 * 1024, .page_sums = TN_SUMS_OFF};
    tn_check_options full = {.depth = TN_CHECK_FULL};
    struct heard heard = {0};
    uint64_t at;
    tn_store *store;
    tn_segment *w;
    void *p;

    OK(tn_store_open(&store, "d", TN_DURABLE | TN_CREATE, &options));
    OK(tn_begin(store, &w));
    OK(tn_construct(w, "gone", tn_bytes_type(), 50000, NULL, &p));
    at = STORE_SEGMENT_OFF + tn_handle_of(w, p) + 25000;
    OK(tn_destroy(w, "gone", NULL));
    OK(tn_commit(store));
    OK(tn_store_close(store));
    stores_write("d", "x", 1, at);
    OK(tn_check_file("d", &full, hear, &heard));
    OK(tn_store_open(&store, "d", TN_DURABLE, &options));
    OK(tn_trim(store, NULL));
    OK(tn_store_close(store));
    OK(tn_check_file("d", &full, hear, &heard));
    stores_write("d", "x", 1, at);
    OK(tn_check_file("d", NULL, hear, &heard));
    FAILS(tn_check_file("d", &full, hear, &heard), TN_ECORRUPT);
    cr_expect(eq(str, heard.rule, "Z1"));
    OK(tn_store_open(&store, "d", TN_DURABLE, &options));
    OK(tn_begin(store, &w));
    OK(tn_construct(w, "new", tn_bytes_type(), 50, NULL, &p));
    OK(tn_commit(store));
    OK(tn_store_close(store));
    OK(tn_check_file("d", &full, NULL, NULL));
}

/* How far the check was said to be, and how often until it is told to stop. */
struct told {
    uint64_t done, total;
    int calls, stop_at;
};

static bool tell(void *arg, uint64_t done, uint64_t total)
{
    struct told *told = arg;

    cr_expect(ge(u64, done, told->done));
    told->done = done;
    told->total = total;
    return ++told->calls != told->stop_at;
}

Test(check, tells_how_far_it_is_and_stops_when_it_is_told, .init = make_durable)
{
    struct told told = {0};
    tn_check_options options = {.progress = tell, .progress_arg = &told};

    OK(tn_check_file("d", &options, NULL, NULL));
    cr_expect(ge(int, told.calls, 1));
    cr_expect(eq(u64, told.done, told.total));
    cr_expect(eq(u64, told.total, stores_length("d")));
    told = (struct told){.stop_at = 1};
    FAILS(tn_check_file("d", &options, NULL, NULL), TN_ECANCELED);
    cr_expect(eq(int, told.calls, 1));
}

static const unsigned accesses[] = {TN_READ_ONLY, TN_PRIVATE, TN_DURABLE,
                                    TN_SHARED};

Test(check, takes_a_store_that_is_open, .init = make_durable)
{
    tn_check_options depth = {0};
    tn_store *store;

    for (int i = 0; i < 4; i++) {
        OK(tn_store_open(&store, "d", accesses[i], NULL));
        for (int d = TN_CHECK_NORMAL; d <= TN_CHECK_FULL; d++) {
            depth.depth = (tn_check_depth)d;
            OK(tn_check_store(store, &depth, NULL, NULL));
        }
        OK(tn_store_close(store));
    }
    stores_write("d", "x", 1, middle_of("page/08"));
    for (int i = 0; i < 4; i++) {
        OK(tn_store_open(&store, "d", accesses[i], NULL));
        FAILS(tn_check_store(store, NULL, NULL, NULL),
              accesses[i] == TN_READ_ONLY || accesses[i] == TN_DURABLE
                  ? TN_ECORRUPT
                  : TN_OK);
        OK(tn_store_close(store));
    }
    FAILS(tn_check_store(NULL, NULL, NULL, NULL), TN_EINVAL);
}

Test(check, of_a_durable_store_sees_the_last_commit_in_a_transaction,
     .init = make_durable)
{
    tn_store *store;
    tn_segment *w;
    void *p;

    OK(tn_store_open(&store, "d", TN_DURABLE, NULL));
    OK(tn_begin(store, &w));
    OK(tn_find(w, "page/01", NULL, &p, NULL));
    ((uint64_t *)p)[-1] ^= 1;
    OK(tn_check_store(store, NULL, NULL, NULL));
    OK(tn_commit(store));
    FAILS(tn_check_store(store, NULL, NULL, NULL), TN_ECORRUPT);
    OK(tn_store_close(store));
}

/* Each byte, and the rule that it breaks. */
Test(check, knows_every_byte_of_the_first_page)
{
    static const struct {
        uint64_t offset;
        const char *rule;
    } bytes[] = {{600, "B3"},  {1023, "B3"}, {1072, "B3"},
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

/* A file whose size is claimed only: a terabyte of hole behind the store. */
Test(check, looks_for_what_lies_behind_the_end_and_not_at_holes, .timeout = 10)
{
    tn_check_options full = {.depth = TN_CHECK_FULL};
    const off_t enormous = (off_t)1 << 40;
    struct heard heard = {0};

    if (truncate("s", enormous) != 0)
        cr_skip_test("no file can be that large here");
    OK(tn_check_file("s", &full, hear, &heard));
    stores_write("s", "x", 1, (uint64_t)enormous - 5000);
    FAILS(tn_check_file("s", &full, hear, &heard), TN_ECORRUPT);
    cr_expect(eq(str, heard.rule, "B5"));
    cr_expect(eq(u64, heard.offset, (uint64_t)enormous - 5000));
}
