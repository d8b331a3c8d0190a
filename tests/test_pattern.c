/* Regular expressions: what is translated and what is refused, limits, and the scanners against PCRE2 on real, random and awkward text. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "files.h"
#include "text/pattern.h"
#include "text/unicode.h"

/* All matches of a pattern, as ends of spans. */
static size_t spans_of(const char *regex, const pattern_engine *engine, slice text, span *out, size_t room) {
    pattern *p;
    error e = {0};
    matcher m = {0};
    pattern_walk walk = PATTERN_WALK;
    size_t n = 0;
    const status s = engine ? pattern_open_engine(&p, slice_of(regex), engine, &e) : pattern_open(&p, slice_of(regex), true, &e);
    cr_assert_eq(s, OK, "%s", e.text);
    for (span found; n < room; n++) {
        cr_assert_eq(pattern_next(p, &m, text, &walk, &found, &e), OK, "%s", e.text);
        if (found.begin == SIZE_MAX) break;
        out[n] = found;
    }
    matcher_close(&m);
    pattern_close(&p);
    return n;
}

/* ---- scanners ---- */

static void same_as_pcre2(const pattern_engine *engine, slice text) {
    pattern *fast, *slow;
    error e = {0};
    matcher m = {0};
    cr_assert_eq(pattern_open(&fast, slice_of(engine->regex), true, &e), OK, "%s", e.text);
    cr_assert_eq(fast->engine, engine, "the scanner is chosen by the text of its expression");
    cr_assert_eq(pattern_open_engine(&slow, slice_of(engine->regex), &engine_pcre2, &e), OK, "%s", e.text);
    for (size_t at = 0; at < text.n;) {
        span a, b;
        cr_assert_eq(engine->find(fast, &m, text, at, &a, &e), OK);
        cr_assert_eq(engine_pcre2.find(slow, &m, text, at, &b, &e), OK, "%s", e.text);
        cr_assert(a.begin == b.begin && a.end == b.end, "%s at %zu: [%zu, %zu), PCRE2 [%zu, %zu): %.*s", engine->name, at, a.begin, a.end, b.begin,
                  b.end, text.n - at < 40 ? (int)(text.n - at) : 40, (const char *)text.p + at);
        at = a.end;
    }
    matcher_close(&m);
    pattern_close(&fast);
    pattern_close(&slow);
}

static void scanners_agree(slice text) {
    for (const pattern_engine *const *engine = pattern_engines; *engine; engine++) {
        if ((*engine)->regex) same_as_pcre2(*engine, text);
    }
}

static uint64_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* What the expressions tell apart, and characters that only look like it. */
static const char *const awkward[] = {"'",
                                      "'s",
                                      "'S",
                                      "'\xc5\xbf",
                                      "'t",
                                      "'re",
                                      "'RE",
                                      "'Ve",
                                      "'ll",
                                      "'lL",
                                      "'m",
                                      "'d",
                                      "s",
                                      "e",
                                      "l",
                                      "r",
                                      "v",
                                      " ",
                                      "  ",
                                      "\t",
                                      "\n",
                                      "\r",
                                      "\r\n",
                                      "\v",
                                      "\f",
                                      "\xc2\xa0",
                                      "\xc2\x85",
                                      "\xe3\x80\x80",
                                      "\xe2\x80\xa8",
                                      "\xe1\xa0\x8e",
                                      "\xe2\x80\x8b",
                                      "1",
                                      "12345",
                                      "\xc2\xb2",
                                      "\xd9\xa0",
                                      "\xe2\x85\xa7",
                                      ".",
                                      "!?",
                                      "_",
                                      "-",
                                      "\xc3\xa9",
                                      "e\xcc\x81",
                                      "\xe4\xb8\xad",
                                      "\xed\x95\x9c",
                                      "\xe0\xa4\xbf",
                                      "\xf0\x9f\x98\x80",
                                      "\xe1\xb2\x89",
                                      "\xf0\x91\xaf\xb0",
                                      "\xf0\xb1\x8d\x90",
                                      "\xcd\xb8",
                                      "\xf4\x8f\xbf\xbf",
                                      "\xe2\x84\xaa"};

