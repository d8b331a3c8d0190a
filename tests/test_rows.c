/* Kernels over rows of numbers: each against doubles in the scalar table, and every table against the scalar one, bit for bit. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "encode.h"
#include "kernel_data.h"

enum { LONG = 100 };

/* ---- the kernels as rows of data: y[n] of a and b ---- */

typedef struct rows {
    float y[2 * LONG], a[2 * LONG], b[2 * LONG], c[2 * LONG];
    size_t n;
} rows;

static void run_rmsnorm(const kernels *t, rows *r) {
    t->rmsnorm(r->y, r->a, r->b, r->n, 1e-5f);
}
static void run_rmsnorm_in_place(const kernels *t, rows *r) {
    memcpy(r->y, r->a, r->n * sizeof(float));
    t->rmsnorm(r->y, r->y, r->b, r->n, 1e-5f);
}
static void run_layernorm(const kernels *t, rows *r) {
    t->layernorm(r->y, r->a, r->b, r->c, r->n, 1e-5f);
}
static void run_layernorm_no_bias(const kernels *t, rows *r) {
    t->layernorm(r->y, r->a, r->b, NULL, r->n, 1e-5f);
}
static void run_rope_half(const kernels *t, rows *r) {
    memcpy(r->y, r->a, r->n / 2 * 2 * sizeof(float));
    t->rope_half(r->y, r->b, r->n / 2 * 2);
}
static void run_rope_interleaved(const kernels *t, rows *r) {
    memcpy(r->y, r->a, r->n / 2 * 2 * sizeof(float));
    t->rope_interleaved(r->y, r->b, r->n / 2 * 2);
}
static void run_silu(const kernels *t, rows *r) {
    t->silu_mul(r->y, r->a, r->b, r->n);
}
static void run_gelu(const kernels *t, rows *r) {
    t->gelu_mul(r->y, r->a, r->b, r->n);
}
static void run_gelu_tanh(const kernels *t, rows *r) {
    t->gelu_tanh_mul(r->y, r->a, r->b, r->n);
}
static void run_plain_silu(const kernels *t, rows *r) {
    t->silu(r->y, r->a, r->n);
}
static void run_plain_gelu(const kernels *t, rows *r) {
    t->gelu(r->y, r->a, r->n);
}
static void run_plain_gelu_tanh(const kernels *t, rows *r) {
    t->gelu_tanh(r->y, r->a, r->n);
}
static void run_shifted(const kernels *t, rows *r) {
    t->swiglu_shifted_mul(r->y, r->a, r->b, r->n);
}
static void run_softcap(const kernels *t, rows *r) {
    memcpy(r->y, r->a, r->n * sizeof(float));
    t->softcap(r->y, 1.5f, r->n);
}
static void run_clamp(const kernels *t, rows *r) {
    memcpy(r->y, r->a, r->n * sizeof(float));
    t->clamp(r->y, -0.25f, 0.5f, r->n);
}
static void run_add(const kernels *t, rows *r) {
    memcpy(r->y, r->a, r->n * sizeof(float));
    t->add(r->y, r->b, r->n);
}
static void run_scale(const kernels *t, rows *r) {
    memcpy(r->y, r->a, r->n * sizeof(float));
    t->scale(r->y, r->b[0], r->n);
}
static void run_exp(const kernels *t, rows *r) {
    t->exp(r->y, r->a, r->n);
}
static void run_max(const kernels *t, rows *r) {
    r->y[0] = t->max(r->a, r->n);
}
static void run_sum_exp(const kernels *t, rows *r) {
    const double sum = t->sum_exp(r->a, r->n, t->max(r->a, r->n));
    r->y[0] = (float)sum;
    r->y[1] = (float)(sum - (double)r->y[0]);
}

