/* rotation.h: the cosines and sines of rotary position embeddings. Owns nothing: fills tables for the positions of a batch.
 *
 * Computed here and not by libm, so that the table has the same bits everywhere. */
#ifndef QBIN_ENGINE_ROTATION_H
#define QBIN_ENGINE_ROTATION_H

#include <stddef.h>

/* *s, *c = sin(x), cos(x) for |x| < 2^20: errors below 2^-53, and below 2^-48 of the value. */
void sin_cos(double x, double *s, double *c);

/* table[pairs] = cos, table[pairs .. 2 pairs] = sin of position * inverse[i] (a float32 product, as in the reference implementation), times `by`. */
void rotation_table(float *table, const float *inverse, size_t pairs, float by, size_t position);

#endif
