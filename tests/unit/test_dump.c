/* test_dump.c - a dump shows what is there, and whatever is there, it ends
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/digest.h"
#include "heap/block.h"
#include "lib/faults.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"
#include "segment/segment.h"
#include "tenon.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH "dumped.tn"

static char *text; /* what the last dump printed */

static void enter(void)
{
    tmpdir_enter();
}

static void leave(void)
{
    free(text);
    text = NULL;
    tmpdir_leave();
}

static tn_status dump(unsigned what)
{
    size_t n;
    tn_status status;
    FILE *f;

    free(text);
    f = open_memstream(&text, &n);
    cr_assert(f != NULL);
    status = tn_dump_file(PATH, what, f);
    fclose(f);
    return status;
}

static bool says(const char *what)
{
    return strstr(text, what) != NULL;
}

static size_t count(const char *what)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

static size_t blocks_of(const tn_segment *seg)
{
    enum block_state state;
    uint64_t off = 0;
    size_t usable, n = 0;
    void *p;

    while ((off = heap_next_block(segment_heap(seg), off, &p, &state,
                                  &usable)) != 0)
        n++;
    return n;
}

TestSuite(dump, .init = enter, .fini = leave, .timeout = 120);

ParameterizedTestParameters(dump, shows_every_block_and_name)
{
    static tn_index kinds[] = {TN_INDEX_ISET, TN_INDEX_FLAT_MAP, TN_INDEX_MAP,
                               TN_INDEX_HASH};

    return cr_make_param_array(tn_index, kinds, sizeof(kinds) / sizeof(*kinds));
}

ParameterizedTest(tn_index *kind, dump, shows_every_block_and_name)
{
    tn_store *store;
    char name[32];

    stores_make(PATH, *kind);
    cr_assert(eq(int, dump(0), TN_OK), "%s: %s", tn_errmsg(), text);
    cr_expect(not(says("wrong")));
    for (int i = 0; i < STORES_OBJECTS; i++) {
        snprintf(name, sizeof(name), "named \"item/%03d\"", i);
        cr_expect(says(name), "%s", name);
    }
    cr_expect(says("unique ") && says("anonymous "));
    cr_expect(says("CLEAN") && says("superblock") && says("marks"));
    cr_assert(eq(int, tn_store_open(&store, PATH, TN_READ_ONLY, NULL), TN_OK));
    dump(TN_DUMP_BLOCKS);
    cr_expect(eq(sz, count("  ok     "), blocks_of(tn_store_segment(store))));
    tn_store_close(store);
}

Test(dump, prints_only_what_is_asked_for)
{
    stores_make(PATH, TN_INDEX_MAP);
    dump(TN_DUMP_TYPES);
    cr_expect(says("types") && !says("superblock") && !says("blocks, from"));
    dump(TN_DUMP_SUPERBLOCK);
    cr_expect(says("superblock") && !says("types") && !says("blocks, from"));
    cr_expect(eq(int, tn_dump_file(PATH, 0x1000, stdout), TN_EINVAL));
    cr_expect(eq(int, tn_dump_file(PATH, 0, NULL), TN_EINVAL));
    cr_expect(eq(int, tn_dump_file("nothing.tn", 0, stdout), TN_ENOENT));
}

Test(dump, shows_each_record_and_what_lies_under_its_runs)
{
    tn_store *store;
    tn_segment *seg;
    void *object;

    cr_assert(
        eq(int,
           tn_store_open(&store, PATH, TN_DURABLE | TN_CREATE, &stores_options),
           TN_OK));
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(int, tn_begin(store, &seg), TN_OK));
        cr_assert(eq(int,
                     tn_construct(seg, i == 0 ? "first" : "second",
                                  &stores_item, 1, NULL, &object),
                     TN_OK));
        cr_assert(eq(int, tn_commit(store), TN_OK));
    }
    cr_expect(eq(int, dump(TN_DUMP_JOURNAL), TN_OK), "%s", text);
    cr_expect(says("in use"));
    cr_expect(eq(sz, count("record of commit "), 2));
    cr_expect(says("header of the heap, byte "));
    cr_expect(says("named \"second\", 1 of "));
    tn_store_close(store);
}

Test(dump, shows_names_that_do_nothing_to_a_terminal)
{
    const char *name = "a\n\033[31m\xff";
    tn_segment *seg;
    size_t n;
    FILE *f = open_memstream(&text, &n);

    cr_assert(eq(int, tn_segment_create_heap(&seg, 65536, NULL), TN_OK));
    cr_assert(
        eq(int, tn_construct(seg, name, &stores_item, 1, NULL, NULL), TN_OK));
    cr_expect(eq(int, tn_dump_segment(seg, 0, f), TN_OK));
    fclose(f);
    cr_expect(says("\"a\\n\\033[31m\\377\""));
    cr_expect(strchr(text, '\033') == NULL);
    tn_segment_detach(seg);
}

