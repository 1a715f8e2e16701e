/* world.c - a heap, its types and one index, for tests of src/index/
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { RESERVED = 4096 };

void world_init(struct world *w, size_t size, tn_index index, tn_kind kind)
{
    memset(w, 0, sizeof(*w));
    w->h = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    if (w->h == MAP_FAILED || heap_init(w->h, size, RESERVED, TN_FIT_BEST) != 0)
        abort();
    w->size = size;
    w->kind = kind;
    w->free_bytes = heap_free_bytes(w->h);
    index_init(&w->ix, index);
}

void world_fini(struct world *w)
{
    munmap(w->h, w->size);
}

static tn_index kind_of(const struct world *w)
{
    return (tn_index)w->ix.kind;
}

uint64_t world_object(struct world *w, const char *name, size_t length,
                      size_t size, tn_status *why)
{
    char type_name[256] = "long";
    tn_type type = {.name = type_name, .size = 1, .align = 8};
    struct record_spec spec = {.kind = w->kind,
                               .index = kind_of(w),
                               .name = name,
                               .name_length = length,
                               .count = size};
    uint64_t record;

    if (w->kind == TN_KIND_UNIQUE) {
        memcpy(type_name, name, length);
        type_name[length] = '\0';
    }
    *why = type_ref(w->h, &w->types, &type, &spec.type);
    if (*why != TN_OK)
        return 0;
    record = record_create(w->h, &spec, why);
    if (record == 0) {
        type_unref(w->h, &w->types, spec.type);
        return 0;
    }
    memset(record_elements(w->h, record), 0xa5, size);
    heap_set_state(w->h, record_block(w->h, kind_of(w), record), BLOCK_OBJECT);
    w->objects++;
    return record;
}

void world_destroy(struct world *w, uint64_t record)
{
    uint64_t type = heap_off(w->h, record_type(w->h, record));

    record_destroy(w->h, kind_of(w), record);
    type_unref(w->h, &w->types, type);
    w->objects--;
}

tn_status world_add(struct world *w, const char *name, size_t length,
                    uint64_t *record)
{
    struct index_place place;
    tn_status status = index_find_place(w->h, &w->ix, name, length, &place);
    uint64_t off;

    if (status != TN_OK)
        return status;
    off = world_object(w, name, length, length % 40, &status);
    if (off == 0)
        return status;
    status = w->objects % 2 == 0 && place.record == 0
                 ? index_insert_at(w->h, &w->ix, off, &place)
                 : index_insert(w->h, &w->ix, off);
    if (status == TN_OK)
        *record = off;
    else
        world_destroy(w, off);
    return status;
}

tn_status world_remove(struct world *w, uint64_t record)
{
    tn_status status = index_remove(w->h, &w->ix, record);

    if (status == TN_OK)
        world_destroy(w, record);
    return status;
}

static void print_finding(void *arg, const tn_finding *finding)
{
    const char *part = arg;

    fprintf(stderr, "%s: %s at %" PRIu64 ": %s\n", part, finding->rule,
            finding->offset, finding->what);
}

size_t world_check(const struct world *w)
{
    struct report report = {.fn = print_finding, .arg = (void *)"check"};
    size_t blocks = index_check(w->h, &w->ix, w->kind, &report);

    type_check(w->h, kind_of(w), w->types, &report);
    heap_check(w->h, &report);
    if (blocks != world_blocks(w, BLOCK_INDEX)) {
        fprintf(stderr, "check: %zu blocks in the index, %zu in the heap\n",
                blocks, world_blocks(w, BLOCK_INDEX));
        report.findings++;
    }
    return report.findings;
}

size_t world_blocks(const struct world *w, enum block_state wanted)
{
    enum block_state state;
    size_t usable, count = 0;
    uint64_t off = 0;
    void *p;

    while ((off = heap_next_block(w->h, off, &p, &state, &usable)) != 0)
        count += state == wanted;
    return count;
}

uint64_t world_random(uint64_t *state, uint64_t n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (*state >> 11) % n;
}

size_t world_random_name(uint64_t *state, bool short_only, char *name)
{
    size_t most = short_only ? 255 : TN_NAME_MAX, n = 0;

    switch (world_random(state, short_only ? 6 : 8)) {
    case 0: /* prefixes of each other, and many of them alike */
        n = 1 + world_random(state, 12);
        memset(name, 'a', n);
        name[n - 1] = (char)('a' + world_random(state, 3));
        break;
    case 1: /* any bytes */
        n = 1 + world_random(state, 20);
        for (size_t i = 0; i < n; i++)
            name[i] = (char)(1 + world_random(state, 255));
        break;
    case 2: /* 0x7f and 0x80 side by side, at all depths */
        n = 1 + world_random(state, 18);
        for (size_t i = 0; i < n; i++)
            name[i] = (char)(world_random(state, 2) == 0 ? 0x7f : 0x80);
        break;
    case 3:
    case 4: /* as programs make them */
        n = (size_t)sprintf(name, "user/%08x",
                            (unsigned)world_random(state, 3000) * 2654435761u);
        break;
    case 5: /* the greatest there can be */
        n = 1 + world_random(state, 25);
        memset(name, 0xff, n);
        break;
    case 6: /* a long common beginning */
        n = 100 + world_random(state, 3) * 60;
        memset(name, 'p', n);
        n += (size_t)sprintf(name + n, "%04u",
                             (unsigned)world_random(state, 3000));
        break;
    case 7: /* the longest, or nearly */
        n = most - world_random(state, 2);
        memset(name, 'z', n);
        name[n - 1 - world_random(state, n / 2)] =
            (char)(1 + world_random(state, 255));
        break;
    }
    name[n] = '\0';
    return n;
}
