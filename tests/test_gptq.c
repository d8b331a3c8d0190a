/* Error-compensating quantization: its factor against a dense reference, its codes against the algorithm as the paper has it, in double and column by
 * column, and the error of the products that it is made for. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "files.h"
#include "quantize/encode.h"
#include "quantize/factor.h"
#include "quantize/products.h"
#include "quantize/statistics.h"
#include "tiny.h"

typedef struct problem { /* weights [rows][k], and products of inputs [k][k] that come from few directions, so that columns depend on each other */
    size_t rows, k;
    float *w, *h, *u;
    float *triangle; /* of h, as factor_inverse takes it */
} problem;

static problem problem_of(size_t rows, size_t k, uint64_t seed) {
    const size_t inputs = 3 * k, directions = k / 3 + 1;
    problem p = {rows, k, calloc(rows * k, sizeof *p.w), calloc(k * k, sizeof *p.h), calloc(k * k, sizeof *p.u), calloc(k * k, sizeof *p.h)};
    float *mix = malloc(directions * k * sizeof *mix), *x = malloc(k * sizeof *x);
    for (size_t i = 0; i < rows * k; i++) p.w[i] = random_normal(&seed);
    for (size_t i = 0; i < directions * k; i++) mix[i] = random_normal(&seed);
    for (size_t t = 0; t < inputs; t++) {
        for (size_t j = 0; j < k; j++) x[j] = 0.3f * random_normal(&seed);
        for (size_t d = 0; d < directions; d++) {
            const float by = random_normal(&seed);
            for (size_t j = 0; j < k; j++) x[j] += by * mix[d * k + j];
        }
        for (size_t i = 0; i < k; i++) {
            for (size_t j = 0; j < k; j++) p.h[i * k + j] += x[i] * x[j] / (float)inputs;
        }
    }
    free(mix);
    free(x);
    return p;
}

static void problem_free(problem *p) {
    free(p->w);
    free(p->h);
    free(p->u);
    free(p->triangle);
}

static double diagonal_mean(const problem *p) {
    double sum = 0;
    for (size_t d = 0; d < p->k; d++) sum += (double)p->h[d * p->k + d];
    return sum / (double)p->k;
}

static status factorize(const problem *p, float *u, double damp, int threads, error *e) {
    for (size_t i = 0; i < p->k; i++) {
        for (size_t j = i; j < p->k; j++) p->triangle[triangle_at(p->k, i) + j] = p->h[i * p->k + j];
    }
    return factor_inverse(u, p->triangle, p->k, damp, threads, e);
}

/* U^T U H = I, for sizes around the blocks of the algorithm. */
Test(gptq, factor_is_of_the_inverse) {
    static const size_t sizes[] = {1, 2, 63, 64, 65, 130, 321, 400};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t k = sizes[s];
        problem p = problem_of(1, k, s + 1);
        const double damp = 0.01 * diagonal_mean(&p);
        double worst = 0, *half = malloc(k * k * sizeof *half);
        cr_assert_eq(factorize(&p, p.u, 0.01, 2, NULL), OK);
        for (size_t i = 0; i < k; i++) { /* half = U H */
            for (size_t j = 0; j < k; j++) {
                double sum = 0;
                for (size_t t = i; t < k; t++) sum += (double)p.u[i * k + t] * ((double)p.h[t * k + j] + (t == j ? damp : 0));
                half[i * k + j] = sum;
                if (j < i) cr_assert_eq(p.u[i * k + j], 0.0f);
            }
        }
        for (size_t i = 0; i < k; i++) {
            for (size_t j = 0; j < k; j++) {
                double sum = 0;
                for (size_t t = 0; t <= i; t++) sum += (double)p.u[t * k + i] * half[t * k + j];
                worst = fmax(worst, fabs(sum - (i == j)));
            }
        }
        cr_expect_lt(worst, 2e-4, "k = %zu: %g", k, worst);
        free(half);
        problem_free(&p);
    }
}

