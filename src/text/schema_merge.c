/* schema_merge.c: one schema for what two accept together: allOf, and what stands beside $ref, anyOf and oneOf. Keyword by keyword; a pair that cannot
 * be merged is refused by name. */
#include "text/schema_compile.h"

/* Merges `other` into `into` under this key. */
typedef void (*merger)(schema_compiler *c, json_t *into, const char *key, json_t *mine, json_t *other);

static void merge_type(schema_compiler *c, json_t *into, const char *key, json_t *mine, json_t *other) {
    json_t *both = json_array(), *list[2] = {mine, other};
    (void)c;
    for (size_t i = 0; i < 2; i++) {
        list[i] = json_is_array(list[i]) ? json_incref(list[i]) : json_pack("[O]", list[i]);
    }
    size_t i, k;
    json_t *a, *b;
    json_array_foreach(list[0], i, a) {
        json_array_foreach(list[1], k, b) {
            const char *x = json_string_value(a), *y = json_string_value(b);
            if (!x || !y) continue;
            if (strcmp(x, y) == 0) json_array_append(both, a);
            if (strcmp(x, "number") == 0 && strcmp(y, "integer") == 0) json_array_append(both, b);
            if (strcmp(x, "integer") == 0 && strcmp(y, "number") == 0) json_array_append(both, a);
        }
    }
    json_decref(list[0]);
    json_decref(list[1]);
    json_object_set_new(into, key, both);
}

static void merge_all_of(schema_compiler *c, json_t *into, const char *key, json_t *mine, json_t *other) {
    (void)c;
    json_object_set_new(into, key, json_pack("{s:[O, O]}", "allOf", mine, other));
}

static void merge_lists(schema_compiler *c, json_t *into, const char *key, json_t *mine, json_t *other) {
    json_t *both = json_copy(mine);
    if (!json_is_array(mine) || !json_is_array(other)) schema_fail(c, "'%s' is no list", key);
    json_array_extend(both, other);
    json_object_set_new(into, key, both);
}

static void merge_greater(schema_compiler *c, json_t *into, const char *key, json_t *mine, json_t *other) {
    if (!json_is_number(mine) || !json_is_number(other)) schema_fail(c, "'%s' is not a number", key);
    if (json_number_value(other) > json_number_value(mine)) json_object_set(into, key, other);
}

static void merge_lesser(schema_compiler *c, json_t *into, const char *key, json_t *mine, json_t *other) {
    if (!json_is_number(mine) || !json_is_number(other)) schema_fail(c, "'%s' is not a number", key);
    if (json_number_value(other) < json_number_value(mine)) json_object_set(into, key, other);
}

static void merge_enum(schema_compiler *c, json_t *into, const char *key, json_t *mine, json_t *other) {
    json_t *both = json_array(), *a, *b;
    size_t i, k;
    (void)c;
    json_array_foreach(mine, i, a) {
        json_array_foreach(other, k, b) {
            if (json_equal(a, b)) json_array_append(both, a);
        }
    }
    json_object_set_new(into, key, both);
}

static void merge_same(schema_compiler *c, json_t *into, const char *key, json_t *mine, json_t *other) {
    (void)into;
    if (!json_equal(mine, other)) schema_fail(c, "'%s' stands in two schemas that are to hold together, which is not supported", key);
}

static void merge_properties(schema_compiler *c, json_t *into, const char *key, json_t *mine, json_t *other) {
    json_t *both = json_copy(mine), *value;
    const char *name;
    if (!json_is_object(mine) || !json_is_object(other)) schema_fail(c, "'%s' is no object", key);
    json_object_foreach(other, name, value) {
        json_t *known = json_object_get(both, name);
        if (known) {
            merge_all_of(c, both, name, known, value);
        } else {
            json_object_set(both, name, value);
        }
    }
    json_object_set_new(into, key, both);
}

static void merge_defs(schema_compiler *c, json_t *into, const char *key, json_t *mine, json_t *other) {
    (void)c, (void)into, (void)key, (void)mine, (void)other; /* references are followed from the root */
}

/* Two lists of alternatives: both must hold. */
static void merge_choice(schema_compiler *c, json_t *into, const char *key, json_t *mine, json_t *other) {
    json_t *all = json_object_get(into, "allOf");
    (void)mine;
    all = all ? json_copy(all) : json_array();
    json_array_append_new(all, json_pack("{s:O}", key, other));
    json_object_set_new(into, "allOf", all);
    if (c->n_merges > SCHEMA_MERGES_MAX / 2) schema_fail(c, "'%s' stands in too many schemas that are to hold together", key);
}

typedef struct merge_rule {
    const char *key;
    merger merge;
} merge_rule;

static const merge_rule rules[] = {
    {"type", merge_type},
    {"properties", merge_properties},
    {"required", merge_lists},
    {"allOf", merge_lists},
    {"additionalProperties", merge_all_of},
    {"items", merge_all_of},
    {"enum", merge_enum},
    {"minimum", merge_greater},
    {"exclusiveMinimum", merge_greater},
    {"minLength", merge_greater},
    {"minItems", merge_greater},
    {"maximum", merge_lesser},
    {"exclusiveMaximum", merge_lesser},
    {"maxLength", merge_lesser},
    {"maxItems", merge_lesser},
    {"anyOf", merge_choice},
    {"oneOf", merge_choice},
    {"$ref", merge_choice},
    {"title", merge_defs},
    {"description", merge_defs},
    {"default", merge_defs},
    {"examples", merge_defs},
    {"$comment", merge_defs},
    {"$schema", merge_defs},
    {"$id", merge_defs},
    {"$defs", merge_defs},
    {"definitions", merge_defs},
};

static merger merger_of(const char *key) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(rules[i].key, key) == 0) return rules[i].merge;
    }
    return merge_same;
}

/* additionalProperties of one speaks of the properties that only the other names. */
static json_t *restrict_properties(json_t *one, const json_t *other) {
    json_t *copy = json_copy(one), *value, *more = json_object_get(other, "additionalProperties"), *properties = json_object_get(one, "properties");
    const char *name;
    if (!more || json_is_true(more) || !json_is_object(properties)) return copy;
    json_t *narrow = json_copy(properties);
    json_object_foreach(properties, name, value) {
        if (json_object_get(json_object_get(other, "properties"), name)) continue;
        json_object_set_new(narrow, name, json_is_false(more) ? json_false() : json_pack("{s:[O, O]}", "allOf", value, more));
    }
    json_object_set_new(copy, "properties", narrow);
    return copy;
}

json_t *schema_merge(schema_compiler *c, json_t *one, json_t *other) {
    const char *key;
    json_t *value;
    if (++c->n_merges > SCHEMA_MERGES_MAX) schema_fail(c, "more than %d schemas that are to hold together", SCHEMA_MERGES_MAX);
    if (json_is_false(one) || json_is_false(other)) return schema_keep(c, json_false());
    if (json_is_true(one)) return other;
    if (json_is_true(other)) return one;
    if (!json_is_object(one) || !json_is_object(other)) {
        schema_fail(c, "a schema is neither an object nor true or false");
        return one;
    }
    json_t *into = schema_keep(c, restrict_properties(one, other)), *from = schema_keep(c, restrict_properties(other, one));
    json_object_foreach(from, key, value) {
        json_t *mine = json_object_get(into, key);
        if (c->b.code != OK) break;
        if (mine) {
            merger_of(key)(c, into, key, mine, value);
        } else {
            json_object_set(into, key, value);
        }
    }
    return into;
}
