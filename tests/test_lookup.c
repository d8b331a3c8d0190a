/* Prompt lookup: which earlier place is followed, how much is guessed, and that a text grown with guesses has the very logits of one without. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/lookahead.h"
#include "engine/lookup.h"
#include "files.h"
#include "kernels/kernels.h"
#include "tiny.h"

static const double free_of_charge[1 + LOOKUP_MOST] = {1, 1, 1, 1, 1, 1, 1}, usual[1 + LOOKUP_MOST] = {1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6};

static lookup *opened(size_t room) {
    lookup *l;
    cr_assert_eq(lookup_open(&l, room, NULL), OK);
    return l;
}

static void add(lookup *l, const char *digits) {
    for (; *digits; digits++) lookup_add(l, *digits - '0');
}

/* What is guessed after a text of digits, as digits. */
static const char *guessed(const char *text, size_t most, const double *cost) {
    static char digits[LOOKUP_MOST + 1];
    int32_t ids[LOOKUP_MOST];
    lookup *l = opened(100);
    add(l, text);
    const size_t n = lookup_guess(l, ids, most, cost);
    cr_assert_leq(n, most);
    for (size_t i = 0; i < n; i++) digits[i] = (char)('0' + ids[i]);
    digits[n] = 0;
    lookup_close(&l);
    return digits;
}

Test(lookup, continues_what_stood_there_before) {
    const struct {
        const char *text, *guess;
    } cases[] = {
        {"", ""},
        {"1", ""},
        {"11", ""},
        {"12345", ""},
        {"1234561", ""}, /* one id is no past */
        {"123456789012", "345678"},
        {"1234512", "345123"}, /* what repeats goes on */
        {"111", "111111"},
        {"123700238001236", ""},
        {"91237005238001123", "700523"}, /* the longer past */
        {"23702380123", "801238"},       /* the later of equal ones */
        {"12345671234", "567123"},       /* followed, not searched anew */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_str_eq(guessed(cases[i].text, LOOKUP_MOST, free_of_charge), cases[i].guess, "%s", cases[i].text);
    }
}

Test(lookup, guesses_no_more_than_is_wanted_and_pays) {
    const double dear[1 + LOOKUP_MOST] = {1, 2, 3, 4, 5, 6, 7}, steep[1 + LOOKUP_MOST] = {1, 1.1, 1.2, 9, 9, 9, 9};
    const char *text = "1234567890123456789012";
    cr_expect_str_eq(guessed(text, 2, free_of_charge), "34");
    cr_expect_str_eq(guessed(text, 0, free_of_charge), "");
    cr_expect_str_eq(guessed(text, LOOKUP_MOST, dear), "");
    cr_expect_str_eq(guessed(text, LOOKUP_MOST, steep), "34");
}

/* Guesses that were wrong, taken or not, are not repeated for long; when the text is a copy again, they come back. */
Test(lookup, learns_whether_guesses_are_right) {
    int32_t guess[LOOKUP_MOST];
    lookup *l = opened(2000);
    size_t late = 0, n = 0;
    for (int i = 0; i < 300; i++) { /* after "1 2" never the same */
        lookup_add(l, 1);
        lookup_add(l, 2);
        n = lookup_guess(l, guess, LOOKUP_MOST, usual);
        late += i >= 100 && n;
        lookup_add(l, 10 + i);
    }
    cr_expect_eq(late, 0);
    for (int i = 0; i < 40; i++) lookup_add(l, 10 + i % 20);
    cr_expect_geq(lookup_guess(l, guess, LOOKUP_MOST, usual), 5);
    cr_expect_eq(guess[0], 10);
    lookup_close(&l);
}

Test(lookup, has_room_for_so_many_ids) {
    int32_t guess[LOOKUP_MOST];
    lookup *l = opened(10);
    add(l, "1234512345678901234");
    cr_expect_eq(lookup_guess(l, guess, 1, free_of_charge), 1);
    cr_expect_eq(guess[0], 1, "what comes later is not remembered");
    lookup_close(&l);
    l = opened(0);
    add(l, "11111");
    cr_expect_eq(lookup_guess(l, guess, 1, free_of_charge), 0);
    lookup_close(&l);
}

