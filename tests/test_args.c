#include "tools/args.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tools/help.h"

typedef struct settings {
    bool force, quick;
    const char *output, *kind;
    int64_t count;
    double heat;
    text_list types;
} settings;

static const option options[] = {
    {.name = "force", .letter = 'f', .kind = OPTION_FLAG, .offset = offsetof(settings, force), .help = "."},
    {.name = "quick", .letter = 'q', .kind = OPTION_FLAG, .offset = offsetof(settings, quick), .help = "."},
    {.name = "output", .letter = 'o', .kind = OPTION_TEXT, .value = "FILE", .offset = offsetof(settings, output), .help = "."},
    {.name = "kind",
     .kind = OPTION_TEXT,
     .value = "KIND",
     .offset = offsetof(settings, kind),
     .help = ".",
     .choices = "md|csv|json",
     .needs = "output|count"},
    {.name = "count", .letter = 'n', .kind = OPTION_INT, .value = "N", .offset = offsetof(settings, count), .min = -1, .max = 100, .help = "."},
    {.name = "heat",
     .kind = OPTION_FLOAT,
     .value = "X",
     .offset = offsetof(settings, heat),
     .min = 0,
     .max = 2,
     .help = ".",
     .alias = "t|temp-like",
     .excludes = "quick|force"},
    {.name = "tensor-type", .kind = OPTION_LIST, .value = "REGEX=FORMAT", .offset = offsetof(settings, types), .help = "."},
    {0},
};

static const command sample = {
    .name = "sample",
    .summary = ".",
    .usage = "MODEL [FORMAT]",
    .options = options,
    .settings_bytes = sizeof(settings),
    .defaults = &(const settings){.count = 7, .output = "default"},
    .min_operands = 1,
    .max_operands = 2,
};

const command *const commands[] = {&sample, NULL};

static args a;
static error e;
static args_want want;

/* Parses words separated by spaces; "_" stands for an empty word. */
static status parse(const char *line) {
    static char text[512];
    static char *argv[64];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *rest, *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) argv[argc++] = strcmp(word, "_") ? word : word + 1;
    args_free(&a);
    want = ARGS_RUN;
    return args_parse(&a, &sample, argc, argv, &want, &e);
}

static const settings *parsed(const char *line) {
    e.text[0] = 0;
    cr_assert_eq(parse(line), OK, "%s: %s", line, e.text);
    return a.settings;
}

static void refuses(const char *line, const char *says) {
    cr_assert_eq(parse(line), E_USAGE, "%s", line);
    cr_assert_str_eq(e.text, says);
}

static void done(void) {
    args_free(&a);
}

TestSuite(args, .fini = done);

Test(args, defaults_stay) {
    const settings *s = parsed("model");
    cr_assert_eq(s->count, 7);
    cr_assert_str_eq(s->output, "default");
    cr_assert_not(s->force);
    cr_assert_eq(a.given, 0);
    cr_assert_eq(a.n_operands, 1);
}

Test(args, options_and_operands_in_any_order) {
    const settings *s = parsed("--count 3 model -o out --force format --kind=csv");
    cr_assert_eq(s->count, 3);
    cr_assert_str_eq(s->output, "out");
    cr_assert_str_eq(s->kind, "csv");
    cr_assert(s->force);
    cr_assert_str_eq(a.operands[0], "model");
    cr_assert_str_eq(a.operands[1], "format");
}

Test(args, options_that_belong_together) {
    refuses("--kind csv model", "--kind has no meaning without --output");
    parsed("--kind csv model -n 3");
    refuses("--heat 1 -f model", "--heat cannot go with --force");
    setenv("QBIN_COUNT", "3", 1);
    parsed("--kind csv model");
    unsetenv("QBIN_COUNT");
    setenv("QBIN_KIND", "csv", 1);
    setenv("QBIN_FORCE", "1", 1);
    parsed("--heat 1 model"); /* what the environment wishes is for when it has a meaning */
    unsetenv("QBIN_KIND");
    unsetenv("QBIN_FORCE");
}

Test(args, letters_joined) {
    const settings *s = parsed("-fqn5 model");
    cr_assert(s->force && s->quick);
    cr_assert_eq(s->count, 5);
    cr_assert_str_eq(parsed("-fo- model")->output, "-");
}

Test(args, a_value_may_look_like_an_option) {
    cr_assert_eq(parsed("-n -1 model")->count, -1);
    cr_assert_str_eq(parsed("-o --help model")->output, "--help");
    cr_assert_str_eq(parsed("--output= model")->output, "");
    cr_assert_str_eq(parsed("--output=a=b model")->output, "a=b");
}

Test(args, two_dashes_end_the_options) {
    parsed("-f -- -q --bogus");
    cr_assert_eq(a.n_operands, 2);
    cr_assert_str_eq(a.operands[0], "-q");
    cr_assert_str_eq(parsed("-")->output, "default");
    cr_assert_str_eq(a.operands[0], "-");
}

