/* families.h: the families that registry.c lists, one object per family file, and the arithmetic that they share. For quant_formats/ alone.
 *
 * Fits run on any machine with the same result: plain C in one order, loops over LANES partial sums that a compiler turns into vectors. */
#ifndef QBIN_FAMILIES_H
#define QBIN_FAMILIES_H

#include "codebook.h"
#include "format.h"

extern const family family_f32, family_f16, family_bf16, family_linear, family_codebook;

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

/* ---- linear_fit.c ---- */

/* Least weighted squared error over scales (and minimums); never worse than `start`. lo and hi are the integers that codes stand for. */
grid fit_symmetric(const format *f, const fit_block *b, float lo, float hi, grid start);
grid fit_asymmetric(const format *f, const fit_block *b, float hi, grid start);

/* ---- codebook_fit.c ---- */
grid fit_codebook(const format *f, const fit_block *b, const codebook *book, grid start);

/* ---- kmeans.c ---- */
double solve_levels(const format *f, const book_sums *sums, int8_t *levels);

#endif
