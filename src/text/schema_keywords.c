/* schema_keywords.c: the keywords of JSON Schema (draft 2020-12, and what older drafts call differently), and what a schema means that has several of them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/schema.h"
#include "text/schema_compile.h"

/* ---- the list of keywords ---- */

enum {
    SORT_NOTE = 1,
    SORT_GENERAL = 2,
    SORT_STRING = 4,
    SORT_NUMBER = 8,
    SORT_OBJECT = 16,
    SORT_ARRAY = 32,
    SORT_TYPED = SORT_STRING | SORT_NUMBER | SORT_OBJECT | SORT_ARRAY
};

typedef struct keyword {
    const char *name;
    unsigned sort;     /* a note restricts nothing */
    const char *plain; /* refused, unless its value is this one, which restricts nothing; NULL: understood */
} keyword;

static const keyword keywords[] = {
    {"$schema", SORT_NOTE, NULL},
    {"$id", SORT_NOTE, NULL},
    {"$comment", SORT_NOTE, NULL},
    {"$anchor", SORT_NOTE, NULL},
    {"$defs", SORT_NOTE, NULL},
    {"definitions", SORT_NOTE, NULL},
    {"title", SORT_NOTE, NULL},
    {"description", SORT_NOTE, NULL},
    {"default", SORT_NOTE, NULL},
    {"example", SORT_NOTE, NULL},
    {"examples", SORT_NOTE, NULL},
    {"deprecated", SORT_NOTE, NULL},
    {"readOnly", SORT_NOTE, NULL},
    {"writeOnly", SORT_NOTE, NULL},
    {"contentEncoding", SORT_NOTE, NULL},
    {"contentMediaType", SORT_NOTE, NULL},
    {"type", SORT_GENERAL, NULL},
    {"enum", SORT_GENERAL, NULL},
    {"const", SORT_GENERAL, NULL},
    {"$ref", SORT_GENERAL, NULL},
    {"anyOf", SORT_GENERAL, NULL},
    {"oneOf", SORT_GENERAL, NULL},
    {"allOf", SORT_GENERAL, NULL},
    {"minLength", SORT_STRING, NULL},
    {"maxLength", SORT_STRING, NULL},
    {"pattern", SORT_STRING, NULL},
    {"format", SORT_STRING, NULL},
    {"minimum", SORT_NUMBER, NULL},
    {"maximum", SORT_NUMBER, NULL},
    {"exclusiveMinimum", SORT_NUMBER, NULL},
    {"exclusiveMaximum", SORT_NUMBER, NULL},
    {"properties", SORT_OBJECT, NULL},
    {"required", SORT_OBJECT, NULL},
    {"additionalProperties", SORT_OBJECT, NULL},
    {"items", SORT_ARRAY, NULL},
    {"prefixItems", SORT_ARRAY, NULL},
    {"additionalItems", SORT_ARRAY, NULL},
    {"minItems", SORT_ARRAY, NULL},
    {"maxItems", SORT_ARRAY, NULL},
    {"uniqueItems", SORT_ARRAY, "false"},
    {"minProperties", SORT_OBJECT, "0"},
    {"unevaluatedProperties", SORT_OBJECT, "true"},
    {"unevaluatedItems", SORT_ARRAY, "true"},
    {"nullable", SORT_GENERAL, "false"},
};

const char *schema_keyword(size_t i) {
    return i < sizeof keywords / sizeof *keywords ? keywords[i].name : NULL;
}

static const keyword *find_keyword(const char *name) {
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (strcmp(keywords[i].name, name) == 0) return &keywords[i];
    }
    return NULL;
}

static bool is_plain(const keyword *k, const json_t *value) {
    json_t *plain = json_loads(k->plain, JSON_DECODE_ANY, NULL);
    const bool same = json_equal(plain, value);
    json_decref(plain);
    return same;
}

/* The sorts of keywords that a schema has. What is not in the list is refused, but for extensions x-... */
static unsigned check_keywords(schema_compiler *c, json_t *schema) {
    const char *name;
    json_t *value;
    unsigned sorts = 0;
    json_object_foreach(schema, name, value) {
        const keyword *k = find_keyword(name);
        if (!k && strncmp(name, "x-", 2) == 0) continue;
        if (!k || (k->plain && !is_plain(k, value))) {
            schema_fail(c, "the keyword '%.60s' is not supported", name);
            return 0;
        }
        if (!k->plain) sorts |= k->sort;
    }
    return sorts;
}

