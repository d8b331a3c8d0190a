/* avx2.h: the vector layer on pairs of 256-bit registers (AVX2, FMA, F16C; the names that are not here are in ymm.h). Same names and same bits as
 * scalar.h, which says what each means. */
#ifndef QBIN_SIMD_AVX2_H
#define QBIN_SIMD_AVX2_H

#include "simd/ymm.h"

#define SIMD_NEEDS CPU_AVX2
enum {
    SIMD_AHEAD = 3072,       /* bytes of a stream of weights that are on their way */
    SIMD_PANEL = 4,          /* 8 registers of sums leave eight for weights, an activation and products */
    SIMD_GEMM_GROUPS = 1,    /* row groups of a tile of the matrix product */
    SIMD_ATTEND_QUERIES = 4, /* queries of a tile of attention */
};
FOLD int simd_gemv_groups(int tokens) {
    (void)tokens;
    return 1;
}
FOLD int simd_plain_groups(int tokens) {
    return tokens == 1 ? 2 : 1;
}
FOLD int simd_attend_vectors(int queries) {
    return queries == 1 ? 4 : queries == 2 ? 2 : 1;
}

/* ---- dot products ----
 *
 * vpmaddubsw adds two products of an unsigned and a signed byte in 16 bits and saturates. Codes below 16 cannot: 8 x 2 x 15 x 127 = 30,480, so
 * eight steps are added in 16 bits before they widen; of codes below 32 four steps (31,496), of those below 64 two (32,004). Larger codes are
 * signed here (the bias), and their sign is moved to the activation: 2 x 128 x 127 = 32,512. */

enum { DOT_TAKES_SIGNED = 1 };
FOLD u8x64 u8_of_codes(u8x64 codes) {
    return u8_flip_top(codes);
}
FOLD u8x64 u8_of_levels(u8x64 levels) {
    return levels;
}

typedef struct dots {
    i32x16 sum;
    __m256i lo, hi; /* 16-bit sums of the last steps */
} dots;

FOLD int dot_class(int bits) {
    return bits <= 4 ? 4 : bits <= 6 ? bits : 8;
}
FOLD int narrow_steps(int bits) { /* that are added in 16 bits */
    return 8 >> (dot_class(bits) - 4);
}
FOLD int dot_bias(int bits) {
    return dot_class(bits) == 8 ? 128 : 0;
}
FOLD dots dot_begin(int32_t start) {
    return (dots){i32_set(start), _mm256_setzero_si256(), _mm256_setzero_si256()};
}
FOLD __m256i widen(__m256i pairs) {
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
/* Nothing saturates. With a plain addition the compiler would make a tree of the chain, and keep its leaves in memory. */
FOLD dots dot_add_narrow(dots d, u8x64 codes, __m256i act, int steps, int step) {
    const __m256i lo = _mm256_maddubs_epi16(codes.lo, act), hi = _mm256_maddubs_epi16(codes.hi, act);
    d.lo = step % steps == 0 ? lo : _mm256_adds_epi16(d.lo, lo);
    d.hi = step % steps == 0 ? hi : _mm256_adds_epi16(d.hi, hi);
    if (step % steps == steps - 1) d.sum = i32_add(d.sum, (i32x16){widen(d.lo), widen(d.hi)});
    return d;
}
FOLD __m256i signed_product(__m256i w, __m256i act) {
    return widen(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(act, w)));
}
/* Calls come in groups of eight: step counts from 0 since dot_begin. */
FOLD dots dot_add(dots d, u8x64 codes, const int8_t *act, int bits, int step) {
    int32_t bytes;
    memcpy(&bytes, act, sizeof bytes);
    const __m256i four = _mm256_set1_epi32(bytes);
    if (dot_class(bits) < 8) return dot_add_narrow(d, codes, four, narrow_steps(bits), step);
    d.sum = i32_add(d.sum, (i32x16){signed_product(codes.lo, four), signed_product(codes.hi, four)});
    return d;
}
FOLD i32x16 dot_end(dots d) {
    return d.sum;
}

#endif
