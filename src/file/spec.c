#include "file/spec.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* Every number of the spec, whatever its C type, is exact as a double: a field is read, checked, written and printed as one. */
typedef struct kind {
    double (*get)(const void *at);
    void (*set)(void *at, double x);
    json_t *(*write)(double x);
    status (*read)(const json_t *value, const char *key, double min, double max, double *x, error *e);
} kind;

typedef struct field {
    const char *key;
    const kind *kind;
    size_t offset;
    double min, max;
    double neutral;           /* not written, and meant when the key is absent; NAN: the key must be there */
    const char *const *names; /* of an enumeration */
} field;

/* A list of numbers in the spec; its length follows from other fields, or is its own (eos). */
typedef struct list {
    const char *key;
    const kind *kind;
    double min, max;
    size_t (*count)(const spec *s);
    void *(*place)(spec *s);                           /* of the first item, items follow each other in the C type of `kind`; NULL: none */
    status (*resize)(spec *s, size_t count, error *e); /* makes room for zeroed items */
    bool (*is_neutral)(const spec *s);
    size_t item;
} list;

/* ---- kinds ---- */

static double get_u32(const void *at) {
    uint32_t x;
    memcpy(&x, at, sizeof x);
    return x;
}
static void set_u32(void *at, double x) {
    memcpy(at, &(uint32_t){(uint32_t)x}, sizeof(uint32_t));
}
static double get_i32(const void *at) {
    return *(const int32_t *)at;
}
static void set_i32(void *at, double x) {
    *(int32_t *)at = (int32_t)x;
}
static double get_flag(const void *at) {
    return *(const bool *)at;
}
static void set_flag(void *at, double x) {
    *(bool *)at = x != 0;
}
static double get_f32(const void *at) {
    return (double)*(const float *)at;
}
static void set_f32(void *at, double x) {
    *(float *)at = (float)x;
}

static json_t *write_whole(double x) {
    return json_integer((json_int_t)x);
}
static status read_whole(const json_t *value, const char *key, double min, double max, double *x, error *e) {
    int64_t i;
    TRY(json_to_int(value, key, (int64_t)min, (int64_t)max, &i, e));
    *x = (double)i;
    return OK;
}
static json_t *write_flag(double x) {
    return json_boolean(x != 0);
}
static status read_flag(const json_t *value, const char *key, double min, double max, double *x, error *e) {
    (void)min, (void)max;
    bool on;
    TRY(json_to_bool(value, key, &on, e));
    *x = on;
    return OK;
}

/* The shortest decimal that is read back as the same float; a whole number without an exponent. */
static void number_text(double x, char text[32]) {
    snprintf(text, 32, "%.0f", x);
    if (fabs(x) < 1e10 && strtod(text, NULL) == x) return;
    for (int digits = 6; digits <= FLT_DECIMAL_DIG; digits++) {
        snprintf(text, 32, "%.*g", digits, x);
        if (strtof(text, NULL) == (float)x) return;
    }
}
static json_t *write_real(double x) {
    char text[32];
    number_text(x, text);
    return json_real(strtod(text, NULL));
}

_Static_assert(sizeof(norm_kind) == 4 && sizeof(activation_kind) == 4 && sizeof(rope_kind) == 4, "enumerations are read as uint32_t");

static const kind u32 = {get_u32, set_u32, write_whole, read_whole};
static const kind i32 = {get_i32, set_i32, write_whole, read_whole};
static const kind flag = {get_flag, set_flag, write_flag, read_flag};
static const kind f32 = {get_f32, set_f32, write_real, json_to_number};

/* ---- the tables ---- */

static const char *const norm_names[] = {"rms", "layer", NULL};
static const char *const activation_names[] = {"silu", "gelu", "gelu_tanh", NULL};
static const char *const rope_names[] = {"none", "half", "interleaved", NULL};

enum { SIZE_LIMIT = 1 << 22, VOCAB_LIMIT = 1 << 24, CONTEXT_LIMIT = 1 << 24 }; /* a position is exact as f32 */

