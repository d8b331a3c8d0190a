/* The linear family: evenly spaced levels. Symmetric: level = code - 2^(bits - 1). With a minimum: level = code. */
#include <float.h>
#include <math.h>

#include "base/half.h"
#include "families.h"

static int zero_point(const format *f) {
    return format_codes(f).zero;
}

static float lowest(const format *f) {
    if (f->has_min) return 0.0f;
    return f->bits == 8 ? -127.0f : (float)-zero_point(f); /* -128 is left out: a product of two int8 stays within 127 * 127 */
}

static float highest(const format *f) {
    return (float)((1 << f->bits) - 1 - zero_point(f));
}

float grid_round(const format *f, float x) {
    const float limit = f->grain == GRAIN_BLOCK ? 65504.0f : FLT_MAX / 256; /* times any level it is finite */
    if (f->grain != GRAIN_BLOCK) return fabsf(x) < FLT_MIN ? 0.0f : x > limit ? limit : x < -limit ? -limit : x;
    return f32_of_f16(f16_of_f32(x > limit ? limit : x < -limit ? -limit : x));
}

grid grid_stored(const format *f, grid g) {
    return (grid){grid_round(f, g.scale), f->has_min ? grid_round(f, g.min) : 0};
}

float block_extreme(const fit_block *b) {
    float low = b->x[0], high = b->x[0];
    for (size_t i = 1; i < b->n; i++) {
        low = b->x[i] < low ? b->x[i] : low;
        high = b->x[i] > high ? b->x[i] : high;
    }
    return fabsf(low) > fabsf(high) ? low : high;
}

/* The value of largest magnitude becomes the level of largest magnitude, so the scale may be negative. */
static grid range_symmetric(const format *f, const fit_block *b) {
    const float extreme = block_extreme(b), lo = lowest(f), hi = highest(f);
    return (grid){.scale = grid_round(f, lo == -hi ? fabsf(extreme) / hi : extreme / lo)};
}

static grid range_asymmetric(const format *f, const fit_block *b) {
    float low = b->x[0], high = b->x[0];
    for (size_t i = 1; i < b->n; i++) {
        low = b->x[i] < low ? b->x[i] : low;
        high = b->x[i] > high ? b->x[i] : high;
    }
    const float hi = highest(f);
    return (grid){.scale = grid_round(f, high / hi - low / hi), .min = grid_round(f, low)};
}

static grid linear_fit(const format *f, fit_method how, const codebook *book, const fit_block *b) {
    (void)book;
    const grid range = f->has_min ? range_asymmetric(f, b) : range_symmetric(f, b);
    if (how == FIT_RTN) return range;
    return f->has_min ? fit_asymmetric(f, b, highest(f), range) : fit_symmetric(f, b, lowest(f), highest(f), range);
}

static void linear_assign(const format *f, const codebook *book, grid g, const float *x, size_t n, uint8_t *codes) {
    (void)book;
    const float lo = lowest(f), hi = highest(f), by = reciprocal(g.scale), zero = (float)zero_point(f);
    for (size_t i = 0; i < n; i++) codes[i] = (uint8_t)(int)(round_into((x[i] - g.min) * by, lo, hi) + zero);
}

const family family_linear = {
    .name = "linear",
    .prefix = "q",
    .summary = "evenly spaced levels",
    .widths = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8,
    .minimum = true,
    .block = 64,
    .fit = linear_fit,
    .assign = linear_assign,
};
