/* phase.h: what the steps of the forward pass are made of: which tokens and rows of a batch are this thread's, barriers with the time between them,
 * products that end in the residual stream. For the files of the engine that compute layers; owns nothing. */
#ifndef QBIN_ENGINE_PHASE_H
#define QBIN_ENGINE_PHASE_H

#include "engine/state.h"

/* What a phase works with: tokens [first, first + n) of the batch. */
typedef struct phase {
    session *s;
    worker *w;
    int thread;
    size_t first, n;
    float *x; /* [n][hidden], their residual stream */
} phase;

phase phase_of(session *s, int thread, size_t first, size_t n);

/* A step is over for this thread; barrier: and by all; barrier_if: by all if they must wait for each other. */
void step_end(const phase *p, profile_step step);
void barrier(const phase *p, profile_step step);
void barrier_if(const phase *p, bool needed, profile_step step);

/* One token: each thread has all of it, and its own input. */
static inline bool alone(const phase *p) {
    return p->n == 1;
}

static inline const activation *input_of(const phase *p) {
    return alone(p) ? &p->w->input : &p->s->input;
}

/* The tokens that this thread encodes: whole panels. */
range tokens_of(const phase *p);
product product_of(const phase *p, const activation *input);

/* The next parts of a product's rows, until none is left. */
bool take(const phase *p, taking *t);

/* The row groups from `group` on that are finished together: all that a thread's room can hold for these tokens. */
range block_at(const phase *p, size_t group, size_t end);

static inline size_t rows_in(range groups) {
    return (groups.end - groups.begin) * TILE_ROWS;
}

/* An observer, if there is one, is given channels of an input; x[0] is the first of them of the phase's first token. observe_share: this thread's share of an
 * input that all threads see whole. */
void observe(const phase *p, size_t input, const float *x, size_t ld, range channels);
void observe_share(const phase *p, size_t input, const float *x, size_t ld);

/* y = W input (+ bias) for products that share their input; they are cut by their bytes, as if they were one. */
void multiply(const phase *p, const result *results, size_t count);

/* W input (+ bias), and what the spec does with it: add it to x, keep it aside, or add it with what was kept. */
void land_product(const phase *p, const linear *l, const activation *input, land_fn *land);

/* How the results of attention and of the MLP land. */
land_fn land_add, land_aside, land_both;

/* ---- mlp.c ---- */

/* x lands W_down act(...) of the input that was encoded for it: the second half of a layer that has one MLP. `input`: the number of what W_down reads. */
void mlp_run(const phase *p, const mlp *m, size_t input);

/* w->gate [n][ld] = rows of these groups of the inner vectors of the product's tokens; w->up is used up. */
void mlp_inner_rows(const phase *p, const mlp *m, const product *with, range groups, size_t ld);

#endif
