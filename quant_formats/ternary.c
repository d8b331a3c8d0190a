/* The ternary families: levels -1, 0 and 1, as codes of two bits, or five codes in a byte (packed as format.h says). */
#include "families.h"

enum { CHUNK = 64, DIGITS = 5, DIGIT_K = 3 * DIGITS * 4, TRIT_TILE = 3 * CHUNK + TILE_ROWS };

/* ---- five codes in a byte ---- */

static void trits_pack(const uint8_t codes[TILE_ROWS][TILE_K], uint8_t *tile) {
    for (unsigned at = 0; at < 3 * CHUNK; at++) {
        const unsigned chunk = at / CHUNK, row = at % CHUNK / 4, i = at % 4;
        unsigned n = 0;
        for (unsigned j = 0; j < DIGITS; j++) n = 3 * n + codes[row][(chunk * DIGITS + j) * 4 + i];
        tile[at] = (uint8_t)((n * 256 + 242) / 243);
    }
    for (unsigned row = 0; row < TILE_ROWS; row++) {
        unsigned last = 0;
        for (unsigned i = 0; i < TILE_K - DIGIT_K; i++) last |= (unsigned)codes[row][DIGIT_K + i] << 2 * i;
        tile[3 * CHUNK + row] = (uint8_t)last;
    }
}

static unsigned trits_code(const uint8_t *tile, unsigned row, unsigned k) {
    static const unsigned powers[DIGITS] = {1, 3, 9, 27, 81};
    if (k >= DIGIT_K) return tile[3 * CHUNK + row] >> 2 * (k - DIGIT_K) & 3;
    const unsigned quad = k / 4, byte = tile[quad / DIGITS * CHUNK + row * 4 + k % 4];
    return 3 * (byte * powers[quad % DIGITS] & 255) >> 8;
}

const packing packing_trits = {TRIT_TILE, trits_pack, trits_code};

/* ---- fits ---- */

static grid ternary_fit(const format *f, fit_method how, const codebook *book, const fit_block *b) {
    (void)book;
    return how == FIT_RTN ? (grid){.scale = grid_round(f, block_mean(b, false))} : fit_ternary(f, b);
}

static void ternary_assign(const format *f, const codebook *book, grid g, const float *x, size_t n, uint8_t *codes) {
    (void)f;
    (void)book;
    const float by = reciprocal(g.scale);
    for (size_t i = 0; i < n; i++) codes[i] = (uint8_t)(int)(round_into(x[i] * by, -1, 1) + 1);
}

const family family_ternary = {
    .name = "ternary",
    .prefix = "ternary",
    .summary = "-1, 0 and 1 in two bits",
    .widths = 1 << 2,
    .block = 64,
    .zero = 1,
    .fit = ternary_fit,
    .assign = ternary_assign,
};

const family family_trits = {
    .name = "trits",
    .prefix = "ternary5",
    .summary = "-1, 0 and 1, five in a byte",
    .widths = 1 << 2,
    .block = 128,
    .zero = 1,
    .packing = &packing_trits,
    .fit = ternary_fit,
    .assign = ternary_assign,
};
