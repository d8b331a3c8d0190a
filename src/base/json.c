#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/map.h"

static const char *type_name(const json_t *value) {
    static const char *const names[] = {"an object", "an array", "text", "an integer", "a number", "true", "false", "null"};
    return value ? names[json_typeof(value)] : "missing";
}

static status wrong_type(const json_t *value, const char *name, const char *wanted, error *e) {
    if (!value) return fail(e, E_FILE, "'%s' is missing", name);
    return fail(e, E_FILE, "'%s' is %s, not %s", name, type_name(value), wanted);
}

/* Bounds what the parser will allocate before it runs: every value but the first follows one of `[{,:`. */
static status check_bounds(const char *text, size_t size, size_t values, error *e) {
    size_t depth = 0, count = 1;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (quoted) {
            if (c == '\\') i++;
            quoted = c != '"';
            continue;
        }
        quoted = c == '"';
        const bool opens = c == '[' || c == '{';
        const bool closes = c == ']' || c == '}';
        depth += opens;
        depth -= closes && depth;
        count += opens || c == ',' || c == ':';
        if (depth > JSON_DEPTH) return fail(e, E_FILE, "byte %zu: JSON is nested deeper than %d", i, JSON_DEPTH);
        if (count > values) return fail(e, E_FILE, "byte %zu: JSON has more than %zu values", i, values);
    }
    return OK;
}

/* The integer that a real number stands for, or NULL if it is none or too large to be exact. */
static json_t *whole(const json_t *value) {
    const double x = json_is_real(value) ? json_real_value(value) : 0.5;
    return fabs(x) < 0x1p53 && x == floor(x) ? json_integer((json_int_t)x) : NULL;
}

static void restore_integers(json_t *value) {
    size_t i;
    json_t *item, *number;
    json_array_foreach(value, i, item) {
        restore_integers(item);
        if ((number = whole(item))) json_array_set_new(value, i, number);
    }
    for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at)) {
        item = json_object_iter_value(at);
        restore_integers(item);
        if ((number = whole(item))) json_object_iter_set_new(value, at, number);
    }
}

status json_parse(json_t **out, const char *text, size_t size, size_t values, error *e) {
    *out = NULL;
    TRY(check_bounds(text, size, values, e));
    json_error_t why;
    *out = json_loadb(text ? text : "", size, JSON_REJECT_DUPLICATES, &why);
    /* Hugging Face writes int(1e30) for "no limit", which is too large for an integer of the parser. */
    if (!*out && json_error_code(&why) == json_error_numeric_overflow) {
        *out = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &why);
        restore_integers(*out);
    }
    if (*out) return OK;
    const status code = json_error_code(&why) == json_error_out_of_memory ? E_MEMORY : E_FILE;
    return fail(e, code, "line %d, column %d: JSON: %s", why.line, why.column, why.text);
}

status json_parse_file(json_t **out, const char *path, size_t max_bytes, error *e) {
    *out = NULL;
    map m;
    TRY(map_open(&m, path, e));
    status s;
    if (m.size > max_bytes) {
        s = fail(e, E_FILE, "%s: %zu bytes are more than the %zu that such a file may have", path, m.size, max_bytes);
    } else {
        s = json_parse(out, (const char *)m.data, m.size, JSON_VALUES, e);
        if (s != OK) fail_in(e, path);
    }
    map_close(&m);
    return s;
}

status json_to_uint(const json_t *value, const char *name, uint64_t min, uint64_t max, uint64_t *out, error *e) {
    if (!json_is_integer(value)) return wrong_type(value, name, "an integer", e);
    const json_int_t i = json_integer_value(value);
    if (i < 0 || (uint64_t)i < min || (uint64_t)i > max) {
        return fail(e, E_FILE, "'%s' is %" JSON_INTEGER_FORMAT ", not in %" PRIu64 " .. %" PRIu64, name, i, min, max);
    }
    *out = (uint64_t)i;
    return OK;
}

status json_to_int(const json_t *value, const char *name, int64_t min, int64_t max, int64_t *out, error *e) {
    if (!json_is_integer(value)) return wrong_type(value, name, "an integer", e);
    const json_int_t i = json_integer_value(value);
    if (i < min || i > max) return fail(e, E_FILE, "'%s' is %" JSON_INTEGER_FORMAT ", not in %" PRId64 " .. %" PRId64, name, i, min, max);
    *out = i;
    return OK;
}

status json_to_number(const json_t *value, const char *name, double min, double max, double *out, error *e) {
    if (!json_is_number(value)) return wrong_type(value, name, "a number", e);
    const double x = json_number_value(value);
    if (!(x >= min && x <= max)) return fail(e, E_FILE, "'%s' is %g, not in %g .. %g", name, x, min, max);
    *out = x;
    return OK;
}

status json_to_bool(const json_t *value, const char *name, bool *out, error *e) {
    if (!json_is_boolean(value)) return wrong_type(value, name, "true or false", e);
    *out = json_is_true(value);
    return OK;
}

status json_to_text(const json_t *value, const char *name, const char **out, error *e) {
    if (!json_is_string(value)) return wrong_type(value, name, "text", e);
    *out = json_string_value(value);
    return OK;
}

status json_to_array(const json_t *value, const char *name, size_t max, size_t *n, error *e) {
    if (!json_is_array(value)) return wrong_type(value, name, "an array", e);
    *n = json_array_size(value);
    if (*n > max) return fail(e, E_FILE, "'%s' has %zu entries, more than %zu", name, *n, max);
    return OK;
}

status json_to_object(const json_t *value, const char *name, error *e) {
    return json_is_object(value) ? OK : wrong_type(value, name, "an object", e);
}
