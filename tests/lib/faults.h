/* faults.h - make the n-th file operation fail, and look for what was left
 *
 *     for (int n = 0; faults_refuse(n, EIO), call() != TN_OK; n++)
 *         ...                            nothing changed, nothing left open
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TESTS_LIB_FAULTS_H
#define TESTS_LIB_FAULTS_H

#include "os/fault.h"

#include <stdbool.h>

/* From now on, fail the operation before which n others happen with number. */
void faults_refuse(int n, int number);

/* The same, counting only operations of this kind. */
void faults_refuse_op(enum fault_op op, int n, int number);

/* Fail all operations of this kind. */
void faults_refuse_all(enum fault_op op, int number);

/* No more faults; was there one since they were asked for? */
bool faults_end(void);

/* The kind of the operation that failed last, and how many were seen of a kind
 * since faults were asked for. */
enum fault_op faults_last(void);
int faults_seen(enum fault_op op);

/* The number of descriptors that this process has open. */
int faults_descriptors(void);

#endif
