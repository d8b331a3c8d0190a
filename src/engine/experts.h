/* experts.h: a layer that has many MLPs, of which a router chooses a few for each token. Owns the choice, the grouping of a batch's tokens by expert, so that
 * a matrix is read once for all of them, and the sum of their results; weights of experts that nobody chose are not read.
 *
 * A token's result is the sum over its experts in the order of their numbers, then the shared one, whatever else is in the batch: its bits do not depend on
 * batches, threads or instruction sets. */
#ifndef QBIN_ENGINE_EXPERTS_H
#define QBIN_ENGINE_EXPERTS_H

#include "engine/phase.h"

/* Finds the kernels of a layer's experts. experts_close takes NULL too. */
status experts_open(experts **out, const layer *l, const spec *s, const char *activations, const kernels *k, error *e);
void experts_close(experts **x);

/* What all of them want of the layer's normalised input; and of the inner vectors. */
encoding experts_input(const experts *x);
unsigned experts_inner_codes(const experts *x);

/* Takes room for a session's batch. `codes` are those of all layers: of their inputs and of their inner vectors. */
void experts_layout(session *s, arena *a, unsigned input_codes, unsigned inner_codes);

/* The second half of a layer with experts: x lands the weighted sum of what they make of the normalised input, which has been encoded. */
void experts_run(const phase *p, const block *b);

#endif
