/* What values of each kind are, and how they are called, indexed and asked for attributes. */
#include "text/jinja_tree.h"

#include <string.h>

const kind_row kind_rows[KINDS] = {
    [K_ABSENT] = {.type = "missing"},
    [K_UNDEFINED] = {.type = "Undefined"},
    [K_NONE] = {.type = "NoneType"},
    [K_BOOL] = {.type = "bool", .methods = int_methods},
    [K_INT] = {.type = "int", .methods = int_methods},
    [K_FLOAT] = {.type = "float", .methods = float_methods, .properties = float_properties},
    [K_STR] = {.type = "str", .methods = str_methods},
    [K_LIST] = {.type = "list", .methods = list_methods},
    [K_TUPLE] = {.type = "tuple", .methods = tuple_methods},
    [K_DICT] = {.type = "dict", .methods = dict_methods},
    [K_RANGE] = {.type = "range"},
    [K_SLICE] = {.type = "slice"},
    [K_KEYS] = {.type = "dict_keys"},
    [K_VALUES] = {.type = "dict_values"},
    [K_ITEMS] = {.type = "dict_items"},
    [K_ITERATOR] = {.type = "generator"},
    [K_NAMESPACE] = {.type = "Namespace", .attribute = namespace_attribute},
    [K_LOOP] = {.type = "LoopContext", .methods = loop_methods, .properties = loop_properties, .call = loop_call},
    [K_MACRO] = {.type = "Macro", .properties = macro_properties, .call = macro_call},
    [K_ROUTINE] = {.type = "function", .call = routine_call},
    [K_CYCLER] = {.type = "Cycler", .methods = cycler_methods, .properties = cycler_properties},
    [K_JOINER] = {.type = "Joiner", .call = joiner_call},
    [K_SELF] = {.type = "TemplateReference"},
};

/* ---- routines ---- */

const routine *routine_find(const routine *table, value name) {
    for (; table && table->name; table++) {
        if (text_is(name, table->name)) return table;
    }
    return NULL;
}

static bool word_is(const char *word, size_t n, value name) {
    if (name.n != n) return false;
    for (size_t i = 0; i < n; i++) {
        if ((name.text[i] & LETTER_POINT) != (letter)word[i]) return false;
    }
    return true;
}

/* Arguments to parameters. A word of `params` is a name, with "!" if it must be given. */
static status bind(run *x, const routine *r, call *c) {
    size_t i = 0, used = 0;
    const char *word = r->params;
    for (; *word; i++) {
        size_t n = strcspn(word, " !");
        const bool must = word[n] == '!';
        c->arg[i] = i < c->n ? c->list[i] : (value){0};
        for (size_t k = 0; k < c->n_named; k++) {
            if (!word_is(word, n, c->named[k].key)) continue;
            if (i < c->n) return run_fail(x, TYPE_ERROR, "%s() got multiple values for argument '%.*s'", r->name, (int)n, word);
            c->arg[i] = c->named[k].value;
            used++;
        }
        if (must && c->arg[i].kind == K_ABSENT)
            return run_fail(x, TYPE_ERROR, "%s() missing 1 required positional argument: '%.*s'", r->name, (int)n, word);
        n += must;
        word += n + (word[n] == ' ');
    }
    if (c->n > i) return run_fail(x, TYPE_ERROR, "%s() takes at most %zu arguments, not %zu", r->name, i, c->n);
    if (used < c->n_named) return run_fail(x, TYPE_ERROR, "%s() got an unexpected keyword argument", r->name);
    for (; i < ARGS_MAX; i++) c->arg[i] = (value){0};
    return OK;
}

status routine_start(run *x, const routine *r, call *c, value *out) {
    if (r->params) TRY(bind(x, r, c));
    if (c->self.kind == K_STR) TRY(run_spend(x, c->self.n / 64)); /* many look at all of it */
    TRY(run_enter(x));
    TRY(r->run(x, c, out));
    run_leave(x);
    return OK;
}

typedef struct bound {
    const routine *routine;
    value self;
} bound;

status routine_value(run *x, const routine *r, value self, value *out) {
    bound *b;
    TRY(run_take(x, 1, sizeof *b, &b));
    *b = (bound){r, self};
    *out = (value){.kind = K_ROUTINE, .object = b};
    return OK;
}

status routine_call(run *x, value v, call *c, value *out) {
    const bound *b = v.object;
    c->self = b->self;
    return routine_start(x, b->routine, c, out);
}

