/* use.c - use a store as a program would that knows nothing of it
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "use.h"
#include "place.h"

#include <stdio.h>
#include <string.h>

enum { PIECES = 12, OBJECTS = 12, LARGEST_PIECE = 9000 };

const tn_options use_options = {
    .grow_step = 8192, .journal_size = 65536, .lock_timeout_ms = 500};

static const tn_type item = {.name = "fuzz item", .size = 24, .align = 8};
static const tn_type wide = {.name = "fuzz wide", .size = 64, .align = 256};

/* --- Looking -------------------------------------------------------------- */

static uint64_t mix(uint64_t sum, const void *bytes, size_t size)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < size; i++)
        sum = (sum ^ p[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static uint64_t sum_of(const tn_object *object)
{
    uint64_t sum = 0xcbf29ce484222325 + object->kind;

    if (object->name != NULL)
        sum = mix(sum, object->name, object->name_length + 1);
    sum = mix(sum, object->type, strlen(object->type));
    return mix(sum, object->address, object->count * object->size);
}

/* Is it found as what it is, and as nothing else? */
static void find_again(const tn_segment *seg, const tn_object *object)
{
    tn_type type = {
        .name = object->type, .size = object->size, .align = object->align};
    const char *name = object->kind == TN_KIND_NAMED ? object->name : TN_UNIQUE;
    size_t count = 0;
    tn_object same;
    void *found;

    REQUIRE(tn_describe(seg, object->address, &same) == TN_OK);
    REQUIRE(same.handle == object->handle && same.kind == object->kind);
    REQUIRE(tn_handle_of(seg, object->address) == object->handle);
    REQUIRE(tn_at(seg, object->handle) == object->address);
    REQUIRE(tn_count_of(seg, object->address) == object->count);
    REQUIRE(tn_kind_of(seg, object->address) == object->kind);
    REQUIRE(tn_type_of(seg, object->address) == object->type);
    REQUIRE((tn_name_of(seg, object->address) != NULL) ==
            (object->name != NULL));
    if (object->kind == TN_KIND_ANONYMOUS)
        return;
    REQUIRE(tn_find(seg, name, &type, &found, &count) == TN_OK);
    REQUIRE(found == object->address && count == object->count);
    type.size++;
    REQUIRE(tn_find(seg, name, &type, NULL, NULL) == TN_ETYPE);
}

/* All objects of a kind; each comes once, in order. */
static uint64_t look_at(const tn_segment *seg, tn_kind kind, size_t *met)
{
    uint64_t sum = 0;
    char last[TN_NAME_MAX + 1] = "";
    tn_handle place = 0;
    tn_object object;
    tn_iter *iter;

    *met = 0;
    REQUIRE(tn_iter_open(seg, kind, NULL, &iter) == TN_OK);
    while (tn_iter_next(iter, &object)) {
        REQUIRE(object.kind == kind);
        if (kind == TN_KIND_ANONYMOUS) {
            REQUIRE(object.handle > place);
            place = object.handle;
        } else {
            REQUIRE(strlen(object.name) == object.name_length);
            REQUIRE(strcmp(last, object.name) < 0);
            strcpy(last, object.name);
        }
        find_again(seg, &object);
        sum += sum_of(&object);
        ++*met;
    }
    tn_iter_close(iter);
    return sum;
}

static void look_for_none(const tn_segment *seg, const tn_stats *stats)
{
    tn_status none = stats->index == TN_INDEX_NULL ? TN_ENOTSUP : TN_ENOENT;
    const char *base = tn_segment_base(seg);
    tn_object object;
    tn_iter *iter;

    REQUIRE(tn_find(seg, "\xff none", NULL, NULL, NULL) == none);
    REQUIRE(tn_find(seg, TN_UNIQUE, &wide, NULL, NULL) == none);
    REQUIRE(tn_at(seg, stats->size + 1) == NULL);
    REQUIRE(tn_describe(seg, base + 8, &object) == TN_EINVAL);
    for (size_t off = 0; off < stats->size; off += stats->size / 64 + 1) {
        tn_usable_size(seg, base + off);
        tn_describe(seg, base + off, &object);
    }
    REQUIRE(tn_iter_open(seg, TN_KIND_NAMED, "i", &iter) == TN_OK);
    while (tn_iter_next(iter, &object))
        REQUIRE(object.name[0] == 'i');
    tn_iter_close(iter);
}

uint64_t use_look(const tn_segment *seg)
{
    size_t named, unique, anonymous;
    uint64_t sum = look_at(seg, TN_KIND_NAMED, &named);
    tn_stats stats;

    sum += look_at(seg, TN_KIND_UNIQUE, &unique);
    sum += look_at(seg, TN_KIND_ANONYMOUS, &anonymous);
    REQUIRE(tn_segment_stats(seg, &stats) == TN_OK);
    REQUIRE(stats.named == named && tn_named_count(seg) == named);
    REQUIRE(stats.unique == unique && tn_unique_count(seg) == unique);
    REQUIRE(stats.anonymous == anonymous);
    REQUIRE(stats.free_bytes == tn_free_bytes(seg));
    REQUIRE(stats.used_bytes + stats.free_bytes + stats.overhead_bytes ==
            stats.size);
    REQUIRE(stats.size == tn_segment_size(seg));
    tn_all_free(seg);
    look_for_none(seg, &stats);
    return sum;
}

/* --- Memory --------------------------------------------------------------- */

static void use_pieces(tn_segment *seg, void *pieces[PIECES])
{
    for (size_t i = 0; i < PIECES; i++) {
        size_t size = i * i * i * 5 % LARGEST_PIECE;

        pieces[i] = i % 3 == 2 ? tn_alloc_aligned(seg, size, 16u << i % 7)
                               : tn_alloc(seg, size);
        if (pieces[i] == NULL)
            continue;
        REQUIRE(tn_usable_size(seg, pieces[i]) >= size);
        memset(pieces[i], 0xa5, size);
    }
    for (size_t i = 1; i < PIECES; i += 2) {
        size_t size = i * 150;
        void *moved = tn_realloc(seg, pieces[i], size);

        if (moved == NULL)
            continue;
        memset(moved, 0x5a, size);
        pieces[i] = moved;
    }
}

static void use_commands(tn_segment *seg, void *p)
{
    static const unsigned commands[] = {
        TN_EXPAND_FWD,    TN_SHRINK,
        TN_EXPAND_BWD,    TN_TRY_SHRINK,
        TN_NEW | TN_ZERO, TN_EXPAND_FWD | TN_EXPAND_BWD | TN_NEW};

    for (size_t i = 0; p != NULL && i < 6; i++) {
        size_t preferred =
            (commands[i] & (TN_SHRINK | TN_TRY_SHRINK)) != 0 ? 4 : 40 * (i + 1);
        size_t limit =
            (commands[i] & (TN_SHRINK | TN_TRY_SHRINK)) != 0 ? 60 : 1;
        void *reuse = p;
        void *got =
            tn_realloc_cmd(seg, commands[i], limit, &preferred, &reuse, 8);

        if (got == NULL)
            continue;
        memset(got, 0x33, preferred * 8);
        if (reuse == NULL)
            REQUIRE(tn_free(seg, got) == TN_OK);
        else
            p = got;
    }
    REQUIRE(p == NULL || tn_free(seg, p) == TN_OK);
    REQUIRE(p == NULL || tn_free(seg, p) != TN_OK);
}

static void use_many(tn_segment *seg)
{
    static const size_t lengths[] = {1, 0, 30, 200, 7};
    tn_chain chain = TN_CHAIN_INIT;

    if (tn_alloc_many(seg, 48, 9, &chain) == TN_OK)
        REQUIRE(tn_free(seg, tn_chain_pop(&chain)) == TN_OK);
    tn_alloc_many_v(seg, lengths, 5, 4, &chain);
    REQUIRE(tn_free_many(seg, &chain) == TN_OK);
}

/* Where nothing is left over, the free bytes are as many as before. */
static void use_memory(tn_segment *seg)
{
    size_t size = tn_segment_size(seg), before = tn_free_bytes(seg);
    uint64_t sum = use_look(seg);
    void *pieces[PIECES];

    use_pieces(seg, pieces);
    use_many(seg);
    REQUIRE(use_look(seg) == sum);
    for (size_t i = 0; i + 1 < PIECES; i++)
        REQUIRE(tn_free(seg, pieces[i]) == TN_OK);
    use_commands(seg, pieces[PIECES - 1]);
    REQUIRE(tn_zero_free(seg) == TN_OK);
    REQUIRE(use_look(seg) == sum);
    REQUIRE(tn_segment_size(seg) != size || tn_free_bytes(seg) == before);
}

/* --- Objects -------------------------------------------------------------- */

static tn_status refuse(tn_segment *seg, void *element, size_t index, void *arg)
{
    (void)seg;
    (void)element;
    (void)arg;
    return index == 1 ? TN_ECANCELED : TN_OK;
}

static void make_objects(tn_segment *seg)
{
    static const tn_type refusing = {
        .name = "fuzz refusing", .size = 8, .align = 8, .init = refuse};
    char name[40], bytes[64] = "bytes";
    bool created;
    void *p;

    for (int i = 0; i < OBJECTS; i++) {
        const tn_type *type = i % 2 == 0 ? &item : &wide;
        tn_status status;

        snprintf(name, sizeof(name), "item/%0*d", i % 4 * 8, i);
        status = tn_find_or_construct(seg, name, type, (size_t)i % 5, bytes, &p,
                                      &created);
        REQUIRE(status == TN_OK || status == TN_ENOMEM || status == TN_ETYPE ||
                status == TN_ENOTSUP || status == TN_ENOSPC);
        REQUIRE(status != TN_OK ||
                tn_construct(seg, name, type, 1, NULL, NULL) == TN_EEXIST);
    }
    tn_construct(seg, TN_UNIQUE, &item, 2, NULL, NULL);
    tn_construct_from(seg, TN_ANONYMOUS, &item, 3, bytes, 8, NULL);
    REQUIRE(tn_construct(seg, "refused", &refusing, 3, NULL, NULL) != TN_OK);
}

static void use_objects(tn_segment *seg)
{
    char name[40];

    make_objects(seg);
    REQUIRE(tn_segment_check(seg, NULL, NULL) == TN_OK);
    tn_reserve_named(seg, 200);
    tn_reserve_unique(seg, 20);
    use_look(seg);
    for (int i = 0; i < OBJECTS; i += 3) {
        snprintf(name, sizeof(name), "item/%0*d", i % 4 * 8, i);
        tn_destroy(seg, name, NULL);
    }
    tn_shrink_indexes(seg);
    use_look(seg);
}

/* Each goes by its address or by its name; the walk goes on. */
static void destroy_all(tn_segment *seg, tn_kind kind)
{
    tn_object object;
    tn_iter *iter;
    size_t n = 0, left;

    REQUIRE(tn_iter_open(seg, kind, NULL, &iter) == TN_OK);
    while (tn_iter_next(iter, &object))
        if (kind == TN_KIND_NAMED && n++ % 2 == 0)
            REQUIRE(tn_destroy(seg, object.name, NULL) == TN_OK);
        else
            REQUIRE(tn_destroy_ptr(seg, object.address, NULL) == TN_OK);
    tn_iter_close(iter);
    look_at(seg, kind, &left);
    REQUIRE(left == 0);
}

void use_change(tn_segment *seg)
{
    use_memory(seg);
    use_objects(seg);
    tn_segment_grow(seg, 4096);
    REQUIRE(tn_segment_check(seg, NULL, NULL) == TN_OK);
    for (int kind = TN_KIND_NAMED; kind <= TN_KIND_ANONYMOUS; kind++)
        destroy_all(seg, (tn_kind)kind);
    REQUIRE(tn_shrink_indexes(seg) == TN_OK);
    REQUIRE(tn_zero_free(seg) == TN_OK);
    REQUIRE(tn_segment_check(seg, NULL, NULL) == TN_OK);
}

/* --- Stores --------------------------------------------------------------- */

/* Note findings that make a store unsafe to use.  Not so what is wrong with
 * the first page and the journal, and does not keep it from being opened. */
static char first_unsafe[256];

static void hear(void *unsafe, const tn_finding *finding)
{
    static const char *const harmless[] = {"B2", "B3", "B4", "B5"};

    for (size_t i = 0; i < 4; i++)
        if (strcmp(finding->rule, harmless[i]) == 0)
            return;
    if (finding->rule[0] == 'J' || finding->rule[0] == 'O')
        return;
    if (!*(bool *)unsafe)
        snprintf(first_unsafe, sizeof(first_unsafe), "%s at %llu: %s",
                 finding->rule, (unsigned long long)finding->offset,
                 finding->what);
    *(bool *)unsafe = true;
}

static tn_status check(const char *path, bool *unsafe)
{
    *unsafe = false;
    first_unsafe[0] = '\0';
    return tn_check_file(path, NULL, hear, unsafe);
}

/* After use it is sound, but for what was there before and harms nobody. */
static bool is_sound(const char *path)
{
    bool unsafe;
    tn_status status = check(path, &unsafe);

    return status == TN_OK || (status == TN_ECORRUPT && !unsafe);
}

static void save_and_check(tn_store *store)
{
    const char *copy = place_path("saved");
    tn_status status;

    place_remove("saved");
    status = tn_store_save(store, copy, NULL);
    REQUIRE(status == TN_OK || status == TN_ENOSPC);
    REQUIRE(status != TN_OK || tn_check_file(copy, NULL, NULL, NULL) == TN_OK);
}

static bool differ(void *arg, const tn_difference *difference)
{
    (void)arg;
    (void)difference;
    return true;
}

/* What a snapshot of it gives back is the same store. */
static void snapshot_and_restore(tn_store *store)
{
    static const tn_snapshot_options plain = {.threads = 1, .force = true};
    uint64_t sum = use_look(tn_store_segment(store));
    const char *again = place_path("again");
    unsigned char before[16], after[16];
    tn_store *restored;
    tn_status status;

    REQUIRE(tn_contents_digest(tn_store_segment(store), before) == TN_OK);

    status = tn_snapshot_write(store, place_path("shot"), &plain, NULL);
    REQUIRE(status == TN_OK || status == TN_ENOSPC);
    if (status == TN_OK)
        status = tn_snapshot_restore(place_path("shot"), again, &plain, NULL);
    REQUIRE(status == TN_OK || status == TN_ENOSPC);
    if (status != TN_OK)
        return;
    REQUIRE(tn_check_file(again, NULL, NULL, NULL) == TN_OK);
    REQUIRE(tn_store_open(&restored, again, TN_READ_ONLY, &use_options) ==
            TN_OK);
    REQUIRE(use_look(tn_store_segment(restored)) == sum);
    REQUIRE(tn_contents_digest(tn_store_segment(restored), after) == TN_OK);
    REQUIRE(memcmp(before, after, sizeof(before)) == 0);
    REQUIRE(tn_contents_compare(tn_store_segment(store),
                                tn_store_segment(restored), differ,
                                NULL) == TN_OK);
    REQUIRE(tn_store_close(restored) == TN_OK);
}

static void use_read(tn_store *store, const tn_segment *other, uint64_t sum)
{
    const tn_segment *view;

    REQUIRE(tn_read_begin(store, &view) == TN_OK);
    REQUIRE(view != other && use_look(view) == sum);
    REQUIRE(tn_read_end(store, view) == TN_OK);
}

static void end(tn_store *store, bool commit)
{
    tn_status status = commit ? tn_commit(store) : tn_rollback(store);

    REQUIRE(status == TN_OK ||
            (commit && (status == TN_ENOSPC || status == TN_ENOMEM)));
    REQUIRE(status == TN_OK || tn_rollback(store) == TN_OK);
}

/* A byte of the first named object that has any becomes another, and itself
 * again, in transactions that say so. */
static void use_hints(tn_store *store)
{
    tn_segment *seg;
    tn_object object;
    tn_iter *iter;
    bool found;

    for (int i = 0; i < 2; i++) {
        REQUIRE(tn_begin_with(store, TN_HINTED, &seg) == TN_OK);
        REQUIRE(tn_iter_open(seg, TN_KIND_NAMED, NULL, &iter) == TN_OK);
        do
            found = tn_iter_next(iter, &object);
        while (found && object.count * object.size == 0);
        tn_iter_close(iter);
        if (found) {
            *(char *)object.address ^= 1;
            REQUIRE(tn_touch(seg, object.address, 1) == TN_OK);
        }
        end(store, found);
    }
}

static void trim(tn_store *store)
{
    tn_status status = tn_trim(store, NULL);

    REQUIRE(status == TN_OK || status == TN_ENOSPC || status == TN_ENOMEM);
}

static void use_durable(tn_store *store)
{
    tn_segment *seg;
    uint64_t sum;

    REQUIRE(tn_begin(store, &seg) == TN_OK);
    sum = use_look(seg);
    use_read(store, seg, sum);
    use_change(seg);
    use_read(store, seg, sum);
    end(store, false);
    save_and_check(store);

    REQUIRE(tn_begin(store, &seg) == TN_OK);
    REQUIRE(use_look(seg) == sum);
    use_objects(seg);
    end(store, true);
    use_hints(store);
    trim(store);
    REQUIRE(tn_begin(store, &seg) == TN_OK);
    use_change(seg);
    end(store, true);
    REQUIRE(tn_checkpoint(store) == TN_OK);
}

static void use_read_only(tn_store *store)
{
    tn_segment *seg = tn_store_segment(store);

    use_look(seg);
    snapshot_and_restore(store);
    REQUIRE(tn_alloc(seg, 10) == NULL);
    REQUIRE(tn_zero_free(seg) == TN_EROFS);
    REQUIRE(tn_construct(seg, "name", &item, 1, NULL, NULL) != TN_OK);
}

static void use_opened(tn_store *store, unsigned access)
{
    tn_store_info info;

    REQUIRE(tn_store_describe(store, &info) == TN_OK);
    if (access == TN_DURABLE)
        use_durable(store);
    else if (access == TN_READ_ONLY)
        use_read_only(store);
    else
        use_change(tn_store_segment(store));
    if (access == TN_SHARED)
        REQUIRE(tn_flush(store) == TN_OK);
    else
        save_and_check(store);
    REQUIRE(tn_store_close(store) == TN_OK);
}

tn_status use_store(const char *path, unsigned flags)
{
    unsigned access = flags & TN_ACCESS_MASK;
    tn_store *store;
    tn_status status =
        tn_store_open(&store, path, flags | TN_VERIFY, &use_options);

    if (status != TN_OK)
        return status;
    use_opened(store, access);
    if (access != TN_SHARED && access != TN_DURABLE)
        return TN_OK;
    REQUIRE(is_sound(path));
    if (tn_store_grow(path, 4096) == TN_OK)
        REQUIRE(is_sound(path));
    if (tn_store_shrink(path) == TN_OK)
        REQUIRE(is_sound(path));
    return TN_OK;
}

/* --- Files ---------------------------------------------------------------- */

/* Is one of these the answer of the other?  How the store was left can make
 * them differ, and features with which it may be read, but not be written. */
static bool agree(tn_status checked, bool unsafe, tn_status opened,
                  unsigned access)
{
    bool writes = access == TN_DURABLE || access == TN_SHARED;

    if (opened == TN_OK)
        return checked == TN_OK || checked == TN_EDIRTY ||
               checked == TN_EJOURNAL || !unsafe;
    return checked != TN_OK || opened == TN_EDIRTY || opened == TN_EJOURNAL ||
           (opened == TN_EVERSION && writes) || opened == TN_ENOMEM ||
           opened == TN_ENOSPC;
}

/* Whatever it is, a sound store comes out of it, or none. */
static void repair(const char *path)
{
    const char *repaired = place_path("repaired");
    tn_repaired result;
    tn_status status;

    place_remove("repaired");
    status = tn_repair(path, repaired, NULL, NULL, &result);
    REQUIRE(status == TN_OK || status == TN_ENOTSTORE ||
            status == TN_EVERSION || status == TN_ENOSPC ||
            status == TN_ENOMEM);
    if (status == TN_OK)
        REQUIRE(tn_check_file(repaired, NULL, NULL, NULL) == TN_OK);
}

void use_file(const char *path, unsigned flags)
{
    bool unsafe;
    tn_status checked = check(path, &unsafe), opened;
    char why[sizeof(first_unsafe)];

    memcpy(why, first_unsafe, sizeof(why));
    if (checked != TN_OK && (flags & USE_NO_REPAIR) == 0)
        repair(path);
    opened = use_store(path, flags & ~(unsigned)USE_NO_REPAIR);

    if (!agree(checked, unsafe, opened, flags & TN_ACCESS_MASK))
        fprintf(stderr, "checked: %s, %s; opened: %s\n", tn_strerror(checked),
                why, tn_strerror(opened));
    REQUIRE(agree(checked, unsafe, opened, flags & TN_ACCESS_MASK));
}