Test(scanners, random_text, .timeout = 120) {
    uint64_t state = 5;
    for (int round = 0; round < 3000; round++) {
        buffer text = {0};
        for (uint64_t n = next(&state) % 24; n > 0; n--) {
            uint8_t bytes[4];
            uint32_t c = (uint32_t)(next(&state) % (next(&state) % 4 ? 0x3400 : 0x110000));
            if (c - 0xd800 < 0x800) c = 'x';
            const char *piece = awkward[next(&state) % (sizeof awkward / sizeof awkward[0])];
            if (next(&state) % 8) {
                cr_assert_eq(buffer_add(&text, piece, strlen(piece), NULL), OK);
            } else {
                cr_assert_eq(buffer_add(&text, bytes, utf8_put(bytes, c), NULL), OK);
            }
        }
        scanners_agree(buffer_slice(&text));
        buffer_free(&text);
    }
}

Test(scanners, every_character, .timeout = 120) {
    buffer text = {0};
    for (uint32_t c = 0; c < 0x110000; c++) {
        uint8_t bytes[4];
        if (c - 0xd800 < 0x800) continue;
        cr_assert_eq(buffer_add(&text, bytes, utf8_put(bytes, c), NULL), OK);
        if (c % 3 == 0) cr_assert_eq(buffer_add(&text, "a1 .", c % 4 + 1, NULL), OK);
    }
    scanners_agree(buffer_slice(&text));
    buffer_free(&text);
}

Test(scanners, real_text, .timeout = 120) {
    const char *path = shared_path("text/wiki.test.raw");
    if (!path) cr_skip_test("wiki.test.raw is not there");
    size_t n;
    uint8_t *text = file_read(path, &n);
    scanners_agree((slice){text, n});
    free(text);
}

/* ---- translation ---- */

static void matches(const char *regex, const char *text, size_t begin, size_t end) {
    span found[1] = {{SIZE_MAX, SIZE_MAX}};
    const size_t n = spans_of(regex, &engine_pcre2, slice_of(text), found, 1);
    cr_expect(n == (begin != SIZE_MAX) && found[0].begin == begin && found[0].end == end, "%s on \"%s\": [%zu, %zu)", regex, text, found[0].begin,
              found[0].end);
}

Test(pattern, meanings) {
    matches("\\s+", "a\xe1\xa0\x8e \xc2\x85x", 4, 7); /* U+180E is no space */
    matches("[^\\s]+", " a\xe1\xa0\x8e ", 1, 5);      /* nor in a class */
    matches("[\\S]", " \tb", 2, 3);                   /* a complement in a class */
    matches("[^\\S ]", " \tb", 1, 2);
    matches("\\h+", "xyz09afAFg", 3, 9);        /* hexadecimal digits in Ruby */
    matches("\\p{L}+", "1\xe1\xb2\x89z", 1, 5); /* U+1C89 is a letter since Unicode 16 */
    matches("\\P{L}+",
            "\xe1\xb2\x89"
            "1",
            3, 4);
    matches("[^\\p{L}]+",
            "\xe1\xb2\x89"
            "1",
            3, 4);
    matches("\\p{^L}+", "a1", 1, 2);
    matches("\\p{Han}+", "a\xe4\xb8\xad\xe3\x80\x82", 1, 4); /* the script, not its extensions */
    matches("\\d+",
            "a\xf0\x91\xaf\xb0"
            "1",
            1, 6);               /* U+11BF0 is a digit since Unicode 16 */
    matches("^b", "a\nb", 2, 3); /* ^ and $ know lines in Ruby */
    matches("a$", "a\nb", 0, 1);
    matches(".+", "a\rb\nc", 0, 3); /* only \n ends a line */
    matches("a{2,3}", "aaaa", 0, 3);
    matches("\\u0041\\v", "A\v", 0, 2);
    matches("{x}", "a{x}", 1, 4);
    matches("(?i:'s)", "x'\xc5\xbf", 1, 4);
}

