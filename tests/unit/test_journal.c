/* test_journal.c - records that come back, and bytes that must not
 *
 * What is put into a journal here, the tests remember; what comes out again
 * must be a beginning of it, whatever was done to the file's bytes between.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "lib/arena.h"
#include "lib/faults.h"
#include "lib/tmpdir.h"
#include "store/journal.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

enum { SIZE = 64 * 1024, FILE_SIZE = 1 << 20, SECTOR = STORE_SECTOR };

/* Base: commit 7 with the nonce 77. */
static struct superblock sb = {
    .commit_number = 7, .commit_nonce = 77, .uuid = "fifteen letters"};
static struct journal j;

static void make_journal(void)
{
    tmpdir_enter();
    OK(journal_create(&j, "j", &sb, SIZE, 0600));
}

static void drop_journal(void)
{
    faults_end();
    journal_close(&j);
    tmpdir_leave();
}

TestSuite(journal, .init = make_journal, .fini = drop_journal, .timeout = 60);

/* --- Helpers -------------------------------------------------------------- */

static void reopen(void)
{
    journal_close(&j);
    OK(journal_open(&j, "j", true));
}

/* Where the chain ends, as one finds it who has just come. */
static tn_status find_end(void)
{
    tn_status status;

    reopen();
    status = journal_read_header(&j, sb.uuid);
    return status == TN_OK ? journal_find_end(&j) : status;
}

static void put(uint64_t offset, const void *bytes, size_t size)
{
    OK(file_write(&j.file, bytes, size, offset));
}

static void get(uint64_t offset, void *bytes, size_t size)
{
    OK(file_read(&j.file, bytes, size, offset));
}

static void flip(uint64_t offset, int bit)
{
    unsigned char byte;

    get(offset, &byte, 1);
    byte ^= (unsigned char)(1 << bit);
    put(offset, &byte, 1);
}

/* Write a record with one run of length bytes that all are its number. */
static void append(uint64_t number, size_t length, uint64_t synced)
{
    static char bytes[SIZE];

    memset(bytes, (int)number, length);
    OK(journal_begin(&j));
    OK(journal_add(&j, STORE_SEGMENT_OFF + 8 * number, bytes, length));
    OK(journal_write(&j, (struct commit_id){number, number * 11}, synced,
                     FILE_SIZE));
}

/* Records 8, 9 ... with lengths that fill some sectors. */
static void append_some(int count)
{
    for (int i = 0; i < count; i++)
        append(8 + (uint64_t)i, (size_t)(i * 700) % 2000 + 5, 7);
}

/* Are the records from the base to the end those that append_some() makes? */
static void check_records(uint64_t last)
{
    struct journal_place place = journal_start(&j);
    uint64_t offset;
    const void *bytes;
    size_t length, at;

    cr_assert(eq(u64, j.end.number, last));
    for (uint64_t number = 8; number <= last; number++) {
        OK(journal_read(&j, &place));
        cr_assert(eq(u64, place.number, number));
        cr_assert(eq(u64, place.nonce, number * 11));
        cr_assert(journal_holds(&j, number));
        cr_assert(eq(u64, journal_file_size(&j), FILE_SIZE));
        at = 0;
        cr_assert(journal_next_run(&j, &at, &offset, &bytes, &length));
        cr_assert(eq(u64, offset, STORE_SEGMENT_OFF + 8 * number));
        cr_assert(eq(sz, length, (number - 8) * 700 % 2000 + 5));
        for (size_t i = 0; i < length; i++)
            cr_assert(eq(chr, ((const char *)bytes)[i], (char)number));
        cr_assert(not(journal_next_run(&j, &at, &offset, &bytes, &length)));
    }
    cr_assert(eq(u64, place.off, j.end.off));
    cr_assert(eq(u64, place.chain, j.end.chain));
}

/* --- Headers: J1 ---------------------------------------------------------- */

Test(journal, a_new_one_has_a_header_and_no_record)
{
    struct journal_header header;

    cr_expect(eq(u64, j.size, SIZE));
    cr_expect(eq(u64, journal_generation(&j), 1));
    get(SECTOR, &header, sizeof(header)); /* odd: the second slot */
    cr_expect(eq(u64, header.magic, JOURNAL_MAGIC));
    cr_expect(eq(u64, header.base_number, 7));
    cr_expect(eq(u64, header.base_nonce, 77));
    cr_expect(eq(int, memcmp(header.uuid, sb.uuid, 16), 0));
    get(0, &header, sizeof(header));
    cr_expect(eq(u64, header.magic, 0));
    OK(find_end());
    cr_expect(eq(u64, j.end.number, 7));
    cr_expect(eq(u64, j.end.nonce, 77));
    cr_expect(eq(u64, j.end.off, JOURNAL_RECORDS_OFF));
}

Test(journal, a_name_that_is_taken_is_not_taken_over)
{
    struct journal other;

    FAILS(journal_create(&other, "j", &sb, SIZE, 0600), TN_EEXIST);
    cr_expect(eq(int, other.file.fd, -1));
    OK(find_end());
    cr_expect(eq(int, tmpdir_names(), 1));
}

Test(journal, any_size_asked_for_is_enough_to_begin)
{
    static const uint64_t sizes[] = {0, 1, 4096, 65537, 200000};
    struct journal other;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        OK(journal_create(&other, "other", &sb, sizes[i], 0600));
        cr_expect(ge(u64, other.size, sizes[i]));
        cr_expect(ge(u64, other.size, SIZE));
        cr_expect(eq(u64, other.size % 4096, 0));
        journal_close(&other);
        OK(file_unlink("other"));
    }
}

