/* gguf.h, gguf_types.h, gguf_write.h: what is written is read again, blocks decode as the reference implementation says, and no damaged file gets through. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/half.h"
#include "file/gguf.h"
#include "file/gguf_write.h"
#include "file/view.h"
#include "models/gguf.h"
#include "quant_formats/format.h"

enum { BLOCKS = 8, BLOCK_ROOM = 210, VALUES_ROOM = 256 };

static char path[64];

static void open_path(void) {
    snprintf(path, sizeof path, "/tmp/qbin-test-gguf-%d", (int)getpid());
}

static void remove_path(void) {
    unlink(path);
}

TestSuite(gguf, .init = open_path, .fini = remove_path);

static const gguf_type *type_named(const char *name) {
    const gguf_type *t = gguf_types;
    while (t->as && strcmp(t->as->name, name)) t++;
    cr_assert(t->as, "%s", name);
    return t;
}

/* ---- blocks ---- */

/* Hashes of BLOCKS blocks of pseudo-random bytes, decoded by gguf.quants of gguf-py 0.19; the f16 numbers at `halves` are (block - 3) / 100,
 * and more for a second. */
static const struct golden {
    const char *type;
    size_t halves[2], n_halves;
    uint64_t hash;
} goldens[] = {
    {"Q4_0", {0}, 1, 0x56ce5e246378c6c},     {"Q4_1", {0, 2}, 2, 0xac8f73b1ae4ecd11}, {"Q5_0", {0}, 1, 0xd00da45ffac209e0},
    {"Q5_1", {0, 2}, 2, 0xa9c01484e4c735ba}, {"Q8_0", {0}, 1, 0xc1e67c4a59997f8},     {"Q4_K", {0, 2}, 2, 0x7d321dcb349ae3eb},
    {"Q5_K", {0, 2}, 2, 0x19b037df2a0910ff}, {"Q6_K", {208}, 1, 0x6d7c344fb400ff22},
};

static void fill_blocks(const struct golden *g, const gguf_type *t, uint8_t *bytes) {
    uint64_t x = 1 + t->id;
    for (size_t i = 0; i < BLOCKS * t->as->bytes; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(x >> 56);
    }
    for (size_t i = 0; i < BLOCKS * g->n_halves; i++) {
        const size_t block = i / g->n_halves, at = g->halves[i % g->n_halves];
        const double value = ((double)block - 3) * 0.01 + (at < 200 ? (double)at * 0.125 : 0);
        const uint16_t half = f16_of_f32((float)value);
        memcpy(bytes + block * t->as->bytes + at, &half, sizeof half);
    }
}

static uint64_t hash_of(const float *x, size_t n) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        const uint32_t bits = bits_of_float(x[i] + 0.0f); /* one zero */
        for (int b = 0; b < 32; b += 8) hash = (hash ^ (bits >> b & 255)) * 0x100000001b3u;
    }
    return hash;
}

Test(gguf, blocks_decode_as_the_reference_says) {
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
        const gguf_type *t = type_named(goldens[i].type);
        uint8_t bytes[BLOCKS * BLOCK_ROOM];
        float x[BLOCKS * VALUES_ROOM];
        fill_blocks(&goldens[i], t, bytes);
        t->as->widen(x, bytes, BLOCKS * t->as->block);
        cr_expect_eq(hash_of(x, BLOCKS * t->as->block), goldens[i].hash, "%s", t->as->name);
    }
}

/* A type that can be kept decodes in our own format to the same bits. */
Test(gguf, kept_codes_are_the_same_numbers) {
    size_t kept = 0;
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
        const gguf_type *t = type_named(goldens[i].type);
        uint8_t bytes[BLOCKS * BLOCK_ROOM], codes[TILE_ROWS][BLOCKS * 32] = {{0}};
        float x[BLOCKS * VALUES_ROOM], y[BLOCKS * VALUES_ROOM];
        grid grids[TILE_ROWS][BLOCKS] = {{{0}}};
        format f;
        layout l;
        if (!t->as->keep) continue;
        cr_assert_eq(format_parse(&f, t->as->keep, NULL), OK);
        const size_t k = BLOCKS * t->as->block;
        cr_assert(format_layout(&f, 1, k, &l));
        fill_blocks(&goldens[i], t, bytes);
        t->as->widen(x, bytes, k);
        t->as->codes(codes[0], grids[0], bytes, k);
        uint8_t *data = calloc(1, l.bytes);
        group_pack_codes(&f, &l, codes[0], data + l.codes);
        group_pack_side(&f, &l, grids[0], data + l.side);
        format_decode_row(&f, &l, data, 0, k, y);
        for (size_t v = 0; v < k; v++) cr_assert_eq(bits_of_float(x[v] + 0.0f), bits_of_float(y[v] + 0.0f), "%s: value %zu", t->as->name, v);
        free(data);
        kept++;
    }
    cr_assert_eq(kept, 5);
}

