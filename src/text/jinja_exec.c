/* Statements: what each tag does. */
#include "text/jinja_loop.h"
#include "text/jinja_tree.h"

/* ---- scopes ---- */

status scope_open(run *x, scope *up, scope **out) {
    TRY(run_take(x, 1, sizeof **out, out));
    **out = (scope){.up = up};
    return OK;
}

status scope_set(run *x, scope *s, uint32_t name, value v) {
    for (size_t i = 0; i < s->n; i++) {
        if (s->bindings[i].name == name) return s->bindings[i].value = v, OK;
    }
    if (s->n == s->room) {
        const size_t room = s->room ? 2 * s->room : 4;
        binding *more;
        TRY(run_take(x, room, sizeof *more, &more));
        if (s->n) memcpy(more, s->bindings, s->n * sizeof *more);
        s->bindings = more;
        s->room = room;
    }
    s->bindings[s->n++] = (binding){name, v};
    return run_spend(x, s->n / 8);
}

const value *scope_find(const scope *s, uint32_t name) {
    for (; s; s = s->up) {
        for (size_t i = 0; i < s->n; i++) {
            if (s->bindings[i].name == name) return &s->bindings[i].value;
        }
    }
    return NULL;
}

/* ---- bodies ---- */

status node_run(run *x, const node *n) {
    x->line = n->line;
    TRY(run_spend(x, 1));
    TRY(run_enter(x));
    TRY(n->exec(x, n));
    run_leave(x);
    return OK;
}

status run_body(run *x, const body *b) {
    for (size_t i = 0; i < b->n && x->flow == FLOW_ON; i++) TRY(node_run(x, b->list[i]));
    return OK;
}

static status run_inside(run *x, scope *s, const body *b) {
    scope *const around = x->scope;
    x->scope = s;
    TRY(run_body(x, b));
    x->scope = around;
    return OK;
}

status run_capture(run *x, scope *s, const body *b, value *out) {
    writer inside = {0}, *const outside = x->out;
    x->out = &inside;
    TRY(run_inside(x, s, b));
    x->out = outside;
    *out = text_value(&inside);
    out->markup = x->autoescape;
    return OK;
}

/* ---- printing ---- */

status print_value(run *x, value v) {
    TRY(x->autoescape ? value_escape(x, v, &v) : value_string(x, v, &v));
    return text_put_value(x, x->out, v);
}

status exec_data(run *x, const node *n) {
    return text_put_value(x, x->out, n->constant);
}

status exec_print(run *x, const node *n) {
    for (size_t i = 0; i < n->list.n; i++) {
        value v;
        TRY(node_value(x, n->list.list[i], &v));
        TRY(print_value(x, v));
    }
    return OK;
}

status exec_filter(run *x, const node *n) {
    scope *s;
    value v;
    TRY(scope_open(x, x->scope, &s));
    TRY(run_capture(x, s, &n->list, &x->captured));
    TRY(node_value(x, n->a, &v));
    TRY(value_string(x, v, &v));
    return text_put_value(x, x->out, v);
}

/* ---- conditions and loops ---- */

status exec_if(run *x, const node *n) {
    for (;; n = n->c) {
        value test;
        TRY(node_value(x, n->a, &test));
        if (value_true(test)) return run_body(x, &n->list);
        if (!n->c) return run_body(x, &n->other);
    }
}

status exec_break(run *x, const node *n) {
    (void)n;
    x->flow = FLOW_BREAK;
    return OK;
}

status exec_continue(run *x, const node *n) {
    (void)n;
    x->flow = FLOW_CONTINUE;
    return OK;
}

/* Items that meet the condition behind "if", which sees the target but no loop. */
static status filter_items(run *x, const node *n, scope *up, const value **items, size_t *count) {
    scope *s;
    value *kept;
    size_t k = 0;
    TRY(scope_open(x, up, &s));
    TRY(run_take(x, *count, sizeof *kept, &kept));
    x->scope = s;
    for (size_t i = 0; i < *count; i++) {
        value test;
        s->n = 0;
        TRY(n->a->assign(x, n->a, (*items)[i]));
        TRY(node_value(x, n->c, &test));
        if (value_true(test)) kept[k++] = (*items)[i];
    }
    x->scope = up;
    *items = kept;
    *count = k;
    return OK;
}

