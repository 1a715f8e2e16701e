/* named_patterns.c - name objects until the segment is full, and unname them
 *
 * Claimed of each kind of index in each kind of segment: names that were made
 * until there was no more room can all be found, are met once each by a walk,
 * know what they are, and can be destroyed in any order, by name, by address or
 * on the way of the walk; then all memory is free, to the byte, as soon as the
 * indexes have given back what they kept.
 */
#include "scenario.h"

#include "lib/tmpdir.h"

#include <string.h>

enum { MOST = 4096, BUFFER = 96 * 1024 };

static tn_segment *seg;
static size_t free_at_start;

static int *objects[MOST];
static size_t count;

static const char *name_of(size_t i)
{
    static char name[64];

    snprintf(name, sizeof(name), "prefix_named_%010zu", i);
    return name;
}

static void claim_all_free(void)
{
    count = 0;
    CLAIM(tn_named_count(seg) == 0 && tn_unique_count(seg) == 0);
    OK(tn_shrink_indexes(seg));
    CLAIM(tn_all_free(seg));
    CLAIM(tn_free_bytes(seg) == free_at_start);
    SOUND(seg);
}

static bool is_named(size_t i)
{
    return tn_find(seg, name_of(i), TN_TYPE(int), NULL, NULL) == TN_OK;
}

/* --- Filling -------------------------------------------------------------- */

static void fill(void)
{
    tn_status status;

    for (count = 0; count < MOST; count++) {
        int value = (int)count;
        void *p;

        status = tn_construct(seg, name_of(count), TN_TYPE(int), 1 + count % 3,
                              &value, &p);
        if (status != TN_OK)
            break;
        objects[count] = p;
    }
    CLAIM(count > 100);
    ANSWERS(status, TN_ENOMEM);
    CLAIM(tn_named_count(seg) == count);
    CLAIM(!is_named(count));
    SOUND(seg);
}

static void find_all(void)
{
    for (size_t i = 0; i < count; i++) {
        size_t n;
        void *p;

        OK(tn_find(seg, name_of(i), TN_TYPE(int), &p, &n));
        CLAIM(p == objects[i] && n == 1 + i % 3);
        CLAIM(objects[i][0] == (int)i && objects[i][n - 1] == (int)i);
        CLAIM(strcmp(tn_name_of(seg, p), name_of(i)) == 0);
        CLAIM(strcmp(tn_type_of(seg, p), "int") == 0);
        CLAIM(tn_count_of(seg, p) == n && tn_kind_of(seg, p) == TN_KIND_NAMED);
        ANSWERS(tn_construct(seg, name_of(i), TN_TYPE(int), 1, NULL, NULL),
                TN_EEXIST);
        ANSWERS(tn_find(seg, name_of(i), TN_TYPE(long), NULL, NULL), TN_ETYPE);
        ANSWERS(tn_destroy(seg, name_of(i), TN_TYPE(long)), TN_ETYPE);
    }
}

static void walk_all(void)
{
    char last[64] = "";
    tn_object object;
    tn_iter *iter;
    size_t met = 0;

    OK(tn_iter_open(seg, TN_KIND_NAMED, NULL, &iter));
    while (tn_iter_next(iter, &object)) {
        CLAIM(strcmp(last, object.name) < 0);
        CLAIM(object.name_length == strlen(object.name));
        snprintf(last, sizeof(last), "%s", object.name);
        CLAIM(object.address == objects[met]);
        CLAIM(object.count == 1 + met % 3 && object.size == sizeof(int));
        CLAIM(tn_at(seg, object.handle) == object.address);
        met++;
    }
    tn_iter_close(iter);
    CLAIM(met == count);
}

/* --- Emptying ------------------------------------------------------------- */

static void destroy(size_t i, bool by_address)
{
    if (by_address)
        OK(tn_destroy_ptr(seg, objects[i], TN_TYPE(int)));
    else
        OK(tn_destroy(seg, name_of(i), TN_TYPE(int)));
    CLAIM(!is_named(i));
    ANSWERS(tn_destroy(seg, name_of(i), NULL), TN_ENOENT);
}

