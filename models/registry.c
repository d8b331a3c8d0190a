#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "models/arch.h"
#include "models/classic.h"
#include "models/config.h"
#include "models/experts.h"
#include "models/llama.h"
#include "models/quantization.h"
#include "models/resolve.h"

const arch *const archs[] = {
    &arch_llama,     &arch_mistral, &arch_gpt2,   &arch_gpt_neox, &arch_phi,      &arch_stablelm, &arch_starcoder2, &arch_qwen2,
    &arch_qwen3,     &arch_smollm3, &arch_gemma,  &arch_gemma2,   &arch_gemma3,   &arch_phi3,     &arch_olmo2,      &arch_granite,
    &arch_cohere2,   &arch_olmo3,   &arch_cohere, &arch_ernie4_5, &arch_seed_oss, &arch_exaone4,  &arch_glm4,       &arch_qwen2_moe,
    &arch_qwen3_moe, &arch_mixtral, &arch_olmoe,  &arch_gpt_oss,  NULL,
};

enum { CONFIG_MAX = 16 << 20 };

/* ---- the spec ---- */

static status find_arch(const arch **a, config *c, error *e) {
    const char *type;
    char known[600] = "";
    TRY(config_text(c, "model_type", NULL, &type, e));
    for (size_t i = 0; archs[i]; i++) {
        *a = archs[i];
        if (strcmp(archs[i]->model_type, type) == 0) return OK;
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", archs[i]->model_type);
    }
    return fail(e, E_FILE, "model_type '%s' is not supported; known: %s", type, known);
}

static status read_tokens(spec *s, config *c, error *e) {
    uint32_t n;
    int32_t bos;
    TRY(config_ids(c, "bos_token_id", s->vocab, 1, &bos, &n, e));
    if (n) s->bos = bos;
    uint32_t n_eos;
    int32_t eos[EOS_MAX];
    TRY(config_ids(c, "eos_token_id", s->vocab, EOS_MAX, eos, &n_eos, e));
    if (!n_eos) return OK;
    s->n_eos = n_eos;
    memcpy(s->eos, eos, sizeof eos);
    return OK;
}

static status configure(const arch **a, spec *s, config *c, const json_t *generation, error *e) {
    scale_blocks blocks;
    TRY(find_arch(a, c, e));
    TRY(quantization_read(&blocks, config_get(c, "quantization_config"), e));
    snprintf(s->architecture, sizeof s->architecture, "%s", (*a)->model_type);
    TRY((*a)->configure(s, c, e));
    TRY(spec_check(s, e));
    TRY(read_tokens(s, c, e));
    TRY(config_finish(c, config_harmless, e));
    if (!generation) return OK;
    config g;
    TRY(config_open(&g, generation, "", e));
    const status result = read_tokens(s, &g, e);
    config_close(&g);
    return result == OK ? OK : fail_in(e, "generation_config.json");
}

status arch_configure(const arch **a, spec *s, const json_t *root, const json_t *generation, error *e) {
    config c;
    json_t *text;
    spec_start(s);
    TRY(arch_text_config(&text, root, e));
    status result = config_open(&c, text, "", e);
    if (result == OK) result = configure(a, s, &c, generation, e);
    config_close(&c);
    json_decref(text);
    if (result != OK) spec_free(s);
    return result;
}

/* ---- the tensors ---- */

/* generation_config.json beside config.json; *out stays NULL if there is none. */
static status read_generation(json_t **out, const char *config_path, error *e) {
    static const char file[] = "generation_config.json";
    const char *slash = strrchr(config_path, '/');
    char *path;
    if (asprintf(&path, "%.*s%s", slash ? (int)(slash + 1 - config_path) : 0, config_path, file) < 0) return fail(e, E_MEMORY, "no memory");
    const status s = access(path, F_OK) == 0 ? json_parse_file(out, path, CONFIG_MAX, e) : OK;
    free(path);
    return s;
}

static status resolve(const checkpoint *c, const char *config_path, const json_t *root, const json_t *generation, spec *s, wanted_list *out,
                      error *e) {
    const arch *a;
    if (arch_configure(&a, s, root, generation, e) != OK) return fail_in(e, config_path);
    TRY(a->tensors(s, out, e));
    return resolve_tensors(a, c, root, out, e);
}

status arch_resolve(const checkpoint *c, const char *config_path, spec *s, wanted_list *out, error *e) {
    json_t *root, *generation = NULL;
    *s = (spec){0};
    *out = (wanted_list){0};
    TRY(json_parse_file(&root, config_path, CONFIG_MAX, e));
    status result = read_generation(&generation, config_path, e);
    if (result == OK) result = arch_resolve_config(c, config_path, root, generation, s, out, e);
    json_decref(root);
    json_decref(generation);
    return result;
}

status arch_resolve_config(const checkpoint *c, const char *name, const json_t *root, const json_t *generation, spec *s, wanted_list *out, error *e) {
    *s = (spec){0};
    *out = (wanted_list){0};
    const status result = resolve(c, name, root, generation, s, out, e);
    if (result != OK) {
        spec_free(s);
        wanted_free(out);
    }
    return result;
}
