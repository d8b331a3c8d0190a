/* Coordinate descent on what GPTQ leaves (LNQ of GuidedQuant, Kim et al. 2025, with scales in place of centroids): one scale, minimum or code after the other
 * takes its best value while all others stay, so that tr (Q - W) H (Q - W)^T never rises. `pull` = H (Q - W) says at once what each step gains. */
#include "quantize/polish.h"

#include <string.h>

typedef struct lanes { /* a number of each of the group's rows */
    float of[TILE_ROWS];
} lanes;

typedef struct descent {
    const encoder *en;
    group *g;
    lanes *q, *pull;              /* [k] the weights as they are stored; H (Q - W) */
    float levels[TILE_ROWS][256]; /* of each row's codes */
} descent;

static const float *products_row(const descent *d, size_t i) {
    return d->en->products + i * d->en->k;
}

static uint8_t *code_at(const descent *d, size_t r, size_t column) {
    return d->g->codes + r * d->en->layout.tiles * TILE_K + column;
}

static grid *grid_at(const descent *d, size_t r, size_t column) {
    return &d->g->grids[r * d->en->layout.blocks + column / encoder_span(d->en)];
}

/* pull += H (change of one column). */
static void move_column(descent *d, size_t column, const lanes *change) {
    const float *h = products_row(d, column);
    const lanes by = *change;
    for (size_t j = 0; j < d->en->k; j++) {
        for (size_t r = 0; r < TILE_ROWS; r++) d->pull[j].of[r] += h[j] * by.of[r];
    }
}

static void start(descent *d) {
    memset(d->pull, 0, d->en->k * sizeof *d->pull);
    for (size_t r = 0; r < d->g->rows; r++) group_levels(d->g, d->en, r, d->levels[r]);
    for (size_t i = 0; i < d->en->k; i++) {
        lanes miss = {{0}};
        d->q[i] = miss;
        for (size_t r = 0; r < d->g->rows; r++) {
            const grid at = *grid_at(d, r, i);
            d->q[i].of[r] = at.scale * d->levels[r][*code_at(d, r, i)] + at.min;
            miss.of[r] = d->q[i].of[r] - group_row(d->g, d->en, r)[i];
        }
        move_column(d, i, &miss);
    }
}

/* ---- scales and minimums ---- */

/* What the weights of a block are made of: q = scale * part + the rest. */
static void load_parts(const descent *d, size_t begin, size_t end, bool is_min, lanes *parts) {
    memset(parts, 0, (end - begin) * sizeof *parts);
    for (size_t i = begin; i < end; i++) {
        for (size_t r = 0; r < d->g->rows; r++) parts[i - begin].of[r] = is_min ? 1 : d->levels[r][*code_at(d, r, i)];
    }
}

/* The step of each row's scale that is best alone: - (part . pull) / (part . H part). */
static lanes best_step(const descent *d, size_t begin, size_t end, const lanes *parts) {
    lanes gain = {{0}}, cost = {{0}}, step = {{0}};
    for (size_t i = begin; i < end; i++) {
        const float *h = products_row(d, i) + begin;
        lanes row = {{0}};
        for (size_t j = 0; j < end - begin; j++) {
            for (size_t r = 0; r < TILE_ROWS; r++) row.of[r] += h[j] * parts[j].of[r];
        }
        for (size_t r = 0; r < TILE_ROWS; r++) {
            cost.of[r] += parts[i - begin].of[r] * row.of[r];
            gain.of[r] += parts[i - begin].of[r] * d->pull[i].of[r];
        }
    }
    for (size_t r = 0; r < TILE_ROWS; r++) step.of[r] = cost.of[r] > 0 ? -gain.of[r] / cost.of[r] : 0;
    return step;
}

/* Moves the scales, or the minimums, of one block in each row. */
static void move_scales(descent *d, size_t begin, size_t end, bool is_min) {
    lanes parts[128];
    load_parts(d, begin, end, is_min, parts);
    const lanes step = best_step(d, begin, end, parts);
    for (size_t r = 0; r < d->g->rows; r++) {
        grid *at = grid_at(d, r, begin);
        if (is_min) {
            at->min += step.of[r];
        } else {
            at->scale += step.of[r];
        }
        *at = grid_stored(&d->en->format, *at);
    }
    for (size_t i = begin; i < end; i++) {
        lanes change = {{0}};
        for (size_t r = 0; r < d->g->rows; r++) {
            const grid at = *grid_at(d, r, i);
            const float now = at.scale * d->levels[r][*code_at(d, r, i)] + at.min;
            change.of[r] = now - d->q[i].of[r];
            d->q[i].of[r] = now;
        }
        move_column(d, i, &change);
    }
}

static void sweep_scales(descent *d) {
    const size_t span = encoder_span(d->en);
    if (d->en->format.grain != GRAIN_BLOCK) return;
    for (size_t begin = 0; begin < d->en->k; begin += span) {
        const size_t end = begin + span < d->en->k ? begin + span : d->en->k;
        move_scales(d, begin, end, false);
        if (d->en->format.has_min) move_scales(d, begin, end, true);
    }
}

/* ---- codes ---- */

static void sweep_codes(descent *d) {
    const format *f = &d->en->format;
    for (size_t i = 0; i < d->en->k; i++) {
        const float by = 1 / products_row(d, i)[i];
        lanes change = {{0}};
        bool moved = false;
        for (size_t r = 0; r < d->g->rows; r++) {
            const grid at = *grid_at(d, r, i);
            const float wanted = d->q[i].of[r] - d->pull[i].of[r] * by;
            uint8_t *code = code_at(d, r, i), next;
            f->family->assign(f, group_book(d->g, d->en, r), at, &wanted, 1, &next);
            if (next == *code) continue;
            *code = next;
            const float now = at.scale * d->levels[r][next] + at.min;
            change.of[r] = now - d->q[i].of[r];
            d->q[i].of[r] = now;
            moved = true;
        }
        if (moved) move_column(d, i, &change);
    }
}

void polish_group(const encoder *en, group *g, int sweeps) {
    descent d = {.en = en, .g = g, .q = (lanes *)g->columns, .pull = (lanes *)(g->columns + en->k * TILE_ROWS)};
    start(&d);
    for (int s = 0; s < sweeps; s++) {
        sweep_scales(&d);
        sweep_codes(&d);
    }
}
