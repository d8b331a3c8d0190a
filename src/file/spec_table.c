#include "file/spec_table.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

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

void number_text(double x, char text[NUMBER_TEXT]) {
    snprintf(text, NUMBER_TEXT, "%.0f", x);
    if (fabs(x) < 1e10 && strtod(text, NULL) == x) return;
    for (int digits = 6; digits <= FLT_DECIMAL_DIG; digits++) {
        snprintf(text, NUMBER_TEXT, "%.*g", digits, x);
        if (strtof(text, NULL) == (float)x) return;
    }
}

static void flag_text(double x, char text[NUMBER_TEXT]) {
    strcpy(text, x != 0 ? "yes" : "no");
}

static json_t *write_real(double x) {
    char text[32];
    number_text(x, text);
    return json_real(strtod(text, NULL));
}

_Static_assert(sizeof(norm_kind) == 4 && sizeof(activation_kind) == 4 && sizeof(rope_kind) == 4, "enumerations are read as uint32_t");

static const number_kind u32 = {get_u32, set_u32, write_whole, read_whole, number_text};
static const number_kind i32 = {get_i32, set_i32, write_whole, read_whole, number_text};
static const number_kind flag = {get_flag, set_flag, write_flag, read_flag, flag_text};
static const number_kind f32 = {get_f32, set_f32, write_real, json_to_number, number_text};

/* ---- the tables ---- */

static const char *const norm_names[] = {"rms", "layer", NULL};
static const char *const activation_names[] = {"silu", "gelu", "gelu_tanh", NULL};
static const char *const rope_names[] = {"none", "half", "interleaved", NULL};

enum { VOCAB_LIMIT = 1 << 24, CONTEXT_LIMIT = 1 << 24 }; /* a position is exact as f32 */

#define AT(name) offsetof(spec, name)
const spec_field spec_fields[] = {
    {"layers", &u32, AT(layers), 1, SPEC_LAYERS_MAX, NAN, NULL},
    {"hidden", &u32, AT(hidden), 1, SPEC_SIZE_MAX, NAN, NULL},
    {"intermediate", &u32, AT(intermediate), 1, SPEC_SIZE_MAX, NAN, NULL},
    {"heads", &u32, AT(heads), 1, SPEC_SIZE_MAX, NAN, NULL},
    {"kv_heads", &u32, AT(kv_heads), 1, SPEC_SIZE_MAX, NAN, NULL},
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
    {0},
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

const spec_list spec_lists[] = {
    {"rope_inverse", &f32, 0, 1024, rope_count, rope_place, rope_resize, rope_is_neutral, sizeof(float)},
    {"window", &u32, 0, CONTEXT_LIMIT, window_count, window_place, window_resize, window_is_neutral, sizeof(uint32_t)},
    {"eos", &i32, 0, VOCAB_LIMIT - 1, eos_count, eos_place, eos_resize, eos_is_neutral, sizeof(int32_t)},
    {0},
};
