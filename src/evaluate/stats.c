#include "evaluate/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

estimate estimate_of(const double *x, size_t n) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    const double mean = n ? sum / (double)n : NAN;
    for (size_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    const double deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
    return (estimate){mean, deviation, n ? deviation / sqrt((double)n) : NAN};
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

status quantile_of(double *out, const double *x, size_t n, double part, error *e) {
    double *sorted = malloc(n * sizeof *sorted);
    if (!sorted) return fail(e, E_MEMORY, "no memory to sort %zu numbers", n);
    memcpy(sorted, x, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    const double at = part * (double)(n - 1);
    const size_t below = (size_t)at, above = below + 1 < n ? below + 1 : below;
    *out = sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
    free(sorted);
    return OK;
}
