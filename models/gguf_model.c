/* From a GGUF file to a checkpoint and a config.json. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/tensor.h"
#include "models/gguf.h"

#define FACTORS "rope_freqs.weight"

enum { KEY_ROOM = 160, HALF_MAX = 512 };

typedef struct reading {
    gguf *g;
    const gguf_arch *arch;
    json_t *config;
    const source *factors; /* rope_freqs.weight, or NULL */
} reading;

static bool is_text(const gguf_text *t, const char *word) {
    return t->p && strlen(word) == t->n && !memcmp(t->p, word, t->n);
}

static const char *cut_prefix(const char *text, const char *prefix) {
    const size_t n = strlen(prefix);
    return strncmp(text, prefix, n) ? NULL : text + n;
}

/* ---- the architecture ---- */

static status find_arch(reading *in, error *e) {
    gguf_text name;
    char known[256] = "";
    TRY(gguf_string(in->g, "general.architecture", &name, e));
    for (size_t i = 0; gguf_archs[i]; i++) {
        in->arch = gguf_archs[i];
        if (is_text(&name, in->arch->name)) return OK;
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", in->arch->name);
    }
    if (!name.p) return fail(e, E_FILE, "'general.architecture' is missing");
    return fail(e, E_FILE, "architecture '%.*s' is not supported in GGUF; known: %s", (int)(name.n < 60 ? name.n : 60), name.p, known);
}

static char *full_key(const reading *in, char room[KEY_ROOM], const char *group, const char *key) {
    snprintf(room, KEY_ROOM, "%s.%s%s", in->arch->name, group, key);
    return room;
}

/* ---- tensors ---- */

/* A tensor that config.json tells about instead. */
static void take_factors(reading *in) {
    checkpoint *c = &in->g->tensors;
    source *t = (source *)(uintptr_t)checkpoint_find(c, FACTORS);
    if (!t) return;
    const source copy = *t;
    memmove(t, t + 1, (size_t)(c->tensors + c->n_tensors - (t + 1)) * sizeof *t);
    c->tensors[--c->n_tensors] = copy; /* out of sight, but alive */
    in->factors = &c->tensors[c->n_tensors];
}

/* "blk.3.attn_q.weight" to "model.layers.3.self_attn.q_proj.weight". False if nobody knows it. */
static bool layer_name(const gguf_arch *a, const char *name, char *out, size_t room, const gguf_pair **found) {
    const char *rest = cut_prefix(name, "blk.");
    const size_t digits = rest ? strspn(rest, "0123456789") : 0;
    if (!digits || rest[digits] != '.') return false;
    const char *stem = rest + digits + 1, *kind = strrchr(stem, '.');
    if (!kind || (strcmp(kind, ".weight") && strcmp(kind, ".bias"))) return false;
    for (const gguf_pair *p = a->layer; p->gguf; p++) {
        if (strlen(p->gguf) != (size_t)(kind - stem) || strncmp(p->gguf, stem, (size_t)(kind - stem))) continue;
        *found = p;
        return (size_t)snprintf(out, room, "model.layers.%.*s.%s%s", (int)digits, rest, p->hf, kind) < room;
    }
    return false;
}

static bool global_name(const char *name, char *out, size_t room) {
    for (const gguf_pair *p = gguf_globals; p->gguf; p++) {
        if (!strcmp(p->gguf, name)) return (size_t)snprintf(out, room, "%s", p->hf) < room;
    }
    return false;
}

/* What was done to the numbers of a tensor for this kind of file. */
static status note_differences(const reading *in, source *t, const gguf_pair *part, uint32_t heads, uint32_t kv_heads, error *e) {
    const bool is_q = part && !strcmp(part->gguf, "attn_q"), is_k = part && !strcmp(part->gguf, "attn_k");
    const size_t length = strlen(t->name);
    const bool is_norm = length > 11 && !strcmp(t->name + length - 11, "norm.weight");
    if (is_norm) t->plus = -in->arch->norm_plus;
    if (!in->arch->pairs || (!is_q && !is_k)) return OK;
    t->pairs = is_q ? heads : kv_heads;
    if (t->pairs && t->shape[0] % (2 * (uint64_t)t->pairs) == 0) return OK;
    return fail(e, E_FILE, "tensor '%s' has rows that are no pairs of %u heads", t->name, t->pairs);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const source *)a)->name, ((const source *)b)->name);
}

static status rename_one(const reading *in, source *t, char *name, uint32_t heads, uint32_t kv_heads, error *e) {
    const gguf_pair *part = NULL;
    if (!t->type) return fail(e, E_FILE, "tensor '%s' has the type %s, which cannot be read", t->name, t->dtype);
    if (t->ndim == 1 && t->type->block > 1) return fail(e, E_FILE, "tensor '%s' is a vector of type %s, which is not supported", t->name, t->dtype);
    if (!layer_name(in->arch, t->name, name, TENSOR_NAME, &part) && !global_name(t->name, name, TENSOR_NAME)) {
        return fail(e, E_FILE, "tensor '%s' is not part of a GGUF file of architecture %s", t->name, in->arch->name);
    }
    t->name = name;
    return note_differences(in, t, part, heads, kv_heads, e);
}

