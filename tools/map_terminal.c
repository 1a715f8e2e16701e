/* map_terminal.c - a map of characters, with legend and figures
 *
 * With colours each character shows two parts of the segment, a left and a
 * right half.  Without, one part, and how much of it is used is shown by how
 * dark it is.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "map.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "text.h"

enum {
    GUTTER = 11, /* columns for offsets */
    NARROWEST = 40,
    WIDEST = 200,
    ROWS = 16,
    LEAST_PART = 16, /* bytes that are worth a character */
    BAR = 20,
    LEGEND_MOST = 24, /* rows of the legend */
};

/* --- Colours -------------------------------------------------------------- */

/* The nearest of the 6 x 6 x 6 colours that terminals have. */
static unsigned of_cube(uint32_t colour)
{
    unsigned index = 16, weights[] = {36, 6, 1};

    for (int i = 0; i < 3; i++) {
        unsigned value = colour >> (16 - 8 * i) & 0xff;
        unsigned step = value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40;

        index += step * weights[i];
    }
    return index;
}

static void set_colour(FILE *f, const struct map_style *style, bool ground,
                       enum map_look look)
{
    uint32_t colour = map_colour(look, true);

    if (style->true_colour)
        fprintf(f, "\033[%d;2;%u;%u;%um", ground ? 48 : 38, colour >> 16,
                colour >> 8 & 0xff, colour & 0xff);
    else
        fprintf(f, "\033[%d;5;%um", ground ? 48 : 38, of_cube(colour));
}

static void reset(FILE *f, const struct map_style *style)
{
    if (style->colour)
        fputs("\033[0m", f);
}

static void set_dim(FILE *f, const struct map_style *style)
{
    if (style->colour)
        fputs("\033[2m", f);
}

static void set_bold(FILE *f, const struct map_style *style)
{
    if (style->colour)
        fputs("\033[1m", f);
}

/* --- The picture ---------------------------------------------------------- */

static bool is_free(enum map_look look)
{
    return look == MAP_LOOK_FREE || look == MAP_LOOK_WAITING;
}

/* What the terminal was told last: it is told again only where that changes,
 * since a map is mostly stretches of one colour. */
struct pen {
    enum map_look letters, ground;
    bool dim;
};
#define PEN_UNSET                                                              \
    {                                                                          \
        MAP_LOOKS, MAP_LOOKS, false                                            \
    }

static void pen_take(FILE *f, const struct map_style *style, struct pen *pen,
                     enum map_look letters, enum map_look ground, bool dim)
{
    if (pen->letters == letters && pen->ground == ground && pen->dim == dim)
        return;
    fputs(dim ? "\033[0;2m" : "\033[0m", f);
    if (letters != MAP_LOOKS)
        set_colour(f, style, false, letters);
    if (ground != MAP_LOOKS)
        set_colour(f, style, true, ground);
    *pen = (struct pen){letters, ground, dim};
}

/* Two halves in one character. */
static void draw_pair(FILE *f, const struct map_style *style, struct pen *pen,
                      enum map_look left, enum map_look right)
{
    const char *glyph = left == right ? "█" : "▌";

    if (is_free(left) && is_free(right)) {
        pen_take(f, style, pen, MAP_LOOKS, MAP_LOOKS, true);
        glyph = style->unicode ? "·" : ".";
    } else if (is_free(left)) {
        pen_take(f, style, pen, right, MAP_LOOKS, false);
        glyph = "▐";
    } else if (is_free(right) || left == right || !style->unicode) {
        pen_take(f, style, pen, left, MAP_LOOKS, false);
    } else {
        pen_take(f, style, pen, left, right, false);
    }
    fputs(style->unicode || *glyph == '.' ? glyph : "#", f);
}

/* How much of a part is used, from 0 to 4. */
static const char *shade(const struct map_style *style, unsigned fourths)
{
    static const char *const blocks[] = {"·", "░", "▒", "▓", "█"};
    static const char *const letters[] = {".", "-", "+", "%", "#"};

    return style->unicode ? blocks[fourths] : letters[fourths];
}

