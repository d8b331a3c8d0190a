/* The quantizer: fits against plain rounding and brute force, learned levels, and the pipeline over real and made-up checkpoints. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "file/safetensors.h"
#include "quantize/learn.h"

static const char *const coded[] = {"q8", "q8-b32", "q4", "q4-b32", "q4a", "q4a-b32", "km4", "km4-b32"};
enum { CODED = sizeof coded / sizeof *coded };

static format parsed(const char *name) {
    format f;
    error e = {0};
    cr_assert_eq(format_parse(&f, name, &e), OK, "%s", e.text);
    return f;
}

/* ---- fits of one block ---- */

static codebook normal_levels(void) {
    const float levels[16] = {-107, -82, -63, -48, -35, -24, -13, -2, 8, 19, 31, 44, 58, 75, 96, 127};
    codebook book;
    codebook_prepare(&book, levels, 16);
    return book;
}

/* Weighted squared error of a block on a grid, from the levels themselves. */
static double block_cost(const format *f, const codebook *book, grid g, const fit_block *b) {
    uint8_t codes[128];
    double cost = 0;
    f->family->assign(f, book, g, b->x, b->n, codes);
    for (size_t i = 0; i < b->n; i++) {
        const double miss = (double)b->x[i] - ((double)g.scale * format_level(f, book->stored, codes[i]) + (double)g.min);
        cost += (double)b->w[i] * miss * miss;
    }
    return cost;
}

/* Codes are the nearest levels, whatever the grid. */
Test(quantize, assigned_codes_are_the_nearest) {
    const codebook book = normal_levels();
    uint64_t seed = 1;
    for (size_t i = 0; i < CODED; i++) {
        const format f = parsed(coded[i]);
        const int lowest = f.family == parsed("q8").family && f.bits == 8 ? 1 : 0; /* -128 is never used */
        for (int trial = 0; trial < 200; trial++) {
            const grid g = {0.01f * random_uniform(&seed), f.has_min ? random_uniform(&seed) : 0};
            float x[16];
            uint8_t codes[16];
            for (size_t j = 0; j < 16; j++) x[j] = 2 * random_uniform(&seed) * (j % 3 ? 1 : 0.1f);
            f.family->assign(&f, &book, g, x, 16, codes);
            for (size_t j = 0; j < 16; j++) {
                double least = INFINITY;
                for (int code = lowest; code < 1 << f.bits; code++) {
                    const double level = format_level(&f, book.stored, (unsigned)code);
                    least = fmin(least, fabs((double)x[j] - ((double)g.scale * level + (double)g.min)));
                }
                const double level = format_level(&f, book.stored, codes[j]);
                const double miss = fabs((double)x[j] - ((double)g.scale * level + (double)g.min));
                cr_expect_leq(miss, least + 1e-6, "%s: %g misses by %g, not %g", coded[i], (double)x[j], miss, least);
            }
        }
    }
}

/* The search starts from plain rounding and weighs errors as it is told, so it is never worse by that measure. */
Test(quantize, no_block_is_fitted_worse_than_by_rounding) {
    const codebook book = normal_levels();
    uint64_t seed = 2;
    for (size_t i = 0; i < CODED; i++) {
        const format f = parsed(coded[i]);
        double rtn = 0, fit = 0;
        for (int trial = 0; trial < 300; trial++) {
            float x[64], w[64];
            for (size_t j = 0; j < f.block; j++) {
                x[j] = random_normal(&seed) * (j == 7 && trial % 3 == 0 ? 6 : 1);
                w[j] = trial % 2 ? 1 : 1e-3f + fabsf(random_normal(&seed)) * (j % 5 ? 1 : 30);
            }
            const fit_block b = {x, w, f.block};
            const double before = block_cost(&f, &book, f.family->fit(&f, FIT_RTN, &book, &b), &b);
            const double after = block_cost(&f, &book, f.family->fit(&f, FIT_SEARCH, &book, &b), &b);
            cr_expect_leq(after, before * (1 + 1e-5), "%s: %g is worse than %g", coded[i], after, before);
            rtn += before;
            fit += after;
        }
        cr_expect_lt(fit, 0.95 * rtn, "%s: %g hardly better than %g", coded[i], fit, rtn);
    }
}

