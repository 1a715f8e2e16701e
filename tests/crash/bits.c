/* bits.c - flip every bit of a store and of its journal, and see who notices
 *
 *     bits [--all] [--seed S] [--store STORE | --only STORE:DAMAGE:A:B]
 *
 * Five stores, closed in order, and one that was left by a process that died,
 * with commits in the journal that the file does not hold yet (exhibit.c).
 * Each is damaged in one place at a time and put right again:
 *
 *     flip     bit B of byte A            zero     B bytes at A
 *     copy     B bytes at A, from the B before them
 *     swap     B bytes at A, with the B behind them
 *     stale    B bytes at A, as they were one commit ago
 *     cut      the file ends at A
 *
 * After each, what "tenon check --full" runs must have a finding, unless the
 * place is one about which nothing is promised (the table below); opening the
 * store with TN_VERIFY must fail or show every object as it was; and nothing
 * may crash or go on for ever.  With --all every bit is tried, else many of the
 * sectors in which each has a meaning of its own, and a sample of the rest.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exhibit.h"
#include "ground.h"
#include "store/layout.h"

enum {
    LIVE = EXHIBITS, /* the store whose journal is damaged, in this boot */
    REBOOTED,        /* the same after the machine went down */
    STORES,
    PENDING = 3,        /* commits in the journal that the file does not hold */
    TRIAL_LIMIT = 20,   /* seconds */
    WRITTEN_EVERY = 61, /* damages, a copy is opened for writing as well */
};

enum damage { FLIP, ZERO, COPY, SWAP, STALE, CUT, DAMAGES };

static const char *const damage_names[DAMAGES] = {"flip", "zero",  "copy",
                                                  "swap", "stale", "cut"};

/* What is tried now; a process that dies leaves it to its parent. */
static struct trial {
    int store;
    enum damage damage;
    uint64_t a, b;
    unsigned long tried, found, excused, opened;
} * now;

static bool all;
static int wanted = -1; /* store; -1: each */
static unsigned long seed = 1;
static struct trial only = {.store = -1};
static struct exhibit exhibit;

/* The file that is damaged. */
static struct {
    char path[PATH_MAX];
    char store[PATH_MAX]; /* itself, or whose journal it is */
    unsigned char *bytes; /* mapped */
    size_t size;
    unsigned char *whole, *stale; /* copies */
    uint64_t chain;               /* where the journal's records end */
    uint64_t last;                /* where the last of them begins */
    uint64_t old_slot;            /* the header that is not in use */
} file;

/* --- What nothing is promised about --------------------------------------- */

static const struct excuse {
    int first, last; /* stores */
    enum damage damage;
    uint64_t from, to;
    const char *reason;
} excuses[] = {
    {0, EXHIBITS - 1, STALE, STORE_STATE_OFF, STORE_STATE_OFF + STORE_SECTOR,
     "the state was LIVE before it was CLEAN, and all that it then says is "
     "true"},
    {0, EXHIBITS - 1, STALE, STORE_MARKS_OFF, STORE_MARKS_OFF + STORE_SECTOR,
     "marks of the same boot and commit; of another, nobody reads them"},
    {0, EXHIBITS - 1, ZERO, STORE_MARKS_OFF, STORE_MARKS_OFF + STORE_SECTOR,
     "no marks: the file is not said to be anything but what it is"},
};

/* Behind the end of the chain lies what older generations left, or nothing yet;
 * nobody reads it.  After the machine went down, a last record that is not
 * whole is a commit that was cut short. */
static const char *journal_excuse(uint64_t from, uint64_t to)
{
    if (from >= file.chain)
        return "nobody reads what lies behind the last record";
    if (now->store == REBOOTED && from >= file.last)
        return "a last record that is not whole was never promised";
    if (now->store == REBOOTED && to > file.last)
        return "of records up to the last none is left to prove them";
    if (now->damage == ZERO && from == file.old_slot &&
        to == from + STORE_SECTOR)
        return "an older header is there or not";
    return NULL;
}

static const char *find_excuse(uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < sizeof(excuses) / sizeof(excuses[0]); i++) {
        const struct excuse *e = &excuses[i];

        if (now->store >= e->first && now->store <= e->last &&
            now->damage == e->damage && from >= e->from && to <= e->to)
            return e->reason;
    }
    return now->store >= LIVE ? journal_excuse(from, to) : NULL;
}

/* --- Files ---------------------------------------------------------------- */

