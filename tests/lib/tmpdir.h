/* tmpdir.h - a directory of the test's own, removed with all that is in it
 *
 *     tmpdir_enter();       made below $TMPDIR or /tmp, and the working one
 *     ...                   relative names are enough
 *     tmpdir_leave();
 *
 * A process that does not get to leave, because it was killed or stopped by
 * its time limit, has its directory removed all the same.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TESTS_LIB_TMPDIR_H
#define TESTS_LIB_TMPDIR_H

/* Make it and go there; return its absolute path.  One at a time. */
const char *tmpdir_enter(void);

/* Go to / and remove it.  Nothing happens where none was entered, as in a
 * child of the process that did. */
void tmpdir_leave(void);

/* The number of names in the working directory, hidden ones included. */
int tmpdir_names(void);

#endif
