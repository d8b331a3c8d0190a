#include "models/gguf_out.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KEY_ROOM = 160 };

/* ---- names ---- */

status gguf_arch_of(const gguf_arch **out, const char *model_type, error *e) {
    char known[256] = "";
    for (size_t i = 0; gguf_archs[i]; i++) {
        *out = gguf_archs[i];
        if (model_type && !strcmp(model_type, gguf_archs[i]->model_type)) return OK;
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", gguf_archs[i]->model_type);
    }
    return fail(e, E_FILE, "a model of type '%s' cannot be written as GGUF; known: %s", model_type ? model_type : "", known);
}

status gguf_name_of(const gguf_arch *a, const char *name, char out[TENSOR_NAME], const gguf_pair **part, error *e) {
    unsigned layer;
    int length = 0;
    *part = NULL;
    for (const gguf_pair *p = gguf_globals; p->gguf; p++) {
        if (!strcmp(p->hf, name)) {
            snprintf(out, TENSOR_NAME, "%s", p->gguf);
            return OK;
        }
    }
    const char *kind = strrchr(name, '.');
    if (sscanf(name, "model.layers.%u.%n", &layer, &length) == 1 && length && kind >= name + length) {
        for (const gguf_pair *p = a->layer; p->gguf; p++) {
            if (strlen(p->hf) != (size_t)(kind - name - length) || strncmp(p->hf, name + length, (size_t)(kind - name - length))) continue;
            *part = p;
            snprintf(out, TENSOR_NAME, "blk.%u.%s%s", layer, p->gguf, kind);
            return OK;
        }
    }
    return fail(e, E_FILE, "tensor '%s' has no name in a GGUF file of architecture %s", name, a->name);
}

/* ---- numbers ---- */

static const char *full_key(char room[KEY_ROOM], const gguf_arch *a, const char *group, const char *key) {
    snprintf(room, KEY_ROOM, "%s.%s%s", a->name, group, key);
    return room;
}

static void put_number(gguf_values *v, const char *key, const gguf_pair *p, double x) {
    if (p->real) {
        gguf_put_f32(v, key, (float)x);
    } else {
        gguf_put_u32(v, key, (uint32_t)x);
    }
}

static void put_numbers(gguf_values *v, const gguf_arch *a, const char *group, const gguf_pair *pairs, const json_t *from) {
    for (const gguf_pair *p = pairs; p->gguf; p++) {
        char key[KEY_ROOM];
        const json_t *value = json_object_get(from, p->hf);
        if (json_is_number(value)) put_number(v, full_key(key, a, group, p->gguf), p, json_number_value(value));
    }
}

/* Either of the two objects that a config.json may have; what a key means is the same in both. */
static const json_t *rope_object(const json_t *config) {
    const json_t *old = json_object_get(config, "rope_scaling"), *new = json_object_get(config, "rope_parameters");
    return json_is_object(new) ? new : json_is_object(old) ? old : NULL;
}

static const char *rope_type(const json_t *config) {
    const json_t *rope = rope_object(config), *type = json_object_get(rope, "rope_type");
    if (!type) type = json_object_get(rope, "type");
    return json_is_string(type) ? json_string_value(type) : "default";
}

static double rope_theta(const json_t *config) {
    const json_t *theta = json_object_get(config, "rope_theta");
    if (!json_is_number(theta)) theta = json_object_get(rope_object(config), "rope_theta");
    return json_is_number(theta) ? json_number_value(theta) : 10000;
}

/* What config.json may leave to a default is in the spec. */
static json_t *complete(const spec *s, const json_t *config) {
    json_t *all = json_copy((json_t *)(uintptr_t)config);
    json_t *sizes = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f}", "num_hidden_layers", (int)s->layers, "max_position_embeddings",
                              (int)s->context, "hidden_size", (int)s->hidden, "intermediate_size", (int)s->intermediate, "num_attention_heads",
                              (int)s->heads, "num_key_value_heads", (int)s->kv_heads, "head_dim", (int)s->head_dim, "rms_norm_eps",
                              (double)s->norm_eps, "rope_theta", rope_theta(config));
    json_object_update(all, sizes);
    json_decref(sizes);
    return all;
}

