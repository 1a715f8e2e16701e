/* status.c - texts of the status codes, and the detail of the last failure
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/assert.h"
#include "base/error.h"
#include "base/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char detail[1024];

static const char *const texts[] = {
    [-TN_OK] = "done",
    [-TN_EINVAL] = "an argument makes no sense",
    [-TN_ENOMEM] = "there is not enough room or memory",
    [-TN_ENOSPC] = "there is no space left",
    [-TN_EEXIST] = "it exists already",
    [-TN_ENOENT] = "it does not exist",
    [-TN_ETYPE] = "the object has another type",
    [-TN_EBUSY] = "it is in use",
    [-TN_ETIMEDOUT] = "the time was up",
    [-TN_ECORRUPT] = "the store is damaged",
    [-TN_ENOTSTORE] = "this is not a store",
    [-TN_EVERSION] = "the store is of a format that this version cannot use",
    [-TN_EDIRTY] = "the machine went down while the store was in shared use",
    [-TN_EJOURNAL] = "the store and its journal do not belong together",
    [-TN_EROFS] = "this view may only be read",
    [-TN_EACCES] = "permission denied",
    [-TN_EIO] = "reading or writing failed",
    [-TN_ESIZE] = "the size is wrong",
    [-TN_ENOTSUP] = "this is not supported here",
    [-TN_EDEADLK] = "waiting for this would never end",
    [-TN_EPERM] = "only the owner may do this",
    [-TN_ESYS] = "the system refused",
    [-TN_ECANCELED] = "stopped on request",
};

TN_API const char *tn_strerror(tn_status status)
{
    int index = -(int)status;

    if (index < 0 || index >= (int)(sizeof(texts) / sizeof(texts[0])))
        return "unknown status";
    return texts[index];
}

TN_API const char *tn_errmsg(void)
{
    return detail;
}

tn_status error_set(tn_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    return status;
}

tn_status error_prefix(tn_status status, const char *format, ...)
{
    char behind[sizeof(detail)];
    char text[sizeof(detail) / 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    memcpy(behind, detail, sizeof(behind));
    return error_set(status, "%s: %s", text, behind);
}

static tn_status status_of_errno(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return TN_ENOENT;
    case EEXIST:
        return TN_EEXIST;
    case EACCES:
    case EPERM:
        return TN_EACCES;
    case EROFS:
        return TN_EROFS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return TN_ENOSPC;
    case ENOMEM:
        return TN_ENOMEM;
    case EIO:
        return TN_EIO;
    case EBUSY:
    case ETXTBSY:
        return TN_EBUSY;
    case EINVAL:
    case EISDIR:
    case ENAMETOOLONG:
        return TN_EINVAL;
    case ENOSYS:
    case EOPNOTSUPP:
        return TN_ENOTSUP;
    default:
        return TN_ESYS;
    }
}

tn_status error_from_errno(int number, const char *format, ...)
{
    char text[768];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return error_set(status_of_errno(number), "%s: %s", text, strerror(number));
}

void report_add(struct report *report, const char *rule, uint64_t offset,
                const char *object, const char *format, ...)
{
    char what[512];
    va_list arguments;
    tn_finding finding = {.rule = rule,
                          .layer = report->layer,
                          .offset = offset,
                          .object = object,
                          .what = what};

    report->findings++;
    if (report->fn == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    report->fn(report->arg, &finding);
}

_Noreturn void assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "tenon: %s:%d: this must hold: %s\n", file, line, what);
    abort();
}
