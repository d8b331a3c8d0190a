/* Exact weighted k-means in one dimension over the 255 int8 positions: dynamic programming as in Ckmeans.1d.dp (Wang and Song, 2011), with levels that
 * are taken from a grid, so that rounding to int8 is part of the optimum and not done to it. */
#include <math.h>

#include "codebook.h"
#include "families.h"

enum { POSITIONS = 2 * LEVEL_MAX + 1, ENTRIES_MAX = 16 };

typedef struct prefix { /* sums over the half steps before the index */
    double w[HALF_STEPS + 1], wu[HALF_STEPS + 1], wuu[HALF_STEPS + 1];
} prefix;

/* Squared error of the values in half steps [begin, end) against a level. */
static double spread(const prefix *p, int begin, int end, int level) {
    const double w = p->w[end] - p->w[begin], wu = p->wu[end] - p->wu[begin], wuu = p->wuu[end] - p->wuu[begin];
    return wuu - 2.0 * level * wu + (double)level * level * w;
}

static int step_of(int level) {
    return 2 * level + HALF_STEPS / 2;
}

/* Squared error of the values between two neighbouring levels: each half goes to its own. */
static double between(const prefix *p, int low, int high) {
    const int middle = low + high + HALF_STEPS / 2;
    return spread(p, step_of(low), middle, low) + spread(p, middle, step_of(high), high);
}

typedef struct search {
    const prefix *sums;
    size_t entries;
    bool keep_zero;
    double cost[ENTRIES_MAX][POSITIONS]; /* least error of all values below position j when level m is j */
    int16_t from[ENTRIES_MAX][POSITIONS];
} search;

/* Fills one row of the table from the row before it. */
static void extend(search *s, size_t m) {
    for (int j = 0; j < POSITIONS; j++) {
        double least = INFINITY;
        int16_t from = -1;
        for (int i = 0; i < j; i++) {
            const bool skips_zero = i < LEVEL_MAX && j > LEVEL_MAX; /* position LEVEL_MAX is level 0 */
            if (s->cost[m - 1][i] >= least || (s->keep_zero && skips_zero)) continue;
            const double cost = s->cost[m - 1][i] + between(s->sums, i - LEVEL_MAX, j - LEVEL_MAX);
            if (cost < least) {
                least = cost;
                from = (int16_t)i;
            }
        }
        s->cost[m][j] = least;
        s->from[m][j] = from;
    }
}

/* The best levels with the first at -LEVEL_MAX (if `first`) or the last at LEVEL_MAX. Returns their error. */
static double search_levels(search *s, bool first, float *levels) {
    for (int j = 0; j < POSITIONS; j++) {
        const bool allowed = (!first || j == 0) && !(s->keep_zero && j > LEVEL_MAX);
        s->cost[0][j] = allowed ? spread(s->sums, 0, step_of(j - LEVEL_MAX), j - LEVEL_MAX) : INFINITY;
    }
    for (size_t m = 1; m < s->entries; m++) extend(s, m);
    const size_t last = s->entries - 1;
    double least = INFINITY;
    int best = POSITIONS - 1;
    for (int j = first ? 0 : POSITIONS - 1; j < POSITIONS; j++) {
        const bool allowed = !(s->keep_zero && j < LEVEL_MAX);
        const double cost = s->cost[last][j] + spread(s->sums, step_of(j - LEVEL_MAX), HALF_STEPS, j - LEVEL_MAX);
        if (allowed && cost < least) {
            least = cost;
            best = j;
        }
    }
    for (size_t m = last + 1; m-- > 0; best = m ? s->from[m][best] : best) levels[m] = (float)(best - LEVEL_MAX);
    return least;
}

void solve_levels(const format *f, const book_sums *sums, float *levels) {
    prefix p = {0};
    for (size_t i = 0; i < HALF_STEPS; i++) {
        p.w[i + 1] = p.w[i] + sums->w[i];
        p.wu[i + 1] = p.wu[i] + sums->wu[i];
        p.wuu[i + 1] = p.wuu[i] + sums->wuu[i];
    }
    search s = {.sums = &p, .entries = format_entries(f), .keep_zero = sums->zeros > sums->values / 20};
    float other[ENTRIES_MAX];
    const double with_first = search_levels(&s, true, levels), with_last = search_levels(&s, false, other);
    for (size_t i = 0; i < s.entries && with_last < with_first; i++) levels[i] = other[i];
}
