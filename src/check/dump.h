/* dump.h - what the files of a dump share
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef CHECK_DUMP_H
#define CHECK_DUMP_H

#include "os/file.h"
#include "segment/segment.h"
#include "store/layout.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* How many places of a segment are known, from where to look for a block. */
enum { DUMP_LANDMARKS = 1024 };

/* A dump that is being printed.  Of the heap, frame and size are read once, for
 * others may be changing it. */
struct dump {
    FILE *out;
    size_t wrong;      /* things found to be so */
    bool begun;        /* something was printed */
    tn_status refused; /* what a reader was answered, and why */
    char why[1024];

    const struct file *file;    /* that the segment lies in; NULL: none */
    const struct segment *base; /* NULL: there is no segment to be seen */
    const struct heap *h;       /* the same place */
    tn_index index;
    struct segment header; /* as it was found */
    bool assumed;          /* base has another one now, that can be walked */
    bool moving;           /* others may be changing it */
    bool header_sound;     /* else only blocks can be walked */
    uint64_t size;         /* bytes of the segment that may be read */
    uint64_t first, end;   /* first block and end block */

    uint64_t *landmarks; /* of dump_find_block(), or NULL */
};

/* --- dump.c --------------------------------------------------------------- */

/* Print a heading; a named field and the beginning of what it is; text. */
void dump_heading(struct dump *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void dump_field(struct dump *d, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Print a judgement, and count it if it is not right. */
void dump_judge(struct dump *d, bool right, const char *wrong);

/* Print a line about something wrong. */
void dump_wrong(struct dump *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Print a name in quotes. */
void dump_name(struct dump *d, const char *bytes, size_t n);

/* Is all of it zero? */
bool dump_is_zero(const void *bytes, size_t n);

/* --- dump_file.c: bytes of files, mapped ---------------------------------- */

void dump_superblock(struct dump *d, const struct file *f, const char *bytes,
                     uint64_t size);
void dump_journal(struct dump *d, const char *path,
                  const struct superblock *sb);

/* --- dump_blocks.c -------------------------------------------------------- */

/* A piece of a segment: a block, or bytes between blocks that cannot be read as
 * such.  A walk begins with a zeroed one. */
struct dump_piece {
    uint64_t off; /* of the payload, or where the damage begins */
    uint64_t bytes;
    uint64_t word; /* the header; of damage what is there instead */
    bool is_block;
};

bool dump_next_piece(const struct dump *d, struct dump_piece *piece);

/* The piece in which a byte of the segment lies.  False: in none. */
bool dump_find_piece(struct dump *d, uint64_t off, struct dump_piece *out);

/* Print what a block holds, on the same line. */
void dump_content(struct dump *d, const struct dump_piece *piece);

void dump_segment_header(struct dump *d);
void dump_blocks(struct dump *d);
void dump_types(struct dump *d);

/* --- dump_index.c --------------------------------------------------------- */

/* Print what the memory of an index at off is, on the same line. */
void dump_index_memory(struct dump *d, uint64_t off);

void dump_index(struct dump *d, const struct index *ix, const char *what);

#endif
