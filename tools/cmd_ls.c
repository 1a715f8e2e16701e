/* cmd_ls.c - tenon ls: list the objects of a store
 *
 * On a terminal the columns are aligned under a heading.  Elsewhere a line is
 * an object, with one tab between its fields and no heading, for cut and awk;
 * a name that contains a tab or a newline is escaped, so this always holds.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

/* Names longer than this do not push the other columns further. */
#define WIDEST 60

enum form { FORM_COLUMNS, FORM_TABS, FORM_NAMES, FORM_NULL, FORM_JSON };

struct listing {
    FILE *out;
    enum form form;
    bool details;   /* -l */
    bool all_kinds; /* -a */
    const char *prefix;
    size_t name_width, type_width;
    size_t printed;
};

typedef void visit_fn(struct listing *listing, const tn_object *object);

/* Others may destroy the object and put something else where its name was: copy
 * the name, and see whether it still is the object's.  False: it has gone. */
static bool hold(const tn_segment *seg, tn_object *object,
                 char name[TN_NAME_MAX + 1])
{
    size_t n = object->name_length;

    if (n > TN_NAME_MAX)
        return false;
    memcpy(name, object->name, n);
    name[n] = '\0';
    if (!object_is_there(seg, name, object) &&
        object_find(seg, name, object) != TN_OK)
        return false;
    object->name = name;
    return true;
}

static tn_status visit_kind(const tn_segment *seg, tn_kind kind,
                            struct listing *listing, visit_fn *visit)
{
    char name[TN_NAME_MAX + 1];
    tn_iter *iter;
    tn_object object;
    tn_status status = tn_iter_open(seg, kind, listing->prefix, &iter);

    if (status != TN_OK)
        return status;
    while (tn_iter_next(iter, &object))
        if (kind != TN_KIND_NAMED || hold(seg, &object, name))
            visit(listing, &object);
    tn_iter_close(iter);
    return TN_OK;
}

static bool has_names(const tn_segment *seg)
{
    tn_iter *iter;
    tn_status status = tn_iter_open(seg, TN_KIND_NAMED, NULL, &iter);

    if (status == TN_OK)
        tn_iter_close(iter);
    return status != TN_ENOTSUP;
}

/* Anonymous objects have no name that could begin with the prefix. */
static tn_status visit_all(const tn_segment *seg, struct listing *listing,
                           visit_fn *visit)
{
    tn_status status = TN_OK;

    if (has_names(seg)) {
        status = visit_kind(seg, TN_KIND_NAMED, listing, visit);
        if (status == TN_OK && listing->all_kinds)
            status = visit_kind(seg, TN_KIND_UNIQUE, listing, visit);
    }
    if (status == TN_OK && listing->all_kinds && listing->prefix == NULL)
        status = visit_kind(seg, TN_KIND_ANONYMOUS, listing, visit);
    return status;
}

static void widen(size_t *width, const char *text, size_t n)
{
    size_t needed = text_width(text, n);

    if (needed > *width)
        *width = needed < WIDEST ? needed : WIDEST;
}

static void measure(struct listing *listing, const tn_object *object)
{
    widen(&listing->name_width, object->name, object->name_length);
    widen(&listing->type_width, object->type, strlen(object->type));
}

static void print_padded(FILE *out, size_t width, const char *text, size_t n)
{
    text_escaped(out, text, n);
    for (size_t i = text_width(text, n); i < width + 2; i++)
        fputc(' ', out);
}

static void print_heading(struct listing *listing)
{
    print_padded(listing->out, listing->name_width, "NAME", 4);
    print_padded(listing->out, listing->type_width, "TYPE", 4);
    fprintf(listing->out, "%10s  %12s", "COUNT", "BYTES");
    if (listing->details)
        fprintf(listing->out, "  %12s  %s", "HANDLE", "KIND");
    fputc('\n', listing->out);
}

static void print_columns(const struct listing *listing,
                          const tn_object *object)
{
    print_padded(listing->out, listing->name_width, object->name,
                 object->name_length);
    print_padded(listing->out, listing->type_width, object->type,
                 strlen(object->type));
    fprintf(listing->out, "%10zu  %12zu", object->count, object_bytes(object));
    if (listing->details)
        fprintf(listing->out, "  %12" PRIu64 "  %s", object->handle,
                text_of_kind(object->kind));
    fputc('\n', listing->out);
}

static void print_tabs(const struct listing *listing, const tn_object *object)
{
    text_escaped(listing->out, object->name, object->name_length);
    fputc('\t', listing->out);
    text_escaped(listing->out, object->type, strlen(object->type));
    fprintf(listing->out, "\t%zu\t%zu", object->count, object_bytes(object));
    if (listing->details)
        fprintf(listing->out, "\t%" PRIu64 "\t%s", object->handle,
                text_of_kind(object->kind));
    fputc('\n', listing->out);
}

