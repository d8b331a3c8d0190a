/* polish.h: lowers the error of the products of a group that is rounded already. Changes codes, scales and minimums of blocks; codebooks and the scales of
 * rows and tensors stay as they are. */
#ifndef QBIN_QUANTIZE_POLISH_H
#define QBIN_QUANTIZE_POLISH_H

#include "quantize/encode.h"

/* `sweeps` times over all scales and all codes of the group, which has both and still has the weights in x; encoder.products says what counts. */
void polish_group(const encoder *en, group *g, int sweeps);

#endif
