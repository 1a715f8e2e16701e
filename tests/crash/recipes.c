/* recipes.c - damaged stores, what the checker says of them, what repair saves
 *
 *     recipes [--update] [FILE]
 *
 * FILE (tests/crash/recipes.txt) has a line for each damaged store: how it is
 * made, what is done to it, and what must come of it; the words are told there.
 * Beside what a line says, these hold of each:
 *
 *   - the damaged file and its journal are the same bytes after the repair
 *   - what is written passes a full check
 *   - if the damaged store is sound, everything is whole
 *   - what is called whole has its bytes, its type and its place
 *   - an object on whose pages nothing was done is whole (where there are page
 *     sums, so that it can be told)
 *   - of the objects that were there none is missing without being called
 *     lost, but where a line says "unknown": then nothing was left that knew
 *
 * --update writes the file anew with what comes out now; look at the difference
 * before believing it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "ground.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "heap/block.h"
#include "index/remains.h"
#include "segment/segment.h"
#include "store/layout.h"
#include "store/sums.h"

enum {
    SIZE = 256 * 1024,
    ITEMS = 40,
    LARGES = 4,
    OBJECTS = ITEMS + LARGES,
    LARGE = 10000,
    PAGES = 4 * SIZE / STORE_PAGE,
};

struct item {
    uint64_t number, twice;
};

/* A file as it is in memory. */
struct bytes {
    char *at;
    size_t size;
};

/* An object that every store has. */
struct object {
    char name[16];
    uint64_t handle, bytes, block, type; /* places in the segment */
};

/* A store before anything is done to it. */
struct base {
    const char *name;
    tn_index index;
    tn_fit fit;
    enum { CLOSED, LIVE, PENDING, SHARED } state;
    struct bytes file, journal;
    struct object objects[OBJECTS];
    uint64_t free, raw, node, node_size, sums, tables, type, end;
};

static struct base bases[] = {
    {.name = "map", .index = TN_INDEX_MAP},
    {.name = "iset", .index = TN_INDEX_ISET},
    {.name = "flat", .index = TN_INDEX_FLAT_MAP},
    {.name = "hash", .index = TN_INDEX_HASH},
    {.name = "seq", .index = TN_INDEX_MAP, .fit = TN_FIT_SEQ},
    {.name = "live", .index = TN_INDEX_MAP, .state = LIVE},
    {.name = "pending", .index = TN_INDEX_ISET, .state = PENDING},
    {.name = "shared", .index = TN_INDEX_MAP, .state = SHARED},
};

/* --- Making stores -------------------------------------------------------- */

static struct bytes read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct bytes bytes = {0};
    long size;

    if (f == NULL)
        return bytes;
    CLAIM(fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0);
    rewind(f);
    bytes.size = (size_t)size;
    bytes.at = malloc(bytes.size + 1);
    CLAIM(bytes.at != NULL && fread(bytes.at, 1, bytes.size, f) == bytes.size);
    fclose(f);
    return bytes;
}

static void write_file(const char *path, const struct bytes *bytes)
{
    FILE *f = fopen(path, "wb");

    CLAIM(f != NULL && fwrite(bytes->at, 1, bytes->size, f) == bytes->size);
    CLAIM(fclose(f) == 0);
}

static void fill(tn_segment *w, int i)
{
    char name[32];
    void *made;

    if (i < ITEMS) {
        struct item *item;

        snprintf(name, sizeof(name), "item/%02d", i);
        OK(tn_construct(w, name, TN_TYPE(struct item), 1, NULL, &made));
        item = made;
        *item = (struct item){(uint64_t)i, 2 * (uint64_t)i};
    } else {
        snprintf(name, sizeof(name), "large/%d", i - ITEMS);
        OK(tn_construct(w, name, TN_BYTES, LARGE, NULL, &made));
        memset(made, i, LARGE);
    }
}

