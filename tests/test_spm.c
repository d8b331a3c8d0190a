/* tokenizer.model: small models of each kind against what SentencePiece itself makes of texts, the files beside it, and damaged ones. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "load_tokenizer.h"
#include "text/charsmap.h"

static const char *const models[] = {"bpe", "bpe-symbols", "unigram", "unigram-bytes", "suffix"};
enum { MODELS = sizeof models / sizeof models[0] };

static const char *in_folder(const char *model, const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "tests/data/spm/%s/%s", model, name);
    return path;
}

static void load(loaded *l, const char *model, const char *config) {
    size_t n;
    error e = {0};
    char *bytes = (char *)file_read(in_folder(model, "tokenizer.model"), &n);
    const tokenizer_files files = {.tokenizer = {bytes, n}, .config = {config, config ? strlen(config) : 0}};
    *l = (loaded){0};
    cr_assert_eq(tokenizer_compile_files(&files, &l->block, &l->size, &e), OK, "%s: %s", model, e.text);
    cr_assert_eq(tokenizer_open(&l->t, l->block, l->size, &e), OK, "%s: %s", model, e.text);
    free(bytes);
}

static bool same_ids(const id_list *got, const json_t *want) {
    bool same = got->n == json_array_size(want);
    for (size_t i = 0; same && i < got->n; i++) same = got->ids[i] == json_integer_value(json_array_get(want, i));
    return same;
}

static bool same_text(const tokenizer *t, const id_list *ids, const json_t *want) {
    char *text;
    size_t n;
    error e;
    if (json_is_null(want)) return true;
    cr_assert_eq(tokenizer_decode(t, ids->ids, ids->n, false, &text, &n, &e), OK, "%s", e.text);
    const bool same = n == json_string_length(want) && memcmp(text, json_string_value(want), n) == 0;
    free(text);
    return same;
}

Test(spm, vectors, .timeout = 60) {
    for (size_t i = 0; i < MODELS; i++) {
        loaded l;
        size_t n, wrong = 0, lines = 0;
        load(&l, models[i], NULL);
        char *all = (char *)file_read(in_folder(models[i], "vectors.jsonl"), &n);
        for (char *line = all, *end; (end = memchr(line, '\n', (size_t)(all + n - line))); line = end + 1, lines++) {
            json_t *v = json_loadb(line, (size_t)(end - line), 0, NULL);
            const json_t *text = json_object_get(v, "text");
            id_list ids = encode_text(l.t, json_string_value(text), json_string_length(text), ENCODE_LITERAL);
            const bool encoded = same_ids(&ids, json_object_get(v, "ids")), decoded = same_text(l.t, &ids, json_object_get(v, "decoded"));
            if (!(encoded && decoded) && wrong++ < 5) fprintf(stderr, "%s: %d%d: %.*s\n", models[i], encoded, decoded, (int)(end - line), line);
            free(ids.ids);
            json_decref(v);
        }
        cr_expect(wrong == 0 && lines > 50, "%s: %zu of %zu lines differ", models[i], wrong, lines);
        free(all);
        unload_tokenizer(&l);
    }
}

static void expect(const tokenizer *t, const char *text, unsigned flags, size_t n, int32_t first, int32_t last) {
    id_list ids = encode_text(t, text, strlen(text), flags);
    cr_expect(ids.n == n && ids.ids[0] == first && ids.ids[n - 1] == last, "%s: %zu ids", text, ids.n);
    free(ids.ids);
}

/* Control pieces are special tokens; the config says what stands around a text, and may add tokens. */
Test(spm, files_beside_it) {
    loaded l;
    load(&l, "bpe", NULL);
    expect(l.t, "<s></s>", 0, 2, 1, 2);
    expect(l.t, "", ENCODE_PROMPT, 1, 1, 1);
    cr_expect(tokenizer_adds_bos(l.t) && tokenizer_bos(l.t) == 1 && tokenizer_eos(l.t) == 2);
    cr_expect(tokenizer_is_special(l.t, tokenizer_id(l.t, "<mask>")));
    unload_tokenizer(&l);
    load(&l, "bpe", "{\"add_bos_token\":false,\"add_eos_token\":true,\"bos_token\":\"</s>\",\"eos_token\":{\"content\":\"<s>\"}}");
    expect(l.t, "<s></s>", ENCODE_SPECIAL, 3, 1, 1);
    cr_expect(!tokenizer_adds_bos(l.t) && tokenizer_eos(l.t) == 1);
    unload_tokenizer(&l);
    load(&l, "unigram", NULL);
    expect(l.t, "", ENCODE_PROMPT, 1, 2, 2);
    unload_tokenizer(&l);
    const size_t n = 900;
    load(&l, "bpe",
         "{\"added_tokens_decoder\":{\"900\":{\"content\":\"<new>\",\"special\":true},\"901\":{\"content\":\"<left>\",\"lstrip\":true,\"normalized\":"
         "false}}}");
    cr_expect_eq(tokenizer_vocab(l.t), n + 2);
    expect(l.t, "<new>   <left>", 0, 2, 900, 901);
    unload_tokenizer(&l);
}

/* With "legacy" false the space before a text stands only where all of it begins. */
Test(spm, space_before_text) {
    loaded l;
    load(&l, "bpe", NULL);
    id_list with = encode_text(l.t, "<s>a", 4, 0);
    unload_tokenizer(&l);
    load(&l, "bpe", "{\"legacy\":false}");
    id_list without = encode_text(l.t, "<s>a", 4, 0);
    cr_expect_neq(with.ids[1], without.ids[1]);
    cr_expect_eq(without.ids[1], tokenizer_id(l.t, "a"));
    free(with.ids);
    free(without.ids);
    unload_tokenizer(&l);
}

