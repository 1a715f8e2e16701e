/* ptr.h - pointers that survive remapping, for structs inside a segment
 *
 *     struct node { TN_PTR(struct node) next; int key; };
 *     for (struct node *n = tn_get(&list->head); n; n = tn_get(&n->next))
 *     tn_set(&n->next, other);
 *
 * Such a pointer holds the distance from itself to what it points to, so it is
 * good wherever the segment is mapped, as long as both ends keep their
 * distance.  Never copy one with = or memcpy alone: use tn_set(a, tn_get(b)).
 * (A copy of a whole segment keeps all distances, and so all pointers.)
 *
 * Distance 1 is the null pointer; distance 0 is a pointer to itself, which
 * rings of one element use.  Memory of zeros is therefore not null: set every
 * pointer of a new object.  The byte right behind a pointer's own first byte
 * cannot be pointed to.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_PTR_H
#define TENON_PTR_H

#include <stdint.h>

#define TN_PTR_NULL INT64_C(1)

/* A self-relative pointer to T, 8 bytes. */
#define TN_PTR(T)                                                              \
    union {                                                                    \
        int64_t distance;                                                      \
        T *type; /* never used: gives tn_get() its type */                     \
    }

static inline void *tn_ptr_get(const int64_t *distance)
{
    uintptr_t self = (uintptr_t)distance;

    return *distance == TN_PTR_NULL ? (void *)0
                                    : (void *)(self + (uintptr_t)*distance);
}

static inline void tn_ptr_set(int64_t *distance, const volatile void *target)
{
    if (target == (void *)0)
        *distance = TN_PTR_NULL;
    else
        *distance = (int64_t)((uintptr_t)target - (uintptr_t)distance);
}

/* The plain pointer behind p, a TN_PTR(T) *: a T *. */
#define tn_get(p) ((__typeof__((p)->type))tn_ptr_get(&(p)->distance))

/* Make p, a TN_PTR(T) *, point to target, a T * or NULL. */
#ifdef __cplusplus
#define tn_set(p, target)                                                      \
    tn_ptr_set(&(p)->distance, static_cast<__typeof__((p)->type)>(target))
#else
#define tn_set(p, target) tn_ptr_set(&(p)->distance, 1 ? (target) : (p)->type)
#endif

#define tn_is_null(p) ((p)->distance == TN_PTR_NULL)

#endif
