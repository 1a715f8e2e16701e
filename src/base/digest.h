/* digest.h - checksums; the only door to xxHash
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* XXH3-64 of size bytes at data. */
uint64_t digest64(const void *data, size_t size);

struct digest128 {
    uint64_t low, high; /* printed, the high word comes first */
};

static inline bool digest_equal(struct digest128 a, struct digest128 b)
{
    return a.low == b.low && a.high == b.high;
}

/* XXH3-128 of size bytes at data. */
struct digest128 digest128(const void *data, size_t size);

/* The same of bytes that come piece by piece.  NULL: no memory. */
struct digest_stream *digest_stream_open(void);
void digest_stream_add(struct digest_stream *stream, const void *data,
                       size_t size);
struct digest128 digest_stream_value(const struct digest_stream *stream);
void digest_stream_reset(struct digest_stream *stream);
void digest_stream_close(struct digest_stream *stream);

#endif
