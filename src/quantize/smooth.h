/* smooth.h: factors that move the difficulty of encoding an input into the weights that read it (SmoothQuant, Xiao et al., ICML 2023, section 4): channel j of
 * an input is divided by s_j and column j of its readers multiplied by it, which changes nothing in exact arithmetic. The division is folded into what makes
 * the input: the gain of the norm before it, the rows of v (and its bias), the rows of up (and its bias). Owns the factors; the pipeline applies them. The
 * output layer's input is left as it is. */
#ifndef QBIN_QUANTIZE_SMOOTH_H
#define QBIN_QUANTIZE_SMOOTH_H

#include "quantize/calibration.h"

#define SMOOTH_ALPHA 0.5

typedef struct smoothing smoothing;

/* For the model that the calibration (borrowed) is of. smoothing_close takes a pointer to NULL too. */
status smoothing_open(smoothing **out, const calibration *c, error *e);
void smoothing_close(smoothing **s);

/* Tells a row of a matrix, as it is before smoothing: all rows of all matrices (others than q, k, v, o, gate, up, down are ignored). Matrices of different
 * inputs may be told from different threads. */
void smoothing_weigh(smoothing *s, const char *name, const float *row);

/* Then solves s_j = max|x_j|^alpha / max|W_j|^(1 - alpha), with a geometric mean of 1 over an input and within 2^-10 .. 2^10; 1 for a channel or column that is
 * always zero. The heads that share a row of v share its factor. 0 <= alpha <= 1. */
void smoothing_solve(smoothing *s, double alpha);

/* What the rows of a matrix, or the numbers of a vector, are to be multiplied by; what the columns of a matrix are; NULL if they stay. Borrowed. */
const float *smoothing_rows(const smoothing *s, const char *name);
const float *smoothing_columns(const smoothing *s, const char *name);

/* An input as it will be: what calibration_find gives for the tensor, divided by the factors (or that itself, if they stay). Vectors and ranges are divided; of
 * the whole input's values only the channels' moments are known after it, so the histogram is that of Laplace distributions of each channel's mean and
 * variance within its range. To have it exactly, calibrate the smoothed model. Borrowed; NULL without memory or if the tensor has no input. Not from two
 * threads at once. */
const calibration_input *smoothing_input(smoothing *s, const char *name);

#endif
