/* Encoded activations: what they decode to, that every table writes the same, and that parts written apart make the whole. Half floats of the tables. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "encode.h"
#include "kernel_data.h"

static size_t block_of(act_code code) {
    return acts_like(code) == ACT_I8_32 ? 32 : 64;
}

static float top_of(const input *in, size_t token, size_t from, size_t n) {
    float top = 0;
    for (size_t i = from; i < from + n && i < in->k; i++) top = fmaxf(top, fabsf(in->x[token * in->ldx + i]));
    return top;
}

/* What the largest magnitude is taken of; for static encodings nothing is. */
static float scale_wanted(const input *in, size_t token, size_t from) {
    const act_code code = in->acts.code;
    if (act_is_static(code)) return static_scale;
    const float top = acts_like(code) == code ? top_of(in, token, from, block_of(code)) : top_of(in, token, 0, in->k);
    return top < 0x1p-100f ? 0.0f : top / 127.0f;
}

static void check_block(const input *in, size_t token, size_t from) {
    const acts *a = &in->acts;
    const size_t n = block_of(a->code);
    const float scale = act_scale(a, token, from), center = act_is_static(a->code) ? static_center : 0;
    const double reach = act_is_static(a->code) ? 127 * (double)scale : INFINITY;
    cr_assert_eq(scale, scale_wanted(in, token, from));
    int32_t sum = 0;
    for (size_t i = from; i < from + n; i++) {
        const float code = act_value(a, token, i), x = i < in->k ? in->x[token * in->ldx + i] - center : 0;
        const double within = fmin(reach, fmax(-reach, (double)x));
        sum += (int32_t)code;
        cr_assert_leq(fabsf(code), 127.0f);
        cr_assert_leq(fabs((double)code * (double)scale - within), 0.5001 * (double)scale + 0x1p-100, "token %zu, %zu", token, i);
        if (i >= in->k) cr_assert_eq(code, 0.0f);
    }
    cr_assert_eq(act_sum(a, token, from), sum);
}

Test(encode, bytes_are_the_nearest_of_their_block) {
    static const size_t shapes[][2] = {{1, 1}, {3, 64}, {5, 100}, {9, 200}, {20, 257}};
    for (act_code code = ACT_I8_64; code < ACT_CODES; code++) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            for (const content *what = contents; what->name; what++) {
                if (!what->finite) continue;
                input in = input_of(scalar_table, code, shapes[s][0], shapes[s][1], what, s);
                for (size_t t = 0; t < in.n; t++) {
                    for (size_t from = 0; from < in.acts.tiles * TILE_K; from += block_of(code)) check_block(&in, t, from);
                }
                input_free(&in);
            }
        }
    }
}

Test(encode, floats_are_as_they_were) {
    input in = input_of(scalar_table, ACT_F32, 11, 70, content_named("wide"), 1);
    for (size_t t = 0; t < in.n; t++) {
        for (size_t i = 0; i < in.acts.tiles * TILE_K; i++) cr_assert_eq(act_value(&in.acts, t, i), i < in.k ? in.x[t * in.ldx + i] : 0.0f);
    }
    input_free(&in);
}

/* An infinity or a NaN must not be lost: the block's scale shows it. */
Test(encode, what_is_not_finite_shows_in_the_scale) {
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    for (act_code code = ACT_I8_64; code < ACT_CODES; code++) {
        for (size_t i = 0; i < 3 * 64; i++) {
            input in = input_of(scalar_table, code, 2, 64, content_named("random"), i);
            in.x[in.ldx + i % 64] = bad[i / 64];
            EACH_TABLE(t) {
                input_encode(&in, t, code);
                cr_assert(!isfinite(act_scale(&in.acts, 1, i % 64)), "%s", t->name);
                cr_assert(isfinite(act_scale(&in.acts, 0, i % 64)), "%s", t->name);
            }
            input_free(&in);
        }
    }
}

static void compare(const acts *a, const acts *b, const char *what, const char *table) {
    for (size_t t = 0; t < a->n; t++) {
        for (size_t i = 0; i < a->tiles * TILE_K; i++) {
            const float x[2] = {act_value(a, t, i), act_scale(a, t, i)}, y[2] = {act_value(b, t, i), act_scale(b, t, i)};
            cr_assert_eq(first_difference(x, y, 2), 2u, "%s, %s: token %zu, %zu", what, table, t, i);
            cr_assert(a->code == ACT_F32 || act_sum(a, t, i) == act_sum(b, t, i), "%s, %s: sum of token %zu, %zu", what, table, t, i);
        }
    }
}

