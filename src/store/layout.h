/* layout.h - the first page of a store's file
 *
 *        0  +------------------+
 *           | superblock       |  one sector, with a checksum
 *      512  +------------------+
 *           | state word       |  a sector of its own, in no checksum
 *     1024  +------------------+
 *           | marks            |  likewise: what is true in this boot
 *     1536  +------------------+
 *           | zero             |
 *     4096  +------------------+
 *           | segment ...      |
 *
 * All numbers little-endian.  docs/FORMAT.md, "Store".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef STORE_LAYOUT_H
#define STORE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

enum {
    STORE_FORMAT = 1,
    STORE_SECTOR = 512,
    STORE_STATE_OFF = 512,
    STORE_MARKS_OFF = 1024,
    STORE_SEGMENT_OFF = 4096,
    STORE_PAGE = 4096, /* unit of comparing and of sums, on any machine */
};

/* Like PNG's, the magic shows files that were sent as text. */
#define STORE_MAGIC           "TENON\r\n\x1a"
#define STORE_BYTE_ORDER      UINT32_C(0x01020304)
#define STORE_KNOWN_COMPAT    UINT64_C(0)
#define STORE_KNOWN_RO_COMPAT UINT64_C(0)
#define STORE_KNOWN_INCOMPAT  UINT64_C(0)

struct superblock {
    char magic[8];
    uint32_t format;     /* STORE_FORMAT */
    uint32_t byte_order; /* STORE_BYTE_ORDER as the maker's machine writes it */
    uint64_t compat;     /* features: unknown ones may be ignored */
    uint64_t ro_compat;  /* unknown ones allow only reading */
    uint64_t incompat;   /* unknown ones forbid opening */
    uint8_t uuid[16];    /* of this store; a snapshot keeps it */
    uint64_t page_size;  /* bytes; of the machine that made it */
    uint64_t file_size;  /* bytes; when the state was last CLEAN */
    uint64_t segment_size;
    uint64_t max_size;      /* bytes the file may grow to */
    uint64_t commit_number; /* the commit id: a number and a random nonce */
    uint64_t commit_nonce;
    uint64_t zeroed;       /* the commit at which all free memory was zero */
    uint32_t index;        /* enum tn_index */
    uint32_t fit;          /* enum tn_fit */
    uint8_t reserved[384]; /* zero */
    uint64_t digest;       /* XXH3-64 of all bytes before it */
};
_Static_assert(sizeof(struct superblock) == STORE_SECTOR, "one sector");
_Static_assert(offsetof(struct superblock, digest) == 504, "superblock");

/* The state word.  Any value but the first and the last means LIVE. */
#define STORE_CLEAN  UINT64_C(0x4e41454c434e5431) /* "1TNCLEAN" */
#define STORE_LIVE   UINT64_C(0x204556494c4e5431) /* "1TNLIVE " */
#define STORE_SHARED UINT64_C(0x44524148534e5431) /* "1TNSHARD" */

/* Marks: what is true of the page cache in this boot.  They change one by one,
 * so each has its own check: the value is in bits 0-47, and above it stands the
 * exclusive or of its three 16-bit parts, which every single flip breaks. */
struct marks {
    uint64_t boot; /* the boot and file they belong to; 0: none */
    uint64_t synced, applied, generation, journal; /* of a journal */
    uint64_t writer; /* the handle that began to write last; 0: any */
};
_Static_assert(sizeof(struct marks) <= STORE_SECTOR, "one sector");

#define MARK_MASK  UINT64_C(0xffffffffffff)
#define MARK_SHIFT 48

static inline uint64_t mark_value(uint64_t word)
{
    return word & MARK_MASK;
}

static inline uint64_t mark_seal(uint64_t value)
{
    value &= MARK_MASK;
    return value | (value ^ value >> 16 ^ value >> 32) << MARK_SHIFT;
}

static inline int mark_is_whole(uint64_t word)
{
    return word == mark_seal(word);
}

/* What counts commits and generations ends here: no store gets so far. */
#define STORE_MOST_NUMBERS (MARK_MASK / 2)

/* In boot where the machine does not tell its boot. */
#define STORE_BOOT_UNKNOWN MARK_MASK

/* --- The journal, FILE-journal --------------------------------------------
 *
 *        0  +------------------+
 *           | header           |  generation even; one sector
 *      512  +------------------+
 *           | header           |  generation odd
 *     1024  | zero             |
 *     4096  +------------------+
 *           | record, record...|  each begins at a sector
 *           +------------------+
 */
enum {
    JOURNAL_FORMAT = 1,
    JOURNAL_RECORDS_OFF = 4096,
    JOURNAL_LEAST_SIZE = 64 * 1024,
};
#define JOURNAL_MAGIC UINT64_C(0x314c4e524a4e4e54) /* "TNNJRNL1" */

struct journal_header {
    uint64_t magic;
    uint32_t format;
    uint32_t reserved; /* zero */
    uint64_t generation;
    uint64_t salt; /* random; the chain of records begins with it */
    uint64_t base_number, base_nonce; /* the commit the records go on from */
    uint8_t uuid[16];                 /* of the store */
    uint8_t zero[440];
    uint64_t digest; /* XXH3-64 of all bytes before it */
};
_Static_assert(sizeof(struct journal_header) == STORE_SECTOR, "one sector");

struct journal_record {
    uint64_t digest;         /* XXH3-64 of all bytes behind it, runs included */
    uint64_t salt;           /* of the header */
    uint64_t number, nonce;  /* the commit */
    uint64_t chain;          /* digest of the record before, or the salt */
    uint64_t synced_through; /* records up to this one were on disk before */
    uint64_t file_size;      /* bytes of the store after this commit */
    uint64_t bytes;          /* of the record, this struct and runs */
};
_Static_assert(sizeof(struct journal_record) == 64, "struct journal_record");

/* Bytes of the store's file: length bytes at offset, which follow this struct,
 * zeros behind them to a multiple of 8.  With JOURNAL_ZEROS in length none
 * follow: the bytes of the file become zero. */
struct journal_run {
    uint64_t offset, length;
};
#define JOURNAL_ZEROS (UINT64_C(1) << 63)
_Static_assert(sizeof(struct journal_run) == 16, "struct journal_run");

/* --- Locks ----------------------------------------------------------------
 *
 * Lock bytes, far beyond any data, outermost first.  VIEW is held shared by
 * everyone who maps the file for reading: the file is not shortened then.
 * Who holds SHR exclusive or writes superblock or state has INIT too; who looks
 * at them to open a view has INIT shared. */
enum { STORE_LOCKS_BIT = 62 };
#define STORE_LOCK(n)   ((UINT64_C(1) << STORE_LOCKS_BIT) + (n))
#define STORE_LOCK_INIT STORE_LOCK(0)
#define STORE_LOCK_DUR  STORE_LOCK(1)
#define STORE_LOCK_SHR  STORE_LOCK(2)
#define STORE_LOCK_WL   STORE_LOCK(3)
#define STORE_LOCK_GATE STORE_LOCK(4)
#define STORE_LOCK_RL   STORE_LOCK(5)
#define STORE_LOCK_VIEW STORE_LOCK(6)

#endif
