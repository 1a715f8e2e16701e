/* power.c - cut the power at every operation, and look at what is left
 *
 *     power [--images N] [--seed S] [--all] [--stop]
 *
 * A workload commits, rolls back, grows, reads, closes and opens again, by two
 * handles, with syncs that fail now and then.  Before each operation that
 * changes what a cut may leave, disks are made that it may leave (disk.c), each
 * with other marks in it, and on each of them
 *
 *   - a read-only opener and then a durable one must open the store,
 *   - what they see must be one of the commits, not older than the last one
 *     that was acknowledged or shown to somebody,
 *   - the checker must find nothing, and the store must take a new commit.
 *
 * The durable opener's own operations are cut in turn, to a depth of three.
 *
 * In some transactions a second thread waits for its turn.  It gets it when the
 * first one syncs, and writes its record meanwhile: what the first sync does
 * not cover.  One of the two threads always waits for the other, so that this
 * is as repeatable as all else.
 *
 * Workload and cuts follow from the seed alone: the same seed and number of
 * images give the same run.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tenon.h>

#include "base/digest.h"
#include "disk.h"
#include "os/region.h"
#include "store/durable.h"
#include "store/layout.h"
#include "store/sums.h"

enum {
    OBJECTS = 12,
    DEEPEST = 3,
    CANDIDATES = 4096,
    DIGITS = 64,
    ALL_LIMIT = 4096, /* combinations that are tried one by one */
};

/* --- What must hold ------------------------------------------------------ */

/* What the store may be: digests of its contents after each commit since the
 * last that must not be lost. */
static uint64_t candidates[CANDIDATES];
static size_t candidate_count, candidate_floor;

static uint64_t images, wanted = 10000, distinct, seed = 1, steps;
static bool all_combinations, stop_at_first;
static size_t failures;
static char root[PATH_MAX];

static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static size_t below(size_t n)
{
    return (size_t)(random_next() % n);
}

static void fail(const char *where, const char *what)
{
    printf("power: %s: %s: %s (seed %lu, image %lu; candidates %zu to %zu)\n",
           where, what, tn_errmsg(), (unsigned long)seed, (unsigned long)images,
           candidate_floor, candidate_count - 1);
    if (failures++ >= 10 || stop_at_first)
        exit(1);
}

/* One number for all names and contents. */
static uint64_t digest_of(const tn_segment *view)
{
    uint64_t digest = 1;
    tn_object object;
    tn_iter *iter;

    if (tn_iter_open(view, TN_KIND_NAMED, NULL, &iter) != TN_OK)
        return 0;
    while (tn_iter_next(iter, &object)) {
        digest = digest * 31 + digest64(object.name, object.name_length);
        digest =
            digest * 31 + digest64(object.address, object.count * object.size);
    }
    tn_iter_close(iter);
    return digest;
}

static bool is_candidate(uint64_t digest)
{
    for (size_t i = candidate_floor; i < candidate_count; i++)
        if (candidates[i] == digest)
            return true;
    return false;
}

static void count_finding(void *arg, const tn_finding *finding)
{
    (void)arg;
    printf("power: %s %s at %#lx: %s\n", finding->layer, finding->rule,
           (unsigned long)finding->offset, finding->what);
}

static void judge_view(const tn_segment *view, const char *who)
{
    struct report report = {.fn = count_finding};

    sums_check(view, &report);
    if (tn_segment_check(view, count_finding, NULL) != TN_OK ||
        report.findings != 0)
        fail(who, "the checker finds something");
    else if (!is_candidate(digest_of(view)))
        fail(who, "what it sees is none of the commits it may be");
}

/* --- Looking at what a cut left ------------------------------------------ */

