#include "text/jinja_str.h"

/* ---- arguments and results ---- */

bool arg_given(value v) {
    return v.kind != K_ABSENT && v.kind != K_NONE;
}

status arg_text(run *x, value v, const char *name, value *out) {
    if (v.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", v.why);
    if (v.kind != K_STR) return run_fail(x, TYPE_ERROR, "%s must be str, not %s", name, value_type(v));
    *out = v;
    return OK;
}

status arg_int(run *x, value v, wide otherwise, wide *out) {
    *out = otherwise;
    if (v.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", v.why);
    if (arg_given(v)) TRY(value_to_index(x, v, out));
    const wide most = (wide)1 << 62; /* more is as good as that, and sums cannot overflow */
    *out = *out > most ? most : *out < -most ? -most : *out;
    return OK;
}

status items_add(run *x, item_list *i, value v) {
    if (i->n == i->room) {
        const size_t room = i->room ? 2 * i->room : 8;
        value *more;
        TRY(run_take(x, room, sizeof *more, &more));
        if (i->n) memcpy(more, i->p, i->n * sizeof *more);
        i->p = more;
        i->room = room;
    }
    i->p[i->n++] = v;
    return OK;
}

/* ---- strip ---- */

static bool is_one_of(value chars, letter l) {
    for (size_t i = 0; i < chars.n; i++) {
        if (!((chars.text[i] ^ l) & LETTER_POINT)) return true;
    }
    return false;
}

status str_strip(run *x, value s, value chars, bool left, bool right, value *out) {
    size_t begin = 0, end = s.n;
    if (!arg_given(chars)) return *out = text_trim(s, left, right), OK;
    TRY(arg_text(x, chars, "strip arg", &chars));
    for (; left && begin < end && is_one_of(chars, s.text[begin]); begin++) TRY(run_spend(x, 1 + chars.n / 32));
    for (; right && end > begin && is_one_of(chars, s.text[end - 1]); end--) TRY(run_spend(x, 1 + chars.n / 32));
    *out = text_part(s, begin, end);
    return run_spend(x, chars.n / 16); /* of the two that stay */
}

status str_strip_both(run *x, call *c, value *out) {
    return str_strip(x, c->self, c->arg[0], true, true, out);
}

status str_strip_left(run *x, call *c, value *out) {
    return str_strip(x, c->self, c->arg[0], true, false, out);
}

status str_strip_right(run *x, call *c, value *out) {
    return str_strip(x, c->self, c->arg[0], false, true, out);
}

/* ---- finding ---- */

/* The part that start and end mean. */
static status span_of(run *x, value s, value start, value end, size_t *from, size_t *to) {
    wide a, b;
    const wide n = (wide)s.n;
    TRY(arg_int(x, start, 0, &a));
    TRY(arg_int(x, end, n, &b));
    a = a < 0 ? (a + n < 0 ? 0 : a + n) : a;
    b = b < 0 ? (b + n < 0 ? 0 : b + n) : b > n ? n : b;
    *from = a > n ? s.n + 1 : (size_t)a; /* beyond the end not even an empty text is found */
    *to = (size_t)b;
    return OK;
}

bool str_is_at(value s, value what, size_t at) {
    return letters_same(s.text + at, what.text, what.n);
}

status str_search(run *x, call *c, bool last, wide *at) {
    value what;
    size_t from, to, found;
    TRY(arg_text(x, c->arg[0], "the argument", &what));
    TRY(span_of(x, c->self, c->arg[1], c->arg[2], &from, &to));
    *at = -1;
    if (!last) {
        TRY(text_find(x, c->self, what, from, to, &found));
        if (found != SIZE_MAX) *at = (wide)found;
        return OK;
    }
    for (size_t i = to; from <= to && to - from >= what.n && i >= from + what.n; i--) {
        if (str_is_at(c->self, what, i - what.n)) return *at = (wide)(i - what.n), OK;
        if (i % 32 == 0) TRY(run_spend(x, 1 + what.n / 2));
        if (i == 0) break;
    }
    return OK;
}

status str_find(run *x, call *c, value *out) {
    *out = value_of_int(0, false);
    return str_search(x, c, false, &out->whole);
}

status str_rfind(run *x, call *c, value *out) {
    *out = value_of_int(0, false);
    return str_search(x, c, true, &out->whole);
}

status str_index(run *x, call *c, value *out) {
    TRY(str_find(x, c, out));
    return out->whole < 0 ? run_fail(x, VALUE_ERROR, "substring not found") : OK;
}

status str_rindex(run *x, call *c, value *out) {
    TRY(str_rfind(x, c, out));
    return out->whole < 0 ? run_fail(x, VALUE_ERROR, "substring not found") : OK;
}

status str_count(run *x, call *c, value *out) {
    value what;
    size_t from, to, at;
    wide n = 0;
    TRY(arg_text(x, c->arg[0], "the argument", &what));
    TRY(span_of(x, c->self, c->arg[1], c->arg[2], &from, &to));
    if (!what.n) {
        n = from <= to ? (wide)(to - from) + 1 : 0;
    } else {
        for (; from <= to; from = at + what.n, n++) {
            TRY(text_find(x, c->self, what, from, to, &at));
            if (at == SIZE_MAX) break;
        }
    }
    *out = value_of_int(n, false);
    return OK;
}

/* Does the text begin or end with what is given, a text or a tuple of them? */
static status has_end(run *x, call *c, bool end, value *out) {
    const value one = c->arg[0];
    const bool several = one.kind == K_TUPLE;
    size_t from, to;
    TRY(span_of(x, c->self, c->arg[1], c->arg[2], &from, &to));
    *out = value_of_bool(false);
    for (size_t i = 0; i < (several ? one.n : 1); i++) {
        value what;
        TRY(arg_text(x, several ? one.items[i] : one, "what startswith and endswith look for", &what));
        if (from > to || to - from < what.n) continue;
        TRY(run_spend(x, what.n / 32));
        if (str_is_at(c->self, what, end ? to - what.n : from)) out->truth = true;
    }
    return OK;
}

status str_startswith(run *x, call *c, value *out) {
    return has_end(x, c, false, out);
}

status str_endswith(run *x, call *c, value *out) {
    return has_end(x, c, true, out);
}

/* ---- replace, join ---- */

/* An empty text is replaced before each letter and at the end. */
static status replace_empty(run *x, value s, value new, wide most, writer *t) {
    for (size_t i = 0; i <= s.n; i++) {
        if (most != 0) TRY(text_put_value(x, t, new));
        if (most > 0) most--;
        if (i < s.n) TRY(text_put_one(x, t, s.text[i]));
    }
    return OK;
}

status str_replace(run *x, value s, value old, value new, wide most, value *out) {
    writer t = {0};
    size_t from = 0, at;
    if (!old.n) {
        TRY(replace_empty(x, s, new, most, &t));
    } else {
        for (; most != 0; from = at + old.n, most--) {
            TRY(text_find(x, s, old, from, s.n, &at));
            if (at == SIZE_MAX) break;
            TRY(text_put(x, &t, s.text + from, at - from));
            TRY(text_put_value(x, &t, new));
        }
        TRY(text_put_value(x, &t, text_part(s, from, s.n)));
    }
    *out = text_value(&t);
    out->markup = s.markup;
    return OK;
}

status str_replace_all(run *x, call *c, value *out) {
    value old, new;
    wide most;
    TRY(arg_text(x, c->arg[0], "replace() argument 1", &old));
    TRY(arg_text(x, c->arg[1], "replace() argument 2", &new));
    TRY(arg_int(x, c->arg[2], -1, &most));
    return str_replace(x, c->self, old, new, most, out);
}

status str_join(run *x, value between, const value *list, size_t n, value *out) {
    writer t = {0};
    for (size_t i = 0; i < n; i++) {
        if (list[i].kind != K_STR) return run_fail(x, TYPE_ERROR, "sequence item %zu: expected str instance, %s found", i, value_type(list[i]));
        if (i) TRY(text_put_value(x, &t, between));
        TRY(text_put_value(x, &t, list[i]));
    }
    *out = text_value(&t);
    return OK;
}

status str_join_items(run *x, call *c, value *out) {
    const value *list;
    size_t n;
    TRY(value_items(x, c->arg[0], &list, &n));
    return str_join(x, c->self, list, n, out);
}
