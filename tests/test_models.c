#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "files.h"
#include "models/arch.h"
#include "plain_config.h"

Test(models, llama) {
    spec s = configured("{}");
    cr_assert_str_eq(s.architecture, "llama");
    cr_assert(s.layers == 2 && s.hidden == 8 && s.intermediate == 12 && s.heads == 4 && s.kv_heads == 2 && s.head_dim == 2 && s.vocab == 10);
    cr_assert(s.context == 128 && s.tied && s.norm == NORM_RMS && s.norm_eps == 1e-5f && s.activation == ACTIVATION_SILU);
    cr_assert(!s.attention_bias && !s.output_bias && !s.mlp_bias && s.rope == ROPE_HALF && s.rope_dims == 2 && s.rope_attention == 1);
    cr_assert_eq(s.attention_scale, (float)sqrt(0.5));
    cr_assert(s.rope_inverse[0] == 1 && s.window[0] == 0 && s.window[1] == 0);
    cr_assert(s.bos == 1 && s.n_eos == 1 && s.eos[0] == 2);
    spec_free(&s);
    s = configured(
        "{\"attention_bias\": true, \"mlp_bias\": true, \"head_dim\": 6, \"num_key_value_heads\": null, \"eos_token_id\": [3, 4], "
        "\"bos_token_id\": null, \"tie_word_embeddings\": false, \"hidden_act\": \"swish\"}");
    cr_assert(s.attention_bias && s.output_bias && s.mlp_bias && s.head_dim == 6 && s.kv_heads == 4 && !s.tied);
    cr_assert(s.bos == -1 && s.n_eos == 2 && s.eos[1] == 4);
    spec_free(&s);
}

Test(models, mistral) {
    spec s = configured("{\"model_type\": \"mistral\", \"sliding_window\": 16}");
    cr_assert(s.window[0] == 16 && s.window[1] == 16 && !s.attention_bias);
    cr_assert_str_eq(s.architecture, "mistral");
    spec_free(&s);
    s = configured("{\"model_type\": \"mistral\", \"sliding_window\": null}");
    cr_assert(s.window[0] == 0 && s.window[1] == 0);
    spec_free(&s);
    s = configured("{\"model_type\": \"mistral\"}");
    cr_assert(s.window[0] == 4096 && s.window[1] == 4096);
    spec_free(&s);
}

Test(models, keys_without_an_effect_are_allowed) {
    spec s = configured(
        "{\"architectures\": [\"LlamaForCausalLM\"], \"attention_dropout\": 0.1, \"dtype\": \"float16\", \"initializer_range\": 0.02, "
        "\"pretraining_tp\": 4, "
        "\"transformers_version\": \"5.0\", \"use_cache\": false, \"pad_token_id\": -1, \"_name_or_path\": \"x\", \"qbin_source\": {\"a\": 1}, "
        "\"rope_scaling\": null, \"something_new\": null, \"attention_bias\": false, \"rope_interleaved\": false, \"is_llama_config\": true, "
        "\"partial_rotary_factor\": 1, \"pruned_heads\": {}, \"id2label\": {\"0\": \"x\"}, \"unk_token_id\": 0}");
    spec_free(&s);
}

