/* The tests behind "is": each is a row of test_routines. */
#include "text/jinja_str.h"

static status answer(value *out, bool truth) {
    *out = value_of_bool(truth);
    return OK;
}

/* ---- what kind of value it is ---- */

static status test_defined(run *x, call *c, value *out) {
    (void)x;
    return answer(out, c->self.kind != K_UNDEFINED);
}

static status test_undefined(run *x, call *c, value *out) {
    (void)x;
    return answer(out, c->self.kind == K_UNDEFINED);
}

static status test_none(run *x, call *c, value *out) {
    (void)x;
    return answer(out, c->self.kind == K_NONE);
}

static status test_boolean(run *x, call *c, value *out) {
    (void)x;
    return answer(out, c->self.kind == K_BOOL);
}

static status test_true(run *x, call *c, value *out) {
    (void)x;
    return answer(out, c->self.kind == K_BOOL && c->self.truth);
}

static status test_false(run *x, call *c, value *out) {
    (void)x;
    return answer(out, c->self.kind == K_BOOL && !c->self.truth);
}

static status test_number(run *x, call *c, value *out) {
    (void)x;
    return answer(out, value_is_number(c->self));
}

static status test_integer(run *x, call *c, value *out) {
    (void)x;
    return answer(out, c->self.kind == K_INT);
}

static status test_float(run *x, call *c, value *out) {
    (void)x;
    return answer(out, c->self.kind == K_FLOAT);
}

static status test_string(run *x, call *c, value *out) {
    (void)x;
    return answer(out, c->self.kind == K_STR);
}

static status test_mapping(run *x, call *c, value *out) {
    (void)x;
    return answer(out, c->self.kind == K_DICT);
}

static status test_sequence(run *x, call *c, value *out) {
    (void)x;
    const value_kind k = c->self.kind;
    return answer(out, k == K_STR || k == K_LIST || k == K_TUPLE || k == K_DICT || k == K_RANGE || k == K_UNDEFINED);
}

static status test_iterable(run *x, call *c, value *out) {
    (void)x;
    return answer(out, value_iterable(c->self));
}

static status test_callable(run *x, call *c, value *out) {
    (void)x;
    return answer(out, kind_rows[c->self.kind].call != NULL);
}

static status test_escaped(run *x, call *c, value *out) {
    (void)x;
    return answer(out, c->self.markup);
}

static status test_sameas(run *x, call *c, value *out) {
    const value a = c->self, b = c->arg[0];
    bool same = false;
    if (a.kind == b.kind && (a.kind == K_INT || a.kind == K_BOOL || a.kind == K_FLOAT || a.kind == K_STR)) {
        TRY(value_same(x, a, b, &same));
    } else {
        same = a.kind == b.kind && (a.kind == K_NONE || a.object == b.object);
    }
    return answer(out, same);
}

/* ---- numbers ---- */

static status rest_of(run *x, value v, value by, value *rest) {
    for (const operation *o = operations; o->sign; o++) {
        if (!strcmp(o->sign, "%")) return o->run(x, v, by, rest);
    }
    return OK;
}

static status rest_is(run *x, value v, wide by, wide wanted, value *out) {
    value rest;
    bool same;
    if (v.kind == K_STR) return run_fail(x, TYPE_ERROR, "not all arguments converted during string formatting");
    TRY(rest_of(x, v, value_of_int(by, false), &rest));
    TRY(value_same(x, rest, value_of_int(wanted, false), &same));
    return answer(out, same);
}

static status test_odd(run *x, call *c, value *out) {
    return rest_is(x, c->self, 2, 1, out);
}

static status test_even(run *x, call *c, value *out) {
    return rest_is(x, c->self, 2, 0, out);
}

static status test_divisibleby(run *x, call *c, value *out) {
    value rest;
    bool same;
    TRY(rest_of(x, c->self, c->arg[0], &rest));
    TRY(value_same(x, rest, value_of_int(0, false), &same));
    return answer(out, same);
}

/* ---- texts ---- */

static status ask_case(run *x, call *c, const char *method, value *out) {
    value name, text;
    TRY(value_string(x, c->self, &text));
    TRY(value_of_ascii(x, method, &name));
    return routine_start(x, routine_find(str_methods, name), &(call){.self = text}, out);
}

static status test_lower(run *x, call *c, value *out) {
    return ask_case(x, c, "islower", out);
}

static status test_upper(run *x, call *c, value *out) {
    return ask_case(x, c, "isupper", out);
}

/* ---- comparisons: those of the language by other names ---- */

static status compare(run *x, call *c, const char *sign, value *out) {
    for (const comparison *k = comparisons; k->sign; k++) {
        if (strcmp(k->sign, sign)) continue;
        *out = value_of_bool(false);
        return k->run(x, c->self, c->arg[0], &out->truth);
    }
    return OK;
}

static status test_eq(run *x, call *c, value *out) {
    return compare(x, c, "==", out);
}

static status test_ne(run *x, call *c, value *out) {
    return compare(x, c, "!=", out);
}

static status test_lt(run *x, call *c, value *out) {
    return compare(x, c, "<", out);
}

static status test_gt(run *x, call *c, value *out) {
    return compare(x, c, ">", out);
}

static status test_le(run *x, call *c, value *out) {
    return compare(x, c, "<=", out);
}

static status test_ge(run *x, call *c, value *out) {
    return compare(x, c, ">=", out);
}

static status test_in(run *x, call *c, value *out) {
    return compare(x, c, "in", out);
}

/* ---- names ---- */

static status test_filter(run *x, call *c, value *out) {
    value name;
    TRY(value_string(x, c->self, &name));
    return answer(out, routine_find(filter_routines, name) != NULL);
}

static status test_test(run *x, call *c, value *out) {
    value name;
    TRY(value_string(x, c->self, &name));
    return answer(out, routine_find(test_routines, name) != NULL);
}

const routine test_routines[] = {
    {"defined", test_defined, ""},
    {"undefined", test_undefined, ""},
    {"none", test_none, ""},
    {"boolean", test_boolean, ""},
    {"true", test_true, ""},
    {"false", test_false, ""},
    {"number", test_number, ""},
    {"integer", test_integer, ""},
    {"float", test_float, ""},
    {"string", test_string, ""},
    {"mapping", test_mapping, ""},
    {"sequence", test_sequence, ""},
    {"iterable", test_iterable, ""},
    {"callable", test_callable, ""},
    {"escaped", test_escaped, ""},
    {"sameas", test_sameas, "other!"},
    {"odd", test_odd, ""},
    {"even", test_even, ""},
    {"divisibleby", test_divisibleby, "num!"},
    {"lower", test_lower, ""},
    {"upper", test_upper, ""},
    {"eq", test_eq, "other!"},
    {"equalto", test_eq, "other!"},
    {"==", test_eq, "other!"},
    {"ne", test_ne, "other!"},
    {"!=", test_ne, "other!"},
    {"lt", test_lt, "other!"},
    {"lessthan", test_lt, "other!"},
    {"<", test_lt, "other!"},
    {"gt", test_gt, "other!"},
    {"greaterthan", test_gt, "other!"},
    {">", test_gt, "other!"},
    {"le", test_le, "other!"},
    {"<=", test_le, "other!"},
    {"ge", test_ge, "other!"},
    {">=", test_ge, "other!"},
    {"in", test_in, "seq!"},
    {"filter", test_filter, ""},
    {"test", test_test, ""},
    {0},
};
