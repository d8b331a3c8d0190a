/* regex_syntax.c: from the regular expressions of tokenizer.json (Oniguruma, Ruby syntax, Unicode 16) to the same meaning in PCRE2 10.42 (Unicode 14).
 *
 * What means the same is copied, what means something else is rewritten, and what is not known here is refused by name. Measured on all
 * code points: \s of the two differs in U+180E, general categories differ in the code points of unicode_new only. */
#include <stdio.h>

#include "text/pattern.h"
#include "text/unicode.h"

typedef struct translator {
    slice in;
    size_t at;
    buffer *out;
    bool in_class;
    error *e;
} translator;

typedef struct escape { /* \letter as members of a class; an upper-case letter is the complement */
    char letter;
    const char *members, *complement; /* the complement is needed inside classes only */
} escape;

static const escape escapes[] = {
    {'s', "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}",
     "\\x00-\\x08\\x0e-\\x1f\\x21-\\x84\\x86-\\x9f\\xa1-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}"
     "\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"},
    {'h', "0-9A-Fa-f", "\\x00-/:-@G-`g-\\x{10ffff}"},
};

static status add(translator *t, const char *text) {
    return buffer_add(t->out, text, strlen(text), t->e);
}

static status refuse(const translator *t, const char *what) {
    return fail(t->e, E_FILE, "regex \"%.*s\": %s at %zu is not supported", QUOTED(t->in), what, t->at);
}

static int peek(const translator *t, size_t ahead) {
    return t->at + ahead < t->in.n ? t->in.p[t->at + ahead] : -1;
}

static bool is_letter(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The members of a class, or the complement, in brackets where the expression stands outside a class. */
static status add_class(translator *t, bool complement, const char *members, const char *others) {
    if (t->in_class) return add(t, complement ? others : members);
    TRY(add(t, complement ? "[^" : "["));
    TRY(add(t, members));
    return add(t, "]");
}

/* Code points of the category that PCRE2 does not know yet. */
static status add_new(translator *t, const char *category) {
    const size_t n = strlen(category);
    for (size_t i = 0; i < n_unicode_new; i++) {
        const unicode_range *r = &unicode_new[i];
        if (strncmp(r->category, category, n) != 0) continue;
        char range[40];
        snprintf(range, sizeof range, "\\x{%x}-\\x{%x}", r->first, r->last);
        TRY(add(t, range));
    }
    return OK;
}

/* A general category of one or two letters, or a script; a name PCRE2 does not know is refused when it compiles. */
static status add_property(translator *t, const char *name, bool complement) {
    char text[80];
    const bool category = strlen(name) <= 2;
    snprintf(text, sizeof text, "\\%c{%s%s}", complement && t->in_class ? 'P' : 'p', category ? "" : "sc:", name);
    if (!t->in_class) TRY(add(t, complement ? "[^" : "["));
    TRY(add(t, text));
    if (category && !(complement && t->in_class)) TRY(add_new(t, name));
    return t->in_class ? OK : add(t, "]");
}

/* At \p{...} or \P{...}. */
static status translate_property(translator *t) {
    char name[40];
    size_t n = 0, i = 3;
    bool complement = peek(t, 1) == 'P';
    if (peek(t, 2) != '{') return refuse(t, "\\p without {");
    if (peek(t, i) == '^') complement = !complement, i++;
    while ((is_letter(peek(t, i)) || peek(t, i) == '_') && n + 1 < sizeof name) name[n++] = (char)peek(t, i++);
    name[n] = 0;
    if (peek(t, i) != '}' || n == 0) return refuse(t, "this property");
    TRY(add_property(t, name, complement));
    t->at += i + 1;
    return OK;
}

/* At \uHHHH of Ruby. */
static status translate_code(translator *t) {
    char code[16];
    for (size_t i = 2; i < 6; i++) {
        const int c = peek(t, i);
        if (c < 0 || !strchr("0123456789abcdefABCDEF", c) || c == 0) return refuse(t, "\\u without four digits");
    }
    snprintf(code, sizeof code, "\\x{%.4s}", (const char *)t->in.p + t->at + 2);
    t->at += 6;
    return add(t, code);
}

/* At a backslash. */
static status translate_escape(translator *t) {
    const int c = peek(t, 1);
    const int lower = c | 0x20;
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        if (is_letter(c) && escapes[i].letter == lower) {
            t->at += 2;
            return add_class(t, c != lower, escapes[i].members, escapes[i].complement);
        }
    }
    if (is_letter(c) && lower == 'd') {
        t->at += 2;
        return add_property(t, "Nd", c == 'D');
    }
    if (is_letter(c) && lower == 'p') return translate_property(t);
    if (c == 'u') return translate_code(t);
    if (c == 'v') {
        t->at += 2;
        return add(t, "\\x0b");
    }
    const bool same = c > 0 && c < 0x80 && (strchr("rntfaex", c) || (!t->in_class && strchr("AzZ", c)) || (!is_letter(c) && !(c >= '0' && c <= '9')));
    if (!same) {
        char what[8];
        snprintf(what, sizeof what, "\\%c", c > 0 && c < 0x7f && c >= ' ' ? c : '?');
        return refuse(t, what);
    }
    TRY(buffer_add(t->out, t->in.p + t->at, 2, t->e));
    t->at += 2;
    return OK;
}

