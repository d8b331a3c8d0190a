/* Grammars: what they match, how they are refused, and that masks over tokens say what single bytes say. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "constrained.h"
#include "text/grammar_run.h"
#include "text/unicode.h"

/* ---- what is matched ---- */

typedef struct match {
    const char *grammar;
    const char *yes[8], *no[8];
} match;

#define LIST   "root ::= item (\",\" item)*\nitem ::= [a-z]+ | \"(\" root \")\"\n"
#define NUMBER "root ::= \"-\"? (\"0\" | [1-9] [0-9]*) (\".\" [0-9]+)? # a number\n"

static const match matches[] = {
    {"root ::= \"ab\"", {"ab"}, {"", "a", "abc", "b"}},
    {"root ::= \"\"", {""}, {"a"}},
    {"root ::= \"a\" | \"b\" \"c\" |", {"a", "bc", ""}, {"b", "ac"}},
    {"root ::= \"a\" |\n  \"b\"\n", {"a", "b"}, {"ab"}},
    {"root ::= \"a\"\n  | \"b\"\n  | x # c\nx ::= \"x\"", {"a", "b", "x"}, {"ab"}},
    {"root ::= (\n \"a\"\n # in between\n | \"b\" )+", {"a", "abba"}, {""}},
    {"root ::= \"ab\"* \"c\"?", {"", "abab", "ababc", "c"}, {"abb", "ac"}},
    {"root ::= [ab]{2}", {"ab", "bb"}, {"a", "aba"}},
    {"root ::= [ab]{2,}", {"ab", "abaab"}, {"a"}},
    {"root ::= [ab]{0,2}", {"", "a", "ba"}, {"aaa"}},
    {"root ::= \"a\"{ 1 , 3 } ", {"a", "aaa"}, {"", "aaaa"}},
    {"root ::= (\"a\" | \"b\"{2}){2}", {"aa", "abb", "bbbb"}, {"a", "ab"}},
    {"root ::= [^a-c\\n]", {"d", "\xc3\xa9", "\xf0\x9f\x98\x80"}, {"a", "b", "\n", "dd", "\xc3"}},
    {"root ::= [a-]+", {"a-", "-"}, {"b"}},
    {"root ::= [\\]\\[\\\\\\\"\\t]+", {"][\\\"\t"}, {"a"}},
    {"root ::= \"\\x41\\u00e9\\U0001F600\\n\"", {"A\xc3\xa9\xf0\x9f\x98\x80\n"}, {"A"}},
    {"root ::= [\xc3\xa0-\xc3\xbf]", {"\xc3\xa0", "\xc3\xa9", "\xc3\xbf"}, {"\xc3\x9f", "\xc4\x80", "a"}},
    {"root ::= [\\u0700-\\uffff]",
     {"\xdc\x80", "\xe0\xa0\x80", "\xef\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"},
     {"\xdb\xbf", "\xf0\x90\x80\x80", "\xed\xa0\x80"}},
    {"root ::= .", {"a", "\n", "\xf4\x8f\xbf\xbf"}, {"", "ab", "\xf4\x90\x80\x80", "\xc0\x80", "\xed\xa0\x80", "\x80"}},
    {LIST, {"a", "a,b", "(a,(b,c)),d", "((((x))))"}, {"", "a,", "(a", "a)", "()"}},
    {NUMBER, {"0", "-12", "3.25"}, {"01", "-", "1.", ".5"}},
    {"root ::= a\na ::= \"x\" a | \"y\"", {"y", "xxxy"}, {"x", ""}},
    {"root ::= a \".\"\na ::= \"x\" a \"z\" |", {".", "xz.", "xxxzzz."}, {"xzz.", "xxz."}},
    {"root ::= (w \" \"?)* \"!\"\nw ::= [a-z]*", {"!", "a b!", "ab c  !"}, {"A!"}},
    {"root ::= dead | \"a\" | \"b\" dead\ndead ::= \"x\" dead", {"a"}, {"b", "x"}},
    {"under_score-9 ::= \"u\"\r\nroot ::= under_score-9 \r\n", {"u"}, {"r"}},
    {"root ::= (\"a\"*)* (\"b\"?)+", {"", "aab", "b"}, {"ba"}},
    {"root ::= \"a\"{0} \"b\"", {"b"}, {"ab"}},
    {"root ::= \"x\"**", {"", "xx"}, {"y"}},
};

