#include "text/jinja_parse.h"

/* ---- what follows an operand ---- */

static status parse_slice_part(parser *p, const node **out) {
    *out = NULL;
    return at_sign(p, ":") || at_sign(p, "]") || at_sign(p, ",") ? OK : parse_expression(p, true, out);
}

static status parse_subscribed(parser *p, const node **out) {
    node *n;
    TRY(node_new(p, &n));
    if (!at_sign(p, ":")) {
        TRY(parse_expression(p, true, out));
        if (!at_sign(p, ":")) return OK;
        n->a = *out;
    }
    TRY(expect_sign(p, ":"));
    TRY(parse_slice_part(p, &n->b));
    if (skip_sign(p, ":")) TRY(parse_slice_part(p, &n->c));
    n->eval = eval_slice;
    *out = n;
    return OK;
}

static status parse_subscript(parser *p, const node *operand, const node **out) {
    node *n;
    node_list keys = {0};
    const node *key;
    TRY(node_new(p, &n));
    TRY(expect_sign(p, "["));
    while (!at_sign(p, "]")) {
        if (keys.n) TRY(expect_sign(p, ","));
        TRY(parse_subscribed(p, &key));
        TRY(list_add(p, &keys, key));
    }
    if (!keys.n) return parse_refuse(p, "Expected an expression, got ']'");
    TRY(expect_sign(p, "]"));
    if (keys.n > 1) return parse_refuse(p, "more than one subscript is not supported");
    n->eval = eval_item;
    n->a = operand;
    n->b = keys.p[0];
    *out = n;
    return OK;
}

static status parse_attribute(parser *p, const node *operand, const node **out) {
    node *n;
    TRY(node_new(p, &n));
    TRY(expect_sign(p, "."));
    n->a = operand;
    if (p->at->type == TOKEN_INTEGER) {
        TRY(parse_number(p, &n->b));
        n->eval = eval_item;
    } else if (p->at->type == TOKEN_NAME) {
        TRY(expect_name(p, &n->constant));
        n->eval = eval_attribute;
    } else {
        return parse_refuse(p, "expected name or number");
    }
    *out = n;
    return OK;
}

static status add_keyword(parser *p, written *a, keyword **named, size_t *room) {
    if (a->n_named == *room) {
        *room = *room ? 2 * *room : 4;
        keyword *more;
        TRY(run_take(p->x, *room, sizeof *more, &more));
        if (a->n_named) memcpy(more, *named, a->n_named * sizeof *more);
        *named = more;
    }
    TRY(expect_name(p, &(*named)[a->n_named].name));
    p->at++;
    return parse_expression(p, true, &(*named)[a->n_named++].value);
}

/* "(a, b, name=c, *d, **e)" */
static status parse_arguments(parser *p, written *a) {
    keyword *named = NULL;
    size_t room = 0;
    node_list values = {0};
    const node *item;
    bool comma = false;
    TRY(expect_sign(p, "("));
    for (; !at_sign(p, ")"); comma = true) {
        if (comma) TRY(expect_sign(p, ","));
        if (at_sign(p, ")")) break;
        const bool is_named = p->at->type == TOKEN_NAME && token_is(p, p->at + 1, TOKEN_SIGN, "=");
        const bool star = at_sign(p, "*"), stars = at_sign(p, "**");
        if (a->stars || (a->star && !is_named && !stars) || (a->n_named && !is_named && !star && !stars))
            return parse_refuse(p, "invalid syntax for function call expression");
        if (star || stars) p->at++;
        if (is_named) {
            TRY(add_keyword(p, a, &named, &room));
        } else {
            TRY(parse_expression(p, true, star ? &a->star : stars ? &a->stars : &item));
            if (!star && !stars) TRY(list_add(p, &values, item));
        }
    }
    a->list = list_body(&values);
    a->named = named;
    return expect_sign(p, ")");
}

static status parse_call(parser *p, const node *callee, const node **out) {
    node *n;
    written *a;
    TRY(node_new(p, &n));
    TRY(run_take(p->x, 1, sizeof *a, &a));
    *a = (written){0};
    TRY(parse_arguments(p, a));
    n->eval = eval_call;
    n->a = callee;
    n->arguments = a;
    *out = n;
    return OK;
}

