/* linear_block64.c: the products of coded weights that share a scale among 64 values of a row or more. */
#define BLOCK 64
#define ACT   ACT_I8_64
#define LIST  LANE(linear_block64)

/* A codebook for each row comes with one scale for the row. */
#define MORE_CODES(X)                      \
    X(linear_km4_row, PLANES, 4, BOOK_ROW) \
    X(linear_km3_row, PLANES, 3, BOOK_ROW) \
    X(linear_km2_row, PLANES, 2, BOOK_ROW)
#include "linear_blocks.h"
