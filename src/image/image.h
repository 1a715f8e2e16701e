/* image.h - what the files of image/ share
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "base/digest.h"
#include "image/layout.h"
#include "image/pipeline.h"
#include "store/store.h"
#include "tenon/image.h"

/* Check what the caller wants; given may be NULL.  TN_EINVAL. */
tn_status image_options(const tn_snapshot_options *given,
                        tn_snapshot_options *out);

/* What the header says, and a digest as it is printed, first byte first. */
void image_describe(const struct image_header *header, tn_snapshot_info *info);
void image_put_digest(unsigned char out[16], struct digest128 digest);

/* Make zero a chunk of IMAGE_CHUNK zeros with its frame at this level, to be
 * used again and again, of an image of size bytes, which may be too small to
 * have any; and free its memory.  TN_ENOMEM. */
tn_status image_make_zeros(struct slot *zero, uint64_t size, int level);
void image_free_zeros(struct slot *zero);

/* Call the progress function for chunk number being done, of an image of size
 * bytes.  TN_ECANCELED. */
tn_status image_progress(const tn_snapshot_options *options, const char *name,
                         uint64_t number, uint64_t size);

#endif
