/* Filters of lists and dicts. */
#include "text/jinja_filters.h"

/* ---- looking into items ---- */

/* A part of a path that consists of digits is an index. */
static value path_part(value s) {
    wide n;
    bool digits = s.n > 0;
    for (size_t i = 0; i < s.n; i++) digits &= (s.text[i] & LETTER_POINT) - '0' < 10;
    return digits && number_parse_int(s, 10, &n) ? value_of_int(n, false) : s;
}

status filter_path(run *x, value v, value path, value otherwise, value *out) {
    *out = v;
    if (path.kind != K_STR) return value_item(x, v, path, out);
    for (size_t from = 0, to; from <= path.n; from = to + 1) {
        for (to = from; to < path.n && (path.text[to] & LETTER_POINT) != '.';) to++;
        TRY(value_item(x, *out, path_part(text_part(path, from, to)), out));
        if (out->kind == K_UNDEFINED && otherwise.kind != K_ABSENT) *out = otherwise;
    }
    return OK;
}

status filter_attributes(run *x, value v, value path, const value **list, size_t *n) {
    value *found;
    TRY(value_items(x, v, list, n));
    if (!arg_given(path)) return OK;
    TRY(run_take(x, *n, sizeof *found, &found));
    for (size_t i = 0; i < *n; i++) TRY(filter_path(x, (*list)[i], path, (value){0}, &found[i]));
    *list = found;
    return OK;
}

/* What items are compared by: their attribute, in lower case unless case counts. */
static status sort_keys(run *x, value v, value path, value case_sensitive, const value **items, const value **keys, size_t *n) {
    value *made;
    const value *found;
    TRY(value_items(x, v, items, n));
    TRY(filter_attributes(x, value_of_items(K_LIST, *items, *n, false), path, &found, n));
    TRY(run_take(x, *n, sizeof *made, &made));
    for (size_t i = 0; i < *n; i++) {
        made[i] = found[i];
        if (found[i].kind == K_STR && (case_sensitive.kind == K_ABSENT || !value_true(case_sensitive)))
            TRY(text_case(x, found[i], CASE_LOWER, &made[i]));
    }
    *keys = made;
    return OK;
}

static status in_order(run *x, const value *items, const size_t *order, size_t n, value **out) {
    TRY(run_take(x, n, sizeof **out, out));
    for (size_t i = 0; i < n; i++) (*out)[i] = items[order[i]];
    return OK;
}

/* ---- order ---- */

/* "attribute" may name several with commas. */
status filter_sort(run *x, call *c, value *out) {
    const bool reverse = c->arg[0].kind != K_ABSENT && value_true(c->arg[0]);
    const value *items, *keys;
    value *sorted;
    size_t n, *order;
    for (size_t i = 0; c->arg[2].kind == K_STR && i < c->arg[2].n; i++) {
        if ((c->arg[2].text[i] & LETTER_POINT) == ',') return run_fail(x, VALUE_ERROR, "sorting by several attributes is not supported");
    }
    TRY(sort_keys(x, c->self, c->arg[2], c->arg[1], &items, &keys, &n));
    TRY(value_order(x, keys, n, reverse, &order));
    TRY(in_order(x, items, order, n, &sorted));
    *out = value_of_items(K_LIST, sorted, n, c->self.data);
    return OK;
}

status filter_dictsort(run *x, call *c, value *out) {
    const bool reverse = c->arg[2].kind != K_ABSENT && value_true(c->arg[2]);
    const bool by_value = c->arg[1].kind == K_STR && text_is(c->arg[1], "value");
    const value *pairs, *items, *keys;
    value sorted_by = c->self, *sorted;
    size_t n, *order;
    if (c->self.kind != K_DICT) return run_fail(x, TYPE_ERROR, "dictsort needs a dict, not %s", value_type(c->self));
    if (arg_given(c->arg[1]) && !by_value && !(c->arg[1].kind == K_STR && text_is(c->arg[1], "key")))
        return run_fail(x, "FilterArgumentError", "You can only sort by either \"key\" or \"value\"");
    sorted_by.kind = by_value ? K_VALUES : K_KEYS;
    TRY(sort_keys(x, sorted_by, (value){0}, c->arg[0], &items, &keys, &n));
    TRY(value_order(x, keys, n, reverse, &order));
    sorted_by.kind = K_ITEMS;
    TRY(value_items(x, sorted_by, &pairs, &n));
    TRY(in_order(x, pairs, order, n, &sorted));
    *out = value_of_items(K_LIST, sorted, n, c->self.data);
    return OK;
}

