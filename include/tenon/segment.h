/* segment.h - allocate memory; construct, find and destroy objects by name
 *
 * A segment is one stretch of memory with a heap and the names of objects in
 * it.  It may lie in a file (see <tenon/store.h>), in a buffer of the caller's
 * or in memory that the library takes for it, and may be mapped at another
 * address each time: what is kept inside refers to other places inside by
 * TN_PTR (<tenon/ptr.h>) or by handle, never by plain pointer.
 *
 *     struct account { long balance; };
 *     struct account *a;
 *     tn_construct(seg, "alice", TN_TYPE(struct account), 1, NULL,
 *                  (void **)&a);
 *     a->balance = 100;
 *
 * Threads: a segment of a TN_SHARED store may be used by any number of threads
 * and processes at once.  Any other segment is its caller's to guard: one
 * thread at a time changes it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TENON_SEGMENT_H
#define TENON_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tenon/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_segment tn_segment;
typedef struct tn_store tn_store;

/* The distance of a place from the start of its segment, in bytes; the same in
 * every view.  0 stands for NULL. */
typedef uint64_t tn_handle;

typedef enum tn_index {
    TN_INDEX_DEFAULT = 0,  /* TN_INDEX_MAP */
    TN_INDEX_ISET = 1,     /* least memory: links inside the objects' blocks */
    TN_INDEX_FLAT_MAP = 2, /* sorted arrays: dense, for reading mostly */
    TN_INDEX_MAP = 3,      /* B+tree: fast and ordered */
    TN_INDEX_HASH = 4,     /* fastest to find in; sorts when listed */
    TN_INDEX_NULL = 5,     /* no names: named calls answer TN_ENOTSUP */
} tn_index;

typedef enum tn_fit {
    TN_FIT_BEST = 0, /* the smallest free block that is large enough */
    TN_FIT_SEQ = 1,  /* the first one by address: for small, simple heaps */
} tn_fit;

typedef enum tn_tracker {
    TN_TRACKER_AUTO = 0,
    TN_TRACKER_SCAN = 1,
    TN_TRACKER_PAGEMAP = 2,
    TN_TRACKER_COMPARE = 3,
    TN_TRACKER_TRACK = 4,
} tn_tracker;

typedef enum tn_page_sums {
    TN_SUMS_DEFAULT = 0, /* on */
    TN_SUMS_OFF = 1,     /* none are kept; those that are there are dropped */
} tn_page_sums;

/* Help to find mistakes of the program; they cost time. */
enum {
    TN_DEBUG_GUARD = 1, /* the write view can be written from tn_begin() until
                           tn_commit() begins, and not before or after: who
                           does gets a SIGSEGV where he does it */
    TN_DEBUG_HINTS = 2, /* tn_commit() of a TN_HINTED transaction compares all
                           pages, and is TN_EINVAL if one was not named */
};

/* In grow_step: the segment never grows by itself. */
#define TN_NO_GROWTH SIZE_MAX

/* How to make and open segments and stores.  A zero member means its default.
 * What was decided at creation is kept in the segment and not asked again. */
typedef struct tn_options {
    size_t size;         /* bytes at creation; default 1 MiB */
    size_t max_size;     /* bytes it may grow to; default 1 TiB, or what can
                            be reserved of addresses */
    size_t grow_step;    /* bytes at least by which it grows when an allocation
                            finds no room; default an eighth of its size */
    tn_index index;      /* kind of both name indexes */
    tn_fit fit;          /* allocation algorithm */
    mode_t mode;         /* permissions of a new file, whatever the umask;
                            default 0644 */
    void *address;       /* map the file here or fail; a multiple of the page
                            size */
    size_t journal_size; /* durable stores: bytes of the empty journal;
                            default 4 MiB.  Large commits lengthen it
                            until the last handle is closed */
    tn_tracker tracker;  /* durable stores: how changed pages are found; AUTO:
                            as TENON_TRACKER in the environment says ("scan"
                            ...), else the best way that works here */
    tn_page_sums page_sums; /* durable stores: a checksum of each page */
    unsigned debug;         /* durable stores: TN_DEBUG_ flags, ORed */
    int lock_timeout_ms;    /* how long opening waits for another opener, in
                            milliseconds; default 10000, -1: for ever */
} tn_options;

/* --- Types --------------------------------------------------------------- */

/* What the objects of a type are.  name is kept in the segment and compared
 * when an object is looked up, so it is the same in every program that uses
 * the segment; it is 1 to 255 bytes.  The callbacks belong to the process
 * and are never stored; either may be NULL. */
