#include "tools/prompt.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/text_file.h"

/* The newline that an editor or echo ends a text with is not part of the prompt. */
static status read_stream(prompt *p, FILE *in, const char *name, error *e) {
    TRY(stream_read(in, name, &p->text, &p->bytes, e));
    if (p->bytes && p->text[p->bytes - 1] == '\n') p->text[--p->bytes] = 0;
    return OK;
}

static status read_file(prompt *p, const char *path, error *e) {
    FILE *in = fopen(path, "re");
    if (!in) return fail(e, E_FILE, "%s: %s", path, strerror(errno));
    const status code = read_stream(p, in, path, e);
    fclose(in);
    return code;
}

static status copy_text(prompt *p, const char *text, error *e) {
    p->text = strdup(text);
    if (!p->text) return fail(e, E_MEMORY, "no memory for the prompt");
    p->bytes = strlen(text);
    return OK;
}

static int hex_digit(char c) {
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* What stands behind a backslash, in place: returns the characters used, 0 if it is no escape. */
static size_t unescape_one(const char *in, char *out) {
    static const char letters[] = "nrt'\"\\", values[] = "\n\r\t'\"\\";
    const char *at = *in ? strchr(letters, *in) : NULL;
    if (at) *out = values[at - letters];
    if (at) return 1;
    const int high = *in == 'x' ? hex_digit(in[1]) : -1, low = high >= 0 ? hex_digit(in[2]) : -1;
    if (low < 0) return 0;
    *out = (char)(high * 16 + low);
    return 3;
}

static void unescape(prompt *p) {
    size_t to = 0;
    for (size_t from = 0; from < p->bytes; to++) {
        const size_t used = p->text[from] == '\\' ? unescape_one(p->text + from + 1, p->text + to) : 0;
        if (!used) p->text[to] = p->text[from];
        from += 1 + used;
    }
    p->bytes = to;
    p->text[to] = 0;
}

static status read_source(prompt *p, const char *text, const char *file, error *e) {
    if (text && file) return fail(e, E_USAGE, "a prompt is given with -p and with -f; one is enough");
    if (text && strcmp(text, "-") != 0) return copy_text(p, text, e);
    if (file) return read_file(p, file, e);
    if (!text && isatty(STDIN_FILENO)) return fail(e, E_USAGE, "no prompt: give one with -p TEXT, -f FILE or a pipe");
    return read_stream(p, stdin, "standard input", e);
}

status prompt_read(prompt *p, const char *text, const char *file, bool escapes, error *e) {
    *p = (prompt){0};
    const status code = read_source(p, text, file, e);
    if (code != OK) {
        prompt_free(p);
        return code;
    }
    if (escapes) unescape(p);
    return OK;
}

void prompt_free(prompt *p) {
    free(p->text);
    *p = (prompt){0};
}
