/* grammar_parse.c: GBNF as llama.cpp's grammar parser reads it. Where that one is silent this one says something: a rule defined twice, a class without
 * characters, a range backwards. References to tokens of a vocabulary are refused by name, since a grammar here knows bytes alone. */
#include <stdlib.h>

#include "text/grammar_build.h"
#include "text/unicode.h"

typedef struct parser {
    builder b;
    slice in;
    size_t at, depth;
    size_t known, line, column; /* a place in the text, and where that is: places that follow are counted from it */
} parser;

/* ---- places and characters ---- */

static void find_place(parser *p, size_t at, size_t *line, size_t *column) {
    if (at < p->known || !p->line) {
        p->known = 0;
        p->line = p->column = 1;
    }
    for (; p->known < at && p->known < p->in.n; p->known++) {
        const uint8_t c = p->in.p[p->known];
        p->column = c == '\n' ? 1 : p->column + ((c & 0xc0) != 0x80);
        p->line += c == '\n';
    }
    *line = p->line;
    *column = p->column;
}

static void refuse_at(parser *p, size_t at, const char *what) {
    size_t line, column;
    find_place(p, at, &line, &column);
    builder_fail(&p->b, E_FILE, "line %zu, column %zu: %s", line, column, what);
}

static void refuse(parser *p, const char *what) {
    refuse_at(p, p->at, what);
}

static bool failed(const parser *p) {
    return p->b.code != OK;
}

static int peek(const parser *p, size_t ahead) {
    return p->at + ahead < p->in.n ? p->in.p[p->at + ahead] : -1;
}

static bool is_name(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static void skip_comment(parser *p) {
    while (peek(p, 0) >= 0 && peek(p, 0) != '\n' && peek(p, 0) != '\r') p->at++;
}

/* Spaces and comments, and lines if `lines`. */
static void skip_spaces(parser *p, bool lines) {
    for (;;) {
        const int c = peek(p, 0);
        if (c == '#') {
            skip_comment(p);
        } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
            p->at++;
        } else {
            return;
        }
    }
}

/* ---- literals and classes ---- */

static int hex_digit(int c) {
    if (c >= '0' && c <= '9') return c - '0';
    const int lower = c | 0x20;
    return c >= 'A' && lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static uint32_t read_hex(parser *p, size_t digits) {
    uint32_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        const int digit = hex_digit(peek(p, 0));
        if (digit < 0) {
            refuse(p, digits == 2   ? "\\x wants two hexadecimal digits"
                      : digits == 4 ? "\\u wants four hexadecimal digits"
                                    : "\\U wants eight hexadecimal digits");
            return 0;
        }
        value = value << 4 | (uint32_t)digit;
        p->at++;
    }
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) refuse(p, "this is no character of Unicode");
    return value;
}

typedef struct escape {
    char letter;
    uint8_t digits; /* hexadecimal ones that follow; 0: stands for `value` */
    char value;
} escape;

static const escape escapes[] = {{'x', 2, 0},    {'u', 4, 0},     {'U', 8, 0},   {'t', 0, '\t'}, {'r', 0, '\r'},
                                 {'n', 0, '\n'}, {'\\', 0, '\\'}, {'"', 0, '"'}, {'[', 0, '['},  {']', 0, ']'}};

/* One character of a literal or a class, escaped or not. */
static uint32_t read_char(parser *p, const char *unfinished) {
    const int c = peek(p, 0);
    if (c < 0) {
        refuse(p, unfinished);
        return 0;
    }
    if (c != '\\') {
        const uint32_t value = utf8_get(p->in.p + p->at);
        p->at += utf8_length((uint8_t)c);
        return value;
    }
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        if (peek(p, 1) != escapes[i].letter) continue;
        p->at += 2;
        return escapes[i].digits ? read_hex(p, escapes[i].digits) : (uint8_t)escapes[i].value;
    }
    refuse(p, "an unknown escape: \\x \\u \\U \\t \\r \\n \\\\ \\\" \\[ \\] are known");
    return 0;
}

static expr parse_literal(parser *p) {
    static const char unfinished[] = "the literal has no closing \"";
    buffer text = {0};
    p->at++;
    while (!failed(p) && peek(p, 0) != '"') {
        uint8_t bytes[4];
        const uint32_t c = read_char(p, unfinished);
        if (!failed(p)) p->b.code = buffer_add(&text, bytes, utf8_put(bytes, c), p->b.e);
    }
    p->at++;
    const expr x = failed(p) ? EXPR_NEVER : expr_bytes(&p->b, buffer_slice(&text));
    buffer_free(&text);
    return x;
}

