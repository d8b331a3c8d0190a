#include "engine/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/cpu.h"
#include "engine/experts.h"

enum {
    CONTEXT_DEFAULT = 4096,
    BATCH_DEFAULT = 512,
    BATCH_MAX = 1 << 16,
    SLICE_FLOATS = 4 << 20, /* room for logits: what fits of whole panels, at least one */
};

/* ---- what a session is made of ---- */

static encoding encoding_of(const linear *a, const linear *b, const linear *c) {
    const linear *const products[] = {a, b, c};
    return linear_encoding(products, c ? 3 : b ? 2 : 1);
}

static void find_encodings(session *s) {
    for (size_t i = 0; i < s->spec->layers; i++) {
        block *b = &s->blocks[i];
        b->attn_in = encoding_of(&b->q, &b->k, &b->v);
        b->heads_in = encoding_of(&b->o, NULL, NULL);
        if (b->experts) {
            b->mlp_in = experts_input(b->experts);
            continue;
        }
        b->mlp_in = encoding_of(&b->mlp.up, b->mlp.gate.w ? &b->mlp.gate : NULL, NULL);
        b->mlp.inner_in = encoding_of(&b->mlp.down, NULL, NULL);
    }
    s->head_in = encoding_of(&s->head, NULL, NULL);
}

static unsigned input_codes(const session *s) {
    unsigned codes = s->head_in.codes;
    for (size_t i = 0; i < s->spec->layers; i++) codes |= s->blocks[i].attn_in.codes | s->blocks[i].heads_in.codes | s->blocks[i].mlp_in.codes;
    return codes;
}

static unsigned down_codes(const session *s) {
    unsigned codes = 0;
    for (size_t i = 0; i < s->spec->layers; i++) codes |= s->blocks[i].mlp.inner_in.codes;
    return codes;
}

