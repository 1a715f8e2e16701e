/* tenon_commit.c - what durable commits cost
 *
 *     tenon_commit commit OBJECTS EACH TRANSACTIONS [KEPT] [OPTION...]
 *     tenon_commit group THREADS TRANSACTIONS [KEPT] [OPTION...]
 *     tenon_commit recover MB [OPTION...]
 *     tenon_commit memory [OPTION...]
 *
 * KEPT is "names", where each object has one and every transaction finds it, or
 * "array" (what it is if nothing is said), where all are one object.  Options
 * are "blank" (objects are zero at first), "nosums", "hints" (each transaction
 * names what it stores to), and the ways to find changed pages by their names.
 *
 * recover: a process commits until the journal holds MB megabytes of records
 * that the file does not, and is killed.  "open" is how long the next opener
 * takes to bring them into the file; the pages are in memory still.
 *
 * memory: how much the process holds of its own when a transaction has stored
 * into 1,000 pages, and when that has been committed, in kB.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <signal.h>
#include <sys/wait.h>
#include <tenon.h>

#include "commit.h"

enum { NAME = 16, OBJECTS = 100000, PAGES = 1000 };
#define MB ((size_t)1 << 20)

static tn_options options;
static bool by_name, hinted;
static tn_store *store;
static tn_segment *reading;         /* in a transaction that changes nothing */
static struct commit_object *array; /* in the view of writers */

static void succeed(tn_status status)
{
    if (status == TN_OK)
        return;
    fprintf(stderr, "tenon: %s: %s\n", tn_strerror(status), tn_errmsg());
    exit(2);
}

static void name_of(char name[static NAME], uint32_t i)
{
    snprintf(name, NAME, "user/%08x", (unsigned)(i * 2654435761u));
}

static struct commit_object *object_of(tn_segment *segment, uint32_t i)
{
    char name[NAME];
    void *object;

    if (!by_name)
        return &array[i];
    name_of(name, i);
    succeed(
        tn_find(segment, name, TN_TYPE(struct commit_object), &object, NULL));
    return (struct commit_object *)object;
}

/* --- What commit.h asks for ----------------------------------------------- */

/* Blank objects lie in memory that was never written; "all" is where. */
static void find_array(tn_segment *segment)
{
    void *object;

    if (by_name)
        return;
    if (commit_blank) {
        succeed(tn_find(segment, "all", TN_TYPE(tn_handle), &object, NULL));
        array = (struct commit_object *)tn_at(segment, *(tn_handle *)object);
        return;
    }
    succeed(
        tn_find(segment, "all", TN_TYPE(struct commit_object), &object, NULL));
    array = (struct commit_object *)object;
}

/* Reading takes a transaction too: it is the view of writers that is to be in
 * memory when they come. */
static tn_segment *begin_reading(void)
{
    if (reading == NULL)
        succeed(tn_begin(store, &reading));
    return reading;
}

static void end_reading(void)
{
    if (reading == NULL)
        return;
    succeed(tn_rollback(store));
    reading = NULL;
}

static void commit_open(const char *path)
{
    succeed(tn_store_open(&store, path, TN_DURABLE, &options));
    find_array(begin_reading());
    end_reading();
}

static void commit_close(void)
{
    end_reading();
    succeed(tn_store_close(store));
}

static void commit_join(const char *path)
{
    (void)path;
}

static void commit_leave(void)
{
}

static void commit_remove(const char *path)
{
    char journal[4200];

    snprintf(journal, sizeof(journal), "%s-journal", path);
    unlink(path);
    unlink(journal);
}

static void make_object(tn_segment *segment, uint32_t i)
{
    char name[NAME];
    void *object;

    name_of(name, i);
    succeed(tn_construct(segment, name, TN_TYPE(struct commit_object), 1, NULL,
                         &object));
}

static void make_array(tn_segment *segment, uint32_t n)
{
    void *object;

    if (!commit_blank) {
        succeed(tn_construct(segment, "all", TN_TYPE(struct commit_object), n,
                             NULL, &object));
        return;
    }
    succeed(tn_construct(segment, "all", TN_TYPE(tn_handle), 1, NULL, &object));
    *(tn_handle *)object = tn_handle_of(
        segment, tn_alloc(segment, n * sizeof(struct commit_object)));
    bench_require(*(tn_handle *)object != 0);
}