/* ---- types ---- */

static expr make_basic_boolean(schema_compiler *c, json_t *schema) {
    (void)schema;
    return schema_basic(c, "boolean");
}

static expr make_basic_null(schema_compiler *c, json_t *schema) {
    (void)schema;
    return schema_basic(c, "null");
}

typedef struct type {
    const char *name;
    unsigned sort; /* of the keywords that say that a value is of this type; 0: none does */
    expr (*make)(schema_compiler *c, json_t *schema);
    bool (*is)(const json_t *value);
} type;

static bool is_string(const json_t *v) {
    return json_is_string(v);
}
static bool is_number(const json_t *v) {
    return json_is_number(v);
}
static bool is_integer(const json_t *v) {
    return json_is_integer(v) || (json_is_real(v) && json_real_value(v) == floor(json_real_value(v)));
}
static bool is_object(const json_t *v) {
    return json_is_object(v);
}
static bool is_array(const json_t *v) {
    return json_is_array(v);
}
static bool is_boolean(const json_t *v) {
    return json_is_boolean(v);
}
static bool is_null(const json_t *v) {
    return json_is_null(v);
}

static const type types[] = {
    {"object", SORT_OBJECT, schema_object, is_object},
    {"array", SORT_ARRAY, schema_array, is_array},
    {"string", SORT_STRING, schema_string, is_string},
    {"number", SORT_NUMBER, schema_number, is_number},
    {"integer", 0, schema_integer, is_integer},
    {"boolean", 0, make_basic_boolean, is_boolean},
    {"null", 0, make_basic_null, is_null},
};
enum { TYPES = sizeof types / sizeof *types };

static unsigned type_named(schema_compiler *c, const json_t *name) {
    for (unsigned i = 0; i < TYPES && json_is_string(name); i++) {
        if (strcmp(types[i].name, json_string_value(name)) == 0) return 1u << i;
    }
    schema_fail(c, "the type '%.40s' is not known", json_is_string(name) ? json_string_value(name) : "(not a string)");
    return 0;
}

/* The types that a schema allows, a bit for each; those that its keywords are about if it does not say. */
static unsigned types_of(schema_compiler *c, const json_t *schema, unsigned sorts) {
    json_t *said = json_object_get(schema, "type"), *name;
    unsigned found = 0;
    size_t i;
    if (json_is_array(said)) {
        json_array_foreach(said, i, name) found |= type_named(c, name);
        return found;
    }
    if (said) return type_named(c, said);
    for (i = 0; i < TYPES; i++) found |= types[i].sort & sorts ? 1u << i : 0;
    return found;
}

static expr typed(schema_compiler *c, json_t *schema, unsigned sorts) {
    const unsigned allowed = types_of(c, schema, sorts);
    expr x = EXPR_NEVER;
    if (allowed == 0 && !json_object_get(schema, "type")) return schema_any(c);
    for (size_t i = 0; i < TYPES && c->b.code == OK; i++) {
        if (allowed >> i & 1) x = expr_or(&c->b, x, types[i].make(c, schema));
    }
    return x;
}

/* ---- values that are listed ---- */

/* JSON of a value, shortest spelling of its numbers; NULL without memory. */
static char *spell(const json_t *value) {
    for (size_t digits = 15;; digits++) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        json_t *again = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        const bool same = json_equal(again, value);
        json_decref(again);
        if (same || digits >= 17) return text;
        free(text);
    }
}

static bool is_allowed(unsigned allowed, const json_t *value) {
    for (size_t i = 0; i < TYPES; i++) {
        if (allowed >> i & 1 && types[i].is(value)) return true;
    }
    return false;
}

static expr listed(schema_compiler *c, json_t *schema, unsigned sorts) {
    json_t *list = json_object_get(schema, "enum"), *one = json_object_get(schema, "const"), *value;
    const unsigned allowed = json_object_get(schema, "type") ? types_of(c, schema, 0) : ~0u;
    expr x = EXPR_NEVER;
    size_t i;
    if (sorts & SORT_TYPED) schema_fail(c, "'%s' together with other restrictions is not supported", list ? "enum" : "const");
    if (list && !json_is_array(list)) schema_fail(c, "'enum' is no list");
    if (!list) list = schema_keep(c, json_pack("[O]", one));
    json_array_foreach(list, i, value) {
        if (c->b.code != OK) break;
        if (!is_allowed(allowed, value) || (one && !json_equal(one, value))) continue;
        char *text = spell(value);
        if (!text) builder_fail(&c->b, E_MEMORY, "no memory for a schema");
        if (text) x = expr_or(&c->b, x, expr_text(&c->b, text));
        free(text);
    }
    return schema_rule(c, x, false);
}

