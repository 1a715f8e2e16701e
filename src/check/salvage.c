/* salvage.c - make what is left of a segment a sound one
 *
 *     1  header       the fields that are fixed; others are made anew
 *     2  chain        heap/salvage.c writes a header where one is broken
 *     3  page sums    found, and each page judged by its own
 *     4  blocks       a header's check does not cover the state of its block;
 *                     where a page is bad, what lies in the block overrules it
 *     5  objects      judged; records, names and types mended
 *     6  everything   that can be derived, anew: segment_rebuild()
 *
 * An object counts as damaged if a page that it lies on does not fit its sum,
 * though it may be another object of that page that was hit.  Bytes of elements
 * are never changed.  A block whose owner cannot be told becomes a raw one: it
 * is kept, and pointers to it stay good.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "check/repair.h"
#include "heap/salvage.h"
#include "index/remains.h"
#include "store/sums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum why {
    WHY_NOT,
    WHY_PAGE,
    WHY_HEADER,
    WHY_RECORD,
    WHY_TYPE,
    WHY_NAME,
    WHY_TAKEN,
};

static const char *const reasons[] = {
    [WHY_PAGE] = "a page that it lies on is missing or not what its sum says",
    [WHY_HEADER] = "the header of its block was broken",
    [WHY_RECORD] = "its description was damaged",
    [WHY_TYPE] = "the description of its type was damaged",
    [WHY_NAME] = "its name was damaged",
    [WHY_TAKEN] = "another object has its name",
};

static struct heap *heap_of(const struct repair *r)
{
    return segment_heap(&r->made.segment);
}

/* --- 1: the header -------------------------------------------------------- */

/* How many objects are there if the index is of this kind?  The link of an iset
 * moves all records. */
static size_t count_records(const struct repair *r, tn_index index)
{
    const struct heap *h = heap_of(r);
    enum block_state state;
    struct remains remains;
    uint64_t block = 0;
    size_t usable, count = 0;
    void *payload;

    while ((block = heap_next_block(h, block, &payload, &state, &usable)) != 0)
        count += state == BLOCK_OBJECT &&
                 remains_find(h, index, payload, usable, &remains) &&
                 remains.check_fits && remains.kind != TN_KIND_ANONYMOUS;
    return count;
}

static bool is_index(uint64_t kind)
{
    return kind >= TN_INDEX_ISET && kind <= TN_INDEX_NULL;
}

static uint64_t choose_size(const struct repair *r, const struct segment *base)
{
    const struct superblock *sb = &r->made.superblock;
    uint64_t most = r->pages * STORE_PAGE - STORE_SEGMENT_OFF;
    uint64_t least = heap_min_size(sizeof(struct segment));
    uint64_t size = base->heap.size;

    if (size < sb->segment_size || size > most)
        size = sb->segment_size;
    return size >= least && size <= most ? size : most;
}

static tn_status mend_header(struct repair *r)
{
    struct superblock *sb = &r->made.superblock;
    struct segment *base = r->made.segment.base;
    uint32_t fit = base->heap.fit;

    if (sb->fit <= TN_FIT_SEQ)
        fit = sb->fit;
    if (fit > TN_FIT_SEQ)
        fit = TN_FIT_BEST;
    r->index = is_index(sb->index)           ? (tn_index)sb->index
               : is_index(base->named.kind)  ? (tn_index)base->named.kind
               : is_index(base->unique.kind) ? (tn_index)base->unique.kind
                                             : TN_INDEX_DEFAULT;
    base->magic = SEGMENT_MAGIC;
    base->version = SEGMENT_VERSION;
    base->reserved = 0;
    base->building = base->building_alone = base->sharers = 0;
    base->names_sequence = base->types_sequence = 0;
    memset(&base->names_lock, 0, sizeof(base->names_lock));
    memset(&base->heap_lock, 0, sizeof(base->heap_lock));
    base->heap.sequence = 0;
    base->heap.tables = base->heap.tree = base->heap.list = 0;
    sb->fit = fit;
    return heap_frame(&base->heap, choose_size(r, base), sizeof(struct segment),
                      (tn_fit)fit);
}