Test(journal, generations_take_turns_in_two_slots)
{
    for (uint64_t g = 2; g < 7; g++) {
        struct journal_header before[2], after[2];
        uint64_t salt = j.header.salt;

        get(0, before, sizeof(before));
        OK(journal_next_generation(&j, (struct commit_id){10 * g, g}));
        get(0, after, sizeof(after));
        cr_expect(eq(u64, after[g % 2].generation, g));
        cr_expect(
            eq(int, memcmp(&before[1 - g % 2], &after[1 - g % 2], SECTOR), 0));
        cr_expect(ne(u64, j.header.salt, salt));
        OK(find_end());
        cr_expect(eq(u64, journal_generation(&j), g));
        cr_expect(eq(u64, j.end.number, 10 * g));
        cr_expect(eq(u64, j.end.nonce, g));
    }
}

/* As after a power cut while it was written. */
Test(journal, a_torn_new_header_leaves_the_generation_before)
{
    append_some(5);
    OK(journal_next_generation(&j, (struct commit_id){12, 12 * 11}));
    flip(100, 3);
    OK(find_end());
    cr_expect(eq(u64, journal_generation(&j), 1));
    check_records(12);
}

Test(journal, every_flipped_bit_of_a_header_is_noticed)
{
    for (uint64_t byte = 0; byte < SECTOR; byte++) {
        int bit = (int)(byte % 8);

        flip(SECTOR + byte, bit);
        cr_assert(eq(u64, journal_generation(&j), 0));
        FAILS(journal_read_header(&j, sb.uuid), TN_ENOENT);
        flip(SECTOR + byte, bit);
    }
    cr_expect(eq(u64, journal_generation(&j), 1));
}

/* The one after it would be number 0, which is none, or one that the marks have
 * no room for. */
Test(journal, a_header_whose_numbers_are_used_up_is_none)
{
    struct journal_header good, bad;

    get(SECTOR, &good, sizeof(good));
    for (int i = 0; i < 2; i++) {
        bad = good;
        if (i == 0)
            bad.generation = UINT64_MAX;
        else
            bad.base_number = STORE_MOST_NUMBERS;
        bad.digest = digest64(&bad, offsetof(struct journal_header, digest));
        put(SECTOR, &bad, sizeof(bad));
        cr_expect(eq(u64, journal_generation(&j), 0));
    }
}

/* The digest is right: it is a header, but none of this format. */
Test(journal, a_header_of_another_format_is_none)
{
    struct journal_header header, other;

    get(SECTOR, &header, sizeof(header));
    for (int i = 0; i < 3; i++) {
        other = header;
        if (i == 1)
            other.magic ^= 1;
        if (i == 2)
            other.format++;
        other.digest =
            digest64(&other, offsetof(struct journal_header, digest));
        put(SECTOR, &other, sizeof(other));
        cr_expect(eq(u64, journal_generation(&j), i == 0));
    }
}

Test(journal, another_stores_journal_is_refused)
{
    struct superblock other = sb;

    append_some(2);
    other.uuid[15] ^= 1;
    reopen();
    FAILS(journal_read_header(&j, other.uuid), TN_EJOURNAL);
    OK(journal_read_header(&j, sb.uuid));
}

Test(journal, a_file_that_is_none_has_no_header)
{
    static const char text[] = "this is a letter to somebody else";

    for (uint64_t size = 0; size < 3 * SECTOR; size += 256) {
        reopen();
        OK(file_truncate(&j.file, 0));
        OK(file_truncate(&j.file, size));
        if (size > sizeof(text))
            put(0, text, sizeof(text));
        FAILS(journal_read_header(&j, sb.uuid), TN_ENOENT);
        cr_expect(eq(u64, journal_generation(&j), 0));
    }
}

/* --- Records: J2 ---------------------------------------------------------- */

Test(journal, records_come_back_as_they_were_written)
{
    append_some(9);
    check_records(16);
    OK(find_end());
    check_records(16);
    for (uint64_t at = JOURNAL_RECORDS_OFF; at < j.end.off; at += SECTOR)
        cr_expect(eq(u64, at % SECTOR, 0));
}

Test(journal, a_record_may_have_many_runs_of_any_length)
{
    uint64_t state = 5, offsets[300], got;
    unsigned char bytes[512];
    size_t lengths[300], length, at = 0;
    struct journal_place place;
    const void *p;

    OK(journal_begin(&j));
    for (size_t i = 0; i < 300; i++) {
        lengths[i] = arena_random(&state, 60) + 1;
        offsets[i] = STORE_SEGMENT_OFF + arena_random(&state, FILE_SIZE / 2);
        memset(bytes, (int)i, lengths[i]);
        OK(journal_add(&j, offsets[i], bytes, lengths[i]));
    }
    OK(journal_add(&j, 40, bytes, SECTOR - 40)); /* in the superblock */
    OK(journal_write(&j, (struct commit_id){8, 1}, 7, FILE_SIZE));
    OK(find_end());
    cr_assert(eq(u64, j.end.number, 8));
    place = journal_start(&j);
    OK(journal_read(&j, &place));
    for (size_t i = 0; i < 300; i++) {
        cr_assert(journal_next_run(&j, &at, &got, &p, &length));
        cr_assert(eq(u64, got, offsets[i]));
        cr_assert(eq(sz, length, lengths[i]));
        memset(bytes, (int)i, length);
        cr_assert(eq(int, memcmp(p, bytes, length), 0));
    }
    cr_assert(journal_next_run(&j, &at, &got, &p, &length));
    cr_assert(eq(u64, got, 40));
    cr_assert(not(journal_next_run(&j, &at, &got, &p, &length)));
}

