#include "text/schema.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "text/schema_compile.h"

/* ---- messages and paths ---- */

void schema_fail(schema_compiler *c, const char *format, ...) {
    char text[300];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    builder_fail(&c->b, E_FILE, "#%.150s: %s", c->path.p ? (const char *)c->path.p : "", text);
}

static void path_add(schema_compiler *c, const char *text, size_t n) {
    if (c->b.code != OK) return;
    c->b.code = buffer_add(&c->path, text, n, c->b.e);
    if (c->b.code == OK) c->b.code = buffer_reserve(&c->path, 1, c->b.e);
    if (c->b.code == OK) c->path.p[c->path.n] = 0;
}

/* A name as a step of a JSON Pointer (RFC 6901). */
static void path_add_name(schema_compiler *c, const char *name) {
    path_add(c, "/", 1);
    for (; *name; name++) {
        if (*name == '~' || *name == '/') {
            path_add(c, *name == '~' ? "~0" : "~1", 2);
        } else {
            path_add(c, name, 1);
        }
    }
}

static void path_cut(schema_compiler *c, size_t n) {
    c->path.n = n;
    if (c->path.p) c->path.p[n] = 0;
}

json_t *schema_keep(schema_compiler *c, json_t *value) {
    if (!value || json_array_append_new(c->kept, value) != 0) builder_fail(&c->b, E_MEMORY, "no memory for a schema");
    return value;
}

uint32_t schema_count(schema_compiler *c, const json_t *schema, const char *key, uint32_t missing) {
    const json_t *v = json_object_get(schema, key);
    if (!v) return missing;
    const double x = json_number_value(v);
    if (!json_is_number(v) || !(x >= 0) || x != floor(x)) {
        schema_fail(c, "'%s' is not a number of things", key);
        return missing;
    }
    return x < REPEAT_ENDLESS ? (uint32_t)x : REPEAT_ENDLESS;
}

/* ---- rules ---- */

expr schema_rule(schema_compiler *c, expr x, bool apart) {
    builder *b = &c->b;
    char name[200];
    if (x == EXPR_NEVER || b->code != OK) return EXPR_NEVER;
    snprintf(name, sizeof name, "#%.150s (%zu)", c->path.p ? (const char *)c->path.p : "", b->n_rules);
    const uint32_t rule = builder_rule(b, slice_of(name));
    if (b->code != OK) return EXPR_NEVER;
    b->rules[rule].body = x;
    b->rules[rule].defined = true;
    b->rules[rule].apart = apart;
    return expr_rule(b, rule);
}

typedef struct basic {
    const char *name;
    expr (*make)(schema_compiler *c);
} basic;

static expr digits(schema_compiler *c, char first, uint32_t min, uint32_t max) {
    return expr_repeat(&c->b, expr_chars(&c->b, &(char_range){(uint32_t)first, '9'}, 1), min, max);
}

/* 0, or up to so many digits the first of which is not 0. */
static expr natural(schema_compiler *c, expr zero) {
    return expr_or(&c->b, zero, expr_then(&c->b, digits(c, '1', 1, 1), digits(c, '0', 0, NUMBER_INTEGER_DIGITS - 1)));
}

/* What a writer may put between tokens: nothing, a space, or a new line and what it is indented by. */
static expr make_blanks(schema_compiler *c) {
    builder *b = &c->b;
    const expr indent = expr_repeat(b, expr_text(b, " "), 0, 40), tabs = expr_repeat(b, expr_text(b, "\t"), 0, 10);
    return expr_optional(b, expr_or(b, expr_text(b, " "), expr_then(b, expr_text(b, "\n"), expr_or(b, indent, tabs))));
}

static expr make_string(schema_compiler *c) {
    const expr quote = expr_text(&c->b, "\"");
    return expr_then(&c->b, expr_then(&c->b, quote, expr_repeat(&c->b, schema_string_char(c, true), 0, REPEAT_ENDLESS)), quote);
}

