/* Layouts: ggml/src/ggml-common.h of llama.cpp. All numbers are little-endian; d and m are f16. */
#include "file/gguf_types.h"

#include <math.h>
#include <string.h>

#include "base/half.h"

enum { SMALL = 32, SUPER = 256, SUPER_SCALES = 12 };

static float half_at(const uint8_t *at) {
    uint16_t h;
    memcpy(&h, at, sizeof h);
    return f32_of_f16(h);
}

static uint32_t bits_at(const uint8_t *at) {
    uint32_t bits;
    memcpy(&bits, at, sizeof bits);
    return bits;
}

/* ---- blocks of 32: scale * code, or scale * code + minimum. As codes of our own formats they are the very same numbers ---- */

typedef struct small { /* where the parts of a block lie, in bytes; the scale is at 0 */
    size_t bytes, min, high, codes;
    unsigned bits;
    float zero; /* the code of 0 if there is no minimum */
} small;

static const small small_4_0 = {.bytes = 18, .codes = 2, .bits = 4, .zero = 8};
static const small small_4_1 = {.bytes = 20, .min = 2, .codes = 4, .bits = 4};
static const small small_5_0 = {.bytes = 22, .high = 2, .codes = 6, .bits = 5, .zero = 16};
static const small small_5_1 = {.bytes = 24, .min = 2, .high = 4, .codes = 8, .bits = 5};
static const small small_8_0 = {.bytes = 34, .codes = 2, .bits = 8, .zero = 128};

/* Byte i has the low four bits of values i and i + 16; the fifth bits are a word; eight bits are signed bytes. */
static void block_codes(const small *s, const uint8_t *in, uint8_t codes[SMALL]) {
    const uint8_t *low = in + s->codes;
    const uint32_t high = s->high ? bits_at(in + s->high) : 0;
    if (s->bits == 8) {
        for (size_t i = 0; i < SMALL; i++) codes[i] = low[i] ^ 0x80;
        return;
    }
    for (size_t i = 0; i < SMALL / 2; i++) {
        codes[i] = (uint8_t)((low[i] & 15) | (high >> i & 1) << 4);
        codes[i + 16] = (uint8_t)(low[i] >> 4 | (high >> (i + 16) & 1) << 4);
    }
}

static void small_widen(const small *s, float *out, const uint8_t *in, size_t n) {
    for (size_t at = 0; at < n; at += SMALL, in += s->bytes) {
        uint8_t codes[SMALL];
        const float scale = half_at(in), min = s->min ? half_at(in + s->min) : 0;
        block_codes(s, in, codes);
        for (size_t i = 0; i < SMALL; i++) {
            const float x = scale * ((float)codes[i] - s->zero);
            out[at + i] = s->min ? x + min : x;
        }
    }
}

static void small_codes(const small *s, uint8_t *codes, grid *grids, const uint8_t *in, size_t n) {
    for (size_t at = 0; at < n; at += SMALL, in += s->bytes) {
        grids[at / SMALL] = (grid){half_at(in), s->min ? half_at(in + s->min) : 0};
        block_codes(s, in, codes + at);
    }
}

#define SMALL_TYPE(layout, widen_it, codes_of_it)                                       \
    static void widen_it(float *out, const uint8_t *in, size_t n) {                     \
        small_widen(&layout, out, in, n);                                               \
    }                                                                                   \
    static void codes_of_it(uint8_t *codes, grid *grids, const uint8_t *in, size_t n) { \
        small_codes(&layout, codes, grids, in, n);                                      \
    }
SMALL_TYPE(small_4_0, widen_4_0, codes_4_0)
SMALL_TYPE(small_4_1, widen_4_1, codes_4_1)
SMALL_TYPE(small_5_0, widen_5_0, codes_5_0)
SMALL_TYPE(small_5_1, widen_5_1, codes_5_1)
SMALL_TYPE(small_8_0, widen_8_0, codes_8_0)

/* As llama.cpp does it: the largest magnitude becomes 127, halves are rounded away from 0. */
static void store_8_0(uint8_t *out, const float *x, size_t n) {
    for (size_t at = 0; at < n; at += SMALL, out += small_8_0.bytes) {
        float largest = 0;
        for (size_t i = 0; i < SMALL; i++) largest = fmaxf(largest, fabsf(x[at + i]));
        const float scale = largest / 127, inverse = scale != 0 ? 1 / scale : 0;
        const uint16_t stored = f16_of_f32(scale);
        memcpy(out, &stored, sizeof stored);
        for (size_t i = 0; i < SMALL; i++) {
            const float code = fminf(fmaxf(x[at + i] * inverse, -127), 127); /* of a scale without an inverse it may be anything */
            out[small_8_0.codes + i] = (uint8_t)(int8_t)roundf(code);
        }
    }
}

/* ---- blocks of 256, with 8 parts of 32 that have a scale and a minimum of 6 bits each, in units of d and dmin ---- */

/* The first four of each have a byte of their own; the others are 4 bits in the last four bytes and 2 at the top of the first eight. */
static void part_scale(const uint8_t *in, size_t part, float *scale, float *min) {
    const uint8_t *s = in + 4;
    unsigned a = s[part % 4] & 63u, b = s[part % 4 + 4] & 63u;
    if (part >= 4) {
        a = (s[part + 4] & 15u) | (unsigned)s[part - 4] >> 6 << 4;
        b = (unsigned)s[part + 4] >> 4 | (unsigned)s[part] >> 6 << 4;
    }
    *scale = half_at(in) * (float)a;
    *min = half_at(in + 2) * (float)b;
}

