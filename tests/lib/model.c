/* model.c - what a segment must hold, kept in a plain array
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPES = 5, LARGEST_ELEMENT = 256 };

static const tn_type types[TYPES] = {
    {.name = "byte", .size = 1, .align = 1},
    {.name = "word", .size = 8, .align = 8},
    {.name = "odd", .size = 23, .align = 1},
    {.name = "line", .size = 64, .align = 64},
    {.name = "wide", .size = LARGEST_ELEMENT, .align = 128},
};

/* --- Names and types of slots --------------------------------------------- */

static void write_name(unsigned slot, char *name, size_t room)
{
    size_t fill = 0;

    switch (slot % 4) {
    case 0:
        break;
    case 1:
        fill = slot == 1 ? TN_NAME_MAX - 2 : slot * 3;
        memset(name, 'x', fill);
        break;
    case 2:
        memset(name, 'p', slot);
        return;
    case 3:
        fill = 9;
        memset(name, 0xc3, fill);
        break;
    }
    snprintf(name + fill, room - fill, "%u", slot);
}

/* Short ones, the longest, one within the other, and bytes from 0x80 up. */
const char *model_name(unsigned slot)
{
    static char names[MODEL_SLOTS][TN_NAME_MAX + 1];

    if (names[slot][0] == '\0')
        write_name(slot, names[slot], sizeof(names[slot]));
    return names[slot];
}

const tn_type *model_type(unsigned slot)
{
    return &types[slot % TYPES];
}

const tn_type *model_unique_type(unsigned slot)
{
    static char names[MODEL_SLOTS][16];
    static tn_type types_of[MODEL_SLOTS];
    tn_type *type = &types_of[slot];

    if (type->name == NULL) {
        snprintf(names[slot], sizeof(names[slot]), "unique-%u", slot);
        *type = (tn_type){.name = names[slot], .size = 16, .align = 8};
    }
    return type;
}

static const tn_type *type_of(unsigned slot, enum model_what what)
{
    return what == MODEL_UNIQUE ? model_unique_type(slot) : model_type(slot);
}

static const char *name_of(unsigned slot, enum model_what what)
{
    if (what == MODEL_UNIQUE)
        return TN_UNIQUE;
    return what == MODEL_NAMED ? model_name(slot) : TN_ANONYMOUS;
}

static size_t bytes_of(unsigned slot, const struct model_slot *s)
{
    return s->what == MODEL_RAW ? s->count
                                : s->count * type_of(slot, s->what)->size;
}

/* --- Making and unmaking -------------------------------------------------- */

void model_init(struct model *m, tn_segment *seg, uint64_t seed, size_t largest)
{
    tn_stats stats;

    if (tn_segment_stats(seg, &stats) != TN_OK)
        abort();
    *m = (struct model){.seg = seg,
                        .names = stats.index != TN_INDEX_NULL,
                        .random = seed * 2 + 1,
                        .largest = largest};
}

size_t model_random(struct model *m, size_t n)
{
    m->random = m->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (m->random >> 33) % n;
}

static tn_status fill(tn_segment *seg, void *elements, size_t count, void *arg)
{
    const struct model_slot *s = arg;

    (void)seg;
    memset(elements, s->mark, s->place * count); /* place: an element's size */
    return TN_OK;
}

/* All ways of construction, by the mark's last bits. */
static tn_status construct(struct model *m, unsigned slot,
                           const struct model_slot *s, void **p)
{
    const tn_type *type = type_of(slot, s->what);
    const char *name = name_of(slot, s->what);
    struct model_slot arg = {.mark = s->mark, .place = type->size};
    char element[LARGEST_ELEMENT];

    memset(element, s->mark, sizeof(element));
    switch (s->mark % 4) {
    case 0:
        return tn_construct(m->seg, name, type, s->count, element, p);
    case 1:
        return tn_construct_from(m->seg, name, type, s->count, element, 0, p);
    case 2:
        return tn_construct_with(m->seg, name, type, s->count, fill, &arg, p);
    default:
        return tn_find_or_construct(m->seg, name, type, s->count, element, p,
                                    NULL);
    }
}