/* ---- files that are broken ---- */

typedef struct bad_model {
    const char *bytes;
    size_t n;
    const char *why;
} bad_model;

#define BAD(text, why) \
    { text, sizeof text - 1, why }
#define PIECE(text, type) "\x0a\x0a\x0a\x01" text "\x15\0\0\0\0\x18" type
static const bad_model bad_models[] = {
    BAD("\x0a\x05\x0a", "a field longer than its message"),
    BAD("\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", "a number without an end"),
    BAD("\x0a\x02\x0a\x05", "a field longer than its message at byte 4"),
    BAD("\x0a\x02\x0b\x05", "a field of a type that is not known at byte 2"),
    BAD("\x0a\x02\x02\x05", "a field without a number at byte 2"),
    BAD("\x0a\x02\x08\x05", "a field of another type than it has at byte 2"),
    BAD("\x0a\x03\x15\x01\x02", "a number that is cut off"),
    BAD("\x0a\x00", "piece 0 is not text"),
    BAD("\x0a\x03\x0a\x01\xff", "piece 0 is not text"),
    BAD("\x0a\x08\x0a\x01z\x15\xff\xff\xff\x7f", "piece 0 has a score that is not a number"),
    BAD("\x0a\x05\x0a\x01z\x18\x09", "piece 0 has type 9"),
    BAD("\x0a\x05\x0a\x01z\x18\x05\x12\x04\x18\x02\x28\x00", "there is no unknown piece"),
    BAD(PIECE("u", "\x02") PIECE("z", "\x05"), "piece 1 is marked as unused"),
    BAD(PIECE("u", "\x02") PIECE("u", "\x01"), "piece 1 is there twice"),
    BAD(PIECE("u", "\x02") "\x12\x02\x18\x03", "type 3 is neither Unigram nor BPE"),
    BAD(PIECE("u", "\x02") "\x12\x02\x18\x7f", "type 127 is neither Unigram nor BPE"),
    BAD(PIECE("u", "\x02") "\x12\x03\xc0\x02\x07", "there is no unknown piece"),
    BAD(PIECE("u", "\x02") "\x1a\x05\x12\x03xxx", "a character map of 3 bytes is broken"),
    BAD(PIECE("u", "\x02") "\x2a\x05\x12\x03xxx", "with a denormalizer"),
};

Test(spm, refused_by_name) {
    for (size_t i = 0; i < sizeof bad_models / sizeof bad_models[0]; i++) {
        const bad_model *b = &bad_models[i];
        uint8_t *block;
        size_t size;
        error e = {0};
        cr_expect_eq(tokenizer_compile(b->bytes, b->n, NULL, 0, &block, &size, &e), E_FILE, "model %zu: %s", i, b->why);
        cr_expect(strstr(e.text, b->why) && strstr(e.text, "tokenizer.model: "), "model %zu: %s", i, e.text);
    }
}

static void use(const uint8_t *block, size_t size) {
    tokenizer *t;
    error e;
    id_list ids = {0};
    static const char sample[] = "The river's  <s> caf\xc3\xa9 \xef\xbc\xa1 12345\n\n \xe4\xb8\xad \xe2\x96\x81x..";
    if (tokenizer_open(&t, block, size, &e) != OK) return;
    for (unsigned flags = 0; flags < 4; flags++) {
        if (tokenizer_encode(t, sample, sizeof sample - 1, flags, &ids, &e) != OK) continue;
        for (size_t i = 0; i < ids.n; i++) cr_assert(ids.ids[i] >= 0 && (size_t)ids.ids[i] < tokenizer_vocab(t));
    }
    free(ids.ids);
    tokenizer_close(&t);
}

/* Cut anywhere, or with bytes that are others: an error, or a tokenizer that can be used. */
Test(spm, damaged, .timeout = 300) {
    uint64_t state = 5;
    for (size_t i = 0; i < MODELS; i++) {
        size_t n, good = 0;
        uint8_t *bytes = file_read(in_folder(models[i], "tokenizer.model"), &n), *copy = malloc(n);
        for (int round = 0; round < 300; round++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            const size_t kept = round % 3 ? n : (state >> 20) % n;
            memcpy(copy, bytes, n);
            for (int k = 0; k < round % 5; k++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                copy[(state >> 20) % n] = (uint8_t)(state >> 12);
            }
            uint8_t *block;
            size_t size;
            error e = {0};
            if (tokenizer_compile((const char *)copy, kept, NULL, 0, &block, &size, &e) == OK) {
                use(block, size);
                free(block);
                good++;
            } else {
                cr_assert(e.text[0]);
            }
        }
        cr_expect_gt(good, 0, "%s", models[i]);
        free(bytes);
        free(copy);
    }
}

/* ---- character maps ---- */

/* Units of a double array that leads outside, in circles, or into a character: no rule, or one that is within the text. */
Test(spm, hostile_charsmap) {
    uint64_t state = 1;
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[4 + 64 + 8] = {64};
        for (size_t i = 4; i < sizeof bytes; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            bytes[i] = (uint8_t)(state >> 40);
            if (i >= 68) bytes[i] &= 0x7f;
        }
        charsmap m;
        cr_assert_eq(charsmap_open(&m, (slice){bytes, sizeof bytes}, NULL), OK);
        for (unsigned c = 0; c < 256; c++) {
            const uint8_t text[4] = {(uint8_t)c, bytes[5], bytes[9], 0};
            size_t length = 0;
            slice to = {0};
            if (!charsmap_find(&m, (slice){text, sizeof text}, round & 1, &length, &to)) continue;
            cr_assert(length > 0 && length < sizeof text && to.p + to.n <= bytes + sizeof bytes);
        }
    }
}
