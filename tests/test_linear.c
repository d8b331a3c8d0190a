/* The matrix products: the scalar table against doubles, every table against the scalar one, few tokens against many. Each test walks all formats. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "encode.h"
#include "kernel_data.h"

/* y [n][ld] of rows of groups [0, groups), ld = padded rows + 16; the last 16 of each row are to stay untouched. */
typedef struct output {
    size_t n, ld, size;
    float *y;
} output;

static output product(const kernels *t, const sample *m, const acts *a, size_t cut) {
    output o = {.n = a->n, .ld = m->layout.groups * TILE_ROWS + 16};
    o.size = o.n * o.ld;
    o.y = guarded(o.size);
    void *scratch = aligned_zeros(linear_scratch_bytes(m->k));
    linear_fn *run = kernels_linear(t, &m->format);
    cr_assert_not_null(run, "%s has no kernel for a format", t->name);
    const matrix w = sample_matrix(m);
    run(&w, a, 0, cut, o.y, o.ld, scratch);
    run(&w, a, cut, m->layout.groups, o.y, o.ld, scratch);
    free(scratch);
    cr_assert(guards_whole(o.y, o.size), "%s wrote outside", t->name);
    for (size_t i = 0; i < o.size; i++) {
        const bool inside = i % o.ld < o.ld - 16;
        cr_assert(inside == (o.y[i] != untouched), "%s: element %zu of %zu", t->name, i % o.ld, o.ld);
    }
    return o;
}

static void output_free(output *o) {
    guarded_free(o->y);
}

Test(linear, every_format_has_a_kernel_in_every_table) {
    size_t formats = 0;
    EACH_FORMAT_AND_ACTS(f) {
        formats++;
        for (const kernels *const *t = kernel_tables; *t; t++) cr_expect_not_null(kernels_linear(*t, &f), "%s in %s", name_of(&f), (*t)->name);
    }
    cr_assert_gt(formats, 300u);
}

/* ---- the scalar table against doubles ---- */

/* |error| <= steps u sum |w x|: each of the fma steps and the product of scales rounds once, u = 2^-24. The reference takes the activations as encoded,
 * and the weights as decoded in f32; the sum of magnitudes takes scale * level and the minimum apart, since a weight may be small by cancellation. */
static void check_row(const sample *m, const sample *minimums, const acts *a, const output *o, size_t row, const char *name) {
    float *w = aligned_zeros(m->k * sizeof *w), *min = aligned_zeros(m->k * sizeof *min);
    format_decode_row(&m->format, &m->layout, m->data, row, m->k, w);
    if (m->format.has_min) format_decode_row(&m->format, &minimums->layout, minimums->data, row, m->k, min);
    const size_t block = a->code == ACT_F32 ? 2 : acts_like(a->code) == ACT_I8_32 ? 32 : 64;
    const double steps = (double)(m->layout.tiles * TILE_K / block) * (m->format.has_min ? 2 : 1) + 4;
    for (size_t t = 0; t < a->n; t++) {
        double sum = 0, magnitude = 0;
        for (size_t i = 0; i < m->k; i++) {
            const double x = (double)act_value(a, t, i) * (double)act_scale(a, t, i);
            sum += (double)w[i] * x;
            magnitude += (fabs((double)w[i] - (double)min[i]) + fabs((double)min[i])) * fabs(x);
        }
        const double off = fabs((double)o->y[t * o->ld + row] - sum), bound = steps * 0x1p-24 * magnitude + 0x1p-140;
        cr_assert_leq(off, bound, "%s row %zu token %zu: %g instead of %g", name, row, t, (double)o->y[t * o->ld + row], sum);
    }
    free(w);
    free(min);
}

static sample without_codes(const sample *m) { /* what decodes to the minimums */
    sample copy = *m;
    copy.data = aligned_zeros(m->layout.bytes);
    memcpy(copy.data + m->layout.side, m->data + m->layout.side, m->layout.bytes - m->layout.side);
    return copy;
}

