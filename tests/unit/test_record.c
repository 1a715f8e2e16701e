/* test_record.c - what stands in a block beside an object's elements
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/world.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

static struct world w;

static void make(void)
{
    world_init(&w, 1 << 20, TN_INDEX_MAP, TN_KIND_NAMED);
}

static void unmake(void)
{
    world_fini(&w);
}

TestSuite(record, .init = make, .fini = unmake, .timeout = 20);

static uint64_t type_of(size_t size, size_t align)
{
    char name[40];
    tn_type type = {.name = name, .size = size, .align = align};
    uint64_t off = 0;

    snprintf(name, sizeof(name), "t%zu.%zu", size, align);
    cr_assert(eq(int, type_ref(w.h, &w.types, &type, &off), TN_OK));
    return off;
}

static uint64_t create(tn_kind kind, const char *name, size_t length,
                       uint64_t type, size_t count, tn_status *why)
{
    struct record_spec spec = {kind, w.ix.kind, name, length, type, count};

    return record_create(w.h, &spec, why);
}

/* Make a complete object. */
static uint64_t object(tn_kind kind, const char *name, uint64_t type,
                       size_t count)
{
    tn_status why;
    uint64_t off =
        create(kind, name, name == NULL ? 0 : strlen(name), type, count, &why);

    cr_assert(ne(u64, off, 0));
    heap_set_state(w.h, record_block(w.h, w.ix.kind, off), BLOCK_OBJECT);
    return off;
}

Test(record, tells_what_it_was_made_with)
{
    uint64_t type = type_of(24, 8);
    uint64_t off = object(TN_KIND_NAMED, "alice", type, 3);
    size_t length = 0;

    cr_expect(
        eq(str, (char *)record_name(w.h, w.ix.kind, off, &length), "alice"));
    cr_expect(eq(sz, length, 5));
    cr_expect(eq(int, record_kind(w.h, off), TN_KIND_NAMED));
    cr_expect(eq(sz, record_count(w.h, off), 3));
    cr_expect(eq(u32, record_type(w.h, off)->size, 24));
    cr_expect(record_verify(w.h, w.ix.kind, off));
}

Test(record, of_a_unique_object_has_the_name_of_its_type)
{
    uint64_t off = object(TN_KIND_UNIQUE, NULL, type_of(8, 8), 1);
    size_t length = 0;

    cr_expect(
        eq(str, (char *)record_name(w.h, w.ix.kind, off, &length), "t8.8"));
    cr_expect(eq(sz, length, 4));
}

Test(record, of_an_anonymous_object_has_no_name)
{
    uint64_t off = object(TN_KIND_ANONYMOUS, NULL, type_of(8, 8), 1);
    size_t length = 1;

    cr_expect(eq(ptr, (void *)record_name(w.h, w.ix.kind, off, &length), NULL));
    cr_expect(eq(sz, length, 0));
}

Test(record, of_an_anonymous_long_takes_32_bytes)
{
    uint64_t type = type_of(8, 8);
    size_t before = heap_free_bytes(w.h);

    object(TN_KIND_ANONYMOUS, NULL, type, 1);
    cr_expect(eq(sz, before - heap_free_bytes(w.h), 32));
}

Test(record, is_found_from_its_block_whatever_the_kind)
{
    char name[TN_NAME_MAX + 1];
    uint64_t type = type_of(8, 8);

    for (int index = TN_INDEX_ISET; index <= TN_INDEX_NULL; index++) {
        w.ix.kind = (uint32_t)index;
        for (size_t n = 0; n <= 70; n++) {
            tn_kind kind = n > 1
                               ? TN_KIND_NAMED
                               : (n == 1 ? TN_KIND_UNIQUE : TN_KIND_ANONYMOUS);
            size_t length = n == 70 ? TN_NAME_MAX : n;
            uint64_t off;

            memset(name, ' ', length); /* 0x20: the bits of a kind */
            name[length] = '\0';
            off = object(kind, n > 1 ? name : NULL, type, n % 5);
            cr_expect(eq(u64,
                         record_in_block(w.h, w.ix.kind,
                                         record_block(w.h, w.ix.kind, off)),
                         off),
                      "index %d, length %zu", index, length);
            record_destroy(w.h, w.ix.kind, off);
        }
    }
}

Test(record, aligns_elements_as_the_type_asks)
{
    for (size_t align = 1; align <= 2 << 20 >> 4; align *= 2) {
        uint64_t type = type_of(align, align);
        tn_status why;
        uint64_t off = create(TN_KIND_NAMED, "n", 1, type, 1, &why);
        uintptr_t p = (uintptr_t)record_elements(w.h, off);

        cr_assert(ne(u64, off, 0));
        cr_expect(eq(sz, p % (align < 16 ? 16 : align), 0), "%zu", align);
        record_destroy(w.h, w.ix.kind, off);
    }
}

