/* The types of the KV cache: where codes lie, that positions share no byte, what is turned, what the options offer. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/half.h"
#include "encode.h"
#include "kernel_data.h"
#include "tools/session_flags.h"

enum { DIM_MAX = 256, ROOM = 3 * CACHE_POSITIONS };

static const cache_type *cache_named(const kernels *t, const char *name) {
    for (const cache_type *const *c = t->caches; *c; c++) {
        if (!strcmp((*c)->name, name)) return *c;
    }
    cr_assert(0, "%s lacks cache type %s", t->name, name);
    return NULL;
}

Test(cache, options_offer_all_types) {
    EACH_TABLE(t) {
        char names[128] = "";
        for (const cache_type *const *c = t->caches; *c; c++) {
            if (*names) strcat(names, "|");
            strcat(names, (*c)->name);
        }
        cr_assert_str_eq(names, CACHE_TYPES);
    }
}

/* ---- coded types: as attend_coded.c says, read here by another way ---- */

static const struct coded {
    const char *name;
    size_t bits, block;
} coded_list[] = {{"q8", 8, 64}, {"q4", 4, 32}};

static double number_at(const struct coded *k, const uint8_t *unit, size_t dims, size_t byte, size_t field, size_t scale) {
    const int zero = 1 << (k->bits - 1), code = unit[byte] >> (field * k->bits) & ((1 << k->bits) - 1);
    uint16_t half;
    memcpy(&half, unit + CACHE_POSITIONS * dims * k->bits / 8 + scale * sizeof half, sizeof half);
    return (double)f32_of_f16(half) * (code - zero);
}

static double key_at(const struct coded *k, const uint8_t *keys, size_t unit_bytes, size_t dim, size_t position, size_t d) {
    const size_t dims = round_up(dim, 32), n = 8 / k->bits, blocks = (dim + k->block - 1) / k->block, v = position % CACHE_POSITIONS / 16;
    const size_t byte = v * (dims * 16 / n) + d / 4 / n * 64 + position % 16 * 4 + d % 4;
    return number_at(k, keys + position / CACHE_POSITIONS * unit_bytes, dims, byte, d / 4 % n, (v * blocks + d / k->block) * 16 + position % 16);
}

static double value_at(const struct coded *k, const uint8_t *values, size_t unit_bytes, size_t dim, size_t position, size_t d) {
    const size_t dims = round_up(dim, 32), n = 8 / k->bits, place = position % CACHE_POSITIONS;
    const size_t byte = (d / 16 / n * 16 + place / 4) * 64 + d % 16 * 4 + place % 4;
    return number_at(k, values + position / CACHE_POSITIONS * unit_bytes, dims, byte, d / 16 % n, d / k->block * CACHE_POSITIONS + place);
}

static void check_coded(const struct coded *k, const kernels *t, size_t dim) {
    const cache_type *c = cache_named(t, k->name);
    const size_t bytes = c->key_bytes(dim);
    cr_assert(bytes % 64 == 0 && c->value_bytes(dim) == bytes);
    uint8_t *keys = aligned_zeros(ROOM / CACHE_POSITIONS * bytes), *values = aligned_zeros(ROOM / CACHE_POSITIONS * bytes);
    const double step = 1.0 / (1 << (k->bits - 1)); /* of the largest value of a block; its opposite is the one number that is missing */
    uint64_t seed = dim;
    for (size_t p = 0; p < ROOM; p++) {
        float x[DIM_MAX];
        double top = 0;
        for (size_t d = 0; d < dim; d++) x[d] = random_uniform(&seed), top = fmax(top, fabs((double)x[d]));
        c->store_key(keys, dim, p, x);
        c->store_value(values, dim, p, x);
        for (size_t d = 0; d < dim; d++) {
            const double key = key_at(k, keys, bytes, dim, p, d), value = value_at(k, values, bytes, dim, p, d);
            cr_assert_eq(key, value, "%s %s, position %zu, dim %zu: %g and %g", t->name, k->name, p, d, key, value);
            cr_assert_leq(fabs(key - (double)x[d]), top * step * 1.01, "%s %s, position %zu, dim %zu", t->name, k->name, p, d);
        }
    }
    free(keys), free(values);
}

Test(cache, coded_caches_are_laid_out_as_the_source_says) {
    static const size_t dims[] = {1, 16, 40, 64, 80, 128};
    EACH_TABLE(t) {
        for (size_t i = 0; i < sizeof coded_list / sizeof *coded_list; i++) {
            for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) check_coded(&coded_list[i], t, dims[d]);
        }
    }
}

/* ---- a position has its own bytes: threads store neighbours at the same time ---- */

typedef void store_fn(void *cache, size_t head_dim, size_t position, const float *x);

static void check_own_bytes(store_fn *store, size_t bytes, size_t dim, const char *name) {
    enum { NOBODY = 0xff };
    uint8_t *owner = aligned_zeros(bytes), *zeros = aligned_zeros(bytes), *ones = aligned_zeros(bytes);
    float x[DIM_MAX];
    for (size_t d = 0; d < dim; d++) x[d] = (float)d - 0.3f * (float)dim;
    memset(owner, NOBODY, bytes);
    for (size_t p = 0; p < CACHE_POSITIONS; p++) {
        memset(zeros, 0, bytes);
        memset(ones, 0xff, bytes);
        store(zeros, dim, p, x);
        store(ones, dim, p, x);
        for (size_t i = 0; i < bytes; i++) {
            if (zeros[i] == 0 && ones[i] == 0xff) continue;
            cr_assert_eq(zeros[i], ones[i], "%s: position %zu has part of byte %zu", name, p, i);
            cr_assert_eq(owner[i], NOBODY, "%s: positions %d and %zu have byte %zu", name, owner[i], p, i);
            owner[i] = (uint8_t)p;
        }
    }
    free(owner), free(zeros), free(ones);
}

Test(cache, no_position_shares_a_byte_with_another) {
    EACH_TABLE(t) {
        for (const cache_type *const *c = t->caches; *c; c++) {
            check_own_bytes((*c)->store_key, (*c)->key_bytes(40), 40, (*c)->name);
            check_own_bytes((*c)->store_value, (*c)->value_bytes(40), 40, (*c)->name);
        }
    }
}

Test(cache, a_turn_is_orthonormal_and_its_own_inverse) {
    static const size_t dims[] = {1, 3, 40, 64, 96, 128};
    uint64_t seed = 5;
    for (const cache_type *const *c = scalar_table->caches; *c; c++) {
        for (size_t i = 0; i < sizeof dims / sizeof *dims && (*c)->turn; i++) {
            float x[DIM_MAX] = {0}, y[DIM_MAX];
            double before = 0, after = 0;
            for (size_t d = 0; d < dims[i]; d++) x[d] = random_uniform(&seed);
            memcpy(y, x, sizeof y);
            (*c)->turn(y, dims[i]);
            for (size_t d = 0; d < dims[i]; d++) before += (double)x[d] * (double)x[d], after += (double)y[d] * (double)y[d];
            cr_assert_leq(fabs(after - before), 1e-6 * before);
            (*c)->turn(y, dims[i]);
            for (size_t d = 0; d < dims[i]; d++) cr_assert_leq(fabs((double)y[d] - (double)x[d]), 1e-6);
        }
    }
}
