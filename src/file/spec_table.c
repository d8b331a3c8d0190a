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

_Static_assert(sizeof(norm_kind) == 4 && sizeof(norm_place) == 4 && sizeof(residual_kind) == 4 && sizeof(qk_norm_kind) == 4 &&
                   sizeof(activation_kind) == 4 && sizeof(rope_kind) == 4,
               "enumerations are read as uint32_t");

static const number_kind u32 = {get_u32, set_u32, write_whole, read_whole, number_text};
static const number_kind i32 = {get_i32, set_i32, write_whole, read_whole, number_text};
static const number_kind flag = {get_flag, set_flag, write_flag, read_flag, flag_text};
static const number_kind f32 = {get_f32, set_f32, write_real, json_to_number, number_text};

/* ---- the tables ---- */

static const char *const norm_names[] = {"rms", "layer", NULL};
static const char *const place_names[] = {"before", "after", "around", NULL};
static const char *const residual_names[] = {"serial", "parallel", "shared", NULL};
static const char *const qk_norm_names[] = {"none", "head", "whole", NULL};
static const char *const activation_names[] = {"silu", "gelu", "gelu_tanh", "swiglu_shifted", NULL};
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
    {"norm_place", &u32, AT(norm_place), 0, NORM_AROUND, NORM_BEFORE, place_names},
    {"norm_bias", &flag, AT(norm_bias), 0, 1, 0, NULL},
    {"norm_eps", &f32, AT(norm_eps), 1e-20, 1, NAN, NULL},
    {"residual", &u32, AT(residual), 0, RESIDUAL_SHARED, RESIDUAL_SERIAL, residual_names},
    {"activation", &u32, AT(activation), 0, ACTIVATION_SWIGLU_SHIFTED, NAN, activation_names},
    {"plain_mlp", &flag, AT(plain_mlp), 0, 1, 0, NULL},
    {"mlp_limit", &f32, AT(mlp_limit), 0, 1e6, 0, NULL},
    {"attention_bias", &flag, AT(attention_bias), 0, 1, 0, NULL},
    {"output_bias", &flag, AT(output_bias), 0, 1, 0, NULL},
    {"mlp_bias", &flag, AT(mlp_bias), 0, 1, 0, NULL},
    {"head_bias", &flag, AT(head_bias), 0, 1, 0, NULL},
    {"qk_norm", &u32, AT(qk_norm), 0, QK_NORM_WHOLE, QK_NORM_NONE, qk_norm_names},
    {"clip_qkv", &f32, AT(clip_qkv), 0, 1e6, 0, NULL},
    {"attention_scale", &f32, AT(attention_scale), 1e-6, 1e3, NAN, NULL},
    {"attention_softcap", &f32, AT(attention_softcap), 0, 1e6, 0, NULL},
    {"sinks", &flag, AT(sinks), 0, 1, 0, NULL},
    {"embedding_scale", &f32, AT(embedding_scale), 1e-6, 1e6, 1, NULL},
    {"residual_scale", &f32, AT(residual_scale), 1e-6, 1e6, 1, NULL},
    {"logit_scale", &f32, AT(logit_scale), 1e-6, 1e6, 1, NULL},
    {"logit_softcap", &f32, AT(logit_softcap), 0, 1e6, 0, NULL},
    {"learned_positions", &flag, AT(learned_positions), 0, 1, 0, NULL},
    {"rope", &u32, AT(rope), 0, ROPE_INTERLEAVED, ROPE_NONE, rope_names},
    {"rope_dims", &u32, AT(rope_dims), 0, ROPE_DIMS_MAX, 0, NULL},
    {"rope_attention", &f32, AT(rope_attention), 1e-6, 1e3, 1, NULL},
    {"rope_tables", &u32, AT(rope_tables), 1, ROPE_TABLES_MAX, 1, NULL},
    {"rope_original", &u32, AT(rope_original), 0, CONTEXT_LIMIT, 0, NULL},
    {"n_experts", &u32, AT(n_experts), 0, EXPERTS_MAX, 0, NULL},
    {"experts_per_token", &u32, AT(experts_per_token), 0, EXPERTS_MAX, 0, NULL},
    {"expert_intermediate", &u32, AT(expert_intermediate), 0, SPEC_SIZE_MAX, 0, NULL},
    {"experts_normalized", &flag, AT(experts_normalized), 0, 1, 0, NULL},
    {"router_bias", &flag, AT(router_bias), 0, 1, 0, NULL},
    {"expert_bias", &flag, AT(expert_bias), 0, 1, 0, NULL},
    {"shared_intermediate", &u32, AT(shared_intermediate), 0, SPEC_SIZE_MAX, 0, NULL},
    {"shared_gate", &flag, AT(shared_gate), 0, 1, 0, NULL},
    {"bos", &i32, AT(bos), -1, VOCAB_LIMIT - 1, -1, NULL},
    {0},
};
#undef AT

