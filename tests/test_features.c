/* Features of the spec that few models have: each alone against the transformer in doubles; several together give the same bits whatever the threads, the
 * batch, the calls, the instruction set, with every type of the KV cache. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "reference.h"
#include "tiny_run.h"

TestSuite(features, .init = tiny_make_path, .fini = tiny_remove_path, .timeout = 600);

/* ---- one feature ---- */

static void layer_norm(spec *s) {
    s->norm = NORM_LAYER;
}
static void layer_norm_bias(spec *s) {
    s->norm = NORM_LAYER;
    s->norm_bias = true;
}
static void norms_after(spec *s) {
    s->norm_place = NORM_AFTER;
}
static void norms_around(spec *s) {
    s->norm_place = NORM_AROUND;
    s->residual_scale = 0.75f;
}
static void parallel(spec *s) {
    s->residual = RESIDUAL_PARALLEL;
    s->residual_scale = 1.5f;
}
static void shared_norm(spec *s) {
    s->residual = RESIDUAL_SHARED;
}
static void plain_silu(spec *s) {
    s->plain_mlp = true;
}
static void plain_gelu(spec *s) {
    s->plain_mlp = s->mlp_bias = true;
    s->activation = ACTIVATION_GELU;
}
static void plain_gelu_tanh(spec *s) {
    s->plain_mlp = true;
    s->activation = ACTIVATION_GELU_TANH;
}
static void shifted_swiglu(spec *s) {
    s->activation = ACTIVATION_SWIGLU_SHIFTED;
    s->mlp_limit = 0.5f;
}
static void head_bias(spec *s) {
    s->head_bias = true;
}
static void normalized_heads(spec *s) {
    s->qk_norm = QK_NORM_HEAD;
}
static void normalized_projections(spec *s) {
    s->qk_norm = QK_NORM_WHOLE;
}
static void clipped(spec *s) {
    s->clip_qkv = 0.4f;
}
static void capped_scores(spec *s) {
    s->attention_softcap = 0.3f;
}
static void sinks(spec *s) {
    s->sinks = true;
    s->window[1] = 5;
}
static void scales(spec *s) {
    s->embedding_scale = 3;
    s->residual_scale = 0.4f;
    s->logit_scale = 0.25f;
}
static void capped_logits(spec *s) {
    s->logit_softcap = 0.5f;
}
static void learned_positions(spec *s) {
    s->learned_positions = true;
    s->context = 100;
    s->rope = ROPE_NONE;
    tiny_rope(s, 0);
}
static void two_tables(spec *s) {
    s->rope_tables = 2;
    s->rope_attention = 1.25f;
    tiny_rope(s, s->head_dim);
    s->rope_layer = calloc(s->layers, sizeof *s->rope_layer);
    s->rope_layer[0] = 1;
    s->rope_layer[s->layers - 1] = ROPE_NOT_HERE;
}

static const struct feature {
    const char *name;
    void (*set)(spec *s);
} features[] = {
    {"layer norm", layer_norm},
    {"layer norm with bias", layer_norm_bias},
    {"norms after", norms_after},
    {"norms around", norms_around},
    {"parallel", parallel},
    {"parallel, one norm", shared_norm},
    {"plain MLP, SiLU", plain_silu},
    {"plain MLP, GELU", plain_gelu},
    {"plain MLP, GELU by tanh", plain_gelu_tanh},
    {"shifted SwiGLU with a limit", shifted_swiglu},
    {"head bias", head_bias},
    {"normalised heads", normalized_heads},
    {"normalised projections", normalized_projections},
    {"clipped q, k, v", clipped},
    {"capped scores", capped_scores},
    {"sinks", sinks},
    {"scales", scales},
    {"capped logits", capped_logits},
    {"learned positions", learned_positions},
    {"two tables and a layer without", two_tables},
};

enum { N = 70 };

/* The features must show: without one, the logits are elsewhere. */
Test(features, each_is_what_it_means) {
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        spec s = tiny_spec();
        int32_t ids[N];
        tiny_ids(ids, N, s.vocab, 5);
        features[i].set(&s);
        model *m = tiny_open(&s, &(tiny){.seed = (uint32_t)i});
        const size_t n = (size_t)N * model_spec(m)->vocab;
        double *wanted = calloc(n, sizeof *wanted);
        reference_logits(m, ids, N, wanted);
        float *got = tiny_logits(m, &(session_options){.threads = 2, .batch = 33, .key_type = "f32", .value_type = "f32"}, ids, N, N);
        const double d = largest_distance(got, wanted, n);
        cr_expect(d <= 2e-5, "%s: differs by %g of the largest logit", features[i].name, d);
        free(got), free(wanted);
        model_close(&m);
    }
}

/* ---- several: the same bits ---- */

enum { LONG = 600 }; /* so many that the chunks of a single token are spread over threads */

static void many_of_gpt(spec *s) {
    layer_norm_bias(s);
    parallel(s);
    plain_gelu(s);
    sinks(s);
    head_bias(s);
    s->learned_positions = s->attention_bias = s->output_bias = true;
    s->context = LONG + 8; /* whole groups of rows, for any format */
    s->rope = ROPE_INTERLEAVED;
    tiny_rope(s, 12);
    capped_scores(s);
}

static void many_of_gemma(spec *s) {
    norms_around(s);
    normalized_heads(s);
    capped_scores(s);
    capped_logits(s);
    s->embedding_scale = 3;
    two_tables(s);
    s->window[0] = 300;
    s->activation = ACTIVATION_GELU_TANH;
}