static void set_index(struct repair *r, tn_index index)
{
    struct segment *base = r->made.segment.base;

    r->index = index;
    r->made.superblock.index = index;
    base->named.kind = base->unique.kind = index;
    base->named.reserved = base->unique.reserved = 0;
}

/* Where nothing says which kind it is, or that it keeps no names though there
 * are some: the one that has most objects. */
static void choose_index(struct repair *r)
{
    tn_index index = r->index;
    size_t linked, others;

    if (index == TN_INDEX_DEFAULT || index == TN_INDEX_NULL) {
        linked = count_records(r, TN_INDEX_ISET);
        others = count_records(r, TN_INDEX_MAP);
        if (index == TN_INDEX_DEFAULT || linked + others > 0)
            index = linked > others ? TN_INDEX_ISET : TN_INDEX_MAP;
    }
    set_index(r, index);
}

/* Names that were found later; records lie as they do in a map. */
static void keep_names(struct repair *r)
{
    const struct heap *h = heap_of(r);

    for (size_t i = 0; r->index == TN_INDEX_NULL && i < r->saved_count; i++)
        if (record_kind(h, r->saved[i].record) != TN_KIND_ANONYMOUS)
            set_index(r, TN_INDEX_MAP);
}

/* --- 2: the chain --------------------------------------------------------- */

/* Before the chain is whole nothing is known of types but their looks. */
static size_t recognise(void *arg, const struct heap *h, uint64_t off,
                        size_t room, enum block_state *state)
{
    const struct repair *r = arg;
    const struct type_descriptor *type = heap_at(h, off);
    tn_index index = r->index == TN_INDEX_DEFAULT ? TN_INDEX_MAP : r->index;
    struct remains remains;

    if (remains_find(h, index, heap_at(h, off), room, &remains) &&
        remains.check_fits && remains.type_sound) {
        *state = BLOCK_OBJECT;
        return remains_extent(h, &remains);
    }
    if (!remains_type(h, type, room))
        return 0;
    *state = BLOCK_TYPE;
    return sizeof(*type) + type->name_length + 1;
}

static void note_gap(void *arg, uint64_t off, uint64_t size,
                     enum block_state state)
{
    struct repair *r = arg;
    void *gaps = r->gaps;

