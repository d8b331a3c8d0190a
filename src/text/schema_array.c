/* schema_array.c: arrays: first the items that have a place of their own (all of them, unless maxItems cuts them), then any number of others. */
#include <stdio.h>

#include "text/schema_compile.h"

enum { SHORT_LIST = 16 }; /* items that are repeated more often have a rule of their own */

typedef struct list {
    json_t *places; /* schemas of the first items; NULL: none */
    json_t *rest;   /* of those that follow; NULL: none may */
    const char *places_key, *rest_key;
    uint32_t min, max;
} list;

/* Draft 2020-12 has prefixItems and items, older ones have items as a list and additionalItems. */
static void read_list(schema_compiler *c, json_t *schema, list *l) {
    json_t *prefix = json_object_get(schema, "prefixItems"), *items = json_object_get(schema, "items");
    const bool old = !prefix && json_is_array(items);
    *l = (list){.places = old ? items : prefix,
                .rest = old ? json_object_get(schema, "additionalItems") : items,
                .places_key = old ? "/items" : "/prefixItems",
                .rest_key = old ? "/additionalItems" : "/items",
                .min = schema_count(c, schema, "minItems", 0),
                .max = schema_count(c, schema, "maxItems", REPEAT_ENDLESS)};
    if (l->places && !json_is_array(l->places)) schema_fail(c, "'prefixItems' is no list");
    if (l->rest && !json_is_boolean(l->rest) && !json_is_object(l->rest)) schema_fail(c, "'%s' is no schema", l->rest_key + 1);
    if (l->min > l->max) schema_fail(c, "minItems %u is more than maxItems %u", l->min, l->max);
    if (json_array_size(l->places) > SCHEMA_PROPERTIES_MAX) schema_fail(c, "more than %d items with places", SCHEMA_PROPERTIES_MAX);
    if (c->b.code != OK) return;
    if (!l->rest && (!l->places || l->min > json_array_size(l->places))) l->rest = schema_keep(c, json_true());
    if (json_is_false(l->rest)) l->rest = NULL;
}

/* Items behind `done` others. */
static expr rest_of(schema_compiler *c, const list *l, uint32_t done, expr separator) {
    builder *b = &c->b;
    const uint32_t min = l->min > done ? l->min - done : 0, max = l->max == REPEAT_ENDLESS ? l->max : l->max - done;
    expr item = l->rest && max ? schema_expr_at(c, l->rest, l->rest_key, NULL) : EXPR_NEVER;
    if (item == EXPR_NEVER && min) schema_fail(c, "minItems is %u, but only %u items are allowed", l->min, done);
    if (item == EXPR_NEVER) return EXPR_EMPTY;
    if (min > SHORT_LIST || (max > SHORT_LIST && max != REPEAT_ENDLESS)) item = schema_rule(c, item, true);
    const expr next = expr_then(b, separator, item);
    if (done) return expr_repeat(b, next, min, max);
    const expr all = expr_then(b, item, expr_repeat(b, next, min ? min - 1 : 0, max == REPEAT_ENDLESS ? max : max - 1));
    return min ? all : expr_optional(b, all);
}

expr schema_array(schema_compiler *c, json_t *schema) {
    builder *b = &c->b;
    list l;
    read_list(c, schema, &l);
    if (b->code != OK) return EXPR_NEVER;
    if (!l.places && json_is_true(l.rest) && l.min == 0 && l.max == REPEAT_ENDLESS) return schema_basic(c, "array");
    const expr blanks = schema_blanks(c), separator = expr_then(b, expr_text(b, ","), blanks);
    expr x = expr_then(b, expr_text(b, "["), blanks);
    uint32_t done = 0;
    size_t i;
    json_t *place;
    json_array_foreach(l.places, i, place) {
        char step[48];
        if (done == l.max || b->code != OK) break;
        snprintf(step, sizeof step, "%s/%zu", l.places_key, i);
        const expr item = schema_expr_at(c, place, step, NULL);
        if (item == EXPR_NEVER && done < l.min) schema_fail(c, "item %zu can have no value", i);
        if (item == EXPR_NEVER) break;
        x = expr_then(b, done++ ? expr_then(b, x, separator) : x, item);
    }
    if (b->code == OK) x = expr_then(b, x, rest_of(c, &l, done, separator));
    return schema_rule(c, expr_then(b, expr_then(b, x, blanks), expr_text(b, "]")), false);
}