Test(journal, runs_of_zeros_take_no_room_and_join)
{
    struct journal_place place = journal_start(&j);
    size_t length, at = 0;
    const void *p;
    uint64_t got;

    OK(journal_begin(&j));
    OK(journal_add_zeros(&j, STORE_SEGMENT_OFF, 4096));
    OK(journal_add_zeros(&j, STORE_SEGMENT_OFF + 4096, 4096));
    OK(journal_add(&j, STORE_SEGMENT_OFF + 8192, "x", 1));
    OK(journal_add_zeros(&j, STORE_SEGMENT_OFF + 8200, 800));
    cr_expect(eq(sz, journal_record_size(&j), SECTOR));
    OK(journal_write(&j, (struct commit_id){8, 1}, 7, FILE_SIZE));
    OK(journal_read(&j, &place));
    cr_assert(journal_next_run(&j, &at, &got, &p, &length));
    cr_expect(eq(u64, got, STORE_SEGMENT_OFF));
    cr_expect(eq(sz, length, 8192));
    cr_expect(eq(ptr, (void *)p, NULL));
    cr_assert(journal_next_run(&j, &at, &got, &p, &length));
    cr_expect(eq(sz, length, 1));
    cr_expect(eq(int, memcmp(p, "x", 1), 0));
    cr_assert(journal_next_run(&j, &at, &got, &p, &length));
    cr_expect(eq(sz, length, 800));
    cr_expect(eq(ptr, (void *)p, NULL));
    cr_expect(not(journal_next_run(&j, &at, &got, &p, &length)));
}

Test(journal, what_others_have_added_is_seen_by_advancing)
{
    struct journal other;

    OK(journal_open(&other, "j", false));
    OK(journal_read_header(&other, sb.uuid));
    OK(journal_find_end(&other));
    for (uint64_t number = 8; number < 14; number++) {
        cr_expect(eq(u64, other.end.number, number - 1));
        append(number, 100 * number, number - 1);
        OK(journal_advance(&other));
        cr_expect(eq(u64, other.end.number, number));
        cr_expect(eq(u64, other.end.off, j.end.off));
        cr_expect(eq(u64, other.end.chain, j.end.chain));
    }
    journal_close(&other);
}

Test(journal, a_record_that_is_only_begun_is_not_the_one_before)
{
    append(8, 100, 7);
    cr_expect(journal_holds(&j, 8));
    OK(journal_begin(&j));
    cr_expect(not(journal_holds(&j, 8)));
    cr_expect(not(journal_holds(&j, 0)));
    OK(journal_add(&j, STORE_SEGMENT_OFF, "x", 1));
    cr_expect(not(journal_holds(&j, 8)));
    OK(journal_write(&j, (struct commit_id){9, 99}, 7, FILE_SIZE));
    cr_expect(journal_holds(&j, 9));
}

/* A reader that never sees the end gets an error and no bytes. */
Test(journal, a_record_that_changed_since_is_not_read)
{
    struct journal_place place = journal_start(&j);

    append_some(3);
    OK(journal_read(&j, &place));
    flip(place.off + 80, 0);
    FAILS(journal_read(&j, &place), TN_ECORRUPT);
    cr_expect(eq(u64, place.number, 8));
    cr_expect(not(journal_holds(&j, 9)));
}

/* Another history from the same base: the later record fits by its number, but
 * not behind that predecessor. */
Test(journal, a_record_that_survived_its_predecessor_is_none)
{
    char survivor[SECTOR];
    uint64_t off;

    append(8, 10, 7);
    off = j.end.off;
    append(9, 10, 7);
    get(off, survivor, sizeof(survivor));
    put(off, (char[SECTOR]){0}, SECTOR);

    reopen();
    OK(journal_read_header(&j, sb.uuid));
    OK(journal_begin(&j));
    OK(journal_add(&j, STORE_SEGMENT_OFF, "x", 1));
    OK(journal_write(&j, (struct commit_id){8, 4711}, 7, FILE_SIZE));
    put(off, survivor, sizeof(survivor));
    OK(find_end());
    cr_expect(eq(u64, j.end.number, 8));
    cr_expect(eq(u64, j.end.nonce, 4711));
}

Test(journal, records_of_generations_before_are_none)
{
    append_some(9);
    OK(journal_next_generation(&j, (struct commit_id){7, 77}));
    OK(find_end());
    check_records(7);
    append(8, 5, 7); /* as long as the first one was */
    OK(find_end());
    check_records(8);
}

/* --- The end: J3 ---------------------------------------------------------- */

/* The last record's sectors got to disk in part, and the others have old
 * bytes. */
Test(journal, a_torn_last_record_is_the_end)
{
    static char whole[8 * SECTOR], torn[8 * SECTOR];
    uint64_t off;

    append_some(3);
    off = j.end.off;
    append(11, 5 * SECTOR + 100, 10);
    cr_assert(eq(u64, j.end.off - off, 6 * SECTOR));
    get(off, whole, 6 * SECTOR);
    for (unsigned there = 0; there < 63; there++) {
        memset(torn, 0xa5, sizeof(torn));
        for (int k = 0; k < 6; k++)
            if ((there >> k & 1) != 0)
                memcpy(torn + k * SECTOR, whole + k * SECTOR, SECTOR);
        put(off, torn, 6 * SECTOR);
        OK(find_end());
        check_records(10);
    }
}

/* A record of the middle is damaged; a later one knows how far was synced. */
Test(journal, damage_is_told_from_an_end_by_what_was_synced)
{
    for (uint64_t damaged = 8; damaged <= 12; damaged++)
        for (uint64_t synced = 7; synced <= 11; synced++) {
            uint64_t off = 0;
            tn_status status;

            OK(journal_next_generation(&j, (struct commit_id){7, 77}));
            for (uint64_t number = 8; number <= 12; number++) {
                if (number == damaged)
                    off = j.end.off;
                append(number, (number - 8) * 700 % 2000 + 5,
                       number == 12 ? synced : 7);
            }
            flip(off + 70, 0);
            status = find_end();
            /* if the last one is damaged nothing is left to prove it */
            if (damaged < 12 && synced >= damaged) {
                cr_expect(eq(int, status, TN_ECORRUPT),
                          "%" PRIu64 " of 12, "
                          "%" PRIu64 " synced",
                          damaged, synced);
            } else {
                cr_expect(eq(int, status, TN_OK), "%s", tn_errmsg());
                check_records(damaged - 1);
            }
        }
}

