/* codes.h: how the bytes of a tile become sixteen rows of unsigned code numbers and their scales. A kind of codes is a row of constants that
 * disappear after inlining; there is no branch on them at run time. Owns unpacking; refuses to know of activations or products. */
#ifndef QBIN_KERNELS_CODES_H
#define QBIN_KERNELS_CODES_H

#include "kernels/weights.h"
#include "lane.h"

enum {
    K_GROUP = 4,                          /* values along k that one lane of a vector of codes holds */
    HALF_K = 32,                          /* the smallest block: half a tile */
    HALF_GROUPS = HALF_K / K_GROUP,       /* as many as a 64-byte chunk of a 1-bit plane holds */
    PLANE_BYTES = TILE_ROWS * TILE_K / 8, /* of a 1-bit plane of a tile */
    BYTE_TILE = TILE_ROWS * TILE_K,       /* of a tile of 8-bit codes */
    LEVEL_ZERO = 128,                     /* codebook levels are int8, their numbers are level + 128 */
};

typedef struct code_kind {
    bool trits;     /* five base-3 digits in a byte; else planes of bits */
    int bits;       /* as stored: planes of 8, 4, 2 or 1 bits, the low bits first */
    int range;      /* bits that bound the number after lookup: what the dot product sees */
    int block;      /* values along k whose sum is exact: 32 or 64, as the activations have it */
    book_kind book; /* what codes are looked up in */
    bool unpacked;  /* bytes that dot_add takes as they are; the next two tell what weights.h knows of other kinds: a branch less for each block */
    bool floats, has_min;
} code_kind;

FOLD bool is_bytes(const code_kind kind) {
    return !kind.trits && kind.bits == 8 && kind.book == BOOK_NONE;
}

/* Bits of the first plane of a code of `bits` bits: the largest power of two in it. */
FOLD int plane_bits(const int bits) {
    return bits >= 8 ? 8 : bits >= 4 ? 4 : bits >= 2 ? 2 : 1;
}

/* Where k = 4 group .. 4 group + 3 of a half of a tile stand in a plane, group in 0 .. 7: in a chunk, at a bit. The chunk loads of neighbouring groups are
 * the same expression: loaded once. */
FOLD u8x64 plane_chunk(const uint8_t *plane, const int bits, int half, const int group) {
    return u8_load(plane + 64 * (half * bits + group / (8 / bits)));
}
FOLD int plane_shift(const int bits, const int group) {
    return group % (8 / bits) * bits;
}

/* The stored codes of a tile. */
FOLD u8x64 tile_field(const uint8_t *tile, const int bits, int half, const int group) {
    const int low = plane_bits(bits), high = bits - low;
    const u8x64 chunk = plane_chunk(tile, low, half, group);
    if (low == 8) return u8_of_codes(chunk);
    const u8x64 codes = u8_field(chunk, plane_shift(low, group), low);
    if (high == 0) return codes;
    return u8_join(codes, plane_chunk(tile + PLANE_BYTES * low, high, half, group), plane_shift(high, group), high, low);
}

FOLD void plane_prefetch(const uint8_t *plane, const int bits, int half, const int group) {
    const int per_chunk = 8 / bits;
    if (group % per_chunk == 0) prefetch(plane + 64 * (half * bits + group / per_chunk));
}

/* Five digits in a byte: chunk c of a tile holds the groups 5 c .. 5 c + 4, the first digit of a fraction first; the last group is one pair of bits
 * for each value. */
enum { TRIT_CHUNK = 5, TRIT_GROUPS = 15 };

FOLD u8x64 trit_field(const uint8_t *tile, const int group) {
    const uint8_t *chunk = tile + 64 * (group / TRIT_CHUNK);
    if (group == TRIT_GROUPS) return u8_pairs(chunk);
    u8x64 fraction = u8_load(chunk);
    UNROLL for (int j = 0; j < group % TRIT_CHUNK; j++) fraction = u8_triple(fraction);
    return u8_third(fraction);
}

/* Asks for the chunks that are read first at this group: spread over the tile, requests do not queue up. */
FOLD void tile_prefetch(const code_kind kind, const uint8_t *tile, int half, const int group) {
    if (kind.trits) {
        const int all = half * HALF_GROUPS + group;
        if (all % TRIT_CHUNK == 0) prefetch(tile + 64 * (all / TRIT_CHUNK));
        return;
    }
    const int low = plane_bits(kind.bits), high = kind.bits - low;
    plane_prefetch(tile, low, half, group);
    if (high > 0) plane_prefetch(tile + PLANE_BYTES * low, high, half, group);
}

/* The codebook or codebooks of a row group, ready for lookups; levels past the end of a book are never looked up. */
typedef struct lookup {
    u8x64 shared;
    u8_rows rows;
} lookup;

FOLD void lookup_load(lookup *l, const code_kind kind, const uint8_t *books) {
    if (kind.book == BOOK_SHARED) l->shared = u8_of_levels(u8_table(books));
    if (kind.book == BOOK_ROW) l->rows = u8_rows_load(books, kind.bits);
}

/* The numbers of k = 4 group .. 4 group + 3 of a half of a tile, as dot_add takes them: codes, or levels + 128. */
FOLD u8x64 tile_numbers(const code_kind kind, const uint8_t *tile, int half, const int group, const lookup *book) {
    if (kind.unpacked) return plane_chunk(tile, 8, half, group);
    if (kind.trits) return trit_field(tile, half * HALF_GROUPS + group);
    const u8x64 codes = tile_field(tile, kind.bits, half, group);
    if (kind.book == BOOK_SHARED) return u8_lookup(book->shared, codes);
    if (kind.book == BOOK_ROW) return u8_of_levels(u8_rows_lookup(&book->rows, codes, kind.bits));
    return codes;
}

/* Side data (weights.h): sixteen scales or minimums. */
FOLD f32x16 side_numbers(const uint8_t *at, const bool floats) {
    return floats ? f32_load((const float *)(const void *)at) : f32_load_f16((const uint16_t *)(const void *)at);
}

#endif