    (void)size;
    (void)state;
    if (r->failed != TN_OK)
        return;
    r->failed =
        repair_reserve(&gaps, r->gap_count, &r->gap_capacity, sizeof(*r->gaps));
    r->gaps = gaps;
    if (r->failed == TN_OK)
        r->gaps[r->gap_count++] = off;
    r->result.gaps++;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static bool is_gap(const struct repair *r, uint64_t off)
{
    return r->gap_count != 0 &&
           bsearch(&off, r->gaps, r->gap_count, sizeof(off), by_number) != NULL;
}

/* --- 3: page sums --------------------------------------------------------- */

/* Do the sums that would lie in this block fit most of the pages? */
static bool are_sums(const struct repair *r, uint64_t off, size_t usable)
{
    const uint64_t *sums = heap_at(heap_of(r), off);
    uint64_t first = (STORE_SEGMENT_OFF + off) / STORE_PAGE;
    uint64_t count = usable / STORE_PAGE, fit = 0, other = 0;

    if (off % STORE_PAGE != 0 || usable / sizeof(*sums) < r->pages)
        return false;
    for (uint64_t page = 1; page < r->pages && 2 * other <= r->pages; page++) {
        if (page >= first && page - first < count)
            continue;
        if (sums[page] == repair_digest(r, page))
            fit++;
        else
            other++;
    }
    return fit > other;
}

static void judge_pages(struct repair *r, uint64_t off, size_t usable)
{
    const uint64_t *sums = heap_at(heap_of(r), off);
    uint64_t first = (STORE_SEGMENT_OFF + off) / STORE_PAGE;
    uint64_t count = usable / STORE_PAGE;

    for (uint64_t page = 1; page < r->pages; page++)
        if ((page < first || page - first >= count) &&
            sums[page] != repair_digest(r, page))
            repair_note_bad(r, page);
}

/* Whatever the header says, the sums are a block that fits most pages. */
static void find_sums(struct repair *r)
{
    const struct heap *h = heap_of(r);
    enum block_state state;
    uint64_t block = 0;
    size_t usable;
    void *payload;

    if (!r->result.sums_used)
        return;
    r->result.sums_used = false;
    while ((block = heap_next_block(h, block, &payload, &state, &usable)) != 0)
        if (state == BLOCK_INDEX && are_sums(r, block, usable)) {
            judge_pages(r, block, usable);
            r->result.sums_used = true;
            return;
        }
}

/* --- 4: states of blocks -------------------------------------------------- */

/* A step over all blocks; the state may be changed. */
typedef void block_fn(struct repair *r, void *payload, enum block_state state,
                      size_t usable);

static void for_blocks(struct repair *r, block_fn *fn)
{
    enum block_state state;
    uint64_t block = 0;
    size_t usable;
    void *payload;

    while ((block = heap_next_block(heap_of(r), block, &payload, &state,
                                    &usable)) != 0)
        fn(r, payload, state, usable);
}

/* May the header of the block say something that never was so? */
static bool is_doubtful(const struct repair *r, const void *payload)
{
    uint64_t off = heap_off(heap_of(r), payload);

    return !r->result.sums_used || is_gap(r, off) ||
           repair_is_bad(r, off - HEAP_OVERHEAD, HEAP_OVERHEAD);
}

/* Does the block behind say that this one is free? */
static bool neighbour_agrees(const void *payload, size_t usable)
{
    const uint64_t *next = (const uint64_t *)((const char *)payload + usable);

    return (*next & HEAP_PREV_USED) == 0;
}

/* What is called a descriptor and is none becomes raw memory; the reverse only
 * where the header is doubtful. */
static void mend_type(struct repair *r, void *payload, enum block_state state,
                      size_t usable)
{
    struct heap *h = heap_of(r);
    const struct type_descriptor *type = payload;
    bool like = remains_type(h, payload, usable);

    if (state == BLOCK_TYPE && !like)
        heap_set_state(h, payload, BLOCK_RAW);
    else if (like && type->objects != 0 && is_doubtful(r, payload) &&
             (state >= BLOCK_BUILDING ||
              (state == BLOCK_FREE && !neighbour_agrees(payload, usable))))
        heap_set_state(h, payload, BLOCK_TYPE);
}

/* What is a sound object is one, whatever a doubtful header says.  What is said
 * to be free, and the neighbour disagrees, is kept. */
static void mend_state(struct repair *r, void *payload, enum block_state state,
                       size_t usable)
{
    struct heap *h = heap_of(r);
    struct remains remains;
    bool is_object;

    if (state == BLOCK_OBJECT || state == BLOCK_TYPE ||
        !is_doubtful(r, payload))
        return;
    is_object = remains_find(h, r->index, payload, usable, &remains) &&
                remains.check_fits && remains.name_sound && remains.type_sound;
    if (is_object)
        heap_set_state(h, payload, BLOCK_OBJECT);
    else if (state == BLOCK_FREE && !neighbour_agrees(payload, usable))
        heap_set_state(h, payload, BLOCK_RAW);
}

/* There is one block of tables in a heap, and it has their size. */
static void mend_fixed(struct repair *r, void *payload, enum block_state state,
                       size_t usable)
{
    struct heap *h = heap_of(r);

    if (state != BLOCK_FIXED)
        return;
    if (h->tables == 0 && h->fit == TN_FIT_BEST &&
        usable >= sizeof(struct heap_tables))
        h->tables = heap_off(h, payload);
    else
        heap_set_state(h, payload, BLOCK_RAW);
}

/* --- 5: objects ----------------------------------------------------------- */

static void save(struct repair *r, const struct remains *remains, enum why why)
{
    void *saved = r->saved;

    if (r->failed != TN_OK)
        return;
    r->failed = repair_reserve(&saved, r->saved_count, &r->saved_capacity,
                               sizeof(*r->saved));
    r->saved = saved;
    if (r->failed == TN_OK)
        r->saved[r->saved_count++] =
            (struct saved){.record = remains->record, .why = (uint16_t)why};
}

static void miss(struct repair *r, uint64_t handle, uint64_t end)
{
    void *missing = r->missing;

    if (r->failed != TN_OK)
        return;
    r->failed = repair_reserve(&missing, r->missing_count, &r->missing_capacity,
                               sizeof(*r->missing));
    r->missing = missing;
    if (r->failed == TN_OK)
        r->missing[r->missing_count++] = (struct missing){handle, end};
}

static void next_lost_name(struct repair *r, char name[16])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    size_t n = ++r->renamed;

