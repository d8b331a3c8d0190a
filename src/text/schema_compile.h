/* schema_compile.h: what the parts of the JSON Schema compiler share. Private to schema*.c. Failures stay in the builder, as everywhere above it; a message
 * begins with the pointer of the schema that is being compiled. */
#ifndef QBIN_TEXT_SCHEMA_COMPILE_H
#define QBIN_TEXT_SCHEMA_COMPILE_H

#include <jansson.h>

#include "text/grammar_build.h"

enum {
    SCHEMA_DEPTH_MAX = 64,        /* schemas inside schemas, merged ones too */
    SCHEMA_PROPERTIES_MAX = 1000, /* of one object */
    SCHEMA_NAME_MAX = 256,        /* bytes of a property's name */
    SCHEMA_MERGES_MAX = 20000,    /* of schemas that stand together */
    SCHEMA_LENGTH_MAX = 4096,     /* characters of a string with a length; a maxLength above it is taken for it */
    NUMBER_INTEGER_DIGITS = 16,
    NUMBER_FRACTION_DIGITS = 16,
    NUMBER_BOUNDED_DIGITS = 5, /* of a fraction whose number has bounds */
};

typedef struct schema_compiler {
    builder b;
    json_t *root;
    json_t *kept;  /* merged schemas, alive to the end */
    json_t *refs;  /* pointer -> rule */
    json_t *queue; /* pointers whose rules have no body yet */
    buffer path;   /* of the schema that is being compiled, NUL-terminated */
    size_t depth, n_merges;
} schema_compiler;

/* ---- schema_keywords.c: what a schema says, keyword by keyword ---- */

expr schema_expr(schema_compiler *c, json_t *schema);

/* ---- schema.c ---- */

/* The same one step further down the path: "/properties", then a name if it is not NULL. */
expr schema_expr_at(schema_compiler *c, json_t *schema, const char *step, const char *name);
/* A rule of its own for an expression, so that what calls it shares its states. `apart`: never put where it is called, however small. */
expr schema_rule(schema_compiler *c, expr x, bool apart);
/* A rule known by name, made when first asked for: blanks, "string", "value" and the like. */
expr schema_basic(schema_compiler *c, const char *name);
expr schema_any(schema_compiler *c);    /* any JSON value */
expr schema_blanks(schema_compiler *c); /* what may stand between tokens of JSON */
/* Fails with the path before the message. */
void schema_fail(schema_compiler *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What a $ref leads to, borrowed; NULL after a failure. */
json_t *schema_find(schema_compiler *c, const char *ref);
/* A rule for what a $ref leads to. */
expr schema_reference(schema_compiler *c, const char *ref);
/* Makes the compiler the owner of a new value; returns it. */
json_t *schema_keep(schema_compiler *c, json_t *value);

/* A count such as minItems: `missing` if it is absent. */
uint32_t schema_count(schema_compiler *c, const json_t *schema, const char *key, uint32_t missing);

/* ---- schema_merge.c: one schema for what several of them accept together; E_FILE if they cannot be merged ---- */

json_t *schema_merge(schema_compiler *c, json_t *one, json_t *other);

/* ---- schema_string.c ---- */

expr schema_string(schema_compiler *c, json_t *schema);
expr schema_string_char(schema_compiler *c, bool codes); /* any character of a JSON string; `codes`: also as \uXXXX */
/* One character of n ranges, as it is written in a JSON string. */
expr schema_string_class(schema_compiler *c, const char_range *ranges, size_t n);
expr schema_string_text(schema_compiler *c, const char *text, size_t n); /* the text, quoted and escaped */
extern const char_range schema_raw_chars[];                              /* those that are not escaped */
extern const size_t n_schema_raw_chars;

/* ---- schema_regex.c: an ECMAScript pattern over the characters of a string; anchored where it says so. `format`: a pattern of our own, anchored anyway
 * ---- */

expr schema_regex(schema_compiler *c, slice pattern, bool anchored);

/* ---- schema_number.c ---- */

expr schema_number(schema_compiler *c, json_t *schema);
expr schema_integer(schema_compiler *c, json_t *schema);

/* ---- schema_object.c, schema_array.c ---- */

expr schema_object(schema_compiler *c, json_t *schema);
expr schema_array(schema_compiler *c, json_t *schema);

#endif
