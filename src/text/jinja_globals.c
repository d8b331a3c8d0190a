/* The functions that every template can call, and the objects that they make. */
#include <stdio.h>

#include "text/jinja_tree.h"

enum {
    RANGE_MAX = 100000,
    STRFTIME_MAX = 1000,
    RAISED_MAX = 500
}; /* items of a range: the sandbox's own limit; bytes of a date; letters of an exception */

/* ---- range, dict ---- */

static status global_range(run *x, call *c, value *out) {
    triple *t;
    wide part[3] = {0, 0, 1};
    for (size_t i = 0; i < 3 && c->arg[i].kind != K_ABSENT; i++) {
        TRY(value_to_index(x, c->arg[i], &part[i]));
        if (part[i] > INT64_MAX || part[i] < INT64_MIN) return run_fail(x, OVERFLOW_ERROR, "a range of such numbers is not supported");
    }
    TRY(run_take(x, 1, sizeof *t, &t));
    const bool one = c->arg[1].kind == K_ABSENT;
    *t = (triple){.start = one ? 0 : part[0], .stop = one ? part[0] : part[1], .step = part[2]};
    if (t->step == 0) return run_fail(x, VALUE_ERROR, "range() arg 3 must not be zero");
    const wide way = t->step > 0 ? t->stop - t->start : t->start - t->stop, stride = t->step > 0 ? t->step : -t->step;
    const wide n = way <= 0 ? 0 : (way - 1) / stride + 1;
    if (n > RANGE_MAX) return run_fail(x, OVERFLOW_ERROR, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", RANGE_MAX);
    *out = (value){.kind = K_RANGE, .n = (size_t)n, .range = t, .data = c->arg[0].data || c->arg[1].data || c->arg[2].data};
    return OK;
}

/* The pairs of a dict, or of items that are pairs. */
static status add_pairs(run *x, value from, value_pair *pairs, size_t *n, const value *items) {
    for (size_t i = 0; i < from.n; i++) {
        const value *both;
        size_t two;
        if (from.kind == K_DICT) {
            pairs[(*n)++] = from.pairs[i];
            continue;
        }
        TRY(value_items(x, items[i], &both, &two));
        if (two != 2) return run_fail(x, VALUE_ERROR, "dictionary update sequence element #%zu has length %zu; 2 is required", i, two);
        TRY(dict_set(x, pairs, n, both[0], both[1]));
    }
    return OK;
}

/* dict(mapping or pairs, name=value ...), also for namespace. */
static status make_dict(run *x, call *c, value *out) {
    value from = {.kind = K_DICT};
    const value *items = NULL;
    value_pair *pairs;
    size_t n = 0;
    if (c->n > 1) return run_fail(x, TYPE_ERROR, "dict expected at most 1 argument, got %zu", c->n);
    if (c->n) from = c->list[0];
    if (from.kind != K_DICT) {
        TRY(value_items(x, from, &items, &from.n));
        from.kind = K_LIST;
    }
    TRY(run_take(x, from.n + c->n_named, sizeof *pairs, &pairs));
    TRY(add_pairs(x, from, pairs, &n, items));
    for (size_t i = 0; i < c->n_named; i++) TRY(dict_set(x, pairs, &n, c->named[i].key, c->named[i].value));
    *out = (value){.kind = K_DICT, .pairs = pairs, .n = n, .data = from.data};
    return OK;
}

/* ---- namespace ---- */

static status global_namespace(run *x, call *c, value *out) {
    value *inside;
    TRY(run_take(x, 1, sizeof *inside, &inside));
    TRY(make_dict(x, c, inside));
    *out = (value){.kind = K_NAMESPACE, .object = inside};
    return OK;
}

status namespace_attribute(run *x, value v, value name, value *out) {
    const value *found;
    TRY(dict_find(x, *(const value *)v.object, name, &found));
    *out = found ? *found : (value){0};
    return OK;
}

status namespace_set(run *x, value v, value name, value item) {
    value *inside = v.object;
    const value *found;
    if (name.n && (name.text[0] & LETTER_POINT) == '_') {
        return run_fail(x, SECURITY_ERROR,
                        "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '%s'. Please rename the attribute.",
                        text_shown(x, name));
    }
    TRY(dict_find(x, *inside, name, &found));
    if (found) {
        *(value *)(uintptr_t)found = item; /* a namespace's pairs are its own */
        return OK;
    }
    value_pair *pairs;
    TRY(run_take(x, inside->n + 1, sizeof *pairs, &pairs));
    if (inside->n) memcpy(pairs, inside->pairs, inside->n * sizeof *pairs);
    pairs[inside->n] = (value_pair){name, item};
    inside->pairs = pairs;
    inside->n++;
    return OK;
}

/* ---- cycler, joiner ---- */

typedef struct cycler {
    const value *items;
    size_t n, at;
} cycler;

static status global_cycler(run *x, call *c, value *out) {
    cycler *k;
    if (!c->n || c->n_named) return run_fail(x, RUNTIME_ERROR, "at least one item has to be provided");
    TRY(run_take(x, 1, sizeof *k, &k));
    *k = (cycler){.items = c->list, .n = c->n};
    *out = (value){.kind = K_CYCLER, .object = k};
    return OK;
}

static status cycler_current(run *x, call *c, value *out) {
    const cycler *k = c->self.object;
    (void)x;
    *out = k->items[k->at];
    return OK;
}

static status cycler_next(run *x, call *c, value *out) {
    cycler *k = c->self.object;
    TRY(cycler_current(x, c, out));
    k->at = (k->at + 1) % k->n;
    return OK;
}

static status cycler_reset(run *x, call *c, value *out) {
    (void)x;
    ((cycler *)c->self.object)->at = 0;
    *out = value_of_none();
    return OK;
}

const routine cycler_methods[] = {{"next", cycler_next, ""}, {"reset", cycler_reset, ""}, {0}};
const routine cycler_properties[] = {{"current", cycler_current, ""}, {0}};

typedef struct joiner {
    value between;
    bool used;
} joiner;

static status global_joiner(run *x, call *c, value *out) {
    joiner *j;
    TRY(run_take(x, 1, sizeof *j, &j));
    *j = (joiner){.between = c->arg[0]};
    if (c->arg[0].kind == K_ABSENT) TRY(value_of_ascii(x, ", ", &j->between));
    *out = (value){.kind = K_JOINER, .object = j};
    return OK;
}

status joiner_call(run *x, value v, call *c, value *out) {
    joiner *j = v.object;
    if (c->n || c->n_named) return run_fail(x, TYPE_ERROR, "a joiner takes no arguments");
    *out = j->used ? j->between : value_of_letters(NULL, 0);
    j->used = true;
    return OK;
}

/* ---- what Hugging Face adds ---- */

static status global_raise_exception(run *x, call *c, value *out) {
    writer t = {0};
    TRY(value_string(x, c->arg[0], out));
    TRY(text_put_value(x, &t, *out));
    if (t.n > RAISED_MAX) t.n = RAISED_MAX;
    uint8_t utf8[RAISED_MAX * 4 + 1];
    const size_t n = text_utf8(text_value(&t), utf8);
    return run_fail(x, "TemplateError", "%.*s", (int)n, (const char *)utf8);
}

/* Directives of strftime that depend on the given time alone. */
static bool known_directive(const char *s) {
    s += *s == '-' || *s == '_' || *s == '0' || *s == '^';
    return *s && strchr("aAbBcCdDeFgGhHIjklmMnpPrRStTuUVwWxXyY%", *s);
}

static status global_strftime_now(run *x, call *c, value *out) {
    char format[STRFTIME_MAX], said[STRFTIME_MAX];
    size_t n = 0;
    if (!x->now) return run_fail(x, UNDEFINED_ERROR, "'strftime_now' is undefined");
    if (c->arg[0].kind != K_STR) return run_fail(x, TYPE_ERROR, "strftime() argument 1 must be str, not %s", value_type(c->arg[0]));
    for (size_t i = 0; i < c->arg[0].n; i++) {
        const letter l = c->arg[0].text[i] & LETTER_POINT;
        if (l == 0 || l > 0x7e || n + 2 > sizeof format) return run_fail(x, VALUE_ERROR, "a format of strftime_now that is not supported");
        format[n++] = (char)l;
    }
    format[n] = 0;
    for (const char *s = strchr(format, '%'); s; s = strchr(s + (s[1] == '%' ? 2 : 1), '%')) {
        if (!known_directive(s + 1)) return run_fail(x, VALUE_ERROR, "strftime_now does not know '%.3s'", s);
    }
    said[0] = 0;
    if (n && !strftime(said, sizeof said, format, x->now)) return run_fail(x, VALUE_ERROR, "the text of strftime_now is too long");
    return value_of_utf8(x, said, strlen(said), false, out);
}

static status global_lipsum(run *x, call *c, value *out) {
    (void)c;
    (void)out;
    return run_fail(x, RUNTIME_ERROR, "lipsum() makes random text, which is not supported");
}

const routine global_routines[] = {
    {"range", global_range, "start! stop step"},
    {"dict", make_dict, NULL},
    {"namespace", global_namespace, NULL},
    {"cycler", global_cycler, NULL},
    {"joiner", global_joiner, "sep"},
    {"raise_exception", global_raise_exception, "message!"},
    {"strftime_now", global_strftime_now, "format!"},
    {"lipsum", global_lipsum, NULL},
    {"self", NULL, NULL},
    {0},
};
