/* digest.c - checksums; the only user of xxHash
 *
 * xxHash is compiled in here (XXH_INLINE_ALL) so that the short keys of the
 * name indexes cost no call into a shared library.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/digest.h"

#include <stdlib.h>

uint64_t digest64(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

/* --- 128 bits ------------------------------------------------------------- */

struct digest_stream {
    XXH3_state_t *state;
};

static struct digest128 of(XXH128_hash_t hash)
{
    return (struct digest128){hash.low64, hash.high64};
}

struct digest128 digest128(const void *data, size_t size)
{
    return of(XXH3_128bits(data, size));
}

struct digest_stream *digest_stream_open(void)
{
    struct digest_stream *stream = malloc(sizeof(*stream));

    if (stream == NULL)
        return NULL;
    stream->state = XXH3_createState();
    if (stream->state == NULL) {
        free(stream);
        return NULL;
    }
    digest_stream_reset(stream);
    return stream;
}

void digest_stream_reset(struct digest_stream *stream)
{
    XXH3_128bits_reset(stream->state);
}

void digest_stream_add(struct digest_stream *stream, const void *data,
                       size_t size)
{
    XXH3_128bits_update(stream->state, data, size);
}

struct digest128 digest_stream_value(const struct digest_stream *stream)
{
    return of(XXH3_128bits_digest(stream->state));
}

void digest_stream_close(struct digest_stream *stream)
{
    if (stream == NULL)
        return;
    XXH3_freeState(stream->state);
    free(stream);
}
