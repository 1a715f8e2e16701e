/* layout.h - the bytes of a snapshot
 *
 *     +--------------+
 *     | header       |  skippable frame
 *     +--------------+
 *     | chunk        |  LZ4 frame; IMAGE_CHUNK bytes of the store's image, the
 *     | chunk        |  last one what is left
 *     | [place]      |  skippable frame, where chunks are left out: which chunk
 *     | chunk        |  comes next
 *     | ...          |
 *     +--------------+
 *     | index        |  skippable frame, behind every IMAGE_GROUP chunks and at
 *     +--------------+  the end
 *
 * A decoder of LZ4 frames that knows nothing of this skips what is not a chunk
 * and gives the image.  All numbers little-endian.  docs/FORMAT.md, "Snapshot".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef IMAGE_LAYOUT_H
#define IMAGE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

enum {
    IMAGE_FORMAT = 1,
    IMAGE_CHUNK = 256 * 1024,
    IMAGE_GROUP = 65536, /* chunks that one index is for */
};

/* No image is larger. */
#define IMAGE_MOST ((uint64_t)1 << 47)

/* What begins each frame.  The first three numbers are among those that the
 * format of LZ4 frames keeps for frames to be skipped. */
#define FRAME_HEADER UINT32_C(0x184d2a54)
#define FRAME_PLACE  UINT32_C(0x184d2a55)
#define FRAME_INDEX  UINT32_C(0x184d2a56)
#define FRAME_CHUNK  UINT32_C(0x184d2204)

struct image_frame {
    uint32_t magic;
    uint32_t bytes; /* behind this struct */
};
_Static_assert(sizeof(struct image_frame) == 8, "struct image_frame");

#define IMAGE_MAGIC UINT64_C(0x3150414e534e4e54) /* "TNNSNAP1" */

enum {
    IMAGE_SINCE = 1, /* flag: chunks that a base has are left out */
};

struct image_header {
    uint64_t magic;
    uint32_t format;
    uint32_t flags;
    uint8_t uuid[16];                     /* of the store */
    uint64_t commit_number, commit_nonce; /* whose state it is */
    uint64_t image_bytes;                 /* the size of the store's file */
    uint32_t chunk_bytes;                 /* IMAGE_CHUNK */
    uint32_t mode;                        /* permissions of the store's file */
    uint64_t base_number, base_nonce;     /* of the base's commit, or zero */
    uint64_t base_low, base_high;         /* digest of the base's image */
    uint8_t zero[24];
    uint64_t digest; /* XXH3-64 of all bytes before it */
};
_Static_assert(sizeof(struct image_header) == 128, "struct image_header");
_Static_assert(offsetof(struct image_header, digest) == 120, "image_header");

struct image_place {
    uint64_t number; /* of the next chunk; the first of all is 0 */
    uint64_t digest; /* XXH3-64 of the number */
};
_Static_assert(sizeof(struct image_place) == 16, "struct image_place");

/* The index: this, an entry for each chunk that lies in the stream, and a
 * tail. */
#define INDEX_MAGIC UINT64_C(0x5845444e494e4e54) /* "TNNINDEX" */

struct image_index {
    uint64_t magic;
    uint64_t first, end; /* the chunks that it is for: end is the next one's */
    uint64_t count;      /* entries */
};
_Static_assert(sizeof(struct image_index) == 32, "struct image_index");

struct image_entry {
    uint64_t number;
    uint64_t low, high; /* XXH3-128 of the chunk's bytes */
    uint64_t encoded;   /* XXH3-64 of its frame */
    uint32_t frame_bytes;
    uint32_t chunk_bytes;
};
_Static_assert(sizeof(struct image_entry) == 40, "struct image_entry");

#define TAIL_MAGIC UINT64_C(0x4c4941544e4e4554) /* "TENNTAIL" */

struct image_tail {
    uint64_t previous;    /* where in the stream the index before is; 0: none */
    uint64_t last;        /* 1: nothing comes behind */
    uint64_t low, high;   /* XXH3-128 of the whole image, in the last one */
    uint64_t offset;      /* where in the stream this frame begins */
    uint64_t frame_bytes; /* of this frame, struct image_frame included */
    uint64_t magic;
    uint64_t digest; /* XXH3-64 of all of the frame's bytes before it */
};
_Static_assert(sizeof(struct image_tail) == 64, "struct image_tail");

static inline uint64_t image_chunks(uint64_t image_bytes)
{
    return (image_bytes + IMAGE_CHUNK - 1) / IMAGE_CHUNK;
}

/* Bytes of the chunk of this number. */
static inline size_t image_chunk_bytes(uint64_t image_bytes, uint64_t number)
{
    uint64_t left = image_bytes - number * IMAGE_CHUNK;

    return left < IMAGE_CHUNK ? (size_t)left : IMAGE_CHUNK;
}

/* The chunk behind the last one of the group that number is in. */
static inline uint64_t image_group_end(uint64_t image_bytes, uint64_t number)
{
    uint64_t end = (number / IMAGE_GROUP + 1) * IMAGE_GROUP;
    uint64_t chunks = image_chunks(image_bytes);

    return end < chunks ? end : chunks;
}

#endif
