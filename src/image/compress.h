/* compress.h - chunks as LZ4 frames; the only door to LZ4
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef IMAGE_COMPRESS_H
#define IMAGE_COMPRESS_H

#include "tenon/status.h"

#include <stdbool.h>

enum { COMPRESS_LEVEL_DEFAULT = 1, COMPRESS_LEVEL_MOST = 12 };

/* What one thread needs to compress and decompress.  NULL: no memory. */
struct coder;
struct coder *coder_open(void);
void coder_close(struct coder *coder);

/* The most bytes that a chunk's frame has, whatever is in it. */
size_t compress_bound(void);

/* Put the frame for size bytes, at most IMAGE_CHUNK, into out, which has room
 * for compress_bound(), and how long it is into *length.  level is 1 to
 * COMPRESS_LEVEL_MOST, and the same bytes and level give the same frame. */
tn_status compress_chunk(struct coder *coder, const void *bytes, size_t size,
                         int level, void *out, size_t *length);

/* Put back the size bytes of a frame that is length bytes long: neither may be
 * anything else.  TN_ECORRUPT. */
tn_status decompress_chunk(struct coder *coder, const void *frame,
                           size_t length, void *out, size_t size);

/* How long is the frame whose first have bytes are at frame?  Puts into *need
 * how many bytes must be there to know more, or, once *whole, all of it.  The
 * caller bounds it.  TN_ECORRUPT: it is no frame. */
tn_status compress_measure(const void *frame, size_t have, size_t *need,
                           bool *whole);

#endif