Test(gptq, factor_does_not_depend_on_threads) {
    problem p = problem_of(1, 333, 5);
    float *other = malloc(p.k * p.k * sizeof *other);
    cr_assert_eq(factorize(&p, p.u, 0.01, 1, NULL), OK);
    cr_assert_eq(factorize(&p, other, 0.01, 3, NULL), OK);
    cr_assert_arr_eq(p.u, other, p.k * p.k * sizeof *other);
    free(other);
    problem_free(&p);
}

/* Inputs that never fire, copies of inputs, and what is no matrix of products at all. */
Test(gptq, factor_of_degenerate_products) {
    problem p = problem_of(1, 70, 6);
    for (size_t i = 0; i < p.k; i++) p.h[3 * p.k + i] = p.h[i * p.k + 3] = 0;
    for (size_t i = 0; i < p.k; i++) p.h[i * p.k + 8] = p.h[i * p.k + 7];
    for (size_t i = 0; i < p.k; i++) p.h[8 * p.k + i] = p.h[7 * p.k + i];
    cr_assert_eq(factorize(&p, p.u, 0, 2, NULL), OK);
    for (size_t i = 0; i < p.k * p.k; i++) cr_assert(isfinite(p.u[i]));
    for (size_t i = 0; i < p.k; i++) {
        if (i != 3) cr_assert_eq(p.u[(i < 3 ? i : 3) * p.k + (i < 3 ? 3 : i)], 0.0f);
    }
    error e = {0};
    memset(p.h, 0, p.k * p.k * sizeof *p.h);
    cr_expect_eq(factorize(&p, p.u, 0.01, 2, &e), E_RUN);
    p.h[5] = NAN;
    p.h[0] = 1;
    cr_expect_eq(factorize(&p, p.u, 0.01, 2, &e), E_RUN);
    problem_free(&p);
}

/* ---- codes ---- */

static void fill(const row_source *from, const encoder *en, group *g) {
    const float *x = from->context;
    for (size_t r = 0; r < g->rows; r++) memcpy(group_row(g, en, r), x + (g->index * TILE_ROWS + r) * en->k, en->k * sizeof *x);
}

static encoder encoder_of(const problem *p, const char *name, const char *how) {
    encoder en;
    format f;
    cr_assert_eq(format_parse(&f, name, NULL), OK);
    cr_assert(encoder_make(&en, &f, method_find(how), p->rows, p->k, NULL));
    return en;
}

/* The weights as they are stored: out [rows][k]. */
static void stored(const problem *p, const encoder *en, float *out) {
    const row_source from = {fill, NULL, p->w};
    group g;
    cr_assert_eq(group_open(&g, en, NULL), OK);
    uint8_t *codes = malloc(en->layout.tiles * en->layout.tile_codes), *side = malloc(en->layout.group_side);
    for (size_t i = 0; i < en->layout.groups; i++) {
        group_read(&g, en, &from, i);
        group_encode(&g, en, (group_parts){NULL, codes, side});
        const size_t padded = en->layout.tiles * TILE_K, span = padded / en->layout.blocks;
        for (size_t r = 0; r < g.rows; r++) {
            for (size_t j = 0; j < p->k; j++) {
                const grid at = g.grids[r * en->layout.blocks + j / span];
                out[(i * TILE_ROWS + r) * p->k + j] = at.scale * (float)format_level(&en->format, NULL, g.codes[r * padded + j]) + at.min;
            }
        }
    }
    free(codes);
    free(side);
    group_close(&g);
}

/* tr (W - Q) H (W - Q)^T: the squared error of the products with the inputs. */
static double output_error(const problem *p, const float *q) {
    double total = 0, *miss = malloc(p->k * sizeof *miss);
    for (size_t r = 0; r < p->rows; r++) {
        for (size_t j = 0; j < p->k; j++) miss[j] = (double)p->w[r * p->k + j] - (double)q[r * p->k + j];
        for (size_t i = 0; i < p->k; i++) {
            for (size_t j = 0; j < p->k; j++) total += miss[i] * miss[j] * (double)p->h[i * p->k + j];
        }
    }
    free(miss);
    return total;
}

