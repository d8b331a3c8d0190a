/* Fits of few levels against brute force: ternary and binary scales, codebooks of a row and of several rows. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"

enum { N = 64 };

typedef struct block { /* random values, some far out, and weights */
    float x[N], w[N];
} block;

static block random_block(uint64_t *seed, int trial) {
    block b;
    for (size_t i = 0; i < N; i++) {
        b.x[i] = random_normal(seed) * (i == 9 && trial % 3 == 0 ? 5 : 1);
        b.w[i] = trial % 2 ? 1 : 0.01f + fabsf(random_normal(seed));
    }
    return b;
}

/* Weighted squared error of the nearest of `n` levels. */
static double cost_of(const block *b, const double *levels, size_t n) {
    double cost = 0;
    for (size_t i = 0; i < N; i++) {
        double least = INFINITY;
        for (size_t l = 0; l < n; l++) least = fmin(least, pow((double)b->x[i] - levels[l], 2));
        cost += (double)b->w[i] * least;
    }
    return cost;
}

/* The scale of levels -1, (0,) 1 by trying very many. */
static double best_scale(const block *b, bool zero) {
    double least = INFINITY;
    for (int i = 1; i < 4000; i++) {
        const double s = 0.001 * i, levels[3] = {-s, s, 0};
        least = fmin(least, cost_of(b, levels, zero ? 3 : 2));
    }
    return least;
}

Test(fits, ternary_and_binary_scales_are_the_best_there_are) {
    static const struct {
        const char *name;
        bool zero;
    } names[] = {{"ternary", true}, {"ternary5-b64", true}, {"ternary-row", true}, {"binary", false}, {"binary-row", false}};
    uint64_t seed = 1;
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        format f;
        cr_assert_eq(format_parse(&f, names[n].name, NULL), OK);
        for (int trial = 0; trial < 20; trial++) {
            const block b = random_block(&seed, trial);
            const double s = (double)f.family->fit(&f, FIT_SEARCH, NULL, &(fit_block){b.x, b.w, N}).scale, levels[3] = {-s, s, 0};
            const double found = cost_of(&b, levels, names[n].zero ? 3 : 2), best = best_scale(&b, names[n].zero);
            cr_expect_leq(found, best * (1 + 1e-5), "%s: %g is not %g", names[n].name, found, best);
        }
    }
}

/* Plain rounding of ternary: the mean magnitude (BitNet b1.58), over values that are not padding. */
Test(fits, ternary_rounding_takes_the_mean_magnitude) {
    format f;
    cr_assert_eq(format_parse(&f, "ternary-row", NULL), OK);
    float x[N], w[N];
    for (size_t i = 0; i < N; i++) {
        x[i] = i % 2 ? 3 : -1;
        w[i] = i < 48 ? 1 : 0;
    }
    cr_expect_eq(f.family->fit(&f, FIT_RTN, NULL, &(fit_block){x, w, N}).scale, 2);
}

/* The best four levels of sorted values by all ways to part them: a level is the weighted mean of its part. */
static int ascending(const void *a, const void *b) {
    const float x = ((const float *)a)[0], y = ((const float *)b)[0];
    return (x > y) - (x < y);
}

static double best_parts(const block *b) {
    float pairs[N][2];
    double w[N + 1] = {0}, wx[N + 1] = {0}, wxx[N + 1] = {0}, least = INFINITY;
    for (size_t i = 0; i < N; i++) memcpy(pairs[i], (float[2]){b->x[i], b->w[i]}, sizeof pairs[i]);
    qsort(pairs, N, sizeof *pairs, ascending);
    for (size_t i = 0; i < N; i++) {
        const double x = (double)pairs[i][0], weight = (double)pairs[i][1];
        w[i + 1] = w[i] + weight;
        wx[i + 1] = wx[i] + weight * x;
        wxx[i + 1] = wxx[i] + weight * x * x;
    }
    for (int p = 1; p < N - 2; p++) {
        for (int q = p + 1; q < N - 1; q++) {
            for (int r = q + 1; r < N; r++) {
                const int ends[5] = {0, p, q, r, N};
                double cost = wxx[N];
                for (int c = 0; c < 4; c++) cost -= pow(wx[ends[c + 1]] - wx[ends[c]], 2) / (w[ends[c + 1]] - w[ends[c]]);
                least = fmin(least, cost);
            }
        }
    }
    return least;
}

/* Rounding levels to whole numbers of at most 127 costs a little. */
Test(fits, four_levels_of_a_row_are_the_best_there_are) {
    format f;
    cr_assert_eq(format_parse(&f, "km2-row", NULL), OK);
    uint64_t seed = 3;
    for (int trial = 0; trial < 8; trial++) {
        const block b = random_block(&seed, trial);
        const fit_block values = {b.x, b.w, N};
        book_sums sums;
        codebook book;
        grid g;
        double levels[4];
        f.family->learn->together(&f, FIT_SEARCH, &values, 1, &sums, &book, &g);
        for (size_t i = 0; i < 4; i++) levels[i] = (double)g.scale * book.stored[i];
        const double found = cost_of(&b, levels, 4), best = best_parts(&b);
        cr_expect_leq(found, 1.005 * best, "trial %d: %g is not %g", trial, found, best);
        cr_expect_geq(found, best * (1 - 1e-6));
    }
}

/* Rows that are multiples of one another share levels as if they were one. */
Test(fits, rows_that_share_levels_find_their_scales) {
    format f;
    cr_assert_eq(format_parse(&f, "km3-group", NULL), OK);
    uint64_t seed = 4;
    float x[16][256], w[256];
    fit_block blocks[16];
    grid grids[16];
    book_sums sums;
    codebook book;
    for (size_t i = 0; i < 256; i++) {
        x[0][i] = random_normal(&seed);
        w[i] = 1;
    }
    for (size_t r = 16; r-- > 0;) {
        for (size_t i = 0; i < 256; i++) x[r][i] = x[0][i] * ldexpf(1, (int)r - 8);
        blocks[r] = (fit_block){x[r], w, 256};
    }
    f.family->learn->together(&f, FIT_SEARCH, blocks, 16, &sums, &book, grids);
    for (size_t r = 0; r < 16; r++) cr_expect_float_eq(grids[r].scale, ldexpf(grids[8].scale, (int)r - 8), 1e-5f * fabsf(grids[r].scale));
}

/* A few values that are denormal or nearly so, among zeros. */
Test(fits, tiny_values_beside_zeros_have_scales_in_every_format) {
    enum { MANY = 256 };
    static const float sizes[] = {0x1p-149f, 1e-40f, 1e-37f, 1e-33f};
    codebook book;
    float levels[1 << 4], x[MANY] = {0}, w[MANY];
    format f;
    for (size_t i = 0; i < MANY; i++) w[i] = 1;
    for (size_t i = 0; format_nth(i, &f); i++) {
        if (f.family->plain) continue;
        for (size_t c = 0; c < format_entries(&f); c++) levels[c] = (float)c * 16 - 120;
        codebook_prepare(&book, levels, format_entries(&f));
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            x[3] = sizes[s];
            x[MANY / 2 + 1] = -sizes[s] / 2;
            const grid g = f.family->fit(&f, FIT_SEARCH, format_entries(&f) ? &book : NULL, &(fit_block){x, w, f.block ? f.block : MANY});
            char name[FORMAT_NAME];
            format_name(&f, name);
            cr_expect(isfinite(g.scale) && isfinite(g.min) && fabsf(g.scale) <= 2 * sizes[s], "%s: %g for %g", name, (double)g.scale,
                      (double)sizes[s]);
        }
    }
}
