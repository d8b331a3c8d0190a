/* linear_block32.c: the kernels of quantized weights with a scale for each 32 values of a row. A format is one line of CODES. */
#include "product.h"

#define BLOCK 32
#define ACT   ACT_I8_32
#define LIST  LANE(linear_block32)
#include "linear_blocks.h"
