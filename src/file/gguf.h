/* gguf.h: reads a GGUF file, version 2 or 3: typed values by name, and tensors as a checkpoint has them.
 *
 * Trusts nothing: counts, lengths, types, names that come twice, alignment, shapes, ranges and overlaps of tensors are checked at open, before anything is
 * allocated for them; afterwards values and tensors lie inside the map. Refuses version 1, big-endian files and one part of a split file. */
#ifndef QBIN_FILE_GGUF_H
#define QBIN_FILE_GGUF_H

#include <stdbool.h>

#include "file/safetensors.h"

typedef struct gguf_text { /* in the map, not ended by a NUL; p is NULL for none */
    const char *p;
    size_t n;
} gguf_text;

typedef struct gguf_kind { /* of a value */
    const char *name;
    size_t bytes;                      /* 0: a text or an array */
    double (*load)(const uint8_t *at); /* NULL: not a number */
} gguf_kind;
enum { GGUF_BOOL = 7, GGUF_TEXT = 8, GGUF_ARRAY = 9, GGUF_KINDS = 13 };
extern const gguf_kind gguf_kinds[GGUF_KINDS]; /* by their numbers in the file */

typedef struct gguf_value {
    gguf_text key;
    const gguf_kind *kind; /* of the value, or of each element of an array */
    bool is_array;
    uint64_t n; /* elements of an array; else 1 */
    const uint8_t *data;
} gguf_value;

typedef struct gguf {
    checkpoint tensors; /* one file; names and shapes as in the file, but the dimension that varies fastest is the last */
    gguf_value *values; /* sorted by key */
    size_t n_values;
    uint32_t version;
} gguf;

/* E_FILE with file, name and offset. gguf_close takes {0} too; values need the tensors' file. */
status gguf_open(gguf *g, const char *path, error *e);
void gguf_close(gguf *g);

/* Does the file begin as a GGUF file does, or is it called one? False for what cannot be read. */
#define GGUF_SUFFIX ".gguf"
bool gguf_is(const char *path);

int gguf_by_key(const void *a, const void *b);               /* of two values, for sorting */
const gguf_value *gguf_find(const gguf *g, const char *key); /* NULL if absent */

/* ---- typed values; E_FILE for another type, or if the key is absent and `fallback` is NAN ---- */

/* A number, or an array of numbers that are all the same. Integers beyond 2^53 are refused. */
status gguf_number(const gguf *g, const char *key, double fallback, double *out, error *e);
status gguf_flag(const gguf *g, const char *key, bool fallback, bool *out, error *e);
status gguf_string(const gguf *g, const char *key, gguf_text *out, error *e); /* p is NULL if absent */

/* An array of texts, or of numbers; *out is NULL if absent. */
status gguf_texts(const gguf *g, const char *key, const gguf_value **out, error *e);
status gguf_numbers(const gguf *g, const char *key, const gguf_value **out, error *e);

/* Element i of an array of numbers. */
double gguf_element(const gguf_value *v, uint64_t i);
/* Walks an array of texts: *at begins as v->data. Not to be called more than v->n times. */
gguf_text gguf_next(const uint8_t **at);

#endif
