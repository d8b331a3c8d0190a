/* encode.h: a matrix in memory to the bytes of a format, as convert does it. For tests. */
#ifndef QBIN_TESTS_ENCODE_H
#define QBIN_TESTS_ENCODE_H

#include "quantize/encode.h"

typedef struct encoded {
    format format;
    layout layout;
    uint8_t *data; /* layout.bytes, aligned to 64; free it */
    losses lost;
    double relative; /* sum of squared errors / sum of squares */
} encoded;

/* x [rows][k] in the format spelled `name` by method "rtn" or "fit". Aborts the test on any failure. */
encoded encode(const char *name, const char *how, const float *x, size_t rows, size_t k);

/* The same for a descriptor that need not have a name. */
encoded encode_as(const format *f, const char *how, const float *x, size_t rows, size_t k);

/* The same with the importance [k] of each input channel. */
encoded encode_weighted(const char *name, const char *how, const float *x, size_t rows, size_t k, const float *importance);

/* Reproducible values: uniform in [-1, 1), and close to a normal distribution of deviation 1. */
float random_uniform(uint64_t *state);
float random_normal(uint64_t *state);

#endif
