/* Recipes: patterns, their order, what is refused and where, mutations. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "quantize/recipe.h"

enum { LAYERS = 30 };

static const char *spelling(const format *f) {
    static char name[FORMAT_NAME];
    format_name(f, name);
    return name;
}

static const char *chosen(recipe *r, const char *name, const char *from) {
    format f;
    error e;
    const status s = recipe_choose(r, &(named){name, from, LAYERS}, &f, &e);
    return s == OK ? spelling(&f) : "none";
}

static bool matches(const char *text, const char *name) {
    selector p;
    size_t at;
    error e = {0};
    cr_assert_eq(selector_open(&p, text, strlen(text), &at, &e), OK, "%s: %s", text, e.text);
    const bool yes = selector_matches(&p, &(named){name, "model.layers.0.mlp.down_proj.weight", LAYERS});
    selector_close(&p);
    return yes;
}

TestSuite(recipe, .init = folder_open, .fini = folder_close);

Test(recipe, patterns_match_names) {
    const struct {
        const char *pattern, *name;
        bool yes;
    } cases[] = {
        {"*", "embed", true},
        {"embed", "embed", true},
        {"emb", "embed", false},
        {"*.down", "layers.11.down", true},
        {"*.down", "layers.11.down_bias", false},
        {"layers.1?.*", "layers.11.q", true},
        {"layers.1?.*", "layers.1.q", false},
        {"*a*b*c", "aXbYbZc", true},
        {"*a*b*c", "aXbYbZ", false},
        {"*mlp.down_proj*", "x", true},
        {"/[qk]$/", "layers.1.k", true},
        {"/^[qk]$/", "layers.1.k", false},
        {"/a b/", "a b", true},
        {"layers[0].q", "layers.0.q", true},
        {"layers[0].q", "layers.1.q", false},
        {"layers[0].q", "layers.0.k", false},
        {"layers[2-3, 7].*", "layers.3.k", true},
        {"layers[2-3, 7].*", "layers.4.k", false},
        {"layers[2-3, 7].*", "layers.7.k", true},
        {"layers[first 2].v", "layers.1.v", true},
        {"layers[first 2].v", "layers.2.v", false},
        {"layers[last 2].v", "layers.28.v", true},
        {"layers[last 2].v", "layers.27.v", false},
        {"layers[last 99].v", "layers.0.v", true},
        {"layers[first 1/8].v", "layers.3.v", true}, /* 30 / 8, rounded up, are 4 */
        {"layers[first 1/8].v", "layers.4.v", false},
        {"layers[last 1/8].v", "layers.26.v", true},
        {"layers[last 1/8].v", "layers.25.v", false},
        {"layers[every 3].v", "layers.27.v", true},
        {"layers[every 3].v", "layers.28.v", false},
        {"layers[ first 1 / 8 ,last 1].v", "layers.29.v", true},
        {"layers[0].q", "embed", false},
        {"layers[0].q", "layers.x.q", false},
        {"layers[99].q", "layers.99.q", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(matches(cases[i].pattern, cases[i].name), cases[i].yes, "%s, %s", cases[i].pattern, cases[i].name);
    }
}

Test(recipe, a_part_of_few_layers_is_at_least_one) {
    selector p;
    size_t at;
    cr_assert_eq(selector_open(&p, "layers[first 1/8].v", strlen("layers[first 1/8].v"), &at, NULL), OK);
    cr_expect(selector_matches(&p, &(named){"layers.0.v", "", 1}));
    cr_expect_not(selector_matches(&p, &(named){"layers.1.v", "", 7}));
    selector_close(&p);
}

