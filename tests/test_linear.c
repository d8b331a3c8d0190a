/* The matrix products: the scalar table against doubles, every table against the scalar one, few tokens against many. Each test walks format_list. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
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
    for (const kernels *const *t = kernel_tables; *t; t++) {
        for (const format_entry *entry = format_list; entry->name; entry++) {
            format f;
            cr_assert_eq(format_parse(&f, entry->name, NULL), OK);
            cr_expect_not_null(kernels_linear(*t, &f), "%s in %s", entry->name, (*t)->name);
        }
    }
}

/* ---- the scalar table against doubles ---- */

/* |error| <= steps u sum |w x|: each of the fma steps and the product of scales rounds once, u = 2^-24. The reference takes the activations as encoded,
 * and the weights as decoded in f32; the sum of magnitudes takes scale * level and the minimum apart, since a weight may be small by cancellation. */
static void check_row(const sample *m, const sample *minimums, const acts *a, const output *o, size_t row, const char *name) {
    float *w = aligned_zeros(m->k * sizeof *w), *min = aligned_zeros(m->k * sizeof *min);
    format_decode_row(&m->format, &m->layout, m->data, row, m->k, w);
    if (m->format.has_min) format_decode_row(&m->format, &minimums->layout, minimums->data, row, m->k, min);
    const size_t block = a->code == ACT_F32 ? 2 : m->format.block;
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
    static const size_t shapes[][3] = {{37, 200, 5}, {16, 64, 1}, {1, 1, 9}, {50, 1000, 2}};
    for (const format_entry *entry = format_list; entry->name; entry++) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            const size_t rows = shapes[s][0], k = shapes[s][1], n = shapes[s][2];
            sample m = sample_of(entry->name, rows, k, content_named("random"), 11 + s), minimums = without_codes(&m);
            input in = input_of(scalar_table, m.format.act, n, k, content_named("random"), 5);
            output o = product(scalar_table, &m, &in.acts, m.layout.groups / 2);
            for (size_t row = 0; row < rows; row++) check_row(&m, &minimums, &in.acts, &o, row, entry->name);
            output_free(&o);
            input_free(&in);
            sample_free(&m);
            sample_free(&minimums);
        }
    }
}

Test(linear, rows_past_the_end_are_zero) {
    for (const format_entry *entry = format_list; entry->name; entry++) {
        sample m = sample_of(entry->name, 16, 130, content_named("random"), 3);
        memset(m.data + m.layout.codes, 0, m.layout.bytes - m.layout.codes); /* as padding: scale and minimum 0, whatever the codes */
        memset(m.data + m.layout.codes, 0xff, m.format.family->plain ? 0 : m.layout.side - m.layout.codes);
        EACH_TABLE(t) {
            input in = input_of(t, m.format.act, 2, 130, content_named("random"), 5);
            output o = product(t, &m, &in.acts, 0);
            for (size_t i = 0; i < 16; i++) cr_assert_eq(o.y[i], 0.0f, "%s %s", entry->name, t->name);
            output_free(&o);
            input_free(&in);
        }
        sample_free(&m);
    }
}

/* ---- the same bits from every table, and for one token as for many ---- */

static void compare(const kernels *t, const sample *m, input *in, size_t cut, const char *name) {
    input_encode(in, scalar_table, m->format.act);
    output expected = product(scalar_table, m, &in->acts, cut);
    input_encode(in, t, m->format.act);
    output got = product(t, m, &in->acts, cut);
    const size_t at = first_difference(expected.y, got.y, expected.size);
    cr_assert_eq(at, expected.size, "%s, %s: token %zu of %zu, row %zu: %a instead of %a", name, t->name, at / got.ld, got.n, at % got.ld,
                 (double)got.y[at], (double)expected.y[at]);
    output_free(&expected);
    output_free(&got);
}

Test(linear, tables_agree_for_every_number_of_tokens) {
    static const size_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 64};
    for (const format_entry *entry = format_list; entry->name; entry++) {
        sample m = sample_of(entry->name, 16 * 7 - 5, 64 * 3 + 17, content_named("random"), 8);
        for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
            input in = input_of(scalar_table, m.format.act, tokens[i], m.k, content_named("random"), i);
            EACH_TABLE(t) {
                if (t != scalar_table) compare(t, &m, &in, i % (m.layout.groups + 1), entry->name);
            }
            input_free(&in);
        }
        sample_free(&m);
    }
}

Test(linear, tables_agree_for_every_shape) {
    static const size_t shapes[][2] = {{1, 1}, {3, 63}, {16, 64}, {17, 65}, {48, 128}, {80, 320}, {33, 1025}};
    for (const format_entry *entry = format_list; entry->name; entry++) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            sample m = sample_of(entry->name, shapes[s][0], shapes[s][1], content_named("random"), s);
            input in = input_of(scalar_table, m.format.act, s % 2 ? 1 : 9, m.k, content_named("random"), s);
            EACH_TABLE(t) {
                if (t != scalar_table) compare(t, &m, &in, 1, entry->name);
            }
            input_free(&in);
            sample_free(&m);
        }
    }
}

Test(linear, tables_agree_on_extreme_numbers) {
    for (const format_entry *entry = format_list; entry->name; entry++) {
        for (const content *weights = contents; weights->name; weights++) {
            sample m = sample_of(entry->name, 35, 150, weights, 2);
            for (const content *inputs = contents; inputs->name; inputs++) {
                input in = input_of(scalar_table, m.format.act, 1 + (size_t)(inputs - contents) % 9, m.k, inputs, 4);
                EACH_TABLE(t) {
                    if (t != scalar_table) compare(t, &m, &in, 2, entry->name);
                }
                input_free(&in);
            }
            sample_free(&m);
        }
    }
}

/* Token i of a batch against the same token in a batch of its own. */
static void check_alone(const kernels *t, const sample *m, const input *batch, const output *together, size_t token, const char *name) {
    input one = {.n = 1, .k = m->k, .ldx = batch->ldx, .x = aligned_zeros(batch->ldx * sizeof(float))};
    memcpy(one.x, batch->x + token * batch->ldx, batch->ldx * sizeof(float));
    input_encode(&one, t, m->format.act);
    output alone = product(t, m, &one.acts, 0);
    const size_t at = first_difference(alone.y, together->y + token * together->ld, alone.ld);
    cr_assert_eq(at, alone.ld, "%s, %s: token %zu of %zu differs alone", name, t->name, token, batch->n);
    output_free(&alone);
    input_free(&one);
}

Test(linear, a_token_has_the_same_bits_alone_and_in_any_batch) {
    static const size_t tokens[] = {2, 3, 4, 5, 6, 7, 8, 9, 15, 23};
    for (const format_entry *entry = format_list; entry->name; entry++) {
        sample m = sample_of(entry->name, 75, 200, content_named("random"), 21);
        EACH_TABLE(t) {
            for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
                input batch = input_of(t, m.format.act, tokens[i], m.k, content_named("random"), i);
                output together = product(t, &m, &batch.acts, m.layout.groups);
                for (size_t token = 0; token < tokens[i]; token++) check_alone(t, &m, &batch, &together, token, entry->name);
                output_free(&together);
                input_free(&batch);
            }
        }
        sample_free(&m);
    }
}
