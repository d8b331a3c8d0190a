/* stats.h: what a list of measurements says. Everything is summed in the order given, so the same list gives the same digits. */
#ifndef QBIN_EVALUATE_STATS_H
#define QBIN_EVALUATE_STATS_H

#include <stddef.h>

#include "base/error.h"

typedef struct estimate {
    double mean;
    double deviation; /* of one measurement (n - 1 in the denominator); 0 for fewer than two */
    double error;     /* standard error of the mean: deviation / sqrt(n) */
} estimate;

estimate estimate_of(const double *x, size_t n);

/* The value below which a part of x[n] lies, interpolated between neighbours in order (type 7 of Hyndman and Fan, as numpy, R and llama.cpp do it).
 * n >= 1, 0 <= part <= 1. E_MEMORY for the sorted copy. */
status quantile_of(double *out, const double *x, size_t n, double part, error *e);

#endif
