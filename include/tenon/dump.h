/* dump.h - every layer of a store in words, for people
 *
 * What is printed is made for eyes and may change from version to version.
 * Names appear as <tenon/show.h> shows them, so that it can go to a terminal.
 * Whatever is not as it should be is said with the word "wrong".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_DUMP_H
#define TENON_DUMP_H

#include <stdio.h>

#include "tenon/segment.h"
#include "tenon/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What to print; ORed together, 0 means all of it. */
enum {
    TN_DUMP_SUPERBLOCK = 1, /* the first page of the file */
    TN_DUMP_JOURNAL = 2,    /* both headers, each record and its runs */
    TN_DUMP_BLOCKS = 4,     /* the segment's header, the heap and each block */
    TN_DUMP_INDEX = 8,      /* both indexes, each node, chunk or page */
    TN_DUMP_TYPES = 16,     /* the types that objects have */
};

/* Print the file at path, whatever its bytes are, on out, without changing it.
 * First page and journal are printed as they lie there; the rest as a reader
 * sees it now, or where none could open the file, as it lies there too.  What
 * cannot be read is said, and the next thing that can follows.
 *
 *   TN_ECORRUPT  something is not as it should be; all the same everything
 *                else was printed
 *   TN_ENOTSTORE, TN_EVERSION, TN_ESIZE, TN_EDIRTY, TN_EJOURNAL, TN_EBUSY
 *                so is a reader answered; all the same the bytes were printed.
 *                TN_EBUSY also if a store in shared use looked wrong, which may
 *                be because others changed it meanwhile
 *   TN_EINVAL    what has unknown bits, or path is no regular file
 *   TN_EIO       reading failed, or writing to out
 *   TN_ENOENT, TN_EACCES, TN_ENOMEM  as tn_store_open() */
TN_API tn_status tn_dump_file(const char *path, unsigned what, FILE *out);

/* The same for a segment that is open, which has no first page and no journal.
 * No lock is taken, so that it can be called where everything stands still, in
 * a debugger: call (int)tn_dump_segment(seg, 0, stderr) */
TN_API tn_status tn_dump_segment(const tn_segment *seg, unsigned what,
                                 FILE *out);

#ifdef __cplusplus
}
#endif
#endif
