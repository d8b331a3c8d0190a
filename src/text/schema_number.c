/* schema_number.c: numbers between bounds, digit by digit. A number without bounds may have an exponent, one with bounds is written plainly and its
 * fraction is short, so that reading it as a double cannot carry it over a bound. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/schema_compile.h"

enum { WHOLE_DIGITS = 18 }; /* of integers: below 2^63 */
static const int64_t usual_most = 9999999999999999;
static const double real_most = 1e15;

static expr digit_range(builder *b, int low, int high) {
    return expr_chars(b, &(char_range){(uint32_t)('0' + low), (uint32_t)('0' + high)}, 1);
}

static expr any_digits(builder *b, uint32_t min, uint32_t max) {
    return expr_repeat(b, digit_range(b, 0, 9), min, max);
}

/* ---- whole numbers ---- */

typedef struct tight { /* are the digits so far those of the bound? */
    bool low, high;
} tight;

/* Numbers of n digits between two of n digits, from digit i on. */
static expr same_length(builder *b, const char *low, const char *high, size_t n, size_t i, tight t) {
    if (i == n) return EXPR_EMPTY;
    if (!t.low && !t.high) return any_digits(b, (uint32_t)(n - i), (uint32_t)(n - i));
    const int first = t.low ? low[i] - '0' : 0, last = t.high ? high[i] - '0' : 9;
    if (first > last) return EXPR_NEVER;
    const expr bottom = expr_then(b, digit_range(b, first, first), same_length(b, low, high, n, i + 1, (tight){t.low, t.high && first == last}));
    if (first == last) return bottom;
    expr x = bottom;
    if (first + 1 <= last - 1) {
        x = expr_or(b, x, expr_then(b, digit_range(b, first + 1, last - 1), any_digits(b, (uint32_t)(n - i - 1), (uint32_t)(n - i - 1))));
    }
    return expr_or(b, x, expr_then(b, digit_range(b, last, last), same_length(b, low, high, n, i + 1, (tight){false, t.high})));
}

/* low .. high, both >= 0. */
static expr whole_range(builder *b, int64_t low, int64_t high) {
    expr x = EXPR_NEVER;
    int64_t least = 0;
    for (size_t n = 1; n <= WHOLE_DIGITS + 1 && least <= high; n++) {
        const int64_t most = n > WHOLE_DIGITS ? INT64_MAX : least ? 10 * least - 1 : 9;
        const int64_t from = low > least ? low : least, to = high < most ? high : most;
        if (from <= to) {
            char first[24], last[24];
            snprintf(first, sizeof first, "%" PRId64, from);
            snprintf(last, sizeof last, "%" PRId64, to);
            x = expr_or(b, x, same_length(b, first, last, n, 0, (tight){true, true}));
        }
        if (most == INT64_MAX) break;
        least = most + 1;
    }
    return x;
}

static expr integer_range(builder *b, int64_t low, int64_t high) {
    expr x = EXPR_NEVER;
    if (high >= 0) x = whole_range(b, low > 0 ? low : 0, high);
    if (low < 0) x = expr_or(b, x, expr_then(b, expr_text(b, "-"), whole_range(b, high < 0 ? -high : 1, low == INT64_MIN ? INT64_MAX : -low)));
    return x;
}

/* ---- bounds of a schema ---- */

typedef struct bound {
    bool given, open; /* open: the bound itself is outside */
    double value;
} bound;

static void read_bound(schema_compiler *c, const json_t *schema, const char *key, bool open, bool upper, bound *b) {
    const json_t *v = json_object_get(schema, key);
    if (!v) return;
    if (!json_is_number(v)) {
        schema_fail(c, "'%s' is not a number", key);
        return;
    }
    const double x = json_number_value(v);
    if (b->given && (upper ? b->value < x : b->value > x)) return;
    if (b->given && b->value == x) open |= b->open;
    *b = (bound){true, open, x};
}

static void read_bounds(schema_compiler *c, const json_t *schema, bound *low, bound *high) {
    *low = *high = (bound){0};
    read_bound(c, schema, "minimum", false, false, low);
    read_bound(c, schema, "exclusiveMinimum", true, false, low);
    read_bound(c, schema, "maximum", false, true, high);
    read_bound(c, schema, "exclusiveMaximum", true, true, high);
    if (low->given && high->given && (low->value > high->value || (low->value == high->value && (low->open || high->open)))) {
        schema_fail(c, "no number is between %g and %g", low->value, high->value);
    }
}

static int64_t clamp_integer(double x) {
    if (x >= 0x1p63) return INT64_MAX;
    return x < -0x1p63 ? INT64_MIN : (int64_t)x;
}

expr schema_integer(schema_compiler *c, json_t *schema) {
    bound l, h;
    read_bounds(c, schema, &l, &h);
    if (!l.given && !h.given) return schema_basic(c, "integer");
    int64_t low = -usual_most, high = usual_most;
    if (l.given) low = clamp_integer(ceil(l.value)) + (l.open && ceil(l.value) == l.value && l.value < 0x1p62);
    if (h.given) high = clamp_integer(floor(h.value)) - (h.open && floor(h.value) == h.value && h.value > -0x1p62);
    if (!h.given && high < low) high = INT64_MAX;
    if (!l.given && low > high) low = INT64_MIN;
    if (low > high) schema_fail(c, "no integer is between the bounds");
    return c->b.code == OK ? schema_rule(c, integer_range(&c->b, low, high), false) : EXPR_NEVER;
}