static unsigned expert_codes(const session *s) {
    unsigned codes = 0;
    for (size_t i = 0; i < s->spec->layers; i++) codes |= s->blocks[i].experts ? experts_inner_codes(s->blocks[i].experts) : 0;
    return codes;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t widest_input(const session *s) {
    return larger(s->hidden, s->query);
}

static void worker_layout(const session *s, worker *w, arena *a) {
    const size_t queries = s->item_tokens * (s->spec->heads / s->spec->kv_heads), f = sizeof(float);
    activation_layout(&w->input, a, input_codes(s), 1, widest_input(s));
    w->rows = arena_take(a, s->kernels->panel * s->hidden, f);
    w->gate = arena_take(a, s->batch * BLOCK_ROWS, f);
    w->up = arena_take(a, s->batch * BLOCK_ROWS, f);
    w->q = arena_take(a, queries * s->head_pad, f);
    w->query = arena_take(a, s->head_pad, f);
    w->o = arena_take(a, queries * s->head_pad, f);
    w->max = arena_take(a, queries, f);
    w->sum = arena_take(a, queries, f);
    w->attend = arena_take(a, ATTEND_SCRATCH(s->head_pad), f);
    w->linear = arena_take(a, linear_scratch_bytes(larger(widest_input(s), s->inner)), 1);
}

static void cache_layout(const session *s, arena *a) {
    const size_t units = s->spec->kv_heads * (s->capacity / CACHE_POSITIONS);
    for (size_t i = 0; i < s->spec->layers; i++) {
        s->blocks[i].keys = arena_take(a, units, s->key_unit);
        s->blocks[i].values = arena_take(a, units, s->value_unit);
    }
}

static void tables_layout(session *s, arena *a) {
    const spec *sp = s->spec;
    const size_t table = s->batch * sp->rope_dims;
    s->tables = arena_take(a, sp->rope_tables * table, sizeof(float));
    for (size_t i = 0; i < sp->layers; i++) {
        const int32_t which = !table ? ROPE_NOT_HERE : sp->rope_layer ? sp->rope_layer[i] : 0;
        s->blocks[i].table = which == ROPE_NOT_HERE || !s->tables ? NULL : s->tables + (size_t)which * table;
    }
}

/* Everything that evaluating writes to. */
static void session_layout(session *s, arena *a) {
    const size_t f = sizeof(float);
    cache_layout(s, a);
    s->cache_bytes = a->used;
    s->x = arena_take(a, s->batch * s->hidden, f);
    s->q = arena_take(a, s->batch * s->query, f);
    s->k = arena_take(a, s->batch * s->key, f);
    s->v = arena_take(a, s->batch * s->key, f);
    s->aside = s->land_attention == land_add ? NULL : arena_take(a, s->batch * s->hidden, f);
    tables_layout(s, a);
    activation_layout(&s->input, a, input_codes(s), s->batch, widest_input(s));
    activation_layout(&s->down, a, down_codes(s), s->batch, s->inner);
    s->gated_rows = encodes_tokens(down_codes(s)) ? arena_take(a, s->batch * s->inner, f) : NULL;
    s->seen = s->observer || s->spec->n_experts ? arena_take(a, s->batch * s->hidden, f) : NULL;
    if (s->spec->n_experts) experts_layout(s, a, input_codes(s), expert_codes(s));
    s->logits = arena_take(a, s->slice * logits_width(s), f);
    s->parts = arena_take(a, s->spec->heads * ((s->capacity + ATTEND_CHUNK - 1) / ATTEND_CHUNK), (s->head_pad + PART_EXTRA) * f);
    for (int i = 0; i < s->threads; i++) worker_layout(s, &s->workers[i], a);
    s->scratch_bytes = a->used - s->cache_bytes;
}

/* Static ones stand in the file with their scales or not at all. */
static status check_activations(const char *name, error *e) {
    static const char *const names[] = {"block", "b32", "b64", "token", "f32"};
    bool known = !name;
    for (size_t i = 0; i < sizeof names / sizeof *names && !known; i++) known = strcmp(name, names[i]) == 0;
    return known ? OK : fail(e, E_USAGE, "unknown encoding of activations: %.40s; there are block, b32, b64, token and f32", name);
}

static status find_mlp(mlp *out, const mlp_weights *m, const char *how, const kernels *k, error *e) {
    if (m->gate.w) TRY(linear_of(&out->gate, m->gate, how, k, e));
    TRY(linear_of(&out->up, m->up, how, k, e));
    return linear_of(&out->down, m->down, how, k, e);
}

static status find_kernels(session *s, const char *how, error *e) {
    TRY(check_activations(how, e));
    for (size_t i = 0; i < s->spec->layers; i++) {
        const layer *l = &s->model->layers[i];
        block *b = &s->blocks[i];
        *b = (block){.of = l, .window = s->spec->window[i]};
        TRY(linear_of(&b->q, l->q, how, s->kernels, e));
        TRY(linear_of(&b->k, l->k, how, s->kernels, e));
        TRY(linear_of(&b->v, l->v, how, s->kernels, e));
        TRY(linear_of(&b->o, l->o, how, s->kernels, e));
        TRY(l->experts ? experts_open(&b->experts, l, s->spec, how, s->kernels, e) : find_mlp(&b->mlp, &l->mlp, how, s->kernels, e));
    }
    TRY(linear_of(&s->head, s->model->head, how, s->kernels, e));
    find_encodings(s);
    return OK;
}

/* A file that rounds nothing is not rounded here either: its logits can be compared with those of a float32 reference. */
static bool rounds_nothing(const model *m) {
    for (size_t i = 0; i < m->file.n_tensors; i++) {
        if (m->file.tensors[i].ndim == 2 && m->file.tensors[i].format.bits != 32) return false;
    }
    return true;
}

static status find_cache_type(const cache_type **out, const session *s, const char *name, error *e) {
    char names[64] = "";
    for (const cache_type *const *c = s->kernels->caches; *c; c++) {
        if (strcmp((*c)->name, name) == 0) *out = *c;
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", (*c)->name);
    }
    return *out ? OK : fail(e, E_USAGE, "unknown type of the KV cache: %.40s; there are %s", name, names);
}

static status choose_cache(session *s, const session_options *o, error *e) {
    const char *usual = rounds_nothing(s->model) ? "f32" : "f16";
    TRY(find_cache_type(&s->key_type, s, o->key_type ? o->key_type : usual, e));
    return find_cache_type(&s->value_type, s, o->value_type ? o->value_type : usual, e);
}

static void norm_rms(const kernels *k, float *y, const float *x, const norm_gain *norm, size_t n, float eps) {
    k->rmsnorm(y, x, norm->gain, n, eps);
}

static void norm_layer(const kernels *k, float *y, const float *x, const norm_gain *norm, size_t n, float eps) {
    k->layernorm(y, x, norm->gain, norm->bias, n, eps);
}

/* What the spec's words mean, so that no step asks. */
static void choose_functions(session *s) {
    const kernels *k = s->kernels;
    norm_fn *const norms[] = {[NORM_RMS] = norm_rms, [NORM_LAYER] = norm_layer};
    void (*const gates[])(float *, const float *, const float *, size_t) = {
        [ACTIVATION_SILU] = k->silu_mul,
        [ACTIVATION_GELU] = k->gelu_mul,
        [ACTIVATION_GELU_TANH] = k->gelu_tanh_mul,
        [ACTIVATION_SWIGLU_SHIFTED] = k->swiglu_shifted_mul,
    };
    void (*const plains[])(float *, const float *, size_t) = {
        [ACTIVATION_SILU] = k->silu, [ACTIVATION_GELU] = k->gelu, [ACTIVATION_GELU_TANH] = k->gelu_tanh, [ACTIVATION_SWIGLU_SHIFTED] = NULL};
    void (*const ropes[])(float *, const float *, size_t) = {
        [ROPE_NONE] = NULL, [ROPE_HALF] = k->rope_half, [ROPE_INTERLEAVED] = k->rope_interleaved};
    const bool after = s->spec->norm_place != NORM_BEFORE, parallel = s->spec->residual != RESIDUAL_SERIAL;
    s->norm = norms[s->spec->norm];
    s->gated = gates[s->spec->activation];
    s->plain = plains[s->spec->activation];
    s->rope = ropes[s->spec->rope];
    s->land_attention = after || parallel ? land_aside : land_add;
    s->land_mlp = after ? land_aside : parallel ? land_both : land_add;
    s->settles = s->spec->qk_norm == QK_NORM_WHOLE || s->spec->clip_qkv > 0;
    s->rope_inverse = s->spec->rope_original && s->context > s->spec->rope_original ? s->spec->rope_long : s->spec->rope_inverse;
}

static status choose_sizes(session *s, const session_options *o, error *e) {
    const spec *sp = s->spec;
    const uint32_t context = sp->context < CONTEXT_DEFAULT ? sp->context : CONTEXT_DEFAULT;
    if (o->batch > BATCH_MAX) return fail(e, E_USAGE, "a batch of %u tokens is more than %d", o->batch, BATCH_MAX);
    s->context = o->context ? o->context : context;
    if (sp->learned_positions && s->context > sp->context) {
        return fail(e, E_USAGE, "a context of %zu is more than the %u positions that the model has learned", s->context, sp->context);
    }
    s->capacity = round_up(s->context, CACHE_POSITIONS);
    s->batch = o->batch ? o->batch : BATCH_DEFAULT;
    if (s->batch > s->context) s->batch = s->context;
    s->hidden = round_up(sp->hidden, TILE_K);
    s->inner = round_up(larger(sp->intermediate, larger(sp->expert_intermediate, sp->shared_intermediate)), TILE_K);
    s->query = round_up((size_t)sp->heads * sp->head_dim, TILE_K);
    s->key = round_up((size_t)sp->kv_heads * sp->head_dim, TILE_K);
    s->head_pad = round_up(sp->head_dim, TILE_ROWS);
    s->key_unit = s->key_type->key_bytes(sp->head_dim);
    s->value_unit = s->value_type->value_bytes(sp->head_dim);
    s->item_tokens = attention_item_tokens(sp);
    const size_t panel = s->kernels->panel, panels = SLICE_FLOATS / logits_width(s) / panel;
    s->slice = panels ? panels * panel : panel;
    if (s->slice > s->batch) s->slice = s->batch;
    return OK;
}

static status take_memory(session *s, error *e) {
    arena measure = {0};
    session_layout(s, &measure);
    if (arena_open(&s->arena, measure.used, e) != OK) {
        return fail(e, E_MEMORY,
                    "no memory for a KV cache of %zu MB (%zu positions, %s and %s) and %zu MB of scratch (batch %zu): try a "
                    "smaller context",
                    s->cache_bytes >> 20, s->context, s->key_type->name, s->value_type->name, s->scratch_bytes >> 20, s->batch);
    }
    session_layout(s, &s->arena);
    return OK;
}

static status build(session *s, const session_options *o, error *e) {
    if (s->observer && s->spec->n_experts)
        return fail(e, E_RUN, "the inputs of experts cannot be measured: a model that has some takes no calibration");
    TRY(kernels_choose(&s->kernels, o->isa, e));
    TRY(choose_cache(s, o, e));
    TRY(find_kernels(s, o->activations, e));
    TRY(choose_sizes(s, o, e));
    choose_functions(s);
    TRY(take_memory(s, e));
    return pool_open(&s->pool, s->threads, e);
}

status session_open(session **out, const model *m, const session_options *o, error *e) {
    *out = NULL;
    const int threads = o->threads > 0 ? o->threads : cpu_threads(NULL, 0);
    session *s = calloc(1, sizeof *s);
    if (s) s->blocks = calloc(model_spec(m)->layers, sizeof *s->blocks);
    if (s) s->workers = calloc((size_t)threads, sizeof *s->workers);
    if (!s || !s->blocks || !s->workers) {
        session_close(&s);
        return fail(e, E_MEMORY, "no memory for a session");
    }
    s->model = m;
    s->spec = model_spec(m);
    s->threads = threads;
    s->observer = o->observer;
    s->profile = o->profile;
    s->stopped = o->stopped;
    const status code = build(s, o, e);
    if (code != OK) {
        session_close(&s);
        return code;
    }
    *out = s;
    return OK;
}

void session_close(session **s) {
    if (!*s) return;
    pool_close(&(*s)->pool);
    arena_close(&(*s)->arena);
    for (size_t i = 0; (*s)->blocks && (*s)->spec && i < (*s)->spec->layers; i++) experts_close(&(*s)->blocks[i].experts);
    free((*s)->workers);
    free((*s)->blocks);
    free(*s);
    *s = NULL;
}

/* ---- evaluating ---- */

static status check_ids(const session *s, const int32_t *ids, size_t n, error *e) {
    if (n > s->context - s->position) {
        return fail(e, E_RUN, "%zu tokens after %zu do not fit in a context of %zu", n, s->position, s->context);
    }
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= s->spec->vocab) {
            return fail(e, E_RUN, "token id %d is not below the vocabulary's size %u", ids[i], s->spec->vocab);
        }
    }
    return OK;
}

