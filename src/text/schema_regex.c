/* schema_regex.c: the patterns of JSON Schema (regular expressions of ECMAScript, read as Unicode) as far as they are regular: what looks around, back
 * or at words is refused by name. Greedy or not makes no difference to what is matched. */
#include <stdarg.h>
#include <stdio.h>

#include "text/schema_compile.h"
#include "text/unicode.h"

enum { CLASS_MAX = RANGES_MAX / 8 };

typedef struct regex {
    schema_compiler *c;
    slice in;
    size_t at, depth;
    bool anchored; /* as a whole */
} regex;

typedef struct char_class {
    char_range ranges[CLASS_MAX + 2];
    size_t n;
} char_class;

static void refuse(regex *r, const char *what) {
    schema_fail(r->c, "pattern \"%.*s\": %s at %zu", QUOTED(r->in), what, r->at);
}

static bool failed(const regex *r) {
    return r->c->b.code != OK;
}

static int peek(const regex *r, size_t ahead) {
    return r->at + ahead < r->in.n ? r->in.p[r->at + ahead] : -1;
}

/* ---- classes ---- */

static const char_range digits[] = {{'0', '9'}};
static const char_range words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const char_range spaces[] = {{9, 13},          {' ', ' '},       {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
                                    {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}};
static const char_range line_ends[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

#define RANGES(list) list, sizeof list / sizeof *list

typedef struct named_class { /* the capital letter is the complement */
    char letter;
    const char_range *ranges;
    size_t n;
} named_class;

static const named_class named[] = {{'d', RANGES(digits)}, {'w', RANGES(words)}, {'s', RANGES(spaces)}};

static void add_ranges(regex *r, char_class *k, const char_range *ranges, size_t n) {
    if (k->n + n > CLASS_MAX) {
        refuse(r, "a class has too many ranges");
        return;
    }
    memcpy(k->ranges + k->n, ranges, n * sizeof *ranges);
    k->n += n;
}

static void complement(char_class *k) {
    char_range out[CLASS_MAX + 3];
    const size_t sorted = ranges_normalize(k->ranges, k->n);
    k->n = ranges_complement(out, k->ranges, sorted);
    memcpy(k->ranges, out, k->n * sizeof *out);
}

/* \d and the like, behind the backslash; false: none of them. */
static bool read_named(regex *r, char_class *k) {
    const int letter = peek(r, 0);
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if ((letter | 0x20) != named[i].letter) continue;
        char_class one = {.n = 0};
        add_ranges(r, &one, named[i].ranges, named[i].n);
        if (letter != named[i].letter) complement(&one);
        add_ranges(r, k, one.ranges, one.n);
        r->at++;
        return true;
    }
    return false;
}

/* ---- characters ---- */

static int hex_digit(int c) {
    if (c >= '0' && c <= '9') return c - '0';
    const int lower = c | 0x20;
    return c >= 'A' && lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static uint32_t read_code(regex *r, size_t wanted) {
    uint32_t value = 0;
    const bool braces = wanted == 4 && peek(r, 0) == '{';
    size_t n = 0;
    r->at += braces;
    for (int digit; n < (braces ? 6 : wanted) && (digit = hex_digit(peek(r, 0))) >= 0; n++, r->at++) value = value << 4 | (uint32_t)digit;
    if ((!braces && n < wanted) || n == 0 || (braces && peek(r, 0) != '}')) refuse(r, "an unfinished code of a character");
    if (value == 0 || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) refuse(r, "the code of no character");
    r->at += braces;
    return value;
}

/* Behind a backslash. */
static uint32_t read_escape(regex *r) {
    static const char letters[] = "nrtfv", values[] = "\n\r\t\f\v";
    const int c = peek(r, 0);
    const char *at = c > 0 ? strchr(letters, c) : NULL;
    const bool letter = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    if (c < 0 || c >= 0x80 || (letter && !at && c != 'x' && c != 'u')) {
        refuse(r, "this escape is not supported");
        return 0;
    }
    r->at++;
    if (at) return (uint8_t)values[at - letters];
    return letter ? read_code(r, c == 'x' ? 2 : 4) : (uint32_t)c;
}

static uint32_t read_char(regex *r) {
    const int c = peek(r, 0);
    if (c == '\\') {
        r->at++;
        return read_escape(r);
    }
    const uint32_t value = utf8_get(r->in.p + r->at);
    r->at += utf8_length((uint8_t)c);
    return value;
}

static void read_class_part(regex *r, char_class *k) {
    if (peek(r, 0) == '\\') {
        r->at++;
        if (read_named(r, k)) return;
        if (peek(r, 0) == 'b') {
            r->at++;
            add_ranges(r, k, &(char_range){8, 8}, 1);
            return;
        }
        r->at--;
    }
    char_range range;
    range.first = range.last = read_char(r);
    if (peek(r, 0) == '-' && peek(r, 1) != ']' && peek(r, 1) >= 0) {
        const size_t at = r->at++;
        range.last = read_char(r);
        if (range.last < range.first) {
            r->at = at;
            refuse(r, "a range goes backwards");
        }
    }
    add_ranges(r, k, &range, 1);
}

static expr parse_class(regex *r) {
    char_class k = {.n = 0};
    r->at++;
    const bool negated = peek(r, 0) == '^';
    r->at += negated;
    while (!failed(r) && peek(r, 0) >= 0 && peek(r, 0) != ']') read_class_part(r, &k);
    if (!failed(r) && peek(r, 0) < 0) refuse(r, "a class without its ]");
    if (!failed(r) && k.n == 0) refuse(r, "a class without characters");
    if (failed(r)) return EXPR_NEVER;
    r->at++;
    if (negated) complement(&k);
    return schema_string_class(r->c, k.ranges, k.n);
}

/* ---- parts ---- */

static expr parse_choice(regex *r, bool top);

static expr parse_group(regex *r) {
    r->at++;
    if (peek(r, 0) == '?') {
        if (peek(r, 1) == ':') {
            r->at += 2;
        } else if (peek(r, 1) == '<' && peek(r, 2) != '=' && peek(r, 2) != '!') {
            while (peek(r, 0) >= 0 && peek(r, 0) != '>') r->at++;
            r->at++;
        } else {
            refuse(r, "looking around is not supported");
        }
    }
    if (++r->depth > GRAMMAR_DEPTH_MAX) refuse(r, "groups nested too deep");
    const expr x = failed(r) ? EXPR_NEVER : parse_choice(r, false);
    r->depth--;
    if (!failed(r) && peek(r, 0) != ')') refuse(r, "a group without its )");
    r->at++;
    return x;
}

static expr parse_any(regex *r) {
    char_class k = {.n = 0};
    add_ranges(r, &k, RANGES(line_ends));
    complement(&k);
    r->at++;
    return schema_string_class(r->c, k.ranges, k.n);
}

static expr parse_escape(regex *r) {
    char_class k = {.n = 0};
    r->at++;
    if (read_named(r, &k)) return schema_string_class(r->c, k.ranges, k.n);
    const uint32_t value = read_escape(r);
    return failed(r) ? EXPR_NEVER : schema_string_class(r->c, &(char_range){value, value}, 1);
}

static expr parse_refused(regex *r) {
    const int c = peek(r, 0);
    refuse(r, c == '^' || c == '$' ? "an anchor inside is not supported" : "nothing stands before this, or it has no partner,");
    return EXPR_NEVER;
}

static expr parse_plain(regex *r) {
    const uint32_t value = read_char(r);
    return failed(r) ? EXPR_NEVER : schema_string_class(r->c, &(char_range){value, value}, 1);
}

typedef struct part {
    char first;
    expr (*parse)(regex *r);
} part;

static const part parts[] = {{'[', parse_class},   {'(', parse_group},   {'.', parse_any},     {'\\', parse_escape},
                             {'^', parse_refused}, {'$', parse_refused}, {'*', parse_refused}, {'+', parse_refused},
                             {'?', parse_refused}, {'{', parse_refused}, {'}', parse_refused}, {']', parse_refused}};

static expr parse_part(regex *r) {
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (peek(r, 0) == parts[i].first) return parts[i].parse(r);
    }
    return parse_plain(r);
}

static uint32_t read_number(regex *r) {
    uint32_t value = 0;
    const size_t start = r->at;
    while (peek(r, 0) >= '0' && peek(r, 0) <= '9' && value <= GRAMMAR_REPEAT_MAX) value = 10 * value + (uint32_t)(r->in.p[r->at++] - '0');
    if (r->at == start) refuse(r, "a repetition wants a number");
    if (value > GRAMMAR_REPEAT_MAX) refuse(r, "too many repetitions");
    return value;
}

static expr parse_braces(regex *r, expr x) {
    r->at++;
    const uint32_t min = read_number(r);
    uint32_t max = min;
    if (peek(r, 0) == ',') {
        r->at++;
        max = peek(r, 0) == '}' ? REPEAT_ENDLESS : read_number(r);
    }
    if (!failed(r) && (peek(r, 0) != '}' || max < min)) refuse(r, "a repetition is not {m}, {m,} or {m,n}");
    r->at++;
    return failed(r) ? EXPR_NEVER : expr_repeat(&r->c->b, x, min, max);
}

static expr parse_repetition(regex *r, expr x) {
    const int c = peek(r, 0);
    if (c == '{') {
        x = parse_braces(r, x);
    } else if (c == '*' || c == '+' || c == '?') {
        x = expr_repeat(&r->c->b, x, c == '+', c == '?' ? 1 : REPEAT_ENDLESS);
        r->at++;
    } else {
        return x;
    }
    if (peek(r, 0) == '?') r->at++; /* as few as possible: the same texts */
    return x;
}

static bool at_end(const regex *r) {
    return peek(r, 0) < 0 || peek(r, 0) == '|' || peek(r, 0) == ')';
}

/* One alternative; only at the top may it be anchored, and there what it does not anchor may be anything. */
static expr parse_sequence(regex *r, bool top) {
    builder *b = &r->c->b;
    expr x = EXPR_EMPTY;
    const expr rest = top && !r->anchored ? expr_repeat(b, schema_string_char(r->c, false), 0, REPEAT_ENDLESS) : EXPR_EMPTY;
    if (top && peek(r, 0) == '^') {
        r->at++;
    } else {
        x = rest;
    }
    while (!failed(r) && !at_end(r)) {
        if (top && peek(r, 0) == '$' && (r->at + 1 == r->in.n || peek(r, 1) == '|')) {
            r->at++;
            return x;
        }
        x = expr_then(b, x, parse_repetition(r, parse_part(r)));
    }
    return expr_then(b, x, rest);
}

static expr parse_choice(regex *r, bool top) {
    expr x = parse_sequence(r, top);
    while (!failed(r) && peek(r, 0) == '|') {
        r->at++;
        x = expr_or(&r->c->b, x, parse_sequence(r, top));
    }
    return x;
}

expr schema_regex(schema_compiler *c, slice pattern, bool anchored) {
    regex r = {.c = c, .in = pattern, .anchored = anchored};
    if (utf8_valid(pattern) != pattern.n) {
        refuse(&r, "no UTF-8");
        return EXPR_NEVER;
    }
    const expr x = parse_choice(&r, true);
    if (!failed(&r) && r.at < r.in.n) refuse(&r, "a ) without its group");
    return failed(&r) ? EXPR_NEVER : x;
}