/* First come first, last come first, or from the middle out. */
static void empty(int order, bool by_address)
{
    for (size_t k = 0; k < count; k++) {
        size_t middle = count / 2;
        size_t i = order == 0   ? k
                   : order == 1 ? count - 1 - k
                   : k % 2 == 0 ? (middle + k / 2) % count
                                : middle - 1 - k / 2;

        destroy(i, by_address);
        CLAIM(tn_named_count(seg) == count - 1 - k);
    }
    claim_all_free();
}

static void empty_on_the_way(void)
{
    tn_object object;
    tn_iter *iter;
    size_t met = 0;

    OK(tn_iter_open(seg, TN_KIND_NAMED, "prefix_", &iter));
    while (tn_iter_next(iter, &object)) {
        OK(met % 2 == 0 ? tn_destroy(seg, object.name, NULL)
                        : tn_destroy_ptr(seg, object.address, NULL));
        met++;
    }
    tn_iter_close(iter);
    CLAIM(met == count);
    claim_all_free();
}

/* --- Kinds ---------------------------------------------------------------- */

/* A name longer than this cannot be, and one as long can. */
static void longest_name(void)
{
    static char name[TN_NAME_MAX + 2];
    void *p;

    memset(name, 'n', TN_NAME_MAX + 1);
    ANSWERS(tn_construct(seg, name, TN_TYPE(int), 1, NULL, &p), TN_EINVAL);
    name[TN_NAME_MAX] = '\0';
    OK(tn_construct(seg, name, TN_TYPE(int), 1, NULL, &p));
    CLAIM(strcmp(tn_name_of(seg, p), name) == 0);
    OK(tn_destroy(seg, name, TN_TYPE(int)));
    ANSWERS(tn_construct(seg, "", TN_TYPE(int), 1, NULL, &p), TN_EINVAL);
    claim_all_free();
}

static void kinds_side_by_side(void)
{
    void *named, *unique, *anonymous, *p;
    size_t n;

    OK(tn_construct(seg, "int", TN_TYPE(int), 2, NULL, &named));
    OK(tn_construct(seg, TN_UNIQUE, TN_TYPE(int), 3, NULL, &unique));
    OK(tn_construct(seg, TN_ANONYMOUS, TN_TYPE(int), 4, NULL, &anonymous));
    ANSWERS(tn_construct(seg, TN_UNIQUE, TN_TYPE(int), 1, NULL, &p), TN_EEXIST);
    CLAIM(tn_named_count(seg) == 1 && tn_unique_count(seg) == 1);
    OK(tn_find(seg, TN_UNIQUE, TN_TYPE(int), &p, &n));
    CLAIM(p == unique && n == 3);
    CLAIM(tn_kind_of(seg, unique) == TN_KIND_UNIQUE);
    CLAIM(strcmp(tn_name_of(seg, unique), "int") == 0);
    CLAIM(tn_kind_of(seg, anonymous) == TN_KIND_ANONYMOUS);
    CLAIM(tn_name_of(seg, anonymous) == NULL);
    CLAIM(tn_count_of(seg, anonymous) == 4);
    OK(tn_destroy_ptr(seg, anonymous, TN_TYPE(int)));
    OK(tn_destroy(seg, TN_UNIQUE, TN_TYPE(int)));
    ANSWERS(tn_find(seg, TN_UNIQUE, TN_TYPE(int), &p, &n), TN_ENOENT);
    OK(tn_find(seg, "int", TN_TYPE(int), &p, &n));
    CLAIM(p == named && n == 2);
    OK(tn_destroy_ptr(seg, named, TN_TYPE(int)));
    claim_all_free();
}