/* Different names stay different, so nothing comes twice. */
static status rename_tensors(reading *in, error *e) {
    checkpoint *c = &in->g->tensors;
    double heads, kv_heads;
    char key[KEY_ROOM], *names = calloc(c->n_tensors + 1, TENSOR_NAME);
    if (!names) return fail(e, E_MEMORY, "no memory for %zu names", c->n_tensors);
    status s = gguf_number(in->g, full_key(in, key, "", "attention.head_count"), NAN, &heads, e);
    if (s == OK) s = gguf_number(in->g, full_key(in, key, "", "attention.head_count_kv"), heads, &kv_heads, e);
    if (s == OK && (heads < 1 || heads > 1e6 || kv_heads < 1 || kv_heads > 1e6)) s = fail(e, E_FILE, "'%s' is %g", key, kv_heads);
    for (size_t i = 0; i < c->n_tensors && s == OK; i++) {
        s = rename_one(in, &c->tensors[i], names + i * TENSOR_NAME, (uint32_t)heads, (uint32_t)kv_heads, e);
    }
    if (s != OK) {
        free(names);
        return s;
    }
    free(c->names[0]);
    c->names[0] = names;
    qsort(c->tensors, c->n_tensors, sizeof *c->tensors, by_name);
    return OK;
}

/* ---- numbers of config.json ---- */

static json_t *number(double x) {
    return x == floor(x) && fabs(x) < 0x1p53 ? json_integer((json_int_t)x) : json_real(x);
}

static status copy_numbers(const reading *in, const char *group, const gguf_pair *pairs, json_t *to, error *e) {
    for (const gguf_pair *p = pairs; p->gguf; p++) {
        char key[KEY_ROOM];
        double x;
        if (!gguf_find(in->g, full_key(in, key, group, p->gguf))) continue;
        TRY(gguf_number(in->g, key, NAN, &x, e));
        json_object_set_new(to, p->hf, number(x));
    }
    return OK;
}

static bool in_pairs(const gguf_pair *pairs, const char *key, size_t n) {
    for (const gguf_pair *p = pairs; p->gguf; p++) {
        if (strlen(p->gguf) == n && !strncmp(p->gguf, key, n)) return true;
    }
    return false;
}

/* Keys that say what others say too, or nothing about the mathematics. */
static const char *const harmless[] = {
    "vocab_size", "rope.dimension_count", "attention.value_length", "tensor_data_layout", "rope.scaling.type", "rope.scaling.finetuned", NULL};

/* Keys that change the mathematics, with the value that does not. */
static const struct neutral {
    const char *key;
    double value;
} neutrals[] = {{"expert_count", 0}, {"expert_used_count", 0}, {"rope.scale_linear", 1}, {"attention.clamp_kqv", 0}, {"logit_scale", 1}};

static status check_key(const reading *in, const gguf_value *v, const char *key, size_t n, error *e) {
    const char group[] = "rope.scaling.";
    const size_t skip = sizeof group - 1;
    if (in_pairs(gguf_keys, key, n) || in_pairs(in->arch->keys, key, n)) return OK;
    if (n > skip && !strncmp(key, group, skip) && in_pairs(gguf_scaling, key + skip, n - skip)) return OK;
    for (size_t i = 0; harmless[i]; i++) {
        if (strlen(harmless[i]) == n && !strncmp(harmless[i], key, n)) return OK;
    }
    for (size_t i = 0; i < sizeof neutrals / sizeof *neutrals; i++) {
        const bool same = strlen(neutrals[i].key) == n && !strncmp(neutrals[i].key, key, n);
        if (same && v->kind->load && v->n == 1 && gguf_element(v, 0) == neutrals[i].value) return OK;
    }
    return fail(e, E_FILE, "key '%.*s' is not understood and might change the mathematics", (int)(v->key.n < 80 ? v->key.n : 80), v->key.p);
}

static status check_keys(const reading *in, error *e) {
    const size_t skip = strlen(in->arch->name) + 1;
    for (size_t i = 0; i < in->g->n_values; i++) {
        const gguf_value *v = &in->g->values[i];
        if (v->key.n <= skip || strncmp(v->key.p, in->arch->name, skip - 1) || v->key.p[skip - 1] != '.') continue;
        TRY(check_key(in, v, v->key.p + skip, v->key.n - skip, e));
    }
    return OK;
}

