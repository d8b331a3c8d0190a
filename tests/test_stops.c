/* Stop texts and thoughts in a stream: whatever pieces a text comes in, the same is handed on, as soon as it is sure. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tools/thinking.h"

/* What is handed on of a text that comes in pieces of `step` bytes; '.' stands for the end of each call's share if `shares`. */
static const char *passed(const char *const *texts, size_t n, const char *text, size_t step, bool shares) {
    static char out[400];
    stops s = {.texts = texts, .n = n};
    const char *part;
    size_t bytes, used = 0;
    for (size_t at = 0, all = strlen(text); at < all; at += step) {
        const size_t piece = all - at < step ? all - at : step;
        cr_assert_eq(stops_feed(&s, text + at, piece, &part, &bytes, NULL), OK);
        used += (size_t)snprintf(out + used, sizeof out - used, "%.*s%s", (int)bytes, part, shares ? "." : "");
    }
    stops_finish(&s, &part, &bytes);
    snprintf(out + used, sizeof out - used, "%.*s%s", (int)bytes, part, s.found ? "|" : "");
    stops_free(&s);
    return out;
}

Test(stops, text_before_the_first_one) {
    static const char *const texts[] = {"", "END", "ENDE", "\n\n", "NDx"};
    const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},         {"abc", "abc"},       {"abEND", "ab|"},           {"abEN", "abEN"}, {"EENDxx", "E|"}, {"a\n\nEND", "a|"},
        {"ENNDx", "EN|"}, {"\nEND\n\n", "\n|"}, {"aENaENaEN", "aENaENaEN"}, {"ENDEND", "|"},  {"é€END", "é€|"}, {"NNDNDx", "NND|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 1; step < 9; step++)
            cr_expect_str_eq(passed(texts, 5, cases[i].text, step, false), cases[i].want, "%s by %zu", cases[i].text, step);
    }
}

Test(stops, nothing_waits_without_need) {
    static const char *const texts[] = {"stop"};
    cr_expect_str_eq(passed(texts, 1, "abstxstop", 1, true), "a.b...stx.....|");
    cr_expect_str_eq(passed(texts, 0, "stop", 1, true), "s.t.o.p.");
}

/* ---- thoughts ---- */

typedef struct seen {
    char text[400];
    size_t n;
} seen;

/* "(thought)", "[thought that is no content]". */
static status note(void *owner, const thought_part *part, error *e) {
    seen *s = owner;
    (void)e;
    const char *around = !part->thought ? "  " : part->content ? "()" : "[]";
    const bool joins = s->n && s->text[s->n - 1] == around[1] && part->thought; /* one thought in several parts */
    if (joins) s->n--;
    s->n += (size_t)snprintf(s->text + s->n, sizeof s->text - s->n, "%.*s%.*s%.*s", part->thought && !joins, around, (int)part->n, part->text,
                             part->thought, around + 1);
    return OK;
}

static void expect_parts(const char *prompt, const char *text, const char *want) {
    for (size_t step = 1; step < 30; step++) {
        seen s = {.n = 0};
        thinking t = {.take = note, .owner = &s};
        thinking_begin(&t, prompt, strlen(prompt));
        for (size_t at = 0, all = strlen(text); at < all; at += step) {
            cr_assert_eq(thinking_feed(&t, text + at, all - at < step ? all - at : step, NULL), OK);
        }
        cr_assert_eq(thinking_finish(&t, NULL), OK);
        thinking_free(&t);
        cr_expect_str_eq(s.text, want, "%s by %zu: %s", text, step, s.text);
    }
}

Test(thinking, parts_of_an_answer) {
    expect_parts("", "An answer.", "An answer.");
    expect_parts("a prompt", "<think>\nwhy\n</think>\n\nso", "(<think>\nwhy\n</think>)\n\nso");
    expect_parts("", "a<think>b</think>c<think>d", "a(<think>b</think>)c(<think>d)");
    expect_parts("ask<think>\n", "why</think>so", "(why</think>)so");
    expect_parts("", "a < b <think", "a < b <think");
    expect_parts("", "so</think>", "so</think>");
    expect_parts("", "[THINK]why[/THINK]so", "[[THINK]why[/THINK]]so");
    expect_parts("<|start|>assistant", "<|channel|>analysis<|message|>why<|end|><|start|>assistant<|channel|>final<|message|>so",
                 "[<|channel|>analysis<|message|>why<|end|>]so");
    expect_parts("", "<|START_RESPONSE|>so<|END_RESPONSE|>", "so");
}

Test(thinking, tokens_of_marks) {
    cr_expect(thinking_has("<think>") && thinking_has("</think>") && thinking_has("<|channel|>") && thinking_has("<|message|>") &&
              thinking_has("[/THINK]"));
    cr_expect_not(thinking_has("<|im_end|>") || thinking_has("<|endoftext|>") || thinking_has("<s>"));
    cr_expect(thinking_ends("<|end|>") && !thinking_ends("<think>") && !thinking_ends("<|im_end|>"));
}
