/* Tokenizers that are wrong, cut, flipped or made to hurt: an error that says why, or some defined result; never a crash (run it under sanitizers). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "load_tokenizer.h"

/* ---- files that are refused by name ---- */

#define VOCAB  "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}"
#define MERGES "\"merges\":[[\"a\",\"b\"]]"
#define MODEL  "\"model\":{\"type\":\"BPE\"," VOCAB "," MERGES "}"

typedef struct bad_file {
    const char *json, *why;
} bad_file;

static const bad_file bad_files[] = {
    {"", "JSON"},
    {"[]", "not an object"},
    {"{", "line 1"},
    {"{\"model\":1,\"model\":2}", "duplicate"},
    {"{}", "\"model\" is missing"},
    {"{\"model\":{}}", "no \"type\""},
    {"{\"model\":{\"type\":\"WordLevel\"}}", "model \"WordLevel\" is not supported"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":{}}}", "\"vocab\" is not a list"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", "entry 0 of \"vocab\" is not a token and its score"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",\"1\"]]}}", "entry 0 of \"vocab\""},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":1}}", "\"unk_id\" is not a number from 0 to 0"},
    {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]]}}", "Unigram behind ByteLevel"},
    {"{\"model\":{\"type\":\"WordPiece\"}}", "WordPiece: \"vocab\" is not an object"},
    {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}}", "WordPiece: \"unk_token\" is missing"},
    {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0},\"unk_token\":\"b\"}}", "unk_token \"b\" is not in the vocabulary"},
    {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0},\"unk_token\":\"a\",\"max_input_chars_per_word\":-1}}", "is not a number from 0"},
    {"{\"model\":{\"type\":\"BPE\"}}", "\"vocab\" is not an object"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB "}}", "\"merges\" is not a list"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB "," MERGES ",\"magic\":1}}", "option \"magic\" is not supported"},
    {"{\"magic\":1," MODEL "}", "option \"magic\" is not supported"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB "," MERGES ",\"dropout\":0.1}}", "\"dropout\" is not supported"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB "," MERGES ",\"end_of_word_suffix\":\"</w>\"}}", "\"end_of_word_suffix\" is not supported"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB "," MERGES ",\"continuing_subword_prefix\":\"##\"}}", "\"continuing_subword_prefix\""},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB "," MERGES ",\"unk_token\":\"<unk>\"}}", "unk_token \"<unk>\" is not in the vocabulary"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB "," MERGES ",\"fuse_unk\":1}}", "neither true nor false"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0}," MERGES "}}", "the same id 0"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1}," MERGES "}}", "id that is not a number"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1.5}," MERGES "}}", "id that is not a number"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":4194304}," MERGES "}}", "id that is not a number"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":4194303}," MERGES "}}", "far beyond"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":99999999999999999999}," MERGES "}}", "id that is not a number"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[[\"a\",\"c\"]]}}", "merge 0 of \"a\" and \"c\" needs a token"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[[\"b\",\"a\"]]}}", "needs a token"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"ab\"]}}", "merge 0 is not a pair"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b \"]}}", "merge 0 is not a pair"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[[\"a\"]]}}", "merge 0 is not a pair"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[[\"ab\",\"ab\"]]}}", "needs a token"},
    {"{\"normalizer\":{\"type\":\"Nmt\"}," MODEL "}", "normalizer \"Nmt\" is not supported"},
    {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"\"}," MODEL "}", "Precompiled: an empty character map"},
    {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAA\"}," MODEL "}", "Precompiled: base64 of 3 letters"},
    {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AA*A\"}," MODEL "}", "Precompiled: base64 with a letter of none at 2"},
    {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"}," MODEL "}", "a character map of 4 bytes is broken"},
    {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"BAAAAAAAAAD/\"}," MODEL "}", "text that is not UTF-8"},
    {"{\"normalizer\":{\"type\":\"(sentencepiece)\"}," MODEL "}", "normalizer \"(sentencepiece)\" is not supported"},
    {"{\"normalizer\":{\"type\":\"NFC\",\"x\":1}," MODEL "}", "NFC: option \"x\" is not supported"},
    {"{\"normalizer\":{\"type\":\"Prepend\"}," MODEL "}", "\"prepend\" is not a string"},
    {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":\"\"}," MODEL "}", "missing closing parenthesis"},
    {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\\\\w\"},\"content\":\"\"}," MODEL "}", "\\w at 0 is not supported"},
    {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":\"a\",\"content\":\"\"}," MODEL "}", "neither a String nor a Regex"},
    {"{\"normalizer\":{\"type\":\"Sequence\"}," MODEL "}", "\"normalizers\" is not a list"},
    {"{\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}," MODEL "}", "pre-tokenizer \"UnicodeScripts\" is not supported"},
    {"{\"pre_tokenizer\":{\"type\":\"Punctuation\",\"behavior\":\"Odd\"}," MODEL "}", "Punctuation: behavior \"Odd\" is not supported"},
    {"{\"pre_tokenizer\":{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"ab\"}," MODEL "}", "\"delimiter\" is not one character"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Odd\"}," MODEL "}", "behavior \"Odd\" is not supported"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"}," MODEL "}", "not one character"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"x\"}," MODEL "}", "prepend_scheme \"x\""},
    {"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{\"type\":\"Digits\"}]}," MODEL "}", "after ByteLevel"},
    {"{\"post_processor\":{\"type\":\"BertProcessing\"}," MODEL "}", "BertProcessing: \"cls\" or \"sep\" is not a token with its id"},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}]}," MODEL "}", "has no ids"},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"B\"}}]}," MODEL "}",
     "neither a special token nor the text"},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}],\"special_tokens\":{\"x\":{\"ids\":[7]}}}"
     "," MODEL "}",
     "out of range"},
    {"{\"decoder\":{\"type\":\"CTC\"}," MODEL "}", "decoder \"CTC\" is not supported"},
    {"{\"decoder\":{\"type\":\"(spaces)\"}," MODEL "}", "decoder \"(spaces)\" is not supported"},
    {"{\"decoder\":{\"type\":\"Strip\",\"content\":\"\",\"start\":1}," MODEL "}", "not one character"},
    {"{\"decoder\":{\"type\":\"Strip\",\"content\":\" \",\"start\":-1}," MODEL "}", "not a number"},
    {"{\"added_tokens\":[{\"content\":\"x\"}]," MODEL "}", "has no id"},
    {"{\"added_tokens\":[{\"content\":\"x\",\"id\":9}]," MODEL "}", "has id 9, where its place in the vocabulary is 3"},
    {"{\"added_tokens\":[{\"content\":\"a\",\"id\":1}]," MODEL "}", "has id 1, where its place in the vocabulary is 0"},
    {"{\"added_tokens\":[{\"content\":\"x\",\"id\":3},{\"content\":\"x\",\"id\":3}]," MODEL "}", "is there twice"},
    {"{\"added_tokens\":[{\"content\":\"x\",\"id\":3,\"odd\":true}]," MODEL "}", "option \"odd\" is not supported"},
    {"{\"normalizer\":{\"type\":\"Strip\"},\"added_tokens\":[{\"content\":\" \",\"id\":3}]," MODEL "}", "0 bytes long after normalization"},
};

