/* test_find.c - finding and destroying, by name, type and address
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/model.h"
#include "lib/steps.h"
#include "segment/segment.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { SIZE = 64 * 1024 };

static _Alignas(4096) char buffer[SIZE];
static tn_segment *seg;

static void make(void)
{
    cr_assert(eq(int, tn_segment_create(&seg, buffer, SIZE, NULL), TN_OK));
}

static void *construct(const char *name, const tn_type *type)
{
    void *p = NULL;

    cr_assert(eq(int, tn_construct(seg, name, type, 3, NULL, &p), TN_OK));
    return p;
}

TestSuite(find, .init = make, .timeout = 60);

/* --- Finding -------------------------------------------------------------- */

Test(find, tells_objects_and_their_counts)
{
    void *p = construct("a", TN_TYPE(int)), *q = construct("ab", TN_TYPE(long));
    void *out = NULL;
    size_t count = 0;

    cr_assert(eq(int, tn_find(seg, "a", TN_TYPE(int), &out, &count), TN_OK));
    cr_expect(eq(ptr, out, p));
    cr_expect(eq(sz, count, 3));
    cr_assert(eq(int, tn_find(seg, "ab", NULL, &out, NULL), TN_OK));
    cr_expect(eq(ptr, out, q));
    cr_expect(eq(int, tn_find(seg, "a", NULL, NULL, NULL), TN_OK));
}

Test(find, writes_nothing_when_it_fails)
{
    void *out = buffer;
    size_t count = 77;

    construct("a", TN_TYPE(int));
    cr_expect(eq(int, tn_find(seg, "b", NULL, &out, &count), TN_ENOENT));
    cr_expect(
        eq(int, tn_find(seg, "a", TN_TYPE(long), &out, &count), TN_ETYPE));
    cr_expect(eq(int, tn_find(seg, TN_UNIQUE, TN_TYPE(int), &out, &count),
                 TN_ENOENT));
    cr_expect(eq(int, tn_find(seg, TN_UNIQUE, NULL, &out, &count), TN_EINVAL));
    cr_expect(
        eq(int, tn_find(seg, TN_ANONYMOUS, NULL, &out, &count), TN_EINVAL));
    cr_expect(eq(ptr, out, buffer));
    cr_expect(eq(sz, count, 77));
}

Test(find, tells_unique_objects_from_named_ones)
{
    void *named = construct("int", TN_TYPE(int));
    void *unique = construct(TN_UNIQUE, TN_TYPE(int)), *out;

    cr_assert(
        eq(int, tn_find(seg, TN_UNIQUE, TN_TYPE(int), &out, NULL), TN_OK));
    cr_expect(eq(ptr, out, unique));
    cr_assert(eq(int, tn_find(seg, "int", NULL, &out, NULL), TN_OK));
    cr_expect(eq(ptr, out, named));
    cr_expect(eq(int, tn_find(seg, "unique", NULL, NULL, NULL), TN_ENOENT));
}

Test(find, wants_types_to_have_names)
{
    static const tn_type nameless = {.size = 4, .align = 4};
    void *p = construct("a", TN_TYPE(int));

    cr_expect(eq(int, tn_find(seg, "a", &nameless, NULL, NULL), TN_EINVAL));
    cr_expect(eq(int, tn_destroy(seg, "a", &nameless), TN_EINVAL));
    cr_expect(eq(int, tn_destroy_ptr(seg, p, &nameless), TN_EINVAL));
    cr_expect(eq(int, tn_find(seg, "a", TN_TYPE(int), NULL, NULL), TN_OK));
}

Test(find, tells_types_by_their_whole_names)
{
    static const char *const others[] = {"nam", "namee", "namf", "n"};
    tn_type type = {.name = "name", .size = 4, .align = 4};

    construct("a", &type);
    for (int i = 0; i < 4; i++) {
        type.name = others[i];
        cr_expect(eq(int, tn_find(seg, "a", &type, NULL, NULL), TN_ETYPE));
    }
    type.name = "name";
    cr_expect(eq(int, tn_find(seg, "a", &type, NULL, NULL), TN_OK));
}

/* --- Destroying ----------------------------------------------------------- */

static int order[8], undone;

static void note(tn_segment *s, void *element)
{
    (void)s;
    order[undone++ % 8] = *(int *)element;
}

static const tn_type noted = {
    .name = "noted", .size = 4, .align = 4, .fini = note};

static void *construct_numbered(const char *name)
{
    int *p = construct(name, &noted);

    p[0] = 0, p[1] = 1, p[2] = 2;
    return p;
}

