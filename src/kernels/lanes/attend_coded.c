/* attend_coded.c: keys and values in 8 or 4 bits, multiplied as weights are: products of unsigned codes and signed bytes, added exactly.
 *
 * A unit of 64 positions is its codes, then its scales in f16; x = scale * (code - zero), a scale for each position and block of dimensions. dims =
 * head_dim padded to 32, field j of a byte the bits from j * bits on, n fields in a byte:
 *
 *   keys     codes [4][dims / 4 / n][16 positions][4], field j of (v, c, r, i) is dimension (c n + j) 4 + i of position 16 v + r
 *            scales [4][blocks][16 positions]
 *   values   codes [dims / 16 / n][16][16 dimensions][4], field j of (h, c, r, i) is dimension (h n + j) 16 + r of position 4 c + i
 *            scales [blocks][64 positions]
 *
 * A query is signed bytes with a scale for each block: score = fma(scale_k * scale_q, isum, score) in order of the blocks. The weights p of the positions
 * that a query sees, times the values' scales, are signed bytes with a scale for each unit, others are zero: o = fma(scale_p, isum, o) in order of units.
 * Nothing depends on what else is in the tile: a position that is not seen adds exactly 0. */
#include "attend.h"
#include "bytes.h"

typedef struct code_type { /* constants after inlining */
    int bits;              /* of a code */
    int block;             /* dimensions that share a scale */
} code_type;

#define CODES_Q8 ((code_type){8, 64})
#define CODES_Q4 ((code_type){4, 32})

enum {
    CODE_DIMS = 32, /* dimensions are padded to: as many as dot products are counted in */
    SPAN = 64,      /* dimensions that are encoded together: whole blocks */
    VECTORS_UNIT = CACHE_POSITIONS / TILE_ROWS,
    GROUP = 4,                        /* values that a lane of a vector of codes holds */
    GROUPS = CACHE_POSITIONS / GROUP, /* of positions, in a unit */
    HALF_GROUPS = CODE_DIMS / GROUP,  /* dot products that are unrolled */
    TURN_MAX = 128,                   /* dimensions that are turned together, at most */
};

FOLD int fields(const code_type kind) {
    return 8 / kind.bits;
}
FOLD int zero_code(const code_type kind) {
    return 1 << (kind.bits - 1);
}
FOLD size_t padded(size_t head_dim) {
    return round_up(head_dim, CODE_DIMS);
}
FOLD size_t count_blocks(const code_type kind, size_t head_dim) {
    return (head_dim + (size_t)kind.block - 1) / (size_t)kind.block;
}
FOLD size_t code_bytes(const code_type kind, size_t head_dim) { /* of a unit */
    return CACHE_POSITIONS * padded(head_dim) / (size_t)fields(kind);
}
FOLD size_t unit_bytes(const code_type kind, size_t head_dim) {
    return code_bytes(kind, head_dim) + CACHE_POSITIONS * count_blocks(kind, head_dim) * sizeof(uint16_t);
}

/* ---- storing ---- */

/* The value of the largest magnitude becomes the code 0, which stands for the largest number; it may be NaN or infinite. */
FOLD float scale_of_block(const code_type kind, const f32x16 *v) {
    f32x16 top = f32_set(-INFINITY);
    UNROLL for (int i = 0; i < kind.block / 16; i++) top = f32_max(v[i], top);
    const float most = float_of_bits((uint32_t)i32_top(magnitude(v, kind.block, i32_set(0))));
    return (f32_top(top) == most ? -most : most) / (float)zero_code(kind);
}

/* Codes of a block of x, n <= block values of it and then zeros; returns the scale, an f16. */
FOLD uint16_t encode_block(const code_type kind, const float *x, size_t n, uint8_t *code) {
    f32x16 v[SPAN / 16];
    load_block(x, n, kind.block, v);
    const uint16_t stored = f16_of_f32(scale_of_block(kind, v));
    const float scale = f32_of_f16(stored), by = scale != 0 ? 1.0f / scale : 0.0f;
    UNROLL for (int i = 0; i < kind.block / 16; i++) v[i] = f32_mul(v[i], f32_set(by));
    _Alignas(64) int8_t number[SPAN];
    store_codes(v, kind.block, (float)-zero_code(kind), (float)(zero_code(kind) - 1), number);
    for (int i = 0; i < kind.block; i++) code[i] = (uint8_t)(number[i] + zero_code(kind));
    return stored;
}

