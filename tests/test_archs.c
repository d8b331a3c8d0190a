/* What the keys of each architecture of the Llama family mean, and which values are refused because they would change the mathematics. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plain_config.h"

Test(archs, qwen2_has_biases_and_a_window_that_is_off) {
    spec s = configured("{\"model_type\": \"qwen2\", \"sliding_window\": 8, \"max_window_layers\": 1}");
    cr_assert(s.attention_bias && !s.output_bias && !s.mlp_bias && s.window[0] == 0 && s.window[1] == 0);
    spec_free(&s);
    s = configured("{\"model_type\": \"qwen2\", \"sliding_window\": 8, \"max_window_layers\": 1, \"use_sliding_window\": true}");
    cr_assert(s.window[0] == 0 && s.window[1] == 8);
    spec_free(&s);
    s = configured(
        "{\"model_type\": \"qwen2\", \"sliding_window\": 8, \"use_sliding_window\": true, \"layer_types\": [\"sliding_attention\", "
        "\"full_attention\"]}");
    cr_assert(s.window[0] == 8 && s.window[1] == 0);
    spec_free(&s);
}

Test(archs, qwen3_normalises_heads) {
    spec s = configured("{\"model_type\": \"qwen3\", \"head_dim\": 16}");
    cr_assert(s.qk_norm == QK_NORM_HEAD && !s.attention_bias && s.head_dim == 16 && s.attention_scale == 0.25f);
    spec_free(&s);
}

Test(archs, smollm3_leaves_positions_out) {
    spec s = configured("{\"model_type\": \"smollm3\", \"num_hidden_layers\": 5}");
    cr_assert(s.rope_layer[0] == 0 && s.rope_layer[3] == ROPE_NOT_HERE && s.rope_layer[4] == 0 && s.window[3] == 0);
    spec_free(&s);
    s = configured(
        "{\"model_type\": \"smollm3\", \"no_rope_layers\": [0, 1], \"no_rope_layer_interval\": 2, \"use_sliding_window\": true, "
        "\"sliding_window\": 7}");
    cr_assert(s.rope_layer[0] == ROPE_NOT_HERE && s.rope_layer[1] == 0 && s.window[0] == 7 && s.window[1] == 0);
    spec_free(&s);
}

#define GEMMA "\"hidden_act\": \"gelu\", \"tie_word_embeddings\": null"

Test(archs, gemma) {
    spec s = configured("{\"model_type\": \"gemma\", \"head_dim\": null, " GEMMA "}");
    cr_assert(s.head_dim == 256 && s.activation == ACTIVATION_GELU_TANH && s.embedding_scale == sqrtf(8) && s.tied && s.norm_place == NORM_BEFORE);
    spec_free(&s);
    s = configured("{\"model_type\": \"gemma2\", \"query_pre_attn_scalar\": 64, " GEMMA "}");
    cr_assert(s.attention_softcap == 50 && s.logit_softcap == 30 && s.attention_scale == 0.125f && s.norm_place == NORM_AROUND);
    cr_assert(s.window[0] == 4096 && s.window[1] == 0 && s.rope_tables == 1);
    spec_free(&s);
    s = configured("{\"model_type\": \"gemma2\", \"attn_logit_softcapping\": null, \"final_logit_softcapping\": 5.5, " GEMMA "}");
    cr_assert(s.attention_softcap == 0 && s.logit_softcap == 5.5f);
    spec_free(&s);
}

/* As files of the larger ones have it: only what differs from usual. */
Test(archs, gemma3_has_usual_sizes_and_two_tables) {
    const arch *a;
    spec s;
    error e = {0};
    json_t *root = json_loads(
        "{\"hidden_size\": 2560, \"intermediate_size\": 10240, \"model_type\": \"gemma3_text\", \"num_hidden_layers\": 34, "
        "\"rope_scaling\": {\"factor\": 8.0, \"rope_type\": \"linear\"}, \"sliding_window\": 1024}",
        0, NULL);
    cr_assert_eq(arch_configure(&a, &s, root, NULL, &e), OK, "%s", e.text);
    json_decref(root);
    cr_assert(s.heads == 8 && s.kv_heads == 4 && s.head_dim == 256 && s.vocab == 262208 && s.context == 131072 && s.tied);
    cr_assert(s.rope_tables == 2 && s.rope_layer[0] == 1 && s.rope_layer[5] == 0 && s.window[0] == 1024 && s.window[5] == 0 && s.window[11] == 0);
    cr_assert(s.rope_inverse[0] == 0.125f && s.rope_inverse[128] == 1 && s.qk_norm == QK_NORM_HEAD && s.attention_softcap == 0);
    cr_assert_float_eq((double)s.rope_inverse[1], pow(1e6, -2.0 / 256) / 8, 1e-7);
    cr_assert_float_eq((double)s.rope_inverse[129], pow(1e4, -2.0 / 256), 1e-6);
    spec_free(&s);
}

