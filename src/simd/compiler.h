/* compiler.h: the two words that make the compiler keep a tile in registers, as gcc and clang spell them. Owns nothing else.
 *
 *   FOLD    before a function that takes constants, or a single instruction: it is only ever a part of its caller
 *   UNROLL  before a short loop with a constant count: complete unrolling, so that the arrays it indexes become registers */
#ifndef QBIN_SIMD_COMPILER_H
#define QBIN_SIMD_COMPILER_H

#define FOLD static inline __attribute__((always_inline))

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif

#endif
