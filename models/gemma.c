#include "models/gemma.h"

#include <math.h>

#include "models/llama.h"
#include "models/rope.h"

/* The older key says "gelu" and means the form with tanh, as the reference does. */
static status check_activation(config *c, error *e) {
    static const char *const old_names[] = {"gelu_pytorch_tanh", "gelu", NULL}, *const names[] = {"gelu_pytorch_tanh", NULL};
    TRY(config_one_of(c, "hidden_act", old_names, e));
    return config_one_of(c, "hidden_activation", names, e);
}

status gemma_configure(spec *s, config *c, const usual_sizes *usual, error *e) {
    double eps;
    TRY(features_sizes_or(s, c, usual, e));
    TRY(config_number(c, "rms_norm_eps", 1e-6, &eps, e));
    TRY(config_bool(c, "tie_word_embeddings", true, &s->tied, e));
    TRY(config_bool(c, "attention_bias", false, &s->attention_bias, e));
    TRY(check_activation(c, e));
    TRY(features_refuse(c, "use_bidirectional_attention", e));
    config_get(c, "cache_implementation");
    s->output_bias = s->attention_bias;
    s->norm_eps = (float)eps;
    s->activation = ACTIVATION_GELU_TANH;
    s->embedding_scale = sqrtf((float)s->hidden);
    return OK;
}

/* c tanh(x / c) where the key is there and not null; `usual` where it is not there. */
static status read_cap(config *c, const char *key, double usual, float *out, error *e) {
    double cap;
    const bool given = config_has(c, key);
    TRY(config_number(c, key, given ? 0 : usual, &cap, e));
    *out = (float)cap;
    return OK;
}

status gemma_configure_later(spec *s, config *c, const gemma_usual *usual, error *e) {
    uint32_t window, same, pattern;
    double scalar;
    TRY(config_number(c, "query_pre_attn_scalar", 256, &scalar, e));
    TRY(read_cap(c, "attn_logit_softcapping", usual->score_cap, &s->attention_softcap, e));
    TRY(read_cap(c, "final_logit_softcapping", usual->logit_cap, &s->logit_softcap, e));
    TRY(config_uint(c, "sliding_window", config_has(c, "sliding_window") ? 0 : usual->window, &window, e));
    TRY(config_uint(c, "sliding_window_size", window, &same, e)); /* of early files, beside the other */
    if (same != window) return fail(e, E_FILE, "'sliding_window' is %u, but 'sliding_window_size' is %u", window, same);
    TRY(config_uint(c, "_sliding_window_pattern", usual->pattern, &pattern, e));
    TRY(config_uint(c, "sliding_window_pattern", pattern, &pattern, e));
    if (!(scalar > 0) || !pattern) return fail(e, E_FILE, "'query_pre_attn_scalar' is %g, 'sliding_window_pattern' is %u", scalar, pattern);
    s->attention_scale = (float)(1 / sqrt(scalar));
    s->norm_place = NORM_AROUND;
    return features_sliding(s, c, window, slides_but_each, pattern, e);
}

status gemma_tensors(const spec *s, wanted_list *out, error *e) {
    return llama_tensors_plus(s, out, 1, e);
}

static status configure(spec *s, config *c, error *e) {
    TRY(gemma_configure(s, c, &(usual_sizes){.head_dim = GEMMA_HEAD_DIM, .context = GEMMA_CONTEXT}, e));
    return rope_configure(s, c, e);
}

const arch arch_gemma = {
    .model_type = "gemma",
    .summary = "Gemma 1, CodeGemma",
    .configure = configure,
    .tensors = gemma_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
