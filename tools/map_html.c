/* map_html.c - a map as one page that needs nothing else
 *
 * The page is map.html, with the data where it says so: JSON in a script that
 * is not run.  Names are whatever somebody chose, so nothing of them may end
 * that script: < stands only in strings in JSON, and is written as \u003c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static const char page[] =
#include "map_page.h"
    ;

#define PLACE "@DATA@"

/* JSON on its way to a page. */
struct writer {
    FILE *page;
    FILE *json; /* into text */
    char *text;
    size_t n;
};

enum { FLUSH_AT = 65536 };

static void flush(struct writer *w)
{
    fflush(w->json);
    for (size_t i = 0; i < w->n; i++) {
        if (w->text[i] == '<')
            fputs("\\u003c", w->page);
        else
            fputc(w->text[i], w->page);
    }
    rewind(w->json);
}

/* Between two items of a list. */
static void next(struct writer *w, size_t i)
{
    if (i > 0)
        fputc(',', w->json);
    if (ftell(w->json) >= FLUSH_AT)
        flush(w);
}

static const char *word_of_use(tn_use use)
{
    static const char *const words[] = {
        [TN_USE_FREE] = "free",         [TN_USE_WAITING] = "waiting",
        [TN_USE_RAW] = "raw",           [TN_USE_OBJECT] = "object",
        [TN_USE_BUILDING] = "building", [TN_USE_INDEX] = "index",
        [TN_USE_TYPE] = "type",         [TN_USE_OWN] = "own",
        [TN_USE_SUMS] = "sums",
    };

    return words[use];
}

static void write_figures(struct writer *w, const struct map *map)
{
    fputc('{', w->json);
    json_name(w->json, "file", map->file, strlen(map->file));
    fprintf(w->json,
            ",\"commit\":%" PRIu64 ",\"index\":\"%s\",\"fit\":\"%s\","
            "\"base\":%" PRIu64 ",\"used\":%" PRIu64 ",\"free\":%" PRIu64
            ",\"largest\":%" PRIu64 ",\"pieces\":%" PRIu64
            ",\"fragmentation\":%.6f,\"objects\":%" PRIu64,
            map->info.commit, text_of_index(map->info.index),
            text_of_fit(map->info.fit),
            map->info.file_size - map->info.segment_size, map->used, map->free,
            map->largest_free, map->free_runs, map->fragmentation,
            map->objects);
    fputs(",\"looks\":[", w->json);
    for (int i = 0; i < MAP_LOOKS; i++)
        fprintf(w->json, "%s[%" PRIu32 ",%" PRIu32 "]", i > 0 ? "," : "",
                map_colour((enum map_look)i, false),
                map_colour((enum map_look)i, true));
    fputs("],\"runs\":[", w->json);
    for (int i = 0, last = MAP_FREE_SIZES; i < last; i++)
        fprintf(w->json, "%s%" PRIu64, i > 0 ? "," : "", map->runs_by_size[i]);
    fputc(']', w->json);
}

static void write_groups(struct writer *w, const struct map *map)
{
    fputs(",\"groups\":[", w->json);
    for (size_t i = 0; i < map->group_count; i++) {
        const struct map_group *group = &map->groups[i];
        const char *name = map_group_name(group);

        next(w, i);
        fprintf(w->json, "{\"use\":\"%s\",\"kind\":\"%s\",",
                word_of_use(group->use),
                group->type != NULL ? text_of_kind(group->kind) : "");
        json_name(w->json, "title", name, strlen(name));
        fprintf(w->json,
                ",\"size\":%zu,\"look\":%d,\"blocks\":%" PRIu64
                ",\"bytes\":%" PRIu64 "}",
                group->size, (int)group->look, group->blocks, group->bytes);
    }
    fputs("],\"ranks\":[", w->json);
    for (size_t i = 0; i < map->group_count; i++) {
        next(w, i);
        fprintf(w->json, "%zu", map->ranks[i]);
    }
    fputc(']', w->json);
}

static void write_blocks(struct writer *w, const struct map *map)
{
    size_t objects = 0;

    fputs(",\"bytes\":[", w->json);
    for (size_t i = 0; i < map->count; i++) {
        next(w, i);
        fprintf(w->json, "%" PRIu64, map->blocks[i].bytes);
    }
    fputs("],\"group\":[", w->json);
    for (size_t i = 0; i < map->count; i++) {
        next(w, i);
        fprintf(w->json, "%" PRIu32, map->blocks[i].group);
    }
    fputs("],\"counts\":[", w->json);
    for (size_t i = 0; i < map->count; i++) {
        if (map->groups[map->blocks[i].group].use != TN_USE_OBJECT)
            continue;
        next(w, objects++);
        fprintf(w->json, "%" PRIu64, map->blocks[i].count);
    }
    fputc(']', w->json);
}

static void write_names(struct writer *w, const struct map *map)
{
    size_t names = 0;

    fputs(",\"names\":[", w->json);
    for (size_t i = 0; i < map->count; i++) {
        const struct map_block *block = &map->blocks[i];
        const struct map_group *group = &map->groups[block->group];

        if (group->type == NULL || group->kind != TN_KIND_NAMED)
            continue;
        next(w, names++);
        json_bytes(w->json, map->names + block->name, block->name_length);
    }
    fputs("]}", w->json);
}

bool map_html(FILE *f, const struct map *map)
{
    const char *place = strstr(page, PLACE);
    struct writer w = {.page = f};

    w.json = open_memstream(&w.text, &w.n);
    if (w.json == NULL)
        return false;
    fwrite(page, 1, (size_t)(place - page), f);
    write_figures(&w, map);
    write_groups(&w, map);
    write_blocks(&w, map);
    write_names(&w, map);
    flush(&w);
    fclose(w.json);
    free(w.text);
    fputs(place + strlen(PLACE), f);
    return true;
}
