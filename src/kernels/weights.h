/* weights.h: a weight tensor as a walk over rows and tiles needs it: addresses and strides of its codes, scales and codebooks.
 *
 * What differs between formats without being worth a constant of the inner loop is a number here: where minimums lie, what shares a scale, where the
 * codebook of a row group stands. Owns no memory; knows no instruction set and no family. */
#ifndef QBIN_KERNELS_WEIGHTS_H
#define QBIN_KERNELS_WEIGHTS_H

#include "kernels/kernels.h"

typedef struct weights {
    const uint8_t *codes, *side, *books;
    size_t group_codes, group_side, group_books; /* bytes from a row group to the next */
    size_t tile_codes, tile_side;                /* bytes from a tile of codes to the next; from a unit of side data to the next */
    size_t half_side;                            /* from the scales of a tile's first half to those of the second; 0: they are the same */
    int side_shift;                              /* a unit of side data is for 2^side_shift tiles: one, two, or more than there are */
    size_t min_at;                               /* bytes from a scale to its minimum; 0: there are none */
    bool floats;                                 /* a unit is [16] f32 scales, then minimums; else f16 scales of the blocks, then minimums */
    size_t tiles;
} weights;

/* What the fields point to where the tensor does not have it in that shape. */
typedef struct weights_room {
    float side[2 * TILE_ROWS]; /* one scale and minimum of the tensor, for sixteen rows */
    uint8_t book[16];          /* levels that the family fixes */
} weights_room;

/* The weights of a coded (not plain) tensor from row group `group` on. */
weights weights_of(const matrix *m, size_t group, weights_room *room);

/* The same, `groups` row groups further on. */
static inline weights weights_after(weights w, size_t groups) {
    w.codes += groups * w.group_codes;
    w.side += groups * w.group_side;
    w.books += groups * w.group_books;
    return w;
}

#endif
