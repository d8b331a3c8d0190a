/* The forward pass of a batch of tokens, as every thread of the pool runs it. Read forward() first: it is the transformer, a line a step.
 *
 * Threads share the rows of a product and the tokens of everything else, always by position, and meet at barriers where one needs what
 * another has made. A single token is normalised and encoded by every thread for itself: that is quicker than to wait. */
#include <string.h>

#include "engine/rotation.h"
#include "engine/state.h"
#include "file/input.h"

/* What a phase works with: tokens [first, first + n) of the batch. */
typedef struct phase {
    session *s;
    worker *w;
    int thread;
    size_t first, n;
    float *x; /* [n][hidden], their residual stream */
} phase;

static phase phase_of(session *s, int thread, size_t first, size_t n) {
    return (phase){.s = s, .w = &s->workers[thread], .thread = thread, .first = first, .n = n, .x = s->x + first * s->hidden};
}

/* A step is done by this thread. */
static void done(const phase *p, profile_step step) {
    if (p->s->profile) profile_end(p->s->profile, p->thread, step);
}

/* ... and by all. */
static void barrier(const phase *p, profile_step step) {
    done(p, step);
    pool_barrier(p->s->pool, p->thread);
    done(p, STEP_WAIT);
}

static void barrier_if(const phase *p, bool needed, profile_step step) {
    if (needed) {
        barrier(p, step);
    } else {
        done(p, step);
    }
}

/* One token: each thread has all of it. */
static bool alone(const phase *p) {
    return p->n == 1;
}

static const activation *input_of(const phase *p) {
    return alone(p) ? &p->w->input : &p->s->input;
}

static range tokens_of(const phase *p) {
    return alone(p) ? (range){0, 1} : pool_share(p->n, p->s->kernels->panel, p->thread, p->s->threads);
}

static product product_of(const phase *p, const activation *input) {
    return (product){.kernels = p->s->kernels, .input = input, .n = p->n, .scratch = p->w->linear};
}

static bool take(const phase *p, taking *t) {
    return pool_take(p->s->pool, p->thread, t);
}

/* x = E[ids], and the rotations of the tokens' positions */
static void embed(const phase *p) {
    session *s = p->s;
    const tensor *e = s->model->embed.w;
    const range mine = pool_share(p->n, 1, p->thread, s->threads);
    for (size_t t = mine.begin; t < mine.end; t++) {
        format_decode_row(&e->format, &e->layout, e->data, (size_t)s->ids[t], s->spec->hidden, p->x + t * s->hidden);
        rotation_table(s->table + t * s->spec->rope_dims, s->spec->rope_inverse, s->spec->rope_dims / 2, s->spec->rope_attention, s->position + t);
    }
}

/* ---- what an observer is given ---- */

/* Channels of an input; x[0] is the first of them of the phase's first token. */
static void observe(const phase *p, size_t input, const float *x, size_t ld, range channels) {
    const session *s = p->s;
    if (channels.begin >= channels.end) return;
    const observation seen = {input, s->position + p->first, p->n, channels.begin, channels.end - channels.begin, x, ld};
    s->observer->take(s->observer->context, p->thread, &seen);
}

/* The thread's share of the channels of an input that all threads see whole. */
static void observe_share(const phase *p, size_t input, const float *x, size_t ld) {
    if (!p->s->observer) return;
    const range mine = pool_share(input_width(p->s->spec, input), TILE_ROWS, p->thread, p->s->threads);
    observe(p, input, x + mine.begin, ld, mine);
}

/* ---- steps ---- */

/* input = encode(norm(x)) */
static void normalize(const phase *p, const float *gain, const encoding *how, size_t input) {
    const session *s = p->s;
    const size_t hidden = s->spec->hidden, panel = s->kernels->panel;
    const range mine = tokens_of(p);
    for (size_t t0 = mine.begin; t0 < mine.end; t0 += panel) {
        const size_t t1 = t0 + panel < mine.end ? t0 + panel : mine.end;
        for (size_t t = t0; t < t1; t++)
            s->kernels->rmsnorm(p->w->rows + (t - t0) * s->hidden, p->x + t * s->hidden, gain, hidden, s->spec->norm_eps);
        const activation_part part = {.n = p->n, .k = hidden, .t0 = t0, .t1 = t1, .tile1 = s->hidden / TILE_K};
        activation_encode(input_of(p), s->kernels, how, part, p->w->rows, s->hidden);
        if (s->seen && !alone(p)) memcpy(s->seen + t0 * s->hidden, p->w->rows, (t1 - t0) * s->hidden * sizeof *s->seen);
    }
    barrier_if(p, !alone(p), STEP_NORM);
    observe_share(p, input, alone(p) ? p->w->rows : s->seen, s->hidden);
}

