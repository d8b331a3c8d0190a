/* json.h: JSON from files that are not trusted, over jansson. Owns the limits (size, depth, number of values, duplicate keys) and the messages of
 * values that have the wrong type or are out of range; what a key means is the caller's. */
#ifndef QBIN_BASE_JSON_H
#define QBIN_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    JSON_DEPTH = 32,
    JSON_VALUES = 8000000, /* a value costs about 60 bytes of memory; the largest tokenizers have about 2,000,000 */
};

/* Parses text[size] (UTF-8, no NUL needed) to an object or array (new reference). E_FILE says line, column and reason: malformed, a key twice, nested
 * deeper than JSON_DEPTH, more than `values` values. An integer that does not fit in 64 bits becomes a real number. */
status json_parse(json_t **out, const char *text, size_t size, size_t values, error *e);

/* The same for a file of at most `max_bytes`. The message begins with the path. */
status json_parse_file(json_t **out, const char *path, size_t max_bytes, error *e);

/* ---- typed access: `name` is what the message calls the value; NULL values are "missing" ---- */

status json_to_uint(const json_t *value, const char *name, uint64_t min, uint64_t max, uint64_t *out, error *e);
status json_to_int(const json_t *value, const char *name, int64_t min, int64_t max, int64_t *out, error *e);
status json_to_number(const json_t *value, const char *name, double min, double max, double *out, error *e); /* integers too; finite */
status json_to_bool(const json_t *value, const char *name, bool *out, error *e);
status json_to_text(const json_t *value, const char *name, const char **out, error *e); /* borrowed */
status json_to_array(const json_t *value, const char *name, size_t max, size_t *n, error *e);
status json_to_object(const json_t *value, const char *name, error *e);

#endif
