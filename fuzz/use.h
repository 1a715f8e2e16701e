/* use.h - use a store as a program would that knows nothing of it
 *
 * What passed a check must be safe to use by every call, and be sound
 * afterwards.  Where it is not, these stop the program.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef FUZZ_USE_H
#define FUZZ_USE_H

#include <tenon.h>

/* Look at everything in the segment by every call that changes nothing.
 * Returns a sum over all objects and their contents, in no order. */
uint64_t use_look(const tn_segment *seg);

/* Use every call that changes the segment, too: nothing of what was there gets
 * other contents, until in the end all of it is destroyed. */
void use_change(tn_segment *seg);

/* Open the store for this access with TN_VERIFY, and use it; what is left
 * behind must pass a check.  Returns what opening answered. */
tn_status use_store(const char *path, unsigned flags);

/* Check the file and then do that: what the check finds sound must open, and
 * what it finds unsafe must not.  What it refuses is repaired, unless flags has
 * this too; that takes longer than all the rest. */
enum { USE_NO_REPAIR = 0x1000 };
void use_file(const char *path, unsigned flags);

/* What these open stores with: small, and not patient. */
extern const tn_options use_options;

#endif