/* Where column i of n begins. */
static uint64_t part(uint64_t from, uint64_t to, unsigned i, unsigned n)
{
    return from + (uint64_t)((double)(to - from) * i / n);
}

/* Eight samples decide how dark a character is. */
static unsigned fourths_used(struct map_scan *scan, uint64_t from, uint64_t to)
{
    enum { SAMPLES = 8 };
    unsigned used = 0;

    for (unsigned i = 0; i < SAMPLES; i++)
        used += !is_free(map_scan_next(scan, part(from, to, i, SAMPLES),
                                       part(from, to, i + 1, SAMPLES)));
    return (used * 4 + SAMPLES - 1) / SAMPLES;
}

static void draw_row(FILE *f, const struct map_style *style,
                     struct map_scan *scan, unsigned columns, uint64_t from,
                     uint64_t to)
{
    struct pen pen = PEN_UNSET;
    char start[TEXT_SHORT];

    set_dim(f, style);
    fprintf(f, "%*s ", GUTTER - 1, text_short_bytes(start, from));
    for (unsigned i = 0; i < columns; i++) {
        uint64_t a = part(from, to, i, columns);
        uint64_t b = part(from, to, i + 1, columns), middle = a + (b - a) / 2;

        if (style->colour) {
            enum map_look left = map_scan_next(scan, a, middle);

            draw_pair(f, style, &pen, left, map_scan_next(scan, middle, b));
        } else {
            fputs(shade(style, fourths_used(scan, a, b)), f);
        }
    }
    reset(f, style);
    fputc('\n', f);
}

static void draw_picture(FILE *f, const struct map *map,
                         const struct map_style *style, unsigned columns)
{
    struct map_scan scan = {.map = map};
    uint64_t parts = map->size / LEAST_PART;
    unsigned rows = ROWS;

    if (parts < (uint64_t)columns * rows)
        rows = (unsigned)(parts / columns) + 1;
    for (unsigned i = 0; i < rows; i++)
        draw_row(f, style, &scan, columns, part(0, map->size, i, rows),
                 part(0, map->size, i + 1, rows));
}

/* --- Legend and figures --------------------------------------------------- */

static void draw_swatch(FILE *f, const struct map_style *style,
                        enum map_look look)
{
    if (!style->colour) {
        fputs(shade(style, is_free(look) ? 0 : 4), f);
    } else if (is_free(look)) {
        set_dim(f, style);
        fputs(style->unicode ? "·" : ".", f);
    } else {
        set_colour(f, style, false, look);
        fputs(style->unicode ? "█" : "#", f);
    }
    reset(f, style);
}

static void draw_bar(FILE *f, const struct map_style *style, enum map_look look,
                     double share)
{
    static const char *const eighths[] = {"",  "▏", "▎", "▍",
                                          "▌", "▋", "▊", "▉"};
    unsigned units = (unsigned)(share * BAR * 8 + 0.5);

    if (style->colour)
        set_colour(f, style, false, is_free(look) ? MAP_LOOK_OWN : look);
    for (unsigned i = 0; i < units / 8; i++)
        fputs(style->unicode ? "█" : "=", f);
    if (style->unicode)
        fputs(eighths[units % 8], f);
    reset(f, style);
}

/* Columns of what is shown for a character: some are two wide, some none. */
static size_t columns_of(const char *shown, size_t n)
{
    uint32_t c;
    int wide;

    if (n == 0 || tn_utf8_read(shown, n, &c) != n)
        return n; /* an escape, in ASCII */
    wide = wcwidth((wchar_t)c);
    return wide < 0 ? 1 : (size_t)wide;
}

static size_t name_width(const char *name)
{
    size_t n = strlen(name), shown, width = 0;
    char out[TN_SHOWN_MAX];

    for (size_t i = 0; i < n; width += columns_of(out, shown))
        i += tn_show_next(name + i, n - i, true, out, &shown);
    return width;
}

