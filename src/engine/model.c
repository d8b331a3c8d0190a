#include "engine/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum dimension {
    DIM_HIDDEN,
    DIM_QUERY,
    DIM_KEY,
    DIM_INNER,
    DIM_EXPERT,
    DIM_SHARED,
    DIM_EXPERTS,
    DIM_VOCAB,
    DIM_CONTEXT,
    DIM_HEADS,
    DIM_HEAD,
    DIM_COUNT
} dimension;

typedef struct shapes {
    uint64_t of[DIM_COUNT];
} shapes;

/* What a part of a layer has. A matrix has a bias if the spec's flag says so. */
typedef struct layer_matrix {
    const char *name;
    size_t offset; /* of the weight in that part */
    dimension rows, k;
    size_t bias; /* of the flag in the spec */
} layer_matrix;

static const layer_matrix attention_matrices[] = {
    {"q", offsetof(layer, q), DIM_QUERY, DIM_HIDDEN, offsetof(spec, attention_bias)},
    {"k", offsetof(layer, k), DIM_KEY, DIM_HIDDEN, offsetof(spec, attention_bias)},
    {"v", offsetof(layer, v), DIM_KEY, DIM_HIDDEN, offsetof(spec, attention_bias)},
    {"o", offsetof(layer, o), DIM_HIDDEN, DIM_QUERY, offsetof(spec, output_bias)},
    {0},
};
#define MLP_MATRICES(inner, bias)                                                   \
    {"gate", offsetof(mlp_weights, gate), inner, DIM_HIDDEN, offsetof(spec, bias)}, \
        {"up", offsetof(mlp_weights, up), inner, DIM_HIDDEN, offsetof(spec, bias)}, \
        {"down", offsetof(mlp_weights, down), DIM_HIDDEN, inner, offsetof(spec, bias)}, {0},
static const layer_matrix gated_matrices[] = {MLP_MATRICES(DIM_INNER, mlp_bias)};
static const layer_matrix *const plain_matrices = gated_matrices + 1;
static const layer_matrix expert_matrices[] = {MLP_MATRICES(DIM_EXPERT, expert_bias)};
static const layer_matrix shared_matrices[] = {MLP_MATRICES(DIM_SHARED, expert_bias)};
static const layer_matrix router_matrix[] = {{"router", offsetof(expert_weights, router), DIM_EXPERTS, DIM_HIDDEN, offsetof(spec, router_bias)}, {0}};

typedef struct finder {
    const model *model;
    shapes shapes;
    bool *used; /* [n_tensors] */
} finder;

static status find_tensor(finder *f, const char *name, uint32_t ndim, uint64_t rows, uint64_t k, const tensor **out, error *e) {
    const qbin *q = &f->model->file;
    const tensor *t = qbin_tensor(q, name);
    if (!t) return fail(e, E_FILE, "the tensor %s is missing", name);
    if (t->ndim != ndim || t->rows != rows || t->k != k) {
        return fail(e, E_FILE, "tensor %s: has %u dimensions [%llu, %llu] where the spec asks for %u [%llu, %llu]", name, t->ndim,
                    (unsigned long long)t->rows, (unsigned long long)t->k, ndim, (unsigned long long)rows, (unsigned long long)k);
    }
    f->used[t - q->tensors] = true;
    *out = t;
    return OK;
}

/* A vector is used as it stands, so what must hold for the arithmetic to mean something is checked here: all numbers are finite. */
static status find_vector(finder *f, const char *name, dimension rows, const float **out, error *e) {
    const tensor *t;
    TRY(find_tensor(f, name, 1, f->shapes.of[rows], 1, &t, e));
    const float *x = (const float *)(const void *)t->data;
    for (uint64_t i = 0; i < t->rows; i++) {
        if (!isfinite(x[i])) return fail(e, E_FILE, "tensor %s: value %llu is not finite", name, (unsigned long long)i);
    }
    *out = x;
    return OK;
}

static status find_matrix(finder *f, const char *name, dimension rows, dimension k, weight *out, error *e) {
    char shift[TENSOR_NAME + 8];
    TRY(find_tensor(f, name, 2, f->shapes.of[rows], f->shapes.of[k], &out->w, e));
    if (out->w->act_center == 0) return OK;
    snprintf(shift, sizeof shift, "%s.shift", name);
    return find_vector(f, shift, rows, &out->shift, e);
}

/* A static encoding belongs to the input: matrices that read it must mean the same. */
static status check_shared(const weight *const *readers, size_t n, error *e) {
    const tensor *first = NULL;
    for (size_t i = 0; i < n; i++) {
        const tensor *t = readers[i]->w;
        if (!act_is_static(t->format.act)) continue;
        if (!first) first = t;
        if (t->act_scale == first->act_scale && t->act_center == first->act_center) continue;
        return fail(e, E_FILE, "tensor %s: scale %g and centre %g of its activations are not the %g and %g of %s, which has the same input", t->name,
                    (double)t->act_scale, (double)t->act_center, (double)first->act_scale, (double)first->act_center, first->name);
    }
    return OK;
}

