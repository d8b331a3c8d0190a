#include "tiny.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "file/qbin.h"

static uint32_t next(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* In [-1, 1) */
static float noise(uint32_t *state) {
    return (float)next(state) / (float)(1 << 23) - 1.0f;
}

void tiny_rope(spec *s, uint32_t dims) {
    const uint32_t pairs = dims / 2;
    s->rope_dims = dims;
    s->rope_inverse = realloc(s->rope_inverse, s->rope_tables * pairs * sizeof *s->rope_inverse);
    for (uint32_t t = 0; t < s->rope_tables; t++) {
        for (uint32_t i = 0; i < pairs; i++) s->rope_inverse[t * pairs + i] = powf(t ? 30.0f : 10000.0f, -2.0f * (float)i / (float)dims);
    }
}

static spec make_spec(spec sizes) {
    spec s;
    spec_start(&s);
    s.layers = sizes.layers, s.hidden = sizes.hidden, s.intermediate = sizes.intermediate, s.heads = sizes.heads, s.kv_heads = sizes.kv_heads;
    s.head_dim = sizes.head_dim, s.vocab = sizes.vocab, s.tied = sizes.tied;
    strcpy(s.architecture, "llama");
    s.context = 2048;
    s.norm_eps = 1e-5f;
    s.attention_scale = 1.0f / sqrtf((float)s.head_dim);
    s.rope = ROPE_HALF;
    s.window = calloc(s.layers, sizeof *s.window);
    s.bos = 1;
    s.n_eos = 1;
    s.eos[0] = 2;
    tiny_rope(&s, s.head_dim);
    return s;
}

spec tiny_spec(void) {
    return make_spec((spec){.layers = 3, .hidden = 72, .intermediate = 172, .heads = 6, .kv_heads = 2, .head_dim = 20, .vocab = 107});
}

spec tiny_spec_aligned(void) {
    return make_spec((spec){.layers = 2, .hidden = 192, .intermediate = 320, .heads = 6, .kv_heads = 2, .head_dim = 32, .vocab = 144, .tied = true});
}

typedef struct builder {
    const tiny *tiny;
    qbin_entry entries[256];
    uint8_t *data[256];
    size_t n;
    uint32_t random;
} builder;

static qbin_entry *add(builder *b, const char *name, uint32_t ndim, uint64_t rows, uint64_t k) {
    cr_assert_lt(b->n, sizeof b->entries / sizeof *b->entries);
    qbin_entry *e = &b->entries[b->n++];
    snprintf(e->name, sizeof e->name, "%s", name);
    e->ndim = ndim;
    e->rows = rows;
    e->k = k;
    e->error = NAN;
    cr_assert_eq(format_parse(&e->format, "f32", NULL), OK);
    return e;
}

static void add_vector(builder *b, const char *name, uint64_t rows, float middle) {
    add(b, name, 1, rows, 1);
    float *x = calloc(rows, sizeof *x);
    for (uint64_t i = 0; i < rows; i++) x[i] = middle + 0.3f * noise(&b->random);
    b->data[b->n - 1] = (uint8_t *)x;
}

static void fill_plain(builder *b, const format *f, const layout *l, uint64_t rows, uint64_t k, uint8_t *out) {
    const size_t width = l->tiles * TILE_K;
    float *x = calloc(TILE_ROWS * width, sizeof *x);
    for (size_t g = 0; g < l->groups; g++) {
        for (size_t r = 0; r < TILE_ROWS; r++) {
            for (size_t i = 0; i < width; i++) x[r * width + i] = g * TILE_ROWS + r < rows && i < k ? 0.15f * noise(&b->random) : 0;
        }
        group_pack_plain(f, l, x, out + l->codes + g * l->tiles * l->tile_codes);
    }
    free(x);
}

/* Any codes and codebooks are valid where nothing is padded; scales stay small. */
static void fill_codes(builder *b, const format *f, const layout *l, uint8_t *out) {
    for (size_t i = 0; i < l->side; i++) out[i] = (uint8_t)next(&b->random);
    const float size = 0.2f / (float)(f->scope == SCOPE_NONE ? 1 << f->bits : 128); /* of a level: weights are about 0.1 */
    if (f->grain == GRAIN_BLOCK) {
        for (size_t i = l->side; i < l->bytes; i += 2) {
            const uint16_t half = f16_of_f32(size * (1.5f + noise(&b->random)));
            memcpy(out + i, &half, sizeof half);
        }
    } else {
        for (size_t i = l->side; i < l->bytes; i += 4) {
            const float scale = size * (1.5f + noise(&b->random));
            memcpy(out + i, &scale, sizeof scale);
        }
    }
}

/* Scale and centre of what it multiplies, and what the centre adds. */
static void add_static(builder *b, size_t index) {
    qbin_entry *e = &b->entries[index];
    char name[TENSOR_NAME + 8];
    if (!act_is_static(e->format.act)) return;
    e->act_scale = strstr(e->name, "down") ? 0.1f : 0.03f; /* gated products are large */
    if (b->tiny->odd && !strcmp(b->tiny->odd, e->name)) e->act_scale *= 2;
    e->act_center = b->tiny->center;
    if (e->act_center == 0 || b->tiny->no_shifts) return;
    layout l;
    cr_assert(format_layout(&e->format, e->rows, e->k, &l));
    snprintf(name, sizeof name, "%s.shift", e->name);
    add(b, name, 1, e->rows, 1);
    float *shift = calloc(e->rows, sizeof *shift), *row = calloc(e->k, sizeof *row);
    for (size_t r = 0; r < e->rows; r++) {
        double sum = 0;
        format_decode_row(&e->format, &l, b->data[index], r, e->k, row);
        for (size_t i = 0; i < e->k; i++) sum += (double)row[i];
        shift[r] = (float)((double)e->act_center * sum);
    }
    free(row);
    b->data[b->n - 1] = (uint8_t *)shift;
}

static void add_matrix(builder *b, const char *name, uint64_t rows, uint64_t k, bool other) {
    const char *spelling = other && b->tiny->other ? b->tiny->other : b->tiny->format;
    qbin_entry *e = add(b, name, 2, rows, k);
    error why = {0};
    cr_assert_eq(format_parse(&e->format, spelling ? spelling : "f32", &why), OK, "%s", why.text);
    layout l;
    cr_assert(format_layout(&e->format, rows, k, &l));
    uint8_t *data = aligned_alloc(64, l.bytes);
    memset(data, 0, l.bytes);
    if (e->format.family->plain) {
        fill_plain(b, &e->format, &l, rows, k, data);
    } else {
        cr_assert(rows % TILE_ROWS == 0 && k % TILE_K == 0);
        fill_codes(b, &e->format, &l, data);
    }
    b->data[b->n - 1] = data;
    add_static(b, b->n - 1);
}

/* A norm of layer N ("layers.N." before its name), or of the model. */
static void add_norm(builder *b, const spec *s, const char *name, uint64_t rows, bool biased) {
    char bias[80];
    add_vector(b, name, rows, 1);
    snprintf(bias, sizeof bias, "%s_bias", name);
    if (biased && s->norm_bias) add_vector(b, bias, rows, 0);
}

static void add_vectors(builder *b, const spec *s, uint32_t layer) {
    const bool before = s->norm_place != NORM_AFTER, after = s->norm_place != NORM_BEFORE, qk = s->qk_norm != QK_NORM_NONE;
    const uint32_t heads = s->qk_norm == QK_NORM_WHOLE ? s->heads : 1, kv_heads = s->qk_norm == QK_NORM_WHOLE ? s->kv_heads : 1;
    const struct {
        const char *name;
        uint32_t rows;
        bool present, norm;
    } vectors[] = {
        {"attn_norm", s->hidden, before, true},     {"mlp_norm", s->hidden, before && s->residual != RESIDUAL_SHARED, true},
        {"attn_post_norm", s->hidden, after, true}, {"mlp_post_norm", s->hidden, after, true},
        {"q_norm", heads * s->head_dim, qk, false}, {"k_norm", kv_heads * s->head_dim, qk, false},
        {"sinks", s->heads, s->sinks, false},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char name[64];
        snprintf(name, sizeof name, "layers.%u.%s", layer, vectors[i].name);
        if (vectors[i].present) add_norm(b, s, name, vectors[i].rows, vectors[i].norm);
    }
}

/* An MLP whose tensors' names begin with `prefix`. */
static void add_mlp(builder *b, const spec *s, const char *prefix, uint32_t inner, bool biased, bool gated) {
    const struct {
        const char *name;
        uint32_t rows, k;
        bool other, present;
    } matrices[] = {{"gate", inner, s->hidden, false, gated}, {"up", inner, s->hidden, false, true}, {"down", s->hidden, inner, true, true}};
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        char name[80];
        if (!matrices[i].present) continue;
        snprintf(name, sizeof name, "%s%s", prefix, matrices[i].name);
        add_matrix(b, name, matrices[i].rows, matrices[i].k, matrices[i].other);
        snprintf(name, sizeof name, "%s%s_bias", prefix, matrices[i].name);
        if (biased) add_vector(b, name, matrices[i].rows, 0);
    }
}

