/* The scale of a block for the levels of a codebook. */
#include "families.h"

/* Three loops: the first and the last become vectors, the lookup between them cannot. */
static fit_sums sum_levels(const level_set *levels, const fit_block *b, float by) {
    const float *level_at = levels->book->level_at;
    float lr[LANES] = {0}, ll[LANES] = {0}, rr[LANES] = {0};
    for (size_t i = 0; i < b->n; i += LANES) {
        float u[LANES], l[LANES];
        int at[LANES];
#pragma GCC unroll 1
        for (size_t j = 0; j < LANES; j++) {
            u[j] = b->x[i + j] * by;
            const float step = 2 * u[j] + HALF_STEPS / 2, above = step > 0 ? step : 0;
            at[j] = (int)(above > HALF_STEPS - 1 ? HALF_STEPS - 1 : above);
        }
        for (size_t j = 0; j < LANES; j++) l[j] = level_at[at[j]];
#pragma GCC unroll 1
        for (size_t j = 0; j < LANES; j++) {
            const float r = u[j] - l[j], wl = b->w[i + j] * l[j], wr = b->w[i + j] * r;
            lr[j] += wl * r;
            ll[j] += wl * l[j];
            rr[j] += wr * r;
        }
    }
    return (fit_sums){lanes_sum(lr), lanes_sum(ll), lanes_sum(rr)};
}

static level_set levels_of(const codebook *book) {
    const float lo = book->level[0], hi = book->level[book->entries - 1];
    return (level_set){.sum = sum_levels, .lo = lo, .hi = hi, .step = (hi - lo) / (float)(book->entries - 1), .book = book};
}

grid fit_codebook(const format *f, const fit_block *b, const codebook *book, grid start) {
    const level_set levels = levels_of(book);
    return search_scale(f, &levels, b, start);
}

grid refit_codebook(const format *f, const codebook *book, const fit_block *b, grid from) {
    const level_set levels = levels_of(book);
    return refit_scale(f, &levels, b, from);
}
