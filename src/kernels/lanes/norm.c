/* norm.c: normalisation and rotary positions of one row. */
#include "lane.h"

FOLD size_t part(size_t i, size_t n) {
    return n - i < 16 ? n - i : 16;
}

void LANE(rmsnorm)(float *y, const float *x, const float *gain, size_t n, float eps) {
    f32x16 squares = f32_set(0.0f);
    for (size_t i = 0; i < n; i += 16) {
        const f32x16 v = f32_load_part(x + i, part(i, n));
        squares = f32_fma(v, v, squares);
    }
    const f32x16 by = f32_set(1.0f / sqrtf(f32_sum(squares) / (float)n + eps));
    for (size_t i = 0; i < n; i += 16) {
        const size_t m = part(i, n);
        f32_store_part(y + i, f32_mul(f32_mul(f32_load_part(x + i, m), by), f32_load_part(gain + i, m)), m);
    }
}

void LANE(layernorm)(float *y, const float *x, const float *gain, const float *bias, size_t n, float eps) {
    f32x16 sum = f32_set(0.0f), squares = f32_set(0.0f);
    for (size_t i = 0; i < n; i += 16) sum = f32_add(sum, f32_load_part(x + i, part(i, n)));
    const f32x16 mean = f32_set(f32_sum(sum) / (float)n);
    for (size_t i = 0; i < n; i += 16) {
        const size_t m = part(i, n);
        const f32x16 v = f32_select((1u << m) - 1, f32_sub(f32_load_part(x + i, m), mean), f32_set(0.0f));
        squares = f32_fma(v, v, squares);
    }
    const f32x16 by = f32_set(1.0f / sqrtf(f32_sum(squares) / (float)n + eps));
    for (size_t i = 0; i < n; i += 16) {
        const size_t m = part(i, n);
        const f32x16 v = f32_mul(f32_sub(f32_load_part(x + i, m), mean), by);
        const f32x16 shift = bias ? f32_load_part(bias + i, m) : f32_set(0.0f);
        f32_store_part(y + i, f32_fma(v, f32_load_part(gain + i, m), shift), m);
    }
}

void LANE(rope_half)(float *x, const float *table, size_t dims) {
    const size_t half = dims / 2;
    const float *cosines = table, *sines = table + half;
    for (size_t i = 0; i < half; i += 16) {
        const size_t m = part(i, half);
        const f32x16 c = f32_load_part(cosines + i, m), s = f32_load_part(sines + i, m);
        const f32x16 a = f32_load_part(x + i, m), b = f32_load_part(x + half + i, m);
        f32_store_part(x + i, f32_fma(a, c, f32_neg(f32_mul(b, s))), m);
        f32_store_part(x + half + i, f32_fma(b, c, f32_mul(a, s)), m);
    }
}

/* Lanes are (a, b) pairs: the swapped vector times (-s, s) is what the two formulas above add. */
void LANE(rope_interleaved)(float *x, const float *table, size_t dims) {
    enum { ODD = 0xaaaa, PAIRS = 8 };
    const size_t half = dims / 2;
    for (size_t i = 0; i < half; i += PAIRS) {
        const size_t m = half - i < PAIRS ? half - i : PAIRS;
        const f32x16 c = f32_load_twice(table + i, m), s = f32_load_twice(table + half + i, m);
        const f32x16 v = f32_load_part(x + 2 * i, 2 * m);
        const f32x16 cross = f32_mul(f32_swap_pairs(v), s);
        f32_store_part(x + 2 * i, f32_fma(v, c, f32_select(ODD, cross, f32_neg(cross))), 2 * m);
    }
}
