/* What the engine promises: the mathematics of the spec, and the same bits whatever the threads, the batch, the calls and the instruction set. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/session.h"
#include "kernels/kernels.h"
#include "reference.h"
#include "tiny.h"
#include "tiny_run.h"

enum { N = 70 };

static void agrees(spec *s, const tiny *t, double tolerance) {
    model *m = tiny_open(s, t);
    const uint32_t vocab = model_spec(m)->vocab;
    int32_t ids[N];
    tiny_ids(ids, N, vocab, 5);
    double *wanted = calloc((size_t)N * vocab, sizeof *wanted);
    reference_logits(m, ids, N, wanted);
    float *got = tiny_logits(m, &(session_options){.threads = 2, .batch = 33, .key_type = "f32", .value_type = "f32"}, ids, N, N);
    const double d = largest_distance(got, wanted, (size_t)N * vocab);
    cr_assert_leq(d, tolerance, "%s differs by %g of the largest logit", t->format ? t->format : "f32", d);
    free(got), free(wanted);
    model_close(&m);
}

TestSuite(engine, .init = tiny_make_path, .fini = tiny_remove_path, .timeout = 600);

Test(engine, is_the_transformer_of_the_spec) {
    spec s = tiny_spec();
    agrees(&s, &(tiny){0}, 2e-5);
}

Test(engine, tied_head_biases_and_one_kv_head) {
    spec s = tiny_spec();
    s.tied = s.attention_bias = s.output_bias = s.mlp_bias = true;
    s.kv_heads = 1;
    agrees(&s, &(tiny){.seed = 1}, 2e-5);
}

Test(engine, windows_differ_by_layer) {
    spec s = tiny_spec();
    s.window[0] = 8;
    s.window[2] = 1;
    agrees(&s, &(tiny){.seed = 2}, 2e-5);
}

Test(engine, interleaved_and_partial_rotation_with_a_factor) {
    spec s = tiny_spec();
    s.rope = ROPE_INTERLEAVED;
    s.rope_attention = 1.25f;
    tiny_rope(&s, 12);
    agrees(&s, &(tiny){.seed = 3}, 2e-5);
}

Test(engine, no_rotation_and_gelu) {
    spec s = tiny_spec();
    s.rope = ROPE_NONE;
    tiny_rope(&s, 0);
    s.activation = ACTIVATION_GELU;
    agrees(&s, &(tiny){.seed = 4}, 2e-5);
}

Test(engine, partial_rotation_by_halves_and_tanh_gelu) {
    spec s = tiny_spec();
    tiny_rope(&s, 8);
    s.activation = ACTIVATION_GELU_TANH;
    agrees(&s, &(tiny){.seed = 5}, 2e-5);
}

/* The reference rounds inputs as a format does, but not from the same bits: a value here and there goes to the other side. */
Test(engine, every_format_runs_and_is_near_the_reference) {
    for (const format_entry *f = format_list; f->name; f++) {
        format descriptor;
        cr_assert_eq(format_parse(&descriptor, f->name, NULL), OK);
        spec s = tiny_spec_aligned();
        agrees(&s, &(tiny){.format = f->name, .seed = 6}, descriptor.act == ACT_F32 ? 2e-5 : 0.04);
    }
}

Test(engine, formats_can_be_mixed_in_a_layer) {
    spec s = tiny_spec_aligned();
    agrees(&s, &(tiny){.format = "q4", .other = "q8-b32", .seed = 7}, 4e-3);
    s = tiny_spec_aligned();
    agrees(&s, &(tiny){.format = "q4", .other = "f16", .seed = 8}, 4e-3);
}

/* ---- encodings of activations ---- */

/* The reference rounds its inputs as the encoding says: what is left is a value here and there that is rounded to the other side. */
Test(engine, activations_by_block_by_token_and_static_are_what_they_mean) {
    static const tiny cases[] = {
        {.format = "q4@token"},
        {.format = "q8-b32@token", .other = "q4"},
        {.format = "q4", .other = "q4-b32@token"},
        {.format = "q8@static"},
        {.format = "q8-b32@static", .other = "q8@static", .center = 0.25f},
        {.format = "q4@static", .other = "q4@token", .center = -0.5f},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spec s = tiny_spec_aligned();
        s.attention_bias = i % 2 == 0;
        agrees(&s, &cases[i], 4e-3);
    }
}

