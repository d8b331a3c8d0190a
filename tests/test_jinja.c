/* Chat templates: every case of the reference, where the text comes from, and templates that mean harm. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "text/jinja.h"

#define OWN "tests/data/templates"

static const char *const not_variables[] = {"name", "template", "now", "expected", "error", "error_type", "apply"};

/* ---- one rendering ---- */

typedef struct outcome {
    status status;
    jinja_output out;
    jinja_failure why;
    error e;
} outcome;

static outcome render(const char *source, size_t bytes, const jinja_input *in) {
    outcome o = {0};
    jinja *j;
    o.status = jinja_compile(&j, source, bytes, &o.why, &o.e);
    if (o.status == OK) o.status = jinja_render(j, in, &o.out, &o.why, &o.e);
    jinja_close(&j);
    return o;
}

static outcome render_text(const char *source, const char *variables) {
    json_t *json = json_loads(variables, 0, NULL);
    cr_assert(json_is_object(json));
    const outcome o = render(source, strlen(source), &(jinja_input){.variables = json});
    json_decref(json);
    return o;
}

/* Spans follow each other from the first byte to the last, and differ. */
static bool spans_are_whole(const jinja_output *out) {
    size_t at = 0;
    for (size_t i = 0; i < out->n_spans; i++) {
        if (out->spans[i].begin != at || out->spans[i].end <= at || (i && out->spans[i].data == out->spans[i - 1].data)) return false;
        at = out->spans[i].end;
    }
    return at == out->bytes;
}

/* ---- the reference ---- */

static struct tm time_of(const json_t *of) {
    struct tm now = {0};
    const char *text = json_string_value(json_object_get(of, "now"));
    if (text) strptime(text, "%Y-%m-%dT%H:%M:%S", &now);
    return now;
}

static outcome render_case(const json_t *of, const char *source, size_t bytes) {
    json_t *variables = json_copy((json_t *)(uintptr_t)of);
    const struct tm now = time_of(of);
    const json_t *own = json_object_get(of, "template");
    for (size_t i = 0; i < sizeof not_variables / sizeof *not_variables; i++) json_object_del(variables, not_variables[i]);
    if (!json_object_get(variables, "tools")) json_object_set_new(variables, "tools", json_null());
    if (!json_object_get(variables, "documents")) json_object_set_new(variables, "documents", json_null());
    const outcome o =
        render(own ? json_string_value(own) : source, own ? json_string_length(own) : bytes, &(jinja_input){.variables = variables, .now = &now});
    json_decref(variables);
    return o;
}

/* Refusing is right where the reference fails, with its own text where the template raised; `may_refuse`: everywhere. */
static bool is_right(const json_t *of, const outcome *o, bool may_refuse) {
    const json_t *want = json_object_get(of, "expected"), *type = json_object_get(of, "error_type");
    if (o->status != OK && (may_refuse || !want)) {
        const bool raised = type && !strcmp(json_string_value(type), "TemplateError");
        return o->why.line > 0 && (!raised || !strcmp(o->why.text, json_string_value(json_object_get(of, "error"))));
    }
    return want && o->status == OK && o->out.bytes == json_string_length(want) && !memcmp(o->out.text, json_string_value(want), o->out.bytes) &&
           spans_are_whole(&o->out);
}

static size_t check_file(const char *path) {
    char source_path[1000];
    uint8_t *source = NULL;
    size_t bytes = 0, i, good = 0;
    json_error_t why;
    json_t *of, *cases = json_load_file(path, JSON_ALLOW_NUL, &why);
    cr_assert(cases, "%s: %s", path, why.text);
    snprintf(source_path, sizeof source_path, "%.*s.jinja", (int)(strlen(path) - strlen(".cases.json")), path);
    if (access(source_path, R_OK) == 0) source = file_read(source_path, &bytes);
    json_array_foreach(cases, i, of) {
        outcome o = render_case(of, (const char *)source, bytes);
        const bool right = is_right(of, &o, strstr(path, "/rare.") != NULL);
        cr_expect(right, "%s: %s: %s", path, json_string_value(json_object_get(of, "name")), o.status == OK ? o.out.text : o.e.text);
        good += right;
        jinja_output_free(&o.out);
    }
    json_decref(cases);
    free(source);
    return good;
}

static size_t check_folder(const char *pattern) {
    glob_t found;
    size_t cases = 0;
    if (glob(pattern, 0, NULL, &found) != 0) return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) cases += check_file(found.gl_pathv[i]);
    globfree(&found);
    return cases;
}

Test(jinja, cases_of_the_reference) {
    cr_assert_geq(check_folder(OWN "/*.cases.json"), 600);
}

Test(jinja, cases_of_real_templates) {
    char pattern[1000];
    const char *folder = shared_path("fixtures/templates");
    if (!folder) cr_skip_test("no shared data");
    snprintf(pattern, sizeof pattern, "%s/*.cases.json", folder);
    cr_assert_geq(check_folder(pattern), 700);
}

