/* recipe.h: which tensor gets which format. Owns the rules and their order: a rule is a pattern and a format, and the last rule that matches wins. Rules come
 * from the format that was asked for, a built-in recipe, a recipe file and the command line. Knows tensors by their names only.
 *
 * A recipe is text: a line has a pattern (selector.h), spaces and a format; '#' begins a comment; empty lines are skipped. */
#ifndef QBIN_QUANTIZE_RECIPE_H
#define QBIN_QUANTIZE_RECIPE_H

#include <jansson.h>
#include <stddef.h>

#include "quant_formats/format.h"
#include "quantize/selector.h"

typedef struct recipe_wish {  /* what the user asked for; texts are borrowed; a later member wins over those before it */
    const char *format;       /* of everything, or the name of a built-in recipe; NULL if there is a recipe that says all */
    const char *recipe;       /* the name of a built-in recipe or the path of a file, or NULL */
    const char *embedding;    /* of "embed", or NULL */
    const char *output;       /* of "head", or NULL */
    const char *const *rules; /* "REGEX=FORMAT" */
    size_t n_rules;
} recipe_wish;

typedef struct recipe_rule {
    selector pattern;
    format format;
    const char *from; /* who says so: a path, an option; NULL for a default, which need not match anything. Borrowed from the wish */
    size_t line;      /* of the file; 0: from the command line */
    bool used;
} recipe_rule;

typedef struct recipe {
    recipe_wish wish;
    recipe_rule *rules; /* later ones win */
    size_t n, room;
    bool keeps; /* what no rule is about stays in the format that it has: the wish was RECIPE_KEEP */
} recipe;

#define RECIPE_KEEP "keep" /* as a FORMAT */

/* E_USAGE for an unknown format or recipe or a malformed rule, E_FILE for a recipe file that is missing or malformed: names file, line and column. recipe_close
 * takes {0} and what a failed open left. */
status recipe_open(recipe *r, const recipe_wish *wish, error *e);
void recipe_close(recipe *r);

/* Appends the rules of a recipe's text[n]. `from` is for messages. E_FILE says line and column. */
status recipe_read(recipe *r, const char *text, size_t n, const char *from, error *e);

/* The format of a matrix; {0}: it stays in its own. The router of a layer with experts becomes f32, whatever the rules say. With a plain FORMAT the embedding
 * and the head get about a bit more: their errors reach every token. E_USAGE if no rule matches. */
status recipe_choose(recipe *r, const named *t, format *out, error *e);

/* After all tensors have been chosen: E_USAGE for a wish of the command line that met no tensor, because it did not do what was meant. */
status recipe_check(const recipe *r, bool has_head, error *e);

/* The next rule at or after *i of a file that met no tensor, *i then being behind it; NULL at the end. For warnings. */
const recipe_rule *recipe_unused(const recipe *r, size_t *i);

/* The rules of recipes, not the defaults and options, as a list of "pattern format" (new reference). */
json_t *recipe_rules(const recipe *r);

/* ---- built-in recipes: text in recipes.c ---- */

typedef struct builtin_recipe {
    const char *name, *summary, *text;
} builtin_recipe;
extern const builtin_recipe builtin_recipes[]; /* NULL-terminated */

const builtin_recipe *recipe_builtin(const char *name); /* NULL if there is none */

#endif
