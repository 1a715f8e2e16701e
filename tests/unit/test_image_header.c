/* test_image_header.c - the frame that begins a snapshot
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string.h>

#include "base/error.h"
#include "image/header.h"
#include "lib/snapshots.h"
#include "store/superblock.h"

TestSuite(image_header, .timeout = 20);

#define OK(call) cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())

static const struct image_header plain = {.magic = IMAGE_MAGIC,
                                          .format = IMAGE_FORMAT,
                                          .uuid = {1, 2, 3},
                                          .commit_number = 7,
                                          .commit_nonce = 8,
                                          .image_bytes = 65536,
                                          .chunk_bytes = IMAGE_CHUNK,
                                          .mode = 0640};

static struct memory put(void)
{
    struct memory m = {0};
    struct stream out = {.write = memory_write, .arg = &m, .name = "m"};
    struct image_header header = plain;

    OK(stream_open(&out));
    OK(header_put(&out, &header));
    OK(stream_flush(&out));
    stream_close(&out);
    return m;
}

static tn_status take(struct memory *m, struct image_header *header)
{
    struct stream in = {.read = memory_read, .arg = m, .name = "m"};
    tn_status status;

    m->at = 0;
    OK(stream_open(&in));
    status = header_take(&in, header);
    cr_assert(
        eq(u64, stream_offset(&in), status == TN_OK ? sizeof(*header) + 8 : 0));
    stream_close(&in);
    return status;
}

Test(image_header, is_read_as_it_was_written)
{
    struct memory m = put();
    struct image_header header;

    OK(take(&m, &header));
    cr_expect(eq(int,
                 memcmp(&header, &plain, offsetof(struct image_header, digest)),
                 0));
    memory_free(&m);
}

Test(image_header, is_refused_with_any_bit_or_length_changed)
{
    struct memory m = put();
    struct image_header header;
    size_t size = m.size;

    for (size_t bit = 0; bit < size * 8; bit++) {
        m.bytes[bit / 8] = (char)(m.bytes[bit / 8] ^ 1 << bit % 8);
        cr_assert(ne(int, take(&m, &header), TN_OK), "%zu", bit);
        m.bytes[bit / 8] = (char)(m.bytes[bit / 8] ^ 1 << bit % 8);
    }
    for (m.size = 0; m.size < size; m.size++)
        cr_assert(ne(int, take(&m, &header), TN_OK), "%zu", m.size);
    memory_free(&m);
}

Test(image_header, matches_the_first_page_of_its_image_only)
{
    static char page[STORE_PAGE];
    struct superblock sb = {.commit_number = 7,
                            .commit_nonce = 8,
                            .uuid = {1, 2, 3},
                            .file_size = 65536};
    const uint64_t state = STORE_CLEAN;

    memcpy(sb.magic, STORE_MAGIC, sizeof(sb.magic));
    superblock_seal(&sb);
    memcpy(page, &sb, sizeof(sb));
    cr_expect(eq(int, header_match("m", &plain, page), TN_ECORRUPT));
    memcpy(page + STORE_STATE_OFF, &state, sizeof(state));
    OK(header_match("m", &plain, page));
    for (size_t bit = 0; bit < sizeof(page) * 8; bit++) {
        page[bit / 8] = (char)(page[bit / 8] ^ 1 << bit % 8);
        if (bit / 8 < STORE_SECTOR || bit / 8 >= STORE_STATE_OFF)
            cr_assert(eq(int, header_match("m", &plain, page), TN_ECORRUPT),
                      "%zu", bit);
        page[bit / 8] = (char)(page[bit / 8] ^ 1 << bit % 8);
    }
    sb.file_size += 4096;
    superblock_seal(&sb);
    memcpy(page, &sb, sizeof(sb));
    cr_expect(eq(int, header_match("m", &plain, page), TN_ECORRUPT));
}
