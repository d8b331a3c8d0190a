#include "models/resolve.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/quantization.h"

/* ---- names ---- */

/* What stands in a file before a name of the layer stack, with or without the architecture's own base, and before other names. */
typedef struct naming {
    const char *prefix;
    bool keeps_base;
    const char *rest;
} naming;

static const naming namings[] = {
    {"", true, ""},                                /* model.layers, lm_head */
    {"", false, ""},                               /* layers */
    {"language_model.", true, "language_model."},  /* language_model.model.layers, language_model.lm_head */
    {"model.language_model.", false, ""},          /* model.language_model.layers, lm_head */
    {"language_model.", false, "language_model."}, /* language_model.layers */
};

typedef char tensor_name[2 * TENSOR_NAME];

/* As a file of that naming calls it. */
static void name_in_file(const arch *a, const naming *n, const char *name, tensor_name out) {
    const size_t base = strlen(a->base);
    if (strncmp(name, a->base, base) == 0) {
        snprintf(out, sizeof(tensor_name), "%s%s", n->prefix, n->keeps_base ? name : name + base);
    } else {
        snprintf(out, sizeof(tensor_name), "%s%s", n->rest, name);
    }
}

/* The way back; false for a name that is none of the language model. */
static bool name_of_arch(const arch *a, const naming *n, const char *name, tensor_name out) {
    const size_t prefix = strlen(n->prefix), rest = strlen(n->rest);
    const bool in_stack = strncmp(name, n->prefix, prefix) == 0;
    if (in_stack && !n->keeps_base) {
        snprintf(out, sizeof(tensor_name), "%s%.*s", a->base, TENSOR_NAME, name + prefix);
    } else if (in_stack || strncmp(name, n->rest, rest) == 0) {
        snprintf(out, sizeof(tensor_name), "%.*s", TENSOR_NAME, name + (in_stack ? prefix : rest));
    } else {
        return false;
    }
    return true;
}

static bool has_tensor(const checkpoint *c, const char *name) {
    tensor_name blocks;
    snprintf(blocks, sizeof blocks, "%.*s_blocks", TENSOR_NAME, name);
    return checkpoint_find(c, name) || checkpoint_find(c, blocks);
}

/* The naming of the file that has the first tensor; the plain one for a message if none has. */
static const naming *find_naming(const arch *a, const checkpoint *c, const wanted_list *list) {
    for (size_t i = 0; i < sizeof namings / sizeof *namings && list->n; i++) {
        tensor_name name;
        name_in_file(a, &namings[i], list->items[0].source, name);
        if (has_tensor(c, name)) return &namings[i];
    }
    return &namings[0];
}

/* ---- tensors ---- */

static status find_tensors(const arch *a, const naming *n, const checkpoint *c, const scale_blocks *blocks, wanted_list *list, error *e) {
    for (size_t i = 0; i < list->n; i++) {
        wanted *w = &list->items[i];
        tensor_name name;
        name_in_file(a, n, w->source, name);
        if (strlen(name) >= sizeof w->source) return fail(e, E_FILE, "the tensor name '%.200s' is too long", name);
        strcpy(w->source, name);
        TRY(view_open(&w->from, c, w->source, w->rows, w->k, &w->slice, blocks, e));
    }
    return OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted names of what the list reads; freed by the caller. */
static const char **names_read(const wanted_list *list, size_t *n) {
    const char **names = calloc(2 * list->n + 1, sizeof *names);
    *n = 0;
    for (size_t i = 0; names && i < list->n; i++) {
        const view *v = &list->items[i].from;
        names[(*n)++] = v->numbers->name;
        if (v->scales) names[(*n)++] = v->scales->name;
    }
    if (names) qsort(names, *n, sizeof *names, by_name);
    return names;
}

static bool matches(const char *const *patterns, const char *name) {
    bool found = false;
    for (size_t i = 0; patterns[i] && !found; i++) {
        regex_t pattern;
        if (regcomp(&pattern, patterns[i], REG_EXTENDED | REG_NOSUB)) continue;
        found = regexec(&pattern, name, 0, NULL, 0) == 0;
        regfree(&pattern);
    }
    return found;
}

/* What other parts of a model are called: what sees and hears, and heads that guess several tokens at once. */
static const char *const other_parts[] = {
    "^(model\\.)?(vision_tower|vision_model|vision_encoder|visual|embed_vision|image_newline|multi_modal_projector|mm_projector|connector)(\\.|$)",
    "^(model\\.)?(audio_tower|audio_model|audio_encoder|embed_audio)\\.",
    NULL,
};
static const char *const guessing_parts[] = {"^((model|language_model)\\.)*mtp\\.", NULL};

static bool is_skipped(const source *t, bool whole, wanted_list *list) {
    if (!matches(guessing_parts, t->name) && !(whole && matches(other_parts, t->name))) return false;
    if (!list->skipped++) snprintf(list->first_skipped, sizeof list->first_skipped, "%s", t->name);
    return true;
}

static status check_others(const arch *a, const naming *n, const checkpoint *c, bool whole, wanted_list *list, error *e) {
    size_t read;
    const char **names = names_read(list, &read);
    if (!names) return fail(e, E_MEMORY, "no memory");
    status s = OK;
    for (size_t i = 0; i < c->n_tensors && s == OK; i++) {
        const source *t = &c->tensors[i];
        tensor_name name;
        if (bsearch(&t->name, names, read, sizeof *names, by_name)) continue;
        if (name_of_arch(a, n, t->name, name) && (matches(a->ignored, name) || matches(quantization_ignored, name))) continue;
        if (matches(a->ignored, t->name)) continue; /* beside the stack a file without the base has no other names */
        if (is_skipped(t, whole, list)) continue;
        s = fail(e, E_FILE, "%s: tensor '%s' is not part of a %s model", t->file->path, t->name, a->model_type);
    }
    free(names);
    return s;
}

status resolve_tensors(const arch *a, const checkpoint *c, const json_t *root, wanted_list *list, error *e) {
    const naming *n = find_naming(a, c, list);
    json_t *text;
    scale_blocks blocks;
    TRY(arch_text_config(&text, root, e));
    const status s = quantization_read(&blocks, json_object_get(text, "quantization_config"), e);
    json_decref(text);
    TRY(s);
    TRY(find_tensors(a, n, c, &blocks, list, e));
    return check_others(a, n, c, json_is_object(json_object_get(root, "text_config")), list, e);
}
