#include "follow.h"

#include <jansson.h>
#include <string.h>

#include "target.h"
#include "text/constraint.h"

enum { PIECES = 16, VOCAB = 256 + PIECES + 1, STEPS = 48, TEXT_MAX = 1024 };

static const token_texts *vocabulary(void) {
    static const char *const pieces[PIECES] = {"{\"",  "\":", "\": ", "\",", "\"}",  "},",     "]}", "[[",
                                               "true", "12",  ".5",   "ab",  "\xc3", "\xa9\"", "  ", "a longer piece of text"};
    static uint8_t bytes[256];
    static token_texts t;
    slice list[VOCAB] = {0};
    error e;
    if (t.n) return &t;
    for (size_t i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
        list[i] = (slice){bytes + i, 1};
    }
    for (size_t i = 0; i < PIECES; i++) list[256 + i] = slice_of(pieces[i]);
    target_promise(token_texts_make(&t, list, VOCAB, &e) == OK, "a vocabulary can be made");
    return &t;
}

/* One of the tokens of the mask; what closes is taken more often, so that texts end. */
static int32_t choose(const uint64_t *mask, uint64_t *seed) {
    int32_t allowed[2 * VOCAB];
    size_t n = 0;
    for (int32_t i = 0; i < VOCAB; i++) {
        if (mask[i / 64] >> i % 64 & 1) allowed[n++] = i;
    }
    const size_t all = n;
    for (size_t i = 0; i < all; i++) {
        if (allowed[i] == VOCAB - 1 || (allowed[i] < 256 && strchr("\"]}", allowed[i] ? allowed[i] : 1))) allowed[n++] = allowed[i];
    }
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return n > all && *seed >> 60 ? allowed[all + (*seed >> 33) % (n - all)] : allowed[(*seed >> 33) % n];
}

static void follow(const grammar *g, uint64_t seed, int json) {
    const int32_t end = VOCAB - 1;
    const token_texts *t = vocabulary();
    const uint64_t *mask;
    char text[TEXT_MAX];
    size_t n = 0;
    constraint *c;
    error e;
    target_promise(constraint_open(&c, g, t, &end, 1, VOCAB, &e) == OK, "a constraint can be made");
    for (int32_t i = 0, id = -1; i < STEPS && id != end && !constraint_must_end(c); i++) {
        if (constraint_mask(c, &mask, &e) != OK) break; /* too many ways at once */
        id = choose(mask, &seed);
        const slice token = token_text(t, id);
        target_promise(token.n <= TEXT_MAX - n, "a text fits");
        if (token.n) memcpy(text + n, token.p, token.n);
        n += token.n;
        if (constraint_take(c, id, &e) != OK) target_promise(strstr(e.text, "ways at once") != NULL, "what a mask allows can be taken");
    }
    if (json && constraint_may_end(c)) {
        json_t *value = json_loadb(text, n, JSON_DECODE_ANY, NULL);
        target_promise(value != NULL, "what a schema allows is JSON");
        json_decref(value);
    }
    constraint_close(&c);
}

void follow_grammar(const grammar *g, uint64_t seed) {
    follow(g, seed, 0);
}

void follow_schema(const grammar *g, uint64_t seed) {
    follow(g, seed, 1);
}