/* What is forgotten has never been there, and what is kept is found again. */
Test(lookup, rewinds) {
    int32_t guess[LOOKUP_MOST];
    lookup *l = opened(20);
    add(l, "1234567890");
    for (int i = 0; i < 5; i++) { /* more than there is room for, were it not forgotten */
        add(l, "abcdefghij");
        lookup_rewind(l, 10);
    }
    add(l, "ab");
    cr_expect_eq(lookup_guess(l, guess, 2, free_of_charge), 0);
    add(l, "12");
    cr_assert_eq(lookup_guess(l, guess, 2, free_of_charge), 2);
    cr_expect(guess[0] == 3 && guess[1] == 4);
    lookup_rewind(l, 0);
    add(l, "12");
    cr_expect_eq(lookup_guess(l, guess, 2, free_of_charge), 0);
    lookup_close(&l);
}

/* ---- with a model ---- */

enum { TOKENS = 150, CONTEXT = 160 }; /* some units of the cache */

static model *open_model(void) {
    spec s = tiny_spec_aligned();
    model *m;
    tiny_write(folder_path("tiny.qbin"), &s, &(tiny){.format = "q4"});
    spec_free(&s);
    cr_assert_eq(model_open(&m, folder_path("tiny.qbin"), NULL), OK);
    return m;
}

/* A text that repeats itself, but not always. */
static int32_t id_at(size_t i) {
    return (int32_t)(i % 37 == 20 ? 3 : 5 + i % 9);
}

/* Logits after each token of the text, [TOKENS][vocab]; how many of them came of guesses. */
static float *grow(const model *m, bool guessing, const session_options *o, size_t *right) {
    session *s;
    lookahead *l;
    const size_t vocab = model_spec(m)->vocab, prompt = 20;
    float *rows = calloc(TOKENS * vocab, sizeof *rows);
    int32_t first[20];
    for (size_t i = 0; i < prompt; i++) first[i] = id_at(i);
    cr_assert_eq(session_open(&s, m, o, NULL), OK);
    cr_assert_eq(lookahead_open(&l, s, vocab, guessing, NULL), OK);
    cr_assert_eq(lookahead_prompt(l, first, prompt, NULL), OK);
    for (size_t i = prompt; i <= TOKENS; i++) {
        memcpy(rows + (i - 1) * vocab, lookahead_logits(l), vocab * sizeof *rows);
        cr_assert_eq(lookahead_position(l), i);
        if (i < TOKENS) cr_assert_eq(lookahead_take(l, id_at(i), TOKENS - 1 - i, NULL), OK);
        cr_assert_leq(session_position(s), TOKENS, "nothing is guessed beyond what will be taken");
    }
    *right = lookahead_count(l).right;
    cr_assert_geq(lookahead_count(l).guessed, *right);
    lookahead_close(&l);
    session_close(&s);
    return rows;
}

Test(lookup, logits_are_those_without_guesses, .init = folder_open, .fini = folder_close) {
    const session_options options[] = {
        {.context = CONTEXT, .threads = 2}, {.context = CONTEXT, .threads = 1, .batch = 3}, {.context = TOKENS, .threads = 3}};
    const kernels *k;
    model *m = open_model();
    cr_assert_eq(kernels_choose(&k, NULL, NULL), OK);
    for (const cache_type *const *c = k->caches; *c; c++) {
        size_t right;
        float *plain = grow(m, false, &(session_options){.context = CONTEXT, .threads = 2, .key_type = (*c)->name, .value_type = (*c)->name}, &right);
        cr_expect_eq(right, 0);
        for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
            session_options o = options[i];
            o.key_type = o.value_type = (*c)->name;
            float *rows = grow(m, true, &o, &right);
            cr_expect_gt(right, 0);
            cr_expect_arr_eq(rows, plain, TOKENS * model_spec(m)->vocab * sizeof *rows, "%s", (*c)->name);
            free(rows);
        }
        free(plain);
    }
    model_close(&m);
}

Test(lookup, a_full_context_is_an_error_as_without, .init = folder_open, .fini = folder_close) {
    model *m = open_model();
    session *s;
    lookahead *l;
    error e = {0};
    cr_assert_eq(session_open(&s, m, &(session_options){.context = 16, .threads = 1}, NULL), OK);
    cr_assert_eq(lookahead_open(&l, s, model_spec(m)->vocab, true, NULL), OK);
    cr_assert_eq(lookahead_prompt(l, (const int32_t[]){1, 2, 1, 2}, 4, NULL), OK);
    for (int i = 0; i < 12; i++) cr_assert_eq(lookahead_take(l, 1 + i % 2, SIZE_MAX, &e), OK, "%s", e.text);
    cr_expect_gt(lookahead_count(l).right, 0);
    cr_expect_eq(lookahead_take(l, 1, SIZE_MAX, &e), E_RUN);
    lookahead_close(&l);
    session_close(&s);
    model_close(&m);
}
