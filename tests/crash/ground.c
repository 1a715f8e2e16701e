/* ground.c - a store of numbers, and cases that try one thing each on it
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "ground.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/layout.h"

enum { CASE_LIMIT = 30, NOTES = 4096 };

/* --- Directories ---------------------------------------------------------- */

static char directory_name[PATH_MAX];
static pid_t directory_maker;

static void remove_directory(void)
{
    if (getpid() != directory_maker)
        return;
    ground_clear(directory_name);
    rmdir(directory_name);
}

const char *ground_directory(const char *of)
{
    const char *other = getenv("TMPDIR");
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                       : other != NULL               ? other
                                                     : "/tmp";

    snprintf(directory_name, sizeof(directory_name), "%.3000s/tenon-%s-XXXXXX",
             base, of);
    if (mkdtemp(directory_name) == NULL) {
        perror(directory_name);
        exit(2);
    }
    directory_maker = getpid();
    atexit(remove_directory);
    return directory_name;
}

void ground_clear(const char *directory)
{
    char name[PATH_MAX + NAME_MAX + 2];
    DIR *d = opendir(directory);
    struct dirent *entry;

    while (d != NULL && (entry = readdir(d)) != NULL) {
        snprintf(name, sizeof(name), "%s/%s", directory, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(name);
    }
    if (d != NULL)
        closedir(d);
}

/* --- Cases ---------------------------------------------------------------- */

static bool run_case(const struct ground_case *c)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(CASE_LIMIT);
        c->run();
        fflush(NULL);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        exit(2);
    if (status == 0)
        return true;
    if (WIFSIGNALED(status))
        printf("%s: ended by signal %d%s\n", c->name, WTERMSIG(status),
               WTERMSIG(status) == SIGALRM ? ", it waited for ever" : "");
    else
        printf("%s: failed\n", c->name);
    return false;
}

int ground_run(const struct ground_case *cases, size_t count, int argc,
               char **argv)
{
    const char *directory = ground_directory("cases");
    size_t failed = 0, ran = 0;

    if (chdir(directory) != 0)
        return 2;
    for (size_t i = 0; i < count; i++) {
        if (argc > 1 && strcmp(argv[1], "--stop") != 0 &&
            strcmp(argv[1], cases[i].name) != 0)
            continue;
        ran++;
        failed += !run_case(&cases[i]);
        ground_clear(".");
        if (failed > 0 && argc > 1 && strcmp(argv[1], "--stop") == 0)
            break;
    }
    printf("%zu passed, %zu failed\n", ran - failed, failed);
    return failed != 0 || ran == 0;
}

/* --- The store ------------------------------------------------------------ */

const tn_options ground_options = {
    .size = 65536, .journal_size = 65536, .lock_timeout_ms = 100};

static const tn_type numbers = {"numbers", STORE_PAGE, 8, NULL, NULL};

void ground_make(void)
{
    tn_store *store;

    OK(tn_store_open(&store, "store", TN_SHARED | TN_CREATE, &ground_options));
    OK(tn_construct(tn_store_segment(store), "numbers", &numbers, NUMBERS, NULL,
                    NULL));
    OK(tn_store_close(store));
}

tn_store *ground_open(void)
{
    tn_store *store;

    OK(tn_store_open(&store, "store", TN_DURABLE, &ground_options));
    return store;
}

static uint64_t *number_of(const tn_segment *view, int i)
{
    char *first;

    OK(tn_find(view, "numbers", &numbers, (void **)&first, NULL));
    return (uint64_t *)(first + (size_t)i * STORE_PAGE);
}

void ground_set(tn_segment *w, int i, uint64_t value)
{
    *number_of(w, i) = value;
}

uint64_t ground_get(const tn_segment *view, int i)
{
    return *number_of(view, i);
}

tn_status ground_commit(tn_store *store, int i, uint64_t value)
{
    tn_segment *w;

    OK(tn_begin(store, &w));
    ground_set(w, i, value);
    return tn_commit(store);
}

