/* workload.c - steps of several handles on one store, and what they may see
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/digest.h"
#include "store/durable.h"

enum { OBJECTS = 12, FINDINGS = 3, SMALL_LIMIT = 256 * 1024 };

struct work_model *work;
const char *work_program = "workload";
char work_replay[100];
bool work_stop, work_faults, work_judging;

static char store_path[4096];
static uint64_t seed, state;

static struct handle {
    tn_store *store;
    const tn_segment *view;
    uint64_t digest; /* of what the view showed when it began */
} handles[WORK_HANDLES];

static const char *const names[WORK_HANDLES] = {"handle 0", "handle 1",
                                                "handle 2", "the reader"};

/* --- Numbers -------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static size_t below(size_t n)
{
    state += UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mix(state) % n);
}

int work_handle_of(unsigned i)
{
    return (int)(mix(seed * 1000003 + i) % WORK_HANDLES);
}

/* --- What must hold ------------------------------------------------------- */

void work_fail(const char *who, const char *what)
{
    printf("%s: %s: %s: %s; step %u, candidates %zu to %zu; again: %s\n",
           work_program, who, what, tn_errmsg(), work->step, work->floor,
           work->count - 1, work_replay);
    if (++work->failures >= 10 || work_stop)
        exit(1);
}

/* One number for all names and contents. */
static uint64_t digest_of(const tn_segment *view)
{
    uint64_t digest = 1;
    tn_object object;
    tn_iter *iter;

    work_judging = true;
    if (tn_iter_open(view, TN_KIND_NAMED, NULL, &iter) != TN_OK)
        return 0;
    while (tn_iter_next(iter, &object)) {
        digest = digest * 31 + digest64(object.name, object.name_length);
        digest =
            digest * 31 + digest64(object.address, object.count * object.size);
    }
    tn_iter_close(iter);
    work_judging = false;
    return digest;
}

static void print_finding(void *arg, const tn_finding *finding)
{
    int *left = arg;

    if ((*left)-- > 0)
        printf("%s: %s %s at %#lx: %s\n", work_program, finding->layer,
               finding->rule, (unsigned long)finding->offset, finding->what);
}

void work_judge(const tn_segment *view, const char *who, bool alone)
{
    int left = FINDINGS;
    uint64_t digest;
    tn_status status;

    work_judging = true;
    status = tn_segment_check(view, print_finding, &left);
    work_judging = false;
    if (status != TN_OK) {
        work_fail(who, "the checker finds something");
        return;
    }
    digest = digest_of(view);
    for (size_t i = work->count; i-- > work->floor;)
        if (work->candidates[i] == digest) {
            if (!alone)
                work->floor = i;
            return;
        }
    work_fail(who, "what it sees is none of the commits that it may be");
}

static void add_candidate(uint64_t digest)
{
    if (work->count == WORK_CANDIDATES) {
        memmove(work->candidates, work->candidates + work->floor,
                (work->count - work->floor) * sizeof(digest));
        work->count -= work->floor;
        work->made -= work->made < work->floor ? work->made : work->floor;
        work->floor = 0;
    }
    work->candidates[work->count] = digest;
    work->count++;
}

void work_judge_open_views(void)
{
    for (int i = 0; i < WORK_HANDLES; i++)
        if (handles[i].view != NULL &&
            digest_of(handles[i].view) != handles[i].digest)
            work_fail(names[i], "its view has changed");
}

/* --- Handles -------------------------------------------------------------- */

/* Refusals of the system are not answered with a complaint about the store or
 * about the caller. */
static bool is_honest(tn_status status)
{
    return status == TN_ENOMEM || status == TN_ENOSPC || status == TN_EIO ||
           status == TN_EBUSY || status == TN_EACCES || status == TN_EROFS ||
           status == TN_EJOURNAL || status == TN_ENOENT || status == TN_ESYS ||
           (status == TN_ENOTSUP && getenv("TENON_TRACKER") != NULL);
}

static bool refused(const char *who, const char *what, tn_status status)
{
    if (status == TN_OK)
        return false;
    if (!work_faults || !is_honest(status))
        work_fail(who, what);
    return true;
}