/* What would change the mathematics and is not understood is refused by name. */
static const char *const refused[][2] = {
    {"{\"model_type\": \"nobody\"}", "model_type 'nobody' is not supported; known: llama, mistral"},
    {"{\"model_type\": null}", "'model_type' is missing"},
    {"{\"model_type\": 7}", "'model_type' is an integer"},
    {"{\"foo\": 1}", "key 'foo' is not understood and might change the mathematics"},
    {"{\"foo\": false}", "key 'foo' is not understood"},
    {"{\"sliding_window\": 16}", "key 'sliding_window' is not understood"},
    {"{\"partial_rotary_factor\": 0.5}", "key 'partial_rotary_factor' is not understood"},
    {"{\"rope_interleaved\": true}", "key 'rope_interleaved' is not understood"},
    {"{\"quantization_config\": {}}", "'quant_method' is missing in quantization_config"},
    {"{\"quantization_config\": {\"quant_method\": \"gptq\", \"bits\": 4}}", "'quant_method' is 'gptq', which cannot be read: only fp8 and mxfp4"},
    {"{\"quantization_config\": {\"quant_method\": \"fp8\", \"fmt\": \"e5m2\"}}", "'fmt' is 'e5m2', which is not supported"},
    {"{\"quantization_config\": {\"quant_method\": \"fp8\", \"bend\": 1}}", "quantization_config: key 'bend' is not understood"},
    {"{\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": [0, 128]}}", "'weight_block_size' is 0"},
    {"{\"model_type\": \"mistral\", \"attention_bias\": true}", "key 'attention_bias' is not understood"},
    {"{\"hidden_act\": \"relu\"}", "'hidden_act' is 'relu', which is not supported"},
    {"{\"hidden_act\": 1}", "'hidden_act' is an integer"},
    {"{\"hidden_size\": null}", "'hidden_size' is missing"},
    {"{\"hidden_size\": 0}", "'hidden' is 0"},
    {"{\"hidden_size\": -8}", "'hidden_size' is -8"},
    {"{\"hidden_size\": 8.0}", "'hidden_size' is a number, not an integer"},
    {"{\"hidden_size\": 99999999999}", "'hidden_size' is 99999999999"},
    {"{\"hidden_size\": 2147483647}", "'head_dim' is 536870911|head_dim 536870911 is odd or above 1024"},
    {"{\"num_hidden_layers\": 0}", "'num_hidden_layers' is 0"},
    {"{\"num_hidden_layers\": 2000000}", "'num_hidden_layers' is 2000000"},
    {"{\"num_attention_heads\": 0}", "'num_attention_heads' is 0"},
    {"{\"num_key_value_heads\": 3}", "not a multiple of 3 kv_heads"},
    {"{\"num_key_value_heads\": 0}", "'kv_heads' is 0"},
    {"{\"head_dim\": 3}", "head_dim 3 is odd"},
    {"{\"head_dim\": 0}", "'head_dim' is 0"},
    {"{\"head_dim\": 2048}", "head_dim 2048 is odd or above 1024"},
    {"{\"vocab_size\": 0}", "'vocab' is 0"},
    {"{\"rms_norm_eps\": 0}", "'norm_eps' is 0"},
    {"{\"rms_norm_eps\": \"small\"}", "'rms_norm_eps' is text"},
    {"{\"tie_word_embeddings\": 1}", "'tie_word_embeddings' is an integer"},
    {"{\"max_position_embeddings\": 0}", "'context' is 0"},
    {"{\"bos_token_id\": 10}", "'bos_token_id' is 10, not in 0 .. 9"},
    {"{\"eos_token_id\": [1, \"2\"]}", "'eos_token_id' is text"},
    {"{\"eos_token_id\": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", "'eos_token_id' has 17 entries"},
    {"{\"rope_theta\": 0}", "'rope_theta' is 0"},
    {"{\"rope_scaling\": 4}", "'rope_scaling' is an integer"},
    {"{\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2.0}}", "rope_type 'dynamic' is not supported; known: default, linear, llama3, yarn"},
    {"{\"rope_scaling\": {\"rope_type\": \"longrope\"}}", "'original_max_position_embeddings' is missing"},
    {"{\"rope_scaling\": {\"type\": \"linear\", \"rope_type\": \"yarn\"}}", "'type' is 'linear', but 'rope_type' is 'yarn'"},
    {"{\"rope_scaling\": {\"type\": \"linear\"}}", "'factor' is missing in rope_scaling"},
    {"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 0}}", "'factor' is 0"},
    {"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0, \"bend\": 1}}", "rope_scaling: key 'bend' is not understood"},
    {"{\"rope_scaling\": {\"rope_type\": \"default\", \"factor\": 2.0}}", "rope_scaling: key 'factor' is not understood"},
    {"{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0}}", "'low_freq_factor' is missing"},
    {"{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 4, \"high_freq_factor\": 4, "
     "\"original_max_position_embeddings\": 48}}",
     "'high_freq_factor' 4 is not above"},
    {"{\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 20000.0}}", "'rope_theta' is 10000, but 'rope_parameters' says 20000"},
    {"{\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 2}, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 4}}",
     "'rope_scaling' and 'rope_parameters' differ in 'factor'"},
    {"{\"rope_parameters\": {\"full_attention\": {\"rope_theta\": 1e6}}}", "key 'full_attention' is not understood"},
};

