/* product.h: y = W x for quantized W: the register tile, the walk over few tokens (GEMV) and over many (GEMM).
 *
 * For each block along k and each row, in order of k:  isum = sum of number * act, exact, started at -zero * (sum of act);
 * acc = fma(scale_w * scale_x, isum, acc); with a minimum also acc = fma(min_w * scale_x, sum of act, acc). Both walks run the same tile, so a token
 * has the same bits in both. A code_kind, GROUPS and TOKENS are constants after inlining; what else a format may be is read from weights.h's numbers, with
 * at most a branch per block that goes one way for all of a tensor. Refuses to know how codes are stored: codes.h does. */
#ifndef QBIN_KERNELS_PRODUCT_H
#define QBIN_KERNELS_PRODUCT_H

#include "codes.h"

enum { TOGETHER_MAX = 2, TILE_VECTORS = TOGETHER_MAX * SIMD_PANEL }; /* row groups side by side, and results of a register tile, at most */

/* One panel of activations: `tokens` columns. */
typedef struct panel {
    size_t tokens;
    const int8_t *values; /* [tiles][16][tokens][4] */
    const float *scales;  /* [tiles][64 / block][tokens] */
    const int32_t *sums;  /* likewise */
    int32_t *start;       /* likewise: where each isum starts, made from the sums */
} panel;

/* Where results go: y[token * ld + row of the first group ...]. */
typedef struct target {
    float *y;
    size_t ld;
} target;

FOLD panel panel_of(const acts *a, size_t index, int32_t *start) {
    const size_t before = index * a->width * a->tiles, blocks = acts_like(a->code) == ACT_I8_32 ? 2 : 1;
    return (panel){acts_panel_tokens(a, index), (const int8_t *)a->values + before * TILE_K, a->scales + before * blocks, a->sums + before * blocks,
                   start};
}

FOLD void panel_start(const code_kind kind, int32_t zero, const panel *p, size_t tiles) {
    const int32_t by = dot_bias(kind.range) - zero;
    const size_t count = tiles * (size_t)(TILE_K / kind.block) * p->tokens;
    for (size_t i = 0; i < count; i++) p->start[i] = by * p->sums[i];
}

/* d += half of a tile. STREAM: each load of codes also asks for the same place of the tile at `ahead`. */
FOLD void half_product(const code_kind kind, const int GROUPS, const int TOKENS, const bool STREAM, const uint8_t *codes, const uint8_t *ahead,
                       size_t group_codes, const lookup *books, const int8_t *values, int half, dots *d) {
    UNROLL for (int i = 0; i < HALF_GROUPS; i++) {
        UNROLL for (int g = 0; g < GROUPS; g++) {
            const u8x64 numbers = tile_numbers(kind, codes + (size_t)g * group_codes, half, i, &books[g]);
            if (STREAM) tile_prefetch(kind, ahead + (size_t)g * group_codes, half, i);
            UNROLL for (int t = 0; t < TOKENS; t++) {
                const int8_t *act = values + ((half * HALF_GROUPS + i) * TOKENS + t) * K_GROUP;
                d[g * TOKENS + t] = dot_add(d[g * TOKENS + t], numbers, act, kind.range, i);
            }
        }
    }
}

/* acc = fma(scale_w * scale_x, isum, acc); with a minimum also acc = fma(min_w * scale_x, sum of act, acc). */
FOLD void scale_dots(const int GROUPS, const int TOKENS, const bool floats, const bool has_min, const weights *w, const uint8_t *side,
                     const float *scales, const int32_t *sums, const dots *d, f32x16 *acc) {
    UNROLL for (int g = 0; g < GROUPS; g++) {
        const f32x16 scale = side_numbers(side + (size_t)g * w->group_side, floats);
        UNROLL for (int t = 0; t < TOKENS; t++) {
            f32x16 *to = &acc[g * TOKENS + t];
            *to = f32_fma(f32_mul(scale, f32_set(scales[t])), f32_of_i32(dot_end(d[g * TOKENS + t])), *to);
        }
    }
    if (!has_min) return;
    UNROLL for (int g = 0; g < GROUPS; g++) {
        const f32x16 min = side_numbers(side + (size_t)g * w->group_side + w->min_at, floats);
        UNROLL for (int t = 0; t < TOKENS; t++) {
            f32x16 *to = &acc[g * TOKENS + t];
            *to = f32_fma(f32_mul(min, f32_set(scales[t])), f32_set((float)sums[t]), *to);
        }
    }
}

