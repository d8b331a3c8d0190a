#include "tools/chat_read.h"

#define QUOTES "\"\"\""
static const char first_prompt[] = "> ", more_prompt[] = ". ";

static size_t without_blanks(const char *text, size_t n) {
    while (n && memchr(" \t\r", text[n - 1], 3)) n--;
    return n;
}

static size_t leading_blanks(const char *text, size_t n) {
    size_t i = 0;
    while (i < n && memchr(" \t\r", text[i], 3)) i++;
    return i;
}

/* Of a message that goes on. */
static status next_line(lines *l, const char **text, size_t *n, error *e) {
    TRY(lines_read(l, more_prompt, text, n, e));
    if (*n && (*text)[*n - 1] == '\r') --*n;
    return OK;
}

static bool begins_block(const char *text, size_t n) {
    return n >= 3 && !memcmp(text, QUOTES, 3);
}

/* Adds lines, the first one without its quotation marks, up to the one that ends in them. */
static status read_block(lines *l, const char *text, size_t n, buffer *out, error *e) {
    text += 3;
    n -= 3;
    for (bool first = true; text; first = false) {
        const size_t inner = without_blanks(text, n);
        const bool last = inner >= 3 && !memcmp(text + inner - 3, QUOTES, 3);
        if (!first && out->n) TRY(buffer_add(out, "\n", 1, e));
        TRY(buffer_add(out, text, last ? inner - 3 : n, e));
        if (last) return OK;
        TRY(next_line(l, &text, &n, e));
    }
    return OK;
}

static status read_lines(lines *l, const char *text, size_t n, buffer *out, error *e) {
    while (text) {
        const bool more = n && text[n - 1] == '\\';
        TRY(buffer_add(out, text, n - more, e));
        if (!more) return OK;
        TRY(buffer_add(out, "\n", 1, e));
        TRY(next_line(l, &text, &n, e));
    }
    return OK;
}

static status read_one(lines *l, chat_typed *out, error *e) {
    const char *line;
    size_t n;
    TRY(lines_read(l, first_prompt, &line, &n, e));
    out->end = !line;
    if (out->end) return OK;
    n = without_blanks(line, n);
    const size_t blanks = leading_blanks(line, n);
    const char *text = line + blanks;
    out->command = n > blanks && *text == '/';
    if (out->command) return buffer_add(&out->text, text, n - blanks, e);
    return begins_block(text, n - blanks) ? read_block(l, text, n - blanks, &out->text, e) : read_lines(l, line, n, &out->text, e);
}

status chat_read(lines *l, chat_typed *out, error *e) {
    do {
        out->text.n = 0;
        TRY(read_one(l, out, e));
    } while (!out->end && !without_blanks((const char *)out->text.p, out->text.n));
    TRY(buffer_add(&out->text, "", 1, e));
    out->text.n--;
    return OK;
}