/* What claims to have been on disk before it was written is no witness. */
Test(journal, a_record_cannot_be_proof_of_itself)
{
    uint64_t off = j.end.off;

    append(8, 10, 7);
    append(9, 10, 9);
    append(10, 10, UINT64_MAX);
    flip(off + 70, 0);
    OK(find_end());
    check_records(7);
}

/* The sector a record begins at is what counts, wherever the damage ends. */
Test(journal, proof_is_found_anywhere_behind)
{
    uint64_t off = j.end.off;

    append(8, 30000, 7);
    append(9, 10, 8);
    put(off, (char[2 * SECTOR]){0}, 2 * SECTOR);
    FAILS(find_end(), TN_ECORRUPT);
    cr_expect(strstr(tn_errmsg(), "commit 8") != NULL, "%s", tn_errmsg());
}

/* Bytes of a journal that somebody made to keep us busy. */
#define ENORMOUS (UINT64_C(1) << 40)

Test(journal, that_is_a_hole_is_read_in_no_time, .timeout = 10)
{
    append_some(3);
    if (file_truncate(&j.file, ENORMOUS) != TN_OK)
        cr_skip_test("no file can be that large here");
    OK(find_end());
    check_records(10);
}

Test(journal, has_its_proof_found_behind_any_hole, .timeout = 10)
{
    static char record[4 * SECTOR];
    uint64_t off = j.end.off;

    append(8, 10, 7);
    append(9, 10, 8);
    get(off + SECTOR, record, SECTOR);
    put(off, (char[2 * SECTOR]){0}, 2 * SECTOR);
    OK(find_end());
    if (file_truncate(&j.file, ENORMOUS) != TN_OK)
        cr_skip_test("no file can be that large here");
    put(ENORMOUS - 7 * SECTOR, record, SECTOR);
    FAILS(find_end(), TN_ECORRUPT);
}

Test(journal, gets_no_memory_for_records_that_are_holes, .timeout = 10)
{
    struct journal_record claim = {.salt = j.header.salt,
                                   .number = 8,
                                   .chain = j.header.salt,
                                   .file_size = FILE_SIZE};

    if (file_truncate(&j.file, ENORMOUS) != TN_OK)
        cr_skip_test("no file can be that large here");
    for (uint64_t bytes = 64; bytes < ENORMOUS; bytes *= 2) {
        claim.bytes = bytes;
        put(JOURNAL_RECORDS_OFF, &claim, sizeof(claim));
        put(JOURNAL_RECORDS_OFF + 8 * SECTOR, &claim, sizeof(claim));
        OK(find_end());
        cr_expect(eq(u64, j.end.number, 7));
        cr_expect(le(sz, j.capacity, 2 << 20));
    }
}

/* --- Bytes of any kind: J2, J4 -------------------------------------------- */

/* Put a record of bytes bytes at the end whose digest is right, whatever it
 * says of itself. */
static void forge(const void *body, size_t body_size, uint64_t bytes,
                  uint64_t file_size)
{
    static char buffer[SIZE];
    struct journal_record *record = (struct journal_record *)buffer;
    size_t length = bytes < SIZE / 2 ? (size_t)bytes : 4096;

    if (length < sizeof(*record))
        length = sizeof(*record);
    memset(buffer, 0, sizeof(buffer));
    *record = (struct journal_record){.salt = j.header.salt,
                                      .number = 8,
                                      .nonce = 1,
                                      .chain = j.header.salt,
                                      .file_size = file_size,
                                      .bytes = bytes};
    memcpy(buffer + sizeof(*record), body, body_size);
    record->digest = digest64(&record->salt, length - 8);
    put(JOURNAL_RECORDS_OFF, buffer, SIZE / 2);
}

static bool is_taken(void)
{
    OK(find_end());
    return j.end.number == 8;
}

Test(journal, absurd_sizes_of_records_are_the_end)
{
    static const uint64_t sizes[] = {0,
                                     1,
                                     8,
                                     56,
                                     63,
                                     65,
                                     SIZE - JOURNAL_RECORDS_OFF + 8,
                                     SIZE,
                                     SIZE + 8,
                                     UINT64_C(1) << 40,
                                     UINT64_C(1) << 63,
                                     UINT64_MAX - 511,
                                     UINT64_MAX - 7,
                                     UINT64_MAX};

    forge("", 0, 64, FILE_SIZE);
    cr_assert(is_taken(), "a record without runs");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        forge("", 0, sizes[i], FILE_SIZE);
        cr_expect(not(is_taken()), "%" PRIu64, sizes[i]);
        cr_expect(le(sz, j.capacity, 2 * SIZE));
    }
}

