/* The MLP of a layer: down(act(gate x) * up x), or down(act(up x)) if it has no gate. Between its two halves the inner vector exists only in blocks of
 * rows that a thread multiplies, activates and encodes at once. */
#include <math.h>
#include <string.h>

#include "engine/phase.h"

/* gate = act(gate) * up for a token's block of rows */
static void activate(const session *s, float *gate, float *up, size_t rows) {
    const float limit = s->spec->mlp_limit;
    if (limit > 0) {
        s->kernels->clamp(gate, -INFINITY, limit, rows);
        s->kernels->clamp(up, -limit, limit, rows);
    }
    s->gated(gate, gate, up, rows);
}

void mlp_inner_rows(const phase *p, const mlp *m, const product *with, range groups, size_t ld) {
    const session *s = p->s;
    const size_t rows = rows_in(groups);
    worker *w = p->w;
    linear_rows(m->gate.w ? &m->gate : &m->up, with, groups, w->gate, ld);
    if (m->gate.w) {
        linear_rows(&m->up, with, groups, w->up, ld);
        for (size_t t = 0; t < with->n; t++) activate(s, w->gate + t * ld, w->up + t * ld, rows);
    } else {
        for (size_t t = 0; t < with->n; t++) s->plain(w->gate + t * ld, w->gate + t * ld, rows);
    }
}

/* Row groups of the next input, to be encoded when all of it is there. */
static void keep_rows(const phase *p, range groups, const float *x, size_t ld) {
    const session *s = p->s;
    for (size_t t = 0; t < p->n; t++) {
        memcpy(s->gated_rows + t * s->inner + groups.begin * TILE_ROWS, x + t * ld, rows_in(groups) * sizeof *x);
    }
}

/* What has been kept is encoded by whole tokens. */
static void encode_kept(const phase *p, const mlp *m) {
    const session *s = p->s;
    const range mine = pool_share(p->n, s->kernels->panel, p->thread, s->threads);
    const activation_part part = {.n = p->n, .k = m->down.w->k, .t0 = mine.begin, .t1 = mine.end, .tile1 = m->down.w->layout.tiles};
    activation_encode(&s->down, s->kernels, &m->inner_in, part, s->gated_rows + mine.begin * s->inner, s->inner);
    barrier(p, STEP_NORM);
}

static void inner_groups(const phase *p, const mlp *m, const product *with, range mine, size_t input) {
    const session *s = p->s;
    const size_t inner = m->up.w->rows;
    for (range g = block_at(p, mine.begin, mine.end); g.begin < g.end; g = block_at(p, g.end, mine.end)) {
        const size_t begin = g.begin * TILE_ROWS, end = g.end * TILE_ROWS, ld = round_up(end - begin, TILE_K), tile = begin / TILE_K;
        mlp_inner_rows(p, m, with, g, ld);
        const activation_part part = {.n = p->n, .k = inner, .t1 = p->n, .tile0 = tile, .tile1 = tile + ld / TILE_K};
        if (encodes_tokens(m->inner_in.codes)) {
            keep_rows(p, g, p->w->gate, ld);
        } else {
            activation_encode(&s->down, s->kernels, &m->inner_in, part, p->w->gate, ld);
        }
        observe(p, input, p->w->gate, ld, (range){begin, end < inner ? end : inner});
    }
}

/* down = encode(act(gate input) * (up input)), in blocks of whole tiles of the next product */
static void run_inner(const phase *p, const mlp *m, size_t input) {
    const product with = product_of(p, input_of(p));
    for (taking t = {0}; take(p, &t);) inner_groups(p, m, &with, pool_taken(m->up.w->layout.groups, BLOCK_ROWS / TILE_ROWS, &t), input);
}

void mlp_run(const phase *p, const mlp *m, size_t input) {
    run_inner(p, m, input);
    barrier(p, STEP_GATE_UP);
    if (encodes_tokens(m->inner_in.codes)) encode_kept(p, m);
    land_product(p, &m->down, &p->s->down, p->s->land_mlp);
}
