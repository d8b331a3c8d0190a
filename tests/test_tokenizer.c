/* Tokenizers against the vectors of the reference: ids, ids with special tokens, decoded text; streaming against whole decoding. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "files.h"
#include "load_tokenizer.h"

static bool same_ids(const id_list *got, const json_t *want) {
    if (got->n != json_array_size(want)) return false;
    for (size_t i = 0; i < got->n; i++) {
        if (got->ids[i] != json_integer_value(json_array_get(want, i))) return false;
    }
    return true;
}

static bool encodes(const tokenizer *t, const json_t *text, const json_t *want, unsigned flags) {
    id_list ids = encode_text(t, json_string_value(text), json_string_length(text), flags);
    const bool same = same_ids(&ids, want);
    free(ids.ids);
    return same;
}

/* Does feeding the ids one by one give this text, in whole characters? */
static bool streams(const tokenizer *t, const int32_t *ids, size_t n, const char *text, size_t bytes) {
    decoder *d;
    error e = {0};
    bool good = true;
    size_t at = 0;
    cr_assert_eq(decoder_open(&d, t, false, &e), OK);
    for (size_t i = 0; i <= n; i++) {
        const char *part;
        size_t size;
        cr_assert_eq(i < n ? decoder_feed(d, ids[i], &part, &size, &e) : decoder_finish(d, &part, &size, &e), OK, "%s", e.text);
        good = good && size <= bytes - at && memcmp(text + at, part, size) == 0 && (size == 0 || ((uint8_t)part[0] & 0xc0) != 0x80);
        at += good ? size : 0;
    }
    decoder_close(&d);
    return good && at == bytes;
}

static bool decodes(const tokenizer *t, const int32_t *ids, size_t n, const char *want, size_t wanted) {
    error e = {0};
    char *text;
    size_t bytes;
    cr_assert_eq(tokenizer_decode(t, ids, n, false, &text, &bytes, &e), OK, "%s", e.text);
    const bool good = (!want || (bytes == wanted && memcmp(text, want, bytes) == 0)) && text[bytes] == 0 && streams(t, ids, n, text, bytes);
    free(text);
    return good;
}