tn_status model_make(struct model *m, unsigned slot, enum model_what what,
                     size_t count)
{
    struct model_slot s = {.what = what, .count = count};
    tn_status status = TN_OK;
    void *p = NULL;

    s.mark = (unsigned char)(++m->made);
    if (what == MODEL_RAW) {
        p = slot % 4 == 1 ? tn_alloc_aligned(m->seg, count, 16u << slot % 5)
                          : tn_alloc(m->seg, count);
        if (p == NULL)
            return TN_ENOMEM;
        memset(p, s.mark, count);
    } else {
        status = construct(m, slot, &s, &p);
    }
    if (status != TN_OK)
        return status;
    s.place = tn_handle_of(m->seg, p);
    m->slots[slot] = s;
    return TN_OK;
}

tn_status model_drop(struct model *m, unsigned slot)
{
    struct model_slot *s = &m->slots[slot];
    const tn_type *type = type_of(slot, s->what);
    void *p = tn_at(m->seg, s->place);
    tn_status status;

    if (s->what == MODEL_RAW)
        status = tn_free(m->seg, p);
    else if (s->what == MODEL_ANONYMOUS || s->mark % 2 == 0)
        status = tn_destroy_ptr(m->seg, p, s->mark % 4 == 0 ? NULL : type);
    else
        status = tn_destroy(m->seg, name_of(slot, s->what), type);
    if (status == TN_OK)
        s->what = MODEL_NOTHING;
    return status;
}

tn_status model_resize(struct model *m, unsigned slot, size_t size)
{
    struct model_slot *s = &m->slots[slot];
    char *p = tn_realloc(m->seg, tn_at(m->seg, s->place), size);

    if (p == NULL)
        return TN_ENOMEM;
    if (size > s->count)
        memset(p + s->count, s->mark, size - s->count);
    s->place = tn_handle_of(m->seg, p);
    s->count = size;
    return TN_OK;
}

void model_rewrite(struct model *m, unsigned slot)
{
    struct model_slot *s = &m->slots[slot];
    void *p = tn_at(m->seg, s->place);

    if (s->what == MODEL_NOTHING)
        return;
    s->mark = (unsigned char)(++m->made);
    memset(p, s->mark, bytes_of(slot, s));
    if (tn_touch(m->seg, p, bytes_of(slot, s)) != TN_OK)
        abort();
}

/* --- Comparing ------------------------------------------------------------ */

static bool wrong(unsigned slot, const char *what)
{
    fprintf(stderr, "slot %u: %s\n", slot, what);
    return false;
}

static bool contents_hold(struct model *m, unsigned slot)
{
    const struct model_slot *s = &m->slots[slot];
    const unsigned char *p = tn_at(m->seg, s->place);
    size_t n = bytes_of(slot, s);

    return n == 0 || (p[0] == s->mark && memcmp(p, p + 1, n - 1) == 0) ||
           wrong(slot, "a byte is not what was written");
}

static bool object_holds(struct model *m, unsigned slot)
{
    const struct model_slot *s = &m->slots[slot];
    const tn_type *type = type_of(slot, s->what);
    void *p = tn_at(m->seg, s->place), *found = p;
    size_t count = s->count;
    tn_object known;

    if (tn_describe(m->seg, p, &known) != TN_OK)
        return wrong(slot, "the object is not known");
    if (known.count != s->count || known.size != type->size ||
        known.align != type->align || strcmp(known.type, type->name) != 0 ||
        known.address != p || known.handle != s->place ||
        known.kind != (tn_kind)(s->what - MODEL_NAMED))
        return wrong(slot, "the object is known otherwise");
    if (s->what != MODEL_ANONYMOUS &&
        tn_find(m->seg, name_of(slot, s->what), type, &found, &count) != TN_OK)
        return wrong(slot, "the object is not found");
    if (found != p || count != s->count)
        return wrong(slot, "another object is found");
    return contents_hold(m, slot);
}

/* Nothing is under names that the model does not know. */
static bool no_other(struct model *m, unsigned slot)
{
    const struct model_slot *s = &m->slots[slot];

    if (!m->names)
        return true;
    if (s->what != MODEL_NAMED &&
        tn_find(m->seg, model_name(slot), NULL, NULL, NULL) != TN_ENOENT)
        return wrong(slot, "there is an object of this name");
    if (s->what != MODEL_UNIQUE &&
        tn_find(m->seg, TN_UNIQUE, model_unique_type(slot), NULL, NULL) !=
            TN_ENOENT)
        return wrong(slot, "there is a unique object");
    return true;
}

