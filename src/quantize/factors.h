/* factors.h: the factors (factor.h) of the inputs that a few tensors multiply, each made once: matrices that share an input share its factor. Owns them; they
 * are large, so they are given back when those tensors are done. */
#ifndef QBIN_QUANTIZE_FACTORS_H
#define QBIN_QUANTIZE_FACTORS_H

#include <stddef.h>

#include "base/error.h"

enum { FACTORS_MAX = 64 };

typedef struct factor_set { /* {0} is empty */
    const float *of[FACTORS_MAX];
    float *u[FACTORS_MAX];
    size_t n;
} factor_set;

/* *u [k][k] = the factor of the triangle of products, borrowed until factors_clear. E_MEMORY, E_RUN as factor_inverse. */
status factors_get(factor_set *f, const float *products, size_t k, int threads, const float **u, error *e);
void factors_clear(factor_set *f);

#endif
