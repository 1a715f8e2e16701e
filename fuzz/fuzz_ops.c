/* fuzz_ops.c - bytes as calls, compared with a simple model
 *
 *     byte 0    kind of index (low 3 bits), algorithm (bit 3), page sums (bit
 *               4), tracker (bits 5-6)
 *     byte 1    how it is kept: durable, shared, in a buffer, in the heap
 *     then      calls: a byte that says which, and a byte or two for it
 *
 * The model is the one of the unit tests: an array of what must be there, with
 * a copy of it as of the last commit.  The store is closed and opened again in
 * other ways, its transactions are committed and taken back, and its files are
 * copied as a killed process would leave them, which must recover to the last
 * commit.  In the end everything is destroyed, and every byte is free again.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "place.h"

#include <stdlib.h>
#include <string.h>

#include <tenon.h>

enum {
    SIZE = 16384,
    MOST = 262144,
    LARGEST = 3000,
    CALLS = 100,
    VIEWS = 3,
    FILES = 3, /* calls of an input that make files, and take their time */
};

enum keeping { DURABLE, SHARED, BUFFER, HEAP, KEEPINGS };

/* A view of a commit that is looked at while others are made. */
struct view {
    const tn_segment *seg;
    struct model model;
};

struct world {
    const uint8_t *data, *end;
    tn_options options;
    enum keeping keeping;
    tn_store *store;
    tn_segment *seg; /* that may be changed; NULL: none just now */
    unsigned files;  /* made so far, see FILES */
    struct model now, committed;
    struct view views[VIEWS];
};

static char buffer[MOST] __attribute__((aligned(4096)));

static unsigned take(struct world *w)
{
    return w->data < w->end ? *w->data++ : 0;
}

static size_t take_size(struct world *w)
{
    size_t size = take(w);

    return size < 200 ? size : (size - 200) * 256 + take(w);
}

/* --- Stores --------------------------------------------------------------- */

static void open_store(struct world *w, unsigned access)
{
    REQUIRE(tn_store_open(&w->store, place_path("ops"), access, &w->options) ==
            TN_OK);
}

static void begin(struct world *w)
{
    if (w->seg != NULL)
        return;
    REQUIRE(tn_begin(w->store, &w->seg) == TN_OK);
    w->now.seg = w->seg;
}

static void roll_back(struct world *w)
{
    if (w->keeping != DURABLE || w->seg == NULL)
        return;
    REQUIRE(tn_rollback(w->store) == TN_OK);
    w->seg = NULL;
    w->now = w->committed;
}

/* Readers may keep the journal from being emptied when it is full. */
static void commit(struct world *w, unsigned flags)
{
    tn_status status;

    if (w->keeping != DURABLE || w->seg == NULL)
        return;
    status = tn_commit_with(w->store, flags);
    REQUIRE(status == TN_OK || status == TN_ENOSPC || status == TN_EBUSY ||
            status == TN_ENOMEM);
    if (status != TN_OK) {
        roll_back(w);
        return;
    }
    w->seg = NULL;
    if (flags != 0)
        REQUIRE(tn_sync(w->store) == TN_OK);
    w->committed = w->now;
}

static void look(struct world *w, unsigned which)
{
    struct view *view = &w->views[which % VIEWS];

    if (w->keeping != DURABLE)
        return;
    if (view->seg == NULL) {
        REQUIRE(tn_read_begin(w->store, &view->seg) == TN_OK);
        view->model = w->committed;
        view->model.seg = (tn_segment *)view->seg;
        return;
    }
    REQUIRE(model_holds(&view->model));
    REQUIRE(tn_read_end(w->store, view->seg) == TN_OK);
    view->seg = NULL;
}

static void close_store(struct world *w)
{
    for (unsigned i = 0; i < VIEWS; i++)
        if (w->views[i].seg != NULL)
            look(w, i);
    roll_back(w);
    REQUIRE(tn_store_close(w->store) == TN_OK);
    w->seg = NULL;
    w->store = NULL;
}

static bool differ(void *arg, const tn_difference *difference)
{
    (void)arg;
    (void)difference;
    return true;
}

/* Two segments with the same objects have the same digest. */
static void require_same(const tn_segment *a, const tn_segment *b)
{
    unsigned char digests[2][16];

    REQUIRE(tn_contents_digest(a, digests[0]) == TN_OK);
    REQUIRE(tn_contents_digest(b, digests[1]) == TN_OK);
    REQUIRE(memcmp(digests[0], digests[1], sizeof(digests[0])) == 0);
    REQUIRE(tn_contents_compare(a, b, differ, NULL) == TN_OK);
}

