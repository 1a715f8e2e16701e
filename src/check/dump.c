/* dump.c - every layer of a store in words
 *
 *     dump_file.c     first page and journal, from the bytes of the files
 *     dump_blocks.c   header of the segment, blocks, types
 *     dump_index.c    nodes, chunks and pages of the two name indexes
 *
 * A dump is for the hour in which something is wrong.  So it believes nothing:
 * whatever is followed is checked before, every loop has a bound that comes
 * from the size of the file and not from what is in it, and no memory is taken
 * by what a file says.  What cannot be read gets a line, and the dump goes on
 * with what comes next.
 *
 * The segment is printed as a reader sees it.  Where no reader can open the
 * file, its bytes are mapped privately, and where even the heap's header makes
 * no sense, one is put in its place, in this mapping, that lets the blocks be
 * walked.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "check/dump.h"
#include "base/bytes.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/flock.h"
#include "os/region.h"
#include "store/store.h"
#include "tenon/dump.h"
#include "tenon/show.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    DUMP_SEGMENT = TN_DUMP_BLOCKS | TN_DUMP_INDEX | TN_DUMP_TYPES,
    DUMP_ALL = TN_DUMP_SUPERBLOCK | TN_DUMP_JOURNAL | DUMP_SEGMENT,
    PATIENCE_MS = 10000, /* with whoever makes the file shorter */
};

/* --- Printing ------------------------------------------------------------- */

void dump_heading(struct dump *d, const char *format, ...)
{
    va_list arguments;

    if (d->begun)
        fputc('\n', d->out);
    d->begun = true;
    va_start(arguments, format);
    vfprintf(d->out, format, arguments);
    va_end(arguments);
    fputc('\n', d->out);
}

void dump_field(struct dump *d, const char *name, const char *format, ...)
{
    va_list arguments;

    fprintf(d->out, "  %-15s ", name);
    va_start(arguments, format);
    vfprintf(d->out, format, arguments);
    va_end(arguments);
}

void dump_judge(struct dump *d, bool right, const char *wrong)
{
    if (right)
        fputs(": right\n", d->out);
    else
        fprintf(d->out, ": wrong, %s\n", wrong);
    d->wrong += !right;
}

void dump_wrong(struct dump *d, const char *format, ...)
{
    va_list arguments;

    fputs("  wrong: ", d->out);
    va_start(arguments, format);
    vfprintf(d->out, format, arguments);
    va_end(arguments);
    fputc('\n', d->out);
    d->wrong++;
}

static void print_shown(struct dump *d, const char *bytes, size_t n)
{
    char out[TN_SHOWN_MAX];
    size_t shown;

    for (size_t i = 0; i < n;) {
        i += tn_show_next(bytes + i, n - i, true, out, &shown);
        fwrite(out, 1, shown, d->out);
    }
}

void dump_name(struct dump *d, const char *bytes, size_t n)
{
    fputc('"', d->out);
    print_shown(d, bytes, n);
    fputc('"', d->out);
}

