#include "engine/experts.h"

#include <stdlib.h>
#include <string.h>

/* ---- what a layer has ---- */

static status find_one(mlp *out, const mlp_weights *m, const char *how, const kernels *k, error *e) {
    TRY(linear_of(&out->gate, m->gate, how, k, e));
    TRY(linear_of(&out->up, m->up, how, k, e));
    TRY(linear_of(&out->down, m->down, how, k, e));
    const linear *const down = &out->down;
    out->inner_in = linear_encoding(&down, 1);
    return OK;
}

status experts_open(experts **out, const layer *l, const spec *s, const char *activations, const kernels *k, error *e) {
    experts *x = *out = calloc(1, sizeof *x);
    const size_t all = s->n_experts + (s->shared_intermediate > 0);
    if (x) x->of = calloc(all, sizeof *x->of);
    if (!x || !x->of) return fail(e, E_MEMORY, "no memory for %zu experts", all);
    x->n = s->n_experts;
    x->shared = s->shared_intermediate > 0;
    x->shared_gate = l->experts->shared_gate;
    TRY(linear_of(&x->router, l->experts->router, NULL, k, e));
    for (size_t i = 0; i < all; i++) TRY(find_one(&x->of[i], &l->experts->of[i], activations, k, e));
    return OK;
}

void experts_close(experts **x) {
    if (*x) free((*x)->of);
    free(*x);
    *x = NULL;
}

static void merge(encoding *all, const linear *l) {
    const encoding one = linear_encoding(&l, 1);
    all->codes |= one.codes;
    if (!act_is_static(l->format.act)) return;
    all->act_scale = one.act_scale;
    all->act_center = one.act_center;
}

encoding experts_input(const experts *x) {
    encoding all = {0};
    merge(&all, &x->router);
    for (size_t i = 0; i < x->n + x->shared; i++) {
        merge(&all, &x->of[i].gate);
        merge(&all, &x->of[i].up);
    }
    return all;
}

unsigned experts_inner_codes(const experts *x) {
    unsigned codes = 0;
    for (size_t i = 0; i < x->n + x->shared; i++) codes |= x->of[i].inner_in.codes;
    return codes;
}

void experts_layout(session *s, arena *a, unsigned input_codes, unsigned inner_codes) {
    const spec *sp = s->spec;
    expert_room *r = &s->experts;
    const size_t seats = s->batch * sp->experts_per_token, all = seats + s->batch, f = sizeof(float);
    const size_t wide = sp->expert_intermediate > sp->shared_intermediate ? sp->expert_intermediate : sp->shared_intermediate;
    r->scores_ld = round_up(sp->n_experts, TILE_ROWS);
    r->weights_ld = round_up(sp->experts_per_token + 1, TILE_ROWS);
    r->scores = arena_take(a, s->batch * r->scores_ld, f);
    r->chosen = arena_take(a, seats, sizeof *r->chosen);
    r->weights = arena_take(a, s->batch * r->weights_ld, f);
    r->counts = arena_take(a, sp->n_experts, sizeof *r->counts);
    r->tokens = arena_take(a, all, sizeof *r->tokens);
    r->shares = arena_take(a, all, f);
    activation_layout_apart(&r->inputs, a, input_codes, seats, sp->hidden);
    activation_layout_apart(&r->inners, a, inner_codes, seats, sp->expert_intermediate);
    activation_layout(&r->shared, a, sp->shared_intermediate ? inner_codes : 0, s->batch, sp->shared_intermediate);
    r->kept_ld = round_up(wide, TILE_K);
    r->kept = encodes_tokens(inner_codes) ? arena_take(a, all * r->kept_ld, f) : NULL;
    r->tasks = arena_take(a, sp->n_experts + 1, sizeof *r->tasks);
}

/* ---- the choice ---- */

/* A token's normalised x. */
static const float *normalised(const phase *p, const block *b, size_t t) {
    if (!alone(p)) return p->s->seen + t * p->s->hidden;
    return b->of->mlp_norm.gain ? p->w->rows : p->x;
}