Test(engine, activations_in_f32_are_not_rounded) {
    static const tiny cases[] = {
        {.format = "q4@f32"}, {.format = "q3a-b32@f32", .other = "km4-row@f32"}, {.format = "q8-tensor@f32", .other = "f16"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spec s = tiny_spec_aligned();
        agrees(&s, &cases[i], 2e-5);
    }
}

static void equal_logits(const model *a, const session_options *o, const model *b, const session_options *p, const char *what) {
    int32_t ids[N];
    tiny_ids(ids, N, model_spec(a)->vocab, 3);
    float *x = tiny_logits(a, o, ids, N, N), *y = tiny_logits(b, p, ids, N, N);
    cr_assert(memcmp(x, y, (size_t)N * model_spec(a)->vocab * sizeof *x) == 0, "%s", what);
    free(x), free(y);
}

/* A file with one encoding, told to use another, is the file with the other. */
Test(engine, the_encoding_of_a_file_can_be_overridden) {
    static const char *const names[] = {"block", "b32", "b64", "token", "f32"};
    static const char *const formats[] = {"q4", "q4@b32", "q4", "q4@token", "q4@f32", "q4@static"};
    static const session_options plain = {.threads = 2};
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            spec s = tiny_spec_aligned();
            model *said = tiny_open(&s, &(tiny){.format = formats[n], .seed = 3});
            s = tiny_spec_aligned();
            model *is = tiny_open(&s, &(tiny){.format = formats[f], .seed = 3, .center = 0.1f});
            equal_logits(is, &(session_options){.threads = 2, .activations = names[n]}, said, &plain, names[n]);
            model_close(&said);
            model_close(&is);
        }
    }
    spec s = tiny_spec();
    model *m = tiny_open(&s, &(tiny){0});
    equal_logits(m, &plain, m, &(session_options){.threads = 2, .activations = "token"}, "numbers as they are stay so");
    session *none;
    error e = {0};
    cr_assert_eq(session_open(&none, m, &(session_options){.activations = "static"}, &e), E_USAGE);
    cr_assert(strstr(e.text, "static"), "%s", e.text);
    model_close(&m);
}

/* ---- the same bits ---- */

#if defined(__SANITIZE_THREAD__)
enum { LONG = 300 }; /* more than one chunk of keys; the sanitizer is slow */
#else
enum { LONG = 600 };
#endif

static void same_of(const model *m, const session_options *o, const int32_t *ids, size_t n, size_t call, const float *wanted, const char *what) {
    float *got = tiny_logits(m, o, ids, n, call);
    cr_assert(memcmp(got, wanted, (size_t)n * model_spec(m)->vocab * sizeof *got) == 0, "%s: threads %d, batch %u, calls of %zu, %s", what,
              o->threads, o->batch, call, o->isa ? o->isa : "best");
    free(got);
}

static void same(const model *m, const session_options *o, const int32_t *ids, size_t call, const float *wanted, const char *what) {
    same_of(m, o, ids, LONG, call, wanted, what);
}

static void same_everywhere(spec *s, const tiny *t, const char *cache) {
    static const int threads[] = {1, 2, 3, 7};
    static const uint32_t batches[] = {1, 7, 64, 512};
    static const size_t calls[] = {1, 2, 5, 100, LONG};
    model *m = tiny_open(s, t);
    int32_t ids[LONG];
    tiny_ids(ids, LONG, model_spec(m)->vocab, 9);
    float *wanted =
        tiny_logits(m, &(session_options){.threads = 1, .batch = 512, .isa = "scalar", .key_type = cache, .value_type = cache}, ids, LONG, LONG);
    const char *what = t->format ? t->format : "f32";
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        for (size_t j = 0; j < sizeof batches / sizeof *batches; j++) {
            same(m, &(session_options){.threads = threads[i], .batch = batches[j], .key_type = cache, .value_type = cache}, ids, LONG, wanted, what);
        }
    }
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        same(m, &(session_options){.threads = 2, .key_type = cache, .value_type = cache}, ids, calls[i], wanted, what);
    for (const kernels *const *k = kernel_tables; *k; k++) {
        const kernels *usable;
        if (kernels_choose(&usable, (*k)->name, NULL) != OK) continue;
        same(m, &(session_options){.threads = 2, .batch = 50, .isa = (*k)->name, .key_type = cache, .value_type = cache}, ids, LONG, wanted, what);
        same(m, &(session_options){.threads = 1, .batch = 1, .isa = (*k)->name, .key_type = cache, .value_type = cache}, ids, LONG, wanted, what);
    }
    free(wanted);
    model_close(&m);
}