static bool slot_holds(struct model *m, unsigned slot)
{
    const struct model_slot *s = &m->slots[slot];
    void *p = tn_at(m->seg, s->place);

    if (!no_other(m, slot))
        return false;
    if (s->what == MODEL_NOTHING)
        return true;
    if (s->what != MODEL_RAW)
        return object_holds(m, slot);
    if (tn_usable_size(m->seg, p) < s->count)
        return wrong(slot, "the allocation is too small or gone");
    return contents_hold(m, slot);
}

static size_t count_of(const struct model *m, enum model_what what)
{
    size_t n = 0;

    for (unsigned slot = 0; slot < MODEL_SLOTS; slot++)
        n += m->slots[slot].what == what;
    return n;
}

static bool figures_hold(struct model *m)
{
    tn_stats stats;

    if (tn_segment_stats(m->seg, &stats) != TN_OK)
        return wrong(0, "there are no figures");
    if (stats.named != count_of(m, MODEL_NAMED) ||
        stats.unique != count_of(m, MODEL_UNIQUE) ||
        stats.anonymous != count_of(m, MODEL_ANONYMOUS) ||
        stats.raw != count_of(m, MODEL_RAW) + m->stray ||
        tn_named_count(m->seg) != stats.named ||
        tn_unique_count(m->seg) != stats.unique) {
        fprintf(stderr, "%zu named, %zu unique, %zu anonymous, %zu raw\n",
                stats.named, stats.unique, stats.anonymous, stats.raw);
        return wrong(0, "there are more or fewer things");
    }
    if (stats.free_bytes != tn_free_bytes(m->seg) ||
        stats.free_bytes + stats.used_bytes + stats.overhead_bytes !=
            stats.size)
        return wrong(0, "the bytes do not add up");
    return true;
}

static bool walk_holds(struct model *m, tn_kind kind)
{
    char last[TN_NAME_MAX + 1] = "";
    uint64_t last_place = 0;
    size_t met = 0;
    tn_object object;
    tn_iter *iter;

    if (tn_iter_open(m->seg, kind, NULL, &iter) != TN_OK)
        return wrong(0, "there is no walk");
    while (tn_iter_next(iter, &object)) {
        if (object.kind != kind)
            break;
        if (kind == TN_KIND_ANONYMOUS ? object.handle <= last_place
                                      : strcmp(last, object.name) >= 0)
            break;
        last_place = object.handle;
        if (kind != TN_KIND_ANONYMOUS)
            strcpy(last, object.name);
        met++;
    }
    tn_iter_close(iter);
    return met == count_of(m, (enum model_what)(MODEL_NAMED + (int)kind)) ||
           wrong(0, "a walk does not meet all, in order");
}

static void print_finding(void *arg, const tn_finding *finding)
{
    (void)arg;
    fprintf(stderr, "%s %s at %#lx: %.80s: %s\n", finding->layer, finding->rule,
            (unsigned long)finding->offset,
            finding->object != NULL ? finding->object : "-", finding->what);
}

bool model_sound(const tn_segment *seg)
{
    return tn_segment_check(seg, print_finding, NULL) == TN_OK;
}

bool model_holds(struct model *m)
{
    bool holds = model_sound(m->seg);

    for (unsigned slot = 0; slot < MODEL_SLOTS; slot++)
        holds = slot_holds(m, slot) && holds;
    for (int kind = TN_KIND_NAMED; kind <= TN_KIND_ANONYMOUS; kind++)
        holds = walk_holds(m, (tn_kind)kind) && holds;
    return figures_hold(m) && holds;
}

/* --- After a death -------------------------------------------------------- */