/* Two parts share 32 bytes: the low half of each byte is of the first, the high half of the second. Bit p of high[i], if there are
 * any, is a fifth bit of part p. */
static void super_widen(float *out, const uint8_t *in, const uint8_t *low, const uint8_t *high) {
    for (size_t part = 0; part < 8; part++) {
        float scale, min;
        part_scale(in, part, &scale, &min);
        for (size_t i = 0; i < 32; i++) {
            const unsigned byte = low[part / 2 * 32 + i];
            const unsigned code = (part % 2 ? byte >> 4 : byte & 15u) | (high ? (unsigned)high[i] >> part & 1u : 0u) << 4;
            out[part * 32 + i] = scale * (float)code - min;
        }
    }
}

static void widen_4_k(float *out, const uint8_t *in, size_t n) {
    for (size_t at = 0; at < n; at += SUPER, in += 144) super_widen(out + at, in, in + 4 + SUPER_SCALES, NULL);
}

static void widen_5_k(float *out, const uint8_t *in, size_t n) {
    for (size_t at = 0; at < n; at += SUPER, in += 176) super_widen(out + at, in, in + 4 + SUPER_SCALES + 32, in + 4 + SUPER_SCALES);
}

/* 128 bytes with four low bits, 64 with two high ones, 16 signed scales of 16 values each, d. Each half of the block has its own half of the parts: value
 * 32 q + i of a half has its low bits in byte 32 (q % 2) + i, and its high bits at 2 q of byte i. */
static void widen_6_k(float *out, const uint8_t *in, size_t n) {
    for (size_t at = 0; at < n; at += SUPER, in += 210) {
        const float d = half_at(in + 208);
        for (size_t v = 0; v < SUPER; v++) {
            const size_t half = v / 128, quarter = v % 128 / 32, i = v % 32;
            const unsigned low = in[64 * half + 32 * (quarter % 2) + i], high = in[128 + 32 * half + i];
            const unsigned code = (quarter / 2 ? low >> 4 : low & 15u) | (high >> 2 * quarter & 3u) << 4;
            out[at + v] = d * (float)(int8_t)in[192 + v / 16] * (float)((int)code - 32);
        }
    }
}

/* ---- the list ---- */

static const source_type as_4_0 = {.name = "Q4_0", .bytes = 18, .widen = widen_4_0, .block = SMALL, .keep = "q4-b32", .codes = codes_4_0};
static const source_type as_4_1 = {.name = "Q4_1", .bytes = 20, .widen = widen_4_1, .block = SMALL, .keep = "q4a-b32", .codes = codes_4_1};
static const source_type as_5_0 = {.name = "Q5_0", .bytes = 22, .widen = widen_5_0, .block = SMALL, .keep = "q5-b32", .codes = codes_5_0};
static const source_type as_5_1 = {.name = "Q5_1", .bytes = 24, .widen = widen_5_1, .block = SMALL, .keep = "q5a-b32", .codes = codes_5_1};
static const source_type as_8_0 = {
    .name = "Q8_0", .bytes = 34, .widen = widen_8_0, .block = SMALL, .keep = "q8-b32", .codes = codes_8_0, .store = store_8_0};
static const source_type as_4_k = {.name = "Q4_K", .bytes = 144, .widen = widen_4_k, .block = SUPER};
static const source_type as_5_k = {.name = "Q5_K", .bytes = 176, .widen = widen_5_k, .block = SUPER};
static const source_type as_6_k = {.name = "Q6_K", .bytes = 210, .widen = widen_6_k, .block = SUPER};

const gguf_type gguf_types[] = {
    {0, &source_f32}, {1, &source_f16}, {30, &source_bf16}, {2, &as_4_0},  {3, &as_4_1},  {6, &as_5_0},
    {7, &as_5_1},     {8, &as_8_0},     {12, &as_4_k},      {13, &as_5_k}, {14, &as_6_k}, {0, NULL},
};

const gguf_type *gguf_type_find(uint32_t id) {
    for (const gguf_type *t = gguf_types; t->as; t++) {
        if (t->id == id) return t;
    }
    return NULL;
}

static const struct unreadable {
    uint32_t id;
    const char *name;
} unreadable[] = {
    {9, "Q8_1"},    {10, "Q2_K"},  {11, "Q3_K"},     {15, "Q8_K"},     {16, "IQ2_XXS"},  {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"},    {23, "IQ4_XS"},   {24, "I8"},       {25, "I16"},    {26, "I32"},     {27, "I64"},
    {28, "F64"},    {29, "IQ1_M"}, {34, "TQ1_0"},    {35, "TQ2_0"},    {39, "MXFP4"},    {40, "NVFP4"},  {41, "Q1_0"},    {42, "Q2_0"},
    {4, "Q4_2"},    {5, "Q4_3"},   {31, "Q4_0_4_4"}, {32, "Q4_0_4_8"}, {33, "Q4_0_8_8"},
};

const char *gguf_type_name(uint32_t id) {
    for (size_t i = 0; i < sizeof unreadable / sizeof *unreadable; i++) {
        if (unreadable[i].id == id) return unreadable[i].name;
    }
    return NULL;
}