/* In double and in order: the same on every CPU. */
static float gate_of_shared(const session *s, const float *gate, const float *x) {
    _Alignas(64) float power[TILE_ROWS] = {0};
    double sum = 0;
    for (size_t i = 0; i < s->spec->hidden; i++) sum += (double)gate[i] * (double)x[i];
    power[0] = (float)-sum;
    s->kernels->exp(power, power, TILE_ROWS);
    return 1 / (1 + power[0]);
}

/* ids[k]: the largest scores, the first of equal ones before the others. */
static void find_largest(const float *scores, size_t n, uint32_t *ids, size_t k) {
    size_t have = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = have < k ? have++ : k;
        if (at == k && !(scores[i] > scores[ids[k - 1]])) continue;
        if (at == k) at--;
        for (; at > 0 && scores[i] > scores[ids[at - 1]]; at--) ids[at] = ids[at - 1];
        ids[at] = (uint32_t)i;
    }
}

/* Weights of the chosen: softmax over them, or their part of that over all. */
static void weigh(const session *s, const float *scores, const uint32_t *ids, float *weights, size_t ld) {
    const size_t k = s->spec->experts_per_token;
    const float most = scores[ids[0]];
    double sum = 0;
    for (size_t i = 0; i < ld; i++) weights[i] = i < k ? scores[ids[i]] - most : 0;
    s->kernels->exp(weights, weights, ld);
    for (size_t i = 0; i < k; i++) sum += (double)weights[i];
    if (!s->spec->experts_normalized) sum = s->kernels->sum_exp(scores, s->spec->n_experts, most);
    for (size_t i = 0; i < k; i++) weights[i] = (float)((double)weights[i] / sum);
}

static void choose(const phase *p, const block *b) {
    const session *s = p->s;
    const expert_room *r = &s->experts;
    const experts *x = b->experts;
    const size_t k = s->spec->experts_per_token;
    const range none = {0, 0}, mine = alone(p) ? p->thread == 0 ? (range){0, 1} : none : pool_share(p->n, 1, p->thread, s->threads);
    for (size_t t = mine.begin; t < mine.end; t++) {
        const float *scores = r->scores + t * r->scores_ld;
        float *weights = r->weights + t * r->weights_ld;
        find_largest(scores, x->n, r->chosen + t * k, k);
        weigh(s, scores, r->chosen + t * k, weights, r->weights_ld);
        if (x->shared) weights[k] = x->shared_gate ? gate_of_shared(s, x->shared_gate, normalised(p, b, t)) : 1;
    }
    barrier_if(p, !alone(p), STEP_GATE_UP);
}

/* ---- tasks ---- */

static void add_task(session *s, const mlp *m, size_t first, size_t n, const activation *inner) {
    expert_room *r = &s->experts;
    r->tasks[r->n_tasks++] = (expert_task){
        .mlp = m,
        .first = first,
        .n = n,
        .input = activation_apart(&r->inputs, first, s->spec->hidden),
        .inner = *inner,
    };
}

/* Seats of an expert lie together, its tokens in their order; experts in the order of their numbers, the shared one last. */
static void deal(const phase *p, const experts *x) {
    session *s = p->s;
    expert_room *r = &s->experts;
    const size_t k = s->spec->experts_per_token;
    size_t next = 0;
    r->n_tasks = 0;
    memset(r->counts, 0, x->n * sizeof *r->counts);
    for (size_t i = 0; i < p->n * k; i++) r->counts[r->chosen[i]]++;
    for (size_t i = 0; i < x->n; i++) {
        const size_t n = r->counts[i];
        const activation inner = activation_apart(&r->inners, next, s->spec->expert_intermediate);
        r->counts[i] = next; /* of its next seat */
        if (n) add_task(s, &x->of[i], next, n, &inner);
        next += n;
    }
    for (size_t i = 0; i < p->n * k; i++) {
        const size_t seat = r->counts[r->chosen[i]]++;
        r->tokens[seat] = (uint32_t)(i / k);
        r->shares[seat] = r->weights[i / k * r->weights_ld + i % k];
    }
    for (size_t t = 0; x->shared && t < p->n; t++) {
        r->tokens[next + t] = (uint32_t)t;
        r->shares[next + t] = r->weights[t * r->weights_ld + k];
    }
    if (x->shared) add_task(s, &x->of[x->n], next, p->n, &r->shared);
}