/* input = encode(the heads' results) */
static void encode_heads(const phase *p, const encoding *how, size_t input) {
    const session *s = p->s;
    const range mine = tokens_of(p);
    const activation_part part = {
        .n = p->n, .k = (size_t)s->spec->heads * s->spec->head_dim, .t0 = mine.begin, .t1 = mine.end, .tile1 = s->query / TILE_K};
    activation_encode(input_of(p), s->kernels, how, part, s->q + (p->first + mine.begin) * s->query, s->query);
    barrier_if(p, !alone(p), STEP_NORM);
    observe_share(p, input, s->q + p->first * s->query, s->query);
}

/* y = W input (+ bias) for products that share their input; they are cut by their bytes, as if they were one. */
static void multiply(const phase *p, const result *results, size_t count) {
    const product with = product_of(p, input_of(p));
    for (taking t = {0}; take(p, &t);) {
        for (size_t i = 0; i < count; i++) {
            const range groups = linear_taken(results, count, i, &t);
            if (groups.begin < groups.end) linear_rows(results[i].of, &with, groups, results[i].y + groups.begin * TILE_ROWS, results[i].ld);
        }
    }
}

static void multiply_queries_keys_values(const phase *p, const block *b) {
    const session *s = p->s;
    const result results[] = {{&b->q, s->q, s->query}, {&b->k, s->k, s->key}, {&b->v, s->v, s->key}};
    multiply(p, results, sizeof results / sizeof *results);
}

/* The row groups that are finished together: all that a thread's room can hold for these tokens. */
static range block_at(const phase *p, size_t group, size_t end) {
    const size_t blocks = p->s->batch / p->n, step = BLOCK_ROWS / TILE_ROWS * (blocks ? blocks : 1);
    return (range){group, group + step < end ? group + step : end};
}

static size_t rows_in(range groups) {
    return (groups.end - groups.begin) * TILE_ROWS;
}

static void add_groups(const phase *p, const linear *l, const product *with, range mine) {
    const session *s = p->s;
    for (range g = block_at(p, mine.begin, mine.end); g.begin < g.end; g = block_at(p, g.end, mine.end)) {
        const size_t rows = rows_in(g);
        linear_rows(l, with, g, p->w->gate, rows);
        for (size_t t = 0; t < p->n; t++) s->kernels->add(p->x + t * s->hidden + g.begin * TILE_ROWS, p->w->gate + t * rows, rows);
    }
}

/* x += W input (+ bias) */
static void add_product(const phase *p, const linear *l, const activation *input) {
    const product with = product_of(p, input);
    for (taking t = {0}; take(p, &t);) add_groups(p, l, &with, pool_taken(l->w->layout.groups, 1, &t));
}

/* Row groups of the next input, to be encoded when all of it is there. */
static void keep_gated(const phase *p, range groups, const float *x, size_t ld) {
    const session *s = p->s;
    for (size_t t = 0; t < p->n; t++) {
        memcpy(s->gated + t * s->inner + groups.begin * TILE_ROWS, x + t * ld, rows_in(groups) * sizeof *x);
    }
}

/* What has been kept is encoded by whole tokens. */
static void encode_gated(const phase *p, const block *b) {
    const session *s = p->s;
    const range mine = pool_share(p->n, s->kernels->panel, p->thread, s->threads);
    const activation_part part = {.n = p->n, .k = s->spec->intermediate, .t0 = mine.begin, .t1 = mine.end, .tile1 = s->inner / TILE_K};
    activation_encode(&s->down, s->kernels, &b->inner_in, part, s->gated + mine.begin * s->inner, s->inner);
    barrier(p, STEP_NORM);
}

