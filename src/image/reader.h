/* reader.h - read a whole snapshot, believing nothing of it
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef IMAGE_READER_H
#define IMAGE_READER_H

#include "image/image.h"
#include "image/stream.h"

/* What one is reading.  Set in and options, then: */
struct reader {
    struct stream *in;
    const tn_snapshot_options *options;
    struct image_header header; /* from reader_open() on */
    struct reading *reading;
};

/* Begin: read the header, and open the base.  As tn_snapshot_restore(). */
tn_status reader_open(struct reader *reader);
void reader_close(struct reader *reader);

/* Read all there is, verify each checksum, and write the image to target unless
 * that is NULL: what is zero is not written.  Until TN_OK what target holds may
 * be anything.  info as the caller of the library gets it. */
tn_status reader_run(struct reader *reader, struct file *target,
                     tn_snapshot_info *info);

#endif
