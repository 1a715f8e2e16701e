/* layout.h - the bytes at the start of a segment
 *
 * The heap manages the whole of it and so comes first; its reserved bytes are
 * this struct.  docs/FORMAT.md, "Segment".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef SEGMENT_LAYOUT_H
#define SEGMENT_LAYOUT_H

#include "heap/layout.h"
#include "index/layout.h"
#include "sync/mutex.h"

#include <stdint.h>

#define SEGMENT_MAGIC       UINT64_C(0x31474553204e4e54) /* "TNN SEG1" */
#define SEGMENT_VERSION     1

#define SEGMENT_ONE_SECTION (UINT64_C(1) << 32)

struct segment {
    struct heap heap;
    uint64_t magic;
    uint32_t version;
    uint32_t reserved; /* zero */

    /* Odd while an index changes.  Whoever gets the lock of names next, or
     * looks without the lock, goes by it. */
    uint64_t names_sequence;

    /* Odd while descriptors of types or their counts change. */
    uint64_t types_sequence;

    /* Named and unique objects that are being made or destroyed, by the one
     * who has the lock of names. */
    uint64_t building;

    /* Anonymous objects that are being made or destroyed, by whomever; or more,
     * if somebody was killed meanwhile. */
    uint64_t building_alone;

    /* Handles that have a shared store open: more than there are means that
     * some process was killed. */
    uint64_t sharers;

    uint64_t sums;  /* page sums, a block of BLOCK_INDEX; 0: none */
    uint64_t types; /* tree of descriptors */
    struct index named;
    struct index unique;

    struct mutex names_lock; /* recursive; taken before heap_lock */

    /* The atomic sections that are open, one in the other, by the owner of
     * names_lock; in bits 32 up, how many there were. */
    uint64_t sections;

    struct mutex heap_lock;
    uint64_t magazines; /* struct magazines, a block of BLOCK_INDEX; 0: none */
};

/* Quick lists for users without the heap lock, while the segment is in shared
 * use: nothing of it is left in a store at rest. */
struct segment_magazine {
    struct mutex lock;
    uint64_t reserved; /* zero */
    struct magazine magazine;
    uint64_t padding[4]; /* to a cache line */
};
_Static_assert(sizeof(struct segment_magazine) % 64 == 0, "cache lines");

enum { SEGMENT_MAGAZINES = 8 };

struct magazines {
    struct segment_magazine all[SEGMENT_MAGAZINES];
};

#endif
