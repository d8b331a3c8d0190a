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

/* The row of data that is a type of cache, from what its source says of a `kind`: how long a unit is, how it is filled, and what is done with it. */
#define CACHE(type, kind, turning)                                                                     \
    static size_t key_bytes_##type(size_t head_dim) {                                                  \
        return key_unit(kind, head_dim);                                                               \
    }                                                                                                  \
    static size_t value_bytes_##type(size_t head_dim) {                                                \
        return value_unit(kind, head_dim);                                                             \
    }                                                                                                  \
    static void store_key_##type(void *keys, size_t head_dim, size_t position, const float *x) {       \
        store_key(kind, keys, head_dim, position, x);                                                  \
    }                                                                                                  \
    static void store_value_##type(void *values, size_t head_dim, size_t position, const float *x) {   \
        store_value(kind, values, head_dim, position, x);                                              \
    }                                                                                                  \
    static void query_##type(float *q, size_t head_dim, const float *x) {                              \
        encode_query(kind, q, head_dim, x);                                                            \
    }                                                                                                  \
    static void score_##type(const attend_args *a, size_t from, size_t to, float *score) {             \
        score_all(kind, a, from, to, score);                                                           \
    }                                                                                                  \
    static void weigh_##type(const attend_args *a, size_t from, size_t to, const float *p, float *o) { \
        weigh_all(kind, a, from, to, p, o);                                                            \
    }                                                                                                  \
    const cache_type LANE(cache_##type) = {                                                            \
        .name = #type,                                                                                 \
        .key_bytes = key_bytes_##type,                                                                 \
        .value_bytes = value_bytes_##type,                                                             \
        .store_key = store_key_##type,                                                                 \
        .store_value = store_value_##type,                                                             \
        .turn = turning,                                                                               \
        .query = query_##type,                                                                         \
        .score = score_##type,                                                                         \
        .weigh = weigh_##type,                                                                         \
    };

#endif
