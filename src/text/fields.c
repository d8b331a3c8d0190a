#include "text/import.h"

status field_text(const json_t *o, const char *what, const char *key, slice *out, error *e) {
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) return fail(e, E_FILE, "%s: \"%s\" is not a string", what, key);
    *out = slice_of_json(v);
    return OK;
}

status field_flag(const json_t *o, const char *what, const char *key, bool *value, error *e) {
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v)) return OK;
    if (!json_is_boolean(v)) return fail(e, E_FILE, "%s: \"%s\" is neither true nor false", what, key);
    *value = json_is_true(v);
    return OK;
}

status field_number(const json_t *o, const char *what, const char *key, int64_t low, int64_t high, int64_t *value, error *e) {
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v)) return OK;
    const int64_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < low || n > high) {
        return fail(e, E_FILE, "%s: \"%s\" is not a number from %lld to %lld", what, key, (long long)low, (long long)high);
    }
    *value = n;
    return OK;
}

status fields_known(const json_t *o, const char *what, const char *const *keys, error *e) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)o, key, value) {
        if (json_is_null(value) || strcmp(key, "type") == 0) continue;
        const char *const *known = keys;
        while (*known && strcmp(*known, key) != 0) known++;
        if (!*known) return fail(e, E_FILE, "%s: option \"%s\" is not supported", what, key);
    }
    return OK;
}

status field_type(const json_t *o, const char *what, const char **type, error *e) {
    const json_t *v = json_object_get(o, "type");
    if (!json_is_string(v)) return fail(e, E_FILE, "%s: no \"type\"", what);
    *type = json_string_value(v);
    if (strlen(*type) >= TYPE_NAME) return fail(e, E_FILE, "%s \"%.60s\" is not supported", what, *type);
    return OK;
}

status import_text(importer *in, slice text, stage_text *out, error *e) {
    if (in->text.n + text.n > UINT32_MAX) return fail(e, E_FILE, "the texts of the pipeline are too long");
    *out = (stage_text){(uint32_t)in->text.n, (uint32_t)text.n};
    return buffer_add(&in->text, text.p, text.n, e);
}

status import_pattern(importer *in, const json_t *options, const char *what, stage_record *out, error *e) {
    const json_t *searched = json_object_get(options, "pattern");
    const json_t *literal = json_object_get(searched, "String"), *regex = json_object_get(searched, "Regex");
    if (json_object_size(searched) != 1 || !(json_is_string(literal) || json_is_string(regex))) {
        return fail(e, E_FILE, "%s: \"pattern\" is neither a String nor a Regex", what);
    }
    if (regex) out->flags |= STAGE_REGEX;
    return import_text(in, slice_of_json(regex ? regex : literal), &out->text[0], e);
}

status import_replace(importer *in, const json_t *options, stage_record *out, error *e) {
    slice content;
    TRY(import_pattern(in, options, "Replace", out, e));
    TRY(field_text(options, "Replace", "content", &content, e));
    return import_text(in, content, &out->text[1], e);
}

int32_t import_id(const importer *in, slice content) {
    const json_t *id = json_object_getn(in->ids, (const char *)content.p, content.n);
    return id ? (int32_t)json_integer_value(id) : -1;
}
