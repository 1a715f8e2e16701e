/* test_stream.c - where a snapshot's bytes come from or go to
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "image/stream.h"
#include "lib/stores.h"
#include "lib/tmpdir.h"

#define OK(call) cr_assert(eq(int, (call), TN_OK), "%s", tn_errmsg())

TestSuite(stream, .init = (void (*)(void))tmpdir_enter, .fini = tmpdir_leave,
          .timeout = 30);

enum { LENGTH = 3 * STREAM_ROOM + 12345 };

static char *pattern;

static void make_pattern(void)
{
    pattern = malloc(LENGTH);
    for (size_t i = 0; i < LENGTH; i++)
        pattern[i] = (char)(i * 2654435761u >> 13);
}

/* A function that gives and takes what is in memory. */
struct memory {
    char *bytes;
    size_t at, size, piece;
    tn_status answer;
};

static tn_status give(void *arg, void *bytes, size_t size, size_t *got)
{
    struct memory *m = arg;
    size_t n = m->size - m->at;

    n = n < size ? n : size;
    n = n < m->piece ? n : m->piece;
    if (n != 0)
        memcpy(bytes, m->bytes + m->at, n);
    m->at += n;
    *got = n;
    return m->answer;
}

static tn_status keep(void *arg, const void *bytes, size_t size)
{
    struct memory *m = arg;

    cr_assert(le(sz, size, m->size - m->at));
    memcpy(m->bytes + m->at, bytes, size);
    m->at += size;
    return m->answer;
}

/* Look ahead by different lengths, and take less than that. */
static void read_pattern(struct stream *s)
{
    static const size_t looks[] = {1, 8, 4096, 100000, STREAM_ROOM};
    size_t at = 0, have, n = 0, look = 0;
    const char *bytes;

    OK(stream_open(s));
    while (at < LENGTH) {
        look = looks[n++ % 5];
        OK(stream_look(s, look, &bytes, &have));
        cr_assert(have >= look || have == LENGTH - at);
        cr_assert(eq(int, memcmp(bytes, pattern + at, have), 0));
        look = look < have ? look : have;
        look -= look / 3;
        stream_skip(s, look);
        at += look;
        cr_assert(eq(u64, stream_offset(s), at));
    }
    OK(stream_look(s, 1, &bytes, &have));
    cr_expect(eq(sz, have, 0));
    cr_expect(eq(int, stream_take(s, &have, 1), TN_ECORRUPT));
    stream_close(s);
}

Test(stream, reads_files_descriptors_and_functions)
{
    static const size_t pieces[] = {1, 1000, LENGTH};
    struct file file;
    int fd;

    make_pattern();
    stores_put("f", pattern, LENGTH);
    OK(file_open(&file, "f", false));
    read_pattern(&(struct stream){.file = &file, .name = "f"});
    file_close(&file);
    fd = open("f", O_RDONLY);
    read_pattern(&(struct stream){.fd = fd, .name = "f"});
    close(fd);
    for (int i = 0; i < 3; i++) {
        struct memory m = {pattern, 0, LENGTH, pieces[i], TN_OK};

        read_pattern(&(struct stream){.read = give, .arg = &m, .name = "f"});
    }
    free(pattern);
}

static void write_pattern(struct stream *s)
{
    size_t at = 0, n = 1;

    OK(stream_open(s));
    for (; at < LENGTH; at += n, n = n * 7 % 700001) {
        n = n < LENGTH - at ? n : LENGTH - at;
        OK(stream_put(s, pattern + at, n));
        cr_assert(eq(u64, stream_offset(s), at + n));
    }
    OK(stream_flush(s));
    cr_assert(eq(u64, stream_offset(s), LENGTH));
    stream_close(s);
}

static void expect_pattern(const char *path)
{
    char *read = malloc(LENGTH);

    cr_assert(eq(sz, stores_length(path), LENGTH));
    stores_read(path, read, LENGTH, 0);
    cr_expect(eq(int, memcmp(read, pattern, LENGTH), 0));
    free(read);
}

Test(stream, writes_files_descriptors_and_functions)
{
    struct memory m = {malloc(LENGTH), 0, LENGTH, 0, TN_OK};
    struct file file;
    int fd;

    make_pattern();
    OK(file_create_unnamed(&file, "f", 0644));
    write_pattern(&(struct stream){.file = &file, .name = "f"});
    OK(file_publish(&file, false));
    file_close(&file);
    expect_pattern("f");
    fd = open("g", O_WRONLY | O_CREAT, 0644);
    write_pattern(&(struct stream){.fd = fd, .name = "g"});
    close(fd);
    expect_pattern("g");
    write_pattern(&(struct stream){.write = keep, .arg = &m, .name = "m"});
    cr_expect(eq(int, memcmp(m.bytes, pattern, LENGTH), 0));
    free(m.bytes);
    free(pattern);
}

static tn_status give_too_much(void *arg, void *bytes, size_t size, size_t *got)
{
    (void)arg;
    (void)bytes;
    *got = size + 1;
    return TN_OK;
}

Test(stream, passes_on_what_functions_answer)
{
    struct memory m = {.answer = TN_ETIMEDOUT};
    struct stream in = {.read = give, .arg = &m, .name = "m"};
    struct stream out = {.write = keep, .arg = &m, .name = "m"};
    struct stream wrong = {.read = give_too_much, .name = "m"};
    const char *bytes;
    size_t have;

    OK(stream_open(&in));
    cr_expect(eq(int, stream_look(&in, 1, &bytes, &have), TN_ETIMEDOUT));
    stream_close(&in);
    m.bytes = malloc(1);
    m.size = 1;
    OK(stream_open(&out));
    OK(stream_put(&out, "x", 1));
    cr_expect(eq(int, stream_flush(&out), TN_ETIMEDOUT));
    stream_close(&out);
    free(m.bytes);
    OK(stream_open(&wrong));
    cr_expect(eq(int, stream_look(&wrong, 1, &bytes, &have), TN_EINVAL));
    stream_close(&wrong);
}