/* The best scale and minimum there are, by trying very many: the search comes close. */
Test(quantize, the_search_is_close_to_the_optimum) {
    uint64_t seed = 3;
    const codebook book = normal_levels();
    const char *const symmetric[] = {"q4", "q4-b32", "km4", "km4-b32"};
    for (size_t i = 0; i < sizeof symmetric / sizeof *symmetric; i++) {
        const format f = parsed(symmetric[i]);
        double found = 0, best = 0;
        for (int trial = 0; trial < 40; trial++) {
            float x[64], w[64];
            float extreme = 0;
            for (size_t j = 0; j < f.block; j++) {
                x[j] = random_normal(&seed);
                w[j] = 1;
                extreme = fabsf(x[j]) > fabsf(extreme) ? x[j] : extreme;
            }
            const fit_block b = {x, w, f.block};
            const grid range = f.family->fit(&f, FIT_RTN, &book, &b);
            found += block_cost(&f, &book, f.family->fit(&f, FIT_SEARCH, &book, &b), &b);
            double least = INFINITY;
            for (int step = 0; step < 4000; step++) {
                const float by = (step % 2 ? -1.0f : 1.0f) * (0.5f + 0.0004f * (float)step);
                least = fmin(least, block_cost(&f, &book, (grid){.scale = range.scale * by}, &b));
            }
            best += least;
        }
        cr_expect_lt(found, 1.02 * best, "%s: %g is not %g", symmetric[i], found, best);
    }
}

Test(quantize, a_weight_of_zero_is_not_looked_at) {
    const codebook book = normal_levels();
    uint64_t seed = 4;
    for (size_t i = 0; i < CODED; i++) {
        const format f = parsed(coded[i]);
        float x[64], w[64];
        for (size_t j = 0; j < f.block; j++) {
            x[j] = 0.1f * random_normal(&seed);
            w[j] = 1;
        }
        x[5] = 0.5f;
        w[5] = 0;
        const fit_block b = {x, w, f.block};
        const grid ignoring = f.family->fit(&f, FIT_SEARCH, &book, &b);
        const double without = block_cost(&f, &book, ignoring, &b);
        w[5] = 1;
        const grid minding = f.family->fit(&f, FIT_SEARCH, &book, &b);
        w[5] = 0;
        cr_expect_lt(without, block_cost(&f, &book, minding, &b), "%s", coded[i]);
    }
}

/* ---- learned levels ---- */

/* Sums over half steps [0, i). */
typedef struct running {
    double w[HALF_STEPS + 1], wu[HALF_STEPS + 1], wuu[HALF_STEPS + 1];
} running;

static void run_sums(running *r, const book_sums *s) {
    *r = (running){0};
    for (size_t i = 0; i < HALF_STEPS; i++) {
        r->w[i + 1] = r->w[i] + s->w[i];
        r->wu[i + 1] = r->wu[i] + s->wu[i];
        r->wuu[i + 1] = r->wuu[i] + s->wuu[i];
    }
}

/* Squared error of four ascending levels. */
static double four_cost(const running *r, const int levels[4]) {
    double cost = 0;
    for (int c = 0, from = 0; c < 4; c++) {
        const int to = c < 3 ? levels[c] + levels[c + 1] + HALF_STEPS / 2 : HALF_STEPS;
        const double l = levels[c];
        cost += r->wuu[to] - r->wuu[from] - 2 * l * (r->wu[to] - r->wu[from]) + l * l * (r->w[to] - r->w[from]);
        from = to;
    }
    return cost;
}

/* All choices of four levels with one at an end, and with a zero if asked. */
static double brute_force(const running *r, bool keep_zero) {
    double least = INFINITY;
    for (int a = -127; a < 127; a++) {
        for (int b = a + 1; b < 127; b++) {
            for (int c = b + 1; c < 127; c++) {
                const int with_last[4] = {a, b, c, 127}, with_first[4] = {-127, a, b, c};
                if (keep_zero && a && b && c) continue;
                least = fmin(least, four_cost(r, with_last));
                if (a > -127) least = fmin(least, four_cost(r, with_first));
            }
        }
    }
    return least;
}

Test(quantize, learned_levels_are_the_optimum) {
    format f = parsed("km4");
    f.bits = 2;
    uint64_t seed = 6;
    for (int trial = 0; trial < 4; trial++) {
        const bool pruned = trial % 2;
        book_sums sums = {0};
        for (int block = 0; block < 20; block++) {
            float x[64], w[64];
            for (size_t j = 0; j < 64; j++) {
                x[j] = pruned && j % 4 == 0 ? 0 : random_normal(&seed) + (trial == 2 ? 1.0f : 0.0f);
                w[j] = trial ? fabsf(random_normal(&seed)) : 1;
            }
            const fit_block b = {x, w, 64};
            f.family->learn->gather(&b, f.family->learn->range(&f, &b), &sums);
        }
        float levels[4];
        f.family->learn->solve(&f, &sums, levels);
        running r;
        run_sums(&r, &sums);
        const int whole[4] = {(int)levels[0], (int)levels[1], (int)levels[2], (int)levels[3]};
        const double found = four_cost(&r, whole), least = brute_force(&r, pruned);
        cr_expect_float_eq(found, least, 1e-9 * least, "trial %d: %g is not %g", trial, found, least);
        cr_expect(whole[0] == -127 || whole[3] == 127);
        if (pruned) cr_expect(!whole[0] || !whole[1] || !whole[2] || !whole[3]);
    }
}

