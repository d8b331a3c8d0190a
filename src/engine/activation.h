/* activation.h: the inputs of a product for a batch of tokens, in every encoding that the tensors they meet want (mixed formats in a layer
 * are the rule), each encoded once. Owns no memory: its buffers are taken from the session's arena. */
#ifndef QBIN_ENGINE_ACTIVATION_H
#define QBIN_ENGINE_ACTIVATION_H

#include "base/arena.h"
#include "kernels/kernels.h"

typedef struct activation {
    void *values[ACT_CODES];
    float *scales[ACT_CODES];
    int32_t *sums[ACT_CODES];
} activation;

typedef struct encoding {        /* what the products of one input want it to be */
    unsigned codes;              /* bit c: encoded as act_code c */
    float act_scale, act_center; /* of its static encodings */
} encoding;

/* Takes room for up to n tokens of up to k values, in encodings `codes`. */
void activation_layout(activation *a, arena *m, unsigned codes, size_t n, size_t k);

/* The same for tokens that come in groups of any size, in a row: activation_apart is the part of the buffers from token `first` on, seen as a group's own. */
void activation_layout_apart(activation *a, arena *m, unsigned codes, size_t n, size_t k);
activation activation_apart(const activation *a, size_t first, size_t k);

/* The buffers of one encoding, seen as n tokens of k values; a small value that each thread makes for itself. */
acts activation_acts(const activation *a, const kernels *table, act_code code, size_t n, size_t k);

/* The part of a batch that is encoded: tokens [t0, t1) of n, tiles [tile0, tile1) of those of k. */
typedef struct activation_part {
    size_t n, k, t0, t1, tile0, tile1;
} activation_part;

/* Encodes x [t1 - t0][ldx], whose first value is token t0's at tile tile0, in every encoding that is wanted; one for whole tokens needs all tiles. Disjoint
 * parts may run in parallel. */
void activation_encode(const activation *a, const kernels *table, const encoding *how, activation_part part, const float *x, size_t ldx);

#endif