/* Look at the file at path, opened in this way, as the model says it is. */
static void look_at(struct world *w, const char *path, unsigned flags,
                    const struct model *expected)
{
    struct model m = *expected;
    tn_store *store;
    const tn_segment *view;

    REQUIRE(tn_store_open(&store, path, flags | TN_VERIFY, &w->options) ==
            TN_OK);
    if ((flags & TN_ACCESS_MASK) == TN_DURABLE)
        REQUIRE(tn_read_begin(store, &view) == TN_OK);
    else
        view = tn_store_segment(store);
    m.seg = (tn_segment *)view;
    REQUIRE(model_holds(&m));
    if ((flags & TN_ACCESS_MASK) == TN_DURABLE)
        REQUIRE(tn_read_end(store, view) == TN_OK);
    REQUIRE(tn_store_close(store) == TN_OK);
}

/* Nothing of what a killed process leaves is damage, so all of it is saved. */
static void repair(struct world *w, const char *path,
                   const struct model *expected)
{
    const char *repaired = place_path("repaired");
    tn_repaired result;
    tn_status status;

    place_remove("repaired");
    status = tn_repair(path, repaired, NULL, NULL, &result);
    REQUIRE(status == TN_OK || status == TN_ENOSPC);
    if (status != TN_OK)
        return;
    REQUIRE(result.lost == 0 && result.damaged == 0 && result.gaps == 0);
    look_at(w, repaired, TN_READ_ONLY, expected);
}

/* What would be there if this process were killed now. */
static void crash(struct world *w, unsigned how)
{
    static const unsigned access[] = {TN_DURABLE, TN_READ_ONLY, TN_PRIVATE};
    const char *copy = place_path("copy");

    if (w->store == NULL || w->files++ >= FILES)
        return;
    place_copy("ops", "copy");
    place_remove("copy-journal");
    if (w->keeping == DURABLE)
        place_copy("ops-journal", "copy-journal");
    if (how % 4 == 3) {
        repair(w, copy, w->keeping == DURABLE ? &w->committed : &w->now);
        return;
    }
    if (w->keeping == DURABLE) {
        look_at(w, copy, access[how % 3], &w->committed);
    } else {
        tn_store *store;

        REQUIRE(tn_store_open(&store, copy, TN_SHARED, NULL) == TN_EDIRTY);
        look_at(w, copy, TN_SHARED | TN_RECOVER, &w->now);
    }
    REQUIRE(tn_check_file(copy, NULL, NULL, NULL) == TN_OK);
}

static void save(struct world *w)
{
    const char *path = place_path("saved");
    const tn_segment *view;
    tn_store *saved;

    if (w->store == NULL || w->files++ >= FILES)
        return;
    place_remove("saved");
    REQUIRE(tn_store_save(w->store, path, NULL) == TN_OK);
    look_at(w, path, TN_READ_ONLY,
            w->keeping == DURABLE ? &w->committed : &w->now);
    if (w->keeping != DURABLE)
        return;
    REQUIRE(tn_store_open(&saved, path, TN_PRIVATE, &w->options) == TN_OK);
    REQUIRE(tn_read_begin(w->store, &view) == TN_OK);
    require_same(view, tn_store_segment(saved));
    REQUIRE(tn_read_end(w->store, view) == TN_OK);
    REQUIRE(tn_store_close(saved) == TN_OK);
}

/* Close it, look at it in all ways, change its size, and open it as durable
 * or shared. */
static void reopen(struct world *w, unsigned how)
{
    const char *path = place_path("ops");

    if (w->store == NULL || w->files++ >= FILES)
        return;
    close_store(w);
    REQUIRE(tn_check_file(path, NULL, NULL, NULL) == TN_OK);
    look_at(w, path, how & 1 ? TN_READ_ONLY : TN_PRIVATE, &w->now);
    if ((how & 12) == 12)
        REQUIRE(tn_store_shrink(path) == TN_OK);
    else if ((how & 12) == 8)
        tn_store_grow(path, 4096);
    w->options.page_sums = how & 16 ? TN_SUMS_OFF : TN_SUMS_DEFAULT;
    w->keeping = how & 2 ? SHARED : DURABLE;
    open_store(w, w->keeping == SHARED ? TN_SHARED : TN_DURABLE);
    w->seg = w->keeping == SHARED ? tn_store_segment(w->store) : NULL;
    w->now.seg = w->seg;
    w->committed = w->now;
}

/* --- Calls ---------------------------------------------------------------- */

static void make(struct world *w, unsigned slot)
{
    enum model_what what = MODEL_NAMED + take(w) % 4;
    size_t count = take_size(w) % LARGEST;
    bool nameless = !w->now.names && what <= MODEL_UNIQUE;
    tn_status status;

    if (w->now.slots[slot].what != MODEL_NOTHING)
        return;
    if (what != MODEL_RAW)
        count /= model_type(slot)->size;
    status = model_make(&w->now, slot, what, count);
    if (nameless)
        REQUIRE(status == TN_ENOTSUP);
    else
        REQUIRE(status == TN_OK || status == TN_ENOMEM || status == TN_ENOSPC);
}

