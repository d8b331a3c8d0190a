/* The filters: the table, and those that take one value. */
#include "text/jinja_filters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const routine filter_routines[] = {
    {"abs", filter_abs, ""},
    {"attr", filter_attr, "name!"},
    {"batch", filter_batch, "linecount! fill_with"},
    {"capitalize", filter_capitalize, ""},
    {"center", filter_center, "width"},
    {"count", filter_length, ""},
    {"d", filter_default, "default_value boolean"},
    {"default", filter_default, "default_value boolean"},
    {"dictsort", filter_dictsort, "case_sensitive by reverse"},
    {"e", filter_escape, ""},
    {"escape", filter_escape, ""},
    {"first", filter_first, ""},
    {"float", filter_float, "default"},
    {"forceescape", filter_forceescape, ""},
    {"format", filter_format, NULL},
    {"groupby", filter_groupby, "attribute! default case_sensitive"},
    {"indent", filter_indent, "width first blank"},
    {"int", filter_int, "default base"},
    {"items", filter_items, ""},
    {"join", filter_join, "d attribute"},
    {"last", filter_last, ""},
    {"length", filter_length, ""},
    {"list", filter_list, ""},
    {"lower", filter_lower, ""},
    {"map", filter_map, NULL},
    {"max", filter_max, "case_sensitive attribute"},
    {"min", filter_min, "case_sensitive attribute"},
    {"reject", filter_reject, NULL},
    {"rejectattr", filter_rejectattr, NULL},
    {"replace", filter_replace, "old! new! count"},
    {"reverse", filter_reverse, ""},
    {"round", filter_round, "precision method"},
    {"safe", filter_safe, ""},
    {"select", filter_select, NULL},
    {"selectattr", filter_selectattr, NULL},
    {"slice", filter_slice, "slices! fill_with"},
    {"sort", filter_sort, "reverse case_sensitive attribute"},
    {"string", filter_string, ""},
    {"sum", filter_sum, "attribute start"},
    {"title", filter_title, ""},
    {"tojson", filter_tojson, "ensure_ascii indent separators sort_keys"},
    {"trim", filter_trim, "chars"},
    {"truncate", filter_truncate, "length killwords end leeway"},
    {"unique", filter_unique, "case_sensitive attribute"},
    {"upper", filter_upper, ""},
    {"wordcount", filter_wordcount, ""},
    {0},
};

/* ---- any value ---- */

status filter_default(run *x, call *c, value *out) {
    const bool truth = c->arg[1].kind != K_ABSENT && value_true(c->arg[1]);
    (void)x;
    *out = c->self;
    if (c->self.kind != K_UNDEFINED && !(truth && !value_true(c->self))) return OK;
    *out = c->arg[0].kind == K_ABSENT ? value_of_letters(NULL, 0) : c->arg[0];
    return OK;
}

status filter_attr(run *x, call *c, value *out) {
    value name;
    TRY(value_string(x, c->arg[0], &name));
    if (c->self.kind == K_DICT && !routine_find(dict_methods, name))
        return value_undefined(x, out, "'dict object' has no attribute '%s'", text_shown(x, name));
    return value_attribute(x, c->self, name, out);
}

status filter_length(run *x, call *c, value *out) {
    size_t n;
    TRY(value_length(x, c->self, &n));
    *out = value_of_int((wide)n, false);
    return OK;
}

status filter_string(run *x, call *c, value *out) {
    return value_string(x, c->self, out);
}

status filter_safe(run *x, call *c, value *out) {
    TRY(value_string(x, c->self, out));
    out->markup = true;
    return OK;
}

status filter_escape(run *x, call *c, value *out) {
    return value_escape(x, c->self, out);
}

status filter_forceescape(run *x, call *c, value *out) {
    value v;
    TRY(value_string(x, c->self, &v));
    v.markup = false;
    return value_escape(x, v, out);
}

/* ---- numbers ---- */