/* acc += block number `block` of a tile. */
FOLD void block_product(const code_kind kind, const int GROUPS, const int TOKENS, const bool STREAM, const uint8_t *ahead, const weights *w,
                        const lookup *books, const panel *p, size_t tile, const int block, f32x16 *acc) {
    const int HALVES = kind.block / HALF_K;
    const size_t at = (tile * (size_t)(TILE_K / kind.block) + (size_t)block) * (size_t)TOKENS;
    const uint8_t *codes = w->codes + tile * w->tile_codes;
    const uint8_t *side = w->side + (tile >> w->side_shift) * w->tile_side + (size_t)block * w->half_side;
    const int8_t *values = p->values + tile * TILE_K * (size_t)TOKENS;

    dots d[TILE_VECTORS];
    UNROLL for (int t = 0; t < TOKENS; t++) {
        UNROLL for (int g = 0; g < GROUPS; g++) d[g * TOKENS + t] = dot_begin(p->start[at + (size_t)t]);
    }
    if (kind.trits && kind.block == TILE_K) { /* digits of a byte lie in both halves */
        half_product(kind, GROUPS, TOKENS, STREAM, codes, ahead, w->group_codes, books, values, 0, d);
        half_product(kind, GROUPS, TOKENS, STREAM, codes, ahead, w->group_codes, books, values, 1, d);
    } else {
        for (int half = block * HALVES; half < (block + 1) * HALVES; half++)
            half_product(kind, GROUPS, TOKENS, STREAM, codes, ahead, w->group_codes, books, values, half, d);
    }
    if (kind.unpacked)
        scale_dots(GROUPS, TOKENS, kind.floats, kind.has_min, w, side, p->scales + at, p->sums + at, d, acc);
    else if (w->floats)
        scale_dots(GROUPS, TOKENS, true, w->min_at, w, side, p->scales + at, p->sums + at, d, acc);
    else
        scale_dots(GROUPS, TOKENS, false, w->min_at, w, side, p->scales + at, p->sums + at, d, acc);
}

/* What the first group's stream needs SIMD_AHEAD bytes after this tile, to be asked for while the tile is multiplied; past the group's end that is the
 * group which comes GROUPS later. The scales are asked for here. */
FOLD const uint8_t *stream_ahead(const int GROUPS, const weights *w, size_t tile) {
    const size_t code = tile * w->tile_codes + SIMD_AHEAD, side = (tile >> w->side_shift) * w->tile_side + SIMD_AHEAD / 8;
    const uint8_t *sides = w->side + side + (side < w->group_side ? 0 : (size_t)(GROUPS - 1) * w->group_side);
    UNROLL for (int g = 0; g < GROUPS; g++) prefetch(sides + (size_t)g * w->group_side);
    return w->codes + code + (code < w->group_codes ? 0 : (size_t)(GROUPS - 1) * w->group_codes);
}

/* GROUPS x 16 rows by TOKENS tokens, over all of k, in registers. STREAM: the weights come from memory. */
FOLD void tile_product(const code_kind kind, const int GROUPS, const int TOKENS, const bool STREAM, const weights *w, const panel *p, target to) {
    f32x16 acc[TILE_VECTORS];
    lookup books[TOGETHER_MAX];
    UNROLL for (int g = 0; g < GROUPS; g++) lookup_load(&books[g], kind, w->books + (size_t)g * w->group_books);
    UNROLL for (int i = 0; i < GROUPS * TOKENS; i++) acc[i] = f32_set(0.0f);
    for (size_t tile = 0; tile < w->tiles; tile++) {
        const uint8_t *ahead = STREAM ? stream_ahead(GROUPS, w, tile) : NULL;
        block_product(kind, GROUPS, TOKENS, STREAM, ahead, w, books, p, tile, 0, acc); /* two calls: as a loop, sums would live in memory */
        if (kind.block == HALF_K) block_product(kind, GROUPS, TOKENS, STREAM, ahead, w, books, p, tile, 1, acc);
    }
    UNROLL for (int g = 0; g < GROUPS; g++) {
        UNROLL for (int t = 0; t < TOKENS; t++) f32_store(to.y + (size_t)t * to.ld + g * TILE_ROWS, acc[g * TOKENS + t]);
    }
}