/* ---- numbers with a fraction ---- */

typedef struct decimal { /* a bound, >= 0 */
    int64_t whole;
    char fraction[24]; /* digits, then zeros */
    bool open;
} decimal;

typedef struct between {
    builder *b;
    decimal low, high;
    size_t digits; /* of a fraction, at most */
} between;

static bool only_zeros(const char *digits) {
    return strspn(digits, "0") == strlen(digits);
}

/* May a fraction end before digit i? */
static bool may_stop(const between *w, size_t i, tight t) {
    if (t.low && (!only_zeros(w->low.fraction + i) || w->low.open)) return false;
    return !t.high || !only_zeros(w->high.fraction + i) || !w->high.open;
}

/* The digits of a fraction from the i-th on; the first must be there. */
static expr fraction_digits(const between *w, size_t i, tight t) {
    builder *b = w->b;
    if (!t.low && !t.high) return any_digits(b, i == 0, (uint32_t)(w->digits - i));
    expr x = i && may_stop(w, i, t) ? EXPR_EMPTY : EXPR_NEVER;
    if (i == w->digits) return x;
    const int first = t.low ? w->low.fraction[i] - '0' : 0, last = t.high ? w->high.fraction[i] - '0' : 9;
    for (int d = first; d <= last; d++) {
        const tight next = {t.low && d == first, t.high && d == last};
        x = expr_or(b, x, expr_then(b, digit_range(b, d, d), fraction_digits(w, i + 1, next)));
    }
    return x;
}

static expr with_fraction(const between *w, expr whole, tight t) {
    builder *b = w->b;
    const expr point = expr_then(b, expr_text(b, "."), fraction_digits(w, 0, t));
    return expr_then(b, whole, may_stop(w, 0, t) ? expr_or(b, point, EXPR_EMPTY) : point);
}

static expr decimals_between(const between *w) {
    const int64_t low = w->low.whole, high = w->high.whole;
    if (low > high) return EXPR_NEVER;
    if (low == high) return with_fraction(w, whole_range(w->b, low, low), (tight){true, true});
    expr x = with_fraction(w, whole_range(w->b, low, low), (tight){true, false});
    if (low + 1 < high) x = expr_or(w->b, x, with_fraction(w, whole_range(w->b, low + 1, high - 1), (tight){false, false}));
    return expr_or(w->b, x, with_fraction(w, whole_range(w->b, high, high), (tight){false, true}));
}

/* The shortest decimals that are this double. */
static decimal decimal_of(schema_compiler *c, double x, bool open) {
    char text[64];
    decimal d = {.open = open};
    for (int digits = 0; digits < 18; digits++) {
        snprintf(text, sizeof text, "%.*f", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    if (!(x < real_most) || strtod(text, NULL) != x) schema_fail(c, "the bound %g is too large or too small", x);
    const char *point = strchr(text, '.');
    d.whole = x < real_most ? (int64_t)x : 0;
    memset(d.fraction, '0', sizeof d.fraction - 1);
    if (point) memcpy(d.fraction, point + 1, strlen(point + 1) < 18 ? strlen(point + 1) : 18);
    return d;
}

static size_t digits_of(const decimal *d) {
    size_t n = sizeof d->fraction - 1;
    while (n && d->fraction[n - 1] == '0') n--;
    return n;
}

/* low .. high, both >= 0. */
static expr positive_range(schema_compiler *c, bound low, bound high) {
    between w = {.b = &c->b, .low = decimal_of(c, low.value, low.open), .high = decimal_of(c, high.value, high.open)};
    const size_t a = digits_of(&w.low), b = digits_of(&w.high), most = a > b ? a : b;
    w.digits = most > NUMBER_BOUNDED_DIGITS ? most : NUMBER_BOUNDED_DIGITS;
    w.low.fraction[w.digits] = w.high.fraction[w.digits] = 0;
    return c->b.code == OK ? decimals_between(&w) : EXPR_NEVER;
}

static double far_bound(double other) {
    return fabs(other) < 99999999 ? 999999999 : fmin(10 * fabs(other), 9e14);
}

expr schema_number(schema_compiler *c, json_t *schema) {
    bound low, high;
    read_bounds(c, schema, &low, &high);
    if (!low.given && !high.given) return schema_basic(c, "number");
    if (!low.given) low = (bound){true, false, -far_bound(high.value)};
    if (!high.given) high = (bound){true, false, far_bound(low.value)};
    expr x = EXPR_NEVER;
    if (high.value >= 0) x = positive_range(c, low.value >= 0 ? low : (bound){true, false, 0}, high);
    if (low.value < 0) {
        const bound least = high.value < 0 ? (bound){true, high.open, -high.value} : (bound){true, true, 0};
        x = expr_or(&c->b, x, expr_then(&c->b, expr_text(&c->b, "-"), positive_range(c, least, (bound){true, low.open, -low.value})));
    }
    return schema_rule(c, x, false);
}
