/* JSON Schemas: what is generated is parsed by jansson and checked by a validator of the test's own; schemas that are refused; which texts are allowed. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "constrained.h"
#include "files.h"
#include "json_valid.h"
#include "text/schema.h"

/* ---- what is generated ---- */

static const char *const drawn[] = {
    "{}",
    "{\"type\":\"object\"}",
    "{\"type\":\"array\",\"maxItems\":4}",
    "{\"type\":\"string\"}",
    "{\"type\":[\"string\",\"null\",\"integer\"]}",
    "{\"type\":\"number\"}",
    "{\"type\":\"integer\"}",
    "{\"type\":\"string\",\"minLength\":3,\"maxLength\":5}",
    "{\"type\":\"string\",\"maxLength\":40}",
    "{\"minLength\":2}",
    "{\"pattern\":\"^[a-c]+\\\\d{2,3}(x|y z)?$\"}",
    "{\"pattern\":\"\\\\d\\\\d\"}",
    "{\"pattern\":\"^a|b$\"}",
    "{\"pattern\":\"^\\\\w{1,4}@\\\\S[^a-z\\\"]+\\\\.$\"}",
    "{\"pattern\":\"^[\\\\u00e0-\\\\u4e2d\\\\\\\\\\\"\\\\n\\\\t]{1,6}$\"}",
    "{\"format\":\"date\"}",
    "{\"format\":\"date-time\"}",
    "{\"format\":\"uuid\"}",
    "{\"format\":\"ipv4\"}",
    "{\"format\":\"email\"}",
    "{\"type\":\"integer\",\"minimum\":-17,\"maximum\":1234}",
    "{\"type\":\"integer\",\"minimum\":98,\"exclusiveMaximum\":101}",
    "{\"type\":\"integer\",\"maximum\":-5}",
    "{\"type\":\"integer\",\"exclusiveMinimum\":12345}",
    "{\"type\":\"integer\",\"minimum\":0.5,\"maximum\":3.5}",
    "{\"type\":\"number\",\"minimum\":0.5,\"maximum\":12.25}",
    "{\"type\":\"number\",\"exclusiveMinimum\":0,\"exclusiveMaximum\":1}",
    "{\"type\":\"number\",\"minimum\":-2.5,\"exclusiveMaximum\":-0.125}",
    "{\"type\":\"number\",\"minimum\":-1.75,\"maximum\":0.001}",
    "{\"type\":\"number\",\"minimum\":99.5}",
    "{\"enum\":[\"red\",\"green\\\"\\n\",1,1.5,null,true,[1,{\"a\":2}]]}",
    "{\"type\":\"string\",\"enum\":[\"red\",3]}",
    "{\"const\":{\"a\":[0.1,-2]}}",
    "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"minItems\":2,\"maxItems\":3}",
    "{\"type\":\"array\",\"items\":{\"enum\":[1,2]},\"minItems\":1}",
    "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":3},\"minItems\":20,\"maxItems\":30}",
    "{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\",\"maxLength\":2}],\"items\":false}",
    "{\"prefixItems\":[{\"type\":\"null\"}],\"items\":{\"type\":\"integer\"},\"maxItems\":3}",
    "{\"prefixItems\":[{\"type\":\"null\"}],\"minItems\":2,\"maxItems\":2}",
    "{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"string\"},\"c\":{\"type\":\"null\"}},\"required\":[\"b\"]}",
    "{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"null\"}}}",
    "{\"properties\":{\"a\":{\"type\":\"integer\"},\"ab\":{\"type\":\"null\"},\"\xc3\xa9\":{\"type\":\"null\"}},\"additionalProperties\":{\"type\":"
    "\"boolean\"}}",
    "{\"required\":[\"x\",\"name\"],\"properties\":{\"name\":{\"maxLength\":4}},\"additionalProperties\":{\"type\":\"null\"}}",
    "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}",
    "{\"type\":\"object\",\"additionalProperties\":false}",
    "{\"properties\":{\"a\":false,\"q\\\"\\\\\":true}}",
    "{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"string\",\"maxLength\":3},{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]}]}",
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"],\"oneOf\":[{\"properties\":{\"k\":{\"const\":\"x\"}},"
    "\"required\":[\"k\"]},"
    "{\"properties\":{\"k\":{\"const\":\"y\"},\"z\":{\"type\":\"null\"}},\"required\":[\"k\",\"z\"]}]}",
    "{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":3}},\"required\":[\"a\"]},{\"properties\":{\"b\":{\"type\":\"null\"},\"a\":"
    "{\"maximum\":12}}}]}",
    "{\"allOf\":[{\"anyOf\":[{\"minimum\":5,\"type\":\"integer\"},{\"type\":\"string\"}]},{\"anyOf\":[{\"maximum\":7,\"type\":\"number\"},{\"type\":"
    "\"null\"}]}]}",
    "{\"$ref\":\"#/$defs/"
    "node\",\"$defs\":{\"node\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},\"next\":{\"anyOf\":[{\"$ref\":\"#/$defs/node\"},"
    "{\"type\":\"null\"}]}},\"required\":[\"v\",\"next\"]}}}",
    "{\"type\":\"object\",\"properties\":{\"kids\":{\"type\":\"array\",\"items\":{\"$ref\":\"#\"},\"maxItems\":2}}}",
    "{\"$defs\":{\"s\":{\"type\":\"string\"}},\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/"
    "s\",\"maxLength\":2,\"description\":\"short\"}},\"required\":[\"a\"]}",
};

