/* The text part of a config.json: of a model that reads images or sounds too, only its language model is taken. */
#include <string.h>

#include "base/json.h"
#include "models/arch.h"
#include "models/config.h"

/* What a text_config leaves to the whole. */
static const char *const shared[] = {"bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings", "quantization_config", NULL};

/* What is said of the other parts, and of how their results take the places of tokens. */
static const char *const others[] = {
    "audio_config",
    "audio_token_id",
    "audio_token_index",
    "boa_token_id",
    "boa_token_index",
    "boi_token_id",
    "boi_token_index",
    "eoa_token_id",
    "eoa_token_index",
    "eoi_token_id",
    "eoi_token_index",
    "ignore_index",
    "image_grid_pinpoints",
    "image_seq_length",
    "image_token_id",
    "image_token_index",
    "mm_tokens_per_image",
    "model_type",
    "multimodal_projector_bias",
    "projector_hidden_act",
    "spatial_merge_size",
    "text_config",
    "use_image_newline_parameter",
    "video_token_id",
    "video_token_index",
    "vision_config",
    "vision_end_token_id",
    "vision_feature_layer",
    "vision_feature_select_strategy",
    "vision_feature_use_post_norm",
    "vision_soft_tokens_per_image",
    "vision_start_token_id",
    "vision_token_id",
    NULL,
};

static status check_whole(const json_t *root, error *e) {
    config c;
    TRY(config_open(&c, root, "", e));
    for (size_t i = 0; shared[i]; i++) config_get(&c, shared[i]);
    for (size_t i = 0; others[i]; i++) config_get(&c, others[i]);
    const status result = config_finish(&c, config_harmless, e);
    config_close(&c);
    return result;
}

status arch_text_config(json_t **out, const json_t *root, error *e) {
    const json_t *text = json_object_get(root, "text_config");
    *out = NULL;
    TRY(json_to_object(root, "config", e));
    if (!text || json_is_null(text)) {
        *out = json_incref((json_t *)(uintptr_t)root);
        return OK;
    }
    TRY(json_to_object(text, "text_config", e));
    TRY(check_whole(root, e));
    *out = json_copy((json_t *)(uintptr_t)text);
    if (!*out) return fail(e, E_MEMORY, "no memory");
    for (size_t i = 0; shared[i]; i++) {
        json_t *value = json_object_get(root, shared[i]);
        if (value && !json_object_get(text, shared[i])) json_object_set(*out, shared[i], value);
    }
    return OK;
}
