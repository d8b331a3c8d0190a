/* divergence.h: the range whose histogram loses least when it is told by few levels: the search of the "kl" observer, for observers.c alone. */
#ifndef QBIN_QUANTIZE_DIVERGENCE_H
#define QBIN_QUANTIZE_DIVERGENCE_H

#include <stddef.h>

enum { DIVERGENCE_BINS = 2048 };

/* Kullback-Leibler divergence of counts[n] and what is left of them where only bins [begin, end) exist (counts outside go to the nearest of these) and `levels`
 * levels share them. S. Migacz, 8-bit inference with TensorRT, GTC 2017: the reference has the outliers, what is quantized has not. */
double divergence_of(const double *counts, size_t n, size_t begin, size_t end, size_t levels);

#endif
