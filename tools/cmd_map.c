/* cmd_map.c - tenon map: a picture of a store
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "map.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target.h"

struct request {
    const char *file, *svg, *html;
    bool json;
    enum { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER } colour;
};

/* --- The terminal --------------------------------------------------------- */

enum { DEFAULT_WIDTH = 80 };

static unsigned terminal_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    unsigned long n = columns != NULL ? strtoul(columns, NULL, 10) : 0;

    if (n > 0 && n < 10000)
        return (unsigned)n;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return DEFAULT_WIDTH;
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && *value != '\0';
}

static bool wants_colour(const struct request *request)
{
    const char *term = getenv("TERM");

    if (request->colour != COLOUR_AUTO)
        return request->colour == COLOUR_ALWAYS;
    return isatty(STDOUT_FILENO) && !is_set("NO_COLOR") &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

static void show(const struct map *map, const struct request *request)
{
    const char *kind = getenv("COLORTERM");
    struct map_style style = {.width = terminal_width(),
                              .colour = wants_colour(request)};

    style.true_colour = kind != NULL && (strcmp(kind, "truecolor") == 0 ||
                                         strcmp(kind, "24bit") == 0);
    setlocale(LC_CTYPE, "");
    style.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    map_terminal(stdout, map, &style);
}

/* --- Files ---------------------------------------------------------------- */

typedef bool draw_fn(FILE *f, const struct map *map);

static int fail(const char *path)
{
    complain(path, "%s", strerror(errno));
    return FAILED;
}

/* Has all of it arrived?  Closes f. */
static bool finish(FILE *f, bool drawn)
{
    bool failed = ferror(f) != 0;

    return fclose(f) == 0 && drawn && !failed;
}

/* What is not a regular file is written to; what is gets another when it is
 * complete. */
static int write_in_place(const char *path, const struct map *map,
                          draw_fn *draw)
{
    FILE *f = fopen(path, "we");

    return f != NULL && finish(f, draw(f, map)) ? DONE : fail(path);
}

static int write_beside(const char *path, const char *name, int dir,
                        const struct map *map, draw_fn *draw)
{
    struct target target;
    FILE *f;
    int fd;

    if (!target_begin(&target, dir, 0666))
        return fail(path);
    fd = dup(target.fd);
    f = fd < 0 ? NULL : fdopen(fd, "w");
    if (f == NULL || !finish(f, draw(f, map))) {
        target_drop(&target);
        return fail(path);
    }
    return target_place(&target, name, true) ? DONE : fail(path);
}

/* A store that is there stays there, whoever mixes up the arguments. */
static bool is_store(const char *path)
{
    tn_store *store = NULL;
    tn_status status = tn_store_open(&store, path, TN_READ_ONLY, NULL);

    tn_store_close(store);
    return status != TN_ENOTSTORE && status != TN_ENOENT &&
           status != TN_EACCES && status != TN_EINVAL;
}

/* real leads to no symbolic link. */
static int write_regular(const char *path, char *real, const struct map *map,
                         draw_fn *draw)
{
    char *slash = strrchr(real, '/');
    int dir, status;

    if (slash != NULL)
        *slash = '\0';
    dir = open(slash == NULL   ? "."
               : *real == '\0' ? "/"
                               : real,
               O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return fail(path);
    status =
        write_beside(path, slash == NULL ? real : slash + 1, dir, map, draw);
    close(dir);
    return status;
}

static int write_file(const char *path, const struct map *map, draw_fn *draw)
{
    struct stat st;
    bool is_there = stat(path, &st) == 0;
    char *real;
    int status;

    if (strcmp(path, "-") == 0)
        return draw(stdout, map) ? DONE : fail("standard output");
    if (is_there && !S_ISREG(st.st_mode))
        return write_in_place(path, map, draw);
    if (is_there && is_store(path)) {
        complain(path, "this is a store; it is not written over");
        return FAILED;
    }
    real = is_there ? realpath(path, NULL) : strdup(path);
    if (real == NULL)
        return fail(path);
    status = write_regular(path, real, map, draw);
    free(real);
    return status;
}

/* -------------------------------------------------------------------------- */

static int draw(const struct request *request)
{
    struct map map;
    int status = map_init(&map, request->file);

    if (status == DONE && request->svg != NULL)
        status = write_file(request->svg, &map, map_svg);
    if (status == DONE && request->html != NULL)
        status = write_file(request->html, &map, map_html);
    if (status == DONE && request->json)
        map_json(stdout, &map);
    else if (status == DONE && request->svg == NULL && request->html == NULL)
        show(&map, request);
    map_fini(&map);
    return status;
}

static bool parse_colour(struct request *request, const char *word)
{
    static const char *const words[] = {"auto", "always", "never"};

    for (int i = 0; i < 3; i++)
        if (strcmp(word, words[i]) == 0) {
            request->colour = i;
            return true;
        }
    return false;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"svg", required_argument, NULL, OPTION_SVG},
        {"html", required_argument, NULL, OPTION_HTML},
        {"color", required_argument, NULL, OPTION_COLOR},
        {"json", no_argument, NULL, OPTION_JSON},
        COMMON_OPTIONS,
        {0},
    };
    struct request request = {0};
    int option;

    while ((option = option_next(&cmd_map, argc, argv, "h", table)) != -1) {
        if (option == OPTION_SVG)
            request.svg = optarg;
        else if (option == OPTION_HTML)
            request.html = optarg;
        else if (option == OPTION_JSON)
            request.json = true;
        else if (!parse_colour(&request, optarg))
            return usage_error(&cmd_map,
                               "'%s': a colour is one of always, auto and "
                               "never",
                               optarg);
    }
    arguments_expect(&cmd_map, argc, 1, 1);
    request.file = argv[optind];
    return draw(&request);
}

const struct command cmd_map = {
    .name = "map",
    .args = "FILE",
    .brief = "draw what lies where: by type, used and free",
    .details =
        "Draws the last committed state on the terminal, or as a picture or a "
        "page,\nwith the bytes of each type, the largest free piece and how "
        "fragmented the\nfree memory is: the part of it that is not in that "
        "piece.  Colours are for\nterminals, unless NO_COLOR is set; COLUMNS "
        "is heeded.  OUT may be '-'.\n",
    .options =
        "      --html OUT         one page that needs nothing else: zoom, "
        "search by\n"
        "                         name, what is where under the pointer\n"
        "      --svg OUT          a picture\n"
        "      --color WHEN       always, auto or never; auto by default\n"
        "      --json             the figures as one JSON object\n",
    .example = "tenon map --html users.html users.tn",
    .run = run,
};
