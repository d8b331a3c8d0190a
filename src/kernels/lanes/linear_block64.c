/* linear_block64.c: the products of coded weights that share a scale among 64 values of a row or more, with activations that do so too. */
#define BLOCK 64
#define ACT   ACT_I8_64
#define LIST  LANE(linear_block64)
#include "linear_blocks.h"