static void fill(const row_source *from, const encoder *en, group *g) {
    const float *x = from->context;
    for (size_t r = 0; r < g->rows; r++) memcpy(group_row(g, en, r), x + (g->index * TILE_ROWS + r) * en->k, en->k * sizeof *x);
}

/* ---- rows ---- */

Test(quantize, bad_values_are_found_and_have_a_defined_result) {
    float x[20 * 70];
    uint64_t seed = 9;
    for (size_t i = 0; i < 20 * 70; i++) x[i] = random_normal(&seed);
    x[17 * 70 + 3] = -INFINITY;
    x[17 * 70 + 69] = NAN;
    x[18 * 70] = 1e6f; /* too large for f16 alone */
    format f;
    for (size_t n = 0; format_nth(n, &f); n++) {
        char name[FORMAT_NAME];
        format_name(&f, name);
        const row_source from = {fill, NULL, x};
        encoder en;
        group g;
        cr_assert(encoder_make(&en, &f, method_find("fit"), 20, 70, NULL));
        cr_assert_eq(group_open(&g, &en, NULL), OK);
        group_read(&g, &en, &from, 0);
        cr_expect_eq(g.first_bad, UINT64_MAX);
        group_read(&g, &en, &from, 1);
        cr_expect_eq(g.first_bad, 17 * 70 + 3);
        const float *row = group_row(&g, &en, 1);
        if (f.family->plain) {
            cr_expect(isinf(row[3]) && isnan(row[69]), "%s", name);
        } else {
            float largest = 0;
            for (size_t i = 0; i < 69; i++) largest = i != 3 && fabsf(row[i]) > largest ? fabsf(row[i]) : largest;
            cr_expect_eq(row[3], -largest);
            cr_expect_eq(row[69], 0);
        }
        x[17 * 70 + 3] = x[17 * 70 + 69] = 1;
        group_read(&g, &en, &from, 1);
        cr_expect_eq(g.first_bad, strcmp(name, "f16") ? UINT64_MAX : 18 * 70, "%s", name);
        x[17 * 70 + 3] = -INFINITY;
        x[17 * 70 + 69] = NAN;
        group_close(&g);
    }
}

/* ---- real weights ---- */

static void fill_source(const row_source *from, const encoder *en, group *g) {
    const source *s = from->context;
    for (size_t r = 0; r < g->rows; r++) {
        s->type->widen(group_row(g, en, r), s->data + (g->index * TILE_ROWS + r) * en->k * s->type->bytes, en->k);
    }
}

static double relative_error(const source *s, const char *name, const char *how) {
    const format f = parsed(name);
    const row_source from = {fill_source, NULL, s};
    encoder en;
    shared common;
    group g;
    cr_assert(encoder_make(&en, &f, method_find(how), s->shape[0], s->shape[1], NULL));
    if (learn_wanted(&f)) {
        cr_assert_eq(learn_tensor(&en, &from, &common, NULL), OK);
        en.shared = &common;
    }
    cr_assert_eq(group_open(&g, &en, NULL), OK);
    uint8_t *codes = malloc(en.layout.tiles * en.layout.tile_codes), *side = malloc(en.layout.group_side);
    double missed = 0, power = 0;
    for (size_t i = 0; i < en.layout.groups; i++) {
        group_read(&g, &en, &from, i);
        group_encode(&g, &en, (group_parts){NULL, codes, side});
        missed += g.lost.error;
        power += g.lost.power;
    }
    free(codes);
    free(side);
    group_close(&g);
    return missed / power;
}

/* At equal bits, on every matrix of two layers of the demo model: learned levels beat searched scales beat plain rounding. */
Test(quantize, errors_on_real_weights_are_in_order) {
    checkpoint c;
    error e = {0};
    cr_assert_eq(checkpoint_open(&c, "models/demo", &e), OK, "%s", e.text);
    const char *const blocks[][2] = {{"km4", "q4"}, {"km4-b32", "q4-b32"}};
    size_t matrices = 0;
    for (size_t i = 0; i < c.n_tensors; i++) {
        const source *s = &c.tensors[i];
        const bool chosen_layer = strstr(s->name, ".layers.1.") || strstr(s->name, ".layers.5.");
        if (s->ndim != 2 || !chosen_layer) continue;
        matrices++;
        for (size_t b = 0; b < 2; b++) {
            const double learned = relative_error(s, blocks[b][0], "fit"), searched = relative_error(s, blocks[b][1], "fit");
            const double rounded = relative_error(s, blocks[b][1], "rtn");
            cr_expect_lt(learned, 0.95 * searched, "%s: %s %g, %s %g", s->name, blocks[b][0], learned, blocks[b][1], searched);
            cr_expect_lt(searched, 0.95 * rounded, "%s: %s %g, rounded %g", s->name, blocks[b][1], searched, rounded);
        }
    }
    cr_expect_eq(matrices, 14);
    checkpoint_close(&c);
}
