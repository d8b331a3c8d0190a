/* Attention of a tile of queries to chunks of keys: against doubles, the same bits from every table, and nothing from what a query does not see. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "encode.h"
#include "kernel_data.h"

/* A cache of one head, filled by the store functions of its types, and queries with their running softmax. */
typedef struct head {
    const kernels *table;
    const cache_type *key_type, *value_type;
    size_t dim, pad, positions; /* positions: room for whole chunks */
    float *keys, *values;       /* [positions][dim] as they were stored, for the reference */
    float *q;                   /* [ATTEND_QUERIES][dim] */
    float *encoded;             /* [ATTEND_QUERIES][pad]: q as the type of the keys wants it */
    uint8_t *key_bytes, *value_bytes;
    float *m, *l, *o, *scratch; /* guarded */
} head;

/* A pair of types, by name. */
typedef struct types {
    const char *key, *value;
} types;

static const cache_type *cache_named(const kernels *t, const char *name) {
    for (const cache_type *const *c = t->caches; *c; c++) {
        if (!strcmp((*c)->name, name)) return *c;
    }
    cr_assert(0, "%s lacks cache type %s", t->name, name);
    return NULL;
}

/* Each type of keys with the same of values and with the next. */
static types pair_nth(size_t i) {
    const cache_type *const *list = scalar_table->caches;
    size_t n = 0;
    while (list[n]) n++;
    if (i >= 2 * n) return (types){NULL, NULL};
    return (types){list[i / 2]->name, list[(i / 2 + i % 2) % n]->name};
}
#define EACH_PAIR(c)                                  \
    for (size_t nth_ = 0; pair_nth(nth_).key; nth_++) \
        for (const types *c = &(types){pair_nth(nth_).key, pair_nth(nth_).value}; c; c = NULL)

enum { DIM_MAX = 256 };

/* x [dim] as a type wants it; until the next call. */
static const float *turned(const cache_type *c, const float *x, size_t dim) {
    static _Alignas(64) float out[DIM_MAX];
    memcpy(out, x, dim * sizeof *x);
    if (c->turn) c->turn(out, dim);
    return out;
}

static head head_of(const kernels *t, const types *c, size_t dim, size_t chunks, const content *what, uint64_t seed) {
    head h = {t, cache_named(t, c->key), cache_named(t, c->value), .dim = dim, .pad = round_up(dim, 16), .positions = chunks * ATTEND_CHUNK};
    const size_t units = h.positions / CACHE_POSITIONS;
    h.keys = aligned_zeros(h.positions * dim * sizeof(float));
    h.values = aligned_zeros(h.positions * dim * sizeof(float));
    h.q = aligned_zeros(ATTEND_QUERIES * dim * sizeof(float));
    h.encoded = aligned_zeros(ATTEND_QUERIES * h.pad * sizeof(float));
    h.key_bytes = aligned_zeros(units * h.key_type->key_bytes(dim));
    h.value_bytes = aligned_zeros(units * h.value_type->value_bytes(dim));
    for (size_t i = 0; i < ATTEND_QUERIES * dim; i++) h.q[i] = 0.5f * random_uniform(&seed);
    for (size_t p = 0; p < h.positions; p++) {
        for (size_t d = 0; d < dim; d++) {
            h.keys[p * dim + d] = what->value(&seed);
            h.values[p * dim + d] = what->value(&seed);
        }
        h.key_type->store_key(h.key_bytes, dim, p, turned(h.key_type, h.keys + p * dim, dim));
        h.value_type->store_value(h.value_bytes, dim, p, turned(h.value_type, h.values + p * dim, dim));
    }
    for (size_t i = 0; i < ATTEND_QUERIES; i++) h.key_type->query(h.encoded + i * h.pad, dim, turned(h.key_type, h.q + i * dim, dim));
    h.m = guarded(ATTEND_QUERIES);
    h.l = guarded(ATTEND_QUERIES);
    h.o = guarded(ATTEND_QUERIES * h.pad);
    h.scratch = guarded(ATTEND_SCRATCH(h.pad));
    return h;
}

static void head_free(head *h) {
    cr_assert(guards_whole(h->m, ATTEND_QUERIES) && guards_whole(h->l, ATTEND_QUERIES) && guards_whole(h->o, ATTEND_QUERIES * h->pad) &&
              guards_whole(h->scratch, ATTEND_SCRATCH(h->pad)));
    free(h->keys);
    free(h->values);
    free(h->q);
    free(h->encoded);
    free(h->key_bytes);
    free(h->value_bytes);
    guarded_free(h->m);
    guarded_free(h->l);
    guarded_free(h->o);
    guarded_free(h->scratch);
}

/* What each query of a tile sees of the whole context. */
typedef struct view {
    size_t queries, from[ATTEND_QUERIES], to[ATTEND_QUERIES];
} view;

