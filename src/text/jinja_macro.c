/* Macros, call blocks, and what a loop tells its body. */
#include "text/jinja_loop.h"

typedef struct macro {
    const signature *signature;
    body body;
    value name; /* K_ABSENT: the body of a call block */
    scope *up;  /* where it was written */
} macro;

static status new_macro(run *x, const node *n, value name, value *out) {
    macro *m;
    TRY(run_take(x, 1, sizeof *m, &m));
    *m = (macro){n->signature, n->list, name, x->scope};
    *out = (value){.kind = K_MACRO, .object = m};
    return OK;
}

status exec_macro(run *x, const node *n) {
    value v;
    TRY(new_macro(x, n, n->constant, &v));
    return scope_set(x, x->scope, n->name, v);
}

/* ---- calling one ---- */

typedef struct named_use { /* which of the named arguments of a call have been taken */
    const call *c;
    bool *used;
} named_use;

static const value *take_named(run *x, named_use *u, const char *ascii, value name) {
    (void)x;
    for (size_t i = 0; i < u->c->n_named; i++) {
        const value key = u->c->named[i].key;
        if (u->used[i] || !(ascii ? text_is(key, ascii) : letters_compare(key, name) == 0)) continue;
        u->used[i] = true;
        return &u->c->named[i].value;
    }
    return NULL;
}

static const char *macro_shown(run *x, const macro *m) {
    return m->name.kind == K_STR ? text_shown(x, m->name) : "None";
}

static status bind_parameters(run *x, const macro *m, named_use *u, const value *names) {
    const signature *s = m->signature;
    for (size_t i = 0; i < s->n; i++) {
        const value *named = take_named(x, u, NULL, names[s->names[i]]);
        value v;
        if (named && i < u->c->n)
            return run_fail(x, TYPE_ERROR, "macro '%s' got multiple values for argument '%s'", macro_shown(x, m), text_shown(x, names[s->names[i]]));
        if (named || i < u->c->n) {
            v = named ? *named : u->c->list[i];
        } else if (i >= s->n - s->n_defaults) {
            TRY(node_value(x, s->defaults[i - (s->n - s->n_defaults)], &v));
        } else {
            TRY(value_undefined(x, &v, "parameter '%s' was not provided", text_shown(x, names[s->names[i]])));
        }
        TRY(scope_set(x, x->scope, s->names[i], v));
    }
    return OK;
}

/* caller, varargs and kwargs, where the body names them; what is left over is an error otherwise. */
static status bind_rest(run *x, const macro *m, named_use *u) {
    const signature *s = m->signature;
    const size_t extra = u->c->n > s->n ? u->c->n - s->n : 0;
    if (s->caller) {
        const value *caller = take_named(x, u, "caller", (value){0});
        value none;
        TRY(value_undefined(x, &none, "No caller defined"));
        TRY(scope_set(x, x->scope, s->caller_name, caller ? *caller : none));
    }
    if (extra && !s->varargs) return run_fail(x, TYPE_ERROR, "macro '%s' takes not more than %zu argument(s)", macro_shown(x, m), s->n);
    if (s->varargs) TRY(scope_set(x, x->scope, s->varargs_name, value_of_items(K_TUPLE, extra ? u->c->list + s->n : NULL, extra, false)));
    value_pair *rest;
    size_t n = 0;
    TRY(run_take(x, u->c->n_named, sizeof *rest, &rest));
    for (size_t i = 0; i < u->c->n_named; i++) {
        if (u->used[i]) continue;
        if (!s->kwargs && text_is(u->c->named[i].key, "caller"))
            return run_fail(x, TYPE_ERROR, "macro '%s' was invoked with two values for the special caller argument or does not take one",
                            macro_shown(x, m));
        if (!s->kwargs)
            return run_fail(x, TYPE_ERROR, "macro '%s' takes no keyword argument '%s'", macro_shown(x, m), text_shown(x, u->c->named[i].key));
        TRY(dict_set(x, rest, &n, u->c->named[i].key, u->c->named[i].value));
    }
    return s->kwargs ? scope_set(x, x->scope, s->kwargs_name, (value){.kind = K_DICT, .pairs = rest, .n = n}) : OK;
}

status macro_call(run *x, value v, call *c, value *out) {
    const macro *m = v.object;
    scope *const around = x->scope, *s;
    named_use u = {.c = c};
    TRY(run_enter(x));
    TRY(scope_open(x, m->up, &s));
    TRY(run_take(x, c->n_named, sizeof *u.used, &u.used));
    for (size_t i = 0; i < c->n_named; i++) u.used[i] = false;
    x->scope = s;
    TRY(bind_parameters(x, m, &u, x->names));
    TRY(bind_rest(x, m, &u));
    TRY(run_capture(x, s, &m->body, out));
    x->scope = around;
    run_leave(x);
    return OK;
}

