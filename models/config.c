#include "models/config.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

/* Keys that say nothing about the forward pass: what the file is, how it was trained, how it was stored, how to sample, what the classes of a
 * classifier are called. Special token ids that the engine needs are read before. */
const char *const config_harmless[] = {
    /* the file */
    "_commit_hash",
    "_name_or_path",
    "architectures",
    "dtype",
    "max_sequence_length",
    "model_max_length",
    "model_type",
    "qbin_source",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    "tokenizer_class",
    /* how it is run elsewhere: same results */
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_flash_attn_2_enabled",
    "attn_implementation",
    "gradient_checkpointing",
    "is_decoder",
    "is_llama_config",
    "output_attentions",
    "output_hidden_states",
    "pretraining_tp",
    "return_dict",
    "torchscript",
    "use_cache",
    "use_bfloat16",
    "use_return_dict",
    /* training */
    "attention_dropout",
    "classifier_dropout",
    "embd_pdrop",
    "embedding_dropout",
    "hidden_dropout",
    "initializer_range",
    "resid_pdrop",
    /* token ids */
    "bos_token_id",
    "cls_token_id",
    "decoder_start_token_id",
    "eos_token_id",
    "mask_token_id",
    "pad_token_id",
    "sep_token_id",
    "unk_token_id",
    /* generation defaults that old files keep here */
    "bad_words_ids",
    "begin_suppress_tokens",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_scores",
    "prefix",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict_in_generate",
    "suppress_tokens",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
    /* tasks */
    "finetuning_task",
    "id2label",
    "label2id",
    "problem_type",
    "task_specific_params",
    NULL,
};

/* Keys that change the mathematics, with the value that does not, as JSON. */
static const struct neutral {
    const char *key, *value;
} neutrals[] = {
    {"add_cross_attention", "false"}, {"chunk_size_feed_forward", "0"}, {"is_encoder_decoder", "false"}, {"partial_rotary_factor", "1.0"},
    {"pruned_heads", "{}"},           {"rope_interleaved", "false"},    {"tf_legacy_loss", "false"},     {"tie_encoder_decoder", "false"},
    {"use_sliding_window", "false"},  {"attention_bias", "false"},      {"mlp_bias", "false"},           {"output_router_logits", "false"},
};

status config_open(config *c, const json_t *object, const char *where, error *e) {
    *c = (config){0};
    TRY(json_to_object(object, *where ? where : "config", e));
    *c = (config){.object = object, .seen = json_object(), .where = where};
    return c->seen ? OK : fail(e, E_MEMORY, "no memory");
}

void config_close(config *c) {
    json_decref(c->seen);
    *c = (config){0};
}

const json_t *config_get(config *c, const char *key) {
    const json_t *value = json_object_get(c->object, key);
    json_object_set_new(c->seen, key, json_true());
    return json_is_null(value) ? NULL : value;
}

bool config_has(const config *c, const char *key) {
    return json_object_get(c->object, key);
}

static status absent(const config *c, const char *key, bool needed, error *e) {
    return needed ? fail(e, E_FILE, "'%s' is missing%s%s", key, *c->where ? " in " : "", c->where) : OK;
}

status config_uint(config *c, const char *key, uint32_t fallback, uint32_t *out, error *e) {
    const json_t *value = config_get(c, key);
    *out = fallback;
    if (!value) return absent(c, key, fallback == CONFIG_NEEDED, e);
    uint64_t x;
    TRY(json_to_uint(value, key, 0, INT32_MAX, &x, e));
    *out = (uint32_t)x;
    return OK;
}

status config_number(config *c, const char *key, double fallback, double *out, error *e) {
    const json_t *value = config_get(c, key);
    *out = fallback;
    if (!value) return absent(c, key, isnan(fallback), e);
    return json_to_number(value, key, -1e30, 1e30, out, e);
}

status config_bool(config *c, const char *key, bool fallback, bool *out, error *e) {
    const json_t *value = config_get(c, key);
    *out = fallback;
    return value ? json_to_bool(value, key, out, e) : OK;
}

status config_text(config *c, const char *key, const char *fallback, const char **out, error *e) {
    const json_t *value = config_get(c, key);
    *out = fallback;
    return value ? json_to_text(value, key, out, e) : absent(c, key, !fallback, e);
}

status config_one_of(config *c, const char *key, const char *const *allowed, error *e) {
    const char *text;
    TRY(config_text(c, key, allowed[0], &text, e));
    for (size_t i = 0; allowed[i]; i++) {
        if (strcmp(allowed[i], text) == 0) return OK;
    }
    return fail(e, E_FILE, "'%s' is '%s', which is not supported (only '%s')", key, text, allowed[0]);
}

status config_ids(config *c, const char *key, uint32_t vocab, size_t room, int32_t *ids, uint32_t *n, error *e) {
    const json_t *value = config_get(c, key);
    size_t count = value ? 1 : 0;
    if (json_is_array(value)) TRY(json_to_array(value, key, room, &count, e));
    for (size_t i = 0; i < count; i++) {
        uint64_t id;
        TRY(json_to_uint(json_is_array(value) ? json_array_get(value, i) : value, key, 0, vocab - 1, &id, e));
        ids[i] = (int32_t)id;
    }
    *n = (uint32_t)count;
    return OK;
}

static bool is_neutral(const char *key, const json_t *value) {
    for (size_t i = 0; i < sizeof neutrals / sizeof *neutrals; i++) {
        if (strcmp(neutrals[i].key, key) != 0) continue;
        json_t *neutral = json_loads(neutrals[i].value, JSON_DECODE_ANY, NULL);
        const bool same = json_equal(neutral, value) || (json_is_number(neutral) && json_number_value(neutral) == json_number_value(value));
        json_decref(neutral);
        return same;
    }
    return json_is_null(value);
}

status config_finish(const config *c, const char *const *harmless, error *e) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)c->object, key, value) {
        if (json_object_get(c->seen, key) || is_neutral(key, value)) continue;
        size_t i = 0;
        while (harmless[i] && strcmp(harmless[i], key) != 0) i++;
        if (harmless[i]) continue;
        return fail(e, E_FILE, "%s%skey '%s' is not understood and might change the mathematics", c->where, *c->where ? ": " : "", key);
    }
    return OK;
}
