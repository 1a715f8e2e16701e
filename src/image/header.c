/* header.c - the frame that begins a snapshot
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "image/header.h"
#include "base/digest.h"
#include "base/error.h"
#include "store/superblock.h"

#include <inttypes.h>
#include <string.h>

static uint64_t digest_of(const struct image_header *header)
{
    return digest64(header, offsetof(struct image_header, digest));
}

tn_status header_put(struct stream *out, struct image_header *header)
{
    struct image_frame frame = {FRAME_HEADER, sizeof(*header)};
    tn_status status;

    header->digest = digest_of(header);
    status = stream_put(out, &frame, sizeof(frame));
    return status == TN_OK ? stream_put(out, header, sizeof(*header)) : status;
}

/* Sizes that cannot be are found here, before anything is made of them. */
static tn_status check(const char *name, const struct image_header *header)
{
    static const uint8_t zero[sizeof(header->zero)];

    if (header->format != IMAGE_FORMAT)
        return error_set(TN_EVERSION,
                         "%s: the snapshot has format %" PRIu32
                         "; this version knows format %d",
                         name, header->format, IMAGE_FORMAT);
    if (header->digest != digest_of(header))
        return error_set(TN_ECORRUPT,
                         "%s: the snapshot's header is damaged: its checksum "
                         "does not fit",
                         name);
    if ((header->flags & ~(uint32_t)IMAGE_SINCE) != 0)
        return error_set(TN_EVERSION,
                         "%s: the snapshot uses features that this version "
                         "does not know (%#" PRIx32 ")",
                         name, header->flags);
    if (header->image_bytes > IMAGE_MOST ||
        header->image_bytes < 2 * STORE_PAGE ||
        header->image_bytes % STORE_PAGE != 0 ||
        header->chunk_bytes != IMAGE_CHUNK || header->mode > 07777 ||
        memcmp(header->zero, zero, sizeof(zero)) != 0)
        return error_set(TN_ECORRUPT,
                         "%s: the snapshot's header says what cannot be", name);
    return TN_OK;
}

tn_status header_take(struct stream *in, struct image_header *header)
{
    struct image_frame frame;
    struct image_header read;
    const char *bytes;
    size_t have;
    tn_status status =
        stream_look(in, sizeof(frame) + sizeof(read), &bytes, &have);

    if (status != TN_OK)
        return status;
    if (have >= sizeof(frame) + sizeof(read.magic)) {
        memcpy(&frame, bytes, sizeof(frame));
        memcpy(&read.magic, bytes + sizeof(frame), sizeof(read.magic));
    }
    if (have < sizeof(frame) + sizeof(read.magic) ||
        frame.magic != FRAME_HEADER || read.magic != IMAGE_MAGIC)
        return error_set(TN_ENOTSTORE, "%s: this is not a snapshot", in->name);
    if (have < sizeof(frame) + sizeof(read))
        return error_set(TN_ECORRUPT, "%s: it has been cut off", in->name);
    if (frame.bytes != sizeof(read))
        return error_set(TN_ECORRUPT,
                         "%s: the snapshot's header has an impossible size",
                         in->name);
    memcpy(&read, bytes + sizeof(frame), sizeof(read));
    status = check(in->name, &read);
    if (status != TN_OK)
        return status;
    stream_skip(in, sizeof(frame) + sizeof(read));
    *header = read;
    return TN_OK;
}

tn_status header_match(const char *name, const struct image_header *header,
                       const char *page)
{
    struct superblock sb;
    uint64_t state;
    size_t rest = STORE_STATE_OFF + sizeof(state);

    memcpy(&sb, page, sizeof(sb));
    memcpy(&state, page + STORE_STATE_OFF, sizeof(state));
    if (memcmp(sb.magic, STORE_MAGIC, sizeof(sb.magic)) != 0 ||
        !superblock_is_sealed(&sb) || state != STORE_CLEAN || page[rest] != 0 ||
        memcmp(page + rest, page + rest + 1, STORE_PAGE - rest - 1) != 0)
        return error_set(TN_ECORRUPT,
                         "%s: what the snapshot holds is not the image of a "
                         "store",
                         name);
    if (memcmp(sb.uuid, header->uuid, sizeof(sb.uuid)) != 0 ||
        sb.commit_number != header->commit_number ||
        sb.commit_nonce != header->commit_nonce ||
        sb.file_size != header->image_bytes)
        return error_set(TN_ECORRUPT,
                         "%s: the snapshot holds the image of another store "
                         "or commit than its header names",
                         name);
    return TN_OK;
}
