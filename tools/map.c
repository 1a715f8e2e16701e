/* map.c - what lies where in a store, to be drawn
 *
 * The store is walked once, and everything that will be drawn is noted, so that
 * it is held for no longer than that.  A block costs 32 bytes and its name.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "map.h"
#include "tool.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"

/* --- Groups --------------------------------------------------------------- */

/* A type's name lies in one place of the segment: so that, with use and kind,
 * is what a group is known by. */
struct key {
    const char *type;
    tn_use use;
    tn_kind kind;
    size_t group;
};

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;

    if (x->type != y->type)
        return (uintptr_t)x->type < (uintptr_t)y->type ? -1 : 1;
    if (x->use != y->use)
        return x->use < y->use ? -1 : 1;
    return (x->kind > y->kind) - (x->kind < y->kind);
}

static bool group_add(struct map *map, const struct key *key, size_t size)
{
    struct map_group *groups =
        realloc(map->groups, (map->group_count + 1) * sizeof(*map->groups));

    if (groups == NULL)
        return false;
    map->groups = groups;
    groups[map->group_count] =
        (struct map_group){.use = key->use, .kind = key->kind, .size = size};
    if (key->type != NULL) {
        groups[map->group_count].type = strdup(key->type);
        if (groups[map->group_count].type == NULL)
            return false;
    }
    map->group_count++;
    return true;
}

/* The number of the group of these blocks, or SIZE_MAX: no memory. */
static size_t group_of(struct map *map, const tn_block *block)
{
    struct key key = {.type = block->object.type,
                      .use = block->use,
                      .kind = block->object.kind,
                      .group = map->group_count};
    struct key **found = tfind(&key, &map->known, compare_keys), *made;

    if (found != NULL)
        return (*found)->group;
    made = malloc(sizeof(*made));
    if (made == NULL)
        return SIZE_MAX;
    *made = key;
    if (tsearch(made, &map->known, compare_keys) == NULL) {
        free(made);
        return SIZE_MAX;
    }
    return group_add(map, &key, block->object.size) ? key.group : SIZE_MAX;
}

const char *map_group_name(const struct map_group *group)
{
    static const char *const words[] = {
        [TN_USE_FREE] = "free",
        [TN_USE_WAITING] = "free, waiting",
        [TN_USE_RAW] = "raw allocations",
        [TN_USE_OBJECT] = "damaged objects",
        [TN_USE_BUILDING] = "being made or destroyed",
        [TN_USE_INDEX] = "name indexes",
        [TN_USE_TYPE] = "descriptions of types",
        [TN_USE_OWN] = "headers and tables",
        [TN_USE_SUMS] = "page sums",
    };

    return group->type != NULL ? group->type : words[group->use];
}

/* --- Blocks --------------------------------------------------------------- */

static bool has_room(void **array, size_t *capacity, size_t needed, size_t unit)
{
    size_t more = *capacity == 0 ? 4096 : *capacity;
    void *bigger;

    if (needed <= *capacity)
        return true;
    while (more < needed)
        more *= 2;
    bigger = reallocarray(*array, more, unit);
    if (bigger == NULL)
        return false;
    *array = bigger;
    *capacity = more;
    return true;
}

static bool note_name(struct map *map, const tn_object *object,
                      struct map_block *note)
{
    note->name = map->names_used;
    if (object->name == NULL || object->kind != TN_KIND_NAMED)
        return true;
    if (!has_room((void **)&map->names, &map->names_capacity,
                  map->names_used + object->name_length, 1))
        return false;
    memcpy(map->names + map->names_used, object->name, object->name_length);
    map->names_used += object->name_length;
    note->name_length = (uint32_t)object->name_length;
    return true;
}

static tn_status note_block(void *arg, const tn_block *block)
{
    struct map *map = arg;
    size_t group = group_of(map, block);
    struct map_block *note;

    if (group == SIZE_MAX || !has_room((void **)&map->blocks, &map->capacity,
                                       map->count + 1, sizeof(*map->blocks)))
        return TN_ENOMEM;
    note = &map->blocks[map->count];
    *note = (struct map_block){.bytes = block->bytes,
                               .count = block->object.count,
                               .group = (uint32_t)group};
    if (!note_name(map, &block->object, note))
        return TN_ENOMEM;
    map->count++;
    map->groups[group].blocks++;
    map->groups[group].bytes += block->bytes;
    progress_add(1, block->bytes);
    return TN_OK;
}

/* --- Figures -------------------------------------------------------------- */

static void end_run(struct map *map, uint64_t *run)
{
    unsigned power = 0;

    if (*run == 0)
        return;
    while (power + 1 < MAP_FREE_SIZES && *run >> (power + 1) != 0)
        power++;
    map->runs_by_size[power] += *run;
    map->free_runs++;
    if (*run - TN_ALLOC_OVERHEAD > map->largest_free)
        map->largest_free = *run - TN_ALLOC_OVERHEAD;
    *run = 0;
}

/* Free blocks side by side are one piece to whoever allocates. */
static void measure(struct map *map)
{
    uint64_t run = 0;

    for (size_t i = 0; i < map->count; i++) {
        tn_use use = map->groups[map->blocks[i].group].use;
        uint64_t bytes = map->blocks[i].bytes;

        map->size += bytes;
        if (use == TN_USE_FREE || use == TN_USE_WAITING) {
            map->free += bytes;
            run += bytes;
            continue;
        }
        end_run(map, &run);
        if (use == TN_USE_OWN || use == TN_USE_SUMS)
            map->own += bytes;
        else
            map->used += bytes;
        map->objects += use == TN_USE_OBJECT;
        map->raw += use == TN_USE_RAW;
    }
    end_run(map, &run);
    if (map->free != 0)
        map->fragmentation =
            1 -
            (double)(map->largest_free + TN_ALLOC_OVERHEAD) / (double)map->free;
}

