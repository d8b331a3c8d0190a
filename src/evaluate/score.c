#include "evaluate/score.h"

#include <math.h>
#include <stdalign.h>

distribution distribution_of(const kernels *k, const float *logits, size_t n) {
    distribution d = {.max = k->max(logits, n)};
    d.log_sum = log(k->sum_exp(logits, n, d.max));
    for (size_t i = 0; i < n; i++) {
        if (logits[i] == d.max) {
            d.best = (int32_t)i;
            break;
        }
    }
    return d;
}

double surprise(const distribution *d, const float *logits, int32_t id) {
    return d->log_sum - ((double)logits[id] - (double)d->max);
}

/* exp(-x) - 1 + x for small x by its series; the first omitted term is below 1e-11 of the result for |x| < 1/4. */
static double small_excess(double x) {
    static const double inverse_factorials[] = {-1.0 / 362880, 1.0 / 40320, -1.0 / 5040, 1.0 / 720, -1.0 / 120, 1.0 / 24, -1.0 / 6, 1.0 / 2};
    double sum = 0;
    for (size_t i = 0; i < sizeof inverse_factorials / sizeof *inverse_factorials; i++) sum = sum * x + inverse_factorials[i];
    return sum * x * x;
}

enum { BLOCK = 256 };

/* out[n] = p(i) in float: the probabilities may be that coarse, because they only weigh what log(p / q) says in double. */
static void probabilities(const kernels *k, const distribution *d, const float *logits, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) out[i] = (float)((double)logits[i] - (double)d->max - d->log_sum);
    k->exp(out, out, n);
}

double divergence(const kernels *k, const distribution *p, const float *p_logits, const distribution *q, const float *q_logits, size_t n) {
    alignas(64) float p_of[BLOCK], q_of[BLOCK];
    const double shift = ((double)p->max + p->log_sum) - ((double)q->max + q->log_sum);
    double sum = 0;
    for (size_t start = 0; start < n; start += BLOCK) {
        const size_t count = n - start < BLOCK ? n - start : BLOCK;
        probabilities(k, p, p_logits + start, count, p_of);
        probabilities(k, q, q_logits + start, count, q_of);
        for (size_t i = 0; i < count; i++) {
            const double pi = (double)p_of[i], qi = (double)q_of[i];
            const double ratio = (double)p_logits[start + i] - (double)q_logits[start + i] - shift; /* log(p / q) */
            const double excess = fabs(ratio) < 0.25 ? pi * small_excess(ratio) : pi * ratio - pi + qi;
            sum += pi > 0 ? excess : qi;
        }
    }
    return sum;
}
