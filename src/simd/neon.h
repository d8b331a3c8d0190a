/* neon.h: the vector layer on fours of 128-bit registers (AArch64 with byte dot products, FEAT_DotProd). Same names and same bits as scalar.h, which says
 * what each means. */
#ifndef QBIN_SIMD_NEON_H
#define QBIN_SIMD_NEON_H

#include <arm_neon.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cpu.h"
#include "base/half.h"
#include "simd/compiler.h"

#define SIMD_NEEDS CPU_NEON
enum {
    SIMD_AHEAD = 1024,       /* bytes of a stream of weights that are on their way */
    SIMD_PANEL = 6,          /* 24 registers of sums leave eight for weights and an activation */
    SIMD_GEMM_GROUPS = 1,    /* row groups of a tile of the matrix product */
    SIMD_ATTEND_QUERIES = 4, /* queries of a tile of attention */
};
FOLD int simd_gemv_groups(int tokens) {
    return tokens <= 2 ? 2 : 1;
}
FOLD int simd_plain_groups(int tokens) {
    return tokens == 1 ? 2 : 1;
}
FOLD int simd_attend_vectors(int queries) {
    return queries == 1 ? 4 : queries == 2 ? 2 : 1;
}

typedef struct f32x16 {
    float32x4_t a, b, c, d;
} f32x16;
typedef struct i32x16 {
    int32x4_t a, b, c, d;
} i32x16;
typedef struct u8x64 {
    uint8x16_t a, b, c, d;
} u8x64;

/* What an operation makes of each quarter of its operands. */
#define QUARTERS(op, x) \
    { op((x).a), op((x).b), op((x).c), op((x).d) }
#define QUARTERS_2(op, x, y) \
    { op((x).a, (y).a), op((x).b, (y).b), op((x).c, (y).c), op((x).d, (y).d) }
#define QUARTERS_3(op, x, y, z) \
    { op((x).a, (y).a, (z).a), op((x).b, (y).b, (z).b), op((x).c, (y).c, (z).c), op((x).d, (y).d, (z).d) }
#define FOUR(op, x, ...) \
    { op((x).a, __VA_ARGS__), op((x).b, __VA_ARGS__), op((x).c, __VA_ARGS__), op((x).d, __VA_ARGS__) } /* and one that they share */

/* ---- f32: loads, stores, constants ---- */

FOLD f32x16 f32_set(float x) {
    const float32x4_t v = vdupq_n_f32(x);
    return (f32x16){v, v, v, v};
}
FOLD f32x16 f32_load(const float *p) {
    return (f32x16){vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
}
FOLD f32x16 f32_load_part(const float *p, size_t n) {
    if (n == 16) return f32_load(p);
    float part[16] = {0};
    memcpy(part, p, n * sizeof *p);
    return f32_load(part);
}
FOLD void f32_store(float *p, f32x16 x) {
    vst1q_f32(p, x.a);
    vst1q_f32(p + 4, x.b);
    vst1q_f32(p + 8, x.c);
    vst1q_f32(p + 12, x.d);
}
FOLD void f32_store_part(float *p, f32x16 x, size_t n) {
    if (n == 16) {
        f32_store(p, x);
        return;
    }
    float part[16];
    f32_store(part, x);
    memcpy(p, part, n * sizeof *p);
}
FOLD float32x4_t four_of_f16(const uint16_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
FOLD f32x16 f32_load_f16(const uint16_t *p) {
    return (f32x16){four_of_f16(p), four_of_f16(p + 4), four_of_f16(p + 8), four_of_f16(p + 12)};
}
FOLD float32x4_t four_of_bf16(const uint16_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
FOLD f32x16 f32_load_bf16(const uint16_t *p) {
    return (f32x16){four_of_bf16(p), four_of_bf16(p + 4), four_of_bf16(p + 8), four_of_bf16(p + 12)};
}
FOLD void store_four_f16(uint16_t *p, float32x4_t x) {
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x)));
}
FOLD void f32_store_f16(uint16_t *p, f32x16 x) {
    store_four_f16(p, x.a);
    store_four_f16(p + 4, x.b);
    store_four_f16(p + 8, x.c);
    store_four_f16(p + 12, x.d);
}
FOLD f32x16 f32_load_twice(const float *p, size_t n) {
    const f32x16 v = f32_load_part(p, n);
    return (f32x16){vzip1q_f32(v.a, v.a), vzip2q_f32(v.a, v.a), vzip1q_f32(v.b, v.b), vzip2q_f32(v.b, v.b)};
}

