#include "tools/history.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/temporary.h"
#include "text/unicode.h"

enum { LINES = 1000, LINE_MAX_BYTES = 64 << 10, FILE_MAX = 1 << 20 };

char *history_path(const char *name) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    int n = -1;
    if (state && *state == '/') {
        n = asprintf(&path, "%s/qbin/%s", state, name);
    } else if (home && *home == '/') {
        n = asprintf(&path, "%s/.local/state/qbin/%s", home, name);
    }
    return n < 0 ? NULL : path;
}

/* ---- reading ---- */

/* All of a regular file of at most FILE_MAX bytes, or its end, as a text; NULL if there is none. */
static char *read_end(const char *path, bool *whole) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    char *text = NULL;
    *whole = true;
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        *whole = info.st_size <= FILE_MAX;
        const off_t from = *whole ? 0 : info.st_size - FILE_MAX;
        text = malloc(FILE_MAX + 1);
        const ssize_t n = text ? pread(fd, text, FILE_MAX, from) : 0;
        if (text) text[n > 0 ? n : 0] = 0;
    }
    if (fd >= 0) close(fd);
    return text;
}

static bool is_clean(const char *line, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) return false;
    }
    return n && n <= LINE_MAX_BYTES && utf8_valid((slice){(const uint8_t *)line, n}) == n;
}

/* Cuts a text into lines, and leaves at lines[0..] the last LINES clean ones; their number. *all: how many there were. */
static size_t cut(char *text, bool whole, char **lines, size_t *all) {
    char *rest = text;
    if (!whole) strsep(&rest, "\n"); /* the end of a line */
    *all = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (is_clean(line, strlen(line))) lines[(*all)++ % LINES] = line;
    }
    return *all < LINES ? *all : LINES;
}

static void shorten(const char *path, char *const *lines, size_t all) {
    char *temp = temporary_name(path, NULL);
    const int fd = temp ? open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool done = out != NULL;
    for (size_t i = all - LINES; out && i < all; i++) done = fprintf(out, "%s\n", lines[i % LINES]) > 0 && done;
    if (out && fclose(out)) done = false;
    if (fd >= 0 && (!done || rename(temp, path))) unlink(temp);
    free(temp);
}

void history_read(const char *path, void (*take)(void *owner, const char *line), void *owner) {
    bool whole;
    size_t all;
    char *text = read_end(path, &whole), *lines[LINES];
    if (!text) return;
    const size_t n = cut(text, whole, lines, &all);
    for (size_t i = all - n; i < all; i++) take(owner, lines[i % LINES]);
    if (all > 2 * LINES) shorten(path, lines, all);
    free(text);
}

/* ---- writing ---- */

/* The folders above a file; the last one is there or not, opening the file will tell. */
static void make_folders(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
}

static int open_end(const char *path) {
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK;
    const int fd = open(path, flags, 0600);
    if (fd >= 0) return fd;
    char *copy = strdup(path);
    if (copy) make_folders(copy);
    free(copy);
    return open(path, flags, 0600);
}

bool history_add(const char *path, const char *line) {
    const size_t n = strlen(line);
    if (!is_clean(line, n)) return true;
    const int fd = open_end(path);
    struct stat info;
    char *text = NULL;
    bool done = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && fchmod(fd, 0600) == 0 && asprintf(&text, "%s\n", line) >= 0;
    if (done) done = write(fd, text, n + 1) == (ssize_t)n + 1; /* at once: what others append comes before or after */
    if (done) free(text);
    if (fd >= 0) close(fd);
    return done;
}
