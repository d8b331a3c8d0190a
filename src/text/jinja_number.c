/* Arithmetic as Python does it, the operators of the language, and numbers in texts. */
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "text/jinja_tree.h"

#define ZERO_DIVISION "ZeroDivisionError"

static status refuse_operands(run *x, const char *sign, value a, value b) {
    if (a.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", a.why);
    if (b.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", b.why);
    return run_fail(x, TYPE_ERROR, "unsupported operand type(s) for %s: '%s' and '%s'", sign, value_type(a), value_type(b));
}

static status refuse_size(run *x) {
    return run_fail(x, OVERFLOW_ERROR, "integers of more than 127 bits are not supported");
}

static bool both_numbers(value a, value b) {
    return value_is_number(a) && value_is_number(b);
}

static bool both_whole(value a, value b) {
    return both_numbers(a, b) && a.kind != K_FLOAT && b.kind != K_FLOAT;
}

static bool from_data(value a, value b) {
    return a.data || b.data;
}

/* ---- + and ~ ---- */

static status join_texts(run *x, value a, value b, value *out) {
    writer t = {0};
    const bool markup = a.markup || b.markup;
    if (markup && !a.markup) TRY(value_escape(x, a, &a));
    if (markup && !b.markup) TRY(value_escape(x, b, &b));
    if (!a.n || !b.n) {
        *out = a.n ? a : b;
    } else {
        TRY(text_put_value(x, &t, a));
        TRY(text_put_value(x, &t, b));
        *out = text_value(&t);
    }
    out->markup = markup;
    return OK;
}

static status join_items(run *x, value a, value b, value *out) {
    value *items;
    TRY(run_take(x, a.n + b.n, sizeof *items, &items));
    if (a.n) memcpy(items, a.items, a.n * sizeof *items);
    if (b.n) memcpy(items + a.n, b.items, b.n * sizeof *items);
    *out = value_of_items(a.kind, items, a.n + b.n, from_data(a, b));
    return OK;
}

static status add(run *x, value a, value b, value *out) {
    if (both_whole(a, b)) {
        *out = value_of_int(0, from_data(a, b));
        return __builtin_add_overflow(value_whole(a), value_whole(b), &out->whole) ? refuse_size(x) : OK;
    }
    if (both_numbers(a, b)) return *out = value_of_real(value_real(a) + value_real(b), from_data(a, b)), OK;
    if (a.kind == K_STR && b.kind == K_STR) return join_texts(x, a, b, out);
    if (a.kind == b.kind && (a.kind == K_LIST || a.kind == K_TUPLE)) return join_items(x, a, b, out);
    if (b.kind != K_UNDEFINED && (a.kind == K_STR || a.kind == K_LIST || a.kind == K_TUPLE))
        return run_fail(x, TYPE_ERROR, "can only concatenate %s (not \"%s\") to %s", value_type(a), value_type(b), value_type(a));
    return refuse_operands(x, "+", a, b);
}

static status concatenate(run *x, value a, value b, value *out) {
    TRY(value_string(x, a, &a));
    TRY(value_string(x, b, &b));
    a.markup = b.markup = false;
    return join_texts(x, a, b, out);
}

/* ---- - * / ---- */

static status subtract(run *x, value a, value b, value *out) {
    if (!both_numbers(a, b)) return refuse_operands(x, "-", a, b);
    if (!both_whole(a, b)) return *out = value_of_real(value_real(a) - value_real(b), from_data(a, b)), OK;
    *out = value_of_int(0, from_data(a, b));
    return __builtin_sub_overflow(value_whole(a), value_whole(b), &out->whole) ? refuse_size(x) : OK;
}

static status repeat(run *x, value v, wide times, value *out) {
    const size_t item = v.kind == K_STR ? sizeof(letter) : sizeof(value);
    uint8_t *p;
    *out = v;
    out->n = 0;
    if (times <= 0 || v.n == 0) return OK;
    if (times > (wide)(SIZE_MAX / 64 / v.n)) return run_fail(x, LIMIT_ERROR, "the template takes too much memory");
    const size_t n = (size_t)times;
    TRY(run_take(x, n * v.n, item, &p));
    for (size_t i = 0; i < n; i++) memcpy(p + i * v.n * item, v.kind == K_STR ? (const void *)v.text : (const void *)v.items, v.n * item);
    if (v.kind == K_STR) {
        out->text = (const letter *)(const void *)p;
    } else {
        out->items = (const value *)(const void *)p;
    }
    out->n = n * v.n;
    return OK;
}

static bool can_repeat(value v, value times) {
    return (v.kind == K_STR || v.kind == K_LIST || v.kind == K_TUPLE) && (times.kind == K_INT || times.kind == K_BOOL);
}

static status multiply(run *x, value a, value b, value *out) {
    if (can_repeat(a, b)) return repeat(x, a, value_whole(b), out);
    if (can_repeat(b, a)) return repeat(x, b, value_whole(a), out);
    if (!both_numbers(a, b)) return refuse_operands(x, "*", a, b);
    if (!both_whole(a, b)) return *out = value_of_real(value_real(a) * value_real(b), from_data(a, b)), OK;
    *out = value_of_int(0, from_data(a, b));
    return __builtin_mul_overflow(value_whole(a), value_whole(b), &out->whole) ? refuse_size(x) : OK;
}

static status divide(run *x, value a, value b, value *out) {
    if (!both_numbers(a, b)) return refuse_operands(x, "/", a, b);
    if (value_real(b) == 0) return run_fail(x, ZERO_DIVISION, a.kind == K_FLOAT || b.kind == K_FLOAT ? "float division by zero" : "division by zero");
    *out = value_of_real(value_real(a) / value_real(b), from_data(a, b));
    return OK;
}

/* ---- // and % : the quotient is rounded down, the rest has the sign of the divisor ---- */

typedef struct quotient {
    value whole, rest;
} quotient;

static status floor_reals(run *x, double a, double b, bool data, quotient *out) {
    if (b == 0) return run_fail(x, ZERO_DIVISION, "float floor division by zero");
    double rest = fmod(a, b), whole = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) {
        rest += b;
        whole -= 1;
    } else if (rest == 0) {
        rest = copysign(0, b);
    }
    double down = whole == 0 ? copysign(0, a / b) : floor(whole);
    if (whole - down > 0.5) down += 1;
    *out = (quotient){value_of_real(down, data), value_of_real(rest, data)};
    return OK;
}

static status floor_values(run *x, const char *sign, value a, value b, quotient *out) {
    if (!both_numbers(a, b)) return refuse_operands(x, sign, a, b);
    if (!both_whole(a, b)) return floor_reals(x, value_real(a), value_real(b), from_data(a, b), out);
    const wide p = value_whole(a), q = value_whole(b);
    if (q == 0) return run_fail(x, ZERO_DIVISION, "integer division or modulo by zero");
    if (q == -1) { /* the one quotient that can be too large */
        wide negative;
        if (__builtin_sub_overflow((wide)0, p, &negative)) return refuse_size(x);
        *out = (quotient){value_of_int(negative, from_data(a, b)), value_of_int(0, from_data(a, b))};
        return OK;
    }
    const bool lower = p % q != 0 && (p % q < 0) != (q < 0);
    *out = (quotient){value_of_int(p / q - lower, from_data(a, b)), value_of_int(p % q + (lower ? q : 0), from_data(a, b))};
    return OK;
}

static status floor_divide(run *x, value a, value b, value *out) {
    quotient q;
    TRY(floor_values(x, "//", a, b, &q));
    *out = q.whole;
    return OK;
}

static status modulo(run *x, value a, value b, value *out) {
    quotient q;
    if (a.kind == K_STR) return text_percent(x, a, b, out);
    TRY(floor_values(x, "%", a, b, &q));
    *out = q.rest;
    return OK;
}

/* ---- ** ---- */

static status power_whole(run *x, wide base, wide times, wide *out) {
    *out = 1;
    if (base == 0 || base == 1 || base == -1) {
        *out = times == 0 ? 1 : base == -1 && times % 2 == 0 ? 1 : base;
        return OK;
    }
    for (wide i = 0; i < times; i++) { /* at most 127 times */
        if (__builtin_mul_overflow(*out, base, out)) return refuse_size(x);
    }
    return OK;
}

static status power(run *x, value a, value b, value *out) {
    if (!both_numbers(a, b)) return refuse_operands(x, "** or pow()", a, b);
    if (both_whole(a, b) && value_whole(b) >= 0) {
        *out = value_of_int(0, from_data(a, b));
        return power_whole(x, value_whole(a), value_whole(b), &out->whole);
    }
    const double base = value_real(a), times = value_real(b);
    if (base == 0 && times < 0) return run_fail(x, ZERO_DIVISION, "0.0 cannot be raised to a negative power");
    const double result = pow(base, times);
    if (isnan(result) && !isnan(base) && !isnan(times)) return run_fail(x, TYPE_ERROR, "complex numbers are not supported");
    if (isinf(result) && isfinite(base) && isfinite(times)) return run_fail(x, OVERFLOW_ERROR, "Numerical result out of range");
    *out = value_of_real(result, from_data(a, b));
    return OK;
}

const operation operations[] = {
    {"+", 0, add},      {"-", 0, subtract}, {"~", 1, concatenate},
    {"*", 2, multiply}, {"/", 2, divide},   {"//", 2, floor_divide},
    {"%", 2, modulo},   {"**", 3, power},   {0},
};

status number_negate(run *x, value a, value *out) {
    if (a.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", a.why);
    if (!value_is_number(a)) return run_fail(x, TYPE_ERROR, "bad operand type for unary -: '%s'", value_type(a));
    if (a.kind == K_FLOAT) return *out = value_of_real(-a.real, a.data), OK;
    return subtract(x, value_of_int(0, false), a, out);
}

/* ---- numbers in texts ---- */

static unsigned digit_value(letter c) {
    c &= LETTER_POINT;
    return c - '0' < 10 ? c - '0' : (c | 0x20) - 'a' < 26 ? (c | 0x20) - 'a' + 10 : 99;
}

static letter at(value s, size_t i) {
    return i < s.n ? s.text[i] & LETTER_POINT : 0;
}

/* "0x", "0o" or "0b" at i; 0: none of them. */
static int prefix_base(value s, size_t i) {
    const letter c = at(s, i) == '0' ? at(s, i + 1) | 0x20 : 0;
    return c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 0;
}

bool number_parse_int(value s, int base, wide *out) {
    s = text_trim(s, true, true);
    const bool negative = at(s, 0) == '-';
    size_t i = negative || at(s, 0) == '+';
    const int prefixed = prefix_base(s, i);
    if (prefixed && (base == 0 || base == prefixed)) {
        base = prefixed;
        i += at(s, i + 2) == '_' ? 3 : 2;
    } else if (base == 0) {
        base = 10;
    }
    wide n = 0;
    bool digit = false;
    for (; i < s.n; i++) {
        if (at(s, i) == '_' && digit && i + 1 < s.n) {
            digit = false;
            continue;
        }
        const unsigned d = digit_value(s.text[i]);
        if (d >= (unsigned)base || __builtin_mul_overflow(n, (wide)base, &n) || __builtin_sub_overflow(n, (wide)d, &n)) return false;
        digit = true;
    }
    if (!digit || (!negative && __builtin_sub_overflow((wide)0, n, &n))) return false;
    *out = n;
    return true;
}

/* Is it what Python's float takes but for the words? strtod would take more. */
static bool is_decimal(const char *s) {
    size_t digits = 0;
    s += *s == '-' || *s == '+';
    for (; *s >= '0' && *s <= '9'; s++) digits++;
    if (*s == '.') {
        for (s++; *s >= '0' && *s <= '9'; s++) digits++;
    }
    if (!digits) return false;
    if ((*s | 0x20) == 'e') {
        s += 1 + (s[1] == '-' || s[1] == '+');
        if (*s < '0' || *s > '9') return false;
        while (*s >= '0' && *s <= '9') s++;
    }
    return !*s;
}

bool number_parse_real(value s, double *out) {
    static const char *const words[] = {"inf", "infinity", "nan"};
    char copy[1000];
    size_t n = 0;
    s = text_trim(s, true, true);
    if (s.n >= sizeof copy) return false;
    for (size_t i = 0; i < s.n; i++) {
        const letter c = at(s, i);
        const bool between = i > 0 && digit_value(at(s, i - 1)) < 10 && digit_value(at(s, i + 1)) < 10;
        if (c == 0 || c > 0x7e || (c == '_' && !between)) return false;
        if (c != '_') copy[n++] = (char)c;
    }
    copy[n] = 0;
    bool good = is_decimal(copy);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) good |= !strcasecmp(copy + (*copy == '-' || *copy == '+'), words[i]);
    *out = good ? strtod(copy, NULL) : 0;
    return good;
}

bool number_of_real(double real, wide *out) {
    if (!(fabs(real) < 0x1p126)) return false;
    *out = (wide)real;
    return true;
}
