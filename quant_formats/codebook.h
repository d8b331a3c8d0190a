/* codebook.h: codebooks made ready for fits, and how they are learned. Knows levels and sums, not tensors: who shares a codebook, how many rounds are
 * made and in which order the sums of threads are added is the caller's business. */
#ifndef QBIN_CODEBOOK_H
#define QBIN_CODEBOOK_H

#include "format.h"

enum {
    LEVEL_MAX = 127,  /* levels are -127 .. 127 */
    HALF_STEPS = 512, /* u in [-128, 128) in steps of one half: borders between the cells of int8 levels lie on such steps */
};

struct codebook {
    size_t entries;
    int8_t stored[256];         /* ascending, as in the file */
    float level[256];           /* the same once learned; not rounded on the way there */
    float level_at[HALF_STEPS]; /* the level nearest to u in [i / 2 - 128, (i + 1) / 2 - 128) */
    uint8_t code_at[HALF_STEPS];
};

/* Makes 2^bits levels (which are sorted here) ready. */
void codebook_prepare(codebook *book, const float *levels, size_t entries);

/* What is known about the values that share a codebook: the weight, and its first two moments, of the scaled values u = x / scale in each half step. Each
 * x weighs w * scale^2, so that the sums are squared errors of the weights themselves. */
typedef struct book_sums {
    double w[HALF_STEPS], wu[HALF_STEPS], wuu[HALF_STEPS];
    uint64_t values, zeros; /* how many, and how many of them are exactly 0 */
} book_sums;

typedef struct book_fit {
    /* The scale with which the value of largest magnitude is LEVEL_MAX. */
    float (*range)(const format *f, const fit_block *b);
    /* Adds one block with its scale. */
    void (*gather)(const fit_block *b, float scale, book_sums *sums);
    /* The levels of least squared error for the sums: the exact optimum over whole levels of which one has magnitude LEVEL_MAX (and one is 0 if
     * the values are pruned, that is more than a twentieth is 0). levels[2^bits], ascending. */
    void (*solve)(const format *f, const book_sums *sums, float *levels);
    /* One step of an alternation with the scales: moves the levels of `book` towards the means of their values and beyond, not rounded; one keeps magnitude
     * LEVEL_MAX. Returns the squared error that the sums have for `book`. */
    double (*relax)(const format *f, const book_sums *sums, const codebook *book, float *levels);
    /* One codebook for n blocks, and their scales. `sums` is working memory. */
    void (*together)(const format *f, fit_method how, const fit_block *blocks, size_t n, book_sums *sums, codebook *book, grid *grids);
} book_fit;

#endif
