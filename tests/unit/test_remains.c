/* test_remains.c - what can still be read of damaged objects
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include <tenon.h>

#include "index/remains.h"
#include "segment/segment.h"

#define OK(call) cr_assert(eq(int, call, TN_OK), "%s", tn_errmsg())

struct thing {
    uint64_t a, b, c;
};

static tn_segment *seg;
static const struct heap *heap;
static tn_index kind;

static void make(tn_index index)
{
    tn_options options = {.index = index};

    kind = index;
    OK(tn_segment_create_heap(&seg, 1 << 20, &options));
    heap = segment_heap(seg);
}

/* The block of a new object, and its usable bytes. */
static char *construct(const char *name, size_t count, size_t *usable)
{
    struct remains remains;
    void *object;
    char *payload;

    OK(tn_construct(seg, name, TN_TYPE(struct thing), count, NULL, &object));
    for (payload = (char *)object - 16;; payload -= 16)
        if (heap_owns(heap, payload) &&
            remains_find(heap, kind, payload, heap_usable_size(heap, payload),
                         &remains) &&
            (char *)heap_at(heap, remains.record) + 16 == (char *)object)
            break;
    *usable = heap_usable_size(heap, payload);
    return payload;
}

ParameterizedTestParameters(remains, of_sound_objects_are_all)
{
    static const tn_index kinds[] = {TN_INDEX_ISET, TN_INDEX_FLAT_MAP,
                                     TN_INDEX_MAP, TN_INDEX_HASH};

    return cr_make_param_array(const tn_index, kinds, 4);
}

ParameterizedTest(const tn_index *index, remains, of_sound_objects_are_all)
{
    char name[3000];
    struct remains found;
    size_t usable;

    make(*index);
    for (size_t length = 1; length < sizeof(name); length += 97) {
        char *payload;

        memset(name, 'n', length);
        name[length] = '\0';
        payload = construct(name, length % 5, &usable);
        cr_assert(remains_find(heap, kind, payload, usable, &found));
        cr_expect(found.check_fits && found.name_sound && found.type_sound);
        cr_expect(eq(sz, found.name_length, length));
        cr_expect(eq(u64, found.count, length % 5));
        cr_expect(le(sz, remains_extent(heap, &found), usable));
    }
    OK(tn_segment_detach(seg));
}

/* Bits of the check: everything around it agrees, so it is believed. */
Test(remains, are_believed_without_their_check)
{
    struct remains found;
    size_t usable;
    char *payload;
    uint64_t *words;

    make(TN_INDEX_MAP);
    payload = construct("something", 4, &usable);
    cr_assert(remains_find(heap, kind, payload, usable, &found));
    words = heap_at(heap, found.record);
    words[1] ^= UINT64_C(1) << 60;
    cr_assert(remains_find(heap, kind, payload, usable, &found));
    cr_expect(not(found.check_fits));
    remains_write(segment_heap(seg), &found);
    cr_assert(remains_find(heap, kind, payload, usable, &found));
    cr_expect(found.check_fits);
    words[1] ^= 7; /* of the count: the block has another size */
    cr_expect(not(remains_find(heap, kind, payload, usable, &found)));
    OK(tn_segment_detach(seg));
}

/* In the place of names of every length, nothing behind it moves. */
Test(remains, get_names_as_long_as_their_place)
{
    char name[200];
    struct remains found;
    size_t usable, length;

    make(TN_INDEX_MAP);
    for (size_t n = 1; n < sizeof(name); n++) {
        char *payload;

        memset(name, 'a', n);
        name[n] = '\0';
        payload = construct(name, 2, &usable);
        payload[n / 2] = '\0';
        cr_assert(remains_find(heap, kind, payload, usable, &found));
        cr_expect(not(found.name_sound));
        remains_rename(segment_heap(seg), kind, &found, "lost+found/0001");
        remains_write(segment_heap(seg), &found);
        cr_assert(remains_find(heap, kind, payload, usable, &found));
        cr_assert(found.check_fits && found.name_sound, "%zu bytes", n);
        cr_expect(eq(int, memcmp(payload, "lost+found/0001", 15), 0));
        length = strlen(payload);
        cr_expect(eq(sz, length, found.name_length));
    }
    OK(tn_segment_detach(seg));
}

Test(remains, tell_how_large_elements_can_be)
{
    struct remains found;
    uint64_t least, most;
    size_t usable;

    make(TN_INDEX_MAP);
    for (size_t count = 1; count < 200; count += 7) {
        char name[32], *payload;

        snprintf(name, sizeof(name), "%zu", count);
        payload = construct(name, count, &usable);
        cr_assert(remains_find(heap, kind, payload, usable, &found));
        cr_assert(remains_element(&found, usable, &least, &most));
        cr_expect(le(u64, least, sizeof(struct thing)));
        cr_expect(ge(u64, most, sizeof(struct thing)));
    }
    OK(tn_segment_detach(seg));
}

Test(remains, of_raw_memory_are_none)
{
    struct remains found;
    char *raw;

    make(TN_INDEX_ISET);
    raw = tn_alloc(seg, 5000);
    for (int byte = 0; byte < 256; byte++) {
        memset(raw, byte, 5000);
        cr_expect(not(remains_find(heap, kind, raw, 5000, &found)));
    }
    OK(tn_segment_detach(seg));
}
