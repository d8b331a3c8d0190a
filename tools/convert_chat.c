#include "tools/convert_chat.h"

#include <string.h>

#include "base/json.h"
#include "text/jinja.h"

enum { CONFIG_BYTES = 16 << 20, CONFIG_VALUES = 1000000 };

const char *const chat_tokens[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token", NULL};

static status read_config(const map *m, json_t **out, error *e) {
    if (m->size > CONFIG_BYTES) return fail(e, E_FILE, "%s: %zu bytes are too many", m->path, m->size);
    if (json_parse(out, (const char *)m->data, m->size, CONFIG_VALUES, e) != OK) return fail_in(e, m->path);
    if (json_is_object(*out)) return OK;
    json_decref(*out);
    *out = NULL;
    return fail(e, E_FILE, "%s: is not a JSON object", m->path);
}

/* A token is a text, or an object that has it as "content". */
static void read_tokens(const json_t *config, json_t *chat) {
    json_t *tokens = json_object();
    for (const char *const *name = chat_tokens; *name; name++) {
        json_t *token = json_object_get(config, *name);
        if (json_is_object(token)) token = json_object_get(token, "content");
        if (json_is_string(token)) json_object_set(tokens, *name, token);
    }
    if (json_object_size(tokens)) json_object_set(chat, "special_tokens", tokens);
    json_decref(tokens);
}

static bool is_template(const json_t *text) {
    return json_is_string(text) && json_string_length(text) <= JINJA_SOURCE_MAX;
}

/* A list of {"name", "template"}: without one that is called "default" the first is. */
static void read_list(const json_t *list, json_t *chat) {
    json_t *named = json_object(), *item, *first = NULL;
    size_t i;
    json_array_foreach(list, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        json_t *text = json_object_get(item, "template");
        if (!is_template(text)) continue;
        if (!first) first = text;
        if (name) json_object_set(named, name, text);
    }
    json_t *chosen = json_object_get(named, "default");
    if (chosen || first) json_object_set(chat, "chat_template", chosen ? chosen : first);
    json_object_del(named, "default");
    if (json_object_size(named)) json_object_set(chat, "chat_templates", named);
    json_decref(named);
}

static status read_templates(const json_t *config, const char *path, json_t *chat, error *e) {
    json_t *value = json_object_get(config, "chat_template");
    if (!value || json_is_null(value)) return OK;
    if (json_is_string(value)) {
        if (is_template(value)) json_object_set(chat, "chat_template", value);
    } else {
        if (!json_is_array(value)) return fail(e, E_FILE, "%s: 'chat_template' is neither a text nor a list of templates", path);
        read_list(value, chat);
    }
    return OK;
}

static status read_file(const map *file, json_t *chat, error *e) {
    if (file->size > JINJA_SOURCE_MAX) return OK;
    json_t *text = json_stringn((const char *)file->data, file->size);
    if (!text) return fail(e, E_FILE, "%s: is not UTF-8", file->path);
    json_object_set_new(chat, "chat_template", text);
    return OK;
}

status chat_texts_read(const map *config, const map *template_file, json_t **out, error *e) {
    json_t *parsed = NULL;
    status s = OK;
    *out = json_object();
    if (!*out) return fail(e, E_MEMORY, "no memory");
    if (config->data) s = read_config(config, &parsed, e);
    if (s == OK && parsed) {
        read_tokens(parsed, *out);
        s = read_templates(parsed, config->path, *out, e);
    }
    if (s == OK && template_file->data) s = read_file(template_file, *out, e);
    json_decref(parsed);
    if (s == OK) return OK;
    json_decref(*out);
    *out = NULL;
    return s;
}

const json_t *chat_text(const json_t *chat, const char *name) {
    const json_t *text =
        name && strcmp(name, "default") ? json_object_get(json_object_get(chat, "chat_templates"), name) : json_object_get(chat, "chat_template");
    return json_is_string(text) ? text : NULL;
}
