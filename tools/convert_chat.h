/* convert_chat.h: what the files of a model say about chats: its templates, and the texts of the special tokens that templates name. Owns the spellings of
 * tokenizer_config.json; whether a template can be run is for text/jinja.h to say. */
#ifndef QBIN_TOOLS_CONVERT_CHAT_H
#define QBIN_TOOLS_CONVERT_CHAT_H

#include <jansson.h>

#include "base/error.h"
#include "base/map.h"

/* The variables that stand for special tokens: "bos_token" ...; ends with NULL. Templates trust them as they trust themselves. */
extern const char *const chat_tokens[];

/* Reads tokenizer_config.json and chat_template.jinja (data NULL: not there; the latter comes first). *out, a new reference, has the keys of a .qbin's
 * metadata: "chat_template", the template called "default" or the only one; "chat_templates", others by name; "special_tokens", texts by the names above.
 * Those that do not apply are missing. A template of more than JINJA_SOURCE_MAX bytes is left out. E_FILE names the file. */
status chat_texts_read(const map *config, const map *template_file, json_t **out, error *e);

/* The template of such an object, or of metadata; `name` NULL: the default. Borrowed. NULL if there is none. */
const json_t *chat_text(const json_t *chat, const char *name);

#endif
