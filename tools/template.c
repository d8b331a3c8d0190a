/* template: renders chat templates, to look at what a model is given and to check the interpreter from outside. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file/qbin.h"
#include "text/jinja.h"
#include "tools/command.h"
#include "tools/convert_chat.h"
#include "tools/text_file.h"

enum { CASES_BYTES = 64 << 20 };

typedef struct template_settings {
    const char *file, *model, *name;
    bool spans, source;
} template_settings;

static const option options[] = {
    {.name = "template",
     .letter = 't',
     .kind = OPTION_TEXT,
     .value = "FILE",
     .offset = offsetof(template_settings, file),
     .excludes = "model",
     .help = "The template: a file, read byte for byte."},
    {.name = "model",
     .letter = 'm',
     .kind = OPTION_TEXT,
     .value = "MODEL",
     .offset = offsetof(template_settings, model),
     .help = "The template of a .qbin file or a model folder; its special tokens are variables where a case does not set them."},
    {.name = "name",
     .kind = OPTION_TEXT,
     .value = "NAME",
     .offset = offsetof(template_settings, name),
     .needs = "model",
     .help = "One of several templates of the model, such as tool_use (default: the one called default)."},
    {.name = "spans",
     .kind = OPTION_FLAG,
     .offset = offsetof(template_settings, spans),
     .help = "Add 'data': the bytes [from, to) of each text that come from variables, where special tokens are not read."},
    {.name = "source", .kind = OPTION_FLAG, .offset = offsetof(template_settings, source), .excludes = "spans", .help = "Print the template itself."},
    {0},
};

typedef struct job {
    const template_settings *set;
    text_file file; /* of -t */
    qbin model;     /* of -m FILE */
    json_t *chat;   /* what the model says (convert_chat.h) */
    const char *text;
    size_t bytes;
    jinja *program; /* NULL if the text is no template: then why */
    jinja_failure why;
} job;

/* ---- where the template comes from ---- */

static status map_beside(map *m, const char *folder, const char *name, error *e) {
    char *path;
    if (asprintf(&path, "%s/%s", folder, name) < 0) return fail(e, E_MEMORY, "no memory for a path");
    const status s = access(path, F_OK) == 0 ? map_open(m, path, e) : OK;
    free(path);
    return s;
}

static status read_folder(job *j, const char *folder, error *e) {
    map config = {0}, file = {0};
    status s = map_beside(&config, folder, "tokenizer_config.json", e);
    if (s == OK) s = map_beside(&file, folder, "chat_template.jinja", e);
    if (s == OK) s = chat_texts_read(&config, &file, &j->chat, e);
    map_close(&config);
    map_close(&file);
    return s;
}

static status read_model(job *j, error *e) {
    const char *path = j->set->model, *name = j->set->name;
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        TRY(read_folder(j, path, e));
    } else {
        TRY(qbin_open(&j->model, path, e));
        j->chat = json_incref(j->model.meta);
    }
    const json_t *text = chat_text(j->chat, name);
    if (!text) return fail(e, E_FILE, "%s: has no chat template%s%s", path, name ? " called " : "", name ? name : "");
    j->text = json_string_value(text);
    j->bytes = json_string_length(text);
    return OK;
}

/* ---- cases ---- */

/* Keys of a case that are no variables: what it is called, what belongs to the reference's answer, and what the rendering is given apart. */
static const char *const own_keys[] = {"name", "template", "now", "expected", "error", "error_type", "apply", NULL};

/* The variables of a case: its other keys, the model's special tokens, and what Hugging Face always passes. */
static json_t *variables_of(const job *j, json_t *of) {
    json_t *all = json_copy(of), *token;
    const char *name;
    for (const char *const *key = own_keys; *key; key++) json_object_del(all, *key);
    json_object_foreach(json_object_get(j->chat, "special_tokens"), name, token) {
        if (!json_object_get(all, name)) json_object_set(all, name, token);
    }
    if (!json_object_get(all, "tools")) json_object_set_new(all, "tools", json_null());
    if (!json_object_get(all, "documents")) json_object_set_new(all, "documents", json_null());
    return all;
}

/* "2024-07-26T09:05:07" of the case, or the time that it is. */
static status time_of(const json_t *of, struct tm *out, error *e) {
    const char *text = json_string_value(json_object_get(of, "now"));
    const time_t now = time(NULL);
    *out = (struct tm){.tm_isdst = -1};
    if (!text) return localtime_r(&now, out) ? OK : fail(e, E_RUN, "the time is not known");
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", out);
    return end && !*end ? OK : fail(e, E_FILE, "'now' is not a time such as 2024-07-26T09:05:07");
}

static void say_failure(json_t *result, const jinja_failure *why) {
    json_object_set_new(result, "error", json_string(why->text));
    json_object_set_new(result, "error_type", json_string(why->type ? why->type : "MemoryError"));
    json_object_set_new(result, "line", json_integer((json_int_t)why->line));
}

static void say_text(json_t *result, const jinja_output *text, bool spans) {
    json_object_set_new(result, "expected", json_stringn(text->text, text->bytes));
    if (!spans) return;
    json_t *list = json_array();
    for (size_t i = 0; i < text->n_spans; i++) {
        const jinja_span *s = &text->spans[i];
        if (s->data) json_array_append_new(list, json_pack("[I, I]", (json_int_t)s->begin, (json_int_t)s->end));
    }
    json_object_set_new(result, "data", list);
}