/* Scalings that GGUF names; llama3's comes as a tensor. Keys that it has no place for must be absent. */
static status put_scaling(gguf_values *v, const gguf_arch *a, const json_t *config, error *e) {
    static const char *const named[] = {"linear", "yarn"};
    static const char *const foreign[] = {"attention_factor", "mscale", "mscale_all_dim", "truncate"};
    const char *type = rope_type(config);
    const json_t *rope = rope_object(config);
    char key[KEY_ROOM];
    if (!strcmp(type, "default") || !strcmp(type, "llama3")) return OK;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (json_object_get(rope, foreign[i])) return fail(e, E_FILE, "rope scaling with '%s' cannot be written as GGUF", foreign[i]);
    }
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (strcmp(type, named[i])) continue;
        gguf_put_text(v, full_key(key, a, "rope.scaling.", "type"), type, strlen(type));
        put_numbers(v, a, "rope.scaling.", gguf_scaling, rope);
        return OK;
    }
    return fail(e, E_FILE, "rope scaling '%s' cannot be written as GGUF", type);
}

bool gguf_rope_factors(const spec *s, const json_t *config, float *factors) {
    const float theta = (float)rope_theta(config);
    if (strcmp(rope_type(config), "llama3")) return false;
    for (uint32_t i = 0; i < s->rope_dims / 2; i++) {
        factors[i] = 1.0f / powf(theta, (float)(2 * i) / (float)s->rope_dims) / s->rope_inverse[i];
    }
    return true;
}

/* Readers know the windows and the scale of scores by the architecture alone, so those of the model must be what they expect. */
static status check_plain(const gguf_arch *a, const spec *s, error *e) {
    const uint32_t window = s->window[0], every = a->window_every;
    for (uint32_t i = 0; i < s->layers; i++) {
        if (s->window[i] == (every && (i + 1) % every ? window : 0)) continue;
        return fail(e, E_FILE, "the sliding window of layer %u cannot be written as GGUF of architecture %s", i, a->name);
    }
    const double wide = a->wide_layers && s->layers == a->wide_layers ? (double)(s->hidden / s->heads) : (double)s->head_dim;
    if (fabs((double)s->attention_scale * sqrt(wide) - 1) > 1e-5)
        return fail(e, E_FILE, "an attention scale of %g cannot be written as GGUF of architecture %s", (double)s->attention_scale, a->name);
    return s->rope_dims == s->head_dim ? OK : fail(e, E_FILE, "heads that are rotated in part cannot be written as GGUF of architecture %s", a->name);
}

/* Readers make the frequencies from what is written, so the model's must come of that too: some files have their keys in other places. */
static status check_frequencies(const spec *s, const json_t *config, error *e) {
    const char *type = rope_type(config);
    const json_t *local = json_object_get(config, "rope_local_base_freq");
    const double bases[] = {rope_theta(config), json_is_number(local) ? json_number_value(local) : 10000};
    const bool linear = !strcmp(type, "linear"), known = linear || !strcmp(type, "default");
    const uint32_t pairs = s->rope_dims / 2;
    for (uint32_t i = known ? 0 : 1; pairs > 1 && i < s->rope_tables && i < 2; i++) {
        const double by = linear && !i ? json_number_value(json_object_get(rope_object(config), "factor")) : 1;
        const double ratio = (double)s->rope_inverse[i * pairs + 1] * pow(bases[i], 1.0 / pairs) * by;
        if (fabs(ratio - 1) > 1e-4) return fail(e, E_FILE, "positions that do not turn with the base %g cannot be written as GGUF", bases[i]);
    }
    return OK;
}

/* Readers of an architecture with caps take their own where none is written. */
static status check_caps(const gguf_arch *a, const spec *s, error *e) {
    bool capped = false;
    for (const gguf_pair *p = a->keys; p->gguf; p++) capped = capped || !strcmp(p->hf, "attn_logit_softcapping");
    if (capped == (s->attention_softcap > 0) && capped == (s->logit_softcap > 0)) return OK;
    return fail(e, E_FILE, "scores or logits %s caps cannot be written as GGUF of architecture %s", capped ? "without" : "with", a->name);
}

status gguf_put_model(gguf_values *v, const gguf_arch *a, const spec *s, const json_t *config, error *e) {
    char key[KEY_ROOM];
    TRY(check_plain(a, s, e));
    TRY(check_frequencies(s, config, e));
    TRY(check_caps(a, s, e));
    json_t *all = complete(s, config);
    if (!all) return fail(e, E_MEMORY, "no memory");
    gguf_put_text(v, "general.architecture", a->name, strlen(a->name));
    put_numbers(v, a, "", gguf_keys, all);
    put_numbers(v, a, "", a->keys, all);
    json_decref(all);
    gguf_put_u32(v, full_key(key, a, "", "attention.value_length"), s->head_dim);
    gguf_put_u32(v, full_key(key, a, "", "rope.dimension_count"), s->rope_dims);
    gguf_put_u32(v, full_key(key, a, "", "vocab_size"), s->vocab);
    return put_scaling(v, a, config, e);
}
