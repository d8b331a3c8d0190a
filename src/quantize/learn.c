#include "quantize/learn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS = 64 }; /* that are sampled */

typedef struct sample { /* blocks of `span` values and their weights */
    float *x, *w;
    size_t span, n, room;
} sample;

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

/* Every `stride`-th block of evenly spaced groups. Neighbouring rows start at other blocks, so that no column is left out. */
static void take_group(sample *s, const group *g, const encoder *en, size_t stride) {
    for (size_t r = 0; r < g->rows; r++) {
        for (size_t b = (r * 5 + g->index * 3) % stride; b * s->span < en->k; b += stride) {
            const fit_block block = group_block(g, en, r, b);
            sample_add(s, &block);
        }
    }
}

static status take_sample(const encoder *en, const row_source *from, sample *s, error *e) {
    const size_t groups = en->layout.groups < GROUPS ? en->layout.groups : GROUPS, padded = en->layout.tiles * TILE_K;
    s->span = en->format.grain == GRAIN_BLOCK ? en->format.block : padded;
    const size_t blocks = groups * TILE_ROWS * en->layout.blocks;
    const size_t stride = (blocks * s->span + LEARN_VALUES - 1) / LEARN_VALUES;
    s->room = blocks / stride + groups * TILE_ROWS;
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

/* The scales of all blocks for the levels so far, and the sums that the next levels come from. */
static void gather(const encoder *en, const sample *s, const codebook *book, book_sums *sums) {
    const book_fit *learn = en->format.family->learn;
    memset(sums, 0, sizeof *sums);
    for (size_t i = 0; i < s->n; i++) {
        const fit_block block = {s->x + i * s->span, s->w + i * s->span, s->span};
        learn->gather(&en->format, en->method->how, book, &block, sums);
    }
}

/* Exact k-means for scales from the range; then levels that are not rounded, in alternation with the scales that suit them (rounded ones would be stuck at
 * once, since a step is often below a half); then the exact whole levels for the scales found. */
static status learn_levels(const encoder *en, const sample *s, codebook *book, error *e) {
    const double enough = 0.9999; /* a round that gains less is the last */
    const book_fit *learn = en->format.family->learn;
    const size_t entries = format_entries(&en->format);
    book_sums *sums = malloc(sizeof *sums);
    if (!sums) return fail(e, E_MEMORY, "no memory for the sums of a codebook");
    float levels[256];
    gather(en, s, NULL, sums);
    learn->solve(&en->format, sums, levels);
    codebook_prepare(book, levels, entries);
    double before = INFINITY;
    for (int round = 1; round < en->method->rounds; round++) {
        gather(en, s, book, sums);
        const double missed = learn->relax(&en->format, sums, book, levels);
        if (round + 1 == en->method->rounds || missed > enough * before) {
            learn->solve(&en->format, sums, levels);
            round = en->method->rounds;
        }
        codebook_prepare(book, levels, entries);
        before = missed;
    }
    free(sums);
    return OK;
}

status learn_book(const encoder *en, const row_source *from, codebook *book, error *e) {
    sample s = {0};
    status result = take_sample(en, from, &s, e);
    if (result == OK) result = learn_levels(en, &s, book, e);
    free(s.x);
    free(s.w);
    return result;
}
