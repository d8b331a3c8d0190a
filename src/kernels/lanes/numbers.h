/* numbers.h: floating-point numbers as they lie in memory: how many bytes one has, how sixteen are read and written. */
#ifndef QBIN_KERNELS_NUMBERS_H
#define QBIN_KERNELS_NUMBERS_H

#include "lane.h"

typedef struct number {
    size_t bytes;
    f32x16 (*load)(const uint8_t *p);
    void (*store)(uint8_t *p, f32x16 x);
} number;

FOLD f32x16 load_f32(const uint8_t *p) {
    return f32_load((const float *)(const void *)p);
}
FOLD f32x16 load_f16(const uint8_t *p) {
    return f32_load_f16((const uint16_t *)(const void *)p);
}
FOLD f32x16 load_bf16(const uint8_t *p) {
    return f32_load_bf16((const uint16_t *)(const void *)p);
}
FOLD void store_f32(uint8_t *p, f32x16 x) {
    f32_store((float *)(void *)p, x);
}
FOLD void store_f16(uint8_t *p, f32x16 x) {
    f32_store_f16((uint16_t *)(void *)p, x);
}

#define NUMBER_F32  ((number){4, load_f32, store_f32})
#define NUMBER_F16  ((number){2, load_f16, store_f16})
#define NUMBER_BF16 ((number){2, load_bf16, NULL}) /* only read */

#endif