/* ---- schemas of schemas ---- */

/* The schema without a keyword, and without notes. */
static json_t *without(schema_compiler *c, json_t *schema, const char *key) {
    json_t *copy = schema_keep(c, json_object()), *value;
    const char *name;
    json_object_foreach(schema, name, value) {
        const keyword *k = find_keyword(name);
        if (strcmp(name, key) != 0 && k && k->sort != SORT_NOTE) json_object_set(copy, name, value);
    }
    return copy;
}

static json_t *list_of(schema_compiler *c, json_t *schema, const char *key) {
    json_t *list = json_object_get(schema, key);
    if (!json_is_array(list) || json_array_size(list) == 0) schema_fail(c, "'%s' is no list of schemas", key);
    return list;
}

/* Any of the alternatives, each together with what stands beside them. */
static expr alternatives(schema_compiler *c, json_t *schema, const char *key) {
    json_t *list = list_of(c, schema, key), *base = without(c, schema, key), *one;
    expr x = EXPR_NEVER;
    size_t i;
    json_array_foreach(list, i, one) {
        char step[48];
        if (c->b.code != OK) break;
        snprintf(step, sizeof step, "/%s/%zu", key, i);
        json_t *merged = json_object_size(base) ? schema_merge(c, base, one) : one;
        x = expr_or(&c->b, x, schema_expr_at(c, merged, step, NULL));
    }
    return x;
}

static expr any_of(schema_compiler *c, json_t *schema) {
    return alternatives(c, schema, "anyOf");
}

/* A value of two of the alternatives is possible where they overlap (docs/grammar.md says so). */
static expr one_of(schema_compiler *c, json_t *schema) {
    return alternatives(c, schema, "oneOf");
}

static expr all_of(schema_compiler *c, json_t *schema) {
    json_t *list = list_of(c, schema, "allOf"), *merged = without(c, schema, "allOf"), *one;
    size_t i;
    json_array_foreach(list, i, one) {
        if (c->b.code == OK) merged = schema_merge(c, merged, one);
    }
    return c->b.code == OK ? schema_expr(c, merged) : EXPR_NEVER;
}

/* Alone a reference is a rule; with restrictions beside it, a schema of its own. */
static expr referred(schema_compiler *c, json_t *schema) {
    const json_t *ref = json_object_get(schema, "$ref");
    json_t *rest = without(c, schema, "$ref");
    if (!json_is_string(ref)) schema_fail(c, "'$ref' is no string");
    if (c->b.code != OK) return EXPR_NEVER;
    if (json_object_size(rest) == 0) return schema_reference(c, json_string_value(ref));
    json_t *target = schema_find(c, json_string_value(ref));
    return target ? schema_expr(c, schema_merge(c, target, rest)) : EXPR_NEVER;
}

typedef struct composition {
    const char *key;
    expr (*make)(schema_compiler *c, json_t *schema);
} composition;

/* In this order: alternatives that must hold with others are merged one list after the other. */
static const composition compositions[] = {{"anyOf", any_of}, {"oneOf", one_of}, {"$ref", referred}, {"allOf", all_of}};

static expr described(schema_compiler *c, json_t *schema) {
    const unsigned sorts = check_keywords(c, schema);
    if (c->b.code != OK) return EXPR_NEVER;
    for (size_t i = 0; i < sizeof compositions / sizeof *compositions; i++) {
        if (json_object_get(schema, compositions[i].key)) return compositions[i].make(c, schema);
    }
    if (json_object_get(schema, "enum") || json_object_get(schema, "const")) return listed(c, schema, sorts);
    return typed(c, schema, sorts);
}

expr schema_expr(schema_compiler *c, json_t *schema) {
    expr x = EXPR_NEVER;
    if (c->b.code != OK) return x;
    if (json_is_true(schema)) return schema_any(c);
    if (json_is_false(schema)) return x;
    if (!json_is_object(schema)) schema_fail(c, "this is no schema: neither an object nor true or false");
    if (++c->depth > SCHEMA_DEPTH_MAX) schema_fail(c, "schemas more than %d deep, or one that refers to itself through allOf", SCHEMA_DEPTH_MAX);
    if (c->b.code == OK) x = described(c, schema);
    c->depth--;
    return x;
}