static status find_norm(finder *f, const char *name, dimension rows, bool biased, norm_gain *out, error *e) {
    char bias[TENSOR_NAME + 8];
    TRY(find_vector(f, name, rows, &out->gain, e));
    snprintf(bias, sizeof bias, "%s_bias", name);
    return biased ? find_vector(f, bias, rows, &out->bias, e) : OK;
}

static status find_norms(finder *f, uint32_t index, layer *l, error *e) {
    const spec *s = model_spec(f->model);
    const bool before = s->norm_place != NORM_AFTER, after = s->norm_place != NORM_BEFORE, whole = s->qk_norm == QK_NORM_WHOLE;
    const struct {
        const char *name;
        norm_gain *out;
        dimension rows;
        bool present, biased;
    } norms[] = {
        {"attn_norm", &l->attn_norm, DIM_HIDDEN, before, s->norm_bias},
        {"mlp_norm", &l->mlp_norm, DIM_HIDDEN, before && s->residual != RESIDUAL_SHARED, s->norm_bias},
        {"attn_post_norm", &l->attn_post_norm, DIM_HIDDEN, after, s->norm_bias},
        {"mlp_post_norm", &l->mlp_post_norm, DIM_HIDDEN, after, s->norm_bias},
        {"q_norm", &l->q_norm, whole ? DIM_QUERY : DIM_HEAD, s->qk_norm != QK_NORM_NONE, false},
        {"k_norm", &l->k_norm, whole ? DIM_KEY : DIM_HEAD, s->qk_norm != QK_NORM_NONE, false},
    };
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++) {
        char name[TENSOR_NAME];
        snprintf(name, sizeof name, "layers.%u.%s", index, norms[i].name);
        if (norms[i].present) TRY(find_norm(f, name, norms[i].rows, norms[i].biased, norms[i].out, e));
    }
    if (s->residual == RESIDUAL_SHARED) l->mlp_norm = l->attn_norm;
    return OK;
}

/* The matrices of the list into the part that has them; `prefix` is put before their names. */
static status find_matrices(finder *f, const char *prefix, const layer_matrix *list, void *part, error *e) {
    for (const layer_matrix *m = list; m->name; m++) {
        weight *w = (weight *)(void *)((char *)part + m->offset);
        char name[TENSOR_NAME];
        bool biased;
        memcpy(&biased, (const char *)model_spec(f->model) + m->bias, sizeof biased);
        snprintf(name, sizeof name, "%s%s", prefix, m->name);
        TRY(find_matrix(f, name, m->rows, m->k, w, e));
        snprintf(name, sizeof name, "%s%s_bias", prefix, m->name);
        if (biased) TRY(find_vector(f, name, m->rows, &w->bias, e));
    }
    return OK;
}

static status find_experts(finder *f, const char *prefix, expert_weights *x, error *e) {
    const spec *s = model_spec(f->model);
    char name[TENSOR_NAME];
    TRY(find_matrices(f, prefix, router_matrix, x, e));
    for (uint32_t i = 0; i < s->n_experts; i++) {
        snprintf(name, sizeof name, "%sexperts.%u.", prefix, i);
        TRY(find_matrices(f, name, expert_matrices, &x->of[i], e));
    }
    if (!s->shared_intermediate) return OK;
    snprintf(name, sizeof name, "%sshared.", prefix);
    TRY(find_matrices(f, name, shared_matrices, &x->of[s->n_experts], e));
    snprintf(name, sizeof name, "%sshared_gate", prefix);
    return s->shared_gate ? find_vector(f, name, DIM_HIDDEN, &x->shared_gate, e) : OK;
}

/* All of them read the same input. */
static status check_experts(const expert_weights *x, size_t n, error *e) {
    const weight **readers = calloc(2 * n, sizeof *readers);
    if (!readers) return fail(e, E_MEMORY, "no memory for %zu experts", n);
    for (size_t i = 0; i < n; i++) {
        readers[2 * i] = &x->of[i].gate;
        readers[2 * i + 1] = &x->of[i].up;
    }
    const status result = check_shared(readers, 2 * n, e);
    free(readers);
    return result;
}

static status find_mlp(finder *f, uint32_t index, const char *prefix, layer *l, error *e) {
    const spec *s = model_spec(f->model);
    const weight *const readers[] = {&l->mlp.gate, &l->mlp.up};
    if (!s->n_experts || (s->dense && s->dense[index])) {
        TRY(find_matrices(f, prefix, s->plain_mlp ? plain_matrices : gated_matrices, &l->mlp, e));
        return s->plain_mlp ? OK : check_shared(readers, sizeof readers / sizeof *readers, e);
    }
    const size_t n = s->n_experts + (s->shared_intermediate > 0);
    l->experts = calloc(1, sizeof *l->experts);
    if (l->experts) l->experts->of = calloc(n, sizeof *l->experts->of);
    if (!l->experts || !l->experts->of) return fail(e, E_MEMORY, "no memory for %zu experts", n);
    TRY(find_experts(f, prefix, l->experts, e));
    return check_experts(l->experts, n, e);
}

