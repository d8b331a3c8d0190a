/* ymm.h: what the instruction sets of 256-bit registers share (AVX2, FMA, F16C): all of the vector layer on pairs of registers but the dot products and
 * the sizes of register tiles. Same names and same bits as scalar.h, which says what each means. Refuses to be an instruction set: avx2.h and
 * avxvnni.h are, and include this. */
#ifndef QBIN_SIMD_YMM_H
#define QBIN_SIMD_YMM_H

#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cpu.h"
#include "base/half.h"
#include "simd/compiler.h"

typedef struct f32x16 {
    __m256 lo, hi;
} f32x16;
typedef struct i32x16 {
    __m256i lo, hi;
} i32x16;
typedef struct u8x64 {
    __m256i lo, hi;
} u8x64;

/* All ones in the first n of 16 lanes: a window into this. */
static const int32_t lane_window[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

FOLD i32x16 lanes_below(size_t n) {
    const int32_t *w = lane_window + 16 - n;
    return (i32x16){_mm256_loadu_si256((const __m256i *)(const void *)w), _mm256_loadu_si256((const __m256i *)(const void *)(w + 8))};
}

/* ---- f32: loads, stores, constants ---- */

FOLD f32x16 f32_set(float x) {
    return (f32x16){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
FOLD f32x16 f32_load(const float *p) {
    return (f32x16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
FOLD f32x16 f32_load_part(const float *p, size_t n) {
    if (n == 16) return f32_load(p);
    const i32x16 m = lanes_below(n);
    return (f32x16){_mm256_maskload_ps(p, m.lo), _mm256_maskload_ps(p + 8, m.hi)};
}
FOLD void f32_store(float *p, f32x16 a) {
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}
FOLD void f32_store_part(float *p, f32x16 a, size_t n) {
    const i32x16 m = lanes_below(n);
    _mm256_maskstore_ps(p, m.lo, a.lo);
    _mm256_maskstore_ps(p + 8, m.hi, a.hi);
}
FOLD __m128i load_eight_u16(const uint16_t *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
FOLD f32x16 f32_load_f16(const uint16_t *p) {
    return (f32x16){_mm256_cvtph_ps(load_eight_u16(p)), _mm256_cvtph_ps(load_eight_u16(p + 8))};
}
FOLD __m256 eight_of_bf16(const uint16_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_eight_u16(p)), 16));
}
FOLD f32x16 f32_load_bf16(const uint16_t *p) {
    return (f32x16){eight_of_bf16(p), eight_of_bf16(p + 8)};
}
FOLD void f32_store_f16(uint16_t *p, f32x16 a) {
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    _mm_storeu_si128((__m128i *)(void *)(p + 8), _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
FOLD f32x16 f32_load_twice(const float *p, size_t n) {
    const __m256 v = f32_load_part(p, n).lo;
    return (f32x16){_mm256_permutevar8x32_ps(v, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3)),
                    _mm256_permutevar8x32_ps(v, _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7))};
}

/* ---- f32: arithmetic ---- */

FOLD f32x16 f32_add(f32x16 a, f32x16 b) {
    return (f32x16){_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
FOLD f32x16 f32_sub(f32x16 a, f32x16 b) {
    return (f32x16){_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
FOLD f32x16 f32_mul(f32x16 a, f32x16 b) {
    return (f32x16){_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
FOLD f32x16 f32_div(f32x16 a, f32x16 b) {
    return (f32x16){_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
FOLD f32x16 f32_fma(f32x16 a, f32x16 b, f32x16 c) {
    return (f32x16){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
FOLD f32x16 f32_max(f32x16 a, f32x16 b) {
    return (f32x16){_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
FOLD f32x16 f32_min(f32x16 a, f32x16 b) {
    return (f32x16){_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
FOLD f32x16 f32_abs(f32x16 a) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (f32x16){_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
FOLD f32x16 f32_neg(f32x16 a) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (f32x16){_mm256_xor_ps(a.lo, sign), _mm256_xor_ps(a.hi, sign)};
}
FOLD __m256 eight_lanes_of(uint32_t mask) { /* of its low 8 bits */
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)mask), bit), bit));
}
FOLD f32x16 f32_select(uint32_t mask, f32x16 a, f32x16 b) {
    return (f32x16){_mm256_blendv_ps(b.lo, a.lo, eight_lanes_of(mask)), _mm256_blendv_ps(b.hi, a.hi, eight_lanes_of(mask >> 8))};
}
FOLD f32x16 f32_where_negative(f32x16 x, f32x16 a, f32x16 b) {
    return (f32x16){_mm256_blendv_ps(b.lo, a.lo, x.lo), _mm256_blendv_ps(b.hi, a.hi, x.hi)};
}
FOLD __m256 power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
FOLD __m256 eight_times_power(__m256 a, __m256 n) {
    const __m256 shift = _mm256_set1_ps(0x1.8p23f);
    const __m256i whole = _mm256_sub_epi32(_mm256_castps_si256(_mm256_add_ps(n, shift)), _mm256_castps_si256(shift));
    const __m256i half = _mm256_srai_epi32(whole, 1);
    return _mm256_mul_ps(_mm256_mul_ps(a, power_of_two(half)), power_of_two(_mm256_sub_epi32(whole, half)));
}
FOLD f32x16 f32_times_power(f32x16 a, f32x16 n) {
    return (f32x16){eight_times_power(a.lo, n.lo), eight_times_power(a.hi, n.hi)};
}
FOLD f32x16 f32_swap_pairs(f32x16 a) {
    return (f32x16){_mm256_permute_ps(a.lo, 0xb1), _mm256_permute_ps(a.hi, 0xb1)};
}
FOLD float f32_sum(f32x16 a) {
    const __m256 eight = _mm256_add_ps(a.lo, a.hi);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
FOLD float f32_top(f32x16 a) {
    const __m256 eight = _mm256_max_ps(a.lo, a.hi);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* ---- i32 ---- */

FOLD i32x16 i32_set(int32_t x) {
    return (i32x16){_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
FOLD i32x16 i32_add(i32x16 a, i32x16 b) {
    return (i32x16){_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
FOLD i32x16 i32_max(i32x16 a, i32x16 b) {
    return (i32x16){_mm256_max_epi32(a.lo, b.lo), _mm256_max_epi32(a.hi, b.hi)};
}
FOLD int32_t i32_sum(i32x16 a) {
    const __m256i eight = _mm256_add_epi32(a.lo, a.hi);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}
FOLD int32_t i32_top(i32x16 a) {
    const __m256i eight = _mm256_max_epi32(a.lo, a.hi);
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}
FOLD void i32_store_i8(int8_t *p, i32x16 a) {
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.lo, a.hi), 0xd8);
    _mm_storeu_si128((__m128i *)(void *)p, _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
FOLD f32x16 f32_of_i32(i32x16 a) {
    return (f32x16){_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)};
}
FOLD i32x16 i32_round(f32x16 a) {
    return (i32x16){_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)};
}
FOLD i32x16 i32_bits(f32x16 a) {
    return (i32x16){_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)};
}

/* ---- codes ---- */

FOLD u8x64 u8_load(const uint8_t *p) {
    return (u8x64){_mm256_loadu_si256((const __m256i *)(const void *)p), _mm256_loadu_si256((const __m256i *)(const void *)(p + 32))};
}
FOLD void u8_store(uint8_t *p, u8x64 a) {
    _mm256_storeu_si256((__m256i *)(void *)p, a.lo);
    _mm256_storeu_si256((__m256i *)(void *)(p + 32), a.hi);
}
FOLD __m256i half_field(__m256i a, int shift, int bits) {
    return _mm256_and_si256(shift == 0 ? a : _mm256_srli_epi32(a, shift), _mm256_set1_epi8((char)((1 << bits) - 1)));
}
FOLD u8x64 u8_field(u8x64 a, int shift, int bits) {
    return (u8x64){half_field(a.lo, shift, bits), half_field(a.hi, shift, bits)};
}
FOLD __m256i half_moved(__m256i a, int from, int bits, int to) {
    const __m256i moved = from == to ? a : from > to ? _mm256_srli_epi32(a, from - to) : _mm256_slli_epi32(a, to - from);
    return _mm256_and_si256(moved, _mm256_set1_epi8((char)(((1 << bits) - 1) << to)));
}
FOLD u8x64 u8_join(u8x64 low, u8x64 a, int from, int bits, int to) {
    return (u8x64){_mm256_or_si256(low.lo, half_moved(a.lo, from, bits, to)), _mm256_or_si256(low.hi, half_moved(a.hi, from, bits, to))};
}
FOLD u8x64 u8_flip_top(u8x64 a) { /* code to signed byte and back: u8_of_codes or u8_of_levels */
    const __m256i top = _mm256_set1_epi8((char)0x80);
    return (u8x64){_mm256_xor_si256(a.lo, top), _mm256_xor_si256(a.hi, top)};
}
FOLD __m256i half_pairs(const uint8_t *p) {
    __m256i v = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
    v = _mm256_or_si256(v, _mm256_slli_epi32(v, 12));
    v = _mm256_or_si256(v, _mm256_slli_epi32(v, 6));
    return _mm256_and_si256(v, _mm256_set1_epi8(3));
}
FOLD u8x64 u8_pairs(const uint8_t *p) {
    return (u8x64){half_pairs(p), half_pairs(p + 8)};
}
FOLD __m256i half_third(__m256i a) { /* b = a - 1: three quarters of it, rounded up twice; the two highest bits are those of 3 a / 4 for every byte */
    const __m256i b = _mm256_subs_epu8(a, _mm256_set1_epi8(1));
    return half_field(_mm256_avg_epu8(b, _mm256_avg_epu8(b, _mm256_setzero_si256())), 6, 2);
}
FOLD u8x64 u8_third(u8x64 a) {
    return (u8x64){half_third(a.lo), half_third(a.hi)};
}
FOLD u8x64 u8_triple(u8x64 a) {
    return (u8x64){_mm256_add_epi8(a.lo, _mm256_add_epi8(a.lo, a.lo)), _mm256_add_epi8(a.hi, _mm256_add_epi8(a.hi, a.hi))};
}
FOLD u8x64 u8_table(const uint8_t *p) {
    const __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p));
    return (u8x64){t, t};
}
FOLD u8x64 u8_lookup(u8x64 table, u8x64 codes) {
    return (u8x64){_mm256_shuffle_epi8(table.lo, codes.lo), _mm256_shuffle_epi8(table.lo, codes.hi)};
}
typedef struct u8_rows { /* part j: in each 128-bit quarter, the tables of the rows j, j + 1 ... of its four that fit into sixteen bytes */
    u8x64 part[4];
} u8_rows;
FOLD __m256i two_quarters(const uint8_t *low, const uint8_t *high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)low)),
                                   _mm_loadu_si128((const __m128i *)(const void *)high), 1);
}
FOLD u8_rows u8_rows_load(const uint8_t *p, int bits) {
    const int parts = 1 << (bits - 2), quarter = 16 * parts;
    u8_rows r = {0};
    UNROLL for (int j = 0; j < parts; j++) {
        const uint8_t *at = p + 16 * j;
        r.part[j] = (u8x64){two_quarters(at, at + quarter), two_quarters(at + 2 * quarter, at + 3 * quarter)};
    }
    return r;
}
/* Rows of a quarter are its four 32-bit lanes: which table of a part a lane has stands in its index, or its part is chosen after the lookup. */
FOLD __m256i half_rows_lookup(__m256i a, __m256i b, __m256i c, __m256i d, __m256i codes, int bits) {
    const __m256i four = _mm256_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0, 0x0c0c0c0c, 0x08080808, 0x04040404, 0);
    if (bits == 2) return _mm256_shuffle_epi8(a, _mm256_or_si256(codes, four));
    const __m256i two = _mm256_set_epi32(0x08080808, 0, 0x08080808, 0, 0x08080808, 0, 0x08080808, 0), at = _mm256_or_si256(codes, two);
    if (bits == 3) return _mm256_blend_epi32(_mm256_shuffle_epi8(a, at), _mm256_shuffle_epi8(b, at), 0xcc);
    const __m256i low = _mm256_blend_epi32(_mm256_shuffle_epi8(a, codes), _mm256_shuffle_epi8(b, codes), 0xaa);
    const __m256i high = _mm256_blend_epi32(_mm256_shuffle_epi8(c, codes), _mm256_shuffle_epi8(d, codes), 0xaa);
    return _mm256_blend_epi32(low, high, 0xcc);
}
FOLD u8x64 u8_rows_lookup(const u8_rows *tables, u8x64 codes, int bits) {
    const u8x64 *p = tables->part;
    return (u8x64){half_rows_lookup(p[0].lo, p[1].lo, p[2].lo, p[3].lo, codes.lo, bits),
                   half_rows_lookup(p[0].hi, p[1].hi, p[2].hi, p[3].hi, codes.hi, bits)};
}

FOLD void prefetch(const void *p) {
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}

#endif
