/* snapshots.c - a small store as a snapshot in memory, and ways to hurt it
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/snapshots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "lib/stores.h"

const char snapshots_secret[] = "a secret that was freed";

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s: %s\n", what, tn_errmsg());
    abort();
}

tn_status memory_write(void *arg, const void *bytes, size_t size)
{
    struct memory *m = arg;

    m->bytes = realloc(m->bytes, m->size + size);
    require(m->bytes != NULL, "memory");
    memcpy(m->bytes + m->size, bytes, size);
    m->size += size;
    return TN_OK;
}

tn_status memory_read(void *arg, void *bytes, size_t size, size_t *got)
{
    struct memory *m = arg;

    *got = m->size - m->at < size ? m->size - m->at : size;
    memcpy(bytes, m->bytes + m->at, *got);
    m->at += *got;
    return TN_OK;
}

void memory_free(struct memory *m)
{
    free(m->bytes);
    *m = (struct memory){0};
}

/* Pieces of many sizes, full of the secret, half of them given back: in quick
 * lists, bins and the tree. */
static void leave_secrets(tn_segment *seg)
{
    char *pieces[64];

    for (int i = 0; i < 64; i++) {
        size_t size = 24 + (size_t)i * i;

        pieces[i] = tn_alloc(seg, size);
        require(pieces[i] != NULL, "tn_alloc");
        for (size_t at = 0; at < size; at++)
            pieces[i][at] =
                snapshots_secret[at % (sizeof(snapshots_secret) - 1)];
    }
    for (int i = 0; i < 64; i++) {
        if (i % 2 == 0)
            memset(pieces[i], 'x', tn_usable_size(seg, pieces[i]));
        else
            require(tn_free(seg, pieces[i]) == TN_OK, "tn_free");
    }
}

void snapshots_make(const char *path, tn_index index)
{
    tn_store *store;
    tn_segment *seg;

    stores_make(path, index);
    require(tn_store_open(&store, path, TN_DURABLE, &stores_options) == TN_OK,
            path);
    for (int i = 0; i < 3; i++) {
        require(tn_begin(store, &seg) == TN_OK, "tn_begin");
        leave_secrets(seg);
        require(tn_commit(store) == TN_OK, "tn_commit");
    }
    require(tn_store_close(store) == TN_OK, path);
}

struct memory snapshots_take(const char *path,
                             const tn_snapshot_options *options)
{
    struct memory m = {0};
    tn_store *store;

    require(tn_store_open(&store, path, TN_READ_ONLY, NULL) == TN_OK, path);
    require(tn_snapshot_write_to(store, memory_write, &m, options, NULL) ==
                TN_OK,
            path);
    require(tn_store_close(store) == TN_OK, path);
    return m;
}

tn_status snapshots_verify(struct memory *m)
{
    tn_snapshot_options options = {.threads = 1};

    m->at = 0;
    return tn_snapshot_verify_from(memory_read, m, &options, NULL);
}

tn_status snapshots_restore(struct memory *m, const char *path)
{
    tn_snapshot_options options = {.threads = 1};

    m->at = 0;
    return tn_snapshot_restore_from(memory_read, m, path, &options, NULL);
}

struct image_header *snapshots_header(struct memory *m)
{
    return (struct image_header *)(m->bytes + sizeof(struct image_frame));
}

void snapshots_reseal(struct memory *m)
{
    struct image_header *header = snapshots_header(m);

    header->digest = digest64(header, offsetof(struct image_header, digest));
}

bool snapshots_shows(const void *bytes, size_t size)
{
    return memmem(bytes, size, snapshots_secret,
                  sizeof(snapshots_secret) - 1) != NULL;
}
