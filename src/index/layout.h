/* layout.h - the bytes of names, types and objects
 *
 * All offsets are bytes from the start of the heap, 0: none.  docs/FORMAT.md,
 * "Objects" and "Indexes".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef INDEX_LAYOUT_H
#define INDEX_LAYOUT_H

#include "link/rbtree.h"

#include <stdint.h>

/* Stands right before the first element of every object.
 *
 *     payload of the block
 *     | name, NUL, zeros to a multiple of 16 | link | record | elements ... |
 *       named objects only                     iset's, named and unique only
 *
 * The parts follow each other without a gap: all places follow from the record
 * and the kind of index.  Payloads are 16-aligned, and so is every part; where
 * elements need more, the block is chosen so that they have it. */
struct record {
    uint64_t type;  /* descriptor's offset (low 48 bits), name length (13 bits
                       from 48), kind (2 bits from 61) */
    uint64_t count; /* elements (low 48 bits), check over all other bits and
                       the record's offset (16 bits from 48) */
};
_Static_assert(sizeof(struct record) == 16, "struct record is file format");

#define RECORD_OFF_MASK   UINT64_C(0x0000ffffffffffff)
#define RECORD_COUNT_MASK UINT64_C(0x0000ffffffffffff)

/* Of an iset: before the record. */
struct record_link {
    struct rb_node node;
    uint64_t prefix; /* the name's first 8 bytes, as a big-endian number */
};
_Static_assert(sizeof(struct record_link) == 32, "record_link is file format");

/* The payload of a BLOCK_TYPE. */
struct type_descriptor {
    struct rb_node node; /* tree of all descriptors, by name */
    uint64_t objects;    /* how many refer to it; freed at 0 */
    uint32_t size;       /* bytes of an element */
    uint8_t align_log2;
    uint8_t name_length; /* without the NUL */
    uint16_t reserved;   /* zero */
    char name[];         /* ends with NUL */
};
_Static_assert(sizeof(struct type_descriptor) == 40, "type_descriptor");

/* A node of a map or chunk of a flat_map, the payload of a BLOCK_INDEX: a run
 * of names in order.  words are capacity keys, capacity records and, unless it
 * is a leaf, capacity children. */
struct index_node {
    uint32_t count; /* entries, at least 1 */
    uint16_t skip;  /* bytes that all names below have in common */
    uint8_t level;  /* 0: leaf */
    uint8_t capacity_log2;
    uint64_t prev, next; /* leaves: those beside it, 0: none */
    uint64_t words[];
};
_Static_assert(sizeof(struct index_node) == 24, "index_node is file format");

/* A page of a hash, the payload of a BLOCK_INDEX: lines of 8 slots.  The lines
 * are 64-aligned in memory. */
struct index_page {
    uint32_t count; /* names in it */
    uint8_t depth;  /* low bits of the hash that lead to it */
    uint8_t lines_log2;
    uint16_t reserved; /* zero */
    uint64_t next;     /* page with what had no room here, 0: none */
    uint64_t slots[];
};
_Static_assert(sizeof(struct index_page) == 16, "index_page is file format");

/* The root of one name index, in the segment's header.  What words[] hold is
 * told at the top of each kind's file. */
struct index {
    uint32_t kind;     /* enum tn_index */
    uint32_t reserved; /* zero */
    uint64_t count;    /* names */
    uint64_t words[6];
};
_Static_assert(sizeof(struct index) == 64, "struct index is file format");

#endif