/* A name in so many columns, cut off if it is longer. */
static void print_fitted(FILE *f, const struct map_style *style,
                         const char *name, size_t columns)
{
    size_t n = strlen(name), shown, taken;
    bool cut = name_width(name) > columns;
    size_t room = cut ? columns - 1 : columns;
    char out[TN_SHOWN_MAX];

    for (size_t i = 0; i < n; i += taken) {
        taken = tn_show_next(name + i, n - i, true, out, &shown);
        if (columns_of(out, shown) > room)
            break;
        room -= columns_of(out, shown);
        fwrite(out, 1, shown, f);
    }
    if (cut)
        fputs(style->unicode ? "…" : "~", f);
    fprintf(f, "%*s", (int)room, "");
}

static void print_group(FILE *f, const struct map *map,
                        const struct map_style *style,
                        const struct map_group *group, size_t name_columns)
{
    double share = (double)group->bytes / (double)map->size;
    char bytes[TEXT_SHORT];

    fputs("  ", f);
    draw_swatch(f, style, group->look);
    fputc(' ', f);
    print_fitted(f, style, map_group_name(group), name_columns);
    fprintf(f, " %-9s", group->type != NULL ? text_of_kind(group->kind) : "");
    fprintf(f, " %9" PRIu64 " %10s %5.1f%%  ", group->blocks,
            text_short_bytes(bytes, group->bytes), 100 * share);
    if (style->width >= 80)
        draw_bar(f, style, group->look, share);
    fputc('\n', f);
}

static size_t legend_rows(const struct map *map)
{
    return map->group_count <= LEGEND_MOST ? map->group_count : LEGEND_MOST - 1;
}

static size_t widest_name(const struct map *map, size_t most)
{
    size_t widest = 4;

    for (size_t i = 0; i < legend_rows(map); i++) {
        size_t width = name_width(map_group_name(&map->groups[map->ranks[i]]));

        if (width > widest)
            widest = width < most ? width : most;
    }
    return widest;
}

/* Those with fewest bytes, in one line. */
static void print_others(FILE *f, const struct map *map,
                         const struct map_style *style, size_t columns)
{
    uint64_t blocks = 0, bytes = 0;
    char text[TEXT_SHORT], more[32];

    for (size_t i = legend_rows(map); i < map->group_count; i++) {
        blocks += map->groups[map->ranks[i]].blocks;
        bytes += map->groups[map->ranks[i]].bytes;
    }
    set_dim(f, style);
    snprintf(more, sizeof(more), "%zu more",
             map->group_count - legend_rows(map));
    fprintf(f, "    %-*s %-9s %9" PRIu64, (int)columns, more, "", blocks);
    fprintf(f, " %10s %5.1f%%\n", text_short_bytes(text, bytes),
            100 * (double)bytes / (double)map->size);
    reset(f, style);
}

static void print_legend(FILE *f, const struct map *map,
                         const struct map_style *style)
{
    size_t columns = widest_name(map, style->width >= 80 ? 24 : 16);

    if (columns < 8)
        columns = 8;
    set_dim(f, style);
    fprintf(f, "    %-*s %-9s %9s %10s %6s\n", (int)columns, "type", "kind",
            "blocks", "bytes", "share");
    reset(f, style);
    for (size_t i = 0; i < legend_rows(map); i++)
        print_group(f, map, style, &map->groups[map->ranks[i]], columns);
    if (legend_rows(map) < map->group_count)
        print_others(f, map, style, columns);
}

static void print_figure(FILE *f, const struct map_style *style,
                         const char *what, uint64_t bytes)
{
    char text[TEXT_SHORT];

    set_dim(f, style);
    fprintf(f, "%s ", what);
    reset(f, style);
    set_bold(f, style);
    fprintf(f, "%s", text_short_bytes(text, bytes));
    reset(f, style);
}

