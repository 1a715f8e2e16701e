/* tenon.h - everything a program that uses Tenon includes
 *
 *     #include <tenon.h>
 *     #include <stdio.h>
 *
 *     struct counter { long runs; };
 *
 *     int main(void)
 *     {
 *         tn_store *store;
 *         tn_segment *seg;
 *         struct counter *c;
 *         long runs;
 *
 *         if (tn_store_open(&store, "runs.tn", TN_DURABLE | TN_CREATE, NULL) ||
 *             tn_begin(store, &seg) ||
 *             tn_find_or_construct(seg, "counter", TN_TYPE(struct counter), 1,
 *                                  NULL, (void **)&c, NULL))
 *             return fprintf(stderr, "%s\n", tn_errmsg()), 1;
 *         runs = ++c->runs;
 *         if (tn_commit(store))
 *             return fprintf(stderr, "%s\n", tn_errmsg()), 1;
 *         printf("run number %ld\n", runs);
 *         return tn_store_close(store) != TN_OK;
 *     }
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_H
#define TENON_H

#define TN_VERSION "0.1.0"

#include "tenon/status.h"  /* error codes and their texts */
#include "tenon/ptr.h"     /* pointers that survive remapping */
#include "tenon/segment.h" /* allocate; construct, find, destroy by name */
#include "tenon/store.h"   /* a segment in a file: create, open, save */
#include "tenon/check.h"   /* verify a store */
#include "tenon/repair.h"  /* salvage what a damaged store holds */
#include "tenon/dump.h"    /* every layer of a store in words */
#include "tenon/show.h"    /* names as people may see them */
#include "tenon/image.h"   /* snapshots: write, restore, verify */
#include "tenon/lock.h"    /* locks on files */

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library in use, as TN_VERSION was when it was built. */
TN_API const char *tn_version(void);

#ifdef __cplusplus
}
#endif
#endif
