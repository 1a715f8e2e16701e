/* tool.c - what the commands of tenon share
 *
 * Command lines, complaints, and the one door through which stores are opened.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "text.h"

/* --- Command lines ------------------------------------------------------- */

void version_print(void)
{
    printf("tenon %s\n", tn_version());
}

void command_help(const struct command *command)
{
    printf("Usage: tenon %s [OPTION]... %s\n", command->name, command->args);
    printf("%c%s.\n", command->brief[0] - 'a' + 'A', command->brief + 1);
    if (command->details != NULL)
        printf("\n%s", command->details);
    printf("\nOptions:\n%s"
           "  -h, --help             show this text\n"
           "      --version          show the version\n",
           command->options == NULL ? "" : command->options);
    printf("\nExample:\n  %s\n", command->example);
    printf("\nExit status: 0 done, 1 the store is not sound, 2 could not do "
           "it.\n");
}

static void give_hint(const struct command *command)
{
    fprintf(stderr, "Try 'tenon %s --help'.\n", command->name);
}

int usage_error(const struct command *command, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) >= 0) {
        complain(command->name, "%s", text);
        free(text);
    }
    va_end(arguments);
    give_hint(command);
    return FAILED;
}

/* What getopt_long() complains about is shown as it came; a shell's pattern may
 * have put it there. */
static int next_visible(int argc, char **argv, const char *letters,
                        const struct option *table)
{
    FILE *terminal = stderr, *f;
    char *said = NULL;
    size_t n = 0;
    int option;

    f = open_memstream(&said, &n);
    if (f != NULL)
        stderr = f;
    option = getopt_long(argc, argv, letters, table, NULL);
    stderr = terminal;
    if (f != NULL && fclose(f) == 0 && n > 0) {
        text_visible(stderr, said, n - 1); /* the last is the end of line */
        fputc('\n', stderr);
    }
    free(said);
    return option;
}

int option_next(const struct command *command, int argc, char **argv,
                const char *letters, const struct option *table)
{
    int option = next_visible(argc, argv, letters, table);

    switch (option) {
    case 'h':
        command_help(command);
        exit(stdout_close(DONE));
    case OPTION_VERSION:
        version_print();
        exit(stdout_close(DONE));
    case '?': /* getopt_long() has said what is wrong */
        give_hint(command);
        exit(FAILED);
    default:
        return option;
    }
}

void arguments_expect(const struct command *command, int argc, int least,
                      int most)
{
    int left = argc - optind;

    if (left >= least && left <= most)
        return;
    exit(usage_error(command, "%s; usage: tenon %s %s",
                     left < least ? "an argument is missing"
                                  : "there are too many arguments",
                     command->name, command->args));
}

int stdout_close(int status)
{
    bool failed = ferror(stdout) != 0;

    errno = 0;
    if (fclose(stdout) == 0 && !failed)
        return status;
    complain("standard output", "%s",
             errno != 0 ? strerror(errno) : "writing failed");
    return FAILED;
}

/* --- Complaints ---------------------------------------------------------- */

/* The line is put together first and written at once, so that the complaints
 * of several processes stay whole. */
static void complain_va(const char *file, const char *name, const char *format,
                        va_list arguments)
{
    char *reason, *line = NULL;
    size_t length;
    FILE *f;

    if (vasprintf(&reason, format, arguments) < 0)
        return;
    f = open_memstream(&line, &length);
    if (f != NULL) {
        fputs("tenon: ", f);
        if (file != NULL) {
            text_visible(f, file, strlen(file));
            fputs(": ", f);
        }
        if (name != NULL) {
            text_visible(f, name, strlen(name));
            fputs(": ", f);
        }
        text_visible(f, reason, strlen(reason));
        fputc('\n', f);
        if (fclose(f) == 0) {
            progress_hide();
            fputs(line, stderr);
        }
        free(line);
    }
    free(reason);
}

void complain(const char *subject, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain_va(subject, NULL, format, arguments);
    va_end(arguments);
}

void complain_name(const char *file, const char *name, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain_va(file, name, format, arguments);
    va_end(arguments);
}

int exit_of(tn_status status)
{
    switch (status) {
    case TN_OK:
        return DONE;
    case TN_ECORRUPT:
    case TN_ENOTSTORE:
    case TN_EVERSION:
    case TN_EDIRTY:
    case TN_EJOURNAL:
        return NOT_SOUND;
    default:
        return FAILED;
    }
}

const char *without_subject(const char *text, const char *file)
{
    size_t n = strlen(file);

    return strncmp(text, file, n) == 0 && strncmp(text + n, ": ", 2) == 0
               ? text + n + 2
               : text;
}