static void fill_all(tn_segment *w)
{
    void *gaps[8], *raw, *made;

    for (int i = 0; i < OBJECTS; i++) {
        fill(w, i);
        if (i % 6 == 0)
            gaps[i / 6] = tn_alloc(w, 300);
    }
    for (int i = 0; i < 8; i++)
        OK(tn_free(w, gaps[i]));
    raw = tn_alloc(w, 5000);
    CLAIM(raw != NULL);
    memset(raw, 0x5a, 5000);
    OK(tn_construct(w, TN_ANONYMOUS, TN_TYPE(struct item), 3, NULL, &made));
    OK(tn_construct(w, TN_UNIQUE, TN_TYPE(struct item), 1, NULL, &made));
}

static void make_shared(struct base *base, const tn_options *options)
{
    tn_store *store;

    OK(tn_store_open(&store, "s", TN_SHARED | TN_CREATE, options));
    fill_all(tn_store_segment(store));
    base->file = read_file("s");
    OK(tn_store_close(store));
}

static void make_durable(struct base *base, const tn_options *options)
{
    const tn_segment *view = NULL;
    tn_segment *w;
    tn_store *store;

    OK(tn_store_open(&store, "s", TN_DURABLE | TN_CREATE, options));
    OK(tn_begin(store, &w));
    fill_all(w);
    OK(tn_commit(store));
    if (base->state != CLOSED)
        OK(tn_checkpoint(store));
    if (base->state == PENDING)
        OK(tn_read_begin(store, &view));
    for (int i = 0; base->state != CLOSED && i < 3; i++) {
        void *made;

        OK(tn_begin(store, &w));
        OK(tn_construct(w, TN_ANONYMOUS, TN_BYTES, 700, NULL, &made));
        OK(tn_commit(store));
    }
    if (base->state != CLOSED) {
        base->file = read_file("s");
        base->journal = read_file("s-journal");
    }
    if (view != NULL)
        OK(tn_read_end(store, view));
    OK(tn_store_close(store));
    if (base->state == CLOSED)
        base->file = read_file("s");
}

/* --- Where things are ----------------------------------------------------- */

static void note_block(struct base *base, const struct heap *h, uint64_t block,
                       enum block_state state, size_t usable)
{
    static size_t largest;

    if (base->node == 0 && base->raw == 0 && base->free == 0)
        largest = 0;
    if (state == BLOCK_RAW && usable >= 5000)
        base->raw = block;
    if (state == BLOCK_FREE && usable > largest) {
        largest = usable;
        base->free = block;
    }
    if (state == BLOCK_INDEX && block % STORE_PAGE == 0 &&
        usable >= STORE_PAGE / 2 && base->index != TN_INDEX_HASH &&
        base->sums == 0)
        base->sums = block;
    else if (state == BLOCK_INDEX && base->node == 0)
        base->node = block;
    if (state == BLOCK_FIXED)
        base->tables = block;
    if (state == BLOCK_TYPE && base->type == 0)
        base->type = block;
    (void)h;
}

static void note_objects(struct base *base, const tn_segment *seg)
{
    for (int i = 0; i < OBJECTS; i++) {
        struct object *o = &base->objects[i];
        struct remains remains;
        tn_object found;
        void *at;
        char *payload;

        snprintf(o->name, sizeof(o->name), i < ITEMS ? "item/%02d" : "large/%d",
                 i < ITEMS ? i : i - ITEMS);
        OK(tn_find(seg, o->name, NULL, &at, NULL));
        OK(tn_describe(seg, at, &found));
        o->handle = tn_handle_of(seg, at);
        o->bytes = found.count * found.size;
        payload =
            (char *)at - 16 - 16 - (base->index == TN_INDEX_ISET ? 32 : 0);
        o->block = tn_handle_of(seg, payload);
        CLAIM(remains_find(segment_heap(seg), base->index, payload,
                           heap_usable_size(segment_heap(seg), payload),
                           &remains));
        o->type = remains.type;
    }
}