Test(hostile_tokenizer, refused_by_name) {
    for (size_t i = 0; i < sizeof bad_files / sizeof bad_files[0]; i++) {
        const bad_file *f = &bad_files[i];
        uint8_t *block;
        size_t size;
        error e = {0};
        cr_expect_eq(tokenizer_compile(f->json, strlen(f->json), NULL, 0, &block, &size, &e), E_FILE, "%s", f->json);
        cr_expect(!block && size == 0 && strstr(e.text, f->why), "%s: %s", f->json, e.text);
        cr_expect_eq(tokenizer_compile(f->json, strlen(f->json), NULL, 0, &block, &size, NULL), E_FILE, "without an error to fill");
    }
}

/* What is odd but means something. */
Test(hostile_tokenizer, odd_but_good) {
    static const char *const odd[] = {
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}",
        "{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"#version: 0.2\",\"a b\"]}}",
        "{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[[\"a\",\"b\"],[\"a\",\"b\"]]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\":0,\"a\":1},\"merges\":[[\"\",\"a\"],[\"a\",\"\"]]}}",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":60000},\"merges\":[]}}",
        "{\"truncation\":{\"max_length\":1},\"padding\":null,\"added_tokens\":[{\"content\":\"\",\"id\":3}]," MODEL "}",
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        loaded l;
        compile_tokenizer(&l, odd[i], NULL);
        id_list ids = encode_text(l.t, "aabb\xc3\xa9", 6, ENCODE_SPECIAL);
        cr_expect_leq(ids.n, 6);
        free(ids.ids);
        unload_tokenizer(&l);
    }
}

