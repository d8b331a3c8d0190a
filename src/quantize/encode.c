#include "quantize/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "quantize/learn.h"

static size_t padded_k(const encoder *en) {
    return en->layout.tiles * TILE_K;
}

size_t encoder_span(const encoder *en) {
    return en->format.grain == GRAIN_BLOCK ? en->format.block : padded_k(en);
}

const codebook *group_book(const group *g, const encoder *en, size_t r) {
    const codebook *const books[] = {[SCOPE_NONE] = NULL,
                                     [SCOPE_TENSOR] = en->shared ? &en->shared->book : NULL,
                                     [SCOPE_GROUP] = g->books,
                                     [SCOPE_ROW] = g->books ? g->books + r : NULL};
    return books[en->format.scope];
}

void group_levels(const group *g, const encoder *en, size_t r, float *levels) {
    const codebook *book = group_book(g, en, r);
    for (unsigned code = 0; code < 1u << en->format.bits; code++) levels[code] = (float)format_level(&en->format, book ? book->stored : NULL, code);
}

fit_block group_block(const group *g, const encoder *en, size_t r, size_t b) {
    const size_t padded = padded_k(en), span = encoder_span(en), begin = b * span, at = r * padded + begin;
    return (fit_block){g->x + at, g->w + at, span < padded - begin ? span : padded - begin};
}

/* ---- the methods ---- */

grid group_fit(const group *g, const encoder *en, size_t r, size_t b, const fit_block *values) {
    const format *f = &en->format;
    if (f->grain == GRAIN_TENSOR) return en->shared->at;
    if (g->books) return g->grids[r * en->layout.blocks + b];
    return f->family->fit(f, en->method->how, group_book(g, en, r), values);
}

static void run_blocks(const encoder *en, group *g) {
    const format *f = &en->format;
    for (size_t r = 0; r < g->rows; r++) {
        const codebook *book = group_book(g, en, r);
        for (size_t b = 0; b * encoder_span(en) < en->k; b++) {
            const fit_block block = group_block(g, en, r, b);
            grid *at = &g->grids[r * en->layout.blocks + b];
            *at = group_fit(g, en, r, b, &block);
            f->family->assign(f, book, *at, block.x, block.n, g->codes + (block.x - g->x));
        }
    }
}

const method method_fit = {"fit",     "scales by search of the squared error, codebooks learned in alternation with them", FIT_SEARCH, false, 12, 0,
                           run_blocks};
static const method method_rtn = {"rtn", "scales from the range of each block, then round to nearest", FIT_RTN, false, 1, 0, run_blocks};

static void take_codes(const encoder *en, group *g) {
    for (size_t r = 0; r < g->rows; r++) {
        en->coded(en->coded_from, g->index * TILE_ROWS + r, g->codes + r * padded_k(en), g->grids + r * en->layout.blocks);
    }
}

const method method_keep = {"keep", "codes and scales as they are in the source", FIT_RTN, false, 0, 0, take_codes};

const method *const methods[] = {&method_fit, &method_rtn, &method_gptq, &method_polish, NULL};

const method *method_find(const char *name) {
    for (const method *const *m = methods; *m; m++) {
        if (!strcmp((*m)->name, name)) return *m;
    }
    return NULL;
}

/* ---- groups ---- */

bool encoder_make(encoder *en, const format *f, const method *m, size_t rows, size_t k, const float *importance) {
    *en = (encoder){.format = *f, .rows = rows, .k = k, .method = m, .importance = importance};
    return format_layout(f, rows, k, &en->layout);
}

typedef struct parts {
    size_t w, codes, grids, columns, block, books, total;
} parts;

static size_t group_books(const format *f) {
    return f->scope == SCOPE_ROW ? TILE_ROWS : f->scope == SCOPE_GROUP;
}

static parts measure(const encoder *en) {
    const size_t values = TILE_ROWS * padded_k(en);
    parts p = {.w = values * sizeof(float)};
    p.codes = p.w + values * sizeof(float);
    p.grids = p.codes + values;
    p.columns = p.grids + TILE_ROWS * en->layout.blocks * sizeof(grid);
    p.block = p.columns + (en->factor ? 2 * TILE_ROWS * en->k * sizeof(float) : 0);
    p.books = round_up(p.block + (en->factor ? 2 * padded_k(en) * sizeof(float) : 0), 64);
    p.total = p.books + round_up(group_books(&en->format) * sizeof(codebook), 64);
    return p;
}

size_t group_bytes(const encoder *en) {
    return measure(en).total;
}

