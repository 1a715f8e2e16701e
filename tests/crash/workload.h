/* workload.h - steps of several handles on one store, and what they may see
 *
 * The model knows for every commit that was tried what the store holds after
 * it, as one number.  Of these candidates the ones from floor on may be what is
 * there: floor is the last one that was acknowledged, or shown to anybody.
 *
 * The model lies in memory that processes share, so that one that is killed has
 * said what it was about to commit.  Only one process makes steps at a time.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef CRASH_WORKLOAD_H
#define CRASH_WORKLOAD_H

#include <tenon.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WORK_HANDLES = 4, /* the last one only reads */
    WORK_READER = WORK_HANDLES - 1,
    WORK_CANDIDATES = 1024,
};

struct work_model {
    size_t count, floor, failures;
    size_t made;    /* the last one whose commit was answered with TN_OK */
    int tail_owner; /* handle that committed without a sync last; -1: none */
    unsigned step;  /* the one that is being made */
    uint64_t candidates[WORK_CANDIDATES];
};
extern struct work_model *work;

/* What failures are told about: the program, and how to see it again. */
extern const char *work_program;
extern char work_replay[100];
extern bool work_stop; /* end at the first failure */

/* The store and the model as they are at the start; seed decides all steps. */
void work_begin(const char *path, uint64_t seed);

/* Make step number i of the workload with this handle of the process.  Failures
 * of the library are forgiven if faults are expected: true, the step was
 * refused. */
bool work_step(int handle, unsigned i);
extern bool work_faults;

/* Who makes step i? */
int work_handle_of(unsigned i);

/* Judge what is seen in a view; alone: a handle may see its own unsynced
 * commits.  What others may see now can never be lost again. */
void work_judge(const tn_segment *view, const char *who, bool alone);

/* The views of this process that are open still show what they did. */
void work_judge_open_views(void);

/* Others are dead or have closed: read, write and close with what is open in
 * this process, open new handles, in an order that depends on random, and end
 * with a closed store. */
void work_aftermath(uint64_t random);

/* Close what is open in this process, whatever that answers. */
void work_close_all(void);

/* Set while the test itself uses the library to look: no faults then. */
extern bool work_judging;

/* Forget the handles of this process without closing them. */
void work_forget(void);

void work_fail(const char *who, const char *what);

#endif