static unsigned char *read_whole(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    unsigned char *bytes;

    CLAIM(fd >= 0 && fstat(fd, &st) == 0);
    bytes = malloc((size_t)st.st_size);
    CLAIM(bytes != NULL);
    CLAIM(read(fd, bytes, (size_t)st.st_size) == st.st_size);
    close(fd);
    *size = (size_t)st.st_size;
    return bytes;
}

/* --- Looking -------------------------------------------------------------- */

static _Noreturn void fail(const char *what)
{
    printf("store %d, %s %llu:%llu: %s\n", now->store,
           damage_names[now->damage], (unsigned long long)now->a,
           (unsigned long long)now->b, what);
    printf("again: bits --seed %lu --only %d:%s:%llu:%llu\n", seed, now->store,
           damage_names[now->damage], (unsigned long long)now->a,
           (unsigned long long)now->b);
    exit(1);
}

static void print_finding(void *arg, const tn_finding *finding)
{
    size_t *count = arg;

    ++*count;
    if (only.store >= 0)
        printf("%s %s at %llu: %s\n", finding->layer, finding->rule,
               (unsigned long long)finding->offset, finding->what);
}

static bool is_found(void)
{
    tn_check_options full = {.depth = TN_CHECK_FULL, .threads = 1};
    size_t findings = 0;
    tn_status status =
        tn_check_file(file.store, &full, print_finding, &findings);

    if ((status == TN_OK) != (findings == 0)) {
        printf("%d: %s\n", status, tn_errmsg());
        fail("what the check answers is not what it reports");
    }
    return findings != 0;
}

/* The oldest commit that may be shown. */
static uint64_t oldest(int store, uint64_t from)
{
    if (store != REBOOTED || now->store < LIVE)
        return exhibit.commit;
    return exhibit.commit - (from >= file.last ? 1 : PENDING);
}

static void look_read_only(uint64_t from)
{
    tn_store *store;

    if (tn_store_open(&store, file.store, TN_READ_ONLY | TN_VERIFY, NULL) !=
        TN_OK)
        return;
    now->opened++;
    if (!exhibit_holds(&exhibit, tn_store_segment(store),
                       oldest(now->store, from), exhibit.commit))
        fail("an object is wrong, and opening with TN_VERIFY did not see it");
    OK(tn_store_close(store));
}

