/* scalar.h: the vector layer in plain C: sixteen lanes as an array. This is the specification; every other header gives the same bits.
 *
 * Each header of this folder defines the same names, so a kernel is written once. Lanes never meet except in *_sum, *_top, swap_pairs and load_twice.
 * A header owns the instructions and the sizes of register tiles; it refuses to know what a kernel computes. Conventions:
 *   max(a, b) is a > b ? a : b and min(a, b) is a < b ? a : b, so the second operand comes through when one is NaN
 *   "part" loads n <= 16 lanes, the others are zero; "part" stores write n lanes
 *   codes are unsigned bytes, four of them per lane; a dot product multiplies them by four signed bytes in -127 .. 127 that all lanes share
 * A NaN stays a NaN everywhere, but its sign and payload are not specified. */
#ifndef QBIN_SIMD_SCALAR_H
#define QBIN_SIMD_SCALAR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/half.h"

#define SIMD_NEEDS 0u
#define FOLD       static inline __attribute__((always_inline)) /* compiler.h says what these words are for; here a vector is an array in memory, */
#define UNROLL                                                  /* and unrolling would only make the code long */
enum {
    SIMD_AHEAD = 1024,       /* bytes of a stream of weights that are on their way */
    SIMD_PANEL = 2,          /* tokens of an activation panel */
    SIMD_GEMM_GROUPS = 1,    /* row groups of a tile of the matrix product */
    SIMD_ATTEND_QUERIES = 2, /* queries of a tile of attention */
};
static inline int simd_gemv_groups(int tokens) { /* row groups read side by side for so few tokens */
    (void)tokens;
    return 1;
}

static inline int simd_plain_groups(int tokens) { /* the same for weights that are floating-point numbers, for any number of tokens */
    (void)tokens;
    return 1;
}

static inline int simd_attend_vectors(int queries) { /* vectors of positions or dimensions of a tile of attention with so many queries */
    (void)queries;
    return 1;
}

typedef struct f32x16 {
    float v[16];
} f32x16;
typedef struct i32x16 {
    int32_t v[16];
} i32x16;
typedef struct u8x64 {
    uint8_t v[64];
} u8x64;

#define LANES(i) for (int i = 0; i < 16; i++)
#define BYTES(i) for (int i = 0; i < 64; i++)

/* ---- f32: loads, stores, constants ---- */

static inline f32x16 f32_set(float x) {
    f32x16 r;
    LANES(i) r.v[i] = x;
    return r;
}
static inline f32x16 f32_load(const float *p) {
    f32x16 r;
    memcpy(r.v, p, sizeof r.v);
    return r;
}
static inline f32x16 f32_load_part(const float *p, size_t n) {
    f32x16 r = {{0}};
    memcpy(r.v, p, n * sizeof *p);
    return r;
}
static inline void f32_store(float *p, f32x16 a) {
    memcpy(p, a.v, sizeof a.v);
}
static inline void f32_store_part(float *p, f32x16 a, size_t n) {
    memcpy(p, a.v, n * sizeof *p);
}
static inline f32x16 f32_load_f16(const uint16_t *p) {
    f32x16 r;
    LANES(i) r.v[i] = f32_of_f16(p[i]);
    return r;
}
static inline f32x16 f32_load_bf16(const uint16_t *p) {
    f32x16 r;
    LANES(i) r.v[i] = f32_of_bf16(p[i]);
    return r;
}
static inline void f32_store_f16(uint16_t *p, f32x16 a) {
    LANES(i) p[i] = f16_of_f32(a.v[i]);
}
/* p[0] p[0] p[1] p[1] ... of n <= 8 numbers */
static inline f32x16 f32_load_twice(const float *p, size_t n) {
    f32x16 r = {{0}};
    for (size_t i = 0; i < n; i++) r.v[2 * i] = r.v[2 * i + 1] = p[i];
    return r;
}

/* ---- f32: arithmetic ---- */

