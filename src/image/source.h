/* source.h - the image of a committed state, chunk by chunk
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef IMAGE_SOURCE_H
#define IMAGE_SOURCE_H

#include "image/layout.h"
#include "store/store.h"

struct source {
    const char *bytes; /* the file, as the view shows it */
    const struct heap *heap;
    struct superblock sb; /* of the image */
    uint64_t size;        /* bytes of the image */
    uint64_t sums_first, sums_pages;
    uint64_t sum_of_zeros;
    uint64_t stride; /* bytes */
    uint64_t *marks; /* where to begin a walk, one every stride bytes */
    size_t mark_count;
};

/* Prepare to read the state that view shows, which stays as it is until
 * source_close().  sb is of that state.  TN_ECORRUPT: its chain of blocks is
 * broken, or its header contradicts sb; TN_ENOMEM. */
tn_status source_open(struct source *source, const tn_segment *view,
                      const struct superblock *sb);
void source_close(struct source *source);

/* Put the bytes of chunk number into out, or set *zero and leave out alone:
 * all of them are.  Any number of threads; scratch is IMAGE_CHUNK bytes of the
 * caller's.  TN_ECORRUPT: a page that is not what its sum says would get a new
 * sum. */
tn_status source_read(const struct source *source, uint64_t number, void *out,
                      void *scratch, bool *zero);

#endif
