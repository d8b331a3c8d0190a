/* families.h: the families that registry.c lists, one object per family file, and the arithmetic that they share. For quant_formats/ alone.
 *
 * Fits run on any machine with the same result: plain C in one order, loops over LANES partial sums that a compiler turns into vectors (if it does not
 * unroll them first: hence the pragmas). */
#ifndef QBIN_FAMILIES_H
#define QBIN_FAMILIES_H

#include "codebook.h"
#include "format.h"

extern const family family_f32, family_f16, family_bf16, family_linear, family_codebook, family_ternary, family_trits, family_binary;

enum { LANES = 8 }; /* partial sums of a reduction along a block, added in a fixed tree */

static inline float lanes_sum(const float s[LANES]) {
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* x rounded to the nearest even integer of [lo, hi]; |lo|, |hi| < 2^22. The sum with 1.5 * 2^23 leaves no bits behind the point. */
static inline float round_into(float x, float lo, float hi) {
    const float magic = 0x1.8p23f;
    const float above = x < lo ? lo : x;
    const float inside = above > hi ? hi : above;
    return inside + magic - magic;
}

/* 1 / scale, or 0 for a scale of 0. */
static inline float reciprocal(float scale) {
    return scale != 0.0f ? 1.0f / scale : 0.0f;
}

/* x as the scales and minimums of the format are kept: f16 for blocks, within its finite range; else f32 without denormals. */
float grid_round(const format *f, float x);

/* The value of largest magnitude, with its sign; the first of equals. */
float block_extreme(const fit_block *b);

/* ---- search.c ---- */

/* Sums over a block scaled by `by`: with u = x * by, l the level nearest to u and r = u - l, the sums of w l r, w l l and w r r. */
typedef struct fit_sums {
    float lr, ll, rr;
} fit_sums;

typedef struct level_set { /* levels, as the search of a scale sees them */
    fit_sums (*sum)(const struct level_set *levels, const fit_block *b, float by);
    float lo, hi, step; /* the outermost, and the distance between neighbours (on average) */
    const codebook *book;
} level_set;

/* The scale of least weighted squared error; never worse than `start`. */
grid search_scale(const format *f, const level_set *levels, const fit_block *b, grid start);
/* The same near `start`. */
grid refit_scale(const format *f, const level_set *levels, const fit_block *b, grid start);

/* ---- linear_fit.c ---- */

grid fit_symmetric(const format *f, const fit_block *b, float lo, float hi, grid start);
/* Scale and minimum of least weighted squared error, codes 0 .. hi; never worse than `start`. */
grid fit_asymmetric(const format *f, const fit_block *b, float hi, grid start);

/* ---- codebook_fit.c ---- */

grid fit_codebook(const format *f, const fit_block *b, const codebook *book, grid start);
grid refit_codebook(const format *f, const codebook *book, const fit_block *b, grid from);

/* ---- ternary_fit.c ---- */

/* The mean magnitude, over the values with a weight or weighted. */
float block_mean(const fit_block *b, bool weighted);
/* The scale of least weighted squared error for levels -1, 0, 1: exact but for the rounding of the scale. */
grid fit_ternary(const format *f, const fit_block *b);

/* ---- kmeans.c ---- */

enum { ROUGH = 4 }; /* distance of the positions that rough levels may take */

/* The levels of least squared error, ascending: with one of magnitude LEVEL_MAX; wherever they belong; about where they belong. */
void solve_levels(const format *f, const book_sums *sums, float *levels);
void solve_free_levels(const format *f, const book_sums *sums, float *levels);
void solve_rough_levels(const format *f, const book_sums *sums, float *levels);

#endif