    memcpy(name, "lost+found/0000", 16);
    for (int i = 14; i > 10; i--, n /= 36)
        name[i] = digits[n % 36];
}

/* Give it a name of its own; those of anonymous and unique objects are not
 * theirs to lose. */
static void rename_object(struct repair *r, struct remains *remains)
{
    char name[16];

    next_lost_name(r, name);
    remains_rename(heap_of(r), r->index, remains, name);
    remains_write(heap_of(r), remains);
}

/* Judge one object, and mend its record if all the rest is there. */
static void judge_object(struct repair *r, void *payload,
                         enum block_state state, size_t usable)
{
    struct heap *h = heap_of(r);
    uint64_t off = heap_off(h, payload);
    struct remains remains;
    enum why why = WHY_NOT;
    bool renamed = false;

    if (state != BLOCK_OBJECT)
        return;
    if (!remains_find(h, r->index, payload, usable, &remains)) {
        heap_set_state(h, payload, BLOCK_RAW);
        miss(r, off, off + usable);
        return;
    }
    if (repair_is_bad(r, off - HEAP_OVERHEAD,
                      HEAP_OVERHEAD + remains_extent(h, &remains)))
        why = WHY_PAGE;
    if (is_gap(r, off))
        why = WHY_HEADER;
    if (!remains.check_fits) {
        why = WHY_RECORD;
        remains_write(h, &remains);
    }
    if (!remains.type_sound)
        why = WHY_TYPE;
    if (!remains.name_sound) {
        why = WHY_NAME;
        rename_object(r, &remains);
        renamed = true;
    }
    save(r, &remains, why);
    if (r->failed != TN_OK)
        return;
    r->saved[r->saved_count - 1].renamed = renamed;
    r->saved[r->saved_count - 1].typeless = !remains.type_sound;
}

static void count_raw(struct repair *r, void *payload, enum block_state state,
                      size_t usable)
{
    uint64_t off = heap_off(heap_of(r), payload);

    if (state != BLOCK_RAW)
        return;
    if (is_gap(r, off) ||
        repair_is_bad(r, off - HEAP_OVERHEAD, HEAP_OVERHEAD + usable))
        r->result.raw_damaged++;
    else
        r->result.raw_whole++;
}

/* --- Types that are not there --------------------------------------------- */

/* The block of a saved object; all that is known of it is asked anew, for it
 * may have changed. */
static bool remains_of(const struct repair *r, const struct saved *saved,
                       size_t *usable, struct remains *out)
{
    const struct heap *h = heap_of(r);
    const struct record *record = heap_at(h, saved->record);
    const char *payload;
    size_t front;

    front = remains_front(r->index, record);
    if (front == 0)
        return false;
    payload = (const char *)record + sizeof(*record) - front;
    if (!heap_owns(h, payload))
        return false;
    *usable = heap_usable_size(h, payload);
    return remains_find(h, r->index, payload, *usable, out);
}

/* The size of elements that all objects of a lost type agree on, 0: none. */
static uint64_t agree_on_size(const struct repair *r, uint64_t type)
{
    uint64_t least = 1, most = UINT32_MAX, l, m;
    struct remains remains;
    size_t usable;

    for (size_t i = 0; i < r->saved_count; i++)
        if (r->saved[i].typeless &&
            remains_of(r, &r->saved[i], &usable, &remains) &&
            remains.type == type && remains_element(&remains, usable, &l, &m)) {
            least = l > least ? l : least;
            most = m < most ? m : most;
        }
    if (least > most)
        return 1;
    /* A multiple of 8 is the likeliest, then of 4. */
    if (round_down(most, 8) >= least && round_down(most, 8) != 0)
        return round_down(most, 8);
    if (round_down(most, 4) >= least && round_down(most, 4) != 0)
        return round_down(most, 4);
    return most == UINT32_MAX ? 1 : most;
}

