#include "quantize/factors.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "quantize/factor.h"

/* What two channels have in common in one text they have less of in another: products of different channels shrink (Schäfer and Strimmer 2005, target D).
 * SmolLM2-135M, 4 bits, calibrated on another kind of text: divergence of gate and up alone 0.056 without and 0.049 with it; on text of the same kind it
 * changes nothing. Damping is of the mean of the diagonal; a tenth or five times as much changes little. */
static const float shrunk = 0.85f;
static const double factor_damping = 0.01, products_damping = 0.002;

static void expand(float *h, const float *products, const float *columns, size_t k) {
    double mean = 0;
    for (size_t i = 0; i < k; i++) {
        for (size_t j = i; j < k; j++) {
            const float by = columns ? columns[i] * columns[j] : 1, product = products[triangle_at(k, i) + j] / by;
            h[i * k + j] = h[j * k + i] = i == j ? product : shrunk * product;
        }
        mean += (double)h[i * k + i] / (double)k;
    }
    for (size_t i = 0; i < k; i++) h[i * k + i] += (float)(products_damping * mean);
}

/* The triangle of h, for a moment where u will be. */
static void pack(float *triangle, const float *h, size_t k) {
    for (size_t i = 0; i < k; i++) {
        for (size_t j = i; j < k; j++) triangle[triangle_at(k, i) + j] = h[i * k + j];
    }
}

static status make(input_products *p, const float *products, const float *columns, size_t k, int threads, error *e) {
    uint64_t values, bytes;
    const bool possible = size_mul(k, k, &values) && size_mul(values, sizeof(float), &bytes);
    *p = (input_products){possible ? malloc(bytes) : NULL, possible ? malloc(bytes) : NULL};
    if (!p->u || !p->h) return fail(e, E_MEMORY, "no memory for the products of %zu inputs", k);
    expand(p->h, products, columns, k);
    pack(p->u, p->h, k);
    return factor_inverse(p->u, p->u, k, factor_damping, threads, e);
}

status factors_get(factor_set *f, const float *products, const float *columns, size_t k, int threads, input_products *out, error *e) {
    size_t i = 0;
    while (i < f->n && (f->of[i] != products || f->columns[i] != columns)) i++;
    if (i == FACTORS_MAX) return fail(e, E_RUN, "more than %d inputs at once", FACTORS_MAX);
    if (i == f->n) {
        f->of[i] = products;
        f->columns[i] = columns;
        f->n++;
        const status s = make(&f->made[i], products, columns, k, threads, e);
        if (s != OK) return s; /* nothing asks again: the conversion ends */
    }
    *out = f->made[i];
    return OK;
}

void factors_clear(factor_set *f) {
    for (size_t i = 0; i < f->n; i++) {
        free(f->made[i].u);
        free(f->made[i].h);
    }
    *f = (factor_set){0};
}