static void look_around(struct base *base)
{
    const tn_segment *seg;
    enum block_state state;
    uint64_t block = 0;
    size_t usable;
    tn_store *store;
    void *payload;

    OK(tn_store_open(&store, "s", TN_READ_ONLY, NULL));
    seg = tn_store_segment(store);
    base->sums = seg->base->sums;
    note_objects(base, seg);
    while ((block = heap_next_block(segment_heap(seg), block, &payload, &state,
                                    &usable)) != 0)
        note_block(base, segment_heap(seg), block, state, usable);
    base->end = segment_heap(seg)->end;
    OK(tn_store_close(store));
}

static void make_base(struct base *base)
{
    tn_options options = {.size = SIZE,
                          .index = base->index,
                          .fit = base->fit,
                          .journal_size = 65536};

    if (base->state == SHARED)
        make_shared(base, &options);
    else
        make_durable(base, &options);
    look_around(base);
    ground_clear(".");
}

/* --- A damaged store ------------------------------------------------------ */

static struct base *base;
static struct bytes file, journal;
static bool touched[PAGES], cut;

static void copy_bytes(struct bytes *to, const struct bytes *from)
{
    free(to->at);
    *to = (struct bytes){malloc(from->size + 1), from->size};
    CLAIM(to->at != NULL);
    if (from->size != 0)
        memcpy(to->at, from->at, from->size);
}

static uint64_t object_place(const char *what, const char *name)
{
    for (int i = 0; i < OBJECTS; i++) {
        const struct object *o = &base->objects[i];

        if (strcmp(o->name, name) != 0)
            continue;
        if (strcmp(what, "header") == 0)
            return STORE_SEGMENT_OFF + o->block - 8;
        if (strcmp(what, "name") == 0)
            return STORE_SEGMENT_OFF + o->block;
        if (strcmp(what, "record") == 0)
            return STORE_SEGMENT_OFF + o->handle - 16;
        if (strcmp(what, "data") == 0)
            return STORE_SEGMENT_OFF + o->handle;
        if (strcmp(what, "sumof") == 0)
            return STORE_SEGMENT_OFF + base->sums +
                   8 * ((STORE_SEGMENT_OFF + o->handle) / STORE_PAGE);
    }
    printf("recipes: there is no %s of %s\n", what, name);
    exit(2);
}

/* Where a word such as header:item/03 or superblock+64 points to. */
static uint64_t place(const char *word)
{
    char what[64], *plus, *colon;
    uint64_t offset = 0, at = UINT64_MAX;

    snprintf(what, sizeof(what), "%s", word);
    plus = strchr(what, '+');
    if (plus != NULL) {
        offset = strtoull(plus + 1, NULL, 0);
        *plus = '\0';
    }
    colon = strchr(what, ':');
    if (colon != NULL) {
        *colon = '\0';
        if (strcmp(what, "page") == 0)
            return strtoull(colon + 1, NULL, 0) * STORE_PAGE + offset;
        return object_place(what, colon + 1) + offset;
    }
    {
        const struct {
            const char *name;
            uint64_t at;
        } places[] = {
            {"superblock", 0},
            {"state", STORE_STATE_OFF},
            {"marks", STORE_MARKS_OFF},
            {"segment", STORE_SEGMENT_OFF},
            {"free", STORE_SEGMENT_OFF + base->free},
            {"freeheader", STORE_SEGMENT_OFF + base->free - 8},
            {"raw", STORE_SEGMENT_OFF + base->raw},
            {"rawheader", STORE_SEGMENT_OFF + base->raw - 8},
            {"node", STORE_SEGMENT_OFF + base->node},
            {"nodeheader", STORE_SEGMENT_OFF + base->node - 8},
            {"sums", STORE_SEGMENT_OFF + base->sums},
            {"sumsheader", STORE_SEGMENT_OFF + base->sums - 8},
            {"tables", STORE_SEGMENT_OFF + base->tables},
            {"tablesheader", STORE_SEGMENT_OFF + base->tables - 8},
            {"type", STORE_SEGMENT_OFF + base->type},
            {"typeheader", STORE_SEGMENT_OFF + base->type - 8},
            {"end", STORE_SEGMENT_OFF + base->end - 8},
            {"file", 0},
            {"journal", 0},
            {"record", JOURNAL_RECORDS_OFF},
        };

        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
            if (strcmp(places[i].name, what) == 0)
                at = places[i].at;
    }
    if (at == UINT64_MAX) {
        printf("recipes: there is no place %s\n", word);
        exit(2);
    }
    return at + offset;
}

