/* Tokenizers. The first byte says what the rest is: j, a tokenizer.json; b, a compiled block, whose size is put right; any other, text for one of the small
 * tokenizers of the tests, which is encoded and decoded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "target.h"
#include "text/tokenizer.h"

enum { TEXT_MAX = 4096 };

static const char sample[] = "The river's  <s> caf\xc3\xa9 12345\n\n \xe4\xb8\xad\xe6\x96\x87 \xe2\x96\x81x..";

/* Whole decoding and streaming give the same; ids are of the vocabulary. */
static void check_ids(const tokenizer *t, const id_list *ids) {
    char *whole;
    size_t bytes, at = 0;
    error e;
    for (size_t i = 0; i < ids->n; i++) target_promise(ids->ids[i] >= 0 && (size_t)ids->ids[i] < tokenizer_vocab(t), "ids are of the vocabulary");
    if (tokenizer_decode(t, ids->ids, ids->n, false, &whole, &bytes, &e) != OK) return;
    decoder *d;
    target_promise(decoder_open(&d, t, false, &e) == OK, "a decoder can be made");
    for (size_t i = 0; i <= ids->n; i++) {
        const char *part;
        size_t n;
        const status s = i < ids->n ? decoder_feed(d, ids->ids[i], &part, &n, &e) : decoder_finish(d, &part, &n, &e);
        target_promise(s == OK && n <= bytes - at && memcmp(whole + at, part, n) == 0, "streaming gives what whole decoding gives");
        at += n;
    }
    target_promise(at == bytes, "streaming ends where whole decoding ends");
    decoder_close(&d);
    free(whole);
}

static void encode(const tokenizer *t, const char *text, size_t n, unsigned flags) {
    id_list ids = {0};
    error e;
    if (tokenizer_encode(t, text, n, flags, &ids, &e) == OK) check_ids(t, &ids);
    free(ids.ids);
}

static void use_block(const uint8_t *block, size_t size) {
    tokenizer *t;
    error e;
    if (tokenizer_open(&t, block, size, &e) != OK) return;
    for (unsigned flags = 0; flags < 8; flags++) encode(t, sample, sizeof sample - 1, flags);
    (void)tokenizer_id(t, "<s>");
    tokenizer_close(&t);
}

static void use_json(const char *json, size_t n) {
    uint8_t *block;
    size_t size;
    error e;
    if (tokenizer_compile(json, n, NULL, 0, &block, &size, &e) != OK) return;
    tokenizer *t;
    target_promise(tokenizer_open(&t, block, size, &e) == OK, "what was compiled can be opened");
    tokenizer_close(&t);
    use_block(block, size);
    free(block);
}

static void use_damaged(const uint8_t *data, size_t n) {
    uint8_t *block = aligned_alloc(64, (n + 64) / 64 * 64);
    memcpy(block, data, n);
    if (n >= 16) {
        memcpy(block, "QBTOKEN", 8);
        memcpy(block + 8, &(uint64_t){n}, 8);
    }
    use_block(block, n);
    free(block);
}

/* The small tokenizers, compiled when first asked for; kept to the end. */
static const tokenizer *small(size_t i) {
    static const char *const names[] = {"bytelevel-gpt2", "bytelevel-llama3", "qwen-style", "sentencepiece-bpe", "metaspace-first", "gemma-style",
                                        "deepseek-style", "added-flags",      "unigram",    "unigram-charsmap",  "wordpiece-bert"};
    enum { N = sizeof names / sizeof names[0] };
    static struct {
        tokenizer *t;
        uint8_t *block;
    } kept[N];
    tokenizer **t = &kept[i % N].t;
    if (*t) return *t;
    char path[128];
    map m;
    error e;
    size_t size;
    snprintf(path, sizeof path, "tests/data/tokenizers/%s/tokenizer.json", names[i % N]);
    target_promise(map_open(&m, path, &e) == OK && tokenizer_compile((const char *)m.data, m.size, NULL, 0, &kept[i % N].block, &size, &e) == OK &&
                       tokenizer_open(t, kept[i % N].block, size, &e) == OK,
                   "the tokenizers of the tests are there");
    map_close(&m);
    return *t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    const char *rest = (const char *)data + 1;
    if (data[0] == 'j') {
        use_json(rest, size - 1);
    } else if (data[0] == 'b') {
        use_damaged(data + 1, size - 1);
    } else {
        encode(small((data[0] & 7) + (data[0] >> 7) * 8u), rest, size - 1 < TEXT_MAX ? size - 1 : TEXT_MAX, data[0] >> 3 & 7);
    }
    return 0;
}
