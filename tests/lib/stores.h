/* stores.h - a small store whose contents are known, and ways to hurt its file
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TESTS_LIB_STORES_H
#define TESTS_LIB_STORES_H

#include "store/layout.h"
#include "tenon.h"

#include <stdbool.h>

enum {
    STORES_SIZE = 64 * 1024,
    STORES_MAX = 4 * 1024 * 1024,
    STORES_OBJECTS = 40,
};

struct stores_item {
    uint64_t number, twice;
};
extern const tn_type stores_item;

/* Sizes as above, and a second of patience. */
extern const tn_options stores_options;

/* Make the store of this index and fill it: raw memory, anonymous objects, a
 * unique one and STORES_OBJECTS named "item/000" and so on.  It is closed. */
void stores_make(const char *path, tn_index index);

/* Are they all there, with what was put into them?  What is not is printed. */
bool stores_holds(const tn_segment *seg);

/* Open it shared with TN_VERIFY and these flags too, find all that was put in,
 * close it, and check the file.  What is wrong is printed. */
bool stores_sound(const char *path, unsigned flags);

/* Can this be the answer to an operation on a store? */
bool stores_documented(tn_status status);

/* Bytes of a file; they must be there. */
void stores_read(const char *path, void *bytes, size_t size, uint64_t offset);
void stores_write(const char *path, const void *bytes, size_t size,
                  uint64_t offset);
size_t stores_length(const char *path);

/* The file becomes these bytes. */
void stores_put(const char *path, const void *bytes, size_t size);

/* Read its superblock; write it with its digest set right. */
void stores_superblock(const char *path, struct superblock *out);
void stores_reseal(const char *path, struct superblock *sb);

uint64_t stores_state(const char *path);
void stores_set_state(const char *path, uint64_t state);

/* Use the store as a program would that knows nothing of it: find, iterate,
 * allocate, free, construct, destroy. */
void stores_use(tn_segment *seg);

/* Leave it as a killed process does that had it open shared. */
void stores_abandon(const char *path);

/* Start a child that runs work(arg) and is killed just before its n-th file
 * operation. */
struct child;
struct stores_victim {
    int n;
    int (*work)(void *arg);
    void *arg;
};
void stores_start_victim(struct child *c, struct stores_victim *victim);

/* Run work(arg) in a child that is killed just before its n-th file operation:
 * true; false: it came to its end before that, with exit status 0.  Anything
 * else ends the test. */
bool stores_killed_at(int n, int (*work)(void *arg), void *arg);

#endif
