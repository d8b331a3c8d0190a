/* Scores against softmax written out in long double, statistics and windows against values worked out by hand. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "evaluate/front.h"
#include "evaluate/score.h"
#include "evaluate/stats.h"
#include "evaluate/windows.h"

/* ---- scores ---- */

static void fill(float *x, size_t n, double width, uint64_t seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(width * ((double)(seed >> 40) * 0x1p-23 - 1));
    }
}

static float *row(size_t n) {
    return aligned_alloc(64, (n * sizeof(float) + 127) / 64 * 64);
}

/* log p of every entry. */
static long double *log_softmax(const float *x, size_t n) {
    long double *out = malloc(n * sizeof *out), max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) max = fmaxl(max, (long double)x[i]);
    for (size_t i = 0; i < n; i++) sum += expl((long double)x[i] - max);
    for (size_t i = 0; i < n; i++) out[i] = (long double)x[i] - max - logl(sum);
    return out;
}

/* Rows of width `width` that differ by `apart`: surprise and divergence within `tolerance`, relative to the value. */
static void check_rows(const kernels *k, size_t n, double width, double apart) {
    float *p = row(n), *q = row(n);
    fill(p, n, width, 1);
    fill(q, n, apart, 2);
    for (size_t i = 0; i < n; i++) q[i] += p[i];
    long double *lp = log_softmax(p, n), *lq = log_softmax(q, n), kl = 0;
    const distribution dp = distribution_of(k, p, n), dq = distribution_of(k, q, n);
    for (size_t i = 0; i < n; i++) {
        cr_assert_float_eq(surprise(&dp, p, (int32_t)i), (double)-lp[i], 2e-7, "%s %zu", k->name, i);
        kl += expl(lp[i]) * (expl(lq[i] - lp[i]) - 1 + lp[i] - lq[i]);
    }
    const double got = divergence(k, &dp, p, &dq, q, n);
    cr_assert(fabs(got - (double)kl) <= 1e-5 * (double)kl + 1e-13, "%s: n %zu width %g apart %g: %.12g, not %.12Lg", k->name, n, width, apart, got,
              kl);
    cr_assert_eq(divergence(k, &dp, p, &dp, p, n), 0.0);
    free(p);
    free(q);
    free(lp);
    free(lq);
}

Test(evaluate, rows_agree_with_the_definition) {
    static const size_t sizes[] = {1, 2, 15, 16, 17, 255, 256, 257, 4099, 49152};
    static const double widths[] = {0, 0.1, 4, 30, 200}, aparts[] = {1e-4, 0.01, 0.2, 0.3, 5, 100};
    const kernels *k;
    error e;
    cr_assert_eq(kernels_choose(&k, NULL, &e), OK, "%s", e.text);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            for (size_t a = 0; a < sizeof aparts / sizeof *aparts; a++) check_rows(k, sizes[s], widths[w], aparts[a]);
        }
    }
}

Test(evaluate, best_is_the_lowest_of_equals) {
    const kernels *k;
    cr_assert_eq(kernels_choose(&k, NULL, NULL), OK);
    float *x = row(1000);
    fill(x, 1000, 1, 3);
    x[700] = x[901] = 2;
    cr_assert_eq(distribution_of(k, x, 1000).best, 700);
    free(x);
}

Test(evaluate, impossible_tokens) {
    const kernels *k;
    cr_assert_eq(kernels_choose(&k, NULL, NULL), OK);
    float *p = row(16), *q = row(16);
    for (size_t i = 0; i < 16; i++) p[i] = q[i] = 0;
    p[3] = -INFINITY; /* p(3) = 0, q(3) = 1/16: KL = log(16/15) */
    const distribution dp = distribution_of(k, p, 16), dq = distribution_of(k, q, 16);
    cr_assert_float_eq(divergence(k, &dp, p, &dq, q, 16), log(16.0 / 15), 1e-6);
    cr_assert(isinf(divergence(k, &dq, q, &dp, p, 16)));
    cr_assert(isinf(surprise(&dp, p, 3)));
    free(p);
    free(q);
}

/* ---- statistics ---- */