/* Heads are rotated whole, and values are as long as keys. */
static status check_lengths(const reading *in, error *e) {
    char key[KEY_ROOM];
    double hidden, heads, dim, other;
    static const char *const same[] = {"rope.dimension_count", "attention.value_length"};
    TRY(gguf_number(in->g, full_key(in, key, "", "embedding_length"), NAN, &hidden, e));
    TRY(gguf_number(in->g, full_key(in, key, "", "attention.head_count"), NAN, &heads, e));
    TRY(gguf_number(in->g, full_key(in, key, "", "attention.key_length"), floor(hidden / heads), &dim, e));
    for (size_t i = 0; i < 2; i++) {
        TRY(gguf_number(in->g, full_key(in, key, "", same[i]), dim, &other, e));
        if (other != dim) return fail(e, E_FILE, "'%s' is %g, but keys have %g dimensions; this is not supported", key, other, dim);
    }
    return OK;
}

/* ---- rope scaling ---- */

static status add_scaling(const reading *in, error *e) {
    char key[KEY_ROOM];
    gguf_text type;
    TRY(gguf_string(in->g, full_key(in, key, "rope.scaling.", "type"), &type, e));
    if (!type.p && gguf_find(in->g, full_key(in, key, "rope.scaling.", "factor")))
        type = (gguf_text){"linear", strlen("linear")}; /* as llama.cpp takes it */
    if (!type.p || is_text(&type, "none")) return OK;
    json_t *scaling = json_pack("{s:s#}", "rope_type", type.p, type.n);
    if (!scaling) return fail(e, E_FILE, "'%s' is not UTF-8", key);
    json_object_set_new(in->config, "rope_scaling", scaling);
    return copy_numbers(in, "rope.scaling.", gguf_scaling, scaling, e);
}

/* The factor by which the frequency of dimension i is divided by Llama 3's scaling (transformers, modeling_rope_utils.py). */
static double llama3_factor(double wavelength, double factor, double high, double original) {
    if (wavelength < original / high) return 1;
    if (wavelength > original) return factor;
    const double smooth = (original / wavelength - 1) / (high - 1);
    return 1 / ((1 - smooth) / factor + smooth);
}

/* rope_freqs.weight holds those factors. Scaled alike, low_freq_factor, high_freq_factor and the original context give the same, so the first is 1 as in all
 * models that there are; the other two follow from two dimensions between the ends: smooth = slope / wavelength - shift. */
static status solve_llama3(const float *f, size_t n, double theta, double *factor, double *high, double *original) {
    double at[2], smooth[2];
    size_t found = 0;
    *factor = (double)f[n - 1];
    for (size_t i = 0; i < n; i++) {
        const double x = (double)f[i];
        if (!(x > 1.0001) || !(x < *factor * 0.9999)) continue;
        const size_t k = found ? 1 : 0; /* the first and the last of them */
        at[k] = pow(theta, -(double)i / (double)n) / (2 * M_PI);
        smooth[k] = (1 / x - 1 / *factor) / (1 - 1 / *factor);
        found++;
    }
    if (!found) return E_FILE;
    if (found == 1) { /* of a small model: then as in all others the second is 4 */
        *high = 4;
        *original = round((smooth[0] * (*high - 1) + 1) / at[0]);
        return OK;
    }
    const double slope = (smooth[0] - smooth[1]) / (at[0] - at[1]), shift = slope * at[0] - smooth[0];
    *high = round((1 + 1 / shift) * 1000) / 1000;
    *original = round(slope * (*high - 1));
    return OK;
}

static status add_factors(const reading *in, error *e) {
    const source *t = in->factors;
    float f[HALF_MAX];
    double theta, factor = 1, high = 1, original = 0;
    char key[KEY_ROOM];
    if (!t) return OK;
    if (!t->type || t->type->block > 1 || t->ndim != 1 || t->shape[0] < 2 || t->shape[0] > HALF_MAX)
        return fail(e, E_FILE, "tensor '" FACTORS "' is no vector of at most %d numbers", HALF_MAX);
    const size_t n = (size_t)t->shape[0];
    t->type->widen(f, t->data, n);
    TRY(gguf_number(in->g, full_key(in, key, "", "rope.freq_base"), 10000, &theta, e));
    bool all_one = true, same = solve_llama3(f, n, theta, &factor, &high, &original) == OK;
    for (size_t i = 0; i < n; i++) {
        all_one = all_one && f[i] == 1;
        if (same)
            same = fabs(llama3_factor(2 * M_PI * pow(theta, (double)i / (double)n), factor, high, original) - (double)f[i]) <= 1e-3 * (double)f[i];
    }
    if (all_one) return OK;
    if (json_object_get(in->config, "rope_scaling")) return fail(e, E_FILE, "positions are scaled twice, by a key and by tensor '" FACTORS "'");
    if (!same) return fail(e, E_FILE, "the factors of tensor '" FACTORS "' are not those of Llama 3's rope scaling, and no others are supported");
    json_object_set_new(in->config, "rope_scaling",
                        json_pack("{s:s, s:o, s:f, s:o, s:o}", "rope_type", "llama3", "factor", number(factor), "low_freq_factor", 1.0,
                                  "high_freq_factor", number(high), "original_max_position_embeddings", number(original)));
    return OK;
}

