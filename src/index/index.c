/* index.c - what is common to all kinds of index
 *
 * The kind is a number in the segment, so it selects a table of functions here
 * and nothing else; a number that selects nothing is damage.  This file also
 * keeps the count, ends walks that would go in circles, and is the kind that
 * keeps no names.
 *
 * Of every kind these hold, and index_check() tests them; I5 and more are in
 * the file of each kind:
 *
 *   I1  Every record met is sound (R1 to R5 of record.c), in state
 *       BLOCK_OBJECT, and of the kind that the index is for.
 *   I2  Names are met in strict order, or, where there is none, each once.
 *   I3  index.count is the number of records met.
 *   I4  What the index takes from the heap are blocks of BLOCK_INDEX.
 *
 * Crashes: no kind orders or flushes anything.  All memory of an index is
 * BLOCK_INDEX, so whoever comes after a crash frees that and inserts every
 * object's name again.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index/kind.h"

#include <inttypes.h>
#include <stdlib.h>

enum { STEPS = 3 }; /* the word of a cursor that counts what it may still do */

/* --- Names -------------------------------------------------------------- */

size_t name_common(const struct name *a, const struct name *b)
{
    size_t n = a->length < b->length ? a->length : b->length, i = 0;

    while (i + 8 <= n) {
        uint64_t differ = big_endian(a->bytes + i) ^ big_endian(b->bytes + i);

        if (differ != 0)
            return i + (size_t)__builtin_clzll(differ) / 8;
        i += 8;
    }
    while (i < n && a->bytes[i] == b->bytes[i])
        i++;
    return i;
}

bool name_of_type(const struct scope *s, uint64_t off, struct name *out)
{
    const struct type_descriptor *type = heap_at(s->h, off);

    if (!scope_has(s, off, sizeof(*type)))
        return false;
    out->bytes = type->name;
    out->length = __atomic_load_n(&type->name_length, __ATOMIC_RELAXED);
    return s->size - off - sizeof(*type) > out->length;
}

bool unique_name_is(const struct heap *h, uint64_t off, const char *bytes,
                    size_t length)
{
    struct scope s = scope_of(h, TN_INDEX_NULL);
    const struct record *record = heap_at(h, off);
    uint64_t word = load64(&record->type);
    struct name here;

    return word >> RECORD_KIND_SHIFT == TN_KIND_UNIQUE &&
           name_of_type(&s, word & RECORD_OFF_MASK, &here) &&
           here.length == length && memcmp(here.bytes, bytes, length) == 0;
}

/* --- The kind without names --------------------------------------------- */

static uint64_t null_find(const struct heap *h, const struct index *ix,
                          const char *name, size_t length)
{
    (void)h, (void)ix, (void)name, (void)length;
    return 0;
}

static tn_status null_place(const struct scope *s, const struct index *ix,
                            const struct name *name, struct index_place *place)
{
    (void)s, (void)ix, (void)name;
    place->record = 0;
    return TN_OK;
}

static tn_status null_insert(struct heap *h, const struct scope *s,
                             struct index *ix, uint64_t record,
                             const struct name *name,
                             const struct index_place *place)
{
    (void)h, (void)s, (void)ix, (void)record, (void)name, (void)place;
    return TN_ENOTSUP;
}

static tn_status null_remove(struct heap *h, const struct scope *s,
                             struct index *ix, uint64_t record,
                             const struct name *name)
{
    (void)h, (void)s, (void)ix, (void)record, (void)name;
    return TN_ENOTSUP;
}

static tn_status null_reserve(struct heap *h, const struct scope *s,
                              struct index *ix, size_t count)
{
    (void)h, (void)s, (void)ix, (void)count;
    return TN_OK;
}

static void null_shrink(struct heap *h, const struct scope *s, struct index *ix)
{
    (void)h, (void)s, (void)ix;
}

static tn_status null_seek(const struct scope *s, const struct index *ix,
                           struct index_cursor *cursor, const struct name *name,
                           bool after)
{
    (void)s, (void)ix, (void)cursor, (void)name, (void)after;
    return TN_OK;
}

static uint64_t null_next(const struct scope *s, const struct index *ix,
                          struct index_cursor *cursor)
{
    (void)s, (void)ix, (void)cursor;
    return 0;
}

