#include "tools/chat_template.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "tools/convert_chat.h"
#include "tools/text_file.h"
#include "tools/thinking.h"

enum { VARIABLES_MAX = 100000 }; /* values in the JSON of a command line */

/* ---- opening ---- */

static status compile_file(chat_template *t, const char *file, error *e) {
    text_file text = {0};
    status s = text_file_open(&text, file, e);
    if (s == OK) {
        s = jinja_compile(&t->program, text.text, text.bytes, NULL, e);
        if (s != OK) fail_in(e, file);
    }
    text_file_close(&text);
    return s;
}

static status compile_own(chat_template *t, const model *m, const char *path, error *e) {
    const json_t *own = json_object_get(m->file.meta, "chat_template");
    if (!json_is_string(own)) {
        return fail(
            e, E_USAGE,
            "%s has no chat template: it continues texts (run -m FILE -p TEXT); for a chat all the same, give a template with --template FILE.jinja",
            path);
    }
    if (jinja_compile(&t->program, json_string_value(own), json_string_length(own), NULL, e) == OK) return OK;
    fail_in(e, "chat template");
    return fail_in(e, path);
}

/* The text of a token as templates spell it, where the model's files do not say it. An id without one is left undefined, as in the reference. */
static status set_token(chat_template *t, const char *name, int32_t id, error *e) {
    char *text;
    size_t n;
    if (id < 0 || json_object_get(t->variables, name)) return OK;
    TRY(tokenizer_decode(t->tokenizer, &id, 1, false, &text, &n, e));
    const bool failed = n && json_object_set_new(t->variables, name, json_stringn(text, n)) != 0;
    free(text);
    return failed ? fail(e, E_MEMORY, "no memory") : OK;
}

static status set_variables(chat_template *t, const model *m, const char *more, error *e) {
    const spec *s = model_spec(m);
    const int32_t eos = tokenizer_eos(t->tokenizer);
    t->variables = json_pack("{s:n, s:n}", "tools", "documents");
    if (!t->variables) return fail(e, E_MEMORY, "no memory");
    json_t *texts = json_object_get(m->file.meta, "special_tokens");
    if (json_is_object(texts) && json_object_update(t->variables, texts)) return fail(e, E_MEMORY, "no memory");
    TRY(set_token(t, "bos_token", s->bos >= 0 ? s->bos : tokenizer_bos(t->tokenizer), e));
    TRY(set_token(t, "eos_token", eos >= 0 ? eos : s->n_eos ? s->eos[0] : -1, e));
    if (!more) return OK;
    json_t *given;
    error why;
    if (json_parse(&given, more, strlen(more), VARIABLES_MAX, &why) != OK) return fail(e, E_USAGE, "--template-args: %s", why.text);
    const bool object = json_is_object(given), failed = object && json_object_update(t->variables, given) != 0;
    json_decref(given);
    if (failed) return fail(e, E_MEMORY, "no memory");
    return object ? OK : fail(e, E_USAGE, "--template-args: is not an object like {\"enable_thinking\": false}");
}

status chat_template_open(chat_template *t, const model *m, const char *path, const char *file, const char *variables, error *e) {
    t->tokenizer = m->tokenizer;
    if (!t->tokenizer) return fail(e, E_USAGE, "%s has no tokenizer", path);
    TRY(file ? compile_file(t, file, e) : compile_own(t, m, path, e));
    return set_variables(t, m, variables, e);
}

void chat_template_close(chat_template *t) {
    jinja_close(&t->program);
    json_decref(t->variables);
    t->variables = NULL;
}

/* ---- a conversation ---- */

status chat_template_render(const chat_template *t, json_t *messages, bool answer, jinja_output *out, error *e) {
    const time_t now = time(NULL);
    struct tm local;
    *out = (jinja_output){0};
    json_t *variables = json_copy(t->variables);
    status s = OK;
    if (!variables || json_object_set(variables, "messages", messages) ||
        json_object_set_new(variables, "add_generation_prompt", json_boolean(answer))) {
        s = fail(e, E_MEMORY, "no memory");
    }
    if (s == OK) {
        s = jinja_render(t->program, &(jinja_input){.variables = variables, .trusted = chat_tokens, .now = localtime_r(&now, &local)}, out, NULL, e);
        if (s != OK) fail_in(e, "chat template");
    }
    json_decref(variables);
    return s;
}

status chat_template_encode(const chat_template *t, const jinja_output *text, id_list *ids, error *e) {
    text_range *data = calloc(text->n_spans + 1, sizeof *data);
    if (!data) return fail(e, E_MEMORY, "no memory");
    size_t n = 0;
    for (size_t i = 0; i < text->n_spans; i++) {
        if (text->spans[i].data) data[n++] = (text_range){text->spans[i].begin, text->spans[i].end};
    }
    const status s = tokenizer_encode_mixed(t->tokenizer, text->text, text->bytes, data, n, ids, e);
    free(data);
    return s;
}

/* ---- how answers end ---- */

/* The first special token of a text of the template. */
static int32_t first_special(const chat_template *t, const char *text, size_t n) {
    id_list ids = {0};
    int32_t found = -1;
    if (tokenizer_encode(t->tokenizer, text, n, 0, &ids, NULL) != OK) ids.n = 0;
    for (size_t i = 0; found < 0 && i < ids.n; i++) {
        if (tokenizer_is_special(t->tokenizer, ids.ids[i])) found = ids.ids[i];
    }
    free(ids.ids);
    return found;
}

static bool ends_thought(const chat_template *t, int32_t id) {
    char *text;
    size_t n;
    if (tokenizer_decode(t->tokenizer, &id, 1, false, &text, &n, NULL) != OK) return false;
    const bool ends = thinking_ends(text);
    free(text);
    return ends;
}

/* Asks for a chat of two messages and looks behind the second. */
int32_t chat_template_end(const chat_template *t) {
    static const char answer[] = "zq7answer7qz";
    json_t *messages = json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "user", "content", "a", "role", "assistant", "content", answer);
    jinja_output out = {0};
    int32_t id = -1;
    if (messages && chat_template_render(t, messages, false, &out, NULL) == OK) {
        const char *at = out.text ? memmem(out.text, out.bytes, answer, sizeof answer - 1) : NULL;
        if (at) id = first_special(t, at + sizeof answer - 1, (size_t)(out.text + out.bytes - at) - (sizeof answer - 1));
        if (id >= 0 && ends_thought(t, id)) id = -1;
    }
    jinja_output_free(&out);
    json_decref(messages);
    return id;
}
