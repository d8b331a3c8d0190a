#include "simd/probe.h"

#include "simd/compiler.h"

enum { LOOPS = 1 << 20, CHAINS = 12 }; /* independent sums cover the latency of two units, and fit into the registers */

/* One probe: each of CHAINS sums takes step(sum, a, b) in turn. HIDE, which each architecture defines, keeps the compiler from seeing what a sum is, so
 * that it neither finds that all chains are one nor leaves out what is not used. */
#define PROBE(name, needs, vector, start, step)             \
    needs static void name(void) {                          \
        vector a = start, b = start;                        \
        vector sum[CHAINS];                                 \
        UNROLL for (int j = 0; j < CHAINS; j++) sum[j] = a; \
        for (int i = 0; i < LOOPS; i++) {                   \
            UNROLL for (int j = 0; j < CHAINS; j++) {       \
                HIDE(b);                                    \
                HIDE(sum[j]);                               \
                sum[j] = step(sum[j], a, b);                \
                HIDE(sum[j]);                               \
            }                                               \
        }                                                   \
    }

/* Of a vector of so many bytes: four products of bytes or one of floats in every four, and each has an addition. */
#define BYTE_OPS(bytes)  (2.0 * (bytes)*CHAINS * LOOPS)
#define FLOAT_OPS(bytes) (BYTE_OPS(bytes) / 4)

#if defined(__x86_64__)
#include <immintrin.h>

#define HIDE(x)    __asm__ volatile("" : "+v"(x))
#define NEEDS(isa) __attribute__((target(isa)))
#define PAIRS(s, a, b) \
    _mm256_adds_epi16(s, _mm256_maddubs_epi16(a, b)) /* without byte dot products: two products are added in 16 bits, and those once more */
#define FMA_YMM(s, a, b) _mm256_fmadd_ps(a, b, s)
#define FMA_ZMM(s, a, b) _mm512_fmadd_ps(a, b, s)

PROBE(integer_avx2, NEEDS("avx2"), __m256i, _mm256_set1_epi32(0x01020304), PAIRS)
PROBE(floating_avx2, NEEDS("avx2,fma"), __m256, _mm256_set1_ps(1.0f), FMA_YMM)
PROBE(integer_avxvnni, NEEDS("avx2,avxvnni"), __m256i, _mm256_set1_epi32(0x01020304), _mm256_dpbusd_avx_epi32)
PROBE(integer_avx512, NEEDS("avx512f,avx512vnni"), __m512i, _mm512_set1_epi32(0x01020304), _mm512_dpbusd_epi32)
PROBE(floating_avx512, NEEDS("avx512f"), __m512, _mm512_set1_ps(1.0f), FMA_ZMM)

const probe probes[] = {
    {"avx2", BYTE_OPS(32), integer_avx2, FLOAT_OPS(32), floating_avx2},
    {"avxvnni", BYTE_OPS(32), integer_avxvnni, FLOAT_OPS(32), floating_avx2},
    {"avx512", BYTE_OPS(64), integer_avx512, FLOAT_OPS(64), floating_avx512},
    {.isa = NULL},
};

#elif defined(__aarch64__)
#include <arm_neon.h>

#define HIDE(x)           __asm__ volatile("" : "+w"(x))
#define NEEDS_DOTPROD     __attribute__((target("arch=armv8.2-a+dotprod")))
#define FMA_NEON(s, a, b) vfmaq_f32(s, a, b)

PROBE(integer_neon, NEEDS_DOTPROD, int8x16_t, vdupq_n_s8(1), vdotq_s32)
PROBE(floating_neon, , float32x4_t, vdupq_n_f32(1.0f), vfmaq_f32)

const probe probes[] = {
    {"neon", BYTE_OPS(16), integer_neon, FLOAT_OPS(16), floating_neon},
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