static void null_check(struct index_checker *checker)
{
    (void)checker;
}

static const struct index_kind index_null = {
    .find = null_find,
    .place = null_place,
    .insert = null_insert,
    .remove = null_remove,
    .reserve = null_reserve,
    .shrink = null_shrink,
    .clear = null_shrink,
    .seek = null_seek,
    .next = null_next,
    .check = null_check,
};

/* --- Choosing the kind -------------------------------------------------- */

static const struct index_kind *kind_of(const struct index *ix)
{
    static const struct index_kind *const kinds[] = {
        [TN_INDEX_ISET] = &index_iset, [TN_INDEX_FLAT_MAP] = &index_flat,
        [TN_INDEX_MAP] = &index_map,   [TN_INDEX_HASH] = &index_hash,
        [TN_INDEX_NULL] = &index_null,
    };
    uint32_t kind = ix->kind;

    return kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind] : NULL;
}

void index_init(struct index *ix, tn_index kind)
{
    /* In an index that is made anew, kind stays what it is throughout: whoever
     * is killed here leaves a kind by which records can be read. */
    ix->kind = kind;
    memset(&ix->reserved, 0, sizeof(*ix) - offsetof(struct index, reserved));
}

uint64_t index_find(const struct heap *h, const struct index *ix,
                    const char *name, size_t length)
{
    const struct index_kind *kind = kind_of(ix);

    if (unlikely(kind == NULL || length < 1 || length > TN_NAME_MAX))
        return 0;
    return kind->find(h, ix, name, length);
}

tn_status index_find_place(const struct heap *h, const struct index *ix,
                           const char *name, size_t length,
                           struct index_place *place)
{
    const struct index_kind *kind = kind_of(ix);
    struct scope s = scope_of(h, (tn_index)ix->kind);
    struct name wanted = {name, length};

    return kind == NULL ? TN_ECORRUPT : kind->place(&s, ix, &wanted, place);
}

tn_status index_insert_at(struct heap *h, struct index *ix, uint64_t record,
                          const struct index_place *place)
{
    const struct index_kind *kind = kind_of(ix);
    struct scope s = scope_of(h, (tn_index)ix->kind);
    struct name name;
    tn_status status;

    if (kind == NULL || !name_read(&s, record, &name))
        return TN_ECORRUPT;
    status = kind->insert(h, &s, ix, record, &name, place);
    if (status == TN_OK)
        __atomic_store_n(&ix->count, ix->count + 1, __ATOMIC_RELAXED);
    return status;
}

tn_status index_insert(struct heap *h, struct index *ix, uint64_t record)
{
    struct scope s = scope_of(h, (tn_index)ix->kind);
    struct index_place place;
    struct name name;
    tn_status status;

    if (!name_read(&s, record, &name))
        return TN_ECORRUPT;
    status = index_find_place(h, ix, name.bytes, name.length, &place);
    if (status == TN_OK && place.record != 0)
        status = TN_EEXIST;
    return status == TN_OK ? index_insert_at(h, ix, record, &place) : status;
}

tn_status index_remove(struct heap *h, struct index *ix, uint64_t record)
{
    const struct index_kind *kind = kind_of(ix);
    struct scope s = scope_of(h, (tn_index)ix->kind);
    struct name name;
    tn_status status;

    if (kind == NULL || ix->count == 0 || !name_read(&s, record, &name))
        return TN_ECORRUPT;
    status = kind->remove(h, &s, ix, record, &name);
    if (status == TN_OK)
        __atomic_store_n(&ix->count, ix->count - 1, __ATOMIC_RELAXED);
    return status;
}

tn_status index_reserve(struct heap *h, struct index *ix, size_t count)
{
    const struct index_kind *kind = kind_of(ix);
    struct scope s = scope_of(h, (tn_index)ix->kind);

    return kind == NULL ? TN_ECORRUPT : kind->reserve(h, &s, ix, count);
}

void index_shrink(struct heap *h, struct index *ix)
{
    const struct index_kind *kind = kind_of(ix);
    struct scope s = scope_of(h, (tn_index)ix->kind);

    if (kind != NULL)
        kind->shrink(h, &s, ix);
}