/* Codes of the SPAN dimensions from `at`, and their scales, `step` apart. */
FOLD void encode_span(const code_type kind, const float *x, size_t head_dim, size_t at, uint8_t code[SPAN], uint16_t *scales, size_t step) {
    for (size_t b = 0; b < SPAN / (size_t)kind.block; b++) {
        const size_t from = b * (size_t)kind.block, left = count_before(at + from, (size_t)kind.block, head_dim);
        if (left) scales[(at + from) / (size_t)kind.block * step] = encode_block(kind, x + at + from, left, code + from);
    }
}

FOLD void store_key(const code_type kind, uint8_t *keys, size_t head_dim, size_t position, const float *x) {
    const size_t vector = position % CACHE_POSITIONS / TILE_ROWS, row = position % TILE_ROWS, dims = padded(head_dim);
    uint8_t *unit = keys + position / CACHE_POSITIONS * unit_bytes(kind, head_dim);
    uint8_t *codes = unit + vector * (code_bytes(kind, head_dim) / VECTORS_UNIT) + row * GROUP;
    uint16_t *scales = (uint16_t *)(void *)(unit + code_bytes(kind, head_dim)) + vector * count_blocks(kind, head_dim) * TILE_ROWS + row;
    const size_t n = (size_t)fields(kind);
    for (size_t at = 0; at < dims; at += SPAN) {
        uint8_t code[SPAN] = {0};
        encode_span(kind, x, head_dim, at, code, scales, TILE_ROWS);
        const size_t end = dims - at < SPAN ? dims - at : SPAN;
        for (size_t d = 0; d < end; d += n * GROUP) {
            for (size_t i = 0; i < GROUP; i++) {
                unsigned byte = 0;
                for (size_t j = 0; j < n; j++) byte |= (unsigned)code[d + j * GROUP + i] << (j * (size_t)kind.bits);
                codes[(at + d) / (n * GROUP) * 64 + i] = (uint8_t)byte;
            }
        }
    }
}

FOLD void store_value(const code_type kind, uint8_t *values, size_t head_dim, size_t position, const float *x) {
    const size_t place = position % CACHE_POSITIONS, dims = padded(head_dim);
    uint8_t *unit = values + position / CACHE_POSITIONS * unit_bytes(kind, head_dim);
    uint8_t *codes = unit + place / GROUP * 64 + place % GROUP;
    uint16_t *scales = (uint16_t *)(void *)(unit + code_bytes(kind, head_dim)) + place;
    const size_t n = (size_t)fields(kind);
    for (size_t at = 0; at < dims; at += SPAN) {
        uint8_t code[SPAN] = {0};
        encode_span(kind, x, head_dim, at, code, scales, CACHE_POSITIONS);
        const size_t end = dims - at < SPAN ? dims - at : SPAN;
        for (size_t d = 0; d < end; d += n * TILE_ROWS) {
            for (size_t r = 0; r < TILE_ROWS; r++) {
                unsigned byte = 0;
                for (size_t j = 0; j < n; j++) byte |= (unsigned)code[d + j * TILE_ROWS + r] << (j * (size_t)kind.bits);
                codes[(at + d) / (n * TILE_ROWS) * GROUPS * 64 + r * GROUP] = (uint8_t)byte;
            }
        }
    }
}

/* ---- queries ---- */

/* Signed bytes [dims], then of each block the scale and where its isum starts. */
typedef struct query {
    int8_t *codes;
    float *scales;
    int32_t *starts;
} query;

FOLD query query_in(const code_type kind, const float *q, size_t head_dim) {
    uint8_t *at = (uint8_t *)(uintptr_t)q, *scales = at + padded(head_dim);
    return (query){(int8_t *)at, (float *)(void *)scales, (int32_t *)(void *)(scales + count_blocks(kind, head_dim) * sizeof(float))};
}

/* Where the sum of code * number starts that is to be a sum of (code - zero) * number. */
FOLD int32_t start_of(const code_type kind, int32_t sum) {
    return (dot_bias(kind.bits) - zero_code(kind)) * sum;
}