Test(journal, runs_lie_inside_the_store_or_the_record_is_none)
{
    static const struct {
        struct journal_run run;
        bool good;
    } runs[] = {
        {{STORE_SEGMENT_OFF, 8}, true},
        {{STORE_SEGMENT_OFF, 1}, true},
        {{0, SECTOR}, false}, /* longer than this record */
        {{0, 8}, true},
        {{SECTOR - 8, 8}, true},
        {{SECTOR - 7, 8}, false},
        {{STORE_STATE_OFF, 8}, false},
        {{STORE_MARKS_OFF, 8}, false},
        {{STORE_SEGMENT_OFF - 1, 1}, false},
        {{STORE_SEGMENT_OFF - 1, 2}, false},
        {{STORE_SEGMENT_OFF, 0}, false},
        {{STORE_SEGMENT_OFF, 9}, false},
        {{STORE_SEGMENT_OFF, UINT64_MAX}, false},
        {{STORE_SEGMENT_OFF, UINT64_MAX - 7}, false},
        {{STORE_SEGMENT_OFF, UINT64_C(1) << 63}, false},
        {{FILE_SIZE - 8, 8}, true},
        {{FILE_SIZE - 7, 8}, false},
        {{FILE_SIZE, 8}, false},
        {{FILE_SIZE, 0}, false},
        {{UINT64_MAX, 8}, false},
        {{UINT64_MAX - 7, 8}, false},
        {{UINT64_C(1) << 63, 8}, false},
    };
    struct {
        struct journal_run run;
        uint64_t word;
    } body = {.word = 1};

    for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
        body.run = runs[i].run;
        forge(&body, sizeof(body), 64 + sizeof(body), FILE_SIZE);
        cr_expect(eq(int, is_taken(), runs[i].good),
                  "%" PRIu64 " bytes at %" PRIu64, body.run.length,
                  body.run.offset);
    }
    body.run = (struct journal_run){STORE_SEGMENT_OFF, 8};
    for (uint64_t bytes = 64; bytes < 64 + 48; bytes += 8) {
        forge(&body, sizeof(body), bytes, FILE_SIZE);
        cr_expect(eq(int, is_taken(), bytes == 64 || bytes == 64 + 24),
                  "%" PRIu64 " bytes", bytes);
    }
}

/* The last run's length leads back to the start of one before it, in a store
 * that is said to be of any size. */
Test(journal, runs_cannot_go_round_in_circles)
{
    struct {
        struct journal_run run;
        uint64_t word;
    } body[400];
    size_t size = sizeof(body) - sizeof(body[0].word);

    for (size_t i = 0; i < 400; i++) {
        body[i].run = (struct journal_run){STORE_SEGMENT_OFF, 8};
        body[i].word = i;
    }
    body[399].run.length =
        -(uint64_t)(200 * sizeof(body[0]) + 16) & ~JOURNAL_ZEROS;
    forge(body, size, 64 + size, UINT64_MAX);
    cr_expect(not(is_taken()));
    forge(body, size - 16, 64 + size - 16, UINT64_MAX);
    cr_expect(is_taken());
}

/* So that a few bytes cannot ask for the same work many times over. */
Test(journal, runs_of_zeros_come_in_order)
{
    static const struct {
        struct journal_run runs[2];
        bool good;
    } cases[] = {
        {{{4096, 8 | JOURNAL_ZEROS}, {4104, 8 | JOURNAL_ZEROS}}, true},
        {{{4096, 16 | JOURNAL_ZEROS}, {4104, 8 | JOURNAL_ZEROS}}, false},
        {{{8192, 8 | JOURNAL_ZEROS}, {4096, 8 | JOURNAL_ZEROS}}, false},
        {{{4096, JOURNAL_ZEROS}, {8192, 8 | JOURNAL_ZEROS}}, false},
        {{{4096, ~UINT64_C(7)}, {8192, 8 | JOURNAL_ZEROS}}, false},
        {{{512, 8 | JOURNAL_ZEROS}, {8192, 8 | JOURNAL_ZEROS}}, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        forge(cases[i].runs, sizeof(cases[i].runs), 64 + sizeof(cases[i].runs),
              FILE_SIZE);
        cr_expect(eq(int, is_taken(), cases[i].good), "case %zu", i);
    }
}

/* Its digest is right, and it begins the chain. */
Test(journal, a_record_of_another_number_or_generation_is_none)
{
    static const uint64_t numbers[] = {0, 6, 7, 9, UINT64_MAX};
    struct journal_record record;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        forge("", 0, sizeof(record), FILE_SIZE);
        get(JOURNAL_RECORDS_OFF, &record, sizeof(record));
        record.number = numbers[i];
        record.digest = digest64(&record.salt, sizeof(record) - 8);
        put(JOURNAL_RECORDS_OFF, &record, sizeof(record));
        OK(find_end());
        cr_expect(eq(u64, j.end.number, 7), "%" PRIu64, numbers[i]);
    }
    record.number = 8;
    record.salt ^= 1;
    record.digest = digest64(&record.salt, sizeof(record) - 8);
    put(JOURNAL_RECORDS_OFF, &record, sizeof(record));
    OK(find_end());
    cr_expect(eq(u64, j.end.number, 7));
}

/* A file of the store that is smaller than a run's offset. */
Test(journal, a_store_of_no_bytes_has_no_runs)
{
    struct {
        struct journal_run run;
        uint64_t word;
    } body = {{STORE_SEGMENT_OFF, 8}, 1};

    forge(&body, sizeof(body), 64 + sizeof(body), 0);
    cr_expect(not(is_taken()));
    forge(&body, sizeof(body), 64 + sizeof(body), UINT64_MAX);
    cr_expect(is_taken());
}

/* Each byte of three records, one bit of it: what is read is a beginning of
 * what was written. */
Test(journal, every_flipped_bit_of_a_record_is_noticed)
{
    append_some(3);
    for (uint64_t off = JOURNAL_RECORDS_OFF; off < JOURNAL_RECORDS_OFF + 2500;
         off++) {
        int bit = (int)(off * 5 % 8);

        OK(journal_read_header(&j, sb.uuid));
        flip(off, bit);
        OK(journal_find_end(&j)); /* nothing was synced before these */
        cr_assert(le(u64, j.end.number, 10));
        check_records(j.end.number);
        flip(off, bit);
    }
    OK(find_end());
    check_records(10);
}

/* Sectors that all begin like records of this generation, each as long as the
 * file lets it be: more bytes to read than there is time for. */