static void print_figures(FILE *f, const struct map *map,
                          const struct map_style *style)
{
    fputs("  ", f);
    print_figure(f, style, "used", map->used);
    fputs("   ", f);
    print_figure(f, style, "overhead", map->own);
    fputs("   ", f);
    print_figure(f, style, "free", map->free);
    fputs("   ", f);
    print_figure(f, style, "largest free", map->largest_free);
    fputs("\n  ", f);
    set_dim(f, style);
    fputs("fragmentation ", f);
    reset(f, style);
    set_bold(f, style);
    fprintf(f, "%.0f%%", 100 * map->fragmentation);
    reset(f, style);
    set_dim(f, style);
    fprintf(f, " of the free memory lies outside its largest piece");
    if (map->free_runs > 0)
        fprintf(f, "; %" PRIu64 " piece%s", map->free_runs,
                text_plural(map->free_runs));
    reset(f, style);
    fputc('\n', f);
}

static void print_title(FILE *f, const struct map *map,
                        const struct map_style *style)
{
    char size[TEXT_SHORT];

    set_bold(f, style);
    text_visible(f, map->file, strlen(map->file));
    reset(f, style);
    set_dim(f, style);
    fprintf(f, "  %s, commit %" PRIu64 ", index %s, fit %s\n\n",
            text_short_bytes(size, map->size), map->info.commit,
            text_of_index(map->info.index), text_of_fit(map->info.fit));
    reset(f, style);
}

static void print_key(FILE *f, const struct map_style *style, uint64_t bytes)
{
    char size[TEXT_SHORT];

    set_dim(f, style);
    fprintf(f, "%*s a character is %s", GUTTER - 1, "",
            text_short_bytes(size, bytes));
    if (!style->colour)
        fprintf(f, "; used: %s all %s %s %s a quarter %s nothing",
                shade(style, 4), shade(style, 3), shade(style, 2),
                shade(style, 1), shade(style, 0));
    reset(f, style);
    fputs("\n\n", f);
}

void map_terminal(FILE *f, const struct map *map, const struct map_style *style)
{
    unsigned width = style->width < NARROWEST ? NARROWEST
                     : style->width > WIDEST  ? WIDEST
                                              : style->width;
    unsigned columns = width - GUTTER - 1;
    uint64_t cells = (uint64_t)columns * ROWS;

    print_title(f, map, style);
    draw_picture(f, map, style, columns);
    print_key(f, style,
              map->size / cells < LEAST_PART ? LEAST_PART : map->size / cells);
    print_legend(f, map, style);
    fputc('\n', f);
    print_figures(f, map, style);
}

/* --- JSON ----------------------------------------------------------------- */

void map_json(FILE *f, const struct map *map)
{
    fputc('{', f);
    json_name(f, "file", map->file, strlen(map->file));
    fprintf(f,
            ",\n \"commit\": %" PRIu64 ", \"segment_bytes\": %" PRIu64
            ", \"used_bytes\": %" PRIu64 ",\n \"free_bytes\": %" PRIu64
            ", \"overhead_bytes\": %" PRIu64
            ",\n \"largest_free_bytes\": %" PRIu64 ", \"free_pieces\": %" PRIu64
            ", \"fragmentation\": %.4f,\n",
            map->info.commit, map->size, map->used, map->free, map->own,
            map->largest_free, map->free_runs, map->fragmentation);
    fputs(" \"groups\": [", f);
    for (size_t i = 0; i < map->group_count; i++) {
        const struct map_group *group = &map->groups[map->ranks[i]];

        fputs(i == 0 ? "\n  {" : ",\n  {", f);
        json_name(f, "name", map_group_name(group),
                  strlen(map_group_name(group)));
        fprintf(f,
                ", \"object\": %s, \"kind\": \"%s\", \"blocks\": %" PRIu64
                ", \"bytes\": %" PRIu64 "}",
                group->type != NULL ? "true" : "false",
                group->type != NULL ? text_of_kind(group->kind) : "",
                group->blocks, group->bytes);
    }
    fputs("\n ]}\n", f);
}
