/* image.h - snapshots: a committed state of a store, compressed, in one stream
 *
 *     tn_snapshot_write(store, "monday.lz4", NULL, NULL);
 *     tn_snapshot_verify("monday.lz4", NULL, NULL);
 *     tn_snapshot_restore("monday.lz4", "again.tn", NULL, NULL);
 *
 * A snapshot is a sequence of standard LZ4 frames: what lz4 -dc makes of it is
 * the file of a store that was closed in order, with zeros for free memory.  It
 * also bears a checksum of each chunk and of the whole, which lz4 skips, and
 * which are all verified before a restored store has its name.
 *
 * A snapshot since another one, its base, holds only the chunks that differ
 * from it, and is of use only together with it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_IMAGE_H
#define TENON_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tenon/status.h"
#include "tenon/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Take or give bytes of a stream.  A read function puts up to size bytes into
 * bytes and their number, 0 at the end, into *got.  What they return, if it is
 * not TN_OK, ends the call and is its result. */
typedef tn_status tn_write_fn(void *arg, const void *bytes, size_t size);
typedef tn_status tn_read_fn(void *arg, void *bytes, size_t size, size_t *got);

/* Called now and then, in the thread that called, with how many bytes of the
 * image are done; true: stop, with TN_ECANCELED. */
typedef bool tn_image_progress_fn(void *arg, uint64_t done, uint64_t total);

typedef struct tn_snapshot_options { /* a zero member means its default */
    int level;        /* of compression, 1 (the default) to 12 (the least
                          bytes, and a hundred times slower) */
    unsigned threads; /* the most is 32; default: one a processor */
    const char *base; /* path of the base; NULL: none */
    bool force;       /* replace a file that is there */
    mode_t mode;      /* of the new file; default: as that of the store */
    tn_image_progress_fn *progress;
    void *arg; /* for progress */
} tn_snapshot_options;

typedef struct tn_snapshot_info {
    unsigned char uuid[16];   /* of the store */
    uint64_t commit;          /* number of the commit */
    uint64_t image_size;      /* bytes of the store's file */
    uint64_t snapshot_size;   /* bytes of the snapshot */
    uint64_t chunks;          /* of the image */
    uint64_t chunks_held;     /* that the snapshot holds */
    unsigned char digest[16]; /* XXH3-128 of the image */
    bool incremental;         /* it has a base; if so: */
    uint64_t base_commit;
    unsigned char base_digest[16];
} tn_snapshot_info;

/* Write a snapshot of the last commit of store to a file at path, to a
 * descriptor or to a function.  options and info may be NULL.
 *
 * Of a durable or read-only store it is one committed state, whatever is
 * committed meanwhile; writers do not wait for it.  As with any reader, what
 * they commit stays in the journal until it is done, and one who fills the
 * journal to its limit of 256 MiB before that gets TN_EBUSY.
 *
 * A store that is open shared, or private, has no commits: it is copied first,
 * as tn_store_save() does, into a file without a name beside the snapshot, or
 * beside the store if that has no path.
 *
 * The file has its name when it is complete and on disk; what goes to a
 * descriptor or function and was not completed is worth nothing.
 *
 *   TN_EEXIST    there is a file at path, and force is not set
 *   TN_EINVAL    an option makes no sense; path is the store or the base
 *   TN_ECORRUPT  the store or the base is damaged
 *   TN_ENOENT    there is no base at that path
 *   TN_ENOTSUP   the base has a base itself
 *   TN_ECANCELED the progress function said so
 *   TN_EBUSY     the store is in shared use, and this handle only reads
 *   TN_ENOSPC, TN_EIO, TN_ENOMEM, TN_EACCES ... */
TN_API tn_status tn_snapshot_write(tn_store *store, const char *path,
                                   const tn_snapshot_options *options,
                                   tn_snapshot_info *info);
TN_API tn_status tn_snapshot_write_fd(tn_store *store, int fd,
                                      const tn_snapshot_options *options,
                                      tn_snapshot_info *info);
