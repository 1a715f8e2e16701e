/* image.c - what the files of image/ share
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "image/image.h"
#include "base/error.h"
#include "image/compress.h"

#include <stdlib.h>
#include <string.h>

tn_status image_options(const tn_snapshot_options *given,
                        tn_snapshot_options *out)
{
    tn_snapshot_options options = {0};

    if (given != NULL)
        options = *given;
    if (options.level == 0)
        options.level = COMPRESS_LEVEL_DEFAULT;
    if (options.level < 1 || options.level > COMPRESS_LEVEL_MOST)
        return error_set(TN_EINVAL, "levels of compression are 1 to %d",
                         COMPRESS_LEVEL_MOST);
    if (options.mode > 07777)
        return error_set(TN_EINVAL, "mode %#o is no mode", options.mode);
    *out = options;
    return TN_OK;
}

void image_put_digest(unsigned char out[16], struct digest128 digest)
{
    for (int i = 0; i < 8; i++) {
        out[i] = (unsigned char)(digest.high >> (56 - 8 * i));
        out[8 + i] = (unsigned char)(digest.low >> (56 - 8 * i));
    }
}

void image_describe(const struct image_header *header, tn_snapshot_info *info)
{
    struct digest128 base = {header->base_low, header->base_high};

    *info =
        (tn_snapshot_info){.commit = header->commit_number,
                           .image_size = header->image_bytes,
                           .chunks = image_chunks(header->image_bytes),
                           .incremental = (header->flags & IMAGE_SINCE) != 0,
                           .base_commit = header->base_number};
    memcpy(info->uuid, header->uuid, sizeof(info->uuid));
    image_put_digest(info->base_digest, base);
}

tn_status image_progress(const tn_snapshot_options *options, const char *name,
                         uint64_t number, uint64_t size)
{
    uint64_t done = (number + 1) * IMAGE_CHUNK;

    if (options->progress == NULL ||
        !options->progress(options->arg, done < size ? done : size, size))
        return TN_OK;
    return error_set(TN_ECANCELED, "%s: stopped as was asked for", name);
}

tn_status image_make_zeros(struct slot *zero, uint64_t size, int level)
{
    struct coder *coder;
    tn_status status = TN_ENOMEM;

    *zero = (struct slot){.size = IMAGE_CHUNK};
    if (size < IMAGE_CHUNK)
        return TN_OK;
    coder = coder_open();
    zero->bytes = calloc(1, IMAGE_CHUNK);
    zero->frame = malloc(compress_bound());
    if (coder != NULL && zero->bytes != NULL && zero->frame != NULL)
        status = compress_chunk(coder, zero->bytes, zero->size, level,
                                zero->frame, &zero->frame_size);
    else
        error_set(TN_ENOMEM, "no memory for chunks");
    if (status == TN_OK) {
        zero->digest = digest128(zero->bytes, zero->size);
        zero->encoded = digest64(zero->frame, zero->frame_size);
    }
    coder_close(coder);
    return status;
}

void image_free_zeros(struct slot *zero)
{
    free(zero->bytes);
    free(zero->frame);
}
