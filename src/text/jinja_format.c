/* Formats: "%s has %d" and "{} has {}". */
#include <math.h>
#include <stdio.h>

#include "text/jinja_filters.h"

/* ---- % ---- */

typedef struct directive { /* %[flags][width][.precision]conversion */
    bool left, zero, plus, space, other;
    size_t width;
    int precision; /* -1: none */
    letter conversion;
} directive;

enum { WIDTH_MAX = 1000 };

static letter at(value s, size_t i) {
    return i < s.n ? s.text[i] & LETTER_POINT : 0;
}

static status read_number(run *x, value s, size_t *i, size_t *out) {
    for (*out = 0; at(s, *i) - '0' < 10; ++*i) {
        *out = *out * 10 + (at(s, *i) - '0');
        if (*out > WIDTH_MAX) return run_fail(x, LIMIT_ERROR, "a width of more than %d", WIDTH_MAX);
    }
    return OK;
}

static status read_directive(run *x, value s, size_t *i, directive *d) {
    *d = (directive){.precision = -1};
    for (;; ++*i) {
        const letter c = at(s, *i);
        if (!(c == '-' || c == '0' || c == '+' || c == ' ' || c == '#')) break;
        d->left |= c == '-';
        d->zero |= c == '0';
        d->plus |= c == '+';
        d->space |= c == ' ';
        d->other |= c == '#';
    }
    TRY(read_number(x, s, i, &d->width));
    if (at(s, *i) == '.') {
        size_t precision;
        ++*i;
        TRY(read_number(x, s, i, &precision));
        d->precision = (int)precision;
    }
    d->conversion = at(s, (*i)++);
    if (d->conversion == 0 || d->other) return run_fail(x, VALUE_ERROR, "a format that is not supported");
    return OK;
}

/* Digits in a base, before sign and padding. */
static void whole_digits(wide v, unsigned base, bool capital, char out[140]) {
    char back[140];
    size_t n = 0, to = 0;
    __extension__ unsigned __int128 rest = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
    do back[n++] = (capital ? "0123456789ABCDEF" : "0123456789abcdef")[rest % base];
    while (rest /= base);
    while (n) out[to++] = back[--n];
    out[to] = 0;
}

static const struct conversion {
    char name;
    unsigned base;      /* of an integer */
    const char *format; /* of a float, or NULL */
    bool capital;
} conversions[] = {
    {'d', 10, NULL, false},  {'i', 10, NULL, false}, {'u', 10, NULL, false},  {'x', 16, NULL, false}, {'X', 16, NULL, true},   {'o', 8, NULL, false},
    {'f', 0, "%.*f", false}, {'F', 0, "%.*F", true}, {'e', 0, "%.*e", false}, {'E', 0, "%.*E", true}, {'g', 0, "%.*g", false}, {'G', 0, "%.*G", true},
};

static const struct conversion *conversion_of(letter c) {
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
        if (c == (letter)conversions[i].name) return &conversions[i];
    }
    return NULL;
}