#define AT(name) offsetof(spec, name)
static const field fields[] = {
    {"layers", &u32, AT(layers), 1, SPEC_LAYERS_MAX, NAN, NULL},
    {"hidden", &u32, AT(hidden), 1, SIZE_LIMIT, NAN, NULL},
    {"intermediate", &u32, AT(intermediate), 1, SIZE_LIMIT, NAN, NULL},
    {"heads", &u32, AT(heads), 1, SIZE_LIMIT, NAN, NULL},
    {"kv_heads", &u32, AT(kv_heads), 1, SIZE_LIMIT, NAN, NULL},
    {"head_dim", &u32, AT(head_dim), 1, HEAD_DIM_MAX, NAN, NULL},
    {"vocab", &u32, AT(vocab), 1, VOCAB_LIMIT, NAN, NULL},
    {"context", &u32, AT(context), 1, CONTEXT_LIMIT, NAN, NULL},
    {"tied", &flag, AT(tied), 0, 1, 0, NULL},
    {"norm", &u32, AT(norm), 0, NORM_LAYER, NORM_RMS, norm_names},
    {"norm_eps", &f32, AT(norm_eps), 1e-20, 1, NAN, NULL},
    {"activation", &u32, AT(activation), 0, ACTIVATION_GELU_TANH, NAN, activation_names},
    {"attention_bias", &flag, AT(attention_bias), 0, 1, 0, NULL},
    {"output_bias", &flag, AT(output_bias), 0, 1, 0, NULL},
    {"mlp_bias", &flag, AT(mlp_bias), 0, 1, 0, NULL},
    {"attention_scale", &f32, AT(attention_scale), 1e-6, 1e3, NAN, NULL},
    {"rope", &u32, AT(rope), 0, ROPE_INTERLEAVED, ROPE_NONE, rope_names},
    {"rope_dims", &u32, AT(rope_dims), 0, ROPE_DIMS_MAX, 0, NULL},
    {"rope_attention", &f32, AT(rope_attention), 1e-6, 1e3, 1, NULL},
    {"bos", &i32, AT(bos), -1, VOCAB_LIMIT - 1, -1, NULL},
};
#undef AT

static size_t rope_count(const spec *s) {
    return s->rope_dims / 2;
}
static void *rope_place(spec *s) {
    return s->rope_inverse;
}
static status rope_resize(spec *s, size_t n, error *e) {
    s->rope_inverse = n ? calloc(n, sizeof *s->rope_inverse) : NULL;
    return n && !s->rope_inverse ? fail(e, E_MEMORY, "spec: no memory") : OK;
}
static bool rope_is_neutral(const spec *s) {
    return !s->rope_dims;
}

static size_t window_count(const spec *s) {
    return s->layers;
}
static void *window_place(spec *s) {
    return s->window;
}
static status window_resize(spec *s, size_t n, error *e) {
    s->window = calloc(n, sizeof *s->window);
    return s->window ? OK : fail(e, E_MEMORY, "spec: no memory");
}
static bool window_is_neutral(const spec *s) {
    for (uint32_t i = 0; i < s->layers; i++) {
        if (s->window[i]) return false;
    }
    return true;
}

static size_t eos_count(const spec *s) {
    return s->n_eos;
}
static void *eos_place(spec *s) {
    return s->eos;
}
static status eos_resize(spec *s, size_t n, error *e) {
    if (n > EOS_MAX) return fail(e, E_FILE, "spec: 'eos' has %zu ids, more than %d", n, EOS_MAX);
    s->n_eos = (uint32_t)n;
    return OK;
}
static bool eos_is_neutral(const spec *s) {
    return !s->n_eos;
}

static const list lists[] = {
    {"rope_inverse", &f32, 0, 1024, rope_count, rope_place, rope_resize, rope_is_neutral, sizeof(float)},
    {"window", &u32, 0, CONTEXT_LIMIT, window_count, window_place, window_resize, window_is_neutral, sizeof(uint32_t)},
    {"eos", &i32, 0, VOCAB_LIMIT - 1, eos_count, eos_place, eos_resize, eos_is_neutral, sizeof(int32_t)},
};

#define EACH(item, table) (size_t item = 0; item < sizeof(table) / sizeof *(table); item++)