static void check_one(const char *schema, const json_t *document, const grammar *g, const char *text, size_t bytes) {
    json_error_t why;
    json_t *value = json_loadb(text, bytes, JSON_DECODE_ANY, &why);
    cr_assert_not_null(value, "%s: %s: %s", schema, text, why.text);
    cr_assert(json_valid(document, value), "%s does not accept %s", schema, text);
    cr_assert(grammar_matches(g, text, bytes), "%s", text);
    json_decref(value);
}

Test(schema, every_text_is_accepted, .timeout = 600) {
    size_t made = 0, all = 0;
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++) {
        grammar *g = grammar_of(drawn[i]);
        json_t *document = json_loads(drawn[i], JSON_DECODE_ANY, NULL);
        for (uint64_t seed = 0; seed < 20; seed++) {
            size_t n;
            char *text = draw_text(g, seed + 100 * i, seed < 2, &n);
            all++;
            if (!text) continue;
            made++;
            check_one(drawn[i], document, g, text, n);
            free(text);
        }
        json_decref(document);
        grammar_close(&g);
    }
    cr_assert(made * 10 >= all * 8, "%zu of %zu texts came to their end", made, all);
}

/* Integers between any two bounds, one by one. */
Test(schema, integers_are_exact) {
    static const int bounds[] = {-120, -100, -99, -11, -10, -9, -1, 0, 1, 5, 9, 10, 11, 19, 20, 99, 100, 101, 119};
    enum { N = sizeof bounds / sizeof *bounds };
    for (size_t a = 0; a < N; a++) {
        for (size_t b = a; b < N; b++) {
            char text[100];
            snprintf(text, sizeof text, "{\"type\":\"integer\",\"minimum\":%d,\"maximum\":%d}", bounds[a], bounds[b]);
            grammar *g = grammar_of(text);
            for (int x = -130; x <= 130; x++) {
                const int n = snprintf(text, sizeof text, "%d", x);
                cr_assert_eq(grammar_matches(g, text, (size_t)n), bounds[a] <= x && x <= bounds[b], "%d in %d .. %d", x, bounds[a], bounds[b]);
            }
            cr_assert(!grammar_matches(g, "-0", 2) && !grammar_matches(g, "05", 2));
            grammar_close(&g);
        }
    }
}

