/* attend.c: the KV cache types and attention of a few queries to one chunk of keys.
 *
 * Scores: 16 key positions to a vector, score = fma(q[d], k[d], score) in order of d. Softmax of the chunk with its own maximum; the sum of a query is
 * 16 sums by position mod 16, then the fixed tree. Values: 16 dimensions to a vector, o = fma(p, v, o) in order of position, over just those that the
 * query sees. Then (m, l, o) of the chunk is merged into the running one. What else is in the tile or in the chunk changes no bit. */
#include "math.h"
#include "numbers.h"

enum { TILE_VECTORS = 32 }; /* results of a register tile, at most */

/* ---- scores ---- */

FOLD void score_tile(const number kind, const int QUERIES, const int VECTORS, const attend_args *a, const float *q, const uint8_t *keys,
                     float *scores) {
    const size_t row = TILE_ROWS * kind.bytes;
    f32x16 acc[TILE_VECTORS];
    UNROLL for (int i = 0; i < QUERIES * VECTORS; i++) acc[i] = f32_set(0.0f);
    for (size_t d = 0; d < a->head_dim; d++) {
        f32x16 k[TILE_VECTORS];
        UNROLL for (int v = 0; v < VECTORS; v++) k[v] = kind.load(keys + ((size_t)v * a->head_dim + d) * row);
        UNROLL for (int i = 0; i < QUERIES; i++) {
            const f32x16 by = f32_set(q[(size_t)i * a->head_dim + d]);
            UNROLL for (int v = 0; v < VECTORS; v++) acc[i * VECTORS + v] = f32_fma(by, k[v], acc[i * VECTORS + v]);
        }
    }
    UNROLL for (int i = 0; i < QUERIES; i++) {
        UNROLL for (int v = 0; v < VECTORS; v++) f32_store(scores + i * ATTEND_CHUNK + v * TILE_ROWS, acc[i * VECTORS + v]);
    }
}

/* Scores of QUERIES queries for the positions of vectors [v0, v1). */
FOLD void score_queries(const number kind, const int QUERIES, const attend_args *a, const float *q, size_t v0, size_t v1, float *scores) {
    const int VECTORS = simd_attend_vectors(QUERIES);
    const uint8_t *keys = a->keys;
    const size_t vector = a->head_dim * TILE_ROWS * kind.bytes;
    size_t v = v0;
    for (; v + (size_t)VECTORS <= v1; v += (size_t)VECTORS) {
        score_tile(kind, QUERIES, VECTORS, a, q, keys + v * vector, scores + v * TILE_ROWS);
    }
    for (; v < v1; v++) score_tile(kind, QUERIES, 1, a, q, keys + v * vector, scores + v * TILE_ROWS);
}

/* ---- softmax of one query's scores ---- */

typedef struct softmax {
    float max, sum;
} softmax;

/* Which lanes of the vector at `at` are positions in [from, to). */
FOLD uint32_t lanes_in(size_t at, size_t from, size_t to) {
    const uint32_t above = from <= at ? 0xffffu : 0xffffu << (from - at);
    const uint32_t below = to >= at + 16 ? 0xffffu : (1u << (to - at)) - 1;
    return above & below;
}

/* scores[from .. to) become exp(score - max); both bounds lie in one chunk and from < to. */
FOLD softmax softmax_in_place(float *scores, size_t from, size_t to) {
    const f32x16 none = f32_set(-INFINITY);
    f32x16 top = none, sum = f32_set(0.0f);
    for (size_t at = from / 16 * 16; at < to; at += 16) {
        top = f32_max(f32_select(lanes_in(at, from, to), f32_load(scores + at), none), top);
    }
    const float max = f32_top(top);
    for (size_t at = from / 16 * 16; at < to; at += 16) {
        const f32x16 p = exp16(f32_sub(f32_load(scores + at), f32_set(max)));
        sum = f32_add(sum, f32_select(lanes_in(at, from, to), p, f32_set(0.0f)));
        f32_store(scores + at, p);
    }
    return (softmax){max, f32_sum(sum)};
}

/* ---- values ---- */