static double field_get(const spec *s, const field *f) {
    return f->kind->get((const char *)s + f->offset);
}

static double list_get(const spec *s, const list *l, size_t i) {
    return l->kind->get((const char *)l->place((spec *)(uintptr_t)s) + i * l->item);
}

void spec_free(spec *s) {
    free(s->rope_inverse);
    free(s->window);
    *s = (spec){0};
}

/* ---- checks ---- */

static status check_range(const char *key, double x, double min, double max, error *e) {
    if (x >= min && x <= max) return OK;
    char is[32], from[32], to[32];
    number_text(x, is);
    number_text(min, from);
    number_text(max, to);
    return fail(e, E_FILE, "spec: '%s' is %s, not in %s .. %s", key, is, from, to);
}

static status check_shape(const spec *s, error *e) {
    if (s->heads % s->kv_heads) return fail(e, E_FILE, "spec: %u heads are not a multiple of %u kv_heads", s->heads, s->kv_heads);
    if ((uint64_t)s->heads * s->head_dim > SIZE_LIMIT) {
        return fail(e, E_FILE, "spec: %u heads of %u dimensions are more than %d", s->heads, s->head_dim, SIZE_LIMIT);
    }
    if ((s->rope == ROPE_NONE) != !s->rope_dims || s->rope_dims % 2 || s->rope_dims > s->head_dim) {
        return fail(e, E_FILE, "spec: 'rope_dims' is %u: not an even part of head_dim %u with rope '%s'", s->rope_dims, s->head_dim,
                    rope_names[s->rope]);
    }
    if (s->bos >= (int64_t)s->vocab) return fail(e, E_FILE, "spec: 'bos' is %d, not below vocab %u", s->bos, s->vocab);
    for (uint32_t i = 0; i < s->n_eos; i++) {
        if (s->eos[i] >= (int64_t)s->vocab) return fail(e, E_FILE, "spec: 'eos' has %d, not below vocab %u", s->eos[i], s->vocab);
    }
    return OK;
}

status spec_check(const spec *s, error *e) {
    for
        EACH(i, fields) TRY(check_range(fields[i].key, field_get(s, &fields[i]), fields[i].min, fields[i].max, e));
    if (s->n_eos > EOS_MAX) return fail(e, E_FILE, "spec: 'eos' has %u ids, more than %d", s->n_eos, EOS_MAX);
    TRY(check_shape(s, e));
    for
        EACH(i, lists) {
            const list *l = &lists[i];
            if (l->count(s) && !l->place((spec *)(uintptr_t)s)) return fail(e, E_FILE, "spec: '%s' is missing", l->key);
            for (size_t j = 0; j < l->count(s); j++) TRY(check_range(l->key, list_get(s, l, j), l->min, l->max, e));
        }
    return OK;
}

/* ---- to JSON and back ---- */

static json_t *list_to_json(const spec *s, const list *l) {
    json_t *array = json_array();
    for (size_t i = 0; i < l->count(s); i++) json_array_append_new(array, l->kind->write(list_get(s, l, i)));
    return array;
}

json_t *spec_to_json(const spec *s) {
    json_t *object = json_object();
    int failed = json_object_set_new(object, "architecture", json_string(s->architecture));
    for
        EACH(i, fields) {
            const field *f = &fields[i];
            const double x = field_get(s, f);
            if (x == f->neutral) continue;
            failed |= json_object_set_new(object, f->key, f->names ? json_string(f->names[(size_t)x]) : f->kind->write(x));
        }
    for
        EACH(i, lists) {
            if (!lists[i].is_neutral(s)) failed |= json_object_set_new(object, lists[i].key, list_to_json(s, &lists[i]));
        }
    if (!failed) return object;
    json_decref(object);
    return NULL;
}

static status read_name(const field *f, const json_t *value, double *x, error *e) {
    const char *name;
    TRY(json_to_text(value, f->key, &name, e));
    size_t i = 0;
    while (f->names[i] && strcmp(f->names[i], name) != 0) i++;
    *x = (double)i;
    return f->names[i] ? OK : fail(e, E_FILE, "'%s' is '%s', which this program does not know", f->key, name);
}