Test(find, destroys_the_last_element_first)
{
    construct_numbered("a");
    cr_assert(eq(int, tn_destroy(seg, "a", &noted), TN_OK));
    cr_expect(eq(int, undone, 3));
    cr_expect(order[0] == 2 && order[1] == 1 && order[2] == 0);
    cr_expect(tn_find(seg, "a", NULL, NULL, NULL) == TN_ENOENT);
}

Test(find, destroys_without_fini_where_the_type_is_not_told)
{
    construct_numbered("a");
    cr_assert(eq(int, tn_destroy(seg, "a", NULL), TN_OK));
    cr_expect(zero(int, undone));
}

Test(find, destroys_every_kind_by_its_address)
{
    static const char *const sorts[] = {"a", TN_ANONYMOUS, "b"};

    for (int i = 0; i < 3; i++) {
        void *p = construct_numbered(i == 2 ? TN_UNIQUE : sorts[i]);

        undone = 0;
        cr_assert(eq(int, tn_destroy_ptr(seg, p, TN_TYPE(int)), TN_ETYPE));
        cr_assert(zero(int, undone));
        cr_assert(eq(int, tn_destroy_ptr(seg, p, &noted), TN_OK));
        cr_assert(eq(int, undone, 3));
        cr_assert(eq(int, tn_destroy_ptr(seg, p, &noted), TN_EINVAL));
        cr_assert(eq(int, undone, 3));
        cr_assert(model_sound(seg));
    }
}

Test(find, refuses_addresses_of_no_object)
{
    char *p = construct("a", TN_BYTES), *raw = tn_alloc(seg, 100);

    for (int i = -200; i < 200; i++)
        if (i != 0)
            cr_assert(eq(int, tn_destroy_ptr(seg, p + i, NULL), TN_EINVAL));
    cr_expect(eq(int, tn_destroy_ptr(seg, raw, NULL), TN_EINVAL));
    cr_expect(eq(int, tn_destroy_ptr(seg, NULL, NULL), TN_EINVAL));
    cr_expect(eq(int, tn_destroy_ptr(seg, &p, NULL), TN_EINVAL));
    cr_expect(eq(int, tn_destroy_ptr(seg, buffer, NULL), TN_EINVAL));
    cr_expect(eq(int, tn_destroy_ptr(seg, buffer + SIZE, NULL), TN_EINVAL));
    cr_expect(eq(int, tn_destroy(seg, TN_ANONYMOUS, NULL), TN_EINVAL));
    cr_expect(eq(int, tn_destroy(seg, "b", NULL), TN_ENOENT));
    cr_expect(eq(int, tn_destroy(seg, "a", TN_TYPE(int)), TN_ETYPE));
    cr_expect(eq(int, tn_find(seg, "a", TN_BYTES, NULL, NULL), TN_OK));
    cr_expect(model_sound(seg));
}

/* A destructor finds that its object has no name any more, and destroys the
 * next one. */
static bool found_itself;

static void destroy_next(tn_segment *s, void *element)
{
    char name[16];
    int i = *(int *)element;

    snprintf(name, sizeof(name), "%d", i);
    found_itself |= tn_find(s, name, NULL, NULL, NULL) != TN_ENOENT ||
                    tn_destroy(s, name, NULL) != TN_ENOENT ||
                    tn_destroy_ptr(s, element, NULL) != TN_EINVAL;
    snprintf(name, sizeof(name), "%d", i + 1);
    if (i < 20)
        found_itself |= tn_destroy(s, name,
                                   &(tn_type){.name = "link",
                                              .size = 4,
                                              .align = 4,
                                              .fini = destroy_next}) != TN_OK;
}

Test(find, lets_a_destructor_destroy)
{
    tn_type link = {.name = "link", .size = 4, .align = 4};
    size_t bytes = tn_free_bytes(seg);
    char name[16];

    for (int i = 0; i <= 20; i++) {
        snprintf(name, sizeof(name), "%d", i);
        cr_assert(eq(int, tn_construct(seg, name, &link, 1, &i, NULL), TN_OK));
    }
    link.fini = destroy_next;
    cr_assert(eq(int, tn_destroy(seg, "0", &link), TN_OK));
    cr_expect(not(found_itself));
    cr_expect(zero(sz, tn_named_count(seg)));
    cr_expect(model_sound(seg));
    cr_expect(eq(int, tn_shrink_indexes(seg), TN_OK));
    cr_expect(eq(sz, tn_free_bytes(seg), bytes));
}

