/* exhibit.c - stores that use every structure, and what is in them
 *
 * Items are objects of many types and raw memory, named, anonymous and unique.
 * The first commit makes them, the second destroys every fourth, so that memory
 * is in pieces and waits in lists, and makes a few anew; from then on each
 * commit rewrites every third item.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "exhibit.h"

#include <stdio.h>
#include <string.h>

#include "ground.h"

enum { TYPES = 12 };

static const tn_type count_type = {"count of commits", 8, 8, NULL, NULL};

static const tn_index kinds[EXHIBITS] = {TN_INDEX_MAP, TN_INDEX_ISET,
                                         TN_INDEX_FLAT_MAP, TN_INDEX_HASH,
                                         TN_INDEX_NULL};

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

static uint64_t item_random(const struct exhibit *e, int i)
{
    return mix(e->seed * 1000003 + (uint64_t)e->number * 1009 + (uint64_t)i);
}

/* --- Contents ------------------------------------------------------------- */

/* The last commit up to this one that wrote the item. */
static uint64_t writer_of(int i, uint64_t commit)
{
    while (commit > 2 && commit % 3 != (uint64_t)i % 3)
        commit--;
    return commit > 2 ? commit : 1;
}

static unsigned char byte_of(const struct exhibit *e, int i, uint64_t writer,
                             size_t at)
{
    return (unsigned char)(mix(item_random(e, i) ^ writer << 32) >> at % 8 * 8);
}

static void write_item(const struct exhibit *e, tn_segment *w, int i,
                       uint64_t writer)
{
    const struct exhibit_item *item = &e->items[i];
    unsigned char *p = tn_at(w, item->handle);

    for (size_t at = 0; at < item->bytes; at++)
        p[at] = byte_of(e, i, writer, at);
}

static bool item_holds(const struct exhibit *e, const tn_segment *view, int i,
                       uint64_t writer)
{
    const struct exhibit_item *item = &e->items[i];
    const unsigned char *p = tn_at(view, item->handle);
    void *found;

    if (item->name[0] != '\0' &&
        (tn_find(view, item->name, NULL, &found, NULL) != TN_OK || found != p))
        return false;
    for (size_t at = 0; at < item->bytes; at++)
        if (p[at] != byte_of(e, i, writer, at))
            return false;
    return true;
}

/* --- Items ---------------------------------------------------------------- */

static void *make_raw(struct exhibit_item *item, tn_segment *w, uint64_t r)
{
    item->raw = true;
    item->bytes = 1 + r % 900;
    return r % 7 == 0 ? tn_alloc_aligned(w, item->bytes, 256)
                      : tn_alloc(w, item->bytes);
}

static void *make_object(const struct exhibit *e, struct exhibit_item *item,
                         tn_segment *w, int i, uint64_t r)
{
    char type_name[64];
    size_t size = 1 + r / 64 % TYPES * 7, count = 1 + r / 4096 % 9;
    tn_type type = {type_name, size, 1, NULL, NULL};
    const char *name = TN_ANONYMOUS;
    void *p = NULL;

    snprintf(type_name, sizeof(type_name), "struct of %zu bytes", size);
    if (kinds[e->number] != TN_INDEX_NULL && r % 8 != 0) {
        snprintf(item->name, sizeof(item->name), "%s/%04x/item %d",
                 r % 3 == 0 ? "user" : "group of users",
                 (unsigned)(r >> 20 & 0xffff), i);
        name = item->name;
    }
    item->bytes = size * count;
    OK(tn_construct(w, name, &type, count, NULL, &p));
    return p;
}

static void make_item(struct exhibit *e, tn_segment *w, int i)
{
    struct exhibit_item *item = &e->items[i];
    uint64_t r = item_random(e, i);
    void *p;

    memset(item, 0, sizeof(*item));
    p = i % 5 == 0 ? make_raw(item, w, r) : make_object(e, item, w, i, r);
    CLAIM(p != NULL);
    item->handle = tn_handle_of(w, p);
    write_item(e, w, i, 1);
}

static void destroy_item(struct exhibit *e, tn_segment *w, int i)
{
    struct exhibit_item *item = &e->items[i];

    if (item->raw)
        OK(tn_free(w, tn_at(w, item->handle)));
    else
        OK(tn_destroy_ptr(w, tn_at(w, item->handle), NULL));
    item->bytes = 0;
}

/* --- Commits -------------------------------------------------------------- */

static void make_all(struct exhibit *e, tn_segment *w)
{
    bool names = kinds[e->number] != TN_INDEX_NULL;
    void *p;

    OK(tn_construct(w, names ? TN_UNIQUE : TN_ANONYMOUS, &count_type, 1, NULL,
                    &p));
    e->count = tn_handle_of(w, p);
    for (int i = 0; i < EXHIBIT_ITEMS; i++)
        make_item(e, w, i);
}

static void break_up(struct exhibit *e, tn_segment *w)
{
    for (int i = 3; i < EXHIBIT_ITEMS; i += 4)
        destroy_item(e, w, i);
    for (int i = 3; i < EXHIBIT_ITEMS; i += 16)
        make_item(e, w, i);
}

void exhibit_commit(struct exhibit *e, tn_store *store)
{
    tn_segment *w;

    OK(tn_begin(store, &w));
    e->commit++;
    if (e->commit == 1)
        make_all(e, w);
    else if (e->commit == 2)
        break_up(e, w);
    for (int i = 0; e->commit > 2 && i < EXHIBIT_ITEMS; i++)
        if (writer_of(i, e->commit) == e->commit)
            write_item(e, w, i, e->commit);
    *(uint64_t *)tn_at(w, e->count) = e->commit;
    OK(tn_commit(store));
}

void exhibit_make(struct exhibit *e, const char *path, int number,
                  uint64_t seed)
{
    tn_options options = {.size = EXHIBIT_SIZE,
                          .max_size = 64 * EXHIBIT_SIZE,
                          .index = kinds[number],
                          .fit = number % 2 == 0 ? TN_FIT_BEST : TN_FIT_SEQ,
                          .journal_size = 64 * 1024};
    tn_store *store;

    *e = (struct exhibit){.number = number, .seed = seed};
    OK(tn_store_open(&store, path, TN_DURABLE | TN_CREATE | TN_EXCLUSIVE,
                     &options));
    for (int i = 0; i < EXHIBIT_COMMITS; i++)
        exhibit_commit(e, store);
    OK(tn_store_close(store));
}

/* --- Looking -------------------------------------------------------------- */

bool exhibit_holds(const struct exhibit *e, const tn_segment *view,
                   uint64_t first, uint64_t last)
{
    uint64_t commit = *(const uint64_t *)tn_at(view, e->count);

    if (commit < first || commit > last) {
        printf("commit %llu is shown\n", (unsigned long long)commit);
        return false;
    }
    for (int i = 0; i < EXHIBIT_ITEMS; i++) {
        if (e->items[i].bytes == 0 ||
            item_holds(e, view, i, writer_of(i, commit)))
            continue;
        printf("item %d (%s) is not what it was\n", i, e->items[i].name);
        return false;
    }
    return true;
}