status group_open(group *g, const encoder *en, error *e) {
    const parts p = measure(en);
    *g = (group){.memory = aligned_alloc(64, p.total)};
    if (!g->memory) return fail(e, E_MEMORY, "no memory for %zu bytes", p.total);
    char *base = g->memory;
    g->x = (float *)base;
    g->w = (float *)(base + p.w);
    g->codes = (uint8_t *)(base + p.codes);
    g->grids = (grid *)(base + p.grids);
    g->columns = en->factor ? (float *)(base + p.columns) : NULL;
    g->block = en->factor ? (float *)(base + p.block) : NULL;
    g->books = group_books(&en->format) ? (codebook *)(base + p.books) : NULL;
    return OK;
}

void group_close(group *g) {
    free(g->memory);
    *g = (group){0};
}

float *group_row(const group *g, const encoder *en, size_t r) {
    return g->x + r * padded_k(en);
}

/* Is every value within what each format can store? One pass that becomes vectors; nearly always the answer is yes. */
static bool row_fits(const float *x, size_t k) {
    const float limit = 65504.0f; /* of f16 */
    int bad = 0;
    for (size_t i = 0; i < k; i++) bad |= !(x[i] >= -limit && x[i] <= limit);
    return !bad;
}

static bool value_fits(const format *f, float x) {
    if (!isfinite(x) || !f->family->plain) return isfinite(x);
    uint8_t stored[sizeof(float)];
    f->family->store(stored, x);
    return isfinite(f->family->load(stored));
}

static void clean_row(float *x, size_t k) {
    float largest = 0;
    for (size_t i = 0; i < k; i++) {
        if (isfinite(x[i]) && fabsf(x[i]) > largest) largest = fabsf(x[i]);
    }
    for (size_t i = 0; i < k; i++) {
        if (!isfinite(x[i])) x[i] = isnan(x[i]) ? 0 : copysignf(largest, x[i]);
    }
}

static void check_rows(group *g, const encoder *en) {
    for (size_t r = 0; r < g->rows; r++) {
        float *x = group_row(g, en, r);
        if (row_fits(x, en->k)) continue;
        for (size_t i = 0; i < en->k && g->first_bad == UINT64_MAX; i++) {
            if (value_fits(&en->format, x[i])) continue;
            g->first_bad = (g->index * TILE_ROWS + r) * en->k + i;
            g->bad_value = x[i];
        }
        if (!en->format.family->plain) clean_row(x, en->k);
    }
}

/* What lies past k: copies of the last value with weight 0, so that no fit has to know; zeros for plain formats and rows that do not exist. */
static void pad_rows(group *g, const encoder *en) {
    const size_t padded = padded_k(en);
    for (size_t r = 0; r < TILE_ROWS; r++) {
        float *x = g->x + r * padded, *w = g->w + r * padded;
        const size_t from = r < g->rows ? en->k : 0;
        const float fill = r < g->rows && !en->format.family->plain ? x[en->k - 1] : 0;
        for (size_t i = from; i < padded; i++) x[i] = fill;
        for (size_t i = 0; i < padded; i++) w[i] = i >= from ? 0 : en->importance ? en->importance[i] : 1;
    }
}

void group_read(group *g, const encoder *en, const row_source *from, size_t index) {
    const size_t left = en->rows - index * TILE_ROWS;
    g->index = index;
    g->rows = left < TILE_ROWS ? left : TILE_ROWS;
    g->first_bad = UINT64_MAX;
    g->lost = (losses){0};
    from->fill(from, en, g);
    check_rows(g, en);
    pad_rows(g, en);
}

/* The codes of padding. Grids of blocks and rows that do not exist are 0 already, if they have their own. */
static void blank_codes(group *g, const encoder *en) {
    const format *f = &en->format;
    const size_t padded = padded_k(en);
    for (size_t r = 0; r < TILE_ROWS; r++) {
        const codebook *book = group_book(g, en, r);
        const unsigned zero = format_zero_code(f, book ? book->stored : NULL);
        const size_t from = r < g->rows ? en->k : 0;
        memset(g->codes + r * padded + from, (int)zero, padded - from);
    }
}

static void pack_head(const group *g, const encoder *en, uint8_t *out) {
    const size_t entries = format_entries(&en->format);
    for (size_t i = 0; i < group_books(&en->format); i++) memcpy(out + i * entries, g->books[i].stored, entries);
}

void group_encode(group *g, const encoder *en, group_parts out) {
    const format *f = &en->format;
    if (f->family->plain) {
        group_measure(g, en);
        group_pack_plain(f, &en->layout, g->x, out.codes);
        return;
    }
    memset(g->grids, 0, TILE_ROWS * en->layout.blocks * sizeof(grid));
    if (g->books) learn_group(en, g);
    en->method->run(en, g);
    blank_codes(g, en);
    group_measure(g, en);
    pack_head(g, en, out.head);
    group_pack_codes(f, &en->layout, g->codes, out.codes);
    if (en->layout.group_side) group_pack_side(f, &en->layout, g->grids, out.side);
}
