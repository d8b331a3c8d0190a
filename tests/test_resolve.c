#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "models/arch.h"
#include "plain_config.h"

/* A checkpoint that has exactly what the plain config wants, in f16; `change` may edit the header. */
static void make_checkpoint(const char *changes, void (*change)(json_t *header)) {
    json_t *root = config_with(changes), *header = json_object();
    const arch *a;
    spec s;
    error e;
    wanted_list list = {0};
    size_t end = 0;
    cr_assert_eq(arch_configure(&a, &s, root, NULL, &e), OK, "%s", e.text);
    cr_assert_eq(a->tensors(&s, &list, &e), OK);
    for (size_t i = 0; i < list.n; i++) {
        const wanted *w = &list.items[i];
        const size_t bytes = 2 * w->rows * (w->k ? w->k : 1);
        json_t *shape = w->k ? json_pack("[i,i]", (int)w->rows, (int)w->k) : json_pack("[i]", (int)w->rows);
        json_object_set_new(header, w->source,
                            json_pack("{s:s, s:o, s:[i,i]}", "dtype", "F16", "shape", shape, "data_offsets", (int)end, (int)(end + bytes)));
        end += bytes;
    }
    if (change) change(header);
    char *text = json_dumps(header, 0);
    file_write_safetensors(folder_path("model.safetensors"), text, end);
    json_dump_file(root, folder_path("config.json"), 0);
    free(text);
    wanted_free(&list);
    spec_free(&s);
    json_decref(header);
    json_decref(root);
}

static void check_resolve(const char *says) {
    checkpoint c;
    spec s;
    wanted_list list;
    error e = {0};
    cr_assert_eq(checkpoint_open(&c, folder_path("model.safetensors"), &e), OK, "%s", e.text);
    cr_assert_eq(arch_resolve(&c, folder_path("config.json"), &s, &list, &e), says ? E_FILE : OK, "%s", e.text);
    if (says) {
        cr_assert(strstr(e.text, says), "'%s' does not say '%s'", e.text, says);
        cr_assert(!s.window && !list.items);
    }
    spec_free(&s);
    wanted_free(&list);
    checkpoint_close(&c);
}

static void rename_key(json_t *header, const char *from, const char *to) {
    json_object_set(header, to, json_object_get(header, from));
    json_object_del(header, from);
}

static void lose_q(json_t *header) {
    rename_key(header, "model.layers.1.self_attn.q_proj.weight", "model.layers.1.self_attn.rotary_emb.inv_freq");
}
static void add_norm(json_t *header) {
    json_object_set_new(header, "model.layers.0.self_attn.q_norm.weight",
                        json_pack("{s:s, s:[i], s:[i,i]}", "dtype", "F32", "shape", 0, "data_offsets", 0, 0));
}
static void add_old_and_tied(json_t *header) {
    json_object_set_new(header, "lm_head.weight", json_pack("{s:s, s:[i], s:[i,i]}", "dtype", "I8", "shape", 0, "data_offsets", 0, 0));
    json_object_set_new(header, "model.layers.0.self_attn.rotary_emb.inv_freq",
                        json_pack("{s:s, s:[i], s:[i,i]}", "dtype", "F64", "shape", 0, "data_offsets", 0, 0));
}
static void turn_k(json_t *header) {
    json_t *shape = json_object_get(json_object_get(header, "model.layers.0.self_attn.k_proj.weight"), "shape");
    json_array_set_new(shape, 0, json_integer(8));
    json_array_set_new(shape, 1, json_integer(4));
}
static void flatten_norm(json_t *header) {
    json_t *shape = json_object_get(json_object_get(header, "model.norm.weight"), "shape");
    json_array_append_new(shape, json_integer(1));
}
static void make_integers(json_t *header) {
    json_object_set_new(json_object_get(header, "model.layers.0.mlp.up_proj.weight"), "dtype", json_string("I16"));
}

TestSuite(resolve, .init = folder_open, .fini = folder_close);

Test(resolve, tensors_that_fit) {
    make_checkpoint("{}", NULL);
    check_resolve(NULL);
    make_checkpoint("{}", add_old_and_tied);
    check_resolve(NULL);
    make_checkpoint("{\"attention_bias\": true, \"mlp_bias\": true, \"tie_word_embeddings\": false}", NULL);
    check_resolve(NULL);
    file_write_text(folder_path("generation_config.json"), "{\"eos_token_id\": 10}");
    check_resolve("generation_config.json: 'eos_token_id' is 10");
    file_write_text(folder_path("generation_config.json"), "{");
    check_resolve("generation_config.json: line 1");
}

Test(resolve, tensors_that_do_not_fit) {
    const struct {
        void (*change)(json_t *);
        const char *says;
    } rows[] = {
        {lose_q, "tensor 'model.layers.1.self_attn.q_proj.weight' is missing"},
        {add_norm, "tensor 'model.layers.0.self_attn.q_norm.weight' is not part of a llama model"},
        {turn_k, "tensor 'model.layers.0.self_attn.k_proj.weight' has the shape [8, 4]"},
        {flatten_norm, "tensor 'model.norm.weight' has the shape [8, 1]"},
        {make_integers, "tensor 'model.layers.0.mlp.up_proj.weight': dtype I16 cannot be read"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make_checkpoint("{}", rows[i].change);
        check_resolve(rows[i].says);
    }
}

Test(resolve, a_config_that_wants_another_model) {
    make_checkpoint("{}", NULL);
    json_t *root = config_with("{\"tie_word_embeddings\": false}");
    json_dump_file(root, folder_path("config.json"), 0);
    json_decref(root);
    check_resolve("tensor 'lm_head.weight' is missing");
    file_write_text(folder_path("config.json"), "{\"model_type\": \"qwen9\"}");
    check_resolve("config.json: model_type 'qwen9' is not supported");
    file_write_text(folder_path("config.json"), "");
    check_resolve("config.json: line 1");
    remove(folder_path("config.json"));
    check_resolve("config.json: No such file or directory");
}

Test(resolve, canonical_names) {
    checkpoint c;
    spec s;
    wanted_list list;
    error e;
    make_checkpoint("{\"attention_bias\": true}", NULL);
    cr_assert_eq(checkpoint_open(&c, folder_path(""), &e), OK);
    cr_assert_eq(arch_resolve(&c, folder_path("config.json"), &s, &list, &e), OK, "%s", e.text);
    cr_assert_eq(list.n, 1 + 2 * 13 + 1);
    cr_assert_str_eq(list.items[0].name, "embed");
    cr_assert_str_eq(list.items[14].name, "layers.1.attn_norm");
    cr_assert_str_eq(list.items[14].source, "model.layers.1.input_layernorm.weight");
    cr_assert_str_eq(list.items[27].name, "final_norm");
    cr_assert(list.items[27].rows == 8 && list.items[27].k == 0);
    spec_free(&s);
    wanted_free(&list);
    checkpoint_close(&c);
}
