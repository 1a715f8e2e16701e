/* faults.c - make the n-th file operation fail, and look for what was left
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/faults.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANY = FAULT_OPS };

static struct {
    int op;     /* or ANY */
    int before; /* operations still to pass */
    int number;
    bool all; /* not once only */
    bool happened;
    enum fault_op last;
    int seen[FAULT_OPS];
} plan;

static int refuse(void *arg, const struct fault_event *event)
{
    (void)arg;
    plan.seen[event->op]++;
    if (plan.op != ANY && plan.op != (int)event->op)
        return 0;
    if (!plan.all && (plan.happened || plan.before-- > 0))
        return 0;
    plan.happened = true;
    plan.last = event->op;
    return plan.number;
}

static void begin(int op, int before, int number)
{
    memset(&plan, 0, sizeof(plan));
    plan.op = op;
    plan.before = before;
    plan.number = number;
    fault_set_hook(refuse, NULL);
}

void faults_refuse(int n, int number)
{
    begin(ANY, n, number);
}

void faults_refuse_op(enum fault_op op, int n, int number)
{
    begin((int)op, n, number);
}

void faults_refuse_all(enum fault_op op, int number)
{
    begin((int)op, 0, number);
    plan.all = true;
}

bool faults_end(void)
{
    fault_set_hook(NULL, NULL);
    return plan.happened;
}

enum fault_op faults_last(void)
{
    return plan.last;
}

int faults_seen(enum fault_op op)
{
    return plan.seen[op];
}

int faults_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    if (directory == NULL) {
        perror("/proc/self/fd");
        abort();
    }
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 3; /* . and .. and the directory's own */
}
