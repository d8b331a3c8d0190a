#include "simd/probe.h"

#include "simd/compiler.h"

enum { LOOPS = 1 << 20, CHAINS = 12 }; /* independent sums cover the latency of two units, and fit into the registers */

/* One probe: each of CHAINS sums takes step(sum, a, b) in turn, a statement. HIDE, which each architecture defines, keeps the compiler from seeing what a
 * value is, so that it neither finds that all chains are one nor leaves out what is not used. */
#define PROBE(name, isa, vector, start, step)               \
    __attribute__((target(isa))) static void name(void) {   \
        vector a = start, b = start, sum[CHAINS];           \
        UNROLL for (int j = 0; j < CHAINS; j++) sum[j] = a; \
        for (int i = 0; i < LOOPS; i++) {                   \
            UNROLL for (int j = 0; j < CHAINS; j++) {       \
                HIDE(b);                                    \
                HIDE(sum[j]);                               \
                step(sum[j], a, b);                         \
                HIDE(sum[j]);                               \
            }                                               \
        }                                                   \
    }

/* Of a vector of so many bytes: four products of bytes or one of floats in every four, and each has an addition. */
#define BYTE_OPS(bytes)  (2.0 * (bytes)*CHAINS * LOOPS)
#define FLOAT_OPS(bytes) (BYTE_OPS(bytes) / 4)

#if defined(__x86_64__)
#include <immintrin.h>

#define HIDE(x)          __asm__ volatile("" : "+v"(x))
#define BYTES_YMM        _mm256_set1_epi32(0x01020304)
#define BYTES_ZMM        _mm512_set1_epi32(0x01020304)
#define PAIRS(s, a, b)   s = _mm256_adds_epi16(s, _mm256_maddubs_epi16(a, b)) /* without byte dot products: sums of two products, added in 16 bits */
#define DOT_YMM(s, a, b) s = _mm256_dpbusd_avx_epi32(s, a, b)
#define DOT_ZMM(s, a, b) s = _mm512_dpbusd_epi32(s, a, b)
#define FMA_YMM(s, a, b) s = _mm256_fmadd_ps(a, b, s)
#define FMA_ZMM(s, a, b) s = _mm512_fmadd_ps(a, b, s)

PROBE(integer_avx2, "avx2", __m256i, BYTES_YMM, PAIRS)
PROBE(floating_avx2, "avx2,fma", __m256, _mm256_set1_ps(1.0f), FMA_YMM)
PROBE(integer_avxvnni, "avx2,avxvnni", __m256i, BYTES_YMM, DOT_YMM)
PROBE(integer_avx512, "avx512f,avx512vnni", __m512i, BYTES_ZMM, DOT_ZMM)
PROBE(floating_avx512, "avx512f", __m512, _mm512_set1_ps(1.0f), FMA_ZMM)

const probe probes[] = {
    {"avx2", BYTE_OPS(32), integer_avx2, FLOAT_OPS(32), floating_avx2},
    {"avxvnni", BYTE_OPS(32), integer_avxvnni, FLOAT_OPS(32), floating_avx2},
    {"avx512", BYTE_OPS(64), integer_avx512, FLOAT_OPS(64), floating_avx512},
    {.isa = NULL},
};

#elif defined(__aarch64__)
#include <arm_neon.h>

#if defined(__clang__)
#define WITH_DOT "dotprod"
#else
#define WITH_DOT "arch=armv8.2-a+dotprod"
#endif
#define HIDE(x)      __asm__ volatile("" : "+w"(x))
#define DOT(s, a, b) __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(s) : "w"(a), "w"(b)) /* its intrinsic wants a flag for the whole file */
#define FMA(s, a, b) s = vfmaq_f32(s, a, b)

PROBE(integer_neon, WITH_DOT, int32x4_t, vdupq_n_s32(0x01020304), DOT)
PROBE(floating_neon, WITH_DOT, float32x4_t, vdupq_n_f32(1.0f), FMA)

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
