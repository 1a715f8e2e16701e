/* fuzz_tool.c - bytes as names of objects and options of commands
 *
 *     byte 0      which command (bits 0-3; some only with bit 4)
 *     byte 1      its options, as bits
 *     byte 2      bits 0-1 kind of index, bit 2: a type of an odd name too
 *     then        texts, a NUL behind each: first an option of the command as
 *                 it stands, then a prefix, then names of objects
 *
 * A store is filled with objects of these names and a command of the tool runs
 * on it, in this process.  Whatever the names are:
 *
 *   - save writes nothing outside its directory, in which links lead out of it;
 *     restore, to a file that is no link, nothing but that
 *   - nothing that is printed can play tricks on a terminal
 *
 * Options are given as they come only to commands that write where they are
 * told, or not at all: a path in an option is the user's wish.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "place.h"
#include "tool.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES = 8, ARGUMENTS = 16, LONGEST = 300 };

static const char witness[] = "nobody may write here\n";

/* --- A command in this process -------------------------------------------- */

static jmp_buf ended;
static bool running;
static FILE *output;

_Noreturn void __real_exit(int status);
_Noreturn void __wrap_exit(int status);
int __real_fclose(FILE *f);
int __wrap_fclose(FILE *f);

/* The command's exit ends the command. */
_Noreturn void __wrap_exit(int status)
{
    if (running)
        longjmp(ended, 1);
    __real_exit(status);
}

/* It may close its standard output; what it printed is still to be seen. */
int __wrap_fclose(FILE *f)
{
    return running && f == output ? fflush(f) : __real_fclose(f);
}

/* Run it; what it prints, to either stream, goes to *text. */
static void run(const struct command *command, int argc, char **argv,
                char **text, size_t *size)
{
    FILE *out = stdout, *err = stderr;

    output = open_memstream(text, size);
    REQUIRE(output != NULL);
    stdout = stderr = output;
    optind = 0; /* glibc begins anew */
    running = true;
    if (setjmp(ended) == 0)
        command->run(argc, argv);
    running = false;
    stdout = out;
    stderr = err;
    REQUIRE(fclose(output) == 0);
}

/* --- What is printed ------------------------------------------------------ */

/* One character of UTF-8 at s; the bytes it takes, 0: it is none. */
static size_t character(const unsigned char *s, size_t n, unsigned *c)
{
    size_t length = s[0] < 0x80   ? 1
                    : s[0] < 0xc2 ? 0
                    : s[0] < 0xe0 ? 2
                    : s[0] < 0xf0 ? 3
                    : s[0] < 0xf5 ? 4
                                  : 0;

    if (length == 0 || length > n)
        return 0;
    *c = length == 1 ? s[0] : s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (s[i] & 0x3f);
    }
    return length;
}

/* Does a terminal show it, and not obey it? */
static bool is_shown(unsigned c)
{
    return c == '\n' || c == '\t' ||
           (c >= 0x20 && (c < 0x7f || c >= 0xa0) && c != 0x61c && c != 0x200e &&
            c != 0x200f && (c < 0x2028 || c > 0x202e) &&
            (c < 0x2066 || c > 0x2069));
}

static void require_harmless(const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned c = 0;

    for (size_t i = 0, n; i < size; i += n) {
        n = character(s + i, size - i, &c);
        if (n == 0 || !is_shown(c)) {
            fwrite(text, 1, size, stderr);
            REQUIRE(!"a terminal would obey what is printed");
        }
    }
}

/* --- The directories ------------------------------------------------------ */

static char ground[LONGEST];

static const struct {
    const char *below;
    mode_t type;
} known[] = {
    {"", S_IFDIR},         {"/out", S_IFDIR},     {"/out/l", S_IFLNK},
    {"/out/n", S_IFLNK},   {"/out/w", S_IFLNK},   {"/out/d", S_IFDIR},
    {"/out/d/u", S_IFLNK}, {"/outside", S_IFDIR}, {"/outside/witness", S_IFREG},
    {"/made", S_IFDIR}};
enum { KNOWN = sizeof(known) / sizeof(*known) };

/* Is it one of these, and what it was? */
static bool is_known(const char *below, const struct stat *st)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (strcmp(below, known[i].below) == 0 &&
            (st->st_mode & S_IFMT) == known[i].type)
            return strcmp(below, "/outside/witness") != 0 ||
                   st->st_size == sizeof(witness) - 1;
    return false;
}

static int known_seen;

