/* Scales of the families with few levels. */
#include <float.h>
#include <math.h>

#include "families.h"

float block_mean(const fit_block *b, bool weighted) {
    double sum = 0, weight = 0;
    for (size_t i = 0; i < b->n; i++) {
        const double w = weighted ? (double)b->w[i] : b->w[i] > 0;
        sum += w * (double)fabsf(b->x[i]);
        weight += w;
    }
    return weight > 0 ? (float)(sum / weight) : 0;
}

/* Error of a scale: sum w (x - s l)^2 is least, among the scales that round the same values to zero, for s = sum w |x| / sum w over the others; what it gains
 * over zeros is (sum w |x|)^2 / sum w. The others are those above s / 2: the largest ones. So all that can be best are the prefixes by magnitude. */
typedef struct pile { /* of values of about the same magnitude */
    float size;
    double w, wx;
} pile;

static float best_prefix(const pile *p, size_t n) {
    double sum = 0, weight = 0, most = 0, scale = 0;
    for (size_t i = 0; i < n; i++) {
        sum += p[i].wx;
        weight += p[i].w;
        if (weight > 0 && sum * sum > most * weight) {
            most = sum * sum / weight;
            scale = sum / weight;
        }
    }
    return (float)scale;
}

enum { SORTED = 128, PILES = 2048 };

/* Each value is a pile of its own, sorted (Shell 1959). */
static float scale_of_few(const fit_block *b) {
    static const size_t gaps[] = {57, 23, 10, 4, 1};
    pile p[SORTED];
    for (size_t i = 0; i < b->n; i++) {
        const float size = fabsf(b->x[i]);
        p[i] = (pile){size, (double)b->w[i], (double)b->w[i] * (double)size};
    }
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++) {
        for (size_t i = gaps[g]; i < b->n; i++) {
            const pile moved = p[i];
            size_t at = i;
            for (; at >= gaps[g] && p[at - gaps[g]].size < moved.size; at -= gaps[g]) p[at] = p[at - gaps[g]];
            p[at] = moved;
        }
    }
    return best_prefix(p, b->n);
}

/* Piles of a fixed width, the largest values first: as good as exact, since borders that differ by one pile differ in few values. */
static float scale_of_many(const fit_block *b) {
    pile p[PILES] = {{0}};
    const float by = fminf(FLT_MAX, (float)(PILES - 1) * reciprocal(fabsf(block_extreme(b)))); /* of denormals too 0 * by is 0 */
    for (size_t i = 0; i < b->n; i++) {
        const float size = fabsf(b->x[i]);
        pile *const at = &p[PILES - 1 - (size_t)(size * by)];
        at->w += (double)b->w[i];
        at->wx += (double)b->w[i] * (double)size;
    }
    return best_prefix(p, PILES);
}

grid fit_ternary(const format *f, const fit_block *b) {
    if (block_extreme(b) == 0) return (grid){0};
    return (grid){.scale = grid_round(f, b->n <= SORTED ? scale_of_few(b) : scale_of_many(b))};
}