Test(linear, scalar_is_within_the_rounding_bound_of_doubles) {
    static const size_t shapes[][3] = {{37, 200, 5}, {1, 1, 9}, {16, 500, 1}};
    EACH_FORMAT_AND_ACTS(f) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            const size_t rows = shapes[s][0], k = shapes[s][1], n = shapes[s][2];
            sample m = sample_of(f, rows, k, content_named("random"), 11 + s), minimums = without_codes(&m);
            input in = input_of(scalar_table, f.act, n, k, content_named("random"), 5);
            output o = product(scalar_table, &m, &in.acts, m.layout.groups / 2);
            for (size_t row = 0; row < rows; row++) check_row(&m, &minimums, &in.acts, &o, row, name_of(&f));
            output_free(&o);
            input_free(&in);
            sample_free(&m);
            sample_free(&minimums);
        }
    }
}

/* ---- whole numbers: every table against integers, without any rounding ---- */

static float any_whole(uint64_t *random) {
    return rintf(127.0f * random_uniform(random));
}
static float largest(uint64_t *random) {
    (void)random;
    return 127.0f;
}
static float smallest(uint64_t *random) {
    (void)random;
    return -127.0f;
}
static const content whole_numbers[] = {{"any", any_whole, -1, true}, {"127", largest, 0xff, true}, {"-127", smallest, 0xff, true}, {.name = NULL}};

/* y of one row as integers: weights decode to whole numbers where their scale and minimum are 1. */
static void check_whole_row(const sample *m, const input *in, const output *o, size_t row, const char *table) {
    float *w = aligned_zeros(m->k * sizeof *w);
    format_decode_row(&m->format, &m->layout, m->data, row, m->k, w);
    for (size_t t = 0; t < in->n; t++) {
        int64_t sum = 0;
        for (size_t i = 0; i < m->k; i++) sum += (int64_t)w[i] * (int64_t)in->x[t * in->ldx + i];
        cr_assert_eq((int64_t)o->y[t * o->ld + row], sum, "%s, %s: row %zu, token %zu", name_of(&m->format), table, row, t);
    }
    free(w);
}

static void check_whole(const format *f, const content *what, size_t n, size_t k) {
    const content one = {"ones", content_named("ones, all bits")->value, what->code, true};
    sample m = sample_of(*f, 21, k, &one, n + k);
    for (size_t i = 0; what->code < 0 && !f->family->plain && i < m.layout.side; i++)
        m.data[i] = (uint8_t)(i * 7 + i / 256); /* every byte everywhere */
    input in = input_of(scalar_table, ACT_F32, n, k, what, k);
    in.act_scale = 1;
    in.act_center = 0;
    for (size_t i = 0; i < n * in.ldx; i++) in.x[i] = i % in.ldx % 32 == 0 ? 127 : in.x[i]; /* so that the scale of each block is 1 */
    EACH_TABLE(t) {
        input_encode(&in, t, f->act);
        output o = product(t, &m, &in.acts, 1);
        for (size_t row = 0; row < m.rows; row++) check_whole_row(&m, &in, &o, row, t->name);
        output_free(&o);
    }
    input_free(&in);
    sample_free(&m);
}

Test(linear, whole_numbers_are_exact_in_every_table) {
    EACH_FORMAT_AND_ACTS(f) {
        for (const content *what = whole_numbers; what->name; what++) {
            check_whole(&f, what, 1, 288);
            check_whole(&f, what, 9, 90);
        }
    }
}

Test(linear, rows_past_the_end_are_zero_if_their_scale_is) {
    EACH_FORMAT(f) {
        sample m = sample_of(f, 16, 130, content_named("random"), 3);
        memset(m.data + m.layout.codes, 0, m.layout.bytes - m.layout.codes); /* as padding: scale and minimum 0, whatever the codes */
        memset(m.data + m.layout.codes, 0xff, f.family->plain ? 0 : m.layout.side - m.layout.codes);
        EACH_TABLE(t) {
            input in = input_of(t, f.act, 2, 130, content_named("random"), 5);
            output o = product(t, &m, &in.acts, 0);
            for (size_t i = 0; i < 16; i++) cr_assert_eq(o.y[i], 0.0f, "%s %s", name_of(&f), t->name);
            output_free(&o);
            input_free(&in);
        }
        sample_free(&m);
    }
}

