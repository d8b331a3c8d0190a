/* table.c: the kernels over whole rows of numbers, and the table of one instruction set. */
#include "math.h"

#define EACH(i, m, n) for (size_t i = 0, m; i < (n) && (m = (n)-i < 16 ? (n)-i : 16, true); i += 16)

FOLD void gated(f32x16 (*const act)(f32x16), float *y, const float *gate, const float *up, size_t n) {
    EACH(i, m, n) f32_store_part(y + i, f32_mul(act(f32_load_part(gate + i, m)), f32_load_part(up + i, m)), m);
}

static void silu_mul(float *y, const float *gate, const float *up, size_t n) {
    gated(silu16, y, gate, up, n);
}

static void gelu_mul(float *y, const float *gate, const float *up, size_t n) {
    gated(gelu16, y, gate, up, n);
}

static void gelu_tanh_mul(float *y, const float *gate, const float *up, size_t n) {
    gated(gelu_tanh16, y, gate, up, n);
}

static void swiglu_shifted_mul(float *y, const float *gate, const float *up, size_t n) {
    EACH(i, m, n) {
        const f32x16 shifted = f32_add(f32_load_part(up + i, m), f32_set(1.0f));
        f32_store_part(y + i, f32_mul(gelu_quick16(f32_load_part(gate + i, m)), shifted), m);
    }
}

FOLD void activated(f32x16 (*const act)(f32x16), float *y, const float *x, size_t n) {
    EACH(i, m, n) f32_store_part(y + i, act(f32_load_part(x + i, m)), m);
}

static void silu_row(float *y, const float *x, size_t n) {
    activated(silu16, y, x, n);
}

static void gelu_row(float *y, const float *x, size_t n) {
    activated(gelu16, y, x, n);
}

static void gelu_tanh_row(float *y, const float *x, size_t n) {
    activated(gelu_tanh16, y, x, n);
}

static void softcap_row(float *y, float by, size_t n) {
    EACH(i, m, n) f32_store_part(y + i, softcap16(f32_load_part(y + i, m), f32_set(by)), m);
}

static void clamp_row(float *y, float low, float high, size_t n) {
    EACH(i, m, n) f32_store_part(y + i, f32_min(f32_set(high), f32_max(f32_set(low), f32_load_part(y + i, m))), m);
}

static void add_rows(float *y, const float *x, size_t n) {
    EACH(i, m, n) f32_store_part(y + i, f32_add(f32_load_part(y + i, m), f32_load_part(x + i, m)), m);
}

static void scale_row(float *y, float by, size_t n) {
    EACH(i, m, n) f32_store_part(y + i, f32_mul(f32_load_part(y + i, m), f32_set(by)), m);
}

static void exp_row(float *y, const float *x, size_t n) {
    EACH(i, m, n) f32_store_part(y + i, exp16(f32_load_part(x + i, m)), m);
}

static float max_row(const float *x, size_t n) {
    const f32x16 low = f32_set(-INFINITY);
    f32x16 top = low;
    EACH(i, m, n) top = f32_max(f32_select((1u << m) - 1, f32_load_part(x + i, m), low), top);
    return f32_top(top);
}

/* Each lane keeps its sum as two floats: what an addition rounds away (Knuth's TwoSum) is added to the second. */
static double sum_exp(const float *x, size_t n, float max) {
    f32x16 sum = f32_set(0.0f), rest = f32_set(0.0f);
    EACH(i, m, n) {
        const f32x16 e = f32_select((1u << m) - 1, exp16(f32_sub(f32_load_part(x + i, m), f32_set(max))), f32_set(0.0f));
        const f32x16 next = f32_add(sum, e), added = f32_sub(next, sum);
        rest = f32_add(rest, f32_add(f32_sub(sum, f32_sub(next, added)), f32_sub(e, added)));
        sum = next;
    }
    float high[16], low[16];
    f32_store(high, sum);
    f32_store(low, rest);
    double lane[16];
    for (int i = 0; i < 16; i++) lane[i] = (double)high[i] + (double)low[i];
    for (int half = 8; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    }
    return lane[0];
}

#define TEXT(name)    TEXT_OF(name)
#define TEXT_OF(name) #name

static const linear_kernel *const linear_lists[] = {LANE(linear_plain), LANE(linear_block64), LANE(linear_block32), NULL};

const kernels LANE(kernels) = {
    .name = TEXT(SIMD_ISA),
    .needs = SIMD_NEEDS,
    .panel = SIMD_PANEL,
    .encode = {[ACT_F32] = LANE(encode_f32),
               [ACT_I8_64] = LANE(encode_i8_64),
               [ACT_I8_32] = LANE(encode_i8_32),
               [ACT_TOKEN_64] = LANE(encode_token_64),
               [ACT_TOKEN_32] = LANE(encode_token_32),
               [ACT_STATIC_64] = LANE(encode_static_64),
               [ACT_STATIC_32] = LANE(encode_static_32)},
    .linear = linear_lists,
    .rmsnorm = LANE(rmsnorm),
    .layernorm = LANE(layernorm),
    .rope_half = LANE(rope_half),
    .rope_interleaved = LANE(rope_interleaved),
    .silu_mul = silu_mul,
    .gelu_mul = gelu_mul,
    .gelu_tanh_mul = gelu_tanh_mul,
    .swiglu_shifted_mul = swiglu_shifted_mul,
    .silu = silu_row,
    .gelu = gelu_row,
    .gelu_tanh = gelu_tanh_row,
    .softcap = softcap_row,
    .clamp = clamp_row,
    .add = add_rows,
    .scale = scale_row,
    .max = max_row,
    .sum_exp = sum_exp,
    .exp = exp_row,
    .caches = LANE(cache_types),
    .attend = LANE(attend),
    .attend_merge = LANE(attend_merge),
};
