/* What a checkpoint may be besides plain numbers under an architecture's own names: codes with scales, a prefix before its names, a text part of more. Each is
 * made from the tensors that an architecture wants, and resolved as convert does it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "models/arch.h"
#include "plain_config.h"

TestSuite(sources, .init = folder_open, .fini = folder_close);

typedef struct maker {
    json_t *header;
    size_t end;
} maker;

static void put(maker *m, const char *name, const char *dtype, size_t bytes, json_t *shape) {
    const json_int_t begin = (json_int_t)m->end, end = (json_int_t)(m->end + bytes);
    json_object_set_new(m->header, name, json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype, "shape", shape, "data_offsets", begin, end));
    m->end += bytes;
}

static void put_plain(maker *m, const wanted *w, const char *name) {
    const size_t n = w->rows * (w->k ? w->k : 1);
    put(m, name, "F16", 2 * n, w->k ? json_pack("[I,I]", (json_int_t)w->rows, (json_int_t)w->k) : json_pack("[I]", (json_int_t)w->rows));
}

/* A checkpoint with what the config wants, each tensor as `add` makes it, and `more` (or NULL) beside them; `root` is what config.json says. */
static void make(json_t *root, void (*add)(maker *m, const wanted *w), void (*more)(maker *m)) {
    maker m = {.header = json_object()};
    const arch *a;
    spec s;
    error e;
    wanted_list list = {0};
    cr_assert_eq(arch_configure(&a, &s, root, NULL, &e), OK, "%s", e.text);
    cr_assert_eq(a->tensors(&s, &list, &e), OK);
    for (size_t i = 0; i < list.n; i++) add(&m, &list.items[i]);
    if (more) more(&m);
    char *text = json_dumps(m.header, 0);
    file_write_safetensors(folder_path("model.safetensors"), text, m.end);
    json_dump_file(root, folder_path("config.json"), 0);
    free(text);
    wanted_free(&list);
    spec_free(&s);
    json_decref(m.header);
}

/* Resolves it; `says` is NULL for success. Returns how many tensors were skipped. */
static size_t check(const char *says) {
    checkpoint c;
    spec s;
    wanted_list list;
    error e = {0};
    cr_assert_eq(checkpoint_open(&c, folder_path("model.safetensors"), &e), OK, "%s", e.text);
    cr_assert_eq(arch_resolve(&c, folder_path("config.json"), &s, &list, &e), says ? E_FILE : OK, "%s: %s", says, e.text);
    if (says) cr_assert(strstr(e.text, says), "'%s' does not say '%s'", e.text, says);
    const size_t skipped = says ? 0 : list.skipped;
    for (size_t i = 0; !says && i < list.n; i++) cr_assert_not_null(list.items[i].from.numbers, "%s", list.items[i].name);
    spec_free(&s);
    wanted_free(&list);
    checkpoint_close(&c);
    return skipped;
}

/* ---- names ---- */

static void add_as_named(maker *m, const wanted *w) {
    put_plain(m, w, w->source);
}

static void add_bare(maker *m, const wanted *w) {
    put_plain(m, w, strncmp(w->source, "model.", 6) ? w->source : w->source + 6);
}

static void add_outside(maker *m, const wanted *w) {
    char name[200];
    snprintf(name, sizeof name, "language_model.%s", w->source);
    put_plain(m, w, name);
}

static void add_inside(maker *m, const wanted *w) {
    char name[200];
    const bool in_stack = strncmp(w->source, "model.", 6) == 0;
    snprintf(name, sizeof name, "%s%s", in_stack ? "model.language_model." : "", in_stack ? w->source + 6 : w->source);
    put_plain(m, w, name);
}

static void (*const namings[])(maker *m, const wanted *w) = {add_as_named, add_bare, add_outside, add_inside};
enum { NAMINGS = sizeof namings / sizeof *namings };

static void see_and_hear(maker *m) {
    put(m, "vision_tower.patch.weight", "F32", 4, json_pack("[i]", 1));
    put(m, "model.visual.blocks.0.attn.qkv.weight", "F32", 4, json_pack("[i]", 1));
    put(m, "multi_modal_projector.linear.weight", "F32", 4, json_pack("[i]", 1));
    put(m, "audio_tower.layers.0.weight", "F32", 4, json_pack("[i]", 1));
}
static void guess(maker *m) {
    put(m, "mtp.layers.0.weight", "F32", 4, json_pack("[i]", 1));
}
static void add_stranger(maker *m) {
    put(m, "language_model.model.layers.0.odd.weight", "F32", 4, json_pack("[i]", 1));
}

static json_t *whole_of(const char *changes) {
    return json_pack("{s:s, s:o, s:{s:i}, s:i}", "model_type", "seer", "text_config", config_with(changes), "vision_config", "depth", 2,
                     "image_token_id", 3);
}

Test(sources, prefixes) {
    for (size_t i = 0; i < NAMINGS; i++) {
        json_t *root = config_with("{\"tie_word_embeddings\": false}"), *whole = whole_of("{\"tie_word_embeddings\": false}");
        make(root, namings[i], NULL);
        cr_assert_eq(check(NULL), 0);
        make(root, namings[i], guess);
        cr_assert_eq(check(NULL), 1);
        make(root, namings[i], see_and_hear); /* nothing says that there are other parts */
        check("is not part of a llama model");
        make(whole, namings[i], see_and_hear);
        cr_assert_eq(check(NULL), 4, "naming %zu", i);
        make(whole, namings[i], add_stranger);
        check("is not part of a llama model");
        json_decref(root);
        json_decref(whole);
    }
}

