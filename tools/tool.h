/* tool.h - what the commands of tenon share
 *
 * Results go to stdout, and only results; complaints go to stderr as
 * "tenon: SUBJECT: reason".  A command returns its exit status; those of every
 * command mean the same.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_TOOL_H
#define TENON_TOOL_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include <tenon.h>

enum {
    DONE = 0,
    NOT_SOUND = 1, /* the file is not a store, or not a sound one */
    FAILED = 2,    /* it could not be done */
};

struct command {
    const char *name, *args;
    const char *brief;   /* one line, small first letter, no full stop */
    const char *details; /* whole lines, or NULL */
    const char *options; /* whole lines, or NULL */
    const char *example; /* one line */
    int (*run)(int argc, char **argv);
};

extern const struct command cmd_create, cmd_info, cmd_ls, cmd_put, cmd_get,
    cmd_rm, cmd_load, cmd_save, cmd_check, cmd_grow, cmd_shrink, cmd_dump,
    cmd_map;
extern const struct command cmd_snapshot, cmd_verify, cmd_restore, cmd_diff,
    cmd_hash, cmd_trim, cmd_repair;

/* --- Command lines ------------------------------------------------------- */

/* Codes of long options that have no letter. */
enum {
    OPTION_VERSION = 256,
    OPTION_JSON,
    OPTION_PREFIX,
    OPTION_KEEP,
    OPTION_BATCH,
    OPTION_SIZE,
    OPTION_MAX_SIZE,
    OPTION_INDEX,
    OPTION_FIT,
    OPTION_MODE,
    OPTION_SUPERBLOCK,
    OPTION_JOURNAL,
    OPTION_BLOCKS,
    OPTION_NAMES,
    OPTION_TYPES,
    OPTION_QUICK,
    OPTION_FULL,
    OPTION_SINCE,
    OPTION_BASE,
    OPTION_SVG,
    OPTION_HTML,
    OPTION_COLOR,
};

/* Every command's table of long options ends with this. */
#define COMMON_OPTIONS                                                         \
    {"help", no_argument, NULL, 'h'},                                          \
    {                                                                          \
        "version", no_argument, NULL, OPTION_VERSION                           \
    }

/* The next option as from getopt_long(), -1 after the last.  --help and
 * --version are answered here and end the program, and so does an option that
 * the command does not have. */
int option_next(const struct command *command, int argc, char **argv,
                const char *letters, const struct option *table);

/* End the program with a hint unless between least and most arguments are left
 * after the options. */
void arguments_expect(const struct command *command, int argc, int least,
                      int most);

/* Complain about how the command was called; returns FAILED. */
int usage_error(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Print the help of a command. */
void command_help(const struct command *command);

/* Print name and version. */
void version_print(void);

/* Close stdout; a full disk shows itself only here.  Returns status, or FAILED
 * if what was printed did not arrive. */
int stdout_close(int status);

/* --- Complaints ---------------------------------------------------------- */

/* Print "tenon: SUBJECT: reason" on stderr, with whatever could play tricks on
 * a terminal made visible. */
void complain(const char *subject, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for an object of a store: "tenon: FILE: NAME: reason". */
void complain_name(const char *file, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What is behind "FILE: " in a text that may begin so. */
const char *without_subject(const char *text, const char *file);

/* Complain about what the library answered; returns the exit status for it. */
int complain_status(const char *file, tn_status status);
int complain_name_status(const char *file, const char *name, tn_status status);

/* The exit status for what the library answered about a file. */
int exit_of(tn_status status);

/* --- Stores -------------------------------------------------------------- */

/* An open store, and the view of it that a command works on: one committed
 * state, or between store_begin() and store_commit() or store_rollback() the
 * next one. */
struct opened {
    tn_store *store;
    tn_segment *seg;
};

/* Open a store to look at it, or to change it in transactions; DONE or, after a
 * complaint, the exit status.  These are the only places that choose how a
 * store is opened.  With options, a store that is not there is made. */
int store_open_to_read(struct opened *out, const char *file);
int store_open_to_write(struct opened *out, const char *file,
                        const tn_options *options);

/* Begin to change the store, when it is this process's turn.  DONE, or after a
 * complaint the exit status. */
int store_begin(struct opened *opened, const char *file);

/* Have on disk all that was changed since, or nothing of it; either way the
 * transaction is over. */
int store_commit(struct opened *opened, const char *file);
void store_rollback(struct opened *opened);

/* End as status says: commit if it is DONE, else roll back.  Returns status, or
 * what went wrong now. */
int store_end(struct opened *opened, const char *file, int status);

/* Close a store that was looked at; once more does nothing. */
void store_close(struct opened *opened);

/* Close a store that was opened to be changed; status, or what went wrong
 * now. */
int store_close_written(struct opened *opened, const char *file, int status);

/* --- Objects ------------------------------------------------------------- */

/* Whether name can name an object; if not, complains. */
bool name_is_valid(const char *file, const char *name);

/* Find the object of any type and describe it.  TN_ENOENT: there is none. */
tn_status object_find(const tn_segment *seg, const char *name, tn_object *out);

/* Whether the object of this name is still the one described.  A store that is
 * looked at may be changed by others meanwhile: bytes that were read are good
 * if this is true after it. */
bool object_is_there(const tn_segment *seg, const char *name,
                     const tn_object *object);

/* Bytes of the object itself. */
size_t object_bytes(const tn_object *object);

/* Whether it is what put and load make. */
bool object_is_bytes(const tn_object *object);

#endif