/* A descriptor in place of the one that was there, under a name of its own. */
static tn_status make_type(struct repair *r, uint64_t lost, uint64_t *out)
{
    char name[16];
    tn_type type = {.name = name, .align = 1};
    tn_segment *seg = &r->made.segment;
    tn_status status;

    type.size = agree_on_size(r, lost);
    next_lost_name(r, name);
    status = type_ref(segment_heap(seg), &seg->base->types, &type, out);
    if (status == TN_ENOMEM && segment_make_room(seg, 512) == TN_OK)
        status = type_ref(segment_heap(seg), &seg->base->types, &type, out);
    return status;
}

static tn_status replace_type(struct repair *r, uint64_t lost)
{
    struct remains remains;
    size_t usable;
    uint64_t made;
    tn_status status = make_type(r, lost, &made);

    for (size_t i = 0; status == TN_OK && i < r->saved_count; i++) {
        if (!r->saved[i].typeless ||
            !remains_of(r, &r->saved[i], &usable, &remains) ||
            remains.type != lost)
            continue;
        remains.type = made;
        remains.type_sound = true;
        remains_write(heap_of(r), &remains);
        r->saved[i].typeless = false;
        if (remains_extent(heap_of(r), &remains) <= usable)
            continue;
        remains.count = 0; /* nothing fits: the bytes are kept */
        remains_write(heap_of(r), &remains);
    }
    return status;
}

/* What looks like the descriptor of an object may be in no block, or be the
 * second of its name. */
static void judge_types(struct repair *r)
{
    const struct heap *h = heap_of(r);
    uint64_t root = r->made.segment.base->types;

    for (size_t i = 0; i < r->saved_count; i++) {
        struct saved *saved = &r->saved[i];
        const struct record *record = heap_at(h, saved->record);

        if (type_is_linked(h, root, record->type & RECORD_OFF_MASK))
            continue;
        saved->typeless = true;
        if (saved->why == WHY_NOT)
            saved->why = WHY_TYPE;
    }
}

static void keep_type_as_raw(struct repair *r, void *payload,
                             enum block_state state, size_t usable)
{
    struct heap *h = heap_of(r);

    (void)usable;
    if (state == BLOCK_TYPE &&
        !type_is_linked(h, r->made.segment.base->types, heap_off(h, payload)))
        heap_set_state(h, payload, BLOCK_RAW);
}

static tn_status replace_types(struct repair *r)
{
    struct remains remains;
    size_t usable;
    tn_status status = TN_OK;

    type_rebuild(heap_of(r), r->index, &r->made.segment.base->types);
    judge_types(r);
    for (size_t i = 0; status == TN_OK && i < r->saved_count; i++)
        if (r->saved[i].typeless &&
            remains_of(r, &r->saved[i], &usable, &remains))
            status = replace_type(r, remains.type);
    for_blocks(r, keep_type_as_raw);
    return status;
}

/* --- Names that are taken ------------------------------------------------- */

struct named {
    const char *name;
    size_t length, saved; /* which object */
    tn_kind kind;
};

static int by_name(const void *one, const void *other)
{
    const struct named *a = one, *b = other;
    size_t n = a->length < b->length ? a->length : b->length;
    int order = (int)a->kind - (int)b->kind;

    if (order == 0)
        order = memcmp(a->name, b->name, n);
    if (order == 0)
        order = (a->length > b->length) - (a->length < b->length);
    return order != 0 ? order : (a->saved > b->saved) - (a->saved < b->saved);
}

static bool same_name(const struct named *a, const struct named *b)
{
    return a->kind == b->kind && a->length == b->length &&
           memcmp(a->name, b->name, a->length) == 0;
}

/* The second object of a name.  A unique one becomes anonymous where its place
 * allows it, else its bytes are kept raw. */
