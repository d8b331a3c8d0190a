/* linear_block32.c: the products of coded weights with activations that have a scale for each 32 values. */
#define BLOCK 32
#define ACT   ACT_I8_32
#define LIST  LANE(linear_block32)
#include "linear_blocks.h"
