/* contents.c - what is in a segment, whatever its layout
 *
 *     digest of the whole    named objects by name, unique ones by type, and
 *                            the sum of the digests of the anonymous ones,
 *                            which have no order that would mean anything
 *     comparison             named and unique: both walks side by side
 *                            anonymous: both lists of digests, sorted
 *
 * An object goes into a digest as
 *
 *     kind, bytes of the name, of the type's name, of an element, elements: 8
 *     bytes each; name, type's name, elements
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "base/digest.h"
#include "base/error.h"
#include "image/image.h"
#include "segment/segment.h"

#include <stdlib.h>
#include <string.h>

static size_t bytes_of(const tn_object *object)
{
    return object->size * object->count;
}

static bool has_name(const tn_object *object)
{
    return object->kind == TN_KIND_NAMED;
}

static void add(struct digest_stream *stream, const tn_object *object)
{
    uint64_t type_length = strlen(object->type);
    uint64_t words[] = {object->kind,
                        has_name(object) ? object->name_length : 0, type_length,
                        object->size, object->count};

    digest_stream_add(stream, words, sizeof(words));
    if (has_name(object))
        digest_stream_add(stream, object->name, object->name_length);
    digest_stream_add(stream, object->type, type_length);
    digest_stream_add(stream, object->address, bytes_of(object));
}

static struct digest128 digest_of(struct digest_stream *stream,
                                  const tn_object *object)
{
    digest_stream_reset(stream);
    add(stream, object);
    return digest_stream_value(stream);
}

/* --- Digest --------------------------------------------------------------- */

static tn_status add_kind(struct digest_stream *stream, const tn_segment *seg,
                          tn_kind kind)
{
    tn_iter *iter;
    tn_object object;
    tn_status status = tn_iter_open(seg, kind, NULL, &iter);

    if (status != TN_OK)
        return status;
    while (tn_iter_next(iter, &object))
        add(stream, &object);
    tn_iter_close(iter);
    return TN_OK;
}

static tn_status sum_anonymous(struct digest_stream *stream,
                               const tn_segment *seg, uint64_t sum[3])
{
    tn_iter *iter;
    tn_object object;
    tn_status status = tn_iter_open(seg, TN_KIND_ANONYMOUS, NULL, &iter);
    struct digest128 digest;

    if (status != TN_OK)
        return status;
    while (tn_iter_next(iter, &object)) {
        digest = digest_of(stream, &object);
        sum[0]++;
        sum[2] +=
            digest.high + __builtin_add_overflow(sum[1], digest.low, &sum[1]);
    }
    tn_iter_close(iter);
    return TN_OK;
}

TN_API tn_status tn_contents_digest(const tn_segment *seg,
                                    unsigned char digest[16])
{
    struct digest_stream *stream = digest_stream_open();
    uint64_t sum[3] = {0};
    tn_status status = TN_OK;

    if (stream == NULL)
        return error_set(TN_ENOMEM, "no memory for a digest");
    status = sum_anonymous(stream, seg, sum);
    digest_stream_reset(stream);
    if (status == TN_OK)
        status = add_kind(stream, seg, TN_KIND_NAMED);
    if (status == TN_OK)
        status = add_kind(stream, seg, TN_KIND_UNIQUE);
    if (status == TN_OK) {
        digest_stream_add(stream, sum, sizeof(sum));
        image_put_digest(digest, digest_stream_value(stream));
    }
    digest_stream_close(stream);
    return status;
}

/* --- Comparison: objects with names --------------------------------------- */

struct comparison {
    const tn_segment *segs[2]; /* before, after */
    tn_difference_fn *report;
    void *arg;
};

static tn_status report(const struct comparison *c, const tn_object *before,
                        const tn_object *after)
{
    tn_difference difference = {before, after};

    return c->report(c->arg, &difference)
               ? error_set(TN_ECANCELED, "stopped as was asked for")
               : TN_OK;
}

static int order(const tn_object *a, const tn_object *b)
{
    size_t shorter =
        a->name_length < b->name_length ? a->name_length : b->name_length;
    int sign = memcmp(a->name, b->name, shorter);

    if (sign != 0)
        return sign;
    return (a->name_length > b->name_length) -
           (a->name_length < b->name_length);
}

static bool is_same(const tn_object *a, const tn_object *b)
{
    return a->size == b->size && a->count == b->count &&
           strcmp(a->type, b->type) == 0 &&
           memcmp(a->address, b->address, bytes_of(a)) == 0;
}

