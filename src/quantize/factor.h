/* factor.h: the triangular factor of an inverse that error-compensating methods walk along. Owns dense linear algebra in double, blocked for caches and
 * the same bits for any number of threads; knows nothing of weights. */
#ifndef QBIN_QUANTIZE_FACTOR_H
#define QBIN_QUANTIZE_FACTOR_H

#include <stddef.h>

#include "base/error.h"

/* The upper triangle of a symmetric matrix [k][k], row by row: element (i, j) with i <= j is number triangle_at(k, i) + j. */
static inline size_t triangle_size(size_t k) {
    return k * (k + 1) / 2;
}

static inline size_t triangle_at(size_t k, size_t i) {
    return i * k - i * (i + 1) / 2;
}

/* u [k][k] f32 = the upper triangle U with U^T U = (H + damp * mean(diag H) * I)^-1, zeros below; h f32 is the triangle of H. An input that is
 * always zero (h[j][j] = 0) gets the mean of the diagonal: it compensates nothing. Damping grows tenfold until the matrix is positive definite
 * (Frantar et al., GPTQ, 2022, section 3.3). E_MEMORY; E_RUN if h is not finite or has no positive element on its diagonal. */
status factor_inverse(float *u, const float *h, size_t k, double damp, int threads, error *e);

#endif
