/* schema_string.c: strings with lengths, patterns and formats. */
#include "text/schema_compile.h"

#include <stdio.h>

#include "text/schema.h"
#include "text/unicode.h"

/* DEL is JSON, but no text that a person wants. */
const char_range schema_raw_chars[] = {{0x20, 0x21}, {0x23, 0x5b}, {0x5d, 0x7e}, {0x80, 0x10ffff}};
const size_t n_schema_raw_chars = sizeof schema_raw_chars / sizeof *schema_raw_chars;

/* ---- characters ---- */

/* How a character is written that cannot stand for itself. */
static void escape_char(uint32_t c, char out[8]) {
    static const char letters[] = "bfnrt\"\\", values[] = "\b\f\n\r\t\"\\";
    const char *at = c ? strchr(values, (int)c) : NULL;
    if (at) {
        snprintf(out, 8, "\\%c", letters[at - values]);
    } else {
        snprintf(out, 8, "\\u%04x", c & 0xffff);
    }
}

static bool is_escaped(uint32_t c) {
    return c < 0x20 || c == '"' || c == '\\';
}

/* NUL is left out: what reads the JSON may end there. */
expr schema_string_class(schema_compiler *c, const char_range *ranges, size_t n) {
    char_range raw[RANGES_MAX];
    size_t n_raw = 0;
    expr x = EXPR_NEVER;
    for (size_t i = 0; i < n && i < RANGES_MAX / 4; i++) {
        for (size_t k = 0; k < n_schema_raw_chars; k++) {
            const char_range r = schema_raw_chars[k];
            const uint32_t first = ranges[i].first > r.first ? ranges[i].first : r.first, last = ranges[i].last < r.last ? ranges[i].last : r.last;
            if (first <= last) raw[n_raw++] = (char_range){first, last};
        }
        for (uint32_t k = ranges[i].first ? ranges[i].first : 1; k <= ranges[i].last && k <= '\\'; k++) {
            char text[8];
            if (!is_escaped(k)) continue;
            escape_char(k, text);
            x = expr_or(&c->b, x, expr_text(&c->b, text));
        }
    }
    return n_raw ? expr_or(&c->b, expr_chars(&c->b, raw, n_raw), x) : x;
}

/* \uXXXX: not NUL, and surrogates in pairs. */
static expr code_escape(schema_compiler *c) {
    static const char_range hex[] = {{'0', '9'}, {'a', 'f'}, {'A', 'F'}}, some[] = {{'1', '9'}, {'a', 'f'}, {'A', 'F'}},
                            plain[] = {{'1', '9'}, {'a', 'c'}, {'e', 'f'}, {'A', 'C'}, {'E', 'F'}}, low[] = {{'0', '7'}},
                            d[] = {{'d', 'd'}, {'D', 'D'}}, high[] = {{'8', '9'}, {'a', 'b'}, {'A', 'B'}}, end[] = {{'c', 'f'}, {'C', 'F'}};
    builder *b = &c->b;
    const expr x = expr_chars(b, hex, 3), xx = expr_then(b, x, x), xxx = expr_then(b, xx, x), zero = expr_text(b, "0"), any = expr_chars(b, some, 3);
    expr code = expr_then(b, expr_chars(b, plain, 5), xxx);
    code = expr_or(b, code, expr_then(b, expr_then(b, expr_chars(b, d, 2), expr_chars(b, low, 1)), xx));
    code = expr_or(b, code, expr_then(b, expr_then(b, zero, any), xx));
    code = expr_or(b, code, expr_then(b, expr_then(b, expr_text(b, "00"), any), x));
    code = expr_or(b, code, expr_then(b, expr_text(b, "000"), any));
    const expr first = expr_then(b, expr_chars(b, d, 2), expr_then(b, expr_chars(b, high, 3), xx));
    const expr second = expr_then(b, expr_chars(b, d, 2), expr_then(b, expr_chars(b, end, 2), xx));
    code = expr_or(b, code, expr_then(b, first, expr_then(b, expr_text(b, "\\u"), second)));
    return expr_then(b, expr_text(b, "u"), code);
}

expr schema_string_char(schema_compiler *c, bool codes) {
    static const char_range letters[] = {{'"', '"'}, {'\\', '\\'}, {'/', '/'}, {'b', 'b'}, {'f', 'f'}, {'n', 'n'}, {'r', 'r'}, {'t', 't'}};
    builder *b = &c->b;
    expr escaped = expr_chars(b, letters, sizeof letters / sizeof *letters);
    if (codes) escaped = expr_or(b, escaped, code_escape(c));
    return expr_or(b, expr_chars(b, schema_raw_chars, n_schema_raw_chars), expr_then(b, expr_text(b, "\\"), escaped));
}