static inline f32x16 f32_add(f32x16 a, f32x16 b) {
    LANES(i) a.v[i] += b.v[i];
    return a;
}
static inline f32x16 f32_sub(f32x16 a, f32x16 b) {
    LANES(i) a.v[i] -= b.v[i];
    return a;
}
static inline f32x16 f32_mul(f32x16 a, f32x16 b) {
    LANES(i) a.v[i] *= b.v[i];
    return a;
}
static inline f32x16 f32_div(f32x16 a, f32x16 b) {
    LANES(i) a.v[i] /= b.v[i];
    return a;
}
static inline f32x16 f32_fma(f32x16 a, f32x16 b, f32x16 c) {
    LANES(i) c.v[i] = fmaf(a.v[i], b.v[i], c.v[i]);
    return c;
}
static inline f32x16 f32_max(f32x16 a, f32x16 b) {
    LANES(i) a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
    return a;
}
static inline f32x16 f32_min(f32x16 a, f32x16 b) {
    LANES(i) a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
    return a;
}
static inline f32x16 f32_abs(f32x16 a) {
    LANES(i) a.v[i] = float_of_bits(bits_of_float(a.v[i]) & 0x7fffffffu);
    return a;
}
static inline f32x16 f32_neg(f32x16 a) {
    LANES(i) a.v[i] = float_of_bits(bits_of_float(a.v[i]) ^ 0x80000000u);
    return a;
}
/* lane i is a's where bit i of mask is set, else b's */
static inline f32x16 f32_select(uint32_t mask, f32x16 a, f32x16 b) {
    LANES(i) a.v[i] = mask >> i & 1 ? a.v[i] : b.v[i];
    return a;
}
/* a where the sign bit of x is set, else b */
static inline f32x16 f32_where_negative(f32x16 x, f32x16 a, f32x16 b) {
    LANES(i) a.v[i] = bits_of_float(x.v[i]) >> 31 ? a.v[i] : b.v[i];
    return a;
}
/* a * 2^n rounded once, for a in 0.5 .. 2 and whole n in -160 .. 160: two exact powers, so that the result may be denormal or infinite */
static inline f32x16 f32_times_power(f32x16 a, f32x16 n) {
    LANES(i) {
        const uint32_t whole = bits_of_float(n.v[i] + 0x1.8p23f) - bits_of_float(0x1.8p23f);
        const uint32_t half = (uint32_t)((int32_t)whole >> 1);
        a.v[i] = a.v[i] * float_of_bits((half + 127) << 23) * float_of_bits((whole - half + 127) << 23);
    }
    return a;
}
static inline f32x16 f32_swap_pairs(f32x16 a) {
    f32x16 r;
    LANES(i) r.v[i] = a.v[i ^ 1];
    return r;
}
/* The fixed tree: lanes eight apart, then four, two, one. */
static inline float f32_sum(f32x16 a) {
    for (int half = 8; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) a.v[i] += a.v[i + half];
    }
    return a.v[0];
}
static inline float f32_top(f32x16 a) {
    for (int half = 8; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) a.v[i] = a.v[i] > a.v[i + half] ? a.v[i] : a.v[i + half];
    }
    return a.v[0];
}

/* ---- i32 ---- */

static inline i32x16 i32_set(int32_t x) {
    i32x16 r;
    LANES(i) r.v[i] = x;
    return r;
}
static inline i32x16 i32_add(i32x16 a, i32x16 b) {
    LANES(i) a.v[i] = (int32_t)((uint32_t)a.v[i] + (uint32_t)b.v[i]);
    return a;
}
static inline i32x16 i32_max(i32x16 a, i32x16 b) {
    LANES(i) a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
    return a;
}
static inline int32_t i32_sum(i32x16 a) {
    uint32_t sum = 0;
    LANES(i) sum += (uint32_t)a.v[i];
    return (int32_t)sum;
}
static inline int32_t i32_top(i32x16 a) {
    int32_t top = a.v[0];
    LANES(i) top = a.v[i] > top ? a.v[i] : top;
    return top;
}
static inline void i32_store_i8(int8_t *p, i32x16 a) { /* of lanes in -128 .. 127 */
    LANES(i) p[i] = (int8_t)a.v[i];
}
static inline f32x16 f32_of_i32(i32x16 a) {
    f32x16 r;
    LANES(i) r.v[i] = (float)a.v[i];
    return r;
}
static inline i32x16 i32_round(f32x16 a) { /* to nearest even, of lanes in -2^31 .. 2^31 - 128 */
    i32x16 r;
    LANES(i) r.v[i] = (int32_t)rintf(a.v[i]);
    return r;
}
static inline i32x16 i32_bits(f32x16 a) {
    i32x16 r;
    memcpy(r.v, a.v, sizeof r.v);
    return r;
}
static inline f32x16 f32_bits(i32x16 a) {
    f32x16 r;
    memcpy(r.v, a.v, sizeof r.v);
    return r;
}