Test(sources, what_text_config_leaves_to_the_whole) {
    json_t *whole = whole_of("{\"tie_word_embeddings\": null, \"eos_token_id\": null}"), *text = json_object_get(whole, "text_config");
    const arch *a;
    spec s;
    error e;
    json_object_del(text, "tie_word_embeddings");
    json_object_del(text, "eos_token_id");
    json_object_set_new(whole, "tie_word_embeddings", json_true());
    json_object_set_new(whole, "eos_token_id", json_pack("[i,i]", 4, 5));
    cr_assert_eq(arch_configure(&a, &s, whole, NULL, &e), OK, "%s", e.text);
    cr_assert(s.tied && s.n_eos == 2 && s.eos[1] == 5);
    spec_free(&s);
    json_object_set_new(whole, "logit_bend", json_integer(2));
    cr_assert_eq(arch_configure(&a, &s, whole, NULL, &e), E_FILE);
    cr_assert(strstr(e.text, "key 'logit_bend' is not understood"), "%s", e.text);
    json_decref(whole);
}

/* ---- F8 ---- */

static const char *scale_name;
static uint64_t block;

static void add_f8(maker *m, const wanted *w) {
    char name[200];
    if (!w->k) {
        put_plain(m, w, w->source);
        return;
    }
    put(m, w->source, "F8_E4M3", w->rows * w->k, json_pack("[I,I]", (json_int_t)w->rows, (json_int_t)w->k));
    if (!scale_name) return;
    const uint64_t down = block ? (w->rows + block - 1) / block : 1, across = block ? (w->k + block - 1) / block : 1;
    snprintf(name, sizeof name, "%s%s", w->source, scale_name);
    put(m, name, "F32", 4 * down * across, block ? json_pack("[I,I]", (json_int_t)down, (json_int_t)across) : json_pack("[]"));
}

static void add_scales_of_inputs(maker *m) {
    put(m, "model.layers.0.mlp.up_proj.input_scale", "F32", 4, json_pack("[]"));
    put(m, "model.layers.1.self_attn.k_proj.k_scale", "F32", 4, json_pack("[i]", 1));
}

Test(sources, f8) {
    json_t *plain = config_with("{}"), *blocks = config_with("{\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": [3, 3]}}");
    json_t *static_ones = config_with("{\"quantization_config\": {\"quant_method\": \"fp8\", \"activation_scheme\": \"static\"}}");
    scale_name = "_scale_inv", block = 3;
    make(blocks, add_f8, NULL);
    check(NULL);
    block = 2;
    make(blocks, add_f8, NULL);
    check("fits no scales");
    scale_name = "_scale", block = 0;
    make(static_ones, add_f8, add_scales_of_inputs);
    check(NULL);
    scale_name = NULL;
    make(static_ones, add_f8, NULL);
    check("is F8_E4M3, but has no scales");
    make(plain, add_f8, NULL);
    check(NULL);
    json_decref(plain), json_decref(blocks), json_decref(static_ones);
}

/* ---- MXFP4 ---- */

/* Stacks of experts are blocks and scales, once for all experts and parts of them. */
static void add_mxfp4(maker *m, const wanted *w) {
    char name[200];
    if (json_object_get(m->header, w->source)) return;
    if (!w->slice.stack) {
        put_plain(m, w, w->source);
        return;
    }
    const uint64_t rows = w->slice.take ? w->rows / w->slice.take * w->slice.group : w->rows, n = w->slice.stack;
    if (!w->k) {
        put(m, w->source, "F16", 2 * n * rows, json_pack("[I,I]", (json_int_t)n, (json_int_t)rows));
        return;
    }
    snprintf(name, sizeof name, "%s_blocks", w->source);
    if (json_object_get(m->header, name)) return;
    put(m, name, "U8", n * rows * (w->k / 32) * 16, json_pack("[I,I,I,i]", (json_int_t)n, (json_int_t)rows, (json_int_t)w->k / 32, 16));
    snprintf(name, sizeof name, "%s_scales", w->source);
    put(m, name, "U8", n * rows * (w->k / 32), json_pack("[I,I,I]", (json_int_t)n, (json_int_t)rows, (json_int_t)w->k / 32));
}

static json_t *experts_config(int hidden) {
    return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:{s:s}}", "model_type", "gpt_oss", "hidden_size", hidden,
                     "intermediate_size", 32, "num_hidden_layers", 2, "num_attention_heads", 4, "num_key_value_heads", 2, "head_dim", 8, "vocab_size",
                     10, "num_local_experts", 3, "num_experts_per_tok", 2, "rope_theta", 150000.0, "quantization_config", "quant_method", "mxfp4");
}

Test(sources, mxfp4) {
    json_t *root = experts_config(64), *odd = experts_config(72);
    make(root, add_mxfp4, NULL);
    check(NULL);
    make(odd, add_mxfp4, NULL); /* 72 is no multiple of 32 */
    check("72 columns are no blocks of 32");
    json_decref(root), json_decref(odd);
}