static expr parse_class(parser *p) {
    static const char unfinished[] = "the class has no closing ]";
    char_range ranges[RANGES_MAX + 1], others[RANGES_MAX + 2];
    const size_t start = p->at++;
    const bool negated = peek(p, 0) == '^';
    size_t n = 0;
    p->at += negated;
    while (!failed(p) && peek(p, 0) != ']') {
        const size_t at = p->at;
        char_range r;
        r.first = r.last = read_char(p, unfinished);
        if (peek(p, 0) == '-' && peek(p, 1) != ']') {
            p->at++;
            r.last = read_char(p, unfinished);
        }
        if (!failed(p) && r.last < r.first) refuse_at(p, at, "a range goes backwards");
        if (!failed(p) && n == RANGES_MAX / 2) refuse_at(p, at, "a class has too many ranges");
        if (!failed(p)) ranges[n++] = r;
    }
    if (!failed(p) && n == 0) refuse_at(p, start, "a class without characters");
    p->at++;
    if (failed(p) || !negated) return failed(p) ? EXPR_NEVER : expr_chars(&p->b, ranges, n);
    n = ranges_complement(others, ranges, ranges_normalize(ranges, n));
    return expr_chars(&p->b, others, n);
}

static expr parse_any(parser *p) {
    p->at++;
    return expr_chars(&p->b, &(char_range){0, 0x10ffff}, 1);
}

/* ---- repetition ---- */

static uint32_t read_number(parser *p) {
    uint32_t value = 0;
    const size_t start = p->at;
    while (peek(p, 0) >= '0' && peek(p, 0) <= '9' && value <= GRAMMAR_REPEAT_MAX) value = 10 * value + (uint32_t)(p->in.p[p->at++] - '0');
    if (p->at == start) refuse(p, "a repetition wants a number here");
    if (value > GRAMMAR_REPEAT_MAX) refuse_at(p, start, "more repetitions than 100000");
    return value;
}

/* At {: {m}, {m,} or {m,n}. */
static expr parse_braces(parser *p, expr x) {
    const size_t start = p->at++;
    skip_spaces(p, false);
    const uint32_t min = read_number(p);
    uint32_t max = min;
    skip_spaces(p, false);
    if (peek(p, 0) == ',') {
        p->at++;
        skip_spaces(p, false);
        max = peek(p, 0) == '}' ? REPEAT_ENDLESS : read_number(p);
        skip_spaces(p, false);
    }
    if (!failed(p) && peek(p, 0) != '}') refuse(p, "a repetition ends with }");
    if (!failed(p) && max < min) refuse_at(p, start, "a repetition with less at most than at least");
    p->at++;
    return failed(p) ? EXPR_NEVER : expr_repeat(&p->b, x, min, max);
}

static expr parse_repetitions(parser *p, expr x, bool lines) {
    for (; !failed(p); skip_spaces(p, lines)) {
        const int c = peek(p, 0);
        if (c == '{') {
            x = parse_braces(p, x);
        } else if (c == '*' || c == '+' || c == '?') {
            x = expr_repeat(&p->b, x, c == '+', c == '?' ? 1 : REPEAT_ENDLESS);
            p->at++;
        } else {
            break;
        }
    }
    return x;
}

/* ---- rules ---- */

static expr parse_choice(parser *p, bool lines);

static slice read_name(parser *p) {
    const size_t start = p->at;
    while (is_name(peek(p, 0))) p->at++;
    return slice_part(p->in, start, p->at);
}

static uint32_t rule_here(parser *p, size_t at, slice name) {
    const uint32_t rule = builder_rule(&p->b, name);
    if (failed(p)) return 0;
    build_rule *r = &p->b.rules[rule];
    if (!r->line) find_place(p, at, &r->line, &r->column);
    return rule;
}

static expr parse_reference(parser *p) {
    const size_t at = p->at;
    const uint32_t rule = rule_here(p, at, read_name(p));
    return expr_rule(&p->b, rule);
}

