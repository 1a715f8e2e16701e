/* header.h - the frame that begins a snapshot
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef IMAGE_HEADER_H
#define IMAGE_HEADER_H

#include "image/stream.h"
#include "image/layout.h"
#include "store/layout.h"

/* Set the digest and write the frame. */
tn_status header_put(struct stream *out, struct image_header *header);

/* Read it and check all of it that can be checked by itself.  name is for
 * messages.
 *
 *   TN_ENOTSTORE  this is no snapshot
 *   TN_EVERSION   of another format
 *   TN_ECORRUPT   it is damaged, or says what cannot be */
tn_status header_take(struct stream *in, struct image_header *header);

/* Is the first page of an image that of the store and commit that the header
 * names, closed in order?  TN_ECORRUPT. */
tn_status header_match(const char *name, const struct image_header *header,
                       const char *page);

#endif