static void fill_with_heads(uint64_t size, uint64_t bytes)
{
    char sector[SECTOR] = {0};
    struct journal_record *record = (struct journal_record *)sector;

    *record = (struct journal_record){.salt = j.header.salt,
                                      .number = UINT64_MAX - 9};
    for (uint64_t off = JOURNAL_RECORDS_OFF; off < size; off += SECTOR) {
        record->bytes = bytes != 0 ? bytes : size - off;
        put(off, sector, sizeof(sector));
    }
}

static int count_reads(void *arg, const struct fault_event *event)
{
    if (event->op == FAULT_READ)
        *(uint64_t *)arg += event->size;
    return 0;
}

Test(journal, many_heads_of_long_records_cost_bounded_time_and_memory)
{
    static const uint64_t lengths[] = {0, 64, 4096, 1 << 16, 1 << 20};
    const uint64_t size = 4 << 20;

    OK(journal_extend(&j, size));
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        uint64_t work = 0;

        fill_with_heads(size, lengths[i]);
        fault_set_hook(count_reads, &work);
        OK(find_end());
        fault_set_hook(NULL, NULL);
        cr_expect(eq(u64, j.end.number, 7));
        cr_expect(le(u64, work, 12 * size), "heads of %" PRIu64, lengths[i]);
        cr_expect(le(u64, j.capacity, 2 * size));
    }
}

/* Random bytes; half of the time with heads of records strewn in. */
static void scribble(uint64_t *state, uint64_t from, uint64_t to)
{
    static char noise[SIZE];

    for (size_t i = 0; i < sizeof(noise); i += 4) {
        uint32_t bits = (uint32_t)(arena_bits(state) * 2654435761U);

        memcpy(noise + i, &bits, 4);
    }
    for (uint64_t at = 0; arena_random(state, 2) == 0 && at < to - from;
         at += SECTOR * (1 + arena_random(state, 6)))
        if (at + sizeof(struct journal_record) <= to - from) {
            struct journal_record *r = (struct journal_record *)(noise + at);

            r->salt = j.header.salt;
            r->number = 7 + arena_random(state, 9);
            r->bytes = arena_random(state, 5000) & ~(size_t)7;
            r->chain = j.header.salt;
            if (r->bytes >= sizeof(*r) && r->bytes <= sizeof(noise) - at)
                r->digest = digest64(&r->salt, r->bytes - 8);
        }
    put(from, noise, to - from);
}

/* Whatever the bytes are, runs that are handed out lie in a store of the size
 * that their record names, and in memory that is the journal's. */
static void walk_all(void)
{
    struct journal_place place = journal_start(&j);
    volatile char sum = 0;

    while (place.number != j.end.number) {
        uint64_t offset;
        const void *bytes;
        size_t length, at = 0;

        if (journal_read(&j, &place) != TN_OK)
            break;
        while (journal_next_run(&j, &at, &offset, &bytes, &length)) {
            cr_assert(le(u64, offset, journal_file_size(&j)));
            cr_assert(le(u64, length, journal_file_size(&j) - offset));
            for (size_t i = 0; i < length; i++)
                sum = (char)(sum + ((const char *)bytes)[i]);
        }
    }
}

Test(journal, random_bytes_are_no_records)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t state = seed;
        tn_status status;

        scribble(&state, JOURNAL_RECORDS_OFF, SIZE);
        status = find_end();
        cr_assert(status == TN_OK || status == TN_ECORRUPT, "seed %" PRIu64,
                  seed);
        cr_assert(le(sz, j.capacity, 2 * SIZE));
        if (status == TN_OK)
            walk_all();
    }
}

Test(journal, random_flips_leave_a_beginning_or_damage)
{
    static char whole[SIZE];

    uint64_t end;

    append_some(12);
    end = j.end.off;
    append(20, 100, 15); /* a witness, who is not hurt */
    get(0, whole, SIZE);
    for (uint64_t seed = 1; seed <= 500; seed++) {
        uint64_t state = seed;
        tn_status status;

        put(0, whole, SIZE);
        for (size_t n = 1 + arena_random(&state, 5); n > 0; n--)
            flip(arena_random(&state, end), (int)(state % 8));
        status = find_end();
        if (status == TN_OK && j.end.number < 20)
            check_records(j.end.number);
        else
            cr_assert(status == TN_OK || status == TN_ECORRUPT ||
                          status == TN_ENOENT,
                      "seed %" PRIu64 ": %s", seed, tn_errmsg());
        /* records 8 to 15 were on disk: to lose one is damage */
        if (status == TN_OK)
            cr_assert(ge(u64, j.end.number, 15), "seed %" PRIu64, seed);
    }
}

/* Cut anywhere, the file is as good as its beginning. */
Test(journal, a_file_that_was_cut_off_has_fewer_records)
{
    append_some(12);
    for (uint64_t size = 30000; size > 0; size -= size > 1700 ? 1700 : 100) {
        reopen();
        OK(file_truncate(&j.file, size));
        if (size < 2 * SECTOR) {
            FAILS(find_end(), TN_ENOENT);
            continue;
        }
        OK(find_end());
        cr_assert(le(u64, j.end.number, 19));
        check_records(j.end.number);
        OK(journal_begin(&j));
        if (size < JOURNAL_RECORDS_OFF)
            FAILS(journal_write(&j, (struct commit_id){8, 88}, 7, FILE_SIZE),
                  TN_ESIZE);
    }
}

/* --- Writing -------------------------------------------------------------- */

