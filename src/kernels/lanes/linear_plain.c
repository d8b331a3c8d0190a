/* linear_plain.c: the kernels of weights that are stored as floating-point numbers, [64 k][16 rows] for each tile.
 *
 * For each row and token: two sums, of even and of odd k, each acc = fma(w, x, acc) in order of k; the result is even + odd. */
#include "numbers.h"

enum { SUMS = 2, TOGETHER_MAX = 4, TILE_VECTORS = SUMS * TOGETHER_MAX * SIMD_PANEL };

/* GROUPS x 16 rows by TOKENS tokens over all of k. `group` = bytes from a row group to the next. */
FOLD void tile_product(const number kind, const int GROUPS, const int TOKENS, const uint8_t *w, size_t group, const float *x, size_t k, float *y,
                       size_t ldy) {
    f32x16 acc[TILE_VECTORS];
    UNROLL for (int i = 0; i < GROUPS * TOKENS * SUMS; i++) acc[i] = f32_set(0.0f);
    for (size_t i = 0; i < k; i += SUMS) {
        UNROLL for (int s = 0; s < SUMS; s++) {
            UNROLL for (int g = 0; g < GROUPS; g++) {
                const f32x16 row = kind.load(w + (size_t)g * group + (i + (size_t)s) * TILE_ROWS * kind.bytes);
                UNROLL for (int t = 0; t < TOKENS; t++) {
                    f32x16 *to = &acc[(g * TOKENS + t) * SUMS + s];
                    *to = f32_fma(row, f32_set(x[(i + (size_t)s) * (size_t)TOKENS + (size_t)t]), *to);
                }
            }
        }
    }
    UNROLL for (int g = 0; g < GROUPS; g++) {
        UNROLL for (int t = 0; t < TOKENS; t++) {
            const f32x16 *sum = &acc[(g * TOKENS + t) * SUMS];
            f32_store(y + (size_t)t * ldy + g * TILE_ROWS, f32_add(sum[0], sum[1]));
        }
    }
}

FOLD void groups_product(const number kind, const int TOKENS, const int TOGETHER, const uint8_t *w, size_t groups, const float *x, size_t k, float *y,
                         size_t ldy) {
    const size_t group = k * TILE_ROWS * kind.bytes;
    for (; groups >= (size_t)TOGETHER; groups -= (size_t)TOGETHER) {
        tile_product(kind, TOGETHER, TOKENS, w, group, x, k, y, ldy);
        w += (size_t)TOGETHER * group;
        y += TOGETHER * TILE_ROWS;
    }
    if (TOGETHER == 1) return;
    for (; groups > 0; groups--, w += group, y += TILE_ROWS) tile_product(kind, 1, TOKENS, w, group, x, k, y, ldy);
}

FOLD void panel_product(const number kind, size_t tokens, const uint8_t *w, size_t groups, const float *x, size_t k, float *y, size_t ldy) {
#define WALK(n) \
    if (n <= SIMD_PANEL) groups_product(kind, n, simd_plain_groups(n), w, groups, x, k, y, ldy)
    WITH_COUNT(tokens, WALK)
#undef WALK
}

/* Few row groups against all panels, so that the weights stay in cache while the tokens pass. w = tiles of row group group0. */
FOLD void linear_numbers(const number kind, const uint8_t *w, const acts *a, size_t group0, size_t group1, float *y, size_t ldy) {
    const size_t k = a->tiles * TILE_K, bytes = k * TILE_ROWS * kind.bytes;
    const size_t step = a->n <= a->width ? group1 - group0 : (size_t)simd_plain_groups(SIMD_PANEL);
    for (size_t g = group0; g < group1; g += step, w += step * bytes) {
        const size_t groups = group1 - g < step ? group1 - g : step;
        for (size_t first = 0; first < a->n; first += a->width) {
            const size_t tokens = acts_panel_tokens(a, first / a->width);
            panel_product(kind, tokens, w, groups, (const float *)a->values + first * k, k, y + first * ldy + g * TILE_ROWS, ldy);
        }
    }
}

#define KERNEL(name, kind)                                                                                                \
    static void name(const matrix *w, const acts *a, size_t group0, size_t group1, float *y, size_t ldy, void *scratch) { \
        (void)scratch;                                                                                                    \
        const size_t before = group0 * w->layout->tiles * w->layout->tile_codes;                                          \
        linear_numbers(kind, w->data + w->layout->codes + before, a, group0, group1, y, ldy);                             \
    }
KERNEL(linear_f32, NUMBER_F32)
KERNEL(linear_f16, NUMBER_F16)
KERNEL(linear_bf16, NUMBER_BF16)

/* Coded weights with activations as they are, to see what encoding these costs: the reference decode of each row, then the product of numbers. */
static void linear_decoded(const matrix *w, const acts *a, size_t group0, size_t group1, float *y, size_t ldy, void *scratch) {
    const size_t k = w->layout->tiles * TILE_K;
    float *numbers = scratch, *row = numbers + TILE_ROWS * k;
    for (size_t g = group0; g < group1; g++) {
        for (size_t r = 0; r < TILE_ROWS; r++) {
            format_decode_row(w->format, w->layout, w->data, g * TILE_ROWS + r, k, row);
            for (size_t i = 0; i < k; i++) numbers[i * TILE_ROWS + r] = row[i];
        }
        linear_numbers(NUMBER_F32, (const uint8_t *)numbers, a, g, g + 1, y, ldy);
    }
}

const linear_kernel LANE(linear_plain)[] = {
    {.run = linear_f32, .act = ACT_F32, .plain = "f32"},
    {.run = linear_f16, .act = ACT_F32, .plain = "f16"},
    {.run = linear_bf16, .act = ACT_F32, .plain = "bf16"},
    {.run = linear_decoded, .act = ACT_F32},
    {.run = NULL},
};