/* ---- the same bits from every table, and for one token as for many ---- */

static void compare(const kernels *t, const sample *m, input *in, size_t cut) {
    input_encode(in, scalar_table, m->format.act);
    output expected = product(scalar_table, m, &in->acts, cut);
    input_encode(in, t, m->format.act);
    output got = product(t, m, &in->acts, cut);
    const size_t at = first_difference(expected.y, got.y, expected.size);
    cr_assert_eq(at, expected.size, "%s, %s: token %zu of %zu, row %zu: %a instead of %a", name_of(&m->format), t->name, at / got.ld, got.n,
                 at % got.ld, (double)got.y[at], (double)expected.y[at]);
    output_free(&expected);
    output_free(&got);
}

/* Every table but the scalar one against that. */
static void compare_all(const sample *m, input *in, size_t cut) {
    EACH_TABLE(t) {
        if (t != scalar_table) compare(t, m, in, cut);
    }
}

Test(linear, tables_agree_for_every_number_of_tokens) {
    static const size_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15, 64};
    EACH_FORMAT(f) {
        sample m = sample_of(f, 16 * 5 - 5, 64 * 2 + 17, content_named("random"), 8);
        for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
            input in = input_of(scalar_table, f.act, tokens[i], m.k, content_named("random"), i);
            compare_all(&m, &in, i % (m.layout.groups + 1));
            input_free(&in);
        }
        sample_free(&m);
    }
}

Test(linear, tables_agree_for_every_shape) {
    static const size_t shapes[][2] = {{1, 1}, {3, 63}, {16, 64}, {17, 65}, {48, 128}, {33, 1025}};
    EACH_FORMAT_AND_ACTS(f) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            sample m = sample_of(f, shapes[s][0], shapes[s][1], content_named("random"), s);
            input in = input_of(scalar_table, f.act, s % 2 ? 1 : 9, m.k, content_named("random"), s);
            compare_all(&m, &in, 1);
            input_free(&in);
            sample_free(&m);
        }
    }
}

Test(linear, tables_agree_on_extreme_numbers) {
    EACH_FORMAT(f) {
        for (const content *weights = contents; weights->name; weights++) {
            sample m = sample_of(f, 35, 150, weights, 2);
            for (const content *inputs = contents; inputs->name; inputs++) {
                input in = input_of(scalar_table, f.act, (inputs - contents) % 2 ? 1 : 3, m.k, inputs, 4);
                compare_all(&m, &in, 2);
                input_free(&in);
            }
            sample_free(&m);
        }
    }
}

/* Token i of a batch against the same token in a batch of its own. */
static void check_alone(const kernels *t, const sample *m, const input *batch, const output *together, size_t token) {
    input one = {.n = 1, .k = m->k, .ldx = batch->ldx, .x = aligned_zeros(batch->ldx * sizeof(float)), .act_scale = batch->act_scale};
    memcpy(one.x, batch->x + token * batch->ldx, batch->ldx * sizeof(float));
    input_encode(&one, t, m->format.act);
    output alone = product(t, m, &one.acts, 0);
    const size_t at = first_difference(alone.y, together->y + token * together->ld, alone.ld);
    cr_assert_eq(at, alone.ld, "%s, %s: token %zu of %zu differs alone", name_of(&m->format), t->name, token, batch->n);
    output_free(&alone);
    input_free(&one);
}

Test(linear, a_token_has_the_same_bits_alone_and_in_any_batch) {
    static const size_t tokens[] = {2, 3, 4, 5, 6, 7, 8, 15};
    EACH_FORMAT(f) {
        sample m = sample_of(f, 75, 150, content_named("random"), 21);
        EACH_TABLE(t) {
            for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
                input batch = input_of(t, f.act, tokens[i], m.k, content_named("random"), i);
                output together = product(t, &m, &batch.acts, m.layout.groups);
                for (size_t token = i % 3; token < tokens[i]; token += 3) check_alone(t, &m, &batch, &together, token);
                output_free(&together);
                input_free(&batch);
            }
        }
        sample_free(&m);
    }
}