/* ---- codes ---- */

static inline u8x64 u8_load(const uint8_t *p) {
    u8x64 r;
    memcpy(r.v, p, sizeof r.v);
    return r;
}
static inline void u8_store(uint8_t *p, u8x64 a) {
    memcpy(p, a.v, sizeof a.v);
}
/* the bit field of `bits` bits at `shift` of each byte */
static inline u8x64 u8_field(u8x64 a, int shift, int bits) {
    BYTES(i) a.v[i] = (uint8_t)(a.v[i] >> shift & ((1 << bits) - 1));
    return a;
}
/* low | the bit field of `bits` bits at `from` of each byte, moved to `to` */
static inline u8x64 u8_join(u8x64 low, u8x64 a, int from, int bits, int to) {
    BYTES(i) low.v[i] = (uint8_t)(low.v[i] | (a.v[i] >> from & ((1 << bits) - 1)) << to);
    return low;
}
/* What dot_add takes as codes of 8 bits, made of such codes and of signed bytes that stand for code - 128: one of the two is what they are. */
enum { DOT_TAKES_SIGNED = 0 };
static inline u8x64 u8_of_codes(u8x64 codes) {
    return codes;
}
static inline u8x64 u8_of_levels(u8x64 levels) {
    BYTES(i) levels.v[i] ^= 0x80;
    return levels;
}
static inline u8x64 u8_pairs(const uint8_t *p) { /* byte i of lane r is the pair of bits 2i, 2i + 1 of p[r] */
    u8x64 r;
    BYTES(i) r.v[i] = p[i / 4] >> i % 4 * 2 & 3;
    return r;
}
/* Numbers of base 3 as fractions of 256: the first digit of each byte, and what is left of the fraction. */
static inline u8x64 u8_third(u8x64 a) {
    BYTES(i) a.v[i] = (uint8_t)(a.v[i] * 3 >> 8);
    return a;
}
static inline u8x64 u8_triple(u8x64 a) {
    BYTES(i) a.v[i] = (uint8_t)(a.v[i] * 3);
    return a;
}
static inline u8x64 u8_table(const uint8_t *p) { /* of 16 bytes, for u8_lookup */
    u8x64 r;
    for (int i = 0; i < 4; i++) memcpy(r.v + 16 * i, p, 16);
    return r;
}
static inline u8x64 u8_lookup(u8x64 table, u8x64 codes) { /* codes < 16 */
    u8x64 r;
    BYTES(i) r.v[i] = table.v[codes.v[i] & 15];
    return r;
}
/* Sixteen tables of 2^bits (4, 8 or 16) bytes, one for each lane: p[lane][2^bits]. bits is a constant after inlining; codes < 2^bits. */
typedef struct u8_rows {
    uint8_t v[16][16];
} u8_rows;
static inline u8_rows u8_rows_load(const uint8_t *p, int bits) {
    u8_rows r = {{{0}}};
    LANES(i) memcpy(r.v[i], p + (i << bits), (size_t)1 << bits);
    return r;
}
static inline u8x64 u8_rows_lookup(const u8_rows *tables, u8x64 codes, int bits) {
    BYTES(i) codes.v[i] = tables->v[i / 4][codes.v[i] & ((1 << bits) - 1)];
    return codes;
}

/* ---- dot products: isum[lane] = start + sum of (code - dot_bias) * act, exact ----
 *
 * `bits` bounds the codes (< 2^bits) and is a constant after inlining; step counts the calls of dot_add since dot_begin. An instruction set without a
 * product of unsigned and signed bytes may subtract a bias from codes of 8 bits; the caller puts it into `start`. */

typedef i32x16 dots;

static inline int dot_bias(int bits) {
    (void)bits;
    return 0;
}
static inline int dot_class(int bits) { /* bounds that are treated alike have one class: the largest of them */
    (void)bits;
    return 8;
}
static inline dots dot_begin(int32_t start) {
    return i32_set(start);
}
static inline dots dot_add(dots d, u8x64 codes, const int8_t *act, int bits, int step) {
    (void)bits;
    (void)step;
    LANES(i) {
        for (int j = 0; j < 4; j++) d.v[i] += codes.v[4 * i + j] * act[j];
    }
    return d;
}
static inline i32x16 dot_end(dots d) {
    return d;
}

static inline void prefetch(const void *p) {
    (void)p;
}

#endif
