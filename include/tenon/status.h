/* status.h - what a call answers, and what a checker reports
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_STATUS_H
#define TENON_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TN_API __attribute__((visibility("default")))

/* TN_OK is 0, every failure is negative.  A call that fails has changed
 * nothing and has written none of its outputs. */
typedef enum tn_status {
    TN_OK = 0,
    TN_EINVAL = -1,     /* an argument makes no sense */
    TN_ENOMEM = -2,     /* no room in the segment, or no memory */
    TN_ENOSPC = -3,     /* the disk or a limit on file sizes is full */
    TN_EEXIST = -4,     /* the name or file is there already */
    TN_ENOENT = -5,     /* there is no such name or file */
    TN_ETYPE = -6,      /* the object has another type */
    TN_EBUSY = -7,      /* somebody else uses it in a way that excludes this */
    TN_ETIMEDOUT = -8,  /* the deadline passed */
    TN_ECORRUPT = -9,   /* the bytes are damaged */
    TN_ENOTSTORE = -10, /* the file is not a store */
    TN_EVERSION = -11,  /* made by a newer version, or for another machine */
    TN_EDIRTY = -12,    /* the machine went down while the store was shared */
    TN_EJOURNAL = -13,  /* the journal is missing or belongs elsewhere */
    TN_EROFS = -14,     /* the view may only be read */
    TN_EACCES = -15,    /* permission denied */
    TN_EIO = -16,       /* the device failed; see tn_errmsg() */
    TN_ESIZE = -17,     /* too small, too large, or shorter than it says */
    TN_ENOTSUP = -18,   /* not offered here, or by this index or kernel */
    TN_EDEADLK = -19,   /* waiting would never end */
    TN_EPERM = -20,     /* not the owner */
    TN_ESYS = -21,      /* another refusal of the system; see tn_errmsg() */
    TN_ECANCELED = -22, /* a callback asked to stop */
} tn_status;

/* Return one sentence about status, never NULL.  Any thread. */
TN_API const char *tn_strerror(tn_status status);

/* Return the details of the last failure in this thread: the file, the offset
 * or object and the system's own reason; "" if there was none.  The text is
 * valid until the thread's next call into the library. */
TN_API const char *tn_errmsg(void);

/* One thing that a checker found wrong. */
typedef struct tn_finding {
    const char *rule;    /* the broken invariant, such as "H2" */
    const char *layer;   /* "superblock", "journal", "segment", "heap", "index"
                            or "page sums" */
    uint64_t offset;     /* bytes from the start of the segment; layers
                            superblock and journal: of their file */
    const char *object;  /* name of the object concerned, or NULL */
    const char *what;    /* one sentence */
    const char *meaning; /* what it means for whoever uses the store */
    const char *help;    /* what to do about it; this and the former may be NULL
                            where only a segment was checked */
} tn_finding;

/* Called once a finding, which is valid during the call only. */
typedef void tn_report_fn(void *arg, const tn_finding *finding);

/* Called now and then during a call that takes long, in the thread that made
 * it: done of total bytes.  false: give up; that call answers TN_ECANCELED. */
typedef bool tn_progress_fn(void *arg, uint64_t done, uint64_t total);

#ifdef __cplusplus
}
#endif
#endif
