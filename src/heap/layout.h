/* layout.h - the bytes of a heap, as they stand in memory and in files
 *
 * All offsets are bytes from the start of struct heap, which lies at the very
 * start of the memory it manages; 0 is "none".  docs/FORMAT.md, "Heap".
 *
 * A block is an 8-byte header word and what follows it.  Headers lie at 8
 * modulo 16, so that payloads are 16-aligned.  The offset of a block is that
 * of its payload, a multiple of 16; its header is the word before:
 *
 *     63        48 47                                    4  3  2..0
 *     +-----------+---------------------------------------+---+-----+
 *     |   check   |  size in bytes, a multiple of 16       | P |state|
 *     +-----------+---------------------------------------+---+-----+
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef HEAP_LAYOUT_H
#define HEAP_LAYOUT_H

#include <stdint.h>

enum {
    HEAP_GRANULE = 16,
    HEAP_MIN_BLOCK = 32,
    HEAP_OVERHEAD = 8,   /* header bytes of every block */
    HEAP_BINNED = 1024,  /* blocks below this size have bins of their own */
    HEAP_BINS = 62,      /* their sizes: 32, 48, ... 1008 */
    HEAP_QUICK = 2080,   /* blocks below this size may wait in quick lists */
    HEAP_QUICKS = 128,   /* their sizes: 32, 48, ... 2064 */
    HEAP_TABLED = 16384, /* heaps of this size and above have tables */
};

/* No heap and no request is larger. */
#define HEAP_MAX_SIZE    ((UINT64_C(1) << 48) - 1)

#define HEAP_SIZE_MASK   UINT64_C(0x0000fffffffffff0)
#define HEAP_PREV_USED   UINT64_C(8) /* P: the block before is not free */
#define HEAP_STATE_MASK  UINT64_C(7)
#define HEAP_CHECK_SHIFT 48

/* What a block is used for.  The chain of blocks is the truth: everything else
 * in the heap, and the name indexes, can be rebuilt from these states. */
enum block_state {
    BLOCK_FREE = 0,     /* merged with its neighbours, in a bin or the tree */
    BLOCK_QUICK = 1,    /* free, kept whole for the next request of its size */
    BLOCK_RAW = 2,      /* the caller's bytes */
    BLOCK_OBJECT = 3,   /* a complete object; a record lies before it */
    BLOCK_BUILDING = 4, /* an object not complete yet, or no longer */
    BLOCK_INDEX = 5,    /* memory of a name index */
    BLOCK_TYPE = 6,     /* the descriptor of a type */
    BLOCK_FIXED = 7,    /* the heap's own: its tables, and the end block */
};

struct heap {
    uint64_t size;     /* bytes managed, this struct included */
    uint64_t first;    /* the first block */
    uint64_t end;      /* the end block: of size 0, it stops every walk */
    uint64_t sequence; /* odd while a change is under way */
    uint64_t taken;    /* bytes in all blocks but BLOCK_FREE, BLOCK_FIXED */
    uint64_t waiting;  /* bytes in BLOCK_QUICK blocks */
    uint64_t tables;   /* struct heap_tables, the payload of a BLOCK_FIXED */
    uint64_t tree;     /* root: with tables, free blocks of HEAP_BINNED up */
    uint64_t list;     /* without tables, all free blocks by address */
    uint64_t fixed;    /* bytes in BLOCK_FIXED blocks, but the end block */
    uint32_t reserved; /* bytes at the start that are the owner's */
    uint16_t fit;      /* enum tn_fit */
    uint16_t held;     /* enum heap_held; 0 in a store at rest */
    uint64_t room;     /* bytes that may wait; 0 without tables */
};
_Static_assert(sizeof(struct heap) == 96, "struct heap is file format");

/* Do others hold blocks that are BLOCK_QUICK?  See magazine.c. */
enum heap_held {
    HEAP_HELD_NOT = 0,
    HEAP_HELD = 1,
    HEAP_HELD_BROKEN = 2, /* and the heap needs to be rebuilt */
};

/* Bin and quick list number i are for blocks of exactly 32 + 16 * i bytes. */
struct heap_tables {
    uint64_t map;                /* bit i: bin i is not empty */
    uint64_t bins[HEAP_BINS];    /* the first block of each */
    uint64_t quick[HEAP_QUICKS]; /* and in bits 48 up, how many wait */
};
_Static_assert(sizeof(struct heap_tables) == 1528, "heap_tables");

/* Quick lists apart from the heap's, for users without its lock. */
struct magazine {
    uint64_t sequence; /* odd while a change is under way */
    uint64_t waiting;  /* bytes in the lists, and of the reserve */
    uint64_t room;     /* bytes that may wait */
    uint64_t reserve;  /* a waiting block to cut others from; 0: none */
    uint64_t lists[HEAP_QUICKS];
};
_Static_assert(sizeof(struct magazine) == 1056, "struct magazine");

#define QUICK_COUNT_SHIFT 48
#define QUICK_ONE         (UINT64_C(1) << QUICK_COUNT_SHIFT)
#define QUICK_OFF         (QUICK_ONE - 1)

/* At the start of the payload of a free block in a bin or in the list.  Of a
 * waiting one, next alone, which is what the head of the quick list was before
 * the block came: it counts the blocks behind.  The tree has struct rb_node. */
struct block_links {
    uint64_t next, prev;
};
_Static_assert(sizeof(struct block_links) == 16, "struct block_links");

#endif
