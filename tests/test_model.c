/* model_open refuses files whose tensors do not fit their spec, and names the tensor. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/model.h"
#include "files.h"
#include "tiny.h"

TestSuite(model, .init = folder_open, .fini = folder_close);

/* Writes tensors of `made` under the spec `said`; the message must have `text`. */
static void refused(const spec *made, const spec *said, const char *text) {
    const char *path = folder_path("model.qbin");
    tiny_write_as(path, made, said, &(tiny){0});
    model *m;
    error e = {0};
    cr_assert_eq(model_open(&m, path, &e), E_FILE);
    cr_assert_null(m);
    cr_assert(strstr(e.text, text) && strstr(e.text, "model.qbin"), "says '%s', not '%s'", e.text, text);
}

Test(model, a_tensor_that_is_missing) {
    spec made = tiny_spec(), said = tiny_spec();
    said.attention_bias = true;
    refused(&made, &said, "layers.0.q_bias is missing");
    made.tied = true;
    said.attention_bias = false;
    refused(&made, &said, "head is missing");
    spec_free(&made), spec_free(&said);
}

Test(model, a_tensor_of_another_shape) {
    spec made = tiny_spec(), said = tiny_spec();
    said.intermediate = 173;
    refused(&made, &said, "layers.0.gate: has 2 dimensions [172, 72] where the spec asks for 2 [173, 72]");
    said.intermediate = made.intermediate;
    said.vocab--;
    refused(&made, &said, "embed");
    spec_free(&made), spec_free(&said);
}

Test(model, a_tensor_that_the_spec_has_no_use_for) {
    spec made = tiny_spec(), said = tiny_spec();
    made.mlp_bias = true;
    refused(&made, &said, "layers.0.gate_bias: the spec has no use for it");
    spec_free(&made), spec_free(&said);
}

/* Each feature asks for its tensors. */
Test(model, what_a_feature_needs_is_missing) {
    static const struct {
        const char *missing;
        spec said;
    } cases[] = {
        {"final_norm_bias is missing", {.norm = NORM_LAYER, .norm_bias = true}},
        {"layers.0.attn_post_norm is missing", {.norm_place = NORM_AROUND}},
        {"layers.0.mlp_norm: the spec has no use", {.residual = RESIDUAL_SHARED}},
        {"layers.0.gate: the spec has no use", {.plain_mlp = true}},
        {"head_bias is missing", {.head_bias = true}},
        {"layers.0.q_norm is missing", {.qk_norm = QK_NORM_HEAD}},
        {"layers.0.sinks is missing", {.sinks = true}},
        {"positions is missing", {.learned_positions = true}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const spec *asks = &cases[i].said;
        spec made = tiny_spec(), said = tiny_spec();
        said.norm = asks->norm, said.norm_bias = asks->norm_bias, said.norm_place = asks->norm_place, said.residual = asks->residual;
        said.plain_mlp = asks->plain_mlp, said.head_bias = asks->head_bias, said.qk_norm = asks->qk_norm, said.sinks = asks->sinks;
        said.learned_positions = asks->learned_positions;
        refused(&made, &said, cases[i].missing);
        spec_free(&made), spec_free(&said);
    }
}

static void refused_static(const tiny *t, const char *text) {
    spec s = tiny_spec_aligned();
    const char *path = folder_path("model.qbin");
    tiny_write(path, &s, t);
    model *m;
    error e = {0};
    cr_assert_eq(model_open(&m, path, &e), text ? E_FILE : OK, "%s", e.text);
    if (text) cr_assert(strstr(e.text, text) && strstr(e.text, "model.qbin"), "says '%s', not '%s'", e.text, text);
    model_close(&m);
    spec_free(&s);
}

Test(model, matrices_of_one_input_agree_on_its_static_scale) {
    refused_static(&(tiny){.format = "q4@static", .odd = "layers.1.k"},
                   "tensor layers.1.k: scale 0.06 and centre 0 of its activations are not the 0.03");
    refused_static(&(tiny){.format = "q8@static", .odd = "layers.0.up"}, "not the 0.03 and 0 of layers.0.gate, which has the same input");
    refused_static(&(tiny){.format = "q4@static", .odd = "layers.1.down"}, NULL);
    refused_static(&(tiny){.format = "q4@static", .other = "q4", .odd = "layers.0.v"}, NULL);
}

Test(model, a_centre_needs_its_shifts) {
    refused_static(&(tiny){.format = "q4@static", .center = 0.125f, .no_shifts = true}, "embed.shift is missing");
    refused_static(&(tiny){.format = "q4@static", .other = "q4", .center = 0.125f, .no_shifts = true}, "layers.0.q.shift is missing");
    refused_static(&(tiny){.format = "q4@static", .center = 0.125f}, NULL);
}

Test(model, opens_what_fits) {
    spec s = tiny_spec();
    const char *path = folder_path("model.qbin");
    tiny_write(path, &s, &(tiny){0});
    model *m;
    error e = {0};
    cr_assert_eq(model_open(&m, path, &e), OK, "%s", e.text);
    cr_assert_null(m->tokenizer);
    cr_assert_null(m->layers[2].mlp.down.bias);
    cr_assert_neq(m->head.w, m->embed.w);
    model_close(&m);
    model_close(&m);
    spec_free(&s);
}
