#include "file/spec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "file/spec_table.h"

static double field_get(const spec *s, const spec_field *f) {
    return f->kind->get((const char *)s + f->offset);
}

static double list_get(const spec *s, const spec_list *l, size_t i) {
    return l->kind->get((const char *)l->place((spec *)(uintptr_t)s) + i * l->item);
}

void spec_start(spec *s) {
    *s = (spec){.embedding_scale = 1, .residual_scale = 1, .logit_scale = 1, .rope_attention = 1, .rope_tables = 1, .bos = -1};
}

void spec_free(spec *s) {
    free(s->rope_inverse);
    free(s->rope_long);
    free(s->rope_layer);
    free(s->window);
    free(s->dense);
    *s = (spec){0};
}

/* ---- checks ---- */

static status check_range(const char *key, double x, double min, double max, error *e) {
    if (x >= min && x <= max) return OK;
    char is[NUMBER_TEXT], from[NUMBER_TEXT], to[NUMBER_TEXT];
    number_text(x, is);
    number_text(min, from);
    number_text(max, to);
    return fail(e, E_FILE, "spec: '%s' is %s, not in %s .. %s", key, is, from, to);
}

static status check_shape(const spec *s, error *e) {
    if (s->heads % s->kv_heads) return fail(e, E_FILE, "spec: %u heads are not a multiple of %u kv_heads", s->heads, s->kv_heads);
    if ((uint64_t)s->heads * s->head_dim > SPEC_SIZE_MAX) {
        return fail(e, E_FILE, "spec: %u heads of %u dimensions are more than %d", s->heads, s->head_dim, SPEC_SIZE_MAX);
    }
    if ((s->rope == ROPE_NONE) != !s->rope_dims || s->rope_dims % 2 || s->rope_dims > s->head_dim) {
        return fail(e, E_FILE, "spec: 'rope_dims' is %u, not an even part of head_dim %u (or 0 without rope)", s->rope_dims, s->head_dim);
    }
    if (s->bos >= (int64_t)s->vocab) return fail(e, E_FILE, "spec: 'bos' is %d, not below vocab %u", s->bos, s->vocab);
    for (uint32_t i = 0; i < s->n_eos; i++) {
        if (s->eos[i] >= (int64_t)s->vocab) return fail(e, E_FILE, "spec: 'eos' has %d, not below vocab %u", s->eos[i], s->vocab);
    }
    return OK;
}