static expr make_integer(schema_compiler *c) {
    builder *b = &c->b;
    const expr positive = expr_then(b, digits(c, '1', 1, 1), digits(c, '0', 0, NUMBER_INTEGER_DIGITS - 1));
    return expr_or(b, expr_text(b, "0"), expr_then(b, expr_optional(b, expr_text(b, "-")), positive));
}

static expr make_number(schema_compiler *c) {
    static const char_range signs[] = {{'+', '+'}, {'-', '-'}}, es[] = {{'e', 'e'}, {'E', 'E'}};
    builder *b = &c->b;
    expr x = expr_then(b, expr_optional(b, expr_text(b, "-")), natural(c, expr_text(b, "0")));
    x = expr_then(b, x, expr_optional(b, expr_then(b, expr_text(b, "."), digits(c, '0', 1, NUMBER_FRACTION_DIGITS))));
    const expr exponent = expr_then(b, expr_then(b, expr_chars(b, es, 2), expr_optional(b, expr_chars(b, signs, 2))), digits(c, '0', 1, 2));
    return expr_then(b, x, expr_optional(b, exponent));
}

static expr make_boolean(schema_compiler *c) {
    return expr_or(&c->b, expr_text(&c->b, "true"), expr_text(&c->b, "false"));
}

static expr make_null(schema_compiler *c) {
    return expr_text(&c->b, "null");
}

/* open, any number of items with commas between them, close */
static expr bracketed(schema_compiler *c, const char *open, expr item, const char *close) {
    builder *b = &c->b;
    const expr blanks = schema_blanks(c), comma = expr_then(b, expr_text(b, ","), blanks);
    const expr all = expr_then(b, item, expr_repeat(b, expr_then(b, comma, item), 0, REPEAT_ENDLESS));
    const expr x = expr_then(b, expr_then(b, expr_text(b, open), blanks), expr_optional(b, all));
    return expr_then(b, expr_then(b, x, blanks), expr_text(b, close));
}

static expr make_object(schema_compiler *c) {
    builder *b = &c->b;
    const expr colon = expr_then(b, expr_text(b, ":"), schema_blanks(c));
    return bracketed(c, "{", expr_then(b, expr_then(b, schema_basic(c, "string"), colon), schema_any(c)), "}");
}

static expr make_array(schema_compiler *c) {
    return bracketed(c, "[", schema_any(c), "]");
}

static expr make_value(schema_compiler *c) {
    static const char *const sorts[] = {"object", "array", "string", "number", "boolean", "null"};
    expr x = EXPR_NEVER;
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++) x = expr_or(&c->b, x, schema_basic(c, sorts[i]));
    return x;
}

static const basic basics[] = {
    {"blanks", make_blanks}, {"string", make_string}, {"integer", make_integer}, {"number", make_number}, {"boolean", make_boolean},
    {"null", make_null},     {"object", make_object}, {"array", make_array},     {"value", make_value},
};

/* Known by name before it has a body, because values contain values. */
expr schema_basic(schema_compiler *c, const char *name) {
    builder *b = &c->b;
    const uint32_t rule = builder_rule(b, slice_of(name));
    for (size_t i = 0; i < sizeof basics / sizeof *basics && b->code == OK && !b->rules[rule].defined; i++) {
        if (strcmp(basics[i].name, name) != 0) continue;
        b->rules[rule].defined = true;
        const expr body = basics[i].make(c);
        if (b->code == OK) b->rules[rule].body = body;
        break;
    }
    return expr_rule(b, rule);
}

expr schema_any(schema_compiler *c) {
    return schema_basic(c, "value");
}

expr schema_blanks(schema_compiler *c) {
    return schema_basic(c, "blanks");
}

/* ---- references ---- */

/* One step of a pointer, unescaped into name[]; false: too long, or wrong. */
static bool read_step(const char **at, char *name, size_t room) {
    size_t n = 0;
    for (++*at; **at && **at != '/'; ++*at) {
        char letter = **at;
        if (letter == '~') {
            ++*at;
            if (**at != '0' && **at != '1') return false;
            letter = **at == '0' ? '~' : '/';
        }
        if (n + 1 == room) return false;
        name[n++] = letter;
    }
    name[n] = 0;
    return true;
}

