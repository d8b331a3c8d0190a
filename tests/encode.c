#include "encode.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "quantize/learn.h"

static void fill(const row_source *from, const encoder *en, group *g) {
    const float *x = from->context;
    for (size_t r = 0; r < g->rows; r++) memcpy(group_row(g, en, r), x + (g->index * TILE_ROWS + r) * en->k, en->k * sizeof *x);
}

encoded encode_as(const format *f, const char *how, const float *x, size_t rows, size_t k) {
    encoder en;
    error e = {0};
    codebook book;
    const row_source from = {fill, NULL, x};
    cr_assert(encoder_make(&en, f, method_find(how), rows, k, NULL));
    if (f->scope != SCOPE_NONE) {
        cr_assert_eq(learn_book(&en, &from, &book, &e), OK, "%s", e.text);
        en.books = &book;
    }
    encoded out = {.format = *f, .layout = en.layout, .data = aligned_alloc(64, en.layout.bytes)};
    cr_assert(out.data);
    memset(out.data, 0, en.layout.bytes);
    if (en.books) memcpy(out.data, book.stored, book.entries);
    group g;
    cr_assert_eq(group_open(&g, &en, &e), OK);
    double missed = 0, power = 0;
    for (size_t i = 0; i < en.layout.groups; i++) {
        group_read(&g, &en, &from, i);
        group_encode(&g, &en, out.data + en.layout.codes + i * en.layout.tiles * en.layout.tile_codes,
                     out.data + en.layout.side + i * en.layout.group_side);
        missed += g.error;
        power += g.power;
    }
    group_close(&g);
    out.relative = power > 0 ? missed / power : 0;
    return out;
}

encoded encode(const char *name, const char *how, const float *x, size_t rows, size_t k) {
    format f;
    error e = {0};
    cr_assert_eq(format_parse(&f, name, &e), OK, "%s", e.text);
    return encode_as(&f, how, x, rows, k);
}

/* SplitMix64 */
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

float random_uniform(uint64_t *state) {
    return (float)(next(state) >> 40) * 0x1p-23f - 1.0f;
}

float random_normal(uint64_t *state) {
    float sum = 0;
    for (int i = 0; i < 12; i++) sum += random_uniform(state);
    return sum * 0.5f;
}
