/* version.c - the version that was built
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tenon.h"

TN_API const char *tn_version(void)
{
    return TN_VERSION;
}