TN_API tn_status tn_snapshot_write_to(tn_store *store, tn_write_fn *write,
                                      void *arg,
                                      const tn_snapshot_options *options,
                                      tn_snapshot_info *info);

/* Make the store that a snapshot shows, at path.  The file is written without
 * a name, with holes for what is zero; all checksums are verified, and it is on
 * disk, before it has its name.  Where there is a store, force replaces it,
 * unless somebody has it open, and removes its journal.
 *
 * Without options->base a snapshot that has a base is refused.
 *
 *   TN_ECORRUPT  the snapshot or its base is damaged, or not complete
 *   TN_ENOTSTORE it is no snapshot
 *   TN_EVERSION  of a newer format
 *   TN_EINVAL    it needs its base, or the base given is another
 *   TN_EEXIST    there is a file at path, or a journal that may hold commits,
 *                and force is not set
 *   TN_EBUSY     the store at path is open, also with force
 *   and as above */
TN_API tn_status tn_snapshot_restore(const char *snapshot, const char *path,
                                     const tn_snapshot_options *options,
                                     tn_snapshot_info *info);
TN_API tn_status tn_snapshot_restore_fd(int fd, const char *path,
                                        const tn_snapshot_options *options,
                                        tn_snapshot_info *info);
TN_API tn_status tn_snapshot_restore_from(tn_read_fn *read, void *arg,
                                          const char *path,
                                          const tn_snapshot_options *options,
                                          tn_snapshot_info *info);

/* Verify all that restoring would, and write nothing.  Of a snapshot that has
 * a base, without options->base, all but the sum of the whole.  As
 * tn_snapshot_restore(). */
TN_API tn_status tn_snapshot_verify(const char *snapshot,
                                    const tn_snapshot_options *options,
                                    tn_snapshot_info *info);
TN_API tn_status tn_snapshot_verify_fd(int fd,
                                       const tn_snapshot_options *options,
                                       tn_snapshot_info *info);
TN_API tn_status tn_snapshot_verify_from(tn_read_fn *read, void *arg,
                                         const tn_snapshot_options *options,
                                         tn_snapshot_info *info);

/* Open the state that a snapshot shows as TN_PRIVATE | TN_VERIFY opens a store:
 * it is restored into a file without a name in directory, which is gone when
 * the store is closed.  As tn_snapshot_restore() and tn_store_open(). */
TN_API tn_status tn_snapshot_open(tn_store **out, const char *snapshot,
                                  const char *directory,
                                  const tn_snapshot_options *options);

/* --- Contents ------------------------------------------------------------- */

/* One XXH3-128 of all objects of a segment that holds still: their kinds,
 * names, types, counts and bytes.  Two segments with the same objects have the
 * same, whatever their index, their sizes, the places of their objects and the
 * order in which they were made.  Bytes count as they are, so objects that
 * refer to others by distance differ if these lie elsewhere; raw allocations do
 * not count.  TN_ENOMEM. */
TN_API tn_status tn_contents_digest(const tn_segment *seg,
                                    unsigned char digest[16]);

/* An object that only one of two segments has, or that differs: in one of them
 * only, the other is NULL.  Objects without a name are the same if type, count
 * and bytes are. */
typedef struct tn_difference {
    const tn_object *before, *after;
} tn_difference;

/* Called once a difference, which is valid during the call only.  True: stop,
 * with TN_ECANCELED. */
typedef bool tn_difference_fn(void *arg, const tn_difference *difference);

/* Report in what the objects of after differ from those of before: named ones
 * in the order of their names, then unique, then anonymous ones.  Both segments
 * hold still.  TN_ENOMEM. */
TN_API tn_status tn_contents_compare(const tn_segment *before,
                                     const tn_segment *after,
                                     tn_difference_fn *report, void *arg);

#ifdef __cplusplus
}
#endif
#endif