bool dump_is_zero(const void *bytes, size_t n)
{
    const char *p = bytes;

    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* --- A segment ------------------------------------------------------------ */

/* A program's own segment may have been overrun: then only headers of blocks
 * are looked at, of which each is checked by itself. */
static void look_at(struct dump *d, const struct segment *base, uint64_t size)
{
    const struct heap *h = &base->heap;

    d->base = base;
    d->h = h;
    d->index = (tn_index)base->named.kind;
    d->size = h->size < size ? h->size : size;
    d->first = round_up(sizeof(*base) + HEAP_OVERHEAD, HEAP_GRANULE);
    d->end = round_down(d->size, HEAP_GRANULE);
    d->header_sound = segment_verify(base, size) == TN_OK;
    if (d->header_sound && h->end < d->end)
        d->end = h->end;
}

static void print_segment(struct dump *d, unsigned what)
{
    if ((what & TN_DUMP_BLOCKS) != 0) {
        dump_segment_header(d);
        dump_blocks(d);
    }
    if ((what & TN_DUMP_INDEX) != 0 && d->header_sound) {
        dump_index(d, &d->base->named, "named");
        dump_index(d, &d->base->unique, "unique");
    }
    if ((what & TN_DUMP_TYPES) != 0)
        dump_types(d);
}

static tn_status finish(struct dump *d, const char *where)
{
    free(d->landmarks);
    d->landmarks = NULL;
    if (fflush(d->out) != 0 || ferror(d->out))
        return error_set(TN_EIO, "%s: the dump could not be written", where);
    if (d->refused != TN_OK)
        return error_set(d->refused, "%s", d->why);
    if (d->wrong != 0 && d->moving)
        return error_set(TN_EBUSY,
                         "%s: in shared use, so that what is wrong in %zu "
                         "place%s may only have been in motion",
                         where, d->wrong, d->wrong == 1 ? "" : "s");
    if (d->wrong != 0)
        return error_set(TN_ECORRUPT, "%s: wrong in %zu place%s", where,
                         d->wrong, d->wrong == 1 ? "" : "s");
    return TN_OK;
}

static tn_status check_arguments(unsigned *what, FILE *out)
{
    if (out == NULL || (*what & ~(unsigned)DUMP_ALL) != 0)
        return error_set(TN_EINVAL,
                         "a dump needs a place for what it prints, "
                         "and knows the parts %#x",
                         DUMP_ALL);
    if (*what == 0)
        *what = DUMP_ALL;
    return TN_OK;
}

TN_API tn_status tn_dump_segment(const tn_segment *seg, unsigned what,
                                 FILE *out)
{
    struct dump d = {.out = out};
    tn_status status = check_arguments(&what, out);

    if (status == TN_OK)
        status = segment_within_reach(seg);
    if (status != TN_OK)
        return status;
    d.header = *seg->base;
    look_at(&d, seg->base, seg->reach);
    print_segment(&d, what);
    return finish(&d, "segment");
}

/* --- A file --------------------------------------------------------------- */

/* A file's bytes, mapped.  VIEW keeps the file from becoming shorter. */
struct source {
    struct file file;
    struct flock_handle locks;
    struct region region;
    uint64_t size;
    tn_store *store; /* NULL: no reader can open it */
};

static void source_close(struct source *s)
{
    tn_store_close(s->store);
    region_unmap(&s->region);
    flock_close(&s->locks);
    file_close(&s->file);
}

static tn_status source_open(struct source *s, const char *path)
{
    struct timespec until = clock_after(PATIENCE_MS);
    tn_status status = file_open(&s->file, path, false);

    if (status == TN_OK)
        status = flock_open(&s->locks, path);
    if (status == TN_OK)
        status = flock_wait(&s->locks, STORE_LOCK_VIEW, false, &until);
    if (status == TN_OK)
        status = file_size(&s->file, &s->size);
    if (status == TN_OK && s->size > SIZE_MAX / 2)
        status = error_set(TN_ENOMEM, "%s: the file is too large", path);
    if (status == TN_OK && s->size != 0)
        status =
            region_map(&s->region, &s->file, REGION_PRIVATE, s->size, NULL);
    return status;
}

/* A header of the segment that lets its bytes be walked, in this process's own
 * memory, for one that does not. */
static void assume_header(struct segment *base, uint64_t available,
                          const struct superblock *sb)
{
    struct heap *h = &base->heap;

    base->magic = SEGMENT_MAGIC;
    base->version = SEGMENT_VERSION;
    heap_assume(h, available < HEAP_MAX_SIZE ? available : HEAP_MAX_SIZE,
                sizeof(*base));
    if (base->named.kind < TN_INDEX_ISET || base->named.kind > TN_INDEX_NULL)
        base->named.kind = base->unique.kind;
    if (base->named.kind < TN_INDEX_ISET || base->named.kind > TN_INDEX_NULL)
        base->named.kind =
            sb->index >= TN_INDEX_ISET && sb->index <= TN_INDEX_NULL
                ? sb->index
                : TN_INDEX_MAP;
    base->unique.kind = base->named.kind;
}

static void look_at_bytes(struct dump *d, const struct source *s,
                          const struct superblock *sb)
{
    uint64_t available;
    struct segment *base;

    if (s->size < STORE_SEGMENT_OFF + heap_min_size(sizeof(*base))) {
        dump_wrong(d, "the file has %" PRIu64 " bytes, too few for a segment",
                   s->size);
        return;
    }
    available = s->size - STORE_SEGMENT_OFF;
    base = (struct segment *)(s->region.base + STORE_SEGMENT_OFF);
    d->header = *base;
    if (segment_verify(base, available) != TN_OK) {
        dump_wrong(d, "%s; blocks are looked for all the same", tn_errmsg());
        assume_header(base, available, sb);
        d->assumed = true;
    }
    look_at(d, base, available);
}

/* Is it about the file, and not about this process or others? */
static bool is_verdict(tn_status status)
{
    return status == TN_ECORRUPT || status == TN_ENOTSTORE ||
           status == TN_EVERSION || status == TN_ESIZE || status == TN_EDIRTY ||
           status == TN_EJOURNAL;
}

/* What a reader would see, or else the bytes. */
static void look_at_store(struct dump *d, struct source *s, const char *path,
                          const struct superblock *sb)
{
    const tn_segment *seg;

    d->refused = tn_store_open(&s->store, path, TN_READ_ONLY, NULL);
    if (d->refused == TN_OK) {
        seg = tn_store_segment(s->store);
        d->header = *seg->base;
        look_at(d, seg->base, seg->reach);
        d->moving = seg->live;
        if (d->moving)
            fprintf(d->out, "  in shared use: what follows was read at several "
                            "moments\n");
        return;
    }
    s->store = NULL;
    snprintf(d->why, sizeof(d->why), "%s", tn_errmsg());
    if (is_verdict(d->refused))
        dump_wrong(d, "no reader can open it: %s", d->why);
    else
        fprintf(d->out, "  no reader can open it now: %s\n", d->why);
    look_at_bytes(d, s, sb);
}

static void print_source(struct dump *d, struct source *s, unsigned what,
                         const char *path)
{
    struct superblock sb = {0};

    if (s->size != 0) /* else nothing is mapped */
        memcpy(&sb, s->region.base,
               s->size < sizeof(sb) ? s->size : sizeof(sb));
    fputs("store ", d->out);
    print_shown(d, path, strlen(path));
    fprintf(d->out, ", %" PRIu64 " bytes\n", s->size);
    d->begun = true;
    if ((what & (TN_DUMP_JOURNAL | DUMP_SEGMENT)) != 0)
        look_at_store(d, s, path, &sb);
    if ((what & TN_DUMP_SUPERBLOCK) != 0)
        dump_superblock(d, &s->file, s->region.base, s->size);
    if ((what & TN_DUMP_JOURNAL) != 0)
        dump_journal(d, path, &sb);
    if (d->base != NULL)
        print_segment(d, what);
}

TN_API tn_status tn_dump_file(const char *path, unsigned what, FILE *out)
{
    struct source s = {.file = FILE_CLOSED, .locks = FLOCK_CLOSED};
    struct dump d = {.out = out, .file = &s.file};
    tn_status status = check_arguments(&what, out);

    if (status != TN_OK)
        return status;
    status = source_open(&s, path);
    if (status == TN_OK) {
        print_source(&d, &s, what, path);
        status = finish(&d, path);
    }
    source_close(&s);
    return status;
}