static void construct_same(tn_segment *s, void *element)
{
    (void)element;
    tn_construct(s, "a", TN_TYPE(int), 1, NULL, NULL);
}

Test(find, lets_a_destructor_take_the_name_anew)
{
    tn_type type = {
        .name = "same", .size = 4, .align = 4, .fini = construct_same};

    construct("a", &type);
    cr_assert(eq(int, tn_destroy(seg, "a", &type), TN_OK));
    cr_expect(eq(int, tn_find(seg, "a", TN_TYPE(int), NULL, NULL), TN_OK));
    cr_expect(model_sound(seg));
}

Test(find, destroys_nothing_that_is_only_for_reading)
{
    void *p = construct("a", TN_BYTES), *q = construct(NULL, TN_BYTES);

    seg->read_only = true;
    cr_expect(eq(int, tn_destroy(seg, "a", NULL), TN_EROFS));
    cr_expect(eq(int, tn_destroy_ptr(seg, p, NULL), TN_EROFS));
    cr_expect(eq(int, tn_destroy_ptr(seg, q, NULL), TN_EROFS));
    cr_expect(eq(int, tn_find(seg, "a", NULL, NULL, NULL), TN_OK));
}

Test(find, tells_of_a_damaged_object_and_leaves_it_alone)
{
    struct record *record = construct("a", TN_TYPE(int));

    record[-1].count ^= (uint64_t)1 << 50;
    cr_expect(lt(int, tn_destroy(seg, "a", TN_TYPE(int)), TN_OK));
    cr_expect(eq(int, tn_destroy_ptr(seg, record, NULL), TN_EINVAL));
    record[-1].count ^= (uint64_t)1 << 50;
    cr_expect(model_sound(seg));
    cr_expect(eq(int, tn_destroy(seg, "a", TN_TYPE(int)), TN_OK));
}

/* --- Looking without a lock ----------------------------------------------- */

/* The reader does one instruction at a time; after some of them the writer
 * makes or destroys many objects at once, under the reader's feet. */

enum { STAY = 9, COME = 20, PLACES = 12, BYTES = 60 };

static struct answer {
    tn_status status;
    size_t count;
    int met;
    bool wrong;
} * answer;

static tn_segment reader, writer;
static void *anonymous[COME];

static void come(void)
{
    char name[32];

    for (int i = 0; i < COME; i++) {
        snprintf(name, sizeof(name), "comes and goes %d", i);
        tn_construct(&writer, name, TN_TYPE(int), 2, NULL, NULL);
        tn_construct(&writer, NULL, TN_TYPE(int), 2, NULL, &anonymous[i]);
    }
}

/* Memory that was an object is overwritten by something else. */
static void go(void)
{
    char name[32];
    void *p[COME];

    for (int i = 0; i < COME; i++) {
        snprintf(name, sizeof(name), "comes and goes %d", i);
        tn_destroy(&writer, name, NULL);
        tn_destroy_ptr(&writer, anonymous[i], NULL);
    }
    tn_shrink_indexes(&writer);
    for (int i = 0; i < COME; i++) {
        p[i] = tn_alloc(&writer, BYTES);
        memset(p[i], 0xee, BYTES);
    }
    for (int i = 0; i < COME; i++)
        tn_free(&writer, p[i]);
}

static void find_what_stays(void *arg)
{
    (void)arg;
    steps_mark();
    answer->status =
        tn_find(&reader, "stays 7", TN_TYPE(short), NULL, &answer->count);
    answer->wrong = answer->status != TN_OK || answer->count != 5;
}

static void find_what_goes(void *arg)
{
    (void)arg;
    steps_mark();
    answer->status = tn_find(&reader, "comes and goes 7", TN_TYPE(int), NULL,
                             &answer->count);
    answer->wrong = answer->status == TN_OK ? answer->count != 2
                                            : answer->status != TN_ENOENT;
}

static void walk_over_names(void *arg)
{
    char last[64] = "";
    tn_object object;
    tn_iter *iter;

    (void)arg;
    if (tn_iter_open(&reader, TN_KIND_NAMED, "", &iter) != TN_OK)
        return;
    while (tn_iter_next(iter, &object)) {
        answer->wrong |= strcmp(last, object.name) >= 0;
        snprintf(last, sizeof(last), "%s", object.name);
        answer->met += strcmp(object.type, "short") == 0;
        if (answer->met == 3)
            steps_mark();
    }
    tn_iter_close(iter);
    answer->wrong |= answer->met != STAY;
}

