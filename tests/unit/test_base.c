/* test_base.c - a whole snapshot that another one is written or restored with
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "image/base.h"
#include "image/index.h"
#include "lib/faults.h"
#include "lib/snapshots.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"

#define OK(call)           cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())
#define FAILS(call, whose) cr_assert(eq(int, (call), (whose)))

static struct memory snapshot;

static void make_base(void)
{
    tmpdir_enter();
    snapshots_make("s", TN_INDEX_MAP);
    OK(tn_store_grow("s", 1 << 20));
    snapshot = snapshots_take("s", NULL);
    stores_put("base", snapshot.bytes, snapshot.size);
}

static void release(void)
{
    memory_free(&snapshot);
    tmpdir_leave();
}

TestSuite(base, .init = make_base, .fini = release, .timeout = 60);

/* Each chunk is what restoring gives, in any order. */
Test(base, finds_each_chunk_and_its_digest)
{
    struct slot slot = {.bytes = malloc(IMAGE_CHUNK),
                        .frame = malloc(compress_bound())};
    struct coder *coder = coder_open();
    char *expected = malloc(IMAGE_CHUNK);
    struct base *base;
    uint64_t bytes, chunks;

    OK(snapshots_restore(&snapshot, "r"));
    bytes = stores_length("r");
    chunks = image_chunks(bytes);
    OK(base_open(&base, "base"));
    for (uint64_t i = 0; i < chunks; i++) {
        slot.number = i * 3 % chunks;
        slot.size = image_chunk_bytes(bytes, slot.number);
        OK(base_fetch(base, &slot));
        OK(decompress_chunk(coder, slot.frame, slot.frame_size, slot.bytes,
                            slot.size));
        cr_expect(digest_equal(digest128(slot.bytes, slot.size), slot.wanted));
        stores_read("r", expected, slot.size, slot.number * IMAGE_CHUNK);
        cr_expect(eq(int, memcmp(expected, slot.bytes, slot.size), 0));
    }
    slot.number = chunks;
    slot.size = IMAGE_CHUNK;
    FAILS(base_fetch(base, &slot), TN_ECORRUPT);
    slot.number = 0;
    slot.size = 4096;
    FAILS(base_fetch(base, &slot), TN_ECORRUPT);
    base_close(base);
    base_close(NULL);
    coder_close(coder);
    free(expected);
    free(slot.bytes);
    free(slot.frame);
}

Test(base, knows_who_it_is)
{
    struct image_header header = *snapshots_header(&snapshot);
    struct base *base;

    OK(base_open(&base, "base"));
    OK(base_match(base, header.uuid));
    base_describe(base, &header);
    cr_expect(eq(uint, header.flags, IMAGE_SINCE));
    OK(base_is(base, &header));
    header.base_low ^= 1;
    FAILS(base_is(base, &header), TN_EINVAL);
    header.base_low ^= 1;
    header.base_nonce ^= 1;
    FAILS(base_is(base, &header), TN_EINVAL);
    header.uuid[0] ^= 1;
    FAILS(base_is(base, &header), TN_EINVAL);
    FAILS(base_match(base, header.uuid), TN_EINVAL);
    base_close(base);
}

Test(base, is_refused_when_it_is_cut_off)
{
    struct base *base;

    for (size_t n = 0; n < snapshot.size; n += n < 200 ? 1 : 53) {
        tn_status status;

        cr_assert(eq(int, truncate("base", (off_t)n), 0));
        status = base_open(&base, "base");
        cr_assert(status == TN_ECORRUPT || status == TN_ENOTSTORE, "%zu: %d", n,
                  status);
        stores_put("base", snapshot.bytes, snapshot.size);
    }
}

/* Its index is found by its end and then by its numbers, any of which may be
 * wrong: the answer is a refusal, or a chunk's digest tells. */