Test(archs, the_two_tables_in_their_newer_place) {
    spec s = configured(
        "{\"model_type\": \"gemma3_text\", \"rope_theta\": null, \"layer_types\": [\"full_attention\", \"sliding_attention\"], \"rope_parameters\": "
        "{\"full_attention\": {\"rope_type\": \"linear\", \"factor\": 4.0, \"rope_theta\": 20000.0}, \"sliding_attention\": {\"rope_type\": "
        "\"default\", \"rope_theta\": 500.0}}, \"head_dim\": 4, " GEMMA "}");
    cr_assert(s.rope_layer[0] == 0 && s.rope_layer[1] == 1 && s.rope_inverse[0] == 0.25f && s.rope_inverse[2] == 1);
    cr_assert_float_eq((double)s.rope_inverse[3], pow(500, -0.5), 1e-7);
    spec_free(&s);
}

#define LONGROPE(more) \
    "{\"model_type\": \"phi3\", \"head_dim\": 4, \"original_max_position_embeddings\": 32, \"rope_scaling\": {\"type\": \"longrope\"" more "}}"

Test(archs, phi3_has_two_lists_of_factors) {
    spec s = configured(LONGROPE(", \"short_factor\": [1.0, 2.0], \"long_factor\": [4.0, 8.0]"));
    cr_assert(s.rope_original == 32 && s.rope_inverse[0] == 1 && s.rope_long[0] == 0.25f && s.rope_dims == 4);
    cr_assert_float_eq((double)s.rope_inverse[1], 0.01 / 2, 1e-9);
    cr_assert_float_eq((double)s.rope_long[1], 0.01 / 8, 1e-9);
    cr_assert_eq(s.rope_attention, (float)sqrt(1 + log(4) / log(32)));
    spec_free(&s);
}

Test(archs, olmo2_granite_cohere2) {
    spec s = configured("{\"model_type\": \"olmo2\", \"rms_norm_eps\": null}");
    cr_assert(s.norm_place == NORM_AFTER && s.qk_norm == QK_NORM_WHOLE && s.norm_eps == 1e-5f);
    spec_free(&s);
    s = configured(
        "{\"model_type\": \"granite\", \"embedding_multiplier\": 12, \"residual_multiplier\": 0.25, \"attention_multiplier\": 0.5, "
        "\"logits_scaling\": 8}");
    cr_assert(s.embedding_scale == 12 && s.residual_scale == 0.25f && s.attention_scale == 0.5f && s.logit_scale == 0.125f);
    spec_free(&s);
    s = configured("{\"model_type\": \"cohere2\", \"rms_norm_eps\": null, \"num_hidden_layers\": 4, \"tie_word_embeddings\": null}");
    cr_assert(s.norm == NORM_LAYER && !s.norm_bias && s.residual == RESIDUAL_SHARED && s.rope == ROPE_INTERLEAVED && s.logit_scale == 0.0625f);
    cr_assert(s.window[0] == 4096 && s.rope_layer[0] == 0 && s.window[3] == 0 && s.rope_layer[3] == ROPE_NOT_HERE && s.tied);
    spec_free(&s);
}