Test(journal, a_full_one_takes_nothing_and_goes_on_when_it_is_longer)
{
    static char bytes[SIZE], before[SIZE], after[SIZE];
    struct journal_place end;

    append_some(4);
    end = j.end;
    get(0, before, SIZE);
    OK(journal_begin(&j));
    OK(journal_add(&j, STORE_SEGMENT_OFF, bytes, SIZE));
    FAILS(journal_write(&j, (struct commit_id){12, 1}, 7, FILE_SIZE), TN_ESIZE);
    cr_expect(eq(int, memcmp(&end, &j.end, sizeof(end)), 0));
    get(0, after, SIZE);
    cr_expect(eq(int, memcmp(before, after, SIZE), 0));

    OK(journal_extend(&j, 3 * SIZE));
    cr_expect(eq(u64, j.size, 3 * SIZE));
    OK(journal_write(&j, (struct commit_id){12, 1}, 7, FILE_SIZE));
    OK(find_end());
    cr_expect(eq(u64, j.end.number, 12));
    cr_expect(eq(u64, j.size, 3 * SIZE));
}

/* To the last sector. */
Test(journal, all_of_its_room_can_be_used)
{
    size_t room = SIZE - JOURNAL_RECORDS_OFF - sizeof(struct journal_record) -
                  sizeof(struct journal_run);
    static char bytes[SIZE];

    OK(journal_begin(&j));
    OK(journal_add(&j, STORE_SEGMENT_OFF, bytes, room));
    cr_expect(eq(sz, journal_record_size(&j), SIZE - JOURNAL_RECORDS_OFF));
    OK(journal_write(&j, (struct commit_id){8, 1}, 7, FILE_SIZE));
    OK(journal_begin(&j));
    FAILS(journal_write(&j, (struct commit_id){9, 1}, 7, FILE_SIZE), TN_ESIZE);
    OK(find_end());
    cr_expect(eq(u64, j.end.number, 8));
    cr_expect(eq(u64, j.end.off, SIZE));
}

Test(journal, extending_by_nothing_is_nothing)
{
    faults_refuse_all(FAULT_WRITE, EIO);
    OK(journal_extend(&j, 0));
    OK(journal_extend(&j, SIZE));
    cr_expect(not(faults_end()));
    cr_expect(eq(u64, j.size, SIZE));
    OK(journal_extend(&j, 3 * SIZE));
    OK(journal_extend(&j, SIZE));
    cr_expect(eq(u64, j.size, 3 * SIZE));
}

Test(journal, only_what_says_so_syncs)
{
    faults_refuse_op(FAULT_SYNC, 1000, EIO);
    append_some(3);
    OK(journal_advance(&j));
    OK(journal_rewrite(&j, journal_start(&j)));
    OK(journal_next_generation(&j, (struct commit_id){10, 110}));
    cr_expect(eq(int, faults_seen(FAULT_SYNC), 0));
    OK(journal_sync(&j));
    cr_expect(eq(int, faults_seen(FAULT_SYNC), 1));
    OK(journal_extend(&j, 2 * SIZE));
    cr_expect(eq(int, faults_seen(FAULT_SYNC), 2));
}

/* Small records in what is surely there, at any places. */
Test(journal, a_record_written_through_is_like_any_other)
{
    static const char bytes[2 * FILE_THROUGH_MOST];
    struct journal_place place;

    for (uint64_t number = 8; number < 12; number++) {
        OK(journal_begin(&j));
        OK(journal_add(&j, STORE_SEGMENT_OFF, bytes, 8 * number));
        cr_assert(journal_can_write_through(&j));
        if (number % 2 == 0)
            OK(journal_write(&j, (struct commit_id){number, 1}, 7, FILE_SIZE));
        else
            OK(journal_write_through(&j, (struct commit_id){number, 1}, 7,
                                     FILE_SIZE));
        cr_expect(eq(int, j.uncached, number % 2 != 0));
    }
    OK(find_end());
    cr_expect(eq(u64, j.end.number, 11));
    place = journal_start(&j);
    for (uint64_t number = 8; number < 12; number++) {
        OK(journal_read(&j, &place));
        cr_expect(eq(u64, place.number, number));
    }

    OK(journal_begin(&j));
    OK(journal_add(&j, STORE_SEGMENT_OFF, bytes, FILE_THROUGH_MOST));
    cr_expect(not(journal_can_write_through(&j)), "too large");
    OK(journal_begin(&j));
    OK(journal_add(&j, STORE_SEGMENT_OFF, bytes, 8));
    j.kept = j.end.off;
    cr_expect(not(journal_can_write_through(&j)), "has blocks perhaps");
}

/* --- Rewriting ------------------------------------------------------------ */

static struct {
    unsigned char written[SIZE];
} seen;

static int note_writes(void *arg, const struct fault_event *event)
{
    (void)arg;
    if (event->op == FAULT_WRITE && event->offset + event->size <= SIZE)
        memset(seen.written + event->offset, 1, event->size);
    return 0;
}

/* So that the next sync carries all of it to disk, even if an earlier one has
 * failed and the kernel thinks the pages are clean. */
Test(journal, rewriting_writes_every_byte_that_counts_again)
{
    static char before[SIZE], after[SIZE];
    struct journal_place from = journal_start(&j);

    OK(journal_next_generation(&j, (struct commit_id){7, 77}));
    append_some(6);
    for (uint64_t number = 7; number < 13; number++) {
        get(0, before, SIZE);
        memset(&seen, 0, sizeof(seen));
        from = journal_start(&j);
        while (from.number < number)
            OK(journal_read(&j, &from));
        fault_set_hook(note_writes, NULL);
        OK(journal_rewrite(&j, from));
        fault_set_hook(NULL, NULL);
        get(0, after, SIZE);
        cr_expect(eq(int, memcmp(before, after, SIZE), 0));
        for (uint64_t i = 0; i < SIZE; i++)
            cr_assert(eq(int, seen.written[i],
                         i < 2 * SECTOR || (i >= from.off && i < j.end.off)));
    }
    OK(find_end());
    check_records(13);
}