Test(base, survives_every_flipped_bit_of_header_and_index)
{
    struct slot slot = {.frame = malloc(compress_bound())};
    size_t index = snapshot.size - 700;

    for (size_t bit = 0; bit < snapshot.size * 8; bit++) {
        unsigned char byte;
        struct base *base;
        tn_status status;

        if (bit / 8 > 136 && bit / 8 < index)
            bit = index * 8;
        byte = (unsigned char)snapshot.bytes[bit / 8];
        byte ^= (unsigned char)(1 << bit % 8);
        stores_write("base", &byte, 1, bit / 8);
        status = base_open(&base, "base");
        if (status == TN_OK) {
            slot.number = 0;
            slot.size = IMAGE_CHUNK;
            base_fetch(base, &slot);
            base_close(base);
        } else {
            cr_assert(status == TN_ECORRUPT || status == TN_ENOTSTORE ||
                          status == TN_EVERSION,
                      "bit %zu: %d", bit, status);
        }
        byte ^= (unsigned char)(1 << bit % 8);
        stores_write("base", &byte, 1, bit / 8);
    }
    free(slot.frame);
}

/* --- Lies whose digests fit ----------------------------------------------- */

static struct image_tail *tail_in(char *bytes)
{
    return (struct image_tail *)(bytes + snapshot.size) - 1;
}

static struct image_index *index_in(char *bytes)
{
    return (struct image_index *)(bytes + tail_in(bytes)->offset +
                                  sizeof(struct image_frame));
}

static void lie_first(char *bytes)
{
    index_in(bytes)->first = 1;
}

static void lie_end(char *bytes)
{
    index_in(bytes)->end++;
}

static struct image_entry *entry_in(char *bytes)
{
    return (struct image_entry *)(index_in(bytes) + 1);
}

static void lie_number(char *bytes)
{
    entry_in(bytes)->number++;
}

static void lie_chunk(char *bytes)
{
    entry_in(bytes)->chunk_bytes -= 16;
}

static void lie_frame(char *bytes)
{
    entry_in(bytes)->frame_bytes = UINT32_MAX;
}

static void lie_place(char *bytes)
{
    entry_in(bytes)->frame_bytes++;
}

static void lie_previous(char *bytes)
{
    tail_in(bytes)->previous = 200;
}

static void lie_magic(char *bytes)
{
    ((struct image_frame *)(bytes + tail_in(bytes)->offset))->magic++;
}

static void lie_count(char *bytes)
{
    index_in(bytes)->count++;
}

Test(base, is_refused_if_its_index_is_not_of_its_chunks)
{
    static void (*const lies[])(char *bytes) = {
        lie_first, lie_end,      lie_number, lie_chunk, lie_frame,
        lie_place, lie_previous, lie_magic,  lie_count};
    struct slot slot = {.frame = malloc(compress_bound()), .size = IMAGE_CHUNK};
    size_t shift = (0 - snapshot.size) % 8; /* so that the tail is aligned */
    char *memory = malloc(shift + snapshot.size), *bytes = memory + shift;

    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        struct base *base = NULL;
        struct image_tail *tail = tail_in(bytes);
        tn_status status;

        memcpy(bytes, snapshot.bytes, snapshot.size);
        lies[i](bytes);
        tail->digest = digest64(bytes + tail->offset,
                                tail->frame_bytes - sizeof(tail->digest));
        stores_put("base", bytes, snapshot.size);
        status = base_open(&base, "base");
        if (status == TN_OK)
            status = base_fetch(base, &slot);
        cr_expect(eq(int, status, TN_ECORRUPT), "lie %zu", i);
        base_close(base);
    }
    free(slot.frame);
    free(memory);
}

/* The disk fails: that is said, and not taken for damage. */
Test(base, that_cannot_be_read_is_not_called_damaged)
{
    struct slot slot = {.frame = malloc(compress_bound()), .size = IMAGE_CHUNK};
    int descriptors = faults_descriptors();
    bool failed = true;

    for (int n = 0; failed; n++) {
        struct base *base = NULL;
        tn_status status;

        faults_refuse_op(FAULT_READ, n, EIO);
        status = base_open(&base, "base");
        if (status == TN_OK)
            status = base_fetch(base, &slot);
        base_close(base);
        failed = faults_end();
        cr_assert(eq(int, status, failed ? TN_EIO : TN_OK), "read %d", n);
        cr_assert(eq(int, faults_descriptors(), descriptors));
    }
    free(slot.frame);
}