static status render(const job *j, json_t *of, const jinja *program, json_t *result, error *e) {
    struct tm now;
    jinja_failure why = {0};
    jinja_output text;
    TRY(time_of(of, &now, e));
    json_t *variables = variables_of(j, of);
    const status s = jinja_render(program, &(jinja_input){.variables = variables, .trusted = chat_tokens, .now = &now}, &text, &why, e);
    json_decref(variables);
    if (s == E_MEMORY) return s;
    if (s == OK) {
        say_text(result, &text, j->set->spans);
    } else {
        say_failure(result, &why);
    }
    jinja_output_free(&text);
    return OK;
}

/* A case that has a template of its own is rendered with that. */
static status answer(const job *j, json_t *of, json_t *result, error *e) {
    const json_t *own = json_object_get(of, "template");
    jinja *program = NULL;
    jinja_failure why = j->why;
    status s = OK;
    if (json_is_string(own)) {
        s = jinja_compile(&program, json_string_value(own), json_string_length(own), &why, e);
    } else if (!j->text) {
        return fail(e, E_USAGE, "no template: -t FILE or -m MODEL");
    }
    if (s == E_MEMORY) return s;
    const jinja *used = json_is_string(own) ? program : j->program;
    if (used) {
        s = render(j, of, used, result, e);
    } else {
        say_failure(result, &why);
        s = OK;
    }
    jinja_close(&program);
    return s;
}

static status print_case(const job *j, json_t *of, error *e) {
    json_t *result = json_object(), *name = json_object_get(of, "name");
    if (!json_is_object(of)) {
        json_decref(result);
        return fail(e, E_FILE, "a case is not an object");
    }
    if (name) json_object_set(result, "name", name);
    const status s = answer(j, of, result, e);
    if (s == OK) {
        json_dumpf(result, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        putchar('\n');
    }
    json_decref(result);
    return s;
}

static status print_cases(const job *j, const char *path, error *e) {
    text_file file;
    json_error_t why;
    json_t *cases = NULL, *of;
    size_t i;
    status s = text_file_open(&file, path, e);
    if (s == OK && file.bytes > CASES_BYTES) s = fail(e, E_FILE, "%s: more than %d MB", path, CASES_BYTES >> 20);
    if (s == OK && !(cases = json_loadb(file.text, file.bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why)))
        s = fail(e, E_FILE, "%s: line %d, column %d: JSON: %s", path, why.line, why.column, why.text);
    text_file_close(&file);
    if (s == OK && json_is_object(cases)) s = print_case(j, cases, e);
    json_array_foreach(cases, i, of) {
        if (s == OK && print_case(j, of, e) != OK) {
            char where[300];
            snprintf(where, sizeof where, "%.200s: case %zu", path, i + 1);
            s = e->code == E_USAGE ? E_USAGE : fail_in(e, where);
        }
    }
    json_decref(cases);
    return s;
}

/* ---- the command ---- */

static status open_template(job *j, error *e) {
    if (j->set->file) {
        TRY(text_file_open(&j->file, j->set->file, e));
        j->text = j->file.text;
        j->bytes = j->file.bytes;
    } else if (j->set->model) {
        TRY(read_model(j, e));
    }
    if (!j->text || j->set->source) return OK;
    const status s = jinja_compile(&j->program, j->text, j->bytes, &j->why, e);
    return s == E_MEMORY ? s : OK; /* what is wrong with it is the answer to every case */
}

static status work(job *j, const args *a, error *e) {
    TRY(open_template(j, e));
    if (j->set->source) {
        if (!j->text) return fail(e, E_USAGE, "no template: -t FILE or -m MODEL");
        fwrite(j->text, 1, j->bytes, stdout);
        return OK;
    }
    if (!a->n_operands) return fail(e, E_USAGE, "no cases: a JSON file, or - for standard input");
    return print_cases(j, a->operands[0], e);
}

static status run(const args *a, error *e) {
    job j = {.set = a->settings};
    const status s = work(&j, a, e);
    jinja_close(&j.program);
    json_decref(j.chat);
    qbin_close(&j.model);
    text_file_close(&j.file);
    return s;
}

const command command_template = {
    .name = "template",
    .summary = "Render a chat template.",
    .usage = "-t FILE|-m MODEL [CASES]",
    .details =
        "CASES is a JSON file with an object or a list of objects. Each is a case, and its keys are the template's variables: messages,\n"
        "add_generation_prompt, tools ... Not variables are 'name', 'template' (used in place of the other), 'now' (the time that strftime_now\n"
        "tells) and the answers of a reference: expected, error, error_type, apply. Prints a line of JSON for each case: its name, and 'expected',\n"
        "the text, or 'error' with 'error_type', as Jinja calls it, and the 'line' of the template.\n\n"
        "  template -m model.qbin --source\n"
        "  echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}' | template -m model.qbin -",
    .options = options,
    .settings_bytes = sizeof(template_settings),
    .max_operands = 1,
    .run = run,
};