/* A torn header must not become whole by a later power cut. */
Test(journal, rewriting_clears_a_slot_that_is_not_valid)
{
    char slot[SECTOR], zeros[SECTOR] = {0};

    append_some(3);
    OK(journal_next_generation(&j, (struct commit_id){10, 110}));
    flip(50, 1);
    OK(find_end());
    check_records(10);
    OK(journal_rewrite(&j, journal_start(&j)));
    get(0, slot, SECTOR);
    cr_expect(eq(int, memcmp(slot, zeros, SECTOR), 0));
    OK(find_end());
    check_records(10);
}

Test(journal, rewriting_stops_at_a_record_that_changed)
{
    append_some(3);
    flip(JOURNAL_RECORDS_OFF + 70, 0);
    FAILS(journal_rewrite(&j, journal_start(&j)), TN_ECORRUPT);
}

/* --- Failures ------------------------------------------------------------- */

Test(journal, a_journal_that_could_not_be_made_leaves_nothing)
{
    struct journal other;
    int descriptors = faults_descriptors(), n;

    for (n = 0; n < 100; n++) {
        tn_status status;

        faults_refuse(n, ENOSPC);
        status = journal_create(&other, "other", &sb, 200000, 0600);
        if (!faults_end()) {
            OK(status);
            break;
        }
        if (status == TN_OK) { /* another way was found */
            journal_close(&other);
            OK(file_unlink("other"));
            continue;
        }
        cr_assert(eq(int, faults_descriptors(), descriptors));
        /* with its name the file is whole, and others may use it */
        if (access("other", F_OK) == 0)
            OK(file_unlink("other"));
        cr_assert(eq(int, tmpdir_names(), 1));
    }
    cr_assert(lt(int, n, 100));
    journal_close(&other);
}

/* Each operation of each call fails once; what was written before is there. */
Test(journal, refused_operations_lose_no_record)
{
    append_some(5);
    for (int n = 0; n < 40; n++) {
        struct journal_place end = j.end;
        uint64_t size = j.size;
        tn_status status;

        faults_refuse(n % 8, n % 2 == 0 ? EIO : ENOSPC);
        status = journal_extend(&j, j.size + 4096);
        if (status != TN_OK)
            cr_expect(eq(u64, j.size, size));
        if (status == TN_OK)
            status = journal_rewrite(&j, journal_start(&j));
        if (status == TN_OK)
            status = journal_begin(&j);
        if (status == TN_OK)
            status = journal_write(&j, (struct commit_id){13, 143}, 7, 0);
        if (status != TN_OK)
            cr_expect(eq(int, memcmp(&end, &j.end, sizeof(end)), 0));
        if (status == TN_OK)
            status = journal_next_generation(&j, (struct commit_id){13, 1});
        cr_expect(eq(int, status == TN_OK, !faults_end()), "%d", n);
        if (journal_generation(&j) != j.header.generation || status == TN_OK) {
            journal_close(&j);
            OK(file_unlink("j"));
            OK(journal_create(&j, "j", &sb, SIZE, 0600));
            append_some(5);
        }
        OK(find_end());
        cr_assert(ge(u64, j.end.number, 12));
        if (j.end.number == 13) { /* take it back */
            struct journal_place place = journal_start(&j);

            while (place.number < 12)
                OK(journal_read(&j, &place));
            put(place.off, (char[SECTOR]){0}, SECTOR);
            OK(find_end());
        }
        check_records(12);
    }
}

/* --- Any history ---------------------------------------------------------- */

/* Commits, generations, power cuts that tear the last record, and whoever comes
 * later, against an array. */
static void live(uint64_t seed)
{
    uint64_t state = seed, base = 7, last = 7, nonces[400] = {[7] = 77};

    for (int round = 0; round < 120; round++) {
        size_t what = arena_random(&state, 10);

        if (what < 6 && j.size - j.end.off > 4096 && last < 390) {
            uint64_t nonce = arena_bits(&state), off = j.end.off;
            char bytes[3000];

            memset(bytes, (int)last, sizeof(bytes));
            OK(journal_begin(&j));
            for (size_t runs = arena_random(&state, 4); runs > 0; runs--)
                OK(journal_add(&j, STORE_SEGMENT_OFF, bytes,
                               1 + arena_random(&state, 700)));
            OK(journal_write(&j, (struct commit_id){last + 1, nonce}, base,
                             FILE_SIZE));
            nonces[++last] = nonce;
            if (what == 0) { /* torn */
                flip(off + arena_random(&state, 64), (int)(state % 8));
                last--;
            }
        } else if (what == 7) {
            OK(journal_next_generation(&j,
                                       (struct commit_id){last, nonces[last]}));
            base = last;
        } else if (what == 8) {
            OK(journal_rewrite(&j, j.end));
        }
        OK(find_end());
        cr_assert(eq(u64, j.end.number, last), "seed %" PRIu64 ", round %d",
                  seed, round);
        cr_assert(eq(u64, j.end.nonce, nonces[last]));
        cr_assert(eq(u64, j.header.base_number, base));
        walk_all();
    }
}

Test(journal, any_history_reads_back_as_it_was_lived)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        live(seed);
        journal_close(&j);
        OK(file_unlink("j"));
        OK(journal_create(&j, "j", &sb, SIZE, 0600));
    }
}

Test(journal, its_path_is_that_of_the_resolved_store)
{
    char *path, *real = realpath("j", NULL);

    cr_assert(eq(int, symlink("j", "link"), 0));
    path = journal_path("link");
    cr_assert(path != NULL && real != NULL);
    cr_expect(eq(sz, strlen(path), strlen(real) + 8));
    cr_expect(eq(int, strncmp(path, real, strlen(real)), 0));
    cr_expect(eq(str, path + strlen(real), "-journal"));
    free(path);
    free(real);
    cr_expect(journal_path("nothing") == NULL);
}
