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

static void norm(const spec *s, const float *gain, const double *x, double *out) {
    double sum = 0;
    for (size_t i = 0; i < s->hidden; i++) sum += x[i] * x[i];
    const double by = 1 / sqrt(sum / s->hidden + (double)s->norm_eps);
    for (size_t i = 0; i < s->hidden; i++) out[i] = x[i] * by * (double)gain[i];
}

static void rotate(const spec *s, size_t position, double *head) {
    const size_t half = s->rope_dims / 2;
    for (size_t i = 0; s->rope != ROPE_NONE && i < half; i++) {
        const double angle = (double)position * (double)s->rope_inverse[i];
        const double c = cos(angle) * (double)s->rope_attention, d = sin(angle) * (double)s->rope_attention;
        double *a = s->rope == ROPE_HALF ? head + i : head + 2 * i, *b = s->rope == ROPE_HALF ? head + i + half : head + 2 * i + 1;
        const double x = *a, y = *b;
        *a = x * c - y * d;
        *b = y * c + x * d;
    }
}

static double gate(activation_kind kind, double x) {
    const double tanh_form = 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    return kind == ACTIVATION_SILU ? x / (1 + exp(-x)) : kind == ACTIVATION_GELU ? 0.5 * x * (1 + erf(x * M_SQRT1_2)) : tanh_form;
}

typedef struct past { /* keys and values of one layer: [positions][kv_heads * head_dim] */
    double *k, *v;
} past;

static void attend(const spec *s, uint32_t window, const past *p, size_t position, const double *q, double *out) {
    const size_t dim = s->head_dim, key = (size_t)s->kv_heads * dim;
    const size_t first = window && position + 1 > window ? position + 1 - window : 0;
    double *score = zeros(position + 1, sizeof *score);
    for (size_t h = 0; h < s->heads; h++) {
        const size_t at = h / (s->heads / s->kv_heads) * dim;
        double best = -INFINITY, sum = 0;
        for (size_t t = first; t <= position; t++) {
            score[t] = 0;
            for (size_t d = 0; d < dim; d++) score[t] += q[h * dim + d] * p->k[t * key + at + d];
            score[t] *= (double)s->attention_scale;
            best = fmax(best, score[t]);
        }
        for (size_t t = first; t <= position; t++) sum += score[t] = exp(score[t] - best);
        for (size_t d = 0; d < dim; d++) {
            double o = 0;
            for (size_t t = first; t <= position; t++) o += score[t] / sum * p->v[t * key + at + d];
            out[h * dim + d] = o;
        }
    }
    free(score);
}

static void run_layer(const model *m, const layer *l, uint32_t window, past *p, size_t position, double *x) {
    const spec *s = model_spec(m);
    const size_t query = (size_t)s->heads * s->head_dim, key = (size_t)s->kv_heads * s->head_dim;
    double *a = zeros(s->hidden, sizeof *a), *q = zeros(query, sizeof *q), *o = zeros(query, sizeof *o);
    double *g = zeros(s->intermediate, sizeof *g), *u = zeros(s->intermediate, sizeof *u);
    double *k = p->k + position * key, *v = p->v + position * key;
    norm(s, l->attn_norm, x, a);
    product(l->q.w, l->q.bias, a, q);
    product(l->k.w, l->k.bias, a, k);
    product(l->v.w, l->v.bias, a, v);
    for (size_t h = 0; h < s->heads; h++) rotate(s, position, q + h * s->head_dim);
    for (size_t h = 0; h < s->kv_heads; h++) rotate(s, position, k + h * s->head_dim);
    attend(s, window, p, position, q, o);
    product(l->o.w, l->o.bias, o, a);
    for (size_t i = 0; i < s->hidden; i++) x[i] += a[i];
    norm(s, l->mlp_norm, x, a);
    product(l->gate.w, l->gate.bias, a, g);
    product(l->up.w, l->up.bias, a, u);
    for (size_t i = 0; i < s->intermediate; i++) g[i] = gate(s->activation, g[i]) * u[i];
    product(l->down.w, l->down.bias, g, a);
    for (size_t i = 0; i < s->hidden; i++) x[i] += a[i];
    free(a), free(q), free(o), free(g), free(u);
}

void reference_logits(const model *m, const int32_t *ids, size_t n, double *logits) {
    const spec *s = model_spec(m);
    const size_t key = (size_t)s->kv_heads * s->head_dim;
    past *pasts = zeros(s->layers, sizeof *pasts);
    for (size_t i = 0; i < s->layers; i++) pasts[i] = (past){zeros(n * key, sizeof(double)), zeros(n * key, sizeof(double))};
    float *row = zeros(s->hidden, sizeof *row);
    double *x = zeros(s->hidden, sizeof *x), *a = zeros(s->hidden, sizeof *a);
    for (size_t t = 0; t < n; t++) {
        format_decode_row(&m->embed.w->format, &m->embed.w->layout, m->embed.w->data, (size_t)ids[t], s->hidden, row);
        for (size_t i = 0; i < s->hidden; i++) x[i] = (double)row[i];
        for (size_t i = 0; i < s->layers; i++) run_layer(m, &m->layers[i], s->window[i], &pasts[i], t, x);
        norm(s, m->final_norm, x, a);
        product(m->head.w, NULL, a, logits + t * s->vocab);
    }
    for (size_t i = 0; i < s->layers; i++) free(pasts[i].k), free(pasts[i].v);
    free(pasts), free(row), free(x), free(a);
}