status value_call(run *x, value callee, call *c, value *out) {
    if (callee.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", callee.why);
    if (!kind_rows[callee.kind].call) return run_fail(x, TYPE_ERROR, "'%s' object is not callable", value_type(callee));
    return kind_rows[callee.kind].call(x, callee, c, out);
}

/* ---- attributes and items ---- */

static status no_attribute(run *x, value v, value name, value *out) {
    if (v.kind == K_NONE) return value_undefined(x, out, "'None' has no attribute '%s'", text_shown(x, name));
    return value_undefined(x, out, "'%s object' has no attribute '%s'", value_type(v), text_shown(x, name));
}

static status unsafe_attribute(run *x, value v, value name, value *out) {
    return value_undefined(x, out, "access to attribute '%s' of '%s' object is unsafe.", text_shown(x, name), value_type(v));
}

static bool begins_with_two_underlines(value name) {
    return name.n > 1 && (name.text[0] & LETTER_POINT) == '_' && (name.text[1] & LETTER_POINT) == '_';
}

status value_attribute(run *x, value v, value name, value *out) {
    const kind_row *kind = &kind_rows[v.kind];
    const routine *r;
    if (v.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", v.why);
    if ((r = routine_find(kind->properties, name))) return routine_start(x, r, &(call){.self = v}, out);
    if ((r = routine_find(kind->methods, name))) return r->run ? routine_value(x, r, v, out) : unsafe_attribute(x, v, name, out);
    if (kind->attribute) {
        TRY(kind->attribute(x, v, name, out));
        if (out->kind != K_ABSENT) return OK;
    }
    if (v.kind == K_DICT) {
        const value *found;
        TRY(dict_find(x, v, name, &found));
        if (found) return *out = *found, OK;
    }
    return begins_with_two_underlines(name) ? unsafe_attribute(x, v, name, out) : no_attribute(x, v, name, out);
}

/* Where a slice begins and ends in n items (as CPython's PySlice_AdjustIndices), and how many it takes. */
static status slice_bounds(run *x, const triple *t, size_t n, wide *start, size_t *count) {
    const wide step = t->step, length = (wide)n, low = step < 0 ? -1 : 0, high = step < 0 ? length - 1 : length;
    wide stop;
    if (step == 0) return run_fail(x, VALUE_ERROR, "slice step cannot be zero");
    *start = t->has_start ? t->start + (t->start < 0 ? length : 0) : step < 0 ? high : low;
    stop = t->has_stop ? t->stop + (t->stop < 0 ? length : 0) : step < 0 ? low : high;
    *start = *start < low ? low : *start > high ? high : *start;
    stop = stop < low ? low : stop > high ? high : stop;
    const wide way = step < 0 ? *start - stop : stop - *start, stride = step < 0 ? -step : step;
    *count = way <= 0 ? 0 : (size_t)((way - 1) / stride + 1);
    return OK;
}

static status slice_text(run *x, value v, wide start, wide step, size_t n, value *out) {
    letter *p;
    *out = v;
    TRY(run_take(x, n, sizeof *p, &p));
    for (size_t i = 0; i < n; i++) p[i] = v.text[start + (wide)i * step];
    out->text = p;
    out->n = n;
    return OK;
}

static status slice_items(run *x, value v, wide start, wide step, size_t n, value *out) {
    value *p;
    *out = v;
    TRY(run_take(x, n, sizeof *p, &p));
    for (size_t i = 0; i < n; i++) p[i] = v.items[start + (wide)i * step];
    out->items = p;
    out->n = n;
    return OK;
}

static status slice_range(run *x, value v, wide start, wide step, size_t n, value *out) {
    triple *t;
    *out = v;
    TRY(run_take(x, 1, sizeof *t, &t));
    *t = (triple){.start = v.range->start + start * v.range->step};
    if (__builtin_mul_overflow(v.range->step, step, &t->step) || __builtin_mul_overflow((wide)n, t->step, &t->stop) ||
        __builtin_add_overflow(t->stop, t->start, &t->stop))
        return run_fail(x, OVERFLOW_ERROR, "a range of such numbers is not supported");
    out->range = t;
    out->n = n;
    return OK;
}

static bool is_sequence(value v) {
    return v.kind == K_STR || v.kind == K_LIST || v.kind == K_TUPLE || v.kind == K_RANGE;
}

static status value_slice(run *x, value v, const triple *t, value *out) {
    wide start = 0;
    size_t n = 0;
    if (v.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", v.why);
    if (!is_sequence(v)) return run_fail(x, TYPE_ERROR, "'%s' object is not subscriptable", value_type(v));
    TRY(slice_bounds(x, t, v.n, &start, &n));
    if (v.kind == K_STR) return slice_text(x, v, start, t->step, n, out);
    return v.kind == K_RANGE ? slice_range(x, v, start, t->step, n, out) : slice_items(x, v, start, t->step, n, out);
}

static status value_at(run *x, value v, wide i, value *out) {
    const wide at = i < 0 ? i + (wide)v.n : i;
    if (at < 0 || at >= (wide)v.n) return value_undefined(x, out, "%s object has no element %lld", value_type(v), (long long)i);
    if (v.kind == K_STR) {
        *out = text_part(v, (size_t)at, (size_t)at + 1);
    } else {
        *out = v.kind == K_RANGE ? value_of_int(v.range->start + at * v.range->step, v.data) : v.items[at];
    }
    return OK;
}

status value_item(run *x, value v, value key, value *out) {
    if (v.kind == K_UNDEFINED) return run_fail(x, UNDEFINED_ERROR, "%s", v.why);
    if (key.kind == K_SLICE) return value_slice(x, v, key.range, out);
    if (is_sequence(v) && (key.kind == K_INT || key.kind == K_BOOL)) return value_at(x, v, value_whole(key), out);
    if (v.kind == K_DICT && key.kind != K_LIST && key.kind != K_DICT) {
        const value *found;
        TRY(dict_find(x, v, key, &found));
        if (found) return *out = *found, OK;
    }
    if (key.kind == K_STR) return value_attribute(x, v, key, out);
    return value_undefined(x, out, "%s object has no such element", value_type(v));
}
