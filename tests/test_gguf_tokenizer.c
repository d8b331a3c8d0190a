/* Tokenizers by way of a GGUF file: what comes back gives the same ids and texts, or the way there is refused. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "load_tokenizer.h"
#include "models/gguf_out.h"

static char path[64];

static void open_path(void) {
    snprintf(path, sizeof path, "/tmp/qbin-test-gguf-words-%d", (int)getpid());
}

static void remove_path(void) {
    unlink(path);
}

TestSuite(gguf_tokenizer, .init = open_path, .fini = remove_path);

/* The tokens that stand around every text. */
static void find_around(const tokenizer *t, spec *s) {
    const id_list ids = encode_text(t, "", 0, ENCODE_SPECIAL);
    s->bos = ids.n ? ids.ids[0] : -1;
    free(ids.ids);
}

static json_t *read_json(const char *folder, const char *name) {
    char file[512];
    snprintf(file, sizeof file, "%s/%s", folder, name);
    return json_load_file(file, 0, NULL);
}

/* Writes the tokenizer of a folder to `path`, in a file without tensors. */
static status write_words(const char *folder, const tokenizer *t, error *e) {
    json_t *json = read_json(folder, "tokenizer.json"), *config = read_json(folder, "tokenizer_config.json");
    spec s = {.vocab = (uint32_t)tokenizer_vocab(t)};
    gguf_values v = {0};
    gguf_writer *w = NULL;
    cr_assert(json, "%s", folder);
    find_around(t, &s);
    status result = gguf_put_tokenizer(&v, &s, json, config, NULL, e);
    if (result == OK) result = gguf_create(&w, path, &v, NULL, 0, e);
    if (result == OK) result = gguf_commit(&w, e);
    gguf_values_free(&v);
    json_decref(json);
    json_decref(config);
    return result;
}

static void read_words(loaded *l) {
    gguf g;
    error e = {0};
    json_t *json, *config;
    cr_assert_eq(gguf_open(&g, path, &e), OK, "%s", e.text);
    cr_assert_eq(gguf_tokenizer(&g, &json, &config, &e), OK, "%s", e.text);
    char *text = json_dumps(json, JSON_COMPACT), *more = json_dumps(config, JSON_COMPACT);
    compile_tokenizer(l, text, more);
    free(text);
    free(more);
    json_decref(json);
    json_decref(config);
    gguf_close(&g);
}

static bool same_text(const tokenizer *a, const tokenizer *b, const char *text, size_t n, unsigned flags) {
    const id_list x = encode_text(a, text, n, flags), y = encode_text(b, text, n, flags);
    bool same = x.n == y.n && (!x.n || !memcmp(x.ids, y.ids, x.n * sizeof *x.ids));
    char *p = NULL, *q = NULL;
    size_t np, nq;
    error e;
    if (same) same = tokenizer_decode(a, x.ids, x.n, false, &p, &np, &e) == OK && tokenizer_decode(b, y.ids, y.n, false, &q, &nq, &e) == OK;
    if (same) same = np == nq && (!np || !memcmp(p, q, np));
    free(p);
    free(q);
    free(x.ids);
    free(y.ids);
    return same;
}

static void check_same(const char *folder, const char *vectors) {
    loaded a, b;
    error e = {0};
    size_t wrong = 0, lines = 0, room = 0;
    char *line = NULL;
    FILE *f = fopen(vectors, "r");
    cr_assert(f && load_tokenizer(&a, folder), "%s", vectors);
    cr_assert_eq(write_words(folder, a.t, &e), OK, "%s: %s", folder, e.text);
    read_words(&b);
    for (ssize_t n; (n = getline(&line, &room, f)) > 0; lines++) {
        json_t *value = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, NULL);
        const json_t *text = json_object_get(value, "text");
        const char *p = json_string_value(text);
        const size_t bytes = json_string_length(text);
        cr_assert(p);
        wrong += !same_text(a.t, b.t, p, bytes, 0) || !same_text(a.t, b.t, p, bytes, ENCODE_SPECIAL);
        json_decref(value);
    }
    free(line);
    fclose(f);
    cr_assert_gt(lines, 100);
    cr_assert_eq(wrong, 0, "%s: %zu of %zu texts differ", folder, wrong, lines);
    unload_tokenizer(&a);
    unload_tokenizer(&b);
}

Test(gguf_tokenizer, tiny_ones_come_back, .timeout = 60) {
    static const char *const names[] = {"bytelevel-llama3", "qwen-style"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char folder[128], vectors[160];
        snprintf(folder, sizeof folder, "tests/data/tokenizers/%s", names[i]);
        snprintf(vectors, sizeof vectors, "%s/vectors.jsonl", folder);
        check_same(folder, vectors);
    }
}

static void check_shared(const char *name) {
    char folder[128], vectors[128];
    snprintf(folder, sizeof folder, "tokenizers/%s", name);
    snprintf(vectors, sizeof vectors, "fixtures/tokenizers/%s.jsonl", name);
    char *there = strdup(shared_path(folder) ? shared_path(folder) : ""), *lines = strdup(shared_path(vectors) ? shared_path(vectors) : "");
    if (!*there || !*lines) cr_skip_test("%s is not there", name);
    check_same(there, lines);
    free(there);
    free(lines);
}

Test(gguf_tokenizer, llama2_comes_back, .timeout = 120) {
    check_shared("llama2");
}
Test(gguf_tokenizer, llama3_comes_back, .timeout = 120) {
    check_shared("llama3");
}
Test(gguf_tokenizer, qwen3_comes_back, .timeout = 120) {
    check_shared("qwen3");
}
Test(gguf_tokenizer, gemma3_comes_back, .timeout = 120) {
    check_shared("gemma3");
}

Test(gguf_tokenizer, what_has_no_name_is_refused) {
    static const char *const names[] = {"bytelevel-gpt2", "deepseek-style", "added-flags", "metaspace-first", "sentencepiece-bpe", "gemma-style"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char folder[128];
        loaded l;
        error e = {0};
        snprintf(folder, sizeof folder, "tests/data/tokenizers/%s", names[i]);
        cr_assert(load_tokenizer(&l, folder));
        cr_expect_eq(write_words(folder, l.t, &e), E_FILE, "%s", names[i]);
        cr_expect(strstr(e.text, "GGUF") && strstr(e.text, "--no-tokenizer"), "%s: %s", names[i], e.text);
        unload_tokenizer(&l);
    }
}
