/* map.h - what lies where in a store, to be drawn
 *
 *     map.c           takes note of every block, and computes the figures
 *     map_terminal.c  as characters
 *     map_svg.c       as a picture
 *     map_html.c      as a page; map.html is what is around the data
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_MAP_H
#define TENON_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <tenon.h>

enum {
    MAP_COLOURS = 7,    /* types of objects that have a colour of their own */
    MAP_FREE_SIZES = 48 /* powers of two of free runs */
};

/* How a piece is drawn.  The first MAP_COLOURS are the types with most bytes,
 * by rank. */
enum map_look {
    MAP_LOOK_TYPE = 0,
    MAP_LOOK_OTHERS = MAP_COLOURS, /* objects of all other types */
    MAP_LOOK_RAW,
    MAP_LOOK_INDEX,
    MAP_LOOK_OWN, /* headers, tables, types, page sums */
    MAP_LOOK_WAITING,
    MAP_LOOK_FREE,
    MAP_LOOKS,
};

/* Blocks that are used alike: for objects, those of a type and kind. */
struct map_group {
    tn_use use;
    tn_kind kind;
    char *type;  /* of objects; owned */
    size_t size; /* bytes of an element */
    enum map_look look;
    uint64_t blocks, bytes;
};

struct map_block {
    uint64_t bytes;
    uint64_t count; /* elements of an object */
    uint64_t name;  /* where in names, of named objects */
    uint32_t name_length;
    uint32_t group;
};

struct map {
    const char *file;
    tn_store_info info;
    uint64_t size; /* of the segment */

    struct map_block *blocks; /* in order of address; they tile it */
    size_t count, capacity;
    char *names;
    size_t names_used, names_capacity;

    struct map_group *groups; /* as they were met */
    size_t group_count;
    size_t *ranks; /* numbers of groups, by bytes, most first */

    uint64_t used, free, own; /* bytes */
    uint64_t largest_free;    /* what one allocation can get */
    uint64_t free_runs;       /* pieces of free memory with used ones between */
    uint64_t runs_by_size[MAP_FREE_SIZES]; /* bytes in runs of 2^i and more */
    uint64_t objects, raw;
    double fragmentation; /* 0: all free memory is one piece, to 1 */

    void *known; /* groups by their type, while the blocks are met */
};

/* Note what is in the store.  DONE, or after a complaint the exit status; end
 * with map_fini() either way. */
int map_init(struct map *map, const char *file);
void map_fini(struct map *map);

/* What a group is called: its type, or words for its use. */
const char *map_group_name(const struct map_group *group);

/* The colour of a look on a dark or a light ground, as 0xRRGGBB. */
uint32_t map_colour(enum map_look look, bool dark);

/* --- A picture of rows and columns ---------------------------------------- */

/* The looks of equal parts of the segment: each that of which there is most in
 * it, but free if less than half of it is used. */
struct map_scan {
    const struct map *map;
    size_t block;    /* next to be looked at */
    uint64_t offset; /* where it begins */
};

enum map_look map_scan_next(struct map_scan *scan, uint64_t from, uint64_t to);

/* --- Ways to draw --------------------------------------------------------- */

struct map_style {
    unsigned width; /* columns */
    bool colour, true_colour;
    bool unicode;
};

void map_terminal(FILE *f, const struct map *map,
                  const struct map_style *style);
void map_json(FILE *f, const struct map *map);

/* False: no memory, errno says so. */
bool map_svg(FILE *f, const struct map *map);
bool map_html(FILE *f, const struct map *map);

#endif
