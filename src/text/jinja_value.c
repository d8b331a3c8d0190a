/* What values are asked: truth, length, equality, order, membership, items. */
#include "text/jinja_value.h"

#include <math.h>

#include "text/jinja_tree.h"
#include "text/unicode.h"

/* ---- letters ---- */

bool letters_same(const letter *a, const letter *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if ((a[i] ^ b[i]) & LETTER_POINT) return false;
    }
    return true;
}

int letters_compare(value a, value b) {
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        const letter p = a.text[i] & LETTER_POINT, q = b.text[i] & LETTER_POINT;
        if (p != q) return p < q ? -1 : 1;
    }
    return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}

bool text_is(value s, const char *ascii) {
    size_t i = 0;
    for (; i < s.n && ascii[i]; i++) {
        if ((s.text[i] & LETTER_POINT) != (letter)(unsigned char)ascii[i]) return false;
    }
    return i == s.n && !ascii[i];
}

status text_find(run *x, value s, value what, size_t from, size_t to, size_t *at) {
    size_t touched = 0;
    *at = SIZE_MAX;
    for (size_t i = from; i <= to && what.n <= to - i; i++, touched++) {
        size_t k = 0;
        while (k < what.n && !((s.text[i + k] ^ what.text[k]) & LETTER_POINT)) k++;
        touched += k;
        if (k == what.n) {
            *at = i;
            break;
        }
        if (touched < 65536) continue;
        TRY(run_spend(x, touched / 32));
        touched = 0;
    }
    return run_spend(x, touched / 32);
}

bool letter_space(letter c) {
    const uint32_t point = c & LETTER_POINT;
    return unicode_space(point) || (point >= 0x1c && point <= 0x1f);
}

value text_part(value s, size_t begin, size_t end) {
    value out = value_of_letters(s.text ? s.text + begin : s.text, end - begin);
    out.markup = s.markup;
    return out;
}

value text_trim(value s, bool left, bool right) {
    size_t begin = 0, end = s.n;
    while (left && begin < end && letter_space(s.text[begin])) begin++;
    while (right && end > begin && letter_space(s.text[end - 1])) end--;
    return text_part(s, begin, end);
}

/* ---- questions ---- */

const char *value_type(value v) {
    return v.markup ? "Markup" : kind_rows[v.kind].type;
}

bool value_is_number(value v) {
    return v.kind == K_INT || v.kind == K_FLOAT || v.kind == K_BOOL;
}

wide value_whole(value v) {
    return v.kind == K_BOOL ? v.truth : v.whole;
}

double value_real(value v) {
    return v.kind == K_FLOAT ? v.real : (double)value_whole(v);
}

static bool has_items(value v) {
    return v.kind == K_STR || v.kind == K_LIST || v.kind == K_TUPLE || v.kind == K_DICT || v.kind == K_RANGE || v.kind == K_KEYS ||
           v.kind == K_VALUES || v.kind == K_ITEMS;
}

bool value_true(value v) {
    if (v.kind == K_UNDEFINED || v.kind == K_NONE || v.kind == K_ABSENT) return false;
    if (v.kind == K_FLOAT) return v.real != 0;
    if (value_is_number(v)) return value_whole(v) != 0;
    return has_items(v) ? v.n > 0 : true;
}

bool value_iterable(value v) {
    return has_items(v) || v.kind == K_UNDEFINED || v.kind == K_ITERATOR;
}

status value_length(run *x, value v, size_t *n) {
    *n = v.kind == K_UNDEFINED ? 0 : v.n;
    if (has_items(v) || v.kind == K_UNDEFINED) return OK;
    return run_fail(x, TYPE_ERROR, "object of type '%s' has no len()", value_type(v));
}

status value_to_index(run *x, value v, wide *out) {
    if (v.kind != K_INT && v.kind != K_BOOL) return run_fail(x, TYPE_ERROR, "'%s' object cannot be interpreted as an integer", value_type(v));
    *out = value_whole(v);
    return OK;
}

/* ---- items ---- */

static status items_of_text(run *x, value v, value *items) {
    (void)x;
    for (size_t i = 0; i < v.n; i++) items[i] = text_part(v, i, i + 1);
    return OK;
}

static status items_of_range(run *x, value v, value *items) {
    (void)x;
    for (size_t i = 0; i < v.n; i++) items[i] = value_of_int(v.range->start + (wide)i * v.range->step, v.data);
    return OK;
}

static status items_of_keys(run *x, value v, value *items) {
    (void)x;
    for (size_t i = 0; i < v.n; i++) items[i] = v.pairs[i].key;
    return OK;
}

