/* avxvnni.h: the vector layer on pairs of 256-bit registers with byte dot products (AVX-VNNI, VEX encoding; the names that are not here are in ymm.h).
 * Same names and same bits as scalar.h, which says what each means. */
#ifndef QBIN_SIMD_AVXVNNI_H
#define QBIN_SIMD_AVXVNNI_H

#include "simd/ymm.h"

#define SIMD_NEEDS (CPU_AVX2 | CPU_AVXVNNI)
enum {
    SIMD_AHEAD = 3072,       /* bytes of a stream of weights that are on their way */
    SIMD_PANEL = 6,          /* 12 registers of sums leave four for weights and an activation */
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

/* ---- dot products: vpdpbusd is exact for all unsigned and signed bytes ---- */

enum { DOT_TAKES_SIGNED = 0 };
FOLD u8x64 u8_of_codes(u8x64 codes) {
    return codes;
}
FOLD u8x64 u8_of_levels(u8x64 levels) {
    return u8_flip_top(levels);
}

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
    return i32_set(start);
}
FOLD dots dot_add(dots d, u8x64 codes, const int8_t *act, int bits, int step) {
    (void)bits;
    (void)step;
    int32_t bytes;
    memcpy(&bytes, act, sizeof bytes);
    const __m256i four = _mm256_set1_epi32(bytes);
    return (dots){_mm256_dpbusd_avx_epi32(d.lo, codes.lo, four), _mm256_dpbusd_avx_epi32(d.hi, codes.hi, four)};
}
FOLD i32x16 dot_end(dots d) {
    return d;
}

#endif