static void gate_groups(const phase *p, const block *b, const product *with, range mine, size_t input) {
    const session *s = p->s;
    for (range g = block_at(p, mine.begin, mine.end); g.begin < g.end; g = block_at(p, g.end, mine.end)) {
        const size_t rows = rows_in(g), ld = round_up(rows, TILE_K), tile = g.begin * TILE_ROWS / TILE_K;
        linear_rows(&b->gate, with, g, p->w->gate, ld);
        linear_rows(&b->up, with, g, p->w->up, ld);
        for (size_t t = 0; t < p->n; t++) s->gate.run(p->w->gate + t * ld, p->w->gate + t * ld, p->w->up + t * ld, rows);
        if (encodes_tokens(b->inner_in.codes)) keep_gated(p, g, p->w->gate, ld);
        const activation_part part = {.n = p->n, .k = s->spec->intermediate, .t1 = p->n, .tile0 = tile, .tile1 = tile + ld / TILE_K};
        if (!encodes_tokens(b->inner_in.codes)) activation_encode(&s->down, s->kernels, &b->inner_in, part, p->w->gate, ld);
        const size_t begin = g.begin * TILE_ROWS, end = g.end * TILE_ROWS, inner = s->spec->intermediate;
        if (s->observer) observe(p, input, p->w->gate, ld, (range){begin, end < inner ? end : inner});
    }
}

/* down = encode(act(gate input) * (up input)), in blocks of whole tiles of the next product */
static void gate_up(const phase *p, const block *b, size_t input) {
    const product with = product_of(p, input_of(p));
    for (taking t = {0}; take(p, &t);) gate_groups(p, b, &with, pool_taken(b->gate.w->layout.groups, BLOCK_ROWS / TILE_ROWS, &t), input);
}

/* Logits of the tokens from s->wanted on, in slices; each row goes to the sink from one thread, the last row stays. */
static void compute_logits(session *s, int thread) {
    for (size_t t0 = s->wanted; t0 < s->n; t0 += s->slice) {
        const size_t left = s->n - t0, n = left < s->slice ? left : s->slice, width = logits_width(s);
        const phase p = phase_of(s, thread, t0, n);
        normalize(&p, s->model->final_norm, &s->head_in, input_count(s->spec) - 1);
        if (t0 + n > s->scored) multiply(&p, &(result){&s->head, s->logits, width}, 1);
        barrier(&p, STEP_HEAD);
        if (!s->sink) continue;
        const range rows = pool_share(n, 1, thread, s->threads);
        for (size_t t = rows.begin; t < rows.end; t++) {
            const size_t position = s->position + t0 + t;
            if (position >= s->sink->first) s->sink->row(s->sink->context, position, s->logits + t * width);
        }
        barrier(&p, STEP_HEAD); /* before the next slice takes the place of this one */
    }
}

/* Asked by one thread before a barrier, so that behind it all of them know the same. */
static void ask_to_stop(const phase *p) {
    if (p->thread == 0 && p->s->stopped) p->s->halt = p->s->stopped();
}

void forward(void *context, int thread) {
    session *s = context;
    phase p = phase_of(s, thread, 0, s->n);
    if (s->profile) profile_start(s->profile, thread);
    embed(&p);
    barrier(&p, STEP_EMBED);
    for (size_t i = 0; i < s->spec->layers; i++) {
        const block *b = &s->blocks[i];
        normalize(&p, b->attn_norm, &b->attn_in, input_index(i, INPUT_ATTN));
        multiply_queries_keys_values(&p, b);
        barrier(&p, STEP_QKV);
        attention_store(s, b, thread);
        barrier_if(&p, attention_needs_barrier(s, b), STEP_STORE);
        if (i + 1 == s->spec->layers) p = phase_of(s, thread, s->wanted, s->n - s->wanted); /* of the others only keys and values are needed */
        if (p.n == 0) return;
        attention_run(s, b, p.first, thread);
        barrier(&p, STEP_ATTENTION);
        encode_heads(&p, &b->heads_in, input_index(i, INPUT_HEADS));
        add_product(&p, &b->o, input_of(&p));
        barrier(&p, STEP_O);
        normalize(&p, b->mlp_norm, &b->mlp_in, input_index(i, INPUT_MLP));
        gate_up(&p, b, input_index(i, INPUT_INNER));
        barrier(&p, STEP_GATE_UP);
        if (encodes_tokens(b->inner_in.codes)) encode_gated(&p, b);
        add_product(&p, &b->down, &s->down);
        ask_to_stop(&p);
        barrier(&p, STEP_DOWN);
        if (s->halt) return;
    }
    compute_logits(s, thread);
}
