#include "constrained.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/sampler.h"
#include "text/grammar_run.h"
#include "text/schema.h"

static const char *const pieces[] = {
    "{\"",
    "\": ",
    "\":",
    "\", \"",
    "\",",
    "\"}",
    "\"]",
    "},",
    "}]",
    "],",
    "]}",
    "[[",
    "[]",
    "{}",
    "}}",
    "true",
    "false",
    "null",
    "tr",
    "ue",
    "nul",
    "name",
    "a",
    "ab",
    "abc",
    "abcd",
    "the ",
    " the",
    "12",
    "123",
    "0.",
    ".5",
    "-1",
    "e+",
    "1e",
    ", ",
    ",\n",
    "\n  ",
    "  ",
    "    ",
    "\\n",
    "\\\"",
    "\\u00",
    "\\ud8",
    "\xc3",
    "\xc3\xa9",
    "\xa9\"",
    "\xe4\xb8",
    "\xad",
    "\xf0\x9f\x98",
    "\x80",
    "\xf0\x9f\x98\x80\"",
    "2024-",
    "-01",
    "01-",
    "T1",
    ":00",
    "Z\"",
    "a long piece of text, longer than others\"",
    "\"name\": \"",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "x y",
    "+",
    "*(",
    ")(",
    "((",
    "))",
    "1+1",
    "\"a\"",
    "\"b",
    "red",
    "green",
    "blue",
};
enum { PIECES = sizeof pieces / sizeof *pieces, VOCAB = 256 + PIECES + 1 };

const token_texts *small_vocabulary(void) {
    static token_texts texts;
    static uint8_t all[256];
    slice list[VOCAB] = {0};
    error e;
    if (texts.n) return &texts;
    for (size_t i = 0; i < 256; i++) {
        all[i] = (uint8_t)i;
        list[i] = (slice){all + i, 1};
    }
    for (size_t i = 0; i < PIECES; i++) list[256 + i] = slice_of(pieces[i]);
    cr_assert_eq(token_texts_make(&texts, list, VOCAB, &e), OK);
    return &texts;
}

grammar *grammar_of(const char *text) {
    grammar *g = NULL;
    error e = {0};
    const bool schema = *text == '{';
    const status s = (schema ? schema_open : grammar_open)(&g, text, strlen(text), &e);
    cr_assert_eq(s, OK, "%s: %s", text, e.text);
    return g;
}

/* Where the text so far leads; POSITION_NOWHERE if it is no beginning. */
static uint32_t follow(grammar_run *r, uint32_t at, const char *text, size_t bytes) {
    error e;
    for (size_t i = 0; i < bytes && at != POSITION_NOWHERE; i++) cr_assert_eq(run_step(r, at, (uint8_t)text[i], &at, &e), OK);
    return at;
}

bool grammar_matches(const grammar *g, const char *text, size_t bytes) {
    grammar_run r;
    uint32_t at;
    error e;
    cr_assert_eq(run_open(&r, g, &e), OK);
    cr_assert_eq(run_begin(&r, &at, &e), OK);
    at = follow(&r, at, text, bytes);
    const bool ends = r.positions[at].ends;
    run_close(&r);
    return ends;
}

static void compare_mask(const grammar *g, constraint *c, const char *text, size_t bytes) {
    const token_texts *t = small_vocabulary();
    const uint64_t *mask;
    grammar_run r;
    uint32_t at, next;
    error e;
    cr_assert_eq(constraint_mask(c, &mask, &e), OK, "%s after %s", e.text, text);
    cr_assert_eq(run_open(&r, g, &e), OK);
    cr_assert_eq(run_begin(&r, &at, &e), OK);
    at = follow(&r, at, text, bytes);
    for (int32_t i = 0; i < VOCAB; i++) {
        const slice token = token_text(t, i);
        next = token.n ? follow(&r, at, (const char *)token.p, token.n) : POSITION_NOWHERE;
        const bool wanted = i == VOCAB - 1 ? r.positions[at].ends : next != POSITION_NOWHERE;
        cr_assert_eq(mask[i / 64] >> i % 64 & 1, wanted, "token %d (%.*s) after %s", i, (int)token.n, (const char *)token.p, text);
    }
    run_close(&r);
}

static const sampler_options options[] = {
    {.temperature = 1.5f, .top_p = 1, .repeat_penalty = 1},
    {.temperature = 1.5f, .top_p = 1, .repeat_penalty = 1, .top_k = 40},
    {.temperature = 1.5f, .top_p = 0.95f, .min_p = 0.01f, .repeat_penalty = 1.3f, .repeat_last = 16},
    {.temperature = 1.5f, .top_p = 1, .repeat_penalty = 0.5f, .repeat_last = 8},
    {.temperature = 0, .top_p = 1, .repeat_penalty = 1},
};

static uint64_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* A text that has become long is led to its end: by what closes. */
static void random_logits(float *logits, uint64_t *state, size_t step) {
    const token_texts *t = small_vocabulary();
    for (int32_t i = 0; i < VOCAB; i++) {
        const slice text = token_text(t, i);
        logits[i] = (float)(next_random(state) % 1000) / 100 - 5;
        if (step % 97 == 5) logits[i] = i % 2 ? -1e38f : 1e38f;
        if (step > 150 && text.n && memchr("\"]})", text.p[text.n - 1], 4)) logits[i] = 30;
        if (step > 150 && text.n && memchr("[{(", text.p[text.n - 1], 3)) logits[i] = -30;
    }
    if (step > 150) logits[VOCAB - 1] = 60;
}

char *draw_text(const grammar *g, uint64_t seed, bool compare, size_t *bytes) {
    const token_texts *t = small_vocabulary();
    const int32_t end = VOCAB - 1;
    sampler_options o = options[seed % (sizeof options / sizeof *options)];
    float logits[VOCAB], masked[VOCAB];
    buffer text = {0};
    constraint *c;
    sampler *s;
    uint64_t state = seed * 77 + 1;
    error e = {0};
    o.seed = seed;
    cr_assert_eq(sampler_open(&s, &o, VOCAB, VOCAB, &e), OK);
    cr_assert_eq(constraint_open(&c, g, t, &end, 1, VOCAB, &e), OK);
    size_t step = 0;
    int32_t id = -1;
    cr_assert_eq(buffer_add(&text, "", 1, &e), OK);
    for (text.n = 0; step < SMALL_STEPS && id != end && !constraint_must_end(c); step++) {
        if (compare) compare_mask(g, c, (const char *)text.p, text.n);
        random_logits(logits, &state, step);
        cr_assert_eq(constraint_apply(c, logits, masked, &e), OK, "%s after %s", e.text, (const char *)text.p);
        id = sampler_draw(s, masked);
        cr_assert_eq(constraint_take(c, id, &e), OK, "%s after %s", e.text, (const char *)text.p);
        const slice token = token_text(t, id);
        cr_assert_eq(buffer_add(&text, token.p, token.n, &e), OK);
        cr_assert_eq(buffer_add(&text, "", 1, &e), OK);
        text.n--;
    }
    const bool ready = constraint_may_end(c) && (id == end || constraint_must_end(c));
    constraint_close(&c);
    sampler_close(&s);
    *bytes = text.n;
    if (ready) return (char *)text.p;
    buffer_free(&text);
    return NULL;
}
