/* The plain families: numbers as they are, rounded to nearest even. */
#include <string.h>

#include "base/half.h"
#include "families.h"

static void store_f32(uint8_t *at, float x) {
    memcpy(at, &x, sizeof x);
}

static float load_f32(const uint8_t *at) {
    float x;
    memcpy(&x, at, sizeof x);
    return x;
}

static void store_f16(uint8_t *at, float x) {
    const uint16_t half = f16_of_f32(x);
    memcpy(at, &half, sizeof half);
}

static float load_f16(const uint8_t *at) {
    uint16_t half;
    memcpy(&half, at, sizeof half);
    return f32_of_f16(half);
}

static void store_bf16(uint8_t *at, float x) {
    const uint16_t half = bf16_of_f32(x);
    memcpy(at, &half, sizeof half);
}

static float load_bf16(const uint8_t *at) {
    uint16_t half;
    memcpy(&half, at, sizeof half);
    return f32_of_bf16(half);
}

const family family_f32 = {
    .name = "f32",
    .prefix = "f32",
    .summary = "32-bit floats",
    .plain = true,
    .store = store_f32,
    .load = load_f32,
    .plain_bits = 32,
};

const family family_f16 = {
    .name = "f16",
    .prefix = "f16",
    .summary = "16-bit floats with 5 bits of exponent",
    .plain = true,
    .store = store_f16,
    .load = load_f16,
    .plain_bits = 16,
};

const family family_bf16 = {
    .name = "bf16",
    .prefix = "bf16",
    .summary = "16-bit floats with 8 bits of exponent",
    .plain = true,
    .store = store_bf16,
    .load = load_bf16,
    .plain_bits = 16,
};