FOLD void encode_query(const code_type kind, float *q, size_t head_dim, const float *x) {
    const query to = query_in(kind, q, head_dim);
    const size_t dims = padded(head_dim);
    for (size_t b = 0; b < count_blocks(kind, head_dim); b++) {
        const size_t at = b * (size_t)kind.block, left = dims - at;
        f32x16 v[SPAN / 16];
        _Alignas(64) int8_t codes[SPAN];
        load_block(x + at, count_before(at, (size_t)kind.block, head_dim), kind.block, v);
        const scaling s = scaling_of_top(magnitude(v, kind.block, i32_set(0)));
        UNROLL for (int i = 0; i < kind.block / 16; i++) v[i] = f32_mul(v[i], f32_set(s.by));
        to.scales[b] = s.scale;
        to.starts[b] = start_of(kind, store_codes(v, kind.block, -127.0f, 127.0f, codes));
        memcpy(to.codes + at, codes, left < (size_t)kind.block ? left : (size_t)kind.block);
    }
}

/* ---- scores ---- */

/* The codes of field `j` (a constant) of a vector of bytes. */
FOLD u8x64 field_of(const code_type kind, const uint8_t *bytes, const int j) {
    const u8x64 chunk = u8_load(bytes);
    return kind.bits == 8 ? u8_of_codes(chunk) : u8_field(chunk, j * kind.bits, kind.bits);
}

FOLD void score_tile(const code_type kind, const int QUERIES, const int VECTORS, const attend_args *a, const float *q, const uint8_t *unit,
                     size_t vector, float *score) {
    const size_t dims = padded(a->head_dim), blocks = count_blocks(kind, a->head_dim), vector_codes = code_bytes(kind, a->head_dim) / VECTORS_UNIT;
    const uint8_t *codes = unit + vector * vector_codes;
    const uint16_t *scales = (const uint16_t *)(const void *)(unit + code_bytes(kind, a->head_dim)) + vector * blocks * TILE_ROWS;
    for (size_t b = 0; b < blocks; b++) {
        const size_t from = b * (size_t)kind.block, to = dims - from < (size_t)kind.block ? dims : from + (size_t)kind.block;
        dots d[TILE_VECTORS];
        UNROLL for (int i = 0; i < QUERIES; i++) {
            const int32_t start = query_in(kind, q + (size_t)i * a->head_pad, a->head_dim).starts[b];
            UNROLL for (int v = 0; v < VECTORS; v++) d[i * VECTORS + v] = dot_begin(start);
        }
        for (size_t at = from; at < to; at += CODE_DIMS) {
            const uint8_t *bytes = codes + at / GROUP / (size_t)fields(kind) * 64;
            const int8_t *by = (const int8_t *)q + at;
            UNROLL for (int g = 0; g < HALF_GROUPS; g++) {
                UNROLL for (int v = 0; v < VECTORS; v++) {
                    const u8x64 k = field_of(kind, bytes + (size_t)v * vector_codes + g / fields(kind) * 64, g % fields(kind));
                    UNROLL for (int i = 0; i < QUERIES; i++) {
                        const int8_t *four = by + (size_t)i * a->head_pad * sizeof(float) + g * GROUP;
                        d[i * VECTORS + v] = dot_add(d[i * VECTORS + v], k, four, kind.bits, g);
                    }
                }
            }
        }
        UNROLL for (int v = 0; v < VECTORS; v++) {
            const f32x16 scale = f32_load_f16(scales + ((size_t)v * blocks + b) * TILE_ROWS);
            UNROLL for (int i = 0; i < QUERIES; i++) {
                const f32x16 by = f32_mul(scale, f32_set(query_in(kind, q + (size_t)i * a->head_pad, a->head_dim).scales[b]));
                float *out = score + i * ATTEND_CHUNK + v * TILE_ROWS;
                f32_store(out, f32_fma(by, f32_of_i32(dot_end(d[i * VECTORS + v])), b ? f32_load(out) : f32_set(0.0f)));
            }
        }
    }
}