Test(engine, same_bits_in_f32) {
    spec s = tiny_spec();
    s.window[1] = 300;
    same_everywhere(&s, &(tiny){.seed = 10}, "f32");
}

Test(engine, same_bits_with_an_f16_cache_and_mixed_formats) {
    spec s = tiny_spec_aligned();
    same_everywhere(&s, &(tiny){.format = "q4", .other = "q8-b32", .seed = 11}, "f16");
}

Test(engine, same_bits_with_coded_caches) {
    static const char *const types[] = {"q8", "q4"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        spec s = tiny_spec_aligned();
        same_everywhere(&s, &(tiny){.format = "q4", .other = "q8-b32", .seed = 17}, types[i]);
    }
}

Test(engine, same_bits_with_inputs_encoded_by_token) {
    spec s = tiny_spec_aligned();
    same_everywhere(&s, &(tiny){.format = "q4@token", .other = "q8-b32@token", .seed = 14}, "f16");
}

Test(engine, same_bits_with_static_inputs) {
    spec s = tiny_spec_aligned();
    s.attention_bias = s.output_bias = s.mlp_bias = true;
    same_everywhere(&s, &(tiny){.format = "q4@static", .other = "q8-b32@static", .seed = 15, .center = 0.125f}, "f16");
}

Test(engine, same_bits_with_inputs_in_f32) {
    spec s = tiny_spec_aligned();
    same_everywhere(&s, &(tiny){.format = "q4@f32", .other = "q8-b32@token", .seed = 16}, "f16");
}

Test(engine, same_bits_in_every_format) {
    enum { SHORT = 90 }; /* what is long is tested above */
    for (const format_entry *f = format_list; f->name; f++) {
        spec s = tiny_spec_aligned();
        model *m = tiny_open(&s, &(tiny){.format = f->name, .seed = 12});
        int32_t ids[SHORT];
        tiny_ids(ids, SHORT, model_spec(m)->vocab, 13);
        float *wanted = tiny_logits(m, &(session_options){.threads = 1, .isa = "scalar"}, ids, SHORT, SHORT);
        same_of(m, &(session_options){.threads = 3, .batch = 61}, ids, SHORT, SHORT, wanted, f->name);
        same_of(m, &(session_options){.threads = 2, .batch = 1}, ids, SHORT, SHORT, wanted, f->name);
        free(wanted);
        model_close(&m);
    }
}

/* ---- a session's manners ---- */

static session *open_session(const model *m, session_options o) {
    session *s;
    error e = {0};
    cr_assert_eq(session_open(&s, m, &o, &e), OK, "%s", e.text);
    return s;
}

/* What is stored again takes the place of what was there, bit by bit. */
static void rewind_and_go_on(const model *m, const char *cache) {
    session *s = open_session(m, (session_options){.threads = 1, .key_type = cache, .value_type = cache});
    const size_t bytes = model_spec(m)->vocab * sizeof(float);
    float *wanted = malloc(bytes);
    int32_t ids[30];
    tiny_ids(ids, 30, model_spec(m)->vocab, 1);
    cr_assert_eq(session_eval(s, ids, 30, NULL, NULL), OK);
    memcpy(wanted, session_logits(s), bytes);
    session_rewind(s, 20);
    cr_assert_eq(session_eval(s, ids, 20, NULL, NULL), OK);
    session_rewind(s, 20);
    cr_assert_eq(session_eval(s, ids + 20, 10, NULL, NULL), OK);
    cr_assert_arr_eq(session_logits(s), wanted, bytes, "%s", cache ? cache : "usual cache");
    free(wanted);
    session_close(&s);
}

