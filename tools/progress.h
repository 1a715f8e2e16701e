/* progress.h - a line on the terminal for what takes longer than a second
 *
 *     progress_start("loading");
 *     progress_add(0, 4096);
 *     ...
 *     progress_stop();
 *
 * The line goes to stderr, and only if that is a terminal.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_PROGRESS_H
#define TENON_PROGRESS_H

#include <stddef.h>

/* Something begins; what is its name, such as "loading". */
void progress_start(const char *what);

/* Something else is going on from now on; returns what it was. */
const char *progress_change(const char *what);

/* So many more objects and bytes are done. */
void progress_add(size_t objects, size_t bytes);

/* It is over; the line is gone. */
void progress_stop(void);

/* Clear the line, before something else is written; it comes back. */
void progress_hide(void);

#endif
