/* lane.h: what every source of this folder starts with. Each is compiled once per instruction set, with -DSIMD_HEADER and -DSIMD_ISA.
 *
 * Owns the names that differ per instruction set. FOLD and UNROLL are words of the vector layer (simd/compiler.h). */
#ifndef QBIN_KERNELS_LANE_H
#define QBIN_KERNELS_LANE_H

#include SIMD_HEADER

#include "base/check.h"
#include "kernels/kernels.h"

/* LANE(rmsnorm) is rmsnorm_avx2, rmsnorm_avx512 ...: one symbol per instruction set. */
#define LANE(name)           LANE_NAME(name, SIMD_ISA)
#define LANE_NAME(name, isa) LANE_JOIN(name, isa)
#define LANE_JOIN(name, isa) name##_##isa

/* call(n) with a constant for n in 1 .. 8: the length of a register tile's side. */
#define WITH_COUNT(n, call) \
    switch (n) {            \
        case 1:             \
            call(1);        \
            break;          \
        case 2:             \
            call(2);        \
            break;          \
        case 3:             \
            call(3);        \
            break;          \
        case 4:             \
            call(4);        \
            break;          \
        case 5:             \
            call(5);        \
            break;          \
        case 6:             \
            call(6);        \
            break;          \
        case 7:             \
            call(7);        \
            break;          \
        default:            \
            call(8);        \
            break;          \
    }

encode_fn LANE(encode_f32), LANE(encode_i8_64), LANE(encode_i8_32), LANE(encode_token_64), LANE(encode_token_32), LANE(encode_static_64),
    LANE(encode_static_32);

void LANE(rmsnorm)(float *y, const float *x, const float *gain, size_t n, float eps);
void LANE(layernorm)(float *y, const float *x, const float *gain, const float *bias, size_t n, float eps);
void LANE(rope_half)(float *x, const float *table, size_t dims);
void LANE(rope_interleaved)(float *x, const float *table, size_t dims);

/* Lists of linear kernels by source file; each ends with run NULL. */
extern const linear_kernel LANE(linear_plain)[], LANE(linear_block64)[], LANE(linear_block32)[];
extern const cache_type *const LANE(cache_types)[], LANE(cache_f16), LANE(cache_f32), LANE(cache_q8), LANE(cache_q4);
void LANE(attend)(const attend_args *a);
void LANE(attend_merge)(float *m, float *l, float *o, float chunk_m, float chunk_l, const float *chunk_o, size_t head_pad);

#endif