static void print_json(struct listing *listing, const tn_object *object)
{
    fprintf(listing->out, "%s\n {", listing->printed++ == 0 ? "[" : ",");
    if (object->name == NULL)
        fprintf(listing->out, "\"name\": null");
    else
        json_name(listing->out, "name", object->name, object->name_length);
    fprintf(listing->out, ", \"kind\": \"%s\", ", text_of_kind(object->kind));
    json_name(listing->out, "type", object->type, strlen(object->type));
    fprintf(listing->out,
            ", \"count\": %zu, \"bytes\": %zu, \"handle\": %" PRIu64 "}",
            object->count, object_bytes(object), object->handle);
}

static void print(struct listing *listing, const tn_object *object)
{
    if (object->name == NULL &&
        (listing->form == FORM_NAMES || listing->form == FORM_NULL))
        return;
    switch (listing->form) {
    case FORM_COLUMNS:
        print_columns(listing, object);
        break;
    case FORM_TABS:
        print_tabs(listing, object);
        break;
    case FORM_NAMES:
        text_escaped(listing->out, object->name, object->name_length);
        fputc('\n', listing->out);
        break;
    case FORM_NULL:
        fwrite(object->name, 1, object->name_length, listing->out);
        fputc('\0', listing->out);
        break;
    case FORM_JSON:
        print_json(listing, object);
        break;
    }
}

static tn_status print_listing(const tn_segment *seg, struct listing *listing)
{
    tn_status status = TN_OK;

    if (listing->form == FORM_COLUMNS) {
        listing->name_width = listing->type_width = 4;
        status = visit_all(seg, listing, measure);
        if (status == TN_OK)
            print_heading(listing);
    }
    if (status == TN_OK)
        status = visit_all(seg, listing, print);
    if (listing->form == FORM_JSON)
        fprintf(listing->out, "%s\n]\n", listing->printed == 0 ? "[" : "");
    return status;
}

/* What is listed may be read slowly, in a pager for instance, and that must not
 * keep writers away from the store: it is closed before anything is shown. */
static int list(const char *file, struct listing *listing)
{
    struct opened opened;
    char *text = NULL;
    size_t n = 0;
    tn_status found;
    int status = store_open_to_read(&opened, file);

    if (status != DONE)
        return status;
    listing->out = open_memstream(&text, &n);
    found =
        listing->out == NULL ? TN_ENOMEM : print_listing(opened.seg, listing);
    if (listing->out != NULL && fclose(listing->out) != 0)
        found = TN_ENOMEM;
    if (found != TN_OK)
        status = complain_status(file, found);
    store_close(&opened);
    if (found == TN_OK)
        fwrite(text, 1, n, stdout);
    free(text);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"long", no_argument, NULL, 'l'},
        {"all", no_argument, NULL, 'a'},
        {"names", no_argument, NULL, 'n'},
        {"null", no_argument, NULL, '0'},
        {"json", no_argument, NULL, OPTION_JSON},
        COMMON_OPTIONS,
        {0},
    };
    struct listing listing = {.form = isatty(STDOUT_FILENO) ? FORM_COLUMNS
                                                            : FORM_TABS};
    int option;

    while ((option = option_next(&cmd_ls, argc, argv, "lan0h", table)) != -1) {
        listing.details |= option == 'l' || option == 'a';
        listing.all_kinds |= option == 'a';
        if (option == 'n')
            listing.form = FORM_NAMES;
        else if (option == '0')
            listing.form = FORM_NULL;
        else if (option == OPTION_JSON)
            listing.form = FORM_JSON;
    }
    arguments_expect(&cmd_ls, argc, 1, 2);
    listing.prefix = argv[optind + 1]; /* NULL where there is none */
    return list(argv[optind], &listing);
}

const struct command cmd_ls = {
    .name = "ls",
    .args = "FILE [PREFIX]",
    .brief = "list the objects of a store by name",
    .details =
        "Shows the name, type, count of elements and bytes of each named "
        "object,\nor of those whose names begin with PREFIX.  On a terminal "
        "in columns,\nelsewhere with one tab between the fields.  Control "
        "characters and bytes\nthat are not UTF-8 appear as \\n, \\t or "
        "\\033, and a backslash as \\\\;\n--null shows names as they are.\n",
    .options = "  -l, --long             add handle and kind\n"
               "  -a, --all              unique and anonymous objects too, as "
               "-l does\n"
               "  -n, --names            names only, one a line\n"
               "  -0, --null             names only, as they are, a NUL after "
               "each\n"
               "      --json             as a JSON array with an object each\n",
    .example = "tenon ls -l users.tn user/",
    .run = run,
};
