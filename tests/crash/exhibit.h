/* exhibit.h - stores that use every structure, and what is in them
 *
 * What an exhibit holds follows from its number, its seed and how many commits
 * were made, so that whoever looks at a damaged one can tell wrong bytes from
 * right ones.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef CRASH_EXHIBIT_H
#define CRASH_EXHIBIT_H

#include <tenon.h>

#include <stdbool.h>
#include <stdint.h>

enum {
    EXHIBITS = 5, /* one for each kind of index; two of them fit seq */
    EXHIBIT_ITEMS = 120,
    EXHIBIT_SIZE = 96 * 1024, /* bytes of the file */
    EXHIBIT_COMMITS = 4,      /* that exhibit_make() makes */
};

struct exhibit {
    int number;
    uint64_t seed;
    uint64_t commit; /* how many there were */
    tn_handle count; /* an object that holds commit */
    struct exhibit_item {
        char name[64]; /* "": it has none */
        tn_handle handle;
        size_t bytes; /* 0: it was destroyed */
        bool raw;
    } items[EXHIBIT_ITEMS];
};

/* Make the store at path and close it. */
void exhibit_make(struct exhibit *e, const char *path, int number,
                  uint64_t seed);

/* One commit more. */
void exhibit_commit(struct exhibit *e, tn_store *store);

/* Does the view show what the exhibit holds after one of these commits?  Prints
 * what it does not. */
bool exhibit_holds(const struct exhibit *e, const tn_segment *view,
                   uint64_t first, uint64_t last);

#endif