static status read_field(spec *s, const field *f, const json_t *value, error *e) {
    double x = f->neutral;
    if (!value && isnan(x)) return fail(e, E_FILE, "'%s' is missing", f->key);
    if (value) TRY(f->names ? read_name(f, value, &x, e) : f->kind->read(value, f->key, f->min, f->max, &x, e));
    f->kind->set((char *)s + f->offset, x);
    return OK;
}

static status read_list(spec *s, const list *l, const json_t *value, error *e) {
    size_t n = 0;
    if (value) TRY(json_to_array(value, l->key, SPEC_LAYERS_MAX, &n, e));
    TRY(l->resize(s, value ? n : l->count(s), e));
    if (value && n != l->count(s)) return fail(e, E_FILE, "'%s' has %zu entries instead of %zu", l->key, n, l->count(s));
    if (!value && !l->is_neutral(s)) return fail(e, E_FILE, "'%s' is missing", l->key);
    for (size_t i = 0; i < n; i++) {
        double x;
        TRY(l->kind->read(json_array_get(value, i), l->key, l->min, l->max, &x, e));
        l->kind->set((char *)l->place(s) + i * l->item, x);
    }
    return OK;
}

static bool is_known(const char *key) {
    for
        EACH(i, fields) {
            if (strcmp(fields[i].key, key) == 0) return true;
        }
    for
        EACH(i, lists) {
            if (strcmp(lists[i].key, key) == 0) return true;
        }
    return strcmp(key, "architecture") == 0;
}

static status read_all(spec *s, const json_t *json, error *e) {
    TRY(json_to_object(json, "spec", e));
    const char *key, *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value) {
        if (!is_known(key)) return fail(e, E_FILE, "the feature '%s' is not known to this program", key);
    }
    TRY(json_to_text(json_object_get(json, "architecture"), "architecture", &name, e));
    if (strlen(name) >= sizeof s->architecture) return fail(e, E_FILE, "'architecture' is longer than %zu bytes", sizeof s->architecture - 1);
    strcpy(s->architecture, name);
    for
        EACH(i, fields) TRY(read_field(s, &fields[i], json_object_get(json, fields[i].key), e));
    for
        EACH(i, lists) TRY(read_list(s, &lists[i], json_object_get(json, lists[i].key), e));
    return OK;
}

status spec_from_json(spec *s, const json_t *json, error *e) {
    *s = (spec){0};
    status result = read_all(s, json, e);
    result = result == OK ? spec_check(s, e) : fail_in(e, "spec");
    if (result != OK) spec_free(s);
    return result;
}

/* ---- for people ---- */

static void describe_list(const spec *s, const list *l, char text[SPEC_TEXT]) {
    enum { SHOWN = 6 };
    const size_t n = l->count(s);
    size_t used = 0, same = 1;
    strcpy(text, n ? "" : "none");
    while (same < n && list_get(s, l, same) == list_get(s, l, 0)) same++;
    const size_t shown = n > 1 && same == n ? 1 : n < SHOWN ? n : SHOWN;
    for (size_t i = 0; i < shown; i++) {
        char number[32];
        number_text(list_get(s, l, i), number);
        used += (size_t)snprintf(text + used, SPEC_TEXT - used, "%s%s", i ? " " : "", number);
    }
    if (shown < n) snprintf(text + used, SPEC_TEXT - used, shown == 1 ? " (all %zu)" : " ... (%zu)", n);
}

void spec_describe(const spec *s, void (*line)(void *context, const char *key, const char *value), void *context) {
    char text[SPEC_TEXT];
    line(context, "architecture", s->architecture);
    for
        EACH(i, fields) {
            const field *f = &fields[i];
            const double x = field_get(s, f);
            if (f->names || f->kind == &flag) {
                snprintf(text, sizeof text, "%s", f->names ? f->names[(size_t)x] : x != 0 ? "yes" : "no");
            } else {
                number_text(x, text);
            }
            line(context, f->key, text);
        }
    for
        EACH(i, lists) {
            describe_list(s, &lists[i], text);
            line(context, lists[i].key, text);
        }
}
