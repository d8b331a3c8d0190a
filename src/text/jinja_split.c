/* Cutting texts apart. */
#include "text/jinja_str.h"

static status give_list(value *out, const item_list *i) {
    *out = value_of_items(K_LIST, i->p, i->n, false);
    return OK;
}

/* ---- split ---- */

static status split_space(run *x, value s, wide most, item_list *out) {
    size_t i = 0;
    for (;;) {
        while (i < s.n && letter_space(s.text[i])) i++;
        if (i == s.n) return OK;
        size_t end = i;
        if (most == 0) {
            end = s.n;
            while (letter_space(s.text[end - 1])) end--;
            return items_add(x, out, text_part(s, i, end));
        }
        while (end < s.n && !letter_space(s.text[end])) end++;
        TRY(items_add(x, out, text_part(s, i, end)));
        i = end;
        most--;
    }
}

static void turn_round(item_list *list) {
    for (size_t i = 0; i < list->n / 2; i++) {
        const value v = list->p[i];
        list->p[i] = list->p[list->n - 1 - i];
        list->p[list->n - 1 - i] = v;
    }
}

static status split_space_back(run *x, value s, wide most, item_list *out) {
    size_t end = s.n;
    for (; most != 0; most--) {
        while (end > 0 && letter_space(s.text[end - 1])) end--;
        if (end == 0) break;
        size_t i = end;
        while (i > 0 && !letter_space(s.text[i - 1])) i--;
        TRY(items_add(x, out, text_part(s, i, end)));
        end = i;
    }
    const value rest = text_trim(text_part(s, 0, end), false, true);
    size_t lead = 0;
    while (lead < rest.n && letter_space(rest.text[lead])) lead++;
    if (lead < rest.n) TRY(items_add(x, out, text_part(rest, most == 0 ? lead : 0, rest.n)));
    turn_round(out);
    return OK;
}

static status split_at(run *x, value s, value by, wide most, item_list *out) {
    size_t from = 0, at;
    for (; most != 0; most--, from = at + by.n) {
        TRY(text_find(x, s, by, from, s.n, &at));
        if (at == SIZE_MAX) break;
        TRY(items_add(x, out, text_part(s, from, at)));
    }
    return items_add(x, out, text_part(s, from, s.n));
}

static status split_at_back(run *x, value s, value by, wide most, item_list *out) {
    size_t end = s.n, i = s.n;
    while (most != 0 && i >= by.n) {
        if (i % 32 == 0) TRY(run_spend(x, 1 + by.n / 2));
        if (!str_is_at(s, by, i - by.n)) {
            if (i-- == 0) break;
            continue;
        }
        TRY(items_add(x, out, text_part(s, i, end)));
        end = i -= by.n;
        most--;
    }
    TRY(items_add(x, out, text_part(s, 0, end)));
    turn_round(out);
    return OK;
}

static status split(run *x, call *c, bool back, value *out) {
    item_list list = {0};
    value by;
    wide most;
    TRY(arg_int(x, c->arg[1], -1, &most));
    TRY(run_spend(x, c->self.n / 32));
    if (!arg_given(c->arg[0])) {
        TRY(back && most >= 0 ? split_space_back(x, c->self, most, &list) : split_space(x, c->self, most, &list));
    } else {
        TRY(arg_text(x, c->arg[0], "the separator", &by));
        if (!by.n) return run_fail(x, VALUE_ERROR, "empty separator");
        TRY(back ? split_at_back(x, c->self, by, most, &list) : split_at(x, c->self, by, most, &list));
    }
    return give_list(out, &list);
}

status str_split(run *x, call *c, value *out) {
    return split(x, c, false, out);
}

status str_rsplit(run *x, call *c, value *out) {
    return split(x, c, true, out);
}

static bool line_end(letter l) {
    const uint32_t c = l & LETTER_POINT;
    return (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

status str_lines(run *x, value s, bool keep, value *out) {
    item_list list = {0};
    for (size_t from = 0, end; from < s.n; from = end) {
        for (end = from; end < s.n && !line_end(s.text[end]);) end++;
        const size_t stop = end;
        if (end < s.n) end += (s.text[end] & LETTER_POINT) == '\r' && end + 1 < s.n && (s.text[end + 1] & LETTER_POINT) == '\n' ? 2 : 1;
        TRY(items_add(x, &list, text_part(s, from, keep ? end : stop)));
    }
    return give_list(out, &list);
}

status str_splitlines(run *x, call *c, value *out) {
    return str_lines(x, c->self, value_true(c->arg[0]), out);
}

static status partition(run *x, call *c, bool last, value *out) {
    value *three, by;
    wide at;
    TRY(arg_text(x, c->arg[0], "the separator", &by));
    if (!by.n) return run_fail(x, VALUE_ERROR, "empty separator");
    TRY(str_search(x, c, last, &at));
    TRY(run_take(x, 3, sizeof *three, &three));
    const value s = c->self, none = value_of_letters(NULL, 0);
    if (at < 0) {
        three[last ? 2 : 0] = s;
        three[1] = three[last ? 0 : 2] = none;
    } else {
        three[0] = text_part(s, 0, (size_t)at);
        three[1] = by;
        three[2] = text_part(s, (size_t)at + by.n, s.n);
    }
    *out = value_of_items(K_TUPLE, three, 3, false);
    return OK;
}

status str_partition(run *x, call *c, value *out) {
    return partition(x, c, false, out);
}

status str_rpartition(run *x, call *c, value *out) {
    return partition(x, c, true, out);
}

static status remove_end(run *x, call *c, bool end, value *out) {
    value what;
    TRY(arg_text(x, c->arg[0], "the argument", &what));
    const value s = c->self;
    *out = s;
    if (s.n < what.n || !str_is_at(s, what, end ? s.n - what.n : 0)) return OK;
    *out = end ? text_part(s, 0, s.n - what.n) : text_part(s, what.n, s.n);
    return OK;
}

status str_removeprefix(run *x, call *c, value *out) {
    return remove_end(x, c, false, out);
}

status str_removesuffix(run *x, call *c, value *out) {
    return remove_end(x, c, true, out);
}