ParameterizedTestParameters(dump, shows_all_of_a_large_index)
{
    static tn_index kinds[] = {TN_INDEX_ISET, TN_INDEX_FLAT_MAP, TN_INDEX_MAP,
                               TN_INDEX_HASH};

    return cr_make_param_array(tn_index, kinds, sizeof(kinds) / sizeof(*kinds));
}

/* How many names the lines of an index account for. */
static size_t names_told(tn_index kind)
{
    const char *before =
        kind == TN_INDEX_HASH ? "depth %*u: %zu of" : "level 0: %zu of";
    const char *mark = kind == TN_INDEX_HASH ? "depth " : "level 0: ";
    size_t sum = 0, names;

    if (kind == TN_INDEX_ISET)
        return count("  depth ");
    for (const char *p = text; (p = strstr(p, mark)) != NULL; p++)
        if (sscanf(p, before, &names) == 1)
            sum += names;
    return sum;
}

ParameterizedTest(tn_index *kind, dump, shows_all_of_a_large_index)
{
    enum { NAMES = 20000 };
    tn_options options = {.index = *kind};
    tn_segment *seg;
    char name[32];
    size_t n;
    FILE *f;

    cr_assert(eq(int, tn_segment_create_heap(&seg, 8 << 20, &options), TN_OK));
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "%08x", i * 2654435761u);
        cr_assert(eq(int, tn_construct(seg, name, &stores_item, 1, NULL, NULL),
                     TN_OK));
    }
    f = open_memstream(&text, &n);
    cr_expect(eq(int, tn_dump_segment(seg, TN_DUMP_INDEX, f), TN_OK));
    fclose(f);
    cr_expect(eq(sz, names_told(*kind), NAMES));
    cr_expect(not(says("wrong")));
    tn_segment_detach(seg);
}

/* --- Damage --------------------------------------------------------------- */

/* The header of the block in which the object of this name lies. */
static uint64_t header_of(const char *name)
{
    tn_store *store;
    tn_segment *seg;
    void *object;
    uint64_t off, record;

    cr_assert(eq(int, tn_store_open(&store, PATH, TN_READ_ONLY, NULL), TN_OK));
    seg = tn_store_segment(store);
    cr_assert(eq(int, tn_find(seg, name, NULL, &object, NULL), TN_OK));
    record = tn_handle_of(seg, object) - sizeof(struct record);
    off = heap_off(segment_heap(seg),
                   record_block(segment_heap(seg), TN_INDEX_MAP, record));
    tn_store_close(store);
    return STORE_SEGMENT_OFF + off - HEAP_OVERHEAD;
}

Test(dump, goes_on_behind_a_block_that_is_damaged)
{
    uint64_t garbage = UINT64_C(0x5555aaaa5555aaa3), at;

    stores_make(PATH, TN_INDEX_MAP);
    at = header_of("item/020");
    stores_write(PATH, &garbage, sizeof(garbage), at);
    cr_expect(eq(int, dump(0), TN_ECORRUPT));
    cr_expect(says("no block begins here (5555aaaa5555aaa3)"));
    cr_expect(says("\"item/019\", 1 of") && says("\"item/021\", 1 of"));
    cr_expect(not(says("named \"item/020\"")));
}

Test(dump, shows_the_blocks_of_a_segment_without_a_header)
{
    char zeros[sizeof(struct segment)] = {0};

    stores_make(PATH, TN_INDEX_MAP);
    stores_write(PATH, zeros, sizeof(zeros), STORE_SEGMENT_OFF);
    cr_expect(eq(int, dump(0), TN_ENOTSTORE));
    cr_expect(says("no reader can open it"));
    cr_expect(says("named \"item/000\", 1 of ") && says("item/039"));
}

Test(dump, shows_how_many_blocks_are_in_each_list)
{
    tn_segment *seg;
    void *p[6];
    size_t n;
    FILE *f;

    cr_assert(eq(int, tn_segment_create_heap(&seg, 65536, NULL), TN_OK));
    for (int i = 0; i < 6; i++)
        p[i] = tn_alloc(seg, 100);
    for (int i = 0; i < 6; i += 2)
        tn_free(seg, p[i]);
    f = open_memstream(&text, &n);
    cr_expect(eq(int, tn_dump_segment(seg, TN_DUMP_BLOCKS, f), TN_OK));
    fclose(f);
    cr_expect(says("quick list   112 bytes: 3 blocks"), "%s", text);

    *(uint64_t *)p[0] ^= 64; /* the link, which is the oldest's */
    free(text);
    f = open_memstream(&text, &n);
    cr_expect(eq(int, tn_dump_segment(seg, TN_DUMP_BLOCKS, f), TN_ECORRUPT));
    fclose(f);
    cr_expect(says("the quick list of 112 bytes leads elsewhere after 3"));
    tn_segment_detach(seg);
}