static void part(struct repair *r, size_t i)
{
    struct saved *saved = &r->saved[i];
    struct remains remains;
    size_t usable;

    if (!remains_of(r, saved, &usable, &remains))
        return;
    saved->why = WHY_TAKEN;
    if (remains.kind == TN_KIND_NAMED) {
        rename_object(r, &remains);
        saved->renamed = true;
    } else if (r->index != TN_INDEX_ISET) {
        remains.kind = TN_KIND_ANONYMOUS;
        remains_write(heap_of(r), &remains);
    } else {
        heap_set_state(
            heap_of(r),
            heap_at(heap_of(r),
                    remains.record + sizeof(struct record) - remains.front),
            BLOCK_RAW);
        miss(r, remains.record + sizeof(struct record), 0);
        saved->record = 0;
    }
}

static bool list_names(const struct repair *r, struct named *list,
                       size_t *count)
{
    const struct heap *h = heap_of(r);

    *count = 0;
    for (size_t i = 0; i < r->saved_count; i++) {
        struct named *n = &list[*count];

        if (r->saved[i].record == 0)
            continue;
        n->name = record_name(h, r->index, r->saved[i].record, &n->length);
        n->kind = record_kind(h, r->saved[i].record);
        n->saved = i;
        *count += n->name != NULL;
    }
    qsort(list, *count, sizeof(*list), by_name);
    for (size_t i = 1; i < *count; i++)
        if (same_name(&list[i - 1], &list[i]))
            return true;
    return false;
}

/* New names may clash as well, with what an earlier repair gave. */
static tn_status part_names(struct repair *r)
{
    struct named *list = malloc((r->saved_count + 1) * sizeof(*list));
    size_t count;

    if (list == NULL)
        return error_set(TN_ENOMEM, "no memory for a list of names");
    while (list_names(r, list, &count))
        for (size_t i = count - 1; i > 0; i--)
            if (same_name(&list[i - 1], &list[i]))
                part(r, list[i].saved);
    free(list);
    return r->failed;
}

/* --- What is lost --------------------------------------------------------- */

static int by_record(const void *a, const void *b)
{
    const struct saved *x = a, *y = b;

    return x->record < y->record ? -1 : x->record > y->record;
}

/* Is the record in a block that was judged lost already? */
static int by_block(const void *key, const void *element)
{
    const uint64_t *record = key;
    const struct missing *missing = element;

    return *record < missing->handle ? -1 : *record >= missing->end;
}

/* An index may be damaged as well: it is a witness only where something is. */
static void note_missing(struct repair *r, uint64_t record)
{
    struct saved key = {.record = record};

    if (r->saved_count != 0 &&
        bsearch(&key, r->saved, r->saved_count, sizeof(key), by_record) != NULL)
        return;
    if (r->judged != 0 && bsearch(&record, r->missing, r->judged,
                                  sizeof(*r->missing), by_block) != NULL)
        return;
    if (r->result.sums_used ? repair_is_bad(r, record, sizeof(struct record))
                            : r->gap_count != 0)
        miss(r, record + sizeof(struct record), 0);
}

static void ask_index(struct repair *r, const struct index *ix)
{
    const struct heap *h = heap_of(r);
    struct index_cursor cursor;
    uint64_t record, most = heap_size(h) / HEAP_MIN_BLOCK;

    if (ix->kind != r->index ||
        index_seek(h, ix, &cursor, "", 0, false, &record) != TN_OK)
        return;
    for (; record != 0 && most > 0; most--) {
        note_missing(r, record);
        record = index_next(h, ix, &cursor);
    }
    index_cursor_fini(&cursor);
}

static size_t count_saved(const struct repair *r, tn_kind kind)
{
    size_t count = 0;

    for (size_t i = 0; i < r->saved_count; i++)
        count += record_kind(heap_of(r), r->saved[i].record) == kind;
    return count;
}

/* An index that is damaged itself cannot be walked, but its root, if that can
 * be believed, still says how many there were. */
static void count_missing(struct repair *r, const struct index *ix,
                          tn_kind kind, size_t known)
{
    uint64_t off = heap_off(heap_of(r), segment_index(&r->made.segment, kind));
    uint64_t found = count_saved(r, kind) + known;

    if (repair_is_bad(r, off, sizeof(*ix)) || ix->kind != r->index ||
        ix->count > heap_size(heap_of(r)) / HEAP_MIN_BLOCK)
        return;
    for (; found < ix->count && r->failed == TN_OK; found++)
        miss(r, 0, 0);
}