expr schema_string_text(schema_compiler *c, const char *text, size_t n) {
    buffer out = {0};
    status s = buffer_add(&out, "\"", 1, c->b.e);
    for (size_t i = 0; i < n && s == OK; i++) {
        char escaped[8];
        const uint8_t byte = (uint8_t)text[i];
        if (is_escaped(byte)) {
            escape_char(byte, escaped);
            s = buffer_add(&out, escaped, strlen(escaped), c->b.e);
        } else {
            s = buffer_add(&out, &byte, 1, c->b.e);
        }
    }
    if (s == OK) s = buffer_add(&out, "\"", 1, c->b.e);
    if (s != OK && c->b.code == OK) c->b.code = s;
    const expr x = s == OK ? expr_bytes(&c->b, buffer_slice(&out)) : EXPR_NEVER;
    buffer_free(&out);
    return x;
}

static expr quoted(schema_compiler *c, expr x) {
    const expr quote = expr_text(&c->b, "\"");
    return expr_then(&c->b, expr_then(&c->b, quote, x), quote);
}

/* ---- formats: regular expressions, of strings that are surely valid (docs/grammar.md lists them, which a test checks) ---- */

#define BYTE  "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define DATE  "[12][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
#define TIME  "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define LABEL "[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?"
#define HOST  LABEL "(\\." LABEL "){0,4}"

typedef struct string_format {
    const char *name, *regex;
} string_format;

static const string_format formats[] = {
    {"date", DATE},
    {"time", TIME},
    {"date-time", DATE "T" TIME},
    {"duration", "P([1-9][0-9]{0,3}W|([1-9][0-9]{0,3}Y)?[1-9][0-9]?M|[1-9][0-9]{0,3}[YD]|T[1-9][0-9]{0,3}[HMS])"},
    {"uuid", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"},
    {"email", "[a-z0-9]([a-z0-9_+-]{0,30}[a-z0-9])?(\\.[a-z0-9]{1,20}){0,3}@" LABEL "(\\." LABEL "){0,3}\\.[a-z]{2,10}"},
    {"hostname", HOST},
    {"ipv4", BYTE "(\\." BYTE "){3}"},
    {"ipv6", "([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}"},
    {"uri", "https?://" HOST "(:[1-9][0-9]{0,3})?(/[a-zA-Z0-9_.~-]{0,60}){0,12}(\\?[a-zA-Z0-9_.~&=-]{1,100})?(#[a-zA-Z0-9_.~-]{1,60})?"},
};

const char *schema_format(size_t i) {
    return i < sizeof formats / sizeof *formats ? formats[i].name : NULL;
}

static expr format_expr(schema_compiler *c, const char *name) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, name) == 0) return quoted(c, schema_regex(c, slice_of(formats[i].regex), true));
    }
    schema_fail(c, "the format '%.60s' is not supported", name);
    return EXPR_NEVER;
}

/* ---- strings ---- */

static expr bounded_string(schema_compiler *c, json_t *schema) {
    const uint32_t min = schema_count(c, schema, "minLength", 0), max = schema_count(c, schema, "maxLength", REPEAT_ENDLESS);
    if (min > max) schema_fail(c, "minLength %u is more than maxLength %u", min, max);
    if (min > SCHEMA_LENGTH_MAX) schema_fail(c, "minLength %u is more than %d", min, SCHEMA_LENGTH_MAX);
    if (max == REPEAT_ENDLESS && min == 0) return schema_basic(c, "string");
    const uint32_t most = max == REPEAT_ENDLESS || max < SCHEMA_LENGTH_MAX ? max : SCHEMA_LENGTH_MAX;
    return schema_rule(c, quoted(c, expr_repeat(&c->b, schema_string_char(c, false), min, most)), true);
}

expr schema_string(schema_compiler *c, json_t *schema) {
    const json_t *pattern = json_object_get(schema, "pattern"), *format = json_object_get(schema, "format");
    const bool length = json_object_get(schema, "minLength") || json_object_get(schema, "maxLength");
    const char *first = pattern ? "pattern" : "format";
    if (!pattern && !format) return bounded_string(c, schema);
    if ((pattern && !json_is_string(pattern)) || (format && !json_is_string(format))) {
        schema_fail(c, "'%s' is not a string", pattern && !json_is_string(pattern) ? "pattern" : "format");
        return EXPR_NEVER;
    }
    if (length || (pattern && format)) {
        schema_fail(c, "'%s' together with %s is not supported", first, length ? "a length" : "'format'");
        return EXPR_NEVER;
    }
    if (format) return schema_rule(c, format_expr(c, json_string_value(format)), true);
    const slice text = {(const uint8_t *)json_string_value(pattern), json_string_length(pattern)};
    return schema_rule(c, quoted(c, schema_regex(c, text, false)), true);
}
