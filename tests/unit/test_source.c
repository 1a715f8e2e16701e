/* test_source.c - the image of a committed state, chunk by chunk
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdlib.h>
#include <string.h>

#include "image/source.h"
#include "lib/snapshots.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"
#include "store/sums.h"
#include "store/superblock.h"

#define OK(call) cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())

static tn_store *store;
static struct source source;
static char *scratch;

/* So that there are page sums for its new size. */
static void commit_once(void)
{
    tn_segment *seg;

    OK(tn_store_open(&store, "s", TN_DURABLE, NULL));
    OK(tn_begin(store, &seg));
    OK(tn_construct(seg, "more", TN_TYPE(int), 1, NULL, NULL));
    OK(tn_commit(store));
    OK(tn_store_close(store));
}

/* A store of several chunks, most of which is free. */
static void open_source(void)
{
    struct superblock sb;

    tmpdir_enter();
    snapshots_make("s", TN_INDEX_MAP);
    OK(tn_store_grow("s", 3 << 20));
    commit_once();
    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    memcpy(&sb, (char *)store->segment.base - STORE_SEGMENT_OFF, sizeof(sb));
    OK(source_open(&source, &store->segment, &sb));
    scratch = malloc(IMAGE_CHUNK);
}

static void close_source(void)
{
    source_close(&source);
    OK(tn_store_close(store));
    free(scratch);
    tmpdir_leave();
}

TestSuite(source, .init = open_source, .fini = close_source, .timeout = 30);

static bool is_zero(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* The chunks in the order that step decides. */
static char *image_by(uint64_t step)
{
    uint64_t chunks = image_chunks(source.size);
    char *image = calloc(1, chunks * IMAGE_CHUNK);

    for (uint64_t i = 0; i < chunks; i++) {
        uint64_t number = i * step % chunks;
        char *out = image + number * IMAGE_CHUNK;
        bool zero = false;

        OK(source_read(&source, number, out, scratch, &zero));
        if (zero)
            cr_expect(is_zero(out, IMAGE_CHUNK), "left alone");
    }
    return image;
}

Test(source, gives_the_same_in_any_order)
{
    uint64_t chunks = image_chunks(source.size);
    char *one = image_by(1), *other = image_by(chunks - 1);

    cr_assert(gt(u64, chunks, 10));
    cr_expect(eq(int, memcmp(one, other, source.size), 0));
    free(one);
    free(other);
}

Test(source, is_the_file_but_for_what_is_free)
{
    char *image = image_by(1);
    const uint64_t *sums;
    uint64_t first, pages, differ = 0;

    for (uint64_t i = STORE_PAGE; i < source.size; i++)
        if (image[i] != source.bytes[i] &&
            !sums_are_on(&store->segment, i / STORE_PAGE)) {
            cr_assert(eq(int, image[i], 0), "at %lu", i);
            differ++;
        }
    cr_expect(gt(u64, differ, 500), "secrets were there");
    cr_expect(not(snapshots_shows(image, source.size)));

    cr_assert(sums_find(&store->segment, &first, &pages));
    sums = (const uint64_t *)(image + first * STORE_PAGE);
    for (uint64_t page = 1; page < source.size / STORE_PAGE; page++)
        cr_assert(
            eq(u64, sums[page],
               page - first < pages ? 0 : sums_of(image + page * STORE_PAGE)),
            "page %lu", page);
    free(image);
}

Test(source, says_that_a_free_chunk_is_zero)
{
    uint64_t chunks = image_chunks(source.size), zeros = 0;
    char *out = malloc(IMAGE_CHUNK);

    for (uint64_t i = 0; i < chunks; i++) {
        bool zero;

        OK(source_read(&source, i, out, scratch, &zero));
        zeros += zero;
    }
    cr_expect(ge(u64, zeros, chunks - 3));
    free(out);
}

/* --- Refusals ------------------------------------------------------------- */

Test(source, wants_a_superblock_that_fits)
{
    struct superblock sb = source.sb;
    struct source other;

    sb.file_size += 1;
    cr_expect(eq(int, source_open(&other, &store->segment, &sb), TN_ECORRUPT));
    sb.file_size = 4096;
    cr_expect(eq(int, source_open(&other, &store->segment, &sb), TN_ECORRUPT));
    sb.file_size = UINT64_MAX - 4095;
    cr_expect(eq(int, source_open(&other, &store->segment, &sb), TN_ECORRUPT));
    sb = source.sb;
    sb.segment_size -= 16;
    cr_expect(eq(int, source_open(&other, &store->segment, &sb), TN_ECORRUPT));
    source_close(&other);
}

/* In private memory, so that it can be hurt. */
Test(source, wants_a_chain_that_is_whole)
{
    tn_store *hurt;
    struct source other;
    struct superblock sb = source.sb;
    struct heap *h;

    OK(tn_store_open(&hurt, "s", TN_PRIVATE, NULL));
    h = &hurt->segment.base->heap;
    ((uint64_t *)heap_at(h, h->first))[-1] ^= 1 << 20;
    cr_expect(eq(int, source_open(&other, &hurt->segment, &sb), TN_ECORRUPT));
    source_close(&other);
    OK(tn_store_close(hurt));
}
