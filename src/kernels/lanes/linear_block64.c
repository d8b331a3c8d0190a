/* linear_block64.c: the kernels of quantized weights with a scale for each 64 values of a row. A format is one line of CODES. */
#include "product.h"

#define BLOCK 64
#define ACT   ACT_I8_64
#define LIST  LANE(linear_block64)
#include "linear_blocks.h"
