/* The scale of a block for given levels, by search of the weighted squared error as in linear_fit.c: only "the nearest level" is another. */
#include <math.h>

#include "families.h"

typedef struct fit_sums {
    float lr, ll, rr; /* sums of w l r, w l l, w r r */
} fit_sums;

/* Three loops: the first and the last become vectors, the lookup between them cannot. */
static fit_sums sum_levels(const fit_block *b, float by, const codebook *book) {
    float lr[LANES] = {0}, ll[LANES] = {0}, rr[LANES] = {0};
    for (size_t i = 0; i < b->n; i += 2 * LANES) {
        float u[2 * LANES], level[2 * LANES];
        int at[2 * LANES];
        for (size_t j = 0; j < 2 * LANES; j++) {
            u[j] = b->x[i + j] * by;
            const float step = 2 * u[j] + HALF_STEPS / 2, above = step < 0 ? 0 : step;
            at[j] = (int)(above > HALF_STEPS - 1 ? HALF_STEPS - 1 : above);
        }
        for (size_t j = 0; j < 2 * LANES; j++) level[j] = book->level_at[at[j]];
        for (size_t j = 0; j < 2 * LANES; j++) {
            const float l = level[j], r = u[j] - l, wl = b->w[i + j] * l, wr = b->w[i + j] * r;
            lr[j % LANES] += wl * r;
            ll[j % LANES] += wl * l;
            rr[j % LANES] += wr * r;
        }
    }
    return (fit_sums){lanes_sum(lr), lanes_sum(ll), lanes_sum(rr)};
}

static void consider(const format *f, const fit_block *b, const codebook *book, float scale, float *best, float *best_error) {
    enum { REFITS = 3 };
    for (int i = 0; i < REFITS && scale != 0; i++) {
        const fit_sums s = sum_levels(b, 1 / scale, book);
        const float cost = s.rr * scale * scale;
        if (cost < *best_error) {
            *best_error = cost;
            *best = scale;
        }
        const float next = s.ll > 0 ? grid_round(f, scale * (1 + s.lr / s.ll)) : scale;
        if (next == scale) break;
        scale = next;
    }
}

/* Candidates map the value of largest magnitude onto the first and onto the last level, from a quarter inside the codebook to a tenth outside it. */
grid fit_codebook(const format *f, const fit_block *b, const codebook *book, grid start) {
    const float extreme = block_extreme(b);
    if (extreme == 0) return start;
    float scale = start.scale, least = INFINITY;
    for (int end = 0; end < 2; end++) {
        const float level = end ? book->level[book->entries - 1] : book->level[0];
        for (int step = -7; step <= 7; step++) {
            const float by = level * (1 + 0.02f * (float)step) / extreme;
            const fit_sums s = sum_levels(b, by, book);
            const float cost = (s.rr - s.lr / s.ll * s.lr) / (by * by);
            if (s.ll > 0 && cost < least) {
                least = cost;
                scale = (1 + s.lr / s.ll) / by;
            }
        }
    }
    float best = start.scale, best_error = INFINITY;
    consider(f, b, book, start.scale, &best, &best_error);
    consider(f, b, book, grid_round(f, scale), &best, &best_error);
    return (grid){.scale = best};
}