static const char *const refused[][2] = {
    {"{\"model_type\": \"qwen2\", \"layer_types\": [\"full_attention\"]}", "'layer_types' has 1 entries instead of 2"},
    {"{\"model_type\": \"qwen2\", \"layer_types\": [\"full_attention\", \"linear_attention\"]}", "'layer_types' has 'linear_attention'"},
    {"{\"model_type\": \"qwen2\", \"layer_types\": 3}", "'layer_types' is an integer"},
    {"{\"model_type\": \"qwen2\", \"attn_logit_softcapping\": 50.0}", "key 'attn_logit_softcapping' is not understood"},
    {"{\"model_type\": \"qwen2\", \"use_mrope\": true}", "'use_mrope' is true"},
    {"{\"model_type\": \"gemma2\", \"hidden_act\": \"gelu\", \"sliding_window_size\": 512}",
     "'sliding_window' is 4096, but 'sliding_window_size' is 512"},
    {"{\"model_type\": \"qwen3\"}", "'head_dim' is missing"},
    {"{\"model_type\": \"qwen3\", \"head_dim\": 4, \"num_experts\": 8}", "key 'num_experts' is not understood"},
    {"{\"model_type\": \"smollm3\", \"no_rope_layers\": [1]}", "'no_rope_layers' has 1 entries instead of 2"},
    {"{\"model_type\": \"smollm3\", \"no_rope_layers\": [1, 2]}", "'no_rope_layers' is 2"},
    {"{\"model_type\": \"smollm3\", \"no_rope_layer_interval\": 0}", "'no_rope_layer_interval' is 0"},
    {"{\"model_type\": \"gemma\", \"hidden_act\": \"gelu\", \"hidden_activation\": \"relu\"}", "'hidden_activation' is 'relu'"},
    {"{\"model_type\": \"gemma\", \"hidden_act\": \"gelu\", \"use_bidirectional_attention\": true}", "'use_bidirectional_attention' is true"},
    {"{\"model_type\": \"gemma\", \"hidden_act\": \"gelu\", \"final_logit_softcapping\": 30.0}", "key 'final_logit_softcapping' is not understood"},
    {"{\"model_type\": \"gemma2\", \"hidden_act\": \"gelu\", \"query_pre_attn_scalar\": 0}", "'query_pre_attn_scalar' is 0"},
    {"{\"model_type\": \"gemma2\", \"hidden_act\": \"gelu\", \"attn_logit_softcapping\": -1}", "'attention_softcap' is -1"},
    {"{\"model_type\": \"gemma3_text\", \"hidden_act\": \"gelu\", \"sliding_window_pattern\": 0}", "'sliding_window_pattern' is 0"},
    {"{\"model_type\": \"gemma3_text\", \"hidden_act\": \"gelu\", \"rope_parameters\": {\"full_attention\": {}}}", "lacks one"},
    {"{\"model_type\": \"gemma3_text\", \"hidden_act\": \"gelu\", \"rope_parameters\": {\"full_attention\": {}, \"sliding_attention\": "
     "{\"rope_type\": "
     "\"linear\", \"factor\": 2, \"rope_theta\": 100}}}",
     "rope_type 'linear' is not supported"},
    {"{\"model_type\": \"phi3\", \"lm_head_bias\": true}", "'lm_head_bias' is not false"},
    {"{\"model_type\": \"phi3\", \"interpolate_factor\": 2}", "'interpolate_factor' is not 1"},
    {LONGROPE(""), "'short_factor' is missing"},
    {"{\"model_type\": \"smollm3\", \"rope_theta\": null}", "'rope_theta' is missing"},
    {"{\"model_type\": \"cohere\", \"rms_norm_eps\": null, \"use_qk_norm\": true}", "'use_qk_norm' is true"},
    {"{\"model_type\": \"exaone4\", \"sliding_window_pattern\": \"LLLG\"}", "'layer_types' is missing"},
    {"{\"model_type\": \"glm4\"}", "'head_dim' is missing"},
    {"{\"model_type\": \"ernie4_5\", \"head_dim\": 4, \"moe_num_experts\": 64}", "key 'moe_num_experts' is not understood"},
    {"{\"model_type\": \"seed_oss\", \"head_dim\": 4, \"layer_types\": []}", "key 'layer_types' is not understood"},
    {LONGROPE(", \"short_factor\": [1.0], \"long_factor\": [1.0, 1.0]"), "'short_factor' has 1 factors instead of 2"},
    {LONGROPE(", \"short_factor\": [1.0, 0], \"long_factor\": [1.0, 1.0]"), "'short_factor' is 0"},
    {LONGROPE(", \"short_factor\": [1.0, 1], \"long_factor\": [1.0, 1.0], \"long_mscale\": 1.2"), "key 'long_mscale' is not understood"},
    {"{\"model_type\": \"phi3\", \"partial_rotary_factor\": 1.5}", "'partial_rotary_factor' is 1.5"},
    {"{\"model_type\": \"olmo2\", \"clip_qkv\": 8.0}", "key 'clip_qkv' is not understood"},
    {"{\"model_type\": \"granite\", \"logits_scaling\": 0}", "'logits_scaling' is 0"},
    {"{\"model_type\": \"granite\", \"residual_multiplier\": 0}", "'residual_scale' is 0"},
    {"{\"model_type\": \"granite\", \"num_local_experts\": 4}", "key 'num_local_experts' is not understood"},
    {"{\"model_type\": \"cohere2\", \"rms_norm_eps\": null, \"use_qk_norm\": true}", "'use_qk_norm' is not false"},
    {"{\"model_type\": \"cohere2\", \"rms_norm_eps\": null, \"position_embedding_type\": \"alibi\"}", "'position_embedding_type' is not"},
    {"{\"model_type\": \"cohere2\", \"rms_norm_eps\": null, \"sliding_window\": null}", "'sliding_window' is 0"},
};

Test(archs, what_would_change_the_mathematics_is_refused) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        spec s;
        error e;
        cr_expect_eq(configure_with(&s, refused[i][0], &e), E_FILE, "%s", refused[i][0]);
        cr_expect(strstr(e.text, refused[i][1]), "%s: '%s' does not say '%s'", refused[i][0], e.text, refused[i][1]);
    }
}
