#include "plain_config.h"

#include <criterion/criterion.h>

static const char plain[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 8, \"intermediate_size\": 12, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
    "\"num_key_value_heads\": 2, \"vocab_size\": 10, \"max_position_embeddings\": 128, \"hidden_act\": \"silu\", \"rms_norm_eps\": 1e-5, "
    "\"rope_theta\": 10000.0, \"bos_token_id\": 1, \"eos_token_id\": 2, \"tie_word_embeddings\": true, \"torch_dtype\": \"float16\"}";

json_t *config_with(const char *changes) {
    json_t *root = json_loads(plain, 0, NULL);
    json_error_t why;
    json_t *more = json_loads(changes, 0, &why);
    cr_assert(root && more, "%s: %s", changes, why.text);
    json_object_update(root, more);
    json_decref(more);
    return root;
}

status configure_with(spec *s, const char *changes, error *e) {
    const arch *a;
    json_t *root = config_with(changes);
    *e = (error){0};
    const status result = arch_configure(&a, s, root, NULL, e);
    json_decref(root);
    return result;
}

spec configured(const char *changes) {
    spec s;
    error e;
    cr_assert_eq(configure_with(&s, changes, &e), OK, "%s: %s", changes, e.text);
    return s;
}
