/* map_svg.c - a map as a picture that scales
 *
 *     +--------------------------------------------------+
 *     | file                                             |
 *     | figures                                          |
 *     | rows of the segment, one pixel an equal part     |
 *     | legend                                           |
 *     +--------------------------------------------------+
 *
 * All that has one colour is one path, so that the file stays small however
 * many blocks there are.  Blocks that are wide enough get a gap behind them and
 * their name inside.  Light or dark is the viewer's choice.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum {
    WIDTH = 1200,
    MARGIN = 40,
    GUTTER = 74,
    COLUMNS = WIDTH - 2 * MARGIN - GUTTER, /* pixels of a row */
    ROWS = 32,
    ROW = 15,
    PITCH = 20, /* from row to row */
    TOP = 142,
    LEGEND_PITCH = 22,
    LEGEND_ROWS = 8,
    LEGEND_MOST = 2 * LEGEND_ROWS,
    GAP_FROM = 4,    /* pixels of a block that has a gap behind it */
    LABEL_FROM = 46, /* and of one that shows its name */
    LABELS_MOST = 500,
    LETTER = 6, /* pixels, about */
};

/* --- Text ----------------------------------------------------------------- */

static void write_escaped(FILE *f, const char *shown, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        switch (shown[i]) {
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '&':
            fputs("&amp;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default:
            fputc(shown[i], f);
        }
    }
}

/* At most so many characters of a name; XML has no U+FFFE and U+FFFF. */
static void write_name(FILE *f, const char *name, size_t n, size_t most)
{
    char out[TN_SHOWN_MAX];
    size_t shown, taken;
    uint32_t c;

    for (size_t i = 0; i < n; i += taken) {
        if (most-- == 0) {
            fputs("…", f);
            return;
        }
        taken = tn_show_next(name + i, n - i, false, out, &shown);
        if (tn_utf8_read(name + i, n - i, &c) != 0 && (c & 0xfffe) == 0xfffe)
            fputc('?', f);
        else
            write_escaped(f, out, shown);
    }
}

static void write_figure(FILE *f, int x, const char *value, const char *what)
{
    fprintf(f,
            "<text class=\"figure\" x=\"%d\" y=\"96\">%s</text>"
            "<text class=\"soft small\" x=\"%d\" y=\"114\">%s</text>\n",
            x, value, x, what);
}

/* --- Head ----------------------------------------------------------------- */

static void write_style(FILE *f)
{
    fputs("<style>\n"
          "text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, "
          "'Noto Sans', 'DejaVu Sans', sans-serif; fill: #1b232d; }\n"
          ".title { font-size: 22px; font-weight: 650; }\n"
          ".figure { font-size: 19px; font-weight: 600; }\n"
          ".small { font-size: 12px; } .tiny { font-size: 10.5px; }\n"
          ".soft { fill: #5a6775; } .end { text-anchor: end; }\n"
          ".ground { fill: #ffffff; } .gap { stroke: #ffffff; }\n"
          ".onlight { fill: #10151b; } .ondark { fill: #ffffff; }\n"
          ".onfree { fill: #5a6775; }\n",
          f);
    for (int i = 0; i < MAP_LOOKS; i++)
        fprintf(f, ".l%d { fill: #%06" PRIx32 "; }\n", i,
                map_colour((enum map_look)i, false));
    fputs("@media (prefers-color-scheme: dark) {\n"
          "text { fill: #e8edf2; } .soft { fill: #98a5b3; }\n"
          ".ground { fill: #161b21; } .gap { stroke: #161b21; }\n"
          ".onlight { fill: #10151b; } .ondark { fill: #10151b; }\n"
          ".onfree { fill: #98a5b3; }\n",
          f);
    for (int i = 0; i < MAP_LOOKS; i++)
        fprintf(f, ".l%d { fill: #%06" PRIx32 "; }\n", i,
                map_colour((enum map_look)i, true));
    fputs("}\n</style>\n", f);
}

