/* grammar.h: a set of texts, as an automaton over bytes: what constrained output may be. Compiled from GBNF, the notation of llama.cpp; schema.h makes the same
 * object from a JSON Schema, constraint.h asks it which tokens may come next. Immutable once made, used by any number of threads. Every text of a grammar is
 * UTF-8 and ends: rules that never end are left out. Left recursion is refused by name, and so is what needs more rules, nesting or states than the limits. */
#ifndef QBIN_TEXT_GRAMMAR_H
#define QBIN_TEXT_GRAMMAR_H

#include <stddef.h>

#include "base/error.h"

typedef struct grammar grammar;

enum {
    GRAMMAR_BYTES_MAX = 1 << 20,      /* of a grammar or schema as text */
    GRAMMAR_RULES_MAX = 1 << 14,      /* rules */
    GRAMMAR_DEPTH_MAX = 200,          /* groups inside groups */
    GRAMMAR_REPEAT_MAX = 100000,      /* the numbers of {m,n} */
    GRAMMAR_STATES_MAX = 1 << 18,     /* states before they are made deterministic, and after */
    GRAMMAR_TRANSITIONS_MAX = 1 << 24 /* states times classes of bytes */
};

/* Compiles GBNF: rules `name ::= ...`, alternation, groups, "literals", [classes], [^negated ones], `.`, `*` `+` `?` `{m}` `{m,}` `{m,n}`, comments; the
 * text is what the rule `root` matches. E_FILE says line and column, and what is wrong there. */
status grammar_open(grammar **out, const char *text, size_t bytes, error *e);
void grammar_close(grammar **g);

typedef struct grammar_counts {
    size_t rules, states;
} grammar_counts;
grammar_counts grammar_count(const grammar *g); /* of what the root uses */

#endif