static void clear_directory(const char *path)
{
    char name[PATH_MAX + NAME_MAX + 2];
    DIR *d = opendir(path);
    struct dirent *entry;

    if (d == NULL) {
        mkdir(path, 0700);
        return;
    }
    while ((entry = readdir(d)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0) {
            snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
            unlink(name);
        }
    closedir(d);
}

static void directory_at(char out[PATH_MAX], size_t depth)
{
    snprintf(out, PATH_MAX, "%.4000s/cut%zu", root, depth);
}

/* The page with the marks may have been written back at any time of the boot
 * that ended. */
static void spoil_marks(const char *path)
{
    struct marks marks = {.boot = mark_seal(region_boot_id() ^ 1),
                          .synced = mark_seal(1 + below(8)),
                          .applied = mark_seal(below(2)),
                          .generation = mark_seal(1 + below(4)),
                          .journal = mark_seal(random_next() | 1)};
    int fd = open(path, O_WRONLY);

    if (fd < 0)
        return;
    if (pwrite(fd, &marks, sizeof(marks), STORE_MARKS_OFF) !=
        (ssize_t)sizeof(marks))
        abort();
    close(fd);
}

static void print_finding(void *arg, const tn_finding *finding)
{
    (void)arg;
    printf("%s %s at %llu: %s\n", finding->layer, finding->rule,
           (unsigned long long)finding->offset, finding->what);
}

/* What a power cut leaves is no damage. */
static void look_closely(const char *path)
{
    tn_check_options full = {.depth = TN_CHECK_FULL, .threads = 1};

    if (tn_check_file(path, &full, print_finding, NULL) != TN_OK)
        fail("a checker", tn_errmsg());
}

static void look_read_only(const char *path)
{
    tn_store *store;

    if (tn_store_open(&store, path, TN_READ_ONLY, NULL) != TN_OK) {
        fail("a reader", "it cannot open the store");
        return;
    }
    judge_view(tn_store_segment(store), "a reader");
    tn_store_close(store);
    look_closely(path);
}

static void try_cuts(size_t depth, size_t count);

static int cut_again(void *arg, const char *what)
{
    size_t depth = *(size_t *)arg;

    (void)what;
    if (below(3) == 0)
        try_cuts(depth + 1, 1);
    return 0;
}

static void look_durable(const char *path, size_t depth)
{
    tn_options options = {.journal_size = 65536};
    const tn_segment *view;
    tn_segment *w;
    tn_store *store;

    if (tn_store_open(&store, path, TN_DURABLE, &options) != TN_OK) {
        fail("a durable opener", "it cannot open the store");
        return;
    }
    (void)depth;
    if (tn_read_begin(store, &view) == TN_OK) {
        judge_view(view, "a durable opener");
        tn_read_end(store, view);
    } else {
        fail("a durable opener", "it cannot read");
    }
    if (below(4) == 0) {
        if (tn_begin(store, &w) != TN_OK)
            fail("a durable opener", "it cannot write");
        else if (tn_construct(w, TN_ANONYMOUS, TN_BYTES, 100, NULL, NULL) !=
                     TN_OK ||
                 tn_commit(store) != TN_OK)
            fail("a durable opener", "it cannot commit");
    }
    if (tn_store_close(store) != TN_OK)
        fail("a durable opener", "it cannot close the store");
}

/* Open it with its own operations recorded, and cut those too. */
static void look_durable_and_cut(const char *directory, const char *path,
                                 size_t depth)
{
    if (depth >= DEEPEST || below(8) != 0) {
        look_durable(path, depth);
        return;
    }
    disk_start(directory);
    disk_load();
    disk_on_step(cut_again, &depth);
    look_durable(path, depth);
}

/* Digits of a number whose places have as many values as the choices that were
 * asked for: counting it up goes through all combinations. */
struct odometer {
    size_t digit[DIGITS], radix[DIGITS], place;
};

static size_t choose_random(void *arg, size_t n)
{
    size_t style = *(size_t *)arg;

    if (style == 0)
        return n - 1; /* everything reached the disk */
    if (style == 1)
        return 0; /* nothing did */
    if (style == 2)
        return below(4) == 0 ? below(n) : n - 1;
    return below(n);
}

static size_t choose_next(void *arg, size_t n)
{
    struct odometer *o = arg;
    size_t place = o->place++;

    if (place >= DIGITS)
        return n - 1;
    o->radix[place] = n;
    return o->digit[place];
}

static bool count_up(struct odometer *o)
{
    for (size_t i = 0; i < o->place && i < DIGITS; i++) {
        if (++o->digit[i] < o->radix[i])
            return true;
        o->digit[i] = 0;
    }
    return false;
}

/* A set of hashes. */
struct set {
    uint64_t *table;
    size_t size, count;
};

static bool add_hash(struct set *set, uint64_t hash)
{
    size_t i;

    hash |= 1; /* 0 is free */
    if (4 * set->count >= 3 * set->size) {
        struct set larger = {.size = set->size == 0 ? 65536 : 2 * set->size};

        larger.table = calloc(larger.size, sizeof(larger.table[0]));
        if (larger.table == NULL)
            abort();
        for (i = 0; i < set->size; i++)
            if (set->table[i] != 0)
                add_hash(&larger, set->table[i]);
        free(set->table);
        *set = larger;
    }
    for (i = hash % set->size; set->table[i] != 0 && set->table[i] != hash;)
        i = (i + 1) % set->size;
    if (set->table[i] == hash)
        return false;
    set->table[i] = hash;
    set->count++;
    return true;
}

/* The same disk is judged again where a later commit must be on it. */
static bool is_judged(uint64_t hash)
{
    static struct set judged;

    return !add_hash(&judged, hash ^ candidates[candidate_floor] *
                                         UINT64_C(0x9e3779b97f4a7c15));
}

static void try_one(size_t depth, disk_choose_fn *choose, void *arg)
{
    static struct set seen;
    char directory[PATH_MAX], path[PATH_MAX + 16];
    struct stat st;
    uint64_t hash = disk_choose(choose, arg);

    images++;
    if (is_judged(hash))
        return;
    distinct += add_hash(&seen, hash);
    directory_at(directory, depth);
    clear_directory(directory);
    snprintf(path, sizeof(path), "%s/store", directory);
    disk_write(directory);
    disk_push();
    if (stat(path, &st) == 0) {
        spoil_marks(path);
        look_read_only(path);
        spoil_marks(path);
        look_durable_and_cut(directory, path, depth);
    } else {
        fail("a cut", "the store is gone");
    }
    disk_pop();
}

static void try_cuts(size_t depth, size_t count)
{
    if (all_combinations && depth == 0 && disk_choices() <= 12) {
        struct odometer o = {0};
        size_t done = 0;

        do {
            o.place = 0;
            try_one(depth, choose_next, &o);
        } while (count_up(&o) && ++done < ALL_LIMIT);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t style = depth == 0 && i < 3 ? i : 2 + below(2);

        try_one(depth, choose_random, &style);
    }
}

/* --- The workload -------------------------------------------------------- */

enum { HANDLES = 2 };

static tn_store *handles[HANDLES];
static const tn_segment *reading[HANDLES];
static int tail_owner = -1; /* the handle that committed with TN_NO_SYNC last */
static size_t failing;      /* syncs that will fail: 1 in so many; 0: none */
static size_t cuts_a_step = 6;

/* The second thread of a pair, and the first one's commit. */
static struct {
    bool on, parked;
    bool may_go, done; /* the second thread may store; it has committed */
    int handle;
    size_t first, second; /* candidates */
    uint64_t number;      /* of the first one's commit */
    tn_status status;
    unsigned flags;
    pthread_t thread;
} pair;

static unsigned look(const struct durable *d, const unsigned *count)
{
    unsigned value;

    pthread_mutex_lock((pthread_mutex_t *)&d->turn_lock);
    value = *count;
    pthread_mutex_unlock((pthread_mutex_t *)&d->turn_lock);
    return value;
}

/* The first thread syncs: let the second one go on until it waits for that. */
static void during(void *arg, const char *what, const char *path)
{
    const struct durable *d;

    (void)arg;
    if (!pair.on || pair.parked || strcmp(what, "sync") != 0 ||
        strstr(path, "-journal") == NULL)
        return;
    d = handles[pair.handle]->durable;
    if (look(d, &d->promises) == 0)
        return; /* it has kept the turn */
    pair.parked = true;
    pair.number = d->promised;
    __atomic_store_n(&pair.may_go, true, __ATOMIC_RELEASE);
    while (look(d, &d->sync_queue.count) == 0 &&
           !__atomic_load_n(&pair.done, __ATOMIC_ACQUIRE))
        usleep(20);
}

static int step(void *arg, const char *what)
{
    (void)arg;
    steps++;
    if (pair.on && pair.parked && pair.first > candidate_floor &&
        mark_load(&handles[pair.handle]->durable->marks->synced) >= pair.number)
        candidate_floor = pair.first; /* the first one may have returned */
    try_cuts(0, cuts_a_step);
    if (pair.on && failing != 0 && strcmp(what, "sync") == 0 && below(3) == 0)
        return EIO;
    if (failing != 0 && strcmp(what, "sync") == 0 && below(failing) == 0)
        return EIO;
    return 0;
}

static void add_candidate(uint64_t digest)
{
    if (candidate_count == CANDIDATES) {
        memmove(candidates, candidates + candidate_floor,
                (candidate_count - candidate_floor) * sizeof(candidates[0]));
        candidate_count -= candidate_floor;
        candidate_floor = 0;
    }
    if (candidate_count < CANDIDATES)
        candidates[candidate_count++] = digest;
}

/* Somebody saw this, or was told that it is safe: it must not be lost.  Only a
 * handle's own unsynced commits are still its alone. */
static void shown(uint64_t digest, const char *who, bool alone)
{
    for (size_t i = candidate_count; i-- > candidate_floor;)
        if (candidates[i] == digest) {
            if (!alone)
                candidate_floor = i;
            return;
        }
    fail(who, "it is shown what was never committed");
}

/* What was not adopted after a crash or failure can never come back. */
static void only(uint64_t digest)
{
    candidates[0] = digest;
    candidate_count = 1;
    candidate_floor = 0;
}

static void open_handle(int i, const char *path)
{
    tn_options options = {
        .journal_size = 65536, .debug = TN_DEBUG_HINTS, .lock_timeout_ms = 1};
    tn_status status = tn_store_open(&handles[i], path, TN_DURABLE, &options);

    if (status != TN_OK && failing == 0)
        fail("the workload", "a handle cannot be opened");
    if (status != TN_OK)
        handles[i] = NULL;
}

static void close_handle(int i)
{
    if (reading[i] != NULL)
        tn_read_end(handles[i], reading[i]);
    reading[i] = NULL;
    if (handles[i] != NULL)
        tn_store_close(handles[i]);
    handles[i] = NULL;
}

/* After a failure: close everything, open again without faults, and see. */
static void restart(const char *path)
{
    size_t fault_rate = failing;
    const tn_segment *view;

    failing = 0;
    tail_owner = -1;
    for (int i = 0; i < HANDLES; i++)
        close_handle(i);
    for (int i = 0; i < HANDLES; i++)
        open_handle(i, path);
    if (handles[0] != NULL && tn_read_begin(handles[0], &view) == TN_OK) {
        uint64_t digest = digest_of(view);

        shown(digest, "the workload after a restart", false);
        only(digest);
        tn_read_end(handles[0], view);
    }
    failing = fault_rate;
}

/* As a transaction must that was begun with TN_HINTED. */
static void store_byte(tn_segment *w, char *p, char byte)
{
    tn_touch(w, p, 1);
    *p = byte;
}

/* Now and then large and full, so that freeing and trimming it makes zeros that
 * are not written. */
static void make_object(tn_segment *w, const char *name)
{
    size_t large = below(8) == 0 ? 90000 : 0;
    size_t size = 1 + below(below(8) == 0 ? 12000 : 300) + large;
    void *bytes;

    if (tn_construct(w, name, TN_BYTES, size, NULL, &bytes) == TN_OK && large)
        memset(bytes, 1 + (int)below(255), size);
}

static void change_object(tn_segment *w, size_t i)
{
    char name[16], *bytes;
    size_t size;

    snprintf(name, sizeof(name), "object%zu", i);
    if (tn_find(w, name, TN_BYTES, (void **)&bytes, &size) != TN_OK)
        make_object(w, name);
    else if (below(4) == 0)
        tn_destroy(w, name, TN_BYTES);
    else
        for (size_t n = 1 + below(20); n > 0; n--)
            store_byte(w, &bytes[below(size)], (char)random_next());
}

static void write_something(int i, const char *path)
{
    unsigned flags = below(3) == 0 ? TN_NO_SYNC : 0;
    tn_segment *w;
    uint64_t digest;
    tn_status status =
        tn_begin_with(handles[i], below(2) == 0 ? TN_HINTED : 0, &w);

    if (status != TN_OK) {
        restart(path);
        return;
    }
    shown(digest_of(w), "a writer", tail_owner == i);
    for (size_t n = 1 + below(4); n > 0; n--)
        change_object(w, below(OBJECTS));
    if (below(10) == 0) {
        tn_rollback(handles[i]);
        return;
    }
    digest = digest_of(w);
    add_candidate(digest);
    status = tn_commit_with(handles[i], flags);
    if (status == TN_OK)
        tail_owner = flags != 0 ? i : -1;
    if (status == TN_OK && flags == 0)
        candidate_floor = candidate_count - 1;
    else if (status == TN_EBUSY) { /* the journal is full, readers are in */
        candidate_count--;
        tn_rollback(handles[i]);
    } else if (status != TN_OK)
        restart(path);
}

static void *write_second(void *unused)
{
    int i = pair.handle;
    tn_segment *w;

    (void)unused;
    pair.status = tn_begin(handles[i], &w);
    while (!__atomic_load_n(&pair.may_go, __ATOMIC_ACQUIRE))
        usleep(20);
    if (pair.status == TN_OK) {
        shown(digest_of(w), "the second writer", true);
        for (size_t n = 1 + below(3); n > 0; n--)
            change_object(w, below(OBJECTS));
        if (below(6) == 0) {
            pair.status = tn_rollback(handles[i]);
        } else {
            add_candidate(digest_of(w));
            pair.second = candidate_count - 1;
            pair.status = tn_commit_with(handles[i], pair.flags);
        }
    }
    if (pair.status == TN_EBUSY)
        tn_rollback(handles[i]);
    __atomic_store_n(&pair.done, true, __ATOMIC_RELEASE);
    return NULL;
}

/* What both of them were told. */
static void judge_pair(int i, tn_status status, const char *path)
{
    size_t last = candidate_count - 1;

    if (status == TN_OK && pair.first > candidate_floor)
        candidate_floor = pair.first;
    if (pair.status == TN_OK && pair.second != 0 && pair.flags == 0)
        candidate_floor = last;
    tail_owner =
        pair.status == TN_OK && pair.second != 0 && pair.flags != 0 ? i : -1;
    if (pair.status == TN_EBUSY && pair.second != 0)
        candidate_count--;
    if ((status != TN_OK && status != TN_EBUSY) ||
        (pair.status != TN_OK && pair.status != TN_EBUSY))
        restart(path);
}

static void write_pair(int i, const char *path)
{
    struct durable *d = handles[i]->durable;
    tn_segment *w;
    tn_status status = tn_begin(handles[i], &w);

    if (status != TN_OK) {
        restart(path);
        return;
    }
    shown(digest_of(w), "a writer", tail_owner == i);
    change_object(w, below(OBJECTS));
    add_candidate(digest_of(w));
    memset(&pair, 0, sizeof(pair));
    pair.handle = i;
    pair.first = candidate_count - 1;
    pair.flags = below(4) == 0 ? TN_NO_SYNC : 0;
    if (pthread_create(&pair.thread, NULL, write_second, NULL) != 0)
        abort();
    while (look(d, &d->turn_queue.count) == 0)
        usleep(20);
    pair.on = true;
    disk_on_during(during, NULL);
    status = tn_commit(handles[i]);
    if (status == TN_EBUSY)
        tn_rollback(handles[i]);
    __atomic_store_n(&pair.may_go, true, __ATOMIC_RELEASE);
    pthread_join(pair.thread, NULL);
    pair.on = false;
    disk_on_during(NULL, NULL);
    judge_pair(i, status, path);
}

static void read_something(int i)
{
    if (reading[i] != NULL) {
        tn_read_end(handles[i], reading[i]);
        reading[i] = NULL;
    } else if (tn_read_begin(handles[i], &reading[i]) == TN_OK) {
        shown(digest_of(reading[i]), "a reader of the workload", false);
    } else {
        reading[i] = NULL;
    }
}

/* Its commits are synced like any, and change nothing that is seen. */
static void trim(int i, const char *path)
{
    tn_status status = tn_trim(handles[i], NULL);

    if (status == TN_OK) {
        tail_owner = -1;
        candidate_floor = candidate_count - 1;
    } else if (status != TN_EBUSY) {
        restart(path);
    }
}

static void do_something(const char *path)
{
    int i = (int)below(HANDLES);

    if (handles[i] == NULL) {
        open_handle(i, path);
        return;
    }
    switch (below(16)) {
    case 0:
        close_handle(i);
        break;
    case 1:
    case 2:
    case 3:
        read_something(i);
        break;
    case 4:
        if (tn_checkpoint(handles[i]) == TN_EIO)
            restart(path);
        break;
    case 5:
        tail_owner = -1;
        if (tn_sync(handles[i]) == TN_OK)
            candidate_floor = candidate_count - 1;
        else
            restart(path);
        break;
    case 6:
        trim(i, path);
        break;
    case 7:
    case 8:
        if (candidate_count < CANDIDATES - 4) /* or their numbers change */
            write_pair(i, path);
        break;
    default:
        write_something(i, path);
    }
}

static void run(uint64_t run_seed)
{
    char directory[PATH_MAX], path[PATH_MAX + 16];
    tn_options options = {.size = 65536, .index = 1 + run_seed % 4};
    tn_store *store;

    tail_owner = -1;
    random_state = run_seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    failing = run_seed % 2 == 0 ? 40 : 0;
    snprintf(directory, sizeof(directory), "%.4000s/live", root);
    clear_directory(directory);
    snprintf(path, sizeof(path), "%s/store", directory);
    if (tn_store_open(&store, path, TN_SHARED | TN_CREATE, &options) != TN_OK)
        fail("the workload", "the store cannot be made");
    only(digest_of(tn_store_segment(store)));
    tn_store_close(store);
    disk_start(directory);
    disk_load();
    disk_on_step(step, NULL);
    for (int i = 0; i < 60 && distinct < wanted; i++)
        do_something(path);
    for (int i = 0; i < HANDLES; i++)
        close_handle(i);
    disk_stop();
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"images", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {"all", no_argument, NULL, 'a'},
        {"stop", no_argument, NULL, 'x'},
        {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "n:s:ax", options, NULL)) != -1)
        if (c == 'n')
            wanted = strtoull(optarg, NULL, 10);
        else if (c == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (c == 'a')
            all_combinations = true;
        else if (c == 'x')
            stop_at_first = true;
        else
            exit(2);
}

int main(int argc, char **argv)
{
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    char directory[PATH_MAX];
    uint64_t first;

    parse(argc, argv);
    first = seed;
    snprintf(root, sizeof(root), "%s/tenon-power-XXXXXX", memory);
    if (mkdtemp(root) == NULL)
        return 2;
    for (; distinct < wanted; seed++)
        run(seed);
    printf("power: %lu images, %lu distinct, cut at %lu operations, %zu "
           "failures; again: power --images %lu --seed %lu%s\n",
           (unsigned long)images, (unsigned long)distinct, (unsigned long)steps,
           failures, (unsigned long)wanted, (unsigned long)first,
           all_combinations ? " --all" : "");
    for (size_t i = 0; i <= DEEPEST; i++) {
        directory_at(directory, i);
        clear_directory(directory);
        rmdir(directory);
    }
    snprintf(directory, sizeof(directory), "%.4000s/live", root);
    clear_directory(directory);
    rmdir(directory);
    rmdir(root);
    return failures != 0;
}
