/* again.h - run this program again in another process, as what it is told
 *
 *     int main(int argc, char **argv)
 *     {
 *         if (argc > 1)
 *             return reader(argv[1]);
 *         ...
 *         status = again("store.tn", NULL);
 *
 * Unlike a forked child (child.h), the other process shares nothing with this
 * one but the working directory.  It does not outlive it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TESTS_LIB_AGAIN_H
#define TESTS_LIB_AGAIN_H

/* Run it with these arguments, NULL behind the last one, and wait: its exit
 * status, or a signal's number, negated. */
int again(const char *argument, ...) __attribute__((sentinel));

#endif
