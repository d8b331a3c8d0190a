/* H = M M^T with M upper triangular (Cholesky from the last column to the first); then U = M^-1, because H^-1 = M^-T M^-1. No inverse of H is formed. */
#include "quantize/factor.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum {
    BLOCK = 64,   /* rows or columns that are finished together */
    STRIPE = 256, /* columns whose rows of a block stay in the nearest caches */
    SUMS = 8,     /* partial sums of a dot product, added in a fixed tree */
};

static double dot(const double *a, const double *b, size_t n) {
    double s[SUMS] = {0};
    size_t i = 0;
    for (; i + SUMS <= n; i += SUMS) {
        for (size_t j = 0; j < SUMS; j++) s[j] += a[i + j] * b[i + j];
    }
    for (; i < n; i++) s[i % SUMS] += a[i] * b[i];
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* m[i][j] -= sum of m[i][t] m[j][t] over t >= end, for one row i and the columns j of [begin, end) that are not left of it. */
static void subtract_products(double *m, size_t k, size_t i, size_t begin, size_t end) {
    double *row = m + i * k;
    for (size_t from = end; from < k; from += STRIPE) {
        const size_t n = smaller(STRIPE, k - from);
        for (size_t j = begin > i ? begin : i; j < end; j++) row[j] -= dot(row + from, m + j * k + from, n);
    }
}

/* The columns [begin, end) of rows up to `end`, whose products with later columns have been subtracted. False: not positive definite. */
static bool solve_diagonal(double *m, size_t k, size_t begin, size_t end) {
    for (size_t j = end; j-- > begin;) {
        const double *below = m + j * k + j + 1;
        const double left = m[j * k + j] - dot(below, below, end - j - 1);
        if (!(left > 0)) return false;
        m[j * k + j] = sqrt(left);
        for (size_t i = begin; i < j; i++) m[i * k + j] = (m[i * k + j] - dot(m + i * k + j + 1, below, end - j - 1)) / m[j * k + j];
    }
    return true;
}

static void solve_row(double *row, const double *m, size_t k, size_t begin, size_t end) {
    for (size_t j = end; j-- > begin;) row[j] = (row[j] - dot(row + j + 1, m + j * k + j + 1, end - j - 1)) / m[j * k + j];
}

/* The upper triangle of m, H, becomes M. */
static bool cholesky(double *m, size_t k, int threads) {
    (void)threads; /* without OpenMP */
    for (size_t end = k; end > 0;) {
        const size_t begin = end > BLOCK ? end - BLOCK : 0;
#pragma omp parallel for schedule(static) num_threads(threads)
        for (size_t i = 0; i < end; i++) subtract_products(m, k, i, begin, end);
        if (!solve_diagonal(m, k, begin, end)) return false;
#pragma omp parallel for schedule(static) num_threads(threads)
        for (size_t i = 0; i < begin; i++) solve_row(m + i * k, m, k, begin, end);
        end = begin;
    }
    return true;
}

/* Rows [begin, end) while M becomes U: `own` [end - begin][k] is what they were, since stripes of them are written side by side. */
typedef struct rows {
    const double *own;
    size_t begin, end;
} rows;

static double own_at(const rows *b, size_t k, size_t i, size_t j) {
    return b->own[(i - b->begin) * k + j];
}

/* sums [rows][STRIPE] = - sum of M[i][t] U[t][from ..] over t >= end. Left of its diagonal U is zero. */
static void gather_rows(const double *m, size_t k, const rows *b, size_t from, size_t n, double *sums) {
    memset(sums, 0, BLOCK * STRIPE * sizeof *sums);
    for (size_t t = b->end; t < from + n; t++) {
        const double *u = m + t * k + from;
        const size_t first = t > from ? t - from : 0;
        for (size_t i = b->begin; i < b->end; i++) {
            double *to = sums + (i - b->begin) * STRIPE;
            const double by = own_at(b, k, i, t);
            for (size_t j = first; j < n; j++) to[j] -= by * u[j];
        }
    }
}

/* The block's rows of U in the columns [from, from + n) behind its own. */
static void invert_stripe(double *m, size_t k, const rows *b, size_t from, size_t n) {
    double sums[BLOCK * STRIPE];
    gather_rows(m, k, b, from, n, sums);
    for (size_t i = b->end; i-- > b->begin;) {
        double *to = sums + (i - b->begin) * STRIPE;
        for (size_t t = i + 1; t < b->end; t++) {
            const double by = own_at(b, k, i, t), *row = sums + (t - b->begin) * STRIPE;
            for (size_t j = 0; j < n; j++) to[j] -= by * row[j];
        }
        for (size_t j = 0; j < n; j++) to[j] /= own_at(b, k, i, i);
        memcpy(m + i * k + from, to, n * sizeof *to);
    }
}

/* The block's own triangle of U. */
static void invert_diagonal(double *m, size_t k, const rows *b) {
    for (size_t i = b->end; i-- > b->begin;) {
        m[i * k + i] = 1 / own_at(b, k, i, i);
        for (size_t j = i + 1; j < b->end; j++) {
            double sum = 0;
            for (size_t t = i + 1; t <= j; t++) sum -= own_at(b, k, i, t) * m[t * k + j];
            m[i * k + j] = sum * m[i * k + i];
        }
    }
}

/* M becomes U in place, from the last rows to the first; `own` has room for BLOCK rows. */
static void invert(double *m, size_t k, double *own, int threads) {
    (void)threads;
    for (size_t end = k; end > 0;) {
        const size_t begin = end > BLOCK ? end - BLOCK : 0, stripes = (k - end + STRIPE - 1) / STRIPE;
        const rows b = {own, begin, end};
        memcpy(own, m + begin * k, (end - begin) * k * sizeof *own);
#pragma omp parallel for schedule(static) num_threads(threads)
        for (size_t s = 0; s < stripes; s++) invert_stripe(m, k, &b, end + s * STRIPE, smaller(STRIPE, k - end - s * STRIPE));
        invert_diagonal(m, k, &b);
        end = begin;
    }
}

/* The mean of the diagonal; 0 if anything is not finite or nothing is positive. */
static double diagonal_mean(const float *h, size_t k) {
    double sum = 0;
    for (size_t i = 0; i < triangle_size(k); i++) {
        if (!isfinite(h[i])) return 0;
    }
    for (size_t i = 0; i < k; i++) {
        const float own = h[triangle_at(k, i) + i];
        if (own < 0) return 0;
        sum += (double)own;
    }
    return sum / (double)k;
}

static void load_damped(double *m, const float *h, size_t k, double mean, double damp) {
    for (size_t i = 0; i < k; i++) {
        const float *row = h + triangle_at(k, i);
        for (size_t j = i; j < k; j++) m[i * k + j] = (double)row[j];
        m[i * k + i] = (row[i] > 0 ? (double)row[i] : mean) + damp * mean;
    }
}

static void store_inverse(float *u, double *m, size_t k, int threads) {
    invert(m, k, m + k * k, threads);
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < k; j++) u[i * k + j] = j < i ? 0 : (float)m[i * k + j];
    }
}

status factor_inverse(float *u, const float *h, size_t k, double damp, int threads, error *e) {
    const double mean = diagonal_mean(h, k), enough = 1e6;
    if (!(mean > 0)) return fail(e, E_RUN, "a matrix of %zu input products has no finite positive diagonal", k);
    size_t values, bytes;
    if (!size_mul(k + BLOCK, k, &values) || !size_mul(values, sizeof(double), &bytes)) return fail(e, E_MEMORY, "%zu inputs are too many", k);
    double *m = malloc(bytes);
    if (!m) return fail(e, E_MEMORY, "no memory for the %zu bytes of a factor", bytes);
    bool good = false;
    while (!good && damp < enough) {
        load_damped(m, h, k, mean, damp);
        good = cholesky(m, k, threads);
        damp = damp > 0 ? damp * 10 : 1e-6;
    }
    if (good) store_inverse(u, m, k, threads);
    free(m);
    return good ? OK : fail(e, E_RUN, "a matrix of %zu input products is not positive definite", k);
}
