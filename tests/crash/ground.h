/* ground.h - a store of numbers, and cases that try one thing each on it
 *
 * A case runs in a process of its own, in a directory of its own in memory,
 * with a time limit: one that waits for ever has failed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef CRASH_GROUND_H
#define CRASH_GROUND_H

#include <tenon.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "os/fault.h"

struct ground_case {
    const char *name;
    void (*run)(void);
};

/* Run all cases, or the one that is named in argv, and print what failed;
 * returns what main() returns. */
int ground_run(const struct ground_case *cases, size_t count, int argc,
               char **argv);

/* Make a directory in memory and return its name, which lives on.  It is
 * removed when this process exits. */
const char *ground_directory(const char *of);

/* Remove the files in it. */
void ground_clear(const char *directory);

/* End the process with a message unless the condition is true. */
#define CLAIM(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);   \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

#define ANSWERS(call, expected)                                                \
    do {                                                                       \
        tn_status answer_ = (call);                                            \
        if (answer_ != (expected)) {                                           \
            printf("%s:%d: %s answers %d (%s; %s), not %d\n", __FILE__,        \
                   __LINE__, #call, answer_, tn_strerror(answer_),             \
                   tn_errmsg(), (int)(expected));                              \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

#define OK(call) ANSWERS(call, TN_OK)

/* --- The store "store": numbers, each in a page of its own ---------------- */

enum { NUMBERS = 8 };

extern const tn_options ground_options; /* a small journal, little patience */

void ground_make(void); /* all numbers are 0; it is closed */
tn_store *ground_open(void);
void ground_set(tn_segment *w, int i, uint64_t value);
uint64_t ground_get(const tn_segment *view, int i);

/* One transaction that sets number i; and a number as a new reader of the
 * handle sees it. */
tn_status ground_commit(tn_store *store, int i, uint64_t value);
uint64_t ground_read(tn_store *store, int i);

/* The checker finds nothing in what a new reader sees. */
void ground_sound(tn_store *store);

/* Run work(arg) in another process, which is not to close what it opened, and
 * wait for its end: its exit status, or minus the signal. */
int ground_elsewhere(int (*work)(void *arg), void *arg);

/* --- Operations ----------------------------------------------------------- */

/* From now on note operations, by short names: a letter for the file, S the
 * store, J the journal, D a directory, and one for the operation:
 *
 *     Sw  Jw   write to the segment, or to records
 *     Sh  Jh   write to the first page, or to a header
 *     Ss  Js   sync      Ds  sync of the directory
 *     Sa  Ja   allocate  Sp  punch a hole
 *
 * Other operations are not noted. */
void ground_note(void);
const char *ground_noted(void); /* since ground_note(), with blanks between */

/* Is part in what was noted, its words in this order but not side by side? */
bool ground_order(const char *part);
int ground_count(const char *what);

/* Refuse the n-th operation of this name from now on (0: the next) with this
 * errno, or with ground_die kill the process there; all: and those after it. */
enum { ground_die = -1 };
void ground_refuse(const char *what, int n, int number, bool all);
void ground_allow(void);

/* Call back at the next operation of this name. */
void ground_interrupt(const char *what, void (*call)(void *arg), void *arg);

#endif