/* ---- texts that hurt ---- */

Test(hostile_tokenizer, slow_expression, .timeout = 60) {
    static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac";
    loaded l;
    error e = {0};
    id_list ids = {0};
    compile_tokenizer(&l, "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a+)+$\"},\"behavior\":\"Isolated\"}," MODEL "}", NULL);
    cr_expect_eq(tokenizer_encode(l.t, text, sizeof text - 1, 0, &ids, &e), E_RUN);
    cr_expect(ids.n == 0 && strstr(e.text, "gives up at byte 0 of a text"), "%s", e.text);
    cr_expect_eq(tokenizer_encode(l.t, "ab", 2, 0, &ids, &e), OK, "the tokenizer is as before");
    cr_expect_eq(ids.n, 1);
    free(ids.ids);
    unload_tokenizer(&l);
}

Test(hostile_tokenizer, exploding_replacement, .timeout = 60) {
    char json[8192], stage[600], many[512];
    memset(many, 'a', sizeof many - 1);
    many[sizeof many - 1] = 0;
    snprintf(stage, sizeof stage, "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"%s\"}", many);
    snprintf(json, sizeof json, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[%s,%s,%s,%s,%s]}," MODEL "}", stage, stage, stage, stage,
             stage);
    loaded l;
    error e = {0};
    id_list ids = {0};
    compile_tokenizer(&l, json, NULL);
    cr_expect_eq(tokenizer_encode(l.t, "a", 1, 0, &ids, &e), E_RUN);
    cr_expect(strstr(e.text, "makes a text longer than"), "%s", e.text);
    free(ids.ids);
    unload_tokenizer(&l);
}

/* ---- damaged blocks ---- */

static const char sample[] = "The river's  <both> caf\xc3\xa9 12345\n\n <s>[INST] \xe4\xb8\xad\xe6\x96\x87 \xe2\x96\x81x..";

/* Uses a block that opened: whatever it gives, it gives it without harm. */
static void use_tokenizer(const tokenizer *t) {
    id_list ids = {0};
    char *text;
    size_t bytes;
    error e;
    for (unsigned flags = 0; flags < 8; flags++) {
        if (tokenizer_encode(t, sample, sizeof sample - 1, flags, &ids, &e) != OK) continue;
        for (size_t i = 0; i < ids.n; i++) cr_assert(ids.ids[i] >= 0 && (size_t)ids.ids[i] < tokenizer_vocab(t), "id %d", ids.ids[i]);
    }
    if (tokenizer_decode(t, ids.ids, ids.n, true, &text, &bytes, &e) == OK) free(text);
    (void)tokenizer_id(t, "<s>");
    free(ids.ids);
}