Test(gguf, what_is_stored_as_q8_0_is_near) {
    const source_type *t = type_named("Q8_0")->as;
    float x[64], y[64];
    uint8_t bytes[68];
    for (size_t i = 0; i < 64; i++) x[i] = i < 32 ? sinf((float)i) * 3 : 0;
    t->store(bytes, x, 64);
    t->widen(y, bytes, 64);
    for (size_t i = 0; i < 64; i++) cr_assert_float_eq(x[i], y[i], 3.0f / 127 * 0.51f, "%zu", i);
    x[3] = NAN;
    x[4] = INFINITY;
    t->store(bytes, x, 64); /* need not make sense, must be defined */
}

/* ---- a file ---- */

static void write_file(size_t n, gguf_entry *entries, const float *data) {
    gguf_values v = {0};
    gguf_writer *w;
    error e;
    const float scores[] = {-1, 0.5f, 2};
    const int32_t types[] = {1, 3, 6};
    gguf_put_text(&v, "general.name", "tiny", 4);
    gguf_put_u32(&v, "some.count", 7);
    gguf_put_f32(&v, "some.number", 0.25f);
    gguf_put_flag(&v, "some.flag", true);
    gguf_put_texts(&v, "some.texts", 3);
    gguf_add_text(&v, "a", 1);
    gguf_add_text(&v, "", 0);
    gguf_add_text(&v, "ccc", 3);
    gguf_put_f32s(&v, "some.scores", scores, 3);
    gguf_put_i32s(&v, "some.types", types, 3);
    cr_assert_eq(gguf_create(&w, path, &v, entries, n, &e), OK, "%s", e.text);
    for (size_t i = 0; i < n; i++) {
        const size_t bytes = entries[i].shape[0] * (entries[i].ndim == 2 ? entries[i].shape[1] : 1) * sizeof *data;
        cr_assert_eq(gguf_write(w, i, 0, data, bytes, &e), OK, "%s", e.text);
    }
    cr_assert_eq(gguf_commit(&w, &e), OK, "%s", e.text);
    gguf_values_free(&v);
}

static void write_good(void) {
    static const float data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    gguf_entry entries[] = {{.name = "m", .type = type_named("F32"), .shape = {4, 2}, .ndim = 2},
                            {.name = "a", .type = type_named("F32"), .shape = {3}, .ndim = 1}};
    write_file(2, entries, data);
}

Test(gguf, values_are_read_as_written) {
    gguf g;
    error e;
    double x;
    bool flag;
    gguf_text text;
    const gguf_value *list;
    write_good();
    cr_assert_eq(gguf_open(&g, path, &e), OK, "%s", e.text);
    cr_assert_eq(g.version, 3);
    cr_assert(gguf_is(path));
    cr_assert_eq(gguf_number(&g, "some.count", NAN, &x, &e), OK);
    cr_assert_eq(x, 7);
    cr_assert_eq(gguf_number(&g, "some.number", NAN, &x, &e), OK);
    cr_assert_eq(x, 0.25);
    cr_assert_eq(gguf_number(&g, "not.there", 5, &x, &e), OK);
    cr_assert_eq(x, 5);
    cr_assert_eq(gguf_flag(&g, "some.flag", false, &flag, &e), OK);
    cr_assert(flag);
    cr_assert_eq(gguf_string(&g, "general.name", &text, &e), OK);
    cr_assert(text.n == 4 && !memcmp(text.p, "tiny", 4));
    cr_assert_eq(gguf_texts(&g, "some.texts", &list, &e), OK);
    const uint8_t *at = list->data;
    cr_assert_eq(gguf_next(&at).n, 1);
    cr_assert_eq(gguf_next(&at).n, 0);
    cr_assert_eq(gguf_next(&at).n, 3);
    cr_assert_eq(gguf_numbers(&g, "some.scores", &list, &e), OK);
    cr_assert_eq(gguf_element(list, 2), 2);
    cr_assert_eq(gguf_numbers(&g, "some.types", &list, &e), OK);
    cr_assert_eq(gguf_element(list, 1), 3);
    gguf_close(&g);
}

