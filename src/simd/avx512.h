/* avx512.h: the vector layer on 512-bit registers, with byte dot products (VNNI). Same names and same bits as scalar.h, which says what each means. */
#ifndef QBIN_SIMD_AVX512_H
#define QBIN_SIMD_AVX512_H

#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cpu.h"
#include "base/half.h"
#include "simd/compiler.h"

#define SIMD_NEEDS (CPU_AVX2 | CPU_AVX512)
enum {
    SIMD_AHEAD = 3072,       /* bytes of a stream of weights that are on their way */
    SIMD_PANEL = 7,          /* 2 x 7 integer and 2 x 7 float sums leave four registers for weights, scales and an activation */
    SIMD_GEMM_GROUPS = 2,    /* row groups of a tile of the matrix product */
    SIMD_ATTEND_QUERIES = 8, /* queries of a tile of attention */
};
/* One stream of weights is what the memory likes best; two share an activation's load while the sums fit into the registers. */
FOLD int simd_gemv_groups(int tokens) {
    return tokens == 1 || tokens == SIMD_PANEL ? 1 : 2;
}
FOLD int simd_plain_groups(int tokens) {
    return tokens <= 3 ? 4 : 2;
}
FOLD int simd_attend_vectors(int queries) {
    return queries <= 4 ? 4 : 2;
}

typedef __m512 f32x16;
typedef __m512i i32x16;
typedef __m512i u8x64;

FOLD __mmask16 lanes_below(size_t n) {
    return (__mmask16)((1u << n) - 1);
}

/* ---- f32: loads, stores, constants ---- */

