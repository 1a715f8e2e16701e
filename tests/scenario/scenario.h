/* scenario.h - what the scenario programs use to claim something
 *
 * Each program is an example of how the library is used, by one process or by
 * several, and exits with 0 only if everything it claims is true.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <tenon.h>

#include <stdio.h>
#include <stdlib.h>

/* End the program unless the condition is true. */
#define CLAIM(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__,       \
                    #condition);                                               \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

/* End the program unless the call answers so. */
#define ANSWERS(call, expected)                                                \
    do {                                                                       \
        tn_status answer_ = (call);                                            \
        if (answer_ != (expected)) {                                           \
            fprintf(stderr, "%s:%d: %s\n    answers %d (%s; %s), not %d\n",    \
                    __FILE__, __LINE__, #call, answer_, tn_strerror(answer_),  \
                    tn_errmsg(), (int)(expected));                             \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

#define OK(call) ANSWERS(call, TN_OK)

/* What a checker found wrong goes to stderr: for tn_segment_check(). */
static inline void print_finding(void *arg, const tn_finding *f)
{
    (void)arg;
    fprintf(stderr, "%s %s at %llu%s%s: %s\n", f->layer, f->rule,
            (unsigned long long)f->offset, f->object != NULL ? ", " : "",
            f->object != NULL ? f->object : "", f->what);
}

/* Everything in the segment is sound. */
#define SOUND(seg) OK(tn_segment_check(seg, print_finding, NULL))

#endif
