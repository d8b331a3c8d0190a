/* reference.h: the transformer in plain double arithmetic, one token after the other, to compare the engine with. Shares nothing with it but the
 * reference decode of weights. */
#ifndef QBIN_TESTS_REFERENCE_H
#define QBIN_TESTS_REFERENCE_H

#include "engine/model.h"

/* logits[n][vocab] of ids[n]. */
void reference_logits(const model *m, const int32_t *ids, size_t n, double *logits);

#endif
