/* base.h - a whole snapshot that another one is written or restored with
 *
 * Its chunks and their digests are looked up by number, ascending.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef IMAGE_BASE_H
#define IMAGE_BASE_H

#include "image/pipeline.h"

struct base;

/* Open the snapshot at path and find its indexes.
 *
 *   TN_ENOENT     there is no such file
 *   TN_ENOTSTORE  it is no snapshot      TN_EVERSION  of a newer format
 *   TN_ECORRUPT   it is damaged
 *   TN_ENOTSUP    it has a base itself */
tn_status base_open(struct base **out, const char *path);
void base_close(struct base *base);

/* Is it of the store of this UUID?  TN_EINVAL. */
tn_status base_match(const struct base *base, const uint8_t uuid[16]);

/* Note in the header of a snapshot that this is its base.  Is it the one that
 * a header names?  TN_EINVAL. */
void base_describe(const struct base *base, struct image_header *header);
tn_status base_is(const struct base *base, const struct image_header *header);

/* The digest of its chunk of this number, if it has one of size bytes. */
tn_status base_digest(struct base *base, uint64_t number, size_t size,
                      struct digest128 *digest, bool *found);

/* Read the frame of a chunk into slot, whose number and size are set, and the
 * digest that it is to have.  TN_ECORRUPT: it has no such chunk. */
tn_status base_fetch(struct base *base, struct slot *slot);

#endif
