/* The architectures that GGUF files are read and written of, and what they call things: gguf-py/gguf/constants.py and src/models of llama.cpp. */
#include "models/gguf.h"

const gguf_pair gguf_keys[] = {
    {"block_count", "num_hidden_layers", false},
    {"context_length", "max_position_embeddings", false},
    {"embedding_length", "hidden_size", false},
    {"feed_forward_length", "intermediate_size", false},
    {"attention.head_count", "num_attention_heads", false},
    {"attention.head_count_kv", "num_key_value_heads", false},
    {"attention.key_length", "head_dim", false},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", true},
    {"rope.freq_base", "rope_theta", true},
    {0},
};

const gguf_pair gguf_scaling[] = {
    {"factor", "factor", true},
    {"original_context_length", "original_max_position_embeddings", false},
    {"yarn_beta_fast", "beta_fast", true},
    {"yarn_beta_slow", "beta_slow", true},
    {0},
};

const gguf_pair gguf_globals[] = {
    {"token_embd.weight", "model.embed_tokens.weight", false},
    {"output_norm.weight", "model.norm.weight", false},
    {"output.weight", "lm_head.weight", false},
    {0},
};

static const gguf_pair llama_layer[] = {
    {"attn_norm", "input_layernorm", false},    {"attn_q", "self_attn.q_proj", false},
    {"attn_k", "self_attn.k_proj", false},      {"attn_v", "self_attn.v_proj", false},
    {"attn_output", "self_attn.o_proj", false}, {"attn_q_norm", "self_attn.q_norm", false},
    {"attn_k_norm", "self_attn.k_norm", false}, {"ffn_norm", "post_attention_layernorm", false},
    {"ffn_gate", "mlp.gate_proj", false},       {"ffn_up", "mlp.up_proj", false},
    {"ffn_down", "mlp.down_proj", false},       {0},
};

/* Norms before and after attention and feed-forward. */
static const gguf_pair gemma2_layer[] = {
    {"attn_norm", "input_layernorm", false},
    {"attn_q", "self_attn.q_proj", false},
    {"attn_k", "self_attn.k_proj", false},
    {"attn_v", "self_attn.v_proj", false},
    {"attn_output", "self_attn.o_proj", false},
    {"attn_q_norm", "self_attn.q_norm", false},
    {"attn_k_norm", "self_attn.k_norm", false},
    {"post_attention_norm", "post_attention_layernorm", false},
    {"ffn_norm", "pre_feedforward_layernorm", false},
    {"post_ffw_norm", "post_feedforward_layernorm", false},
    {"ffn_gate", "mlp.gate_proj", false},
    {"ffn_up", "mlp.up_proj", false},
    {"ffn_down", "mlp.down_proj", false},
    {0},
};

static const gguf_pair no_keys[] = {{0}};
static const gguf_pair gemma2_keys[] = {
    {"attention.sliding_window", "sliding_window", false},
    {"attn_logit_softcapping", "attn_logit_softcapping", true},
    {"final_logit_softcapping", "final_logit_softcapping", true},
    {0},
};
static const gguf_pair gemma3_keys[] = {
    {"attention.sliding_window", "sliding_window", false},
    {"attention.sliding_window_pattern", "sliding_window_pattern", false},
    {"rope.freq_base_swa", "rope_local_base_freq", true},
    {0},
};

static const gguf_arch arch_of_llama = {
    .name = "llama",
    .model_type = "llama",
    .class = "LlamaForCausalLM",
    .keys = no_keys,
    .layer = llama_layer,
    .constants = "{\"hidden_act\": \"silu\"}",
    .pairs = true,
    .attention_bias = true,
};

/* Files of Mistral call themselves llama: this is for writing. */
static const gguf_arch arch_of_mistral = {
    .name = "llama",
    .model_type = "mistral",
    .class = "MistralForCausalLM",
    .keys = no_keys,
    .layer = llama_layer,
    .constants = "{\"hidden_act\": \"silu\"}",
    .pairs = true,
};

static const gguf_arch arch_of_qwen2 = {
    .name = "qwen2",
    .model_type = "qwen2",
    .class = "Qwen2ForCausalLM",
    .keys = no_keys,
    .layer = llama_layer,
    .constants = "{\"hidden_act\": \"silu\", \"use_sliding_window\": false}",
};

static const gguf_arch arch_of_qwen3 = {
    .name = "qwen3",
    .model_type = "qwen3",
    .class = "Qwen3ForCausalLM",
    .keys = no_keys,
    .layer = llama_layer,
    .constants = "{\"hidden_act\": \"silu\", \"use_sliding_window\": false}",
    .attention_bias = true,
};

static const gguf_arch arch_of_gemma = {
    .name = "gemma",
    .model_type = "gemma",
    .class = "GemmaForCausalLM",
    .keys = no_keys,
    .layer = llama_layer,
    .constants = "{\"hidden_activation\": \"gelu_pytorch_tanh\"}",
    .norm_plus = 1,
};

static const gguf_arch arch_of_gemma2 = {
    .name = "gemma2",
    .model_type = "gemma2",
    .class = "Gemma2ForCausalLM",
    .keys = gemma2_keys,
    .layer = gemma2_layer,
    .constants = "{\"hidden_activation\": \"gelu_pytorch_tanh\", \"sliding_window\": 4096}",
    .norm_plus = 1,
    .window_every = 2,
    .wide_layers = 46,
};

static const gguf_arch arch_of_gemma3 = {
    .name = "gemma3",
    .model_type = "gemma3_text",
    .class = "Gemma3ForCausalLM",
    .keys = gemma3_keys,
    .layer = gemma2_layer,
    .constants = "{\"hidden_activation\": \"gelu_pytorch_tanh\", \"sliding_window_pattern\": 6, \"rope_local_base_freq\": 10000.0}",
    .norm_plus = 1,
    .window_every = 6,
    .wide_layers = 62,
};

const gguf_arch *const gguf_archs[] = {
    &arch_of_llama, &arch_of_qwen2, &arch_of_qwen3, &arch_of_gemma, &arch_of_gemma2, &arch_of_gemma3, &arch_of_mistral, NULL,
};
