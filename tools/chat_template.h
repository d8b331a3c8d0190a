/* chat_template.h: from messages to token ids through a model's chat template, or another one. Owns the program and the variables that are the same for every
 * turn. What a person or a model wrote becomes text and never special tokens, whatever it says. */
#ifndef QBIN_TOOLS_CHAT_TEMPLATE_H
#define QBIN_TOOLS_CHAT_TEMPLATE_H

#include <jansson.h>

#include "engine/model.h"
#include "text/jinja.h"

typedef struct chat_template { /* starts as {0} */
    const tokenizer *tokenizer;
    jinja *program;
    json_t *variables; /* "bos_token", what was asked for, ... */
} chat_template;

/* The template in `file`, or that of the model (`path` is its name in messages) if that is NULL. `variables`: the text of a JSON object, more variables
 * for the template; or NULL. E_USAGE if the model has no template, or `variables` is none; E_FILE names file and line of what is no template. */
status chat_template_open(chat_template *t, const model *m, const char *path, const char *file, const char *variables, error *e);
void chat_template_close(chat_template *t);

/* Renders a list of messages, with the beginning of an answer behind them if that is wanted; the caller frees *out. E_RUN: what the template says
 * against it. */
status chat_template_render(const chat_template *t, json_t *messages, bool answer, jinja_output *out, error *e);

/* Appends the ids of what was rendered. */
status chat_template_encode(const chat_template *t, const jinja_output *text, id_list *ids, error *e);

/* The special token that the template puts behind an answer; -1 if it puts none there, or cannot be asked. */
int32_t chat_template_end(const chat_template *t);

#endif
