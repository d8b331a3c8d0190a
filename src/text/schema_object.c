/* schema_object.c: objects: properties in the order in which the schema has them, then others if it says of what kind these are. */
#include <stdlib.h>

#include "text/schema_compile.h"
#include "text/unicode.h"

typedef struct property {
    const char *name;
    json_t *schema; /* borrowed; NULL: only `required` names it */
    bool required;
} property;

typedef struct object {
    schema_compiler *c;
    property *list;
    size_t n;
    json_t *others; /* the schema of other properties; NULL: there are none */
} object;

/* ---- names of other properties: any that is not in a list, without escapes ---- */

typedef struct name_list {
    slice *names; /* sorted */
    size_t n;
} name_list;

static int by_text(const void *a, const void *b) {
    const slice *x = a, *y = b;
    const int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static size_t same_char(const name_list *l, size_t first, size_t at, size_t *length) {
    const uint8_t *p = l->names[first].p + at;
    size_t end = first + 1;
    *length = utf8_length(*p);
    while (end < l->n && l->names[end].n >= at + *length && memcmp(l->names[end].p + at, p, *length) == 0) end++;
    return end;
}

/* A character that none of the names has at `at`, then any more. */
static expr other_char(schema_compiler *c, const name_list *l, size_t first, size_t at) {
    char_range *used = malloc((l->n + 8) * sizeof *used), *raw = malloc((2 * l->n + 16) * sizeof *raw);
    expr x = EXPR_NEVER;
    size_t n = 0, length;
    if (!used || !raw) builder_fail(&c->b, E_MEMORY, "no memory for a schema");
    if (used && raw) {
        for (size_t i = first; i < l->n; i = same_char(l, i, at, &length)) {
            used[n].first = used[n].last = utf8_get(l->names[i].p + at);
            n++;
        }
        used[n++] = (char_range){0, 0x1f};
        used[n++] = (char_range){'"', '"'};
        used[n++] = (char_range){'\\', '\\'};
        used[n++] = (char_range){0x7f, 0x7f};
        const size_t free_ranges = ranges_complement(raw, used, ranges_normalize(used, n));
        const expr more = expr_repeat(&c->b, expr_chars(&c->b, schema_raw_chars, n_schema_raw_chars), 0, REPEAT_ENDLESS);
        x = expr_then(&c->b, expr_chars(&c->b, raw, free_ranges), more);
    }
    free(used);
    free(raw);
    return x;
}

static expr other_name(schema_compiler *c, const name_list *l, size_t at) {
    size_t first = 0, length;
    while (first < l->n && l->names[first].n == at) first++;
    expr x = first ? EXPR_NEVER : EXPR_EMPTY;
    x = expr_or(&c->b, other_char(c, l, first, at), x);
    for (size_t i = first; i < l->n && c->b.code == OK;) {
        const size_t end = same_char(l, i, at, &length);
        const name_list group = {l->names + i, end - i};
        const expr here = expr_bytes(&c->b, (slice){l->names[i].p + at, length});
        x = expr_or(&c->b, x, expr_then(&c->b, here, other_name(c, &group, at + length)));
        i = end;
    }
    return x;
}

/* Names that need an escape cannot be written without, so they need no care. */
static expr other_key(object *o) {
    schema_compiler *c = o->c;
    name_list l = {.names = malloc((o->n + 1) * sizeof *l.names)};
    if (!l.names) builder_fail(&c->b, E_MEMORY, "no memory for a schema");
    for (size_t i = 0; l.names && i < o->n; i++) {
        const slice name = slice_of(o->list[i].name);
        if (name.n <= SCHEMA_NAME_MAX) l.names[l.n++] = name;
    }
    if (l.n) qsort(l.names, l.n, sizeof *l.names, by_text);
    const expr quote = expr_text(&c->b, "\"");
    const expr x = l.names ? expr_then(&c->b, expr_then(&c->b, quote, other_name(c, &l, 0)), quote) : EXPR_NEVER;
    free(l.names);
    return x;
}

/* ---- properties ---- */

static expr pair(schema_compiler *c, expr key, expr value) {
    const expr colon = expr_then(&c->b, expr_text(&c->b, ":"), schema_blanks(c));
    return expr_then(&c->b, expr_then(&c->b, key, colon), value);
}

static expr property_pair(object *o, const property *p) {
    schema_compiler *c = o->c;
    const expr value = p->schema ? schema_expr_at(c, p->schema, "/properties", p->name) : schema_expr_at(c, o->others, "/additionalProperties", NULL);
    if (value == EXPR_NEVER && p->required) schema_fail(c, "the property '%.60s' is required and can have no value", p->name);
    return value == EXPR_NEVER ? EXPR_NEVER : pair(c, schema_string_text(c, p->name, strlen(p->name)), value);
}

static expr comma(schema_compiler *c) {
    return expr_then(&c->b, expr_text(&c->b, ","), schema_blanks(c));
}

/* What may follow is built from the end: `first` where no property has been written yet, `later` behind one. Both share what comes after. */
static expr members(object *o) {
    schema_compiler *c = o->c;
    builder *b = &c->b;
    expr first = EXPR_EMPTY, later = EXPR_EMPTY;
    const expr separator = comma(c);
    if (o->others) {
        const expr other = pair(c, other_key(o), schema_expr_at(c, o->others, "/additionalProperties", NULL));
        later = schema_rule(c, expr_repeat(b, expr_then(b, separator, other), 0, REPEAT_ENDLESS), false);
        first = expr_optional(b, expr_then(b, other, later));
    }
    for (size_t i = o->n; i-- > 0 && b->code == OK;) {
        const expr one = property_pair(o, &o->list[i]), here = expr_then(b, one, later), behind = expr_then(b, separator, one);
        first = o->list[i].required ? here : expr_or(b, here, first);
        later = expr_then(b, o->list[i].required ? behind : expr_or(b, behind, EXPR_EMPTY), later);
    }
    return first;
}

/* ---- reading ---- */

static bool is_required(const json_t *required, const char *name) {
    size_t i;
    json_t *v;
    json_array_foreach((json_t *)(uintptr_t)required, i, v) {
        if (json_is_string(v) && strcmp(json_string_value(v), name) == 0) return true;
    }
    return false;
}

static void add_property(object *o, const char *name, json_t *schema, bool required) {
    if (strlen(name) > SCHEMA_NAME_MAX) schema_fail(o->c, "a property with a name of more than %d bytes", SCHEMA_NAME_MAX);
    if (o->n == SCHEMA_PROPERTIES_MAX) schema_fail(o->c, "more than %d properties", SCHEMA_PROPERTIES_MAX);
    if (o->c->b.code == OK) o->list[o->n++] = (property){name, schema, required};
}

/* Required names that have no schema of their own are among the others. */
static void add_required(object *o, const json_t *properties, const json_t *required, const json_t *others) {
    size_t i;
    json_t *v;
    json_array_foreach((json_t *)(uintptr_t)required, i, v) {
        const char *name = json_string_value(v);
        if (!name) schema_fail(o->c, "'required' has an entry that is no string");
        if (o->c->b.code != OK) return;
        if (json_object_get(properties, name)) continue;
        bool twice = false;
        for (size_t k = 0; k < o->n; k++) twice |= strcmp(o->list[k].name, name) == 0;
        if (twice) continue;
        if (json_is_false(others)) schema_fail(o->c, "'%.60s' is required, but 'additionalProperties' forbids it", name);
        add_property(o, name, others ? NULL : schema_keep(o->c, json_true()), true);
    }
}

static void read_object(object *o, json_t *schema) {
    schema_compiler *c = o->c;
    json_t *properties = json_object_get(schema, "properties"), *required = json_object_get(schema, "required"), *value;
    json_t *others = json_object_get(schema, "additionalProperties");
    const char *name;
    if (properties && !json_is_object(properties)) schema_fail(c, "'properties' is no object");
    if (required && !json_is_array(required)) schema_fail(c, "'required' is no list");
    if (others && !json_is_boolean(others) && !json_is_object(others)) schema_fail(c, "'additionalProperties' is no schema");
    if (c->b.code != OK) return;
    o->others = json_is_false(others) ? NULL : others;
    if (!others && json_object_size(properties) == 0 && json_array_size(required) == 0) o->others = schema_keep(c, json_true());
    json_object_foreach(properties, name, value) {
        add_property(o, name, value, is_required(required, name));
    }
    add_required(o, properties, required, others);
}

expr schema_object(schema_compiler *c, json_t *schema) {
    builder *b = &c->b;
    object o = {.c = c, .list = malloc((SCHEMA_PROPERTIES_MAX + 1) * sizeof *o.list)};
    if (!o.list) builder_fail(b, E_MEMORY, "no memory for a schema");
    if (b->code == OK) read_object(&o, schema);
    expr x = EXPR_NEVER;
    if (b->code == OK && o.n == 0 && json_is_true(o.others)) {
        x = schema_basic(c, "object");
    } else if (b->code == OK) {
        const expr inside = members(&o), blanks = schema_blanks(c);
        x = expr_then(b, expr_then(b, expr_text(b, "{"), blanks), inside);
        x = schema_rule(c, expr_then(b, expr_then(b, x, blanks), expr_text(b, "}")), false);
    }
    free(o.list);
    return x;
}
