#include "models/experts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "models/llama.h"
#include "models/wanted.h"

enum { EXPERTS_IN_ALL = 1 << 16 }; /* of all layers; the largest models have half as many */

/* Two names of one number. */
static status read_either(config *c, const char *key, const char *other, uint32_t *out, error *e) {
    uint32_t second;
    TRY(config_uint(c, other, 0, &second, e));
    TRY(config_uint(c, key, second ? second : CONFIG_NEEDED, out, e));
    return !second || second == *out ? OK : fail(e, E_FILE, "'%s' is %u, but '%s' is %u", key, *out, other, second);
}

status experts_configure(spec *s, config *c, const char *inner, error *e) {
    static const char *const of_training[] = {"router_aux_loss_coef", "router_jitter_noise", "output_router_logits", NULL};
    TRY(read_either(c, "num_experts", "num_local_experts", &s->n_experts, e));
    TRY(read_either(c, "num_experts_per_tok", "experts_per_token", &s->experts_per_token, e));
    TRY(config_uint(c, inner, CONFIG_NEEDED, &s->expert_intermediate, e));
    for (size_t i = 0; of_training[i]; i++) config_get(c, of_training[i]);
    s->experts_normalized = true;
    if (!s->n_experts || s->n_experts > EXPERTS_IN_ALL / s->layers)
        return fail(e, E_FILE, "%u experts in %u layers cannot be", s->n_experts, s->layers);
    return OK;
}

static status read_dense(spec *s, const json_t *list, error *e) {
    size_t n;
    TRY(json_to_array(list, "mlp_only_layers", s->layers, &n, e));
    for (size_t i = 0; i < n; i++) {
        uint64_t layer;
        TRY(json_to_uint(json_array_get(list, i), "mlp_only_layers", 0, s->layers - 1, &layer, e));
        s->dense[layer] = 1;
    }
    return OK;
}

status experts_configure_layers(spec *s, config *c, error *e) {
    uint32_t step;
    bool any = false;
    TRY(config_bool(c, "norm_topk_prob", false, &s->experts_normalized, e));
    TRY(config_uint(c, "decoder_sparse_step", 1, &step, e));
    if (!step) return fail(e, E_FILE, "'decoder_sparse_step' is 0");
    s->dense = calloc(s->layers, sizeof *s->dense);
    if (!s->dense) return fail(e, E_MEMORY, "no memory");
    for (uint32_t i = 0; i < s->layers; i++) s->dense[i] = (i + 1) % step != 0;
    const json_t *list = config_get(c, "mlp_only_layers");
    if (list) TRY(read_dense(s, list, e));
    for (uint32_t i = 0; i < s->layers; i++) any = any || s->dense[i];
    if (any) return OK;
    free(s->dense);
    s->dense = NULL;
    return OK;
}

bool experts_in_layer(const spec *s, uint32_t layer) {
    return s->n_experts && !(s->dense && s->dense[layer]);
}

status experts_add(const spec *s, wanted_list *out, uint32_t layer, const expert_names *names, error *e) {
    const uint64_t inner = s->expert_intermediate, hidden = s->hidden;
    const struct {
        const char *name, *source;
        uint64_t rows, k;
    } parts[] = {{"gate", names->gate, inner, hidden}, {"up", names->up, inner, hidden}, {"down", names->down, hidden, inner}};
    char name[TENSOR_NAME], from[TENSOR_NAME];
    snprintf(from, sizeof from, "%s.weight", names->router);
    TRY(wanted_add_layer(out, layer, "router", "model.layers", from, s->n_experts, hidden, e));
    for (uint32_t i = 0; i < s->n_experts; i++) {
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++) {
            snprintf(name, sizeof name, "experts.%u.%s", i, parts[j].name);
            snprintf(from, sizeof from, "%s.%u.%s.weight", names->experts, i, parts[j].source);
            TRY(wanted_add_layer(out, layer, name, "model.layers", from, parts[j].rows, parts[j].k, e));
        }
    }
    return OK;
}

status experts_tensors(const spec *s, wanted_list *out, const expert_names *names,
                       status (*more)(const spec *s, wanted_list *out, uint32_t layer, error *e), error *e) {
    TRY(llama_add_embedding(s, out, e));
    for (uint32_t i = 0; i < s->layers; i++) {
        TRY(llama_add_attention(s, out, i, 0, e));
        if (!experts_in_layer(s, i)) {
            TRY(llama_add_mlp(s, out, i, e));
            continue;
        }
        TRY(experts_add(s, out, i, names, e));
        if (more) TRY(more(s, out, i, e));
    }
    return llama_add_end(s, out, 0, e);
}