/* ---- where the text comes from ---- */

/* The text with what comes from variables in brackets. */
static void expect_origin(const char *source, const char *variables, const char *want) {
    char shown[1000];
    size_t n = 0;
    outcome o = render_text(source, variables);
    cr_assert_eq(o.status, OK, "%s: %s", source, o.e.text);
    cr_assert(spans_are_whole(&o.out));
    for (size_t i = 0; i < o.out.n_spans; i++) {
        const jinja_span *s = &o.out.spans[i];
        n += (size_t)snprintf(shown + n, sizeof shown - n, s->data ? "[%.*s]" : "%.*s", (int)(s->end - s->begin), o.out.text + s->begin);
    }
    cr_expect_str_eq(shown, want, "%s: %s, not %s", source, shown, want);
    jinja_output_free(&o.out);
}

Test(jinja, origin_goes_along) {
    const char *x = "{\"x\": \"ab\", \"l\": [\"p\", 1], \"n\": 5, \"d\": {\"k\": \"v\"}}";
    expect_origin("<{{ x }}>", x, "<[ab]>");
    expect_origin("{{ '<' + x + '>' }}{{ '<' ~ x ~ n }}", x, "<[ab]><[ab5]");
    expect_origin("{{ x | upper }}{{ x | title }}{{ x[::-1] }}{{ x[0] }}{{ x * 2 }}", x, "[ABAbbaaabab]");
    expect_origin("{{ 'a|b' | replace('|', x) }}{{ x | replace('a', '|') }}", x, "a[ab]b|[b]");
    expect_origin("{{ '-'.join(['t', x]) }}{{ [x, 't'] | join(x) }}", x, "t-[ababab]t");
    expect_origin("{{ ('t ' ~ x).split()[1] }}{{ ('  ' ~ x) | trim }}", x, "[abab]");
    expect_origin("{{ l | tojson }}{{ [x] | tojson }}{{ d }}", x, "[[\"p\", 1]][[\"ab\"]][{'k': 'v'}]");
    expect_origin("{{ n + 1 }} {{ n | string }} {{ x | length }} {{ x is string }}", x, "[6] [5] 2 True");
    expect_origin("{% set y %}<{{ x }}>{% endset %}{{ y }}{% macro m(v) %}({{ v }}){% endmacro %}{{ m(x) }}", x, "<[ab]>([ab])");
    expect_origin("{% filter upper %}t{{ x }}{% endfilter %}{{ '%s|%s' % (x, 't') }}{{ '{}|'.format(x) }}", x, "T[ABab]|t[ab]|");
    expect_origin("{% for c in x %}{{ c }},{% endfor %}{{ x | indent(2, true) }}{% for k, v in d | items %}{{ k }}{% endfor %}", x,
                  "[a],[b],  [abk]");
}

Test(jinja, some_variables_are_trusted) {
    static const char *const trusted[] = {"bos_token", NULL};
    const char *source = "{{ bos_token }}{{ x }}";
    json_t *variables = json_pack("{s:s, s:s}", "bos_token", "<s>", "x", "<s>");
    outcome o = render(source, strlen(source), &(jinja_input){.variables = variables, .trusted = trusted});
    cr_assert_eq(o.status, OK);
    cr_assert_eq(o.out.n_spans, 2);
    cr_expect(!o.out.spans[0].data && o.out.spans[1].data && o.out.spans[1].begin == 3 && o.out.bytes == 6);
    jinja_output_free(&o.out);
    json_decref(variables);
}

/* ---- refusals ---- */

static void expect_failure(const char *source, const char *type, size_t line, const char *text) {
    outcome o = render_text(source, "{\"x\": \"text\", \"l\": [1, 2, 3]}");
    cr_assert_neq(o.status, OK, "%s", source);
    cr_expect_str_eq(o.why.type, type, "%s: %s: %s", source, o.why.type, o.why.text);
    cr_expect_eq(o.why.line, line, "%s: line %zu", source, o.why.line);
    cr_expect(strstr(o.why.text, text), "%s: %s", source, o.why.text);
    cr_expect(strstr(o.e.text, "line ") == o.e.text && !strchr(o.e.text, '\n'), "%s", o.e.text);
    cr_expect(!o.out.text && !o.out.spans);
}

Test(jinja, failures_name_the_line) {
    expect_failure("a\n{{ 1 + }}", "TemplateSyntaxError", 2, "unexpected");
    expect_failure("a\n\n{% if x %}", "TemplateSyntaxError", 3, "endif");
    expect_failure("{{ x }}\n{{ nothing.more }}", "UndefinedError", 2, "'nothing' is undefined");
    expect_failure("{% macro m() %}\n{{ 1 // 0 }}{% endmacro %}\n{{ m() }}", "ZeroDivisionError", 2, "division");
    expect_failure("\r\n\r\n{{ raise_exception('no\\nway') }}", "TemplateError", 3, "no\nway");
    expect_failure("{{ x.__class__.__mro__ }}", "UndefinedError", 1, "unsafe");
    expect_failure("{{ l.append(1) }}", "UndefinedError", 1, "unsafe");
    expect_failure("{% include 'file' %}", "TemplateSyntaxError", 1, "include");
    expect_failure("{% import 'file' as f %}", "TemplateSyntaxError", 1, "import");
    expect_failure("{{ '\xff' }}", "TemplateSyntaxError", 1, "UTF-8");
}