Test(record, refuses_sizes_that_overflow)
{
    uint64_t type = type_of(UINT32_MAX, 1);
    const size_t counts[] = {SIZE_MAX, SIZE_MAX / UINT32_MAX + 1,
                             SIZE_MAX / UINT32_MAX, (size_t)1 << 48, 1 << 20};
    size_t before = heap_free_bytes(w.h);

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        tn_status why = TN_OK;

        cr_expect(
            eq(u64, create(TN_KIND_NAMED, "n", 1, type, counts[i], &why), 0));
        cr_expect(eq(int, why, TN_EINVAL), "%zu", counts[i]);
    }
    cr_expect(eq(sz, heap_free_bytes(w.h), before));
}

Test(record, refuses_impossible_names)
{
    char name[TN_NAME_MAX + 2];
    uint64_t type = type_of(8, 8);
    tn_status why = TN_OK;

    memset(name, 'n', sizeof(name));
    cr_expect(eq(u64, create(TN_KIND_NAMED, name, 0, type, 1, &why), 0));
    cr_expect(eq(int, why, TN_EINVAL));
    cr_expect(eq(
        u64, create(TN_KIND_NAMED, name, TN_NAME_MAX + 1, type, 1, &why), 0));
    cr_expect(eq(int, why, TN_EINVAL));
    cr_expect(eq(u64, create(TN_KIND_NAMED, "a\0b", 3, type, 1, &why), 0));
    cr_expect(eq(int, why, TN_EINVAL));
    cr_expect(
        ne(u64, create(TN_KIND_NAMED, name, TN_NAME_MAX, type, 1, &why), 0));
}

Test(record, says_no_memory_and_takes_none)
{
    uint64_t type = type_of(1, 1);
    size_t before = heap_free_bytes(w.h);
    tn_status why = TN_OK;

    cr_expect(eq(u64, create(TN_KIND_NAMED, "n", 1, type, w.size, &why), 0));
    cr_expect(eq(int, why, TN_ENOMEM));
    cr_expect(eq(sz, heap_free_bytes(w.h), before));
}

Test(record, may_have_no_elements)
{
    uint64_t off = object(TN_KIND_NAMED, "none", type_of(8, 8), 0);

    cr_expect(record_verify(w.h, w.ix.kind, off));
    cr_expect(eq(sz, record_count(w.h, off), 0));
}

Test(record, is_not_verified_before_it_is_complete_nor_after_it_is_gone)
{
    tn_status why;
    uint64_t off = create(TN_KIND_NAMED, "n", 1, type_of(8, 8), 1, &why);

    cr_expect(not(record_verify(w.h, w.ix.kind, off)));
    heap_set_state(w.h, record_block(w.h, w.ix.kind, off), BLOCK_OBJECT);
    cr_expect(record_verify(w.h, w.ix.kind, off));
    record_destroy(w.h, w.ix.kind, off);
    cr_expect(not(record_verify(w.h, w.ix.kind, off)));
}

Test(record, is_verified_at_no_offset_but_its_own)
{
    uint64_t off = object(TN_KIND_NAMED, "alice", type_of(8, 8), 100);

    memset(record_elements(w.h, off), 0x20, 800);
    for (uint64_t i = 0; i < w.size + 100; i++)
        cr_assert(eq(int, record_verify(w.h, w.ix.kind, i), i == off));
    cr_expect(not(record_verify(w.h, w.ix.kind, UINT64_MAX)));
    cr_expect(not(record_verify(w.h, w.ix.kind, UINT64_MAX - 15)));
}

/* Copied to another block of the same shape, it is not sound. */
Test(record, does_not_count_when_copied_elsewhere)
{
    uint64_t type = type_of(8, 8);
    uint64_t a = object(TN_KIND_NAMED, "same", type, 1);
    uint64_t b = object(TN_KIND_NAMED, "same", type, 1);

    memcpy(record_elements(w.h, b - 16), record_elements(w.h, a - 16), 16);
    cr_expect(not(record_verify(w.h, w.ix.kind, b)));
}

Test(record, shows_every_flipped_bit)
{
    uint64_t off = object(TN_KIND_NAMED, "alice", type_of(8, 8), 1);
    unsigned char *p = record_block(w.h, w.ix.kind, off);

    /* All but the name itself, which may well turn into another. */
    for (int bit = 5 * 8; bit < 32 * 8; bit++) {
        p[bit / 8] ^= (unsigned char)(1 << bit % 8);
        cr_expect(not(record_verify(w.h, w.ix.kind, off)), "bit %d", bit);
        p[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    cr_expect(record_verify(w.h, w.ix.kind, off));
}

Test(record, is_not_sound_without_its_type)
{
    uint64_t off = object(TN_KIND_NAMED, "alice", type_of(8, 8), 1);

    type_unref(w.h, &w.types, heap_off(w.h, record_type(w.h, off)));
    cr_expect(not(record_verify(w.h, w.ix.kind, off)));
}