static void write_head(FILE *f, const struct map *map, int height)
{
    char text[TEXT_SHORT], part[32];
    const uint64_t bytes[] = {map->used, map->free, map->largest_free};
    static const char *const words[] = {"used", "free", "largest free"};

    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
            "height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" "
            "aria-labelledby=\"t d\">\n<title id=\"t\">Map of ",
            WIDTH, height, WIDTH, height);
    write_name(f, map->file, strlen(map->file), 200);
    fprintf(f,
            "</title>\n<desc id=\"d\">%" PRIu64 " bytes in %zu blocks, %" PRIu64
            " bytes used, fragmentation %.0f%%</desc>\n",
            map->size, map->count, map->used, 100 * map->fragmentation);
    write_style(f);
    fputs("<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n", f);
    fprintf(f, "<text class=\"title\" x=\"%d\" y=\"46\">", MARGIN);
    write_name(f, map->file, strlen(map->file), 60);
    fprintf(f,
            "</text>\n<text class=\"soft small end\" x=\"%d\" y=\"46\">%s, "
            "commit %" PRIu64 ", index %s, fit %s</text>\n",
            WIDTH - MARGIN, text_short_bytes(text, map->size), map->info.commit,
            text_of_index(map->info.index), text_of_fit(map->info.fit));
    for (int i = 0; i < 3; i++)
        write_figure(f, MARGIN + 150 * i, text_short_bytes(text, bytes[i]),
                     words[i]);
    snprintf(part, sizeof(part), "%.0f%%", 100 * map->fragmentation);
    write_figure(f, MARGIN + 450, part, "fragmentation");
    snprintf(part, sizeof(part), "%" PRIu64, map->objects);
    write_figure(f, MARGIN + 600, part, "objects");
}

/* --- Rows ----------------------------------------------------------------- */

/* A path of rectangles for each look, being written. */
struct paths {
    FILE *f[MAP_LOOKS];
    char *text[MAP_LOOKS];
    size_t n[MAP_LOOKS];
};

static bool paths_open(struct paths *paths)
{
    bool all = true;

    for (int i = 0; i < MAP_LOOKS; i++) {
        paths->f[i] = open_memstream(&paths->text[i], &paths->n[i]);
        all = all && paths->f[i] != NULL;
    }
    return all;
}

static void paths_close(struct paths *paths, FILE *f)
{
    for (int i = 0; i < MAP_LOOKS; i++) {
        if (paths->f[i] == NULL)
            continue;
        fclose(paths->f[i]);
        if (f != NULL && paths->n[i] != 0)
            fprintf(f, "<path class=\"l%d\" d=\"%s\"/>\n", i, paths->text[i]);
        free(paths->text[i]);
    }
}

static int row_y(int row)
{
    return TOP + row * PITCH;
}

static double bytes_of_row(const struct map *map)
{
    return (double)map->size / ROWS;
}

static void write_row(struct paths *paths, const struct map *map,
                      struct map_scan *scan, int row)
{
    double pixel = bytes_of_row(map) / COLUMNS;
    double from = bytes_of_row(map) * row;
    enum map_look look = MAP_LOOK_FREE, last = MAP_LOOK_FREE;
    int begun = 0;

    for (int x = 0; x <= COLUMNS; x++) {
        if (x < COLUMNS)
            look = map_scan_next(scan, (uint64_t)(from + pixel * x),
                                 (uint64_t)(from + pixel * (x + 1)));
        if (x > 0 && (look != last || x == COLUMNS)) {
            fprintf(paths->f[last], "M%d %dh%dv%dh-%dz",
                    MARGIN + GUTTER + begun, row_y(row), x - begun, ROW,
                    x - begun);
            begun = x;
        }
        last = look;
    }
}

static bool write_rows(FILE *f, const struct map *map)
{
    struct map_scan scan = {.map = map};
    struct paths paths = {0};
    bool opened = paths_open(&paths);
    char text[TEXT_SHORT];

    for (int row = 0; opened && row < ROWS; row++) {
        write_row(&paths, map, &scan, row);
        fprintf(f,
                "<text class=\"soft tiny end\" x=\"%d\" y=\"%d\">%s</text>\n",
                MARGIN + GUTTER - 9, row_y(row) + 11,
                text_short_bytes(text, (uint64_t)(bytes_of_row(map) * row)));
    }
    paths_close(&paths, opened ? f : NULL);
    return opened;
}

/* --- Blocks that can be seen ---------------------------------------------- */

