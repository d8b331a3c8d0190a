/* GPTQ (Frantar et al., 2022, algorithm 1): columns are rounded one after the other, and what rounding a column misses is made up for by the columns that
 * are still to come, as the products of the inputs say. The scale of a block is fitted when the block is reached, to the weights as they are by then;
 * the weight of a column in that fit is how little later columns can make up for it. Sixteen rows go through together, a lane each. */
#include <string.h>

#include "quantize/encode.h"
#include "quantize/polish.h"

enum { PANEL = 128 }; /* columns whose errors reach the columns behind them together */

static const float *factor_row(const encoder *en, size_t i) {
    return en->factor + i * en->k;
}

static void load_columns(const encoder *en, group *g) {
    memset(g->columns, 0, en->k * TILE_ROWS * sizeof *g->columns);
    for (size_t r = 0; r < g->rows; r++) {
        const float *x = group_row(g, en, r);
        for (size_t j = 0; j < en->k; j++) g->columns[j * TILE_ROWS + r] = x[j];
    }
}

/* A block as fits take it: what lies past k repeats the last value with weight 0. */
static fit_block take_block(const encoder *en, const group *g, size_t r, size_t begin) {
    const size_t span = encoder_span(en), padded = en->layout.tiles * TILE_K, n = span < padded - begin ? span : padded - begin;
    const size_t have = n < en->k - begin ? n : en->k - begin;
    float *x = g->block, *w = g->block + padded;
    for (size_t j = 0; j < have; j++) {
        const float u = factor_row(en, begin + j)[begin + j];
        x[j] = g->columns[(begin + j) * TILE_ROWS + r];
        w[j] = 1 / (u * u);
    }
    for (size_t j = have; j < n; j++) {
        x[j] = x[have - 1];
        w[j] = 0;
    }
    return (fit_block){x, w, n};
}

static void fit_grids(const encoder *en, group *g, size_t column) {
    const size_t block = column / encoder_span(en);
    for (size_t r = 0; r < g->rows; r++) {
        const fit_block b = take_block(en, g, r, column);
        g->grids[r * en->layout.blocks + block] = group_fit(g, en, r, block, &b);
    }
}

/* Rounds one column and leaves its errors, in units of the factor's diagonal, in missed[16]. */
static void round_column(const encoder *en, group *g, size_t column, float *missed) {
    const format *f = &en->format;
    const float *x = g->columns + column * TILE_ROWS, by = 1 / factor_row(en, column)[column];
    for (size_t r = 0; r < TILE_ROWS; r++) {
        if (r >= g->rows) {
            missed[r] = 0;
            continue;
        }
        const codebook *book = group_book(g, en, r);
        const grid at = g->grids[r * en->layout.blocks + column / encoder_span(en)];
        uint8_t *code = g->codes + r * en->layout.tiles * TILE_K + column;
        f->family->assign(f, book, at, x + r, 1, code);
        const float level = (float)format_level(f, book ? book->stored : NULL, *code);
        missed[r] = (x[r] - (at.scale * level + at.min)) * by;
    }
}

/* x -= sum of u[q] * missed[q] for `n` <= 4 errors, in their order. */
static inline void subtract(float *restrict x, const float *restrict missed, const float *restrict u, size_t n) {
    for (size_t q = 0; q < n; q++) {
        for (size_t r = 0; r < TILE_ROWS; r++) x[r] -= u[q] * missed[q * TILE_ROWS + r];
    }
}

/* Columns [begin, end) make up for the errors of `n` columns from `first` on. Four at a time: a column is loaded and stored once for them. */
static void compensate(const encoder *en, group *g, size_t first, size_t n, const float *missed, size_t begin, size_t end) {
    enum { FOUR = 4 };
    for (size_t i = 0; i < n; i += FOUR) {
        const size_t m = n - i < FOUR ? n - i : FOUR;
        for (size_t j = begin; j < end; j++) {
            float u[FOUR];
            for (size_t q = 0; q < m; q++) u[q] = factor_row(en, first + i + q)[j];
            subtract(g->columns + j * TILE_ROWS, missed + i * TILE_ROWS, u, m);
        }
    }
}

static void run_gptq(const encoder *en, group *g) {
    float missed[PANEL * TILE_ROWS];
    load_columns(en, g);
    for (size_t begin = 0; begin < en->k; begin += PANEL) {
        const size_t end = begin + PANEL < en->k ? begin + PANEL : en->k;
        for (size_t i = begin; i < end; i++) {
            if (i % encoder_span(en) == 0) fit_grids(en, g, i);
            round_column(en, g, i, missed + (i - begin) * TILE_ROWS);
            compensate(en, g, i, 1, missed + (i - begin) * TILE_ROWS, i + 1, end);
        }
        compensate(en, g, begin, end - begin, missed, end, en->k);
    }
    if (en->method->sweeps) polish_group(en, g, en->method->sweeps);
}

static void run(const encoder *en, group *g) {
    if (en->factor) {
        run_gptq(en, g);
    } else {
        method_fit.run(en, g);
    }
}

const method method_gptq = {"gptq", "each column makes up for the errors of those before it; needs calibration", FIT_SEARCH, true, 12, 0, run};
const method method_polish = {"polish", "gptq, then coordinate descent over scales and codes; needs calibration, slow", FIT_SEARCH, true, 12, 2, run};
