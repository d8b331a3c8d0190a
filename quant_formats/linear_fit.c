/* Scales of the linear family by search of the weighted squared error, with the best scale (and minimum) for each candidate in closed form.
 *
 * All sums are over remainders: with u = (x - min) / scale, l the nearest level and r = u - l, the best correction of the scale is a small fraction t of
 * it, so nothing large is subtracted from something large, and eight bits are searched as exactly as two. */
#include <math.h>

#include "families.h"

/* ---- symmetric: minimize sum w (r - t l)^2 * scale^2 over t ---- */

typedef struct fit_sums {
    float lr, ll, rr; /* sums of w l r, w l l, w r r */
} fit_sums;

static fit_sums sum_symmetric(const fit_block *b, float by, float lo, float hi) {
    float lr[LANES] = {0}, ll[LANES] = {0}, rr[LANES] = {0};
    for (size_t i = 0; i < b->n; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            const float u = b->x[i + j] * by, l = round_into(u, lo, hi), r = u - l;
            const float wl = b->w[i + j] * l, wr = b->w[i + j] * r;
            lr[j] += wl * r;
            ll[j] += wl * l;
            rr[j] += wr * r;
        }
    }
    return (fit_sums){lanes_sum(lr), lanes_sum(ll), lanes_sum(rr)};
}

/* Squared error of a grid as it would be stored, and in *next the best scale for the levels that it gives. */
static float error_symmetric(const format *f, const fit_block *b, float lo, float hi, float scale, float *next) {
    const fit_sums s = sum_symmetric(b, reciprocal(scale), lo, hi);
    *next = s.ll > 0 ? grid_round(f, scale * (1 + s.lr / s.ll)) : scale;
    return s.rr * scale * scale;
}

static void consider_symmetric(const format *f, const fit_block *b, float lo, float hi, float scale, float *best, float *best_error) {
    enum { REFITS = 3 };
    for (int i = 0; i < REFITS && scale != 0; i++) {
        float next;
        const float cost = error_symmetric(f, b, lo, hi, scale, &next);
        if (cost < *best_error) {
            *best_error = cost;
            *best = scale;
        }
        if (next == scale) break;
        scale = next;
    }
}

/* Candidates map the value of largest magnitude near the lowest level and near the highest, within one step (make_qx_quants of llama.cpp does
 * the first). */
grid fit_symmetric(const format *f, const fit_block *b, float lo, float hi, grid start) {
    const float extreme = block_extreme(b);
    if (extreme == 0) return start;
    float scale = start.scale, least = INFINITY;
    for (int end = 0; end < 2; end++) {
        const float level = end ? hi : lo;
        for (int step = -9; step <= 9; step++) {
            const float by = (level + 0.1f * (float)step) / extreme;
            const fit_sums s = sum_symmetric(b, by, lo, hi);
            const float cost = (s.rr - s.lr / s.ll * s.lr) / (by * by);
            if (s.ll > 0 && cost < least) {
                least = cost;
                scale = (1 + s.lr / s.ll) / by;
            }
        }
    }
    float best = start.scale, best_error = INFINITY;
    consider_symmetric(f, b, lo, hi, start.scale, &best, &best_error);
    consider_symmetric(f, b, lo, hi, grid_round(f, scale), &best, &best_error);
    return (grid){.scale = best};
}

/* ---- with a minimum: minimize sum w (r - t l - s)^2 * scale^2 over t and s ---- */

typedef struct fit_sums2 {
    float l, ll, r, lr, rr;
} fit_sums2;

static fit_sums2 sum_asymmetric(const fit_block *b, float by, float min, float hi) {
    float l1[LANES] = {0}, ll[LANES] = {0}, r1[LANES] = {0}, lr[LANES] = {0}, rr[LANES] = {0};
    for (size_t i = 0; i < b->n; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            const float u = (b->x[i + j] - min) * by, l = round_into(u, 0, hi), r = u - l;
            const float wl = b->w[i + j] * l, wr = b->w[i + j] * r;
            l1[j] += wl;
            r1[j] += wr;
            ll[j] += wl * l;
            lr[j] += wl * r;
            rr[j] += wr * r;
        }
    }
    return (fit_sums2){lanes_sum(l1), lanes_sum(ll), lanes_sum(r1), lanes_sum(lr), lanes_sum(rr)};
}

/* The corrections t of the scale and s of the minimum, in units of the scale; false if the levels are all alike. */
static bool solve_asymmetric(const fit_sums2 *s, float w, float *t, float *m) {
    const float det = w * s->ll - s->l * s->l;
    if (!(det > 1e-6f * w * s->ll)) return false;
    *t = (w * s->lr - s->l * s->r) / det;
    *m = (s->ll * s->r - s->l * s->lr) / det;
    return true;
}

static float sum_weights(const fit_block *b) {
    float s[LANES] = {0};
    for (size_t i = 0; i < b->n; i += LANES) {
        for (size_t j = 0; j < LANES; j++) s[j] += b->w[i + j];
    }
    return lanes_sum(s);
}

static void consider_asymmetric(const format *f, const fit_block *b, float w, float hi, grid g, grid *best, float *best_error) {
    enum { REFITS = 4 };
    for (int i = 0; i < REFITS && g.scale != 0; i++) {
        const fit_sums2 s = sum_asymmetric(b, 1 / g.scale, g.min, hi);
        const float cost = s.rr * g.scale * g.scale;
        if (cost < *best_error) {
            *best_error = cost;
            *best = g;
        }
        float t, m;
        if (!solve_asymmetric(&s, w, &t, &m)) break;
        const grid next = {.scale = grid_round(f, g.scale * (1 + t))};
        /* The minimum that fits the rounded scale: mean of x - scale * l. */
        const float shift = ((s.r + s.l) * g.scale - s.l * next.scale) / w;
        const grid rounded = {next.scale, grid_round(f, g.min + shift)};
        if (rounded.scale == g.scale && rounded.min == g.min) break;
        g = rounded;
    }
}

/* Candidates from the smallest value upwards with 14.1 .. 15.9 steps over the range (make_qkx2_quants of llama.cpp), each corrected by least squares. */
grid fit_asymmetric(const format *f, const fit_block *b, float hi, grid start) {
    if (start.scale == 0) return start;
    const float low = start.min, width = start.scale * hi, w = sum_weights(b);
    grid found = start, best = start;
    float least = INFINITY, best_error = INFINITY;
    for (int step = 0; step <= 36; step++) {
        const float by = (hi - 0.9f + 0.05f * (float)step) / width;
        const fit_sums2 s = sum_asymmetric(b, by, low, hi);
        float t, m;
        if (!solve_asymmetric(&s, w, &t, &m)) continue;
        const float cost = (s.rr - t * s.lr - m * s.r) / (by * by);
        if (cost < least) {
            least = cost;
            found = (grid){(1 + t) / by, low + m / by};
        }
    }
    found = (grid){grid_round(f, found.scale), grid_round(f, found.min)};
    consider_asymmetric(f, b, w, hi, start, &best, &best_error);
    consider_asymmetric(f, b, w, hi, found, &best, &best_error);
    return best;
}
