/* SentencePiece. The first byte says what the rest is: c, a character map and, before it, the length and the bytes of a text (one byte); any other, a
 * tokenizer.model, which is compiled and used. */
#include <stdlib.h>
#include <string.h>

#include "target.h"
#include "text/charsmap.h"
#include "text/tokenizer.h"

static const char sample[] = "The river's  <s> caf\xc3\xa9 12345\n\n \xe4\xb8\xad\xe6\x96\x87 \xe2\x96\x81x..";

static void use_map(const uint8_t *data, size_t size) {
    charsmap m;
    if (size == 0 || data[0] > size - 1) return;
    const slice text = {data + 1, data[0]}, bytes = {data + 1 + text.n, size - 1 - text.n};
    if (charsmap_open(&m, bytes, NULL) != OK) return;
    for (size_t i = 0; i < text.n; i++) {
        size_t length = 0;
        slice to = {0};
        const slice rest = slice_part(text, i, text.n);
        for (int longest = 0; longest < 2; longest++) {
            if (!charsmap_find(&m, rest, longest, &length, &to)) continue;
            target_promise(length > 0 && length <= rest.n, "a rule replaces text that is there");
            target_promise(to.n == 0 || (to.p >= bytes.p && to.p + to.n <= bytes.p + bytes.n), "what it puts there is of the map");
        }
    }
}

/* Whole decoding is what streaming gives; ids are of the vocabulary. */
static void use_tokenizer(const tokenizer *t, unsigned flags) {
    id_list ids = {0};
    error e;
    char *text = NULL;
    size_t n = 0;
    if (tokenizer_encode(t, sample, sizeof sample - 1, flags, &ids, &e) == OK) {
        for (size_t i = 0; i < ids.n; i++) target_promise(ids.ids[i] >= 0 && (size_t)ids.ids[i] < tokenizer_vocab(t), "ids are of the vocabulary");
        if (tokenizer_decode(t, ids.ids, ids.n, true, &text, &n, &e) == OK) free(text);
    }
    free(ids.ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    if (data[0] == 'c') {
        use_map(data + 1, size - 1);
        return 0;
    }
    uint8_t *block;
    size_t bytes;
    error e;
    tokenizer *t;
    if (tokenizer_compile((const char *)data, size, NULL, 0, &block, &bytes, &e) != OK) return 0;
    target_promise(tokenizer_open(&t, block, bytes, &e) == OK, "what was compiled can be opened");
    for (unsigned flags = 0; flags < 4; flags++) use_tokenizer(t, flags);
    tokenizer_close(&t);
    free(block);
    return 0;
}