Test(dump, names_the_field_that_is_wrong)
{
    struct superblock sb;

    stores_make(PATH, TN_INDEX_MAP);
    stores_superblock(PATH, &sb);
    sb.segment_size = 1 << 30;
    stores_write(PATH, &sb, sizeof(sb), 0);
    cr_expect(eq(int, dump(TN_DUMP_SUPERBLOCK), TN_ECORRUPT));
    cr_expect(says("1073741824: wrong, more than the file has"));
    cr_expect(says(": wrong, the bytes have "));
    cr_expect(eq(sz, count("wrong"), 2));
}

Test(dump, ends_wherever_a_file_is_cut_off)
{
    char bytes[STORES_SIZE];
    size_t size;

    stores_make(PATH, TN_INDEX_MAP);
    size = stores_length(PATH);
    cr_assert(le(sz, size, sizeof(bytes)));
    stores_read(PATH, bytes, size, 0);
    for (size_t n = 0; n < size; n += 512) {
        stores_put(PATH, bytes, n);
        cr_assert(ne(int, dump(0), TN_OK), "%zu bytes", n);
        cr_expect(says("wrong"), "%zu bytes", n);
    }
}

/* --- Damaged journals ----------------------------------------------------- */

#define JOURNAL PATH "-journal"

/* The journal of two commits, as it is while the store is open. */
static char *journal;
static size_t journal_size;

static struct journal_record *record_at(size_t off)
{
    return (struct journal_record *)(journal + off);
}

static struct journal_record *first_record(void)
{
    return record_at(JOURNAL_RECORDS_OFF);
}

static struct journal_record *second_record(void)
{
    uint64_t bytes = first_record()->bytes;

    return record_at(JOURNAL_RECORDS_OFF +
                     (bytes + STORE_SECTOR - 1) / STORE_SECTOR * STORE_SECTOR);
}

static struct journal_run *first_run(void)
{
    return (struct journal_run *)(first_record() + 1);
}

static void reseal(struct journal_record *record)
{
    record->digest = digest64((char *)record + sizeof(record->digest),
                              record->bytes - sizeof(record->digest));
}

static void make_journal(void)
{
    tn_store *store;
    tn_segment *seg;

    cr_assert(
        eq(int,
           tn_store_open(&store, PATH, TN_DURABLE | TN_CREATE, &stores_options),
           TN_OK));
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(int, tn_begin(store, &seg), TN_OK));
        cr_assert(eq(
            int, tn_construct(seg, TN_ANONYMOUS, &stores_item, 1, NULL, NULL),
            TN_OK));
        cr_assert(eq(int, tn_commit(store), TN_OK));
    }
    journal_size = stores_length(JOURNAL);
    journal = malloc(journal_size);
    stores_read(JOURNAL, journal, journal_size, 0);
    tn_store_close(store);
}

/* Damage it, dump it, and put it right again. */
static void expect_of_journal(void (*damage)(void), const char *what)
{
    char *whole = malloc(journal_size);

    memcpy(whole, journal, journal_size);
    damage();
    stores_put(JOURNAL, journal, journal_size);
    dump(TN_DUMP_JOURNAL);
    cr_expect(says(what), "not said: %s\n%s", what, text);
    memcpy(journal, whole, journal_size);
    free(whole);
}

static void spoil_headers(void)
{
    journal[40]++;
    journal[STORE_SECTOR + 40]++;
}

static void spoil_digest(void)
{
    first_record()->nonce++;
}

static void claim_zeros(void)
{
    struct journal_record *record = first_record();

    *first_run() = (struct journal_run){8192, JOURNAL_ZEROS | 4096};
    record->bytes = sizeof(*record) + sizeof(*first_run());
    reseal(record);
}

static void write_first_page(void)
{
    claim_zeros();
    first_run()->offset = STORE_SECTOR;
    reseal(first_record());
}

static void write_behind_end(void)
{
    first_run()->offset = first_record()->file_size;
    reseal(first_record());
}

static void write_nothing(void)
{
    first_run()->length = 0;
    reseal(first_record());
}