static void copy_file(const char *from, const char *to)
{
    size_t size;
    unsigned char *bytes = read_whole(from, &size);
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CLAIM(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
    free(bytes);
}

/* A copy has no marks that count, so it is like one after the machine went
 * down. */
static void look_at_copy(uint64_t from)
{
    char journal[PATH_MAX + 8], copy[PATH_MAX], copied[PATH_MAX + 8];
    const tn_segment *view;
    tn_store *store;

    snprintf(journal, sizeof(journal), "%s-journal", file.store);
    snprintf(copy, sizeof(copy), "%.4000s.copy", file.store);
    snprintf(copied, sizeof(copied), "%s-journal", copy);
    copy_file(file.store, copy);
    copy_file(journal, copied);
    if (tn_store_open(&store, copy, TN_DURABLE | TN_VERIFY, NULL) == TN_OK) {
        OK(tn_read_begin(store, &view));
        if (!exhibit_holds(&exhibit, view, oldest(REBOOTED, from),
                           exhibit.commit))
            fail("an object is wrong after opening to write");
        OK(tn_read_end(store, view));
        OK(tn_store_close(store));
    }
    unlink(copy);
    unlink(copied);
}

static void try_it(uint64_t from, uint64_t to)
{
    now->tried++;
    alarm(TRIAL_LIMIT);
    if (is_found()) {
        now->found++;
    } else if (find_excuse(from, to) != NULL) {
        now->excused++;
    } else {
        fail("nobody noticed");
    }
    look_read_only(from);
    if (now->tried % WRITTEN_EVERY == 0 || only.store >= 0)
        look_at_copy(from);
}

/* --- Damage --------------------------------------------------------------- */

static void put_right(uint64_t from, size_t n)
{
    memcpy(file.bytes + from, file.whole + from, n);
}

static void flip(uint64_t byte, unsigned bit)
{
    *now = (struct trial){now->store, FLIP,       byte,         bit,
                          now->tried, now->found, now->excused, now->opened};
    file.bytes[byte] ^= (unsigned char)(1u << bit);
    try_it(byte, byte + 1);
    put_right(byte, 1);
}

/* Put other bytes over a piece of the file, if they are others. */
static void replace(enum damage damage, uint64_t at, size_t n, uint64_t from)
{
    now->damage = damage;
    now->a = at;
    now->b = n;
    if (damage == ZERO)
        memset(file.bytes + at, 0, n);
    else if (damage == STALE)
        memcpy(file.bytes + at, file.stale + at, n);
    else
        memcpy(file.bytes + at, file.whole + from, n);
    if (damage == SWAP)
        memcpy(file.bytes + from, file.whole + at, n);
    if (memcmp(file.bytes + at, file.whole + at, n) != 0)
        try_it(at, damage == SWAP ? from + n : at + n);
    put_right(at, n);
    put_right(from, n);
}

static void cut(uint64_t size)
{
    now->damage = CUT;
    now->a = size;
    now->b = 0;
    CLAIM(truncate(file.path, (off_t)size) == 0);
    try_it(size, file.size);
    CLAIM(truncate(file.path, (off_t)file.size) == 0);
    put_right(0, file.size);
}

static void damage_once(const struct trial *t)
{
    switch (t->damage) {
    case FLIP:
        flip(t->a, (unsigned)t->b);
        break;
    case CUT:
        cut(t->a);
        break;
    case COPY:
        replace(COPY, t->a, t->b, t->a - t->b);
        break;
    default:
        replace(t->damage, t->a, t->b, t->damage == SWAP ? t->a + t->b : t->a);
    }
}

/* --- Every place ---------------------------------------------------------- */

static uint64_t hash(uint64_t x)
{
    x = (x ^ seed) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

/* The sectors in which each byte has a meaning of its own. */
static bool is_dense(uint64_t byte)
{
    if (now->store >= LIVE)
        return byte < 2 * STORE_SECTOR || (byte >= JOURNAL_RECORDS_OFF &&
                                           byte < JOURNAL_RECORDS_OFF + 128);
    return byte < STORE_MARKS_OFF + 64 ||
           (byte >= STORE_SEGMENT_OFF && byte < STORE_SEGMENT_OFF + 64);
}

static void flip_bits(void)
{
    for (uint64_t byte = 0; byte < file.size; byte++)
        for (unsigned bit = 0; bit < 8; bit++)
            if (all ||
                (is_dense(byte) ? (byte + seed) % 4 == 0 || bit == byte % 8
                                : hash(byte * 8 + bit) % 256 == 0))
                flip(byte, bit);
}

static void replace_sectors(size_t n)
{
    for (uint64_t at = 0; at + n <= file.size; at += n) {
        replace(ZERO, at, n, at);
        if (file.stale != NULL)
            replace(STALE, at, n, at);
        if (at >= n)
            replace(COPY, at, n, at - n);
        if (at + 2 * n <= file.size)
            replace(SWAP, at, n, at + n);
    }
}

static void damage_everywhere(void)
{
    flip_bits();
    replace_sectors(STORE_SECTOR);
    replace_sectors(STORE_PAGE);
    for (uint64_t size = 0; size < file.size; size += STORE_SECTOR)
        cut(size);
}

/* --- The files ------------------------------------------------------------ */

static void map_file(void)
{
    int fd = open(file.path, O_RDWR);

    file.whole = read_whole(file.path, &file.size);
    file.bytes =
        mmap(NULL, file.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CLAIM(file.bytes != MAP_FAILED);
    close(fd);
}

/* A store that was closed in order, and itself one commit earlier. */
static void make_closed(int number)
{
    tn_store *store;
    size_t size;

    snprintf(file.path, sizeof(file.path), "%s", file.store);
    exhibit_make(&exhibit, file.store, number, seed);
    file.stale = read_whole(file.path, &size);
    OK(tn_store_open(&store, file.store, TN_DURABLE, NULL));
    exhibit_commit(&exhibit, store);
    OK(tn_store_close(store));
    map_file();
    CLAIM(size == file.size);
}

static int leave_pending(void *arg)
{
    const tn_segment *view;
    tn_store *store;

    (void)arg;
    OK(tn_store_open(&store, file.store, TN_DURABLE, NULL));
    OK(tn_read_begin(store, &view)); /* keeps the file as it is */
    for (int i = 0; i < PENDING; i++)
        exhibit_commit(&exhibit, store);
    _exit(0);
}

static void find_records(void)
{
    const struct journal_record *record;

    const struct journal_header *slots = (const void *)file.whole;

    file.old_slot =
        slots[0].generation < slots[1].generation ? 0 : STORE_SECTOR;
    file.chain = JOURNAL_RECORDS_OFF;
    for (int i = 0; i < PENDING; i++) {
        record = (const void *)(file.whole + file.chain);
        file.last = file.chain;
        file.chain +=
            (record->bytes + STORE_SECTOR - 1) / STORE_SECTOR * STORE_SECTOR;
    }
}

/* One that was in use, and whose journal has the last commits. */
static void make_live(bool rebooted)
{
    struct marks none = {0};
    int fd;

    exhibit_make(&exhibit, file.store, (int)(seed % 4), seed);
    CLAIM(ground_elsewhere(leave_pending, NULL) == 0);
    exhibit.commit += PENDING;
    fd = open(file.store, O_WRONLY);
    if (rebooted)
        CLAIM(pwrite(fd, &none, sizeof(none), STORE_MARKS_OFF) == sizeof(none));
    close(fd);
    snprintf(file.path, sizeof(file.path), "%.4000s-journal", file.store);
    map_file();
    find_records();
}

/* --- Running -------------------------------------------------------------- */

static void run_store(int number)
{
    const char *directory = ground_directory("bits");

    now->store = number;
    snprintf(file.store, sizeof(file.store), "%.4000s/store", directory);
    if (number >= LIVE)
        make_live(number == REBOOTED);
    else
        make_closed(number);
    CLAIM(!is_found());
    if (only.store >= 0)
        damage_once(&only);
    else
        damage_everywhere();
    printf(
        "store %d: %lu damages, %lu found, %lu of no promise, %lu opened and "
        "whole\n",
        number, now->tried, now->found, now->excused, now->opened);
}

/* --- Processes of their own: they may crash ------------------------------- */

static struct trial *trials; /* shared with them, one for each store */
static pid_t pids[STORES];

static void start_store(int number)
{
    now = &trials[number];
    fflush(stdout);
    pids[number] = fork();
    CLAIM(pids[number] >= 0);
    if (pids[number] == 0) {
        run_store(number);
        exit(0);
    }
}

/* Wait for one to end; true: nothing went wrong. */
static bool await_store(void)
{
    int status, number = 0;
    pid_t pid = wait(&status);
    const struct trial *t;

    CLAIM(pid > 0);
    while (pids[number] != pid)
        number++;
    t = &trials[number];
    if (WIFSIGNALED(status))
        printf("store %d: signal %d\nagain: bits --seed %lu --only "
               "%d:%s:%llu:%llu\n",
               number, WTERMSIG(status), seed, number, damage_names[t->damage],
               (unsigned long long)t->a, (unsigned long long)t->b);
    return status == 0;
}

/* As many at a time as there are processors. */
static bool run_stores(int first, int last)
{
    long most = sysconf(_SC_NPROCESSORS_ONLN);
    int running = 0;
    bool good = true;

    for (int i = first; i <= last; i++) {
        if (running >= most) {
            good = await_store() && good;
            running--;
        }
        start_store(i);
        running++;
    }
    for (; running > 0; running--)
        good = await_store() && good;
    return good;
}

/* --- Arguments ------------------------------------------------------------ */

static bool read_only(const char *text)
{
    char damage[16];
    unsigned long long a, b;

    if (sscanf(text, "%d:%15[a-z]:%llu:%llu", &only.store, damage, &a, &b) != 4)
        return false;
    only.a = a;
    only.b = b;
    for (int i = 0; i < DAMAGES; i++) {
        only.damage = (enum damage)i;
        if (strcmp(damage, damage_names[i]) == 0)
            return only.store >= 0 && only.store < STORES;
    }
    return false;
}

static int usage(void)
{
    fprintf(stderr, "usage: bits [--all] [--seed S] [--store STORE | --only "
                    "STORE:DAMAGE:A:B]\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"all", no_argument, NULL, 'a'},
        {"seed", required_argument, NULL, 's'},
        {"only", required_argument, NULL, 'o'},
        {"store", required_argument, NULL, 'n'},
        {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'a')
            all = true;
        else if (option == 's')
            seed = strtoul(optarg, NULL, 10);
        else if (option == 'n')
            wanted = (int)strtol(optarg, NULL, 10);
        else if (option != 'o' || !read_only(optarg))
            return usage();
    }
    if (only.store >= 0)
        wanted = only.store;
    if (wanted >= STORES)
        return usage();
    trials = mmap(NULL, STORES * sizeof(*trials), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CLAIM(trials != MAP_FAILED);
    printf("seed %lu\n", seed);
    return run_stores(wanted < 0 ? 0 : wanted, wanted < 0 ? STORES - 1 : wanted)
               ? 0
               : 1;
}