static void ask_indexes(struct repair *r, const struct index *named,
                        const struct index *unique)
{
    size_t before;

    ask_index(r, named); /* what was judged lost before counts as well */
    count_missing(r, named, TN_KIND_NAMED, r->missing_count);
    before = r->missing_count;
    ask_index(r, unique);
    count_missing(r, unique, TN_KIND_UNIQUE, r->missing_count - before);
}

/* --- All of it ------------------------------------------------------------ */

static tn_status mend_blocks(struct repair *r)
{
    struct segment *base = r->made.segment.base;
    struct index named = base->named, unique = base->unique;

    find_sums(r);
    choose_index(r);
    for_blocks(r, mend_fixed);
    for_blocks(r, mend_type);
    for_blocks(r, mend_state);
    for_blocks(r, judge_object);
    keep_names(r);
    r->judged = r->missing_count;
    for_blocks(r, count_raw);
    if (r->failed == TN_OK)
        ask_indexes(r, &named, &unique);
    return r->failed;
}

/* Where the file system does not tell, there is data everywhere. */
static uint64_t next_data(void *arg, uint64_t off)
{
    const struct repair *r = arg;
    uint64_t start, end;

    if (file_find_data(&r->made.file, STORE_SEGMENT_OFF + off, &start, &end) !=
        TN_OK)
        return off;
    return start - STORE_SEGMENT_OFF;
}

tn_status repair_salvage(struct repair *r)
{
    struct heap_witness witness = {recognise, note_gap, next_data, r};
    tn_segment *seg = &r->made.segment;
    tn_status status = mend_header(r);

    seg->extend = store_extend_file;
    seg->extend_arg = &r->made;
    if (status != TN_OK)
        return error_set(TN_ENOTSTORE, "%s: it is too small for a store",
                         r->path);
    heap_salvage(heap_of(r), &witness);
    status = r->failed;
    if (status == TN_OK)
        status = mend_blocks(r);
    if (status == TN_OK)
        status = heap_rebuild(heap_of(r));
    if (status == TN_OK)
        status = replace_types(r);
    if (status == TN_OK)
        status = part_names(r);
    if (status == TN_OK && r->unknown && r->saved_count == 0)
        status =
            error_set(TN_ENOTSTORE,
                      "%s: there is nothing in it that a store has", r->path);
    return status == TN_OK ? segment_rebuild(seg) : status;
}

/* --- The manifest --------------------------------------------------------- */

static void describe_missing(const struct repair *r,
                             const struct missing *missing, tn_salvaged *out)
{
    *out = (tn_salvaged){.fate = TN_FATE_LOST,
                         .handle = missing->handle,
                         .why = "nothing is left of its description; what was "
                                "there is kept where it was"};
    (void)r;
}

static void describe_saved(const struct repair *r, const struct saved *saved,
                           tn_salvaged *out)
{
    const struct heap *h = heap_of(r);
    const struct type_descriptor *type = record_type(h, saved->record);

    *out = (tn_salvaged){
        .fate = saved->why == WHY_NOT ? TN_FATE_WHOLE : TN_FATE_DAMAGED,
        .kind = record_kind(h, saved->record),
        .renamed = saved->renamed,
        .type = type->name,
        .size = type->size,
        .count = record_count(h, saved->record),
        .handle = saved->record + sizeof(struct record),
        .why = reasons[saved->why],
    };
    if (out->kind == TN_KIND_NAMED)
        out->name = record_name(h, r->index, saved->record, &out->name_length);
}

void repair_report(const struct repair *r, tn_salvaged_fn *fn, void *arg)
{
    tn_salvaged object;

    for (size_t i = 0; i < r->saved_count; i++) {
        if (r->saved[i].record == 0)
            continue;
        describe_saved(r, &r->saved[i], &object);
        fn(arg, &object);
    }
    for (size_t i = 0; i < r->missing_count; i++) {
        describe_missing(r, &r->missing[i], &object);
        fn(arg, &object);
    }
}