typedef struct seen { /* queries that see the same positions */
    size_t queries;
    const float *p[ATTEND_QUERIES]; /* exp(score - max) of each, by position */
    float *o[ATTEND_QUERIES];       /* the chunk's output of each */
} seen;

FOLD void value_tile(const number kind, const int QUERIES, const int VECTORS, const seen *s, size_t first, size_t from, size_t to,
                     const uint8_t *values, size_t row, size_t dim) {
    f32x16 acc[TILE_VECTORS];
    UNROLL for (int i = 0; i < QUERIES; i++) {
        UNROLL for (int v = 0; v < VECTORS; v++) acc[i * VECTORS + v] = f32_load(s->o[first + (size_t)i] + dim + v * 16);
    }
    for (size_t at = from; at < to; at++) {
        f32x16 x[TILE_VECTORS];
        UNROLL for (int v = 0; v < VECTORS; v++) x[v] = kind.load(values + at * row + (dim + (size_t)v * 16) * kind.bytes);
        UNROLL for (int i = 0; i < QUERIES; i++) {
            const f32x16 p = f32_set(s->p[first + (size_t)i][at]);
            UNROLL for (int v = 0; v < VECTORS; v++) acc[i * VECTORS + v] = f32_fma(p, x[v], acc[i * VECTORS + v]);
        }
    }
    UNROLL for (int i = 0; i < QUERIES; i++) {
        UNROLL for (int v = 0; v < VECTORS; v++) f32_store(s->o[first + (size_t)i] + dim + v * 16, acc[i * VECTORS + v]);
    }
}

FOLD void value_queries(const number kind, const int QUERIES, const attend_args *a, const seen *s, size_t first, size_t from, size_t to) {
    const int VECTORS = simd_attend_vectors(QUERIES);
    const uint8_t *values = a->values;
    const size_t row = a->head_pad * kind.bytes;
    size_t dim = 0;
    for (; dim + (size_t)VECTORS * 16 <= a->head_pad; dim += (size_t)VECTORS * 16) {
        value_tile(kind, QUERIES, VECTORS, s, first, from, to, values, row, dim);
    }
    for (; dim < a->head_pad; dim += 16) value_tile(kind, QUERIES, 1, s, first, from, to, values, row, dim);
}

/* ---- a tile of queries: constants for the number of them ---- */

FOLD void score_all(const number kind, const attend_args *a, size_t v0, size_t v1) {
    for (size_t first = 0; first < a->queries; first += SIMD_ATTEND_QUERIES) {
        const size_t left = a->queries - first, n = left < SIMD_ATTEND_QUERIES ? left : SIMD_ATTEND_QUERIES;
        const float *q = a->q + first * a->head_dim;
        float *scores = a->scratch + first * ATTEND_CHUNK;
#define SCORE(count) \
    if (count <= SIMD_ATTEND_QUERIES) score_queries(kind, count, a, q, v0, v1, scores)
        WITH_COUNT(n, SCORE)
#undef SCORE
    }
}

FOLD void value_all(const number kind, const attend_args *a, const seen *s, size_t from, size_t to) {
    for (size_t first = 0; first < s->queries; first += SIMD_ATTEND_QUERIES) {
        const size_t left = s->queries - first, n = left < SIMD_ATTEND_QUERIES ? left : SIMD_ATTEND_QUERIES;
#define VALUE(count) \
    if (count <= SIMD_ATTEND_QUERIES) value_queries(kind, count, a, s, first, from, to)
        WITH_COUNT(n, VALUE)
#undef VALUE
    }
}

/* The end of the run of positions from `at` in which no query begins or ends; *s = the queries that see it. */
static size_t next_run(const attend_args *a, float *chunk_o, size_t at, seen *s) {
    size_t end = ATTEND_CHUNK;
    s->queries = 0;
    for (size_t i = 0; i < a->queries; i++) {
        if (a->from[i] >= a->to[i] || a->to[i] <= at) continue;
        const size_t bound = a->from[i] > at ? a->from[i] : a->to[i];
        end = bound < end ? bound : end;
        if (a->from[i] > at) continue;
        s->p[s->queries] = a->scratch + i * ATTEND_CHUNK;
        s->o[s->queries++] = chunk_o + i * a->head_pad;
    }
    return end;
}