/* Where is the object that the slot was to hold?  0: nowhere. */
static tn_handle settle_object(struct model *m, unsigned slot)
{
    const struct model_slot *s = &m->slots[slot];
    tn_handle place = 0;
    tn_object object;
    tn_iter *iter;
    void *p;

    if (s->what != MODEL_ANONYMOUS)
        return tn_find(m->seg, name_of(slot, s->what), type_of(slot, s->what),
                       &p, NULL) == TN_OK
                   ? tn_handle_of(m->seg, p)
                   : 0;
    if (tn_iter_open(m->seg, TN_KIND_ANONYMOUS, NULL, &iter) != TN_OK)
        return 0;
    while (tn_iter_next(iter, &object)) {
        bool known = false;

        for (unsigned i = 0; i < MODEL_SLOTS; i++)
            known |= i != slot && m->slots[i].place == object.handle &&
                     m->slots[i].what == MODEL_ANONYMOUS;
        if (!known)
            place = object.handle;
    }
    tn_iter_close(iter);
    return place;
}

/* Raw memory has no name: what is over belongs to the dead. */
static void settle_raw(struct model *m, unsigned slot)
{
    tn_stats stats;

    m->slots[slot].what = MODEL_NOTHING;
    if (tn_segment_stats(m->seg, &stats) == TN_OK)
        m->stray = stats.raw - count_of(m, MODEL_RAW);
}

bool model_holds_but(struct model *m, unsigned slot)
{
    struct model_slot *s = &m->slots[slot];

    if (s->what == MODEL_RAW) {
        settle_raw(m, slot);
        if (m->stray > 2)
            return wrong(slot, "more allocations than can be are left");
    } else if (s->what != MODEL_NOTHING) {
        s->place = settle_object(m, slot);
        if (s->place == 0)
            s->what = MODEL_NOTHING;
    }
    return model_holds(m);
}

bool model_clear(struct model *m)
{
    for (unsigned slot = 0; slot < MODEL_SLOTS; slot++) {
        if (m->slots[slot].what != MODEL_NOTHING &&
            model_drop(m, slot) != TN_OK)
            return wrong(slot, "what is there cannot be dropped");
    }
    return tn_shrink_indexes(m->seg) == TN_OK;
}

/* --- Random steps --------------------------------------------------------- */

static tn_status make_anything(struct model *m, unsigned slot)
{
    enum model_what what =
        (enum model_what)(MODEL_NAMED + model_random(m, MODEL_RAW));
    size_t bytes = model_random(m, m->largest), count;

    if (model_random(m, 4) != 0)
        bytes %= 200;
    count = what == MODEL_RAW ? bytes : bytes / type_of(slot, what)->size;
    if (m->names || what == MODEL_ANONYMOUS || what == MODEL_RAW)
        return model_make(m, slot, what, count);
    return tn_construct(m->seg, name_of(slot, what), type_of(slot, what), count,
                        NULL, NULL) == TN_ENOTSUP
               ? TN_OK
               : TN_ECORRUPT;
}

/* What is there cannot be made again, nor dropped as something else. */
static tn_status misuse(struct model *m, unsigned slot)
{
    const struct model_slot *s = &m->slots[slot];
    const tn_type *other = &types[(slot + 1) % TYPES];
    void *p = tn_at(m->seg, s->place);

    if (s->what == MODEL_RAW)
        return tn_destroy_ptr(m->seg, p, NULL) == TN_EINVAL ? TN_OK
                                                            : TN_ECORRUPT;
    if (tn_free(m->seg, p) != TN_EINVAL ||
        tn_destroy_ptr(m->seg, p, other) != TN_ETYPE)
        return TN_ECORRUPT;
    if (s->what == MODEL_ANONYMOUS)
        return TN_OK;
    return tn_construct(m->seg, name_of(slot, s->what), type_of(slot, s->what),
                        1, NULL, NULL) == TN_EEXIST
               ? TN_OK
               : TN_ECORRUPT;
}

bool model_step(struct model *m)
{
    unsigned slot = (unsigned)model_random(m, MODEL_SLOTS);
    struct model_slot *s = &m->slots[slot];
    tn_status status;

    if (s->what == MODEL_NOTHING)
        status = make_anything(m, slot);
    else if (model_random(m, 5) == 0)
        status = misuse(m, slot);
    else if (s->what == MODEL_RAW && model_random(m, 2) == 0)
        status = model_resize(m, slot, model_random(m, m->largest));
    else
        status = model_drop(m, slot);
    if (status != TN_OK && status != TN_ENOMEM && status != TN_ENOSPC)
        return wrong(slot, tn_strerror(status));
    return true;
}
