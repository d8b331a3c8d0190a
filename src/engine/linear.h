/* linear.h: products of one activation with weight matrices, a thread's share of the rows at a time. Knows no format: a matrix brings the
 * kernel that its descriptor found. */
#ifndef QBIN_ENGINE_LINEAR_H
#define QBIN_ENGINE_LINEAR_H

#include "base/pool.h"
#include "engine/activation.h"
#include "engine/model.h"

typedef struct linear {
    const tensor *w;
    format format;      /* the tensor's, with the activations that it really multiplies */
    const float *bias;  /* [rows] or NULL */
    const float *shift; /* [rows] or NULL: what the centre of static activations adds */
    linear_fn *run;
} linear;

/* Finds the kernel. `activations`: NULL for those of the tensor's format, or a name that format_set_act knows. E_FILE names the tensor and its format if there
 * is no kernel. */
status linear_of(linear *out, weight w, const char *activations, const kernels *table, error *e);

/* What the products of one input want of it together. */
encoding linear_encoding(const linear *const *products, size_t n);

typedef struct result { /* where a product goes: y [tokens][ld] */
    const linear *of;
    float *y;
    size_t ld;
} result;

/* Row groups that some instruction sets multiply together: work is cut between pairs. */
enum { LINEAR_GROUPS = 2 };

/* The row groups of results[which] among the parts that were taken, when all results are cut as one by their bytes. */
range linear_taken(const result *results, size_t count, size_t which, const taking *t);

/* What a thread multiplies with: the batch's inputs and its own room. */
typedef struct product {
    const kernels *kernels;
    const activation *input;
    size_t n; /* tokens */
    void *scratch;
} product;

/* y [n][ldy] = W x + bias for row groups [groups.begin, groups.end) only; y's first value is token 0's in the first of these rows. Rows up to the
 * end of the last group are written. */
void linear_rows(const linear *l, const product *p, range groups, float *y, size_t ldy);

#endif
