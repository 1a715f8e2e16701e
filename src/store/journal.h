/* journal.h - the sidecar file that makes commits atomic
 *
 * A journal knows generations, records and their chain; what the numbers mean
 * for the store, and who may do what when, is commit.c's and recover.c's.  The
 * caller holds WL (docs/CRASH.md) around whatever writes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "base/report.h"
#include "os/file.h"
#include "store/layout.h"

#include <stdbool.h>

/* Which commit: its number, and a random word that no other commit of the same
 * number has. */
struct commit_id {
    uint64_t number, nonce;
};

/* A place in the chain of records of one generation: behind the record of this
 * number. */
struct journal_place {
    uint64_t number;    /* of the record before, or the base's */
    uint64_t nonce;     /* of the same */
    uint64_t chain;     /* its checksum, or the salt */
    uint64_t off;       /* where the next record lies or would lie */
    uint64_t file_size; /* bytes the store has then; 0 at the base */
};

struct journal {
    struct file file;
    uint64_t size; /* bytes of the file */
    uint64_t kept; /* the first of these, which this handle's syncs cover */
    struct journal_header header; /* of the generation in use */
    uint64_t known;               /* its generation; 0: no header was read */
    struct journal_place end;     /* behind the last record known */
    char *buffer;                 /* a record that is being built or read */
    size_t used, capacity;
    size_t zeros;  /* where in it the last run is, if one of zeros; else 0 */
    bool uncached; /* records were written past the page cache */
};
#define JOURNAL_CLOSED                                                         \
    {                                                                          \
        .file = FILE_CLOSED                                                    \
    }

/* FILE-journal for the resolved path of the store; the caller frees it. */
char *journal_path(const char *store_path);

/* Make a journal for the store of this superblock, complete and synced with a
 * header of generation 1 whose base is the superblock's commit, and give it
 * its name.  size is rounded up.  TN_EEXIST, TN_ENOSPC ... */
tn_status journal_create(struct journal *j, const char *path,
                         const struct superblock *sb, uint64_t size,
                         mode_t mode);

/* Open an existing one; reads nothing.  TN_ENOENT ... */
tn_status journal_open(struct journal *j, const char *path, bool writable);
void journal_close(struct journal *j);

/* What the marks say which file it is. */
uint64_t journal_identity(const struct journal *j);

/* Is this commit one that the chain from base to end passes by?  TN_ECORRUPT: a
 * record has changed meanwhile. */
tn_status journal_passes(struct journal *j, struct commit_id id, bool *passes);

/* J1 of one slot. */
bool journal_header_is_valid(const struct journal_header *header);

/* Choose the newest valid header and stand at its base.  TN_ENOENT: no slot
 * holds a valid header.  TN_EJOURNAL: it belongs to another store; uuid NULL:
 * never mind which. */
tn_status journal_read_header(struct journal *j, const uint8_t uuid[16]);

/* Which generation the file has on disk or in the cache now; 0: none. */
uint64_t journal_generation(const struct journal *j);

/* Go on from j->end over all records that others have added. */
tn_status journal_advance(struct journal *j);

/* The same, and make sure that this is the end.  TN_ECORRUPT: a record is
 * damaged that a later one of this generation says was synced (O6). */
tn_status journal_find_end(struct journal *j);

/* Does something of this generation lie behind the end, not a record, or not
 * all of one?  In a longer file it may be one. */
bool journal_has_rest(const struct journal *j);

/* The first place of the generation. */
struct journal_place journal_start(const struct journal *j);

/* Read the record at *place, which lies before j->end, and move behind it.
 * Then walk its runs: start with *at 0, until false.  *bytes gets NULL for a
 * run of zeros. */
tn_status journal_read(struct journal *j, struct journal_place *place);
bool journal_next_run(const struct journal *j, size_t *at, uint64_t *offset,
                      const void **bytes, size_t *length);

/* Is the record of this number the one that was read or written last, so that
 * its runs can be walked without reading it again? */
bool journal_holds(const struct journal *j, uint64_t number);

/* The size of the file that the record just read, or built, wants. */
uint64_t journal_file_size(const struct journal *j);

/* Build a record in memory: begin, add runs, then write it at j->end, which
 * moves behind it.  Runs that follow each other closely are joined by the
 * caller.  TN_ENOMEM.  journal_write(): TN_ESIZE, there is no room, nothing was
 * written; TN_EIO, TN_ENOSPC. */
tn_status journal_begin(struct journal *j);
tn_status journal_add(struct journal *j, uint64_t offset, const void *bytes,
                      size_t length);

/* Add bytes that become zero; they go on with the run before if that is one of
 * zeros and ends where they begin. */
tn_status journal_add_zeros(struct journal *j, uint64_t offset,
                            uint64_t length);
size_t journal_record_size(const struct journal *j);

/* Bytes between the end of the chain and the end of the file. */
uint64_t journal_room(const struct journal *j);
tn_status journal_write(struct journal *j, struct commit_id id,
                        uint64_t synced_through, uint64_t file_size);

/* The same, and it is on disk then; nothing else need be.  Only if it can be
 * so, which depends on the record that was built. */
bool journal_can_write_through(const struct journal *j);
tn_status journal_write_through(struct journal *j, struct commit_id id,
                                uint64_t synced_through, uint64_t file_size);

/* Write again, the same bytes: both header slots (a slot that is not valid as
 * zeros), and the records from place to j->end (O7, B2).  No sync. */
tn_status journal_rewrite(struct journal *j, struct journal_place from);

/* fdatasync the journal. */
tn_status journal_sync(struct journal *j);

/* Allocate and write more room, and sync it.  TN_ENOSPC. */
tn_status journal_extend(struct journal *j, uint64_t size);

/* Take back what it has beyond size bytes, while it holds no records. */
tn_status journal_shorten(struct journal *j, uint64_t size);

/* K3: write the header of the next generation with this base into the other
 * slot.  No sync; no record may be written before one.  Afterwards j stands at
 * the base. */
tn_status journal_next_generation(struct journal *j, struct commit_id base);

/* --- journal_check.c ------------------------------------------------------ */

/* Report every broken invariant, J1 to J6, of an open journal that belongs to
 * the store of this uuid, and stand at the end of its chain.  Writers may be at
 * work: then a finding counts if it is still there when they have gone on.  An
 * error that is no finding: it could not be read. */
tn_status journal_check(struct journal *j, const uint8_t uuid[16],
                        struct report *report);

#endif