/* The router is f32 whatever the rest is. */
static void add_experts(builder *b, const spec *s, uint32_t layer) {
    static const tiny plain;
    const tiny *const other = b->tiny;
    char name[64];
    snprintf(name, sizeof name, "layers.%u.router", layer);
    b->tiny = &plain;
    add_matrix(b, name, s->n_experts, s->hidden, false);
    b->tiny = other;
    snprintf(name, sizeof name, "layers.%u.router_bias", layer);
    if (s->router_bias) add_vector(b, name, s->n_experts, 0);
    for (uint32_t i = 0; i < s->n_experts; i++) {
        snprintf(name, sizeof name, "layers.%u.experts.%u.", layer, i);
        add_mlp(b, s, name, s->expert_intermediate, s->expert_bias, true);
    }
    if (!s->shared_intermediate) return;
    snprintf(name, sizeof name, "layers.%u.shared.", layer);
    add_mlp(b, s, name, s->shared_intermediate, s->expert_bias, true);
    snprintf(name, sizeof name, "layers.%u.shared_gate", layer);
    if (s->shared_gate) add_vector(b, name, s->hidden, 0);
}

static void add_layer(builder *b, const spec *s, uint32_t layer) {
    const uint32_t query = s->heads * s->head_dim, key = s->kv_heads * s->head_dim;
    const struct {
        const char *name;
        uint32_t rows, k;
        bool biased, other;
    } matrices[] = {
        {"q", query, s->hidden, s->attention_bias, false},
        {"k", key, s->hidden, s->attention_bias, false},
        {"v", key, s->hidden, s->attention_bias, true},
        {"o", s->hidden, query, s->output_bias, false},
    };
    add_vectors(b, s, layer);
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        char name[64];
        snprintf(name, sizeof name, "layers.%u.%s", layer, matrices[i].name);
        add_matrix(b, name, matrices[i].rows, matrices[i].k, matrices[i].other);
        snprintf(name, sizeof name, "layers.%u.%s_bias", layer, matrices[i].name);
        if (matrices[i].biased) add_vector(b, name, matrices[i].rows, 0);
    }
    char prefix[64];
    snprintf(prefix, sizeof prefix, "layers.%u.", layer);
    if (s->n_experts && !(s->dense && s->dense[layer])) {
        add_experts(b, s, layer);
    } else {
        add_mlp(b, s, prefix, s->intermediate, s->mlp_bias, !s->plain_mlp);
    }
}

