#include "text/jinja_lex.h"

#include "text/unicode.h"

enum { BRACKETS_MAX = 256 };

typedef struct lexer {
    run *x;
    tokens *out;
    const letter *s;
    size_t n, at;
    size_t counted, line;    /* line of the letter `counted` */
    bool line_starting;      /* was the last thing read a line end? */
    char open[BRACKETS_MAX]; /* what closes the brackets that are open */
    size_t n_open;
} lexer;

/* ---- small matters ---- */

static size_t line_at(lexer *l, size_t at) {
    for (; l->counted < at; l->counted++) l->line += l->s[l->counted] == '\n';
    return l->line;
}

static status refuse(lexer *l, size_t at, const char *what) {
    l->x->line = line_at(l, at);
    return run_fail(l->x, SYNTAX_ERROR, "%s", what);
}

static bool here(const lexer *l, size_t at, const char *ascii) {
    for (size_t i = 0; ascii[i]; i++) {
        if (at + i >= l->n || l->s[at + i] != (letter)ascii[i]) return false;
    }
    return true;
}

static size_t skip_space(const lexer *l, size_t at) {
    while (at < l->n && letter_space(l->s[at])) at++;
    return at;
}

static status emit(lexer *l, token_type type, size_t begin, size_t end) {
    tokens *t = l->out;
    if (t->n == t->room) {
        const size_t room = t->room ? 2 * t->room : 256;
        token *list;
        TRY(run_take(l->x, room, sizeof *list, &list));
        if (t->n) memcpy(list, t->list, t->n * sizeof *list);
        t->list = list;
        t->room = room;
    }
    t->list[t->n++] = (token){type, (uint32_t)begin, (uint32_t)end, (uint32_t)line_at(l, begin)};
    return OK;
}

/* Where reading goes on after [.., at): remembers whether a line has just ended. */
static void move_to(lexer *l, size_t at) {
    l->line_starting = at > 0 && l->s[at - 1] == '\n';
    l->at = at;
}

/* The end of a tag at `at`: "-%}" takes the white space behind it along, "%}" one line end where `trims`, "+%}" nothing. 0: no end here. */
static size_t tag_end(const lexer *l, size_t at, const char *close, bool plus, bool trims) {
    if (here(l, at, "-") && here(l, at + 1, close)) return skip_space(l, at + 3);
    if (plus && here(l, at, "+") && here(l, at + 1, close)) return at + 3;
    if (!here(l, at, close)) return 0;
    return at + 2 + (trims && here(l, at + 2, "\n"));
}

/* ---- outside of tags ---- */

/* Text before a tag, without the white space that the tag takes away: all of it for "-", the indentation of a line that has nothing else before a tag
 * that is not printed. */
static status emit_data(lexer *l, size_t end, letter sign, bool printed) {
    const size_t begin = l->at;
    if (sign == '-') {
        while (end > begin && letter_space(l->s[end - 1])) end--;
    } else if (sign != '+' && !printed) {
        size_t line = end;
        while (line > begin && l->s[line - 1] != '\n') line--;
        if ((line > begin || l->line_starting) && skip_space(l, line) >= end) end = line;
    }
    return end > begin ? emit(l, TOKEN_DATA, begin, end) : OK;
}

static letter sign_at(const lexer *l, size_t at) {
    return here(l, at, "-") || here(l, at, "+") ? l->s[at] : 0;
}

/* "{%- raw -%}" at `at`: the place behind it, or 0. */
static size_t raw_begin(const lexer *l, size_t at) {
    at = skip_space(l, at + 2 + (sign_at(l, at + 2) != 0));
    return here(l, at, "raw") ? tag_end(l, skip_space(l, at + 3), "%}", false, false) : 0;
}

static size_t raw_end(const lexer *l, size_t at) {
    if (!here(l, at, "{%")) return 0;
    at = skip_space(l, at + 2 + (sign_at(l, at + 2) != 0));
    return here(l, at, "endraw") ? tag_end(l, skip_space(l, at + 6), "%}", true, true) : 0;
}

static status read_raw(lexer *l, size_t begin) {
    move_to(l, begin);
    for (size_t i = begin; i < l->n; i++) {
        if (l->s[i] != '{') continue;
        const size_t end = raw_end(l, i);
        if (!end) continue;
        TRY(emit_data(l, i, sign_at(l, i + 2), false));
        move_to(l, end);
        return OK;
    }
    return refuse(l, begin, "Missing end of raw directive");
}

static status skip_comment(lexer *l, size_t begin) {
    for (size_t i = begin; i < l->n; i++) {
        const size_t end = tag_end(l, i, "#}", true, true);
        if (!end) continue;
        move_to(l, end);
        return OK;
    }
    return refuse(l, begin, "Missing end of comment tag");
}

/* ---- inside of tags ---- */

static size_t digits(const lexer *l, size_t at) { /* (\d+_)*\d+ */
    size_t i = at;
    while (i < l->n && (l->s[i] - '0' < 10 || (l->s[i] == '_' && i > at && l->s[i - 1] != '_' && i + 1 < l->n && l->s[i + 1] - '0' < 10))) i++;
    return i;
}