/* The first token of the batch whose logits are computed. */
static size_t first_scored(const session *s, bool last) {
    const size_t none = last ? s->n - 1 : s->n;
    if (!s->sink || s->sink->first >= s->position + s->n) return none;
    const size_t first = s->sink->first > s->position ? s->sink->first - s->position : 0;
    return first < none ? first : none;
}

/* The batch counts as not begun: what it stored lies behind the position and will be overwritten. */
static status stop(session *s, error *e) {
    s->halt = false;
    s->last = NULL;
    return fail(e, E_INTERRUPT, "interrupted");
}

status session_eval(session *s, const int32_t *ids, size_t n, const logits_sink *sink, error *e) {
    TRY(check_ids(s, ids, n, e));
    s->sink = sink;
    for (size_t done = 0; done < n; done += s->n) {
        const size_t left = n - done;
        s->ids = ids + done;
        s->n = left < s->batch ? left : s->batch;
        s->scored = first_scored(s, left == s->n);
        s->wanted = s->observer ? 0 : s->scored;
        pool_run(s->pool, forward, s);
        if (s->halt) return stop(s, e);
        s->position += s->n;
    }
    if (n) s->last = s->logits + (s->n - 1 - s->wanted) % s->slice * logits_width(s);
    return OK;
}

const float *session_logits(const session *s) {
    assert(s->last);
    return s->last;
}

size_t session_position(const session *s) {
    return s->position;
}

size_t session_context(const session *s) {
    return s->context;
}

size_t session_batch(const session *s) {
    return s->batch;
}

void session_rewind(session *s, size_t position) {
    assert(position <= s->position);
    s->position = position;
}

session_memory session_bytes(const session *s) {
    return (session_memory){.cache = s->cache_bytes, .scratch = s->scratch_bytes};
}

int session_threads(const session *s) {
    return s->threads;
}

const char *session_isa(const session *s) {
    return s->kernels->name;
}