status loop_run(run *x, const node *n, value over, size_t depth, scope *up) {
    scope *const around = x->scope, *s;
    loop *l;
    const value *items;
    size_t count;
    TRY(value_items(x, over, &items, &count));
    x->scope = up;
    if (n->c) TRY(filter_items(x, n, up, &items, &count));
    TRY(scope_open(x, up, &s));
    TRY(run_take(x, 1, sizeof *l, &l));
    *l = (loop){.node = n, .up = up, .items = items, .n = count, .depth = depth};
    x->scope = s;
    if (!count) TRY(run_body(x, &n->other));
    for (; l->at < count; l->at++) {
        s->n = 0; /* what an iteration sets is gone in the next */
        TRY(run_spend(x, 1));
        TRY(scope_set(x, s, n->name, (value){.kind = K_LOOP, .object = l}));
        TRY(n->a->assign(x, n->a, items[l->at]));
        TRY(run_body(x, &n->list));
        const flow went = x->flow;
        x->flow = FLOW_ON;
        if (went == FLOW_BREAK) break;
    }
    x->scope = around;
    return OK;
}

status exec_for(run *x, const node *n) {
    value over;
    TRY(node_value(x, n->b, &over));
    return loop_run(x, n, over, 0, x->scope);
}

/* ---- assignments ---- */

status assign_name(run *x, const node *n, value v) {
    return scope_set(x, x->scope, n->name, v);
}

status assign_tuple(run *x, const node *n, value v) {
    const value *items;
    size_t count;
    if (!value_iterable(v)) return run_fail(x, TYPE_ERROR, "cannot unpack non-iterable %s object", value_type(v));
    TRY(value_items(x, v, &items, &count));
    if (count > n->list.n) return run_fail(x, VALUE_ERROR, "too many values to unpack (expected %zu)", n->list.n);
    if (count < n->list.n) return run_fail(x, VALUE_ERROR, "not enough values to unpack (expected %zu, got %zu)", n->list.n, count);
    TRY(run_enter(x));
    for (size_t i = 0; i < count; i++) TRY(n->list.list[i]->assign(x, n->list.list[i], items[i]));
    run_leave(x);
    return OK;
}

status assign_attribute(run *x, const node *n, value v) {
    value space;
    TRY(node_value(x, n->a, &space));
    if (space.kind != K_NAMESPACE) return run_fail(x, RUNTIME_ERROR, "cannot assign attribute on non-namespace object");
    return namespace_set(x, space, n->constant, v);
}

status exec_set(run *x, const node *n) {
    value v;
    TRY(node_value(x, n->b, &v));
    return n->a->assign(x, n->a, v);
}

status exec_set_body(run *x, const node *n) {
    scope *s;
    value v;
    TRY(scope_open(x, x->scope, &s));
    TRY(run_capture(x, s, &n->list, &v));
    x->captured = v;
    if (n->b) TRY(node_value(x, n->b, &v));
    return n->a->assign(x, n->a, v);
}

status exec_with(run *x, const node *n) {
    scope *s, *const around = x->scope;
    value *values;
    TRY(run_take(x, n->other.n, sizeof *values, &values));
    for (size_t i = 0; i < n->other.n; i++) TRY(node_value(x, n->other.list[i], &values[i]));
    TRY(scope_open(x, around, &s));
    x->scope = s;
    for (size_t i = 0; i < n->list.n; i++) TRY(n->list.list[i]->assign(x, n->list.list[i], values[i]));
    TRY(run_body(x, &n->c->list));
    x->scope = around;
    return OK;
}

/* ---- scopes of their own ---- */

status exec_scope(run *x, const node *n) {
    scope *s;
    TRY(scope_open(x, x->scope, &s));
    return run_inside(x, s, &n->list);
}

status exec_block(run *x, const node *n) {
    scope *s;
    TRY(scope_open(x, n->flag ? x->scope : x->root, &s));
    return run_inside(x, s, &n->list);
}

status exec_autoescape(run *x, const node *n) {
    const bool around = x->autoescape;
    value v;
    TRY(node_value(x, n->a, &v));
    x->autoescape = value_true(v);
    TRY(exec_scope(x, n));
    x->autoescape = around;
    return OK;
}
