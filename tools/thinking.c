#include "tools/thinking.h"

#include <string.h>

typedef struct thought_kind {
    const char *close;
    bool content; /* see thought_part; marks of special tokens are none in a message: there they would be text */
} thought_kind;

/* How thoughts end. The mark that begins each kind stands at the same place in `marks`. */
static const thought_kind kinds[] = {
    {"</think>", true},          /* most models */
    {"</thought>", true},        /* EXAONE Deep */
    {"</seed:think>", true},     /* Seed-OSS */
    {"[/THINK]", false},         /* Magistral */
    {"<|END_THINKING|>", false}, /* Command A */
    {"<|end|>", false},          /* gpt-oss: what it thinks, */
    {"<|end|>", false},          /* and what it says before it calls a tool */
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* What is looked for in an answer: beginnings of thoughts; then what is not shown: ends without a beginning, and marks around an answer. */
static const char *const marks[] = {
    "<think>",
    "<thought>",
    "<seed:think>",
    "[THINK]",
    "<|START_THINKING|>",
    "<|channel|>analysis<|message|>",
    "<|channel|>commentary<|message|>",
    "[/THINK]",
    "<|END_THINKING|>",
    "<|end|>",
    "<|channel|>final<|message|>",
    "<|start|>assistant",
    "<|START_RESPONSE|>",
    "<|END_RESPONSE|>",
};
enum { MARKS = sizeof marks / sizeof *marks };

bool thinking_has(const char *token) {
    for (size_t i = 0; i < MARKS; i++) {
        if (strstr(marks[i], token)) return true;
    }
    return thinking_ends(token);
}

bool thinking_ends(const char *token) {
    for (size_t i = 0; i < KINDS; i++) {
        if (!strcmp(kinds[i].close, token)) return true;
    }
    return false;
}

/* ---- the stream ---- */

static void think(thinking *t, const thought_kind *kind) {
    t->now = kind;
    stops_reset(&t->marks);
    stops_reset(&t->end);
    t->end.texts = kind ? &kind->close : NULL;
    t->end.n = kind != NULL;
}

void thinking_begin(thinking *t, const char *prompt, size_t bytes) {
    t->marks.texts = marks;
    t->marks.n = MARKS;
    while (bytes && strchr(" \t\r\n", prompt[bytes - 1])) bytes--;
    const thought_kind *open = NULL;
    for (size_t i = 0; i < KINDS; i++) {
        const size_t n = strlen(marks[i]);
        if (n <= bytes && !memcmp(prompt + bytes - n, marks[i], n)) open = &kinds[i];
    }
    think(t, open);
}

static status give(thinking *t, const char *text, size_t n, error *e) {
    const thought_part part = {text, n, t->now != NULL, !t->now || t->now->content};
    return n ? t->take(t->owner, &part, e) : OK;
}

/* A mark has come: the state behind it. Those of thoughts are shown with them. */
static status pass_mark(thinking *t, error *e) {
    if (t->now) {
        TRY(give(t, t->now->close, strlen(t->now->close), e));
        think(t, NULL);
        return OK;
    }
    const size_t which = t->marks.which;
    think(t, which < KINDS ? &kinds[which] : NULL);
    return t->now ? give(t, marks[which], strlen(marks[which]), e) : OK;
}

status thinking_feed(thinking *t, const char *text, size_t n, error *e) {
    while (n) {
        const char *out, *behind;
        size_t bytes;
        stops *now = t->now ? &t->end : &t->marks;
        TRY(stops_feed(now, text, n, &out, &bytes, e));
        TRY(give(t, out, bytes, e));
        if (!now->found) return OK;
        stops_behind(now, &behind, &n);
        buffer rest = {0}; /* `text` may lie in t->rest */
        TRY(buffer_add(&rest, behind, n, e));
        buffer_free(&t->rest);
        t->rest = rest;
        text = (const char *)rest.p;
        TRY(pass_mark(t, e));
    }
    return OK;
}

status thinking_finish(thinking *t, error *e) {
    const char *out;
    size_t bytes;
    stops_finish(t->now ? &t->end : &t->marks, &out, &bytes);
    return give(t, out, bytes, e);
}

void thinking_free(thinking *t) {
    stops_free(&t->marks);
    stops_free(&t->end);
    buffer_free(&t->rest);
}