Test(encode, tables_agree) {
    static const size_t shapes[][2] = {{1, 1}, {2, 15}, {7, 64}, {8, 129}, {15, 190}};
    for (act_code code = ACT_F32; code < ACT_CODES; code++) {
        for (const content *what = contents; what->name; what++) {
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
                input expected = input_of(scalar_table, code, shapes[s][0], shapes[s][1], what, s);
                EACH_TABLE(t) {
                    input got = input_of(t, code, shapes[s][0], shapes[s][1], what, s);
                    compare(&expected.acts, &got.acts, what->name, t->name);
                    input_free(&got);
                }
                input_free(&expected);
            }
        }
    }
}

Test(encode, parts_make_the_whole) {
    enum { N = 13, K = 300, TILES = 5 };
    for (act_code code = ACT_F32; code < ACT_CODES; code++) {
        EACH_TABLE(t) {
            input whole = input_of(t, code, N, K, content_named("random"), 7), parts = input_of(t, code, N, K, content_named("zeros"), 7);
            memcpy(parts.x, whole.x, N * whole.ldx * sizeof(float));
            for (size_t token = 0; token < N; token += 3) {
                const size_t end = token + 3 < N ? token + 3 : N;
                for (size_t tile = TILES; tile-- > 0;) t->encode[code](&parts.acts, parts.x, parts.ldx, K, token, end, tile, tile + 1);
            }
            compare(&whole.acts, &parts.acts, "parts", t->name);
            input_free(&whole);
            input_free(&parts);
        }
    }
}

/* ---- half floats ---- */

static const cache_type *cache_named(const kernels *t, const char *name) {
    for (const cache_type *const *c = t->caches; *c; c++) {
        if (!strcmp((*c)->name, name)) return *c;
    }
    cr_assert(0, "%s has no cache type %s", t->name, name);
    return NULL;
}

static void check_half(const cache_type *c, float x) {
    uint16_t got[16];
    c->store_value(got, 1, 0, &x);
    const uint16_t want = f16_of_f32(x);
    cr_assert(got[0] == want || (isnan(x) && isnan(f32_of_f16(got[0]))), "%a becomes %04x, not %04x", (double)x, got[0], want);
}

/* Around every half float and every middle of two: below, at, above. */
Test(encode, rounding_to_half_floats) {
    EACH_TABLE(t) {
        const cache_type *c = cache_named(t, "f16");
        for (uint32_t half = 0; half < 0x10000; half++) {
            const float x = f32_of_f16((uint16_t)half), next = f32_of_f16((uint16_t)(half + 1)), middle = 0.5f * x + 0.5f * next;
            const float around[] = {x,      nextafterf(x, INFINITY),      nextafterf(x, -INFINITY),
                                    middle, nextafterf(middle, INFINITY), nextafterf(middle, -INFINITY)};
            for (size_t i = 0; i < 6; i++) check_half(c, around[i]);
        }
        check_half(c, 65519.99f);
        check_half(c, 65520.0f);
        check_half(c, 0x1p-149f);
    }
}

/* A matrix of all half floats in one column, times one. */
static void check_halves(const char *name, float (*to_float)(uint16_t)) {
    enum { ALL = 0x10000 };
    sample m = sample_of(format_named(name), ALL, 1, content_named("zeros"), 1);
    memset(m.data, 0, m.layout.bytes);
    for (size_t i = 0; i < ALL; i++) {
        const uint16_t half = (uint16_t)i;
        memcpy(m.data + m.layout.codes + (i / TILE_ROWS * TILE_K * TILE_ROWS + i % TILE_ROWS) * sizeof half, &half, sizeof half);
    }
    float *y = aligned_zeros(ALL * sizeof *y);
    EACH_TABLE(t) {
        input in = input_of(t, ACT_F32, 1, 1, content_named("ones, no bits"), 1);
        const matrix w = sample_matrix(&m);
        kernels_linear(t, &m.format)(&w, &in.acts, 0, m.layout.groups, y, ALL, NULL);
        for (size_t i = 0; i < ALL; i++) {
            const float want = to_float((uint16_t)i);
            cr_assert(y[i] == want || (isnan(y[i]) && isnan(want)), "%s %04zx in %s", name, i, t->name);
        }
        input_free(&in);
    }
    free(y);
    sample_free(&m);
}

Test(encode, all_half_floats) {
    check_halves("f16", f32_of_f16);
    check_halves("bf16", f32_of_bf16);
}
