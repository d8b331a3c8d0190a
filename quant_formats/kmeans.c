/* Exact weighted k-means in one dimension over the 255 int8 positions: dynamic programming as in Ckmeans.1d.dp (Wang and Song, 2011), with levels that
 * are taken from a grid, so that rounding to int8 is part of the optimum and not done to it.
 *
 * The squared error of ascending levels l is sum w u^2 - 2 l_last sum w u + l_last^2 sum w, plus for each two neighbours (b - a) * line(a + b): what moves from
 * the higher to the lower level when the border lies at (a + b) / 2, with line(s) = sum over u below s / 2 of w (2 u - s). */
#include <math.h>

#include "codebook.h"
#include "families.h"

enum { POSITIONS = 2 * LEVEL_MAX + 1, ENTRIES_MAX = 16 };

typedef struct search {
    size_t entries;
    int step; /* a position stands for level position * step - LEVEL_MAX */
    bool keep_zero;
    double line[HALF_STEPS + 1];         /* by s + HALF_STEPS / 2 */
    double w, wu, wuu;                   /* of all values */
    double cost[ENTRIES_MAX][POSITIONS]; /* least sum of the terms of neighbours when level m is at position j */
    int16_t from[ENTRIES_MAX][POSITIONS];
} search;

static int level_at(const search *s, int position) {
    return position * s->step - LEVEL_MAX;
}

static void prepare(search *s, const format *f, const book_sums *sums, int step) {
    *s = (search){.entries = format_entries(f), .step = step, .keep_zero = step == 1 && sums->zeros > sums->values / 20};
    for (int i = 0; i < HALF_STEPS; i++) {
        s->line[i] = 2 * s->wu - (double)(i - HALF_STEPS / 2) * s->w;
        s->w += sums->w[i];
        s->wu += sums->wu[i];
        s->wuu += sums->wuu[i];
    }
}

/* One row of the table from the row before it, for the positions [j0, j1]: the best predecessor never falls as j grows (the terms are a Monge array), so
 * those of the middle position bound those of the others. */
static void extend(search *s, size_t m, int j0, int j1, int i0, int i1) {
    if (j0 > j1) return;
    const int j = (j0 + j1) / 2, high = level_at(s, j);
    const double *before = s->cost[m - 1];
    double least = INFINITY;
    int from = i0;
    for (int i = i0; i <= i1 && i < j; i++) {
        const int low = level_at(s, i);
        const double cost = before[i] + (double)(high - low) * s->line[low + high + HALF_STEPS / 2];
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
    const int final = 2 * LEVEL_MAX / s->step, part = s->keep_zero ? LEVEL_MAX : final;
    for (int j = 0; j <= final; j++) {
        const bool allowed = (fixed != FIRST || j == 0) && !(s->keep_zero && j > LEVEL_MAX);
        s->cost[0][j] = allowed ? 0 : INFINITY;
    }
    for (size_t m = 1; m < s->entries; m++) {
        extend(s, m, 0, part, 0, part);
        extend(s, m, part + 1, final, part, final);
    }
    const size_t last = s->entries - 1;
    double least = INFINITY;
    int best = final;
    for (int j = fixed == LAST ? final : 0; j <= final; j++) {
        const bool allowed = !(s->keep_zero && j < LEVEL_MAX);
        const double level = level_at(s, j), cost = s->cost[last][j] + s->wuu - 2 * level * s->wu + level * level * s->w;
        if (allowed && cost < least) {
            least = cost;
            best = j;
        }
    }
    for (size_t m = last + 1; m-- > 0; best = m ? s->from[m][best] : best) levels[m] = (float)level_at(s, best);
    return least;
}

void solve_levels(const format *f, const book_sums *sums, float *levels) {
    search s;
    float other[ENTRIES_MAX];
    prepare(&s, f, sums, 1);
    const double with_first = search_levels(&s, FIRST, levels), with_last = search_levels(&s, LAST, other);
    for (size_t i = 0; i < s.entries && with_last < with_first; i++) levels[i] = other[i];
}

void solve_free_levels(const format *f, const book_sums *sums, float *levels) {
    search s;
    prepare(&s, f, sums, 1);
    search_levels(&s, FREE, levels);
}

void solve_rough_levels(const format *f, const book_sums *sums, float *levels) {
    search s;
    prepare(&s, f, sums, ROUGH);
    search_levels(&s, FREE, levels);
}