Test(grammar, matches_what_it_says) {
    for (size_t i = 0; i < sizeof matches / sizeof *matches; i++) {
        const match *m = &matches[i];
        grammar *g = grammar_of(m->grammar);
        for (size_t k = 0; k < 8 && m->yes[k]; k++) {
            cr_expect(grammar_matches(g, m->yes[k], strlen(m->yes[k])), "%s does not match '%s'", m->grammar, m->yes[k]);
        }
        for (size_t k = 0; k < 8 && m->no[k]; k++) {
            cr_expect(!grammar_matches(g, m->no[k], strlen(m->no[k])), "%s matches '%s'", m->grammar, m->no[k]);
        }
        grammar_close(&g);
    }
}

/* Every code point against a class: the bytes of a class are those of its characters and no others. */
Test(grammar, classes_are_exact) {
    grammar *g = grammar_of("root ::= [\\x20-\\x7e\\u0300-\\u10ff\\ud000-\\U00010fff\\U00020000-\\U000203ff]");
    for (uint32_t c = 0; c <= 0x10ffff; c += c < 0x11100 ? 1 : 37) {
        uint8_t bytes[4] = {0};
        const bool letter = c < 0xd800 || c > 0xdfff;
        const size_t n = letter ? utf8_put(bytes, c) : 3;
        if (!letter) memcpy(bytes, (uint8_t[]){0xed, (uint8_t)(0x80 | (c >> 6 & 0x3f)), (uint8_t)(0x80 | (c & 0x3f))}, 3);
        const bool in =
            letter && ((c >= 0x20 && c <= 0x7e) || (c >= 0x300 && c <= 0x10ff) || (c >= 0xd000 && c <= 0x10fff) || (c >= 0x20000 && c <= 0x203ff));
        if (c % 7 == 0 || in) cr_assert_eq(grammar_matches(g, (const char *)bytes, n), in, "U+%04X", c);
    }
    grammar_close(&g);
}

/* ---- what is refused ---- */

typedef struct wrong {
    const char *grammar, *message;
} wrong;

static const wrong wrongs[] = {
    {"", "there is no rule 'root'"},
    {"a ::= \"a\"", "there is no rule 'root'"},
    {"root ::= a", "line 1, column 10: rule 'a' is not defined"},
    {"root ::= \"a\"\n\nb ::= c\n", "line 3, column 7: rule 'c' is not defined"},
    {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: this rule is defined already"},
    {"root = \"a\"", "line 1, column 6: ::= belongs here"},
    {"root ::= \"a", "line 1, column 12: the literal has no closing \""},
    {"root ::= [a", "line 1, column 12: the class has no closing ]"},
    {"root ::= []", "line 1, column 10: a class without characters"},
    {"root ::= [z-a]", "line 1, column 11: a range goes backwards"},
    {"root ::= \"\\q\"", "line 1, column 11: an unknown escape"},
    {"root ::= \"\\x4\"", "\\x wants two"},
    {"root ::= \"\\u00\"", "\\u wants four"},
    {"root ::= \"\\ud800\"", "no character of Unicode"},
    {"root ::= \"\\U00110000\"", "no character of Unicode"},
    {"root ::= (\"a\"", "line 1, column 10: the group that begins here"},
    {"root ::= \"a\")", "line 1, column 13: neither a part of a rule nor the end of a line"},
    {"root ::= *", "nothing stands before this repetition"},
    {"root ::= \"a\" | +", "nothing stands before this repetition"},
    {"root ::= \"a\"{", "a repetition wants a number"},
    {"root ::= \"a\"{1", "a repetition ends with }"},
    {"root ::= \"a\"{3,2}", "less at most than at least"},
    {"root ::= \"a\"{100001}", "more repetitions than 100000"},
    {"root ::= <[12]>", "references to tokens"},
    {"root ::= !<think>", "references to tokens"},
    {"\xff", "line 1, column 1: this is not UTF-8"},
    {"root ::= root \"a\" | \"b\"", "line 1: rule 'root' is left-recursive (root → root)"},
    {"root ::= a\na ::= b \"x\"\nb ::= c? a | \"y\"\nc ::= \"c\"", "left-recursive (a → b → a)"},
    {"root ::= (w \"x\"?)*\nw ::= e root\ne ::= \" \"*", "left-recursive"},
    {"root ::= \"x\" root", "nothing matches"},
    {"root ::= \"x\" dead\ndead ::= \"y\" dead", "nothing matches"},
    {"root ::= ((\"abcdefgh\"{1000}){1000}){1000}", "more than 262144 states"},
    {"root ::= [ab]* \"a\" [ab]{20}", "too many states"},
};

Test(grammar, says_what_is_wrong) {
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        grammar *g;
        error e = {0};
        cr_expect_eq(grammar_open(&g, wrongs[i].grammar, strlen(wrongs[i].grammar), &e), E_FILE, "%s is not refused", wrongs[i].grammar);
        cr_expect(strstr(e.text, wrongs[i].message), "%s: says '%s', not '%s'", wrongs[i].grammar, e.text, wrongs[i].message);
        cr_expect_null(g);
        grammar_close(&g);
    }
}

