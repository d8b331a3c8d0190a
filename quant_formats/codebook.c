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
    const float above = at > 0 ? at : 0; /* also for what is no number */
    return (int)(above > HALF_STEPS - 1 ? HALF_STEPS - 1 : above);
}

static void codebook_assign(const format *f, const codebook *book, grid g, const float *x, size_t n, uint8_t *codes) {
    (void)f;
    const float by = reciprocal(g.scale);
    for (size_t i = 0; i < n; i++) codes[i] = book->code_at[half_step(x[i] * by)];
}

static float codebook_range(const format *f, const fit_block *b) {
    return grid_round(f, block_extreme(b) / LEVEL_MAX);
}

static void codebook_gather(const fit_block *b, float scale, book_sums *sums) {
    const float by = reciprocal(scale);
    const double area = (double)scale * (double)scale;
    for (size_t i = 0; i < b->n; i++) {
        const float far = 1e6f, v = b->x[i] * by, u = v < -far ? -far : v > far ? far : v; /* a scale may be as small as it goes */
        const int at = half_step(u);
        const double w = area * (double)b->w[i], wu = w * (double)u;
        sums->w[at] += w;
        sums->wu[at] += wu;
        sums->wuu[at] += wu * (double)u;
        sums->values += b->w[i] > 0;
        sums->zeros += b->w[i] > 0 && b->x[i] == 0;
    }
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

/* The scales of equal root mean square, the least with which no value is beyond LEVEL_MAX. */
static void first_scales(const format *f, const fit_block *blocks, size_t n, grid *grids) {
    float reach = 0;
    for (size_t r = 0; r < n; r++) {
        const fit_block *b = &blocks[r];
        double power = 0, w = 0;
        for (size_t i = 0; i < b->n; i++) {
            power += (double)b->w[i] * (double)b->x[i] * (double)b->x[i];
            w += (double)b->w[i];
        }
        grids[r] = (grid){.scale = power > 0 ? grid_round(f, (float)sqrt(power / w)) : 0};
        const float far = fabsf(block_extreme(b)) * reciprocal(grids[r].scale);
        reach = far > reach ? far : reach;
    }
    for (size_t r = 0; r < n; r++) {
        const float most = grids[r].scale == 0 ? 0 : grids[r].scale * (reach / LEVEL_MAX);
        grids[r].scale = n > 1 ? grid_round(f, most) : codebook_range(f, blocks);
    }
}

static void gather_all(const fit_block *blocks, size_t n, const grid *grids, book_sums *sums) {
    *sums = (book_sums){0};
    for (size_t r = 0; r < n; r++) codebook_gather(&blocks[r], grids[r].scale, sums);
}

/* The extremes are levels only if that is best, and then scales leave the levels the room that they have: coarse looks at the values find where the
 * outermost level belongs, fine ones the rest, in turn with the scales of the blocks. */
static void codebook_together(const format *f, fit_method how, const fit_block *blocks, size_t n, book_sums *sums, codebook *book, grid *grids) {
    enum { LOOKS = 4, ENOUGH = 50, ROUNDS = 6 };
    const bool searches = how != FIT_RTN;
    float levels[256], outer = 0;
    first_scales(f, blocks, n, grids);
    for (int look = 0; look < LOOKS && outer < ENOUGH && searches; look++) {
        gather_all(blocks, n, grids, sums);
        solve_rough_levels(f, sums, levels);
        const float low = fabsf(levels[0]), high = fabsf(levels[format_entries(f) - 1]);
        outer = low > high ? low : high;
        const float by = outer < LEVEL_MAX ? (outer + ROUGH) / LEVEL_MAX : 1;
        for (size_t r = 0; r < n; r++) grids[r].scale = grid_round(f, grids[r].scale * by);
    }
    for (int round = 0; round < (n > 1 && searches ? ROUNDS : 1); round++) {
        /* Once by a wide search: steps from there find what is near. */
        for (size_t r = 0; r < n && round; r++) {
            grids[r] = round == 1 ? fit_codebook(f, &blocks[r], book, grids[r]) : refit_codebook(f, book, &blocks[r], grids[r]);
        }
        gather_all(blocks, n, grids, sums);
        solve_free_levels(f, sums, levels);
        codebook_prepare(book, levels, format_entries(f));
    }
}

static const book_fit learn = {
    .range = codebook_range,
    .gather = codebook_gather,
    .solve = solve_levels,
    .relax = codebook_relax,
    .together = codebook_together,
};

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
