#include "tools/text_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/names.h"

status stream_read(FILE *in, const char *name, char **text, size_t *bytes, error *e) {
    for (size_t room = 4096;; room *= 2) {
        if (room > STREAM_MAX) return fail(e, E_MEMORY, "%s: a text of more than %d MB must be a regular file", name, STREAM_MAX >> 20);
        char *grown = realloc(*text, room + 1);
        if (!grown) return fail(e, E_MEMORY, "%s: no memory for more than %zu bytes", name, *bytes);
        *text = grown;
        *bytes += fread(*text + *bytes, 1, room - *bytes, in);
        if (ferror(in)) return fail(e, errno == EINTR ? E_INTERRUPT : E_FILE, "%s: %s", name, strerror(errno));
        if (feof(in)) break;
    }
    (*text)[*bytes] = 0;
    return OK;
}

static status read_other(text_file *t, const char *path, error *e) {
    const bool standard = !strcmp(path, "-");
    const char *name = standard ? "standard input" : path;
    FILE *in = standard ? stdin : fopen(path, "re");
    if (!in) return fail(e, E_FILE, "%s: %s", path, strerror(errno));
    const status s = stream_read(in, name, &t->owned, &t->bytes, e);
    if (!standard) fclose(in);
    t->text = t->owned ? t->owned : "";
    return s;
}

/* A folder and what is not there are left to map_open and its messages. */
static bool must_be_read(const char *path) {
    struct stat info;
    return !strcmp(path, "-") || (stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode));
}

status text_file_open(text_file *t, const char *path, error *e) {
    *t = (text_file){.text = "", .name = strcmp(path, "-") ? name_of(path) : "standard input"};
    if (must_be_read(path)) return read_other(t, path, e);
    TRY(map_open(&t->map, path, e));
    t->bytes = t->map.size;
    if (t->bytes) t->text = (const char *)t->map.data;
    return OK;
}

void text_file_close(text_file *t) {
    map_close(&t->map);
    free(t->owned);
    *t = (text_file){0};
}