/* Vectors come by the tile, whose width divides a unit: those that no query sees are stored too. */
FOLD void score_queries(const code_type kind, const int QUERIES, const attend_args *a, size_t first, size_t from, size_t to, float *score) {
    const int VECTORS = simd_attend_vectors(QUERIES);
    const size_t unit = unit_bytes(kind, a->head_dim);
    for (size_t v = from / TILE_ROWS / (size_t)VECTORS * (size_t)VECTORS; v * TILE_ROWS < to; v += (size_t)VECTORS) {
        score_tile(kind, QUERIES, VECTORS, a, a->q + first * a->head_pad, a->keys + v / VECTORS_UNIT * unit, v % VECTORS_UNIT,
                   score + first * ATTEND_CHUNK + v * TILE_ROWS);
    }
}

FOLD void score_all(const code_type kind, const attend_args *a, size_t from, size_t to, float *score) {
    for (size_t first = 0; first < a->queries; first += SIMD_ATTEND_QUERIES) {
        const size_t left = a->queries - first, n = left < SIMD_ATTEND_QUERIES ? left : SIMD_ATTEND_QUERIES;
#define SCORE(count) \
    if (count <= SIMD_ATTEND_QUERIES) score_queries(kind, count, a, first, from, to, score)
        WITH_COUNT(n, SCORE)
#undef SCORE
    }
}

/* ---- values ---- */

typedef struct weighing { /* p * scale of the positions of a unit, for some queries and a block of dimensions */
    _Alignas(64) int8_t codes[ATTEND_QUERIES][CACHE_POSITIONS];
    float scale[ATTEND_QUERIES];
    int32_t start[ATTEND_QUERIES];
} weighing;

FOLD void fold_scales(const code_type kind, weighing *w, size_t i, const uint16_t *scales, const float *p, size_t at, size_t from, size_t to) {
    f32x16 v[VECTORS_UNIT];
    UNROLL for (int j = 0; j < VECTORS_UNIT; j++) {
        const f32x16 x = f32_mul(f32_load(p + at + j * TILE_ROWS), f32_load_f16(scales + j * TILE_ROWS));
        v[j] = seen_or(at + (size_t)j * TILE_ROWS, from, to, x, f32_set(0.0f));
    }
    const scaling s = scaling_of_top(magnitude(v, CACHE_POSITIONS, i32_set(0)));
    UNROLL for (int j = 0; j < VECTORS_UNIT; j++) v[j] = f32_mul(v[j], f32_set(s.by));
    w->scale[i] = s.scale;
    w->start[i] = start_of(kind, store_codes(v, CACHE_POSITIONS, -127.0f, 127.0f, w->codes[i]));
}

/* Of VECTORS vectors of dimensions, the first of which is field FIRST of the bytes. */
FOLD void weigh_tile(const code_type kind, const int QUERIES, const int VECTORS, const int FIRST, const weighing *w, const uint8_t *codes, float *o,
                     size_t head_pad) {
    dots d[TILE_VECTORS];
    UNROLL for (int i = 0; i < QUERIES; i++) {
        UNROLL for (int v = 0; v < VECTORS; v++) d[i * VECTORS + v] = dot_begin(w->start[i]);
    }
    for (int half = 0; half < GROUPS; half += HALF_GROUPS) {
        UNROLL for (int g = 0; g < HALF_GROUPS; g++) {
            UNROLL for (int v = 0; v < VECTORS; v++) {
                const int field = FIRST + v;
                const u8x64 x = field_of(kind, codes + (field / fields(kind) * GROUPS + half + g) * 64, field % fields(kind));
                UNROLL for (int i = 0; i < QUERIES; i++) {
                    d[i * VECTORS + v] = dot_add(d[i * VECTORS + v], x, w->codes[i] + (half + g) * GROUP, kind.bits, g);
                }
            }
        }
    }
    UNROLL for (int i = 0; i < QUERIES; i++) {
        UNROLL for (int v = 0; v < VECTORS; v++) {
            float *out = o + (size_t)i * head_pad + v * TILE_ROWS;
            f32_store(out, f32_fma(f32_set(w->scale[i]), f32_of_i32(dot_end(d[i * VECTORS + v])), f32_load(out)));
        }
    }
}