static void walk_over_nameless(void *arg)
{
    tn_object object;
    tn_iter *iter;

    (void)arg;
    if (tn_iter_open(&reader, TN_KIND_ANONYMOUS, NULL, &iter) != TN_OK)
        return;
    while (tn_iter_next(iter, &object)) {
        answer->wrong |=
            strcmp(object.type, answer->met < 5 ? "long" : "int") != 0;
        if (++answer->met == 3)
            steps_mark();
    }
    tn_iter_close(iter);
    answer->wrong |= answer->met < 5;
}

static void make_shared(tn_index index)
{
    tn_options options = {.index = index};
    char name[32];
    void *base = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    cr_assert(ne(ptr, base, MAP_FAILED));
    answer = (struct answer *)((char *)base + SIZE);
    cr_assert(eq(int, segment_format(base, SIZE, &options), TN_OK));
    cr_assert(eq(int, segment_reset_locks(base), TN_OK));
    writer = (tn_segment){.base = base,
                          .reach = SIZE,
                          .max_size = SIZE,
                          .grow_step = TN_NO_GROWTH,
                          .locking = true,
                          .memory = SEGMENT_STORE};
    reader = writer;
    reader.locking = false;
    reader.read_only = reader.live = true;
    for (int i = 0; i < 5; i++)
        tn_construct(&writer, NULL, TN_TYPE(long), 1, NULL, NULL);
    for (int i = 0; i < STAY; i++) {
        snprintf(name, sizeof(name), "stays %d", i);
        cr_assert(eq(int,
                     tn_construct(&writer, name, TN_TYPE(short), 5, NULL, NULL),
                     TN_OK));
    }
}

/* From its mark on let the reader do end instructions, then the writer its
 * worst, then the reader the rest.  There: its worst is to take things away. */
static void look_with_a_break(void (*look)(void *arg), bool there, int end)
{
    struct steps steps;

    memset(answer, 0, sizeof(*answer));
    if (there)
        come();
    steps_start(&steps, look, NULL);
    steps_to_mark(&steps);
    for (int i = 0; i < end && steps_next(&steps); i++)
        ;
    if (there)
        go();
    else
        come();
    steps_rest(&steps);
    if (!there)
        go();
}

/* How many instructions is the one call behind the mark? */
static int length_of(void (*look)(void *arg))
{
    struct steps steps;
    int length = 0, met;

    memset(answer, 0, sizeof(*answer));
    steps_start(&steps, look, NULL);
    steps_to_mark(&steps);
    met = answer->met;
    while (steps_next(&steps) && answer->met == met)
        length++;
    steps_kill(&steps);
    return length;
}

static void look_with_breaks(tn_index index, void (*look)(void *arg))
{
    int length;

    make_shared(index);
    length = length_of(look);
    for (int end = 1; end < length; end += length / PLACES + 1) {
        for (int there = 0; there < 2; there++) {
            look_with_a_break(look, there, end);
            cr_assert(not(answer->wrong),
                      "index %d, step %d: status %d, count %zu, %d met", index,
                      end, answer->status, answer->count, answer->met);
        }
    }
    cr_assert(model_sound(&writer));
    munmap(writer.base, 2 * SIZE);
}

static void look_at_all_kinds(void (*look)(void *arg))
{
    for (int kind = TN_INDEX_ISET; kind <= TN_INDEX_HASH; kind++)
        look_with_breaks((tn_index)kind, look);
}

Test(find, finds_what_stays_while_others_come_and_go)
{
    look_at_all_kinds(find_what_stays);
}

Test(find, finds_what_goes_or_does_not)
{
    look_at_all_kinds(find_what_goes);
}

Test(find, walks_over_names_while_others_come_and_go)
{
    look_at_all_kinds(walk_over_names);
}

Test(find, walks_over_nameless_objects_while_others_come_and_go)
{
    look_at_all_kinds(walk_over_nameless);
}

Test(find, says_so_when_the_writer_is_dead)
{
    construct("a", TN_BYTES);
    seg->live = seg->read_only = true;
    seg->base->names_sequence |= 1;
    cr_expect(eq(int, tn_find(seg, "a", NULL, NULL, NULL), TN_EBUSY));
    seg->base->names_sequence++;
    cr_expect(eq(int, tn_find(seg, "a", NULL, NULL, NULL), TN_OK));
    seg->reach = 4096;
    cr_expect(eq(int, tn_find(seg, "a", NULL, NULL, NULL), TN_ENOMEM));
}