/* ---- f32: arithmetic ---- */

FOLD f32x16 f32_add(f32x16 x, f32x16 y) {
    return (f32x16)QUARTERS_2(vaddq_f32, x, y);
}
FOLD f32x16 f32_sub(f32x16 x, f32x16 y) {
    return (f32x16)QUARTERS_2(vsubq_f32, x, y);
}
FOLD f32x16 f32_mul(f32x16 x, f32x16 y) {
    return (f32x16)QUARTERS_2(vmulq_f32, x, y);
}
FOLD f32x16 f32_div(f32x16 x, f32x16 y) {
    return (f32x16)QUARTERS_2(vdivq_f32, x, y);
}
FOLD f32x16 f32_fma(f32x16 x, f32x16 y, f32x16 z) {
    return (f32x16)QUARTERS_3(vfmaq_f32, z, x, y);
}
/* vmaxq_f32 gives a NaN whichever operand is one; these give the second operand then. */
FOLD float32x4_t four_max(float32x4_t x, float32x4_t y) {
    return vbslq_f32(vcgtq_f32(x, y), x, y);
}
FOLD float32x4_t four_min(float32x4_t x, float32x4_t y) {
    return vbslq_f32(vcltq_f32(x, y), x, y);
}
FOLD f32x16 f32_max(f32x16 x, f32x16 y) {
    return (f32x16)QUARTERS_2(four_max, x, y);
}
FOLD f32x16 f32_min(f32x16 x, f32x16 y) {
    return (f32x16)QUARTERS_2(four_min, x, y);
}
FOLD f32x16 f32_abs(f32x16 x) {
    return (f32x16)QUARTERS(vabsq_f32, x);
}
FOLD f32x16 f32_neg(f32x16 x) {
    return (f32x16)QUARTERS(vnegq_f32, x);
}
FOLD uint32x4_t four_lanes_of(uint32_t mask) { /* of its low 4 bits */
    const uint32x4_t bit = {1, 2, 4, 8};
    return vtstq_u32(vdupq_n_u32(mask), bit);
}
FOLD f32x16 f32_select(uint32_t mask, f32x16 x, f32x16 y) {
    return (f32x16){vbslq_f32(four_lanes_of(mask), x.a, y.a), vbslq_f32(four_lanes_of(mask >> 4), x.b, y.b),
                    vbslq_f32(four_lanes_of(mask >> 8), x.c, y.c), vbslq_f32(four_lanes_of(mask >> 12), x.d, y.d)};
}
FOLD float32x4_t four_where_negative(float32x4_t x, float32x4_t y, float32x4_t z) {
    return vbslq_f32(vcltzq_s32(vreinterpretq_s32_f32(x)), y, z);
}
FOLD f32x16 f32_where_negative(f32x16 x, f32x16 y, f32x16 z) {
    return (f32x16)QUARTERS_3(four_where_negative, x, y, z);
}
FOLD float32x4_t power_of_two(int32x4_t n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}
FOLD float32x4_t four_times_power(float32x4_t x, float32x4_t n) {
    const int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1);
    return vmulq_f32(vmulq_f32(x, power_of_two(half)), power_of_two(vsubq_s32(whole, half)));
}
FOLD f32x16 f32_times_power(f32x16 x, f32x16 n) {
    return (f32x16)QUARTERS_2(four_times_power, x, n);
}
FOLD f32x16 f32_swap_pairs(f32x16 x) {
    return (f32x16)QUARTERS(vrev64q_f32, x);
}
FOLD float f32_sum(f32x16 x) {
    const float32x4_t four = vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
    return vpadds_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)));
}
FOLD float f32_top(f32x16 x) {
    const float32x4_t four = four_max(four_max(x.a, x.c), four_max(x.b, x.d)), two = four_max(four, vextq_f32(four, four, 2));
    return vgetq_lane_f32(four_max(two, vextq_f32(two, two, 1)), 0);
}

