/* How far what is stored lies from what was given. */
#include <math.h>

#include "quantize/encode.h"

enum { LANES = 4 };

static double tree(const double s[LANES]) {
    return (s[0] + s[2]) + (s[1] + s[3]);
}

void losses_add(losses *sum, const losses *more) {
    sum->error += more->error;
    sum->power += more->power;
    sum->weighted_error += more->weighted_error;
    sum->weighted_power += more->weighted_power;
    sum->clipped += more->clipped;
}

double group_row_sum(const group *g, const encoder *en, size_t r) {
    const family *of = en->format.family;
    const float *x = group_row(g, en, r);
    const uint8_t *codes = g->codes + (x - g->x);
    const size_t span = encoder_span(en);
    uint8_t stored[sizeof(float)];
    float levels[256];
    double sum = 0;
    if (!of->plain) group_levels(g, en, r, levels);
    for (size_t i = 0; i < en->k; i++) {
        if (of->plain) {
            of->store(stored, x[i]);
            sum += (double)of->load(stored);
        } else {
            const grid at = g->grids[r * en->layout.blocks + i / span];
            sum += (double)(at.scale * levels[codes[i]] + at.min);
        }
    }
    return sum;
}

/* ---- coded formats ---- */

/* The outermost levels that codes are given to, and half a step beyond them. */
typedef struct reach {
    float low, high;
} reach;

static reach reach_of(const encoder *en, const codebook *book, const float *levels) {
    const float far = 1e30f, x[16] = {-far, far};
    uint8_t codes[16];
    en->format.family->assign(&en->format, book, (grid){.scale = 1}, x, 16, codes);
    const unsigned low = codes[0], high = codes[1];
    return (reach){levels[low] - (levels[low + 1] - levels[low]) / 2, levels[high] + (levels[high] - levels[high - 1]) / 2};
}

static losses measure_block(const fit_block *b, const uint8_t *codes, grid at, const float *levels, reach r) {
    double missed[LANES] = {0}, power[LANES] = {0};
    losses sum = {0};
    const float low = at.scale * r.low + at.min, high = at.scale * r.high + at.min, least = low < high ? low : high, most = low < high ? high : low;
    for (size_t i = 0; i < b->n; i++) {
        const double miss = (double)(b->x[i] - (at.scale * levels[codes[i]] + at.min));
        missed[i % LANES] += miss * miss;
        power[i % LANES] += (double)b->x[i] * (double)b->x[i];
    }
    int clipped = 0;
    for (size_t i = 0; i < b->n; i++) clipped += (b->x[i] < least) | (b->x[i] > most);
    sum.clipped = at.scale == 0 ? 0 : (uint64_t)clipped; /* a scale of 0: a block of zeros, or of what is nearly that */
    sum.error = tree(missed);
    sum.power = tree(power);
    return sum;
}

static void weigh_block(losses *sum, const fit_block *b, const uint8_t *codes, grid at, const float *levels) {
    double missed[LANES] = {0}, power[LANES] = {0};
    for (size_t i = 0; i < b->n; i++) {
        const double miss = (double)(b->x[i] - (at.scale * levels[codes[i]] + at.min)), w = (double)b->w[i];
        missed[i % LANES] += w * miss * miss;
        power[i % LANES] += w * (double)b->x[i] * (double)b->x[i];
    }
    sum->weighted_error = tree(missed);
    sum->weighted_power = tree(power);
}

static void measure_row(group *g, const encoder *en, size_t r) {
    const size_t span = encoder_span(en);
    float levels[256];
    group_levels(g, en, r, levels);
    const reach outermost = reach_of(en, group_book(g, en, r), levels);
    for (size_t b = 0; b * span < en->k; b++) {
        fit_block block = group_block(g, en, r, b);
        const uint8_t *codes = g->codes + (block.x - g->x);
        const grid at = g->grids[r * en->layout.blocks + b];
        if (block.n > en->k - b * span) block.n = en->k - b * span;
        losses lost = measure_block(&block, codes, at, levels, outermost);
        lost.weighted_error = lost.error;
        lost.weighted_power = lost.power;
        if (en->importance) weigh_block(&lost, &block, codes, at, levels);
        losses_add(&g->lost, &lost);
    }
}

/* ---- plain formats: what rounding takes away ---- */

static void measure_plain(group *g, const encoder *en, size_t r) {
    const family *of = en->format.family;
    const float *x = group_row(g, en, r), *w = g->w + (x - g->x);
    uint8_t stored[sizeof(float)];
    for (size_t i = 0; i < en->k; i++) {
        of->store(stored, x[i]);
        const double miss = (double)x[i] - (double)of->load(stored), power = (double)x[i] * (double)x[i];
        g->lost.error += miss * miss;
        g->lost.power += power;
        g->lost.weighted_error += (double)w[i] * miss * miss;
        g->lost.weighted_power += (double)w[i] * power;
    }
}

void group_measure(group *g, const encoder *en) {
    for (size_t r = 0; r < g->rows; r++) en->format.family->plain ? measure_plain(g, en, r) : measure_row(g, en, r);
}
