/* Scales of the linear family. With a minimum: search of the weighted squared error, with the best scale and minimum for each candidate in closed form, over
 * remainders as in search.c. */
#include <math.h>

#include "families.h"

/* ---- symmetric ---- */

static fit_sums sum_symmetric(const level_set *levels, const fit_block *b, float by) {
    const float lo = levels->lo, hi = levels->hi;
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

grid fit_symmetric(const format *f, const fit_block *b, float lo, float hi, grid start) {
    const level_set levels = {.sum = sum_symmetric, .lo = lo, .hi = hi, .step = 1};
    return search_scale(f, &levels, b, start);
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