static void drop(struct world *w, unsigned slot)
{
    if (w->now.slots[slot].what != MODEL_NOTHING)
        REQUIRE(model_drop(&w->now, slot) == TN_OK);
}

/* Any command on a raw piece: what was there stays. */
static void resize(struct world *w, unsigned slot)
{
    struct model_slot *s = &w->now.slots[slot];
    unsigned command = take(w) % 64;
    size_t preferred = take_size(w) % LARGEST, limit = take_size(w) % LARGEST;
    void *old = tn_at(w->seg, s->place), *reuse = old, *got;
    unsigned char *p;

    if (s->what != MODEL_RAW)
        return;
    if (command == 0) {
        model_resize(&w->now, slot, preferred);
        return;
    }
    got = tn_realloc_cmd(w->seg, command, limit, &preferred, &reuse, 1);
    if (got == NULL)
        return;
    if (reuse == NULL) {
        REQUIRE(tn_free(w->seg, old) == TN_OK);
    } else {
        p = old; /* a smaller one keeps what it still has */
        for (size_t i = 0;
             i < s->count && p + i < (unsigned char *)got + preferred; i++)
            REQUIRE(p[i] == s->mark);
    }
    memset(got, s->mark, preferred);
    s->place = tn_handle_of(w->seg, got);
    s->count = preferred;
}

/* Nothing is left of these, and the free bytes come back. */
static void pass(struct world *w)
{
    size_t size = take_size(w), count = take(w) % 20;
    size_t before = tn_free_bytes(w->seg), all = tn_segment_size(w->seg);
    tn_chain chain = TN_CHAIN_INIT;
    char *p;

    if (tn_alloc_many(w->seg, size % LARGEST, count, &chain) == TN_OK)
        REQUIRE(tn_free_many(w->seg, &chain) == TN_OK);
    p = (char *)tn_segment_base(w->seg) + size * 8;
    REQUIRE(tn_usable_size(w->seg, p) != 0 || tn_free(w->seg, p) != TN_OK);
    REQUIRE(tn_segment_size(w->seg) != all || tn_free_bytes(w->seg) == before);
}

static tn_status refuse(tn_segment *seg, void *element, size_t index, void *arg)
{
    (void)seg;
    (void)element;
    return index == *(size_t *)arg ? TN_ECANCELED : TN_OK;
}

/* A constructor that fails leaves nothing. */
static void fail(struct world *w, unsigned slot)
{
    static const tn_type refusing = {
        .name = "refusing", .size = 40, .align = 8, .init = refuse};
    size_t count = take(w) % 9 + 1, at = take(w) % count;
    const char *name = slot % 2 == 0 ? "refused" : TN_ANONYMOUS;
    tn_status status = tn_construct(w->seg, name, &refusing, count, &at, NULL);

    REQUIRE(status == TN_ECANCELED || status == TN_ENOMEM ||
            status == TN_ENOSPC ||
            (status == TN_ENOTSUP && !w->now.names && name != NULL));
}

static void care(struct world *w, unsigned how)
{
    size_t count = take(w);

    switch (how % 6) {
    case 0:
        REQUIRE(tn_zero_free(w->seg) == TN_OK);
        break;
    case 1:
        REQUIRE(tn_shrink_indexes(w->seg) == TN_OK || !w->now.names);
        break;
    case 2:
        tn_reserve_named(w->seg, count * 4);
        break;
    case 3:
        tn_reserve_unique(w->seg, count * 4);
        break;
    case 4:
        if (w->keeping != BUFFER ||
            tn_segment_size(w->seg) + count * 64 <= MOST)
            tn_segment_grow(w->seg, count * 64);
        break;
    default:
        if (w->keeping == SHARED)
            REQUIRE(tn_flush(w->store) == TN_OK);
    }
}

static tn_status drop_inside(tn_segment *seg, void *arg)
{
    struct world *w = arg;

    (void)seg;
    drop(w, take(w) % MODEL_SLOTS);
    make(w, take(w) % MODEL_SLOTS);
    return TN_OK;
}

/* What is changed needs a segment that can be. */
static void change(struct world *w, unsigned call, unsigned slot)
{
    if (w->seg == NULL)
        begin(w);
    switch (call) {
    case 0:
    case 1:
    case 2:
        make(w, slot);
        break;
    case 3:
    case 4:
        drop(w, slot);
        break;
    case 5:
        resize(w, slot);
        break;
    case 6:
        pass(w);
        break;
    case 7:
        fail(w, slot);
        break;
    case 8:
        care(w, slot);
        break;
    default:
        REQUIRE(tn_atomic(w->seg, drop_inside, w) == TN_OK);
    }
}

