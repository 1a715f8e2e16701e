/* test_descriptor.c - read and write what the caller has opened
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/faults.h"
#include "os/descriptor.h"

TestSuite(descriptor, .timeout = 20);

enum { MUCH = 300000 };

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 31 >> 3);
}

struct pair {
    int fds[2];
};

/* In pieces, with pauses; a pipe holds far less than all of it. */
static int write_much(struct child *parent, void *arg)
{
    struct pair *pipes = arg;
    unsigned char bytes[1000];

    (void)parent;
    for (size_t i = 0; i < MUCH; i += sizeof(bytes)) {
        for (size_t j = 0; j < sizeof(bytes); j++)
            bytes[j] = byte_at(i + j);
        if (descriptor_write(pipes->fds[1], bytes, sizeof(bytes)) != TN_OK)
            return 1;
    }
    return 0;
}

static void read_all(struct pair *pipes)
{
    static unsigned char bytes[MUCH + 1000];
    size_t got;

    cr_assert(eq(int,
                 descriptor_read(pipes->fds[0], bytes, sizeof(bytes), &got),
                 TN_OK));
    cr_assert(eq(sz, got, MUCH));
    for (size_t i = 0; i < MUCH; i++)
        cr_assert(eq(u8, bytes[i], byte_at(i)));
    cr_assert(eq(int, descriptor_read(pipes->fds[0], bytes, 1, &got), TN_OK));
    cr_expect(eq(sz, got, 0));
}

static void exchange(int flags)
{
    struct pair pipes;
    struct child c;

    cr_assert(eq(int, pipe2(pipes.fds, flags), 0));
    child_start(&c, write_much, &pipes);
    close(pipes.fds[1]);
    read_all(&pipes);
    cr_expect(eq(int, child_wait(&c), 0));
    close(pipes.fds[0]);
}

Test(descriptor, passes_all_bytes_through_a_pipe)
{
    exchange(0);
}

Test(descriptor, waits_for_one_that_does_not_block)
{
    exchange(O_NONBLOCK);
}

Test(descriptor, says_what_the_system_says)
{
    struct pair pipes;
    size_t got = 7;
    char byte = 0;

    signal(SIGPIPE, SIG_IGN);
    cr_assert(eq(int, pipe(pipes.fds), 0));
    cr_expect(ne(int, descriptor_read(pipes.fds[1], &byte, 1, &got), TN_OK));
    cr_expect(ne(int, descriptor_write(pipes.fds[0], &byte, 1), TN_OK));
    cr_expect(eq(sz, got, 7));
    close(pipes.fds[0]);
    cr_expect(ne(int, descriptor_write(pipes.fds[1], &byte, 1), TN_OK));
    close(pipes.fds[1]);
    cr_expect(ne(int, descriptor_write(-1, &byte, 1), TN_OK));

    faults_refuse_all(FAULT_WRITE, ENOSPC);
    cr_expect(eq(int, descriptor_write(1, "", 1), TN_ENOSPC));
    faults_refuse_all(FAULT_READ, EIO);
    cr_expect(eq(int, descriptor_read(0, &byte, 1, &got), TN_EIO));
    cr_expect(faults_end());
}
