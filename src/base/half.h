/* half.h: the two 16-bit floats to float32 and back, on any CPU. Rounds to nearest even; keeps infinities, NaN and denormals.
 * The vector layer has the same conversions for 16 lanes; a test compares all 65,536 values. */
#ifndef QBIN_BASE_HALF_H
#define QBIN_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float float_of_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t bits_of_float(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline float f32_of_bf16(uint16_t h) {
    return float_of_bits((uint32_t)h << 16);
}

static inline uint16_t bf16_of_f32(float f) {
    const uint32_t bits = bits_of_float(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

/* The exponent is rebased by one multiplication, which also normalises denormals. */
static inline float f32_of_f16(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    const uint32_t rest = (uint32_t)(h & 0x7fffu) << 13;
    if (rest >= 0x0f800000u) return float_of_bits(sign | 0x70000000u | rest); /* infinity, NaN */
    const float scaled = float_of_bits(rest) * 0x1p112f;
    return float_of_bits(sign | bits_of_float(scaled));
}

static inline uint16_t f16_of_f32(float f) {
    const uint32_t bits = bits_of_float(f);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    const uint32_t rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (rest >> 13 & 0x3ffu));
    if (rest >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* rounds past 65504 */
    if (rest < 0x38800000u) {                                   /* denormal or zero: the adder does the rounding */
        return (uint16_t)(sign | (bits_of_float(float_of_bits(rest) + 0.5f) - 0x3f000000u));
    }
    return (uint16_t)(sign | ((rest - 0x38000000u + 0xfffu + (rest >> 13 & 1)) >> 13));
}

#endif
