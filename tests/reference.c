#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *zeros(size_t n, size_t bytes) {
    void *p = calloc(n, bytes);
    if (!p) abort();
    return p;
}

/* Rounds x[n] to the 255 levels center + scale * i. */
static void to_levels(double *x, size_t n, double scale, double center) {
    for (size_t i = 0; i < n && scale > 0; i++) x[i] = center + scale * fmin(127, fmax(-127, rint((x[i] - center) / scale)));
}

static double top_of(const double *x, size_t n) {
    double top = 0;
    for (size_t i = 0; i < n; i++) top = fmax(top, fabs(x[i]));
    return top;
}

/* x[k] as the matrix multiplies it: what every encoding of activations means. */
static void encode(const tensor *w, double *x) {
    const size_t whole = act_is_token(w->format.act) ? w->k : w->format.act == ACT_I8_32 ? 32 : 64;
    if (w->format.act == ACT_F32) return;
    if (act_is_static(w->format.act)) {
        to_levels(x, w->k, (double)w->act_scale, (double)w->act_center);
        return;
    }
    for (size_t i = 0; i < w->k; i += whole) {
        const size_t n = w->k - i < whole ? w->k - i : whole;
        to_levels(x + i, n, top_of(x + i, n) / 127, 0);
    }
}

/* out[rows] = W encode(in) + bias */
static void product(const tensor *w, const float *bias, const double *in, double *out) {
    float *row = zeros(w->k, sizeof *row);
    double *x = zeros(w->k, sizeof *x);
    memcpy(x, in, w->k * sizeof *x);
    encode(w, x);
    for (size_t r = 0; r < w->rows; r++) {
        format_decode_row(&w->format, &w->layout, w->data, r, w->k, row);
        double sum = bias ? (double)bias[r] : 0;
        for (size_t i = 0; i < w->k; i++) sum += (double)row[i] * x[i];
        out[r] = sum;
    }
    free(row), free(x);
}

/* out[n] = norm(x), or x where there is no norm; out may be x */
static void norm(const spec *s, const norm_gain *g, const double *x, size_t n, double *out) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < n && s->norm == NORM_LAYER; i++) mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
    const double by = 1 / sqrt(square / (double)n + (double)s->norm_eps);
    for (size_t i = 0; i < n; i++) {
        out[i] = g->gain ? (x[i] - mean) * by * (double)g->gain[i] + (g->bias ? (double)g->bias[i] : 0) : x[i];
    }
}

/* Heads of a token's queries or keys: normalised, clipped, rotated. */
typedef struct turn {
    size_t position;
    const float *inverse; /* NULL: not rotated */
    double by;
} turn;

static void rotate(const spec *s, turn how, double *head) {
    const size_t half = s->rope_dims / 2;
    for (size_t i = 0; how.inverse && i < half; i++) {
        const double angle = (double)how.position * (double)how.inverse[i];
        const double c = cos(angle) * how.by, d = sin(angle) * how.by;
        double *a = s->rope == ROPE_HALF ? head + i : head + 2 * i, *b = s->rope == ROPE_HALF ? head + i + half : head + 2 * i + 1;
        const double x = *a, y = *b;
        *a = x * c - y * d;
        *b = y * c + x * d;
    }
}

static void clip(const spec *s, double *x, size_t n) {
    const double limit = s->clip_qkv > 0 ? (double)s->clip_qkv : INFINITY;
    for (size_t i = 0; i < n; i++) x[i] = fmin(limit, fmax(-limit, x[i]));
}

static void place(const spec *s, const norm_gain *g, turn how, double *x, size_t heads) {
    const size_t width = heads * s->head_dim;
    if (s->qk_norm == QK_NORM_WHOLE) norm(s, g, x, width, x);
    for (size_t h = 0; h < heads && s->qk_norm == QK_NORM_HEAD; h++) norm(s, g, x + h * s->head_dim, s->head_dim, x + h * s->head_dim);
    clip(s, x, width);
    for (size_t h = 0; h < heads; h++) rotate(s, how, x + h * s->head_dim);
}

static double gate(activation_kind kind, double x) {
    const double tanh_form = 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    if (kind == ACTIVATION_SWIGLU_SHIFTED) return x / (1 + exp(-(double)1.702f * x));
    return kind == ACTIVATION_SILU ? x / (1 + exp(-x)) : kind == ACTIVATION_GELU ? 0.5 * x * (1 + erf(x * M_SQRT1_2)) : tanh_form;
}