/* ---- what tensors say ---- */

static bool has_tensor(const reading *in, const char *name) {
    return checkpoint_find(&in->g->tensors, name);
}

static status add_from_tensors(const reading *in, error *e) {
    const source *embed = checkpoint_find(&in->g->tensors, "model.embed_tokens.weight");
    if (!embed) return fail(e, E_FILE, "tensor 'token_embd.weight' is missing");
    json_object_set_new(in->config, "vocab_size", json_integer((json_int_t)embed->shape[0]));
    json_object_set_new(in->config, "tie_word_embeddings", json_boolean(!has_tensor(in, "lm_head.weight")));
    if (in->arch->attention_bias) {
        json_object_set_new(in->config, "attention_bias", json_boolean(has_tensor(in, "model.layers.0.self_attn.q_proj.bias")));
    }
    if (has_tensor(in, "model.layers.0.mlp.up_proj.bias")) json_object_set_new(in->config, "mlp_bias", json_true());
    return OK;
}

/* A list where a turn of a conversation ends with another token than a text. */
static status add_tokens(const reading *in, error *e) {
    static const struct token {
        const char *key, *config;
    } tokens[] = {{"tokenizer.ggml.bos_token_id", "bos_token_id"},
                  {"tokenizer.ggml.eos_token_id", "eos_token_id"},
                  {"tokenizer.ggml.eot_token_id", NULL},
                  {"tokenizer.ggml.eom_token_id", NULL}};
    json_t *ends = json_array();
    status s = OK;
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens && s == OK; i++) {
        double id;
        s = gguf_number(in->g, tokens[i].key, -1, &id, e);
        if (s != OK || id < 0 || id >= 0xffffffffu) continue;
        if (i == 0) json_object_set_new(in->config, tokens[i].config, number(id));
        if (i == 1 || (i > 1 && (json_int_t)id != json_integer_value(json_array_get(ends, 0)))) json_array_append_new(ends, number(id));
    }
    if (json_array_size(ends) == 1) {
        json_object_set(in->config, "eos_token_id", json_array_get(ends, 0));
    } else if (json_array_size(ends) > 1) {
        json_object_set(in->config, "eos_token_id", ends);
    }
    json_decref(ends);
    return s;
}

/* Gemma: scores are scaled by what is written; files do not say it, but one size of each is known to differ. */
static void add_score_scale(const reading *in) {
    const json_int_t layers = json_integer_value(json_object_get(in->config, "num_hidden_layers"));
    const json_int_t heads = json_integer_value(json_object_get(in->config, "num_attention_heads"));
    const json_int_t hidden = json_integer_value(json_object_get(in->config, "hidden_size"));
    const json_int_t dim = json_integer_value(json_object_get(in->config, "head_dim"));
    if (!in->arch->wide_layers || heads <= 0) return;
    const json_int_t scalar = layers == in->arch->wide_layers || !dim ? hidden / heads : dim;
    json_object_set_new(in->config, "query_pre_attn_scalar", json_integer(scalar));
}

static status make_config(reading *in, error *e) {
    in->config = json_loads(in->arch->constants, 0, NULL);
    if (!in->config) return fail(e, E_MEMORY, "no memory");
    json_object_set_new(in->config, "model_type", json_string(in->arch->model_type));
    json_object_set_new(in->config, "architectures", json_pack("[s]", in->arch->class));
    TRY(check_keys(in, e));
    TRY(check_lengths(in, e));
    TRY(copy_numbers(in, "", gguf_keys, in->config, e));
    TRY(copy_numbers(in, "", in->arch->keys, in->config, e));
    if (in->arch->window_every && !json_object_get(in->config, "sliding_window"))
        return fail(e, E_FILE, "'%s.attention.sliding_window' is missing", in->arch->name);
    TRY(add_from_tensors(in, e));
    TRY(add_scaling(in, e));
    TRY(add_factors(in, e));
    add_score_scale(in);
    return add_tokens(in, e);
}

status gguf_model(gguf *g, json_t **config, error *e) {
    reading in = {.g = g};
    const char *path = g->tensors.files[0].path;
    *config = NULL;
    status s = find_arch(&in, e);
    if (s == OK) take_factors(&in);
    if (s == OK) s = rename_tensors(&in, e);
    if (s == OK) s = make_config(&in, e);
    if (s == OK) {
        *config = in.config;
        return OK;
    }
    json_decref(in.config);
    return s == E_FILE ? fail_in(e, path) : s;
}