static void write_more_than_it_has(void)
{
    first_run()->length = first_record()->bytes;
    reseal(first_record());
}

static void end_in_a_run(void)
{
    claim_zeros();
    first_record()->bytes += 8;
    reseal(first_record());
}

static void skip_a_number(void)
{
    second_record()->number++;
    reseal(second_record());
}

static void break_the_chain(void)
{
    second_record()->chain++;
    reseal(second_record());
}

static void claim_a_size(void)
{
    second_record()->bytes = UINT64_C(1) << 60;
}

static void claim_no_size(void)
{
    second_record()->bytes = 8;
}

static void leave_another(void)
{
    second_record()->salt++;
}

Test(dump, tells_what_is_wrong_with_a_journal)
{
    static const struct {
        void (*damage)(void);
        const char *what;
    } cases[] = {
        {spoil_headers, "wrong: no header is valid, so that no record counts"},
        {spoil_digest, "wrong, the bytes have "},
        {claim_zeros, "zeros; block "},
        {write_first_page, "fits neither record nor store"},
        {write_behind_end, "fits neither record nor store"},
        {write_nothing, "wrong: a run of 0 bytes at "},
        {write_more_than_it_has, "fits neither record nor store"},
        {end_in_a_run, "wrong: the runs do not end with the record"},
        {skip_a_number, "has this salt, but not the next number"},
        {break_the_chain, "written after another record"},
        {claim_a_size, "claims a size that cannot be"},
        {claim_no_size, "claims a size that cannot be"},
        {leave_another, "of an older generation, or no record"},
    };

    make_journal();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        expect_of_journal(cases[i].damage, cases[i].what);
    free(journal);
}

Test(dump, shows_no_journal_that_is_none)
{
    stores_make(PATH, TN_INDEX_MAP);
    stores_put(JOURNAL, "short", 5);
    cr_expect(eq(int, dump(TN_DUMP_JOURNAL), TN_ECORRUPT));
    cr_expect(says("too few, or too many, for a journal"));
    cr_assert(eq(int, unlink(JOURNAL), 0));
    cr_assert(eq(int, mkdir(JOURNAL, 0700), 0));
    cr_expect(eq(int, dump(TN_DUMP_JOURNAL), TN_ECORRUPT));
    cr_expect(says("journal: it cannot be read"));
}

/* An operation that fails is said; the rest of the dump follows. */
Test(dump, goes_on_where_something_cannot_be_read)
{
    int descriptors = faults_descriptors();
    bool failed = true;

    make_journal();
    free(journal);
    for (int n = 0; failed; n++) {
        tn_status status;

        faults_refuse(n, EIO);
        status = dump(0);
        failed = faults_end();
        if (!failed)
            cr_expect(eq(int, status, TN_OK));
        cr_assert(eq(int, faults_descriptors(), descriptors), "%d", n);
        cr_assert(status == TN_OK || stores_documented(status), "%d", n);
        if (failed && text[0] != '\0' && status != TN_OK)
            cr_expect(says("wrong") || says("now") || status == TN_EIO,
                      "%d: %s", n, text);
    }
}

/* --- Other damage --------------------------------------------------------- */

Test(dump, says_how_the_store_was_left)
{
    struct marks marks = {.boot = mark_seal(STORE_BOOT_UNKNOWN)};

    stores_make(PATH, TN_INDEX_MAP);
    stores_set_state(PATH, STORE_SHARED);
    stores_write(PATH, &marks, sizeof(marks), STORE_MARKS_OFF);
    dump(TN_DUMP_SUPERBLOCK);
    cr_expect(says("SHARED: in shared use"));
    cr_expect(says("the machine did not tell its boot"));
    stores_set_state(PATH, STORE_LIVE);
    dump(TN_DUMP_SUPERBLOCK);
    cr_expect(says("LIVE: in durable use"));
    stores_set_state(PATH, 3);
    cr_expect(eq(int, dump(TN_DUMP_SUPERBLOCK), TN_ECORRUPT));
    cr_expect(says("none of the three"));
}

/* A segment of four blocks in a row; what is done to the headers of the first
 * and of the third, and what is said of it. */