static bool is_shared(const experts *x, const expert_task *t) {
    return t->mlp == x->of + x->n;
}

static const activation *task_input(const phase *p, const experts *x, const expert_task *t) {
    return alone(p) || is_shared(x, t) ? input_of(p) : &t->input;
}

static product task_product(const phase *p, const expert_task *t, const activation *input) {
    return (product){.kernels = p->s->kernels, .input = input, .n = t->n, .scratch = p->w->linear};
}

/* ---- work on tasks: units of all of them in a row, cut as one ---- */

typedef void unit_fn(const phase *p, const block *b, const expert_task *t, range units);
typedef size_t count_fn(const phase *p, const block *b, const expert_task *t);

static void share_units(const phase *p, const block *b, count_fn *count, unit_fn *run) {
    const expert_room *r = &p->s->experts;
    size_t all = 0;
    for (size_t i = 0; i < r->n_tasks; i++) all += count(p, b, &r->tasks[i]);
    for (taking taken = {0}; pool_take(p->s->pool, p->thread, &taken);) {
        const range mine = pool_taken(all, 1, &taken);
        size_t first = 0;
        for (size_t i = 0; i < r->n_tasks && first < mine.end; i++) {
            const size_t n = count(p, b, &r->tasks[i]), end = first + n;
            const size_t from = mine.begin > first ? mine.begin : first, to = mine.end < end ? mine.end : end;
            if (from < to) run(p, b, &r->tasks[i], (range){from - first, to - first});
            first = end;
        }
    }
}

/* Panels of tokens that are to be gathered. */
static size_t panels_of(const phase *p, const block *b, const expert_task *t) {
    return is_shared(b->experts, t) ? 0 : (t->n + p->s->kernels->panel - 1) / p->s->kernels->panel;
}

/* input = encode(the tokens of these seats) */
static void gather(const phase *p, const block *b, const expert_task *t, range panels) {
    const session *s = p->s;
    const size_t panel = s->kernels->panel, hidden = s->hidden;
    for (size_t i = panels.begin; i < panels.end; i++) {
        const size_t t0 = i * panel, t1 = t0 + panel < t->n ? t0 + panel : t->n;
        for (size_t j = t0; j < t1; j++) {
            memcpy(p->w->rows + (j - t0) * hidden, s->seen + s->experts.tokens[t->first + j] * hidden, hidden * sizeof(float));
        }
        const activation_part part = {.n = t->n, .k = s->spec->hidden, .t0 = t0, .t1 = t1, .tile1 = hidden / TILE_K};
        activation_encode(&t->input, s->kernels, &b->mlp_in, part, p->w->rows, hidden);
    }
}

/* Blocks of rows that make a tile of the next input. */
static size_t blocks_of(const phase *p, const block *b, const expert_task *t) {
    (void)p, (void)b;
    return t->mlp->down.w->layout.tiles;
}

