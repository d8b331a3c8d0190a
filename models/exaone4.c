#include "base/json.h"
#include "models/features.h"
#include "models/llama.h"
#include "models/rope.h"

enum { USUAL_WINDOW = 4096, USUAL_PATTERN = 4 };

/* Llama that normalises results and heads. If there is a window, layers that have none know no positions. */
static status configure(spec *s, config *c, error *e) {
    uint32_t window, pattern = USUAL_PATTERN;
    if (!config_has(c, "rms_norm_eps")) return fail(e, E_FILE, "'rms_norm_eps' is missing");
    TRY(llama_configure(s, c, e));
    TRY(config_uint(c, "sliding_window", config_has(c, "sliding_window") ? 0 : USUAL_WINDOW, &window, e));
    const json_t *text = config_get(c, "sliding_window_pattern"); /* letters or a number; letters say what layer_types says */
    if (!json_is_string(text)) TRY(config_uint(c, "sliding_window_pattern", pattern, &pattern, e));
    if (json_is_string(text) && !config_get(c, "layer_types")) return fail(e, E_FILE, "'layer_types' is missing");
    TRY(features_sliding(s, c, window, slides_but_each, pattern ? pattern : 1, e));
    for (uint32_t i = 0; i < s->layers && window; i++) {
        if (!s->window[i]) TRY(rope_leave_out(s, i, e));
    }
    s->norm_place = NORM_AFTER;
    s->qk_norm = QK_NORM_HEAD;
    return OK;
}

const arch arch_exaone4 = {
    .model_type = "exaone4",
    .summary = "EXAONE 4.0",
    .configure = configure,
    .tensors = llama_tensors,
    .base = "model.",
    .ignored = llama_ignored,
};