static status parse_postfix(parser *p, const node **out) {
    for (;;) {
        if (at_sign(p, ".")) {
            TRY(parse_attribute(p, *out, out));
        } else if (at_sign(p, "[")) {
            TRY(parse_subscript(p, *out, out));
        } else if (at_sign(p, "(")) {
            TRY(parse_call(p, *out, out));
        } else {
            return OK;
        }
    }
}

/* ---- filters and tests ---- */

/* A filter or test by name, "." included. */
static status parse_row_name(parser *p, value *out) {
    writer t = {0};
    TRY(expect_name(p, out));
    if (!at_sign(p, ".")) return OK;
    TRY(text_put_value(p->x, &t, *out));
    while (skip_sign(p, ".")) {
        TRY(expect_name(p, out));
        TRY(text_put_one(p->x, &t, '.'));
        TRY(text_put_value(p->x, &t, *out));
    }
    *out = text_value(&t);
    return OK;
}

static status new_row(parser *p, const node *operand, const routine *table, const char *what, node **out, written **a) {
    node *n;
    TRY(node_new(p, &n));
    TRY(run_take(p->x, 1, sizeof **a, a));
    **a = (written){0};
    TRY(parse_row_name(p, &n->constant));
    n->a = operand;
    n->row = routine_find(table, n->constant);
    n->more = *a;
    *out = n;
    if (n->row || p->chosen) return OK;
    return parse_refuse(p, "No %s named '%s'.", what, text_shown(p->x, n->constant));
}

status parse_filters(parser *p, const node *operand, bool first, const node **out) {
    *out = operand;
    while (first || skip_sign(p, "|")) {
        node *n;
        written *a;
        TRY(new_row(p, *out, filter_routines, "filter", &n, &a));
        if (at_sign(p, "(")) TRY(parse_arguments(p, a));
        n->eval = eval_filter;
        *out = n;
        first = false;
    }
    return OK;
}

/* Can a test have an argument without brackets here? */
static bool at_test_argument(const parser *p) {
    const token_type t = p->at->type;
    if (t == TOKEN_NAME) return !at_name(p, "else") && !at_name(p, "or") && !at_name(p, "and");
    return t == TOKEN_STRING || t == TOKEN_INTEGER || t == TOKEN_FLOAT || at_sign(p, "[") || at_sign(p, "{");
}

static status parse_test(parser *p, const node *operand, const node **out) {
    node *n, *not ;
    written *a;
    const node *argument;
    node_list values = {0};
    p->at++;
    const bool negated = skip_name(p, "not");
    TRY(new_row(p, operand, test_routines, "test", &n, &a));
    n->eval = eval_test;
    *out = n;
    if (at_sign(p, "(")) {
        TRY(parse_arguments(p, a));
    } else if (at_test_argument(p)) {
        if (at_name(p, "is")) return parse_refuse(p, "You cannot chain multiple tests with is");
        TRY(parse_primary(p, false, &argument));
        TRY(parse_postfix(p, &argument));
        TRY(list_add(p, &values, argument));
        a->list = list_body(&values);
    }
    if (!negated) return OK;
    TRY(node_new(p, &not ));
    not ->eval = eval_not;
    not ->a = n;
    *out = not ;
    return OK;
}

static status parse_filter_expression(parser *p, const node **out) {
    for (;;) {
        if (at_sign(p, "|")) {
            TRY(parse_filters(p, *out, false, out));
        } else if (at_name(p, "is")) {
            TRY(parse_test(p, *out, out));
        } else if (at_sign(p, "(")) {
            TRY(parse_call(p, *out, out));
        } else {
            return OK;
        }
    }
}

/* ---- operators ---- */

static status new_operator(parser *p, node_eval *eval, const node *a, const node *b, const void *row, const node **out) {
    node *n;
    TRY(node_new(p, &n));
    n->eval = eval;
    n->a = a;
    n->b = b;
    n->row = row;
    *out = n;
    return OK;
}