static status put_number(run *x, writer *t, const directive *d, const struct conversion *k, value v) {
    char digits[WIDTH_MAX + 400];
    wide whole = 0;
    if (v.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", v.why);
    if (!value_is_number(v)) return run_fail(x, TYPE_ERROR, "%%%c format: a number is required, not %s", k->name, value_type(v));
    bool negative = v.kind == K_FLOAT ? signbit(v.real) : value_whole(v) < 0;
    if (k->format) {
        snprintf(digits, sizeof digits, k->format, d->precision < 0 ? 6 : d->precision, fabs(value_real(v)));
    } else {
        if (v.kind == K_FLOAT && (k->base != 10 || !number_of_real(v.real, &whole))) return run_fail(x, TYPE_ERROR, "an integer is required");
        if (v.kind != K_FLOAT) whole = value_whole(v);
        negative = whole < 0;
        whole_digits(whole, k->base, k->capital, digits);
        if (d->precision > (int)strlen(digits)) return run_fail(x, VALUE_ERROR, "a precision of integers is not supported");
    }
    const char *sign = negative ? "-" : d->plus ? "+" : d->space ? " " : "";
    const size_t n = strlen(digits) + strlen(sign), fill = d->width > n ? d->width - n : 0;
    const bool zero = d->zero && !d->left;
    for (size_t i = 0; i < fill && !d->left && !zero; i++) TRY(text_put_one(x, t, ' '));
    TRY(text_put_ascii(x, t, sign, v.data));
    for (size_t i = 0; i < fill && zero; i++) TRY(text_put_one(x, t, '0'));
    TRY(text_put_ascii(x, t, digits, v.data));
    for (size_t i = 0; i < fill && d->left; i++) TRY(text_put_one(x, t, ' '));
    return OK;
}

static status put_text(run *x, writer *t, const directive *d, value v) {
    writer r = {0};
    if (d->conversion == 's') {
        TRY(value_string(x, v, &v));
    } else {
        TRY(value_repr(x, &r, v));
        v = text_value(&r);
    }
    if (d->precision >= 0 && v.n > (size_t)d->precision) v.n = (size_t)d->precision;
    TRY(str_pad(x, v, (wide)d->width, ' ', !d->left, d->left, &v));
    return text_put_value(x, t, v);
}

status text_percent(run *x, value format, value arguments, value *out) {
    writer t = {0};
    const bool several = arguments.kind == K_TUPLE;
    const size_t n = several ? arguments.n : 1;
    size_t used = 0;
    for (size_t i = 0; i < format.n;) {
        directive d;
        if (at(format, i) != '%') {
            TRY(text_put_one(x, &t, format.text[i++]));
            continue;
        }
        i++;
        TRY(read_directive(x, format, &i, &d));
        const struct conversion *k = conversion_of(d.conversion);
        if (d.conversion == '%') {
            TRY(text_put_one(x, &t, format.text[i - 1]));
            continue;
        }
        if (!k && d.conversion != 's' && d.conversion != 'r') return run_fail(x, VALUE_ERROR, "a format that is not supported");
        if (used == n) return run_fail(x, TYPE_ERROR, "not enough arguments for format string");
        const value v = several ? arguments.items[used] : arguments;
        used++;
        TRY(k ? put_number(x, &t, &d, k, v) : put_text(x, &t, &d, v));
    }
    if (used < n && !(arguments.kind == K_DICT || arguments.kind == K_LIST))
        return run_fail(x, TYPE_ERROR, "not all arguments converted during string formatting");
    *out = text_value(&t);
    return OK;
}

status filter_format(run *x, call *c, value *out) {
    value format;
    TRY(value_string(x, c->self, &format));
    if (c->n_named) return run_fail(x, VALUE_ERROR, "formats with names are not supported");
    return text_percent(x, format, value_of_items(K_TUPLE, c->list, c->n, false), out);
}

/* ---- {} ---- */

/* What stands between braces: nothing (the next argument), a number, a name. */
static status field(run *x, const call *c, value name, size_t *next, value *out) {
    wide number = (wide)*next;
    if (name.n && number_parse_int(name, 10, &number)) {
        if (number < 0) return run_fail(x, VALUE_ERROR, "a field that is not supported");
    } else if (name.n) {
        for (size_t i = 0; i < c->n_named; i++) {
            if (letters_compare(c->named[i].key, name) == 0) return *out = c->named[i].value, OK;
        }
        return run_fail(x, VALUE_ERROR, "a field that is not supported, or an argument that is not there");
    } else {
        ++*next;
    }
    if (number >= (wide)c->n) return run_fail(x, "IndexError", "Replacement index %zu out of range for positional args tuple", (size_t)number);
    *out = c->list[number];
    return OK;
}

status str_format(run *x, call *c, value *out) {
    const value s = c->self;
    writer t = {0};
    size_t next = 0;
    for (size_t i = 0; i < s.n; i++) {
        const letter l = at(s, i);
        if ((l == '{' || l == '}') && at(s, i + 1) == l) {
            TRY(text_put_one(x, &t, s.text[i++]));
            continue;
        }
        if (l == '}') return run_fail(x, VALUE_ERROR, "Single '}' encountered in format string");
        if (l != '{') {
            TRY(text_put_one(x, &t, s.text[i]));
            continue;
        }
        size_t end = i + 1;
        while (end < s.n && at(s, end) != '}') end++;
        if (end == s.n) return run_fail(x, VALUE_ERROR, "expected '}' before end of string");
        value v;
        TRY(field(x, c, text_part(s, i + 1, end), &next, &v));
        TRY(value_string(x, v, &v));
        TRY(text_put_value(x, &t, v));
        i = end;
    }
    *out = text_value(&t);
    return OK;
}
