/* test_superblock.c - the first page of a file: believed, or refused with a
 * sentence
 *
 * Every byte of the superblock is changed once, and every field gets values
 * that make no sense under a checksum that is right.  Whatever is there, each
 * way to open the file must answer with a status that fits and a text that
 * names the file.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/faults.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"
#include "os/region.h"
#include "store/superblock.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

static void make_store(void)
{
    tmpdir_enter();
    stores_make("s", TN_INDEX_DEFAULT);
}

TestSuite(superblock, .init = make_store, .fini = tmpdir_leave, .timeout = 30);

/* What superblock_read() says of the file, for writing or not. */
static tn_status answer_of(const char *path, bool writing, uint64_t *state)
{
    struct file f = FILE_CLOSED;
    struct superblock sb;
    tn_status status = file_open(&f, path, false);

    if (status == TN_OK)
        status = superblock_read(&f, writing, &sb, state);
    file_close(&f);
    return status;
}

static tn_status read_it(bool writing)
{
    uint64_t state;

    return answer_of("s", writing, &state);
}

/* All ways to open it answer alike, and name the file. */
static void every_way_answers(tn_status expected, const char *what)
{
    static const unsigned ways[] = {TN_READ_ONLY, TN_PRIVATE, TN_SHARED,
                                    TN_SHARED | TN_VERIFY};
    tn_store *store;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        tn_status status = tn_store_open(&store, "s", ways[i], &stores_options);

        cr_assert(eq(int, status, expected), "%s, way %zu", what, i);
        cr_expect(eq(int, strncmp(tn_errmsg(), "s: ", 3), 0), "%s: %s", what,
                  tn_errmsg());
    }
    cr_assert(eq(int, tn_check_file("s", NULL, NULL, NULL), expected));
}

Test(superblock, of_a_fresh_store_says_what_it_is)
{
    struct superblock sb;
    uint64_t state = 0;

    OK(answer_of("s", true, &state));
    cr_expect(eq(u64, state, STORE_CLEAN));
    stores_superblock("s", &sb);
    cr_expect(eq(u64, sb.file_size, stores_length("s")));
    cr_expect(eq(u64, sb.segment_size, sb.file_size - STORE_SEGMENT_OFF));
    cr_expect(eq(u64, sb.max_size, STORES_MAX));
    cr_expect(eq(u64, sb.page_size, region_page_size()));
    cr_expect(eq(u64, sb.commit_number, 2), "made, and closed once");
    cr_expect(eq(int, sb.uuid[6] >> 4, 4), "a random UUID");
    cr_expect(eq(int, sb.uuid[8] >> 6, 2));
}

static tn_status expected_for(size_t byte)
{
    if (byte < offsetof(struct superblock, format))
        return TN_ENOTSTORE;
    if (byte < offsetof(struct superblock, byte_order))
        return TN_EVERSION;
    return TN_ECORRUPT;
}

Test(superblock, no_byte_of_it_can_change_unnoticed)
{
    unsigned char good[STORE_SECTOR], value;
    char what[32];

    stores_read("s", good, sizeof(good), 0);
    for (size_t i = 0; i < sizeof(good); i++) {
        value = (unsigned char)(good[i] ^ (1u << (i % 8)));
        stores_write("s", &value, 1, i);
        snprintf(what, sizeof(what), "byte %zu", i);
        every_way_answers(expected_for(i), what);
        for (int other = 0; other < 256; other += 5) {
            value = (unsigned char)other;
            if (value == good[i])
                continue;
            stores_write("s", &value, 1, i);
            FAILS(read_it(false), expected_for(i));
        }
        stores_write("s", &good[i], 1, i);
    }
    cr_expect(stores_sound("s", 0));
}

/* --- A right checksum over values that make no sense ---------------------- */

struct absurd {
    const char *what;
    size_t offset, size;
    uint64_t value;
    tn_status reading, writing;
};
#define FIELD(name)                                                            \
#name, offsetof(struct superblock, name),                                  \
        sizeof(((struct superblock *)0)->name)

static const struct absurd absurd[] = {
    {FIELD(format), 2, TN_EVERSION, TN_EVERSION},
    {FIELD(format), 0, TN_EVERSION, TN_EVERSION},
    {FIELD(byte_order), 0x04030201, TN_EVERSION, TN_EVERSION},
    {FIELD(compat), UINT64_MAX, TN_OK, TN_OK},
    {FIELD(ro_compat), 1, TN_OK, TN_EVERSION},
    {FIELD(ro_compat), UINT64_C(1) << 63, TN_OK, TN_EVERSION},
    {FIELD(incompat), 1, TN_EVERSION, TN_EVERSION},
    {FIELD(incompat), UINT64_C(1) << 63, TN_EVERSION, TN_EVERSION},
    {FIELD(page_size), 0, TN_EVERSION, TN_EVERSION},
    {FIELD(page_size), 16384, TN_EVERSION, TN_EVERSION},
    {FIELD(file_size), 0, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(file_size), 4095, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(file_size), 4096, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(file_size), STORES_SIZE * 2, TN_ESIZE, TN_ESIZE},
    {FIELD(file_size), UINT64_MAX, TN_ESIZE, TN_ESIZE},
    {FIELD(segment_size), STORES_SIZE, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(segment_size), UINT64_MAX, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(segment_size), 0, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(commit_number), STORE_MOST_NUMBERS, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(max_size), 0, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(max_size), STORES_SIZE - 1, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(max_size), STORES_MAX + 2048, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(max_size), UINT64_MAX, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(max_size), UINT64_C(1) << 62, TN_OK, TN_OK},
    {FIELD(index), 0, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(index), 6, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(index), TN_INDEX_ISET, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(fit), 2, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(fit), TN_FIT_SEQ, TN_ECORRUPT, TN_ECORRUPT},
    {FIELD(zeroed), UINT64_MAX, TN_OK, TN_OK},
    {FIELD(commit_number), UINT64_MAX, TN_ECORRUPT, TN_ECORRUPT},
};

