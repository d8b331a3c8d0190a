/* attend_plain.c: keys and values that are floating-point numbers.
 *
 * Scores: 16 key positions to a vector, score = fma(q[d], k[d], score) in order of d. Values: 16 dimensions to a vector, o = fma(p, v, o) in order of
 * position, over just those that the query sees. */
#include "attend.h"
#include "numbers.h"

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
            const f32x16 by = f32_set(q[(size_t)i * a->head_pad + d]);
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

FOLD void score_all(const number kind, const attend_args *a, size_t from, size_t to, float *score) {
    const size_t v0 = from / TILE_ROWS, v1 = (to + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t first = 0; first < a->queries; first += SIMD_ATTEND_QUERIES) {
        const size_t left = a->queries - first, n = left < SIMD_ATTEND_QUERIES ? left : SIMD_ATTEND_QUERIES;
        const float *q = a->q + first * a->head_pad;
        float *scores = score + first * ATTEND_CHUNK;
#define SCORE(count) \
    if (count <= SIMD_ATTEND_QUERIES) score_queries(kind, count, a, q, v0, v1, scores)
        WITH_COUNT(n, SCORE)
#undef SCORE
    }
}

FOLD void value_run(const number kind, const attend_args *a, const seen *s, size_t from, size_t to) {
    for (size_t first = 0; first < s->queries; first += SIMD_ATTEND_QUERIES) {
        const size_t left = s->queries - first, n = left < SIMD_ATTEND_QUERIES ? left : SIMD_ATTEND_QUERIES;
#define VALUE(count) \
    if (count <= SIMD_ATTEND_QUERIES) value_queries(kind, count, a, s, first, from, to)
        WITH_COUNT(n, VALUE)
#undef VALUE
    }
}

/* The end of the run of positions from `at` in which no query begins or ends; *s = the queries that see it. */
static size_t next_run(const attend_args *a, const float *p, float *o, size_t at, seen *s) {
    size_t end = ATTEND_CHUNK;
    s->queries = 0;
    for (size_t i = 0; i < a->queries; i++) {
        if (a->from[i] >= a->to[i] || a->to[i] <= at) continue;
        const size_t bound = a->from[i] > at ? a->from[i] : a->to[i];
        end = bound < end ? bound : end;
        if (a->from[i] > at) continue;
        s->p[s->queries] = p + i * ATTEND_CHUNK;
        s->o[s->queries++] = o + i * a->head_pad;
    }
    return end;
}

FOLD void weigh_all(const number kind, const attend_args *a, size_t from, size_t to, const float *p, float *o) {
    for (size_t at = from; at < to;) {
        seen s;
        const size_t end = next_run(a, p, o, at, &s);
        value_run(kind, a, &s, at, end);
        at = end;
    }
}

/* ---- the cache types ---- */

FOLD void store_key(const number kind, uint8_t *keys, size_t head_dim, size_t position, const float *x) {
    uint8_t *out = keys + (position / TILE_ROWS * head_dim * TILE_ROWS + position % TILE_ROWS) * kind.bytes;
    for (size_t d = 0; d < head_dim; d += 16) {
        const size_t n = head_dim - d < 16 ? head_dim - d : 16;
        _Alignas(64) uint8_t stored[64];
        kind.store(stored, f32_load_part(x + d, n));
        for (size_t i = 0; i < n; i++) memcpy(out + (d + i) * TILE_ROWS * kind.bytes, stored + i * kind.bytes, kind.bytes);
    }
}

FOLD void store_value(const number kind, uint8_t *values, size_t head_dim, size_t position, const float *x) {
    uint8_t *row = values + position * round_up(head_dim, 16) * kind.bytes;
    for (size_t d = 0; d < head_dim; d += 16) {
        kind.store(row + d * kind.bytes, f32_load_part(x + d, head_dim - d < 16 ? head_dim - d : 16));
    }
}

FOLD size_t key_unit(const number kind, size_t head_dim) {
    return CACHE_POSITIONS * head_dim * kind.bytes;
}

FOLD size_t value_unit(const number kind, size_t head_dim) {
    return CACHE_POSITIONS * round_up(head_dim, 16) * kind.bytes;
}

FOLD void encode_query(const number kind, float *q, size_t head_dim, const float *x) {
    (void)kind;
    memcpy(q, x, head_dim * sizeof *q);
}

CACHE(f16, NUMBER_F16, NULL)
CACHE(f32, NUMBER_F32, NULL)