/* At an opening parenthesis. */
static status translate_group(translator *t) {
    static const char *const known[] = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", "(?i:", "(?-i:"};
    if (peek(t, 1) == '*') return refuse(t, "(*");
    if (peek(t, 1) != '?') {
        t->at++;
        return add(t, "(");
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const size_t n = strlen(known[i]);
        if (t->in.n - t->at < n || memcmp(t->in.p + t->at, known[i], n) != 0) continue;
        t->at += n;
        return add(t, known[i]);
    }
    return refuse(t, "this kind of group");
}

/* At { : an interval as PCRE2 and Oniguruma both read it, or a plain brace. */
static status translate_brace(translator *t) {
    size_t i = 1;
    if (peek(t, i) == ',') return refuse(t, "{,n}");
    while (peek(t, i) >= '0' && peek(t, i) <= '9') i++;
    if (i > 1 && peek(t, i) == ',') i++;
    while (i > 1 && peek(t, i) >= '0' && peek(t, i) <= '9') i++;
    if (i == 1 || peek(t, i) != '}') {
        t->at++;
        return add(t, "\\{");
    }
    if (peek(t, i + 1) == '+') return refuse(t, "a possessive interval");
    TRY(buffer_add(t->out, t->in.p + t->at, i + 1, t->e));
    t->at += i + 1;
    return OK;
}

static status translate_class_start(translator *t) {
    t->in_class = true;
    t->at++;
    TRY(add(t, "["));
    if (peek(t, 0) == '^') {
        t->at++;
        TRY(add(t, "^"));
    }
    return peek(t, 0) == ']' ? refuse(t, "] at the beginning of a class") : OK;
}

static status translate_plain(translator *t, int c) {
    t->at++;
    const uint8_t byte = (uint8_t)c;
    return buffer_add(t->out, &byte, 1, t->e);
}

static status translate_in_class(translator *t, int c) {
    if (c == '[') return refuse(t, "a class inside a class");
    if (c == '&' && peek(t, 1) == '&') return refuse(t, "&&");
    if (c == ']') t->in_class = false;
    return translate_plain(t, c);
}

status regex_translate(slice regex, buffer *out, error *e) {
    translator t = {.in = regex, .out = out, .e = e};
    while (t.at < regex.n) {
        const int c = regex.p[t.at];
        if (c == '\\') {
            TRY(translate_escape(&t));
        } else if (t.in_class) {
            TRY(translate_in_class(&t, c));
        } else if (c == '[') {
            TRY(translate_class_start(&t));
        } else if (c == '(') {
            TRY(translate_group(&t));
        } else if (c == '{') {
            TRY(translate_brace(&t));
        } else {
            TRY(translate_plain(&t, c));
        }
    }
    return t.in_class ? refuse(&t, "a class without end") : OK;
}