Test(args, aliases_with_one_dash_or_two) {
    cr_assert_eq(parsed("-t 1.5 model")->heat, 1.5);
    cr_assert_eq(parsed("--t 1.5 model")->heat, 1.5);
    cr_assert_eq(parsed("-temp-like 0.5 model")->heat, 0.5);
    cr_assert_eq(parsed("--temp-like=0.25 model")->heat, 0.25);
    cr_assert_eq(parsed("-count 9 model")->count, 9);
}

Test(args, lists_keep_the_order) {
    char line[256] = "model";
    for (int i = 0; i < 10; i++) strcat(line, i % 2 ? " --tensor-type a=q4" : " --tensor-type b=q8");
    const settings *s = parsed(line);
    cr_assert_eq(s->types.n, 10);
    cr_assert_str_eq(s->types.items[0], "b=q8");
    cr_assert_str_eq(s->types.items[9], "a=q4");
}

Test(args, the_last_of_two_counts) {
    cr_assert_eq(parsed("-n 1 model -n 2")->count, 2);
}

Test(args, given_is_told_by_field) {
    parsed("-n 7 model");
    cr_assert(args_given(&a, offsetof(settings, count)));
    cr_assert_not(args_given(&a, offsetof(settings, output)));
}

Test(args, bad_lines_are_refused_with_a_reason) {
    refuses("model --forse", "unknown option '--forse'; did you mean '--force'?");
    refuses("model --tensor_type=x", "unknown option '--tensor_type=x'; did you mean '--tensor-type'?");
    refuses("model --helpp", "unknown option '--helpp'; did you mean '--help'?");
    refuses("model --zzzzzz", "unknown option '--zzzzzz'");
    refuses("model -z", "unknown option '-z'");
    refuses("model -fz", "unknown option '-fz'");
    refuses("model -o", "-o wants a value: FILE");
    refuses("model --output", "--output wants a value: FILE");
    refuses("model --force=1", "--force takes no value");
    refuses("model --kind jsn", "--kind: 'jsn' is not a choice; did you mean 'json'? Known: md csv json");
    refuses("model --kind _", "--kind: '' is not a choice; known: md csv json");
    refuses("", "1 operand is missing: sample MODEL [FORMAT]");
    refuses("a b c", "unexpected operand 'c'");
}

Test(args, numbers_are_whole_and_in_range) {
    refuses("model -n 101", "-n: 101 is not between -1 and 100");
    refuses("model -n -2", "-n: -2 is not between -1 and 100");
    refuses("model -n 1.5", "-n: '1.5' is not a whole number");
    refuses("model -n 0x10", "-n: '0x10' is not a whole number");
    refuses("model -n _", "-n: '' is not a whole number");
    refuses("model -n 99999999999999999999", "-n: 99999999999999999999 is too large");
    refuses("model --heat nan", "--heat: 'nan' is not a number");
    refuses("model --heat inf", "--heat: 'inf' is not a number");
    refuses("model --heat 1e", "--heat: '1e' is not a number");
    refuses("model --heat 2.5", "--heat: 2.5 is not between 0 and 2");
}

Test(args, help_and_version_need_nothing_else) {
    cr_assert_eq(parse("--help"), OK);
    cr_assert_eq(want, ARGS_HELP);
    cr_assert_eq(parse("a b c -h"), OK);
    cr_assert_eq(want, ARGS_HELP);
    cr_assert_eq(parse("--version"), OK);
    cr_assert_eq(want, ARGS_VERSION);
}

Test(args, the_environment_fills_what_is_not_given) {
    setenv("QBIN_COUNT", "42", 1);
    setenv("QBIN_FORCE", "yes", 1);
    setenv("QBIN_TENSOR_TYPE", "x=q8", 1);
    setenv("QBIN_OUTPUT", "", 1); /* empty is unset */
    const settings *s = parsed("model");
    cr_assert_eq(s->count, 42);
    cr_assert(s->force);
    cr_assert_str_eq(s->types.items[0], "x=q8");
    cr_assert_str_eq(s->output, "default");
    cr_assert(args_given(&a, offsetof(settings, count)));
    s = parsed("-n 1 --tensor-type y=q4 model");
    cr_assert_eq(s->count, 1);
    cr_assert_eq(s->types.n, 1);
    setenv("QBIN_COUNT", "many", 1);
    refuses("model", "QBIN_COUNT: 'many' is not a whole number");
    setenv("QBIN_COUNT", "1", 1);
    setenv("QBIN_FORCE", "maybe", 1);
    refuses("model", "QBIN_FORCE: 'maybe' is neither 1 nor 0");
}

/* ---- help, from the same table ---- */

Test(help, names_every_option_and_wraps) {
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    help_command(f, &sample, "sample");
    help_markdown(f);
    help_completion(f);
    fclose(f);
    for (const option *o = options; o->name; o++) cr_assert_not_null(strstr(text, o->name), "%s", o->name);
    cr_assert_not_null(strstr(text, "One of md|csv|json."));
    cr_assert_not_null(strstr(text, "-n, --count N"));
    free(text);
}
