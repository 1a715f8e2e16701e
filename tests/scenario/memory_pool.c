/* memory_pool.c - one process allocates memory, another one gives it back
 *
 * What goes from one to the other is a handle, in the arguments of the second:
 * each process maps the store where it likes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "scenario.h"

#include "lib/again.h"
#include "lib/tmpdir.h"

#include <inttypes.h>
#include <string.h>

static const char path[] = "pool.tn";

static int give_back(const char *handle)
{
    tn_store *store;
    tn_segment *seg;
    char *message;

    OK(tn_store_open(&store, path, TN_SHARED, NULL));
    seg = tn_store_segment(store);
    message = tn_at(seg, strtoull(handle, NULL, 10));
    CLAIM(message != NULL);
    CLAIM(strcmp(message, "to whom it may concern") == 0);
    CLAIM(tn_usable_size(seg, message) >= 1024);
    OK(tn_free(seg, message));
    ANSWERS(tn_free(seg, message), TN_EINVAL);
    OK(tn_store_close(store));
    return 0;
}

int main(int argc, char **argv)
{
    const tn_options options = {.size = 64 * 1024};
    size_t free_before;
    tn_store *store;
    tn_segment *seg;
    char handle[32];
    char *message;

    if (argc == 2)
        return give_back(argv[1]);

    tmpdir_enter();
    OK(tn_store_open(&store, path, TN_SHARED | TN_CREATE | TN_EXCLUSIVE,
                     &options));
    seg = tn_store_segment(store);
    free_before = tn_free_bytes(seg);
    message = tn_alloc(seg, 1024);
    CLAIM(message != NULL);
    strcpy(message, "to whom it may concern");
    CLAIM(tn_free_bytes(seg) <= free_before - 1024);
    CLAIM(!tn_all_free(seg));

    snprintf(handle, sizeof(handle), "%" PRIu64, tn_handle_of(seg, message));
    CLAIM(again(handle, NULL) == 0);

    CLAIM(tn_free_bytes(seg) == free_before);
    CLAIM(tn_all_free(seg));
    SOUND(seg);
    OK(tn_store_close(store));
    tmpdir_leave();
    return 0;
}