Test(grammar, limits_its_depth_and_size) {
    enum { DEPTH = GRAMMAR_DEPTH_MAX + 1 };
    char *text = malloc(GRAMMAR_BYTES_MAX + 64);
    grammar *g;
    error e;
    size_t n = (size_t)sprintf(text, "root ::= ");
    for (size_t i = 0; i < DEPTH; i++) text[n++] = '(';
    n += (size_t)sprintf(text + n, "\"a\"");
    for (size_t i = 0; i < DEPTH; i++) text[n++] = ')';
    cr_assert_eq(grammar_open(&g, text, n, &e), E_FILE);
    cr_assert(strstr(e.text, "nested deeper than 200"), "%s", e.text);
    cr_assert_eq(grammar_open(&g, text, GRAMMAR_BYTES_MAX + 1, &e), E_FILE);
    n = (size_t)sprintf(text, "root ::= r0\n");
    for (size_t i = 0; i <= GRAMMAR_RULES_MAX; i++) n += (size_t)sprintf(text + n, "r%zu ::= \"a\" r%zu\n", i, i + 1);
    cr_assert_eq(grammar_open(&g, text, n, &e), E_FILE);
    cr_assert(strstr(e.text, "more than 16384 rules"), "%s", e.text);
    free(text);
}

/* A long chain of rules is no deep recursion. */
Test(grammar, long_chains_are_fine) {
    char *text = malloc(1 << 20);
    size_t n = (size_t)sprintf(text, "root ::= r0\n");
    for (size_t i = 0; i < 10000; i++) n += (size_t)sprintf(text + n, "r%zu ::= \"a\" r%zu\n", i, i + 1);
    sprintf(text + n, "r10000 ::= \"b\"\n");
    grammar *g = grammar_of(text);
    cr_assert(!grammar_matches(g, "aaab", 4));
    grammar_close(&g);
    n = (size_t)sprintf(text, "root ::= ");
    for (size_t i = 0; i < 20000; i++) n += (size_t)sprintf(text + n, "[a-c] \"x\" ");
    g = grammar_of(text);
    cr_assert(!grammar_matches(g, "ax", 2));
    grammar_close(&g);
    free(text);
}

/* ---- states ---- */

/* Counters that are far from their ends are of one family, so that their masks are made once. */
Test(grammar, counters_share_masks) {
    grammar *g = grammar_of("root ::= \"\\\"\" [a-z]{0,1000} \"\\\"\"");
    size_t families = 0;
    for (size_t i = 1; i < g->n_states; i++) families += g->family[i] == i;
    cr_assert(g->n_states > 1000 && families < 30, "%zu states, %zu families", g->n_states, families);
    grammar_close(&g);
}

/* ---- masks and texts ---- */

static const char *const drawn[] = {
    LIST,
    NUMBER,
    "root ::= e\ne ::= t ((\"+\" | \"*\") t)*\nt ::= [0-9]{1,3} | \"(\" e \")\"\n",
    "root ::= [^\\x00-\\x1f\"]{3,40} \"\\n\"",
    "root ::= (\"\xc3\xa9\" | [\\u4e00-\\u9fff] | [\\U0001F600-\\U0001F64F]){5,30}",
    "root ::= line{1,5}\nline ::= \"- \" word (\" \" word)* \"\\n\"\nword ::= [a-z]+",
    "root ::= s\ns ::= \"a\" s \"b\" s | \"\"",
    "root ::= \"{\" ws (pair (\",\" ws pair)*)? \"}\" ws\npair ::= string \":\" ws value\nstring ::= \"\\\"\" char* \"\\\"\" ws\n"
    "char ::= [^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt] | \"u\" [0-9a-fA-F]{4})\nws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n"
    "value ::= root | string | \"true\" | \"false\" | \"null\" | [0-9]{1,15} ws | \"[\" ws (value (\",\" ws value)*)? \"]\" ws",
    "root ::= x{0,30} y\nx ::= [a-d]{1,2} | \"(\" x \")\"\ny ::= \"!\" | x \"?\"",
    "root ::= .{1,20} \"\\\"\"",
};