Test(engine, rewinding_forgets) {
    spec sp = tiny_spec();
    model *m = tiny_open(&sp, &(tiny){0});
    rewind_and_go_on(m, NULL);
    for (const cache_type *const *c = kernel_tables[0]->caches; *c; c++) rewind_and_go_on(m, (*c)->name);
    model_close(&m);
}

Test(engine, refuses_what_does_not_fit) {
    spec sp = tiny_spec();
    model *m = tiny_open(&sp, &(tiny){0});
    session *s = open_session(m, (session_options){.threads = 1, .context = 10});
    error e = {0};
    int32_t ids[11] = {0};
    cr_assert_eq(session_eval(s, ids, 11, NULL, &e), E_RUN);
    cr_assert(strstr(e.text, "11") && strstr(e.text, "10"), "%s", e.text);
    cr_assert_eq(session_eval(s, ids, 8, NULL, &e), OK);
    cr_assert_eq(session_eval(s, ids, 3, NULL, &e), E_RUN);
    cr_assert_eq(session_eval(s, ids, 2, NULL, &e), OK);
    session_rewind(s, 0);
    ids[1] = -1;
    cr_assert_eq(session_eval(s, ids, 2, NULL, &e), E_RUN);
    ids[1] = (int32_t)model_spec(m)->vocab;
    cr_assert_eq(session_eval(s, ids, 2, NULL, &e), E_RUN);
    cr_assert_eq(session_position(s), 0);
    session_close(&s);
    cr_assert_eq(session_open(&s, m, &(session_options){.key_type = "f8"}, &e), E_USAGE);
    cr_assert_eq(session_open(&s, m, &(session_options){.value_type = "f8"}, &e), E_USAGE);
    cr_assert(strstr(e.text, "f8") && strstr(e.text, "f16"), "%s", e.text);
    cr_assert_null(s);
    cr_assert_eq(session_open(&s, m, &(session_options){.isa = "z80"}, &e), E_USAGE);
    model_close(&m);
}

Test(engine, a_sink_gets_each_wanted_position_once) {
    spec sp = tiny_spec();
    model *m = tiny_open(&sp, &(tiny){0});
    const size_t vocab = model_spec(m)->vocab;
    int32_t ids[50];
    tiny_ids(ids, 50, model_spec(m)->vocab, 1);
    float *all = tiny_logits(m, &(session_options){.threads = 1}, ids, 50, 50);
    for (size_t first = 0; first < 52; first += 17) {
        session *s = open_session(m, (session_options){.threads = 2, .batch = 16});
        tiny_rows r = {.data = calloc(52 * vocab, sizeof(float)), .vocab = vocab, .first = 0};
        cr_assert_eq(session_eval(s, ids, 50, &(logits_sink){.row = tiny_keep, .context = &r, .first = first}, NULL), OK);
        for (size_t i = 0; i < first && i < 50; i++) cr_assert_eq(r.data[i * vocab], 0);
        if (first < 50) cr_assert_arr_eq(r.data + first * vocab, all + first * vocab, (50 - first) * vocab * sizeof(float));
        cr_assert_arr_eq(session_logits(s), all + 49 * vocab, vocab * sizeof(float));
        free(r.data);
        session_close(&s);
    }
    free(all);
    model_close(&m);
}

Test(engine, the_cache_follows_the_weights) {
    spec sp = tiny_spec_aligned();
    model *m = tiny_open(&sp, &(tiny){.format = "f32"});
    session *plain = open_session(m, (session_options){.context = 64}),
            *half = open_session(m, (session_options){.context = 64, .key_type = "f16", .value_type = "f16"});
    cr_assert_eq(session_bytes(plain).cache, 2 * session_bytes(half).cache);
    session_close(&plain), session_close(&half);
    model_close(&m);
}