static status items_of_values(run *x, value v, value *items) {
    (void)x;
    for (size_t i = 0; i < v.n; i++) items[i] = v.pairs[i].value;
    return OK;
}

static status items_of_pairs(run *x, value v, value *items) {
    value *both;
    TRY(run_take(x, 2 * v.n, sizeof *both, &both));
    for (size_t i = 0; i < v.n; i++) {
        both[2 * i] = v.pairs[i].key;
        both[2 * i + 1] = v.pairs[i].value;
        items[i] = value_of_items(K_TUPLE, both + 2 * i, 2, v.data);
    }
    return OK;
}

static status (*const items_of[KINDS])(run *, value, value *) = {
    [K_STR] = items_of_text,  [K_RANGE] = items_of_range,   [K_DICT] = items_of_keys,
    [K_KEYS] = items_of_keys, [K_VALUES] = items_of_values, [K_ITEMS] = items_of_pairs,
};

status value_items(run *x, value v, const value **items, size_t *n) {
    value *made;
    *n = 0;
    *items = NULL;
    if (v.kind == K_UNDEFINED) return OK;
    if (v.kind == K_ITERATOR) {
        value *rest = v.object;
        *items = rest->items;
        *n = rest->n;
        rest->n = 0;
    } else if (v.kind == K_LIST || v.kind == K_TUPLE) {
        *items = v.items;
        *n = v.n;
    } else if (items_of[v.kind]) {
        TRY(run_take(x, v.n, sizeof *made, &made));
        TRY(items_of[v.kind](x, v, made));
        *items = made;
        *n = v.n;
    } else {
        return run_fail(x, TYPE_ERROR, "'%s' object is not iterable", value_type(v));
    }
    return run_spend(x, *n / 8);
}

/* ---- equality ---- */

static status same_items(run *x, value a, value b, bool *same) {
    *same = a.n == b.n;
    for (size_t i = 0; *same && i < a.n; i++) TRY(value_same(x, a.items[i], b.items[i], same));
    return OK;
}

static status same_dicts(run *x, value a, value b, bool *same) {
    *same = a.n == b.n;
    for (size_t i = 0; *same && i < a.n; i++) {
        const value *other;
        TRY(dict_find(x, b, a.pairs[i].key, &other));
        *same = other != NULL;
        if (other) TRY(value_same(x, a.pairs[i].value, *other, same));
    }
    return OK;
}

static bool same_numbers(value a, value b) {
    if (a.kind == K_FLOAT || b.kind == K_FLOAT) return value_real(a) == value_real(b);
    return value_whole(a) == value_whole(b);
}

status value_same(run *x, value a, value b, bool *same) {
    TRY(run_spend(x, 1));
    TRY(run_enter(x));
    *same = false;
    if (value_is_number(a) && value_is_number(b)) {
        *same = same_numbers(a, b);
    } else if (a.kind != b.kind) {
        *same = false;
    } else if (a.kind == K_STR) {
        TRY(run_spend(x, a.n / 64));
        *same = a.n == b.n && letters_same(a.text, b.text, a.n);
    } else if (a.kind == K_LIST || a.kind == K_TUPLE) {
        TRY(same_items(x, a, b, same));
    } else if (a.kind == K_DICT) {
        TRY(same_dicts(x, a, b, same));
    } else {
        *same = a.kind == K_UNDEFINED || a.kind == K_NONE || a.object == b.object;
    }
    run_leave(x);
    return OK;
}

status value_hashable(run *x, value key) {
    if (key.kind == K_LIST || key.kind == K_DICT || key.kind == K_SLICE) return run_fail(x, TYPE_ERROR, "unhashable type: '%s'", value_type(key));
    if (key.kind != K_TUPLE) return OK;
    TRY(run_spend(x, 1));
    TRY(run_enter(x));
    for (size_t i = 0; i < key.n; i++) TRY(value_hashable(x, key.items[i]));
    run_leave(x);
    return OK;
}

status dict_find(run *x, value dict, value key, const value **found) {
    *found = NULL;
    TRY(value_hashable(x, key));
    TRY(run_spend(x, dict.n / 8));
    for (size_t i = 0; i < dict.n; i++) {
        bool same = false;
        const value k = dict.pairs[i].key;
        if (k.kind == K_STR && key.kind == K_STR) {
            if (k.n == key.n) TRY(run_spend(x, k.n / 64));
            same = k.n == key.n && letters_same(k.text, key.text, k.n);
        } else {
            TRY(value_same(x, k, key, &same));
        }
        if (!same) continue;
        *found = &dict.pairs[i].value;
        return OK;
    }
    return OK;
}