static bool open_and_use(const uint8_t *block, size_t size) {
    tokenizer *t;
    error e = {0};
    const bool good = tokenizer_open(&t, block, size, &e) == OK;
    if (good) use_tokenizer(t);
    if (!good) cr_assert(!t && e.text[0]);
    tokenizer_close(&t);
    return good;
}

static const char *const tiny[] = {"bytelevel-gpt2", "metaspace-first",  "gemma-style",   "deepseek-style",
                                   "added-flags",    "unigram-charsmap", "wordpiece-bert"};
enum { TINY = sizeof tiny / sizeof tiny[0] };

static void load_tiny(loaded *l, size_t i) {
    char folder[256];
    snprintf(folder, sizeof folder, "tests/data/tokenizers/%s", tiny[i]);
    cr_assert(load_tokenizer(l, folder));
}

Test(hostile_tokenizer, truncated_block, .timeout = 120) {
    loaded l;
    load_tiny(&l, 0);
    for (size_t n = 0; n < l.size; n++) {
        cr_assert(!open_and_use(l.block, n), "%zu bytes", n);
    }
    cr_assert(open_and_use(l.block, l.size));
    unload_tokenizer(&l);
}

/* The header says its own size: cut again, with a size that fits. */
Test(hostile_tokenizer, truncated_block_with_right_size, .timeout = 120) {
    loaded l;
    load_tiny(&l, 1);
    uint8_t *copy = aligned_alloc(64, l.size);
    for (size_t n = 16; n < l.size; n += n < 1024 ? 1 : 61) {
        memcpy(copy, l.block, n);
        memcpy(copy + 8, &(uint64_t){n}, 8);
        open_and_use(copy, n);
    }
    free(copy);
    unload_tokenizer(&l);
}

Test(hostile_tokenizer, flipped_bits, .timeout = 300) {
    uint64_t state = 3;
    for (size_t i = 0; i < TINY; i++) {
        loaded l;
        load_tiny(&l, i);
        uint8_t *copy = aligned_alloc(64, l.size);
        memcpy(copy, l.block, l.size);
        for (size_t bit = 0; bit < 8 * 384; bit++) { /* the header, bit by bit */
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            open_and_use(copy, l.size);
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (int round = 0; round < 1500; round++) { /* anywhere, many at once */
            for (int k = 0; k < 1 << round % 8; k++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                copy[(state >> 20) % l.size] = (uint8_t)(state >> 12);
            }
            open_and_use(copy, l.size);
            if (round % 4 == 3) memcpy(copy, l.block, l.size);
        }
        free(copy);
        unload_tokenizer(&l);
    }
}

/* ---- mutated files ---- */

static void mutate(char *text, size_t n, uint64_t *state) {
    static const char spice[] = "{}[]\",:0123456789truefalsn\\ .-+<>a";
    for (size_t k = 1 + (*state >> 50) % 4; k > 0; k--) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        text[(*state >> 20) % n] = (*state & 1024) ? spice[(*state >> 11) % (sizeof spice - 1)] : (char)(*state >> 12);
    }
}

Test(hostile_tokenizer, mutated_json, .timeout = 300) {
    uint64_t state = 9;
    static const char *const files[] = {"added-flags", "deepseek-style", "metaspace-first", "unigram", "unigram-charsmap", "wordpiece-bert"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[256];
        size_t n, opened = 0;
        snprintf(path, sizeof path, "tests/data/tokenizers/%s/tokenizer.json", files[i]);
        char *text = (char *)file_read(path, &n), *copy = malloc(n);
        for (int round = 0; round < 400; round++) {
            uint8_t *block;
            size_t size;
            error e = {0};
            memcpy(copy, text, n);
            mutate(copy, round % 2 ? n : 4000, &state);
            if (tokenizer_compile(copy, n, NULL, 0, &block, &size, &e) == OK) {
                opened += open_and_use(block, size);
                free(block);
            } else {
                cr_assert(e.text[0] && !block);
            }
        }
        cr_expect_gt(opened, 0);
        free(text);
        free(copy);
    }
}