/* {% call f(...) %}: f gets the body as `caller`. */
status exec_call(run *x, const node *n) {
    static const letter name[] = {'c', 'a', 'l', 'l', 'e', 'r'};
    value callee, caller, out;
    call c;
    value_pair *named;
    TRY(node_value(x, n->a->a, &callee));
    TRY(call_arguments(x, n->a->arguments, &c));
    TRY(new_macro(x, n, (value){0}, &caller));
    TRY(run_take(x, c.n_named + 1, sizeof *named, &named));
    if (c.n_named) memcpy(named, c.named, c.n_named * sizeof *named);
    named[c.n_named++] = (value_pair){value_of_letters(name, 6), caller};
    c.named = named;
    TRY(value_call(x, callee, &c, &out));
    return print_value(x, out);
}

static status macro_name(run *x, call *c, value *out) {
    (void)x;
    const macro *m = c->self.object;
    *out = m->name.kind == K_STR ? m->name : value_of_none();
    return OK;
}

const routine macro_properties[] = {{"name", macro_name, ""}, {0}};

/* ---- loops ---- */

status loop_call(run *x, value v, call *c, value *out) {
    const loop *l = v.object;
    writer inside = {0}, *const outside = x->out;
    if (!l->node->flag) return run_fail(x, TYPE_ERROR, "The loop must have the 'recursive' marker to be called recursively.");
    if (c->n != 1 || c->n_named) return run_fail(x, TYPE_ERROR, "loop() takes one argument");
    TRY(run_enter(x));
    x->out = &inside;
    TRY(loop_run(x, l->node, c->list[0], l->depth + 1, l->up));
    x->out = outside;
    *out = text_value(&inside);
    out->markup = x->autoescape;
    run_leave(x);
    return OK;
}

static status give_count(value *out, size_t n) {
    *out = value_of_int((wide)n, false);
    return OK;
}

static status loop_index(run *x, call *c, value *out) {
    (void)x;
    return give_count(out, ((const loop *)c->self.object)->at + 1);
}

static status loop_index0(run *x, call *c, value *out) {
    (void)x;
    return give_count(out, ((const loop *)c->self.object)->at);
}

static status loop_revindex(run *x, call *c, value *out) {
    const loop *l = c->self.object;
    (void)x;
    return give_count(out, l->n - l->at);
}

static status loop_revindex0(run *x, call *c, value *out) {
    const loop *l = c->self.object;
    (void)x;
    *out = value_of_int((wide)l->n - (wide)l->at - 1, false);
    return OK;
}

static status loop_first(run *x, call *c, value *out) {
    (void)x;
    *out = value_of_bool(((const loop *)c->self.object)->at == 0);
    return OK;
}

static status loop_last(run *x, call *c, value *out) {
    const loop *l = c->self.object;
    (void)x;
    *out = value_of_bool(l->at + 1 >= l->n);
    return OK;
}

static status loop_length(run *x, call *c, value *out) {
    (void)x;
    return give_count(out, ((const loop *)c->self.object)->n);
}

static status loop_depth(run *x, call *c, value *out) {
    (void)x;
    return give_count(out, ((const loop *)c->self.object)->depth + 1);
}

static status loop_depth0(run *x, call *c, value *out) {
    (void)x;
    return give_count(out, ((const loop *)c->self.object)->depth);
}

static status loop_previtem(run *x, call *c, value *out) {
    const loop *l = c->self.object;
    if (l->at == 0 || l->at > l->n) return value_undefined(x, out, "there is no previous item");
    *out = l->items[l->at - 1];
    return OK;
}

static status loop_nextitem(run *x, call *c, value *out) {
    const loop *l = c->self.object;
    if (l->at + 1 >= l->n) return value_undefined(x, out, "there is no next item");
    *out = l->items[l->at + 1];
    return OK;
}

static status loop_cycle(run *x, call *c, value *out) {
    if (!c->n) return run_fail(x, TYPE_ERROR, "no items for cycling given");
    *out = c->list[((const loop *)c->self.object)->at % c->n];
    return OK;
}

static status loop_changed(run *x, call *c, value *out) {
    loop *l = c->self.object;
    const value now = value_of_items(K_TUPLE, c->list, c->n, false);
    bool same = false;
    if (l->last.kind != K_ABSENT) TRY(value_same(x, l->last, now, &same));
    l->last = now;
    *out = value_of_bool(!same);
    return OK;
}

const routine loop_properties[] = {
    {"index", loop_index, ""},   {"index0", loop_index0, ""},     {"revindex", loop_revindex, ""}, {"revindex0", loop_revindex0, ""},
    {"first", loop_first, ""},   {"last", loop_last, ""},         {"length", loop_length, ""},     {"depth", loop_depth, ""},
    {"depth0", loop_depth0, ""}, {"previtem", loop_previtem, ""}, {"nextitem", loop_nextitem, ""}, {0},
};

const routine loop_methods[] = {{"cycle", loop_cycle, NULL}, {"changed", loop_changed, NULL}, {0}};
