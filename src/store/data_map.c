/* data_map.c - where a file has bytes, found out ahead of reading them
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "store/data_map.h"

void data_map_start(struct data_map *map, const struct file *file)
{
    map->file = file;
    map->at = map->count = 0;
    map->known = 0;
}

static void find_ranges(struct data_map *map, uint64_t offset)
{
    tn_status status = TN_OK;

    map->at = map->count = 0;
    map->known = offset;
    while (map->count < DATA_RANGES) {
        uint64_t start, end;

        status = file_find_data(map->file, map->known, &start, &end);
        if (status != TN_OK || start == end)
            break;
        map->ranges[map->count].start = start;
        map->ranges[map->count++].end = end;
        map->known = end;
    }
    if (status != TN_OK)
        map->file = NULL;
    else if (map->count < DATA_RANGES)
        map->known = UINT64_MAX;
}

uint64_t data_map_next(struct data_map *map, uint64_t offset)
{
    while (map->at < map->count && map->ranges[map->at].end <= offset)
        map->at++;
    if (map->file != NULL && map->at == map->count && map->known <= offset)
        find_ranges(map, offset);
    if (map->file == NULL)
        return offset;
    if (map->at == map->count)
        return UINT64_MAX;
    return map->ranges[map->at].start > offset ? map->ranges[map->at].start
                                               : offset;
}