static status find_layer(finder *f, uint32_t index, layer *l, error *e) {
    const spec *s = model_spec(f->model);
    const weight *const readers[] = {&l->q, &l->k, &l->v};
    char prefix[32], name[TENSOR_NAME];
    snprintf(prefix, sizeof prefix, "layers.%u.", index);
    TRY(find_norms(f, index, l, e));
    TRY(find_matrices(f, prefix, attention_matrices, l, e));
    TRY(check_shared(readers, sizeof readers / sizeof *readers, e));
    snprintf(name, sizeof name, "%ssinks", prefix);
    if (s->sinks) TRY(find_vector(f, name, DIM_HEADS, &l->sinks, e));
    return find_mlp(f, index, prefix, l, e);
}

static status find_positions(finder *f, model *m, error *e) {
    weight positions = {0};
    TRY(find_matrix(f, "positions", DIM_CONTEXT, DIM_HIDDEN, &positions, e));
    m->positions = positions.w;
    return OK;
}

static status find_all(finder *f, model *m, error *e) {
    const spec *s = model_spec(m);
    TRY(find_matrix(f, "embed", DIM_VOCAB, DIM_HIDDEN, &m->embed, e));
    TRY(find_norm(f, "final_norm", DIM_HIDDEN, s->norm_bias, &m->final_norm, e));
    if (s->learned_positions) TRY(find_positions(f, m, e));
    m->head = m->embed;
    if (!s->tied) TRY(find_matrix(f, "head", DIM_VOCAB, DIM_HIDDEN, &m->head, e));
    if (s->head_bias) TRY(find_vector(f, "head_bias", DIM_VOCAB, &m->head.bias, e));
    for (uint32_t i = 0; i < s->layers; i++) TRY(find_layer(f, i, &m->layers[i], e));
    for (size_t i = 0; i < m->file.n_tensors; i++) {
        if (!f->used[i]) return fail(e, E_FILE, "tensor %s: the spec has no use for it", m->file.tensors[i].name);
    }
    return OK;
}

static status resolve(model *m, error *e) {
    const spec *s = model_spec(m);
    finder f = {.model = m, .used = calloc(m->file.n_tensors ? m->file.n_tensors : 1, sizeof *f.used)};
    m->layers = calloc(s->layers, sizeof *m->layers);
    if (!f.used || !m->layers) {
        free(f.used);
        return fail(e, E_MEMORY, "no memory for a model of %u layers", s->layers);
    }
    f.shapes.of[DIM_HIDDEN] = s->hidden;
    f.shapes.of[DIM_QUERY] = (uint64_t)s->heads * s->head_dim;
    f.shapes.of[DIM_KEY] = (uint64_t)s->kv_heads * s->head_dim;
    f.shapes.of[DIM_INNER] = s->intermediate;
    f.shapes.of[DIM_EXPERT] = s->expert_intermediate;
    f.shapes.of[DIM_SHARED] = s->shared_intermediate;
    f.shapes.of[DIM_EXPERTS] = s->n_experts;
    f.shapes.of[DIM_VOCAB] = s->vocab;
    f.shapes.of[DIM_CONTEXT] = s->context;
    f.shapes.of[DIM_HEADS] = s->heads;
    f.shapes.of[DIM_HEAD] = s->head_dim;
    const status code = find_all(&f, m, e);
    free(f.used);
    return code;
}

int32_t model_bos(const model *m) {
    if (!m->tokenizer || !tokenizer_adds_bos(m->tokenizer)) return -1;
    const int32_t bos = tokenizer_bos(m->tokenizer);
    return bos >= 0 ? bos : model_spec(m)->bos;
}

static status open_parts(model *m, const char *path, error *e) {
    TRY(qbin_open(&m->file, path, e)); /* names the path itself */
    TRY(qbin_expect(&m->file, &qbin_model, e));
    map_want(&m->file.map);
    if (resolve(m, e) != OK) return fail_in(e, path);
    if (m->file.tokens_size == 0) return OK;
    if (tokenizer_open(&m->tokenizer, m->file.tokens, m->file.tokens_size, e) != OK) return fail_in(e, path);
    return OK;
}

status model_open(model **out, const char *path, error *e) {
    *out = NULL;
    model *m = calloc(1, sizeof *m);
    if (!m) return fail(e, E_MEMORY, "%s: no memory for a model", path);
    const status code = open_parts(m, path, e);
    if (code != OK) {
        model_close(&m);
        return code;
    }
    *out = m;
    return OK;
}

void model_close(model **m) {
    if (!*m) return;
    tokenizer_close(&(*m)->tokenizer);
    for (uint32_t i = 0; (*m)->layers && i < model_spec(*m)->layers; i++) {
        if ((*m)->layers[i].experts) free((*m)->layers[i].experts->of);
        free((*m)->layers[i].experts);
    }
    free((*m)->layers);
    qbin_close(&(*m)->file);
    free(*m);
    *m = NULL;
}