static status extreme(run *x, call *c, bool most, value *out) {
    const value *items, *keys;
    size_t n, best = 0;
    TRY(sort_keys(x, c->self, c->arg[1], c->arg[0], &items, &keys, &n));
    if (!n) return value_undefined(x, out, "No aggregated item, sequence was empty.");
    for (size_t i = 1; i < n; i++) {
        int order;
        TRY(value_compare(x, keys[i], keys[best], most ? ">" : "<", &order));
        if (order == (most ? 1 : -1)) best = i;
    }
    *out = items[best];
    return OK;
}

status filter_max(run *x, call *c, value *out) {
    return extreme(x, c, true, out);
}

status filter_min(run *x, call *c, value *out) {
    return extreme(x, c, false, out);
}

status filter_unique(run *x, call *c, value *out) {
    const value *list, *keys;
    size_t n;
    item_list kept = {0};
    value_pair *seen;
    size_t n_seen = 0;
    TRY(sort_keys(x, c->self, c->arg[1], c->arg[0], &list, &keys, &n));
    TRY(run_take(x, n, sizeof *seen, &seen));
    for (size_t i = 0; i < n; i++) {
        const size_t before = n_seen;
        TRY(dict_set(x, seen, &n_seen, keys[i], value_of_none()));
        if (n_seen > before) TRY(items_add(x, &kept, list[i]));
    }
    return value_iterator(x, kept.p, kept.n, c->self.data, out);
}

/* Tuples (key, list) in the order of the keys; each also answers to grouper and list, which nobody has been seen to ask for. */
status filter_groupby(run *x, call *c, value *out) {
    const value *list, *keys, *plain;
    value *sorted;
    size_t n, *order;
    item_list groups = {0};
    TRY(sort_keys(x, c->self, c->arg[0], c->arg[2], &list, &keys, &n));
    TRY(filter_attributes(x, value_of_items(K_LIST, list, n, false), c->arg[0], &plain, &n));
    TRY(value_order(x, keys, n, false, &order));
    TRY(in_order(x, list, order, n, &sorted));
    for (size_t from = 0, to; from < n; from = to) {
        bool same = true;
        for (to = from + 1; to < n; to++) {
            TRY(value_same(x, keys[order[from]], keys[order[to]], &same));
            if (!same) break;
        }
        value *two;
        TRY(run_take(x, 2, sizeof *two, &two));
        two[0] = plain[order[from]];
        two[1] = value_of_items(K_LIST, sorted + from, to - from, c->self.data);
        TRY(items_add(x, &groups, value_of_items(K_TUPLE, two, 2, c->self.data)));
    }
    *out = value_of_items(K_LIST, groups.p, groups.n, c->self.data);
    return OK;
}

/* ---- parts ---- */

status filter_list(run *x, call *c, value *out) {
    const value *list;
    size_t n;
    TRY(value_items(x, c->self, &list, &n));
    *out = value_of_items(K_LIST, list, n, c->self.data);
    return OK;
}

status filter_items(run *x, call *c, value *out) {
    value view = c->self;
    const value *list;
    size_t n;
    if (view.kind != K_UNDEFINED && view.kind != K_DICT) return run_fail(x, TYPE_ERROR, "Can only get item pairs from a mapping.");
    if (view.kind == K_DICT) view.kind = K_ITEMS;
    TRY(value_items(x, view, &list, &n));
    return value_iterator(x, list, n, c->self.data, out);
}