/* --- Calls that take a transaction of their own --------------------------- */

/* What a piece or an object holds becomes other bytes, and nothing but that:
 * the search for what changed is left out. */
static void rewrite(struct world *w, unsigned first)
{
    unsigned count = take(w);

    commit(w, 0);
    if (w->keeping != DURABLE || w->seg != NULL)
        return;
    REQUIRE(tn_begin_with(w->store, TN_HINTED, &w->seg) == TN_OK);
    w->now.seg = w->seg;
    for (unsigned i = 0; i < count % 8 + 1; i++)
        model_rewrite(&w->now, (first + i) % MODEL_SLOTS);
    if (count >= 128)
        roll_back(w);
    else
        commit(w, 0);
}

static void trim(struct world *w)
{
    tn_status status;

    commit(w, 0);
    if (w->store == NULL || (w->keeping == DURABLE && w->seg != NULL))
        return;
    status = tn_trim(w->store, NULL);
    REQUIRE(status == TN_OK || status == TN_EBUSY || status == TN_ENOSPC ||
            status == TN_ENOMEM);
}

/* The same by every way to look at it. */
static void hold(struct world *w, unsigned how)
{
    static const tn_check_options quick = {.depth = TN_CHECK_QUICK,
                                           .threads = 1};
    static const tn_check_options normal = {.threads = 1};

    if (w->seg != NULL)
        REQUIRE(model_holds(&w->now));
    if (w->store != NULL)
        REQUIRE(tn_check_store(w->store, how % 4 == 0 ? &normal : &quick, NULL,
                               NULL) == TN_OK);
}

static void step(struct world *w)
{
    unsigned byte = take(w), call = byte % 36, slot = take(w) % MODEL_SLOTS;

    switch (call) {
    case 10:
        commit(w, slot % 2 == 0 ? 0 : TN_NO_SYNC);
        break;
    case 11:
        roll_back(w);
        break;
    case 12:
        look(w, slot);
        break;
    case 13:
        crash(w, slot);
        break;
    case 14:
        reopen(w, slot);
        break;
    case 15:
        save(w);
        break;
    case 16:
        if (w->keeping == DURABLE)
            tn_checkpoint(w->store);
        break;
    case 17:
        hold(w, slot);
        break;
    case 18:
        rewrite(w, slot);
        break;
    case 19:
        trim(w);
        break;
    default:
        change(w, call % 10, slot);
    }
}

/* --- All of it ------------------------------------------------------------ */

static void start(struct world *w)
{
    unsigned first = take(w);

    w->options = (tn_options){.size = SIZE,
                              .max_size = MOST,
                              .grow_step = 4096,
                              .journal_size = 65536,
                              .lock_timeout_ms = 100,
                              .index = first % 8 % 6,
                              .fit = first >> 3 & 1,
                              .page_sums = first >> 4 & 1,
                              .tracker = first >> 5 & 3};
    w->keeping = take(w) % KEEPINGS;
    place_remove("ops");
    place_remove("ops-journal");
    if (w->keeping == BUFFER)
        REQUIRE(tn_segment_create(&w->seg, buffer, SIZE, &w->options) == TN_OK);
    else if (w->keeping == HEAP)
        REQUIRE(tn_segment_create_heap(&w->seg, SIZE, &w->options) == TN_OK);
    else
        open_store(w,
                   TN_CREATE | (w->keeping == SHARED ? TN_SHARED : TN_DURABLE));
    if (w->keeping == SHARED)
        w->seg = tn_store_segment(w->store);
    if (w->keeping == DURABLE)
        begin(w);
    model_init(&w->now, w->seg, 1, LARGEST);
    w->committed = w->now;
}

static void finish(struct world *w)
{
    if (w->seg == NULL)
        begin(w);
    REQUIRE(model_holds(&w->now));
    REQUIRE(model_clear(&w->now));
    REQUIRE(tn_segment_check(w->seg, NULL, NULL) == TN_OK);
    commit(w, 0);
    if (w->store != NULL)
        close_store(w);
    else
        REQUIRE(tn_segment_detach(w->seg) == TN_OK);
    if (w->store != NULL)
        REQUIRE(tn_check_file(place_path("ops"), NULL, NULL, NULL) == TN_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct world *w = &world;

    *w = (struct world){.data = data, .end = data + size};
    place_limit();
    start(w);
    for (int i = 0; i < CALLS && w->data < w->end; i++)
        step(w);
    finish(w);
    place_unlimit();
    return 0;
}
