/* The codebook family: 2^bits int8 levels that are learned. */
#include "codebook.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"

static int ascending(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void codebook_prepare(codebook *book, const float *levels, size_t entries) {
    book->entries = entries;
    memcpy(book->level, levels, entries * sizeof *levels);
    qsort(book->level, entries, sizeof *levels, ascending);
    for (size_t i = 0; i < entries; i++) book->stored[i] = (int8_t)lrintf(book->level[i]);
    size_t code = 0;
    for (int i = 0; i < HALF_STEPS; i++) {
        const float middle = ((float)i + 0.5f) / 2 - HALF_STEPS / 4;
        while (code + 1 < entries && middle > (book->level[code] + book->level[code + 1]) / 2) code++;
        book->code_at[i] = (uint8_t)code;
        book->level_at[i] = book->level[code];
    }
}

/* The value of largest magnitude becomes the level of largest magnitude. */
static grid range_codebook(const format *f, const fit_block *b, const codebook *book) {
    const float first = book->level[0], last = book->level[book->entries - 1], outer = -first > last ? first : last;
    return (grid){.scale = outer != 0 ? grid_round(f, block_extreme(b) / outer) : 0};
}

static grid codebook_fit_block(const format *f, fit_method how, const codebook *book, const fit_block *b) {
    const grid range = range_codebook(f, b, book);
    return how == FIT_RTN ? range : fit_codebook(f, b, book, range);
}

/* The half step that holds u. */
static inline int half_step(float u) {
    const float at = 2 * u + HALF_STEPS / 2;
    const float above = at < 0 ? 0 : at;
    return (int)(above > HALF_STEPS - 1 ? HALF_STEPS - 1 : above);
}

static void codebook_assign(const format *f, const codebook *book, grid g, const float *x, size_t n, uint8_t *codes) {
    (void)f;
    const float by = reciprocal(g.scale);
    for (size_t i = 0; i < n; i++) codes[i] = book->code_at[half_step(x[i] * by)];
}

static void add_block(const fit_block *b, float scale, book_sums *sums) {
    const float by = reciprocal(scale);
    const double area = (double)scale * (double)scale;
    for (size_t i = 0; i < b->n; i++) {
        const float u = b->x[i] * by;
        const int at = half_step(u);
        const double w = area * (double)b->w[i], wu = w * (double)u;
        sums->w[at] += w;
        sums->wu[at] += wu;
        sums->wuu[at] += wu * (double)u;
        sums->values += b->w[i] > 0;
        sums->zeros += b->w[i] > 0 && b->x[i] == 0;
    }
}

static void codebook_gather(const format *f, fit_method how, const codebook *book, const fit_block *b, book_sums *sums) {
    add_block(b, book ? codebook_fit_block(f, how, book, b).scale : grid_round(f, block_extreme(b) / LEVEL_MAX), sums);
}

typedef struct cluster {
    double w, wu;
} cluster;

/* A plain alternation crawls: scales follow levels and levels follow scales. A step of nearly twice the distance gets there in half the rounds, and
 * still converges. */
static double codebook_relax(const format *f, const book_sums *sums, const codebook *book, float *levels) {
    const float stride = 1.8f;
    cluster clusters[256] = {{0}};
    double cost = 0;
    for (size_t i = 0; i < HALF_STEPS; i++) {
        const double level = (double)book->level_at[i];
        clusters[book->code_at[i]].w += sums->w[i];
        clusters[book->code_at[i]].wu += sums->wu[i];
        cost += sums->wuu[i] - 2 * level * sums->wu[i] + level * level * sums->w[i];
    }
    float outer = 0;
    for (size_t c = 0; c < format_entries(f); c++) {
        const float mean = clusters[c].w > 0 ? (float)(clusters[c].wu / clusters[c].w) : book->level[c];
        levels[c] = book->level[c] + stride * (mean - book->level[c]);
        outer = fabsf(levels[c]) > outer ? fabsf(levels[c]) : outer;
    }
    for (size_t c = 0; c < format_entries(f) && outer > 0; c++) levels[c] *= LEVEL_MAX / outer;
    return cost;
}

/* The extreme is a level only if that is best, and then the scale leaves the levels the room that they have: a coarse look at the values finds where the
 * outermost level belongs, a fine one the rest. */
static grid codebook_alone(const format *f, fit_method how, const fit_block *b, book_sums *sums, codebook *book) {
    enum { LOOKS = 4, FINE = 100 };
    grid g = {.scale = grid_round(f, block_extreme(b) / LEVEL_MAX)};
    float levels[256];
    *sums = (book_sums){0};
    add_block(b, g.scale, sums);
    for (int look = 1; look < LOOKS && how != FIT_RTN && g.scale != 0; look++) {
        solve_free_levels(f, sums, levels);
        const float low = fabsf(levels[0]), high = fabsf(levels[format_entries(f) - 1]), outer = low > high ? low : high;
        if (outer >= LEVEL_MAX) break;
        g.scale = grid_round(f, g.scale * (outer + 0.5f) / LEVEL_MAX);
        *sums = (book_sums){0};
        add_block(b, g.scale, sums);
        if (outer > FINE) break;
    }
    solve_free_levels(f, sums, levels);
    codebook_prepare(book, levels, format_entries(f));
    return g;
}

static const book_fit learn = {.gather = codebook_gather, .solve = solve_levels, .relax = codebook_relax, .alone = codebook_alone};

const family family_codebook = {
    .name = "codebook",
    .prefix = "km",
    .summary = "levels learned by k-means",
    .widths = 1 << 2 | 1 << 3 | 1 << 4,
    .block = 64,
    .fit = codebook_fit_block,
    .assign = codebook_assign,
    .learn = &learn,
};
