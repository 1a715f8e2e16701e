/* test_compress.c - chunks as LZ4 frames
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdlib.h>
#include <string.h>

#include "image/compress.h"
#include "image/layout.h"

static struct coder *coder;
static char *bytes, *frame, *back;

static void prepare(void)
{
    coder = coder_open();
    bytes = malloc(IMAGE_CHUNK);
    back = malloc(IMAGE_CHUNK);
    frame = malloc(compress_bound());
    cr_assert(coder != NULL && bytes != NULL && back != NULL && frame != NULL);
}

static void release(void)
{
    coder_close(coder);
    free(bytes);
    free(back);
    free(frame);
}

TestSuite(compress, .init = prepare, .fini = release, .timeout = 60);

/* kind 0: zeros, 1: noise, 2: words */
static void fill(int kind, size_t size)
{
    uint64_t random = 1;

    for (size_t i = 0; i < size; i++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        bytes[i] = kind == 0   ? 0
                   : kind == 1 ? (char)(random >> 56)
                               : (char)('a' + (random >> 60) % 4);
    }
}

static size_t compress(size_t size, int level)
{
    size_t length = 0;

    cr_assert(eq(int, compress_chunk(coder, bytes, size, level, frame, &length),
                 TN_OK));
    cr_assert(le(sz, length, compress_bound()));
    return length;
}

static const size_t sizes[] = {1, 4096, 65536, IMAGE_CHUNK - 4096, IMAGE_CHUNK};

Test(compress, gives_back_what_it_was_given)
{
    for (int kind = 0; kind < 3; kind++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
            for (int level = 1; level <= COMPRESS_LEVEL_MOST; level++) {
                size_t length;

                fill(kind, sizes[i]);
                length = compress(sizes[i], level);
                memset(back, 1, IMAGE_CHUNK);
                cr_assert(eq(
                    int, decompress_chunk(coder, frame, length, back, sizes[i]),
                    TN_OK));
                cr_assert(eq(int, memcmp(bytes, back, sizes[i]), 0));
            }
}

Test(compress, measures_a_frame_from_any_beginning_of_it)
{
    for (int kind = 0; kind < 3; kind++) {
        size_t length, need;
        bool whole;

        fill(kind, IMAGE_CHUNK);
        length = compress(IMAGE_CHUNK, 1);
        for (size_t have = 0; have < length; have += have < 64 ? 1 : 997) {
            cr_assert(
                eq(int, compress_measure(frame, have, &need, &whole), TN_OK));
            cr_assert(not(whole));
            cr_assert(gt(sz, need, have));
            cr_assert(le(sz, need, length));
        }
        cr_assert(
            eq(int, compress_measure(frame, length, &need, &whole), TN_OK));
        cr_expect(whole);
        cr_expect(eq(sz, need, length));
        frame[length] = 0x55;
        cr_assert(
            eq(int, compress_measure(frame, length + 1, &need, &whole), TN_OK));
        cr_expect(whole && need == length);
    }
}

Test(compress, takes_no_other_size)
{
    size_t length;

    fill(2, IMAGE_CHUNK);
    length = compress(IMAGE_CHUNK - 4096, 1);
    cr_expect(eq(int, decompress_chunk(coder, frame, length, back, IMAGE_CHUNK),
                 TN_ECORRUPT));
    cr_expect(eq(int, decompress_chunk(coder, frame, length, back, 4096),
                 TN_ECORRUPT));
    cr_expect(
        eq(int,
           decompress_chunk(coder, frame, length - 1, back, IMAGE_CHUNK - 4096),
           TN_ECORRUPT));
    cr_expect(
        eq(int, decompress_chunk(coder, frame, 3, back, 4096), TN_ECORRUPT));
    cr_expect(
        eq(int,
           decompress_chunk(coder, frame, length, back, IMAGE_CHUNK - 4096),
           TN_OK),
        "and none of these harms the next");
}

/* A copy of exactly the frame's size, so that a tool that watches memory sees
 * a step beyond it. */
Test(compress, survives_every_flipped_bit)
{
    size_t length, need;
    char *copy;
    bool whole;

    fill(2, 4096);
    length = compress(4096, 1);
    copy = malloc(length);
    for (size_t bit = 0; bit < length * 8; bit++) {
        memcpy(copy, frame, length);
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        decompress_chunk(coder, copy, length, back, 4096);
        compress_measure(copy, length, &need, &whole);
    }
    free(copy);
}
