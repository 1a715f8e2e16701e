/* image.h - what the commands about snapshots share
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_TOOL_IMAGE_H
#define TENON_TOOL_IMAGE_H

#include <stdbool.h>

#include <tenon.h>

/* Parse a number of threads or a level, from 1 up to most; 0: it is none. */
unsigned count_parse(const char *text, unsigned most);

/* Print what a snapshot is, as a line for people or as a JSON object. */
void snapshot_print(const char *path, const tn_snapshot_info *info, bool json);

/* Print a digest as xxh128sum does. */
void digest_print(const unsigned char digest[16]);

/* The progress function: shows bytes.  Start with *arg 0, a uint64_t. */
bool snapshot_progress(void *arg, uint64_t done, uint64_t total);

/* Open a store or a snapshot as it is now, verified, to look at all of it. */
tn_status contents_open(tn_store **out, const char *path);

/* As complain_status(), where the file is a snapshot. */
int complain_snapshot(const char *path, tn_status status);

#endif