Test(recipe, the_default_keeps_embedding_and_head_at_eight_bits) {
    const char *const cases[][3] = {{"q4", "q5", "q4"},
                                    {"q4-b32", "q5", "q4-b32"},
                                    {"km4", "q5", "km4"},
                                    {"ternary", "q3", "ternary"},
                                    {"q5a", "q6", "q5a"},
                                    {"q8-b32", "q8-b32", "q8-b32"},
                                    {"f16", "f16", "f16"},
                                    {"q4@token", "q5@token", "q4@token"},
                                    {"km4-b32@f32", "q5@f32", "km4-b32@f32"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        recipe r;
        cr_assert_eq(recipe_open(&r, &(recipe_wish){.format = cases[i][0]}, NULL), OK);
        cr_expect_str_eq(chosen(&r, "embed", "model.embed_tokens.weight"), cases[i][1]);
        cr_expect_str_eq(chosen(&r, "head", "lm_head.weight"), cases[i][1]);
        cr_expect_str_eq(chosen(&r, "layers.0.q", "model.layers.0.self_attn.q_proj.weight"), cases[i][2]);
        recipe_close(&r);
    }
}

Test(recipe, the_last_rule_that_matches_wins) {
    const char *const rules[] = {"down=q8", "layers\\.1\\.=f16", "q_proj=q4a", "a=b|down$=q4-b32"};
    recipe r;
    cr_assert_eq(recipe_open(&r, &(recipe_wish){"q4", NULL, "km4", "bf16", rules, 4}, NULL), OK);
    cr_expect_str_eq(chosen(&r, "layers.0.down", "model.layers.0.mlp.down_proj.weight"), "q4-b32");
    cr_expect_str_eq(chosen(&r, "layers.1.up", "model.layers.1.mlp.up_proj.weight"), "f16");
    cr_expect_str_eq(chosen(&r, "layers.1.q", "model.layers.1.self_attn.q_proj.weight"), "q4a");
    cr_expect_str_eq(chosen(&r, "layers.2.up", "model.layers.2.mlp.up_proj.weight"), "q4");
    cr_expect_str_eq(chosen(&r, "embed", "model.embed_tokens.weight"), "km4");
    cr_expect_str_eq(chosen(&r, "head", "lm_head.weight"), "bf16");
    cr_expect_eq(recipe_check(&r, true, NULL), OK);
    recipe_close(&r);
}

Test(recipe, a_file_says_all) {
    const char *path = folder_path("r.txt");
    file_write_text(path, "\xef\xbb\xbf# a recipe \xc3\xa9\r\n\r\n*\tq4 # all\r\n  embed   q8\r\nlayers[last 2].v f16#no\n*.lost q8");
    recipe r;
    error e = {0};
    cr_expect_eq(recipe_open(&r, &(recipe_wish){.recipe = path}, &e), E_FILE);
    cr_expect(strstr(e.text, "r.txt: line 5, column 18: unknown format 'f16#no'"), "%s", e.text);
    recipe_close(&r);
    file_write_text(path, "* q4 # all\n  embed q8\nlayers[last 2].v f16\n*.lost q8");
    const char *const rules[] = {"layers.0.v=q4a"};
    cr_assert_eq(recipe_open(&r, &(recipe_wish){.recipe = path, .rules = rules, .n_rules = 1}, &e), OK, "%s", e.text);
    cr_expect_str_eq(chosen(&r, "embed", "e"), "q8");
    cr_expect_str_eq(chosen(&r, "layers.29.v", "e"), "f16");
    cr_expect_str_eq(chosen(&r, "layers.27.v", "e"), "q4");
    cr_expect_str_eq(chosen(&r, "layers.0.v", "e"), "q4a");
    size_t next = 0;
    const recipe_rule *unused = recipe_unused(&r, &next);
    cr_assert(unused && unused->line == 4 && !strcmp(unused->pattern.text, "*.lost"));
    cr_expect_null(recipe_unused(&r, &next));
    json_t *list = recipe_rules(&r);
    cr_expect_eq(json_array_size(list), 4);
    cr_expect_str_eq(json_string_value(json_array_get(list, 2)), "layers[last 2].v f16");
    json_decref(list);
    recipe_close(&r);
}

Test(recipe, a_matrix_without_a_rule_is_named) {
    recipe r;
    error e = {0};
    format f;
    const char *path = folder_path("r.txt");
    file_write_text(path, "embed q8\n");
    cr_assert_eq(recipe_open(&r, &(recipe_wish){.recipe = path}, &e), OK);
    cr_expect_eq(recipe_choose(&r, &(named){"layers.0.q", "x", LAYERS}, &f, &e), E_USAGE);
    cr_expect(strstr(e.text, "layers.0.q"), "%s", e.text);
    recipe_close(&r);
    cr_assert_eq(recipe_open(&r, &(recipe_wish){.format = "q4", .recipe = path}, &e), OK);
    cr_expect_str_eq(chosen(&r, "layers.0.q", "x"), "q4");
    recipe_close(&r);
}

Test(recipe, wishes_that_mean_nothing_are_refused) {
    const struct {
        const char *rule, *says;
    } bad[] = {{"down", "REGEX=FORMAT"},
               {"=q4", "REGEX=FORMAT"},
               {"down=q44", "unknown format 'q44'"},
               {"do(wn=q4", "regular expression"},
               {"norm=q8", "no matrix"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        recipe r;
        error e = {0};
        status s = recipe_open(&r, &(recipe_wish){.format = "q4", .rules = &bad[i].rule, .n_rules = 1}, &e);
        if (s == OK) {
            chosen(&r, "layers.0.down", "model.layers.0.mlp.down_proj.weight");
            s = recipe_check(&r, true, &e);
        }
        cr_expect_eq(s, E_USAGE);
        cr_expect(strstr(e.text, bad[i].says), "%s", e.text);
        recipe_close(&r);
    }
    recipe r;
    error e = {0};
    cr_assert_eq(recipe_open(&r, &(recipe_wish){.format = "q4", .output = "q8"}, NULL), OK);
    cr_expect_eq(recipe_check(&r, false, NULL), E_USAGE);
    recipe_close(&r);
    cr_expect_eq(recipe_open(&r, &(recipe_wish){.format = "q4-mux"}, &e), E_USAGE);
    cr_expect(strstr(e.text, "did you mean 'q4-mix'"), "%s", e.text);
    recipe_close(&r);
    cr_expect_eq(recipe_open(&r, &(recipe_wish){0}, &e), E_USAGE);
    recipe_close(&r);
    cr_expect_eq(recipe_open(&r, &(recipe_wish){.recipe = "/nowhere/at.all"}, &e), E_FILE);
    recipe_close(&r);
}

Test(recipe, errors_name_line_and_column) {
    const struct {
        const char *text, *says;
    } bad[] = {
        {"* q4\n*.down", "r: line 2, column 7: a format is missing"},
        {"*.down # q8", "r: line 1, column 8: a format is missing"},
        {"* q4 q5", "r: line 1, column 6: more than a pattern and a format"},
        {"* q44x", "r: line 1, column 3: unknown format 'q44x'"},
        {"* qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", "column 3: is not the name"},
        {"a[1] q4", "column 2: brackets stand only after 'layers'"},
        {"layers[1]q q4", "column 10: '.' and a name"},
        {"layers[1 q4", "column 10: ',' or ']' is missing"},
        {"layers[] q4", "column 8: a number is missing"},
        {"layers[furst 2].q q4", "column 8: unknown word"},
        {"layers[first 0].q q4", "column 14: the number is not in 1 .. 1000000"},
        {"layers[first 1/0].q q4", "column 16: the number is not in"},
        {"layers[99999999999999999999].q q4", "column 8: the number is not in"},
        {"layers[5-3].q q4", "column 10: the range ends before it begins"},
        {"layers[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1].q q4", "more than 16 choices"},
        {"/(/ q4", "column 2: '(' is not a regular expression"},
        {"// q4", "column 2: the regular expression is empty"},
        {"/(a{1,99}){1,99}/ q4", "column 4: '{' is not allowed"},
        {"/(a)\\1/ q4", "column 5: back references"},
        {"/abc q4", "column 7: a regular expression ends with '/'"},
        {"*\x01 q4", "column 2: the byte 0x01 has no place"},
        {"\xc3\xa9 q4", "column 1: the byte 0xc3 has no place"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        recipe r = {0};
        error e = {0};
        cr_expect_eq(recipe_read(&r, bad[i].text, strlen(bad[i].text), "r", &e), E_FILE, "%s", bad[i].text);
        cr_expect(strstr(e.text, bad[i].says), "%s: %s", bad[i].text, e.text);
        recipe_close(&r);
    }
    char longer[400];
    memset(longer, 'a', sizeof longer);
    recipe r = {0};
    error e = {0};
    cr_expect_eq(recipe_read(&r, longer, sizeof longer, "r", &e), E_FILE);
    recipe_close(&r);
}

/* Every byte of a recipe replaced, removed and cut: a recipe or one clear line, and nothing else. */
Test(recipe, mutations_are_recipes_or_refused) {
    static const char good[] = "# all\n* q4\nlayers[first 1/8, last 2, 4-5, every 3].down q8 # why\n/[qk]$/ q4a\n*.v\tf16\n";
    static const char bytes[] = {0, ' ', '\n', '#', '/', '[', ']', '-', ',', '*', '9', 'a', '(', '\\', (char)0xff};
    for (size_t i = 0; i < sizeof good; i++) {
        for (size_t j = 0; j <= sizeof bytes; j++) {
            char text[sizeof good];
            size_t n = sizeof good - 1;
            memcpy(text, good, sizeof good);
            if (j < sizeof bytes) {
                text[i] = bytes[j];
            } else {
                n = i;
            }
            recipe r = {0};
            error e = {0};
            if (recipe_read(&r, text, n, "r", &e) == OK) {
                chosen(&r, "layers.3.down", "model.layers.3.mlp.down_proj.weight");
                chosen(&r, "embed", "x");
            } else {
                cr_expect(strstr(e.text, "r: line ") == e.text && !strchr(e.text, '\n'), "%s", e.text);
            }
            recipe_close(&r);
        }
    }
}

Test(recipe, the_built_in_ones_are_good) {
    for (const builtin_recipe *b = builtin_recipes; b->name; b++) {
        recipe r;
        error e = {0};
        cr_assert_eq(recipe_open(&r, &(recipe_wish){.format = b->name}, &e), OK, "%s", e.text);
        cr_expect_str_neq(chosen(&r, "embed", "model.embed_tokens.weight"), "none");
        cr_expect_str_neq(chosen(&r, "layers.7.gate", "model.layers.7.mlp.gate_proj.weight"), "none");
        cr_expect_str_neq(chosen(&r, "head", "lm_head.weight"), "none");
        size_t next = 0;
        cr_expect_null(recipe_unused(&r, &next));
        recipe_close(&r);
    }
}