Test(evaluate, estimate) {
    const double x[] = {2, 4, 4, 4, 5, 5, 7, 9}; /* squares of deviations sum to 32 */
    const estimate e = estimate_of(x, 8);
    cr_assert_float_eq(e.mean, 5, 1e-15);
    cr_assert_float_eq(e.deviation, sqrt(32.0 / 7), 1e-15);
    cr_assert_float_eq(e.error, sqrt(32.0 / 7 / 8), 1e-15);
    cr_assert_eq(estimate_of(x, 1).error, 0);
}

Test(evaluate, quantile) {
    double x[101], q;
    for (int i = 0; i <= 100; i++) x[i] = (i * 37) % 101; /* 0 .. 100 shuffled */
    cr_assert_eq(quantile_of(&q, x, 101, 0.99, NULL), OK);
    cr_assert_eq(q, 99);
    cr_assert_eq(quantile_of(&q, x, 101, 0, NULL), OK);
    cr_assert_eq(q, 0);
    cr_assert_eq(quantile_of(&q, x, 101, 1, NULL), OK);
    cr_assert_eq(q, 100);
    const double y[] = {10, 0, 2}; /* half way between 2 and 10 at 0.75 */
    cr_assert_eq(quantile_of(&q, y, 3, 0.75, NULL), OK);
    cr_assert_eq(q, 6);
    cr_assert_eq(quantile_of(&q, y, 1, 0.99, NULL), OK);
    cr_assert_eq(q, 10);
}

/* ---- windows ---- */

static const convention *convention_named(const char *name) {
    const convention *c = conventions;
    while (c->name && strcmp(c->name, name) != 0) c++;
    cr_assert_not_null(c->name, "no convention %s", name);
    return c;
}

Test(evaluate, half_scores_255_of_512_after_bos) {
    int32_t ids[2000], window[512];
    for (int i = 0; i < 2000; i++) ids[i] = i;
    windows w;
    cr_assert_eq(windows_plan(&w, convention_named("half"), ids, 2000, 512, 0, 7, NULL), OK);
    cr_assert_eq(w.count, 3);
    cr_assert_eq(w.first, 256);
    cr_assert_eq(windows_scored(&w), 255);
    windows_copy(&w, 1, window);
    cr_assert_eq(window[0], 7);
    cr_assert_eq(window[1], 513);
    cr_assert_eq(window[511], 1023);
    cr_assert_eq(windows_plan(&w, convention_named("half"), ids, 2000, 512, 2, -1, NULL), OK);
    cr_assert_eq(w.count, 2);
    windows_copy(&w, 1, window);
    cr_assert_eq(window[0], 512);
}

Test(evaluate, all_scores_511_and_replaces_nothing) {
    int32_t ids[1024], window[512];
    for (int i = 0; i < 1024; i++) ids[i] = i;
    windows w;
    cr_assert_eq(windows_plan(&w, convention_named("all"), ids, 1024, 512, 9, 7, NULL), OK);
    cr_assert_eq(w.count, 2);
    cr_assert_eq(windows_scored(&w), 511);
    windows_copy(&w, 0, window);
    cr_assert_eq(window[0], 0);
}

Test(evaluate, texts_too_short_are_refused_with_numbers) {
    int32_t ids[1023] = {0};
    windows w;
    error e;
    cr_assert_eq(windows_plan(&w, convention_named("all"), ids, 1023, 512, 1, -1, &e), E_RUN);
    cr_assert_str_eq(e.text, "the text has 1023 tokens; two windows of 512 need 1024");
    cr_assert_eq(windows_plan(&w, convention_named("half"), ids, 1023, 2, 1, -1, &e), E_USAGE);
    cr_assert_eq(windows_plan(&w, convention_named("half"), ids, 0, 512, 1, -1, &e), E_RUN);
}

/* ---- the front ---- */

Test(evaluate, front_is_what_nothing_beats) {
    const choice c[] = {{16, 0}, {8, 0.1}, {8, 0.1}, {8, 0.2}, {7, 0.1}, {9, 0.05}, {4, NAN}, {1, 9}, {20, 0}, {1, 8}};
    static const bool wanted[] = {true, false, false, false, true, true, false, false, false, true};
    bool on[10];
    front_mark(c, 10, on);
    for (size_t i = 0; i < 10; i++) cr_expect_eq(on[i], wanted[i], "choice %zu", i);
    const choice equal[] = {{2, 1}, {2, 1}, {2, NAN}};
    front_mark(equal, 3, on);
    cr_assert(on[0] && on[1] && !on[2], "equals are on it together");
    front_mark(NULL, 0, on);
}