/* Remove what a command made; it must be where commands that are told to may
 * write. */
static int see(const char *path, const struct stat *st, int type,
               struct FTW *walk)
{
    const char *below = path + strlen(ground);

    (void)type;
    (void)walk;
    if (is_known(below, st)) {
        known_seen++;
        return 0;
    }
    REQUIRE(strcmp(below, "/s.tn") == 0 || strcmp(below, "/snapshot") == 0 ||
            strncmp(below, "/out/", 5) == 0 ||
            strncmp(below, "/made/", 6) == 0);
    return remove(path);
}

static int delete (const char *path, const struct stat *st, int type,
                   struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

static char *below(const char *name)
{
    static char paths[8][LONGEST + 32];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", ground, name);
    return path;
}

/* It is there for many inputs, as long as all of it is left. */
static void make_ground(void)
{
    int fd;

    if (ground[0] != '\0')
        return;
    snprintf(ground, sizeof(ground), "%s", place_path("ground"));
    REQUIRE(mkdir(ground, 0700) == 0);
    REQUIRE(mkdir(below("outside"), 0700) == 0);
    REQUIRE(mkdir(below("out"), 0700) == 0);
    REQUIRE(mkdir(below("made"), 0700) == 0);
    fd = open(below("outside/witness"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(write(fd, witness, sizeof(witness) - 1) > 0);
    close(fd);
    REQUIRE(symlink("../outside", below("out/l")) == 0);
    REQUIRE(symlink("../outside/new", below("out/n")) == 0);
    REQUIRE(symlink("../outside/witness", below("out/w")) == 0);
    REQUIRE(mkdir(below("out/d"), 0700) == 0);
    REQUIRE(symlink("../..", below("out/d/u")) == 0);
}

static void leave_ground(void)
{
    known_seen = 0;
    REQUIRE(nftw(ground, see, 16, FTW_PHYS | FTW_DEPTH) == 0);
    if (known_seen == KNOWN)
        return;
    REQUIRE(nftw(ground, delete, 16, FTW_PHYS | FTW_DEPTH) == 0);
    ground[0] = '\0';
}

/* --- The store ------------------------------------------------------------ */

static void construct(tn_segment *seg, const char *name, const char *type_name)
{
    tn_type odd = {.name = type_name, .size = 1, .align = 1};
    const tn_type *type = type_name[0] != '\0' ? &odd : TN_BYTES;

    tn_construct(seg, name, type, strlen(name) % 40, NULL, NULL);
}

static void make_store(char *names[NAMES], unsigned how, bool snapshot)
{
    tn_snapshot_options plain = {.threads = 1};
    tn_options options = {.size = 16384, .index = how % 4 + 1};
    tn_store *store;
    tn_segment *seg;

    REQUIRE(tn_store_open(&store, below("s.tn"), TN_SHARED | TN_CREATE,
                          &options) == TN_OK);
    seg = tn_store_segment(store);
    for (int i = 0; i < NAMES; i++)
        if (names[i] != NULL && names[i][0] != '\0')
            construct(seg, names[i], (how & 4) != 0 && i % 2 ? names[0] : "");
    if (snapshot)
        REQUIRE(tn_snapshot_write(store, below("snapshot"), &plain, NULL) ==
                TN_OK);
    REQUIRE(tn_store_close(store) == TN_OK);
}

/* --- Command lines -------------------------------------------------------- */

struct line {
    char *argv[ARGUMENTS];
    int argc;
};

static void add(struct line *line, const char *argument)
{
    if (argument != NULL && line->argc < ARGUMENTS - 1)
        line->argv[line->argc++] = (char *)argument;
}

/* An option of the input's, as it stands. */
static void add_option(struct line *line, const char *text)
{
    static char option[LONGEST + 2];

    if (text == NULL || *text == '\0')
        return;
    snprintf(option, sizeof(option), "-%s", text);
    add(line, option);
}

static void add_bits(struct line *line, const char *const options[4],
                     unsigned bits)
{
    for (int i = 0; i < 4; i++)
        if ((bits >> i & 1) != 0)
            add(line, options[i]);
}

static const struct command *save_line(struct line *line, unsigned bits,
                                       const char *prefix)
{
    static const char *const options[] = {"--all", "--force", "--json", NULL};
    static char text[LONGEST + 16];

    add_bits(line, options, bits);
    snprintf(text, sizeof(text), "--prefix=%s", prefix);
    if ((bits & 8) != 0)
        add(line, text);
    add(line, below("s.tn"));
    add(line, below("out"));
    return &cmd_save;
}

/* What restore writes has a name of the input's, in the directory. */
static const struct command *restore_line(struct line *line, unsigned bits,
                                          const char *prefix)
{
    static const char *const options[] = {"--force", "--json", "-t1", NULL};
    static char path[2 * LONGEST];

    add_bits(line, options, bits | 4);
    add(line, below("snapshot"));
    snprintf(path, sizeof(path), "%s/%s", below("made"), prefix);
    if (strchr(prefix, '/') == NULL && strncmp(prefix, "..", 2) != 0)
        add(line, path);
    return &cmd_restore;
}

static const struct command *look_line(struct line *line, unsigned which,
                                       unsigned bits, const char *prefix)
{
    static const char *const ls[] = {"-l", "-a", "--names", "--json"};
    static const char *const json[] = {"--json", NULL, NULL, NULL};
    static const char *const dump[] = {"--blocks", "--index", "--superblock",
                                       NULL};
    static const struct command *const commands[] = {
        &cmd_ls,     &cmd_info, &cmd_check, &cmd_dump,  &cmd_get,
        &cmd_verify, &cmd_hash, &cmd_diff,  &cmd_repair};
    const struct command *command = commands[which % 9];

    add_bits(line,
             command == &cmd_ls     ? ls
             : command == &cmd_dump ? dump
                                    : json,
             command == &cmd_get ? 0 : bits);
    add(line, below(command == &cmd_verify ? "snapshot" : "s.tn"));
    if (command == &cmd_ls)
        add(line, prefix);
    if (command == &cmd_get) {
        add(line, prefix);
        add(line, below("out/got"));
    }
    if (command == &cmd_diff)
        add(line, below("s.tn"));
    if (command == &cmd_repair)
        add(line, below("made/repaired"));
    return command;
}

/* --- All of it ------------------------------------------------------------ */

/* The next text, NULL: there is none. */
static char *next_text(const uint8_t **data, const uint8_t *end)
{
    static char texts[NAMES + 2][LONGEST];
    static unsigned next;
    char *text = texts[next++ % (NAMES + 2)];
    size_t n = strnlen((const char *)*data, (size_t)(end - *data));

    if (*data == end)
        return NULL;
    snprintf(text, LONGEST, "%.*s", (int)n, (const char *)*data);
    *data += n + (*data + n < end);
    return text;
}

/* Which of the commands that only look; 15 verifies. */
static unsigned look_of(uint8_t which)
{
    unsigned look = which % 16 - 10;

    return (which & 16) != 0 && look < 3 ? look + 6 : look;
}

/* ls -0, --null: names for another program, as they are. */
static bool asks_for_bytes(const struct command *command,
                           const struct line *line)
{
    for (int i = 1; command == &cmd_ls && i < line->argc; i++) {
        const char *word = line->argv[i];

        if (word[0] == '-' && (word[1] == '-' ? strncmp(word, "--nu", 4) == 0
                                              : strchr(word, '0') != NULL))
            return true;
    }
    return false;
}

static void run_line(uint8_t which, uint8_t bits, const char *option,
                     const char *prefix)
{
    static char title[] = "tenon: command";
    struct line line = {.argv = {title}, .argc = 1};
    const struct command *command;
    char *text = NULL;
    size_t size = 0;

    if (prefix == NULL)
        prefix = "";
    add_option(&line, option);
    if (which % 16 < 8)
        command = save_line(&line, bits, prefix);
    else if (which % 16 < 10)
        command = restore_line(&line, bits, prefix);
    else
        command = look_line(&line, look_of(which), bits, prefix);
    run(command, line.argc, line.argv, &text, &size);
    if (!asks_for_bytes(command, &line))
        require_harmless(text, size);
    free(text);
}

/* Only some commands read one. */
static bool has_snapshot(uint8_t which)
{
    return which % 16 == 8 || which % 16 == 9 || which % 16 == 15;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size, *at = data + 3;
    char *names[NAMES];
    const char *option, *prefix;

    if (size < 3)
        return 0;
    option = next_text(&at, end);
    prefix = next_text(&at, end);
    for (int i = 0; i < NAMES; i++)
        names[i] = next_text(&at, end);
    make_ground();
    make_store(names, data[2], has_snapshot(data[0]));
    run_line(data[0], data[1], option, prefix);
    leave_ground();
    return 0;
}
