/* jinja.h: what a template does with long texts and shared values is counted, so that its limits end it within seconds. */
#include <criterion/criterion.h>
#include <string.h>

#include "text/jinja.h"

/* The result of a template without variables, or how it failed. */
static void check(const char *source, const char *text, const char *failure) {
    jinja *j;
    jinja_output out;
    jinja_failure why = {0};
    error e;
    json_t *none = json_object();
    cr_assert_eq(jinja_compile(&j, source, strlen(source), &why, &e), OK, "%s", e.text);
    const status s = jinja_render(j, &(jinja_input){.variables = none}, &out, &why, &e);
    if (failure) cr_assert(s == E_RUN && !strcmp(why.type, failure), "%.80s: %s", source, s == OK ? "no failure" : e.text);
    if (text) cr_assert(s == OK && !strcmp(out.text, text), "%.80s: %s", source, s == OK ? out.text : e.text);
    jinja_output_free(&out);
    jinja_close(&j);
    json_decref(none);
}

#define LOOP(body) "{% for i in range(100000) %}{% if " body " %}{% endif %}{% endfor %}"

Test(jinja_limits, work_on_long_texts_is_counted, .timeout = 60) {
    static const char *const sources[] = {
        "{{ ('a' * 1000000 ~ 'b') in ('a' * 2000000) }}",
        "{{ ('a' * 3000000).strip('b' * 1000000 ~ 'a') }}",
        "{% set s = 'a' * 31 %}{% set c = 'b' * 1000000 %}" LOOP("s.strip(c)"),
        "{% set s = ' ' * 1000000 %}" LOOP("s.strip()"),
        "{% set s = 'a' * 1000000 %}" LOOP("s is upper"),
        "{% set s = 'a' * 1000000 %}" LOOP("s.splitlines()"),
        "{% set s = 'a' * 1000000 %}" LOOP("s.rpartition('b')"),
        "{% set d = {'x' * 1000000 ~ '1': 1} %}{% set k = 'x' * 1000000 ~ '2' %}" LOOP("d.get(k, '')"),
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) check(sources[i], NULL, "LimitError");
}

/* Each tuple holds the one before twice: little memory, and a walk without end. */
Test(jinja_limits, work_on_shared_values_is_counted, .timeout = 60) {
    check("{% set ns = namespace(t=(1,)) %}{% for i in range(60) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ {ns.t: 1} | length }}", NULL,
          "LimitError");
}

/* Under the sanitizers nothing may overflow on the way. */
Test(jinja_limits, numbers_at_their_ends_are_safe) {
    check("{{ '-1'.zfill(-170141183460469231731687303715884105727 - 1) }}", "-1", NULL);
    check("{{ 'aa'.replace('a', 'b', -170141183460469231731687303715884105727 - 1) }}", "bb", NULL);
    check("{{ 'abc'.find('c', -170141183460469231731687303715884105727 - 1) }}", "2", NULL);
    check("{{ range(10)[2:8:3] | list }}", "[2, 5]", NULL);
    check("{{ range(0, 1, 4611686018427387904)[::4611686018427387904][::4611686018427387904] }}", NULL, "OverflowError");
}

Test(jinja_limits, stripping_is_as_it_was) {
    check("{{ 'xxaxx'.strip('x') }}{{ 'xya'.lstrip('yx') }}{{ 'axy'.rstrip('yx') }}{{ 'xx'.strip('x') }}.{{ ''.strip('x') }}.{{ 'ab'.strip('') }}",
          "aaa..ab", NULL);
}
