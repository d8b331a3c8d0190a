#include "encode.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "quantize/learn.h"

static void fill(const row_source *from, const encoder *en, group *g) {
    const float *x = from->context;
    for (size_t r = 0; r < g->rows; r++) memcpy(group_row(g, en, r), x + (g->index * TILE_ROWS + r) * en->k, en->k * sizeof *x);
}

static encoded encode_all(const format *f, const char *how, const float *x, size_t rows, size_t k, const float *importance) {
    encoder en;
    error e = {0};
    shared common;
    const row_source from = {fill, NULL, x};
    cr_assert(encoder_make(&en, f, method_find(how), rows, k, importance));
    if (learn_wanted(f)) {
        cr_assert_eq(learn_tensor(&en, &from, &common, &e), OK, "%s", e.text);
        en.shared = &common;
    }
    encoded out = {.format = *f, .layout = en.layout, .data = aligned_alloc(64, en.layout.bytes)};
    cr_assert(out.data);
    memset(out.data, 0, en.layout.bytes);
    if (f->scope == SCOPE_TENSOR) memcpy(out.data, common.book.stored, common.book.entries);
    if (f->grain == GRAIN_TENSOR)
        memcpy(out.data + en.layout.side, &(float[2]){common.at.scale, common.at.min}, (f->has_min ? 2 : 1) * sizeof(float));
    group g;
    cr_assert_eq(group_open(&g, &en, &e), OK);
    const layout *l = &en.layout;
    for (size_t i = 0; i < l->groups; i++) {
        group_read(&g, &en, &from, i);
        group_encode(
            &g, &en,
            (group_parts){out.data + i * l->group_head, out.data + l->codes + i * l->tiles * l->tile_codes, out.data + l->side + i * l->group_side});
        losses_add(&out.lost, &g.lost);
    }
    group_close(&g);
    out.relative = out.lost.power > 0 ? out.lost.error / out.lost.power : 0;
    return out;
}

encoded encode_as(const format *f, const char *how, const float *x, size_t rows, size_t k) {
    return encode_all(f, how, x, rows, k, NULL);
}

encoded encode_weighted(const char *name, const char *how, const float *x, size_t rows, size_t k, const float *importance) {
    format f;
    cr_assert_eq(format_parse(&f, name, NULL), OK);
    return encode_all(&f, how, x, rows, k, importance);
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