static status parse_unary(parser *p, bool filters, const node **out) {
    const bool minus = skip_sign(p, "-"), plus = !minus && skip_sign(p, "+");
    TRY(run_enter(p->x));
    if (minus || plus) {
        TRY(parse_unary(p, false, out));
        TRY(new_operator(p, minus ? eval_negate : eval_plus, *out, NULL, NULL, out));
    } else {
        TRY(parse_primary(p, false, out));
    }
    TRY(parse_postfix(p, out));
    run_leave(p->x);
    return filters ? parse_filter_expression(p, out) : OK;
}

static const operation *at_operation(const parser *p, int level) {
    for (const operation *o = operations; o->sign; o++) {
        if (o->level == level && at_sign(p, o->sign)) return o;
    }
    return NULL;
}

/* Operators of a level, from the left. */
static status parse_operations(parser *p, int level, const node **out) {
    if (level == OPERATION_LEVELS) return parse_unary(p, true, out);
    TRY(parse_operations(p, level + 1, out));
    for (const operation *o; (o = at_operation(p, level));) {
        const node *right;
        p->at++;
        TRY(parse_operations(p, level + 1, &right));
        TRY(new_operator(p, eval_operation, *out, right, o, out));
    }
    return OK;
}

static const comparison *skip_comparison(parser *p) {
    const bool not = at_name(p, "not") && token_is(p, p->at + 1, TOKEN_NAME, "in");
    for (const comparison *c = comparisons; c->sign; c++) {
        if (not ? !strcmp(c->sign, "not in") : at_sign(p, c->sign) || (at_name(p, "in") && !strcmp(c->sign, "in"))) {
            p->at += not ? 2 : 1;
            return c;
        }
    }
    return NULL;
}

/* a < b < c: the list has a node for each comparison with its right side (a) and what compares (row). */
static status parse_comparison(parser *p, const node **out) {
    TRY(parse_operations(p, 0, out));
    node *n;
    node_list links = {0};
    const comparison *c = skip_comparison(p);
    if (!c) return OK;
    TRY(node_new(p, &n));
    n->eval = eval_compare;
    n->a = *out;
    for (; c; c = skip_comparison(p)) {
        const node *right;
        TRY(parse_operations(p, 0, &right));
        TRY(new_operator(p, NULL, right, NULL, c, &right));
        TRY(list_add(p, &links, right));
    }
    n->list = list_body(&links);
    *out = n;
    return OK;
}

static status parse_not(parser *p, const node **out) {
    if (!skip_name(p, "not")) return parse_comparison(p, out);
    TRY(run_enter(p->x));
    TRY(parse_not(p, out));
    run_leave(p->x);
    return new_operator(p, eval_not, *out, NULL, NULL, out);
}

static status parse_and(parser *p, const node **out) {
    TRY(parse_not(p, out));
    while (skip_name(p, "and")) {
        const node *right;
        TRY(parse_not(p, &right));
        TRY(new_operator(p, eval_and, *out, right, NULL, out));
    }
    return OK;
}

static status parse_or(parser *p, const node **out) {
    TRY(parse_and(p, out));
    while (skip_name(p, "or")) {
        const node *right;
        TRY(parse_and(p, &right));
        TRY(new_operator(p, eval_or, *out, right, NULL, out));
    }
    return OK;
}

/* "yes if condition else no" */
static status parse_conditional(parser *p, const node **out) {
    TRY(parse_or(p, out));
    while (skip_name(p, "if")) {
        node *n;
        TRY(node_new(p, &n));
        n->eval = eval_if;
        n->a = *out;
        TRY(parse_or(p, &n->b));
        if (skip_name(p, "else")) TRY(parse_expression(p, true, &n->c));
        *out = n;
    }
    return OK;
}

status parse_expression(parser *p, bool conditional, const node **out) {
    TRY(run_enter(p->x));
    TRY(conditional ? parse_conditional(p, out) : parse_or(p, out));
    run_leave(p->x);
    return OK;
}
