/* fault.c - tests only: watch, refuse or die at a file operation
 *
 *     file_write()  ->  fault_point()  ->  hook(arg, event)
 *          |                 |                  returns 0: go on
 *          v                 v                  an errno:  fail with it
 *       pwrite()        no hook: go on          not at all: the process died
 *
 * The hook is the process's own, and a forked child inherits it.  Setting it
 * while another thread is inside the library is allowed: that thread sees the
 * old hook with its argument or the new one with its own, because both are read
 * under one lock.  Operations that the hook itself makes in its thread are not
 * shown to it again, so that it may use os/ to write down what it saw.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/fault.h"

#include <pthread.h>
#include <stdbool.h>

fault_hook *fault_active;

static void *argument;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool inside;

void fault_set_hook(fault_hook *hook, void *arg)
{
    pthread_mutex_lock(&guard);
    argument = arg;
    __atomic_store_n(&fault_active, hook, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&guard);
}

/* The lock is not held while the hook runs: it may fork, wait or never come
 * back. */
int fault_call(const struct fault_event *event)
{
    fault_hook *hook;
    void *arg;
    int refused;

    if (inside)
        return 0;
    pthread_mutex_lock(&guard);
    hook = fault_active;
    arg = argument;
    pthread_mutex_unlock(&guard);
    if (hook == NULL)
        return 0;

    inside = true;
    refused = hook(arg, event);
    inside = false;
    return refused;
}