json_t *schema_find(schema_compiler *c, const char *ref) {
    json_t *at = c->root;
    const char *rest = ref + 1;
    char name[SCHEMA_NAME_MAX + 1];
    if (ref[0] != '#' || (*rest && *rest != '/')) {
        schema_fail(c, "the reference '%.80s' is not supported: only those into this schema are, such as #/$defs/name", ref);
        return NULL;
    }
    while (*rest && at) {
        if (!read_step(&rest, name, sizeof name)) at = NULL;
        at = json_is_array(at) ? json_array_get(at, strtoul(name, NULL, 10)) : json_object_get(at, name);
    }
    if (!at) schema_fail(c, "the reference '%.80s' leads nowhere", ref);
    return at;
}

expr schema_reference(schema_compiler *c, const char *ref) {
    builder *b = &c->b;
    const json_t *known = json_object_get(c->refs, ref);
    if (known) return expr_rule(b, (uint32_t)json_integer_value(known));
    if (!schema_find(c, ref)) return EXPR_NEVER;
    const uint32_t rule = builder_rule(b, slice_of(ref));
    if (b->code != OK) return EXPR_NEVER;
    b->rules[rule].defined = true;
    if (json_object_set_new(c->refs, ref, json_integer(rule)) || json_array_append_new(c->queue, json_string(ref))) {
        builder_fail(b, E_MEMORY, "no memory for a schema");
    }
    return expr_rule(b, rule);
}

/* What is referred to is compiled when everything else is, one after the other: references may go round in circles. */
static void compile_references(schema_compiler *c) {
    for (size_t i = 0; i < json_array_size(c->queue) && c->b.code == OK; i++) {
        const char *ref = json_string_value(json_array_get(c->queue, i));
        const uint32_t rule = (uint32_t)json_integer_value(json_object_get(c->refs, ref));
        path_cut(c, 0);
        path_add(c, ref + 1, strlen(ref + 1));
        const expr body = schema_expr(c, schema_find(c, ref));
        if (c->b.code == OK) c->b.rules[rule].body = body;
    }
}

/* ---- all ---- */

static status compile(schema_compiler *c, grammar **out) {
    builder *b = &c->b;
    path_add(c, "", 0);
    const uint32_t root = builder_rule(b, slice_of("#"));
    if (b->code == OK) b->rules[root].defined = true;
    if (b->code == OK && json_object_set_new(c->refs, "#", json_integer(root))) builder_fail(b, E_MEMORY, "no memory for a schema");
    const expr body = schema_expr(c, c->root);
    if (b->code == OK) b->rules[root].body = body;
    compile_references(c);
    if (b->code == OK && body == EXPR_NEVER) builder_fail(b, E_FILE, "#: nothing can be what this schema wants");
    return builder_finish(b, root, "schema", out);
}

status schema_open(grammar **out, const char *json, size_t bytes, error *e) {
    *out = NULL;
    if (bytes > GRAMMAR_BYTES_MAX) return fail(e, E_FILE, "%zu bytes are more than the %d that a schema may have", bytes, GRAMMAR_BYTES_MAX);
    schema_compiler c = {.kept = json_array(), .refs = json_object(), .queue = json_array()};
    builder_open(&c.b, e);
    if (!c.kept || !c.refs || !c.queue) builder_fail(&c.b, E_MEMORY, "no memory for a schema");
    if (c.b.code == OK) c.b.code = json_parse(&c.root, json, bytes, GRAMMAR_BYTES_MAX, e);
    const status s = c.b.code == OK ? compile(&c, out) : c.b.code;
    json_decref(c.kept);
    json_decref(c.refs);
    json_decref(c.queue);
    json_decref(c.root);
    buffer_free(&c.path);
    builder_close(&c.b);
    return s;
}

expr schema_expr_at(schema_compiler *c, json_t *schema, const char *step, const char *name) {
    const size_t before = c->path.n;
    path_add(c, step, strlen(step));
    if (name) path_add_name(c, name);
    const expr x = schema_expr(c, schema);
    path_cut(c, before);
    return x;
}