static double error_of(const problem *p, const char *name, const char *how) {
    encoder en = encoder_of(p, name, how);
    en.factor = p->u;
    en.products = p->h;
    float *q = malloc(p->rows * p->k * sizeof *q);
    stored(p, &en, q);
    const double missed = output_error(p, q);
    free(q);
    return missed;
}

/* Is the output error of each format by one method less than `share` of that by another? */
static void compare(const char *const *names, size_t n, const char *better, const char *worse, double share, unsigned seed) {
    problem p = problem_of(35, 200, seed);
    cr_assert_eq(factorize(&p, p.u, 0.01, 2, NULL), OK);
    for (size_t i = 0; i < n; i++) {
        const double a = error_of(&p, names[i], better), b = error_of(&p, names[i], worse);
        cr_expect_lt(a, share * b, "%s: %g by %s, %g by %s", names[i], a, better, b, worse);
    }
    problem_free(&p);
}

/* Inputs that depend on each other are what compensation lives on: at each width it must win by far. */
Test(gptq, output_error_is_much_smaller_than_without) {
    static const char *const names[] = {"q8", "q4", "q4-b32", "q4a", "q3", "q2a", "q4-row", "ternary"};
    compare(names, sizeof names / sizeof *names, "gptq", "fit", 0.6, 7);
}

/* Each step of the descent takes the best value of one number, so it cannot lose; rounding of scales to 16 bits aside it wins. */
Test(gptq, polishing_lowers_the_output_error) {
    static const char *const names[] = {"q4", "q4a-b32", "q3", "q2a", "q2", "q3-row", "ternary", "binary", "q5-b128"};
    compare(names, sizeof names / sizeof *names, "polish", "gptq", 0.97, 11);
}

/* Independent inputs leave nothing to compensate: then it is the plain method. */
Test(gptq, independent_inputs_change_nothing) {
    problem p = problem_of(16, 128, 8);
    for (size_t i = 0; i < p.k * p.k; i++) p.h[i] = i % (p.k + 1) ? 0 : 2;
    cr_assert_eq(factorize(&p, p.u, 0, 1, NULL), OK);
    cr_expect_eq(error_of(&p, "q4", "gptq"), error_of(&p, "q4", "fit"));
    problem_free(&p);
}

/* Algorithm 1 of the paper in double, with the scales that the encoder chose: every column at once into all later ones. */
static size_t different_codes(const problem *p, const float *q, size_t span) {
    size_t different = 0;
    double *x = malloc(p->k * sizeof *x);
    for (size_t r = 0; r < p->rows; r++) {
        for (size_t j = 0; j < p->k; j++) x[j] = (double)p->w[r * p->k + j];
        for (size_t i = 0; i < p->k; i++) {
            const size_t begin = i / span * span, end = begin + span < p->k ? begin + span : p->k;
            double step = INFINITY; /* of the block: the least distance of two different values */
            for (size_t a = begin; a < end; a++) {
                for (size_t b = begin; b < a; b++) {
                    const double apart = fabs((double)q[r * p->k + a] - (double)q[r * p->k + b]);
                    if (apart > 1e-6) step = fmin(step, apart);
                }
            }
            const double kept = (double)q[r * p->k + i], miss = (x[i] - kept) / (double)p->u[i * p->k + i];
            const double nearest = rint(x[i] / step) * step, limit = 8 * step;
            different += fabs(x[i]) < limit - step && fabs(nearest - kept) > 0.01 * step && fabs(fabs(x[i] - kept) - 0.5 * step) > 1e-3 * step;
            for (size_t j = i + 1; j < p->k; j++) x[j] -= miss * (double)p->u[i * p->k + j];
        }
    }
    free(x);
    return different;
}

Test(gptq, codes_are_those_of_the_dense_algorithm) {
    problem p = problem_of(32, 320, 9);
    cr_assert_eq(factorize(&p, p.u, 0.01, 2, NULL), OK);
    encoder en = encoder_of(&p, "q4", "gptq");
    en.factor = p.u;
    float *q = malloc(p.rows * p.k * sizeof *q);
    stored(&p, &en, q);
    cr_expect_eq(different_codes(&p, q, 64), 0);
    free(q);
    problem_free(&p);
}

