/* data_map.h - where a file has bytes, found out ahead of reading them
 *
 * Blocks that were never written are not told from holes, except where memory
 * has something for them; and that it has when something near was read, since
 * the kernel reads on.  Who asks for each range just before reading it follows
 * the kernel through the whole file.  So many are found at a time.
 *
 *     data_map_start(&map, &file);
 *     for (at = 0; (at = data_map_next(&map, at)) < end; at += n)
 *         ... read n bytes at at ...
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef STORE_DATA_MAP_H
#define STORE_DATA_MAP_H

#include "os/file.h"

enum { DATA_RANGES = 256 };

struct data_map {
    const struct file *file; /* NULL: it may have bytes everywhere */
    struct {
        uint64_t start, end;
    } ranges[DATA_RANGES];
    size_t at, count; /* of those: not passed yet */
    uint64_t known;   /* up to here there are no others */
};

/* file may be NULL. */
void data_map_start(struct data_map *map, const struct file *file);

/* The first offset, this one or behind it, where the file may have something
 * else than zeros; UINT64_MAX: there is none.  Offsets ascend. */
uint64_t data_map_next(struct data_map *map, uint64_t offset);

#endif