static double cap(double x, float by) {
    return by > 0 ? (double)by * tanh(x / (double)by) : x;
}

/* g[n] = act(g) u, or act(u) */
static void activate(const spec *s, double *g, const double *u, size_t n) {
    const double limit = s->mlp_limit > 0 ? (double)s->mlp_limit : INFINITY, shift = s->activation == ACTIVATION_SWIGLU_SHIFTED ? 1 : 0;
    for (size_t i = 0; i < n; i++) {
        g[i] = s->plain_mlp ? gate(s->activation, u[i]) : gate(s->activation, fmin(limit, g[i])) * (fmin(limit, fmax(-limit, u[i])) + shift);
    }
}

typedef struct past { /* keys and values of one layer: [positions][kv_heads * head_dim] */
    double *k, *v;
} past;

static void attend(const spec *s, const float *sinks, uint32_t window, const past *p, size_t position, const double *q, double *out) {
    const size_t dim = s->head_dim, key = (size_t)s->kv_heads * dim;
    const size_t first = window && position + 1 > window ? position + 1 - window : 0;
    double *score = zeros(position + 1, sizeof *score);
    for (size_t h = 0; h < s->heads; h++) {
        const size_t at = h / (s->heads / s->kv_heads) * dim;
        double best = sinks ? (double)sinks[h] : -INFINITY;
        for (size_t t = first; t <= position; t++) {
            score[t] = 0;
            for (size_t d = 0; d < dim; d++) score[t] += q[h * dim + d] * p->k[t * key + at + d];
            score[t] = cap(score[t] * (double)s->attention_scale, s->attention_softcap);
            best = fmax(best, score[t]);
        }
        double sum = sinks ? exp((double)sinks[h] - best) : 0;
        for (size_t t = first; t <= position; t++) sum += score[t] = exp(score[t] - best);
        for (size_t d = 0; d < dim; d++) {
            double o = 0;
            for (size_t t = first; t <= position; t++) o += score[t] / sum * p->v[t * key + at + d];
            out[h * dim + d] = o;
        }
    }
    free(score);
}

static turn turn_of(const spec *s, uint32_t index, size_t position) {
    const int32_t table = s->rope == ROPE_NONE ? ROPE_NOT_HERE : s->rope_layer ? s->rope_layer[index] : 0;
    if (table == ROPE_NOT_HERE) return (turn){0};
    return (turn){position, s->rope_inverse + (size_t)table * s->rope_dims / 2, table == 0 ? (double)s->rope_attention : 1};
}

/* a[hidden] = attention of x */
static void run_attention(const model *m, uint32_t index, past *p, size_t position, const double *x, double *a) {
    const spec *s = model_spec(m);
    const layer *l = &m->layers[index];
    const size_t query = (size_t)s->heads * s->head_dim, key = (size_t)s->kv_heads * s->head_dim;
    double *q = zeros(query, sizeof *q), *o = zeros(query, sizeof *o), *k = p->k + position * key, *v = p->v + position * key;
    const turn how = turn_of(s, index, position);
    norm(s, &l->attn_norm, x, s->hidden, a);
    product(l->q.w, l->q.bias, a, q);
    product(l->k.w, l->k.bias, a, k);
    product(l->v.w, l->v.bias, a, v);
    place(s, &l->q_norm, how, q, s->heads);
    place(s, &l->k_norm, how, k, s->kv_heads);
    clip(s, v, key);
    attend(s, l->sinks, s->window[index], p, position, q, o);
    product(l->o.w, l->o.bias, o, a);
    free(q), free(o);
}

/* out[hidden] = down(act(gate x) up x) of one MLP */
static void apply_mlp(const spec *s, const mlp_weights *w, const double *x, double *out) {
    const size_t inner = w->up.w->rows;
    double *g = zeros(inner, sizeof *g), *u = zeros(inner, sizeof *u);
    if (w->gate.w) product(w->gate.w, w->gate.bias, x, g);
    product(w->up.w, w->up.bias, x, u);
    activate(s, g, u, inner);
    product(w->down.w, w->down.bias, g, out);
    free(g), free(u);
}

/* How many experts come before this one: larger scores, or the same and a smaller number. */
static size_t rank_of(const double *score, size_t n, size_t i) {
    size_t before = 0;
    for (size_t j = 0; j < n; j++) before += score[j] > score[i] || (score[j] == score[i] && j < i);
    return before;
}

