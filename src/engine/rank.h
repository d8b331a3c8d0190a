/* rank.h: the best few of many logits, without sorting the rest. Owns no memory; the order is total (equal logits: the lower id first), so
 * the result does not depend on how it was found. */
#ifndef QBIN_ENGINE_RANK_H
#define QBIN_ENGINE_RANK_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

typedef struct candidate {
    float logit;
    int32_t id;
} candidate;

/* Infinities become the largest finite number, NaN the lowest, so that a difference of logits is never NaN. */
static inline float finite_logit(float x) {
    const float low = x >= -FLT_MAX ? x : -FLT_MAX;
    return low <= FLT_MAX ? low : FLT_MAX;
}

/* list[k] = the k best of logits[n], best first; 1 <= k <= n. */
void rank_logits(candidate *list, size_t k, const float *logits, size_t n);

/* Puts list[n] in order, best first. */
void rank_sort(candidate *list, size_t n);

#endif
