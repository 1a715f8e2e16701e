/* descriptor.c - read and write what the caller has opened, from where it is
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "os/descriptor.h"

#include "base/error.h"
#include "os/fault.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* One that does not block is waited for. */
static int wait_for(int fd, short what)
{
    struct pollfd ready = {.fd = fd, .events = what};

    return poll(&ready, 1, -1) < 0 && errno != EINTR ? errno : 0;
}

/* What read() or write() answered: 0, also when it is to be tried again, or an
 * errno. */
static int judge(ssize_t n, int fd, short what)
{
    if (n >= 0 || errno == EINTR)
        return 0;
    return errno == EAGAIN || errno == EWOULDBLOCK ? wait_for(fd, what) : errno;
}

tn_status descriptor_read(int fd, void *buffer, size_t size, size_t *got)
{
    char *p = buffer;
    size_t done = 0;
    ssize_t n = 1;

    while (done < size && n != 0) {
        int number = fault_point(
            &(struct fault_event){.op = FAULT_READ, .size = size - done});

        if (number == 0) {
            n = read(fd, p + done, size - done);
            number = judge(n, fd, POLLIN);
        }
        if (number != 0)
            return error_from_errno(number, "cannot read");
        if (n > 0)
            done += (size_t)n;
    }
    *got = done;
    return TN_OK;
}

tn_status descriptor_write(int fd, const void *bytes, size_t size)
{
    const char *p = bytes;

    while (size > 0) {
        ssize_t n = 0;
        int number = fault_point(
            &(struct fault_event){.op = FAULT_WRITE, .size = size, .data = p});

        if (number == 0) {
            n = write(fd, p, size);
            number = judge(n, fd, POLLOUT);
        }
        if (number != 0)
            return error_from_errno(number, "cannot write");
        if (n > 0) {
            p += n;
            size -= (size_t)n;
        }
    }
    return TN_OK;
}
