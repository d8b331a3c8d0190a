/* attend.h: what the sources of attention share: the shape of their register tiles and which lanes of a vector of positions a query sees. Owns no
 * arithmetic; refuses to know how keys and values are stored. */
#ifndef QBIN_KERNELS_ATTEND_H
#define QBIN_KERNELS_ATTEND_H

#include "lane.h"

enum { TILE_VECTORS = 32 }; /* results of a register tile, at most */

/* Which lanes of the vector at `at` are positions in [from, to). */
FOLD uint32_t lanes_in(size_t at, size_t from, size_t to) {
    const uint32_t above = from <= at ? 0xffffu : from < at + 16 ? 0xffffu << (from - at) : 0;
    const uint32_t below = to >= at + 16 ? 0xffffu : to > at ? (1u << (to - at)) - 1 : 0;
    return above & below;
}

/* x in those lanes, else other. */
FOLD f32x16 seen_or(size_t at, size_t from, size_t to, f32x16 x, f32x16 other) {
    return from <= at && to >= at + 16 ? x : f32_select(lanes_in(at, from, to), x, other);
}

#endif