void index_clear(struct heap *h, struct index *ix)
{
    const struct index_kind *kind = kind_of(ix);
    struct scope s = scope_of(h, (tn_index)ix->kind);

    if (kind == NULL)
        return;
    kind->clear(h, &s, ix);
    index_init(ix, (tn_index)ix->kind);
}

/* What a walk gives out is a record that can be read, or the end. */
static uint64_t readable(const struct scope *s, uint64_t record)
{
    struct name name;

    return name_read(s, record, &name) ? record : 0;
}

/* --- Walking ------------------------------------------------------------ */

/* However the links lie, a walk ends after as many steps as there are names,
 * or could be. */
static uint64_t most_steps(const struct scope *s, const struct index *ix)
{
    uint64_t count = load64(&ix->count), most = s->size / RECORD_MIN_BLOCK;

    return count < most ? count : most;
}

tn_status index_seek(const struct heap *h, const struct index *ix,
                     struct index_cursor *cursor, const char *name,
                     size_t length, bool after, uint64_t *record)
{
    const struct index_kind *kind = kind_of(ix);
    struct scope s = scope_of(h, (tn_index)ix->kind);
    struct name wanted = {name, length};
    tn_status status;

    memset(cursor, 0, sizeof(*cursor));
    if (kind == NULL)
        return TN_ECORRUPT;
    status = kind->seek(&s, ix, cursor, &wanted, after);
    if (status != TN_OK)
        return status;
    cursor->words[STEPS] = most_steps(&s, ix);
    *record = cursor->record = readable(&s, cursor->record);
    return TN_OK;
}

uint64_t index_next(const struct heap *h, const struct index *ix,
                    struct index_cursor *cursor)
{
    const struct index_kind *kind = kind_of(ix);
    struct scope s = scope_of(h, (tn_index)ix->kind);

    if (kind == NULL || cursor->record == 0 || cursor->words[STEPS] == 0)
        return cursor->record = 0;
    cursor->words[STEPS]--;
    return cursor->record = readable(&s, kind->next(&s, ix, cursor));
}

void index_cursor_fini(struct index_cursor *cursor)
{
    free(cursor->sorted);
    cursor->sorted = NULL;
    cursor->sorted_count = 0;
    cursor->record = 0;
}

/* --- Checking ----------------------------------------------------------- */

void index_check_record(struct index_checker *checker, uint64_t record)
{
    struct report *report = checker->report;
    struct name name;

    checker->records++;
    if (!record_verify(checker->s.h, checker->s.index, record) ||
        !name_read(&checker->s, record, &name)) {
        report_add(report, "I1", record, NULL,
                   "the index refers to something that is no object");
        return;
    }
    if (record_kind(checker->s.h, record) != checker->kind)
        report_add(report, "I1", record, name.bytes,
                   "the object is in the index of another kind");
    if (checker->sorted && checker->last.bytes != NULL &&
        name_compare(&checker->last, &name) >= 0)
        report_add(report, "I2", record, name.bytes, "name is out of order");
    checker->last = name;
}

bool index_check_block(struct index_checker *checker, uint64_t off, uint64_t n)
{
    if (!block_is_index(&checker->s, off, n)) {
        report_add(checker->report, "I4", off, NULL,
                   "no block of the index is where one should be");
        return false;
    }
    checker->blocks++;
    return true;
}

size_t index_check(const struct heap *h, const struct index *ix, tn_kind kind,
                   struct report *report)
{
    const struct index_kind *functions = kind_of(ix);
    struct index_checker checker = {.s = scope_of(h, (tn_index)ix->kind),
                                    .ix = ix,
                                    .kind = kind,
                                    .report = report,
                                    .sorted = true};

    if (functions == NULL || ix->reserved != 0) {
        report_add(report, "I1", 0, NULL, "there is no kind of index %" PRIu32,
                   ix->kind);
        return 0;
    }
    functions->check(&checker);
    if (checker.records != ix->count)
        report_add(report, "I3", 0, NULL,
                   "the index counts %" PRIu64 " names, and %" PRIu64
                   " are there",
                   ix->count, checker.records);
    return checker.blocks;
}