/* The letters that can be read on it, on a light page and on a dark one. */
static const char *letters_on(enum map_look look)
{
    uint32_t c = map_colour(look, false);

    if (look == MAP_LOOK_FREE || look == MAP_LOOK_WAITING)
        return "onfree";
    return (c >> 16) * 299 + (c >> 8 & 0xff) * 587 + (c & 0xff) * 114 > 145000
               ? "onlight"
               : "ondark";
}

static void write_label(FILE *f, const struct map *map,
                        const struct map_block *block, double x, int y,
                        double wide)
{
    const struct map_group *group = &map->groups[block->group];
    const char *name = map_group_name(group);
    size_t most = (size_t)(wide - 8) / LETTER, n = strlen(name);

    if (block->name_length != 0) {
        name = map->names + block->name;
        n = block->name_length;
    }
    fprintf(f, "<text class=\"tiny %s\" x=\"%.1f\" y=\"%d\">",
            letters_on(group->look), x + 5, y + 11);
    write_name(f, name, n, most);
    fputs("</text>\n", f);
}

/* Gaps come before names, which lie over them. */
static void write_blocks(FILE *f, const struct map *map, bool labels)
{
    double bytes = bytes_of_row(map), scale = COLUMNS / bytes;
    uint64_t offset = 0;
    int written = 0;

    for (size_t i = 0; i < map->count && written < LABELS_MOST; i++) {
        const struct map_block *block = &map->blocks[i];
        int row = (int)((double)offset / bytes);
        double x = ((double)offset - bytes * row) * scale;
        double wide = (double)block->bytes * scale;
        int last = (int)((double)(offset + block->bytes) / bytes);
        double end = ((double)(offset + block->bytes) - bytes * last) * scale;

        offset += block->bytes;
        if (labels && wide >= LABEL_FROM) {
            if (x + wide > COLUMNS)
                wide = COLUMNS - x;
            if (wide < LABEL_FROM)
                continue;
            write_label(f, map, block, MARGIN + GUTTER + x, row_y(row), wide);
            written++;
        } else if (!labels && wide >= GAP_FROM && last < ROWS) {
            fprintf(f, "M%.1f %dv%d", MARGIN + GUTTER + end, row_y(last), ROW);
        }
    }
}

/* --- Legend --------------------------------------------------------------- */

static void write_entry(FILE *f, const struct map *map, size_t i, int top)
{
    const struct map_group *group = &map->groups[map->ranks[i]];
    const char *name = map_group_name(group);
    int x = MARGIN + GUTTER + (i < LEGEND_ROWS ? 0 : COLUMNS / 2 + 20);
    int y = top + (int)(i % LEGEND_ROWS) * LEGEND_PITCH;
    char text[TEXT_SHORT];

    fprintf(f,
            "<rect class=\"l%d\" x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" "
            "rx=\"3\"/><text class=\"small\" x=\"%d\" y=\"%d\">",
            (int)group->look, x, y - 10, x + 20, y);
    write_name(f, name, strlen(name), 34);
    fputs("</text>", f);
    fprintf(f,
            "<text class=\"soft small end\" x=\"%d\" y=\"%d\">%" PRIu64
            " block%s</text><text class=\"small end\" x=\"%d\" "
            "y=\"%d\">%s</text><text class=\"soft small end\" x=\"%d\" "
            "y=\"%d\">%.1f%%</text>\n",
            x + 330, y, group->blocks, text_plural(group->blocks), x + 420, y,
            text_short_bytes(text, group->bytes), x + 480, y,
            100 * (double)group->bytes / (double)map->size);
}

static size_t legend_entries(const struct map *map)
{
    return map->group_count < LEGEND_MOST ? map->group_count : LEGEND_MOST;
}

bool map_svg(FILE *f, const struct map *map)
{
    int legend = row_y(ROWS) + 30, entries = (int)legend_entries(map);
    int lines = entries < LEGEND_ROWS ? entries : LEGEND_ROWS;
    bool drawn;

    write_head(f, map, legend + lines * LEGEND_PITCH + MARGIN - 18);
    drawn = write_rows(f, map);
    fputs("<path class=\"gap\" stroke-width=\"1\" d=\"", f);
    write_blocks(f, map, false);
    fputs("\"/>\n", f);
    write_blocks(f, map, true);
    for (size_t i = 0; i < legend_entries(map); i++)
        write_entry(f, map, i, legend);
    fputs("</svg>\n", f);
    return drawn;
}