typedef struct tn_type {
    const char *name;
    size_t size;  /* bytes of one element, 1 to 2^32 - 1 */
    size_t align; /* a power of two, at most 2 MiB */

    /* Make element number index at element, whose bytes are zero; arg is what
     * the constructing call was given.  Another status than TN_OK undoes the
     * construction and becomes its result.  Without init, elements are copies
     * of *arg, or zero if arg is NULL. */
    tn_status (*init)(tn_segment *seg, void *element, size_t index, void *arg);

    /* Undo init, last element first. */
    void (*fini)(tn_segment *seg, void *element);
} tn_type;

/* The type of a C type, by its spelling: TN_TYPE(struct account). */
#ifdef __cplusplus
#define TN_TYPE(T)                                                             \
    ([]() -> const tn_type * {                                                 \
        static const tn_type type = {#T, sizeof(T), alignof(T), nullptr,       \
                                     nullptr};                                 \
        return &type;                                                          \
    }())
#else
#define TN_TYPE(T)                                                             \
    (&(const tn_type){.name = #T, .size = sizeof(T), .align = _Alignof(T)})
#endif

/* Bytes without a structure: what the tool's put and load store. */
#define TN_BYTES (tn_bytes_type())
TN_API const tn_type *tn_bytes_type(void);

/* In place of a name. */
#define TN_ANONYMOUS ((const char *)0) /* found only by pointer */
#define TN_UNIQUE    (tn_unique_name)  /* the one object of its type */
TN_API extern const char tn_unique_name[];

/* Names are 1 to TN_NAME_MAX bytes, any but NUL. */
#define TN_NAME_MAX 4096

/* --- Segments without a file --------------------------------------------- */

/* Make a segment in size bytes of the caller's at buffer, which is 16-aligned
 * and stays the caller's.  options may be NULL; only index and fit count.
 *
 *   TN_EINVAL  buffer is NULL or not aligned, or an option makes no sense
 *   TN_ESIZE   size is less than tn_segment_min_size()
 *
 * End with tn_segment_detach(), which leaves the bytes as they are. */
TN_API tn_status tn_segment_create(tn_segment **out, void *buffer, size_t size,
                                   const tn_options *options);

/* Use the segment that was made in these bytes, or in bytes that are a copy of
 * them, however they came here.  size may be larger than the segment.
 *
 *   TN_ENOTSTORE, TN_EVERSION, TN_ECORRUPT, TN_ESIZE  as for tn_store_open() */
TN_API tn_status tn_segment_attach(tn_segment **out, void *buffer, size_t size);

/* Make a segment of size bytes in memory from malloc().  tn_segment_grow() may
 * move it. */
TN_API tn_status tn_segment_create_heap(tn_segment **out, size_t size,
                                        const tn_options *options);

/* End the use of a segment that is not a store's.  Memory that
 * tn_segment_create_heap() took is freed. */
TN_API tn_status tn_segment_detach(tn_segment *seg);

/* The least size of a segment that can hold anything, in bytes. */
TN_API size_t tn_segment_min_size(const tn_options *options);

/* Make the segment extra bytes larger.  A store's file is extended, for all
 * who have it open, and nothing moves; in a caller's buffer the bytes behind
 * the segment must be the caller's to give; a segment of
 * tn_segment_create_heap() may move: pointers into it become invalid, handles
 * stay, and alignments of more than 16 bytes are lost.
 *
 *   TN_ESIZE   more than its maximum size      TN_ENOSPC  the disk is full
 *   TN_ENOMEM  no memory                       TN_EROFS   only for reading */
TN_API tn_status tn_segment_grow(tn_segment *seg, size_t extra);

/* Give up the free memory at the end of a segment that is not a store's;
 * tn_store_shrink() does it for a file.  What is left is full. */
TN_API tn_status tn_segment_shrink(tn_segment *seg);

/* --- Memory -------------------------------------------------------------- */

/* Bytes of bookkeeping an allocation costs beside its own, which are rounded
 * so that the sum is a multiple of 16, at least 32. */
#define TN_ALLOC_OVERHEAD 8

/* Allocate size bytes, 16-aligned; size may be 0.  NULL: no room, and the
 * segment cannot grow; the contents are not cleared. */
TN_API void *tn_alloc(tn_segment *seg, size_t size);

/* The same at a multiple of alignment, a power of two up to 2 MiB. */
TN_API void *tn_alloc_aligned(tn_segment *seg, size_t size, size_t alignment);

/* Resize the allocation at p to size bytes, in place if that can be, else by
 * moving it.  p may be NULL.  NULL: no room; p is as it was. */
TN_API void *tn_realloc(tn_segment *seg, void *p, size_t size);

/* Give back what tn_alloc() and its kin gave; p may be NULL.
 *
 *   TN_EINVAL   p is no allocation of this segment, is freed already, or
 *               is an object (tn_destroy_ptr() is for those)
 *   TN_ECORRUPT the bookkeeping before p has been overwritten */
TN_API tn_status tn_free(tn_segment *seg, void *p);

/* Bytes that may be used at p, at least what was asked for; 0: p is no
 * allocation of this segment. */
TN_API size_t tn_usable_size(const tn_segment *seg, const void *p);

/* A list of allocations, linked through their own first bytes: take one off
 * before writing to it. */
typedef struct tn_chain {
    void *first, *last;
    size_t count;
} tn_chain;
#define TN_CHAIN_INIT                                                          \
    {                                                                          \
        NULL, NULL, 0                                                          \
    }

static inline bool tn_chain_empty(const tn_chain *chain)
{
    return chain->count == 0;
}

/* Take the first allocation off; NULL: the chain is empty. */
TN_API void *tn_chain_pop(tn_chain *chain);

/* Append count allocations of size bytes each, or of lengths[i] * element bytes
 * for i below count, to chain: all or none.  Each is freed by itself, or what
 * is left in a chain by tn_free_many().
 *
 *   TN_ENOMEM  no room      TN_EINVAL  the sum of the sizes overflows */
TN_API tn_status tn_alloc_many(tn_segment *seg, size_t size, size_t count,
                               tn_chain *chain);
TN_API tn_status tn_alloc_many_v(tn_segment *seg, const size_t *lengths,
                                 size_t count, size_t element, tn_chain *chain);
TN_API tn_status tn_free_many(tn_segment *seg, tn_chain *chain);

/* What tn_realloc_cmd() may do; ORed together. */
enum {
    TN_NEW = 1,         /* allocate elsewhere */
    TN_EXPAND_FWD = 2,  /* move the end of the block at *reuse */
    TN_EXPAND_BWD = 4,  /* move its start; the contents are not moved */
    TN_SHRINK = 8,      /* move its end back; alone, or with TN_ZERO */
    TN_TRY_SHRINK = 16, /* the same, but leaving it as it is succeeds too */
    TN_ZERO = 32,       /* clear the bytes that are new */
};

/* Get a block for *preferred elements of element bytes, or at least limit
 * (when shrinking: at most limit), by the ways that command allows: expanding
 * forward first, then backward or both, a new block last; each way is tried
 * for *preferred before any is tried for limit.  Returns the block's address
 * and sets *preferred to the elements that fit in it.  A block that was
 * expanded backward begins a multiple of element bytes before the old one.
 * *reuse is the block to expand or shrink (NULL, or reuse NULL: none), and
 * becomes NULL if the result is a new block: the old one is then still there.
 *
 * NULL: not possible, nothing was changed, and *preferred is the limit that
 * might succeed; or the command or limits make no sense (see tn_errmsg()). */
TN_API void *tn_realloc_cmd(tn_segment *seg, unsigned command, size_t limit,
                            size_t *preferred, void **reuse, size_t element);

/* Write zero over all memory that is not in use, so that no deleted secret is
 * left and files compress.  What is allocated then is zero, until
 * something else is freed. */
TN_API tn_status tn_zero_free(tn_segment *seg);

/* --- Places -------------------------------------------------------------- */

/* The handle of a pointer into the segment, and back.  0 for NULL or a pointer
 * elsewhere; NULL for 0 or a handle beyond the segment. */
TN_API tn_handle tn_handle_of(const tn_segment *seg, const void *p);
TN_API void *tn_at(const tn_segment *seg, tn_handle handle);

/* The segment's first byte and its size in bytes: together the whole of it, so
 * that a copy of these bytes can be attached elsewhere. */
TN_API void *tn_segment_base(const tn_segment *seg);
TN_API size_t tn_segment_size(const tn_segment *seg);

/* --- Objects ------------------------------------------------------------- */

/* Construct count objects of a type in a row, under a name, or TN_UNIQUE or
 * TN_ANONYMOUS, and put the address of the first into *out (out may be NULL).
 * Others see the name only when all are complete; if one of them fails, those
 * before it are undone and nothing is left.  count may be 0.
 *
 *   TN_EEXIST  the name is taken (or the type has its unique object)
 *   TN_ENOMEM  no room            TN_EINVAL  name, type or count is impossible
 *   TN_EROFS   only for reading   TN_ENOTSUP the segment keeps no names
 *   TN_ETYPE   another type of this name has another size or alignment
 *   other      what type->init returned */
TN_API tn_status tn_construct(tn_segment *seg, const char *name,
                              const tn_type *type, size_t count, void *arg,
                              void **out);

/* The same, from an array: element i is a copy of the type->size bytes at
 * source + i * stride.  type->init is not called. */
TN_API tn_status tn_construct_from(tn_segment *seg, const char *name,
                                   const tn_type *type, size_t count,
                                   const void *source, size_t stride,
                                   void **out);

/* The same, all elements at once: fill gets the address of the first, not
 * cleared, and makes all count of them; for large objects. */
typedef tn_status tn_fill_fn(tn_segment *seg, void *elements, size_t count,
                             void *arg);
TN_API tn_status tn_construct_with(tn_segment *seg, const char *name,
                                   const tn_type *type, size_t count,
                                   tn_fill_fn *fill, void *arg, void **out);

/* Find the object or construct it, whichever, without a gap for others in
 * between; *created (may be NULL) tells which.  TN_ETYPE: the name belongs to
 * an object of another type. */
TN_API tn_status tn_find_or_construct(tn_segment *seg, const char *name,
                                      const tn_type *type, size_t count,
                                      void *arg, void **out, bool *created);

/* Find the object of a name, or the unique object of type with TN_UNIQUE.
 * type NULL: of any type.  out and count may be NULL.
 *
 *   TN_ENOENT  there is none      TN_ETYPE  it is of another type */
TN_API tn_status tn_find(const tn_segment *seg, const char *name,
                         const tn_type *type, void **out, size_t *count);

/* Destroy an object by name or by address: its name goes first, then type->fini
 * runs for each element, last first, then its memory is given back.  type NULL:
 * of any type, without fini.
 *
 *   TN_ENOENT  there is none      TN_ETYPE  it is of another type
 *   TN_EINVAL  object is not the address of an object's first element */
TN_API tn_status tn_destroy(tn_segment *seg, const char *name,
                            const tn_type *type);
TN_API tn_status tn_destroy_ptr(tn_segment *seg, void *object,
                                const tn_type *type);

typedef enum tn_kind {
    TN_KIND_NAMED = 0,
    TN_KIND_UNIQUE = 1,
    TN_KIND_ANONYMOUS = 2,
} tn_kind;

/* What is known of an object. */
typedef struct tn_object {
    const char *name;   /* of a unique object its type's; NULL: anonymous */
    size_t name_length; /* bytes */
    void *address;      /* of the first element */
    size_t count;       /* elements */
    size_t size;        /* bytes of one element */
    size_t align;
    const char *type; /* name of the type */
    tn_kind kind;
    tn_handle handle;
} tn_object;

/* Describe the object whose first element is at object.  The strings lie in
 * the segment and live as long as the object.  TN_EINVAL: no object there. */
TN_API tn_status tn_describe(const tn_segment *seg, const void *object,
                             tn_object *out);

/* Parts of the same: NULL, 0 or TN_KIND_ANONYMOUS where there is no object. */
TN_API const char *tn_name_of(const tn_segment *seg, const void *object);
TN_API size_t tn_count_of(const tn_segment *seg, const void *object);
TN_API tn_kind tn_kind_of(const tn_segment *seg, const void *object);
TN_API const char *tn_type_of(const tn_segment *seg, const void *object);

/* --- Iteration ----------------------------------------------------------- */

/* A walk over the objects of one kind: named and unique ones in the order of
 * their names' bytes, anonymous ones in the order of their addresses. */
typedef struct tn_iter tn_iter;

/* Start a walk over the objects of this kind whose names begin with prefix
 * (NULL: all).  The walk goes on whatever is created or destroyed meanwhile: an
 * object that is there all the time is met exactly once.  End it with
 * tn_iter_close().  TN_ENOMEM: no memory. */
TN_API tn_status tn_iter_open(const tn_segment *seg, tn_kind kind,
                              const char *prefix, tn_iter **out);

/* Put the next object into *out; false at the end. */
TN_API bool tn_iter_next(tn_iter *iter, tn_object *out);
TN_API void tn_iter_close(tn_iter *iter);

/* --- Blocks --------------------------------------------------------------- */

/* What a piece of a segment is used for. */
typedef enum tn_use {
    TN_USE_FREE = 0,
    TN_USE_WAITING = 1,  /* free too, not merged with its neighbours yet */
    TN_USE_RAW = 2,      /* what tn_alloc() and its kin gave */
    TN_USE_OBJECT = 3,   /* a complete object */
    TN_USE_BUILDING = 4, /* one that is being made or destroyed */
    TN_USE_INDEX = 5,    /* memory of the name indexes */
    TN_USE_TYPE = 6,     /* the description of a type */
    TN_USE_OWN = 7,      /* headers, the heap's tables, the end */
    TN_USE_SUMS = 8,     /* page sums of a store */
} tn_use;

typedef struct tn_block {
    uint64_t offset;  /* where it begins, bytes from the segment's start */
    size_t bytes;     /* all of it, its header included */
    tn_handle handle; /* of its first byte that can be used; 0: of none */
    tn_use use;
    tn_object object; /* TN_USE_OBJECT; address NULL: there is none to be
                         made out, for the block is damaged */
} tn_block;

/* Called with each block, which is valid during the call only.  Another result
 * than TN_OK ends the walk. */
typedef tn_status tn_visit_fn(void *arg, const tn_block *block);

/* Call visit for every piece of the segment in order of address: each begins
 * where the one before ends, and together they are all of it.  The locks are
 * held meanwhile, so visit must not allocate, construct, find or destroy in a
 * shared store.  A read-only view of a store in shared use cannot be held
 * still: there an object may have changed since the walk was begun.
 *
 *   TN_ECORRUPT  the chain of blocks is damaged; those before were visited
 *   TN_EBUSY     a read-only view, and others change the heap all the time
 *   TN_ENOMEM    no memory
 *   other        what visit returned */
TN_API tn_status tn_walk(const tn_segment *seg, tn_visit_fn *visit, void *arg);

/* --- Atomic sections ----------------------------------------------------- */

/* Run f while nobody else creates, finds or destroys named and unique objects,
 * so that what it does appears at once.  Raw allocation and anonymous objects
 * are not held up.  f may itself construct, and call this again.  Returns what
 * f returned. */
TN_API tn_status tn_atomic(tn_segment *seg,
                           tn_status (*f)(tn_segment *seg, void *arg),
                           void *arg);

/* The same, but TN_EBUSY at once if somebody else is inside. */
TN_API tn_status tn_try_atomic(tn_segment *seg,
                               tn_status (*f)(tn_segment *seg, void *arg),
                               void *arg);

/* --- Figures, care ------------------------------------------------------- */

typedef struct tn_stats {
    size_t size;           /* bytes of the segment */
    size_t used_bytes;     /* in blocks in use, their headers included */
    size_t free_bytes;     /* in free blocks, their headers included */
    size_t largest_free;   /* what one tn_alloc() can get without growth */
    size_t overhead_bytes; /* the segment's and the heap's own */
    size_t named, unique, anonymous, raw; /* objects and raw allocations */
    size_t types;
    size_t index_bytes; /* memory of the name indexes */
    tn_index index;
    tn_fit fit;
} tn_stats;

/* Figures that need a walk over all blocks. */
TN_API tn_status tn_segment_stats(const tn_segment *seg, tn_stats *out);

/* Figures that need none.  Free bytes count blocks with their headers: what an
 * allocation takes comes back exactly when it is freed. */
TN_API size_t tn_free_bytes(const tn_segment *seg);
TN_API bool tn_all_free(const tn_segment *seg);
TN_API size_t tn_named_count(const tn_segment *seg);
TN_API size_t tn_unique_count(const tn_segment *seg);

/* Make room in the index for count objects in all, or give back what it does
 * not need.  TN_ENOMEM. */
TN_API tn_status tn_reserve_named(tn_segment *seg, size_t count);
TN_API tn_status tn_reserve_unique(tn_segment *seg, size_t count);
TN_API tn_status tn_shrink_indexes(tn_segment *seg);

/* Check everything in the segment; report (may be NULL) is called for each
 * thing wrong.  TN_ECORRUPT if there was any.  The locks are held meanwhile. */
TN_API tn_status tn_segment_check(const tn_segment *seg, tn_report_fn *report,
                                  void *arg);

#ifdef __cplusplus
}
#endif
#endif
