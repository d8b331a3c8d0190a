/* bytes.h: blocks of floats as signed bytes with a scale, as activations, queries and probabilities are multiplied. Owns the rounding; refuses to know
 * where bytes are put. */
#ifndef QBIN_KERNELS_BYTES_H
#define QBIN_KERNELS_BYTES_H

#include "lane.h"

/* Blocks whose largest value is below this are stored as zeros: 127 / top would not be finite for the smallest of them. */
#define TOP_MIN 0x1p-100f

/* How many of the `n` values from `from` lie before k. */
FOLD size_t count_before(size_t from, size_t n, size_t k) {
    return from >= k ? 0 : k - from < n ? k - from : n;
}

/* BLOCK values, those past n zero. */
FOLD void load_block(const float *x, size_t n, const int BLOCK, f32x16 *v) {
    UNROLL for (int i = 0; i < BLOCK / 16; i++) {
        const size_t have = count_before((size_t)i * 16, 16, n);
        v[i] = have == 16 ? f32_load(x + i * 16) : f32_load_part(x + (have ? i * 16 : 0), have);
    }
}

/* The largest magnitude is found on the bits, where a NaN is larger than infinity: what has either gets a scale that is not finite, so nothing is
 * hidden. */
FOLD i32x16 magnitude(const f32x16 *v, const int BLOCK, i32x16 so_far) {
    UNROLL for (int i = 0; i < BLOCK / 16; i++) so_far = i32_max(so_far, i32_bits(f32_abs(v[i])));
    return so_far;
}

/* How values become bytes: code = (x - center) * by or (x - center) / scale. */
typedef struct scaling {
    float scale, by, center;
} scaling;

FOLD scaling scaling_of_top(i32x16 magnitudes) {
    const float top = float_of_bits((uint32_t)i32_top(magnitudes));
    return (scaling){.scale = top < TOP_MIN ? 0.0f : top / 127.0f, .by = top >= TOP_MIN ? 127.0f / top : 0.0f};
}

/* out[BLOCK] = v rounded into low .. high, within -128 .. 127; their sum. */
FOLD int32_t store_codes(const f32x16 *v, const int BLOCK, const float low, const float high, int8_t *out) {
    i32x16 total = i32_set(0);
    UNROLL for (int i = 0; i < BLOCK / 16; i++) {
        const i32x16 code = i32_round(f32_min(f32_set(high), f32_max(v[i], f32_set(low))));
        total = i32_add(total, code);
        i32_store_i8(out + i * 16, code);
    }
    return i32_sum(total);
}

#endif
