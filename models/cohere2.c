#include "models/features.h"
#include "models/llama.h"
#include "models/rope.h"

enum { USUAL_WINDOW = 4096, USUAL_PATTERN = 4 };

static const expected_key expected[] = {
    {"order_of_interleaved_layers", "\"local_attn_first\""},
    {"position_embedding_type", "\"rope_gptj\""},
    {"rotary_pct", "1.0"},
    {"use_embedding_sharing", "true"},
    {"use_gated_activation", "true"},
    {"use_parallel_block", "true"},
    {"use_parallel_embedding", "false"},
    {"use_qk_norm", "false"},
    {NULL, NULL},
};

/* One layer norm without a bias for attention and MLP side by side. Layers with a window rotate neighbouring dimensions; the others know no positions. */
static status configure(spec *s, config *c, error *e) {
    uint32_t window, pattern;
    double logits;
    TRY(features_sizes(s, c, e));
    TRY(features_layer_norm(s, c, "layer_norm_eps", 1e-5, e));
    TRY(features_activation(s, c, "hidden_act", "silu", e));
    TRY(features_expect(c, expected, e));
    TRY(config_bool(c, "tie_word_embeddings", true, &s->tied, e));
    TRY(config_bool(c, "attention_bias", false, &s->attention_bias, e));
    TRY(config_number(c, "logit_scale", 0.0625, &logits, e));
    TRY(config_uint(c, "sliding_window", config_has(c, "sliding_window") ? 0 : USUAL_WINDOW, &window, e));
    TRY(config_uint(c, "layer_switch", USUAL_PATTERN, &pattern, e));
    TRY(config_uint(c, "_sliding_window_pattern", pattern, &pattern, e));
    TRY(config_uint(c, "sliding_window_pattern", pattern, &pattern, e));
    if (!pattern || !window) return fail(e, E_FILE, "'sliding_window' is %u, 'sliding_window_pattern' is %u", window, pattern);
    TRY(features_sliding(s, c, window, slides_but_each, pattern, e));
    config_get(c, "cache_implementation");
    TRY(rope_configure(s, c, e));
    for (uint32_t i = 0; i < s->layers; i++) {
        if (!s->window[i]) TRY(rope_leave_out(s, i, e));
    }
    s->output_bias = s->attention_bias;
    s->norm_bias = false;
    s->residual = RESIDUAL_SHARED;
    s->rope = ROPE_INTERLEAVED;
    s->logit_scale = (float)logits;
    return OK;
}

const arch arch_cohere2 = {
    .model_type = "cohere2",
    .summary = "Command R7B, Command A and others of that shape",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
