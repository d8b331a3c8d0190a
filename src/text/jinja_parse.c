#include "text/jinja_parse.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- nodes and names ---- */

status parse_refuse(parser *p, const char *format, ...) {
    char said[300];
    va_list list;
    va_start(list, format);
    vsnprintf(said, sizeof said, format, list);
    va_end(list);
    p->x->line = p->at->line;
    return run_fail(p->x, SYNTAX_ERROR, "%s", said);
}

status node_new(parser *p, node **out) {
    TRY(run_take(p->x, 1, sizeof **out, out));
    **out = (node){.line = p->at->line};
    return OK;
}

status list_add(parser *p, node_list *l, const node *n) {
    if (l->n == l->room) {
        const size_t room = l->room ? 2 * l->room : 4;
        const node **more;
        TRY(run_take(p->x, room, sizeof *more, &more));
        if (l->n) memcpy(more, l->p, l->n * sizeof *more);
        l->p = more;
        l->room = room;
    }
    l->p[l->n++] = n;
    return OK;
}

body list_body(const node_list *l) {
    return (body){l->p, l->n};
}

struct name_entry {
    struct name_entry *next;
    uint32_t number;
};

status name_number(parser *p, value text, uint32_t *out) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < text.n; i++) hash = (hash ^ text.text[i]) * 16777619u;
    struct name_entry **bucket = &p->buckets[hash % NAME_BUCKETS], *new;
    for (const struct name_entry *at = *bucket; at; at = at->next) {
        *out = at->number;
        if (p->names[at->number].n == text.n && letters_same(p->names[at->number].text, text.text, text.n)) return OK;
    }
    if (p->n_names == p->room_names) {
        const size_t room = p->room_names ? 2 * p->room_names : 64;
        value *names;
        TRY(run_take(p->x, room, sizeof *names, &names));
        if (p->n_names) memcpy(names, p->names, p->n_names * sizeof *names);
        p->names = names;
        p->room_names = room;
    }
    TRY(run_take(p->x, 1, sizeof *new, &new));
    *out = (uint32_t)p->n_names;
    *new = (struct name_entry){*bucket, *out};
    *bucket = new;
    p->names[p->n_names++] = text;
    return OK;
}

/* ---- the current token ---- */

const char *token_shown(parser *p, const token *t) {
    static const char *const names[] = {"template data",
                                        "begin of print statement",
                                        "end of print statement",
                                        "begin of statement block",
                                        "end of statement block",
                                        NULL,
                                        "string",
                                        "integer",
                                        "float",
                                        NULL,
                                        "end of template"};
    return names[t->type] ? names[t->type] : text_shown(p->x, token_text(&p->tokens, t));
}

bool token_is(const parser *p, const token *t, token_type type, const char *text) {
    return t->type == type && text_is(token_text(&p->tokens, t), text);
}

bool at_name(const parser *p, const char *name) {
    return token_is(p, p->at, TOKEN_NAME, name);
}

bool at_sign(const parser *p, const char *sign) {
    return token_is(p, p->at, TOKEN_SIGN, sign);
}

bool skip_name(parser *p, const char *name) {
    const bool is = at_name(p, name);
    p->at += is;
    return is;
}

bool skip_sign(parser *p, const char *sign) {
    const bool is = at_sign(p, sign);
    p->at += is;
    return is;
}

status expect_sign(parser *p, const char *sign) {
    return skip_sign(p, sign) ? OK : parse_refuse(p, "expected token '%s', got '%s'", sign, token_shown(p, p->at));
}

status expect_type(parser *p, token_type type, const char *what) {
    if (p->at->type == type) return p->at++, OK;
    if (p->at->type == TOKEN_END) return parse_refuse(p, "unexpected end of template, expected '%s'", what);
    return parse_refuse(p, "expected token '%s', got '%s'", what, token_shown(p, p->at));
}

status expect_name(parser *p, value *out) {
    if (p->at->type == TOKEN_NAME) *out = token_text(&p->tokens, p->at);
    return expect_type(p, TOKEN_NAME, "name");
}

/* ---- literals and names ---- */

static status new_constant(parser *p, value v, const node **out) {
    node *n;
    TRY(node_new(p, &n));
    n->eval = eval_constant;
    n->constant = v;
    *out = n;
    return OK;
}

static const struct constant {
    const char *name;
    value value;
} constants[] = {
    {"true", {.kind = K_BOOL, .truth = true}},
    {"True", {.kind = K_BOOL, .truth = true}},
    {"false", {.kind = K_BOOL}},
    {"False", {.kind = K_BOOL}},
    {"none", {.kind = K_NONE}},
    {"None", {.kind = K_NONE}},
};

static void note_use(value name, const char *own, uint32_t number, bool *used, uint32_t *kept) {
    if (!text_is(name, own)) return;
    *used = true;
    *kept = number;
}

static status new_name(parser *p, const node **out) {
    node *n;
    value name;
    TRY(node_new(p, &n));
    TRY(expect_name(p, &name));
    TRY(name_number(p, name, &n->name));
    n->eval = eval_name;
    n->assign = assign_name;
    n->constant = name;
    n->row = routine_find(global_routines, name);
    note_use(name, "caller", n->name, &p->used.caller, &p->used.caller_name);
    note_use(name, "varargs", n->name, &p->used.varargs, &p->used.varargs_name);
    note_use(name, "kwargs", n->name, &p->used.kwargs, &p->used.kwargs_name);
    *out = n;
    return OK;
}