static tn_status merge(const struct comparison *c, tn_iter *before,
                       tn_iter *after)
{
    tn_object a, b;
    bool more_a = tn_iter_next(before, &a), more_b = tn_iter_next(after, &b);
    tn_status status = TN_OK;

    while (status == TN_OK && (more_a || more_b)) {
        int sign = !more_a ? 1 : !more_b ? -1 : order(&a, &b);

        if (sign != 0 || !is_same(&a, &b))
            status = report(c, sign <= 0 ? &a : NULL, sign >= 0 ? &b : NULL);
        if (sign <= 0)
            more_a = tn_iter_next(before, &a);
        if (sign >= 0)
            more_b = tn_iter_next(after, &b);
    }
    return status;
}

static tn_status compare_kind(const struct comparison *c, tn_kind kind)
{
    tn_iter *before, *after;
    tn_status status = tn_iter_open(c->segs[0], kind, NULL, &before);

    if (status != TN_OK)
        return status;
    status = tn_iter_open(c->segs[1], kind, NULL, &after);
    if (status == TN_OK) {
        status = merge(c, before, after);
        tn_iter_close(after);
    }
    tn_iter_close(before);
    return status;
}

/* --- Comparison: objects without ------------------------------------------ */

struct nameless {
    struct digest128 digest;
    tn_handle handle;
};

struct list {
    struct nameless *items;
    size_t count, room;
};

static int by_digest(const void *left, const void *right)
{
    const struct nameless *a = left, *b = right;

    if (a->digest.high != b->digest.high)
        return a->digest.high < b->digest.high ? -1 : 1;
    return (a->digest.low > b->digest.low) - (a->digest.low < b->digest.low);
}

static bool append(struct list *list, const struct nameless *item)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 64 : list->room * 2;
        void *more = realloc(list->items, room * sizeof(*item));

        if (more == NULL)
            return false;
        list->items = more;
        list->room = room;
    }
    list->items[list->count++] = *item;
    return true;
}

static tn_status make_list(struct list *list, struct digest_stream *stream,
                           const tn_segment *seg)
{
    tn_iter *iter;
    tn_object object;
    tn_status status = tn_iter_open(seg, TN_KIND_ANONYMOUS, NULL, &iter);

    if (status != TN_OK)
        return status;
    while (status == TN_OK && tn_iter_next(iter, &object)) {
        struct nameless item = {digest_of(stream, &object), object.handle};

        if (!append(list, &item))
            status = error_set(TN_ENOMEM, "no memory for a list of objects");
    }
    tn_iter_close(iter);
    if (list->count != 0)
        qsort(list->items, list->count, sizeof(*list->items), by_digest);
    return status;
}

static tn_status report_nameless(const struct comparison *c, bool added,
                                 const struct nameless *item)
{
    const tn_segment *seg = c->segs[added];
    tn_object object;
    tn_status status = tn_describe(seg, tn_at(seg, item->handle), &object);

    return status == TN_OK
               ? report(c, added ? NULL : &object, added ? &object : NULL)
               : status;
}

static tn_status merge_nameless(const struct comparison *c,
                                const struct list *before,
                                const struct list *after)
{
    size_t a = 0, b = 0;
    tn_status status = TN_OK;

    while (status == TN_OK && (a < before->count || b < after->count)) {
        int sign = a == before->count ? 1
                   : b == after->count
                       ? -1
                       : by_digest(&before->items[a], &after->items[b]);

        if (sign != 0)
            status = report_nameless(
                c, sign > 0, sign > 0 ? &after->items[b] : &before->items[a]);
        a += sign <= 0;
        b += sign >= 0;
    }
    return status;
}

static tn_status compare_nameless(const struct comparison *c)
{
    struct digest_stream *stream = digest_stream_open();
    struct list lists[2] = {0};
    tn_status status = TN_OK;

    if (stream == NULL)
        return error_set(TN_ENOMEM, "no memory for a digest");
    for (int i = 0; i < 2 && status == TN_OK; i++)
        status = make_list(&lists[i], stream, c->segs[i]);
    if (status == TN_OK)
        status = merge_nameless(c, &lists[0], &lists[1]);
    free(lists[0].items);
    free(lists[1].items);
    digest_stream_close(stream);
    return status;
}

TN_API tn_status tn_contents_compare(const tn_segment *before,
                                     const tn_segment *after,
                                     tn_difference_fn *fn, void *arg)
{
    struct comparison c = {{before, after}, fn, arg};
    tn_status status;

    if (fn == NULL)
        return error_set(TN_EINVAL, "there is no function to report to");
    status = compare_kind(&c, TN_KIND_NAMED);
    if (status == TN_OK)
        status = compare_kind(&c, TN_KIND_UNIQUE);
    return status == TN_OK ? compare_nameless(&c) : status;
}
