#include <string.h>

#include "base/half.h"
#include "format.h"

/* Widths of the planes of a code, the low bits first; 0 ends a list. */
static const uint8_t plane_widths[9][3] = {[1] = {1}, [2] = {2}, [3] = {2, 1}, [4] = {4}, [5] = {4, 1}, [6] = {4, 2}, [8] = {8}};

enum { PLANE_BIT_BYTES = TILE_ROWS * TILE_K / 8 }; /* bytes of a plane per bit of its width */

static uint32_t load32(const uint8_t *at) {
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Four codes of a row are one word: a field of four bytes moves at once, and never across a byte. */
static void pack_plane(const uint8_t codes[TILE_ROWS][TILE_K], unsigned low, unsigned width, uint8_t *out) {
    const uint32_t mask = 0x01010101u * ((1u << width) - 1);
    const unsigned fields = 8 / width;
    for (unsigned chunk = 0; chunk < 2 * width; chunk++) {
        for (unsigned row = 0; row < TILE_ROWS; row++, out += 4) {
            uint32_t word = 0;
            for (unsigned j = 0; j < fields; j++) word |= (load32(&codes[row][(chunk * fields + j) * 4]) >> low & mask) << width * j;
            memcpy(out, &word, sizeof word);
        }
    }
}

void tile_pack(const format *f, const uint8_t codes[TILE_ROWS][TILE_K], uint8_t *tile) {
    unsigned low = 0;
    if (f->family->packing) {
        f->family->packing->pack(codes, tile);
        return;
    }
    for (const uint8_t *width = plane_widths[f->bits]; *width; low += *width++) {
        pack_plane(codes, low, *width, tile);
        tile += *width * PLANE_BIT_BYTES;
    }
}

unsigned tile_code(const format *f, const uint8_t *tile, unsigned row, unsigned k) {
    unsigned code = 0, low = 0;
    if (f->family->packing) return f->family->packing->code(tile, row, k);
    for (const uint8_t *width = plane_widths[f->bits]; *width; low += *width++) {
        const unsigned fields = 8u / *width, quad = k / 4;
        const unsigned byte = tile[(quad / fields * TILE_ROWS + row) * 4 + k % 4];
        code |= (byte >> quad % fields * *width & ((1u << *width) - 1)) << low;
        tile += *width * PLANE_BIT_BYTES;
    }
    return code;
}

/* ---- one group of 16 rows ---- */

void group_pack_codes(const format *f, const layout *l, const uint8_t *codes, uint8_t *out) {
    uint8_t tile[TILE_ROWS][TILE_K];
    for (size_t t = 0; t < l->tiles; t++) {
        for (size_t r = 0; r < TILE_ROWS; r++) memcpy(tile[r], codes + (r * l->tiles + t) * TILE_K, TILE_K);
        tile_pack(f, (const uint8_t(*)[TILE_K])tile, out + t * l->tile_codes);
    }
}

void group_pack_plain(const format *f, const layout *l, const float *x, uint8_t *out) {
    const size_t bytes = f->bits / 8, padded = l->tiles * TILE_K;
    for (size_t k = 0; k < padded; k++) {
        for (size_t r = 0; r < TILE_ROWS; r++, out += bytes) f->family->store(out, x[r * padded + k]);
    }
}

static void store_half(uint8_t *at, float x) {
    const uint16_t half = f16_of_f32(x);
    memcpy(at, &half, sizeof half);
}

static float load_half(const uint8_t *at) {
    uint16_t half;
    memcpy(&half, at, sizeof half);
    return f32_of_f16(half);
}

void group_pack_side(const format *f, const layout *l, const grid *grids, uint8_t *out) {
    memset(out, 0, l->group_side);
    if (f->grain == GRAIN_ROW) {
        for (size_t r = 0; r < TILE_ROWS; r++) {
            memcpy(out + r * sizeof(float), &grids[r].scale, sizeof(float));
            if (f->has_min) memcpy(out + (TILE_ROWS + r) * sizeof(float), &grids[r].min, sizeof(float));
        }
        return;
    }
    const size_t per_unit = l->tile_side / (TILE_ROWS * sizeof(uint16_t) * (f->has_min ? 2 : 1)); /* blocks of a row in tile_side */
    for (size_t b = 0; b < l->blocks; b++) {
        uint8_t *at = out + b / per_unit * l->tile_side + b % per_unit * TILE_ROWS * sizeof(uint16_t);
        for (size_t r = 0; r < TILE_ROWS; r++, at += sizeof(uint16_t)) {
            store_half(at, grids[r * l->blocks + b].scale);
            if (f->has_min) store_half(at + l->tile_side / 2, grids[r * l->blocks + b].min);
        }
    }
}

/* ---- reference decode ---- */

static float load_float(const uint8_t *at) {
    float x;
    memcpy(&x, at, sizeof x);
    return x;
}

static grid grid_at(const format *f, const layout *l, const uint8_t *data, size_t row, size_t k) {
    const uint8_t *side = data + l->side;
    const size_t group = row / TILE_ROWS, r = row % TILE_ROWS;
    grid g = {0};
    if (f->grain == GRAIN_BLOCK) {
        const size_t per_unit = l->tile_side / (TILE_ROWS * sizeof(uint16_t) * (f->has_min ? 2 : 1)), b = k / f->block;
        side += group * l->group_side + b / per_unit * l->tile_side + (b % per_unit * TILE_ROWS + r) * sizeof(uint16_t);
        g.scale = load_half(side);
        if (f->has_min) g.min = load_half(side + l->tile_side / 2);
    } else {
        const bool per_row = f->grain == GRAIN_ROW;
        side += per_row ? group * l->group_side + r * sizeof(float) : 0;
        g.scale = load_float(side);
        if (f->has_min) g.min = load_float(side + (per_row ? TILE_ROWS : 1) * sizeof(float));
    }
    return g;
}

static void decode_plain_row(const format *f, const layout *l, const uint8_t *data, size_t row, size_t k, float *out) {
    const size_t bytes = f->bits / 8;
    const uint8_t *at = data + l->codes + row / TILE_ROWS * l->tiles * l->tile_codes + row % TILE_ROWS * bytes;
    for (size_t i = 0; i < k; i++) out[i] = f->family->load(at + i * TILE_ROWS * bytes);
}

/* scale * level is exact in f32 for a 16-bit scale, so the value is rounded once, when the minimum is added. */
void format_decode_row(const format *f, const layout *l, const uint8_t *data, size_t row, size_t k, float *out) {
    if (f->family->plain) {
        decode_plain_row(f, l, data, row, k, out);
        return;
    }
    const int8_t *book = format_book(f, data, row);
    float levels[256];
    for (unsigned code = 0; code < 1u << f->bits; code++) levels[code] = (float)format_level(f, book, code);
    const uint8_t *group = data + l->codes + row / TILE_ROWS * l->tiles * l->tile_codes;
    const size_t span = f->grain == GRAIN_BLOCK ? f->block : k;
    for (size_t begin = 0; begin < k; begin += span) {
        const grid g = grid_at(f, l, data, row, begin);
        const size_t end = span < k - begin ? begin + span : k;
        for (size_t i = begin; i < end; i++) {
            const unsigned code = tile_code(f, group + i / TILE_K * l->tile_codes, (unsigned)(row % TILE_ROWS), (unsigned)(i % TILE_K));
            out[i] = g.scale * levels[code] + g.min;
        }
    }
}