static view random_view(size_t queries, size_t positions, uint64_t *seed) {
    view v = {.queries = queries};
    for (size_t i = 0; i < queries; i++) {
        const size_t a = (size_t)((random_uniform(seed) + 1) * 0.5f * (float)positions),
                     b = (size_t)((random_uniform(seed) + 1) * 0.5f * (float)positions);
        v.from[i] = a < b ? a : b;
        v.to[i] = a < b ? b : a;
    }
    return v;
}

static size_t within(size_t position, size_t chunk) {
    const size_t start = chunk * ATTEND_CHUNK;
    return position <= start ? 0 : position - start < ATTEND_CHUNK ? position - start : ATTEND_CHUNK;
}

/* All chunks in order, queries [first, first + count) of the view. */
static void attend(head *h, const view *v, size_t first, size_t count) {
    for (size_t i = 0; i < count; i++) {
        h->m[i] = -INFINITY;
        h->l[i] = 0;
        memset(h->o + i * h->pad, 0, h->pad * sizeof(float));
    }
    for (size_t chunk = 0; chunk < h->positions / ATTEND_CHUNK; chunk++) {
        const size_t unit = chunk * ATTEND_CHUNK / CACHE_POSITIONS;
        attend_args a = {.key_type = h->key_type,
                         .value_type = h->value_type,
                         .q = h->encoded + first * h->pad,
                         .queries = count,
                         .head_dim = h->dim,
                         .head_pad = h->pad,
                         .keys = h->key_bytes + unit * h->key_type->key_bytes(h->dim),
                         .values = h->value_bytes + unit * h->value_type->value_bytes(h->dim),
                         .m = h->m,
                         .l = h->l,
                         .o = h->o,
                         .scratch = h->scratch};
        for (size_t i = 0; i < count; i++) {
            a.from[i] = (uint16_t)within(v->from[first + i], chunk);
            a.to[i] = (uint16_t)within(v->to[first + i], chunk);
        }
        h->table->attend(&a);
    }
}

/* ---- against doubles ---- */

static void check_query(const head *h, const view *v, size_t i, double tolerance) {
    if (v->from[i] == v->to[i]) {
        cr_assert(h->m[i] == -INFINITY && h->l[i] == 0 && h->o[i * h->pad] == 0);
        return;
    }
    double *score = aligned_zeros(h->positions * sizeof *score), top = -INFINITY, sum = 0;
    for (size_t p = v->from[i]; p < v->to[i]; p++) {
        for (size_t d = 0; d < h->dim; d++) score[p] += (double)h->q[i * h->dim + d] * (double)h->keys[p * h->dim + d];
        top = fmax(top, score[p]);
    }
    for (size_t p = v->from[i]; p < v->to[i]; p++) sum += score[p] = exp(score[p] - top);
    const float *o = turned(h->value_type, h->o + i * h->pad, h->dim);
    for (size_t d = 0; d < h->dim; d++) {
        double want = 0;
        for (size_t p = v->from[i]; p < v->to[i]; p++) want += score[p] / sum * (double)h->values[p * h->dim + d];
        const double got = (double)o[d] / (double)h->l[i];
        cr_assert_leq(fabs(got - want), tolerance, "%s, %s: query %zu of %zu, [%zu, %zu), dim %zu: %g instead of %g", h->key_type->name,
                      h->value_type->name, i, v->queries, v->from[i], v->to[i], d, got, want);
    }
    for (size_t d = h->dim; d < h->pad; d++) cr_assert_eq(h->o[i * h->pad + d], 0);
    free(score);
}

/* How far a result may be off where keys, values and queries lie in -1 .. 1: by what is rounded of a type. */
static double tolerance_of(const types *c) {
    static const struct {
        const char *name;
        double error;
    } list[] = {{"f32", 2e-6}, {"f16", 1e-3}, {"q8", 2e-2}, {"q4", 2e-1}};
    double sum = 0;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (!strcmp(list[i].name, c->key)) sum += list[i].error;
        if (!strcmp(list[i].name, c->value)) sum += list[i].error;
    }
    return sum;
}

Test(attend, scalar_agrees_with_doubles) {
    static const size_t dims[] = {1, 16, 20, 64, 80};
    uint64_t seed = 1;
    EACH_PAIR(c) {
        for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
            head h = head_of(scalar_table, c, dims[i], 3, content_named("random"), i);
            for (size_t queries = 1; queries <= ATTEND_QUERIES; queries++) {
                const view v = random_view(queries, h.positions, &seed);
                attend(&h, &v, 0, queries);
                for (size_t q = 0; q < queries; q++) check_query(&h, &v, q, tolerance_of(c));
            }
            head_free(&h);
        }
    }
}

/* ---- the same bits ---- */