static bool open_handle(int i)
{
    tn_options options = {.journal_size = 65536,
                          .debug = TN_DEBUG_HINTS |
                                   (seed % 2 != 0 ? TN_DEBUG_GUARD : 0),
                          .lock_timeout_ms = 1};
    unsigned access = i == WORK_READER ? TN_READ_ONLY : TN_DURABLE;
    struct handle *h = &handles[i];
    tn_store *store = NULL;

    if (refused(names[i], "it cannot open the store",
                tn_store_open(&store, store_path, access, &options)))
        return true;
    h->store = store;
    if (i == WORK_READER) {
        h->view = tn_store_segment(store);
        h->digest = digest_of(h->view);
        work_judge(h->view, names[i], false);
    } else {
        store->durable->journal_limit = SMALL_LIMIT;
    }
    return false;
}

static bool end_view(int i)
{
    struct handle *h = &handles[i];
    bool failed = false;

    if (h->view != NULL && i != WORK_READER)
        failed = refused(names[i], "it cannot end its view",
                         tn_read_end(h->store, h->view));
    h->view = NULL;
    return failed;
}

static bool close_handle(int i)
{
    struct handle *h = &handles[i];
    bool failed = end_view(i);
    tn_store *store = h->store;

    h->store = NULL;
    return refused(names[i], "it cannot close the store",
                   tn_store_close(store)) ||
           failed;
}

void work_close_all(void)
{
    for (int i = 0; i < WORK_HANDLES; i++)
        if (handles[i].store != NULL)
            close_handle(i);
}

void work_forget(void)
{
    memset(handles, 0, sizeof(handles));
}