static void many_others(spec *s) {
    norms_after(s);
    normalized_projections(s);
    clipped(s);
    shifted_swiglu(s);
    sinks(s);
    s->window[1] = 0;
    s->logit_scale = 0.5f;
}

static const struct feature mixtures[] = {{"gpt", many_of_gpt}, {"gemma", many_of_gemma}, {"others", many_others}};

static void expect_same(const model *m, session_options o, const int32_t *ids, size_t call, const float *wanted, const char *what) {
    float *got = tiny_logits(m, &o, ids, LONG, call);
    cr_expect(memcmp(got, wanted, (size_t)LONG * model_spec(m)->vocab * sizeof *got) == 0, "%s, %s: threads %d, batch %u, calls of %zu, %s", what,
              o.key_type, o.threads, o.batch, call, o.isa ? o.isa : "best");
    free(got);
}

static void same_everywhere(const model *m, const char *cache, const char *what) {
    session_options o = {.threads = 1, .batch = 512, .isa = "scalar", .key_type = cache, .value_type = cache};
    int32_t ids[LONG];
    tiny_ids(ids, LONG, model_spec(m)->vocab, 9);
    float *wanted = tiny_logits(m, &o, ids, LONG, LONG);
    o.isa = NULL;
    expect_same(m, o, ids, 100, wanted, what);
    o.threads = 3, o.batch = 64;
    expect_same(m, o, ids, LONG, wanted, what);
    o.batch = 1;
    expect_same(m, o, ids, LONG, wanted, what);
    o.threads = 2, o.batch = 7;
    for (const kernels *const *k = kernel_tables; *k && !getenv("QUICK"); k++) {
        const kernels *usable;
        o.isa = (*k)->name;
        if (kernels_choose(&usable, o.isa, NULL) == OK) expect_same(m, o, ids, LONG, wanted, what);
    }
    free(wanted);
}

Test(features, same_bits) {
    for (size_t i = 0; i < sizeof mixtures / sizeof *mixtures; i++) {
        spec s = tiny_spec();
        mixtures[i].set(&s);
        model *m = tiny_open(&s, &(tiny){.seed = 20});
        for (const cache_type *const *c = kernel_tables[0]->caches; *c; c++) {
            if (!getenv("QUICK") || c == kernel_tables[0]->caches) same_everywhere(m, (*c)->name, mixtures[i].name);
        }
        model_close(&m);
    }
}

Test(features, same_bits_with_coded_weights) {
    static const char *const formats[] = {"q4", "q8@token"};
    for (size_t i = 0; i < 2 * sizeof mixtures / sizeof *mixtures; i += getenv("QUICK") ? 2 : 1) {
        spec s = tiny_spec_aligned();
        s.tied = false;
        mixtures[i / 2].set(&s);
        model *m = tiny_open(&s, &(tiny){.format = formats[i % 2], .seed = 21});
        same_everywhere(m, "f16", mixtures[i / 2].name);
        model_close(&m);
    }
}

/* ---- what a session decides ---- */

/* The tables for long texts are used when the session is for more positions than the original ones, whatever the length of the text. */
Test(features, long_tables_belong_to_long_sessions) {
    enum { SHORT = 20 };
    spec s = tiny_spec();
    s.rope_original = 32;
    s.rope_long = calloc(s.rope_dims / 2, sizeof *s.rope_long);
    for (uint32_t i = 0; i < s.rope_dims / 2; i++) s.rope_long[i] = s.rope_inverse[i] / 4;
    model *both = tiny_open(&s, &(tiny){.seed = 30});
    s = tiny_spec();
    model *usual = tiny_open(&s, &(tiny){.seed = 30});
    s = tiny_spec();
    for (uint32_t i = 0; i < s.rope_dims / 2; i++) s.rope_inverse[i] /= 4;
    model *stretched = tiny_open(&s, &(tiny){.seed = 30});
    int32_t ids[SHORT];
    tiny_ids(ids, SHORT, model_spec(both)->vocab, 1);
    for (uint32_t context = 32; context <= 33; context++) {
        const session_options o = {.threads = 1, .context = context};
        const model *same = context == 32 ? usual : stretched, *other = context == 32 ? stretched : usual;
        float *got = tiny_logits(both, &o, ids, SHORT, SHORT), *is = tiny_logits(same, &o, ids, SHORT, SHORT),
              *neither = tiny_logits(other, &o, ids, SHORT, SHORT);
        const size_t bytes = (size_t)SHORT * model_spec(both)->vocab * sizeof *got;
        cr_expect(memcmp(got, is, bytes) == 0 && memcmp(got, neither, bytes) != 0, "context %u", context);
        free(got), free(is), free(neither);
    }
    model_close(&both), model_close(&usual), model_close(&stretched);
}

Test(features, learned_positions_end) {
    spec s = tiny_spec();
    learned_positions(&s);
    model *m = tiny_open(&s, &(tiny){0});
    session *none;
    error e = {0};
    cr_assert_eq(session_open(&none, m, &(session_options){.context = 101}, &e), E_USAGE);
    cr_assert_str_eq(e.text, "a context of 101 is more than the 100 positions that the model has learned");
    cr_assert_eq(session_open(&none, m, &(session_options){0}, &e), OK, "%s", e.text);
    cr_assert_eq(session_context(none), 100);
    session_close(&none);
    model_close(&m);
}