/* The vectors of dimensions [v0, v1) of a block, which starts with a whole byte. */
FOLD void weigh_block(const code_type kind, const int QUERIES, const weighing *w, const uint8_t *codes, size_t v0, size_t v1, float *o,
                      size_t head_pad) {
    const int most = kind.block / TILE_ROWS, wish = simd_attend_vectors(QUERIES), VECTORS = wish < most ? wish : most;
    const size_t n = (size_t)fields(kind);
    size_t v = v0;
    for (; VECTORS % fields(kind) == 0 && v + (size_t)VECTORS <= v1; v += (size_t)VECTORS) {
        weigh_tile(kind, QUERIES, VECTORS, 0, w, codes + v / n * GROUPS * 64, o + v * TILE_ROWS, head_pad);
    }
    for (; v < v1; v++) {
        const uint8_t *at = codes + v / n * GROUPS * 64;
        if (v % n == 0)
            weigh_tile(kind, QUERIES, 1, 0, w, at, o + v * TILE_ROWS, head_pad);
        else
            weigh_tile(kind, QUERIES, 1, fields(kind) - 1, w, at, o + v * TILE_ROWS, head_pad);
    }
}

FOLD void weigh_queries(const code_type kind, const int QUERIES, const attend_args *a, size_t first, size_t from, size_t to, const float *p,
                        float *o) {
    const size_t bytes = unit_bytes(kind, a->head_dim), vectors = a->head_pad / TILE_ROWS, block = (size_t)kind.block / TILE_ROWS;
    for (size_t at = from / CACHE_POSITIONS * CACHE_POSITIONS; at < to; at += CACHE_POSITIONS) {
        const uint8_t *unit = a->values + at / CACHE_POSITIONS * bytes;
        const uint16_t *scales = (const uint16_t *)(const void *)(unit + code_bytes(kind, a->head_dim));
        for (size_t v = 0; v < vectors; v += block, scales += CACHE_POSITIONS) {
            weighing w;
            for (size_t i = 0; i < (size_t)QUERIES; i++) {
                fold_scales(kind, &w, i, scales, p + (first + i) * ATTEND_CHUNK, at, a->from[first + i], a->to[first + i]);
            }
            const size_t end = vectors - v < block ? vectors : v + block;
            weigh_block(kind, QUERIES, &w, unit, v, end, o + first * a->head_pad, a->head_pad);
        }
    }
}

FOLD void weigh_all(const code_type kind, const attend_args *a, size_t from, size_t to, const float *p, float *o) {
    for (size_t first = 0; first < a->queries; first += SIMD_ATTEND_QUERIES) {
        const size_t left = a->queries - first, n = left < SIMD_ATTEND_QUERIES ? left : SIMD_ATTEND_QUERIES;
#define WEIGH(count) \
    if (count <= SIMD_ATTEND_QUERIES) weigh_queries(kind, count, a, first, from, to, p, o)
        WITH_COUNT(n, WEIGH)
#undef WEIGH
    }
}

/* ---- the cache types ---- */

/* One of the equal stages of a Walsh-Hadamard transform: halves are added, subtracted and interleaved. */
FOLD void hadamard_stage(float *restrict to, const float *restrict x, size_t half) {
    for (size_t i = 0; i < half; i++) {
        to[2 * i] = x[i] + x[i + half];
        to[2 * i + 1] = x[i] - x[i + half];
    }
}

/* x = H x / sqrt(n) for each n values, H the Walsh-Hadamard matrix, n the largest power of two in head_dim: what stands out in one dimension is spread over
 * all, and few bits hold it (QuaRot, arXiv 2404.00456, section 4). */
static void hadamard(float *x, size_t head_dim) {
    const size_t whole = head_dim & (~head_dim + 1), n = whole < TURN_MAX ? whole : TURN_MAX;
    const float by = 1.0f / sqrtf((float)n);
    for (size_t start = 0; start < head_dim; start += n) {
        _Alignas(64) float room[2][TURN_MAX];
        const float *at = x + start;
        for (size_t done = 1, i = 0; done < n; done *= 2, i = 1 - i) {
            hadamard_stage(room[i], at, n / 2);
            at = room[i];
        }
        for (size_t i = 0; i < n; i++) x[start + i] = at[i] * by;
    }
}

FOLD size_t key_unit(const code_type kind, size_t head_dim) {
    return unit_bytes(kind, head_dim);
}

FOLD size_t value_unit(const code_type kind, size_t head_dim) {
    return unit_bytes(kind, head_dim);
}

CACHE(q8, CODES_Q8, hadamard)
CACHE(q4, CODES_Q4, hadamard)
