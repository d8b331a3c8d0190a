/* gemma.h: what the Gemmas share: norms stored as what is added to 1, embeddings times the square root of their length, GELU by tanh, a tied head; and what the
 * later ones do: norms before and after, windows, scores scaled by a number of their own, caps. */
#ifndef QBIN_MODELS_GEMMA_H
#define QBIN_MODELS_GEMMA_H

#include "models/arch.h"
#include "models/features.h"

enum { GEMMA_HEAD_DIM = 256, GEMMA_CONTEXT = 8192 }; /* where a file says no other */

/* All but positions. */
status gemma_configure(spec *s, config *c, const usual_sizes *usual, error *e);

/* What is meant where a key is absent; a pattern of n: all layers but each n-th have the window. A cap that is null is none. */
typedef struct gemma_usual {
    uint32_t window, pattern;
    double score_cap, logit_cap;
} gemma_usual;
status gemma_configure_later(spec *s, config *c, const gemma_usual *usual, error *e);

status gemma_tensors(const spec *s, wanted_list *out, error *e);

#endif