/* The running softmax takes the chunk's: both are scaled to the larger maximum. A chunk's zero is +0 whichever way it came to be. */
void LANE(attend_merge)(float *m, float *l, float *o, float chunk_m, float chunk_l, const float *chunk_o, size_t head_pad) {
    const float max = *m > chunk_m ? *m : chunk_m;
    float by[16] = {*m - max, chunk_m - max};
    f32_store(by, exp16(f32_load(by)));
    *l = fmaf(*l, by[0], chunk_l * by[1]);
    *m = max;
    for (size_t d = 0; d < head_pad; d += 16) {
        const f32x16 part = f32_mul(f32_add(f32_load(chunk_o + d), f32_set(0.0f)), f32_set(by[1]));
        f32_store(o + d, f32_fma(f32_load(o + d), f32_set(by[0]), part));
    }
}

FOLD void attend(const number kind, const attend_args *a) {
    size_t from = ATTEND_CHUNK, to = 0;
    for (size_t i = 0; i < a->queries; i++) {
        if (a->from[i] >= a->to[i]) continue;
        from = a->from[i] < from ? a->from[i] : from;
        to = a->to[i] > to ? a->to[i] : to;
    }
    if (from >= to) return;
    score_all(kind, a, from / TILE_ROWS, (to + TILE_ROWS - 1) / TILE_ROWS);

    softmax chunk[ATTEND_QUERIES];
    float *chunk_o = a->scratch + ATTEND_QUERIES * ATTEND_CHUNK;
    memset(chunk_o, 0, a->queries * a->head_pad * sizeof *chunk_o);
    for (size_t i = 0; i < a->queries; i++) {
        if (a->from[i] < a->to[i]) chunk[i] = softmax_in_place(a->scratch + i * ATTEND_CHUNK, a->from[i], a->to[i]);
    }
    for (size_t at = from; at < to;) {
        seen s;
        const size_t end = next_run(a, chunk_o, at, &s);
        value_all(kind, a, &s, at, end);
        at = end;
    }
    for (size_t i = 0; i < a->queries; i++) {
        if (a->from[i] >= a->to[i]) continue;
        LANE(attend_merge)(a->m + i, a->l + i, a->o + i * a->head_pad, chunk[i].max, chunk[i].sum, chunk_o + i * a->head_pad, a->head_pad);
    }
}

/* ---- the cache types ---- */

FOLD void store_key(const number kind, void *keys, size_t head_dim, size_t position, const float *x) {
    uint8_t *out = (uint8_t *)keys + (position / TILE_ROWS * head_dim * TILE_ROWS + position % TILE_ROWS) * kind.bytes;
    for (size_t d = 0; d < head_dim; d += 16) {
        const size_t n = head_dim - d < 16 ? head_dim - d : 16;
        _Alignas(64) uint8_t stored[64];
        kind.store(stored, f32_load_part(x + d, n));
        for (size_t i = 0; i < n; i++) memcpy(out + (d + i) * TILE_ROWS * kind.bytes, stored + i * kind.bytes, kind.bytes);
    }
}

FOLD void store_value(const number kind, void *row, size_t head_dim, const float *x) {
    for (size_t d = 0; d < head_dim; d += 16) {
        kind.store((uint8_t *)row + d * kind.bytes, f32_load_part(x + d, head_dim - d < 16 ? head_dim - d : 16));
    }
}

#define CACHE(key, value, chunk, kind)                                              \
    static void key(void *keys, size_t head_dim, size_t position, const float *x) { \
        store_key(kind, keys, head_dim, position, x);                               \
    }                                                                               \
    static void value(void *row, size_t head_dim, const float *x) {                 \
        store_value(kind, row, head_dim, x);                                        \
    }                                                                               \
    static void chunk(const attend_args *a) {                                       \
        attend(kind, a);                                                            \
    }
CACHE(store_key_f16, store_value_f16, attend_f16, NUMBER_F16)
CACHE(store_key_f32, store_value_f32, attend_f32, NUMBER_F32)

const cache_type LANE(cache_types)[] = {
    {"f16", 2, store_key_f16, store_value_f16, attend_f16},
    {"f32", 4, store_key_f32, store_value_f32, attend_f32},
    {.name = NULL},
};