Test(models, configs_that_are_refused) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        spec s;
        error e;
        cr_assert_eq(configure_with(&s, refused[i][0], &e), E_FILE, "%s", refused[i][0]);
        char says[200];
        snprintf(says, sizeof says, "%s", refused[i][1]);
        char *other = strchr(says, '|');
        if (other) *other++ = 0;
        cr_assert(strstr(e.text, says) || (other && strstr(e.text, other)), "%s: '%s' does not say '%s'", refused[i][0], e.text, refused[i][1]);
    }
}

Test(models, generation_config_wins) {
    const arch *a;
    spec s;
    error e;
    json_t *root = config_with("{}"), *generation = json_loads("{\"eos_token_id\": [5, 6], \"temperature\": 0.5}", 0, NULL);
    cr_assert_eq(arch_configure(&a, &s, root, generation, &e), OK, "%s", e.text);
    cr_assert(s.bos == 1 && s.n_eos == 2 && s.eos[0] == 5 && s.eos[1] == 6);
    spec_free(&s);
    json_object_set_new(generation, "eos_token_id", json_integer(99));
    cr_assert_eq(arch_configure(&a, &s, root, generation, &e), E_FILE);
    cr_assert(strstr(e.text, "generation_config.json: 'eos_token_id' is 99"), "%s", e.text);
    json_decref(root);
    json_decref(generation);
}

/* The reference models: what the spec says is stored as JSON and read back the same. */
Test(models, fixtures) {
    const char *const names[] = {"llama2",  "llama3", "llama-bias",      "llama-extra", "llama-linear", "llama-sharded", "llama-yarn",
                                 "mistral", "qwen2",  "qwen2-window-on", "qwen3",       "smollm3",      "gemma",         "gemma2",
                                 "gemma3",  "phi3",   "phi3-longrope",   "olmo2",       "granite",      "cohere2"};
    if (!shared_path("fixtures/models/llama2")) cr_skip_test("no third-party data beside the repository");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char folder[200], path[220];
        checkpoint c;
        spec s, again;
        wanted_list list;
        error e;
        snprintf(folder, sizeof folder, "../shared/fixtures/models/%s", names[i]);
        snprintf(path, sizeof path, "%s/config.json", folder);
        cr_assert_eq(checkpoint_open(&c, folder, &e), OK, "%s", e.text);
        cr_assert_eq(arch_resolve(&c, path, &s, &list, &e), OK, "%s", e.text);
        json_t *first = spec_to_json(&s);
        cr_assert_eq(spec_from_json(&again, first, &e), OK, "%s", e.text);
        json_t *second = spec_to_json(&again);
        cr_assert(json_equal(first, second), "%s", names[i]);
        cr_assert_arr_eq(s.rope_inverse, again.rope_inverse, s.rope_tables * s.rope_dims / 2 * sizeof *s.rope_inverse);
        cr_assert(s.norm_eps == again.norm_eps && s.attention_scale == again.attention_scale && s.rope_attention == again.rope_attention);
        json_decref(first);
        json_decref(second);
        spec_free(&s);
        spec_free(&again);
        wanted_free(&list);
        checkpoint_close(&c);
    }
}