static double mean_square(const rows *r, double mean) {
    double sum = 0;
    for (size_t i = 0; i < r->n; i++) sum += ((double)r->a[i] - mean) * ((double)r->a[i] - mean);
    return sum / (double)r->n;
}
static double mean_of(const rows *r) {
    double sum = 0;
    for (size_t i = 0; i < r->n; i++) sum += (double)r->a[i];
    return sum / (double)r->n;
}
static double want_rmsnorm(const rows *r, size_t i) {
    return (double)r->a[i] / sqrt(mean_square(r, 0) + (double)1e-5f) * (double)r->b[i];
}
static double want_layernorm_no_bias(const rows *r, size_t i) {
    const double mean = mean_of(r);
    return ((double)r->a[i] - mean) / sqrt(mean_square(r, mean) + (double)1e-5f) * (double)r->b[i];
}
static double want_layernorm(const rows *r, size_t i) {
    return want_layernorm_no_bias(r, i) + (double)r->c[i];
}
static double want_rope(const rows *r, size_t i, size_t pair, size_t other, bool first) {
    const double x = (double)r->a[i] * (double)r->b[pair], cross = (double)r->a[other] * (double)r->b[r->n / 2 + pair];
    return first ? x - cross : x + cross;
}
static double want_rope_half(const rows *r, size_t i) {
    const size_t half = r->n / 2;
    return i >= 2 * half ? (double)untouched : want_rope(r, i, i % half, i < half ? i + half : i - half, i < half);
}
static double want_rope_interleaved(const rows *r, size_t i) {
    return i >= r->n / 2 * 2 ? (double)untouched : want_rope(r, i, i / 2, i ^ 1, i % 2 == 0);
}
static double want_plain_silu(const rows *r, size_t i) {
    return (double)r->a[i] / (1 + exp(-(double)r->a[i]));
}
static double want_plain_gelu(const rows *r, size_t i) {
    return 0.5 * (double)r->a[i] * erfc(-(double)r->a[i] * M_SQRT1_2);
}
static double want_plain_gelu_tanh(const rows *r, size_t i) {
    const double x = (double)r->a[i], u = M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x);
    return x / (1 + exp(-2 * u));
}
static double want_silu(const rows *r, size_t i) {
    return want_plain_silu(r, i) * (double)r->b[i];
}
static double want_gelu(const rows *r, size_t i) {
    return want_plain_gelu(r, i) * (double)r->b[i];
}
static double want_gelu_tanh(const rows *r, size_t i) {
    return want_plain_gelu_tanh(r, i) * (double)r->b[i];
}
static double want_shifted(const rows *r, size_t i) {
    return (double)r->a[i] / (1 + exp(-(double)1.702f * (double)r->a[i])) * ((double)r->b[i] + 1);
}
static double want_softcap(const rows *r, size_t i) {
    return 1.5 * tanh((double)r->a[i] / 1.5);
}
static double want_clamp(const rows *r, size_t i) {
    return fmin(0.5, fmax(-0.25, (double)r->a[i]));
}
static double want_add(const rows *r, size_t i) {
    return (double)r->a[i] + (double)r->b[i];
}
static double want_scale(const rows *r, size_t i) {
    return (double)r->a[i] * (double)r->b[0];
}
static double want_exp(const rows *r, size_t i) {
    return exp((double)r->a[i]);
}
static double want_max(const rows *r, size_t i) {
    double top = -INFINITY;
    for (size_t j = 0; j < r->n; j++) top = fmax(top, (double)r->a[j]);
    return i == 0 ? top : (double)untouched;
}
static double want_sum_exp(const rows *r, size_t i) { /* the rest below f32 is in y[1]; the sum's own test looks at it */
    const double top = want_max(r, 0);
    double sum = 0;
    for (size_t j = 0; j < r->n; j++) sum += exp((double)r->a[j] - top);
    return i == 0 ? sum : i == 1 ? NAN : (double)untouched;
}