void work_begin(const char *path, uint64_t s)
{
    tn_options options = {.size = 65536, .index = 1 + s % 4};
    const tn_segment *view;
    tn_store *store;

    if (work == NULL)
        work = mmap(NULL, sizeof(*work), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (work == MAP_FAILED)
        exit(2);
    snprintf(store_path, sizeof(store_path), "%s", path);
    seed = s;
    work->count = work->floor = work->made = 0;
    work->tail_owner = -1;
    work->step = 0;
    work_forget();
    if (tn_store_open(&store, path, TN_DURABLE | TN_CREATE | TN_EXCLUSIVE,
                      &options) != TN_OK ||
        tn_read_begin(store, &view) != TN_OK) {
        printf("%s: %s\n", work_program, tn_errmsg());
        exit(2);
    }
    add_candidate(digest_of(view));
    tn_read_end(store, view);
    if (tn_store_close(store) != TN_OK)
        work_fail("the maker", "it cannot close the store");
}

/* --- Steps ---------------------------------------------------------------- */

/* As a transaction must that was begun with TN_HINTED. */
static void store_byte(tn_segment *w, char *p, char byte)
{
    tn_touch(w, p, 1);
    *p = byte;
}

static void change_object(tn_segment *w, size_t i)
{
    char name[16], *bytes;
    size_t size;

    snprintf(name, sizeof(name), "object%zu", i);
    if (tn_find(w, name, TN_BYTES, (void **)&bytes, &size) != TN_OK)
        tn_construct(w, name, TN_BYTES,
                     1 + below(below(12) == 0 ? 100000 : 3000), NULL, NULL);
    else if (below(4) == 0)
        tn_destroy(w, name, TN_BYTES);
    else
        for (size_t n = 1 + below(20); n > 0; n--)
            store_byte(w, &bytes[below(size)], (char)below(256));
}

static bool commit(int i, tn_segment *w)
{
    unsigned flags = below(4) == 0 ? TN_NO_SYNC : 0;
    tn_store *store = handles[i].store;
    tn_status status;

    add_candidate(digest_of(w));
    status = tn_commit_with(store, flags);
    if (status == TN_OK) {
        work->tail_owner = flags != 0 ? i : -1;
        work->made = work->count - 1;
        if (flags == 0)
            work->floor = work->count - 1;
        return false;
    }
    if (status == TN_EIO) { /* it may have been made */
        refused(names[i], "it cannot commit", status);
        return true;
    }
    work->count--;
    if (status != TN_EBUSY)
        refused(names[i], "it cannot commit", status);
    return refused(names[i], "it cannot roll back", tn_rollback(store)) ||
           status != TN_EBUSY;
}

static bool write_something(int i)
{
    tn_segment *w;

    if (refused(
            names[i], "it cannot write",
            tn_begin_with(handles[i].store, below(2) == 0 ? TN_HINTED : 0, &w)))
        return true;
    work_judge(w, names[i], work->tail_owner == i);
    for (size_t n = 1 + below(4); n > 0; n--)
        change_object(w, below(OBJECTS));
    if (below(8) != 0)
        return commit(i, w);
    return refused(names[i], "it cannot roll back",
                   tn_rollback(handles[i].store));
}

static bool read_something(int i)
{
    struct handle *h = &handles[i];
    const tn_segment *view;

    if (h->view != NULL && i != WORK_READER)
        return end_view(i);
    if (refused(names[i], "it cannot read", tn_read_begin(h->store, &view)))
        return true;
    work_judge(view, names[i], false);
    if (i == WORK_READER)
        return refused(names[i], "it cannot end its view",
                       tn_read_end(h->store, view));
    h->view = view;
    h->digest = digest_of(view);
    return false;
}

static bool sync_with(int i, const char *what, tn_status status)
{
    if (refused(names[i], what, status))
        return true;
    work->tail_owner = -1;
    if (work->made > work->floor)
        work->floor = work->made;
    return false;
}

/* Readers may keep it from making holes; what it commits is not to be seen. */
static bool trim(int i)
{
    tn_status status = tn_trim(handles[i].store, NULL);

    return status != TN_EBUSY && sync_with(i, "it cannot trim", status);
}

bool work_step(int i, unsigned number)
{
    tn_status status;

    state = mix(seed + UINT64_C(0x100000001) * number);
    work->step = number;
    if (handles[i].store == NULL)
        return open_handle(i);
    if (i == WORK_READER)
        return below(2) == 0 ? read_something(i) : close_handle(i);
    switch (below(16)) {
    case 0:
    case 1:
        return close_handle(i);
    case 2:
    case 3:
    case 4:
        return read_something(i);
    case 5:
        status = tn_checkpoint(handles[i].store);
        return status != TN_EBUSY && refused(names[i], "no checkpoint", status);
    case 6:
        return sync_with(i, "it cannot sync", tn_sync(handles[i].store));
    case 7:
        return trim(i);
    default:
        return write_something(i);
    }
}

/* --- After a death -------------------------------------------------------- */

static void look_with_new_handle(unsigned access, const char *who)
{
    tn_options options = {.lock_timeout_ms = 1};
    const tn_segment *view;
    tn_store *store;

    if (tn_store_open(&store, store_path, access, &options) != TN_OK) {
        work_fail(who, "it cannot open the store");
        return;
    }
    if (tn_read_begin(store, &view) != TN_OK) {
        work_fail(who, "it cannot read");
    } else {
        work_judge(view, who, false);
        tn_read_end(store, view);
    }
    if (tn_store_close(store) != TN_OK)
        work_fail(who, "it cannot close the store");
}

static void go_on(int i)
{
    if (handles[i].store == NULL)
        open_handle(i);
    if (handles[i].store == NULL)
        return;
    if (below(2) == 0)
        read_something(i);
    if (i != WORK_READER)
        write_something(i);
}

void work_aftermath(uint64_t random)
{
    state = mix(random);
    if (work->tail_owner >= 0 && handles[work->tail_owner].store == NULL)
        work->tail_owner = -1; /* it died: the next writer adopts it */
    for (size_t n = 4 + below(4); n > 0; n--) {
        switch (below(4)) {
        case 0:
            look_with_new_handle(TN_READ_ONLY, "a new reader");
            break;
        case 1:
            look_with_new_handle(TN_DURABLE, "a new handle");
            break;
        default:
            go_on(WORK_HANDLES - 1 - (int)below(2));
        }
        work_judge_open_views();
    }
    work_close_all();
    look_with_new_handle(TN_DURABLE | TN_VERIFY, "the last opener");
    if (work->floor != work->count - 1)
        work->count = work->floor + 1; /* nothing else can come back */
    look_with_new_handle(TN_READ_ONLY | TN_VERIFY, "the last reader");
}