/* Rules between fields: what no forward pass has a meaning for. */
static status check_together(const spec *s, error *e) {
    const struct {
        bool broken;
        const char *why;
    } rules[] = {
        {s->norm_bias && s->norm != NORM_LAYER, "'norm_bias' belongs to layer norms"},
        {s->residual != RESIDUAL_SERIAL && s->norm_place != NORM_BEFORE, "a parallel 'residual' has norms before alone"},
        {s->plain_mlp && (s->mlp_limit > 0 || s->activation == ACTIVATION_SWIGLU_SHIFTED), "a 'plain_mlp' has no limit and no shifted activation"},
        {s->clip_qkv > 0 && s->qk_norm == QK_NORM_HEAD, "'clip_qkv' is not for heads that are normalised one by one"},
        {s->rope_tables > 1 && s->rope == ROPE_NONE, "'rope_tables' without 'rope'"},
        {s->rope_layer && s->rope == ROPE_NONE, "'rope_layer' without 'rope'"},
        {s->rope_original && s->rope == ROPE_NONE, "'rope_original' without 'rope'"},
        {s->n_experts ? s->experts_per_token < 1 || s->experts_per_token > s->n_experts : s->experts_per_token > 0,
         "'experts_per_token' is not in 1 .. n_experts"},
        {!s->n_experts != !s->expert_intermediate, "'n_experts' and 'expert_intermediate' belong together"},
        {!s->n_experts && (s->router_bias || s->expert_bias || s->experts_normalized || s->shared_intermediate || s->dense),
         "there are fields of experts, but 'n_experts' is 0"},
        {s->shared_gate && !s->shared_intermediate, "'shared_gate' without 'shared_intermediate'"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (rules[i].broken) return fail(e, E_FILE, "spec: %s", rules[i].why);
    }
    for (uint32_t i = 0; s->rope_layer && i < s->layers; i++) {
        if (s->rope_layer[i] >= (int64_t)s->rope_tables)
            return fail(e, E_FILE, "spec: 'rope_layer' has %d of %u tables", s->rope_layer[i], s->rope_tables);
    }
    return OK;
}

static status check_list(const spec *s, const spec_list *l, error *e) {
    if (l->count(s) && !l->place((spec *)(uintptr_t)s)) return fail(e, E_FILE, "spec: '%s' is missing", l->key);
    for (size_t i = 0; i < l->count(s); i++) TRY(check_range(l->key, list_get(s, l, i), l->min, l->max, e));
    return OK;
}

status spec_check(const spec *s, error *e) {
    for (const spec_field *f = spec_fields; f->key; f++) TRY(check_range(f->key, field_get(s, f), f->min, f->max, e));
    if (s->n_eos > EOS_MAX) return fail(e, E_FILE, "spec: 'eos' has %u ids, more than %d", s->n_eos, EOS_MAX);
    TRY(check_shape(s, e));
    for (const spec_list *l = spec_lists; l->key; l++) TRY(check_list(s, l, e));
    return check_together(s, e);
}

/* ---- to JSON and back ---- */

static json_t *field_to_json(const spec *s, const spec_field *f) {
    const double x = field_get(s, f);
    return f->names ? json_string(f->names[(size_t)x]) : f->kind->write(x);
}

static json_t *list_to_json(const spec *s, const spec_list *l) {
    json_t *array = json_array();
    for (size_t i = 0; i < l->count(s); i++) json_array_append_new(array, l->kind->write(list_get(s, l, i)));
    return array;
}

json_t *spec_to_json(const spec *s) {
    json_t *object = json_object();
    int failed = json_object_set_new(object, "architecture", json_string(s->architecture));
    for (const spec_field *f = spec_fields; f->key; f++) {
        if (field_get(s, f) != f->neutral) failed |= json_object_set_new(object, f->key, field_to_json(s, f));
    }
    for (const spec_list *l = spec_lists; l->key; l++) {
        if (!l->is_neutral(s)) failed |= json_object_set_new(object, l->key, list_to_json(s, l));
    }
    if (!failed) return object;
    json_decref(object);
    return NULL;
}

static status read_name(const spec_field *f, const json_t *value, double *x, error *e) {
    const char *name;
    TRY(json_to_text(value, f->key, &name, e));
    size_t i = 0;
    while (f->names[i] && strcmp(f->names[i], name) != 0) i++;
    *x = (double)i;
    return f->names[i] ? OK : fail(e, E_FILE, "'%s' is '%s', which this program does not know", f->key, name);
}

static status read_field(spec *s, const spec_field *f, const json_t *value, error *e) {
    double x = f->neutral;
    if (!value && isnan(x)) return fail(e, E_FILE, "'%s' is missing", f->key);
    if (value) TRY(f->names ? read_name(f, value, &x, e) : f->kind->read(value, f->key, f->min, f->max, &x, e));
    f->kind->set((char *)s + f->offset, x);
    return OK;
}

static status read_list(spec *s, const spec_list *l, const json_t *value, error *e) {
    size_t n = 0;
    if (value) TRY(json_to_array(value, l->key, SPEC_LAYERS_MAX, &n, e));
    TRY(l->resize(s, value ? n : l->count(s), e));
    if (value && n != l->count(s)) return fail(e, E_FILE, "'%s' has %zu entries instead of %zu", l->key, n, l->count(s));
    if (!value && !l->is_neutral(s)) return fail(e, E_FILE, "'%s' is missing", l->key);
    for (size_t i = 0; i < n; i++) {
        double x;
        TRY(l->kind->read(json_array_get(value, i), l->key, l->min, l->max, &x, e));
        l->kind->set((char *)l->place(s) + i * l->item, x);
    }
    return OK;
}

static bool is_known(const char *key) {
    for (const spec_field *f = spec_fields; f->key; f++) {
        if (strcmp(f->key, key) == 0) return true;
    }
    for (const spec_list *l = spec_lists; l->key; l++) {
        if (strcmp(l->key, key) == 0) return true;
    }
    return strcmp(key, "architecture") == 0;
}

static status read_all(spec *s, const json_t *json, error *e) {
    TRY(json_to_object(json, "spec", e));
    const char *key, *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value) {
        if (!is_known(key)) return fail(e, E_FILE, "the feature '%s' is not known to this program", key);
    }
    TRY(json_to_text(json_object_get(json, "architecture"), "architecture", &name, e));
    if (strlen(name) >= sizeof s->architecture) return fail(e, E_FILE, "'architecture' is longer than %zu bytes", sizeof s->architecture - 1);
    strcpy(s->architecture, name);
    for (const spec_field *f = spec_fields; f->key; f++) TRY(read_field(s, f, json_object_get(json, f->key), e));
    for (const spec_list *l = spec_lists; l->key; l++) TRY(read_list(s, l, json_object_get(json, l->key), e));
    return OK;
}

status spec_from_json(spec *s, const json_t *json, error *e) {
    *s = (spec){0};
    status result = read_all(s, json, e);
    result = result == OK ? spec_check(s, e) : fail_in(e, "spec");
    if (result != OK) spec_free(s);
    return result;
}

/* ---- for people ---- */

static void describe_list(const spec *s, const spec_list *l, char text[SPEC_TEXT]) {
    enum { SHOWN = 6 };
    const size_t n = l->count(s);
    size_t used = 0, same = 1;
    strcpy(text, n ? "" : "none");
    while (same < n && list_get(s, l, same) == list_get(s, l, 0)) same++;
    const size_t shown = n > 1 && same == n ? 1 : n < SHOWN ? n : SHOWN;
    for (size_t i = 0; i < shown; i++) {
        char number[NUMBER_TEXT];
        number_text(list_get(s, l, i), number);
        used += (size_t)snprintf(text + used, SPEC_TEXT - used, "%s%s", i ? " " : "", number);
    }
    if (shown < n) snprintf(text + used, SPEC_TEXT - used, shown == 1 ? " (all %zu)" : " ... (%zu)", n);
}

static void describe_field(const spec *s, const spec_field *f, char text[SPEC_TEXT]) {
    const double x = field_get(s, f);
    char number[NUMBER_TEXT];
    f->kind->print(x, number);
    snprintf(text, SPEC_TEXT, "%s", f->names ? f->names[(size_t)x] : number);
}

void spec_describe(const spec *s, void (*line)(void *context, const char *key, const char *value), void *context) {
    char text[SPEC_TEXT];
    line(context, "architecture", s->architecture);
    for (const spec_field *f = spec_fields; f->key; f++) {
        if (field_get(s, f) == f->neutral) continue;
        describe_field(s, f, text);
        line(context, f->key, text);
    }
    for (const spec_list *l = spec_lists; l->key; l++) {
        if (l->is_neutral(s)) continue;
        describe_list(s, l, text);
        line(context, l->key, text);
    }
}
