#include "simd/probe.h"

enum { LOOPS = 1 << 20, CHAINS = 12, CHAINS_AVX2 = 8 }; /* independent sums cover the latency of two units, and fit into the registers */

#if defined(__x86_64__)
#include <immintrin.h>

#define HIDE(x) __asm__ volatile("" : "+v"(x)) /* keeps the compiler from seeing what is computed */

__attribute__((target("avx512f,avx512vnni"))) static void integer_avx512(void) {
    __m512i sum[CHAINS] = {0}, a = _mm512_set1_epi32(0x01020304), b = a;
    for (int j = 0; j < CHAINS; j++) HIDE(sum[j]); /* or the compiler finds that all chains are one */
    for (int i = 0; i < LOOPS; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < CHAINS; j++) sum[j] = _mm512_dpbusd_epi32(sum[j], a, b);
        HIDE(a);
    }
    for (int j = 0; j < CHAINS; j++) HIDE(sum[j]);
}

__attribute__((target("avx512f"))) static void floating_avx512(void) {
    __m512 sum[CHAINS] = {0}, a = _mm512_set1_ps(1.0f), b = a;
    for (int j = 0; j < CHAINS; j++) HIDE(sum[j]); /* or the compiler finds that all chains are one */
    for (int i = 0; i < LOOPS; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < CHAINS; j++) sum[j] = _mm512_fmadd_ps(a, b, sum[j]);
        HIDE(a);
    }
    for (int j = 0; j < CHAINS; j++) HIDE(sum[j]);
}

/* Without byte dot products: two products are added in 16 bits, and those once more. */
__attribute__((target("avx2"))) static void integer_avx2(void) {
    __m256i sum[CHAINS_AVX2] = {0}, a = _mm256_set1_epi32(0x01020304), b = a;
    for (int j = 0; j < CHAINS_AVX2; j++) HIDE(sum[j]); /* or the compiler finds that all chains are one */
    for (int i = 0; i < LOOPS; i++) {
#pragma GCC unroll 8
        for (int j = 0; j < CHAINS_AVX2; j++) {
            HIDE(b);
            sum[j] = _mm256_adds_epi16(sum[j], _mm256_maddubs_epi16(a, b));
        }
    }
    for (int j = 0; j < CHAINS_AVX2; j++) HIDE(sum[j]);
}

__attribute__((target("avx2,fma"))) static void floating_avx2(void) {
    __m256 sum[CHAINS_AVX2] = {0}, a = _mm256_set1_ps(1.0f), b = a;
    for (int j = 0; j < CHAINS_AVX2; j++) HIDE(sum[j]); /* or the compiler finds that all chains are one */
    for (int i = 0; i < LOOPS; i++) {
#pragma GCC unroll 8
        for (int j = 0; j < CHAINS_AVX2; j++) sum[j] = _mm256_fmadd_ps(a, b, sum[j]);
        HIDE(a);
    }
    for (int j = 0; j < CHAINS_AVX2; j++) HIDE(sum[j]);
}

const probe probes[] = {
    {"avx2", 64.0 * CHAINS_AVX2 *LOOPS, integer_avx2, 16.0 * CHAINS_AVX2 *LOOPS, floating_avx2},
    {"avx512", 128.0 * CHAINS *LOOPS, integer_avx512, 32.0 * CHAINS *LOOPS, floating_avx512},
    {.isa = NULL},
};
#else
const probe probes[] = {{.isa = NULL}};
#endif

/* Four streams a quarter apart, each asked for ahead of time: more lines are on their way than one stream keeps. */
uint64_t probe_read(const uint8_t *p, size_t bytes) {
    typedef uint64_t lane __attribute__((vector_size(16), may_alias));
    enum { STREAMS = 4, LINE = 64, LANES = LINE / sizeof(lane), AHEAD = 2048 };
    lane sum[STREAMS * LANES] = {{0}};
    const size_t quarter = bytes / STREAMS / LINE * LINE;
    for (size_t at = 0; at < quarter; at += LINE) {
#pragma GCC unroll 4
        for (size_t s = 0; s < STREAMS; s++) {
            const uint8_t *line = p + s * quarter + at;
            __builtin_prefetch(line + AHEAD);
            const lane *v = (const lane *)(const void *)line;
#pragma GCC unroll 4
            for (size_t i = 0; i < LANES; i++) sum[s * LANES + i] ^= v[i];
        }
    }
    uint64_t all = 0;
    for (size_t i = 0; i < STREAMS * LANES; i++) all ^= sum[i][0] ^ sum[i][1];
    return all;
}
