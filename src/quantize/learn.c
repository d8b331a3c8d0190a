#include "quantize/learn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS = 64 }; /* that are sampled */

bool learn_wanted(const format *f) {
    return f->scope == SCOPE_TENSOR || f->grain == GRAIN_TENSOR;
}

typedef struct sample { /* blocks of `span` values and their weights */
    float *x, *w;
    size_t span, n, room;
} sample;

/* ---- a sample of a tensor ---- */

static void sample_add(sample *s, const fit_block *b) {
    if (s->n == s->room) return;
    memcpy(s->x + s->n * s->span, b->x, b->n * sizeof *b->x);
    memcpy(s->w + s->n * s->span, b->w, b->n * sizeof *b->w);
    /* The last block of a row may be short: fill as group_read does. */
    for (size_t i = b->n; i < s->span; i++) {
        s->x[s->n * s->span + i] = b->x[b->n - 1];
        s->w[s->n * s->span + i] = 0;
    }
    s->n++;
}

/* Every `stride`-th block of a group. Neighbouring rows start at other blocks, so that no column is left out. */
static void take_group(sample *s, const group *g, const encoder *en, size_t stride) {
    const size_t padded = en->layout.tiles * TILE_K;
    for (size_t r = 0; r < g->rows; r++) {
        for (size_t at = (r * 5 + g->index * 3) % stride * s->span; at < en->k; at += stride * s->span) {
            const float *x = group_row(g, en, r);
            sample_add(s, &(fit_block){x + at, g->w + (x - g->x) + at, s->span < padded - at ? s->span : padded - at});
        }
    }
}

/* The blocks of evenly spaced groups; what a scale of the tensor is fitted to are blocks of a tile. */
static status take_sample(const encoder *en, const row_source *from, sample *s, error *e) {
    const size_t groups = en->layout.groups < GROUPS ? en->layout.groups : GROUPS, padded = en->layout.tiles * TILE_K;
    s->span = en->format.grain == GRAIN_BLOCK ? en->format.block : TILE_K;
    const size_t per_row = (padded + s->span - 1) / s->span, blocks = groups * TILE_ROWS * per_row;
    const size_t wanted = (blocks * s->span + LEARN_VALUES - 1) / LEARN_VALUES, stride = wanted < per_row ? wanted : per_row;
    s->room = groups * TILE_ROWS * ((per_row + stride - 1) / stride) + 1;
    s->x = malloc(s->room * s->span * sizeof *s->x);
    s->w = malloc(s->room * s->span * sizeof *s->w);
    if (!s->x || !s->w) return fail(e, E_MEMORY, "no memory for a sample of %zu blocks", s->room);
    group g;
    TRY(group_open(&g, en, e));
    for (size_t i = 0; i < groups; i++) {
        group_read(&g, en, from, i * en->layout.groups / groups);
        take_group(s, &g, en, stride);
        if (from->done) from->done(from, en, &g);
    }
    group_close(&g);
    return OK;
}

/* A block of the smallest and the largest value of all, without weight: a scale that covers the range covers them. */
static status take_extremes(const encoder *en, const row_source *from, sample *s, error *e) {
    float low = s->x[0], high = s->x[0];
    group g;
    TRY(group_open(&g, en, e));
    for (size_t i = 0; i < en->layout.groups; i++) {
        group_read(&g, en, from, i);
        for (size_t r = 0; r < g.rows; r++) {
            const float *x = group_row(&g, en, r);
            for (size_t j = 0; j < en->k; j++) {
                low = x[j] < low ? x[j] : low;
                high = x[j] > high ? x[j] : high;
            }
        }
        if (from->done) from->done(from, en, &g);
    }
    group_close(&g);
    for (size_t i = 0; i < s->span; i++) {
        s->x[s->n * s->span + i] = i % 2 ? high : low;
        s->w[s->n * s->span + i] = 0;
    }
    s->n++;
    return OK;
}

/* ---- levels in alternation with scales ---- */

/* The scales of all blocks for the levels so far, and the sums that the next levels come from. */
static void gather(const encoder *en, const sample *s, const codebook *book, book_sums *sums) {
    const family *of = en->format.family;
    *sums = (book_sums){0};
    for (size_t i = 0; i < s->n; i++) {
        const fit_block block = {s->x + i * s->span, s->w + i * s->span, s->span};
        of->learn->gather(&block, book ? of->fit(&en->format, en->method->how, book, &block).scale : of->learn->range(&en->format, &block), sums);
    }
}

/* Exact k-means for scales from the range; then levels that are not rounded, in alternation with the scales that suit them (rounded ones would be stuck at
 * once, since a step is often below a half); then the exact whole levels for the scales found. */
static void learn_levels(const encoder *en, const sample *s, codebook *book) {
    const double enough = 0.9999; /* a round that gains less is the last */
    const book_fit *learn = en->format.family->learn;
    const size_t entries = format_entries(&en->format);
    book_sums sums;
    float levels[256];
    gather(en, s, NULL, &sums);
    learn->solve(&en->format, &sums, levels);
    codebook_prepare(book, levels, entries);
    double before = INFINITY;
    for (int round = 1; round < en->method->rounds; round++) {
        gather(en, s, book, &sums);
        const double missed = learn->relax(&en->format, &sums, book, levels);
        if (round + 1 == en->method->rounds || missed > enough * before) {
            learn->solve(&en->format, &sums, levels);
            round = en->method->rounds;
        }
        codebook_prepare(book, levels, entries);
        before = missed;
    }
}

status learn_tensor(const encoder *en, const row_source *from, shared *out, error *e) {
    const format *f = &en->format;
    sample s = {0};
    *out = (shared){0};
    status result = take_sample(en, from, &s, e);
    if (result == OK && f->grain == GRAIN_TENSOR) result = take_extremes(en, from, &s, e);
    if (result == OK) {
        const fit_block all = {s.x, s.w, s.n * s.span};
        book_sums sums;
        if (f->grain == GRAIN_BLOCK)
            learn_levels(en, &s, &out->book);
        else if (f->family->learn)
            f->family->learn->together(f, en->method->how, &all, 1, &sums, &out->book, &out->at);
        else
            out->at = f->family->fit(f, en->method->how, NULL, &all);
    }
    free(s.x);
    free(s.w);
    return result;
}

void learn_group(const encoder *en, group *g) {
    const format *f = &en->format;
    const size_t padded = en->layout.tiles * TILE_K, rows = f->scope == SCOPE_ROW ? 1 : TILE_ROWS; /* that share a codebook */
    const float none[1 << 4] = {0};
    fit_block blocks[TILE_ROWS];
    book_sums sums;
    for (size_t r = 0; r < TILE_ROWS; r++) blocks[r] = (fit_block){g->x + r * padded, g->w + r * padded, padded};
    for (size_t r = 0; r < TILE_ROWS; r += rows) {
        codebook *book = &g->books[r / rows];
        codebook_prepare(book, none, format_entries(f));
        const size_t left = r < g->rows ? g->rows - r : 0, n = left < rows ? left : rows;
        if (n) f->family->learn->together(f, en->method->how, blocks + r, n, &sums, book, g->grids + r);
    }
}
