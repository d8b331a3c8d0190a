/* products.h: the products of the channels of each input with each other, summed over the tokens of a text: H = X^T X, what error-compensating methods need
 * (GPTQ's Hessian without its factor 2). The first token of a window attracts the attention of all later ones (attention sinks: Xiao et al. 2023,
 * section 3), so errors of its key and value reach them all: where q, k and v read it, it counts for a quarter of the window. Owns the sums of a whole
 * model, k * (k + 1) / 2 floats for each input, and the values of one window; the sums have the same bits for any number of threads, any split into
 * batches and any instruction set. Refuses nothing: values are checked by statistics.h. */
#ifndef QBIN_QUANTIZE_PRODUCTS_H
#define QBIN_QUANTIZE_PRODUCTS_H

#include "base/error.h"
#include "file/input.h"

typedef struct products products;

/* Of a model with this spec (borrowed), from windows of up to `window` tokens; `threads` to sum with. E_MEMORY says how much is wanted. products_close takes
 * a pointer to NULL too. */
status products_open(products **out, const spec *s, size_t window, int threads, error *e);
void products_close(products **p);

/* Values of some channels of one input: x[t * ld + i] is channel + i of token `first` + t of the window. From any thread. */
typedef struct glimpse {
    size_t input, first, tokens, channel, channels;
    const float *x;
    size_t ld;
} glimpse;
void products_take(products *p, const glimpse *seen);

/* Adds the window's first `tokens` tokens to the sums. E_MEMORY. */
status products_end_window(products *p, size_t tokens, error *e);

/* Adds sums that were made before, as products_of gives them, times `by`. */
void products_add(products *p, size_t input, const float *sums, double by);

/* The sums of an input with k channels, the triangle of H (factor.h). */
const float *products_of(const products *p, size_t input);

#endif
