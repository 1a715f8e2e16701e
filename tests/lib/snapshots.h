/* snapshots.h - a small store as a snapshot in memory, and ways to hurt it
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TESTS_LIB_SNAPSHOTS_H
#define TESTS_LIB_SNAPSHOTS_H

#include "image/layout.h"
#include "tenon.h"

/* Bytes that a snapshot is written to or read from. */
struct memory {
    char *bytes;
    size_t size, at;
};

tn_write_fn memory_write;
tn_read_fn memory_read;
void memory_free(struct memory *m);

/* Make the store of stores.h, which is then committed to several times, so that
 * it has page sums, blocks that wait and freed secrets. */
void snapshots_make(const char *path, tn_index index);

/* What was freed there. */
extern const char snapshots_secret[];

/* The snapshot of the store at path; options may be NULL. */
struct memory snapshots_take(const char *path,
                             const tn_snapshot_options *options);

/* Verify it with one thread; restore it. */
tn_status snapshots_verify(struct memory *m);
tn_status snapshots_restore(struct memory *m, const char *path);

/* The header in it, and after a change its checksum set right. */
struct image_header *snapshots_header(struct memory *m);
void snapshots_reseal(struct memory *m);

/* Does size bytes at bytes contain the secret? */
bool snapshots_shows(const void *bytes, size_t size);

#endif