static void expect_same(const head *a, size_t i, const head *b, size_t j, const char *why) {
    cr_assert_eq(first_difference(a->m + i, b->m + j, 1), 1u, "%s: m of query %zu", why, i);
    cr_assert_eq(first_difference(a->l + i, b->l + j, 1), 1u, "%s: l of query %zu", why, i);
    cr_assert_eq(first_difference(a->o + i * a->pad, b->o + j * b->pad, a->pad), a->pad, "%s: o of query %zu", why, i);
}

static bool same_cache(const head *a, const head *b) {
    const size_t units = a->positions / CACHE_POSITIONS;
    return !memcmp(a->key_bytes, b->key_bytes, units * a->key_type->key_bytes(a->dim)) &&
           !memcmp(a->value_bytes, b->value_bytes, units * a->value_type->value_bytes(a->dim));
}

Test(attend, tables_agree) {
    static const size_t dims[] = {4, 16, 40, 64, 128};
    uint64_t seed = 2;
    EACH_PAIR(c) {
        for (const content *what = contents; what->name; what++) {
            for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
                head expected = head_of(scalar_table, c, dims[i], 2, what, i);
                const size_t queries = 1 + i % ATTEND_QUERIES;
                const view v = random_view(queries, expected.positions, &seed);
                attend(&expected, &v, 0, queries);
                EACH_TABLE(t) {
                    head got = head_of(t, c, dims[i], 2, what, i);
                    cr_assert(!what->finite || same_cache(&got, &expected), "%s: %s, %s", t->name, c->key, c->value);
                    attend(&got, &v, 0, queries);
                    for (size_t q = 0; q < queries; q++) expect_same(&expected, q, &got, q, t->name);
                    head_free(&got);
                }
                head_free(&expected);
            }
        }
    }
}

Test(attend, a_query_has_the_same_bits_alone) {
    uint64_t seed = 3;
    EACH_TABLE(t) {
        EACH_PAIR(c) {
            for (size_t round = 0; round < 40; round++) {
                const size_t queries = 2 + round % 7;
                head tile = head_of(t, c, 48, 2, content_named("random"), round), alone = head_of(t, c, 48, 2, content_named("random"), round);
                const view v = random_view(queries, tile.positions, &seed);
                attend(&tile, &v, 0, queries);
                for (size_t q = 0; q < queries; q++) {
                    attend(&alone, &v, q, 1);
                    expect_same(&tile, q, &alone, 0, t->name);
                }
                head_free(&tile);
                head_free(&alone);
            }
        }
    }
}

/* Positions that a query does not see may hold anything, NaN too, whether other queries of the tile see them or not. */
Test(attend, what_is_not_seen_changes_no_bit) {
    enum { DIM = 24, FROM = 100, TO = 300 };
    const view v = {.queries = 3, .from = {FROM, FROM + 5, 0}, .to = {TO, TO - 7, 512}};
    EACH_TABLE(t) {
        EACH_PAIR(c) {
            head clean = head_of(t, c, DIM, 2, content_named("random"), 9), dirty = head_of(t, c, DIM, 2, content_named("random"), 9);
            float bad[DIM];
            for (size_t d = 0; d < DIM; d++) bad[d] = d % 3 == 0 ? NAN : d % 3 == 1 ? INFINITY : -1e4f;
            for (size_t p = 0; p < 512; p++) {
                if (p >= FROM && p < TO) continue;
                dirty.key_type->store_key(dirty.key_bytes, DIM, p, bad);
                dirty.value_type->store_value(dirty.value_bytes, DIM, p, bad);
            }
            attend(&clean, &v, 0, 3);
            attend(&dirty, &v, 0, 3);
            for (size_t q = 0; q < 2; q++) expect_same(&clean, q, &dirty, q, t->name);
            head_free(&clean);
            head_free(&dirty);
        }
    }
}

/* A key is found where the header says, and a value row is padded with zeros. */
Test(attend, the_cache_is_laid_out_as_the_header_says) {
    enum { DIM = 20, PAD = 32 };
    EACH_TABLE(t) {
        const cache_type *c = cache_named(t, "f32");
        float *keys = aligned_zeros(48 * DIM * sizeof(float)), x[DIM], row[PAD];
        for (size_t d = 0; d < DIM; d++) x[d] = (float)d + 1;
        c->store_key(keys, DIM, 37, x);
        for (size_t i = 0; i < 48 * DIM; i++) {
            const size_t d = i / 16 % DIM;
            cr_assert_eq(keys[i], i / (16 * DIM) == 2 && i % 16 == 5 ? x[d] : 0.0f);
        }
        memset(row, 0xff, sizeof row);
        c->store_value(row, DIM, 0, x);
        for (size_t d = 0; d < PAD; d++) cr_assert_eq(row[d], d < DIM ? x[d] : 0.0f);
        free(keys);
    }
}