/* `head`, `n` times `part`, `tail`. */
static char *repeated(const char *head, const char *part, size_t n, const char *tail) {
    const size_t each = strlen(part);
    char *out = malloc(strlen(head) + n * each + strlen(tail) + 1), *at = stpcpy(out, head);
    for (size_t i = 0; i < n; i++) at = stpcpy(at, part);
    strcpy(at, tail);
    return out;
}

static void expect_limit(char *source) {
    outcome o = render_text(source, "{\"x\": \"text\"}");
    cr_expect_neq(o.status, OK, "%.60s", source);
    cr_expect(!strcmp(o.why.type, "LimitError") || !strcmp(o.why.type, "TemplateSyntaxError"), "%.60s: %s: %s", source, o.why.type, o.why.text);
    free(source);
}

Test(jinja, deep_templates_are_refused) {
    expect_limit(repeated("{{ ", "(", 100000, ""));
    expect_limit(repeated("{{ ", "[", 200, ""));
    expect_limit(repeated("{{ ", "not ", 100000, "x }}"));
    expect_limit(repeated("{{ ", "-", 100000, "1 }}"));
    expect_limit(repeated("{{ 1", " + 1", 100000, " }}"));
    expect_limit(repeated("{{ x", "[0]", 100000, " }}"));
    expect_limit(repeated("{{ x", " | upper", 100000, " }}"));
    expect_limit(repeated("", "{% if x %}", 100000, ""));
    expect_limit(repeated("", "{% for a in x %}", 100, ""));
    expect_limit(repeated("{% set ", "(", 100000, "a"));
    expect_limit(repeated("", "x", JINJA_SOURCE_MAX + 1, ""));
}

Test(jinja, endless_templates_are_stopped) {
    static const char *const templates[] = {
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 99999999999999999999 }}",
        "{{ 'x' * 1000000000 }}",
        "{{ [0] * 1000000000 }}",
        "{{ 'x'.center(1000000000) }}",
        "{% set ns = namespace(s='xx') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
        "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
        "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l == [ns.l] }}",
        "{% set ns = namespace(t=()) %}{% for i in range(100000) %}{% set ns.t = (ns.t,) %}{% endfor %}{{ {ns.t: 1} }}",
        "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% set s = 'a' * 1000000 %}{{ s.count('a' * 500000 + 'b') }}{{ s.count('a' * 500000 + 'b') }}{{ s.replace('a' * 500000 + 'b', '') }}",
        "{% set s = 'ab' * 4000000 %}{{ s }}{{ s }}{{ s }}",
        "{% set l = range(100000) | list %}{% for i in l %}{{ -1 in l }}{% endfor %}",
    };
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) expect_limit(strdup(templates[i]));
}

Test(jinja, limits_can_be_set) {
    const struct {
        jinja_limits limits;
        const char *source;
    } cases[] = {
        {{.steps = 100}, "{% for i in range(100) %}x{% endfor %}"},
        {{.output = 10}, "{{ 'x' * 11 }}"},
        {{.depth = 10}, "{{ 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 }}"},
        {{.memory = 100000}, "{{ ('x' * 100000) | length }}"},
    };
    json_t *variables = json_object();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t n = strlen(cases[i].source);
        outcome o = render(cases[i].source, n, &(jinja_input){.variables = variables});
        cr_expect_eq(o.status, OK, "%s: %s", cases[i].source, o.e.text);
        jinja_output_free(&o.out);
        o = render(cases[i].source, n, &(jinja_input){.variables = variables, .limits = cases[i].limits});
        cr_expect_eq(o.status, E_RUN, "%s", cases[i].source);
    }
    json_decref(variables);
}

/* A long conversation costs a time and a memory that grow with its length. */
Test(jinja, long_conversations_are_rendered) {
    const char *source = "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] | trim + '<|end|>\\n' }}{% endfor %}";
    json_t *variables = json_object(), *messages = json_array();
    char *text = repeated("", "word ", 2000, "end");
    for (int i = 0; i < 500; i++) json_array_append_new(messages, json_pack("{s:s, s:s}", "role", i % 2 ? "assistant" : "user", "content", text));
    json_object_set_new(variables, "messages", messages);
    outcome o = render(source, strlen(source), &(jinja_input){.variables = variables});
    cr_expect_eq(o.status, OK, "%s", o.e.text);
    cr_expect_geq(o.out.bytes, 500 * strlen(text));
    jinja_output_free(&o.out);
    json_decref(variables);
    free(text);
}
