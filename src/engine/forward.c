/* The forward pass of a batch of tokens, as every thread of the pool runs it. Read forward() first: it is the transformer, a line a step.
 *
 * Threads share the rows of a product and the tokens of everything else, always by position, and meet at barriers where one needs what
 * another has made. A single token is normalised and encoded by every thread for itself: that is quicker than to wait. */
#include <string.h>

#include "engine/experts.h"
#include "engine/rotation.h"
#include "file/input.h"

/* ---- steps ---- */

/* Each table's rotation of the positions of the batch. */
static void rotate_token(const session *s, size_t t) {
    const spec *sp = s->spec;
    const size_t pairs = sp->rope_dims / 2;
    for (size_t i = 0; pairs && i < sp->rope_tables; i++) {
        const float by = i == 0 ? sp->rope_attention : 1;
        rotation_table(s->tables + (i * s->batch + t) * sp->rope_dims, s->rope_inverse + i * pairs, pairs, by, s->position + t);
    }
}

/* x += positions[at], one row */
static void add_position(const phase *p, float *x, size_t at) {
    const session *s = p->s;
    const tensor *learned = s->model->positions;
    format_decode_row(&learned->format, &learned->layout, learned->data, at, s->spec->hidden, p->w->rows);
    s->kernels->add(x, p->w->rows, s->spec->hidden);
}

/* x = scale E[ids] (+ learned positions), and the rotations of the tokens' positions */
static void embed(const phase *p) {
    session *s = p->s;
    const tensor *e = s->model->embed.w;
    const range mine = pool_share(p->n, 1, p->thread, s->threads);
    for (size_t t = mine.begin; t < mine.end; t++) {
        float *x = p->x + t * s->hidden;
        format_decode_row(&e->format, &e->layout, e->data, (size_t)s->ids[t], s->spec->hidden, x);
        if (s->spec->embedding_scale != 1) s->kernels->scale(x, s->spec->embedding_scale, s->spec->hidden);
        if (s->model->positions) add_position(p, x, s->position + t);
        rotate_token(s, t);
    }
}

/* input = encode(norm(x)), or encode(x) where the spec has no norm */
static void normalize(const phase *p, const norm_gain *norm, const encoding *how, size_t input) {
    const session *s = p->s;
    const size_t hidden = s->spec->hidden, panel = s->kernels->panel;
    const range mine = tokens_of(p);
    const float *rows = p->x;
    for (size_t t0 = mine.begin; t0 < mine.end; t0 += panel) {
        const size_t t1 = t0 + panel < mine.end ? t0 + panel : mine.end;
        for (size_t t = t0; t < t1 && norm->gain; t++) {
            s->norm(s->kernels, p->w->rows + (t - t0) * s->hidden, p->x + t * s->hidden, norm, hidden, s->spec->norm_eps);
        }
        rows = norm->gain ? p->w->rows : p->x + t0 * s->hidden;
        const activation_part part = {.n = p->n, .k = hidden, .t0 = t0, .t1 = t1, .tile1 = s->hidden / TILE_K};
        activation_encode(input_of(p), s->kernels, how, part, rows, s->hidden);
        if (s->seen && !alone(p)) memcpy(s->seen + t0 * s->hidden, rows, (t1 - t0) * s->hidden * sizeof *s->seen);
    }
    barrier_if(p, !alone(p), STEP_NORM);
    observe_share(p, input, alone(p) ? rows : s->seen, s->hidden);
}

