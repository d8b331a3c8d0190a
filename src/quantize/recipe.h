/* recipe.h: which tensor gets which format. Owns the defaults and the rules of the command line; knows tensors by their names only. */
#ifndef QBIN_QUANTIZE_RECIPE_H
#define QBIN_QUANTIZE_RECIPE_H

#include <jansson.h>
#include <regex.h>
#include <stddef.h>

#include "quant_formats/format.h"

typedef struct recipe_wish {  /* what the user asked for; texts are borrowed */
    const char *format;       /* of everything that nothing below names */
    const char *embedding;    /* of "embed", or NULL */
    const char *output;       /* of "head", or NULL */
    const char *const *rules; /* "REGEX=FORMAT": the last one that matches wins, over all above */
    size_t n_rules;
} recipe_wish;

typedef struct recipe_rule {
    regex_t regex; /* POSIX extended, matched anywhere in a name */
    format format;
    bool used;
} recipe_rule;

typedef struct recipe {
    recipe_wish wish;
    format base, embedding, output; /* the last two: what was asked for, or the default */
    recipe_rule *rules;
    size_t n_rules;
} recipe;

/* E_USAGE for an unknown format or a malformed rule; names it. recipe_close takes {0} and what a failed open left. */
status recipe_open(recipe *r, const recipe_wish *wish, error *e);
void recipe_close(recipe *r);

/* The format of a matrix, by its name in the .qbin and its name in the checkpoint. Without a rule the embedding and the head get 8 bits where the base
 * format has fewer: their errors reach every token. */
format recipe_choose(recipe *r, const char *name, const char *source);

/* After all tensors have been chosen: E_USAGE for a wish that met no tensor, because it did not do what was meant. */
status recipe_check(const recipe *r, bool has_head, error *e);

#endif
