/* spec_table.h: the fields of the spec as rows of a table. Owns what a field is called, its range and its neutral value; spec.c walks the rows. */
#ifndef QBIN_FILE_SPEC_TABLE_H
#define QBIN_FILE_SPEC_TABLE_H

#include <stddef.h>

#include "file/spec.h"

enum { NUMBER_TEXT = 32 };

/* Every number of the spec, whatever its C type, is exact as a double: a field is read, checked, written and printed as one. */
typedef struct number_kind {
    double (*get)(const void *at);
    void (*set)(void *at, double x);
    json_t *(*write)(double x);
    status (*read)(const json_t *value, const char *key, double min, double max, double *x, error *e);
    void (*print)(double x, char text[NUMBER_TEXT]);
} number_kind;

typedef struct spec_field {
    const char *key;
    const number_kind *kind;
    size_t offset;
    double min, max;
    double neutral;           /* not written, and meant when the key is absent; NAN: the key must be there */
    const char *const *names; /* of an enumeration */
} spec_field;

/* A list of numbers in the spec; its length follows from other fields, or is its own (eos). */
typedef struct spec_list {
    const char *key;
    const number_kind *kind;
    double min, max;
    size_t (*count)(const spec *s);
    void *(*place)(spec *s);                           /* of the first item, items follow each other in the C type of `kind`; NULL: none */
    status (*resize)(spec *s, size_t count, error *e); /* makes room for zeroed items */
    bool (*is_neutral)(const spec *s);
    size_t item;
} spec_list;

extern const spec_field spec_fields[]; /* ended by a NULL key */
extern const spec_list spec_lists[];   /* ended by a NULL key; a list comes after the fields that say its length */

/* The shortest decimal that is read back as the same float; a whole number without an exponent. */
void number_text(double x, char text[NUMBER_TEXT]);

#endif