/* ---- sums of products ---- */

static void sum_products(products **out, const spec *s, const float *x, size_t tokens, size_t step, int threads) {
    cr_assert_eq(products_open(out, s, 100, threads, NULL), OK);
    for (size_t from = 0; from < tokens; from += 100) { /* windows; each in calls of `step` tokens and in two parts of the channels */
        const size_t n = tokens - from < 100 ? tokens - from : 100;
        for (size_t input = 0; input < input_count(s); input++) {
            const size_t k = input_width(s, input);
            for (size_t t = 0; t < n; t += step) {
                const size_t m = n - t < step ? n - t : step;
                products_take(*out, &(glimpse){input, t, m, 0, k / 2, x + (from + t) * k, k});
                products_take(*out, &(glimpse){input, t, m, k / 2, k - k / 2, x + (from + t) * k + k / 2, k});
            }
        }
        cr_assert_eq(products_end_window(*out, n, NULL), OK);
    }
}

/* Of a token in the sums: the first of a window of 100 counts for 25 where attention reads it. */
static double token_weight(const spec *s, size_t input, size_t t) {
    return t % 100 == 0 && input_is(s, input, INPUT_ATTN) ? 25 : 1;
}

Test(gptq, products_are_those_of_the_inputs) {
    spec s = {.layers = 1, .hidden = 37, .intermediate = 83, .heads = 3, .kv_heads = 1, .head_dim = 9};
    enum { TOKENS = 230, WIDEST = 83 };
    uint64_t seed = 3;
    float *x = malloc(TOKENS * WIDEST * sizeof *x);
    for (size_t i = 0; i < TOKENS * WIDEST; i++) x[i] = random_normal(&seed);
    products *p, *other;
    sum_products(&p, &s, x, TOKENS, 100, 1);
    sum_products(&other, &s, x, TOKENS, 7, 3);
    for (size_t input = 0; input < input_count(&s); input++) {
        const size_t k = input_width(&s, input);
        const float *h = products_of(p, input);
        cr_assert_arr_eq(h, products_of(other, input), triangle_size(k) * sizeof *h);
        for (size_t i = 0; i < k; i++) {
            for (size_t j = i; j < k; j++) {
                double sum = 0;
                for (size_t t = 0; t < TOKENS; t++) sum += token_weight(&s, input, t) * (double)x[t * k + i] * (double)x[t * k + j];
                cr_assert_float_eq(h[triangle_at(k, i) + j], sum, 1e-4, "input %zu: %zu, %zu", input, i, j);
            }
        }
    }
    products_close(&p);
    products_close(&other);
    free(x);
}

/* A file whose products were never summed, or were lost, is no run's fault. */
Test(gptq, products_that_are_zero_where_inputs_are_not_are_refused, .init = folder_open, .fini = folder_close) {
    spec s = tiny_spec();
    products *p;
    statistics *st;
    calibration c;
    error e = {0};
    float x[256];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) x[i] = 1;
    cr_assert_eq(products_open(&p, &s, 1, 1, NULL), OK);
    cr_assert_eq(statistics_open(&st, &s, 1, 1, NULL), OK);
    statistics_keep_products(st, p);
    for (size_t in = 0; in < input_count(&s); in++) statistics_take(st, 0, &(sighting){in, 1, 0, input_width(&s, in), x, 256});
    cr_assert_eq(statistics_end_window(st, 1, NULL), OK);
    cr_assert_eq(statistics_write(st, folder_path("zero.cal"), NULL), OK);
    cr_assert_eq(calibration_open(&c, folder_path("zero.cal"), &e), E_FILE);
    cr_assert(strstr(e.text, "layers.0.attn.products: are all zero"), "%s", e.text);
    statistics_close(&st);
    products_close(&p);
    spec_free(&s);
}