/* Pages whose sums these bytes are, if they are sums. */
static void touch_summed(uint64_t at, uint64_t n)
{
    uint64_t sums = STORE_SEGMENT_OFF + base->sums;

    for (uint64_t i = 0; base->sums != 0 && i < n; i++)
        if (at + i >= sums && at + i - sums < 8 * PAGES)
            touched[(at + i - sums) / 8] = true;
}

/* The bytes of which file, noting the pages that are touched. */
static char *bytes_at(const char *word, uint64_t n)
{
    bool of_journal = strncmp(word, "journal", 7) == 0 ||
                      (strncmp(word, "record", 6) == 0 && word[6] != ':');
    struct bytes *bytes = of_journal ? &journal : &file;
    uint64_t at = place(word);

    if (at + n > bytes->size) {
        printf("recipes: %s lies beyond the end\n", word);
        exit(2);
    }
    for (uint64_t page = at / STORE_PAGE;
         !of_journal && page <= (at + n - 1) / STORE_PAGE; page++)
        touched[page] = true;
    if (!of_journal)
        touch_summed(at, n);
    return bytes->at + at;
}

static void noise(char *p, uint64_t n, uint64_t seed)
{
    for (uint64_t i = 0; i < n; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        p[i] = (char)(seed >> 56);
    }
}

static void swap_bytes(char *a, char *b, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        char c = a[i];

        a[i] = b[i];
        b[i] = c;
    }
}

/* One deed: VERB PLACE [NUMBER [PLACE]]. */
static void do_deed(char **words, int count)
{
    uint64_t n = count > 2 ? strtoull(words[2], NULL, 0) : 1;

    if (strcmp(words[0], "nothing") == 0)
        return;
    if (strcmp(words[0], "zero") == 0)
        memset(bytes_at(words[1], n), 0, n);
    else if (strcmp(words[0], "ones") == 0)
        memset(bytes_at(words[1], n), 0xff, n);
    else if (strcmp(words[0], "flip") == 0)
        bytes_at(words[1], 1)[0] ^= (char)(1 << n % 8);
    else if (strcmp(words[0], "noise") == 0)
        noise(bytes_at(words[1], n), n, n);
    else if (strcmp(words[0], "copy") == 0)
        memmove(bytes_at(words[1], n), bytes_at(words[3], n), n);
    else if (strcmp(words[0], "swap") == 0)
        swap_bytes(bytes_at(words[1], n), bytes_at(words[3], n), n);
    else if (strcmp(words[0], "cut") == 0) {
        file.size = place(words[1]);
        cut = true;
    } else if (strcmp(words[0], "cutjournal") == 0) {
        journal.size = n;
    } else if (strcmp(words[0], "nojournal") == 0) {
        journal.size = 0;
    } else {
        printf("recipes: nothing is called %s\n", words[0]);
        exit(2);
    }
}

/* --- What comes of it ----------------------------------------------------- */

static struct outcome {
    char rule[16]; /* of the first finding; "sound" */
    tn_repaired result;
    tn_status status;
    bool whole[OBJECTS], seen[OBJECTS];
    bool wanted_rule; /* was the rule that the line names among the findings? */
} outcome;
static const char *wanted_rule;

static void note_finding(void *arg, const tn_finding *finding)
{
    (void)arg;
    if (outcome.rule[0] == '\0')
        snprintf(outcome.rule, sizeof(outcome.rule), "%s", finding->rule);
    if (strcmp(finding->rule, wanted_rule) == 0)
        outcome.wanted_rule = true;
}

static void note_object(void *arg, const tn_salvaged *object)
{
    (void)arg;
    for (int i = 0; i < OBJECTS; i++)
        if (base->objects[i].handle == object->handle) {
            outcome.seen[i] = true;
            outcome.whole[i] = object->fate == TN_FATE_WHOLE;
        }
}

