#include "format.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { ALIGN = 64 };

size_t format_entries(const format *f) {
    return f->scope == SCOPE_NONE ? 0 : (size_t)1 << f->bits;
}

static uint64_t book_count(const format *f, uint64_t groups) {
    const uint64_t counts[] = {[SCOPE_NONE] = 0, [SCOPE_TENSOR] = 1, [SCOPE_GROUP] = groups, [SCOPE_ROW] = groups * TILE_ROWS};
    return counts[f->scope];
}

/* Side data: bytes of one tile (or of two), of one group, of the tensor; and the blocks of a row. */
static void measure_side(const format *f, layout *l, size_t *total) {
    const size_t parts = f->has_min ? 2 : 1;
    *total = 0;
    if (f->grain == GRAIN_BLOCK) {
        const size_t values = f->block < TILE_K ? TILE_K : f->block;
        const size_t units = (l->tiles * TILE_K + values - 1) / values;
        l->blocks = units * (values / f->block);
        l->tile_side = values / f->block * TILE_ROWS * sizeof(uint16_t) * parts;
        l->group_side = units * l->tile_side;
        *total = l->groups * l->group_side;
    } else if (f->grain == GRAIN_ROW) {
        l->blocks = 1;
        l->group_side = TILE_ROWS * sizeof(float) * parts;
        *total = l->groups * l->group_side;
    } else if (f->grain == GRAIN_TENSOR) {
        l->blocks = 1;
        *total = sizeof(float) * parts;
    }
}

bool format_layout(const format *f, uint64_t rows, uint64_t k, layout *out) {
    *out = (layout){0};
    uint64_t padded_rows, padded_k, tiles, bound;
    if (!rows || !k || !size_round(rows, TILE_ROWS, &padded_rows) || !size_round(k, TILE_K, &padded_k)) return false;
    /* No part takes more than 64 bytes per weight and group, so nothing below overflows once this product does not. */
    if (!size_mul(padded_rows, padded_k, &tiles) || !size_mul(tiles, 64, &bound) || bound > SIZE_MAX / 2) return false;
    out->groups = padded_rows / TILE_ROWS;
    out->tiles = padded_k / TILE_K;
    out->tile_codes = f->family->packing ? f->family->packing->tile_bytes : (size_t)f->bits * TILE_ROWS * TILE_K / 8;
    out->group_head = f->scope == SCOPE_ROW ? TILE_ROWS * format_entries(f) : f->scope == SCOPE_GROUP ? format_entries(f) : 0;
    size_t side_bytes;
    measure_side(f, out, &side_bytes);
    out->codes = round_up(book_count(f, out->groups) * format_entries(f), ALIGN);
    out->side = out->codes + round_up(out->groups * out->tiles * out->tile_codes, ALIGN);
    out->bytes = out->side + round_up(side_bytes, ALIGN);
    return true;
}

double format_bits(const format *f, uint64_t rows, uint64_t k) {
    layout l;
    if (!format_layout(f, rows, k, &l)) return 0;
    return 8.0 * (double)l.bytes / ((double)rows * (double)k);
}

bool format_equal(const format *a, const format *b) {
    return a->family == b->family && a->bits == b->bits && a->has_min == b->has_min && a->grain == b->grain && a->block == b->block &&
           a->scope == b->scope && a->act == b->act;
}

/* ---- codes ---- */

code_view format_codes(const format *f) {
    const family *of = f->family;
    const bool book = of->levels || f->scope != SCOPE_NONE;
    return (code_view){
        .packing = of->packing,
        .bits = f->bits,
        .zero = f->has_min || book ? 0
                : of->zero         ? of->zero
                                   : 1 << (f->bits - 1),
        .book = !book                   ? BOOK_NONE
                : f->scope == SCOPE_ROW ? BOOK_ROW
                                        : BOOK_SHARED,
        .levels = of->levels,
    };
}

const int8_t *format_book(const format *f, const uint8_t *data, size_t row) {
    const size_t index[] = {[SCOPE_NONE] = 0, [SCOPE_TENSOR] = 0, [SCOPE_GROUP] = row / TILE_ROWS, [SCOPE_ROW] = row};
    return f->scope == SCOPE_NONE ? f->family->levels : (const int8_t *)data + index[f->scope] * format_entries(f);
}

int format_level(const format *f, const int8_t *book, unsigned code) {
    const code_view view = format_codes(f);
    const int8_t *levels = view.levels ? view.levels : book;
    return view.book == BOOK_NONE ? (int)code - view.zero : levels[code];
}

unsigned format_zero_code(const format *f, const int8_t *book) {
    const code_view view = format_codes(f);
    unsigned best = (unsigned)view.zero;
    for (unsigned code = 0; view.book != BOOK_NONE && code < 1u << f->bits; code++) {
        if (abs(format_level(f, book, code)) < abs(format_level(f, book, best))) best = code;
    }
    return best;
}

/* ---- the descriptor on disk ---- */

enum { AT_BITS = 8, AT_MIN, AT_GRAIN, AT_BLOCK, AT_SCOPE, AT_ACT, AT_ZERO };

void format_pack(const format *f, uint8_t out[FORMAT_PACKED]) {
    memset(out, 0, FORMAT_PACKED);
    memcpy(out, f->family->name, strlen(f->family->name));
    out[AT_BITS] = f->bits;
    out[AT_MIN] = f->has_min;
    out[AT_GRAIN] = (uint8_t)f->grain;
    out[AT_BLOCK] = (uint8_t)(f->block / 32);
    out[AT_SCOPE] = (uint8_t)f->scope;
    out[AT_ACT] = (uint8_t)f->act;
}

static const family *find_family(const char *name) {
    for (const family *const *f = families; *f; f++) {
        if (!strcmp((*f)->name, name)) return *f;
    }
    return NULL;
}

/* Text of a damaged file is shown with its control characters replaced. */
static void printable(char *text) {
    for (; *text; text++) {
        if (*text < ' ' || *text > '~') *text = '?';
    }
}

status format_unpack(format *out, const uint8_t in[FORMAT_PACKED], error *e) {
    char name[9] = {0};
    memcpy(name, in, 8);
    const family *found = find_family(name);
    if (!found) {
        printable(name);
        return fail(e, E_FILE, "unknown weight format family '%s'", name);
    }
    const format f = {found, in[AT_BITS], in[AT_MIN] == 1, in[AT_GRAIN], (uint16_t)(in[AT_BLOCK] * 32), in[AT_SCOPE], in[AT_ACT]};
    uint8_t again[FORMAT_PACKED];
    if (format_valid(&f)) {
        format_pack(&f, again);
        if (!memcmp(again, in, FORMAT_PACKED)) { /* there is one way to write it */
            *out = f;
            return OK;
        }
    }
    return fail(e, E_FILE, "unknown weight format: family %s, %u bits, minimum %u, grain %u, block %u, codebook scope %u, activations %u",
                found->name, in[AT_BITS], in[AT_MIN], in[AT_GRAIN], in[AT_BLOCK] * 32u, in[AT_SCOPE], in[AT_ACT]);
}
