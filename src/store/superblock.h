/* superblock.h - read, verify and write the first page of a store
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef STORE_SUPERBLOCK_H
#define STORE_SUPERBLOCK_H

#include "os/file.h"
#include "store/layout.h"

#include <stdbool.h>

/* Does the file begin like a store's?  TN_ENOTSTORE, and as file_read(). */
tn_status superblock_recognise(const struct file *f);

/* Read and verify it against the file; the caller has INIT, shared at least, or
 * is otherwise sure that nobody writes it.  state gets the state word as one of
 * STORE_CLEAN, STORE_LIVE and STORE_SHARED.  writing tells whether features
 * that only a reader may ignore are in the way.
 *
 *   TN_ENOTSTORE, TN_EVERSION, TN_ECORRUPT, TN_ESIZE, TN_EIO */
tn_status superblock_read(const struct file *f, bool writing,
                          struct superblock *sb, uint64_t *state);

tn_status superblock_read_state(const struct file *f, uint64_t *state);

/* Give it a fresh random identity, or a fresh commit id. */
tn_status superblock_new_uuid(struct superblock *sb);
tn_status superblock_new_commit(struct superblock *sb);

/* Is its digest right? */
bool superblock_is_sealed(const struct superblock *sb);

/* Compute the digest; the same and write the sector. */
void superblock_seal(struct superblock *sb);
tn_status superblock_write(struct file *f, struct superblock *sb);

/* Write the state word and sync it. */
tn_status superblock_set_state(struct file *f, uint64_t state);

enum store_mark {
    STORE_MARK_NONE,      /* a sync has failed: memory may not be on disk */
    STORE_MARK_HERE,      /* of this boot and of this very file */
    STORE_MARK_ELSEWHERE, /* of another boot or file, or that is not known */
};

/* What the mark of a store in use says, and writing it: here, and none. */
tn_status superblock_read_mark(const struct file *f, enum store_mark *mark);
tn_status superblock_mark_boot(struct file *f);

/* The number that the word boot has in this boot and file;
 * STORE_BOOT_UNKNOWN: the machine does not tell. */
uint64_t superblock_boot(const struct file *f);
tn_status superblock_doubt(struct file *f);

#endif