void tiny_write(const char *path, const spec *s, const tiny *t) {
    tiny_write_as(path, s, s, t);
}

void tiny_write_as(const char *path, const spec *s, const spec *said, const tiny *t) {
    static builder b;
    b = (builder){.tiny = t, .random = t->seed + 1};
    add_matrix(&b, "embed", s->vocab, s->hidden, true);
    for (uint32_t i = 0; i < s->layers; i++) add_layer(&b, s, i);
    add_norm(&b, s, "final_norm", s->hidden, true);
    if (!s->tied) add_matrix(&b, "head", s->vocab, s->hidden, false);
    if (s->head_bias) add_vector(&b, "head_bias", s->vocab, 0);
    if (s->learned_positions) add_matrix(&b, "positions", s->context, s->hidden, false);

    json_t *meta = json_pack("{s:o, s:[]}", "spec", spec_to_json(said), "requires");
    char *text = json_dumps(meta, JSON_COMPACT);
    json_decref(meta);
    error e = {0};
    uint64_t bytes;
    cr_assert_eq(qbin_plan(b.entries, b.n, strlen(text), 0, &bytes, &e), OK, "%s", e.text);
    qbin_writer *w;
    cr_assert_eq(qbin_create(&w, path, b.entries, b.n, strlen(text), 0, &e), OK, "%s", e.text);
    for (size_t i = 0; i < b.n; i++) {
        cr_assert_eq(qbin_write(w, i, 0, b.data[i], b.entries[i].bytes, &e), OK, "%s", e.text);
        free(b.data[i]);
    }
    cr_assert_eq(qbin_commit(&w, text, NULL, &e), OK, "%s", e.text);
    free(text);
}

void tiny_ids(int32_t *ids, size_t n, uint32_t vocab, uint32_t seed) {
    uint32_t state = seed;
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)(next(&state) % vocab);
}