/* The end of a float at `at`, or `at`. */
static size_t float_end(const lexer *l, size_t at) {
    if (at > 0 && l->s[at - 1] == '.') return at;
    const size_t whole = digits(l, at);
    if (whole == at) return at;
    const size_t part = here(l, whole, ".") ? digits(l, whole + 1) : whole;
    const size_t mantissa = part > whole + 1 ? part : whole;
    if (mantissa < l->n && (l->s[mantissa] | 0x20) == 'e') {
        const size_t power = mantissa + 1 + (sign_at(l, mantissa + 1) != 0), end = digits(l, power);
        if (end > power) return end;
    }
    return mantissa > whole ? mantissa : at;
}

static bool digit_of(letter c, unsigned base) {
    const unsigned d = c - '0' < 10 ? c - '0' : (c | 0x20) - 'a' < 6 ? (c | 0x20) - 'a' + 10 : 99;
    return d < base;
}

static size_t integer_end(const lexer *l, size_t at) {
    const letter second = at + 1 < l->n && l->s[at] == '0' ? l->s[at + 1] | 0x20 : 0;
    const unsigned base = second == 'b' ? 2 : second == 'o' ? 8 : second == 'x' ? 16 : l->s[at] == '0' ? 1 : 10;
    const bool prefixed = base == 2 || base == 8 || base == 16;
    size_t i = at + (prefixed ? 2 : 0), end = prefixed ? at + 1 : at;
    for (;;) {
        if (i > at && i < l->n && l->s[i] == '_') i++;
        if (i >= l->n || !digit_of(l->s[i], base)) break;
        end = ++i;
    }
    return prefixed && end == at + 1 ? at + 1 : end; /* "0x" without digits is the number 0 */
}

static size_t string_end(const lexer *l, size_t at) {
    for (size_t i = at + 1; i < l->n; i++) {
        if (l->s[i] == '\\') {
            i++;
        } else if (l->s[i] == l->s[at]) {
            return i + 1;
        }
    }
    return at;
}

static const char *const long_signs[] = {"//", "**", "==", "!=", ">=", "<=", NULL};

static size_t sign_end(const lexer *l, size_t at) {
    for (const char *const *s = long_signs; *s; s++) {
        if (here(l, at, *s)) return at + 2;
    }
    return l->s[at] < 0x80 && strchr("+-/*%~[](){}><=.:|,;", (int)l->s[at]) ? at + 1 : at;
}

static size_t name_end(const lexer *l, size_t at) {
    size_t i = at;
    while (i < l->n && unicode_word(l->s[i])) i++;
    return i;
}

static status balance(lexer *l, size_t at) {
    static const char opening[] = "([{", closing[] = ")]}";
    const char c = (char)l->s[at];
    const char *open = strchr(opening, c), *close = strchr(closing, c);
    char what[64];
    if (open) {
        if (l->n_open == BRACKETS_MAX) return refuse(l, at, "brackets are nested too deeply");
        l->open[l->n_open++] = closing[open - opening];
    } else if (close && !l->n_open) {
        snprintf(what, sizeof what, "unexpected '%c'", c);
        return refuse(l, at, what);
    } else if (close && l->open[--l->n_open] != c) {
        snprintf(what, sizeof what, "unexpected '%c', expected '%c'", c, l->open[l->n_open]);
        return refuse(l, at, what);
    }
    return OK;
}

/* What a token may be, in the order in which it is tried. */
static const struct lexeme {
    token_type type;
    size_t (*end)(const lexer *l, size_t at); /* `at`: is none */
    const char *first;                        /* ASCII characters that it begins with, or NULL: any */
} lexemes[] = {
    {TOKEN_FLOAT, float_end, "0123456789"}, {TOKEN_INTEGER, integer_end, "0123456789"},
    {TOKEN_NAME, name_end, NULL},           {TOKEN_STRING, string_end, "'\""},
    {TOKEN_SIGN, sign_end, NULL},
};

static status read_token(lexer *l) {
    const letter c = l->s[l->at];
    for (size_t i = 0; i < sizeof lexemes / sizeof *lexemes; i++) {
        const struct lexeme *k = &lexemes[i];
        if (k->first && !(c < 0x80 && c && strchr(k->first, (int)c))) continue;
        const size_t end = k->end(l, l->at);
        if (end == l->at) continue;
        if (k->type == TOKEN_SIGN) TRY(balance(l, l->at));
        TRY(emit(l, k->type, l->at, end));
        move_to(l, end);
        return OK;
    }
    char what[64];
    snprintf(what, sizeof what, "unexpected character U+%04X", (unsigned)c);
    return refuse(l, l->at, what);
}

/* The rest of a tag: tokens up to its end. */
static status read_tag(lexer *l, const char *close, bool block) {
    l->n_open = 0;
    for (;;) {
        move_to(l, skip_space(l, l->at));
        if (l->at >= l->n) return OK; /* the parser says what is missing */
        const size_t end = l->n_open ? 0 : tag_end(l, l->at, close, block, block);
        if (end) {
            TRY(emit(l, block ? TOKEN_BLOCK_END : TOKEN_PRINT_END, l->at, end));
            move_to(l, end);
            return OK;
        }
        TRY(read_token(l));
    }
}