/* Objects and allocations beside each other, and more than half in one. */
static void large_and_raw(void)
{
    size_t half = tn_free_bytes(seg) / 2 + 512;
    void *object, *raw;

    OK(tn_construct(seg, "large", TN_BYTES, half, NULL, &object));
    memset(object, 1, half);
    ANSWERS(tn_construct(seg, "more", TN_BYTES, half, NULL, NULL), TN_ENOMEM);
    raw = tn_alloc(seg, 1000);
    CLAIM(raw != NULL);
    memset(raw, 2, tn_usable_size(seg, raw));
    ANSWERS(tn_free(seg, object), TN_EINVAL);
    ANSWERS(tn_destroy_ptr(seg, raw, NULL), TN_EINVAL);
    ANSWERS(
        tn_construct(seg, "too many", TN_TYPE(long), SIZE_MAX / 4, NULL, NULL),
        TN_EINVAL);
    CLAIM(strstr(tn_errmsg(), "long") != NULL);
    OK(tn_destroy(seg, "large", TN_BYTES));
    OK(tn_free(seg, raw));
    claim_all_free();
}

static void reserves(void)
{
    OK(tn_reserve_named(seg, 200));
    OK(tn_reserve_unique(seg, 10));
    CLAIM(tn_named_count(seg) == 0);
    claim_all_free();
    ANSWERS(tn_reserve_named(seg, SIZE_MAX / 2), TN_ENOMEM);
    claim_all_free();
}

static void all_patterns(tn_index index)
{
    free_at_start = tn_free_bytes(seg);
    for (int order = 0; order < 3; order++) {
        fill();
        find_all();
        walk_all();
        empty(order, order == 1);
        fill();
        empty(order, order != 1);
    }
    fill();
    empty_on_the_way();
    longest_name();
    kinds_side_by_side();
    large_and_raw();
    if (index == TN_INDEX_FLAT_MAP || index == TN_INDEX_HASH)
        reserves();
}

/* --- Every kind of segment ------------------------------------------------ */

static void in_memory(const tn_options *options)
{
    static _Alignas(16) unsigned char buffer[BUFFER], copy[BUFFER];
    tn_segment *other;

    OK(tn_segment_create(&seg, buffer, BUFFER, options));
    all_patterns(options->index);
    fill();
    memcpy(copy, buffer, BUFFER);
    OK(tn_segment_attach(&other, copy, BUFFER));
    empty(0, false);
    OK(tn_segment_detach(seg));
    seg = other;
    CLAIM(tn_named_count(seg) > 100);
    count = tn_named_count(seg);
    empty_on_the_way();
    OK(tn_segment_detach(seg));

    OK(tn_segment_create_heap(&seg, BUFFER, options));
    all_patterns(options->index);
    OK(tn_segment_detach(seg));
}

static void in_a_file(unsigned access, const tn_options *options)
{
    tn_store *store;

    OK(tn_store_open(&store, "names.tn", TN_SHARED | TN_CREATE, options));
    OK(tn_store_close(store));
    OK(tn_store_open(&store, "names.tn", access, options));
    if (access == TN_DURABLE)
        OK(tn_begin(store, &seg));
    else
        seg = tn_store_segment(store);
    all_patterns(options->index);
    if (access == TN_DURABLE)
        OK(tn_commit(store));
    OK(tn_store_close(store));
    OK(tn_store_open(&store, "names.tn", TN_READ_ONLY | TN_VERIFY, NULL));
    CLAIM(tn_all_free(tn_store_segment(store)));
    OK(tn_store_close(store));
    CLAIM(remove("names.tn") == 0);
    remove("names.tn-journal");
}

int main(void)
{
    tmpdir_enter();
    for (tn_index index = TN_INDEX_ISET; index <= TN_INDEX_HASH; index++)
        for (tn_fit fit = TN_FIT_BEST; fit <= TN_FIT_SEQ; fit++) {
            const tn_options options = {.size = BUFFER,
                                        .index = index,
                                        .fit = fit,
                                        .grow_step = TN_NO_GROWTH};

            in_memory(&options);
            in_a_file(TN_SHARED, &options);
            in_a_file(TN_PRIVATE, &options);
            in_a_file(TN_DURABLE, &options);
        }
    tmpdir_leave();
    return 0;
}
