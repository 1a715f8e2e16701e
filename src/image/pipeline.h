/* pipeline.h - chunks that several threads work on and one takes in order
 *
 *     while ((slot = pipeline_room(p)) != NULL)
 *         ... say what is to be done; pipeline_feed(p);
 *     slot = pipeline_take(p);            the oldest, when it is done
 *     ... use it; pipeline_release(p);
 *
 * One thread feeds and takes; it works too while it would have to wait.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef IMAGE_PIPELINE_H
#define IMAGE_PIPELINE_H

#include "base/digest.h"
#include "image/compress.h"
#include "image/layout.h"

#include <stdbool.h>

enum { PIPELINE_THREADS = 32 }; /* the most; each takes 1.5 MiB */

/* One chunk under way. */
struct slot {
    uint64_t number;
    char *bytes; /* room for IMAGE_CHUNK */
    size_t size;
    char *frame; /* room for compress_bound() */
    size_t frame_size;
    struct digest128 digest; /* of the bytes */
    uint64_t encoded;        /* digest of the frame */
    struct digest128 wanted; /* the base's, if has_wanted */
    bool has_wanted;
    bool zero;     /* all of its bytes are; neither bytes nor frame count */
    bool left_out; /* it is as the base has it */
    bool from_base;
    tn_status status;
    char why[512]; /* if status is not TN_OK */
};

/* What a thread has for itself. */
struct worker {
    struct coder *coder;
    char *scratch; /* IMAGE_CHUNK bytes */
};

/* Works on a slot; what it returns becomes the slot's status, and its words are
 * kept. */
typedef tn_status pipeline_work(void *arg, struct worker *worker,
                                struct slot *slot);

struct pipeline;

/* threads 0: as many as there are processors.  chunks is how many there will be
 * in all: no more than that are under way at once.  TN_ENOMEM. */
tn_status pipeline_open(struct pipeline **out, unsigned threads,
                        uint64_t chunks, pipeline_work *work, void *arg);
void pipeline_close(struct pipeline *p);

/* The next slot to be fed; NULL: take some first. */
struct slot *pipeline_room(struct pipeline *p);
void pipeline_feed(struct pipeline *p);

/* The oldest slot that was fed, worked on; NULL: there is none.  It is the
 * caller's until pipeline_release(). */
struct slot *pipeline_take(struct pipeline *p);
void pipeline_release(struct pipeline *p);

#endif