/* All groups of `w` with a panel of TOKENS tokens: as many at a time as is best, then one by one. */
FOLD void groups_product(const code_kind kind, const int TOKENS, weights w, size_t groups, const panel *p, target to, const int TOGETHER,
                         const bool STREAM) {
    for (; groups >= (size_t)TOGETHER; groups -= (size_t)TOGETHER) {
        tile_product(kind, TOGETHER, TOKENS, STREAM, &w, p, to);
        w = weights_after(w, (size_t)TOGETHER);
        to.y += TOGETHER * TILE_ROWS;
    }
    if (TOGETHER == 1) return;
    for (; groups > 0; groups--) {
        tile_product(kind, 1, TOKENS, STREAM, &w, p, to);
        w = weights_after(w, 1);
        to.y += TILE_ROWS;
    }
}

/* The walk for the number of tokens of the panel. FEW: weights are read once, from memory; else they are in cache and tokens are many. */
FOLD void panel_product(const code_kind kind, const bool FEW, const weights *w, size_t groups, const panel *p, target to) {
#define WALK(tokens) \
    if (tokens <= SIMD_PANEL) groups_product(kind, tokens, *w, groups, p, to, FEW ? simd_gemv_groups(tokens) : SIMD_GEMM_GROUPS, FEW)
    WITH_COUNT(p->tokens, WALK)
#undef WALK
}

/* Many tokens: all panels against a few row groups of 8-bit numbers. Shared by every format of the same range, block and kind of side data. */
typedef void panels_fn(const weights *w, size_t groups, const acts *a, int32_t zero, int32_t *start, target to);
typedef struct panels_fns {
    panels_fn *run[2][2]; /* [f32 scales][minimums] */
} panels_fns;

FOLD void panels_product(const code_kind kind, const weights *w, size_t groups, const acts *a, int32_t zero, int32_t *start, target to) {
    for (size_t first = 0, index = 0; first < a->n; first += a->width, index++) {
        const panel p = panel_of(a, index, start);
        panel_start(kind, zero, &p, a->tiles);
        panel_product(kind, false, w, groups, &p, (target){to.y + first * to.ld, to.ld});
    }
}

FOLD void unpack_half(const code_kind kind, const uint8_t *codes, int half, const lookup *book, uint8_t *out) {
    UNROLL for (int i = 0; i < HALF_GROUPS; i++) u8_store(out + 64 * (half * HALF_GROUPS + i), tile_numbers(kind, codes, half, i, book));
}

FOLD void unpack_groups(const code_kind kind, const weights *w, size_t groups, uint8_t *out) {
    for (size_t g = 0; g < groups; g++) {
        lookup book;
        lookup_load(&book, kind, w->books + g * w->group_books);
        for (size_t tile = 0; tile < w->tiles; tile++, out += BYTE_TILE) {
            const uint8_t *codes = w->codes + g * w->group_codes + tile * w->tile_codes;
            unpack_half(kind, codes, 0, &book, out);
            unpack_half(kind, codes, 1, &book, out);
        }
    }
}

/* A linear_fn for codes of a kind. Scratch: where isums start, for one panel; then the unpacked row groups. */
FOLD void linear_codes(const code_kind kind, const panels_fns many, const matrix *m, const acts *a, size_t group0, size_t group1, float *y,
                       size_t ldy, void *scratch) {
    const int32_t zero = kind.book == BOOK_NONE ? format_codes(m->format).zero : LEVEL_ZERO;
    weights_room room;
    weights w = weights_of(m, group0, &room);
    int32_t *start = scratch;
    uint8_t *numbers = (uint8_t *)scratch + round_up(2 * w.tiles * SIMD_PANEL * sizeof *start, 64);
    target to = {y + group0 * TILE_ROWS, ldy};
    if (a->n <= a->width) {
        const panel p = panel_of(a, 0, start);
        panel_start(kind, zero, &p, w.tiles);
        panel_product(kind, true, &w, group1 - group0, &p, to);
        return;
    }
    for (size_t g = group0; g < group1; g += SIMD_GEMM_GROUPS) {
        const size_t groups = group1 - g < SIMD_GEMM_GROUPS ? group1 - g : SIMD_GEMM_GROUPS;
        weights bytes = w;
        if (!is_bytes(kind) || DOT_TAKES_SIGNED) {
            unpack_groups(kind, &w, groups, numbers);
            bytes.codes = numbers;
            bytes.group_codes = w.tiles * BYTE_TILE;
            bytes.tile_codes = BYTE_TILE;
        }
        many.run[w.floats][w.min_at > 0](&bytes, groups, a, zero, start, to);
        w = weights_after(w, groups);
        to.y += groups * TILE_ROWS;
    }
}

#endif
