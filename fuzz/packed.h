/* packed.h - files as inputs: their zeros are only counted
 *
 * A store is mostly zeros, and a fuzzer that changes them learns nothing, so
 * inputs leave them out.  A packed file is a row of
 *
 *     00..7f              that number of words of zeros, and one
 *     80..ff  words ...   that number less 80, and one, of words as they are
 *
 * with words of eight bytes; the last one may be cut short.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef FUZZ_PACKED_H
#define FUZZ_PACKED_H

#include <stddef.h>
#include <stdint.h>

enum { PACKED_LARGEST = 256 * 1024 };

/* A file in memory; room for PACKED_LARGEST bytes. */
struct image {
    uint8_t *bytes;
    size_t size;
};

/* Unpack; what would be too large is left out. */
void packed_read(struct image *out, const uint8_t *data, size_t size);

/* Pack into at most room bytes; 0: they are too few. */
size_t packed_write(const struct image *image, uint8_t *data, size_t room);

/* Change the image as one who knows that it is made of words, offsets and
 * sizes; random decides how. */
void packed_mutate(struct image *image, uint64_t *random);

/* The next number of a row that random begins, below n. */
uint64_t packed_random(uint64_t *random, uint64_t n);

#endif
