/* seal.h - put checksums right, so that the fuzzer gets past them
 *
 * What is behind a checksum is tried only if it fits, and chance does not make
 * it fit.  Whoever damages a file on purpose computes them anew, and so do
 * these.  They believe nothing of the bytes, and use none of the library's ways
 * to walk them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef FUZZ_SEAL_H
#define FUZZ_SEAL_H

#include "packed.h"

/* A store: superblock, marks, headers of blocks along the chain as far as it
 * goes, records of objects, page sums. */
void seal_store(struct image *store);

/* The journal of a store: both headers, and the records of the newest
 * generation, one following the other. */
void seal_journal(struct image *journal);

/* A snapshot: its header and places, and an index that is right about the
 * chunks as they are.  Of one that has a base, the sum of the whole stays as it
 * was. */
void seal_snapshot(struct image *snapshot);

#endif