/* a[hidden] = what the chosen experts, and the shared one, make of x[hidden] */
static void run_experts(const spec *s, const expert_weights *e, const double *x, double *a) {
    const size_t n = s->n_experts;
    double *score = zeros(n, sizeof *score), *out = zeros(s->hidden, sizeof *out), sum = 0, at = 0;
    product(e->router.w, e->router.bias, x, score);
    for (size_t i = 0; i < n; i++) {
        const bool counts = !s->experts_normalized || rank_of(score, n, i) < s->experts_per_token;
        if (counts) sum += exp(score[i]);
    }
    for (size_t i = 0; i < s->hidden; i++) a[i] = 0;
    for (size_t i = 0; i < n; i++) {
        if (rank_of(score, n, i) >= s->experts_per_token) continue;
        apply_mlp(s, &e->of[i], x, out);
        for (size_t j = 0; j < s->hidden; j++) a[j] += exp(score[i]) / sum * out[j];
    }
    if (s->shared_intermediate) apply_mlp(s, &e->of[n], x, out);
    for (size_t i = 0; e->shared_gate && i < s->hidden; i++) at += (double)e->shared_gate[i] * x[i];
    const double by = e->shared_gate ? 1 / (1 + exp(-at)) : 1;
    for (size_t j = 0; s->shared_intermediate && j < s->hidden; j++) a[j] += by * out[j];
    free(score), free(out);
}

/* a[hidden] = MLP, or experts, of x */
static void run_mlp(const model *m, const layer *l, const double *x, double *a) {
    const spec *s = model_spec(m);
    double *in = zeros(s->hidden, sizeof *in);
    norm(s, &l->mlp_norm, x, s->hidden, in);
    if (l->experts) {
        run_experts(s, l->experts, in, a);
    } else {
        apply_mlp(s, &l->mlp, in, a);
    }
    free(in);
}

static void add(const spec *s, const norm_gain *post, double *x, double *a) {
    norm(s, post, a, s->hidden, a);
    for (size_t i = 0; i < s->hidden; i++) x[i] += (double)s->residual_scale * a[i];
}

static void run_layer(const model *m, uint32_t index, past *p, size_t position, double *x) {
    const spec *s = model_spec(m);
    const layer *l = &m->layers[index];
    double *a = zeros(s->hidden, sizeof *a), *b = zeros(s->hidden, sizeof *b), *before = zeros(s->hidden, sizeof *before);
    memcpy(before, x, s->hidden * sizeof *x);
    run_attention(m, index, p, position, x, a);
    add(s, &l->attn_post_norm, x, a);
    run_mlp(m, l, s->residual == RESIDUAL_SERIAL ? x : before, b);
    add(s, &l->mlp_post_norm, x, b);
    free(a), free(b), free(before);
}

static void embed(const model *m, int32_t id, size_t position, double *x) {
    const spec *s = model_spec(m);
    float *row = zeros(s->hidden, sizeof *row);
    format_decode_row(&m->embed.w->format, &m->embed.w->layout, m->embed.w->data, (size_t)id, s->hidden, row);
    for (size_t i = 0; i < s->hidden; i++) x[i] = (double)row[i] * (double)s->embedding_scale;
    const tensor *learned = m->positions;
    if (learned) format_decode_row(&learned->format, &learned->layout, learned->data, position, s->hidden, row);
    for (size_t i = 0; i < s->hidden && learned; i++) x[i] += (double)row[i];
    free(row);
}

void reference_logits(const model *m, const int32_t *ids, size_t n, double *logits) {
    const spec *s = model_spec(m);
    const size_t key = (size_t)s->kv_heads * s->head_dim;
    past *pasts = zeros(s->layers, sizeof *pasts);
    for (size_t i = 0; i < s->layers; i++) pasts[i] = (past){zeros(n * key, sizeof(double)), zeros(n * key, sizeof(double))};
    double *x = zeros(s->hidden, sizeof *x), *a = zeros(s->hidden, sizeof *a);
    for (size_t t = 0; t < n; t++) {
        embed(m, ids[t], t, x);
        for (uint32_t i = 0; i < s->layers; i++) run_layer(m, i, &pasts[i], t, x);
        norm(s, &m->final_norm, x, s->hidden, a);
        product(m->head.w, m->head.bias, a, logits + t * s->vocab);
        for (size_t i = 0; i < s->vocab; i++) {
            double *y = logits + t * s->vocab + i;
            *y = cap(*y * (double)s->logit_scale, s->logit_softcap);
        }
    }
    for (size_t i = 0; i < s->layers; i++) free(pasts[i].k), free(pasts[i].v);
    free(pasts), free(x), free(a);
}