status dict_set(run *x, value_pair *pairs, size_t *n, value key, value item) {
    const value *found;
    TRY(dict_find(x, (value){.kind = K_DICT, .pairs = pairs, .n = *n}, key, &found));
    if (!found) {
        pairs[(*n)++] = (value_pair){key, item};
        return OK;
    }
    for (size_t i = 0; i < *n; i++) {
        if (&pairs[i].value == found) pairs[i].value = item;
    }
    return OK;
}

/* ---- order ---- */

static status compare_items(run *x, value a, value b, const char *sign, int *order) {
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        bool same;
        TRY(value_same(x, a.items[i], b.items[i], &same));
        if (!same) return value_compare(x, a.items[i], b.items[i], sign, order);
    }
    *order = a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
    return OK;
}

static int compare_numbers(value a, value b) {
    if (a.kind == K_FLOAT || b.kind == K_FLOAT) {
        const double p = value_real(a), q = value_real(b);
        return isnan(p) || isnan(q) ? 2 : p == q ? 0 : p < q ? -1 : 1;
    }
    const wide p = value_whole(a), q = value_whole(b);
    return p == q ? 0 : p < q ? -1 : 1;
}

status value_compare(run *x, value a, value b, const char *sign, int *order) {
    if (a.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", a.why);
    if (b.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", b.why);
    if (value_is_number(a) && value_is_number(b)) {
        *order = compare_numbers(a, b);
        return OK;
    }
    if (a.kind == K_STR && b.kind == K_STR) {
        *order = letters_compare(a, b);
        return run_spend(x, (a.n < b.n ? a.n : b.n) / 64);
    }
    if (a.kind == b.kind && (a.kind == K_LIST || a.kind == K_TUPLE)) {
        TRY(run_enter(x));
        TRY(compare_items(x, a, b, sign, order));
        run_leave(x);
        return OK;
    }
    return run_fail(x, TYPE_ERROR, "'%s' not supported between instances of '%s' and '%s'", sign, value_type(a), value_type(b));
}

status value_contains(run *x, value container, value item, bool *found) {
    *found = false;
    if (container.kind == K_STR) {
        size_t at;
        if (item.kind != K_STR) return run_fail(x, TYPE_ERROR, "'in <string>' requires string as left operand, not %s", value_type(item));
        TRY(text_find(x, container, item, 0, container.n, &at));
        *found = at != SIZE_MAX;
        return OK;
    }
    if (container.kind == K_DICT || container.kind == K_KEYS) {
        const value *there;
        container.kind = K_DICT;
        TRY(dict_find(x, container, item, &there));
        *found = there != NULL;
        return OK;
    }
    if (!value_iterable(container)) return run_fail(x, TYPE_ERROR, "argument of type '%s' is not iterable", value_type(container));
    const value *items;
    size_t n;
    TRY(value_items(x, container, &items, &n));
    for (size_t i = 0; i < n && !*found; i++) TRY(value_same(x, items[i], item, found));
    return OK;
}

/* One pass of a merge sort: runs of `width` become runs of twice that. */
static status merge_pass(run *x, const value *keys, size_t n, size_t width, bool reverse, const size_t *from, size_t *to) {
    for (size_t begin = 0; begin < n; begin += 2 * width) {
        const size_t middle = begin + width < n ? begin + width : n, end = middle + width < n ? middle + width : n;
        size_t a = begin, b = middle;
        for (size_t i = begin; i < end; i++) {
            bool left = a < middle;
            if (left && b < end) {
                int order;
                TRY(run_spend(x, 1));
                TRY(reverse ? value_compare(x, keys[from[a]], keys[from[b]], "<", &order)
                            : value_compare(x, keys[from[b]], keys[from[a]], "<", &order));
                left = order != -1;
            }
            to[i] = from[left ? a++ : b++];
        }
    }
    return OK;
}

status value_order(run *x, const value *keys, size_t n, bool reverse, size_t **order) {
    size_t *other;
    TRY(run_take(x, n, sizeof **order, order));
    TRY(run_take(x, n, sizeof *other, &other));
    for (size_t i = 0; i < n; i++) (*order)[i] = i;
    for (size_t width = 1; width < n; width *= 2) {
        TRY(merge_pass(x, keys, n, width, reverse, *order, other));
        size_t *done = other;
        other = *order;
        *order = done;
    }
    return OK;
}