/* The library's own words if it has any, without the file they begin with. */
static const char *reason_of(const char *file, tn_status status)
{
    const char *text = tn_errmsg();

    return *text == '\0' ? tn_strerror(status) : without_subject(text, file);
}

int complain_status(const char *file, tn_status status)
{
    complain(file, "%s", reason_of(file, status));
    return exit_of(status);
}

/* Where an object's name can have led to an answer in one way only, in words
 * about the object. */
int complain_name_status(const char *file, const char *name, tn_status status)
{
    const char *reason = reason_of(file, status);

    if (status == TN_ENOENT)
        reason = "there is no such object";
    else if (status == TN_EEXIST)
        reason = "there is an object of this name already";
    else if (status == TN_ENOTSUP)
        reason = "the store keeps no names";
    complain_name(file, name, "%s", reason);
    return exit_of(status);
}

/* --- Stores -------------------------------------------------------------- */

/* Only here: a file that is shorter than it says is not a sound store, while
 * elsewhere TN_ESIZE is about a size that was asked for. */
static int open_store(struct opened *out, const char *file, unsigned flags,
                      const tn_options *options)
{
    tn_status status;

    *out = (struct opened){0};
    status = tn_store_open(&out->store, file, flags, options);
    if (status == TN_OK)
        return DONE;
    complain_status(file, status);
    if (status == TN_ESIZE && (flags & TN_CREATE) == 0)
        return NOT_SOUND;
    return exit_of(status);
}

int store_open_to_read(struct opened *out, const char *file)
{
    int status = open_store(out, file, TN_READ_ONLY, NULL);

    if (status == DONE)
        out->seg = tn_store_segment(out->store);
    return status;
}

int store_open_to_write(struct opened *out, const char *file,
                        const tn_options *options)
{
    return open_store(out, file,
                      options != NULL ? TN_DURABLE | TN_CREATE : TN_DURABLE,
                      options);
}

int store_begin(struct opened *opened, const char *file)
{
    tn_status status = tn_try_begin(opened->store, &opened->seg);
    const char *doing;

    if (status == TN_EBUSY) {
        doing = progress_change("waiting for another writer");
        status = tn_begin(opened->store, &opened->seg);
        progress_change(doing);
    }
    return status == TN_OK ? DONE : complain_status(file, status);
}

void store_rollback(struct opened *opened)
{
    tn_rollback(opened->store);
    opened->seg = NULL;
}

/* TN_EBUSY: the journal is full, and there is somebody whose reading keeps it
 * from being emptied.  Like another writer, that is waited for. */
int store_commit(struct opened *opened, const char *file)
{
    tn_status status = tn_commit(opened->store);
    const char *doing;

    if (status == TN_EBUSY) {
        doing = progress_change("waiting for readers");
        while (status == TN_EBUSY)
            status = tn_commit(opened->store);
        progress_change(doing);
    }
    opened->seg = NULL;
    if (status == TN_OK)
        return DONE;
    complain_status(file, status);
    tn_rollback(opened->store);
    return exit_of(status);
}

int store_end(struct opened *opened, const char *file, int status)
{
    if (status == DONE)
        return store_commit(opened, file);
    store_rollback(opened);
    return status;
}

void store_close(struct opened *opened)
{
    tn_store_close(opened->store);
    *opened = (struct opened){0};
}

int store_close_written(struct opened *opened, const char *file, int status)
{
    tn_status closed = tn_store_close(opened->store);

    *opened = (struct opened){0};
    if (closed == TN_OK)
        return status;
    complain_status(file, closed);
    return FAILED;
}

/* --- Objects ------------------------------------------------------------- */

bool name_is_valid(const char *file, const char *name)
{
    if (*name == '\0')
        complain(file, "an object's name has at least one byte");
    else if (strlen(name) > TN_NAME_MAX)
        complain(file, "a name of %zu bytes is too long; the most is %d",
                 strlen(name), TN_NAME_MAX);
    else
        return true;
    return false;
}

tn_status object_find(const tn_segment *seg, const char *name, tn_object *out)
{
    void *address;
    tn_status status = tn_find(seg, name, NULL, &address, NULL);

    return status != TN_OK ? status : tn_describe(seg, address, out);
}

bool object_is_there(const tn_segment *seg, const char *name,
                     const tn_object *object)
{
    void *address;
    size_t count;

    return tn_find(seg, name, NULL, &address, &count) == TN_OK &&
           address == object->address && count == object->count;
}

size_t object_bytes(const tn_object *object)
{
    return object->count * object->size;
}

bool object_is_bytes(const tn_object *object)
{
    return object->size == TN_BYTES->size &&
           strcmp(object->type, TN_BYTES->name) == 0;
}
