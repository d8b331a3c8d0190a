#define PCRE2_CODE_UNIT_WIDTH 8
#include "json_valid.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const json_t *document; /* of the schema that is checked */

static bool valid(const json_t *schema, const json_t *v);

static bool matches(const char *regex, const char *text) {
    int code;
    size_t at;
    pcre2_code *c = pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    cr_assert_not_null(c, "%s", regex);
    pcre2_match_data *m = pcre2_match_data_create_from_pattern(c, NULL);
    const int n = pcre2_match(c, (PCRE2_SPTR)text, strlen(text), 0, 0, m, NULL);
    pcre2_match_data_free(m);
    pcre2_code_free(c);
    return n >= 0;
}

static bool has_type(const char *type, const json_t *v) {
    if (!strcmp(type, "integer")) return json_is_integer(v) || (json_is_real(v) && json_real_value(v) == floor(json_real_value(v)));
    return (!strcmp(type, "object") && json_is_object(v)) || (!strcmp(type, "array") && json_is_array(v)) ||
           (!strcmp(type, "string") && json_is_string(v)) || (!strcmp(type, "number") && json_is_number(v)) ||
           (!strcmp(type, "boolean") && json_is_boolean(v)) || (!strcmp(type, "null") && json_is_null(v));
}

static size_t characters(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n;
}

static double number(const json_t *schema, const char *key, double missing) {
    const json_t *v = json_object_get(schema, key);
    return v ? json_number_value(v) : missing;
}

static bool valid_text(const json_t *s, const json_t *v) {
    static const char *const formats[][2] = {
        {"date", "^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$"},
        {"date-time", "^\\d{4}-\\d\\d-\\d\\dT([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$"},
        {"uuid", "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
        {"ipv4", "^((25[0-5]|2[0-4]\\d|1?\\d?\\d)(\\.|$)){4}$"},
        {"email", "^[^@ ]+@[^@ ]+\\.[a-z]+$"},
    };
    const json_t *pattern = json_object_get(s, "pattern"), *format = json_object_get(s, "format");
    const char *text = json_string_value(v);
    const double n = (double)characters(text);
    if (n < number(s, "minLength", 0) || n > number(s, "maxLength", INFINITY)) return false;
    if (pattern && !matches(json_string_value(pattern), text)) return false;
    for (size_t i = 0; format && i < sizeof formats / sizeof *formats; i++) {
        if (!strcmp(formats[i][0], json_string_value(format)) && !matches(formats[i][1], text)) return false;
    }
    return true;
}

static bool valid_number(const json_t *s, const json_t *v) {
    const double x = json_number_value(v);
    return x >= number(s, "minimum", -INFINITY) && x <= number(s, "maximum", INFINITY) && x > number(s, "exclusiveMinimum", -INFINITY) &&
           x < number(s, "exclusiveMaximum", INFINITY);
}

static bool valid_object(const json_t *s, json_t *v) {
    json_t *properties = json_object_get(s, "properties"), *others = json_object_get(s, "additionalProperties"),
           *required = json_object_get(s, "required"), *one;
    const char *name;
    size_t i;
    json_array_foreach(required, i, one) if (!json_object_get(v, json_string_value(one))) return false;
    json_object_foreach(v, name, one) {
        const json_t *of = json_object_get(properties, name);
        if (!of) of = others;
        if (of && !valid(of, one)) return false;
    }
    return true;
}

static bool valid_array(const json_t *s, json_t *v) {
    json_t *prefix = json_object_get(s, "prefixItems"), *items = json_object_get(s, "items"), *one;
    const double n = (double)json_array_size(v);
    size_t i;
    if (n < number(s, "minItems", 0) || n > number(s, "maxItems", INFINITY)) return false;
    json_array_foreach(v, i, one) {
        const json_t *of = i < json_array_size(prefix) ? json_array_get(prefix, i) : items;
        if (of && !valid(of, one)) return false;
    }
    return true;
}

static size_t count_valid(json_t *list, const json_t *v) {
    json_t *one;
    size_t i, n = 0;
    json_array_foreach(list, i, one) n += valid(one, v);
    return n;
}

static const json_t *resolve(const char *ref) {
    char name[80];
    const json_t *at = document;
    for (ref++; *ref;) {
        const size_t n = strcspn(ref + 1, "/");
        snprintf(name, sizeof name, "%.*s", (int)n, ref + 1);
        at = json_object_get(at, name);
        ref += 1 + n;
    }
    return at;
}

static bool valid_type(const json_t *s, const json_t *v) {
    json_t *type = json_object_get(s, "type"), *one;
    size_t i;
    bool any = !type || (json_is_string(type) && has_type(json_string_value(type), v));
    json_array_foreach(type, i, one) any |= has_type(json_string_value(one), v);
    return any;
}

static bool valid(const json_t *s, const json_t *v) {
    json_t *list, *one;
    size_t i;
    if (json_is_boolean(s)) return json_is_true(s);
    if ((one = json_object_get(s, "$ref")) && !valid(resolve(json_string_value(one)), v)) return false;
    if (!valid_type(s, v)) return false;
    if ((list = json_object_get(s, "enum"))) {
        bool any = false;
        json_array_foreach(list, i, one) any |= json_equal(one, v);
        if (!any) return false;
    }
    if ((one = json_object_get(s, "const")) && !json_equal(one, v)) return false;
    if ((list = json_object_get(s, "anyOf")) && count_valid(list, v) == 0) return false;
    if ((list = json_object_get(s, "oneOf")) && count_valid(list, v) != 1) return false;
    if ((list = json_object_get(s, "allOf")) && count_valid(list, v) != json_array_size(list)) return false;
    if (json_is_string(v)) return valid_text(s, v);
    if (json_is_number(v)) return valid_number(s, v);
    if (json_is_object(v)) return valid_object(s, (json_t *)(uintptr_t)v);
    return !json_is_array(v) || valid_array(s, (json_t *)(uintptr_t)v);
}

bool json_valid(const json_t *schema, const json_t *value) {
    document = schema;
    return valid(schema, value);
}