/* ---- all of it ---- */

static status read_from_tag(lexer *l, size_t at) {
    const letter kind = l->s[at + 1], sign = sign_at(l, at + 2);
    TRY(emit_data(l, at, sign, kind == '{'));
    const size_t inside = at + 2 + (sign != 0), raw = kind == '%' ? raw_begin(l, at) : 0;
    if (raw) return read_raw(l, raw);
    if (kind == '#') return skip_comment(l, inside);
    TRY(emit(l, kind == '%' ? TOKEN_BLOCK_BEGIN : TOKEN_PRINT_BEGIN, at, inside));
    move_to(l, inside);
    return read_tag(l, kind == '%' ? "%}" : "}}", kind == '%');
}

static status read_all(lexer *l) {
    while (l->at < l->n) {
        size_t i = l->at;
        while (i < l->n && !(here(l, i, "{%") || here(l, i, "{{") || here(l, i, "{#"))) i++;
        if (i == l->n) {
            TRY(emit(l, TOKEN_DATA, l->at, i));
            break;
        }
        TRY(read_from_tag(l, i));
    }
    return emit(l, TOKEN_END, l->n, l->n);
}

status lex_template(run *x, value source, tokens *out) {
    letter *s;
    size_t n = 0;
    TRY(run_take(x, source.n + 1, sizeof *s, &s));
    for (size_t i = 0; i < source.n; i++) {
        const bool pair = source.text[i] == '\r' && i + 1 < source.n && source.text[i + 1] == '\n';
        if (!pair) s[n++] = source.text[i] == '\r' ? '\n' : source.text[i];
    }
    if (n && s[n - 1] == '\n') n--;
    *out = (tokens){.source = s, .n_source = n};
    lexer l = {.x = x, .out = out, .s = s, .n = n, .line = 1, .line_starting = true};
    return read_all(&l);
}

/* ---- what tokens stand for ---- */

value token_text(const tokens *t, const token *at) {
    return value_of_letters(t->source + at->begin, at->end - at->begin);
}

static const char escapes[][2] = {{'\\', '\\'}, {'\'', '\''}, {'"', '"'}, {'a', 7}, {'b', 8}, {'f', 12}, {'n', 10}, {'r', 13}, {'t', 9}, {'v', 11}};

/* "\x", "\u" and "\U" take so many hexadecimal digits. */
static size_t escape_digits(letter c) {
    return c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
}

/* The escape behind the backslash at s[*i]; *i moves to its last letter. Puts nothing for a line end. */
static status put_escape(run *x, const letter *s, size_t n, size_t *i, writer *out) {
    const letter c = s[++*i];
    for (size_t k = 0; k < sizeof escapes / sizeof *escapes; k++) {
        if (c == (letter)escapes[k][0]) return text_put_one(x, out, (letter)escapes[k][1]);
    }
    if (c == '\n') return OK;
    uint32_t code = 0;
    if (c - '0' < 8) {
        for (size_t k = 0; k < 3 && *i < n && s[*i] - '0' < 8; k++) code = code * 8 + (s[(*i)++] - '0');
        --*i;
        return text_put_one(x, out, code);
    }
    const size_t want = escape_digits(c);
    if (c == 'N') return run_fail(x, SYNTAX_ERROR, "names of characters are not supported");
    if (!want) {
        TRY(text_put_one(x, out, '\\'));
        return text_put_one(x, out, c);
    }
    for (size_t k = 0; k < want; k++) {
        if (*i + 1 >= n || !digit_of(s[*i + 1], 16)) return run_fail(x, SYNTAX_ERROR, "truncated \\%c escape", (char)c);
        const letter d = s[++*i];
        code = code * 16 + (d - '0' < 10 ? d - '0' : (d | 0x20) - 'a' + 10);
    }
    if (code > 0x10ffff) return run_fail(x, SYNTAX_ERROR, "illegal Unicode character");
    return text_put_one(x, out, code);
}

status token_string(run *x, const tokens *t, const token *at, writer *out) {
    const letter *s = t->source;
    for (size_t i = at->begin + 1; i + 1 < at->end; i++) {
        if (s[i] == '\\') {
            TRY(put_escape(x, s, at->end - 1, &i, out));
        } else {
            TRY(text_put_one(x, out, s[i]));
        }
    }
    return OK;
}

status token_number(run *x, const tokens *t, const token *at, value *out) {
    const value s = token_text(t, at);
    if (at->type == TOKEN_FLOAT) {
        *out = value_of_real(0, false);
        return number_parse_real(s, &out->real) ? OK : run_fail(x, SYNTAX_ERROR, "a number that cannot be read");
    }
    *out = value_of_int(0, false);
    return number_parse_int(s, 0, &out->whole) ? OK : run_fail(x, SYNTAX_ERROR, "a number of more than 127 bits");
}