Test(gguf, other_types_are_refused_by_name) {
    gguf g;
    error e;
    double x;
    bool flag;
    gguf_text text;
    const gguf_value *list;
    write_good();
    cr_assert_eq(gguf_open(&g, path, &e), OK, "%s", e.text);
    cr_assert_eq(gguf_number(&g, "not.there", NAN, &x, &e), E_FILE);
    cr_assert_str_eq(e.text, "'not.there' is missing");
    cr_assert_eq(gguf_number(&g, "general.name", NAN, &x, &e), E_FILE);
    cr_assert_str_eq(e.text, "'general.name' is text, not a number");
    cr_assert_eq(gguf_number(&g, "some.scores", NAN, &x, &e), E_FILE);
    cr_assert(strstr(e.text, "differs from layer to layer"));
    cr_assert_eq(gguf_flag(&g, "some.count", false, &flag, &e), E_FILE);
    cr_assert_eq(gguf_string(&g, "some.texts", &text, &e), E_FILE);
    cr_assert_eq(gguf_texts(&g, "some.scores", &list, &e), E_FILE);
    cr_assert_eq(gguf_numbers(&g, "some.texts", &list, &e), E_FILE);
    gguf_close(&g);
}

Test(gguf, tensors_are_a_checkpoint) {
    gguf g;
    error e;
    write_good();
    cr_assert_eq(gguf_open(&g, path, &e), OK, "%s", e.text);
    const source *m = checkpoint_find(&g.tensors, "m"), *a = checkpoint_find(&g.tensors, "a");
    cr_assert(m && a && !checkpoint_find(&g.tensors, "b"));
    cr_assert(m->ndim == 2 && m->shape[0] == 4 && m->shape[1] == 2 && m->bytes == 32);
    cr_assert(a->ndim == 1 && a->shape[0] == 3);
    gguf_close(&g);
}

/* Rows that lie as rotary pairs, and a number that is to be added, are seen through a view. */
Test(gguf, views_undo_what_the_file_did) {
    gguf g;
    error e;
    view v;
    float x[4];
    write_good();
    cr_assert_eq(gguf_open(&g, path, &e), OK, "%s", e.text);
    source *m = (source *)(uintptr_t)checkpoint_find(&g.tensors, "m"), *a = (source *)(uintptr_t)checkpoint_find(&g.tensors, "a");
    m->pairs = 1;
    a->plus = -1;
    cr_assert_eq(view_open(&v, &g.tensors, "m", 4, 2, &(slice){0}, &(scale_blocks){0}, &e), OK, "%s", e.text);
    const float first[] = {1, 5, 3, 7}; /* rows 0, 2, 1, 3 of the file */
    for (uint64_t r = 0; r < 4; r++) {
        view_read(&v, r, x);
        cr_assert_eq(x[0], first[r]);
    }
    cr_assert_str_eq(view_keep(&v), "f32");
    cr_assert_eq(view_open(&v, &g.tensors, "a", 3, 0, &(slice){0}, &(scale_blocks){0}, &e), OK, "%s", e.text);
    view_read(&v, 0, x);
    cr_assert(x[0] == 0 && x[2] == 2);
    cr_assert_null(view_keep(&v));
    gguf_close(&g);
}

/* ---- as a model ---- */