Test(grammar, every_text_is_matched, .timeout = 300) {
    size_t made = 0, all = 0;
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++) {
        grammar *g = grammar_of(drawn[i]);
        for (uint64_t seed = 0; seed < 30; seed++) {
            size_t n;
            char *text = draw_text(g, seed, seed < 3, &n);
            all++;
            if (!text) continue;
            made++;
            cr_assert(grammar_matches(g, text, n), "%s does not match %s", drawn[i], text);
            cr_assert_eq(utf8_valid((slice){(const uint8_t *)text, n}), n, "%s", text);
            free(text);
        }
        grammar_close(&g);
    }
    cr_assert(made * 10 >= all * 8, "%zu of %zu texts came to their end", made, all);
}

/* Parentheses, counted by somebody else. */
Test(grammar, parentheses_are_balanced) {
    grammar *g = grammar_of("root ::= p p\np ::= \"(\" p* \")\"");
    for (uint64_t seed = 0; seed < 60; seed++) {
        size_t n, depth = 0;
        char *text = draw_text(g, seed, seed < 5, &n);
        for (size_t i = 0; text && i < n; i++) {
            cr_assert(text[i] == '(' || (text[i] == ')' && depth > 0), "%s", text);
            depth = text[i] == '(' ? depth + 1 : depth - 1;
        }
        cr_assert_eq(depth, 0);
        free(text);
    }
    grammar_close(&g);
}

Test(grammar, ends_where_it_must) {
    const token_texts *t = small_vocabulary();
    grammar *g = grammar_of("root ::= \"a\" | \"ab\" \"c\"?");
    const int32_t end = (int32_t)t->n - 1;
    const uint64_t *mask;
    constraint *c;
    error e = {0};
    cr_assert_eq(constraint_open(&c, g, t, &end, 1, t->n, &e), OK);
    cr_assert(!constraint_may_end(c));
    cr_assert_eq(constraint_take(c, 'b', &e), E_RUN);
    cr_assert(strstr(e.text, "token 98 is not one"), "%s", e.text);
    cr_assert_eq(constraint_take(c, 'a', &e), OK);
    cr_assert(constraint_may_end(c) && !constraint_must_end(c));
    cr_assert_eq(constraint_mask(c, &mask, &e), OK);
    cr_assert(mask[end / 64] >> end % 64 & 1);
    cr_assert_eq(constraint_take(c, 'b', &e), OK);
    cr_assert_eq(constraint_take(c, 'c', &e), OK);
    cr_assert(constraint_must_end(c));
    cr_assert_eq(constraint_restart(c, &e), OK);
    cr_assert(!constraint_may_end(c));
    constraint_close(&c);
    grammar_close(&g);
}

/* A vocabulary that cannot spell what is wanted is an error, not an endless wait. */
Test(grammar, a_vocabulary_may_be_too_small) {
    const slice texts[] = {slice_of("a"), slice_of("b")};
    token_texts t;
    const uint64_t *mask;
    constraint *c;
    error e = {0};
    grammar *g = grammar_of("root ::= \"ac\"");
    cr_assert_eq(token_texts_make(&t, texts, 2, &e), OK);
    cr_assert_eq(constraint_open(&c, g, &t, NULL, 0, 2, &e), OK);
    cr_assert_eq(constraint_take(c, 0, &e), OK);
    cr_assert_eq(constraint_mask(c, &mask, &e), E_RUN);
    cr_assert(strstr(e.text, "no token of the vocabulary"), "%s", e.text);
    constraint_close(&c);
    token_texts_close(&t);
    grammar_close(&g);
}

/* What is remembered is forgotten in between; the text goes on as if nothing had happened. */
Test(grammar, forgetting_changes_nothing) {
    grammar *g = grammar_of("root ::= \"[\" (root (\",\" root)*)? \"]\"");
    grammar_run r;
    uint32_t at;
    error e;
    cr_assert_eq(run_open(&r, g, &e), OK);
    cr_assert_eq(run_begin(&r, &at, &e), OK);
    for (size_t i = 0; i < 1000; i++) {
        cr_assert_eq(run_step(&r, at, '[', &at, &e), OK);
        if (i % 10 == 0) cr_assert_eq(run_forget(&r, &at, &e), OK);
    }
    for (size_t i = 0; i < 1000; i++) {
        cr_assert(!r.positions[at].ends);
        cr_assert_eq(run_step(&r, at, ']', &at, &e), OK);
        if (i % 10 == 0) cr_assert_eq(run_forget(&r, &at, &e), OK);
    }
    cr_assert(r.positions[at].ends && r.positions[at].n == 0);
    cr_assert(r.n_frames < 1100);
    run_close(&r);
    grammar_close(&g);
}