/* Thousandths between any two bounds, open and closed. */
Test(schema, decimals_are_exact) {
    static const char *const bounds[] = {"-2", "-1.25", "-0.5", "-0.011", "0", "0.1", "0.25", "1", "1.5", "1.999"};
    enum { N = sizeof bounds / sizeof *bounds };
    for (size_t k = 0; k < 4 * N * N; k++) {
        const size_t a = k / 4 / N, b = k / 4 % N;
        const bool low_open = k & 1, high_open = k & 2;
        const double low = atof(bounds[a]), high = atof(bounds[b]);
        char text[120];
        if (low >= high) continue;
        snprintf(text, sizeof text, "{\"type\":\"number\",\"%s\":%s,\"%s\":%s}", low_open ? "exclusiveMinimum" : "minimum", bounds[a],
                 high_open ? "exclusiveMaximum" : "maximum", bounds[b]);
        grammar *g = grammar_of(text);
        for (int i = -2100; i <= 2100; i += 1) {
            const int n = snprintf(text, sizeof text, "%s%d.%03d", i < 0 ? "-" : "", abs(i) / 1000, abs(i) % 1000);
            const double x = atof(text);
            const bool in = (low_open ? x > low : x >= low) && (high_open ? x < high : x <= high);
            cr_assert_eq(grammar_matches(g, text, (size_t)n), in, "%s in %s .. %s (%zu)", text, bounds[a], bounds[b], k % 4);
        }
        grammar_close(&g);
    }
}

/* ---- which texts ---- */

typedef struct accepted {
    const char *schema;
    const char *yes[6], *no[6];
} accepted;

static const accepted texts[] = {
    {"{\"type\":\"string\"}",
     {"\"\"", "\"a\\n\\u00e9\\ud83d\\ude00\"", "\"\xc3\xa9\""},
     {"\"", "a", "\"\n\"", "\"\\x\"", "\"\\ud800\"", "\"\\u0000\""}},
    {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":2}", {"\"ab\"", "\"\xc3\xa9\\n\""}, {"\"a\"", "\"abc\""}},
    {"{\"type\":\"number\"}", {"0", "-1.5e+10", "12"}, {"01", "1.", ".5", "1e", "+1", "1e100"}},
    {"{\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{\"type\":\"null\"}}}",
     {"{}", "{\"a\":null}", "{\"b\": null}", "{\n  \"a\": null,\n  \"b\": null\n}"},
     {"{\"b\":null,\"a\":null}", "{\"c\":null}", "{\"a\":null,}", "{,}", " {}", "{}\n"}},
    {"{\"properties\":{\"ab\":{\"type\":\"null\"}},\"additionalProperties\":{\"type\":\"integer\"}}",
     {"{\"a\":1}", "{\"abc\":1}", "{\"\":1,\"b\":2}", "{\"ab\":null,\"ac\":1}"},
     {"{\"ab\":1}", "{\"a\":1,\"ab\":null}", "{\"a\":null}"}},
    {"{\"pattern\":\"^a.c$\"}",
     {"\"abc\"", "\"a\\\"c\"", "\"a\\\\c\"",
      "\"a\xc3\xa9"
      "c\""},
     {"\"a\\nc\"", "\"abcd\"", "\"a\"c\""}},
    {"{\"pattern\":\"b\"}", {"\"b\"", "\"abc\"", "\"\\nb\""}, {"\"a\"", "\"\""}},
    {"{\"pattern\":\"^(?:a|(?<x>b))*?\\\\/[\\\\d-]$\"}", {"\"ab/1\"", "\"/-\""}, {"\"/a\"", "\"c/1\""}},
    {"{\"format\":\"date\"}", {"\"2024-02-28\"", "\"1999-12-31\""}, {"\"2024-02-30\"", "\"2024-13-01\"", "\"2024-04-31\""}},
    {"{\"enum\":[\"a\\\"b\",1.5,{\"k\":[]}]}", {"\"a\\\"b\"", "1.5", "{\"k\":[]}"}, {"\"a\"", "1.50"}},
    {"{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":1,\"maxItems\":2}",
     {"[null]", "[ null, null ]"},
     {"[]", "[null,null,null]", "[null,]"}},
    {"{\"type\":\"integer\",\"allOf\":[{\"minimum\":3},{\"maximum\":4}]}", {"3", "4"}, {"2", "5"}},
    {"{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"null\"}},\"additionalProperties\":false},{\"properties\":{\"b\":{\"type\":\"null\"}}}]}",
     {"{\"a\":null}", "{}"},
     {"{\"b\":null}"}},
};