static enum map_look look_of(tn_use use)
{
    switch (use) {
    case TN_USE_FREE:
        return MAP_LOOK_FREE;
    case TN_USE_WAITING:
        return MAP_LOOK_WAITING;
    case TN_USE_RAW:
        return MAP_LOOK_RAW;
    case TN_USE_INDEX:
        return MAP_LOOK_INDEX;
    case TN_USE_OBJECT:
        return MAP_LOOK_OTHERS;
    default:
        return MAP_LOOK_OWN;
    }
}

static int by_bytes(const void *a, const void *b, void *arg)
{
    const struct map_group *groups = arg;
    const struct map_group *x = &groups[*(const size_t *)a];
    const struct map_group *y = &groups[*(const size_t *)b];

    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return *(const size_t *)a < *(const size_t *)b ? -1 : 1;
}

static bool rank(struct map *map)
{
    int next = MAP_LOOK_TYPE;

    map->ranks = calloc(map->group_count + 1, sizeof(*map->ranks));
    if (map->ranks == NULL)
        return false;
    for (size_t i = 0; i < map->group_count; i++)
        map->ranks[i] = i;
    qsort_r(map->ranks, map->group_count, sizeof(*map->ranks), by_bytes,
            map->groups);
    for (size_t i = 0; i < map->group_count; i++) {
        struct map_group *group = &map->groups[map->ranks[i]];

        group->look = look_of(group->use);
        if (group->type != NULL && next < MAP_COLOURS)
            group->look = (enum map_look)next++;
    }
    return true;
}

/* --- All of it ------------------------------------------------------------ */

int map_init(struct map *map, const char *file)
{
    struct opened opened;
    tn_status found;
    int status = store_open_to_read(&opened, file);

    *map = (struct map){.file = file};
    if (status != DONE)
        return status;
    progress_start("reading");
    found = tn_store_describe(opened.store, &map->info);
    if (found == TN_OK)
        found = tn_walk(opened.seg, note_block, map);
    progress_stop();
    map->info.journal_path = NULL; /* is gone with the store */
    tdestroy(map->known, free);
    map->known = NULL;
    if (found == TN_ENOMEM)
        complain(file, "no memory to note %zu blocks", map->count);
    else if (found != TN_OK)
        complain_status(file, found);
    store_close(&opened);
    if (found != TN_OK)
        return exit_of(found);
    measure(map);
    if (rank(map))
        return DONE;
    complain(file, "no memory");
    return FAILED;
}

void map_fini(struct map *map)
{
    for (size_t i = 0; i < map->group_count; i++)
        free(map->groups[i].type);
    free(map->groups);
    free(map->blocks);
    free(map->names);
    free(map->ranks);
}

/* Colours that also those who see fewer of them can tell apart, after Okabe and
 * Ito; and lighter ones for a dark ground. */
uint32_t map_colour(enum map_look look, bool dark)
{
    static const uint32_t colours[MAP_LOOKS][2] = {
        {0x0072b2, 0x4ba3dc}, /* blue */
        {0xe69f00, 0xf0b43c}, /* orange */
        {0x009e73, 0x2dbd94}, /* green */
        {0xcc79a7, 0xdd92bb}, /* pink */
        {0xd55e00, 0xea7a2e}, /* vermilion */
        {0x56b4e9, 0x9bd4f5}, /* sky */
        {0xb8a900, 0xf0e442}, /* yellow */
        {0x7a6a58, 0xb7a48e}, /* others: brown */
        {0x4b4b8f, 0x9a96d8}, /* raw: indigo */
        {0x444b55, 0xc3c9d2}, /* index */
        {0x8a929c, 0x6f7884}, /* own */
        {0xd3d8de, 0x3a424d}, /* waiting */
        {0xeceff2, 0x252b33}, /* free */
    };

    return colours[look][dark];
}

enum map_look map_scan_next(struct map_scan *scan, uint64_t from, uint64_t to)
{
    uint64_t bytes[MAP_LOOKS] = {0};
    uint64_t vacant, used = 0;
    const struct map *map = scan->map;
    enum map_look most = MAP_LOOK_OWN;

    while (scan->block < map->count && scan->offset < to) {
        const struct map_block *block = &map->blocks[scan->block];
        uint64_t end = scan->offset + block->bytes;
        uint64_t first = scan->offset > from ? scan->offset : from;
        uint64_t last = end < to ? end : to;

        if (last > first)
            bytes[map->groups[block->group].look] += last - first;
        if (end > to)
            break;
        scan->offset = end;
        scan->block++;
    }
    vacant = bytes[MAP_LOOK_FREE] + bytes[MAP_LOOK_WAITING];
    for (int i = 0; i < MAP_LOOK_WAITING; i++) {
        used += bytes[i];
        if (bytes[i] > bytes[most])
            most = (enum map_look)i;
    }
    if (used >= vacant)
        return most;
    return bytes[MAP_LOOK_WAITING] > bytes[MAP_LOOK_FREE] ? MAP_LOOK_WAITING
                                                          : MAP_LOOK_FREE;
}