/* ---- i32 ---- */

FOLD i32x16 i32_set(int32_t x) {
    const int32x4_t v = vdupq_n_s32(x);
    return (i32x16){v, v, v, v};
}
FOLD i32x16 i32_add(i32x16 x, i32x16 y) {
    return (i32x16)QUARTERS_2(vaddq_s32, x, y);
}
FOLD i32x16 i32_max(i32x16 x, i32x16 y) {
    return (i32x16)QUARTERS_2(vmaxq_s32, x, y);
}
FOLD int32_t i32_sum(i32x16 x) {
    return vaddvq_s32(vaddq_s32(vaddq_s32(x.a, x.b), vaddq_s32(x.c, x.d)));
}
FOLD int32_t i32_top(i32x16 x) {
    return vmaxvq_s32(vmaxq_s32(vmaxq_s32(x.a, x.b), vmaxq_s32(x.c, x.d)));
}
FOLD void i32_store_i8(int8_t *p, i32x16 x) {
    const int16x8_t low = vcombine_s16(vmovn_s32(x.a), vmovn_s32(x.b)), high = vcombine_s16(vmovn_s32(x.c), vmovn_s32(x.d));
    vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}
FOLD f32x16 f32_of_i32(i32x16 x) {
    return (f32x16)QUARTERS(vcvtq_f32_s32, x);
}
FOLD i32x16 i32_round(f32x16 x) {
    return (i32x16)QUARTERS(vcvtnq_s32_f32, x);
}
FOLD i32x16 i32_bits(f32x16 x) {
    return (i32x16)QUARTERS(vreinterpretq_s32_f32, x);
}

/* ---- codes ---- */