/* inner = encode(act(gate input) * (up input)) for these blocks */
static void fill_inner(const phase *p, const block *b, const expert_task *t, range blocks) {
    const session *s = p->s;
    const mlp *m = t->mlp;
    const size_t per = BLOCK_ROWS / TILE_ROWS, ends = blocks.end * per, groups = m->up.w->layout.groups, ld = BLOCK_ROWS;
    const product with = task_product(p, t, task_input(p, b->experts, t));
    for (size_t g = blocks.begin * per; g < ends; g += per) {
        const range mine = {g, g + per < groups ? g + per : groups};
        const size_t tile = g / per, rows = rows_in(mine);
        mlp_inner_rows(p, m, &with, mine, ld);
        if (s->experts.kept && encodes_tokens(m->inner_in.codes)) {
            float *to = s->experts.kept + t->first * s->experts.kept_ld + tile * TILE_K;
            for (size_t i = 0; i < t->n; i++) memcpy(to + i * s->experts.kept_ld, p->w->gate + i * ld, rows * sizeof *to);
            continue;
        }
        const activation_part part = {.n = t->n, .k = m->up.w->rows, .t1 = t->n, .tile0 = tile, .tile1 = tile + 1};
        activation_encode(&t->inner, s->kernels, &m->inner_in, part, p->w->gate, ld);
    }
}

static size_t kept_panels(const phase *p, const block *b, const expert_task *t) {
    (void)b;
    return encodes_tokens(t->mlp->inner_in.codes) ? (t->n + p->s->kernels->panel - 1) / p->s->kernels->panel : 0;
}

/* What has been kept is encoded by whole tokens. */
static void encode_kept(const phase *p, const block *b, const expert_task *t, range panels) {
    const session *s = p->s;
    const size_t panel = s->kernels->panel, t0 = panels.begin * panel, end = panels.end * panel, t1 = end < t->n ? end : t->n;
    const activation_part part = {.n = t->n, .k = t->mlp->up.w->rows, .t0 = t0, .t1 = t1, .tile1 = t->mlp->down.w->layout.tiles};
    (void)b;
    activation_encode(&t->inner, s->kernels, &t->mlp->inner_in, part, s->experts.kept + (t->first + t0) * s->experts.kept_ld, s->experts.kept_ld);
}

/* ---- the sum ---- */

/* w->up [n][rows] = the weighted sum of what the experts make of the tokens, for the rows of these groups */
static void sum_results(const phase *p, range groups) {
    const session *s = p->s;
    const expert_room *r = &s->experts;
    const size_t rows = rows_in(groups);
    memset(p->w->up, 0, p->n * rows * sizeof *p->w->up);
    for (size_t i = 0; i < r->n_tasks; i++) {
        const expert_task *t = &r->tasks[i];
        const product with = task_product(p, t, &t->inner);
        linear_rows(&t->mlp->down, &with, groups, p->w->gate, rows);
        for (size_t j = 0; j < t->n; j++) {
            s->kernels->scale(p->w->gate + j * rows, r->shares[t->first + j], rows);
            s->kernels->add(p->w->up + r->tokens[t->first + j] * rows, p->w->gate + j * rows, rows);
        }
    }
}

static void land_results(const phase *p, const block *b) {
    const session *s = p->s;
    const size_t groups = b->experts->of[0].down.w->layout.groups;
    for (taking taken = {0}; pool_take(p->s->pool, p->thread, &taken);) {
        const range mine = pool_taken(groups, 1, &taken);
        for (range g = block_at(p, mine.begin, mine.end); g.begin < g.end; g = block_at(p, g.end, mine.end)) {
            const size_t rows = rows_in(g);
            sum_results(p, g);
            for (size_t t = 0; t < p->n; t++) s->land_mlp(s, (p->first + t) * s->hidden + g.begin * TILE_ROWS, p->w->up + t * rows, rows);
        }
    }
}

void experts_run(const phase *p, const block *b) {
    expert_room *r = &p->s->experts;
    multiply(p, &(result){&b->experts->router, r->scores, r->scores_ld}, 1);
    barrier(p, STEP_GATE_UP);
    choose(p, b);
    if (p->thread == 0) deal(p, b->experts);
    barrier(p, STEP_GATE_UP);
    if (!alone(p)) {
        share_units(p, b, panels_of, gather);
        barrier(p, STEP_NORM);
    }
    share_units(p, b, blocks_of, fill_inner);
    barrier(p, STEP_GATE_UP);
    if (r->kept) {
        share_units(p, b, kept_panels, encode_kept);
        barrier(p, STEP_NORM);
    }
    land_results(p, b);
}
