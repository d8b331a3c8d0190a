/* The scale of a block for given levels, by search of the weighted squared error, with the best scale for each candidate in closed form (make_qx_quants of
 * llama.cpp tries one end; the sums here are over remainders, so that nothing large is subtracted from something large and eight bits are
 * searched as exactly as two). */
#include <math.h>

#include "families.h"

/* In a block: from half a step inside the outermost level to two and a half outside, since clipping the extreme often pays. More candidates, or finer ones,
 * gain less than a hundredth of the error at four bits. Many values have far extremes: candidates grow by a factor there. */
static const float inner = -0.6f, pace = 0.6f, growth = 1.08f;
enum { CANDIDATES = 6, GROWING = 40, FEW = 128, KEPT = 2, REFITS = 4 };

/* Below it levels / extreme need not be finite, and 0 times that has no level. */
static const float extreme_min = 0x1p-100f;

typedef struct found {
    float cost, scale;
} found;

static void keep(found best[KEPT], found new) {
    for (int i = 0; i < KEPT; i++) {
        if (!(new.cost < best[i].cost)) continue;
        const found worse = best[i];
        best[i] = new;
        new = worse;
    }
}

/* With a correction of the scale by its fraction t the error is sum w (r - t l)^2 * scale^2, least for t = lr / ll. */
static void try_scale(const level_set *levels, const fit_block *b, float by, found best[KEPT]) {
    const fit_sums s = levels->sum(levels, b, by);
    if (s.ll > 0) keep(best, (found){(s.rr - s.lr / s.ll * s.lr) / (by * by), (1 + s.lr / s.ll) / by});
}

static void try_end(const level_set *levels, const fit_block *b, float end, float extreme, found best[KEPT]) {
    const float outwards = end < 0 ? -levels->step : levels->step;
    for (int i = 0; i < CANDIDATES; i++) try_scale(levels, b, (end + outwards * (inner + pace * (float)i)) / extreme, best);
    float by = end / extreme;
    for (int i = 0; i < GROWING && b->n > FEW; i++) try_scale(levels, b, by *= growth, best);
}

/* Walks from a scale, as it would be stored, to the one that fits its codes better, while the error falls. */
static void descend(const format *f, const level_set *levels, const fit_block *b, float scale, found *best) {
    for (int i = 0; i < REFITS && scale != 0; i++) {
        const fit_sums s = levels->sum(levels, b, 1 / scale);
        const found here = {s.rr * scale * scale, scale};
        if (here.cost < best->cost) *best = here;
        const float next = s.ll > 0 ? grid_round(f, scale * (1 + s.lr / s.ll)) : scale;
        if (next == scale) return;
        scale = next;
    }
}

/* Of those with a weight: one without may be lost. */
static float weighty_extreme(const fit_block *b) {
    float low = 0, high = 0;
    for (size_t i = 0; i < b->n; i++) {
        const float x = b->w[i] > 0 ? b->x[i] : 0;
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    return -low > high ? low : high;
}

grid search_scale(const format *f, const level_set *levels, const fit_block *b, grid start) {
    const float extreme = weighty_extreme(b);
    if (fabsf(extreme) < extreme_min) return start;
    found rough[KEPT] = {{INFINITY, 0}, {INFINITY, 0}}, best = {INFINITY, start.scale};
    try_end(levels, b, levels->lo, extreme, rough);
    try_end(levels, b, levels->hi, extreme, rough);
    descend(f, levels, b, start.scale, &best);
    for (int i = 0; i < KEPT; i++) descend(f, levels, b, grid_round(f, rough[i].scale), &best);
    return (grid){.scale = best.scale};
}

grid refit_scale(const format *f, const level_set *levels, const fit_block *b, grid start) {
    found best = {INFINITY, start.scale};
    descend(f, levels, b, start.scale, &best);
    return (grid){.scale = best.scale};
}
