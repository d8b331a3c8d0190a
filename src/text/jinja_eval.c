/* Expressions: what each node of the tree is worth. */
#include "text/jinja_tree.h"

status node_value(run *x, const node *n, value *out) {
    x->line = n->line;
    TRY(run_spend(x, 1));
    TRY(run_enter(x));
    TRY(n->eval(x, n, out));
    run_leave(x);
    return OK;
}

/* ---- names and literals ---- */

status eval_constant(run *x, const node *n, value *out) {
    (void)x;
    *out = n->constant;
    return OK;
}

status eval_name(run *x, const node *n, value *out) {
    const value *found = scope_find(x->scope, n->name);
    const routine *global = n->row;
    if (found) return *out = *found, OK;
    if (!global) return value_undefined(x, out, "'%s' is undefined", text_shown(x, n->constant));
    if (!global->run) return *out = (value){.kind = K_SELF}, OK;
    return routine_value(x, global, (value){0}, out);
}

static status eval_items(run *x, const node *n, value_kind kind, value *out) {
    value *items;
    TRY(run_take(x, n->list.n, sizeof *items, &items));
    for (size_t i = 0; i < n->list.n; i++) TRY(node_value(x, n->list.list[i], &items[i]));
    *out = value_of_items(kind, items, n->list.n, false);
    return OK;
}

status eval_list(run *x, const node *n, value *out) {
    return eval_items(x, n, K_LIST, out);
}

status eval_tuple(run *x, const node *n, value *out) {
    return eval_items(x, n, K_TUPLE, out);
}

status eval_dict(run *x, const node *n, value *out) {
    value_pair *pairs;
    size_t done = 0;
    TRY(run_take(x, n->list.n, sizeof *pairs, &pairs));
    for (size_t i = 0; i < n->list.n; i++) {
        value key, item;
        TRY(node_value(x, n->list.list[i], &key));
        TRY(node_value(x, n->other.list[i], &item));
        TRY(dict_set(x, pairs, &done, key, item));
    }
    *out = (value){.kind = K_DICT, .pairs = pairs, .n = done};
    return OK;
}

/* ---- attributes, items, calls ---- */

status eval_attribute(run *x, const node *n, value *out) {
    value v;
    TRY(node_value(x, n->a, &v));
    x->line = n->line;
    return value_attribute(x, v, n->constant, out);
}

status eval_item(run *x, const node *n, value *out) {
    value v, key;
    TRY(node_value(x, n->a, &v));
    TRY(node_value(x, n->b, &key));
    x->line = n->line;
    return value_item(x, v, key, out);
}