static const struct row_kernel {
    const char *name;
    void (*run)(const kernels *t, rows *r);
    double (*want)(const rows *r, size_t i);
    double tolerance; /* relative to the result and to 1: inputs are in -1 .. 1, or in -10 .. 10 for activations */
    float reach;
} row_kernels[] = {
    {"rmsnorm", run_rmsnorm, want_rmsnorm, 2e-6, 1},
    {"rmsnorm in place", run_rmsnorm_in_place, want_rmsnorm, 2e-6, 1},
    {"layernorm", run_layernorm, want_layernorm, 4e-6, 1},
    {"layernorm without bias", run_layernorm_no_bias, want_layernorm_no_bias, 4e-6, 1},
    {"rope_half", run_rope_half, want_rope_half, 2e-7, 1},
    {"rope_interleaved", run_rope_interleaved, want_rope_interleaved, 2e-7, 1},
    {"silu_mul", run_silu, want_silu, 3e-7, 10},
    {"gelu_mul", run_gelu, want_gelu, 3e-7, 10},
    {"gelu_tanh_mul", run_gelu_tanh, want_gelu_tanh, 6e-7, 10},
    {"silu", run_plain_silu, want_plain_silu, 2e-7, 10},
    {"gelu", run_plain_gelu, want_plain_gelu, 3e-7, 10},
    {"gelu_tanh", run_plain_gelu_tanh, want_plain_gelu_tanh, 6e-7, 10},
    {"swiglu_shifted_mul", run_shifted, want_shifted, 6e-7, 10},
    {"softcap", run_softcap, want_softcap, 3e-7, 10},
    {"clamp", run_clamp, want_clamp, 0, 1},
    {"add", run_add, want_add, 1e-7, 1},
    {"scale", run_scale, want_scale, 1e-7, 1},
    {"exp", run_exp, want_exp, 2e-7, 10},
    {"max", run_max, want_max, 0, 1},
    {"sum_exp", run_sum_exp, want_sum_exp, 2e-7, 10},
};
enum { ROW_KERNELS = sizeof row_kernels / sizeof *row_kernels };

static rows rows_of(size_t n, const content *what, float reach, uint64_t seed) {
    rows r = {.n = n};
    for (size_t i = 0; i < 2 * LONG; i++) {
        r.y[i] = untouched;
        r.a[i] = reach * what->value(&seed);
        r.b[i] = what->value(&seed);
        r.c[i] = what->value(&seed);
    }
    return r;
}

Test(rows, scalar_agrees_with_doubles) {
    for (const struct row_kernel *k = row_kernels; k < row_kernels + ROW_KERNELS; k++) {
        for (size_t n = 1; n <= LONG; n++) {
            rows r = rows_of(n, content_named("random"), k->reach, n);
            k->run(scalar_table, &r);
            for (size_t i = 0; i < n; i++) {
                const double want = k->want(&r, i), off = fabs((double)r.y[i] - want);
                cr_assert(isnan(want) || off <= k->tolerance * fmax(1, fabs(want)), "%s of %zu at %zu: %.9g instead of %.9g", k->name, n, i,
                          (double)r.y[i], want);
            }
        }
    }
}

Test(rows, tables_agree_and_write_nothing_outside) {
    for (const struct row_kernel *k = row_kernels; k < row_kernels + ROW_KERNELS; k++) {
        for (const content *what = contents; what->name; what++) {
            for (size_t n = 1; n <= LONG; n++) {
                const rows start = rows_of(n, what, k->reach, n);
                rows expected = start;
                k->run(scalar_table, &expected);
                for (size_t i = n + (k->want == want_sum_exp); i < 2 * LONG; i++)
                    cr_assert_eq(expected.y[i], untouched, "%s wrote past its end", k->name);
                EACH_TABLE(t) {
                    rows got = start;
                    k->run(t, &got);
                    const size_t at = first_difference(expected.y, got.y, 2 * LONG);
                    cr_assert_eq(at, 2 * LONG, "%s of %zu %s, %s: at %zu %a instead of %a", k->name, n, what->name, t->name, at, (double)got.y[at],
                                 (double)expected.y[at]);
                }
            }
        }
    }
}

/* ---- accuracy over the whole range ---- */

/* Every STEP-th float of both signs, sixteen at a time. */
enum { STEP = 1009 };
static void each_float(void (*look)(const kernels *t, const float *x)) {
    for (uint32_t bits = 0; bits < 0x7f800000u; bits += 8 * STEP) {
        float x[16];
        for (uint32_t i = 0; i < 8; i++) {
            x[i] = float_of_bits(bits + i * STEP < 0x7f7fffffu ? bits + i * STEP : 0x7f7fffffu);
            x[i + 8] = -x[i];
        }
        look(scalar_table, x);
    }
}

static double ulps(float got, double want) {
    const double near = fabs((double)(float)want), unit = (double)nextafterf((float)near, INFINITY) - near;
    return isinf(near) || (double)got == want ? 0 : fabs((double)got - want) / unit;
}