static void refused(const char *regex, const char *why) {
    pattern *p;
    error e = {0};
    cr_expect_eq(pattern_open(&p, slice_of(regex), true, &e), E_FILE, "%s is not refused", regex);
    cr_expect_null(p);
    cr_expect(strstr(e.text, why), "%s: %s", regex, e.text);
}

Test(pattern, refused_by_name) {
    static const char *const strange[][2] = {
        {"\\w+", "\\w at 0"},
        {"a\\b", "\\b at 1"},
        {"\\R", "\\R"},
        {"\\X", "\\X"},
        {"\\C", "\\C"},
        {"(a)\\1", "\\1"},
        {"\\Ga", "\\G"},
        {"\\Kx", "\\K"},
        {"[[:alpha:]]", "class inside a class"},
        {"[a&&b]", "&&"},
        {"[]a]", "] at the beginning"},
        {"[a", "class without end"},
        {"(*UTF)a", "(*"},
        {"(?<n>a)", "kind of group"},
        {"(?i)a", "kind of group"},
        {"(?m:a)", "kind of group"},
        {"(?#c)", "kind of group"},
        {"(?~a)", "kind of group"},
        {"a{1,2}+", "possessive interval"},
        {"a{,2}", "{,n}"},
        {"\\p{Foo}", "unknown"},
        {"\\p{", "property"},
        {"\\pL", "\\p without {"},
        {"\\u12", "\\u without"},
        {"(a", "missing closing"},
        {"\\", "\\?"},
        {"*a", "regex"},
        {"[b-a]", "range out of order"},
    };
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        refused(strange[i][0], strange[i][1]);
    }
    char *longest = calloc(PATTERN_BYTES_MAX + 2, 1);
    memset(longest, 'a', PATTERN_BYTES_MAX + 1);
    refused(longest, "is longer than");
    free(longest);
    refused("\xff", "not UTF-8");
}

/* A text on which the expression takes exponential time ends with an error, not with patience. */
Test(pattern, limits, .timeout = 60) {
    static const char *const slow[] = {"(a+)+$", "(a|aa)+$", "(a|a)*[bd]", "(?:a*)*[bd]"};
    for (size_t i = 0; i < sizeof slow / sizeof slow[0]; i++) {
        pattern *p;
        matcher m = {0};
        error e = {0};
        span found;
        pattern_walk walk = PATTERN_WALK;
        cr_assert_eq(pattern_open(&p, slice_of(slow[i]), true, &e), OK, "%s", e.text);
        cr_expect_eq(pattern_next(p, &m, slice_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"), &walk, &found, &e), E_RUN,
                     "%s", slow[i]);
        cr_expect(strstr(e.text, "gives up at byte 0"), "%s", e.text);
        matcher_close(&m);
        pattern_close(&p);
    }
}

/* Long runs are plain work for a plain expression. */
Test(pattern, long_runs, .timeout = 60) {
    const size_t n = 1 << 20;
    uint8_t *spaces = malloc(n);
    memset(spaces, ' ', n);
    span found[4];
    const char *regex = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    cr_expect_eq(spans_of(regex, &engine_pcre2, (slice){spaces, n}, found, 4), 1);
    cr_expect_eq(found[0].end, n);
    free(spaces);
}

Test(pattern, empty_matches) {
    span found[8];
    cr_expect_eq(spans_of("x*", NULL, slice_of("ax\xc3\xa9"), found, 8), 3); /* before a, x, at the end; none right after x */
    cr_expect(found[0].end == 0 && found[1].begin == 1 && found[1].end == 2 && found[2].begin == 4);
}