static status number_argument(run *x, value v) {
    if (v.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", v.why);
    return value_is_number(v) ? OK : run_fail(x, TYPE_ERROR, "type %s is not a number", value_type(v));
}

status filter_abs(run *x, call *c, value *out) {
    TRY(number_argument(x, c->self));
    *out = c->self;
    if (out->kind == K_FLOAT) return out->real = fabs(out->real), OK;
    if (value_whole(c->self) < 0) return number_negate(x, c->self, out);
    *out = value_of_int(value_whole(c->self), c->self.data);
    return OK;
}

/* A text as int(text, base), else as int(float(text)). */
static bool whole_of_text(value s, wide base, wide *out) {
    double real;
    if ((base == 0 || (base >= 2 && base <= 36)) && number_parse_int(s, (int)base, out)) return true;
    return number_parse_real(s, &real) && number_of_real(real, out);
}

status filter_int(run *x, call *c, value *out) {
    wide base;
    TRY(arg_int(x, c->arg[1], 10, &base));
    const value v = c->self;
    if (v.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", v.why);
    *out = value_of_int(0, v.kind == K_STR ? text_has_data(v) : v.data);
    if (v.kind == K_STR && whole_of_text(v, base, &out->whole)) return OK;
    if (v.kind == K_INT || v.kind == K_BOOL) return out->whole = value_whole(v), OK;
    if (v.kind == K_FLOAT && number_of_real(v.real, &out->whole)) return OK;
    if (v.kind == K_FLOAT && isfinite(v.real)) return run_fail(x, OVERFLOW_ERROR, "integers of more than 127 bits are not supported");
    *out = c->arg[0].kind == K_ABSENT ? value_of_int(0, false) : c->arg[0];
    return OK;
}

status filter_float(run *x, call *c, value *out) {
    const value v = c->self;
    if (v.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", v.why);
    *out = value_of_real(0, v.kind == K_STR ? text_has_data(v) : v.data);
    if (v.kind == K_STR && number_parse_real(v, &out->real)) return OK;
    if (value_is_number(v)) return out->real = value_real(v), OK;
    *out = c->arg[0].kind == K_ABSENT ? value_of_real(0, false) : c->arg[0];
    return OK;
}

/* To so many digits behind the point, ties to even of the exact value, as printf does it. */
static double round_common(double real, int digits) {
    char text[640];
    if (!isfinite(real) || digits > 300) return real;
    if (digits < 0) {
        const double unit = pow(10, -digits);
        return nearbyint(real / unit) * unit;
    }
    snprintf(text, sizeof text, "%.*f", digits, real);
    return strtod(text, NULL);
}

static const struct rounding {
    const char *name;
    double (*round)(double);
} roundings[] = {{"ceil", ceil}, {"floor", floor}};

status filter_round(run *x, call *c, value *out) {
    wide digits;
    const value v = c->self, method = c->arg[1];
    TRY(number_argument(x, v));
    TRY(arg_int(x, c->arg[0], 0, &digits));
    digits = digits < -300 ? -300 : digits > 301 ? 301 : digits;
    if (method.kind == K_ABSENT || (method.kind == K_STR && text_is(method, "common"))) {
        *out = v.kind == K_FLOAT ? value_of_real(round_common(v.real, (int)digits), v.data) : value_of_int(value_whole(v), v.data);
        if (v.kind != K_FLOAT && digits < 0) return run_fail(x, VALUE_ERROR, "rounding an integer to tens is not supported");
        return OK;
    }
    for (size_t i = 0; i < sizeof roundings / sizeof *roundings; i++) {
        if (method.kind != K_STR || !text_is(method, roundings[i].name)) continue;
        const double unit = pow(10, (double)digits);
        *out = value_of_real(roundings[i].round(value_real(v) * unit) / unit, v.data);
        return OK;
    }
    return run_fail(x, "FilterArgumentError", "method must be common, ceil or floor");
}

/* ---- JSON ---- */

static status json_indent(run *x, value v, json_style *style) {
    wide n;
    if (!arg_given(v)) return OK;
    if (v.kind == K_STR) return style->indent = v, OK;
    TRY(value_to_index(x, v, &n));
    TRY(str_pad(x, value_of_letters(NULL, 0), n, ' ', true, false, &style->indent));
    return value_of_ascii(x, ",", &style->comma);
}

/* Of Hugging Face: all characters as they are, keys in their order. */
status filter_tojson(run *x, call *c, value *out) {
    json_style style = {.indent = value_of_none()};
    writer t = {0};
    style.ascii = c->arg[0].kind != K_ABSENT && value_true(c->arg[0]);
    style.sort = c->arg[3].kind != K_ABSENT && value_true(c->arg[3]);
    TRY(value_of_ascii(x, ", ", &style.comma));
    TRY(value_of_ascii(x, ": ", &style.colon));
    TRY(json_indent(x, c->arg[1], &style));
    if (arg_given(c->arg[2])) {
        const value *two;
        size_t n;
        TRY(value_items(x, c->arg[2], &two, &n));
        if (n != 2) return run_fail(x, VALUE_ERROR, "separators are two texts");
        TRY(arg_text(x, two[0], "a separator", &style.comma));
        TRY(arg_text(x, two[1], "a separator", &style.colon));
    }
    TRY(value_json(x, &t, c->self, &style));
    *out = text_value(&t);
    return OK;
}