Test(schema, accepts_what_it_says) {
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const accepted *t = &texts[i];
        grammar *g = grammar_of(t->schema);
        for (size_t k = 0; k < 6 && t->yes[k]; k++) cr_expect(grammar_matches(g, t->yes[k], strlen(t->yes[k])), "%s: not %s", t->schema, t->yes[k]);
        for (size_t k = 0; k < 6 && t->no[k]; k++) cr_expect(!grammar_matches(g, t->no[k], strlen(t->no[k])), "%s: %s", t->schema, t->no[k]);
        grammar_close(&g);
    }
}

/* ---- what is refused ---- */

typedef struct wrong {
    const char *schema, *message;
} wrong;

static const wrong wrongs[] = {
    {"", "JSON"},
    {"[]", "#: this is no schema"},
    {"{\"type\":\"text\"}", "#: the type 'text' is not known"},
    {"{\"type\":[\"string\",3]}", "#: the type '(not a string)' is not known"},
    {"{\"properties\":{\"a\":{\"items\":{\"requird\":[]}}}}", "#/properties/a/items: the keyword 'requird' is not supported"},
    {"{\"not\":{}}", "#: the keyword 'not' is not supported"},
    {"{\"if\":{}}", "'if'"},
    {"{\"type\":\"array\",\"uniqueItems\":true}", "'uniqueItems'"},
    {"{\"type\":\"object\",\"minProperties\":1}", "'minProperties'"},
    {"{\"patternProperties\":{}}", "'patternProperties'"},
    {"{\"multipleOf\":2}", "'multipleOf'"},
    {"{\"properties\":3}", "'properties' is no object"},
    {"{\"properties\":{\"a\":3}}", "#/properties/a: this is no schema"},
    {"{\"required\":\"a\"}", "'required' is no list"},
    {"{\"required\":[1]}", "'required' has an entry"},
    {"{\"required\":[\"a\"],\"additionalProperties\":false}", "'a' is required, but 'additionalProperties' forbids it"},
    {"{\"required\":[\"a\"],\"properties\":{\"a\":false}}", "the property 'a' is required and can have no value"},
    {"{\"minLength\":3,\"maxLength\":2}", "minLength 3 is more than maxLength 2"},
    {"{\"minLength\":-1}", "'minLength' is not a number of things"},
    {"{\"minLength\":1e300}", "minLength"},
    {"{\"minItems\":3,\"maxItems\":2}", "minItems 3 is more than maxItems 2"},
    {"{\"prefixItems\":[true],\"items\":false,\"minItems\":2}", "minItems is 2, but only 1 items are allowed"},
    {"{\"minimum\":3,\"maximum\":2,\"type\":\"number\"}", "no number is between 3 and 2"},
    {"{\"minimum\":1.2,\"maximum\":1.8,\"type\":\"integer\"}", "no integer is between"},
    {"{\"minimum\":\"1\"}", "'minimum' is not a number"},
    {"{\"minimum\":1e-300}", "too large or too small"},
    {"{\"pattern\":\"a\",\"maxLength\":3}", "'pattern' together with a length"},
    {"{\"properties\":{\"a\":{\"pattern\":\"(?=a)\"}}}", "#/properties/a: pattern \"(?=a)\": looking around is not supported"},
    {"{\"pattern\":\"a^b\"}", "an anchor inside"},
    {"{\"pattern\":\"(a\"}", "a group without its )"},
    {"{\"pattern\":\"a)\"}", "a ) without its group"},
    {"{\"pattern\":\"[a\"}", "a class without its ]"},
    {"{\"pattern\":\"*a\"}", "nothing stands before this"},
    {"{\"pattern\":\"\\\\bx\"}", "this escape is not supported"},
    {"{\"pattern\":\"a{2,1}\"}", "a repetition is not"},
    {"{\"pattern\":3}", "'pattern' is not a string"},
    {"{\"format\":\"regex\"}", "the format 'regex' is not supported"},
    {"{\"enum\":3}", "'enum' is no list"},
    {"{\"enum\":[]}", "#: nothing can be what this schema wants"},
    {"{\"enum\":[1],\"minimum\":0}", "'enum' together with other restrictions"},
    {"{\"anyOf\":[]}", "'anyOf' is no list of schemas"},
    {"{\"$ref\":\"http://example.org/x\"}", "the reference 'http://example.org/x' is not supported"},
    {"{\"$ref\":\"#/$defs/x\"}", "the reference '#/$defs/x' leads nowhere"},
    {"{\"$ref\":\"#\"}", "schema '#' refers to itself before anything else"},
    {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"anyOf\":[{\"$ref\":\"#/$defs/a\"},{\"type\":\"null\"}]}}}", "schema '#/$defs/a' refers to itself"},
    {"{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/a\"}],\"type\":\"string\"}},\"$ref\":\"#/$defs/a\"}", "refers to itself"},
    {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"properties\":{\"x\":{\"$ref\":\"#/$defs/a\"}},\"required\":[\"x\"]}}}", "nothing matches"},
    {"{\"allOf\":[{\"pattern\":\"a\"},{\"pattern\":\"b\"}]}", "'pattern' stands in two schemas"},
};