static void look_at_exp(const kernels *t, const float *x) {
    float y[16];
    t->exp(y, x, 16);
    for (int i = 0; i < 16; i++) {
        const double want = exp((double)x[i]);
        if ((float)want == INFINITY) cr_assert_eq(y[i], INFINITY, "exp(%a)", (double)x[i]);
        cr_assert_leq(ulps(y[i], want), 1.0, "exp(%a) = %a, not %a", (double)x[i], (double)y[i], want);
    }
}

Test(rows, exp_is_within_one_ulp_everywhere) {
    each_float(look_at_exp);
}

Test(rows, exp_of_the_ends) {
    EACH_TABLE(t) {
        float x[] = {-INFINITY, INFINITY, NAN, 0.0f, -0.0f, FLT_MAX, -FLT_MAX, 0x1p-149f}, y[8];
        t->exp(y, x, 8);
        const float want[] = {0, INFINITY, NAN, 1, 1, INFINITY, 0, 1};
        cr_expect_eq(first_difference(y, want, 8), 8u, "%s", t->name);
    }
}

static void look_at_tanh(const kernels *t, const float *x) {
    float y[16];
    memcpy(y, x, sizeof y);
    t->softcap(y, 1, 16);
    for (int i = 0; i < 16; i++) cr_assert_leq(ulps(y[i], tanh((double)x[i])), 2.0, "tanh(%a) = %a", (double)x[i], (double)y[i]);
}

Test(rows, tanh_is_within_two_ulp_everywhere) {
    each_float(look_at_tanh);
}

Test(rows, caps_and_limits_of_the_ends) {
    EACH_TABLE(t) {
        float x[] = {-INFINITY, INFINITY, NAN, 0.0f, FLT_MAX, -FLT_MAX}, y[6];
        memcpy(y, x, sizeof y);
        t->softcap(y, 2, 6);
        const float capped[] = {-2, 2, NAN, 0, 2, -2}, clamped[] = {-1, 3, NAN, 0, 3, -1};
        cr_expect_eq(first_difference(y, capped, 6), 6u, "%s", t->name);
        t->clamp(x, -1, 3, 6);
        cr_expect_eq(first_difference(x, clamped, 6), 6u, "%s", t->name);
    }
}

/* Relative where the result is a normal number; the tails of gelu come within a few ulp too. */
static void look_at_activations(const kernels *t, const float *x) {
    static const float ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    float silu[16], gelu[16], tanh_form[16];
    t->silu_mul(silu, x, ones, 16);
    t->gelu_mul(gelu, x, ones, 16);
    t->gelu_tanh_mul(tanh_form, x, ones, 16);
    for (int i = 0; i < 16; i++) {
        const double v = (double)x[i], u = M_2_SQRTPI * M_SQRT1_2 * (v + 0.044715 * v * v * v);
        const double want_s = v / (1 + exp(-v)), want_g = 0.5 * v * erfc(-v * M_SQRT1_2), want_t = v / (1 + exp(-2 * u));
        cr_assert_leq(fabs((double)silu[i] - want_s), 3e-7 * fabs(want_s) + 3e-37, "silu(%a)", v);
        cr_assert_leq(fabs((double)gelu[i] - want_g), 6e-7 * fabs(want_g) + 1e-37, "gelu(%a)", v);
        cr_assert_leq(fabs((double)tanh_form[i] - want_t), 1e-6 * fabs(want_t) + 1e-6 * exp(-0.5 * v * v), "gelu_tanh(%a)", v);
    }
}

Test(rows, activations_are_accurate_everywhere) {
    each_float(look_at_activations);
}

Test(rows, sum_exp_keeps_what_a_float_would_lose) {
    enum { N = 150000 };
    float *x = aligned_zeros(N * sizeof *x);
    uint64_t random = 1;
    double want = 0;
    for (size_t i = 0; i < N; i++) x[i] = 5.0f * random_uniform(&random);
    EACH_TABLE(t) {
        want = 0;
        for (size_t i = 0; i < N; i++) { /* the kernel's own terms, added in double */
            float term = x[i] - 5.0f;
            t->exp(&term, &term, 1);
            want += (double)term;
        }
        cr_expect_leq(fabs(t->sum_exp(x, N, 5.0f) - want), 1e-11 * want, "%s", t->name);
    }
    free(x);
}