/* The config.json of a model without layers; scaling: what keys and a tensor say of positions. NULL: it is refused. */
static json_t *config_of(const char *type, float factor, const float *factors, error *e) {
    static const float embedding[8] = {1};
    gguf_entry entries[] = {{.name = "token_embd.weight", .type = type_named("F32"), .shape = {2, 4}, .ndim = 2},
                            {.name = "rope_freqs.weight", .type = type_named("F32"), .shape = {2}, .ndim = 1}};
    gguf_values v = {0};
    gguf_writer *w;
    gguf g;
    json_t *config;
    gguf_put_text(&v, "general.architecture", "llama", 5);
    gguf_put_u32(&v, "llama.embedding_length", 4);
    gguf_put_u32(&v, "llama.attention.head_count", 1);
    if (type) gguf_put_text(&v, "llama.rope.scaling.type", type, strlen(type));
    if (factor > 0) gguf_put_f32(&v, "llama.rope.scaling.factor", factor);
    cr_assert_eq(gguf_create(&w, path, &v, entries, factors ? 2 : 1, e), OK, "%s", e->text);
    cr_assert_eq(gguf_write(w, 0, 0, embedding, sizeof embedding, e), OK);
    if (factors) cr_assert_eq(gguf_write(w, 1, 0, factors, 2 * sizeof *factors, e), OK);
    cr_assert_eq(gguf_commit(&w, e), OK);
    gguf_values_free(&v);
    cr_assert_eq(gguf_open(&g, path, e), OK, "%s", e->text);
    cr_assert_eq(gguf_model(&g, &config, e) == OK, config != NULL);
    gguf_close(&g);
    return config;
}

static double scaled_by(const char *type, float factor) {
    error e;
    json_t *config = config_of(type, factor, NULL, &e);
    cr_assert(config, "%s", e.text);
    const json_t *scaling = json_object_get(config, "rope_scaling");
    if (scaling) cr_assert_str_eq(json_string_value(json_object_get(scaling, "rope_type")), "linear");
    const double by = scaling ? json_number_value(json_object_get(scaling, "factor")) : 1;
    json_decref(config);
    return by;
}

Test(gguf, a_factor_without_a_type_is_linear) {
    cr_assert_eq(scaled_by(NULL, 0), 1);
    cr_assert_eq(scaled_by("none", 4), 1);
    cr_assert_eq(scaled_by("linear", 4), 4);
    cr_assert_eq(scaled_by(NULL, 4), 4);
}

Test(gguf, positions_are_scaled_once) {
    error e;
    static const float ones[] = {1, 1}, others[] = {1, 8};
    json_decref(config_of("linear", 4, ones, &e));
    cr_assert_null(config_of(NULL, 4, others, &e));
    cr_assert(strstr(e.text, "scaled twice"), "%s", e.text);
}

/* ---- damage ---- */

static void put(const uint8_t *data, size_t n) {
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(data, 1, n, f) == n && !fclose(f));
}

Test(gguf, no_part_of_a_file_is_a_file) {
    uint8_t bytes[4096];
    write_good();
    FILE *f = fopen(path, "rb");
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    cr_assert(n > 200 && n < sizeof bytes);
    for (size_t part = 0; part + 20 < n; part++) { /* the last 20 bytes fill up */
        gguf g;
        error e;
        put(bytes, part);
        cr_assert_eq(gguf_open(&g, path, &e), E_FILE, "%zu bytes", part);
        cr_assert(!strncmp(e.text, path, strlen(path)) && !strchr(e.text, '\n'), "%s", e.text);
    }
}

/* Any byte may be another one: then it is refused, or what it has lies in the file. */
Test(gguf, any_byte_may_be_wrong) {
    uint8_t bytes[4096];
    write_good();
    FILE *f = fopen(path, "rb");
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    for (size_t i = 0; i < n; i++) {
        const uint8_t was = bytes[i];
        const uint8_t others[] = {0, 255, (uint8_t)(was ^ 1), (uint8_t)(was ^ 0x80)};
        for (size_t k = 0; k < sizeof others; k++) {
            gguf g;
            error e;
            bytes[i] = others[k];
            put(bytes, n);
            if (gguf_open(&g, path, &e) == OK) {
                for (size_t t = 0; t < g.tensors.n_tensors; t++) {
                    const source *s = &g.tensors.tensors[t];
                    cr_assert(s->data >= s->file->data && s->data + s->bytes <= s->file->data + s->file->size);
                }
            }
            gguf_close(&g);
        }
        bytes[i] = was;
    }
}
