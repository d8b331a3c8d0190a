/* codes.h: how the bytes of a tile become sixteen rows of unsigned code numbers and their scales. A kind of codes is a row of constants that
 * disappear after inlining; there is no branch on them at run time. Owns unpacking; refuses to know of activations or products. */
#ifndef QBIN_KERNELS_CODES_H
#define QBIN_KERNELS_CODES_H

#include "lane.h"

enum {
    K_GROUP = 4,                          /* values along k that one lane of a vector of codes holds */
    HALF_K = 32,                          /* the smallest block: half a tile */
    HALF_GROUPS = HALF_K / K_GROUP,       /* as many as a 64-byte chunk of a 1-bit plane holds */
    PLANE_BYTES = TILE_ROWS * TILE_K / 8, /* of a 1-bit plane of a tile */
    BYTE_TILE = TILE_ROWS * TILE_K,       /* of a tile of 8-bit codes */
    LEVEL_ZERO = 128,                     /* codebook levels are int8, looked up as level + 128 */
};

typedef struct code_kind {
    int bits;     /* as stored: planes of 8, 4, 2 or 1 bits, the low bits first */
    int range;    /* bits that bound the number after lookup: what the dot product sees */
    int zero;     /* the number that stands for 0 */
    int block;    /* values along k that share a scale: 32 or 64 */
    bool book;    /* codes are looked up in one codebook of the tensor */
    bool has_min; /* a minimum follows the scales */
} code_kind;

/* Plain 8-bit numbers of the same range and scales: what a panel holds after unpacking. */
FOLD code_kind unpacked(const code_kind kind) {
    return (code_kind){8, kind.range, kind.zero, kind.block, false, kind.has_min};
}

FOLD bool is_unpacked(const code_kind kind) {
    return kind.bits == 8 && !kind.book;
}

/* Bits of the first plane of a code of `bits` bits: the largest power of two in it. */
FOLD int plane_bits(const int bits) {
    return bits >= 8 ? 8 : bits >= 4 ? 4 : bits >= 2 ? 2 : 1;
}

/* Of a half of a tile, k = 4 group .. 4 group + 3 with group in 0 .. 7. */
FOLD u8x64 plane_field(const uint8_t *plane, const int bits, int half, const int group) {
    const int per_chunk = 8 / bits;
    const u8x64 chunk = u8_load(plane + 64 * (half * bits + group / per_chunk));
    return bits == 8 ? chunk : u8_field(chunk, group % per_chunk * bits, bits);
}

/* The stored codes of a tile. The chunk loads of neighbouring groups are the same expression: loaded once. */
FOLD u8x64 tile_field(const uint8_t *tile, const int bits, int half, const int group) {
    const int low = plane_bits(bits), high = bits - low;
    const u8x64 codes = plane_field(tile, low, half, group);
    return high == 0 ? codes : u8_join(codes, plane_field(tile + PLANE_BYTES * low, high, half, group), low);
}

FOLD void plane_prefetch(const uint8_t *plane, const int bits, int half, const int group) {
    const int per_chunk = 8 / bits;
    if (group % per_chunk == 0) prefetch(plane + 64 * (half * bits + group / per_chunk));
}

/* Asks for the chunks that tile_field reads first at this group: spread over the tile, requests do not queue up. */
FOLD void tile_prefetch(const code_kind kind, const uint8_t *tile, int half, const int group) {
    const int low = plane_bits(kind.bits), high = kind.bits - low;
    plane_prefetch(tile, low, half, group);
    if (high > 0) plane_prefetch(tile + PLANE_BYTES * low, high, half, group);
}

/* The codebook of 2^bits levels as a table of numbers; levels past its end are never looked up. */
FOLD u8x64 book_table(const code_kind kind, const uint8_t *head) {
    uint8_t table[16] = {0};
    if (kind.book) {
        for (int i = 0; i < 1 << kind.bits; i++) table[i] = (uint8_t)(head[i] ^ LEVEL_ZERO);
    }
    return u8_table(table);
}

FOLD u8x64 tile_numbers(const code_kind kind, const uint8_t *tile, int half, const int group, u8x64 book) {
    const u8x64 codes = tile_field(tile, kind.bits, half, group);
    return kind.book ? u8_lookup(book, codes) : codes;
}

/* Side data of a tile: scales [64 / block][16 rows] f16, then minimums likewise. */
FOLD f32x16 tile_scale(const uint8_t *side, int block) {
    return f32_load_f16((const uint16_t *)(const void *)side + block * TILE_ROWS);
}

FOLD f32x16 tile_min(const code_kind kind, const uint8_t *side, int block) {
    return tile_scale(side, TILE_K / kind.block + block);
}

#endif
