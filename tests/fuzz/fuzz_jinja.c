/* A chat template, a NUL byte and its variables as JSON; without them a short conversation. Compiled and rendered within small limits, or refused in one
 * line. */
#include <string.h>

#include "base/json.h"
#include "target.h"
#include "text/jinja.h"

static const char usual[] =
    "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi <|x|>\"}, {\"role\": \"assistant\", \"content\": null,"
    " \"tool_calls\": [{\"name\": \"f\", \"arguments\": {\"a\": [1, -2.5, true]}}]}], \"add_generation_prompt\": true,"
    " \"tools\": null, \"documents\": null, \"bos_token\": \"<s>\"}";

/* What comes out is said of in spans that follow each other to its end. */
static void check(const jinja_output *out) {
    size_t at = 0;
    for (size_t i = 0; i < out->n_spans; i++) {
        target_promise(out->spans[i].begin == at && out->spans[i].end > at, "spans leave no hole");
        target_promise(i == 0 || out->spans[i].data != out->spans[i - 1].data, "spans differ");
        at = out->spans[i].end;
    }
    target_promise(at == out->bytes, "spans end where the text ends");
}

static void render(const jinja *j, const json_t *variables) {
    static const char *const trusted[] = {"bos_token", NULL};
    const struct tm now = {.tm_year = 126, .tm_mday = 1};
    const jinja_input in = {
        .variables = variables, .trusted = trusted, .now = &now, .limits = {.steps = 200000, .depth = 100, .output = 1 << 16, .memory = 8 << 20}};
    jinja_output out = {0};
    jinja_failure why = {0};
    error e = {0};
    const status s = jinja_render(j, &in, &out, &why, &e);
    if (s == OK) {
        check(&out);
    } else {
        target_promise(!out.text && e.text[0] && !strchr(e.text, '\n'), "what is wrong is one line");
    }
    jinja_output_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    const size_t length = end ? (size_t)(end - data) : size;
    json_t *variables = NULL;
    jinja *j = NULL;
    error e = {0};
    const char *text = end ? (const char *)end + 1 : usual;
    if (json_parse(&variables, text, end ? size - length - 1 : strlen(usual), 1 << 20, &e) != OK) return 0;
    jinja_failure why = {0};
    if (jinja_compile(&j, (const char *)data, length, &why, &e) == OK) {
        if (json_is_object(variables)) render(j, variables);
    } else {
        target_promise(e.text[0] && !strchr(e.text, '\n'), "what is wrong is one line");
    }
    jinja_close(&j);
    json_decref(variables);
    return 0;
}
