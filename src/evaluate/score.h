/* score.h: what one row of logits says about the next token, and how far one row's distribution is from another's. In double, from sums that have the
 * same bits on every instruction set; refuses nothing, so a row that is not finite gives a result that is not. */
#ifndef QBIN_EVALUATE_SCORE_H
#define QBIN_EVALUATE_SCORE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* softmax(logits) in short: log p(i) = logits[i] - max - log_sum. */
typedef struct distribution {
    float max;
    double log_sum; /* log of the sum of exp(logit - max) */
    int32_t best;   /* the most likely id, the lowest of equals */
} distribution;

distribution distribution_of(const kernels *k, const float *logits, size_t n);

/* -log p(id) in nats. */
double surprise(const distribution *d, const float *logits, int32_t id);

/* The Kullback-Leibler divergence KL(p || q) = sum p log(p / q) in nats, of two rows [n] with their distributions. Summed as p log(p / q) - p + q, which
 * is the same in total but never negative and free of cancellation, so that the divergence of nearly equal models keeps its digits. */
double divergence(const kernels *k, const distribution *p, const float *p_logits, const distribution *q, const float *q_logits, size_t n);

#endif
