/* Scales of the linear family. With a minimum: search of the weighted squared error, with the best scale and minimum for each candidate in closed form, over
 * remainders as in search.c. */
#include <math.h>

#include "families.h"

/* ---- symmetric ---- */

static fit_sums sum_symmetric(const level_set *levels, const fit_block *b, float by) {
    const float lo = levels->lo, hi = levels->hi;
    float lr[LANES] = {0}, ll[LANES] = {0}, rr[LANES] = {0};
    for (size_t i = 0; i < b->n; i += LANES) {
#pragma GCC unroll 1
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
#pragma GCC unroll 1
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

typedef struct found {
    float cost;
    grid at;
} found;

enum { KEPT = 3, REFITS = 6, FEW = 128, CUTS = 24 };

static void keep(found best[KEPT], found new) {
    for (int i = 0; i < KEPT; i++) {
        if (!(new.cost < best[i].cost)) continue;
        const found worse = best[i];
        best[i] = new;
        new = worse;
    }
}

/* Walks from a grid, as it would be stored, to the one that fits its codes better. */
static void descend(const format *f, const fit_block *b, float w, float hi, grid g, found *best) {
    for (int i = 0; i < REFITS && g.scale != 0; i++) {
        const fit_sums2 s = sum_asymmetric(b, 1 / g.scale, g.min, hi);
        const found here = {s.rr * g.scale * g.scale, g};
        if (here.cost < best->cost) *best = here;
        float t, m;
        if (!solve_asymmetric(&s, w, &t, &m)) return;
        const float scale = grid_round(f, g.scale * (1 + t));
        /* The minimum that fits the rounded scale: the mean of x - scale * l. */
        const grid next = {scale, grid_round(f, g.min + ((s.r + s.l) * g.scale - s.l * scale) / w)};
        if (next.scale == g.scale && next.min == g.min) return;
        g = next;
    }
}

/* A candidate, corrected by least squares. */
static void try_grid(const fit_block *b, float w, float hi, float by, float low, found rough[KEPT]) {
    const fit_sums2 s = sum_asymmetric(b, by, low, hi);
    float t, m;
    if (!solve_asymmetric(&s, w, &t, &m)) return;
    keep(rough, (found){(s.rr - t * s.lr - m * s.r) / (by * by), {(1 + t) / by, low + m / by}});
}

/* Candidates put half a step fewer to three more steps over the range of the block (make_qkx2_quants of llama.cpp tries one step about it), and begin at the
 * smallest value or some way above: clipping both ends often pays. Where there are few levels more of them are tried. */
static void try_block(const fit_block *b, float w, float hi, grid start, found rough[KEPT]) {
    const int widths = hi < 8 ? 11 : 8, shifts = hi < 8 ? 5 : 3;
    const float width = start.scale * hi, wider = 4.2f / (float)widths, shift = hi < 8 ? 0.35f : 0.4f;
    for (int i = 0; i < widths * shifts; i++) {
        const float by = (hi - 0.6f + wider * (float)(i / shifts)) / width;
        try_grid(b, w, hi, by, start.min + shift * (float)(i % shifts) / by, rough);
    }
}

/* The extremes of many values lie far out: first both ends come in by a factor, then each alone. */
static void try_many(const fit_block *b, float w, float hi, grid start, found rough[KEPT]) {
    const float low = start.min, high = start.min + start.scale * hi, middle = low + (high - low) / 2, nearer = 0.9f;
    float cut = 1;
    for (int i = 0; i < CUTS; i++, cut *= nearer) {
        const float from = middle + (low - middle) * cut, to = middle + (high - middle) * cut;
        try_grid(b, w, hi, hi / (to - from), from, rough);
    }
    const grid best = rough[0].at;
    const float from = best.min, width = best.scale * hi;
    for (int i = -3; i <= 3; i++) {
        for (int j = -3; j <= 3; j++) {
            const float less = from + 0.07f * (float)i * width, more = from + width + 0.07f * (float)j * width;
            try_grid(b, w, hi, hi / (more - less), less, rough);
        }
    }
}

grid fit_asymmetric(const format *f, const fit_block *b, float hi, grid start) {
    if (start.scale == 0) return start;
    const float w = sum_weights(b);
    found rough[KEPT], best = {INFINITY, start};
    for (int i = 0; i < KEPT; i++) rough[i] = (found){INFINITY, start};
    try_block(b, w, hi, start, rough);
    if (b->n > FEW) try_many(b, w, hi, start, rough);
    descend(f, b, w, hi, start, &best);
    for (int i = 0; i < KEPT; i++) {
        if (rough[i].cost < INFINITY) descend(f, b, w, hi, (grid){grid_round(f, rough[i].at.scale), grid_round(f, rough[i].at.min)}, &best);
    }
    return best.at;
}