static void commit_make(const char *path, uint32_t n)
{
    tn_segment *segment;

    options.size = n * (size_t)(by_name ? 150 : 100) + MB;
    succeed(tn_store_open(&store, path, TN_DURABLE | TN_CREATE | TN_EXCLUSIVE,
                          &options));
    succeed(tn_begin(store, &segment));
    for (uint32_t i = 0; by_name && i < n; i++)
        make_object(segment, i);
    if (!by_name)
        make_array(segment, n);
    find_array(segment);
    for (uint32_t i = 0; !commit_blank && i < n; i++)
        commit_fill(object_of(segment, i), i, 0);
    succeed(tn_commit(store));
    commit_close();
}

static void change_objects(const struct commit_change *change, unsigned flags)
{
    tn_segment *segment;

    end_reading();
    succeed(tn_begin_with(store, hinted ? TN_HINTED : 0, &segment));
    for (uint32_t k = 0; k < change->count; k++) {
        struct commit_object *object = object_of(segment, change->which[k]);

        succeed(tn_touch(segment, object, sizeof(*object)));
        commit_fill(object, change->which[k], change->version);
    }
    succeed(tn_commit_with(store, flags));
}

static void commit_change(const struct commit_change *change)
{
    change_objects(change, 0);
}

static bool commit_read(uint32_t i, struct commit_object *out)
{
    memcpy(out, object_of(begin_reading(), i), sizeof(*out));
    return true;
}

/* --- Recovery ------------------------------------------------------------- */

static void fill_journal(const char *path, size_t bytes)
{
    uint32_t *versions = (uint32_t *)calloc(OBJECTS, sizeof(*versions));
    uint32_t which;
    struct commit_change change = {0, 1, &which};
    uint64_t random = 5;

    bench_require(versions != NULL);
    commit_open(path);
    for (size_t used = 0; used < bytes; used += 512) {
        commit_step(&change, versions, OBJECTS, &random);
        change_objects(&change, TN_NO_SYNC);
    }
    raise(SIGKILL);
}

static void recover(size_t bytes)
{
    const char *path = bench_path("commit");
    double start;
    int status;
    pid_t child;

    options.journal_size = bytes + MB;
    commit_make(path, OBJECTS);
    child = fork();
    if (child == 0)
        fill_journal(path, bytes);
    bench_require(waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
                  WTERMSIG(status) == SIGKILL);
    start = bench_now();
    succeed(tn_store_open(&store, path, TN_DURABLE, &options));
    bench_print("open", bench_now() - start);
    commit_close();
    commit_remove(path);
}

/* --- Memory --------------------------------------------------------------- */

static double own_kb(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    double kb = 0;

    bench_require(file != NULL);
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "Anonymous:", 10) == 0)
            kb = strtod(line + 10, NULL);
    fclose(file);
    return kb;
}

static void memory(void)
{
    const char *path = bench_path("commit");
    tn_segment *segment;
    double before;

    commit_make(path, OBJECTS);
    commit_open(path);
    for (int round = 0; round < 2; round++) {
        before = own_kb();
        succeed(tn_begin(store, &segment));
        for (uint32_t k = 0; k < PAGES; k++)
            commit_fill(&array[k * COMMIT_APART], k, 1);
        bench_print_in("kB", round == 0 ? "first" : "open", own_kb() - before);
        succeed(tn_commit(store));
        bench_print_in("kB", round == 0 ? "first-after" : "after",
                       own_kb() - before);
    }
    commit_close();
    commit_remove(path);
}

/* -------------------------------------------------------------------------- */

static void read_options(int argc, char **argv)
{
    static const char *const trackers[] = {"auto", "scan", "pagemap", "compare",
                                           "track"};

    for (int a = 2; a < argc; a++) {
        if (strcmp(argv[a], "names") == 0)
            by_name = true;
        if (strcmp(argv[a], "hints") == 0)
            hinted = true;
        if (strcmp(argv[a], "blank") == 0)
            commit_blank = true;
        if (strcmp(argv[a], "nosums") == 0)
            options.page_sums = TN_SUMS_OFF;
        for (int way = TN_TRACKER_AUTO; way <= TN_TRACKER_TRACK; way++)
            if (strcmp(argv[a], trackers[way]) == 0)
                options.tracker = (tn_tracker)way;
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    if (argc >= 3 && strcmp(argv[1], "recover") == 0)
        recover(bench_number(argv[2]) * MB);
    else if (argc >= 2 && strcmp(argv[1], "memory") == 0)
        memory();
    else
        return commit_main(argc, argv);
    return 0;
}
