/* encode.c: activations into the panels that linear kernels read. */
#include "bytes.h"

/* Where a token stands: its panel's first tile, the panel's width, its place in it. */
typedef struct seat {
    size_t panel, width, column;
} seat;

FOLD seat seat_of(const acts *a, size_t t) {
    const size_t panel = t / a->width;
    return (seat){panel * a->width, acts_panel_tokens(a, panel), t % a->width};
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

/* An encoding: what is found once for a token, and how a block becomes out[BLOCK] and *sum; returns the block's scale. */
typedef struct encoding {
    scaling (*token)(const acts *a, const float *x, size_t k);
    float (*block)(scaling s, const float *x, size_t n, const int BLOCK, int8_t *out, int32_t *sum);
} encoding;

FOLD float block_times(scaling s, f32x16 *v, const int BLOCK, int8_t *out, int32_t *sum) {
    UNROLL for (int i = 0; i < BLOCK / 16; i++) v[i] = f32_mul(v[i], f32_set(s.by));
    *sum = store_codes(v, BLOCK, -127.0f, 127.0f, out);
    return s.scale;
}

FOLD scaling none_for_token(const acts *a, const float *x, size_t k) {
    (void)a, (void)x, (void)k;
    return (scaling){0};
}
FOLD float block_by_its_top(scaling s, const float *x, size_t n, const int BLOCK, int8_t *out, int32_t *sum) {
    (void)s;
    f32x16 v[TILE_K / 16];
    load_block(x, n, BLOCK, v);
    return block_times(scaling_of_top(magnitude(v, BLOCK, i32_set(0))), v, BLOCK, out, sum);
}

FOLD scaling top_of_token(const acts *a, const float *x, size_t k) {
    (void)a;
    i32x16 top = i32_set(0);
    for (size_t i = 0; i < k; i += TILE_K) {
        f32x16 v[TILE_K / 16];
        load_block(x + i, count_before(i, TILE_K, k), TILE_K, v);
        top = magnitude(v, TILE_K, top);
    }
    return scaling_of_top(top);
}
FOLD float block_by_scale(scaling s, const float *x, size_t n, const int BLOCK, int8_t *out, int32_t *sum) {
    f32x16 v[TILE_K / 16];
    load_block(x, n, BLOCK, v);
    return block_times(s, v, BLOCK, out, sum);
}

FOLD scaling given(const acts *a, const float *x, size_t k) {
    (void)x, (void)k;
    return (scaling){.scale = a->act_scale, .center = a->act_center};
}
/* Past k the codes are 0, though the centre may not be: the weights there stand for nothing. */
FOLD float block_about_center(scaling s, const float *x, size_t n, const int BLOCK, int8_t *out, int32_t *sum) {
    f32x16 v[TILE_K / 16];
    load_block(x, n, BLOCK, v);
    const uint32_t top = (uint32_t)i32_top(magnitude(v, BLOCK, i32_set(0)));
    UNROLL for (int i = 0; i < BLOCK / 16; i++) {
        const size_t have = count_before((size_t)i * 16, 16, n);
        const f32x16 code = f32_div(f32_sub(v[i], f32_set(s.center)), f32_set(s.scale));
        v[i] = have == 16 ? code : f32_select((1u << have) - 1, code, f32_set(0.0f));
    }
    *sum = store_codes(v, BLOCK, -127.0f, 127.0f, out);
    return top < bits_of_float(INFINITY) ? s.scale : NAN;
}

FOLD void encode_i8(const encoding how, acts *a, const float *x, size_t ldx, size_t k, size_t t0, size_t t1, size_t tile0, size_t tile1,
                    const int BLOCK) {
    enum { GROUP = 4 };
    const size_t blocks = TILE_K / (size_t)BLOCK;
    for (size_t t = t0; t < t1; t++) {
        const seat s = seat_of(a, t);
        const scaling token = how.token(a, x + t * ldx, k);
        int8_t *values = (int8_t *)a->values + s.panel * a->tiles * TILE_K + s.column * GROUP;
        float *scales = a->scales + s.panel * a->tiles * blocks + s.column;
        int32_t *sums = a->sums + s.panel * a->tiles * blocks + s.column;
        for (size_t tile = tile0; tile < tile1; tile++) {
            _Alignas(64) int8_t code[TILE_K];
            for (size_t b = 0; b < blocks; b++) {
                const size_t from = tile * TILE_K + b * (size_t)BLOCK;
                const size_t at = (tile * blocks + b) * s.width;
                scales[at] = how.block(token, x + t * ldx + from, count_before(from, (size_t)BLOCK, k), BLOCK, code + b * (size_t)BLOCK, sums + at);
            }
            int8_t *out = values + tile * TILE_K * s.width;
            UNROLL for (size_t g = 0; g < TILE_K / GROUP; g++) memcpy(out + g * s.width * GROUP, code + g * GROUP, GROUP);
        }
    }
}

#define ENCODER(name, token, block, BLOCK)                                                                              \
    void LANE(name)(acts * a, const float *x, size_t ldx, size_t k, size_t t0, size_t t1, size_t tile0, size_t tile1) { \
        encode_i8((encoding){token, block}, a, x, ldx, k, t0, t1, tile0, tile1, BLOCK);                                 \
    }
ENCODER(encode_i8_64, none_for_token, block_by_its_top, 64)
ENCODER(encode_i8_32, none_for_token, block_by_its_top, 32)
ENCODER(encode_token_64, top_of_token, block_by_scale, 64)
ENCODER(encode_token_32, top_of_token, block_by_scale, 32)
ENCODER(encode_static_64, given, block_about_center, 64)
ENCODER(encode_static_32, given, block_about_center, 32)