uint64_t ground_read(tn_store *store, int i)
{
    const tn_segment *view;
    uint64_t value;

    OK(tn_read_begin(store, &view));
    value = ground_get(view, i);
    OK(tn_read_end(store, view));
    return value;
}

static void print_finding(void *arg, const tn_finding *finding)
{
    (void)arg;
    printf("%s %s: %s\n", finding->layer, finding->rule, finding->what);
}

void ground_sound(tn_store *store)
{
    const tn_segment *view;

    OK(tn_read_begin(store, &view));
    OK(tn_segment_check(view, print_finding, NULL));
    OK(tn_read_end(store, view));
}

int ground_elsewhere(int (*work)(void *arg), void *arg)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(CASE_LIMIT);
        status = work(arg);
        fflush(NULL);
        _exit(status);
    }
    CLAIM(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* --- Operations ----------------------------------------------------------- */

static char noted[NOTES];

static struct {
    const char *what;
    int left, number;
    bool all;
    void (*call)(void *arg);
    void *arg;
} refused;

/* The name of an operation, "" if it has none. */
static const char *name_of(const struct fault_event *event)
{
    const char *path = event->path != NULL ? event->path : "";
    bool journal = strstr(path, "-journal") != NULL;

    switch ((int)event->op) {
    case FAULT_WRITE:
        if (event->offset < STORE_PAGE)
            return journal ? "Jh" : "Sh";
        return journal ? "Jw" : "Sw";
    case FAULT_SYNC:
    case FAULT_SYNC_RANGE:
        return journal ? "Js" : "Ss";
    case FAULT_SYNC_DIRECTORY:
        return "Ds";
    case FAULT_ALLOCATE:
        return journal ? "Ja" : "Sa";
    case FAULT_TRUNCATE:
        return journal ? "Jt" : "St";
    case FAULT_PUNCH:
        return "Sp";
    case FAULT_ZERO:
        return "Sz";
    case FAULT_READ:
        return journal ? "Jr" : "";
    default:
        return "";
    }
}

static int watch(void *arg, const struct fault_event *event)
{
    const char *name = name_of(event);
    size_t used = strlen(noted);

    (void)arg;
    if (name[0] != '\0' && name[1] != 'r')
        snprintf(noted + used, NOTES - used, "%s ", name);
    if (refused.what == NULL || strcmp(name, refused.what) != 0 ||
        refused.left-- > 0)
        return 0;
    if (!refused.all)
        refused.what = NULL;
    if (refused.call != NULL) {
        refused.call(refused.arg);
        return 0;
    }
    if (refused.number == ground_die)
        raise(SIGKILL);
    return refused.number;
}

void ground_note(void)
{
    noted[0] = '\0';
    fault_set_hook(watch, NULL);
}

const char *ground_noted(void)
{
    return noted;
}

bool ground_order(const char *part)
{
    const char *at = noted;

    for (; *part != '\0'; part += part[2] == ' ' ? 3 : 2) {
        char word[4] = {part[0], part[1], ' ', '\0'};

        at = strstr(at, word);
        if (at == NULL) {
            printf("what happened: %s\n", noted);
            return false;
        }
        at += 3;
    }
    return true;
}

int ground_count(const char *what)
{
    int count = 0;

    for (const char *at = noted; *at != '\0'; at += 3)
        count += at[0] == what[0] && at[1] == what[1];
    return count;
}

void ground_refuse(const char *what, int n, int number, bool all)
{
    refused.what = what;
    refused.left = n;
    refused.number = number;
    refused.all = all;
    refused.call = NULL;
    fault_set_hook(watch, NULL);
}

void ground_allow(void)
{
    refused.what = NULL;
}

void ground_interrupt(const char *what, void (*call)(void *arg), void *arg)
{
    ground_refuse(what, 0, 0, false);
    refused.call = call;
    refused.arg = arg;
}