static expr parse_group(parser *p) {
    const size_t start = p->at++;
    if (++p->depth > GRAMMAR_DEPTH_MAX) refuse_at(p, start, "groups nested deeper than 200");
    skip_spaces(p, true);
    const expr x = failed(p) ? EXPR_NEVER : parse_choice(p, true);
    p->depth--;
    if (!failed(p) && peek(p, 0) != ')') refuse_at(p, start, "the group that begins here has no closing )");
    p->at++;
    return x;
}

static expr parse_token(parser *p) {
    refuse(p, "references to tokens (<[id]>, <token>) are not supported");
    return EXPR_NEVER;
}

typedef struct item {
    char first;
    expr (*parse)(parser *p);
} item;

static const item items[] = {{'"', parse_literal}, {'[', parse_class}, {'(', parse_group}, {'.', parse_any}, {'<', parse_token}, {'!', parse_token}};

/* NULL: no item begins here. */
static expr (*item_parser(int c))(parser *p) {
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        if (c == items[i].first) return items[i].parse;
    }
    return is_name(c) ? parse_reference : NULL;
}

/* A sequence may be empty: then its choice is the empty text. Inside groups lines do not matter. */
static expr parse_sequence(parser *p, bool lines) {
    expr x = EXPR_EMPTY;
    while (!failed(p)) {
        const int c = peek(p, 0);
        expr (*parse)(parser *) = item_parser(c);
        if (!parse && c >= 0 && strchr("*+?{", c)) refuse(p, "nothing stands before this repetition");
        if (!parse) break;
        expr part = parse(p);
        skip_spaces(p, lines);
        part = parse_repetitions(p, part, lines);
        x = expr_then(&p->b, x, part);
    }
    return x;
}

/* Does the next line go on with a |? */
static bool goes_on(parser *p) {
    const size_t at = p->at;
    skip_spaces(p, true);
    if (peek(p, 0) == '|') return true;
    p->at = at;
    return false;
}

static expr parse_choice(parser *p, bool lines) {
    expr x = parse_sequence(p, lines);
    while (!failed(p) && goes_on(p)) {
        p->at++;
        skip_spaces(p, true);
        x = expr_or(&p->b, x, parse_sequence(p, lines));
    }
    return x;
}

static void parse_rule(parser *p) {
    const size_t at = p->at;
    const slice name = read_name(p);
    if (name.n == 0) {
        refuse(p, "the name of a rule belongs here");
        return;
    }
    const uint32_t rule = rule_here(p, at, name);
    skip_spaces(p, false);
    if (!failed(p) && !(peek(p, 0) == ':' && peek(p, 1) == ':' && peek(p, 2) == '=')) refuse(p, "::= belongs here");
    if (failed(p)) return;
    if (p->b.rules[rule].defined) {
        refuse_at(p, at, "this rule is defined already");
        return;
    }
    p->b.rules[rule].defined = true;
    find_place(p, at, &p->b.rules[rule].line, &p->b.rules[rule].column);
    p->at += 3;
    skip_spaces(p, true);
    const expr body = parse_choice(p, false);
    if (failed(p)) return;
    p->b.rules[rule].body = body;
    const int c = peek(p, 0);
    if (c >= 0 && c != '\n' && c != '\r') refuse(p, "neither a part of a rule nor the end of a line");
}

static uint32_t parse_all(parser *p) {
    const size_t valid = utf8_valid(p->in);
    if (valid != p->in.n) refuse_at(p, valid, "this is not UTF-8");
    skip_spaces(p, true);
    while (!failed(p) && p->at < p->in.n) {
        parse_rule(p);
        skip_spaces(p, true);
    }
    const uint32_t root = builder_rule(&p->b, slice_of("root"));
    if (!failed(p) && !p->b.rules[root].defined) builder_fail(&p->b, E_FILE, "there is no rule 'root'");
    return root;
}

status grammar_open(grammar **out, const char *text, size_t bytes, error *e) {
    *out = NULL;
    if (bytes > GRAMMAR_BYTES_MAX) return fail(e, E_FILE, "%zu bytes are more than the %d that a grammar may have", bytes, GRAMMAR_BYTES_MAX);
    parser p = {.in = {(const uint8_t *)text, bytes}};
    builder_open(&p.b, e);
    const uint32_t root = parse_all(&p);
    const status code = builder_finish(&p.b, root, "rule", out);
    builder_close(&p.b);
    return code;
}