static size_t failures;
static const char *recipe;

static void wrong(const char *what, const char *which)
{
    printf("recipes: %s: %s%s%s\n", recipe, what, which[0] != '\0' ? ": " : "",
           which);
    failures++;
}

/* Where it lies itself, and the description of its type. */
static bool is_touched(const struct object *o)
{
    uint64_t first = (STORE_SEGMENT_OFF + o->block - 8) / STORE_PAGE;
    uint64_t last = (STORE_SEGMENT_OFF + o->handle + o->bytes - 1) / STORE_PAGE;

    if (touched[(STORE_SEGMENT_OFF + o->type) / STORE_PAGE] ||
        STORE_SEGMENT_OFF + o->type > file.size)
        return true;
    for (; first <= last; first++)
        if (touched[first] || (first + 1) * STORE_PAGE > file.size)
            return true;
    return false;
}

/* Has the new store the object as it was? */
static void expect_object(const tn_segment *seg, const struct object *o, int i)
{
    tn_object found;
    void *at;

    if (tn_find(seg, o->name, NULL, &at, NULL) != TN_OK) {
        wrong("it is whole and not found", o->name);
        return;
    }
    if (tn_handle_of(seg, at) != o->handle)
        wrong("it has moved", o->name);
    if (tn_describe(seg, at, &found) != TN_OK ||
        found.count * found.size != o->bytes)
        wrong("its size is another", o->name);
    else if (i < ITEMS ? ((struct item *)at)->twice != 2 * (uint64_t)i
                       : ((char *)at)[LARGE - 1] != (char)i ||
                             ((char *)at)[0] != (char)i)
        wrong("it is called whole and is not", o->name);
}

static void expect_objects(bool unknown)
{
    bool sums = outcome.result.sums_used;
    tn_store *store;
    size_t known = 0;

    if (tn_store_open(&store, "new", TN_DURABLE | TN_VERIFY, NULL) != TN_OK) {
        wrong("the new store cannot be opened", tn_errmsg());
        return;
    }
    OK(tn_store_close(store));
    OK(tn_store_open(&store, "new", TN_READ_ONLY, NULL));
    for (int i = 0; i < OBJECTS; i++) {
        const struct object *o = &base->objects[i];

        known += outcome.seen[i];
        if (outcome.whole[i] && (sums || !is_touched(o)))
            expect_object(tn_store_segment(store), o, i);
        if (!outcome.whole[i] && sums && !is_touched(o))
            wrong("nothing was done to it, and it is not whole", o->name);
    }
    if (!unknown && known + outcome.result.lost < OBJECTS)
        wrong("objects are missing and not called lost", "");
    OK(tn_store_close(store));
}

static void try_it(bool unknown)
{
    struct bytes after;

    memset(&outcome, 0, sizeof(outcome));
    if (tn_check_file("s", &(tn_check_options){.depth = TN_CHECK_FULL},
                      note_finding, NULL) == TN_OK)
        snprintf(outcome.rule, sizeof(outcome.rule), "sound");
    else if (outcome.rule[0] == '\0')
        snprintf(outcome.rule, sizeof(outcome.rule), "refused");
    outcome.status = tn_repair("s", "new", note_object, NULL, &outcome.result);
    after = read_file("s");
    if (after.size != file.size || memcmp(after.at, file.at, file.size) != 0)
        wrong("the damaged file has changed", "");
    free(after.at);
    if (outcome.status != TN_OK) {
        if (access("new", F_OK) == 0)
            wrong("it failed and left a file", "");
        return;
    }
    if (tn_check_file("new", &(tn_check_options){.depth = TN_CHECK_FULL}, NULL,
                      NULL) != TN_OK)
        wrong("what was written is not sound", tn_errmsg());
    expect_objects(unknown);
    if (strcmp(outcome.rule, "sound") == 0 &&
        (outcome.result.damaged | outcome.result.lost) != 0)
        wrong("it was sound, and something is not whole", "");
}

