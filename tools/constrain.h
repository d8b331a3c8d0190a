/* constrain.h: the options that constrain what is generated, and what a command needs to obey them: the grammar, the texts of the model's tokens, and
 * the masks. A command asks for logits before it draws and tells what it has drawn. */
#ifndef QBIN_TOOLS_CONSTRAIN_H
#define QBIN_TOOLS_CONSTRAIN_H

#include "engine/model.h"
#include "text/constraint.h"
#include "tools/command.h"

typedef struct constrain_flags { /* a member `constrain` of a command's settings */
    const char *grammar, *schema;
} constrain_flags;

/* Rows of an option table; `settings` is the type of the command's settings. */
#define CONSTRAIN_OPTIONS(settings)                                                                                                  \
    {.name = "grammar",                                                                                                              \
     .kind = OPTION_TEXT,                                                                                                            \
     .value = "FILE",                                                                                                                \
     .offset = offsetof(settings, constrain.grammar),                                                                                \
     .excludes = "json-schema",                                                                                                      \
     .help = "Generate only what the grammar in this file matches (GBNF, see docs/grammar.md).",                                     \
     .alias = "grammar-file"},                                                                                                       \
    {                                                                                                                                \
        .name = "json-schema", .kind = OPTION_TEXT, .value = "FILE", .offset = offsetof(settings, constrain.schema),                 \
        .help = "Generate only JSON that the JSON Schema in this file describes (see docs/grammar.md).", .alias = "json-schema-file" \
    }

typedef struct constrained {
    grammar *grammar;
    token_texts texts;
    constraint *constraint;
    float *logits;        /* [vocab] what constrained_logits gives */
    double load, seconds; /* to compile the grammar and read the vocabulary; spent on masks since */
} constrained;

/* *out = NULL if neither option was given. E_USAGE: the model has no tokenizer; E_FILE: the file, and where it is wrong. */
status constrained_open(constrained **out, const constrain_flags *f, const model *m, error *e);
void constrained_close(constrained **c);

/* All of these take NULL for "no constraint". A new text begins: */
status constrained_restart(constrained *c, error *e);
/* *logits[vocab] become those of allowed tokens, and -infinity for the others; theirs until the next call. E_RUN: none is allowed. */
status constrained_logits(constrained *c, const float **logits, error *e);
/* The token that was drawn; end tokens too. */
status constrained_take(constrained *c, int32_t id, error *e);
bool constrained_is_over(const constrained *c); /* nothing can follow the text so far */
bool constrained_is_cut(const constrained *c);  /* if the text ended here, the grammar would not match it */

#endif
