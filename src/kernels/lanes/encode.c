/* encode.c: activations into the panels that linear kernels read. */
#include "lane.h"

/* Blocks whose largest value is below this are stored as zeros: 127 / top would not be finite for the smallest of them. */
#define TOP_MIN 0x1p-100f

/* Where a token stands: its panel's first tile, the panel's width, its place in it. */
typedef struct seat {
    size_t panel, width, column;
} seat;

FOLD seat seat_of(const acts *a, size_t t) {
    const size_t panel = t / a->width;
    return (seat){panel * a->width, acts_panel_tokens(a, panel), t % a->width};
}

/* How many of the `n` values from `from` lie before k. */
FOLD size_t count_before(size_t from, size_t n, size_t k) {
    return from >= k ? 0 : k - from < n ? k - from : n;
}

void LANE(encode_f32)(acts *a, const float *x, size_t ldx, size_t k, size_t t0, size_t t1, size_t tile0, size_t tile1) {
    for (size_t t = t0; t < t1; t++) {
        const seat s = seat_of(a, t);
        float *out = (float *)a->values + s.panel * a->tiles * TILE_K + s.column;
        const size_t filled = k < tile1 * TILE_K ? k : tile1 * TILE_K;
        size_t i = tile0 * TILE_K;
        for (; i < filled; i++) out[i * s.width] = x[t * ldx + i];
        for (; i < tile1 * TILE_K; i++) out[i * s.width] = 0;
    }
}

/* Encodes one block of BLOCK values into out[BLOCK]; *sum is the sum of what it wrote. The largest magnitude is found on the bits, where a NaN is larger
 * than infinity: a block with either gets a scale that is not finite, so nothing is hidden. */
FOLD float encode_block(const float *x, size_t n, const int BLOCK, int8_t *out, int32_t *sum) {
    f32x16 v[TILE_K / 16];
    i32x16 magnitude = i32_set(0);
    UNROLL for (int i = 0; i < BLOCK / 16; i++) {
        const size_t have = count_before((size_t)i * 16, 16, n);
        v[i] = have == 16 ? f32_load(x + i * 16) : f32_load_part(x + (have ? i * 16 : 0), have);
        magnitude = i32_max(magnitude, i32_bits(f32_abs(v[i])));
    }
    const float top = float_of_bits((uint32_t)i32_top(magnitude));
    const f32x16 inverse = f32_set(top >= TOP_MIN ? 127.0f / top : 0.0f);
    i32x16 total = i32_set(0);
    UNROLL for (int i = 0; i < BLOCK / 16; i++) {
        const f32x16 scaled = f32_min(f32_set(127.0f), f32_max(f32_mul(v[i], inverse), f32_set(-127.0f)));
        const i32x16 code = i32_round(scaled);
        total = i32_add(total, code);
        i32_store_i8(out + i * 16, code);
    }
    *sum = i32_sum(total);
    return top < TOP_MIN ? 0.0f : top / 127.0f;
}

FOLD void encode_i8(acts *a, const float *x, size_t ldx, size_t k, size_t t0, size_t t1, size_t tile0, size_t tile1, const int BLOCK) {
    enum { GROUP = 4 };
    const size_t blocks = TILE_K / (size_t)BLOCK;
    for (size_t t = t0; t < t1; t++) {
        const seat s = seat_of(a, t);
        int8_t *values = (int8_t *)a->values + s.panel * a->tiles * TILE_K + s.column * GROUP;
        float *scales = a->scales + s.panel * a->tiles * blocks + s.column;
        int32_t *sums = a->sums + s.panel * a->tiles * blocks + s.column;
        for (size_t tile = tile0; tile < tile1; tile++) {
            _Alignas(64) int8_t code[TILE_K];
            for (size_t b = 0; b < blocks; b++) {
                const size_t from = tile * TILE_K + b * (size_t)BLOCK;
                const size_t at = (tile * blocks + b) * s.width;
                scales[at] = encode_block(x + t * ldx + from, count_before(from, (size_t)BLOCK, k), BLOCK, code + b * (size_t)BLOCK, sums + at);
            }
            int8_t *out = values + tile * TILE_K * s.width;
            UNROLL for (size_t g = 0; g < TILE_K / GROUP; g++) memcpy(out + g * s.width * GROUP, code + g * GROUP, GROUP);
        }
    }
}

void LANE(encode_i8_64)(acts *a, const float *x, size_t ldx, size_t k, size_t t0, size_t t1, size_t tile0, size_t tile1) {
    encode_i8(a, x, ldx, k, t0, t1, tile0, tile1, 64);
}

void LANE(encode_i8_32)(acts *a, const float *x, size_t ldx, size_t k, size_t t0, size_t t1, size_t tile0, size_t tile1) {
    encode_i8(a, x, ldx, k, t0, t1, tile0, tile1, 32);
}