Test(schema, says_what_is_wrong) {
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        grammar *g;
        error e = {0};
        cr_expect_eq(schema_open(&g, wrongs[i].schema, strlen(wrongs[i].schema), &e), E_FILE, "%s is not refused", wrongs[i].schema);
        cr_expect(strstr(e.text, wrongs[i].message), "%s: says '%s', not '%s'", wrongs[i].schema, e.text, wrongs[i].message);
        cr_expect(!strchr(e.text, '\n'));
        grammar_close(&g);
    }
}

/* Alternatives of alternatives multiply: that ends in a message, not in a long wait. */
Test(schema, limits_what_is_merged) {
    char text[4000];
    size_t n = (size_t)sprintf(text, "{\"allOf\":[");
    for (int i = 0; i < 24; i++) n += (size_t)sprintf(text + n, "%s{\"anyOf\":[{\"minimum\":%d},{\"maximum\":%d}]}", i ? "," : "", i, 1000 - i);
    sprintf(text + n, "]}");
    grammar *g;
    error e = {0};
    cr_assert_eq(schema_open(&g, text, strlen(text), &e), E_FILE);
    cr_assert(strstr(e.text, "hold together") || strstr(e.text, "deep"), "%s", e.text);
}

/* The page lists every keyword and format that there is. */
Test(schema, is_documented) {
    size_t bytes;
    char name[80];
    char *page = (char *)file_read("docs/grammar.md", &bytes);
    page = realloc(page, bytes + 1);
    page[bytes] = 0;
    for (size_t i = 0; schema_keyword(i); i++) {
        snprintf(name, sizeof name, "`%s`", schema_keyword(i));
        cr_expect(strstr(page, name), "docs/grammar.md does not know the keyword %s", name);
    }
    for (size_t i = 0; schema_format(i); i++) {
        snprintf(name, sizeof name, "`%s`", schema_format(i));
        cr_expect(strstr(page, name), "docs/grammar.md does not know the format %s", name);
    }
    free(page);
}
