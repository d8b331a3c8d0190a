/* The spec as a file has it: all that it can say is written and read back the same; what contradicts itself is refused by name. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tiny.h"

/* ---- there and back ---- */

static void say_all(spec *s) {
    s->norm = NORM_LAYER;
    s->norm_bias = s->attention_bias = s->output_bias = s->mlp_bias = s->head_bias = s->sinks = s->learned_positions = true;
    s->norm_place = NORM_AROUND;
    s->activation = ACTIVATION_SWIGLU_SHIFTED;
    s->mlp_limit = 7;
    s->qk_norm = QK_NORM_WHOLE;
    s->clip_qkv = 1.5f;
    s->attention_softcap = 50;
    s->embedding_scale = 6.9282031f;
    s->residual_scale = 0.22f;
    s->logit_scale = 0.0625f;
    s->logit_softcap = 30;
    s->rope_tables = 2;
    s->rope_original = 32;
    s->rope_attention = 1.19f;
    s->n_experts = 8;
    s->experts_per_token = 2;
    s->expert_intermediate = 24;
    s->experts_normalized = s->router_bias = s->expert_bias = s->shared_gate = true;
    s->shared_intermediate = 20;
    tiny_rope(s, s->head_dim);
    s->rope_long = calloc(s->rope_dims, sizeof *s->rope_long);
    s->rope_layer = calloc(s->layers, sizeof *s->rope_layer);
    s->dense = calloc(s->layers, sizeof *s->dense);
    s->rope_long[3] = 0.125f;
    s->rope_layer[0] = ROPE_NOT_HERE;
    s->rope_layer[2] = 1;
    s->window[1] = 9;
    s->dense[0] = 1;
}

Test(spec, says_all_and_is_read_back) {
    spec s = tiny_spec(), again;
    error e = {0};
    say_all(&s);
    cr_assert_eq(spec_check(&s, &e), OK, "%s", e.text);
    json_t *first = spec_to_json(&s);
    cr_assert_eq(spec_from_json(&again, first, &e), OK, "%s", e.text);
    json_t *second = spec_to_json(&again);
    cr_assert(json_equal(first, second));
    cr_assert(again.rope_layer[0] == ROPE_NOT_HERE && again.rope_layer[2] == 1 && again.dense[0] == 1 && again.rope_long[3] == 0.125f);
    cr_assert(again.embedding_scale == s.embedding_scale && again.norm_place == NORM_AROUND && again.experts_per_token == 2 && again.shared_gate);
    json_decref(first), json_decref(second);
    spec_free(&s), spec_free(&again);
}

/* A file that uses nothing new is read by programs that know nothing new. */
Test(spec, says_nothing_of_what_is_neutral) {
    static const char *const unsaid[] = {"norm",        "norm_place", "residual", "plain_mlp", "qk_norm",  "embedding_scale",
                                         "rope_tables", "rope_layer", "window",   "dense",     "n_experts"};
    spec s = tiny_spec();
    json_t *json = spec_to_json(&s);
    for (size_t i = 0; i < sizeof unsaid / sizeof *unsaid; i++) cr_expect_null(json_object_get(json, unsaid[i]), "%s", unsaid[i]);
    json_decref(json);
    spec_free(&s);
}

/* ---- refused ---- */

static const struct change {
    const char *more, *says; /* keys that replace those of a plain spec; a part of the message */
} changes[] = {
    {"{\"norm_bias\": true}", "'norm_bias' belongs to layer norms"},
    {"{\"residual\": \"shared\", \"norm_place\": \"after\"}", "a parallel 'residual' has norms before alone"},
    {"{\"residual\": \"sideways\"}", "'residual' is 'sideways', which this program does not know"},
    {"{\"plain_mlp\": true, \"activation\": \"swiglu_shifted\"}", "a 'plain_mlp' has no limit and no shifted activation"},
    {"{\"plain_mlp\": true, \"mlp_limit\": 1.0}", "a 'plain_mlp' has no limit"},
    {"{\"clip_qkv\": 1.0, \"qk_norm\": \"head\"}", "'clip_qkv' is not for heads"},
    {"{\"clip_qkv\": -1.0}", "'clip_qkv' is -1"},
    {"{\"attention_softcap\": -1.0}", "'attention_softcap' is -1"},
    {"{\"embedding_scale\": 0.0}", "'embedding_scale' is 0"},
    {"{\"rope_tables\": 3}", "'rope_tables' is 3, not in 1 .. 2"},
    {"{\"rope_tables\": 2}", "'rope_inverse' has 10 entries instead of 20"},
    {"{\"rope_layer\": [0, 1, 0]}", "'rope_layer' has 1 of 1 tables"},
    {"{\"rope_layer\": [0, -2, 0]}", "'rope_layer' is -2"},
    {"{\"rope_layer\": [0]}", "'rope_layer' has 1 entries instead of 3"},
    {"{\"rope_original\": 32}", "'rope_long' is missing"},
    {"{\"rope_long\": [1.0]}", "'rope_long' has 1 entries instead of 0"},
    {"{\"window\": [0, 0]}", "'window' has 2 entries instead of 3"},
    {"{\"experts_per_token\": 2}", "'experts_per_token' is not in 1 .. n_experts"},
    {"{\"n_experts\": 4, \"expert_intermediate\": 8}", "'experts_per_token' is not in 1 .. n_experts"},
    {"{\"n_experts\": 4, \"expert_intermediate\": 8, \"experts_per_token\": 5}", "'experts_per_token' is not in 1 .. n_experts"},
    {"{\"n_experts\": 4, \"experts_per_token\": 2}", "'n_experts' and 'expert_intermediate' belong together"},
    {"{\"n_experts\": 2000, \"experts_per_token\": 2, \"expert_intermediate\": 8}", "'n_experts' is 2000, not in 0 .. 1024"},
    {"{\"dense\": [1, 0, 0]}", "there are fields of experts, but 'n_experts' is 0"},
    {"{\"router_bias\": true}", "there are fields of experts"},
    {"{\"n_experts\": 4, \"expert_intermediate\": 8, \"experts_per_token\": 1, \"shared_gate\": true}",
     "'shared_gate' without 'shared_intermediate'"},
    {"{\"gravity\": 1}", "the feature 'gravity' is not known to this program"},
};

Test(spec, contradictions_are_refused) {
    spec s = tiny_spec();
    json_t *plain = spec_to_json(&s);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        json_t *json = json_deep_copy(plain), *more = json_loads(changes[i].more, 0, NULL);
        spec read;
        error e = {0};
        cr_assert_not_null(more, "%s", changes[i].more);
        json_object_update(json, more);
        cr_expect_eq(spec_from_json(&read, json, &e), E_FILE, "%s", changes[i].more);
        cr_expect(strstr(e.text, changes[i].says), "%s: '%s' does not say '%s'", changes[i].more, e.text, changes[i].says);
        json_decref(json), json_decref(more);
    }
    json_decref(plain);
    spec_free(&s);
}

Test(spec, tables_need_rotation) {
    static const char *const names[] = {"rope_tables", "rope_layer", "rope_original"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        spec s = tiny_spec();
        error e = {0};
        s.rope = ROPE_NONE;
        tiny_rope(&s, 0);
        s.rope_tables = i == 0 ? 2 : 1;
        if (i == 1) s.rope_layer = calloc(s.layers, sizeof *s.rope_layer);
        s.rope_original = i == 2 ? 32 : 0;
        cr_expect_eq(spec_check(&s, &e), E_FILE);
        cr_expect(strstr(e.text, names[i]) && strstr(e.text, "without 'rope'"), "%s", e.text);
        spec_free(&s);
    }
}
