/* compress.c - chunks as LZ4 frames; the only user of LZ4
 *
 * Each chunk is a frame of its own, so that chunks can be made and read by
 * several threads and one by one:
 *
 *     +--------+------+------------+-----------+
 *     | header | size | block      | end mark  |
 *     +--------+------+------------+-----------+
 *       4 + 11   4      size bytes   4
 *
 * The header bears the chunk's size, and the block is as large as a chunk, so
 * that there is one.  Checksums of the blocks and of the content are left out:
 * the index has better ones.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "image/compress.h"
#include "base/error.h"
#include "image/layout.h"

#include <lz4frame.h>
#include <lz4hc.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(IMAGE_CHUNK == 256 * 1024, "a chunk is a block");
_Static_assert(COMPRESS_LEVEL_MOST == LZ4HC_CLEVEL_MAX, "levels are LZ4's");

struct coder {
    LZ4F_cctx *out;
    LZ4F_dctx *in;
};

static LZ4F_preferences_t preferences(int level, size_t size)
{
    return (LZ4F_preferences_t){
        .frameInfo = {.blockSizeID = LZ4F_max256KB,
                      .blockMode = LZ4F_blockIndependent,
                      .contentSize = size},
        .compressionLevel = level,
        .autoFlush = 1};
}

struct coder *coder_open(void)
{
    struct coder *coder = calloc(1, sizeof(*coder));

    if (coder == NULL)
        return NULL;
    if (!LZ4F_isError(
            LZ4F_createCompressionContext(&coder->out, LZ4F_VERSION)) &&
        !LZ4F_isError(
            LZ4F_createDecompressionContext(&coder->in, LZ4F_VERSION)))
        return coder;
    coder_close(coder);
    return NULL;
}

void coder_close(struct coder *coder)
{
    if (coder == NULL)
        return;
    LZ4F_freeCompressionContext(coder->out);
    LZ4F_freeDecompressionContext(coder->in);
    free(coder);
}

size_t compress_bound(void)
{
    LZ4F_preferences_t wanted = preferences(1, IMAGE_CHUNK);

    return LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(IMAGE_CHUNK, &wanted);
}

static tn_status refuse(size_t code)
{
    return error_set(TN_ENOMEM, "cannot compress: %s", LZ4F_getErrorName(code));
}

tn_status compress_chunk(struct coder *coder, const void *bytes, size_t size,
                         int level, void *out, size_t *length)
{
    LZ4F_preferences_t wanted = preferences(level, size);
    LZ4F_compressOptions_t options = {.stableSrc = 1};
    size_t room = compress_bound(), used, n;
    char *p = out;

    used = LZ4F_compressBegin(coder->out, p, room, &wanted);
    if (LZ4F_isError(used))
        return refuse(used);
    n = LZ4F_compressUpdate(coder->out, p + used, room - used, bytes, size,
                            &options);
    if (LZ4F_isError(n))
        return refuse(n);
    used += n;
    n = LZ4F_compressEnd(coder->out, p + used, room - used, &options);
    if (LZ4F_isError(n))
        return refuse(n);
    *length = used + n;
    return TN_OK;
}

static tn_status damaged(const char *why)
{
    return error_set(TN_ECORRUPT, "a chunk cannot be decompressed: %s", why);
}

/* Does the frame's header promise a chunk of this size?  A decoder would get
 * memory for blocks of whatever size it names. */
static tn_status check_promise(struct coder *coder, const void *frame,
                               size_t *length, size_t size)
{
    LZ4F_frameInfo_t info;
    size_t code = LZ4F_getFrameInfo(coder->in, &info, frame, length);

    if (LZ4F_isError(code))
        return damaged(LZ4F_getErrorName(code));
    if (info.blockSizeID != LZ4F_max256KB || info.contentSize != size ||
        info.dictID != 0)
        return damaged("its frame is of another size or kind");
    return TN_OK;
}

tn_status decompress_chunk(struct coder *coder, const void *frame,
                           size_t length, void *out, size_t size)
{
    LZ4F_decompressOptions_t options = {.stableDst = 1};
    const char *from = frame;
    char *to = out;
    size_t left = length, room = size, hint = 1, in = length, made;
    tn_status status;

    LZ4F_resetDecompressionContext(coder->in);
    status = check_promise(coder, frame, &in, size);
    if (status != TN_OK)
        return status;
    from += in;
    left -= in;
    while (hint != 0) {
        in = left;
        made = room;
        hint = LZ4F_decompress(coder->in, to, &made, from, &in, &options);
        if (LZ4F_isError(hint))
            return damaged(LZ4F_getErrorName(hint));
        from += in;
        left -= in;
        to += made;
        room -= made;
        if (in == 0 && made == 0 && hint != 0)
            break;
    }
    return left == 0 && room == 0 && hint == 0
               ? TN_OK
               : damaged("it holds more or less than it should");
}

/* --- Where a frame ends --------------------------------------------------- */

enum {
    BLOCK_SIZE_BYTES = 4,
    CHECKSUM_BYTES = 4,
    FLAGS_AT = 4, /* of the frame's descriptor */
    BLOCK_CHECKSUM = 1 << 4 /* in the flags */,
    CONTENT_CHECKSUM = 1 << 2,
};
#define NOT_COMPRESSED UINT32_C(0x80000000)

tn_status compress_measure(const void *frame, size_t have, size_t *need,
                           bool *whole)
{
    const unsigned char *p = frame;
    size_t at = LZ4F_MIN_SIZE_TO_KNOW_HEADER_LENGTH, sum;
    uint32_t word = 1;

    *whole = false;
    *need = at;
    if (have < at)
        return TN_OK;
    at = LZ4F_headerSize(p, have);
    if (LZ4F_isError(at))
        return error_set(TN_ECORRUPT, "no frame of LZ4: %s",
                         LZ4F_getErrorName(at));
    sum = p[FLAGS_AT] & BLOCK_CHECKSUM ? CHECKSUM_BYTES : 0;
    while (word != 0) {
        *need = at + BLOCK_SIZE_BYTES;
        if (have < *need)
            return TN_OK;
        memcpy(&word, p + at, sizeof(word));
        at = *need + (word & ~NOT_COMPRESSED) + (word != 0 ? sum : 0);
    }
    *need = at + (p[FLAGS_AT] & CONTENT_CHECKSUM ? CHECKSUM_BYTES : 0);
    *whole = have >= *need;
    return TN_OK;
}
