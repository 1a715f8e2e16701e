/* packed.c - files as inputs: their zeros are only counted
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "packed.h"

#include <stdbool.h>
#include <string.h>

enum { WORD = 8, MOST = 128, LITERAL = 0x80, TRIES = 64, SECTOR = 512 };

/* --- Packing -------------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void packed_read(struct image *out, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;

    out->size = 0;
    while (data < end) {
        uint8_t head = *data++;
        size_t n = ((size_t)head % LITERAL + 1) * WORD;

        n = least(n, PACKED_LARGEST - out->size);
        if (head < LITERAL) {
            memset(out->bytes + out->size, 0, n);
        } else {
            n = least(n, (size_t)(end - data));
            memcpy(out->bytes + out->size, data, n);
            data += n;
        }
        out->size += n;
    }
}

static uint64_t get(const struct image *image, size_t at)
{
    uint64_t word;

    memcpy(&word, image->bytes + at, WORD);
    return word;
}

static bool is_zero(const struct image *image, size_t at)
{
    return at + WORD <= image->size && get(image, at) == 0;
}

/* Bytes from at on that are all words of zeros, or all others. */
static size_t run_at(const struct image *image, size_t at, bool zero)
{
    size_t n = 0;

    while (n < MOST * WORD && at + n < image->size &&
           is_zero(image, at + n) == zero)
        n += WORD;
    return least(n, image->size - at);
}

size_t packed_write(const struct image *image, uint8_t *data, size_t room)
{
    size_t used = 0, n;

    for (size_t at = 0; at < image->size; at += n) {
        bool zero = is_zero(image, at);
        uint8_t count;

        n = run_at(image, at, zero);
        count = (uint8_t)((n + WORD - 1) / WORD - 1);
        if (room - used < 1 + (zero ? 0 : n))
            return 0;
        data[used++] = zero ? count : LITERAL + count;
        if (!zero) {
            memcpy(data + used, image->bytes + at, n);
            used += n;
        }
    }
    return used;
}

/* --- Changing ------------------------------------------------------------- */

uint64_t packed_random(uint64_t *random, uint64_t n)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random % n;
}

/* The place of a word; of one that is not zero, if such are to be had. */
static size_t any_word(const struct image *image, uint64_t *random)
{
    size_t at = 0;

    for (int i = 0; i < TRIES; i++) {
        at = packed_random(random, image->size / WORD) * WORD;
        if (!is_zero(image, at))
            break;
    }
    return at;
}

static void put(struct image *image, size_t at, uint64_t word)
{
    memcpy(image->bytes + at, &word, WORD);
}

static uint64_t odd_value(const struct image *image, uint64_t *random)
{
    const uint64_t values[] = {0,
                               1,
                               UINT64_MAX,
                               UINT64_MAX / 2 + 1,
                               UINT64_C(1) << 48,
                               (UINT64_C(1) << 48) - 16,
                               image->size,
                               image->size - 4096,
                               UINT32_MAX,
                               16 * packed_random(random, image->size / 16 + 1),
                               packed_random(random, 4096)};

    return values[packed_random(random, sizeof(values) / sizeof(*values))];
}

/* One word becomes another. */
static void change_word(struct image *image, uint64_t *random)
{
    const uint64_t offset = (UINT64_C(1) << 48) - 1; /* bits of one */
    size_t at = any_word(image, random), from = any_word(image, random);
    uint64_t word = get(image, at), other = get(image, from);

    switch (packed_random(random, 8)) {
    case 0:
        word ^= UINT64_C(1) << packed_random(random, 64);
        break;
    case 1:
        word += packed_random(random, 33) - 16;
        break;
    case 2:
        word += (packed_random(random, 33) - 16) * 16;
        break;
    case 3:
        word = other;
        break;
    case 4:
        word = (word & ~offset) | (other & offset);
        break;
    case 5:
        word = odd_value(image, random);
        break;
    case 6:
        put(image, from, word);
        word = other;
        break;
    default:
        image->bytes[at + packed_random(random, WORD)] =
            (uint8_t)packed_random(random, 256);
        return;
    }
    put(image, at, word);
}

/* A piece appears in another place too. */
static void copy_piece(struct image *image, uint64_t *random)
{
    size_t unit = (size_t)16 << packed_random(random, 9);
    size_t units = image->size / unit;

    if (units < 2)
        return;
    memmove(image->bytes + packed_random(random, units) * unit,
            image->bytes + packed_random(random, units) * unit, unit);
}

/* The file becomes shorter or longer. */
static void change_size(struct image *image, uint64_t *random)
{
    size_t size = packed_random(random, image->size + image->size / 4 + SECTOR);

    if (packed_random(random, 4) != 0)
        size = size / SECTOR * SECTOR;
    size = least(size, PACKED_LARGEST);
    if (size > image->size)
        memset(image->bytes + image->size, 0, size - image->size);
    if (size >= SECTOR)
        image->size = size;
}

void packed_mutate(struct image *image, uint64_t *random)
{
    if (image->size < SECTOR) {
        memset(image->bytes + image->size, 0, SECTOR - image->size);
        image->size = SECTOR;
    }
    for (uint64_t n = packed_random(random, 4) + 1; n > 0; n--) {
        uint64_t how = packed_random(random, 40);

        if (how == 0)
            change_size(image, random);
        else if (how < 4)
            copy_piece(image, random);
        else
            change_word(image, random);
    }
}
