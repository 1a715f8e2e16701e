/* test_image.c - what the files of image/ share
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string.h>

#include "image/image.h"

TestSuite(image, .timeout = 10);

Test(image, options_have_defaults)
{
    tn_snapshot_options options;

    cr_assert(eq(int, image_options(NULL, &options), TN_OK));
    cr_expect(eq(int, options.level, COMPRESS_LEVEL_DEFAULT));
    cr_expect(not(options.force));
    cr_assert(eq(int,
                 image_options(&(tn_snapshot_options){.level = 12}, &options),
                 TN_OK));
    cr_expect(eq(int, options.level, 12));
    options.level = 7;
    cr_expect(eq(int,
                 image_options(&(tn_snapshot_options){.level = 13}, &options),
                 TN_EINVAL));
    cr_expect(eq(int, options.level, 7), "as it was");
}

/* xxh128sum of nothing prints 99aa06d3014798d86001c324468d497f. */
Test(image, digests_are_put_as_they_are_printed)
{
    static const unsigned char printed[] = {0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47,
                                            0x98, 0xd8, 0x60, 0x01, 0xc3, 0x24,
                                            0x46, 0x8d, 0x49, 0x7f};
    unsigned char out[16];

    image_put_digest(out, digest128("", 0));
    cr_expect(eq(int, memcmp(out, printed, 16), 0));
}

Test(image, groups_and_chunks_end_with_the_image)
{
    uint64_t group = (uint64_t)IMAGE_GROUP * IMAGE_CHUNK;

    cr_expect(eq(u64, image_chunks(1), 1));
    cr_expect(eq(u64, image_chunks(IMAGE_CHUNK + 1), 2));
    cr_expect(eq(sz, image_chunk_bytes(IMAGE_CHUNK + 4096, 0), IMAGE_CHUNK));
    cr_expect(eq(sz, image_chunk_bytes(IMAGE_CHUNK + 4096, 1), 4096));
    cr_expect(eq(u64, image_group_end(group + 1, 0), IMAGE_GROUP));
    cr_expect(
        eq(u64, image_group_end(group + 1, IMAGE_GROUP - 1), IMAGE_GROUP));
    cr_expect(
        eq(u64, image_group_end(group + 1, IMAGE_GROUP), IMAGE_GROUP + 1));
    cr_expect(eq(u64, image_group_end(4096, 0), 1));
}

Test(image, zeros_are_made_only_where_a_chunk_can_be)
{
    struct slot zero;

    cr_assert(eq(int, image_make_zeros(&zero, IMAGE_CHUNK - 1, 1), TN_OK));
    cr_expect(eq(ptr, zero.frame, NULL));
    cr_assert(eq(int, image_make_zeros(&zero, IMAGE_CHUNK, 1), TN_OK));
    cr_expect(digest_equal(zero.digest, digest128(zero.bytes, IMAGE_CHUNK)));
    cr_expect(eq(u64, zero.encoded, digest64(zero.frame, zero.frame_size)));
    image_free_zeros(&zero);
}
