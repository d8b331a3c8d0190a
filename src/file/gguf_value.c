#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "file/gguf.h"

/* ---- kinds of values ---- */

#define LOADER(name, type)                  \
    static double name(const uint8_t *at) { \
        type x;                             \
        memcpy(&x, at, sizeof x);           \
        return (double)x;                   \
    }
LOADER(load_u8, uint8_t)
LOADER(load_i8, int8_t)
LOADER(load_u16, uint16_t)
LOADER(load_i16, int16_t)
LOADER(load_u32, uint32_t)
LOADER(load_i32, int32_t)
LOADER(load_f32, float)
LOADER(load_u64, uint64_t)
LOADER(load_i64, int64_t)
LOADER(load_f64, double)

const gguf_kind gguf_kinds[GGUF_KINDS] = {
    {"u8", 1, load_u8},   {"i8", 1, load_i8},   {"u16", 2, load_u16}, {"i16", 2, load_i16}, {"u32", 4, load_u32},
    {"i32", 4, load_i32}, {"f32", 4, load_f32}, {"a flag", 1, NULL},  {"text", 0, NULL},    {"an array", 0, NULL},
    {"u64", 8, load_u64}, {"i64", 8, load_i64}, {"f64", 8, load_f64},
};

/* ---- by name ---- */

static int compare_text(const gguf_text *a, const gguf_text *b) {
    const int order = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

int gguf_by_key(const void *a, const void *b) {
    return compare_text(&((const gguf_value *)a)->key, &((const gguf_value *)b)->key);
}

const gguf_value *gguf_find(const gguf *g, const char *key) {
    const gguf_value wanted = {.key = {key, strlen(key)}};
    return g->n_values ? bsearch(&wanted, g->values, g->n_values, sizeof wanted, gguf_by_key) : NULL;
}

static status fail_kind(const gguf_value *v, const char *key, const char *wanted, error *e) {
    return fail(e, E_FILE, "'%s' is %s%s, not %s", key, v->is_array ? "an array of " : "", v->kind->name, wanted);
}

double gguf_element(const gguf_value *v, uint64_t i) {
    return v->kind->load(v->data + i * v->kind->bytes);
}

gguf_text gguf_next(const uint8_t **at) {
    uint64_t n;
    memcpy(&n, *at, sizeof n);
    const gguf_text text = {(const char *)*at + sizeof n, (size_t)n};
    *at += sizeof n + n;
    return text;
}

status gguf_number(const gguf *g, const char *key, double fallback, double *out, error *e) {
    const gguf_value *v = gguf_find(g, key);
    *out = fallback;
    if (!v) return isnan(fallback) ? fail(e, E_FILE, "'%s' is missing", key) : OK;
    if (!v->kind->load) return fail_kind(v, key, "a number", e);
    if (!v->n) return fail(e, E_FILE, "'%s' is empty", key);
    *out = gguf_element(v, 0);
    for (uint64_t i = 1; i < v->n; i++) {
        if (gguf_element(v, i) != *out) return fail(e, E_FILE, "'%s' differs from layer to layer, which is not supported", key);
    }
    return fabs(*out) <= 0x1p53 ? OK : fail(e, E_FILE, "'%s' is %g, which is too large or no number", key, *out);
}

status gguf_flag(const gguf *g, const char *key, bool fallback, bool *out, error *e) {
    const gguf_value *v = gguf_find(g, key);
    *out = fallback;
    if (!v) return OK;
    if (v->kind != &gguf_kinds[GGUF_BOOL] || v->is_array) return fail_kind(v, key, "a flag", e);
    *out = *v->data;
    return OK;
}

status gguf_string(const gguf *g, const char *key, gguf_text *out, error *e) {
    const gguf_value *v = gguf_find(g, key);
    *out = (gguf_text){0};
    if (!v) return OK;
    if (v->kind != &gguf_kinds[GGUF_TEXT] || v->is_array) return fail_kind(v, key, "text", e);
    const uint8_t *at = v->data;
    *out = gguf_next(&at);
    return OK;
}

status gguf_texts(const gguf *g, const char *key, const gguf_value **out, error *e) {
    *out = gguf_find(g, key);
    return !*out || ((*out)->is_array && (*out)->kind == &gguf_kinds[GGUF_TEXT]) ? OK : fail_kind(*out, key, "an array of texts", e);
}

status gguf_numbers(const gguf *g, const char *key, const gguf_value **out, error *e) {
    *out = gguf_find(g, key);
    return !*out || ((*out)->is_array && (*out)->kind->load) ? OK : fail_kind(*out, key, "an array of numbers", e);
}