/* x += norm(what was kept aside). A single token is normalised by every thread, and each adds its share of the channels. */
static void add_normalized(const phase *p, const norm_gain *norm) {
    const session *s = p->s;
    const size_t hidden = s->spec->hidden;
    const range mine = tokens_of(p), all = {0, s->hidden}, channels = alone(p) ? pool_share(s->hidden, TILE_ROWS, p->thread, s->threads) : all;
    for (size_t t = mine.begin; t < mine.end; t++) {
        s->norm(s->kernels, p->w->rows, s->aside + (p->first + t) * s->hidden, norm, hidden, s->spec->norm_eps);
        land_add(s, (p->first + t) * s->hidden + channels.begin, p->w->rows + channels.begin, channels.end - channels.begin);
    }
    barrier(p, STEP_NORM);
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

static void multiply_queries_keys_values(const phase *p, const block *b) {
    const session *s = p->s;
    const result results[] = {{&b->q, s->q, s->query}, {&b->k, s->k, s->key}, {&b->v, s->v, s->key}};
    multiply(p, results, sizeof results / sizeof *results);
}

/* Whole projections are normalised, and what is too large is clipped: by tokens. */
static void settle_queries_keys_values(const phase *p, const block *b) {
    const session *s = p->s;
    const spec *sp = s->spec;
    const size_t query = (size_t)sp->heads * sp->head_dim, key = (size_t)sp->kv_heads * sp->head_dim;
    const range mine = pool_share(p->n, 1, p->thread, s->threads);
    for (size_t t = mine.begin; t < mine.end; t++) {
        float *q = s->q + t * s->query, *k = s->k + t * s->key, *v = s->v + t * s->key;
        if (sp->qk_norm == QK_NORM_WHOLE) {
            s->norm(s->kernels, q, q, &b->of->q_norm, query, sp->norm_eps);
            s->norm(s->kernels, k, k, &b->of->k_norm, key, sp->norm_eps);
        }
        if (sp->clip_qkv <= 0) continue;
        s->kernels->clamp(q, -sp->clip_qkv, sp->clip_qkv, query);
        s->kernels->clamp(k, -sp->clip_qkv, sp->clip_qkv, key);
        s->kernels->clamp(v, -sp->clip_qkv, sp->clip_qkv, key);
    }
    barrier(p, STEP_NORM);
}

/* logits = cap(scale (W input + bias)) */
static void multiply_head(const phase *p) {
    const session *s = p->s;
    const product with = product_of(p, input_of(p));
    const result logits = {&s->head, s->logits, logits_width(s)};
    for (taking t = {0}; take(p, &t);) {
        const range groups = linear_taken(&logits, 1, 0, &t);
        float *y = s->logits + groups.begin * TILE_ROWS;
        if (groups.begin >= groups.end) continue;
        linear_rows(&s->head, &with, groups, y, logits.ld);
        for (size_t i = 0; i < p->n; i++, y += logits.ld) {
            if (s->spec->logit_scale != 1) s->kernels->scale(y, s->spec->logit_scale, rows_in(groups));
            if (s->spec->logit_softcap > 0) s->kernels->softcap(y, s->spec->logit_softcap, rows_in(groups));
        }
    }
}

/* Logits of the tokens from s->wanted on, in slices; each row goes to the sink from one thread, the last row stays. */
static void compute_logits(session *s, int thread) {
    for (size_t t0 = s->wanted; t0 < s->n; t0 += s->slice) {
        const size_t left = s->n - t0, n = left < s->slice ? left : s->slice, width = logits_width(s);
        const phase p = phase_of(s, thread, t0, n);
        normalize(&p, &s->model->final_norm, &s->head_in, input_count(s->spec) - 1);
        if (t0 + n > s->scored) multiply_head(&p);
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
        normalize(&p, &b->of->attn_norm, &b->attn_in, input_index(i, INPUT_ATTN));
        multiply_queries_keys_values(&p, b);
        barrier(&p, STEP_QKV);
        if (s->settles) settle_queries_keys_values(&p, b);
        attention_store(s, b, thread);
        barrier_if(&p, attention_needs_barrier(s, b), STEP_STORE);
        if (i + 1 == s->spec->layers) p = phase_of(s, thread, s->wanted, s->n - s->wanted); /* of the others only keys and values are needed */
        if (p.n == 0) return;
        attention_run(s, b, p.first, thread);
        barrier(&p, STEP_ATTENTION);
        encode_heads(&p, &b->heads_in, input_index(i, INPUT_HEADS));
        land_product(&p, &b->o, input_of(&p), s->land_attention);
        barrier(&p, STEP_O);
        if (b->of->attn_post_norm.gain) add_normalized(&p, &b->of->attn_post_norm);
        normalize(&p, &b->of->mlp_norm, &b->mlp_in, input_index(i, INPUT_MLP));
        if (b->experts) {
            experts_run(&p, b);
        } else {
            mlp_run(&p, &b->mlp, input_index(i, INPUT_INNER));
        }
        ask_to_stop(&p);
        barrier(&p, STEP_DOWN);
        if (s->halt) return;
        if (b->of->mlp_post_norm.gain) add_normalized(&p, &b->of->mlp_post_norm);
    }
    compute_logits(s, thread);
}