FOLD f32x16 f32_set(float x) {
    return _mm512_set1_ps(x);
}
FOLD f32x16 f32_load(const float *p) {
    return _mm512_loadu_ps(p);
}
FOLD f32x16 f32_load_part(const float *p, size_t n) {
    return _mm512_maskz_loadu_ps(lanes_below(n), p);
}
FOLD void f32_store(float *p, f32x16 a) {
    _mm512_storeu_ps(p, a);
}
FOLD void f32_store_part(float *p, f32x16 a, size_t n) {
    _mm512_mask_storeu_ps(p, lanes_below(n), a);
}
FOLD f32x16 f32_load_f16(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
FOLD f32x16 f32_load_bf16(const uint16_t *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p)), 16));
}
FOLD void f32_store_f16(uint16_t *p, f32x16 a) {
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
FOLD f32x16 f32_load_twice(const float *p, size_t n) {
    const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    return _mm512_permutexvar_ps(twice, f32_load_part(p, n));
}

/* ---- f32: arithmetic ---- */

FOLD f32x16 f32_add(f32x16 a, f32x16 b) {
    return _mm512_add_ps(a, b);
}
FOLD f32x16 f32_sub(f32x16 a, f32x16 b) {
    return _mm512_sub_ps(a, b);
}
FOLD f32x16 f32_mul(f32x16 a, f32x16 b) {
    return _mm512_mul_ps(a, b);
}
FOLD f32x16 f32_div(f32x16 a, f32x16 b) {
    return _mm512_div_ps(a, b);
}
FOLD f32x16 f32_fma(f32x16 a, f32x16 b, f32x16 c) {
    return _mm512_fmadd_ps(a, b, c);
}
FOLD f32x16 f32_max(f32x16 a, f32x16 b) {
    return _mm512_max_ps(a, b);
}
FOLD f32x16 f32_min(f32x16 a, f32x16 b) {
    return _mm512_min_ps(a, b);
}
FOLD f32x16 f32_abs(f32x16 a) {
    return _mm512_abs_ps(a);
}
FOLD f32x16 f32_neg(f32x16 a) {
    return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f));
}
FOLD f32x16 f32_select(uint32_t mask, f32x16 a, f32x16 b) {
    return _mm512_mask_blend_ps((__mmask16)mask, b, a);
}
FOLD f32x16 f32_where_negative(f32x16 x, f32x16 a, f32x16 b) {
    return _mm512_mask_blend_ps(_mm512_movepi32_mask(_mm512_castps_si512(x)), b, a);
}
FOLD f32x16 f32_times_power(f32x16 a, f32x16 n) {
    return _mm512_scalef_ps(a, n);
}
FOLD f32x16 f32_swap_pairs(f32x16 a) {
    return _mm512_permute_ps(a, 0xb1);
}
FOLD float f32_sum(f32x16 a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
FOLD float f32_top(f32x16 a) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* ---- i32 ---- */

FOLD i32x16 i32_set(int32_t x) {
    return _mm512_set1_epi32(x);
}
FOLD i32x16 i32_add(i32x16 a, i32x16 b) {
    return _mm512_add_epi32(a, b);
}
FOLD i32x16 i32_max(i32x16 a, i32x16 b) {
    return _mm512_max_epi32(a, b);
}
FOLD int32_t i32_sum(i32x16 a) {
    return _mm512_reduce_add_epi32(a);
}
FOLD int32_t i32_top(i32x16 a) {
    return _mm512_reduce_max_epi32(a);
}
FOLD void i32_store_i8(int8_t *p, i32x16 a) {
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(a));
}
FOLD f32x16 f32_of_i32(i32x16 a) {
    return _mm512_cvtepi32_ps(a);
}
FOLD i32x16 i32_round(f32x16 a) {
    return _mm512_cvt_roundps_epi32(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
FOLD i32x16 i32_bits(f32x16 a) {
    return _mm512_castps_si512(a);
}

/* ---- codes ---- */

FOLD u8x64 u8_load(const uint8_t *p) {
    return _mm512_loadu_si512(p);
}
FOLD void u8_store(uint8_t *p, u8x64 a) {
    _mm512_storeu_si512(p, a);
}
FOLD u8x64 u8_field(u8x64 a, int shift, int bits) {
    const __m512i down = shift == 0 ? a : _mm512_srli_epi32(a, (unsigned)shift);
    return _mm512_and_si512(down, _mm512_set1_epi8((char)((1 << bits) - 1)));
}
FOLD u8x64 u8_join(u8x64 low, u8x64 a, int from, int bits, int to) {
    enum { A_AND_B_OR_C = 0xea };
    const __m512i moved = from == to ? a : from > to ? _mm512_srli_epi32(a, (unsigned)(from - to)) : _mm512_slli_epi32(a, (unsigned)(to - from));
    return _mm512_ternarylogic_epi32(moved, _mm512_set1_epi8((char)(((1 << bits) - 1) << to)), low, A_AND_B_OR_C);
}
enum { DOT_TAKES_SIGNED = 0 };
FOLD u8x64 u8_of_codes(u8x64 codes) {
    return codes;
}
FOLD u8x64 u8_of_levels(u8x64 levels) {
    return _mm512_xor_si512(levels, _mm512_set1_epi8((char)0x80));
}
FOLD u8x64 u8_pairs(const uint8_t *p) {
    __m512i v = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    v = _mm512_or_si512(v, _mm512_slli_epi32(v, 12));
    v = _mm512_or_si512(v, _mm512_slli_epi32(v, 6));
    return _mm512_and_si512(v, _mm512_set1_epi8(3));
}
FOLD u8x64 u8_third(u8x64 a) { /* as in avx2.h */
    const __m512i b = _mm512_subs_epu8(a, _mm512_set1_epi8(1));
    return u8_field(_mm512_avg_epu8(b, _mm512_avg_epu8(b, _mm512_setzero_si512())), 6, 2);
}
FOLD u8x64 u8_triple(u8x64 a) {
    return _mm512_add_epi8(a, _mm512_add_epi8(a, a));
}
FOLD u8x64 u8_table(const uint8_t *p) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)p));
}
FOLD u8x64 u8_lookup(u8x64 table, u8x64 codes) {
    return _mm512_shuffle_epi8(table, codes);
}
typedef struct u8_rows { /* as 64, 128 or 256 bytes follow each other */
    __m512i a, b, c, d;
} u8_rows;
FOLD u8_rows u8_rows_load(const uint8_t *p, int bits) {
    u8_rows r = {.a = u8_load(p)};
    if (bits > 2) r.b = u8_load(p + 64);
    if (bits > 3) r.c = u8_load(p + 128), r.d = u8_load(p + 192);
    return r;
}
/* The index of a byte is lane << bits | code. The permutations take its low six or seven bits, so two of them cover eight lanes each. */
FOLD u8x64 u8_rows_lookup(const u8_rows *tables, u8x64 codes, int bits) {
    const __m512i lane = _mm512_set_epi32(0x0f0f0f0f, 0x0e0e0e0e, 0x0d0d0d0d, 0x0c0c0c0c, 0x0b0b0b0b, 0x0a0a0a0a, 0x09090909, 0x08080808, 0x07070707,
                                          0x06060606, 0x05050505, 0x04040404, 0x03030303, 0x02020202, 0x01010101, 0);
    const __m512i at = _mm512_or_si512(codes, _mm512_slli_epi32(lane, (unsigned)bits));
    if (bits == 2) return _mm512_permutexvar_epi8(at, tables->a);
    const __m512i low = _mm512_permutex2var_epi8(tables->a, at, tables->b);
    if (bits == 3) return low;
    return _mm512_mask_blend_epi32(0xff00, low, _mm512_permutex2var_epi8(tables->c, at, tables->d));
}

/* ---- dot products: vpdpbusd is exact for all unsigned and signed bytes ---- */

typedef i32x16 dots;

FOLD int dot_bias(int bits) {
    (void)bits;
    return 0;
}
FOLD int dot_class(int bits) {
    (void)bits;
    return 8;
}
FOLD dots dot_begin(int32_t start) {
    return _mm512_set1_epi32(start);
}
FOLD dots dot_add(dots d, u8x64 codes, const int8_t *act, int bits, int step) {
    (void)bits;
    (void)step;
    int32_t four;
    memcpy(&four, act, sizeof four);
    return _mm512_dpbusd_epi32(d, codes, _mm512_set1_epi32(four));
}
FOLD i32x16 dot_end(dots d) {
    return d;
}

FOLD void prefetch(const void *p) {
    _mm_prefetch(p, _MM_HINT_T0);
}

#endif