/* Zeroed room for what a list holds; NULL for nothing. */
#define ROOM(place, n) ((place) = (n) ? calloc((n), sizeof *(place)) : NULL, (n) && !(place) ? fail(e, E_MEMORY, "spec: no memory") : OK)

static size_t rope_count(const spec *s) {
    return (size_t)s->rope_tables * (s->rope_dims / 2);
}
static void *rope_place(spec *s) {
    return s->rope_inverse;
}
static status rope_resize(spec *s, size_t n, error *e) {
    return ROOM(s->rope_inverse, n);
}
static bool rope_is_neutral(const spec *s) {
    return !s->rope_dims;
}

static size_t long_count(const spec *s) {
    return s->rope_original ? rope_count(s) : 0;
}
static void *long_place(spec *s) {
    return s->rope_long;
}
static status long_resize(spec *s, size_t n, error *e) {
    return ROOM(s->rope_long, n);
}
static bool long_is_neutral(const spec *s) {
    return !long_count(s);
}

static size_t layer_count(const spec *s) {
    return s->layers;
}
/* A list of 32-bit integers that is not there or says nothing. */
static bool says_nothing(const void *list, size_t n) {
    const uint32_t *x = list;
    for (size_t i = 0; x && i < n; i++) {
        if (x[i]) return false;
    }
    return true;
}

static size_t choice_count(const spec *s) {
    return s->rope_layer ? s->layers : 0;
}
static void *choice_place(spec *s) {
    return s->rope_layer;
}
static status choice_resize(spec *s, size_t n, error *e) {
    return ROOM(s->rope_layer, n);
}
static bool choice_is_neutral(const spec *s) {
    return says_nothing(s->rope_layer, s->layers);
}

static void *window_place(spec *s) {
    return s->window;
}
static status window_resize(spec *s, size_t n, error *e) {
    return ROOM(s->window, n);
}
static bool window_is_neutral(const spec *s) {
    return says_nothing(s->window, s->layers);
}

static size_t dense_count(const spec *s) {
    return s->dense ? s->layers : 0;
}
static void *dense_place(spec *s) {
    return s->dense;
}
static status dense_resize(spec *s, size_t n, error *e) {
    return ROOM(s->dense, n);
}
static bool dense_is_neutral(const spec *s) {
    return says_nothing(s->dense, s->layers);
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
    {"rope_long", &f32, 0, 1024, long_count, long_place, long_resize, long_is_neutral, sizeof(float)},
    {"rope_layer", &i32, ROPE_NOT_HERE, ROPE_TABLES_MAX - 1, choice_count, choice_place, choice_resize, choice_is_neutral, sizeof(int32_t)},
    {"window", &u32, 0, CONTEXT_LIMIT, layer_count, window_place, window_resize, window_is_neutral, sizeof(uint32_t)},
    {"dense", &u32, 0, 1, dense_count, dense_place, dense_resize, dense_is_neutral, sizeof(uint32_t)},
    {"eos", &i32, 0, VOCAB_LIMIT - 1, eos_count, eos_place, eos_resize, eos_is_neutral, sizeof(int32_t)},
    {0},
};
