#include "engine/phase.h"

#include <string.h>

#include "file/input.h"

phase phase_of(session *s, int thread, size_t first, size_t n) {
    return (phase){.s = s, .w = &s->workers[thread], .thread = thread, .first = first, .n = n, .x = s->x + first * s->hidden};
}

void step_end(const phase *p, profile_step step) {
    if (p->s->profile) profile_end(p->s->profile, p->thread, step);
}

void barrier(const phase *p, profile_step step) {
    step_end(p, step);
    pool_barrier(p->s->pool, p->thread);
    step_end(p, STEP_WAIT);
}

void barrier_if(const phase *p, bool needed, profile_step step) {
    if (needed) {
        barrier(p, step);
    } else {
        step_end(p, step);
    }
}

range tokens_of(const phase *p) {
    return alone(p) ? (range){0, 1} : pool_share(p->n, p->s->kernels->panel, p->thread, p->s->threads);
}

product product_of(const phase *p, const activation *input) {
    return (product){.kernels = p->s->kernels, .input = input, .n = p->n, .scratch = p->w->linear};
}

bool take(const phase *p, taking *t) {
    return pool_take(p->s->pool, p->thread, t);
}

range block_at(const phase *p, size_t group, size_t end) {
    const size_t blocks = p->s->batch / p->n, step = BLOCK_ROWS / TILE_ROWS * (blocks ? blocks : 1);
    return (range){group, group + step < end ? group + step : end};
}

/* ---- what an observer is given ---- */

void observe(const phase *p, size_t input, const float *x, size_t ld, range channels) {
    const session *s = p->s;
    if (!s->observer || channels.begin >= channels.end) return;
    const observation seen = {input, s->position + p->first, p->n, channels.begin, channels.end - channels.begin, x, ld};
    s->observer->take(s->observer->context, p->thread, &seen);
}

void observe_share(const phase *p, size_t input, const float *x, size_t ld) {
    if (!p->s->observer) return;
    const range mine = pool_share(input_width(p->s->spec, input), TILE_ROWS, p->thread, p->s->threads);
    observe(p, input, x + mine.begin, ld, mine);
}

/* ---- products ---- */

void multiply(const phase *p, const result *results, size_t count) {
    const product with = product_of(p, input_of(p));
    for (taking t = {0}; take(p, &t);) {
        for (size_t i = 0; i < count; i++) {
            const range groups = linear_taken(results, count, i, &t);
            if (groups.begin < groups.end) linear_rows(results[i].of, &with, groups, results[i].y + groups.begin * TILE_ROWS, results[i].ld);
        }
    }
}

static void land_groups(const phase *p, const linear *l, const product *with, range mine, land_fn *land) {
    for (range g = block_at(p, mine.begin, mine.end); g.begin < g.end; g = block_at(p, g.end, mine.end)) {
        const size_t rows = rows_in(g);
        linear_rows(l, with, g, p->w->gate, rows);
        for (size_t t = 0; t < p->n; t++) land(p->s, (p->first + t) * p->s->hidden + g.begin * TILE_ROWS, p->w->gate + t * rows, rows);
    }
}

void land_product(const phase *p, const linear *l, const activation *input, land_fn *land) {
    const product with = product_of(p, input);
    for (taking t = {0}; take(p, &t);) land_groups(p, l, &with, pool_taken(l->w->layout.groups, LINEAR_GROUPS, &t), land);
}

static void scale_residual(const session *s, float *y, size_t rows) {
    if (s->spec->residual_scale != 1) s->kernels->scale(y, s->spec->residual_scale, rows);
}

void land_add(const session *s, size_t at, float *y, size_t rows) {
    scale_residual(s, y, rows);
    s->kernels->add(s->x + at, y, rows);
}

void land_aside(const session *s, size_t at, float *y, size_t rows) {
    memcpy(s->aside + at, y, rows * sizeof *y);
}

void land_both(const session *s, size_t at, float *y, size_t rows) {
    s->kernels->add(y, s->aside + at, rows);
    land_add(s, at, y, rows);
}