FOLD u8x64 u8_load(const uint8_t *p) {
    return (u8x64){vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)};
}
FOLD void u8_store(uint8_t *p, u8x64 x) {
    vst1q_u8(p, x.a);
    vst1q_u8(p + 16, x.b);
    vst1q_u8(p + 32, x.c);
    vst1q_u8(p + 48, x.d);
}
/* Shifts by operators: the intrinsics want a literal. */
FOLD uint8x16_t moved_field(uint8x16_t x, int from, int bits, int to) {
    const uint8x16_t moved = from == to ? x : from > to ? x >> (uint8_t)(from - to) : x << (uint8_t)(to - from);
    return vandq_u8(moved, vdupq_n_u8((uint8_t)(((1 << bits) - 1) << to)));
}
FOLD u8x64 u8_field(u8x64 x, int shift, int bits) {
    return (u8x64)FOUR(moved_field, x, shift, bits, 0);
}
FOLD u8x64 u8_join(u8x64 low, u8x64 x, int from, int bits, int to) {
    const u8x64 moved = FOUR(moved_field, x, from, bits, to);
    return (u8x64)QUARTERS_2(vorrq_u8, low, moved);
}
enum { DOT_TAKES_SIGNED = 1 };
FOLD u8x64 u8_of_codes(u8x64 codes) {
    return (u8x64)FOUR(veorq_u8, codes, vdupq_n_u8(0x80));
}
FOLD u8x64 u8_of_levels(u8x64 levels) {
    return levels;
}
FOLD uint8x16_t four_pairs(uint8x16_t v, uint8_t first) { /* of the bytes from `first` */
    const uint8x16_t lane = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    const int8x16_t down = {0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6};
    return vandq_u8(vshlq_u8(vqtbl1q_u8(v, vaddq_u8(lane, vdupq_n_u8(first))), down), vdupq_n_u8(3));
}
FOLD u8x64 u8_pairs(const uint8_t *p) {
    const uint8x16_t v = vld1q_u8(p);
    return (u8x64){four_pairs(v, 0), four_pairs(v, 4), four_pairs(v, 8), four_pairs(v, 12)};
}
FOLD uint8x16_t quarter_third(uint8x16_t x) { /* the halving addition rounds down: three quarters of x, rounded down once */
    return vshrq_n_u8(vhaddq_u8(x, vshrq_n_u8(x, 1)), 6);
}
FOLD u8x64 u8_third(u8x64 x) {
    return (u8x64)QUARTERS(quarter_third, x);
}
FOLD u8x64 u8_triple(u8x64 x) {
    return (u8x64)FOUR(vmulq_u8, x, vdupq_n_u8(3));
}
FOLD u8x64 u8_table(const uint8_t *p) {
    const uint8x16_t t = vld1q_u8(p);
    return (u8x64){t, t, t, t};
}
FOLD u8x64 u8_lookup(u8x64 table, u8x64 codes) {
    return (u8x64)QUARTERS_2(vqtbl1q_u8, table, codes);
}
typedef struct u8_rows { /* as 64, 128 or 256 bytes follow each other */
    uint8x16_t v[16];
} u8_rows;
FOLD u8_rows u8_rows_load(const uint8_t *p, int bits) {
    u8_rows r;
    UNROLL for (int i = 0; i < 1 << bits; i++) r.v[i] = vld1q_u8(p + 16 * i);
    return r;
}
/* The tables of the four rows of a quarter are 16, 32 or 64 bytes: what one lookup takes. The index of a byte is row << bits | code. */
FOLD uint8x16_t four_rows_lookup(const uint8x16_t *v, uint8x16_t codes, int bits) {
    const uint8x16_t lane = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    const uint8x16_t at = vorrq_u8(codes, lane << (uint8_t)bits);
    if (bits == 2) return vqtbl1q_u8(v[0], at);
    if (bits == 3) return vqtbl2q_u8((uint8x16x2_t){{v[0], v[1]}}, at);
    return vqtbl4q_u8((uint8x16x4_t){{v[0], v[1], v[2], v[3]}}, at);
}
FOLD u8x64 u8_rows_lookup(const u8_rows *tables, u8x64 codes, int bits) {
    const uint8x16_t *v = tables->v;
    const int quarter = 1 << (bits - 2);
    return (u8x64){four_rows_lookup(v, codes.a, bits), four_rows_lookup(v + quarter, codes.b, bits), four_rows_lookup(v + 2 * quarter, codes.c, bits),
                   four_rows_lookup(v + 3 * quarter, codes.d, bits)};
}

/* ---- dot products: sdot multiplies signed bytes. Codes of fewer than eight bits are such as they are; larger ones are made so (the bias). ---- */

typedef i32x16 dots;

FOLD int dot_class(int bits) {
    return bits <= 6 ? 6 : 8;
}
FOLD int dot_bias(int bits) {
    return dot_class(bits) == 8 ? 128 : 0;
}
FOLD dots dot_begin(int32_t start) {
    return i32_set(start);
}
FOLD int32x4_t quarter_dot(int32x4_t d, uint8x16_t codes, int8x8_t act) {
    return vdotq_lane_s32(d, vreinterpretq_s8_u8(codes), act, 0);
}
FOLD dots dot_add(dots d, u8x64 codes, const int8_t *act, int bits, int step) {
    (void)bits;
    (void)step;
    int32_t bytes;
    memcpy(&bytes, act, sizeof bytes);
    const int8x8_t four = vreinterpret_s8_s32((int32x2_t){bytes, 0});
    return (dots){quarter_dot(d.a, codes.a, four), quarter_dot(d.b, codes.b, four), quarter_dot(d.c, codes.c, four), quarter_dot(d.d, codes.d, four)};
}
FOLD i32x16 dot_end(dots d) {
    return d;
}

FOLD void prefetch(const void *p) {
    __builtin_prefetch(p);
}

#endif