static void expect_of_blocks(enum block_state first, enum block_state third,
                             uint64_t prev_used, const char *what)
{
    tn_segment *seg;
    struct heap *h;
    uint64_t off[4], size;
    size_t n;
    FILE *f;

    cr_assert(eq(int, tn_segment_create_heap(&seg, 65536, NULL), TN_OK));
    h = segment_heap(seg);
    for (int i = 0; i < 4; i++)
        off[i] = heap_off(h, tn_alloc(seg, 2000));
    size = word_size(word_load(h, off[0]));
    word_store(h, off[0], word_make(off[0], size, HEAP_PREV_USED, first));
    word_store(h, off[2], word_make(off[2], size, prev_used, third));
    free(text);
    f = open_memstream(&text, &n);
    tn_dump_segment(seg, TN_DUMP_BLOCKS, f);
    fclose(f);
    cr_expect(says(what), "not said: %s\n%s", what, text);
    tn_segment_detach(seg);
}

Test(dump, tells_what_is_wrong_with_a_block)
{
    expect_of_blocks(BLOCK_FIXED, BLOCK_RAW, HEAP_PREV_USED,
                     "wrong: no block of the heap's own is here");
    expect_of_blocks(BLOCK_BUILDING, BLOCK_RAW, HEAP_PREV_USED,
                     "an object that is being made or destroyed");
    expect_of_blocks(BLOCK_TYPE, BLOCK_RAW, HEAP_PREV_USED,
                     "wrong: the description of the type is damaged");
    expect_of_blocks(BLOCK_RAW, BLOCK_RAW, 0,
                     "wrong: P says that the one before is free");
    expect_of_blocks(BLOCK_FREE, BLOCK_RAW, HEAP_PREV_USED,
                     "wrong: P says that the one before is in use");
    expect_of_blocks(BLOCK_FREE, BLOCK_RAW, HEAP_PREV_USED,
                     "wrong: the one before ends with ");
}

/* The block that ends the chain stands where another one was. */
Test(dump, tells_where_a_chain_ends_too_early)
{
    tn_segment *seg;
    struct heap *h;
    uint64_t off;
    size_t n;
    FILE *f;

    cr_assert(eq(int, tn_segment_create_heap(&seg, 65536, NULL), TN_OK));
    h = segment_heap(seg);
    off = heap_off(h, tn_alloc(seg, 2000));
    word_store(h, off, word_make(off, 0, HEAP_PREV_USED, BLOCK_FIXED));
    f = open_memstream(&text, &n);
    cr_expect(eq(int, tn_dump_segment(seg, TN_DUMP_BLOCKS, f), TN_ECORRUPT));
    fclose(f);
    cr_expect(says("and the heap's header says at "));
    tn_segment_detach(seg);
}

/* The beginning of a store, and behind it a terabyte of hole. */
Test(dump, looks_for_no_block_in_a_hole, .timeout = 10)
{
    uint64_t garbage = 3, at;

    stores_make(PATH, TN_INDEX_MAP);
    at = header_of("item/020");
    stores_write(PATH, &garbage, sizeof(garbage), at);
    cr_assert(eq(int, truncate(PATH, (off_t)at + 8), 0));
    if (truncate(PATH, (off_t)1 << 40) != 0)
        cr_skip_test("no file can be that large here");
    cr_expect(eq(int, dump(0), TN_ECORRUPT));
    cr_expect(says("\"item/019\", 1 of") && !says("named \"item/021\""));
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* What a dump prints is in proportion to what there is. */
enum { MOST_OUTPUT = 16 * 1024 * 1024 };

ParameterizedTestParameters(dump, ends_on_any_bytes)
{
    static tn_index kinds[] = {TN_INDEX_ISET, TN_INDEX_FLAT_MAP, TN_INDEX_MAP,
                               TN_INDEX_HASH};

    return cr_make_param_array(tn_index, kinds, sizeof(kinds) / sizeof(*kinds));
}

/* Words are overwritten with words from elsewhere in the file, so that links
 * lead to where something like a node is, and in circles. */
ParameterizedTest(tn_index *kind, dump, ends_on_any_bytes)
{
    static uint64_t good[STORES_SIZE / 8], bad[STORES_SIZE / 8];
    uint64_t random = 88172645463325252u + *kind;
    size_t words;

    stores_make(PATH, *kind);
    words = stores_length(PATH) / 8;
    cr_assert(le(sz, words, STORES_SIZE / 8));
    stores_read(PATH, good, 8 * words, 0);
    for (int round = 0; round < 300; round++) {
        memcpy(bad, good, sizeof(bad));
        for (int i = 0; i < 1 + round; i++) {
            size_t to = random_next(&random) % words;

            bad[to] = random_next(&random) % 4 == 0
                          ? random_next(&random)
                          : good[random_next(&random) % words];
        }
        stores_put(PATH, bad, 8 * words);
        cr_assert(stores_documented(dump(0)), "round %d", round);
        cr_assert(lt(sz, strlen(text), MOST_OUTPUT), "round %d", round);
    }
}
