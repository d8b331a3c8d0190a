#include "quantize/divergence.h"

#include <math.h>

static double sum_of(const double *x, size_t begin, size_t end) {
    double sum = 0;
    for (size_t i = begin; i < end; i++) sum += x[i];
    return sum;
}

/* The count of bin i of [begin, end) once what lies outside has gone to the nearest. */
static double clipped(const double *counts, size_t i, size_t begin, size_t end, double below, double above) {
    return counts[i] + (i == begin ? below : 0) + (i + 1 == end ? above : 0);
}

double divergence_of(const double *counts, size_t n, size_t begin, size_t end, size_t levels) {
    const double below = sum_of(counts, 0, begin), above = sum_of(counts, end, n), inside = sum_of(counts, begin, end);
    const double all = below + inside + above, width = (double)(end - begin) / (double)levels;
    double sum = 0;
    if (inside <= 0) return INFINITY;
    for (size_t level = 0; level < levels; level++) {
        const size_t from = begin + (size_t)((double)level * width), to = begin + (size_t)((double)(level + 1) * width);
        const size_t last = level + 1 == levels ? end : to;
        size_t used = 0;
        for (size_t i = from; i < last; i++) used += counts[i] > 0;
        const double share = used ? sum_of(counts, from, last) / (double)used : 0;
        for (size_t i = from; i < last; i++) {
            const double p = clipped(counts, i, begin, end, below, above) / all, q = counts[i] > 0 ? share / inside : 0;
            if (p > 0) sum += p * log(p / fmax(q, 1e-12)); /* a level that only outliers use cannot be told: not infinite, but dear */
        }
    }
    return sum;
}