status filter_first(run *x, call *c, value *out) {
    const value *list;
    size_t n;
    TRY(value_items(x, c->self, &list, &n));
    if (!n) return value_undefined(x, out, "No first item, sequence was empty.");
    *out = list[0];
    if (c->self.kind != K_ITERATOR) return OK;
    *(value *)c->self.object = value_of_items(K_LIST, list + 1, n - 1, c->self.data); /* the others can still be had */
    return OK;
}

status filter_last(run *x, call *c, value *out) {
    const value *list;
    size_t n;
    if (c->self.kind == K_ITERATOR) return run_fail(x, TYPE_ERROR, "'generator' object is not reversible");
    TRY(value_items(x, c->self, &list, &n));
    if (!n) return value_undefined(x, out, "No last item, sequence was empty.");
    *out = list[n - 1];
    return OK;
}

status filter_reverse(run *x, call *c, value *out) {
    const bool text = c->self.kind == K_STR;
    const value *list;
    value *back;
    size_t n;
    TRY(value_items(x, c->self, &list, &n));
    TRY(run_take(x, n, sizeof *back, &back));
    for (size_t i = 0; i < n; i++) back[i] = list[n - 1 - i];
    if (text) return str_join(x, value_of_letters(NULL, 0), back, n, out);
    if (c->self.kind != K_ITERATOR) return value_iterator(x, back, n, c->self.data, out);
    *out = value_of_items(K_LIST, back, n, c->self.data);
    return OK;
}

status filter_sum(run *x, call *c, value *out) {
    const value *list;
    size_t n;
    TRY(filter_attributes(x, c->self, c->arg[0], &list, &n));
    *out = c->arg[1].kind == K_ABSENT ? value_of_int(0, false) : c->arg[1];
    if (out->kind == K_STR) return run_fail(x, TYPE_ERROR, "sum() can't sum strings [use ''.join(seq) instead]");
    for (size_t i = 0; i < n; i++) TRY(operations[0].run(x, *out, list[i], out));
    return OK;
}

/* Lists of `size` items, the last one filled up if there is something to fill it with. */
status filter_batch(run *x, call *c, value *out) {
    const value *list;
    size_t n;
    wide size;
    item_list rows = {0};
    TRY(value_items(x, c->self, &list, &n));
    TRY(value_to_index(x, c->arg[0], &size));
    if (size < 1) return run_fail(x, VALUE_ERROR, "batch needs at least one item in a row");
    const size_t step = size > (wide)n ? n : (size_t)size;
    for (size_t from = 0; from < n; from += step) {
        item_list row = {0};
        for (size_t i = from; i < n && i < from + step; i++) TRY(items_add(x, &row, list[i]));
        while (arg_given(c->arg[1]) && (wide)row.n < size) TRY(items_add(x, &row, c->arg[1]));
        TRY(items_add(x, &rows, value_of_items(K_LIST, row.p, row.n, c->self.data)));
    }
    return value_iterator(x, rows.p, rows.n, c->self.data, out);
}

/* So many lists of nearly the same length. */
status filter_slice(run *x, call *c, value *out) {
    const value *list;
    size_t n, at = 0;
    wide slices;
    item_list rows = {0};
    TRY(value_items(x, c->self, &list, &n));
    TRY(value_to_index(x, c->arg[0], &slices));
    if (slices < 1 || slices > 100000) return run_fail(x, VALUE_ERROR, "slice needs 1 to 100000 slices");
    const size_t each = n / (size_t)slices, more = n % (size_t)slices;
    for (size_t i = 0; i < (size_t)slices; i++) {
        item_list row = {0};
        const size_t end = at + each + (i < more);
        while (at < end) TRY(items_add(x, &row, list[at++]));
        if (arg_given(c->arg[1]) && i >= more) TRY(items_add(x, &row, c->arg[1]));
        TRY(items_add(x, &rows, value_of_items(K_LIST, row.p, row.n, c->self.data)));
    }
    return value_iterator(x, rows.p, rows.n, c->self.data, out);
}