static bool decodes_json(const tokenizer *t, const json_t *ids, const json_t *want) {
    const size_t n = json_array_size(ids);
    int32_t *list = calloc(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) list[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    const bool good = decodes(t, list, n, json_string_value(want), json_string_length(want));
    free(list);
    return good;
}

/* Number of lines of a vector file that the tokenizer does not reproduce. */
static size_t wrong_lines(const tokenizer *t, const char *path, size_t *lines) {
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    char *line = NULL;
    size_t room = 0, wrong = 0;
    while (getline(&line, &room, f) > 0) {
        json_t *v = json_loads(line, JSON_ALLOW_NUL, NULL);
        cr_assert(v, "%s", path);
        const json_t *text = json_object_get(v, "text"), *ids = json_object_get(v, "ids");
        const bool plain = encodes(t, text, ids, 0), special = encodes(t, text, json_object_get(v, "ids_special"), ENCODE_SPECIAL);
        const bool decoded = decodes_json(t, ids, json_object_get(v, "decoded"));
        if (!(plain && special && decoded) && wrong++ < 5) fprintf(stderr, "%s: %d%d%d: %.150s\n", path, plain, special, decoded, line);
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
    cr_assert(load_tokenizer(&l, folder), "%s has no tokenizer", folder);
    const size_t wrong = wrong_lines(l.t, vectors, &lines);
    cr_expect(wrong == 0 && lines > 100, "%s: %zu of %zu lines differ", folder, wrong, lines);
    unload_tokenizer(&l);
}

static const char *const tiny[] = {"bytelevel-gpt2", "bytelevel-llama3", "qwen-style", "sentencepiece-bpe", "metaspace-first", "gemma-style",
                                   "deepseek-style", "added-flags",      "unigram",    "unigram-charsmap",  "wordpiece-bert"};
enum { TINY = sizeof tiny / sizeof tiny[0] };

static const char *tiny_folder(size_t i) {
    static char folder[256];
    snprintf(folder, sizeof folder, "tests/data/tokenizers/%s", tiny[i]);
    return folder;
}

Test(tokenizer, tiny_vectors, .timeout = 60) {
    for (size_t i = 0; i < TINY; i++) {
        char vectors[256];
        snprintf(vectors, sizeof vectors, "tests/data/tokenizers/%s/vectors.jsonl", tiny[i]);
        check_folder(tiny_folder(i), vectors);
    }
}

static void check_real(const char *name) {
    char folder[256], vectors[256];
    snprintf(folder, sizeof folder, "tokenizers/%s", name);
    snprintf(vectors, sizeof vectors, "fixtures/tokenizers/%s.jsonl", name);
    const char *there = shared_path(folder), *lines = shared_path(vectors);
    if (!there || !lines) cr_skip_test("%s is not there", folder);
    check_folder(there, lines);
}

Test(tokenizer, llama2_vectors, .timeout = 120) {
    check_real("llama2");
}
Test(tokenizer, llama3_vectors, .timeout = 120) {
    check_real("llama3");
}
Test(tokenizer, qwen3_vectors, .timeout = 120) {
    check_real("qwen3");
}
Test(tokenizer, gemma3_vectors, .timeout = 120) {
    check_real("gemma3");
}
Test(tokenizer, cl100k_vectors, .timeout = 120) {
    check_real("cl100k");
}

/* Any ids, also such as no text gives, and none: streaming gives what whole decoding gives. */
Test(tokenizer, random_ids_stream, .timeout = 60) {
    uint64_t state = 11;
    for (size_t i = 0; i < TINY; i++) {
        loaded l;
        cr_assert(load_tokenizer(&l, tiny_folder(i)));
        for (int round = 0; round < 2000; round++) {
            int32_t ids[24];
            size_t n = 0;
            for (state = state * 6364136223846793005u + 1442695040888963407u; n < (state >> 40) % 24; n++) {
                const uint64_t r = (state >> (n + 8)) * 0x9e3779b97f4a7c15u >> 20;
                ids[n] = (int32_t)(r % (r % 5 ? 300 : tokenizer_vocab(l.t) + 3)) - 1;
            }
            cr_assert(decodes(l.t, ids, n, NULL, 0), "%s, round %d", tiny[i], round);
        }
        unload_tokenizer(&l);
    }
}

/* Bytes of no text: they are read as Python reads them with errors="replace". */
Test(tokenizer, invalid_text) {
    static const char *const pairs[][2] = {{"a\xff\xfe", "a\xef\xbf\xbd\xef\xbf\xbd"},
                                           {"\xe4\xb8", "\xef\xbf\xbd"},
                                           {"\xe4\xb8z", "\xef\xbf\xbdz"},
                                           {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
                                           {"\xf0\x9f\x98", "\xef\xbf\xbd"},
                                           {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
                                           {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
                                           {"\x80 x", "\xef\xbf\xbd x"}};
    loaded l;
    cr_assert(load_tokenizer(&l, "tests/data/tokenizers/bytelevel-llama3"));
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        id_list a = encode_text(l.t, pairs[i][0], strlen(pairs[i][0]), 0), b = encode_text(l.t, pairs[i][1], strlen(pairs[i][1]), 0);
        cr_expect(a.n == b.n && memcmp(a.ids, b.ids, a.n * sizeof *a.ids) == 0, "pair %zu", i);
        free(a.ids);
        free(b.ids);
    }
    unload_tokenizer(&l);
}

static void expect_ids(const tokenizer *t, const char *text, unsigned flags, const int32_t *want) {
    id_list ids = encode_text(t, text, strlen(text), flags);
    cr_expect(ids_are(&ids, want), "%s with flags %u", text, flags);
    free(ids.ids);
}

static const char small_json[] =
    "{\"added_tokens\":[{\"id\":4,\"content\":\"<s>\",\"special\":true,\"normalized\":false},{\"id\":5,\"content\":\"<t>\",\"normalized\":false}],"
    "\"post_processor\":%s,\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"<\":3},\"merges\":[[\"a\",\"b\"]]}}";
static const char template_json[] =
    "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}],"
    "\"special_tokens\":{\"<s>\":{\"ids\":[4]}}}";
#define IDS(...) ((const int32_t[]){__VA_ARGS__, -1})

/* A prompt begins with one BOS, whoever asks for it. */
Test(tokenizer, prompts) {
    char json[1024];
    loaded l;
    snprintf(json, sizeof json, small_json, template_json);
    compile_tokenizer(&l, json, "{\"add_bos_token\":true,\"bos_token\":\"<s>\",\"model_max_length\":1000000000000000019884624838656}");
    expect_ids(l.t, "ab", ENCODE_SPECIAL, IDS(4, 2));
    expect_ids(l.t, "ab", ENCODE_PROMPT, IDS(4, 2));
    expect_ids(l.t, "<s>ab", ENCODE_SPECIAL, IDS(4, 4, 2));
    expect_ids(l.t, "<s>ab", ENCODE_PROMPT, IDS(4, 2));
    cr_expect(tokenizer_adds_bos(l.t) && tokenizer_bos(l.t) == 4 && tokenizer_eos(l.t) == -1);
    unload_tokenizer(&l);
    snprintf(json, sizeof json, small_json, "null");
    compile_tokenizer(&l, json, "{\"add_bos_token\":true,\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"b\"}");
    expect_ids(l.t, "ab", ENCODE_SPECIAL, IDS(2));
    expect_ids(l.t, "ab", ENCODE_PROMPT, IDS(4, 2));
    expect_ids(l.t, "<s>ab", ENCODE_PROMPT, IDS(4, 2));
    expect_ids(l.t, "", ENCODE_PROMPT, IDS(4));
    cr_expect(tokenizer_adds_bos(l.t) && tokenizer_bos(l.t) == 4 && tokenizer_eos(l.t) == 1);
    unload_tokenizer(&l);
    compile_tokenizer(&l, json, "{\"bos_token\":\"<s>\"}");
    expect_ids(l.t, "<s>ab", ENCODE_PROMPT, IDS(4, 2));
    expect_ids(l.t, "<s><s>", ENCODE_PROMPT, IDS(4, 4));
    cr_expect(!tokenizer_adds_bos(l.t) && tokenizer_bos(l.t) == -1);
    unload_tokenizer(&l);
}

/* Text from a user makes no special tokens, but the others that were added. */
Test(tokenizer, literal_text) {
    char json[1024];
    loaded l;
    snprintf(json, sizeof json, small_json, "null");
    compile_tokenizer(&l, json, NULL);
    expect_ids(l.t, "<s><t>", 0, IDS(4, 5));
    expect_ids(l.t, "<s><t>", ENCODE_LITERAL, IDS(3, 5)); /* s and > are in no vocabulary and vanish */
    cr_expect(tokenizer_id(l.t, "ab") == 2 && tokenizer_id(l.t, "<s>") == 4 && tokenizer_id(l.t, "x") == -1);
    cr_expect(tokenizer_is_special(l.t, 4) && !tokenizer_is_special(l.t, 5) && !tokenizer_is_special(l.t, -1) && !tokenizer_is_special(l.t, 6));
    unload_tokenizer(&l);
}

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A text without a boundary is one word; anything quadratic would take hours here. */
Test(tokenizer, one_long_word, .timeout = 120) {
    static const char *const letters[] = {"a", "ab", " ", "\n", "the", "\xe4\xb8\xad", "e\xcc\x81\xcc\xa3", "\xe2\x96\x81"};
    const size_t n = 1 << 20;
    char *text = malloc(n + 8);
    for (size_t i = 0; i < TINY; i++) {
        loaded l;
        cr_assert(load_tokenizer(&l, tiny_folder(i)));
        for (size_t k = 0; k < sizeof letters / sizeof letters[0]; k++) {
            size_t at = 0;
            for (; at < n; at += strlen(letters[k])) memcpy(text + at, letters[k], strlen(letters[k]));
            const double start = seconds_now();
            id_list ids = encode_text(l.t, text, at, 0);
            cr_expect((ids.n > 0 || letters[k][0] <= ' ') && seconds_now() - start < 20, "%s: \"%s\" a million times takes %.1f s", tiny[i],
                      letters[k], seconds_now() - start);
            free(ids.ids);
        }
        unload_tokenizer(&l);
    }
    free(text);
}

/* Nothing is done per token when a tokenizer is opened: the limit is for the slowest machine, the usual time is a few microseconds. */
Test(tokenizer, opening_is_quick, .timeout = 60) {
    const char *folder = shared_path("tokenizers/llama3");
    loaded l;
    if (!folder || !load_tokenizer(&l, folder)) cr_skip_test("tokenizers/llama3 is not there");
    double best = 1;
    for (int i = 0; i < 20; i++) {
        tokenizer *t;
        const double start = seconds_now();
        cr_assert_eq(tokenizer_open(&t, l.block, l.size, NULL), OK);
        const double took = seconds_now() - start;
        if (took < best) best = took;
        tokenizer_close(&t);
    }
    cr_expect_lt(best, 0.002);
    unload_tokenizer(&l);
}

/* The same tokenizer.json gives the same bytes. */
Test(tokenizer, compiling_is_reproducible) {
    loaded a, b;
    cr_assert(load_tokenizer(&a, tiny_folder(0)) && load_tokenizer(&b, tiny_folder(0)));
    cr_expect(a.size == b.size && memcmp(a.block, b.block, a.size) == 0);
    unload_tokenizer(&a);
    unload_tokenizer(&b);
}
