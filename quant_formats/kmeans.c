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

/* One row of the table from the row before it, for the positions [j0, j1]: the best predecessor never falls as j grows (the costs between two levels are a
 * Monge array), so those of the middle position bound those of the others. */
static void extend(search *s, size_t m, int j0, int j1, int i0, int i1) {
    if (j0 > j1) return;
    const int j = (j0 + j1) / 2;
    double least = INFINITY;
    int from = i0;
    for (int i = i0; i <= i1 && i < j; i++) {
        if (s->cost[m - 1][i] >= least) continue;
        const double cost = s->cost[m - 1][i] + between(s->sums, i - LEVEL_MAX, j - LEVEL_MAX);
        if (cost < least) {
            least = cost;
            from = i;
        }
    }
    s->cost[m][j] = least;
    s->from[m][j] = (int16_t)from;
    extend(s, m, j0, j - 1, i0, from);
    extend(s, m, j + 1, j1, from, i1);
}

typedef enum ends { FREE, FIRST, LAST } ends; /* which level has magnitude LEVEL_MAX: any or none, the first, the last */

/* Returns the error of the best levels. Position LEVEL_MAX is level 0: one that must be kept parts the positions in two. */
static double search_levels(search *s, ends fixed, float *levels) {
    for (int j = 0; j < POSITIONS; j++) {
        const bool allowed = (fixed != FIRST || j == 0) && !(s->keep_zero && j > LEVEL_MAX);
        s->cost[0][j] = allowed ? spread(s->sums, 0, step_of(j - LEVEL_MAX), j - LEVEL_MAX) : INFINITY;
    }
    for (size_t m = 1; m < s->entries; m++) {
        const int part = s->keep_zero ? LEVEL_MAX : POSITIONS - 1;
        extend(s, m, 0, part, 0, part);
        extend(s, m, part + 1, POSITIONS - 1, part, POSITIONS - 1);
    }
    const size_t last = s->entries - 1;
    double least = INFINITY;
    int best = POSITIONS - 1;
    for (int j = fixed == LAST ? POSITIONS - 1 : 0; j < POSITIONS; j++) {
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

static prefix add_up(const book_sums *sums) {
    prefix p = {0};
    for (size_t i = 0; i < HALF_STEPS; i++) {
        p.w[i + 1] = p.w[i] + sums->w[i];
        p.wu[i + 1] = p.wu[i] + sums->wu[i];
        p.wuu[i + 1] = p.wuu[i] + sums->wuu[i];
    }
    return p;
}

void solve_levels(const format *f, const book_sums *sums, float *levels) {
    const prefix p = add_up(sums);
    search s = {.sums = &p, .entries = format_entries(f), .keep_zero = sums->zeros > sums->values / 20};
    float other[ENTRIES_MAX];
    const double with_first = search_levels(&s, FIRST, levels), with_last = search_levels(&s, LAST, other);
    for (size_t i = 0; i < s.entries && with_last < with_first; i++) levels[i] = other[i];
}

void solve_free_levels(const format *f, const book_sums *sums, float *levels) {
    const prefix p = add_up(sums);
    search s = {.sums = &p, .entries = format_entries(f), .keep_zero = sums->zeros > sums->values / 20};
    search_levels(&s, FREE, levels);
}