static status bound_value(run *x, const node *n, wide *out, bool *given) {
    value v = {.kind = K_NONE};
    *given = false;
    if (n) TRY(node_value(x, n, &v));
    if (v.kind == K_NONE) return OK;
    *given = true;
    if (v.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", v.why);
    TRY(value_to_index(x, v, out));
    const wide most = (wide)1 << 62; /* more is as good as that, and sums cannot overflow */
    *out = *out > most ? most : *out < -most ? -most : *out;
    return OK;
}

status eval_slice(run *x, const node *n, value *out) {
    triple *t;
    bool stepped;
    TRY(run_take(x, 1, sizeof *t, &t));
    *t = (triple){0};
    TRY(bound_value(x, n->a, &t->start, &t->has_start));
    TRY(bound_value(x, n->b, &t->stop, &t->has_stop));
    TRY(bound_value(x, n->c, &t->step, &stepped));
    if (!stepped) t->step = 1;
    *out = (value){.kind = K_SLICE, .range = t};
    return OK;
}

static status add_star(run *x, const node *star, value **list, size_t *n) {
    value more;
    const value *items;
    size_t added;
    TRY(node_value(x, star, &more));
    TRY(value_items(x, more, &items, &added));
    value *all;
    TRY(run_take(x, *n + added, sizeof *all, &all));
    if (*n) memcpy(all, *list, *n * sizeof *all);
    if (added) memcpy(all + *n, items, added * sizeof *all);
    *list = all;
    *n += added;
    return OK;
}

static status add_stars(run *x, const node *stars, value_pair **named, size_t *n) {
    value more;
    TRY(node_value(x, stars, &more));
    if (more.kind != K_DICT) return run_fail(x, TYPE_ERROR, "argument after ** must be a mapping, not %s", value_type(more));
    value_pair *all;
    TRY(run_take(x, *n + more.n, sizeof *all, &all));
    if (*n) memcpy(all, *named, *n * sizeof *all);
    for (size_t i = 0; i < more.n; i++) {
        if (more.pairs[i].key.kind != K_STR) return run_fail(x, TYPE_ERROR, "keywords must be strings");
        all[(*n)++] = more.pairs[i];
    }
    *named = all;
    return OK;
}

status call_arguments(run *x, const written *a, call *c) {
    value *list;
    value_pair *named;
    size_t n = a->list.n, n_named = a->n_named;
    TRY(run_take(x, n, sizeof *list, &list));
    TRY(run_take(x, n_named, sizeof *named, &named));
    for (size_t i = 0; i < n; i++) TRY(node_value(x, a->list.list[i], &list[i]));
    for (size_t i = 0; i < n_named; i++) {
        named[i].key = a->named[i].name;
        TRY(node_value(x, a->named[i].value, &named[i].value));
    }
    if (a->star) TRY(add_star(x, a->star, &list, &n));
    if (a->stars) TRY(add_stars(x, a->stars, &named, &n_named));
    *c = (call){.list = list, .n = n, .named = named, .n_named = n_named};
    return OK;
}

status eval_call(run *x, const node *n, value *out) {
    value callee;
    call c;
    TRY(node_value(x, n->a, &callee));
    TRY(call_arguments(x, n->arguments, &c));
    x->line = n->line;
    return value_call(x, callee, &c, out);
}

static status start_row(run *x, const node *n, const char *what, value *out) {
    value self = x->captured;
    call c;
    if (n->a) TRY(node_value(x, n->a, &self));
    TRY(call_arguments(x, n->more, &c));
    x->line = n->line;
    if (!n->row) return run_fail(x, RUNTIME_ERROR, "No %s named '%s' found.", what, text_shown(x, n->constant));
    c.self = self;
    return routine_start(x, n->row, &c, out);
}

status eval_filter(run *x, const node *n, value *out) {
    return start_row(x, n, "filter", out);
}

status eval_test(run *x, const node *n, value *out) {
    return start_row(x, n, "test", out);
}

/* ---- operators ---- */

status eval_operation(run *x, const node *n, value *out) {
    const operation *o = n->row;
    value a, b;
    TRY(node_value(x, n->a, &a));
    TRY(node_value(x, n->b, &b));
    x->line = n->line;
    return o->run(x, a, b, out);
}

status eval_negate(run *x, const node *n, value *out) {
    value a;
    TRY(node_value(x, n->a, &a));
    return number_negate(x, a, out);
}

status eval_plus(run *x, const node *n, value *out) {
    TRY(node_value(x, n->a, out));
    if (out->kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", out->why);
    if (!value_is_number(*out)) return run_fail(x, TYPE_ERROR, "bad operand type for unary +: '%s'", value_type(*out));
    if (out->kind == K_BOOL) *out = value_of_int(out->truth, out->data);
    return OK;
}

status eval_not(run *x, const node *n, value *out) {
    value a;
    TRY(node_value(x, n->a, &a));
    *out = value_of_bool(!value_true(a));
    return OK;
}

status eval_and(run *x, const node *n, value *out) {
    TRY(node_value(x, n->a, out));
    return value_true(*out) ? node_value(x, n->b, out) : OK;
}

status eval_or(run *x, const node *n, value *out) {
    TRY(node_value(x, n->a, out));
    return value_true(*out) ? OK : node_value(x, n->b, out);
}

status eval_if(run *x, const node *n, value *out) {
    value test;
    TRY(node_value(x, n->b, &test));
    if (value_true(test)) return node_value(x, n->a, out);
    if (n->c) return node_value(x, n->c, out);
    return value_undefined(x, out, "the inline if-expression on line %zu evaluated to false and no else section was defined.", n->line);
}

/* ---- comparisons ---- */

static status compare_same(run *x, value a, value b, bool *truth) {
    return value_same(x, a, b, truth);
}

static status compare_other(run *x, value a, value b, bool *truth) {
    TRY(value_same(x, a, b, truth));
    *truth = !*truth;
    return OK;
}

static status compare_less(run *x, value a, value b, bool *truth) {
    int order;
    TRY(value_compare(x, a, b, "<", &order));
    *truth = order == -1;
    return OK;
}

static status compare_more(run *x, value a, value b, bool *truth) {
    int order;
    TRY(value_compare(x, a, b, ">", &order));
    *truth = order == 1;
    return OK;
}

static status compare_at_most(run *x, value a, value b, bool *truth) {
    int order;
    TRY(value_compare(x, a, b, "<=", &order));
    *truth = order == -1 || order == 0;
    return OK;
}

static status compare_at_least(run *x, value a, value b, bool *truth) {
    int order;
    TRY(value_compare(x, a, b, ">=", &order));
    *truth = order == 1 || order == 0;
    return OK;
}

static status compare_in(run *x, value a, value b, bool *truth) {
    return value_contains(x, b, a, truth);
}

static status compare_not_in(run *x, value a, value b, bool *truth) {
    TRY(value_contains(x, b, a, truth));
    *truth = !*truth;
    return OK;
}

const comparison comparisons[] = {
    {"==", compare_same}, {"!=", compare_other},      {"<", compare_less},
    {">", compare_more},  {"<=", compare_at_most},    {">=", compare_at_least},
    {"in", compare_in},   {"not in", compare_not_in}, {0},
};

status eval_compare(run *x, const node *n, value *out) {
    value left;
    bool truth = true;
    TRY(node_value(x, n->a, &left));
    for (size_t i = 0; truth && i < n->list.n; i++) {
        const comparison *c = n->list.list[i]->row;
        value right;
        TRY(node_value(x, n->list.list[i]->a, &right));
        TRY(c->run(x, left, right, &truth));
        left = right;
    }
    *out = value_of_bool(truth);
    return OK;
}