static status parse_name(parser *p, bool attributes, const node **out) {
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (skip_name(p, constants[i].name)) return new_constant(p, constants[i].value, out);
    }
    TRY(new_name(p, out));
    if (!attributes || !at_sign(p, ".")) return OK;
    node *n;
    TRY(node_new(p, &n));
    p->at++;
    TRY(expect_name(p, &n->constant));
    n->a = *out;
    n->eval = eval_attribute;
    n->assign = assign_attribute;
    *out = n;
    return OK;
}

static status parse_string(parser *p, const node **out) {
    writer t = {0};
    for (; p->at->type == TOKEN_STRING; p->at++) {
        p->x->line = p->at->line;
        TRY(token_string(p->x, &p->tokens, p->at, &t));
    }
    return new_constant(p, text_value(&t), out);
}

status parse_number(parser *p, const node **out) {
    value v;
    p->x->line = p->at->line;
    TRY(token_number(p->x, &p->tokens, p->at, &v));
    p->at++;
    return new_constant(p, v, out);
}

static status parse_list(parser *p, const node **out) {
    node *n;
    node_list items = {0};
    const node *item;
    TRY(node_new(p, &n));
    TRY(expect_sign(p, "["));
    while (!at_sign(p, "]")) {
        if (items.n) TRY(expect_sign(p, ","));
        if (at_sign(p, "]")) break;
        TRY(parse_expression(p, true, &item));
        TRY(list_add(p, &items, item));
    }
    TRY(expect_sign(p, "]"));
    n->eval = eval_list;
    n->list = list_body(&items);
    *out = n;
    return OK;
}

static status parse_dict(parser *p, const node **out) {
    node *n;
    node_list keys = {0}, values = {0};
    const node *item;
    TRY(node_new(p, &n));
    TRY(expect_sign(p, "{"));
    while (!at_sign(p, "}")) {
        if (keys.n) TRY(expect_sign(p, ","));
        if (at_sign(p, "}")) break;
        TRY(parse_expression(p, true, &item));
        TRY(list_add(p, &keys, item));
        TRY(expect_sign(p, ":"));
        TRY(parse_expression(p, true, &item));
        TRY(list_add(p, &values, item));
    }
    TRY(expect_sign(p, "}"));
    n->eval = eval_dict;
    n->list = list_body(&keys);
    n->other = list_body(&values);
    *out = n;
    return OK;
}

/* ---- tuples and targets ---- */

static bool at_tuple_end(const parser *p, const char *stop) {
    return p->at->type == TOKEN_PRINT_END || p->at->type == TOKEN_BLOCK_END || at_sign(p, ")") || (stop && at_name(p, stop));
}

typedef struct tuple_style {
    const char *stop;
    bool conditional, simple, attributes, brackets;
} tuple_style;

static status collect_tuple(parser *p, const tuple_style *how, const node **out) {
    node *n;
    node_list items = {0};
    bool is_tuple = false;
    TRY(node_new(p, &n));
    for (;;) {
        if (items.n) TRY(expect_sign(p, ","));
        if (at_tuple_end(p, how->stop)) break;
        TRY(how->simple ? parse_primary(p, how->attributes, out) : parse_expression(p, how->conditional, out));
        TRY(list_add(p, &items, *out));
        if (!at_sign(p, ",")) break;
        is_tuple = true;
    }
    if (!is_tuple && items.n) return OK; /* *out is the one */
    if (!is_tuple && !how->brackets) return parse_refuse(p, "Expected an expression, got '%s'", token_shown(p, p->at));
    n->eval = eval_tuple;
    n->list = list_body(&items);
    n->assign = assign_tuple;
    for (size_t i = 0; i < items.n; i++) {
        if (!items.p[i]->assign) n->assign = NULL;
    }
    *out = n;
    return OK;
}

status parse_tuple(parser *p, bool conditional, const char *stop, const node **out) {
    return collect_tuple(p, &(tuple_style){.stop = stop, .conditional = conditional}, out);
}

status parse_target(parser *p, const char *stop, bool attributes, const node **out) {
    TRY(collect_tuple(p, &(tuple_style){.stop = stop, .simple = true, .attributes = attributes}, out));
    return (*out)->assign ? OK : parse_refuse(p, "cannot assign to this");
}

status parse_primary(parser *p, bool attributes, const node **out) {
    if (p->at->type == TOKEN_NAME) return parse_name(p, attributes, out);
    if (p->at->type == TOKEN_STRING) return parse_string(p, out);
    if (p->at->type == TOKEN_INTEGER || p->at->type == TOKEN_FLOAT) return parse_number(p, out);
    if (at_sign(p, "[")) return parse_list(p, out);
    if (at_sign(p, "{")) return parse_dict(p, out);
    if (!skip_sign(p, "(")) return parse_refuse(p, "unexpected '%s'", token_shown(p, p->at));
    TRY(collect_tuple(p, &(tuple_style){.conditional = true, .brackets = true}, out));
    return expect_sign(p, ")");
}