/* --- Recipes -------------------------------------------------------------- */

/* Split at blanks; returns how many. */
static int split(char *line, char **words, int most)
{
    int count = 0;

    for (char *word = strtok(line, " \t\n"); word != NULL && count < most;
         word = strtok(NULL, " \t\n"))
        words[count++] = word;
    return count;
}

static void set_up(const char *name)
{
    base = NULL;
    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
        if (strcmp(bases[i].name, name) == 0)
            base = &bases[i];
    if (base == NULL) {
        printf("recipes: there is no store %s\n", name);
        exit(2);
    }
    copy_bytes(&file, &base->file);
    copy_bytes(&journal, &base->journal);
    memset(touched, 0, sizeof(touched));
    cut = false;
}

/* What the line says, in its own words. */
static void tell(char *text, size_t size, bool unknown)
{
    const tn_repaired *r = &outcome.result;

    if (outcome.status != TN_OK) {
        snprintf(text, size, "%s, no repair", outcome.rule);
        return;
    }
    snprintf(text, size, "%s, %zu whole %zu damaged %zu lost%s%s%s",
             outcome.rule, r->whole, r->damaged, r->lost,
             unknown ? " unknown" : "", r->superblock_lost ? " superblock" : "",
             r->journal_missing ? " journal" : "");
}

/* STORE: DEED; DEED => RULE, OUTCOME */
static void run(const char *line, char *said, size_t size)
{
    char copy[512], *words[8], *arrow, *colon, *deed, *rest;
    bool unknown = strstr(line, " unknown") != NULL;

    snprintf(copy, sizeof(copy), "%s", line);
    arrow = strstr(copy, " => ");
    if (arrow != NULL)
        *arrow = '\0';
    colon = strchr(copy, ':');
    CLAIM(colon != NULL);
    *colon = '\0';
    set_up(copy);
    rest = colon + 1;
    while ((deed = strsep(&rest, ";")) != NULL)
        do_deed(words, split(deed, words, 8));
    write_file("s", &file);
    if (journal.size != 0)
        write_file("s-journal", &journal);
    wanted_rule = "";
    try_it(unknown);
    tell(said, size, unknown);
    ground_clear(".");
}

static size_t run_all(FILE *in, FILE *out)
{
    char line[512], said[200];
    size_t count = 0;

    while (fgets(line, sizeof(line), in) != NULL) {
        char *arrow = strstr(line, " => ");

        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0') {
            if (out != NULL)
                fprintf(out, "%s\n", line);
            continue;
        }
        recipe = line;
        count++;
        run(line, said, sizeof(said));
        if (out != NULL)
            fprintf(out, "%.*s => %s\n",
                    arrow != NULL ? (int)(arrow - line) : (int)strlen(line),
                    line, said);
        else if (arrow == NULL || strcmp(arrow + 4, said) != 0)
            wrong("comes out as", said);
    }
    return count;
}

int main(int argc, char **argv)
{
    bool update = argc > 1 && strcmp(argv[1], "--update") == 0;
    const char *path =
        argc > 1 + update ? argv[1 + update] : "tests/crash/recipes.txt";
    char whole[PATH_MAX], *text = NULL;
    size_t size = 0, count;
    FILE *in, *out = NULL;

    if (realpath(path, whole) == NULL || (in = fopen(whole, "r")) == NULL) {
        printf("recipes: %s cannot be read\n", path);
        return 2;
    }
    if (chdir(ground_directory("recipes")) != 0)
        return 2;
    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
        make_base(&bases[i]);
    if (update)
        out = open_memstream(&text, &size);
    count = run_all(in, out);
    fclose(in);
    if (update) {
        fclose(out);
        write_file(whole, &(struct bytes){text, size});
    }
    free(text);
    free(file.at);
    free(journal.at);
    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        free(bases[i].file.at);
        free(bases[i].journal.at);
    }
    printf("recipes: %zu damaged stores, %zu failures\n", count, failures);
    return failures != 0;
}
