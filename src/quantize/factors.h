/* factors.h: the products of the inputs that a few tensors multiply, ready to be walked along, each made once: matrices that share an input share them. Owns
 * them; they are large, so they are given back when those tensors are done. */
#ifndef QBIN_QUANTIZE_FACTORS_H
#define QBIN_QUANTIZE_FACTORS_H

#include <stddef.h>

#include "base/error.h"

enum { FACTORS_MAX = 64 };

typedef struct input_products { /* of one input, [k][k] each */
    float *u;                   /* the factor of factor.h */
    float *h;                   /* the products themselves, both triangles, with a little damping */
} input_products;

typedef struct factor_set { /* {0} is empty */
    const float *of[FACTORS_MAX], *columns[FACTORS_MAX];
    input_products made[FACTORS_MAX];
    size_t n;
} factor_set;

/* *out = those of the triangle of products, borrowed until factors_clear. The inputs are divided by columns[k] first, if that is not NULL: then the weights are
 * multiplied by them. E_MEMORY, E_RUN as factor_inverse. */
status factors_get(factor_set *f, const float *products, const float *columns, size_t k, int threads, input_products *out, error *e);
void factors_clear(factor_set *f);

#endif
