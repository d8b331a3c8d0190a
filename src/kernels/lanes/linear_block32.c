/* linear_block32.c: the products of coded weights with a scale for each 32 values of a row. */
#define BLOCK 32
#define ACT   ACT_I8_32
#define LIST  LANE(linear_block32)
#define MORE_CODES(X)
#include "linear_blocks.h"