static tn_status try_access(unsigned flags)
{
    tn_store *store;
    tn_status status = tn_store_open(&store, "s", flags, &stores_options);

    if (status != TN_OK) {
        cr_expect(eq(int, strncmp(tn_errmsg(), "s: ", 3), 0), "%s",
                  tn_errmsg());
        return status;
    }
    stores_use(tn_store_segment(store));
    OK(tn_store_close(store));
    return TN_OK;
}

Test(superblock, values_that_make_no_sense_are_refused_or_do_no_harm)
{
    static char whole[STORES_SIZE];

    stores_read("s", whole, sizeof(whole), 0);
    for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++) {
        const struct absurd *a = &absurd[i];
        struct superblock sb;

        stores_put("s", whole, sizeof(whole));
        stores_superblock("s", &sb);
        memcpy((char *)&sb + a->offset, &a->value, a->size);
        stores_reseal("s", &sb);
        cr_expect(eq(int, try_access(TN_READ_ONLY), a->reading), "%s", a->what);
        cr_expect(eq(int, try_access(TN_PRIVATE), a->reading), "%s", a->what);
        cr_expect(eq(int, try_access(TN_SHARED), a->writing), "%s", a->what);
    }
}

/* --- State and marks ------------------------------------------------------ */

Test(superblock, any_state_but_two_means_live)
{
    uint64_t state, good = STORE_CLEAN;

    for (unsigned bit = 0; bit < 64; bit++) {
        stores_set_state("s", good ^ UINT64_C(1) << bit);
        OK(answer_of("s", false, &state));
        cr_expect(eq(u64, state, STORE_LIVE), "bit %u", bit);
    }
    stores_set_state("s", STORE_LIVE);
    every_way_answers(TN_EJOURNAL, "live");
    stores_set_state("s", STORE_CLEAN);
    cr_expect(stores_sound("s", 0));
}

static enum store_mark mark_of(const char *path)
{
    struct file f = FILE_CLOSED;
    enum store_mark mark = STORE_MARK_NONE;

    OK(file_open(&f, path, false));
    OK(superblock_read_mark(&f, &mark));
    file_close(&f);
    return mark;
}

Test(superblock, a_mark_holds_for_this_boot_and_this_file)
{
    static char bytes[STORES_SIZE];
    struct file f = FILE_CLOSED;
    uint64_t boot;

    OK(file_open(&f, "s", true));
    OK(superblock_mark_boot(&f));
    cr_expect(eq(int, mark_of("s"), STORE_MARK_HERE));

    cr_assert(eq(int, link("s", "same"), 0));
    cr_expect(eq(int, mark_of("same"), STORE_MARK_HERE), "another name");
    stores_read("s", bytes, sizeof(bytes), 0);
    stores_put("copy", bytes, sizeof(bytes));
    cr_expect(eq(int, mark_of("copy"), STORE_MARK_ELSEWHERE));

    stores_read("s", &boot, sizeof(boot), STORE_MARKS_OFF);
    boot ^= 1;
    stores_write("s", &boot, sizeof(boot), STORE_MARKS_OFF);
    cr_expect(eq(int, mark_of("s"), STORE_MARK_ELSEWHERE), "another boot");
    OK(superblock_doubt(&f));
    cr_expect(eq(int, mark_of("s"), STORE_MARK_NONE));
    file_close(&f);
}

/* --- Identity ------------------------------------------------------------- */

Test(superblock, each_identity_is_new)
{
    struct superblock a = {.commit_number = 7}, b = {.commit_number = 7};

    OK(superblock_new_uuid(&a));
    OK(superblock_new_uuid(&b));
    cr_expect(ne(int, memcmp(a.uuid, b.uuid, 16), 0));
    OK(superblock_new_commit(&a));
    OK(superblock_new_commit(&b));
    cr_expect(eq(u64, a.commit_number, 8));
    cr_expect(ne(u64, a.commit_nonce, b.commit_nonce));
}

Test(superblock, a_file_too_short_for_one_is_no_store)
{
    static char bytes[STORES_SIZE];

    stores_read("s", bytes, sizeof(bytes), 0);
    for (size_t size = 0; size < STORE_SECTOR; size += 73) {
        stores_put("s", bytes, size);
        every_way_answers(TN_ENOTSTORE, "too short");
    }
}

Test(superblock, what_is_no_store_is_never_locked)
{
    tn_store *store;

    stores_put("s", "hello, world\n", 13);
    faults_refuse_all(FAULT_LOCK, EIO);
    FAILS(tn_store_open(&store, "s", TN_SHARED, NULL), TN_ENOTSTORE);
    FAILS(tn_store_open(&store, "s", TN_READ_ONLY, NULL), TN_ENOTSTORE);
    cr_expect(not(faults_end()));
}
