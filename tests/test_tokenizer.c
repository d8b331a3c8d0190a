/* Tokenizers against the vectors of the reference: ids, ids with special tokens, decoded text; streaming against whole decoding. */
#include <criterion/criterion.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "text/tokenizer.h"

typedef struct loaded {
    uint8_t *block;
    size_t size;
    tokenizer *t;
} loaded;

static char *read_all(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    const long n = ftell(f);
    rewind(f);
    char *text = malloc((size_t)n + 1);
    *size = fread(text, 1, (size_t)n, f);
    text[*size] = 0;
    fclose(f);
    return text;
}

static bool load(loaded *l, const char *folder) {
    char path[512];
    size_t n = 0, m = 0;
    error e = {0};
    *l = (loaded){0};
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    char *json = read_all(path, &n);
    if (!json) return false;
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    char *config = read_all(path, &m);
    cr_assert_eq(tokenizer_compile(json, n, config, m, &l->block, &l->size, &e), OK, "%s: %s", folder, e.text);
    cr_assert_eq(tokenizer_open(&l->t, l->block, l->size, &e), OK, "%s: %s", folder, e.text);
    free(json);
    free(config);
    return true;
}

static void unload(loaded *l) {
    tokenizer_close(&l->t);
    free(l->block);
}

static bool same_ids(const id_list *got, const json_t *want) {
    if (got->n != json_array_size(want)) return false;
    for (size_t i = 0; i < got->n; i++) {
        if (got->ids[i] != json_integer_value(json_array_get(want, i))) return false;
    }
    return true;
}

static size_t encode_differs(const tokenizer *t, const json_t *text, const json_t *want, unsigned flags) {
    error e = {0};
    id_list ids = {0};
    cr_assert_eq(tokenizer_encode(t, json_string_value(text), json_string_length(text), flags, &ids, &e), OK, "%s", e.text);
    const bool same = same_ids(&ids, want);
    free(ids.ids);
    return !same;
}

/* Decodes whole and token by token; both must be the reference's text. */
static size_t decode_differs(const tokenizer *t, const json_t *ids, const json_t *want) {
    error e = {0};
    const size_t n = json_array_size(ids), wanted = json_string_length(want);
    int32_t *list = calloc(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) list[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    char *text = NULL;
    size_t bytes = 0;
    cr_assert_eq(tokenizer_decode(t, list, n, false, &text, &bytes, &e), OK, "%s", e.text);
    const bool whole = bytes == wanted && memcmp(text, json_string_value(want), bytes) == 0;
    decoder *d = NULL;
    cr_assert_eq(decoder_open(&d, t, false, &e), OK);
    size_t at = 0;
    bool streamed = true;
    for (size_t i = 0; i <= n; i++) {
        const char *part;
        size_t size;
        cr_assert_eq(i < n ? decoder_feed(d, list[i], &part, &size, &e) : decoder_finish(d, &part, &size, &e), OK, "%s", e.text);
        streamed = streamed && size <= bytes - at && memcmp(text + at, part, size) == 0 && (size == 0 || ((uint8_t)part[0] & 0xc0) != 0x80);
        at += size;
    }
    streamed = streamed && at == bytes;
    decoder_close(&d);
    free(text);
    free(list);
    return !(whole && streamed);
}

/* Number of lines of a vector file that the tokenizer does not reproduce. */
static size_t check_vectors(const tokenizer *t, const char *path, size_t *lines) {
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    char *line = NULL;
    size_t room = 0, wrong = 0;
    while (getline(&line, &room, f) > 0) {
        json_t *v = json_loads(line, JSON_ALLOW_NUL, NULL);
        cr_assert(v, "%s", path);
        const json_t *text = json_object_get(v, "text"), *ids = json_object_get(v, "ids");
        const size_t a = encode_differs(t, text, ids, 0), b = encode_differs(t, text, json_object_get(v, "ids_special"), ENCODE_SPECIAL),
                     c = decode_differs(t, ids, json_object_get(v, "decoded"));
        if ((a || b || c) && wrong < 5) fprintf(stderr, "%s: %zu%zu%zu differs: %.150s\n", path, a, b, c, line);
        wrong += a || b || c;
        (*lines)++;
        json_decref(v);
    }
    free(line);
    fclose(f);
    return wrong;
}

static void check_folder(const char *folder, const char *vectors) {
    loaded l;
    size_t lines = 0;
    if (!load(&l, folder)) {
        fprintf(stderr, "skipped: %s is not there\n", folder);
        return;
    }
    const size_t wrong = check_vectors(l.t, vectors, &lines);
    cr_expect_eq(wrong, 0, "%s: %zu of %zu lines differ", folder, wrong, lines);
    unload(&l);
}

static const char *const real[] = {"llama2", "llama3", "qwen3", "gemma3", "cl100k"};
static const char *const tiny[] = {"bytelevel-gpt2",  "bytelevel-llama3", "qwen-style",     "sentencepiece-bpe",
                                   "metaspace-first", "gemma-style",      "deepseek-style", "added-flags"};

Test(tokenizer, real_vectors, .timeout = 120) {
    for (size_t i = 0; i < sizeof real / sizeof real[0]; i++) {
        char folder[256], vectors[256];
        snprintf(folder, sizeof folder, "../shared/tokenizers/%s", real[i]);
        snprintf(vectors, sizeof vectors, "../shared/fixtures/tokenizers/%s.jsonl", real[i]);
        check_folder(folder, vectors);
    }
}

Test(tokenizer, tiny_vectors, .timeout = 60) {
    for (size_t i = 0; i < sizeof tiny / sizeof tiny[0]; i++) {
        char folder[256], vectors[256];
        snprintf(folder, sizeof folder, "tests/data/tokenizers/%s", tiny[i]);
        snprintf(vectors, sizeof vectors, "tests/data/tokenizers/%s/vectors.jsonl", tiny[i]);
        check_folder(folder, vectors);
    }
}
